"""Estimates the time and memory of runs on this machine, from stored rows or from trials."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import statistics
import time
from collections.abc import Callable, Iterable, Sequence

from qkeras_hybrid import datasets
from qkeras_hybrid.bench import runner
from qkeras_hybrid.bench.environment import machine
from qkeras_hybrid.bench.references import REFERENCES
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.task import Task

TRIAL_SECONDS = 60.0
"""The default number of seconds in which trials are started."""

TRIAL_EPOCHS = 5
"""The number of epochs of a trial."""

START = (4.0, 15.0)
"""The shortest and the longest time in which a process starts, in seconds."""

OnTrial = Callable[[Task], None]
"""Called with the task of each trial before it starts."""


@dataclasses.dataclass(frozen=True)
class Seconds:
    """A range of times in seconds.

    Attributes:
        low: The lower end.
        high: The upper end.
    """

    low: float
    high: float

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(self.low + other.low, self.high + other.high)

    def times(self, low: float, high: float) -> Seconds:
        """Returns the range with each end multiplied by a factor."""
        return Seconds(self.low * low, self.high * high)


@dataclasses.dataclass(frozen=True)
class Plan:
    """How many runs are missing, and what they will take.

    Attributes:
        runs: The number of all runs.
        missing: The number of missing runs.
        seconds: How long these take with all processes.
        workers: The number of processes.
        memory: The memory of a process in bytes; None if unknown.
        from_rows: The number of runs estimated from stored rows of the same comparison.
        from_alike: The number of runs estimated from rows of the same contender, model, training
            and execution on other data.
        from_trials: The number of runs estimated from trials of the same, on a similar number of
            samples.
        guessed: The number of runs estimated from less similar trials or rows.
        trial_seconds: How long the trials took.
    """

    runs: int
    missing: int
    seconds: Seconds
    workers: int
    memory: int | None
    from_rows: int
    from_alike: int
    from_trials: int
    guessed: int
    trial_seconds: float


def plan(
    tasks: Sequence[Task],
    missing: Sequence[Task],
    rows: Iterable[Row] = (),
    *,
    workers: int = 1,
    fast: bool = True,
    trial_seconds: float = TRIAL_SECONDS,
    on_trial: OnTrial = lambda task: None,
) -> Plan:
    """Estimates what runs take on this machine.

    The time of a run is estimated from the first of these that exists:

    1. stored rows of the same comparison and contender on a machine of this kind,
    2. rows of the same contender, model, training and execution on other data,
    3. a short trial. It trains the same contender twice for a few epochs, the second time with the
       trace of the first. It takes the largest data of those with a similar number of samples; the
       times of smaller ones are in proportion.

    For each contender and model, the most expensive runs are tried first: noisy ones, then the
    largest. If no time is left to try the others, their upper end is that of the most expensive
    trial, and their lower end is 0.4 times that of the cheapest trial. Contenders without any trial
    are guessed from all others.

    The ends of a range are fixed factors, not quantiles: 0.8 and 1.25 for rows of the same
    comparison, 0.6 and 1.7 for rows on other data, 0.8 and 1.4 for trials, 0.4 and 2.5 for guesses.
    For rows with another number of samples, there are two estimates: the same time, and the time in
    proportion to the samples. The lower end uses the lower one, the upper end the higher one. If
    validation ends the training, a trial's lower end assumes four times the patience in epochs, its
    upper end all epochs. If some runs have no rows, the upper end is 1.2 times higher for several
    processes, because they share the cores, while trials use all cores.

    Args:
        tasks: All runs.
        missing: The missing ones among them.
        rows: Stored rows of this and other suites; rows of other machines are ignored.
        workers: The number of processes that share the runs.
        fast: Whether the runs train fast; rows that trained in the other way are ignored.
        trial_seconds: For how many seconds trials are started; 0 for no trials.
        on_trial: Called with the task of each trial before it starts.
    """
    sizes = _Sizes()
    known = _Known(rows, fast, sizes)
    found: dict[str, list[tuple[Task, Seconds]]] = {"rows": [], "alike": [], "trials": []}
    rest: dict[tuple[str, int], list[Task]] = {}
    for task in missing:
        if (seconds := known.same(task)) is not None:
            found["rows"].append((task, seconds))
        elif (seconds := known.alike(task)) is not None:
            found["alike"].append((task, seconds))
        else:
            # Numbers of samples in one group differ by less than a factor of 4.
            about = sizes.samples(task).bit_length() // 2
            rest.setdefault((_alike(task), about), []).append(task)
    start, memory, guessed = time.perf_counter(), known.memory, 0
    total = sum((seconds for its in found.values() for _, seconds in its), Seconds(0.0, 0.0))
    once = Seconds(0.0, 0.0)
    left: list[list[Task]] = []
    tried: dict[tuple[str, str], list[_Trial]] = {}
    for its in _dearest_first(rest.values(), sizes):
        if time.perf_counter() - start >= trial_seconds:
            left.append(its)
            continue
        dearest = max(its, key=sizes.rank)
        on_trial(dearest)
        trial = _trial(dearest, fast)
        if trial is None:
            left.append(its)
            continue
        tried.setdefault(_kind(dearest), []).append(trial)
        memory = max(memory, trial.memory)
        each = [trial.seconds(task, sizes, known.searches(task)) for task in its]
        found["trials"] += zip(its, each, strict=True)
        total += sum(each, Seconds(0.0, 0.0))
        # Each process has to trace each model.
        traces = len({task.comparison for task in its}) * min(workers, len(its))
        once += Seconds(trial.trace, trial.trace).times(0.8 * traces, 1.4 * traces)
    timed = [seconds for its in found.values() for _, seconds in its]
    for its in left:
        guessed += len(its)
        near = tried.get(_kind(its[0]))
        if near is None:
            each_of_them = _mean(timed) if timed else Seconds(1.0, 60.0)
            total += each_of_them.times(0.4 * len(its), 2.5 * len(its))
            continue
        for task in its:
            ends = [trial.seconds(task, sizes, known.searches(task)) for trial in near]
            # The most expensive group was tried first, unless its trial failed.
            more = 1.0 if max(sizes.rank(one.task) for one in near) >= sizes.rank(task) else 2.5
            low, high = min(end.low for end in ends), max(end.high for end in ends)
            total += Seconds(0.4 * low, more * high)
        traces = len({task.comparison for task in its}) * min(workers, len(its))
        once += Seconds(0.0, max(trial.trace for trial in near)).times(0.0, 1.4 * traces)
    if missing and workers > 1:
        once += Seconds(*START).times(workers, workers)
    # Trials used all cores; several processes share them and are slower.
    slower = 1.2 if workers > 1 and rest else 1.0
    return Plan(
        runs=len(tasks),
        missing=len(missing),
        seconds=(total + once).times(1 / workers, slower / workers),
        workers=workers,
        memory=memory or None,
        from_rows=len(found["rows"]),
        from_alike=len(found["alike"]),
        from_trials=len(found["trials"]),
        guessed=guessed,
        trial_seconds=time.perf_counter() - start if rest else 0.0,
    )


def _mean(values: Sequence[Seconds]) -> Seconds:
    return Seconds(
        statistics.fmean(one.low for one in values), statistics.fmean(one.high for one in values)
    )


def _kind(task: Task) -> tuple[str, str]:
    return task.contender, str(task.model["name"])


def _dearest_first(groups: Iterable[list[Task]], sizes: _Sizes) -> list[list[Task]]:
    """Returns groups in the order of trials: the most expensive of each kind, then all others."""
    kinds: dict[tuple[str, str], list[list[Task]]] = {}
    for its in groups:
        kinds.setdefault(_kind(its[0]), []).append(its)
    dearest = functools.partial(max, key=sizes.rank)
    ordered = [
        sorted(each, key=lambda its: sizes.rank(dearest(its)), reverse=True)
        for each in kinds.values()
    ]
    others = [its for each in ordered for its in each[1:]]
    others.sort(key=lambda its: sizes.rank(dearest(its)), reverse=True)
    return [each[0] for each in ordered] + others


class _Sizes:
    """The sizes of runs, without training anything."""

    def __init__(self) -> None:
        self._shapes: dict[str, tuple[int, ...]] = {}

    def samples(self, task: Task) -> int:
        """Returns the number of samples for training; 1 if the data can't be loaded."""
        return self._shape(task)[0]

    def rank(self, task: Task) -> tuple[bool, bool, float]:
        """Returns a key that orders runs by expense: with noise, with shots, and the size."""
        execution = task.execution or {}
        # The whole numbers among a model's arguments are numbers of qubits, layers or units.
        counts = [
            value
            for value in task.model.values()
            if isinstance(value, int) and not isinstance(value, bool) and value > 0
        ]
        size = float(math.prod((*counts, *self._shape(task))))
        return "noise" in execution, "shots" in execution, size

    def _shape(self, task: Task) -> tuple[int, ...]:
        key = json.dumps(task.data, sort_keys=True)
        if key not in self._shapes:
            try:
                split = datasets.prepare(task.data, task.seed)[1]
                self._shapes[key] = tuple(split.x_train.shape)
            except Exception:  # the run will record the error in its row
                self._shapes[key] = (1,)
        return self._shapes[key]


class _Known:
    """The times of runs on this kind of machine, from stored rows."""

    def __init__(self, rows: Iterable[Row], fast: bool, sizes: _Sizes) -> None:
        here = machine()
        rows = list(rows)
        self._searched = {row.task for row in rows if row.error is None and row.tuning}
        kept = [
            row
            for row in rows
            if row.error is None
            and dict(row.machine) == here
            and (_never_fast(row) or (row.trained_by == "fast") == fast)
        ]
        self.memory = max((row.cost.get("peak_memory_bytes") or 0 for row in kept), default=0)
        self._same: dict[str, list[float]] = {}
        self._alike: dict[str, list[tuple[float, int | None]]] = {}
        self._sizes = sizes
        for row in kept:
            seconds = _took(row)
            if seconds is not None:
                self._same.setdefault(repr((row.comparison, row.contender)), []).append(seconds)
                self._alike.setdefault(_alike(row), []).append((seconds, row.n_train))

    def searches(self, task: Task) -> bool:
        """Tells whether a run will search for hyperparameters, because no row has them yet."""
        return task.tuning is not None and task.id not in self._searched

    def same(self, task: Task) -> Seconds | None:
        """Returns the times of rows of the same comparison and contender."""
        its = self._same.get(repr((task.comparison, task.contender)))
        return None if its is None else _around(its, 0.8, 1.25)

    def alike(self, task: Task) -> Seconds | None:
        """Returns the times of rows of the same contender and model on other data."""
        its = self._alike.get(_alike(task))
        if its is None:
            return None
        # A part of a run's time does not depend on the number of samples.
        shares = [1.0 if n is None else self._sizes.samples(task) / n for _, n in its]
        return _mean(
            [
                Seconds(0.6 * seconds * min(1.0, share), 1.7 * seconds * max(1.0, share))
                for (seconds, _), share in zip(its, shares, strict=True)
            ]
        )


def _never_fast(row: Row) -> bool:
    """Whether fast training is the same as usual training for a run."""
    return row.contender in REFERENCES or row.backend == "torch" or row.metric == "regret"


def _around(values: Sequence[float], low: float, high: float) -> Seconds:
    mean = statistics.fmean(values)
    return Seconds(low * mean, high * mean)


def _took(row: Row) -> float | None:
    """Returns how long a run took; if its row does not state that, the time of tuning and fit."""
    said = row.cost.get("run_seconds")
    if said is not None:
        return float(said)
    if row.fit_seconds is None:
        return None
    return float((row.tuning or {}).get("seconds") or 0.0) + row.fit_seconds


def _alike(one: Row | Task) -> str:
    """Returns the properties of runs that take equally long, as text.

    These are contender, model, training, backend, execution, and whether the run is tuned. The
    budget of the search is not among them, because rows don't state it.
    """
    model = {} if one.contender in REFERENCES else one.model
    tuned = bool(one.tuning)
    shared = [one.contender, model, one.training, one.backend, tuned, one.execution]
    return json.dumps(shared, sort_keys=True)


@dataclasses.dataclass(frozen=True)
class _Trial:
    """The result of a trial.

    Attributes:
        task: The task of the trial.
        trace: The time, in seconds, that is spent once for all runs that share a trace.
        run: The time of a run without its epochs.
        epoch: The time of an epoch; for a reference, of a fit.
        memory: The peak memory of the process in bytes.
    """

    task: Task
    trace: float
    run: float
    epoch: float
    memory: int

    def seconds(self, task: Task, sizes: _Sizes, searches: bool) -> Seconds:
        """Returns how long a run of a similar task takes: on other data, or a cheaper one."""
        low, high = self._fit(task, sizes)
        if task.tuning is not None and searches:
            trials, folds = task.tuning["trials"], task.tuning["folds"]
            # Each fold leaves out one part of the samples.
            fits = trials * (folds - 1)
            # After its time limit, a search still finishes the trial that it has begun.
            most = task.tuning["seconds"] + high * (folds - 1)
            low += min(low * fits, task.tuning["seconds"])
            high += min(high * fits + self.run * trials * folds, most)
        samples = sizes.samples(task) / sizes.samples(self.task)
        run = Seconds(self.run, self.run).times(min(1.0, samples), max(1.0, samples))
        return (run + Seconds(low, high)).times(0.8, 1.4)

    def _fit(self, task: Task, sizes: _Sizes) -> tuple[float, float]:
        samples = sizes.samples(task) / sizes.samples(self.task)
        if task.contender in REFERENCES:
            # The time of a fit may grow with the square of the samples.
            return self.epoch * min(1.0, samples), self.epoch * max(1.0, samples**2)
        training = task.training
        # With another batch size, the time of an epoch depends on its samples and on its steps.
        steps = samples * int(self.task.training["batch_size"]) / int(training["batch_size"])
        epochs = int(training["epochs"])
        least = min(epochs, 4 * int(training["patience"])) if "patience" in training else epochs
        low, high = min(samples, steps) * self.epoch, max(samples, steps) * self.epoch
        return low * least, high * epochs


def _trial(task: Task, fast: bool) -> _Trial | None:
    """Trains a contender twice for a few epochs; returns None if that fails."""
    training = {key: value for key, value in task.training.items() if key != "patience"}
    epochs = min(TRIAL_EPOCHS, int(training["epochs"]))
    # Without the frontier's size, because rows of a frontier lack the times of each epoch.
    short = dataclasses.replace(
        task, training={**training, "epochs": epochs}, tuning=None, size=None
    )
    rows, took = [], []
    for seed in (task.seed, task.seed + 1):
        start = time.perf_counter()
        rows.append(runner.run_task(dataclasses.replace(short, seed=seed), fast=fast))
        took.append(time.perf_counter() - start)
    if any(row.error is not None for row in rows):
        return None
    fit = rows[1].fit_seconds or 0.0
    epoch = fit
    if task.contender not in REFERENCES:
        # Includes the time between epochs, but not the first epoch with its tracing.
        later = fit - (rows[1].curve or {"seconds": [0.0]})["seconds"][0]
        epoch = later / (epochs - 1) if epochs > 1 else fit
    run = max(0.0, took[1] - (fit if task.contender in REFERENCES else epochs * epoch))
    return _Trial(
        task=task,
        trace=max(0.0, took[0] - took[1]),
        run=run,
        epoch=epoch,
        memory=max(row.cost.get("peak_memory_bytes") or 0 for row in rows),
    )
