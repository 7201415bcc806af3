"""The Gaussian kernel of bit strings, and the distance of distributions that it defines.

For bits, the kernel `k(x, y) = exp(-|x - y|^2 / (2 s^2))` with bandwidth `s` is a mean over strings
of Pauli Z, `sum_a p^|a| (1 - p)^(n - |a|) Z_a(x) Z_a(y)` with `p = (1 - exp(-1 / (2 s^2))) / 2` and
`Z_a(x) = (-1)^(a x)`. So the squared maximum mean discrepancy is a mean of squared differences of
expectation values (Rudolph et al., npj Quantum Information 10, 56 (2024), arXiv 2305.02881).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from qkeras_hybrid._errors import ArgumentError

Array = np.ndarray[Any, Any]

_WEIGHTS = (1.0, 2.0, 4.0)


def checked_bits(argument: str, values: Any, n_bits: int | None = None) -> Array:
    """Returns rows of bits as a float32 array.

    Args:
        argument: The argument's name, for the error message.
        values: Bits of shape `(n, n_bits)`.
        n_bits: The required number of bits in a row; None for any.

    Raises:
        ValueError: If they are not rows of bits, or there is no row.
    """
    try:
        bits = np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise ArgumentError(argument, "be rows of bits 0 and 1", values) from error
    width = "n_bits" if n_bits is None else n_bits
    if bits.ndim != 2 or not bits.size or (n_bits is not None and bits.shape[1] != n_bits):
        raise ArgumentError(argument, f"have shape (n, {width}), with at least one row", bits.shape)
    wrong = bits[~np.isin(bits, (0, 1))] if bits.dtype.kind in "biuf" else bits.reshape(-1)
    if len(wrong):
        raise ArgumentError(argument, "be bits 0 and 1", wrong[0].item())
    return bits.astype("float32")


def checked_bandwidths(given: Any) -> tuple[float, ...]:
    """Returns bandwidths of the kernel as a tuple.

    Raises:
        ValueError: If there is none, or one is not a positive number.
    """
    try:
        values = tuple(float(each) for each in given)
    except (TypeError, ValueError) as error:
        raise ArgumentError("bandwidths", "hold positive numbers", given) from error
    if not values or not all(0 < each < math.inf for each in values):
        raise ArgumentError("bandwidths", "hold positive numbers", given)
    return values


def default_bandwidths(n_bits: int) -> tuple[float, ...]:
    """Returns the bandwidths at which strings of Pauli Z act on 1, 2 and 4 bits on average.

    On average they act on at most a third of the bits, so for few bits some of the three coincide.

    Args:
        n_bits: The number of bits.

    Returns:
        Up to three bandwidths, the largest first.

    Example:

    >>> from qkeras_hybrid.generative import default_bandwidths
    >>> [round(width, 2) for width in default_bandwidths(100)]
    [4.97, 3.5, 2.45]
    """
    shares = sorted({min(weight / n_bits, 1 / 3) for weight in _WEIGHTS})
    return tuple(math.sqrt(-1 / (2 * math.log(1 - 2 * share))) for share in shares)


def share_of(bandwidth: float) -> float:
    """Returns the share `p` of the bits on which the strings of a bandwidth act on average."""
    return -math.expm1(-1 / (2 * bandwidth**2)) / 2


def mmd(x: Any, y: Any, bandwidths: Iterable[float] | None = None) -> float:
    """Returns an unbiased estimate of the squared maximum mean discrepancy of two sets of bits.

    It measures the distance between the distributions of which they are samples. If both are the
    same, the estimate is 0 on average, so it can be negative.

    Args:
        x: Bits of shape `(n, n_bits)`, at least two rows.
        y: Bits of shape `(m, n_bits)`, at least two rows.
        bandwidths: The bandwidths of the Gaussian kernel; the mean over them is returned. None
            takes `default_bandwidths`.

    Raises:
        ValueError: If `x` or `y` does not hold bits or has fewer than two rows, or a bandwidth is
            not positive.

    Reference:
        Gretton et al., A kernel two-sample test, JMLR 13, 723 (2012), equation (3).

    Example:

    >>> from qkeras_hybrid.generative import mmd
    >>> rng = np.random.default_rng(0)
    >>> x, y, z = rng.integers(0, 2, (3, 500, 8))
    >>> bool(abs(mmd(x, y)) < 0.003), bool(mmd(x, z * y) > 0.02)
    (True, True)
    """
    first = checked_bits("x", x)
    second = checked_bits("y", y, first.shape[1])
    for name, rows in (("x", first), ("y", second)):
        if len(rows) < 2:
            raise ArgumentError(name, "have at least two rows", len(rows))
    given = default_bandwidths(first.shape[1]) if bandwidths is None else bandwidths
    widths = checked_bandwidths(given)
    found = 0.0
    for width in widths:
        within = [_sum_of_kernel(a, a, width) - len(a) for a in (first, second)]
        n, m = len(first), len(second)
        across = _sum_of_kernel(first, second, width) / (n * m)
        found += within[0] / (n * (n - 1)) + within[1] / (m * (m - 1)) - 2 * across
    return found / len(widths)


def _sum_of_kernel(x: Array, y: Array, width: float) -> float:
    total = 0.0
    for start in range(0, len(x), 1024):
        part = x[start : start + 1024]
        # The number of bits that differ, exact in float32.
        differ = part.sum(1)[:, None] + y.sum(1)[None] - 2 * part @ y.T
        total += float(np.exp(differ.astype("float64") / (-2 * width**2)).sum())
    return total
