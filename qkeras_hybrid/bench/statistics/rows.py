"""What the rows of one contender come to, and which rows belong together."""

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
"""What an interval holds of a mean."""

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


def t_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
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
    score = row.test_score
    return row.error is None and score is not None and math.isfinite(score)


def last_rows(rows: Iterable[Row]) -> list[Row]:
    """Returns the last row of each task, each with the size of its comparison.

    Where a frontier came later than some rows of a comparison, only those after it name their size.
    """
    found = list(latest(rows).values())
    sizes = {row.comparison: row.size for row in found if row.size is not None}
    return [
        row if row.size else dataclasses.replace(row, size=sizes.get(row.comparison))
        for row in found
    ]


def by_contender(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Returns the last row of each task by contender: the hybrid, its controls, the references.

    Whatever the order of the rows, which is chance where several processes wrote them; contenders
    of other names follow in the order of their first rows.
    """
    found: dict[str, list[Row]] = {name: [] for name in CONTENDERS}
    for row in latest(rows).values():
        found.setdefault(row.contender, []).append(row)
    return {name: its for name, its in found.items() if its}


def comparisons(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Returns the last row of each task by comparison id, comparisons in the order of first rows.

    A comparison shares data, model, training and backend; its contenders are paired by seed. It
    shares how circuits are computed, too: contenders without circuits have rows of their own only
    where nothing is said of that, and serve all other comparisons from there.
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
    # Where nothing but these is left of a base, nobody asked for it.
    for base, its in classical.items():
        if its and len(its) == len(found[base]):
            del found[base]
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


def execution(table: Mapping[str, Any] | None) -> str:
    """Returns in a few words how circuits were computed: "100 shots, depolarizing:0.01, zne".

    Empty where nothing was said of it.
    """
    table = table or {}
    said = [f"{table['shots']:,} shots"] if "shots" in table else []
    said += [table[key] for key in ("noise", "mitigation") if key in table]
    said += [f"engine {table['engine']}"] if "engine" in table else []
    return ", ".join([*said, *(["noisy training"] if table.get("noisy_training") else [])])


def loss_of(training: Mapping[str, Any]) -> str:
    """Returns which of several losses a training had; empty where data have but one."""
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
    """What the rows of one contender say.

    Attributes:
        contender: Its name.
        metric: What its scores are, a key of `qkeras_hybrid.bench.metrics.METRICS`.
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
    """Returns by which share parameters exceed the hybrid's, where they differ most.

    From the rows of the hybrid itself, which tuning may have given another size than that from
    which a control was derived; from what a row says of itself only where there are none.
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
    """Returns the rows whose times count, and whether their runs had the machine to themselves."""
    alone = [row for row in good if row.timing_comparable]
    return (alone, True) if alone else (good, not good)


def _loss_drop(loss: Sequence[float | None]) -> float | None:
    if len(loss) < 2:
        return None
    before, last = loss[-2:]
    return None if last is None or not before else 1 - last / before


def median(values: Iterable[float | None]) -> float:
    """Returns the median of the finite values; NaN of none."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return statistics.median(known) if known else math.nan
