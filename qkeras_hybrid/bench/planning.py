"""How long runs will take on this machine, and how much memory: from rows, or from trials."""

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
"""For how long trials start, by default."""

TRIAL_EPOCHS = 5
"""The epochs of a trial."""

START = (4.0, 15.0)
"""The least and the most seconds in which a process starts."""

OnTrial = Callable[[Task], None]
"""Called with the task of each trial before it starts."""


@dataclasses.dataclass(frozen=True)
class Seconds:
    """How long something takes, at least and at most by what is known.

    Attributes:
        low: The lower end.
        high: The upper end.
    """

    low: float
    high: float

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(self.low + other.low, self.high + other.high)

    def times(self, low: float, high: float) -> Seconds:
        """Returns this with each end multiplied."""
        return Seconds(self.low * low, self.high * high)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to run, and what that takes.

    Attributes:
        runs: The number of all runs.
        missing: The number of those that have to run.
        seconds: How long these take with all processes.
        workers: The number of processes.
        memory: The bytes of a process; None if nothing tells.
        from_rows: The number of runs whose time is that of stored rows of the same comparison.
        from_alike: Of rows of the same contender, model, training and execution elsewhere.
        from_trials: Of trials of the same, on about as many samples.
        guessed: Of other trials or rows: nothing nearer was known.
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

    A run takes as long as stored rows of the same comparison and contender did on a machine of this
    kind; else as rows of the same contender, model, training and execution on other data; else as a
    short trial says, which trains the same on the most samples for a few epochs, twice: the second
    time with the trace of the first. Runs on fewer samples take a share of its epochs; those on far
    fewer have a trial of their own.

    Of each contender and model the dearest runs are tried first: noisy ones, then the largest. If
    no time is left for the others, their upper end is that of the dearest trial, and their lower
    end 0.4 of the cheapest one's. Contenders without any trial are guessed from all others.

    The ends of a range are factors, not quantiles: for rows of the same comparison 0.8 and 1.25,
    for those elsewhere 0.6 and 1.7, for trials 0.8 and 1.4, for guesses 0.4 and 2.5. Where rows
    have another number of samples, the lower end is of the same seconds or of those in proportion,
    whichever is lower, and the upper end of the higher. Where validation ends the training, a
    trial's lower end has four times the patience in epochs, its upper end all of them. Processes
    that share the cores may be 1.2 times slower.

    Args:
        tasks: All runs.
        missing: Those of them that have to run.
        rows: Stored rows, of this and other suites; those of other machines are left aside.
        workers: The number of processes that share the runs.
        fast: Whether the runs train fast: rows that did otherwise are left aside.
        trial_seconds: For how long trials start; 0 for none.
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
        each = [trial.seconds(task, sizes) for task in its]
        found["trials"] += zip(its, each, strict=True)
        total += sum(each, Seconds(0.0, 0.0))
        # Each process traces each model for itself.
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
            ends = [trial.seconds(task, sizes) for trial in near]
            # The dearest ones were tried first, if their trial did not fail.
            more = 1.0 if max(sizes.rank(one.task) for one in near) >= sizes.rank(task) else 2.5
            low, high = min(end.low for end in ends), max(end.high for end in ends)
            total += Seconds(0.4 * low, more * high)
        traces = len({task.comparison for task in its}) * min(workers, len(its))
        once += Seconds(0.0, max(trial.trace for trial in near)).times(0.0, 1.4 * traces)
    if missing and workers > 1:
        once += Seconds(*START).times(workers, workers)
    # Trials had all cores; processes that share them are slower.
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
    """Returns groups in the order of their trials: the dearest of each kind, then all others."""
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
    """How much runs have to do, without training."""

    def __init__(self) -> None:
        self._shapes: dict[str, tuple[int, ...]] = {}

    def samples(self, task: Task) -> int:
        """Returns the number of samples for training; 1 if the data can't be had."""
        return self._shape(task)[0]

    def rank(self, task: Task) -> tuple[bool, bool, float]:
        """Returns what is higher for a dearer run: with noise, with shots, and how large it is."""
        execution = task.execution or {}
        # Of the models' arguments, the whole numbers count qubits, layers, units and the like.
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
            except Exception:  # a run says so in its row
                self._shapes[key] = (1,)
        return self._shapes[key]


class _Known:
    """What stored rows tell of how long runs take here."""

    def __init__(self, rows: Iterable[Row], fast: bool, sizes: _Sizes) -> None:
        here = machine()
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

    def same(self, task: Task) -> Seconds | None:
        """Returns the seconds of rows of the same comparison and contender."""
        its = self._same.get(repr((task.comparison, task.contender)))
        return None if its is None else _around(its, 0.8, 1.25)

    def alike(self, task: Task) -> Seconds | None:
        """Returns the seconds of rows of the same on other data."""
        its = self._alike.get(_alike(task))
        if its is None:
            return None
        # A part of a run is the same for any number of samples.
        shares = [1.0 if n is None else self._sizes.samples(task) / n for _, n in its]
        return _mean(
            [
                Seconds(0.6 * seconds * min(1.0, share), 1.7 * seconds * max(1.0, share))
                for (seconds, _), share in zip(its, shares, strict=True)
            ]
        )


def _never_fast(row: Row) -> bool:
    """Whether a run trains the same way whether it may train fast or not."""
    return row.contender in REFERENCES or row.backend == "torch" or row.metric == "regret"


def _around(values: Sequence[float], low: float, high: float) -> Seconds:
    mean = statistics.fmean(values)
    return Seconds(low * mean, high * mean)


def _took(row: Row) -> float | None:
    """Returns how long a run took; of rows that don't say, by tuning and fit."""
    said = row.cost.get("run_seconds")
    if said is not None:
        return float(said)
    if row.fit_seconds is None:
        return None
    return float((row.tuning or {}).get("seconds") or 0.0) + row.fit_seconds


def _alike(one: Row | Task) -> str:
    """Returns what runs share that take about as long: contender, model, training, execution.

    Only whether they are tuned, since rows say what a search took and not what it was given.
    """
    model = {} if one.contender in REFERENCES else one.model
    tuned = bool(one.tuning)
    shared = [one.contender, model, one.training, one.backend, tuned, one.execution]
    return json.dumps(shared, sort_keys=True)


@dataclasses.dataclass(frozen=True)
class _Trial:
    """What a trial took.

    Attributes:
        task: What was tried.
        trace: The seconds of what happens once for all runs that share a trace.
        run: Those of a run without its epochs.
        epoch: Those of an epoch; of a reference, of a fit.
        memory: The bytes that the process held at most.
    """

    task: Task
    trace: float
    run: float
    epoch: float
    memory: int

    def seconds(self, task: Task, sizes: _Sizes) -> Seconds:
        """Returns how long a whole run takes, of the same on other data or of a smaller one."""
        low, high = self._fit(task, sizes)
        if task.tuning is not None:
            trials, folds = task.tuning["trials"], task.tuning["folds"]
            # Each fold leaves one part out.
            fits = trials * (folds - 1)
            # A search that is out of time finishes the trial that it has begun.
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
        # Steps of other batches take another time each, if not in proportion.
        steps = samples * int(self.task.training["batch_size"]) / int(training["batch_size"])
        epochs = int(training["epochs"])
        least = min(epochs, 4 * int(training["patience"])) if "patience" in training else epochs
        low, high = min(samples, steps) * self.epoch, max(samples, steps) * self.epoch
        return low * least, high * epochs


def _trial(task: Task, fast: bool) -> _Trial | None:
    """Trains a contender shortly, twice; None if it fails."""
    training = {key: value for key, value in task.training.items() if key != "patience"}
    epochs = min(TRIAL_EPOCHS, int(training["epochs"]))
    # Outside of its frontier, whose rows lack the seconds of each epoch.
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
        # With what happens between epochs, and without what happens only at first.
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
