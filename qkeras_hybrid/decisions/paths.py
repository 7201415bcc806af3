"""Shortest paths: in a grid, and in any directed graph."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.decisions.base import MOST_COSTS, DecisionProblem

if TYPE_CHECKING:
    import scipy.optimize as scipy_optimize
    import scipy.sparse as scipy_sparse
else:
    scipy_optimize = lazy_module("scipy.optimize")
    scipy_sparse = lazy_module("scipy.sparse")

Node = Hashable


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class ShortestPath(DecisionProblem):
    """The shortest path from one node of a directed graph to another.

    There is a cost for each edge. A decision is 1 on the edges of the path and 0 on all others.
    Costs may be negative. All samples of a batch are solved at once: by dynamic programming in a
    graph without cycles, otherwise by the Bellman-Ford algorithm.

    If a cycle of negative cost can be reached, there is no shortest walk. The decision is then a
    cheapest flow of one unit that uses no edge twice: a path, plus cycles that lower the cost.

    Args:
        edges: Pairs of nodes `(from, to)`, in the order of the costs; or a `networkx.DiGraph`,
            whose edges are taken in its order. Nodes are numbers or strings.
        source: The node at which paths begin.
        target: The node at which they end.

    Raises:
        ValueError: If a node is not in the graph, or no path leads from `source` to `target`.

    Example:

    >>> from qkeras_hybrid.decisions import ShortestPath
    >>> triangle = ShortestPath([("a", "b"), ("b", "c"), ("a", "c")], "a", "c")
    >>> triangle.minimise(np.array([[1.0, 1.0, 3.0], [1.0, 3.0, 3.0]]))
    array([[1., 1., 0.],
           [0., 0., 1.]])
    """

    def __init__(self, edges: Any, source: Node, target: Node) -> None:
        self.edges = _checked_edges(edges)
        self.source, self.target = source, target
        nodes = list(dict.fromkeys(node for edge in self.edges for node in edge))
        for argument, node in (("source", source), ("target", target)):
            if node not in nodes:
                raise ArgumentError(argument, "be a node of an edge in `edges`", node)
        if source == target:
            raise ArgumentError("target", "differ from `source`", target)
        number = {node: i for i, node in enumerate(nodes)}
        self._n_nodes = len(nodes)
        self._source, self._target = number[source], number[target]
        ends = np.array([[number[a], number[b]] for a, b in self.edges])
        begun = _reached(ends, self._n_nodes, self._source)
        ending = _reached(ends[:, ::-1], self._n_nodes, self._target)
        if not begun[self._target]:
            raise ArgumentError("edges", f"have a path from {source!r} to {target!r}", self.edges)
        # Edges on no path from source to target are never used, not even in cycles of negative
        # cost.
        self._used = np.flatnonzero(begun[ends[:, 0]] & ending[ends[:, 1]])
        self._ends = ends[self._used]
        self._stages = _stages(self._ends, self._n_nodes)

    @property
    def n_costs(self) -> int:
        """The number of edges."""
        return len(self.edges)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, by name."""
        return {
            "edges": [list(edge) for edge in self.edges],
            "source": self.source,
            "target": self.target,
        }

    def minimise(self, costs: np.ndarray) -> np.ndarray:
        """Returns 1 for each edge of the shortest path; see `DecisionProblem`."""
        decisions = np.zeros(costs.shape)
        decisions[:, self._used] = self._minimised(np.asarray(costs, "float64")[:, self._used])
        return decisions

    def _minimised(self, costs: np.ndarray) -> np.ndarray:
        if self._stages is not None:
            arrived, _ = self._relaxed(costs, self._stages, 1)
            return self._paths(arrived)
        everything = [_stage(self._ends, np.unique(self._ends[:, 1]))]
        arrived, settled = self._relaxed(costs, everything, self._n_nodes)
        decisions = np.zeros(costs.shape)
        decisions[settled] = self._paths(arrived[settled])
        for i in np.flatnonzero(~settled):
            decisions[i] = self._flow(costs[i])
        return decisions

    def _relaxed(
        self, costs: np.ndarray, stages: list[tuple[np.ndarray, np.ndarray]], rounds: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the edge on which each node is reached, and which samples are settled."""
        batch = len(costs)
        # An extra edge of infinite cost pads the rows of nodes with fewer incoming edges.
        padded = np.concatenate([costs, np.full((batch, 1), np.inf)], axis=1)
        starts = np.append(self._ends[:, 0], 0)
        distance = np.full((batch, self._n_nodes), np.inf)
        distance[:, self._source] = 0.0
        arrived = np.full((batch, self._n_nodes), -1)
        changed = np.zeros(batch, bool)
        for _ in range(rounds):
            changed[:] = False
            for nodes, into in stages:
                ways = distance[:, starts[into]] + padded[:, into]
                choice = ways.argmin(axis=2)
                length = np.take_along_axis(ways, choice[..., None], axis=2)[..., 0]
                shorter = length < distance[:, nodes]
                distance[:, nodes] = np.where(shorter, length, distance[:, nodes])
                edges = into[np.arange(len(nodes)), choice]
                arrived[:, nodes] = np.where(shorter, edges, arrived[:, nodes])
                changed |= shorter.any(axis=1)
            if not changed.any():
                break
        return arrived, ~changed if rounds > 1 else np.ones(batch, bool)

    def _paths(self, arrived: np.ndarray) -> np.ndarray:
        """Follows the edges back from the target."""
        batch = len(arrived)
        decisions = np.zeros((batch, len(self._ends)))
        node = np.full(batch, self._target)
        open_ = np.arange(batch)
        while open_.size:
            edges = arrived[open_, node[open_]]
            decisions[open_, edges] = 1.0
            node[open_] = self._ends[edges, 0]
            open_ = open_[node[open_] != self._source]
        return decisions

    def _flow(self, costs: np.ndarray) -> np.ndarray:
        """Returns the cheapest flow of one unit; its corners are whole numbers."""
        count = len(self._ends)
        columns = np.arange(count)
        rows = np.concatenate([self._ends[:, 1], self._ends[:, 0]])
        signs = np.repeat([1.0, -1.0], count)
        incidence = scipy_sparse.csr_array(
            (signs, (rows, np.concatenate([columns, columns]))), (self._n_nodes, count)
        )
        demand = np.zeros(self._n_nodes)
        demand[self._target], demand[self._source] = 1.0, -1.0
        found = scipy_optimize.linprog(  # type: ignore[call-overload]
            costs, A_eq=incidence, b_eq=demand, bounds=(0.0, 1.0), method="highs-ds"
        )
        flow: np.ndarray = np.round(found.x)
        return flow


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class GridShortestPath(ShortestPath):
    """The shortest path through a grid from its first corner to the opposite one.

    Paths go right and down. The nodes are numbered row by row. The edges are ordered row by row
    too: first those to the right within a row, then those down to the next row, as in PyEPO's
    `shortestPathModel`. There are `rows (columns - 1) + (rows - 1) columns` edges.

    Args:
        rows: The number of rows of nodes.
        columns: The number of columns.

    Raises:
        ValueError: If the grid has fewer than two nodes.

    Example:

    >>> from qkeras_hybrid.decisions import GridShortestPath
    >>> GridShortestPath(5, 5).n_costs
    40
    """

    def __init__(self, rows: int, columns: int) -> None:
        self.rows = positive_int("rows", rows, MOST_COSTS)
        self.columns = positive_int("columns", columns, MOST_COSTS // self.rows)
        if rows * columns < 2:
            raise ArgumentError("columns", "be at least 2 in a grid of one row", columns)
        edges = []
        for row in range(rows):
            first = row * columns
            edges += [(first + j, first + j + 1) for j in range(columns - 1)]
            if row < rows - 1:
                edges += [(first + j, first + j + columns) for j in range(columns)]
        super().__init__(edges, 0, rows * columns - 1)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, by name."""
        return {"rows": self.rows, "columns": self.columns}


def _checked_edges(edges: Any) -> tuple[tuple[Node, Node], ...]:
    if hasattr(edges, "is_directed") and not edges.is_directed():
        raise ArgumentError(
            "edges", "be directed", edges, "Give graph.to_directed(), with an edge each way."
        )
    given: Iterable[Any] = edges.edges if hasattr(edges, "is_directed") else edges
    checked = []
    for edge in given:
        ends = tuple(edge)
        if len(ends) != 2 or not all(isinstance(node, (int, np.integer, str)) for node in ends):
            raise ArgumentError("edges", "be pairs of numbers or strings", edge)
        if ends[0] == ends[1]:
            raise ArgumentError("edges", "join two different nodes", edge)
        checked.append(tuple(node if isinstance(node, str) else int(node) for node in ends))
    if not 0 < len(checked) <= MOST_COSTS:
        raise ArgumentError("edges", f"be 1 to {MOST_COSTS:,} edges", len(checked))
    return tuple((a, b) for a, b in checked)


def _stage(ends: np.ndarray, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns nodes and the edges into each, padded with the number of edges."""
    into = [np.flatnonzero(ends[:, 1] == node) for node in nodes]
    table = np.full((len(nodes), max(map(len, into))), len(ends))
    for row, edges in zip(table, into, strict=True):
        row[: len(edges)] = edges
    return nodes, table


def _stages(ends: np.ndarray, n_nodes: int) -> list[tuple[np.ndarray, np.ndarray]] | None:
    """Returns stages of nodes, each reached only from earlier ones; None if there is a cycle."""
    waiting = np.bincount(ends[:, 1], minlength=n_nodes)
    ready = np.flatnonzero(waiting == 0)
    done, stages = len(ready), []
    while ready.size:
        left = np.isin(ends[:, 0], ready)
        reached = np.bincount(ends[left, 1], minlength=n_nodes)
        waiting = waiting - reached
        ready = np.flatnonzero((waiting == 0) & (reached > 0))
        done += len(ready)
        if ready.size:
            stages.append(_stage(ends, ready))
    return stages if done == n_nodes else None


def _reached(ends: np.ndarray, n_nodes: int, source: int) -> np.ndarray:
    """Tells which nodes can be reached from `source`."""
    reached = np.zeros(n_nodes, bool)
    reached[source] = True
    count = 0
    while reached.sum() > count:
        count = reached.sum()
        reached[ends[reached[ends[:, 0]], 1]] = True
    return reached
