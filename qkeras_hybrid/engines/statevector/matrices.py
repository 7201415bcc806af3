"""The matrices of many gates at once, from their angles.

Products of small matrices are written as batched matrix products: compilers have those ready, but
compile new code for every other operation and for the sums in its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import ops

from qkeras_hybrid.engines.statevector.angles import AngleBook, Computed
from qkeras_hybrid.engines.statevector.gates import Factor
from qkeras_hybrid.engines.statevector.products import (
    Pair,
    as_complex,
    batched_product,
    each,
    real_constant,
    times,
)
from qkeras_hybrid.program.angles import Angle

Chain = Sequence[Factor]


def _is_real(chains: Sequence[Chain]) -> bool:
    return all(factor.is_real for chain in chains for factor in chain)


def _real_form(matrix: np.ndarray | None, size: int) -> np.ndarray:
    """Returns a 2x2 matrix `A + iB` as the real matrix on real and imaginary parts."""
    matrix = np.zeros((2, 2), complex) if matrix is None else matrix
    a, b = matrix.real, matrix.imag
    return a if size == 2 else np.block([[a, -b], [b, a]])


def _coefficients(factors: Sequence[Factor | None], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the constant, cosine and sine coefficients of factors; None is the identity.

    Returns:
        Arrays of shapes `(n_factors, size, size)` and `(n_factors, 2, size, size)`.
    """
    constant = [_real_form(np.eye(2) if f is None else f.constant, size) for f in factors]
    varying = [
        [_real_form(None if f is None else part(f), size) for part in (_cosine, _sine)]
        for f in factors
    ]
    return np.array(constant), np.array(varying)


def _cosine(factor: Factor) -> np.ndarray | None:
    return factor.cosine


def _sine(factor: Factor) -> np.ndarray | None:
    return factor.sine


def _angles(factors: Sequence[Factor | None]) -> list[Angle]:
    return [Angle() if f is None or f.angle is None else f.angle for f in factors]


class _Chains:
    """Multiplies the factors of chains that depend on weights alone.

    Args:
        chains: The chains, of any lengths.
        size: 2 for real factors, 4 for the real form of complex ones.
        book: Takes the angles.
    """

    def __init__(self, chains: Sequence[Chain], size: int, book: AngleBook) -> None:
        self._depth = max(map(len, chains))
        self._size = size
        # Depth comes first, so that the factors of one depth are adjacent.
        factors = [c[d] if d < len(c) else None for d in range(self._depth) for c in chains]
        constant, varying = _coefficients(factors, size)
        self._constant = constant.reshape(len(factors), size**2, 1)
        self._varying = varying.reshape(len(factors), 2, size**2).transpose(0, 2, 1)
        self._request = book.add(_angles(factors))

    def __call__(self, computed: Computed) -> Any:
        """Returns real matrices of shape `(n_chains, size, size)`."""
        waves = computed.waves(self._request)
        factors = batched_product(real_constant(self._varying, computed.dtype), waves)
        if np.any(self._constant):
            factors = factors + real_constant(self._constant, computed.dtype)
        shape = (self._depth, len(self._constant) // self._depth, self._size, self._size)
        first, *others = ops.unstack(ops.reshape(factors, shape), self._depth, axis=0)
        for other in others:
            first = batched_product(other, first)
        return first


class Matrices:
    """Computes matrices that are each a Kronecker product of chains of factors.

    All matrices of equal size are computed together: the number of operations depends on the
    length of the longest chain, not on the number of gates.

    Args:
        groups: For each matrix, a chain for each of its qubits; all have as many qubits, and
            depend on weights alone.
        book: Takes the angles.
    """

    def __init__(self, groups: Sequence[Sequence[Chain]], book: AngleBook) -> None:
        chains = [chain for group in groups for chain in group]
        self._size = 2 if _is_real(chains) else 4
        self._chains = _Chains(chains, self._size, book)
        self._count, self._n_qubits = len(groups), len(groups[0])

    def __call__(self, computed: Computed) -> list[Pair]:
        """Returns matrices of `2**n` rows and columns."""
        single = self._chains(computed)
        pair = (single, None) if self._size == 2 else (single[:, :2, :2], single[:, 2:, :2])
        count, n = self._count, self._n_qubits
        factors = each(lambda part: ops.reshape(part, (count, n, 2, 2)), pair)
        re, im = _of_all(factors, n, _kron)
        parts = ops.unstack(re, count, axis=0), [None] * count
        if im is not None:
            parts = parts[0], ops.unstack(im, count, axis=0)
        return list(zip(*parts, strict=True))


class ProductState:
    """Computes the product states that chains of factors turn `|0...0>` into.

    Args:
        chains: For each qubit its factors; they may depend on inputs.
        book: Takes the angles.
    """

    def __init__(self, chains: Sequence[Chain], book: AngleBook) -> None:
        self._n_qubits = len(chains)
        self._size = 2 if _is_real(chains) else 4
        self._rounds: list[_Chains | _InputRound] = []
        left = [list(chain) for chain in chains]
        while any(left):
            runs: list[list[Factor]] = [[] for _ in left]
            for run, chain in zip(runs, left, strict=True):
                while chain and not _of_inputs(chain[0]):
                    run.append(chain.pop(0))
            if any(runs):
                self._rounds.append(_Chains(runs, self._size, book))
            if any(left):
                factors = [chain.pop(0) if chain else None for chain in left]
                self._rounds.append(_InputRound(factors, self._size, book))

    def __call__(self, computed: Computed) -> Pair:
        """Returns states of shape `(2**n, batch or 1)`."""
        zero = np.zeros((self._n_qubits, self._size, 1))
        zero[:, 0] = 1.0
        qubits = real_constant(zero, computed.dtype)
        for number, change in enumerate(self._rounds):
            if isinstance(change, _Chains):
                qubits = batched_product(change(computed), qubits)
            else:
                qubits = change(computed, qubits, number == 0)
        n = self._n_qubits
        if self._size == 2:
            return _of_all((qubits[None], None), n, _kron_columns)[0][0], None
        # Small products as complex tensors: one operation instead of four, and of its gradient.
        # The largest is a pair, the form that the next steps take.
        joined = as_complex(qubits[:, :2], qubits[:, 2:])
        halves = 1 if n % 2 else 2
        grouped = ops.reshape(joined, (halves, n // halves, 2, -1))
        state = _of_all((grouped, None), n // halves, _kron_columns)[0]
        pair = ops.real(state), ops.imag(state)
        if halves == 2:
            high, low = (each(lambda part, k=k: part[k : k + 1], pair) for k in (0, 1))
            pair = _kron_columns(high, low)
        return each(lambda part: part[0], pair)


def _of_inputs(factor: Factor) -> bool:
    return factor.angle is not None and bool(factor.angle.inputs)


class _InputRound:
    """Applies to each qubit at most one factor that depends on inputs."""

    def __init__(self, factors: Sequence[Factor | None], size: int, book: AngleBook) -> None:
        self._constant, self._varying = _coefficients(factors, size)
        self._size = size
        self._request = book.add(_angles(factors))

    def __call__(self, computed: Computed, qubits: Any, at_zero: bool) -> Any:
        """Returns qubits of shape `(n_qubits, size, batch)`; `at_zero`, if all are in `|0>`."""
        waves, dtype = computed.waves(self._request), computed.dtype
        if at_zero:
            columns = self._varying[..., 0].transpose(0, 2, 1)
            turned = batched_product(real_constant(columns, dtype), waves)
            return turned + real_constant(self._constant[..., :1], dtype)
        n, size = len(self._constant), self._size
        rows = real_constant(self._varying.reshape(n, 2 * size, size), dtype)
        parts = ops.reshape(batched_product(rows, qubits), (n, 2, size, -1))
        turned = ops.sum(parts * waves[:, :, None], axis=1)
        return turned + batched_product(real_constant(self._constant, dtype), qubits)


def _of_all(factors: Pair, n: int, kron: Callable[[Pair, Pair], Pair]) -> Pair:
    """Returns the Kronecker products of the `n` factors along the second axis."""
    if n == 1:
        return each(lambda part: part[:, 0], factors)
    if n % 2:
        last = each(lambda part: part[:, n - 1], factors)
        return kron(_of_all(each(lambda part: part[:, : n - 1], factors), n - 1, kron), last)

    count, _, rows, _ = factors[0].shape

    def side(which: int) -> Pair:
        return each(
            lambda part: ops.reshape(part, (count * n // 2, 2, rows, -1))[:, which], factors
        )

    pairs = kron(side(0), side(1))
    grouped = each(lambda part: ops.reshape(part, (count, n // 2, part.shape[1], -1)), pairs)
    return _of_all(grouped, n // 2, kron)


def _kron(first: Pair, second: Pair) -> Pair:
    """Returns the Kronecker products of matrices of shapes `(m, k, k)` and `(m, p, p)`."""
    (m, k, _), (_, p, _) = first[0].shape, second[0].shape
    outer = times(
        each(lambda part: ops.reshape(part, (m, k * k, 1)), first),
        each(lambda part: ops.reshape(part, (m, 1, p * p)), second),
    )

    def arranged(part: Any) -> Any:
        axes = ops.transpose(ops.reshape(part, (m, k, k, p, p)), (0, 1, 3, 2, 4))
        return ops.reshape(axes, (m, k * p, k * p))

    return each(arranged, outer)


def _kron_columns(first: Pair, second: Pair) -> Pair:
    """Returns the Kronecker products of columns of shapes `(m, k, batch)`, `(m, p, batch)`."""
    outer = times(
        each(lambda part: part[:, :, None], first), each(lambda part: part[:, None], second)
    )
    (m, k, p, _) = outer[0].shape
    return each(lambda part: ops.reshape(part, (m, k * p, -1)), outer)
