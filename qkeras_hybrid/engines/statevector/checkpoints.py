"""Runs steps so that the gradient keeps few states and recomputes the others.

Reverse mode keeps the operands of each step, so the memory grows with the number of steps. Here the
steps are divided into about as many segments as the square root of their number. Only each
segment's first state is kept, and all states of one segment at a time (Chen et al., 2016,
https://arxiv.org/abs/1604.06174): each step whose state is not kept is computed twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import tree

from qkeras_hybrid.engines.statevector.angles import Computed
from qkeras_hybrid.engines.statevector.products import Pair
from qkeras_hybrid.engines.statevector.steps import Step

FIRST_QUBITS = 14
"""From this number of qubits on, the states of a batch of 64 take 8 MB or more in float32."""


def segment_length(n_steps: int) -> int:
    """Returns how many steps a segment has."""
    return max(1, math.isqrt(n_steps))


def states_kept(n_steps: int) -> int:
    """Returns how many steps' states are held at once."""
    length = segment_length(n_steps)
    return min(n_steps, -(-n_steps // length) + length)


def run(
    steps: Sequence[Step], state: Pair, computed: Computed, matrices: Sequence[Sequence[Pair]]
) -> Pair:
    """Applies steps in segments, with the same result as one by one.

    Args:
        steps: The steps.
        state: The states before.
        computed: The angles of the book.
        matrices: The matrices of the program.
    """
    length = segment_length(len(steps))
    for first in range(0, len(steps), length):
        state = _segment(steps[first : first + length], state, computed, matrices)
    return state


def _segment(
    steps: Sequence[Step], state: Pair, computed: Computed, matrices: Sequence[Sequence[Pair]]
) -> Pair:
    # TensorFlow takes the gradient of arguments alone, and of tensors: real states have no
    # imaginary part.
    whole = (state, computed.both, matrices)
    leaves = tree.flatten(whole)

    def apply(*tensors: Any) -> tuple[Any, ...]:
        given = iter(tensors)
        filled = [None if leaf is None else next(given) for leaf in leaves]
        state, both, matrices = tree.pack_sequence_as(whole, filled)
        angles = computed.replaced(both)
        for step in steps:
            state = step(state, angles, matrices)
        return tuple(part for part in state if part is not None)

    parts = keras.remat(apply)(*(leaf for leaf in leaves if leaf is not None))
    return parts[0], parts[1] if len(parts) == 2 else None
