"""Pieces of Keras models that have given numbers: what a surrogate is built of."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

Tensor = Any


def dense(tensor: Tensor, kernel: np.ndarray, bias: Any = None, *, trainable: bool = True) -> Any:
    """Applies a new Dense layer without an activation, in the dtype of a symbolic tensor.

    Args:
        tensor: Symbolic tensor of shape `(batch, n)`.
        kernel: Array of shape `(n, units)`.
        bias: Array of shape `(units,)`; None for none.
        trainable: Whether the layer's weights train.

    Returns:
        Symbolic tensor of shape `(batch, units)`.
    """
    return dense_layer(tensor.dtype, kernel, bias, trainable=trainable)(tensor)


def dense_layer(
    dtype: str, kernel: np.ndarray, bias: Any = None, *, trainable: bool = True
) -> keras.layers.Dense:
    """Returns a built Dense layer with given weights; the arguments are those of `dense`."""
    layer = keras.layers.Dense(
        kernel.shape[1],
        use_bias=bias is not None,
        trainable=trainable,
        dtype=dtype,
        # Ones cost less than random numbers, which are overwritten.
        kernel_initializer="ones",
    )
    layer.build((None, kernel.shape[0]))
    layer.set_weights([kernel] if bias is None else [kernel, np.asarray(bias)])
    return layer


def outer(first: Tensor, second: Tensor) -> Tensor:
    """Returns all products of a value of the one tensor and a value of the other.

    Args:
        first: Symbolic tensor of shape `(batch, p)`.
        second: Symbolic tensor of shape `(batch, q)`.

    Returns:
        Symbolic tensor of shape `(batch, p * q)`; the second's values run faster.
    """
    p, q = first.shape[1], second.shape[1]
    column = keras.layers.Reshape((p, 1), dtype=first.dtype)(first)
    row = keras.layers.Reshape((1, q), dtype=first.dtype)(second)
    return keras.layers.Reshape((p * q,), dtype=first.dtype)(ops.multiply(column, row))


def joined(tensors: list[Tensor]) -> Tensor:
    """Returns symbolic tensors of shape `(batch, ...)` side by side."""
    if len(tensors) == 1:
        return tensors[0]
    return keras.layers.Concatenate(dtype=tensors[0].dtype)(tensors)
