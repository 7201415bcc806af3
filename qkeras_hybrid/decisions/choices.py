"""Decisions from a list."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.decisions.base import MOST_COSTS, DecisionProblem


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class Choices(DecisionProblem):
    """The best of a list of decisions.

    Args:
        decisions: All feasible decisions, shape `(m, n)`. If several are best, the first is
            chosen.

    Raises:
        ValueError: If they are not finite numbers of this shape, or there are none.

    Example:

    >>> from qkeras_hybrid.decisions import Choices
    >>> one_of_three = Choices(np.eye(3))
    >>> one_of_three.minimise(np.array([[0.3, 0.1, 0.2]]))
    array([[0., 1., 0.]])
    """

    def __init__(self, decisions: Any) -> None:
        try:
            listed = np.array(decisions, "float64")
        except (TypeError, ValueError):
            raise ArgumentError("decisions", "be an array of numbers", decisions) from None
        if listed.ndim != 2 or not 0 < listed.size <= 100 * MOST_COSTS:
            raise ArgumentError("decisions", "have the shape (m, n), not empty", listed.shape)
        if not np.isfinite(listed).all():
            raise ArgumentError("decisions", "be finite", decisions)
        listed.flags.writeable = False
        self.decisions = listed

    @property
    def n_costs(self) -> int:
        """The number of costs."""
        return int(self.decisions.shape[1])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, by name."""
        return {"decisions": self.decisions.tolist()}

    def minimise(self, costs: np.ndarray) -> np.ndarray:
        """Returns the best decision of the list for each sample; see `DecisionProblem`."""
        found: np.ndarray = self.decisions[(costs @ self.decisions.T).argmin(axis=1)]
        return found
