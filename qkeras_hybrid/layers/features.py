"""Checks of a layer's features: their shape, their type, and whether they fit its circuit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from qkeras_hybrid._checks import MOST_PARAMETERS, MOST_QUBITS, MOST_TEMPLATE_OPERATIONS
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.encodings import Encoding

# The arguments by which encodings set how often their circuit is repeated.
_REPEATS = ("n_layers", "trotter_steps")


def n_features_of(name: str, input_shape: Sequence[int | None], least: int) -> int:
    """Returns the number of features in the shape of a layer's input.

    Args:
        name: The layer's name.
        input_shape: The shape, `(batch, ..., n_features)`.
        least: The smallest number of features that the layer takes.

    Raises:
        ValueError: If this is not the shape of one input with features.
    """
    if isinstance(input_shape, Mapping) or any(
        isinstance(axis, (tuple, list)) for axis in input_shape
    ):
        raise ValueError(
            f"Layer {name!r} must have one input, but got several, of shapes "
            f"{input_shape}. Join them first, e.g. with keras.layers.Concatenate()."
        )
    shape = tuple(input_shape)
    if len(shape) < 2:
        raise ValueError(
            f"Layer {name!r} must have an input of rank 2 or more, (batch, ..., "
            f"features), but got shape {shape}. Add an axis, e.g. inputs[None]."
        )
    if shape[-1] is None or shape[-1] < least:
        raise ValueError(
            f"Layer {name!r} must know the number of features, the last axis of its "
            f"input, and it must be {least} or more, but got shape {shape}."
        )
    return int(shape[-1])


def as_tensor(name: str, inputs: Any, width: int | None) -> Any:
    """Returns a layer's input as a tensor.

    Args:
        name: The layer's name.
        inputs: The input that the layer was called on.
        width: The number of features that it was built for; None if it is not built.

    Raises:
        ValueError: If it is not dense, numeric, real and of that width.
    """
    if type(inputs).__name__ == "SparseTensor":
        raise ValueError(
            f"Layer {name!r} must have a dense input, but got a {type(inputs).__name__}. "
            "Make it dense first, e.g. with tf.sparse.to_dense."
        )
    inputs = ops.convert_to_tensor(inputs)
    dtype = keras.backend.standardize_dtype(inputs.dtype)
    if not dtype.startswith(("float", "bfloat", "int", "uint", "bool")):
        raise ValueError(f"Layer {name!r} must have a numeric, real input, but got dtype {dtype}.")
    width = inputs.shape[-1] if width is None and len(inputs.shape) else width
    if len(inputs.shape) < 2 or inputs.shape[-1] != width:
        raise ValueError(
            f"Layer {name!r} must have an input of shape (batch, ..., {width}), but got "
            f"shape {tuple(inputs.shape)}."
        )
    return inputs


def fresh_symbols(prefix: str, count: int, circuit: cirq.Circuit | None) -> list[sympy.Symbol]:
    """Returns symbols `prefix0, prefix1, ...` that a circuit does not use yet.

    Raises:
        ValueError: If there would be more than `MOST_PARAMETERS`.
    """
    if count > MOST_PARAMETERS:
        raise ValueError(
            f"A layer must have at most {MOST_PARAMETERS:,} inputs and at most as many weights, "
            "but this one's circuit has more. Give it fewer features, qubits or layers."
        )
    taken = set() if circuit is None else cirq.parameter_names(circuit)
    while any(f"{prefix}{i}" in taken for i in range(count)):
        prefix += "_"
    return [sympy.Symbol(f"{prefix}{i}") for i in range(count)]


def check_encoding(encoding: Encoding, n_features: int, n_qubits: int) -> None:
    """Makes sure that the features fit in the qubits.

    Raises:
        ValueError: If the encoding needs more qubits, or would have too many gates.
    """
    need = encoding.min_qubits(n_features)
    if need > n_qubits:
        raise ArgumentError(
            "encoding",
            f"fit {n_features} features in {n_qubits} qubits",
            encoding.name,
            f"It needs {need} qubits, or fewer features.",
        )
    counts = [n for name, n in encoding.get_config().items() if name in _REPEATS]
    if n_qubits > MOST_QUBITS or (
        math.prod(counts) * (n_qubits**2 + n_features) > MOST_TEMPLATE_OPERATIONS
    ):
        raise ArgumentError(
            "encoding",
            f"have at most {MOST_TEMPLATE_OPERATIONS:,} gates",
            encoding,
            f"It may have more for {n_features} features on {n_qubits} qubits: use fewer "
            "repetitions.",
        )


def default_qubits(encoding: Encoding, n_features: int) -> int:
    """Returns the default number of qubits of a feature map.

    It is one for each feature, up to 8, or more if the encoding needs more.
    """
    need = encoding.min_qubits(n_features)
    return need if need > 1 else min(n_features, 8)
