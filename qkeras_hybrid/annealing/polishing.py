"""Improves states of constrained problems, whose penalties hinder an annealer.

Penalties are large compared with differences of the objective. So the final state of an annealer is
often only a few flips away from a better state, or from one that satisfies all constraints.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qkeras_hybrid.annealing.problem import Problem

# The most states to improve, and the most variables: each step tries all flips.
MOST_STATES = 20
MOST_VARIABLES = 400


def polished(problem: Problem, states: np.ndarray) -> np.ndarray:
    """Improves states by flips and exchanges of bits, until none helps.

    A flip helps an infeasible state if it reduces the violations, and a feasible one if it keeps
    all constraints and lowers the objective. An exchange sets one bit and clears another.

    Args:
        problem: The problem.
        states: Bits of shape `(n_states, n_variables)`, the most promising first.

    Returns:
        The first of them, at most `MOST_STATES`, improved.
    """
    chosen = states[:MOST_STATES].astype("float64")
    if not problem.constraints or problem.n_variables > MOST_VARIABLES:
        return chosen.astype("int8")
    rows = np.stack([problem.row(constraint) for constraint in problem.constraints])
    sizes = np.maximum(abs(rows).max(1, initial=0.0), np.finfo(float).tiny)

    def violations(candidates: np.ndarray) -> np.ndarray:
        total = np.zeros(len(candidates))
        sums = candidates @ rows.T
        for k, constraint in enumerate(problem.constraints):
            excess = sums[:, k] - constraint.bound
            off = {"==": abs(excess), "<=": excess, ">=": -excess}[constraint.sense]
            off[constraint.satisfied(sums[:, k])] = 0
            total += np.maximum(off, 0) / sizes[k]
        return total

    better: np.ndarray = np.stack([_one(problem, state, violations) for state in chosen])
    return better.astype("int8")


def _one(
    problem: Problem, state: np.ndarray, violations: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    off = float(violations(state[None])[0])
    energy = float(problem.energies(state))
    for _ in range(4 * len(state)):
        better = None
        for candidates in (_flips(state), _exchanges(state)):
            found = violations(candidates)
            if off > 0:
                place = int(np.argmin(found)) if len(found) else -1
                if place >= 0 and found[place] < off:
                    better = candidates[place]
                    break
                continue
            kept = candidates[found == 0]
            if not len(kept):
                continue
            energies = problem.energies(kept)
            place = int(np.argmin(energies))
            if energies[place] < energy - 1e-12 * max(1.0, abs(energy)):
                better = kept[place]
                break
        if better is None:
            return state
        state = better
        off, energy = float(violations(state[None])[0]), float(problem.energies(state))
    return state


def _flips(state: np.ndarray) -> np.ndarray:
    return abs(state[None] - np.eye(len(state)))


def _exchanges(state: np.ndarray) -> np.ndarray:
    """Returns all states in which one bit is set and another cleared, up to 10,000 of them."""
    ones, zeros = np.flatnonzero(state == 1), np.flatnonzero(state == 0)
    pairs = np.array(np.meshgrid(ones, zeros)).reshape(2, -1)[:, :10_000]
    candidates = np.repeat(state[None], pairs.shape[1], axis=0)
    places = np.arange(pairs.shape[1])
    candidates[places, pairs[0]], candidates[places, pairs[1]] = 0, 1
    return candidates
