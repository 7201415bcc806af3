"""Compares each engine with `cirq.Simulator` on random circuits of all kinds of gates.

    python benchmarks/exactness/exactness.py
    python benchmarks/exactness/exactness.py --output benchmarks/exactness/exactness.json

The script compares the values of four observables, and the derivatives of their sum by each symbol.
The reference is `cirq.Simulator` in complex128, with a seven-point rule for derivatives, whose
error is below 1e-9. Each circuit has 3 to 9 qubits, 30 operations, two inputs and two weights.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cirq
import keras
import numpy as np

ENGINES = (
    ("native", "float64"),
    ("native", "float32"),
    ("statevector", "float64"),
    ("statevector", "float32"),
    ("tfq", "float32"),
)
OPERATIONS, SMALLEST, LARGEST = 30, 3, 9


def circuit_of(seed: int) -> tuple[cirq.Circuit, list[cirq.PauliSum], np.ndarray]:
    """Returns a random circuit, its observables, and the values of its symbols a, b, c, d."""
    from qkeras_hybrid.testing.circuits import random_circuit

    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, int(rng.integers(SMALLEST, LARGEST + 1)), OPERATIONS)
    qubits = sorted(circuit.all_qubits())
    observables = [
        cirq.PauliSum.from_pauli_strings([cirq.PauliString(cirq.Z(qubits[0]))]),
        1.0 * cirq.X(qubits[1]) * cirq.Y(qubits[2]) + 0.0,
        1.0 * cirq.X(qubits[-1]) + 0.0,
        1.0 * cirq.Z(qubits[-1]) * cirq.Z(qubits[0]) + 0.0,
    ]
    # float32 represents these numbers exactly, so that all engines compute the same.
    return circuit, observables, rng.uniform(-2, 2, 4).astype("float32").astype(float)


def reference(
    circuit: cirq.Circuit, observables: list[cirq.PauliSum], values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the values, of shape `(4,)`, and the derivatives of their sum by a, b, c, d."""
    from qkeras_hybrid.testing.circuits import reference_expectation, reference_gradients

    qubits = sorted(circuit.all_qubits())
    named = dict(zip("abcd", values.tolist(), strict=True))
    gradients = reference_gradients(circuit, observables, named, qubits)
    return (
        reference_expectation(circuit, observables, named, qubits),
        np.array([gradients[name].sum() for name in "abcd"]),
    )


def computed(
    engine: str,
    dtype: str,
    circuit: cirq.Circuit,
    observables: list[cirq.PauliSum],
    values: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns an engine's results, in the shapes of `reference`."""
    from qkeras_hybrid import engines
    from qkeras_hybrid.program import compile_circuit
    from qkeras_hybrid.testing.numbers import value_and_gradients

    compiled = compile_circuit(circuit, observables, inputs=list("ab"), weights=list("cd"))
    run = engines.prepare(compiled.job(dtype), engines.get(engine))
    found, (inputs, weights) = value_and_gradients(
        run, values[None, :2].astype(dtype), values[2:].astype(dtype)
    )
    return np.asarray(found[0], float), np.concatenate([inputs[0], weights]).astype(float)


def main() -> None:
    """Compares the engines, and prints or writes the differences."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--circuits", type=int, default=500, help="number of random circuits")
    parser.add_argument("--output", type=Path, help="a JSON file for all results")
    given = parser.parse_args()
    from qkeras_hybrid.bench.environment import machine, versions
    from qkeras_hybrid.engines.native import library

    apart: dict[tuple[str, str], list[tuple[float, float]]] = {key: [] for key in ENGINES}
    for seed in range(given.circuits):
        circuit, observables, values = circuit_of(seed)
        wanted = reference(circuit, observables, values)
        for key, rows in apart.items():
            found = computed(*key, circuit, observables, values)
            difference = [np.abs(a - b).max() for a, b in zip(found, wanted, strict=True)]
            rows.append((float(difference[0]), float(difference[1])))
    rows: list[dict[str, Any]] = []
    for (engine, dtype), differences in apart.items():
        values, gradients = np.array(differences).T
        row: dict[str, Any] = {"engine": engine, "dtype": dtype}
        for what, found in (("values", values), ("gradients", gradients)):
            row |= {f"worst_{what}": found.max(), f"median_{what}": float(np.median(found))}
        rows.append(row)
        print(
            f"{engine:12s} {dtype}  values: worst {row['worst_values']:.1e}, median "
            f"{row['median_values']:.1e}  gradients: worst {row['worst_gradients']:.1e}, median "
            f"{row['median_gradients']:.1e}"
        )
    if given.output is not None:
        document = {
            "circuits": given.circuits,
            "qubits": [SMALLEST, LARGEST],
            "operations": OPERATIONS,
            "backend": keras.backend.backend(),
            "machine": {**machine(), "instruction_set": library.instruction_set()},
            "versions": versions(),
            "rows": rows,
        }
        given.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
