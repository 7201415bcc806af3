"""What the rows of a comparison say, with the uncertainty of saying it."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.bench.task import Row, latest

if TYPE_CHECKING:
    import scipy.stats as scipy_stats
else:
    scipy_stats = lazy_module("scipy.stats")


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


def t_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
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


@dataclasses.dataclass(frozen=True)
class Summary:
    """What the rows of one contender say.

    Attributes:
        contender: Its name.
        test_accuracy: Over the seeds whose run succeeded.
        parameters: The number of trainable parameters; None if no run succeeded.
        parameter_mismatch: By which share they exceed the hybrid's; None likewise.
        network: Its layers in a line; empty if no run succeeded.
        engine: The name of the engine, None without one; of all, where "auto" took several.
        first_epoch_seconds: The median over the runs; NaN if there is none.
        epoch_seconds: The median over the runs of the median of their later epochs; NaN if
            there is none.
        loss_drop: By which share the training loss fell in the last epoch: the median over the
            runs; NaN of runs with one epoch.
        failed: The number of runs that failed.
    """

    contender: str
    test_accuracy: Interval
    parameters: int | None
    parameter_mismatch: float | None
    network: str
    engine: str | None
    first_epoch_seconds: float
    epoch_seconds: float
    loss_drop: float
    failed: int


def summarize(rows: Iterable[Row]) -> list[Summary]:
    """Summarises each contender of a comparison, in the order of their first rows.

    Args:
        rows: The rows of one comparison. Where a task has several, its last one counts.
    """
    by_contender: dict[str, list[Row]] = {}
    for row in latest(rows).values():
        by_contender.setdefault(row["contender"], []).append(row)
    return [_summarize(contender, its_rows) for contender, its_rows in by_contender.items()]


def _summarize(contender: str, rows: list[Row]) -> Summary:
    good = [row for row in rows if row["error"] is None]
    one = good[0] if good else {}
    return Summary(
        contender=contender,
        test_accuracy=t_interval([row["test_accuracy"] for row in good]),
        parameters=one.get("parameters"),
        parameter_mismatch=one.get("parameter_mismatch"),
        network=one.get("network", ""),
        engine=", ".join(sorted({row["engine"] for row in good if row["engine"]})) or None,
        first_epoch_seconds=_median(row["first_epoch_seconds"] for row in good),
        epoch_seconds=_median(
            row["epoch_seconds"] for row in good if row["epoch_seconds"] is not None
        ),
        loss_drop=_median(
            1 - row["loss"][-1] / row["loss"][-2]
            for row in good
            if len(row["loss"]) > 1 and None not in row["loss"][-2:]
        ),
        failed=len(rows) - len(good),
    )


def _median(values: Iterable[float]) -> float:
    values = list(values)
    return statistics.median(values) if values else math.nan


def paired_difference(
    rows: Iterable[Row], first: str, second: str, value: str = "test_accuracy"
) -> Interval:
    """Returns the interval of first minus second, seed by seed.

    Both contenders of a seed have the same split and batches, so that what makes one split
    harder than another drops out of the difference.

    Args:
        rows: The rows of one comparison.
        first: The name of a contender.
        second: The name of another.
        value: What to compare.

    Returns:
        The interval over the seeds in which neither failed.
    """
    by_seed: dict[int, dict[str, float]] = {}
    for row in latest(rows).values():
        if row["error"] is None:
            by_seed.setdefault(row["seed"], {})[row["contender"]] = row[value]
    pairs = [seed for seed in by_seed.values() if first in seed and second in seed]
    return t_interval([pair[first] - pair[second] for pair in pairs])
