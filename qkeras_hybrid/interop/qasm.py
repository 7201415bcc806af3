"""OpenQASM: circuits as text that most quantum software reads and writes."""

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

    Of OpenQASM 2, everything unitary is read, with the gates of `qelib1.inc` as it is today. Of
    OpenQASM 3: the gates of `stdgates.inc`; definitions of gates; the modifiers `ctrl`, `negctrl`,
    `inv` and `pow`; `gphase`; constants; loops over ranges of numbers; slices and aliases of
    registers. `input float` and `input angle` become symbols of the same names. Barriers and delays
    are left out, and so are measurements at the end: what a layer reads, its observables say.

    The circuit holds all declared qubits, those without a gate too, and they sort in the order of
    their declarations: `"Z1"` reads the second qubit that the text declares. (A qubit without a
    gate gets an identity.)

    Args:
        text: OpenQASM 2 or 3. `include` reads no files: `qelib1.inc` and `stdgates.inc` are built
            in.

    Returns:
        The circuit, on `cirq.NamedQubit`s named `<register>_<index>`. Where several registers would
        sort by name in another order than declared, their numbers come first: `qreg b[1]; qreg
        a[1];` are `0_b_0` and `1_a_0`. Equal up to a global phase.

    Raises:
        ValueError: If the text is not OpenQASM, holds what is not read (subroutines, `reset`,
            gates that depend on measurements), measures in the middle of the circuit, or comes to
            more than a million gates or 10,000 qubits.

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
            "Argument `text` must be OpenQASM of a unitary circuit: its brackets, or its "
            "definitions of gates, are inside each other too deep."
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
        circuit: A circuit, e.g. a layer's `circuit`.
        values: A number, in radians, for each symbol (or symbol's name) of the circuit. OpenQASM 2
            has no parameters, and Cirq writes none into OpenQASM 3.
        version: "2.0" or "3.0".

    Returns:
        The text, with qubit `i` of the register `q` the circuit's `i`-th qubit in Cirq's order.

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
        raise ArgumentError("values", f"have a number for each symbol, also {missing[0]!r}", values)
    try:
        return bound.to_qasm(header="Written by qkeras_hybrid", version=version)
    except (TypeError, ValueError) as error:
        raise ValueError(f"The circuit can't be written as OpenQASM: {error}") from error
