"""`qkeras-hybrid run`: runs a suite of comparisons from a file."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import rich.console
import typer

from qkeras_hybrid.cli.base import (
    RESULTS,
    SUITES,
    app,
    fail,
    native_stderr_muted,
    say,
    stopped,
)
from qkeras_hybrid.cli.plan import (
    MaxHours,
    Yes,
    ask_beyond,
    changed,
    check_max_hours,
    estimated,
    missing,
    tasks_of,
)
from qkeras_hybrid.cli.progress import run_with_progress, set_aside

if TYPE_CHECKING:
    from qkeras_hybrid.bench.results import Results
    from qkeras_hybrid.bench.row import Row
    from qkeras_hybrid.bench.task import Task
    from qkeras_hybrid.bench.tracking import Tracker


@app.command()
def run(
    suite: Annotated[
        str,
        typer.Argument(
            metavar="SUITE",
            help=f"{', '.join(f'`{name}`' for name in SUITES)}, or a TOML file of yours.",
        ),
    ] = "quick",
    output: Annotated[
        Path | None,
        typer.Option(
            help=f"Folder of the results file, {RESULTS}; results/SUITE if not given.",
            file_okay=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="PATH.py:FUNCTION",
            help="Your own hybrid model instead of the suite's: FUNCTION(n_features, "
            "n_outputs) returns a Keras model.",
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Number of seeds, in place of the suite's.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes that train in parallel on this machine. By default one for each core, "
            "up to 4, or a single one if there is little to do.",
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Train on a Ray cluster, e.g. 192.0.2.1:6379."),
    ] = None,
    timing: Annotated[
        bool,
        typer.Option(
            "--timing",
            help="Repeat the runs whose times can't be compared: one at a time, with Keras's fit.",
        ),
    ] = False,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Rename an existing results file and run everything again."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would run, and run nothing.")
    ] = False,
    max_hours: MaxHours = None,
    yes: Yes = False,
    csv: Annotated[
        bool, typer.Option("--csv", help="Write each run's curve as a CSV file in DIR/curves.")
    ] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write each run's curve to DIR/tensorboard.")
    ] = False,
    mlflow: Annotated[
        str | None,
        typer.Option(metavar="URI", help="Log each run to MLflow, e.g. sqlite:///mlflow.db."),
    ] = None,
) -> None:
    """Run a suite: hybrid models against their controls on many data sets and seeds.

    Each run is a line of JSON in the results file. If you repeat the command, after Ctrl-C or after
    a change of the suite, it runs only what is missing. `qkeras-hybrid report DIR` makes a page
    from the rows.

    Each epoch is compiled as a whole, once for all seeds. The scores are those of Keras's `fit`,
    but the times are not. `--timing` repeats the runs with Keras's `fit` to measure times, with the
    hyperparameters that an earlier search found.

    Examples:
    - `qkeras-hybrid run quick`

    - `qkeras-hybrid run quick --model my_model.py:build --output results/mine`

    - `qkeras-hybrid run paper --workers 8`, then `qkeras-hybrid run paper --timing`

    - `qkeras-hybrid run frontier --max-hours 4`

    Exit codes: 0 done, 1 some runs failed or a file can't be used, 2 wrong usage, 130 Ctrl-C or
    SIGTERM.
    """
    if ray is not None and workers is not None and workers > 1:
        raise fail("Options `--workers` and `--ray` exclude each other: give one of them.", 2)
    if timing and (ray is not None or (workers is not None and workers > 1)):
        raise fail("Option `--timing` trains one at a time: leave out `--workers` and `--ray`.", 2)
    check_max_hours(max_hours)
    if max_hours is not None and ray is not None:
        raise fail(
            "Option `--max-hours` needs an estimate, which exists only for this machine: leave out "
            "`--max-hours` or `--ray`.",
            2,
        )
    try:
        with native_stderr_muted():
            from qkeras_hybrid.bench import recognising, tracking
            from qkeras_hybrid.bench import results as files
            from qkeras_hybrid.bench import suite as suites
            from qkeras_hybrid.bench import workers as processes

        found = changed(suites.read(suite), model, seeds)
        tasks = tasks_of(found)
    except ValueError as error:
        raise fail(str(error), 2) from error
    except KeyboardInterrupt as error:
        raise stopped("before the first run.") from error
    folder = output or Path("results") / found.name
    path = folder / RESULTS
    if dry_run:
        _say_plan(tasks, len(found.comparisons), path)
        return
    try:
        if max_hours is not None and not yes:
            _within(max_hours, tasks, path, workers, timing=timing, fresh=fresh)
        trackers = _trackers(folder, csv=csv, tensorboard=tensorboard, mlflow=mlflow)
        with files.Results(path) as results:
            if fresh:
                set_aside(results)
            stored = _run(tasks, results, trackers, workers=workers, ray=ray, timing=timing)
    except (
        files.ResultsInUseError,
        files.ResultsError,
        tracking.TrackingError,
        processes.RayError,
    ) as error:
        raise fail(str(error), 1) from error
    rows = recognising.recognised(stored, found)
    _show(rows, folder, "" if rows == stored else f" --suite {shlex.quote(suite)}")
    if any(row.error is not None for row in rows):
        raise typer.Exit(1)


def _within(
    max_hours: float,
    tasks: Sequence[Task],
    path: Path,
    workers: int | None,
    *,
    timing: bool,
    fresh: bool,
) -> None:
    """Asks first if the runs may take longer than a limit."""
    from qkeras_hybrid.bench.results import read_rows

    stored = read_rows(path, say)
    left = list(tasks) if fresh else missing(tasks, stored, timing=timing)
    try:
        made = estimated(tasks, left, stored, workers=workers, timing=timing)
    except KeyboardInterrupt as error:
        raise stopped("before the first run.") from error
    ask_beyond(made, max_hours)


def _say_plan(tasks: Sequence[Task], comparisons: int, path: Path) -> None:
    from qkeras_hybrid.bench.results import read_rows
    from qkeras_hybrid.bench.row import latest

    # Not opened for writing: a dry run leaves no trace.
    rows = read_rows(path, say)
    done = {i for i, row in latest(rows).items() if row.error is None}
    missing = sum(one.id not in done for one in tasks)
    print(
        f"{len(tasks)} runs in {comparisons} comparisons; {len(tasks) - missing} are in {path} "
        f"already, {missing} would run."
    )


def _trackers(folder: Path, *, csv: bool, tensorboard: bool, mlflow: str | None) -> list[Tracker]:
    from qkeras_hybrid.bench import tracking

    trackers = []
    if csv:
        trackers.append(tracking.csv_tracker(folder / "curves"))
    if tensorboard:
        trackers.append(tracking.tensorboard_tracker(folder / "tensorboard"))
    if mlflow is not None:
        trackers.append(tracking.mlflow_tracker(mlflow))
    return trackers


def _run(
    tasks: Sequence[Task],
    results: Results,
    trackers: Sequence[Tracker],
    *,
    workers: int | None,
    ray: str | None,
    timing: bool,
) -> list[Row]:
    from qkeras_hybrid.bench import runner
    from qkeras_hybrid.bench import workers as processes

    missing = len(runner.missing(tasks, results, timing=timing))
    n_workers = 1 if timing else workers or processes.default_workers(missing)

    def start(on_epoch: runner.OnEpoch, on_lost: processes.OnLost) -> Iterator[Row]:
        if ray is not None:
            return processes.run_ray(tasks, results, ray, on_lost)
        if n_workers > 1:
            return processes.run_processes(tasks, results, n_workers, on_lost)
        return runner.run(tasks, results, on_epoch, timing=timing, fast=not timing)

    def on_row(row: Row) -> None:
        for track in trackers:
            track(row)

    return run_with_progress(tasks, results, start, on_row, n_missing=missing)


def _show(rows: Sequence[Row], folder: Path, options: str) -> None:
    """Prints the result of each comparison, and the command that makes a page of them."""
    from qkeras_hybrid.bench import report, statistics

    console = rich.console.Console(highlight=False)
    found = statistics.frontiers(rows)
    for one, called in zip(found, report.frontier_titles(found), strict=True):
        console.print(report.sentence(one), markup=False)
        console.print()
        console.print(report.frontier_table(one, called))
        console.print()
        for note in report.frontier_notes(one):
            console.print(note, markup=False)
        console.print()
    plain = {name: its for name, its in statistics.comparisons(rows).items() if its[0].size is None}
    for name, called in report.titles(plain).items():
        its = plain[name]
        console.print(report.table(its, called))
        console.print()
        for note in report.flags(its):
            console.print(note, markup=False)
        for sentence in report.executions(its):
            console.print(sentence, markup=False)
        console.print(report.judge(its).sentence, markup=False)
        console.print()
    console.print(f"Rows: {folder / RESULTS}", markup=False, soft_wrap=True)
    page = f"To make a page of them: qkeras-hybrid report {folder}{options}"
    console.print(page, markup=False, soft_wrap=True)
