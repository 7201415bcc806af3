"""`qkeras-hybrid export`: a model in a file that runs without this package."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import rich.box
import rich.console
import rich.table
import typer

from qkeras_hybrid._checks import bytes_text
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.cli.base import app, fail, native_stderr_muted, say, stopped
from qkeras_hybrid_launcher import stderr_muted

if TYPE_CHECKING:
    from qkeras_hybrid.exporting import ExportReport


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="A model that Keras saved.", metavar="MODEL.keras")],
    format: Annotated[
        str, typer.Option(help="saved_model, onnx, litert, openvino or torch.")
    ] = "onnx",
    data: Annotated[
        Path | None,
        typer.Option(
            help="Samples: a .npy file or, for a model with several inputs, a .npz file with an "
            "array for each input's name. If not given, random numbers are used."
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="A .npy file with the class of each sample, to compute accuracies."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="The file, or the folder of a SavedModel; by default beside the model."),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Use 8-bit weights and activations, for onnx and litert.")
    ] = False,
    tolerance: Annotated[
        float, typer.Option(help="The largest allowed difference of model and surrogate.")
    ] = 1e-5,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
) -> None:
    """Write a model into a file that runs without this package, and check it there.

    Circuits are first replaced by surrogates: classical layers that compute the same values. The
    file then runs on the data in its own runtime, such as ONNX Runtime. The command prints how far
    the outputs differ from the model's, accuracies if there are labels, and the time per sample.

    Examples:
    - `qkeras-hybrid export digits.keras --format onnx --data x_test.npy --labels y_test.npy`

    - `qkeras-hybrid export digits.keras --format litert --int8 --data x_train.npy`

    Exit codes: 0 done, 1 a file can't be read or written, 2 wrong usage, 130 Ctrl-C or SIGTERM.
    """
    try:
        with native_stderr_muted():
            from qkeras_hybrid import exporting

        kind = exporting.FORMATS.get(format)
        samples = None if data is None else _arrays(data, "data")
        classes = None if labels is None else _arrays(labels, "labels")
        model = _model(file)
        say(f"exporting {file} to {kind.title} ...")
        with _converters_muted():
            report = exporting.export_model(
                model,
                kind,
                output or file.with_suffix(kind.ending),
                samples,
                labels=classes,
                quantize="int8" if int8 else None,
                tolerance=tolerance,
                overwrite=overwrite,
            )
    except FileExistsError as error:
        raise fail(f"{error.filename} exists already; --overwrite replaces it.", 2) from error
    except OSError as error:
        raise fail(f"{error.filename or file}: {error.strerror or error}.", 1) from error
    except (ImportError, RuntimeError, ValueError) as error:
        raise fail(_in_options(error), 2) from error
    except KeyboardInterrupt as error:
        raise stopped("before the file was written.") from error
    _show(report)


@contextmanager
def _converters_muted() -> Iterator[None]:
    """Hides what converters write to the terminal, except this package's warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with stderr_muted():
            yield
    package = Path(__file__).resolve().parents[1]
    for warning in caught:
        if Path(warning.filename).resolve().is_relative_to(package):
            say(f"warning: {warning.message}")


def _model(file: Path) -> Any:
    import keras

    if not file.is_file():
        raise FileNotFoundError(2, "there is no such file", str(file))
    try:
        with stderr_muted():
            try:
                return keras.saving.load_model(file)
            except Exception:  # perhaps because of a user's loss or metric, which is not needed
                return keras.saving.load_model(file, compile=False)
    except Exception as error:  # Keras raises errors of many classes for unreadable files
        raise ArgumentError(
            "file", "be a model that Keras saved and can load", str(file), str(error)
        ) from error


def _arrays(file: Path, argument: str) -> Any:
    """Returns the array of a .npy file, or those of a .npz file by name."""
    import numpy as np

    try:
        found = np.load(file, allow_pickle=False)
    except (EOFError, ValueError) as error:  # such as text, or objects
        raise ArgumentError(
            argument, "be a .npy or .npz file of numbers", str(file), str(error)
        ) from error
    if isinstance(found, np.ndarray):
        return found
    with found:
        arrays = {name: found[name] for name in found.files}
    return next(iter(arrays.values())) if len(arrays) == 1 else arrays


def _in_options(error: Exception) -> str:
    """Returns an error's text, with the option's name in place of the argument's."""
    options = {
        **{"file": "MODEL.keras", "model": "MODEL.keras", "quantize": "--int8"},
        **{name: f"--{name}" for name in ("format", "data", "labels", "output", "tolerance")},
    }
    if not isinstance(error, ArgumentError) or error.argument not in options:
        return str(error)
    name = options[error.argument]
    return str(ArgumentError(name, error.requirement, error.got, error.fix))


def _show(report: ExportReport) -> None:
    console = rich.console.Console(highlight=False)
    if report.surrogate is not None:
        console.print(str(report.surrogate), markup=False, soft_wrap=True)
        console.print()
    kind = "random samples" if report.random else "samples"
    table = rich.table.Table(
        title=f"{report.format} and the model, on {report.n_samples} {kind}",
        box=rich.box.SIMPLE_HEAD,
    )
    table.add_column("output")
    for heading in ("worst difference", "mean difference"):
        table.add_column(heading, justify="right")
    for row in report.differences:
        table.add_row(row.output, f"{row.worst:.2g}", f"{row.mean:.2g}")
    console.print(table)
    table = rich.table.Table(title="seconds per sample", box=rich.box.SIMPLE_HEAD)
    headings = ("batch", "predict", "predict_on_batch", report.format, "times as fast as predict")
    for heading in headings:
        table.add_column(heading, justify="right")
    for one in report.timings:
        seconds = (f"{value:.2g}" for value in (one.predict, one.on_batch, one.file))
        table.add_row(str(one.batch), *seconds, f"{one.predict / one.file:,.0f}")
    console.print(table)
    if report.accuracy is not None:
        of_model, of_file = report.accuracy
        console.print(f"Accuracy: {of_file:.2%}, of the model {of_model:.2%}.")
    for note in report.notes:
        console.print(note, markup=False)
    console.print(
        f"File: {report.path} ({report.quantize or 'float32'}, {bytes_text(report.n_bytes)})",
        markup=False,
        soft_wrap=True,
    )
