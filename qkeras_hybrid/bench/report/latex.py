"""Writes the tables for a paper: LaTeX with booktabs, a file to input."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qkeras_hybrid.bench.report import frontiers, markdown, words
from qkeras_hybrid.bench.report.content import Content, cost_heads

_ESCAPES = {
    "\\": r"\textbackslash{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "²": r"\textsuperscript{2}",
    "µ": r"\textmu{}",
    "\N{MINUS SIGN}": "$-$",
}


def tables(content: Content) -> str:
    """Returns a table of results and one of costs for each comparison, and one over data sets.

    Args:
        content: The contents of the report.
    """
    parts = ["% \\usepackage{booktabs} in the preamble. Every number comes from results.jsonl."]
    if content.aggregates:
        lines = [
            [
                words.measured_of(one),
                words.label(one.contender),
                words.hundredths(one.difference.mean),
                markdown.interval(one.difference),
                str(one.data_sets),
                words.p_value(one.p_value),
            ]
            for one in content.aggregates
        ]
        heads = ["Model", "Contender", "Difference", "95 % interval", "Data sets", "p"]
        caption = f"{content.minus} over data sets, in hundredths of the score."
        parts.append(_table(heads, lines, caption, "over-data-sets", left=2))
    if content.to_decide:
        heads, lines = markdown.decided(content)
        caption = (
            "Trained to decide against trained in two stages: two stages minus trained to decide, "
            "in hundredths, with 95 % bootstrap intervals."
        )
        parts.append(_table(heads, lines, caption, "to-decide", left=3))
    for number, (title, one) in enumerate(content.frontiers, start=1):
        heads, rows = frontiers.table(one)
        caption = f"{title}. {frontiers.sentence(one)}"
        parts.append(_table(heads, rows, caption, f"frontier-{number:02}"))
    for comparison in content.comparisons:
        if comparison.in_frontier:
            continue
        seeds = words.counted(comparison.seeds, "seed")
        heads, rows = markdown.results(comparison)
        caption = (
            f"{comparison.title}, {seeds}. Differences are {words.minus([comparison.metric])} in "
            "hundredths, with 95 % bootstrap intervals."
        )
        parts.append(_table(heads, rows, caption, comparison.anchor))
        names = cost_heads(comparison)
        if names:
            costs = [
                [words.label(one.contender), *(words.cost(name, one.costs[name]) for name in names)]
                for one in comparison.summaries
            ]
            heads = ["Contender", *(words.COST_HEADS[name].capitalize() for name in names)]
            caption = f"Cost: {comparison.title}, medians over {seeds}."
            parts.append(_table(heads, costs, caption, f"{comparison.anchor}-cost"))
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Returns text with LaTeX's special characters escaped."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def _table(
    heads: Sequence[str], lines: Iterable[Sequence[str]], caption: str, label: str, left: int = 1
) -> str:
    def row(cells: Sequence[str]) -> str:
        # A bracket at the start of a line would be an option of the \\ before it.
        return "  " + " & ".join("{" + escaped(cell) + "}" for cell in cells) + r" \\"

    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering\small",
            rf"  \caption{{{escaped(caption)}}}",
            rf"  \label{{tab:{label.replace('_', '-')}}}",
            rf"  \begin{{tabular}}{{{'l' * left}{'r' * (len(heads) - left)}}}",
            r"  \toprule",
            row(heads),
            r"  \midrule",
            *(row(line) for line in lines),
            r"  \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
        ]
    )
