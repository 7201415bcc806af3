"""The native engine's bound of memory against what a process is seen to take."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import keras
import pytest

from qkeras_hybrid._checks import available_memory
from qkeras_hybrid.engines.native import build_status, library

if keras.backend.backend() != "tensorflow":
    pytest.skip("the native engine runs under TensorFlow", allow_module_level=True)
if library.unavailable() is not None:
    pytest.skip(build_status(), allow_module_level=True)
if not os.access("/proc/self/clear_refs", os.W_OK):
    pytest.skip("this system can't measure the peak anew", allow_module_level=True)

# The states take 256 MiB and more, so that nothing else counts, and so that the engine gives their
# memory back after each call.
MEASURE = """
    import json
    import sys
    from pathlib import Path

    import cirq
    import sympy
    import tensorflow as tf
    from qkeras_hybrid.engines.native import NativeEngine
    from qkeras_hybrid.program import compile_circuit
    from qkeras_hybrid.readouts import Probabilities, Samples, State

    dtype, n_qubits = sys.argv[1], 25 if sys.argv[1] == "float32" else 24
    tf.config.threading.set_intra_op_parallelism_threads(2)

    def kib(key):
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(key))

    def loss(values):
        return tf.reduce_sum(tf.math.real(values))

    def peak(job, batch):
        run = NativeEngine().prepare(job)
        x, w = tf.ones((batch, 1), dtype), tf.ones((1,), dtype)

        @tf.function(autograph=False)
        def step():
            if not job.gradient:
                return run(x, w, 1)
            with tf.GradientTape() as tape:
                tape.watch([x, w])
                value = loss(run(x, w))
            return tape.gradient(value, [x, w])

        step.get_concrete_function()
        before = kib("VmRSS:")
        Path("/proc/self/clear_refs").write_text("5")
        step()
        return (kib("VmHWM:") - before) * 1024 / 2**n_qubits

    qubits = cirq.LineQubit.range(n_qubits)
    x, w = sympy.symbols("x w")
    circuit = cirq.Circuit(
        [cirq.rx(x)(q) for q in qubits],
        [cirq.CZ(*pair) for pair in zip(qubits, qubits[1:])],
        cirq.ry(w)(qubits[0]),
    )
    compiled = compile_circuit(circuit, cirq.Z(qubits[0]), inputs=[x], weights=[w])
    peak(compiled.job(dtype, gradient=False), 1)
    for readout in (compiled.readout, State(), Probabilities(), Samples()):
        for gradient in (False, True):
            shots = 2 if isinstance(readout, Samples) else None
            job = compiled.reading(readout).job(dtype, shots=shots, gradient=gradient)
            if gradient and not job.gradient:
                continue
            bound = NativeEngine().bytes_per_amplitude(job)
            print(json.dumps([readout.name, gradient, bound, peak(job, 1), peak(job, 2)]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_bound_of_memory_is_what_a_sample_takes(
    dtype: str, run_python: Callable[..., str], tmp_path: Path
) -> None:
    if available_memory() < 4 * 2**30:
        pytest.skip("this machine has too little memory")
    printed = run_python(MEASURE, dtype, backend="tensorflow")
    rows = [json.loads(line) for line in printed.splitlines() if line.startswith("[")]
    assert len(rows) == 7
    for name, gradient, bound, one, two in rows:
        # 128 MiB for shared tables and whatever Python and TensorFlow do meanwhile.
        slack = 128 * 2**20 / 2 ** (25 if dtype == "float32" else 24)
        assert one <= bound + slack, (name, gradient, bound, one)
        # TensorFlow may reuse a tensor's memory for the next, which is not to be counted on.
        assert one >= 0.6 * bound, (name, gradient, bound, one)
        # Two samples at a time, on two threads.
        assert two <= 2 * bound + slack, (name, gradient, bound, two)
