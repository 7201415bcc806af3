"""Tensor trains of circuits from samples: for more angles than a table of coefficients can hold."""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg

from qkeras_hybrid.program import UNITARY
from qkeras_hybrid.surrogates.coefficients import Phases, RefusedError, functions
from qkeras_hybrid.surrogates.parts import Part

_MOST_WORK = 2**34
"""The most amplitudes computed for one train, which takes a minute or two."""

_FIRST = 12
"""The number of random points that distinguish rows in the first round; it doubles each round."""

_ROUNDING = 3e-6
"""Below this, differences of float32 values are rounding errors, which must not count as ranks."""


def sampled_train(
    part: Part, phases: Phases, tolerance: float, rng: np.random.Generator
) -> list[np.ndarray]:
    """Finds a tensor train for a circuit from its values at grid points.

    The train is built from left to right. Each step writes the values at all grid points of the
    phases so far as linear combinations of the values at a few of these points, which a pivoted QR
    decomposition chooses: an interpolative decomposition. The phases to the right take random
    values.

    Args:
        part: The part.
        phases: Its phases.
        tolerance: The largest error of the values at the sampled points.
        rng: Draws the random points.

    Returns:
        Cores of shapes `(1, n_1, r_1), ..., (r_k-1, n_k, r_k), (r_k, width)`, for the functions
        `1, cos p, sin p, ...` of each phase.

    Raises:
        RefusedError: If it would take too many samples.

    Reference:
        Oseledets, Tyrtyshnikov: TT-cross approximation for multidimensional arrays, Linear Algebra
        Appl. 432, 70 (2010); Halko, Martinsson, Tropp, SIAM Review 53, 217 (2011), section 3.2.
    """
    count, work = _FIRST, 0.0
    if part.job.dtype == "float32":
        tolerance = max(tolerance, _ROUNDING)
    pure = part.job.program.kinds <= UNITARY
    each = 2.0 ** (part.n_qubits * (1 if pure else 2))
    grids = [np.arange(n) * (2 * math.pi / n) for n in phases.sizes]
    while True:
        cores, saturated = list[np.ndarray](), False
        left = np.zeros((1, 0), int)
        for k, n in enumerate(phases.sizes):
            rows = np.concatenate(
                [np.repeat(left, n, axis=0), np.tile(np.arange(n), len(left))[:, None]], axis=1
            )
            rest = len(phases.sizes) - k - 1
            columns = (
                np.stack([rng.integers(0, m, count) for m in phases.sizes[k + 1 :]], axis=1)
                if rest
                else np.zeros((1, 0), int)
            )
            work += each * len(rows) * len(columns)
            if work > _MOST_WORK:
                raise RefusedError(
                    f"a train of {len(grids)} angles would take more than "
                    f"{work / each:,.0f} runs of its {part.n_qubits} qubits"
                )
            values = _at(part, phases, grids, rows, columns)
            if not rest:
                cores.append(values.reshape(len(left), n, -1))
                break
            chosen, core = _interpolated(values, tolerance)
            # The rank is as large as this number of values can show, so it may be larger.
            saturated |= len(chosen) >= min(len(rows), 0.8 * values.shape[1]) < len(rows)
            cores.append(core.reshape(len(left), n, -1))
            left = rows[chosen]
        if not saturated:
            break
        count *= 2
    last = cores[-1].shape[-1]
    return [*_in_functions(cores, grids), np.eye(last)]


def _at(
    part: Part, phases: Phases, grids: list[np.ndarray], rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Returns the values at grid points, of shape `(n_rows, n_columns * width)`."""
    index = np.concatenate(
        [np.repeat(rows, len(columns), axis=0), np.tile(columns, (len(rows), 1))], axis=1
    )
    angles = np.tile(part.offsets, (len(index), 1))
    for row, phase, multiple in phases.places:
        angles[:, row] += multiple * grids[phase][index[:, phase]]
    return part.values(angles).reshape(len(rows), -1)


def _interpolated(values: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Chooses rows, and writes all rows as combinations of these.

    Returns:
        The indices of the chosen rows, and the matrix of the combinations, of shape
        `(n_rows, n_chosen)`.
    """
    _, r, order = scipy.linalg.qr(values.T, mode="economic", pivoting=True)
    rank = max(1, int((np.abs(np.diag(r)) > tolerance).sum()))
    combined = np.empty((len(values), rank))
    combined[order[:rank]] = np.eye(rank)
    if rank < len(values):
        combined[order[rank:]] = scipy.linalg.solve_triangular(r[:rank, :rank], r[:rank, rank:]).T
    return order[:rank], combined


def _in_functions(cores: list[np.ndarray], grids: list[np.ndarray]) -> list[np.ndarray]:
    found = []
    for core, grid in zip(cores, grids, strict=True):
        inverse = np.linalg.inv(functions(grid, len(grid) // 2))
        found.append(np.einsum("fg,agb->afb", inverse, core))
    return found
