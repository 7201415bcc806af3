"""Comparisons: tasks and their rows, controls, training, statistics and what is said of them."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import resource
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import rich.console
import scipy.stats

from made_rows import changed, line, row
from qkeras_hybrid import bench, datasets, engines
from qkeras_hybrid.bench import contenders, controls, fitting, models, report, runner
from qkeras_hybrid.bench.references import REFERENCES
from qkeras_hybrid.bench.report import content, judge
from qkeras_hybrid.bench.results import Results, ResultsError, ResultsInUseError, read_rows
from qkeras_hybrid.bench.row import Row, latest
from qkeras_hybrid.bench.statistics import paired_difference, summarize, t_interval
from qkeras_hybrid.bench.task import Task, plan

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
        {"tuning": {"trials": 2, "seconds": 60, "folds": 2}},
        {"fingerprints": {"data": "5e"}},
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
    assert TASK.id == "acd754703b6009ab"
    turned = dataclasses.replace(TASK, model=dict(reversed(TASK.model.items())))
    assert turned.id == TASK.id
    assert hash(turned) == hash(TASK)


def test_tuned_tasks_of_the_first_search_run_again() -> None:
    # It did not try the task's own settings. Rows without tuning stay good: see above.
    tuned = dataclasses.replace(TASK, tuning={"trials": 2, "seconds": 60, "folds": 2})
    assert tuned.id != "a647e0e8070bbc29"


def test_which_suite_asks_for_a_task_does_not_change_its_id() -> None:
    assert dataclasses.replace(TASK, suite="paper").id == TASK.id


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
        for one in rows:
            results.append(one)


def test_rows_come_back_as_they_were_written(path: Path) -> None:
    rows = [row("a", error="π\n\r\u2028"), row("b", test_score=0.1 + 0.2)]
    append(path, rows[0])
    append(path, rows[1])
    assert read_rows(path) == rows
    assert len(path.read_bytes().splitlines()) == 2


def test_a_file_that_is_not_there_has_no_rows(path: Path) -> None:
    assert read_rows(path) == []


TORN = line(row("torn", test_score=0.2))


@pytest.mark.parametrize(
    "damage",
    [
        *(TORN[:kept] for kept in (1, 5, 11, 20, -1)),
        TORN[:20] + b"\n",
        b"\0" * 200,
        TORN[:20] + b"\0" * 200,
        b"\0" * 20 + TORN[20:],
        b"\0" * 20 + TORN[20:] + b"\n" + b"\0" * 200 + b"\n" + b"\0",
    ],
)
def test_a_damaged_end_is_no_row_is_kept_and_gives_way_to_the_next(
    path: Path, damage: bytes
) -> None:
    append(path, row("whole", test_score=0.1))
    with path.open("ab") as file:
        file.write(damage)
    sentences: list[str] = []
    assert [one.task for one in read_rows(path, sentences.append)] == ["whole"]
    place = f"{path} is damaged after its 1 whole row ({len(damage)} bytes): "
    assert sentences == [f"{place}that part is left out."]
    with Results(path) as results:
        (aside,) = path.parent.glob("*.damaged")
        assert aside.read_bytes() == damage
        assert results.damage.startswith(f"{place}that part is kept as {aside}")
        assert [one.task for one in results.rows] == ["whole"]
        results.append(row("torn", test_score=0.3))
    assert read_rows(path) == [row("whole", test_score=0.1), row("torn", test_score=0.3)]
    with Results(path) as results:
        assert results.damage == ""


def test_a_whole_row_that_lacks_the_end_of_its_line_is_a_row(path: Path) -> None:
    append(path, row("whole", test_score=0.1))
    with path.open("ab") as file:
        file.write(TORN)
    expected = [row("whole", test_score=0.1), row("torn", test_score=0.2), row("next")]
    assert read_rows(path, pytest.fail) == expected[:2]
    append(path, row("next"))
    assert read_rows(path) == expected


@pytest.mark.parametrize("zeros", [b"\0" * 200, b"\0" * 200 + b"\n", TORN[:20] + b"\0\n"])
def test_rows_after_damage_are_not_lost(path: Path, zeros: bytes) -> None:
    append(path, row("a"))
    before = path.read_bytes()
    path.write_bytes(before + zeros + line(row("b")) + b"\n")
    damaged = path.read_bytes()
    sentences: list[str] = []
    assert read_rows(path, sentences.append) == [row("a"), row("b")]
    assert sentences == [f"{path} is damaged in line 2: that part is left out."]
    append(path, row("c"))
    assert path.read_bytes() == damaged + line(row("c")) + b"\n"


def test_zeros_alone_are_a_results_file_without_rows(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\0" * 200)
    assert read_rows(path) == []
    append(path, row("a"))
    assert path.read_bytes() == line(row("a")) + b"\n"


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
    append(path, row("a"))


def test_a_second_run_on_the_same_file_is_refused(path: Path) -> None:
    with Results(path) as first:
        with pytest.raises(ResultsInUseError, match="in use by another run"), Results(path):
            pass
        first.append(row("a"))
    append(path, row("b"))
    assert [one.task for one in read_rows(path)] == ["a", "b"]


def test_a_row_that_finds_no_room_leaves_the_file_as_it_was(path: Path) -> None:
    append(path, row("a"))
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Results(path) as results:
        # The system then takes the first bytes of a row and refuses the rest, as a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, limits[1]))
        try:
            with pytest.raises(ResultsError, match=r"can't be written"):
                results.append(row("b", error="x" * 100))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert path.read_bytes() == before
        results.append(row("c"))
    assert [one.task for one in read_rows(path)] == ["a", "c"]


def test_a_folder_that_can_not_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResultsError, match=r"can't be written"), Results(tmp_path / "file" / "r"):
        pass


def test_setting_aside_keeps_the_rows(path: Path) -> None:
    with Results(path) as results:
        assert results.set_aside() is None
        kept = []
        for task in "abc":  # within one second, so that names must differ
            results.append(row(task))
            kept.append(results.set_aside())
            assert results.rows == []
    assert [read_rows(aside)[0].task for aside in kept if aside is not None] == ["a", "b", "c"]
    assert not path.exists()


def test_a_failed_task_is_not_finished_until_it_succeeds(path: Path) -> None:
    failed, good = row("a", error="no"), row("a")
    with Results(path) as results:
        results.append(failed)
        assert results.finished() == {}
        results.append(good)
        assert results.finished() == {"a": good}
    assert read_rows(path) == [failed, good]
    assert latest(read_rows(path)) == {"a": good}


STORED = Path(__file__).parents[1] / "benchmarks" / "paper" / "results.jsonl"


def test_stored_lines_are_rows_and_written_again_the_same() -> None:
    for stored in STORED.read_bytes().splitlines():
        assert line(Row.from_json(json.loads(stored))) == stored


def test_a_row_of_another_version_has_what_is_known_and_defaults() -> None:
    table = row("a").to_json() | {"test_score": 0.5, "phase_of_the_moon": 3, "cost": None}
    del table["timing_comparable"], table["suite"]
    assert Row.from_json(table) == row("a", test_score=0.5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": "0"}, "its seed is '0'"),
        ({"seed": True}, "its seed is True"),
        ({"seed": None}, "its seed is None"),
        ({"task": 3}, "its task is 3"),
        ({"contender": ["hybrid"]}, r"its contender is \['hybrid'\]"),
        ({"training": []}, "its training is no table"),
        ({"data": {"name": 3}}, "its data is no table with a name"),
        ({"test_score": "0.5"}, "its test_score is '0.5'"),
        ({"loss": 0.5}, "its loss is 0.5"),
        ({"curve": {"seconds": [1.0]}}, r"its curve has \[1, 0\] values"),
    ],
)
def test_a_row_is_looked_at_once_as_it_is_read(
    changes: dict[str, Any], words: str, path: Path
) -> None:
    path.parent.mkdir()
    table = row("a").to_json() | changes
    path.write_bytes(line(row("b")) + b"\n" + json.dumps(table).encode() + b"\n")
    expected = f"has a row that this version can't read: row 2 is wrong: {words}"
    with pytest.raises(ResultsError, match=expected):
        read_rows(path)
    with Results(path) as results:
        for use in (lambda: results.rows, results.finished):
            with pytest.raises(ResultsError, match=expected):
                use()
        # `--fresh`, which the error recommends.
        assert results.set_aside() is not None
        assert results.rows == []


# Training.


class Recorder:
    """Takes the place of a model and keeps what it is trained on."""

    def __init__(self) -> None:
        self.epochs: list[tuple[list[float], list[int]]] = []

    def compile(self, *arguments: Any, **options: Any) -> None:
        pass

    def fit(self, x: Any, y: Any, **options: Any) -> keras.callbacks.History:
        assert options["shuffle"] is False
        assert options["batch_size"] == 4
        self.epochs.append((x[:, 0].tolist(), y.tolist()))
        history = keras.callbacks.History()
        history.history = {"loss": [0.5], "score": [0.7]}
        return history


def epochs_seen(seed: int) -> list[tuple[list[float], list[int]]]:
    model: Any = Recorder()
    x, y = np.arange(20.0)[:, None], np.arange(20) * 10
    fitting.train(model, x, y, epochs=3, batch_size=4, learning_rate=0.1, seed=seed)
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
    trained = fitting.train(
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
    assert trained.ends == sorted(trained.ends)
    assert trained.ends[0] == trained.first_epoch_seconds
    assert all(0 <= value <= 1 for value in trained.score)


def test_a_regression_is_trained_and_scored_by_r2() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)).astype("float32")
    y = x @ np.array([1.0, -2.0, 0.5], "float32")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    trained = fitting.train(model, x, y, epochs=30, batch_size=20, learning_rate=0.05, seed=0)
    assert fitting.score(model, x, y) > 0.999
    assert trained.score[-1] > 0.99
    outputs = model.predict(x, verbose=0)[:, 0]
    exact = 1 - ((y - outputs) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    assert fitting.score(model, x, y) == pytest.approx(exact, abs=1e-6)


def test_outputs_that_are_not_finite_count_as_wrong() -> None:
    class Model(keras.Model):
        def predict_on_batch(self, x: Any) -> Any:
            nan, inf = math.nan, math.inf
            return np.array([[0.9, 0.1], [0.9, 0.1], [nan, nan], [inf, 0.0], [0.2, 0.8]])

    y = np.array([0, 1, 0, 0, 1])
    assert fitting.score(Model(), np.zeros((5, 1)), y) == 2 / 5
    assert math.isnan(fitting.score(Model(), np.zeros((5, 1)), y.astype("float32")))


def test_a_run_gives_a_row_and_the_same_row_again() -> None:
    seen: list[tuple[str, int]] = []
    row = bench.run_task(TASK, lambda task, epoch: seen.append((task.id, epoch)))
    assert seen == [(TASK.id, 0), (TASK.id, 1), (TASK.id, 2)]
    assert row.error is None
    assert Row.from_json(json.loads(json.dumps(row.to_json(), allow_nan=False))) == row
    assert (row.task, row.comparison) == (TASK.id, TASK.comparison)
    assert {name: getattr(row, name) for name in TASK.definition()} == TASK.definition()
    assert row.engine in engines.names()
    assert row.parameter_mismatch == 0
    assert row.parameters == models.build(TASK.model, datasets.load("iris")).count_params()
    assert (row.n_train, row.n_test) == (112, 38)
    assert row.metric == "accuracy"
    assert 0 <= row.test_score <= 1
    assert row.curve["seconds"] == sorted(row.curve["seconds"])
    assert len(row.curve["train_score"]) == 2
    assert row.hyperparameters == TASK.training
    assert row.tuning is None
    assert row.timing_comparable is True
    assert set(row.cost) == {*bench.statistics.COSTS, "run_seconds"}
    assert len(row.later_epoch_seconds) == 1
    assert row.epoch_seconds == row.later_epoch_seconds[0]
    assert row.versions["keras"] == keras.__version__
    assert row.machine["cores"] >= 1

    again = bench.run_task(TASK)
    assert again.loss == pytest.approx(row.loss, rel=1e-4)
    assert again.test_score == row.test_score


def test_a_row_of_a_frontier_keeps_no_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    untrained(monkeypatch)
    row = bench.run_task(dataclasses.replace(TASK, size={"n_layers": 1}))
    assert row.error is None
    assert row.curve is None
    assert row.loss == [1.0]
    assert Row.from_json(json.loads(json.dumps(row.to_json(), allow_nan=False))) == row
    assert bench.run_task(TASK).curve == {"seconds": [1.0], "train_score": [0.5]}


@pytest.mark.parametrize("contender", REFERENCES)
@pytest.mark.parametrize("data", ["iris", "diabetes"])
def test_a_reference_gives_a_row_of_the_same_kind(contender: str, data: str) -> None:
    task = dataclasses.replace(TASK, contender=contender, data={"name": data})
    row = bench.run_task(task)
    assert row.error is None
    assert Row.from_json(json.loads(json.dumps(row.to_json(), allow_nan=False))) == row
    assert row.metric == ("r2" if data == "diabetes" else "accuracy")
    assert -1 < row.test_score <= 1
    assert row.hyperparameters == dict(REFERENCES[contender].defaults)
    assert row.curve is row.loss is row.epoch_seconds is row.engine is None
    assert row.fit_seconds > 0
    assert (row.parameters is None) == (contender == "gradient_boosting")


def test_tuning_takes_the_best_on_the_training_part_and_the_test_part_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space = {"learning_rate": {"type": "categorical", "choices": [1e-9, 0.05]}}
    # The seed draws the worse, the better and the worse again.
    given = {"trials": 3, "seconds": 60, "folds": 2, "search_space": space}
    _, split = datasets.prepare(TASK.data, TASK.seed)
    seen = []
    score = fitting.score

    def scored(model: Any, x: Any, y: Any, problem: Any) -> float:
        seen.append(len(x) == len(split.x_test) and bool((x == split.x_test).all()))
        return score(model, x, y, problem)

    monkeypatch.setattr(fitting, "score", scored)
    training = {"epochs": 3, "batch_size": 8, "learning_rate": 1e-9}
    row = bench.run_task(dataclasses.replace(TASK, training=training, tuning=given))
    assert row.error is None
    assert row.hyperparameters == {**training, "learning_rate": 0.05}
    assert row.tuning["trials"] == 3
    assert row.tuning["stopped_by"] == "trials"
    assert seen.count(True) == 1
    assert seen[-1]


def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the place of training and its score, for what does not depend on them."""
    trained = fitting.Training([1.0], [0.5], [1.0], 1.0, [], 1.0)
    monkeypatch.setattr(fitting, "train", lambda *arguments, **options: trained)
    monkeypatch.setattr(fitting, "score", lambda *arguments: 0.5)


@pytest.mark.parametrize(
    ("contender", "own"),
    [
        ("hybrid", {"learning_rate": 0.0123, "model.n_layers": 3, "model.n_qubits": 2}),
        ("linear", {"learning_rate": 0.0123, "model.n_layers": 3, "model.n_qubits": 2}),
        ("rbf_svc", dict(REFERENCES["rbf_svc"].defaults)),
    ],
)
def test_the_own_settings_of_a_task_are_the_first_that_tuning_tries(
    contender: str, own: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    space = {
        "learning_rate": {"type": "float", "low": 1e-3, "high": 0.1, "log": True},
        "model.n_layers": {"type": "int", "low": 1, "high": 4},
        "model.n_qubits": {"type": "categorical", "choices": [1, 2, 3]},
    }
    given = {"trials": 2, "seconds": 600, "folds": 2, "search_space": space}
    # `n_layers` is the builder's own default: the task does not name it.
    model = {"name": "pqc_dense", "n_qubits": 2}
    training = {"epochs": 1, "batch_size": 64, "learning_rate": 0.0123}
    tried = []

    class Seen(contenders.Contender):
        def __init__(self, task: Task, dataset: Any, hyperparameters: Any, fast: bool) -> None:
            tried.append(dict(hyperparameters))
            super().__init__(task, dataset, hyperparameters, fast)

    monkeypatch.setattr(contenders, "Contender", Seen)
    if contender not in REFERENCES:
        untrained(monkeypatch)
    task = dataclasses.replace(
        TASK, contender=contender, model=model, training=training, tuning=given
    )
    row = bench.run_task(task)
    assert row.error is None
    assert len(tried) == 2 * 2 + 1  # two trials on two folds, and the winner
    assert tried[0] == tried[1] == own
    assert tried[2] != own


@pytest.mark.parametrize("contender", ["hybrid", "rbf_svc"])
def test_timing_takes_the_hyperparameters_that_were_found_before(
    contender: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = {
        "learning_rate": {"type": "float", "low": 1e-3, "high": 0.1, "log": True},
        "model.n_layers": {"type": "int", "low": 1, "high": 3},
    }
    given = {"trials": 2, "seconds": 600, "folds": 2, "search_space": space}
    task = dataclasses.replace(TASK, contender=contender, tuning=given)
    found = bench.run_task(task, alone=False)
    assert found.error is None
    # What another search would not find, and a clock that stopped it.
    names = ("learning_rate", "model.n_layers") if contender == "hybrid" else ("C", "gamma")
    ours = dict(zip(names, (0.0123, 3) if contender == "hybrid" else (1.25, 0.31), strict=True))
    assert set(ours) <= set(found.hyperparameters)
    searched = {**found.tuning, "trials": 1, "stopped_by": "time"}
    with Results(path) as results:
        results.append(
            dataclasses.replace(
                found, hyperparameters={**found.hyperparameters, **ours}, tuning=searched
            )
        )

        def search(*arguments: Any, **options: Any) -> None:
            raise AssertionError("searched anew")

        with monkeypatch.context() as patch:
            patch.setattr(contenders.tuning, "tune", search)
            (again,) = bench.run([task], results, timing=True)
    assert again.error is None
    assert again.timing_comparable
    assert again.task == found.task
    assert {name: again.hyperparameters[name] for name in ours} == ours
    assert again.tuning == searched
    if contender == "hybrid":
        deeper = models.build({**TASK.model, "n_layers": 3}, datasets.load("iris"))
        assert again.parameters == deeper.count_params()


def test_a_row_that_lacks_what_is_searched_is_no_search(path: Path) -> None:
    space = {"learning_rate": {"type": "float", "low": 1e-3, "high": 0.1, "log": True}}
    given = {"trials": 1, "seconds": 600, "folds": 2, "search_space": space}
    task = dataclasses.replace(TASK, tuning=given)
    earlier = dataclasses.replace(
        runner.failed(task, None), test_score=0.5, tuning={"trials": 1}, hyperparameters={}
    )
    row = bench.run_task(task, earlier=earlier)
    assert row.error is None
    assert row.tuning["stopped_by"] == "trials"
    # Without tuning there is nothing to take.
    assert bench.run_task(TASK, earlier=earlier).hyperparameters == TASK.training


def test_own_settings_outside_the_space_are_left_to_the_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    untrained(monkeypatch)
    space = {
        "learning_rate": {"type": "float", "low": 1e-3, "high": 1e-2},
        "batch_size": {"type": "categorical", "choices": [16, 32]},
    }
    given = {"trials": 1, "seconds": 600, "folds": 2, "search_space": space}
    training = {"epochs": 1, "batch_size": 64, "learning_rate": 0.5}
    row = bench.run_task(dataclasses.replace(TASK, training=training, tuning=given))
    assert row.error is None
    assert 1e-3 <= row.hyperparameters["learning_rate"] <= 1e-2
    assert row.hyperparameters["batch_size"] in (16, 32)


def test_tuning_reaches_the_arguments_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    untrained(monkeypatch)
    space = {"model.n_layers": {"type": "categorical", "choices": [2]}}
    given = {"trials": 1, "seconds": 60, "folds": 2, "search_space": space}
    row = bench.run_task(dataclasses.replace(TASK, tuning=given))
    assert row.error is None
    deeper = models.build({**TASK.model, "n_layers": 2}, datasets.load("iris"))
    assert row.parameters == deeper.count_params()
    # The hybrid that is reported is another row's, and may have another depth.
    assert row.parameter_mismatch is None


def test_the_controls_start_from_the_weights_of_the_hybrid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first: list[np.ndarray] = []

    def train(model: keras.Model, *arguments: Any, **options: Any) -> fitting.Training:
        first.append(model.layers[0].get_weights()[0])
        return fitting.Training([1.0], [0.5], [1.0], 1.0, [], 1.0)

    monkeypatch.setattr(fitting, "train", train)
    for contender in ("hybrid", "dense_same_width"):
        row = bench.run_task(dataclasses.replace(TASK, contender=contender))
        assert row.epoch_seconds is None  # there was one epoch only
    assert (first[0] == first[1]).all()


def test_a_loss_that_diverges_is_null(monkeypatch: pytest.MonkeyPatch) -> None:
    diverged = fitting.Training([1.0, math.nan], [0.5, 0.3], [1.0, 2.0], 1.0, [1.0], 2.0)
    monkeypatch.setattr(fitting, "train", lambda *arguments, **options: diverged)
    row = bench.run_task(TASK)
    assert row.loss == [1.0, None]
    json.dumps(row.to_json(), allow_nan=False)


def test_an_interrupt_that_a_library_made_an_error_of_is_still_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def wrapped(*_: object) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise RuntimeError("a function of Python's failed") from error

    def retold(*_: object) -> None:
        raise RuntimeError("{{function_node}} KeyboardInterrupt: [Op:PyFunc]")

    for failing in (wrapped, retold):
        monkeypatch.setattr(runner, "_run", failing)
        with pytest.raises(KeyboardInterrupt):
            bench.run_task(TASK)


def test_an_exception_ends_up_in_the_row() -> None:
    row = bench.run_task(dataclasses.replace(TASK, model={**TASK.model, "engine": "gpu"}))
    assert row.error.startswith("ArgumentError: Argument `engine` must be one of")
    assert "test_score" not in row.to_json()
    assert row.versions


# Running, and going on.


class Trainer:
    """Takes the place of `run_task`: fails or stops where told, and counts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ran: list[str] = []
        self.fails: set[str] = set()
        self.stops_at = -1
        monkeypatch.setattr(runner, "run_task", self)

    def __call__(
        self,
        task: Task,
        on_epoch: runner.OnEpoch,
        alone: bool = True,
        fast: bool = False,
        earlier: Row | None = None,
    ) -> Row:
        if len(self.ran) == self.stops_at:
            raise KeyboardInterrupt
        self.ran.append(task.id)
        error = "RuntimeError: no" if task.id in self.fails else None
        return row(task.id, error=error)


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
    assert [one.task for one in run_all(path, more)] == [task.id for task in more[len(TASKS) :]]


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
    assert [one.task for one in read_rows(path)] == [task.id for task in TASKS[:4]]
    trainer.stops_at = -1
    list(run_all(path, TASKS))
    assert [one.task for one in read_rows(path)] == [task.id for task in TASKS]


def test_a_torn_row_is_run_again(path: Path, trainer: Trainer) -> None:
    list(run_all(path, TASKS))
    path.write_bytes(path.read_bytes()[:-7])
    assert [one.task for one in run_all(path, TASKS)] == [TASKS[-1].id]
    assert [one.task for one in read_rows(path)] == [task.id for task in TASKS]


def test_a_failed_run_does_not_stop_the_others_and_is_tried_again(
    path: Path, trainer: Trainer
) -> None:
    trainer.fails = {TASKS[1].id}
    assert len(list(run_all(path, TASKS))) == len(TASKS)
    trainer.fails = set()
    assert [one.task for one in run_all(path, TASKS)] == [TASKS[1].id]
    assert [one.error for one in read_rows(path)].count("RuntimeError: no") == 1


def test_timing_reruns_what_others_ran_beside_and_nothing_else(
    path: Path, trainer: Trainer
) -> None:
    with Results(path) as results:
        for i, task in enumerate(TASKS[:4]):
            results.append(row(task.id, timing_comparable=i % 2 == 0))
        assert [task.id for task in runner.missing(TASKS, results)] == [t.id for t in TASKS[4:]]
        found = list(bench.run(TASKS[:4], results, timing=True))
    assert [one.task for one in found] == [TASKS[1].id, TASKS[3].id]


# Planning.


def planned(**changes: Any) -> tuple[list[Task], dict[str, str]]:
    arguments: dict[str, Any] = {
        "data": TASK.data,
        "model": TASK.model,
        "training": TASK.training,
        "seeds": range(2),
        **changes,
    }
    return runner.plan(**arguments)


def test_a_plan_has_the_hybrid_and_every_control_that_applies() -> None:
    tasks, reasons = planned()
    assert [task.contender for task in tasks[: len(CONTENDERS)]] == list(CONTENDERS)
    assert [task.seed for task in tasks] == [0] * len(CONTENDERS) + [1] * len(CONTENDERS)
    assert reasons == {}
    tasks, reasons = planned(model={"name": "embedding_head", "n_qubits": 2})
    assert "frozen_circuit" not in {task.contender for task in tasks}
    assert "no weights that train" in reasons["frozen_circuit"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": {"name": "cifar"}}, "'digits'.*'cifar'"),
        ({"data": {"name": "iris", "n_samples": 3}}, "no argument `n_samples`"),
        ({"model": {"name": "resnet"}}, "'pqc_dense'.*'resnet'"),
        ({"training": {"epochs": 2, "batch_size": 4}}, "must have `learning_rate`"),
        ({"training": {**TASK.training, "epochs": 2.5}}, "epochs.*whole number"),
        ({"training": {**TASK.training, "learning_rate": math.nan}}, "learning_rate.*over 0"),
        ({"training": {**TASK.training, "momentum": 0.9}}, "have epochs.* only.*'momentum'"),
        ({"contenders": ["hybrid", "transformer"]}, "'rbf_svc'.*'transformer'"),
        (
            {
                "model": {"name": "embedding_head", "n_qubits": 2},
                "contenders": ["hybrid", "frozen_circuit"],
            },
            "'frozen_circuit' does not apply.*no weights that train",
        ),
    ],
)
def test_a_mistake_in_a_definition_shows_before_anything_runs(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        planned(**changes)


def test_a_model_file_that_changes_makes_other_tasks(tmp_path: Path) -> None:
    source = """
import keras
from qkeras_hybrid import PQCDense

def build(n_features, n_outputs):
    return keras.Sequential([
        keras.Input((n_features,)),
        PQCDense({units}),
        keras.layers.Dense(n_outputs, activation="softmax"),
    ])
"""
    file = tmp_path / "mine.py"
    ids = []
    for units in (1, 2):
        file.write_text(source.replace("{units}", str(units)))
        tasks, _ = planned(model={"name": f"{file}:build"}, contenders=["hybrid"])
        ids.append(tasks[0].id)
    assert ids[0] != ids[1]


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
            made: dict[str, Any] = {
                "task": task.id,
                "comparison": task.comparison,
                **task.definition(),
                "error": "RuntimeError: out of [qubits]" if value is None else None,
                "versions": {"keras": "3"},
                "machine": {"cores": 2},
            }
            if value is not None:
                made |= {
                    "network": f"network of {contender}",
                    "engine": "tfq" if contender == "hybrid" else None,
                    "parameters": 1234,
                    "parameter_mismatch": 0.0,
                    "test_score": value,
                    "loss": [1.0, 0.99],
                    "first_epoch_seconds": 2.0,
                    "epoch_seconds": 0.4 if contender == "hybrid" else 0.1,
                }
                made |= fields.get(contender, {})
            rows.append(Row(**made))
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
    rows[:1] = changed(rows[:1], first_epoch_seconds=60.0, loss=[1.0, None])
    (summary,) = summarize(rows)
    assert summary.failed == 1
    assert summary.test_score.mean == pytest.approx(0.8)
    assert summary.test_score.n == 3
    assert summary.first_epoch_seconds == 2
    assert summary.loss_drop == pytest.approx(0.01)
    assert summary.engine == "tfq"
    rows[3:] = changed(rows[3:], engine="native")
    assert summarize(rows)[0].engine == "native, tfq"
    (all_failed,) = summarize(rows_of({"hybrid": [None, None]}))
    assert all_failed.failed == 2
    assert all_failed.parameters is None
    assert math.isnan(all_failed.epoch_seconds)


def test_a_run_that_was_repeated_counts_once() -> None:
    rows = rows_of({"hybrid": [None, 0.7]}) + rows_of({"hybrid": [0.9]})
    (summary,) = summarize(rows)
    assert summary.failed == 0
    assert summary.test_score.n == 2


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


@pytest.mark.parametrize("seeds", [1, 3, 5, 7, 10])
def test_compare_says_what_a_report_says_of_the_same_rows(seeds: int) -> None:
    scores = [0.8 + 0.001 * seed for seed in range(seeds)]
    rows = rows_of(
        {
            "hybrid": list(scores),
            "dense_same_parameters": [score - 0.1 for score in scores],
            "dense_same_width": [score + 0.1 for score in scores],
        }
    )
    sentence, *rest = report.verdict(rows).splitlines()
    assert sentence == judge(rows).sentence
    assert content.build(rows).comparisons[0].verdict.sentence == sentence
    assert sentence.startswith("Too few seeds to tell") == (seeds < 7)
    # A Student t interval excludes zero from two seeds on, and would have claimed a difference.
    assert "chance" not in " ".join([sentence, *rest])
    assert "say nothing about other circuits" in rest[-1]


def test_the_verdict_tells_what_is_missing() -> None:
    assert "No pair of runs" in report.verdict(rows_of({"hybrid": [0.9, None], "mlp": [None, 0.9]}))
    assert "all 3 runs of the hybrid failed" in report.verdict(three([None, None, None]))
    assert report.verdict(rows_of({"dense_same_width": [0.1]})) == (
        "There are no rows of the hybrid to compare with."
    )


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
        dense_same_parameters={**network, "parameters": 1086},
        dense_same_width=network,
    )
    rows[-1:] = changed(rows[-1:], versions={"keras": "4"})
    said = " ".join(report.notes(rows))
    assert "Dense same parameters has 12.0 % fewer" in said
    assert "Dense same parameters and Dense same width are the same network here" in said
    assert "1 run of 9 failed and is not in the means" in said
    assert "RuntimeError: out of [qubits]" in said
    assert "their times can't be compared" in said
