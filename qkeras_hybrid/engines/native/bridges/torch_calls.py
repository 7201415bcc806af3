"""The core's functions on PyTorch's tensors, without gradients."""

from __future__ import annotations

import ctypes
from typing import Any

import torch

from qkeras_hybrid.engines.native import library


def _dtype(tensor: Any) -> str:
    return "float64" if tensor.dtype == torch.float64 else "float32"


def _checked(session: library.Session, inputs: Any, weights: Any) -> tuple[Any, Any]:
    """Returns both tensors in the shape and the row-major layout that the core reads."""
    batch = inputs.shape[0]
    shapes = (batch, session.n_inputs), (session.n_weights,)
    for name, tensor, shape in zip(("inputs", "weights"), (inputs, weights), shapes, strict=True):
        if (
            tensor.shape != shape
            or tensor.device.type != "cpu"
            or tensor.dtype != inputs.dtype
            or tensor.dtype not in (torch.float32, torch.float64)
        ):
            raise ValueError(
                f"Argument `{name}` must be a tensor of shape {shape} on the CPU, of float32 or "
                f"float64 like the other, but it has shape {tuple(tensor.shape)} on "
                f"{tensor.device} and dtype {tensor.dtype}."
            )
    return _plain(inputs), _plain(weights)


def _plain(tensor: Any) -> Any:
    """Returns a tensor as the core reads it, in row-major order.

    PyTorch conjugates and negates lazily; this does it now.
    """
    return tensor.resolve_conj().resolve_neg().contiguous()


def expectation(session: library.Session, inputs: Any, weights: Any, keep: bool) -> Any:
    """Returns expectation values, the values of the measured strings, and kept states."""
    inputs, weights = _checked(session, inputs, weights)
    batch, dtype = inputs.shape[0], _dtype(inputs)
    values = inputs.new_empty((batch, session.n_observables))
    measured = inputs.new_empty((batch, session.n_measured))
    kept = inputs.new_empty(session.kept_shape(dtype, batch) if keep else (0, 0))
    session.run(
        "QhExpectation",
        dtype,
        batch,
        inputs.data_ptr(),
        weights.data_ptr(),
        values.data_ptr(),
        measured.data_ptr(),
        kept.data_ptr() or None,
        *kept.shape,
    )
    return values, measured, kept


def expectation_gradient(
    session: library.Session,
    inputs: Any,
    weights: Any,
    measured: Any,
    kept: Any,
    upstream: Any,
    need_inputs: bool,
) -> Any:
    """Returns the gradients by inputs, empty unless needed, and by weights."""
    inputs, weights = _checked(session, inputs, weights)
    upstream = _plain(upstream)
    d_inputs = torch.empty_like(inputs) if need_inputs else inputs.new_empty((0, 0))
    d_weights = torch.empty_like(weights)
    session.run(
        "QhExpectationGradient",
        _dtype(inputs),
        inputs.shape[0],
        inputs.data_ptr(),
        weights.data_ptr(),
        measured.data_ptr(),
        upstream.data_ptr(),
        kept.data_ptr() or None,
        *kept.shape,
        d_inputs.data_ptr() if need_inputs else None,
        d_weights.data_ptr(),
    )
    return d_inputs, d_weights


def state(session: library.Session, inputs: Any, weights: Any) -> Any:
    """Returns final states."""
    inputs, weights = _checked(session, inputs, weights)
    dtype = torch.complex128 if inputs.dtype == torch.float64 else torch.complex64
    state = torch.empty((inputs.shape[0], 2**session.n_qubits), dtype=dtype)
    session.run(
        "QhState",
        _dtype(inputs),
        inputs.shape[0],
        inputs.data_ptr(),
        weights.data_ptr(),
        state.data_ptr(),
    )
    return state


def state_gradient(
    session: library.Session, inputs: Any, weights: Any, upstream: Any, need_inputs: bool
) -> Any:
    """Returns the gradients by inputs, empty unless needed, and by weights."""
    inputs, weights = _checked(session, inputs, weights)
    upstream = _plain(upstream)
    d_inputs = torch.empty_like(inputs) if need_inputs else inputs.new_empty((0, 0))
    d_weights = torch.empty_like(weights)
    session.run(
        "QhStateGradient",
        _dtype(inputs),
        inputs.shape[0],
        inputs.data_ptr(),
        weights.data_ptr(),
        upstream.data_ptr(),
        d_inputs.data_ptr() if need_inputs else None,
        d_weights.data_ptr(),
    )
    return d_inputs, d_weights


def sample(session: library.Session, inputs: Any, weights: Any, shots: int, seed: Any) -> Any:
    """Returns measured bits; `seed` is an int64 tensor of two numbers."""
    inputs, weights = _checked(session, inputs, weights)
    bits = torch.empty((inputs.shape[0], shots, session.n_qubits), dtype=torch.int32)
    session.run(
        "QhSample",
        _dtype(inputs),
        inputs.shape[0],
        inputs.data_ptr(),
        weights.data_ptr(),
        shots,
        (ctypes.c_int64 * 2)(*seed.tolist()),
        bits.data_ptr(),
    )
    return bits
