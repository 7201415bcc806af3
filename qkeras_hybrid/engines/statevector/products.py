"""Matrix products in full precision, and complex tensors as pairs of real ones."""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._double import matmul
from qkeras_hybrid._lazy import tf

# A complex tensor as its real and imaginary parts; None for an imaginary part of zero.
Pair = tuple[Any, Any]


def full_precision() -> contextlib.AbstractContextManager[Any]:
    """Returns a context in which products keep the precision of their factors, if they can.

    GPUs and TPUs round the factors of a product to 10 or 7 bits, unless they are told not to.
    """
    if keras.backend.backend() == "jax":
        jax = importlib.import_module("jax")
        return jax.default_matmul_precision("highest")  # type: ignore[no-any-return]
    return contextlib.nullcontext()


def rounds_products() -> bool:
    """Tells whether products may be rounded here, and only a global switch could prevent it."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        tf: Any = importlib.import_module("tensorflow")
        return any(device.device_type != "CPU" for device in tf.config.list_logical_devices())
    if backend == "torch":
        torch = importlib.import_module("torch")
        return bool(torch.get_float32_matmul_precision() != "highest")
    return False


def product(matrix: Any, columns: Any) -> Any:
    """Returns the product of tensors of shapes `(k, j)` and `(j, m)`, in full precision."""
    if rounds_products():
        return ops.sum(matrix[:, :, None] * columns[None], axis=1)
    return matmul(matrix, columns)


def batched_product(matrices: Any, columns: Any) -> Any:
    """Returns the products of tensors of shapes `(m, k, j)` and `(m, j, n)`, as `product`."""
    if rounds_products():
        return ops.sum(matrices[..., None] * columns[:, None], axis=2)
    return matmul(matrices, columns)


def as_complex(re: Any, im: Any) -> Any:
    """Returns real and imaginary parts as one complex tensor of their precision."""
    if keras.backend.backend() == "tensorflow":
        # The derivative of a cast to complex warns that it drops an imaginary part.
        return tf.complex(re, im)
    # ops.view_as_complex would round float64 to complex64.
    double = keras.backend.standardize_dtype(re.dtype) == "float64"
    kind = "complex128" if double else "complex64"
    return ops.cast(re, kind) + ops.cast(im, kind) * 1j


def complex_product(matrix: Pair, columns: Pair) -> Pair:
    """Returns the product of complex matrices; real factors cost less."""
    (a, b), (re, im) = matrix, columns
    return (
        _difference(product(a, re), _maybe(product, b, im)),
        _total(_maybe(product, a, im), _maybe(product, b, re)),
    )


def times(first: Pair, second: Pair) -> Pair:
    """Returns the elementwise product of complex tensors; real factors cost less."""
    (a, b), (re, im) = first, second

    def both(x: Any, y: Any) -> Any:
        return x * y

    return (
        _difference(a * re, _maybe(both, b, im)),
        _total(_maybe(both, a, im), _maybe(both, b, re)),
    )


def each(function: Any, pair: Pair) -> Pair:
    """Applies a linear function to the parts of a complex tensor."""
    return function(pair[0]), None if pair[1] is None else function(pair[1])


def constant(values: np.ndarray, dtype: str) -> Pair:
    """Returns constant complex values."""
    im = real_constant(values.imag, dtype) if np.any(values.imag) else None
    return real_constant(values.real, dtype), im


def real_constant(values: np.ndarray, dtype: str) -> Any:
    """Returns constant real values."""
    return ops.convert_to_tensor(values, dtype=dtype)


def _maybe(function: Any, x: Any, y: Any) -> Any:
    return None if x is None or y is None else function(x, y)


def _total(x: Any, y: Any) -> Any:
    if x is None or y is None:
        return y if x is None else x
    return x + y


def _difference(x: Any, y: Any) -> Any:
    return x if y is None else x - y
