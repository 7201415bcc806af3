"""What the documents say of the study `frontier`, against its rows and against others' results."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest

from qkeras_hybrid import datasets
from qkeras_hybrid.bench.results import read_rows
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.statistics import LEVELS
from qkeras_hybrid.bench.statistics.frontiers import Frontier, frontiers

FOUND = "docs/what-was-found.md"


@pytest.fixture(name="rows", scope="module")
def read_study(root: Path) -> list[Row]:
    return read_rows(root / "benchmarks/frontier/results.jsonl")


@pytest.fixture(name="found", scope="module")
def study(rows: list[Row]) -> list[Frontier]:
    return frontiers(rows)


def text(root: Path, document: str) -> str:
    return " ".join((root / document).read_text(encoding="utf-8").split())


def need(one: Frontier, contender: str) -> float:
    """Returns the parameters for 95 % of the best score."""
    return one.reaches[contender][LEVELS.index(0.95)].cost


def sizes(rows: list[Row], contender: str) -> dict[int, list[float]]:
    """Returns the test scores at each size, on the series of two features and of 225 samples."""
    found: dict[int, list[float]] = {}
    for row in rows:
        data = row.data.get("n_features"), row.data.get("n_train")
        if data == (2, 225) and row.contender == contender:
            assert row.parameters is not None
            found.setdefault(row.parameters, []).append(float(row.test_score or 0.0))
    assert {len(scores) for scores in found.values()} == {10}
    return found


def best(rows: list[Row], contender: str) -> float:
    """Returns the best mean of these."""
    return float(max(np.mean(scores) for scores in sizes(rows, contender).values()))


def test_what_is_said_of_fewer_parameters_is_in_the_rows(
    root: Path, rows: list[Row], found: list[Frontier]
) -> None:
    page = text(root, FOUND)
    said = re.search(r"sizes, in (\d+) comparisons .*? ten seeds each: ([\d,]+) runs", page)
    assert said is not None
    assert (str(len(found)), f"{len(rows):,}") == said.groups()
    needs = [one.thriftiest.need for one in found if one.thriftiest is not None]
    fewer = needs.count("fewer")
    for document, pattern in (
        ("README.md", r"In (\d+) of (\d+) such comparisons, the hybrid reaches the same score"),
        ("README.de.md", r"In (\d+) von (\d+) solchen Vergleichen braucht das Hybridmodell"),
        (FOUND, r"Only where the data are sums of waves: (\d+) of (\d+)"),
    ):
        said = re.search(pattern, text(root, document))
        assert said is not None, document
        assert said.groups() == (str(fewer), str(len(found)))
    linear = sum(need(one, "linear_model") < need(one, "hybrid") for one in found)
    said = re.search(r"In (\w+) of the 15 comparisons, a plain linear model", page)
    assert said is not None
    words = ("six", "seven", "eight", "nine", "ten")
    assert words[linear - 6] == said[1]


def test_what_is_said_of_the_series_is_in_the_rows(
    root: Path, rows: list[Row], found: list[Frontier]
) -> None:
    page = text(root, FOUND)
    (series,) = [one for one in found if one.thriftiest and one.thriftiest.need == "fewer"]
    assert series.like.data["name"] == "periodic_series"
    said = re.search(
        r"with (\d+) parameters\. No network without a circuit reaches it with up to (\d+) ", page
    )
    assert said is not None
    most = max(sizes(rows, "dense_same_parameters"))
    assert (need(series, "hybrid"), most) == tuple(map(float, said.groups()))
    patterns = {
        "hybrid": r"The hybrid reaches (\d\.\d+) with 77 parameters",
        "hashed_dense": r"a Dense network with shared weights, reaches (\d\.\d+)",
        "surrogate": r"and (\d\.\d+) with 182, its best score",
        "single_upload": r"reaches (\d\.\d+) if each feature enters the circuit only once",
        "no_entanglement": r"reaches (\d\.\d+) without the gates between its qubits",
    }
    for contender, pattern in patterns.items():
        said = re.search(pattern, page)
        assert said is not None, contender
        assert float(said[1]) == pytest.approx(best(rows, contender), abs=0.00501)
    assert np.mean(sizes(rows, "hybrid")[77]) == best(rows, "hybrid")
    assert np.mean(sizes(rows, "surrogate")[182]) == best(rows, "surrogate")
    small = float(np.mean(sizes(rows, "surrogate")[104]))
    said = re.search(r"tensor train\* on .*? It reaches (\d\.\d+) with 104 parameters", page)
    assert said is not None
    assert float(said[1]) == pytest.approx(small, abs=0.00501)
    assert best(rows, "hashed_dense") < small
    classical = ("dense_same_parameters", "dense_same_activations", "low_rank_dense")
    for contender in classical:
        assert best(rows, contender) < best(rows, "hashed_dense")


def waves(x: np.ndarray, degree: int) -> np.ndarray:
    """Returns the waves of a series, where `prepare` has divided phases by `pi / sqrt(3)`."""
    columns = [np.ones(len(x))]
    for k in itertools.product(range(-degree, degree + 1), repeat=x.shape[1]):
        if next((part for part in k if part), 0) > 0:
            phase = x @ np.array(k) * np.pi / np.sqrt(3)
            columns += [np.cos(phase), np.sin(phase)]
    return np.stack(columns, axis=1)


def test_least_squares_on_the_series_own_waves_is_as_good_as_is_said(root: Path) -> None:
    said = re.search(
        r"least squares with (\d+) numbers\. This fit reaches (\d\.\d+)", text(root, FOUND)
    )
    assert said is not None
    scores = []
    for seed in range(10):
        data = {"name": "periodic_series", "n_features": 2, "degree": 2, "n_train": 225}
        _, split = datasets.prepare(data, seed)
        train, test = (waves(np.asarray(x, float), 2) for x in (split.x_train, split.x_test))
        fitted, *_ = np.linalg.lstsq(train, split.y_train, rcond=None)
        rest = split.y_test - test @ fitted
        scores.append(1 - (rest**2).sum() / ((split.y_test - split.y_test.mean()) ** 2).sum())
    assert train.shape[1] == int(said[1])
    assert float(said[2]) == pytest.approx(np.mean(scores), abs=0.006)


def test_our_means_agree_with_published_ones_of_the_same_models(
    root: Path, rows: list[Row]
) -> None:
    """Of the data whose generators and of the circuits that both studies have.

    Both took the best of several sizes. Their split is another, of as many samples, so means may
    differ by two standard deviations of our runs.
    """
    path = root / "benchmarks/frontier/published.json"
    for published in json.loads(path.read_text(encoding="utf-8"))["rows"]:
        found: dict[str, list[float]] = {}
        for row in rows:
            data = {key: value for key, value in row.data.items() if key != "n_train"}
            whole = row.data.get("n_train") in (None, 225)
            same = data == published["data"] and row.model["name"] == published["model"]
            if same and whole and row.contender == "hybrid":
                found.setdefault(row.comparison, []).append(float(row.test_score or 0.0))
        most = max(found.values(), key=np.mean)
        allowed = 2 * np.std(most, ddof=1)
        assert abs(np.mean(most) - published["mean"]) <= allowed, published
