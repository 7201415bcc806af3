"""Contests: the parameters that a hybrid needs for a share of the best score, against another's."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from qkeras_hybrid.bench.execution import WITH_CIRCUITS
from qkeras_hybrid.bench.statistics import fronts
from qkeras_hybrid.bench.statistics.fronts import Array, Needed, Scores
from qkeras_hybrid.bench.statistics.inference import ALPHA, MIN_PAIRS

LEVELS = (0.9, 0.95, 0.99)
"""The shares of the best score whose cost is told."""

LEVEL = 0.95
"""The one of them by which contenders are judged."""

ONE_SIZE = frozenset({"linear_model"})
"""The contenders that can have no other size: they are compared wherever that lies."""

Need = Literal["fewer", "as many", "more", "can't be told", "too few seeds", "not reached"]
"""Which parameters the hybrid needs, against another contender."""


@dataclasses.dataclass(frozen=True)
class Reach:
    """The least number of parameters with which a contender reaches a share of the best score.

    Attributes:
        level: The share.
        target: The score.
        cost: The parameters of the smallest size that reaches it; infinite if none does.
        low: The lower end of the bootstrap interval; NaN of fewer than two seeds.
        high: The upper end; infinite where too many resamples don't reach it.
    """

    level: float
    target: float
    cost: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Contest:
    """The parameters that the hybrid needs against those of another, at `LEVEL` of the best score.

    Attributes:
        contender: The other.
        ratio: The hybrid's parameters over the other's; NaN if neither reaches it.
        low: The lower end of the bootstrap interval; 0 where smaller sizes of the hybrid may do.
        high: The upper end; infinite where smaller sizes of the other may do.
        need: What it comes to.
        seeds: The least number of seeds that a size of the hybrid or the other has a score of.
        at_smallest: Of the hybrid and those it is held against, whose smallest size that was run
            already reaches it, so that nobody knows whether a smaller one would.
    """

    contender: str
    ratio: float
    low: float
    high: float
    need: Need
    seeds: int
    at_smallest: tuple[str, ...]


def needs(
    compared: Mapping[str, Scores], drawn: Array, sign: int
) -> tuple[str, float, dict[str, tuple[Reach, ...]], dict[str, Contest], Contest | None]:
    """Returns who needs how many parameters, and the hybrid's contests.

    Args:
        compared: The scores of the contenders that are compared, by name.
        drawn: How often each seed is drawn; see `fronts.weights`.
        sign: -1 where less is better.

    Returns:
        The contender of the best mean score, that score, what each needs for `LEVELS` of it, the
        hybrid against each of the others, and against the thriftiest classical one.
    """
    if not compared:
        return "", math.nan, {}, {}, None
    scores = _Resampled(compared, drawn, sign)
    best_contender, best = scores.best
    if not best > 0:
        return best_contender, best, {}, {}, None
    reaches: dict[str, tuple[Reach, ...]] = {name: () for name in compared}
    for level in LEVELS:
        for name, cost in scores.costs(level, ALPHA).items():
            ends = [math.nan, math.nan]
            if _n_seeds([compared[name]]) > 1:
                ends = [float(fronts.quantile(cost[1:], q)) for q in (ALPHA / 2, 1 - ALPHA / 2)]
            reach = Reach(level, float(best * level**sign), float(cost[0]), *ends)
            reaches[name] = (*reaches[name], reach)
    others = [name for name in compared if name != "hybrid"]
    if "hybrid" not in compared:
        return best_contender, best, reaches, {}, None
    alpha = ALPHA / max(1, len(others))
    contests = {name: scores.contest([name], alpha, alpha) for name in others}
    classical = [name for name in others if name not in WITH_CIRCUITS]
    thriftiest = None
    if classical:
        # More than one of several: Bonferroni. Fewer than all: each by itself, uncorrected.
        thriftiest = scores.contest(classical, ALPHA / len(classical), ALPHA)
    return best_contender, best, reaches, contests, thriftiest


_TIED = 2.0
"""How much larger the bias of the best of several means is than what resamples show of it.

Where all are tied, resamples show about half of it, since they start from means that differ; where
one is far ahead, there is none.
"""


class _Resampled:
    """Scores of contenders in resamples of the seeds, and what each contender needs there."""

    def __init__(self, compared: Mapping[str, Scores], drawn: Array, sign: int) -> None:
        self.compared = compared
        self.sign = sign
        self._costs: dict[tuple[float, float], dict[str, Array]] = {}
        self._means = {name: fronts.means(its.values, drawn) for name, its in compared.items()}
        name, best = fronts.best_of(self._means, sign)
        self.best = name, float(best[0])
        self._bias = _TIED * float(np.nanmean(best[1:]) - best[0])

    def costs(self, level: float, alpha: float) -> dict[str, Array]:
        """Returns what each needs for a share of the best score, in each resample.

        Args:
            level: The share.
            alpha: One minus the confidence of the intervals that are made of it.
        """
        if (level, alpha) not in self._costs:
            means = {
                name: fronts.widened(its, self.compared[name].values, alpha)
                for name, its in self._means.items()
            }
            target = self._target(fronts.best_of(means, self.sign)[1]) * level**self.sign
            self._costs[level, alpha] = {
                name: fronts.reached(its, means[name], target, self.sign)
                for name, its in self.compared.items()
            }
        return self._costs[level, alpha]

    def _target(self, best: Array) -> Array:
        """Returns the best scores in resamples without what is too high of the best of several.

        The best of several noisy means is too high, and the best of their resamples is so once
        more.
        """
        unbiased = best - (np.nanmean(best[1:]) - best[0]) - self._bias
        return np.append(best[:1], unbiased[1:])

    def _pair(self, other: str, alpha: float) -> tuple[Needed, Needed]:
        costs = self.costs(LEVEL, alpha)
        ours, theirs = (
            Needed.of(costs[name], None if name in ONE_SIZE else self.compared[name].costs)
            for name in ("hybrid", other)
        )
        return ours, theirs

    def contest(self, against: Sequence[str], alpha_low: float, alpha_high: float) -> Contest:
        """Returns the hybrid against the thriftiest of others.

        The ratio to that one is the highest of all ratios. So its interval begins at the highest of
        their lower ends and ends at the highest of their upper ends.

        Args:
            against: The others.
            alpha_low: One minus the confidence of lower ends.
            alpha_high: One minus that of upper ends.
        """
        lows = {one: self._pair(one, alpha_low) for one in against}
        highs = {one: self._pair(one, alpha_high) for one in against}

        def ends(pair: Callable[[Needed, Needed], tuple[Needed, Needed]]) -> list[list[float]]:
            return [
                [fronts.ratio_interval(*pair(*lows[one]), alpha_low)[1] for one in against],
                [fronts.ratio_interval(*pair(*highs[one]), alpha_high)[2] for one in against],
            ]

        each = ends(lambda ours, theirs: (ours, theirs))
        low, high = map(max, each)
        near = fronts.is_near(*map(max, ends(fronts.as_run)))
        n_seeds = _n_seeds([self.compared[one] for one in ("hybrid", *against)])
        # Of several that need as many, the first.
        name = min(against, key=lambda one: highs[one][1].costs[0])
        ratio = fronts.ratio_interval(*highs[name], alpha_high)[0]
        need = _need(ratio, low, high, near, n_seeds)
        if need == "more":
            # Than this one for sure; the thriftiest may be so by chance.
            name = max(against, key=lambda one: each[0][against.index(one)])
            ratio = fronts.ratio_interval(*highs[name], alpha_high)[0]
        at_smallest = [one for one in against if highs[one][1].smallest[0]]
        if highs[name][0].smallest[0]:
            at_smallest.insert(0, "hybrid")
        return Contest(name, ratio, low, high, need, n_seeds, tuple(at_smallest))


def _n_seeds(several: Iterable[Scores]) -> int:
    """Returns the least number of seeds that a size has a score of."""
    return min(int(np.isfinite(its.values).sum(axis=1).min()) for its in several)


def _need(ratio: float, low: float, high: float, near: bool, n_seeds: int) -> Need:
    if n_seeds < MIN_PAIRS:
        return "too few seeds"
    if math.isnan(ratio):
        return "not reached"
    if near:
        return "as many"
    return "fewer" if high < 1 else "more" if low > 1 else "can't be told"
