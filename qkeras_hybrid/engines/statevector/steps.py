"""The steps on a batch of states.

A state is a pair of tensors of `2**n * batch` elements: first the qubits' axes, in an order that
the steps change and the plan knows, and last the batch. A matrix acts on the first qubits, so that
it is one product for all states; the next steps take the qubits in the resulting order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from keras import ops

from qkeras_hybrid._double import cos, sin
from qkeras_hybrid.engines.statevector.angles import AngleBook, Computed
from qkeras_hybrid.engines.statevector.gates import PhaseTerm
from qkeras_hybrid.engines.statevector.products import (
    Pair,
    complex_product,
    constant,
    each,
    product,
    real_constant,
    times,
)

# Above this size, constants as long as a state are computed where they are used.
_MOST_CONSTANT_QUBITS = 12
MOST_TABLE_ELEMENTS = 2**17
"""Up to this size, one table of all terms and basis states; beyond, the product of two."""

Order = tuple[int, ...]


class Step(Protocol):
    """One operation on a batch of states."""

    def __call__(self, state: Pair, computed: Computed, matrices: Sequence[Sequence[Pair]]) -> Pair:
        """Returns the states after it, given all matrices of the program."""


def moved(part: Any, order: Order, new: Order) -> Any:
    """Returns the real part, or the imaginary, of states with their qubits in a new order.

    Args:
        part: Tensor of `2**n * batch` elements.
        order: The qubits in the order in which it has them.
        new: The qubits in the order wanted.

    Returns:
        The tensor in some shape of as many elements.
    """
    if order == new:
        return part
    # Neighbours that stay together form one axis.
    runs: list[list[int]] = []
    for qubit in new:
        previous = order.index(runs[-1][-1]) if runs else None
        if previous is not None and order.index(qubit) == previous + 1:
            runs[-1].append(qubit)
        else:
            runs.append([qubit])
    axes = np.argsort([order.index(run[0]) for run in runs]).tolist()
    shape = [2 ** len(runs[axis]) for axis in axes]
    back = np.argsort(axes).tolist()
    return ops.transpose(ops.reshape(part, (*shape, -1)), (*back, len(runs)))


def in_front(order: Order, qubits: Sequence[int]) -> Order:
    """Returns an order that begins with some qubits and keeps the order of the others."""
    return (*qubits, *(q for q in order if q not in qubits))


@dataclass(frozen=True)
class MatrixStep:
    """Brings qubits to the front and applies a matrix to them.

    Attributes:
        order: The order of the qubits before.
        new: Their order after.
        matrix: The matrix, if it is fixed.
        place: The bucket and number of the matrix among those from angles, if it is not.
    """

    order: Order
    new: Order
    matrix: np.ndarray | None = None
    place: tuple[int, int] = (0, 0)

    def __call__(self, state: Pair, computed: Computed, matrices: Sequence[Sequence[Pair]]) -> Pair:
        bucket, number = self.place
        if self.matrix is not None:
            matrix = constant(self.matrix, computed.dtype)
        else:
            matrix = matrices[bucket][number]
        rows = matrix[0].shape[0]
        columns = each(
            lambda part: ops.reshape(moved(part, self.order, self.new), (rows, -1)), state
        )
        return complex_product(matrix, columns)


class DiagonalStep:
    """Phases on all qubits at once.

    The phase of basis state `b` is `sum_k angle_k f_k(b)`, where each `f_k` is a product over
    qubits: for qubits in two halves, one product of two small matrices.

    Args:
        terms: The phases.
        order: The order of the qubits.
        book: Takes the angles.
    """

    def __init__(self, terms: Sequence[PhaseTerm], order: Order, book: AngleBook) -> None:
        self._n = len(order)
        varying = [term for term in terms if term.angle.varies]
        fixed = [term for term in terms if not term.angle.varies]
        self._request = book.add([term.angle for term in varying]) if varying else None
        self._high, self._low = patterns(varying, order)
        # In units of pi, most fixed phases and their sums are exact.
        turns = np.array([term.angle.offset for term in fixed]) / np.pi
        high, low = patterns(fixed, order)
        self._fixed = (high * turns[:, None], low) if fixed else None
        self._table: np.ndarray | None = None
        if fixed and self._n <= _MOST_CONSTANT_QUBITS:
            total = np.mod((high * turns[:, None]).T @ low, 2.0).reshape(-1, 1)
            table = np.exp(1j * np.pi * total)
            # Signs, exactly.
            rounded = np.where(
                np.abs(table - np.rint(table.real)) < 1e-14, np.rint(table.real), table
            )
            self._table = rounded

    def __call__(self, state: Pair, computed: Computed, matrices: Sequence[Sequence[Pair]]) -> Pair:
        diagonal = self._fixed_diagonal(computed.dtype)
        if self._request is not None:
            phase = ops.reshape(self._phase(computed, self._request), (2**self._n, -1))
            turned = cos(phase), sin(phase)
            diagonal = turned if diagonal is None else times(turned, diagonal)
        state = each(lambda part: ops.reshape(part, (2**self._n, -1)), state)
        return state if diagonal is None else times(diagonal, state)

    def _phase(self, computed: Computed, request: int) -> Any:
        angles, dtype = computed.angles(request), computed.dtype
        n_terms = len(self._high)
        if n_terms * 2**self._n <= MOST_TABLE_ELEMENTS:
            table = (self._high[:, :, None] * self._low[:, None]).reshape(n_terms, -1).T
            return product(real_constant(table, dtype), angles)
        weighted = real_constant(self._low[..., None], dtype) * angles[:, None, :]
        high = real_constant(self._high.T, dtype)
        return product(high, ops.reshape(weighted, (n_terms, -1)))

    def _fixed_diagonal(self, dtype: str) -> Pair | None:
        if self._table is not None:
            return constant(self._table, dtype)
        if self._fixed is None:
            return None
        high, low = (real_constant(part, dtype) for part in self._fixed)
        turns = product(ops.transpose(high), low) % 2.0
        phase = np.pi * ops.reshape(turns, (2**self._n, 1))
        return cos(phase), sin(phase)


def patterns(terms: Sequence[Any], order: Order) -> tuple[np.ndarray, np.ndarray]:
    """Returns the functions `f` of terms on the values of two halves of the qubits.

    Args:
        terms: Have `qubits` and `parity`, as a `PhaseTerm` does.
        order: The order of the qubits.

    Returns:
        Arrays of shapes `(n_terms, 2**(n // 2))` and `(n_terms, 2**(n - n // 2))`; their outer
        products are the functions on all basis states.
    """
    half = len(order) // 2
    sides = []
    for side in (order[:half], order[half:]):
        values = np.ones((len(terms), 2 ** len(side)))
        index = np.arange(2 ** len(side))
        for place, qubit in enumerate(side):
            bits = index >> (len(side) - 1 - place) & 1
            for row, term in zip(values, terms, strict=True):
                if qubit in term.qubits:
                    row *= 1 - 2 * bits if term.parity else bits
        sides.append(values)
    return sides[0], sides[1]
