"""The plan of a program: a product state, and the steps that follow."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qkeras_hybrid.engines.statevector import checkpoints
from qkeras_hybrid.engines.statevector.angles import AngleBook, Computed
from qkeras_hybrid.engines.statevector.gates import Dense, Factor, Gate
from qkeras_hybrid.engines.statevector.levels import BLOCK_QUBITS, Level, Levels, embedded
from qkeras_hybrid.engines.statevector.matrices import Matrices, ProductState
from qkeras_hybrid.engines.statevector.products import Pair
from qkeras_hybrid.engines.statevector.steps import (
    DiagonalStep,
    MatrixStep,
    Order,
    Step,
    in_front,
)

# The number of qubits of a matrix, and whether it is real.
_Bucket = tuple[int, bool]


@dataclass(frozen=True)
class Plan:
    """A plan to compute the states of a program.

    Attributes:
        start: The product state in which the program begins; None continues from given states.
        buckets: The matrices of the steps, those of equal size together.
        steps: The steps on the states.
        order: The order of the qubits at the end.
    """

    start: ProductState | None
    buckets: tuple[Matrices, ...]
    steps: tuple[Step, ...]
    order: Order

    def __call__(
        self, computed: Computed, state: Pair | None = None, *, checkpoint: bool = False
    ) -> Pair:
        """Computes the states.

        Args:
            computed: The angles of the book.
            state: The initial state, if the plan has no start.
            checkpoint: Whether the gradient recomputes most states; see `checkpoints`.

        Returns:
            A pair of tensors of `2**n * batch` elements, or `2**n` if they depend on no input.
        """
        if self.start is not None:
            state = self.start(computed)
        assert state is not None
        matrices = [bucket(computed) for bucket in self.buckets]
        if checkpoint:
            return checkpoints.run(self.steps, state, computed, matrices)
        for step in self.steps:
            state = step(state, computed, matrices)
        return state


def plan(gates: Iterable[Gate], n_qubits: int, book: AngleBook, order: Order | None = None) -> Plan:
    """Returns the plan of gates.

    Args:
        gates: The gates.
        n_qubits: The number of qubits.
        book: Takes the angles.
        order: None to begin with `|0...0>`, or the order of the qubits of given states.
    """
    levels = Levels(gates, n_qubits).levels
    start = None
    if order is None:
        order = tuple(range(n_qubits))
        first = levels.pop(0)
        start = ProductState([first.chains.get(q, []) for q in order], book)
    steps: list[Step] = []
    buckets: dict[_Bucket, list[Sequence[Sequence[Factor]]]] = {}
    for level in levels:
        order = _schedule(level, order, steps, buckets, book)
    numbers = {key: number for number, key in enumerate(buckets)}
    placed: list[Step] = []
    for step in steps:
        if isinstance(step, _Pending):
            placed.append(MatrixStep(step.order, step.new, None, (numbers[step.key], step.number)))
        else:
            placed.append(step)
    made = tuple(Matrices(groups, book) for groups in buckets.values())
    return Plan(start, made, tuple(placed), order)


@dataclass(frozen=True)
class _Pending:
    """A matrix from angles before all buckets are known."""

    order: Order
    new: Order
    key: _Bucket
    number: int

    def __call__(self, state: Pair, computed: Computed, matrices: Any) -> Pair:
        raise NotImplementedError


def _schedule(
    level: Level,
    order: Order,
    steps: list[Step],
    buckets: dict[_Bucket, list[Sequence[Sequence[Factor]]]],
    book: AngleBook,
) -> Order:
    """Appends the steps of a level, and returns the order of the qubits after it."""
    for group in _groups([q for q in order if level.chains.get(q)]):
        chains = [level.chains[q] for q in group]
        new = in_front(order, group)
        if all(factor.angle is None for chain in chains for factor in chain):
            # Consecutive fixed matrices are merged.
            matrix = functools.reduce(np.kron, [chain[0].constant for chain in chains])
            steps.append(MatrixStep(order, new, matrix))
        else:
            real = all(factor.is_real for chain in chains for factor in chain)
            groups = buckets.setdefault((len(group), real), [])
            steps.append(_Pending(order, new, (len(group), real), len(groups)))
            groups.append(chains)
        order = new
    for block in sorted(level.blocks, key=lambda block: min(map(order.index, block.qubits))):
        qubits = tuple(q for q in order if q in block.qubits)
        new = in_front(order, qubits)
        steps.append(MatrixStep(order, new, embedded(Dense(block.qubits, block.matrix), qubits)))
        order = new
    if level.phases:
        steps.append(DiagonalStep(level.phases, order, book))
    return order


def _groups(qubits: list[int]) -> list[list[int]]:
    """Returns the qubits in groups of nearly equal size, in their order."""
    if not qubits:
        return []
    count = -(-len(qubits) // BLOCK_QUBITS)
    return [part.tolist() for part in np.array_split(qubits, count)]
