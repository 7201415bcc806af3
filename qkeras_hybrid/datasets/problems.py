"""Decision problems with generated costs, after PyEPO.

A target is a vector of costs. A model is judged by the decisions that its predicted costs lead to:
see `qkeras_hybrid.decisions`, which also generates the numbers.
"""

from __future__ import annotations

from collections.abc import Callable

from qkeras_hybrid import decisions
from qkeras_hybrid._checks import finite_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.datasets.base import Dataset, check_seed, make_dataset

_PYEPO = (
    "B. Tang and E. B. Khalil, PyEPO: a PyTorch-based end-to-end predict-then-optimize library, "
    "Mathematical Programming Computation 16, 297, 2024, arXiv:2206.14234"
)


def shortest_path(
    n_samples: int = 1000,
    n_features: int = 5,
    rows: int = 5,
    columns: int = 5,
    degree: int = 4,
    noise: float = 0.5,
    seed: int = 0,
) -> Dataset:
    """Generated: the shortest path through a grid, with costs that are polynomials of features.

    Features and costs are those of `decisions.shortest_path_data`, whose docstring has the formula.
    The higher the degree, the worse a linear model fits the costs.

    Args:
        n_samples: How many samples.
        n_features: How many features.
        rows: The rows of the grid.
        columns: The columns of the grid.
        degree: The degree of the polynomial.
        noise: Costs are multiplied by random factors from `1 - noise` to `1 + noise`; at least 0.
        seed: Decides the samples; whole number from 0 below 2**32.

    Returns:
        The data set, with a `decisions.GridShortestPath` as its `problem`.

    Example:
        >>> data = shortest_path(100, rows=3, columns=3)
        >>> data.y.shape, data.problem
        ((100, 12), GridShortestPath(rows=3, columns=3))
    """
    _check(seed, noise)
    x, costs = decisions.shortest_path_data(
        n_samples, n_features, (rows, columns), degree, noise, seed
    )
    return make_dataset(
        "shortest_path",
        x,
        costs,
        f"Shortest paths: {_PYEPO}, after A. N. Elmachtoub and P. Grigas, Management Science 68, "
        "9-26, 2022, arXiv:1710.08005",
        problem=decisions.GridShortestPath(rows, columns),
    )


def knapsack(
    n_samples: int = 1000,
    n_features: int = 5,
    n_items: int = 12,
    capacity: float = 20.0,
    degree: int = 4,
    noise: float = 0.5,
    seed: int = 0,
) -> Dataset:
    """Generated: the best items under a weight limit, with values that depend on features.

    Weights, features and values are those of `decisions.knapsack_data`, whose docstring has the
    formula: weights are between 3 and 8. Costs are the negative values divided by 5, which makes
    them about as large as those of `shortest_path`.

    Args:
        n_samples: How many samples.
        n_features: How many features.
        n_items: How many items.
        capacity: The limit of the total weight.
        degree: The degree of the polynomial.
        noise: Values are multiplied by random factors from `1 - noise` to `1 + noise`; at least 0.
        seed: Decides weights and samples; whole number from 0 below 2**32.

    Returns:
        The data set, with a `decisions.Knapsack` as its `problem`.

    Raises:
        ValueError: If an argument is invalid, or there is nothing to choose, because no item fits
            or all items fit together.

    Example:
        >>> data = knapsack(100, n_items=6)
        >>> data.y.shape, bool((data.y < 0).all())
        ((100, 6), True)
    """
    _check(seed, noise)
    weights, x, values = decisions.knapsack_data(
        n_samples, n_features, n_items, degree=degree, noise_width=noise, seed=seed
    )
    least, all_of_them = weights.min(), weights.sum()
    # Otherwise the best choice is known without a prediction: no item, or all of them.
    if not least <= finite_number("capacity", capacity) < all_of_them:
        raise ArgumentError(
            "capacity",
            f"be at least {least:g}, the weight of the lightest item, and less than "
            f"{all_of_them:g}, the weight of all items",
            capacity,
        )
    return make_dataset(
        "knapsack",
        x,
        -values / 5,
        f"Knapsacks: {_PYEPO}",
        problem=decisions.Knapsack(weights[0], capacity),
    )


def _check(seed: int, noise: float) -> None:
    check_seed(seed)
    if seed >= 2**32:
        raise ArgumentError("seed", "be below 2**32", seed)
    if finite_number("noise", noise) < 0:
        raise ArgumentError("noise", "be at least 0", noise)


LOADERS: dict[str, Callable[..., Dataset]] = {
    "shortest_path": shortest_path,
    "knapsack": knapsack,
}
