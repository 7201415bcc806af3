"""Writes a model and tries the file, and finds the layers that a format has no operations for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.exporting.base import Format
from qkeras_hybrid.exporting.inputs import Signature

# Errors that say nothing about the layers.
_NOT_THE_MODELS = (ArgumentError, ImportError, MemoryError, OSError)


def write(
    kind: Format, model: keras.Model, path: Path, calibration: list[np.ndarray] | None = None
) -> None:
    """Writes a model in a format, and runs the file at several sizes of the batch.

    Args:
        kind: The format; the Keras backend is one of its `backends`.
        model: A model without quantum layers.
        path: The path of the file.
        calibration: None, or samples for int8.

    Raises:
        ValueError: If the format can't express the model; the error names the layers.
    """
    try:
        _attempt(kind, model, path, calibration)
    except _NOT_THE_MODELS:
        raise
    except Exception as error:  # each converter and runtime raises its own errors
        refused = list(_refused(kind, model))
        reason = _sentence(error)
        if refused:
            raise ArgumentError(
                "model",
                f"hold only layers that {kind.title} can express",
                ", ".join(refused),
                f"The reason: {reason}",
            ) from error
        raise ArgumentError(
            "model",
            f"be one that {kind.title} can express",
            model.name,
            f"Each layer can be written on its own, but not all together. The reason: {reason}",
        ) from error


def _attempt(
    kind: Format, model: keras.Model, path: Path, calibration: list[np.ndarray] | None
) -> None:
    kind.write(model, path, calibration)
    signature = Signature.of(model)
    run = kind.load(path, signature)
    for n in (1, 3):
        found = run(signature.random(n=n))
        shapes = [array.shape[:1] for array in found]
        if shapes != [(n,)] * len(signature.outputs):
            raise ValueError(f"for {n} samples it returns outputs of the lengths {shapes}")


def _refused(kind: Format, model: keras.Model) -> Iterator[str]:
    """Yields the layers of a model that can't be written by themselves."""
    # A Sequential model has only layers, and no list of operations.
    for operation in getattr(model, "operations", None) or model.layers:
        if isinstance(operation, keras.layers.InputLayer):
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                alone = keras.Model(operation.input, operation.output)
                _attempt(kind, alone, Path(folder) / f"layer{kind.ending}", None)
            except Exception:
                yield f"{operation.name} ({type(operation).__name__})"


def _sentence(error: Exception, limit: int = 300) -> str:
    """Returns the first meaningful lines of an error."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 3] + "..."
