"""An engine that computes state vectors with Cirq's simulator, sample by sample."""

from __future__ import annotations

import keras
import numpy as np

from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.engines._host import host_call
from qkeras_hybrid.engines.base import Engine, Run, memory_refusal
from qkeras_hybrid.program import Job
from qkeras_hybrid.readouts import Expectation, Probabilities, State


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class ExampleNameEngine(Engine):
    """Simulates state vectors with `cirq.Simulator`, one sample after the other, in complex128.

    It is slow but independent of the other engines, so it can check their results. It runs circuits
    without noise and without shots. Gradients use the parameter-shift rule.

    Example:

    >>> layer = PQCDense(2, engine="example_name")
    >>> layer(ops.ones((3, 2))).shape == (3, 2)
    True
    """

    name = "example_name"
    readouts = frozenset({Expectation, Probabilities, State})

    def refuses(self, job: Job) -> str | None:
        # Cirq needs the state, a buffer of its size, and copies of both; `values` makes one more
        # copy. An amplitude takes 16 bytes.
        return super().refuses(job) or memory_refusal(job.program.n_qubits, 5 * 16)

    def prepare(self, job: Job) -> Run:
        program = job.program
        simulator = cirq.Simulator(dtype=np.complex128, split_untangled_states=False)

        def values(angles: np.ndarray, seed: int | None) -> np.ndarray:
            states = [
                simulator.simulate(circuit, qubit_order=program.qubits).final_state_vector
                for circuit in program.circuits(angles)
            ]
            return job.readout.of_state(program, np.reshape(states, (-1, 2**program.n_qubits)))

        return host_call(job, values)
