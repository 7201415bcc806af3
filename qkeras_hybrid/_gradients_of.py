"""Values and gradients of a function of tensors, on whichever Keras backend is set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


def value_and_gradients(
    function: Callable[..., Any], *arrays: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Differentiates a function of tensors on whichever Keras backend is set.

    Args:
        function: Maps tensors to a tensor.
        *arrays: The arguments, as arrays.

    Returns:
        The value, and the gradient of the sum of its entries with respect to each argument.
    """
    backend = keras.backend.backend()
    tensors = [ops.convert_to_tensor(array, dtype=str(array.dtype)) for array in arrays]
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        found = tape.gradient(value, tensors, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    elif backend == "jax":
        import jax

        def total(*args: Any) -> Any:
            result = function(*args)
            return ops.sum(result), result

        every = tuple(range(len(tensors)))
        (_, value), found = jax.jit(jax.value_and_grad(total, every, has_aux=True))(*tensors)
    else:
        import torch

        leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
        value = function(*leaves)
        # A result that no argument enters has no graph to walk back through.
        found = (
            torch.autograd.grad(value.sum(), leaves, allow_unused=True)
            if value.requires_grad
            else [None] * len(leaves)
        )
        found = [
            torch.zeros_like(leaf) if grad is None else grad
            for leaf, grad in zip(leaves, found, strict=True)
        ]
    return ops.convert_to_numpy(value), [ops.convert_to_numpy(grad) for grad in found]


def loss_and_gradients(
    model: Any, x: Any, y: Any, variables: Sequence[Any]
) -> tuple[float, list[np.ndarray]]:
    """Differentiates a compiled model's loss, with its regularizers, as outside of training.

    Args:
        model: A compiled Keras model.
        x: Inputs.
        y: Their targets.
        variables: The variables by which it is differentiated.

    Returns:
        The loss, and its gradient with respect to each variable.
    """
    arrays = [ops.convert_to_numpy(variable) for variable in variables]

    def loss(*tensors: Any) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(variables, tensors, strict=True))):
            predicted = model(x, training=False)
            return model.compute_loss(x=x, y=y, y_pred=predicted, training=False)

    value, gradients = value_and_gradients(loss, *arrays)
    return float(value), gradients
