"""How Qiskit's primitives take jobs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qkeras_hybrid.engines.qiskit.circuits import REGISTER
from qkeras_hybrid.engines.services import JobFailedError, Order, Shop, is_transient

_FAILED = ("CANCELLED", "ERROR", "FAILED")


class PrimitiveShop(Shop):
    """Runs jobs on a primitive, whose jobs are objects with a result.

    Args:
        primitive_of: Returns the primitive for a seed.
        rows: The angles that the circuits' parameters stand for.
        service: The object that finds jobs by their ids, with a method `job`; None if there is
            none.
        requests_per_job: The most circuits in a job.
        one_by_one: Whether a job starts only after the previous one has ended. Qiskit runs jobs in
            threads, and its simulators of backends compute wrong values if two run at once.
    """

    def __init__(
        self,
        primitive_of: Callable[[int | None], Any],
        rows: Sequence[int],
        service: Any,
        requests_per_job: int | None,
        one_by_one: bool,
    ) -> None:
        self._primitive_of = primitive_of
        self._rows = list(rows)
        self._service = service
        self.service = "" if service is None else "IBM"
        self.requests_per_job = requests_per_job
        self._one_by_one = one_by_one

    def submit(self, order: Order) -> Any:
        if self._one_by_one:
            return None
        job = self._run(self._primitive_of(order.seed), order)
        return job if self._service is None else str(job.job_id())

    def collect(self, ticket: Any, order: Order) -> list[np.ndarray] | None:
        if ticket is None:
            job = self._run(self._primitive_of(order.seed), order)
        else:
            job = self._service.job(ticket) if isinstance(ticket, str) else ticket
        # Jobs in this process are waited for; a service is polled.
        if not _is_local(job) and not job.in_final_state():
            return None
        try:
            result = job.result()
        except Exception as error:
            status = str(getattr(job.status(), "name", job.status())).upper()
            # A service's job is asked for again after a passing error. A job without an id would
            # raise the same error again: a new one is needed.
            if status in _FAILED or (is_transient(error) and not isinstance(ticket, str)):
                raise JobFailedError(
                    f"its status is {status} ({type(error).__name__}: {error})"
                ) from error
            raise
        try:
            return self._read(result, order)
        except JobFailedError:
            raise
        except Exception as error:
            raise JobFailedError(f"its result can't be read: {error!r}", charged=True) from error

    def _run(self, primitive: Any, order: Order) -> Any:
        raise NotImplementedError

    def _read(self, result: Any, order: Order) -> list[np.ndarray]:
        raise NotImplementedError


class BitsShop(PrimitiveShop):
    """Gets bits from a `SamplerV2`: one of its "pubs" for each measurement setting.

    Args:
        circuits: The measured circuit of each setting, transpiled.
        **kwargs: The arguments of `PrimitiveShop`.
    """

    def __init__(self, circuits: Sequence[Any], n_qubits: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._circuits = list(circuits)
        self._n_qubits = n_qubits

    def _run(self, primitive: Any, order: Order) -> Any:
        return primitive.run(
            [
                (self._circuits[setting], angles[:, self._rows], order.shots)
                for setting, angles in _by_setting(order)
            ]
        )

    def _read(self, result: Any, order: Order) -> list[np.ndarray]:
        bits: dict[int, list[np.ndarray]] = {}
        for (setting, angles), one in zip(_by_setting(order), result, strict=True):
            registers = list(one.data)
            if REGISTER not in registers:
                raise JobFailedError(
                    f"its result has the registers {registers} and not {REGISTER!r}", charged=True
                )
            # Our qubit i is bit i, the least significant first.
            found = one.data[REGISTER].to_bool_array(order="little").astype("int8")
            expected = (len(angles), order.shots, self._n_qubits)
            if found.shape[-1] != self._n_qubits or found.shape[-2] < order.shots:
                raise JobFailedError(
                    f"its result has {found.shape[-2]} shots of {found.shape[-1]} qubits, and "
                    f"{order.shots} of {self._n_qubits} were ordered",
                    charged=True,
                )
            bits[setting] = list(found.reshape(len(angles), -1, self._n_qubits)[:, : expected[1]])
        return [bits[setting].pop(0) for _, setting in order.payloads]


class ValuesShop(PrimitiveShop):
    """Gets expectation values from an `EstimatorV2`.

    Args:
        circuit: The circuit, transpiled.
        operators: The observables on the transpiled circuit's qubits.
        n_settings: The number of bases in which they are measured.
        **kwargs: The arguments of `PrimitiveShop`.
    """

    def __init__(self, circuit: Any, operators: Sequence[Any], n_settings: int, **kwargs: Any):
        super().__init__(**kwargs)
        self._circuit = circuit
        self._operators = [[one] for one in operators]
        self._n_settings = n_settings

    def _run(self, primitive: Any, order: Order) -> Any:
        [(_, angles)] = _by_setting(order)
        # The standard error of the mean of this many shots is at most this.
        precision = math.sqrt(self._n_settings / order.shots)
        return primitive.run([(self._circuit, self._operators, angles[:, self._rows], precision)])

    def _read(self, result: Any, order: Order) -> list[np.ndarray]:
        values = np.asarray(result[0].data.evs, float)
        if values.shape != (len(self._operators), len(order.payloads)):
            raise JobFailedError(f"its result has the shape {values.shape}", charged=True)
        return list(np.ascontiguousarray(values.T))


def _by_setting(order: Order) -> list[tuple[int, np.ndarray]]:
    """Returns the settings of an order, each with the angles of its circuits."""
    angles: dict[int, list[np.ndarray]] = {}
    for row, setting in order.payloads:
        angles.setdefault(setting, []).append(row)
    return [(setting, np.stack(rows)) for setting, rows in angles.items()]


def _is_local(job: Any) -> bool:
    from qiskit.primitives import PrimitiveJob

    return isinstance(job, PrimitiveJob)
