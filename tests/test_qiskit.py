"""Qiskit's circuits as its users write them: composite gates, controls, evolutions, idle qubits."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import cirq
import numpy as np
import pytest
from qiskit import QuantumCircuit, QuantumRegister
from qiskit.circuit import (
    AnnotatedOperation,
    ControlModifier,
    Gate,
    InverseModifier,
    Parameter,
    PowerModifier,
    library,
)
from qiskit.quantum_info import Operator, SparseObservable, SparsePauliOp
from qiskit.synthesis import SuzukiTrotter

from qkeras_hybrid import PQC
from qkeras_hybrid.interop import from_qiskit, to_qiskit

A, B = Parameter("a"), Parameter("b")
VALUES = {"a": 0.4, "b": -1.1}


def found(circuit: Any) -> np.ndarray:
    """The unitary of what is read, on all qubits."""
    read = cirq.resolve_parameters(from_qiskit(circuit), VALUES)
    assert len(read.all_qubits()) == circuit.num_qubits
    return read.unitary()


def expected(circuit: Any) -> np.ndarray:
    bound = circuit.assign_parameters({p: VALUES[p.name] for p in circuit.parameters})
    # Qiskit counts bits from the other end.
    return np.asarray(Operator(bound.reverse_bits()).data)


def same(first: np.ndarray, second: np.ndarray) -> bool:
    # Qiskit's own syntheses are exact to about 1e-8.
    return bool(cirq.equal_up_to_global_phase(first, second, atol=1e-6))


def inner() -> Any:
    """A gate of two qubits with a global phase and a parameter."""
    circuit = QuantumCircuit(2, global_phase=0.7)
    circuit.h(0)
    circuit.rz(A, 1)
    circuit.cx(0, 1)
    circuit.u(0.1, B, 0.3, 0)
    return circuit.to_gate()


def with_phase() -> Any:
    circuit = QuantumCircuit(1, global_phase=A)
    circuit.rx(B, 0)
    return circuit.to_gate()


GATES: dict[str, Callable[[], Any]] = {
    "composite": inner,
    "control": lambda: inner().control(1),
    "open control": lambda: inner().control(2, ctrl_state=1),
    "inverse": lambda: inner().inverse(),
    "annotated inverse": lambda: inner().inverse(annotated=True),
    "annotated control": lambda: inner().control(1, annotated=True),
    "several modifiers": lambda: AnnotatedOperation(
        inner(), [InverseModifier(), ControlModifier(2, 1)]
    ),
    "power under control": lambda: AnnotatedOperation(
        inner(), [PowerModifier(-2), ControlModifier(1, 0)]
    ),
    "controlled phase parameter": lambda: with_phase().control(1),
    "mcphase": lambda: library.MCPhaseGate(A, 3),
    "mcphase of a number": lambda: library.MCPhaseGate(0.3, 2),
    "mcx": lambda: library.MCXGate(4),
    "diagonal": lambda: library.DiagonalGate([1, 1j, -1, np.exp(0.3j)]),
    "state preparation": lambda: library.StatePreparation([0.6, 0, 0, 0.8j]),
    "isometry": lambda: library.Isometry(np.eye(4)[:, :2], 0, 0),
    "permutation": lambda: library.PermutationGate([1, 2, 3, 0]),
    "unitary": lambda: library.UnitaryGate(Operator(library.QFTGate(4))),
    "qft": lambda: library.QFTGate(4),
    "pauli": lambda: library.PauliGate("XYZI"),
    "mcmt": lambda: library.MCMTGate(library.RYGate(A), 2, 1),
    "cu": lambda: library.CUGate(A, 0.1, B, 0.3),
    "open cu": lambda: library.CUGate(A, 0.1, B, 0.3, ctrl_state=0),
    "cu3": lambda: library.CU3Gate(A, B, 0.1),
    "u2": lambda: library.U2Gate(A, B),
    "ccrx": lambda: library.RXGate(A).control(2, ctrl_state=2),
    "hamiltonian": lambda: library.HamiltonianGate(np.diag([1.0, 2.0]), 0.3),
}


@pytest.mark.parametrize("name", GATES)
def test_a_gate_of_qiskit_is_the_same_in_cirq(name: str) -> None:
    gate = GATES[name]()
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, range(gate.num_qubits))
    assert same(found(circuit), expected(circuit))


def test_a_gate_that_bears_the_name_of_another_is_read_by_what_it_does() -> None:
    circuit = QuantumCircuit(1)
    for name in ("rx", "barrier", "measure", "cu"):
        impostor = QuantumCircuit(1, name=name)
        impostor.rz(A, 0)
        circuit.append(impostor.to_gate(), [0])
    assert same(found(circuit), np.diag([1, np.exp(4j * VALUES["a"])]))


def test_qubits_without_a_gate_keep_their_place() -> None:
    circuit = QuantumCircuit(QuantumRegister(1, "b"), QuantumRegister(2, "a"))
    circuit.x([0, 2])
    layer = PQC(from_qiskit(circuit), ["Z0", "Z1", "Z2"])
    np.testing.assert_allclose(layer(np.zeros((1, 3))), [[-1, 1, -1]], atol=1e-6)
    assert to_qiskit(from_qiskit(circuit)).num_qubits == 3


def test_what_has_neither_a_definition_nor_a_matrix_is_named() -> None:
    for gate in (Gate("opaque", 2, [A]), library.HamiltonianGate(np.diag([1.0, 2.0]), A)):
        circuit = QuantumCircuit(2)
        circuit.append(gate, range(gate.num_qubits))
        with pytest.raises(
            ValueError, match=rf"it contains '{gate.name}'.*neither a definition by gates"
        ):
            from_qiskit(circuit)
    circuit = QuantumCircuit(1)
    circuit.initialize([0.6, 0.8])
    with pytest.raises(ValueError, match=r"contains 'reset'.*`prepare_state`"):
        from_qiskit(circuit)


def test_a_measurement_inside_an_instruction_is_seen() -> None:
    measuring = QuantumCircuit(1, 1)
    measuring.measure(0, 0)
    circuit = QuantumCircuit(1, 1)
    circuit.append(measuring.to_instruction(), [0], [0])
    circuit.x(0)
    with pytest.raises(ValueError, match="'x' follows a measurement of qubit 0"):
        from_qiskit(circuit)


# Evolutions. With numbers, `Operator` is their exact exponential.


def evolution(terms: Any, time: Any, **options: Any) -> Any:
    gate = library.PauliEvolutionGate(terms, time=time, **options)
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, range(gate.num_qubits))
    return circuit


@pytest.mark.parametrize(
    "terms",
    [
        SparsePauliOp(["ZZII", "IZZI", "IIIZ", "IIII"], [1.0, 2.0, 0.5, 0.3]),
        SparsePauliOp(["XXII", "ZZIY", "IIIY"], [0.3, 0.4, 0.5]),
        [SparsePauliOp(["XX"]), SparsePauliOp(["ZZ"], [0.7])],
        SparseObservable("+Z"),
    ],
)
@pytest.mark.parametrize("time", [2 * A + B, 0.7])
def test_an_evolution_of_commuting_terms_is_exact(terms: Any, time: Any) -> None:
    circuit = evolution(terms, time)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="PauliEvolutionGate")
        read = found(circuit)
    assert same(read, expected(circuit))
    controlled = QuantumCircuit(circuit.num_qubits + 1)
    controlled.append(circuit.data[0].operation.control(1, annotated=True), controlled.qubits)
    assert same(found(controlled), controlled_by_the_first(expected(circuit)))


def controlled_by_the_first(matrix: np.ndarray) -> np.ndarray:
    whole = np.eye(2 * len(matrix), dtype=complex)
    whole[len(matrix) :, len(matrix) :] = matrix
    return whole


def test_an_evolution_by_a_number_on_few_qubits_is_exact() -> None:
    circuit = evolution(SparsePauliOp(["XXI", "IZY"]), 0.7)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="PauliEvolutionGate")
        assert same(found(circuit), expected(circuit))


def test_an_evolution_that_becomes_trotter_steps_says_so() -> None:
    terms = SparsePauliOp(["XX", "ZI"])
    with pytest.warns(UserWarning, match=r"on 2 qubits, by LieTrotter\(reps=1\).*approximation"):
        one_step = found(evolution(terms, A))
    # One step: each term for the whole time, which is not the exponential of their sum.
    first, second = (expected(evolution(term, A)) for term in terms)
    assert same(one_step, second @ first)
    assert not same(one_step, expected(evolution(terms, A)))
    finer = evolution(terms, A, synthesis=SuzukiTrotter(order=4, reps=20))
    with pytest.warns(UserWarning, match=r"SuzukiTrotter\(reps=20\)"):
        many = found(finer)
    assert same(many, expected(finer))
