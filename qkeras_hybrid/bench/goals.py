"""What is learned from each kind of data: the losses that train it, and the score that is told."""

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
"""The loss that predicts costs first; what is decided by them is no part of the training."""


class Goal(abc.ABC):
    """What a model is to learn.

    Attributes:
        metric: What the score is, a key of `qkeras_hybrid.bench.metrics.METRICS`.
    """

    metric: str

    def targets(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Returns what `fit` takes for `y`."""
        return y

    @abc.abstractmethod
    def loss(self, name: str | None, seed: int) -> Any:
        """Returns the loss of a name, None for the one that is usual; a seed draws what it draws.

        Raises:
            ValueError: If there is none of that name.
        """

    @abc.abstractmethod
    def in_training(self) -> keras.metrics.Metric:
        """Returns a metric, named "score", for the batches of the training."""

    @abc.abstractmethod
    def score(self, outputs: npt.NDArray[Any], y: npt.NDArray[Any]) -> float:
        """Returns the score of a model's outputs."""


def goal_of(y: npt.NDArray[Any], problem: DecisionProblem | None = None) -> Goal:
    """Returns what is to be learned of targets.

    Args:
        y: Whole numbers are classes, others targets of a regression.
        problem: The problem in which `y` are the costs, for decisions.
    """
    if problem is not None:
        return _Decisions(problem)
    return _Classes() if np.issubdtype(y.dtype, np.integer) else _Number()


def check_loss(name: Any, task: str) -> None:
    """Makes sure that data of a kind can be trained with a loss that a training table names.

    Raises:
        ValueError: If not.
    """
    if task != "decisions":
        raise ArgumentError(
            "loss",
            f"be left out of the training for {task}, which has one loss",
            name,
            "Only data of decisions have several.",
        )
    one_of("loss", name, LOSSES)


class _Classes(Goal):
    metric = "accuracy"

    def targets(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return y.astype("int32")  # JAX has no int64 unless it was started for it, and would warn

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
    """Returns the mean squared error of costs, which stand before the best decisions."""
    costs = ops.cast(y_true, y_pred.dtype)[..., : y_pred.shape[-1]]
    return ops.mean(ops.square(costs - y_pred), axis=-1)


LOSSES: Mapping[str, Callable[[DecisionProblem, int], Any]] = {
    "spo_plus": lambda problem, seed: decisions.SPOPlus(problem),
    "perturbed_fenchel_young": lambda problem, seed: decisions.PerturbedFenchelYoung(
        problem, seed=seed
    ),
    TWO_STAGE: lambda problem, seed: _of_costs,
}
"""What trains for decisions, by name."""
