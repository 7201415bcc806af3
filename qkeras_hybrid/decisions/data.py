"""Costs that depend on features, to learn decisions from."""

from __future__ import annotations

import math

import numpy as np

from qkeras_hybrid._checks import finite_number, positive_int
from qkeras_hybrid._errors import ArgumentError


def shortest_path_data(
    n_samples: int,
    n_features: int = 5,
    grid: tuple[int, int] = (5, 5),
    degree: int = 1,
    noise_width: float = 0.0,
    seed: int = 135,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns features and costs of the edges of a grid, the same as PyEPO generates.

    With `d` edges and `p = n_features`, draws `B (d, p)`, 0 or 1 with equal probability, then
    features `x (n_samples, p) ~ N(0, 1)`, then the noise `e (n_samples, d)`, uniform between
    `1 - noise_width` and `1 + noise_width`, all from one `np.random.RandomState(seed)`. Costs are
    `((x B^T / sqrt(p) + 3)^degree + 1) / 3.5^degree e`. The higher the degree, the less a linear
    model fits them.

    Args:
        n_samples: How many samples.
        n_features: How many features.
        grid: Rows and columns of the grid, as for `GridShortestPath`.
        degree: The degree of the polynomial.
        noise_width: Half the width of the noise.
        seed: Decides the samples.

    Returns:
        Float64 features of shape `(n_samples, n_features)`, and float32 costs of shape
        `(n_samples, d)`, in the order of `GridShortestPath(*grid).edges`.

    Raises:
        ValueError: If an argument is invalid.

    Reference:
        Elmachtoub, Grigas, Management Science 68, 9 (2022); `pyepo.data.shortestpath.genData` of
        Tang, Khalil, PyEPO, Mathematical Programming Computation 16, 297 (2024),
        arXiv:2206.14234.

    Example:

    >>> from qkeras_hybrid.decisions import shortest_path_data
    >>> x, costs = shortest_path_data(2000, degree=4, noise_width=0.5, seed=42)
    >>> x.shape, costs.shape
    ((2000, 5), (2000, 40))
    """
    _check(n_samples, n_features, degree, noise_width)
    if len(grid) != 2:
        raise ArgumentError("grid", "be a number of rows and one of columns", grid)
    rows, columns = positive_int("grid", grid[0]), positive_int("grid", grid[1])
    edges = rows * (columns - 1) + (rows - 1) * columns
    rng = np.random.RandomState(seed)
    features, costs = _polynomial(rng, n_samples, n_features, edges, degree, 1.0, noise_width)
    return features, costs.astype("float32")


def knapsack_data(
    n_samples: int,
    n_features: int = 5,
    n_items: int = 16,
    n_limits: int = 1,
    degree: int = 1,
    noise_width: float = 0.0,
    seed: int = 135,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns weights of items, features, and values of items, the same as PyEPO generates.

    With `m = n_items` and `p = n_features`, draws the weights `(n_limits, m)` from 3.00, 3.01, ...,
    7.99, then `B (m, p)`, 0 or 1 with equal probability, then features
    `x (n_samples, p) ~ N(0, 1)`, then the noise `e (n_samples, m)`, uniform between
    `1 - noise_width` and `1 + noise_width`, all from one `np.random.RandomState(seed)`. Values are
    `5 ((x B^T / sqrt(p) + 3)^degree + 1) / 3.5^degree e`, rounded up to whole numbers.

    Args:
        n_samples: How many samples.
        n_features: How many features.
        n_items: How many items.
        n_limits: How many weights an item has, as for `Knapsack`.
        degree: The degree of the polynomial.
        noise_width: Half the width of the noise.
        seed: Decides weights and samples.

    Returns:
        Float64 weights of shape `(n_limits, n_items)` and features of shape
        `(n_samples, n_features)`, and float32 values of shape `(n_samples, n_items)`. The costs of
        a `Knapsack` are the values with a minus sign.

    Raises:
        ValueError: If an argument is invalid.

    Reference:
        `pyepo.data.knapsack.genData` of Tang, Khalil, PyEPO, Mathematical Programming Computation
        16, 297 (2024), arXiv:2206.14234.

    Example:

    >>> from qkeras_hybrid.decisions import Knapsack, decide, knapsack_data
    >>> weights, x, values = knapsack_data(100, n_items=12, degree=4, noise_width=0.5)
    >>> decide(Knapsack(weights, [20.0]), -values).shape
    (100, 12)
    """
    _check(n_samples, n_features, degree, noise_width)
    positive_int("n_items", n_items)
    positive_int("n_limits", n_limits)
    rng = np.random.RandomState(seed)
    weights = rng.choice(range(300, 800), size=(n_limits, n_items)) / 100
    features, values = _polynomial(rng, n_samples, n_features, n_items, degree, 5.0, noise_width)
    return weights, features, np.ceil(values).astype("float32")


def _check(n_samples: int, n_features: int, degree: int, noise_width: float) -> None:
    positive_int("n_samples", n_samples)
    positive_int("n_features", n_features)
    positive_int("degree", degree)
    if finite_number("noise_width", noise_width) < 0:
        raise ArgumentError("noise_width", "be at least 0", noise_width)


def _polynomial(
    rng: np.random.RandomState,
    n_samples: int,
    n_features: int,
    n_costs: int,
    degree: int,
    factor: float,
    noise_width: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws features, and costs that are a polynomial of them with noise."""
    mixing = rng.binomial(1, 0.5, (n_costs, n_features))
    features = rng.normal(0, 1, (n_samples, n_features))
    costs = (features @ mixing.T / math.sqrt(n_features) + 3) ** degree + 1
    # In PyEPO's order, so that the last digit is the same.
    costs *= factor
    costs /= 3.5**degree
    costs *= rng.uniform(1 - noise_width, 1 + noise_width, costs.shape)
    return features, costs
