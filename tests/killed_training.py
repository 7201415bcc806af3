"""A process that forks a training at each line of its input, for tests that kill one.

Importing takes seconds, and a training that starts with it done is killed at more places. Each line
is JSON: the server's address, the journal, and where the weights go. The answer is the child's
number.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def train(address: str, journal: str, weights: str) -> None:
    import cirq
    import cirq_ionq
    import keras
    import numpy as np
    import sympy

    import ionq_server
    from qkeras_hybrid import PQC
    from qkeras_hybrid.engines import SamplerEngine
    from qkeras_hybrid.engines.services import Retries

    # No `keras.utils.set_random_seed`, which imports TensorFlow: all that is drawn has a seed here.
    x, w = sympy.symbols("x w")
    q = cirq.LineQubit(0)
    service = cirq_ionq.Service(remote_host=address, api_key=ionq_server.KEY)
    engine = SamplerEngine(
        service.sampler("qpu"),
        shots=20,
        journal=journal,
        circuits_per_job=3,
        retries=Retries(attempts=5, first=0.01, poll_seconds=0.002, call_seconds=5.0),
    )
    layer = PQC(
        cirq.Circuit(cirq.ry(x)(q), cirq.ry(w)(q)),
        "Z",
        inputs=[x],
        engine=engine,
        seed=1,
        weight_initializer="ones",
    )
    dense = keras.layers.Dense(1, kernel_initializer="ones")
    model = keras.Sequential([keras.Input((1,)), layer, dense])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    # Equal samples: their circuits are equal requests, which must not share a result.
    data = np.array([[0.5], [0.5], [1.0], [-1.0]])
    model.fit(data, data, batch_size=2, epochs=2, verbose=0, shuffle=False)
    values = np.concatenate([np.ravel(value) for value in model.get_weights()])
    np.save(weights + ".part.npy", values)
    os.replace(weights + ".part.npy", weights)


def main() -> None:
    # All that a child would import, before it is forked.
    import cirq_ionq  # noqa: F401
    import keras  # noqa: F401
    import torch

    import ionq_server  # noqa: F401
    import qkeras_hybrid  # noqa: F401

    # A fork has no other threads than the one that forked.
    torch.set_num_threads(1)
    for line in sys.stdin:
        arguments: Any = json.loads(line)
        child = os.fork()
        if child == 0:
            train(*arguments)
            os._exit(0)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(status, flush=True)


if __name__ == "__main__":
    main()
