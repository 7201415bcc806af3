"""Unrolls sub-circuits and separates controls, before anything is compiled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from qkeras_hybrid import _expressions
from qkeras_hybrid._lazy import cirq


def flat(circuit: cirq.AbstractCircuit) -> Iterator[cirq.Operation]:
    """Yields a circuit's operations, with sub-circuits replaced by their operations.

    In sub-circuits, qubits are mapped, parameters resolved and repetitions unrolled.
    """
    for operation in circuit.all_operations():
        yield from unrolled(operation)


def unrolled(operation: cirq.Operation) -> Iterator[cirq.Operation]:
    """Yields the operations of a sub-circuit, controlled or not, or the operation itself."""
    bare = operation.untagged
    if isinstance(bare, cirq.CircuitOperation):
        yield from flat(bare.mapped_circuit())
    elif isinstance(bare, cirq.ControlledOperation) and bare.gate is None:
        for part in unrolled(bare.sub_operation):
            yield cirq.ControlledOperation(bare.controls, part, bare.control_values)
    else:
        yield bare


def with_visible_symbols(circuit: cirq.AbstractCircuit) -> cirq.AbstractCircuit:
    """Returns the same circuit, made of gates whose symbols Cirq sees.

    Cirq 1.5 overlooks a symbol in the angle of a `BooleanHamiltonianGate`: it neither names nor
    resolves it. Such a gate is replaced by the rotations that Cirq decomposes it into.
    """
    hidden = any(_hides_symbols(operation) for operation in circuit.all_operations())
    return circuit.map_operations(_visible) if hidden else circuit


def _hides_symbols(operation: cirq.Operation) -> bool:
    bare = operation.untagged
    if isinstance(bare, cirq.CircuitOperation):
        return any(_hides_symbols(part) for part in bare.circuit.all_operations())
    if is_controlled(bare):
        return _hides_symbols(controlled_parts(bare)[2])
    gate = bare.gate
    return isinstance(gate, cirq.BooleanHamiltonianGate) and bool(
        _expressions.free_symbols(gate._json_dict_()["theta"])
    )


def _visible(operation: cirq.Operation) -> cirq.OP_TREE:
    bare = operation.untagged
    if not _hides_symbols(bare):
        return operation
    if isinstance(bare, cirq.CircuitOperation):
        return bare.replace(circuit=bare.circuit.map_operations(_visible).freeze())
    if not is_controlled(bare):
        return cirq.decompose_once(bare)
    controls, values, inner = controlled_parts(bare)
    return [
        cirq.ControlledOperation(controls, part, values)
        for part in cirq.flatten_to_ops(_visible(inner))
    ]


def is_controlled(operation: cirq.Operation) -> bool:
    """Tells whether an operation is one of Cirq's controlled operations."""
    return isinstance(operation, cirq.ControlledOperation) or isinstance(
        operation.gate, cirq.ControlledGate
    )


def controlled_parts(operation: Any) -> tuple[Sequence[cirq.Qid], Any, cirq.Operation]:
    """Returns the controls, their values, and the controlled operation."""
    if isinstance(operation, cirq.ControlledOperation):
        return operation.controls, operation.control_values, operation.sub_operation
    gate, n_controls = operation.gate, operation.gate.num_controls()
    inner = gate.sub_gate.on(*operation.qubits[n_controls:])
    return operation.qubits[:n_controls], gate.control_values, inner
