"""Studies of kernels on data: measures, verdicts, pictures, the command."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from qkeras_hybrid import cli, kernels
from qkeras_hybrid.kernels import (
    Concentration,
    FidelityKernel,
    ProjectedKernel,
    Study,
    centred_alignment,
    reasons,
    similarity,
    study,
    verdict,
)
from qkeras_hybrid.kernels.studies import difference

RNG = np.random.default_rng(0)
X = RNG.normal(size=(36, 3))
Y = np.where(X[:, 0] * X[:, 1] > 0, "in", "out")


@pytest.fixture(scope="module")
def found() -> Study:
    return study(X, Y, [FidelityKernel("angle"), ProjectedKernel("angle")], folds=3)


def test_classical_kernels_of_as_many_bandwidths_stand_beside(found: Study) -> None:
    assert [r.name for r in found.results] == ["fidelity", "projected", "RBF", "Laplacian"]
    assert len({len(r.tried) for r in found.results}) == 1
    assert set(found.differences) == {
        (classical, quantum)
        for classical in ("RBF", "Laplacian")
        for quantum in ("fidelity", "projected")
    }


def test_a_bandwidth_is_the_one_of_the_best_alignment(found: Study) -> None:
    x = (X - X.mean(axis=0)) / X.std(axis=0)
    for result in found.results[:3]:
        matrix = (
            FidelityKernel("angle", scale=result.bandwidth).matrix(x)
            if result.name == "fidelity"
            else ProjectedKernel("angle", scale=result.bandwidth).matrix(x)
            if result.quantum
            else rbf_kernel(x, gamma=result.bandwidth)
        )
        np.testing.assert_allclose(result.matrix, matrix, atol=1e-6)
        assert result.alignment == pytest.approx(centred_alignment(matrix, Y), abs=1e-6)


def test_scores_are_of_samples_that_chose_nothing(found: Study) -> None:
    assert {len(r.scores) for r in found.results} == {6}  # three parts, twice
    assert all(0 <= score <= 1 for r in found.results for score in r.scores)


def test_an_angle_kernel_with_a_small_scale_is_nearly_an_rbf_kernel() -> None:
    # prod cos^2(s d_j / 2) = exp(-s^2 |d|^2 / 4) up to the fourth order of s.
    small = FidelityKernel("angle", scale=0.2).matrix(X)
    assert similarity(small, rbf_kernel(X, gamma=0.01)) > 0.9999


def made(found: Study, ours: list[float], theirs: list[float], **changes: Any) -> Study:
    """Returns a study with other scores, and other attributes of the quantum kernels."""
    results = tuple(
        dataclasses.replace(
            result,
            scores=tuple(ours if result.quantum else theirs),
            missed=0.0,
            **(changes if result.quantum else {"complexity": 10.0}),
        )
        for result in found.results
    )
    return dataclasses.replace(found, results=results)


def test_a_verdict_follows_the_interval_of_the_difference(found: Study) -> None:
    level = [0.80, 0.82, 0.81, 0.79, 0.80, 0.81]
    ahead = made(found, [s + 0.1 for s in level], level)
    mean, half = difference(ahead)
    assert mean == pytest.approx(0.1)
    assert half == pytest.approx(0, abs=1e-9)
    assert "is ahead of the RBF kernel" in verdict(ahead)
    assert "Use the RBF kernel, which is ahead" in verdict(
        made(found, level, [s + 0.1 for s in level])
    )
    equal = made(found, level, level[::-1])
    assert "The fidelity and the RBF kernel can't be told apart" in verdict(equal)


def test_the_interval_is_that_of_the_corrected_t_test(found: Study) -> None:
    ours, theirs = [0.8, 0.9, 0.7, 0.9, 0.8, 0.6], [0.7, 0.7, 0.7, 0.8, 0.8, 0.7]
    d = np.array(ours) - np.array(theirs)
    _, half = difference(made(found, ours, theirs))
    # The 97.5 % point of t with 5 degrees of freedom; a test part is half a training part.
    assert half == pytest.approx(2.570582 * np.sqrt((1 / 6 + 1 / 2) * d.var(ddof=1)), rel=1e-5)


def test_reasons_say_what_the_measures_mean(found: Study) -> None:
    level = [0.8, 0.8, 0.8, 0.8, 0.8, 0.81]
    far = dict.fromkeys(found.differences, 50.0)
    near = dict.fromkeys(found.differences, 1.0)
    study_far = dataclasses.replace(made(found, level, level, likeness=0.5), differences=far)
    study_near = dataclasses.replace(made(found, level, level, likeness=0.99), differences=near)
    assert "There are labels on which the fidelity kernel would be ahead" in reasons(study_far)[0]
    assert "can't be far ahead on labels that" in reasons(study_near)[0]
    assert "nearly a classical one" in " ".join(reasons(study_near))
    assert "nearly a classical one" not in " ".join(reasons(study_far))
    simpler = made(found, level, level, complexity=0.1)
    assert "simpler for the fidelity kernel" in reasons(simpler)[1]
    harder = made(found, level, level, complexity=1e6)
    assert "simpler for a classical kernel" in reasons(harder)[1]


def test_the_kernel_that_concentrates_is_named(found: Study) -> None:
    # The concentration is that of the first kernel, also where another one has the best score.
    unscaled = tuple(
        Concentration(n, 0.1, deviation, 10.0) for n, deviation in [(2, 0.2), (8, 0.01)]
    )
    results = tuple(
        dataclasses.replace(result, scores=(0.9 if result.name == "projected" else 0.5,) * 6)
        for result in found.results
    )
    said = reasons(dataclasses.replace(found, unscaled=unscaled, results=results))
    assert any("the projected kernel" in sentence for sentence in said[:2])
    assert any("With scale 1 the fidelity kernel concentrates" in sentence for sentence in said)


def test_regressions_are_studied_too() -> None:
    y = np.sin(X[:, 0])
    found = study(X, y, [FidelityKernel("angle")], folds=2)
    assert found.task == "regression"
    assert found.best(True).score > 0
    assert "R²" in verdict(found)


def test_more_samples_than_asked_for_are_drawn() -> None:
    found = study(X, Y, [FidelityKernel("angle")], n_samples=20, folds=2)
    assert found.n_samples == 20
    assert set(found.y) == {"in", "out"}


def test_a_picture_shows_it_all(found: Study, tmp_path: Path) -> None:
    from qkeras_hybrid.kernels import charts

    charts.write(found, tmp_path / "new" / "kernels.png")
    assert (tmp_path / "new" / "kernels.png").read_bytes().startswith(b"\x89PNG")


def table(path: Path) -> Path:
    lines = ["a,b,class"] + [f"{row[0]},{row[1]},{label}" for row, label in zip(X, Y, strict=True)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_command_prints_a_verdict_on_a_users_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = table(tmp_path / "table.csv"), tmp_path / "out"
    command = ["kernel", str(data), "--target", "class", "--encoding", "angle", "--folds", "2"]
    assert cli.main([*command, "--output", str(out)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for word in ("fidelity", "projected", "RBF", "Laplacian", "36 samples", "kernel"):
        assert word in text
    stored = json.loads((out / "kernels.json").read_text(encoding="utf-8"))
    assert stored["verdict"] in text
    assert [k["name"] for k in stored["kernels"]] == ["fidelity", "projected", "RBF", "Laplacian"]
    assert (out / "kernels.png").exists()


def test_the_command_takes_components_in_place_of_features(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["kernel", "wine", "--pca", "2", "--samples", "30", "--folds", "2"]
    assert cli.main([*command, "--encoding", "angle", "--output", str(tmp_path)]) == 0
    assert "wine: 30 samples, 2 features, 2 qubits" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "`DATA` must be a .csv or .npz file, or one of"),
        (["knapsack"], "`DATA` must be a .csv or .npz file, or one of"),
        (["missing.csv"], "`--target` must name the column"),
        (["missing.csv", "--target", "y"], "missing.csv"),
        (["iris", "--encoding", "none"], "`--encoding` must be one of"),
        (["iris", "--encoding", "amplitude", "--qubits", "1"], "needs 2 qubits"),
    ],
)
def test_the_command_refuses_what_it_can_not_use(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["kernel", *arguments, "--output", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: study(X, np.ones(36)), "at least two classes"),
        (lambda: study(X, np.r_[np.zeros(35), 1]), "two samples of each class"),
        (lambda: study(X * np.nan, Y), "hold finite numbers"),
        (lambda: study(X, Y[:5]), r"`y` must have shape \(36,\)"),
        (lambda: study(X, Y, []), "hold at least one kernel"),
        (lambda: study(X, Y, [FidelityKernel(shots=3)]), "be exact, without `shots`"),
        (lambda: study(X, Y, folds=1), "`folds` must be at least 2"),
        (lambda: similarity(np.eye(2), np.eye(3)), "have the shape of the first"),
    ],
)
def test_bad_input_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_every_public_name_of_the_kernels_is_there() -> None:
    assert all(hasattr(kernels, name) for name in kernels.__all__)


def test_labels_that_a_kernel_can_not_fit_are_not_called_simple() -> None:
    rng = np.random.default_rng(0)
    found = study(rng.normal(size=(60, 1)), rng.integers(0, 2, 60), [FidelityKernel("angle")])
    # Three directions at most: nearly all of random labels lies elsewhere.
    assert found.results[0].missed > 0.5
    assert "misses" in reasons(found)[1]
    assert "simpler for the fidelity" not in " ".join(reasons(found))


def test_a_rare_class_does_not_stop_a_study() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0] * 394 + [1] * 6)
    found = study(
        rng.normal(size=(400, 1)), labels, [FidelityKernel("angle")], n_samples=50, folds=2
    )
    assert np.sum(found.y == 1) >= 2
