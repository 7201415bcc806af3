"""Engines: what computes a compiled program, and which one `engine="auto"` takes.

| engine | what it is | where |
|---|---|---|
| `native` | a C++ TensorFlow op with an exact adjoint gradient | TensorFlow on CPU |
| `tfq` | TensorFlow Quantum's simulator | TensorFlow on Linux x86-64, float32 |
| `statevector` | `keras.ops` alone: GPU, XLA, export, shots | every Keras backend |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from qkeras_hybrid._checks import must, one_of
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.engines.base import Engine
from qkeras_hybrid.engines.native import NativeEngine
from qkeras_hybrid.engines.statevector import StatevectorEngine
from qkeras_hybrid.engines.tfq import TFQEngine
from qkeras_hybrid.program import Program, compile_circuit

if TYPE_CHECKING:
    import cirq
else:
    cirq = lazy_module("cirq")

# In the order in which "auto" tries them: the fastest first.
_KNOWN: dict[str, type[Engine]] = {
    engine.name: engine for engine in (NativeEngine, TFQEngine, StatevectorEngine)
}

__all__ = [
    "Engine",
    "NativeEngine",
    "StatevectorEngine",
    "TFQEngine",
    "get",
    "names",
    "resolve",
    "status",
]


def names() -> tuple[str, ...]:
    """Returns the names of the engines, without "auto"."""
    return tuple(_KNOWN)


def status() -> dict[str, str]:
    """Returns for each engine "available", or the reason why it can't run here."""
    smallest = compile_circuit(cirq.Circuit(cirq.X(cirq.LineQubit(0))), "Z")
    return {name: engine().supports(smallest) or "available" for name, engine in _KNOWN.items()}


def get(identifier: str | dict[str, Any] | Engine, shots: int | None = None) -> Engine | None:
    """Returns an engine from its name, its Keras-serialized form, or itself; None for "auto".

    Args:
        identifier: "auto", an engine's name, its serialized form, or an engine.
        shots: If given, the engine estimates from this many shots; "auto" then is the
            statevector engine.

    Raises:
        ValueError: If the name is unknown, the identifier is none of these, or the engine
            takes no shots.
    """
    engine: Any = identifier
    if isinstance(identifier, dict):
        engine = keras.saving.deserialize_keras_object(identifier)
    elif isinstance(identifier, str):
        one_of("engine", identifier, ("auto", *_KNOWN))
        if shots is not None and identifier in ("auto", "statevector"):
            return StatevectorEngine(shots=shots)
        engine = None if identifier == "auto" else _KNOWN[identifier]()
    if engine is not None and not isinstance(engine, Engine):
        raise ValueError(must("engine", "be a name or an Engine", identifier))
    if shots is not None and getattr(engine, "shots", None) != shots:
        raise ValueError(
            must("shots", "be None unless the engine samples", shots)
            + ' Take engine="statevector" or an engine that was made with shots.'
        )
    return engine


def resolve(
    engine: Engine | None, program: Program, dtype: str, needs_states: bool = False
) -> Engine:
    """Returns the engine that will compute a program.

    Args:
        engine: An engine, or None for the fastest that can.
        program: The program.
        dtype: "float32" or "float64".
        needs_states: Whether states or probabilities must be differentiable.

    Raises:
        ValueError: If the engine, or no engine, can compute the program; with the reasons.
    """
    candidates = [engine] if engine is not None else [known() for known in _KNOWN.values()]
    reasons = []
    for candidate in candidates:
        reason = _refusal(candidate, program, dtype, needs_states)
        if reason is None:
            return candidate
        reasons.append(f"{candidate.name}: {reason}")
    raise ValueError(
        f"No engine can compute this circuit of {program.n_qubits} qubits. " + "; ".join(reasons)
        if engine is None
        else f"The engine {candidates[0].name!r} can't compute this circuit: {reason}."
    )


def _refusal(engine: Engine, program: Program, dtype: str, needs_states: bool) -> str | None:
    if dtype not in engine.dtypes:
        return f"it computes in {' or '.join(engine.dtypes)}, not {dtype}"
    if needs_states and not engine.differentiates_states:
        return "it does not differentiate states and probabilities"
    return engine.supports(program)
