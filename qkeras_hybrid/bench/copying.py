"""Quantum layers that the layers of controls are made like."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._model_copies import fresh
from qkeras_hybrid.layers.base import QuantumLayer


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
