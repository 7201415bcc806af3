"""What generators of bits share: a loss that the layer adds, likelihoods and samples."""

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
"""The most bits over whose strings is summed."""


class BitGenerator(keras.layers.Layer):
    """A layer that learns the distribution of bits, and hands the bits on.

    It adds its loss, so that a model of the layer alone is trained by `model.compile("adam")` and
    `model.fit(x)`, and `fit(x, validation_data=(x_test, None))` reports the loss of other bits.

    What are no bits are refused; where a call is compiled, as in `fit`, values can't be looked at,
    and the loss is NaN.
    """

    n_bits: int | None = None

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes the weights for the number of bits."""
        self.n_bits = n_features_of(self.name, input_shape, 1)
        self._make(self.n_bits)
        self.built = True

    @abc.abstractmethod
    def _make(self, n_bits: int) -> None:
        """Makes the weights."""

    @abc.abstractmethod
    def loss_of(self, bits: Any) -> Any:
        """Returns the loss of bits, a tensor of shape `(batch, n_bits)`: a scalar tensor."""

    def validation_loss_of(self, bits: Any) -> Any:
        """Returns the loss of bits outside of training: it draws nothing anew."""
        return self.loss_of(bits)

    @abc.abstractmethod
    def sample(self, n: int, seed: int | None = None) -> Array:
        """Draws `n` bit strings, of shape `(n, n_bits)`, int8."""

    @abc.abstractmethod
    def log_likelihood(self, x: Any) -> Array:
        """Returns `log p` of rows of bits, in nats."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Returns bits as they are, and adds the loss.

        Args:
            inputs: Bits of shape `(batch, n_bits)`.
            training: Whether it is the loss of a training.
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
                f"Layer {self.name!r} must have bits 0 and 1, but got "
                f"{values[~np.isin(values, (0, 1))][0]}. Make bits of the data first."
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
                "layer", "be built", self.name, "Call it on data, or put it behind keras.Input."
            )
        return checked_bits("x", x, self.n_bits)


class ExactGenerator(BitGenerator):
    """A generator whose probabilities can be listed, for few bits."""

    @abc.abstractmethod
    def _probabilities(self) -> Array:
        """Returns the probability of each bit string, of shape `(2**n_bits,)`, in float64."""

    def probabilities(self) -> Array:
        """Returns the probability of each bit string, of shape `(2**n_bits,)`; bit 0 counts most.

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
            ValueError: If these are no bits, or there are more than 20 of them.
        """
        rows = self._rows(x)
        with np.errstate(divide="ignore"):
            logarithms: Array = np.log(self.probabilities())
        found: Array = logarithms[_places(rows)]
        return found

    def sample(self, n: int, seed: int | None = None) -> Array:
        """Draws bit strings with their probabilities.

        Args:
            n: How many.
            seed: Of the draw.

        Returns:
            Bits of shape `(n, n_bits)`, int8.

        Raises:
            ValueError: If there are more than 20 bits.
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
                "layer", "be built", self.name, "Call it on data, or put it behind keras.Input."
            )
        if self.n_bits > MOST_EXACT:
            raise ArgumentError(
                "n_bits",
                f"be at most {MOST_EXACT} for a sum over all bit strings",
                self.n_bits,
                "A quantum computer draws samples of more: run the layer's circuit().",
            )


def _places(rows: Array) -> Array:
    """Returns the number that each row of bits spells, bit 0 first."""
    places: Array = rows.astype("int64") @ (1 << np.arange(rows.shape[1])[::-1])
    return places


def transformed(vector: Array) -> Array:
    """Returns the Hadamard transform of a vector of length `2**n`, without a factor."""
    found = np.array(vector)
    half = 1
    while half < len(found):
        pairs = found.reshape(-1, 2, half)
        found = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], 1).reshape(-1)
        half *= 2
    return found
