"""The native engine: C++ kernels with an exact adjoint gradient, on the CPU, on every backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from qkeras_hybrid._checks import one_of, positive_int
from qkeras_hybrid.engines._shots import estimated
from qkeras_hybrid.engines.base import Engine, Run, frequencies, memory_refusal
from qkeras_hybrid.engines.native import bridges, library, lowering
from qkeras_hybrid.program import Job
from qkeras_hybrid.readouts import Expectation, Probabilities, Samples, State

__all__ = ["NativeEngine", "build_status", "instruction_sets", "load_operations"]


def build_status() -> str:
    """Returns one line that says whether the native engine can be used, and if not, why."""
    reason = library.unavailable()
    if reason is not None:
        return f"native: {reason}"
    return f"native: built ({', '.join(library.instruction_sets())})"


def instruction_sets() -> list[str]:
    """Returns the instruction sets that the library has for this processor, best first."""
    return library.instruction_sets()


def threads() -> int:
    """Returns how many threads the engine uses: the backend's setting, or one per processor."""
    library.set_threads(bridges.bridge(keras.backend.backend()).threads())
    return library.threads()


def load_operations() -> bool:
    """Loads TensorFlow's operations, so that exported models that use them load too.

    Returns:
        Whether they are now available. Never raises.
    """
    return library.unavailable() is None and bridges.bridge("tensorflow").unavailable() is None


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class NativeEngine(Engine):
    """Simulates state vectors in C++ on the CPU, under TensorFlow, JAX and PyTorch.

    float64 inputs are computed in float64, all others in float32. Gradients with respect to
    inputs and weights are exact (adjoint differentiation, https://arxiv.org/abs/2009.02823);
    they are the same on every run with the same number of threads. Second derivatives and
    forward-mode derivatives are refused. `tf.vectorized_map` and `jax.vmap` run a circuit once for
    each element of the new axis.

    It runs inside `tf.function`, `jax.jit` and `torch.compile`. Under JAX, XLA compiles the
    code around it; under TensorFlow, XLA can't compile a function that contains it
    (`jit_compile=True`).

    The environment variable `QKERAS_HYBRID_ISA` (avx512, avx2 or baseline) picks an instruction
    set other than the best.

    Args:
        lanes: What fills a vector register: `"samples"`, `"amplitudes"`, or `"auto"`, which takes
            samples for few qubits and amplitudes for many.

    Raises:
        ValueError: If `lanes` is none of these.

    Example:

    >>> q = cirq.LineQubit(0)
    >>> compiled = compile_circuit(cirq.Circuit(cirq.rx(sympy.Symbol("x"))(q)), "Z", inputs="x")
    >>> z = NativeEngine().prepare(compiled.job())(ops.array([[0.0], [np.pi]]), ops.zeros((0,)))
    >>> np.round(ops.convert_to_numpy(z), 5).tolist()
    [[1.0], [-1.0]]
    """

    name = "native"
    readouts = frozenset({Expectation, Probabilities, State, Samples})
    differentiates = frozenset({Expectation, Probabilities, State})
    samples = True
    backends = bridges.BACKENDS

    def __init__(self, lanes: str = "auto") -> None:
        self.lanes = one_of("lanes", lanes, ("auto", "samples", "amplitudes"))

    def get_config(self) -> dict[str, Any]:
        return {"lanes": self.lanes}

    def refuses(self, job: Job) -> str | None:
        reason = super().refuses(job)
        if reason is not None:
            return reason
        if job.backend != "tensorflow" and job.device != "cpu":
            return f"it runs on the CPU, but {job.backend} computes on the {job.device}"
        return (
            library.unavailable()
            or bridges.bridge(job.backend).unavailable()
            or memory_refusal(job.program.n_qubits, self.bytes_per_amplitude(job))
            or lowering.refusal(job.program)
        )

    def traces(self, job: Job) -> bool:
        # XLA has a handler under JAX, `torch.compile` has an operator.
        return job.backend != "tensorflow"

    def bytes_per_amplitude(self, job: Job) -> int:
        """Returns the bytes that a sample needs for each of its amplitudes while a job runs.

        The kernels work on one sample per thread if memory allows it, otherwise on one at a time.
        They also need up to 100 MB that don't grow with the state, for tables that samples share
        and for states that are kept for the gradient.
        """
        amplitude = 16 if job.dtype == "float64" else 8
        # The state; in the backward pass, also the vector it is multiplied with.
        kernel = amplitude * (2 if job.gradient else 1)
        if self.lanes == "samples":
            kernel *= library.vector_bytes() * 2 // amplitude
        match job.readout:
            case Expectation() if job.shots is None:
                return kernel
            case State():
                # The result, and the incoming gradient.
                return kernel + amplitude * (2 if job.gradient else 1)
            case Probabilities() if job.shots is None:
                # A state, or the gradient of one; and real numbers.
                return kernel + amplitude + amplitude // 2
            case _:
                # A state, and its sums in float64 from which samples are drawn.
                return kernel + amplitude + 8

    def prepare(self, job: Job) -> Run:
        if job.shots is not None and isinstance(job.readout, Expectation):
            return estimated(self, job)
        affine = job.angles.affine
        threads()
        operations = bridges.bridge(job.backend).Operations(
            lowering.lower(job.program, affine, job.readout), self.lanes, job.gradient
        )
        read = _reader(job, operations)
        extends = affine is not job.angles

        def run(inputs: Any, weights: Any, seed: Any = None) -> Any:
            inputs, weights = ops.convert_to_tensor(inputs), ops.convert_to_tensor(weights)
            job.angles.check_shapes(inputs, weights)
            if extends:
                inputs, weights = job.angles.extend(inputs, weights)
            return read(inputs, weights, seed)

        return run


def _reader(job: Job, operations: Any) -> Callable[[Any, Any, Any], Any]:
    """Returns a function of tensors and a seed that computes a job's readout."""

    def expectation(inputs: Any, weights: Any, seed: Any) -> Any:
        return operations.expectation(inputs, weights)

    def state(inputs: Any, weights: Any, seed: Any) -> Any:
        return operations.state(inputs, weights)

    def probabilities(inputs: Any, weights: Any, seed: Any) -> Any:
        states = operations.state(inputs, weights)
        return ops.square(ops.real(states)) + ops.square(ops.imag(states))

    def samples(inputs: Any, weights: Any, seed: Any) -> Any:
        return operations.sample(inputs, weights, positive_int("shots", job.shots), seed)

    def shares(inputs: Any, weights: Any, seed: Any) -> Any:
        return frequencies(samples(inputs, weights, seed), job.program.n_qubits, job.dtype)

    known: dict[type, Callable[[Any, Any, Any], Any]] = {
        Expectation: expectation,
        State: state,
        Probabilities: probabilities if job.shots is None else shares,
        Samples: samples,
    }
    return known[type(job.readout)]


# A model that was exported with TensorFlow's operations loads only where they are registered, and
# its users may have no engine that registers them. The Keras backend has imported TensorFlow
# already.
if keras.backend.backend() == "tensorflow":
    load_operations()
