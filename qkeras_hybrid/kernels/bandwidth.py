"""The search for a kernel's bandwidth: the `scale` of the features.

If the scale is too large, a quantum kernel concentrates: all samples are orthogonal. If it is too
small, all samples are the same (Shaydulin, Wild, Phys. Rev. A 106, 042407 (2022); Canatar et al.,
arXiv 2206.06686).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from qkeras_hybrid._checks import finite_number, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.kernels.agreement import centred_alignment
from qkeras_hybrid.kernels.base import Kernel

SCALES: tuple[float, ...] = tuple(float(s) for s in 2.0 ** np.arange(-6, 1.5, 0.5))
"""The scales to try: from 1/64 to 2, in steps of a factor of the square root of 2."""

Score = Callable[[np.ndarray, Any], float]
T = TypeVar("T")


@dataclass(frozen=True)
class Search(Generic[T]):
    """The result of a search for a bandwidth.

    Attributes:
        best: The best value.
        tried: All values, in order.
        scores: The score of each.
    """

    best: T
    tried: tuple[T, ...]
    scores: tuple[float, ...]


def best_scale(
    kernel: Kernel,
    x: Any,
    y: Any = None,
    *,
    scales: Iterable[float] = SCALES,
    score: Score | None = None,
    n_samples: int = 200,
    seed: int = 0,
) -> Search[float]:
    """Searches for the best `scale` of a kernel.

    Args:
        kernel: The kernel; its own scale is not used.
        x: Samples of shape `(n, n_features)`, best standardised.
        y: Labels or targets of shape `(n,)`; None if there are none.
        scales: The scales to try.
        score: A function of a kernel matrix and `y` to maximise. The default with labels is the
            centred alignment. The default without labels is the variance of the off-diagonal
            entries, which is small both if all samples are orthogonal and if all are the same.
        n_samples: The number of samples to try on, drawn at random if there are more.
        seed: The seed of the draw.

    Returns:
        The best scale, and the score of each. Of equal scores, the smallest scale (the widest
        kernel) wins.

    Raises:
        ValueError: If there is no scale, or an argument is invalid.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(30, 2))
    >>> search = qh.kernels.best_scale(qh.kernels.FidelityKernel("angle"), x, x[:, 0] > 0)
    >>> search.best in search.tried
    True
    """
    samples = kernel.check("x", x)
    if len(samples) < 2:
        raise ArgumentError("x", "hold at least two samples", len(samples))
    labels = None if y is None else np.asarray(y)
    if labels is not None and len(labels) != len(samples):
        raise ArgumentError("y", f"have shape ({len(samples)},)", labels.shape)
    if len(samples) > positive_int("n_samples", n_samples):
        kept = draw(len(samples), labels, n_samples, seed)
        samples, labels = samples[kept], None if labels is None else labels[kept]
    judged: Score = score or (_variance if labels is None else centred_alignment)
    return search(
        sorted(finite_number("scales", s) for s in scales),
        lambda scale: judged(kernel.with_changes(scale=scale).matrix(samples), labels),
    )


def search(values: Iterable[T], score: Callable[[T], float]) -> Search[T]:
    """Tries values and returns the best, the first of several that are equal.

    Raises:
        ValueError: If there are none.
    """
    tried = tuple(values)
    if not tried:
        raise ArgumentError("scales", "hold at least one value", tried)
    scores = tuple(score(value) for value in tried)
    return Search(tried[int(np.argmax(scores))], tried, scores)


def _variance(matrix: np.ndarray, y: Any) -> float:
    return float(np.var(matrix[np.triu_indices(len(matrix), 1)]))


def draw(count: int, labels: np.ndarray | None, size: int, seed: int, least: int = 1) -> np.ndarray:
    """Draws samples in random order, so that each class keeps some.

    Args:
        count: The number of samples.
        labels: Their classes; None if they have none.
        size: How many to draw.
        seed: The seed of the draw.
        least: How many samples of each class to draw at least. It is ignored if these would be more
            than `size`.

    Returns:
        The indices of the samples.
    """
    order = np.random.default_rng(seed).permutation(count)
    if labels is None or labels.ndim != 1:
        return order[:size]
    # The first samples of each class go to the front.
    drawn = labels[order]
    first = np.concatenate([np.flatnonzero(drawn == each)[:least] for each in np.unique(drawn)])
    if len(first) <= size:
        order = np.concatenate([order[first], np.delete(order, first)])
    return order[:size]
