"""Times noisy circuits: this package's engines and other libraries, in one run.

    python benchmarks/noise/steps.py --output benchmarks/noise/steps.json \
        --peers pennylane=venv-pl/bin/python --peers tensorcircuit=venv-tc/bin/python

The circuit of the workload has `rx(x_i)` on qubit i, then layers of `ry, rz` on every qubit, `CZ`
on the ring of neighbours, and depolarizing noise on every qubit. Its results are `<Z_i>` of every
qubit. `forward` computes these values, and a `step` computes the gradient of the sum of their
squares with respect to inputs and weights. Inputs `(batch, n)`, then weights `(2 * n * layers,)`,
are float32, drawn uniformly from 0 to 3 with seed 0.

`cirq.depolarize(p)` applies a random X, Y or Z with probability p. Contenders that draw
trajectories draw 100 for each sample. TensorFlow Quantum is timed if it is installed in this
package's environment; each peer runs this file in an environment of its own. Each row states how
much its values differ from the exact ones.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TRAJECTORIES = 100
Calls = dict[str, Callable[[], Any]]
"""`forward` and, if there is a gradient, `step`; both wait for their result."""


def draw(n: int, layers: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws inputs and weights, in radians."""
    rng = np.random.default_rng(0)
    inputs = rng.uniform(0, 3, (batch, n)).astype(np.float32)
    return inputs, rng.uniform(0, 3, 2 * n * layers).astype(np.float32)


def _library(name: str) -> Any:
    return importlib.import_module(name)


def _cirq_circuit(n: int, layers: int, p: float) -> tuple[Any, list[Any], list[str], list[str]]:
    cirq, sympy = _library("cirq"), _library("sympy")
    qubits = cirq.GridQubit.rect(1, n)
    xs = [f"x{i}" for i in range(n)]
    ws = [f"w{k}" for k in range(2 * n * layers)]
    circuit = cirq.Circuit(cirq.rx(sympy.Symbol(x))(q) for x, q in zip(xs, qubits, strict=True))
    names = iter(ws)
    for _ in range(layers):
        for qubit in qubits:
            circuit += [cirq.ry(sympy.Symbol(next(names)))(qubit)]
            circuit += [cirq.rz(sympy.Symbol(next(names)))(qubit)]
        circuit += [cirq.CZ(qubits[i], qubits[(i + 1) % n]) for i in range(n)]
        circuit += [cirq.depolarize(p)(qubit) for qubit in qubits]
    return circuit, qubits, xs, ws


def _own(engine: Callable[[], Any]) -> Callable[[int, int, int, float], Calls]:
    def make(n: int, layers: int, batch: int, p: float) -> Calls:
        tf, engines = _library("tensorflow"), _library("qkeras_hybrid.engines")
        compile_circuit = _library("qkeras_hybrid.program").compile_circuit
        circuit, _, xs, ws = _cirq_circuit(n, layers, p)
        job = compile_circuit(circuit, "Z", inputs=xs, weights=ws).job()
        run = engines.prepare(job, engine())
        inputs, weights = map(tf.constant, draw(n, layers, batch))

        @tf.function
        def forward() -> Any:
            return run(inputs, weights)

        @tf.function
        def step() -> Any:
            with tf.GradientTape() as tape:
                tape.watch([inputs, weights])
                loss = tf.reduce_sum(run(inputs, weights) ** 2)
            return tape.gradient(loss, [inputs, weights])

        return {
            "forward": lambda: forward().numpy(),
            "step": lambda: [tensor.numpy() for tensor in step()],
        }

    return make


def _tfq(n: int, layers: int, batch: int, p: float) -> Calls:
    tf, tfq, cirq = map(_library, ("tensorflow", "tensorflow_quantum", "cirq"))
    circuit, qubits, xs, ws = _cirq_circuit(n, layers, p)
    read = tfq.layers.Expectation(
        backend="noisy", differentiator=tfq.differentiators.ParameterShift()
    )
    circuits = tf.tile(tfq.convert_to_tensor([circuit]), [batch])
    operators = [cirq.Z(qubit) for qubit in qubits]
    inputs, weights = map(tf.constant, draw(n, layers, batch))

    def values(x: Any, w: Any) -> Any:
        return read(
            circuits,
            symbol_names=[*xs, *ws],
            symbol_values=tf.concat([x, tf.tile(w[None], [batch, 1])], 1),
            operators=operators,
            repetitions=TRAJECTORIES,
        )

    @tf.function
    def forward() -> Any:
        return values(inputs, weights)

    @tf.function
    def step() -> Any:
        with tf.GradientTape() as tape:
            tape.watch([inputs, weights])
            loss = tf.reduce_sum(values(inputs, weights) ** 2)
        return tape.gradient(loss, [inputs, weights])

    return {
        "forward": lambda: forward().numpy(),
        "step": lambda: [tensor.numpy() for tensor in step()],
    }


def _jax_calls(values: Callable[..., Any], n: int, layers: int, batch: int) -> Calls:
    """Compiles a function of inputs, weights and, if it needs them, random numbers."""
    jax, jnp = _library("jax"), _library("jax.numpy")
    inputs, weights = map(jnp.asarray, draw(n, layers, batch))
    forward = jax.jit(values)
    step = jax.jit(jax.grad(lambda x, w: jnp.sum(values(x, w) ** 2), argnums=(0, 1)))
    return {
        "forward": lambda: np.asarray(jax.block_until_ready(forward(inputs, weights))),
        "step": lambda: jax.block_until_ready(step(inputs, weights)),
    }


def _pennylane(n: int, layers: int, batch: int, p: float) -> Calls:
    jax, jnp, qml = map(_library, ("jax", "jax.numpy", "pennylane"))

    @qml.qnode(qml.device("default.mixed", wires=n), interface="jax", diff_method="backprop")
    def node(x: Any, w: Any) -> Any:
        remaining = iter(range(2 * n * layers))
        for q in range(n):
            qml.RX(x[q], wires=q)
        for _ in range(layers):
            for q in range(n):
                qml.RY(w[next(remaining)], wires=q)
                qml.RZ(w[next(remaining)], wires=q)
            for q in range(n):
                qml.CZ(wires=(q, (q + 1) % n))
            for q in range(n):
                qml.DepolarizingChannel(p, wires=q)
        return [qml.expval(qml.Z(q)) for q in range(n)]

    def values(x: Any, w: Any) -> Any:
        return jax.vmap(lambda row: jnp.stack(node(row, w)))(x)

    return _jax_calls(values, n, layers, batch)


def _tensorcircuit(trajectories: int | None) -> Callable[[int, int, int, float], Calls]:
    def make(n: int, layers: int, batch: int, p: float) -> Calls:
        jax, jnp, tc = map(_library, ("jax", "jax.numpy", "tensorcircuit"))
        tc.set_backend("jax")

        def read(x: Any, w: Any, coins: Any) -> Any:
            circuit = tc.DMCircuit(n) if trajectories is None else tc.Circuit(n)
            remaining = iter(range(2 * n * layers))
            for q in range(n):
                circuit.rx(q, theta=x[q])
            for layer in range(layers):
                for q in range(n):
                    circuit.ry(q, theta=w[next(remaining)])
                    circuit.rz(q, theta=w[next(remaining)])
                for q in range(n):
                    circuit.cz(q, (q + 1) % n)
                for q in range(n):
                    chances = {"px": p / 3, "py": p / 3, "pz": p / 3}
                    if trajectories is not None:
                        chances["status"] = coins[layer, q]
                    circuit.depolarizing(q, **chances)
            z = [jnp.real(circuit.expectation((tc.gates.z(), [q]))) for q in range(n)]
            return jnp.stack(z)

        def values(x: Any, w: Any) -> Any:
            if trajectories is None:
                return jax.vmap(lambda row: read(row, w, None))(x)
            coins = jax.random.uniform(jax.random.PRNGKey(0), (batch, trajectories, layers, n))
            each = jax.vmap(jax.vmap(read, (None, None, 0)), (0, None, 0))
            return each(x, w, coins).mean(axis=1)

        return _jax_calls(values, n, layers, batch)

    return make


def _qsim(n: int, layers: int, batch: int, p: float) -> Calls:
    cirq, qsimcirq = map(_library, ("cirq", "qsimcirq"))
    circuit, qubits, xs, ws = _cirq_circuit(n, layers, p)
    inputs, weights = draw(n, layers, batch)
    points = [dict(zip([*xs, *ws], map(float, (*row, *weights)), strict=True)) for row in inputs]
    options = qsimcirq.QSimOptions(ev_noisy_repetitions=TRAJECTORIES, cpu_threads=os.cpu_count())
    simulator = qsimcirq.QSimSimulator(options)
    observables = [cirq.PauliSum.from_pauli_strings(cirq.PauliString(cirq.Z(q))) for q in qubits]

    def forward() -> Any:
        found = simulator.simulate_expectation_values_sweep(circuit, observables, points)
        return np.real(np.array(found))

    return {"forward": forward}


OWN: dict[str, Callable[[int, int, int, float], Calls]] = {
    "density": _own(lambda: _library("qkeras_hybrid.engines").DensityEngine()),
    "trajectories": _own(
        lambda: _library("qkeras_hybrid.engines").TrajectoriesEngine(TRAJECTORIES)
    ),
    "trajectories-not-shared": _own(
        lambda: _library("qkeras_hybrid.engines").TrajectoriesEngine(TRAJECTORIES, share=False)
    ),
    "tfq": _tfq,
}
PEERS: dict[str, Callable[[int, int, int, float], Calls]] = {
    "pennylane": _pennylane,
    "tensorcircuit": _tensorcircuit(None),
    "tensorcircuit-trajectories": _tensorcircuit(TRAJECTORIES),
    "qsimcirq": _qsim,
}
DISTRIBUTIONS = (
    *("qkeras-hybrid", "tensorflow", "tensorflow-quantum", "pennylane", "tensorcircuit-ng"),
    *("jax", "qsimcirq", "cirq-core"),
)


def timed(
    make: Callable[[int, int, int, float], Calls], config: Any, seconds: float
) -> dict[str, Any]:
    """Times the calls that `make` returns; a failure gives a row with an error."""
    n, layers, batch, p = config
    row: dict[str, Any] = {}
    try:
        for name, call in make(n, layers, batch, p).items():
            start = time.perf_counter()
            found = call()
            times = []
            first = time.perf_counter() - start
            while len(times) < 3 or (sum(times) < seconds and len(times) < 300):
                start = time.perf_counter()
                call()
                times.append(time.perf_counter() - start)
                if times[-1] > seconds:
                    break
            row[name] = {
                "first_s": first,
                "median_s": statistics.median(times),
                "min_s": min(times),
                "times_s": times,
            }
            if name == "forward":
                row["values"] = np.asarray(found).tolist()
    except Exception as error:
        row["error"] = f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]
    return row


def versions() -> dict[str, str]:
    """Returns the versions of the contenders that are installed here."""
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def peer_row(name: str, python: str, config: Any, seconds: float, most: float) -> dict[str, Any]:
    """Times a peer in an environment of its own."""
    command = [python, "-I", __file__, "--peer", name, "--seconds", str(seconds)]
    command += ["--config", ",".join(map(str, config))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=most, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"it took more than {most:g} s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"peer"')]
    if not lines:
        said = done.stderr.strip().splitlines() or ["it printed nothing"]
        return {"error": said[-1][:300]}
    row: dict[str, Any] = json.loads(lines[-1])
    return row


def _config(text: str) -> tuple[int, int, int, float]:
    n, layers, batch, p = text.split(",")
    return int(n), int(layers), int(batch), float(p)


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--config", type=_config, default=(8, 3, 32, 0.01), help="n,L,batch,p")
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="for the repetitions of each call"
    )
    parser.add_argument(
        "--most", type=float, default=600.0, help="time limit of a peer, in seconds"
    )
    parser.add_argument("--peers", action="append", default=[], help="NAME=PYTHON")
    parser.add_argument(
        "--own", action="append", choices=OWN, help="only these engines of this package"
    )
    parser.add_argument("--output", type=Path)
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    config, seconds = arguments.config, arguments.seconds
    if arguments.peer:
        row = timed(PEERS[arguments.peer], config, seconds)
        print(json.dumps({"peer": arguments.peer, "versions": versions(), **row}), flush=True)
        return
    rows = {}
    for name in arguments.own or OWN:
        rows[name] = {"versions": versions(), **timed(OWN[name], config, seconds)}
        _print(name, rows)
    for text in arguments.peers:
        name, _, python = text.partition("=")
        rows[name] = peer_row(name, python, config, seconds, arguments.most)
        _print(name, rows)
    exact = rows.get("density", {}).get("values")
    for row in rows.values():
        values = row.pop("values", None)
        if exact is not None and values is not None:
            row["largest_difference"] = float(np.abs(np.array(values) - np.array(exact)).max())
    if arguments.output:
        library = _library("qkeras_hybrid.engines.native.library")
        machine = {
            "cpu_count": os.cpu_count(),
            "machine": platform.machine(),
            "python": platform.python_version(),
            "instruction_set": library.instruction_set(),
        }
        content = {"config": config, "machine": machine, "rows": rows}
        arguments.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _print(name: str, rows: dict[str, Any]) -> None:
    row = rows[name]
    parts = [name]
    for call in ("forward", "step"):
        if call in row:
            own = rows.get("density", {}).get(call, {}).get("median_s")
            ratio = "" if own is None else f" ({row[call]['median_s'] / own:.3g} x density)"
            parts.append(f"{call} {1e3 * row[call]['median_s']:.3g} ms{ratio}")
    if "error" in row:
        parts.append(row["error"])
    print("  ".join(parts), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
