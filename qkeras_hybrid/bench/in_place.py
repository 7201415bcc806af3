"""The base class of classical layers that take a quantum layer's place in a control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import keras
from keras import ops

from qkeras_hybrid._checks import known_arguments
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.bench.copying import Untracked, given
from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.layers.saved import errors_named


class InPlaceOfCircuit(keras.layers.Layer):
    """A layer with a quantum layer's encoding, inputs and outputs, but without its circuit.

    Args:
        layer: The quantum layer, or its serialized form.
        **kwargs: Keras's `name`, `dtype`, `trainable`.
    """

    def __init__(self, layer: QuantumLayer | dict[str, Any], **kwargs: Any) -> None:
        # Keras must not round inputs to half precision, which is too coarse for angles.
        super().__init__(autocast=False, **kwargs)
        like = given(layer)
        if like.readout.activation is None or like.returns_list:
            raise ArgumentError("layer", "return expectation values or probabilities", layer)
        self._like = Untracked(like)
        self.supports_jit = True
        self.supports_masking = True

    def encode(self, inputs: Any) -> Any:
        """Maps features `(batch, ..., n_features)` to circuit inputs `(samples, n_inputs)`."""
        inputs = ops.cast(inputs, self._precision)
        return self._like.layer.encode(ops.reshape(inputs, (-1, inputs.shape[-1])))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the shape of the output, which is that of the quantum layer."""
        shape: tuple[int | None, ...] = self._like.layer.compute_output_shape(input_shape)
        return shape

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self._like.layer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Makes a layer from what `get_config` returned.

        Raises:
            ValueError: If the config is not valid; the message has the layer's name.
        """
        with errors_named(cls, config.get("name")):
            return cls(**known_arguments(cls, config, ("name", "dtype", "trainable")))

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Builds the layer for the shape it had when it was saved.

        Raises:
            ValueError: If it can't be built for this shape; the message has the layer's name.
        """
        with errors_named(type(self), self.name):
            super().build_from_config(config)

    @property
    def _precision(self) -> str:
        return "float64" if self.compute_dtype == "float64" else "float32"
