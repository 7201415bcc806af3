"""A layer's engine, shots and noise, checked together."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import keras

from qkeras_hybrid import engines, gradients, noise
from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.engines import Engine, Run
from qkeras_hybrid.gradients import Differentiator
from qkeras_hybrid.layers.outputs import Output, choose, prepare, together
from qkeras_hybrid.layers.saved import serialized
from qkeras_hybrid.noise import NoiseModel
from qkeras_hybrid.program import Job

KEEP = "keep"
"""The value of an argument that leaves a setting unchanged."""


@dataclass(frozen=True)
class Setup:
    """An engine, shots and noise.

    Attributes:
        given: The engine as it was given: a name, an engine, or its Keras-serialized form.
        engine: The engine; None for "auto".
        shots: The layer's own number of shots, or None.
        noise: The noise model, or None.
    """

    given: Any
    engine: Engine | None
    shots: int | None
    noise: NoiseModel | None

    @classmethod
    def of(cls, engine: Any, shots: Any, model: Any) -> Setup:
        """Reads the arguments of a layer.

        Raises:
            ValueError: If one of them is invalid.
        """
        number = None if shots is None else positive_int("shots", shots)
        return cls(engine, engines.get(engine), number, noise.get(model))

    @property
    def all_shots(self) -> int | None:
        """The number of shots: the layer's or, if it has none, the engine's."""
        if self.shots is None and self.engine is not None:
            return self.engine.shots
        return self.shots

    def check(self, differentiator: Differentiator | None, output: Output | None) -> None:
        """Makes sure that a layer's differentiator and output suit this setup.

        Raises:
            ValueError: If they don't.
        """
        if self.all_shots is not None and isinstance(differentiator, gradients.Adjoint):
            raise ArgumentError(
                "differentiator",
                "not be Adjoint with `shots`: an estimate from shots has no adjoint gradient",
                differentiator,
                "Use ParameterShift or SPSA, or leave out `shots`.",
            )
        if output is not None:
            output.check(self.all_shots, differentiator)

    @property
    def supports_jit(self) -> bool:
        """Whether XLA may compile a layer before its engine is chosen.

        Under TensorFlow, "auto" may choose an op that XLA does not know.
        """
        return keras.backend.backend() != "tensorflow" or (
            self.engine is not None and self.engine.traceable and self.all_shots is None
        )

    def config(self) -> dict[str, Any]:
        """Returns the arguments in a form that JSON holds."""
        return {
            "engine": serialized(self.given),
            "shots": self.shots,
            "noise": serialized(self.noise),
        }


@dataclass(frozen=True)
class Prepared:
    """The prepared run of a layer's circuit.

    Attributes:
        engine: The engine that runs it.
        run: Computes the readout, or a list of readouts if the layer returns a list.
        supports_jit: Whether XLA may compile the run.
        cautions: What a user should know before training.
    """

    engine: Engine
    run: Run
    supports_jit: bool
    cautions: tuple[str, ...]

    @classmethod
    def of(
        cls, setup: Setup, jobs: list[Job], differentiator: Differentiator | None, several: bool
    ) -> Prepared:
        """Chooses an engine and prepares it.

        Args:
            setup: The layer's engine, shots and noise.
            jobs: The layer's jobs, one for each readout, including any shots and noise.
            differentiator: The layer's differentiator.
            several: Whether the layer returns a list.

        Raises:
            ValueError: If the given engine, or every engine, refuses the jobs; the message has the
                reasons.
        """
        jobs = [
            noise.applied(replace(job, shots=setup.all_shots, noise=setup.noise)) for job in jobs
        ]
        engine = choose(jobs, setup.engine)
        runs = [prepare(job, engine, differentiator) for job in jobs]
        cautions = [caution for job in jobs if (caution := engine.caution(job)) is not None]
        return cls(
            engine,
            together(runs) if several else runs[0],
            all(map(engine.traces, jobs)),
            tuple(dict.fromkeys(cautions)),
        )

    def warn(self, name: str) -> None:
        """Issues the cautions as warnings with the layer's name."""
        for caution in self.cautions:
            warnings.warn(f"Layer {name!r}: {caution}", stacklevel=3)
