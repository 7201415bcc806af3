"""The possible advantage of a quantum kernel: geometric difference and model complexity.

Both are from Huang et al.: Power of data in quantum machine learning, Nature Communications 12,
2631 (2021), arXiv 2011.01938. Each function first scales its kernel matrices to the trace `n`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qkeras_hybrid._checks import finite_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.kernels.agreement import label_vectors
from qkeras_hybrid.kernels.repair import check_square


def geometric_difference(classical: Any, quantum: Any, regularization: float = 0.0) -> float:
    """Returns the geometric difference `g(K_C || K_Q)` of a classical and a quantum kernel.

    `g = sqrt(|sqrt(K_Q) K_C^-1 sqrt(K_Q)|)`, where `|.|` is the largest eigenvalue. Without
    regularization, `s_C <= g^2 s_Q` holds for the model complexities of any labels. If `g` is near
    1, the classical kernel predicts as well as the quantum kernel for any labels. If `g` is about
    `sqrt(n)`, the quantum kernel is far ahead for some labels, but not necessarily for yours.

    Args:
        classical: Kernel matrix `K_C` of shape `(n, n)`.
        quantum: Kernel matrix `K_Q` of the same samples.
        regularization: `lambda >= 0`. Give a positive value if the classical kernel matrix is
            nearly singular. Then
            `g = sqrt(|sqrt(K_Q) sqrt(K_C) (K_C + lambda)^-2 sqrt(K_C) sqrt(K_Q)|)`, equation (F18)
            of the paper's supplement.

    Raises:
        ValueError: If the shapes differ, a matrix is not positive semidefinite, `regularization`
            is negative, or it is 0 and the classical matrix is singular.

    Example:

    >>> quantum = np.array([[1.0, 0.6], [0.6, 1.0]])
    >>> round(qh.kernels.geometric_difference(np.eye(2), quantum), 6)  # sqrt(1.6)
    1.264911
    >>> round(qh.kernels.geometric_difference(quantum, np.eye(2)), 6)  # sqrt(1 / 0.4)
    1.581139
    """
    ours = _normalised("classical", classical)
    theirs = _normalised("quantum", quantum)
    if ours.shape != theirs.shape:
        raise ArgumentError(
            "quantum", f"have the shape of the classical matrix, {ours.shape}", theirs.shape
        )
    values, vectors = _spectrum("classical", ours)
    weights = _inverse(values, regularization)
    inner = (vectors * weights) @ vectors.T
    root = _root("quantum", theirs)
    largest = float(np.linalg.eigvalsh(root @ inner @ root)[-1])
    return float(np.sqrt(max(largest, 0.0)))


def model_complexity(
    kernel: Any, y: Any, regularization: float = 0.0, *, task: str = "auto"
) -> float:
    """Returns the model complexity `s_K = y^T K^-1 y`: how hard the labels are for a kernel.

    The expected error of the kernel's model is of the order of `sqrt(s_K / n)`. So the model learns
    the labels if `s_K` is far below the number of samples `n`.

    Args:
        kernel: Kernel matrix of shape `(n, n)`.
        y: Labels or targets of shape `(n,)`. Two classes become -1 and +1. For more classes, the
            result is the mean over the one-against-all labels of each class. The targets of a
            regression are centred.
        regularization: `lambda >= 0`. With it, `s_K = y^T sqrt(K) (K + lambda)^-2 sqrt(K) y`, the
            complexity of the regularized model. The labels that this model misses don't count
            here: see `training_error`.
        task: "classification", "regression", or "auto" to decide by the labels.

    Raises:
        ValueError: If the shapes don't fit, the matrix is not positive semidefinite,
            `regularization` is negative, or it is 0 and the matrix is singular.

    Example:

    >>> qh.kernels.model_complexity(np.eye(4), [-1, 1, 1, -1])
    4.0
    """
    matrix = _normalised("kernel", kernel)
    values, vectors = _spectrum("kernel", matrix)
    weights = _inverse(values, regularization)
    labels = label_vectors(y, len(matrix), task=task)
    if labels.shape[1] > 1 and task != "regression":
        # From the corners of a simplex back to -1 and +1 for each class.
        labels = np.where(labels > 0, 1.0, -1.0)
    parts = vectors.T @ labels
    return float(np.mean(np.sum(weights[:, None] * np.square(parts), axis=0)))


def training_error(kernel: Any, y: Any, regularization: float, *, task: str = "auto") -> float:
    """Returns the squared error of a regularized kernel model on its own samples, as a share.

    It is `lambda^2 |(K + lambda)^-1 y|^2 / |y|^2`, a share of the squared labels: the other term of
    the error bound of Huang et al., next to the model complexity. It is 0 if the kernel fits all of
    the labels, and 1 if it can't fit any part of them.

    Args:
        kernel: Kernel matrix of shape `(n, n)`.
        y: Labels or targets of shape `(n,)`, as in `model_complexity`.
        regularization: `lambda > 0`.
        task: "classification", "regression", or "auto" to decide by the labels.

    Raises:
        ValueError: Under the same conditions as `model_complexity`, and if the regularization is 0.

    Example:

    >>> qh.kernels.training_error(np.ones((4, 4)), [-1, 1, 1, -1], 1e-3)
    1.0
    """
    if finite_number("regularization", regularization) <= 0:
        raise ArgumentError("regularization", "be positive", regularization)
    matrix = _normalised("kernel", kernel)
    values, vectors = _spectrum("kernel", matrix)
    labels = label_vectors(y, len(matrix), task=task)
    missed = regularization / (values + regularization)
    parts = np.square(vectors.T @ labels)
    return float(np.sum(np.square(missed)[:, None] * parts) / np.sum(parts))


def _inverse(values: np.ndarray, regularization: float) -> np.ndarray:
    if finite_number("regularization", regularization) < 0:
        raise ArgumentError("regularization", "be at least 0", regularization)
    if regularization == 0:
        floor = len(values) * np.finfo(float).eps * values[-1]
        if values[0] <= floor:
            raise ArgumentError(
                "regularization",
                "be positive if the kernel matrix is singular, as with two equal samples",
                regularization,
                "Try 0.001.",
            )
        result: np.ndarray = 1 / values
        return result
    return np.asarray(values / np.square(values + regularization))


def _normalised(argument: str, matrix: Any) -> np.ndarray:
    values = check_square(argument, matrix)
    trace = float(np.trace(values))
    if trace <= 0:
        raise ArgumentError(argument, "have a positive trace", trace)
    scaled: np.ndarray = (values + values.T) * (len(values) / (2 * trace))
    return scaled


def _spectrum(argument: str, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, vectors = np.linalg.eigh(matrix)
    # float32 leaves errors of 1e-6 of the largest eigenvalue.
    if values[0] < -1e-5 * max(values[-1], 1.0):
        raise ArgumentError(
            argument,
            "be positive semidefinite",
            f"the eigenvalue {values[0]:.3g}",
            "Repair it with qkeras_hybrid.kernels.repaired, or give the kernel the argument `psd`.",
        )
    return np.maximum(values, 0.0), vectors


def _root(argument: str, matrix: np.ndarray) -> np.ndarray:
    values, vectors = _spectrum(argument, matrix)
    root: np.ndarray = (vectors * np.sqrt(values)) @ vectors.T
    return root
