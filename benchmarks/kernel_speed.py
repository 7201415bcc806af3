"""How fast kernel matrices are, beside NumPy's complex product of the same shapes.

    python benchmarks/kernel_speed.py              # 1,000 samples at 8 qubits, 10,000 at 10
    python benchmarks/kernel_speed.py --small      # the first alone

Prints a line of JSON for each: seconds of the whole (encoding, states, product), of NumPy's product
of the states alone, and how much memory was taken above the result.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def seconds(function: Callable[[], Any], repeats: int) -> float:
    """Returns the least time of several calls."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        found.append(time.perf_counter() - start)
    return min(found)


def peak_bytes() -> int:
    """Returns the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def ours(n_samples: int, n_qubits: int, dtype: str, repeats: int) -> dict[str, Any]:
    """Times the ZZ feature map of two layers."""
    from qkeras_hybrid.kernels import FidelityKernel

    x = np.random.default_rng(0).uniform(0, 1, (n_samples, n_qubits)).astype(dtype)
    kernel = FidelityKernel("zz", n_qubits)
    kernel.matrix(x[:16])  # compiles the circuit
    before = peak_bytes()
    gram = kernel.matrix(x)
    above = peak_bytes() - before - gram.nbytes
    del gram
    whole = seconds(lambda: kernel.matrix(x), repeats)
    states = kernel.features(x)
    product = seconds(lambda: states @ states.conj().T, repeats)
    return {
        "n_samples": n_samples,
        "n_qubits": n_qubits,
        "dtype": dtype,
        "seconds": whole,
        "numpy_product_seconds": product,
        "bytes_above_the_result": max(above, 0),
    }


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="1,000 samples at 8 qubits alone")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    given = parser.parse_args()
    sizes = [(1000, 8, 5)] if given.small else [(1000, 8, 5), (10_000, 10, 1)]
    for n_samples, n_qubits, repeats in sizes:
        print(json.dumps(ours(n_samples, n_qubits, given.dtype, repeats)), flush=True)


if __name__ == "__main__":
    main()
