"""Gates in levels: the fewest and largest operations that compute the same.

Each gate goes as early as its qubits allow, into a level of its kind: gates of one qubit, then
fixed matrices, then phases, again and again. So the order in which a circuit names the gates of a
layer does not matter, and a layer is one or two levels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from qkeras_hybrid.engines.statevector.gates import (
    Dense,
    Diagonal,
    Factor,
    Gate,
    OneQubit,
    PhaseTerm,
    by_phases,
    fixed,
    is_diagonal,
)

BLOCK_QUBITS = 4
"""Matrices are fused up to this many qubits.

Measured with three, four and five on two busy cores, at 8, 10 and 12 qubits and batch 64: under JAX
all were within a quarter of each other, except that five was slower at 8 qubits; under TensorFlow
none was best throughout. One unitary for all fixed layers is not an option: with fewer samples than
basis states, building it costs more than applying the layers, and applying it costs `2**n` products
per amplitude, whereas a layer costs `4 n`.
"""


@dataclass
class Level:
    """Gates that are applied together.

    Attributes:
        chains: For each qubit its matrices, in order.
        blocks: Fixed matrices on different qubits.
        phases: The factors of one diagonal.
    """

    chains: dict[int, list[Factor]] = field(default_factory=dict)
    blocks: list[Dense] = field(default_factory=list)
    phases: list[PhaseTerm] = field(default_factory=list)


_ONE, _DENSE, _DIAGONAL = range(3)


class Levels:
    """Builds the levels of gates.

    Attributes:
        levels: The levels, in order.
    """

    def __init__(self, gates: Iterable[Gate], n_qubits: int) -> None:
        # A level for each kind of gate in turn: number 3k for one qubit, 3k + 1, 3k + 2.
        self._reached = [0] * n_qubits
        self._levels: dict[int, Level] = {0: Level()}
        for gate in gates:
            self._place(gate)
        for number in sorted(self._levels):
            self._gather_phases(number)
            self._join_blocks(self._levels[number])
        self.levels = [self._levels[number] for number in sorted(self._levels)]

    def _place(self, gate: Gate) -> None:
        match gate:
            case OneQubit(qubit=qubit, factor=factor):
                reached = self._reached[qubit]
                if factor.phases is not None and reached % 3 == _DIAGONAL:
                    self._place(Diagonal(gate.qubits, factor.phases))
                elif factor.angle is not None and factor.angle.inputs and reached > 0:
                    # Matrices of the first level make a product state, a different one for each
                    # sample. After it, a whole layer of sample-dependent matrices takes fewer
                    # operations as a diagonal between fixed matrices.
                    for part in by_phases(gate):
                        self._place(part)
                else:
                    level = self._level(gate.qubits, _ONE)
                    _append(level.chains.setdefault(qubit, []), factor, qubit)
            case Diagonal(qubits=qubits, terms=terms):
                self._level(qubits, _DIAGONAL).phases += terms
            case Dense():
                self._place_dense(gate)

    def _level(self, qubits: tuple[int, ...], kind: int, more: int = 0) -> Level:
        number = max((self._reached[q] for q in qubits), default=0)
        number += (kind - number) % 3 + 3 * more
        for qubit in qubits:
            self._reached[qubit] = number
        return self._levels.setdefault(number, Level())

    def _place_dense(self, gate: Dense) -> None:
        level = self._level(gate.qubits, _DENSE)
        touched = [block for block in level.blocks if set(block.qubits) & set(gate.qubits)]
        qubits = tuple({q: None for block in (*touched, gate) for q in block.qubits})
        if touched and len(qubits) > BLOCK_QUBITS:
            self._level(gate.qubits, _DENSE, more=1).blocks.append(gate)
            return
        matrix = embedded(gate, qubits)
        for block in touched:
            matrix = matrix @ embedded(block, qubits)
            level.blocks.remove(block)
        level.blocks.append(Dense(qubits, matrix))

    def _gather_phases(self, number: int) -> None:
        """Merges the phases just before and just after a diagonal into it.

        The rest of a chain, such as the `ry` of `rz ry rz`, is often real. The first level keeps
        its chains whole, since they cost nothing.
        """
        level = self._levels[number]
        if number % 3 != _DIAGONAL or not level.phases:
            return
        dense = {q for block in self._before(number, 1).blocks for q in block.qubits}
        if number > _DIAGONAL:
            for qubit, chain in self._before(number, 2).chains.items():
                while qubit not in dense and chain and chain[-1].phases is not None:
                    level.phases += chain.pop().phases or ()
        after = self._levels.get(number + 1, Level())
        for chain in after.chains.values():
            while chain and chain[0].phases is not None:
                level.phases += chain.pop(0).phases or ()

    def _before(self, number: int, distance: int) -> Level:
        return self._levels.get(number - distance, Level())

    def _join_blocks(self, level: Level) -> None:
        """Joins neighbouring blocks while they fit into one."""
        joined: list[Dense] = []
        for block in sorted(level.blocks, key=lambda block: min(block.qubits)):
            if joined and len(joined[-1].qubits) + len(block.qubits) <= BLOCK_QUBITS:
                last = joined.pop()
                matrix = np.kron(last.matrix, block.matrix)
                block = Dense(last.qubits + block.qubits, matrix)
            joined.append(block)
        level.blocks = joined


def _append(chain: list[Factor], factor: Factor, qubit: int) -> None:
    """Appends to a chain; merges consecutive fixed matrices, and drops the identity."""
    if factor.angle is None and chain and chain[-1].angle is None:
        factor = fixed(factor.constant @ chain.pop().constant, qubit)
    # Both come from float64: four units in the last place.
    if factor.angle is not None or not np.allclose(factor.constant, np.eye(2), 0, 1e-15):
        chain.append(factor)


def embedded(gate: Dense, qubits: tuple[int, ...]) -> np.ndarray:
    """Returns a matrix extended to more qubits, on which it acts as the identity.

    Args:
        gate: The matrix and its qubits.
        qubits: Indices of the qubits in the order wanted; the first is the most significant bit.
    """
    others = [q for q in qubits if q not in gate.qubits]
    order = [*gate.qubits, *others]
    axes = [order.index(q) for q in qubits]
    k = len(qubits)
    whole = np.kron(gate.matrix, np.eye(2 ** len(others))).reshape([2] * 2 * k)
    return whole.transpose(axes + [k + axis for axis in axes]).reshape(2**k, 2**k)


def without_last_phases(gates: list[Gate]) -> tuple[list[Gate], list[Gate]]:
    """Splits off the phases after which nothing else happens to their qubits.

    They change no probability.

    Returns:
        The remaining gates, and those split off.
    """
    turned: set[int] = set()
    kept: list[Gate] = []
    dropped: list[Gate] = []
    for gate in reversed(gates):
        diagonal = is_diagonal(gate)
        if diagonal and turned.isdisjoint(gate.qubits):
            dropped.append(gate)
            continue
        kept.append(gate)
        if not diagonal:
            turned.update(gate.qubits)
    return kept[::-1], dropped[::-1]
