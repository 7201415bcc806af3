"""The possible advantage of a quantum kernel: geometric difference and model complexity.

Both are from Huang et al.: Power of data in quantum machine learning, Nature Communications 12,
2631 (2021), arXiv 2011.01938. Kernel matrices are scaled to the trace `n` first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qkeras_hybrid._checks import finite_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.kernels.agreement import label_vectors
from qkeras_hybrid.kernels.repair import check_square


def geometric_difference(classical: Any, quantum: Any, regularization: float = 0.0) -> float:
    """Returns `g(K_C || K_Q)`, the largest factor by which a quantum kernel can be ahead.

    `g = sqrt(|sqrt(K_Q) K_C^-1 sqrt(K_Q)|)` with the largest eigenvalue as norm. For every
    labelling, `s_C <= g^2 s_Q` of the model complexities without regularization. If `g` is near 1,
    the classical kernel predicts as well as the quantum kernel for any labels; if it is about
    `sqrt(n)`, there are labels for which the quantum kernel is far ahead, but these need not be
    yours.

    Args:
        classical: Kernel matrix `K_C` of shape `(n, n)`.
        quantum: Kernel matrix `K_Q` of the same samples.
        regularization: `lambda >= 0`, for a classical kernel that is nearly singular: with it
            `g = sqrt(|sqrt(K_Q) sqrt(K_C) (K_C + lambda)^-2 sqrt(K_C) sqrt(K_Q)|)`, equation (F18)
            of the paper's supplement.

    Raises:
        ValueError: If the shapes don't fit, a matrix is not positive, or the classical one is
            singular without regularization.

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
    """Returns `s_K = y^T K^-1 y`: how hard the labels are for a kernel.

    The expected error of the kernel's model is of the order of `sqrt(s_K / n)`: a model with
    `s_K` far below the number of samples learns the labels.

    Args:
        kernel: Kernel matrix of shape `(n, n)`.
        y: Labels or targets of shape `(n,)`: two classes become -1 and +1; of more classes the mean
            over their one-against-all labels is taken; targets are used as they are, centred.
        regularization: `lambda >= 0`: with it
            `s_K = y^T sqrt(K) (K + lambda)^-2 sqrt(K) y`, of the model that is fitted with it. What
            this model misses of the labels counts nothing here: see `training_error`.
        task: "classification", "regression", or "auto": by the labels.

    Raises:
        ValueError: If the shapes don't fit, the matrix is not positive, or it is singular without
            regularization.

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
    """Returns which share of the labels a regularized kernel model misses on its own samples.

    `lambda^2 |(K + lambda)^-1 y|^2 / |y|^2`, the other term of Huang et al. beside the model
    complexity: 0 for a kernel that fits the labels, 1 for one in which they don't occur.

    Args:
        kernel: Kernel matrix of shape `(n, n)`.
        y: Labels or targets of shape `(n,)`, as of `model_complexity`.
        regularization: `lambda > 0`.
        task: "classification", "regression", or "auto": by the labels.

    Raises:
        ValueError: As `model_complexity`; if the regularization is not positive.

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
                "be positive for a kernel matrix that is singular, such as of equal samples",
                regularization,
                "Give e.g. 0.001.",
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
            "Mend it: qkeras_hybrid.kernels.repaired, or psd= of the kernel.",
        )
    return np.maximum(values, 0.0), vectors


def _root(argument: str, matrix: np.ndarray) -> np.ndarray:
    values, vectors = _spectrum(argument, matrix)
    root: np.ndarray = (vectors * np.sqrt(values)) @ vectors.T
    return root
