"""Times kernel matrices of another library in its own environment; `speed.py` calls this script.

    python peers.py NAME N_SAMPLES N_QUBITS REPEATS

NAME is "qiskit" (Qiskit Machine Learning's FidelityStatevectorKernel), "squlearn" (FidelityKernel
on Qulacs) or "pennylane" (its kernel module on lightning.qubit). All of them compute the ZZ feature
map of two layers. The script prints a line of JSON: the seconds, the first entries of the matrix,
and the versions. It does not need this package.
"""

from __future__ import annotations

import importlib.metadata
import itertools
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

SHOWN = 6
"""How many rows and columns of the matrix are printed, for `speed.py` to compare."""


def qiskit(n_qubits: int) -> Callable[[Any], Any]:
    """Returns Qiskit Machine Learning's kernel of state vectors, each prepared once."""
    from qiskit.circuit.library import zz_feature_map
    from qiskit_machine_learning.kernels import FidelityStatevectorKernel

    kernel = FidelityStatevectorKernel(feature_map=zz_feature_map(n_qubits, reps=2))
    return lambda x: kernel.evaluate(x)


def squlearn(n_qubits: int) -> Callable[[Any], Any]:
    """Returns sQUlearn's fidelity kernel, on Qulacs."""
    from qiskit.circuit.library import zz_feature_map
    from squlearn import Executor
    from squlearn.encoding_circuit import QiskitEncodingCircuit
    from squlearn.kernel import FidelityKernel

    circuit = QiskitEncodingCircuit(zz_feature_map(n_qubits, reps=2))
    kernel = FidelityKernel(circuit, Executor("qulacs"))
    return lambda x: kernel.evaluate(x)


def pennylane(n_qubits: int) -> Callable[[Any], Any]:
    """Returns PennyLane's kernel matrix: a circuit for each pair."""
    import pennylane as qml

    device = qml.device("lightning.qubit", wires=n_qubits)
    pairs = list(itertools.combinations(range(n_qubits), 2))

    def feature_map(x: Any) -> None:
        for _ in range(2):
            for i in range(n_qubits):
                qml.Hadamard(i)
                qml.PhaseShift(2 * x[i], i)
            for i, j in pairs:
                qml.CNOT([i, j])
                qml.PhaseShift(2 * (np.pi - x[i]) * (np.pi - x[j]), j)
                qml.CNOT([i, j])

    @qml.qnode(device, diff_method=None)
    def circuit(a: Any, b: Any) -> Any:
        feature_map(a)
        qml.adjoint(feature_map)(b)
        return qml.probs(wires=range(n_qubits))

    return lambda x: qml.kernels.square_kernel_matrix(
        x, lambda a, b: circuit(a, b)[0], assume_normalized_kernel=True
    )


PEERS = {"qiskit": qiskit, "squlearn": squlearn, "pennylane": pennylane}
PACKAGES = (
    *("numpy", "qiskit", "qiskit-machine-learning", "squlearn", "qulacs"),
    *("pennylane", "pennylane-lightning"),
)


def versions() -> dict[str, str]:
    """Returns the versions of the installed libraries."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def main(name: str, n_samples: int, n_qubits: int, repeats: int) -> None:
    """Times a library."""
    x = np.random.default_rng(0).uniform(0, 1, (n_samples, n_qubits))
    matrix = PEERS[name](n_qubits)
    matrix(x[:4])  # compilation and the like, which is not timed
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        found = np.asarray(matrix(x))
        seconds.append(time.perf_counter() - start)
    shown = found[:SHOWN, :SHOWN].tolist()
    print(json.dumps({"seconds": min(seconds), "matrix": shown, "versions": versions()}))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
