"""Checks of arguments that several modules of `finance` use."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qkeras_hybrid._checks import finite_number
from qkeras_hybrid._errors import ArgumentError


def positive_number(argument: str, value: Any) -> float:
    """Returns `value` as a `float` above 0.

    Raises:
        ValueError: If it is not a finite number above 0.
    """
    number = finite_number(argument, value)
    if number <= 0:
        raise ArgumentError(argument, "be above 0", value)
    return number


def fraction(argument: str, value: Any) -> float:
    """Returns `value` as a `float` strictly between 0 and 1.

    Raises:
        ValueError: If it is not between 0 and 1.
    """
    number = finite_number(argument, value)
    if not 0 < number < 1:
        raise ArgumentError(argument, "be between 0 and 1, both excluded", value)
    return number


def finite_array(argument: str, value: Any, n_dimensions: int) -> np.ndarray:
    """Returns `value` as a float64 array with `n_dimensions` dimensions.

    Raises:
        ValueError: If it is no such array, is empty, or has an element that is NaN or infinite.
    """
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(argument, "be an array of numbers", value) from None
    if array.ndim != n_dimensions:
        raise ArgumentError(argument, f"have {n_dimensions} dimensions", f"shape {array.shape}")
    if array.size == 0:
        raise ArgumentError(argument, "not be empty", f"shape {array.shape}")
    if not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ArgumentError(
            argument,
            "be finite everywhere",
            f"{array[place]} at {place}",
            "Drop or fill missing values, for example with `frame.dropna()`.",
        )
    return array


def covariance_matrix(argument: str, value: Any, n_assets: int) -> np.ndarray:
    """Returns `value` as a covariance matrix: symmetric, without negative eigenvalues.

    Raises:
        ValueError: If it is not a covariance matrix of `n_assets` assets.
    """
    matrix = finite_array(argument, value, 2)
    if matrix.shape != (n_assets, n_assets):
        raise ArgumentError(argument, f"have shape ({n_assets}, {n_assets})", matrix.shape)
    largest = float(np.abs(matrix).max())
    if not np.allclose(matrix, matrix.T, rtol=0, atol=1e-10 * largest):
        raise ArgumentError(
            argument,
            "be symmetric",
            f"a difference of {np.abs(matrix - matrix.T).max():.3g} from its transpose",
        )
    smallest = float(np.linalg.eigvalsh(matrix)[0])
    # If an asset is a combination of others, rounding can make an eigenvalue of 0 this negative.
    if smallest < -1e-10 * max(largest, math.ulp(0.0)):
        raise ArgumentError(
            argument,
            "have no negative eigenvalue",
            f"the eigenvalue {smallest:.3g}",
            "Estimate it from samples of all assets at the same times.",
        )
    return matrix
