"""The confusion of measured bits, inverted among the bit strings that were measured.

Nation, Kang, Sundaresan, Gambetta (2021), arXiv 2108.12518: the full confusion matrix of n qubits
has 4**n entries, but only k**2 among the k measured strings, each a product of n probabilities,
computed when needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qkeras_hybrid._lazy import lazy_module

if TYPE_CHECKING:
    import scipy.sparse.linalg
else:
    scipy = lazy_module("scipy")

MOST_DIRECT = 1000
"""Up to this number of strings, the matrix is written out and solved directly."""

_ROWS_AT_ONCE = 256


def corrected(
    bits: np.ndarray,
    errors: Sequence[tuple[float, float]],
    masks: np.ndarray,
    coefficients: np.ndarray,
) -> np.ndarray:
    """Returns observables of measured bits as if they had been read without errors.

    Args:
        bits: Bits of shape `(batch, shots, n_qubits)`.
        errors: For each qubit P(1|0) and P(0|1).
        masks: 1 where a string of Z reads a qubit, of shape `(n_qubits, n_terms)`.
        coefficients: Of shape `(n_terms, n_observables)`.

    Returns:
        Array of shape `(batch, n_observables)`.
    """
    found = np.zeros((len(bits), coefficients.shape[1]))
    for sample, own in enumerate(bits):
        strings, counts = np.unique(own, axis=0, return_counts=True)
        quasi = quasi_probabilities(strings, counts / counts.sum(), errors)
        signs = 1 - 2 * (strings @ masks % 2)
        found[sample] = quasi @ signs @ coefficients
    return found


def quasi_probabilities(
    strings: np.ndarray,
    shares: np.ndarray,
    errors: Sequence[tuple[float, float]],
    most_direct: int = MOST_DIRECT,
) -> np.ndarray:
    """Returns the strings' frequencies without readout errors; some may be negative.

    Args:
        strings: Different bit strings, of shape `(k, n_qubits)`.
        shares: How often each was read; their sum is 1.
        errors: For each qubit P(1|0) and P(0|1).
        most_direct: Above this number of strings, the matrix is not written out.
    """
    matrix = _Among(strings, errors)
    if len(strings) <= most_direct:
        solved: np.ndarray = np.linalg.solve(matrix.rows(slice(None)) / matrix.sums, shares)
        return solved
    from scipy.sparse.linalg import LinearOperator, gmres

    size = (len(strings), len(strings))
    diagonal = matrix.diagonal / matrix.sums
    operator = LinearOperator(size, matvec=matrix.times, dtype=float)
    inverse = LinearOperator(size, matvec=lambda vector: np.ravel(vector) / diagonal, dtype=float)
    found, failed = gmres(operator, shares, rtol=1e-8, atol=0.0, M=inverse, restart=30)
    if failed:
        raise ValueError(
            "The readout errors can't be inverted: the iteration does not converge. They are too "
            "large for this number of qubits."
        )
    result: np.ndarray = found
    return result


class _Among:
    """The probabilities to read one string if the state is another, among given strings."""

    def __init__(self, strings: np.ndarray, errors: Sequence[tuple[float, float]]) -> None:
        self._strings = strings.astype(float)
        a, b = np.array(errors, float).T
        tiny = 1e-300
        # log P(i|j) = sum over qubits of a table's entry, which is bilinear in the bits.
        self._zero_zero, self._one_zero = np.log(1 - a), np.log(np.maximum(a, tiny))
        self._zero_one, self._one_one = np.log(np.maximum(b, tiny)), np.log(1 - b)
        self.sums = np.zeros(len(strings))
        for rows in self._blocks():
            self.sums += self.rows(rows).sum(axis=0)
        bits = self._strings
        self.diagonal = np.exp(bits @ self._one_one + (1 - bits) @ self._zero_zero)

    def _blocks(self) -> list[slice]:
        starts = range(0, len(self._strings), _ROWS_AT_ONCE)
        return [slice(start, start + _ROWS_AT_ONCE) for start in starts]

    def rows(self, some: slice) -> np.ndarray:
        """Returns rows of the matrix, before its columns are made to sum up to 1."""
        read, state = self._strings[some], self._strings
        logarithm = (
            (read * self._one_one) @ state.T
            + (read * self._one_zero) @ (1 - state).T
            + ((1 - read) * self._zero_one) @ state.T
            + ((1 - read) * self._zero_zero) @ (1 - state).T
        )
        chances: np.ndarray = np.exp(logarithm)
        return chances

    def times(self, vector: Any) -> np.ndarray:
        """Multiplies the matrix, never written out, by a vector."""
        weights = np.ravel(vector) / self.sums
        return np.concatenate([self.rows(some) @ weights for some in self._blocks()])
