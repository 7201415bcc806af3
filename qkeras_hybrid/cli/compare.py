"""`qkeras-hybrid compare`: a hybrid model against two Dense networks, on real data."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import rich.console
import typer

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.cli.base import RESULTS, app, fail, native_stderr_muted, say, stopped
from qkeras_hybrid.cli.plan import MaxHours, Yes, ask_beyond, check_max_hours, estimated, missing
from qkeras_hybrid.cli.progress import run_with_progress, set_aside

if TYPE_CHECKING:
    from qkeras_hybrid.bench.row import Row
    from qkeras_hybrid.bench.task import Task


_OWN = "If not given, the model's default, which is {} for pqc_dense."


@app.command()
def compare(
    dataset: Annotated[
        str, typer.Option(help="Data set: one of `qkeras-hybrid list datasets`.")
    ] = "digits",
    model: Annotated[
        str, typer.Option(help="Hybrid model: one of `qkeras-hybrid list models`.")
    ] = "pqc_dense",
    seeds: Annotated[
        int,
        typer.Option(
            min=1,
            help="Number of seeds. Each seed has its own split, initial weights and batch order. "
            "Fewer than 7 can't show a significant difference.",
        ),
    ] = 7,
    epochs: Annotated[int, typer.Option(min=1, help="Number of epochs of each run.")] = 8,
    batch_size: Annotated[int, typer.Option(min=1, help="Samples per training step.")] = 32,
    learning_rate: Annotated[
        float, typer.Option(help="Learning rate of Adam, for all models.")
    ] = 0.02,
    test_size: Annotated[
        float, typer.Option(help="Fraction of the samples in the test set.")
    ] = 0.25,
    qubits: Annotated[
        int | None, typer.Option(min=1, help=f"Number of qubits. {_OWN.format(6)}")
    ] = None,
    layers: Annotated[
        int | None, typer.Option(min=1, help=f"Number of layers of the ansatz. {_OWN.format(3)}")
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            help=f"Encoding: one of `qkeras-hybrid list encodings`. {_OWN.format('angle')}"
        ),
    ] = None,
    ansatz: Annotated[
        str | None,
        typer.Option(
            help="Ansatz: one of `qkeras-hybrid list ansatz`. " + _OWN.format("strongly_entangling")
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(help='Engine: "auto" or one of `qkeras-hybrid list engines`.')
    ] = "auto",
    shots: Annotated[
        str,
        typer.Option(
            help='Mean number of shots for each measurement setting of a circuit, or "exact".'
        ),
    ] = "exact",
    noise: Annotated[
        str,
        typer.Option(help="Noise of the circuits, e.g. depolarizing:0.01@2q+readout_error:0.02."),
    ] = "none",
    mitigation: Annotated[
        str,
        typer.Option(
            help="Error mitigation: one of `qkeras-hybrid list mitigation`, or several joined by +."
        ),
    ] = "none",
    noisy_training: Annotated[
        bool,
        typer.Option(
            "--noisy-training",
            help="Also train with shots, noise and mitigation. If not given, only the scores are "
            "computed with them.",
        ),
    ] = False,
    surrogate: Annotated[
        bool,
        typer.Option(
            "--surrogate",
            help="Also train a classical surrogate with about as many parameters as the circuit: a "
            "tensor train on the circuit's Fourier terms.",
        ),
    ] = False,
    intervene: Annotated[
        bool,
        typer.Option(
            "--intervene",
            help="Afterwards, test whether the trained hybrid of seed 0 needs its circuits: "
            "replace their outputs by the mean, by shuffled outputs and by a surrogate, and "
            "retrain the hybrid without the circuits.",
        ),
    ] = False,
    output: Annotated[
        Path, typer.Option(help=f"Folder of the results file, {RESULTS}.", file_okay=False)
    ] = Path("qkeras-hybrid-results"),
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Rename an existing results file and run everything again."),
    ] = False,
    max_hours: MaxHours = None,
    yes: Yes = False,
) -> None:
    """Train a hybrid model and two Dense networks on real data and compare them.

    The first Dense network has as many parameters as the hybrid (within 5 %). The second is the
    hybrid with a Dense layer of the same width in place of the quantum layer. All three use the
    same splits, seeds, epochs and batches.

    Each run is a line of JSON in the results file. If you repeat the command, after Ctrl-C or with
    more seeds, it runs only what is missing. Shots and noise don't concern the Dense networks: if
    you change these options, only the hybrid runs again.

    Examples:
    - `qkeras-hybrid compare`

    - `qkeras-hybrid compare --dataset iris --qubits 4 --layers 2 --epochs 30`

    - `qkeras-hybrid compare --shots 1000 --noise depolarizing:0.01`

    - `qkeras-hybrid compare --dataset iris --surrogate`

    - `qkeras-hybrid compare --dataset iris --intervene`

    - `qkeras-hybrid compare --dataset mnist_3v6 --seeds 10 --output results/mnist`

    Exit codes: 0 done, 1 some runs failed, a file can't be used or the intervention test can't be
    run, 2 wrong usage, 130 Ctrl-C or SIGTERM.
    """
    check_max_hours(max_hours)
    asked = {"n_qubits": qubits, "n_layers": layers, "encoding": encoding, "ansatz": ansatz}
    given = {name: value for name, value in asked.items() if value is not None}
    try:
        # These imports take seconds, so they wait until the options are known to be well-formed.
        with native_stderr_muted():
            from qkeras_hybrid import datasets
            from qkeras_hybrid.bench import execution, models, runner
            from qkeras_hybrid.bench import results as files

        one_of("dataset", dataset, datasets.names())
        one_of("model", model, models.MODELS)
        # The rows contain the defaults too, so that they show what ran even if defaults change.
        taken = inspect.signature(models.MODELS[model]).parameters
        defaults = {name: taken[name].default for name in asked if name in taken}
        table = execution.normalized(
            {
                "shots": int(shots) if shots.isdecimal() else shots,
                "noise": noise,
                "mitigation": mitigation,
                "noisy_training": noisy_training,
            }
        )
        # Without shots, noise and mitigation, the engine is an argument of the model, as in rows
        # that are older than these options. With them, it is a part of the execution table, so
        # that the rows of the Dense networks are valid for every engine.
        own = engine
        if table is not None:
            own, table = "auto", execution.normalized({**table, "engine": engine})
        tasks, _ = runner.plan(
            {"name": dataset, "test_size": test_size},
            {"name": model, **defaults, **given, "engine": own},
            {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate},
            range(seeds),
            [*_CONTENDERS, *(["surrogate"] if surrogate else [])],
            execution=table,
        )
    except ValueError as error:
        raise fail(_in_options(error), 2) from error
    except KeyboardInterrupt as error:
        raise stopped("before the first run.") from error
    path = output / RESULTS

    def start(on_epoch: runner.OnEpoch, on_lost: object) -> Iterator[Row]:
        return runner.run(tasks, results, on_epoch)

    try:
        if max_hours is not None and not yes:
            stored = files.read_rows(path, say)
            left = tasks if fresh else missing(tasks, stored)
            made = estimated(tasks, left, stored, workers=1, fast=False)
            ask_beyond(made, max_hours)
        with files.Results(path) as results:
            if fresh:
                set_aside(results)
            rows = run_with_progress(tasks, results, start)
    except (files.ResultsInUseError, files.ResultsError) as error:
        raise fail(str(error), 1) from error
    _show(rows, path)
    if intervene:
        _intervene(tasks[0], rows)
    if any(row.error is not None for row in rows):
        raise typer.Exit(1)


_CONTENDERS = ("hybrid", "dense_same_parameters", "dense_same_width")

# Options whose names differ from those of their arguments.
_OPTIONS = {"n_qubits": "qubits", "n_layers": "layers", "qubits": "qubits"}


def _in_options(error: ValueError) -> str:
    """Returns an error's text, with the option's name in place of the argument's."""
    if not isinstance(error, ArgumentError):
        return str(error)
    option = "--" + _OPTIONS.get(error.argument, error.argument).replace("_", "-")
    return str(ArgumentError(option, error.requirement, error.got, error.fix))


def _show(rows: Sequence[Row], path: Path) -> None:
    from qkeras_hybrid.bench import report, statistics

    (rows,) = statistics.comparisons(rows).values()
    console = rich.console.Console(highlight=False)
    console.print(report.table(rows))
    console.print()
    for note in report.notes(rows):
        console.print(note, markup=False)
    console.print()
    console.print(report.verdict(rows), markup=False)
    console.print()
    console.print(f"Rows: {path}", markup=False, soft_wrap=True)


def _intervene(task: Task, rows: Sequence[Row]) -> None:
    """Tests whether the hybrid of the first seed needs its circuits, and prints the result."""
    from qkeras_hybrid.bench import intervening, report, statistics

    (own,) = (row for row in rows if row.task == task.id)
    if own.error is not None:
        raise fail(f"The hybrid of seed {task.seed} failed, so there is nothing to test.", 1)
    print("Testing whether the hybrid needs its circuits; it trains again.", file=sys.stderr)
    try:
        found = intervening.intervene(task)
    except ValueError as error:
        raise fail(f"The intervention test can't be run on this hybrid. {error}", 1) from error
    except KeyboardInterrupt as error:
        raise stopped("before the intervention test was done.") from error
    (its,) = statistics.comparisons(rows).values()
    console = rich.console.Console(highlight=False)
    console.print()
    console.print(report.interventions(found, its, task.seed), markup=False)
