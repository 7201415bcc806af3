"""What a model consists of: its quantum layers, its parameters, and its layers in a line."""

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

    Layers that contain others show them in brackets; layers whose weights don't train are
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
        # For a function that is not Keras's own, `serialize` returns more than its name.
        name = keras.activations.serialize(layer.activation)
        parts.append(name if isinstance(name, str) else layer.activation.__name__)
    if isinstance(layer, FourierFeatures) and layer.built:
        parts.append(f"{len(layer.frequencies)} frequencies")
    if layer.weights and not layer.trainable:
        parts.append("frozen")
    kind = type(layer).__name__
    return f"{kind}({', '.join(parts)})" if parts else kind


def engine_name(model: keras.Model) -> str | None:
    """Returns the names of the engines of a model's quantum layers; None without such layers."""
    found = {layer.engine.name for layer in quantum_layers(model) if layer.engine is not None}
    return ", ".join(sorted(found)) or None
