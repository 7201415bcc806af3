"""A Dense layer whose weights are shared by hashing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class HashedDense(keras.layers.Layer):
    """A Dense layer with few weights: each is used at many places of its kernel (HashedNets).

    `y_j = activation(sum_i s(i, j) w[h(i, j)] x_i)`, where the last input is a constant 1, so that
    the bias is made of the same weights. The hash `h` assigns one of `n_weights` weights to each of
    the `(n_features + 1) * units` places, and `s` assigns a sign. Here all weights have equal
    numbers of places, up to one. The paper's hash gives some weights more places than others, and
    may leave some weights out.

    Args:
        units: The number of outputs.
        n_weights: The number of trained weights, at most the number of places.
        activation: The activation, as Keras's layers take it.
        seed: A whole number of at least 0 and below 2**31 that determines the hash.
        **kwargs: Keras's `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, ..., n_features)`.

    Output shape:
        `(batch, ..., units)`.

    Raises:
        ValueError: If a number is not positive or the seed is out of range; when the layer is
            built, if there are more weights than places.

    Reference:
        W. Chen, J. T. Wilson, S. Tyree, K. Q. Weinberger and Y. Chen, Compressing neural networks
        with the hashing trick, ICML 2015, arXiv 1504.04788.

    Example: a kernel of 5 x 8 places, of ten weights.

    >>> layer = HashedDense(8, 10)
    >>> layer.build((None, 4))
    >>> tuple(layer.virtual_kernel().shape), layer.count_params()
    ((5, 8), 10)
    """

    def __init__(
        self, units: int, n_weights: int, *, activation: Any = None, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.units = positive_int("units", units)
        self.n_weights = positive_int("n_weights", n_weights)
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**31:
            raise ArgumentError("seed", "be a whole number of at least 0 and below 2**31", seed)
        self.seed = seed
        self.activation = keras.activations.get(activation)
        self.supports_jit = True

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Creates the weights and hashes the places.

        Raises:
            ValueError: If the number of features is unknown or there are more weights than places.
        """
        n_features = input_shape[-1]
        if n_features is None:
            raise ArgumentError("input_shape", "end in a number of features", tuple(input_shape))
        places = (n_features + 1) * self.units
        if self.n_weights > places:
            raise ArgumentError(
                "n_weights", f"be at most {places}, the places of the kernel", self.n_weights
            )
        buckets, signs = hashed(places, self.n_weights, self.seed)
        self._buckets = buckets.reshape(n_features + 1, self.units)
        self._signs = signs.reshape(n_features + 1, self.units)
        limit = (6 / (n_features + self.units)) ** 0.5  # Glorot's limit for the whole kernel
        self.shared = self.add_weight(
            name="shared",
            shape=(self.n_weights,),
            initializer=keras.initializers.RandomUniform(-limit, limit),
        )
        self.built = True

    def virtual_kernel(self) -> Any:
        """Returns the kernel with the bias as its last row, of shape `(n_features + 1, units)`."""
        shared = ops.cast(self.shared, self.compute_dtype)
        signs = ops.convert_to_tensor(self._signs, dtype=self.compute_dtype)
        return signs * ops.take(shared, ops.convert_to_tensor(self._buckets), axis=0)

    def call(self, inputs: Any) -> Any:
        """Computes the outputs."""
        kernel = self.virtual_kernel()
        outputs = ops.matmul(ops.cast(inputs, self.compute_dtype), kernel[:-1]) + kernel[-1]
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the shape of the outputs."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "units": self.units,
            "n_weights": self.n_weights,
            "activation": keras.activations.serialize(self.activation),
            "seed": self.seed,
        }


def hashed(
    places: int, n_weights: int, seed: int = 0
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Returns the weight and the sign of each place: the same on every machine, in all versions.

    Args:
        places: The number of places.
        n_weights: The number of weights.
        seed: Determines the hash.

    Returns:
        The index of each place's weight, and its sign (1 or -1), both of shape `(places,)`.
    """
    order = np.argsort(_mixed(places, 2 * seed), kind="stable")
    buckets = np.empty(places, "int32")
    buckets[order] = np.arange(places) % n_weights
    signs = np.where(_mixed(places, 2 * seed + 1) >> np.uint64(63), 1.0, -1.0)
    return buckets, signs.astype("float32")


def _mixed(count: int, stream: int) -> npt.NDArray[np.uint64]:
    """Returns the first outputs of SplitMix64 (Steele, Lea and Flood 2014), from a stream's state.

    NumPy's generators may draw other numbers in a later version, and saved layers would then
    compute something else.
    """
    with np.errstate(over="ignore"):
        z = (np.arange(1, count + 1, dtype="uint64") + np.uint64(stream << 32)) * np.uint64(
            0x9E3779B97F4A7C15
        )
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
