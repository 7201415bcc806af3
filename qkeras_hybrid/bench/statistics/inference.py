"""Tests and intervals of paired differences: SciPy's and statsmodels'."""

from __future__ import annotations

import dataclasses
import functools
import gc
import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qkeras_hybrid._lazy import lazy_module

if TYPE_CHECKING:
    import scipy.stats as scipy_stats
    import statsmodels.stats.multitest as multitest
else:
    scipy_stats = lazy_module("scipy.stats")
    multitest = lazy_module("statsmodels.stats.multitest")

ALPHA = 0.05
"""The level of every test; intervals hold 1 minus as much."""

MARGIN = 0.02
"""Up to which difference of scores two contenders count as equivalent: 2 points of accuracy."""

MIN_PAIRS = 6
"""The fewest pairs from which anything is claimed.

Of n pairs without any effect, all differences have the same sign with probability 2 / 2^n. Below
six pairs that is over 5 %, so that neither Wilcoxon's test nor a bootstrap can tell.
"""


_MOST_TIED = 13
"""Of so many differences with ties or zeros, the test goes through all signs, as SciPy's does."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean and its bootstrap interval.

    Attributes:
        mean: The mean; NaN of no values.
        low: The lower end; NaN of fewer than two values.
        high: The upper end; NaN likewise.
        n: The number of values.
    """

    mean: float
    low: float
    high: float
    n: int

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside; False where there is no interval."""
        return self.low > 0 or self.high < 0

    def within(self, margin: float) -> bool:
        """Whether the interval lies between minus and plus the margin; False without one."""
        return -margin <= self.low and self.high <= margin


def bootstrap_interval(
    strata: Sequence[Sequence[float]], confidence: float = 1 - ALPHA, resamples: int = 9999
) -> Estimate:
    """Returns the mean over strata of their means, and its stratified bootstrap interval.

    Each stratum (a data set) is resampled by itself and weighs the same. The percentile interval
    of `scipy.stats.bootstrap`, from a fixed seed: the same values give the same interval.

    Args:
        strata: The values of each stratum; for a single sample, one stratum.
        confidence: Between 0 and 1.
        resamples: How often to resample.

    Returns:
        The estimate. Strata of one value can't be resampled: with one among them, the ends are
        NaN.

    Example:
        >>> bootstrap_interval([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]]).mean
        3.5
    """
    kept = [np.asarray(values, dtype=float) for values in strata if len(values)]
    n = sum(map(len, kept))
    if not n:
        return Estimate(math.nan, math.nan, math.nan, 0)
    mean = float(_mean_of_means(*kept))
    if any(len(values) < 2 for values in kept):
        return Estimate(mean, math.nan, math.nan, n)
    found = scipy_stats.bootstrap(
        tuple(kept),
        _mean_of_means,
        n_resamples=resamples,
        vectorized=True,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Estimate(mean, float(found.low), float(found.high), n)


def _mean_of_means(*samples: npt.NDArray[np.float64], axis: int = -1) -> Any:
    return sum(np.mean(sample, axis=axis) for sample in samples) / len(samples)


def wilcoxon(differences: Sequence[float]) -> tuple[float, float]:
    """Returns the p value of Wilcoxon's signed-rank test and the effect size that goes with it.

    `scipy.stats.wilcoxon`, two-sided, zeros after Pratt. The effect size is the matched-pairs
    rank-biserial correlation after Kerby 2014: the positive rank sum minus the negative one, over
    both; 1 where every difference is positive, 0 where they balance or all are zero.

    Args:
        differences: Paired differences.

    Returns:
        p value and effect size; NaN of no differences.
    """
    return _wilcoxon(tuple(differences))


# A report asks twice: for the verdict and for the table.
@functools.lru_cache(maxsize=4096)
def _wilcoxon(differences: tuple[float, ...]) -> tuple[float, float]:
    values = np.asarray(differences, dtype=float)
    if not len(values):
        return math.nan, math.nan
    if not values.any():
        return 1.0, 0.0
    ranks = scipy_stats.rankdata(np.abs(values))
    up, down = float(ranks[values > 0].sum()), float(ranks[values < 0].sum())
    return _p_value(values, ranks), (up - down) / (up + down)


def _p_value(values: npt.NDArray[np.float64], ranks: npt.NDArray[np.float64]) -> float:
    tied = not values.all() or len(set(ranks.tolist())) < len(ranks)
    if not tied or len(values) > _MOST_TIED:
        return float(scipy_stats.wilcoxon(values, zero_method="pratt").pvalue)

    def rank_sum(signed: npt.NDArray[np.float64], axis: int) -> Any:
        return np.where(signed > 0, ranks, 0.0).sum(axis=axis)

    # Here `scipy.stats.wilcoxon` tests all signs of the differences too, but ranks them anew for
    # each, which takes a hundred times as long. Signs don't change ranks.
    found = scipy_stats.permutation_test(
        (values,), rank_sum, permutation_type="samples", vectorized=True, axis=-1
    )
    return float(found.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p values corrected after Holm for their number; NaN is no test and stays."""
    known = [p for p in p_values if not math.isnan(p)]
    # statsmodels collects garbage at each call, which takes a third of a second with a Keras
    # backend loaded. Frozen objects are not looked at.
    gc.freeze()
    try:
        corrected = iter(multitest.multipletests(known, method="holm")[1] if known else ())
    finally:
        gc.unfreeze()
    return [p if math.isnan(p) else float(next(corrected)) for p in p_values]


def equivalence(differences: Sequence[float], margin: float) -> float:
    """Returns the p value of the two one-sided t tests that the mean lies within the margin.

    The larger p value of two `scipy.stats.ttest_1samp`, against minus and plus the margin.

    Args:
        differences: Paired differences.
        margin: The largest difference that does not matter, over 0.

    Returns:
        The p value; NaN of fewer than two differences.
    """
    if len(differences) < 2:
        return math.nan
    with warnings.catch_warnings():
        # Differences that are all the same have no spread, and t is then infinite, as it should.
        warnings.simplefilter("ignore", RuntimeWarning)
        over = scipy_stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
        under = scipy_stats.ttest_1samp(differences, margin, alternative="less").pvalue
    return max(float(over), float(under))


def pairs_needed(contenders: int, alpha: float = ALPHA) -> int:
    """Returns from how many pairs the corrected test can be significant at all.

    The smallest two-sided p value of n pairs is 2 / 2^n, and Holm multiplies the smallest of
    several by their number.

    Example:
        >>> pairs_needed(1), pairs_needed(9)
        (6, 9)
    """
    n = MIN_PAIRS
    while contenders * 2.0 ** (1 - n) >= alpha:
        n += 1
    return n
