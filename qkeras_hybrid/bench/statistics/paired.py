"""The hybrid against another contender, pair by pair, and the verdict."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from qkeras_hybrid.bench.metrics import metric_of
from qkeras_hybrid.bench.row import Row, latest
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
from qkeras_hybrid.bench.statistics.rows import Interval, Summary, succeeded, summarize, t_interval

Outcome = Literal["better", "worse", "equivalent", "undecided", "too few seeds", "no pairs"]
"""The verdict on the hybrid compared with a contender."""


_SCORES = ("test_score", "train_score")


def differences(
    rows: Iterable[Row], first: str, second: str, value: str = "test_score"
) -> dict[int, float]:
    """Returns first minus second, for each seed in which neither failed.

    If lower scores are better, it is second minus first, so that the first is better if the
    difference is positive. Both contenders have the same split and batches for a seed, so
    differences are not affected by some splits being harder than others.

    Args:
        rows: The rows of one comparison.
        first: The name of a contender.
        second: The name of another contender.
        value: The field of a row to compare.
    """
    by_seed: dict[int, dict[str, float]] = {}
    for row in latest(rows).values():
        if succeeded(row):
            sign = metric_of(row.metric).sign if value in _SCORES else 1
            by_seed.setdefault(row.seed, {})[row.contender] = sign * getattr(row, value)
    return {
        seed: seen[first] - seen[second]
        for seed, seen in sorted(by_seed.items())
        if first in seen and second in seen
    }


def paired_difference(
    rows: Iterable[Row], first: str, second: str, value: str = "test_score"
) -> Interval:
    """Returns the Student t interval of first minus second, seed by seed; see `differences`.

    Args:
        rows: The rows of one comparison.
        first: The name of a contender.
        second: The name of another contender.
        value: The field of a row to compare.

    Returns:
        The interval over the seeds in which neither failed.
    """
    return t_interval(list(differences(rows, first, second, value).values()))


@dataclasses.dataclass(frozen=True)
class Contrast:
    """The hybrid against one contender, over the seeds in which neither failed.

    Attributes:
        contender: The name of the other contender.
        difference: By how much the hybrid is better: its test score minus the other's, or the
            other's minus its own if lower is better.
        values: The differences, by seed.
        p_value: The p value of Wilcoxon's signed-rank test; NaN for fewer than `MIN_PAIRS` pairs.
        p_holm: The same, corrected for the number of contenders.
        effect_size: The matched-pairs rank-biserial correlation.
        p_equivalence: The p value of the two one-sided tests against the margin.
        outcome: The verdict on the hybrid.
        needed: The smallest number of pairs with which a difference can be significant.
        cost_ratio: The hybrid's fit time divided by the other's; NaN if unknown.
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
    """Compares the hybrid with each other contender of a comparison.

    Args:
        rows: The rows of one comparison.
        margin: The largest difference of scores at which two contenders count as equivalent.

    Returns:
        A contrast for each contender except the hybrid, in the order of `by_contender`.
    """
    summaries = {summary.contender: summary for summary in summarize(rows)}
    hybrid = summaries.get("hybrid")
    found = contrasts_of(
        {name: differences(rows, "hybrid", name) for name in summaries if name != "hybrid"}, margin
    )
    return [
        one
        if hybrid is None
        else dataclasses.replace(one, cost_ratio=_cost_ratio(hybrid, summaries[one.contender]))
        for one in found
    ]


def contrasts_of(by_contender: Mapping[str, Mapping[int, float]], margin: float) -> list[Contrast]:
    """Tests the differences of the hybrid to each contender.

    Args:
        by_contender: For each contender, by how much the hybrid is better, by seed.
        margin: The largest difference of scores at which two contenders count as equivalent.

    Returns:
        A contrast for each contender, without its `cost_ratio`.
    """
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
