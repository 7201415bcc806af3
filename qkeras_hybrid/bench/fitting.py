"""Trains a Keras model on the same batches for the same seed, and scores what was fitted."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from qkeras_hybrid._epochs import EpochClock, fitted_epochs
from qkeras_hybrid.bench import traces
from qkeras_hybrid.bench.goals import goal_of
from qkeras_hybrid.decisions import DecisionProblem

__all__ = ["EpochClock", "Training", "score", "train"]


@dataclasses.dataclass(frozen=True)
class Training:
    """What came of training a model.

    Attributes:
        loss: The mean training loss of each epoch.
        score: The score on each epoch's batches, each before its step.
        ends: Seconds from the start to the end of each epoch.
        first_epoch_seconds: The first epoch with all that happens only once: tracing,
            compilation, the optimizer's variables.
        later_epoch_seconds: Each later epoch, from its first batch to its last.
        seconds: All epochs together.
        model: The model that was trained: the one given, or, where training is fast, one with the
            same layers that was traced before. It is lent then, until the next training.
        fast: Whether it trained fast.
        reused: Whether it was traced before: then nothing in `first_epoch_seconds` happens only
            once.
    """

    loss: list[float]
    score: list[float]
    ends: list[float]
    first_epoch_seconds: float
    later_epoch_seconds: list[float]
    seconds: float
    model: Any = None
    fast: bool = False
    reused: bool = False


def train(
    model: keras.Model,
    x: npt.NDArray[Any],
    y: npt.NDArray[Any],
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    loss: str | None = None,
    problem: DecisionProblem | None = None,
    on_epoch: Callable[[int], None] = lambda done: None,
    fast: bool = False,
) -> Training:
    """Trains a model with Adam, on the same batches in the same order for the same seed.

    By Keras's `fit`, or fast: under TensorFlow in compiled epochs, and under TensorFlow and JAX
    with the trace of an earlier model that has the same layers. The numbers are the same. The
    seconds are not: those of `fit` have its data pipeline in them, which a user pays too.

    Args:
        model: A model with class probabilities as outputs, with one output for regression, or
            with the costs of decisions.
        x: Features of shape `(n_train, n_features)`.
        y: Of shape `(n_train,)`: whole numbers are classes, others targets of regression; or costs
            of shape `(n_train, n_costs)`.
        epochs: How often each sample is seen.
        batch_size: Samples a step.
        learning_rate: Adam's step size.
        seed: The seed of the order of the samples, and of a loss that draws.
        loss: For decisions, a name of `qkeras_hybrid.bench.goals.LOSSES`; None for SPO+.
        problem: The problem in which `y` are the costs, for decisions.
        on_epoch: Called after each epoch with the number of epochs done.
        fast: Whether to train fast. Decisions don't: their losses draw on the host, from state that
            is no variable of Keras's, and the host is what takes their time. Neither does anything
            under torch, which traces nothing.

    Returns:
        Losses, scores and times.
    """
    goal = goal_of(y, problem)
    y = goal.targets(y)
    # XLA can't call what decides; under JAX and torch the host call is part of the graph.
    calls_host = problem is not None and keras.backend.backend() == "tensorflow"

    def compiled(model: keras.Model) -> None:
        model.compile(
            keras.optimizers.Adam(learning_rate),
            goal.loss(loss, seed),
            metrics=[goal.in_training()],
            jit_compile=False if calls_host else "auto",
        )

    reused, fast = False, fast and problem is None and keras.backend.backend() != "torch"
    if fast:
        trace = traces.trace(
            model, compiled, x, y, kind=f"Adam, {goal.metric}, {loss}", learning_rate=learning_rate
        )
        model, reused, epoch_on = trace.model, trace.reused, trace.on
    else:
        compiled(model)
        epoch_on = fitted_epochs(model)
    one_epoch = epoch_on(x, y, batch_size)
    # Keras draws the order of batches from state that also depends on the model's layers. The
    # order is drawn here instead, so that all contenders of a seed see the same batches.
    order = np.random.default_rng(seed)
    losses, score, ends, epoch_seconds = [], [], [], []
    start = time.perf_counter()
    for epoch in range(epochs):
        results, seconds = one_epoch(order.permutation(len(x)))
        ends.append(time.perf_counter() - start)
        epoch_seconds.append(seconds)
        losses.append(results["loss"])
        score.append(results["score"])
        on_epoch(epoch + 1)
    return Training(
        losses,
        score,
        ends,
        ends[0],
        epoch_seconds[1:],
        time.perf_counter() - start,
        model,
        fast,
        reused,
    )


def score(
    model: Any,
    x: npt.NDArray[Any],
    y: npt.NDArray[Any],
    problem: DecisionProblem | None = None,
    batch_size: int = 256,
) -> float:
    """Returns the accuracy of a classifier, the R² of a regression, or the regret of decisions.

    For a classifier, a sample for which the model gives NaN or infinity counts as wrong; for a
    regression and for decisions, such an output makes the score NaN.

    Args:
        model: A Keras model, or a fitted scikit-learn estimator.
        x: Features of shape `(n, n_features)`.
        y: Classes (whole numbers) or targets of shape `(n,)`, or costs of shape `(n, n_costs)`.
        problem: The problem in which `y` are the costs, for decisions.
        batch_size: Samples that a Keras model predicts at a time.
    """
    if not isinstance(model, keras.Model):
        return float(model.score(x, y))
    # Not `predict`: its data pipeline takes longer than what it computes.
    parts = [
        np.asarray(model.predict_on_batch(x[start : start + batch_size]))
        for start in range(0, len(x), batch_size)
    ]
    return goal_of(y, problem).score(np.concatenate(parts), y)
