"""Circuits of RY and CNOT gates that load a distribution and a function exactly.

A multiplexed rotation rotates one qubit by an angle that depends on the basis state of its
controls. With `k` controls it takes `2**k` rotations and as many CNOTs (Möttönen, Vartiainen,
Bergholm, Salomaa 2004, arXiv quant-ph/0407010).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from qkeras_hybrid._lazy import cirq

if TYPE_CHECKING:
    from cirq import Operation, Qid


def multiplexed_ry(angles: np.ndarray, controls: Sequence[Qid], target: Qid) -> list[Operation]:
    """Returns operations that apply `RY(angles[j])` if the controls are in the basis state `j`.

    Args:
        angles: Of shape `(2**len(controls),)`, in radians.
        controls: The `k` control qubits; the first is the most significant bit of `j`.
        target: The qubit that is rotated.

    Returns:
        `2**k` rotations, and for `k > 0` as many CNOTs.

    Example:

    >>> a, b = cirq.LineQubit.range(2)
    >>> circuit = cirq.Circuit(cirq.X(a), multiplexed_ry(np.array([0.0, np.pi]), [a], b))
    >>> cirq.final_state_vector(circuit).real.round(6)
    array([0., 0., 0., 1.], dtype=float32)
    """
    k = len(controls)
    if k == 0:
        return [cirq.ry(float(angles[0])).on(target)]
    gray = np.arange(2**k) ^ (np.arange(2**k) >> 1)
    # The CNOTs around a rotation reverse its sign where the control bits in its Gray code have odd
    # parity. The next lines multiply the angles with the inverse of this matrix of signs.
    parity = np.bitwise_count(gray[:, None] & np.arange(2**k)[None, :]) % 2
    turns = (1.0 - 2.0 * parity) @ angles / 2**k
    operations: list[Operation] = []
    for i, turn in enumerate(turns):
        changed = int(gray[i] ^ gray[(i + 1) % 2**k]).bit_length()
        operations.append(cirq.ry(float(turn)).on(target))
        operations.append(cirq.CNOT(controls[k - changed], target))
    return operations


def distribution_circuit(probabilities: np.ndarray, qubits: Sequence[Qid]) -> cirq.Circuit:
    """Returns a circuit from `|0...0>` to the state `sum_j sqrt(p_j) |j>`.

    Args:
        probabilities: Of shape `(2**n_qubits,)`, not negative, with sum 1.
        qubits: The first is the most significant bit of `j`.

    Example:

    >>> p = np.array([0.1, 0.2, 0.3, 0.4])
    >>> circuit = distribution_circuit(p, cirq.LineQubit.range(2))
    >>> (abs(cirq.final_state_vector(circuit)) ** 2).round(6)
    array([0.1, 0.2, 0.3, 0.4], dtype=float32)
    """
    operations: list[Operation] = []
    for level, qubit in enumerate(qubits):
        # For each value of the qubits before: the probabilities that this qubit is 0 and 1.
        halves = probabilities.reshape(2**level, 2, -1).sum(axis=2)
        angles = 2 * np.arctan2(np.sqrt(halves[:, 1]), np.sqrt(halves[:, 0]))
        operations += multiplexed_ry(angles, qubits[:level], qubit)
    return cirq.Circuit(operations)


def function_circuit(values: np.ndarray, qubits: Sequence[Qid], target: Qid) -> cirq.Circuit:
    """Returns a circuit that writes a function of the basis state `j` into a target qubit.

    It maps `|j>|0>` to `|j>(sqrt(1 - f_j)|0> + sqrt(f_j)|1>)`. If `j` has the probability `p_j`,
    the target is 1 with the probability `sum_j p_j f_j`: the expected value of `f`.

    Args:
        values: The values `f_j`, of shape `(2**n_qubits,)`, in [0, 1].
        qubits: The first is the most significant bit of `j`.
        target: The qubit that is rotated.
    """
    angles = 2 * np.arcsin(np.sqrt(np.clip(values, 0, 1)))
    return cirq.Circuit(multiplexed_ry(angles, qubits, target))
