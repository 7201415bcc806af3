"""The widths of a Dense network that has a given number of parameters."""

from __future__ import annotations

import itertools

from qkeras_hybrid._checks import positive_int

TOLERANCE = 0.05
"""How far a control's parameter count may be from the hybrid's, as a fraction of the latter."""


def dense_parameters(widths: tuple[int, ...], n_features: int, n_outputs: int) -> int:
    """Counts the weights and biases of a Dense network with these hidden widths."""
    sizes = (n_features, *widths, n_outputs)
    return sum((before + 1) * after for before, after in itertools.pairwise(sizes))


def dense_widths(target: int, n_features: int, n_outputs: int) -> tuple[int, ...]:
    """Finds the hidden widths of a Dense network with a given number of parameters.

    The network has one hidden layer if the best width comes within 5 % of the target, else two. Of
    the pairs of widths within 5 %, it takes the one whose narrower layer is widest, because a
    baseline with a bottleneck of two units would lose for that reason alone. Of several such pairs,
    it takes the closest in count, and of two that are equally close, the larger network. If no
    network comes within 5 %, it is the closest one with one or two hidden layers.

    Args:
        target: The number of parameters to come close to.
        n_features: The width of the inputs.
        n_outputs: The width of the outputs.

    Returns:
        One or two hidden widths.

    Example:
        >>> dense_widths(682, n_features=64, n_outputs=10)
        (9,)
        >>> dense_widths(346, n_features=64, n_outputs=10)
        (4, 5)
    """
    positive_int("target", target)

    def miss(widths: tuple[int, ...]) -> int:
        return abs(dense_parameters(widths, n_features, n_outputs) - target)

    # The count is linear in the last hidden width. So the best widths are the two next to the point
    # where it meets the target.
    def candidates(before: tuple[int, ...]) -> list[tuple[int, ...]]:
        at_zero = dense_parameters((*before, 0), n_features, n_outputs)
        slope = dense_parameters((*before, 1), n_features, n_outputs) - at_zero
        below = max(1, (target - at_zero) // slope)
        return [(*before, below), (*before, below + 1)]

    one = min(candidates(()), key=lambda widths: (miss(widths), -widths[0]))
    if miss(one) <= TOLERANCE * target:
        return one
    widest = max(1, target // (n_features + 1))
    pairs = [pair for first in range(1, widest + 1) for pair in candidates((first,))]
    within = [pair for pair in pairs if miss(pair) <= TOLERANCE * target]
    if within:
        return min(
            within,
            key=lambda pair: (
                -min(pair),
                miss(pair),
                -dense_parameters(pair, n_features, n_outputs),
            ),
        )
    return min([one, *pairs], key=miss)
