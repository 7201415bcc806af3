"""Density matrices on `keras.ops` alone: GPU, XLA, second derivatives."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._double import cos, sin
from qkeras_hybrid.engines.density.transfer import Fixed, Local, Operation, Rotation, Turn
from qkeras_hybrid.engines.statevector.products import (
    batched_product,
    full_precision,
    real_constant,
)

FIRST_CHECKPOINTED = 7
"""From this number of qubits on, the gradient keeps few states and recomputes the others."""


def runner(
    operations: Sequence[Operation], n_qubits: int, measured: Sequence[int], gradient: bool
) -> Callable[[Any], Any]:
    """Returns a function that maps angles to values of Pauli strings.

    Args:
        operations: What `transfer.operations` returned.
        n_qubits: The number of qubits.
        measured: Places of Pauli strings.
        gradient: Whether a gradient will be taken.

    Returns:
        A function from angles of shape `(batch, n_angles)` to `(batch, n_measured)`.
    """
    turns: list[tuple[int, float]] = []
    steps = [_step(operation, n_qubits, turns) for operation in operations]
    index = np.array([angle for angle, _ in turns], "int32")
    scale = np.array([factor for _, factor in turns])
    start = np.zeros(4**n_qubits)
    for place in range(4**n_qubits):
        # |0...0>: 1 for the strings of I and Z, whose digits are 0 and 3.
        start[place] = (place ^ place >> 1) & 0x5555_5555_5555_5555 == 0
    whole = not gradient or n_qubits < FIRST_CHECKPOINTED
    # The root of the number of steps: as many segments as steps in each.
    length = max(1, len(steps) if whole else math.isqrt(len(steps)))
    segments = [_chain(steps[i : i + length]) for i in range(0, len(steps), length)]

    def run(angles: Any) -> Any:
        dtype = keras.backend.standardize_dtype(angles.dtype)
        with full_precision():
            turned = ops.take(angles, index, axis=1) * real_constant(scale, dtype)
            cosines, sines = cos(turned), sin(turned)
            # NaN and infinity spread to the whole readout of a sample.
            poison = 0.0 * ops.sum(angles, axis=1, keepdims=True)
            numbers = real_constant(start[None], dtype) + poison
            for segment in segments:
                numbers = (segment if whole else keras.remat(segment))(numbers, cosines, sines)
            return ops.take(numbers, np.array(measured, "int32"), axis=1)

    return run


_Step = Callable[[Any, Any, Any], Any]


def _chain(steps: Sequence[_Step]) -> _Step:
    def apply(numbers: Any, cosines: Any, sines: Any) -> Any:
        for step in steps:
            numbers = step(numbers, cosines, sines)
        return numbers

    return apply


def _step(operation: Operation, n_qubits: int, turns: list[tuple[int, float]]) -> _Step:
    """Returns a function that applies an operation to numbers of shape `(batch, 4**n_qubits)`."""
    match operation:
        case Local():
            return _local(operation, n_qubits, turns)
        case Rotation():
            return _rotation(operation, n_qubits, turns)
        case Fixed(qubits=qubits, matrix=matrix):
            return _on(qubits, n_qubits, lambda cosines, sines, dtype: matrix[None])


def _on(qubits: Sequence[int], n_qubits: int, matrices: Callable[[Any, Any, str], Any]) -> _Step:
    """Returns a function that multiplies the digits of some qubits with a matrix for each sample.

    Args:
        qubits: The qubits.
        n_qubits: The number of qubits.
        matrices: Returns them, of shape `(batch or 1, 4**k, 4**k)`, from cosines and sines.
    """
    k = len(qubits)
    # Qubits that stay together form one axis.
    cuts = sorted({0, n_qubits, *qubits, *(q + 1 for q in qubits)})
    sizes = [4 ** (end - begin) for begin, end in itertools.pairwise(cuts)]
    own = [1 + cuts.index(qubit) for qubit in qubits]
    order = [0, *own, *(axis for axis in range(1, len(sizes) + 1) if axis not in own)]
    back = np.argsort(order).tolist()
    shape = [sizes[axis - 1] for axis in order[1:]]

    def apply(numbers: Any, cosines: Any, sines: Any) -> Any:
        dtype = keras.backend.standardize_dtype(numbers.dtype)
        batch = ops.shape(numbers)[0]
        split = ops.transpose(ops.reshape(numbers, (batch, *sizes)), order)
        columns = ops.reshape(split, (batch, 4**k, 4 ** (n_qubits - k)))
        given = matrices(cosines, sines, dtype)
        if isinstance(given, np.ndarray):
            given = real_constant(given, dtype)
        given = ops.broadcast_to(given, (batch, 4**k, 4**k))
        found = ops.reshape(batched_product(given, columns), (batch, *shape))
        return ops.reshape(ops.transpose(found, back), (batch, 4**n_qubits))

    return apply


def _local(operation: Local, n_qubits: int, turns: list[tuple[int, float]]) -> _Step:
    factors: list[tuple[int, int] | np.ndarray] = []
    for factor in operation.factors:
        if isinstance(factor, Turn):
            factors.append((len(turns), factor.axis))
            turns.append((factor.angle, factor.scale))
        else:
            factors.append(factor)

    def matrices(cosines: Any, sines: Any, dtype: str) -> Any:
        found: Any = np.eye(4)[None]
        for factor in factors:
            if isinstance(factor, np.ndarray):
                if isinstance(found, np.ndarray):
                    found = factor @ found
                else:
                    fixed = ops.broadcast_to(real_constant(factor[None], dtype), ops.shape(found))
                    found = batched_product(fixed, found)
                continue
            number, axis = factor
            still, plane, turn = _axis(axis)
            rotated = (
                real_constant(still, dtype)
                + cosines[:, number, None, None] * real_constant(plane, dtype)
                + sines[:, number, None, None] * real_constant(turn, dtype)
            )
            if isinstance(found, np.ndarray):
                first = real_constant(np.broadcast_to(found, (1, 4, 4)), dtype)
                found = ops.broadcast_to(first, ops.shape(rotated))
            found = batched_product(rotated, found)
        return found

    return _on((operation.qubit,), n_qubits, matrices)


def _axis(axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns A, B and C of a rotation's transfer matrix `A + cos B + sin C`."""
    a, b = axis % 3 + 1, (axis + 1) % 3 + 1
    still, plane, turn = np.zeros((3, 4, 4))
    still[0, 0] = still[axis, axis] = 1.0
    plane[a, a] = plane[b, b] = 1.0
    turn[b, a], turn[a, b] = 1.0, -1.0
    return still, plane, turn


def _rotation(operation: Rotation, n_qubits: int, turns: list[tuple[int, float]]) -> _Step:
    number = len(turns)
    turns.append((operation.angle, operation.scale))
    place = np.arange(4**n_qubits)
    partner, power = place.copy(), np.zeros(4**n_qubits, int)
    for letter, qubit in zip(operation.letters, operation.qubits, strict=True):
        shift = 2 * (n_qubits - 1 - qubit)
        own = place >> shift & 3
        # Q P = i**power R, digit by digit: XY = iZ, YX = -iZ, and so on around.
        step = np.where((letter + 3 - own) % 3 == 1, 1, 3)
        power += np.where((own == 0) | (own == letter), 0, step)
        partner ^= letter << shift
    # i Q P = sign R for the strings that anticommute, the others stay.
    moved = power % 2 == 1
    sign = np.where(moved, np.where((power + 1) % 4 == 0, 1.0, -1.0), 0.0)

    def apply(numbers: Any, cosines: Any, sines: Any) -> Any:
        dtype = keras.backend.standardize_dtype(numbers.dtype)
        c, s = cosines[:, number, None], sines[:, number, None]
        # r_Q becomes cos r_Q - sign sin r_R.
        others = ops.take(numbers, partner.astype("int32"), axis=1)
        turned = c * numbers - s * real_constant(sign[None], dtype) * others
        return ops.where(moved[None], turned, numbers)

    return apply
