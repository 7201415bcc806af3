"""From spin orbitals to qubits: linear encodings of occupations, and tapering by symmetries.

Jordan-Wigner stores the occupation `n_j` of each spin orbital in a qubit. The other encodings store
sums of occupations, `b = E n` modulo 2 with an invertible matrix `E`: parity stores `n_0 + ... +
n_j`, Bravyi-Kitaev sums over parts of a binary tree (Seeley, Richard, Love 2012, arXiv 1208.5986).
A circuit of CNOTs changes between encodings; it maps `X(x) Z(z)` to `X(E x) Z(E^-T z)`.

A product of `Z` that commutes with every term of a Hamiltonian is a symmetry: a sum of occupations
modulo 2 that is conserved. If an encoding stores this sum in a qubit, the qubit is constant and can
be left out (Bravyi, Gambetta, Mezzacapo, Temme 2017, arXiv 1701.08213). Molecules conserve the
parities of spin-up and spin-down electrons, and often have more symmetries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from qkeras_hybrid._checks import one_of

Strings = dict[tuple[int, int], complex]
"""Coefficients of Pauli strings by masks `(x, z)`: bit `q` of `x` is an `X` on qubit `q`, of `z` a
`Z`, of both a `Y`."""


def _jordan_wigner(n: int) -> np.ndarray:
    return np.eye(n, dtype=np.uint8)


def _parity(n: int) -> np.ndarray:
    return np.tril(np.ones((n, n), np.uint8))


def _bravyi_kitaev(n: int) -> np.ndarray:
    matrix = np.ones((1, 1), np.uint8)
    while len(matrix) < n:
        size = len(matrix)
        matrix = np.kron(np.eye(2, dtype=np.uint8), matrix)
        matrix[-1, :size] = 1
    return np.asarray(matrix[:n, :n])


MAPPINGS: Mapping[str, Callable[[int], np.ndarray]] = {
    "jordan_wigner": _jordan_wigner,
    "parity": _parity,
    "bravyi_kitaev": _bravyi_kitaev,
}
"""The encodings by name: functions that return the matrix `E` for `n` spin orbitals."""


def inverse(matrix: np.ndarray) -> np.ndarray:
    """Returns the inverse of an invertible matrix over the integers modulo 2."""
    n = len(matrix)
    both = np.concatenate([matrix % 2, np.eye(n, dtype=np.uint8)], axis=1)
    for column in range(n):
        pivot = column + int(np.argmax(both[column:, column]))
        both[[column, pivot]] = both[[pivot, column]]
        others = both[:, column].astype(bool)
        others[column] = False
        both[others] ^= both[column]
    return np.asarray(both[:, n:])


def reduced(rows: Iterable[int]) -> list[int]:
    """Returns a reduced basis of the space that masks span, over the integers modulo 2.

    The highest bit of each mask is in no other mask.
    """
    basis: list[int] = []
    for row in rows:
        for known in basis:
            row = min(row, row ^ known)
        if row:
            top = 1 << (row.bit_length() - 1)
            basis = [known ^ row if known & top else known for known in basis] + [row]
            basis.sort(reverse=True)
    return basis


def symmetries(strings: Strings, n: int) -> list[int]:
    """Returns independent masks `z` over `n` bits whose `Z(z)` commutes with each string."""
    basis = reduced(x for x, _ in strings)
    tops = [row.bit_length() - 1 for row in basis]
    found = []
    for free in range(n):
        if free in tops:
            continue
        mask = 1 << free
        for row, top in zip(basis, tops, strict=True):
            if row >> free & 1:
                mask |= 1 << top
        found.append(mask)
    return found


@dataclass(frozen=True)
class Encoding:
    """Bits that store sums of occupations; constant bits can be left out, the others are qubits.

    Attributes:
        n_modes: The number of spin orbitals, and of bits.
        columns: For each spin orbital, the mask of the bits whose sums contain its occupation.
        reads: For each spin orbital, the mask of the bits whose sum modulo 2 is its occupation.
        kept: The bits that are qubits, in order.
        constant: The mask of left-out bits that are 1.
    """

    n_modes: int
    columns: tuple[int, ...]
    reads: tuple[int, ...]
    kept: tuple[int, ...]
    constant: int = 0

    @classmethod
    def of(cls, mapping: str, n_modes: int) -> Encoding:
        """Returns the encoding with this name, with all bits as qubits.

        Raises:
            ValueError: If the name is unknown.
        """
        matrix = MAPPINGS[one_of("mapping", mapping, MAPPINGS)](n_modes)
        return cls._of_matrix(matrix, tuple(range(n_modes)), 0)

    @classmethod
    def _of_matrix(cls, matrix: np.ndarray, kept: tuple[int, ...], constant: int) -> Encoding:
        back = inverse(matrix)
        columns = tuple(_mask(matrix[:, j]) for j in range(len(matrix)))
        return cls(len(matrix), columns, tuple(_mask(row) for row in back), kept, constant)

    def tapered(self, found: Iterable[int], occupied: int) -> Encoding:
        """Returns this encoding without one qubit for each symmetry.

        Args:
            found: Independent masks of spin orbitals; the parity of each is conserved.
            occupied: The mask of the occupied spin orbitals of a state in the sector to keep.
        """
        rows = [_row(self.columns, i) for i in range(self.n_modes)]
        # Each conserved sum of occupations, as a sum of this encoding's bits.
        combined = []
        for symmetry in found:
            bits = 0
            for j, reads in enumerate(self.reads):
                if symmetry >> j & 1:
                    bits ^= reads
            combined.append(bits)
        constant = 0
        left = list(range(self.n_modes))
        for bits in reduced(combined):
            place = bits.bit_length() - 1
            left.remove(place)
            row = 0
            for i in range(self.n_modes):
                if bits >> i & 1:
                    row ^= _row(self.columns, i)
            rows[place] = row
            constant |= ((row & occupied).bit_count() & 1) << place
        matrix = np.array([[row >> j & 1 for j in range(self.n_modes)] for row in rows], np.uint8)
        return self._of_matrix(matrix, tuple(left), constant)

    @property
    def n_qubits(self) -> int:
        """The number of qubits."""
        return len(self.kept)

    def bits(self, occupied: int) -> int:
        """Returns the qubits' values, as a mask, for the mask of the occupied spin orbitals."""
        return self._pressed(_sum(self.columns, occupied))

    @property
    def left_out(self) -> int:
        """The mask of the bits that are not qubits."""
        return sum(1 << i for i in range(self.n_modes) if i not in self.kept)

    def holds(self, occupied: int) -> bool:
        """Returns whether a determinant, by its mask, is in the sector of the left-out bits."""
        return _sum(self.columns, occupied) & self.left_out == self.constant

    def strings(self, given: Strings) -> Strings:
        """Converts Pauli strings from the Jordan-Wigner encoding to this encoding.

        Strings that leave the symmetry sector are dropped.
        """
        left_out = self.left_out
        found: Strings = {}
        for (x, z), coefficient in given.items():
            new_x = _sum(self.columns, x)
            if new_x & left_out:
                continue
            # E^-T z: bit i counts modulo 2 the spin orbitals in z that read bit i.
            new_z = _sum(self.reads, z)
            power = (x & z).bit_count() - (new_x & new_z).bit_count()
            sign = 1 - power % 4  # even, since both strings are Hermitian
            sign *= 1 - 2 * ((new_z & self.constant).bit_count() & 1)
            key = self._pressed(new_x), self._pressed(new_z)
            found[key] = found.get(key, 0.0) + sign * coefficient
        return {key: value for key, value in found.items() if abs(value) > 1e-14}

    def _pressed(self, mask: int) -> int:
        return sum((mask >> bit & 1) << q for q, bit in enumerate(self.kept))


def _mask(bits: np.ndarray) -> int:
    return sum(int(bit) << i for i, bit in enumerate(bits))


def _row(columns: tuple[int, ...], i: int) -> int:
    return sum((column >> i & 1) << j for j, column in enumerate(columns))


def _sum(masks: tuple[int, ...], chosen: int) -> int:
    total = 0
    for j, mask in enumerate(masks):
        if chosen >> j & 1:
            total ^= mask
    return total
