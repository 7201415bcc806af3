"""Circuits in the shape of tensor networks, and the convolutional network."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import keras

from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.ansatz.base import Ansatz, Weight, check_power_of_two


def _block(first: cirq.Qid, second: cirq.Qid, one: Weight, two: Weight) -> list[cirq.Operation]:
    """A CNOT and a rotation `ry` of each qubit: the block of PennyLane's own examples."""
    return [cirq.CNOT(first, second), cirq.ry(one)(first), cirq.ry(two)(second)]


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class TreeTensor(Ansatz):
    """A tree tensor network: PennyLane's `TTN` with blocks of two qubits.

    A block couples two qubits, and passes the second to the next level, where half as many blocks
    couple half as many qubits, until only the last qubit is left: read `Z` of qubit `n - 1`. A
    block is a CNOT and `ry` on both qubits, with two weights, in the order of the blocks. A further
    layer repeats the tree. A layer has `n - 1` blocks.

    The number of qubits is a power of two. (PennyLane accepts other numbers and leaves qubits out.)

    Raises:
        ValueError: If the number of qubits is not a power of two.

    Reference:
        Huggins et al.: Towards quantum machine learning with tensor networks, Quantum Sci.
        Technol. 4, 024001 (2019), arXiv 1803.11537.

    Example:

    >>> print(TreeTensor().circuit(cirq.LineQubit.range(4), sympy.symbols("w0:6"), 1))
    0: ───@───Ry(w0)────────────────
          │
    1: ───X───Ry(w1)───@───Ry(w4)───
                       │
    2: ───@───Ry(w2)───┼────────────
          │            │
    3: ───X───Ry(w3)───X───Ry(w5)───
    """

    name = "tree_tensor"
    min_qubits = 2

    def check_qubits(self, n_qubits: int) -> None:
        check_power_of_two(self.name, n_qubits)

    def n_weights(self, n_qubits: int, n_layers: int) -> int:
        return 2 * (n_qubits - 1) * n_layers

    def operations(
        self, qubits: Sequence[cirq.Qid], weights: Sequence[Weight], n_layers: int
    ) -> list[cirq.Operation]:
        following = iter(weights)
        found: list[cirq.Operation] = []
        for _ in range(n_layers):
            level = list(qubits)
            while len(level) > 1:
                for first, second in zip(level[::2], level[1::2], strict=True):
                    found += _block(first, second, next(following), next(following))
                level = level[1::2]
        return found


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class MatrixProduct(Ansatz):
    """A matrix product state: PennyLane's `MPS` with blocks of two qubits.

    A block on each pair of neighbours (0, 1), (1, 2), and so on, one after the other: a CNOT and
    `ry` on both qubits, with two weights. A further layer repeats the chain.

    Raises:
        ValueError: If there are fewer than two qubits.

    Reference:
        Huggins et al.: Towards quantum machine learning with tensor networks, Quantum Sci.
        Technol. 4, 024001 (2019), arXiv 1803.11537.

    Example:

    >>> print(MatrixProduct().circuit(cirq.LineQubit.range(3), sympy.symbols("w0:4"), 1))
    0: ───@───Ry(w0)────────────────
          │
    1: ───X───Ry(w1)───@───Ry(w2)───
                       │
    2: ────────────────X───Ry(w3)───
    """

    name = "mps"
    min_qubits = 2

    def n_weights(self, n_qubits: int, n_layers: int) -> int:
        return 2 * (n_qubits - 1) * n_layers

    def operations(
        self, qubits: Sequence[cirq.Qid], weights: Sequence[Weight], n_layers: int
    ) -> list[cirq.Operation]:
        following = iter(weights)
        return [
            operation
            for _ in range(n_layers)
            for first, second in itertools.pairwise(qubits)
            for operation in _block(first, second, next(following), next(following))
        ]


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class QCNN(Ansatz):
    """A quantum convolutional network: convolutions on neighbours alternate with pooling.

    Each stage convolves its `m` qubits (`n_layers` times: a two-qubit gate of three weights on
    the pairs (0, 1), (2, 3), ..., then on (1, 2), ..., (m - 1, 0)), then pools: a gate of three
    weights couples qubit `m/2 + k` into qubit `k`, and the first half enters the next stage. The
    result is on qubit 0: read `Z0`. The gates are those of Qiskit Machine Learning's tutorial,
    whose pooling keeps the second half instead and ends on the last qubit.

    The weights come stage by stage: convolutions in the order above, then pooling.

    The number of qubits is a power of two.

    Raises:
        ValueError: If the number of qubits is not a power of two.

    Reference:
        Cong, Choi, Lukin: Quantum convolutional neural networks, Nat. Phys. 15, 1273 (2019),
        arXiv 1810.03787; gates: Vatan, Williams, Phys. Rev. A 69, 032315 (2004),
        arXiv quant-ph/0308006.

    Example:

    >>> QCNN().n_weights(n_qubits=8, n_layers=1)
    63
    """

    name = "qcnn"
    min_qubits = 2

    def check_qubits(self, n_qubits: int) -> None:
        check_power_of_two(self.name, n_qubits)

    def n_weights(self, n_qubits: int, n_layers: int) -> int:
        # A stage of m qubits has m gates in a convolution and m/2 in pooling.
        stages = [n_qubits // 2**k for k in range(int(math.log2(n_qubits)))]
        return sum(3 * m * n_layers + 3 * m // 2 for m in stages)

    def operations(
        self, qubits: Sequence[cirq.Qid], weights: Sequence[Weight], n_layers: int
    ) -> list[cirq.Operation]:
        following = iter(weights)
        found: list[cirq.Operation] = []
        level = list(qubits)
        while len(level) > 1:
            turned = [*level[1:], level[0]]
            for _ in range(n_layers):
                for pairs in (
                    zip(level[::2], level[1::2], strict=True),
                    zip(turned[::2], turned[1::2], strict=True),
                ):
                    for first, second in pairs:
                        three = [next(following) for _ in range(3)]
                        found += _pooling(first, second, three)
                        found += [cirq.CNOT(second, first), cirq.rz(math.pi / 2)(first)]
            half = len(level) // 2
            for sink, source in zip(level[:half], level[half:], strict=True):
                found += _pooling(source, sink, [next(following) for _ in range(3)])
            level = level[:half]
        return found


def _pooling(first: cirq.Qid, second: cirq.Qid, weights: Sequence[Weight]) -> list[cirq.Operation]:
    return [
        cirq.rz(-math.pi / 2)(second),
        cirq.CNOT(second, first),
        cirq.rz(weights[0])(first),
        cirq.ry(weights[1])(second),
        cirq.CNOT(first, second),
        cirq.ry(weights[2])(second),
    ]
