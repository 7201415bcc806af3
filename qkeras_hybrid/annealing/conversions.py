"""Quadratic models in other packages' forms: dimod, networkx, Cirq."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, lazy_module

if TYPE_CHECKING:
    import dimod
    import networkx
else:
    # Importing them takes half a second, and most users of layers never need them.
    dimod = lazy_module("dimod")
    networkx = lazy_module("networkx")

Linear = dict[Hashable, float]
Pairs = dict[tuple[Hashable, Hashable], float]


def is_bqm(given: Any) -> bool:
    """Tells whether something is one of dimod's quadratic models."""
    return type(given).__module__.split(".")[0] == "dimod" and isinstance(
        given, dimod.BinaryQuadraticModel
    )


def is_cqm(given: Any) -> bool:
    """Tells whether something is one of dimod's constrained quadratic models."""
    return type(given).__module__.split(".")[0] == "dimod" and isinstance(
        given, dimod.ConstrainedQuadraticModel
    )


def is_graph(given: Any) -> bool:
    """Tells whether something is a networkx graph."""
    return type(given).__module__.split(".")[0] == "networkx" or (
        hasattr(given, "nodes") and isinstance(given, networkx.Graph)
    )


def of_bqm(model: Any, vartype: str) -> tuple[Linear, Pairs, float]:
    """Returns the biases of a dimod model, in terms of spins or bits.

    A model with the other kind of variables is converted; a bit of 1 is the spin +1.
    """
    linear = {v: float(bias) for v, bias in model.linear.items()}
    pairs = {(a, b): float(bias) for (a, b), bias in model.quadratic.items()}
    offset = float(model.offset)
    if model.vartype.name == vartype:
        return linear, pairs, offset
    # s = -1 + 2 x, or x = (1 + s) / 2: both are a + b * other.
    a, b = (-1.0, 2.0) if model.vartype.name == "SPIN" else (0.5, 0.5)
    turned: Linear = {v: b * bias for v, bias in linear.items()}
    offset += a * sum(linear.values())
    for (u, v), bias in pairs.items():
        turned[u] += a * b * bias
        turned[v] += a * b * bias
        offset += a * a * bias
    return turned, {pair: b * b * bias for pair, bias in pairs.items()}, offset


def bqm_of(
    linear: Mapping[Any, float], pairs: Mapping[Any, float], offset: float, vartype: str
) -> Any:
    """Returns a `dimod.BinaryQuadraticModel`."""
    return dimod.BinaryQuadraticModel(dict(linear), dict(pairs), offset, vartype)


def weights_of(graph: Any) -> Pairs:
    """Returns the weight of each edge of a networkx graph, 1 where it has none.

    Raises:
        ValueError: If the graph is directed, or has several edges between two nodes.
    """
    if graph.is_directed() or graph.is_multigraph():
        raise ArgumentError("graph", "be undirected, with at most one edge per pair", type(graph))
    return {(a, b): weight for a, b, weight in graph.edges(data="weight", default=1.0)}


def graph_of(linear: Mapping[Any, float], pairs: Mapping[Any, float]) -> Any:
    """Returns a `networkx.Graph` with biases at nodes and edges."""
    graph = networkx.Graph()
    graph.add_nodes_from((v, {"bias": bias}) for v, bias in linear.items())
    graph.add_edges_from((a, b, {"bias": bias}) for (a, b), bias in pairs.items())
    return graph


def pauli_sum(
    biases: np.ndarray,
    edges: np.ndarray,
    couplings: np.ndarray,
    offset: float,
    qubits: Sequence[cirq.Qid] | None,
) -> cirq.PauliSum:
    """Returns the sum of `Z` and `Z Z` with these coefficients, and the offset."""
    chosen = cirq.LineQubit.range(len(biases)) if qubits is None else list(qubits)
    if len(set(chosen)) != len(biases):
        raise ArgumentError("qubits", f"be {len(biases)} different qubits", chosen)
    total = cirq.PauliSum() + offset
    for i in np.flatnonzero(biases).tolist():
        total += float(biases[i]) * cirq.Z(chosen[i])
    for (i, j), coupling in zip(edges.tolist(), couplings.tolist(), strict=True):
        if coupling:
            total += coupling * cirq.Z(chosen[i]) * cirq.Z(chosen[j])
    result: cirq.PauliSum = total
    return result


def of_pauli_sum(observable: Any) -> tuple[Linear, Pairs, float]:
    """Returns the coefficients of a sum of `Z`, `Z Z` and the identity."""
    terms = [observable] if isinstance(observable, cirq.PauliString) else observable
    if not isinstance(observable, (cirq.PauliString, cirq.PauliSum)):
        raise ArgumentError("observable", "be a cirq.PauliSum or cirq.PauliString", observable)
    linear: Linear = {q: 0.0 for q in sorted(observable.qubits)}
    pairs: Pairs = {}
    offset = 0.0
    for term in terms:
        on = sorted(term.qubits)
        if len(on) > 2 or any(term[q] != cirq.Z for q in on) or abs(term.coefficient.imag) > 0:
            raise ArgumentError(
                "observable", "consist only of real multiples of 1, Z and Z Z", str(term)
            )
        coefficient = float(term.coefficient.real)
        if not on:
            offset += coefficient
        elif len(on) == 1:
            linear[on[0]] += coefficient
        else:
            pairs[on[0], on[1]] = pairs.get((on[0], on[1]), 0.0) + coefficient
    return linear, pairs, offset
