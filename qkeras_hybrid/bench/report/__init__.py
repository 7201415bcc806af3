"""What stored rows come to: in the terminal, on a page, in Markdown, LaTeX and figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qkeras_hybrid import _files
from qkeras_hybrid.bench.report import content, figures, html, latex, markdown
from qkeras_hybrid.bench.report.content import Content
from qkeras_hybrid.bench.report.frontiers import notes as frontier_notes
from qkeras_hybrid.bench.report.frontiers import overall, sentence
from qkeras_hybrid.bench.report.frontiers import titles as frontier_titles
from qkeras_hybrid.bench.report.terminal import (
    executions,
    flags,
    frontier_table,
    notes,
    table,
    titles,
    verdict,
)
from qkeras_hybrid.bench.report.verdicts import judge
from qkeras_hybrid.bench.report.words import label
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.statistics import MARGIN

__all__ = [
    "Content",
    "executions",
    "flags",
    "frontier_notes",
    "frontier_table",
    "frontier_titles",
    "judge",
    "label",
    "notes",
    "overall",
    "render",
    "sentence",
    "table",
    "titles",
    "verdict",
]


def render(rows: Sequence[Row], folder: Path, margin: float = MARGIN) -> Content:
    """Writes a report from rows alone: nothing is trained, loaded or asked of a network.

    Args:
        rows: The rows of a results file.
        folder: Takes `report.html`, `report.md`, `tables.tex` and `figures/` with a PNG and an
            SVG file for each figure. Files of these names are replaced, links too: what they
            point to stays as it is.
        margin: Up to which difference of test scores two contenders count as equivalent.

    Returns:
        What the report holds.

    Raises:
        ValueError: If there are no rows, or they lack what a report needs.
        OSError: If a file can't be written.
    """
    made = content.build(rows, margin)
    # All that can fail for the rows' sake does so before a file is touched.
    page, tables = html.page(made), latex.tables(made)
    folder.mkdir(parents=True, exist_ok=True)
    drawn = figures.write(made, _files.not_a_link(folder / "figures"))
    _files.write(folder / "report.html", page)
    _files.write(folder / "report.md", markdown.page(made, drawn))
    _files.write(folder / "tables.tex", tables)
    return made
