"""A circuit as a linear layer on functions of its angles: products of waves, or their sums."""

from __future__ import annotations

import functools
import math
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid.surrogates.base import Fit, Method, Question, RefusedError, plural, size
from qkeras_hybrid.surrogates.coefficients import Coefficients
from qkeras_hybrid.surrogates.graphs import dense, joined, outer

Tensor = Any

MOST_PRODUCTS = 60_000
"""The most features."""

MANY = 2**18
"""More coefficients than these take seconds."""


def wave_features(inputs: Tensor, direction: np.ndarray, degree: int) -> Tensor:
    """Returns `1, cos p, sin p, ..., cos Kp, sin Kp` of a phase.

    Args:
        inputs: Symbolic tensor of shape `(batch, n_inputs)`.
        direction: `p = direction @ inputs`, in radians.
        degree: The number `K`.

    Returns:
        Symbolic tensor of shape `(batch, 2 * degree + 1)`.
    """
    # All are cosines: of 0, of the phase's multiples, and of these less a quarter turn.
    multiples = np.array([0, *(k for k in range(1, degree + 1) for _ in range(2))], float)
    turns = np.array([0, *(t for _ in range(degree) for t in (0.0, -math.pi / 2))])
    return ops.cos(dense(inputs, np.outer(direction, multiples), turns, trainable=False))


class ProductFeatures(Method):
    """A linear layer on all products of a wave of each angle: exact, for few angles."""

    name = "product_features"

    def slow(self, question: Question) -> bool:
        """Tells whether there are many coefficients."""
        return question.n_coefficients > MANY

    def fit(self, question: Question) -> Fit:
        """Computes the coefficients of all products."""
        found = question.coefficients
        n_products = math.prod(found.sizes)
        if n_products > MOST_PRODUCTS:
            raise RefusedError(
                f"{n_products:,} products of waves of {len(found.degrees)} angles are more than "
                f"{MOST_PRODUCTS:,}"
            )
        table = found.tensor.reshape(n_products, found.width)
        numbers = size(table) + _stored(found)

        def build(inputs: Tensor) -> Tensor:
            if not found.degrees:
                return dense(inputs, np.zeros((inputs.shape[1], found.width)), table[0])
            waves = [
                wave_features(inputs, direction, degree)
                for direction, degree in zip(found.directions, found.degrees, strict=True)
            ]
            if len(waves) == 1:
                return dense(waves[0], table)
            # The products of one half of the waves by a large matrix, then by those of the other
            # half: a batch never has all products at once.
            middle = len(waves) // 2
            left, right = _products(waves[:middle]), _products(waves[middle:])
            p, q = left.shape[1], right.shape[1]
            matrix = table.reshape(p, q, found.width).transpose(1, 0, 2).reshape(q, -1)
            sums = keras.layers.Reshape((p, found.width), dtype=left.dtype)(dense(right, matrix))
            factors = keras.layers.Reshape((p, 1), dtype=left.dtype)(left)
            return ops.sum(ops.multiply(sums, factors), axis=1)

        return Fit(self.name, numbers, _says(found, n_products), found.lost, build)


def _says(found: Coefficients, n_products: int) -> str:
    if not found.degrees:
        return "constants"
    angles = plural(len(found.degrees), "angle")
    return f"a linear layer on {plural(n_products, 'Fourier feature')} of {angles}"


def _stored(found: Coefficients) -> int:
    return sum(n * found.directions.shape[1] + n for n in found.sizes)


def _products(waves: list[Tensor]) -> Tensor:
    if len(waves) == 1:
        return waves[0]
    middle = len(waves) // 2
    return outer(_products(waves[:middle]), _products(waves[middle:]))


class FourierSeries(Method):
    """A sum of waves, without those whose amplitudes add up to less than the tolerance."""

    name = "fourier_series"

    def slow(self, question: Question) -> bool:
        """Tells whether there are many coefficients."""
        return question.n_coefficients > MANY

    def fit(self, question: Question) -> Fit:
        """Computes the spectrum, and leaves out what is small."""
        found = question.coefficients
        frequencies, cosines, sines, constant = spectrum(found)
        kept, dropped = _kept(cosines, sines, question.tolerance / 4 - found.lost)
        bound = dropped + found.lost
        if len(kept) > MOST_PRODUCTS:
            raise RefusedError(f"{len(kept):,} waves are more than {MOST_PRODUCTS:,}")
        chosen = frequencies[kept] @ found.directions
        table = np.concatenate([cosines[kept], sines[kept]])
        all_waves = len(frequencies)
        says = f"a Fourier series of {plural(len(kept), 'wave')}" if len(kept) else "constants"
        if len(kept) < all_waves:
            says += f"; the {all_waves - len(kept):,} left out change no value by over {bound:.1g}"

        def build(inputs: Tensor) -> Tensor:
            if not len(kept):
                return dense(inputs, np.zeros((inputs.shape[1], found.width)), constant)
            phases = dense(inputs, chosen.T, trainable=False)
            return dense(joined([ops.cos(phases), ops.sin(phases)]), table, constant)

        return Fit(self.name, size(chosen, table, constant), says, bound, build)


def spectrum(found: Coefficients) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Writes a polynomial as a sum of cosines and sines of whole frequencies.

    Returns:
        Frequencies in units of the phases, of shape `(n_waves, n_phases)`; one of each pair of
        opposite ones. The coefficients of cosines and sines, of shape `(n_waves, width)`. The
        constants, of shape `(width,)`.
    """
    tensor = found.tensor.astype(complex)
    for axis, degree in enumerate(found.degrees):
        tensor = np.moveaxis(np.tensordot(_exponentials(degree), tensor, (1, axis)), 0, axis)
    flat = tensor.reshape(-1, found.width)
    middle = len(flat) // 2
    count = len(flat) - middle - 1
    index = np.unravel_index(np.arange(middle + 1, len(flat)), found.sizes) if count else ()
    frequencies = np.array(
        [axis - degree for axis, degree in zip(index, found.degrees, strict=True)], float
    ).reshape(len(found.degrees), count)
    half = flat[middle + 1 :]
    return frequencies.T, 2 * half.real, -2 * half.imag, flat[middle].real


@functools.cache
def _exponentials(degree: int) -> np.ndarray:
    """Returns the matrix from `1, cos p, sin p, ...` to `exp(-i K p), ..., exp(i K p)`."""
    matrix = np.zeros((2 * degree + 1, 2 * degree + 1), complex)
    matrix[degree, 0] = 1
    for k in range(1, degree + 1):
        matrix[degree + k, 2 * k - 1] = matrix[degree - k, 2 * k - 1] = 0.5
        matrix[degree + k, 2 * k], matrix[degree - k, 2 * k] = -0.5j, 0.5j
    return matrix


def _kept(cosines: np.ndarray, sines: np.ndarray, allowed: float) -> tuple[np.ndarray, float]:
    """Returns the waves that are kept, and the most that all others add up to."""
    amplitudes = np.hypot(cosines, sines)
    order = np.argsort(amplitudes.max(axis=1, initial=0.0))
    lost = np.cumsum(amplitudes[order], axis=0).max(axis=1, initial=0.0)
    dropped = int(np.searchsorted(lost, allowed, side="right"))
    return np.sort(order[dropped:]), float(lost[dropped - 1]) if dropped else 0.0
