"""Mean-variance portfolios: as a QUBO, by trying all choices, and with continuous weights."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qkeras_hybrid._checks import finite_number, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.annealing import Problem, portfolio, solve
from qkeras_hybrid.finance.checks import covariance_matrix, finite_array, fraction
from qkeras_hybrid.finance.series import returns

if TYPE_CHECKING:
    import pandas as pd
    import scipy.optimize as scipy_optimize
else:
    pd = lazy_module("pandas")
    scipy_optimize = lazy_module("scipy.optimize")

MOST_CHOICES = 200_000
"""The largest number of choices that `choices` lists."""

MONTHS = 12


def utility(
    weights: np.ndarray, mean: np.ndarray, covariance: np.ndarray, risk_aversion: float
) -> float:
    """Returns `mean^T w - risk_aversion w^T covariance w` (Markowitz 1952); larger is better.

    Args:
        weights: The share of each asset, of shape `(n,)`.
        mean: Expected returns, of shape `(n,)`.
        covariance: The covariance matrix of the returns, of shape `(n, n)`.
        risk_aversion: The return that one unit of variance is worth.

    Example:

    >>> round(utility(np.array([0.5, 0.5]), np.array([0.1, 0.2]), 0.04 * np.eye(2), 1.0), 6)
    0.13
    """
    return float(mean @ weights - risk_aversion * weights @ covariance @ weights)


def checked_moments(
    mean: Any, covariance: Any, risk_aversion: Any
) -> tuple[np.ndarray, np.ndarray, float]:
    """Checks expected returns, their covariance matrix and a risk aversion, and returns them.

    Raises:
        ValueError: If there are fewer than two assets, a number is not finite, the covariance is
            not symmetric or has a negative eigenvalue, or the risk aversion is negative.
    """
    means = finite_array("mean", mean, 1)
    if len(means) < 2:
        raise ArgumentError("mean", "have at least two assets to choose from", len(means))
    matrix = covariance_matrix("covariance", covariance, len(means))
    if finite_number("risk_aversion", risk_aversion) < 0:
        raise ArgumentError("risk_aversion", "not be negative", risk_aversion)
    return means, matrix, float(risk_aversion)


def _checked_count(n_assets: Any, n: int) -> int:
    if isinstance(n_assets, bool) or not hasattr(n_assets, "__index__"):
        raise ArgumentError("n_assets", "be a whole number", n_assets)
    if not 1 <= n_assets <= n:
        raise ArgumentError(
            "n_assets",
            f"be between 1 and {n}",
            n_assets,
            f"The constraint 'n_assets' can't be satisfied with {n} assets.",
        )
    return int(n_assets)


def markowitz(mean: Any, covariance: Any, risk_aversion: float = 1.0) -> np.ndarray:
    """Returns the weights with the largest `utility`, among weights of at least 0 with sum 1.

    SciPy's SLSQP solves this convex problem.

    Args:
        mean: Expected returns, of shape `(n,)`.
        covariance: The covariance matrix of the returns, of shape `(n, n)`.
        risk_aversion: The return that one unit of variance is worth.

    Returns:
        Weights of shape `(n,)`.

    Raises:
        ValueError: If there are fewer than two assets, a number is not finite, the covariance is
            not symmetric or has a negative eigenvalue, or the risk aversion is negative.

    Example:

    >>> markowitz([0.1, 0.1], [[0.04, 0.0], [0.0, 0.01]]).round(6)
    array([0.2, 0.8])
    """
    means, matrix, aversion = checked_moments(mean, covariance, risk_aversion)
    # Divided by the largest number, so the tolerance is the same for daily and annual returns.
    scale = max(float(np.abs(means).max()), aversion * float(np.abs(matrix).max())) or 1.0
    n = len(means)

    def loss(w: np.ndarray) -> float:
        return -utility(w, means, matrix, aversion) / scale

    def slope(w: np.ndarray) -> np.ndarray:
        return np.asarray((2 * aversion * matrix @ w - means) / scale, np.float64)

    found = scipy_optimize.minimize(
        loss,
        np.full(n, 1 / n),
        jac=slope,
        bounds=scipy_optimize.Bounds(np.zeros(n), np.ones(n)),
        constraints=scipy_optimize.LinearConstraint(np.ones((1, n)), 1, 1),
        method="SLSQP",
        tol=1e-14,
    )
    weights = np.maximum(found.x, 0.0)
    return np.asarray(weights / weights.sum())


def choices(n: int, n_assets: int) -> np.ndarray:
    """Returns all choices of `n_assets` of `n` assets: 1.0 and 0.0 of shape `(n_choices, n)`.

    Raises:
        ValueError: If `n_assets` is not from 1 to `n`, or there are more than 200,000 choices.

    Example:

    >>> choices(3, 2)
    array([[1., 1., 0.],
           [1., 0., 1.],
           [0., 1., 1.]])
    """
    n_assets = _checked_count(n_assets, positive_int("n", n))
    count = math.comb(n, n_assets)
    if count > MOST_CHOICES:
        raise ArgumentError(
            "n_assets",
            f"leave at most {MOST_CHOICES:,} choices",
            f"{n_assets} of {n}, {count:,} choices",
            "Use `annealing.solve`: its exact solver does not try all choices.",
        )
    bits = np.zeros((count, n))
    for row, places in enumerate(itertools.combinations(range(n), n_assets)):
        bits[row, list(places)] = 1
    return bits


def enumerate_portfolios(
    mean: Any, covariance: Any, n_assets: int, risk_aversion: float = 1.0
) -> np.ndarray:
    """Returns the best choice of `n_assets` assets with equal weights, by trying all choices.

    Args:
        mean: Expected returns, of shape `(n,)`.
        covariance: The covariance matrix of the returns, of shape `(n, n)`.
        n_assets: How many assets to choose.
        risk_aversion: The return that one unit of variance is worth.

    Returns:
        Weights of shape `(n,)`: `1 / n_assets` or 0.

    Raises:
        ValueError: As for `markowitz` and `choices`.

    Example:

    >>> enumerate_portfolios([0.1, 0.2, 0.15], 0.05 * np.eye(3), 2)
    array([0. , 0.5, 0.5])
    """
    means, matrix, aversion = checked_moments(mean, covariance, risk_aversion)
    weights = choices(len(means), n_assets) / n_assets
    values = weights @ means - aversion * np.einsum("ci,ij,cj->c", weights, matrix, weights)
    return np.asarray(weights[int(np.argmax(values))])


def equal_weights_problem(
    mean: Any, covariance: Any, n_assets: int, risk_aversion: float = 1.0
) -> Problem:
    """Returns the task of `enumerate_portfolios` as a problem for annealers.

    It is `annealing.portfolio` with the risk aversion `risk_aversion / n_assets`. If its bits are
    `x`, the weights are `x / n_assets` and their utility is `-energy / n_assets`.

    Args:
        mean: Expected returns, of shape `(n,)`.
        covariance: The covariance matrix of the returns, of shape `(n, n)`.
        n_assets: How many assets to choose.
        risk_aversion: The return that one unit of variance is worth.

    Raises:
        ValueError: As for `markowitz`; or if `n_assets` is not from 1 to the number of assets.

    Example:

    >>> from qkeras_hybrid.annealing import solve
    >>> problem = equal_weights_problem([0.1, 0.2, 0.15], 0.05 * np.eye(3), 2)
    >>> solve(problem, "exact").values
    {0: 0, 1: 1, 2: 1}
    """
    means, matrix, aversion = checked_moments(mean, covariance, risk_aversion)
    n_assets = _checked_count(n_assets, len(means))
    return portfolio(means, matrix, aversion / n_assets, n_assets=n_assets)


def moments(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Returns the annual means, `(n,)`, and the annual covariance, `(n, n)`, of monthly returns.

    Raises:
        ValueError: If there are fewer than two assets or three months, or a return is not finite.
    """
    values = finite_array("table", table.to_numpy(), 2)
    if values.shape[1] < 2:
        raise ArgumentError("table", "have at least two assets to choose from", values.shape[1])
    if len(values) < 3:
        raise ArgumentError("table", "have at least three months", len(values))
    return MONTHS * values.mean(axis=0), MONTHS * np.cov(values.T)


def portfolio_study(
    table: pd.DataFrame | None = None,
    *,
    n_assets: int = 4,
    risk_aversion: float = 2.0,
    solvers: Sequence[Any] = ("exact", "simulated_annealing", "tabu"),
    seeds: Sequence[int] = (0,),
    train_share: float = 0.6,
) -> pd.DataFrame:
    """Chooses assets by the first months of real returns, with annealers and classical methods.

    The solvers choose `n_assets` assets of equal weight. They solve a QUBO in which a penalty
    enforces the number of assets. They are compared with:

    - "enumeration": the same task, by trying all choices.
    - "largest means": the assets with the largest mean returns; it needs no solver.
    - "all, equal weights": all assets with equal weights (DeMiguel, Garlappi, Uppal 2009).
    - "best weights of N", with N = `n_assets`: the best weights of at most N assets.
    - "best weights": the best weights of all assets (Markowitz), an upper bound of all others.

    Args:
        table: Monthly returns, a column for each asset; by default those of `returns`.
        n_assets: How many assets to choose.
        risk_aversion: The annual return that one unit of annual variance is worth.
        solvers: Solvers as for `annealing.solve`.
        seeds: The seeds of the solvers.
        train_share: The share of the months that the methods choose by.

    Returns:
        A table with a row for each method and seed. The columns are `method`, `seed`, `assets`
        (those with a weight above 0, largest first), `utility`, `gap` (how much lower the utility
        is than that of "enumeration"; negative for better portfolios of unequal weights),
        `feasible`, `mean` and `volatility` (annual), `later_utility`, `later_mean` and
        `later_volatility` (the same on the later months), and `seconds`.

    Raises:
        ValueError: If the table has fewer than two assets or three months in either part, a return
            is not finite, or an argument is invalid.

    Example:

    >>> found = portfolio_study(n_assets=3, solvers=["exact"])
    >>> bool(found.gap[found.method == "exact"].abs().item() < 1e-9)
    True
    """
    table = returns() if table is None else table
    moments(table)
    first = round(len(table) * fraction("train_share", train_share))
    mean, covariance = moments(table.iloc[:first])
    later_mean, later_covariance = moments(table.iloc[first:])
    problem = equal_weights_problem(mean, covariance, n_assets, risk_aversion)
    rows: list[dict[str, Any]] = []

    def add(
        method: str, weights: np.ndarray, start: float, seed: int | None = None, ok: bool = True
    ) -> None:
        seconds = time.perf_counter() - start
        order = [i for i in np.argsort(-weights, kind="stable") if weights[i] > 1e-6]
        later = utility(weights, later_mean, later_covariance, risk_aversion)
        rows.append(
            {"method": method, "seed": seed, "assets": ", ".join(map(str, table.columns[order]))}
            | {"utility": utility(weights, mean, covariance, risk_aversion)}
            | {"gap": math.nan, "feasible": ok, "mean": float(mean @ weights)}
            | {"volatility": math.sqrt(weights @ covariance @ weights), "later_utility": later}
            | {"later_mean": float(later_mean @ weights)}
            | {"later_volatility": math.sqrt(weights @ later_covariance @ weights)}
            | {"seconds": seconds}
        )

    start = time.perf_counter()
    exact = enumerate_portfolios(mean, covariance, n_assets, risk_aversion)
    add("enumeration", exact, start)
    for solver in solvers:
        for seed in seeds:
            start = time.perf_counter()
            found = solve(problem, solver, seed=seed)
            bits = np.array([found.values[v] for v in problem.variables], float)
            # A choice of another number of assets gets equal weights with sum 1 too.
            add(found.solver, bits / max(bits.sum(), 1), start, seed, found.feasible)
    n = len(mean)
    start = time.perf_counter()
    add("largest means", np.isin(np.arange(n), np.argsort(-mean)[:n_assets]) / n_assets, start)
    add("all, equal weights", np.full(n, 1 / n), start)
    start = time.perf_counter()
    add(
        f"best weights of {n_assets}",
        _best_weights(mean, covariance, n_assets, risk_aversion),
        start,
    )
    start = time.perf_counter()
    add("best weights", markowitz(mean, covariance, risk_aversion), start)
    result = pd.DataFrame(rows)
    result["gap"] = result.utility[0] - result.utility
    return result


def _best_weights(
    mean: np.ndarray, covariance: np.ndarray, n_assets: int, risk_aversion: float
) -> np.ndarray:
    """Returns the best weights of at most `n_assets` assets, by `markowitz` on each choice."""
    best, most = np.zeros(len(mean)), -math.inf
    for bits in choices(len(mean), n_assets):
        held = np.flatnonzero(bits)
        weights = np.zeros(len(mean))
        if n_assets == 1:
            weights[held] = 1
        else:
            weights[held] = markowitz(mean[held], covariance[np.ix_(held, held)], risk_aversion)
        value = utility(weights, mean, covariance, risk_aversion)
        if value > most:
            best, most = weights, value
    return best
