"""Trains the contenders, task by task, and writes a row for each."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from qkeras_hybrid import datasets
from qkeras_hybrid.bench import controls
from qkeras_hybrid.bench.task import Results, Row, Task

OnEpoch = Callable[[Task, int], None]
"""Called with the task and the number of epochs done, first with 0."""


@dataclasses.dataclass(frozen=True)
class Training:
    """What came of training a model.

    Attributes:
        loss: The mean training loss of each epoch.
        first_epoch_seconds: The first epoch with all that happens only once: tracing,
            compilation, the optimizer's variables.
        later_epoch_seconds: Each later epoch, from its first batch to its last.
        seconds: All epochs together.
    """

    loss: list[float]
    first_epoch_seconds: float
    later_epoch_seconds: list[float]
    seconds: float


class _EpochClock(keras.callbacks.Callback):
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
    """Trains a classifier with Adam, on the same batches in the same order for the same seed.

    Args:
        model: A model with class probabilities as outputs.
        x: Features of shape `(n_train, n_features)`.
        y: Classes of shape `(n_train,)`.
        epochs: How often each sample is seen.
        batch_size: Samples a step.
        learning_rate: Adam's step size.
        seed: The seed of the order of the samples.
        on_epoch: Called after each epoch with the number of epochs done.

    Returns:
        Losses and times.
    """
    model.compile(keras.optimizers.Adam(learning_rate), "sparse_categorical_crossentropy")
    # Keras draws the order of batches from state that also depends on the model's layers. The
    # order is drawn here instead, so that all contenders of a seed see the same batches.
    order = np.random.default_rng(seed)
    clock = _EpochClock()
    loss, epoch_seconds = [], []
    start = time.perf_counter()
    first = 0.0
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
        if epoch == 0:
            first = time.perf_counter() - start
        else:
            epoch_seconds.append(clock.seconds)
        loss.append(float(history.history["loss"][0]))
        on_epoch(epoch + 1)
    return Training(loss, first, epoch_seconds, time.perf_counter() - start)


def accuracy(
    model: keras.Model, x: npt.NDArray[Any], y: npt.NDArray[Any], batch_size: int = 256
) -> float:
    """Returns the share of samples whose most probable class is the right one.

    A sample for which the model gives NaN or infinity counts as wrong.
    """
    outputs = np.asarray(model.predict(x, batch_size=batch_size, verbose=0))
    right = (outputs.argmax(axis=-1) == y) & np.isfinite(outputs).all(axis=-1)
    return float(right.mean())


def run_task(task: Task, on_epoch: OnEpoch = lambda task, done: None) -> Row:
    """Trains and tests one contender on one split.

    Split, first weights and order of the batches follow from the task's seed. An exception in
    building, training or testing does not stop the other tasks: it ends up in the row.

    Args:
        task: What to run.
        on_epoch: Called with the task and the number of epochs done, first with 0.

    Returns:
        The row, in plain JSON values: `"task"` and `"comparison"` (ids), the task's definition,
        `"error"` (None, or type and message), `"started"` (UTC), `"versions"`, `"machine"`,
        and if there was no error

        - `"network"`, `"engine"` (None without a quantum layer), `"parameters"` (trainable) and
          `"parameter_mismatch"`, by which share they exceed the hybrid's (negative: fall short);
        - `"n_train"`, `"n_test"`, `"train_accuracy"`, `"test_accuracy"`, `"loss"` of each epoch;
        - `"first_epoch_seconds"` with compilation, `"later_epoch_seconds"` of each later epoch,
          their median `"epoch_seconds"` (None if there is only one epoch), `"fit_seconds"` in
          all.
    """
    row: Row = {
        "task": task.id,
        "comparison": task.comparison,
        **task.definition(),
        "error": None,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "versions": versions(),
        "machine": machine(),
    }
    on_epoch(task, 0)
    try:
        row.update(_run(task, on_epoch))
    except Exception as error:
        row["error"] = f"{type(error).__name__}: {error}"
    return row


def _run(task: Task, on_epoch: OnEpoch) -> dict[str, Any]:
    data = dict(task.data)
    dataset = datasets.load(data.pop("name"))
    split = datasets.split(dataset, task.seed, **data)
    # Layers get the names, and weights the values, that they would get in a new process.
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(task.seed)
    hybrid = controls.build(task.model, dataset.n_features, dataset.n_classes)
    model = hybrid if task.contender == "hybrid" else controls.CONTROLS[task.contender](hybrid)
    parameters = controls.trainable_parameters(model)
    target = controls.trainable_parameters(hybrid)
    training = train(
        model,
        split.x_train,
        split.y_train,
        **task.training,
        seed=task.seed,
        on_epoch=functools.partial(on_epoch, task),
    )
    return {
        "network": controls.describe(model),
        "engine": controls.engine_name(model),
        "parameters": parameters,
        "parameter_mismatch": parameters / target - 1,
        "n_train": len(split.y_train),
        "n_test": len(split.y_test),
        "train_accuracy": accuracy(model, split.x_train, split.y_train),
        "test_accuracy": accuracy(model, split.x_test, split.y_test),
        # JSON has no NaN: the loss of an epoch that diverged is null.
        "loss": [value if math.isfinite(value) else None for value in training.loss],
        "first_epoch_seconds": training.first_epoch_seconds,
        "later_epoch_seconds": training.later_epoch_seconds,
        "epoch_seconds": (
            statistics.median(training.later_epoch_seconds)
            if training.later_epoch_seconds
            else None
        ),
        "fit_seconds": training.seconds,
    }


def run(
    tasks: Sequence[Task], results: Results, on_epoch: OnEpoch = lambda task, done: None
) -> Iterator[Row]:
    """Runs the tasks that have no row yet, and appends the row of each as it ends.

    A task whose row has an error runs again; both rows stay in the file. Ctrl-C in the middle
    of a task leaves no row of it.

    Args:
        tasks: What to run, in this order.
        results: The open results file.
        on_epoch: Called with the task and the number of epochs done, first with 0.

    Yields:
        Each new row once it is on disk.
    """
    finished = results.finished()
    for task in tasks:
        if task.id not in finished:
            row = run_task(task, on_epoch)
            results.append(row)
            yield row


@functools.cache
def _installed() -> tuple[tuple[str, str], ...]:
    found = [("python", platform.python_version())]
    for name in (
        "qkeras-hybrid",
        "keras",
        "tensorflow",
        "jax",
        "torch",
        "tensorflow-quantum",
        "cirq-core",
        "numpy",
        "scikit-learn",
        "mlxtend",
    ):
        try:
            found.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return tuple(found)


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that a result depends on."""
    return dict(_installed())


@functools.cache
def _machine() -> tuple[tuple[str, Any], ...]:
    model = ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            model = next(
                (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
                "",
            )
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        ("system", platform.system()),
        ("architecture", platform.machine()),
        ("processor", model or platform.processor()),
        ("cores", cores),
    )


def machine() -> dict[str, Any]:
    """Returns what kind of machine this is: nothing that tells which one, or whose."""
    return dict(_machine())
