"""The search for hyperparameters: its budget, its folds, and what it finds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from qkeras_hybrid import datasets
from qkeras_hybrid.bench import tuning
from qkeras_hybrid.bench.tuning import Fold, Tuned, TuningError, tune

SPACE = {
    "a": {"type": "float", "low": -1.0, "high": 1.0},
    "n": {"type": "int", "low": 1, "high": 8, "log": True},
    "kind": {"type": "categorical", "choices": ["good", "bad"]},
}
_, IRIS = datasets.prepare({"name": "iris"}, seed=0)


def search(objective: Any, **changes: Any) -> Tuned:
    arguments = {"trials": 30, "seconds": 60.0, "folds": 2, "seed": 0, **changes}
    return tune(objective, arguments.pop("space", SPACE), arguments.pop("split", IRIS), **arguments)


def hill(values: Mapping[str, Any], fold: Fold) -> float:
    """A score with its summit at a = 0.3, n = 8, the good kind."""
    return (values["kind"] == "good") + values["n"] / 8 - (values["a"] - 0.3) ** 2


def test_the_search_finds_the_summit_and_repeats() -> None:
    found = search(hill)
    assert found.hyperparameters["kind"] == "good"
    assert found.hyperparameters["n"] >= 5
    assert abs(found.hyperparameters["a"] - 0.3) < 0.5
    assert found.best_score == pytest.approx(hill(found.hyperparameters, None))  # type: ignore[arg-type]
    assert (found.trials, found.failed, found.folds) == (30, 0, 2)
    assert found.stopped_by == "trials"
    assert search(hill).hyperparameters == found.hyperparameters
    assert search(hill, seed=1).hyperparameters != found.hyperparameters


def test_every_trial_sees_all_folds_and_their_mean_counts() -> None:
    seen: list[int] = []

    def objective(values: Mapping[str, Any], fold: Fold) -> float:
        seen.append(len(fold.y_valid))
        return float(len(seen) % 3)

    found = search(objective, trials=4, folds=3)
    assert len(seen) == 12
    assert sum(seen[:3]) == len(IRIS.y_train)
    assert found.best_score == 1.0  # of 1, 2, 0


def test_the_time_ends_a_search() -> None:
    def slow(values: Mapping[str, Any], fold: Fold) -> float:
        total = 0.0
        for i in range(200_000):
            total += math.sin(i)
        return total

    found = search(slow, trials=10_000, seconds=0.3)
    assert found.stopped_by == "time"
    assert 1 <= found.trials < 10_000


def test_what_is_tried_first_can_be_said() -> None:
    tried: list[dict[str, Any]] = []

    def objective(values: Mapping[str, Any], fold: Fold) -> float:
        tried.append(dict(values))
        return 0.0

    first = {"a": 0.125, "n": 3, "kind": "bad"}
    search(objective, trials=2, defaults={**first, "unknown": 1})
    assert tried[0] == first


def test_a_failed_trial_counts_as_tried_and_never_wins() -> None:
    def objective(values: Mapping[str, Any], fold: Fold) -> float:
        if values["kind"] == "bad":
            raise RuntimeError("the circuit caught fire")
        return -1.0 if values["n"] > 2 else math.nan

    found = search(objective)
    assert found.trials == 30
    assert 0 < found.failed < 30
    assert found.hyperparameters["kind"] == "good"
    assert found.hyperparameters["n"] > 2


def test_a_search_in_which_all_trials_fail_says_why() -> None:
    def objective(values: Mapping[str, Any], fold: Fold) -> float:
        raise RuntimeError("the circuit caught fire")

    with pytest.raises(TuningError, match=r"All 3 trials failed.*RuntimeError: the circuit caught"):
        search(objective, trials=3)


def test_an_empty_space_is_not_searched() -> None:
    found = search(hill, space={})
    assert (found.hyperparameters, found.trials, found.best_score) == ({}, 0, None)


def test_folds_keep_the_classes_and_scale_by_their_own_training_samples() -> None:
    folds = tuning.folds_of(IRIS, 4, seed=3)
    assert sum(len(fold.y_valid) for fold in folds) == len(IRIS.y_train)
    for fold in folds:
        np.testing.assert_allclose(fold.x_train.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(fold.x_train.std(axis=0), 1, atol=1e-4)
        assert abs(fold.x_valid.mean()) > 1e-4  # not scaled by itself
        counts = np.bincount(fold.y_valid)
        assert counts.max() - counts.min() <= 1


def test_folds_of_a_regression_scale_the_targets() -> None:
    _, split = datasets.prepare({"name": "diabetes"}, seed=0)
    for fold in tuning.folds_of(split, 3, seed=0):
        assert fold.y_train.mean() == pytest.approx(0, abs=1e-5)
        assert fold.y_train.std() == pytest.approx(1, abs=1e-4)
        assert fold.x_valid.dtype == fold.x_train.dtype == np.float32


def test_more_folds_than_a_class_has_samples_are_refused() -> None:
    _, split = datasets.prepare({"name": "iris", "n_train": 9}, seed=0)
    with pytest.raises(ValueError, match=r"folds.*at most 3"):
        tuning.folds_of(split, 4, seed=0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (3, "search_space.x.*table"),
        ({"type": "real"}, "'float', 'int', 'categorical'.*'real'"),
        ({"low": 1, "high": 2}, "'float'.*None"),
        ({"type": "float", "low": 1}, "high.*finite number.*None"),
        ({"type": "float", "low": math.nan, "high": 2}, "low.*finite"),
        ({"type": "int", "low": 1.5, "high": 2}, "low.*whole number.*1.5"),
        ({"type": "int", "low": True, "high": 2}, "low.*whole number"),
        ({"type": "float", "low": 3, "high": 2}, "at most high"),
        ({"type": "float", "low": 0, "high": 2, "log": True}, "over 0 on a log scale"),
        ({"type": "float", "low": 1, "high": 2, "step": 1}, "'high'.*'step'"),
        ({"type": "categorical", "choices": []}, "choices.*list of values"),
        ({"type": "categorical", "choices": "ab"}, "choices.*list of values"),
    ],
)
def test_a_space_that_can_not_be_searched_is_refused(given: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tuning.check_space({"x": given})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"trials": 0}, "trials.*at least 1"),
        ({"trials": 2.5}, "trials"),
        ({"seconds": 0}, "seconds.*over 0"),
        ({"seconds": math.nan}, "seconds"),
        ({"folds": 1}, "folds.*at least 2"),
    ],
)
def test_a_budget_that_is_none_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        search(hill, **change)
