"""Inverses of noise channels as sums of operations with weights of both signs.

An inverse is no channel, but a sum `sum_i q_i O_i` of Paulis and resets with `sum_i q_i = 1`.
`gamma = sum_i |q_i|` is its cost: the factor on standard errors.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np

from qkeras_hybrid.program import Channel, Instruction, Reset, Unitary

_PAULIS = {
    "I": np.eye(2, dtype=complex),
    "X": np.array([[0, 1], [1, 0]], complex),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]).astype(complex),
}

_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Term:
    """An operation of a sum.

    Attributes:
        weight: Its weight, of either sign.
        instructions: The operation.
    """

    weight: float
    instructions: tuple[Instruction, ...]


def gamma(terms: tuple[Term, ...]) -> float:
    """Returns the sum of the absolute weights."""
    return sum(abs(term.weight) for term in terms)


@functools.cache
def pauli_strings(n_qubits: int) -> tuple[tuple[str, np.ndarray], ...]:
    """Returns the letters and matrices of all Pauli strings, the identity first."""
    strings = ["".join(letters) for letters in itertools.product("IXYZ", repeat=n_qubits)]
    return tuple(
        (string, functools.reduce(np.kron, (_PAULIS[letter] for letter in string)))
        for string in strings
    )


def transfer_matrix(channel: Channel) -> np.ndarray:
    """Returns `R[i, j] = tr(P_i E(P_j)) / 2**n` of a channel on n qubits."""
    n = len(channel.qubits)
    paulis = np.array([matrix for _, matrix in pauli_strings(n)])
    kraus = np.array(channel.arrays)
    images = np.einsum("kab,jbc,kdc->jad", kraus, paulis, kraus.conj())
    found: np.ndarray = np.einsum("iab,jba->ij", paulis, images).real / 2**n
    return found


def pauli(letters: str, qubits: tuple[int, ...]) -> tuple[Unitary, ...]:
    """Returns a Pauli string as instructions."""
    return tuple(
        Unitary((qubit,), tuple(tuple(complex(c) for c in row) for row in _PAULIS[letter]))
        for letter, qubit in zip(letters, qubits, strict=True)
        if letter != "I"
    )


def inverse(channel: Channel) -> tuple[Term, ...] | None:
    """Returns the inverse of a channel, or None for a channel of another kind.

    It inverts Pauli channels on any number of qubits, such as depolarizing, and amplitude and phase
    damping on one qubit, such as thermal relaxation. For amplitude damping the inverse is optimal,
    with `gamma = (1 + g) / (1 - g)` (Takagi, Phys. Rev. Research 3, 033178 (2021), arXiv
    2006.12509).
    """
    n = len(channel.qubits)
    matrix = transfer_matrix(channel)
    diagonal, shift = np.diag(matrix), 0.0
    others = matrix - np.diag(diagonal)
    if n == 1:
        shift = others[3, 0]  # of Z, towards |0>
        others[3, 0] = 0.0
    if np.abs(others).max() > _TOLERANCE or np.abs(diagonal).min() < 1e-3:
        return None
    # A shift towards |0> is undone by resets to 0 with a negative weight, one towards |1> by resets
    # to 1; the weights' sum stays 1.
    amount = abs(shift) / diagonal[-1]
    weights = 1.0 / diagonal
    weights[0] += amount
    terms = []
    # The weights of Paulis from the eigenvalues of their sum.
    paulis = _commutation(n) @ weights / 4**n
    for (letters, _), weight in zip(pauli_strings(n), paulis, strict=True):
        if abs(weight) > _TOLERANCE:
            terms.append(Term(float(weight), pauli(letters, channel.qubits)))
    if amount > _TOLERANCE:
        (qubit,) = channel.qubits
        flip = pauli("X" if shift < 0 else "I", (qubit,))
        terms.append(Term(-float(amount), (Reset((qubit,)), *flip)))
    return tuple(terms)


@functools.cache
def _commutation(n_qubits: int) -> np.ndarray:
    """Returns 1 where two Pauli strings commute and -1 where they don't."""
    letters = [string for string, _ in pauli_strings(n_qubits)]
    return np.array(
        [
            [
                (-1) ** sum(a != b and "I" not in (a, b) for a, b in zip(one, two, strict=True))
                for two in letters
            ]
            for one in letters
        ],
        float,
    )
