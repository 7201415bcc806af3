"""Clifford data regression: learns the noise from circuits that are easy to compute."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.engines._prepare import prepare, refusal
from qkeras_hybrid.engines.base import Engine, Run
from qkeras_hybrid.engines.mitigation.base import Mitigation, irreversible, seeds_for
from qkeras_hybrid.engines.statevector import StatevectorEngine
from qkeras_hybrid.gradients import Differentiator
from qkeras_hybrid.noise.channels import probability
from qkeras_hybrid.program import Channel, Job


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class CliffordDataRegression(Mitigation):
    """Fits `ideal = slope * noisy + intercept` on circuits close to the one to run.

    For each sample, `training` new circuits are made: in each, random multiples of pi/2 replace
    most of the varying angles. A simulator computes the ideal values of these circuits, the engine
    their noisy values, and a line fitted to them corrects the circuit itself. Gradients treat the
    line as constant.

    Args:
        engine: The engine that computes.
        training: The number of circuits to which the line is fitted.
        kept: The fraction of angles that stay unchanged.
        simulator: The engine for the ideal values: by default state vectors; for larger circuits,
            give an engine for near-Clifford circuits.
        seed: The seed of the replaced angles, which are the same from call to call.

    Raises:
        ValueError: If a number is invalid.

    Reference:
        Czarnik, Arrasmith, Coles, Cincio: Error mitigation with Clifford quantum-circuit data,
        Quantum 5, 592 (2021), arXiv 2005.10189.

    Example:

    >>> engines.CliffordDataRegression(engines.StatevectorEngine(), training=10).training
    10
    """

    name = "clifford_data_regression"

    def __init__(
        self,
        engine: Any,
        training: int = 20,
        kept: float = 0.2,
        simulator: Any = None,
        seed: int | None = 0,
    ) -> None:
        super().__init__(engine)
        self.training = positive_int("training", training)
        if self.training < 2:
            raise ArgumentError("training", "be at least 2", training)
        self.kept = probability("kept", kept)
        if isinstance(simulator, dict):
            simulator = keras.saving.deserialize_keras_object(simulator)
        self.simulator = StatevectorEngine() if simulator is None else simulator
        if not isinstance(self.simulator, Engine):
            raise ArgumentError("simulator", "be an engine", simulator)
        self.seed = seed

    def arguments(self) -> dict[str, Any]:
        return {
            "training": self.training,
            "kept": self.kept,
            "simulator": keras.saving.serialize_keras_object(self.simulator),
            "seed": self.seed,
        }

    def unsuitable(self, job: Job) -> str | None:
        kind = irreversible(job.program.instructions)
        if kind is not None:
            return f"a {kind} is not simulated"
        return refusal(_ideal(job), self.simulator)

    def differentiated(self, job: Job, differentiator: Differentiator | None = None) -> Run:
        asked = self.inner(job, differentiator)
        line = self._line(job)

        def run(inputs: Any, weights: Any, seed: Any = None) -> Any:
            first, second = seeds_for(seed, 2)
            slope, intercept = line(inputs, weights, second)
            return slope * asked(inputs, weights, first) + intercept

        return run

    def _line(self, job: Job) -> Any:
        """Returns a function for slopes and intercepts, each of shape `(batch, n_observables)`."""
        bare = job.bare()
        noisy, ideal = self.inner(bare), prepare(_ideal(bare), self.simulator)
        n_angles, n_sets = job.program.n_angles, self.training
        rng = np.random.default_rng(self.seed)
        # A multiple of pi/2 near the angle, but not always the nearest: the circuits must differ.
        jitter = rng.normal(0.0, 0.6, (n_sets, 1, n_angles))
        keeps = rng.random((n_sets, 1, n_angles)) < self.kept
        keeps[:, :, [r for r in range(n_angles) if r not in job.varying_rows]] = True

        def line(inputs: Any, weights: Any, seed: Any) -> tuple[Any, Any]:
            inputs, weights = ops.convert_to_tensor(inputs), ops.convert_to_tensor(weights)
            angles = ops.stop_gradient(job.angles(inputs, weights))[None]
            quarter = math.pi / 2
            near = ops.round(angles / quarter + ops.convert_to_tensor(jitter, job.dtype)) * quarter
            near = ops.where(keeps, angles + ops.zeros_like(near), near)
            nothing = ops.zeros((0,), job.dtype)
            batch = ops.shape(angles)[1]
            point = ops.reshape(near, (n_sets * batch, n_angles)), nothing
            shape = (n_sets, batch, len(job.readout.observables))  # type: ignore[attr-defined]
            x = ops.reshape(ops.stop_gradient(noisy(*point, seed)), shape)
            y = ops.reshape(ops.stop_gradient(ideal(*point)), shape)
            mean_x, mean_y = ops.mean(x, axis=0), ops.mean(y, axis=0)
            spread = ops.mean(ops.square(x - mean_x), axis=0)
            joint = ops.mean((x - mean_x) * (y - mean_y), axis=0)
            # If all values are equal, there is no line to fit.
            known = spread > 1e-8
            slope = ops.where(known, joint / ops.where(known, spread, 1.0), 1.0)
            return slope, mean_y - slope * mean_x

        return line

    def cost(self, job: Job, point: tuple[Any, Any], seed: Any) -> tuple[Any, int]:
        slope, _ = self._line(job)(*point, seeds_for(seed, 2)[1])
        return np.square(ops.convert_to_numpy(slope)), 1 + self.training


def _ideal(job: Job) -> Job:
    """Returns the job without noise and shots."""
    instructions = tuple(each for each in job.program.instructions if not isinstance(each, Channel))
    return replace(
        job,
        program=replace(job.program, instructions=instructions),
        shots=None,
        noise=None,
        readout_errors=(),
        gradient=False,
        origin=None,
    )
