"""A circuit as tensor trains: the table of its coefficients as a chain of small matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from qkeras_hybrid.surrogates.base import Fit, Method, Question, RefusedError, plural, size
from qkeras_hybrid.surrogates.coefficients import Coefficients, Phases, functions, phases
from qkeras_hybrid.surrogates.graphs import dense, joined, outer, waves
from qkeras_hybrid.surrogates.sampled import sampled_train

Tensor = Any

_SMALL = 100_000
"""The most numbers of one train for all values. Beyond it, one train per value is smaller."""

Train = list[np.ndarray]
"""Cores of shapes `(1, n_1, r_1), (r_1, n_2, r_2), ..., (r_k, width)`."""


class TensorTrain(Method):
    """The coefficients of all products of waves as tensor trains of the smallest sufficient rank.

    Reference:
        Oseledets: Tensor-train decomposition, SIAM J. Sci. Comput. 33, 2295 (2011).
    """

    name = "tensor_train"

    def slow(self, question: Question) -> bool:
        """Returns True: singular values take long."""
        return True

    def fit(self, question: Question) -> Fit:
        """Splits the coefficients by singular values."""
        found, fine = self._fine(question)
        inputs, exact = question.checked
        points = inputs @ found.directions.T
        allowed = question.tolerance / 2
        cut = allowed
        # The largest error is a few times the root of the mean square.
        for _ in range(6):
            trains = [_scaled(_rounded(train, cut), found.degrees) for train in fine]
            worst = float(np.abs(_value(trains, found, points) - exact).max())
            if worst <= allowed:
                break
            cut /= 3
        else:
            raise RefusedError(f"even an untruncated train differs by {worst:.1g}", worst)
        numbers = sum(size(*train) for train in trains)
        rank = max(core.shape[-1] for train in trains for core in train[:-1])
        says = f"{plural(len(trains), 'tensor train')} of rank {rank} on the waves of " + plural(
            len(found.degrees), "angle"
        )

        def build(inputs: Tensor) -> Tensor:
            factors = waves(
                inputs,
                [
                    np.outer(np.arange(1, degree + 1), direction)
                    for direction, degree in zip(found.directions, found.degrees, strict=True)
                ],
            )
            return joined([_chain(factors, train) for train in trains])

        stored = sum(n * (found.directions.shape[1] + 1) for n in found.sizes)
        return Fit(self.name, numbers + stored, says, None, build)

    def _fine(self, question: Question) -> tuple[Coefficients | Phases, list[Train]]:
        """Returns the phases, and trains with ranks that are still to be cut.

        The trains are for functions normalised to a mean square of 1: the error of a table then
        equals that of the values.
        """
        part, allowed = question.part, question.tolerance / 200
        try:
            found = question.coefficients
        except RefusedError:
            angles = phases(part)
            if len(angles.degrees) < 2:
                raise
            rng = np.random.default_rng([question.seed, 4])
            train = sampled_train(part, angles, allowed, rng)
            return angles, [_scaled(train, angles.degrees, -1)]
        if len(found.degrees) < 2:
            raise RefusedError("a train needs two angles or more")
        table = found.tensor
        for axis, degree in enumerate(found.degrees):
            table = np.moveaxis(np.moveaxis(table, axis, -1) / _norms(degree), -1, axis)
        together = _train(table, allowed, _SMALL)
        return found, [together] if together is not None else _alone(table, allowed)


def _norms(degree: int) -> np.ndarray:
    return np.array([1.0] + [math.sqrt(2.0)] * (2 * degree))


def _train(table: np.ndarray, allowed: float, most: float = math.inf) -> Train | None:
    """Splits a table of shape `(n_1, ..., n_k, width)`.

    Args:
        table: The table.
        allowed: The largest allowed Frobenius norm of the error.
        most: The most numbers of a train; None is returned if it would hold more.
    """
    rest, cores, rank, numbers = table.reshape(1, -1), Train(), 1, 0
    for n in table.shape[:-1]:
        left, rest = _split(rest.reshape(rank * n, -1), allowed / math.sqrt(table.ndim - 1))
        cores.append(left.reshape(rank, n, -1))
        rank, numbers = len(rest), numbers + left.size
        if numbers > most:
            return None
    return [*cores, rest]


def _alone(table: np.ndarray, allowed: float) -> list[Train]:
    """Splits a table into a train for each value."""
    trains = [_train(table[..., k : k + 1], allowed) for k in range(table.shape[-1])]
    return [train for train in trains if train is not None]


def _split(matrix: np.ndarray, allowed: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns factors of a matrix, the first of them orthogonal, with as low a rank as allowed."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    lost = np.sqrt(np.cumsum(values[::-1] ** 2))[::-1]
    rank = max(1, int((lost > allowed).sum()))
    return left[:, :rank], values[:rank, None] * right[:rank]


def _rounded(train: Train, allowed: float) -> Train:
    """Cuts the ranks of a train; the arguments are those of `_train`."""
    cores = [core if core.ndim == 3 else core[:, :, None] for core in train]
    # Made orthogonal from the right first: then the error of each cut is that of the whole train.
    for k in range(len(cores) - 1, 0, -1):
        rank, n, after = cores[k].shape
        q, r = np.linalg.qr(cores[k].reshape(rank, n * after).T)
        cores[k] = q.T.reshape(-1, n, after)
        cores[k - 1] = np.tensordot(cores[k - 1], r, (2, 1))
    for k in range(len(cores) - 1):
        rank, n, after = cores[k].shape
        left, rest = _split(cores[k].reshape(rank * n, after), allowed / math.sqrt(len(cores) - 1))
        cores[k] = left.reshape(rank, n, -1)
        cores[k + 1] = np.tensordot(rest, cores[k + 1], (1, 0))
    return [*cores[:-1], cores[-1][:, :, 0]]


def _scaled(train: Train, degrees: Sequence[int], power: int = 1) -> Train:
    """Returns the train for the functions `1, cos p, sin p, ...`; with the power -1 back."""
    cores = [
        core * _norms(degree)[None, :, None] ** power
        for core, degree in zip(train[:-1], degrees, strict=True)
    ]
    return [*cores, train[-1]]


def _value(trains: list[Train], found: Coefficients | Phases, points: np.ndarray) -> np.ndarray:
    factors = [functions(points[:, k], degree) for k, degree in enumerate(found.degrees)]
    columns = []
    for train in trains:
        row = np.ones((len(points), 1))
        for wave, core in zip(factors, train[:-1], strict=True):
            row = np.einsum("br,bn,rns->bs", row, wave, core, optimize=True)
        columns.append(row @ train[-1])
    return np.concatenate(columns, axis=1)


def _chain(factors: list[Tensor], train: Train) -> Tensor:
    """Multiplies the matrices of a train, each made of the factors of its angle."""
    row = dense(factors[0], train[0][0])
    for wave, core in zip(factors[1:], train[1:-1], strict=True):
        row = dense(outer(row, wave), core.reshape(-1, core.shape[-1]))
    return dense(row, train[-1])
