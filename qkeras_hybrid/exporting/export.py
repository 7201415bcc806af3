"""`export_model`: writes a model into a file, runs the file and compares it with the model."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.exporting import elsewhere, report, writing
from qkeras_hybrid.exporting.base import Format, Runner
from qkeras_hybrid.exporting.formats import FORMATS
from qkeras_hybrid.exporting.inputs import Signature, packed, resized
from qkeras_hybrid.exporting.report import ExportReport, Timing
from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.layers.switching import quantum_layers

BATCHES = (1, 256)
"""The sizes of the batch that are timed."""

_MOST_CALIBRATION = 500
_BUDGET_S = 0.3  # for each timing


def export_model(
    model: keras.Model,
    format: str | Format,
    output: str | os.PathLike[str],
    data: Any = None,
    *,
    labels: Any = None,
    quantize: str | None = None,
    tolerance: float = 1e-5,
    overwrite: bool = False,
) -> ExportReport:
    """Writes a model into a file that runs without this package, and compares the outputs of both.

    A model with quantum layers is first replaced by its surrogate, which computes the same without
    them. Keras's own `model.export` writes the file. Then the file runs in the format's own
    runtime, on the processor, and its outputs are compared with those of the given model.

    Args:
        model: A built Sequential or functional model.
        format: "saved_model", "onnx", "litert", "openvino", "torch", or a `Format`.
        output: The path of the file, or of a SavedModel's folder. It is created at the end, once
            all checks have passed.
        data: Samples on which the file is compared with the model, of shape `(n, *features)`; for
            several inputs a list of arrays, or a mapping from the names of the inputs. By default
            random numbers between -1 and 1. The surrogate must stay within its tolerance on these
            samples, and int8 is calibrated with the first 500.
        labels: The classes of `data`: whole numbers of shape `(n,)`, or one-hot rows. With them
            the report has accuracies.
        quantize: None for float32, or "int8" for 8-bit weights and activations, for LiteRT and ONNX
            only.
        tolerance: The largest difference between the model and its surrogate.
        overwrite: Whether to replace existing files.

    Returns:
        The differences, the accuracy, the size and the time for each sample.

    Raises:
        ValueError: If the model is not built, has inputs of unknown width or layers that the format
            can't express, or the data don't fit.
        ImportError: If a package that writes or runs the format is not installed.
        FileExistsError: If `output` exists and `overwrite` is False.
        OSError: If the file can't be written.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), PQCDense(2, n_qubits=2, n_layers=1)])
    >>> export_model(model, "gguf", "model.gguf")
    Traceback (most recent call last):
    ...
    qkeras_hybrid._errors.ArgumentError: Argument `format` must be one of 'saved_model', 'onnx', \
'litert', 'openvino', 'torch', but got 'gguf'.
    """
    kind = FORMATS.get(format)
    path = Path(output)
    if quantize is not None:
        one_of("quantize", quantize, ("int8",))
        if not kind.int8:
            able = [name for name in FORMATS.names() if FORMATS.get(name).int8]
            raise ArgumentError(
                "quantize", f"be None for {kind.title}", quantize, f"{' and '.join(able)} can."
            )
    signature = Signature.of(model)
    samples = signature.random() if data is None else signature.samples(data)
    classes = None if labels is None else _classes(labels, data, samples)
    _check_place(kind, path, overwrite)
    writer = kind.writer()

    quantum = quantum_layers(model)
    notes = _notes(quantum)
    plain = model
    if quantum:
        plain = _surrogate(model, data, tolerance)
        model = _compared(model)
    calibration = None
    if quantize:
        calibration = [array[:_MOST_CALIBRATION] for array in samples]
        if data is None:
            notes += (
                "int8 is calibrated with random samples. Give data for a better calibration.",
            )

    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name[:100]}.") as name:
        made = Path(name) / f"{path.name.removesuffix(kind.ending)}{kind.ending}"
        if writer == keras.backend.backend():
            writing.write(kind, plain, made, calibration)
        else:
            elsewhere.write(kind, plain, made, calibration, writer)
        run = kind.load(made, signature)
        wanted = keras.tree.flatten(_predict(model, samples))
        found = run(samples)
        apart = report.differences(signature.outputs, wanted, found)
        if quantize is None and not _measured(quantum):
            report.check_same(apart, wanted, tolerance)
        accuracy = None
        if classes is not None:
            accuracy = (report.accuracy(classes, wanted[0]), report.accuracy(classes, found[0]))
        result = ExportReport(
            format=kind.name,
            path=path,
            n_bytes=sum(part.stat().st_size for part in Path(name).rglob("*") if part.is_file()),
            quantize=quantize,
            n_samples=len(samples[0]),
            random=data is None,
            differences=apart,
            timings=tuple(_timing(model, run, resized(samples, n)) for n in BATCHES),
            accuracy=accuracy,
            surrogate=getattr(plain, "surrogate_report", None) if quantum else None,
            notes=notes,
        )
        _put(kind, made, path)
    return result


def _surrogate(model: keras.Model, data: Any, tolerance: float) -> keras.Model:
    # Loaded here, because a model without circuits needs none of it.
    from qkeras_hybrid.surrogates import surrogate

    return surrogate(model, data, tolerance=tolerance)


def _compared(model: keras.Model) -> keras.Model:
    """Returns the model, or one with exact means if the model would buy measurements."""
    from qkeras_hybrid.surrogates.replacing import exact_model, is_remote

    return exact_model(model)[0] if is_remote(model) else model


def _notes(layers: list[QuantumLayer]) -> tuple[str, ...]:
    """Returns sentences about how the file differs from the model."""
    if not layers:
        return ()
    from qkeras_hybrid.surrogates.replacing import is_remote

    bought = [layer.name for layer in layers if is_remote(layer)]
    noisy = [layer.name for layer in layers if layer.name not in bought and _measured([layer])]
    notes: tuple[str, ...] = ()
    if bought:
        notes = (
            f"The file has the exact mean of {' and '.join(bought)}. It is compared with that "
            "mean, which is computed here: no measurements are bought.",
        )
    if not noisy:
        return notes
    return (
        *notes,
        f"The file has the mean of {' and '.join(noisy)}, without the statistical noise of finite "
        "shots; the model it is compared with has that noise.",
    )


def _measured(layers: list[QuantumLayer]) -> bool:
    """Tells whether a layer's outputs are random, by shots or by noise that an engine may draw."""
    return any(layer.all_shots is not None or layer.noise is not None for layer in layers)


def _classes(labels: Any, data: Any, samples: list[np.ndarray]) -> np.ndarray:
    if data is None:
        raise ArgumentError("data", "be given with labels", None, "Random samples have no labels.")
    return report.checked_labels(labels, len(samples[0]))


def _check_place(kind: Format, path: Path, overwrite: bool) -> None:
    """Refuses a path where the file can't be written, before the work begins."""
    if kind.companions and path.suffix != kind.ending:
        raise ArgumentError("output", f"end with {kind.ending} for {kind.title}", str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(2, os.strerror(2), str(path.parent))
    for one in (path, *(path.with_suffix(ending) for ending in kind.companions)):
        if not (one.exists() or one.is_symlink()):
            continue
        if not overwrite:
            raise FileExistsError(17, os.strerror(17), str(one))
        # Never replace a folder that holds something else.
        ours = kind.folder and (one / "saved_model.pb").is_file()
        if one.is_dir() and not one.is_symlink() and not ours:
            raise IsADirectoryError(21, os.strerror(21), str(one))


def _put(kind: Format, made: Path, path: Path) -> None:
    """Moves a finished file to its path, and replaces existing files."""
    if kind.folder and path.is_dir() and not path.is_symlink():
        # A folder that is not empty can't be replaced in one step.
        old = made.with_name("old")
        os.replace(path, old)
        os.replace(made, path)
        shutil.rmtree(old)
        return
    if kind.folder and path.exists():
        path.unlink()
    # The file that refers to the others comes last.
    for ending in kind.companions:
        os.replace(made.with_suffix(ending), path.with_suffix(ending))
    os.replace(made, path)


def _predict(model: keras.Model, arrays: list[np.ndarray]) -> Any:
    return model.predict(packed(model, arrays), batch_size=max(BATCHES), verbose=0)


def _timing(model: keras.Model, run: Runner, arrays: list[np.ndarray]) -> Timing:
    n, given = len(arrays[0]), packed(model, arrays)
    return Timing(
        batch=n,
        predict=_seconds(lambda: model.predict(given, batch_size=n, verbose=0)) / n,
        on_batch=_seconds(lambda: model.predict_on_batch(given)) / n,
        file=_seconds(lambda: run(arrays)) / n,
    )


def _seconds(call: Callable[[], Any]) -> float:
    """Returns the shortest time of a call, after a first call that compiles."""
    call()
    taken: list[float] = []
    start = time.perf_counter()
    while not taken or time.perf_counter() - start < _BUDGET_S:
        before = time.perf_counter()
        call()
        taken.append(time.perf_counter() - before)
    return min(taken)
