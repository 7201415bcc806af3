"""Layers like a given one, new and unbuilt, for the controls."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.layers.base import QuantumLayer


class DoesNotApplyError(ValueError):
    """A control can't be made of a model, or would be the model itself; the message says why."""


def fresh(layer: keras.Layer, **changes: Any) -> keras.Layer:
    """Returns a new, unbuilt layer of the same class and arguments, but for the changes.

    Raises:
        DoesNotApplyError: If the layer can't say its arguments, e.g. Cirq can't write a
            circuit with a function such as `sin` in it.
    """
    try:
        return type(layer).from_config({**layer.get_config(), **changes})
    except (NotImplementedError, TypeError, ValueError) as error:
        raise DoesNotApplyError(f"Layer {layer.name!r} can't be copied: {error}") from error


@dataclasses.dataclass(frozen=True)
class Untracked:
    """Holds a layer out of sight of Keras, which would take it for a part of its holder."""

    layer: QuantumLayer


def given(layer: Any) -> QuantumLayer:
    """Returns a new, unbuilt layer like the one given, or read from its serialized form."""
    if isinstance(layer, dict):
        layer = keras.saving.deserialize_keras_object(layer)
    if not isinstance(layer, QuantumLayer):
        raise ArgumentError("layer", "be a quantum layer", layer)
    made: QuantumLayer = fresh(layer)
    return made
