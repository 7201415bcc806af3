"""Linear constraints on bits."""

from __future__ import annotations

import dataclasses
import fractions
import math
from collections.abc import Hashable, Mapping
from typing import Any

import keras
import numpy as np

from qkeras_hybrid._checks import finite_number, one_of
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._value import Value
from qkeras_hybrid.annealing.reading import name_of

SENSES = ("==", "<=", ">=")

# The relative rounding error allowed in a sum: a few units of float64.
TOLERANCE = 1e-14
# Coefficients of an inequality become whole multiples of a unit; a bound above this many units
# would need more slack bits than an annealer can handle.
_MOST_UNITS = 2**30
_MOST_DENOMINATOR = 10**6


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
@dataclasses.dataclass(frozen=True)
class Constraint(Value):
    """A linear constraint on bits: `sum_i coefficients_i x_i` `==`, `<=` or `>=` `bound`.

    Args:
        name: The constraint's name in errors and reports.
        coefficients: The coefficients by variable.
        sense: "==", "<=" or ">=".
        bound: The right-hand side.

    Raises:
        ValueError: If `sense` is unknown, or a number is not finite.

    Example:

    >>> from qkeras_hybrid.annealing import Constraint
    >>> at_most_one = Constraint("one", {"a": 1, "b": 1}, "<=", 1)
    >>> at_most_one.satisfied(np.array([0.0, 1.0, 2.0])).tolist()
    [True, True, False]
    """

    name: str
    coefficients: Mapping[Hashable, float]
    sense: str
    bound: float

    def __post_init__(self) -> None:
        one_of("sense", self.sense, SENSES)
        finite_number("bound", self.bound)
        object.__setattr__(self, "coefficients", dict(self.coefficients))
        for v, c in self.coefficients.items():
            if not isinstance(c, (int, float, np.number)) or not math.isfinite(c):
                raise ArgumentError(
                    "coefficients", f"be finite; that of {v!r} in {self.name!r} is not", c
                )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, in a form that JSON holds."""
        pairs = [[v, float(c)] for v, c in self.coefficients.items()]
        bound = float(self.bound)
        return {"name": self.name, "coefficients": pairs, "sense": self.sense, "bound": bound}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constraint:
        """Makes a constraint from what `get_config` returned."""
        pairs = {name_of(v): c for v, c in config["coefficients"]}
        return cls(config["name"], pairs, config["sense"], config["bound"])

    def satisfied(self, sums: np.ndarray) -> np.ndarray:
        """Tells, for each value of the left-hand side, whether it satisfies the constraint."""
        slack = self.rounding
        excess = np.asarray(sums) - self.bound
        kept: np.ndarray = excess <= slack if self.sense != ">=" else excess >= -slack
        return kept & (excess >= -slack) if self.sense == "==" else kept

    @property
    def rounding(self) -> float:
        """The rounding error allowed in sums of these coefficients; 0 for whole numbers."""
        numbers = [*self.coefficients.values(), self.bound]
        if all(float(c).is_integer() for c in numbers):
            return 0.0
        return TOLERANCE * sum(abs(float(c)) for c in numbers)

    def span(self) -> tuple[float, float]:
        """Returns the least and the largest value of the left-hand side."""
        values = list(self.coefficients.values())
        return sum(min(c, 0.0) for c in values), sum(max(c, 0.0) for c in values)

    def at_most(self) -> Constraint:
        """Returns this constraint with "<=" instead of ">="."""
        if self.sense != ">=":
            return self
        turned = {v: -c for v, c in self.coefficients.items()}
        return Constraint(self.name, turned, "<=", -self.bound)

    def in_units(self) -> tuple[dict[Hashable, int], int]:
        """Returns coefficients and bound as integer multiples of their largest common unit.

        Raises:
            ValueError: If they have no common unit, or only a tiny one.
        """
        given = [*self.coefficients.values(), self.bound]
        parts = [fractions.Fraction(float(c)).limit_denominator(_MOST_DENOMINATOR) for c in given]
        scale = math.lcm(*(part.denominator for part in parts))
        whole = [int(part * scale) for part in parts]
        exact = all(
            math.isclose(float(p), c, abs_tol=1e-12) for p, c in zip(parts, given, strict=True)
        )
        common = math.gcd(*whole[:-1]) or 1
        if not exact or sum(map(abs, whole)) // common > _MOST_UNITS:
            raise ArgumentError(
                "constraints",
                f"have coefficients with a common unit; those of {self.name!r} have none",
                dict(self.coefficients),
                "Round them, for example to whole numbers.",
            )
        if self.sense == "<=":
            whole[-1] = math.floor(whole[-1] / common) * common
        elif whole[-1] % common:
            raise unsatisfiable(self, "no sum of its coefficients has this value")
        units = [number // common for number in whole]
        return dict(zip(self.coefficients, units[:-1], strict=True)), units[-1]


def unsatisfiable(constraint: Constraint, why: str) -> ArgumentError:
    """Returns the error for an unsatisfiable constraint."""
    return ArgumentError(
        "constraints",
        f"be satisfiable; {constraint.name!r} is not ({why})",
        f"{constraint.sense} {constraint.bound:g}",
    )


def is_conflict(constraint: Constraint) -> bool:
    """Tells whether a constraint says that at most one of its variables may be 1."""
    same = set(constraint.coefficients.values()) == {1}
    return same and constraint.sense == "<=" and math.isclose(constraint.bound, 1.0)


def is_mendable(constraint: Constraint) -> bool:
    """Tells whether a flip can reduce each violation, by at least a unit squared."""
    turned = constraint.at_most()
    values = [float(c) for c in turned.coefficients.values()]
    if turned.sense == "==" and not any(values):
        return False
    if turned.sense == "==":
        return len({float(c) for c in values}) == 1 and turned.bound / values[0] % 1 == 0
    return all(c >= 0 for c in values)


def slack_bits(range_: int) -> list[int]:
    """Returns the sizes of bits whose sums are the numbers from 0 to `range_`."""
    sizes: list[int] = []
    while range_ > 0:
        size = min(2 ** len(sizes), range_)
        sizes.append(size)
        range_ -= size
    return sizes
