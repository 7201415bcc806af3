"""`qkeras-hybrid run`: suites from the command line to the rows and the page."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import rich.console

import made_rows
from qkeras_hybrid import cli
from qkeras_hybrid.bench import report, runner
from qkeras_hybrid.bench import suite as suites
from qkeras_hybrid.bench.recognising import recognised
from qkeras_hybrid.bench.report import Content, content
from qkeras_hybrid.bench.results import Results, read_rows
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.task import Task
from qkeras_hybrid.cli.plan import tasks_of

SUITE = """
description = "Small."
seeds = 2
[training]
epochs = 2
batch_size = 32
learning_rate = 0.02
[[task]]
data = {name = "iris"}
model = {name = "pqc_dense", n_qubits = 2, n_layers = 1}
contenders = ["hybrid", "linear", "rbf_svc"]
"""

MODEL = """
import keras
from qkeras_hybrid import PQCDense

def build(n_features, n_outputs):
    return keras.Sequential([
        keras.Input((n_features,)),
        keras.layers.Dense(2, activation="tanh"),
        PQCDense(2, n_layers=1),
        keras.layers.Dense(n_outputs, activation="softmax"),
    ])

def classical(n_features, n_outputs):
    return keras.Sequential([
        keras.Input((n_features,)), keras.layers.Dense(n_outputs, activation="softmax")
    ])
"""


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(SUITE)
    Path("mine.py").write_text(MODEL)
    return "small.toml"


def rows() -> list[Row]:
    return read_rows(Path("results/small/results.jsonl"))


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line


def test_a_suite_runs_writes_and_becomes_a_page(
    suite: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", suite, "--csv", "--tensorboard"]) == 0
    printed = capsys.readouterr().out
    assert "pqc_dense on iris: 2 seeds" in printed
    assert "RBF-SVC" in printed
    assert "qkeras-hybrid report results/small" in printed
    assert [(row.seed, row.contender) for row in rows()] == [
        (seed, name) for seed in (0, 1) for name in ("hybrid", "linear", "rbf_svc")
    ]
    assert {row.suite for row in rows()} == {"small"}
    assert len(list(Path("results/small/curves").iterdir())) == 4
    assert len(list(Path("results/small/tensorboard").iterdir())) == 4
    assert cli.main(["report", "results/small"]) == 0
    page = Path("results/small/report.html").read_text(encoding="utf-8")
    assert "RBF-SVC" in page
    assert Path("results/small/report.md").exists()
    capsys.readouterr()

    # Given again it runs nothing; with a seed more, what is new.
    assert cli.main(["run", suite]) == 0
    assert "6 of 6 runs are in" in capsys.readouterr().err
    assert cli.main(["run", suite, "--seeds", "3"]) == 0
    assert len(rows()) == 9


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the place of training."""

    def run(task: Task, on_epoch: runner.OnEpoch, fast: bool) -> dict[str, Any]:
        if task.contender == "linear" and Path("fails").exists():
            raise RuntimeError("the circuit caught fire")
        return {
            "network": task.contender,
            "engine": None,
            "parameters": 10,
            "parameter_mismatch": 0.0,
            "metric": "accuracy",
            "train_score": 0.6,
            "test_score": 0.5,
            "loss": [1.0, 0.5],
            "first_epoch_seconds": 1.0,
            "epoch_seconds": 0.1,
        }

    monkeypatch.setattr(runner, "_run", run)


def test_a_changed_suite_reruns_only_what_it_touches(suite: str, quick: None) -> None:
    Path(suite).write_text(
        SUITE + '[[task]]\ndata = {name = "wine"}\nmodel = {name = "pqc_dense", n_qubits = 2}\n'
        'contenders = ["hybrid"]\n'
    )
    assert cli.main(["run", suite]) == 0
    assert len(rows()) == 8
    text = Path(suite).read_text().replace('{name = "wine"}', '{name = "wine", test_size = 0.4}')
    Path(suite).write_text(text)
    assert cli.main(["run", suite]) == 0
    assert [row.data for row in rows()[8:]] == [{"name": "wine", "test_size": 0.4}] * 2


def test_an_axis_of_noise_runs_classical_contenders_once(
    suite: str, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    noise = 'noise = ["none", "bit_flip:0.1", "bit_flip:0.2"]\n'
    Path(suite).write_text(SUITE + noise)
    assert cli.main(["run", suite, "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("10 runs in 3 comparisons; 0 are in")
    assert cli.main(["run", suite]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.count("The circuits were scored under the noise bit_flip:0.") == 2
    assert printed.count("Linear") == 3
    assert [row.contender for row in rows()].count("linear") == 2
    assert [row.contender for row in rows()].count("hybrid") == 6


def test_titles_of_tables_tell_comparisons_and_frontiers_apart(
    suite: str, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    small = SUITE.partition("[[task]]")[0]
    for data in ("degree = 2", "degree = 5"):
        for more in ("", '[task.frontier]\n"model.n_layers" = [1, 2]\n'):
            small += (
                f'[[task]]\ndata = {{name = "two_curves", {data}}}\ncontenders = ["hybrid"]\n'
                f'model = {{name = "pqc_dense", n_qubits = {3 if more else 2}}}\n{more}'
            )
    Path(suite).write_text(small)
    assert cli.main(["run", suite, "--workers", "1"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for degree in (2, 5):
        assert printed.count(f"pqc_dense on two_curves (degree {degree}): 2 seeds, 2 epochs") == 1
        assert f"pqc_dense on two_curves (degree {degree}): a frontier of 2 comp" in printed


FRONTIER = '[task.frontier]\n"model.n_layers" = [1, 2, 3]\n'


def test_a_frontier_counts_rows_from_before_it_was_asked_for(
    suite: str,
    quick: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert cli.main(["run", suite]) == 0
    before = rows()
    Path(suite).write_text(SUITE + FRONTIER)
    capsys.readouterr()
    assert cli.main(["run", suite, "--seeds", "3", "--workers", "1"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    # The linear layer and the reference have no size: they run once.
    assert "pqc_dense on iris: a frontier of 3 comparisons, 3 seeds" in printed
    assert "qkeras-hybrid report results/small --suite small.toml" in printed
    assert rows()[: len(before)] == before
    assert {row.size is None for row in before} == {True}

    made: list[Content] = []

    def render(rows: list[Row], folder: Path, margin: float) -> Content:
        made.append(content.build(rows, margin))
        return made[-1]

    # Without its pictures, which take long.
    monkeypatch.setattr(report, "render", render)

    def sizes(*options: str) -> list[int]:
        assert cli.main(["report", "results/small", *options]) == 0
        return [len(frontier.comparisons) for _, frontier in made[-1].frontiers]

    # The seed that is new names the size, which holds for all seeds of its comparison.
    assert sizes() == sizes("--suite", suite) == [3]
    path = Path("results/small/results.jsonl")
    path.write_bytes(b"".join(made_rows.line(row) + b"\n" for row in rows() if row.size is None))
    assert sizes() == []
    assert sizes("--suite", suite) == [1]
    capsys.readouterr()
    assert cli.main(["report", "results/small", "--suite", "nothing"]) == 2
    assert "`SUITE` must be one of" in one_line(capsys)


def test_a_comparison_that_is_a_size_of_a_frontier_too_is_in_the_frontier(
    suite: str, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    task = SUITE.partition("[[task]]")[2]
    Path(suite).write_text(f"{SUITE}[[task]]{task}{FRONTIER}")
    assert cli.main(["run", suite, "--workers", "1"]) == 0
    assert {json.dumps(row.size) for row in rows()} == {f'{{"n_layers": {n}}}' for n in (1, 2, 3)}
    assert "a frontier of 3 comparisons, 2 seeds" in " ".join(capsys.readouterr().out.split())


def test_rows_are_recognised_by_the_ids_of_a_frontiers_tasks(suite: str) -> None:
    Path(suite).write_text(SUITE.replace(", n_layers = 1", "") + FRONTIER)
    found = suites.read(suite)
    sized = tasks_of(found)
    stored = [dataclasses.replace(runner.failed(task, None), size=None) for task in sized]
    # As of a seed that the suite lacks, of a training that it has not, and of a file's data.
    first = stored[0]
    seven = dataclasses.replace(sized[0], seed=7)
    longer = dataclasses.replace(sized[0], training={**sized[0].training, "epochs": 3})
    other = dataclasses.replace(sized[0], fingerprints={"data": "f" * 64})
    more = [dataclasses.replace(runner.failed(task, None), size=None) for task in (seven, longer)]
    torn = dataclasses.replace(runner.failed(other, None), size=None, fingerprints={})
    found_sizes = [row.size for row in recognised([*stored, *more, torn], found)]
    assert found_sizes[: len(sized)] == [task.size for task in sized]
    assert found_sizes[len(sized) :] == [first_size := sized[0].size, None, None]
    assert first_size == {"n_layers": 1}
    assert recognised([first], suites.read("quick")) == [first]


def test_titles_keep_what_stands_in_brackets() -> None:
    # To Rich, brackets in a text are markup.
    rows = {
        path: made_rows.comparison(data={"name": "csv", "path": path}, seeds=1)
        for path in ("[b].csv", "[/b].csv")
    }
    for path, called in report.titles(rows).items():
        console = rich.console.Console(file=io.StringIO(), width=120)
        console.print(report.table(rows[path], called))
        printed = console.file.getvalue()  # type: ignore[attr-defined]
        assert f"pqc_dense on csv (path {path}): 1 seed" in printed


def test_a_model_of_the_users_own_takes_the_suites_place(suite: str, quick: None) -> None:
    assert cli.main(["run", suite, "--model", "mine.py:build"]) == 0
    assert {row.model["name"] for row in rows()} == {"mine.py:build"}
    assert all("model" in row.fingerprints for row in rows())


def test_failed_runs_are_shown_and_run_again(
    suite: str, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("fails").touch()
    assert cli.main(["run", suite]) == 1
    assert "2 runs of 6 failed" in " ".join(capsys.readouterr().out.split())
    Path("fails").unlink()
    assert cli.main(["run", suite]) == 0
    assert len(rows()) == 8


def test_timing_runs_again_what_others_ran_beside(suite: str, quick: None) -> None:
    assert cli.main(["run", suite]) == 0
    path = Path("results/small/results.jsonl")
    beside = [{**row.to_json(), "timing_comparable": row.seed == 1} for row in rows()]
    path.write_text("".join(json.dumps(row) + "\n" for row in beside))
    assert cli.main(["run", suite, "--timing"]) == 0
    assert [(row.seed, row.timing_comparable) for row in rows()[6:]] == [(0, True)] * 3


def test_a_dry_run_leaves_no_trace(
    suite: str, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", suite, "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("6 runs in 1 comparisons; 0 are in")
    assert not Path("results").exists()


def test_a_second_run_on_the_same_file_is_refused(
    suite: str, quick: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with Results(Path("results/small/results.jsonl")):
        assert cli.main(["run", suite]) == 1
    assert "in use by another run" in one_line(capsys)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pepper"], "'quantum_data', 'quick', or a TOML file"),
        (["other.toml"], "No such file"),
        (
            ["small.toml", "--model", "mine.py:classical"],
            "must return a model with a quantum layer",
        ),
        (["small.toml", "--model", "mine.py:missing"], "missing"),
        (["small.toml", "--model", "broken.py:build"], "line 1|invalid syntax"),
        (["small.toml", "--model", "nowhere.py:build"], "nowhere.py"),
        (["small.toml", "--workers", "0"], "--workers"),
        (["small.toml", "--workers", "2", "--ray", "auto"], "exclude each other"),
        (["small.toml", "--timing", "--workers", "2"], "one after the other"),
        (["unknown.toml"], r"unknown.toml, line 8: .*no argument 'colour'"),
        (["holes.toml"], r"holes.toml, line 8: .*holes.csv.*line 3"),
    ],
)
def test_wrong_usage_ends_in_one_line_and_2(
    arguments: list[str],
    words: str,
    suite: str,
    quick: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("broken.py").write_text("def build(:")
    Path("unknown.toml").write_text(SUITE.replace("n_layers = 1", "colour = 1"))
    Path("holes.csv").write_text("a,b,label\n1,2,x\n3,,y\n")
    csv_data = '{name = "csv", path = "holes.csv", target = "label"}'
    Path("holes.toml").write_text(SUITE.replace('{name = "iris"}', csv_data))
    assert cli.main(["run", *arguments]) == 2
    line = one_line(capsys)
    assert re.search(words, line), line
    assert not Path("results").exists()
