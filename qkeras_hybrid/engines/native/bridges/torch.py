"""The native engine under PyTorch: functions with a gradient that call the core directly.

Eagerly they are `torch.autograd.Function`s, which cost little. `torch.compile` gets the operators
of `torch_operators`, which it puts into its graph unchanged.
"""

from __future__ import annotations

from typing import Any

import keras
import torch

from qkeras_hybrid.engines.native import library
from qkeras_hybrid.engines.native.bridges import torch_calls as calls
from qkeras_hybrid.engines.native.bridges import torch_operators as operators
from qkeras_hybrid.engines.native.bridges.base import SECOND_DERIVATIVES


def unavailable() -> str | None:
    """Returns why PyTorch can't be used, or None if it can."""
    return None  # it was imported


def threads() -> int:
    """Returns how many threads PyTorch uses within an operation."""
    return int(torch.get_num_threads())


class Operations:
    """A lowered program under PyTorch; see the package's docstring."""

    def __init__(self, program: bytes, lanes: str, keep: bool) -> None:
        self._session = library.Session(program, lanes)
        self._program = operators.as_text(program, lanes)
        self._keep = keep

    def expectation(self, inputs: Any, weights: Any) -> Any:
        if _shapes_alone(inputs):
            return operators.expectation(inputs, weights, self._program)[0]
        keep = self._keep and torch.is_grad_enabled()
        return _Expectation.apply(inputs, weights, self._session, keep)

    def state(self, inputs: Any, weights: Any) -> Any:
        if _shapes_alone(inputs):
            return operators.state(inputs, weights, self._program)
        return _State.apply(inputs, weights, self._session)

    def sample(self, inputs: Any, weights: Any, shots: int, seed: Any) -> Any:
        return operators.sample(
            inputs.detach(), weights.detach(), shots, _stream(seed), self._program
        )


def _shapes_alone(tensor: Any) -> bool:
    """Tells whether PyTorch compiles, or Keras builds a model on tensors without values."""
    return bool(torch.compiler.is_compiling() or tensor.device.type == "meta")


def _stream(seed: Any) -> Any:
    """Returns two int64 numbers that name a stream of random numbers."""
    if seed is None:
        # From Keras's own state, as for a dropout layer without a seed.
        drawn = keras.random.randint((2,), 0, 2**31 - 1)
    elif isinstance(seed, keras.random.SeedGenerator):
        drawn = seed.next()
    else:
        drawn = torch.tensor([int(seed), 0])
    if drawn.device.type == "meta":  # Keras asks only for shapes, and draws nothing
        return torch.zeros(2, dtype=torch.int64, device="cpu")
    return drawn.to("cpu", torch.int64)


class _Once(torch.autograd.Function):
    """The identity on gradients, which can't be differentiated again."""

    @staticmethod
    def forward(ctx: Any, inputs: Any, weights: Any, *gradients: Any) -> Any:
        return tuple(gradient.clone() for gradient in gradients)

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        raise NotImplementedError(SECOND_DERIVATIVES)


def _once(inputs: Any, weights: Any, d_inputs: Any, d_weights: Any, need_inputs: bool) -> Any:
    if torch.is_grad_enabled():  # as in a backward pass that is to be differentiated
        d_inputs, d_weights = _Once.apply(inputs, weights, d_inputs, d_weights)
    return d_inputs if need_inputs else None, d_weights


class _Expectation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Any, weights: Any, session: Any, keep: bool) -> Any:
        values, measured, kept = calls.expectation(session, inputs, weights, keep)
        ctx.save_for_backward(inputs, weights, measured, kept)
        ctx.session = session
        return values

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> Any:
        inputs, weights, measured, kept = ctx.saved_tensors
        need_inputs = ctx.needs_input_grad[0]
        d_inputs, d_weights = calls.expectation_gradient(
            ctx.session, inputs, weights, measured, kept, upstream, need_inputs
        )
        return *_once(inputs, weights, d_inputs, d_weights, need_inputs), None, None


class _State(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Any, weights: Any, session: Any) -> Any:
        ctx.save_for_backward(inputs, weights)
        ctx.session = session
        return calls.state(session, inputs, weights)

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> Any:
        inputs, weights = ctx.saved_tensors
        need_inputs = ctx.needs_input_grad[0]
        d_inputs, d_weights = calls.state_gradient(
            ctx.session, inputs, weights, upstream, need_inputs
        )
        return *_once(inputs, weights, d_inputs, d_weights, need_inputs), None
