"""All angles of a plan, their cosines and sines, in one computation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._double import cos, sin
from qkeras_hybrid.engines.statevector.products import product, real_constant
from qkeras_hybrid.program.angles import Angle, AngleTable

# A dense table costs a matrix product, and its gradient another. From this size on, gathering costs
# less.
_MOST_DENSE_ELEMENTS = 2**16


class AngleBook:
    """Collects angles first, and later computes all of them at once.

    Angles that depend on inputs are kept apart from the others, which are the same for the whole
    batch.

    Args:
        n_inputs: The number of inputs of the affine angles.
        n_weights: The number of their weights.
    """

    def __init__(self, n_inputs: int, n_weights: int) -> None:
        self._n_inputs, self._n_weights = n_inputs, n_weights
        self._angles: tuple[list[Angle], list[Angle]] = ([], [])
        self._requests: list[tuple[bool, int, int]] = []

    def add(self, angles: Sequence[Angle]) -> int:
        """Adds angles, and returns the index under which `Computed` has them."""
        of_inputs = any(angle.inputs for angle in angles)
        kept = self._angles[of_inputs]
        self._requests.append((of_inputs, len(kept), len(kept) + len(angles)))
        kept += angles
        return len(self._requests) - 1

    def __call__(self, inputs: Any, weights: Any) -> Computed:
        """Computes the angles.

        Args:
            inputs: Tensor of shape `(batch, n_inputs)`, as the affine angles take it.
            weights: Tensor of shape `(n_weights,)`, likewise.
        """
        fixed, varying = self._angles
        both = [
            self._of_weights(fixed, weights) if fixed else None,
            self._of_weights(varying, weights) + self._of_inputs(varying, inputs)
            if varying
            else None,
        ]
        return Computed(both, self._requests, keras.backend.standardize_dtype(inputs.dtype))

    def _of_weights(self, angles: Sequence[Angle], weights: Any) -> Any:
        terms, offsets = [a.weights for a in angles], [a.offset for a in angles]
        dtype = keras.backend.standardize_dtype(weights.dtype)
        if not any(terms):
            return real_constant(np.array(offsets)[:, None], dtype)
        if len(angles) * self._n_weights > _MOST_DENSE_ELEMENTS:
            return AngleTable(terms, offsets)(weights)[:, None]
        found = product(real_constant(_dense(terms, self._n_weights), dtype), weights[:, None])
        return found + real_constant(np.array(offsets)[:, None], dtype) if any(offsets) else found

    def _of_inputs(self, angles: Sequence[Angle], inputs: Any) -> Any:
        terms = [a.inputs for a in angles]
        if len(angles) * self._n_inputs > _MOST_DENSE_ELEMENTS:
            return ops.transpose(AngleTable(terms)(inputs))
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        return product(real_constant(_dense(terms, self._n_inputs), dtype), ops.transpose(inputs))


def _dense(rows: Sequence[tuple[tuple[int, float], ...]], width: int) -> np.ndarray:
    matrix = np.zeros((len(rows), width))
    for row, terms in zip(matrix, rows, strict=True):
        for i, coefficient in terms:
            row[i] += coefficient
    return matrix


class Computed:
    """The angles of a book, computed.

    Attributes:
        dtype: Their precision, "float32" or "float64".
        both: The angles of weights alone, then those of inputs too; None where there are none.
    """

    def __init__(
        self, both: Sequence[Any], requests: Sequence[tuple[bool, int, int]], dtype: str
    ) -> None:
        self.dtype = dtype
        self.both, self._requests = both, requests
        self._waves = [None if part is None else _waves(part) for part in both]

    def replaced(self, both: Sequence[Any]) -> Computed:
        """Returns the same with other tensors in the place of `both`."""
        return Computed(both, self._requests, self.dtype)

    def angles(self, request: int) -> Any:
        """Returns the angles, of shape `(n, batch)`, or `(n, 1)` if they depend on no input."""
        of_inputs, start, end = self._requests[request]
        return self.both[of_inputs][start:end]

    def waves(self, request: int) -> Any:
        """Returns their cosines and sines, of shape `(n, 2, batch or 1)`."""
        of_inputs, start, end = self._requests[request]
        waves: Any = self._waves[of_inputs]
        return waves[start:end]


def _waves(angles: Any) -> Any:
    return ops.stack([cos(angles), sin(angles)], axis=1)
