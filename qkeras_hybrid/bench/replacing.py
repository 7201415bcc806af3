"""Copies of models in which other layers replace the quantum layers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._model_copies import Copies, DoesNotApplyError, is_graph
from qkeras_hybrid.bench.inspection import describe
from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.layers.switching import quantum_layers
from qkeras_hybrid.readouts import Probabilities


def replaced(
    hybrid: keras.Model,
    make: Callable[[QuantumLayer], keras.Layer],
    then: Callable[[QuantumLayer, keras.Layer], None] = lambda layer, made: None,
) -> keras.Model:
    """Copies a model with other layers in place of its quantum layers.

    Args:
        hybrid: The model.
        make: Makes the new layer.
        then: Called with each quantum layer and its replacement, after the replacement is built.
    """
    require_quantum(hybrid)
    copies = Copies(make)
    model = copies(hybrid)
    copies.carry_weights()
    for layer, made in copies.quantum:
        then(layer, made)
    return model


def require_quantum(model: keras.Model) -> None:
    """Makes sure that a model can be copied layer by layer, and has a quantum layer.

    Raises:
        ValueError: If it can't be copied, or has no quantum layer.
    """
    if not is_graph(model) or not model.built:
        raise ArgumentError(
            "hybrid",
            "be a Sequential or functional model that is built",
            model,
            "Begin it with keras.Input.",
        )
    if not quantum_layers(model):
        raise ArgumentError("hybrid", "have a quantum layer in it", describe(model))


def frozen_trunk(model: keras.Model) -> list[keras.Layer]:
    """Returns the first layers of a Sequential model, up to the last frozen one with weights."""
    if not isinstance(model, keras.Sequential):
        return []
    before = list(
        itertools.takewhile(
            lambda layer: not layer.trainable_variables and not _holds_quantum(layer),
            model.layers,
        )
    )
    while before and not before[-1].weights:
        before.pop()
    return before


def _holds_quantum(layer: keras.Layer) -> bool:
    return isinstance(layer, QuantumLayer) or bool(quantum_layers(layer))


def width(layer: QuantumLayer) -> int:
    """Returns the number of real values that a built quantum layer returns for a sample."""
    if layer.returns_list:
        raise DoesNotApplyError(
            f"Layer {layer.name!r} returns a list of tensors, which no classical layer does."
        )
    if layer.classical_activation is None:
        raise DoesNotApplyError(
            f"Layer {layer.name!r} returns {layer.readout.name}s, which no classical layer does."
        )
    return math.prod(layer.values_shape)


def n_features(layer: QuantumLayer) -> int:
    """Returns the number of features that a built quantum layer takes."""
    return int(layer.get_build_config()["input_shape"][-1])


def size(shape: Sequence[int | None]) -> int:
    """Returns the number of values in a shape.

    Raises:
        DoesNotApplyError: If an axis has no known length.
    """
    if None in shape:
        raise DoesNotApplyError(f"The shape {tuple(shape)} of a sample has an unknown length.")
    return math.prod(length for length in shape if length is not None)


def last_layer(model: keras.Model) -> keras.Layer:
    """Returns a model's last layer, also if it is in a nested model or a wrapper."""
    layer = model.layers[-1]
    while isinstance(layer, keras.Model) or (
        isinstance(layer, keras.layers.Wrapper) and hasattr(layer, "layer")
    ):
        layer = layer.layers[-1] if isinstance(layer, keras.Model) else layer.layer
    return layer


def last_activation(model: keras.Model) -> Any:
    """Returns the activation of a model's last layer, also if it is nested."""
    layer = last_layer(model)
    if isinstance(layer, keras.layers.Softmax) or (
        isinstance(layer, QuantumLayer) and layer.readout is Probabilities
    ):
        return "softmax"
    return getattr(layer, "activation", "linear")
