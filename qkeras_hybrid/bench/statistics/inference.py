"""Tests and intervals of paired differences, with SciPy and statsmodels."""

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
"""The significance level of every test; intervals have the confidence 1 - `ALPHA`."""

MARGIN = 0.02
"""The largest difference of scores at which contenders count as equivalent: 2 points."""

MIN_PAIRS = 6
"""The smallest number of pairs for a verdict.

Without any effect, all n differences have the same sign with probability 2 / 2^n. For fewer than
six pairs this is over 5 %, so neither Wilcoxon's test nor a bootstrap can show a difference.
"""


_MOST_TIED = 13
"""Up to so many differences with ties or zeros, the test tries all signs, as SciPy's does."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean and its bootstrap interval.

    Attributes:
        mean: The mean; NaN for no values.
        low: The lower end; NaN for fewer than two values.
        high: The upper end; NaN likewise.
        n: The number of values.
    """

    mean: float
    low: float
    high: float
    n: int

    @property
    def excludes_zero(self) -> bool:
        """Whether zero is outside the interval; False without an interval."""
        return self.low > 0 or self.high < 0

    def within(self, margin: float) -> bool:
        """Whether the interval lies between -margin and margin; False without an interval."""
        return -margin <= self.low and self.high <= margin


def bootstrap_interval(
    strata: Sequence[Sequence[float]], confidence: float = 1 - ALPHA, resamples: int = 9999
) -> Estimate:
    """Returns the mean over strata of their means, and its stratified bootstrap interval.

    Each stratum (a data set) is resampled separately and has the same weight. This is the
    percentile interval of `scipy.stats.bootstrap` with a fixed seed: the same values give the same
    interval.

    Args:
        strata: The values of each stratum; for a single sample, one stratum.
        confidence: Between 0 and 1.
        resamples: How often to resample.

    Returns:
        The estimate. A stratum of one value can't be resampled: if there is one, the ends are NaN.

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
    """Returns the p value of Wilcoxon's signed-rank test, and its effect size.

    The test is that of `scipy.stats.wilcoxon`, two-sided, with Pratt's treatment of zeros. The
    effect size is the matched-pairs rank-biserial correlation after Kerby 2014: the difference of
    the positive and the negative rank sum, divided by their sum. It is 1 if every difference is
    positive, and 0 if they balance or all are zero.

    Args:
        differences: Paired differences.

    Returns:
        p value and effect size; NaN without differences.
    """
    return _wilcoxon(tuple(differences))


# A report needs each result twice: for the verdict and for the table.
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

    # In this case `scipy.stats.wilcoxon` also tries all signs of the differences. But it ranks them
    # again for each, which takes a hundred times as long. Signs don't change ranks.
    found = scipy_stats.permutation_test(
        (values,), rank_sum, permutation_type="samples", vectorized=True, axis=-1
    )
    return float(found.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p values corrected after Holm for their number; NaN (no test) stays NaN."""
    known = [p for p in p_values if not math.isnan(p)]
    # statsmodels collects garbage at each call, which takes a third of a second if a Keras backend
    # is loaded. The collection skips frozen objects.
    gc.freeze()
    try:
        corrected = iter(multitest.multipletests(known, method="holm")[1] if known else ())
    finally:
        gc.unfreeze()
    return [p if math.isnan(p) else float(next(corrected)) for p in p_values]


def equivalence(differences: Sequence[float], margin: float) -> float:
    """Returns the p value of the two one-sided t tests that the mean lies within the margin.

    This is the larger p value of two `scipy.stats.ttest_1samp`, against -margin and margin.

    Args:
        differences: Paired differences.
        margin: The largest difference that does not matter, over 0.

    Returns:
        The p value; NaN for fewer than two differences.
    """
    if len(differences) < 2:
        return math.nan
    with warnings.catch_warnings():
        # If all differences are equal, they have no spread, and t is infinite, as it should be.
        warnings.simplefilter("ignore", RuntimeWarning)
        over = scipy_stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
        under = scipy_stats.ttest_1samp(differences, margin, alternative="less").pvalue
    return max(float(over), float(under))


def pairs_needed(contenders: int, alpha: float = ALPHA) -> int:
    """Returns the smallest number of pairs with which the corrected test can be significant.

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
