"""Times one gradient of UCCSD for LiH, compared with PennyLane.

    python benchmarks/chemistry/uccsd.py
    python benchmarks/chemistry/uccsd.py --peer PYTHON --output benchmarks/chemistry/uccsd.json

The molecule is LiH (STO-3G, 1.45 Å) on 12 qubits, with all 631 terms of its Hamiltonian. A step
computes the energy and its gradient with respect to the 92 weights of UCCSD. The weights are drawn
from a normal distribution of width 0.1. `PYTHON` is an interpreter that has PennyLane; without
`--peer`, the environment variable QKERAS_HYBRID_CHEMISTRY_PEER may name it. PennyLane computes in
float64. This package's layer runs in a compiled function of the Keras backend, in float64 and in
float32, before and after PennyLane. Medians are compared. Values and gradients must agree, where
PennyLane's weights are twice ours.
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
import numpy as np
import peers
from keras import ops

REPEATS = 40


def layer_step(electrons: Any, weights: np.ndarray, dtype: str) -> Callable[[], Any]:
    """Returns a step of the layer, in a compiled function of the backend."""
    from qkeras_hybrid import PQC
    from qkeras_hybrid.chemistry import UCCSD

    ansatz = UCCSD()
    layer = PQC(
        ansatz.circuit(electrons),
        [electrons.hamiltonian],
        inputs=[],
        symbols=ansatz.symbols(electrons),
        dtype=dtype,
    )
    x = ops.zeros((1, 0), dtype)
    layer(x)
    layer.circuit_weights.assign(weights)
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        @tf.function  # type: ignore[untyped-decorator]
        def compiled() -> Any:
            with tf.GradientTape() as tape:
                value = layer(x)[0, 0]
            return value, tape.gradient(value, layer.circuit_weights.value)

    elif backend == "jax":
        import jax

        def energy(variables: Any) -> Any:
            return layer.stateless_call(variables, [], x)[0][0, 0]

        both = jax.jit(jax.value_and_grad(energy))

        def compiled() -> Any:
            value, slopes = both([w.value for w in layer.trainable_variables])
            return value, slopes[0]

    else:
        import torch

        def compiled() -> Any:
            value = layer(x)[0, 0]
            return value, torch.autograd.grad(value, [layer.circuit_weights.value])[0]

    def step() -> tuple[float, np.ndarray]:
        value, slope = compiled()
        return float(ops.convert_to_numpy(value)), ops.convert_to_numpy(slope)

    return step


def timed(step: Callable[[], Any]) -> list[float]:
    """Returns the times of several runs, in seconds."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return times


def peer_line(python: str, way: str, problem: str, electrons: int, limit: float) -> dict[str, Any]:
    """Runs the peer in its own environment, and returns the line that it prints."""
    command = [python, "-I", peers.__file__, way, "--electrons", str(electrons)]
    try:
        done = subprocess.run(
            command, input=problem, capture_output=True, text=True, check=False, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return {"way": way, "error": f"it took more than {limit:g} s"}
    for text in reversed(done.stdout.splitlines()):
        if text.startswith("{"):
            return dict(json.loads(text))
    return {"way": way, "error": done.stderr.strip()[-300:]}


def main() -> None:
    """Times everything, and prints or writes the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--peer", default=os.environ.get("QKERAS_HYBRID_CHEMISTRY_PEER", ""))
    parser.add_argument("--limit", type=float, default=900, help="seconds for the peer's process")
    parser.add_argument("--output", type=Path, help="a JSON file for all results")
    given = parser.parse_args()
    from qkeras_hybrid.bench.environment import machine, versions
    from qkeras_hybrid.chemistry import UCCSD, electrons
    from qkeras_hybrid.engines.native import library

    lithium = electrons("LiH", bond_length=1.45)
    n, n_weights = lithium.n_qubits, UCCSD().n_weights(lithium)
    weights = np.random.default_rng(0).normal(0, 0.1, n_weights)
    letters = {(0, 0): "I", (1, 0): "X", (0, 1): "Z", (1, 1): "Y"}
    terms = [
        (c.real, "".join(letters[x >> q & 1, z >> q & 1] for q in range(n)))
        for (x, z), c in sorted(lithium.encoded.items())
    ]
    problem = json.dumps({"qubits": n, "terms": terms, "weights": (2 * weights).tolist()})
    steps = {dtype: layer_step(lithium, weights, dtype) for dtype in ("float64", "float32")}
    value, gradient = steps["float64"]()
    other, slopes = steps["float32"]()
    assert abs(other - value) < 1e-4
    assert np.abs(slopes - gradient).max() < 1e-4
    times: dict[str, list[float]] = {name: timed(step) for name, step in steps.items()}
    lines = []
    for way in peers.WAYS if given.peer else ():
        line = peer_line(given.peer, way, problem, sum(lithium.integrals.spins), given.limit)
        lines.append(line)
        if "error" not in line and way == "uccsd":
            off = float(np.abs(2 * np.asarray(line["gradient"]) - gradient).max())
            if abs(line["value"] - value) > 1e-8 or off > 1e-8:
                raise SystemExit(f"PennyLane computes {line['value']}, we {value}; slopes {off}")
        for name, step in steps.items():
            times[name] += timed(step)
    ours = {name: statistics.median(found) for name, found in times.items()}
    rows: list[dict[str, Any]] = [{"name": f"layer, {k}", "seconds": s} for k, s in ours.items()]
    for line in lines:
        if "error" in line:
            print(f"pennylane, {line['way']}: {line['error']}")
            continue
        median = statistics.median(line["times_s"])
        rows.append(
            {
                "name": f"pennylane, {line['way']}",
                "seconds": median,
                "first_seconds": line["first_s"],
                "over_float64": median / ours["float64"],
                "over_float32": median / ours["float32"],
                "versions": line["versions"],
            }
        )
    for row in rows:
        ratio = f"{row['over_float64']:8.1f} times ours" if "over_float64" in row else ""
        print(f"{row['name']:22s} {1e3 * row['seconds']:9.2f} ms {ratio}")
    if given.output is not None:
        document = {
            "molecule": "LiH, STO-3G, 1.45 Å",
            "qubits": n,
            "terms": len(terms),
            "weights": n_weights,
            "backend": keras.backend.backend(),
            "machine": {**machine(), "instruction_set": library.instruction_set()},
            "versions": versions(),
            "rows": rows,
            "failed": [line for line in lines if "error" in line],
        }
        given.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
