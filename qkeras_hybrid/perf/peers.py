"""Times a training step of the standard workload in another library.

This script does not need this package, so it runs in an environment that has only that library:

    python peers.py pennylane-jax --config 8,3,64

The circuit of the workload has `rx(x_i)` on qubit i, then layers of `ry, rz` on every qubit and
`CZ` on the ring of neighbours. Its results are `<Z_i>` of every qubit. A step computes the loss,
which is the sum over batch and qubits of `<Z_i>**2`, and its gradients with respect to inputs
`(batch, n)` and weights `(2 * n * layers,)`. Inputs, then weights, are float32, drawn uniformly
from 0 to 3 with seed 0. The order of weights is layer by layer, qubit by qubit, `ry` before `rz`.

It prints a line of JSON for each configuration: `peer`, `n`, `L`, `B`, `jitted`, `versions`,
`first_s` (the first call, with any compilation), `median_s`, `min_s`, `max_s`, `times_s`, `loss`
and `grad_w_sum`; or `peer`, `n`, `L`, `B` and `error`.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Step = Callable[[], tuple[Any, Any]]
"""Runs a training step and returns the loss and the gradient with respect to the weights."""


def draw(n: int, layers: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws inputs and weights, in radians."""
    rng = np.random.default_rng(0)
    inputs = rng.uniform(0, 3, (batch, n)).astype(np.float32)
    return inputs, rng.uniform(0, 3, 2 * n * layers).astype(np.float32)


def _library(name: str) -> Any:
    """Imports a library that only its own environment has."""
    return importlib.import_module(name)


def _jitted(loss: Callable[[Any, Any], Any], inputs: np.ndarray, weights: np.ndarray) -> Step:
    """Returns a compiled step for a loss that JAX can trace."""
    jax = _library("jax")
    compiled = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    arguments = jax.device_put(inputs), jax.device_put(weights)

    def step() -> tuple[Any, Any]:
        value, (_, by_weights) = jax.block_until_ready(compiled(*arguments))
        return value, by_weights

    return step


def tensorcircuit_step(n: int, layers: int, batch: int) -> Step:
    """TensorCircuit on JAX: the circuit of one sample, mapped over the batch and compiled."""
    jax, jnp, tensorcircuit = map(_library, ("jax", "jax.numpy", "tensorcircuit"))

    tensorcircuit.set_backend("jax")

    def expectations(inputs: Any, weights: Any) -> Any:
        circuit = tensorcircuit.Circuit(n)
        angles = weights.reshape(layers, n, 2)
        for q in range(n):
            circuit.rx(q, theta=inputs[q])
        for layer in range(layers):
            for q in range(n):
                circuit.ry(q, theta=angles[layer, q, 0])
                circuit.rz(q, theta=angles[layer, q, 1])
            for q in range(n):
                circuit.cz(q, (q + 1) % n)
        return jnp.stack([circuit.expectation_ps(z=[q]).real for q in range(n)])

    def loss(inputs: Any, weights: Any) -> Any:
        return (jax.vmap(expectations, in_axes=(0, None))(inputs, weights) ** 2).sum()

    return _jitted(loss, *draw(n, layers, batch))


def _pennylane_node(device: str, n: int, layers: int, **options: Any) -> Callable[..., Any]:
    pennylane = _library("pennylane")

    @pennylane.qnode(pennylane.device(device, wires=n), **options)  # type: ignore[untyped-decorator]
    def node(inputs: Any, weights: Any) -> Any:
        remaining = iter(range(2 * n * layers))
        for q in range(n):
            pennylane.RX(inputs[:, q], wires=q)
        for _ in range(layers):
            for q in range(n):
                pennylane.RY(weights[next(remaining)], wires=q)
                pennylane.RZ(weights[next(remaining)], wires=q)
            for q in range(n):
                pennylane.CZ(wires=(q, (q + 1) % n))
        return [pennylane.expval(pennylane.Z(q)) for q in range(n)]

    return node  # type: ignore[no-any-return]


def pennylane_jax_step(n: int, layers: int, batch: int) -> Step:
    """PennyLane's default.qubit on JAX: the whole batch at once, by backpropagation, compiled."""
    jnp = _library("jax.numpy")
    node = _pennylane_node("default.qubit", n, layers, interface="jax", diff_method="backprop")

    def loss(inputs: Any, weights: Any) -> Any:
        return (jnp.stack(node(inputs, weights)) ** 2).sum()

    return _jitted(loss, *draw(n, layers, batch))


def pennylane_lightning_step(n: int, layers: int, batch: int) -> Step:
    """PennyLane's lightning.qubit, written in C++, with its adjoint gradient; not compiled."""
    autograd, anp, pennylane = map(_library, ("autograd", "autograd.numpy", "pennylane"))
    node = _pennylane_node(
        "lightning.qubit", n, layers, interface="autograd", diff_method="adjoint"
    )
    inputs, weights = (
        pennylane.numpy.array(array, requires_grad=True) for array in draw(n, layers, batch)
    )

    def loss(both: Any) -> Any:
        return anp.sum(anp.stack(node(*both)) ** 2)

    differentiated = autograd.value_and_grad(loss)

    def step() -> tuple[Any, Any]:
        value, (_, by_weights) = differentiated((inputs, weights))
        return value, by_weights

    return step


# By name: the function that returns the step, whether it is compiled, and its distributions.
PEERS: dict[str, tuple[Callable[[int, int, int], Step], bool, tuple[str, ...]]] = {
    "tensorcircuit": (tensorcircuit_step, True, ("tensorcircuit-ng", "tensorcircuit", "jax")),
    "pennylane-jax": (pennylane_jax_step, True, ("pennylane", "jax")),
    "pennylane-lightning": (
        pennylane_lightning_step,
        False,
        ("pennylane", "pennylane-lightning"),
    ),
}


def measure(peer: str, config: tuple[int, int, int], seconds: float) -> dict[str, Any]:
    """Times a peer on a configuration.

    Args:
        peer: A name in `PEERS`.
        config: The numbers of qubits, layers and samples.
        seconds: How long to repeat the step; it runs at least three times.
    """
    make, jitted, distributions = PEERS[peer]
    n, layers, batch = config
    line: dict[str, Any] = {"peer": peer, "n": n, "L": layers, "B": batch}
    try:
        step = make(n, layers, batch)
        start = time.perf_counter()
        loss, by_weights = step()
        first = time.perf_counter() - start
        step()
        times: list[float] = []
        while len(times) < 3 or (sum(times) < seconds and len(times) < 1000):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
    except Exception as error:
        said = " ".join(str(error).split())
        return {**line, "error": f"{type(error).__name__}: {said}"[:300]}
    versions = {}
    for name in distributions:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        **line,
        "jitted": jitted,
        "versions": versions,
        "first_s": first,
        "median_s": statistics.median(times),
        "min_s": min(times),
        "max_s": max(times),
        "times_s": times,
        "loss": float(loss),
        "grad_w_sum": float(np.sum(np.asarray(by_weights))),
    }


def _config(text: str) -> tuple[int, int, int]:
    n, layers, batch = (int(part) for part in text.split(","))
    return n, layers, batch


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--config", type=_config, action="append", required=True, help="n,L,B")
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="for the repetitions of each step"
    )
    arguments = parser.parse_args()
    # The engines run on the CPU, and so do their peers.
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    for config in arguments.config:
        print(json.dumps(measure(arguments.peer, config, arguments.seconds)), flush=True)


if __name__ == "__main__":
    main()
