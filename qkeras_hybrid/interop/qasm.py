"""OpenQASM: circuits as text that most quantum software reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qkeras_hybrid._checks import must, one_of
from qkeras_hybrid._lazy import lazy_module

if TYPE_CHECKING:
    import cirq
else:
    cirq = lazy_module("cirq")

VERSIONS = ("2.0", "3.0")


def from_qasm(text: str) -> cirq.Circuit:
    """Reads a circuit from OpenQASM.

    Measurements at the end are left out: what a layer reads, its observables say.

    Args:
        text: OpenQASM 2 or 3, as far as Cirq reads it: gates with numbers as angles. (Cirq does
            not read the `input` parameters of OpenQASM 3; see `from_qiskit` for circuits with
            parameters.)

    Returns:
        The circuit, on `cirq.NamedQubit`s named `<register>_<index>`.

    Raises:
        ValueError: If the text is not OpenQASM, holds what Cirq does not read, or measures in the
            middle of the circuit.

    Example:

    >>> circuit = from_qasm('OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; h q[0]; cx q[0],q[1];')
    >>> print(circuit)
    q_0: ───H───@───
                │
    q_1: ───────X───
    """
    from cirq.contrib.qasm_import import QasmException, circuit_from_qasm

    if not isinstance(text, str):
        raise ValueError(must("text", "be OpenQASM as a string", text))
    try:
        circuit = circuit_from_qasm(text)
    except QasmException as error:
        raise ValueError(f"Argument `text` is not OpenQASM that Cirq reads: {error}") from error
    if not circuit.are_all_measurements_terminal():
        raise ValueError(
            "Argument `text` must measure at its end only: a layer's circuit has no measurement "
            "in the middle. Leave it out."
        )
    return cirq.Circuit(
        operation for operation in circuit.all_operations() if not cirq.is_measurement(operation)
    )


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
        raise ValueError(
            must("values", f"have a number for each symbol, also {missing[0]!r}", values)
        )
    try:
        return bound.to_qasm(header="Written by qkeras_hybrid", version=version)
    except (TypeError, ValueError) as error:
        raise ValueError(f"The circuit can't be written as OpenQASM: {error}") from error
