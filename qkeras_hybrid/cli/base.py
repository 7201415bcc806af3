"""Shared by all commands: the app, error messages, and muting of libraries."""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from qkeras_hybrid_launcher import stderr_muted

PROGRAM = "qkeras-hybrid"
RESULTS = "results.jsonl"

# The same names as those of `qkeras_hybrid.bench.suite.names`, which would load Keras first.
SUITES = tuple(
    sorted(file.stem for file in (Path(__file__).parents[1] / "bench/suites").glob("*.toml"))
)
"""The names of the suites that come with the package."""

app = typer.Typer(
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def say(message: str) -> None:
    """Prints a line on the error stream, after the program's name."""
    print(f"{PROGRAM}: {' '.join(message.split())}", file=sys.stderr)


def fail(message: str, code: int) -> typer.Exit:
    """Prints an error in one line and returns the exception to raise."""
    say(f"error: {message}")
    return typer.Exit(code)


def stopped(message: str) -> typer.Exit:
    """Prints that Ctrl-C stopped the command and returns the exception to raise."""
    say(f"stopped {message}")
    return typer.Exit(130)


@contextlib.contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Treats SIGTERM like Ctrl-C, so that a run ended by a scheduler closes files and workers.

    This works only in the main thread; in another, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        # None stands for a handler that C code has set, which Python can't set again.
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


@contextlib.contextmanager
def native_stderr_muted() -> Iterator[None]:
    """Hides what C++ libraries write to the terminal while they load.

    The package itself is loaded first, so that the commands' imports find it complete.

    Raises:
        typer.Exit: If Keras can't start; the reason is printed.
    """
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with stderr_muted():
        reason = _load_package()
        if not reason:
            yield
    if reason:
        raise fail(reason, 2)


def _load_package() -> str:
    """Imports the package; returns the reason if that fails, else an empty text."""
    import qkeras_hybrid

    try:
        qkeras_hybrid.layers  # noqa: B018  (loads the layers, which the launcher postpones)
    except ImportError as error:  # for example, the Keras backend is not installed
        return str(error)
    return ""


def _print_version(asked: bool) -> None:
    if asked:
        try:
            number = importlib.metadata.version("qkeras_hybrid")
        except importlib.metadata.PackageNotFoundError:  # a source tree that is not installed
            number = "0+unknown"
        typer.echo(f"{PROGRAM} {number}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Trains hybrid quantum-classical Keras models and compares them with Dense networks.

    A hybrid model is a Keras model with a quantum circuit as one of its layers.

    Examples:

    - `qkeras-hybrid doctor`: check that everything works here
    - `qkeras-hybrid compare`: compare a hybrid model with two Dense networks on images of digits
    - `qkeras-hybrid run quick`, then `qkeras-hybrid report results/quick`: run a suite of
      comparisons and write a report

    Exit codes: 0 done, 1 something failed, 2 wrong usage, 130 Ctrl-C or SIGTERM. Each command has
    its own `--help`.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
