"""Decisions inside the Keras backends' graphs: calls of NumPy functions, with gradients."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid.decisions.base import DecisionProblem
from qkeras_hybrid.decisions.estimators import GradientEstimator
from qkeras_hybrid.engines._host import array_call

SUPPORTS_JIT = keras.backend.backend() == "jax"
"""Whether XLA can compile a graph with such calls."""


def precision_of(tensor: Any) -> str:
    """Returns "float64" for a float64 tensor, otherwise "float32"."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    return "float64" if dtype == "float64" else "float32"


def differentiable_decisions(
    problem: DecisionProblem,
    estimator: GradientEstimator,
    costs: Any,
    rng: np.random.Generator,
    training: bool,
) -> Any:
    """Returns decisions with an estimator's gradient.

    Args:
        problem: The problem.
        estimator: The substitute for the derivative.
        costs: Tensor of shape `(batch, n)`, float32 or float64.
        rng: Draws the noise.
        training: Whether to return what the estimator differentiates.
    """
    dtype, n = precision_of(costs), costs.shape[-1]
    rows = 1 + estimator.kept if training else 1

    def forward(costs: np.ndarray) -> np.ndarray:
        return estimator.forward(problem, np.asarray(costs, "float64"), rng, training).astype(dtype)

    def backward(costs: np.ndarray, step: np.ndarray, upstream: np.ndarray) -> np.ndarray:
        costs, step, upstream = (np.asarray(each, "float64") for each in (costs, step, upstream))
        return estimator.backward(problem, costs, step, upstream, rng).astype(dtype)

    def with_gradient(costs: Any) -> Any:
        step = array_call(forward, (costs,), (rows, n), dtype)

        def gradient(*args: Any, upstream: Any = None) -> Any:
            # Backends pass different arguments, but the upstream gradient always comes last.
            arriving = args[-1] if upstream is None else upstream
            return array_call(backward, (costs, step, arriving), (n,), dtype)

        return step[:, 0], gradient

    return ops.custom_gradient(with_gradient)(costs)


def constant_call(function: Any, tensors: tuple[Any, ...], width: int, dtype: str) -> Any:
    """Calls a function of float64 arrays whose first axis is the batch; it has no gradient.

    Args:
        function: Maps arrays to an array of shape `(batch, width)`.
        tensors: The function's arguments.
        width: The width of the result.
        dtype: The dtype of the result.
    """

    def computed(*arrays: np.ndarray) -> np.ndarray:
        found: np.ndarray = function(*(np.asarray(array, "float64") for array in arrays))
        return found.astype(dtype)

    return array_call(computed, tuple(map(ops.stop_gradient, tensors)), (width,), dtype)
