"""Draws which errors occur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from qkeras_hybrid.engines.trajectories.mixtures import Mixture


class Errors:
    """Which errors occur, as a function of uniform random numbers.

    Args:
        mixtures: The errors at each place.

    Attributes:
        nothing: The probability that no error occurs.
        n_draws: The number of random numbers that one run needs.
    """

    def __init__(self, mixtures: Sequence[Mixture]) -> None:
        nothing = np.array([mixture.nothing for mixture in mixtures])
        self.nothing = float(np.prod(nothing))
        self.n_draws = len(mixtures) + 1
        self._nothing = nothing
        # The probability that the first error occurs at each place or before it.
        before = np.concatenate([[1.0], np.cumprod(nothing)])[:-1]
        self._first = np.cumsum(before * (1.0 - nothing))
        low, high, place = [], [], []
        for number, mixture in enumerate(mixtures):
            level = mixture.nothing
            for chance in mixture.probabilities:
                place.append(number)
                low.append(level)
                level += chance
                high.append(level)
        self._place = np.array(place, "int32")
        self._low, self._high = np.array(low), np.array(high)
        # The last error of a place takes the rest from rounding.
        for number in range(len(mixtures)):
            mine = np.flatnonzero(self._place == number)
            if len(mine):
                self._high[mine[-1]] = 2.0

    def struck(self, draws: Any, some: bool) -> Any:
        """Returns which errors occur.

        Args:
            draws: Uniform random numbers in [0, 1) of shape `(runs, n_draws)`, a NumPy array or a
                tensor.
            some: Whether at least one must occur: the runs are then drawn only from those.

        Returns:
            Ones and zeros of shape `(runs, n_errors)`, of the kind of `draws`.
        """
        xp: Any = np if isinstance(draws, np.ndarray) else ops
        dtype = draws.dtype

        def constant(values: np.ndarray) -> Any:
            return values if xp is np else ops.convert_to_tensor(values, dtype)

        levels = draws[:, 1:]
        if some:
            # The place of the first error. No error occurs before it, and one occurs there.
            passed = draws[:, :1] * float(self._first[-1]) >= constant(self._first[:-1])
            first = xp.sum(xp.where(passed, 1.0, 0.0), axis=1, keepdims=True)
            places = constant(np.arange(len(self._nothing), dtype=float))
            nothing = constant(self._nothing)
            there = nothing + levels * (1.0 - nothing)
            levels = xp.where(places < first, -1.0, xp.where(places > first, levels, there))
        mine = xp.take(levels, self._place, axis=1)
        hit = xp.logical_and(mine >= constant(self._low), mine < constant(self._high))
        return xp.where(hit, 1.0, 0.0)
