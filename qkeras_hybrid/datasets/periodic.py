"""Generated periodic functions: the functions that data re-uploading circuits can represent."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from qkeras_hybrid._checks import finite_number, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.datasets.base import Dataset, check_seed, make_dataset

_MOST_WAVES = 100_000


def periodic_series(
    n_samples: int = 300,
    n_features: int = 1,
    degree: int = 4,
    noise: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Generated: a regression on noisy values of a periodic function at random phases.

    The features are phases `x` in radians of `n_features` periods (such as the hour of the day and
    the day of the week), `x_i ~ U(-pi, pi)`. The target is a Fourier series with noise,
    `y = sum_k (a_k cos(k . x) + b_k sin(k . x)) / sqrt(n) + noise * e`. The sum has `n` waves: all
    vectors `k` of whole numbers with `|k_i| <= degree`, without 0, and only one of `k` and `-k`.
    The factor `1 / sqrt(n)` gives the series the variance 1 on average. Random numbers are drawn
    in this order: `x (n_samples, n_features)`; `a (n,) ~ N(0, 1)` and `b (n,) ~ N(0, 1)`, for the
    vectors `k` in lexicographic order; and `e (n_samples,) ~ N(0, 1)`.

    Args:
        n_samples: How many samples.
        n_features: The number of periods.
        degree: The largest frequency in each feature, in oscillations per period.
        noise: The standard deviation of the noise, at least 0.
        seed: Decides the samples; whole number of at least 0.

    Returns:
        The data set.

    Raises:
        ValueError: If an argument has an invalid value, or there are more than 100,000 waves.

    Example:
        >>> data = periodic_series(n_features=2, degree=1, noise=0.0)
        >>> data.x.shape, data.task, bool(abs(data.x).max() <= np.pi)
        ((300, 2), 'regression', True)

    Reference:
        - M. Schuld, R. Sweke and J. J. Meyer, Effect of data encoding on the expressive power of
          variational quantum-machine-learning models, Physical Review A 103, 032430, 2021: a
          circuit that uploads a feature `L` times computes a Fourier series of degree `L`.
    """
    positive_int("n_samples", n_samples)
    positive_int("n_features", n_features)
    positive_int("degree", degree)
    if finite_number("noise", noise) < 0:
        raise ArgumentError("noise", "be at least 0", noise)
    # In logarithms, because the power can overflow.
    if n_features * math.log(2 * degree + 1) > math.log(2 * _MOST_WAVES + 1):
        raise ArgumentError(
            "n_features",
            f"give at most {_MOST_WAVES:,} waves with a degree of {degree}",
            n_features,
            "Use a smaller degree or fewer features.",
        )
    check_seed(seed)
    rng = np.random.default_rng(seed)
    x = rng.uniform(-math.pi, math.pi, (n_samples, n_features))
    axes = [np.arange(-degree, degree + 1)] * n_features
    vectors = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, n_features)
    waves = vectors[len(vectors) // 2 + 1 :]  # after 0 in lexicographic order: one of each pair
    a, b = rng.normal(size=len(waves)), rng.normal(size=len(waves))
    y = np.zeros(n_samples)
    for wave, cosine, sine in zip(waves, a, b, strict=True):
        phase = x @ wave
        y += cosine * np.cos(phase) + sine * np.sin(phase)
    y = y / math.sqrt(len(waves)) + noise * rng.normal(size=n_samples)
    return make_dataset(
        "periodic_series",
        x,
        y,
        f"A Fourier series of degree {degree} in {n_features} phases, with noise",
        n_classes=0,
    )


LOADERS: dict[str, Callable[..., Dataset]] = {"periodic_series": periodic_series}
"""The data sets by name."""
