"""Times a step of each circuit optimizer, compared with a gradient step.

    python benchmarks/optimizers/steps.py
    python benchmarks/optimizers/steps.py --output benchmarks/optimizers/steps.json

The model is a circuit of 8 qubits, two layers and 48 weights, followed by a Dense layer. Batches
have 32 samples. A training step of Keras is timed with each optimizer, in turns in one run, and
medians are compared. "SGD" is the gradient step.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

QUBITS, LAYERS, BATCH, ROUNDS = 8, 2, 32, 30


def makers() -> dict[str, Callable[[], Any]]:
    """Returns the optimizers by name."""
    from qkeras_hybrid import optimizers

    return {
        "SGD": lambda: keras.optimizers.SGD(0.01),
        "Adam": lambda: keras.optimizers.Adam(0.01),
        "QNG, full": lambda: optimizers.QNG(0.01),
        "QNG, block": lambda: optimizers.QNG(0.01, metric="block"),
        "QNG, diagonal": lambda: optimizers.QNG(0.01, metric="diagonal"),
        "QNSPSA": lambda: optimizers.QNSPSA(0.01, seed=0),
    }


def step(optimizer: Any) -> Callable[[], Any]:
    """Returns a training step that has already run once."""
    from qkeras_hybrid import PQCDense

    keras.utils.set_random_seed(0)
    layer = PQCDense(QUBITS, n_layers=LAYERS)
    model = keras.Sequential([keras.Input((QUBITS,)), layer, keras.layers.Dense(1)])
    model.compile(optimizer=optimizer, loss="mse")
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (BATCH, QUBITS)).astype("float32")
    y = rng.normal(size=(BATCH, 1)).astype("float32")
    assert len(layer.symbols) == 48
    model.train_on_batch(x, y)
    return lambda: model.train_on_batch(x, y)


def main() -> None:
    """Times all optimizers, and prints or writes the results."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, help="a JSON file for all results")
    given = parser.parse_args()
    from qkeras_hybrid.bench.environment import machine, versions
    from qkeras_hybrid.engines.native import library

    steps = {name: step(make()) for name, make in makers().items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, run in steps.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    rows = [
        {"optimizer": name, "seconds": median, "over_sgd": median / medians["SGD"]}
        for name, median in medians.items()
    ]
    for row in rows:
        print(f"{row['optimizer']:14s} {1e3 * row['seconds']:8.2f} ms {row['over_sgd']:6.1f}")
    if given.output is not None:
        document = {
            "qubits": QUBITS,
            "layers": LAYERS,
            "batch": BATCH,
            "backend": keras.backend.backend(),
            "machine": {**machine(), "instruction_set": library.instruction_set()},
            "versions": versions(),
            "rows": rows,
        }
        given.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
