"""Qiskit's circuits, with their parameters, as Cirq's, and back.

Qiskit counts bits from the other end: its qubit 0 is the least significant bit of a state. Qubits
keep their numbers here, so that a state's bits are reversed and a circuit is not.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from qkeras_hybrid._checks import must
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.program import Angle, Instruction, PauliRotation, Phase, Program, compile_circuit

if TYPE_CHECKING:
    import cirq
    import sympy
else:
    cirq = lazy_module("cirq")
    sympy = lazy_module("sympy")

# Qiskit's gates with parameters, by its names. All others with parameters are taken apart by
# their own definitions, and those without are taken as matrices.
_PARAMETERIZED: dict[str, Callable[..., Any]] = {
    "rx": lambda a: cirq.rx(a),
    "ry": lambda a: cirq.ry(a),
    "rz": lambda a: cirq.rz(a),
    "p": lambda a: cirq.ZPowGate(exponent=_half_turns(a)),
    "u1": lambda a: cirq.ZPowGate(exponent=_half_turns(a)),
    "rxx": lambda a: cirq.XXPowGate(exponent=_half_turns(a), global_shift=-0.5),
    "ryy": lambda a: cirq.YYPowGate(exponent=_half_turns(a), global_shift=-0.5),
    "rzz": lambda a: cirq.ZZPowGate(exponent=_half_turns(a), global_shift=-0.5),
    "crx": lambda a: cirq.ControlledGate(cirq.rx(a)),
    "cry": lambda a: cirq.ControlledGate(cirq.ry(a)),
    "crz": lambda a: cirq.ControlledGate(cirq.rz(a)),
    "cp": lambda a: cirq.CZPowGate(exponent=_half_turns(a)),
    "cu1": lambda a: cirq.CZPowGate(exponent=_half_turns(a)),
}

_SKIPPED = ("barrier", "delay", "id")
_LARGEST_MATRIX = 3

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

    Args:
        circuit: A `qiskit.QuantumCircuit`.

    Returns:
        The circuit, with Qiskit's qubit `i` as `cirq.LineQubit(i)`; equal up to a global phase.

    Raises:
        ImportError: If Qiskit is not installed.
        ValueError: If this is no Qiskit circuit, or it measures in the middle, resets, branches or
            loops.

    Example:

    >>> from qiskit.circuit.library import efficient_su2
    >>> ansatz = efficient_su2(3, reps=1)
    >>> layer = PQC(from_qiskit(ansatz), "Z", symbols=[p.name for p in ansatz.parameters])
    >>> layer(ops.zeros((1, 3))).shape
    TensorShape([1, 3])
    """
    qiskit = _qiskit()
    if not isinstance(circuit, qiskit.QuantumCircuit):
        raise ValueError(must("circuit", "be a qiskit.QuantumCircuit", circuit))
    return cirq.Circuit(_operations(circuit, cirq.LineQubit.range(circuit.num_qubits)))


def _operations(circuit: Any, qubits: list[cirq.LineQubit]) -> Iterator[cirq.Operation]:
    measured: set[cirq.LineQubit] = set()
    for instruction in circuit.data:
        gate = instruction.operation
        on = [qubits[circuit.find_bit(qubit).index] for qubit in instruction.qubits]
        if gate.name in _SKIPPED:
            continue
        if gate.name == "measure":
            measured.update(on)
            continue
        if measured.intersection(on):
            raise ValueError(
                f"Argument `circuit` must measure at its end only, but {gate.name!r} follows a "
                f"measurement of qubit {min(measured.intersection(on)).x}."
            )
        yield from _operation(gate, on)


def _operation(gate: Any, on: list[cirq.LineQubit]) -> Iterator[cirq.Operation]:
    parameters = [_expression(parameter) for parameter in getattr(gate, "params", ())]
    symbolic = any(isinstance(parameter, sympy.Basic) for parameter in parameters)
    if gate.name in _PARAMETERIZED:
        yield _PARAMETERIZED[gate.name](*parameters)(*on)
    elif gate.name in ("u", "u3"):
        theta, phi, lam = parameters
        yield from (cirq.rz(lam)(*on), cirq.ry(theta)(*on), cirq.rz(phi)(*on))
    elif not symbolic and hasattr(gate, "to_matrix") and len(on) <= _LARGEST_MATRIX:
        matrix = _other_end(np.asarray(gate.to_matrix()))
        for known, _ in _named_gates(len(on)):
            if np.allclose(cirq.unitary(known), matrix, atol=1e-14):
                yield known(*on)
                return
        yield cirq.MatrixGate(matrix, name=gate.name)(*on)
    elif getattr(gate, "definition", None) is not None:
        yield from _operations(gate.definition, on)
    else:
        raise ValueError(
            f"Argument `circuit` must be made of gates, but it holds {gate.name!r}, which is none "
            "and has no definition by gates."
        )


def _expression(parameter: Any) -> Any:
    """Returns a parameter as a number or a SymPy expression; what is neither stays as it is."""
    if not hasattr(parameter, "sympify"):
        return parameter
    found = parameter.sympify()
    return found if found.free_symbols else float(found)


def _half_turns(angle: Any) -> Any:
    return angle / (sympy.pi if isinstance(angle, sympy.Basic) else math.pi)


def _other_end(matrix: np.ndarray) -> np.ndarray:
    """Returns a unitary for qubits counted from the other end."""
    n_qubits = len(matrix).bit_length() - 1
    tensor = matrix.reshape((2,) * (2 * n_qubits))
    back = [*range(n_qubits)][::-1]
    return tensor.transpose(back + [n_qubits + axis for axis in back]).reshape(matrix.shape)


@functools.cache
def _named_gates(n_qubits: int) -> list[tuple[cirq.Gate, str]]:
    """Returns Cirq's gates that have a name in Qiskit, and the names of the methods there."""
    gates: dict[int, list[tuple[cirq.Gate, str]]] = {
        1: [
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
    program = compile_circuit(circuit, (), inputs=names)
    made = qiskit.QuantumCircuit(program.n_qubits)
    parameters = {symbol: qiskit.circuit.Parameter(symbol.name) for symbol in program.inputs}
    for instruction in program.instructions:
        _append(made, instruction, program, parameters)
    return made


def _append(made: Any, instruction: Instruction, program: Program, parameters: Any) -> None:
    qubits = list(instruction.qubits)
    if isinstance(instruction, PauliRotation):
        from qiskit.circuit.library import PauliEvolutionGate
        from qiskit.quantum_info import SparsePauliOp

        angle = _angle(program.angles[instruction.angle], program, parameters)
        method = {"X": "rx", "Y": "ry", "Z": "rz", "XX": "rxx", "YY": "ryy", "ZZ": "rzz"}.get(
            instruction.paulis
        )
        if method is not None:
            getattr(made, method)(angle, *qubits)
        else:
            string = SparsePauliOp(instruction.paulis[::-1])
            made.append(PauliEvolutionGate(string, time=angle / 2), qubits)
    elif isinstance(instruction, Phase):
        angle = _angle(program.angles[instruction.angle], program, parameters)
        if not qubits:
            made.global_phase += angle
        elif len(qubits) == 1:
            made.p(angle, *qubits)
        else:
            made.mcp(angle, qubits[:-1], qubits[-1])
    else:
        for gate, method in _named_gates(len(qubits)):
            if np.allclose(cirq.unitary(gate), instruction.array, atol=1e-14):
                getattr(made, method)(*qubits)
                return
        made.unitary(_other_end(instruction.array), qubits)


def _angle(angle: Angle, program: Program, parameters: Any) -> Any:
    """Returns a row of the angle table as a number or an expression of Qiskit's parameters."""
    if angle.expression is not None:
        return _to_parameters(angle.expression, parameters)
    total: Any = angle.offset
    for index, coefficient in angle.inputs:
        total = total + coefficient * parameters[program.inputs[index]]
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
