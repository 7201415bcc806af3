"""The native engine: one C++ TensorFlow operation with an exact adjoint gradient, on the CPU."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import keras

from qkeras_hybrid._checks import one_of, positive_int
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.engines.base import Engine, check_shapes, memory_refusal
from qkeras_hybrid.engines.native import library, lowering

if TYPE_CHECKING:
    import tensorflow as tf

    from qkeras_hybrid.program import Program
else:
    tf = lazy_module("tensorflow")

__all__ = ["NativeEngine", "build_status", "instruction_sets", "load_operations"]

# A task holds psi, lambda and small things; a state of float64 pairs takes 16 bytes an amplitude.
_BYTES_AN_AMPLITUDE = 2 * 8 + 2


def build_status() -> str:
    """Returns one line that says whether the native engine can be used, and if not, why."""
    reason = library.unavailable()
    if reason is not None:
        return f"native: {reason}"
    return f"native: built ({', '.join(library.instruction_sets())})"


def threads() -> int:
    """Returns how many threads the op may use: TensorFlow's, as many as cores unless set."""
    return tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count() or 1


def instruction_sets() -> list[str]:
    """Returns the instruction sets that the library has for this processor, best first."""
    return library.instruction_sets()


def load_operations() -> bool:
    """Loads the operations, so that exported models that use them load too.

    Returns:
        Whether they are there now. Never raises.
    """
    return library.unavailable() is None


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class NativeEngine(Engine):
    """Simulates state vectors in C++ on the CPU, under TensorFlow.

    float64 inputs are computed in float64, all others in float32. Gradients with respect to
    inputs and weights are exact (adjoint differentiation, https://arxiv.org/abs/2009.02823);
    they are the same on every run with the same number of threads. Second derivatives and
    forward-mode derivatives are refused. `tf.vectorized_map` runs the operation once for each
    element.

    The environment variable `QKERAS_HYBRID_ISA` (avx512, avx2 or baseline) picks an instruction
    set other than the best.

    Args:
        lanes: What lies side by side in a vector register: `"samples"`, `"amplitudes"`, or
            `"auto"`, which takes samples for few qubits and amplitudes for many.

    Raises:
        ValueError: If `lanes` is none of these.

    Example:

    >>> q = cirq.LineQubit(0)
    >>> program = compile_circuit(cirq.Circuit(cirq.rx(sympy.Symbol("x"))(q)), "Z", inputs="x")
    >>> z = NativeEngine().expectation(program, ops.array([[0.0], [np.pi]]), ops.zeros((0,)))
    >>> np.round(ops.convert_to_numpy(z), 5).tolist()
    [[1.0], [-1.0]]
    """

    name = "native"
    supports_jit = False

    def __init__(self, lanes: str = "auto") -> None:
        self.lanes = one_of("lanes", lanes, ("auto", "samples", "amplitudes"))

    def supports(self, program: Program) -> str | None:
        if keras.backend.backend() != "tensorflow":
            return f"it runs under TensorFlow, and the Keras backend is {keras.backend.backend()}"
        return (
            library.unavailable()
            or memory_refusal(len(program.qubits), _BYTES_AN_AMPLITUDE)
            or lowering.refusal(program)
        )

    def expectation(self, program: Program, inputs: Any, weights: Any, *, seed: Any = None) -> Any:
        program, inputs, weights, restore = self._arguments(program, inputs, weights)
        values, _ = library.load().qkeras_hybrid_expectation(
            inputs, weights, program=lowering.lower(program), lanes=self.lanes
        )
        return restore(values)

    def state(self, program: Program, inputs: Any, weights: Any) -> Any:
        program, inputs, weights, _ = self._arguments(program, inputs, weights)
        return library.load().qkeras_hybrid_state(
            inputs,
            weights,
            program=lowering.lower(program, whole_state=True),
            lanes=self.lanes,
            Tcomplex=tf.complex128 if inputs.dtype == tf.float64 else tf.complex64,
        )

    def probabilities(self, program: Program, inputs: Any, weights: Any) -> Any:
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        state = self.state(program, inputs, weights)
        return keras.ops.cast(
            tf.math.square(tf.math.real(state)) + tf.math.square(tf.math.imag(state)), dtype
        )

    def sample(
        self, program: Program, inputs: Any, weights: Any, shots: int, *, seed: Any = None
    ) -> Any:
        shots = positive_int("shots", shots)
        program, inputs, weights, _ = self._arguments(program, inputs, weights)
        return library.load().qkeras_hybrid_sample(
            inputs,
            weights,
            shots,
            _seed(seed),
            program=lowering.lower(program, whole_state=True),
            lanes=self.lanes,
        )

    def get_config(self) -> dict[str, Any]:
        return {"lanes": self.lanes}

    def _arguments(self, program: Program, inputs: Any, weights: Any) -> tuple[Any, ...]:
        """Returns the affine program, its tensors in float32 or float64, and the way back."""
        inputs, weights = keras.ops.convert_to_tensor(inputs), keras.ops.convert_to_tensor(weights)
        check_shapes(program, inputs, weights)
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        compute = "float64" if dtype == "float64" else "float32"
        inputs = keras.ops.cast(inputs, compute)
        weights = keras.ops.cast(weights, compute)
        if program.affine is not program:
            inputs, weights = program.extend(inputs, weights)
            program = program.affine
        return program, inputs, weights, lambda values: keras.ops.cast(values, dtype)


def _seed(seed: Any) -> Any:
    """Returns two int64 numbers that name a stream of random numbers."""
    if seed is None:
        return tf.random.uniform((2,), minval=0, maxval=2**62, dtype=tf.int64)
    if isinstance(seed, keras.random.SeedGenerator):
        return tf.cast(seed.next(), tf.int64)
    return tf.cast(tf.stack([seed, 0]), tf.int64)


# A model that was exported with these operations loads only where they are registered, and its
# user has no engine to ask for them. The Keras backend has imported TensorFlow already.
if keras.backend.backend() == "tensorflow":
    load_operations()
