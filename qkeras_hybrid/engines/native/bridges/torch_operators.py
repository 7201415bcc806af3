"""The core's functions as operators of `torch.library`, for `torch.compile`.

They keep no states for the gradient, which recomputes them: their number would depend on the
batch's size, which is unknown while PyTorch traces.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor
from torch.library import custom_op

from qkeras_hybrid.engines.native import library
from qkeras_hybrid.engines.native.bridges import torch_calls as calls
from qkeras_hybrid.engines.native.bridges.base import SECOND_DERIVATIVES


# Enough for the programs that a process alternates between; evicted ones are opened again.
@functools.lru_cache(maxsize=256)
def _opened(program: str) -> library.Session:
    lanes, digits = program.split(":")
    return library.Session(bytes.fromhex(digits), lanes)


def as_text(program: bytes, lanes: str) -> str:
    """Returns the text that stands for a program in an operator's arguments.

    It contains the whole program, since a graph may be exported or cached on disk, and loaded by a
    process that never had the layer.
    """
    return f"{lanes}:{program.hex()}"


@custom_op("qkeras_hybrid::expectation", mutates_args=())
def expectation(inputs: Tensor, weights: Tensor, program: str) -> tuple[Tensor, Tensor]:
    """Returns expectation values, and the values of the measured strings."""
    values, measured, _ = calls.expectation(_opened(program), inputs, weights, False)
    return values, measured


@custom_op("qkeras_hybrid::expectation_gradient", mutates_args=())
def expectation_gradient(
    inputs: Tensor, weights: Tensor, measured: Tensor, upstream: Tensor, program: str, need: bool
) -> tuple[Tensor, Tensor]:
    """Returns the gradients by inputs, empty without `need`, and by weights."""
    kept = inputs.new_empty((0, 0))
    d_inputs, d_weights = calls.expectation_gradient(
        _opened(program), inputs, weights, measured, kept, upstream, need
    )
    return d_inputs, d_weights


@custom_op("qkeras_hybrid::state", mutates_args=())
def state(inputs: Tensor, weights: Tensor, program: str) -> Tensor:
    """Returns final states."""
    states: Tensor = calls.state(_opened(program), inputs, weights)
    return states


@custom_op("qkeras_hybrid::state_gradient", mutates_args=())
def state_gradient(
    inputs: Tensor, weights: Tensor, upstream: Tensor, program: str, need: bool
) -> tuple[Tensor, Tensor]:
    """Returns the gradients by inputs, empty without `need`, and by weights."""
    d_inputs, d_weights = calls.state_gradient(_opened(program), inputs, weights, upstream, need)
    return d_inputs, d_weights


@custom_op("qkeras_hybrid::sample", mutates_args=())
def sample(inputs: Tensor, weights: Tensor, shots: int, seed: Tensor, program: str) -> Tensor:
    """Returns measured bits."""
    bits: Tensor = calls.sample(_opened(program), inputs, weights, shots, seed)
    return bits


# --- Shapes and dtypes, for tracing


@expectation.register_fake
def _(inputs: Any, weights: Any, program: str) -> Any:
    batch, sizes = inputs.shape[0], _opened(program)
    values = inputs.new_empty((batch, sizes.n_observables))
    return values, inputs.new_empty((batch, sizes.n_measured))


@expectation_gradient.register_fake
def _(inputs: Any, weights: Any, measured: Any, upstream: Any, program: str, need: bool) -> Any:
    return _slopes(inputs, weights, need)


@state.register_fake
def _(inputs: Any, weights: Any, program: str) -> Any:
    dtype = torch.complex128 if inputs.dtype == torch.float64 else torch.complex64
    return inputs.new_empty((inputs.shape[0], 2 ** _opened(program).n_qubits), dtype=dtype)


@state_gradient.register_fake
def _(inputs: Any, weights: Any, upstream: Any, program: str, need: bool) -> Any:
    return _slopes(inputs, weights, need)


@sample.register_fake
def _(inputs: Any, weights: Any, shots: int, seed: Any, program: str) -> Any:
    shape = (inputs.shape[0], shots, _opened(program).n_qubits)
    return inputs.new_empty(shape, dtype=torch.int32)


def _slopes(inputs: Any, weights: Any, need: bool) -> Any:
    d_inputs = torch.empty_like(inputs) if need else inputs.new_empty((0, 0))
    return d_inputs, torch.empty_like(weights)


# --- Gradients


def _keep_measured(ctx: Any, inputs: Any, output: Any) -> None:
    *tensors, ctx.program = inputs
    ctx.save_for_backward(*tensors, output[1])


def _keep_arguments(ctx: Any, inputs: Any, output: Any) -> None:
    *tensors, ctx.program = inputs
    ctx.save_for_backward(*tensors)


def _expectation_backward(ctx: Any, upstream: Any, _: Any) -> Any:
    need = ctx.needs_input_grad[0]
    d_inputs, d_weights = expectation_gradient(*ctx.saved_tensors, upstream, ctx.program, need)
    return d_inputs if need else None, d_weights, None


def _state_backward(ctx: Any, upstream: Any) -> Any:
    need = ctx.needs_input_grad[0]
    d_inputs, d_weights = state_gradient(*ctx.saved_tensors, upstream, ctx.program, need)
    return d_inputs if need else None, d_weights, None


def _refuse(ctx: Any, *upstream: Any) -> Any:
    raise NotImplementedError(SECOND_DERIVATIVES)


expectation.register_autograd(_expectation_backward, setup_context=_keep_measured)
state.register_autograd(_state_backward, setup_context=_keep_arguments)
expectation_gradient.register_autograd(_refuse)
state_gradient.register_autograd(_refuse)
