"""Differentiators: ways to differentiate expectation values other than the engine's own gradient.

A differentiator has a method's settings and works with all engines. It differentiates with respect
to the angles of the program. The backend's chain rule then gives the gradients of inputs and
weights, exactly. Every angle's generator has two eigenvalues that differ by one (see
`qkeras_hybrid.program`), so the same two-term rule holds for all angles, also of controlled
rotations.

| differentiator | evaluations for `A` angles | error |
|---|---|---|
| `Adjoint()` | 1, by the engine's own reverse pass | none |
| `ParameterShift()` | `2 A` | none; with shots an unbiased estimate |
| `FiniteDifference(step)` | `2 A` | `O(step**2)`; with shots the noise is divided by `step` |
| `SPSA(samples, step)` | `2 samples` | from random directions, unbiased up to `O(step**2)` |
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._registry import Registry
from qkeras_hybrid._value import Value

if TYPE_CHECKING:
    from qkeras_hybrid.engines.base import Engine, Run
    from qkeras_hybrid.program import Job


class Differentiator(Value, abc.ABC):
    """A method to differentiate readouts that are linear in the density matrix.

    Expectation values and probabilities are such readouts.
    """

    def prepare(self, engine: Engine, job: Job) -> Run:
        """Returns a run whose gradient comes from this differentiator.

        The engine computes a function of the angles alone. The backend's chain rule gives the
        gradients of inputs and weights.

        Args:
            engine: The engine that evaluates; it must not refuse the job.
            job: A job whose readout is linear in the density matrix.

        Raises:
            ValueError: If the readout is not linear.
        """
        if not job.readout.linear:
            raise ArgumentError(
                "differentiator",
                f"be None for the readout {job.readout.name!r}, for which no shift rule holds",
                self,
            )
        bare = job.bare()
        run = engine.prepare(bare)
        if not job.angles.rows:
            return lambda inputs, weights, seed=None: run(inputs[:, :0], weights[:0], seed)
        rows = job.varying_rows

        def differentiated(inputs: Any, weights: Any, seed: Any = None) -> Any:
            if isinstance(seed, keras.random.SeedGenerator):
                # Drawn here, because JAX can't update the generator inside the custom-gradient
                # function.
                seed = seed.next()
            failures: list[Exception] = []

            def forward(angles: Any) -> Any:
                # Under PyTorch, Keras calls a function that failed once more, and misinterprets
                # the result.
                if failures:
                    raise failures[0]

                def backward(*args: Any, upstream: Any = None) -> Any:
                    # Backends pass different arguments, but the upstream gradient is always the
                    # last one.
                    gradient = args[-1] if upstream is None else upstream
                    shifted = Evaluations(run, rows, Seeds(seed, 1))
                    return self.gradient(shifted, angles, gradient)

                try:
                    return Evaluations(run, rows, Seeds(seed, 0))(angles), backward
                except Exception as error:
                    failures.append(error)
                    raise

            return ops.custom_gradient(forward)(job.angles(inputs, weights))

        return differentiated

    @abc.abstractmethod
    def gradient(self, evaluations: Evaluations, angles: Any, upstream: Any) -> Any:
        """Estimates the gradient with respect to the angles.

        Args:
            evaluations: Computes expectation values of shape `(batch, n_observables)`.
            angles: Tensor of shape `(batch, n_angles)`.
            upstream: Tensor of shape `(batch, n_observables)`.

        Returns:
            Tensor of shape `(batch, n_angles)`.
        """

    def evaluations(self, n_angles: int) -> int:
        """Returns how many times a circuit runs for the gradient of one sample."""
        return 2 * n_angles


class Seeds:
    """Independent seeds, all derived from the seed of one call.

    Args:
        seed: An integer, a seed drawn by a `keras.random.SeedGenerator`, or None.
        stream: 0 or 1. The two streams never share a value.
    """

    def __init__(self, seed: Any, stream: int = 0) -> None:
        self._seed = seed
        self._number = stream

    def next(self) -> Any:
        """Returns a new seed at each call, for one evaluation; None without a seed."""
        self._number += 2
        if self._seed is None:
            return None
        if isinstance(self._seed, (int, np.integer)):
            words = np.random.SeedSequence((int(self._seed) % 2**32, self._number)).generate_state(
                1
            )
            return int(words[0])
        return _DrawnSeeds(self._seed + 40503 * self._number)


class _DrawnSeeds(keras.random.SeedGenerator):
    """A generator that starts from a given seed and keeps no variable."""

    def __init__(self, drawn: Any) -> None:
        self._drawn = drawn
        self._count = 0

    def next(self, ordered: bool = True) -> Any:
        """Returns a seed that it has not returned before."""
        self._count += 1
        return self._drawn + 69069 * (self._count - 1)


@dataclass(frozen=True)
class Evaluations:
    """The readout as a function of the angles alone; with shots, each call has independent noise.

    Attributes:
        run: The engine's run of the bare job.
        rows: The angles that vary and that can affect the result.
        seeds: The seeds of the calls, for jobs with shots.
    """

    run: Run
    rows: tuple[int, ...]
    seeds: Seeds

    def __call__(self, angles: Any) -> Any:
        """Maps angles of shape `(batch, n_angles)` to values `(batch, n_values)`."""
        nothing = ops.zeros((0,), dtype=keras.backend.standardize_dtype(angles.dtype))
        return self.run(angles, nothing, self.seeds.next())

    def differences(self, angles: Any, directions: Any) -> Any:
        """Computes `f(angles + d) - f(angles - d)` for several directions in one evaluation.

        Args:
            angles: Tensor of shape `(batch, n_angles)`.
            directions: Tensor of shape `(n_directions, batch or 1, n_angles)`.

        Returns:
            Tensor of shape `(n_directions, batch, n_values)`.
        """
        n_directions, n_angles = directions.shape[0], directions.shape[2]
        both = ops.stack([angles[None] + directions, angles[None] - directions])
        values = self(ops.reshape(both, (-1, n_angles)))
        batch = ops.shape(angles)[0]
        plus, minus = ops.unstack(
            ops.reshape(values, (2, n_directions, batch, values.shape[-1])), 2, axis=0
        )
        return plus - minus


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
@dataclass(frozen=True)
class Adjoint(Differentiator):
    """The engine's own exact gradient: reverse mode through the state vector."""

    def prepare(self, engine: Engine, job: Job) -> Run:
        """Returns the engine's run of the job, which has its own gradient.

        Raises:
            ValueError: If the engine has no gradient of its own for this job.
        """
        if not engine.differentiates_itself(job):
            why = (
                "an estimate from shots has no adjoint gradient"
                if job.shots is not None
                else f"it has no gradient of its own for the readout {job.readout.name}"
            )
            raise ArgumentError(
                "differentiator",
                f"not be Adjoint with the engine {engine.name!r}: {why}",
                self,
                "Use ParameterShift or SPSA, or leave out `shots`.",
            )
        return engine.prepare(job)

    def gradient(self, evaluations: Evaluations, angles: Any, upstream: Any) -> Any:
        """Not used: the engine's run has its own gradient."""
        raise NotImplementedError("Adjoint uses the engine's own gradient.")

    def evaluations(self, n_angles: int) -> int:
        """Returns 0: a simulator's reverse pass runs no circuit, and hardware has no adjoint."""
        return 0


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
@dataclass(frozen=True)
class ParameterShift(Differentiator):
    """The exact two-term shift rule: `df/da = (f(a + pi/2) - f(a - pi/2)) / 2`.

    All shifted evaluations run as one batch, `2 * n_angles` times as large as the layer's.

    Reference:
        Schuld, Bergholm, Gogolin, Izaac, Killoran: Evaluating analytic gradients on quantum
        hardware, Phys. Rev. A 99, 032331 (2019), arXiv 1811.11184.
    """

    def gradient(self, evaluations: Evaluations, angles: Any, upstream: Any) -> Any:
        """Returns the exact gradient, or with shots an unbiased estimate of it."""
        return _along_axes(evaluations, angles, upstream, math.pi / 2, 0.5)


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
@dataclass(frozen=True)
class FiniteDifference(Differentiator):
    """Central differences: `df/da = (f(a + step) - f(a - step)) / (2 step) + O(step**2)`.

    Args:
        step: The step in radians. The default balances rounding and truncation in float32.

    Raises:
        ValueError: If `step` is not a positive, finite number.
    """

    step: float = 1e-2

    def __post_init__(self) -> None:
        _check_step(self.step)

    def gradient(self, evaluations: Evaluations, angles: Any, upstream: Any) -> Any:
        """Returns the central differences of each angle."""
        return _along_axes(evaluations, angles, upstream, self.step, 0.5 / self.step)


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
@dataclass(frozen=True)
class SPSA(Differentiator):
    """Simultaneous perturbation: central differences along random directions of signs.

    `g = mean_k (f(a + step d_k) - f(a - step d_k)) / (2 step) d_k`, where the entries of `d_k` are
    independently +1 or -1. The cost does not grow with the number of angles, but the variance does.

    Args:
        samples: The number of directions.
        step: The step in radians.
        seed: An integer repeats the same directions in every call; None draws new ones.

    Raises:
        ValueError: If `samples` is not a whole number of at least 1, or `step` is not positive.

    Reference:
        Spall: Multivariate stochastic approximation using a simultaneous perturbation gradient
        approximation, IEEE Trans. Automatic Control 37, 332 (1992).
    """

    samples: int = 1
    step: float = 0.1
    seed: int | None = None

    def __post_init__(self) -> None:
        positive_int("samples", self.samples)
        _check_step(self.step)

    def gradient(self, evaluations: Evaluations, angles: Any, upstream: Any) -> Any:
        """Returns the mean over the random directions."""
        dtype = keras.backend.standardize_dtype(angles.dtype)
        n_angles = angles.shape[1]
        shape = (self.samples, ops.shape(angles)[0], n_angles)
        seed = evaluations.seeds.next() if self.seed is None else self.seed
        coins = keras.random.uniform(shape, seed=seed, dtype=dtype)
        signs = ops.where(coins < 0.5, -ops.ones_like(coins), ops.ones_like(coins))
        values = evaluations.differences(angles, self.step * signs)
        slope = ops.sum(values * upstream[None], axis=-1, keepdims=True) / (2.0 * self.step)
        return ops.mean(slope * signs, axis=0)

    def evaluations(self, n_angles: int) -> int:
        """Returns two for each direction."""
        return 2 * self.samples


def _check_step(step: float) -> None:
    if not (isinstance(step, (int, float)) and 0 < step < math.inf):
        raise ArgumentError("step", "be a positive, finite number of radians", step)


def _along_axes(
    evaluations: Evaluations, angles: Any, upstream: Any, step: float, factor: float
) -> Any:
    """Returns `factor * sum_o upstream_o (f_o(a + step e_r) - f_o(a - step e_r))` for each r."""
    dtype = keras.backend.standardize_dtype(angles.dtype)
    n_angles = angles.shape[1]
    # Global phases and constants have gradient zero, so they need no evaluations.
    rows = list(evaluations.rows)
    if not rows:
        return ops.zeros_like(angles)
    directions = ops.convert_to_tensor(step * np.eye(n_angles)[rows][:, None, :], dtype)
    values = evaluations.differences(angles, directions)
    found = ops.transpose(factor * ops.sum(values * upstream[None], axis=-1))
    if len(rows) == n_angles:
        return found
    position = np.full(n_angles, len(rows), "int32")
    position[rows] = np.arange(len(rows), dtype="int32")
    padded = ops.concatenate([found, ops.zeros_like(found[:, :1])], axis=1)
    return ops.take(padded, position, axis=1)


DIFFERENTIATORS: Registry[Differentiator] = Registry(
    "differentiator",
    Differentiator,
    {
        "adjoint": Adjoint,
        "parameter_shift": ParameterShift,
        "finite_difference": FiniteDifference,
        "spsa": SPSA,
    },
)
names = DIFFERENTIATORS.names


def get(identifier: str | dict[str, Any] | Differentiator | None) -> Differentiator | None:
    """Returns a differentiator, given by its name, in Keras-serialized form, or as itself.

    None gives None.

    Raises:
        ValueError: If the name is unknown, or the identifier is none of these.
    """
    return None if identifier is None else DIFFERENTIATORS.get(identifier)
