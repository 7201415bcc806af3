"""Scores of a model's outputs: numbers that are higher for better outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qkeras_hybrid._errors import ArgumentError

Array = np.ndarray[Any, Any]
Score = Callable[[Array, Array], float]
"""A function of targets and a model's outputs that returns a number, the higher the better."""


def score_of(given: Any, y: Array, n_outputs: tuple[int | None, ...]) -> tuple[str, Score]:
    """Returns the name of a score and the score.

    Args:
        given: A function of targets and outputs. None takes the accuracy for classes, else R².
        y: The targets: whole numbers are classes, others are numbers to predict.
        n_outputs: The shape of the model's output for one sample.

    Raises:
        ValueError: If `given` is not a function, or is None where neither accuracy nor R² fits.
    """
    if given is not None:
        if not callable(given):
            raise ArgumentError("score", "be a function of targets and outputs", given)
        return str(getattr(given, "__name__", "score")), given
    needed = "Pass `score`, a function of targets and outputs."
    if len(n_outputs) != 1:
        raise ArgumentError(
            "score", "be given for a model whose output is not a vector", n_outputs, needed
        )
    if y.dtype.kind in "iub":
        if n_outputs[0] == 1 or y.ndim != 1:
            raise ArgumentError(
                "score",
                "be given if targets are classes and the model does not have an output for each",
                f"targets of shape {y.shape} and {n_outputs[0]} outputs",
                needed,
            )
        return "accuracy", accuracy
    if y.shape[1:] not in (n_outputs, () if n_outputs == (1,) else n_outputs):
        raise ArgumentError(
            "y", f"have a number for each of the model's {n_outputs[0]} outputs", y.shape
        )
    return "R²", r2


def accuracy(y: Array, outputs: Array) -> float:
    """Returns the share of samples whose largest output is that of their class.

    Args:
        y: Classes, whole numbers of shape `(n,)`.
        outputs: Of shape `(n, n_classes)`. A sample with an output that is not finite counts as
            wrong.
    """
    finite = np.isfinite(outputs).all(axis=-1)
    return float(((outputs.argmax(axis=-1) == y) & finite).mean())


def r2(y: Array, outputs: Array) -> float:
    """Returns the mean coefficient of determination of the outputs; NaN if one is not finite.

    For a target that is the same for all samples, the coefficient is 1 if all outputs equal it,
    else 0.

    Args:
        y: Targets of shape `(n,)` or `(n, n_outputs)`.
        outputs: Of shape `(n, n_outputs)`.
    """
    y = y.reshape(outputs.shape).astype(float)
    if not np.isfinite(outputs).all():
        return float("nan")
    wrong = ((y - outputs) ** 2).sum(axis=0)
    spread = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    flat = spread == 0
    each = np.where(flat, wrong == 0, 1 - wrong / np.where(flat, 1, spread))
    return float(each.mean())
