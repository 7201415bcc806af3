"""`qkeras-hybrid compare --intervene`: what it prints, and what it says of three verdicts."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import keras
import pytest

import made_rows
from qkeras_hybrid import cli, interventions
from qkeras_hybrid.bench import intervening, report
from qkeras_hybrid.bench.contenders import Contender
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.task import Task

SMALL = ("--dataset", "iris", "--qubits", "2", "--layers", "1", "--epochs", "2", "--seeds", "1")


def test_compare_intervenes_in_its_hybrid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[interventions.InterventionTest] = []

    def once(task: Task) -> interventions.InterventionTest:
        assert (task.contender, task.seed) == ("hybrid", 0)
        found.append(intervene(task, runs=1))
        return found[-1]

    intervene = intervening.intervene
    monkeypatch.setattr(intervening, "intervene", once)
    with warnings.catch_warnings():
        # With a constant in place of circuits, the layers before it have no gradients.
        warnings.filterwarnings("error", message="Gradients do not exist")
        assert cli.main(["compare", *SMALL, "--intervene", "--output", str(tmp_path)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    (test,) = found
    # The hybrid is that of the comparison: it has its score.
    (row,) = (each for each in _stored(tmp_path) if each.contender == "hybrid")
    assert test.outcome("as trained", "kept").score == pytest.approx(row.test_score)
    assert test.n_samples == row.n_test
    for each in ("mean", "shuffled", "surrogate"):
        assert test.outcome("as trained", each).scores
    assert "Interventions in the hybrid of seed 0, retrained 1 time each" in printed
    for sentence in test.sentences:
        assert " ".join(sentence.split()) in printed
    # One seed tells nothing of a comparison, and that is what is said.
    assert "In short: the comparison shows nothing yet" in printed
    assert "the comparison is undecided or has too few seeds" in printed


def _stored(folder: Path) -> list[Row]:
    from qkeras_hybrid.bench.results import read_rows

    return read_rows(folder / "results.jsonl")


def test_a_hybrid_that_failed_is_not_tested(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Contender, "fitted", fail)
    assert cli.main(["compare", *SMALL, "--intervene", "--output", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert "The hybrid of seed 0 failed, so there is nothing to test." in printed.err
    assert "Traceback" not in printed.err


def test_a_hybrid_that_can_not_be_taken_apart_is_said_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(task: Task) -> None:
        raise ValueError("Argument `model` must have one output, but got 2 outputs.")

    monkeypatch.setattr(intervening, "intervene", refuse)
    assert cli.main(["compare", *SMALL, "--intervene", "--output", str(tmp_path)]) == 1
    assert "can't be run on this hybrid. Argument `model`" in capsys.readouterr().err


@pytest.mark.parametrize(("data", "name"), [("diabetes", "R²"), ("shortest_path", "minus regret")])
def test_scores_are_those_of_the_comparison_the_higher_the_better(
    data: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = {
        "data": {"name": data, **({"n_samples": 40} if data == "shortest_path" else {})},
        "model": {"name": "pqc_dense", "n_qubits": 2, "n_layers": 1},
        "training": {"epochs": 1, "batch_size": 32, "learning_rate": 0.02},
    }
    task = Task(**tables, backend=keras.backend.backend(), contender="hybrid", seed=0)
    seen: list[float] = []

    def stop(model: keras.Model, x: object, y: object, **options: object) -> None:
        score, (x_test, y_test) = options["score"], options["test"]
        assert score.__name__ == name
        seen.append(score(y_test, keras.ops.convert_to_numpy(model(x_test))))
        raise ValueError("enough")

    monkeypatch.setattr(intervening, "intervention_test", stop)
    with pytest.raises(ValueError, match="enough"):
        intervening.intervene(task)
    row = intervening_row(task)
    sign = -1 if name == "minus regret" else 1
    # float32 over batches of another size
    assert seen == [pytest.approx(sign * row.test_score, abs=1e-4)]


def intervening_row(task: Task) -> Row:
    from qkeras_hybrid.bench import runner

    return runner.run_task(task)


def made(*, needed: bool, used: bool, linear: bool = False) -> interventions.InterventionTest:
    def outcome(when: str, circuit: str, score: float) -> interventions.Outcome:
        return interventions.Outcome(when, circuit, None, (score,) * 3, (score - 0.9,) * 3, "")

    fallen = {"as trained": 0.5 if used else 0.9, "retrained": 0.5 if needed else 0.9}
    others = {"as trained": ("mean", "shuffled"), "retrained": ("constant", "noise")}
    rest = {"as trained": ("surrogate",), "retrained": ("linear", "surrogate")}
    outcomes = [
        outcome(when, circuit, score)
        for when in fallen
        for circuit, score in (
            ("kept", 0.9),
            *((one, fallen[when]) for one in others[when]),
            *((one, fallen[when] if one == "linear" and not linear else 0.9) for one in rest[when]),
        )
    ]
    return interventions.InterventionTest("accuracy", 0.02, 38, tuple(outcomes))


def compared(by: float, seeds: int = 10) -> list[Row]:
    """The hybrid, better by so much than a Dense network, with a small spread to either side."""
    rows = made_rows.comparison(contenders=("hybrid", "dense_same_parameters"), seeds=seeds)
    return [
        dataclasses.replace(
            row,
            test_score=0.8 + (by + (-1) ** row.seed * 1e-4 * row.seed)
            if row.contender == "hybrid"
            else 0.8,
        )
        for row in rows
    ]


@pytest.mark.parametrize(
    ("by", "needed", "gain", "explained"),
    [
        (0.1, True, "a gain", "Both agree: the hybrid is better"),
        (0.1, False, "a gain", "They disagree: the hybrid is better"),
        (-0.1, True, "no gain", "They disagree: this network is worse"),
        (-0.1, False, "no gain", "Both agree: nothing is lost"),
        (0.0, False, "no gain", "Both agree: nothing is lost"),
        # Sure, and within the margin.
        (0.01, False, "no gain", "Both agree: nothing is lost"),
    ],
)
@pytest.mark.parametrize("used", [True, False])
def test_verdicts_stand_side_by_side_and_disagreements_are_explained(
    by: float, needed: bool, gain: str, explained: str, used: bool
) -> None:
    said = report.interventions(made(needed=needed, used=used), compared(by), 0)
    assert (
        f"the comparison shows {gain}; as trained, the circuits are {'' if used else 'not '}used; "
        f"retrained, they are {'' if needed else 'not '}needed." in said
    )
    assert f"Comparison and retrained: {explained}" in said
    agree = "Both agree" if used == needed else "They disagree"
    assert f"As trained and retrained: {agree}" in said
    assert "without shots and noise" not in said


@pytest.mark.parametrize(
    ("by", "explained"),
    [
        (
            0.1,
            "They disagree: the hybrid is better than the other networks, but as good with a lin",
        ),
        (-0.1, "Both agree: networks without circuits do as well."),
    ],
)
def test_circuits_that_a_linear_map_replaces_are_not_called_needed(
    by: float, explained: str
) -> None:
    said = report.interventions(made(needed=True, used=True, linear=True), compared(by), 0)
    assert "retrained, a linear map can take their place." in said
    assert "they are needed" not in said
    assert f"Comparison and retrained: {explained}" in said


def test_what_is_open_is_said() -> None:
    said = report.interventions(made(needed=True, used=True), compared(0.1, seeds=2), 0)
    assert "shows nothing yet" in said
    assert "has too few seeds" in said
    rows = made_rows.changed(compared(0.1), execution={"shots": 100})
    test = made(needed=True, used=True)
    short = dataclasses.replace(
        test,
        outcomes=tuple(
            dataclasses.replace(one, scores=(0.2,) * 3)
            if (one.when, one.circuit) == ("retrained", "kept")
            else one
            for one in test.outcomes
        ),
    )
    said = report.interventions(short, rows, 0)
    assert "retrained, it is not known (too short a training)" in said
    assert "the retrained networks give no answer" in said
    assert "The test scores without shots and noise." in said
