"""Statistics of the rows of comparisons, with their uncertainty.

The tests are those of SciPy, statsmodels and scikit-posthocs. Two contenders are compared pair by
pair: both have the same split and batches for the same seed. There is a difference if Wilcoxon's
signed-rank test, corrected after Holm for the number of contenders, is significant and the
bootstrap interval excludes zero. Two contenders are equivalent if both one-sided t tests against
the margin are significant (TOST) and the interval lies within the margin. So the verdicts in words
always agree with a figure of the intervals.

References:
    R. Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice,
    NeurIPS 2021, arXiv 2108.13264 (stratified bootstrap). J. Demsar, Statistical comparisons of
    classifiers over multiple data sets, JMLR 7, 2006 (Wilcoxon, Friedman, rank diagram).
    S. Holm, Scand. J. Statist. 6, 1979. D. J. Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987
    (TOST). D. S. Kerby, Comprehensive Psychology 3, 2014 (matched-pairs rank-biserial).
"""

from __future__ import annotations

from qkeras_hybrid.bench.statistics.axes import Sweep, sweeps
from qkeras_hybrid.bench.statistics.contests import LEVEL, LEVELS, Contest, Need, Reach
from qkeras_hybrid.bench.statistics.curves import (
    Curve,
    TimeToScore,
    hybrid_target,
    learning_curves,
    time_to_score,
)
from qkeras_hybrid.bench.statistics.frontiers import Frontier, frontiers
from qkeras_hybrid.bench.statistics.fronts import NEAR, Front, Point
from qkeras_hybrid.bench.statistics.inference import (
    ALPHA,
    MARGIN,
    MIN_PAIRS,
    Estimate,
    bootstrap_interval,
    equivalence,
    holm,
    pairs_needed,
    wilcoxon,
)
from qkeras_hybrid.bench.statistics.losses import ToDecide, to_decide
from qkeras_hybrid.bench.statistics.over_data import Aggregate, Ranks, aggregate, ranks
from qkeras_hybrid.bench.statistics.paired import (
    Contrast,
    Outcome,
    contrasts,
    paired_difference,
)
from qkeras_hybrid.bench.statistics.rows import (
    COSTS,
    Interval,
    Summary,
    comparisons,
    data_set,
    execution,
    is_tuned,
    last_rows,
    loss_of,
    succeeded,
    summarize,
    t_interval,
)

__all__ = [
    "ALPHA",
    "COSTS",
    "LEVEL",
    "LEVELS",
    "MARGIN",
    "MIN_PAIRS",
    "NEAR",
    "Aggregate",
    "Contest",
    "Contrast",
    "Curve",
    "Estimate",
    "Front",
    "Frontier",
    "Interval",
    "Need",
    "Outcome",
    "Point",
    "Ranks",
    "Reach",
    "Summary",
    "Sweep",
    "TimeToScore",
    "ToDecide",
    "aggregate",
    "bootstrap_interval",
    "comparisons",
    "contrasts",
    "data_set",
    "equivalence",
    "execution",
    "frontiers",
    "holm",
    "hybrid_target",
    "is_tuned",
    "last_rows",
    "learning_curves",
    "loss_of",
    "paired_difference",
    "pairs_needed",
    "ranks",
    "succeeded",
    "summarize",
    "sweeps",
    "t_interval",
    "time_to_score",
    "to_decide",
    "wilcoxon",
]
