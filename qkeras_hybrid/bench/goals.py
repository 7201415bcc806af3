"""What models learn from each kind of data: the losses for training, and the score."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from qkeras_hybrid import decisions
from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.decisions import DecisionProblem

if TYPE_CHECKING:
    import sklearn.metrics as sklearn_metrics
else:
    sklearn_metrics = lazy_module("sklearn.metrics")

TWO_STAGE = "mean_squared_error"
"""The loss of training in two stages: it compares costs, not the decisions made from them."""


class Goal(abc.ABC):
    """What a model is to learn.

    Attributes:
        metric: The kind of score, a key of `qkeras_hybrid.bench.metrics.METRICS`.
    """

    metric: str

    def targets(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Returns what `fit` takes for `y`."""
        return y

    @abc.abstractmethod
    def loss(self, name: str | None, seed: int) -> Any:
        """Returns a loss.

        Args:
            name: The name of the loss; None for the default.
            seed: The seed of the loss's random numbers, if it draws any.

        Raises:
            ValueError: If the name is unknown.
        """

    @abc.abstractmethod
    def in_training(self) -> keras.metrics.Metric:
        """Returns a metric, named "score", that training computes on its batches."""

    @abc.abstractmethod
    def score(self, outputs: npt.NDArray[Any], y: npt.NDArray[Any]) -> float:
        """Returns the score of a model's outputs."""


def goal_of(y: npt.NDArray[Any], problem: DecisionProblem | None = None) -> Goal:
    """Returns the goal for given targets.

    Args:
        y: Classes (whole numbers), targets of a regression, or costs if there is a `problem`.
        problem: For decisions, the problem whose costs are `y`.
    """
    if problem is not None:
        return _Decisions(problem)
    return _Classes() if np.issubdtype(y.dtype, np.integer) else _Number()


def check_loss(name: Any, task: str) -> None:
    """Makes sure that a loss, which a training table names, suits a task.

    Raises:
        ValueError: If it does not.
    """
    if task != "decisions":
        raise ArgumentError(
            "loss",
            f"be left out of the training for {task}, which has only one loss",
            name,
            "Only decision problems have several.",
        )
    one_of("loss", name, LOSSES)


class _Classes(Goal):
    metric = "accuracy"

    def targets(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return y.astype("int32")  # by default, JAX has no int64 and would warn

    def loss(self, name: str | None, seed: int) -> Any:
        if name is not None:
            check_loss(name, "classification")
        return "sparse_categorical_crossentropy"

    def in_training(self) -> keras.metrics.Metric:
        return keras.metrics.SparseCategoricalAccuracy(name="score")

    def score(self, outputs: npt.NDArray[Any], y: npt.NDArray[Any]) -> float:
        finite = np.isfinite(outputs).all(axis=-1)
        return float(((outputs.argmax(axis=-1) == y) & finite).mean())


class _Number(Goal):
    metric = "r2"

    def targets(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return y[:, np.newaxis]

    def loss(self, name: str | None, seed: int) -> Any:
        if name is not None:
            check_loss(name, "regression")
        return "mean_squared_error"

    def in_training(self) -> keras.metrics.Metric:
        return keras.metrics.R2Score(name="score")

    def score(self, outputs: npt.NDArray[Any], y: npt.NDArray[Any]) -> float:
        if not np.isfinite(outputs).all():
            return math.nan
        return float(sklearn_metrics.r2_score(y, outputs[:, 0]))


class _Decisions(Goal):
    metric = "regret"

    def __init__(self, problem: DecisionProblem) -> None:
        self.problem = problem

    def targets(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return decisions.targets(self.problem, y)

    def loss(self, name: str | None, seed: int) -> Any:
        name = "spo_plus" if name is None else name
        check_loss(name, "decisions")
        return LOSSES[name](self.problem, seed)

    def in_training(self) -> keras.metrics.Metric:
        return decisions.Regret(self.problem, name="score")

    def score(self, outputs: npt.NDArray[Any], y: npt.NDArray[Any]) -> float:
        if not np.isfinite(outputs).all():
            return math.nan
        return decisions.regret(self.problem, y, outputs)


def _of_costs(y_true: Any, y_pred: Any) -> Any:
    """Returns the mean squared error of costs, the first part of the targets' last axis."""
    costs = ops.cast(y_true, y_pred.dtype)[..., : y_pred.shape[-1]]
    return ops.mean(ops.square(costs - y_pred), axis=-1)


LOSSES: Mapping[str, Callable[[DecisionProblem, int], Any]] = {
    "spo_plus": lambda problem, seed: decisions.SPOPlus(problem),
    "perturbed_fenchel_young": lambda problem, seed: decisions.PerturbedFenchelYoung(
        problem, seed=seed
    ),
    TWO_STAGE: lambda problem, seed: _of_costs,
}
"""The losses for decisions, by name."""
