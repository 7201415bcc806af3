"""The results of an export: differences, accuracy, size, speed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qkeras_hybrid._checks import bytes_text
from qkeras_hybrid._errors import ArgumentError


@dataclass(frozen=True)
class Difference:
    """How an output of a file differs from the model's.

    Attributes:
        output: The output's name.
        worst: The largest absolute difference of a value.
        mean: The mean absolute difference.
    """

    output: str
    worst: float
    mean: float


@dataclass(frozen=True)
class Timing:
    """How long a sample takes, in seconds.

    Attributes:
        batch: The number of samples of a batch.
        predict: The time of `model.predict`.
        on_batch: The time of `model.predict_on_batch`, without the overhead of `predict`.
        file: The time of the file in the format's runtime.
    """

    batch: int
    predict: float
    on_batch: float
    file: float


@dataclass(frozen=True)
class ExportReport:
    """The results of an export.

    Attributes:
        format: The format's name.
        path: The file, or the folder.
        n_bytes: Its size in bytes.
        quantize: None for float32, or "int8".
        n_samples: How many samples the file was run on.
        random: Whether these were random numbers.
        differences: The difference of each output from that of the given model.
        timings: The seconds per sample, for each batch size.
        accuracy: None, or the accuracy of the model and that of the file.
        surrogate: None for a model without quantum layers, or the report of its surrogate.
        notes: Further notes.
    """

    format: str
    path: Path
    n_bytes: int
    quantize: str | None
    n_samples: int
    random: bool
    differences: tuple[Difference, ...]
    timings: tuple[Timing, ...]
    accuracy: tuple[float, float] | None = None
    surrogate: Any = None
    notes: tuple[str, ...] = ()

    @property
    def worst(self) -> float:
        """The largest absolute difference of all outputs; NaN if one is not a number."""
        return float(np.max([one.worst for one in self.differences]))

    def __str__(self) -> str:
        kind = "random samples" if self.random else "samples"
        lines = [
            f"{self.path}: {self.format}, {self.quantize or 'float32'}, {bytes_text(self.n_bytes)}",
            *(
                f"{one.output}: worst difference {one.worst:.2g}, mean {one.mean:.2g}, on "
                f"{self.n_samples} {kind}"
                for one in self.differences
            ),
        ]
        if self.accuracy is not None:
            lines.append(f"accuracy {self.accuracy[1]:.2%}, the model's {self.accuracy[0]:.2%}")
        lines += [
            f"batches of {one.batch}: {one.file:.2g} s per sample, "
            f"{one.predict / one.file:.3g} times as fast as predict"
            for one in self.timings
        ]
        return "\n".join((*lines, *self.notes))


_OFF = 1e-2
"""The largest allowed difference of a float32 file, relative to the largest output."""


def differences(
    names: Sequence[str], wanted: Sequence[np.ndarray], found: Sequence[np.ndarray]
) -> tuple[Difference, ...]:
    """Returns how each output of a file differs from the model's.

    Args:
        names: The outputs' names.
        wanted: What the model returns.
        found: What the file returns.
    """
    rows = []
    for name, one, other in zip(names, wanted, found, strict=True):
        if np.shape(one) != np.shape(other):
            raise ValueError(
                f"The file returns {name!r} in the shape {np.shape(other)}, the model in "
                f"{np.shape(one)}."
            )
        first, second = np.asarray(one, "float64"), np.asarray(other, "float64")
        with np.errstate(invalid="ignore"):  # infinity minus infinity
            apart = np.where(_alike(first, second), 0.0, np.abs(first - second))
        rows.append(Difference(name, float(np.max(apart)), float(np.mean(apart))))
    return tuple(rows)


def _alike(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.asarray((first == second) | (np.isnan(first) & np.isnan(second)))


def check_same(found: Sequence[Difference], wanted: Sequence[np.ndarray], tolerance: float) -> None:
    """Refuses a file whose outputs differ from its model's.

    Args:
        found: The differences of a file of float32 numbers.
        wanted: What the model returns.
        tolerance: The difference between the model and its surrogate that is allowed.

    Raises:
        ValueError: If an output differs by more than a hundredth of the largest, or is not a
            number where the model's is.
    """
    for one, values in zip(found, wanted, strict=True):
        array = np.asarray(values, "float64")
        largest = float(np.max(np.abs(array[np.isfinite(array)]), initial=1.0))
        if not one.worst <= max(_OFF, 10 * tolerance) * largest:
            raise ValueError(
                f"The file's output {one.output!r} differs from the model's by {one.worst:.2g}, so "
                "the file is wrong and was not kept. Export the model to another format."
            )


def checked_labels(labels: Any, n_samples: int) -> np.ndarray:
    """Returns the classes that labels name.

    Args:
        labels: Whole numbers of shape `(n,)` or `(n, 1)`, or one-hot rows of shape `(n, classes)`.
        n_samples: How many samples there are.

    Raises:
        ValueError: If there are not `n_samples` labels, or they are not classes.
    """
    array = np.asarray(labels)
    if array.ndim not in (1, 2) or len(array) != n_samples:
        raise ArgumentError("labels", f"hold a class for each of {n_samples} samples", array.shape)
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise ArgumentError("labels", "be whole numbers or one-hot rows", labels)
    if array.ndim == 2 and array.shape[1] > 1:
        return np.asarray(np.argmax(array, axis=1))
    array = array.reshape(-1)
    if (array != np.round(array)).any() or (array < 0).any():
        raise ArgumentError("labels", "be whole numbers from 0 on", labels)
    return array.astype("int64")


def accuracy(labels: np.ndarray, scores: np.ndarray) -> float:
    """Returns the share of samples whose largest score is that of their label.

    Args:
        labels: The classes, of shape `(n,)`.
        scores: The scores of all classes, of shape `(n, classes)`.

    Raises:
        ValueError: If there are no scores of several classes.
    """
    if scores.ndim != 2 or scores.shape[1] < 2:
        raise ArgumentError(
            "labels", "be None if the first output has no score for each class", scores.shape
        )
    return float(np.mean(np.argmax(scores, axis=1) == labels))
