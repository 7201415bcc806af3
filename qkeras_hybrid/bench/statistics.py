"""What the rows of a comparison say, with the uncertainty of saying it.

The tests are SciPy's, statsmodels' and scikit-posthocs'. Two contenders are compared pair by pair:
a seed gives both the same split and batches. A difference is claimed where Wilcoxon's signed-rank
test, corrected after Holm for the number of contenders, is significant and the bootstrap interval
excludes zero; equivalence where both one-sided t tests against the margin are significant (TOST)
and the interval lies within the margin. So what is said in words is also what a figure of the
intervals shows.

References:
    R. Agarwal et al., Deep reinforcement learning at the edge of the statistical precipice,
    NeurIPS 2021, arXiv 2108.13264 (stratified bootstrap). J. Demsar, Statistical comparisons of
    classifiers over multiple data sets, JMLR 7, 2006 (Wilcoxon, Friedman, rank diagram).
    S. Holm, Scand. J. Statist. 6, 1979. D. J. Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987
    (TOST). D. S. Kerby, Comprehensive Psychology 3, 2014 (matched-pairs rank-biserial).
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import gc
import math
import statistics
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.bench.task import Row, latest

if TYPE_CHECKING:
    import scikit_posthocs
    import scipy.stats as scipy_stats
    import statsmodels.stats.multitest as multitest
else:
    scikit_posthocs = lazy_module("scikit_posthocs")
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

MIN_DATA_SETS = 10
"""The fewest data sets for a diagram of ranks."""

COSTS = (
    "step_seconds",
    "inference_seconds_1",
    "inference_seconds_256",
    "compile_seconds",
    "peak_memory_bytes",
    "circuit_evaluations_per_step",
    "circuit_evaluations_total",
    "shots_total",
)
"""The keys of a row's `cost`."""

TIMES = frozenset({"step_seconds", "inference_seconds_1", "inference_seconds_256"}) | {
    "compile_seconds",
    "fit_seconds",
    "epoch_seconds",
    "first_epoch_seconds",
}
"""The costs that other runs on the machine change."""

Outcome = Literal["better", "worse", "equivalent", "undecided", "too few seeds", "no pairs"]
"""What the pairs say of the hybrid against a contender."""


# One contender.


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean and the interval around it.

    Attributes:
        mean: The mean; NaN of no values.
        half_width: How far the interval reaches to either side; NaN of fewer than two values.
        n: The number of values.
    """

    mean: float
    half_width: float
    n: int

    @property
    def low(self) -> float:
        """The lower end."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """The upper end."""
        return self.mean + self.half_width

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside; False where there is no interval."""
        return self.low > 0 or self.high < 0


def t_interval(values: Sequence[float], confidence: float = 1 - ALPHA) -> Interval:
    r"""Returns the mean of values and its Student t interval.

    $\bar x \pm t_{(1 + c) / 2, n - 1} \, s / \sqrt n$, with the sample's standard deviation $s$.

    Args:
        values: Independent values, about normally distributed.
        confidence: The confidence $c$, between 0 and 1.

    Returns:
        The interval. Its ends are NaN for fewer than two values.

    Example:
        >>> t_interval([1.0, 2.0, 3.0, 4.0, 5.0])
        Interval(mean=3.0, half_width=1.963..., n=5)
    """
    n = len(values)
    if n < 2:
        return Interval(values[0] if n else math.nan, math.nan, n)
    t = float(scipy_stats.t.ppf((1 + confidence) / 2, n - 1))
    return Interval(statistics.fmean(values), t * statistics.stdev(values) / math.sqrt(n), n)


def succeeded(row: Row) -> bool:
    """Whether a run ended without an error and with a test score that is a number."""
    score = row.get("test_score")
    return row.get("error") is None and score is not None and math.isfinite(score)


def by_contender(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Returns the last row of each task by contender: the hybrid, its controls, the references.

    Whatever the order of the rows, which is chance where several processes wrote them; contenders
    of other names follow in the order of their first rows.
    """
    order = ["hybrid", *NOUNS]
    found: dict[str, list[Row]] = {name: [] for name in order}
    for row in latest(rows).values():
        found.setdefault(row["contender"], []).append(row)
    return {name: its for name, its in found.items() if its}


def comparisons(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Returns the last row of each task by comparison id, comparisons in the order of first rows.

    A comparison shares data, model, training and backend; its contenders are paired by seed.
    """
    found: dict[str, list[Row]] = {}
    for row in latest(rows).values():
        found.setdefault(row["comparison"], []).append(row)
    return found


def data_set(data: Mapping[str, Any]) -> str:
    """Returns which data set a data table means: what counts as one wherever data sets are counted.

    That is a generator, a bundled data set, or a file. Tables that differ in anything else (size,
    noise, features, seed, how they are split) are variants of one data set: they share its
    difficulty, often its samples, and say little more than one of them.

    Example:
        >>> data_set({"name": "hidden_manifold", "manifold_dimension": 2})
        'hidden_manifold'
        >>> data_set({"name": "csv", "path": "mine.csv", "target": "class"})
        'csv mine.csv'
    """
    return f"{data['name']} {data['path']}" if "path" in data else str(data["name"])


def is_tuned(rows: Iterable[Row]) -> bool:
    """Whether the contenders of a comparison were tuned."""
    return any(row.get("tuning") for row in rows)


def tuning_of(rows: Iterable[Row]) -> str:
    """Returns the budget with which a comparison was tuned: "5 trials, 2 folds", or "none"."""
    tunings = [row["tuning"] for row in rows if row.get("tuning")]
    if not tunings:
        return "none"
    most = {name: max(t.get(name) or 0 for t in tunings) for name in ("trials", "folds")}
    return f"{most['trials']} trials, {most['folds']} folds"


@dataclasses.dataclass(frozen=True)
class Summary:
    """What the rows of one contender say.

    Attributes:
        contender: Its name.
        metric: What its scores are: `"accuracy"` or `"r2"`.
        test_score: Over the seeds whose run succeeded.
        train_score: Over the same.
        parameters: The number of trainable parameters; None if no run succeeded or has any. Where
            tuning chose other sizes in other seeds, the median.
        parameter_mismatch: By which share they exceed those of the hybrid of the same seed, in
            the seed in which they differ most; None if that is not known.
        network: Its layers in a line; empty if no run succeeded.
        engine: The name of the engine, None without one; of all, where "auto" took several.
        first_epoch_seconds: The median over the runs; NaN if there is none.
        epoch_seconds: The median over the runs of the median of their later epochs; NaN if
            there is none.
        loss_drop: By which share the training loss fell in the last epoch: the median over the
            runs; NaN of runs with one epoch.
        costs: Medians over the runs of `COSTS` and `"fit_seconds"`; NaN where there is none.
            Where a run had the machine to itself, times count such runs alone.
        timing_comparable: Whether all runs that the times come from had the machine to themselves.
        runs: The number of runs.
        failed: The number of runs that failed.
        errors: What they failed of, each text once.
        suspicious: Whether test and train scores are equal in every seed, as they are where test
            samples leak into the training.
    """

    contender: str
    metric: str
    test_score: Interval
    train_score: Interval
    parameters: int | None
    parameter_mismatch: float | None
    network: str
    engine: str | None
    first_epoch_seconds: float
    epoch_seconds: float
    loss_drop: float
    costs: Mapping[str, float]
    timing_comparable: bool
    runs: int
    failed: int
    errors: tuple[str, ...]
    suspicious: bool


def summarize(rows: Iterable[Row]) -> list[Summary]:
    """Summarises each contender of a comparison, in the order of `by_contender`.

    Args:
        rows: The rows of one comparison. Where a task has several, its last one counts.
    """
    contenders = by_contender(rows)
    hybrid = {
        row["seed"]: row["parameters"]
        for row in contenders.get("hybrid", ())
        if succeeded(row) and row.get("parameters")
    }
    return [_summarize(contender, its, hybrid) for contender, its in contenders.items()]


def _summarize(contender: str, rows: list[Row], hybrid: Mapping[int, int]) -> Summary:
    good = [row for row in rows if succeeded(row)]
    one = good[0] if good else {}
    timed, comparable = _timed(good)
    trained = [row["train_score"] for row in good if row.get("train_score") is not None]
    errors = [_error(row) for row in rows if not succeeded(row)]
    counts = [row["parameters"] for row in good if row.get("parameters") is not None]
    return Summary(
        contender=contender,
        metric=one.get("metric", "accuracy"),
        test_score=t_interval([row["test_score"] for row in good]),
        train_score=t_interval(trained),
        parameters=statistics.median_low(counts) if counts else None,
        parameter_mismatch=_mismatch(good, hybrid),
        network=one.get("network") or "",
        engine=", ".join(sorted({row["engine"] for row in good if row.get("engine")})) or None,
        first_epoch_seconds=_median(row.get("first_epoch_seconds") for row in timed),
        epoch_seconds=_median(row.get("epoch_seconds") for row in timed),
        loss_drop=_median(_loss_drop(row.get("loss") or []) for row in good),
        costs={
            "fit_seconds": _median(row.get("fit_seconds") for row in timed),
            **{
                name: _median(
                    (row.get("cost") or {}).get(name) for row in (timed if name in TIMES else good)
                )
                for name in COSTS
            },
        },
        timing_comparable=comparable,
        runs=len(rows),
        failed=len(errors),
        errors=tuple(dict.fromkeys(errors)),
        suspicious=bool(good) and all(row.get("train_score") == row["test_score"] for row in good),
    )


def _mismatch(good: list[Row], hybrid: Mapping[int, int]) -> float | None:
    """Returns by which share parameters exceed the hybrid's, where they differ most.

    From the rows of the hybrid itself, which tuning may have given another size than that from
    which a control was derived; from what a row says of itself only where there are none.
    """
    shares = [
        row["parameters"] / hybrid[row["seed"]] - 1
        for row in good
        if row.get("parameters") is not None and row["seed"] in hybrid
    ]
    if not hybrid:
        own = (row.get("parameter_mismatch") for row in good)
        shares = [share for share in own if share is not None]
    return max(shares, key=abs, default=None)


def _error(row: Row) -> str:
    return str(row.get("error") or "its test score is not a finite number")


def _timed(good: list[Row]) -> tuple[list[Row], bool]:
    """Returns the rows whose times count, and whether their runs had the machine to themselves."""
    alone = [row for row in good if row.get("timing_comparable", True)]
    return (alone, True) if alone else (good, not good)


def _loss_drop(loss: Sequence[float | None]) -> float | None:
    if len(loss) < 2:
        return None
    before, last = loss[-2:]
    return None if last is None or not before else 1 - last / before


def _median(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return statistics.median(known) if known else math.nan


# The hybrid against another contender.


def differences(
    rows: Iterable[Row], first: str, second: str, value: str = "test_score"
) -> dict[int, float]:
    """Returns first minus second by seed, of the seeds in which neither failed.

    Both contenders of a seed have the same split and batches, so that what makes one split
    harder than another drops out of the difference.

    Args:
        rows: The rows of one comparison.
        first: The name of a contender.
        second: The name of another.
        value: What to compare.
    """
    by_seed: dict[int, dict[str, float]] = {}
    for row in latest(rows).values():
        if succeeded(row):
            by_seed.setdefault(row["seed"], {})[row["contender"]] = row[value]
    return {
        seed: seen[first] - seen[second]
        for seed, seen in sorted(by_seed.items())
        if first in seen and second in seen
    }


def paired_difference(
    rows: Iterable[Row], first: str, second: str, value: str = "test_score"
) -> Interval:
    """Returns the Student t interval of first minus second, seed by seed.

    Args:
        rows: The rows of one comparison.
        first: The name of a contender.
        second: The name of another.
        value: What to compare.

    Returns:
        The interval over the seeds in which neither failed.
    """
    return t_interval(list(differences(rows, first, second, value).values()))


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


# With ties, the test goes through every sign of every difference, and a report asks twice.
@functools.lru_cache(maxsize=4096)
def _wilcoxon(differences: tuple[float, ...]) -> tuple[float, float]:
    values = np.asarray(differences, dtype=float)
    if not len(values):
        return math.nan, math.nan
    if not values.any():
        return 1.0, 0.0
    test = scipy_stats.wilcoxon
    up, down = (
        # The rank sum alone, which is the same by every method; this one is quick.
        float(test(signed, zero_method="pratt", alternative="greater", method="approx").statistic)
        for signed in (values, -values)
    )
    return float(test(values, zero_method="pratt").pvalue), (up - down) / (up + down)


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


@dataclasses.dataclass(frozen=True)
class Contrast:
    """The hybrid against one contender, over the seeds in which neither failed.

    Attributes:
        contender: The name of the other.
        difference: The hybrid's test score minus the other's.
        values: The differences, by seed.
        p_value: Of Wilcoxon's signed-rank test; NaN below `MIN_PAIRS`.
        p_holm: The same, corrected for the number of contenders.
        effect_size: The matched-pairs rank-biserial correlation.
        p_equivalence: Of the two one-sided tests against the margin.
        outcome: What that comes to, said of the hybrid.
        needed: From how many pairs a difference can be found at all.
        cost_ratio: How many times the other's fit time the hybrid's takes; NaN if unknown.
    """

    contender: str
    difference: Estimate
    values: tuple[float, ...]
    p_value: float
    p_holm: float
    effect_size: float
    p_equivalence: float
    outcome: Outcome
    needed: int
    cost_ratio: float = math.nan


def contrasts(rows: Sequence[Row], margin: float = MARGIN) -> list[Contrast]:
    """Holds the hybrid against each other contender of a comparison.

    Args:
        rows: The rows of one comparison.
        margin: Up to which difference two contenders count as equivalent.

    Returns:
        A contrast for each contender but the hybrid, in the order of `by_contender`.
    """
    summaries = {summary.contender: summary for summary in summarize(rows)}
    hybrid = summaries.get("hybrid")
    found = _contrasts(
        {name: differences(rows, "hybrid", name) for name in summaries if name != "hybrid"}, margin
    )
    return [
        one
        if hybrid is None
        else dataclasses.replace(one, cost_ratio=_cost_ratio(hybrid, summaries[one.contender]))
        for one in found
    ]


def _contrasts(by_contender: Mapping[str, Mapping[int, float]], margin: float) -> list[Contrast]:
    """Tests the differences of the hybrid to each contender, given by contender and seed."""
    values = {name: tuple(by_seed.values()) for name, by_seed in by_contender.items()}
    tests = {name: wilcoxon(its) for name, its in values.items()}
    tested = {n: p if len(values[n]) >= MIN_PAIRS else math.nan for n, (p, _) in tests.items()}
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    needed = pairs_needed(sum(not math.isnan(p) for p in tested.values()) or len(tested) or 1)
    found = []
    for name, its in values.items():
        difference = bootstrap_interval([its])
        p_equivalence = equivalence(its, margin)
        found.append(
            Contrast(
                contender=name,
                difference=difference,
                values=its,
                p_value=tested[name],
                p_holm=corrected[name],
                effect_size=tests[name][1],
                p_equivalence=p_equivalence,
                outcome=_outcome(difference, corrected[name], p_equivalence, margin, needed),
                needed=needed,
            )
        )
    return found


def _outcome(
    difference: Estimate, p: float, p_equivalence: float, margin: float, needed: int
) -> Outcome:
    if not difference.n:
        return "no pairs"
    if difference.n < MIN_PAIRS:
        return "too few seeds"
    if p < ALPHA and difference.excludes_zero:
        return "better" if difference.mean > 0 else "worse"
    if p_equivalence < ALPHA and difference.within(margin):
        return "equivalent"
    return "too few seeds" if difference.n < needed else "undecided"


def _cost_ratio(hybrid: Summary, other: Summary) -> float:
    if not (hybrid.timing_comparable and other.timing_comparable):
        return math.nan
    seconds = other.costs["fit_seconds"]
    return hybrid.costs["fit_seconds"] / seconds if seconds > 0 else math.nan


# In words.

NOUNS = {
    "dense_same_parameters": "the matched Dense",
    "dense_same_width": "the Dense of the same width",
    "linear": "a linear layer in its place",
    "frozen_circuit": "the frozen circuit",
    "no_entanglement": "the circuit without entanglement",
    "fourier_features": "the Fourier feature layer",
    "mlp": "the MLP",
    "rbf_svc": "the RBF-SVC",
    "gradient_boosting": "gradient boosting",
}
"""What a verdict calls a contender."""

UNITS = {"accuracy": "points", "r2": "hundredths of R²"}
"""What a hundredth of a metric is called."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a comparison comes to.

    Attributes:
        sentence: In plain words.
        contrasts: What it rests on.
        margin: The margin of equivalence.
    """

    sentence: str
    contrasts: tuple[Contrast, ...]
    margin: float


def judge(rows: Sequence[Row], margin: float = MARGIN) -> Verdict:
    """Says in a sentence what a comparison shows of its hybrid.

    Args:
        rows: The rows of one comparison.
        margin: Up to which difference of scores two contenders count as equivalent.

    Returns:
        The verdict, whose sentence is such as "No difference within 2 points to the frozen
        circuit; the matched Dense is 3.1 points better [2.0, 4.2] and 8 times cheaper to fit."
        Its intervals are those of the other contender's score minus the hybrid's.
    """
    summaries = {summary.contender: summary for summary in summarize(rows)}
    hybrid = summaries.get("hybrid")
    if hybrid is None:
        return Verdict("There are no rows of the hybrid to compare with.", (), margin)
    found = contrasts(rows, margin)
    if hybrid.failed == hybrid.runs:
        many = "its run" if hybrid.runs == 1 else f"all {hybrid.runs} runs"
        said = f"No verdict: {many} of the hybrid failed."
    elif not found:
        said = "The hybrid was run alone: there is nothing to compare it with."
    else:
        parts = _parts(found, margin, UNITS.get(hybrid.metric, "hundredths"))
        said = "; ".join(parts) + "."
        said = said[0].upper() + said[1:]
        alone = summaries.values()
        failed = sum(summary.failed for summary in alone)
        if failed:
            runs = sum(summary.runs for summary in alone)
            said += f" {failed} of {runs} runs failed and {_is(failed)} in no mean."
    return Verdict(said, tuple(found), margin)


def _parts(found: Sequence[Contrast], margin: float, unit: str) -> list[str]:
    groups: dict[Outcome, list[Contrast]] = {}
    for contrast in found:
        groups.setdefault(contrast.outcome, []).append(contrast)
    parts = []
    if same := groups.get("equivalent"):
        names = [noun(c.contender) + _cheaper(c, " ({})") for c in same]
        parts.append(f"no difference within {100 * margin:g} {unit} to {listed(names)}")
    # Those that do better come first, the largest difference before the others.
    for contrast in sorted(
        (*groups.get("worse", ()), *groups.get("better", ())), key=lambda c: c.difference.mean
    ):
        is_small = " (a difference within the margin)" if contrast.difference.within(margin) else ""
        parts.append(f"{_apart(contrast, unit)}{_cheaper(contrast, ' and {}')}{is_small}")
    if open_ones := groups.get("undecided"):
        names = [f"{noun(c.contender)} ({_lead(c, unit)})" for c in open_ones]
        parts.append(f"undecided between it and {listed(names)}")
    if few := groups.get("too few seeds"):
        n = sorted({c.difference.n for c in few})
        seeds = f"{n[0]} paired seed{'s' if n[-1] > 1 else ''}"
        if len(n) > 1:
            seeds = f"{n[0]} to {n[-1]} paired seeds"
        means = [f"{noun(c.contender)} ({_lead(c, unit, ends=False)})" for c in few]
        parts.append(
            f"too few seeds to tell ({seeds}, and {few[0].needed} is the least) for {listed(means)}"
        )
    if none := groups.get("no pairs"):
        parts.append(f"no pair of runs to compare with {listed([noun(c.contender) for c in none])}")
    return parts


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def noun(contender: str) -> str:
    """Returns what a verdict calls a contender."""
    return NOUNS.get(contender, contender.replace("_", " "))


def listed(names: Sequence[str]) -> str:
    """Returns names as a sentence lists them: "a", "a and b", "a, b and c"."""
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])


def _apart(contrast: Contrast, unit: str) -> str:
    return f"{noun(contrast.contender)} is {_lead(contrast, unit)}"


def _lead(contrast: Contrast, unit: str, *, ends: bool = True) -> str:
    """Returns by how much the other is better or worse, and the interval of just that."""
    difference = contrast.difference
    worse = difference.mean > 0
    low, high = (difference.low, difference.high) if worse else (-difference.high, -difference.low)
    size = f"{100 * abs(difference.mean):.1f} {unit} {'worse' if worse else 'better'}"
    if ends and not math.isnan(low):
        size += f" [{100 * low:.1f}, {100 * high:.1f}]".replace("-0.0", "0.0")
    return size


def _cheaper(contrast: Contrast, pattern: str) -> str:
    """Returns what is said of the other's cost; nothing where it is about the same or unknown."""
    ratio = contrast.cost_ratio
    if ratio >= 1.5:
        return pattern.format(f"{times(ratio)} times cheaper to fit")
    if ratio <= 1 / 1.5:
        return pattern.format(f"{times(1 / ratio)} times dearer to fit")
    return ""


def times(ratio: float) -> str:
    """Returns a factor in two digits: "1.7", "8", "1,200"."""
    digits = float(f"{ratio:.2g}")
    return f"{digits:,.0f}" if digits >= 10 or digits == int(digits) else f"{digits:g}"


# Over data sets.


@dataclasses.dataclass(frozen=True)
class Aggregate:
    """A hybrid against one contender over several data sets.

    A pair of a data set is a seed: its difference is the mean over the data set's variants, of
    the seeds that all of them have.

    Attributes:
        model: The name of the hybrid model.
        contender: The name of the other.
        metric: What the scores are.
        tuned: Whether both were tuned.
        difference: The mean over data sets, each with the same weight, and its stratified
            bootstrap interval: it speaks of these data sets.
        data_sets: The number of data sets with a pair; see `data_set`.
        p_value: Of Wilcoxon's test over the mean differences of the data sets, corrected after
            Holm for the number of contenders: it speaks of data sets like these. NaN below six.
        outcomes: On how many data sets each outcome came about.
    """

    model: str
    contender: str
    metric: str
    tuned: bool
    difference: Estimate
    data_sets: int
    p_value: float
    outcomes: Mapping[Outcome, int]

    @property
    def tally(self) -> tuple[int, int, int, int]:
        """On how many data sets the hybrid was better, equivalent, worse, and nothing was told."""
        better, equal, worse = (
            self.outcomes.get("better", 0),
            self.outcomes.get("equivalent", 0),
            self.outcomes.get("worse", 0),
        )
        return better, equal, worse, sum(self.outcomes.values()) - better - equal - worse


def aggregate(rows: Iterable[Row], margin: float = MARGIN) -> list[Aggregate]:
    """Holds each hybrid against each contender over all data sets.

    Models are pooled by name; metrics, and tuned and untuned models, are kept apart.

    Args:
        rows: Rows of any comparisons.
        margin: Up to which difference of scores two contenders count as equivalent.

    Returns:
        An aggregate for each model, metric, tuned or not, and contender with at least two data
        sets.
    """
    groups: dict[tuple[str, str, bool], dict[str, list[list[Row]]]] = {}
    for its in comparisons(rows).values():
        metric = next((row["metric"] for row in its if row.get("metric")), "accuracy")
        group = groups.setdefault((its[0]["model"]["name"], metric, is_tuned(its)), {})
        group.setdefault(data_set(its[0]["data"]), []).append(its)
    found = []
    for (model, metric, tuned), by_data in groups.items():
        gathered: dict[str, list[Contrast]] = {}
        for variants in by_data.values():
            for contrast in _on_data_set(variants, margin):
                gathered.setdefault(contrast.contender, []).append(contrast)
        p_values, made = [], []
        for contender, its_contrasts in gathered.items():
            paired = [one for one in its_contrasts if one.difference.n]
            if len(paired) < 2:
                continue
            means = [one.difference.mean for one in paired]
            p_values.append(wilcoxon(means)[0] if len(means) >= MIN_PAIRS else math.nan)
            outcomes = collections.Counter(one.outcome for one in its_contrasts)
            difference = bootstrap_interval([one.values for one in paired])
            made.append(
                Aggregate(
                    model, contender, metric, tuned, difference, len(paired), math.nan, outcomes
                )
            )
        found += [
            dataclasses.replace(one, p_value=p) for one, p in zip(made, holm(p_values), strict=True)
        ]
    return found


def _on_data_set(variants: Iterable[Sequence[Row]], margin: float) -> list[Contrast]:
    """Holds the hybrid against each contender over the comparisons on one data set."""
    gathered: dict[str, list[Mapping[int, float]]] = {}
    for its in variants:
        for name in by_contender(its):
            if name != "hybrid":
                gathered.setdefault(name, []).append(differences(its, "hybrid", name))
    return _contrasts({name: _pooled(those) for name, those in gathered.items()}, margin)


def _pooled(those: Iterable[Mapping[int, float]]) -> dict[int, float]:
    """Returns the mean difference by seed, of the seeds that all have that have any.

    A seed draws the samples and the split of every variant, so that variants are no further
    pairs; and with a seed that one of them lacks, the others would weigh more.
    """
    known = [by_seed for by_seed in those if by_seed]
    shared = set[int].intersection(*map(set, known)) if known else set()
    return {seed: statistics.fmean(by_seed[seed] for by_seed in known) for seed in sorted(shared)}


@dataclasses.dataclass(frozen=True)
class Ranks:
    """Mean ranks of contenders over data sets; 1 is the best.

    Attributes:
        mean: By contender, best first. The hybrid goes by its model's name.
        data_sets: The number of data sets; see `data_set`.
        tuned: Whether the contenders were tuned.
        p_value: Of the Friedman test that all are alike.
        p_pairs: Of Nemenyi's test between each two: a pandas DataFrame with the contenders as
            index and columns.
    """

    mean: Mapping[str, float]
    data_sets: int
    tuned: bool
    p_value: float
    p_pairs: Any


def ranks(rows: Iterable[Row]) -> list[Ranks]:
    """Ranks the contenders by mean test score on each data set, after Demsar 2006.

    Friedman's test is `scipy.stats.friedmanchisquare`, and Nemenyi's follows with
    `scikit_posthocs.posthoc_nemenyi_friedman`. Data sets are blocks, which must be complete:
    contenders that over half of the data sets lack are left out, then variants of data sets that
    lack one of the rest. On a data set counts the mean over its variants; on a variant with
    several comparisons (a sweep over qubits, or one for each hybrid), the mean over these.

    Args:
        rows: Rows of any comparisons.

    Returns:
        The ranks of untuned and of tuned contenders; of neither with fewer than `MIN_DATA_SETS`
        complete data sets or three contenders.
    """
    kept = latest(rows).values()
    by_tuning = (
        _ranks([row for row in kept if is_tuned([row]) == tuned], tuned) for tuned in (False, True)
    )
    return [one for one in by_tuning if one is not None]


def _ranks(rows: Iterable[Row], tuned: bool) -> Ranks | None:
    # By data set, variant and contender.
    scores: dict[str, dict[str, dict[str, list[float]]]] = {}
    for row in rows:
        if succeeded(row):
            name = row["model"]["name"] if row["contender"] == "hybrid" else row["contender"]
            variants = scores.setdefault(data_set(row["data"]), {})
            on_variant = variants.setdefault(repr(sorted(row["data"].items())), {})
            on_variant.setdefault(name, []).append(row["test_score"])
    having = collections.Counter(
        name
        for variants in scores.values()
        for name in dict.fromkeys(name for on_variant in variants.values() for name in on_variant)
    )
    names = [name for name, number in having.items() if 2 * number > len(scores)]
    if len(names) < 3:
        return None
    complete = []
    for variants in scores.values():
        means = [
            [statistics.fmean(on_variant[name]) for name in names]
            for on_variant in variants.values()
            if all(name in on_variant for name in names)
        ]
        if means:
            complete.append(np.mean(means, axis=0))
    if len(complete) < MIN_DATA_SETS:
        return None
    table = np.array(complete)
    mean = dict(zip(names, scipy_stats.rankdata(-table, axis=1).mean(axis=0).tolist(), strict=True))
    p_value = float(scipy_stats.friedmanchisquare(*table.T).pvalue)
    p_pairs = scikit_posthocs.posthoc_nemenyi_friedman(table)
    p_pairs.index = p_pairs.columns = names
    best_first = dict(sorted(mean.items(), key=lambda item: item[1]))
    return Ranks(best_first, len(complete), tuned, p_value, p_pairs)


# Over epochs.


@dataclasses.dataclass(frozen=True)
class Curve:
    """The training score of a contender after each epoch, over the seeds.

    Attributes:
        contender: Its name.
        seconds: The median of the seconds of training so far.
        median: The median score.
        low: The lower quartile.
        high: The upper quartile.
        n: The number of seeds.
    """

    contender: str
    seconds: tuple[float, ...]
    median: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    n: int


def learning_curves(rows: Iterable[Row]) -> list[Curve]:
    """Returns the learning curve of each contender that was trained in epochs.

    An epoch counts while at least half of the seeds have it: tuning may stop some earlier.

    Args:
        rows: The rows of one comparison.
    """
    found = []
    for contender, its in by_contender(rows).items():
        curves = [row["curve"] for row in its if succeeded(row) and row.get("curve")]
        columns = []
        for epoch in range(max((len(curve["train_score"]) for curve in curves), default=0)):
            at = [
                (curve["seconds"][epoch], curve["train_score"][epoch])
                for curve in curves
                if epoch < len(curve["train_score"]) and curve["train_score"][epoch] is not None
            ]
            if 2 * len(at) < len(curves):
                break
            times, scores = zip(*at, strict=True)
            columns.append((np.median(times), *np.quantile(scores, [0.5, 0.25, 0.75])))
        if columns:
            seconds, median, low, high = (
                tuple(map(float, column)) for column in zip(*columns, strict=True)
            )
            found.append(Curve(contender, seconds, median, low, high, len(curves)))
    return found


@dataclasses.dataclass(frozen=True)
class TimeToScore:
    """How long a contender trains until it reaches a training score.

    Attributes:
        contender: Its name.
        seconds: The median over the seeds, where a seed that never reaches it counts as
            infinite; infinite if at least half never do.
        reached: In how many seeds it does.
        n: The number of seeds.
    """

    contender: str
    seconds: float
    reached: int
    n: int


def time_to_score(rows: Sequence[Row], target: float) -> list[TimeToScore]:
    """Returns how long each contender takes to a training score, to the end of that epoch.

    Args:
        rows: The rows of one comparison.
        target: The training score to reach.
    """
    found = []
    for contender, its in by_contender(rows).items():
        curves = [row["curve"] for row in its if succeeded(row) and row.get("curve")]
        times = [
            next(
                (
                    seconds
                    for seconds, score in zip(curve["seconds"], curve["train_score"], strict=True)
                    if score is not None and score >= target
                ),
                math.inf,
            )
            for curve in curves
        ]
        if times:
            reached = sum(map(math.isfinite, times))
            found.append(TimeToScore(contender, statistics.median(times), reached, len(times)))
    return found


def hybrid_target(rows: Iterable[Row], share: float = 0.95) -> float:
    """Returns a share of the training score that the hybrid ends with; NaN if that isn't over 0.

    The test set is touched once, at the end, so that times are to scores in training.
    """
    final = _median(
        row.get("train_score")
        for row in by_contender(rows).get("hybrid", ())
        if succeeded(row) and row.get("curve")
    )
    return share * final if final > 0 else math.nan


# Over an axis.


@dataclasses.dataclass(frozen=True)
class Sweep:
    """The test scores of contenders along one axis of data or model, all else the same.

    Attributes:
        title: What stays the same.
        axis: The key that changes, such as `"n_train"`.
        metric: What the scores are.
        series: For each contender its values of the axis and the interval of the score there.
    """

    title: str
    axis: str
    metric: str
    series: Mapping[str, Sequence[tuple[float, Interval]]]


def sweeps(rows: Iterable[Row]) -> list[Sweep]:
    """Finds the comparisons that differ in one number of their data or model alone.

    Args:
        rows: Rows of any comparisons.

    Returns:
        A sweep for each axis with at least three values, in the order of first rows.
    """
    groups: dict[tuple[str, str, str], dict[float, list[Row]]] = {}
    for its in comparisons(rows).values():
        one = its[0]
        for part in ("data", "model"):
            for axis, value in one[part].items():
                if isinstance(value, bool) or not isinstance(value, int | float):
                    continue
                rest = {name: one[name] for name in ("data", "model", "training", "backend")}
                rest[part] = {name: v for name, v in one[part].items() if name != axis}
                rest["tuning"] = tuning_of(its)
                title = f"{one['model']['name']} on {one['data']['name']}"
                groups.setdefault((title, axis, repr(rest)), {})[value] = its
    groups = {group: by_value for group, by_value in groups.items() if len(by_value) > 2}
    found = []
    for (title, axis, _), by_value in groups.items():
        alike = [one for one in groups if one[:2] == (title, axis)]
        title += _apart_from([groups[one] for one in alike], by_value, axis)
        series: dict[str, list[tuple[float, Interval]]] = {}
        metric = "accuracy"
        for value, its in sorted(by_value.items()):
            for summary in summarize(its):
                if summary.test_score.n:
                    metric = summary.metric
                    series.setdefault(summary.contender, []).append((value, summary.test_score))
        found.append(Sweep(title, axis, metric, series))
    return found


def _apart_from(
    alike: Sequence[Mapping[float, list[Row]]], one: Mapping[float, list[Row]], axis: str
) -> str:
    """Returns what tells a sweep from others along the same axis: " (n_qubits 4)"."""

    def settings(by_value: Mapping[float, list[Row]]) -> dict[str, Any]:
        row = next(iter(by_value.values()))[0]
        tables = [*row["data"].items(), *row["model"].items(), *row["training"].items()]
        kept = {name: v for name, v in tables if name not in ("name", axis)}
        return kept | {"tuning": tuning_of(next(iter(by_value.values())))}

    others = [settings(by_value) for by_value in alike]
    said = [
        f"{name} {value}"
        for name, value in settings(one).items()
        if any(other.get(name) != value for other in others)
    ]
    return f" ({', '.join(said)})" if said else ""
