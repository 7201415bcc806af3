"""Times a training step of an IQP circuit, and compares generators of bits on bars and stripes.

python benchmarks/generative.py                 # 200 qubits, and bars and stripes of 3 x 3
python benchmarks/generative.py --qubits 100    # another number of qubits
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from qkeras_hybrid.generative import IQPGenerator, compare_generators


def step_seconds(n_qubits: int, batch: int = 64, repeats: int = 7) -> tuple[int, list[float]]:
    """Returns the number of gates, and the seconds of the first step and of later ones."""
    layer = IQPGenerator(seed=0)
    model = keras.Sequential([keras.Input((n_qubits,)), layer])
    model.compile(keras.optimizers.Adam(0.01))
    x = np.random.default_rng(0).integers(0, 2, (batch, n_qubits)).astype("float32")
    seconds = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        model.train_on_batch(x)
        seconds.append(time.perf_counter() - start)
    return len(layer.sets), seconds


def bars_and_stripes(side: int, n: int, seed: int) -> np.ndarray:
    """Draws images of bars or stripes, of shape `(n, side**2)`: each line is full or empty."""
    rng = np.random.default_rng(seed)
    lines = rng.integers(0, 2, (n, side))
    across = np.repeat(lines[:, None], side, axis=1)
    turned = rng.random(n) < 0.5
    across[turned] = across[turned].transpose(0, 2, 1)
    return across.reshape(n, side**2)


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--qubits", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=150)
    arguments = parser.parse_args()
    gates, seconds = step_seconds(arguments.qubits)
    print(
        f"IQP circuit, {arguments.qubits} qubits, {gates:,} gates, 256 strings, 256 samples: "
        f"{statistics.median(seconds[1:]):.3f} s per step, {seconds[0]:.1f} s for the first"
    )
    x = bars_and_stripes(3, 2000, seed=0)
    print(compare_generators(x[:1000], x[1000:], epochs=arguments.epochs))


if __name__ == "__main__":
    main()
