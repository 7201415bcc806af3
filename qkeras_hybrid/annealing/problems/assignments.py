"""Problems that assign each of several objects to one of several places."""

from __future__ import annotations

from typing import Any

import numpy as np

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.annealing.constraints import Constraint
from qkeras_hybrid.annealing.models import Qubo
from qkeras_hybrid.annealing.problem import Problem
from qkeras_hybrid.annealing.problems.subsets import numbers


def quadratic_assignment(flow: Any, distance: Any) -> Problem:
    """Returns the assignment of facilities to places with the least transport.

    Variable `(i, k)` is 1 if facility `i` is at place `k`. The energy is
    `sum_{ijkl} flow_ij distance_kl x_ik x_jl` (Koopmans, Beckmann, Econometrica 25, 53, 1957).

    Args:
        flow: The flow between facilities, of shape `(n, n)`.
        distance: The distances between places, of shape `(n, n)`.

    Raises:
        ValueError: If these are not square matrices of the same size, or not finite.

    Example:

    >>> from qkeras_hybrid.annealing import quadratic_assignment, solve
    >>> flow, distance = [[0, 5, 2], [5, 0, 3], [2, 3, 0]], [[0, 1, 4], [1, 0, 2], [4, 2, 0]]
    >>> solve(quadratic_assignment(flow, distance), "exact").energy
    38.0
    """
    flows, distances = square("flow", flow), square("distance", distance)
    n = len(flows)
    if distances.shape != flows.shape:
        raise ArgumentError("distance", f"be of shape {flows.shape}, as `flow`", distances.shape)
    pairs = np.einsum("ij,kl->ikjl", flows, distances).reshape(n * n, n * n)
    names = [(i, k) for i in range(n) for k in range(n)]
    total = pairs + pairs.T
    biases = {(v, v): float(pairs[a, a]) for a, v in enumerate(names)}
    for a, b in zip(*np.nonzero(np.triu(total, 1)), strict=True):
        # Pairs that a constraint rules out need no energy.
        if names[a][0] != names[b][0] and names[a][1] != names[b][1]:
            biases[names[a], names[b]] = float(total[a, b])
    constraints = [
        *(_one_of(f"facility {i}", [(i, k) for k in range(n)]) for i in range(n)),
        *(_one_of(f"place {k}", [(i, k) for i in range(n)]) for k in range(n)),
    ]
    return Problem("quadratic assignment", Qubo(biases, 0.0, names), constraints)


def clustering(distances: Any, n_clusters: int) -> Problem:
    """Returns the division of points into clusters with the smallest distances within clusters.

    Variable `(i, k)` is 1 if point `i` is in cluster `k`. The energy is the sum of the distances of
    all pairs of points that share a cluster.

    Args:
        distances: The symmetric matrix of distances between the points, of shape `(n, n)`; or the
            points, of shape `(n, d)` with `d != n`, whose squared Euclidean distances are used.
        n_clusters: The number of clusters.

    Raises:
        ValueError: If they are not finite, or there are more clusters than points.

    Example:

    >>> from qkeras_hybrid.annealing import clustering, solve
    >>> found = solve(clustering([[0.0], [0.1], [1.0], [1.1]], 2), "exact").values
    >>> found[0, 0] == found[1, 0] != found[2, 0] == found[3, 0]
    True
    """
    array = numbers("distances", distances)
    if array.ndim != 2 or not np.isfinite(array).all():
        raise ArgumentError("distances", "be a finite matrix", distances)
    if array.shape[0] != array.shape[1]:
        array = ((array[:, None] - array[None]) ** 2).sum(-1)
    array = square("distances", array)
    if not np.allclose(array, array.T):
        raise ArgumentError("distances", "be symmetric", array)
    n = len(array)
    positive_int("n_clusters", n_clusters, n)
    names = [(i, k) for i in range(n) for k in range(n_clusters)]
    biases = {(v, v): 0.0 for v in names}
    for i in range(n):
        for j in range(i + 1, n):
            for k in range(n_clusters):
                biases[(i, k), (j, k)] = float(array[i, j])
    constraints = [_one_of(f"point {i}", [(i, k) for k in range(n_clusters)]) for i in range(n)]
    return Problem("clustering", Qubo(biases, 0.0, names), constraints)


def _one_of(name: str, variables: list[tuple[int, int]]) -> Constraint:
    return Constraint(name, dict.fromkeys(variables, 1), "==", 1)


def square(argument: str, given: Any) -> np.ndarray:
    """Returns a finite matrix of shape `(n, n)`."""
    matrix = numbers(argument, given)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not len(matrix):
        raise ArgumentError(argument, "be of shape (n, n)", matrix.shape)
    if not np.isfinite(matrix).all():
        raise ArgumentError(argument, "be finite", matrix[~np.isfinite(matrix)][0])
    return matrix
