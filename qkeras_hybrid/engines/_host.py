"""The only way out of a traced graph: runs that call a NumPy function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.program import Job

if TYPE_CHECKING:
    from qkeras_hybrid.engines.base import Run

Function = Callable[[np.ndarray, int | None], np.ndarray]
Gradient = Callable[[np.ndarray, np.ndarray, int | None], np.ndarray]


def host_call(job: Job, function: Function, gradient: Gradient | None = None) -> Run:
    """Returns a run that computes a job by a function on NumPy arrays.

    It works eagerly and in the graphs of every Keras backend: `tf.numpy_function` under
    TensorFlow (not compiled by XLA), `jax.pure_callback` under JAX, and a call under PyTorch.
    The backend computes and differentiates the angles; the function gets only them.

    Args:
        job: The job.
        function: Maps angles of shape `(batch, n_angles)`, float64, in radians, and a seed (a whole
            number, a new one at each call if the run got none; None for a job without shots) to an
            array of shape `(batch, *job.readout.shape(job.program, job.shots))`.
        gradient: Maps the angles, the upstream gradient (of the result's shape) and the seed to the
            gradient with respect to the angles. Without it the result has no gradient; a
            differentiator can provide one.
    """
    shape = job.readout.shape(job.program, job.shots)
    dtype = job.readout.dtype(job.dtype)

    def computed(angles: Any, seed: Any) -> Any:
        def forward(angles: np.ndarray, seed: np.ndarray) -> np.ndarray:
            found = function(np.asarray(angles, "float64"), _number(job, seed))
            return np.asarray(found, dtype).reshape(len(angles), *shape)

        return array_call(forward, (angles, seed), shape, dtype)

    def slope(angles: Any, upstream: Any, seed: Any) -> Any:
        def backward(angles: np.ndarray, upstream: np.ndarray, seed: np.ndarray) -> np.ndarray:
            assert gradient is not None
            found = gradient(
                np.asarray(angles, "float64"), np.asarray(upstream), _number(job, seed)
            )
            return np.asarray(found, job.dtype).reshape(angles.shape)

        return array_call(backward, (angles, upstream, seed), (job.program.n_angles,), job.dtype)

    def run(inputs: Any, weights: Any, seed: Any = None) -> Any:
        inputs, weights = ops.convert_to_tensor(inputs), ops.convert_to_tensor(weights)
        angles = job.angles(inputs, weights)
        drawn = drawn_seed(seed if job.shots is not None else None)
        if gradient is None:
            return computed(angles, drawn)

        def with_gradient(angles: Any) -> Any:
            def backward(*args: Any, upstream: Any = None) -> Any:
                # Backends pass different arguments, but the upstream gradient always comes last.
                return slope(angles, args[-1] if upstream is None else upstream, drawn)

            return computed(angles, drawn), backward

        return ops.custom_gradient(with_gradient)(angles)

    return run


def drawn_seed(seed: Any) -> Any:
    """Returns a seed as one whole number, an int32 tensor; -1 for None."""
    if isinstance(seed, keras.random.SeedGenerator):
        # JAX has no int64 unless the process was started for it; TensorFlow's uint32 can't do this.
        pair = ops.cast(seed.next(), "uint32" if keras.backend.backend() == "jax" else "int64")
        return ops.cast(ops.mod(pair[0] + 40503 * pair[1], 2**31 - 1), "int32")
    return ops.convert_to_tensor(-1 if seed is None else int(seed) % (2**31 - 1), "int32")


def _number(job: Job, seed: np.ndarray) -> int | None:
    """Returns the seed for one call, drawn outside the graph: tracing would draw it only once."""
    if job.shots is None:
        return None
    return int(seed) if seed >= 0 else int(np.random.default_rng().integers(2**31 - 1))


def _refuse_xla() -> None:
    """Raises an error with a fix, in place of TensorFlow's error that XLA lacks an operation.

    Keras asks layers whether XLA can compile them, but not losses and metrics.
    """
    import tensorflow as tf

    if tf.executing_eagerly():
        return
    graph: Any = tf.compat.v1.get_default_graph()
    while graph is not None:
        context = graph._get_control_flow_context()
        if context is not None and context.IsXLAContext():
            raise ArgumentError(
                "jit_compile",
                "be False if TensorFlow calls Python code, as for a decision or a device",
                True,
                "Give it to `model.compile`.",
            )
        graph = getattr(graph, "outer_graph", None)


def array_call(
    function: Callable[..., np.ndarray], tensors: tuple[Any, ...], shape: Any, dtype: str
) -> Any:
    """Calls a function of arrays; the first array's first axis is the batch.

    Args:
        function: Maps arrays to an array of shape `(batch, *shape)`. It has no gradient.
        tensors: The function's arguments.
        shape: The shape of the result, without the batch.
        dtype: The dtype of the result.
    """
    backend = keras.backend.backend()
    batch = tensors[0].shape[0]
    if backend == "tensorflow":
        import tensorflow as tf

        _refuse_xla()
        result = tf.numpy_function(function, list(tensors), tf.as_dtype(dtype), stateful=True)
        result.set_shape((batch, *shape))
        return result
    if backend == "jax":
        import jax

        kind = jax.dtypes.canonicalize_dtype(dtype)
        spec = jax.ShapeDtypeStruct((batch, *shape), kind)  # type: ignore[no-untyped-call]
        return jax.pure_callback(
            lambda *arrays: np.asarray(function(*map(np.asarray, arrays)), kind), spec, *tensors
        )
    import torch

    if tensors[0].device.type == "meta":  # Keras builds models on tensors without values
        return torch.empty((batch, *shape), dtype=getattr(torch, dtype), device="meta")
    arrays = [ops.convert_to_numpy(tensor.detach()) for tensor in tensors]
    return ops.convert_to_tensor(function(*arrays), dtype=dtype)
