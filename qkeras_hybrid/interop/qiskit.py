"""Qiskit's circuits, with their parameters, as Cirq's, and back.

Qiskit counts bits from the other end: its qubit 0 is the least significant bit of a state. Qubits
keep their numbers here, so that a state's bits are reversed and a circuit is not.
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

# SymPy's functions that Qiskit's parameters have too.
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

    Parameters become symbols of the same names, e.g. `theta[3]`. Measurements at the end are left
    out: what a layer reads, its observables say. To keep Qiskit's order of parameters, give the
    layer `symbols=[parameter.name for parameter in circuit.parameters]`.

    Gates of numbers on up to three qubits become one gate each; gates with parameters and larger
    ones are taken apart by their own definitions.

    A `PauliEvolutionGate` is exact where its terms commute, with a parameter as its time too, and
    where its time is a number and it has up to three qubits. Any other is taken apart by its
    `synthesis`, as Qiskit's transpiler does for a device: unless you choose another, that is one
    Trotter step, `LieTrotter(reps=1)`, which is far from exact for a large time. A warning says so.
    (`qiskit.quantum_info.Statevector` and `StatevectorEstimator` compute the exact exponential of
    such a gate once its parameters have values.)

    Args:
        circuit: A `qiskit.QuantumCircuit`.

    Returns:
        The circuit, with Qiskit's qubit `i` as `cirq.LineQubit(i)`, and all of its qubits, by an
        identity where one has no gate; equal up to a global phase.

    Raises:
        ImportError: If Qiskit is not installed.
        ValueError: If this is no Qiskit circuit, or it measures in the middle, resets, branches or
            loops, or a gate with parameters has no definition by gates.

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
            f"{'; '.join(reader.approximated)}: terms that do not commute, so that this is an "
            "approximation, the one that Qiskit's transpiler would make. For another, give the "
            "gate another `synthesis`, e.g. SuzukiTrotter(order=2, reps=4).",
            stacklevel=2,
        )
    return with_all_qubits(operations, qubits)


def to_qiskit(circuit: cirq.AbstractCircuit) -> Any:
    """Returns a Cirq circuit as a Qiskit circuit.

    Symbols become parameters of the same names. The circuit is compiled first: what comes out are
    rotations, phases and fixed unitaries, not the gates one for one. `qiskit.qasm3.dumps` writes
    it as OpenQASM 3, parameters included.

    Args:
        circuit: A circuit that `compile_circuit` takes, e.g. a layer's `circuit`.

    Returns:
        A `qiskit.QuantumCircuit`, with qubit `i` the `i`-th of the circuit's qubits, sorted; equal
        with its global phase.

    Raises:
        ImportError: If Qiskit is not installed.
        ValueError: If the circuit can't be compiled, or a parameter is made of a function that
            Qiskit does not have.

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
    # All symbols as inputs: what trains is nothing to Qiskit.
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
                f"{type(instruction).__name__.lower()} on {qubits}: Qiskit's circuits hold no "
                "channels, and measurements are left to you. Remove it."
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
            f"Qiskit's parameters know no {kind}, which the circuit parameter `{node}` is made of. "
            f"They know sums, products, powers and {', '.join(_FUNCTIONS)}."
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
