"""Qiskit's two-local circuits: alternating rotation and entanglement layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._entanglement import (
    check_entanglement,
    entanglement_config,
    entanglement_pairs,
)
from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.ansatz.base import Ansatz, Weight, rotation

_ROTATIONS = ("rx", "ry", "rz")
_COUPLINGS = ("cx", "cy", "cz", "crx", "cry", "crz", "rxx", "ryy", "rzz", "swap", "iswap")


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class TwoLocal(Ansatz):
    """Alternating rotation and entanglement layers: Qiskit's `n_local` (`TwoLocal`).

    `n_layers` times: each rotation gate on every qubit, then the coupling on every pair of the
    pattern; at the end, the rotations again. The weights come in the order of the gates: the first
    rotation on all qubits, then the second, and so on; each coupling with an angle takes one
    weight.

    Args:
        rotations: Some of "rx", "ry", "rz".
        coupling: "cx", "cy", "cz", "crx", "cry", "crz", "rxx", "ryy", "rzz", "swap" or "iswap".
        entanglement: "full", "linear", "reverse_linear", "circular" (also called "ring"),
            "pairwise", "sca", or pairs of qubit indices.
        skip_final_rotations: Whether to leave out the rotations at the end.

    Raises:
        ValueError: If a name is unknown.

    Reference:
        Kandala et al.: Hardware-efficient variational quantum eigensolver for small molecules
        and quantum magnets, Nature 549, 242 (2017), arXiv 1704.05018; Qiskit's `n_local`.

    Example:

    >>> two_local = TwoLocal(rotations=["ry"], entanglement="linear")
    >>> print(two_local.circuit(cirq.LineQubit.range(2), sympy.symbols("w0:4"), 1))
    0: ───Ry(w0)───@───Ry(w2)───
                   │
    1: ───Ry(w1)───X───Ry(w3)───
    """

    name = "two_local"

    def __init__(
        self,
        rotations: Sequence[str] = ("ry",),
        coupling: str = "cx",
        entanglement: Any = "full",
        skip_final_rotations: bool = False,
    ) -> None:
        names = [rotations] if isinstance(rotations, str) else list(rotations)
        self.rotations = tuple(one_of("rotations", name, _ROTATIONS) for name in names)
        self.coupling = one_of("coupling", coupling, _COUPLINGS)
        self.entanglement = check_entanglement(entanglement)
        self.skip_final_rotations = bool(skip_final_rotations)

    def get_config(self) -> dict[str, Any]:
        return {
            "rotations": list(self.rotations),
            "coupling": self.coupling,
            "entanglement": entanglement_config(self.entanglement),
            "skip_final_rotations": self.skip_final_rotations,
        }

    def n_weights(self, n_qubits: int, n_layers: int) -> int:
        rotation_layers = n_layers + (not self.skip_final_rotations)
        couplings = len(entanglement_pairs(self.entanglement, n_qubits)) * n_layers
        return rotation_layers * n_qubits * len(self.rotations) + couplings * self._has_angle

    def operations(
        self, qubits: Sequence[cirq.Qid], weights: Sequence[Weight], n_layers: int
    ) -> list[cirq.Operation]:
        following = iter(weights)
        found: list[cirq.Operation] = []
        for layer in range(n_layers + (not self.skip_final_rotations)):
            for name in self.rotations:
                found += [rotation(name[1], next(following), qubit) for qubit in qubits]
            if layer < n_layers:
                for i, j in entanglement_pairs(self.entanglement, len(qubits), layer):
                    angle = next(following) if self._has_angle else None
                    found.append(coupling(self.coupling, angle, qubits[i], qubits[j]))
        return found

    @property
    def _has_angle(self) -> bool:
        return "r" in self.coupling


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class HardwareEfficient(TwoLocal):
    """`ry` and `rz` on each qubit and CNOTs on neighbours: Qiskit's `efficient_su2`.

    `TwoLocal` with other defaults: the rotations "ry" and "rz", and the entanglement
    "reverse_linear".

    Example:

    >>> print(HardwareEfficient().circuit(cirq.LineQubit.range(2), sympy.symbols("w0:8"), 1))
    0: ───Ry(w0)───Rz(w2)───@───Ry(w4)───Rz(w6)───
                            │
    1: ───Ry(w1)───Rz(w3)───X───Ry(w5)───Rz(w7)───
    """

    name = "hardware_efficient"

    def __init__(
        self,
        rotations: Sequence[str] = ("ry", "rz"),
        coupling: str = "cx",
        entanglement: Any = "reverse_linear",
        skip_final_rotations: bool = False,
    ) -> None:
        super().__init__(rotations, coupling, entanglement, skip_final_rotations)


def coupling(name: str, angle: Weight, first: cirq.Qid, second: cirq.Qid) -> cirq.Operation:
    """Returns a two-qubit gate by Qiskit's name; `angle` in radians if it has one."""
    if name in ("cx", "cy", "cz"):
        paulis: dict[str, cirq.Gate] = {"x": cirq.X, "y": cirq.Y, "z": cirq.Z}
        return paulis[name[1]].on(second).controlled_by(first)
    if name in ("swap", "iswap"):
        exchange: cirq.Gate = cirq.SWAP if name == "swap" else cirq.ISWAP
        return exchange.on(first, second)
    if name in ("rxx", "ryy", "rzz"):
        families: dict[str, type[cirq.EigenGate]] = {
            "rxx": cirq.XXPowGate,
            "ryy": cirq.YYPowGate,
            "rzz": cirq.ZZPowGate,
        }
        exponent = angle / (sympy.pi if isinstance(angle, sympy.Basic) else math.pi)
        return families[name](exponent=exponent, global_shift=-0.5).on(first, second)
    return rotation(name[2], angle, second).controlled_by(first)
