"""Exact minima: by enumeration for few variables, otherwise by branch and bound."""

from __future__ import annotations

import numpy as np

from qkeras_hybrid._checks import available_memory, bytes_text
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.annealing.models import Qubo
from qkeras_hybrid.annealing.polynomial import Polynomial, terms_of
from qkeras_hybrid.annealing.problem import Problem

MOST_ENUMERATED = 24
"""The most variables whose assignments are enumerated."""
MOST_COLUMNS = 20_000
"""The most variables and products of a problem for branch and bound."""

# The size to which the largest cost is scaled for HiGHS.
_LARGEST_COST = 1e4


def all_energies(objective: Qubo | Polynomial) -> np.ndarray:
    """Returns the energies of all assignments, of shape `(2**n,)`; variable 0 is the highest bit.

    The energy of an assignment is the sum of the coefficients of all products of its variables
    that are 1. The zeta transform computes all these sums by `n 2**n` additions.

    Raises:
        MemoryError: If there is not enough memory.
    """
    n = objective.n_variables
    needed = 8 * 2**n * 3
    if needed > available_memory():
        raise MemoryError(
            f"The energies of {n} variables need {bytes_text(needed)}, but only "
            f"{bytes_text(available_memory())} are available."
        )
    energies = np.zeros(2**n)
    for term, coefficient in terms_of(objective).items():
        energies[sum(1 << (n - 1 - i) for i in term)] += coefficient
    for i in range(n):
        halves = energies.reshape(2**i, 2, -1)
        halves[:, 1] += halves[:, 0]
    return energies


def states_of(numbers: np.ndarray, n: int) -> np.ndarray:
    """Returns assignments as bits, of shape `(..., n)`, int8; bit 0 is the highest."""
    shifts = np.arange(n - 1, -1, -1)
    bits: np.ndarray = np.asarray(numbers)[..., None] >> shifts & 1
    return bits.astype("int8")


def minimise(problem: Problem, time_limit: float = 60.0) -> np.ndarray:
    """Returns the bits of lowest energy among those that satisfy all constraints.

    Args:
        problem: The problem.
        time_limit: The time limit of branch and bound, in seconds.

    Raises:
        ValueError: If the problem is too large, its constraints can't be satisfied together, or
            branch and bound exceeds the time limit.
    """
    if problem.n_variables <= MOST_ENUMERATED:
        return _enumerated(problem)
    return _by_branch_and_bound(problem, time_limit)


def _enumerated(problem: Problem) -> np.ndarray:
    n = problem.n_variables
    energies = all_energies(problem.objective)
    for constraint in problem.constraints:
        sums = np.zeros(1)
        for coefficient in problem.row(constraint).tolist():
            sums = np.add.outer(sums, [0.0, coefficient]).ravel()
        energies[~constraint.satisfied(sums)] = np.inf
    best = int(np.argmin(energies))
    if not np.isfinite(energies[best]):
        raise _contradiction(problem)
    return states_of(np.array(best), n)


def _by_branch_and_bound(problem: Problem, time_limit: float) -> np.ndarray:
    """Solves a mixed-integer program by HiGHS, in which each product is a column.

    A product with a negative coefficient is bounded from above by its smallest variable; one with a
    positive coefficient is bounded from below by its variables, `y >= sum x - (k - 1)` (Fortet,
    1960; Glover, Woolsey, Operations Research 22, 180, 1974).
    """
    import scipy.optimize
    import scipy.sparse

    n = problem.n_variables
    terms = terms_of(problem.objective)
    products = [(term, c) for term, c in terms.items() if len(term) > 1 and c]
    columns = n + len(products)
    if columns > MOST_COLUMNS:
        raise too_large(problem, f"{columns:,} variables and products")
    # HiGHS stops at a gap of 1e-6 regardless of the size of the costs, so they are scaled.
    largest = max((abs(c) for term, c in terms.items() if term), default=0.0)
    scale = _LARGEST_COST / largest if largest else 1.0
    costs = np.zeros(columns)
    for term, c in terms.items():
        if len(term) == 1:
            costs[term[0]] = scale * c
    rows: list[int] = []
    places: list[int] = []
    values: list[float] = []
    upper: list[float] = []

    def add(entries: dict[int, float], bound: float) -> None:
        rows.extend([len(upper)] * len(entries))
        places.extend(entries)
        values.extend(entries.values())
        upper.append(bound)

    for k, (term, c) in enumerate(products):
        costs[n + k] = scale * c
        if c < 0:
            for i in term:
                add({n + k: 1.0, i: -1.0}, 0.0)
        else:
            add({**dict.fromkeys(term, 1.0), n + k: -1.0}, len(term) - 1.0)
    lower = [-np.inf] * len(upper)
    for constraint in problem.constraints:
        row = problem.row(constraint)
        size = float(abs(row).max(initial=0.0)) or 1.0
        add({int(i): float(row[i]) / size for i in np.flatnonzero(row)}, np.inf)
        upper[-1] = np.inf if constraint.sense == ">=" else constraint.bound / size
        lower.append(-np.inf if constraint.sense == "<=" else constraint.bound / size)
    matrix = scipy.sparse.csr_array((values, (rows, places)), shape=(len(upper), columns))
    integral = np.zeros(columns, "int64")
    integral[:n] = 1
    result = scipy.optimize.milp(
        costs,
        integrality=integral,
        bounds=scipy.optimize.Bounds(0, 1),
        constraints=[scipy.optimize.LinearConstraint(matrix, lower, upper)] if upper else [],
        options={"time_limit": time_limit, "mip_rel_gap": 0.0},
    )
    if result.status == 2:
        raise _contradiction(problem)
    if result.status != 0 or result.x is None:
        gap = "" if result.mip_gap is None else f" (the gap was then {result.mip_gap:.1%})"
        raise ArgumentError(
            "problem",
            f"be one that branch and bound solves within {time_limit:g} seconds{gap}",
            problem,
            f"Give a larger `time_limit`, or another solver. Problems of up to {MOST_ENUMERATED} "
            "variables are enumerated, without a time limit.",
        )
    bits: np.ndarray = np.rint(result.x[:n])
    if not problem.satisfied(bits).all():
        raise ArgumentError(
            "problem",
            "have constraints whose coefficients are of similar size, for branch and bound",
            problem,
            "HiGHS satisfies a row to within a millionth of its largest coefficient.",
        )
    return bits.astype("int8")


def too_large(problem: Problem, size: str) -> ArgumentError:
    """Returns the error for a problem that is too large to be solved exactly."""
    return ArgumentError(
        "problem",
        f"be small enough to be solved exactly: up to {MOST_ENUMERATED} variables by enumeration, "
        f"up to {MOST_COLUMNS:,} variables and products by branch and bound",
        size,
        "Use another solver, such as 'simulated_annealing'.",
    )


def _contradiction(problem: Problem) -> ArgumentError:
    """Returns the error for contradicting constraints. It names one without which they don't."""
    names = [
        c.name
        for c in problem.constraints
        if len(problem.constraints) <= 50 and _satisfiable(problem, leaving_out=c.name)
    ]
    fix = f"Without {names[0]!r} they could be." if names else "They contradict each other."
    return ArgumentError(
        "problem",
        "have constraints that can be satisfied together",
        [f"{c.name} {c.sense} {c.bound:g}" for c in problem.constraints],
        fix,
    )


def _satisfiable(problem: Problem, leaving_out: str) -> bool:
    import scipy.optimize

    rest = [c for c in problem.constraints if c.name != leaving_out]
    if not rest:
        return True
    with_bounds = [
        scipy.optimize.LinearConstraint(
            problem.row(c)[None],
            -np.inf if c.sense == "<=" else c.bound,
            np.inf if c.sense == ">=" else c.bound,
        )
        for c in rest
    ]
    result = scipy.optimize.milp(
        np.zeros(problem.n_variables),
        integrality=np.ones(problem.n_variables, "int64"),
        bounds=scipy.optimize.Bounds(0, 1),
        constraints=with_bounds,
        options={"time_limit": 5},
    )
    return bool(result.status == 0)
