"""Kernel matrices that are not positive semidefinite: how to detect and repair them.

An exact kernel matrix is positive semidefinite up to rounding. If its entries are measured, each
has its own error, and the matrix may have negative eigenvalues. A support vector machine then has
no unique solution.
"""

from __future__ import annotations

import numpy as np

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError

REPAIRS = ("project", "shrink")


def smallest_eigenvalue(matrix: np.ndarray) -> float:
    """Returns the smallest eigenvalue of a symmetric matrix, of shape `(n, n)`.

    Raises:
        ValueError: If it is not square, or holds NaN or an infinity.

    Example:

    >>> round(smallest_eigenvalue(np.array([[1.0, 0.5], [0.5, 1.0]])), 6)
    0.5
    """
    values = check_square("matrix", matrix)
    return float(np.linalg.eigvalsh(values)[0]) if len(values) else 0.0


def repaired(matrix: np.ndarray, how: str) -> np.ndarray:
    """Returns a positive semidefinite matrix close to a kernel matrix.

    Args:
        matrix: Symmetric kernel matrix of shape `(n, n)`.
        how: "project" sets negative eigenvalues to 0, which gives the nearest matrix in the
            Frobenius norm, and then scales rows and columns to restore the diagonal. "shrink"
            returns `(1 - s) K + s m 1`, where `m` is the mean of the diagonal and `s` is the
            smallest share that makes the matrix positive semidefinite.

    Returns:
        Array of shape `(n, n)` of the same dtype.

    Raises:
        ValueError: If `how` is unknown, or the matrix is not symmetric.

    Example:

    >>> indefinite = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.9], [0.0, 0.9, 1.0]])
    >>> round(smallest_eigenvalue(indefinite), 3)
    -0.273
    >>> smallest_eigenvalue(repaired(indefinite, "shrink")) > -1e-12
    True
    """
    one_of("psd", how, REPAIRS)
    given = np.asarray(matrix)
    values = check_square("matrix", given)
    if not np.allclose(values, values.T, atol=1e-5):
        raise ArgumentError(
            "matrix", "be symmetric", f"entries {np.abs(values - values.T).max():.3g} apart"
        )
    values = (values + values.T) / 2
    eigenvalues, vectors = np.linalg.eigh(values)
    if not len(eigenvalues) or eigenvalues[0] >= 0:
        return given
    if how == "shrink":
        mean = float(np.trace(values)) / len(values)
        if mean <= 0:
            raise ArgumentError("matrix", "have a positive trace to be shrunk", mean)
        # (1 - s) smallest + s mean = 0.
        share = eigenvalues[0] / (eigenvalues[0] - mean)
        mended = (1 - share) * values + share * mean * np.eye(len(values))
    else:
        mended = (vectors * np.maximum(eigenvalues, 0)) @ vectors.T
        now, before = np.diag(mended).clip(min=1e-300), np.diag(values).clip(min=0)
        factors = np.sqrt(before / now)
        mended = mended * factors[:, None] * factors
        mended = (mended + mended.T) / 2
    result: np.ndarray = mended.astype(given.dtype if given.dtype.kind == "f" else float)
    return result


def check_square(argument: str, matrix: np.ndarray) -> np.ndarray:
    """Returns a kernel matrix as float64.

    Raises:
        ValueError: If it is not square, or holds NaN or an infinity.
    """
    values = np.asarray(matrix, float)
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise ArgumentError(
            argument,
            "be a square kernel matrix, with a row and a column for each sample",
            values.shape,
        )
    if not np.isfinite(values).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise ArgumentError(argument, "hold finite numbers", f"{values[place]} at {list(place)}")
    return values
