"""The encoding that writes features into ratios of amplitudes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from qkeras_hybrid._checks import finite_number
from qkeras_hybrid._double import arctan2
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.encodings.base import Encoding, whole


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class ExampleNameEncoding(Encoding):
    """Writes features into ratios of amplitudes: `|0> + s x_j |1>` on qubit `j`, normalised.

    Qubit `j` is rotated by `ry(2 arctan(s x_j))`. Qubits without a feature stay in `|0>`.

    Args:
        scale: The factor `s` of the features.

    Features:
        Any real numbers, at most one for each qubit.

    Raises:
        ValueError: If the scale is not a finite number, or there are more features than qubits.

    Reference:
        The matrix of `ry(t)` maps `|0>` to `cos(t/2)|0> + sin(t/2)|1>`; with `t = 2 arctan(r)`
        the ratio of the two amplitudes is `tan(t/2) = r`.

    Example:

    >>> embedding = QuantumEmbedding(1, encoding="example_name", output="probabilities")
    >>> p = embedding(ops.array([[3.0]]))
    >>> [round(float(v), 4) for v in p[0]]
    [0.1, 0.9]
    """

    name = "example_name"

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = finite_number("scale", scale)

    def get_config(self) -> dict[str, Any]:
        return {"scale": self.scale}

    def min_qubits(self, n_features: int) -> int:
        return n_features

    def n_inputs(self, n_features: int, n_qubits: int) -> int:
        if n_features > n_qubits:
            raise ArgumentError(
                "features",
                f"be at most {n_qubits} on {n_qubits} qubits",
                n_features,
                f"Use {n_features} qubits, or put a Dense layer before.",
            )
        return n_features

    def circuit(
        self,
        qubits: Sequence[cirq.Qid],
        inputs: Sequence[sympy.Symbol],
        weights: Sequence[sympy.Symbol] = (),
    ) -> cirq.Circuit:
        turns = [cirq.ry(symbol)(qubit) for qubit, symbol in zip(qubits, inputs, strict=False)]
        return whole(turns, qubits)

    def angles(self, features: Any, n_qubits: int) -> Any:
        self.n_inputs(features.shape[-1], n_qubits)
        return 2.0 * arctan2(self.scale * features, ops.ones_like(features))
