"""Times one gradient of QAOA in another library. The script does not need this package.

    python peers.py pennylane --qubits 16 --layers 8

The workload is MaxCut on a 3-regular graph, whose edges the script reads as JSON from standard
input, with angles `gamma_l = 0.2 + 0.05 l` and `beta_l = -0.6 + 0.05 l`, in float32. A step
computes the expectation value of half the sum of `Z_i Z_j` over the edges, and its gradient with
respect to all angles. It is compiled by JAX. Each library runs in two ways, of which the faster one
counts: `gates` applies a gate for each edge and qubit, as its users write it; `diagonal` multiplies
by the phases of all states at once.

It prints a line of JSON: `peer`, `way`, `versions`, `first_s`, `times_s`, `value`, `gradient`; or
`error`.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

WAYS = ("gates", "diagonal")


def angles(layers: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns gammas and betas, in radians, float32."""
    steps = np.arange(layers)
    return (0.2 + 0.05 * steps).astype("float32"), (-0.6 + 0.05 * steps).astype("float32")


def costs(n: int, edges: list[list[int]]) -> np.ndarray:
    """Returns half the sum of the products of spins over the edges, for each basis state."""
    spins = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)[::-1]) & 1)
    return np.asarray(sum(0.5 * spins[:, a] * spins[:, b] for a, b in edges), "float32")


def pennylane(n: int, edges: list[list[int]], way: str) -> Callable[[Any, Any], Any]:
    """PennyLane's default.qubit by backpropagation."""
    qml, jnp = importlib.import_module("pennylane"), importlib.import_module("jax.numpy")
    diagonal = jnp.asarray(costs(n, edges))
    hamiltonian = qml.Hamiltonian([0.5] * len(edges), [qml.Z(a) @ qml.Z(b) for a, b in edges])

    @qml.qnode(qml.device("default.qubit", wires=n), interface="jax", diff_method="backprop")
    def circuit(gammas: Any, betas: Any) -> Any:
        for q in range(n):
            qml.Hadamard(q)
        for gamma, beta in zip(gammas, betas, strict=True):
            if way == "gates":
                for a, b in edges:
                    qml.IsingZZ(gamma, wires=(a, b))
            else:
                qml.DiagonalQubitUnitary(jnp.exp(-1j * gamma * diagonal), wires=range(n))
            for q in range(n):
                qml.RX(2 * beta, wires=q)
        return qml.expval(hamiltonian) if way == "gates" else qml.probs(wires=range(n))

    def value(gammas: Any, betas: Any) -> Any:
        found = circuit(gammas, betas)
        return found if way == "gates" else jnp.sum(found * diagonal)

    return value


def tensorcircuit(n: int, edges: list[list[int]], way: str) -> Callable[[Any, Any], Any]:
    """TensorCircuit-NG on JAX, in its complex64."""
    tc, jnp = importlib.import_module("tensorcircuit"), importlib.import_module("jax.numpy")
    tc.set_backend("jax")
    diagonal = jnp.asarray(costs(n, edges))

    def value(gammas: Any, betas: Any) -> Any:
        circuit = tc.Circuit(n)
        for q in range(n):
            circuit.h(q)
        for gamma, beta in zip(gammas, betas, strict=True):
            if way == "gates":
                for a, b in edges:
                    circuit.rzz(a, b, theta=gamma)
            else:
                state = circuit.state() * jnp.exp(-1j * gamma * diagonal)
                circuit = tc.Circuit(n, inputs=state)
            for q in range(n):
                circuit.rx(q, theta=2 * beta)
        return jnp.sum(jnp.abs(circuit.state()) ** 2 * diagonal)

    return value


PEERS = {
    "pennylane": (pennylane, ("pennylane", "jax")),
    "tensorcircuit": (tensorcircuit, ("tensorcircuit-ng", "jax")),
}


def measure(peer: str, way: str, n: int, edges: list[list[int]], layers: int) -> Any:
    """Compiles a step; returns a function that runs it, and the time of its first run."""
    jax = importlib.import_module("jax")
    value = PEERS[peer][0](n, edges, way)
    compiled = jax.jit(jax.value_and_grad(value, argnums=(0, 1)))
    arguments = [jax.device_put(part) for part in angles(layers)]
    start = time.perf_counter()
    found, slopes = jax.block_until_ready(compiled(*arguments))
    first = time.perf_counter() - start
    return lambda: jax.block_until_ready(compiled(*arguments)), first, found, slopes


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--way", choices=WAYS, default="gates")
    parser.add_argument("--qubits", type=int, required=True)
    parser.add_argument("--layers", type=int, required=True)
    parser.add_argument("--repeats", type=int, default=10)
    given = parser.parse_args()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    line: dict[str, Any] = {"peer": given.peer, "way": given.way}
    try:
        step, first, value, slopes = measure(
            given.peer, given.way, given.qubits, json.load(sys.stdin), given.layers
        )
        times = []
        for _ in range(given.repeats):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        line["versions"] = {name: importlib.metadata.version(name) for name in PEERS[given.peer][1]}
        line |= {"first_s": first, "times_s": times, "value": float(value)}
        line["gradient"] = np.concatenate([np.asarray(part) for part in slopes]).tolist()
    except Exception as error:
        line["error"] = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
