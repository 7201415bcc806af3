"""Times one gradient of QAOA, compared with other libraries.

    python benchmarks/qaoa/steps.py
    python benchmarks/qaoa/steps.py --peers pennylane=PYTHON --peers tensorcircuit=PYTHON
    python benchmarks/qaoa/steps.py --output benchmarks/qaoa/steps.json

The workload is MaxCut on a 3-regular graph of 16 vertices with 8 layers. A step computes the mean
energy and its gradient with respect to all 16 angles, in float32. `PYTHON` is an interpreter that
has the peer's library; without `--peers`, the environment variable QKERAS_HYBRID_QAOA_PEERS may
name them, separated by commas. Each peer is compiled by JAX and runs in two ways (see `peers.py`).
Values and gradients must agree. This package is timed before and after each peer, in two ways: two
calls of the native core ("native"), and the layer in a compiled function of the Keras backend
("layer"). Medians are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import networkx as nx
import numpy as np
import peers
from keras import ops

REPEATS = 40


def timed(step: Callable[[], Any]) -> list[float]:
    """Returns the times of several runs, in seconds."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return times


def native_step(model: Any, layers: int) -> Callable[[], tuple[float, np.ndarray]]:
    """Returns a step of the native core, which takes two calls."""
    from qkeras_hybrid.annealing.qaoa.native import Native
    from qkeras_hybrid.annealing.qaoa.optimising import plain_circuit

    native = Native(plain_circuit(model, layers), 0, "float32")
    row = np.concatenate(peers.angles(layers))[None]
    upstream = np.zeros((1, model.n_variables + 1), "float32")
    upstream[0, -1] = 1

    def step() -> tuple[float, np.ndarray]:
        return float(native.values(row)[0, -1]), native.values_gradient(row, upstream)[0]

    return step


def layer_step(model: Any, layers: int) -> Callable[[], tuple[float, np.ndarray]]:
    """Returns a step of the layer, in a compiled function of the backend."""
    from qkeras_hybrid import QAOALayer

    layer = QAOALayer(model, layers, angles=peers.angles(layers), output="energy")
    x = ops.zeros((1, 0))
    layer(x)
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        @tf.function  # type: ignore[untyped-decorator]
        def compiled() -> Any:
            with tf.GradientTape() as tape:
                value = layer(x)[0, 0]
            return value, tape.gradient(value, [w.value for w in layer.trainable_variables])

    elif backend == "jax":
        import jax

        def energy(variables: Any) -> Any:
            return layer.stateless_call(variables, [], x)[0][0, 0]

        both = jax.jit(jax.value_and_grad(energy))

        def compiled() -> Any:
            return both([w.value for w in layer.trainable_variables])

    else:
        import torch

        def compiled() -> Any:
            value = layer(x)[0, 0]
            return value, torch.autograd.grad(value, [w.value for w in layer.trainable_variables])

    def step() -> tuple[float, np.ndarray]:
        value, slopes = compiled()
        rows = [ops.convert_to_numpy(slope) for slope in slopes]
        return float(ops.convert_to_numpy(value)), np.concatenate(rows)

    return step


def peer_line(
    name: str, python: str, way: str, graph: Any, layers: int, limit: float
) -> dict[str, Any]:
    """Runs a peer in its own environment, and returns the line that it prints."""
    command = [python, "-I", peers.__file__, name, "--way", way]
    command += ["--qubits", str(len(graph)), "--layers", str(layers)]
    edges = json.dumps([list(edge) for edge in graph.edges])
    line = {"peer": name, "way": way}
    try:
        done = subprocess.run(
            command, input=edges, capture_output=True, text=True, check=False, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return {**line, "error": f"it took more than {limit:g} s, compilation included"}
    for text in reversed(done.stdout.splitlines()):
        if text.startswith("{"):
            return dict(json.loads(text))
    return {**line, "error": done.stderr.strip()[-300:]}


def checked(line: dict[str, Any], value: float, gradient: np.ndarray) -> None:
    """Ends the script unless a peer's results agree, up to the rounding of 8 layers in float32."""
    if abs(line["value"] - value) > 1e-3 or np.abs(line["gradient"] - gradient).max() > 1e-2:
        raise SystemExit(f"{line['peer']} computes {line['value']}, we {value}")


def main() -> None:
    """Times everything, and prints or writes the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--peers", action="append", metavar="NAME=PYTHON")
    parser.add_argument("--ways", nargs="+", choices=peers.WAYS, default=list(peers.WAYS))
    parser.add_argument("--limit", type=float, default=900, help="seconds for a peer's process")
    parser.add_argument("--qubits", type=int, default=16)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--output", type=Path, help="a JSON file for all results")
    given = parser.parse_args()
    from qkeras_hybrid.annealing import Ising
    from qkeras_hybrid.bench.environment import machine, versions
    from qkeras_hybrid.engines.native import library

    named = os.environ.get("QKERAS_HYBRID_QAOA_PEERS", "")
    asked = given.peers or [part for part in named.split(",") if part]
    graph = nx.random_regular_graph(3, given.qubits, seed=0)
    model = Ising({v: 0.0 for v in range(given.qubits)}, {edge: 0.5 for edge in graph.edges})
    steps = {
        "native": native_step(model, given.layers),
        "layer": layer_step(model, given.layers),
    }
    value, gradient = steps["native"]()
    other, slopes = steps["layer"]()
    assert abs(other - value) < 1e-4
    assert np.abs(slopes - gradient).max() < 1e-3
    times: dict[str, list[float]] = {name: timed(step) for name, step in steps.items()}
    lines = []
    for text in asked:
        name, _, python = text.partition("=")
        for way in given.ways:
            line = peer_line(name, python, way, graph, given.layers, given.limit)
            lines.append(line)
            if "error" in line:
                print(f"{name}, {way}: {line['error']}")
            else:
                checked(line, value, gradient)
                median = statistics.median(line["times_s"])
                print(f"{name}, {way}: {1e3 * median:.2f} ms", flush=True)
            for own, step in steps.items():
                times[own] += timed(step)
    ours = {name: statistics.median(found) for name, found in times.items()}
    rows: list[dict[str, Any]] = [{"name": name, "seconds": s} for name, s in ours.items()]
    for line in lines:
        if "error" not in line:
            median = statistics.median(line["times_s"])
            rows.append(
                {
                    "name": f"{line['peer']}, {line['way']}",
                    "seconds": median,
                    "first_seconds": line["first_s"],
                    "over_native": median / ours["native"],
                    "over_layer": median / ours["layer"],
                    "versions": line["versions"],
                }
            )
    for row in rows:
        ratio = f"{row['over_layer']:8.1f} times the layer" if "over_layer" in row else ""
        print(f"{row['name']:26s} {1e3 * row['seconds']:9.2f} ms {ratio}")
    if given.output is not None:
        document = {
            "qubits": given.qubits,
            "layers": given.layers,
            "backend": keras.backend.backend(),
            "machine": {**machine(), "instruction_set": library.instruction_set()},
            "versions": versions(),
            "rows": rows,
            "failed": [line for line in lines if "error" in line],
        }
        given.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
