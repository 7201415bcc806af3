"""`solve`: finds the best assignment of a problem with a solver."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import keras
import numpy as np

from qkeras_hybrid._checks import finite_number, one_of, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.annealing import conversions, exact
from qkeras_hybrid.annealing.annealers import Annealer, ExactSampling, SimulatedAnnealing
from qkeras_hybrid.annealing.batch import Batch
from qkeras_hybrid.annealing.models import Ising, Qubo
from qkeras_hybrid.annealing.polishing import polished
from qkeras_hybrid.annealing.polynomial import Polynomial
from qkeras_hybrid.annealing.problem import Problem
from qkeras_hybrid.annealing.problems import from_cqm, values_of
from qkeras_hybrid.annealing.qaoa import QAOASampling
from qkeras_hybrid.annealing.samplers import DimodAnnealer, dwave_sampler


@dataclasses.dataclass(frozen=True)
class Solution:
    """The best assignment that a solver found.

    Attributes:
        values: The value of each variable, by its name: bits, or spins for an `Ising` model, or the
            values of a `dimod` model's variables.
        energy: The objective of these values, without penalties.
        feasible: Whether all constraints are satisfied.
        violated: The names of the violated constraints.
        solver: The solver's name.
        optimal: Whether the solver proves that no assignment is better.
        seconds: How long it took.
        reads: How many states it sampled.
    """

    values: dict[Hashable, int]
    energy: float
    feasible: bool
    violated: tuple[str, ...]
    solver: str
    optimal: bool
    seconds: float
    reads: int


# The annealer of each name. D-Wave's machines need an account.
SOLVERS: Mapping[str, Callable[[], Annealer | None]] = {
    "simulated_annealing": SimulatedAnnealing,
    "exact": lambda: None,
    "tabu": lambda: DimodAnnealer("TabuSampler", timeout=10),
    "steepest_descent": lambda: DimodAnnealer("SteepestDescentSampler"),
    "tree_decomposition": lambda: DimodAnnealer("TreeDecompositionSolver"),
    "qaoa": QAOASampling,
    "qpu": lambda: DimodAnnealer(dwave_sampler("qpu")),
    "leap_hybrid": lambda: DimodAnnealer(dwave_sampler("leap_hybrid")),
}
_PROVING = ("tree_decomposition",)


def solve(
    problem: Any,
    solver: Any = "simulated_annealing",
    seed: int | None = None,
    *,
    reads: int = 100,
    penalty: float | None = None,
    time_limit: float = 60.0,
) -> Solution:
    """Searches for the assignment of lowest energy.

    Sampling solvers get the problem's constraints as penalties. Penalties hide small differences of
    the objective, so the solver's best states are then improved by flips and exchanges of bits that
    keep the constraints. The result is the feasible state with the lowest objective. If no state is
    feasible, it is the state of lowest energy with penalties.

    Args:
        problem: A `Problem`, `Qubo`, `Ising` or `Polynomial`, or a `dimod` model, quadratic or
            constrained.
        solver: "simulated_annealing", "exact" (enumeration up to 24 variables, branch and bound
            beyond), "tabu", "steepest_descent", "tree_decomposition" (exact for graphs that are
            nearly trees), "qaoa", "qpu" or "leap_hybrid" (D-Wave's machines, with an account), an
            `Annealer`, or any `dimod.Sampler`.
        seed: The seed of random numbers.
        reads: How many states a solver samples.
        penalty: The weight of the constraints; by default `problem.penalty()`.
        time_limit: The time limit of branch and bound, in seconds.

    Raises:
        ValueError: If the solver is unknown, an argument is not a number, or, for "exact", the
            constraints contradict each other or the problem is too large.
        ServiceError: If a service gives no result.

    Example:

    >>> from qkeras_hybrid.annealing import maxcut, solve
    >>> found = solve(maxcut({(0, 1): 1.0, (1, 2): 1.0}), seed=0)
    >>> found.energy, found.feasible
    (-2.0, True)
    """
    given = problem_of(problem)
    if not given.n_variables:
        raise ArgumentError("problem", "have a variable", problem)
    positive_int("reads", reads)
    if finite_number("time_limit", time_limit) <= 0:
        raise ArgumentError("time_limit", "be positive", time_limit)
    name, annealer = solver_of(solver)
    start = time.perf_counter()
    if annealer is None:
        bits, reads, optimal = exact.minimise(given, time_limit), 1, True
    else:
        model = given.to_qubo(penalty)
        spins = annealer.sample(Batch.of([model]), reads, seed)[0]
        bits = _best(given, model, (spins + 1) // 2)
        optimal = name in _PROVING and not given.constraints
    seconds = time.perf_counter() - start
    kept = given.satisfied(bits)
    violated = tuple(c.name for c, ok in zip(given.constraints, kept, strict=True) if not ok)
    numbers = (2 * bits.astype(int) - 1 if isinstance(problem, Ising) else bits).tolist()
    if conversions.is_bqm(problem) and problem.vartype.name == "SPIN":
        numbers = (2 * bits.astype(int) - 1).tolist()
    values = dict(zip(given.variables, numbers, strict=True))
    if conversions.is_cqm(problem):
        values = values_of(problem, values)
    return Solution(
        values,
        float(given.energies(bits.astype("float64"))),
        not violated,
        violated,
        name,
        optimal,
        seconds,
        reads,
    )


def problem_of(given: Any) -> Problem:
    """Returns anything that can be solved as a problem of bits."""
    if isinstance(given, Problem):
        return given
    if isinstance(given, (Ising, Qubo)):
        return Problem(type(given).__name__, given.to_qubo())
    if isinstance(given, Polynomial):
        return Problem("polynomial", given)
    if conversions.is_bqm(given):
        return Problem("quadratic model", Qubo(given))
    if conversions.is_cqm(given):
        return from_cqm(given)
    raise ArgumentError(
        "problem", "be a Problem, Qubo, Ising or Polynomial, or a dimod model", given
    )


def solver_of(solver: Any) -> tuple[str, Annealer | None]:
    """Returns a solver's name and its annealer; None for the exact solver."""
    if isinstance(solver, str):
        return solver, SOLVERS[one_of("solver", solver, SOLVERS)]()
    if isinstance(solver, Annealer):
        return solver.name, solver
    if callable(getattr(solver, "sample", None)) and not isinstance(solver, type):
        return type(solver).__name__, DimodAnnealer(solver)
    raise ArgumentError(
        "solver", f"be one of {', '.join(map(repr, SOLVERS))}, or a dimod.Sampler", solver
    )


def get(identifier: Any) -> Annealer:
    """Returns an annealer from a solver's name, its Keras-serialized form, a sampler, or itself.

    Raises:
        ValueError: If the name is unknown, or the identifier is none of these.
    """
    if identifier == ExactSampling.name:
        return ExactSampling()
    if isinstance(identifier, dict):
        identifier = keras.saving.deserialize_keras_object(identifier)
    _, annealer = solver_of(identifier)
    assert annealer is not None
    return annealer


def _best(problem: Problem, model: Qubo, bits: np.ndarray) -> np.ndarray:
    """Returns the best state of a penalised model, as bits of the problem's variables."""
    own = bits[:, : problem.n_variables]
    if problem.constraints:
        _, first = np.unique(own, axis=0, return_index=True)
        promising = own[first[np.argsort(model.energies(bits[first]), kind="stable")]]
        improved = polished(problem, promising)
        if problem.satisfied(improved).all(-1).any():
            own = improved
    feasible = problem.satisfied(own).all(-1)
    if feasible.any():
        candidates = own[feasible]
        energies = problem.energies(candidates.astype("float64"))
        best: np.ndarray = candidates[int(np.argmin(energies))]
        return best
    least = int(np.argmin(model.energies(bits)))
    fallback: np.ndarray = own[least]
    return fallback
