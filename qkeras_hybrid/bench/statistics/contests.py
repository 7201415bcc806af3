"""Contests: how many parameters a hybrid and another contender need to reach a score."""

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
"""The fractions of the best score for which the needed parameters are computed."""

LEVEL = 0.95
"""The one of `LEVELS` that decides contests."""

ONE_SIZE = frozenset({"linear_model"})
"""The contenders that have only one size: they are compared even if it is far from the others."""

Need = Literal["fewer", "as many", "more", "can't be told", "too few seeds", "not reached"]
"""How many parameters the hybrid needs, compared with another contender."""


@dataclasses.dataclass(frozen=True)
class Reach:
    """The smallest number of parameters with which a contender reaches a score.

    Attributes:
        level: The score, as a fraction of the best score.
        target: The score.
        cost: The parameters of the smallest size that reaches it; infinite if none does.
        low: The lower end of the bootstrap interval; NaN for fewer than two seeds.
        high: The upper end; infinite if too many resamples don't reach the score.
    """

    level: float
    target: float
    cost: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Contest:
    """The hybrid's parameters compared with another contender's, at `LEVEL` of the best score.

    Attributes:
        contender: The name of the other contender.
        ratio: The hybrid's parameters divided by the other's; NaN if neither reaches the score.
        low: The lower end of the bootstrap interval; 0 if smaller sizes of the hybrid may suffice.
        high: The upper end; infinite if smaller sizes of the other may suffice.
        need: The conclusion.
        seeds: The smallest number of seeds with a score, over all sizes of both contenders.
        at_smallest: The names of the contenders whose smallest size already reaches the score. A
            smaller one might reach it too.
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
    """Returns how many parameters each contender needs, and the hybrid's contests.

    Args:
        compared: The scores of the contenders that are compared, by name.
        drawn: How often each seed is drawn; see `fronts.weights`.
        sign: -1 if lower scores are better, else 1.

    Returns:
        The contender with the best mean score, that score, what each contender needs to reach
        `LEVELS` of it, the hybrid against each other contender, and the hybrid against the
        classical contender that needs the fewest parameters.
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
        # "More than one of them" needs Bonferroni's correction; "fewer than all" needs none.
        thriftiest = scores.contest(classical, ALPHA / len(classical), ALPHA)
    return best_contender, best, reaches, contests, thriftiest


_TIED = 2.0
"""The bias of the largest of several means, divided by the bias that resamples show.

If all means are truly equal, resamples show about half of the bias, because they start from means
that differ by chance. If one mean is far above the others, there is no bias.
"""


class _Resampled:
    """Scores of contenders in resamples of the seeds, and the parameters that each needs there."""

    def __init__(self, compared: Mapping[str, Scores], drawn: Array, sign: int) -> None:
        self.compared = compared
        self.sign = sign
        self._costs: dict[tuple[float, float], dict[str, Array]] = {}
        self._means = {name: fronts.means(its.values, drawn) for name, its in compared.items()}
        name, best = fronts.best_of(self._means, sign)
        self.best = name, float(best[0])
        self._bias = _TIED * float(np.nanmean(best[1:]) - best[0])

    def costs(self, level: float, alpha: float) -> dict[str, Array]:
        """Returns the parameters that each contender needs, in each resample.

        Args:
            level: The fraction of the best score to reach.
            alpha: One minus the confidence of the intervals that will be computed from them.
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
        """Returns the best scores in resamples, corrected for their bias.

        The best of several noisy means is too high, and the best of their resamples is even higher.
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
        """Returns the hybrid against the contender that needs the fewest parameters.

        The ratio to that contender is the highest of all ratios. So its interval begins at the
        highest of their lower ends and ends at the highest of their upper ends.

        Args:
            against: The names of the other contenders.
            alpha_low: One minus the confidence of lower ends.
            alpha_high: One minus the confidence of upper ends.
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
        # If several need equally many, the first.
        name = min(against, key=lambda one: highs[one][1].costs[0])
        ratio = fronts.ratio_interval(*highs[name], alpha_high)[0]
        need = _need(ratio, low, high, near, n_seeds)
        if need == "more":
            # The hybrid certainly needs more than this one. The lowest may be the lowest by chance.
            name = max(against, key=lambda one: each[0][against.index(one)])
            ratio = fronts.ratio_interval(*highs[name], alpha_high)[0]
        at_smallest = [one for one in against if highs[one][1].smallest[0]]
        if highs[name][0].smallest[0]:
            at_smallest.insert(0, "hybrid")
        return Contest(name, ratio, low, high, need, n_seeds, tuple(at_smallest))


def _n_seeds(several: Iterable[Scores]) -> int:
    """Returns the smallest number of seeds with a score, over all sizes."""
    return min(int(np.isfinite(its.values).sum(axis=1).min()) for its in several)


def _need(ratio: float, low: float, high: float, near: bool, n_seeds: int) -> Need:
    if n_seeds < MIN_PAIRS:
        return "too few seeds"
    if math.isnan(ratio):
        return "not reached"
    if near:
        return "as many"
    return "fewer" if high < 1 else "more" if low > 1 else "can't be told"
