"""Values and gradients on every Keras backend, and how they are compared."""

from __future__ import annotations

from collections.abc import Callable
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


def assert_close(found: Any, expected: Any, tolerance: float, what: str, shown: Any) -> None:
    """Compares arrays by their largest absolute difference.

    Args:
        found: A tensor or an array.
        expected: What it should be.
        tolerance: The largest absolute difference.
        what: What is compared, for the message.
        shown: What to show with it, such as the circuit.

    Raises:
        AssertionError: If it is larger.
    """
    found = found if isinstance(found, np.ndarray) else ops.convert_to_numpy(found)
    error = np.max(np.abs(found - np.asarray(expected)), initial=0.0)
    assert error <= tolerance, (
        f"{what} are off by {error:.3g}, more than {tolerance:.3g}: got {found}, expected "
        f"{expected}, in\n{shown}"
    )
