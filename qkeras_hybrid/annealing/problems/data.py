"""Problems that choose columns of data: features or assets."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from qkeras_hybrid._checks import finite_number, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.annealing.constraints import Constraint
from qkeras_hybrid.annealing.models import Qubo
from qkeras_hybrid.annealing.problem import Problem
from qkeras_hybrid.annealing.problems.assignments import square
from qkeras_hybrid.annealing.problems.subsets import numbers, vector


def portfolio(
    mean: Any,
    covariance: Any,
    risk_aversion: float = 1.0,
    n_assets: int | None = None,
    prices: Any = None,
    budget: float | None = None,
    names: Sequence[Hashable] | None = None,
) -> Problem:
    """Returns the choice of assets with the best mean and variance (Markowitz, 1952).

    The energy is `risk_aversion * x^T covariance x - mean^T x`, where `x_i = 1` buys asset `i`.

    Args:
        mean: Expected returns, of shape `(n,)`.
        covariance: The covariance of the returns, of shape `(n, n)`: symmetric and positive
            semidefinite.
        risk_aversion: The cost of a unit of variance in units of return; not negative.
        n_assets: The number of assets to buy; by default the optimal number.
        prices: The prices of the assets; by default 1 each.
        budget: The most that the bought assets may cost in total; by default no limit.
        names: The names of the assets; by default their indices.

    Raises:
        ValueError: If there are fewer than two assets, shapes differ, a number is not finite, the
            covariance is not symmetric or has a negative eigenvalue, `n_assets` is not between 1
            and the number of assets, or the budget buys no asset.

    Example:

    >>> from qkeras_hybrid.annealing import portfolio, solve
    >>> problem = portfolio([0.1, 0.2, 0.15], 0.05 * np.eye(3), n_assets=2)
    >>> solve(problem, "exact").values
    {0: 0, 1: 1, 2: 1}
    """
    returns = vector("mean", mean)
    n = len(returns)
    if n < 2:
        raise ArgumentError("mean", "have at least two assets to choose from", n)
    risks = square("covariance", covariance)
    if len(risks) != n:
        raise ArgumentError("covariance", f"be of shape {(n, n)}, to match `mean`", risks.shape)
    if not np.allclose(risks, risks.T, rtol=1e-8, atol=1e-12):
        raise ArgumentError("covariance", "be symmetric", risks)
    risks = (risks + risks.T) / 2
    least = float(np.linalg.eigvalsh(risks)[0])
    if least < -1e-8 * max(1.0, float(abs(risks).max())):
        raise ArgumentError("covariance", "have no negative eigenvalue", least)
    if finite_number("risk_aversion", risk_aversion) < 0:
        raise ArgumentError("risk_aversion", "not be negative", risk_aversion)
    assets = tuple(range(n) if names is None else names)
    if len(set(assets)) != n:
        raise ArgumentError("names", f"be {n} different names", assets)
    constraints = []
    if n_assets is not None:
        positive_int("n_assets", n_assets, n)
        constraints.append(Constraint("n_assets", dict.fromkeys(assets, 1), "==", n_assets))
    if budget is not None or prices is not None:
        costs = vector("prices", np.ones(n) if prices is None else prices, n)
        if (costs <= 0).any():
            raise ArgumentError("prices", "be positive", costs[costs <= 0][0])
        if budget is None:
            raise ArgumentError("budget", "be given together with `prices`", None)
        cheapest = np.sort(costs)[: n_assets or 1].sum()
        if not finite_number("budget", budget) >= cheapest:
            raise ArgumentError(
                "budget",
                f"pay for {n_assets or 1} of the assets; the cheapest cost {cheapest:g}",
                budget,
            )
        pairs = dict(zip(assets, costs.tolist(), strict=True))
        constraints.append(Constraint("budget", pairs, "<=", budget))
    matrix = risk_aversion * risks - np.diag(returns)
    biases = {(a, a): float(matrix[i, i]) for i, a in enumerate(assets)}
    for i, a in enumerate(assets):
        for j in range(i + 1, n):
            if matrix[i, j]:
                biases[a, assets[j]] = float(2 * matrix[i, j])
    return Problem("portfolio", Qubo(biases, 0.0, assets), constraints)


def feature_selection(
    x: Any, y: Any, n_features: int, redundancy: float = 1.0, bins: int = 8
) -> Problem:
    """Returns the choice of features that tell most about a target and least about each other.

    The energy is `-sum_i I(x_i; y) + redundancy / (k - 1) sum_{i<j} I(x_i; x_j)` over the chosen
    features, with `k = n_features` and mutual information `I` in nats: minimum redundancy,
    maximum relevance (Peng, Long, Ding, IEEE TPAMI 27, 1226, 2005).

    Args:
        x: Features, of shape `(n_samples, n)`.
        y: The target, of shape `(n_samples,)`: classes, or numbers, which are put into bins if
            they are floats.
        n_features: How many features are chosen.
        redundancy: The weight of the mutual information between features.
        bins: The number of bins, with equally many samples, for features and float targets.

    Raises:
        ValueError: If numbers are not finite, shapes do not fit, or there are fewer than
            `n_features` features.

    Example:

    >>> from qkeras_hybrid.annealing import feature_selection, solve
    >>> x = np.random.default_rng(0).normal(size=(500, 3))
    >>> solve(feature_selection(x, x[:, 1] > 0, 1), "exact").values
    {0: 0, 1: 1, 2: 0}
    """
    from sklearn.metrics import mutual_info_score

    table = numbers("x", x)
    if table.ndim != 2 or not len(table) or not np.isfinite(table).all():
        raise ArgumentError("x", "be a finite array of shape (n_samples, n)", x)
    target = np.asarray(y)
    if target.shape != (len(table),):
        raise ArgumentError("y", f"be of shape {(len(table),)}", target.shape)
    n = table.shape[1]
    positive_int("n_features", n_features, n)
    positive_int("bins", bins)
    columns = [_binned(column, bins) for column in table.T]
    if target.dtype.kind == "f":
        if not np.isfinite(target).all():
            raise ArgumentError("y", "be finite", target[~np.isfinite(target)][0])
        target = _binned(target, bins)
    biases = {(i, i): -float(mutual_info_score(columns[i], target)) for i in range(n)}
    factor = finite_number("redundancy", redundancy) / max(1, n_features - 1)
    for i in range(n):
        for j in range(i + 1, n):
            biases[i, j] = factor * float(mutual_info_score(columns[i], columns[j]))
    exactly = Constraint("n_features", dict.fromkeys(range(n), 1), "==", n_features)
    return Problem("feature selection", Qubo(biases), (exactly,))


def _binned(column: np.ndarray, bins: int) -> np.ndarray:
    edges = np.unique(np.quantile(column, np.arange(1, bins) / bins))
    return np.searchsorted(edges, column, side="right")
