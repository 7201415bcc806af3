"""Layers that replace a quantum layer: a constant, noise, a linear map, a changed output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import seed_or_none
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._model_copies import Copies, DoesNotApplyError, fresh
from qkeras_hybrid.layers.base import QuantumLayer

Array = np.ndarray[Any, Any]


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class ConstantOutput(keras.layers.Layer):
    """Returns the same values for every sample.

    Args:
        values: The values, one for each output.
        **kwargs: Keras's `name`, `dtype`, `trainable`.

    Example:

    >>> from qkeras_hybrid.interventions.stand_ins import ConstantOutput
    >>> tuple(ConstantOutput([0.5, -1.0])(ops.zeros((3, 7))).shape)
    (3, 2)
    """

    def __init__(self, values: Sequence[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.values = [float(value) for value in values]
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Returns values of shape `(batch, ..., n_values)` for `(batch, ..., n_features)`."""
        values = ops.convert_to_tensor(self.values, self.compute_dtype)
        return ops.broadcast_to(values, (*ops.shape(inputs)[:-1], len(self.values)))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the shape of the output."""
        return (*input_shape[:-1], len(self.values))

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor, in a form that JSON holds."""
        return {**super().get_config(), "values": self.values}


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class NoiseOutput(keras.layers.Layer):
    """Returns normal noise that is independent of the sample, in training and in prediction.

    Args:
        mean: The mean of each output.
        deviation: The standard deviation of each output.
        seed: The seed of the noise.
        **kwargs: Keras's `name`, `dtype`, `trainable`.

    Example:

    >>> from qkeras_hybrid.interventions.stand_ins import NoiseOutput
    >>> tuple(NoiseOutput([0.5, -1.0], [0.1, 0.1], seed=0)(ops.zeros((3, 7))).shape)
    (3, 2)
    """

    def __init__(
        self,
        mean: Sequence[float],
        deviation: Sequence[float],
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mean = [float(value) for value in mean]
        self.deviation = [float(value) for value in deviation]
        self.seed = seed = seed_or_none("seed", seed)
        self.supports_masking = True
        self._seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any) -> Any:
        """Returns values of shape `(batch, ..., n_values)` for `(batch, ..., n_features)`."""
        shape = (*ops.shape(inputs)[:-1], len(self.mean))
        drawn = keras.random.normal(shape, dtype=self.compute_dtype, seed=self._seed_generator)
        mean, deviation = (
            ops.convert_to_tensor(values, self.compute_dtype)
            for values in (self.mean, self.deviation)
        )
        return mean + deviation * drawn

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the shape of the output."""
        return (*input_shape[:-1], len(self.mean))

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor, in a form that JSON holds."""
        own = {"mean": self.mean, "deviation": self.deviation, "seed": self.seed}
        return {**super().get_config(), **own}


class Changed(keras.layers.Layer):
    """A quantum layer whose output is changed by a function. It must be called eagerly.

    Args:
        layer: The quantum layer.
        change: A function that maps the layer's output, a tensor of shape `(batch, ..., n_values)`,
            to the new output.
    """

    def __init__(self, layer: QuantumLayer, change: Callable[[Any], Any]) -> None:
        super().__init__(name=layer.name, dtype=layer.dtype_policy, autocast=False)
        self.inner, self.change = layer, change
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Builds the quantum layer."""
        self.inner.build(input_shape)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Returns the changed output."""
        output = self.inner(inputs)
        # Keras also calls layers with symbolic tensors, to infer shapes.
        return output if isinstance(output, keras.KerasTensor) else self.change(output)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the shape of the output and its dtype: those of the quantum layer."""
        return self.inner.compute_output_spec(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the output, that of the quantum layer."""
        return self.inner.compute_output_shape(input_shape)


Changes = Callable[[QuantumLayer], Callable[[Any], Any]]
"""A function that returns, for a quantum layer of a model, the function that changes its output."""


def changed(model: keras.Model, changes: Changes) -> keras.Model:
    """Returns a copy of a model, with its weights, in which quantum layers' outputs are changed.

    Args:
        model: A built Sequential or functional model.
        changes: Returns the change for each quantum layer.
    """
    copies = Copies(lambda layer: Changed(fresh(layer), changes(layer)))
    copy: keras.Model = copies(model)
    copies.carry_weights()
    for layer, made in copies.quantum:
        made.inner.set_weights(layer.get_weights())
    return copy


def linear_map(layer: QuantumLayer) -> keras.Layer:
    """Returns a Dense layer without an activation, with as many outputs as a quantum layer."""
    return keras.layers.Dense(width(layer), name=layer.name, dtype=layer.dtype_policy)


def width(layer: QuantumLayer) -> int:
    """Returns the number of values that a quantum layer returns for a sample.

    Raises:
        ValueError: If it does not return one vector of real numbers for each sample, or takes
            circuits or several tensors.
    """
    if layer.classical_activation is None or len(layer.values_shape) != 1:
        raise ArgumentError(
            "model",
            "have quantum layers that return one vector of real numbers for each sample",
            f"layer {layer.name!r}, which returns "
            + ", ".join(readout.name for readout in layer.readouts),
            "Read expectation values or probabilities.",
        )
    shape = (layer.get_build_config() or {}).get("input_shape")
    if shape is None:
        raise DoesNotApplyError(
            f"Layer {layer.name!r} takes circuits or several tensors, so no other layer can "
            "replace it."
        )
    return int(layer.values_shape[0])
