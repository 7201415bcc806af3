"""Comparisons: tasks and their rows, controls, training, statistics and what is said of them."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import math
import resource
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import keras
import numpy as np
import pytest
import rich.console
import scipy.stats

from qkeras_hybrid import bench, datasets, engines
from qkeras_hybrid.bench import controls, report, runner
from qkeras_hybrid.bench.statistics import paired_difference, summarize, t_interval
from qkeras_hybrid.bench.task import (
    Results,
    ResultsError,
    ResultsInUseError,
    Row,
    Task,
    latest,
    plan,
    read_rows,
)
from qkeras_hybrid.layers import PQC, PQCDense

TASK = Task(
    data={"name": "iris", "test_size": 0.25},
    model={"name": "pqc_dense", "n_qubits": 2, "n_layers": 1},
    training={"epochs": 2, "batch_size": 32, "learning_rate": 0.01},
    backend="tensorflow",
    contender="hybrid",
    seed=0,
)
CONTENDERS = ("hybrid", *controls.CONTROLS)


# Tasks.


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"name": "wine", "test_size": 0.25}},
        {"data": {"name": "iris", "test_size": 0.3}},
        {"model": {**TASK.model, "n_layers": 2}},
        {"model": {**TASK.model, "encoding": "angle"}},
        {"training": {**TASK.training, "epochs": 3}},
        {"backend": "jax"},
        {"contender": "dense_same_width"},
        {"seed": 1},
    ],
)
def test_everything_that_defines_a_task_is_in_its_id(change: dict[str, Any]) -> None:
    other = dataclasses.replace(TASK, **change)
    assert other.id != TASK.id
    assert other != TASK
    same_comparison = set(change) <= {"contender", "seed"}
    assert (other.comparison == TASK.comparison) is same_comparison


def test_the_id_is_the_same_tomorrow() -> None:
    # Stored rows are found by it: a change here makes every existing results file start over.
    assert TASK.id == "77ed73c9d6a28e93"
    turned = dataclasses.replace(TASK, model=dict(reversed(TASK.model.items())))
    assert turned.id == TASK.id
    assert hash(turned) == hash(TASK)


def test_a_plan_pairs_the_contenders_seed_by_seed() -> None:
    tasks = plan(TASK.data, TASK.model, TASK.training, "jax", CONTENDERS, range(2))
    assert [(task.seed, task.contender) for task in tasks] == [
        (seed, contender) for seed in (0, 1) for contender in CONTENDERS
    ]
    assert len({task.id for task in tasks}) == len(tasks)
    assert len({task.comparison for task in tasks}) == 1


# Results files.


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "made" / "results.jsonl"


def append(path: Path, *rows: Row) -> None:
    with Results(path) as results:
        for row in rows:
            results.append(row)


def test_rows_come_back_as_they_were_written(path: Path) -> None:
    rows = [{"task": "a", "text": "π\n\r\u2028"}, {"value": 0.1 + 0.2, "task": "b"}]
    append(path, rows[0])
    append(path, rows[1])
    assert read_rows(path) == rows
    assert len(path.read_bytes().splitlines()) == 2


def test_a_file_that_is_not_there_has_no_rows(path: Path) -> None:
    assert read_rows(path) == []


@pytest.mark.parametrize("kept", [1, 5, 11, 20, -1])
def test_a_torn_last_line_is_no_row_and_gives_way_to_the_next(path: Path, kept: int) -> None:
    append(path, {"task": "whole", "value": 1})
    line = json.dumps({"task": "torn", "value": 2}).encode() + b"\n"
    with path.open("ab") as file:
        file.write(line[:kept])
    assert [row["task"] for row in read_rows(path)] == ["whole"]
    with Results(path) as results:
        assert results.torn == line[:kept].decode()
        assert [row["task"] for row in results.rows] == ["whole"]
        results.append({"task": "torn", "value": 3})
    assert read_rows(path) == [{"task": "whole", "value": 1}, {"task": "torn", "value": 3}]


@pytest.mark.parametrize(
    "content",
    [
        b"name,score\niris,0.9\n",
        b"my notes",
        b'{"name": "iris"}\n',
        b'{"task": "a"}\n{"task": "torn in the midd\n{"task": "b"}\n',
        b"\x00\xff\xfe",
    ],
)
def test_a_file_with_something_else_in_it_is_refused_and_left_alone(
    path: Path, content: bytes
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ResultsError, match=r"is no results file: its line \d"):
        read_rows(path)
    with pytest.raises(ResultsError, match="is no results file"), Results(path):
        pass
    assert path.read_bytes() == content
    path.write_bytes(b"")  # and the lock is free again
    append(path, {"task": "a"})


def test_a_second_run_on_the_same_file_is_refused(path: Path) -> None:
    with Results(path) as first:
        with pytest.raises(ResultsInUseError, match="in use by another run"), Results(path):
            pass
        first.append({"task": "a"})
    append(path, {"task": "b"})
    assert [row["task"] for row in read_rows(path)] == ["a", "b"]


def test_a_row_that_finds_no_room_leaves_the_file_as_it_was(path: Path) -> None:
    append(path, {"task": "a"})
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Results(path) as results:
        # The system then takes the first bytes of a row and refuses the rest, as a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
        try:
            with pytest.raises(ResultsError, match=r"can't be written"):
                results.append({"task": "b", "text": "x" * 100})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_bytes() == before
        results.append({"task": "c"})
    assert [row["task"] for row in read_rows(path)] == ["a", "c"]


def test_a_folder_that_can_not_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResultsError, match=r"can't be written"), Results(tmp_path / "file" / "r"):
        pass


def test_setting_aside_keeps_the_rows(path: Path) -> None:
    with Results(path) as results:
        assert results.set_aside() is None
        kept = []
        for task in "abc":  # within one second, so that names must differ
            results.append({"task": task})
            kept.append(results.set_aside())
            assert results.rows == []
    assert [read_rows(aside)[0]["task"] for aside in kept if aside is not None] == ["a", "b", "c"]
    assert not path.exists()


def test_a_failed_task_is_not_finished_until_it_succeeds(path: Path) -> None:
    failed, good = {"task": "a", "error": "no"}, {"task": "a", "error": None}
    with Results(path) as results:
        results.append(failed)
        assert results.finished() == {}
        results.append(good)
        assert results.finished() == {"a": good}
    assert read_rows(path) == [failed, good]
    assert latest(read_rows(path)) == {"a": good}


# Controls.


def brute_force(target: int, n_features: int, n_outputs: int) -> set[tuple[int, ...]]:
    """All hidden widths, one layer or two, that come within 5 % of the target."""

    def fits(*widths: int) -> bool:
        model = [n_features, *widths, n_outputs]
        count = sum((a + 1) * b for a, b in itertools.pairwise(model))
        return abs(count - target) <= 0.05 * target

    upto = range(1, target + 1)
    one: set[tuple[int, ...]] = {(a,) for a in upto if fits(a)}
    return one or {(a, b) for a in upto for b in upto if fits(a, b)}


@hypothesis.settings(max_examples=60)
@hypothesis.given(st.integers(1, 220), st.integers(1, 20), st.integers(2, 6))
def test_dense_widths_against_all_there_are(target: int, n_features: int, n_outputs: int) -> None:
    found = controls.dense_widths(target, n_features, n_outputs)
    within = brute_force(target, n_features, n_outputs)
    if within:
        assert found in within
        assert min(found) == max(min(widths) for widths in within) or len(found) == 1
    else:
        smallest = controls.dense_parameters((1, 1), n_features, n_outputs)
        miss = abs(controls.dense_parameters(found, n_features, n_outputs) - target)
        assert miss > 0.05 * target
        assert miss <= abs(smallest - target)


def test_dense_parameters_are_what_keras_counts() -> None:
    model = keras.Sequential(
        [keras.Input((7,)), *(keras.layers.Dense(width) for width in (4, 5, 3))]
    )
    assert controls.dense_parameters((4, 5), 7, 3) == model.count_params()


def hybrid(n_features: int = 4, n_classes: int = 3, **arguments: Any) -> keras.Model:
    return controls.build(
        {"name": "pqc_dense", "n_qubits": 2, "n_layers": 1, **arguments}, n_features, n_classes
    )


@pytest.mark.parametrize("name", datasets.names())
@pytest.mark.parametrize("size", [(2, 1), (4, 2), (6, 3)])
def test_the_matched_network_is_within_5_percent(name: str, size: tuple[int, int]) -> None:
    dataset = datasets.load(name)
    model = hybrid(dataset.n_features, dataset.n_classes, n_qubits=size[0], n_layers=size[1])
    matched = controls.same_parameters(model)
    assert matched.count_params() == pytest.approx(model.count_params(), rel=0.05)
    assert matched.input_shape == model.input_shape
    assert matched.output_shape == model.output_shape
    assert not controls.quantum_layers(matched)
    *hidden, last = matched.layers
    assert {layer.activation for layer in hidden} == {keras.activations.tanh}
    assert last.activation is keras.activations.softmax


def test_only_the_quantum_layer_is_replaced_in_the_network_of_the_same_width() -> None:
    model = hybrid()
    twin = controls.same_width(model)
    assert [type(layer) for layer in model.layers].count(PQCDense) == 1
    for layer, other in zip(model.layers, twin.layers, strict=True):
        if isinstance(layer, PQCDense):
            assert isinstance(other, keras.layers.Dense)
            assert other.units == layer.units
            assert other.activation is keras.activations.tanh
        else:
            assert type(other) is type(layer)
            assert other is not layer
            assert other.get_config() == layer.get_config()
            for weight, its in zip(layer.get_weights(), other.get_weights(), strict=True):
                assert (weight == its).all()


def test_controls_are_derived_from_a_functional_model_too() -> None:
    inputs = keras.Input((5,))
    x = keras.layers.Dense(2, activation="relu")(inputs)
    x = keras.layers.Concatenate()([x, PQC(circuit(), ["Z", "X0"])(x)])
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    made = bench.controls_for(model)
    assert set(made) == set(controls.CONTROLS)
    for control in made.values():
        assert not controls.quantum_layers(control)
        assert control(np.ones((3, 5), "float32")).shape == (3, 1)
    assert made["dense_same_parameters"].layers[-1].activation is keras.activations.linear


def circuit() -> Any:
    import cirq
    import sympy

    return cirq.Circuit(cirq.rx(sympy.Symbol("w"))(cirq.q(0)), cirq.CNOT(cirq.q(0), cirq.q(1)))


@pytest.mark.parametrize("control", controls.CONTROLS)
def test_a_model_without_a_quantum_layer_has_no_controls(control: str) -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match=r"must have a quantum layer.*Dense\(2, linear\)"):
        controls.CONTROLS[control](model)


def test_an_input_of_another_rank_has_no_matched_network() -> None:
    model = keras.Sequential([keras.Input((3, 4)), PQCDense(2)])
    with pytest.raises(ValueError, match=r"one input of shape \(batch, n_features\)"):
        controls.same_parameters(model)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"name": "pqc_dnse"}, "'pqc_dense', but got 'pqc_dnse'"),
        ({"name": "pqc_dense", "qubits": 3}, "'n_qubits'.*but got 'qubits'"),
        ({"name": "pqc_dense", "encoding": "angel"}, "'angle'.*but got 'angel'"),
        ({"name": "pqc_dense", "ansatz": "strong"}, "'strongly_entangling'.*but got 'strong'"),
        ({"name": "pqc_dense", "engine": "gpu"}, "'statevector'.*but got 'gpu'"),
    ],
)
def test_an_unknown_model_or_argument_lists_the_known_ones(
    model: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        controls.build(model, 4, 3)


def test_a_network_is_described_in_a_line() -> None:
    assert controls.describe(hybrid()) == (
        "Dense(2, tanh) > Rescaling > PQCDense(2) > Dense(3, softmax)"
    )
    assert controls.engine_name(hybrid(engine="statevector")) == "statevector"
    assert controls.engine_name(controls.same_width(hybrid())) is None


# Training.


class Recorder:
    """Takes the place of a model and keeps what it is trained on."""

    def __init__(self) -> None:
        self.epochs: list[tuple[list[float], list[int]]] = []

    def compile(self, *arguments: Any) -> None:
        pass

    def fit(self, x: Any, y: Any, **options: Any) -> keras.callbacks.History:
        assert options["shuffle"] is False
        assert options["batch_size"] == 4
        self.epochs.append((x[:, 0].tolist(), y.tolist()))
        history = keras.callbacks.History()
        history.history = {"loss": [0.5]}
        return history


def epochs_seen(seed: int) -> list[tuple[list[float], list[int]]]:
    model: Any = Recorder()
    x, y = np.arange(20.0)[:, None], np.arange(20) * 10
    runner.train(model, x, y, epochs=3, batch_size=4, learning_rate=0.1, seed=seed)
    return model.epochs


def test_all_contenders_of_a_seed_see_the_same_batches() -> None:
    seen = epochs_seen(seed=0)
    assert len(seen) == 3
    assert epochs_seen(seed=0) == seen
    assert epochs_seen(seed=1) != seen
    assert seen[0] != seen[1]
    for x, y in seen:
        assert sorted(x) == list(range(20))
        assert y == [10 * value for value in x]


def test_the_first_epoch_is_timed_apart() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    iris = datasets.load("iris")
    done: list[int] = []
    trained = runner.train(
        model,
        iris.x,
        iris.y,
        epochs=4,
        batch_size=30,
        learning_rate=0.01,
        seed=0,
        on_epoch=done.append,
    )
    assert done == [1, 2, 3, 4]
    assert len(trained.loss) == 4
    assert trained.loss[-1] < trained.loss[0]
    assert len(trained.later_epoch_seconds) == 3
    # Tracing and compiling five steps takes far longer than taking them.
    assert trained.first_epoch_seconds > max(trained.later_epoch_seconds) > 0
    assert trained.seconds > trained.first_epoch_seconds + sum(trained.later_epoch_seconds)


def test_outputs_that_are_not_finite_count_as_wrong() -> None:
    class Model:
        def predict(self, x: Any, **options: Any) -> Any:
            nan, inf = math.nan, math.inf
            return np.array([[0.9, 0.1], [0.9, 0.1], [nan, nan], [inf, 0.0], [0.2, 0.8]])

    model: Any = Model()
    y = np.array([0, 1, 0, 0, 1])
    assert runner.accuracy(model, np.zeros((5, 1)), y) == 2 / 5


def test_a_run_gives_a_row_and_the_same_row_again() -> None:
    seen: list[tuple[str, int]] = []
    row = bench.run_task(TASK, lambda task, epoch: seen.append((task.id, epoch)))
    assert seen == [(TASK.id, 0), (TASK.id, 1), (TASK.id, 2)]
    assert row["error"] is None
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert (row["task"], row["comparison"]) == (TASK.id, TASK.comparison)
    assert {name: row[name] for name in TASK.definition()} == TASK.definition()
    assert row["engine"] in engines.names()
    assert row["parameter_mismatch"] == 0
    assert row["parameters"] == hybrid().count_params()
    assert (row["n_train"], row["n_test"]) == (112, 38)
    assert 0 <= row["test_accuracy"] <= 1
    assert len(row["later_epoch_seconds"]) == 1
    assert row["epoch_seconds"] == row["later_epoch_seconds"][0]
    assert row["versions"]["keras"] == keras.__version__
    assert row["machine"]["cores"] >= 1

    again = bench.run_task(TASK)
    assert again["loss"] == pytest.approx(row["loss"], rel=1e-4)
    assert again["test_accuracy"] == row["test_accuracy"]


def test_the_controls_start_from_the_weights_of_the_hybrid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first: list[np.ndarray] = []

    def train(model: keras.Model, *arguments: Any, **options: Any) -> runner.Training:
        first.append(model.layers[0].get_weights()[0])
        return runner.Training([1.0], 1.0, [], 1.0)

    monkeypatch.setattr(runner, "train", train)
    for contender in ("hybrid", "dense_same_width"):
        row = bench.run_task(dataclasses.replace(TASK, contender=contender))
        assert row["epoch_seconds"] is None  # there was one epoch only
    assert (first[0] == first[1]).all()


def test_a_loss_that_diverges_is_null(monkeypatch: pytest.MonkeyPatch) -> None:
    diverged = runner.Training([1.0, math.nan], 1.0, [1.0], 2.0)
    monkeypatch.setattr(runner, "train", lambda *arguments, **options: diverged)
    row = bench.run_task(TASK)
    assert row["loss"] == [1.0, None]
    json.dumps(row, allow_nan=False)


def test_an_exception_ends_up_in_the_row() -> None:
    row = bench.run_task(dataclasses.replace(TASK, model={**TASK.model, "engine": "gpu"}))
    assert row["error"].startswith("ValueError: Argument `engine` must be one of")
    assert "test_accuracy" not in row
    assert row["versions"]


# Running, and going on.


class Trainer:
    """Takes the place of `run_task`: fails or stops where told, and counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ran: list[str] = []
        self.fails: set[str] = set()
        self.stops_at = -1
        monkeypatch.setattr(runner, "run_task", self)

    def __call__(self, task: Task, on_epoch: runner.OnEpoch) -> Row:
        if len(self.ran) == self.stops_at:
            raise KeyboardInterrupt
        self.ran.append(task.id)
        error = "RuntimeError: no" if task.id in self.fails else None
        return {"task": task.id, "error": error}


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    return Trainer(monkeypatch)


TASKS = plan(TASK.data, TASK.model, TASK.training, TASK.backend, CONTENDERS, range(3))


def run_all(path: Path, tasks: list[Task]) -> Iterator[Row]:
    with Results(path) as results:
        yield from bench.run(tasks, results)


def test_the_same_command_again_runs_nothing(path: Path, trainer: Trainer) -> None:
    assert len(list(run_all(path, TASKS))) == len(TASKS)
    before = path.read_bytes()
    assert list(run_all(path, TASKS)) == []
    assert path.read_bytes() == before
    assert trainer.ran == [task.id for task in TASKS]


def test_more_seeds_run_only_what_is_new(path: Path, trainer: Trainer) -> None:
    list(run_all(path, TASKS))
    more = plan(TASK.data, TASK.model, TASK.training, TASK.backend, CONTENDERS, range(5))
    assert [row["task"] for row in run_all(path, more)] == [task.id for task in more[len(TASKS) :]]


def test_a_changed_definition_runs_again(path: Path, trainer: Trainer) -> None:
    list(run_all(path, TASKS))
    longer = {**TASK.training, "epochs": 3}
    changed = plan(TASK.data, TASK.model, longer, TASK.backend, CONTENDERS, range(3))
    assert len(list(run_all(path, changed))) == len(TASKS)
    assert len(read_rows(path)) == 2 * len(TASKS)


def test_ctrl_c_leaves_whole_rows_and_the_rest_follows(path: Path, trainer: Trainer) -> None:
    trainer.stops_at = 4
    with pytest.raises(KeyboardInterrupt):
        list(run_all(path, TASKS))
    assert [row["task"] for row in read_rows(path)] == [task.id for task in TASKS[:4]]
    trainer.stops_at = -1
    list(run_all(path, TASKS))
    assert [row["task"] for row in read_rows(path)] == [task.id for task in TASKS]


def test_a_torn_row_is_run_again(path: Path, trainer: Trainer) -> None:
    list(run_all(path, TASKS))
    path.write_bytes(path.read_bytes()[:-7])
    assert [row["task"] for row in run_all(path, TASKS)] == [TASKS[-1].id]
    assert [row["task"] for row in read_rows(path)] == [task.id for task in TASKS]


def test_a_failed_run_does_not_stop_the_others_and_is_tried_again(
    path: Path, trainer: Trainer
) -> None:
    trainer.fails = {TASKS[1].id}
    assert len(list(run_all(path, TASKS))) == len(TASKS)
    trainer.fails = set()
    assert [row["task"] for row in run_all(path, TASKS)] == [TASKS[1].id]
    assert [row["error"] for row in read_rows(path)].count("RuntimeError: no") == 1


# Statistics.


@pytest.mark.parametrize("n", [2, 3, 5, 30])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_the_interval_is_scipys(n: int, confidence: float) -> None:
    values = np.random.default_rng(n).normal(0.9, 0.02, n).tolist()
    low, high = scipy.stats.ttest_1samp(values, 0).confidence_interval(confidence)
    interval = t_interval(values, confidence)
    assert (interval.low, interval.high) == pytest.approx((low, high), rel=1e-9)
    assert interval.mean == pytest.approx(statistics.fmean(values))
    assert interval.n == n


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    samples = np.random.default_rng(0).normal(3, 1, (2000, 5)).tolist()
    covered = sum(i.low <= 3 <= i.high for i in map(t_interval, samples))
    # Four standard errors of a share of 0.95 among 2000.
    assert covered / 2000 == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 2000))


def test_one_value_or_none_has_no_interval() -> None:
    one, none = t_interval([0.5]), t_interval([])
    assert (one.mean, one.n) == (0.5, 1)
    assert math.isnan(one.half_width)
    assert math.isnan(none.mean)
    assert not one.excludes_zero
    assert not none.excludes_zero


def rows_of(accuracies: dict[str, list[float | None]], **fields: dict[str, Any]) -> list[Row]:
    """Rows of a comparison; None stands for a run that failed, `fields` add to contenders."""
    rows = []
    for contender, values in accuracies.items():
        for seed, value in enumerate(values):
            task = dataclasses.replace(TASK, contender=contender, seed=seed)
            row: Row = {
                "task": task.id,
                "comparison": task.comparison,
                **task.definition(),
                "error": "RuntimeError: out of [qubits]" if value is None else None,
                "versions": {"keras": "3"},
                "machine": {"cores": 2},
            }
            if value is not None:
                row |= {
                    "network": f"network of {contender}",
                    "engine": "tfq" if contender == "hybrid" else None,
                    "parameters": 1234,
                    "parameter_mismatch": 0.0,
                    "test_accuracy": value,
                    "loss": [1.0, 0.99],
                    "first_epoch_seconds": 2.0,
                    "epoch_seconds": 0.4 if contender == "hybrid" else 0.1,
                }
                row |= fields.get(contender, {})
            rows.append(row)
    return rows


def test_the_difference_is_paired_as_scipy_pairs() -> None:
    random = np.random.default_rng(1)
    split = random.normal(0.8, 0.1, 6)
    first, second = split + 0.02, split + random.normal(0, 0.005, 6)
    rows = rows_of({"hybrid": first.tolist(), "other": second.tolist()})
    low, high = scipy.stats.ttest_rel(first, second).confidence_interval(0.95)
    found = paired_difference(rows[::-1], "hybrid", "other")
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6)
    # The splits differ far more than the contenders: unpaired, nothing would be seen.
    assert found.excludes_zero
    unpaired = scipy.stats.ttest_ind(first, second).confidence_interval(0.95)
    assert unpaired.low < 0 < unpaired.high


def test_a_seed_that_failed_for_one_is_no_pair() -> None:
    rows = rows_of({"hybrid": [0.9, None, 0.7], "other": [0.8, 0.1, None]})
    found = paired_difference(rows, "hybrid", "other")
    assert (found.n, found.mean) == (1, pytest.approx(0.1))


def test_a_summary_counts_failures_and_takes_medians() -> None:
    rows = rows_of({"hybrid": [0.9, None, 0.7, 0.8]})
    rows[0] |= {"first_epoch_seconds": 60.0, "loss": [1.0, None]}
    (summary,) = summarize(rows)
    assert summary.failed == 1
    assert summary.test_accuracy.mean == pytest.approx(0.8)
    assert summary.test_accuracy.n == 3
    assert summary.first_epoch_seconds == 2
    assert summary.loss_drop == pytest.approx(0.01)
    assert summary.engine == "tfq"
    rows[3]["engine"] = "native"
    assert summarize(rows)[0].engine == "native, tfq"
    (all_failed,) = summarize(rows_of({"hybrid": [None, None]}))
    assert all_failed.failed == 2
    assert all_failed.parameters is None
    assert math.isnan(all_failed.epoch_seconds)


def test_a_run_that_was_repeated_counts_once() -> None:
    rows = rows_of({"hybrid": [None, 0.7]}) + rows_of({"hybrid": [0.9]})
    (summary,) = summarize(rows)
    assert summary.failed == 0
    assert summary.test_accuracy.n == 2


# What is said.


def shown(rows: list[Row], width: int = 80) -> list[str]:
    """The lines of the table, with single spaces."""
    console = rich.console.Console(file=io.StringIO(), width=width, highlight=False)
    console.print(report.table(rows))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= width
    return [" ".join(line.split()) for line in lines]


def three(of_hybrid: list[float | None], **fields: dict[str, Any]) -> list[Row]:
    accuracies: dict[str, list[float | None]] = {
        "hybrid": of_hybrid,
        "dense_same_parameters": [0.90, 0.91, 0.92],
        "dense_same_width": [0.70, 0.71, 0.72],
    }
    return rows_of(accuracies, **fields)


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_has_a_line_for_each_contender(width: int) -> None:
    lines = shown(three([0.8, 0.81, 0.82]), width)
    assert "pqc_dense on iris: 3 seeds, 2 epochs, batches of 32" in lines
    assert "Hybrid 81.0 ± 2.5 % 1,234 2 s 0.4 s" in lines
    assert "Dense same parameters 91.0 ± 2.5 % 1,234 2 s 0.1 s" in lines
    assert "Dense same width 71.0 ± 2.5 % 1,234 2 s 0.1 s" in lines


def test_the_table_shows_what_is_missing_and_what_failed() -> None:
    assert "Hybrid - - - - 3" in shown(three([None, None, None]))
    one = rows_of({"hybrid": [0.5]}, hybrid={"epoch_seconds": None})
    assert "Hybrid 50.0 % 1,234 2 s -" in shown(one)


def test_a_planted_difference_is_found_either_way() -> None:
    said = report.verdict(three([0.80, 0.81, 0.825]))
    better, worse = said.splitlines()[1], said.splitlines()[0]
    assert "Against Dense same width the hybrid is 10.2 points more accurate" in better
    assert "Against Dense same parameters the hybrid is 9.8 points less accurate" in worse
    assert "(95 % interval -10.6 to -9.1, 3 paired seeds)" in worse
    for sentence in (better, worse):
        assert "more than chance explains" in sentence
        assert "Its epochs take 4 times as long." in sentence
    assert "say nothing about other circuits" in said


def test_no_difference_is_claimed_where_the_interval_holds_zero() -> None:
    said = report.verdict(three([0.95, 0.89, 0.88])).splitlines()[0]
    assert "these runs don't separate the two" in said
    assert "chance" not in said
    same = report.verdict(three([0.90, 0.91, 0.92])).splitlines()[0]
    assert "the hybrid is exactly as accurate" in same
    assert "these runs don't separate the two" in same


def test_one_seed_proves_nothing() -> None:
    said = report.verdict(rows_of({"hybrid": [0.9], "dense_same_width": [0.1]}))
    assert "proves nothing" in said
    assert "interval -" not in said


def test_the_verdict_tells_what_is_missing() -> None:
    assert "no pair of runs" in report.verdict(three([None, None, None]))
    assert "no rows of the hybrid" in report.verdict(rows_of({"dense_same_width": [0.1]}))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.1, "about as long"), (0.05, "0.5 of the time"), (1.23, "12 times as long")],
)
def test_the_verdict_tells_what_it_costs(seconds: float, words: str) -> None:
    rows = three([0.8, 0.81, 0.82], hybrid={"epoch_seconds": seconds})
    assert f"Its epochs take {words}." in report.verdict(rows)


def test_the_verdict_tells_of_training_that_was_cut_short() -> None:
    rows = three([0.8, 0.81, 0.82], hybrid={"loss": [1.0, 0.8, 0.6]})
    assert "still fell in the last epoch (Hybrid 25 %)" in report.verdict(rows)
    assert "still fell" not in report.verdict(three([0.8, 0.81, 0.82]))


def test_notes_say_which_networks_were_compared() -> None:
    said = report.notes(three([0.8, 0.81, 0.82]))
    assert said == [
        "Hybrid: network of hybrid, engine tfq",
        "Dense same parameters: network of dense_same_parameters",
        "Dense same width: network of dense_same_width",
    ]


def test_notes_tell_of_a_mismatch_a_twin_a_failure_and_other_machines() -> None:
    network = {"network": "Dense(4, tanh) > Dense(3, softmax)"}
    rows = three(
        [0.8, None, 0.82],
        dense_same_parameters={**network, "parameter_mismatch": -0.12},
        dense_same_width=network,
    )
    rows[-1]["versions"] = {"keras": "4"}
    said = " ".join(report.notes(rows))
    assert "Dense same parameters has 12 % fewer" in said
    assert "Dense same parameters and Dense same width are the same network here" in said
    assert "1 run of 9 failed and is not in the means" in said
    assert "RuntimeError: out of [qubits]" in said
    assert "their seconds don't compare" in said
