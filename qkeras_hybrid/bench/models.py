"""Hybrid models to compare, by name, and models from a user's own Python file.

A builder is a function of a data set and keyword arguments that returns an untrained model from
`(batch, n_features)` to `(batch, n_outputs)`: class probabilities, one number for regression, or
costs for decisions. Angles are in radians. `datasets.split` has standardised the features.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._value import new_names
from qkeras_hybrid.bench.builders import (
    embedding_head,
    iqp,
    pqc_dense,
    quantum_kernel,
    reuploading,
    transfer,
)
from qkeras_hybrid.bench.convolutions import qcnn, quanvolution
from qkeras_hybrid.bench.heads import Data
from qkeras_hybrid.bench.model_files import build_from_file, content, is_file, module_of, split
from qkeras_hybrid.bench.on_states import circuit_on_states, cluster_qcnn, two_copy_test

MODELS: dict[str, Callable[..., keras.Model]] = {
    "pqc_dense": pqc_dense,
    "reuploading": reuploading,
    "iqp": iqp,
    "qcnn": qcnn,
    "quanvolution": quanvolution,
    "embedding_head": embedding_head,
    "quantum_kernel": quantum_kernel,
    "transfer": transfer,
    "circuit_on_states": circuit_on_states,
    "cluster_qcnn": cluster_qcnn,
    "two_copy_test": two_copy_test,
}
"""The hybrid models by name: `builder(dataset, **arguments)`."""


# Names of arguments in version 0.1. Its suites and rows are still valid.
_RENAMED = {"iqp": {"n_repeats": "n_encoding_layers"}}


def build(model: Mapping[str, Any], dataset: Data) -> keras.Model:
    """Builds a hybrid model from its name and arguments.

    A name such as `"path/to/file.py:function"` is a function in a user's file. It is called as
    `function(n_features, n_outputs, **arguments)` and returns an untrained Keras model with a
    quantum layer. The model maps `(batch, n_features)` to class probabilities
    `(batch, n_outputs)`, to `(batch, 1)` for regression, or to `n_outputs` costs. The file can't
    import other files of its folder, because `fingerprint` would not notice changes in them.

    Args:
        model: The `"name"` and the arguments of the builder.
        dataset: The data set that the model is built for.

    Returns:
        An untrained model from `(batch, n_features)` to `(batch, n_outputs)`.

    Raises:
        ValueError: If the name or an argument is unknown, the builder refuses a value, a file
            can't be run, or its function does not return such a model.

    Example:

    >>> import types
    >>> iris = types.SimpleNamespace(
    ...     n_features=4, n_outputs=3, task="classification", image_shape=None
    ... )
    >>> build({"name": "reuploading", "n_qubits": 2, "n_layers": 1}, iris).output_shape
    (None, 3)
    """
    arguments = dict(model)
    if "name" not in arguments:
        raise ArgumentError("model", 'have a "name"', arguments)
    name = arguments.pop("name")
    if is_file(name):
        return build_from_file(name, arguments, dataset)
    if name not in MODELS:
        raise ArgumentError(
            "model",
            f"be one of {', '.join(map(repr, MODELS))}",
            name,
            'Your own model is "path/to/file.py:function".',
        )
    arguments = new_names(_RENAMED.get(name, {}), arguments)
    _check_arguments(MODELS[name], arguments)
    return MODELS[name](dataset, **arguments)


def defaults(model: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the default arguments of a model's builder.

    Args:
        model: As for `build`, with a name that `build` takes.

    Example:
        >>> defaults({"name": "reuploading", "n_qubits": 2})
        {'n_qubits': 4, 'n_layers': 3, 'engine': 'auto'}
    """
    name = model["name"]
    builder = MODELS.get(name)
    if is_file(name):
        path, function = split(name)
        builder = getattr(module_of(path.resolve(), content(path)), function)
    assert builder is not None
    parameters = inspect.signature(builder).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def fingerprint(model: Mapping[str, Any]) -> str | None:
    """Returns the SHA-256 of the file that a model comes from, as hexadecimal digits.

    Args:
        model: As for `build`.

    Returns:
        The digest of the user's Python file, or of the file of a `transfer` trunk; None for a
        model that its name and arguments define completely.

    Raises:
        ValueError: If the file can't be read.
    """
    name = str(model.get("name"))
    if is_file(name):
        return hashlib.sha256(content(split(name)[0])).hexdigest()
    if model.get("trunk") is not None:
        return hashlib.sha256(content(Path(model["trunk"]), "trunk")).hexdigest()
    return None


def _check_arguments(builder: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    known = [
        p.name for p in inspect.signature(builder).parameters.values() if p.kind == p.KEYWORD_ONLY
    ]
    for name in arguments:
        if name not in known:
            raise ValueError(
                f"The model {builder.__name__!r} has no argument {name!r}: it takes "
                f"{', '.join(known)}."
            )
