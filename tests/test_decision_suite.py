"""Comparisons of models that predict costs: their losses, their regret, and what is said of it."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import made_rows
from qkeras_hybrid import bench, datasets, decisions
from qkeras_hybrid.bench import (
    contenders,
    controls,
    fitting,
    models,
    report,
    runner,
    statistics,
    suite,
)
from qkeras_hybrid.bench.contenders import Contender
from qkeras_hybrid.bench.derived import DoesNotApplyError
from qkeras_hybrid.bench.goals import LOSSES, goal_of
from qkeras_hybrid.bench.metrics import METRICS, metric_of
from qkeras_hybrid.bench.references import REFERENCES
from qkeras_hybrid.bench.report import content, judge, markdown, words
from qkeras_hybrid.bench.results import read_rows
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.task import Task
from qkeras_hybrid.bench.tuning import folds_of

DATA = {"name": "shortest_path", "rows": 2, "columns": 3, "degree": 1, "noise": 0.0}
DATA |= {"n_samples": 80, "n_features": 2, "n_train": 40}
MODEL = {"name": "pqc_dense", "n_qubits": 2, "n_layers": 1}
TRAINING = {"epochs": 2, "batch_size": 20, "learning_rate": 0.01, "loss": "spo_plus"}
TASK = Task(DATA, MODEL, TRAINING, "tensorflow", "hybrid", 0)

# What is learned.


def test_the_kind_of_data_decides_what_the_score_is() -> None:
    for name, metric in (("iris", "accuracy"), ("diabetes", "r2"), ("knapsack", "regret")):
        data = datasets.load(name)
        assert goal_of(data.y, data.problem).metric == metric
        assert metric in METRICS


@pytest.mark.parametrize("loss", LOSSES)
def test_a_linear_model_learns_decisions_by_costs_that_are_linear(loss: str) -> None:
    data, _ = datasets.prepare({**DATA, "n_samples": 200}, 0)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(data.n_outputs)])
    before = fitting.score(model, data.x, data.y, data.problem)
    trained = fitting.train(
        model,
        data.x,
        data.y,
        epochs=12,
        batch_size=20,
        learning_rate=0.1,
        seed=0,
        loss=loss,
        problem=data.problem,
    )
    after = fitting.score(model, data.x, data.y, data.problem)
    assert after < 0.5 * before
    # The score of an epoch is that of its batches, on the way down.
    assert trained.score[-1] < trained.score[0]
    assert len(trained.score) == len(trained.loss) == 12


def test_two_stages_minimise_the_squared_error_of_costs() -> None:
    data = datasets.load("knapsack", n_samples=20, n_items=4, capacity=9.0)
    goal = goal_of(data.y, data.problem)
    targets = goal.targets(data.y)
    assert targets.shape == (20, 8)  # costs, then the best decisions
    predicted = data.y + np.float32(0.5)
    losses = keras.ops.convert_to_numpy(goal.loss("mean_squared_error", 0)(targets, predicted))
    np.testing.assert_allclose(losses, 0.25, rtol=1e-6)


def test_who_knows_the_costs_has_no_regret_and_who_says_nan_no_score() -> None:
    data = datasets.load("shortest_path", n_samples=10, rows=3, columns=3)
    goal = goal_of(data.y, data.problem)
    assert goal.score(data.y, data.y) == 0
    assert goal.score(3 * data.y, data.y) == pytest.approx(0, abs=1e-6)
    assert goal.score(-data.y, data.y) > 0.1
    assert math.isnan(goal.score(np.full_like(data.y, np.nan), data.y))


def test_the_score_is_the_regret_of_the_test_part() -> None:
    data, parts = datasets.prepare(DATA, 0)
    model = models.build(MODEL, data)
    assert model.output_shape == (None, data.n_outputs)
    assert model.layers[-1].activation is keras.activations.linear
    expected = decisions.regret(data.problem, parts.y_test, model.predict(parts.x_test, verbose=0))
    found = fitting.score(model, parts.x_test, parts.y_test, data.problem)
    assert found == pytest.approx(expected, abs=1e-6)


# Runs.


@pytest.mark.parametrize("contender", ["hybrid", "linear_model"])
def test_a_contender_runs_on_data_of_decisions(contender: str) -> None:
    row = bench.run_task(dataclasses.replace(TASK, contender=contender))
    assert row.error is None
    assert row.metric == "regret"
    assert row.test_score is not None
    assert 0 <= row.test_score < 2
    assert row.curve is not None
    assert len(row.curve["train_score"]) == 2
    assert row.hyperparameters["loss"] == "spo_plus"
    assert Row.from_json(row.to_json()) == row


def test_without_a_loss_decisions_train_by_spo_plus() -> None:
    data = datasets.load("knapsack", n_samples=20)
    goal = goal_of(data.y, data.problem)
    assert isinstance(goal.loss(None, 0), decisions.SPOPlus)
    drawn = goal.loss("perturbed_fenchel_young", 7)
    assert isinstance(drawn, decisions.PerturbedFenchelYoung)
    assert drawn.seed == 7


def test_a_search_takes_the_least_regret(monkeypatch: pytest.MonkeyPatch) -> None:
    space = {"learning_rate": {"type": "float", "low": 0.1, "high": 0.9}}
    tuning = {"trials": 6, "seconds": 60, "folds": 2, "search_space": space}

    def fitted(self: Contender, x: Any, y: Any) -> tuple[float, None]:
        assert y.ndim == 2
        return self.training["learning_rate"], None

    tried = []

    def score(self: Contender, model: float, x: Any, y: Any) -> float:
        tried.append(model)
        return model

    monkeypatch.setattr(Contender, "fitted", fitted)
    monkeypatch.setattr(Contender, "score", score)
    task = dataclasses.replace(TASK, tuning=tuning, training={**TRAINING, "learning_rate": 0.5})
    chosen, searched = contenders.tuned(task, *datasets.prepare(DATA, 0))
    assert len(set(tried)) > 2
    assert chosen == {"learning_rate": min(tried)}
    assert searched is not None
    assert searched["best_score"] == min(tried)


def test_folds_leave_costs_as_they_are() -> None:
    _, parts = datasets.prepare(DATA, 0)
    one, other = folds_of(parts, 2, seed=0)
    costs = np.concatenate([one.y_valid, other.y_valid])
    np.testing.assert_array_equal(np.sort(costs, axis=0), np.sort(parts.y_train, axis=0))


def test_all_controls_apply_and_a_linear_model_comes_only_by_name() -> None:
    tasks, reasons = runner.plan(DATA, MODEL, TRAINING, [0])
    assert [task.contender for task in tasks] == ["hybrid", *controls.CONTROLS]
    assert reasons == {}
    named, _ = runner.plan(DATA, MODEL, TRAINING, [0], ["hybrid", "linear_model"])
    assert [task.contender for task in named] == ["hybrid", "linear_model"]


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_does_not_apply_to_decisions_and_says_why(name: str) -> None:
    with pytest.raises(DoesNotApplyError, match=f"{name}.*no vector of costs"):
        runner.plan(DATA, MODEL, TRAINING, [0], ["hybrid", name])
    row = bench.run_task(dataclasses.replace(TASK, contender=name))
    assert row.error is not None
    assert row.error.startswith("DoesNotApplyError")


@pytest.mark.parametrize(
    ("data", "loss", "match"),
    [
        (DATA, "hinge", "`loss` must be one of 'spo_plus'.*'hinge'"),
        (DATA, None, "`loss` must be one of"),
        ({"name": "iris"}, "spo_plus", "`loss` must be left out.*classification"),
        ({"name": "diabetes"}, "mean_squared_error", "`loss` must be left out.*regression"),
    ],
    ids=["unknown", "none", "classification", "regression"],
)
def test_a_loss_that_data_do_not_have_is_refused(
    data: dict[str, Any], loss: str | None, match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        runner.plan(data, MODEL, {**TRAINING, "loss": loss}, [0])


def test_a_linear_model_is_one_layer_with_the_activation_of_the_hybrid() -> None:
    for name, activation in (("iris", "softmax"), ("diabetes", "linear")):
        hybrid = models.build(MODEL, datasets.load(name))
        made = controls.linear_model(hybrid)
        assert (made.input_shape, made.output_shape) == (hybrid.input_shape, hybrid.output_shape)
        (dense,) = (each for each in made.layers if each.weights)
        assert keras.activations.serialize(dense.activation) == activation
    with pytest.raises(ValueError, match="quantum layer"):
        controls.linear_model(made)
    hybrid = models.build(MODEL, datasets.load("iris"))
    forked = keras.Model(hybrid.inputs, [hybrid.outputs[0], hybrid.layers[0].output])
    with pytest.raises(DoesNotApplyError, match="one vector for each sample"):
        controls.linear_model(forked)


# What is said of regret. Less is better.


def regrets(**more: Any) -> list[Row]:
    """Returns rows in which the Dense twin has 3 points more regret, the frozen circuit as much."""
    given = {"contenders": ("hybrid", "dense_same_parameters", "frozen_circuit"), "base": 0.1}
    return made_rows.comparison(metric="regret", tuned=False, **{**given, **more})


def test_the_hybrid_is_better_where_its_regret_is_lower() -> None:
    rows = regrets()
    better, same = statistics.contrasts(rows)
    assert (better.contender, better.outcome) == ("dense_same_parameters", "better")
    assert better.difference.mean == pytest.approx(0.031, abs=0.015)
    assert same.outcome == "equivalent"
    assert statistics.paired_difference(rows, "hybrid", "dense_same_parameters").mean > 0
    sentence = judge(rows).sentence
    assert "the matched Dense is 3" in sentence
    assert "points of regret worse" in sentence
    accuracies = made_rows.changed(rows, metric="accuracy")
    assert statistics.contrasts(accuracies)[0].outcome == "worse"


def test_a_time_to_a_regret_is_that_until_it_is_down_to_it() -> None:
    curve = {"seconds": [1.0, 2.0, 3.0], "train_score": [0.5, 0.2, 0.1]}
    rows = [made_rows.row("a", metric="regret", test_score=0.1, train_score=0.095, curve=curve)]
    assert statistics.hybrid_target(rows) == pytest.approx(0.1)
    assert statistics.time_to_score(rows, 0.2)[0].seconds == 2
    assert statistics.time_to_score(rows, 0.05)[0].seconds == math.inf


def test_the_lowest_regret_has_the_first_rank() -> None:
    rows = [
        row for number in range(10) for row in regrets(data={"name": f"made {number}"}, seeds=3)
    ]
    (ranks,) = statistics.ranks(rows)
    assert list(ranks.mean)[-1] == "dense_same_parameters"


def test_trained_to_decide_is_held_against_two_stages_contender_by_contender() -> None:
    rows = [
        *regrets(loss="spo_plus", base=0.06),
        *regrets(loss="perturbed_fenchel_young", base=0.1),
        *regrets(loss="mean_squared_error", base=0.1),
        *regrets(loss="spo_plus", base=0.1, data={"name": "alone"}),
    ]
    found = statistics.to_decide(rows)
    assert [(one.loss, one.contender) for one in found] == [
        (loss, contender)
        for loss in ("spo_plus", "perturbed_fenchel_young")
        for contender in ("hybrid", "dense_same_parameters", "frozen_circuit")
    ]
    for one in found[:3]:
        assert one.contrast.outcome == "better"
        gain = one.score_of_two_stage.mean - one.score.mean
        assert one.contrast.difference.mean == pytest.approx(gain)
        assert one.contrast.p_holm == pytest.approx(6 * one.contrast.p_value)
    assert all(one.contrast.outcome != "better" for one in found[3:])
    reversed_ = made_rows.changed(rows, metric="accuracy")
    assert statistics.to_decide(reversed_)[0].contrast.outcome == "worse"
    assert statistics.to_decide(made_rows.suite(2, 2)) == []


def test_losses_are_not_pooled_over_data_sets_and_stand_in_titles() -> None:
    rows = [
        row
        for loss in ("spo_plus", "mean_squared_error")
        for name in ("shortest_path", "knapsack")
        for row in regrets(loss=loss, data={"name": name})
    ]
    found = statistics.aggregate(rows)
    assert {one.loss for one in found} == {"spo_plus", "mean_squared_error"}
    assert {one.data_sets for one in found} == {2}
    assert words.measured_of(found[0]) == "pqc_dense, regret, spo_plus"
    made = content.build(rows)
    titles = [one.title for one in made.comparisons]
    assert titles[0] == "pqc_dense on shortest_path, spo_plus"
    assert {title for title, _ in made.to_decide} == {
        "pqc_dense on shortest_path",
        "pqc_dense on knapsack",
    }


def test_a_report_of_regrets_names_them_and_says_which_way_is_better(tmp_path: Path) -> None:
    rows = [*regrets(loss="spo_plus"), *regrets(loss="mean_squared_error", base=0.15)]
    report.render(rows, tmp_path)
    text = (tmp_path / "report.md").read_text("utf-8")
    assert "Test regret" in text
    assert "## Trained to decide, or in two stages" in text
    assert "less is better" in text
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "contender minus hybrid" in page
    assert "hybrid minus contender" not in page
    assert "In two stages" in (tmp_path / "tables.tex").read_text("utf-8")
    both = content.build([*rows, *made_rows.comparison(contenders=("hybrid", "mlp"))])
    assert both.minus == "Hybrid minus contender, of regret contender minus hybrid"


def test_a_report_without_regrets_says_nothing_of_them() -> None:
    made = content.build(made_rows.comparison(contenders=("hybrid", "mlp")))
    assert made.minus == "Hybrid minus contender"
    assert "egret" not in markdown.page(made)


def test_a_score_that_is_not_known_is_the_better_the_higher() -> None:
    assert metric_of("f1").sign == 1
    assert metric_of("f1").label == "f1"
    assert [metric_of(name).sign for name in METRICS] == [1, 1, -1]


# What is stored.


@pytest.mark.parametrize("name", ["paper", "decisions"])
def test_stored_rows_are_those_of_the_tasks_as_they_are_defined_today(
    root: Path, name: str
) -> None:
    parts = ("data", "model", "training", "backend", "contender", "seed", "fingerprints")
    rows = [row for row in read_rows(root / f"benchmarks/{name}/results.jsonl") if not row.tuning]
    assert rows
    for row in rows:
        task = Task(**{part: getattr(row, part) for part in parts}, execution=row.execution)
        assert (task.id, task.comparison) == (row.task, row.comparison)


def test_the_stored_rows_of_decisions_are_the_whole_suite(root: Path) -> None:
    found = suite.read("decisions")
    rows = read_rows(root / "benchmarks/decisions/results.jsonl")
    asked = {
        (repr(one.data), one.training["loss"], contender, seed)
        for one in found.comparisons
        for contender in one.contenders or ()
        for seed in found.seeds
    }
    have = [(repr(row.data), row.training["loss"], row.contender, row.seed) for row in rows]
    assert sorted(have) == sorted(asked)
    assert all(statistics.succeeded(row) for row in rows)
