"""Times kernel matrices, compared with NumPy's matrix product and with other libraries.

    python benchmarks/kernels/speed.py                                # both sizes
    python benchmarks/kernels/speed.py --peer qiskit=ENV/bin/python   # also another library
    python benchmarks/kernels/speed.py --output benchmarks/kernels/speed.json

The sizes are 1,000 samples at 8 qubits and 10,000 at 10, with the ZZ feature map of two layers. The
script measures the time of the whole matrix (encoding, states, product), the time of NumPy's
complex product of the states alone, and the memory in addition to the result. Other libraries
("qiskit", "squlearn" and "pennylane", see `peers.py`) run at the smaller size, each in an
environment of its own, and their matrices are compared with ours. A library that runs a circuit for
each pair is timed on few samples, and the time of all pairs is computed from that rate.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZES = ((1000, 8, 5), (10_000, 10, 1))
FEW = 40
"""The number of samples for libraries that run a circuit for each pair."""


def seconds(function: Callable[[], Any], repeats: int) -> float:
    """Returns the shortest time of several calls."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        found.append(time.perf_counter() - start)
    return min(found)


def peak_bytes() -> int:
    """Returns the peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def ours(n_samples: int, n_qubits: int, dtype: str, repeats: int) -> dict[str, Any]:
    """Times our kernel."""
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
        "library": "qkeras_hybrid",
        "n_samples": n_samples,
        "n_qubits": n_qubits,
        "dtype": dtype,
        "seconds": whole,
        "numpy_product_seconds": product,
        "bytes_above_the_result": max(above, 0),
    }


def theirs(name: str, python: str) -> dict[str, Any]:
    """Times another library, and compares its matrix with ours."""
    from qkeras_hybrid.kernels import FidelityKernel

    n_samples, n_qubits, _ = SIZES[0]
    a_pair_each = name == "pennylane"
    count = FEW if a_pair_each else n_samples
    script = Path(__file__).with_name("peers.py")
    done = subprocess.run(
        [python, str(script), name, str(count), str(n_qubits), "1"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    x = np.random.default_rng(0).uniform(0, 1, (count, n_qubits))
    shown = np.array(found["matrix"])
    expected = FidelityKernel("zz", n_qubits).matrix(x)[: len(shown), : len(shown)]
    np.testing.assert_allclose(shown, expected, atol=1e-9)
    pairs = n_samples * (n_samples - 1) / (count * (count - 1))
    return {
        "library": name,
        "n_samples": n_samples,
        "n_qubits": n_qubits,
        "dtype": "float64",
        "seconds": found["seconds"] * (pairs if a_pair_each else 1),
        "timed_samples": count,
        "versions": found["versions"],
    }


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--small", action="store_true", help="only 1,000 samples at 8 qubits")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--output", type=Path, help="a JSON file for all results")
    given = parser.parse_args()
    from qkeras_hybrid.bench.environment import machine, versions
    from qkeras_hybrid.engines.native import library

    rows = []
    for n_samples, n_qubits, repeats in SIZES[:1] if given.small else SIZES:
        for dtype in ("float32", "float64"):
            rows.append(ours(n_samples, n_qubits, dtype, repeats))
            print(json.dumps(rows[-1]), flush=True)
    for peer in given.peer:
        rows.append(theirs(*peer.split("=", 1)))
        print(json.dumps(rows[-1]), flush=True)
    if given.output is not None:
        document = {
            "machine": {**machine(), "instruction_set": library.instruction_set()},
            "versions": versions(),
            "rows": rows,
        }
        given.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
