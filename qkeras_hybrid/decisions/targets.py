"""The `y_true` of losses and metrics of decisions."""

from __future__ import annotations

from typing import Any

import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.decisions.base import DecisionProblem, checked_costs, decide

KINDS = ("costs", "decisions")


def targets(problem: DecisionProblem, costs: Any) -> np.ndarray:
    """Returns true costs together with their best decisions, for use as `y` in `fit`.

    Losses and metrics also take the true costs alone, but then they find the best decisions in each
    step. This function finds them once.

    Args:
        problem: The problem.
        costs: Array of shape `(batch, n)`.

    Returns:
        Array of shape `(batch, 2 n)`, of the dtype of `costs` if that is float32, else float64.

    Raises:
        ValueError: If the number of costs is not the problem's.

    Example:

    >>> from qkeras_hybrid.decisions import Choices, targets
    >>> targets(Choices(np.eye(2)), [[3.0, 1.0]])
    array([[3., 1., 0., 1.]])
    """
    checked = checked_costs(problem, "costs", costs)
    narrow = getattr(costs, "dtype", None) == np.float32
    joined: np.ndarray = np.concatenate([checked, decide(problem, checked)], axis=1)
    return np.asarray(joined, "float32" if narrow else "float64")


def split_targets(
    problem: DecisionProblem, given: np.ndarray, n: int, kind: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns true costs and the best decisions, both of shape `(batch, n)`.

    Args:
        problem: The problem.
        given: What `targets` returned, or an array of width `n` of the given `kind`.
        n: The number of costs.
        kind: "costs" or "decisions". If there are no costs, NaN is returned for them.
    """
    if given.shape[1] == 2 * n:
        return given[:, :n], given[:, n:]
    if kind == "decisions":
        return np.full(given.shape, np.nan), given
    return given, decide(problem, given)


def check_target_width(width: int, n: int) -> None:
    """Makes sure that `y_true` fits predictions of `n` costs.

    Raises:
        ValueError: If it does not.
    """
    if width not in (n, 2 * n):
        raise ArgumentError(
            "y_true",
            f"have {n} true costs as its last axis, or {2 * n}, from `decisions.targets`",
            width,
            f"The predictions are {n} costs.",
        )
