"""What `compare` and `run` share: progress bars for tasks, and the message after Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import rich.console
import rich.progress

from qkeras_hybrid.cli.base import stopped

if TYPE_CHECKING:
    from qkeras_hybrid.bench.results import Results
    from qkeras_hybrid.bench.row import Row
    from qkeras_hybrid.bench.runner import OnEpoch
    from qkeras_hybrid.bench.task import Task

Run = Callable[["OnEpoch", Callable[["Task", int], None]], Iterator["Row"]]
"""Starts the runs, given the callbacks for an epoch and for a lost worker."""


def run_with_progress(
    tasks: Sequence[Task],
    results: Results,
    start: Run,
    on_row: Callable[[Row], None] = lambda row: None,
    *,
    n_missing: int | None = None,
) -> list[Row]:
    """Runs the missing tasks under progress bars; returns the last row of each task, in order.

    Args:
        tasks: All tasks.
        results: The open results file.
        start: Starts the missing runs.
        on_row: Called with each new row.
        n_missing: The number of missing runs, if it is not the number of tasks without a row.
    """
    from qkeras_hybrid.bench import report
    from qkeras_hybrid.bench.row import latest

    if results.damage:
        print(results.damage, file=sys.stderr)
    finished = results.finished()
    done = sum(one.id in finished for one in tasks) if n_missing is None else len(tasks) - n_missing
    if done:
        print(
            f"{done} of {len(tasks)} runs are in {results.path} already"
            + (" (--fresh runs them again)." if done == len(tasks) else "; the rest follows."),
            file=sys.stderr,
        )
    console = rich.console.Console(stderr=True)
    progress = rich.progress.Progress(
        rich.progress.TextColumn("{task.description:<36}"),
        rich.progress.BarColumn(bar_width=20),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeElapsedColumn(),
        rich.progress.TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    try:
        with progress:
            runs = progress.add_task("runs", total=len(tasks), completed=done)
            epochs = progress.add_task("", total=None)

            def on_epoch(running: Task, epoch: int) -> None:
                progress.update(
                    epochs,
                    description=f"{report.label(running.contender)}, seed {running.seed}",
                    total=running.training["epochs"],
                    completed=epoch,
                )

            def on_lost(lost: Task, attempt: int) -> None:
                progress.console.print(
                    f"A worker was lost in {report.label(lost.contender)}, seed {lost.seed} "
                    f"(try {attempt}).",
                    highlight=False,
                )

            for row in start(on_epoch, on_lost):
                on_row(row)
                progress.advance(runs)
    except KeyboardInterrupt as error:
        finished = results.finished()
        done = sum(one.id in finished for one in tasks)
        raise stopped(
            f"with {done} of {len(tasks)} runs in {results.path}. The same command continues from "
            "there."
        ) from error
    rows = latest(results.rows)
    return [rows[one.id] for one in tasks]


def set_aside(results: Results) -> None:
    """Renames the existing results, and prints a message."""
    aside = results.set_aside()
    if aside is not None:
        print(f"The existing results are kept as {aside}.", file=sys.stderr)
