"""A program in two kinds of gates: matrices of few qubits, and phases on any.

Diagonal instructions on several qubits, and rotations about Pauli strings, become phases: those of
a whole layer are one vector. `exp(-i a/2 XY)` is `exp(-i a/2 ZZ)` between fixed gates of one qubit,
because `X = H Z H` and `Y = V† Z V` with `V = H S†`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from qkeras_hybrid.program import (
    Channel,
    Instruction,
    Measurement,
    PauliRotation,
    Phase,
    Reset,
    Unitary,
)
from qkeras_hybrid.program.angles import Angle

PAULIS = {
    "X": np.array([[0, 1], [1, 0]], complex),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]).astype(complex),
}
_HADAMARD = np.array([[1, 1], [1, -1]]) / math.sqrt(2)
TO_Z = {"X": _HADAMARD, "Y": _HADAMARD @ np.diag([1, -1j])}
"""The unitaries `V` with `P = V† Z V`: measuring `Z` after them measures `P`."""


@dataclass(frozen=True)
class PhaseTerm:
    """`exp(i angle f(b))` on each basis state `b`, a factor of a diagonal.

    Attributes:
        qubits: Indices of the qubits on which `f` depends; with none, `f` is 1.
        parity: Whether `f` is the product of `(-1)**b` over the qubits, or that of their bits `b`.
        angle: The angle, affine in inputs and weights.
    """

    qubits: tuple[int, ...]
    parity: bool
    angle: Angle


@dataclass(frozen=True)
class Factor:
    """A matrix on one qubit, `constant + cos(angle) cosine + sin(angle) sine`.

    Attributes:
        constant: The constant part; all of the matrix if there is no angle.
        angle: The angle, affine in inputs and weights.
        cosine: The factor of the cosine.
        sine: The factor of the sine.
        phases: The same as phases, if the matrix is diagonal.
    """

    constant: np.ndarray
    angle: Angle | None = None
    cosine: np.ndarray | None = None
    sine: np.ndarray | None = None
    phases: tuple[PhaseTerm, ...] | None = None

    @property
    def is_real(self) -> bool:
        """Whether the matrix is real for every angle."""
        parts = (self.constant, self.cosine, self.sine)
        return not any(part is not None and np.any(part.imag) for part in parts)


@dataclass(frozen=True)
class OneQubit:
    """A gate on one qubit."""

    qubit: int
    factor: Factor

    @property
    def qubits(self) -> tuple[int, ...]:
        """The qubit, alone."""
        return (self.qubit,)


@dataclass(frozen=True)
class Diagonal:
    """Phases on several qubits, or on one qubit if they are to join such phases."""

    qubits: tuple[int, ...]
    terms: tuple[PhaseTerm, ...]


@dataclass(frozen=True)
class Dense:
    """A fixed matrix on several qubits; the first is the most significant bit."""

    qubits: tuple[int, ...]
    matrix: np.ndarray


Gate = OneQubit | Diagonal | Dense


def gates(instructions: Iterable[Instruction], angles: Sequence[Angle]) -> list[Gate]:
    """Returns the gates of instructions.

    Args:
        instructions: The instructions of a program of unitaries.
        angles: The affine angles that the instructions number.
    """
    made: list[Gate] = []
    for instruction in instructions:
        match instruction:
            case PauliRotation(paulis=paulis, qubits=(qubit,), angle=row):
                made.append(OneQubit(qubit, _rotation(paulis, qubit, scaled(angles[row], 0.5))))
            case PauliRotation(paulis=paulis, qubits=qubits, angle=row):
                made += _string(paulis, qubits, scaled(angles[row], -0.5))
            case Phase(qubits=(qubit,), angle=row):
                made.append(OneQubit(qubit, _phase(qubit, angles[row])))
            case Phase(qubits=qubits, angle=row):
                made.append(Diagonal(qubits, (PhaseTerm(qubits, False, angles[row]),)))
            case Unitary(qubits=(qubit,)):
                made.append(OneQubit(qubit, fixed(instruction.array, qubit)))
            case Unitary(qubits=qubits):
                if _is_diagonal(instruction.array):
                    made.append(Diagonal(qubits, _phases(np.diag(instruction.array), qubits)))
                else:
                    made.append(Dense(qubits, instruction.array))
            case Channel() | Measurement() | Reset():
                raise NotImplementedError(f"{type(instruction).__name__} is not declared")
            case _:
                assert_never(instruction)
    return made


def is_diagonal(gate: Gate) -> bool:
    """Tells whether a gate commutes with measurements in the computational basis."""
    if isinstance(gate, OneQubit):
        return gate.factor.phases is not None
    return isinstance(gate, Diagonal)


def by_phases(gate: OneQubit) -> list[Gate]:
    """Returns a one-qubit rotation as fixed gates and phases, or the gate unchanged."""
    factor = gate.factor
    if factor.phases is not None:
        return [Diagonal(gate.qubits, factor.phases)]
    if factor.sine is None or factor.angle is None:
        return [gate]
    # sin(a/2) goes with -i P.
    pauli = next(p for p in "XY" if np.array_equal(factor.sine, -1j * PAULIS[p]))
    return _string(pauli, gate.qubits, scaled(factor.angle, -1.0))


def fixed(matrix: np.ndarray, qubit: int) -> Factor:
    """Returns a factor without an angle."""
    matrix = np.asarray(matrix, complex)
    phases = _phases(np.diag(matrix), (qubit,)) if _is_diagonal(matrix) else None
    return Factor(matrix, phases=phases)


def scaled(angle: Angle, factor: float) -> Angle:
    """Returns a multiple of an affine angle."""
    return Angle(
        factor * angle.offset,
        tuple((i, factor * c) for i, c in angle.inputs),
        tuple((j, factor * c) for j, c in angle.weights),
    )


def _rotation(pauli: str, qubit: int, half: Angle) -> Factor:
    if not half.varies:
        turned = math.cos(half.offset) * np.eye(2) - 1j * math.sin(half.offset) * PAULIS[pauli]
        return fixed(turned, qubit)
    phases = (PhaseTerm((qubit,), True, scaled(half, -1.0)),) if pauli == "Z" else None
    zero = np.zeros((2, 2), complex)
    return Factor(zero, half, np.eye(2, dtype=complex), -1j * PAULIS[pauli], phases)


def _phase(qubit: int, angle: Angle) -> Factor:
    if not angle.varies:
        return fixed(np.diag([1, np.exp(1j * angle.offset)]), qubit)
    low, high = np.diag([1, 0]).astype(complex), np.diag([0, 1]).astype(complex)
    return Factor(low, angle, high, 1j * high, (PhaseTerm((qubit,), False, angle),))


def _string(paulis: str, qubits: tuple[int, ...], angle: Angle) -> list[Gate]:
    """Returns the gates of `exp(i angle P)` for a Pauli string `P`."""
    turned = [(q, TO_Z[p]) for p, q in zip(paulis, qubits, strict=True) if p != "Z"]
    before = [OneQubit(q, fixed(v, q)) for q, v in turned]
    after = [OneQubit(q, fixed(v.conj().T, q)) for q, v in turned]
    return [*before, Diagonal(qubits, (PhaseTerm(qubits, True, angle),)), *after]


def _is_diagonal(matrix: np.ndarray) -> bool:
    return not np.any(matrix[~np.eye(len(matrix), dtype=bool)])


def _phases(diagonal: np.ndarray, qubits: tuple[int, ...]) -> tuple[PhaseTerm, ...]:
    """Returns a fixed diagonal as phases on products of bits."""
    left = np.angle(diagonal).reshape([2] * len(qubits))
    # Moebius inversion: each product of bits keeps only the phase that no smaller product explains.
    for axis in range(len(qubits)):
        low, high = np.split(left, 2, axis)
        left = np.concatenate([low, high - low], axis)
    terms = []
    for bits in np.ndindex(left.shape):
        if left[bits]:
            on = tuple(q for q, bit in zip(qubits, bits, strict=True) if bit)
            terms.append(PhaseTerm(on, False, Angle(float(left[bits]))))
    return tuple(terms)
