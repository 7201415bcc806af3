"""The names of gates in a noise model."""

from __future__ import annotations

import functools
from typing import Any

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.program import Instruction, PauliRotation, Phase


@functools.cache
def _families() -> tuple[tuple[type, str], ...]:
    return (
        (cirq.Rx, "rx"),
        (cirq.Ry, "ry"),
        (cirq.Rz, "rz"),
        (cirq.XPowGate, "x"),
        (cirq.YPowGate, "y"),
        (cirq.ZPowGate, "z"),
        (cirq.HPowGate, "h"),
        (cirq.XXPowGate, "xx"),
        (cirq.YYPowGate, "yy"),
        (cirq.ZZPowGate, "zz"),
        (cirq.CXPowGate, "cx"),
        (cirq.CZPowGate, "cz"),
        (cirq.SwapPowGate, "swap"),
        (cirq.ISwapPowGate, "iswap"),
        (cirq.CCXPowGate, "ccx"),
        (cirq.CCZPowGate, "ccz"),
        (cirq.IdentityGate, "i"),
    )


SYMMETRIC = frozenset(
    ("cz", "ccz", "swap", "iswap", "xx", "yy", "zz", "fsim", "rxx", "ryy", "rzz", "sycamore")
)
"""Gates for which the order of the qubits does not matter."""

_SYNONYMS = {"cnot": "cx", "toffoli": "ccx", "id": "i", "hadamard": "h", "u": "matrix"}


def name_of_gate(gate: Any) -> str:
    """Returns the name by which a noise model knows a gate.

    Args:
        gate: One of Cirq's gates or gate classes, or a name in upper or lower case: that of a power
            gate ("x", "h", "cx", "cz", "swap", "iswap", ...), of a rotation ("rx"), or of the
            gate's class without "Gate" ("phased_x_z" is "phasedxz").

    Raises:
        ValueError: If it is none of these.
    """
    if isinstance(gate, str) and gate:
        plain = gate.lower().replace("_", "")
        return _SYNONYMS.get(plain, plain)
    if isinstance(gate, cirq.Gate) or (isinstance(gate, type) and issubclass(gate, cirq.Gate)):
        return names_of_gate(gate)[0]
    raise ArgumentError("gates", "be gates or names of gates", gate, 'For example "cx", cirq.CZ.')


def names_of_gate(gate: Any) -> tuple[str, ...]:
    """Returns all names of a gate or a class of gates, the most specific one first."""
    kind = gate if isinstance(gate, type) else type(gate)
    named = [name for family, name in _families() if issubclass(kind, family)]
    own = kind.__name__.removesuffix("Gate").removesuffix("Pow").lower()
    return tuple(dict.fromkeys([*named, own]))


def names_of_operation(operation: cirq.Operation) -> tuple[str, ...]:
    """Returns the names of an operation's gate."""
    if operation.gate is not None:
        return names_of_gate(operation.gate)
    return (type(operation).__name__.removesuffix("Operation").lower(),)


def names_of_instruction(instruction: Instruction) -> tuple[str, ...]:
    """Returns the names of an instruction whose gate is not known."""
    match instruction:
        case PauliRotation(paulis=paulis):
            return (f"r{paulis.lower()}", paulis.lower())
        case Phase(qubits=qubits):
            return ("c" * (len(qubits) - 1) + "z",)
        case _:
            return ("matrix",)
