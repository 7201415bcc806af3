"""Forecasts of an index's volatility: a hybrid model compared with Dense and econometric models."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid._seeds import kept_seeds
from qkeras_hybrid.finance.checks import finite_array
from qkeras_hybrid.finance.series import arch_module, index_prices, walk_forward
from qkeras_hybrid.layers import PQCDense

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy_module("pandas")

YEAR = 252
"""Trading days of a year."""

MONTH = 22
"""Trading days of a month: features use at most this many past days."""

Builder = Callable[[int], keras.Model]


def daily_variances(prices: pd.DataFrame) -> np.ndarray:
    """Returns the variance of each day's log return, estimated from the day's range of prices.

    The estimate is `0.5 log(H/L)^2 - (2 log 2 - 1) log(C/O)^2` (Garman and Klass 1980). Its
    variance is about seven times smaller than that of the squared return. It ignores changes of
    the price overnight.

    Args:
        prices: A table with the columns `Open`, `High`, `Low`, `Close`, a row for each day.

    Returns:
        Array of shape `(n_days,)`, above 0.

    Raises:
        ValueError: If a column is missing, a price is NaN or not above 0, or the opening or the
            closing price of a day is not between its lowest and its highest.

    Example:

    >>> day = {"Open": [100.0], "High": [102.0], "Low": [99.0], "Close": [101.0]}
    >>> daily_variances(pd.DataFrame(day)).round(6)
    array([0.000407])
    """
    names = ("Open", "High", "Low", "Close")
    missing = [name for name in names if name not in prices]
    if missing:
        raise ArgumentError("prices", f"have the columns {', '.join(names)}", list(prices))
    values = finite_array("prices", prices[list(names)].to_numpy(), 2)
    if values.min() <= 0:
        raise ArgumentError("prices", "be above 0", float(values.min()))
    opening, high, low, close = np.log(values).T
    inside = (high >= np.maximum(opening, close)) & (low <= np.minimum(opening, close))
    if not inside.all():
        day = prices.index[int(np.argmin(inside))]
        raise ArgumentError(
            "prices", "have Open and Close between Low and High", f"other prices on {day}"
        )
    variances: np.ndarray = (high - low) ** 2 / 2 - (2 * math.log(2) - 1) * (close - opening) ** 2
    # Clipped, because a day on which the price does not move would give a logarithm of 0.
    return variances.clip(1e-10)


@dataclass(frozen=True)
class VolatilityData:
    """For each day: what is known at its end, and the variance of the days after it.

    Attributes:
        dates: The days, of shape `(n,)`.
        past: Mean daily variances of the last 1, 5 and 22 days, of shape `(n, 3)`.
        surprise: The day's log return divided by the daily volatility of the last 5 days, of shape
            `(n,)`.
        target: The mean daily variance of the next `horizon` days, of shape `(n,)`.
        returns: The log returns of all days, of shape `(n + 22 + horizon - 1,)`. The return of
            sample `i` has the index `i + 21`.
        horizon: The number of days that are forecast together.
    """

    dates: np.ndarray
    past: np.ndarray
    surprise: np.ndarray
    target: np.ndarray
    returns: np.ndarray
    horizon: int

    @property
    def features(self) -> np.ndarray:
        """The inputs of the networks: logarithms of `past`, and `surprise`, of shape `(n, 4)`."""
        return np.column_stack([np.log(self.past), self.surprise])


def volatility_data(prices: pd.DataFrame | None = None, horizon: int = 5) -> VolatilityData:
    """Returns samples for forecasts of the mean daily variance of the next days.

    Args:
        prices: As for `daily_variances`; by default the S&P 500 from 1999 to 2018.
        horizon: The number of days to forecast: 1 for the next day, 5 for the next week.

    Raises:
        ValueError: If the prices are invalid, or there are fewer than `100 + horizon` days.

    Example:

    >>> data = volatility_data()
    >>> data.features.shape, data.target.shape
    ((5004, 4), (5004,))
    """
    positive_int("horizon", horizon)
    table = index_prices() if prices is None else prices
    variances = daily_variances(table)[1:]  # the first day has no return
    if len(variances) < 99 + horizon:
        raise ArgumentError("prices", f"have at least {100 + horizon} days", len(variances) + 1)
    log_returns = np.diff(np.log(table["Close"].to_numpy(float)))
    sums = np.concatenate([[0.0], np.cumsum(variances)])
    ends = np.arange(MONTH, len(variances) - horizon + 1)  # one past each sample's day
    past = np.column_stack([(sums[ends] - sums[ends - days]) / days for days in (1, 5, MONTH)])
    return VolatilityData(
        dates=table.index.to_numpy()[ends],
        past=past,
        surprise=log_returns[ends - 1] / np.sqrt(past[:, 1]),
        target=(sums[ends + horizon] - sums[ends]) / horizon,
        returns=log_returns,
        horizon=horizon,
    )


def qlike(target: np.ndarray, forecast: np.ndarray) -> float:
    """Returns the QLIKE loss of variances: the mean of `t/f - log(t/f) - 1`, 0 if all agree.

    `t` is the target and `f` the forecast. Like the squared error, this loss ranks forecasts
    correctly although the target is itself an estimate. Unlike the squared error, it is not
    dominated by a few days of high volatility (Patton 2011).

    Example:

    >>> qlike(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    0.0
    """
    ratio = target / forecast
    return float(np.mean(ratio - np.log(ratio) - 1))


def rmse(target: np.ndarray, forecast: np.ndarray) -> float:
    """Returns the root mean squared error of annual volatilities, in percentage points.

    Args:
        target: Daily variances, of shape `(n,)`.
        forecast: Their forecasts, of shape `(n,)`.

    Example:

    >>> round(rmse(np.array([0.01**2]), np.array([0.02**2])), 2)
    15.87
    """
    errors = np.sqrt(YEAR * target) - np.sqrt(YEAR * forecast)
    return float(100 * np.sqrt(np.mean(errors**2)))


def hybrid_model(n_features: int) -> keras.Model:
    """Returns a circuit of four qubits and a Dense output layer: 41 weights with 4 features."""
    inputs = keras.Input((n_features,))
    return keras.Model(inputs, keras.layers.Dense(1)(PQCDense(4, n_layers=3)(inputs)))


def dense_model(n_features: int) -> keras.Model:
    """Returns a network of seven hidden units: 43 weights with 4 features."""
    inputs = keras.Input((n_features,))
    hidden = keras.layers.Dense(7, activation="tanh")(inputs)
    return keras.Model(inputs, keras.layers.Dense(1)(hidden))


NETWORKS: Mapping[str, Builder] = {"hybrid": hybrid_model, "Dense": dense_model}
"""The networks of the study, by name: functions that build a model of the variance's logarithm."""


def volatility_study(
    data: VolatilityData | None = None,
    *,
    n_folds: int = 4,
    seeds: Sequence[int] = (0, 1, 2),
    epochs: int = 30,
    networks: Mapping[str, Builder] = NETWORKS,
    garch: bool = True,
) -> pd.DataFrame:
    """Forecasts variances with networks and with econometric models, on the same days.

    Each fold trains and scales only on the days before its test days, except the last ones,
    whose targets would reach into the test days. The models are:

    - "last days": the mean variance of the last day, week or month, whichever is closest to
      `horizon` days.
    - "HAR": least squares on the variances of a day, a week and a month (Corsi 2009).
    - "log-HAR": the same with logarithms.
    - "linear": least squares with the features of the networks.
    - "GARCH(1,1)": from the returns (arch).
    - the networks, each with each seed: trained by Adam on the squared error of the logarithm.

    A forecast of the logarithm is converted to one of the variance as for a log-normal: half the
    variance of the training residuals is added before the exponential. Daily ranges leave out the
    changes overnight. Targets and forecasts are multiplied by one factor that corrects this: the
    mean squared return divided by the mean variance from the ranges, in the training part. GARCH
    needs no correction, because its returns include the night.

    Args:
        data: Samples as from `volatility_data`; by default the next week of the S&P 500.
        n_folds: The last 40 % of the days are split into this many test parts; the models are
            trained once for each.
        seeds: The seeds of the networks.
        epochs: The number of training epochs.
        networks: Functions by name that build a model from `(batch, n_features)` to `(batch, 1)`.
        garch: Whether to fit GARCH, which needs arch.

    Returns:
        A table with a row for each model, seed and fold. The columns are `model`, `seed`, `fold`,
        `first_day`, `n_train`, `n_test`, `n_weights`, `qlike`, `rmse` (of the annual volatility, in
        percentage points) and `seconds`.

    Example:

    >>> table = volatility_study(n_folds=1, networks={}, garch=False)
    >>> list(table.model)
    ['last days', 'HAR', 'log-HAR', 'linear']
    """
    data = volatility_data() if data is None else data
    rows = []
    folds = walk_forward(len(data.target), n_folds, gap=data.horizon)
    for fold, (train, test) in enumerate(folds):
        # The return of the day of the first forecast is the last that is known.
        known = data.returns[: int(test[0]) + MONTH]
        factor = float(np.mean(known[MONTH:] ** 2) / np.mean(data.past[: int(test[0]) + 1, 0]))
        target = factor * data.target[test]

        def add(
            model: str,
            seed: int | None,
            forecast: np.ndarray,
            n_weights: int,
            start: float,
            where: tuple[int, np.ndarray, np.ndarray, np.ndarray] = (fold, train, test, target),
        ) -> None:
            number, training, testing, truth = where
            rows.append(
                {"model": model, "seed": seed, "fold": number}
                | {"first_day": str(data.dates[testing[0]])[:10]}
                | {"n_train": len(training), "n_test": len(testing), "n_weights": n_weights}
                | {"qlike": qlike(truth, forecast), "rmse": rmse(truth, forecast)}
                | {"seconds": time.perf_counter() - start}
            )

        for name, forecaster in _CLASSICAL.items():
            start = time.perf_counter()
            forecast, n_weights = forecaster(data, train, test)
            add(name, None, factor * forecast, n_weights, start)
        if garch:
            start = time.perf_counter()
            add("GARCH(1,1)", None, _garch(data, test), 4, start)
        for name, build in networks.items():
            for seed in seeds:
                start = time.perf_counter()
                forecast, n_weights = _network(build, data, train, test, seed, epochs)
                add(name, seed, factor * forecast, n_weights, start)
    return pd.DataFrame(rows)


def _last_days(data: VolatilityData, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, int]:
    column = int(np.argmin(np.abs(np.array([1, 5, MONTH]) - data.horizon)))
    return data.past[test, column], 0


def _least_squares(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the coefficients, the intercept first, and the residuals."""
    matrix = np.column_stack([np.ones(len(x)), x])
    coefficients = np.linalg.lstsq(matrix, y, rcond=None)[0]
    return coefficients, y - matrix @ coefficients


def _har(data: VolatilityData, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, int]:
    coefficients, _ = _least_squares(data.past[train], data.target[train])
    forecast = coefficients[0] + data.past[test] @ coefficients[1:]
    # A linear forecast can fall below 0 on a quiet day; a variance can't.
    return np.maximum(forecast, data.target[train].min()), len(coefficients)


def _linear_in_logs(
    data: VolatilityData, features: np.ndarray, train: np.ndarray, test: np.ndarray
) -> tuple[np.ndarray, int]:
    coefficients, left = _least_squares(features[train], np.log(data.target[train]))
    forecast = coefficients[0] + features[test] @ coefficients[1:]
    return np.exp(forecast + left.var() / 2), len(coefficients)


def _log_har(data: VolatilityData, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, int]:
    return _linear_in_logs(data, data.features[:, :3], train, test)


def _linear(data: VolatilityData, train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, int]:
    return _linear_in_logs(data, data.features, train, test)


_CLASSICAL: Mapping[
    str, Callable[[VolatilityData, np.ndarray, np.ndarray], tuple[np.ndarray, int]]
] = {"last days": _last_days, "HAR": _har, "log-HAR": _log_har, "linear": _linear}


def _garch(data: VolatilityData, test: np.ndarray) -> np.ndarray:
    """Returns forecasts of a GARCH(1,1) with a constant mean, fitted before the first test day.

    Later returns update the conditional variance, not the parameters.
    """
    percent = 100 * data.returns
    model = arch_module("arch").arch_model(percent, mean="Constant", vol="GARCH", p=1, q=1)
    days = test + MONTH - 1
    fitted = model.fit(last_obs=int(days[0]) + 1, disp="off")
    paths = fitted.forecast(horizon=data.horizon, start=int(days[0]), reindex=False)
    variances: np.ndarray = paths.variance.to_numpy()[: len(days)].mean(axis=1) / 100**2
    return variances


@kept_seeds()
def _network(
    build: Builder,
    data: VolatilityData,
    train: np.ndarray,
    test: np.ndarray,
    seed: int,
    epochs: int,
) -> tuple[np.ndarray, int]:
    keras.utils.set_random_seed(seed)
    features, target = data.features, np.log(data.target)
    centre, spread = features[train].mean(0), features[train].std(0)
    middle, width = target[train].mean(), target[train].std()
    # Three standard deviations become angles of less than a quarter turn. A sine is monotonic over
    # this range, so a circuit can tell larger values from smaller ones.
    x = (np.clip((features - centre) / spread, -3, 3) / 2).astype("float32")
    y = ((target - middle) / width).astype("float32")
    model = build(x.shape[1])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(x[train], y[train], batch_size=128, epochs=epochs, verbose=0)
    found = middle + width * ops.convert_to_numpy(model(x, training=False))[:, 0].astype(float)
    left = target[train] - found[train]
    return np.exp(found[test] + left.var() / 2), model.count_params()
