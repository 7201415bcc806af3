"""Contenders over several data sets; variants of a data set are pooled first."""

from __future__ import annotations

import collections
import dataclasses
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.bench.metrics import metric_of
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.statistics.inference import (
    MARGIN,
    MIN_PAIRS,
    Estimate,
    bootstrap_interval,
    holm,
    wilcoxon,
)
from qkeras_hybrid.bench.statistics.paired import Contrast, Outcome, contrasts_of, differences
from qkeras_hybrid.bench.statistics.rows import (
    by_contender,
    comparisons,
    data_set,
    execution,
    is_tuned,
    loss_of,
    succeeded,
)

if TYPE_CHECKING:
    import scikit_posthocs
    import scipy.stats as scipy_stats
else:
    scikit_posthocs = lazy_module("scikit_posthocs")
    scipy_stats = lazy_module("scipy.stats")

MIN_DATA_SETS = 10
"""The smallest number of data sets for a diagram of ranks."""


@dataclasses.dataclass(frozen=True)
class Aggregate:
    """A hybrid against one contender over several data sets.

    Each seed gives one pair on a data set: its difference is the mean over the data set's variants.
    Only seeds that all variants have count.

    Attributes:
        model: The name of the hybrid model.
        contender: The name of the other contender.
        metric: The kind of score.
        tuned: Whether both were tuned.
        difference: The mean over data sets, each with the same weight, and its stratified
            bootstrap interval. The interval is valid for these data sets.
        data_sets: The number of data sets with a pair; see `data_set`.
        p_value: The p value of Wilcoxon's test over the mean differences of the data sets,
            corrected after Holm for the number of contenders. It is valid for data sets like these.
            NaN for fewer than six data sets.
        outcomes: The number of data sets with each outcome.
        execution: How circuits were computed, in a few words; empty if exactly, without noise.
        loss: The training loss, if the data have several; else empty.
    """

    model: str
    contender: str
    metric: str
    tuned: bool
    difference: Estimate
    data_sets: int
    p_value: float
    outcomes: Mapping[Outcome, int]
    execution: str = ""
    loss: str = ""

    @property
    def tally(self) -> tuple[int, int, int, int]:
        """The numbers of data sets: better, equivalent, worse, and without a verdict."""
        better, equal, worse = (
            self.outcomes.get("better", 0),
            self.outcomes.get("equivalent", 0),
            self.outcomes.get("worse", 0),
        )
        return better, equal, worse, sum(self.outcomes.values()) - better - equal - worse


def aggregate(rows: Iterable[Row], margin: float = MARGIN) -> list[Aggregate]:
    """Compares each hybrid with each contender over all data sets.

    Models of the same name are pooled. Different metrics, losses, ways of computing circuits, and
    tuned and untuned models are kept apart.

    Args:
        rows: Rows of any comparisons.
        margin: The largest difference of scores at which two contenders count as equivalent.

    Returns:
        An aggregate for each contender with at least two data sets, separately for each model,
        metric, loss and execution, tuned and untuned.
    """
    groups: dict[tuple[str, str, bool, str, str], dict[str, list[list[Row]]]] = {}
    for its in comparisons(rows).values():
        metric = next((row.metric for row in its if row.metric), "accuracy")
        circuits = execution(its[0].execution)
        key = (its[0].model["name"], metric, is_tuned(its), circuits, loss_of(its[0].training))
        group = groups.setdefault(key, {})
        group.setdefault(data_set(its[0].data), []).append(its)
    found = []
    for (model, metric, tuned, circuits, loss), by_data in groups.items():
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
                    model,
                    contender,
                    metric,
                    tuned,
                    difference,
                    len(paired),
                    math.nan,
                    outcomes,
                    circuits,
                    loss,
                )
            )
        found += [
            dataclasses.replace(one, p_value=p) for one, p in zip(made, holm(p_values), strict=True)
        ]
    return found


def _on_data_set(variants: Iterable[Sequence[Row]], margin: float) -> list[Contrast]:
    """Compares the hybrid with each contender over the comparisons on one data set."""
    gathered: dict[str, list[Mapping[int, float]]] = {}
    for its in variants:
        for name in by_contender(its):
            if name != "hybrid":
                gathered.setdefault(name, []).append(differences(its, "hybrid", name))
    return contrasts_of({name: _pooled(those) for name, those in gathered.items()}, margin)


def _pooled(those: Iterable[Mapping[int, float]]) -> dict[int, float]:
    """Returns the mean difference over variants, for each seed that all variants have.

    A seed determines the samples and the split of every variant, so variants are not independent
    pairs. A seed that one variant lacks is left out, because the others would get more weight.
    """
    known = [by_seed for by_seed in those if by_seed]
    shared = set[int].intersection(*map(set, known)) if known else set()
    return {seed: statistics.fmean(by_seed[seed] for by_seed in known) for seed in sorted(shared)}


@dataclasses.dataclass(frozen=True)
class Ranks:
    """Mean ranks of contenders over data sets; 1 is the best.

    Attributes:
        mean: The mean rank by contender, best first. A hybrid has the name of its model.
        data_sets: The number of data sets; see `data_set`.
        tuned: Whether the contenders were tuned.
        p_value: The p value of the Friedman test that all are equal.
        p_pairs: The p values of Nemenyi's test for each pair: a pandas DataFrame with the
            contenders as index and columns.
        execution: How circuits were computed, in a few words; empty if exactly, without noise.
    """

    mean: Mapping[str, float]
    data_sets: int
    tuned: bool
    p_value: float
    p_pairs: Any
    execution: str = ""


def ranks(rows: Iterable[Row]) -> list[Ranks]:
    """Ranks the contenders by mean test score on each data set, after Demsar 2006.

    Friedman's test is `scipy.stats.friedmanchisquare`, and Nemenyi's test after it is
    `scikit_posthocs.posthoc_nemenyi_friedman`. Both need a score of every contender on every data
    set. So contenders that are missing on more than half of the data sets are left out, then
    variants of data sets on which one of the other contenders is missing. The score on a data set
    is the mean over its variants. The score on a variant with several comparisons (a sweep over
    qubits, or one for each hybrid) is the mean over these.

    Args:
        rows: Rows of any comparisons.

    Returns:
        The ranks of untuned and of tuned contenders, for each way in which circuits were computed.
        There are none for fewer than `MIN_DATA_SETS` complete data sets or three contenders.
    """
    groups: dict[tuple[bool, str], list[Row]] = {}
    for its in comparisons(rows).values():
        for row in its:
            groups.setdefault((is_tuned([row]), execution(row.execution)), []).append(row)
    found = (_ranks(its, *group) for group, its in sorted(groups.items()))
    return [one for one in found if one is not None]


def _ranks(rows: Iterable[Row], tuned: bool, circuits: str) -> Ranks | None:
    # Scores by data set, variant and contender.
    scores: dict[str, dict[str, dict[str, list[float]]]] = {}
    for row in rows:
        if succeeded(row) and row.test_score is not None:
            name = row.model["name"] if row.contender == "hybrid" else row.contender
            variants = scores.setdefault(data_set(row.data), {})
            on_variant = variants.setdefault(repr(sorted(row.data.items())), {})
            # The sign makes higher scores better for every metric.
            score = metric_of(row.metric).sign * row.test_score
            on_variant.setdefault(name, []).append(score)
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
    return Ranks(best_first, len(complete), tuned, p_value, p_pairs, circuits)
