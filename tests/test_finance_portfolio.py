"""Portfolios: the QUBO, the enumeration and the continuous optimum agree where they must."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qkeras_hybrid import ArgumentError, finance
from qkeras_hybrid.annealing import solve

pytest.importorskip("arch")


def moments(n: int = 7, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n, 3))
    return rng.normal(0.08, 0.05, n), (factors @ factors.T + np.eye(n)) / 50


def test_two_assets_without_correlation_are_weighted_by_their_precisions() -> None:
    # With equal means, w_1 / w_2 = variance_2 / variance_1.
    weights = finance.markowitz([0.05, 0.05], np.diag([0.09, 0.03]), risk_aversion=3.0)
    assert weights == pytest.approx([0.25, 0.75], abs=1e-6)


def test_without_risk_aversion_all_goes_into_the_largest_mean() -> None:
    mean, covariance = moments()
    weights = finance.markowitz(mean, covariance, risk_aversion=0.0)
    assert weights == pytest.approx(np.eye(7)[np.argmax(mean)], abs=1e-6)


@pytest.mark.parametrize("scale", [1e-4, 1.0])
def test_the_continuous_optimum_satisfies_its_conditions(scale: float) -> None:
    mean, covariance = moments()
    mean, covariance = scale * mean, scale * covariance
    weights = finance.markowitz(mean, covariance, risk_aversion=4.0)
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert weights.min() >= 0
    # Karush, Kuhn, Tucker: the same slope at each asset that is held, none larger elsewhere.
    slope = (mean - 8 * covariance @ weights) / scale
    held = weights > 1e-5
    assert held.sum() > 1
    assert np.ptp(slope[held]) < 1e-5  # of SLSQP
    assert (slope[~held] <= slope[held].mean() + 1e-5).all()


@pytest.mark.parametrize("n_assets", [1, 3, 7])
def test_the_energy_of_the_problem_is_the_utility_of_equal_weights(n_assets: int) -> None:
    mean, covariance = moments()
    problem = finance.equal_weights_problem(mean, covariance, n_assets, 2.5)
    for bits in finance.choices(7, n_assets):
        energy = float(problem.energies(bits))
        expected = finance.utility(bits / n_assets, mean, covariance, 2.5)
        assert -energy / n_assets == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("solver", ["exact", "simulated_annealing", "tabu"])
def test_solvers_find_what_enumeration_finds(solver: str) -> None:
    mean, covariance = moments()
    weights = finance.enumerate_portfolios(mean, covariance, 3, 2.5)
    found = solve(finance.equal_weights_problem(mean, covariance, 3, 2.5), solver, seed=0)
    assert found.feasible
    assert list(found.values.values()) == (weights > 0).astype(int).tolist()


def test_there_are_as_many_choices_as_the_binomial_coefficient_says() -> None:
    bits = finance.choices(9, 4)
    assert len(np.unique(bits, axis=0)) == len(bits) == math.comb(9, 4)
    assert (bits.sum(axis=1) == 4).all()


def test_the_study_on_real_returns_orders_the_methods_as_they_must_be() -> None:
    table = finance.portfolio_study(seeds=[0, 1])
    utility = table.groupby("method").utility.max()
    gap = table.set_index("method").gap
    assert table.feasible.all()
    assert gap["exact"].abs().max() < 1e-12
    assert (gap[["exact", "simulated_annealing", "tabu", "largest means"]] > -1e-12).all()
    assert utility["best weights"] >= utility["best weights of 4"] - 1e-9
    assert utility["best weights of 4"] >= utility["enumeration"] - 1e-9
    assert (utility["best weights"] >= utility - 1e-9).all()
    assert len(table.assets[0].split(", ")) == 4
    assert set(table.assets[0].split(", ")) <= set(finance.returns().columns)
    assert table[["later_utility", "later_mean", "later_volatility"]].notna().all(axis=None)


def test_later_months_change_no_choice() -> None:
    table = finance.returns()
    changed = table.copy()
    changed.iloc[150:] = -changed.iloc[150:]
    before, after = (
        finance.portfolio_study(each, solvers=["exact"], train_share=0.6)
        for each in (table, changed)
    )
    assert before.assets.equals(after.assets)
    assert before.utility.equals(after.utility)
    assert not before.later_mean.equals(after.later_mean)


MEAN, COVARIANCE = moments(3)


@pytest.mark.parametrize(
    ("mean", "covariance", "argument", "sentence"),
    [
        ([0.1], [[0.04]], "mean", "at least two assets"),
        ([0.1, math.nan, 0.2], COVARIANCE, "mean", "finite"),
        ([[0.1, 0.2, 0.3]], COVARIANCE, "mean", "1 dimensions"),
        ([], COVARIANCE, "mean", "empty"),
        ("ab", COVARIANCE, "mean", "numbers"),
        (MEAN, COVARIANCE[:2], "covariance", r"shape \(3, 3\)"),
        (MEAN, COVARIANCE + np.triu(np.ones((3, 3)), 1), "covariance", "symmetric"),
        (MEAN, -COVARIANCE, "covariance", "negative eigenvalue"),
        (MEAN, COVARIANCE * math.inf, "covariance", "finite"),
    ],
)
def test_wrong_moments_are_refused(
    mean: Any, covariance: Any, argument: str, sentence: str
) -> None:
    for function in (
        lambda: finance.markowitz(mean, covariance),
        lambda: finance.enumerate_portfolios(mean, covariance, 1),
        lambda: finance.equal_weights_problem(mean, covariance, 1),
    ):
        with pytest.raises(ArgumentError, match=sentence) as error:
            function()
        assert error.value.argument == argument


@pytest.mark.parametrize("n_assets", [0, 4, -1, 1.5, True, None])
def test_a_number_of_assets_that_is_not_there_is_refused(n_assets: Any) -> None:
    for function in (finance.enumerate_portfolios, finance.equal_weights_problem):
        with pytest.raises(ArgumentError, match="`n_assets`"):
            function(MEAN, COVARIANCE, n_assets)


def test_an_infeasible_constraint_is_named() -> None:
    with pytest.raises(ArgumentError, match="constraint 'n_assets'"):
        finance.portfolio_study(n_assets=10)


def test_more_choices_than_can_be_tried_are_refused() -> None:
    with pytest.raises(ArgumentError, match="200,000 choices"):
        finance.choices(40, 20)


def test_a_negative_risk_aversion_is_refused() -> None:
    with pytest.raises(ArgumentError, match="`risk_aversion`"):
        finance.markowitz(MEAN, COVARIANCE, -1.0)


def test_wrong_tables_of_returns_are_refused() -> None:
    good = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 3)))
    cases = {
        "at least two assets": good[[0]],
        "finite": good.replace(good.iloc[3, 1], math.nan),
        "at least three months": good.iloc[:2],
    }
    for sentence, table in cases.items():
        with pytest.raises(ArgumentError, match=sentence):
            finance.portfolio_study(table, n_assets=1)
    with pytest.raises(ArgumentError, match="`train_share`"):
        finance.portfolio_study(good, n_assets=1, train_share=1.0)
