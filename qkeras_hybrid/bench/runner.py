"""Trains the contenders, task by task, and writes a row for each task."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras

from qkeras_hybrid import datasets
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.bench import contenders as known
from qkeras_hybrid.bench import (
    controls,
    cost,
    execution,
    goals,
    lab_features,
    models,
    switching,
)
from qkeras_hybrid.bench import task as tasks_module
from qkeras_hybrid.bench.environment import machine, versions
from qkeras_hybrid.bench.references import REFERENCES
from qkeras_hybrid.bench.results import Results
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.task import Task

OnEpoch = Callable[[Task, int], None]
"""Called with the task and the number of epochs done, first with 0."""


# Planning tasks.


def plan(
    data: Mapping[str, Any],
    model: Mapping[str, Any],
    training: Mapping[str, Any],
    seeds: Iterable[int],
    contenders: Iterable[str] | None = None,
    **more: Any,
) -> tuple[list[Task], dict[str, str]]:
    """Returns the tasks of a comparison, and why some controls are not among them.

    The data are loaded and split once, and all models are built once. So a mistake in the
    definition is found before anything runs, instead of in every row.

    Args:
        data: As `qkeras_hybrid.datasets.prepare` takes it.
        model: As `qkeras_hybrid.bench.models.build` takes it.
        training: `"epochs"`, `"batch_size"`, `"learning_rate"`, `"patience"` if validation should
            end the training, and for decisions `"loss"`.
        seeds: Whole numbers of at least 0.
        contenders: Names of `bench.contenders.CONTENDERS`; None for the hybrid and all controls
            that apply.
        **more: `tuning`, `suite`, `execution` and `size`, as attributes of the tasks.

    Returns:
        The tasks, all contenders of a seed before the next seed. With `contenders=None`, also the
        reason for each control that does not apply.

    Raises:
        ValueError: If the data can't be loaded or the model can't be built, if training or a
            contender is not valid, if a named contender does not apply, or if no engine can compute
            the hybrid's circuits as `execution` requires.
    """
    _check_training(training)
    seeds = list(seeds)
    dataset, _ = datasets.prepare(data, min(seeds, default=0))
    if "loss" in training:
        goals.check_loss(training["loss"], dataset.task)
    found = {"data": datasets.fingerprint(data), "model": models.fingerprint(model)}
    kind = _Kind(
        dataset.n_features,
        dataset.n_outputs,
        dataset.task,
        dataset.image_shape,
        dataset.states,
        dataset.lab_width,
    )
    table = json.dumps([model, more.get("execution") or {}])
    named = None if contenders is None else tuple(contenders)
    names, reasons = _contenders(table, kind, named, found["model"])
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
    return tasks, dict(reasons)


@dataclasses.dataclass(frozen=True)
class _Kind:
    """Everything that builders and controls use of a data set."""

    n_features: int
    n_outputs: int
    task: str
    image_shape: tuple[int, ...] | None
    states: bool
    lab_width: int | None


# Building takes long, and a suite often has the same model on data sets of the same kind.
@functools.lru_cache(maxsize=512)
def _contenders(
    table: str, kind: _Kind, named: tuple[str, ...] | None, digest: str | None
) -> tuple[list[str], dict[str, str]]:
    """Returns the contenders of a comparison, and why some controls are not among them.

    Args:
        table: The tables of the model and its execution, as JSON.
        kind: The data set that the model is built for.
        named: The requested contenders; None for the hybrid and all controls that apply.
        digest: The fingerprint of the model's file, so that a changed file is read again.
    """
    model, executed = json.loads(table)
    hybrid = models.build(model, kind)
    lab_features.check_hybrid(hybrid, kind)
    if named is None:
        reasons = lab_features.inapplicable(hybrid, kind)
        names = ["hybrid", *(name for name in controls.CONTROLS if name not in reasons)]
    else:
        names = list(named)
        for name in names:
            if name not in known.CONTENDERS:
                listed = ", ".join(map(repr, known.CONTENDERS))
                raise ArgumentError("contenders", f"be of {listed}", name)
        reasons = lab_features.inapplicable(hybrid, kind, names)
        for name, reason in reasons.items():
            raise ValueError(
                f"The contender {name!r} does not apply to the model {model.get('name')!r}. "
                f"{reason}"
            )
        for name in names:
            if name in REFERENCES:
                REFERENCES[name].require(kind.task)
    for one in (execution.in_training(executed), executed):
        switching.put(hybrid, one)
    return names, reasons


_TRAINING: dict[str, type] = {"epochs": int, "batch_size": int, "learning_rate": float}
_MORE = ("patience", "loss")


def _check_training(training: Mapping[str, Any]) -> None:
    for name, kind in {**_TRAINING, "patience": int}.items():
        if name not in training:
            if name in _MORE:
                continue
            raise ArgumentError("training", f"have `{name}`", dict(training))
        value = training[name]
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not (whole or (kind is float and isinstance(value, float))) or not 0 < value < math.inf:
            needed = "a whole number over 0" if kind is int else "a number over 0"
            raise ArgumentError(name, f"be {needed}", value)
    for name in training:
        if name not in (*_TRAINING, *_MORE):
            raise ArgumentError("training", f"have {', '.join((*_TRAINING, *_MORE))} only", name)


# Running a task.


def run_task(
    task: Task,
    on_epoch: OnEpoch = lambda task, done: None,
    *,
    alone: bool = True,
    fast: bool = False,
    earlier: Row | None = None,
) -> Row:
    """Trains and tests one contender on one split.

    The task's seed determines the split, the initial weights and the order of the batches. An
    exception in building, training or testing does not stop the other tasks: it is recorded in the
    row. The test set is used only once, at the end.

    Args:
        task: The task.
        on_epoch: Called with the task and the number of epochs done, first with 0.
        alone: Whether nothing else runs on the machine, so that times can be compared.
        fast: Whether Keras models train fast, with the same results: see `bench.fitting.train`.
            The times of such rows are marked as not comparable.
        earlier: A row of the task, whose hyperparameters are used instead of a new search. If the
            search has a time limit, a slower search could find other ones.

    Returns:
        The row. If the run failed, it has the error and no results.
    """
    row = failed(task, None, alone=alone)
    on_epoch(task, 0)
    try:
        row = dataclasses.replace(row, **_run(task, on_epoch, fast, earlier))
        return dataclasses.replace(row, timing_comparable=alone and row.trained_by == "fit")
    except Exception as error:
        if _interrupted(error):
            raise KeyboardInterrupt from error
        return dataclasses.replace(row, error=f"{type(error).__name__}: {error}")


def _interrupted(error: BaseException | None) -> bool:
    """Tells whether an error comes from Ctrl-C while TensorFlow called a Python function.

    TensorFlow turns every exception in such a function into an error of its own.
    """
    while error is not None:
        if isinstance(error, KeyboardInterrupt) or "KeyboardInterrupt" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def failed(task: Task, error: str | None, *, alone: bool = True) -> Row:
    """Returns the row of a task without results; with the error if the task failed."""
    return Row(
        task=task.id,
        comparison=task.comparison,
        **task.definition(),
        base=task.base,
        suite=task.suite,
        size=task.size,
        error=error,
        started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        versions=versions(),
        machine=machine(),
        timing_comparable=alone,
    )


def _run(
    task: Task, on_epoch: OnEpoch, fast: bool = False, earlier: Row | None = None
) -> dict[str, Any]:
    """Runs a task and returns the results: the fields that the row of a failed run lacks."""
    start = time.perf_counter()
    dataset, split = datasets.prepare(
        task.data, task.seed, lab=task.contender not in execution.WITH_CIRCUITS
    )
    chosen, searched = known.tuned(task, dataset, split, fast, earlier)
    contender = known.Contender(task, dataset, chosen, fast)
    with cost.PeakMemory() as memory:
        model, training = contender.fitted(
            split.x_train, split.y_train, functools.partial(on_epoch, task)
        )
    model = contender.evaluating(model)
    parameters = contender.parameters(model)
    later = [_digits(each) for each in training.later_epoch_seconds] if training else []
    epoch_seconds = statistics.median(later) if later else None
    fast = training is not None and training.fast
    # Then tracing and compilation happened in an earlier run.
    reused = training is not None and training.reused
    first_epoch_seconds = training.first_epoch_seconds if training and not reused else None
    results: dict[str, Any] = {
        "network": contender.describe(model),
        "engine": contender.engine,
        "parameters": parameters,
        "parameter_mismatch": (
            None
            if parameters is None or known.tunes_size(task)
            else parameters / contender.hybrid_parameters - 1
        ),
        "n_train": len(split.y_train),
        "n_test": len(split.y_test),
        "metric": contender.metric,
        "train_score": _number(contender.score(model, split.x_train, split.y_train)),
        "test_score": _number(contender.score(model, split.x_test, split.y_test)),
        "loss": _series(training.loss) if training else None,
        "first_epoch_seconds": first_epoch_seconds,
        # For times that can't be compared, the median is enough.
        "later_epoch_seconds": later if training and not fast else None,
        "epoch_seconds": epoch_seconds,
        "trained_by": "fast" if fast else "fit",
        "fit_seconds": training.seconds if training else contender.fit_seconds,
        "hyperparameters": contender.hyperparameters,
        "tuning": searched,
        "curve": (
            {
                "seconds": _series(training.ends),
                "train_score": _series(training.score),
                **({"valid_loss": _series(training.valid_loss)} if training.valid_loss else {}),
            }
            # A frontier has thousands of rows, and its report does not need their curves.
            if training and task.size is None
            else None
        ),
        "cost": cost.measure(
            model,
            split,
            contender.training if training is None else {**contender.training, **training.work},
            first_epoch_seconds=first_epoch_seconds,
            epoch_seconds=epoch_seconds,
            peak_memory=memory.bytes,
            shots=execution.in_training(task.execution or {}).get("shots", cost.SHOTS),
        ),
    }
    results["cost"]["run_seconds"] = time.perf_counter() - start
    return results


def _number(value: float) -> float | None:
    # JSON has no NaN and no infinity: they become null.
    return value if math.isfinite(value) else None


def _series(values: Sequence[float]) -> list[float | None]:
    """Returns the numbers of a curve, rounded to as many digits as a picture can show."""
    return [_number(_digits(value)) for value in values]


def _digits(value: float) -> float:
    return float(f"{value:.6g}")


def run(
    tasks: Sequence[Task],
    results: Results,
    on_epoch: OnEpoch = lambda task, done: None,
    *,
    timing: bool = False,
    fast: bool = False,
) -> Iterator[Row]:
    """Runs the tasks that have no row yet, one after the other, and appends their rows.

    A task whose row has an error runs again; both rows stay in the file. If Ctrl-C interrupts a
    task, it gets no row.

    Args:
        tasks: The tasks, in the order in which they run.
        results: The open results file.
        on_epoch: Called with the task and the number of epochs done, first with 0.
        timing: Whether to repeat tasks whose times can't be compared, with the hyperparameters
            that an earlier search found.
        fast: As for `run_task`.

    Yields:
        Each new row after it was written to disk.
    """
    finished = results.finished()
    for task in missing(tasks, results, timing=timing):
        row = run_task(task, on_epoch, fast=fast, earlier=finished.get(task.id))
        results.append(row)
        yield row


def missing(tasks: Sequence[Task], results: Results, *, timing: bool = False) -> list[Task]:
    """Returns the tasks that have to run, in their order.

    Args:
        tasks: All tasks.
        results: The open results file.
        timing: Whether a task whose times can't be compared counts as missing.
    """
    finished = results.finished()
    return [
        task
        for task in tasks
        if task.id not in finished or (timing and not finished[task.id].timing_comparable)
    ]
