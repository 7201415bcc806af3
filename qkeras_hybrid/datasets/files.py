"""A user's own data: a CSV file, or an .npz file of NumPy arrays.

A value that can't be used raises an error that says where it is. Nothing is guessed, filled in or
left out.
"""

from __future__ import annotations

import collections
import csv
import hashlib
import io
import math
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError, shown
from qkeras_hybrid.datasets.base import Dataset, make_dataset

TASKS = ("classification", "regression")


def csv_file(path: str, target: str, task: str = "classification") -> Dataset:
    """A user's CSV file.

    The file is in UTF-8, with commas between fields. Its first line names the columns; each later
    line is a sample. Each column except the target is a feature and holds only finite numbers.

    Args:
        path: The file.
        target: The name of the column to predict. For classification it may hold any text. Classes
            are numbered in the sorted order of their values: numerically if all are numbers, else
            alphabetically.
        task: `"classification"` or `"regression"`.

    Returns:
        The data set.

    Raises:
        ValueError: If the file can't be read, has no such column, or has another form than
            described above; the message names the column and the line.
    """
    one_of("task", task, TASKS)
    names, rows, lines = _table(path)
    if target not in names:
        raise ArgumentError(
            "target", f"be one of the columns {', '.join(map(repr, names))} of {path}", target
        )
    features = [column for column, name in enumerate(names) if name != target]
    if not features:
        raise ValueError(
            f"{path} has only the target column {target!r}. Add at least one feature column."
        )
    x = np.empty((len(rows), len(features)))
    y: list[Any] = []
    for index, (row, line) in enumerate(zip(rows, lines, strict=True)):
        x[index] = [_number(row[column], names[column], line, path) for column in features]
        field = row[names.index(target)]
        if task == "regression":
            y.append(_number(field, target, line, path))
        else:
            y.append(_given(field, target, line, path))
    return _dataset("csv", x, y, task, None, path, f"column {target!r}")


def numpy_file(path: str, task: str = "classification") -> Dataset:
    """A user's .npz file with the arrays `x` and `y`, as `np.savez` writes it.

    Args:
        path: The file. `x` has the shape `(n_samples, n_features)`, or for images
            `(n_samples, height, width)` or `(n_samples, height, width, channels)`, and holds only
            finite numbers. `y` has the shape `(n_samples,)` and holds numbers; for classification
            it may also hold strings. Classes are numbered in the sorted order of their values.
        task: `"classification"` or `"regression"`.

    Returns:
        The data set; with `image_shape` if `x` holds images.

    Raises:
        ValueError: If the file can't be read or has another form than described above; the message
            says where.
    """
    one_of("task", task, TASKS)
    x, y = _arrays(path)
    if x.ndim not in (2, 3, 4) or not x.size:
        raise ValueError(
            f"`x` in {path} must have the shape (n_samples, n_features) or that of images, "
            f"(n_samples, height, width, channels), but has {x.shape}."
        )
    if y.shape != x.shape[:1]:
        raise ValueError(
            f"`y` in {path} must have one value for each of the {len(x)} samples of `x`, but has "
            f"the shape {y.shape}."
        )
    for name, array in (("x", x), ("y", y)):
        numbers = array.dtype.kind in "biuf"
        if not numbers and (name == "x" or task == "regression" or array.dtype.kind != "U"):
            raise ValueError(f"`{name}` in {path} must hold numbers, but has type {array.dtype}.")
        if numbers:
            wrong = np.argwhere(~np.isfinite(array) | (np.abs(array.astype("float64")) > _LARGEST))
            if len(wrong):
                place = ", ".join(map(str, wrong[0]))
                raise ValueError(
                    f"`{name}` in {path} must hold finite numbers up to {_LARGEST:.2g}, but "
                    f"{name}[{place}] is {array[tuple(wrong[0])]}. {_FILL}"
                )
    shape = (*x.shape[1:], 1)[:3] if x.ndim > 2 else None
    return _dataset("numpy", x.reshape(len(x), -1), y.tolist(), task, shape, path, "`y`")


LOADERS: dict[str, Callable[..., Dataset]] = {"csv": csv_file, "numpy": numpy_file}

_LARGEST = float(np.finfo("float32").max)
_FILL = "Remove the sample, or fill in the value."


def digest(path: Any) -> str:
    """Returns the SHA-256 of a file's content in hexadecimal digits.

    Raises:
        ValueError: If the file can't be read.
    """
    return hashlib.sha256(_content(path)).hexdigest()


def _content(path: Any) -> bytes:
    if not isinstance(path, str | os.PathLike):
        raise ArgumentError("path", "be the path of a file", path)
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ArgumentError(
            "path", "be a file that can be read", str(path), f"The system says: {reason}."
        ) from error


def _table(path: str) -> tuple[list[str], list[list[str]], list[int]]:
    """Returns the names of the columns, the fields of each row, and the line of each row."""
    try:
        text = _content(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not in UTF-8: byte {error.start + 1} is {error.object[error.start]:#x}. "
            "Save it as CSV in UTF-8."
        ) from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows, lines = [], []
    try:
        for row in reader:
            if row:  # empty lines are skipped
                rows.append(row)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise ValueError(f"{path} is not valid CSV: line {reader.line_num}: {error}.") from error
    if len(rows) < 2:
        raise ValueError(
            f"{path} has no samples. Its first line must name the columns, and each later line "
            "must be a sample."
        )
    names = [name.strip() for name in rows[0]]
    for column, name in enumerate(names, start=1):
        if not name or names.count(name) > 1:
            wrong = f"has the name {name!r} of another column" if name else "has no name"
            raise ValueError(
                f"{path}: column {column} {wrong}. The first line must give each column its own "
                "name."
            )
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(names):
            raise ValueError(
                f"{path}: line {line} has {len(row)} fields, but there are {len(names)} columns."
            )
    return names, rows[1:], lines[1:]


def _given(field: str, column: str, line: int, path: str) -> str:
    """Returns a field without the spaces around it, unless it stands for a missing value."""
    field = field.strip()
    if field.lower() in ("", "nan", "na", "n/a", "null", "?"):
        raise ValueError(
            f"{path}: column {column!r} has a missing value, {field!r}, in line {line}. {_FILL}"
        )
    return field


def _number(field: str, column: str, line: int, path: str) -> float:
    field = _given(field, column, line, path)
    try:
        value = float(field)
    except ValueError:
        raise ValueError(
            f"{path}: column {column!r} must hold numbers, but has {shown(field, 60)} in line "
            f"{line}. Replace a column of categories by one column of 0 and 1 for each category."
        ) from None
    if not math.isfinite(value) or abs(value) > _LARGEST:
        raise ValueError(
            f"{path}: column {column!r} must hold finite numbers up to {_LARGEST:.2g}, but has "
            f"{field} in line {line}. {_FILL}"
        )
    return value


def _dataset(
    name: str,
    x: npt.NDArray[Any],
    y: list[Any],
    task: str,
    image_shape: Any,
    path: str,
    target: str,
) -> Dataset:
    """Returns the data set. Its targets must differ, and each class must have two samples.

    Args:
        name: Its name in `load`.
        x: Features of shape `(n_samples, n_features)`.
        y: The value of each sample.
        task: `"classification"` or `"regression"`.
        image_shape: As in `Dataset`.
        path: Where the samples come from.
        target: How an error message names `y`.
    """
    y = _as_numbers(y)
    values = sorted(set(y))
    if len(values) < 2:
        wanted = "two classes" if task == "classification" else "two values"
        raise ValueError(
            f"{path}: {target} must have at least {wanted}, but all {len(y)} samples have "
            f"{shown(y[0], 60)}."
        )
    if task == "regression":
        return make_dataset(name, x, y, str(path), n_classes=0, image_shape=image_shape)
    rarest, count = min(collections.Counter(y).items(), key=lambda item: item[1])
    if count < 2:
        raise ValueError(
            f"{path}: each class in {target} must have at least 2 samples, one for each part of "
            f"a split, but {shown(rarest, 60)} has {count}. If {target} is a quantity, not a "
            "class, use task='regression'."
        )
    number_of = {value: number for number, value in enumerate(values)}
    classes = [number_of[value] for value in y]
    return make_dataset(name, x, classes, str(path), n_classes=len(values), image_shape=image_shape)


def _as_numbers(y: list[Any]) -> list[Any]:
    """Returns numbers if all strings are numbers: "1" and "1.0" are one class, 10 comes after 9."""
    try:
        numbers = [float(value) if isinstance(value, str) else value for value in y]
    except ValueError:
        return y
    return numbers if all(map(math.isfinite, numbers)) else y


def _arrays(path: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Returns `x` and `y` of an .npz file."""
    what = "must be an .npz file with the arrays `x` and `y`, as np.savez(path, x=x, y=y) writes it"
    content = io.BytesIO(_content(path))
    try:
        # Pickles are refused: they could run code.
        file = np.load(content, allow_pickle=False)
        arrays = dict(file) if isinstance(file, np.lib.npyio.NpzFile) else {}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        reason = str(error).rstrip(".")
        raise ValueError(f"{path} {what}, but it can't be read: {reason}.") from error
    if not {"x", "y"} <= set(arrays):
        held = f"has {', '.join(arrays)}" if arrays else "has no named array"
        raise ValueError(f"{path} {what}, but it {held}.")
    return arrays["x"], arrays["y"]
