"""The period of a sum of waves whose frequencies are sums of given factors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

_LARGEST_DENOMINATOR = 1000
_MOST_UNITS = 50  # of a factor, on average


def common_unit(factors: Sequence[float]) -> tuple[float, int] | None:
    """Returns the largest number that divides all factors, and the sum of the multiples.

    If a parameter enters a circuit with these factors, the circuit's output is a sum of waves in
    the parameter, whose frequencies are multiples of this unit up to this sum.

    Args:
        factors: Numbers above 0, at least one.

    Returns:
        The unit, and the sum of the factors in units; None if there is no such unit, or if it is so
        small that the sum exceeds 50 times the number of factors.

    Example:

    >>> common_unit([0.5, 0.75])
    (0.25, 5)
    """
    # Relative to the smallest factor, since factors may contain pi, or convert degrees.
    smallest = min(factors)
    ratios = [Fraction(f / smallest).limit_denominator(_LARGEST_DENOMINATOR) for f in factors]
    if any(abs(float(r) * smallest - f) > 1e-9 * f for r, f in zip(ratios, factors, strict=True)):
        return None
    denominator = math.lcm(*(ratio.denominator for ratio in ratios))
    whole = [int(ratio * denominator) for ratio in ratios]
    unit = math.gcd(*whole)
    total = sum(whole) // unit
    return (smallest * unit / denominator, total) if total <= _MOST_UNITS * len(factors) else None
