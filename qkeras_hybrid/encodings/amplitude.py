"""Encodings that write features into amplitudes or basis states."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import finite_number, one_of
from qkeras_hybrid._double import arctan2, elementwise
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.encodings.base import Encoding, whole

if TYPE_CHECKING:
    import sympy

_floor = elementwise("floor")


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class AmplitudeEncoding(Encoding):
    """Writes features into the amplitudes of a state: `sum_k x_k |k> / |x|`.

    Fewer features than `2**n` are padded at the end. The sample is normalised, so its length is
    lost; a sample of zeros gives `|0...0>`. The circuit prepares the state exactly, signs included,
    by uniformly controlled `ry`, written as `2**n - 1` plain `ry` and `2**n - 2` CNOT in the order
    of a Gray code. Each angle is `2 atan2(b, a)`, where `a` and `b` are the norms of the two halves
    of a block of amplitudes. The angles are differentiable, also where a block is zero.

    Args:
        pad_with: The value of the amplitudes without a feature, before normalisation.

    Features:
        1 to `2**n_qubits`.

    Raises:
        ValueError: If `pad_with` is not finite, or there are more features than amplitudes.

    Reference:
        Möttönen, Vartiainen, Bergholm, Salomaa: Transformation of quantum states using
        uniformly controlled rotations, Quantum Inf. Comput. 5, 467 (2005),
        arXiv quant-ph/0407010.

    Example:

    >>> encoding = AmplitudeEncoding()
    >>> circuit = encoding.circuit(cirq.LineQubit.range(2), sympy.symbols("x0:3"))
    >>> x = encoding.angles(ops.array([[1.0, -2.0, 2.0]]), 2)
    >>> values = {f"x{i}": float(x[0, i]) for i in range(3)}
    >>> state = cirq.Simulator().simulate(cirq.resolve_parameters(circuit, values))
    >>> [f"{a.real:.4f}" for a in state.final_state_vector[:3]]
    ['0.3333', '-0.6667', '0.6667']
    """

    name = "amplitude"

    def __init__(self, pad_with: float = 0.0) -> None:
        if not isinstance(pad_with, (int, float, np.floating)) or not math.isfinite(pad_with):
            raise ArgumentError("pad_with", "be a finite number", pad_with)
        self.pad_with = finite_number("pad_with", pad_with)

    def get_config(self) -> dict[str, Any]:
        return {"pad_with": self.pad_with}

    def min_qubits(self, n_features: int) -> int:
        return max(1, (n_features - 1).bit_length())

    def n_inputs(self, n_features: int, n_qubits: int) -> int:
        size = 1 << n_qubits
        if n_features > size:
            raise ArgumentError(
                "features",
                f"be at most {size} on {n_qubits} qubits",
                n_features,
                f"{n_features} features need {self.min_qubits(n_features)} qubits.",
            )
        return size - 1

    def circuit(
        self,
        qubits: Sequence[cirq.Qid],
        inputs: Sequence[sympy.Symbol],
        weights: Sequence[sympy.Symbol] = (),
    ) -> cirq.Circuit:
        operations: list[cirq.Operation] = []
        following = iter(inputs)
        for level, target in enumerate(qubits):
            # One rotation of the target for each setting of the qubits before it.
            for i in range(2**level):
                operations.append(cirq.ry(next(following))(target))
                if level:
                    # The bit that changes from the i-th Gray code to the next.
                    changing = min(_trailing_zeros(i + 1), level - 1)
                    operations.append(cirq.CNOT(qubits[level - 1 - changing], target))
        return whole(operations, qubits)

    def angles(self, features: Any, n_qubits: int) -> Any:
        width = features.shape[-1]
        size = self.n_inputs(width, n_qubits) + 1
        leading = ops.shape(features)[:-1]
        x = ops.reshape(features, (-1, width))
        x = ops.pad(x, [[0, 0], [0, size - width]], constant_values=self.pad_with)
        # The state does not depend on the length: after scaling to 1, squares neither over- nor
        # underflow.
        largest = ops.stop_gradient(ops.max(ops.absolute(x), axis=1, keepdims=True, initial=0.0))
        x = x / ops.where(largest == 0.0, ops.ones_like(largest), largest)
        # From the leaves up: the last qubit's angles keep the amplitudes' signs; all other angles
        # come from norms.
        branch, found = x, []
        for level in reversed(range(n_qubits)):
            halves = ops.reshape(branch, (-1, 2**level, 2))
            left, right = halves[:, :, 0], halves[:, :, 1]
            found.append(_uniformly_controlled(_twice_the_angle(left, right), level))
            branch = _root(left * left + right * right)
        angles = ops.concatenate(found[::-1], axis=1)
        # One axis of samples may be symbolic: its length is then unknown and stays unchanged.
        return angles if len(features.shape) == 2 else ops.reshape(angles, (*leading, size - 1))


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class BasisEncoding(Encoding):
    """Writes bits into a basis state: `|b_0 b_1 ... >`, exactly, by `X**b_j` on qubit `j`.

    Args:
        kind: "bits" for features that are bits, one for each qubit, like PennyLane's
            `BasisEmbedding`; "integer" for one whole number, rounded and taken modulo
            `2**n_qubits`, with its most significant bit on qubit 0.

    Features:
        `n_qubits` or fewer for bits (the remaining qubits are 0), 1 for an integer. A bit between 0
        and 1 gives a superposition; an integer has no gradient.

    Raises:
        ValueError: If the kind is neither, or there are more features than the qubits take.

    Reference:
        Schuld, Petruccione: Supervised Learning with Quantum Computers (2018), section 5.1.

    Example:

    >>> encoding = BasisEncoding(kind="integer")
    >>> ops.convert_to_numpy(encoding.angles(ops.array([[6.0]]), 3)).tolist()
    [[1.0, 1.0, 0.0]]
    """

    name = "basis"

    def __init__(self, kind: str = "bits") -> None:
        self.kind = one_of("kind", kind, ("bits", "integer"))

    def get_config(self) -> dict[str, Any]:
        return {"kind": self.kind}

    def min_qubits(self, n_features: int) -> int:
        return n_features if self.kind == "bits" else 1

    def n_inputs(self, n_features: int, n_qubits: int) -> int:
        if self.kind == "bits" and n_features > n_qubits:
            raise ArgumentError(
                "features",
                f"be at most {n_qubits}, one bit for each qubit",
                n_features,
                f"{n_features} bits need {n_features} qubits.",
            )
        if self.kind == "integer" and n_features != 1:
            raise ArgumentError(
                "features",
                "be 1, a whole number",
                n_features,
                'For bits write kind="bits".',
            )
        return n_features if self.kind == "bits" else n_qubits

    def circuit(
        self,
        qubits: Sequence[cirq.Qid],
        inputs: Sequence[sympy.Symbol],
        weights: Sequence[sympy.Symbol] = (),
    ) -> cirq.Circuit:
        return whole(
            [(cirq.X**symbol)(qubit) for qubit, symbol in zip(qubits, inputs, strict=False)],
            qubits,
        )

    def angles(self, features: Any, n_qubits: int) -> Any:
        self.n_inputs(features.shape[-1], n_qubits)
        if self.kind == "bits":
            return features
        values = 2.0 ** np.arange(n_qubits - 1, -1, -1)
        powers = ops.convert_to_tensor(values, keras.backend.standardize_dtype(features.dtype))
        # Rounded, so that a 6 that scaling has made 5.9999995 is not read as 5.
        halves = _floor(ops.round(features) / powers) / 2.0
        return 2.0 * (halves - _floor(halves))


def _trailing_zeros(i: int) -> int:
    return (i & -i).bit_length() - 1


def _root(square: Any) -> Any:
    """Returns the square root, with gradient zero instead of infinity at zero."""
    zero = square == 0.0
    return ops.where(zero, ops.zeros_like(square), ops.sqrt(ops.where(zero, 1.0, square)))


def _twice_the_angle(left: Any, right: Any) -> Any:
    """Returns `2 atan2(right, left)`; 0, with gradient zero, where both are zero."""
    empty = ops.logical_and(left == 0.0, right == 0.0)
    return 2.0 * arctan2(right, ops.where(empty, ops.ones_like(left), left))


def _uniformly_controlled(angles: Any, level: int) -> Any:
    """Converts the angles for each setting of the controls into those of plain rotations.

    `phi_i = 2**-level sum_j (-1)**(j . g_i) theta_j` with `g_i` the i-th Gray code and `j . g`
    the number of bits that both have: this is a Walsh-Hadamard transform in Gray order.
    """
    size = 2**level
    for bit in range(level):
        step = 2**bit
        pairs = ops.reshape(angles, (-1, size // (2 * step), 2, step))
        low, high = pairs[:, :, 0], pairs[:, :, 1]
        angles = ops.reshape(ops.stack([low + high, low - high], axis=2), (-1, size))
    gray = np.arange(size) ^ (np.arange(size) >> 1)
    return ops.take(angles, gray.astype("int32"), axis=1) / float(size)
