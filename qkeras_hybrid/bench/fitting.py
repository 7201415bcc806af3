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
from qkeras_hybrid.bench.validation import Validation
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
        n_train: The number of samples that each epoch took; None for all.
        n_valid: The number of samples that validated each epoch.
        valid_loss: The loss on these after each epoch; the weights are those of the lowest.
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
    n_train: int | None = None
    n_valid: int = 0
    valid_loss: list[float] = dataclasses.field(default_factory=list)
    model: Any = None
    fast: bool = False
    reused: bool = False

    @property
    def work(self) -> dict[str, int]:
        """What `qkeras_hybrid.bench.cost.measure` counts: epochs and samples as they were."""
        trained = {} if self.n_train is None else {"n_train": self.n_train}
        return {"epochs": len(self.loss), "n_valid": self.n_valid, **trained}


def train(
    model: keras.Model,
    x: npt.NDArray[Any],
    y: npt.NDArray[Any],
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    patience: int | None = None,
    loss: str | None = None,
    problem: DecisionProblem | None = None,
    on_epoch: Callable[[int], None] = lambda done: None,
    fast: bool = False,
    shared: bool = True,
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
        epochs: How often each sample is seen; with `patience`, at most.
        batch_size: Samples a step.
        learning_rate: Adam's step size.
        seed: The seed of the order of the samples, of a loss that draws, and of what validates.
        patience: After how many epochs without a lower loss on a validation part, drawn from the
            samples given, training stops and the best epoch's weights come back; None to train
            all epochs on all samples.
        loss: For decisions, a name of `qkeras_hybrid.bench.goals.LOSSES`; None for SPO+.
        problem: The problem in which `y` are the costs, for decisions.
        on_epoch: Called after each epoch with the number of epochs done.
        fast: Whether to train fast. Decisions don't: their losses draw on the host, from state that
            is no variable of Keras's, and the host is what takes their time. Neither does anything
            under torch, which traces nothing.
        shared: Whether the trace of an earlier model may be taken. Not where a user's code made the
            model: a function of the same name may compute something else.

    Returns:
        Losses, scores and times.
    """
    goal = goal_of(y, problem)
    watch = None if patience is None else Validation(x, y, seed=seed, patience=patience)
    if watch is not None:
        x, y = watch.x_train, watch.y_train
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
            model,
            compiled,
            x,
            y,
            kind=f"Adam, {goal.metric}, {loss}" if shared else None,
            learning_rate=learning_rate,
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
        if watch is not None and watch.ends_training(model, goal.targets(watch.y_valid)):
            break
    if watch is not None:
        watch.restore(model)
    return Training(
        losses,
        score,
        ends,
        ends[0],
        epoch_seconds[1:],
        time.perf_counter() - start,
        len(x),
        len(watch.x_valid) if watch else 0,
        watch.losses if watch else [],
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
