"""A truncated Fourier series in place of a quantum layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from qkeras_hybrid._double import cos, sin
from qkeras_hybrid.bench.frequencies import chosen, ordered
from qkeras_hybrid.bench.in_place import InPlaceOfCircuit
from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.program import AngleTable


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class FourierFeatures(InPlaceOfCircuit):
    """A truncated Fourier series with the frequencies of a quantum layer's circuit.

    `y_k = b_k + sum_f (C_kf cos(f . z) + S_kf sin(f . z))`, where `z` are the inputs of the circuit
    (the encoding's angles, with their products of features), and `b`, `C`, `S` are trained. An
    expectation value is such a series: a gate that rotates by `c . z` adds `-c`, 0 or `c` to its
    frequencies. So the frequencies are the sums of one of these for each gate that can change the
    result. One of `f` and `-f` is enough.

    Sums over few gates come first. Frequencies of single gates are sorted by the number of features
    in them, fewest first. Otherwise the order is that of the gates in the circuit, plus before
    minus. The number of frequencies is the one that brings the layer closest to the quantum
    layer's number of trained weights, but each feature must be in one of them: a control that does
    not see a feature would lose for that reason alone. If a trained weight scales an input, the
    frequency is that at weight zero, or at weight one if zero would remove the input.

    Args:
        layer: The quantum layer, or its serialized form.
        **kwargs: Keras's `name`, `dtype`, `trainable`.

    Input shape:
        That of `layer`: `(batch, ..., n_features)`.

    Output shape:
        That of `layer`.

    Raises:
        DoesNotApplyError: When the layer is built, if an angle is not affine in the circuit's
            inputs, or no result depends on them.

    Reference:
        M. Schuld, R. Sweke and J. J. Meyer, Effect of data encoding on the expressive power of
        variational quantum-machine-learning models, Physical Review A 103, 032430, 2021,
        arXiv 2008.08605.

    Example:

    >>> layer = FourierFeatures(PQCDense(2, n_layers=3))
    >>> layer.build((None, 2))
    >>> layer.frequencies.tolist()
    [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, -1.0]]
    >>> layer.count_params()
    18
    """

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Finds the frequencies and creates the weights."""
        layer, n_features = self._like.layer, int(input_shape[-1] or 0)
        compiled = layer.compile(n_features)
        self.units = int(layer.compute_output_shape(input_shape)[-1])
        n_weights = len(compiled.weights) if layer.trainable else 0
        waves = chosen(
            ordered(compiled),
            wanted=round((n_weights / self.units - 1) / 2),
            enters=_enters(layer, n_features, self._precision),
        )
        self.frequencies: npt.NDArray[np.float64] = np.array(waves)
        self._table = AngleTable([tuple((i, f) for i, f in enumerate(row) if f) for row in waves])
        self.kernel = self.add_weight(
            name="kernel", shape=(2 * len(waves), self.units), initializer="glorot_uniform"
        )
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        self.built = True

    def features(self, inputs: Any) -> Any:
        """Returns the cosines of all frequencies, then the sines.

        Args:
            inputs: Tensor of shape `(batch, ..., n_features)`.

        Returns:
            Tensor of shape `(batch, ..., 2 * n_frequencies)`.
        """
        leading = ops.shape(inputs)[:-1]
        phases = self._table(self.encode(inputs))
        waves = ops.concatenate([cos(phases), sin(phases)], axis=-1)
        return ops.reshape(waves, (*leading, waves.shape[-1]))

    def call(self, inputs: Any) -> Any:
        """Computes the series for every position of the leading axes."""
        waves = ops.cast(self.features(inputs), self.compute_dtype)
        return ops.matmul(waves, ops.cast(self.kernel, self.compute_dtype)) + ops.cast(
            self.bias, self.compute_dtype
        )


def _enters(layer: QuantumLayer, n_features: int, precision: str) -> npt.NDArray[np.bool_]:
    """Tells which features change which inputs of the circuit, by changing each feature."""
    base = np.random.default_rng(0).uniform(0.2, 0.9, n_features)
    rows = np.vstack([base, base + np.eye(n_features)]).astype(precision)
    angles = ops.convert_to_numpy(layer.encode(ops.convert_to_tensor(rows)))
    changed: npt.NDArray[np.bool_] = angles[1:] != angles[0]
    return changed
