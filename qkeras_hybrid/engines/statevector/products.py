"""Matrix products in full precision, and complex tensors as pairs of real ones."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._double import cos, sin
from qkeras_hybrid.program.angles import Angle, AngleTable

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
    """Tells whether products may be rounded here, and nothing short of a global switch helps."""
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
    return ops.matmul(matrix, columns)


def complex_product(matrix: Pair, columns: Pair) -> Pair:
    """Returns the product of complex matrices; what is real costs less."""
    (a, b), (re, im) = matrix, columns
    return (
        _difference(product(a, re), _maybe(product, b, im)),
        _total(_maybe(product, a, im), _maybe(product, b, re)),
    )


def times(first: Pair, second: Pair) -> Pair:
    """Returns the elementwise product of complex tensors; what is real costs less."""
    (a, b), (re, im) = first, second

    def both(x: Any, y: Any) -> Any:
        return x * y

    return (
        _difference(a * re, _maybe(both, b, im)),
        _total(_maybe(both, a, im), _maybe(both, b, re)),
    )


def plus(first: Pair, second: Pair) -> Pair:
    """Returns the sum of complex tensors."""
    return first[0] + second[0], _total(first[1], second[1])


def each(function: Any, pair: Pair) -> Pair:
    """Applies a linear function to the parts of a complex tensor."""
    return function(pair[0]), None if pair[1] is None else function(pair[1])


def constant(values: np.ndarray, dtype: str) -> Pair:
    """Returns constant complex values."""
    im = ops.convert_to_tensor(values.imag, dtype=dtype) if np.any(values.imag) else None
    return ops.convert_to_tensor(values.real, dtype=dtype), im


def _maybe(function: Any, x: Any, y: Any) -> Any:
    return None if x is None or y is None else function(x, y)


def _total(x: Any, y: Any) -> Any:
    if x is None or y is None:
        return y if x is None else x
    return x + y


def _difference(x: Any, y: Any) -> Any:
    return x if y is None else x - y


class Values:
    """What a run is given, and the precision of its tensors.

    Attributes:
        inputs: Tensor of shape `(batch, n_inputs)`, as the affine angles take it.
        weights: Tensor of shape `(n_weights,)`, likewise.
        dtype: "float32" or "float64".
    """

    def __init__(self, inputs: Any, weights: Any) -> None:
        self.inputs, self.weights = inputs, weights
        self.dtype: str = keras.backend.standardize_dtype(inputs.dtype)

    def constant(self, values: np.ndarray) -> Any:
        """Returns real values in this precision."""
        return ops.convert_to_tensor(values, dtype=self.dtype)


class Angles:
    """Affine angles of inputs and weights, all computed at once."""

    def __init__(self, angles: Sequence[Angle]) -> None:
        self._of_weights = AngleTable([a.weights for a in angles], [a.offset for a in angles])
        self._of_inputs = AngleTable([a.inputs for a in angles])
        self.of_inputs = any(a.inputs for a in angles)

    def __call__(self, values: Values) -> Any:
        """Returns the angles, of shape `(n_angles, batch)`, or `(n_angles, 1)` of weights alone."""
        angles = self._of_weights(values.weights)[:, None]
        if self.of_inputs:
            angles = angles + ops.transpose(self._of_inputs(values.inputs))
        return angles


def cos_sin(angles: Any) -> Pair:
    """Returns the cosine and the sine of angles."""
    return cos(angles), sin(angles)
