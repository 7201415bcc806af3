"""The command line: what it prints, where it ends, and what it leaves in the results file."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import qkeras_hybrid
from qkeras_hybrid import cli, datasets, encodings, engines
from qkeras_hybrid.bench import execution, models, runner, suite
from qkeras_hybrid.bench.results import Results, read_rows
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.statistics import pairs_needed
from qkeras_hybrid.cli import listing
from qkeras_hybrid.noise.rules import KINDS

SMALL = ("--dataset", "iris", "--qubits", "2", "--layers", "1", "--epochs", "2")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / "results.jsonl"


def compare(path: Path, *arguments: str) -> int:
    return cli.main(["compare", *SMALL, "--output", str(path.parent), *arguments])


def pairs(path: Path) -> list[tuple[int, str]]:
    return [(row.seed, row.contender) for row in read_rows(path)]


def test_compare_trains_prints_and_writes(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(path, "--seeds", "2") == 0
    printed = capsys.readouterr().out
    assert "pqc_dense on iris: 2 seeds, 2 epochs, batches of 32" in printed
    for line in ("^Hybrid ", "^Dense same parameters ", "^Dense same width "):
        assert re.search(line + r" +\d+\.\d ± \d+\.\d % +\d+ ", printed, re.MULTILINE)
    assert (
        "Too few seeds to tell (2 paired seeds, at least 7 are needed) for the matched" in printed
    )
    assert f"Rows: {path}" in printed
    rows = read_rows(path)
    assert [row.error for row in rows] == [None] * 6
    assert pairs(path) == [
        (seed, contender)
        for seed in (0, 1)
        for contender in ("hybrid", "dense_same_parameters", "dense_same_width")
    ]
    for row in rows:
        assert abs(row.parameter_mismatch) <= 0.05 or row.contender == "dense_same_width"

    before = path.read_bytes()
    assert compare(path, "--seeds", "2") == 0
    again = capsys.readouterr()
    assert again.out == printed
    assert "6 of 6 runs are in" in again.err
    assert path.read_bytes() == before

    # One run is missing for this.
    assert compare(path, "--seeds", "1", "--surrogate") == 0
    assert "Surrogate " in capsys.readouterr().out
    assert pairs(path)[6:] == [(0, "surrogate")]


def test_as_many_seeds_as_compare_takes_by_itself_can_tell_a_difference(
    path: Path, runs: Runs
) -> None:
    assert compare(path) == 0
    assert len({seed for seed, _ in pairs(path)}) == pairs_needed(2)


class Runs:
    """Takes the place of training: stops as by Ctrl-C, or fails, where it is told to."""

    def __init__(self) -> None:
        self.count = 0
        self.stops_at = -1
        self.fails = ""

    def __call__(
        self, task: runner.Task, on_epoch: runner.OnEpoch, fast: bool, earlier: Row | None
    ) -> dict[str, Any]:
        if self.count == self.stops_at:
            raise KeyboardInterrupt
        self.count += 1
        if task.contender == self.fails:
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


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    made = Runs()
    monkeypatch.setattr(runner, "_run", made)
    return made


def test_ctrl_c_leaves_whole_rows_and_one_line(
    path: Path, runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.stops_at = 4
    assert compare(path, "--seeds", "3") == 130
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"qkeras-hybrid: stopped with 4 of 9 runs in {path}. The same command continues from "
        "there.\n"
    )
    assert len(read_rows(path)) == 4
    runs.stops_at = -1
    assert compare(path, "--seeds", "3") == 0
    assert "4 of 9 runs are in" in capsys.readouterr().err
    assert runs.count == 9
    assert len(set(pairs(path))) == len(pairs(path)) == 9


def test_more_seeds_and_other_settings_append(path: Path, runs: Runs) -> None:
    for arguments, rows in ((("--seeds", "1"), 3), (("--seeds", "2"), 6), (("--layers", "2"), 27)):
        assert compare(path, *arguments) == 0
        assert len(read_rows(path)) == runs.count == rows


def test_noise_and_shots_run_the_hybrid_again_and_nothing_else(
    path: Path, runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    noisy = ("--seeds", "1", "--shots", "100", "--noise", "depolarizing:0.01")
    assert compare(path, "--seeds", "1") == 0
    assert "The circuits were" not in capsys.readouterr().out
    for more in ((), ("--noisy-training",), ("--engine", "trajectories")):
        assert compare(path, *noisy, *more) == 0
        printed = " ".join(capsys.readouterr().out.split())
        assert "with 100 shots, under the noise depolarizing:0.01" in printed
        assert all(name in printed for name in ("Hybrid", "Dense same parameters"))
    table = {"shots": 100, "noise": "depolarizing:0.01"}
    assert [row.execution for row in read_rows(path)] == [
        *[None] * 3,
        table,
        {**table, "noisy_training": True},
        {**table, "engine": "trajectories"},
    ]


def test_the_engine_alone_is_the_models_as_in_rows_from_before(path: Path, runs: Runs) -> None:
    assert compare(path, "--seeds", "1", "--engine", "statevector") == 0
    assert {(row.model["engine"], row.execution) for row in read_rows(path)} == {
        ("statevector", None)
    }


@pytest.mark.parametrize("kept", ["half a row", "a row and zeros"])
def test_damage_is_said_in_a_line_and_what_is_missing_runs_again(
    kept: str, path: Path, runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(path, "--seeds", "1") == 0
    capsys.readouterr()
    whole = path.read_bytes()
    half = kept == "half a row"
    path.write_bytes(whole[:-5] if half else whole + b"\0" * 200)
    assert compare(path, "--seeds", "1") == 0
    said = capsys.readouterr().err.splitlines()[0]
    assert f"{path} is damaged after its {2 if half else 3} whole rows" in said
    assert runs.count == (4 if half else 3)
    assert len(read_rows(path)) == 3
    (aside,) = path.parent.glob("*.damaged")
    assert (whole[:-5] if half else b"\0" * 200).endswith(aside.read_bytes())


def test_fresh_keeps_the_old_rows(
    path: Path, runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(path, "--seeds", "1") == 0
    old = path.read_bytes()
    assert compare(path, "--seeds", "1", "--fresh") == 0
    assert runs.count == 6
    assert len(read_rows(path)) == 3
    (aside,) = path.parent.glob("results-*.jsonl")
    assert aside.read_bytes() == old
    assert f"kept as {aside}" in capsys.readouterr().err


def test_a_failed_run_is_shown_and_ends_in_1(
    path: Path, runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.fails = "dense_same_width"
    assert compare(path, "--seeds", "2") == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "2 runs of 6 failed and are not in the means; the first: RuntimeError: the" in printed
    assert "Dense same width - - - - 2" in printed
    runs.fails = ""
    assert compare(path, "--seeds", "2") == 0
    assert runs.count == 8


def test_a_file_in_use_is_refused(
    path: Path, runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    with Results(path):
        assert compare(path) == 1
    assert one_line(capsys) == (
        f"qkeras-hybrid: error: {path} is in use by another run. Wait for it, or choose another "
        "output folder."
    )
    assert runs.count == 0
    assert not path.exists()


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    return line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("compare --dataset cifar", "`--dataset` must be one of 'digits'.*'cifar'"),
        ("compare --model resnet", "`--model` must be one of 'pqc_dense'.*'resnet'"),
        ("compare --dataset iris --encoding angel", "must be one of .*'angle'.*'angel'"),
        ("compare --dataset iris --ansatz strong", "'strongly_entangling'.*'strong'"),
        ("compare --dataset iris --engine gpu", "'statevector'.*'gpu'"),
        ("compare --dataset iris --shots 0", "`--shots` must be a whole number of at least 1"),
        ("compare --dataset iris --shots few", "`--shots` must be a whole number, or .*'few'"),
        ("compare --dataset iris --noise depol:1", "`--noise` must name errors among.*'depol:1'"),
        ("compare --dataset iris --noise bit_flip:2", "`--noise` must have its `p` .*'bit_flip:2'"),
        ("compare --dataset iris --mitigation zn", "`--mitigation` must be one of.*'zne'.*'zn'"),
        ("compare --dataset iris --engine gpu --shots 9", "`--engine` .*'statevector'.*'gpu'"),
        ("compare --dataset iris --engine native --noise bit_flip:0.1", "'native' can't compute"),
        ("compare --dataset iris --qubits 60", "60 qubits need .* bytes"),
        ("compare --qubits 0", "--qubits.*(greater than or equal to 1|range x>=1)"),
        ("compare --seeds 0", "--seeds.*(greater than or equal to 1|range x>=1)"),
        ("compare --epochs two", "--epochs.*two|--epochs.*integer"),
        ("compare --learning-rate 0", "`--learning-rate` must be a number over 0"),
        ("compare --learning-rate nan", "`--learning-rate` must be a number over 0"),
        ("compare --dataset iris --test-size 1.5", "`--test-size` must be a share"),
        ("compare --model embedding_head --layers 2", "embedding_head.*n_layers"),
        ("compare --output {file}", "--output.*is a file"),
        ("compare --datset iris", "No such option:? '?--datset"),
        ("compare iris", "unexpected extra argument"),
        ("list", "Missing argument"),
        ("list qubits", "`kind` must be one of 'engines'"),
        ("train", "No such command 'train'"),
    ],
)
def test_wrong_usage_ends_in_one_line_and_2(
    arguments: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert cli.main(arguments.format(file=tmp_path / "file").split()) == 2
    line = one_line(capsys)
    assert line.startswith("qkeras-hybrid: error: ")
    assert re.search(words, line), line
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_foreign_results_file_is_left_alone(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.parent.mkdir()
    path.write_text("my notes")
    assert compare(path) == 1
    assert "is no results file: its line 1 is 'my notes'" in one_line(capsys)
    assert path.read_text() == "my notes"


def test_lists(capsys: pytest.CaptureFixture[str]) -> None:
    known = {
        "engines": engines.names(),
        "encodings": encodings.names(),
        "ansatz": qkeras_hybrid.ansatz.names(),
        "datasets": datasets.names(),
        "models": tuple(models.MODELS),
        "noise": tuple(KINDS),
        "mitigation": tuple(execution.MITIGATIONS),
    }
    for kind, names in known.items():
        assert cli.main(["list", kind]) == 0
        lines = capsys.readouterr().out.splitlines()
        described = {name: said for name, _, said in (line.partition(": ") for line in lines)}
        assert list(described) == list(names)
        assert described == listing.current()[kind], (
            "names.json is not what there is: run python -m qkeras_hybrid.cli.listing"
        )
        if kind == "datasets":
            assert described == datasets.descriptions()


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["run", "--help"], ["list", "models"]]
)
def test_what_needs_no_model_is_said_without_loading_keras(arguments: list[str]) -> None:
    code = (
        "import sys, qkeras_hybrid_launcher as launcher; code = launcher.main(); "
        "print(sorted({'keras', 'tensorflow', 'cirq'} & set(sys.modules)), file=sys.stderr); "
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "[]"
    assert done.stdout.strip()


def test_the_package_behind_a_command_is_whole() -> None:
    code = (
        "import qkeras_hybrid_launcher as launcher; launcher.postpone(); import qkeras_hybrid; "
        "print(qkeras_hybrid.PQCDense.__name__, qkeras_hybrid.__version__ != '', "
        "type(qkeras_hybrid).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["PQCDense", "True", "module"]


def test_the_help_of_run_names_every_suite_that_comes_along(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["run", "--help"]) == 0
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    (listed,) = re.findall(r"((?:\w+, )+)or a TOML file", printed.replace("`", ""))
    assert tuple(listed.strip(", ").split(", ")) == suite.names()


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"qkeras-hybrid {qkeras_hybrid.__version__}\n"
    for arguments in ([], ["--help"], ["-h"]):
        assert cli.main(arguments) == 0
        shown = capsys.readouterr().out
        assert "compare" in shown
        assert "list" in shown
    assert cli.main(["compare", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "qkeras-hybrid compare --dataset iris --qubits 4" in shown
    for option in ("--seeds", "--batch-size", "--output", "--fresh"):
        assert option in shown
    assert "130 Ctrl-C" in shown


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_signal_in_the_middle_of_training(number: signal.Signals, path: Path) -> None:
    """The whole program, stopped as a person or a scheduler stops it, while it trains."""
    # A process that is started in the background may have been told to ignore the signal.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from qkeras_hybrid import cli; sys.exit(cli.main(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", code, "compare", *SMALL),
            *("--epochs", "100000", "--output", str(path.parent)),
        ],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while process.poll() is None and not Path(f"{path}.lock").exists():
            time.sleep(0.05)
        time.sleep(2)  # into the training of the first run
        # Once is enough, unless Python happens to be in a place (a finalizer) from which no
        # exception gets out; a person would press the keys again.
        for _ in range(4):
            process.send_signal(number)
            try:
                out, err = process.communicate(timeout=20)
                break
            except subprocess.TimeoutExpired:
                continue
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert out == ""
    # Python itself tells of the exception that got out of no finalizer.
    ours = re.sub(r"Exception ignored in.*?\nKeyboardInterrupt:? *\n", "", err, flags=re.DOTALL)
    assert "Traceback" not in ours
    assert f"stopped with 0 of 21 runs in {path}" in err
    assert read_rows(path) == []


def test_a_keras_backend_that_can_not_start_is_one_line(root: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import qkeras_hybrid_launcher as l; raise SystemExit(l.main())",
            "doctor",
        ],
        cwd=root,
        env={**os.environ, "KERAS_BACKEND": "foo"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert re.search(r"KERAS_BACKEND is foo.*tensorflow, jax and torch", done.stderr)
