"""Programs on density matrices, as real matrices on Pauli strings.

A density matrix of n qubits is held as the `4**n` numbers `r_P = tr(P rho)`, one for each Pauli
string `P`. Every instruction, noise included, is a real matrix on them, its Pauli transfer matrix
`R_PQ = tr(P E(Q)) / 2**k` (Greenbaum 2015, https://arxiv.org/abs/1509.02921). A rotation
`exp(-i a/2 P)` leaves the strings that commute with `P` unchanged, and turns the others in pairs by
the angle `a`; a Clifford gate exchanges strings; depolarizing noise scales them.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from qkeras_hybrid.program import (
    AngleMap,
    Channel,
    Measurement,
    PauliRotation,
    Phase,
    Program,
    Reset,
    Unitary,
)

MOST_QUBITS_TURNED = 8
"""A rotation on k qubits turns `4**k / 4` pairs of numbers, at each place."""
MOST_QUBITS_FIXED = 3
"""A matrix on k qubits has up to `16**k` numbers."""

_PAULIS = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
# Entries below this are rounding errors: no real channel is so weak.
_NOTHING = 1e-15


@dataclass(frozen=True)
class Turn:
    """A rotation of one qubit by `scale` times an angle.

    Attributes:
        axis: 1, 2 or 3, for X, Y and Z.
        angle: The number of the angle.
        scale: The factor.
    """

    axis: int
    angle: int
    scale: float


@dataclass(frozen=True, eq=False)
class Local:
    """Rotations and fixed matrices on one qubit, the first of which acts first.

    Attributes:
        qubit: The qubit.
        factors: Turns, and transfer matrices of shape `(4, 4)`.
    """

    qubit: int
    factors: tuple[Turn | np.ndarray, ...]

    @property
    def qubits(self) -> tuple[int, ...]:
        """The qubit, alone."""
        return (self.qubit,)


@dataclass(frozen=True)
class Rotation:
    """`exp(-i scale angle/2 P)` for a Pauli string on several qubits.

    Attributes:
        letters: 1, 2 or 3 for each qubit, for X, Y and Z.
        qubits: The qubits.
        angle: The number of the angle.
        scale: The factor.
    """

    letters: tuple[int, ...]
    qubits: tuple[int, ...]
    angle: int
    scale: float


@dataclass(frozen=True, eq=False)
class Fixed:
    """A transfer matrix on several qubits, the first of which is the most significant digit."""

    qubits: tuple[int, ...]
    matrix: np.ndarray


@dataclass(frozen=True, eq=False)
class Pair:
    """Single-qubit operations, after which the numbers are permuted, each times a factor.

    Attributes:
        qubits: Two qubits, the first of which is the more significant digit.
        locals: The factors of each, as in `Local`; none where nothing is done.
        targets: Where each of the 16 numbers goes.
        factors: What each is multiplied with.
    """

    qubits: tuple[int, int]
    locals: tuple[tuple[Turn | np.ndarray, ...], tuple[Turn | np.ndarray, ...]]
    targets: tuple[int, ...]
    factors: tuple[float, ...]


Operation = Local | Rotation | Fixed


def transfer_matrix(kraus: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the transfer matrix of a channel, `R_PQ = tr(P sum_k K_k Q K_k†) / 2**n`.

    Args:
        kraus: Its operators, each of shape `(2**n, 2**n)`.

    Returns:
        Real array of shape `(4**n, 4**n)`.
    """
    n = int(math.log2(len(kraus[0])))
    strings = pauli_matrices(n)
    after = sum(np.einsum("ij,qjk,lk->qil", k, strings, k.conj(), optimize=True) for k in kraus)
    found = np.einsum("pij,qji->pq", strings, after, optimize=True).real / 2**n
    found[np.abs(found) < _NOTHING] = 0.0
    return np.asarray(found)


@functools.cache
def pauli_matrices(n: int) -> np.ndarray:
    """Returns all Pauli strings on n qubits, of shape `(4**n, 2**n, 2**n)`, qubit 0 first."""
    found = np.ones((1, 1, 1), complex)
    for _ in range(n):
        size = len(found[0])
        found = np.einsum("pij,qkl->pqikjl", found, _PAULIS).reshape(-1, 2 * size, 2 * size)
    return found


def string_index(paulis: str, qubits: Sequence[int], n_qubits: int) -> int:
    """Returns the place of a Pauli string: a digit to the base 4 for each qubit, qubit 0 first."""
    return sum(
        "IXYZ".index(letter) * 4 ** (n_qubits - 1 - qubit)
        for letter, qubit in zip(paulis, qubits, strict=True)
    )


def is_trace_preserving(kraus: Sequence[np.ndarray]) -> bool:
    """Tells whether `sum_k K_k† K_k` is the identity."""
    total = sum(k.conj().T @ k for k in kraus)
    return bool(np.allclose(total, np.eye(len(kraus[0])), atol=1e-6))


def refusal(program: Program) -> str | None:
    """Returns why a program can't be written in this form, or None if it can."""
    for instruction in program.instructions:
        name, n = type(instruction).__name__, len(instruction.qubits)
        match instruction:
            case PauliRotation() | Phase():
                if n > MOST_QUBITS_TURNED:
                    return f"a {name} acts on {n} qubits, and it takes {MOST_QUBITS_TURNED}"
            case Unitary() | Channel():
                if n > MOST_QUBITS_FIXED:
                    return f"a {name} acts on {n} qubits, and it takes {MOST_QUBITS_FIXED}"
                if isinstance(instruction, Channel) and not is_trace_preserving(instruction.arrays):
                    return (
                        "a channel is not trace-preserving: the sum of K†K over its Kraus "
                        "operators K must be the identity"
                    )
            case Measurement() | Reset():
                pass
            case _:
                assert_never(instruction)
    return None


def operations(program: Program, angles: AngleMap) -> list[Operation]:
    """Returns the operations on the numbers, in order.

    Args:
        program: A program that `refusal` takes.
        angles: The map that says which angles vary.
    """
    lowering = _Lowering(angles)
    for instruction in program.instructions:
        qubits = instruction.qubits
        match instruction:
            case PauliRotation(paulis=paulis, angle=row):
                letters = tuple("IXYZ".index(letter) for letter in paulis)
                lowering.rotate(letters, qubits, row, 1.0)
            case Phase(angle=row):
                lowering.phase(qubits, row)
            case Unitary():
                lowering.fixed(qubits, transfer_matrix([instruction.array]))
            case Channel():
                lowering.fixed(qubits, transfer_matrix(instruction.arrays))
            case Measurement():
                # The result is not recorded: X and Y are lost.
                for qubit in qubits:
                    lowering.fixed((qubit,), np.diag([1.0, 0.0, 0.0, 1.0]))
            case Reset():
                into_zero = np.zeros((4, 4))
                into_zero[[0, 3], 0] = 1.0
                lowering.fixed(qubits, into_zero)
            case _:
                assert_never(instruction)
    return lowering.finished()


def absorbed(
    found: Sequence[Operation], strings: Sequence[int], n_qubits: int
) -> tuple[list[Operation], list[int], np.ndarray]:
    """Absorbs operations at the end into the readout.

    After a gate that exchanges strings, or noise that scales them, the value of a string is a
    multiple of another string's value before it, so the last gates and the last noise cost nothing.

    Args:
        found: What `operations` returned.
        strings: Places of the Pauli strings to read.
        n_qubits: The number of qubits.

    Returns:
        The remaining operations, the strings to read after them, and the factors of their values.
    """
    places, factors = list(strings), np.ones(len(strings))
    left: list[Operation] = []
    blocked: set[int] = set()
    for operation in reversed(found):
        matrix = _constant(operation)
        if matrix is None or not blocked.isdisjoint(operation.qubits):
            blocked.update(operation.qubits)
            left.append(operation)
            continue
        shifts = [2 * (n_qubits - 1 - qubit) for qubit in operation.qubits]
        for k, place in enumerate(places):
            row = 0
            for shift in shifts:
                row = row << 2 | place >> shift & 3
            column = int(np.argmax(matrix[row] != 0.0))
            factors[k] *= matrix[row, column]
            for shift in reversed(shifts):
                place = place & ~(3 << shift) | (column & 3) << shift
                column >>= 2
            places[k] = place
    return left[::-1], places, factors


def _constant(operation: Operation) -> np.ndarray | None:
    """Returns the matrix of an operation without angles that gives each string from one other."""
    match operation:
        case Local(factors=(np.ndarray() as matrix,)) | Fixed(matrix=matrix):
            return matrix if np.all((matrix != 0.0).sum(axis=1) <= 1) else None
        case _:
            return None


class _Lowering:
    """Collects operations, and joins consecutive ones on a single qubit."""

    def __init__(self, angles: AngleMap) -> None:
        self._rows = angles.rows
        self._done: list[Operation] = []
        self._open: dict[int, list[Turn | np.ndarray]] = {}

    def finished(self) -> list[Operation]:
        self._close(tuple(self._open))
        return self._done

    def rotate(
        self, letters: tuple[int, ...], qubits: tuple[int, ...], row: int, scale: float
    ) -> None:
        if len(qubits) == 1:
            constant = not self._rows[row].varies
            turn = Turn(letters[0], row, scale)
            self._local(
                qubits[0],
                _turned(turn.axis, scale * self._rows[row].offset) if constant else turn,
            )
            return
        self._close(qubits)
        self._done.append(Rotation(letters, qubits, row, scale))

    def phase(self, qubits: tuple[int, ...], row: int) -> None:
        """`exp(i a prod_q (1 - Z_q) / 2)`: a rotation for each set of Zs."""
        for size in range(1, len(qubits) + 1):
            scale = -2.0 * (-1) ** size / 2 ** len(qubits)
            for chosen in itertools.combinations(qubits, size):
                self.rotate((3,) * size, chosen, row, scale)

    def fixed(self, qubits: tuple[int, ...], matrix: np.ndarray) -> None:
        if len(qubits) == 1:
            self._local(qubits[0], matrix)
            return
        self._close(qubits)
        self._done.append(Fixed(qubits, matrix))

    def _local(self, qubit: int, factor: Turn | np.ndarray) -> None:
        factors = self._open.setdefault(qubit, [])
        if factors and isinstance(factor, np.ndarray) and isinstance(factors[-1], np.ndarray):
            factors[-1] = factor @ factors[-1]
        else:
            factors.append(factor)

    def _close(self, qubits: Sequence[int]) -> None:
        for qubit in qubits:
            if factors := self._open.pop(qubit, None):
                self._done.append(Local(qubit, tuple(factors)))


def _turned(axis: int, angle: float) -> np.ndarray:
    found = np.eye(4)
    a, b = axis % 3 + 1, (axis + 1) % 3 + 1
    found[a, a] = found[b, b] = math.cos(angle)
    found[b, a], found[a, b] = math.sin(angle), -math.sin(angle)
    return found
