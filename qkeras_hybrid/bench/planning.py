"""How long runs will take on this machine, and how much memory: from rows, or from trials."""

from __future__ import annotations

import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

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
        from_alike: Of rows of the same contender and model elsewhere.
        from_trials: Of trials of the same contender and model.
        guessed: Of other contenders: nothing nearer was known.
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
    kind; else as rows of the same contender, model and training on other data; else as a short
    trial says, which trains the same contender and model for a few epochs, twice: the second time
    with the trace of the first. Contenders for which there is no time left are guessed from the
    others. The ends of a range are factors, not quantiles: for rows of the same comparison 0.8 and
    1.25, for those elsewhere 0.6 and 1.7, for trials 0.8 and 1.4, for guesses 0.4 and 2.5.
    Where validation ends the training, a trial's lower end has four times the patience in epochs,
    its upper end all of them. Processes that share the cores may be 1.2 times slower.

    Args:
        tasks: All runs.
        missing: Those of them that have to run.
        rows: Stored rows, of this and other suites; those of other machines are left aside.
        workers: The number of processes that share the runs.
        fast: Whether the runs train fast: rows that did otherwise are left aside.
        trial_seconds: For how long trials start; 0 for none.
        on_trial: Called with the task of each trial before it starts.
    """
    known = _Known(rows, fast)
    found: dict[str, list[tuple[Task, Seconds]]] = {"rows": [], "alike": [], "trials": []}
    rest: dict[tuple[str, str], list[Task]] = {}
    for task in missing:
        if (seconds := known.same(task)) is not None:
            found["rows"].append((task, seconds))
        elif (seconds := known.alike(task)) is not None:
            found["alike"].append((task, seconds))
        else:
            rest.setdefault((task.contender, str(task.model["name"])), []).append(task)
    start, memory, guessed = time.perf_counter(), known.memory, 0
    total = sum((seconds for its in found.values() for _, seconds in its), Seconds(0.0, 0.0))
    once = Seconds(0.0, 0.0)
    left: list[list[Task]] = []
    for its in rest.values():
        if time.perf_counter() - start >= trial_seconds:
            left.append(its)
            continue
        on_trial(its[len(its) // 2])
        trial = _trial(its[len(its) // 2], fast)
        if trial is None:
            left.append(its)
            continue
        memory = max(memory, trial.memory)
        found["trials"] += [(task, trial.seconds(task)) for task in its]
        total += sum((trial.seconds(task) for task in its), Seconds(0.0, 0.0))
        # Each process traces each model for itself.
        traces = len({task.comparison for task in its}) * min(workers, len(its))
        once += Seconds(trial.trace, trial.trace).times(0.8 * traces, 1.4 * traces)
    if left:
        guessed = sum(map(len, left))
        timed = [seconds for its in found.values() for _, seconds in its]
        each = _mean(timed) if timed else Seconds(1.0, 60.0)
        total += each.times(0.4 * guessed, 2.5 * guessed)
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


class _Known:
    """What stored rows tell of how long runs take here."""

    def __init__(self, rows: Iterable[Row], fast: bool) -> None:
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
        self._alike: dict[str, list[float]] = {}
        for row in kept:
            seconds = _took(row)
            if seconds is not None:
                self._same.setdefault(repr((row.comparison, row.contender)), []).append(seconds)
                self._alike.setdefault(_alike(row), []).append(seconds)

    def same(self, task: Task) -> Seconds | None:
        """Returns the seconds of rows of the same comparison and contender."""
        its = self._same.get(repr((task.comparison, task.contender)))
        return None if its is None else _around(its, 0.8, 1.25)

    def alike(self, task: Task) -> Seconds | None:
        """Returns the seconds of rows of the same contender, model and training on other data."""
        its = self._alike.get(_alike(task))
        return None if its is None else _around(its, 0.6, 1.7)


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
    """Returns what runs share that take about as long: contender, model and training.

    Only whether they are tuned, since rows say what a search took and not what it was given.
    """
    model = {} if one.contender in REFERENCES else one.model
    shared = [one.contender, model, one.training, one.backend, bool(one.tuning)]
    return json.dumps(shared, sort_keys=True)


@dataclasses.dataclass(frozen=True)
class _Trial:
    """What a trial took.

    Attributes:
        trace: The seconds of what happens once for all runs that share a trace.
        run: Those of a run without its epochs.
        epoch: Those of an epoch; of a reference, of a fit.
        memory: The bytes that the process held at most.
    """

    trace: float
    run: float
    epoch: float
    memory: int

    def seconds(self, task: Task) -> Seconds:
        """Returns how long a whole run takes."""
        low, high = self._fit(task.contender, task.training)
        if task.tuning is not None:
            trials, folds = task.tuning["trials"], task.tuning["folds"]
            # Each fold leaves one part out.
            fits = trials * (folds - 1)
            # A search that is out of time finishes the trial that it has begun.
            most = task.tuning["seconds"] + high * (folds - 1)
            low += min(low * fits, task.tuning["seconds"])
            high += min(high * fits + self.run * trials * folds, most)
        return Seconds(self.run + low, self.run + high).times(0.8, 1.4)

    def _fit(self, contender: str, training: Mapping[str, Any]) -> tuple[float, float]:
        if contender in REFERENCES:
            return self.epoch, self.epoch
        epochs = int(training["epochs"])
        least = min(epochs, 4 * int(training["patience"])) if "patience" in training else epochs
        return self.epoch * least, self.epoch * epochs


def _trial(task: Task, fast: bool) -> _Trial | None:
    """Trains a contender shortly, twice; None if it fails."""
    training = {key: value for key, value in task.training.items() if key != "patience"}
    epochs = min(TRIAL_EPOCHS, int(training["epochs"]))
    short = dataclasses.replace(task, training={**training, "epochs": epochs}, tuning=None)
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
        trace=max(0.0, took[0] - took[1]),
        run=run,
        epoch=epoch,
        memory=max(row.cost.get("peak_memory_bytes") or 0 for row in rows),
    )
