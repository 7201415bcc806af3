"""Channels as mixtures: the probability of each Pauli string."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qkeras_hybrid.engines.density.transfer import transfer_matrix
from qkeras_hybrid.program import Channel, Measurement

# A probability below this is rounding.
_NOTHING = 1e-12


@dataclass(frozen=True)
class Mixture:
    """Pauli strings on the same qubits, of which at most one occurs at a time.

    Attributes:
        qubits: The qubits.
        strings: For each string that can occur, a letter "I", "X", "Y" or "Z" per qubit.
        probabilities: The probability of each; with the remaining probability, nothing happens.
    """

    qubits: tuple[int, ...]
    strings: tuple[str, ...]
    probabilities: tuple[float, ...]

    @property
    def nothing(self) -> float:
        """The probability that nothing happens."""
        return max(0.0, 1.0 - sum(self.probabilities))


def mixtures(instruction: Channel | Measurement) -> tuple[Mixture, ...] | None:
    """Returns a channel or measurement as mixtures of Pauli strings, or None if it isn't one.

    A channel is a mixture if its transfer matrix is diagonal: the probability of the string `P` is
    then `sum_Q s(P, Q) R_QQ / 4**k`, with `s` 1 where `P` and `Q` commute and -1 elsewhere. A
    measurement whose result is not read is a Z on each qubit with probability 1/2.
    """
    if isinstance(instruction, Measurement):
        return tuple(Mixture((qubit,), ("Z",), (0.5,)) for qubit in instruction.qubits)
    matrix = transfer_matrix(instruction.arrays)
    if np.abs(matrix - np.diag(np.diag(matrix))).max() > _NOTHING:
        return None
    k = len(instruction.qubits)
    # On one qubit: I commutes with all, each other letter with itself and I.
    signs = np.array([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])
    table = np.ones((1, 1))
    for _ in range(k):
        table = np.kron(table, signs)
    chances = table @ np.diag(matrix) / 4**k
    places = [place for place in range(1, 4**k) if chances[place] > _NOTHING]
    strings = tuple(
        "".join("IXYZ"[place >> 2 * (k - 1 - q) & 3] for q in range(k)) for place in places
    )
    return (Mixture(instruction.qubits, strings, tuple(float(chances[p]) for p in places)),)
