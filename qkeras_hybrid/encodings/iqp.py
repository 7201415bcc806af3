"""Encodings with products of features: diagonal couplings between Hadamards."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import MOST_REPEATS, positive_int
from qkeras_hybrid._entanglement import (
    check_entanglement,
    entanglement_config,
    entanglement_pairs,
)
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.encodings.base import Encoding, rounds, whole


def product_of_complements(first: Any, second: Any) -> Any:
    """Returns `(pi - x_i)(pi - x_j)`, the pair function of the ZZ feature map."""
    return (math.pi - first) * (math.pi - second)


keras.saving.register_keras_serializable(package="qkeras_hybrid")(product_of_complements)


class _Diagonal(Encoding):
    """The base of the IQP and ZZ encodings: rounds, pairs, and products made outside circuits."""

    def _pairs(self, n: int) -> list[tuple[int, int]]:
        raise NotImplementedError

    def _product(self, first: Any, second: Any) -> Any:
        raise NotImplementedError

    def n_inputs(self, n_features: int, n_qubits: int) -> int:
        return sum(
            len(group) + len(self._pairs_of(len(group), n_qubits))
            for group in rounds(range(n_features), n_qubits)
        )

    def angles(self, features: Any, n_qubits: int) -> Any:
        columns = []
        for group in rounds(range(features.shape[-1]), n_qubits):
            start, stop = group[0], group[-1] + 1
            columns.append(features[..., start:stop])
            pairs = self._pairs_of(len(group), n_qubits)
            if pairs:
                # All pairs at once: one slice for each pair would take longer than the circuit.
                first, second = start + np.array(pairs, "int32").T
                columns.append(
                    self._product(
                        ops.take(features, first, axis=-1), ops.take(features, second, axis=-1)
                    )
                )
        return ops.concatenate(columns, axis=-1)

    def _pairs_of(self, n_here: int, n_qubits: int) -> list[tuple[int, int]]:
        """Returns the pairs in a round that has features on its first `n_here` qubits only."""
        return [pair for pair in self._pairs(n_qubits) if max(pair) < n_here]


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class IQPEncoding(_Diagonal):
    """Instantaneous quantum polynomial encoding, PennyLane's `IQPEmbedding`.

    `(prod_ij exp(-i x_i x_j Z_i Z_j / 2) prod_i exp(-i x_i Z_i / 2) H...H)**n_layers |0...0>`.
    If there are more features than qubits, further blocks take the next ones. A block with fewer
    features than qubits couples only the pairs in which both qubits have a feature.

    Args:
        n_layers: How often the block is applied; PennyLane's `n_repeats`.
        entanglement: "full" for all pairs, as in PennyLane; "linear", "circular", "pairwise",
            "sca"; or pairs of qubit indices.

    Features:
        Any number, in radians.

    Raises:
        ValueError: If `n_layers` is not positive or the pattern unknown.

    Reference:
        Havlíček et al.: Supervised learning with quantum-enhanced feature spaces, Nature 567,
        209 (2019), arXiv 1804.11326; Shepherd, Bremner, Proc. R. Soc. A 465, 1413 (2009).

    Example:

    >>> print(IQPEncoding().circuit(cirq.LineQubit.range(2), sympy.symbols("x0:3")))
    0: ───H───Rz(x0)───ZZ───────────
                       │
    1: ───H───Rz(x1)───ZZ^(x2/pi)───
    """

    name = "iqp"
    renamed: ClassVar[Mapping[str, str]] = {"n_repeats": "n_layers"}

    def __init__(self, n_layers: int = 1, entanglement: Any = "full") -> None:
        self.n_layers = positive_int("n_layers", n_layers, MOST_REPEATS)
        self.entanglement = check_entanglement(entanglement)

    def get_config(self) -> dict[str, Any]:
        return {"n_layers": self.n_layers, "entanglement": entanglement_config(self.entanglement)}

    def circuit(
        self,
        qubits: Sequence[cirq.Qid],
        inputs: Sequence[sympy.Symbol],
        weights: Sequence[sympy.Symbol] = (),
    ) -> cirq.Circuit:
        operations: list[cirq.Operation] = []
        for single, double in _blocks(self, len(inputs), len(qubits)):
            for _ in range(self.n_layers):
                operations += [cirq.H(qubit) for qubit in qubits]
                operations += [cirq.rz(inputs[k])(qubits[i]) for i, k in single]
                operations += [
                    cirq.ZZPowGate(exponent=inputs[k] / sympy.pi, global_shift=-0.5)(
                        qubits[i], qubits[j]
                    )
                    for (i, j), k in double
                ]
        return whole(operations, qubits)

    def _pairs(self, n: int) -> list[tuple[int, int]]:
        return entanglement_pairs(self.entanglement, n)

    def _product(self, first: Any, second: Any) -> Any:
        return first * second


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class ZZEncoding(_Diagonal):
    """The ZZ feature map, Qiskit's `zz_feature_map` (`ZZFeatureMap`).

    In each layer: Hadamards; a phase `2 x_i` on each qubit; and for each pair the phase
    `2 (pi - x_i)(pi - x_j)` on the odd parity of its qubits (CNOT, phase, CNOT). If there are more
    features than qubits, further blocks take the next ones. A block with fewer features than qubits
    couples only the pairs in which both qubits have a feature.

    Args:
        n_layers: How often the block is applied; Qiskit's `reps`.
        entanglement: "full", "linear", "circular", "pairwise", "sca", as in Qiskit; or pairs of
            qubit indices.
        pair: A function of two tensors that replaces `(pi - x_i)(pi - x_j)`, made of `keras.ops`.
            To save it in a model, register it with `keras.saving.register_keras_serializable`.

    Features:
        Any number, in radians.

    Raises:
        ValueError: If `n_layers` is not positive, the pattern unknown or the function not callable.

    Reference:
        Havlíček et al.: Supervised learning with quantum-enhanced feature spaces, Nature 567,
        209 (2019), arXiv 1804.11326.

    Example:

    >>> encoding = ZZEncoding(n_layers=1)
    >>> encoding.n_inputs(n_features=3, n_qubits=3)
    6
    """

    name = "zz"
    renamed: ClassVar[Mapping[str, str]] = {"reps": "n_layers"}

    def __init__(
        self,
        n_layers: int = 2,
        entanglement: Any = "full",
        pair: Callable[[Any, Any], Any] | dict[str, Any] | str | None = None,
    ) -> None:
        self.n_layers = positive_int("n_layers", n_layers, MOST_REPEATS)
        self.entanglement = check_entanglement(entanglement)
        if isinstance(pair, (dict, str)):
            pair = keras.saving.deserialize_keras_object(pair)
        if pair is not None and not callable(pair):
            raise ArgumentError("pair", "be a function of two tensors", pair)
        self.pair: Any = product_of_complements if pair is None else pair

    def get_config(self) -> dict[str, Any]:
        return {
            "n_layers": self.n_layers,
            "entanglement": entanglement_config(self.entanglement),
            "pair": keras.saving.serialize_keras_object(self.pair),
        }

    def circuit(
        self,
        qubits: Sequence[cirq.Qid],
        inputs: Sequence[sympy.Symbol],
        weights: Sequence[sympy.Symbol] = (),
    ) -> cirq.Circuit:
        operations: list[cirq.Operation] = []
        for single, double in _blocks(self, len(inputs), len(qubits)):
            for _ in range(self.n_layers):
                operations += [cirq.H(qubit) for qubit in qubits]
                operations += [
                    cirq.ZPowGate(exponent=2 * inputs[k] / sympy.pi)(qubits[i]) for i, k in single
                ]
                for (i, j), k in double:
                    # CNOT, phase, CNOT is ZZ to a power: the phase acts on the odd parity.
                    operations.append(
                        cirq.ZZPowGate(exponent=2 * inputs[k] / sympy.pi)(qubits[i], qubits[j])
                    )
        return whole(operations, qubits)

    def _pairs(self, n: int) -> list[tuple[int, int]]:
        # "sca" shifts and reverses the ring from layer to layer, but the couplings commute.
        return entanglement_pairs(self.entanglement, n)

    def _product(self, first: Any, second: Any) -> Any:
        return self.pair(first, second)


def _blocks(
    encoding: _Diagonal, n_inputs: int, n_qubits: int
) -> list[tuple[list[tuple[int, int]], list[tuple[tuple[int, int], int]]]]:
    """Returns, for each round, which input acts on which qubit and on which pair of qubits."""
    found, k = [], 0
    while k < n_inputs:
        # A round uses all qubits if enough inputs are left, otherwise as many as have inputs.
        n_here = next(
            n
            for n in range(n_qubits, 0, -1)
            if n + len(encoding._pairs_of(n, n_qubits)) <= n_inputs - k
        )
        pairs = encoding._pairs_of(n_here, n_qubits)
        single = [(i, k + i) for i in range(n_here)]
        double = [(pair, k + n_here + p) for p, pair in enumerate(pairs)]
        found.append((single, double))
        k += n_here + len(pairs)
    return found
