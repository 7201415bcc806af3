"""Counts the nonlinear functions that a model computes for a sample."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

from qkeras_hybrid.bench.replacing import last_layer, size
from qkeras_hybrid.layers.base import QuantumLayer, watched_runs
from qkeras_hybrid.program import Compiled


def hidden_activations(model: keras.Model) -> int:
    """Counts the nonlinear functions that a model computes for a sample before its last layer.

    These are the units of layers with an activation, and the angles of circuits that depend on an
    input. Each counts as often as it is computed for a sample. An angle that depends only on
    weights is the same for all samples and does not count.

    Args:
        model: A built model.

    Raises:
        DoesNotApplyError: If an axis of a sample has no known length.

    Example: four units, and four angles of the circuit:

    >>> layers = keras.layers
    >>> model = keras.Sequential(
    ...     [keras.Input((3,)), layers.Dense(4, "tanh"), PQCDense(4), layers.Dense(2, "softmax")]
    ... )
    >>> hidden_activations(model)
    8
    """
    inputs = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    for tensor in keras.tree.flatten(inputs):
        size(tensor.shape[1:])
    total = 0

    def turned(layer: QuantumLayer, values: Any) -> None:
        nonlocal total
        total += int(values.shape[0]) * turned_angles(layer.compiled)

    def activated(values: Any) -> None:
        nonlocal total
        total += math.prod(values.shape)

    with _watched_activations(model, activated), watched_runs(turned):
        model(
            keras.tree.map_structure(
                lambda tensor: ops.zeros((1, *tensor.shape[1:]), tensor.dtype), inputs
            )
        )
    return total


def turned_angles(compiled: Compiled) -> int:
    """Counts the angles of a circuit that depend on an input."""
    inputs = set(compiled.angles.inputs)
    return sum(
        bool(angle.inputs)
        or (angle.expression is not None and bool(angle.expression.free_symbols & inputs))
        for angle in compiled.angles.rows
    )


@contextlib.contextmanager
def _watched_activations(model: Any, watcher: Callable[[Any], None]) -> Iterator[None]:
    """Calls a function with the input of each activation, except that of the last layer."""
    last = last_layer(model)
    before = {
        layer: layer.activation
        for layer in model._flatten_layers(include_self=False, recursive=True)
        if not isinstance(layer, QuantumLayer)
        and layer is not last
        and getattr(layer, "activation", None) not in (None, keras.activations.linear)
    }

    def watching(activation: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def call(values: Any) -> Any:
            watcher(values)
            return activation(values)

        return call

    try:
        for layer, activation in before.items():
            layer.activation = watching(activation)
        yield
    finally:
        for layer, activation in before.items():
            layer.activation = activation
