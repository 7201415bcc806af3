"""How models are taken apart and put together again with other layers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.bench.derived import DoesNotApplyError, fresh
from qkeras_hybrid.bench.inspection import describe, quantum_layers
from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.readouts import Probabilities


class Copies:
    """Copies layers, with other layers in the place of quantum layers."""

    def __init__(self, make: Callable[[QuantumLayer], keras.Layer]) -> None:
        self.make = make
        self.pairs: list[tuple[keras.Layer, keras.Layer]] = []
        self.quantum: list[tuple[QuantumLayer, keras.Layer]] = []

    def __call__(self, layer: keras.Layer) -> keras.Layer:
        if isinstance(layer, QuantumLayer):
            made = self.make(layer)
            self.quantum.append((layer, made))
            return made
        if not isinstance(layer, keras.Layer):  # a function of `keras.ops` in the graph
            return fresh(layer)
        if not quantum_layers(layer):
            copy = fresh(layer)
            self.pairs.append((layer, copy))
            return copy
        if _is_graph(layer):
            return keras.models.clone_model(layer, clone_function=self)
        if isinstance(layer, keras.layers.Wrapper) and isinstance(layer.layer, keras.Layer):
            config = layer.get_config()
            del config["layer"]
            return type(layer)(self(layer.layer), **config)
        raise DoesNotApplyError(
            f"The quantum layer in layer {layer.name!r} ({type(layer).__name__}) is out of reach: "
            "it can be replaced in Sequential and functional models, nested too, and in wrappers "
            "such as TimeDistributed. Build the model of these."
        )

    def carry_weights(self) -> None:
        """Gives the copies, once they are built, the weights of what they are copies of."""
        for layer, copy in self.pairs:
            if layer.weights:
                copy.set_weights(layer.get_weights())


def replaced(
    hybrid: keras.Model,
    make: Callable[[QuantumLayer], keras.Layer],
    then: Callable[[QuantumLayer, keras.Layer], None] = lambda layer, made: None,
) -> keras.Model:
    """Copies a model with other layers in place of its quantum layers.

    Args:
        hybrid: The model.
        make: Makes the new layer.
        then: Called with each quantum layer and what took its place, once that is built.
    """
    require_quantum(hybrid)
    copies = Copies(make)
    model = copies(hybrid)
    copies.carry_weights()
    for layer, made in copies.quantum:
        then(layer, made)
    return model


def _is_graph(layer: keras.Layer) -> bool:
    # Functional models are graphs of operations; their class has no public name.
    return isinstance(layer, keras.Sequential) or (
        isinstance(layer, keras.Model) and hasattr(layer, "operations")
    )


def require_quantum(model: keras.Model) -> None:
    """Makes sure that a model can be taken apart, and has a quantum layer.

    Raises:
        ValueError: If it can't, or has none.
    """
    if not _is_graph(model) or not model.built:
        raise ArgumentError(
            "hybrid",
            "be a Sequential or functional model that is built",
            model,
            "Begin it with keras.Input.",
        )
    if not quantum_layers(model):
        raise ArgumentError("hybrid", "have a quantum layer in it", describe(model))


def frozen_trunk(model: keras.Model) -> list[keras.Layer]:
    """Returns the layers at the beginning of a Sequential model up to the last frozen one."""
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


def last_activation(model: keras.Model) -> Any:
    """Returns the activation of a model's last layer, however deep it sits in it."""
    layer = model.layers[-1]
    while isinstance(layer, keras.Model) or (
        isinstance(layer, keras.layers.Wrapper) and hasattr(layer, "layer")
    ):
        layer = layer.layers[-1] if isinstance(layer, keras.Model) else layer.layer
    if isinstance(layer, keras.layers.Softmax) or (
        isinstance(layer, QuantumLayer) and layer.readout is Probabilities
    ):
        return "softmax"
    return getattr(layer, "activation", "linear")
