"""The parts of a lowered program: operations over the bits of the storage index."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

EPSILON = 1e-12


def parity(mask: int) -> int:
    """Returns the number of ones, modulo 2."""
    return mask.bit_count() & 1


@dataclass(frozen=True)
class Pauli:
    """The Hermitian Pauli string `sign * i**parity(x & z) * X(x) Z(z)` over storage bits."""

    x: int
    z: int
    sign: int = 1

    def commutes(self, other: Pauli) -> bool:
        return parity(self.x & other.z) == parity(self.z & other.x)


def product(first: Pauli, second: Pauli, factor: int) -> Pauli:
    """Returns `i**factor * first * second`, which must be Hermitian."""
    power = factor + parity(first.x & first.z) + parity(second.x & second.z)
    power += 2 * parity(first.z & second.x) + (1 - first.sign) + (1 - second.sign)
    x, z = first.x ^ second.x, first.z ^ second.z
    return Pauli(x, z, 1 - (power - parity(x & z)) % 4)


@dataclass(frozen=True)
class Rotation:
    """`exp(-i angle/2 pauli)`, with the angle in a row of the table."""

    pauli: Pauli
    row: int

    def commutes(self, pauli: Pauli) -> bool:
        return self.pauli.commutes(pauli)


@dataclass(frozen=True)
class PhaseTerm:
    """`exp(i coefficient angle Z(z))`, with the angle 1 where there is no row."""

    z: int
    coefficient: float
    row: int | None

    @property
    def pauli(self) -> Pauli:
        return Pauli(0, self.z)

    def commutes(self, pauli: Pauli) -> bool:
        return not parity(self.z & pauli.x)


@dataclass(frozen=True, eq=False)
class Dense:
    """A matrix on qubits whose `X` flips `flips` and whose value `reads` (and `offsets`) gives."""

    flips: tuple[int, ...]
    reads: tuple[int, ...]
    offsets: tuple[int, ...]
    matrix: np.ndarray

    def commutes(self, pauli: Pauli) -> bool:
        return not any(parity(pauli.z & m) for m in self.flips) and not any(
            parity(pauli.x & r) for r in self.reads
        )


Operation = Rotation | PhaseTerm | Dense
"""One operation, in circuit order."""


def commute(first: Operation, second: Operation) -> bool:
    """Tells whether two operations commute."""
    if not isinstance(second, Dense):
        return first.commutes(second.pauli)
    if not isinstance(first, Dense):
        return second.commutes(first.pauli)
    return all(first.commutes(Pauli(m, 0)) for m in second.flips) and all(
        first.commutes(Pauli(0, r)) for r in second.reads
    )


def kind(op: Operation) -> int:
    """Returns the kind of a stage that an operation belongs to: only its like share one."""
    return 0 if isinstance(op, Rotation) else 1 if isinstance(op, PhaseTerm) else 2


# A row of the angle table: the offset, and (index, coefficient) of inputs and of weights.
Row = tuple[float, tuple[tuple[int, float], ...], tuple[tuple[int, float], ...]]


class Frame:
    """Where the qubits' values sit in the storage index; see the module's docstring."""

    def __init__(self, n_qubits: int) -> None:
        self.flips = [1 << (n_qubits - 1 - q) for q in range(n_qubits)]
        self.reads = list(self.flips)
        self.offsets = [0] * n_qubits

    def pauli(self, paulis: str, qubits: Iterable[int]) -> Pauli:
        result = Pauli(0, 0)
        for letter, q in zip(paulis, qubits, strict=True):
            x = Pauli(self.flips[q], 0)
            z = Pauli(0, self.reads[q], 1 - 2 * self.offsets[q])
            one = {"X": x, "Z": z}.get(letter)
            if one is None:
                one = product(x, z, 1)  # Y = i X Z
            result = product(result, one, 0)
        return result

    def permute(self, qubits: tuple[int, ...], linear: np.ndarray, constant: np.ndarray) -> None:
        """The qubits' values `b` become `linear b + constant` modulo 2."""
        inverse = np.rint(np.linalg.inv(linear) * np.linalg.det(linear)).astype(int) % 2
        reads = [self.reads[q] for q in qubits]
        flips = [self.flips[q] for q in qubits]
        offsets = [self.offsets[q] for q in qubits]
        for i, q in enumerate(qubits):
            self.reads[q] = self.flips[q] = 0
            self.offsets[q] = int(constant[i])
            for j in range(len(qubits)):
                if linear[i, j]:
                    self.reads[q] ^= reads[j]
                    self.offsets[q] ^= offsets[j]
                if inverse[j, i]:
                    self.flips[q] ^= flips[j]
