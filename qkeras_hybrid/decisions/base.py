"""The contract of a decision problem, which maps costs to the decision that minimises them."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._value import Value

MOST_COSTS = 100_000
"""The most costs of a problem, and the most entries of the arrays that define it."""


class DecisionProblem(Value, abc.ABC):
    """A set of feasible decisions `w`, and how to find the one of least cost.

    A subclass finds `argmin_w c . w + q(w)` for a whole batch of costs `c`; `q` is zero unless
    `fixed_cost` says otherwise. Costs are always minimised: to maximise values, give `-values`.

    A subclass is registered with `keras.saving.register_keras_serializable`, so that layers and
    losses that hold it are saved.
    """

    @property
    def n_costs(self) -> int | None:
        """The number of costs, `n`; None if any number is allowed."""
        return None

    @abc.abstractmethod
    def minimise(self, costs: np.ndarray) -> np.ndarray:
        """Returns the best decisions.

        Args:
            costs: Finite float64 array of shape `(batch, n)`.

        Returns:
            Array of shape `(batch, n)`.
        """

    def fixed_cost(self, decisions: np.ndarray) -> np.ndarray:
        """Returns `q(w)`, the part of the cost that does not depend on the cost vector.

        Args:
            decisions: Array of shape `(batch, n)`.

        Returns:
            Array of shape `(batch,)`.
        """
        return np.zeros(len(decisions))


def decide(problem: DecisionProblem, costs: Any) -> np.ndarray:
    """Returns the decisions of least cost, after a check of their shape and values.

    Args:
        problem: The problem.
        costs: Array of shape `(batch, n)`. A sample with a cost that is not finite gets a decision
            of NaN.

    Returns:
        Float64 array of shape `(batch, n)`.

    Raises:
        ValueError: If the number of costs is not the problem's, or the problem does not return
            finite decisions of that shape.

    Example:

    >>> from qkeras_hybrid.decisions import GridShortestPath, decide
    >>> square = GridShortestPath(2, 2)
    >>> square.edges
    ((0, 1), (0, 2), (1, 3), (2, 3))
    >>> decide(square, [[1.0, 2.0, 5.0, 3.0]])
    array([[0., 1., 0., 1.]])
    """
    costs = checked_costs(problem, "costs", costs)
    known = np.isfinite(costs).all(axis=1)
    decisions = np.full(costs.shape, np.nan)
    if known.any():
        asked = costs[known]
        decisions[known] = _checked_decisions(problem, problem.minimise(asked), asked.shape)
    return decisions


def objective(problem: DecisionProblem, costs: np.ndarray, decisions: np.ndarray) -> np.ndarray:
    """Returns `c . w + q(w)` for each sample, of arrays of shape `(batch, n)`."""
    fixed = np.full(len(decisions), np.nan)
    known = np.isfinite(decisions).all(axis=1)
    if known.any():
        fixed[known] = problem.fixed_cost(decisions[known])
    total: np.ndarray = (costs * decisions).sum(axis=1) + fixed
    return total


def checked_costs(problem: DecisionProblem, argument: str, costs: Any) -> np.ndarray:
    """Returns costs as a float64 array of shape `(batch, n)`.

    Raises:
        ValueError: If they are not numbers, or their number is not the problem's.
    """
    try:
        array = np.asarray(costs, "float64")
    except (TypeError, ValueError):
        raise ArgumentError(argument, "be an array of numbers", costs) from None
    if array.ndim != 2:
        raise ArgumentError(argument, "have the shape (batch, n)", array.shape)
    check_width(problem, argument, array.shape[1])
    return array


def check_width(problem: DecisionProblem, argument: str, width: int) -> None:
    """Makes sure that a problem has this number of costs.

    Raises:
        ValueError: If it does not.
    """
    if problem.n_costs is not None and width != problem.n_costs:
        raise ArgumentError(
            argument, f"have {problem.n_costs} costs as its last axis, those of {problem!r}", width
        )


def _checked_decisions(problem: DecisionProblem, found: Any, shape: tuple[int, ...]) -> np.ndarray:
    fix = f"{problem!r} returned it for costs of shape {shape}."
    try:
        decisions = np.asarray(found, "float64")
    except (TypeError, ValueError):
        raise ArgumentError("problem", "return an array of numbers", found, fix) from None
    if decisions.shape != shape:
        raise ArgumentError("problem", f"return decisions of shape {shape}", decisions.shape, fix)
    if not np.isfinite(decisions).all():
        raise ArgumentError("problem", "return finite decisions for finite costs", decisions, fix)
    return decisions
