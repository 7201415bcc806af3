"""`qkeras-hybrid plan`: what a suite would take, and the limits that other commands check."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qkeras_hybrid._checks import bytes_text
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.cli.base import RESULTS, app, fail, native_stderr_muted, say, stopped

if TYPE_CHECKING:
    from qkeras_hybrid.bench.planning import Plan, Seconds
    from qkeras_hybrid.bench.row import Row
    from qkeras_hybrid.bench.suite import Suite
    from qkeras_hybrid.bench.task import Task
    from qkeras_hybrid.costs import ModelCost

MaxHours = Annotated[
    float | None,
    typer.Option(
        metavar="HOURS",
        help="Ask before starting if `qkeras-hybrid plan` estimates more hours than this; stop if "
        "there is no terminal to ask on.",
    ),
]
Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Run without asking, however long it takes.")
]


@app.command()
def plan(
    suite: Annotated[
        str,
        typer.Argument(
            metavar="SUITE", help="The name of a suite, as for `run`, or a TOML file of yours."
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
            metavar="PATH.py:FUNCTION", help="Your own hybrid model instead of the suite's."
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Number of seeds, instead of the suite's.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes, as for `run`, with the same default.")
    ] = None,
    timing: Annotated[
        bool, typer.Option("--timing", help="Plan what `run --timing` would run, one at a time.")
    ] = False,
    rows: Annotated[
        list[Path] | None,
        typer.Option(
            help=f"Also estimate from this {RESULTS} of another suite that was run on a similar "
            "machine; repeatable.",
        ),
    ] = None,
    trial_seconds: Annotated[
        float,
        typer.Option(help="Seconds for trials of contenders without stored rows; 0 for no trials."),
    ] = 60.0,
    shots: Annotated[
        int,
        typer.Option(min=1, help="On hardware: shots for each measurement setting of a circuit."),
    ] = 1000,
    price_per_circuit: Annotated[
        float, typer.Option(help="On hardware: the price of a circuit.")
    ] = 0.0,
    price_per_shot: Annotated[float, typer.Option(help="On hardware: the price of a shot.")] = 0.0,
    price_per_job: Annotated[float, typer.Option(help="On hardware: the price of a job.")] = 0.0,
    currency: Annotated[str, typer.Option(help="The currency of the prices.")] = "USD",
) -> None:
    """Show what a suite would take: runs, hours on this machine, memory, and hardware.

    The time is estimated, as a range, from stored rows of the same contenders and models on a
    similar machine or, without such rows, from a short timed trial. The line "On hardware" shows
    what training the circuits by parameter shift on a device would need, and its price if you give
    prices. Nothing is written.

    Examples:
    - `qkeras-hybrid plan paper`

    - `qkeras-hybrid plan quick --seeds 30 --rows results/paper/results.jsonl`

    - `qkeras-hybrid plan quick --shots 500 --price-per-circuit 0.3 --price-per-shot 0.00035`

    Exit codes: 0 done, 1 a results file can't be read, 2 wrong usage, 130 Ctrl-C or SIGTERM.
    """
    _check_trial(trial_seconds)
    try:
        with native_stderr_muted():
            from qkeras_hybrid.bench import hardware
            from qkeras_hybrid.bench import results as files
            from qkeras_hybrid.bench import suite as suites
            from qkeras_hybrid.engines.services import Prices

        try:
            prices = Prices(price_per_shot, price_per_circuit, price_per_job, currency)
        except ArgumentError as error:
            option = f"--price-{error.argument.replace('_', '-')}"
            raise ArgumentError(option, error.requirement, error.got, error.fix) from error
        found = changed(suites.read(suite), model, seeds)
        tasks = tasks_of(found)
        stored = files.read_rows((output or Path("results") / found.name) / RESULTS, say)
        others = _stored(rows or [])
        left = missing(tasks, stored, timing=timing)
        made = estimated(
            tasks,
            left,
            [*stored, *others],
            workers=workers,
            timing=timing,
            trial_seconds=trial_seconds,
        )
        print(f"Suite {found.name}: {words(made, len(found.comparisons))}")
        print(_on_hardware(hardware.hardware_cost(left, shots, prices), left))
    except files.ResultsError as error:
        raise fail(str(error), 1) from error
    except ValueError as error:
        raise fail(str(error), 2) from error
    except KeyboardInterrupt as error:
        raise stopped("before the plan was made.") from error


def changed(suite: Suite, model: str | None, seeds: int | None) -> Suite:
    """Returns a suite with its model or its number of seeds replaced; None keeps them."""
    if seeds is not None:
        suite = dataclasses.replace(suite, seeds=tuple(range(seeds)))
    if model is not None:
        given = [
            dataclasses.replace(one, model={"name": model}, size=None) for one in suite.comparisons
        ]
        # Comparisons that differed only in their model are now equal: one of them is kept.
        kept = [one for i, one in enumerate(given) if one not in given[:i]]
        suite = dataclasses.replace(suite, comparisons=tuple(kept))
    return suite


def tasks_of(suite: Suite) -> list[Task]:
    """Returns all tasks of a suite, seed by seed within each comparison.

    Raises:
        ValueError: If a task can't be made; the message has the line of the suite's file.
    """
    from qkeras_hybrid.bench import runner

    tasks: list[Task] = []
    left_out: dict[tuple[str, str], str] = {}
    for one in suite.comparisons:
        try:
            its, reasons = runner.plan(
                one.data,
                one.model,
                one.training,
                suite.seeds,
                one.contenders,
                tuning=one.tuning,
                suite=suite.name,
                execution=one.execution,
                size=one.size,
            )
        except ValueError as error:
            raise ValueError(f"The suite {suite.path}, line {one.line}: {error}") from error
        tasks += its
        left_out |= {(str(one.model["name"]), name): why for name, why in reasons.items()}
    for (name, control), reason in left_out.items():
        print(f"{name} has no control {control}: {reason}", file=sys.stderr)
    # A contender without circuits is the same task in several comparisons. A task of a frontier may
    # also belong to a comparison outside it: the task that states its size is kept.
    known: dict[str, Task] = {}
    for task in tasks:
        if task.id not in known or task.size is not None:
            known[task.id] = task
    return list(known.values())


def _stored(paths: Sequence[Path]) -> list[Row]:
    """Returns the rows of other results files."""
    from qkeras_hybrid.bench.results import read_rows

    for path in paths:
        if not path.is_file():
            raise ArgumentError("--rows", "be a results file", str(path))
    return [row for path in paths for row in read_rows(path, say)]


def missing(tasks: Sequence[Task], stored: Iterable[Row], *, timing: bool = False) -> list[Task]:
    """Returns the tasks without a row or, with `timing`, without one of comparable times."""
    from qkeras_hybrid.bench.row import latest

    done = {
        name
        for name, row in latest(stored).items()
        if row.error is None and (row.timing_comparable or not timing)
    }
    return [task for task in tasks if task.id not in done]


def estimated(
    tasks: Sequence[Task],
    left: Sequence[Task],
    stored: Sequence[Row],
    *,
    workers: int | None = None,
    timing: bool = False,
    fast: bool = True,
    trial_seconds: float = 60.0,
) -> Plan:
    """Returns a plan, and reports its trials on the error stream.

    Args:
        tasks: All runs.
        left: The runs that are still missing.
        stored: Stored rows.
        workers: The number of processes; None for the default of `run`.
        timing: Whether the runs are timed, one at a time.
        fast: Whether runs that are not timed train in fast mode.
        trial_seconds: For how many seconds trials are started.
    """
    from qkeras_hybrid.bench import planning, report
    from qkeras_hybrid.bench import workers as processes

    said: set[str] = set()

    def on_trial(task: Task) -> None:
        name = f"{report.label(task.contender)} of {task.model['name']}"
        if name not in said:
            said.add(name)
            print(f"No stored rows of {name}: trying it out.", file=sys.stderr)

    return planning.plan(
        tasks,
        left,
        stored,
        workers=1 if timing else workers or processes.default_workers(len(left)),
        fast=fast and not timing,
        trial_seconds=trial_seconds,
        on_trial=on_trial,
    )


def words(made: Plan, comparisons: int | None = None) -> str:
    """Returns a plan in a few lines."""
    among = "" if comparisons is None else f" in {_counted(comparisons, 'comparison')}"
    done = made.runs - made.missing
    lines = [
        f"{_counted(made.runs, 'run')}{among}; {done:,} {'is' if done == 1 else 'are'} done, "
        f"{made.missing:,} missing."
    ]
    if made.missing:
        processes = _counted(made.workers, "process", "processes")
        lines.append(f"Time: {_range(made.seconds)} with {processes}, {_sources(made)}.")
    if made.missing and made.memory:
        memory = f"Memory: about {bytes_text(made.memory * made.workers)}"
        each = f" ({made.workers} times {bytes_text(made.memory)})" if made.workers > 1 else ""
        lines.append(f"{memory}{each}.")
    return "\n".join(lines)


def _sources(made: Plan) -> str:
    parts = [
        (made.from_rows, "from stored rows of the same comparisons"),
        (made.from_alike, "from stored rows on other data"),
        (made.from_trials, "from trials"),
        (made.guessed, "guessed from the others"),
    ]
    said = [(count, text) for count, text in parts if count]
    if len(said) == 1:
        return said[0][1]
    return ", ".join(f"{count:,} runs {text}" for count, text in said)


def _range(seconds: Seconds) -> str:
    """Returns a range of times in a unit that suits both ends: "1.8 to 3.4 hours"."""
    unit, name = next(
        (size, name)
        for size, name in ((3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))
        if seconds.high >= 1.5 * size or size == 1.0
    )
    low, high = (f"{end / unit:.1f}".removesuffix(".0") for end in (seconds.low, seconds.high))
    return f"about {high} {name}" if low == high else f"{low} to {high} {name}"


def _on_hardware(cost: ModelCost | None, tasks: Sequence[Task]) -> str:
    if cost is None:
        return "On hardware: no missing run has circuits."
    most = "at most " if any("patience" in task.training for task in tasks) else ""
    money = f", {cost.money:,.2f} {cost.currency}" if cost.money else ""
    return (
        f"On hardware: {most}{cost.circuits:,} circuits, {cost.shots:,} shots, "
        f"{cost.jobs:,} jobs{money}."
    )


def _counted(number: int, noun: str, several: str = "") -> str:
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"


def check_max_hours(max_hours: float | None) -> None:
    """Makes sure that a limit is valid.

    Raises:
        typer.Exit: If it is not; the reason is printed.
    """
    if max_hours is not None and not 0 < max_hours < math.inf:
        raise fail(f"Argument `--max-hours` must be a number over 0, but got {max_hours}.", 2)


def _check_trial(seconds: float) -> None:
    if not 0 <= seconds < math.inf:
        raise fail(
            f"Argument `--trial-seconds` must be a number of at least 0, but got {seconds}.", 2
        )


def ask_beyond(made: Plan, max_hours: float) -> None:
    """Asks whether to start runs that may take longer than a limit.

    Args:
        made: The plan.
        max_hours: The limit in hours.

    Raises:
        typer.Exit: If the answer is no, or there is no terminal to ask on.
    """
    if made.seconds.high <= 3600 * max_hours:
        return
    print(words(made), file=sys.stderr)
    limit = f"more than the {max_hours:g} hours of `--max-hours`"
    if not sys.stdin.isatty():
        raise fail(
            f"That may take {_range(made.seconds)}, {limit}, and there is no terminal to ask on. "
            "Give `--yes` to run it anyway, or use fewer seeds.",
            2,
        )
    if not typer.confirm(f"That may take {limit}. Run it anyway?", err=True):
        say("not run.")
        raise typer.Exit(2)
