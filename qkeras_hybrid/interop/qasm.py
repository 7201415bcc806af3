"""OpenQASM: a text format for circuits that most quantum software reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.interop._gates import with_all_qubits

VERSIONS = ("2.0", "3.0")


def from_qasm(text: str) -> cirq.Circuit:
    """Reads a circuit from OpenQASM.

    All unitary circuits in OpenQASM 2 are supported, with the gates of the current `qelib1.inc`. In
    OpenQASM 3 these are supported: the gates of `stdgates.inc`; gate definitions; the modifiers
    `ctrl`, `negctrl`, `inv` and `pow`; `gphase`; constants; loops over ranges of numbers; slices
    and aliases of registers. `input float` and `input angle` become symbols of the same names.
    Barriers and delays are dropped. Measurements at the end are dropped too, because a layer's
    observables say what it measures.

    The circuit has all declared qubits; those without a gate get an identity. Qubits sort in the
    order of their declarations: `"Z1"` measures the second qubit that the text declares.

    Args:
        text: OpenQASM 2 or 3. `include` reads no files; `qelib1.inc` and `stdgates.inc` are built
            in.

    Returns:
        The circuit, equal up to a global phase. Its qubits are `cirq.NamedQubit`s with names
        `<register>_<index>`. If registers would not sort by name in the order of their
        declarations, the names start with the register's number: `qreg b[1]; qreg a[1];` become
        `0_b_0` and `1_a_0`.

    Raises:
        ValueError: If the text is not OpenQASM, has unsupported statements (such as subroutines,
            `reset`, or gates that depend on measurements), measures before the end of the circuit,
            or has more than a million gates or 10,000 qubits.

    Example:

    >>> circuit = from_qasm('OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; h q[0]; cx q[0],q[1];')
    >>> print(circuit)
    q_0: ───H───@───
                │
    q_1: ───────X───
    >>> print(from_qasm("OPENQASM 3; input float w; qubit[2] q; rx(2 * w) q[1];"))
    q_0: ───I───────────
    <BLANKLINE>
    q_1: ───Rx(2.0*w)───
    """
    from qkeras_hybrid.interop._qasm_reader import Reader
    from qkeras_hybrid.interop._qasm_text import QasmError

    if not isinstance(text, str):
        raise ArgumentError("text", "be OpenQASM as a string", text)
    try:
        reader = Reader(text)
        reader.read()
    except QasmError as error:
        raise ValueError(
            f"Argument `text` must be OpenQASM of a unitary circuit: {error}."
        ) from error
    except RecursionError as error:
        raise ValueError(
            "Argument `text` must be OpenQASM of a unitary circuit: its brackets or its gate "
            "definitions are nested too deeply."
        ) from error
    if not reader.qubits:
        raise ArgumentError("text", "be OpenQASM that declares qubits", text)
    return with_all_qubits(reader.operations, reader.qubits)


def to_qasm(
    circuit: cirq.AbstractCircuit,
    values: Mapping[Any, float] | None = None,
    *,
    version: str = "2.0",
) -> str:
    """Writes a circuit as OpenQASM.

    Args:
        circuit: A circuit, such as a layer's `circuit`.
        values: A number in radians for each symbol of the circuit, by the symbol or its name. All
            symbols need one: OpenQASM 2 has no parameters, and Cirq does not write those of
            OpenQASM 3.
        version: "2.0" or "3.0".

    Returns:
        The text. Qubit `i` of the register `q` is the circuit's `i`-th qubit in Cirq's order.

    Raises:
        ValueError: If the version is unknown, a symbol has no value, or a gate has neither a name
            in OpenQASM nor a decomposition.

    Example:

    >>> circuit = cirq.Circuit(cirq.ry(sympy.Symbol("w"))(cirq.LineQubit(0)))
    >>> print(to_qasm(circuit, {"w": 0.5}).splitlines()[-1])
    ry(pi*0.1591549431) q[0];
    """
    one_of("version", version, VERSIONS)
    given = {str(key): float(value) for key, value in (values or {}).items()}
    bound = cirq.resolve_parameters(circuit, given)
    missing = sorted(cirq.parameter_names(bound))
    if missing:
        raise ArgumentError(
            "values", f"have a number for each symbol, including {missing[0]!r}", values
        )
    try:
        return bound.to_qasm(header="Written by qkeras_hybrid", version=version)
    except (TypeError, ValueError) as error:
        raise ValueError(f"The circuit can't be written as OpenQASM: {error}") from error
