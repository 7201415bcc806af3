"""Pareto fronts of scores against a cost, with what a bootstrap over seeds says of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.bench.statistics.inference import ALPHA

if TYPE_CHECKING:
    import scipy.stats as scipy_stats
else:
    scipy_stats = lazy_module("scipy.stats")

Array = npt.NDArray[np.float64]

RESAMPLES = 9999
"""How often the seeds are resampled."""

NEAR = 1.25
"""Up to which factor two costs count as the same."""

LEAST_OVERLAP = 1 / 3
"""The share of the shorter of two ranges of costs, on a log scale, that both must have."""


@dataclasses.dataclass(frozen=True)
class Point:
    """A contender at one size: its cost, and its mean score with a bootstrap interval.

    Attributes:
        cost: What it costs, over 0.
        mean: The mean score over the seeds.
        low: The lower end; NaN of fewer than two seeds.
        high: The upper end.
        n: The number of seeds.
    """

    cost: float
    mean: float
    low: float
    high: float
    n: int


@dataclasses.dataclass(frozen=True)
class Front:
    """The Pareto front of a contender: the best mean score up to each cost.

    Attributes:
        contender: Its name.
        points: What it is the front of, in the order of costs.
        costs: Where the front may rise: the different costs in their order.
        best: The best mean score of all points that cost at most that.
        low: The lower end of the bootstrap band there; NaN of fewer than two seeds.
        high: The upper end.
    """

    contender: str
    points: tuple[Point, ...]
    costs: tuple[float, ...]
    best: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Scores:
    """The scores of one contender at its sizes, and what they cost.

    Attributes:
        costs: Of each size, shape `(n_sizes,)`, all over 0.
        values: Of shape `(n_sizes, n_seeds)`; NaN where a seed has none.
    """

    costs: Array
    values: Array


def weights(n_seeds: int, resamples: int = RESAMPLES) -> Array:
    """Returns how often each seed is drawn, in a first row that has each once and in resamples.

    From a fixed seed, so that all contenders are resampled alike, and again the same.

    Returns:
        Of shape `(1 + resamples, n_seeds)`.
    """
    drawn = np.random.default_rng(0).multinomial(n_seeds, [1 / n_seeds] * n_seeds, resamples)
    return np.vstack([np.ones(n_seeds), drawn])


def means(values: Array, drawn: Array) -> Array:
    """Returns the mean score of each size in each resample.

    Args:
        values: Of shape `(n_sizes, n_seeds)`, with NaN where a seed has none.
        drawn: Of shape `(n_resamples, n_seeds)`: see `weights`.

    Returns:
        Of shape `(n_resamples, n_sizes)`; NaN where a resample has none of a size's seeds.
    """
    known = np.isfinite(values)
    count = drawn @ known.T
    total = drawn @ np.where(known, values, 0.0).T
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def widened(resampled: Array, values: Array, alpha: float) -> Array:
    r"""Returns resampled means, moved away from the mean of all seeds as few seeds ask for.

    Percentiles of a bootstrap are too narrow for few values: with six, they hold the mean in 87 %
    of cases and not in 95 %. So deviations from the mean are multiplied by
    $\sqrt{n / (n - 1)}\, t_{1 - \alpha/2, n - 1} / z_{1 - \alpha/2}$: percentiles are then about
    Student's interval. (Hesterberg 2015 moves the percentiles, by the same factor. Here levels can
    be so small that this would need far more resamples.)

    Args:
        resampled: See `means`, of shape `(1 + n_resamples, n_sizes)`.
        values: The scores, of shape `(n_sizes, n_seeds)`.
        alpha: One minus the confidence of the intervals that are made of it.

    Reference:
        T. C. Hesterberg, What teachers should know about the bootstrap, The American Statistician
        69, 2015, sections 4.1 and 5.

    Example:
        >>> values = np.array([[0.7, 0.8, 0.9, 0.8, 0.7, 0.9]])
        >>> means_of = widened(means(values, weights(6)), values, 0.05)
        >>> low, high = np.quantile(means_of[1:], [0.025, 0.975])
        >>> student = scipy_stats.t.interval(0.95, 5, values.mean(), scipy_stats.sem(values[0]))
        >>> bool(np.allclose([low, high], student, atol=0.01))
        True
    """
    n = np.isfinite(values).sum(axis=1)
    # One value has no spread, and none no mean.
    degrees = np.maximum(n - 1, 1)
    t = scipy_stats.t.ppf(1 - alpha / 2, degrees) / scipy_stats.norm.ppf(1 - alpha / 2)
    moved: Array = resampled[0] + np.sqrt(n / degrees) * t * (resampled - resampled[0])
    return moved


def quantile(values: Array, q: float) -> Array:
    """Returns a quantile over the first axis that is one of the values, infinite ones included."""
    # Not NumPy's, which makes NaN of infinite values.
    place = max(0, math.ceil(q * len(values)) - 1)
    return np.asarray(np.partition(values, place, axis=0)[place], dtype=float)


def front(contender: str, scores: Scores, drawn: Array, sign: int = 1) -> Front:
    r"""Returns the Pareto front of a contender, $F(c) = \max_{s: c_s \le c} \bar y_s$.

    The band is that of $F$ itself: in each resample of the seeds, means and front are computed
    anew. The largest of several noisy means is a little too large, and so is its band.

    Args:
        contender: Its name.
        scores: Its scores and their costs.
        drawn: See `weights`.
        sign: -1 where less is better; the front is then the lowest score up to each cost.

    Example: three sizes, of which the second is no better than the first.

    >>> values = np.array([[0.8, 0.8], [0.7, 0.7], [0.9, 0.9]])
    >>> front("linear", Scores(np.array([10.0, 20.0, 40.0]), values), weights(2)).best
    (0.8, 0.8, 0.9)
    """
    order = np.argsort(scores.costs, kind="stable")
    costs, resampled = scores.costs[order], means(scores.values[order], drawn)
    # The last of equal costs has all of them behind it.
    last = np.append(np.diff(costs) > 0, True)
    best = np.asarray(sign * np.fmax.accumulate(sign * resampled, axis=1)[:, last], dtype=float)
    band = _ends(best, scores.values.shape[1])
    ends = _ends(resampled, scores.values.shape[1])
    points = tuple(
        Point(float(cost), float(mean), float(low), float(high), int(n))
        for cost, mean, low, high, n in zip(
            costs, resampled[0], *ends, np.isfinite(scores.values[order]).sum(axis=1), strict=True
        )
    )
    listed = [tuple(map(float, row)) for row in (costs[last], best[0], *band)]
    return Front(contender, points, *listed)


def _ends(values: Array, n_seeds: int) -> tuple[Array, Array]:
    if n_seeds < 2:
        nothing = np.full(values.shape[1], np.nan)
        return nothing, nothing
    low, high = np.nanquantile(values[1:], [ALPHA / 2, 1 - ALPHA / 2], axis=0)
    return low, high


def reached(scores: Scores, resampled: Array, target: Array, sign: int = 1) -> Array:
    """Returns the least cost with which a mean score reaches a target, in each resample.

    Of the sizes that were run; nothing is read between them.

    Args:
        scores: Of a contender.
        resampled: Its `means`, of shape `(n_resamples, n_sizes)`.
        target: Of shape `(n_resamples,)`.
        sign: -1 where less is better.

    Returns:
        Of shape `(n_resamples,)`; infinite where no size reaches it.
    """
    there = sign * resampled >= sign * target[:, np.newaxis]
    least: Array = np.where(there, scores.costs, np.inf).min(axis=1)
    return least


def best_of(resampled: Mapping[str, Array], sign: int = 1) -> tuple[str, Array]:
    """Returns the contender of the best mean score, and that score in each resample."""
    # NaN where a resample has none of a contender's seeds, which NumPy's nanmax would warn of.
    of_each = {name: np.fmax.reduce(sign * values, axis=1) for name, values in resampled.items()}
    name = max(of_each, key=lambda one: np.fmax(of_each[one][0], -np.inf))
    return name, np.asarray(sign * np.fmax.reduce(list(of_each.values()), axis=0), dtype=float)


@dataclasses.dataclass(frozen=True, eq=False)
class Needed:
    """The least cost with which something reaches a target, in each resample.

    Attributes:
        costs: Of shape `(n_resamples,)`, the first of all seeds; infinite where no size that was
            run reaches it.
        least: A lower bound of what a size that was not run may need. As `costs`, but where no
            size reaches the target, the largest that was run: it takes more than that; and where
            the smallest that was run reaches it, 0: a smaller one may do.
        smallest: Whether the cost is that of the smallest size that was run, and there can be
            smaller ones.
    """

    costs: Array
    least: Array
    smallest: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, costs: Array, sizes: Array | None) -> Needed:
        """Makes it of costs and those of all sizes that were run; of None if there is only one."""
        if sizes is None:
            return cls(costs, costs, np.zeros(costs.shape, bool))
        smallest = costs <= sizes.min()
        # By a hair more than the largest, so that it is over what reaches the target there.
        least = np.where(np.isinf(costs), sizes.max() * (1 + 1e-9), costs)
        return cls(costs, np.where(smallest, 0.0, least), smallest)


def as_run(ours: Needed, theirs: Needed) -> tuple[Needed, Needed]:
    """Returns both as they were run where both are at their smallest sizes, in each resample."""
    both = ours.smallest & theirs.smallest
    first, second = (
        dataclasses.replace(one, least=np.where(both, one.costs, one.least))
        for one in (ours, theirs)
    )
    return first, second


def ratio_interval(
    ours: Needed, theirs: Needed, alpha: float = ALPHA
) -> tuple[float, float, float]:
    """Returns the ratio of two costs and its bootstrap interval.

    What no size reaches takes more than the largest that was run, and nobody knows how much more;
    what the smallest size reaches takes at most that, and nobody knows how much less. So the
    interval's lower end is of the least that ours can be, and its upper end of the least that
    theirs can be.

    Args:
        ours: The costs above the line.
        theirs: Those below it.
        alpha: One minus the confidence.

    Returns:
        Ratio, lower and upper end, which is infinite where theirs may be anything below; the ratio
        is NaN where neither reaches the target.
    """
    low = quantile(_over(ours.least, theirs.costs)[1:], alpha / 2)
    high = quantile(_over(ours.costs, theirs.least)[1:], 1 - alpha / 2)
    neither = np.isinf(ours.costs[0]) and np.isinf(theirs.costs[0])
    ratio = math.nan if neither else float(_over(ours.costs[:1], theirs.costs[:1])[0])
    return ratio, float(low), float(high)


def is_near(low: float, high: float) -> bool:
    """Whether the interval of a ratio lies within a factor of `NEAR` of 1."""
    return low >= 1 / NEAR and high <= NEAR


def _over(above: Array, below: Array) -> Array:
    """Returns ratios: below the line, infinity makes 0 of all that is finite, and 0 infinity."""
    never = np.isinf(below)
    ratio: Array = np.where(never & np.isfinite(above), 0.0, np.inf)
    np.divide(above, below, out=ratio, where=~never & (below > 0))
    return ratio


def overlap(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Returns which share of the shorter of two ranges of costs, on a log scale, both have.

    A single cost lies in a range, or within a factor of `NEAR` of it, or it doesn't: 1 or 0.

    Example:
        >>> overlap([10, 100], [10, 1000]), overlap([10, 100], [100, 1000]), overlap([1, 9], [11])
        (1.0, 0.0, 1.0)
    """
    spans = [(math.log(min(one)), math.log(max(one))) for one in (ours, theirs)]
    shorter = min(high - low for low, high in spans)
    shared = min(high for _, high in spans) - max(low for low, _ in spans)
    if shorter == 0:
        return float(shared >= -math.log(NEAR))
    return max(0.0, shared) / shorter
