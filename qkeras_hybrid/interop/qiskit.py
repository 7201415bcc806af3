"""Converts circuits with their parameters from Qiskit to Cirq and back.

Qiskit's qubit 0 is the least significant bit of a basis state; Cirq's is the most significant bit.
A converted circuit keeps the numbers of its qubits, so the bits of its basis states are reversed.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, assert_never

import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.interop._gates import with_all_qubits
from qkeras_hybrid.interop._qiskit_reader import Reader, fixed_gates, other_end
from qkeras_hybrid.program import (
    Angle,
    Channel,
    Instruction,
    Measurement,
    PauliRotation,
    Phase,
    Reset,
    Unitary,
    compile_circuit,
)

if TYPE_CHECKING:
    import sympy

# SymPy's functions, and the methods of Qiskit's parameters that compute them.
_FUNCTIONS = {
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "exp": "exp",
    "log": "log",
    "Abs": "abs",
    "sign": "sign",
}


def from_qiskit(circuit: Any) -> cirq.Circuit:
    """Returns a Qiskit circuit as a Cirq circuit.

    Parameters become symbols of the same names, such as `theta[3]`. To keep Qiskit's order of
    parameters, pass `symbols=[parameter.name for parameter in circuit.parameters]` to the layer.
    Measurements at the end are dropped, because a layer's observables say what it measures.

    A gate without parameters on up to three qubits becomes one gate. Gates with parameters and
    larger gates are decomposed by their definitions.

    A `PauliEvolutionGate` is converted exactly in two cases: if its terms commute, also with a
    parameter as its time; and if its time is a number and it has up to three qubits. Others are
    decomposed by their `synthesis`, as Qiskit's transpiler does for a device, and a warning is
    given. The default synthesis is one Trotter step, `LieTrotter(reps=1)`, which is inaccurate for
    a large time. (Once its parameters have values, `qiskit.quantum_info.Statevector` and
    `StatevectorEstimator` compute the exact exponential of such a gate.)

    Args:
        circuit: A `qiskit.QuantumCircuit`.

    Returns:
        The circuit, equal up to a global phase. Qiskit's qubit `i` becomes `cirq.LineQubit(i)`.
        Qubits without a gate get an identity.

    Raises:
        ImportError: If Qiskit is not installed.
        ValueError: If `circuit` is not a Qiskit circuit, measures before its end, resets, branches
            or loops, or a gate with parameters has no definition by gates.

    Example:

    >>> from qiskit.circuit.library import efficient_su2
    >>> ansatz = efficient_su2(3, reps=1)
    >>> layer = PQC(from_qiskit(ansatz), "Z", symbols=[p.name for p in ansatz.parameters])
    >>> layer(ops.zeros((1, 3))).shape
    TensorShape([1, 3])
    """
    qiskit = _qiskit()
    if not isinstance(circuit, qiskit.QuantumCircuit):
        raise ArgumentError("circuit", "be a qiskit.QuantumCircuit", circuit)
    qubits = cirq.LineQubit.range(circuit.num_qubits)
    reader = Reader()
    operations, _ = reader.read(circuit, qubits)
    if reader.approximated:
        warnings.warn(
            f"{'; '.join(reader.approximated)}: terms do not commute, so this is an approximation, "
            "the same as by Qiskit's transpiler. For a better one, give the gate another "
            "`synthesis`, such as SuzukiTrotter(order=2, reps=4).",
            stacklevel=2,
        )
    return with_all_qubits(operations, qubits)


def to_qiskit(circuit: cirq.AbstractCircuit) -> Any:
    """Returns a Cirq circuit as a Qiskit circuit.

    Symbols become parameters of the same names. The circuit is compiled first, so the result has
    rotations, phases and fixed unitaries instead of the original gates. `qiskit.qasm3.dumps` writes
    it as OpenQASM 3, with parameters.

    Args:
        circuit: A circuit that `compile_circuit` accepts, such as a layer's `circuit`.

    Returns:
        A `qiskit.QuantumCircuit`, equal including its global phase. Its qubit `i` is the `i`-th of
        the circuit's sorted qubits.

    Raises:
        ImportError: If Qiskit is not installed.
        ValueError: If the circuit can't be compiled, has channels or measurements, or a parameter
            uses a function that Qiskit does not have.

    Example:

    >>> q = cirq.LineQubit.range(2)
    >>> circuit = cirq.Circuit(cirq.ry(2 * sympy.Symbol("w"))(q[0]), cirq.CNOT(*q))
    >>> print(to_qiskit(circuit))
         ┌─────────┐
    q_0: ┤ Ry(2*w) ├──■──
         └─────────┘┌─┴─┐
    q_1: ───────────┤ X ├
                    └───┘
    """
    qiskit = _qiskit()
    # All symbols are compiled as inputs, because Qiskit does not distinguish weights.
    names = sorted(cirq.parameter_names(circuit)) if isinstance(circuit, cirq.Circuit) else ()
    compiled = compile_circuit(circuit, (), inputs=names)
    made = qiskit.QuantumCircuit(compiled.n_qubits)
    parameters = {symbol: qiskit.circuit.Parameter(symbol.name) for symbol in compiled.inputs}
    angles = [_angle(row, compiled.inputs, parameters) for row in compiled.angles.rows]
    for instruction in compiled.program.instructions:
        _append(made, instruction, angles)
    return made


def _append(made: Any, instruction: Instruction, angles: list[Any]) -> None:
    qubits = list(instruction.qubits)
    match instruction:
        case PauliRotation(paulis=paulis, angle=row):
            _append_rotation(made, paulis, qubits, angles[row])
        case Phase(angle=row) if not qubits:
            made.global_phase += angles[row]
        case Phase(angle=row) if len(qubits) == 1:
            made.p(angles[row], *qubits)
        case Phase(angle=row):
            made.mcp(angles[row], qubits[:-1], qubits[-1])
        case Unitary():
            for gate, method in fixed_gates(len(qubits)):
                if np.allclose(cirq.unitary(gate), instruction.array, atol=1e-14):
                    getattr(made, method)(*qubits)
                    return
            made.unitary(other_end(instruction.array), qubits)
        case Reset():
            made.reset(qubits[0])
        case Channel() | Measurement():
            raise ValueError(
                f"Argument `circuit` must have neither channels nor measurements, but has a "
                f"{type(instruction).__name__.lower()} on {qubits}. Remove it. Qiskit circuits "
                "have no channels; add measurements to the result."
            )
        case _:
            assert_never(instruction)


def _append_rotation(made: Any, paulis: str, qubits: list[int], angle: Any) -> None:
    from qiskit.circuit.library import PauliEvolutionGate
    from qiskit.quantum_info import SparsePauliOp

    methods = {"X": "rx", "Y": "ry", "Z": "rz", "XX": "rxx", "YY": "ryy", "ZZ": "rzz"}
    if paulis in methods:
        getattr(made, methods[paulis])(angle, *qubits)
    else:
        made.append(PauliEvolutionGate(SparsePauliOp(paulis[::-1]), time=angle / 2), qubits)


def _angle(angle: Angle, inputs: Sequence[sympy.Symbol], parameters: Any) -> Any:
    """Returns a row of the angle table as a number or an expression of Qiskit's parameters."""
    if angle.expression is not None:
        return _to_parameters(angle.expression, parameters)
    total: Any = angle.offset
    for index, coefficient in angle.inputs:
        total = total + coefficient * parameters[inputs[index]]
    return total


def _to_parameters(node: Any, parameters: Any) -> Any:
    if node.is_Symbol:
        return parameters[node]
    if node.is_number:
        return float(node)
    kind = type(node).__name__
    arguments = [_to_parameters(argument, parameters) for argument in node.args]
    if kind in _FUNCTIONS:
        return getattr(arguments[0], _FUNCTIONS[kind])()
    if kind == "Pow":
        return arguments[0] ** arguments[1]
    if kind not in ("Add", "Mul"):
        raise ValueError(
            f"Qiskit's parameters do not support {kind}, which the circuit parameter `{node}` "
            f"uses. They support sums, products, powers and {', '.join(_FUNCTIONS)}."
        )
    total = arguments[0]
    for argument in arguments[1:]:
        total = total + argument if kind == "Add" else total * argument
    return total


def _qiskit() -> Any:
    try:
        import qiskit
    except ImportError as error:
        raise ImportError(
            "Qiskit is not installed: pip install 'qkeras-hybrid[qiskit]', or pip install qiskit."
        ) from error
    return qiskit
