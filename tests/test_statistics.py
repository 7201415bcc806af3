"""Statistics: against SciPy on known samples, on planted effects, and where there is too little."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import scipy.stats

import made_rows
from made_rows import changed
from qkeras_hybrid.bench import report, statistics
from qkeras_hybrid.bench.report import judge, verdicts
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.statistics import (
    MIN_PAIRS,
    aggregate,
    bootstrap_interval,
    contrasts,
    data_set,
    equivalence,
    holm,
    learning_curves,
    pairs_needed,
    ranks,
    summarize,
    sweeps,
    time_to_score,
    wilcoxon,
)

SAMPLES = {
    "normal": np.random.default_rng(0).normal(0.01, 0.03, 12).tolist(),
    # Differences of accuracies on 38 samples: ties and zeros.
    "counts": (np.array([0, 0, 1, -1, 2, 2, 3, 1, 1, -2, 4]) / 38).tolist(),
    "one sided": [0.01, 0.02, 0.03, 0.04, 0.05, 0.06],
    "ties without zeros": [0.1, -0.1, 0.2, 0.3, 0.3, 0.5, -0.2],
    "a zero without ties": [0.0, 0.1, -0.2, 0.3, 0.45, 0.5, 0.6, 0.7],
    "more ties than that": [*([0.1] * 6), *([-0.2] * 3), *([0.3] * 5)],
}
samples = pytest.mark.parametrize("values", SAMPLES.values(), ids=SAMPLES)


def scored(scores: Mapping[str, Sequence[float | None]], **fields: object) -> list[Row]:
    """Rows of one comparison with these test scores by seed; None stands for a failed run."""
    seeds = max(map(len, scores.values()))
    rows = made_rows.comparison(contenders=["hybrid", "linear", "mlp"], seeds=seeds)
    one = {row.seed: row for row in rows if row.contender == "hybrid"}
    made = []
    for contender, values in scores.items():
        for seed, value in enumerate(values):
            own = {"task": f"{contender}-{seed}", "contender": contender, "test_score": value}
            if value is None:
                own["error"] = "RuntimeError: no"
            else:
                own["train_score"] = value + 0.01
            made.append(dataclasses.replace(one[seed], **own, **fields))
    return made


# Tests and intervals.


@samples
def test_the_interval_is_scipys_bootstrap(values: list[float]) -> None:
    expected = scipy.stats.bootstrap(
        (values,), np.mean, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    found = bootstrap_interval([values])
    # Another draw of 9,999 resamples moves an end by about a thirtieth of the interval.
    slack = 0.05 * (expected.high - expected.low)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=slack)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.n == len(values)
    assert bootstrap_interval([values]) == found  # the same rows give the same report


def test_each_stratum_is_resampled_by_itself_and_weighs_the_same() -> None:
    # Between the strata lies far more than within: resampled as one, the interval would be wide.
    strata = [[0.1, 0.1, 0.1], [0.5, 0.5], [0.88, 0.9, 0.92, 0.9]]
    found = bootstrap_interval(strata)
    assert found.mean == pytest.approx(0.5)
    assert found.n == 9
    assert 0 < found.high - found.low < 0.02
    pooled = bootstrap_interval([[value for values in strata for value in values]])
    assert pooled.high - pooled.low > 0.2


def test_the_interval_holds_the_mean_about_as_often_as_it_says() -> None:
    draws = np.random.default_rng(0).normal(1, 1, (300, 20)).tolist()
    intervals = [bootstrap_interval([draw], resamples=999) for draw in draws]
    covered = np.mean([one.low <= 1 <= one.high for one in intervals])
    # A percentile interval of 20 values is a few percent short of 95 %; 4 standard errors: 5 %.
    assert 0.87 <= covered <= 0.99


@pytest.mark.parametrize("strata", [[], [[]], [[0.5]], [[0.5], [0.1, 0.2]]])
def test_too_few_values_have_no_interval(strata: list[list[float]]) -> None:
    found = bootstrap_interval(strata)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert not found.excludes_zero
    assert not found.within(1)


@samples
def test_the_signed_rank_test_is_scipys(values: list[float]) -> None:
    p, effect = wilcoxon(values)
    assert p == scipy.stats.wilcoxon(values, zero_method="pratt").pvalue
    signs, order = np.sign(values), scipy.stats.rankdata(np.abs(values))
    assert effect == pytest.approx((signs * order).sum() / order[signs != 0].sum())


def test_the_effect_size_at_its_ends() -> None:
    assert wilcoxon([0.1, 0.2, 0.3])[1] == 1
    assert wilcoxon([-0.1, -0.2, -0.3])[1] == -1
    assert wilcoxon([-0.1, 0.1])[1] == 0
    assert wilcoxon([0.0] * 8) == (1.0, 0.0)
    assert all(map(math.isnan, wilcoxon([])))


def test_holm_by_hand() -> None:
    # Times 4, 3, 2, 1 in the order of size, never below the one before, never over 1.
    assert holm([0.04, 0.01, 0.03, 0.5]) == pytest.approx([0.09, 0.04, 0.09, 0.5])
    assert holm([]) == []
    corrected = holm([0.01, math.nan, 0.04])
    assert corrected[0::2] == pytest.approx([0.02, 0.04])
    assert math.isnan(corrected[1])


@samples
@pytest.mark.parametrize("margin", [0.005, 0.02, 0.1])
def test_equivalence_is_the_interval_of_90_percent_within_the_margin(
    values: list[float], margin: float
) -> None:
    low, high = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.9)
    inside = -margin < low and high < margin
    assert (equivalence(values, margin) < 0.05) == inside


def test_pairs_needed_is_where_the_corrected_test_starts_to_work() -> None:
    for contenders in (1, 3, 9):
        n = pairs_needed(contenders)
        assert contenders * scipy.stats.wilcoxon(np.arange(1, n + 1)).pvalue < 0.05
        fewer = scipy.stats.wilcoxon(np.arange(1, n)).pvalue
        assert n == MIN_PAIRS or contenders * fewer >= 0.05
    assert pairs_needed(1) == MIN_PAIRS


# Verdicts.


def test_a_planted_effect_is_found() -> None:
    """A contender that was given the labels of the test set."""
    rng = np.random.default_rng(3)
    honest = rng.normal(0.8, 0.03, 10)
    rows = scored(
        {
            "hybrid": honest.tolist(),
            "linear": (honest + rng.normal(0, 0.01, 10)).tolist(),
            "leaked": [1.0] * 10,
        }
    )
    rows = changed(rows, lambda row: row.contender == "leaked", train_score=1.0)
    by_name = {contrast.contender: contrast for contrast in contrasts(rows)}
    leaked = by_name["leaked"]
    assert leaked.outcome == "worse"
    assert leaked.p_holm == pytest.approx(2 * 2 / 2**10)
    assert leaked.effect_size == -1
    assert leaked.difference.high < -0.15
    assert by_name["linear"].outcome == "equivalent"
    assert "leaked is 20" in judge(rows).sentence
    suspicious = {summary.contender: summary.suspicious for summary in summarize(rows)}
    assert suspicious == {"hybrid": False, "linear": False, "leaked": True}


def test_two_identical_contenders_are_equivalent() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.05, 8).tolist()
    (contrast,) = contrasts(scored({"hybrid": values, "frozen_circuit": values}))
    assert contrast.outcome == "equivalent"
    assert (contrast.p_value, contrast.effect_size, contrast.p_equivalence) == (1, 0, 0)
    assert (contrast.difference.low, contrast.difference.high) == (0, 0)
    sentence = judge(scored({"hybrid": values, "frozen_circuit": values})).sentence
    assert sentence == "No difference from the frozen circuit within 2 points."


def test_without_an_effect_a_difference_is_rarely_claimed() -> None:
    rng = np.random.default_rng(0)
    claimed = 0
    for _ in range(100):
        names = ("hybrid", "a", "b", "c")
        rows = scored({name: rng.normal(0.8, 0.05, 10).tolist() for name in names})
        claimed += any(one.outcome in ("better", "worse") for one in contrasts(rows))
    assert claimed <= 12  # 5 of 100 expected at most; 12 are over with a chance of 1 in 1,000


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_few_seeds_are_said_to_be_too_few(seeds: int) -> None:
    rows = scored({"hybrid": [0.9] * seeds, "linear": [0.5] * seeds})
    (contrast,) = contrasts(rows)
    assert contrast.outcome == "too few seeds"
    assert math.isnan(contrast.p_value)
    noun = "seed" if seeds == 1 else "seeds"
    assert judge(rows).sentence == (
        f"Too few seeds to tell ({seeds} paired {noun}, at least 6 are needed) for a linear layer "
        "in its place (40.0 points worse)."
    )


def test_more_contenders_need_more_seeds() -> None:
    values = (0.8 + np.random.default_rng(0).normal(0, 0.01, 6)).tolist()
    others = {name: [v - 0.2 for v in values] for name in ("a", "b", "c")}
    assert {c.outcome for c in contrasts(scored({"hybrid": values, **others}))} == {"too few seeds"}
    assert "at least 7 are needed" in judge(scored({"hybrid": values, **others})).sentence
    (one,) = contrasts(scored({"hybrid": values, "a": others["a"]}))
    assert one.outcome == "better"


def test_what_is_neither_is_undecided() -> None:
    rng = np.random.default_rng(1)
    rows = scored({"hybrid": rng.normal(0.8, 0.1, 10).tolist(), "mlp": [0.8] * 10})
    (contrast,) = contrasts(rows)
    assert contrast.outcome == "undecided"
    assert judge(rows).sentence.startswith("Undecided between the hybrid and the MLP (")


def test_a_wider_margin_makes_equivalent_what_was_undecided() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0.8, 0.1, 10)
    rows = scored({"hybrid": (values + rng.normal(0, 0.03, 10)).tolist(), "mlp": values.tolist()})
    assert contrasts(rows, margin=0.01)[0].outcome == "undecided"
    assert contrasts(rows, margin=0.1)[0].outcome == "equivalent"


def test_failed_and_infinite_runs_are_counted_and_are_no_pair() -> None:
    rows = scored({"hybrid": [0.8, None, 0.7, 0.9], "mlp": [0.8, 0.7, math.nan, 0.8]})
    (contrast,) = contrasts(rows)
    assert contrast.values == pytest.approx((0.0, 0.1))
    assert [(s.runs, s.failed) for s in summarize(rows)] == [(4, 1), (4, 1)]
    assert judge(rows).sentence.endswith("2 of 8 runs failed and are left out of all means.")
    assert summarize(rows)[1].errors == ("its test score is not a finite number",)


def test_a_hybrid_that_always_fails_has_no_verdict() -> None:
    rows = scored({"hybrid": [None, None], "mlp": [0.8, 0.8]})
    assert judge(rows).sentence == "No verdict: all 2 runs of the hybrid failed."
    assert contrasts(rows)[0].outcome == "no pairs"
    other = scored({"hybrid": [0.8] * 7, "mlp": [None] * 7})
    assert judge(other).sentence == (
        "No pair of runs to compare with the MLP. "
        "7 of 14 runs failed and are left out of all means."
    )


def test_many_contenders_are_counted_in_a_sentence_and_told_in_lines() -> None:
    values = (0.7 + np.random.default_rng(0).normal(0, 0.02, 10)).tolist()
    spread = np.random.default_rng(1).normal(0, 0.1, 10)
    others = {
        "frozen_circuit": list(values),
        "linear": [value - 0.2 for value in values],
        "mlp": [value + 0.1 for value in values],
        "rbf_svc": [value + 0.2 for value in values],
        "qsvc": (np.array(values) + spread - spread.mean()).tolist(),
    }
    verdict = judge(scored({"hybrid": values, **others}))
    assert verdict.sentence == (
        "Of 5 contenders, 2 are better than the hybrid (the RBF-SVC and the MLP), 1 is worse than "
        "the hybrid (a linear layer in its place), 1 is equivalent to the hybrid within 2 points "
        "and 1 is undecided."
    )
    starts = ("the RBF-SVC: 20.0 points better [", "the MLP: 10.0 points better [")
    starts += ("a linear layer in its place: 20.0 points worse [",)
    starts += ("the frozen circuit: no difference within 2 points", "the QSVC: 0.0 points ")
    for line, start in zip(verdict.details, starts, strict=True):
        assert line.startswith(start)
    assert verdict.details[-1].endswith("], undecided")
    few = judge(scored({name: ones[:4] for name, ones in {"hybrid": values, **others}.items()}))
    assert few.sentence == "All 5 contenders have too few seeds to tell (at least 8 are needed)."
    assert few.details[0] == "the RBF-SVC: 20.0 points better, 4 paired seeds"
    assert judge(scored({"hybrid": values, "mlp": others["mlp"]})).details == ()


def test_a_verdict_without_a_hybrid_or_without_others() -> None:
    assert "no rows of the hybrid" in judge(scored({"mlp": [0.8]})).sentence
    assert "nothing to compare it with" in judge(scored({"hybrid": [0.8]})).sentence


def test_the_sentence_of_the_made_comparison() -> None:
    names = ["hybrid", "frozen_circuit", "dense_same_parameters", "mlp"]
    rows = made_rows.comparison(contenders=names)
    contrast = {one.contender: one for one in contrasts(rows)}["dense_same_parameters"]
    low, high = -100 * contrast.difference.high, -100 * contrast.difference.low
    sentence = judge(rows).sentence
    assert sentence.startswith("No difference from the frozen circuit within 2 points; ")
    mean = -100 * contrast.difference.mean
    assert (
        f"the matched Dense is {mean:.1f} points better [{low:.1f}, {high:.1f}] and "
        f"{verdicts.times(contrast.cost_ratio)} times cheaper to fit" in sentence
    )
    assert contrast.cost_ratio == pytest.approx(8, rel=0.15)


def test_regressions_have_another_unit() -> None:
    rows = scored({"hybrid": [0.5] * 8, "mlp": [0.4] * 8}, metric="r2")
    assert judge(rows).sentence == ("The MLP is 10.0 hundredths of R² worse [10.0, 10.0].")


def test_no_cost_is_claimed_from_runs_that_had_others_beside_them() -> None:
    rows = made_rows.comparison(contenders=["hybrid", "linear"])
    assert "cheaper" in judge(rows).sentence
    rows = changed(rows, timing_comparable=False)
    assert "cheaper" not in judge(rows).sentence
    assert not summarize(rows)[0].timing_comparable
    rows = [*changed(rows[:1], timing_comparable=True, fit_seconds=77.0), *rows[1:]]
    summary = summarize(rows)[0]
    assert (summary.timing_comparable, summary.costs["fit_seconds"]) == (True, 77.0)


# Over data sets.


def many(data_sets: int, shift: float = 0.05) -> list[Row]:
    rng = np.random.default_rng(0)
    rows = []
    for number in range(data_sets):
        base = rng.uniform(0.5, 0.9)
        scores = rng.normal(base, 0.01, (3, 8))
        found = scored(
            {"hybrid": scores[0], "linear": scores[1] - shift, "mlp": scores[2] + shift},
        )
        rows += [
            dataclasses.replace(
                row,
                data={"name": f"data {number}"},
                comparison=f"c{number}",
                task=f"{row.task}{number}",
            )
            for row in found
        ]
    return rows


def test_ranks_need_ten_data_sets() -> None:
    assert ranks(many(9)) == []
    rows = many(10)
    (found,) = ranks(rows)
    assert list(found.mean.items()) == [("mlp", 1.0), ("pqc_dense", 2.0), ("linear", 3.0)]
    table = [
        [
            np.mean([r.test_score for r in rows if r.contender == c and r.data == data])
            for data in {row.comparison: row.data for row in rows}.values()
        ]
        for c in ("hybrid", "linear", "mlp")
    ]
    assert found.p_value == pytest.approx(scipy.stats.friedmanchisquare(*table).pvalue)
    assert found.p_pairs.loc["mlp", "linear"] < 0.001


def failing(rows: list[Row], comparison: str, contender: str, seeds: int = 99) -> list[Row]:
    """Has the runs of one contender of one comparison fail in the first seeds."""
    return changed(
        rows,
        lambda row: (row.comparison, row.contender) == (comparison, contender) and row.seed < seeds,
        error="RuntimeError: no",
    )


def test_a_data_set_that_a_contender_lacks_is_no_block() -> None:
    rows = many(11)
    rows = failing(rows, "c0", "mlp")
    (found,) = ranks(rows)
    assert found.data_sets == 10
    assert ranks(rows[:-24]) == []


def test_aggregates_over_data_sets() -> None:
    found = {one.contender: one for one in aggregate(many(8))}
    linear = found["linear"]
    assert (linear.data_sets, linear.difference.n) == (8, 64)
    assert linear.difference.mean == pytest.approx(0.05, abs=0.01)
    assert linear.p_value == pytest.approx(2 * 2 / 2**8)  # of two contenders, after Holm
    assert linear.tally == (8, 0, 0, 0)
    assert found["mlp"].tally == (0, 0, 8, 0)
    assert all(math.isnan(one.p_value) for one in aggregate(many(5)))
    assert aggregate(many(1)) == []


def variants_of(rows: list[Row], *numbers: int) -> list[Row]:
    """Makes variants of the first of these data sets of the others."""
    return changed(
        rows,
        lambda row: int(row.comparison.removeprefix("c")) in numbers,
        data=lambda row: {"name": f"data {numbers[0]}", "noise": row.comparison},
    )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"name": "two_curves"}, {"name": "two_curves", "degree": 3, "noise": 0.1}, True),
        ({"name": "mnist_3v5", "pca": 8}, {"name": "mnist_3v5", "n_train": 60}, True),
        ({"name": "mnist_3v5"}, {"name": "mnist_3v6"}, False),
        ({"name": "csv", "path": "a.csv", "target": "y"}, {"name": "csv", "path": "b.csv"}, False),
        ({"name": "csv", "path": "a.csv", "target": "y"}, {"name": "csv", "path": "a.csv"}, True),
    ],
)
def test_variants_of_a_generator_or_file_are_one_data_set(
    one: dict[str, object], other: dict[str, object], same: bool
) -> None:
    assert (data_set(one) == data_set(other)) == same


def test_variants_of_one_data_set_count_once() -> None:
    rows = variants_of(many(8), 0, 1, 2)
    linear = {one.contender: one for one in aggregate(rows)}["linear"]
    assert linear.data_sets == 6
    assert linear.tally == (6, 0, 0, 0)
    assert linear.p_value == pytest.approx(2 * 2 / 2**6)  # six differences of one sign, after Holm
    # Each data set weighs the same, and so does each variant within its own.
    means = [
        np.mean([one.difference.mean for one in contrasts(its) if one.contender == "linear"])
        for its in statistics.comparisons(rows).values()
    ]
    assert linear.difference.mean == pytest.approx(np.mean([np.mean(means[:3]), *means[3:]]))
    assert linear.difference.n == 6 * 8  # the seeds of a data set draw all of its variants


def test_a_seed_that_a_variant_lacks_is_no_pair_of_its_data_set() -> None:
    rows = failing(variants_of(many(3), 0, 1), "c1", "linear", seeds=3)
    linear = {one.contender: one for one in aggregate(rows)}["linear"]
    assert linear.difference.n == 5 + 8
    by_seed = {(row.comparison, row.contender, row.seed): row.test_score for row in rows}
    expected = [
        np.mean(
            [
                by_seed[name, "hybrid", seed] - by_seed[name, "linear", seed]
                for name in those
                for seed in seeds
            ]
        )
        for those, seeds in ((("c0", "c1"), range(3, 8)), (("c2",), range(8)))
    ]
    assert linear.difference.mean == pytest.approx(np.mean(expected))


def test_variants_of_one_data_set_are_one_block_of_the_ranks() -> None:
    assert ranks(variants_of(many(11), 3, 4, 5)) == []  # nine data sets
    rows = variants_of(many(12), 3, 4, 5)
    (found,) = ranks(rows)
    assert found.data_sets == 10
    # A variant that one contender lacks would compare contenders on different data.
    rows = changed(
        failing(rows, "c4", "mlp"),
        lambda row: (row.comparison, row.contender) == ("c4", "linear"),
        test_score=1e3,
    )
    (found,) = ranks(rows)
    assert (found.data_sets, found.mean["linear"]) == (10, 3.0)


def test_tuned_models_are_never_pooled_with_untuned_ones() -> None:
    untuned = changed(many(10), tuning=None)
    tuned = changed(
        many(10, shift=-0.05),
        task=lambda row: row.task + "t",
        comparison=lambda row: row.comparison + "t",
    )
    found = {(one.contender, one.tuned): one for one in aggregate(untuned + tuned)}
    assert {key: one.data_sets for key, one in found.items()} == {
        (contender, how): 10 for contender in ("linear", "mlp") for how in (False, True)
    }
    assert found["linear", False].tally == (10, 0, 0, 0)
    assert found["linear", True].tally == (0, 0, 10, 0)
    best = {one.tuned: next(iter(one.mean)) for one in ranks(untuned + tuned)}
    assert best == {False: "mlp", True: "linear"}
    # Nine and one are not ten.
    assert ranks(untuned[:-24] + tuned[-24:]) == []


def test_the_parameters_of_a_tuned_model_are_held_against_the_hybrid_of_the_report() -> None:
    rows = scored({"hybrid": [0.8] * 3, "dense_same_parameters": [0.8] * 3})
    # Each contender is as large as the hybrid that it was derived from in its own search.
    rows = changed(
        rows,
        parameter_mismatch=0.0,
        parameters=lambda row: 100 if row.contender == "hybrid" else 140 + 20 * row.seed,
    )
    by_name = {summary.contender: summary for summary in summarize(rows)}
    assert by_name["hybrid"].parameter_mismatch == 0
    dense = by_name["dense_same_parameters"]
    assert (dense.parameters, dense.parameter_mismatch) == (160, pytest.approx(0.8))
    (said,) = report.flags(rows)
    assert "differ by more than 5 %: Dense same parameters has up to 80.0 % more" in said


# Along epochs and axes.


def test_learning_curves_are_medians_and_quartiles() -> None:
    rows = scored({"hybrid": [0.8] * 5})
    scores = np.random.default_rng(0).uniform(size=(5, 3))
    rows = [
        dataclasses.replace(row, curve={"seconds": [1.0, 2.0, 4.0], "train_score": values.tolist()})
        for row, values in zip(rows, scores, strict=True)
    ]
    (curve,) = learning_curves(rows)
    assert curve.median == pytest.approx(np.median(scores, axis=0))
    assert curve.low == pytest.approx(np.quantile(scores, 0.25, axis=0))
    assert curve.seconds == (1, 2, 4)
    short = changed(rows[:3], curve={"seconds": [1.0], "train_score": [0.5]})
    assert len(learning_curves(short + rows[3:])[0].median) == 1  # two of five seeds went on


def test_time_to_a_score() -> None:
    rows = scored({"hybrid": [0.8] * 3, "mlp": [0.8] * 3})
    curves = ([0.5, 0.9], [0.9, 0.9], [0.1, None])
    rows = [
        dataclasses.replace(row, curve={"seconds": [1.0, 3.0], "train_score": values})
        for row, values in zip(rows, (*curves, *[[0.1, 0.2]] * 3), strict=True)
    ]
    hybrid, mlp = time_to_score(rows, 0.9)
    assert (hybrid.seconds, hybrid.reached, hybrid.n) == (3.0, 2, 3)
    assert (mlp.seconds, mlp.reached) == (math.inf, 0)
    rows = changed(rows, curve=None)
    assert time_to_score(rows, 0.9) == []
    assert learning_curves(rows) == []


def test_a_sweep_is_found_along_the_one_number_that_changes() -> None:
    rows = []
    for difficulty in (4, 1, 2):
        rows += made_rows.comparison(
            data={"name": "hidden_manifold", "difficulty": difficulty},
            contenders=["hybrid", "mlp"],
            seeds=3,
        )
    (sweep,) = sweeps(rows)
    assert (sweep.axis, sweep.title) == ("difficulty", "pqc_dense on hidden_manifold")
    assert [value for value, _ in sweep.series["mlp"]] == [1, 2, 4]
    assert sweeps(rows[:12]) == []


def test_tuned_and_untuned_comparisons_are_no_sweep_together() -> None:
    rows = []
    for tuned in (True, False):
        for difficulty in (1, 2, 4):
            if tuned or difficulty < 4:
                rows += made_rows.comparison(
                    data={"difficulty": difficulty}, contenders=["hybrid"], seeds=2, tuned=tuned
                )
    (sweep,) = sweeps(rows)
    tuned_scores = [summarize(rows[2 * n : 2 * n + 2])[0].test_score for n in range(3)]
    assert [score for _, score in sweep.series["hybrid"]] == tuned_scores
    rows += made_rows.comparison(
        data={"difficulty": 4}, contenders=["hybrid"], seeds=2, tuned=False
    )
    assert [sweep.title for sweep in sweeps(rows)] == [
        "pqc_dense on iris (tuning 8 trials, 3 folds)",
        "pqc_dense on iris (tuning none)",
    ]


def test_sweeps_of_a_grid_are_told_apart() -> None:
    rows = []
    for difficulty in (1, 2, 4):
        for n_qubits in (2, 4):
            rows += made_rows.comparison(
                data={"difficulty": difficulty},
                model={"n_qubits": n_qubits},
                contenders=["hybrid", "mlp"],
                seeds=2,
            )
    assert [sweep.title for sweep in sweeps(rows)] == [
        "pqc_dense on iris (n_qubits 2)",
        "pqc_dense on iris (n_qubits 4)",
    ]
