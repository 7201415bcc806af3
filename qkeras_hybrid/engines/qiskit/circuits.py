"""A program as a Qiskit circuit with a parameter for each angle that varies.

Qubits keep their numbers. Qiskit counts bits from the other end, so our qubit `i` is bit `i` of its
results, and the last letter of its Pauli strings is our first qubit.
"""

from __future__ import annotations

from typing import Any, assert_never

from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.observables import Observable
from qkeras_hybrid.program import (
    Channel,
    Job,
    Measurement,
    PauliRotation,
    Phase,
    Reset,
    Unitary,
)
from qkeras_hybrid.readouts import Setting

REGISTER = "all"
"""The classical register of the measurement of all qubits."""


def parameterized(job: Job) -> tuple[Any, list[int]]:
    """Returns a job's circuit without measurements, and the angles of its parameters.

    Angles that don't vary are numbers in the circuit, so that a transpiler can join their gates.

    Returns:
        A `qiskit.QuantumCircuit`, and for each of its parameters, in order, the number of an angle.
    """
    import qiskit
    from qiskit.circuit import ParameterVector

    rows = list(job.varying_rows)
    # A vector's elements are sorted by index; single names would be sorted as text.
    vector = ParameterVector("angle", len(rows))
    angles: dict[int, Any] = dict(zip(rows, vector, strict=True))
    made = qiskit.QuantumCircuit(job.program.n_qubits)
    for instruction in job.program.instructions:
        on = list(instruction.qubits)
        match instruction:
            case PauliRotation(paulis=paulis, angle=row):
                _rotate(made, paulis, on, angles.get(row, job.angles.rows[row].offset))
            case Phase() if not on:
                pass  # nothing that is measured depends on a global phase
            case Phase(angle=row):
                angle = angles.get(row, job.angles.rows[row].offset)
                if len(on) == 1:
                    made.p(angle, *on)
                else:
                    made.mcp(angle, on[:-1], on[-1])
            case Unitary():
                # The first of our qubits is the most significant; of Qiskit's, the last one.
                made.unitary(instruction.array, on[::-1])
            case Channel() | Measurement() | Reset():
                raise AssertionError("refused")
            case _:
                assert_never(instruction)
    return made, rows


def _rotate(made: Any, paulis: str, on: list[int], angle: Any) -> None:
    from qiskit.circuit.library import PauliEvolutionGate
    from qiskit.quantum_info import SparsePauliOp

    methods = {"X": "rx", "Y": "ry", "Z": "rz", "XX": "rxx", "YY": "ryy", "ZZ": "rzz"}
    if paulis in methods:
        getattr(made, methods[paulis])(angle, *on)
    else:
        made.append(PauliEvolutionGate(SparsePauliOp(paulis[::-1]), time=angle / 2), on)


def measured(circuit: Any, setting: Setting) -> Any:
    """Returns a circuit that ends with the measurement of all its qubits in a basis."""
    import qiskit

    register = qiskit.ClassicalRegister(circuit.num_qubits, REGISTER)
    made = circuit.copy()
    made.add_register(register)
    qubits = cirq.LineQubit.range(circuit.num_qubits)
    numbers: dict[cirq.Qid, int] = {qubit: i for i, qubit in enumerate(qubits)}
    for turn in setting.rotations(qubits):
        made.unitary(cirq.unitary(turn), [numbers[q] for q in turn.qubits][::-1])
    made.measure(range(circuit.num_qubits), register)
    return made


def operator(observable: Observable, n_qubits: int) -> Any:
    """Returns an observable as a `qiskit.quantum_info.SparsePauliOp`."""
    from qiskit.quantum_info import SparsePauliOp

    terms = [(term.paulis, list(term.qubits), term.coefficient) for term in observable.terms]
    return SparsePauliOp.from_sparse_list(terms or [("", [], 0.0)], num_qubits=n_qubits)
