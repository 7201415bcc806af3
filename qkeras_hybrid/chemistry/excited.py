"""Excited states by deflation: each is the lowest state orthogonal to the states found before."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import finite_number, positive_int, seed_or_none
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.chemistry.ansatze import MolecularAnsatz, ansatz_of
from qkeras_hybrid.chemistry.electrons import MOST_DETERMINANTS, Electrons, electrons
from qkeras_hybrid.chemistry.solving import CHEMICAL_ACCURACY, Solver
from qkeras_hybrid.chemistry.training import (
    constant_of,
    is_exact,
    no_features,
    precision,
    train,
)
from qkeras_hybrid.encodings import Encoding
from qkeras_hybrid.layers import QuantumKernel


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class Angles(keras.layers.Layer):
    """Trainable angles, the same for each sample: from `(batch, 0)` to `(batch, n)`.

    Args:
        values: The initial angles, of shape `(n,)`, in radians.
        **kwargs: Keras's `name`, `dtype`, `trainable`.
    """

    def __init__(self, values: Sequence[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.values = [float(value) for value in values]

    def build(self, input_shape: Any) -> None:
        """Makes the angles."""
        start = keras.initializers.Constant(np.array(self.values))
        self.angles = self.add_weight(name="angles", shape=(len(self.values),), initializer=start)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Returns the angles for each sample."""
        nothing = ops.sum(ops.cast(inputs, self.compute_dtype), axis=-1, keepdims=True)
        return nothing + ops.cast(self.angles, self.compute_dtype)[None]

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """Returns `(batch, n)`."""
        return (*input_shape[:-1], len(self.values))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "values": self.values}


class AnsatzEncoding(Encoding):
    """A molecule's ansatz as an encoding, whose features are the angles: for kernels of states.

    Args:
        ansatz: The ansatz.
        electrons: The electrons.
    """

    name = "molecular_ansatz"

    def __init__(self, ansatz: MolecularAnsatz, electrons: Electrons) -> None:
        self.ansatz = ansatz
        self.electrons = electrons

    def get_config(self) -> dict[str, Any]:
        return {"ansatz": self.ansatz, "electrons": self.electrons}

    def n_inputs(self, n_features: int, n_qubits: int) -> int:
        return n_features

    def circuit(
        self, qubits: Sequence[cirq.Qid], inputs: Sequence[Any], weights: Sequence[Any] = ()
    ) -> cirq.Circuit:
        circuit = self.ansatz.circuit(self.electrons, tuple(inputs))
        own: dict[cirq.Qid, cirq.Qid] = dict(zip(self.electrons.qubits, qubits, strict=True))
        return circuit if tuple(qubits) == self.electrons.qubits else circuit.transform_qubits(own)

    def angles(self, features: Any, n_qubits: int) -> Any:
        return features


@dataclass(frozen=True, eq=False)
class ExcitedStates:
    """The result of `excited_states`, sorted by energy.

    Attributes:
        energies: Of shape `(k,)`, ascending, in hartree.
        exact_energies: The exact lowest energies in these orbitals, of shape `(k,)`, in hartree; if
            qubits are tapered off, those of the same symmetry sector. None if they are unknown.
        weights: The angles of each state, of shape `(k, n_weights)`, in radians.
        models: For each state a model from `(batch, 0)` to its energy, `(batch, 1)`.
        histories: For each state the loss during its training: the energy plus the penalties, in
            hartree.
        overlaps: `|<psi_i|psi_j>|^2` for each pair of states, of shape `(k, k)`, as measured or
            computed at the end of the training of the later state.
    """

    energies: np.ndarray
    exact_energies: np.ndarray | None
    weights: np.ndarray
    models: tuple[keras.Model, ...]
    histories: tuple[np.ndarray, ...]
    overlaps: np.ndarray


def excited_states(
    given: Any,
    *,
    k: int = 2,
    ansatz: Any = "uccsd",
    penalty: float = 3.0,
    optimizer: Any = None,
    steps: int = 500,
    tolerance: float = 1e-7,
    starts: int = 1,
    engine: Any = "auto",
    shots: int | None = None,
    noise: Any = None,
    seed: int | None = 0,
    dtype: str | None = None,
    **arguments: Any,
) -> ExcitedStates:
    """Finds a molecule's lowest energies, one after the other.

    For each state the training minimises `E + penalty * sum_i |<psi_i|psi>|^2`, where `psi_i` are
    the states found before (variational quantum deflation). Overlaps are computed from state
    vectors. With shots or noise they are measured by the inversion test: the circuit of one state,
    then the inverse circuit of the other.

    Args:
        given: As for `ground_state`.
        k: The number of states, with the ground state.
        ansatz: A name or an ansatz with weights, as for `ground_state`; not "adapt". An ansatz that
            does not conserve the number of electrons, such as "hardware_efficient", may also find
            states of ions.
        penalty: In hartree. It must be larger than the difference between the highest and the
            lowest of the energies.
        optimizer: A Keras optimizer or its name; by default Adam with the learning rate 0.05. The
            optimizers of this package that use the circuit don't work here, because the angles are
            not weights of the circuit's layer.
        steps: The largest number of steps for a state.
        tolerance: As for `ground_state`.
        starts: How many times each state is trained, each time from other angles; the run with the
            lowest loss is kept.
        engine: As for `ground_state`.
        shots: None for exact values, or the number of measurements for each group of Pauli strings
            and for each overlap.
        noise: A noise model, or its spelling.
        seed: The seed of the initial angles and of shots.
        dtype: As for `ground_state`.
        **arguments: Arguments of `electrons`.

    Raises:
        ValueError: If an argument is invalid.

    Reference:
        Higgott, Wang, Brierley: Variational quantum computation of excited states, Quantum 3, 156
        (2019), arXiv 1805.08138.

    Example:

    >>> from qkeras_hybrid.chemistry import excited_states
    >>> result = excited_states("H2", bond_length=0.7414, k=2)
    >>> result.energies.round(4).tolist(), result.exact_energies.round(4).tolist()
    ([-1.1373, -0.5325], [-1.1373, -0.5325])
    """
    positive_int("k", k)
    positive_int("starts", starts)
    if finite_number("penalty", penalty) <= 0:
        raise ArgumentError("penalty", "be above 0", penalty)
    if isinstance(ansatz, str) and ansatz == "adapt":
        raise ArgumentError(
            "ansatz", "be one circuit for all states", ansatz, "Use 'uccsd' or 'k_upccgsd'."
        )
    dtype, found, seed = precision(dtype), ansatz_of(ansatz), seed_or_none("seed", seed)
    atoms = electrons(given, **arguments)
    n_weights = found.n_weights(atoms)
    if not n_weights:
        raise ArgumentError("ansatz", "have weights", ansatz)
    if k > 2**atoms.n_qubits:
        raise ArgumentError("k", f"be at most the {2**atoms.n_qubits} basis states", k)
    if atoms.n_determinants <= MOST_DETERMINANTS:
        exact: np.ndarray | None = atoms.exact_energies(k, tapered=True)
    else:
        exact = None
    options = {"engine": engine, "shots": shots, "noise": noise}
    solver = Solver(atoms, optimizer, steps, tolerance, seed, dtype, options)
    rng = np.random.default_rng(seed)
    weights = np.zeros((0, n_weights))
    energies, models, histories, overlaps = [], [], [], np.eye(k)
    for number in range(k):
        runs = []
        for _ in range(starts):
            start = rng.uniform(-0.5, 0.5, n_weights)
            if number == 0 and found.start == 0:
                start = np.zeros(n_weights)
            runs.append(_deflated(solver, found, start, weights, penalty))
        energy, angles, model, history, overlap = min(runs, key=lambda run: run[3].min())
        weights = np.concatenate([weights, angles[None]])
        overlaps[number, :number] = overlaps[:number, number] = overlap
        energies.append(energy)
        models.append(model)
        histories.append(history)
    # A later state can have a lower energy than an earlier one.
    order = np.argsort(energies, kind="stable")
    values = np.array(energies)[order]
    if exact is not None and noise is None and is_exact(models[0].get_layer("energy")):
        worst = float(np.max(np.abs(values - exact)))
        if worst > CHEMICAL_ACCURACY:
            warnings.warn(
                f"The energy of a state differs from the exact energy by {worst:.2g} hartree: this "
                "ansatz can't represent the state, or the training did not find it. Try "
                "ansatz=KUpCCGSD(2) or more `starts`.",
                stacklevel=2,
            )
    return ExcitedStates(
        values,
        exact,
        weights[order],
        tuple(models[i] for i in order),
        tuple(histories[i] for i in order),
        overlaps[np.ix_(order, order)],
    )


def _deflated(
    solver: Solver, ansatz: MolecularAnsatz, start: Any, below: np.ndarray, penalty: float
) -> tuple[float, np.ndarray, keras.Model, np.ndarray, np.ndarray]:
    """Trains a state.

    Returns its energy, angles, model, history, and overlaps with the states found before.
    """
    atoms, dtype = solver.electrons, solver.dtype
    inputs = keras.Input((0,), dtype=dtype)
    angles = Angles(start, dtype=dtype, name="angles")(inputs)
    layer = solver.layer(ansatz, inputs=ansatz.symbols(atoms))
    energy = layer(angles)
    model = keras.Model(inputs, constant_of(atoms, dtype)(energy))
    outputs = total = energy
    if len(below):
        kernel = QuantumKernel(
            below,
            n_qubits=atoms.n_qubits,
            encoding=AnsatzEncoding(ansatz, atoms),
            dtype=dtype,
            seed=solver.seed,
            **solver.options,
        )
        outputs = kernel(angles)
        total = energy + penalty * ops.sum(outputs, axis=-1, keepdims=True)
    trained = keras.Model(inputs, constant_of(atoms, dtype)(total))
    history = train(
        trained,
        solver.optimizer_of(keras.optimizers.Adam(0.05)),
        steps=solver.steps,
        tolerance=solver.tolerance,
        dtype=dtype,
    )
    x = no_features(dtype)
    overlap = ops.convert_to_numpy(keras.Model(inputs, outputs)(x))[0] if len(below) else []
    values = np.array(ops.convert_to_numpy(model.get_layer("angles").angles))
    return solver.energy(layer, values[None]), values, model, history, np.asarray(overlap)
