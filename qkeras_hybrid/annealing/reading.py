"""Reads the biases of quadratic models from mappings, arrays and graphs, and checks them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.annealing import conversions

Variable = Hashable


def number_of(argument: str, value: Any, where: Any) -> float:
    """Returns a finite number; the error names its place `where`."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = np.nan
    if not np.isfinite(number):
        raise ArgumentError(argument, f"be finite; that of {where!r} is not", value)
    return number


def linear_of(argument: str, given: Any) -> dict[Variable, float]:
    """Returns linear biases by variable."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return dict(given)
    array = _array(argument, given)
    if array.ndim != 1:
        raise ArgumentError(argument, "be a mapping or an array of shape (n,)", array.shape)
    return dict(enumerate(array.tolist()))


def couplings_of(argument: str, given: Any) -> dict[tuple[Variable, Variable], float]:
    """Returns the couplings of spins by pair."""
    if given is None:
        return {}
    if conversions.is_graph(given):
        pairs = conversions.weights_of(given)
    elif isinstance(given, Mapping):
        pairs = {pair_of(argument, pair): bias for pair, bias in given.items()}
    else:
        matrix = _square(argument, given)
        _check_finite(argument, matrix)
        if not np.array_equal(matrix, matrix.T):
            i, j = np.argwhere(matrix != matrix.T)[0].tolist()
            raise ArgumentError(
                argument,
                f"be symmetric: [{i}, {j}] and [{j}, {i}] differ",
                (matrix[i, j], matrix[j, i]),
                "If only one triangle of J is filled, give J + J.T.",
            )
        if np.diag(matrix).any():
            raise ArgumentError(
                argument, "have zeros on its diagonal: a spin's square is 1", np.diag(matrix)
            )
        i, j = np.nonzero(np.triu(matrix, 1))
        pairs = dict(zip(zip(i.tolist(), j.tolist(), strict=True), matrix[i, j], strict=True))
        return pairs
    for a, b in pairs:
        if a == b:
            raise ArgumentError(argument, "couple two different spins", (a, b))
    return pairs


def triangle_of(given: Any) -> dict[tuple[Variable, Variable], float]:
    """Returns the biases of a symmetric or triangular matrix of bits by pair."""
    matrix = _square("Q", given)
    _check_finite("Q", matrix)
    symmetric = np.array_equal(matrix, matrix.T)
    if not symmetric and np.tril(matrix, -1).any() and np.triu(matrix, 1).any():
        i, j = np.argwhere(matrix != matrix.T)[0].tolist()
        raise ArgumentError(
            "Q",
            f"be symmetric or triangular: [{i}, {j}] and [{j}, {i}] differ",
            (matrix[i, j], matrix[j, i]),
            "Give (Q + Q.T) / 2, which has the same energies.",
        )
    folded = np.triu(matrix + matrix.T, 1)
    i, j = np.nonzero(folded)
    pairs: dict[tuple[Variable, Variable], float] = {
        (v, v): float(matrix[v, v]) for v in range(len(matrix))
    }
    return pairs | {(int(a), int(b)): float(folded[a, b]) for a, b in zip(i, j, strict=True)}


def _array(argument: str, given: Any) -> np.ndarray:
    try:
        return np.asarray(given, "float64")
    except (TypeError, ValueError):
        raise ArgumentError(argument, "be a mapping or an array of numbers", given) from None


def _square(argument: str, given: Any) -> np.ndarray:
    matrix = _array(argument, given)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ArgumentError(argument, "be a mapping or an array of shape (n, n)", matrix.shape)
    return matrix


def _check_finite(argument: str, matrix: np.ndarray) -> None:
    if not np.isfinite(matrix).all():
        i, j = np.argwhere(~np.isfinite(matrix))[0].tolist()
        raise ArgumentError(argument, f"be finite; the entry [{i}, {j}] is not", matrix[i, j])


def pair_of(argument: str, pair: Any) -> tuple[Variable, Variable]:
    """Returns a key of a mapping that is a pair of variables."""
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise ArgumentError(argument, "have pairs of variables as keys", pair)
    return pair


def variables_of(
    given: Sequence[Variable] | None,
    linear: Iterable[Variable],
    quadratic: Iterable[tuple[Variable, Variable]],
) -> tuple[Variable, ...]:
    """Returns the variables in order: the given ones, or those of the biases."""
    found = tuple(dict.fromkeys([*linear, *(v for pair in quadratic for v in pair)]))
    if given is None:
        return found
    order = tuple(given)
    if len(set(order)) != len(order):
        twice = next(v for i, v in enumerate(order) if v in order[:i])
        raise ArgumentError("variables", "name each variable once", twice)
    unknown = [v for v in found if v not in set(order)]
    if unknown:
        raise ArgumentError("variables", f"have the variable {unknown[0]!r}", order)
    return order


def name_of(variable: Any) -> Variable:
    """Returns a variable as it was before JSON made lists of tuples."""
    return tuple(map(name_of, variable)) if isinstance(variable, list) else variable
