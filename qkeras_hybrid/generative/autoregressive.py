"""Autoregressive bits: each is drawn from a logistic regression on the bits before it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import check_fits, positive_int, seed_or_none
from qkeras_hybrid.generative.base import Array, BitGenerator


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class AutoregressiveBits(BitGenerator):
    """A fully visible belief network, `p(x) = prod_i p(x_i | x_1 ... x_(i-1))`.

    Each factor is a logistic regression. There is a bias for each bit and a weight for each pair:
    `n (n + 1) / 2` parameters, as many as in a Boltzmann machine without hidden bits, and in an
    `IQPGenerator` of pairs. Likelihoods are exact and samples independent, at any size.

    Args:
        kernel_initializer: The initializer of the pairs' weights.
        kernel_regularizer: The regularizer of the pairs' weights.
        **kwargs: Keras's `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, n_bits)`: bits 0 and 1.

    Output shape:
        `(batch, n_bits)`: the input, unchanged. The layer adds the loss `-mean log p`.

    Reference:
        B. J. Frey, Graphical Models for Machine Learning and Digital Communication, MIT Press,
        1998; H. Larochelle and I. Murray, AISTATS 2011.

    Example:

    >>> from qkeras_hybrid.generative import AutoregressiveBits
    >>> x = np.repeat([[0, 0], [1, 1]], 50, axis=0)
    >>> layer = AutoregressiveBits()
    >>> model = keras.Sequential([keras.Input((2,)), layer])
    >>> model.compile(keras.optimizers.Adam(0.3))
    >>> _ = model.fit(x, batch_size=100, epochs=40, verbose=0)
    >>> bool(abs(np.exp(layer.log_likelihood([[0, 0], [1, 1]])) - 0.5).max() < 0.05)
    True
    """

    def __init__(
        self, *, kernel_initializer: Any = "zeros", kernel_regularizer: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.biases: Any = None
        self.couplings: Any = None

    def _make(self, n_bits: int) -> None:
        # The index and the weight of each pair, and the full matrix of weights with its gradient.
        check_fits(
            "n_bits",
            f"{n_bits} bits with a weight for each pair",
            n_bits**2 * (16 / 2 + 3 * np.dtype(self.variable_dtype).itemsize),
            "Use fewer bits.",
        )
        # Flat indices, in an n x n matrix, of the pairs (i, j) with i < j.
        rows, columns = np.triu_indices(n_bits, 1)
        self._places = (rows * n_bits + columns)[:, None].astype("int32")
        self.biases = self.add_weight(name="biases", shape=(n_bits,), initializer="zeros")
        self.couplings = self.add_weight(
            name="couplings",
            shape=(len(rows),),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )

    def _matrix(self) -> Any:
        assert self.n_bits is not None
        couplings = ops.convert_to_tensor(self.couplings)
        flat = ops.scatter(self._places, couplings, (self.n_bits**2,))
        return ops.reshape(flat, (self.n_bits, self.n_bits))

    def _log_p(self, bits: Any) -> Any:
        logits = self.biases + ops.matmul(bits, self._matrix())
        # log p(1) = -softplus(-logit) and log p(0) = -softplus(logit).
        return -ops.sum(ops.softplus((1 - 2 * bits) * logits), axis=-1)

    def loss_of(self, bits: Any) -> Any:
        """Returns `-mean log p` of bits, a scalar tensor."""
        return -ops.mean(self._log_p(bits))

    def log_likelihood(self, x: Any) -> Array:
        """Returns `log p` of each row of bits, in nats.

        Args:
            x: Bits of shape `(batch, n_bits)`.

        Raises:
            ValueError: If `x` does not hold bits, or the layer is not built.
        """
        rows = ops.convert_to_tensor(self._rows(x), self.compute_dtype)
        found: Array = ops.convert_to_numpy(self._log_p(rows))
        return found

    def sample(self, n: int, seed: int | None = None) -> Array:
        """Draws bit strings, bit by bit.

        Args:
            n: The number of bit strings.
            seed: The seed of the draw.

        Returns:
            Bits of shape `(n, n_bits)`, int8.

        Raises:
            ValueError: If `n` is not positive, or the layer is not built.
        """
        positive_int("n", n)
        seed = seed_or_none("seed", seed)
        self._rows(np.zeros((1, self.n_bits or 1)))
        assert self.n_bits is not None
        matrix = np.asarray(ops.convert_to_numpy(self._matrix()), "float64")
        biases = np.asarray(ops.convert_to_numpy(self.biases), "float64")
        rng = np.random.default_rng(seed)
        bits = np.zeros((n, self.n_bits))
        for place in range(self.n_bits):
            logits = biases[place] + bits[:, :place] @ matrix[:place, place]
            # The sigmoid is written with tanh, which does not overflow.
            bits[:, place] = rng.random(n) < (1 + np.tanh(logits / 2)) / 2
        return bits.astype("int8")

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor, in a form that JSON holds."""
        return {
            **super().get_config(),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
