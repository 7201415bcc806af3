"""A layer whose circuit alternates rotations by features and by weights."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras

from qkeras_hybrid._checks import MOST_QUBITS, MOST_REPEATS, at_most, positive_int
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.layers.features import fresh_symbols
from qkeras_hybrid.program import Compiled, compile_circuit


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class ExampleName(QuantumLayer):
    """One qubit per feature, rotated by the feature and by a weight in each layer of the circuit.

    Layer `l` of the circuit rotates qubit `j` by `ry(x_j)` and `rx(w_lj)`, then couples neighbours
    with CZ. The output is `<Z_j>` of each qubit, in [-1, 1]. With one layer it is
    `cos(x_j) cos(w_1j)`.

    Args:
        n_layers: Number of layers of the circuit.
        **kwargs: The arguments of all quantum layers: `engine`, `differentiator`, `shots`,
            `noise`, `seed`, `check_finite`, `weight_initializer`, `weight_regularizer`,
            `weight_constraint`, and Keras's `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, ..., n_features)`, in radians.

    Output shape:
        `(batch, ..., n_features)`.

    Raises:
        ValueError: If `n_layers` is not positive or too large; when the layer is built, if there
            are too many features, or no engine can compute the circuit.

    Example:

    >>> layer = ExampleName(n_layers=2)
    >>> layer(ops.ones((5, 3))).shape == (5, 3)
    True
    >>> layer.count_params()
    6
    """

    def __init__(self, n_layers: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_layers = positive_int("n_layers", n_layers, MOST_REPEATS)

    def compile(self, n_features: int) -> Compiled:
        """Compiles the circuit."""
        n_qubits = at_most("features", n_features, MOST_QUBITS)
        qubits = cirq.LineQubit.range(n_qubits)
        inputs = fresh_symbols("x", n_qubits, None)
        weights = fresh_symbols("w", self.n_layers * n_qubits, None)
        circuit = cirq.Circuit()
        for start in range(0, len(weights), n_qubits):
            turns = zip(qubits, inputs, weights[start : start + n_qubits], strict=True)
            circuit.append([cirq.ry(x)(qubit), cirq.rx(w)(qubit)] for qubit, x, w in turns)
            circuit.append(cirq.CZ(*pair) for pair in itertools.pairwise(qubits))
        return compile_circuit(circuit, "Z", inputs=inputs, weights=weights, qubits=qubits)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the input's shape, because there is a value for each feature."""
        self._check_shape(input_shape)
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor."""
        return {**super().get_config(), "n_layers": self.n_layers}
