"""Whole epochs of training: by Keras's `fit`, or in one compiled call under TensorFlow.

Keras's `fit` starts a data pipeline in every epoch and goes back to Python after each batch, which
takes far longer than the arithmetic of small models. Under TensorFlow an epoch is one compiled
loop over the batches instead. The loop calls Keras's own `train_step`, so loss, gradients,
optimizer and metrics are those of `fit`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

Inputs = Any
"""An array, or arrays in the structure that `fit` takes."""

Epoch = Callable[[Array], tuple[dict[str, float], float]]
"""Trains once on all samples, in the order of the given indices.

Returns the loss and the metrics by name, and the seconds from the first batch to the last."""

EpochOn = Callable[[Inputs, Array, int], Epoch]
"""Maps samples, targets and the batch size to a function that trains on them."""


class EpochClock(keras.callbacks.Callback):
    """Times an epoch from its first batch to its last, without `fit`'s work before and after."""

    seconds = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds = time.perf_counter() - self._start


def epochs_of(model: keras.Model, x: Inputs, y: Array) -> EpochOn:
    """Returns the fastest trainer of a compiled model on this backend; nothing is trained yet.

    Args:
        model: A built and compiled model.
        x: Samples. Under TensorFlow the model is called on the first one.
        y: Their targets, as `fit` takes them.
    """
    if keras.backend.backend() != "tensorflow" or model.run_eagerly:
        model.optimizer.build(model.trainable_variables)
        return fitted_epochs(model)
    prepared(model, x, y)
    return compiled_epochs(model)


def fitted_epochs(model: keras.Model) -> EpochOn:
    """Returns a trainer of a compiled model that uses Keras's `fit`, on every backend."""
    clock = EpochClock()

    def on(x: Inputs, y: Array, batch_size: int) -> Epoch:
        def epoch(order: Array) -> tuple[dict[str, float], float]:
            history = model.fit(
                keras.tree.map_structure(lambda values: values[order], x),
                y[order],
                batch_size=batch_size,
                shuffle=False,
                epochs=1,
                verbose=0,
                callbacks=[clock],
            )
            results = {name: float(values[0]) for name, values in history.history.items()}
            return results, clock.seconds

        return epoch

    return on


def compiled_epochs(model: keras.Model) -> EpochOn:
    """Returns a trainer of a compiled model that runs whole epochs under TensorFlow.

    The batches are those of `fit(shuffle=False)`: the samples in the given order, with a last batch
    that may be smaller. XLA compiles a step where `fit` would.

    Args:
        model: A compiled model whose optimizer and metrics already have their variables: see
            `prepared`.
    """
    import tensorflow as tf

    def step(x: Any, y: Any) -> None:
        model.train_step((x, y))

    if model.jit_compile:
        step = tf.function(step, jit_compile=True, reduce_retracing=True, autograph=False)

    def loop(x: Any, y: Any, order: Any, batch_size: Any) -> dict[str, Any]:
        model.reset_metrics()

        def batch(start: Any) -> Any:
            places = order[start : start + batch_size]
            inputs = keras.tree.map_structure(lambda values: tf.gather(values, places), x)
            step(inputs, tf.gather(y, places))
            return start + batch_size

        size = tf.shape(order)[0]
        tf.while_loop(lambda start: start < size, batch, [tf.constant(0)], parallel_iterations=1)
        results: dict[str, Any] = model.get_metrics_result()
        return results

    # One trace for all lengths and batch sizes.
    trained = tf.function(loop, reduce_retracing=True, autograph=False)

    def on(x: Inputs, y: Array, batch_size: int) -> Epoch:
        tensors = keras.tree.map_structure(
            lambda values: tf.constant(_as_fit_takes_it(values)), (x, y)
        )
        size = tf.constant(batch_size)

        def epoch(order: Array) -> tuple[dict[str, float], float]:
            begin = time.perf_counter()
            results = trained(*tensors, tf.constant(order.astype("int32")), size)
            numbers = {name: float(value) for name, value in results.items()}
            return numbers, time.perf_counter() - begin

        return epoch

    return on


def _as_fit_takes_it(values: Array) -> Array:
    """Returns samples or targets with the dtype that `fit` gives them."""
    return values.astype(keras.config.floatx()) if values.dtype.kind == "f" else values


def prepared(model: keras.Model, x: Inputs, y: Array) -> None:
    """Creates the variables of a compiled model's optimizer and metrics; nothing is trained.

    Args:
        model: A built and compiled model.
        x: Samples. The model is called on the first one.
        y: Their targets, as `fit` takes them.
    """
    model.optimizer.build(model.trainable_variables)
    # Layers keep the state of their random numbers in such variables. It is restored below.
    kept = list(model.non_trainable_variables)
    values = [np.array(keras.ops.convert_to_numpy(variable)) for variable in kept]
    first = keras.tree.map_structure(lambda values: _as_fit_takes_it(values[:1]), (x, y))
    model.test_step(first)
    for variable, value in zip(kept, values, strict=True):
        variable.assign(value)
    model.reset_metrics()
