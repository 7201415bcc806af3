"""Circuits as linear layers on functions of their angles: products or sums of waves."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from qkeras_hybrid.surrogates.base import Fit, Method, Question, RefusedError, plural, size
from qkeras_hybrid.surrogates.coefficients import Coefficients
from qkeras_hybrid.surrogates.graphs import dense, joined, waves

Tensor = Any

MOST_PRODUCTS = 60_000
"""The largest number of features."""

MANY = 2**18
"""More coefficients than this take seconds."""


class ProductFeatures(Method):
    """A linear layer on all products of one wave per angle: exact, for few angles."""

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
        table, groups = _bilinear(found)
        waves_stored = sum((2 * len(group) + 1) * (group.shape[1] + 1) for group in groups)
        numbers = size(table) + waves_stored

        def build(inputs: Tensor) -> Tensor:
            left, *right = waves(inputs, groups)
            if not right:
                return dense(left, table)
            # One half of the angles after the other, so that a batch never holds all products.
            p, (other,) = left.shape[1], right
            sums = ops.reshape(dense(other, table), (-1, found.width, p))
            return ops.sum(ops.multiply(sums, ops.reshape(left, (-1, 1, p))), axis=2)

        return Fit(self.name, numbers, _says(found, n_products), found.lost, build)


def _bilinear(found: Coefficients) -> tuple[np.ndarray, list[np.ndarray]]:
    """Writes a polynomial as a bilinear form in the waves of two halves of its phases.

    The products of cosines and sines of several phases are sums of as many waves of the sums and
    differences of these phases, and one layer computes all waves.

    Returns:
        A table and groups of directions for `qkeras_hybrid.surrogates.graphs.waves`. For two
        groups with `p` and `q` waves, the table has the shape `(q, width * p)`. With fewer than two
        phases, there is one group, and the table has the shape `(p, width)`.
    """
    half = len(found.degrees) // 2
    first, second = found.degrees[:half], found.degrees[half:]
    if not half:
        table, frequencies = _of_waves(found.tensor, second)
        return table, [frequencies @ found.directions]
    table, left = _of_waves(found.tensor, first)
    table, right = _of_waves(table.T.reshape(*found.sizes[half:], -1), second)
    return table, [left @ found.directions[:half], right @ found.directions[half:]]


def _of_waves(table: np.ndarray, degrees: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Turns the table of the products of some phases' waves into that of the waves of their sums.

    Args:
        table: Of shape `(2 K_1 + 1, ..., 2 K_n + 1, ...)`.
        degrees: The numbers `K_1, ..., K_n`.

    Returns:
        The table of the waves `1, cos f, sin f, cos f', ...`, of shape `(n_waves, rest)`, and the
        frequencies `f, f', ...`, as in `spectrum`.
    """
    sizes = table.shape[: len(degrees)]
    frequencies, cosines, sines, constant = spectrum(table.reshape(*sizes, -1), degrees)
    pairs = np.stack([cosines, sines], axis=1).reshape(-1, len(constant))
    return np.concatenate([constant[None], pairs]), frequencies


def _says(found: Coefficients, n_products: int) -> str:
    if not found.degrees:
        return "constants"
    angles = plural(len(found.degrees), "angle")
    return f"a linear layer on {plural(n_products, 'Fourier feature')} of {angles}"


class FourierSeries(Method):
    """A sum of waves, without those whose amplitudes add up to less than the tolerance."""

    name = "fourier_series"

    def slow(self, question: Question) -> bool:
        """Tells whether there are many coefficients."""
        return question.n_coefficients > MANY

    def fit(self, question: Question) -> Fit:
        """Computes the spectrum, and drops small terms."""
        found = question.coefficients
        frequencies, cosines, sines, constant = spectrum(found.tensor, found.degrees)
        kept, dropped = _kept(cosines, sines, question.tolerance / 4 - found.lost)
        bound = dropped + found.lost
        if len(kept) > MOST_PRODUCTS:
            raise RefusedError(f"{len(kept):,} waves are more than {MOST_PRODUCTS:,}")
        chosen = frequencies[kept] @ found.directions
        table = np.concatenate([cosines[kept], sines[kept]])
        all_waves = len(frequencies)
        says = f"a Fourier series of {plural(len(kept), 'wave')}" if len(kept) else "constants"
        if len(kept) < all_waves:
            left_out = all_waves - len(kept)
            says += f"; the {left_out:,} waves left out change no value by more than {bound:.1g}"

        def build(inputs: Tensor) -> Tensor:
            if not len(kept):
                return dense(inputs, np.zeros((inputs.shape[1], found.width)), constant)
            phases = dense(inputs, chosen.T, trainable=False)
            return dense(joined([ops.cos(phases), ops.sin(phases)]), table, constant)

        return Fit(self.name, size(chosen, table, constant), says, bound, build)


def spectrum(
    table: np.ndarray, degrees: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Writes a polynomial as a sum of cosines and sines with integer frequencies.

    Args:
        table: The coefficients of products of `1, cos p, sin p, cos 2p, ...`, of shape
            `(2 K_1 + 1, ..., 2 K_n + 1, width)`.
        degrees: The numbers `K_1, ..., K_n`.

    Returns:
        The frequencies in units of the phases, of shape `(n_waves, n_phases)`, with one of `f` and
        `-f`; the coefficients of the cosines and of the sines, each of shape `(n_waves, width)`;
        and the constants, of shape `(width,)`.
    """
    sizes, width = table.shape[:-1], table.shape[-1]
    tensor = table.astype(complex)
    for axis, degree in enumerate(degrees):
        tensor = np.moveaxis(np.tensordot(_exponentials(degree), tensor, (1, axis)), 0, axis)
    flat = tensor.reshape(-1, width)
    middle = len(flat) // 2
    count = len(flat) - middle - 1
    index = np.unravel_index(np.arange(middle + 1, len(flat)), sizes) if count else ()
    frequencies = np.array(
        [axis - degree for axis, degree in zip(index, degrees, strict=True)], float
    ).reshape(len(degrees), count)
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
    """Returns the waves to keep, and the largest sum of all others."""
    amplitudes = np.hypot(cosines, sines)
    order = np.argsort(amplitudes.max(axis=1, initial=0.0))
    lost = np.cumsum(amplitudes[order], axis=0).max(axis=1, initial=0.0)
    dropped = int(np.searchsorted(lost, allowed, side="right"))
    return np.sort(order[dropped:]), float(lost[dropped - 1]) if dropped else 0.0
