"""Problems on graphs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.annealing import conversions
from qkeras_hybrid.annealing.constraints import Constraint
from qkeras_hybrid.annealing.models import Ising, Qubo
from qkeras_hybrid.annealing.problem import Problem

Weights = dict[tuple[Hashable, Hashable], float]


def maxcut(graph: Any) -> Problem:
    """Returns the maximum cut of a graph: two parts with the largest weight of edges between them.

    The energy is minus the weight of the edges between nodes of value 0 and nodes of value 1:
    `E = -sum_{ij} w_ij (x_i + x_j - 2 x_i x_j)`.

    Args:
        graph: A `networkx.Graph` (an edge without a `weight` counts 1), a mapping from pairs of
            nodes to weights, or a symmetric array of weights.

    Raises:
        ValueError: If the graph is directed, has no nodes, or a weight is not finite.

    Example:

    >>> from qkeras_hybrid.annealing import maxcut, solve
    >>> solve(maxcut({(0, 1): 1, (1, 2): 1, (0, 2): 1}), "exact").energy
    -2.0
    """
    nodes, weights = graph_of(graph)
    biases: dict[tuple[Hashable, Hashable], float] = {(v, v): 0.0 for v in nodes}
    for (a, b), weight in weights.items():
        biases[a, a] -= weight
        biases[b, b] -= weight
        biases[a, b] = 2 * weight
    return Problem("maximum cut", Qubo(biases, 0.0, nodes))


def independent_set(graph: Any, weights: Mapping[Hashable, float] | None = None) -> Problem:
    """Returns the maximum independent set: the most nodes without an edge between any two of them.

    The energy is minus the number of nodes of value 1, or minus their total weight. Each edge is a
    constraint.

    Args:
        graph: A `networkx.Graph`, a mapping with pairs of nodes as keys, or a symmetric array whose
            nonzero entries are edges.
        weights: The weights of the nodes; by default 1 each.

    Raises:
        ValueError: If the graph is directed, has no nodes, or a weight is missing, or not finite.

    Example:

    >>> import networkx
    >>> from qkeras_hybrid.annealing import independent_set, solve
    >>> solve(independent_set(networkx.karate_club_graph()), "exact").energy
    -20.0
    """
    nodes, edges = graph_of(graph)
    of_node: Mapping[Hashable, float] = dict.fromkeys(nodes, 1.0) if weights is None else weights
    missing = [v for v in nodes if v not in of_node]
    if missing:
        raise ArgumentError("weights", f"have the node {missing[0]!r}", dict(of_node))
    objective = Qubo({(v, v): -of_node[v] for v in nodes}, 0.0, nodes)
    constraints = [
        Constraint(f"edge {a!r}-{b!r}", {a: 1, b: 1}, "<=", 1) for (a, b), c in edges.items() if c
    ]
    return Problem("maximum independent set", objective, constraints)


def graph_of(graph: Any) -> tuple[tuple[Hashable, ...], Weights]:
    """Returns the nodes and the weighted edges of a graph in any accepted form."""
    if conversions.is_graph(graph):
        weights = conversions.weights_of(graph)
        loops = [pair for pair in weights if pair[0] == pair[1]]
        if loops:
            raise ArgumentError("graph", "have no edge from a node to itself", loops[0])
        nodes: tuple[Hashable, ...] = tuple(graph.nodes)
    else:
        if not isinstance(graph, (Mapping, np.ndarray, list)):
            raise ArgumentError(
                "graph", "be a networkx.Graph, a mapping from pairs, or a symmetric array", graph
            )
        model = Ising({}, graph)
        nodes, weights = model.variables, model.quadratic
    if not nodes:
        raise ArgumentError("graph", "have a node", graph)
    for pair, weight in weights.items():
        if not isinstance(weight, (int, float, np.number)) or not np.isfinite(weight):
            raise ArgumentError("graph", f"have finite weights; that of {pair!r} is not", weight)
    return nodes, weights
