"""Contenders: the models that are compared, how they are built, fitted and tuned."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy.typing as npt

from qkeras_hybrid import datasets
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.bench import (
    controls,
    execution,
    fitting,
    inspection,
    lab_features,
    models,
    switching,
    traces,
    tuning,
)
from qkeras_hybrid.bench.goals import goal_of
from qkeras_hybrid.bench.metrics import metric_of
from qkeras_hybrid.bench.model_files import is_file
from qkeras_hybrid.bench.references import REFERENCES
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.task import Task
from qkeras_hybrid.bench.validation import Validation
from qkeras_hybrid.layers import QuantumKernel

if TYPE_CHECKING:
    import sklearn.exceptions as sklearn_exceptions
else:
    sklearn_exceptions = lazy_module("sklearn.exceptions")

CONTENDERS = ("hybrid", *controls.ALL, *REFERENCES)
"""The names of all contenders, in the order in which they run."""

WITHOUT_SIZE = frozenset({"linear_model", *REFERENCES})
"""The contenders that don't depend on the size of the hybrid."""

_MODEL = "model."


class Contender:
    """One contender with its hyperparameters: how it is built and fitted.

    Args:
        task: The task, which names the contender.
        dataset: Its data set.
        hyperparameters: Values that replace those of the task: names in its `training`, `"model."`
            and the name of an argument of the hybrid's builder, or names of a reference's
            hyperparameters.
        fast: Whether Keras models train fast: see `bench.fitting.train`.

    Raises:
        DoesNotApplyError: If the contender has no circuits, and the data set has only states.
    """

    def __init__(
        self,
        task: Task,
        dataset: datasets.Dataset,
        hyperparameters: Mapping[str, Any],
        fast: bool = False,
    ) -> None:
        lab_features.check_view(task.contender, dataset)
        self.task = task
        self.fast = fast
        self.dataset = dataset
        self.reference = REFERENCES.get(task.contender)
        self.fit_seconds = 0.0
        self.hybrid_parameters = 0
        self.engine: str | None = None
        model, training = dict(task.model), dict(task.training)
        if self.reference is None:
            for name, value in hyperparameters.items():
                if name.startswith(_MODEL):
                    model[name.removeprefix(_MODEL)] = value
                else:
                    training[name] = value
            self.hyperparameters = {**training, **dict(hyperparameters)}
        else:
            self.hyperparameters = {**self.reference.defaults, **hyperparameters}
        self.model = model
        self.training = training

    def fitted(
        self,
        x: npt.NDArray[Any],
        y: npt.NDArray[Any],
        on_epoch: Callable[[int], None] = lambda done: None,
    ) -> tuple[Any, fitting.Training | None]:
        """Builds and fits the contender; for a Keras model, also returns the training's result.

        Its circuits are computed as in training; `evaluating` switches them to evaluation. A model
        that was trained fast can only be used until the next one is fitted.
        """
        hybrid = self._hybrid()
        self.hybrid_parameters = inspection.trainable_parameters(hybrid)
        if self.reference is not None:
            return self._fitted_reference(x, y), None
        model = self._model_of(hybrid)
        self._adapt(model, x, y)
        self.engine = switching.put(model, execution.in_training(self.task.execution or {}))
        training = fitting.train(
            model,
            x,
            y,
            **self.training,
            seed=self.task.seed,
            problem=self.dataset.problem,
            on_epoch=on_epoch,
            fast=self.fast,
            shared=not is_file(self.model["name"]),
        )
        return (model if training.model is None else training.model), training

    def _hybrid(self) -> keras.Model:
        """Returns the untrained hybrid, the same as in a new process."""
        traces.start_anew(self.task.seed, keep=self.fast and not is_file(self.model["name"]))
        return models.build(self.model, self.dataset)

    def _model_of(self, hybrid: keras.Model) -> keras.Model:
        name = self.task.contender
        return hybrid if name == "hybrid" else lab_features.derived(name, hybrid, self.dataset)

    def _adapt(self, model: keras.Model, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> None:
        """Sets the landmarks of a quantum kernel on the features to training samples."""
        first = next(each for each in model.layers if not isinstance(each, keras.layers.InputLayer))
        if not (isinstance(first, QuantumKernel) and first.draws_landmarks):
            return
        patience = self.training.get("patience")
        if patience is not None:
            # No validation sample may become a landmark.
            x = Validation(x, y, seed=self.task.seed, patience=patience).x_train
        first.adapt(x, self.task.seed)

    def score(self, model: Any, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> float:
        """Returns the score of a fitted model, of the kind `metric`."""
        return fitting.score(model, x, y, self.dataset.problem)

    @property
    def metric(self) -> str:
        """The kind of score, a key of `qkeras_hybrid.bench.metrics.METRICS`."""
        return goal_of(self.dataset.y, self.dataset.problem).metric

    def evaluating(self, model: Any) -> Any:
        """Returns a fitted model whose circuits are computed as the scores require."""
        table = self.task.execution or {}
        if execution.in_training(table) == table:
            return model
        if self.fast:
            # This model will be trained again, so a copy is switched instead.
            trained, model = model, self._model_of(self._hybrid())
            # For the same variables as in training: an engine may have a seed of its own.
            switching.put(model, execution.in_training(table))
            traces.copy_variables(trained, model)
        # The shots then depend on the seed only, not on random numbers used in training.
        keras.utils.set_random_seed(self.task.seed)
        engine = switching.put(model, table)
        if engine != self.engine:
            self.engine = f"{self.engine} in training, {engine} in evaluation"
        return model

    def _fitted_reference(self, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> Any:
        assert self.reference is not None
        estimator = self.reference.build(self.hyperparameters, self.dataset.task, self.task.seed)
        start = time.perf_counter()
        with warnings.catch_warnings():
            # A network that used up its epochs is no reason to warn, as with Keras's models.
            warnings.simplefilter("ignore", sklearn_exceptions.ConvergenceWarning)
            estimator.fit(x, y)
        self.fit_seconds = time.perf_counter() - start
        return estimator

    def parameters(self, model: Any) -> int | None:
        """Returns the number of trainable parameters; None if they can't be counted."""
        if self.reference is not None:
            return self.reference.parameters(model)
        return inspection.trainable_parameters(model)

    def describe(self, model: Any) -> str:
        """Returns a line that describes what was fitted."""
        return (
            inspection.describe(model) if self.reference is None else self.reference.describe(model)
        )


def tunes_size(task: Task) -> bool:
    """Tells whether a task's tuning may change the hybrid's number of parameters."""
    space = (task.tuning or {}).get("search_space", {})
    return any(name.startswith(_MODEL) for name in space)


def _own_settings(task: Task) -> dict[str, Any]:
    """Returns a task's hyperparameters without tuning, by their names in a search space."""
    reference = REFERENCES.get(task.contender)
    if reference is not None:
        return dict(reference.defaults)
    model = {**models.defaults(task.model), **task.model}
    return {**task.training, **{f"{_MODEL}{name}": value for name, value in model.items()}}


def tuned(
    task: Task,
    dataset: datasets.Dataset,
    split: datasets.Split,
    fast: bool = False,
    earlier: Row | None = None,
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Searches for hyperparameters on the training set, if the task is tuned.

    Args:
        task: The task.
        dataset: Its data set.
        split: The split of its seed.
        fast: Whether Keras models train fast.
        earlier: A row of the task, whose hyperparameters are used instead of a new search; None to
            search.

    Returns:
        The hyperparameters, and a summary of the search; None without a search.
    """
    if task.tuning is None:
        return {}, None
    reference = REFERENCES.get(task.contender)
    space = task.tuning.get("search_space", {}) if reference is None else reference.search_space
    if earlier is not None and earlier.tuning and set(space) <= set(earlier.hyperparameters):
        return {name: earlier.hyperparameters[name] for name in space}, dict(earlier.tuning)
    sign = metric_of(goal_of(dataset.y, dataset.problem).metric).sign

    def objective(hyperparameters: Mapping[str, Any], fold: tuning.Fold) -> float:
        contender = Contender(task, dataset, hyperparameters, fast)
        model, _ = contender.fitted(fold.x_train, fold.y_train)
        # The search maximises this value.
        return sign * contender.score(model, fold.x_valid, fold.y_valid)

    found = tuning.tune(
        objective,
        space,
        split,
        trials=task.tuning["trials"],
        seconds=task.tuning["seconds"],
        folds=task.tuning["folds"],
        seed=task.seed,
        defaults=_own_settings(task),
    )
    searched = dataclasses.asdict(found)
    if found.best_score is not None:
        searched["best_score"] = sign * found.best_score
    return searched.pop("hyperparameters"), searched
