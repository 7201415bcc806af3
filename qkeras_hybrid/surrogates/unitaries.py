"""A circuit of few qubits as matrix products: all gates between its inputs are one unitary."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

import numpy as np
from keras import ops

from qkeras_hybrid.program import (
    UNITARY,
    Channel,
    Instruction,
    Measurement,
    PauliRotation,
    Phase,
    Reset,
    Unitary,
)
from qkeras_hybrid.readouts import Expectation, Setting
from qkeras_hybrid.surrogates.base import Fit, Method, Question, RefusedError, plural, size
from qkeras_hybrid.surrogates.graphs import dense, dense_layer
from qkeras_hybrid.surrogates.parts import Part

Tensor = Any

MOST_QUBITS = 10

_PAULIS = {
    "X": np.array([[0, 1], [1, 0]], complex),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1.0 + 0j, -1.0]),
}
# The unitary that turns the eigenvectors of a Pauli matrix into basis states: `V P V† = Z`.
_TO_Z = {
    "X": np.array([[1, 1], [1, -1]], complex) / math.sqrt(2),
    "Y": np.array([[1, -1j], [1, 1j]]) / math.sqrt(2),
    "Z": np.eye(2, dtype=complex),
}


class Unitaries(Method):
    """State vectors: rounds of phases, with a fixed unitary between two rounds.

    A round holds rotations by inputs that commute qubit by qubit. In the basis of their
    eigenvectors, a round multiplies each amplitude by a phase, and the phases are linear in the
    angles. The unitaries in between, which hold the weights, are multiplied out beforehand.
    """

    name = "unitary"

    def fit(self, question: Question) -> Fit:
        """Multiplies out the unitaries."""
        part = question.part
        if not part.job.program.kinds <= UNITARY or part.job.readout_errors:
            raise RefusedError("a circuit with noise, measurements or resets has no unitary")
        if part.n_qubits > MOST_QUBITS:
            raise RefusedError(f"its {part.n_qubits} qubits are more than {MOST_QUBITS}")
        if not part.rows:
            raise RefusedError("no value depends on the inputs")
        rounds = _rounds(part)
        matrices = _matrices(part, rounds)
        signs = [_signs(part, chosen.rotations) for chosen in rounds]
        summed, constant = _summing(part)
        numbers = size(summed, constant)
        numbers += sum((1 if _is_real(matrix) else 2) * matrix.size for matrix in matrices)
        # The phases of each round are an affine map of the inputs.
        numbers += sum(len(sign) for sign in signs) * (part.slopes.shape[1] + 1)

        def build(inputs: Tensor) -> Tensor:
            state: tuple[Tensor, Tensor] | None = None
            for chosen, sign, matrix in zip(rounds, signs, matrices, strict=True):
                rows = [rotation.angle for rotation in chosen.rotations]
                # One product from inputs to phases: angles are affine, phases linear in them.
                phases = dense(
                    inputs,
                    (sign @ part.slopes[rows]).T,
                    sign @ part.offsets[rows],
                    trainable=False,
                )
                wave = ops.cos(phases), ops.sin(phases)
                turned = wave if state is None else _times(state, wave)
                state = _product(turned, matrix)
            assert state is not None
            squares = ops.square(state[0]) + ops.square(state[1])
            return dense(squares, summed.T, constant)

        says = f"{plural(len(rounds), 'product')} with a unitary of {part.n_qubits} qubits"
        return Fit(self.name, numbers, says, 0.0, build)


@dataclass
class _Round:
    """Fixed instructions, then rotations by inputs that commute qubit by qubit."""

    fixed: list[Instruction] = field(default_factory=list)
    rotations: list[PauliRotation | Phase] = field(default_factory=list)
    basis: dict[int, str] = field(default_factory=dict)


def _rounds(part: Part) -> list[_Round]:
    """Arranges the instructions in rounds; the last may have no rotations."""
    rounds = [_Round()]
    # The round of each qubit's last instruction, and whether that was a rotation by inputs.
    last = [(0, False)] * part.n_qubits
    varying = set(part.rows)
    for instruction in part.job.program.instructions:
        if not instruction.qubits:
            continue  # a global phase
        number, rotated = max(last[q] for q in instruction.qubits)
        if not (isinstance(instruction, PauliRotation | Phase) and instruction.angle in varying):
            number += rotated
            _reach(rounds, number).fixed.append(instruction)
            place = (number, False)
        else:
            paulis = instruction.paulis if isinstance(instruction, PauliRotation) else ""
            wanted = dict(
                zip(instruction.qubits, paulis or "Z" * len(instruction.qubits), strict=True)
            )
            while any(_reach(rounds, number).basis.get(q, p) != p for q, p in wanted.items()):
                number += 1
            rounds[number].basis.update(wanted)
            rounds[number].rotations.append(instruction)
            place = (number, True)
        for q in instruction.qubits:
            last[q] = place
    return rounds


def _reach(rounds: list[_Round], number: int) -> _Round:
    while len(rounds) <= number:
        rounds.append(_Round())
    return rounds[number]


def _matrices(part: Part, rounds: list[_Round]) -> list[np.ndarray]:
    """Returns the matrix after each round of phases, up to the next round or the readout.

    Rounds without rotations are taken out of `rounds`.
    """
    n = part.n_qubits
    start = np.zeros((2**n, 1), complex)
    start[0] = 1.0
    matrices, current = [], start
    for chosen in list(rounds):
        for instruction in chosen.fixed:
            current = _apply(_matrix(instruction, part.offsets), instruction.qubits, current, n)
        if not chosen.rotations:
            rounds.remove(chosen)
            continue
        turned = _in_basis(chosen.basis, current, n)
        if turned.shape[1] == 1:
            # The first phases act on a known vector, which is multiplied into the next matrix.
            current = np.diag(turned[:, 0])
        else:
            matrices.append(turned)
            current = np.eye(2**n, dtype=complex)
        current = _in_basis(chosen.basis, current, n, back=True)
    matrices.append(_bases(part, current))
    return matrices


def _in_basis(basis: dict[int, str], columns: np.ndarray, n: int, back: bool = False) -> np.ndarray:
    for qubit, pauli in basis.items():
        turn = _TO_Z[pauli]
        columns = _apply(turn.conj().T if back else turn, (qubit,), columns, n)
    return columns


def _matrix(instruction: Instruction, angles: np.ndarray) -> np.ndarray:
    match instruction:
        case PauliRotation(paulis=paulis, angle=row):
            string = functools.reduce(np.kron, (_PAULIS[p] for p in paulis))
            half = angles[row] / 2
            turned: np.ndarray = np.cos(half) * np.eye(len(string)) - 1j * np.sin(half) * string
            return turned
        case Phase(qubits=qubits, angle=row):
            diagonal = np.ones(2 ** len(qubits), complex)
            diagonal[-1] = np.exp(1j * angles[row])
            return np.diag(diagonal)
        case Unitary():
            return instruction.array
        case Channel() | Measurement() | Reset():
            raise TypeError(f"{type(instruction).__name__} has no unitary.")
        case _:
            assert_never(instruction)


def _apply(matrix: np.ndarray, qubits: Sequence[int], columns: np.ndarray, n: int) -> np.ndarray:
    """Applies a matrix on some qubits to column vectors of shape `(2**n, count)`."""
    k, shape = len(qubits), columns.shape
    tensor = columns.reshape((2,) * n + (shape[1],))
    product = np.tensordot(matrix.reshape((2,) * 2 * k), tensor, (range(k, 2 * k), tuple(qubits)))
    return np.moveaxis(product, range(k), tuple(qubits)).reshape(shape)


def _signs(part: Part, rotations: Sequence[PauliRotation | Phase]) -> np.ndarray:
    """Returns the phase of each basis state for angles of one radian, `(2**n, n_rotations)`."""
    n = part.n_qubits
    index = np.arange(2**n)
    columns = []
    for rotation in rotations:
        bits = [index >> (n - 1 - q) & 1 for q in rotation.qubits]
        if isinstance(rotation, Phase):
            columns.append(np.prod(bits, axis=0).astype(float))
        else:
            columns.append(np.sum(bits, axis=0) % 2 - 0.5)
    return np.stack(columns, axis=1)


def _bases(part: Part, columns: np.ndarray) -> np.ndarray:
    """Returns the amplitudes in all measured bases, stacked along the first axis."""
    if part.states is not None:
        overlaps: np.ndarray = part.states.conj() @ columns
        return overlaps
    if not isinstance(part.job.readout, Expectation):
        return columns
    return np.concatenate(
        [
            _in_basis(dict(zip(s.qubits, s.paulis, strict=True)), columns, part.n_qubits)
            for s in _settings(part, part.job.readout)
        ]
    )


def _settings(part: Part, readout: Expectation) -> tuple[Setting, ...]:
    # Qubit by qubit, whatever measurement settings the readout has for devices.
    return replace(readout, grouping="qubit_wise").settings(part.job.program)


def _summing(part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Returns the matrix from the probabilities in all bases to the values, and their constants."""
    readout, n = part.job.readout, part.n_qubits
    if part.states is not None:
        matrix = np.eye(len(part.states))
    elif not isinstance(readout, Expectation):
        matrix = np.eye(2**n)
    else:
        return _parities(part, readout)
    matrix = matrix if part.matrix is None else part.matrix @ matrix
    return matrix, np.zeros(len(matrix))


def _parities(part: Part, readout: Expectation) -> tuple[np.ndarray, np.ndarray]:
    n, settings = part.n_qubits, _settings(part, readout)
    index = np.arange(2**n)
    matrix = np.zeros((len(readout.observables), len(settings), 2**n))
    constant = np.zeros(len(readout.observables))
    for k, observable in enumerate(readout.observables):
        for term in observable.terms:
            if not term.qubits:
                constant[k] += term.coefficient
                continue
            number = next(s for s, setting in enumerate(settings) if setting.reads(term))
            ones = np.sum([index >> (n - 1 - q) & 1 for q in term.qubits], axis=0)
            matrix[k, number] += term.coefficient * (1.0 - 2.0 * (ones % 2))
    flat = matrix.reshape(len(matrix), -1)
    if part.matrix is None:
        return flat, constant
    return part.matrix @ flat, part.matrix @ constant


def _times(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    (a, b), (c, d) = first, second
    return a * c - b * d, a * d + b * c


def _is_real(matrix: np.ndarray) -> bool:
    return bool(np.abs(matrix.imag).max() < 1e-14)


def _product(state: tuple[Tensor, Tensor], matrix: np.ndarray) -> tuple[Tensor, Tensor]:
    re, im = state
    real = dense_layer(re.dtype, matrix.real.T.copy())
    if _is_real(matrix):
        return real(re), real(im)
    imaginary = dense_layer(re.dtype, matrix.imag.T.copy())
    return real(re) - imaginary(im), real(im) + imaginary(re)
