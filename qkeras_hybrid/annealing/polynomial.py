"""Energies with products of any number of variables, and their reduction to pairs."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from qkeras_hybrid._checks import finite_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._value import Value
from qkeras_hybrid.annealing.models import Qubo
from qkeras_hybrid.annealing.reading import name_of


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class Polynomial(Value):
    """A pseudo-Boolean polynomial: `E(x) = sum_T c_T prod_{i in T} x_i` of bits 0 and 1.

    Args:
        terms: The coefficient of each product, by a tuple of its variables; `()` is the constant.
        variables: The variables in order; by default in their order of appearance.

    Raises:
        ValueError: If a product appears twice, a variable appears twice in a product, or a
            coefficient is not finite.

    Example:

    >>> from qkeras_hybrid.annealing import Polynomial
    >>> all_three = Polynomial({("a", "b", "c"): -1.0, ("a",): 0.5})
    >>> all_three.energy({"a": 1, "b": 1, "c": 1})
    -0.5
    """

    def __init__(
        self,
        terms: Mapping[tuple[Hashable, ...], float],
        variables: Sequence[Hashable] | None = None,
    ) -> None:
        found = tuple(dict.fromkeys(v for term in terms for v in term))
        order = found if variables is None else tuple(variables)
        unknown = set(found) - set(order)
        if unknown:
            raise ArgumentError("variables", f"have the variable {unknown.pop()!r}", order)
        place = {v: i for i, v in enumerate(order)}
        self.variables: tuple[Hashable, ...] = order
        self.terms: dict[tuple[int, ...], float] = {}
        for term, coefficient in terms.items():
            key = tuple(sorted(place[v] for v in term))
            if key in self.terms or len(set(key)) != len(key):
                raise ArgumentError(
                    "terms", "name each product once, and each variable once in a product", term
                )
            self.terms[key] = finite_number("terms", coefficient)

    @property
    def n_variables(self) -> int:
        """The number of variables."""
        return len(self.variables)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, in a form that JSON holds."""
        named = [[[self.variables[i] for i in term], c] for term, c in self.terms.items()]
        return {"terms": named, "variables": list(self.variables)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Polynomial:
        """Makes a polynomial from what `get_config` returned."""
        terms = {tuple(map(name_of, term)): c for term, c in config["terms"]}
        return cls(terms, [name_of(v) for v in config["variables"]])

    def energy(self, values: Any) -> Any:
        """Returns the energy of a mapping, or of an array of shape `(..., n_variables)`."""
        if isinstance(values, Mapping):
            values = [values[v] for v in self.variables]
        states = np.asarray(values)
        if states.shape[-1:] != (self.n_variables,) or not np.isin(states, (0, 1)).all():
            raise ArgumentError("values", f"be {self.n_variables} bits", values)
        energies = self.energies(states)
        return float(energies) if energies.ndim == 0 else energies

    def energies(self, states: np.ndarray) -> np.ndarray:
        """Returns energies of arrays of bits, unchecked."""
        total = np.zeros(states.shape[:-1])
        for term, coefficient in self.terms.items():
            total += coefficient * states[..., list(term)].prod(-1)
        return total

    def to_qubo(self, strength: float | None = None) -> Qubo:
        """Returns a model of pairs with the same minima.

        Repeatedly, the pair of variables that is in most terms is replaced by a new variable `y`
        for its product, with the penalty `strength * (x_1 x_2 - 2 (x_1 + x_2) y + 3 y)`. The
        penalty is 0 for `y = x_1 x_2` and otherwise at least `strength` (Rosenberg, Cahiers du CERO
        17, 71, 1975).

        Args:
            strength: The weight of the penalties. By default, that of each product is large enough
                that no minimum of the model violates it.

        Returns:
            The model. Its variables are those of the polynomial and, after them, one named
            `("product", a, b)` for each product.
        """
        names: list[Hashable] = list(self.variables)
        terms = dict(self.terms)
        while max(map(len, terms), default=0) > 2:
            pairs: dict[tuple[int, int], int] = {}
            for term in terms:
                if len(term) > 2:
                    for pair in itertools.combinations(term, 2):
                        pairs[pair] = pairs.get(pair, 0) + 1
            a, b = max(pairs, key=lambda pair: (pairs[pair], (-pair[0], -pair[1])))
            y = len(names)
            names.append(("product", names[a], names[b]))
            replaced = [c for t, c in terms.items() if len(t) > 2 and a in t and b in t]
            # A violation of the product gains at most the sum of its terms of one sign.
            gain = max(sum(max(c, 0) for c in replaced), -sum(min(c, 0) for c in replaced))
            weight = 1.01 * gain if strength is None else strength
            reduced: dict[tuple[int, ...], float] = {}
            for term, c in terms.items():
                if len(term) > 2 and a in term and b in term:
                    term = (*(i for i in term if i not in (a, b)), y)
                reduced[term] = reduced.get(term, 0.0) + c
            penalty = {(a, b): 1.0, (a, y): -2.0, (b, y): -2.0, (y,): 3.0}
            for term, c in penalty.items():
                reduced[term] = reduced.get(term, 0.0) + weight * c
            terms = reduced
        biases = {(names[t[0]], names[t[-1]]): c for t, c in terms.items() if t}
        return Qubo(biases, terms.get((), 0.0), names)


def terms_of(objective: Qubo | Polynomial) -> dict[tuple[int, ...], float]:
    """Returns the coefficient of each product, by its variables' indices; `()` is the constant."""
    if isinstance(objective, Polynomial):
        return dict(objective.terms)
    terms: dict[tuple[int, ...], float] = {(): objective.offset}
    terms |= {(i,): bias for i, bias in enumerate(objective.biases.tolist()) if bias}
    pairs = zip(objective.edges.tolist(), objective.couplings.tolist(), strict=True)
    return terms | {(i, j): bias for (i, j), bias in pairs if bias}


def span_of(objective: Qubo | Polynomial) -> tuple[float, float]:
    """Returns bounds of the energies: the sums of negative and of positive coefficients."""
    coefficients = np.array([c for term, c in terms_of(objective).items() if term] or [0.0])
    return float(coefficients[coefficients < 0].sum()), float(coefficients[coefficients > 0].sum())


def largest_flip(objective: Qubo | Polynomial) -> float:
    """Returns a bound on how much a flip of one bit changes the energy."""
    n = objective.n_variables
    rise, fall = np.zeros(n), np.zeros(n)
    for term, c in terms_of(objective).items():
        for i in term:
            # The other bits of a product may be 0; a term of a single variable has no others.
            rise[i] += c if len(term) == 1 else max(c, 0.0)
            fall[i] += c if len(term) == 1 else min(c, 0.0)
    return float(np.maximum(abs(rise), abs(fall)).max(initial=0.0))
