"""Changes the engine of an existing model."""

from __future__ import annotations

from typing import Any

import keras

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.layers.setup import KEEP


def set_engine(model: Any, engine: Any, *, shots: Any = KEEP, noise: Any = KEEP) -> Any:
    """Gives every quantum layer of a model another engine, in place.

    Weights, the optimizer and the arguments of `model.compile` stay; the functions that Keras
    compiled for training, evaluation and prediction are rebuilt. The engine is saved with the
    model.

    Args:
        model: A Keras model, which may contain models to any depth, or a quantum layer.
        engine: "auto", the name of an engine, an engine, or "keep".
        shots: The number of measurements, None for exact values, or "keep".
        noise: A noise model, its spelling, None, or "keep".

    Returns:
        The model.

    Raises:
        ValueError: If the model has no quantum layer, or the engine can't do what one of them asks.
            The model is then unchanged.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), PQCDense(2), keras.layers.Dense(1)])
    >>> set_engine(model, "statevector", shots=100) is model
    True
    >>> model.layers[0].engine.name, model.layers[0].shots
    ('statevector', 100)
    """
    quantum = quantum_layers(model)
    if not quantum:
        raise ArgumentError("model", "have a quantum layer", model)
    # All are prepared before the first is changed.
    changes = [layer.engine_change(engine, shots=shots, noise=noise) for layer in quantum]
    for change in changes:
        change()
    for layer in _flattened(model):
        if isinstance(layer, keras.Model):
            _forget_compiled(layer)
    return model


def quantum_layers(model: Any) -> list[QuantumLayer]:
    """Returns the quantum layers of a model, including those of nested models.

    Raises:
        ValueError: If it is not a Keras model or layer.
    """
    return [layer for layer in _flattened(model) if isinstance(layer, QuantumLayer)]


def _flattened(model: Any) -> list[Any]:
    if not isinstance(model, keras.layers.Layer):
        raise ArgumentError("model", "be a Keras model", model)
    # Keras's own walk through nested layers, wrappers such as TimeDistributed included.
    layers = model._flatten_layers(include_self=True, recursive=True)
    return list({id(layer): layer for layer in layers}.values())


def _forget_compiled(model: Any) -> None:
    model.train_function = model.test_function = model.predict_function = None
    if model._jit_compile:
        # Its setter checks whether XLA may still compile the model.
        model.jit_compile = True
