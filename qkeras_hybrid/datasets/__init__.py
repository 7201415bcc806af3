"""Data: what comes with installed packages, what formulas generate, and a user's own files.

Nothing downloads. Every split is drawn from its seed alone, keeps the share of each class, and
is scaled by what its training part says.

- Real data, in `real`: `digits`, `breast_cancer`, `wine`, `iris`, `mnist_3v5`, `mnist_3v6`,
  `diabetes`; and computed, `molecular_energies`.
- Generated from formulas, in `generators`: `linearly_separable`, `hidden_manifold`,
  `hyperplanes_parity`, `two_curves`, `bars_and_stripes`.
- Values of periodic functions, in `periodic`: `periodic_series`.
- Decision problems whose costs a formula makes, in `problems`: `shortest_path`, `knapsack`.
- Quantum data, in `quantum`: `ising_phases`, `xxz_phases`, `cluster_phases`, `entangled_pairs`,
  `unknown_coupling`, `noisy_outputs`: states, or what a lab measures of them.
- A user's file, in `files`: `csv`, `numpy`.

A data set is a function that returns a `Dataset`: its arguments are those that `load` takes. One
more is one more function in `real`, `generators`, `periodic`, `problems`, `quantum` or `files`.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.datasets import files, generators, periodic, problems, quantum, real
from qkeras_hybrid.datasets.base import Dataset, Split, split, split_and_features

__all__ = [
    "Dataset",
    "Split",
    "descriptions",
    "fingerprint",
    "load",
    "names",
    "prepare",
    "quantum",
    "split",
]

_LOADERS: dict[str, Callable[..., Dataset]] = {
    **real.LOADERS,
    **generators.LOADERS,
    **periodic.LOADERS,
    **problems.LOADERS,
    **quantum.LOADERS,
    **files.LOADERS,
}


def names() -> tuple[str, ...]:
    """Returns the names that `load` knows."""
    return tuple(_LOADERS)


def descriptions() -> dict[str, str]:
    """Returns a line about each data set that `load` knows, with the arguments that it takes."""
    said = {}
    for name, loader in _LOADERS.items():
        line = (loader.__doc__ or "").split("\n")[0]
        taken = ", ".join(inspect.signature(loader).parameters)
        said[name] = f"{line} Takes {taken}." if taken else line
    return said


def load(name: str, **arguments: Any) -> Dataset:
    """Loads or generates a data set. Asked again, it gives the same object.

    Args:
        name: One of `names()`.
        **arguments: What the data set takes: nothing for real data; for generated data
            `n_samples`, `seed` and what its module `qkeras_hybrid.datasets.generators`,
            `qkeras_hybrid.datasets.problems` or `qkeras_hybrid.datasets.quantum` documents; for
            files `path` and what
            `qkeras_hybrid.datasets.files` documents.

    Returns:
        The data set, its arrays read-only.

    Raises:
        ValueError: If the name or an argument is unknown (the message lists the known ones), an
            argument has no valid value, or a file can't be used.

    Example:
        >>> iris = load("iris")
        >>> iris.x.shape, iris.n_classes
        ((150, 4), 3)
        >>> curves = load("two_curves", n_features=4, degree=3, seed=1)
        >>> curves.x.shape, curves.n_classes
        ((300, 4), 2)
    """
    loader = _LOADERS[one_of("name", name, _LOADERS)]
    parameters = inspect.signature(loader).parameters
    for argument, value in arguments.items():
        if argument not in parameters:
            taken = f"takes {', '.join(parameters)}" if parameters else "takes none"
            raise ValueError(f"Data set {name!r} has no argument `{argument}`: it {taken}.")
        if not isinstance(value, Hashable):
            raise ArgumentError(argument, "be a single value", value)
    for parameter in parameters.values():
        if parameter.default is parameter.empty and parameter.name not in arguments:
            raise ValueError(f"Data set {name!r} needs the argument `{parameter.name}`.")
    return _load(name, fingerprint({"name": name, **arguments}), **arguments)


# By type too: 1, 1.0 and True are equal, and not each is valid wherever another is. The
# fingerprint is there for the cache alone: a file that has changed is read again.
@functools.lru_cache(maxsize=64, typed=True)
def _load(name: str, fingerprint: str | None, **arguments: Any) -> Dataset:
    return _LOADERS[name](**arguments)


def prepare(data: Mapping[str, Any], seed: int, *, lab: bool = False) -> tuple[Dataset, Split]:
    """Loads and splits the data that a task's `data` table describes.

    Args:
        data: `"name"` and arguments of `load`; `"test_size"`, `"n_train"` and `"pca"` of
            `split`. A generator's `"seed"` in it decides the samples, which all splits share.
        seed: Whole number of at least 0 that decides the split.
        lab: Whether the parts hold what a lab reports of the samples, for a data set that has
            both that and states; the samples of each part are the same.

    Returns:
        The data set and its two parts. Under `"pca"` the features of the data set are the
        components too, of all samples and scaled as those of the parts, and it has no
        `image_shape`: a model that is built for the data set fits the parts.

    Raises:
        ValueError: If there is no such name, or `load` or `split` refuses what is asked for.

    Example:
        >>> data = {"name": "mnist_3v5", "test_size": 0.2, "n_train": 100, "pca": 6}
        >>> dataset, parts = prepare(data, seed=0)
        >>> dataset.n_features, parts.x_train.shape, parts.x_test.shape
        (6, (100, 6), (200, 6))
    """
    arguments = dict(data)
    splitting = {key: arguments.pop(key) for key in _SPLITTING if key in arguments}
    if "name" not in arguments:
        raise ArgumentError("data", "have a `name`", dict(data), f"Known: {', '.join(names())}.")
    dataset = load(**arguments)
    reported = dataset
    if lab and dataset.lab is not None:
        reported = dataclasses.replace(dataset, x=dataset.lab, states=False, lab=None)
    parts, features = split_and_features(reported, seed, **splitting)
    if splitting.get("pca") is not None:
        features.setflags(write=False)
        dataset = dataclasses.replace(dataset, x=features, image_shape=None)
    return dataset, parts


_SPLITTING = ("test_size", "n_train", "pca")


def fingerprint(data: Mapping[str, Any]) -> str | None:
    """Returns what identifies data beyond the table that describes it: the content of a file.

    Args:
        data: As `prepare` takes it.

    Returns:
        The SHA-256 of the file's content in hexadecimal digits, or None if the table says all.

    Raises:
        ValueError: If the file can't be read.

    Example:
        >>> fingerprint({"name": "iris"}) is None
        True
    """
    return files.digest(data.get("path")) if data.get("name") in files.LOADERS else None
