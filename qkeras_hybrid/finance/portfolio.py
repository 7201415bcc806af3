"""Choosing assets by mean and variance: as a QUBO, by trying all, and with weights of any size."""

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
"""The most choices of assets that are tried one by one."""

MONTHS = 12


def utility(
    weights: np.ndarray, mean: np.ndarray, covariance: np.ndarray, risk_aversion: float
) -> float:
    """Returns `mean^T w - risk_aversion w^T covariance w` (Markowitz 1952): more is better."""
    return float(mean @ weights - risk_aversion * weights @ covariance @ weights)


def checked_moments(
    mean: Any, covariance: Any, risk_aversion: Any
) -> tuple[np.ndarray, np.ndarray, float]:
    """Returns means, a covariance matrix and a risk aversion that a choice can be made from.

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
            f"The constraint 'n_assets', that many of the {n} assets, can't be satisfied.",
        )
    return int(n_assets)


def markowitz(mean: Any, covariance: Any, risk_aversion: float = 1.0) -> np.ndarray:
    """Returns the weights of most utility: not negative, with sum 1.

    It is a convex problem, which SciPy's SLSQP solves.

    Args:
        mean: Expected returns, of shape `(n,)`.
        covariance: Of the returns, of shape `(n, n)`.
        risk_aversion: What a unit of variance costs in units of return.

    Raises:
        ValueError: See `checked_moments`.

    Example:

    >>> markowitz([0.1, 0.1], [[0.04, 0.0], [0.0, 0.01]]).round(6)
    array([0.2, 0.8])
    """
    means, matrix, aversion = checked_moments(mean, covariance, risk_aversion)
    # In units of the largest number, so that the tolerance means the same for days and for years.
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
    """Returns all choices of `n_assets` of `n` assets as bits, of shape `(n_choices, n)`.

    Raises:
        ValueError: If there are none, or more than 200,000.

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
            "Use `annealing.solve`, whose exact solver bounds what it need not try.",
        )
    bits = np.zeros((count, n))
    for row, places in enumerate(itertools.combinations(range(n), n_assets)):
        bits[row, list(places)] = 1
    return bits


def enumerate_portfolios(
    mean: Any, covariance: Any, n_assets: int, risk_aversion: float = 1.0
) -> np.ndarray:
    """Returns the best choice of so many assets with equal weights, by trying them all.

    Args:
        mean: Expected returns, of shape `(n,)`.
        covariance: Of the returns, of shape `(n, n)`.
        n_assets: How many are chosen.
        risk_aversion: What a unit of variance costs in units of return.

    Returns:
        Weights of shape `(n,)`: `1 / n_assets` or 0.

    Raises:
        ValueError: See `checked_moments` and `choices`.

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
    """Returns the same choice as a problem for annealers: `annealing.portfolio`.

    With weights `x / n_assets` the utility is `-energy / n_assets` of that problem at the risk
    aversion `risk_aversion / n_assets`.

    Args:
        mean: Expected returns, of shape `(n,)`.
        covariance: Of the returns, of shape `(n, n)`.
        n_assets: How many are chosen.
        risk_aversion: What a unit of variance costs in units of return.

    Raises:
        ValueError: See `checked_moments`; or if there are not so many assets.

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
    """Returns the mean and the covariance of a year, of monthly returns.

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
    """Chooses assets on the first part of real returns, with annealers and classically.

    The solvers choose `n_assets` assets of equal weight, by the QUBO with the number of assets as a
    penalty. Beside them stand:

    - "enumeration": the same by trying all choices.
    - "largest means": the assets with the largest means, which no solver is needed for.
    - "all, equal weights": no choice at all (DeMiguel, Garlappi, Uppal 2009).
    - "best weights of n_assets": the best weights for each choice, and of these the best.
    - "best weights": of all assets (Markowitz), the upper bound of all others.

    Args:
        table: Monthly returns, a column for each asset; by default those of `returns`.
        n_assets: How many are chosen.
        risk_aversion: What a unit of variance costs in units of return, of a year.
        solvers: What `annealing.solve` takes.
        seeds: Of the solvers.
        train_share: The part of the months by which they choose.

    Returns:
        A table with a row for each method and seed, and the columns `method`, `seed`, `assets`
        (those with a weight, largest first), `utility`, `gap` (to "enumeration"; negative for what
        need not have equal weights), `feasible`, `mean`, `volatility` (of a year), the same on the
        months that were not used as `later_utility`, `later_mean` and `later_volatility`, and
        `seconds`.

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
            # A choice that breaks the constraint has equal weights too, of sum 1 if there is one.
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
    """Returns the best weights of at most so many assets: Markowitz's for each choice."""
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
