"""A circuit's exact polynomial in the cosines and sines of its angles.

A rotation by an angle `t` changes the density matrix by terms with the factors 1, `cos t` and
`sin t`. So a circuit's readout is a sum of products of these functions, with one factor for each
rotation by an input. If several angles are multiples `k p` of the same phase `p`, their factors
combine to the functions `1, cos p, sin p, cos 2p, ..., sin Kp`, where `K` is the sum of the
multiples (Schuld, Sweke, Meyer 2021, arXiv 2008.08605). A grid of `2K + 1` points for each phase
gives all coefficients.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qkeras_hybrid._checks import bytes_text
from qkeras_hybrid._periods import common_unit
from qkeras_hybrid.program import UNITARY
from qkeras_hybrid.surrogates.parts import Part

_MOST_WORK = 2**32
"""The most amplitudes computed for the coefficients, which takes seconds to a minute."""

_MOST_VALUES = 2**26
"""The most coefficients that are computed."""


_ROUNDING = 1e-6
"""The size of the rounding errors of coefficients from float32 values."""


class RefusedError(ValueError):
    """A method can't make a surrogate of a part; the message says why.

    Attributes:
        reached: The largest difference of the surrogate that it made, if it made one.
    """

    def __init__(self, why: str, reached: float | None = None) -> None:
        super().__init__(why)
        self.reached = reached


@dataclass(frozen=True)
class Phases:
    """The phases `p`, whose multiples make up the angles.

    Attributes:
        directions: Array of shape `(n_phases, n_inputs)`: `p = directions @ inputs`, in radians.
        degrees: The largest multiple `K` of each.
        places: For each angle that depends on inputs: its number, its phase, and the multiple.
    """

    directions: np.ndarray
    degrees: tuple[int, ...]
    places: tuple[tuple[int, int, int], ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of functions `1, cos p, ..., sin Kp` of each."""
        return tuple(2 * degree + 1 for degree in self.degrees)

    @property
    def n_products(self) -> int:
        """The number of products of these functions."""
        return math.prod(self.sizes)


def phases(part: Part) -> Phases:
    """Finds the phases of a part."""
    groups: dict[tuple[float, ...], list[tuple[int, float]]] = {}
    for row in part.rows:
        slope = part.slopes[row]
        first = slope[np.flatnonzero(slope)[0]]
        # Rounded, so that directions that differ by rounding are one.
        direction = tuple(float(f"{v:.9e}") for v in slope / first)
        groups.setdefault(direction, []).append((row, float(first)))
    directions, degrees, places = list[np.ndarray](), list[int](), list[tuple[int, int, int]]()
    for direction, found in groups.items():
        for unit, total, members in _commensurate(found):
            for row, factor in members:
                places.append((row, len(directions), round(factor / unit)))
            directions.append(np.array(direction) * unit)
            degrees.append(total)
    width = part.slopes.shape[1]
    return Phases(
        np.array(directions).reshape(len(directions), width), tuple(degrees), tuple(places)
    )


def _commensurate(
    found: Sequence[tuple[int, float]],
) -> list[tuple[float, int, list[tuple[int, float]]]]:
    """Groups factors by their common unit; returns each unit, the factors' sum in it, and them."""
    together = common_unit([abs(factor) for _, factor in found])
    if together is not None:
        return [(*together, list(found))]
    by_size = itertools.groupby(sorted(found, key=lambda f: abs(f[1])), key=lambda f: abs(f[1]))
    return [(size, len(same), same) for size, group in by_size for same in [list(group)]]


@dataclass(frozen=True)
class Coefficients:
    """A polynomial in the cosines and sines of phases.

    Attributes:
        directions: Array of shape `(n_phases, n_inputs)`.
        degrees: The largest multiple of each phase.
        tensor: Array of shape `(2 K_1 + 1, ..., 2 K_n + 1, width)`, of the coefficients of products
            of `1, cos p, sin p, cos 2p, ...`.
        lost: The largest sum of the dropped terms; 0 if they are only rounding errors.
    """

    directions: np.ndarray
    degrees: tuple[int, ...]
    tensor: np.ndarray
    lost: float = 0.0

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of functions of each phase."""
        return self.tensor.shape[:-1]

    @property
    def width(self) -> int:
        """The number of values."""
        return self.tensor.shape[-1]


def coefficients(part: Part, tolerance: float) -> Coefficients:
    """Computes the coefficients of a part.

    Frequencies whose coefficients all vanish are left out.

    Args:
        part: The part.
        tolerance: The tolerance of the surrogate. Dropped terms add up to less than a thousandth
            of it.

    Raises:
        RefusedError: If there are too many.
    """
    found = phases(part)
    count = found.n_products
    # A density matrix has the square of a state's amplitudes.
    pure = part.job.program.kinds <= UNITARY
    work = count * 2 ** (part.n_qubits * (1 if pure else 2))
    if count * part.width > _MOST_VALUES or work > _MOST_WORK:
        angles = len(found.degrees)
        raise RefusedError(
            f"{count:.4g} products of functions of {angles} angles, "
            f"{bytes_text(8.0 * count * part.width)} of coefficients, are too many"
        )
    grids = [np.arange(n) * (2 * math.pi / n) for n in found.sizes]
    tensor = np.empty((count, part.width))
    step = 2**16
    for start in range(0, count, step):
        numbers = np.arange(start, min(count, start + step))
        index = np.unravel_index(numbers, found.sizes) if grids else ()
        angles_here = np.tile(part.offsets, (len(numbers), 1))
        for row, phase, multiple in found.places:
            angles_here[:, row] += multiple * grids[phase][index[phase]]
        tensor[numbers] = part.values(angles_here)
    tensor = tensor.reshape(*found.sizes, part.width)
    for axis, n in enumerate(found.sizes):
        inverse = np.linalg.inv(functions(grids[axis], n // 2))
        tensor = np.moveaxis(np.tensordot(inverse, tensor, (1, axis)), 0, axis)
    return _trimmed(Coefficients(found.directions, found.degrees, tensor), tolerance * 1e-3)


def functions(phase: np.ndarray, degree: int) -> np.ndarray:
    """Returns `1, cos p, sin p, ..., cos Kp, sin Kp`, of shape `(len(phase), 2K + 1)`."""
    columns = [np.ones_like(phase)]
    for k in range(1, degree + 1):
        columns += [np.cos(k * phase), np.sin(k * phase)]
    return np.stack(columns, axis=1)


def _trimmed(found: Coefficients, allowed: float) -> Coefficients:
    """Leaves out the highest frequencies of each phase that have no coefficient."""
    tensor, degrees, lost = found.tensor, list(found.degrees), np.zeros(found.width)
    allowed /= max(1, sum(degrees))
    for axis, degree in enumerate(degrees):
        while degree:
            last = np.moveaxis(tensor, axis, 0)[2 * degree - 1 :]
            sums = np.abs(last).sum(axis=tuple(range(last.ndim - 1)))
            if sums.max() > allowed:
                break
            lost += sums
            tensor = np.moveaxis(np.moveaxis(tensor, axis, 0)[: 2 * degree - 1], 0, axis)
            degree -= 1
        degrees[axis] = degree
    kept = [axis for axis, degree in enumerate(degrees) if degree]
    shape = [2 * degrees[axis] + 1 for axis in kept]
    return Coefficients(
        found.directions[kept],
        tuple(degrees[axis] for axis in kept),
        tensor.reshape(*shape, tensor.shape[-1]),
        float(lost.max()) if lost.max() > _ROUNDING else 0.0,
    )
