"""Contenders trained with a loss of decisions, against the same ones trained in two stages."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from qkeras_hybrid.bench.goals import TWO_STAGE
from qkeras_hybrid.bench.metrics import metric_of
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.statistics.inference import MARGIN
from qkeras_hybrid.bench.statistics.paired import Contrast, contrasts_of
from qkeras_hybrid.bench.statistics.rows import (
    Interval,
    by_contender,
    comparisons,
    loss_of,
    succeeded,
    t_interval,
    tuning_of,
)


@dataclasses.dataclass(frozen=True)
class ToDecide:
    """A contender trained with a loss of decisions, against itself trained to predict costs.

    Attributes:
        two_stage: The id of the comparison in which it is trained to predict costs.
        loss: The loss of decisions.
        contender: Its name.
        metric: The kind of score.
        score: Its test score, trained with the loss of decisions.
        score_of_two_stage: Its test score, trained to predict costs.
        contrast: By how much the first is better, seed by seed. Corrected after Holm for all
            contenders and losses on the same data. `outcome` describes the loss of decisions.
    """

    two_stage: str
    loss: str
    contender: str
    metric: str
    score: Interval
    score_of_two_stage: Interval
    contrast: Contrast


def to_decide(rows: Iterable[Row], margin: float = MARGIN) -> list[ToDecide]:
    """Compares losses of decisions with mean squared errors of costs, contender by contender.

    Args:
        rows: Rows of any comparisons.
        margin: The largest difference of scores at which two trainings count as equivalent.

    Returns:
        One result for each contender and loss, from comparisons that differ only in their loss,
        and one of which is trained in two stages.
    """
    groups: dict[str, dict[str, list[Row]]] = {}
    for its in comparisons(rows).values():
        one = its[0]
        if loss_of(one.training):
            rest = {name: value for name, value in one.training.items() if name != "loss"}
            shared = [one.data, one.model, rest, one.backend, tuning_of(its), one.execution]
            groups.setdefault(repr(shared), {})[loss_of(one.training)] = its
    found = []
    for by_loss in groups.values():
        if TWO_STAGE not in by_loss:
            continue
        base = {name: _scores(its) for name, its in by_contender(by_loss[TWO_STAGE]).items()}
        metric = next((row.metric for row in by_loss[TWO_STAGE] if row.metric), "regret")
        sign = metric_of(metric).sign
        pairs = {
            (loss, name): (_scores(its), base[name])
            for loss, rows_of_loss in by_loss.items()
            if loss != TWO_STAGE
            for name, its in by_contender(rows_of_loss).items()
            if name in base
        }
        tested = contrasts_of(
            {
                f"{loss} {name}": {
                    seed: sign * (first[seed] - second[seed])
                    for seed in sorted(first.keys() & second.keys())
                }
                for (loss, name), (first, second) in pairs.items()
            },
            margin,
        )
        for ((loss, name), scores), contrast in zip(pairs.items(), tested, strict=True):
            first, second = (t_interval(list(its.values())) for its in scores)
            contrast = dataclasses.replace(contrast, contender=name)
            id_ = by_loss[TWO_STAGE][0].comparison
            found.append(ToDecide(id_, loss, name, metric, first, second, contrast))
    return found


def _scores(rows: Iterable[Row]) -> dict[int, float]:
    return {
        row.seed: row.test_score for row in rows if succeeded(row) and row.test_score is not None
    }
