"""Elementary functions that keep float64, which `keras.ops` rounds to float32 on JAX and torch.

Keras's type promotion keeps float64 only under TensorFlow. There the sine of a float64 tensor is
float64; under the other backends it is float32.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

_NATIVE = {"jax": "jax.numpy", "torch": "torch"}


def elementwise(name: str) -> Callable[..., Any]:
    """Returns a version of `keras.ops.<name>` that maps float64 to float64.

    Args:
        name: A name that `keras.ops`, `jax.numpy` and `torch` share, such as `"arctan2"`.
    """

    def function(*arguments: Any) -> Any:
        dtypes = {keras.backend.standardize_dtype(a.dtype) for a in arguments}
        native = _NATIVE.get(keras.backend.backend())
        if native is None or dtypes != {"float64"} or keras.utils.is_keras_tensor(arguments[0]):
            return getattr(ops, name)(*arguments)
        return getattr(importlib.import_module(native), name)(*arguments)

    return function


sin = elementwise("sin")
cos = elementwise("cos")
arctan2 = elementwise("arctan2")
maximum = elementwise("maximum")
minimum = elementwise("minimum")
matmul = elementwise("matmul")
