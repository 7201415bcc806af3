"""The native engine under TensorFlow: operations of a library that `tf.load_op_library` loads."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from typing import Any

import keras

from qkeras_hybrid._lazy import tf
from qkeras_hybrid.engines.native import library
from qkeras_hybrid.engines.native.bridges.base import SECOND_DERIVATIVES

LIBRARY = library.FOLDER / "_tensorflow.so"


@functools.cache
def load() -> Any:
    """Returns the operations' module, as `tf.load_op_library` makes it.

    Raises:
        RuntimeError: If they do not load; the message says why.
    """
    library.core()
    if importlib.util.find_spec("tensorflow") is None:
        raise RuntimeError("TensorFlow is not installed.")
    try:
        operations = tf.load_op_library(str(LIBRARY))
    except (tf.errors.NotFoundError, OSError) as error:
        raise RuntimeError(f"The native engine's operations do not load: {error}") from error
    if not ctypes.CDLL(str(LIBRARY)).QhTensorFlowRegistered():
        raise RuntimeError(
            f"The native engine's operations do not work with TensorFlow {tf.__version__}."
        )
    if not hasattr(operations, "qkeras_hybrid_sample"):
        # TensorFlow keeps the operations that it already had, which may misread this copy's
        # programs.
        raise RuntimeError(
            "Another copy of qkeras_hybrid has registered its operations in this process. If the "
            "package was reinstalled, restart Python."
        )
    _register_gradients(operations)
    return operations


@functools.cache
def unavailable() -> str | None:
    """Returns why the operations can't be used, or None if they can. Loads them."""
    try:
        load()
    except RuntimeError as error:
        return str(error)
    return None


def threads() -> int:
    """Returns how many threads TensorFlow was told to use within an operation."""
    return int(tf.config.threading.get_intra_op_parallelism_threads())


class Operations:
    """A lowered program under TensorFlow, eagerly and in graphs; see the package's docstring."""

    def __init__(self, program: bytes, lanes: str, keep: bool) -> None:
        session = library.Session(program, lanes)
        self._sizes = session.n_observables, 2**session.n_qubits, session.n_qubits
        self._attributes = {"program": program, "lanes": lanes}
        self._keep = keep
        self._operations = load()

    def expectation(self, inputs: Any, weights: Any) -> Any:
        values = self._operations.qkeras_hybrid_expectation(
            inputs, weights, keep=self._keep, **self._attributes
        )[0]
        return _shaped(values, inputs, self._sizes[0])

    def state(self, inputs: Any, weights: Any) -> Any:
        dtype = tf.complex128 if inputs.dtype == tf.float64 else tf.complex64
        states = self._operations.qkeras_hybrid_state(
            inputs, weights, Tcomplex=dtype, **self._attributes
        )
        return _shaped(states, inputs, self._sizes[1])

    def sample(self, inputs: Any, weights: Any, shots: int, seed: Any) -> Any:
        bits = self._operations.qkeras_hybrid_sample(
            inputs, weights, shots, _stream(seed), **self._attributes
        )
        return _shaped(bits, inputs, shots, self._sizes[2])


def _shaped(values: Any, inputs: Any, *sizes: int) -> Any:
    """Sets the shape of an operation's result in a graph, which TensorFlow can't infer."""
    if not tf.executing_eagerly():
        values.set_shape((inputs.shape[0], *sizes))
    return values


def _stream(seed: Any) -> Any:
    """Returns two int64 numbers that name a stream of random numbers."""
    if seed is None:
        return tf.random.uniform((2,), minval=0, maxval=2**62, dtype=tf.int64)
    if isinstance(seed, keras.random.SeedGenerator):
        return tf.cast(seed.next(), tf.int64)
    return tf.cast(tf.stack([seed, 0]), tf.int64)


def _gradients(op: Any, call: Any, *arguments: Any) -> list[Any]:
    """Calls a gradient's operation; the inputs' gradient is computed only if it is needed."""
    # The inputs of a first layer are data.
    need = 0 not in (getattr(op, "skip_input_indices", None) or ())
    inputs, weights = op.inputs[0], op.inputs[1]
    d_inputs, d_weights = call(
        inputs,
        weights,
        *arguments,
        program=op.get_attr("program"),
        lanes=op.get_attr("lanes"),
        need_inputs=need,
    )
    if not tf.executing_eagerly():
        d_weights.set_shape(weights.shape)
        if need:
            d_inputs.set_shape(inputs.shape)
    return [d_inputs if need else None, d_weights]


def _register_gradients(operations: Any) -> None:
    def expectation_gradient(op: Any, upstream: Any, *_: Any) -> list[Any]:
        call = operations.qkeras_hybrid_expectation_grad
        return _gradients(op, call, op.outputs[1], upstream, [op.outputs[2]])

    def state_gradient(op: Any, upstream: Any) -> list[Any]:
        return _gradients(op, operations.qkeras_hybrid_state_grad, upstream)

    def refuse(op: Any, *_: Any) -> None:
        # TensorFlow's forward mode differentiates a gradient by its upstream gradient alone, and
        # so leaves out the inputs and the weights. Without a tape, TensorFlow does not say.
        left_out = set(getattr(op, "skip_input_indices", None) or ())
        if {0, 1} <= left_out:
            raise NotImplementedError(
                "Forward-mode derivatives (`tf.autodiff.ForwardAccumulator`) are not available "
                "with engine='native'. Use engine='statevector', or reverse mode "
                "(`tf.GradientTape`)."
            )
        raise NotImplementedError(SECOND_DERIVATIVES)

    tf.RegisterGradient("QkerasHybridExpectation")(expectation_gradient)
    tf.RegisterGradient("QkerasHybridState")(state_gradient)
    tf.RegisterGradient("QkerasHybridExpectationGrad")(refuse)
    tf.RegisterGradient("QkerasHybridStateGrad")(refuse)
    tf.no_gradient("QkerasHybridSample")
