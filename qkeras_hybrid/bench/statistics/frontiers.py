"""Frontiers: which contender needs fewer parameters, samples or seconds for a score.

A frontier combines the comparisons of one model at several sizes. Each contender has a Pareto front
against each cost, and a smallest number of parameters with which it reaches a fraction of the best
score.
"""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from qkeras_hybrid.bench.metrics import metric_of
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.statistics import fronts
from qkeras_hybrid.bench.statistics.contests import ONE_SIZE, Contest, Reach, needs
from qkeras_hybrid.bench.statistics.fronts import Front, Scores
from qkeras_hybrid.bench.statistics.rows import by_contender, comparisons, is_tuned, succeeded

AXES: Mapping[str, Callable[[Row], float | None]] = {
    "parameters": lambda row: row.parameters,
    "n_train": lambda row: row.n_train,
    "fit_seconds": lambda row: row.fit_seconds if row.timing_comparable else None,
    "circuit_evaluations_total": lambda row: row.cost.get("circuit_evaluations_total"),
}
"""The costs against which scores are compared, by name, and how a row states each."""


@dataclasses.dataclass(frozen=True)
class Frontier:
    """The result of the comparisons of one model at several sizes.

    Attributes:
        like: A row of the frontier, without the arguments of model and data that change with the
            size and the number of samples.
        comparisons: The ids of its comparisons.
        metric: The kind of score.
        tuned: Whether contenders were tuned at each size.
        seeds: The number of seeds with a run that succeeded.
        n_train: The number of samples for training, the largest if there are several.
        fronts: The contenders' fronts by axis, the hybrid's first. An axis is left out if the
            hybrid has fewer than two points on it, or no other contender is there.
        apart: By axis, the contenders whose costs overlap too little with the hybrid's to compare,
            with their lowest and highest costs.
        hybrid_parameters: The smallest and the largest number of parameters of the hybrid; NaN
            without a hybrid.
        best: The best mean score of the contenders that are compared by their parameters.
        best_contender: The contender with this score.
        reaches: For each of the compared contenders, the parameters to reach each of `LEVELS`;
            empty if the best score is not over 0.
        contests: The hybrid against each of the compared contenders.
        thriftiest: The hybrid against the classical contender that needs the fewest parameters;
            None without a classical contender.
        timed: Whether each contender has a run at each size whose times can be compared. If not,
            nothing is compared by seconds.
        failed: The number of failed runs.
    """

    like: Row
    comparisons: tuple[str, ...]
    metric: str
    tuned: bool
    seeds: int
    n_train: int
    fronts: Mapping[str, tuple[Front, ...]]
    apart: Mapping[str, tuple[tuple[str, float, float], ...]]
    hybrid_parameters: tuple[float, float]
    best: float
    best_contender: str
    reaches: Mapping[str, tuple[Reach, ...]]
    contests: Mapping[str, Contest]
    thriftiest: Contest | None
    timed: bool
    failed: int


def frontiers(rows: Iterable[Row]) -> list[Frontier]:
    """Finds the frontiers among rows and computes their results.

    The rows of a frontier state a size. They share everything except the size of the model and the
    number of training samples.

    Args:
        rows: Rows of any comparisons; those without a size are ignored.

    Returns:
        The frontiers that have a successful run, in the order of first rows.
    """
    groups: dict[str, list[tuple[str, list[Row]]]] = {}
    for name, its in comparisons(rows).items():
        if its[0].size is not None:
            groups.setdefault(_shared(its), []).append((name, its))
    return [
        _frontier([name for name, _ in group], [row for _, its in group for row in its])
        for group in groups.values()
        if any(succeeded(row) for _, its in group for row in its)
    ]


def _like(row: Row) -> Row:
    """Returns a row without its size and number of samples."""
    model = {key: value for key, value in row.model.items() if key not in (row.size or {})}
    data = {key: value for key, value in row.data.items() if key != "n_train"}
    return dataclasses.replace(row, model=model, data=data)


def _shared(its: Sequence[Row]) -> str:
    one = _like(its[0])
    shared = [one.model, one.data, one.training, one.backend, one.execution, sorted(one.size or {})]
    return json.dumps([*shared, is_tuned(its)], sort_keys=True)


def _frontier(ids: Sequence[str], rows: list[Row]) -> Frontier:
    good = [row for row in rows if succeeded(row)]
    metric = next((row.metric for row in good if row.metric), "accuracy")
    sign = metric_of(metric).sign
    seeds = sorted({row.seed for row in good})
    drawn = fronts.weights(len(seeds))
    most = max(row.n_train or 0 for row in good)
    whole = [row for row in good if (row.n_train or 0) == most]
    drawn_fronts: dict[str, tuple[Front, ...]] = {}
    apart: dict[str, tuple[tuple[str, float, float], ...]] = {}
    compared: dict[str, Scores] = {}
    timed = _is_timed(whole)
    for axis, value in AXES.items():
        if axis == "fit_seconds" and not timed:
            continue
        found = _scores(good if axis == "n_train" else whole, value, seeds)
        found, apart[axis] = _comparable(found)
        if axis == "parameters":
            compared = found
        several = "hybrid" in found and len(set(found["hybrid"].costs)) > 1
        if several and (len(found) > 1 or axis == "circuit_evaluations_total"):
            drawn_fronts[axis] = tuple(
                fronts.front(name, its, drawn, sign) for name, its in found.items()
            )
    best_contender, best, reaches, contests, thriftiest = needs(compared, drawn, sign)
    return Frontier(
        like=_like(good[0]),
        comparisons=tuple(ids),
        metric=metric,
        tuned=is_tuned(rows),
        seeds=len(seeds),
        n_train=most,
        fronts=drawn_fronts,
        apart=apart,
        hybrid_parameters=_ends(compared.get("hybrid")),
        best=best,
        best_contender=best_contender,
        reaches=reaches,
        contests=contests,
        thriftiest=thriftiest,
        timed=timed,
        failed=len(rows) - len(good),
    )


def _is_timed(rows: Iterable[Row]) -> bool:
    """Whether each contender has a run at each size whose times can be compared."""
    timed: dict[tuple[str, str], bool] = {}
    for row in rows:
        key = (row.contender, row.comparison)
        timed[key] = timed.get(key, False) or row.timing_comparable
    return all(timed.values())


def _scores(
    rows: Sequence[Row], value: Callable[[Row], float | None], seeds: Sequence[int]
) -> dict[str, Scores]:
    """Returns the scores of each contender that has a cost over 0 on an axis.

    The cost of a size is the median over the seeds that state it.
    """
    found = {}
    for contender, its in by_contender(rows).items():
        sizes: dict[str, list[Row]] = {}
        for row in its:
            sizes.setdefault(json.dumps([row.model, row.data], sort_keys=True), []).append(row)
        costs, values = [], []
        for group in sizes.values():
            known = [cost for cost in map(value, group) if cost]
            if known:
                by_seed = {row.seed: row.test_score for row in group}
                costs.append(statistics.median(known))
                values.append([by_seed.get(seed) for seed in seeds])
        if costs:
            found[contender] = Scores(np.array(costs, float), np.array(values, float))
    return found


def _ends(scores: Scores | None) -> tuple[float, float]:
    if scores is None:
        return math.nan, math.nan
    return float(scores.costs.min()), float(scores.costs.max())


def _comparable(
    found: Mapping[str, Scores],
) -> tuple[dict[str, Scores], tuple[tuple[str, float, float], ...]]:
    """Divides contenders into those whose costs overlap with the hybrid's, and the others."""
    hybrid = found.get("hybrid")
    if hybrid is None:
        return dict(found), ()
    kept, apart = {}, []
    for name, its in found.items():
        if (
            name in ONE_SIZE
            or fronts.overlap(list(hybrid.costs), list(its.costs)) >= fronts.LEAST_OVERLAP
        ):
            kept[name] = its
        else:
            apart.append((name, float(its.costs.min()), float(its.costs.max())))
    return kept, tuple(apart)
