"""Times one gradient of UCCSD in PennyLane. The script needs PennyLane, but not this package.

    python peers.py uccsd --electrons 4 --repeats 5

It reads the Hamiltonian as JSON from standard input: `qubits`; `terms`, as pairs of a coefficient
and a word such as "IIXZ..." with a letter for each qubit; and `weights`, first those of the single
excitations, then those of the double ones. A step computes the energy and its gradient by
`lightning.qubit`'s adjoint method, in complex128. Each call builds the circuit, as in a training.
There are two ways:

- `uccsd`: `qml.UCCSD`, which computes the same as this package's UCCSD.
- `givens`: `qml.AllSinglesDoubles`, another ansatz with as many weights, whose gates rotate between
  two basis states of two or four qubits.

It prints a line of JSON: `way`, `versions`, `first_s`, `times_s`, `value`, `gradient`; or `error`.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import sys
import time
from typing import Any

import numpy as np

WAYS = ("uccsd", "givens")


def step_of(way: str, given: dict[str, Any], electrons: int) -> Any:
    """Returns a function that computes the energy and its gradient."""
    qml, anp = importlib.import_module("pennylane"), importlib.import_module("pennylane.numpy")
    n = given["qubits"]
    coefficients = [coefficient for coefficient, _ in given["terms"]]
    words = [qml.pauli.string_to_pauli_word(word) for _, word in given["terms"]]
    hamiltonian = qml.Hamiltonian(coefficients, words)
    singles, doubles = qml.qchem.excitations(electrons, n)
    single_wires, double_wires = qml.qchem.excitations_to_wires(singles, doubles)
    start = qml.qchem.hf_state(electrons, n)

    @qml.qnode(qml.device("lightning.qubit", wires=n), diff_method="adjoint")
    def energy(weights: Any) -> Any:
        if way == "uccsd":
            qml.UCCSD(weights, range(n), single_wires, double_wires, start)
        else:
            qml.AllSinglesDoubles(weights, range(n), start, singles, doubles)
        return qml.expval(hamiltonian)

    weights = anp.array(given["weights"], requires_grad=True)
    slope = qml.grad(energy)

    def step() -> tuple[float, np.ndarray]:
        gradient = np.asarray(slope(weights))
        return float(slope.forward), gradient

    return step


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--electrons", type=int, required=True)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    line: dict[str, Any] = {"way": given.way}
    try:
        step = step_of(given.way, json.load(sys.stdin), given.electrons)
        start = time.perf_counter()
        value, gradient = step()
        line["first_s"] = time.perf_counter() - start
        times = []
        for _ in range(given.repeats):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        names = ("pennylane", "pennylane-lightning")
        line["versions"] = {name: importlib.metadata.version(name) for name in names}
        line |= {"times_s": times, "value": value, "gradient": gradient.tolist()}
    except Exception as error:
        line["error"] = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
