"""Executes OpenQASM statements one after the other, and collects Cirq operations."""

from __future__ import annotations

import cmath
from collections import ChainMap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.interop._gates import controlled, named_gates
from qkeras_hybrid.interop._qasm_qubits import Qubits, Registers, Scope
from qkeras_hybrid.interop._qasm_text import QasmError, plain_name, statements, version_of
from qkeras_hybrid.interop._qasm_values import evaluate

# A limit, because nested gates and loops let a short text describe a circuit that fills the memory.
_MOST_STEPS = 1_000_000

_LIBRARIES = ("qelib1.inc", "stdgates.inc")

# Operations and their global phase in radians.
Part = tuple[list[Any], Any]


@dataclass(frozen=True)
class _Definition:
    node: Any
    number: int


class Reader:
    """Reads one text.

    Attributes:
        operations: The operations in order, without global phases.
    """

    def __init__(self, text: str) -> None:
        text, self._version = version_of(text)
        self._pieces = list(statements(text, self._version))
        self._top = Scope()
        self._gates: dict[str, _Definition] = {}
        self._measured: set[Any] = set()
        self._steps = 0
        self._line = 0
        names = [
            plain_name(node.qubit.name)
            for _, nodes in self._pieces
            for node in nodes
            if type(node).__name__ == "QubitDeclaration"
        ]
        self._registers = Registers(self._version, names)
        self.operations: list[cirq.Operation] = []

    @property
    def qubits(self) -> list[cirq.NamedQubit]:
        """All qubits in the order of their declarations."""
        return self._registers.all

    def read(self) -> None:
        """Executes all statements.

        Raises:
            QasmError: If a statement can't be executed; the message says in which line.
        """
        for lines_above, nodes in self._pieces:
            for node in nodes:
                self._line = lines_above + (node.span.start_line if node.span else 1)
                try:
                    for operations, _ in self._run(node, self._top):
                        self._check_measured(operations)
                        self.operations.extend(operations)
                except QasmError as error:
                    raise QasmError(f"line {self._line}: {error}") from error

    # Statements.

    def _run(self, node: Any, scope: Scope) -> Iterator[Part]:
        """Executes a statement and yields its operations."""
        self._count()
        kind = type(node).__name__
        if kind == "QuantumGate":
            yield from self._gate(node, scope)
        elif kind == "QuantumPhase":
            yield from self._global_phase(node, scope)
        elif kind == "ForInLoop":
            yield from self._loop(node, scope)
        elif scope.n_gates is None and kind in _AT_THE_TOP:
            _AT_THE_TOP[kind](self, node, scope)
        elif kind not in ("QuantumBarrier", "DelayInstruction"):
            raise QasmError(_REFUSED.get(kind, f"{kind} is not supported here"))

    def _include(self, node: Any, scope: Scope) -> None:
        if node.filename not in _LIBRARIES:
            raise QasmError(
                f"the file {node.filename!r} is not read; only {' and '.join(_LIBRARIES)} are "
                "built in. Copy its definitions into the text"
            )

    def _declare_qubits(self, node: Any, scope: Scope) -> None:
        if scope is not self._top:
            raise QasmError("qubits must be declared outside of loops and gates")
        self._registers.declare(node, scope)

    def _declare_value(self, node: Any, scope: Scope) -> None:
        kind = type(node.type).__name__
        value = node.init_expression
        if type(value).__name__ == "QuantumMeasurement":
            self._measured.update(self._registers.operand(value.qubit, scope).qubits)
        elif kind in ("FloatType", "AngleType", "IntType", "UintType") and value is not None:
            found = evaluate(value, scope.values, self._version)
            if kind in ("IntType", "UintType") and not isinstance(found, int):
                raise QasmError(f"{node.identifier.name!r} must be a whole number, not {found}")
            scope.values[plain_name(node.identifier.name)] = found
        elif kind != "BitType" or value is not None:
            raise QasmError(f"the declaration of {node.identifier.name!r} is not supported")

    def _declare_input(self, node: Any, scope: Scope) -> None:
        name, kind = node.identifier.name, type(node.type).__name__
        if node.io_identifier.name == "output" and kind == "BitType":
            return
        if node.io_identifier.name == "output" or kind not in ("FloatType", "AngleType"):
            raise QasmError(f"{name!r} must be an input of the type float or angle")
        scope.values[name] = sympy.Symbol(name)

    def _define_gate(self, node: Any, scope: Scope) -> None:
        name = plain_name(node.name.name)
        if name in self._gates:
            raise QasmError(f"the gate {name!r} is defined twice")
        self._gates[name] = _Definition(node, len(self._gates))

    def _alias(self, node: Any, scope: Scope) -> None:
        scope.qubits[plain_name(node.target.name)] = self._registers.operand(node.value, scope)

    def _measure(self, node: Any, scope: Scope) -> None:
        self._measured.update(self._registers.operand(node.measure.qubit, scope).qubits)

    def _loop(self, node: Any, scope: Scope) -> Iterator[Part]:
        values = node.set_declaration
        kind = type(values).__name__
        if kind == "RangeDefinition" and values.start is not None and values.end is not None:
            found: Sequence[int] = self._registers.range(values, scope, 0)
        elif kind == "DiscreteSet":
            found = [self._registers.whole(value, scope) for value in values.values]
        else:
            raise QasmError(
                "a loop must run over a range with a start and an end, or over a set of numbers"
            )
        for value in found:
            inner = scope.inner()
            inner.values[node.identifier.name] = value
            self._count()
            for statement in node.block:
                yield from self._run(statement, inner)

    # Gates.

    def _gate(self, node: Any, scope: Scope) -> Iterator[Part]:
        name = plain_name(node.name.name)
        angles = [self._registers.angle(argument, scope) for argument in node.arguments]
        for qubits in self._registers.on_each(node.qubits, scope):
            yield self._modified(
                node.modifiers, lambda q: self._call(name, angles, q, scope), qubits, scope
            )

    def _global_phase(self, node: Any, scope: Scope) -> Iterator[Part]:
        phase = self._registers.angle(node.argument, scope)
        for qubits in self._registers.on_each(node.qubits, scope) if node.qubits else [()]:
            yield self._modified(node.modifiers, lambda q: ([], phase), qubits, scope)

    def _modified(
        self,
        modifiers: Sequence[Any],
        call: Callable[[tuple[Any, ...]], Part],
        qubits: tuple[Any, ...],
        scope: Scope,
    ) -> Part:
        """Returns the operations of a gate with modifiers, of which the first is the outermost."""
        if not modifiers:
            return call(qubits)
        kind, argument = modifiers[0].modifier.name, modifiers[0].argument
        if kind in ("ctrl", "negctrl"):
            n = 1 if argument is None else self._registers.whole(argument, scope)
            if not 1 <= n <= len(qubits):
                raise QasmError(f"a gate on {len(qubits)} qubits can't have {n} controls")
            operations, phase = self._modified(modifiers[1:], call, qubits[n:], scope)
            values = [int(kind == "ctrl")] * n
            return controlled(operations, phase, qubits[:n], values), 0
        operations, phase = self._modified(modifiers[1:], call, qubits, scope)
        if kind == "inv":
            return list(cirq.flatten_to_ops(cirq.inverse(operations))), -phase
        # As in OpenQASM 2, where 1/2 is a half: stdgates.inc itself writes `pow(1/2)`.
        return self._power(operations, phase, evaluate(argument, scope.values, 2), qubits)

    def _power(
        self, operations: list[cirq.Operation], phase: Any, exponent: Any, qubits: tuple[Any, ...]
    ) -> Part:
        if isinstance(exponent, sympy.Basic):
            raise QasmError("the exponent of 'pow' must be a number")
        if exponent == int(exponent):
            if exponent < 0:
                operations = list(cirq.flatten_to_ops(cirq.inverse(operations)))
            self._count(len(operations) * abs(int(exponent)))
            return operations * abs(int(exponent)), phase * exponent
        if len(qubits) > 3 or cirq.is_parameterized(operations) or isinstance(phase, sympy.Basic):
            raise QasmError(
                "a fractional power needs a gate on up to three qubits whose angles are numbers"
            )
        circuit = cirq.Circuit(operations)
        matrix = cmath.exp(1j * phase) * circuit.unitary(
            qubit_order=qubits, qubits_that_should_be_present=qubits, dtype=np.complex128
        )
        power = cirq.map_eigenvalues(matrix, lambda value: _principal(value, exponent))
        return [cirq.MatrixGate(power)(*qubits)], 0

    def _call(self, name: str, angles: list[Any], qubits: tuple[Any, ...], scope: Scope) -> Part:
        """Returns the operations of a gate that the text defines, or else of a library's gate."""
        self._count()
        definition = self._gates.get(name)
        own = definition is not None and (
            scope.n_gates is None or definition.number < scope.n_gates
        )
        if definition is not None and own:
            n_angles, n_qubits = len(definition.node.arguments), len(definition.node.qubits)
        elif name in named_gates():
            n_angles, n_qubits, operations = named_gates()[name]
        else:
            raise QasmError(f"the gate {name!r} is not defined above this line")
        if (len(angles), len(qubits)) != (n_angles, n_qubits):
            raise QasmError(
                f"the gate {name!r} takes {n_angles} angles and {n_qubits} qubits, but got "
                f"{len(angles)} and {len(qubits)}"
            )
        if definition is None or not own:
            return operations(angles, qubits), self._phase_of(name, angles)
        node = definition.node
        inner = Scope(self._top.values.new_child(), ChainMap(), definition.number)
        inner.values.update(zip((plain_name(a.name) for a in node.arguments), angles, strict=True))
        for formal, qubit in zip(node.qubits, qubits, strict=True):
            inner.qubits[plain_name(formal.name)] = Qubits((qubit,), single=True)
        result: list[cirq.Operation] = []
        total: Any = 0
        for statement in node.body:
            for operations_of_it, phase in self._run(statement, inner):
                result.extend(operations_of_it)
                total = total + phase
        return result, total

    def _phase_of(self, name: str, angles: list[Any]) -> Any:
        """Returns the global phase by which OpenQASM 3 differs from `named_gates`."""
        # u2 and u3 have the determinant 1 in stdgates.inc, but not in qelib1.inc.
        ours = self._version == 2 or name not in ("u2", "u3")
        return 0 if ours else -(angles[-2] + angles[-1]) / 2

    def _count(self, steps: int = 1) -> None:
        self._steps += steps
        if self._steps > _MOST_STEPS:
            raise QasmError(f"the circuit has more than {_MOST_STEPS:,} gates")

    def _check_measured(self, operations: Sequence[cirq.Operation]) -> None:
        if not self._measured:
            return
        for operation in operations:
            if self._measured.intersection(operation.qubits):
                raise QasmError(
                    "a circuit must only measure at its end, but a gate follows a measurement of "
                    "its qubit"
                )


_AT_THE_TOP: dict[str, Callable[[Reader, Any, Scope], None]] = {
    "Include": Reader._include,
    "QubitDeclaration": Reader._declare_qubits,
    "ClassicalDeclaration": Reader._declare_value,
    "ConstantDeclaration": Reader._declare_value,
    "IODeclaration": Reader._declare_input,
    "QuantumGateDefinition": Reader._define_gate,
    "AliasStatement": Reader._alias,
    "QuantumMeasurementStatement": Reader._measure,
}

_NOT_UNITARY = "a layer's circuit must be unitary"
_REFUSED = {
    "QuantumReset": f"a qubit is reset, but {_NOT_UNITARY}. Remove it: qubits start in |0>",
    "BranchingStatement": f"a gate depends on a measurement, but {_NOT_UNITARY}",
    "WhileLoop": "a while loop depends on a measurement or never ends",
    "SwitchStatement": f"a gate depends on a measurement, but {_NOT_UNITARY}",
}


def _principal(value: complex, exponent: float) -> complex:
    """Returns a power of a unitary's eigenvalue; the angle of the eigenvalue -1 is taken as pi."""
    angle = cmath.phase(value)
    return cmath.exp(1j * exponent * (angle if angle > 1e-9 - cmath.pi else cmath.pi))
