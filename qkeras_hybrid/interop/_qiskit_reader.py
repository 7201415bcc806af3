"""Converts Qiskit's instructions to Cirq operations, and decomposes them only where needed."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.interop._gates import controlled, half_turns, named_gates

# Gates without parameters on up to this many qubits become one gate, by their matrix.
_LARGEST_MATRIX = 3
# Gates without a definition become one gate, by their matrix, on up to this many qubits.
_LARGEST_FALLBACK = 6

# Operations and their global phase in radians.
Part = tuple[list[Any], Any]


class Reader:
    """Reads the operations of a circuit.

    Attributes:
        approximated: Descriptions of the gates that were decomposed only approximately.
    """

    def __init__(self) -> None:
        self._measured: set[Any] = set()
        self.approximated: list[str] = []

    def read(self, circuit: Any, qubits: Sequence[cirq.Qid]) -> Part:
        """Returns the operations of a `qiskit.QuantumCircuit` on these qubits.

        Raises:
            ValueError: If it resets, measures before its end, or has an instruction that is not a
                gate.
        """
        operations: list[cirq.Operation] = []
        total = _expression(circuit.global_phase)
        for instruction in circuit.data:
            on = [qubits[circuit.find_bit(qubit).index] for qubit in instruction.qubits]
            found, phase = self._instruction(instruction.operation, on)
            operations.extend(found)
            total = total + phase
        return operations, total

    def _instruction(self, gate: Any, on: list[cirq.Qid]) -> Part:
        import qiskit.circuit as qiskit

        if isinstance(gate, (qiskit.Barrier, qiskit.Delay)):
            return [], 0
        if isinstance(gate, qiskit.Measure):
            self._measured.update(on)
            return [], 0
        if isinstance(gate, qiskit.Reset):
            raise ValueError(
                "Argument `circuit` must be unitary, but it contains 'reset'. Remove it: qubits "
                "start in |0>. (`initialize` resets qubits; `prepare_state` does not.)"
            )
        if both := self._measured.intersection(on):
            raise ValueError(
                f"Argument `circuit` must only measure at its end, but {gate.name!r} follows a "
                f"measurement of qubit {min(both).x}."
            )
        return self._gate(gate, on)

    def _gate(self, gate: Any, on: list[cirq.Qid]) -> Part:
        from qiskit.circuit import AnnotatedOperation, ControlledGate, library

        if isinstance(gate, AnnotatedOperation):
            return self._annotated(gate.base_op, list(gate.modifiers), on)
        parameters = [_expression(parameter) for parameter in getattr(gate, "params", ())]
        symbolic = any(isinstance(parameter, sympy.Basic) for parameter in parameters)
        if isinstance(gate, library.PauliEvolutionGate):
            evolved = self._evolution(gate, parameters[0], symbolic, on)
            if evolved is not None:
                return evolved
        elif isinstance(gate, library.GlobalPhaseGate):
            return [], parameters[0]
        elif isinstance(gate, library.PermutationGate):
            # Qiskit's pattern lists the source of each qubit, Cirq's the destination.
            places = np.argsort(np.asarray(gate.pattern)).tolist()
            return [cirq.QubitPermutationGate(places)(*on)], 0
        elif (known := _named(gate)) is not None and parameters:
            return named_gates()[known].operations(parameters, on), 0
        elif not symbolic and len(on) <= _LARGEST_MATRIX:
            matrix = _matrix(gate, len(on))
            if matrix is not None:
                return [_of_matrix(matrix, gate.name)(*on)], 0
        if isinstance(gate, ControlledGate) and _acts_by_its_base(gate):
            n = gate.num_ctrl_qubits
            operations, phase = self._gate(gate.base_gate, on[n:])
            return controlled(operations, phase, on[:n], _bits(gate.ctrl_state, n)), 0
        return self._defined(gate, on)

    def _defined(self, gate: Any, on: list[cirq.Qid]) -> Part:
        """Decomposes a gate by its definition; without one, uses its matrix."""
        from qiskit.exceptions import QiskitError

        try:
            definition = getattr(gate, "definition", None)
        except (QiskitError, TypeError):
            # Some gates have no definition while their parameters are not numbers.
            definition = None
        if definition is not None:
            return self.read(definition, on)
        matrix = _matrix(gate, len(on)) if len(on) <= _LARGEST_FALLBACK else None
        if matrix is None:
            raise ValueError(
                f"Argument `circuit` must consist of gates, but it contains {gate.name!r}, which "
                "has neither a definition by gates nor a matrix."
            )
        return [cirq.MatrixGate(matrix, name=gate.name)(*on)], 0

    def _annotated(self, base: Any, modifiers: list[Any], on: list[cirq.Qid]) -> Part:
        """Returns the operations of a gate with modifiers, of which the last is the outermost."""
        from qiskit.circuit import ControlModifier, InverseModifier, PowerModifier

        if not modifiers:
            return self._gate(base, on)
        *inner, last = modifiers
        if isinstance(last, ControlModifier):
            n = last.num_ctrl_qubits
            operations, phase = self._annotated(base, inner, on[n:])
            return controlled(operations, phase, on[:n], _bits(last.ctrl_state, n)), 0
        operations, phase = self._annotated(base, inner, on)
        inverse = list(cirq.flatten_to_ops(cirq.inverse(operations)))
        if isinstance(last, InverseModifier):
            return inverse, -phase
        if not isinstance(last, PowerModifier) or last.power != int(last.power):
            raise ValueError(
                "Argument `circuit` may only have inverses, controls and whole powers as modifiers "
                f"of gates, but got {base.name!r} with {last}."
            )
        times = int(last.power)
        return (operations if times >= 0 else inverse) * abs(times), phase * times

    def _evolution(self, gate: Any, time: Any, symbolic: bool, on: list[cirq.Qid]) -> Part | None:
        """Returns `exp(-i time H)` if its terms commute or its matrix is small, else None."""
        from qiskit.quantum_info import SparseObservable, SparsePauliOp

        parts = gate.operator if isinstance(gate.operator, list) else [gate.operator]
        terms = SparsePauliOp.sum(
            [
                SparsePauliOp.from_sparse_observable(part)
                if isinstance(part, SparseObservable)
                else part
                for part in parts
            ]
        )
        if len(terms.paulis.commutes_with_all(terms.paulis)) == len(terms):
            return _rotations(terms, time, on)
        if not symbolic and len(on) <= _LARGEST_MATRIX:
            return [_of_matrix(_matrix(gate, len(on)), gate.name)(*on)], 0
        settings = getattr(gate.synthesis, "settings", {})
        reps = f"(reps={settings['reps']})" if "reps" in settings else ""
        self.approximated.append(
            f"PauliEvolutionGate on {len(on)} qubits, by {type(gate.synthesis).__name__}{reps}"
        )
        return None


def _rotations(terms: Any, time: Any, on: list[cirq.Qid]) -> Part:
    """Returns `exp(-i time H)` for terms that commute, as one rotation for each term."""
    operations: list[cirq.Operation] = []
    phase: Any = 0
    for label, coefficient in terms.label_iter():
        weight = _expression(coefficient)
        weight = weight.real if isinstance(weight, complex) else weight
        # Qiskit's labels start with the last qubit.
        string = [(q, p) for q, p in zip(on, reversed(label), strict=True) if p != "I"]
        qubits, name = [q for q, _ in string], "r" + "".join(p for _, p in string).lower()
        if not string:
            phase = phase - time * weight
        elif name in ("rx", "ry", "rz", "rxx", "ryy", "rzz"):
            operations += named_gates()[name].operations([2 * time * weight], qubits)
        else:
            pauli: Any = cirq.PauliString({q: getattr(cirq, p) for q, p in string})
            exponent = half_turns(time * weight)
            operations.append(
                cirq.PauliStringPhasor(pauli, exponent_neg=exponent, exponent_pos=-exponent)
            )
    return operations, phase


def _named(gate: Any) -> str | None:
    """Returns the name of one of Qiskit's standard gates if `named_gates` has it, else None."""
    # The module is checked because users can give the same name to another gate.
    module = getattr(gate, "base_class", type(gate)).__module__
    own = module.startswith("qiskit.circuit.library.standard_gates.")
    return gate.name if own and gate.name in named_gates() else None


def _acts_by_its_base(gate: Any) -> bool:
    """Returns whether a controlled gate is its base gate with controls, without a phase or more."""
    base = gate.base_gate
    return (
        len(base.params) == len(gate.params)
        and gate.num_qubits == gate.num_ctrl_qubits + base.num_qubits
    )


def _bits(state: int | None, n: int) -> list[int]:
    """Returns the value of each control `k`: bit `k` of a state; without a state all are 1."""
    return [1 if state is None else state >> k & 1 for k in range(n)]


def _expression(parameter: Any) -> Any:
    """Returns a Qiskit parameter as a number or a SymPy expression; other values unchanged."""
    if not hasattr(parameter, "sympify"):
        return parameter
    found = parameter.sympify()
    return found if found.free_symbols else float(found)


def _matrix(gate: Any, n_qubits: int) -> np.ndarray | None:
    """Returns a gate's unitary, with the first qubit most significant; None if it has none."""
    from qiskit.exceptions import QiskitError

    try:
        matrix = np.asarray(gate.to_matrix(), complex)
    except (AttributeError, QiskitError, TypeError):
        # Gates without a matrix lack the method or raise an error.
        return None
    return other_end(matrix) if matrix.shape == (2**n_qubits,) * 2 else None


def other_end(matrix: np.ndarray) -> np.ndarray:
    """Returns a unitary with the order of its qubits reversed."""
    n_qubits = len(matrix).bit_length() - 1
    tensor = matrix.reshape((2,) * (2 * n_qubits))
    back = [*range(n_qubits)][::-1]
    return tensor.transpose(back + [n_qubits + axis for axis in back]).reshape(matrix.shape)


def _of_matrix(matrix: Any, name: str) -> cirq.Gate:
    for known, _ in fixed_gates(len(matrix).bit_length() - 1):
        if np.allclose(cirq.unitary(known), matrix, atol=1e-14):
            return known
    return cirq.MatrixGate(matrix, name=name)


@functools.cache
def fixed_gates(n_qubits: int) -> Iterable[tuple[cirq.Gate, str]]:
    """Returns Cirq's gates that Qiskit has too, and the names of Qiskit's methods for them."""
    gates: dict[int, list[tuple[cirq.Gate, str]]] = {
        1: [
            (cirq.I, "id"),
            (cirq.X, "x"),
            (cirq.Y, "y"),
            (cirq.Z, "z"),
            (cirq.H, "h"),
            (cirq.S, "s"),
            (cirq.T, "t"),
            (cirq.S**-1, "sdg"),
            (cirq.T**-1, "tdg"),
            (cirq.X**0.5, "sx"),
            (cirq.X**-0.5, "sxdg"),
        ],
        2: [(cirq.CZ, "cz"), (cirq.CNOT, "cx"), (cirq.SWAP, "swap"), (cirq.ISWAP, "iswap")],
        3: [(cirq.CCZ, "ccz"), (cirq.CCX, "ccx"), (cirq.CSWAP, "cswap")],
    }
    return gates.get(n_qubits, [])
