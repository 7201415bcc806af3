"""Commuting Pauli strings: grouped, and diagonalised by one Clifford circuit.

The method is symplectic elimination (Crawford, van Straaten, Wang, Parks, Campbell, Brierley:
Efficient quantum measurement of Pauli operators in the presence of finite sampling error, Quantum
5, 385 (2021), arXiv 1908.06942). A string is a row of bits `x` and `z` for each qubit (`Y` has
both) and a sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Letters = dict[int, str]
"""A Pauli string: for each qubit on which it acts, "X", "Y" or "Z"."""

Gate = tuple[str, tuple[int, ...]]
"""A gate "h", "s_dagger" or "cx", and its qubits."""


def commute(one: Letters, other: Letters) -> bool:
    """Returns whether two strings commute: on an even number of qubits both act and differ."""
    return sum(other.get(qubit, pauli) != pauli for qubit, pauli in one.items()) % 2 == 0


def groups(strings: Sequence[Letters]) -> list[list[Letters]]:
    """Returns the strings in commuting groups, each in the first group that it commutes with."""
    found: list[list[Letters]] = []
    for string in strings:
        for group in found:
            if all(commute(string, other) for other in group):
                group.append(string)
                break
        else:
            found.append([string])
    return found


@dataclass(frozen=True)
class Diagonal:
    """A Clifford circuit that turns commuting strings into products of Z.

    Attributes:
        gates: The circuit, in order.
        signs: The sign of each string after the circuit.
        qubits: For each string, the qubits on which it is Z after the circuit.
    """

    gates: tuple[Gate, ...]
    signs: tuple[int, ...]
    qubits: tuple[tuple[int, ...], ...]


def diagonalised(strings: Sequence[Letters]) -> Diagonal:
    """Returns a circuit that diagonalises strings.

    Each string in turn becomes a Z on its own qubit, by gates on qubits that no earlier string
    uses. Because strings commute, a later string has I or Z on the qubits of earlier ones.

    Args:
        strings: Pauli strings that commute with each other.
    """
    used = sorted({qubit for string in strings for qubit in string})
    rows = _Rows(strings, used)
    free = dict.fromkeys(used)
    for row in range(len(strings)):
        rest = [qubit for qubit in free if rows.letter(row, qubit)]
        if not rest:
            continue
        for qubit in rest:
            letter = rows.letter(row, qubit)
            if letter == "Y":
                rows.apply("s_dagger", (qubit,))
            if letter != "Z":
                rows.apply("h", (qubit,))
        # The pivot is the last qubit, so that strings can share gates.
        for qubit in rest[:-1]:
            rows.apply("cx", (qubit, rest[-1]))
        del free[rest[-1]]
    assert not rows.x.any()
    on = tuple(tuple(used[column] for column in np.flatnonzero(row).tolist()) for row in rows.z)
    return Diagonal(tuple(rows.gates), tuple((1 - 2 * rows.negative).tolist()), on)


class _Rows:
    """Strings as rows of bits, and the gates that were applied to them."""

    def __init__(self, strings: Sequence[Letters], qubits: Sequence[int]) -> None:
        self._column = {qubit: k for k, qubit in enumerate(qubits)}
        letters = [[string.get(qubit, "I") for qubit in qubits] for string in strings]
        self.x = np.array([[letter in "XY" for letter in row] for row in letters], int)
        self.z = np.array([[letter in "YZ" for letter in row] for row in letters], int)
        self.negative = np.zeros(len(strings), int)
        self.gates: list[Gate] = []

    def letter(self, row: int, qubit: int) -> str:
        """Returns the Pauli of a string on a qubit; "" for the identity."""
        column = self._column[qubit]
        return ("", "Z", "X", "Y")[2 * self.x[row, column] + self.z[row, column]]

    def apply(self, name: str, qubits: tuple[int, ...]) -> None:
        """Maps `P` to `U P U†` (Aaronson, Gottesman (2004), arXiv quant-ph/0406196)."""
        self.gates.append((name, qubits))
        columns = [self._column[qubit] for qubit in qubits]
        x, z = self.x, self.z
        a = columns[0]
        match name:
            case "h":
                self.negative ^= x[:, a] & z[:, a]
                x[:, a], z[:, a] = z[:, a].copy(), x[:, a].copy()
            case "s_dagger":
                self.negative ^= x[:, a] & (1 - z[:, a])
                z[:, a] ^= x[:, a]
            case _:
                b = columns[1]
                self.negative ^= x[:, a] & z[:, b] & (x[:, b] ^ z[:, a] ^ 1)
                x[:, b] ^= x[:, a]
                z[:, a] ^= z[:, b]
