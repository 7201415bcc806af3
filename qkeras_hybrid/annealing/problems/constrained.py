"""Reads dimod's constrained quadratic models."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.annealing import conversions
from qkeras_hybrid.annealing.constraints import Constraint, slack_bits
from qkeras_hybrid.annealing.models import Qubo
from qkeras_hybrid.annealing.problem import Problem

# An integer variable with more values is refused: its bits would dominate the others.
_MOST_VALUES = 2**20


def from_cqm(model: Any) -> Problem:
    """Returns a `dimod.ConstrainedQuadraticModel` as a problem.

    Spins and integers become bits: an integer `v` becomes its lower bound plus a sum of bits named
    `(v, k)` with weights.

    Raises:
        ValueError: If it has real variables, integers with more than a million values, or a
            constraint that is soft or not linear.

    Example:

    >>> import dimod
    >>> from qkeras_hybrid.annealing import from_cqm, solve
    >>> a, b = dimod.Binaries(["a", "b"])
    >>> model = dimod.ConstrainedQuadraticModel()
    >>> model.set_objective(-2 * a - b)
    >>> _ = model.add_constraint(a + b <= 1, label="one")
    >>> solve(from_cqm(model), "exact").energy
    -2.0
    """
    if not conversions.is_cqm(model):
        raise ArgumentError("model", "be a dimod.ConstrainedQuadraticModel", model)
    in_bits = {v: _bits_of(model, v) for v in model.variables}
    names = [bit for _, bits in in_bits.values() for bit in bits]
    biases: dict[tuple[Hashable, Hashable], float] = {(v, v): 0.0 for v in names}
    place = {v: i for i, v in enumerate(names)}
    objective = model.objective
    offset = float(objective.offset)

    def add(a: Hashable, b: Hashable, value: float) -> None:
        pair = (a, b) if place[a] <= place[b] else (b, a)
        biases[pair] = biases.get(pair, 0.0) + value

    for v, bias in objective.linear.items():
        start, bits = in_bits[v]
        offset += bias * start
        for bit, size in bits.items():
            add(bit, bit, bias * size)
    for (u, v), bias in objective.quadratic.items():
        (start_u, bits_u), (start_v, bits_v) = in_bits[u], in_bits[v]
        offset += bias * start_u * start_v
        for bit, size in bits_u.items():
            add(bit, bit, bias * size * start_v)
        for bit, size in bits_v.items():
            add(bit, bit, bias * size * start_u)
        for a, size_a in bits_u.items():
            for b, size_b in bits_v.items():
                add(a, b, bias * size_a * size_b)
    constraints = []
    for label, comparison in model.constraints.items():
        left = comparison.lhs
        if left.is_soft():
            raise ArgumentError("model", f"have hard constraints; {label!r} is soft", label)
        if len(left.quadratic):
            raise ArgumentError("model", f"have linear constraints; {label!r} is not", label)
        bound = float(comparison.rhs) - float(left.offset)
        coefficients: dict[Hashable, float] = {}
        for v, bias in left.linear.items():
            start, bits = in_bits[v]
            bound -= float(bias) * start
            coefficients |= {bit: float(bias) * size for bit, size in bits.items()}
        constraints.append(Constraint(str(label), coefficients, comparison.sense.value, bound))
    return Problem("constrained model", Qubo(biases, offset, names), constraints)


def values_of(model: Any, bits: Mapping[Hashable, int]) -> dict[Hashable, int]:
    """Returns the values of a constrained model's own variables, from those of its bits."""
    found: dict[Hashable, int] = {}
    for variable in model.variables:
        start, sizes = _bits_of(model, variable)
        found[variable] = round(start + sum(size * bits[bit] for bit, size in sizes.items()))
    return found


def _bits_of(model: Any, variable: Hashable) -> tuple[float, dict[Hashable, float]]:
    """Returns a variable as a constant and a weighted sum of bits."""
    kind = model.vartype(variable).name
    if kind == "BINARY":
        return 0.0, {variable: 1.0}
    if kind == "SPIN":
        return -1.0, {variable: 2.0}
    low = math.ceil(model.lower_bound(variable))
    high = math.floor(model.upper_bound(variable))
    if kind != "INTEGER" or high - low > _MOST_VALUES:
        raise ArgumentError(
            "model",
            "have bits, spins, and integers of up to a million values",
            f"{variable!r}: {kind} from {low:g} to {high:g}",
        )
    sizes = slack_bits(int(high - low))
    return float(low), {(variable, k): float(size) for k, size in enumerate(sizes)}
