"""Writes programs with Pauli noise as programs without noise, whose signs depend on errors.

A Pauli error in the middle of a circuit can be moved to its end. Past a rotation that it does not
commute with, it negates the rotation's angle; past a Clifford gate it becomes another Pauli string;
at the end it negates the observables that it does not commute with, and flips measured bits. So
each run of a noisy circuit is a run of the ideal one with changed signs: this is a Pauli frame
(Knill 2005, https://arxiv.org/abs/quant-ph/0410199). Where a string can't pass, before a fixed gate
that is not a Clifford gate, it stays, as rotations by pi or 0.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from qkeras_hybrid.engines.density.transfer import transfer_matrix
from qkeras_hybrid.engines.trajectories.mixtures import Mixture, mixtures
from qkeras_hybrid.program import (
    Angle,
    AngleMap,
    Channel,
    Instruction,
    Measurement,
    PauliRotation,
    Phase,
    Program,
    Reset,
    Unitary,
)


@dataclass(frozen=True)
class Framed:
    """A program without noise, and what the errors change in it.

    Errors are numbered: `struck` is 1 for those that occur and 0 for others, and the entries of a
    matrix of flips count modulo 2.

    Attributes:
        program: The program without noise.
        angles: The map whose inputs are the angles of that program.
        sources: For each angle of `program`, the angle of the noisy program that it is made from.
        scales: The factor of that angle; 0 if only an error makes the angle.
        offsets: The number added to it, in radians.
        flips: Which errors negate an angle, of shape `(n_errors, n_angles)`.
        turns: Which errors add half a turn to an angle, of the same shape.
        x_flips: Which errors flip a measured bit at the end, of shape `(n_errors, n_qubits)`.
        z_flips: Which errors flip the phase of a qubit at the end, of the same shape.
        mixtures: The errors at each place; their strings, in order, are the numbered errors.
    """

    program: Program
    angles: AngleMap
    sources: np.ndarray
    scales: np.ndarray
    offsets: np.ndarray
    flips: np.ndarray
    turns: np.ndarray
    x_flips: np.ndarray
    z_flips: np.ndarray
    mixtures: tuple[Mixture, ...]

    def sign_flips(self, paulis: str, qubits: Sequence[int]) -> np.ndarray:
        """Returns which errors flip the sign of a Pauli string's value at the end."""
        found = np.zeros(len(self.x_flips))
        for letter, qubit in zip(paulis, qubits, strict=True):
            if letter != "Z":
                found += self.z_flips[:, qubit]
            if letter != "X":
                found += self.x_flips[:, qubit]
        return found % 2


def framed(program: Program, angles: AngleMap) -> Framed | None:
    """Writes a program with Pauli noise as one without; returns None if it has other noise.

    Args:
        program: A program.
        angles: The map that says which angles are constant.
    """
    strikes: dict[int, tuple[Mixture, ...]] = {}
    for place, instruction in enumerate(program.instructions):
        match instruction:
            case Channel() | Measurement():
                found = mixtures(instruction)
                if found is None:
                    return None
                strikes[place] = found
            case Reset():
                return None
            case PauliRotation() | Phase() | Unitary():
                pass
            case _:
                assert_never(instruction)
    n_errors = sum(len(m.strings) for each in strikes.values() for m in each)
    writer = _Writer(program.n_qubits, n_errors, angles)
    for place, instruction in enumerate(program.instructions):
        if place in strikes:
            for mixture in strikes[place]:
                writer.strike(mixture)
        else:
            writer.add(instruction)
    return writer.finished(program)


class _Writer:
    """Collects instructions; `x` and `z` record which errors are on which qubit."""

    def __init__(self, n_qubits: int, n_errors: int, angles: AngleMap) -> None:
        self._angles = angles
        self.x = np.zeros((n_qubits, n_errors), bool)
        self.z = np.zeros((n_qubits, n_errors), bool)
        self._n_struck = 0
        self._mixtures: list[Mixture] = []
        self._instructions: list[Instruction] = []
        self._rows: list[Angle] = []
        # For each row: the angle it is made of, factor, constant, flips, half turns.
        self._made: list[tuple[int, float, float, np.ndarray, np.ndarray]] = []

    def strike(self, mixture: Mixture) -> None:
        for string in mixture.strings:
            for letter, qubit in zip(string, mixture.qubits, strict=True):
                if letter in "XY":
                    self.x[qubit, self._n_struck] ^= True
                if letter in "YZ":
                    self.z[qubit, self._n_struck] ^= True
            self._n_struck += 1
        self._mixtures.append(mixture)

    def add(self, instruction: Instruction) -> None:
        qubits = instruction.qubits
        match instruction:
            case PauliRotation(paulis=paulis, angle=row):
                self._rotate(paulis, qubits, row, 1.0)
            case Phase(angle=row):
                if any(self.x[qubit].any() for qubit in qubits):
                    # `exp(i a prod_q (1 - Z_q) / 2)`: a rotation for each set of Zs, and a phase.
                    for size in range(1, len(qubits) + 1):
                        scale = -2.0 * (-1) ** size / 2 ** len(qubits)
                        for chosen in itertools.combinations(qubits, size):
                            self._rotate("Z" * size, chosen, row, scale)
                else:
                    self._instructions.append(Phase(qubits, self._row(row, 1.0)))
            case Unitary():
                self._unitary(instruction)
            case Channel() | Measurement() | Reset():
                raise NotImplementedError(f"{type(instruction).__name__} is no gate")
            case _:
                assert_never(instruction)

    def finished(self, program: Program) -> Framed:
        columns = list(zip(*self._made, strict=True)) or [()] * 5
        n_errors = self.x.shape[1]

        def stacked(arrays: Sequence[np.ndarray]) -> np.ndarray:
            found = np.array(arrays, float).reshape(len(self._made), n_errors)
            return found.T

        return Framed(
            Program(program.qubits, tuple(self._instructions), len(self._rows)),
            AngleMap(
                AngleMap((), (), tuple(Angle(inputs=((0, 1.0),)) for _ in self._rows))
                .bare()
                .inputs,
                (),
                tuple(self._rows),
            ),
            np.array(columns[0], "int32"),
            np.array(columns[1], float),
            np.array(columns[2], float),
            stacked(columns[3]),
            stacked(columns[4]),
            self.x.T.astype(float),
            self.z.T.astype(float),
            tuple(self._mixtures),
        )

    def _anticommuting(self, paulis: str, qubits: Sequence[int]) -> np.ndarray:
        found = np.zeros(self.x.shape[1], bool)
        for letter, qubit in zip(paulis, qubits, strict=True):
            if letter != "Z":
                found ^= self.z[qubit]
            if letter != "X":
                found ^= self.x[qubit]
        return found

    def _rotate(self, paulis: str, qubits: tuple[int, ...], row: int, scale: float) -> None:
        flips = self._anticommuting(paulis, qubits)
        self._instructions.append(PauliRotation(paulis, qubits, self._row(row, scale, flips)))

    def _row(self, row: int, scale: float, flips: np.ndarray | None = None) -> int:
        """Adds an angle: `scale` times one of the noisy program, with a sign that errors flip."""
        given = self._angles.rows[row]
        never = np.zeros(self.x.shape[1], bool)
        flips = never if flips is None else flips
        constant = not given.varies
        return self._made_row(
            (row, 0.0 if constant else scale, scale * given.offset if constant else 0.0),
            flips,
            never,
            constant and not flips.any(),
        )

    def _made_row(
        self,
        made_of: tuple[int, float, float],
        flips: np.ndarray,
        turns: np.ndarray,
        constant: bool,
    ) -> int:
        number = len(self._rows)
        self._rows.append(Angle(offset=made_of[2]) if constant else Angle(inputs=((number, 1.0),)))
        self._made.append((*made_of, flips, turns))
        return number

    def _unitary(self, gate: Unitary) -> None:
        touched = any(self.x[q].any() or self.z[q].any() for q in gate.qubits)
        if touched:
            images = _clifford(gate)
            if images is not None:
                self._conjugate(gate.qubits, images)
            elif len(gate.qubits) == 1:
                self._turned(gate)
                return
            else:
                for qubit in gate.qubits:
                    self._leave(qubit)
        self._instructions.append(gate)

    def _conjugate(self, qubits: tuple[int, ...], images: np.ndarray) -> None:
        """Moves the errors past a Clifford gate; `images` has a row for each X, then each Z."""
        k = len(qubits)
        before = np.concatenate([self.x[list(qubits)], self.z[list(qubits)]])
        after = (images.T.astype(int) @ before.astype(int)) % 2 == 1
        self.x[list(qubits)], self.z[list(qubits)] = after[:k], after[k:]

    def _leave(self, qubit: int) -> None:
        """Leaves the errors on a qubit where they are, as rotations by pi or 0."""
        never = np.zeros(self.x.shape[1], bool)
        for letter, errors in (("X", self.x), ("Z", self.z)):
            if errors[qubit].any():
                row = self._made_row((0, 0.0, 0.0), never, errors[qubit].copy(), False)
                self._instructions.append(PauliRotation(letter, (qubit,), row))
                errors[qubit] = False

    def _turned(self, gate: Unitary) -> None:
        """Writes a gate as `RZ(b) RY(c) RZ(d)` (Nielsen and Chuang, theorem 4.1)."""
        matrix = gate.array
        special = matrix * np.exp(-0.5j * np.angle(np.linalg.det(matrix)))
        c = 2 * float(np.arctan2(abs(special[1, 0]), abs(special[0, 0])))
        half_sum, half_difference = -float(np.angle(special[0, 0])), float(np.angle(special[1, 0]))
        angles = (half_sum - half_difference, c, half_sum + half_difference)
        never = np.zeros(self.x.shape[1], bool)
        for letter, angle in zip("ZYZ", angles, strict=True):
            flips = self._anticommuting(letter, gate.qubits)
            row = self._made_row((0, 0.0, angle), flips, never, not flips.any())
            self._instructions.append(PauliRotation(letter, gate.qubits, row))


def _clifford(gate: Unitary) -> np.ndarray | None:
    """Returns a Clifford gate's images of each X and each Z, or None for another gate.

    Returns:
        Bits of shape `(2k, 2k)`: a row for the X of each qubit, then for each Z; columns describe
        its image in the same order.
    """
    k = len(gate.qubits)
    matrix = transfer_matrix([gate.array])
    large = np.abs(matrix) > 0.5
    if np.any(large.sum(axis=0) != 1) or np.abs(matrix[~large]).max(initial=0.0) > 1e-9:
        return None
    images = np.zeros((2 * k, 2 * k), bool)
    for row in range(2 * k):
        # The digit of X is 1, that of Z is 3.
        place = (1 if row < k else 3) << 2 * (k - 1 - row % k)
        image = int(np.argmax(large[:, place]))
        for q in range(k):
            letter = image >> 2 * (k - 1 - q) & 3
            images[row, q] = letter in (1, 2)
            images[row, k + q] = letter in (2, 3)
    return images
