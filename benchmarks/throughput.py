"""Counts a suite's runs per minute: with Keras's `fit`, and fast, as `qkeras-hybrid run` trains.

python benchmarks/throughput.py                  # quick, and 100 tasks of paper
python benchmarks/throughput.py --suite quick    # only this one
python benchmarks/throughput.py --tasks 30       # fewer tasks of each

Both ways train the same tasks in one process: first all tasks in one way, then all in the other.
Every pair of rows is compared: the script fails if the results differ by more than rounding.
scikit-learn's references are the same in both ways. So the rates are also printed without them.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from qkeras_hybrid.bench import runner, suite, traces
from qkeras_hybrid.bench.references import REFERENCES
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.task import Task

TASKS = {"quick": None, "paper": 100}
ROUNDING = 1e-4


def tasks_of(name: str, most: int | None) -> list[Task]:
    """Returns the tasks of a suite in the order in which they run: comparison by comparison."""
    found = suite.read(name)
    tasks: list[Task] = []
    for one in found.comparisons:
        its, _ = runner.plan(
            one.data,
            one.model,
            one.training,
            found.seeds,
            one.contenders,
            tuning=one.tuning,
            suite=found.name,
            execution=one.execution,
        )
        tasks += its
        if most is not None and len(tasks) >= most:
            break
    return tasks[:most]


def timed(tasks: list[Task], *, fast: bool) -> tuple[list[Row], list[float]]:
    """Runs tasks one after the other; returns their rows, and the seconds of each."""
    traces.forget()
    rows, seconds = [], []
    for task in tasks:
        start = time.perf_counter()
        rows.append(runner.run_task(task, fast=fast))
        seconds.append(time.perf_counter() - start)
    return rows, seconds


def difference(row: Row, other: Row) -> float:
    """Returns the largest difference between the losses and scores of two rows."""
    if row.error is not None or other.error is not None:
        return 0.0 if row.error == other.error else math.inf
    values = [[each.train_score, each.test_score, *(each.loss or ())] for each in (row, other)]
    pairs = zip(*values, strict=True)
    return max(abs((a or 0.0) - (b or 0.0)) for a, b in pairs)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--suite", choices=TASKS, action="append")
    parser.add_argument("--tasks", type=int, help="The largest number of tasks of each suite.")
    arguments = parser.parse_args()
    apart = False
    for name in arguments.suite or TASKS:
        tasks = tasks_of(name, arguments.tasks or TASKS[name])
        keras_models = [task.contender not in REFERENCES for task in tasks]
        # This run takes the time that is spent once in a process, which belongs to neither way.
        runner.run_task(tasks[0])
        plain, plain_seconds = timed(tasks, fast=False)
        fast, fast_seconds = timed(tasks, fast=True)
        worst = max(map(difference, fast, plain))
        print(f"{name}: {len(tasks)} runs, of which {sum(keras_models)} train Keras models")
        for label, chosen in (("all runs", [True] * len(tasks)), ("Keras models", keras_models)):
            before, after = (
                60 * sum(chosen) / sum(s for s, one in zip(each, chosen, strict=True) if one)
                for each in (plain_seconds, fast_seconds)
            )
            print(
                f"  {label:<13} {before:7.1f} per minute with fit, {after:7.1f} fast: "
                f"{after / before:.1f} times as many"
            )
        print(f"  largest difference of a loss or score: {worst:.1e}", flush=True)
        apart |= worst > ROUNDING
    if apart:
        sys.exit("The two ways give different results.")


if __name__ == "__main__":
    main()
