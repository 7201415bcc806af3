"""Values of periodic functions that a formula makes: what re-uploading circuits are made for."""

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
    """Generated: noisy values of a periodic function at random phases; a regression.

    The features are phases `x` of `n_features` periods (the hour of the day, the day of the week)
    in radians, `x_i ~ U(-pi, pi)`. The target is a Fourier series with all waves up to a degree,
    `y = sum_k (a_k cos(k . x) + b_k sin(k . x)) + noise * e`, over the whole vectors `k` with
    `|k_i| <= degree`, of which one of `k` and `-k` is taken and 0 left out. Its coefficients are
    divided by `sqrt(n)`, with `n` the number of waves, so that the series has the variance 1 in the
    mean over series. Drawn in this order: `x (n_samples, n_features)`; `a (n,) ~ N(0, 1)` and
    `b (n,) ~ N(0, 1)`, for the vectors `k` in lexical order; and `e (n_samples,) ~ N(0, 1)`.

    Args:
        n_samples: How many samples.
        n_features: The number of periods.
        degree: The largest frequency of each: how often a wave goes up and down in a period.
        noise: The standard deviation of the noise, at least 0.
        seed: Decides the samples; whole number of at least 0.

    Returns:
        The data set.

    Raises:
        ValueError: If an argument has no valid value, or there are more than 100,000 waves.

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
    # In logarithms: the power may be too large for memory, and for a float.
    if n_features * math.log(2 * degree + 1) > math.log(2 * _MOST_WAVES + 1):
        raise ArgumentError(
            "n_features",
            f"have at most {_MOST_WAVES:,} waves with a degree of {degree}",
            n_features,
        )
    check_seed(seed)
    rng = np.random.default_rng(seed)
    x = rng.uniform(-math.pi, math.pi, (n_samples, n_features))
    axes = [np.arange(-degree, degree + 1)] * n_features
    vectors = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, n_features)
    waves = vectors[len(vectors) // 2 + 1 :]  # lexically after 0: one of each pair
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
