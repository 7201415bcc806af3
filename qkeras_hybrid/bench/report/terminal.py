"""Shows one comparison as a table in the terminal, and states its meaning in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.bench.metrics import metric_of
from qkeras_hybrid.bench.report import frontiers, words
from qkeras_hybrid.bench.report.verdicts import judge
from qkeras_hybrid.bench.report.words import (
    MISSING,
    counted,
    execution_sentence,
    label,
    score,
    seconds,
    views_sentence,
)
from qkeras_hybrid.bench.row import Row, latest
from qkeras_hybrid.bench.statistics import Frontier, is_tuned, succeeded, summarize

if TYPE_CHECKING:
    import rich.box as rich_box
    import rich.table as rich_table
    import rich.text as rich_text
else:
    rich_box = lazy_module("rich.box")
    rich_table = lazy_module("rich.table")
    rich_text = lazy_module("rich.text")

STILL_FALLING = 0.05
"""The fall of the training loss in the last epoch from which the reader is warned."""


def table(rows: Sequence[Row], called: str = "") -> rich_table.Table:
    """Makes the table of a comparison: one line for each contender.

    Args:
        rows: The rows of one comparison.
        called: What tells it apart from others, see `titles`; if empty, model and data by name.
    """
    first = rows[0]
    training = first.training
    seeds = len({row.seed for row in rows})
    summaries = summarize(rows)
    metric = metric_of(summaries[0].metric).label
    made = rich_table.Table(
        title=rich_text.Text(
            f"{called or titles({'': rows})['']}: {counted(seeds, 'seed')}, "
            f"{_epochs(training)}, batches of {training['batch_size']}",
            "table.title",
        ),
        caption=f"{metric}: mean and 95 % interval (Student t) over seeds; seconds: median; "
        "the first epoch includes tracing and compilation",
        box=rich_box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
        caption_justify="left",
        title_justify="left",
    )
    made.add_column("contender", overflow="fold")
    made.add_column(f"test {metric}", justify="right", no_wrap=True)
    made.add_column("parameters", justify="right")
    made.add_column("first epoch", justify="right")
    made.add_column("an epoch", justify="right")
    failed = any(summary.failed for summary in summaries)
    if failed:
        made.add_column("failed", justify="right")
    for summary in summaries:
        cells = [
            label(summary.contender),
            score(summary.test_score, summary.metric),
            MISSING if summary.parameters is None else f"{summary.parameters:,}",
            seconds(summary.first_epoch_seconds),
            seconds(summary.epoch_seconds),
        ]
        made.add_row(*cells, *([str(summary.failed)] if failed else []))
    return made


def titles(comparisons: Mapping[str, Sequence[Row]]) -> dict[str, str]:
    """Returns the title of each comparison, with the arguments that tell it apart from others.

    Args:
        comparisons: Rows by comparison id.
    """
    return {name: " on ".join(said) for name, said in words.names(comparisons).items()}


def frontier_table(one: Frontier, called: str = "") -> rich_table.Table:
    """Makes the table of a frontier: one line for each contender.

    Args:
        one: The frontier.
        called: A title that tells it apart from others, see `frontiers.titles`; if empty, its own.
    """
    heads, lines = frontiers.table(one)
    made = rich_table.Table(
        title=rich_text.Text(
            f"{called or frontiers.titles([one])[0]}: a frontier of "
            f"{counted(len(one.comparisons), 'comparison')}, {counted(one.seeds, 'seed')}",
            "table.title",
        ),
        caption="The best mean score up to a size: mean and 95 % bootstrap interval over seeds",
        box=rich_box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
        caption_justify="left",
        title_justify="left",
    )
    for place, head in enumerate(heads):
        made.add_column(head, justify="left" if place in (0, len(heads) - 1) else "right")
    for line in lines:
        made.add_row(*line)
    return made


def notes(rows: Sequence[Row]) -> list[str]:
    """Returns notes on the table: networks, mismatches, failures.

    Args:
        rows: The rows of one comparison.
    """
    return [*networks(rows), *executions(rows), *flags(rows)]


def networks(rows: Sequence[Row]) -> list[str]:
    """Returns a sentence on each contender's layers.

    Args:
        rows: The rows of one comparison.
    """
    return [
        f"{label(summary.contender)}: {summary.network}"
        + (f", engine {summary.engine}" if summary.engine else "")
        for summary in summarize(rows)
        if summary.network
    ]


def _epochs(training: Mapping[str, Any]) -> str:
    most = "at most " if "patience" in training else ""
    return f"{most}{counted(training['epochs'], 'epoch')}"


def executions(rows: Sequence[Row]) -> list[str]:
    """Returns a sentence on the noise and the shots of the scores, if there are any.

    Args:
        rows: The rows of one comparison.
    """
    sentence = execution_sentence(rows[0].execution)
    return [sentence] if sentence else []


def flags(rows: Sequence[Row]) -> list[str]:
    """Returns a comparison's weaknesses: identical networks, mismatches, failures, leaks.

    Args:
        rows: The rows of one comparison.
    """
    summaries = summarize(rows)
    views = views_sentence(rows[0].data)
    said = [views] if views else []
    # An empty search space, as when only the references are tuned, leaves sizes unchanged.
    tuned = any((row.tuning or {}).get("trials") for row in rows if row.contender == "hybrid")
    twins: dict[str, str] = {}
    for summary in summaries:
        twin = twins.setdefault(summary.network, summary.contender)
        if summary.network and twin != summary.contender and twin != "hybrid":
            said.append(
                f"{label(twin)} and {label(summary.contender)} are the same network here; they "
                "differ only in their initial weights."
            )
        mismatch = summary.parameter_mismatch
        if "same_parameters" in summary.contender and mismatch is not None and abs(mismatch) > 0.05:
            share = f"{100 * abs(mismatch):.1f} % {'more' if mismatch > 0 else 'fewer'}"
            said.append(
                f"Tuning chose sizes that differ by more than 5 %: {label(summary.contender)} has "
                f"up to {share} parameters than the hybrid, depending on the seed."
                if tuned
                else f"No Dense network with one or two hidden layers comes within 5 % of the "
                f"hybrid's parameters: {label(summary.contender)} has {share}."
            )
        if summary.suspicious:
            said.append(
                f"{label(summary.contender)}: the test score equals the train score in every "
                "seed. Either the task is solved completely, or test samples leak into training."
            )
    failed = [row for row in latest(rows).values() if not succeeded(row)]
    if failed:
        errors = [error for summary in summaries for error in summary.errors]
        said.append(
            f"{counted(len(failed), 'run')} of {len(latest(rows))} failed and "
            f"{'is' if len(failed) == 1 else 'are'} not in the means; the first: {errors[0]}"
        )
    if len({str((row.machine, row.versions)) for row in latest(rows).values()}) > 1:
        said.append(
            "The rows come from more than one machine or set of versions: their times can't be "
            "compared."
        )
    untimed = [row for row in latest(rows).values() if not row.timing_comparable]
    fast = sum(row.trained_by == "fast" for row in untimed)
    beside = len(untimed) - fast
    if fast:
        said.append(
            f"{counted(fast, 'run')} of {len(latest(rows))} trained fast, for the scores: "
            f"{'its' if fast == 1 else 'their'} times can't be compared; --timing measures "
            "comparable ones."
        )
    if beside:
        said.append(
            f"{counted(beside, 'run')} of {len(latest(rows))} had other runs beside "
            f"{'it' if beside == 1 else 'them'}: their seconds are not comparable."
        )
    return said


def unfinished(rows: Sequence[Row]) -> str:
    """Returns a sentence on contenders whose loss was still falling at the end; empty if none.

    If validation ended the training, a falling training loss means nothing.

    Args:
        rows: The rows of one comparison.
    """
    if any("patience" in row.training for row in rows):
        return ""
    falling = ", ".join(
        f"{label(summary.contender)} {100 * summary.loss_drop:.0f} %"
        for summary in summarize(rows)
        if summary.loss_drop > STILL_FALLING
    )
    if not falling:
        return ""
    return (
        f"Training losses still fell in the last epoch ({falling}): more epochs may change the "
        "result."
    )


def verdict(rows: Sequence[Row]) -> str:
    """States in plain words what the rows show about the hybrid, and what they leave open.

    The first line is the sentence of `qkeras_hybrid.bench.report.verdicts.judge`, the same as in
    `run` and `report`; its details follow, a line for each contender.

    Args:
        rows: The rows of one comparison.
    """
    judged = judge(rows)
    if not judged.contrasts:
        return judged.sentence
    caveat = (
        f"One data set and one {'budget of tuning' if is_tuned(rows) else 'untuned setting'} say "
        "nothing about other circuits, sizes or data, and since the splits of the seeds share "
        "samples, the intervals are too narrow for new data."
    )
    details = [f"- {line}" for line in judged.details]
    return "\n".join(filter(None, [judged.sentence, *details, unfinished(rows), caveat]))
