"""A training step of dwave-pytorch-plugin's Ising layer, for `steps.py`.

It reads the problem as a line of JSON, prints its versions, and runs a step for each further line.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys

import torch
from dwave.plugins.torch.nn.modules.ising.ising import Ising
from dwave.samplers import SimulatedAnnealingSampler

PACKAGES = ("dwave-pytorch-plugin", "dwave-samplers", "dimod", "torch")


def main() -> None:
    """Serves `steps.py`."""
    sweeps, reads, hot, cold = sys.argv[1:]
    given = json.loads(sys.stdin.readline())
    edges = [tuple(edge) for edge in given["edges"]]
    fields = torch.tensor(given["fields"])
    options = {
        "num_reads": int(reads),
        "num_sweeps": int(sweeps),
        "beta_range": [float(hot), float(cold)],
    }
    layer = Ising(range(fields.shape[1]), edges, SimulatedAnnealingSampler(), options, 1.0)
    biases = torch.nn.Parameter(torch.zeros(fields.shape[1]))
    couplings = torch.nn.Parameter(torch.tensor(given["couplings"]))
    optimizer = torch.optim.SGD([biases, couplings], 0.0)
    print(json.dumps({"versions": {p: importlib.metadata.version(p) for p in PACKAGES}}))
    sys.stdout.flush()
    for _ in sys.stdin:
        optimizer.zero_grad()
        # `layer` returns the mean of each spin.
        means = layer(fields + biases, couplings.expand(len(fields), -1))
        loss = (means**2).mean()
        loss.backward()
        optimizer.step()
        print("done", flush=True)


if __name__ == "__main__":
    main()
