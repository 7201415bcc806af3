"""What a suite would take: from rows, from trials, on hardware; and the limit of a run."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest

from qkeras_hybrid import cli, costs, datasets
from qkeras_hybrid.bench import hardware, models, planning, runner
from qkeras_hybrid.bench.environment import machine
from qkeras_hybrid.bench.planning import Seconds
from qkeras_hybrid.bench.results import Results, read_rows
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.task import Task, plan
from qkeras_hybrid.engines import SamplerEngine
from qkeras_hybrid.engines.services import Prices

TRAINING = {"epochs": 10, "batch_size": 32, "learning_rate": 0.02}
MODEL = {"name": "pqc_dense", "n_qubits": 2, "n_layers": 1}


def tasks(data: str = "iris", seeds: int = 3, **more: Any) -> list[Task]:
    training = more.pop("training", TRAINING)
    contenders = more.pop("contenders", ("hybrid", "linear"))
    backend = keras.backend.backend()
    return plan({"name": data}, MODEL, training, backend, contenders, range(seeds), **more)


def row(task: Task, seconds: float, **fields: Any) -> Row:
    made = runner.failed(task, None)
    cost = {"run_seconds": seconds, "peak_memory_bytes": 1000}
    return dataclasses.replace(made, test_score=0.5, trained_by="fast", cost=cost, **fields)


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """Takes the place of training: a first run of 3 s, later ones of 1 s with 0.1 s an epoch."""
    ran: list[Task] = []
    clock = [0.0]

    def run(task: Task, fast: bool) -> Row:
        known = {one.contender for one in ran}
        ran.append(task)
        clock[0] += 1.0 if task.contender in known else 3.0
        if Path("fails").exists():
            return runner.failed(task, "RuntimeError: no")
        epochs = task.training["epochs"]
        ends = [0.2 + 0.1 * epoch for epoch in range(epochs)]
        curve = {"seconds": ends, "train_score": ends}
        # As `runner.run_task`: rows of a frontier keep no curves.
        return row(task, 1.0, fit_seconds=ends[-1], curve=None if task.size else curve)

    monkeypatch.setattr(planning.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(runner, "run_task", run)
    return ran


# Rows.


def test_rows_of_the_same_comparison_tell_how_long_the_rest_takes(trials: list[Task]) -> None:
    all_of_them = tasks(seeds=4)
    stored = [row(task, 2.0 if task.contender == "hybrid" else 1.0) for task in all_of_them[:4]]
    made = planning.plan(all_of_them, all_of_them[4:], stored)
    # Two runs of the hybrid and two without, of 2 s and 1 s.
    assert (made.seconds.low, made.seconds.high) == pytest.approx((0.8 * 6, 1.25 * 6))
    assert (made.runs, made.missing, made.from_rows) == (8, 4, 4)
    assert made.memory == 1000
    assert trials == []


def test_more_processes_share_the_work(trials: list[Task]) -> None:
    all_of_them = tasks(seeds=4)
    stored = [row(task, 100.0) for task in all_of_them[:4]]
    one, two = (planning.plan(all_of_them, all_of_them[4:], stored, workers=n) for n in (1, 2))
    low, high = planning.START
    assert two.seconds.low == pytest.approx(one.seconds.low / 2 + low)
    assert two.seconds.high == pytest.approx(one.seconds.high / 2 + high)


def test_rows_on_other_data_are_the_next_best(trials: list[Task]) -> None:
    stored = [row(task, 2.0) for task in tasks("wine")]
    made = planning.plan(tasks(), tasks(), stored)
    assert made.from_alike == 6
    assert (made.seconds.low, made.seconds.high) == pytest.approx((0.6 * 12, 1.7 * 12))
    assert trials == []


@pytest.mark.parametrize(
    "fields",
    [
        {"machine": {**machine(), "cores": 1000}},
        {"error": "ValueError: no"},
        {"trained_by": "fit", "backend": "jax"},
        {"training": {**TRAINING, "epochs": 11}, "comparison": "other"},
        {"model": {**MODEL, "n_layers": 5}, "comparison": "other"},
    ],
)
def test_other_rows_tell_nothing(trials: list[Task], fields: dict[str, Any]) -> None:
    stored = [dataclasses.replace(row(task, 2.0), **fields) for task in tasks()]
    made = planning.plan(tasks(), tasks(), stored)
    assert (made.from_rows, made.from_alike, made.from_trials) == (0, 0, 6)
    assert len(trials) == 4


@pytest.mark.parametrize("fields", [{"backend": "torch"}, {"metric": "regret"}])
def test_what_never_trains_fast_tells_anyway(trials: list[Task], fields: dict[str, Any]) -> None:
    its = [dataclasses.replace(task, backend=fields.get("backend", "jax")) for task in tasks()]
    stored = [dataclasses.replace(row(task, 2.0), **fields, trained_by="fit") for task in its]
    assert planning.plan(its, its, stored).from_rows == 6


def test_older_rows_tell_by_tuning_and_fit(trials: list[Task]) -> None:
    tuning = {"trials": 2, "seconds": 30, "folds": 2, "search_space": {}}
    its = tasks(tuning=tuning)
    stored = [
        dataclasses.replace(row(task, 0.0, fit_seconds=1.0, tuning={"seconds": 4.0}), cost={})
        for task in its
    ]
    made = planning.plan(its, its, stored)
    assert (made.seconds.low, made.seconds.high) == pytest.approx((0.8 * 30, 1.25 * 30))
    assert made.memory is None


# Trials.


@pytest.mark.parametrize("size", [None, {"n_layers": 1}])
def test_a_trial_is_two_short_runs_and_tells_of_whole_ones(
    trials: list[Task], size: dict[str, int] | None
) -> None:
    its = tasks(contenders=("hybrid",), size=size)
    said: list[Task] = []
    made = planning.plan(its, its, on_trial=said.append)
    assert len(said) == 1
    assert [task.training["epochs"] for task in trials] == [planning.TRIAL_EPOCHS] * 2
    assert [task.tuning for task in trials] == [None, None]
    # The trace takes 3 s - 1 s once; a run 1 s, of which 5 epochs of 0.1 s; and then 10 of them.
    each = 1.0 - 0.5 + 1.0
    assert made.seconds.low == pytest.approx(0.8 * (2 + 3 * each))
    assert made.seconds.high == pytest.approx(1.4 * (2 + 3 * each))
    assert made.from_trials == 3
    assert made.trial_seconds == pytest.approx(4.0)


def test_patience_leaves_the_epochs_open(trials: list[Task]) -> None:
    training = {**TRAINING, "epochs": 100, "patience": 3}
    its = tasks(contenders=("hybrid",), seeds=1, training=training)
    made = planning.plan(its, its)
    assert "patience" not in trials[0].training
    assert made.seconds.low == pytest.approx(0.8 * (2 + 0.5 + 12 * 0.1))
    assert made.seconds.high == pytest.approx(1.4 * (2 + 0.5 + 100 * 0.1))


def test_tuning_multiplies_the_fits_up_to_its_seconds(trials: list[Task]) -> None:
    tuning = {"trials": 4, "seconds": 60, "folds": 3, "search_space": {}}
    its = tasks(contenders=("hybrid",), seeds=1, tuning=tuning)
    made = planning.plan(its, its)
    # Four trials of three fits on two of three folds: eight fits of 1 s, with 0.5 s around each.
    assert made.seconds.low == pytest.approx(0.8 * (2 + 0.5 + 1 + 8))
    assert made.seconds.high == pytest.approx(1.4 * (2 + 0.5 + 1 + 8 + 6))
    short = dataclasses.replace(its[0], tuning={**tuning, "seconds": 3})
    made = planning.plan([short], [short])
    # The trial that runs when time is up ends first.
    assert made.seconds.high == pytest.approx(1.4 * (0.5 + 1 + 3 + 2))


def test_what_has_no_time_for_a_trial_is_guessed(trials: list[Task]) -> None:
    its = tasks(contenders=("hybrid", "linear"), seeds=1)
    made = planning.plan(its, its, trial_seconds=1.0)
    assert (made.from_trials, made.guessed) == (1, 1)
    run = 1.5
    assert made.seconds.low == pytest.approx(0.8 * (2 + run) + 0.4 * 0.8 * run)
    assert made.seconds.high == pytest.approx(1.4 * (2 + run) + 2.5 * 1.4 * run)
    trials.clear()
    made = planning.plan(its, its, trial_seconds=0)
    assert (made.guessed, trials) == (2, [])
    assert 0 < made.seconds.low < made.seconds.high < math.inf


def took(
    monkeypatch: pytest.MonkeyPatch, epoch: Callable[[Task], float]
) -> tuple[list[Task], Callable[[Task], float]]:
    """Takes the place of training whose epochs take so long.

    Returns the tasks that ran, and what tells how long a whole one takes.
    """
    ran: list[Task] = []
    clock = [0.0]

    def run(task: Task, fast: bool) -> Row:
        ran.append(task)
        ends = [epoch(task) * (1 + each) for each in range(task.training["epochs"])]
        clock[0] += ends[-1]
        curve = {"seconds": ends, "train_score": ends}
        # As `runner.run_task`: rows of a frontier keep no curves.
        return row(task, 1.0, fit_seconds=ends[-1], curve=None if task.size else curve)

    monkeypatch.setattr(planning.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(runner, "run_task", run)
    return ran, lambda task: epoch(task) * task.training["epochs"]


def hybrids(
    data: dict[str, Any] | None = None,
    model: dict[str, Any] = MODEL,
    seeds: int = 1,
    training: dict[str, Any] = TRAINING,
    **more: Any,
) -> list[Task]:
    backend = keras.backend.backend()
    return plan(
        data or {"name": "iris"}, model, training, backend, ("hybrid",), range(seeds), **more
    )


NOISE = {"noise": "depolarizing:0.01", "noisy_training": True}


def test_noise_sizes_and_batches_have_trials_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    larger = {**MODEL, "n_qubits": 8, "n_layers": 3}
    small_batches = {**TRAINING, "batch_size": 1}
    its = [
        *hybrids(seeds=7),
        *hybrids(seeds=2, model=larger),
        *hybrids(seeds=2, training=small_batches),
        *hybrids(seeds=6, execution=NOISE),
    ]

    def epoch(task: Task) -> float:
        dear = 20.0 if task.execution else 5.0 if task.model["n_qubits"] == 8 else 1.0
        return 0.01 * dear * (32 / task.training["batch_size"])

    ran, whole = took(monkeypatch, epoch)
    made = planning.plan(its, its)
    assert (made.from_trials, len(ran)) == (17, 8)
    real = sum(map(whole, its))
    assert (made.seconds.low, made.seconds.high) == pytest.approx((0.8 * real, 1.4 * real))


def test_epochs_grow_with_the_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    its = [
        task
        for n in (100, 150, 200, 20000)
        for task in hybrids({"name": "linearly_separable", "n_samples": n})
    ]
    _, whole = took(monkeypatch, lambda task: 1e-4 * task.data["n_samples"])
    made = planning.plan(its, its, trial_seconds=1e9)
    real = sum(map(whole, its))
    assert (made.seconds.low, made.seconds.high) == pytest.approx(
        (0.8 * real, 1.4 * real), rel=0.01
    )
    assert made.from_trials == 4


def test_without_time_for_all_trials_the_dearest_runs_are_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models = [{**MODEL, "n_qubits": n} for n in (2, 3, 4, 5)]
    its = [task for model in models for task in hybrids(model=model, seeds=3)]
    noisy = hybrids(execution=NOISE, training={**TRAINING, "epochs": 4})

    def epoch(task: Task) -> float:
        return 2.0 ** task.model["n_qubits"] * (100 if task.execution else 1)

    ran, whole = took(monkeypatch, epoch)
    made = planning.plan(its, its, trial_seconds=1.0)
    assert {task.model["n_qubits"] for task in ran} == {5}
    assert (made.from_trials, made.guessed) == (3, 9)
    assert made.seconds.high >= sum(map(whole, its))
    ran.clear()
    made = planning.plan([*its, *noisy], [*its, *noisy], trial_seconds=1.0)
    assert {bool(task.execution) for task in ran} == {True}
    assert made.seconds.high >= sum(map(whole, [*its, *noisy]))


def test_rows_of_another_execution_or_fewer_samples_are_no_measure(trials: list[Task]) -> None:
    stored = [row(task, 2.0) for task in hybrids()]
    noisy = hybrids({"name": "wine"}, execution=NOISE)
    assert planning.plan(noisy, noisy, stored).from_trials == 1
    # Of 2000 samples 1500 are for training, and the rows had 15.
    more = hybrids({"name": "linearly_separable", "n_samples": 2000})
    stored = [dataclasses.replace(one, n_train=15) for one in stored]
    made = planning.plan(more, more, stored)
    assert made.from_alike == 1
    assert (made.seconds.low, made.seconds.high) == pytest.approx((0.6 * 2, 1.7 * 200))


def test_a_trial_that_fails_tells_nothing(
    trials: list[Task], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("fails").touch()
    assert planning.plan(tasks(), tasks()).guessed == 6


def test_nothing_to_run_takes_no_time(trials: list[Task]) -> None:
    made = planning.plan(tasks(), [], workers=4)
    assert made.seconds == Seconds(0.0, 0.0)
    assert (made.missing, made.memory) == (0, None)


# Hardware.


def test_hardware_is_what_model_cost_counts_for_each_run() -> None:
    prices = Prices(per_circuit=0.3, per_shot=0.01)
    its = tasks(contenders=("hybrid", "linear"), seeds=2)
    found = hardware.hardware_cost(its, 100, prices)
    assert found is not None
    import cirq

    dataset, split = datasets.prepare({"name": "iris"}, 0)
    engine = SamplerEngine(cirq.Simulator(), shots=100, prices=prices)
    one = costs.model_cost(models.build(MODEL, dataset), split.x_train, 10, engine)
    assert (found.circuits, found.shots, found.jobs) == (
        2 * one.circuits,
        2 * one.shots,
        2 * one.jobs,
    )
    assert found.money == pytest.approx(2 * one.money)
    # Two qubits: a forward pass, and two shifts for each of two encoded and six trained angles.
    assert one.circuits == 10 * len(split.x_train) * (1 + 2 * 8)


def test_on_hardware_trials_and_validation_count() -> None:
    plain = hardware.hardware_cost(tasks(contenders=("hybrid",), seeds=1))
    tuning = {"trials": 4, "seconds": 60, "folds": 3, "search_space": {}}
    tuned = hardware.hardware_cost(tasks(contenders=("hybrid",), seeds=1, tuning=tuning))
    training = {**TRAINING, "patience": 2}
    validated = hardware.hardware_cost(tasks(contenders=("hybrid",), seeds=1, training=training))
    assert plain is not None
    assert tuned is not None
    assert validated is not None
    assert tuned.circuits == 9 * plain.circuits
    # Of 112 samples 22 validate, with a prediction alone.
    assert plain.circuits == 10 * 112 * 17
    assert validated.circuits == 10 * (90 * 17 + 22)


def test_without_circuits_hardware_has_nothing_to_do() -> None:
    assert hardware.hardware_cost(tasks(contenders=("linear",))) is None
    assert hardware.hardware_cost([]) is None


# The commands.

SUITE = """
seeds = 2
[training]
epochs = 2
batch_size = 32
learning_rate = 0.02
[[task]]
data = {name = "iris"}
model = {name = "pqc_dense", n_qubits = 2, n_layers = 1}
contenders = ["hybrid", "linear"]
"""


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(SUITE)
    return "small.toml"


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_plan_says_runs_time_memory_and_hardware_and_writes_nothing(
    suite: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--workers", "1", "--price-per-circuit", "0.5", "--currency", "EUR"]
    assert cli.main(["plan", suite, *options]) == 0
    said = capsys.readouterr()
    assert "No stored rows of Hybrid of pqc_dense: trying it out." in said.err
    first, time, memory, on_hardware = said.out.splitlines()
    assert first == "Suite small: 4 runs in 1 comparison; 0 are done, 4 missing."
    assert time.startswith("Time: ")
    assert time.endswith(" with 1 process, from trials.")
    assert memory.startswith("Memory: about ")
    circuits = 2 * 2 * 112 * 17
    assert on_hardware == (
        f"On hardware: {circuits:,} circuits, {1000 * circuits:,} shots, "
        f"{2 * 2 * 4 * 2} jobs, {circuits / 2:,.2f} EUR."
    )
    assert [path.name for path in Path().iterdir()] == ["small.toml"]

    # Once it has run, nothing is missing, and another suite can be estimated from its rows.
    assert cli.main(["run", suite, "--yes"]) == 0
    capsys.readouterr()
    assert cli.main(["plan", suite]) == 0
    assert lines(capsys) == [
        "Suite small: 4 runs in 1 comparison; 4 are done, 0 missing.",
        "On hardware: no run that is missing has circuits.",
    ]
    Path("other.toml").write_text(SUITE.replace("iris", "wine"))
    stored = ["--rows", "results/small/results.jsonl"]
    assert cli.main(["plan", "other.toml", "--seeds", "5", *stored]) == 0
    said = capsys.readouterr()
    assert "trying it out" not in said.err
    assert "10 runs in 1 comparison; 0 are done, 10 missing." in said.out
    assert "from stored rows on other data." in said.out
    # For their seconds, what trained fast would run again: all but under torch, which has no such.
    assert cli.main(["plan", suite, "--timing", "--trial-seconds", "0"]) == 0
    again = 0 if keras.backend.backend() == "torch" else 4
    assert f"{again} missing" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--trial-seconds", "-1"], "`--trial-seconds` must be a number of at least 0"),
        (["--trial-seconds", "nan"], "`--trial-seconds` must be a number of at least 0"),
        (["--price-per-shot", "-1"], "`--price-per-shot` must be at least 0"),
        (["--price-per-job", "inf"], "`--price-per-job` must be"),
        (["--rows", "nowhere.jsonl"], "`--rows` must be a results file"),
        (["--model", "nowhere.py:build"], "nowhere.py"),
        (["--shots", "0"], "--shots"),
    ],
)
def test_bad_options_of_plan_are_said_in_a_line(
    suite: str, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert cli.main(["plan", suite, "--trial-seconds", "0", *options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err


def test_plan_of_an_unknown_suite_or_of_broken_rows(
    suite: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["plan", "nothing"]) == 2
    assert "must be one of" in capsys.readouterr().err
    Path("broken.jsonl").write_text("no rows\n")
    assert cli.main(["plan", suite, "--rows", "broken.jsonl"]) == 1
    assert "is no results file" in capsys.readouterr().err


@pytest.fixture
def stored(suite: str) -> str:
    """A suite of which one seed has rows that took ten hours each."""
    from qkeras_hybrid.bench import suite as suites
    from qkeras_hybrid.cli.plan import tasks_of

    with Results(Path("results/small/results.jsonl")) as results:
        for task in tasks_of(suites.read(suite))[:2]:
            results.append(row(task, 36_000.0))
    return suite


def test_a_run_beyond_its_limit_is_refused_without_a_terminal(
    stored: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", stored, "--max-hours", "1", "--workers", "1"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "4 runs; 2 are done, 2 missing." in said.err
    assert "Time: 16 to 25 hours with 1 process, from stored rows of the same" in said.err
    assert "more than the 1 hours of `--max-hours`" in said.err
    assert "--yes" in said.err
    assert len(read_rows(Path("results/small/results.jsonl"))) == 2
    # Two processes take half as long; and nothing is left to ask within the limit.
    assert cli.main(["run", stored, "--max-hours", "12", "--workers", "2"]) == 2
    assert cli.main(["run", stored, "--max-hours", "30", "--workers", "1"]) == 0
    assert len(read_rows(Path("results/small/results.jsonl"))) == 4


@pytest.mark.parametrize(("answer", "code", "n_rows"), [("n", 2, 2), ("y", 0, 4)])
def test_on_a_terminal_it_is_asked(
    stored: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str,
    code: int,
    n_rows: int,
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda text, err: answer == "y")
    assert cli.main(["run", stored, "--max-hours", "1", "--workers", "1"]) == code
    assert "Time: 16 to 25 hours" in capsys.readouterr().err
    assert len(read_rows(Path("results/small/results.jsonl"))) == n_rows


def test_yes_asks_and_tries_nothing(stored: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", stored, "--max-hours", "0.001", "--yes", "--workers", "1"]) == 0
    assert "Time:" not in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "compare"])
@pytest.mark.parametrize("hours", ["0", "-1", "nan", "inf"])
def test_a_limit_that_is_none_is_refused(
    suite: str, capsys: pytest.CaptureFixture[str], command: str, hours: str
) -> None:
    assert cli.main([command, "--max-hours", hours]) == 2
    assert "`--max-hours` must be a number over 0" in capsys.readouterr().err


def test_a_limit_is_of_this_machine(suite: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", suite, "--max-hours", "1", "--ray", "192.0.2.1:6379"]) == 2
    assert "of this machine" in capsys.readouterr().err


def test_compare_is_asked_too(
    suite: str, trials: list[Task], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--dataset", "iris", "--seeds", "1", "--qubits", "2", "--max-hours", "0.0001"]
    assert cli.main(["compare", *options]) == 2
    said = capsys.readouterr().err
    assert "3 runs; 0 are done, 3 missing." in said
    assert "no terminal to ask on" in said
    assert not Path("qkeras-hybrid-results").exists()
