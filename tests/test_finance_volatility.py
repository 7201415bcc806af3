"""Volatility forecasts see the past alone, and are measured as the literature measures them."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from qkeras_hybrid import ArgumentError, finance
from qkeras_hybrid.finance import volatility

pytest.importorskip("arch")

DATA = finance.volatility_data()


def prices_of_a_walk(n_days: int = 400, seed: int = 0) -> pd.DataFrame:
    steps = np.random.default_rng(seed).normal(0, 0.002, (n_days, 50))
    paths = 100 * np.exp(np.cumsum(steps).reshape(n_days, 50))
    return pd.DataFrame(
        {
            "Open": paths[:, 0],
            "High": paths.max(1),
            "Low": paths.min(1),
            "Close": paths[:, -1],
        },
        index=pd.bdate_range("2001-01-01", periods=n_days),
    )


def one_weight(n_features: int) -> keras.Model:
    inputs = keras.Input((n_features,))
    return keras.Model(inputs, keras.layers.Dense(1, use_bias=False)(inputs))


def test_the_variance_of_a_days_range_is_that_of_garman_and_klass() -> None:
    prices = pd.DataFrame({"Open": [100.0], "High": [104.0], "Low": [99.0], "Close": [101.0]})
    expected = 0.5 * math.log(104 / 99) ** 2 - (2 * math.log(2) - 1) * math.log(1.01) ** 2
    assert finance.daily_variances(prices)[0] == pytest.approx(expected, rel=1e-12)


def test_samples_look_back_a_day_a_week_a_month_and_ahead_the_horizon() -> None:
    prices = finance.index_prices()
    variances = finance.daily_variances(prices)
    for horizon in (1, 5):
        data = finance.volatility_data(prices, horizon)
        i, day = 100, 100 + 22
        assert data.dates[i] == prices.index[day]
        rolled = [variances[day - days + 1 : day + 1].mean() for days in (1, 5, 22)]
        # Differences of running sums lose some digits.
        assert data.past[i] == pytest.approx(rolled, rel=1e-9)
        ahead = variances[day + 1 : day + 1 + horizon].mean()
        assert data.target[i] == pytest.approx(ahead, rel=1e-9)
        log_return = math.log(prices.Close.iloc[day] / prices.Close.iloc[day - 1])
        assert data.returns[i + 21] == pytest.approx(log_return, rel=1e-12)
        assert data.surprise[i] == pytest.approx(log_return / math.sqrt(rolled[1]), rel=1e-9)
        assert len(data.returns) == len(data.target) + 22 + horizon - 1


def test_no_forecast_changes_when_the_future_does(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = prices_of_a_walk()
    data = finance.volatility_data(prices)
    (_, test), *_ = finance.walk_forward(len(data.target), 2, gap=data.horizon)
    last_known = 22 + int(test[0])  # the day of the first forecast of the first fold
    changed = prices.copy()
    changed.iloc[last_known + 1 :] *= np.array([[1.0, 1.3, 0.7, 1.1]])
    forecasts: list[list[float]] = []

    def first_forecast(target: np.ndarray, forecast: np.ndarray) -> float:
        forecasts[-1].append(float(forecast[0]))
        return 0.0

    monkeypatch.setattr(volatility, "qlike", first_forecast)
    for table in (prices, changed):
        forecasts.append([])
        finance.volatility_study(
            finance.volatility_data(table),
            n_folds=2,
            seeds=[0],
            epochs=1,
            networks={"network": one_weight},
        )
    n_models = 6
    # GARCH's optimizer is started from the same numbers, and ends at the same.
    assert forecasts[0][:n_models] == pytest.approx(forecasts[1][:n_models], rel=1e-9)
    assert forecasts[0][n_models] != pytest.approx(forecasts[1][n_models], rel=1e-3)


def test_har_is_least_squares_on_three_variances() -> None:
    table = finance.volatility_study(DATA, n_folds=1, networks={}, garch=False)
    ((train, test),) = finance.walk_forward(len(DATA.target), 1, gap=5)
    fitted = LinearRegression().fit(DATA.past[train], DATA.target[train])
    ranges = DATA.past[: test[0] + 1, 0]
    factor = np.mean(DATA.returns[22 : 22 + test[0]] ** 2) / ranges.mean()
    forecast = np.maximum(fitted.predict(DATA.past[test]), DATA.target[train].min())
    expected = finance.qlike(factor * DATA.target[test], factor * forecast)
    row = table[table.model == "HAR"].iloc[0]
    assert row.qlike == pytest.approx(expected, rel=1e-9)
    assert row.n_train == len(train)
    assert row.n_test == len(test)


def test_garch_forecasts_follow_its_recursion() -> None:
    from arch import arch_model

    test = np.arange(3000, 3010)
    forecast = volatility._garch(DATA, test)
    fitted = arch_model(100 * DATA.returns[: 3000 + 22]).fit(disp="off")
    omega, alpha, beta = fitted.params.iloc[1:]
    # The next day's variance, and for each day after it a step of alpha + beta to the mean.
    ahead = omega + alpha * fitted.resid[-1] ** 2 + beta * fitted.conditional_volatility[-1] ** 2
    days = [ahead]
    for _ in range(4):
        days.append(omega + (alpha + beta) * days[-1])
    # Two fits of the same data, by an iterative optimizer.
    assert forecast[0] * 100**2 == pytest.approx(np.mean(days), rel=1e-3)


def test_qlike_and_rmse_are_zero_for_a_perfect_forecast_and_grow_with_the_error() -> None:
    target = np.array([1e-4, 4e-4])
    assert finance.qlike(target, target) == 0
    assert finance.rmse(target, target) == 0
    assert finance.qlike(target, 2 * target) == pytest.approx(0.5 + math.log(2) - 1, rel=1e-12)
    # A volatility that is twice too large: off by 100 sqrt(252) times (1 %, 2 %).
    expected = 100 * math.sqrt(252) * math.sqrt((0.01**2 + 0.02**2) / 2)
    assert finance.rmse(target, 4 * target) == pytest.approx(expected, rel=1e-12)


def test_econometric_models_are_better_than_the_last_days() -> None:
    table = finance.volatility_study(DATA, n_folds=2, networks={})
    losses = table.groupby("model").qlike.mean()
    assert set(losses.index) == {"last days", "HAR", "log-HAR", "linear", "GARCH(1,1)"}
    assert losses["last days"] == losses.max()
    # Both models of logarithms are far ahead of the one of levels on skewed variances.
    assert losses["log-HAR"] < losses["HAR"]


def test_the_hybrid_and_its_control_have_about_as_many_weights_and_both_run() -> None:
    n_hybrid = volatility.hybrid_model(4).count_params()
    assert abs(volatility.dense_model(4).count_params() - n_hybrid) <= 3
    data = finance.volatility_data(prices_of_a_walk(200))
    np.random.seed(5)
    table = finance.volatility_study(
        data, n_folds=1, seeds=[3], epochs=1, garch=False, networks=volatility.NETWORKS
    )
    drawn = np.random.random()
    np.random.seed(5)
    assert drawn == np.random.random()  # the studies' seeds are theirs alone
    networks = table[table.seed.notna()]
    assert sorted(networks.model) == ["Dense", "hybrid"]
    assert np.isfinite(table[["qlike", "rmse"]].to_numpy()).all()
    assert (table.n_weights[table.model == "hybrid"] == n_hybrid).all()


@pytest.mark.parametrize("gap", [0, 5])
def test_each_fold_trains_on_what_lies_before_it(gap: int) -> None:
    folds = finance.walk_forward(103, 4, test_share=0.3, gap=gap)
    assert np.concatenate([test for _, test in folds]).tolist() == list(range(72, 103))
    for train, test in folds:
        assert train.tolist() == list(range(test[0] - gap))


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"n_folds": 0}, "n_folds"),
        ({"n_folds": 50}, "n_folds"),
        ({"test_share": 1.0}, "test_share"),
        ({"test_share": 0.0}, "test_share"),
        ({"gap": -1}, "gap"),
        ({"gap": 60}, "gap"),
        ({"gap": 0.5}, "gap"),
    ],
)
def test_a_wrong_split_is_refused(arguments: dict[str, Any], argument: str) -> None:
    with pytest.raises(ArgumentError) as error:
        finance.walk_forward(**{"n_samples": 100, "n_folds": 2} | arguments)
    assert error.value.argument == argument


def test_wrong_prices_are_refused() -> None:
    good = prices_of_a_walk(200)
    cases = {
        "columns": good.drop(columns="High"),
        "finite": good.assign(Close=np.nan),
        "above 0": good.assign(Low=-1.0),
        "between Low and High": good.assign(High=good.Low),
        "at least 105 days": good.iloc[:50],
    }
    for sentence, prices in cases.items():
        with pytest.raises(ArgumentError, match=sentence):
            finance.volatility_data(prices)
    with pytest.raises(ArgumentError, match="`horizon`"):
        finance.volatility_data(good, horizon=0)
    with pytest.raises(ArgumentError, match="`name`"):
        finance.index_prices("dax")


def test_nine_assets_come_as_aligned_monthly_returns() -> None:
    table = finance.returns()
    assert table.shape == (238, 9)
    assert str(table.index[0]) == "1999-02"
    assert str(table.index[-1]) == "2018-11"
    assert table.index.is_monotonic_increasing
    assert table.notna().all(axis=None)
    # October 2008, the index from 1166.36 to 968.75.
    assert table.loc["2008-10", "sp500"] == pytest.approx(968.75 / 1166.36 - 1, abs=1e-5)
    # Fama and French: Mkt-RF -17.23, RF 0.08 (in percent; revised by at most some hundredths).
    assert table.loc["2008-10", "market"] == pytest.approx(-0.1715, abs=1e-3)


def test_a_bond_whose_yield_stays_pays_its_coupon_and_one_whose_yield_rises_loses() -> None:
    from qkeras_hybrid.finance.series import _bond_returns

    found = _bond_returns(pd.Series([0.06, 0.06, 0.07]))
    assert found.iloc[1] == pytest.approx(0.005, abs=1e-12)
    # Forty coupons of 3 % at 3.5 % half a year.
    price = sum(0.03 / 1.035**i for i in range(1, 41)) + 1.035**-40
    assert found.iloc[2] == pytest.approx(0.005 + price - 1, abs=1e-12)


def test_without_arch_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def importing(name: str, package: str | None = None) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name="arch")

    monkeypatch.setattr("qkeras_hybrid.finance.series.importlib.import_module", importing)
    with pytest.raises(ModuleNotFoundError, match=r"qkeras-hybrid\[finance\]"):
        finance.returns()
    with pytest.raises(ModuleNotFoundError, match=r"qkeras-hybrid\[finance\]"):
        volatility._garch(DATA, np.arange(3000, 3010))
