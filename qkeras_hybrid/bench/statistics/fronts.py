"""Pareto fronts of scores against a cost, with intervals from a bootstrap over seeds."""

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
"""The largest ratio of two costs that count as equal."""

LEAST_OVERLAP = 1 / 3
"""How much of the shorter of two ranges of costs (log scale) must overlap with the other."""


@dataclasses.dataclass(frozen=True)
class Point:
    """A contender at one size: its cost, and its mean score with a bootstrap interval.

    Attributes:
        cost: The cost, over 0.
        mean: The mean score over the seeds.
        low: The lower end; NaN for fewer than two seeds.
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
        points: The contender's points, in the order of costs.
        costs: The different costs of the points, in increasing order.
        best: For each of `costs`, the best mean score of all points that cost at most that.
        low: For each of `costs`, the lower end of the bootstrap band; NaN for fewer than two seeds.
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
    """The scores of one contender at its sizes, and the costs of these.

    Attributes:
        costs: The cost of each size, over 0, of shape `(n_sizes,)`.
        values: The scores, of shape `(n_sizes, n_seeds)`; NaN for a seed without a score.
    """

    costs: Array
    values: Array


def weights(n_seeds: int, resamples: int = RESAMPLES) -> Array:
    """Returns how often each seed is drawn in each resample. In the first row, each is drawn once.

    The random numbers have a fixed seed. So all contenders have the same resamples, and results are
    reproducible.

    Returns:
        Whole numbers of shape `(1 + resamples, n_seeds)`.
    """
    drawn = np.random.default_rng(0).multinomial(n_seeds, [1 / n_seeds] * n_seeds, resamples)
    return np.vstack([np.ones(n_seeds), drawn])


def means(values: Array, drawn: Array) -> Array:
    """Returns the mean score of each size in each resample.

    Args:
        values: Scores of shape `(n_sizes, n_seeds)`, with NaN for a seed without a score.
        drawn: The result of `weights`, of shape `(n_resamples, n_seeds)`.

    Returns:
        Means of shape `(n_resamples, n_sizes)`; NaN if a resample has none of a size's seeds.
    """
    known = np.isfinite(values)
    count = drawn @ known.T
    total = drawn @ np.where(known, values, 0.0).T
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def widened(resampled: Array, values: Array, alpha: float) -> Array:
    r"""Returns resampled means, moved away from the mean of all seeds to correct for few seeds.

    Percentiles of a bootstrap are too narrow for few values: with six values, they contain the mean
    in 87 % of cases instead of 95 %. So deviations from the mean are multiplied by
    $\sqrt{n / (n - 1)}\, t_{1 - \alpha/2, n - 1} / z_{1 - \alpha/2}$. The percentiles then agree
    approximately with Student's interval. (Hesterberg 2015 moves the percentiles by the same
    factor. Here the levels can be so small that this would need far more resamples.)

    Args:
        resampled: The result of `means`, of shape `(1 + n_resamples, n_sizes)`.
        values: The scores, of shape `(n_sizes, n_seeds)`.
        alpha: One minus the confidence of the intervals that will be computed from the result.

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
    # A single value has no spread, and without values there is no mean.
    degrees = np.maximum(n - 1, 1)
    t = scipy_stats.t.ppf(1 - alpha / 2, degrees) / scipy_stats.norm.ppf(1 - alpha / 2)
    moved: Array = resampled[0] + np.sqrt(n / degrees) * t * (resampled - resampled[0])
    return moved


def quantile(values: Array, q: float) -> Array:
    """Returns a quantile over the first axis; it is one of the values, which may be infinite."""
    # NumPy's quantile returns NaN for infinite values.
    place = max(0, math.ceil(q * len(values)) - 1)
    return np.asarray(np.partition(values, place, axis=0)[place], dtype=float)


def front(contender: str, scores: Scores, drawn: Array, sign: int = 1) -> Front:
    r"""Returns the Pareto front of a contender, $F(c) = \max_{s: c_s \le c} \bar y_s$.

    The band is that of $F$ itself: means and front are computed again in each resample of the
    seeds. The largest of several noisy means is a little too high, and so is its band.

    Args:
        contender: Its name.
        scores: Its scores and their costs.
        drawn: The result of `weights`.
        sign: -1 if lower scores are better: the front is then the lowest score up to each cost.

    Example: three sizes, of which the second is no better than the first.

    >>> values = np.array([[0.8, 0.8], [0.7, 0.7], [0.9, 0.9]])
    >>> front("linear", Scores(np.array([10.0, 20.0, 40.0]), values), weights(2)).best
    (0.8, 0.8, 0.9)
    """
    order = np.argsort(scores.costs, kind="stable")
    costs, resampled = scores.costs[order], means(scores.values[order], drawn)
    # The last of several equal costs has the best score of all of them.
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
    """Returns the smallest cost at which the mean score reaches a target, in each resample.

    Only sizes that were run count; there is no interpolation.

    Args:
        scores: The scores of a contender.
        resampled: Its `means`, of shape `(n_resamples, n_sizes)`.
        target: The score to reach, of shape `(n_resamples,)`.
        sign: -1 if lower scores are better, else 1.

    Returns:
        Costs of shape `(n_resamples,)`; infinite if no size reaches the target.
    """
    there = sign * resampled >= sign * target[:, np.newaxis]
    least: Array = np.where(there, scores.costs, np.inf).min(axis=1)
    return least


def best_of(resampled: Mapping[str, Array], sign: int = 1) -> tuple[str, Array]:
    """Returns the contender with the best mean score, and the best score in each resample."""
    # A resample may have no score of a contender; NumPy's nanmax would warn of that.
    of_each = {name: np.fmax.reduce(sign * values, axis=1) for name, values in resampled.items()}
    name = max(of_each, key=lambda one: np.fmax(of_each[one][0], -np.inf))
    return name, np.asarray(sign * np.fmax.reduce(list(of_each.values()), axis=0), dtype=float)


@dataclasses.dataclass(frozen=True, eq=False)
class Needed:
    """The smallest cost at which a contender reaches a target, in each resample.

    Attributes:
        costs: The cost, of shape `(n_resamples,)`; the first value is that of all seeds. Infinite
            if no size that was run reaches the target.
        least: A lower bound of the true cost, for sizes that were not run. It equals `costs` with
            two exceptions. If no size reaches the target, it is the largest size that was run,
            because more is needed. If the smallest size that was run reaches the target, it is 0,
            because a smaller size may suffice.
        smallest: Whether the cost is that of the smallest size that was run, and smaller ones are
            possible.
    """

    costs: Array
    least: Array
    smallest: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, costs: Array, sizes: Array | None) -> Needed:
        """Returns the object for costs, given those of all sizes that were run.

        `sizes` is None for a contender that can have only one size.
        """
        if sizes is None:
            return cls(costs, costs, np.zeros(costs.shape, bool))
        smallest = costs <= sizes.min()
        # Slightly more than the largest, so that it exceeds a cost that reaches the target there.
        least = np.where(np.isinf(costs), sizes.max() * (1 + 1e-9), costs)
        return cls(costs, np.where(smallest, 0.0, least), smallest)


def as_run(ours: Needed, theirs: Needed) -> tuple[Needed, Needed]:
    """Replaces the lower bound 0 by the cost if both are at their smallest sizes in a resample."""
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

    If no size reaches the target, the cost is above that of the largest size, by an unknown amount.
    If the smallest size reaches it, the cost may be lower, again by an unknown amount. So the
    interval's lower end uses the lower bound of `ours`, and its upper end the lower bound of
    `theirs`.

    Args:
        ours: The costs in the numerator.
        theirs: The costs in the denominator.
        alpha: One minus the confidence.

    Returns:
        The ratio, and the lower and the upper end of its interval. The upper end is infinite if
        `theirs` has no lower bound above 0. The ratio is NaN if neither reaches the target.
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
    """Returns ratios; an infinite denominator gives 0 for finite numerators, and 0 infinity."""
    never = np.isinf(below)
    ratio: Array = np.where(never & np.isfinite(above), 0.0, np.inf)
    np.divide(above, below, out=ratio, where=~never & (below > 0))
    return ratio


def overlap(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Returns how much of the shorter of two ranges of costs (log scale) overlaps with the other.

    For a range of a single cost, this is 1 if it lies within the other range or within a factor of
    `NEAR` of it, else 0.

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
