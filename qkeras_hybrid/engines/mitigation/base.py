"""The base class of mitigation methods: an engine that runs other programs on an engine."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.engines._prepare import prepare, refusal, with_noise
from qkeras_hybrid.engines.base import Engine, Run
from qkeras_hybrid.gradients import Differentiator, Seeds
from qkeras_hybrid.program import INSTRUCTIONS, UNITARY, Channel, Compiled, Instruction, Job
from qkeras_hybrid.readouts import Expectation, Readout


@dataclass(frozen=True)
class Report:
    """What a mitigation method does to some values, and what it costs.

    Attributes:
        unmitigated: The values of the engine alone, of shape `(batch, n_observables)`.
        mitigated: The values with mitigation, of the same shape.
        variance_factor: For each value, the ratio of its variance to that of the engine alone with
            as many shots for each program, to first order in the shot noise. Shots must grow by
            this factor for the same error.
        programs: The number of programs that run in place of one.
    """

    unmitigated: np.ndarray
    mitigated: np.ndarray
    variance_factor: np.ndarray
    programs: int

    @property
    def bias_removed(self) -> np.ndarray:
        """The distance by which mitigation moves the values."""
        moved: np.ndarray = self.mitigated - self.unmitigated
        return moved

    def __str__(self) -> str:
        moved, factor = np.abs(self.bias_removed), self.variance_factor
        return (
            f"values moved by {moved.mean():.4g} (largest {moved.max():.4g}); variance times "
            f"{factor.mean():.4g} (largest {factor.max():.4g}); {self.programs} programs"
        )


class Mitigation(Engine):
    """An engine that computes expectation values on another, and corrects them.

    Args:
        engine: The engine that computes: its name, or itself.

    Raises:
        ValueError: If `engine` is not an engine.
    """

    instructions = INSTRUCTIONS
    readouts: ClassVar[frozenset[type[Readout]]] = frozenset({Expectation})
    differentiates = frozenset({Expectation})
    takes_readout_errors = True

    def __init__(self, engine: Any) -> None:
        if isinstance(engine, dict):
            engine = keras.saving.deserialize_keras_object(engine)
        if not isinstance(engine, Engine):
            raise ArgumentError(
                "engine", "be an engine", engine, 'For example engines.get("statevector").'
            )
        self.engine = engine

    # It can do whatever the engine can do.

    @property
    def samples(self) -> bool:  # type: ignore[override]
        """Whether the engine takes shots."""
        return self.engine.samples

    @property
    def exact(self) -> bool:  # type: ignore[override]
        """Whether the engine computes without shots."""
        return self.engine.exact

    @property
    def shots(self) -> int | None:  # type: ignore[override]
        """The engine's own number of shots."""
        return self.engine.shots

    @property
    def repetitions(self) -> int | None:
        """The engine's own number of random runs."""
        return self.engine.repetitions

    @property
    def dtypes(self) -> tuple[str, ...]:  # type: ignore[override]
        """The engine's precisions."""
        return self.engine.dtypes

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {"engine": keras.saving.serialize_keras_object(self.engine), **self.arguments()}

    def arguments(self) -> dict[str, Any]:
        """Returns the other arguments, without the engine."""
        return {}

    def __repr__(self) -> str:
        given = "".join(f", {name}={value!r}" for name, value in self.arguments().items())
        return f"{type(self).__name__}({self.engine!r}{given})"

    def differentiates_itself(self, job: Job) -> bool:
        return True

    def traces(self, job: Job) -> bool:
        return self.engine.traces(job)

    def caution(self, job: Job) -> str | None:
        return self.engine.caution(job)

    def refuses(self, job: Job) -> str | None:
        if type(job.readout) not in self.readouts:
            return f"it mitigates expectation values, not {job.readout.name}"
        if job.circuits:
            return "it takes no circuits as inputs"
        return refusal(job, self.engine) or self.unsuitable(with_noise(job))

    def unsuitable(self, job: Job) -> str | None:
        """Returns why the method does not suit a job, or None if it does."""
        return None

    def prepare(self, job: Job) -> Run:
        return self.differentiated(job)

    @abc.abstractmethod
    def differentiated(self, job: Job, differentiator: Differentiator | None = None) -> Run:
        """Returns a function that computes a job's corrected values.

        The differentiator acts on the programs that run in the job's place: in a folded program an
        angle occurs several times, and the shift rule holds for each occurrence, not for all
        together.
        """

    def inner(self, job: Job, differentiator: Differentiator | None = None) -> Run:
        """Returns a function that computes a job on the engine."""
        return prepare(job, self.engine, differentiator)

    # The report.

    def report(
        self,
        compiled: Compiled,
        inputs: Any,
        weights: Any = (),
        *,
        noise: Any = None,
        shots: int | None = None,
        seed: int | None = 0,
    ) -> Report:
        """Computes values with and without mitigation, and what mitigation costs.

        Args:
            compiled: What `compile_circuit` returned.
            inputs: Values of shape `(batch, n_inputs)`.
            weights: Values of shape `(n_weights,)`.
            noise: A noise model, if the engine is a simulator.
            shots: The number of measurements, or None for exact values.
            seed: The seed of the shots.
        """
        dtype = "float32" if "float64" not in self.dtypes else _precision(inputs)
        shots = self.shots if shots is None else shots
        job = with_noise(compiled.job(dtype, shots=shots, noise=noise, gradient=False))
        point = tuple(
            ops.convert_to_tensor(np.asarray(each, dtype), dtype=dtype)
            for each in (inputs, weights)
        )
        plain = self.inner(job)(*point, seed)
        mitigated = self.prepare(job)(*point, seed)
        factor, programs = self.cost(job, point, seed)
        values = np.asarray(ops.convert_to_numpy(mitigated))
        return Report(
            np.asarray(ops.convert_to_numpy(plain)),
            values,
            np.broadcast_to(np.asarray(factor, float), values.shape),
            programs,
        )

    def cost(self, job: Job, point: tuple[Any, Any], seed: Any) -> tuple[Any, int]:
        """Returns the factor by which the variance grows, and the number of programs.

        Args:
            job: The job, without gradient.
            point: The inputs and weights.
            seed: The seed of the shots.
        """
        return 1.0, 1


def _precision(inputs: Any) -> str:
    return "float64" if str(getattr(inputs, "dtype", "")).endswith("float64") else "float32"


def averaged(runs: list[Run], factors: list[float]) -> Run:
    """Returns a run that adds up the weighted results of runs, each with its own seed."""

    def run(inputs: Any, weights: Any, seed: Any = None) -> Any:
        found: Any = 0.0
        for each, factor, own in zip(runs, factors, seeds_for(seed, len(runs)), strict=True):
            found = found + factor * each(inputs, weights, own)
        return found

    return run


def seeds_for(seed: Any, count: int) -> list[Any]:
    """Returns a seed for each of several runs."""
    if isinstance(seed, keras.random.SeedGenerator):
        seed = seed.next()
        return [Seeds(seed + 7_368_787 * (k % 512)).next() for k in range(count)]
    if seed is None:
        return [None] * count
    words = np.random.SeedSequence((int(seed) % 2**32, 0x317)).generate_state(count)
    return [int(word) for word in words]


def irreversible(instructions: tuple[Instruction, ...]) -> str | None:
    """Returns the name of the first instruction that is neither unitary nor noise, or None."""
    for instruction in instructions:
        if type(instruction) not in UNITARY and not isinstance(instruction, Channel):
            return type(instruction).__name__
    return None
