"""Parts of Keras models with given weights, from which surrogates are built."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
        # Ones cost less than random numbers, and are overwritten anyway.
        kernel_initializer="ones",
    )
    layer.build((None, kernel.shape[0]))
    layer.set_weights([kernel] if bias is None else [kernel, np.asarray(bias)])
    return layer


def waves(inputs: Tensor, groups: Sequence[np.ndarray]) -> list[Tensor]:
    """Returns `1, cos p, sin p, cos p', sin p', ...` of groups of phases `p, p', ...`.

    Args:
        inputs: Symbolic tensor of shape `(batch, n_inputs)`.
        groups: For each group the directions of its phases, an array of shape `(n, n_inputs)`:
            `p = direction @ inputs`, in radians.

    Returns:
        For each group a symbolic tensor of shape `(batch, 2 * n + 1)`.
    """
    kernels, turns = list[np.ndarray](), list[float]()
    for directions in groups:
        # All are cosines: of 0, of the phases, and of these less a quarter turn.
        kernels += [np.zeros((1, directions.shape[1])), np.repeat(directions, 2, axis=0)]
        turns += [0.0, *((0.0, -math.pi / 2) * len(directions))]
    # In a small model, the number of operations determines the time: all waves are one layer.
    kernel = np.concatenate(kernels).T
    found = ops.cos(dense(inputs, kernel, np.array(turns), trainable=False))
    if len(groups) == 1:
        return [found]
    ends = np.cumsum([2 * len(directions) + 1 for directions in groups])
    return list(ops.split(found, ends[:-1].tolist(), axis=1))


def outer(first: Tensor, second: Tensor) -> Tensor:
    """Returns all products of a value of one tensor and a value of the other.

    Args:
        first: Symbolic tensor of shape `(batch, p)`.
        second: Symbolic tensor of shape `(batch, q)`.

    Returns:
        Symbolic tensor of shape `(batch, p * q)`; the second's values run faster.
    """
    p, q = first.shape[1], second.shape[1]
    # LiteRT needs four operations for Keras's Reshape layer, and one for this.
    column, row = ops.reshape(first, (-1, p, 1)), ops.reshape(second, (-1, 1, q))
    return ops.reshape(ops.multiply(column, row), (-1, p * q))


def joined(tensors: list[Tensor]) -> Tensor:
    """Returns symbolic tensors of shape `(batch, ...)` side by side."""
    if len(tensors) == 1:
        return tensors[0]
    return keras.layers.Concatenate(dtype=tensors[0].dtype)(tensors)
