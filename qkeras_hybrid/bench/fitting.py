"""Trains a Keras model on the same batches for the same seed, and scores what was fitted."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import numpy.typing as npt

from qkeras_hybrid._lazy import lazy_module

if TYPE_CHECKING:
    import sklearn.metrics as sklearn_metrics
else:
    sklearn_metrics = lazy_module("sklearn.metrics")


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
    """

    loss: list[float]
    score: list[float]
    ends: list[float]
    first_epoch_seconds: float
    later_epoch_seconds: list[float]
    seconds: float


class EpochClock(keras.callbacks.Callback):
    """Times an epoch from its first batch to its last, without what `fit` does around it."""

    seconds = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds = time.perf_counter() - self._start


def train(
    model: keras.Model,
    x: npt.NDArray[Any],
    y: npt.NDArray[Any],
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    on_epoch: Callable[[int], None] = lambda done: None,
) -> Training:
    """Trains a model with Adam, on the same batches in the same order for the same seed.

    Args:
        model: A model with class probabilities as outputs, or with one output for regression.
        x: Features of shape `(n_train, n_features)`.
        y: Of shape `(n_train,)`: whole numbers are classes, others targets of regression.
        epochs: How often each sample is seen.
        batch_size: Samples a step.
        learning_rate: Adam's step size.
        seed: The seed of the order of the samples.
        on_epoch: Called after each epoch with the number of epochs done.

    Returns:
        Losses, scores and times.
    """
    regression = not np.issubdtype(y.dtype, np.integer)
    if regression:
        y = y[:, np.newaxis]
        loss_name, metric = "mean_squared_error", keras.metrics.R2Score(name="score")
    else:
        y = y.astype("int32")  # JAX has no int64 unless it was started for it, and would warn
        loss_name = "sparse_categorical_crossentropy"
        metric = keras.metrics.SparseCategoricalAccuracy(name="score")
    model.compile(keras.optimizers.Adam(learning_rate), loss_name, metrics=[metric])
    # Keras draws the order of batches from state that also depends on the model's layers. The
    # order is drawn here instead, so that all contenders of a seed see the same batches.
    order = np.random.default_rng(seed)
    clock = EpochClock()
    loss, score, ends, epoch_seconds = [], [], [], []
    start = time.perf_counter()
    for epoch in range(epochs):
        shuffled = order.permutation(len(x))
        history = model.fit(
            x[shuffled],
            y[shuffled],
            batch_size=batch_size,
            shuffle=False,
            initial_epoch=epoch,
            epochs=epoch + 1,
            verbose=0,
            callbacks=[clock],
        )
        ends.append(time.perf_counter() - start)
        epoch_seconds.append(clock.seconds)
        loss.append(float(history.history["loss"][0]))
        score.append(float(history.history["score"][0]))
        on_epoch(epoch + 1)
    return Training(loss, score, ends, ends[0], epoch_seconds[1:], time.perf_counter() - start)


def score(model: Any, x: npt.NDArray[Any], y: npt.NDArray[Any], batch_size: int = 256) -> float:
    """Returns the accuracy of a classifier, or the R² of a regression, on samples.

    For a classifier, a sample for which the model gives NaN or infinity counts as wrong; for a
    regression, such an output makes the score NaN.

    Args:
        model: A Keras model, or a fitted scikit-learn estimator.
        x: Features of shape `(n, n_features)`.
        y: Classes (whole numbers) or targets of shape `(n,)`.
        batch_size: Samples that a Keras model predicts at a time.
    """
    if not isinstance(model, keras.Model):
        return float(model.score(x, y))
    outputs = np.asarray(model.predict(x, batch_size=batch_size, verbose=0))
    finite = np.isfinite(outputs).all(axis=-1)
    if np.issubdtype(y.dtype, np.integer):
        return float(((outputs.argmax(axis=-1) == y) & finite).mean())
    return float(sklearn_metrics.r2_score(y, outputs[:, 0])) if finite.all() else math.nan
