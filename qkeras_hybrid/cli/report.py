"""`qkeras-hybrid report`: a page, a summary, tables and figures from stored rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qkeras_hybrid.cli.base import (
    RESULTS,
    SUITES,
    app,
    fail,
    native_stderr_muted,
    say,
    stopped,
)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=f"Folder with {RESULTS}.")],
    output: Annotated[
        Path | None, typer.Option(help="Where to write the report; DIR if not given.")
    ] = None,
    margin: Annotated[
        float,
        typer.Option(
            help="The largest difference in test score, in points, at which two contenders count "
            "as equivalent."
        ),
    ] = 2.0,
    suite: Annotated[
        str | None,
        typer.Option(
            metavar="SUITE",
            help="A suite, as for `run`. Its frontiers then also use rows of the same tasks that "
            "don't name a frontier, such as older ones. If not given, this is done for each of "
            "the package's suites that a row names.",
        ),
    ] = None,
) -> None:
    """Write a report from the rows of a results file; nothing runs again.

    It consists of report.html (one page that needs no network), report.md, tables.tex, and
    figures/ with a PNG and an SVG file for each figure.

    Examples:
    - `qkeras-hybrid report results/paper`

    - `qkeras-hybrid report results/paper --margin 1 --output site`

    - `qkeras-hybrid report results/mine --suite mine.toml`

    Exit codes: 0 done, 1 the rows can't be read or the report can't be written, 2 wrong usage.
    """
    if not 0 < margin < 100:
        raise fail(f"Argument `--margin` must be between 0 and 100 points, but got {margin}.", 2)
    path = folder / RESULTS
    if not folder.is_dir():
        raise fail(f"{folder} is not a folder. Give the one that holds {RESULTS}.", 2)
    if not path.is_file():
        raise fail(f"{folder} holds no {RESULTS}. Run a suite or `compare` into it first.", 2)
    try:
        with native_stderr_muted():
            from qkeras_hybrid.bench import recognising
            from qkeras_hybrid.bench import report as reports
            from qkeras_hybrid.bench import results as files
            from qkeras_hybrid.bench import suite as suites

        rows = files.read_rows(path, say)
        named = {row.suite for row in rows}
        for name in [name for name in SUITES if name in named] if suite is None else [suite]:
            rows = recognising.recognised(rows, suites.read(name))
        made = reports.render(rows, output or folder, margin / 100)
    except KeyboardInterrupt as error:
        raise stopped("before the report was complete.") from error
    except files.ResultsError as error:
        raise fail(str(error), 1) from error
    except suites.SuiteError as error:
        raise fail(str(error), 2) from error
    except ValueError as error:
        raise fail(f"{path} {error}.", 1) from error
    except OSError as error:
        place = error.filename or output or folder
        raise fail(f"{place} can't be written: {error.strerror}.", 1) from error
    if said := reports.overall(made.frontiers):
        typer.echo(said)
    for title, frontier in made.frontiers:
        typer.echo(f"{title}: {reports.sentence(frontier)}")
    for comparison in made.comparisons:
        if comparison.in_frontier:
            continue
        typer.echo(f"{comparison.title}: {comparison.verdict.sentence}")
    typer.echo(f"Report: {(output or folder) / 'report.html'}")
