"""The circuit of the quantum approximate optimization algorithm, as a value: costs, mixer, start.

Qubit i is variable i, and the most significant bit of an index is qubit 0. A qubit in the state
|0> is the spin +1, which stands for a bit of 1 (see `annealing.models`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.annealing.models import Quadratic
from qkeras_hybrid.engines.base import memory_refusal

BYTES_PER_AMPLITUDE = 64
"""The most bytes that one sample needs per amplitude: its costs, and two states in float64."""


@dataclasses.dataclass(frozen=True, eq=False)
class Circuit:
    """A QAOA circuit, without the values of its angles and fields.

    Attributes:
        n_qubits: The number of qubits.
        n_layers: The number of layers, "p".
        costs: The energy of each basis state without the constant part, of shape `(2**n_qubits,)`.
        pairs: The pairs of qubits that an XY mixer acts on, in order, of shape `(n_pairs, 2)`,
            int64; empty for a mixer of single qubits.
        state: The state before the first layer, of shape `(2**n_qubits,)`, complex; None for the
            uniform superposition.
        tilts: The angle of each qubit's mixer axis, from Z to X, in radians; None for X.
    """

    n_qubits: int
    n_layers: int
    costs: np.ndarray
    pairs: np.ndarray
    state: np.ndarray | None = None
    tilts: np.ndarray | None = None


def check_memory(argument: str, n_qubits: int) -> None:
    """Checks, before anything is allocated, that states fit in memory.

    Args:
        argument: The argument's name in an error.
        n_qubits: The number of qubits.

    Raises:
        ValueError: If they don't fit.
    """
    reason = memory_refusal(n_qubits, BYTES_PER_AMPLITUDE)
    if reason is not None:
        raise ArgumentError(
            argument,
            "have few enough variables for a state with one qubit per variable to fit in memory",
            n_qubits,
            f"{reason[0].upper()}{reason[1:]}.",
        )


def diagonal(model: Quadratic) -> np.ndarray:
    """Returns the energy of each basis state without the offset of the model of spins.

    The mean over all states is then 0, which keeps phases small and sums exact.

    Args:
        model: The model, of `n` variables.

    Returns:
        float64, of shape `(2**n,)`.
    """
    ising = model.to_ising()
    matrix, signs = ising.matrix(), np.array([1.0, -1.0])
    costs = np.zeros(1)
    for k in range(ising.n_variables):
        # The field on spin k in each state of the spins with lower indices.
        field = np.array([ising.biases[k]])
        for j in range(k):
            field = np.add.outer(field, matrix[j, k] * signs).ravel()
        costs = (costs[:, None] + np.multiply.outer(field, signs)).ravel()
    return costs


def cardinality_state(
    n_qubits: int, groups: Sequence[Sequence[int]], ones: Sequence[int]
) -> np.ndarray:
    """Returns the uniform superposition of all states with the given number of ones per group.

    With one group, this is the Dicke state. Qubits in no group are in |+>.

    Args:
        n_qubits: The number of qubits.
        groups: The qubits of each group.
        ones: The number of bits equal to 1 (qubits in |0>) in each group.
    """
    index = np.arange(2**n_qubits)
    allowed = np.ones(2**n_qubits, bool)
    for group, count in zip(groups, ones, strict=True):
        zeros = sum((index >> (n_qubits - 1 - q)) & 1 for q in group)
        allowed &= len(group) - zeros == count
    return np.asarray(allowed / np.sqrt(np.count_nonzero(allowed)), "complex128")


def ring_pairs(group: Sequence[int]) -> list[tuple[int, int]]:
    """Returns the pairs of a ring: first those that start at even places, then at odd places.

    For an odd number of qubits, the pair that closes the ring comes last.
    """
    count = len(group)
    if count < 3:
        return [(group[0], group[1])] if count == 2 else []
    starts = [*range(0, count - 1, 2), *range(1, count - 1, 2), count - 1]
    return [(group[i], group[(i + 1) % count]) for i in starts]


def complete_pairs(group: Sequence[int]) -> list[tuple[int, int]]:
    """Returns all pairs, in rounds of pairs that share no qubit (a round-robin tournament)."""
    players: list[int | None] = [*group, *([None] if len(group) % 2 else [])]
    count = len(players)
    pairs = []
    for _ in range(count - 1):
        for i in range(count // 2):
            a, b = players[i], players[count - 1 - i]
            if a is not None and b is not None:
                pairs.append((a, b))
        players = [players[0], players[-1], *players[1:-1]]
    return pairs


def tilted_state(tilts: np.ndarray) -> np.ndarray:
    """Returns the product of the qubits' states `cos(a / 2) |0> + sin(a / 2) |1>`.

    Args:
        tilts: The angles `a`, of shape `(n_qubits,)`, in radians.
    """
    state = np.ones(1)
    for angle in tilts:
        state = np.multiply.outer(state, [np.cos(angle / 2), np.sin(angle / 2)]).ravel()
    return np.asarray(state, "complex128")


def width(circuit: Circuit, n_fields: int) -> int:
    """Returns the number of parameters of a sample: its fields, gammas and betas."""
    return n_fields + 2 * circuit.n_layers


def checked_state(argument: str, given: Any, n_qubits: int) -> np.ndarray:
    """Returns a state as complex amplitudes of norm 1.

    Args:
        argument: The argument's name in an error.
        given: Amplitudes of shape `(2**n_qubits,)`, or real and imaginary parts of shape
            `(2**n_qubits, 2)`.
        n_qubits: The number of qubits.

    Raises:
        ValueError: If it is not a state of this shape, not finite, or its norm is not 1.
    """
    try:
        array = np.asarray(given, "complex128")
    except (TypeError, ValueError):
        raise ArgumentError(argument, "be an array of amplitudes", given) from None
    size = 2**n_qubits
    if array.shape == (size, 2):
        array = array[:, 0] + 1j * array[:, 1]
    if array.shape != (size,):
        raise ArgumentError(argument, f"have the shape ({size},)", array.shape)
    norm = float(np.sum(np.abs(array) ** 2))
    if not abs(norm - 1) < 1e-4:
        raise ArgumentError(argument, "have the norm 1", np.sqrt(norm))
    return np.asarray(array / np.sqrt(norm))
