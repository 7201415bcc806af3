"""Engines: what computes a compiled program, and which one `engine="auto"` takes.

| engine | what it is | where |
|---|---|---|
| `native` | C++ kernels with an exact adjoint gradient | every Keras backend on the CPU |
| `tfq` | TensorFlow Quantum's simulator | TensorFlow on Linux x86-64, float32 |
| `statevector` | `keras.ops` alone: GPU, XLA, export, shots | every Keras backend |

Engines that are made of something, and have no place in "auto":

| engine | what it is |
|---|---|
| `SamplerEngine(sampler)` | any `cirq.Sampler`: a simulator, or a service that sells measurements |
| `QiskitEngine(backend)` | any sampler, estimator or backend of Qiskit's |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from qkeras_hybrid import gradients
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid._registry import Registry
from qkeras_hybrid.engines import services
from qkeras_hybrid.engines._host import host_call
from qkeras_hybrid.engines._remote import RemoteEngine
from qkeras_hybrid.engines.base import Engine, Run
from qkeras_hybrid.engines.native import NativeEngine
from qkeras_hybrid.engines.qiskit import QiskitEngine
from qkeras_hybrid.engines.sampler import SamplerEngine
from qkeras_hybrid.engines.statevector import StatevectorEngine
from qkeras_hybrid.engines.tfq import TFQEngine
from qkeras_hybrid.gradients import Differentiator
from qkeras_hybrid.program import Job, compile_circuit

ENGINES: Registry[Engine] = Registry(
    "engine",
    Engine,
    # In the order in which "auto" tries them: the fastest first.
    {engine.name: engine for engine in (NativeEngine, TFQEngine, StatevectorEngine)},
)
names = ENGINES.names

__all__ = [
    "Engine",
    "NativeEngine",
    "QiskitEngine",
    "RemoteEngine",
    "Run",
    "SamplerEngine",
    "StatevectorEngine",
    "TFQEngine",
    "choose",
    "get",
    "host_call",
    "names",
    "prepare",
    "services",
    "status",
]


def status() -> dict[str, str]:
    """Returns for each engine "available", or the reason why it can't run here."""
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
    """Returns the engine that will do a job, or all of several on one circuit.

    Args:
        jobs: The job, or the jobs.
        engine: An engine, or None for the first registered one that can.

    Raises:
        ValueError: If the engine, or no engine, can do it; with the reasons.
    """
    jobs = [jobs] if isinstance(jobs, Job) else jobs
    jobs = [replace(job, readout=job.readout.source) for job in jobs]
    reasons = []
    for candidate in [engine] if engine is not None else map(ENGINES.get, names()):
        refusals = (candidate.refuses(job) for job in jobs)
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


def prepare(job: Job, engine: Engine, differentiator: Differentiator | None = None) -> Run:
    """Returns what computes a job on an engine, with a gradient.

    Args:
        job: A job that the engine does not refuse.
        engine: The engine.
        differentiator: None for the engine's own gradient where it has one, and the parameter-
            shift rule otherwise.

    Raises:
        ValueError: If the differentiator does not go with the job.
    """
    readout = job.readout
    job = replace(job, readout=readout.source)
    if differentiator is None and (
        not job.gradient or not job.readout.linear or engine.differentiates_itself(job)
    ):
        run = engine.prepare(job)
    else:
        run = (differentiator or gradients.ParameterShift()).prepare(engine, job)
    if readout.source is readout:
        return run
    return lambda inputs, weights, seed=None: readout.finish(run(inputs, weights, seed))
