"""Problems that a user's function solves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.decisions.base import MOST_COSTS, DecisionProblem


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class Minimiser(DecisionProblem):
    """A problem that your own function solves.

    A model with this problem can be saved if the function is registered with
    `@keras.saving.register_keras_serializable()`, and loaded where it is registered too. With any
    other function, the model can be trained, but only its weights can be saved.

    Args:
        function: Maps costs, a finite float64 array of shape `(batch, n)`, to the decisions that
            minimise `costs . decisions`, of the same shape.
        n_costs: The number of costs; None if any number will do.

    Raises:
        ValueError: If `function` can't be called, or, when it is called, if it does not return
            finite numbers of that shape.

    Example:

    >>> from qkeras_hybrid.decisions import Minimiser
    >>> take_what_pays = Minimiser(lambda costs: costs < 0, n_costs=2)
    >>> take_what_pays.minimise(np.array([[-1.0, 2.0]]))
    array([[1., 0.]])
    """

    def __init__(
        self, function: Callable[[np.ndarray], Any] | dict[str, Any], n_costs: int | None = None
    ) -> None:
        if isinstance(function, dict):
            function = keras.saving.deserialize_keras_object(function)
        if not callable(function):
            raise ArgumentError("function", "be a function of costs", function)
        self.function = function
        self._n_costs = None if n_costs is None else positive_int("n_costs", n_costs, MOST_COSTS)

    @property
    def n_costs(self) -> int | None:
        """The number of costs; None if any number will do."""
        return self._n_costs

    def minimise(self, costs: np.ndarray) -> np.ndarray:
        """Returns what the function returns; see `DecisionProblem`."""
        found = self.function(costs.copy())
        try:
            decisions = np.asarray(found, "float64")
        except (TypeError, ValueError):
            raise ArgumentError("function", "return an array of numbers", found) from None
        if decisions.shape != costs.shape:
            raise ArgumentError(
                "function", f"return decisions of shape {costs.shape}", decisions.shape
            )
        if not np.isfinite(decisions).all():
            raise ArgumentError("function", "return finite decisions", decisions)
        return decisions

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, by name.

        Raises:
            ValueError: If the function is not registered with Keras.
        """
        if keras.saving.get_registered_object(_registered_name(self.function)) is None:
            raise ArgumentError(
                "function",
                "be registered to save the model",
                self.function,
                "Decorate it with @keras.saving.register_keras_serializable(), or save only the "
                "weights.",
            )
        return {
            "function": keras.saving.serialize_keras_object(self.function),
            "n_costs": self._n_costs,
        }

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Minimiser)
            and other.function == self.function
            and other._n_costs == self._n_costs
        )

    def __hash__(self) -> int:
        return hash((self.function, self._n_costs))

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", repr(self.function))
        return f"Minimiser({name}, n_costs={self._n_costs})"


def _registered_name(function: Any) -> str:
    return str(keras.saving.get_registered_name(function))
