"""Writes the summary in Markdown, for display in a repository."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from qkeras_hybrid.bench.metrics import metric_of
from qkeras_hybrid.bench.report import frontiers, words
from qkeras_hybrid.bench.report.content import Comparison, Content, cost_heads
from qkeras_hybrid.bench.statistics import Estimate, Frontier


def page(content: Content, figures: Sequence[Path] = ()) -> str:
    """Returns the summary as Markdown.

    Args:
        content: The contents of the report.
        figures: The pictures to show, in the folder `figures` beside the file.
    """
    failed = f", {content.failed} failed" if content.failed else ""
    parts = [
        f"# {escaped(content.title)}",
        f"{words.counted(len(content.comparisons), 'comparison')} on "
        f"{words.counted(content.data_sets, 'data set')}, "
        f"{words.counted(content.runs, 'run')}{failed}.",
    ]
    shown = {path.name: path for path in figures}
    parts += _frontiers(content, shown)
    alone = [comparison for comparison in content.comparisons if not comparison.in_frontier]
    if alone:
        said = [f"- **{escaped(c.title)}**: {escaped(c.verdict.sentence)}" for c in alone]
        parts += ["## Verdicts", "\n".join(said)]
    parts += _to_decide(content)
    parts += _over(content, shown)
    for comparison in alone:
        parts += _comparison(comparison, shown)
    parts += ["## Failures", _failures(content)]
    parts += ["## Protocol", *_terms(content.protocol)]
    parts += ["## How to read this", "\n".join(f"- {escaped(line)}" for line in content.reading)]
    return "\n\n".join(parts) + "\n"


def _frontiers(content: Content, figures: dict[str, Path]) -> list[str]:
    if not content.frontiers:
        return []
    parts = ["## Frontiers"]
    if said := frontiers.overall(content.frontiers):
        parts.append(escaped(said))
    for number, (title, one) in enumerate(content.frontiers, start=1):
        parts += [f"### {escaped(title)}", f"**{escaped(frontiers.sentence(one))}**"]
        heads, lines = frontiers.table(one)
        if lines:
            parts.append(table(heads, lines))
        parts += ["\n".join(f"- {escaped(note)}" for note in frontiers.notes(one))]
        parts += [
            _picture(figures[name], frontier_text(title, one))
            for name in figures
            if name.startswith(f"frontier-{number:02}-")
        ]
    parts.append("The comparisons at each size are in report.html.")
    return [part for part in parts if part]


def frontier_text(title: str, one: Frontier) -> str:
    """Returns a text for the picture of a frontier, for readers who can't see it."""
    fronts = one.fronts.get("parameters") or next(iter(one.fronts.values()))
    axis = next(axis for axis, those in one.fronts.items() if those is fronts)
    shown = "; ".join(frontiers.described(front, axis, one.metric) for front in fronts)
    return escaped(f"Best test score against {frontiers.AXES[axis]}, {title}: {shown}")


def _to_decide(content: Content) -> list[str]:
    if not content.to_decide:
        return []
    return [
        "## Trained to decide, or in two stages",
        "Each contender trained with a decision loss, against the same contender trained to "
        "predict costs (mean squared error): two stages minus trained to decide, in hundredths, "
        "by seed.",
        table(*decided(content), left=3),
    ]


def decided(content: Content) -> tuple[list[str], list[list[str]]]:
    """Returns the heads and lines of the table of losses."""
    heads = ["Model and data", "Contender", "Loss", "Regret", "In two stages", "Difference"]
    heads += ["95 % interval", "p (Holm)", "Trained to decide is"]
    lines = [
        [
            title,
            words.label(one.contender),
            one.loss,
            words.score(one.score, one.metric),
            words.score(one.score_of_two_stage, one.metric),
            words.hundredths(one.contrast.difference.mean),
            interval(one.contrast.difference),
            words.p_value(one.contrast.p_holm),
            one.contrast.outcome,
        ]
        for title, one in content.to_decide
    ]
    return heads, lines


def _over(content: Content, figures: dict[str, Path]) -> list[str]:
    parts: list[str] = []
    if content.aggregates:
        heads = ["Model", "Contender", "Difference", "95 % interval", "Data sets", "p"]
        heads += ["Better", "Equivalent", "Worse", "Undecided"]
        lines = [
            [
                words.measured_of(one),
                words.label(one.contender),
                words.hundredths(one.difference.mean),
                interval(one.difference),
                str(one.data_sets),
                words.p_value(one.p_value),
                *map(str, one.tally),
            ]
            for one in content.aggregates
        ]
        parts += [
            "## Over data sets",
            f"{content.minus} in hundredths, each data set with the same weight: its "
            "variants are averaged.",
            table(heads, lines, left=2),
        ]
    general = [name for name in figures if name.startswith(("over-", "sweep-", "ranks"))]
    return parts + [_picture(figures[name], "Over data sets") for name in general]


def _comparison(comparison: Comparison, figures: dict[str, Path]) -> list[str]:
    parts = [f"## {escaped(comparison.title)}", escaped(comparison.verdict.sentence)]
    if comparison.execution:
        parts.append(escaped(comparison.execution))
    if comparison.flags:
        parts.append("\n".join(f"- ⚑ {escaped(flag)}" for flag in comparison.flags))
    parts.append(table(*results(comparison)))
    heads = cost_heads(comparison)
    costs = [
        [words.label(one.contender), *(words.cost(name, one.costs[name]) for name in heads)]
        for one in comparison.summaries
    ]
    if heads:
        parts.append(table(["Cost", *(words.COST_HEADS[name] for name in heads)], costs))
    parts += [
        _picture(figures[name], name.removesuffix(".png"))
        for name in figures
        if name.startswith(f"{comparison.anchor}-")
    ]
    return [*parts, *_terms(comparison.protocol)]


def results(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Returns the heads and lines of a comparison's table of results."""
    metric = metric_of(comparison.metric).label
    heads = ["Contender", f"Test {metric}", "Difference", "95 % interval", "p (Holm)"]
    heads += ["Effect size", "Outcome", "Parameters", "Failed"]
    lines = []
    for one in comparison.summaries:
        contrast = comparison.contrasts.get(one.contender)
        against = ["", "", "", "", ""]
        if contrast is not None:
            against = [
                words.hundredths(contrast.difference.mean),
                interval(contrast.difference),
                words.p_value(contrast.p_holm),
                words.effect(contrast.effect_size),
                {"better": "hybrid better", "worse": "hybrid worse"}.get(
                    contrast.outcome, contrast.outcome
                ),
            ]
        lines.append(
            [
                words.label(one.contender),
                words.score(one.test_score, one.metric),
                *against,
                words.MISSING if one.parameters is None else f"{one.parameters:,}",
                f"{one.failed} of {one.runs}",
            ]
        )
    return heads, lines


def interval(estimate: Estimate) -> str:
    """Returns an interval in hundredths; "-" where there is none."""
    if math.isnan(estimate.low):
        return words.MISSING
    return f"[{words.hundredths(estimate.low)}, {words.hundredths(estimate.high)}]"


def table(heads: Sequence[str], lines: Iterable[Sequence[str]], left: int = 1) -> str:
    """Returns a table with the first columns aligned left and the others right."""
    rules = ["---" if n < left else "---:" for n in range(len(heads))]
    rows = [heads, rules, *([escaped(cell) for cell in line] for line in lines)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def escaped(text: str) -> str:
    """Returns text with Markdown's special characters escaped."""
    for mark in "\\`*_|<>[]":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())


def _failures(content: Content) -> str:
    if not content.failed:
        return "No run failed."
    lines = [
        [words.label(one.contender), c.title, f"{one.failed} of {one.runs}", "; ".join(one.errors)]
        for c in content.comparisons
        for one in c.summaries
        if one.failed
    ]
    return table(["Contender", "Comparison", "Failed", "Errors"], lines, left=4)


def _terms(terms: Iterable[tuple[str, str]]) -> list[str]:
    return ["\n".join(f"- {term}: {escaped(said)}" for term, said in terms)]


def _picture(path: Path, text: str) -> str:
    return f"![{text}](figures/{path.name})"
