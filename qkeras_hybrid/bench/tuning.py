"""Searches for hyperparameters with Optuna: the same budget for every contender.

A search uses only the training set, by cross-validation. The test set is not touched.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from qkeras_hybrid._checks import one_of, positive_int
from qkeras_hybrid._errors import ArgumentError, shown
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.datasets import Split

if TYPE_CHECKING:
    import optuna
    import sklearn.model_selection as sklearn_model_selection
    import sklearn.preprocessing as sklearn_preprocessing
else:
    optuna = lazy_module("optuna")
    sklearn_model_selection = lazy_module("sklearn.model_selection")
    sklearn_preprocessing = lazy_module("sklearn.preprocessing")

KINDS = ("float", "int", "categorical")
"""The types of a hyperparameter in a search space."""

Objective = Callable[[Mapping[str, Any], "Fold"], float]
"""Trains with hyperparameters on a fold and returns the score on its validation part."""


class TuningError(RuntimeError):
    """No trial of a search gave a score."""


@dataclasses.dataclass(frozen=True, eq=False)
class Fold:
    """A fold of the training set, scaled by its own training samples.

    Attributes:
        x_train: Features of shape `(n, n_features)`.
        y_train: Classes or targets of shape `(n,)`, or costs of shape `(n, n_costs)`.
        x_valid: Features of the samples that the fold leaves out.
        y_valid: Their classes, targets or costs.
    """

    x_train: npt.NDArray[np.float32]
    y_train: npt.NDArray[Any]
    x_valid: npt.NDArray[np.float32]
    y_valid: npt.NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Tuned:
    """The result of a search.

    Attributes:
        hyperparameters: Those of the best mean score; empty if there was nothing to search.
        trials: The number of trials, including failed ones.
        failed: The number of failed trials.
        folds: The number of folds of the cross-validation.
        seconds: The time of the search.
        stopped_by: `"trials"`, or `"time"` if the time limit came first.
        best_score: The best mean score over the folds; None if there was nothing to search.
    """

    hyperparameters: dict[str, Any]
    trials: int
    failed: int
    folds: int
    seconds: float
    stopped_by: Literal["trials", "time"]
    best_score: float | None


def check_budget(trials: int, seconds: float, folds: int) -> None:
    """Raises a ValueError if the budget of a search is invalid."""
    positive_int("trials", trials)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds > 0:
        raise ArgumentError("seconds", "be a number over 0", seconds)
    if positive_int("folds", folds) < 2:
        raise ArgumentError("folds", "be at least 2", folds)


def check_space(space: Mapping[str, Any]) -> None:
    """Makes sure that a search space can be searched.

    Args:
        space: For each hyperparameter `{"type": "float" or "int", "low": ..., "high": ...,
            "log": true or false}` (`"log"` may be missing), or `{"type": "categorical",
            "choices": [...]}`.

    Raises:
        ValueError: If it is invalid; the message names the hyperparameter.
    """
    for name, given in space.items():
        argument = f"search_space.{name}"
        if not isinstance(given, Mapping):
            raise ArgumentError(argument, 'be a table with a "type"', given)
        kind = one_of(f"{argument}.type", given.get("type"), KINDS)
        known = {"type", "choices"} if kind == "categorical" else {"type", "low", "high", "log"}
        for key in given:
            one_of(argument, key, sorted(known))
        if kind == "categorical":
            choices = given.get("choices")
            if not isinstance(choices, list) or not choices:
                raise ArgumentError(f"{argument}.choices", "be a list of values", choices)
            continue
        low: Any = given.get("low")
        high: Any = given.get("high")
        numbers = (int,) if kind == "int" else (int, float)
        for end, value in (("low", low), ("high", high)):
            if (
                isinstance(value, bool)
                or not isinstance(value, numbers)
                or not math.isfinite(value)
            ):
                needed = "a whole number" if kind == "int" else "a finite number"
                raise ArgumentError(f"{argument}.{end}", f"be {needed}", value)
        if not low <= high:
            raise ArgumentError(f"{argument}.low", f"be at most high, {high}", low)
        if given.get("log") and low <= 0:
            raise ArgumentError(f"{argument}.low", "be over 0 on a log scale", low)


def folds_of(split: Split, folds: int, seed: int) -> list[Fold]:
    """Divides the training set of a split into folds for cross-validation.

    Each fold has the classes in the same proportions. Features, and the targets of a regression,
    are standardised again by each fold's training samples; costs of decisions and amplitudes of
    states stay unchanged. Principal components, if the split has them, are those of the whole
    training set.

    Raises:
        ValueError: If a class has fewer samples than there are folds.
    """
    classes = np.issubdtype(split.y_train.dtype, np.integer)
    kind = sklearn_model_selection.StratifiedKFold if classes else sklearn_model_selection.KFold
    smallest = int(np.bincount(split.y_train).min()) if classes else len(split.y_train)
    if smallest < folds:
        raise ArgumentError(
            "folds", f"be at most {smallest}, the samples of the smallest class", folds
        )
    found = []
    divided = kind(folds, shuffle=True, random_state=seed).split(split.x_train, split.y_train)
    for train, valid in divided:
        x_train, x_valid = split.x_train[train], split.x_train[valid]
        if split.scaled:
            scaler = sklearn_preprocessing.StandardScaler().fit(x_train.astype("float64"))
            x_train, x_valid = (
                scaler.transform(part).astype("float32") for part in (x_train, x_valid)
            )
        y_train, y_valid = split.y_train[train], split.y_train[valid]
        if not classes and split.y_train.ndim == 1:
            mean, deviation = y_train.mean(), y_train.std() or 1.0
            y_train, y_valid = ((part - mean) / deviation for part in (y_train, y_valid))
        found.append(Fold(x_train, y_train, x_valid, y_valid))
    return found


def tune(
    objective: Objective,
    space: Mapping[str, Any],
    split: Split,
    *,
    trials: int,
    seconds: float,
    folds: int,
    seed: int,
    defaults: Mapping[str, Any] | None = None,
) -> Tuned:
    """Searches a space for the hyperparameters with the best mean score over the folds.

    The search uses Optuna's tree-structured Parzen estimator with a fixed seed. A trial fails if it
    raises an exception or its score is not finite. Failed trials count as trials.

    Args:
        objective: Trains on a fold and returns the score on the samples that it leaves out.
        space: See `check_space`. If it is empty, nothing is searched.
        split: The split; only its training set is used.
        trials: How many sets of hyperparameters are tried.
        seconds: The time after which no further trial starts.
        folds: The number of folds of the cross-validation.
        seed: The seed of the folds and of the search.
        defaults: The hyperparameters of the first trial. The search chooses those that are missing
            here or outside the space.

    Returns:
        The result of the search.

    Raises:
        ValueError: If the budget or the space is invalid.
        TuningError: If all trials failed; the message has the first reason.
    """
    check_budget(trials, seconds, folds)
    check_space(space)
    if not space:
        return Tuned({}, 0, 0, folds, 0.0, "trials", None)
    parts = folds_of(split, folds, seed)
    reasons: list[str] = []
    start = time.perf_counter()

    def mean_score(trial: optuna.Trial) -> float:
        hyperparameters = {name: _suggested(trial, name, given) for name, given in space.items()}
        try:
            score = statistics.fmean(objective(hyperparameters, part) for part in parts)
        except Exception as error:
            reasons.append(f"{type(error).__name__}: {error}")
            raise optuna.TrialPruned from error
        if not math.isfinite(score):
            reasons.append(f"the score with {shown(hyperparameters)} is {score}")
            raise optuna.TrialPruned
        return score

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    if defaults:
        study.enqueue_trial(
            {
                name: value
                for name, value in defaults.items()
                if name in space and _holds(space[name], value)
            }
        )
    with warnings.catch_warnings():
        # Optuna warns of choices that its databases can't store; this study stays in memory.
        warnings.simplefilter("ignore", UserWarning)
        study.optimize(mean_score, n_trials=trials, timeout=seconds)
    done = study.get_trials(deepcopy=False)
    if len(reasons) == len(done):
        raise TuningError(f"All {len(done)} trials failed; the first: {reasons[0]}")
    return Tuned(
        hyperparameters=dict(study.best_params),
        trials=len(done),
        failed=len(reasons),
        folds=folds,
        seconds=time.perf_counter() - start,
        stopped_by="trials" if len(done) >= trials else "time",
        best_score=study.best_value,
    )


def _holds(given: Mapping[str, Any], value: Any) -> bool:
    """Whether a value is in a hyperparameter's range, as `check_space` takes it."""
    if given["type"] == "categorical":
        # The types must agree too, because True == 1.
        return any(type(value) is type(choice) and value == choice for choice in given["choices"])
    numbers = (int,) if given["type"] == "int" else (int, float)
    if isinstance(value, bool) or not isinstance(value, numbers):
        return False
    return bool(given["low"] <= value <= given["high"])


def _suggested(trial: optuna.Trial, name: str, given: Mapping[str, Any]) -> Any:
    if given["type"] == "categorical":
        return trial.suggest_categorical(name, given["choices"])
    log = bool(given.get("log", False))
    if given["type"] == "int":
        return trial.suggest_int(name, given["low"], given["high"], log=log)
    return trial.suggest_float(name, given["low"], given["high"], log=log)
