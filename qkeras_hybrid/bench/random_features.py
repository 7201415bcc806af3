"""Random Fourier features in place of a quantum kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from qkeras_hybrid._checks import finite_number, positive_int
from qkeras_hybrid._double import cos
from qkeras_hybrid._errors import ArgumentError


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class RandomFourierFeatures(keras.layers.Layer):
    """Random Fourier features, `cos(scale W x + b)`; with a Dense layer an RBF kernel machine.

    `W` is drawn from a normal distribution and `b` from a uniform one. The mean product of two
    samples' features is `exp(-scale**2 |x - y|**2 / 2) / 2`. The scale is the kernel's bandwidth.

    Args:
        units: The number of features.
        scale: The scale, or its initial value if it trains.
        train_frequencies: Whether `W` and `b` train.
        train_scale: Whether the scale trains. The weight is its logarithm, so that a step changes
            the scale by a factor.
        **kwargs: Keras's `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, ..., n_features)`.

    Output shape:
        `(batch, ..., units)`.

    Raises:
        ValueError: If `units` is not positive, or the scale is not above 0.

    Reference:
        A. Rahimi and B. Recht, Random features for large-scale kernel machines, NIPS 2007.

    Example:

    >>> layer = RandomFourierFeatures(16, scale=0.3)
    >>> layer.build((None, 4))
    >>> layer.count_params(), sum(v.shape != () for v in layer.trainable_variables)
    (81, 0)
    """

    def __init__(
        self,
        units: int,
        *,
        scale: float = 1.0,
        train_frequencies: bool = False,
        train_scale: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = positive_int("units", units)
        self.scale = finite_number("scale", scale)
        if self.scale <= 0:
            raise ArgumentError("scale", "be above 0", scale)
        self.train_frequencies = bool(train_frequencies)
        self.train_scale = bool(train_scale)
        self.supports_jit = True
        self.supports_masking = True

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Draws the frequencies and phases, from Keras's seed."""
        trains = self.train_frequencies
        self.frequencies = self.add_weight(
            name="frequencies",
            shape=(input_shape[-1], self.units),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            trainable=trains,
        )
        self.phases = self.add_weight(
            name="phases",
            shape=(self.units,),
            initializer=keras.initializers.RandomUniform(0.0, 2 * math.pi),
            trainable=trains,
        )
        self.log_scale = self.add_weight(
            name="log_scale",
            shape=(),
            initializer=keras.initializers.Constant(math.log(self.scale)),
            trainable=self.train_scale,
        )
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Computes the features for every position of the leading axes."""
        scale = ops.exp(self.log_scale)
        return cos(scale * ops.matmul(inputs, self.frequencies) + self.phases)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the input's shape with the number of features as its last axis."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "units": self.units,
            "scale": self.scale,
            "train_frequencies": self.train_frequencies,
            "train_scale": self.train_scale,
        }
