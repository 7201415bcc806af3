"""Problems of sequences of signs."""

from __future__ import annotations

import itertools
from collections.abc import Hashable

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.annealing.polynomial import Polynomial
from qkeras_hybrid.annealing.problem import Problem


def low_autocorrelation(n: int) -> Problem:
    """Returns the sequence of `n` signs with the least autocorrelation ("LABS").

    The energy is `sum_{k=1}^{n-1} (sum_i s_i s_{i+k})^2` with `s = 2 x - 1`, of degree four. The
    Barker sequences of 7, 11 and 13 signs have energies 3, 5 and 6 (Bernasconi, J. Physique 48,
    559, 1987).

    Args:
        n: The length, from 2 to 200.

    Raises:
        ValueError: If `n` is not a whole number in this range.

    Example:

    >>> from qkeras_hybrid.annealing import low_autocorrelation, solve
    >>> solve(low_autocorrelation(7), "exact").energy
    3.0
    """
    if positive_int("n", n, 200) < 2:
        raise ArgumentError("n", "be at least 2", n)
    spins: dict[tuple[int, ...], float] = {}
    for k in range(1, n):
        for i, j in itertools.product(range(n - k), repeat=2):
            # A sign that appears twice in a product gives the factor 1.
            left = set((i, i + k)) ^ set((j, j + k))
            term = tuple(sorted(left))
            spins[term] = spins.get(term, 0.0) + 1.0
    bits: dict[tuple[int, ...], float] = {}
    for term, c in spins.items():
        # prod (2 x - 1) = sum over subsets of 2^|S| (-1)^(|T| - |S|) prod_S x
        for size in range(len(term) + 1):
            factor = c * 2**size * (-1) ** (len(term) - size)
            for chosen in itertools.combinations(term, size):
                bits[chosen] = bits.get(chosen, 0.0) + factor
    terms: dict[tuple[Hashable, ...], float] = {term: c for term, c in bits.items() if c}
    return Problem("low autocorrelation", Polynomial(terms, range(n)))
