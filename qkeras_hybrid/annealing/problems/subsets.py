"""Problems that choose among numbers, items and sets."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.annealing.constraints import Constraint
from qkeras_hybrid.annealing.models import Ising, Qubo
from qkeras_hybrid.annealing.problem import Problem


def number_partition(numbers: Sequence[float]) -> Problem:
    """Returns the division of numbers into two parts whose sums differ least.

    The energy is the squared difference; `x_i = 1` puts number `i` into the first part.

    Raises:
        ValueError: If there are no numbers, or one is not finite.

    Example:

    >>> from qkeras_hybrid.annealing import number_partition, solve
    >>> solve(number_partition([4, 5, 6, 7, 8]), "exact").energy
    0.0
    """
    values = vector("numbers", numbers)
    couplings = 2 * np.outer(values, values)
    np.fill_diagonal(couplings, 0)
    model = Ising(np.zeros(len(values)), couplings, float(values @ values))
    return Problem("number partition", model.to_qubo())


def knapsack(values: Sequence[float], weights: Any, capacity: Any) -> Problem:
    """Returns the choice of items with the largest value that fits into a knapsack.

    The energy is minus the value of the chosen items.

    Args:
        values: The values of the items, of shape `(n,)`.
        weights: The weights of the items, of shape `(n,)`, or `(m, n)` for `m` capacities.
        capacity: The largest total weight: a number, or `m` numbers.

    Raises:
        ValueError: If shapes differ, or a weight or a capacity is negative or not finite.

    Example:

    >>> from qkeras_hybrid.annealing import knapsack, solve
    >>> solve(knapsack([6, 5, 4], [4, 3, 2], 5), "exact").values
    {0: 0, 1: 1, 2: 1}
    """
    worth = vector("values", values)
    rows, bounds = (
        np.atleast_2d(numbers("weights", weights)),
        np.atleast_1d(numbers("capacity", capacity)),
    )
    if rows.ndim != 2 or rows.shape[1] != len(worth):
        raise ArgumentError("weights", f"have {len(worth)} columns, one per item", rows.shape)
    if bounds.shape != (len(rows),):
        raise ArgumentError("capacity", f"have {len(rows)} numbers, one per row", bounds.shape)
    for name, array in (("weights", rows), ("capacity", bounds)):
        if not np.isfinite(array).all() or (array < 0).any():
            wrong = array[~(array >= 0) | ~np.isfinite(array)]
            raise ArgumentError(name, "be finite and not negative", wrong.ravel()[0])
    objective = Qubo({(i, i): -value for i, value in enumerate(worth.tolist())})
    constraints = [
        Constraint(f"capacity {k}", dict(enumerate(row.tolist())), "<=", float(bound))
        for k, (row, bound) in enumerate(zip(rows, bounds, strict=True))
    ]
    return Problem("knapsack", objective, constraints)


def set_packing(
    sets: Sequence[Collection[Hashable]] | Mapping[Hashable, Collection[Hashable]],
    weights: Sequence[float] | None = None,
) -> Problem:
    """Returns the choice of sets with the largest weight in which no two sets share an element.

    The energy is minus the weight of the chosen sets.

    Args:
        sets: The sets; a mapping names them.
        weights: The weights of the sets in order; by default 1 each.

    Raises:
        ValueError: If there is no set, or the weights are not one finite number for each.

    Example:

    >>> from qkeras_hybrid.annealing import set_packing, solve
    >>> solve(set_packing([{1, 2}, {2, 3}, {3, 4}]), "exact").values
    {0: 1, 1: 0, 2: 1}
    """
    named = dict(sets) if isinstance(sets, Mapping) else dict(enumerate(sets))
    if not named:
        raise ArgumentError("sets", "have at least one set", sets)
    worth = vector("weights", np.ones(len(named)) if weights is None else weights, len(named))
    objective = Qubo({(v, v): -w for v, w in zip(named, worth.tolist(), strict=True)})
    elements: dict[Hashable, list[Hashable]] = {}
    for name, members in named.items():
        for element in dict.fromkeys(members):
            elements.setdefault(element, []).append(name)
    constraints = [
        Constraint(f"element {element!r}", dict.fromkeys(holders, 1), "<=", 1)
        for element, holders in elements.items()
        if len(holders) > 1
    ]
    return Problem("set packing", objective, _different(constraints))


def _different(constraints: Sequence[Constraint]) -> list[Constraint]:
    """Leaves out conflicts that repeat an earlier one, which would count twice."""
    kept: dict[frozenset[Hashable], Constraint] = {}
    for constraint in constraints:
        kept.setdefault(frozenset(constraint.coefficients), constraint)
    return list(kept.values())


def numbers(argument: str, given: Any) -> np.ndarray:
    """Returns an array of numbers of any shape, float64."""
    try:
        return np.asarray(given, "float64")
    except (TypeError, ValueError):
        raise ArgumentError(argument, "be numbers", given) from None


def vector(argument: str, given: Any, length: int | None = None) -> np.ndarray:
    """Returns finite numbers as an array of shape `(n,)`, with `n` of at least 1."""
    values = numbers(argument, given)
    if values.ndim != 1 or not len(values) or length not in (None, len(values)):
        of = "at least one number" if length is None else f"{length} numbers"
        raise ArgumentError(argument, f"be {of} in a row", values.shape)
    if not np.isfinite(values).all():
        raise ArgumentError(argument, "be finite", values[~np.isfinite(values)][0])
    return values
