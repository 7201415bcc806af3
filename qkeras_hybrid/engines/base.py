"""The contract of an engine, which runs compiled programs."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import available_memory, bytes_text, positive_int
from qkeras_hybrid._device import has_float64
from qkeras_hybrid._value import Value
from qkeras_hybrid.gradients import Differentiator, ParameterShift
from qkeras_hybrid.program import UNITARY, Compiled, Job, in_order
from qkeras_hybrid.readouts import Probabilities, Readout, Samples, State

Run = Callable[..., Any]
"""`run(inputs, weights, seed=None)` computes a job's readout.

`inputs` is a floating tensor of shape `(batch, n_inputs)`, `weights` of `(n_weights,)`, both of the
job's dtype and the Keras backend in use. `seed` is an integer or a `keras.random.SeedGenerator`,
for jobs with shots. The result has the shape `(batch, *readout.shape(program, shots))` and the
readout's dtype, and is differentiable in inputs and weights if the job asks for a gradient.
"""


class Engine(Value, abc.ABC):
    """Runs programs. It declares what it can do, and `prepare` returns the run of a job.

    An engine has no weights. `get_config` returns its constructor's arguments, without a device or
    an account. Two engines of the same class with equal configs are equal.

    Attributes:
        name: The name under which `engine=` finds it.
        instructions: The types of instructions that it executes; others are refused.
        readouts: The types of readouts that it computes.
        differentiates: The types of readouts for which it has its own exact gradient.
        samples: Whether it takes `shots`, which give its values a sampling error.
        exact: Whether it can compute without shots.
        takes_readout_errors: Whether it handles a job's readout errors itself, e.g. to mitigate
            them. Otherwise they are added to its results.
        takes_circuits: Whether each sample may come with a circuit of its own.
        traceable: Whether its run may be compiled as it is (by XLA or JAX's `jit`). Other engines
            leave the traced graph by `host_call`: JAX compiles around it, but XLA under TensorFlow
            does not.
        dtypes: The precisions in which it computes.
        backends: The Keras backends under which it runs; None for all.
        shots: The default number of shots, for jobs that name none.
    """

    name: ClassVar[str]
    instructions: ClassVar[frozenset[type]] = UNITARY
    readouts: ClassVar[frozenset[type[Readout]]]
    differentiates: ClassVar[frozenset[type[Readout]]] = frozenset()
    samples: ClassVar[bool] = False
    exact: ClassVar[bool] = True
    takes_readout_errors: ClassVar[bool] = False
    takes_circuits: ClassVar[bool] = False
    traceable: ClassVar[bool] = False
    dtypes: ClassVar[tuple[str, ...]] = ("float32", "float64")
    backends: ClassVar[frozenset[str] | None] = None
    shots: int | None = None

    def refuses(self, job: Job) -> str | None:
        """Returns why this engine can't do a job, or None if it can.

        This checks its declarations. An engine with further reasons, such as memory, calls this
        first.
        """
        if self.backends is not None and job.backend not in self.backends:
            names = " or ".join(sorted(self.backends))
            return f"it runs under {names}, but the Keras backend is {job.backend}"
        foreign = sorted(kind.__name__ for kind in job.program.kinds - self.instructions)
        if foreign:
            return f"it does not execute {foreign[0]} instructions"
        if type(job.readout) not in self.readouts:
            known = ", ".join(sorted(kind.name for kind in self.readouts))
            return f"it computes {known}, not {job.readout.name}"
        if job.dtype not in self.dtypes:
            return f"it computes in {' or '.join(self.dtypes)}, not {job.dtype}"
        if job.dtype == "float64" and not has_float64():
            return (
                "JAX computes in float64 only after "
                '`jax.config.update("jax_enable_x64", True)`, which must come first in a program'
            )
        if job.noise is not None or (job.readout_errors and not self.takes_readout_errors):
            return "noise is added around engines: use qkeras_hybrid.engines.prepare"
        if job.shots is not None and not job.readout.estimable:
            return f"the {job.readout.name} can't be estimated from `shots`"
        if job.shots is not None and not self.samples:
            return "it takes no `shots`"
        if job.shots is None and not (self.exact and job.readout.exact):
            return f"it needs `shots` for {job.readout.name}"
        if job.circuits and not self.takes_circuits:
            return "it takes no circuits as inputs"
        if job.gradient and not (job.readout.linear or type(job.readout) in self.differentiates):
            return f"it does not differentiate the {job.readout.name}"
        return None

    def caution(self, job: Job) -> str | None:
        """Returns a warning for users who train with a job that this engine takes, or None."""
        return None

    @property
    def repetitions(self) -> int | None:
        """The number of random runs, if values without shots are means over runs, else None."""
        return None

    @abc.abstractmethod
    def prepare(self, job: Job) -> Run:
        """Returns a function that computes a job.

        Everything that can be done once is done here: writing a circuit, choosing kernels, asking a
        device.

        Args:
            job: A job that this engine does not refuse.
        """

    def differentiated(self, job: Job, differentiator: Differentiator | None = None) -> Run:
        """Returns a function that computes a job with a differentiator's gradient.

        Args:
            job: A job that this engine does not refuse, with a readout that is linear.
            differentiator: None for the parameter-shift rule.

        Raises:
            ValueError: If the differentiator does not go with the job.
        """
        return (differentiator or ParameterShift()).prepare(self, job)

    # For computations outside layers: each call prepares the job again.

    def expectation(
        self, compiled: Compiled, inputs: Any, weights: Any = (), *, seed: Any = None
    ) -> Any:
        """Computes the expectation values of a compiled circuit's observables.

        Args:
            compiled: What `compile_circuit` returned.
            inputs: Values of shape `(batch, n_inputs)`; float64 inputs are computed in float64, all
                others in float32.
            weights: Values of shape `(n_weights,)`, or a mapping from the weights' symbols, or
                their names, to values.
            seed: An integer or a `keras.random.SeedGenerator`, for an engine with shots.

        Returns:
            Tensor of shape `(batch, n_observables)`, of the dtype of the inputs if that is
            floating, with the engine's own gradient if it has one.

        Raises:
            ValueError: If the engine refuses, or a shape is wrong.
        """
        return self._once(compiled, inputs, weights, self.shots, seed)

    def state(self, compiled: Compiled, inputs: Any, weights: Any = ()) -> Any:
        """Computes final state vectors: a complex tensor of shape `(batch, 2**n_qubits)`.

        The first qubit is the most significant bit of the index of a basis state. Arguments and
        errors are those of `expectation`.
        """
        return self._once(compiled.reading(State()), inputs, weights)

    def probabilities(self, compiled: Compiled, inputs: Any, weights: Any = ()) -> Any:
        """Computes the probabilities of the basis states: shape `(batch, 2**n_qubits)`.

        Arguments and errors are those of `expectation`.
        """
        return self._once(compiled.reading(Probabilities()), inputs, weights)

    def sample(
        self,
        compiled: Compiled,
        inputs: Any,
        weights: Any = (),
        shots: int = 1,
        *,
        seed: Any = None,
    ) -> Any:
        """Draws measurements of all qubits: int32 bits of shape `(batch, shots, n_qubits)`.

        Arguments and errors are those of `expectation`.
        """
        return self._once(compiled.reading(Samples()), inputs, weights, shots, seed)

    def _once(
        self,
        compiled: Compiled,
        inputs: Any,
        weights: Any,
        shots: int | None = None,
        seed: Any = None,
    ) -> Any:
        inputs = ops.convert_to_tensor(inputs)
        given = keras.backend.standardize_dtype(inputs.dtype)
        dtype = "float64" if given == "float64" else "float32"
        if shots is not None:
            positive_int("shots", shots)
        # It is not known here whether a gradient will be taken.
        job = compiled.job(dtype, shots=shots, gradient=False)
        reason = self.refuses(job)
        if reason is not None:
            raise ValueError(f"The engine {self.name!r} can't compute this circuit: {reason}.")
        weights = in_order("weights", weights, compiled.weights)
        if isinstance(weights, list):
            weights = ops.stack([ops.cast(w, dtype) for w in weights]) if weights else ()
        weights = ops.cast(ops.convert_to_tensor(weights), dtype)
        values = self.prepare(job)(ops.cast(inputs, dtype), weights, seed)
        return compiled.readout.cast(values, given if "float" in given else dtype)

    def traces(self, job: Job) -> bool:
        """Tells whether a prepared job may be compiled, by XLA under TensorFlow."""
        if not self.traceable:
            return job.backend == "jax"
        # TensorFlow's samplers have no XLA kernels.
        return job.shots is None or job.backend != "tensorflow"

    def differentiates_itself(self, job: Job) -> bool:
        """Tells whether the gradient of a job is the engine's own, and exact."""
        return job.shots is None and type(job.readout) in self.differentiates


def memory_refusal(n_qubits: int, bytes_per_amplitude: float) -> str | None:
    """Returns why the states of `n_qubits` qubits don't fit in memory, or None if they do.

    Args:
        n_qubits: The number of qubits.
        bytes_per_amplitude: The bytes that one sample needs for each of the `2**n_qubits`
            amplitudes.
    """
    need, have = int(bytes_per_amplitude) * 2**n_qubits, available_memory()
    if need <= have:
        return None
    exactly = f" ({need} bytes)" if need < 2**80 else ""
    return (
        f"{n_qubits} qubits need {bytes_text(need)}{exactly} of memory for one sample, "
        f"and {bytes_text(have)} are available"
    )


def sample_bits(probabilities: Any, n_qubits: int, shots: int, seed: Any) -> Any:
    """Draws basis states from probabilities of shape `(batch, 2**n_qubits)`.

    Returns:
        int32 bits of shape `(batch, shots, n_qubits)`, the first qubit first.
    """
    # A probability of exactly zero is replaced by the smallest normal number, below 1e-37, so that
    # its logarithm stays finite. PyTorch can't draw from NaN.
    known = ops.where(probabilities == probabilities, probabilities, 0.0)
    logits = ops.log(ops.maximum(known, 1e-37))
    index = keras.random.categorical(logits, shots, dtype="int32", seed=seed)
    shifts = ops.arange(n_qubits - 1, -1, -1, dtype="int32")
    return ops.bitwise_and(ops.right_shift(index[..., None], shifts), 1)


def frequencies(bits: Any, n_qubits: int, dtype: str) -> Any:
    """Counts basis states among measurements.

    Args:
        bits: What `sample_bits` returned, of shape `(batch, shots, n_qubits)`.
        n_qubits: The number of qubits.
        dtype: A floating dtype.

    Returns:
        Shares of the shots, of shape `(batch, 2**n_qubits)`.
    """
    size, (batch, shots) = 2**n_qubits, ops.shape(bits)[:2]
    places = ops.convert_to_tensor(2 ** np.arange(n_qubits)[::-1], "int32")
    index = ops.sum(ops.cast(bits, "int32") * places, axis=-1)
    # A segment sum: a row of 2**n_qubits numbers for each measurement would be large.
    rows = ops.arange(batch, dtype="int32")[:, None] * size
    counts = ops.segment_sum(
        ops.ones_like(ops.reshape(index, (-1,)), dtype=dtype),
        ops.reshape(rows + index, (-1,)),
        # One extra segment, since PyTorch can't sum over zero segments.
        num_segments=batch * size + 1,
    )
    return ops.reshape(counts[:-1], (batch, size)) / ops.cast(shots, dtype)


def has_values(tensor: Any) -> bool:
    """Tells whether a tensor's values can be read. They can't while a call is being compiled."""
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            return bool(tf.executing_eagerly())
        case "jax":
            import jax

            return not isinstance(tensor, jax.core.Tracer)
        case _:
            # Keras asks for shapes on the device "meta".
            return str(tensor.device.type) != "meta"


def check_finite(tensor: Any, what: str) -> None:
    """Raises if a tensor holds NaN or an infinity.

    Under TensorFlow this also works inside a `tf.function`; under JAX not inside `jit`, where
    values can't be read.

    Raises:
        ValueError: If it holds NaN or an infinity. In a TensorFlow graph, it is a
            `tf.errors.InvalidArgumentError`.
    """
    message = f"NaN or infinity in {what}"
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if not tf.executing_eagerly():
            checked = tf.debugging.Assert(tf.reduce_all(tf.math.is_finite(tensor)), [message])
            # In a graph, TensorFlow runs the assertion because it has a side effect.
            del checked
            return
    elif keras.backend.backend() == "jax":
        import jax

        if isinstance(tensor, jax.core.Tracer):
            return
    real = ops.real(tensor) if "complex" in str(tensor.dtype) else tensor
    if not bool(ops.all(ops.isfinite(real))):
        raise ValueError(message + ". Check the data, or leave out `check_finite`.")


__all__ = [
    "Engine",
    "Job",
    "Readout",
    "Run",
    "check_finite",
    "frequencies",
    "has_values",
    "memory_refusal",
    "sample_bits",
]
