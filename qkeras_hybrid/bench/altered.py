"""The base class of controls that are a quantum layer with an altered circuit."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import keras

from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.bench.copying import Untracked, given
from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.program import Compiled


def operations_of(circuit: cirq.Circuit) -> list[cirq.Operation]:
    """Returns the operations of a circuit and of its sub-circuits, without tags."""
    unrolled = cirq.unroll_circuit_op(circuit, deep=True, tags_to_check=None)
    return [operation.untagged for operation in unrolled.all_operations()]


class AlteredCircuit(QuantumLayer):
    """A quantum layer like another, with an altered circuit.

    It encodes features, reads the circuit and shapes its outputs as `layer` does.

    Args:
        layer: The quantum layer, or its serialized form.
        **kwargs: The arguments that all quantum layers have, by default those of `layer`.
    """

    def __init__(self, layer: QuantumLayer | dict[str, Any], **kwargs: Any) -> None:
        like = given(layer)
        config = like.get_config()
        shared = {*inspect.signature(QuantumLayer).parameters, "name", "dtype", "trainable"}
        super().__init__(**{**{key: config[key] for key in shared & set(config)}, **kwargs})
        self._like = Untracked(like)
        self._output = like._output
        self.weight_groups = like.weight_groups

    def altered(self, compiled: Compiled) -> Compiled:
        """Returns the altered circuit. Its weights must be a subset of the given circuit's."""
        raise NotImplementedError

    def compile(self, n_features: int) -> Compiled:
        """Compiles the layer's circuit and alters it."""
        return self.altered(self._like.layer.compile(n_features))

    def encode(self, features: Any) -> Any:
        """Maps features to the circuit's inputs, as `layer` does."""
        return self._like.layer.encode(features)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the shape of the output, which is that of `layer`."""
        shape: tuple[int | None, ...] = self._like.layer.compute_output_shape(input_shape)
        return shape

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Returns shape and dtype of the output, which are those of `layer`."""
        return self._like.layer.compute_output_spec(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self._like.layer),
        }
