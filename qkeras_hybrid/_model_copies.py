"""Copies of models in which some layers are replaced by others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.layers.switching import quantum_layers


class DoesNotApplyError(ValueError):
    """A variant of a model can't be made, or would equal the model; the message says why."""


def fresh(layer: keras.Layer, **changes: Any) -> keras.Layer:
    """Returns a new, unbuilt layer of the same class and arguments, except for the changes.

    Raises:
        DoesNotApplyError: If the layer can't return its arguments, for example because Cirq can't
            write its circuit.
    """
    if type(layer) is keras.layers.Lambda:
        # Keras refuses to read a function from a config, which could come from an unsafe file. This
        # function comes from an existing layer.
        known = {
            "output_shape": layer._output_shape,
            "mask": layer.mask,
            "arguments": layer.arguments,
            "name": layer.name,
            "dtype": layer.dtype_policy,
            "trainable": layer.trainable,
        }
        return keras.layers.Lambda(layer.function, **{**known, **changes})
    try:
        return type(layer).from_config({**layer.get_config(), **changes})
    except (NotImplementedError, TypeError, ValueError) as error:
        raise DoesNotApplyError(f"Layer {layer.name!r} can't be copied: {error}") from error


class Copies:
    """Copies layers, and replaces quantum layers by other layers."""

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
        if is_graph(layer):
            return keras.models.clone_model(layer, clone_function=self)
        if isinstance(layer, keras.layers.Wrapper) and isinstance(layer.layer, keras.Layer):
            config = layer.get_config()
            del config["layer"]
            return type(layer)(self(layer.layer), **config)
        raise DoesNotApplyError(
            f"The quantum layer inside layer {layer.name!r} ({type(layer).__name__}) can't be "
            "replaced: that works only in Sequential and functional models, also nested, and in "
            "wrappers such as TimeDistributed. Build the model from these."
        )

    def carry_weights(self) -> None:
        """Gives the built copies the weights of the originals."""
        for layer, copy in self.pairs:
            if layer.weights:
                copy.set_weights(layer.get_weights())


def is_graph(layer: keras.Layer) -> bool:
    """Returns whether a layer is a Sequential or functional model."""
    # Functional models are graphs of operations; their class has no public name.
    return isinstance(layer, keras.Sequential) or (
        isinstance(layer, keras.Model) and hasattr(layer, "operations")
    )
