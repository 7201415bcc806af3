"""Engines, which run compiled programs; `engine="auto"` takes the first suitable one.

| engine | what it is | where |
|---|---|---|
| `native` | C++ kernels with an exact adjoint gradient | every Keras backend on the CPU |
| `tfq` | TensorFlow Quantum's simulator | TensorFlow on Linux x86-64, float32 |
| `statevector` | `keras.ops` alone: GPU, XLA, export, shots | every Keras backend |
| `density` | density matrices: noise, exactly | every Keras backend |
| `trajectories` | noise as the mean of random runs, for more qubits | every Keras backend |

Engines that are constructed from another object, and that "auto" never takes:

| engine | what it is |
|---|---|
| `SamplerEngine(sampler)` | any `cirq.Sampler`: a simulator, or a service that sells measurements |
| `QiskitEngine(backend)` | any of Qiskit's samplers, estimators or backends |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid._registry import Registry
from qkeras_hybrid.engines import services
from qkeras_hybrid.engines._host import host_call
from qkeras_hybrid.engines._prepare import prepare, refusal
from qkeras_hybrid.engines._remote import RemoteEngine
from qkeras_hybrid.engines.base import Engine, Run
from qkeras_hybrid.engines.density import DensityEngine
from qkeras_hybrid.engines.mitigation import (
    CliffordDataRegression,
    DynamicalDecoupling,
    PauliTwirling,
    ProbabilisticErrorCancellation,
    ReadoutMitigation,
    ZeroNoiseExtrapolation,
)
from qkeras_hybrid.engines.native import NativeEngine
from qkeras_hybrid.engines.qiskit import QiskitEngine
from qkeras_hybrid.engines.sampler import SamplerEngine
from qkeras_hybrid.engines.statevector import StatevectorEngine
from qkeras_hybrid.engines.tfq import TFQEngine
from qkeras_hybrid.engines.trajectories import TrajectoriesEngine
from qkeras_hybrid.program import Job, compile_circuit

ENGINES: Registry[Engine] = Registry(
    "engine",
    Engine,
    # In the order in which "auto" tries them. `native`, the fastest, comes first.
    {
        engine.name: engine
        for engine in (
            NativeEngine,
            TFQEngine,
            StatevectorEngine,
            DensityEngine,
            TrajectoriesEngine,
        )
    },
)
names = ENGINES.names

__all__ = [
    "CliffordDataRegression",
    "DensityEngine",
    "DynamicalDecoupling",
    "Engine",
    "NativeEngine",
    "PauliTwirling",
    "ProbabilisticErrorCancellation",
    "QiskitEngine",
    "ReadoutMitigation",
    "RemoteEngine",
    "Run",
    "SamplerEngine",
    "StatevectorEngine",
    "TFQEngine",
    "TrajectoriesEngine",
    "ZeroNoiseExtrapolation",
    "choose",
    "get",
    "host_call",
    "names",
    "prepare",
    "refusal",
    "services",
    "status",
]


def status() -> dict[str, str]:
    """Returns "available" for each engine, or the reason why it can't run here."""
    smallest = compile_circuit(cirq.Circuit(cirq.X(cirq.LineQubit(0))), "Z").job()
    return {name: ENGINES.get(name).refuses(smallest) or "available" for name in names()}


def get(identifier: str | dict[str, Any] | Engine) -> Engine | None:
    """Returns an engine from its name, its Keras-serialized form, or itself; None for "auto".

    Raises:
        ValueError: If the name is unknown, or the identifier is none of these.
    """
    if isinstance(identifier, str) and identifier not in ("auto", *ENGINES.known):
        known = ", ".join(map(repr, ("auto", *ENGINES.known)))
        raise ArgumentError("engine", f"be one of {known}", identifier)
    return None if identifier == "auto" else ENGINES.get(identifier)


def choose(jobs: Job | Sequence[Job], engine: Engine | None = None) -> Engine:
    """Returns the engine for a job, or for all of several jobs on one circuit.

    Args:
        jobs: The job, or the jobs.
        engine: An engine, or None for the first registered one that can do them.

    Raises:
        ValueError: If the given engine, or every engine, refuses. The message has the reasons.
    """
    jobs = [jobs] if isinstance(jobs, Job) else jobs
    reasons = []
    for candidate in [engine] if engine is not None else map(ENGINES.get, names()):
        refusals = (refusal(job, candidate) for job in jobs)
        reason = next((refusal for refusal in refusals if refusal is not None), None)
        if reason is None:
            return candidate
        reasons.append(f"{candidate.name}: {reason}")
    if engine is not None:
        _, reason = reasons[0].split(": ", 1)
        raise ValueError(f"The engine {engine.name!r} can't compute this circuit: {reason}.")
    raise ValueError(
        f"No engine can compute this circuit of {jobs[0].program.n_qubits} qubits. "
        + "; ".join(reasons)
    )
