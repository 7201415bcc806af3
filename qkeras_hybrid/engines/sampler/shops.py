"""How samplers take jobs: any `cirq.Sampler`, and those of IonQ by their jobs' names."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.engines.sampler.circuits import KEY, Writer
from qkeras_hybrid.engines.services import JobFailedError, Order, Shop

# The most jobs at once if a service's client waits in threads. The threads only wait.
_THREADS = 32


def bits_of(result: Any, shots: int, n_qubits: int) -> np.ndarray:
    """Returns the bits of a result of Cirq's, of shape `(shots, n_qubits)`, int8.

    Raises:
        JobFailedError: If it does not have the measurements that were asked for.
    """
    found = result.measurements
    if KEY not in found:
        raise JobFailedError(
            f"its result has the measurement keys {sorted(found)} and not {KEY!r}", charged=True
        )
    given = np.asarray(found[KEY])
    if not np.isin(given, (0, 1)).all():
        wrong = given[~np.isin(given, (0, 1))].ravel()[0]
        raise JobFailedError(f"its result has a bit that is {wrong}, not 0 or 1", charged=True)
    bits: np.ndarray = given.astype("int8")
    if bits.ndim != 2 or bits.shape[1] != n_qubits:
        raise JobFailedError(
            f"its result has the shape {bits.shape}, but {(shots, n_qubits)} was ordered",
            charged=True,
        )
    if len(bits) < shots:
        raise JobFailedError(
            f"its result has {len(bits)} shots, and {shots} were ordered", charged=True
        )
    if len(bits) > shots:
        # Services that return counts sort them, so the first ones would be a biased sample.
        chosen = np.random.default_rng(0).choice(len(bits), shots, replace=False)
        bits = bits[np.sort(chosen)]
    return bits


class SamplerShop(Shop):
    """Runs jobs on a sampler that has no jobs of its own.

    Args:
        sampler_of: Returns the sampler for a seed.
        writer: Writes the circuits.
        n_qubits: How many qubits are measured.
        asynchronous: Whether several jobs are to be sent at once, each by a thread.
        requests_per_job: The most circuits in a job.
    """

    def __init__(
        self,
        sampler_of: Callable[[int | None], cirq.Sampler],
        writer: Writer,
        n_qubits: int,
        asynchronous: bool,
    ) -> None:
        self._sampler_of = sampler_of
        self._writer = writer
        self._n_qubits = n_qubits
        self._threads = ThreadPoolExecutor(_THREADS) if asynchronous else None

    def submit(self, order: Order) -> Any:
        if self._threads is None:
            return None
        return [self._threads.submit(self._run, order)]

    def collect(self, ticket: Any, order: Order) -> list[np.ndarray] | None:
        if ticket is None:
            results = self._run(order)
        else:
            future: Future[Sequence[Any]] = ticket[0]
            try:
                results = future.result()
            except Exception:
                assert self._threads is not None
                # Ready for the next attempt, if there is one.
                ticket[0] = self._threads.submit(self._run, order)
                raise
        return [bits_of(result, order.shots, self._n_qubits) for result in results]

    def _run(self, order: Order) -> Sequence[Any]:
        circuits = self._writer.circuits(order.payloads)
        sampler = self._sampler_of(order.seed)
        results = sampler.run_batch(circuits, repetitions=order.shots)
        return [result for of_one in results for result in of_one]


class IonQShop(Shop):
    """Runs jobs at IonQ, by name: no job is lost, and none is submitted twice.

    Args:
        sampler: A `cirq_ionq.Sampler`.
        writer: Writes the circuits.
        n_qubits: How many qubits are measured.
    """

    call_seconds = 120.0
    service = "IonQ"

    def __init__(self, sampler: Any, writer: Writer, n_qubits: int) -> None:
        self._service = copy.copy(sampler._service)
        # If the answer to a post is lost, the client posts the job again, and pays for both. Here a
        # job is first looked up by its name.
        self._service._client = copy.copy(sampler._service._client)
        self._service._client.max_retry_seconds = 0
        self._target = sampler._target
        self._seed = sampler._seed
        self._writer = writer
        self._n_qubits = n_qubits
        self._programs: dict[str, Any] = {}

    def prepare(self, order: Order) -> None:
        from cirq_ionq import serializer

        self._programs[order.name] = serializer.Serializer().serialize_many_circuits(
            self._writer.circuits(order.payloads), job_settings=self._service.job_settings
        )

    def submit(self, order: Order) -> str:
        # The client's own `create_batch_job` fetches the job after creating it, and an error there
        # would hide that the job was created.
        made = self._service._client.create_job(
            serialized_program=self._programs[order.name],
            repetitions=order.shots,
            target=self._target,
            name=order.name,
        )
        self._programs.pop(order.name, None)
        return str(made["id"])

    def find(self, name: str) -> str | None:
        for found in self._service._client.list_jobs(limit=1000):
            if found.get("name") == name:
                return str(found["id"])
        return None

    def collect(self, ticket: Any, order: Order) -> list[np.ndarray] | None:
        import cirq_ionq

        try:
            job = self._service.get_job(ticket)
        except cirq_ionq.IonQNotFoundException as error:
            raise JobFailedError(f"IonQ does not know the job {ticket}") from error
        status = job._job["status"]
        if status not in job.TERMINAL_STATES:
            return None
        if status != "completed":
            why = (job._job.get("failure") or {}).get("error", "no reason given")
            raise JobFailedError(f"its status at IonQ is {status!r} ({why})")
        try:
            results = job.results()
        except (KeyError, ValueError, AttributeError, StopIteration, TypeError) as error:
            raise JobFailedError(f"IonQ's result can't be read: {error!r}", charged=True) from error
        return [self._bits(result, order) for result in results]

    def _bits(self, result: Any, order: Order) -> np.ndarray:
        import cirq_ionq

        try:
            if isinstance(result, cirq_ionq.SimulatorResult):
                seed = self._seed if self._seed is not None else order.seed
                return bits_of(result.to_cirq_result(seed=seed), order.shots, self._n_qubits)
            return bits_of(result.to_cirq_result(), order.shots, self._n_qubits)
        except ValueError as error:
            raise JobFailedError(f"IonQ's result can't be read: {error}", charged=True) from error
