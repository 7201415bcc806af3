"""Properties of a kernel matrix: its spectrum, its concentration, its effective dimension."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from qkeras_hybrid._checks import finite_number, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.kernels.agreement import label_vectors
from qkeras_hybrid.kernels.base import Kernel
from qkeras_hybrid.kernels.repair import check_square


def spectrum(kernel: Any) -> np.ndarray:
    """Returns the eigenvalues of a kernel matrix divided by its trace, the largest first.

    Args:
        kernel: Kernel matrix of shape `(n, n)`.

    Returns:
        Array of shape `(n,)` whose sum is 1. If all eigenvalues are equal, the kernel sees no
        similarity between samples, and learns nothing about one from another. If one eigenvalue
        is 1 and the others are 0, the kernel can't tell the samples apart.

    Raises:
        ValueError: If the matrix is not square, not finite, or its trace is not positive.

    Example:

    >>> qh.kernels.spectrum([[1.0, 0.5], [0.5, 1.0]]).round(6).tolist()
    [0.75, 0.25]
    """
    return _eigen(kernel)[0]


def task_alignment(kernel: Any, y: Any, *, task: str = "auto") -> np.ndarray:
    """Returns the share of the labels that lies in the first eigenvectors of a kernel matrix.

    If the curve rises early, few samples are enough to learn the labels.

    Args:
        kernel: Kernel matrix of shape `(n, n)`.
        y: Labels or targets of shape `(n,)`.
        task: "classification", "regression", or "auto" to decide by the labels.

    Returns:
        Array of shape `(n,)`: entry `k` is the share in the first `k + 1` eigenvectors. The last
        entry is 1.

    Raises:
        ValueError: If the shapes don't fit, or there is only one class.

    Reference:
        Canatar, Bordelon, Pehlevan: Spectral bias and task-model alignment explain generalization
        in kernel regression, Nature Communications 12, 2914 (2021), equation (9).

    Example:

    >>> qh.kernels.task_alignment(np.outer([-1, 1], [-1, 1]), [-1, 1]).round(6).tolist()
    [1.0, 1.0]
    """
    _, vectors = _eigen(kernel)
    labels = label_vectors(y, len(vectors), task=task)
    power = np.sum(np.square(vectors.T @ labels), axis=1)
    return np.asarray(np.cumsum(power) / np.sum(power))


def participation_ratio(kernel: Any) -> float:
    """Returns the effective number of eigenvalues `l`: `(sum l)^2 / sum l^2`, from 1 to `n`.

    Args:
        kernel: Kernel matrix of shape `(n, n)`.

    Raises:
        ValueError: Under the same conditions as `spectrum`.

    Example:

    >>> qh.kernels.participation_ratio(np.eye(3))
    3.0
    """
    return float(1 / np.sum(np.square(spectrum(kernel))))


@dataclass(frozen=True)
class Concentration:
    """How much the entries of a kernel matrix differ.

    Attributes:
        n_qubits: The number of qubits; 0 if it is not known.
        mean: The mean of the entries off the diagonal.
        deviation: Their standard deviation.
        shots: The number of measurements for each entry at which its sampling error equals
            `deviation`. With fewer, the sampling error hides the differences between entries.
    """

    n_qubits: int
    mean: float
    deviation: float
    shots: float


def concentration(kernel: Any, n_qubits: int = 0) -> Concentration:
    """Measures how concentrated the entries of a kernel matrix are.

    A fidelity `p` that is estimated from `shots` measurements has the variance
    `p (1 - p) / shots`.

    Args:
        kernel: Kernel matrix of shape `(n, n)`.
        n_qubits: The number of qubits, which is only copied to the result.

    Raises:
        ValueError: If the matrix is not square, or has fewer than two samples.

    Reference:
        Thanasilp et al.: Exponential concentration in quantum kernel methods, Nature
        Communications 15, 5200 (2024), arXiv 2208.11060.

    Example:

    >>> qh.kernels.concentration([[1.0, 0.5], [0.5, 1.0]]).shots
    inf
    """
    values = check_square("kernel", kernel)
    if len(values) < 2:
        raise ArgumentError("kernel", "have at least two samples", values.shape)
    entries = values[np.triu_indices(len(values), 1)]
    mean, deviation = float(entries.mean()), float(entries.std())
    noise = float(np.mean(np.clip(entries, 0, 1) * (1 - np.clip(entries, 0, 1))))
    return Concentration(
        n_qubits, mean, deviation, noise / deviation**2 if deviation > 0 else math.inf
    )


def concentrations(kernel: Kernel, x: Any, qubits: Iterable[int]) -> list[Concentration]:
    """Measures the concentration of a kernel for several numbers of qubits.

    With `q` qubits, the kernel uses the first `q` features.

    Args:
        kernel: A kernel whose feature map is an encoding.
        x: Samples of shape `(n, n_features)`.
        qubits: The numbers of qubits, each at most the number of features.

    Raises:
        ValueError: If the kernel's feature map is a circuit or a layer, or a number is too large.

    Example:

    >>> x = np.random.default_rng(0).uniform(0, 2 * np.pi, (50, 4))
    >>> few, many = qh.kernels.concentrations(qh.kernels.FidelityKernel("angle"), x, [1, 4])
    >>> few.mean > many.mean
    True
    """
    samples = kernel.check("x", x)
    if kernel.layer is not None:
        raise ArgumentError(
            "kernel", "have an encoding as feature map, not a circuit or a layer", kernel
        )
    found = []
    for number in qubits:
        if positive_int("qubits", number) > samples.shape[1]:
            raise ArgumentError(
                "qubits", f"be at most the {samples.shape[1]} features of `x`", number
            )
        narrow = kernel.with_changes(n_qubits=int(number))
        found.append(concentration(narrow.matrix(samples[:, :number]), int(number)))
    return found


def effective_dimension(fisher: Any, n_samples: int, gamma: float = 1.0) -> float:
    """Returns the effective dimension of a parametrized model, as Abbas et al. define it.

    `d = 2 log(mean over theta of sqrt(det(1 + k F))) / log k` with `k = gamma n / (2 pi log n)`.
    The Fisher matrices `F` are scaled so that the mean of their traces is the number of parameters.

    Args:
        fisher: Fisher information matrices at random parameters, of shape
            `(n_draws, n_parameters, n_parameters)`.
        n_samples: The number of samples `n`, large enough for `k > 1`.
        gamma: A constant in (0, 1].

    Raises:
        ValueError: If a shape or number is invalid.

    Reference:
        Abbas et al.: The power of quantum neural networks, Nature Computational Science 1, 403
        (2021), arXiv 2011.00027, equation (2).

    Example:

    >>> d = qh.kernels.effective_dimension(np.eye(3)[None], 10**9)
    >>> bool(2.9 < d < 3.1)
    True
    """
    matrices = np.asarray(fisher, float)
    if matrices.ndim != 3 or matrices.shape[1] != matrices.shape[2] or not matrices.size:
        raise ArgumentError(
            "fisher", "have shape (n_draws, n_parameters, n_parameters)", matrices.shape
        )
    if not np.isfinite(matrices).all():
        raise ArgumentError("fisher", "hold finite numbers", "NaN or infinity")
    if not 0 < finite_number("gamma", gamma) <= 1:
        raise ArgumentError("gamma", "be greater than 0 and at most 1", gamma)
    count = positive_int("n_samples", n_samples)
    factor = gamma * count / (2 * math.pi * math.log(count)) if count > 1 else 0.0
    if factor <= 1:
        raise ArgumentError(
            "n_samples", "be large enough that gamma n / (2 pi log n) is above 1", n_samples
        )
    mean_trace = float(np.mean(np.trace(matrices, axis1=1, axis2=2)))
    if mean_trace <= 0:
        raise ArgumentError("fisher", "have a positive mean trace", mean_trace)
    n_parameters = matrices.shape[1]
    scaled = matrices * (n_parameters / mean_trace)
    _, logs = np.linalg.slogdet(np.eye(n_parameters) + factor * scaled)
    halves = logs / 2
    largest = float(halves.max())  # taken out, so that the exponentials stay finite
    mean = largest + math.log(float(np.mean(np.exp(halves - largest))))
    return 2 * mean / math.log(factor)


def _eigen(kernel: Any) -> tuple[np.ndarray, np.ndarray]:
    values = check_square("kernel", kernel)
    trace = float(np.trace(values))
    if trace <= 0:
        raise ArgumentError("kernel", "have a positive trace", trace)
    eigenvalues, vectors = np.linalg.eigh((values + values.T) / 2)
    return eigenvalues[::-1] / trace, vectors[:, ::-1]
