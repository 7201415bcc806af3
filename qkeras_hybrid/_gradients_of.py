"""Values and gradients of a function of tensors, on any Keras backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


def differentiated(
    function: Callable[..., Any],
) -> Callable[..., tuple[np.ndarray, list[np.ndarray]]]:
    """Returns a function that differentiates a function of tensors; under JAX it is compiled.

    Args:
        function: A function that maps tensors to a tensor.

    Returns:
        A function of arrays that returns the value, and the gradient of the sum of its entries with
        respect to each argument.
    """
    calls = {"tensorflow": _by_tensorflow, "jax": _by_jax, "torch": _by_torch}
    call = calls[keras.backend.backend()](function)

    def of(*arrays: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        tensors = [ops.convert_to_tensor(array, dtype=str(array.dtype)) for array in arrays]
        value, found = call(tensors)
        return ops.convert_to_numpy(value), [ops.convert_to_numpy(grad) for grad in found]

    return of


def value_and_gradients(
    function: Callable[..., Any], *arrays: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Differentiates a function of tensors on any Keras backend.

    Args:
        function: A function that maps tensors to a tensor.
        *arrays: Its arguments, as arrays.

    Returns:
        The value, and the gradient of the sum of its entries with respect to each argument.
    """
    return differentiated(function)(*arrays)


_Call = Callable[[list[Any]], tuple[Any, Sequence[Any]]]


def _by_tensorflow(function: Callable[..., Any]) -> _Call:
    import tensorflow as tf

    def call(tensors: list[Any]) -> tuple[Any, Sequence[Any]]:
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        zero = tf.UnconnectedGradients.ZERO
        return value, tape.gradient(value, tensors, unconnected_gradients=zero)

    return call


def _by_jax(function: Callable[..., Any]) -> _Call:
    import jax

    @jax.jit
    def differentiate(tensors: list[Any]) -> Any:
        def total(given: list[Any]) -> Any:
            result = function(*given)
            return ops.sum(result), result

        (_, value), found = jax.value_and_grad(total, has_aux=True)(tensors)
        return value, found

    def call(tensors: list[Any]) -> tuple[Any, Sequence[Any]]:
        value, found = differentiate(tensors)
        return value, found

    return call


def _by_torch(function: Callable[..., Any]) -> _Call:
    import torch

    def call(tensors: list[Any]) -> tuple[Any, Sequence[Any]]:
        leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
        value = function(*leaves)
        # A result that depends on no argument has no graph to differentiate.
        found = (
            torch.autograd.grad(value.sum(), leaves, allow_unused=True)
            if value.requires_grad
            else [None] * len(leaves)
        )
        return value, [
            torch.zeros_like(leaf) if grad is None else grad
            for leaf, grad in zip(leaves, found, strict=True)
        ]

    return call


def loss_and_gradients(
    model: Any, x: Any, y: Any, variables: Sequence[Any]
) -> tuple[float, list[np.ndarray]]:
    """Differentiates a compiled model's loss, regularizers included, in inference mode.

    Args:
        model: A compiled Keras model.
        x: Inputs.
        y: Their targets.
        variables: The variables to differentiate by.

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
