"""`qkeras-hybrid compare`: a hybrid model against two Dense networks, on real data."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import rich.console
import rich.progress
import typer

from qkeras_hybrid._checks import one_of
from qkeras_hybrid.cli.base import RESULTS, app, fail, native_stderr_muted, stopped

if TYPE_CHECKING:
    from qkeras_hybrid.bench.task import Results, Row, Task


@app.command()
def compare(
    dataset: Annotated[
        str, typer.Option(help="Data set: one of `qkeras-hybrid list datasets`.")
    ] = "digits",
    model: Annotated[
        str, typer.Option(help="Hybrid model: one of `qkeras-hybrid list models`.")
    ] = "pqc_dense",
    seeds: Annotated[
        int, typer.Option(min=1, help="Number of seeds: splits, first weights, batch orders.")
    ] = 5,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of every run.")] = 8,
    batch_size: Annotated[int, typer.Option(min=1, help="Samples a training step.")] = 32,
    learning_rate: Annotated[float, typer.Option(help="Step size of Adam, for all.")] = 0.02,
    test_size: Annotated[
        float, typer.Option(help="Share of the samples that only the test sees.")
    ] = 0.25,
    qubits: Annotated[int, typer.Option(min=1, help="Qubits of the circuit.")] = 6,
    layers: Annotated[int, typer.Option(min=1, help="Layers of the ansatz.")] = 3,
    encoding: Annotated[
        str, typer.Option(help="Encoding: one of `qkeras-hybrid list encodings`.")
    ] = "angle",
    ansatz: Annotated[
        str, typer.Option(help="Ansatz: one of `qkeras-hybrid list ansatz`.")
    ] = "strongly_entangling",
    engine: Annotated[
        str, typer.Option(help='Engine: "auto" or one of `qkeras-hybrid list engines`.')
    ] = "auto",
    output: Annotated[
        Path, typer.Option(help=f"Folder of the results file, {RESULTS}.", file_okay=False)
    ] = Path("qkeras-hybrid-results"),
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Rename an existing results file and run everything again."),
    ] = False,
) -> None:
    """Train a hybrid model and two Dense networks on real data and compare them.

    The two are a Dense network with the same number of parameters (within 5 %), and the hybrid
    with a Dense layer of the same width in place of the quantum layer. All three see the same
    splits, seeds, epochs and batches.

    Each run is a line of JSON in the results file. The same command given again, after Ctrl-C
    or with more seeds, runs only what is missing.

    Examples:
    - `qkeras-hybrid compare`

    - `qkeras-hybrid compare --dataset iris --qubits 4 --layers 2 --epochs 30`

    - `qkeras-hybrid compare --dataset mnist_3v6 --seeds 10 --output results/mnist`

    Exit codes: 0 done, 1 some runs failed or a file can't be used, 2 wrong usage, 130 Ctrl-C.
    """
    try:
        # These imports take seconds: after the options are known to be well-formed, not before.
        with native_stderr_muted():
            import keras

            from qkeras_hybrid import datasets
            from qkeras_hybrid.bench import controls, task

        one_of("--dataset", dataset, datasets.names())
        one_of("--model", model, controls.MODELS)
        if not learning_rate > 0:
            raise ValueError(f"Argument `--learning-rate` must be over 0, but got {learning_rate}.")
        specification = {
            "name": model,
            "n_qubits": qubits,
            "n_layers": layers,
            "encoding": encoding,
            "ansatz": ansatz,
            "engine": engine,
        }
        # Built once before anything runs, so that a mistake shows now and not in every row.
        data = datasets.load(dataset)
        datasets.split(data, 0, test_size)
        controls.controls_for(controls.build(specification, data.n_features, data.n_classes))
        tasks = task.plan(
            data={"name": dataset, "test_size": test_size},
            model=specification,
            training={"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate},
            backend=keras.backend.backend(),
            contenders=["hybrid", *controls.CONTROLS],
            seeds=range(seeds),
        )
    except ValueError as error:
        raise fail(str(error), 2) from error
    except KeyboardInterrupt as error:
        raise stopped("before the first run.") from error
    path = output / RESULTS
    try:
        with task.Results(path) as results:
            if fresh:
                _set_aside(results)
            rows = _run(tasks, results)
    except (task.ResultsInUseError, task.ResultsError) as error:
        raise fail(str(error), 1) from error
    _show(rows, path)
    if any(row["error"] is not None for row in rows):
        raise typer.Exit(1)


def _set_aside(results: Results) -> None:
    aside = results.set_aside()
    if aside is not None:
        print(f"The results so far are kept as {aside}.", file=sys.stderr)


def _run(tasks: Sequence[Task], results: Results) -> list[Row]:
    """Runs what is missing under progress bars; returns the last row of each task, in order."""
    from qkeras_hybrid.bench import report, runner, task

    if results.torn:
        print(
            f"The last line of {results.path} was torn: it is cut off, and its run is repeated.",
            file=sys.stderr,
        )
    finished = results.finished()
    done = sum(one.id in finished for one in tasks)
    if done:
        print(
            f"{done} of {len(tasks)} runs are in {results.path} already"
            + (" (--fresh runs them again)." if done == len(tasks) else "; the rest follows."),
            file=sys.stderr,
        )
    console = rich.console.Console(stderr=True)
    progress = rich.progress.Progress(
        rich.progress.TextColumn("{task.description:<30}"),
        rich.progress.BarColumn(bar_width=20),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeElapsedColumn(),
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

            for _ in runner.run(tasks, results, on_epoch):
                progress.advance(runs)
    except KeyboardInterrupt as error:
        finished = results.finished()
        done = sum(one.id in finished for one in tasks)
        raise stopped(
            f"with {done} of {len(tasks)} runs in {results.path}. The same command goes on from "
            "there."
        ) from error
    rows = task.latest(results.rows)
    return [rows[one.id] for one in tasks]


def _show(rows: Sequence[Row], path: Path) -> None:
    from qkeras_hybrid.bench import report

    console = rich.console.Console(highlight=False)
    console.print(report.table(rows))
    console.print()
    for note in report.notes(rows):
        console.print(note, markup=False)
    console.print()
    console.print(report.verdict(rows), markup=False)
    console.print()
    console.print(f"Rows: {path}", markup=False, soft_wrap=True)
