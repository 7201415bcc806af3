"""The byte string that the C++ kernels read (`../native/src/density_plan.cc`).

A large density matrix does not fit in a cache. So operations are gathered in tiles of a few qubits
each. For each value of the other qubits' digits, a tile's numbers are loaded, all its operations
are applied, and the numbers are stored.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qkeras_hybrid.engines.density.transfer import (
    Fixed,
    Local,
    Operation,
    Pair,
    Rotation,
    Turn,
)

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
    operations: tuple[Operation | Pair, ...]


def tiles(operations: Sequence[Operation], n_qubits: int, size: int = TILE_QUBITS) -> list[Tile]:
    """Gathers operations in few tiles.

    Operations on different qubits may be exchanged; those that share a qubit may not.

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
        found.append(Tile(tuple(sorted(qubits)), _paired([pending[i] for i in chosen])))
        pending = [op for i, op in enumerate(pending) if i not in inside]
    return found


def _first_of_each(operations: Sequence[Operation]) -> list[int]:
    """Returns the operations that share no qubit with an earlier one."""
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


def _paired(operations: Sequence[Operation]) -> tuple[Operation | Pair, ...]:
    """Joins gates that only exchange Pauli strings, such as CNOT, with the operations before them.

    So the numbers of two qubits are loaded and stored once instead of three times.
    """
    done: list[Operation | Pair | None] = []
    last: dict[int, int] = {}  # the last operation on each qubit
    for operation in operations:
        new: Operation | Pair = operation
        if isinstance(operation, Fixed) and (moves := _moves(operation)) is not None:
            before: list[tuple[Turn | np.ndarray, ...]] = []
            for qubit in operation.qubits:
                place = last.get(qubit)
                earlier = None if place is None else done[place]
                if place is not None and isinstance(earlier, Local):
                    before.append(earlier.factors)
                    done[place] = None
                else:
                    before.append(())
            first, second = operation.qubits
            new = Pair((first, second), (before[0], before[1]), *moves)
        for qubit in operation.qubits:
            last[qubit] = len(done)
        done.append(new)
    return tuple(operation for operation in done if operation is not None)


def _moves(operation: Fixed) -> tuple[tuple[int, ...], tuple[float, ...]] | None:
    """Returns the targets and factors of two qubits' numbers, if each has one target."""
    if len(operation.qubits) != 2:
        return None
    entries = operation.matrix != 0.0
    if np.any(entries.sum(axis=0) != 1) or np.any(entries.sum(axis=1) != 1):
        return None
    targets = np.argmax(entries, axis=0)
    return tuple(targets.tolist()), tuple(operation.matrix[targets, np.arange(16)].tolist())


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

    def write_factors(factors: Sequence[Turn | np.ndarray]) -> None:
        put("I", len(factors))
        for factor in factors:
            if isinstance(factor, Turn):
                put("IId", factor.axis, factor.angle, factor.scale)
            else:
                put("I12d", 0, *factor[1:].ravel())

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
                    put("II", 0, digits[0])
                    write_factors(factors)
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
                case Pair(locals=both, targets=targets, factors=scales):
                    put("I", 3)
                    numbers(digits)
                    write_factors(both[0])
                    write_factors(both[1])
                    for target, scale in zip(targets, scales, strict=True):
                        put("Id", target, scale)
    return MAGIC + struct.pack("<II", len(out), zlib.crc32(out)) + bytes(out)
