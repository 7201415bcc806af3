"""The resources that a circuit would need on quantum hardware."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qkeras_hybrid import gradients
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.gradients import Differentiator
from qkeras_hybrid.program import Compiled
from qkeras_hybrid.readouts import Readout


@dataclass(frozen=True)
class Resources:
    """The resources that a layer's circuit would need on quantum hardware.

    Attributes:
        qubits: Number of qubits.
        depth: Number of moments that are not empty.
        one_qubit_gates: Number of operations on one qubit.
        two_qubit_gates: Number of operations on two qubits.
        larger_gates: Number of operations on three and more qubits, before decomposition.
        weights: Number of trainable circuit weights.
        measurement_settings: Number of different measurement bases that the readouts need.
        evaluations_per_sample: Circuits that run for one sample of a training step: the forward
            pass and the gradient of every angle by the layer's differentiator, in each measurement
            setting. Parameter shift is assumed if hardware could not run the differentiator.
    """

    qubits: int
    depth: int
    one_qubit_gates: int
    two_qubit_gates: int
    larger_gates: int
    weights: int
    measurement_settings: int
    evaluations_per_sample: int


def resources(
    compiled: Compiled,
    differentiator: Differentiator | None = None,
    readouts: Sequence[Readout] = (),
) -> Resources:
    """Counts the resources that a compiled circuit would need on quantum hardware.

    Args:
        compiled: The circuit.
        differentiator: The circuit's differentiator; parameter shift replaces one that hardware
            can't run.
        readouts: The readouts, if there are more than the compiled circuit's own.
    """
    operations = [
        operation
        for operation in cirq.Circuit(
            cirq.unroll_circuit_op(compiled.circuit.unfreeze(), deep=True, tags_to_check=None)
        ).all_operations()
        if operation.qubits and not isinstance(operation.gate, cirq.IdentityGate)
    ]
    sizes = [len(operation.qubits) for operation in operations]
    program = compiled.program
    if differentiator is None or isinstance(differentiator, gradients.Adjoint):
        differentiator = gradients.ParameterShift()
    shifted = differentiator.evaluations(len(compiled.varying_rows))
    read = readouts or (compiled.readout,)
    settings = len({setting for readout in read for setting in readout.settings(program)})
    return Resources(
        qubits=program.n_qubits,
        depth=len(cirq.Circuit(operations)),
        one_qubit_gates=sizes.count(1),
        two_qubit_gates=sizes.count(2),
        larger_gates=sum(size > 2 for size in sizes),
        weights=len(compiled.weights),
        measurement_settings=settings,
        evaluations_per_sample=settings * (1 + shifted),
    )
