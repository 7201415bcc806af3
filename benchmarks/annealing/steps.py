"""Times spin updates and a training step of an Ising layer, compared with D-Wave's packages.

    python benchmarks/annealing/steps.py                               # only spin updates
    python benchmarks/annealing/steps.py --peer ENV/bin/python         # and the layer
    python benchmarks/annealing/steps.py --peer ENV/bin/python --output steps.json

The problem has 64 spins of a Zephyr graph (`zephyr64.json` has its edges) and 32 samples. Spin
updates are timed with dwave-samplers' `SimulatedAnnealingSampler`, which this package needs anyway,
and with the native annealer: the same models, temperatures, sweeps and reads. The peer is an
environment with dwave-pytorch-plugin. A step of its `Ising` layer with the same sampler computes
the gradient of fields and couplings, as a step of `IsingLayer` does under Keras's backend. All are
timed in turns in one run, and medians are compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parent
BATCH, SPINS, READS = 32, 64, 100
SWEEPS = (100, 1000)
HOT, COLD = 0.1, 1.0


def problem() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the edges, the fields of each sample, and the couplings."""
    edges = np.array(json.loads((FOLDER / "zephyr64.json").read_text(encoding="utf-8")))
    rng = np.random.default_rng(0)
    return edges, rng.normal(0, 0.3, (BATCH, SPINS)), rng.normal(0, 0.3, len(edges))


def in_turns(functions: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Returns the median seconds of each function, called in turns."""
    found: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(rounds + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if turn:  # the first one warms up
                found[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in found.items()}


def updates(sweeps: int, rounds: int) -> dict[str, Any]:
    """Compares spin updates per second."""
    from dwave.samplers import SimulatedAnnealingSampler

    from qkeras_hybrid.annealing import Batch, SimulatedAnnealing

    edges, fields, couplings = problem()
    batch = Batch(edges, fields, couplings)
    native = SimulatedAnnealing(sweeps, hot=HOT, cold=COLD)
    models = [batch.model(k).to_dimod() for k in range(BATCH)]
    sampler = SimulatedAnnealingSampler()

    def theirs() -> None:
        for model in models:
            sampler.sample(model, num_reads=READS, num_sweeps=sweeps, beta_range=[HOT, COLD])

    timed = in_turns({"native": lambda: native.sample(batch, READS), "dwave": theirs}, rounds)
    count = BATCH * READS * SPINS * sweeps
    return {
        "what": "spin updates",
        "sweeps": sweeps,
        "native_per_second": count / timed["native"],
        "dwave_samplers_per_second": count / timed["dwave"],
        "ratio": timed["dwave"] / timed["native"],
    }


def layer_step(sweeps: int, rounds: int, peer: str) -> dict[str, Any]:
    """Compares a training step of the layer with one of D-Wave's plugin."""
    import keras

    from qkeras_hybrid import IsingLayer

    edges, fields, couplings = problem()
    # The peer's temperatures do not stay at the last one either, so this annealer is used.
    annealer = falling(sweeps)
    layer = IsingLayer(graph=edges.tolist(), annealer=annealer, reads=READS, use_bias=True)
    model = keras.Sequential([keras.Input((SPINS,)), layer])
    layer.couplings.assign(couplings)
    model.compile(keras.optimizers.SGD(0.0), "mse")
    x, y = fields.astype("float32"), np.zeros((BATCH, SPINS), "float32")
    command = [peer, str(FOLDER / "peers.py"), str(sweeps), str(READS), str(HOT), str(COLD)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        given = {"edges": edges.tolist(), "fields": x.tolist(), "couplings": couplings.tolist()}
        process.stdin.write(json.dumps(given) + "\n")
        process.stdin.flush()
        known = json.loads(process.stdout.readline())

        def theirs() -> None:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write("step\n")
            process.stdin.flush()
            process.stdout.readline()

        timed = in_turns({"ours": lambda: model.train_on_batch(x, y), "theirs": theirs}, rounds)
        process.stdin.close()
    return {
        "what": "training step of the layer",
        "backend": keras.backend.backend(),
        "sweeps": sweeps,
        "seconds": timed["ours"],
        "peer_seconds": timed["theirs"],
        "ratio": timed["theirs"] / timed["ours"],
        "peer_versions": known["versions"],
    }


def falling(sweeps: int) -> Any:
    """Returns an annealer whose temperature falls until the end; it ignores a layer's `beta`."""
    from qkeras_hybrid.annealing import SimulatedAnnealing

    class Falling(SimulatedAnnealing):
        def at(self, beta: float) -> Any:
            return self

    return Falling(sweeps, hot=HOT, cold=COLD)


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peer", help="a Python that has dwave-pytorch-plugin")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", type=Path, help="a JSON file for all results")
    given = parser.parse_args()
    from qkeras_hybrid.bench.environment import machine, versions
    from qkeras_hybrid.engines.native import library

    rows = []
    for sweeps in SWEEPS:
        rows.append(updates(sweeps, given.rounds))
        print(json.dumps(rows[-1]), flush=True)
        if given.peer:
            rows.append(layer_step(sweeps, given.rounds, given.peer))
            print(json.dumps(rows[-1]), flush=True)
    if given.output is not None:
        import importlib.metadata

        known = {name: importlib.metadata.version(name) for name in ("dimod", "dwave-samplers")}
        document = {
            "machine": {**machine(), "instruction_set": library.instruction_set()},
            "versions": {**versions(), **known},
            "batch": BATCH,
            "spins": SPINS,
            "reads": READS,
            "rows": rows,
        }
        given.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
