"""Qubits of OpenQASM: registers, indices, ranges and names."""

from __future__ import annotations

import itertools
from collections import ChainMap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.interop._qasm_text import QasmError, plain_name
from qkeras_hybrid.interop._qasm_values import evaluate

_MOST_QUBITS = 10_000


@dataclass(frozen=True)
class Qubits:
    """The qubits of a name or an index. A gate on a register acts on each of its qubits."""

    qubits: tuple[Any, ...]
    single: bool = False


@dataclass(frozen=True)
class Scope:
    """The values and qubits of names at a place in the text."""

    values: ChainMap[str, Any] = field(default_factory=ChainMap)
    qubits: ChainMap[str, Qubits] = field(default_factory=ChainMap)
    # In a gate's body: how many gates are defined above it. It can only use these, so gates are
    # never recursive. None outside of gates.
    n_gates: int | None = None

    def inner(self) -> Scope:
        """Returns the scope of a block in this one."""
        return Scope(self.values.new_child(), self.qubits.new_child(), self.n_gates)


class Registers:
    """The qubits of a text.

    Args:
        version: The version of OpenQASM, 2 or 3.
        names: The names of all registers, in the order of their declarations.

    Attributes:
        all: The qubits so far, in the order of their declarations.
    """

    def __init__(self, version: int, names: Sequence[str]) -> None:
        self.all: list[cirq.NamedQubit] = []
        self._version = version
        self._physical = False
        self._numbered = not _sort_as_declared(names)

    def declare(self, node: Any, scope: Scope) -> None:
        """Adds a register, or a single qubit."""
        name = plain_name(node.qubit.name)
        if name in scope.qubits or self._physical:
            raise QasmError(f"{name!r} is declared twice, or together with physical qubits")
        size = 1 if node.size is None else self.whole(node.size, scope)
        if not 1 <= size <= _MOST_QUBITS - len(self.all):
            raise QasmError(
                f"a circuit must have 1 to {_MOST_QUBITS:,} qubits, but {name!r} adds {size}"
            )
        number = f"{len(scope.qubits)}_" if self._numbered else ""
        made = tuple(cirq.NamedQubit(f"{number}{name}_{i}") for i in range(size))
        self.all.extend(made)
        scope.qubits[name] = Qubits(made, single=node.size is None)

    def on_each(self, nodes: Sequence[Any], scope: Scope) -> Iterator[tuple[Any, ...]]:
        """Yields the qubits of each application of a gate; registers are broadcast together."""
        operands = [self.operand(node, scope) for node in nodes]
        sizes = {len(operand.qubits) for operand in operands if not operand.single}
        if len(sizes) > 1:
            raise QasmError(
                f"a gate must act on registers of equal size, not of {sorted(sizes)} qubits"
            )
        for i in range(sizes.pop() if sizes else 1):
            qubits = tuple(o.qubits[0 if o.single else i] for o in operands)
            if len(set(qubits)) < len(qubits):
                raise QasmError("a gate must act on different qubits")
            yield qubits

    def operand(self, node: Any, scope: Scope) -> Qubits:
        kind = type(node).__name__
        if kind == "Identifier":
            return self._named(node.name, scope)
        if kind == "Concatenation":
            left, right = self.operand(node.lhs, scope), self.operand(node.rhs, scope)
            return Qubits(left.qubits + right.qubits)
        if kind == "IndexedIdentifier" and len(node.indices) == 1:
            return self._indexed(self._named(node.name.name, scope), node.indices[0], scope)
        if kind == "IndexExpression":
            return self._indexed(self.operand(node.collection, scope), node.index, scope)
        raise QasmError(f"qubits in the form {kind} are not supported")

    def _named(self, name: str, scope: Scope) -> Qubits:
        if name.startswith("$") and scope.n_gates is None:
            return self._physical_qubit(name)
        if plain_name(name) not in scope.qubits:
            raise QasmError(f"there are no qubits named {plain_name(name)!r}")
        return scope.qubits[plain_name(name)]

    def _physical_qubit(self, name: str) -> Qubits:
        index = int(name[1:])
        if (self.all and not self._physical) or index >= _MOST_QUBITS:
            raise QasmError(
                f"the physical qubit {name} is used together with declared qubits, or its number "
                f"is not below {_MOST_QUBITS:,}"
            )
        self._physical = True
        while len(self.all) <= index:
            self.all.append(cirq.NamedQubit(f"${len(self.all)}"))
        return Qubits((self.all[index],), single=True)

    def _indexed(self, register: Qubits, index: Any, scope: Scope) -> Qubits:
        size = len(register.qubits)
        single = False
        if type(index).__name__ == "DiscreteSet":
            indices: Sequence[int] = [self.whole(value, scope) for value in index.values]
        elif len(index) == 1 and type(index[0]).__name__ == "RangeDefinition":
            indices = self.range(index[0], scope, size)
        elif len(index) == 1:
            indices, single = [self.whole(index[0], scope)], True
        else:
            raise QasmError("a register must have exactly one index")
        outside = [i for i in indices if not -size <= i < size]
        if outside or register.single:
            raise QasmError(f"there is no qubit {outside[0] if outside else 0} in the register")
        return Qubits(tuple(register.qubits[i] for i in indices), single)

    def range(self, node: Any, scope: Scope, size: int) -> range:
        """Returns the range `start:step:end`, with its end; missing ends are those of a register.

        Args:
            node: The range, parsed.
            scope: The values of names.
            size: The size of the register; 0 for a range of numbers.
        """
        step = 1 if node.step is None else self.whole(node.step, scope)
        if step == 0:
            raise QasmError("a range must have a step other than 0")
        first, last = (0, size - 1) if step > 0 else (size - 1, 0)
        start = first if node.start is None else self.whole(node.start, scope)
        end = last if node.end is None else self.whole(node.end, scope)
        if size:
            start, end = (i + size if i < 0 else i for i in (start, end))
        found = range(start, end + (1 if step > 0 else -1), step)
        if size and len(found) > size:
            raise QasmError(f"a range of {len(found):,} is longer than its register of {size:,}")
        return found

    def whole(self, node: Any, scope: Scope) -> int:
        value = evaluate(node, scope.values, self._version)
        if not isinstance(value, int):
            raise QasmError(f"a value must be a whole number, but is {value}")
        return value

    def angle(self, node: Any, scope: Scope) -> Any:
        value = evaluate(node, scope.values, self._version)
        return value if isinstance(value, sympy.Basic) else float(value)


def _sort_as_declared(names: Sequence[str]) -> bool:
    """Returns whether qubits sort in the order of their registers, whatever the sizes of these."""
    return all(
        cirq.NamedQubit(f"{first}_{_MOST_QUBITS}") < cirq.NamedQubit(f"{second}_0")
        for first, second in itertools.pairwise(names)
    )
