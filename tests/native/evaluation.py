"""Runs programs on the native engine, under whichever Keras backend is set."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from keras import ops

from native import reference
from qkeras_hybrid.engines.native import NativeEngine, lowering
from qkeras_hybrid.program import Compiled
from qkeras_hybrid.testing.numbers import value_and_gradients

LANES = ("samples", "amplitudes")
# float64: rounding over a few hundred operations. float32: the same at 6e-8 an operation, with
# random coefficients of a few units.
TOLERANCE = {"float64": 1e-11, "float32": 2e-4}


def tensors(*arrays: Any, dtype: str = "float64") -> tuple[Any, ...]:
    return tuple(ops.convert_to_tensor(np.asarray(array, dtype), dtype) for array in arrays)


def evaluate(
    program: Compiled, x: Any, w: Any, upstream: Any, dtype: str, lanes: str = "auto"
) -> tuple[np.ndarray, ...]:
    """Expectations, and gradients of `sum(upstream * expectation)` by inputs and weights."""
    run = NativeEngine(lanes).prepare(program.job(dtype))
    values = ops.convert_to_numpy(run(*tensors(x, w, dtype=dtype)))
    (factors,) = tensors(upstream, dtype=dtype)
    _, gradients = value_and_gradients(
        lambda inputs, weights: run(inputs, weights) * factors, x.astype(dtype), w.astype(dtype)
    )
    return values, *gradients


def lowered(compiled: Compiled) -> bytes:
    return lowering.lower(compiled.program, compiled.angles.affine, compiled.readout)


def draw(program: Compiled, batch: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Inputs, weights and an upstream gradient."""
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(batch, len(program.inputs))),
        rng.normal(size=len(program.weights)),
        rng.normal(size=(batch, len(program.observables))),
    )


def assert_agrees(program: Compiled, batch: int, seed: int = 0) -> None:
    """Holds all kernels against the dense reference."""
    x, w, upstream = draw(program, batch, seed)
    wanted = (
        reference.expectation(program, x, w),
        *reference.gradients(program, x, w, upstream),
    )
    for dtype, tolerance in TOLERANCE.items():
        for lanes in LANES:
            found = evaluate(program, x, w, upstream, dtype, lanes)
            for name, a, b in zip(("values", "inputs", "weights"), found, wanted, strict=True):
                assert a.dtype == dtype
                np.testing.assert_allclose(
                    a, b, atol=tolerance, rtol=tolerance, err_msg=f"{name} {dtype} {lanes}"
                )


def resealed(data: bytes, place: int, value: int) -> bytes:
    """The program with a byte changed and a checksum that agrees."""
    body = bytearray(data[12:])
    body[place % len(body)] = value
    return data[:4] + struct.pack("<II", len(body), zlib.crc32(body)) + bytes(body)
