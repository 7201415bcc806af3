"""The matrices of many gates at once, from their angles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from keras import ops

from qkeras_hybrid.engines.statevector.gates import Factor
from qkeras_hybrid.engines.statevector.products import (
    Angles,
    Pair,
    Values,
    constant,
    cos_sin,
    each,
    plus,
    times,
)
from qkeras_hybrid.program.angles import Angle

Chain = Sequence[Factor]


class Matrices:
    """Computes matrices that are each a Kronecker product of chains of factors.

    All matrices of equal size are computed together: the number of operations depends on the
    length of the longest chain, not on the number of gates.

    Args:
        groups: For each matrix, a chain for each of its qubits; all have as many qubits.
        columns: How many columns of each factor are wanted: with one, the matrices are the
            product states that they make of `|0...0>`.
    """

    def __init__(self, groups: Sequence[Sequence[Chain]], columns: int = 2) -> None:
        self._columns = columns
        depth = max((len(chain) for group in groups for chain in group), default=0) or 1
        self._shape = (depth, len(groups), len(groups[0]))
        parts = np.zeros((3, *self._shape, 2, 2, 1), complex)
        parts[0] = np.eye(2)[..., None]
        angles = [Angle()] * (depth * len(groups) * len(groups[0]))
        for g, group in enumerate(groups):
            for s, chain in enumerate(group):
                for d, factor in enumerate(chain):
                    parts[0, d, g, s, ..., 0] = factor.constant
                    if factor.angle is not None:
                        parts[1, d, g, s, ..., 0] = factor.cosine
                        parts[2, d, g, s, ..., 0] = factor.sine
                        angles[(d * self._shape[1] + g) * self._shape[2] + s] = factor.angle
        self._constant, self._cosine, self._sine = parts
        self._angles = Angles(angles)
        self._varies = bool(np.any(parts[1:]))

    @property
    def of_inputs(self) -> bool:
        """Whether the matrices depend on inputs."""
        return self._angles.of_inputs

    def __call__(self, values: Values) -> Pair:
        """Returns matrices of shape `(n_matrices, 2**n, columns**n, batch or 1)`."""
        dtype = values.dtype
        factors = constant(self._constant, dtype)
        if self._varies:
            cosine, sine = cos_sin(ops.reshape(self._angles(values), (*self._shape, 1, 1, -1)))
            varying = plus(
                times((cosine, None), constant(self._cosine, dtype)),
                times((sine, None), constant(self._sine, dtype)),
            )
            factors = plus(varying, factors) if np.any(self._constant) else varying
        matrix = each(lambda part: part[0][..., : self._columns, :], factors)
        for d in range(1, self._shape[0]):
            left = each(lambda part, d=d: part[d], factors)
            matrix = plus(_outer(left, matrix, 0), _outer(left, matrix, 1))
        return _kron_of_all(matrix, self._shape[2])


def _outer(left: Pair, right: Pair, k: int) -> Pair:
    """Returns the products of column `k` of 2x2 matrices with row `k` of others."""
    columns = each(lambda part: part[..., k : k + 1, :], left)
    rows = each(lambda part: part[..., k : k + 1, :, :], right)
    return times(columns, rows)


def _kron_of_all(factors: Pair, n: int) -> Pair:
    """Returns the Kronecker products along the second axis, which has `n` factors."""
    if n == 1:
        return each(lambda part: part[:, 0], factors)
    if n % 2:
        last = each(lambda part: part[:, n - 1], factors)
        return _kron(_kron_of_all(each(lambda part: part[:, : n - 1], factors), n - 1), last)

    def side(pair: Pair, which: int) -> Pair:
        def taken(part: object) -> object:
            groups, _, k, j, _ = part.shape  # type: ignore[attr-defined]
            halves = ops.reshape(part, (groups, n // 2, 2, k, j, -1))
            return ops.reshape(halves[:, :, which], (groups * n // 2, k, j, -1))

        return each(taken, pair)

    pairs = _kron(side(factors, 0), side(factors, 1))

    def grouped(part: object) -> object:
        both, k, j, _ = part.shape  # type: ignore[attr-defined]
        return ops.reshape(part, (both // (n // 2), n // 2, k, j, -1))

    return _kron_of_all(each(grouped, pairs), n // 2)


def _kron(first: Pair, second: Pair) -> Pair:
    """Returns the Kronecker products of matrices of shapes `(m, k, j, b)` and `(m, p, q, b)`."""
    (m, k, j, _), (_, p, q, _) = first[0].shape, second[0].shape
    # TensorFlow broadcasts over four axes at most.
    outer = times(
        each(lambda part: ops.reshape(part, (m, k * j, 1, -1)), first),
        each(lambda part: ops.reshape(part, (m, 1, p * q, -1)), second),
    )
    if j > 1:
        outer = each(
            lambda part: ops.transpose(ops.reshape(part, (m, k, j, p, q, -1)), (0, 1, 3, 2, 4, 5)),
            outer,
        )
    return each(lambda part: ops.reshape(part, (m, k * p, j * q, -1)), outer)
