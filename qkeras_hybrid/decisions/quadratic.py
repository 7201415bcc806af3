"""Problems of bits or spins, quadratic or constrained, whose linear costs are predicted."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import keras
import numpy as np

from qkeras_hybrid import annealing
from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.annealing import Batch, Ising, Problem, Qubo, exact
from qkeras_hybrid.decisions.base import DecisionProblem
from qkeras_hybrid.decisions.enumeration import best_assignments, totals


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class QuadraticProgram(DecisionProblem):
    """The bits or spins `w` that minimise `c . w + E(w)`, with the energy `E` of a model.

    There is one cost for each variable of the model, in the model's order. The costs are added to
    the linear biases, which may be zero. A decision satisfies the constraints of a `Problem`.

    By default the decision is exact. All assignments of up to 24 variables are tried; with more
    variables, branch and bound solves one sample after the other. An annealer takes all samples of
    a batch at once, and returns the best state that it finds. It gets constraints as penalties. If
    none of its states satisfies them, the decision is the state that comes closest.

    Args:
        model: A `Qubo` or a `Problem` with a quadratic objective, whose decisions are bits 0 and 1;
            or an `Ising`, with spins -1 and +1.
        annealer: "exact", or what `annealing.get` takes: "simulated_annealing", "tabu", an
            `Annealer`, or any `dimod.Sampler`. A model is saved without a sampler.
        reads: How many states an annealer samples for each decision.
        seed: The seed of its random numbers; None for a random one.

    Raises:
        ValueError: If an argument is invalid, or the constraints on up to 24 variables contradict
            each other.

    Example:

    >>> from qkeras_hybrid.annealing import Qubo
    >>> from qkeras_hybrid.decisions import QuadraticProgram
    >>> not_both = QuadraticProgram(Qubo({("a", "a"): 0, ("b", "b"): 0, ("a", "b"): 9}))
    >>> not_both.minimise(np.array([[-1.0, -2.0], [1.0, -2.0], [1.0, 2.0]]))
    array([[0., 1.],
           [0., 1.],
           [0., 0.]])
    """

    def __init__(
        self, model: Any, annealer: Any = "exact", reads: int = 10, seed: int | None = None
    ) -> None:
        if isinstance(model, dict):
            model = keras.saving.deserialize_keras_object(model)
        objective = model.objective if isinstance(model, Problem) else model
        if not isinstance(objective, (Qubo, Ising)):
            raise ArgumentError("model", "be a Qubo, an Ising or a Problem with a Qubo", model)
        if not model.n_variables:
            raise ArgumentError("model", "have at least one variable", model)
        self.model = model
        given = annealing.get(annealer)
        self.annealer = None if isinstance(given, annealing.ExactSampling) else given
        self.reads = positive_int("reads", reads)
        self.seed = seed
        self._rng = np.random.default_rng(seed)
        bits = model.to_qubo() if isinstance(model, Ising) else model
        self._problem = bits if isinstance(bits, Problem) else Problem("decision", bits)
        if self._enumerated and self._problem.constraints:
            # This finds contradictions now, not in the first training step.
            exact.minimise(self._problem)

    @property
    def n_costs(self) -> int:
        """The number of variables."""
        return int(self.model.n_variables)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, by name."""
        serialize = keras.saving.serialize_keras_object
        return {
            "model": serialize(self.model),
            "annealer": "exact" if self.annealer is None else serialize(self.annealer),
            "reads": self.reads,
            "seed": self.seed,
        }

    def fixed_cost(self, decisions: np.ndarray) -> np.ndarray:
        """Returns the energies of decisions; see `DecisionProblem`."""
        found: np.ndarray = self.model.energies(decisions)
        return found

    def minimise(self, costs: np.ndarray) -> np.ndarray:
        """Returns the best bits or spins; see `DecisionProblem`."""
        costs = np.asarray(costs, "float64")
        if isinstance(self.model, Ising):
            # s = 2 x - 1: a spin's cost counts twice for its bit.
            return np.asarray(2 * self._bits(2 * costs) - 1)
        return self._bits(costs)

    @property
    def _enumerated(self) -> bool:
        return self.annealer is None and self.n_costs <= exact.MOST_ENUMERATED

    def _bits(self, costs: np.ndarray) -> np.ndarray:
        if self._enumerated:
            return best_assignments(self._energies, costs)
        if self.annealer is not None:
            return self._annealed(costs)
        bits = [exact.minimise(self._with_biases(sample)) for sample in costs]
        return np.array(bits, "float64")

    @functools.cached_property
    def _energies(self) -> np.ndarray:
        """The energy of each assignment, shape `(2^n,)`; infinite where it is not allowed."""
        energies = exact.all_energies(self._problem.objective)
        for constraint in self._problem.constraints:
            kept = constraint.satisfied(totals(self._problem.row(constraint)))
            energies[~kept] = np.inf
        return energies

    def _with_biases(self, biases: np.ndarray) -> Problem:
        """Returns the problem with more linear biases."""
        objective = self._problem.objective
        assert isinstance(objective, Qubo)
        linear = zip(objective.variables, objective.biases + biases, strict=True)
        terms = {(v, v): float(bias) for v, bias in linear} | objective.quadratic
        changed = Qubo(terms, objective.offset, objective.variables)
        return dataclasses.replace(self._problem, objective=changed)

    def _annealed(self, costs: np.ndarray) -> np.ndarray:
        assert self.annealer is not None
        objective = self._problem.objective
        assert isinstance(objective, Qubo)
        # Penalties outweigh the largest costs of the batch.
        largest = np.abs(costs).max(axis=0) * np.where(objective.biases < 0, -1.0, 1.0)
        penalty = self._with_biases(largest).penalty()
        base = self._problem.to_qubo(penalty).to_ising()
        biases = np.tile(base.biases, (len(costs), 1))
        biases[:, : self.n_costs] += costs / 2
        batch = Batch(base.edges, biases, base.couplings)
        spins = self.annealer.sample(batch, self.reads, int(self._rng.integers(2**31 - 1)))
        energies = batch.energies(spins)
        bits = (spins[..., : self.n_costs] + 1) / 2
        if self._problem.constraints:
            # Among feasible states, the one with the lowest objective, for any slack bits.
            kept = self._problem.satisfied(bits).all(axis=-1)
            own = self._problem.energies(bits) + np.einsum("brn,bn->br", bits, costs)
            energies = np.where(kept.any(axis=1, keepdims=True), own, energies)
            energies = np.where(kept | ~kept.any(axis=1, keepdims=True), energies, np.inf)
        best = energies.argmin(axis=1)
        found: np.ndarray = bits[np.arange(len(bits)), best].astype("float64")
        return found
