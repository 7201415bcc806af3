"""The command line: `qkeras-hybrid compare` and `qkeras-hybrid list`.

Exit codes: 0, all is done; 1, some runs failed, or a file can't be read or written; 2, the
command line asks for something that isn't there; 130, stopped with Ctrl-C.
"""

from __future__ import annotations

import os

# TensorFlow's C++ parts log while they load. Errors still come as exceptions; a level that the
# user sets stays as it is.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import rich.console
import rich.progress
import typer

from qkeras_hybrid._checks import one_of

if TYPE_CHECKING:
    from qkeras_hybrid.bench.task import Results, Row, Task

PROGRAM = "qkeras-hybrid"
RESULTS = "results.jsonl"

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code.

    Args:
        arguments: What stands after the program's name; None for `sys.argv`'s.
    """
    try:
        code = app(
            None if arguments is None else list(arguments),
            prog_name=PROGRAM,
            standalone_mode=False,
        )
    except typer.TyperException as error:
        _say(f"error: {error.format_message().rstrip('.')}. See {PROGRAM} --help.")
        return error.exit_code
    except KeyboardInterrupt:
        code = 130
    return code or 0


def _say(message: str) -> None:
    print(f"{PROGRAM}: {' '.join(message.split())}", file=sys.stderr)


def _fail(message: str, code: int) -> typer.Exit:
    _say(f"error: {message}")
    return typer.Exit(code)


def _stopped(message: str) -> typer.Exit:
    _say(f"stopped {message}")
    return typer.Exit(130)


@contextlib.contextmanager
def _native_stderr_muted() -> Iterator[None]:
    """Hides what C++ libraries write to the terminal while they load.

    TensorFlow's log level does not reach what it says before its log is set up. Python's own
    errors are not lost: they are raised.
    """
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _print_version(asked: bool) -> None:
    if asked:
        import qkeras_hybrid

        typer.echo(f"{PROGRAM} {qkeras_hybrid.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Trains hybrid quantum-classical Keras models and compares them with Dense networks."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


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
        with _native_stderr_muted():
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
        raise _fail(str(error), 2) from error
    except KeyboardInterrupt as error:
        raise _stopped("before the first run.") from error
    path = output / RESULTS
    try:
        with task.Results(path) as results:
            if fresh:
                _set_aside(results)
            rows = _run(tasks, results)
    except (task.ResultsInUseError, task.ResultsError) as error:
        raise _fail(str(error), 1) from error
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
        raise _stopped(
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


def _engines() -> dict[str, str]:
    from qkeras_hybrid import engines

    return engines.status()


def _encodings() -> dict[str, str]:
    from qkeras_hybrid import encodings

    return dict.fromkeys(encodings.names(), "")


def _ansatz() -> dict[str, str]:
    from qkeras_hybrid import ansatz

    return dict.fromkeys(ansatz.names(), "")


def _datasets() -> dict[str, str]:
    from qkeras_hybrid import datasets

    return dict.fromkeys(datasets.names(), "")


def _models() -> dict[str, str]:
    from qkeras_hybrid.bench import controls

    return {name: (build.__doc__ or "").split("\n")[0] for name, build in controls.MODELS.items()}


_LISTS: dict[str, Callable[[], dict[str, str]]] = {
    "engines": _engines,
    "encodings": _encodings,
    "ansatz": _ansatz,
    "datasets": _datasets,
    "models": _models,
}


@app.command("list")
def list_names(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(_LISTS)}.")],
) -> None:
    """List the names that the options of `compare` take, one a line.

    Examples:
    - `qkeras-hybrid list datasets`

    - `qkeras-hybrid list engines` (with what keeps an engine from running here)
    """
    try:
        names_of = _LISTS[one_of("kind", kind, _LISTS)]
        with _native_stderr_muted():
            names = names_of()
    except ValueError as error:
        raise _fail(str(error), 2) from error
    except KeyboardInterrupt as error:
        raise _stopped("before the list was made.") from error
    for name, said in names.items():
        typer.echo(f"{name}: {said}" if said else name)


if __name__ == "__main__":
    sys.exit(main())
