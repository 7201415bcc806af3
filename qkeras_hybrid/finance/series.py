"""Real price series, and splits of their samples in time.

The series come with the package arch (`pip install "qkeras-hybrid[finance]"`); nothing is
downloaded.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.finance.checks import fraction

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy_module("pandas")

BOND_YEARS = 20
"""The maturity in years of the bonds whose monthly returns are computed from yields."""


def arch_module(name: str) -> Any:
    """Imports a module of arch.

    Raises:
        ModuleNotFoundError: If arch is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'Price series and GARCH need arch: pip install "qkeras-hybrid[finance]".',
            name="arch",
        ) from error


def _load(name: str) -> pd.DataFrame:
    return arch_module(f"arch.data.{name}").load()


def index_prices(name: str = "sp500") -> pd.DataFrame:
    """Returns daily prices of an index from January 1999 to December 2018, from Yahoo Finance.

    Args:
        name: "sp500" or "nasdaq" (the Composite).

    Returns:
        A table of 5031 trading days with the columns `Open`, `High`, `Low`, `Close`.

    Raises:
        ValueError: If the name is unknown.
        ModuleNotFoundError: If arch is not installed.

    Example:

    >>> index_prices().Close.iloc[[0, -1]].round(2).tolist()
    [1228.1, 2506.85]
    """
    if name not in ("sp500", "nasdaq"):
        raise ArgumentError("name", "be 'sp500' or 'nasdaq'", name)
    return _load(name)[["Open", "High", "Low", "Close"]].astype(float)


def returns() -> pd.DataFrame:
    """Returns monthly returns of nine assets, February 1999 to November 2018, as fractions.

    - `sp500`, `nasdaq`: the indices, from month's end to month's end, without dividends (Yahoo).
    - `market`, `size`, `value`: Fama and French's market portfolio, and their factors SMB and HML,
      each plus the return of Treasury bills as collateral (Kenneth French's library).
    - `wti`, `brent`: crude oil; WTI at the month's end, Brent as the month's average (FRED).
    - `aaa`, `baa`: a 20-year bond, bought at Moody's average yield of its rating and sold a month
      later at the next month's yield (FRED).

    The series serve to compare methods; they are no investment advice. Spot oil and long-short
    factors can't be held without costs. `brent`, `aaa` and `baa` are computed from monthly
    averages, which makes successive returns correlated (Working 1960): part of what a model can
    predict of them can't be traded.

    Returns:
        A table of shape `(238, 9)`, with months (`pandas.Period`) as its index.

    Raises:
        ModuleNotFoundError: If arch is not installed.

    Example:

    >>> returns().shape
    (238, 9)
    """
    columns = {}
    for name in ("sp500", "nasdaq"):
        columns[name] = _month_ends(_load(name)["Adj Close"]).pct_change()
    factors = _load("frenchdata")
    # arch reads a month such as 201811 as a number of nanoseconds.
    numbers = pd.DatetimeIndex(factors.index).astype("datetime64[ns]").asi8
    factors.index = pd.PeriodIndex.from_fields(year=numbers // 100, month=numbers % 100, freq="M")
    for name, factor in (("market", "Mkt-RF"), ("size", "SMB"), ("value", "HML")):
        columns[name] = (factors[factor] + factors["RF"]) / 100
    columns["wti"] = _month_ends(_load("wti").iloc[:, 0].dropna()).pct_change()
    columns["brent"] = _by_month(_load("crude")["Brent"]).pct_change()
    yields = _by_month(_load("default")) / 100
    for name in ("aaa", "baa"):
        columns[name] = _bond_returns(yields[name.upper()])
    return pd.DataFrame(columns).dropna().sort_index()


def _month_ends(prices: pd.Series) -> pd.Series:
    return _by_month(prices).groupby(level=0).last()


def _by_month(table: pd.DataFrame) -> pd.DataFrame:
    table = table.copy()
    table.index = pd.DatetimeIndex(table.index).to_period("M")
    return table


def _bond_returns(yields: pd.Series) -> pd.Series:
    """Returns the monthly returns of a bond: a month's coupon plus the change of its price."""
    coupon, after = yields.shift(1), yields
    repaid = (1 + after / 2) ** (-2 * BOND_YEARS)
    return coupon / 12 + coupon / after * (1 - repaid) + repaid - 1


def walk_forward(
    n_samples: int, n_folds: int, *, test_share: float = 0.4, gap: int = 0
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Splits samples in time: each test part is predicted only from samples before it.

    Args:
        n_samples: The number of samples, in the order of time.
        n_folds: The number of test parts into which the last samples are divided.
        test_share: The share of the samples in all test parts together, between 0 and 1.
        gap: The number of samples between a training part and its test part that are left out,
            because their targets reach into the test part.

    Returns:
        For each fold the indices of its training part, which starts with the first sample, and of
        its test part.

    Raises:
        ValueError: If an argument is invalid, or a part would be empty.

    Example:

    >>> for train, test in walk_forward(10, 2, gap=1):
    ...     print(train.tolist(), test.tolist())
    [0, 1, 2, 3, 4] [6, 7]
    [0, 1, 2, 3, 4, 5, 6] [8, 9]
    """
    positive_int("n_samples", n_samples)
    positive_int("n_folds", n_folds)
    first = round(n_samples * (1 - fraction("test_share", test_share)))
    if n_samples - first < n_folds:
        raise ArgumentError("n_folds", f"be at most {n_samples - first} here", n_folds)
    if isinstance(gap, bool) or not isinstance(gap, int) or not 0 <= gap < first:
        raise ArgumentError("gap", f"be a whole number from 0 to {first - 1}", gap)
    parts = np.array_split(np.arange(first, n_samples), n_folds)
    return [(np.arange(part[0] - gap), part) for part in parts]
