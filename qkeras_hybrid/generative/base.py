"""Base classes of the generators of bits: losses, likelihoods and samples."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import positive_int, seed_or_none
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.engines.base import has_values
from qkeras_hybrid.generative.kernels import checked_bits
from qkeras_hybrid.layers.features import as_tensor, n_features_of

Array = np.ndarray[Any, Any]

MOST_EXACT = 20
"""The largest number of bits for which all bit strings are listed."""


class BitGenerator(keras.layers.Layer):
    """A layer that learns the distribution of its input bits and returns them unchanged.

    The layer adds its own loss. So a model that consists of this layer is trained by
    `model.compile("adam")` and `model.fit(x)`, and `fit(x, validation_data=(x_test, None))` reports
    the loss of other bits.

    Values other than 0 and 1 raise an error. In a compiled call, as in `fit`, values can't be
    checked; there they make the loss NaN.
    """

    n_bits: int | None = None

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights for the number of bits."""
        self.n_bits = n_features_of(self.name, input_shape, 1)
        self._make(self.n_bits)
        self.built = True

    @abc.abstractmethod
    def _make(self, n_bits: int) -> None:
        """Creates the weights."""

    @abc.abstractmethod
    def loss_of(self, bits: Any) -> Any:
        """Returns the loss, a scalar tensor, for bits of shape `(batch, n_bits)`."""

    def validation_loss_of(self, bits: Any) -> Any:
        """Returns the loss for validation; repeated calls give the same value."""
        return self.loss_of(bits)

    @abc.abstractmethod
    def sample(self, n: int, seed: int | None = None) -> Array:
        """Draws `n` bit strings, of shape `(n, n_bits)`, int8."""

    @abc.abstractmethod
    def log_likelihood(self, x: Any) -> Array:
        """Returns `log p` of rows of bits, in nats."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Returns the bits unchanged, and adds the loss.

        Args:
            inputs: Bits of shape `(batch, n_bits)`.
            training: Whether to add the loss for training, or that for validation.
        """
        features = as_tensor(self.name, inputs, self.n_bits)
        if len(features.shape) != 2:
            raise ValueError(
                f"Layer {self.name!r} must have an input of shape (batch, n_bits), but got shape "
                f"{tuple(features.shape)}."
            )
        bits = ops.cast(features, self.compute_dtype)
        right = ops.all(bits * (1 - bits) == 0)
        if has_values(bits) and not bool(right):
            values = ops.convert_to_numpy(bits)
            raise ValueError(
                f"Layer {self.name!r} must have bits 0 and 1 as input, but got "
                f"{values[~np.isin(values, (0, 1))][0]}. Convert the data to bits first."
            )
        loss = self.loss_of(bits) if training else self.validation_loss_of(bits)
        self.add_loss(ops.where(right, loss, ops.cast(math.nan, loss.dtype)))
        return bits

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the shape of the bits."""
        return tuple(input_shape)

    def _rows(self, x: Any) -> Array:
        if not self.built:
            raise ArgumentError(
                "layer", "be built", self.name, "Call it on data, or put keras.Input before it."
            )
        return checked_bits("x", x, self.n_bits)


class ExactGenerator(BitGenerator):
    """A generator that can list the probabilities of all bit strings, for up to 20 bits."""

    @abc.abstractmethod
    def _probabilities(self) -> Array:
        """Returns the probability of each bit string, of shape `(2**n_bits,)`, in float64."""

    def probabilities(self) -> Array:
        """Returns the probability of each bit string, of shape `(2**n_bits,)`.

        Bit 0 is the most significant bit of the index.

        Raises:
            ValueError: If there are more than 20 bits, or the layer is not built.
        """
        self._check_few()
        found = self._probabilities()
        normalized: Array = found / found.sum()
        return normalized

    def log_likelihood(self, x: Any) -> Array:
        """Returns `log p` of each row of bits, in nats; minus infinity where it is 0.

        Args:
            x: Bits of shape `(batch, n_bits)`.

        Raises:
            ValueError: If `x` does not hold bits, there are more than 20 bits, or the layer is not
                built.
        """
        rows = self._rows(x)
        with np.errstate(divide="ignore"):
            logarithms: Array = np.log(self.probabilities())
        found: Array = logarithms[_places(rows)]
        return found

    def sample(self, n: int, seed: int | None = None) -> Array:
        """Draws bit strings from the exact probabilities.

        Args:
            n: The number of bit strings.
            seed: The seed of the draw.

        Returns:
            Bits of shape `(n, n_bits)`, int8.

        Raises:
            ValueError: If there are more than 20 bits, `n` is not positive, or the layer is not
                built.
        """
        positive_int("n", n)
        seed = seed_or_none("seed", seed)
        probabilities = self.probabilities()
        drawn = np.random.default_rng(seed).choice(len(probabilities), n, p=probabilities)
        assert self.n_bits is not None
        return (drawn[:, None] >> np.arange(self.n_bits)[::-1] & 1).astype("int8")

    def _check_few(self) -> None:
        if self.n_bits is None:
            raise ArgumentError(
                "layer", "be built", self.name, "Call it on data, or put keras.Input before it."
            )
        if self.n_bits > MOST_EXACT:
            raise ArgumentError(
                "n_bits",
                f"be at most {MOST_EXACT} to list all bit strings",
                self.n_bits,
                "For samples of more bits, run the layer's `circuit()` on a quantum computer.",
            )


def _places(rows: Array) -> Array:
    """Returns each row of bits as a number, with bit 0 as the most significant bit."""
    places: Array = rows.astype("int64") @ (1 << np.arange(rows.shape[1])[::-1])
    return places


def transformed(vector: Array) -> Array:
    """Returns the Hadamard transform of a vector of length `2**n`, not normalised."""
    found = np.array(vector)
    half = 1
    while half < len(found):
        pairs = found.reshape(-1, 2, half)
        found = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], 1).reshape(-1)
        half *= 2
    return found
