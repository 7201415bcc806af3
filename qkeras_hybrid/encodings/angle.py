"""Encodings that rotate qubits by angles made of the features."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import keras

from qkeras_hybrid._checks import MOST_REPEATS, one_of, positive_int
from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.encodings.base import Encoding, rounds, whole


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class AngleEncoding(Encoding):
    """Rotates each qubit by a feature: `exp(-i x_j P / 2)` with `P` the Pauli of the axis.

    If there are more features than qubits, they continue in further rounds: feature `j` acts on
    qubit `j mod n`, in round `j div n`. Every second round turns about the next axis (X to Y to Z
    to X), so that rounds don't commute. About the same axis, the rotations would add up, and the
    circuit would depend only on sums of features. One round is PennyLane's `AngleEmbedding`. With
    axis Z, one round only gives `|0...0>` a phase, which no measurement sees. In this case, begin
    the circuit with Hadamards.

    Args:
        axis: "X", "Y" or "Z".

    Features:
        Any number, in radians.

    Raises:
        ValueError: If the axis is none of the three.

    Reference:
        Schuld, Petruccione: Supervised Learning with Quantum Computers (2018), section 5.2;
        rounds: Pérez-Salinas et al., Quantum 4, 226 (2020), arXiv 1907.02085.

    Example:

    >>> print(AngleEncoding().circuit(cirq.LineQubit.range(2), sympy.symbols("x0:3")))
    0: ───Rx(x0)───Ry(x2)───
    <BLANKLINE>
    1: ───Rx(x1)────────────
    """

    name = "angle"

    def __init__(self, axis: str = "X") -> None:
        self.axis = one_of("axis", axis, ("X", "Y", "Z"))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}

    def n_inputs(self, n_features: int, n_qubits: int) -> int:
        return n_features

    def circuit(
        self,
        qubits: Sequence[cirq.Qid],
        inputs: Sequence[sympy.Symbol],
        weights: Sequence[sympy.Symbol] = (),
    ) -> cirq.Circuit:
        axes = "XYZ"
        first = axes.index(self.axis)
        turns = {"X": cirq.rx, "Y": cirq.ry, "Z": cirq.rz}
        return whole(
            [
                turns[axes[(first + r % 2) % 3]](symbol)(qubit)
                for r, group in enumerate(rounds(inputs, len(qubits)))
                for qubit, symbol in zip(qubits, group, strict=False)
            ],
            qubits,
        )

    def angles(self, features: Any, n_qubits: int) -> Any:
        return features


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class DenseAngleEncoding(Encoding):
    """Puts two features into each qubit: `cos(x/2)|0> + exp(i y) sin(x/2)|1>`.

    Features `x = x_2j` and `y = x_(2j+1)` are the polar and azimuthal angles of qubit `j` on the
    Bloch sphere: `ry(x)`, then a phase `y`. LaRose and Coyle write `cos(pi x)` and
    `exp(2 pi i y)`: our angles are `2 pi` times theirs. If there are more than two features for
    each qubit, they continue in further rounds on the resulting state.

    Features:
        Any number, in radians; with an odd number, the last one has no partner.

    Reference:
        LaRose, Coyle: Robust data encodings for quantum classifiers, Phys. Rev. A 102, 032420
        (2020), arXiv 2003.01695, definition 2.

    Example:

    >>> print(DenseAngleEncoding().circuit([cirq.LineQubit(0)], sympy.symbols("x0:2")))
    0: ───Ry(x0)───Z^(x1/pi)───
    """

    name = "dense_angle"

    def n_inputs(self, n_features: int, n_qubits: int) -> int:
        return n_features

    def circuit(
        self,
        qubits: Sequence[cirq.Qid],
        inputs: Sequence[sympy.Symbol],
        weights: Sequence[sympy.Symbol] = (),
    ) -> cirq.Circuit:
        operations = []
        for group in rounds(inputs, 2 * len(qubits)):
            for qubit, pair in zip(qubits, rounds(group, 2), strict=False):
                operations.append(cirq.ry(pair[0])(qubit))
                if len(pair) == 2:
                    operations.append(cirq.ZPowGate(exponent=pair[1] / sympy.pi)(qubit))
        return whole(operations, qubits)

    def angles(self, features: Any, n_qubits: int) -> Any:
        return features


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class PhaseEncoding(Encoding):
    """Writes features into phases: `(|0> + exp(i x_j)|1>) / sqrt(2)` on qubit `j`.

    A Hadamard and a phase gate on each qubit; if there are more features than qubits, they continue
    in further rounds, each with Hadamards. Up to a factor 2 of the features this is one repetition
    of Qiskit's `z_feature_map`, whose phase is `2 x`.

    Features:
        Any number, in radians.

    Reference:
        Schuld, Killoran: Quantum machine learning in feature Hilbert spaces, Phys. Rev. Lett.
        122, 040504 (2019), arXiv 1803.07128.

    Example:

    >>> print(PhaseEncoding().circuit([cirq.LineQubit(0)], [sympy.Symbol("x")]))
    0: ───H───Z^(x/pi)───
    """

    name = "phase"

    def n_inputs(self, n_features: int, n_qubits: int) -> int:
        return n_features

    def circuit(
        self,
        qubits: Sequence[cirq.Qid],
        inputs: Sequence[sympy.Symbol],
        weights: Sequence[sympy.Symbol] = (),
    ) -> cirq.Circuit:
        operations: list[cirq.Operation] = []
        for group in rounds(inputs, len(qubits)):
            operations += [cirq.H(qubit) for qubit in qubits]
            operations += [
                cirq.ZPowGate(exponent=symbol / sympy.pi)(qubit)
                for qubit, symbol in zip(qubits, group, strict=False)
            ]
        return whole(operations, qubits)

    def angles(self, features: Any, n_qubits: int) -> Any:
        return features


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class ReuploadingEncoding(Encoding):
    """Uploads the features several times, each time scaled and shifted by trained weights.

    In each layer, feature `j` acts on qubit `j mod n` by `ry((1 + s_j) x_j + b_j)`, in several
    rounds if there are more features than qubits. Each round ends with a trained `rz(c_q)` on every
    qubit. Between layers a ring of CZ couples the qubits. With all weights zero, the features enter
    unchanged. A circuit with `L` layers is a Fourier series with `L` frequencies in each feature,
    which the weights scale (Schuld, Sweke, Meyer 2021, arXiv 2008.08605).

    The weights come layer by layer, in a layer round by round: `s_j, b_j` of each feature of
    the round, then `c_q` of each qubit.

    Args:
        n_layers: How often the features are uploaded.

    Features:
        Any number, in radians.

    Raises:
        ValueError: If `n_layers` is not a whole number of at least 1.

    Reference:
        Pérez-Salinas, Cervera-Lierta, Gil-Fuster, Latorre: Data re-uploading for a universal
        quantum classifier, Quantum 4, 226 (2020), arXiv 1907.02085.

    Example:

    >>> encoding = ReuploadingEncoding(n_layers=2)
    >>> encoding.n_weights(n_features=3, n_qubits=3)
    18
    """

    name = "reuploading"

    def __init__(self, n_layers: int = 2) -> None:
        self.n_layers = positive_int("n_layers", n_layers, MOST_REPEATS)

    def get_config(self) -> dict[str, Any]:
        return {"n_layers": self.n_layers}

    def n_inputs(self, n_features: int, n_qubits: int) -> int:
        return n_features

    def n_weights(self, n_features: int, n_qubits: int) -> int:
        n_rounds = math.ceil(n_features / n_qubits)
        return self.n_layers * (2 * n_features + n_rounds * n_qubits)

    def circuit(
        self,
        qubits: Sequence[cirq.Qid],
        inputs: Sequence[sympy.Symbol],
        weights: Sequence[sympy.Symbol] = (),
    ) -> cirq.Circuit:
        following = iter(weights)
        operations: list[cirq.Operation] = []
        for layer in range(self.n_layers):
            for group in rounds(inputs, len(qubits)):
                for qubit, symbol in zip(qubits, group, strict=False):
                    scale, shift = next(following), next(following)
                    operations.append(cirq.ry((1 + scale) * symbol + shift)(qubit))
                operations += [cirq.rz(next(following))(qubit) for qubit in qubits]
            if len(qubits) > 1 and layer < self.n_layers - 1:
                operations += [cirq.CZ(*pair) for pair in _ring(qubits)]
        return whole(operations, qubits)

    def angles(self, features: Any, n_qubits: int) -> Any:
        return features


def _ring(qubits: Sequence[cirq.Qid]) -> list[tuple[cirq.Qid, cirq.Qid]]:
    # On two qubits the ring would contain the same pair twice, and CZ is its own inverse.
    pairs = list(itertools.pairwise(qubits))
    return pairs if len(qubits) == 2 else [*pairs, (qubits[-1], qubits[0])]
