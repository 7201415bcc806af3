"""Portfolios of predicted returns see the past alone, and learn what can be learned."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from qkeras_hybrid import ArgumentError, finance
from qkeras_hybrid.finance import regret

LINEAR = {"linear": regret.linear_model}


def predictable(n_months: int = 150, n_assets: int = 5) -> pd.DataFrame:
    """Returns of which each follows from the last: whoever looks knows the best asset."""
    rng = np.random.default_rng(0)
    values = np.zeros((n_months, n_assets))
    values[0] = rng.normal(0, 0.05, n_assets)
    for month in range(1, n_months):
        values[month] = -0.9 * values[month - 1] + rng.normal(0, 0.02, n_assets)
    return pd.DataFrame(values)


def test_features_are_the_last_return_and_the_mean_of_a_year() -> None:
    table = predictable()
    data = finance.returns_data(table)
    values = table.to_numpy()
    assert data.target[7] == pytest.approx(values[19], abs=0)
    assert data.features[7, :5] == pytest.approx(values[18], abs=0)
    assert data.features[7, 5:] == pytest.approx(values[7:19].mean(axis=0), abs=1e-15)


@pytest.mark.slow
def test_with_predictable_returns_each_loss_leads_to_good_choices() -> None:
    data = finance.returns_data(predictable())
    table = finance.regret_study(
        data, n_assets=2, n_folds=1, seeds=[0], epochs=60, networks=LINEAR
    ).set_index(["model", "loss"])
    networks = table.loc["linear"]
    assert len(networks) == 3
    # Nobody can foresee the noise of a month; who does not look misses several times as much.
    assert (networks.regret < table.regret[("history", None)] / 2).all()
    assert table.regret[("ridge", None)] < table.regret[("history", None)] / 2
    assert (table["mean"] <= 12 * np.sort(data.target, axis=1)[:, -2:].mean()).all()


def test_global_seeds_stay_as_they_were() -> None:
    data = finance.returns_data(predictable(60))
    states = []
    for train in (True, False):
        np.random.seed(3)
        if train:
            finance.regret_study(
                data, n_folds=1, seeds=[0], epochs=1, losses=["mse"], networks=LINEAR
            )
        states.append(np.random.random(3).tolist())
    assert states[0] == states[1]


def test_the_regret_of_no_choice_is_what_the_best_choice_would_have_added() -> None:
    data = finance.returns_data(predictable())
    table = finance.regret_study(data, n_assets=2, n_folds=2, networks={})
    ((_, first), (_, second)) = finance.walk_forward(len(data.target), 2)
    truth = data.target[np.concatenate([first, second])]
    best = np.sort(truth, axis=1)[:, -2:].mean(axis=1)
    row = table.iloc[0]
    assert row.regret == pytest.approx((best - truth.mean(axis=1)).sum() / np.abs(best).sum())
    assert row.missed == pytest.approx(100 * (best - truth.mean(axis=1)).mean())
    assert row["mean"] == pytest.approx(12 * truth.mean())


def test_no_prediction_changes_when_the_future_does() -> None:
    table = predictable()
    changed = table.copy()
    data = finance.returns_data(table)
    ((_, test),) = finance.walk_forward(len(data.target), 1)
    changed.iloc[12 + int(test[0]) :] *= -3.0  # the first return to be predicted, and all later
    problem = regret.Choices(finance.choices(5, 2) / 2)
    predictions = []
    for each in (table, changed):
        other = finance.returns_data(each)
        ((train, months),) = finance.walk_forward(len(other.target), 1)
        predictions.append(
            [
                regret._history(other, train, months)[0],
                regret._ridge(other, train, months)[0],
                regret._network(
                    regret.linear_model, other, problem, train, months, "spo_plus", seed=0, epochs=1
                )[0][0],
            ]
        )
    for before, after in zip(*predictions, strict=True):
        assert before == pytest.approx(after, rel=1e-6)


def test_the_circuit_has_about_as_many_weights_as_its_dense_control() -> None:
    hybrid, dense = regret.hybrid_model(18, 9), regret.dense_model(18, 9)
    assert abs(hybrid.count_params() - dense.count_params()) <= 4


def test_wrong_arguments_are_refused() -> None:
    data = finance.returns_data(predictable())
    with pytest.raises(ArgumentError, match="constraint 'n_assets'"):
        finance.regret_study(data, n_assets=6)
    with pytest.raises(ArgumentError, match="`losses`"):
        finance.regret_study(data, losses=["hinge"])
    with pytest.raises(ArgumentError, match="`n_folds`"):
        finance.regret_study(data, n_folds=0)
    table = predictable()
    for sentence, wrong in {
        "finite": table.replace(table.iloc[3, 1], np.nan),
        "two assets": table[[0]],
        "24 months": table.iloc[:20],
    }.items():
        with pytest.raises(ArgumentError, match=sentence):
            finance.returns_data(wrong)
