"""Which pairs of qubits a layer couples. The patterns have Qiskit's names."""

from __future__ import annotations

import itertools
from typing import Any

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError

PATTERNS = ("full", "linear", "reverse_linear", "circular", "ring", "pairwise", "sca")


def entanglement_pairs(pattern: Any, n: int, block: int = 0) -> list[tuple[int, int]]:
    """Returns the pairs of `n` qubits that a pattern couples, in order.

    | pattern | on 4 qubits |
    |---|---|
    | `linear` | (0,1) (1,2) (2,3) |
    | `reverse_linear` | (2,3) (1,2) (0,1) |
    | `circular`, `ring` | (3,0) (0,1) (1,2) (2,3); linear on 2 qubits |
    | `pairwise` | (0,1) (2,3) (1,2) |
    | `full` | (0,1) (0,2) (0,3) (1,2) (1,3) (2,3) |
    | `sca` | the ring; each block starts one pair earlier, and every second block reverses pairs |

    Args:
        pattern: One of these names, or a sequence of pairs.
        n: Number of qubits.
        block: Index of the repetition, from 0.

    Raises:
        ValueError: If a pair names a qubit that does not exist.
    """
    if not isinstance(pattern, str):
        outside = [pair for pair in pattern if max(pair) >= n]
        if outside:
            raise ArgumentError("entanglement", f"name qubits 0 to {n - 1} only", outside[0])
        return [(i, j) for i, j in pattern]
    linear = [(i, i + 1) for i in range(n - 1)]
    if pattern == "full":
        return list(itertools.combinations(range(n), 2))
    if pattern == "linear":
        return linear
    if pattern == "reverse_linear":
        return linear[::-1]
    if pattern == "pairwise":
        return linear[::2] + linear[1::2]
    ring = [(n - 1, 0), *linear] if n > 2 else linear
    if pattern != "sca" or not ring:
        return ring
    shift = block % len(ring)
    ring = ring[-shift:] + ring[:-shift] if shift else ring
    return [(j, i) for i, j in ring] if block % 2 else ring


def check_entanglement(entanglement: Any) -> Any:
    """Returns a pattern's name, or pairs as tuples.

    Raises:
        ValueError: If the name is unknown, or a pair is not two different indices.
    """
    if isinstance(entanglement, str):
        return one_of("entanglement", entanglement, PATTERNS)
    found = []
    for pair in entanglement:
        if (
            isinstance(pair, str)
            or len(tuple(pair)) != 2
            or any(not isinstance(i, int) or i < 0 for i in pair)
            or pair[0] == pair[1]
        ):
            raise ArgumentError("entanglement", "have pairs of two different qubit indices", pair)
        found.append((pair[0], pair[1]))
    return tuple(found)


def entanglement_config(entanglement: Any) -> Any:
    """Returns a checked pattern in a form that JSON holds."""
    return entanglement if isinstance(entanglement, str) else [list(p) for p in entanglement]
