"""PennyLane's layered templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from qkeras_hybrid._checks import one_of, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.ansatz.base import Ansatz, Weight, rotation

_COUPLINGS = ("cnot", "cz")


def _coupling(name: str, first: cirq.Qid, second: cirq.Qid) -> cirq.Operation:
    gate: cirq.Gate = cirq.CNOT if name == "cnot" else cirq.CZ
    return gate.on(first, second)


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class BasicEntangler(Ansatz):
    """A rotation of each qubit, then a ring of CNOT: PennyLane's `BasicEntanglerLayers`.

    A layer has `n` weights, one for each qubit in order. Two qubits have one CNOT, a single
    qubit none.

    Args:
        axis: The axis of the rotations, "X", "Y" or "Z".

    Raises:
        ValueError: If the axis is none of the three.

    Reference:
        Schuld, Bocharov, Svore, Wiebe: Circuit-centric quantum classifiers, Phys. Rev. A 101,
        032308 (2020), arXiv 1804.00633, of which it is a simple case.

    Example:

    >>> print(BasicEntangler().circuit(cirq.LineQubit.range(3), sympy.symbols("w0:3"), 1))
    0: ───Rx(w0)───@───────X───
                   │       │
    1: ───Rx(w1)───X───@───┼───
                       │   │
    2: ───Rx(w2)───────X───@───
    """

    name = "basic_entangler"

    def __init__(self, axis: str = "X") -> None:
        self.axis = one_of("axis", axis, ("X", "Y", "Z"))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}

    def n_weights(self, n_qubits: int, n_layers: int) -> int:
        return n_qubits * n_layers

    def operations(
        self, qubits: Sequence[cirq.Qid], weights: Sequence[Weight], n_layers: int
    ) -> list[cirq.Operation]:
        n, following = len(qubits), iter(weights)
        found: list[cirq.Operation] = []
        for _ in range(n_layers):
            found += [rotation(self.axis, next(following), qubit) for qubit in qubits]
            pairs = {1: [], 2: [(0, 1)]}.get(n, [(i, (i + 1) % n) for i in range(n)])
            found += [cirq.CNOT(qubits[i], qubits[j]) for i, j in pairs]
        return found


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class StronglyEntangling(Ansatz):
    """A general rotation of each qubit, then CNOTs: PennyLane's `StronglyEntanglingLayers`.

    A layer has three weights for each qubit in order, `phi, theta, omega`, of
    `rz(omega) ry(theta) rz(phi)`; then each qubit `i` controls qubit `i + r mod n`, with range
    `r = (layer mod (n - 1)) + 1`. Two qubits have two CNOTs, one each way; a single qubit none.

    Args:
        coupling: "cnot" or "cz".
        ranges: The range of each layer; None for the formula above.

    Raises:
        ValueError: If the coupling is unknown, or a range not between 1 and `n - 1`.

    Reference:
        Schuld, Bocharov, Svore, Wiebe: Circuit-centric quantum classifiers, Phys. Rev. A 101,
        032308 (2020), arXiv 1804.00633.

    Example:

    >>> print(StronglyEntangling().circuit(cirq.LineQubit.range(2), sympy.symbols("w0:6"), 1))
    0: ───Rz(w0)───Ry(w1)───Rz(w2)───@───X───
                                     │   │
    1: ───Rz(w3)───Ry(w4)───Rz(w5)───X───@───
    """

    name = "strongly_entangling"

    def __init__(self, coupling: str = "cnot", ranges: Sequence[int] | None = None) -> None:
        self.coupling = one_of("coupling", coupling, _COUPLINGS)
        self.ranges = None if ranges is None else tuple(positive_int("ranges", r) for r in ranges)

    def get_config(self) -> dict[str, Any]:
        return {
            "coupling": self.coupling,
            "ranges": None if self.ranges is None else list(self.ranges),
        }

    def n_weights(self, n_qubits: int, n_layers: int) -> int:
        return 3 * n_qubits * n_layers

    def operations(
        self, qubits: Sequence[cirq.Qid], weights: Sequence[Weight], n_layers: int
    ) -> list[cirq.Operation]:
        n, following = len(qubits), iter(weights)
        if self.ranges is not None and (
            len(self.ranges) != n_layers or (n > 1 and max(self.ranges) >= n)
        ):
            raise ArgumentError(
                "ranges", f"be {n_layers} numbers from 1 to {n - 1}", list(self.ranges)
            )
        found: list[cirq.Operation] = []
        for layer in range(n_layers):
            for qubit in qubits:
                found += [rotation(axis, next(following), qubit) for axis in "zyz"]
            if n > 1:
                r = layer % (n - 1) + 1 if self.ranges is None else self.ranges[layer]
                found += [
                    _coupling(self.coupling, qubits[i], qubits[(i + r) % n]) for i in range(n)
                ]
        return found


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class RandomLayers(Ansatz):
    """Rotations and CNOTs on random qubits: PennyLane's `RandomLayers`.

    Gates are drawn one by one until the layer has all its rotations: with probability
    `ratio_coupling` a CNOT of two random qubits, otherwise a rotation of a random qubit by the next
    weight about a random axis. The same seed draws the same circuit as in PennyLane 0.45.

    Args:
        n_rotations: The number of rotations, and of weights, in a layer; None for the number of
            qubits.
        ratio_coupling: The share of CNOTs, PennyLane's `ratio_imprim`, below 1.
        seed: Seed of the draw.

    Raises:
        ValueError: If an argument is out of its range.

    Reference:
        PennyLane's documentation of `qml.RandomLayers`.

    Example:

    >>> random_layers = RandomLayers(n_rotations=3, seed=42)
    >>> print(random_layers.circuit(cirq.LineQubit.range(2), sympy.symbols("w0:3"), 1))
    0: ───Ry(w0)───@────────────
                   │
    1: ───Rx(w1)───X───Rz(w2)───
    """

    name = "random_layers"

    def __init__(
        self, n_rotations: int | None = None, ratio_coupling: float = 0.3, seed: int = 42
    ) -> None:
        self.n_rotations = None if n_rotations is None else positive_int("n_rotations", n_rotations)
        if not 0 <= ratio_coupling < 1:
            raise ArgumentError("ratio_coupling", "be at least 0 and below 1", ratio_coupling)
        self.ratio_coupling = float(ratio_coupling)
        self.seed = seed

    def get_config(self) -> dict[str, Any]:
        return {
            "n_rotations": self.n_rotations,
            "ratio_coupling": self.ratio_coupling,
            "seed": self.seed,
        }

    def n_weights(self, n_qubits: int, n_layers: int) -> int:
        return n_layers * (self.n_rotations or n_qubits)

    def operations(
        self, qubits: Sequence[cirq.Qid], weights: Sequence[Weight], n_layers: int
    ) -> list[cirq.Operation]:
        rng = np.random.default_rng(self.seed)
        found: list[cirq.Operation] = []
        # Draws in the same order as PennyLane, so that a seed gives the same circuit.
        for weight in weights:
            while rng.random() <= self.ratio_coupling:
                if len(qubits) > 1:
                    i, j = rng.choice(len(qubits), size=2, replace=False)
                    found.append(cirq.CNOT(qubits[i], qubits[j]))
            axis = "xyz"[rng.choice(3)]
            (i,) = rng.choice(len(qubits), size=1, replace=False)
            found.append(rotation(axis, weight, qubits[i]))
        return found
