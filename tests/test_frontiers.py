"""Frontiers: Pareto fronts in closed form, what is needed for a score, and what is said of it."""

from __future__ import annotations

import itertools
import math
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats

import made_rows
from made_rows import frontier as rows
from qkeras_hybrid.bench.statistics import Frontier, frontiers, fronts
from qkeras_hybrid.bench.statistics.contests import needs
from qkeras_hybrid.bench.statistics.fronts import (
    Needed,
    Scores,
    front,
    overlap,
    ratio_interval,
    weights,
)


def only(found: list[Frontier]) -> Frontier:
    (one,) = found
    return one


HYBRID = [(20, 0.6), (40, 0.8), (80, 0.79), (160, 0.9)]
DENSE = [(20, 0.5), (40, 0.6), (80, 0.7), (160, 0.95)]
PLANTED = {"hybrid": HYBRID, "dense_same_parameters": DENSE}


# Fronts.


def test_a_front_is_the_best_mean_up_to_each_cost() -> None:
    one = only(frontiers(rows(PLANTED)))
    assert [front.contender for front in one.fronts["parameters"]] == list(PLANTED)
    hybrid = one.fronts["parameters"][0]
    assert hybrid.costs == (20, 40, 80, 160)
    assert hybrid.best == pytest.approx((0.6, 0.8, 0.8, 0.9))
    assert [point.mean for point in hybrid.points] == pytest.approx([0.6, 0.8, 0.79, 0.9])
    # Without a spread there is nothing to be unsure of.
    assert hybrid.low == pytest.approx(hybrid.best)
    assert hybrid.high == pytest.approx(hybrid.best)
    assert (one.seeds, one.n_train, len(one.comparisons), one.failed) == (10, 112, 4, 0)


def test_of_equal_costs_the_better_counts() -> None:
    values = np.array([[0.5, 0.7], [0.8, 0.8], [0.9, 0.7]])
    made = front("x", Scores(np.array([30.0, 10.0, 30.0]), values), weights(2))
    assert made.costs == (10, 30)
    assert made.best == pytest.approx((0.8, 0.8))
    assert [point.cost for point in made.points] == [10, 30, 30]


@hypothesis.given(
    costs=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    data=st.data(),
    sign=st.sampled_from([1, -1]),
)
@hypothesis.settings(max_examples=40, deadline=None)
def test_no_point_lies_above_the_front_and_it_never_falls(
    costs: list[int], data: Any, sign: int
) -> None:
    finite = st.floats(0, 1)
    values = np.array([[data.draw(finite) for _ in range(3)] for _ in costs])
    made = front("x", Scores(np.array(costs, float), values), weights(3, 50), sign)
    assert all(sign * b >= sign * a for a, b in itertools.pairwise(made.best))
    for cost, row in zip(costs, values, strict=True):
        at = made.best[made.costs.index(cost)]
        # Float sums in another order.
        assert sign * at >= sign * row.mean() - 1e-12
    for low, best, high in zip(made.low, made.best, made.high, strict=True):
        assert low <= high
        assert min(values.min(), best) <= low + 1e-12


def test_the_band_of_one_size_is_scipys_bootstrap_of_its_mean() -> None:
    values = np.random.default_rng(1).normal(0.8, 0.05, 10)
    made = front("x", Scores(np.array([5.0]), values[np.newaxis]), weights(10))
    expected = scipy.stats.bootstrap(
        (values,), np.mean, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    # Another draw of as many resamples moves an end by about a thirtieth of the interval.
    slack = 0.05 * (expected.high - expected.low)
    assert made.low[0] == pytest.approx(expected.low, abs=slack)
    assert made.high[0] == pytest.approx(expected.high, abs=slack)


def test_a_missing_seed_is_in_no_mean() -> None:
    values = np.array([[0.5, np.nan, 0.7], [np.nan, np.nan, 0.9]])
    found = fronts.means(values, np.array([[1.0, 1, 1], [2, 1, 0], [0, 3, 0]]))
    np.testing.assert_allclose(found, [[0.6, 0.9], [0.5, np.nan], [np.nan, np.nan]])


def test_one_seed_has_no_band() -> None:
    one = only(frontiers(rows(PLANTED, seeds=1)))
    assert all(math.isnan(value) for value in one.fronts["parameters"][0].low)
    assert math.isnan(one.reaches["hybrid"][0].low)
    assert one.contests["dense_same_parameters"].need == "too few seeds"


def test_where_less_is_better_the_front_falls() -> None:
    planted = {
        "hybrid": [(10, 0.4), (20, 0.2), (40, 0.3)],
        "linear": [(10, 0.5), (20, 0.4), (40, 0.1)],
    }
    one = only(frontiers(rows(planted, metric="regret")))
    assert one.fronts["parameters"][0].best == pytest.approx((0.4, 0.2, 0.2))
    assert (one.best_contender, one.best) == ("linear", pytest.approx(0.1))
    # Down to the best over the share.
    assert [reach.target for reach in one.reaches["linear"]] == pytest.approx(
        [0.1 / 0.9, 0.1 / 0.95, 0.1 / 0.99]
    )
    assert [reach.cost for reach in one.reaches["hybrid"]] == [math.inf] * 3


# What is needed.


def test_the_parameters_to_reach_shares_of_the_best() -> None:
    one = only(frontiers(rows(PLANTED)))
    assert (one.best_contender, one.best) == ("dense_same_parameters", pytest.approx(0.95))
    hybrid, dense = one.reaches["hybrid"], one.reaches["dense_same_parameters"]
    # 0.855, 0.9025 and 0.9405: the hybrid's best is 0.9.
    assert [reach.target for reach in hybrid] == pytest.approx([0.855, 0.9025, 0.9405])
    assert [reach.cost for reach in hybrid] == [160, math.inf, math.inf]
    assert [reach.cost for reach in dense] == [160, 160, 160]
    assert (hybrid[0].low, hybrid[0].high) == (160, 160)


def test_an_interval_holds_the_sizes_that_resamples_come_to() -> None:
    # Seeds 0 to 4 reach the target with the small network, seeds 5 to 9 with the large one only.
    made = rows({"hybrid": [(10, 0.0), (100, 1.0)], "linear": [(10, 0.0), (100, 1.0)]})
    made = made_rows.changed(
        made,
        lambda row: row.contender == "linear" and row.parameters == 10,
        test_score=lambda row: 1.0 if row.seed < 5 else 0.9,
    )
    reach = only(frontiers(made)).reaches["linear"][1]
    # The mean is 0.95 of all seeds, and of a resample the more seeds below 5 it has.
    assert (reach.cost, reach.low, reach.high) == (10, 10, 100)


@pytest.mark.parametrize(
    ("hybrid", "dense", "need"),
    [
        ([(20, 0.9), (40, 0.9)], [(20, 0.5), (40, 0.9)], "fewer"),
        ([(20, 0.5), (40, 0.9)], [(20, 0.9), (40, 0.9)], "more"),
        ([(20, 0.9), (40, 0.9)], [(21, 0.9), (42, 0.9)], "as many"),
        ([(20, 0.5), (40, 0.6)], [(20, 0.9), (40, 0.9)], "more"),  # never gets there
    ],
)
def test_without_a_spread_needs_are_what_was_planted(
    hybrid: list[tuple[int, float]], dense: list[tuple[int, float]], need: str
) -> None:
    planted = {"hybrid": hybrid, "dense_same_parameters": dense}
    one = only(frontiers(rows(planted)))
    assert one.contests["dense_same_parameters"].need == need
    assert one.thriftiest is not None
    assert one.thriftiest.need == need


def test_noise_leaves_needs_open() -> None:
    same = [(20, 0.7), (40, 0.8), (80, 0.82)]
    one = only(frontiers(rows({"hybrid": same, "linear": same}, spread=0.1)))
    contest = one.contests["linear"]
    assert contest.need == "can't be told"
    assert contest.low <= 1 <= contest.high


def false_claims(ours: list[float], theirs: list[float], n: int, k: int, spread: float) -> float:
    """The share of draws in which fewer or more is said of needs that are the same in truth.

    Args:
        ours: The true scores of the hybrid by size.
        theirs: Those of the others; all have the same sizes.
        n: The number of seeds.
        k: The number of others.
        spread: The standard deviation of scores over seeds.
    """
    names = ["hybrid", *CLASSICAL[:k]]
    rng, drawn = np.random.default_rng(n), weights(n, 999)
    costs = np.array([20.0, 40, 80, 160, 320])
    claims, draws = 0, 300
    for _ in range(draws):
        compared = {
            name: Scores(costs, np.array([true]).T + rng.normal(0, spread, (5, n)))
            for name, true in zip(names, [ours, *[theirs] * k], strict=True)
        }
        *_, each, thriftiest = needs(compared, drawn, 1)
        assert thriftiest is not None
        claims += {"fewer", "more"} & {
            thriftiest.need,
            *(one.need for one in each.values()),
        } != set()
    return claims / draws


CLASSICAL = ("dense_same_parameters", "linear", "low_rank_dense", "hashed_dense", "mlp")
FLAT, RISING = [0.7, 0.9, 0.9, 0.9, 0.9], [0.8, 0.84, 0.86, 0.88, 0.9]
# What just reaches 95 % of the best with the second size, and what just fails with the first.
BARELY, NOT_YET = [0.7, 0.8551, 0.9, 0.9, 0.9], [0.8549, 0.9, 0.9, 0.9, 0.9]


@pytest.mark.slow
@pytest.mark.parametrize("n", [6, 10])
@pytest.mark.parametrize(
    ("ours", "theirs", "k", "spread"),
    [
        (RISING, RISING, 1, 0.03),
        # The thriftiest of several is so by chance.
        (FLAT, FLAT, 5, 0.1),
        (RISING, RISING, 5, 0.03),
        # On the edge of another truth, in each of its directions.
        (BARELY, FLAT, 1, 0.02),
        (FLAT, BARELY, 1, 0.02),
        (FLAT, NOT_YET, 1, 0.02),
    ],
)
def test_what_is_claimed_of_equal_needs_is_rarely_false(
    ours: list[float], theirs: list[float], k: int, spread: float, n: int
) -> None:
    # 5 %, and what 300 draws may differ from it by chance, with two standard errors.
    assert false_claims(ours, theirs, n, k, spread) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)


def test_the_thriftiest_of_equals_is_not_less_by_chance() -> None:
    # Of six contenders that are the same, with the largest spread, "more" was said in 17 %.
    names = ["hybrid", *CLASSICAL]
    rng, drawn = np.random.default_rng(6), weights(6, 999)
    said = []
    for _ in range(60):
        compared = {
            name: Scores(
                np.array([20.0, 40, 80]), np.array([[0.7, 0.9, 0.9]]).T + rng.normal(0, 0.1, (3, 6))
            )
            for name in names
        }
        thriftiest = needs(compared, drawn, 1)[-1]
        assert thriftiest is not None
        said.append(thriftiest.need)
    # 5 % of 60, and two standard errors
    assert sum(one in ("more", "fewer") for one in said) <= 6


def test_widened_percentiles_are_students_interval() -> None:
    values = np.random.default_rng(3).normal(0.8, 0.05, (1, 6))
    found = fronts.widened(fronts.means(values, weights(6)), values, 0.05)
    assert found[0] == pytest.approx(values.mean())
    student = scipy.stats.t.interval(0.95, 5, values.mean(), scipy.stats.sem(values[0]))
    # The bootstrap's shape is not the normal one.
    slack = 0.1 * (student[1] - student[0])
    assert np.quantile(found[1:], [0.025, 0.975]) == pytest.approx(student, abs=slack)


def test_the_thriftiest_is_classical_and_looked_for_among_all() -> None:
    planted = {
        "hybrid": [(20, 0.5), (40, 0.9)],
        "dense_same_parameters": [(20, 0.5), (80, 0.9)],
        "linear": [(30, 0.9), (60, 0.9)],
        "frozen_circuit": [(20, 0.9), (40, 0.9)],
    }
    one = only(frontiers(rows(planted)))
    assert one.thriftiest is not None
    assert (one.thriftiest.contender, one.thriftiest.need) == ("linear", "more")
    assert one.thriftiest.ratio == pytest.approx(40 / 30)
    assert one.contests["frozen_circuit"].need == "more"
    assert one.contests["dense_same_parameters"].need == "fewer"


def test_what_no_size_reaches_takes_more_than_the_largest() -> None:
    def needed(cost: float, *sizes: float) -> Needed:
        return Needed.of(np.full(1001, cost), np.array(sizes) if sizes else None)

    never = math.inf
    ratio, low, high = ratio_interval(needed(never, 5, 50), needed(never, 5, 50))
    assert math.isnan(ratio)
    assert (low, high) == (0.0, math.inf)
    assert ratio_interval(needed(20, 5, 50), needed(10, 5, 50)) == (2.0, 2.0, 2.0)
    # Theirs is over 50: the ratio is below 10 / 50, and may be anything below.
    assert ratio_interval(needed(10, 5, 40), needed(never, 5, 50)) == pytest.approx((0, 0, 0.2))
    # Ours is over 40, whatever it is.
    at_least_4 = pytest.approx((never, 4, never))
    assert ratio_interval(needed(never, 5, 40), needed(10, 5, 50)) == at_least_4
    # What can have no other size never gets there.
    assert ratio_interval(needed(10, 5, 40), needed(never)) == (0.0, 0.0, 0.0)


def test_what_the_smallest_size_reaches_takes_at_most_that() -> None:
    def needed(cost: float, *sizes: float) -> Needed:
        return Needed.of(np.full(1001, cost), np.array(sizes) if sizes else None)

    # Ours is at most 10: the ratio is at most 0.5.
    assert ratio_interval(needed(10, 10, 50), needed(20, 5, 50)) == (0.5, 0.0, 0.5)
    # Theirs is at most 10: the ratio is at least 2.
    assert ratio_interval(needed(20, 5, 50), needed(10, 10, 50)) == (2.0, 2.0, math.inf)
    # Both are, in any ratio.
    assert ratio_interval(needed(20, 20, 50), needed(10, 10, 50)) == (2.0, 0.0, math.inf)
    # What can have no other size needs what it has.
    assert ratio_interval(needed(20, 5, 50), needed(10)) == (2.0, 2.0, 2.0)


SMALL, LARGE = [(20, 0.97), (40, 0.97)], [(30, 0.97), (60, 0.97)]


@pytest.mark.parametrize(
    ("planted", "need", "at_smallest"),
    [
        ((SMALL, LARGE), "can't be told", ("hybrid", "dense_same_parameters")),
        ((LARGE, SMALL), "can't be told", ("hybrid", "dense_same_parameters")),
        # At the smallest sizes as many is what was seen.
        ((SMALL, SMALL), "as many", ("hybrid", "dense_same_parameters")),
        # One of them was tried with 10, and the other wasn't.
        ((SMALL, [(10, 0.5), (20, 0.97), (40, 0.97)]), "can't be told", ("hybrid",)),
        (([(10, 0.5), (20, 0.97), (40, 0.97)], SMALL), "can't be told", ("dense_same_parameters",)),
        # Whatever else the one that is ahead may do with, it is ahead.
        ((SMALL, [(20, 0.5), (30, 0.97)]), "fewer", ("hybrid",)),
        (([(20, 0.5), (30, 0.97)], SMALL), "more", ("dense_same_parameters",)),
    ],
)
def test_the_smallest_size_that_was_run_may_not_be_the_least(
    planted: tuple[list[tuple[int, float]], ...], need: str, at_smallest: tuple[str, ...]
) -> None:
    hybrid, dense = planted
    one = only(frontiers(rows({"hybrid": hybrid, "dense_same_parameters": dense})))
    for contest in (one.contests["dense_same_parameters"], one.thriftiest):
        assert contest is not None
        assert (contest.need, contest.at_smallest) == (need, at_smallest)


def test_one_size_is_undercut_only_by_sizes_that_were_run() -> None:
    def against_15(hybrid: list[tuple[int, float]]) -> str:
        planted = {"hybrid": hybrid, "linear_model": [(15, 0.97), (15, 0.97)]}
        return only(frontiers(rows(planted))).contests["linear_model"].need

    # Whether the hybrid would do with less than 25 was not tried.
    assert against_15([(25, 0.97), (60, 0.97)]) == "can't be told"
    assert against_15([(15, 0.97), (60, 0.97)]) == "can't be told"
    assert against_15([(15, 0.5), (60, 0.97)]) == "more"
    # The linear model has no smaller size.
    assert against_15([(5, 0.5), (10, 0.97)]) == "fewer"
    assert against_15([(5, 0.5), (15, 0.97)]) == "as many"


def test_a_contender_that_may_do_with_less_leaves_the_thriftiest_open() -> None:
    planted = {
        "hybrid": [(10, 0.5), (20, 0.97), (80, 0.97)],
        "dense_same_parameters": [(10, 0.5), (40, 0.97)],
        # Not tried with fewer than 50.
        "linear": [(50, 0.97), (80, 0.97)],
    }
    one = only(frontiers(rows(planted)))
    assert one.contests["dense_same_parameters"].need == "fewer"
    assert one.contests["linear"].need == "can't be told"
    assert one.thriftiest is not None
    assert one.thriftiest.contender == "dense_same_parameters"
    assert (one.thriftiest.need, one.thriftiest.at_smallest) == ("can't be told", ("linear",))


@pytest.mark.parametrize("how", ["failed", "missing"])
@pytest.mark.parametrize("whose", ["hybrid", "dense_same_parameters"])
@pytest.mark.parametrize(("has", "need"), [(4, "too few seeds"), (6, "fewer")])
@pytest.mark.filterwarnings("error")
def test_verdicts_need_seeds_of_both(how: str, whose: str, has: int, need: str) -> None:
    planted = {
        "hybrid": [(20, 0.97), (40, 0.97)],
        "dense_same_parameters": [(20, 0.6), (40, 0.6)],
    }
    if how == "failed":
        made = rows(planted, fails=[(whose, seed) for seed in range(has, 10)])
    else:
        made = [row for row in rows(planted) if row.contender != whose or row.seed < has]
    one = only(frontiers(made))
    assert one.seeds == 10
    for contest in (one.contests["dense_same_parameters"], one.thriftiest):
        assert contest is not None
        assert (contest.need, contest.seeds) == (need, has)


def test_the_size_with_the_fewest_seeds_counts() -> None:
    planted = {"hybrid": HYBRID, "dense_same_parameters": DENSE, "linear": DENSE}
    made = [
        row
        for row in rows(planted)
        if (row.contender, row.parameters) != ("linear", 40) or row.seed < 1
    ]
    one = only(frontiers(made))
    assert one.contests["linear"].need == "too few seeds"
    assert one.contests["dense_same_parameters"].need != "too few seeds"
    assert one.thriftiest is not None
    assert (one.thriftiest.need, one.thriftiest.seeds) == ("too few seeds", 1)
    assert math.isnan(one.reaches["linear"][0].low)


def test_seeds_that_failed_everywhere_are_no_seeds() -> None:
    fails = [(name, seed) for name in PLANTED for seed in range(4, 10)]
    one = only(frontiers(rows(PLANTED, fails=fails)))
    assert (one.seeds, one.failed) == (4, 48)
    assert one.contests["dense_same_parameters"].need == "too few seeds"


def test_more_than_was_tried_is_not_more_than_the_hybrids() -> None:
    # The Dense network was tried with up to 60 parameters alone; the hybrid needs 160.
    planted = {"hybrid": HYBRID, "dense_same_parameters": [(20, 0.5), (60, 0.6)]}
    assert only(frontiers(rows(planted))).contests["dense_same_parameters"].need == "can't be told"
    # Nor is the hybrid worse than what is larger than all of its sizes.
    planted = {"hybrid": [(20, 0.5), (60, 0.6)], "dense_same_parameters": HYBRID}
    assert only(frontiers(rows(planted))).contests["dense_same_parameters"].need == "can't be told"
    # At the same largest size it is.
    planted = {"hybrid": [(20, 0.5), (160, 0.6)], "dense_same_parameters": HYBRID}
    assert only(frontiers(rows(planted))).contests["dense_same_parameters"].need == "more"


def test_a_linear_model_is_compared_though_it_has_one_size() -> None:
    planted = {"hybrid": HYBRID, "dense_same_parameters": DENSE, "linear_model": [(5, 0.93)]}
    one = only(frontiers(rows(planted)))
    assert one.thriftiest is not None
    assert (one.thriftiest.contender, one.thriftiest.need) == ("linear_model", "more")
    worse = {"hybrid": [(20, 0.9), (40, 0.9)], "linear_model": [(5, 0.5)]}
    assert only(frontiers(rows(worse))).contests["linear_model"].need == "fewer"


@pytest.mark.parametrize("best", [0.0, -0.3])
def test_of_a_best_score_not_over_0_there_are_no_shares(best: float) -> None:
    planted = {"hybrid": [(10, best), (20, best - 1)], "linear": [(10, best), (20, best)]}
    one = only(frontiers(rows(planted, metric="r2")))
    assert one.best == pytest.approx(best)
    assert (one.reaches, one.contests, one.thriftiest) == ({}, {}, None)


# What can't be compared.


def test_sizes_that_overlap_too_little_are_said_and_not_drawn() -> None:
    planted = {
        "hybrid": HYBRID,
        "dense_same_parameters": [(1_000, 0.5), (9_000, 0.99)],
        "linear": [(30, 0.5), (60, 0.6)],
        "mlp": [(155, 0.9), (15_500, 0.9)],
    }
    one = only(frontiers(rows(planted)))
    assert [front.contender for front in one.fronts["parameters"]] == ["hybrid", "linear"]
    assert one.apart["parameters"] == (
        ("dense_same_parameters", 1_000, 9_000),
        ("mlp", 155, 15_500),
    )
    assert set(one.contests) == {"linear"}
    # The best is one of those that are compared.
    assert one.best == pytest.approx(0.9)


def test_a_frontier_with_nothing_to_compare_is_drawn_nowhere() -> None:
    far = {"hybrid": HYBRID, "linear": [(1_000, 0.5), (9_000, 0.99)]}
    one = only(frontiers(rows(far)))
    assert "parameters" not in one.fronts
    assert one.thriftiest is None
    one = only(frontiers(rows({"hybrid": [(20, 0.5)] * 3, "linear": [(20, 0.5)] * 3})))
    assert "parameters" not in one.fronts


@hypothesis.given(
    a=st.lists(st.floats(1, 1e6), min_size=1, max_size=4),
    b=st.lists(st.floats(1, 1e6), min_size=1, max_size=4),
    factor=st.floats(0.1, 10),
)
@hypothesis.settings(max_examples=60, deadline=None)
def test_overlap_is_a_share_that_knows_no_units_or_order(
    a: list[float], b: list[float], factor: float
) -> None:
    share = overlap(a, b)
    assert 0 <= share <= 1 + 1e-9
    assert share == overlap(b, a)
    assert overlap(a, a) == 1
    scaled = overlap([factor * v for v in a], [factor * v for v in b])
    if len(set(a)) > 1 and len(set(b)) > 1 and min(max(a) / min(a), max(b) / min(b)) > 1.001:
        # Logarithms of rounded products, over a range of at least 0.001.
        assert scaled == pytest.approx(share, abs=1e-9)


def test_closed_forms_of_overlap() -> None:
    assert overlap([1, 100], [10, 1000]) == pytest.approx(0.5)
    assert overlap([1, 10_000], [10, 100]) == pytest.approx(1)
    assert overlap([1, 10], [11, 100]) == 0
    assert overlap([20, 40], [49]) == 1  # within a quarter of 40
    assert overlap([20, 40], [51]) == 0


# Other axes, and what belongs together.


def test_fronts_against_samples_take_the_best_size_at_each() -> None:
    made = rows(PLANTED, n_train=(20, 40, 80), gain=0.01)
    one = only(frontiers(made))
    hybrid = one.fronts["n_train"][0]
    assert hybrid.costs == (20, 40, 80)
    assert hybrid.best == pytest.approx((0.9, 0.91, 0.92))
    assert len(hybrid.points) == 12
    # Against all else, with all samples.
    assert one.n_train == 80
    assert one.fronts["parameters"][0].best == pytest.approx((0.62, 0.82, 0.82, 0.92))
    assert len(one.comparisons) == 12


def test_circuit_evaluations_are_those_of_circuits() -> None:
    planted = {**PLANTED, "frozen_circuit": HYBRID}
    made = made_rows.changed(
        rows(planted),
        lambda row: row.contender in ("hybrid", "frozen_circuit"),
        cost=lambda row: {"circuit_evaluations_total": 1000 * row.parameters},
    )
    one = only(frontiers(made))
    names = [front.contender for front in one.fronts["circuit_evaluations_total"]]
    assert names == ["hybrid", "frozen_circuit"]
    assert one.fronts["circuit_evaluations_total"][0].costs == (2e4, 4e4, 8e4, 16e4)


def test_rows_of_other_data_models_or_settings_are_other_frontiers() -> None:
    made = rows(PLANTED)
    more = rows(PLANTED, epochs=9)
    other = rows(PLANTED, tuned=False)
    found = frontiers([*made, *more, *other])
    assert len(found) == 3
    assert [one.tuned for one in found] == [True, True, False]
    assert found[0].like.model == {"name": "pqc_dense", "n_qubits": 4}
    # Rows outside of a frontier are left aside.
    plain = made_rows.comparison()
    assert frontiers(plain) == []
    assert len(frontiers([*plain, *made])) == 1


def test_failed_runs_are_counted_and_in_no_mean() -> None:
    made = rows(PLANTED, spread=0.01, fails=[("hybrid", 3)])
    one = only(frontiers(made))
    assert one.failed == 4
    assert {point.n for point in one.fronts["parameters"][0].points} == {9}
    dead = rows({"hybrid": HYBRID}, fails=[("hybrid", seed) for seed in range(10)])
    assert frontiers(dead) == []


def test_a_frontier_without_its_hybrid_has_no_contest() -> None:
    one = only(frontiers(rows({"linear": HYBRID, "mlp": DENSE})))
    assert one.contests == {}
    assert one.thriftiest is None
    assert set(one.reaches) == {"linear", "mlp"}


def test_seconds_are_those_of_runs_that_had_the_machine_to_themselves() -> None:
    planted = {"hybrid": HYBRID, "frozen_circuit": HYBRID}
    made = made_rows.changed(
        rows(planted),
        fit_seconds=lambda row: row.parameters / 10 if row.seed == 3 else 1000.0,
        timing_comparable=lambda row: row.seed == 3,
    )
    one = only(frontiers(made))
    assert one.timed
    assert one.fronts["fit_seconds"][0].costs == (2, 4, 8, 16)
    # Where one size has no such run, nothing is said of seconds.
    beside = made_rows.changed(
        made,
        lambda row: row.parameters == 40 and row.contender == "hybrid",
        timing_comparable=False,
    )
    one = only(frontiers(beside))
    assert not one.timed
    assert "fit_seconds" not in one.fronts
