"""Problems: an objective of bits to minimise, and linear constraints on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any

import keras
import numpy as np

from qkeras_hybrid._checks import finite_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._value import Value
from qkeras_hybrid.annealing.constraints import (
    Constraint,
    is_conflict,
    is_mendable,
    slack_bits,
    unsatisfiable,
)
from qkeras_hybrid.annealing.models import Qubo
from qkeras_hybrid.annealing.polynomial import Polynomial, largest_flip, span_of


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class Problem(Value):
    """An objective to minimise over bits, under linear constraints.

    Args:
        name: The problem's name.
        objective: The energy: a `Qubo`, or a `Polynomial` of higher degree.
        constraints: The constraints, on variables of the objective.

    Attributes:
        variables: The variables, in order.

    Raises:
        ValueError: If a constraint names an unknown variable, or can't be satisfied by itself.

    Example:

    >>> from qkeras_hybrid.annealing import Constraint, Problem, Qubo, solve
    >>> objective = Qubo({("a", "a"): -3, ("b", "b"): -2, ("c", "c"): -2})
    >>> room = Constraint("room", {"a": 3, "b": 2, "c": 2}, "<=", 4)
    >>> solve(Problem("bag", objective, (room,)), "exact").values
    {'a': 0, 'b': 1, 'c': 1}
    """

    name: str
    objective: Qubo | Polynomial
    constraints: Sequence[Constraint] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.objective, (Qubo, Polynomial)):
            raise ArgumentError("objective", "be a Qubo or a Polynomial", self.objective)
        object.__setattr__(self, "constraints", tuple(self.constraints))
        known = set(self.objective.variables)
        names = [constraint.name for constraint in self.constraints]
        twice = [name for i, name in enumerate(names) if name in names[:i]]
        if twice:
            raise ArgumentError("constraints", "have different names", twice[0])
        for constraint in self.constraints:
            unknown = [v for v in constraint.coefficients if v not in known]
            if unknown:
                raise ArgumentError(
                    "constraints",
                    f"use only variables of the objective; {constraint.name!r} has another",
                    unknown[0],
                )
            low, high = constraint.span()
            slack = constraint.rounding
            too_low = constraint.sense != "<=" and high < constraint.bound - slack
            too_high = constraint.sense != ">=" and low > constraint.bound + slack
            if too_low or too_high:
                raise unsatisfiable(
                    constraint, f"its left-hand side lies between {low:g} and {high:g}"
                )

    @property
    def variables(self) -> tuple[Hashable, ...]:
        """The variables, in order."""
        return self.objective.variables

    @property
    def n_variables(self) -> int:
        """The number of variables."""
        return len(self.variables)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, in a form that JSON holds."""
        serialize = keras.saving.serialize_keras_object
        return {
            "name": self.name,
            "objective": serialize(self.objective),
            "constraints": [serialize(each) for each in self.constraints],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Problem:
        """Makes a problem from what `get_config` returned."""
        read = keras.saving.deserialize_keras_object
        constraints = tuple(map(read, config["constraints"]))
        return cls(config["name"], read(config["objective"]), constraints)

    def __repr__(self) -> str:
        return (
            f"Problem({self.name!r}, {self.n_variables} variables, "
            f"{len(self.constraints)} constraints)"
        )

    def energies(self, states: np.ndarray) -> np.ndarray:
        """Returns the objective of bits of shape `(..., n_variables)`."""
        return self.objective.energies(states)

    def satisfied(self, states: np.ndarray) -> np.ndarray:
        """Tells which constraints bits satisfy: shape `(..., n_constraints)`."""
        columns = [c.satisfied(states @ self.row(c)) for c in self.constraints]
        if not columns:
            return np.ones((*states.shape[:-1], 0), bool)
        return np.stack(columns, -1)

    def row(self, constraint: Constraint) -> np.ndarray:
        """Returns the coefficients of a constraint in the order of the variables."""
        return np.array([float(constraint.coefficients.get(v, 0.0)) for v in self.variables])

    def penalty(self) -> float:
        """Returns a weight of penalties that no gain of the objective outweighs.

        If flips can repair each violation without breaking another constraint (conflicts, pairs and
        capacities of disjoint variables), the weight is a little more than the largest change of
        the objective by one flip. Otherwise it is a little more than the span of the objective.
        """
        if not self.constraints:
            return 0.0
        margin = 1.01
        flip = largest_flip(self.objective)
        if all(is_conflict(c) for c in self.constraints):
            # Twice, so that a violated conflict costs more than it could gain.
            return 2 * flip or 1.0
        named = [v for c in self.constraints for v in c.coefficients]
        if len(set(named)) == len(named) and all(is_mendable(c) for c in self.constraints):
            return margin * flip or 1.0
        low, high = span_of(self.objective)
        return margin * (high - low) or 1.0

    def to_qubo(self, penalty: float | None = None) -> Qubo:
        """Returns the objective with the constraints as penalties.

        An equality `a x = b` becomes `penalty * (a x - b)^2`. A conflict `x_1 + ... + x_k <= 1`
        becomes `penalty * x_i x_j` for each pair. Any other inequality becomes an equality with
        slack bits, in multiples of the coefficients' common unit (Lucas, Frontiers in Physics 2, 5,
        2014; Glover et al., 4OR 17, 335, 2019).

        Args:
            penalty: The weight of each penalty; by default `self.penalty()`.

        Returns:
            The model. Its variables are those of the problem, then the products that a `Polynomial`
            needs, and slack bits named `("slack", constraint, k)`.
        """
        weight = self.penalty() if penalty is None else finite_number("penalty", penalty)
        if weight < 0:
            raise ArgumentError("penalty", "not be negative", penalty)
        base = self.objective
        base = base.to_qubo() if isinstance(base, Polynomial) else base
        biases: dict[tuple[Hashable, Hashable], float] = dict(base.Q)
        variables, offset = list(base.variables), base.offset
        place = {v: i for i, v in enumerate(variables)}

        def add(a: Hashable, b: Hashable, value: float) -> None:
            pair = (a, b) if place[a] <= place[b] else (b, a)
            biases[pair] = biases.get(pair, 0.0) + value

        for number, given in enumerate(self.constraints):
            constraint = given.at_most()
            if is_conflict(constraint):
                names = list(constraint.coefficients)
                for k, a in enumerate(names):
                    for b in names[k + 1 :]:
                        add(a, b, weight)
                continue
            units, bound = constraint.in_units()
            if constraint.sense == "<=":
                least = sum(min(c, 0) for c in units.values())
                for k, size in enumerate(slack_bits(bound - least)):
                    slack = ("slack", given.name or number, k)
                    place[slack] = len(variables)
                    variables.append(slack)
                    units[slack] = size
            names = list(units)
            for k, a in enumerate(names):
                add(a, a, weight * units[a] * (units[a] - 2 * bound))
                for b in names[k + 1 :]:
                    add(a, b, 2 * weight * units[a] * units[b])
            offset += weight * bound**2
        return Qubo({pair: c for pair, c in biases.items()}, offset, variables)
