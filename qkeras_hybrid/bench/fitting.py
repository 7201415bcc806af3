"""Trains a Keras model, on the same batches for the same seed, and scores fitted models."""

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
    """The result of training a model.

    Attributes:
        loss: The mean training loss of each epoch.
        score: The score of each epoch, computed on each batch before its step.
        ends: Seconds from the start of the training to the end of each epoch.
        first_epoch_seconds: The time of the first epoch, including everything that happens only
            once: tracing, compilation, creating the optimizer's variables.
        later_epoch_seconds: The time of each later epoch, from its first batch to its last.
        seconds: The time of all epochs.
        n_train: The number of samples that each epoch trained on; None for all.
        n_valid: The number of samples that validated each epoch.
        valid_loss: The loss on these after each epoch. The model has the weights of the epoch with
            the lowest.
        model: The model that was trained: the given one or, in fast training, an earlier one with
            the same layers. The latter can only be used until the next training.
        fast: Whether it was fast training.
        reused: Whether the model was traced in an earlier training, so that `first_epoch_seconds`
            includes no tracing or compilation.
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
        """The numbers of epochs and samples, for `qkeras_hybrid.bench.cost.measure`."""
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

    Training uses Keras's `fit`, or is fast: under TensorFlow, it compiles whole epochs, and under
    TensorFlow and JAX it uses the trace of an earlier model with the same layers. Losses and scores
    are the same. Times are not: those of `fit` include its data pipeline, as they would for a user.

    Args:
        model: A model with class probabilities as outputs, with one output for regression, or
            with the costs of decisions.
        x: Features of shape `(n_train, n_features)`.
        y: Classes (whole numbers) or targets of shape `(n_train,)`, or costs of shape
            `(n_train, n_costs)`.
        epochs: The number of epochs; with `patience`, the largest number.
        batch_size: The number of samples per step.
        learning_rate: Adam's learning rate.
        seed: The seed of the order of the samples, of the validation part, and of a loss that draws
            random numbers.
        patience: The number of epochs without a lower loss on a validation part after which
            training stops. The model then gets the weights of the best epoch. The validation part
            is drawn from the given samples. None to train all epochs on all samples.
        loss: For decisions, a name of `qkeras_hybrid.bench.goals.LOSSES`; None for SPO+.
        problem: For decisions, the problem whose costs are `y`.
        on_epoch: Called after each epoch with the number of epochs done.
        fast: Whether to train fast. This has no effect for decisions, whose losses draw random
            numbers on the host from a state that is not a Keras variable, and spend most of their
            time there. It has no effect under torch, which does not trace.
        shared: Whether the trace of an earlier model may be used. It must be False for a model from
            a user's code: a function of the same name may compute something else.

    Returns:
        Losses, scores and times.
    """
    goal = goal_of(y, problem)
    watch = None if patience is None else Validation(x, y, seed=seed, patience=patience)
    if watch is not None:
        x, y = watch.x_train, watch.y_train
    y = goal.targets(y)
    # XLA can't call the solver on the host; under JAX and torch the host call is in the graph.
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
    # Keras draws the order of batches from a state that also depends on the model's layers. Here
    # the seed alone determines the order, so that all contenders get the same batches.
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
        problem: For decisions, the problem whose costs are `y`.
        batch_size: The number of samples that a Keras model predicts at once.
    """
    if not isinstance(model, keras.Model):
        return float(model.score(x, y))
    # Not `predict`, whose data pipeline takes longer than the computation.
    parts = [
        np.asarray(model.predict_on_batch(x[start : start + batch_size]))
        for start in range(0, len(x), batch_size)
    ]
    return goal_of(y, problem).score(np.concatenate(parts), y)
