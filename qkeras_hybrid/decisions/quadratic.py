"""Quadratic models of bits or spins whose linear costs a network predicts."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.annealing import Ising, Qubo
from qkeras_hybrid.decisions.base import DecisionProblem
from qkeras_hybrid.decisions.enumeration import MOST_BITS, assignments, best_assignments

_CHUNK = 1 << 16


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class QuadraticProgram(DecisionProblem):
    """The bits or spins `w` that minimise `c . w + E(w)`, with the energy `E` of a model.

    A cost for each variable of the model, in its order; they are added to its linear biases, which
    may be zero. By default the decision is exact, by trying all assignments of up to 24 variables.

    Args:
        model: A `Qubo`, whose decisions are bits 0 and 1; or an `Ising`, with spins -1 and +1.

    Raises:
        ValueError: If `model` is neither, or has more than 24 variables.

    Example:

    >>> from qkeras_hybrid.annealing import Qubo
    >>> from qkeras_hybrid.decisions import QuadraticProgram
    >>> not_both = QuadraticProgram(Qubo({("a", "a"): 0, ("b", "b"): 0, ("a", "b"): 9}))
    >>> not_both.minimise(np.array([[-1.0, -2.0], [1.0, -2.0], [1.0, 2.0]]))
    array([[0., 1.],
           [0., 1.],
           [0., 0.]])
    """

    def __init__(self, model: Any) -> None:
        if isinstance(model, dict):
            model = keras.saving.deserialize_keras_object(model)
        if not isinstance(model, (Qubo, Ising)):
            raise ArgumentError("model", "be a Qubo or an Ising", model)
        if not 0 < model.n_variables <= MOST_BITS:
            raise ArgumentError(
                "model", f"have 1 to {MOST_BITS} variables to be exact", model.n_variables
            )
        self.model = model

    @property
    def n_costs(self) -> int:
        """The number of variables."""
        return int(self.model.n_variables)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, by name."""
        return {"model": keras.saving.serialize_keras_object(self.model)}

    def fixed_cost(self, decisions: np.ndarray) -> np.ndarray:
        """Returns the energies of decisions; see `DecisionProblem`."""
        found: np.ndarray = self.model.energies(decisions)
        return found

    def minimise(self, costs: np.ndarray) -> np.ndarray:
        """Returns the best bits or spins; see `DecisionProblem`."""
        if isinstance(self.model, Ising):
            # s = 2 x - 1: a spin's cost counts twice for its bit.
            return 2 * best_assignments(self._energies, 2 * costs) - 1
        return best_assignments(self._energies, costs)

    @functools.cached_property
    def _energies(self) -> np.ndarray:
        """The energy of each assignment, shape `(2^n,)`."""
        n = self.n_costs
        low = min(n, _CHUNK.bit_length() - 1)
        parts = []
        for upper in assignments(n - low):
            states = np.concatenate(
                [np.broadcast_to(upper, (2**low, n - low)), assignments(low)], axis=1
            )
            if isinstance(self.model, Ising):
                states = 2 * states - 1
            parts.append(self.model.energies(states))
        return np.concatenate(parts)
