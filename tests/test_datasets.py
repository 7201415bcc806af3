"""Data sets: what they hold, and that nothing of the test part reaches the training part."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable

import numpy as np
import pytest

from qkeras_hybrid import datasets
from qkeras_hybrid.datasets import Dataset, load, split

# Samples of each class and features, as their sources state them.
CONTENTS = {
    "digits": ([178, 182, 177, 183, 181, 182, 181, 179, 174, 180], 64),
    "breast_cancer": ([212, 357], 30),
    "wine": ([59, 71, 48], 13),
    "iris": ([50, 50, 50], 4),
    "mnist_3v6": ([500, 500], 784),
}


def test_every_data_set_is_tested_here() -> None:
    assert set(datasets.names()) == set(CONTENTS)


@pytest.mark.parametrize("name", CONTENTS)
def test_contents(name: str) -> None:
    counts, n_features = CONTENTS[name]
    dataset = load(name)
    assert dataset.name == name
    assert np.bincount(dataset.y).tolist() == counts
    assert dataset.n_classes == len(counts)
    assert dataset.x.shape == (sum(counts), n_features)
    assert dataset.n_features == n_features
    assert (dataset.x.dtype, dataset.y.dtype) == (np.float32, np.int64)
    assert np.isfinite(dataset.x).all()
    assert "doi:10." in dataset.source


def test_mnist_holds_threes_as_class_0_and_sixes_as_class_1() -> None:
    # The lower left of the stroke: a 6 is closed there, a 3 open.
    images = load("mnist_3v6").x.reshape(-1, 28, 28)
    three, six = (images[load("mnist_3v6").y == c].mean(axis=0) for c in (0, 1))
    assert six[14:18, 8:11].mean() > 2 * three[14:18, 8:11].mean()


def test_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a data set opened a connection")

    monkeypatch.setattr(socket, "socket", refuse)
    load.cache_clear()
    assert len([load(name) for name in datasets.names()]) == len(CONTENTS)


def test_a_loaded_data_set_is_shared_and_so_can_not_be_written_to() -> None:
    iris = load("iris")
    assert load("iris") is iris
    with pytest.raises(ValueError, match="read-only"):
        iris.x[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        iris.y[0] = 0


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"Argument `name` must be one of 'digits'.*'irsi'"):
        load("irsi")


@pytest.mark.parametrize("name", CONTENTS)
def test_the_parts_are_the_whole(name: str) -> None:
    dataset = load(name)
    parts = split(dataset, seed=3, test_size=0.3)
    both = np.concatenate([parts.train_index, parts.test_index])
    assert sorted(both.tolist()) == list(range(len(dataset.y)))
    assert len(parts.test_index) == np.ceil(0.3 * len(dataset.y))
    assert (parts.y_train == dataset.y[parts.train_index]).all()
    assert (parts.y_test == dataset.y[parts.test_index]).all()


@pytest.mark.parametrize("name", CONTENTS)
def test_both_parts_have_the_shares_of_the_classes(name: str) -> None:
    dataset = load(name)
    whole = np.bincount(dataset.y) / len(dataset.y)
    for y in (split(dataset, seed=1).y_train, split(dataset, seed=1).y_test):
        assert np.abs(np.bincount(y) - whole * len(y)).max() <= 1


@pytest.mark.parametrize("name", CONTENTS)
def test_features_are_scaled_by_the_training_part(name: str) -> None:
    dataset = load(name)
    parts = split(dataset, seed=2)
    train = dataset.x[parts.train_index].astype("float64")
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation[deviation == 0] = 1
    np.testing.assert_allclose(
        parts.x_train, (train - mean) / deviation, atol=1e-5, rtol=1e-5, strict=False
    )
    test = dataset.x[parts.test_index].astype("float64")
    np.testing.assert_allclose(parts.x_test, (test - mean) / deviation, atol=1e-5, rtol=1e-5)
    assert (parts.x_train.dtype, parts.x_test.dtype) == (np.float32, np.float32)
    # Not by the whole: the test part alone is off centre.
    assert np.abs(parts.x_test.mean(axis=0)).max() > 1e-3


def test_the_test_part_has_no_influence_on_the_training_part() -> None:
    dataset = load("wine")
    parts = split(dataset, seed=0)
    x = dataset.x.copy()
    x[parts.test_index] += 1e3
    moved = split(dataclasses.replace(dataset, x=x), seed=0)
    assert (moved.x_train == parts.x_train).all()
    assert (moved.x_test != parts.x_test).all()


def test_a_constant_feature_becomes_zero() -> None:
    x = np.array([[5.0, i] for i in range(8)], dtype="float32")
    parts = split(Dataset("constant", x, np.arange(8) % 2, 2, "made here"), seed=0)
    assert (parts.x_train[:, 0] == 0).all()
    assert (parts.x_test[:, 0] == 0).all()


def test_the_seed_decides_the_split() -> None:
    first, again, other = (split(load("iris"), seed) for seed in (0, 0, 1))
    assert (first.train_index == again.train_index).all()
    assert (first.x_train == again.x_train).all()
    assert (first.x_test == again.x_test).all()
    assert set(first.test_index) != set(other.test_index)


def test_splitting_leaves_other_random_numbers_alone() -> None:
    np.random.seed(5)
    undisturbed = np.random.random()
    np.random.seed(5)
    split(load("iris"), seed=0)
    assert np.random.random() == undisturbed


@pytest.mark.parametrize("test_size", [0, 1, -0.1, 1.5, 0.01, 0.99, float("nan")])
def test_a_part_without_room_for_all_classes_is_refused(test_size: float) -> None:
    with pytest.raises(ValueError, match=r"Argument `test_size` must be a share.*3 classes"):
        split(load("iris"), seed=0, test_size=test_size)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="Argument `seed` must be"):
        split(load("iris"), seed=-1)


def test_importing_loads_no_data_library(run_python: Callable[..., str]) -> None:
    # Beyond what Keras itself loads: its wrappers import scikit-learn where it is installed.
    code = """
        import sys
        import keras
        before = set(sys.modules)
        import qkeras_hybrid, qkeras_hybrid.datasets
        print("qkeras_hybrid.datasets" in sys.modules)
        heavy = ("sklearn", "mlxtend", "scipy.stats", "typer", "filelock")
        print([name for name in set(sys.modules) - before if name.startswith(heavy)])
    """
    assert run_python(code) == "True\n[]\n"
