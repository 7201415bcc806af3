"""Quantum Born machines: the measured qubits of any ansatz are bits; trained on its state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid import ansatz
from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.generative.base import Array, ExactGenerator
from qkeras_hybrid.generative.kernels import checked_bandwidths, default_bandwidths
from qkeras_hybrid.layers import PQC

MOST_QUBITS = 12


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class BornMachine(ExactGenerator):
    """A circuit without inputs whose measured qubits are the bits: `p(x) = |<x|U(w)|0>|^2`.

    The loss is the squared maximum mean discrepancy between the circuit's bits and those of the
    batch: see `mmd`. It is computed exactly, over all bit strings; an `IQPGenerator` estimates it.

    Args:
        n_layers: Number of layers of the ansatz.
        ansatz: A name or an `Ansatz`.
        bandwidths: The bandwidths of the Gaussian kernel; the loss is the mean over them. None
            takes `default_bandwidths`.
        engine: "auto", or an engine that computes probabilities, or its name.
        weight_initializer: The initializer of the circuit's weights, in radians; None draws them
            uniformly from [-pi, pi].
        **kwargs: Keras's `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, n_bits)`: bits 0 and 1, at most 12.

    Output shape:
        `(batch, n_bits)`: the input, unchanged. The layer adds the loss, also in validation; an
        engine that measures then measures anew.

    Raises:
        ValueError: If an argument is invalid, or when it is built, if there are more than 12 bits.

    Reference:
        J.-G. Liu and L. Wang, Differentiable learning of quantum circuit Born machines, Phys. Rev.
        A 98, 062324 (2018), arXiv 1804.04168.

    Example:

    >>> from qkeras_hybrid.generative import BornMachine
    >>> x = np.repeat([[0, 0], [1, 1]], 50, axis=0)
    >>> layer = BornMachine(2, weight_initializer=keras.initializers.RandomNormal(seed=1))
    >>> model = keras.Sequential([keras.Input((2,)), layer])
    >>> model.compile(keras.optimizers.Adam(0.1))
    >>> _ = model.fit(x, batch_size=100, epochs=60, verbose=0)
    >>> bool(abs(layer.probabilities() - [0.5, 0, 0, 0.5]).max() < 0.05)
    True
    """

    def __init__(
        self,
        n_layers: int = 2,
        *,
        ansatz: Any = "strongly_entangling",
        bandwidths: Sequence[float] | None = None,
        engine: Any = "auto",
        weight_initializer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.n_layers = positive_int("n_layers", n_layers)
        self.ansatz = _ansatz(ansatz)
        self.bandwidths = None if bandwidths is None else checked_bandwidths(bandwidths)
        self.engine = engine
        self.weight_initializer = keras.initializers.get(
            keras.initializers.RandomUniform(-math.pi, math.pi)
            if weight_initializer is None
            else weight_initializer
        )
        self.layer: PQC | None = None

    def _make(self, n_bits: int) -> None:
        if n_bits > MOST_QUBITS:
            raise ArgumentError(
                "n_bits",
                f"be at most {MOST_QUBITS}, because the loss is computed over all bit strings",
                n_bits,
                "Use an IQPGenerator, which needs no state vector.",
            )
        qubits = cirq.LineQubit.range(n_bits)
        weights = sympy.symbols(f"w:{self.ansatz.n_weights(n_bits, self.n_layers)}")
        self.layer = PQC(
            self.ansatz.circuit(qubits, weights, self.n_layers),
            inputs=[],
            symbols=weights,
            output="probabilities",
            engine=self.engine,
            weight_initializer=self.weight_initializer,
            dtype=self.dtype_policy,
        )
        self.layer.build((None, 0))

    def _tensor(self) -> Any:
        assert self.layer is not None
        return self.layer(ops.zeros((1, 0), self.compute_dtype))[0]

    def loss_of(self, bits: Any) -> Any:
        """Returns the squared distance between the circuit's bits and these, a scalar tensor."""
        assert self.n_bits is not None
        size = 2**self.n_bits
        spelt = ops.convert_to_tensor((1 << np.arange(self.n_bits)[::-1]).astype("int32"))
        places = ops.sum(ops.cast(ops.round(bits), "int32") * spelt, axis=1)
        data = ops.mean(ops.one_hot(places, size, dtype=self.compute_dtype), axis=0)
        difference = ops.cast(self._tensor(), self.compute_dtype) - data
        widths = self.bandwidths or default_bandwidths(self.n_bits)
        return sum(self._form(difference, width) for width in widths) / len(widths)

    def _form(self, difference: Any, width: float) -> Any:
        """Returns `d^T K d` with the kernel matrix `K`, a tensor product over the bits."""
        factor, smoothed = math.exp(-1 / (2 * width**2)), difference
        assert self.n_bits is not None
        for place in range(self.n_bits):
            pairs = ops.reshape(smoothed, (2**place, 2, -1))
            smoothed = ops.reshape(pairs + factor * ops.flip(pairs, axis=1), (-1,))
        return ops.sum(difference * smoothed)

    def _probabilities(self) -> Array:
        found: Array = np.asarray(ops.convert_to_numpy(self._tensor()), "float64")
        return np.maximum(found, 0)

    def circuit(self) -> cirq.Circuit:
        """Returns the circuit with its current weights, to run and measure it elsewhere.

        Raises:
            ValueError: If the layer is not built.
        """
        if self.layer is None:
            raise ArgumentError("layer", "be built", self.name, "Call it on data first.")
        return cirq.resolve_parameters(self.layer.circuit, self.layer.symbol_values())

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor, in a form that JSON holds."""
        engine = self.engine
        return {
            **super().get_config(),
            "n_layers": self.n_layers,
            "ansatz": keras.saving.serialize_keras_object(self.ansatz),
            "bandwidths": None if self.bandwidths is None else list(self.bandwidths),
            "engine": (
                engine
                if isinstance(engine, (str, dict))
                else keras.saving.serialize_keras_object(engine)
            ),
            "weight_initializer": keras.initializers.serialize(self.weight_initializer),
        }


def _ansatz(given: Any) -> ansatz.Ansatz:
    return ansatz.get(given)
