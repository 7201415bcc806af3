"""The best of all assignments of bits, without a list of them.

The bits are split in two halves, each with only `2^(n/2)` assignments. The linear cost of an
assignment is the sum of those of its halves, so it takes two additions and a comparison.
"""

from __future__ import annotations

import numpy as np

_CHUNK = 1 << 22


def assignments(n: int) -> np.ndarray:
    """Returns all assignments of `n` bits, shape `(2^n, n)`, the first bit the most significant."""
    places = np.arange(n - 1, -1, -1)
    bits: np.ndarray = (np.arange(2**n)[:, None] >> places & 1).astype("float64")
    return bits


def pair_sums(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns `first_i + second_j`, shape `(..., 2^n_first, 2^n_second)`."""
    sums: np.ndarray = first[..., :, None] + second[..., None, :]
    return sums


def halves(n: int) -> tuple[int, int]:
    """Returns how many bits the first and the second half have."""
    return n - n // 2, n // 2


def totals(weights: np.ndarray) -> np.ndarray:
    """Returns the total weight of each assignment, shape `(..., 2^n)`, of weights `(..., n)`."""
    first, second = halves(weights.shape[-1])
    sums = pair_sums(
        weights[..., :first] @ assignments(first).T, weights[..., first:] @ assignments(second).T
    )
    return sums.reshape(*weights.shape[:-1], -1)


def best_assignments(fixed: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """Returns the assignments of least cost.

    Args:
        fixed: The cost of each assignment in addition to its linear costs, shape `(2^n,)`; infinite
            where it is not allowed.
        costs: Linear costs, shape `(batch, n)`.

    Returns:
        Bits of shape `(batch, n)`. If several assignments are best, the first is returned.
    """
    n = costs.shape[1]
    step = max(1, _CHUNK >> n)
    best = [
        (totals(costs[i : i + step]) + fixed).argmin(axis=1) for i in range(0, len(costs), step)
    ]
    places = np.arange(n - 1, -1, -1)
    found: np.ndarray = (np.concatenate(best)[:, None] >> places & 1).astype("float64")
    return found
