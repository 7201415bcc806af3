"""How a Clifford gate maps Pauli strings to Pauli strings."""

from __future__ import annotations

import functools

import numpy as np

from qkeras_hybrid.engines.mitigation.quasi import pauli_strings
from qkeras_hybrid.program import Unitary


@functools.lru_cache(maxsize=1024)
def conjugated(gate: Unitary) -> tuple[str, ...] | None:
    """Returns, for each Pauli string `P`, the string that equals `U P U†` up to its sign.

    Args:
        gate: A fixed unitary on n qubits.

    Returns:
        The letters, in the order of `pauli_strings(n)`; None if it is no Clifford gate.
    """
    strings = pauli_strings(len(gate.qubits))
    matrix, found = gate.array, []
    for _, pauli in strings:
        image = matrix @ pauli @ matrix.conj().T
        overlaps = np.array([np.trace(other @ image) for _, other in strings]) / len(matrix)
        best = int(np.argmax(np.abs(overlaps)))
        if not np.isclose(np.abs(overlaps[best]), 1.0, atol=1e-9):
            return None
        found.append(strings[best][0])
    return tuple(found)
