"""Knapsack problems: which items to take if their weights are limited."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from qkeras_hybrid._checks import available_memory, bytes_text
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.decisions.base import MOST_COSTS, DecisionProblem
from qkeras_hybrid.decisions.enumeration import best_assignments, totals

if TYPE_CHECKING:
    import scipy.optimize as scipy_optimize
else:
    scipy_optimize = lazy_module("scipy.optimize")

# Up to this number, all assignments are tried, which is faster than calling a solver for each
# sample.
_ENUMERATED = 16
# The longest table of capacities, and the decimals that weights may have for one.
_MOST_CELLS = 100_000
_DECIMALS = 6
# Entries of the table of a part of the batch.
_CHUNK = 1 << 24


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class Knapsack(DecisionProblem):
    """Which items to take, each at most once, if their total weights are limited.

    Minimises `c . w` over `w` in {0, 1} with `weights w <= capacity`. To maximise values, give
    `c = -values`, e.g. by a `keras.layers.Rescaling(-1)` after the network. An item whose cost is
    not negative is not taken.

    The decision is exact. Up to 16 items, all assignments are tried. For more items, dynamic
    programming solves problems with one limit and weights with few decimals, and SciPy's
    mixed-integer solver all others, sample by sample.

    Args:
        weights: The weight of each item, shape `(n,)`; or for several limits, as in PyEPO,
            `(n_limits, n)`.
        capacity: The limit; or the limits, shape `(n_limits,)`.

    Raises:
        ValueError: If a weight or limit is negative or not finite, so that taking nothing would
            not be allowed.

    Example:

    >>> from qkeras_hybrid.decisions import Knapsack
    >>> knapsack = Knapsack([2.0, 3.0, 4.0], 6.0)
    >>> knapsack.minimise(-np.array([[3.0, 4.0, 5.0]]))
    array([[1., 0., 1.]])
    """

    def __init__(self, weights: Any, capacity: Any) -> None:
        self.weights = _numbers("weights", weights)
        self.capacity = _numbers("capacity", capacity)
        if self.weights.ndim not in (1, 2) or not 0 < self.weights.size <= MOST_COSTS:
            raise ArgumentError(
                "weights", "have the shape (n,) or (n_limits, n), not empty", self.weights.shape
            )
        if self.capacity.shape != self.weights.shape[:-1]:
            raise ArgumentError(
                "capacity",
                f"have the shape {self.weights.shape[:-1]}, a limit for each row of `weights`",
                self.capacity.shape,
            )
        for argument, array in (("weights", self.weights), ("capacity", self.capacity)):
            if not (array >= 0).all():
                raise ArgumentError(argument, "be at least 0", array.tolist())

    @property
    def n_costs(self) -> int:
        """The number of items."""
        return int(self.weights.shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, by name."""
        return {"weights": self.weights.tolist(), "capacity": self.capacity.tolist()}

    def minimise(self, costs: np.ndarray) -> np.ndarray:
        """Returns 1 for each item that is taken; see `DecisionProblem`."""
        costs = np.asarray(costs, "float64")
        if self.n_costs <= _ENUMERATED:
            return best_assignments(self._forbidden, costs)
        if self._whole is not None:
            sizes, room = self._whole
            step = max(1, _CHUNK // ((room + 1) * self.n_costs))
            parts = [
                _by_capacity(costs[i : i + step], sizes, room) for i in range(0, len(costs), step)
            ]
            return np.concatenate(parts)
        return np.stack([self._solved(sample) for sample in costs])

    @functools.cached_property
    def _forbidden(self) -> np.ndarray:
        """Infinity for each assignment of items that is too heavy, otherwise 0."""
        weights, limits = np.atleast_2d(self.weights), np.atleast_1d(self.capacity)
        allowed = (totals(weights) <= _rounded_up(limits)[:, None]).all(axis=0)
        return np.where(allowed, 0.0, np.inf)

    @functools.cached_property
    def _whole(self) -> tuple[np.ndarray, int] | None:
        """Returns weights and capacity as whole numbers, if that is possible."""
        if self.weights.shape[0] != 1 and self.weights.ndim == 2:
            return None
        weights, limit = self.weights.reshape(-1), float(self.capacity.reshape(-1)[0])
        for decimals in range(_DECIMALS + 1):
            scaled = weights * 10**decimals
            whole = np.round(scaled)
            room = int(np.floor(_rounded_up(np.array(limit * 10**decimals))))
            if room > _MOST_CELLS:
                return None
            if np.allclose(whole, scaled, rtol=1e-12, atol=1e-9):
                return whole.astype("int64"), room
        return None

    def _solved(self, costs: np.ndarray) -> np.ndarray:
        rows, room = np.atleast_2d(self.weights), np.atleast_1d(self.capacity)
        # HiGHS has absolute tolerances, so costs and rows are scaled.
        sizes = np.maximum(abs(rows).max(axis=1, initial=0.0), np.finfo(float).tiny)
        limits = scipy_optimize.LinearConstraint(rows / sizes[:, None], ub=room / sizes)
        largest = float(abs(costs).max(initial=0.0)) or 1.0
        found = scipy_optimize.milp(
            1e4 * costs / largest,
            integrality=np.ones(len(costs), int),
            bounds=scipy_optimize.Bounds(0, 1),
            constraints=limits,
            options={"mip_rel_gap": 0.0},
        )
        taken: np.ndarray = np.round(np.asarray(found.x))
        return taken


def _by_capacity(costs: np.ndarray, sizes: np.ndarray, room: int) -> np.ndarray:
    """Solves the problem for all capacities up to `room`, item by item."""
    batch, n = costs.shape
    needed = (n + 24) * batch * (room + 1)
    if needed > available_memory():
        raise MemoryError(
            f"Decisions for {batch} samples need {bytes_text(needed)}, but only "
            f"{bytes_text(available_memory())} are available. Give smaller batches."
        )
    best = np.zeros((batch, room + 1))
    taken = np.zeros((n, batch, room + 1), bool)
    for item, size in enumerate(sizes):
        if size > room:
            continue
        with_it = best[:, : room + 1 - size] + costs[:, item, None]
        better = with_it < best[:, size:]
        taken[item, :, size:] = better
        best[:, size:] = np.where(better, with_it, best[:, size:])
    decisions = np.zeros((batch, n))
    left, samples = np.full(batch, room), np.arange(batch)
    for item in range(n - 1, -1, -1):
        chosen = taken[item, samples, left]
        decisions[:, item] = chosen
        left -= chosen * sizes[item]
    return decisions


def _rounded_up(limits: np.ndarray) -> np.ndarray:
    """Leaves room for rounding errors of sums: 0.1 + 0.2 must fit into 0.3."""
    return limits * (1 + 1e-14)


def _numbers(argument: str, given: Any) -> np.ndarray:
    try:
        array = np.array(given, "float64")
    except (TypeError, ValueError):
        raise ArgumentError(argument, "be an array of numbers", given) from None
    if not np.isfinite(array).all():
        raise ArgumentError(argument, "be finite", given)
    array.flags.writeable = False
    return array
