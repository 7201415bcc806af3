"""Models from a user's own Python file."""

from __future__ import annotations

import functools
import hashlib
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.bench.heads import Data
from qkeras_hybrid.layers.switching import quantum_layers


def is_file(name: Any) -> bool:
    """Tells whether a model's name refers to a function in a user's file."""
    return isinstance(name, str) and (".py:" in name or name.endswith(".py"))


def split(name: str) -> tuple[Path, str]:
    """Returns the path and the function of `"path/to/file.py:function"`.

    Raises:
        ValueError: If the name has another form.
    """
    path, _, function = name.rpartition(":")
    if not path.endswith(".py") or not function:
        raise ArgumentError("model", 'be "path/to/file.py:function"', name)
    return Path(path), function


def content(path: Path, argument: str = "model") -> bytes:
    """Returns the content of a file that an argument names.

    Raises:
        ValueError: If it can't be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ArgumentError(
            argument,
            "name a file that can be read",
            str(path),
            f"{reason}.",
        ) from error


def build_from_file(name: str, arguments: Mapping[str, Any], dataset: Data) -> keras.Model:
    """Builds a model with a user's function: see `qkeras_hybrid.bench.models.build`.

    Raises:
        ValueError: If the file can't be run, or its function does not return such a model.
    """
    path, function = split(name)
    module = module_of(path.resolve(), content(path))
    builder = getattr(module, function, None)
    if not callable(builder):
        known = [
            key
            for key, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__
        ]
        raise ArgumentError(
            "model",
            f"name a function of {path}",
            function,
            f"Functions there: {', '.join(known) or 'none'}.",
        )
    try:
        inspect.signature(builder).bind(dataset.n_features, dataset.n_outputs, **arguments)
    except TypeError as error:
        raise ArgumentError(
            "model",
            f"fit {function}{inspect.signature(builder)} of {path}",
            dict(arguments),
            f"It is called as {function}(n_features, n_outputs, **arguments): {error}.",
        ) from error
    try:
        model = builder(dataset.n_features, dataset.n_outputs, **arguments)
    except Exception as error:
        raise ValueError(
            f"{name} failed to build a model. {type(error).__name__}: {error}"
        ) from error
    _check_model(name, model, dataset)
    return model


@functools.cache
def module_of(path: Path, content: bytes) -> ModuleType:
    """Runs a file and returns its module; the file runs again only if its content has changed."""
    digest = hashlib.sha256(str(path).encode() + b"\0" + content).hexdigest()[:16]
    name = f"_qkeras_hybrid_model_{digest}"
    module = ModuleType(name)
    module.__file__ = str(path)
    # Pickle and Keras look for the file's classes here.
    sys.modules[name] = module
    try:
        exec(compile(content, str(path), "exec"), vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise ValueError(
            f"The model file {path} failed to import{line}. {type(error).__name__}: {error}"
        ) from error
    return module


def _check_model(name: str, model: Any, dataset: Data) -> None:
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"{name} must return a keras.Model, but returned {type(model).__name__}."
            + (" Does it end in `return model`?" if model is None else "")
        )
    if not model.built:
        raise ValueError(
            f"{name} must return a built model. Begin it with keras.Input(({dataset.n_features},))."
        )
    if not quantum_layers(model):
        raise ValueError(
            f"{name} must return a model with a quantum layer in it, such as PQC, PQCDense or "
            f"QuantumEmbedding, but it has {', '.join(type(x).__name__ for x in model.layers)}."
        )
    for side, shape, width in (
        ("input", model.input_shape, dataset.n_features),
        ("output", model.output_shape, dataset.n_outputs),
    ):
        if shape != (None, width):
            raise ValueError(
                f"{name} must return a model with {side} shape {(None, width)}, but it has "
                f"{shape}. It is called with n_features={dataset.n_features} and "
                f"n_outputs={dataset.n_outputs}; images are flattened: begin with a Reshape."
            )
    if dataset.task == "classification":
        probe = np.random.default_rng(0).normal(size=(4, dataset.n_features))
        values = keras.ops.convert_to_numpy(model(probe.astype("float32"), training=False))
        # The tolerance allows for half precision, which has three digits.
        if values.min() < 0 or not np.allclose(values.sum(axis=-1), 1.0, atol=1e-2):
            raise ValueError(
                f"{name} must return class probabilities, which sum to 1, but for a sample it "
                f"returned {values[0].tolist()}. End the model in a softmax."
            )
