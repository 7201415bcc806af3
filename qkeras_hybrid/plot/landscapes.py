"""The loss of a model along two directions of its weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qkeras_hybrid._checks import at_most, finite_number, seed_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.diagnostics.base import at_least_two
from qkeras_hybrid.plot.pictures import GREY, PALETTE, canvas, finished

MOST_POINTS = 101
"""The most points along each direction; the model is evaluated at the square of their number."""

Direction = list[np.ndarray]


def loss_landscape(
    model: Any,
    x: Any,
    y: Any,
    *,
    directions: Sequence[Sequence[Any]] | None = None,
    span: float = 1.0,
    points: int = 21,
    seed: int = 0,
    ax: Any = None,
) -> Any:
    """Draws the loss of a model around its weights, along two directions.

    By default, the directions are random and filter-normalised: the part of a direction that
    belongs to one unit of a layer has the norm of this unit's weights. So landscapes of models with
    different scales can be compared. A vector of weights (a bias, the angles of a circuit) counts
    as one part.

    The model keeps its weights. It must be compiled with a loss.

    Args:
        model: A built and compiled Keras model.
        x: Samples; the loss is computed on all of them in one batch.
        y: Their targets.
        directions: Two directions, each a list of arrays with the shapes of
            `model.trainable_variables`. They are not normalised.
        span: How far to go in both directions, as a multiple of their lengths.
        points: The number of points along each direction. If it is odd, the point in the middle
            is that of the model's weights.
        seed: The seed of the random directions.
        ax: Matplotlib axes to draw into.

    Returns:
        A Matplotlib figure with an alt text, or `ax`.

    Raises:
        ValueError: If the model is not compiled or has no weights, a direction has another shape,
            or a number is invalid.

    Reference:
        Li, Xu, Taylor, Studer, Goldstein: Visualizing the loss landscape of neural nets, NeurIPS
        2018, arXiv 1712.09913.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), qh.PQCDense(1, n_layers=1)])
    >>> model.compile(loss="mse")
    >>> x, y = np.zeros((4, 2)), np.ones((4, 1))
    >>> qh.plot.loss_landscape(model, x, y, points=5).savefig("landscape.png")
    """
    variables = list(getattr(model, "trainable_variables", ()))
    if not variables:
        raise ArgumentError("model", "be a built Keras model with trainable weights", model)
    if not getattr(model, "compiled", False):
        raise ArgumentError("model", "have a loss", model, "Call model.compile(loss=...) first.")
    if not callable(getattr(model, "test_on_batch", None)):
        raise ArgumentError("model", "be a model of Keras's, not a layer", model)
    size = _size("x", x)
    if _size("y", y) != size:
        raise ArgumentError("y", f"have targets of {size} samples", f"{_size('y', y)}")
    seed = seed_number("seed", seed)
    if finite_number("span", span) <= 0:
        raise ArgumentError("span", "be above 0", span)
    points = at_most("points", at_least_two("points", points), MOST_POINTS)
    centre = [np.asarray(value) for value in _values(variables)]
    if directions is None:
        rng = np.random.default_rng(seed)
        chosen = [filter_normalised(centre, rng) for _ in range(2)]
        if not any(value.any() for value in centre):
            raise ArgumentError(
                "model",
                "have a weight other than 0: random directions have the lengths of weights",
                model,
                "Give `directions`.",
            )
    else:
        chosen = _given(directions, centre)
    steps = np.linspace(-span, span, points)
    losses = _losses(model, variables, centre, chosen, steps, x, y)
    finite = np.isfinite(losses)
    if not finite.any():
        raise ArgumentError("model", "have a finite loss at some of the weights", losses[0, 0])
    with canvas(ax, 5.0, 3.8) as axes:
        lowest, highest = float(losses[finite].min()), float(losses[finite].max())
        shown = np.where(finite, losses, np.nan)
        filled = axes.pcolormesh(steps, steps, shown, shading="gouraud", cmap="viridis")
        if highest > lowest:
            axes.contour(steps, steps, shown, levels=10, colors="white", linewidths=0.5, alpha=0.6)
        axes.plot(0, 0, "X", color=PALETTE[1], markeredgecolor="white", markersize=9)
        axes.annotate(
            "weights", (0, 0), (7, 7), textcoords="offset points", color="white", fontsize=9
        )
        axes.set(xlabel="direction 1", ylabel="direction 2", aspect="equal")
        axes.grid(visible=False)
        bar = axes.figure.colorbar(filled, ax=axes, label="loss")
        bar.outline.set_edgecolor(GREY)
    place = np.unravel_index(int(np.argmin(np.where(finite, losses, np.inf))), losses.shape)
    at = f"{steps[place[1]]:.2g}, {steps[place[0]]:.2g}"
    text = (
        f"The loss of a model around its weights along two directions, {points} by {points} points "
        f"up to {span:g} times their lengths away. The smallest is {lowest:.4g} at ({at}), "
        f"the largest {highest:.4g}."
    )
    return finished(axes, text, ax)


def filter_normalised(weights: Sequence[np.ndarray], rng: np.random.Generator) -> Direction:
    """Returns a random direction in which each unit's part has the norm of its weights.

    Args:
        weights: The weights. The last axis of an array with several axes counts the units, as in
            the kernels of Keras's layers; an array with one axis is one part.
        rng: Draws normal numbers, one array after the other.
    """
    found = []
    for value in weights:
        drawn = rng.normal(size=value.shape)
        axes = tuple(range(value.ndim - 1)) if value.ndim > 1 else None
        norms = np.sqrt(np.sum(np.square(value, dtype=float), axis=axes, keepdims=True))
        lengths = np.sqrt(np.sum(drawn**2, axis=axes, keepdims=True))
        found.append(drawn * (norms / lengths))
    return found


def _size(argument: str, given: Any) -> int:
    """Returns the number of samples of an array, or of arrays in the structure of `fit`."""
    from keras import tree

    sizes = {np.shape(each)[:1] for each in tree.flatten(given)}
    if given is None or len(sizes) != 1 or not all(size and size[0] for size in sizes):
        raise ArgumentError(argument, "hold an array with a row for each sample", given)
    ((size,),) = sizes
    return int(size)


def _values(variables: list[Any]) -> list[np.ndarray]:
    from keras import ops

    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def _given(directions: Any, centre: list[np.ndarray]) -> list[Direction]:
    shapes = [value.shape for value in centre]
    fix = f"Their shapes: {shapes}."
    if not isinstance(directions, Sequence) or len(directions) != 2:
        raise ArgumentError("directions", "be two lists of arrays", directions, fix)
    found = []
    for direction in directions:
        try:
            arrays = [np.asarray(part, float) for part in direction]
        except (TypeError, ValueError) as error:
            raise ArgumentError("directions", "be two lists of arrays", direction, fix) from error
        if [part.shape for part in arrays] != shapes:
            got = [part.shape for part in arrays]
            raise ArgumentError("directions", "have the shapes of the weights", got, fix)
        if not all(np.all(np.isfinite(part)) for part in arrays):
            raise ArgumentError("directions", "hold finite numbers", direction)
        found.append(arrays)
    return found


def _losses(
    model: Any,
    variables: list[Any],
    centre: list[np.ndarray],
    directions: list[Direction],
    steps: np.ndarray,
    x: Any,
    y: Any,
) -> np.ndarray:
    """Returns the losses, with rows along the second direction. Restores the model's weights."""
    found = np.zeros((len(steps), len(steps)))
    try:
        for i, up in enumerate(steps):
            for j, across in enumerate(steps):
                for variable, value, one, two in zip(variables, centre, *directions, strict=True):
                    variable.assign((value + across * one + up * two).astype(value.dtype))
                # Keras averages the losses of all batches since the last reset.
                model.reset_metrics()
                found[i, j] = float(model.test_on_batch(x, y, return_dict=True)["loss"])
    finally:
        for variable, value in zip(variables, centre, strict=True):
            variable.assign(value)
        model.reset_metrics()
    return found
