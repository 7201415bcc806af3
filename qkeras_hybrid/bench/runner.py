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
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import numpy.typing as npt

from qkeras_hybrid import datasets
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.bench import controls, cost, models, tuning
from qkeras_hybrid.bench import task as tasks_module
from qkeras_hybrid.bench.references import REFERENCES
from qkeras_hybrid.bench.task import Results, Row, Task

if TYPE_CHECKING:
    import sklearn.exceptions as sklearn_exceptions
    import sklearn.metrics as sklearn_metrics
else:
    sklearn_exceptions = lazy_module("sklearn.exceptions")
    sklearn_metrics = lazy_module("sklearn.metrics")

OnEpoch = Callable[[Task, int], None]
"""Called with the task and the number of epochs done, first with 0."""

CONTENDERS = ("hybrid", *controls.CONTROLS, *REFERENCES)
"""The names of all contenders, in the order in which they run."""

METRICS = {"classification": "accuracy", "regression": "r2"}
"""What a score is, by the kind of problem."""

_MODEL = "model."


# What there is to run.


def plan(
    data: Mapping[str, Any],
    model: Mapping[str, Any],
    training: Mapping[str, Any],
    seeds: Iterable[int],
    contenders: Iterable[str] | None = None,
    **more: Any,
) -> tuple[list[Task], dict[str, str]]:
    """Returns the tasks of a comparison, and why some controls are not among them.

    The data are loaded and split and all models built, once, so that a mistake in the definition
    shows before anything runs and not in every row.

    Args:
        data: As `qkeras_hybrid.datasets.prepare` takes it.
        model: As `qkeras_hybrid.bench.models.build` takes it.
        training: `"epochs"`, `"batch_size"`, `"learning_rate"`.
        seeds: Whole numbers of at least 0.
        contenders: Names of `CONTENDERS`; None for the hybrid and all controls that apply.
        **more: `tuning` and `suite`, as attributes of the tasks.

    Returns:
        The tasks, all contenders of a seed before the next seed; and for each control that was
        not asked for by name and does not apply the reason.

    Raises:
        ValueError: If the data or the model can't be made, training or a contender is not valid,
            or a control that is asked for by name does not apply.
    """
    _check_training(training)
    seeds = list(seeds)
    dataset, _ = datasets.prepare(data, min(seeds, default=0))
    hybrid = models.build(model, dataset)
    reasons = controls.inapplicable(hybrid)
    if contenders is None:
        names = ["hybrid", *(name for name in controls.CONTROLS if name not in reasons)]
    else:
        names = list(contenders)
        reasons = {name: reason for name, reason in reasons.items() if name in names}
        for name in names:
            if name not in CONTENDERS:
                known = ", ".join(map(repr, CONTENDERS))
                raise ArgumentError("contenders", f"be of {known}", name)
        for name, reason in reasons.items():
            raise ValueError(
                f"The contender {name!r} does not apply to the model {model.get('name')!r}. "
                f"{reason}"
            )
    found = {"data": datasets.fingerprint(data), "model": models.fingerprint(model)}
    tasks = tasks_module.plan(
        data,
        model,
        training,
        keras.backend.backend(),
        names,
        seeds,
        fingerprints={part: digest for part, digest in found.items() if digest is not None},
        **more,
    )
    return tasks, reasons


_TRAINING: dict[str, type] = {"epochs": int, "batch_size": int, "learning_rate": float}


def _check_training(training: Mapping[str, Any]) -> None:
    for name, kind in _TRAINING.items():
        if name not in training:
            raise ArgumentError("training", f"have `{name}`", dict(training))
        value = training[name]
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not (whole or (kind is float and isinstance(value, float))) or not 0 < value < math.inf:
            needed = "a whole number over 0" if kind is int else "a number over 0"
            raise ArgumentError(name, f"be {needed}", value)
    for name in training:
        if name not in _TRAINING:
            raise ArgumentError("training", f"have {', '.join(_TRAINING)} only", name)


# Training a Keras model.


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
        loss_name = "sparse_categorical_crossentropy"
        metric = keras.metrics.SparseCategoricalAccuracy(name="score")
    model.compile(keras.optimizers.Adam(learning_rate), loss_name, metrics=[metric])
    # Keras draws the order of batches from state that also depends on the model's layers. The
    # order is drawn here instead, so that all contenders of a seed see the same batches.
    order = np.random.default_rng(seed)
    clock = _EpochClock()
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


# Running a task.


def run_task(task: Task, on_epoch: OnEpoch = lambda task, done: None, *, alone: bool = True) -> Row:
    """Trains and tests one contender on one split.

    Split, first weights and order of the batches follow from the task's seed. An exception in
    building, training or testing does not stop the other tasks: it ends up in the row. The test
    part is looked at once, at the end.

    Args:
        task: What to run.
        on_epoch: Called with the task and the number of epochs done, first with 0.
        alone: Whether nothing else runs on the machine, so that times compare.

    Returns:
        The row, in plain JSON values: `"task"` and `"comparison"` (ids), the task's definition,
        `"suite"`, `"error"` (None, or type and message), `"started"` (UTC), `"versions"`,
        `"machine"`, `"timing_comparable"`, and if there was no error

        - `"network"`, `"engine"` (None without a quantum layer), `"parameters"` (trainable; None
          where they have no count) and `"parameter_mismatch"`, by which share they exceed the
          hybrid's (negative: fall short; None also where tuning chooses the hybrid's size, which
          is then another row's);
        - `"n_train"`, `"n_test"`, `"metric"` (`"accuracy"` or `"r2"`), `"train_score"`,
          `"test_score"` (None if it is not a finite number), `"loss"` of each epoch (None for
          scikit-learn);
        - `"first_epoch_seconds"` with compilation, `"later_epoch_seconds"` of each later epoch,
          their median `"epoch_seconds"` (None if there is only one epoch), `"fit_seconds"` in
          all;
        - `"hyperparameters"`, those in force; `"tuning"`, None or what the search for them took;
          `"curve"`, the seconds and the training score at the end of each epoch;
        - `"cost"`: see `qkeras_hybrid.bench.cost.measure`.
    """
    row = failed(task, None, alone=alone)
    on_epoch(task, 0)
    try:
        row.update(_run(task, on_epoch))
    except Exception as error:
        if _interrupted(error):
            raise KeyboardInterrupt from error
        row["error"] = f"{type(error).__name__}: {error}"
    return row


def _interrupted(error: BaseException | None) -> bool:
    """Tells whether an error is Ctrl-C that came while TensorFlow ran a function of Python's.

    TensorFlow makes an error of its own of whatever such a function raises.
    """
    while error is not None:
        if isinstance(error, KeyboardInterrupt) or "KeyboardInterrupt" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def failed(task: Task, error: str | None, *, alone: bool = True) -> Row:
    """Returns the row of a task without results: what it starts with, and all if it fails."""
    definition = task.definition()
    return {
        "task": task.id,
        "comparison": task.comparison,
        **definition,
        "suite": task.suite,
        "error": error,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "versions": versions(),
        "machine": machine(),
        "timing_comparable": alone,
    }


def _run(task: Task, on_epoch: OnEpoch) -> dict[str, Any]:
    dataset, split = datasets.prepare(task.data, task.seed)
    chosen, searched = _tuned(task, dataset, split)
    contender = _Contender(task, dataset, chosen)
    with cost.PeakMemory() as memory:
        model, training = contender.fitted(
            split.x_train, split.y_train, functools.partial(on_epoch, task)
        )
    parameters = contender.parameters(model)
    later = training.later_epoch_seconds if training else []
    epoch_seconds = statistics.median(later) if later else None
    first_epoch_seconds = training.first_epoch_seconds if training else None
    return {
        "network": contender.describe(model),
        "engine": controls.engine_name(model) if isinstance(model, keras.Model) else None,
        "parameters": parameters,
        "parameter_mismatch": (
            None
            if parameters is None or _tunes_size(task)
            else parameters / contender.hybrid_parameters - 1
        ),
        "n_train": len(split.y_train),
        "n_test": len(split.y_test),
        "metric": METRICS[dataset.task],
        "train_score": _number(score(model, split.x_train, split.y_train)),
        "test_score": _number(score(model, split.x_test, split.y_test)),
        "loss": [_number(value) for value in training.loss] if training else None,
        "first_epoch_seconds": first_epoch_seconds,
        "later_epoch_seconds": later if training else None,
        "epoch_seconds": epoch_seconds,
        "fit_seconds": training.seconds if training else contender.fit_seconds,
        "hyperparameters": contender.hyperparameters,
        "tuning": searched,
        "curve": (
            {
                "seconds": training.ends,
                "train_score": [_number(value) for value in training.score],
            }
            if training
            else None
        ),
        "cost": cost.measure(
            model,
            split,
            contender.training,
            first_epoch_seconds=first_epoch_seconds,
            epoch_seconds=epoch_seconds,
            peak_memory=memory.bytes,
        ),
    }


def _number(value: float) -> float | None:
    # JSON has no NaN: what is not finite is null.
    return value if math.isfinite(value) else None


class _Contender:
    """One contender with its hyperparameters: how it is made and fitted.

    Args:
        task: Whose contender.
        dataset: What it is for.
        hyperparameters: In place of what the task says: of `training`, `"model."` and the name of
            an argument of the hybrid's builder, or of a reference.
    """

    def __init__(
        self, task: Task, dataset: datasets.Dataset, hyperparameters: Mapping[str, Any]
    ) -> None:
        self.task = task
        self.dataset = dataset
        self.reference = REFERENCES.get(task.contender)
        self.fit_seconds = 0.0
        self.hybrid_parameters = 0
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
    ) -> tuple[Any, Training | None]:
        """Makes the contender and fits it; a Keras model comes with how its training went."""
        # Layers get the names, and weights the values, that they would get in a new process.
        keras.utils.clear_session(free_memory=False)
        keras.utils.set_random_seed(self.task.seed)
        hybrid = models.build(self.model, self.dataset)
        self.hybrid_parameters = controls.trainable_parameters(hybrid)
        if self.reference is not None:
            return self._fitted_reference(x, y), None
        name = self.task.contender
        model = hybrid if name == "hybrid" else controls.CONTROLS[name](hybrid)
        training = train(model, x, y, **self.training, seed=self.task.seed, on_epoch=on_epoch)
        return model, training

    def _fitted_reference(self, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> Any:
        assert self.reference is not None
        estimator = self.reference.build(self.hyperparameters, self.dataset.task, self.task.seed)
        start = time.perf_counter()
        with warnings.catch_warnings():
            # That a network's epochs ran out is seen in its score, as with Keras's models.
            warnings.simplefilter("ignore", sklearn_exceptions.ConvergenceWarning)
            estimator.fit(x, y)
        self.fit_seconds = time.perf_counter() - start
        return estimator

    def parameters(self, model: Any) -> int | None:
        """Returns the number of trainable parameters, None where they have no count."""
        if self.reference is not None:
            return self.reference.parameters(model)
        return controls.trainable_parameters(model)

    def describe(self, model: Any) -> str:
        """Returns a line that says what was fitted."""
        return (
            controls.describe(model) if self.reference is None else self.reference.describe(model)
        )


def _tunes_size(task: Task) -> bool:
    space = (task.tuning or {}).get("search_space", {})
    return any(name.startswith(_MODEL) for name in space)


def _own_settings(task: Task) -> dict[str, Any]:
    """Returns the hyperparameters that a task has without tuning, by their names in a space."""
    reference = REFERENCES.get(task.contender)
    if reference is not None:
        return dict(reference.defaults)
    model = {**models.defaults(task.model), **task.model}
    return {**task.training, **{f"{_MODEL}{name}": value for name, value in model.items()}}


def _tuned(
    task: Task, dataset: datasets.Dataset, split: datasets.Split
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Searches for hyperparameters on the training part, if the task says so."""
    if task.tuning is None:
        return {}, None
    reference = REFERENCES.get(task.contender)
    space = task.tuning.get("search_space", {}) if reference is None else reference.search_space

    def objective(hyperparameters: Mapping[str, Any], fold: tuning.Fold) -> float:
        model, _ = _Contender(task, dataset, hyperparameters).fitted(fold.x_train, fold.y_train)
        return score(model, fold.x_valid, fold.y_valid)

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
    return searched.pop("hyperparameters"), searched


def run(
    tasks: Sequence[Task],
    results: Results,
    on_epoch: OnEpoch = lambda task, done: None,
    *,
    timing: bool = False,
) -> Iterator[Row]:
    """Runs the tasks that have no row yet, one after the other; appends each row as it ends.

    A task whose row has an error runs again; both rows stay in the file. Ctrl-C in the middle
    of a task leaves no row of it.

    Args:
        tasks: What to run, in this order.
        results: The open results file.
        on_epoch: Called with the task and the number of epochs done, first with 0.
        timing: Whether to run again, alone, what others ran beside.

    Yields:
        Each new row once it is on disk.
    """
    for task in missing(tasks, results, timing=timing):
        row = run_task(task, on_epoch)
        results.append(row)
        yield row


def missing(tasks: Sequence[Task], results: Results, *, timing: bool = False) -> list[Task]:
    """Returns the tasks that have to run, in their order.

    Args:
        tasks: All tasks.
        results: The open results file.
        timing: Whether a row whose times don't compare counts as missing.
    """
    finished = results.finished()
    return [
        task
        for task in tasks
        if task.id not in finished
        or (timing and not finished[task.id].get("timing_comparable", True))
    ]


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
        "optuna",
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
