"""The sampler engine: any `cirq.Sampler`, a simulator or a service."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.engines._remote import RemoteEngine, does_not_fit
from qkeras_hybrid.engines.sampler.circuits import Writer
from qkeras_hybrid.engines.sampler.shops import IonQShop, SamplerShop
from qkeras_hybrid.engines.services import Budget, Journal, Prices, Retries, Shop
from qkeras_hybrid.program import INSTRUCTIONS, UNITARY, Job, Program
from qkeras_hybrid.readouts import Expectation, Probabilities, Samples

# Services whose qubits are numbered from 0 and all coupled with each other.
_NUMBERED = ("cirq_aqt", "cirq_ionq")
# The attributes in which samplers keep their device.
_TARGETS = ("_target", "target", "workspace", "resource", "remote_host", "device_name")


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class SamplerEngine(RemoteEngine):
    """Estimates values from the measurements of a `cirq.Sampler`.

    All circuits of a call, and all shifted circuits of a gradient, are one purchase. If the service
    is asynchronous, all jobs of a purchase are submitted before the engine waits for the first.
    Pauli strings that agree on each qubit are measured together.

    A model is saved without the sampler. The error of a loaded model says how to give it one.

    Args:
        sampler: A `cirq.Sampler`: a simulator such as `cirq.Simulator()`, or a service's, such as
            `cirq_ionq.Service().sampler("qpu")`. Or a function from a seed (an integer, or None)
            to a sampler. Cirq's simulators take the seed of the layer; a device takes none.
        shots: The mean number of measurements for each measurement setting of a circuit; settings
            with larger coefficients get more. A layer's own `shots` take precedence.
        device: A `cirq.Device`, for its number of qubits and its couplings; None for the
            sampler's, if it has one.
        qubits: The device's qubits for those of the circuit, in order; None for the same ones.
        gateset: The gates that the sampler takes, e.g. `cirq.CZTargetGateset()`; None for those of
            the service, and for any if that is not known.
        circuits_per_job: The most circuits in a job; None for any number.
        prices: The service's prices; by default all are 0.
        budget: The most to spend; by default no limit.
        journal: A `Journal`, or the path of its file: every finished job is written to disk before
            its result is used, and a restarted run buys no job again. By default none.
        retries: What to do after errors of the service.
        progress: Whether to show a progress line with jobs, shots and money.
        jit: Whether JAX may compile training steps around the purchases, which saves milliseconds
            per step. An error within a compiled step loses the model's weights, unless `fit` has
            the callback `StopAtBudget`.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> engine = engines.SamplerEngine(cirq.Simulator(), shots=500)
    >>> layer = PQC(cirq.Circuit(cirq.X(cirq.LineQubit(0))), "Z", inputs=[], engine=engine)
    >>> float(layer(np.zeros((1, 0)))[0, 0])
    -1.0
    >>> engine.spent.shots
    500
    """

    name = "sampler"
    instructions = INSTRUCTIONS
    readouts = frozenset({Expectation, Probabilities, Samples})

    def __init__(
        self,
        sampler: cirq.Sampler | Callable[[int | None], cirq.Sampler] | None = None,
        shots: int = 1000,
        *,
        device: cirq.Device | None = None,
        qubits: Sequence[cirq.Qid] | None = None,
        gateset: cirq.CompilationTargetGateset | None = None,
        circuits_per_job: int | None = None,
        prices: Prices | None = None,
        budget: Budget | None = None,
        journal: Journal | str | os.PathLike[str] | None = None,
        retries: Retries | None = None,
        progress: bool = False,
        jit: bool = False,
    ) -> None:
        # The sampler that a function returns without a seed, to inspect.
        made: Any = sampler
        if sampler is not None and not isinstance(sampler, cirq.Sampler):
            if not callable(sampler):
                raise ArgumentError(
                    "sampler", "be a cirq.Sampler, or a function from a seed to one", sampler
                )
            made = sampler(None)
            if not isinstance(made, cirq.Sampler):
                raise ArgumentError("sampler", "return a cirq.Sampler", made)
        super().__init__(
            sampler,
            shots,
            circuits_per_job=circuits_per_job,
            prices=prices,
            budget=budget,
            journal=journal,
            retries=retries,
            progress=progress,
            jit=jit,
        )
        self._made = made
        self._service = type(made).__module__.split(".")[0] if made is not None else ""
        self._hardware = device if device is not None else _device_of(made)
        self._qubits = None if qubits is None else tuple(qubits)
        self._gateset = gateset if gateset is not None else self._known_gateset()

    def refuses(self, job: Job) -> str | None:
        reason = super().refuses(job)
        if reason is not None or self._device is None:
            return reason
        if self._gateset is not None:
            foreign = sorted(kind.__name__ for kind in job.program.kinds - UNITARY)
            if foreign:
                return f"its device does not execute {foreign[0]} instructions"
        return self._misplaced(job.program)

    def shop(self, job: Job) -> Shop:
        n_qubits = job.program.n_qubits
        qubits = self._qubits
        if qubits is None and self._service in _NUMBERED:
            qubits = tuple(cirq.LineQubit.range(n_qubits))
        writer = Writer(job, qubits, self._gateset)
        if self._service == "cirq_ionq":
            return IonQShop(self._made, writer, n_qubits)
        return SamplerShop(self._seeded, writer, n_qubits, _is_asynchronous(self._made))

    def identity(self) -> str:
        kind = type(self._made)
        own = [
            str(getattr(self._made, name))
            for name in _TARGETS
            if isinstance(getattr(self._made, name, None), str)
        ]
        own.append(str(getattr(getattr(self._made, "processor", None), "processor_id", "")))
        return "/".join([f"{kind.__module__}.{kind.__qualname__}", *own])

    def _seeded(self, seed: int | None) -> cirq.Sampler:
        """Returns the sampler for one job."""
        if not isinstance(self._device, cirq.Sampler):
            assert self._device is not None
            made: cirq.Sampler = self._device(seed)
            return made
        if seed is None or not isinstance(self._device, cirq.SimulatorBase):
            return self._device
        # The same simulator with the random numbers of this job.
        again = copy.copy(self._device)
        again._prng = np.random.RandomState(seed)
        return again

    def _known_gateset(self) -> cirq.CompilationTargetGateset | None:
        if self._service == "cirq_ionq":
            import cirq_ionq

            gateset: cirq.CompilationTargetGateset = cirq_ionq.IonQTargetGateset()
            return gateset
        if self._service == "cirq_aqt":
            import cirq_aqt.aqt_target_gateset

            gateset = cirq_aqt.aqt_target_gateset.AQTTargetGateset()
            return gateset
        if self._service == "cirq_pasqal":
            import cirq_pasqal

            gateset = cirq_pasqal.PasqalGateset()
            return gateset
        metadata = getattr(self._hardware, "metadata", None)
        known = getattr(metadata, "compilation_target_gatesets", ())
        return known[0] if known else None

    def _misplaced(self, program: Program) -> str | None:
        """Returns why a program does not fit on the device, or None."""
        if self._qubits is not None and len(self._qubits) < program.n_qubits:
            n = len(self._qubits)
            return (
                f"it was given {n} `qubits`, but the circuit has {program.n_qubits}; the largest "
                f"circuit that fits has {n}"
            )
        metadata = getattr(self._hardware, "metadata", None)
        if metadata is None:
            return None
        n_qubits = len(metadata.qubit_set)
        own = self._qubits or program.qubits
        if self._qubits is None and self._service in _NUMBERED:
            own = tuple(cirq.LineQubit.range(program.n_qubits))
        placed = list(own)[: program.n_qubits]
        if program.n_qubits <= n_qubits and not set(placed) <= metadata.qubit_set:
            foreign = next(qubit for qubit in placed if qubit not in metadata.qubit_set)
            return (
                f"its device has no qubit {foreign}. Use the engine's `qubits=` to say which of "
                f"{', '.join(map(str, sorted(metadata.qubit_set)[:8]))}, ... the circuit is to use"
            )
        number = {qubit: i for i, qubit in enumerate(placed)}
        # Cirq's devices have a graph, IonQ's a list of pairs.
        graph = metadata.nx_graph
        joined = [
            (number[a], number[b])
            for a, b in getattr(graph, "edges", graph)
            if a in number and b in number
        ]
        return does_not_fit(program, n_qubits, joined)


def _device_of(sampler: Any) -> Any:
    """Returns the device of a sampler; None if it has none, or one without limits."""
    device = getattr(sampler, "device", None)
    if device is None:
        device = getattr(getattr(sampler, "processor", None), "get_device", lambda: None)()
    return None if getattr(device, "metadata", None) is None else device


def _is_asynchronous(sampler: Any) -> bool:
    """Tells whether a sampler waits for its results without blocking others."""
    # Cirq gives every sampler this method; by default it calls the blocking one.
    return str(type(sampler).run_sweep_async.__module__) != cirq.Sampler.__module__


__all__ = ["SamplerEngine"]
