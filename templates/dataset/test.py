"""The data set `example_name`: its formula, its seed, its split, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from qkeras_hybrid import ArgumentError
from qkeras_hybrid.datasets import load, split

NAME = "example_name"


@pytest.mark.parametrize("seed", [0, 5])
def test_the_samples_are_those_of_the_formula(seed: int) -> None:
    data = load(NAME, n_samples=50, seed=seed)
    drawn = np.random.default_rng(seed).uniform(-1, 1, (50, 2))
    np.testing.assert_allclose(data.x, drawn, atol=1e-7)  # float32
    for (x1, x2), label in zip(drawn, data.y, strict=True):
        assert label == (np.pi * (x1 * x1 + x2 * x2) < 2)


def test_each_class_has_about_half() -> None:
    data = load(NAME, n_samples=10_000)
    assert (data.name, data.task, data.n_classes, data.n_features) == (NAME, "classification", 2, 2)
    # The tolerance is six standard deviations of the mean of 10,000 fair coins.
    assert abs(data.y.mean() - 0.5) < 6 * 0.005


def test_the_seed_decides_the_samples() -> None:
    assert load(NAME, seed=1) is load(NAME, seed=1)
    assert not np.array_equal(load(NAME, seed=1).x, load(NAME, seed=2).x)


def test_it_is_split_and_read_only() -> None:
    data = load(NAME)
    parts = split(data, seed=0)
    assert (parts.x_train.shape, parts.x_test.shape) == ((225, 2), (75, 2))
    with pytest.raises(ValueError, match="read-only"):
        data.x[0] = 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_samples": 0}, "`n_samples` must be a whole number of at least 1"),
        ({"n_samples": 2.5}, "`n_samples` must be"),
        ({"n_samples": float("nan")}, "`n_samples` must be"),
        ({"seed": -1}, "`seed` must be a whole number of at least 0"),
        ({"seed": None}, "`seed` must be"),
        ({"seed": float("inf")}, "`seed` must be"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        load(NAME, **arguments)
