"""What a model is made of: its quantum layers, its parameters, its layers in a line."""

from __future__ import annotations

import keras
from keras import ops

from qkeras_hybrid.bench.derived import AlteredCircuit, FourierFeatures, HashedDense
from qkeras_hybrid.layers.switching import quantum_layers


def trainable_parameters(model: keras.Model) -> int:
    """Counts the trainable parameters of a built model."""
    return sum(int(ops.size(weight)) for weight in model.trainable_variables)


def describe(model: keras.Model) -> str:
    """Returns a model's layers in a line, e.g. `"Dense(4, tanh) > Dense(10, softmax)"`.

    Layers that hold others show them in brackets; layers with weights that don't train are
    "frozen".
    """
    return " > ".join(
        _describe_layer(layer)
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    )


def _describe_layer(layer: keras.Layer) -> str:
    if isinstance(layer, keras.Model):
        return f"{type(layer).__name__}({describe(layer)})"
    if isinstance(layer, keras.layers.Wrapper):
        return f"{type(layer).__name__}({_describe_layer(layer.layer)})"
    if isinstance(layer, AlteredCircuit):
        return f"{type(layer).__name__}({_describe_layer(layer._like.layer)})"
    parts = [str(layer.units)] if hasattr(layer, "units") else []
    if isinstance(layer, HashedDense):
        parts.append(f"{layer.n_weights} weights")
    if isinstance(layer, keras.layers.Dense | HashedDense):
        # Of a function that is not Keras's, Keras tells more than its name.
        name = keras.activations.serialize(layer.activation)
        parts.append(name if isinstance(name, str) else layer.activation.__name__)
    if isinstance(layer, FourierFeatures) and layer.built:
        parts.append(f"{len(layer.frequencies)} frequencies")
    if layer.weights and not layer.trainable:
        parts.append("frozen")
    kind = type(layer).__name__
    return f"{kind}({', '.join(parts)})" if parts else kind


def engine_name(model: keras.Model) -> str | None:
    """Returns the name of the engine of a model's quantum layers, None if it has no such layer."""
    found = {layer.engine.name for layer in quantum_layers(model) if layer.engine is not None}
    return ", ".join(sorted(found)) or None
