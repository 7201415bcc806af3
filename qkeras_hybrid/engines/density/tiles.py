"""The byte string that the C++ kernels read (`../native/src/density_plan.cc`).

A large density matrix does not fit in a cache. So operations are gathered in tiles, each of a few
qubits: for all values of the other qubits' digits in turn, the numbers of a tile are loaded, all its
operations are done, and the numbers are stored.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qkeras_hybrid.engines.density.transfer import Fixed, Local, Operation, Rotation, Turn

MAGIC = b"QHD1"
TILE_QUBITS = 5
"""A tile of 5 qubits is `4**5` vectors: 32 KiB with AVX2."""


@dataclass(frozen=True, eq=False)
class Tile:
    """Operations on a few qubits.

    Attributes:
        qubits: The qubits, ascending.
        operations: The operations, in order.
    """

    qubits: tuple[int, ...]
    operations: tuple[Operation, ...]


def tiles(operations: Sequence[Operation], n_qubits: int, size: int = TILE_QUBITS) -> list[Tile]:
    """Gathers operations in few tiles.

    Operations on different qubits may change places, those that share one may not.

    Args:
        operations: The operations, in order.
        n_qubits: The number of qubits.
        size: How many qubits a tile has, unless an operation has more.
    """
    pending, found = list(operations), []
    while pending:
        best: tuple[list[int], set[int]] = ([], set())
        for start in _first_of_each(pending):
            chosen, qubits = _reachable(pending, start, size)
            if len(chosen) > len(best[0]):
                best = chosen, qubits
        chosen, qubits = best
        inside = set(chosen)
        found.append(Tile(tuple(sorted(qubits)), tuple(pending[i] for i in chosen)))
        pending = [op for i, op in enumerate(pending) if i not in inside]
    return found


def _first_of_each(operations: Sequence[Operation]) -> list[int]:
    """Returns the operations that no earlier one shares a qubit with."""
    seen: set[int] = set()
    found = []
    for i, operation in enumerate(operations):
        if seen.isdisjoint(operation.qubits):
            found.append(i)
        seen.update(operation.qubits)
    return found


def _reachable(
    operations: Sequence[Operation], start: int, size: int
) -> tuple[list[int], set[int]]:
    """Returns which operations can be done at once, in a tile that begins with one of them."""
    qubits = set(operations[start].qubits)
    most = max(size, len(qubits))
    blocked: set[int] = set()
    chosen = []
    for i, operation in enumerate(operations):
        own = set(operation.qubits)
        if blocked.isdisjoint(own) and len(qubits | own) <= most:
            qubits |= own
            chosen.append(i)
        else:
            blocked |= own
    return chosen, qubits


def serialized(
    found: Sequence[Tile], n_qubits: int, n_angles: int, measured: Sequence[int]
) -> bytes:
    """Writes tiles, and the Pauli strings to read, as the kernels take them.

    Args:
        found: What `tiles` returned.
        n_qubits: The number of qubits.
        n_angles: The number of angles.
        measured: Places of Pauli strings.
    """
    out = bytearray()

    def put(form: str, *values: float) -> None:
        out.extend(struct.pack("<" + form, *values))

    def numbers(values: Sequence[int]) -> None:
        put(f"I{len(values)}I", len(values), *values)

    put("II", n_qubits, n_angles)
    numbers(measured)
    put("I", len(found))
    for tile in found:
        numbers(tile.qubits)
        put("I", len(tile.operations))
        for operation in tile.operations:
            digits = [tile.qubits.index(qubit) for qubit in operation.qubits]
            match operation:
                case Local(factors=factors):
                    put("III", 0, digits[0], len(factors))
                    for factor in factors:
                        if isinstance(factor, Turn):
                            put("IId", factor.axis, factor.angle, factor.scale)
                        else:
                            put("I12d", 0, *factor[1:].ravel())
                case Rotation(letters=letters, angle=angle, scale=scale):
                    put("I", 1)
                    numbers(digits)
                    put(f"{len(letters)}IId", *letters, angle, scale)
                case Fixed(matrix=matrix):
                    put("I", 2)
                    numbers(digits)
                    rows, columns = np.nonzero(matrix)
                    put("I", len(rows))
                    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
                        put("IId", row, column, matrix[row, column])
    return MAGIC + struct.pack("<II", len(out), zlib.crc32(out)) + bytes(out)
