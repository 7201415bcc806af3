"""The native engine under JAX: handlers that XLA calls on the CPU, in compiled code too.

`jit`, `grad`, `vmap`, `lax.scan` and Keras's jitted `fit` take them as they take JAX's own
operations; forward mode and second derivatives are refused.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import jax.ffi
import keras
import numpy as np

from qkeras_hybrid.engines.native import library
from qkeras_hybrid.engines.native.bridges.base import SECOND_DERIVATIVES

# These have no type hints.
ffi: Any = jax.ffi
shape_and_dtype: Any = jax.ShapeDtypeStruct

HANDLERS = {
    "expectation": "QhJaxExpectation",
    "expectation_gradient": "QhJaxExpectationGradient",
    "state": "QhJaxState",
    "state_gradient": "QhJaxStateGradient",
    "sample": "QhJaxSample",
}


# The part of XLA's interface that the handlers use has not changed in any minor version so far.
MINOR_VERSIONS = range(1, 16)


@functools.cache
def _register() -> None:
    """Registers the handlers, under the first version of the interface that XLA takes."""
    core = library.core()
    handlers = {_target(name): getattr(core, symbol) for name, symbol in HANDLERS.items()}
    refusals = []
    for minor in MINOR_VERSIONS:
        core.QhJaxSetVersion(minor)
        try:
            for target, handler in handlers.items():
                ffi.register_ffi_target(target, ffi.pycapsule(handler), platform="cpu")
            return
        except RuntimeError as error:  # as JAX's own error is
            refusals.append(str(error))
    raise RuntimeError(
        f"The native engine's handlers do not work with JAX {jax.__version__}: {refusals[0]}"
    )


def _target(name: str) -> str:
    # The name includes the version: an executable in JAX's disk cache must not call the handlers of
    # another.
    return f"qkeras_hybrid_{name}_{library.built_version()}"


@functools.cache
def unavailable() -> str | None:
    """Returns why the handlers can't be used, or None if they can. Registers them."""
    try:
        _register()
    except RuntimeError as error:
        return str(error)
    return None


def threads() -> int:
    """JAX has no such setting: one thread per processor."""
    return 0


class Operations:
    """A lowered program under JAX; see the package's docstring."""

    def __init__(self, program: bytes, lanes: str, keep: bool) -> None:
        _register()
        self._session = library.Session(program, lanes)
        self._attributes = {
            "program": program.hex(),
            "lanes": lanes,
            "digest": hashlib.sha256(lanes.encode() + program).hexdigest(),
        }
        self._keep = keep
        self.expectation = self._differentiable(
            self._expectation, "expectation_gradient", lambda upstream: upstream
        )
        # JAX has dL = Re(g dz) where the core has dL = Re(conj(g) dz).
        self.state = self._differentiable(
            self._state, "state_gradient", lambda upstream: upstream.conj()
        )

    def _call(self, name: str, shapes: list[tuple[tuple[int, ...], Any]], *arguments: Any) -> Any:
        results = [shape_and_dtype(shape, dtype) for shape, dtype in shapes]
        call = ffi.ffi_call(_target(name), results, vmap_method="expand_dims")
        return _undifferentiable(lambda *arrays: call(*arrays, **self._attributes))(*arguments)

    def _expectation(self, inputs: Any, weights: Any, keep: bool) -> tuple[Any, tuple[Any, ...]]:
        batch, dtype = inputs.shape[0], inputs.dtype
        # A batch of unknown size, as in `jax.export`, can't reserve memory for kept states.
        sized = keep and isinstance(batch, int)
        kept = self._session.kept_shape(dtype.name, batch) if sized else (0, 0)
        values, measured, states = self._call(
            "expectation",
            [
                ((batch, self._session.n_observables), dtype),
                ((batch, self._session.n_measured), dtype),
                (kept, dtype),
            ],
            inputs,
            weights,
        )
        return values, (measured, states)

    def _state(self, inputs: Any, weights: Any, keep: bool) -> tuple[Any, tuple[Any, ...]]:
        dtype = "complex128" if inputs.dtype == "float64" else "complex64"
        shape = (inputs.shape[0], 2**self._session.n_qubits)
        return self._call("state", [(shape, np.dtype(dtype))], inputs, weights)[0], ()

    def sample(self, inputs: Any, weights: Any, shots: int, seed: Any) -> Any:
        shape = (inputs.shape[0], shots, self._session.n_qubits)
        # Bits have no gradient.
        arguments = map(jax.lax.stop_gradient, (inputs, weights, _stream(seed)))
        return self._call("sample", [(shape, np.dtype("int32"))], *arguments)[0]

    def _differentiable(self, compute: Any, gradient: str, cotangent: Any) -> Any:
        """Returns `compute` as a function of inputs and weights, with its gradient.

        Args:
            compute: Maps inputs, weights and `keep` to a result and the further arguments of its
                gradient, in the order of the handler `gradient`.
            gradient: The name of that handler.
            cotangent: Maps the upstream gradient in JAX's convention to that of the core.
        """

        @jax.custom_vjp
        def function(inputs: Any, weights: Any) -> Any:
            return compute(inputs, weights, False)[0]

        def forward(inputs: Any, weights: Any) -> tuple[Any, Any]:
            result, more = compute(inputs.value, weights.value, self._keep)
            # The inputs of a first layer are data, whose gradient is not needed. An empty tuple and
            # None differ in structure, which is how this is known while tracing.
            wanted = () if inputs.perturbed else None
            return result, (wanted, inputs.value, weights.value, more)

        def backward(residuals: Any, upstream: Any) -> tuple[Any, Any]:
            wanted, inputs, weights, more = residuals
            if isinstance(upstream, jax.custom_derivatives.SymbolicZero):
                upstream = jax.numpy.zeros(upstream.shape, upstream.dtype)
            shape = (0, 0) if wanted is None else inputs.shape
            d_inputs, d_weights = self._call(
                gradient,
                [(shape, inputs.dtype), (weights.shape, weights.dtype)],
                *(inputs, weights, *more, cotangent(upstream)),
            )
            return None if wanted is None else d_inputs, d_weights

        function.defvjp(forward, backward, symbolic_zeros=True)
        return function


def _undifferentiable(function: Any) -> Any:
    """Returns a function whose derivatives raise NotImplementedError."""
    guarded = jax.custom_jvp(function)

    def refuse(primals: Any, tangents: Any) -> Any:
        raise NotImplementedError(SECOND_DERIVATIVES)

    guarded.defjvp(refuse)
    return guarded


def _stream(seed: Any) -> Any:
    """Returns two numbers of 64 bits that name a stream of random numbers, as four of 32 bits.

    The lower half of each comes first.
    """
    if isinstance(seed, int):
        words = [seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF, 0, 0]
        return jax.numpy.asarray(np.array(words, "uint32"))
    if seed is None:
        # From Keras's own state, as for a dropout layer without a seed.
        drawn = keras.random.randint((2,), 0, 2**31 - 1)
    elif isinstance(seed, keras.random.SeedGenerator):
        drawn = seed.next()
    else:
        drawn = jax.numpy.stack([jax.numpy.asarray(seed), jax.numpy.asarray(0)])
    halves = drawn.astype("uint32")
    zero = jax.numpy.zeros_like(halves[0])
    return jax.numpy.stack([halves[0], zero, halves[1], zero])
