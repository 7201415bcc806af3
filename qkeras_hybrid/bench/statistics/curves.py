"""Training scores of contenders after each epoch."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable, Sequence

import numpy as np

from qkeras_hybrid.bench.metrics import metric_of
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.statistics.rows import by_contender, median, succeeded


@dataclasses.dataclass(frozen=True)
class Curve:
    """The training score of a contender after each epoch, over the seeds.

    Attributes:
        contender: Its name.
        seconds: The median time of training up to each epoch.
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

    A curve ends when fewer than half of the seeds have a further epoch: tuning can choose different
    numbers of epochs.

    Args:
        rows: The rows of one comparison.
    """
    found = []
    for contender, its in by_contender(rows).items():
        curves = [row.curve for row in its if succeeded(row) and row.curve]
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
        seconds: The median over the seeds. A seed that never reaches the score counts as infinite.
        reached: The number of seeds that reach the score.
        n: The number of seeds.
    """

    contender: str
    seconds: float
    reached: int
    n: int


def time_to_score(rows: Sequence[Row], target: float) -> list[TimeToScore]:
    """Returns how long each contender trains until the end of the epoch that reaches a score.

    Args:
        rows: The rows of one comparison.
        target: The training score to reach.
    """
    found = []
    sign = _sign(rows)
    for contender, its in by_contender(rows).items():
        curves = [row.curve for row in its if succeeded(row) and row.curve]
        times = [
            next(
                (
                    seconds
                    for seconds, score in zip(curve["seconds"], curve["train_score"], strict=True)
                    if score is not None and sign * score >= sign * target
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
    """Returns a fraction of the hybrid's final training score; NaN if that is not over 0.

    If lower is better, it is the score divided by the fraction. The target is a training score,
    because the test set is only used once, at the end.
    """
    hybrid = by_contender(rows).get("hybrid", [])
    final = median(row.train_score for row in hybrid if succeeded(row) and row.curve)
    return final * share ** _sign(hybrid) if final > 0 else math.nan


def _sign(rows: Iterable[Row]) -> int:
    return metric_of(next((row.metric for row in rows if row.metric), "accuracy")).sign
