"""The quantum approximate optimization algorithm as a layer, on a problem of quadratic costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import finite_number, known_arguments, one_of, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.annealing.models import Ising, Quadratic, Qubo
from qkeras_hybrid.annealing.problem import Problem
from qkeras_hybrid.annealing.qaoa import runs
from qkeras_hybrid.annealing.qaoa.circuit import (
    Circuit,
    cardinality_state,
    check_memory,
    checked_state,
    complete_pairs,
    diagonal,
    ring_pairs,
    tilted_state,
)
from qkeras_hybrid.annealing.qaoa.starts import start_angles
from qkeras_hybrid.annealing.reading import name_of
from qkeras_hybrid.engines.base import sample_bits
from qkeras_hybrid.layers.features import as_tensor, n_features_of

MIXERS = ("x", "xy_ring", "xy_complete")
OUTPUTS = ("means", "energy", "probabilities", "samples")


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class QAOALayer(keras.layers.Layer):
    """Runs the quantum approximate optimization algorithm (QAOA) for a problem's fields.

    A qubit for each variable starts in |+>. Each of `n_layers` layers multiplies each basis state
    by the phase of its costs, `exp(-i gamma C)`, and mixes the basis states by
    `exp(-i beta sum_q X_q)`, which applies `RX(2 beta)` to each qubit. The angles gamma and beta
    are the layer's weights, in radians.
    `C` is the problem with the input added to its linear biases: to `h_i` of an `Ising`, to `Q_ii`
    of a `Qubo`. So a network in front can predict the costs of the problem. Gradients with respect
    to the angles and to the input are exact.

    The spin of a variable is the eigenvalue of `Z` of its qubit: +1 for |0>, which stands for the
    value 1 of a `Qubo`'s variable.

    Args:
        problem: An `Ising`, a `Qubo` or a `Problem`, with at least one variable. With the mixer
            "x", a `Problem`'s constraints become penalties in a `Qubo`, whose further variables
            count like all others. With an XY mixer, the constraints become its groups.
        n_layers: The number of layers, often called "p".
        mixer: `"x"`, or, for problems in which a fixed number of a group's variables is 1, a mixer
            that keeps this number: `exp(-i beta (XX + YY) / 2)` on the neighbours of a ring
            (`"xy_ring"`: first the pairs that start at even places, then at odd places) or on all
            pairs (`"xy_complete"`).
        groups: For an XY mixer: lists of variables; the number of ones in each list is kept. By
            default the groups of the `Problem`'s constraints, or one group of all variables. A
            variable in no group stays in |+>.
        ones: The number of ones in each group: a number, or one for each group. Spins of +1 count
            as ones.
        state: The state before the first layer: amplitudes of shape `(2**n,)`, the first variable
            the most significant bit. By default |+> for all qubits; for an XY mixer, the uniform
            superposition of all states with these `ones` (a Dicke state).
        relaxed: A warm start: the probability that each variable is 1, of shape `(n,)`, for example
            from a relaxation of the problem. A variable's qubit starts in the state with this
            probability, and its mixer rotates about this state's axis. Only with the mixer "x".
        epsilon: `relaxed` is clipped to the interval from `epsilon` to `1 - epsilon`, because a
            qubit that starts at 0 or 1 would never move. 0.5 turns the warm start off.
        angles: The initial weights: "ramp", "fixed", "sk" or "stored" (see
            `annealing.qaoa.start_angles`), or a pair of arrays, gammas and betas, of shape
            `(n_layers,)`. The named angles are for the mixer "x" and the state |+>; for anything
            else they are only a guess.
        output: `"means"` of the spins; `"energy"`, the mean of `C`, with the problem's offset;
            `"probabilities"` of all basis states; `"samples"` of spins, which have no gradient.
        shots: The number of samples; for the output "samples" only.
        engine: `"native"` runs in C++, `"portable"` on the operations of Keras's backend; `"auto"`
            uses "native" if it can. A warm start needs "portable".
        seed: Seed of the samples.
        **kwargs: Keras's `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, ..., n)`, the fields; or `(batch, ..., 0)` for the problem without additional
        fields.

    Output shape:
        `(batch, ..., n)` for means, `(batch, ..., 1)` for the energy, `(batch, ..., 2**n)` for
        probabilities, `(batch, ..., shots, n)` for samples. NaN in an input sample gives NaN.

    Raises:
        ValueError: If an argument is invalid; if the states of so many variables don't fit in
            memory; in `build`, if the input has another width.

    Reference:
        Farhi, Goldstone, Gutmann, arXiv 1411.4028. Mixers: Hadfield et al., Algorithms 12, 34
        (2019), arXiv 1709.03489; Wang et al., Physical Review A 101, 012320 (2020), arXiv
        1904.09314. Warm starts: Egger, Mareček, Woerner, Quantum 5, 479 (2021), arXiv 2009.10095.

    Example:

    >>> from qkeras_hybrid.annealing import Ising
    >>> ring = Ising({}, {(i, (i + 1) % 6): 0.5 for i in range(6)})
    >>> layer = QAOALayer(ring, n_layers=1, angles="fixed", output="energy")
    >>> tuple(layer(np.zeros((2, 6))).shape)
    (2, 1)
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(6), QAOALayer(ring, 2)])
    >>> model.output_shape
    (None, 6)
    """

    def __init__(
        self,
        problem: Quadratic | Problem | dict[str, Any],
        n_layers: int = 1,
        *,
        mixer: str = "x",
        groups: Sequence[Sequence[Any]] | None = None,
        ones: int | Sequence[int] = 1,
        state: Any = None,
        relaxed: Any = None,
        epsilon: float = 0.25,
        angles: Any = "ramp",
        output: str = "means",
        shots: int | None = None,
        engine: str = "auto",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        # Fields are not rounded to half precision, which is too coarse for energies.
        super().__init__(autocast=False, **kwargs)
        self.problem = _checked_problem(problem)
        self.n_layers = positive_int("n_layers", n_layers)
        self.mixer = one_of("mixer", mixer, MIXERS)
        self.output_kind = one_of("output", output, OUTPUTS)
        if (shots is not None) != (self.output_kind == "samples"):
            raise ArgumentError(
                "shots", 'be given for the output "samples", and only for it', shots
            )
        self.shots = None if shots is None else positive_int("shots", shots)
        self.engine = one_of("engine", engine, runs.ENGINES)
        self.seed = seed
        self.groups = None if groups is None else [list(group) for group in groups]
        self._ones_given = ones
        if isinstance(self.problem, Problem) and self.mixer != "x" and groups is None:
            groups, ones = _constraint_groups(self.problem)
        self.model = _model(self.problem, self.mixer)
        n = self.model.n_variables
        groups = _checked_groups(groups, self.model, self.mixer)
        place = {variable: i for i, variable in enumerate(self.model.variables)}
        self._places = [[place[variable] for variable in group] for group in groups]
        self.ones = _checked_ones(ones, self._places)
        self.epsilon = finite_number("epsilon", epsilon)
        if not 0 <= self.epsilon <= 0.5:
            raise ArgumentError("epsilon", "be from 0 to 0.5", epsilon)
        self.relaxed = None if relaxed is None else _checked_relaxed(relaxed, n)
        if self.relaxed is not None and (self.mixer != "x" or state is not None):
            raise ArgumentError(
                "relaxed", 'be None with `state` or another mixer than "x"', relaxed
            )
        check_memory("problem", n)
        self.state = None if state is None else checked_state("state", state, n)
        self.angles = angles
        self._start = self._checked_angles(angles)
        runs.chosen(self.engine, self.relaxed is not None)  # refuses problems that can't run
        self.supports_masking = True
        self._run: Any = None
        self._width: int | None = None
        self.gammas: Any = None
        self.betas: Any = None
        self._seed_generator = (
            keras.random.SeedGenerator(seed) if self.output_kind == "samples" else None
        )
        self.supports_jit = keras.backend.backend() != "tensorflow" or (
            self.chosen_engine == "portable" and self.shots is None
        )

    @property
    def chosen_engine(self) -> str:
        """The engine that runs the circuit: "native" or "portable"."""
        return runs.chosen(self.engine, self.relaxed is not None)

    @property
    def circuit(self) -> Circuit:
        """The circuit, with the costs of all basis states."""
        n, pairs, state, tilts = self.model.n_variables, [], self.state, None
        if self.mixer != "x":
            listed = ring_pairs if self.mixer == "xy_ring" else complete_pairs
            pairs = [pair for group in self._places for pair in listed(group)]
            if state is None:
                state = cardinality_state(n, self._places, self.ones)
        if self.relaxed is not None:
            held = np.clip(self.relaxed, self.epsilon, 1 - self.epsilon)
            tilts = 2 * np.arccos(np.sqrt(held))
            state = tilted_state(tilts)
        places = np.array(pairs, "int64").reshape(-1, 2)
        return Circuit(n, self.n_layers, diagonal(self.model), places, state, tilts)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes the weights, and prepares the engine."""
        width = self._width = self._check_shape(input_shape)
        gammas, betas = self._start
        for name, start in (("gammas", gammas), ("betas", betas)):
            weight = self.add_weight(
                name=name, shape=(self.n_layers,), initializer=keras.initializers.Constant(start)
            )
            setattr(self, name, weight)
        sampled = self.output_kind in ("probabilities", "samples")
        self._run = runs.prepare(
            self.chosen_engine, self.circuit, width, self._precision, probabilities=sampled
        )

    def call(self, inputs: Any) -> Any:
        """Runs the circuit for every position of the leading axes.

        Args:
            inputs: The fields, of shape `(batch, ..., n)` or `(batch, ..., 0)`, numeric.
        """
        fields = as_tensor(self.name, inputs, self._width)
        width = self._check_shape(fields.shape)
        leading = ops.shape(fields)[:-1]
        fields = ops.cast(fields, self._precision)
        if len(fields.shape) > 2:
            # Without fields, the number of samples can't be computed from the number of values.
            fields = ops.reshape(fields, (-1 if width else math.prod(leading), width))
        halves = isinstance(self.model, Qubo)  # a bit's bias is half a field and half a constant
        spin_fields = fields / 2 if halves else fields
        rows = ops.zeros_like(ops.sum(fields, axis=1, keepdims=True))
        angles = [
            ops.cast(ops.convert_to_tensor(w), self._precision) for w in (self.gammas, self.betas)
        ]
        values = self._run(
            ops.concatenate([spin_fields, *(rows + w[None] for w in angles)], axis=1)
        )
        n = self.model.n_variables
        if self.output_kind == "means":
            values = values[:, :n]
        elif self.output_kind == "energy":
            values = values[:, n:] + self.model.to_ising().offset
            if halves:
                values = values + ops.sum(spin_fields, axis=1, keepdims=True)
        elif self.shots is not None:
            bits = sample_bits(ops.stop_gradient(values), n, self.shots, self._seed_generator)
            unknown = ops.sum(values, axis=1)[:, None, None] * 0.0  # NaN stays NaN
            values = 1 - 2 * ops.cast(bits, self._precision) + ops.stop_gradient(unknown)
        values = ops.reshape(values, (*leading, *self._one_shape()))
        return ops.cast(values, self.compute_dtype)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the leading axes of the input, then the shape of one output."""
        self._check_shape(input_shape)
        return (*input_shape[:-1], *self._one_shape())

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor."""
        angles, state = self.angles, self.state
        return {
            **super().get_config(),
            "problem": keras.saving.serialize_keras_object(self.problem),
            "n_layers": self.n_layers,
            "mixer": self.mixer,
            "groups": self.groups,
            "ones": self._ones_given,
            "state": None if state is None else np.stack([state.real, state.imag], 1).tolist(),
            "relaxed": None if self.relaxed is None else self.relaxed.tolist(),
            "epsilon": self.epsilon,
            "angles": angles if isinstance(angles, str) else [a.tolist() for a in self._start],
            "output": self.output_kind,
            "shots": self.shots,
            "engine": self.engine,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> QAOALayer:
        """Makes a layer from what `get_config` returned."""
        return cls(**known_arguments(cls, config, ("name", "dtype", "trainable")))

    # Implementation.

    @property
    def _precision(self) -> str:
        return "float64" if self.compute_dtype == "float64" else "float32"

    def _one_shape(self) -> tuple[int, ...]:
        n = self.model.n_variables
        if self.shots is not None:
            return (self.shots, n)
        return ({"means": n, "energy": 1, "probabilities": 2**n}[self.output_kind],)

    def _check_shape(self, input_shape: Sequence[int | None]) -> int:
        width, n = n_features_of(self.name, input_shape, 0), self.model.n_variables
        if width not in (0, n):
            raise ValueError(
                f"Layer {self.name!r} must have a field for each of its problem's {n} variables, "
                f"or none, as the last axis of its input, but got shape {tuple(input_shape)}."
            )
        return width

    def _checked_angles(self, given: Any) -> tuple[np.ndarray, np.ndarray]:
        if isinstance(given, str):
            return start_angles(given, self.n_layers, self.model)
        try:
            gammas, betas = (np.asarray(part, "float64") for part in given)
        except (TypeError, ValueError):
            raise ArgumentError(
                "angles", "be a name or two arrays, gammas and betas", given
            ) from None
        for part in (gammas, betas):
            if part.shape != (self.n_layers,) or not np.isfinite(part).all():
                raise ArgumentError(
                    "angles", f"have {self.n_layers} finite gammas, and as many betas", given
                )
        return gammas, betas


def _checked_problem(given: Any) -> Quadratic | Problem:
    if isinstance(given, dict) and "class_name" in given:
        given = keras.saving.deserialize_keras_object(given)
    if not isinstance(given, (Ising, Qubo, Problem)):
        raise ArgumentError(
            "problem",
            "be an annealing.Ising, Qubo or Problem",
            given,
            "An Ising and a Qubo can be made from dimod models.",
        )
    if given.n_variables < 1:
        raise ArgumentError("problem", "have at least one variable", given)
    return given


def _model(problem: Quadratic | Problem, mixer: str) -> Quadratic:
    """Returns the costs, without penalties if the mixer keeps the constraints."""
    if not isinstance(problem, Problem):
        return problem
    if mixer == "x":
        return problem.to_qubo()
    return Problem(problem.name, problem.objective).to_qubo()


def _constraint_groups(problem: Problem) -> tuple[list[list[Any]], list[int]]:
    """Returns the groups of a problem's constraints, and the number of ones in each group."""
    for constraint in problem.constraints:
        sized = constraint.sense == "==" and set(constraint.coefficients.values()) == {1}
        if not sized or constraint.bound != int(constraint.bound):
            raise ArgumentError(
                "mixer",
                'be "x" for a problem with constraints other than "k of these are 1", such '
                f"as {constraint.name!r}",
                "an XY mixer",
            )
    groups = [list(constraint.coefficients) for constraint in problem.constraints]
    free = set(problem.variables).difference(*groups)
    if free:
        raise ArgumentError(
            "mixer",
            f'be "x" if a variable, here {min(map(str, free))!r}, is in no constraint: an XY mixer '
            "would not mix it",
            "an XY mixer",
        )
    return groups, [int(constraint.bound) for constraint in problem.constraints]


def _checked_groups(given: Any, model: Quadratic, mixer: str) -> list[list[Any]]:
    if mixer == "x":
        if given is not None:
            raise ArgumentError(
                "groups",
                'be None with the mixer "x", which does not keep the number of ones',
                given,
            )
        return []
    if given is None:
        return [list(model.variables)]
    groups = [[name_of(variable) for variable in group] for group in given]
    members = [variable for group in groups for variable in group]
    for variable in members:
        if variable not in model.variables:
            raise ArgumentError("groups", "name the problem's variables", variable)
        if members.count(variable) > 1:
            raise ArgumentError("groups", "name each variable once", variable)
    if not members or not all(groups):
        raise ArgumentError("groups", "each have at least one variable", given)
    return groups


def _checked_ones(given: Any, places: list[list[int]]) -> tuple[int, ...]:
    if not places:
        if given != 1:
            raise ArgumentError("ones", 'be left out with the mixer "x"', given)
        return ()
    counts = list(given) if isinstance(given, (list, tuple)) else [given] * len(places)
    if len(counts) != len(places):
        raise ArgumentError("ones", f"be one number, or {len(places)}: one for each group", given)
    for count, group in zip(counts, places, strict=True):
        if isinstance(count, bool) or not hasattr(count, "__index__"):
            raise ArgumentError("ones", "be whole numbers", given)
        if not 0 <= int(count) <= len(group):
            raise ArgumentError("ones", f"be from 0 to {len(group)}, the size of its group", count)
    return tuple(int(count) for count in counts)


def _checked_relaxed(given: Any, n: int) -> np.ndarray:
    try:
        array = np.asarray(given, "float64")
    except (TypeError, ValueError):
        raise ArgumentError("relaxed", "be an array of probabilities", given) from None
    if array.shape != (n,):
        raise ArgumentError("relaxed", f"have the shape ({n},)", array.shape)
    if not ((array >= 0) & (array <= 1)).all():
        raise ArgumentError("relaxed", "each be from 0 to 1", given)
    return array
