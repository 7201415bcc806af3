"""Samples by their labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.plot.pictures import PALETTE

MOST_CLASSES = len(PALETTE)
"""The largest number of labels; each has a colour of its own."""


def labels_of(y: Any, size: int) -> np.ndarray:
    """Returns labels of shape `(size,)` from an array, a column, or one-hot rows.

    Raises:
        ValueError: If there are not `size` labels, one is not finite, or too many are different.
    """
    try:
        found = np.asarray(y)
    except ValueError as error:
        raise ArgumentError("y", f"have one label for each of the {size} samples", y) from error
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise ArgumentError("y", "hold labels: finite numbers or strings", y)
    if found.ndim == 2 and found.shape[1] > 1 and found.dtype.kind in "biuf":
        found = np.argmax(found, axis=1)
    found = found.reshape(-1) if found.ndim == 2 and found.shape[1] == 1 else found
    if found.shape != (size,):
        raise ArgumentError("y", f"have one label for each of the {size} samples", np.shape(y))
    if found.dtype.kind not in "biufU":
        raise ArgumentError("y", "hold labels: finite numbers or strings", y)
    if (count := len(np.unique(found))) > MOST_CLASSES:
        raise ArgumentError("y", f"hold at most {MOST_CLASSES} different labels", f"{count}")
    return found


def groups_of(y: Any, size: int) -> dict[str, np.ndarray]:
    """Returns the indices of the samples of each label, by its name; one group without labels."""
    if y is None:
        return {"": np.arange(size)}
    found = labels_of(y, size)
    return {
        f"{label:g}" if found.dtype.kind == "f" else str(label): np.flatnonzero(found == label)
        for label in np.unique(found)
    }
