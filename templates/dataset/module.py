"""Points of a square that a circle divides into two classes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid.datasets.base import Dataset, check_seed, make_dataset


def example_name(n_samples: int = 300, seed: int = 0) -> Dataset:
    """Generated: points of a square, inside (1) or outside (0) a circle of half its area.

    The points `x`, of shape `(n_samples, 2)`, are uniform in [-1, 1]. The class is 1 if
    `x_1**2 + x_2**2 < 2 / pi`. The area of this circle is 2 and that of the square is 4, so each
    class has half of the samples on average. No linear model solves it.

    Args:
        n_samples: The number of samples.
        seed: The seed of the samples, a whole number of at least 0.

    Returns:
        The data set.

    Raises:
        ValueError: If an argument is invalid.

    Example:
        >>> data = example_name(n_samples=200)
        >>> data.x.shape, data.n_classes
        ((200, 2), 2)
    """
    positive_int("n_samples", n_samples)
    check_seed(seed)
    x = np.random.default_rng(seed).uniform(-1, 1, (n_samples, 2))
    return make_dataset(
        "example_name",
        x,
        (x**2).sum(axis=1) < 2 / math.pi,
        "Points of a square, divided by a circle of half its area",
        n_classes=2,
    )


LOADERS: dict[str, Callable[..., Dataset]] = {"example_name": example_name}
"""The data sets by name."""
