"""The decision boundary of a model on two features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb

from qkeras_hybrid._checks import at_most, finite_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.diagnostics.base import at_least_two
from qkeras_hybrid.plot.labels import MOST_CLASSES, groups_of, labels_of
from qkeras_hybrid.plot.pictures import GREY, canvas, colour, counted, finished, symbol

MOST_POINTS = 500
"""The largest number of grid points along one feature."""

_PALE = 0.45  # the largest opacity of a region


def decision_boundary(
    model: Any,
    x: Any,
    y: Any,
    *,
    threshold: float = 0.5,
    points: int = 60,
    names: Sequence[str] = ("feature 0", "feature 1"),
    ax: Any = None,
) -> Any:
    """Draws the regions in which a model of two features predicts each class, and the samples.

    The model predicts on a grid around all samples. If it has one output, the second class is
    predicted where the output is above `threshold`. If it has several, the class of the largest
    output is predicted. Near the boundary, the colours are paler.

    Args:
        model: A Keras model from `(batch, 2)` to `(batch, 1)` or `(batch, n_classes)`.
        x: Samples of shape `(n, 2)`.
        y: Their labels, `(n,)` or `(n, 1)`, or one-hot. Whole numbers below the number of outputs
            are indices of outputs. Other labels belong to the outputs in sorted order.
        threshold: For one output, the value at the boundary. Give 0.0 for labels -1 and 1.
        points: The number of points of the grid along each feature.
        names: The names of the features.
        ax: Matplotlib axes to draw into.

    Returns:
        A Matplotlib figure with an alt text, or `ax`.

    Raises:
        ValueError: If an argument is invalid, or the model has other outputs.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, "sigmoid")])
    >>> x = np.random.default_rng(0).normal(size=(20, 2))
    >>> y = x[:, 0] > 0
    >>> qh.plot.decision_boundary(model, x, y, points=20).savefig("boundary.png")
    """
    samples = _samples(x)
    labels = labels_of(y, len(samples))
    threshold = finite_number("threshold", threshold)
    points = at_most("points", at_least_two("points", points), MOST_POINTS)
    if not callable(getattr(model, "predict", None)):
        raise ArgumentError("model", "be a Keras model, with the method `predict`", model)
    shape = getattr(model, "input_shape", (None, 2))
    if shape not in ((None, 2), (None, None)):
        raise ArgumentError("model", "take samples of shape (batch, 2)", shape)
    if not isinstance(names, Sequence) or isinstance(names, str) or len(names) != 2:
        raise ArgumentError("names", "name two features", names)
    low, high = samples.min(axis=0), samples.max(axis=0)
    room = np.where(high > low, 0.12 * (high - low), 1.0)
    across, up = (np.linspace(a, b, points) for a, b in zip(low - room, high + room, strict=True))
    grid = np.stack([each.ravel() for each in np.meshgrid(across, up)], axis=1)
    outputs = np.asarray(model.predict(grid.astype("float32"), batch_size=1024, verbose=0))
    if outputs.ndim != 2 or len(outputs) != len(grid) or not np.all(np.isfinite(outputs)):
        raise ArgumentError("model", "return finite numbers, of shape (batch, n)", outputs.shape)
    # How far the output of each class is above the threshold, or above the best other output.
    if outputs.shape[1] == 1:
        above = outputs - threshold
        scores = np.hstack([-above, above])
    else:
        scores = outputs
    n_classes = at_most("model", scores.shape[1], MOST_CLASSES)
    numbers = _numbers(labels, n_classes)
    with canvas(ax, 4.6, 3.8) as axes:
        _regions(axes, across, up, scores.reshape(points, points, n_classes))
        for name, chosen in groups_of(labels, len(samples)).items():
            number = int(numbers[chosen[0]])
            axes.scatter(
                *samples[chosen].T,
                s=24,
                color=colour(number),
                marker=symbol(number),
                edgecolors="white",
                linewidths=0.7,
                label=name,
                zorder=3,
            )
        axes.set(xlabel=names[0], ylabel=names[1])
        axes.grid(visible=False)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    right = float(np.mean(_predicted(model, samples, threshold) == numbers))
    text = (
        f"The regions in which a model predicts each of {n_classes} classes, over {names[0]} and "
        f"{names[1]}, with {counted(len(samples), 'sample')}, of which {100 * right:.0f} % lie in "
        "the region of their label."
    )
    return finished(axes, text, ax)


def _samples(x: Any) -> np.ndarray:
    try:
        samples = np.asarray(x, float)
    except (TypeError, ValueError) as error:
        raise ArgumentError("x", "hold finite numbers, of shape (n, 2)", x) from error
    if samples.ndim != 2 or samples.shape[1] != 2 or not len(samples):
        raise ArgumentError("x", "have shape (n, 2)", samples.shape)
    if not np.all(np.isfinite(samples)):
        raise ArgumentError("x", "hold finite numbers, of shape (n, 2)", x)
    return samples


def _numbers(labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Returns the index of the class of each sample."""
    known, numbers = np.unique(labels, return_inverse=True)
    whole = known.dtype.kind in "biuf" and bool(np.all(known == np.floor(known)))
    if whole and known.min() >= 0 and known.max() < n_classes:
        return labels.astype(int)
    if len(known) > n_classes:
        raise ArgumentError("y", f"hold labels of {n_classes} classes", known.tolist())
    return np.asarray(numbers)


def _predicted(model: Any, samples: np.ndarray, threshold: float) -> np.ndarray:
    found = np.asarray(model.predict(samples.astype("float32"), batch_size=1024, verbose=0))
    if found.shape[1] == 1:
        return np.asarray((found[:, 0] > threshold).astype(int))
    return np.asarray(np.argmax(found, axis=1))


def _regions(axes: Any, across: np.ndarray, up: np.ndarray, scores: np.ndarray) -> None:
    """Draws the region of each class, and a line where its score equals the best other one."""
    n_classes = scores.shape[2]
    ordered = np.sort(scores, axis=2)
    lead = ordered[..., -1] - ordered[..., -2] if n_classes > 1 else np.ones(scores.shape[:2])
    shade = _PALE * (0.25 + 0.75 * lead / (lead.max() or 1.0))
    colours = np.array([to_rgb(colour(number)) for number in range(n_classes)])
    image = np.concatenate([colours[np.argmax(scores, axis=2)], shade[..., None]], axis=2)
    steps = [(each[1] - each[0]) / 2 for each in (across, up)]
    edges = (
        *(across[0] - steps[0], across[-1] + steps[0]),
        *(up[0] - steps[1], up[-1] + steps[1]),
    )
    axes.imshow(image, origin="lower", extent=edges, aspect="auto", zorder=0)
    for number in range(1 if n_classes == 2 else 0, n_classes if n_classes > 1 else 0):
        others = np.delete(scores, number, axis=2).max(axis=2)
        lead = scores[..., number] - others
        if lead.min() < 0 < lead.max():
            axes.contour(across, up, lead, levels=[0.0], colors=GREY, linewidths=1.3, zorder=1)
