"""The contents of a report, computed once from the rows and then written in several formats."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from qkeras_hybrid.bench import statistics
from qkeras_hybrid.bench.report import frontiers, terminal, verdicts, words
from qkeras_hybrid.bench.report.verdicts import Verdict
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.statistics import (
    NEAR,
    Aggregate,
    Contrast,
    Curve,
    Frontier,
    Ranks,
    Summary,
    Sweep,
    TimeToScore,
    ToDecide,
)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One comparison in a report.

    Attributes:
        id: Its id.
        anchor: The comparison's name in links and file names.
        title: Model and data in one line.
        model: The name of the model.
        data: The name of the data.
        data_set: The data set; see `qkeras_hybrid.bench.statistics.data_set`.
        model_title: The model with the arguments that distinguish it.
        data_title: The data with the arguments that distinguish them.
        metric: The metric of the scores.
        seeds: The number of seeds.
        verdict: The verdict.
        execution: A sentence on the noise and the shots of its scores; empty without any.
        summaries: The summary of each contender.
        contrasts: The hybrid against each other contender, by the other's name.
        curves: Learning curves.
        target: The training score for which times are reported; NaN if there is none.
        times: The times that contenders need to reach it.
        in_frontier: Whether it is one size of a frontier; then the frontier has the picture and the
            verdict.
        flags: Sentences on its weaknesses.
        networks: A sentence on each contender's layers.
        protocol: Settings by name, for this comparison.
    """

    id: str
    anchor: str
    title: str
    model: str
    data: str
    data_set: str
    model_title: str
    data_title: str
    metric: str
    seeds: int
    verdict: Verdict
    execution: str
    summaries: tuple[Summary, ...]
    contrasts: Mapping[str, Contrast]
    curves: tuple[Curve, ...]
    target: float
    times: Mapping[str, TimeToScore]
    in_frontier: bool
    flags: tuple[str, ...]
    networks: tuple[str, ...]
    protocol: tuple[tuple[str, str], ...]

    @property
    def failed(self) -> int:
        """The number of runs that failed."""
        return sum(summary.failed for summary in self.summaries)


@dataclasses.dataclass(frozen=True)
class Content:
    """The contents of a report.

    Attributes:
        title: Its title.
        frontiers: The frontiers of models at several sizes, each with the names of model and data.
        comparisons: In the order of their first rows.
        aggregates: Hybrids against contenders over data sets, without the sizes of frontiers.
        ranks: Mean ranks over data sets, separate where tuning or circuits differ; none with too
            few data sets.
        sweeps: Along axes, without frontiers.
        to_decide: The gains of contenders that are trained to decide over the same ones trained in
            two stages, each with the names of model and data.
        runs: The number of runs.
        failed: The number of runs that failed.
        margin: The margin of equivalence.
        protocol: Settings by name that are the same in all rows.
        contenders: All names, the hybrid first.
    """

    title: str
    frontiers: tuple[tuple[str, Frontier], ...]
    comparisons: tuple[Comparison, ...]
    aggregates: tuple[Aggregate, ...]
    ranks: tuple[Ranks, ...]
    sweeps: tuple[Sweep, ...]
    to_decide: tuple[tuple[str, ToDecide], ...]
    runs: int
    failed: int
    margin: float
    protocol: tuple[tuple[str, str], ...]
    contenders: tuple[str, ...]

    @property
    def minus(self) -> str:
        """The direction of differences, as the beginning of a sentence."""
        said = words.minus(comparison.metric for comparison in self.comparisons)
        return said[0].upper() + said[1:]

    @property
    def aggregate_groups(self) -> list[list[Aggregate]]:
        """The aggregates of each model and metric, apart where loss, tuning or circuits differ."""
        groups: dict[tuple[str, str, bool, str, str], list[Aggregate]] = {}
        for one in self.aggregates:
            group = (one.model, one.metric, one.tuned, one.execution, one.loss)
            groups.setdefault(group, []).append(one)
        return list(groups.values())

    @property
    def reading(self) -> tuple[str, ...]:
        """Sentences on what the numbers mean and don't mean."""
        return (
            "All contenders of a comparison have the same splits, seeds and order of batches, so "
            "scores are compared pair by pair. The test set is used only once, at the end.",
            "Intervals of differences: percentile bootstrap over seeds, resampled within each "
            "comparison, or within each data set. Such intervals are a little too narrow with few "
            "seeds. Since the splits of different seeds share samples, they are also narrower "
            "than intervals for new data.",
            "p: Wilcoxon's signed-rank test, two-sided, with the Holm correction for the "
            "number of contenders of the comparison, not for the number of comparisons. Effect "
            "size: matched-pairs rank-biserial correlation, from -1 to 1 (Kerby 2014).",
            f"Equivalent: two one-sided t tests against a margin of {100 * self.margin:g} points "
            "at 5 % each, and the interval within the margin. Undecided does not mean equivalent: "
            "the runs are compatible both with a difference and with none.",
            f"Fewer than {statistics.MIN_PAIRS} pairs can't show a difference at 5 %, and more "
            "contenders need more pairs.",
            "A data set is a generator, a bundled data set or a file. Versions that differ in "
            "size, noise, features or split are variants of the same data set: over data sets, "
            "the differences of its variants are averaged seed by seed. Tuned models are never "
            "pooled with untuned ones, nor circuits under other noise, shots or mitigation.",
            "Times are medians over runs that had the machine to themselves. Cheaper and more "
            "expensive refer to the time of the whole fit. Times to a score are measured to the "
            "end of an epoch, and the score is the training score.",
            "A flag marks contenders whose test score equals the train score in every seed.",
            *self._of_decisions(),
            *self._of_frontiers(),
        )

    def _of_frontiers(self) -> list[str]:
        if not self.frontiers:
            return []
        return [
            "A frontier compares one model at several sizes. A contender's front is its best mean "
            "test score of all sizes up to a cost, and the front's band is a percentile bootstrap "
            "over seeds. The best of several noisy means is a little too high, for all contenders "
            "alike.",
            "Parameters for 95 %: those of the smallest size whose mean score is at least 95 % of "
            "the best mean score of all compared contenders (where less is better, at most the "
            "best divided by 0.95). There is no interpolation between sizes. Each resample "
            "determines the best score again, which includes the uncertainty of that score, and "
            "corrects it for being the best of several.",
            "The sentence compares the hybrid with the classical contender that needs the fewest "
            'parameters. It says "as many" if the bootstrap interval of the ratio of their '
            f"parameters lies within a factor of {NEAR:g}; otherwise "
            '"more" if the interval lies above 1 for at least one classical contender, with the '
            'Bonferroni correction for their number, and "fewer" if it lies below 1 for each of '
            "them, without this correction. The table compares the hybrid with one contender in "
            "each line, with the Bonferroni correction for their number. With few seeds, all these "
            "intervals are widened, as Student's t interval is. If no size reaches the score, more "
            "parameters than those of the largest size are needed, by an unknown amount; if the "
            "smallest size reaches it, at most that many are needed, and possibly fewer (for two "
            'contenders whose smallest sizes reach it, "as many" is still possible).',
        ]

    def _of_decisions(self) -> list[str]:
        if all(comparison.metric != "regret" for comparison in self.comparisons):
            return []
        return [
            "Regret is the extra cost of decisions based on predicted costs, as a share of the "
            "cost of the best decisions, over all samples: less is better. The best decisions are "
            "those for the actual costs, noise included, so no model reaches 0.",
            "A model that is trained to decide (spo_plus, perturbed_fenchel_young) need not "
            "predict costs well; in two stages (mean_squared_error), a model learns the costs, "
            "and the decisions follow from them.",
        ]

    @property
    def data_sets(self) -> int:
        """The number of data sets."""
        return len({comparison.data_set for comparison in self.comparisons})


def cost_heads(comparison: Comparison) -> list[str]:
    """Returns the names of the costs that a comparison has values of."""
    return [
        name
        for name in words.COST_HEADS
        if any(not math.isnan(summary.costs[name]) for summary in comparison.summaries)
    ]


def build(rows: Sequence[Row], margin: float = statistics.MARGIN) -> Content:
    """Computes the contents of a report.

    Args:
        rows: The rows of a results file. If a task has several rows, the last one counts.
        margin: The largest difference of scores at which two contenders count as equivalent.

    Raises:
        ValueError: If there are no rows.
    """
    if not rows:
        raise ValueError("has no rows yet")
    rows = statistics.last_rows(rows)
    found = statistics.comparisons(rows)
    names = words.names(found)
    made = tuple(
        _comparison(number, name, its, names[name], margin, its[0].size is not None)
        for number, (name, its) in enumerate(found.items(), start=1)
    )
    at_sizes = statistics.frontiers(rows)
    plain = [row for row in rows if row.size is None]
    decided = statistics.to_decide(plain, margin)
    two_stage = {one.two_stage: found[one.two_stage] for one in decided}
    titles = {id_: " on ".join(said) for id_, said in words.names(two_stage, losses=False).items()}
    suites = list(dict.fromkeys(row.suite for row in rows if row.suite))
    contenders = dict.fromkeys(["hybrid", *(row.contender for row in rows)])
    return Content(
        title=f"Hybrid and classical models: {', '.join(suites) or 'comparison'}",
        frontiers=tuple(zip(frontiers.titles(at_sizes), at_sizes, strict=True)),
        comparisons=made,
        aggregates=tuple(statistics.aggregate(plain, margin)),
        ranks=tuple(statistics.ranks(plain)),
        sweeps=tuple(statistics.sweeps(plain)),
        to_decide=tuple((titles[one.two_stage], one) for one in decided),
        runs=len(rows),
        failed=sum(not statistics.succeeded(row) for row in rows),
        margin=margin,
        protocol=tuple(_protocol(rows, suites)),
        contenders=tuple(contenders),
    )


def _comparison(
    number: int,
    name: str,
    rows: list[Row],
    called: tuple[str, str],
    margin: float,
    in_frontier: bool,
) -> Comparison:
    verdict = verdicts.judge(rows, margin)
    target = statistics.hybrid_target(rows)
    times = [] if math.isnan(target) else statistics.time_to_score(rows, target)
    summaries = statistics.summarize(rows)
    model, data = rows[0].model["name"], rows[0].data["name"]
    unfinished = terminal.unfinished(rows)
    return Comparison(
        id=name,
        anchor=f"{number:02}-{slug(f'{model}-{data}')}",
        title=" on ".join(called),
        model=model,
        data=data,
        data_set=statistics.data_set(rows[0].data),
        model_title=called[0],
        data_title=called[1],
        metric=next((summary.metric for summary in summaries if summary.test_score.n), "accuracy"),
        seeds=len({row.seed for row in rows}),
        verdict=verdict,
        execution=words.execution_sentence(rows[0].execution),
        summaries=tuple(summaries),
        contrasts={contrast.contender: contrast for contrast in verdict.contrasts},
        curves=tuple(statistics.learning_curves(rows)),
        target=target,
        times={one.contender: one for one in times},
        in_frontier=in_frontier,
        flags=(*terminal.flags(rows), *([unfinished] if unfinished else [])),
        networks=tuple(terminal.networks(rows)),
        protocol=tuple(_details(rows)),
    )


def slug(text: str) -> str:
    """Returns text in a form for file names and links: "path/to.py:f" gives "path-to-py-f"."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "-" for c in text)
    return "-".join(filter(None, kept.split("-")))[:80]


def _details(rows: list[Row]) -> list[tuple[str, str]]:
    one = rows[0]
    good = [row for row in rows if statistics.succeeded(row)]
    seeds = sorted({row.seed for row in rows})
    details = [
        ("Data", _table(one.data)),
        ("Model", _table(one.model)),
        ("Training", words.arguments(one.training)),
        ("Keras backend", one.backend),
        ("Seeds", f"{len(seeds)}: {_numbers(seeds)}"),
    ]
    if good:
        samples = {
            f"{row.n_train} for training, {row.n_test} for the test" for row in good if row.n_train
        }
        details += [("Samples", "; ".join(sorted(samples)))] if samples else []
    tuned: dict[str, list[Mapping[str, Any]]] = {}
    for row in good:
        if row.tuning:
            tuned.setdefault(row.contender, []).append(row.tuning)
    if tuned:
        said: dict[str, list[str]] = {}
        for contender, tunings in tuned.items():
            said.setdefault(_tuned(tunings), []).append(words.label(contender))
        budgets = [f"{text}: {verdicts.listed(names)}" for text, names in said.items()]
        details.append(("Tuning", "; ".join(budgets)))
    else:
        details.append(("Tuning", "none: every contender has the settings above"))
    return details


def _tuned(tunings: Sequence[Mapping[str, Any]]) -> str:
    trials = sorted({int(tuning["trials"]) for tuning in tunings if tuning.get("trials")})
    folds = sorted({int(tuning["folds"]) for tuning in tunings if tuning.get("folds")})
    seconds = [tuning["seconds"] for tuning in tunings if tuning.get("seconds") is not None]
    said = f"{_numbers(trials)} trials"
    said += f", {_numbers(folds)} folds" if folds else ""
    said += f", {words.duration(sum(seconds) / len(seconds))} on average" if seconds else ""
    capped = sum(tuning.get("stopped_by") == "time" for tuning in tunings)
    return said + (f" ({capped} of {len(tunings)} stopped by the clock)" if capped else "")


def _protocol(rows: list[Row], suites: list[str]) -> list[tuple[str, str]]:
    failed = sum(not statistics.succeeded(row) for row in rows)
    started = sorted(row.started for row in rows if row.started)
    lines = [
        ("Suite", ", ".join(suites) or "none"),
        ("Runs", f"{len(rows):,}, of which {failed} failed"),
        ("Seeds", _numbers(sorted({row.seed for row in rows}))),
        ("Keras backend", ", ".join(dict.fromkeys(row.backend for row in rows))),
    ]
    if started:
        lines.append(("Run", f"{started[0]} to {started[-1]}"))
    beside = sum(not row.timing_comparable for row in rows)
    lines.append(
        (
            "Timing",
            "every run had the machine to itself"
            if not beside
            else f"{beside:,} of {len(rows):,} runs were trained in fast mode, which is not "
            "timed, or shared the machine: a contender's times come from its timed runs, and "
            "without any, its costs are not compared",
        )
    )
    for name in ("machine", "versions"):
        tables = dict.fromkeys(
            ", ".join(f"{key} {value}" for key, value in getattr(row, name).items() if value)
            for row in rows
        )
        lines.append((name.capitalize(), "; or ".join(filter(None, tables)) or "unknown"))
    return lines


def _table(table: Mapping[str, Any]) -> str:
    rest = words.arguments(table)
    return f"{table['name']}: {rest}" if rest else str(table["name"])


def _numbers(values: Sequence[int]) -> str:
    """Returns sorted whole numbers as ranges: "0 to 9, 12"."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], value]
        else:
            runs.append([value])
    return ", ".join(" to ".join(map(str, run)) for run in runs)
