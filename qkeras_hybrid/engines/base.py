"""The contract of an engine: what computes a compiled program."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, ClassVar

import keras
from keras import ops

from qkeras_hybrid._checks import available_memory, bytes_text, known_arguments, must

if TYPE_CHECKING:
    from qkeras_hybrid.program import Program


class Engine(abc.ABC):
    """Computes programs: expectation values, states, probabilities and samples.

    An engine is an object without weights; what it is given at construction (precision, shots)
    round-trips through `get_config`. Tensors are of the Keras backend in use.

    Attributes:
        name: The name under which `engine=` finds it.
        supports_jit: Whether Keras may compile a model with this engine by XLA.
        exact: Whether expectation values have no sampling error, so that the backend's own
            gradient of `expectation` is the exact one.
        dtypes: The precisions that inputs and weights may have.
        differentiates_states: Whether `state` and `probabilities` have gradients too.
    """

    name: ClassVar[str]
    supports_jit: bool = False
    exact: bool = True
    dtypes: tuple[str, ...] = ("float32", "float64")
    differentiates_states: bool = True

    @abc.abstractmethod
    def supports(self, program: Program) -> str | None:
        """Returns None if this engine can compute the program, else the reason it can't."""

    def caution(self, program: Program) -> str | None:
        """Returns what a user of a supported program should know before training, or None."""
        return None

    @abc.abstractmethod
    def expectation(self, program: Program, inputs: Any, weights: Any, *, seed: Any = None) -> Any:
        """Computes the expectation values of the program's observables.

        Args:
            program: A program that this engine supports.
            inputs: Floating tensor of shape `(batch, n_inputs)`.
            weights: Floating tensor of shape `(n_weights,)`, of the same dtype.
            seed: A `keras.random.SeedGenerator` or an integer, for engines that sample.

        Returns:
            Tensor of shape `(batch, n_observables)`, of the dtype of the inputs,
            differentiable with respect to inputs and weights if the engine is exact.
        """

    @abc.abstractmethod
    def state(self, program: Program, inputs: Any, weights: Any) -> Any:
        """Computes final state vectors: a complex tensor of shape `(batch, 2**n_qubits)`.

        The first qubit is the most significant bit of the index of a basis state.
        """

    @abc.abstractmethod
    def probabilities(self, program: Program, inputs: Any, weights: Any) -> Any:
        """Computes the probabilities of the basis states: shape `(batch, 2**n_qubits)`."""

    @abc.abstractmethod
    def sample(
        self, program: Program, inputs: Any, weights: Any, shots: int, *, seed: Any = None
    ) -> Any:
        """Draws measurements of all qubits: int32 bits of shape `(batch, shots, n_qubits)`."""

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Engine:
        """Makes an engine from what `get_config` returned.

        Raises:
            ValueError: If the config has a key that the constructor does not take.
        """
        return cls(**known_arguments(cls, config))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.get_config() == self.get_config()

    def __hash__(self) -> int:
        return hash((type(self), repr(sorted(self.get_config().items()))))

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def memory_refusal(n_qubits: int, bytes_an_amplitude: int) -> str | None:
    """Returns why the states of `n_qubits` qubits don't fit in memory, or None if they do.

    Args:
        n_qubits: The number of qubits.
        bytes_an_amplitude: What one sample needs for each of the `2**n_qubits` amplitudes.
    """
    need, have = bytes_an_amplitude * 2**n_qubits, available_memory()
    if need <= have:
        return None
    exactly = f" ({need} bytes)" if need < 2**80 else ""
    return (
        f"{n_qubits} qubits need {bytes_text(need)}{exactly} of memory for one sample, "
        f"and {bytes_text(have)} are available"
    )


def check_shapes(program: Program, inputs: Any, weights: Any) -> None:
    """Makes sure that inputs and weights have the shapes that a program needs.

    Raises:
        ValueError: If the ranks or widths disagree with the program.
    """
    n_inputs, n_weights = len(program.inputs), len(program.weights)
    if len(inputs.shape) != 2 or inputs.shape[1] not in (n_inputs, None):
        raise ValueError(must("inputs", f"have shape (batch, {n_inputs})", tuple(inputs.shape)))
    if len(weights.shape) != 1 or weights.shape[0] not in (n_weights, None):
        raise ValueError(must("weights", f"have shape ({n_weights},)", tuple(weights.shape)))


def sample_bits(probabilities: Any, n_qubits: int, shots: int, seed: Any) -> Any:
    """Draws basis states from probabilities of shape `(batch, 2**n_qubits)`.

    Returns:
        int32 bits of shape `(batch, shots, n_qubits)`, the first qubit first.
    """
    # An amplitude of exactly zero has the logarithm of the smallest normal number: its chance
    # is below 1e-37, and the logarithm stays finite.
    smallest = 1e-37 if keras.backend.standardize_dtype(probabilities.dtype) != "float16" else 6e-8
    logits = ops.log(ops.maximum(probabilities, smallest))
    index = keras.random.categorical(logits, shots, dtype="int32", seed=seed)
    shifts = ops.arange(n_qubits - 1, -1, -1, dtype="int32")
    return ops.bitwise_and(ops.right_shift(index[..., None], shifts), 1)


def check_finite(tensor: Any, what: str) -> None:
    """Raises if a tensor holds NaN or an infinity.

    Under TensorFlow also inside a `tf.function`; under JAX not inside `jit`, where values can't
    be looked at.

    Raises:
        ValueError: If it does (in a TensorFlow graph `tf.errors.InvalidArgumentError`).
    """
    message = f"NaN or infinity in {what}"
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if not tf.executing_eagerly():
            checked = tf.debugging.Assert(tf.reduce_all(tf.math.is_finite(tensor)), [message])
            # In a graph of Keras the assertion runs because it has a side effect.
            del checked
            return
    elif keras.backend.backend() == "jax":
        import jax

        if isinstance(tensor, jax.core.Tracer):
            return
    real = ops.real(tensor) if "complex" in str(tensor.dtype) else tensor
    if not bool(ops.all(ops.isfinite(real))):
        raise ValueError(message + ". Look at the data, or leave out `check_finite`.")
