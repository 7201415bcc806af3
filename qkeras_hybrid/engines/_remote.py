"""The base class of engines that buy their results from a service.

A hardware engine writes circuits, and defines in a `Shop` how its service takes them.
`engines/services/` buys the results.
"""

from __future__ import annotations

import abc
import hashlib
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.engines._host import host_call
from qkeras_hybrid.engines._shots import divided
from qkeras_hybrid.engines.base import Engine, Run
from qkeras_hybrid.engines.services import (
    Budget,
    Journal,
    Prices,
    Request,
    Retries,
    ServiceError,
    Shop,
    Spent,
    Submitter,
)
from qkeras_hybrid.program import Job, Program
from qkeras_hybrid.readouts import Expectation, Readout


class RemoteEngine(Engine):
    """An engine that buys measurements.

    Args:
        device: The device or service; None for an engine of a loaded model, which can't run.
        shots: The mean number of measurements for each measurement setting of a circuit.
        circuits_per_job: The most circuits in a job; None for the device's limit.
        prices: What the device charges; by default nothing.
        budget: The most to spend; by default no limit.
        journal: A journal for finished jobs, or the path of its file; by default none.
        retries: What to do after errors.
        progress: Whether to show a progress line with jobs, shots and money.
        jit: Whether JAX may compile training steps around the purchases.
    """

    exact = False
    samples = True
    # The name of the argument for the device.
    _argument = "sampler"

    def __init__(
        self,
        device: Any,
        shots: int,
        *,
        circuits_per_job: int | None = None,
        prices: Prices | None = None,
        budget: Budget | None = None,
        journal: Journal | str | os.PathLike[str] | None = None,
        retries: Retries | None = None,
        progress: bool = False,
        jit: bool = False,
    ) -> None:
        self.shots = positive_int("shots", shots)
        if circuits_per_job is not None:
            positive_int("circuits_per_job", circuits_per_job)
        for name, value, kind in (
            ("prices", prices, Prices),
            ("budget", budget, Budget),
            ("retries", retries, Retries),
        ):
            if value is not None and not isinstance(value, kind):
                raise ArgumentError(name, f"be a {kind.__name__} or None", value)
        if not isinstance(jit, bool):
            raise ArgumentError("jit", "be True or False", jit)
        self.jit = jit
        self._device = device
        self._submitter = Submitter(
            journal=Journal(journal) if isinstance(journal, (str, os.PathLike)) else journal,
            budget=budget,
            prices=prices,
            retries=retries,
            requests_per_job=circuits_per_job,
            progress=progress,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the config for a model's file, without the device or any account."""
        return {"shots": self.shots, "jit": self.jit}

    def __deepcopy__(self, memo: Any) -> RemoteEngine:
        # A copy of a layer runs on the same device, and uses the same budget.
        return self

    @property
    def spent(self) -> Spent:
        """The jobs, circuits, shots and money that this engine bought in this process."""
        return self._submitter.spent

    @property
    def prices(self) -> Prices:
        """The device's prices."""
        return self._submitter.prices

    def traces(self, job: Job) -> bool:
        """Tells whether a prepared job may be compiled: under JAX, if the engine was told so.

        An error within a compiled step loses the model's weights, because JAX gives their memory to
        the step. `callbacks.StopAtBudget` keeps them.
        """
        return self.jit and super().traces(job)

    @abc.abstractmethod
    def shop(self, job: Job) -> Shop:
        """Returns the shop for a job's measurements. Payloads are `(angles, setting)`."""

    @abc.abstractmethod
    def identity(self) -> str:
        """Returns a text that differs between devices with different results."""

    def shots_of(self, job: Job) -> tuple[int, ...]:
        """Returns the shots of each circuit in one evaluation of a job."""
        assert job.shots is not None
        return shots_of_settings(job.readout, job.program, job.shots)

    def circuits_per_job(self, job: Job) -> int | None:
        """Returns the most circuits in a job of the service; None for any number."""
        return self._submitter.most_requests(self.shop(job))

    def prepare(self, job: Job) -> Run:
        if self._device is None:
            return host_call(job, self._without_device)
        shop = self.shop(job)
        shots = self.shots_of(job)
        circuit = _digest(
            self.identity(), job.program.qubits, job.program.instructions, self._asked(job)
        )

        def values(angles: np.ndarray, seed: int | None) -> np.ndarray:
            finite = np.isfinite(angles).all(axis=1)
            if finite.all():
                return bought(angles, seed)
            # No device can run a circuit with such an angle, so these samples' values are NaN.
            found = np.full((len(angles), *job.readout.shape(job.program, job.shots)), np.nan)
            found[finite] = bought(angles[finite], seed)
            return found

        def bought(angles: np.ndarray, seed: int | None) -> np.ndarray:
            requests = [
                Request(
                    _digest(circuit, row.tobytes(), setting, shots[setting]),
                    (row, setting),
                    shots[setting],
                )
                for setting in range(len(shots))
                for row in angles
            ]
            results = self._submitter.buy(requests, shop, seed)
            n = len(angles)
            return self._read(job, [results[k * n : (k + 1) * n] for k in range(len(shots))], n)

        return host_call(job, values)

    def _asked(self, job: Job) -> Any:
        """Returns the measurements at the end of a circuit, by setting."""
        return job.readout.settings(job.program)

    def _read(self, job: Job, bought: list[list[np.ndarray]], batch: int) -> np.ndarray:
        """Returns the readout of results, which are ordered by setting and sample."""
        if not batch:
            return np.zeros((0, *job.readout.shape(job.program, job.shots)))
        return job.readout.of_samples(job.program, [np.stack(of_one) for of_one in bought])

    def _without_device(self, angles: np.ndarray, seed: int | None) -> np.ndarray:
        kind = type(self).__name__
        raise ServiceError(
            f"This model's engine has no {self._argument}, because models are saved without it. "
            f"Call `qkeras_hybrid.set_engine(model, {kind}({self._argument}))` first."
        )


def shots_of_settings(readout: Readout, program: Program, shots: int) -> tuple[int, ...]:
    """Divides shots among the measurement settings of a readout.

    Args:
        readout: The readout.
        program: The program.
        shots: The mean number for each setting.

    Returns:
        The shots of each setting, in proportion to the sum of the absolute coefficients that it
        reads, as for simulators.
    """
    settings = readout.settings(program)
    if not isinstance(readout, Expectation):
        return (shots,) * len(settings)
    weights = np.zeros(len(settings))
    for observable in readout.observables:
        for term in observable.terms:
            if term.qubits:
                first = next(k for k, setting in enumerate(settings) if setting.reads(term))
                weights[first] += abs(term.coefficient)
    return tuple(divided(shots, weights.tolist()))


def coupled_pairs(program: Program) -> list[tuple[int, int]]:
    """Returns the pairs of qubits that a program couples, in order of appearance."""
    pairs: dict[tuple[int, int], None] = {}
    for instruction in program.instructions:
        on = sorted(instruction.qubits)
        pairs |= {(a, b): None for k, a in enumerate(on) for b in on[k + 1 :]}
    return list(pairs)


def does_not_fit(
    program: Program, n_qubits: int, joined: Sequence[tuple[int, int]] | None
) -> str | None:
    """Returns why a program does not fit on a device, or None if it does.

    Args:
        program: The program; its qubit `i` is the device's qubit `i`.
        n_qubits: The number of the device's qubits.
        joined: The pairs of qubits that the device couples, in any order; None for all.
    """
    if program.n_qubits > n_qubits:
        return (
            f"it has {n_qubits} qubits, and the circuit has {program.n_qubits}; the largest "
            f"circuit that fits has {n_qubits}"
        )
    if joined is None:
        return None
    known = {frozenset(pair) for pair in joined}
    missing = [pair for pair in coupled_pairs(program) if frozenset(pair) not in known]
    if not missing:
        return None
    a, b = missing[0]
    names = program.qubits
    # The longest run of first qubits whose couplings the device has.
    largest = min(max(pair) for pair in missing)
    return (
        f"it does not couple the qubits {names[a]} and {names[b]}"
        + (f", nor {len(missing) - 1} other pairs that the circuit couples" if missing[1:] else "")
        + f"; of this circuit, the part on the first {largest} qubits fits"
    )


def _digest(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


__all__ = ["RemoteEngine", "coupled_pairs", "does_not_fit", "shots_of_settings"]
