"""Optimises the angles of QAOA for MaxCut on small graphs, and writes them into the package.

    python benchmarks/qaoa/store_angles.py
    python benchmarks/qaoa/store_angles.py --layers 2 --output angles.json

The graphs: cycles of 4 to 12 vertices, complete graphs of 3 to 10, all 27 connected 3-regular
graphs of up to 10 vertices, and the Heawood and Möbius-Kantor graphs. For each number of layers,
the optimisation starts from the published tables, from the ramp, and from the best angles for one
layer less, interpolated to one more layer ("INTERP" of Zhou, Wang, Choi, Pichler, Lukin, Physical
Review X 10, 021067 (2020), arXiv 1812.01041).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import scipy.optimize

from qkeras_hybrid.annealing import Ising
from qkeras_hybrid.annealing.qaoa.native import Native
from qkeras_hybrid.annealing.qaoa.optimising import plain_circuit
from qkeras_hybrid.annealing.qaoa.starts import STORED, start_angles

CONNECTED_CUBIC = {4: 1, 6: 2, 8: 5, 10: 19}
"""The number of connected 3-regular graphs, by their number of vertices (OEIS A002851)."""


def cubic_graphs(vertices: int) -> list[Any]:
    """Returns all connected 3-regular graphs, drawn at random until the known number is reached."""
    graphs: list[Any] = []
    seed = 0
    while len(graphs) < CONNECTED_CUBIC[vertices]:
        graph = nx.random_regular_graph(3, vertices, seed=seed)
        seed += 1
        if nx.is_connected(graph) and not any(nx.is_isomorphic(graph, known) for known in graphs):
            graphs.append(graph)
    return graphs


def families() -> dict[str, Any]:
    """Returns the graphs by name."""
    graphs = {f"cycle {n}": nx.cycle_graph(n) for n in range(4, 13)}
    graphs |= {f"complete {n}": nx.complete_graph(n) for n in range(3, 11)}
    for n in CONNECTED_CUBIC:
        for number, graph in enumerate(cubic_graphs(n), 1):
            if not nx.is_isomorphic(graph, nx.complete_graph(4)):
                graphs[f"3-regular {n}.{number}"] = graph
    graphs["Heawood"] = nx.heawood_graph()
    graphs["Möbius-Kantor"] = nx.moebius_kantor_graph()
    return graphs


def stretched(angles: np.ndarray) -> np.ndarray:
    """Returns angles for one more layer, by interpolation."""
    p = len(angles)
    before, after = np.append(0.0, angles), np.append(angles, 0.0)
    places = np.arange(p + 1)
    return (places * before + (p - places) * after) / p


def optimised(graph: Any, layers: int) -> dict[str, Any]:
    """Returns the angles for each number of layers up to `layers`."""
    edges = graph.number_of_edges()
    model = Ising({v: 0.0 for v in graph}, {edge: 0.5 for edge in graph.edges})
    found: dict[str, Any] = {}
    last = None
    for p in range(1, layers + 1):
        native = Native(plain_circuit(model, p), 0, "float64")
        upstream = np.zeros((1, model.n_variables + 1))
        upstream[0, -1] = 1

        def objective(x: np.ndarray, native: Any = native, upstream: Any = upstream) -> Any:
            value = native.values(x[None])[0, -1]
            return value, native.values_gradient(x[None], upstream)[0]

        starts = [np.concatenate(start_angles(s, p, model)) for s in ("ramp", "sk", "fixed")]
        if last is not None:
            starts.append(np.concatenate([stretched(part) for part in np.split(last, 2)]))
        best = min(
            (
                scipy.optimize.minimize(
                    objective, x, jac=True, method="L-BFGS-B", options={"ftol": 1e-14}
                )
                for x in starts
            ),
            key=lambda result: result.fun,
        )
        last = best.x
        gammas, betas = (np.round(part, 6).tolist() for part in np.split(last, 2))
        cut = 0.5 - float(best.fun) / edges
        found[str(p)] = {"gammas": gammas, "betas": betas, "cut": round(cut, 6)}
        if cut > 1 - 1e-9:
            break  # the largest cut (of an even cycle) is reached, so more layers can't improve it
    return found


def main() -> None:
    """Optimises and writes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--layers", type=int, default=8, help="the largest number of layers")
    parser.add_argument("--output", type=Path, default=STORED)
    given = parser.parse_args()
    lines = []
    for name, graph in families().items():
        graph = nx.convert_node_labels_to_integers(graph)
        angles = optimised(graph, given.layers)
        print(f"{name:16s}", *(each["cut"] for each in angles.values()), flush=True)
        edges = sorted(sorted(edge) for edge in graph.edges)
        entry = {"name": name, "n": len(graph), "edges": edges, "angles": angles}
        lines.append(json.dumps(entry, ensure_ascii=False))
    given.output.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()
