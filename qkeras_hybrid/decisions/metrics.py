"""Regret: the extra cost of a decision from predicted costs over the best one."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.decisions.base import (
    DecisionProblem,
    check_width,
    checked_costs,
    decide,
    objective,
)
from qkeras_hybrid.decisions.hosting import constant_call, precision_of
from qkeras_hybrid.decisions.spelling import problem_of
from qkeras_hybrid.decisions.targets import KINDS, check_target_width, split_targets

# The constant that PyEPO adds to the sum of the optima.
_EPSILON = 1e-7


def regret(problem: Any, costs: Any, predicted: Any) -> float:
    """Returns the normalised regret of decisions from predicted costs.

    `sum_i (c_i . w*(p_i) - z_i) / sum_i |z_i|`, with `z_i = c_i . w*(c_i)` the lowest possible
    cost, as in PyEPO.

    Args:
        problem: A `DecisionProblem`, or anything that `DecisionLayer` accepts as one.
        costs: True costs `c`, of shape `(batch, n)`.
        predicted: Predicted costs `p`, of the same shape.

    Raises:
        ValueError: If the shapes differ or there is no sample.

    Example:

    >>> from qkeras_hybrid.decisions import Choices, regret
    >>> costs = np.array([[1.0, 3.0], [4.0, 2.0]])
    >>> round(regret(Choices(np.eye(2)), costs, np.array([[0.0, 1.0], [0.0, 1.0]])), 4)
    0.6667
    """
    problem = problem_of(problem)
    costs = checked_costs(problem, "costs", costs)
    predicted = checked_costs(problem, "predicted", predicted)
    if costs.shape != predicted.shape or not len(costs):
        raise ArgumentError(
            "predicted", f"have the shape {costs.shape} of `costs`, not empty", predicted.shape
        )
    sums = _parts(problem, costs, decide(problem, costs), decide(problem, predicted)).sum(axis=0)
    return float(sums[0] / (sums[1] + _EPSILON))


def _parts(
    problem: DecisionProblem, costs: np.ndarray, best: np.ndarray, chosen: np.ndarray
) -> np.ndarray:
    """Returns each sample's regret and the absolute value of its optimum, shape `(batch, 2)`."""
    optima = objective(problem, costs, best)
    return np.stack([objective(problem, costs, chosen) - optima, np.abs(optima)], axis=1)


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class Regret(keras.metrics.Metric):
    """The normalised regret over all samples of an epoch; see `regret`.

    Args:
        problem: A `DecisionProblem`, or anything that `DecisionLayer` accepts as one.
        predicted: What the model returns: "costs", or "decisions" if it ends in a `DecisionLayer`.
        **kwargs: `name` and `dtype` of Keras's metrics.

    Raises:
        ValueError: If `problem` is none of these; when called: if the shapes don't fit.

    Example:

    >>> from qkeras_hybrid.decisions import Choices, Regret
    >>> metric = Regret(Choices(np.eye(2)))
    >>> metric.update_state(np.array([[1.0, 3.0], [4.0, 2.0]]), np.array([[0.0, 1.0]] * 2))
    >>> round(float(metric.result()), 4)
    0.6667
    """

    def __init__(
        self, problem: Any, *, predicted: str = "costs", name: str = "regret", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.problem = problem_of(problem)
        self.predicted = one_of("predicted", predicted, KINDS)
        self.excess = self.add_variable((), initializer="zeros", name="excess")
        self.optima = self.add_variable((), initializer="zeros", name="optima")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds samples.

        Args:
            y_true: True costs, of shape `(batch, ..., n)`, or `decisions.targets` of them.
            y_pred: Predicted costs or decisions, of shape `(batch, ..., n)`.
            sample_weight: A weight for each sample, of shape `(batch, ...)`.
        """
        y_pred, y_true = ops.convert_to_tensor(y_pred), ops.convert_to_tensor(y_true)
        n = y_pred.shape[-1]
        check_width(self.problem, "y_pred", n)
        check_target_width(y_true.shape[-1], n)
        dtype = precision_of(y_pred)
        pair = (
            ops.reshape(ops.cast(y_pred, dtype), (-1, n)),
            ops.reshape(ops.cast(y_true, dtype), (-1, y_true.shape[-1])),
        )

        def found(predicted: np.ndarray, given: np.ndarray) -> np.ndarray:
            costs, best = split_targets(self.problem, given, n, "costs")
            chosen = decide(self.problem, predicted) if self.predicted == "costs" else predicted
            return _parts(self.problem, costs, best, chosen)

        parts = ops.cast(constant_call(found, pair, 2, dtype), self.dtype)
        if sample_weight is not None:
            weights = ops.cast(ops.convert_to_tensor(sample_weight), self.dtype)
            parts = parts * ops.reshape(weights, (-1, 1))
        self.excess.assign_add(ops.sum(parts[:, 0]))
        self.optima.assign_add(ops.sum(parts[:, 1]))

    def result(self) -> Any:
        """Returns the sum of regrets divided by the sum of the absolute values of the optima."""
        return self.excess / (self.optima + _EPSILON)

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "problem": keras.saving.serialize_keras_object(self.problem),
            "predicted": self.predicted,
        }
