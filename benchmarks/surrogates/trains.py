"""Measures the size and the error of tensor trains for circuits with random weights.

    python benchmarks/surrogates/trains.py
    python benchmarks/surrogates/trains.py --output benchmarks/surrogates/trains.json

The circuits are those of a `PQCDense` with one input angle per qubit, with weights uniform between
-3 and 3. The differences are measured on inputs that were not used to find the train. They are
uniform between -pi and pi.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np


def measured(qubits: int, layers: int, seed: int, tolerance: float, count: int) -> dict[str, Any]:
    """Finds the tensor train of a circuit, and returns its size, error and time."""
    from qkeras_hybrid import PQCDense, surrogate

    keras.utils.set_random_seed(seed)
    start = keras.initializers.RandomUniform(-3, 3, seed=seed)
    layer = PQCDense(qubits, n_layers=layers, weight_initializer=start)
    model = keras.Sequential([keras.Input((qubits,)), layer])
    before = time.perf_counter()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*no training step.*")
        classical = surrogate(model, method="tensor_train", tolerance=tolerance)
    seconds = time.perf_counter() - before
    rng = np.random.default_rng([seed, qubits, layers])
    x = rng.uniform(-math.pi, math.pi, (count, qubits)).astype("float32")
    apart = np.abs(model.predict(x, verbose=0) - classical.predict(x, verbose=0))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        classical.save(path)
        n_bytes = path.stat().st_size
    report = classical.surrogate_report
    return {
        "qubits": qubits,
        "layers": layers,
        "seed": seed,
        "tolerance": tolerance,
        "samples": count,
        "says": report.layers[0].says,
        "worst": float(apart.max()),
        "mean": float(apart.mean()),
        "parameters": report.parameters,
        "bytes_of_parameters": 4 * report.parameters,
        "bytes_of_file": n_bytes,
        "seconds_to_find": seconds,
    }


def main() -> None:
    """Finds the trains, and prints or writes the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--qubits", nargs="+", type=int, default=[12])
    parser.add_argument("--layers", nargs="+", type=int, default=[2, 3])
    parser.add_argument("--seeds", type=int, default=1, help="number of circuits of each shape")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--samples", type=int, default=4096)
    parser.add_argument("--output", type=Path, help="a JSON file for all results")
    given = parser.parse_args()
    from qkeras_hybrid.bench.environment import machine, versions
    from qkeras_hybrid.engines.native import library

    rows = []
    for qubits in given.qubits:
        for layers in given.layers:
            for seed in range(given.seeds):
                row = measured(qubits, layers, seed, given.tolerance, given.samples)
                rows.append(row)
                print(
                    f"{qubits} qubits, {layers} layers, seed {seed}: {row['says'][0]}; worst "
                    f"{row['worst']:.1e}, {row['bytes_of_parameters'] / 1e6:.2f} MB, "
                    f"{row['seconds_to_find']:.1f} s",
                    flush=True,
                )
    if given.output is not None:
        document = {
            "backend": keras.backend.backend(),
            "machine": {**machine(), "instruction_set": library.instruction_set()},
            "versions": versions(),
            "rows": rows,
        }
        given.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
