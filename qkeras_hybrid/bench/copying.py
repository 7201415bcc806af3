"""Copies of quantum layers, for the layers of controls that are derived from them."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._model_copies import fresh
from qkeras_hybrid.layers.base import QuantumLayer


@dataclasses.dataclass(frozen=True)
class Untracked:
    """Hides a layer from Keras, which would otherwise track it as a sublayer."""

    layer: QuantumLayer


def given(layer: Any) -> QuantumLayer:
    """Returns a new, unbuilt layer like the given one, which may be in its serialized form."""
    if isinstance(layer, dict):
        layer = keras.saving.deserialize_keras_object(layer)
    if not isinstance(layer, QuantumLayer):
        raise ArgumentError("layer", "be a quantum layer", layer)
    made: QuantumLayer = fresh(layer)
    return made
