"""Summaries of the rows of one contender, and which rows belong together."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.bench.contenders import CONTENDERS
from qkeras_hybrid.bench.execution import WITH_CIRCUITS
from qkeras_hybrid.bench.row import Row, latest

if TYPE_CHECKING:
    import scipy.stats as scipy_stats
else:
    scipy_stats = lazy_module("scipy.stats")

CONFIDENCE = 0.95
"""The confidence of intervals."""

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
"""The costs that depend on other runs on the machine."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """A mean and the interval around it.

    Attributes:
        mean: The mean; NaN for no values.
        half_width: Half the width of the interval; NaN for fewer than two values.
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
        """Whether zero is outside the interval; False without an interval."""
        return self.low > 0 or self.high < 0


def t_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    r"""Returns the mean of values and its Student t interval.

    $\bar x \pm t_{(1 + c) / 2, n - 1} \, s / \sqrt n$, with the sample's standard deviation $s$.

    Args:
        values: Independent values with an approximately normal distribution.
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
    """Whether a run ended without an error and has a finite test score."""
    score = row.test_score
    return row.error is None and score is not None and math.isfinite(score)


def last_rows(rows: Iterable[Row]) -> list[Row]:
    """Returns the last row of each task, each with the size of its comparison.

    If a comparison became a part of a frontier later, its older rows don't state the size.
    """
    found = list(latest(rows).values())
    sizes = {row.comparison: row.size for row in found if row.size is not None}
    return [
        row if row.size else dataclasses.replace(row, size=sizes.get(row.comparison))
        for row in found
    ]


def by_contender(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Returns the last row of each task by contender: the hybrid, its controls, the references.

    This order does not depend on the order of the rows, which is random if several processes wrote
    them. Contenders of other names follow in the order of their first rows.
    """
    found: dict[str, list[Row]] = {name: [] for name in CONTENDERS}
    for row in latest(rows).values():
        found.setdefault(row.contender, []).append(row)
    return {name: its for name, its in found.items() if its}


def comparisons(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Returns the last row of each task by comparison id, comparisons in the order of first rows.

    The rows of a comparison share data, model, training and backend; its contenders are paired by
    seed. Its circuits are also computed in the same way. Contenders without circuits have rows only
    in the comparison with the model's own settings, and are added to the other comparisons.
    """
    found: dict[str, list[Row]] = {}
    for row in last_rows(rows):
        found.setdefault(row.comparison, []).append(row)
    bases = {name: its[0].base for name, its in found.items() if its[0].base is not None}
    classical = {
        base: [row for row in found.get(base, ()) if row.contender not in WITH_CIRCUITS]
        for base in bases.values()
    }
    for name, base in bases.items():
        found[name] += [
            dataclasses.replace(row, comparison=name, execution=found[name][0].execution)
            for row in classical[base]
        ]
    # A base with no other rows than these is not a comparison of its own.
    for base, its in classical.items():
        if its and len(its) == len(found[base]):
            del found[base]
    return found


def data_set(data: Mapping[str, Any]) -> str:
    """Returns which data set a data table means, for everything that counts data sets.

    A data set is a generator, a bundled data set, or a file. Tables that differ in anything else
    (size, noise, features, seed, how they are split) are variants of one data set. They have the
    same difficulty and often the same samples, so they tell little more than one of them.

    Example:
        >>> data_set({"name": "hidden_manifold", "manifold_dimension": 2})
        'hidden_manifold'
        >>> data_set({"name": "csv", "path": "mine.csv", "target": "class"})
        'csv mine.csv'
    """
    return f"{data['name']} {data['path']}" if "path" in data else str(data["name"])


def execution(table: Mapping[str, Any] | None) -> str:
    """Returns in a few words how circuits were computed: "100 shots, depolarizing:0.01, zne".

    Empty for the model's own settings.
    """
    table = table or {}
    said = [f"{table['shots']:,} shots"] if "shots" in table else []
    said += [table[key] for key in ("noise", "mitigation") if key in table]
    said += [f"engine {table['engine']}"] if "engine" in table else []
    return ", ".join([*said, *(["noisy training"] if table.get("noisy_training") else [])])


def loss_of(training: Mapping[str, Any]) -> str:
    """Returns which of several losses a training had; empty if data have only one."""
    return str(training.get("loss", ""))


def is_tuned(rows: Iterable[Row]) -> bool:
    """Whether the contenders of a comparison were tuned."""
    return any(row.tuning for row in rows)


def tuning_of(rows: Iterable[Row]) -> str:
    """Returns the budget with which a comparison was tuned: "5 trials, 2 folds", or "none"."""
    tunings = [row.tuning for row in rows if row.tuning]
    if not tunings:
        return "none"
    most = {name: max(t.get(name) or 0 for t in tunings) for name in ("trials", "folds")}
    return f"{most['trials']} trials, {most['folds']} folds"


@dataclasses.dataclass(frozen=True)
class Summary:
    """A summary of the rows of one contender.

    Attributes:
        contender: Its name.
        metric: The kind of score, a key of `qkeras_hybrid.bench.metrics.METRICS`.
        test_score: The interval of the test score over the seeds whose run succeeded.
        train_score: The same for the training score.
        parameters: The number of trainable parameters; None if no run succeeded or states it. The
            median if tuning chose different sizes for different seeds.
        parameter_mismatch: The fraction by which it exceeds that of the hybrid of the same seed, in
            the seed in which they differ most; None if unknown.
        network: Its layers in a line; empty if no run succeeded.
        engine: The name of the engine, or all names if "auto" chose several; None without one.
        first_epoch_seconds: The median over the runs; NaN if unknown.
        epoch_seconds: The median over the runs of the median of their later epochs; NaN if
            unknown.
        loss_drop: The fraction by which the training loss fell in the last epoch: the median over
            the runs; NaN for runs with one epoch.
        costs: Medians over the runs of `COSTS` and `"fit_seconds"`; NaN if unknown. If some runs
            had the machine to themselves, times are those of these runs only.
        timing_comparable: Whether all runs that the times come from had the machine to themselves.
        runs: The number of runs.
        failed: The number of failed runs.
        errors: Their errors, each text once.
        suspicious: Whether test and training scores are equal in every seed, which happens if test
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
        rows: The rows of one comparison. If a task has several, the last one counts.
    """
    contenders = by_contender(rows)
    hybrid = {
        row.seed: row.parameters
        for row in contenders.get("hybrid", ())
        if succeeded(row) and row.parameters
    }
    return [_summarize(contender, its, hybrid) for contender, its in contenders.items()]


def _summarize(contender: str, rows: list[Row], hybrid: Mapping[int, int]) -> Summary:
    good = [row for row in rows if succeeded(row)]
    one = good[0] if good else None
    timed, comparable = _timed(good)
    trained = [row.train_score for row in good if row.train_score is not None]
    errors = [_error(row) for row in rows if not succeeded(row)]
    counts = [row.parameters for row in good if row.parameters is not None]
    return Summary(
        contender=contender,
        metric=(one.metric if one else "") or "accuracy",
        test_score=t_interval([row.test_score for row in good if row.test_score is not None]),
        train_score=t_interval(trained),
        parameters=statistics.median_low(counts) if counts else None,
        parameter_mismatch=_mismatch(good, hybrid),
        network=one.network if one else "",
        engine=", ".join(sorted({row.engine for row in good if row.engine})) or None,
        first_epoch_seconds=median(row.first_epoch_seconds for row in timed),
        epoch_seconds=median(row.epoch_seconds for row in timed),
        loss_drop=median(_loss_drop(row.loss or []) for row in good),
        costs={
            "fit_seconds": median(row.fit_seconds for row in timed),
            **{
                name: median(row.cost.get(name) for row in (timed if name in TIMES else good))
                for name in COSTS
            },
        },
        timing_comparable=comparable,
        runs=len(rows),
        failed=len(errors),
        errors=tuple(dict.fromkeys(errors)),
        suspicious=bool(good) and all(row.train_score == row.test_score for row in good),
    )


def _mismatch(good: list[Row], hybrid: Mapping[int, int]) -> float | None:
    """Returns the fraction by which parameters exceed the hybrid's, in the seed of most difference.

    It is computed from the rows of the hybrid, because tuning may have given it another size than
    the one from which a control was derived. Without such rows, it is the value that a row states.
    """
    shares = [
        row.parameters / hybrid[row.seed] - 1
        for row in good
        if row.parameters is not None and row.seed in hybrid
    ]
    if not hybrid:
        own = (row.parameter_mismatch for row in good)
        shares = [share for share in own if share is not None]
    return max(shares, key=abs, default=None)


def _error(row: Row) -> str:
    return str(row.error or "its test score is not a finite number")


def _timed(good: list[Row]) -> tuple[list[Row], bool]:
    """Returns the rows whose times are used, and whether their runs had the machine alone."""
    alone = [row for row in good if row.timing_comparable]
    return (alone, True) if alone else (good, not good)


def _loss_drop(loss: Sequence[float | None]) -> float | None:
    if len(loss) < 2:
        return None
    before, last = loss[-2:]
    return None if last is None or not before else 1 - last / before


def median(values: Iterable[float | None]) -> float:
    """Returns the median of the finite values; NaN without any."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return statistics.median(known) if known else math.nan
