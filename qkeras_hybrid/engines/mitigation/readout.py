"""Readout-error mitigation: the confusion of measured bits, inverted."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import one_of, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.engines._host import array_call
from qkeras_hybrid.engines._prepare import refusal
from qkeras_hybrid.engines._readout_errors import mapped
from qkeras_hybrid.engines._shots import Part, Sampler, part_seeds, parts_of, with_rotations
from qkeras_hybrid.engines.base import Run
from qkeras_hybrid.engines.mitigation.base import Mitigation
from qkeras_hybrid.engines.mitigation.confusion import corrected
from qkeras_hybrid.engines.mitigation.quasi import pauli
from qkeras_hybrid.gradients import Differentiator, ParameterShift
from qkeras_hybrid.noise import readout_error
from qkeras_hybrid.program import AngleMap, Job, Program
from qkeras_hybrid.readouts import Expectation, Probabilities, Samples

Errors = tuple[tuple[float, float], ...]

MOST_FULL_QUBITS = 8
"""The most qubits of a full confusion matrix."""


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class ReadoutMitigation(Mitigation):
    """Inverts the errors of the readout.

    | method | what it inverts | for |
    |---|---|---|
    | "tensored" | a 2x2 confusion matrix of each qubit: `P -> (P - (b - a)) / (1 - a - b)` | all |
    | "full" | one matrix of all basis states, correlations included | up to 8 qubits |
    | "m3" | the matrix restricted to measured bit strings, never written out | results from shots |

    `P` is the mean of a measured Pauli, and `a` and `b` are the qubit's `errors`. The errors come
    from the job's noise model, are given, or are measured once, when a layer is built, in the
    states 0...0 and 1...1, or for "full" in every basis state.

    Args:
        engine: The engine that computes.
        method: One of the above.
        errors: For each qubit, the probabilities to read 1 in state 0, and 0 in state 1.
        calibration_shots: The number of measurements of each state to estimate the errors; None if
            they are known.
        seed: The seed of the calibration's shots.

    Raises:
        ValueError: If the method is unknown, or an error is not a probability, or so large that the
            readout carries no information.

    Reference:
        Nation, Kang, Sundaresan, Gambetta: Scalable mitigation of measurement errors on quantum
        computers, PRX Quantum 2, 040326 (2021), arXiv 2108.12518.

    Example:

    >>> engine = engines.ReadoutMitigation(engines.StatevectorEngine(), errors=[(0.02, 0.05)])
    >>> engine.method
    'tensored'
    """

    name = "readout_mitigation"

    def __init__(
        self,
        engine: Any,
        method: str = "tensored",
        errors: Sequence[Sequence[float]] | None = None,
        calibration_shots: int | None = None,
        seed: int | None = 0,
    ) -> None:
        super().__init__(engine)
        self.method = one_of("method", method, ("tensored", "full", "m3"))
        self.errors: Errors | None = None
        if errors is not None:
            pairs = [readout_error(*pair).rules[0].parameters for pair in errors]
            self.errors = _invertible(tuple((float(a), float(b)) for a, b in pairs))
        self.calibration_shots = (
            None
            if calibration_shots is None
            else positive_int("calibration_shots", calibration_shots)
        )
        self.seed = seed

    def arguments(self) -> dict[str, Any]:
        return {
            "method": self.method,
            "errors": None if self.errors is None else [list(pair) for pair in self.errors],
            "calibration_shots": self.calibration_shots,
            "seed": self.seed,
        }

    def unsuitable(self, job: Job) -> str | None:
        n = job.program.n_qubits
        if self.errors is not None and len(self.errors) != n:
            return f"it has readout errors of {len(self.errors)} qubits, and the circuit has {n}"
        if self.errors is None and self.calibration_shots is None and not job.readout_errors:
            return "no readout errors are known; give `errors` or `calibration_shots`"
        grouped = isinstance(job.readout, Expectation) and job.readout.grouping == "commuting"
        if self.method == "tensored" and job.shots is not None and grouped:
            return "the method 'tensored' needs qubit-wise grouping; use 'm3' or 'full'"
        if self.method == "m3" and job.shots is None:
            return "the method 'm3' needs `shots`"
        if self.method == "full" and n > MOST_FULL_QUBITS:
            return f"the method 'full' takes up to {MOST_FULL_QUBITS} qubits; use 'm3'"
        # The readout in place of expectation values.
        bare = replace(job, gradient=False)
        if self.method == "full":
            return refusal(replace(bare, readout=Probabilities()), self.engine)
        shots = self.calibration_shots or (job.shots if self.method == "m3" else None)
        if shots is None:
            return None
        return refusal(replace(bare, readout=Samples(), shots=shots), self.engine)

    def differentiated(self, job: Job, differentiator: Differentiator | None = None) -> Run:
        assert isinstance(job.readout, Expectation)
        match self.method:
            case "tensored":
                maps = [(1 / (1 - a - b), (a - b) / (1 - a - b)) for a, b in self.known_errors(job)]
                return self.inner(replace(job, readout=mapped(job.readout, maps)), differentiator)
            case "full":
                return self._full(job, job.readout, differentiator)
            case _ if job.gradient:
                return (differentiator or ParameterShift()).prepare(self, job)
            case _:
                return self._matrix_free(job, job.readout)

    def cost(self, job: Job, point: tuple[Any, Any], seed: Any) -> tuple[Any, int]:
        assert isinstance(job.readout, Expectation)
        errors = self.known_errors(job)
        # Each Pauli's noise grows by 1 / (1 - a - b).
        factors = [
            sum(
                abs(term.coefficient) * np.prod([1 / (1 - sum(errors[q])) for q in term.qubits])
                for term in observable.terms
                if term.qubits
            )
            / max(sum(abs(term.coefficient) for term in observable.terms if term.qubits), 1e-30)
            for observable in job.readout.observables
        ]
        return np.square(np.array(factors, float)), 1

    # Calibration.

    def known_errors(self, job: Job) -> Errors:
        """Returns each qubit's readout errors: given, measured now, or from the job."""
        if self.errors is not None:
            return self.errors
        if self.calibration_shots is None:
            return _invertible(job.readout_errors)
        n = job.program.n_qubits
        zeros, ones = (self._measured(job, state, k) for k, state in enumerate((0, 2**n - 1)))
        return _invertible(
            tuple(zip(zeros.mean(axis=0).tolist(), (1 - ones.mean(axis=0)).tolist(), strict=True))
        )

    def _measured(self, job: Job, state: int, number: int) -> np.ndarray:
        """Returns bits of shape `(calibration_shots, n_qubits)`, measured in a state."""
        n = job.program.n_qubits
        flips = tuple(
            each for q in range(n) if state >> (n - 1 - q) & 1 for each in pauli("X", (q,))
        )
        calibration = replace(
            job,
            program=Program(job.program.qubits, flips, 0),
            angles=AngleMap((), (), ()),
            readout=Samples(),
            shots=self.calibration_shots,
            gradient=False,
            origin=None,
        )
        seed = None if self.seed is None else self.seed + number
        # Keras may build layers on a device that has only shapes.
        with keras.device("cpu:0"):
            nothing = ops.zeros((1, 0), job.dtype), ops.zeros((0,), job.dtype)
            bits = ops.convert_to_numpy(self.inner(calibration)(*nothing, seed))
        measured: np.ndarray = np.asarray(bits)[0]
        return measured

    def _confusion(self, job: Job) -> np.ndarray:
        """Returns the probabilities of bit strings (rows) in basis states (columns)."""
        n = job.program.n_qubits
        if self.errors is None and self.calibration_shots is not None:
            places = 1 << np.arange(n)[::-1]
            columns = [
                np.bincount(self._measured(job, state, state) @ places, minlength=2**n)
                for state in range(2**n)
            ]
            return np.array(columns).T / self.calibration_shots
        matrices = [np.array([[1 - a, b], [a, 1 - b]]) for a, b in self.known_errors(job)]
        return functools.reduce(np.kron, matrices)

    # The methods.

    def _full(self, job: Job, readout: Expectation, differentiator: Differentiator | None) -> Run:
        inverse = np.linalg.inv(self._confusion(job))
        offset, parts = parts_of(readout, job.program, job.shots or 1)
        n, runs, tables = job.program.n_qubits, [], []
        states = np.arange(2**n)[:, None] >> np.arange(n)[::-1] & 1
        for part in parts:
            each = replace(
                job,
                program=with_rotations(job.program, part.setting),
                readout=Probabilities(),
                shots=None if job.shots is None else part.shots,
                origin=None,
            )
            runs.append(self.inner(each, differentiator))
            signs = part.signs * (1 - 2 * (states @ part.masks % 2))
            tables.append(part.coefficients.T @ signs.T @ inverse)

        def run(inputs: Any, weights: Any, seed: Any = None) -> Any:
            found = ops.zeros((ops.shape(inputs)[0], 1), job.dtype)
            found = found + ops.convert_to_tensor(offset, job.dtype)
            for each, table, own in zip(runs, tables, part_seeds(seed, len(runs)), strict=True):
                chances = each(inputs, weights, own)[:, None]
                found = found + ops.sum(
                    chances * ops.convert_to_tensor(table[None], job.dtype), axis=2
                )
            return found

        return run

    def _matrix_free(self, job: Job, readout: Expectation) -> Run:
        errors = self.known_errors(job)
        assert job.shots is not None
        offset, parts = parts_of(readout, job.program, job.shots)
        samplers = [Sampler(self.engine, job, part.setting, part.shots) for part in parts]

        def solved(part: Part, bits: Any) -> Any:
            def function(bits: np.ndarray) -> np.ndarray:
                factors = part.signs[:, None] * part.coefficients
                return corrected(bits, errors, part.masks, factors).astype(job.dtype)

            return array_call(function, (bits,), (len(offset),), job.dtype)

        def run(inputs: Any, weights: Any, seed: Any = None) -> Any:
            found = ops.zeros((ops.shape(inputs)[0], 1), job.dtype)
            found = found + ops.convert_to_tensor(offset, job.dtype)
            seeds = part_seeds(seed, len(parts))
            for part, sampler, own in zip(parts, samplers, seeds, strict=True):
                found = found + solved(part, sampler(inputs, weights, own))
            return found

        return run


def _invertible(errors: Errors) -> Errors:
    for qubit, (a, b) in enumerate(errors):
        if a + b >= 0.99:
            raise ArgumentError(
                "errors",
                "leave information in a measured bit: p10 + p01 below 0.99",
                (a, b),
                f"See qubit {qubit}.",
            )
    return errors
