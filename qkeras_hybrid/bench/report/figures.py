"""Draws the figures for papers and slides: PNG and SVG by Matplotlib."""

from __future__ import annotations

import dataclasses
import io
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qkeras_hybrid import _files
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.bench.metrics import metric_of
from qkeras_hybrid.bench.report import frontiers, fronts, words
from qkeras_hybrid.bench.report.content import Comparison, Content, slug
from qkeras_hybrid.bench.report.verdicts import NOUNS
from qkeras_hybrid.bench.statistics import ALPHA, Aggregate, Curve, Front, Frontier, Ranks, Sweep

if TYPE_CHECKING:
    import matplotlib as mpl
    import matplotlib.figure as mpl_figure
    import matplotlib.lines as mpl_lines
    import matplotlib.ticker as mpl_ticker
    import pandas as pd
    import scikit_posthocs
else:
    mpl = lazy_module("matplotlib")
    mpl_figure = lazy_module("matplotlib.figure")
    mpl_lines = lazy_module("matplotlib.lines")
    mpl_ticker = lazy_module("matplotlib.ticker")
    pd = lazy_module("pandas")
    scikit_posthocs = lazy_module("scikit_posthocs")

COLOURS = (
    "#0b57a4",
    "#d1495b",
    "#c47900",
    "#7a7f87",
    "#6a3d9a",
    "#12827c",
    "#a3457f",
    "#5d7a00",
    "#8c564b",
    "#2f9bd6",
)
"""The colours of the contenders, in the order of the report: those of the page's light style."""

# In SVG, text stays text, and the same rows give the same bytes.
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "qkeras_hybrid",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.axisbelow": True,
    "figure.constrained_layout.use": True,
}


def write(content: Content, folder: Path) -> list[Path]:
    """Draws all figures of a report into a folder.

    Args:
        content: The contents of the report.
        folder: The folder, created if it does not exist.

    Returns:
        The paths of the PNG files; an SVG file of the same name lies beside each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with mpl.rc_context(_STYLE):
        for name, figure in _all(content):
            path = folder / f"{name}.png"
            _files.write(path, _drawn(figure, "png", dpi=160, metadata={"Software": None}))
            _files.write(path.with_suffix(".svg"), _drawn(figure, "svg", metadata={"Date": None}))
            written.append(path)
    return written


def _drawn(figure: Any, form: str, **more: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format=form, **more)
    return file.getvalue()


def _all(content: Content) -> Iterator[tuple[str, Any]]:
    for number, (title, one) in enumerate(content.frontiers, start=1):
        if one.fronts:
            yield f"frontier-{number:02}-{slug(title)}", frontier(title, one, content)
    for its in content.aggregate_groups:
        if figure := aggregates(its, content):
            yield (
                f"over-data-sets-{slug(its[0].model)}-{slug(its[0].metric)}{_apart(its[0])}",
                figure,
            )
    for number, sweep in enumerate(content.sweeps, start=1):
        yield f"sweep-{number:02}-{slug(sweep.title)}-{slug(sweep.axis)}", along(sweep, content)
    for ranked in content.ranks:
        yield f"ranks{_apart(ranked)}", ranks(ranked)
    for comparison in content.comparisons:
        if comparison.in_frontier:
            continue
        for kind, draw in (
            ("differences", differences),
            ("parameters", parameters),
            ("learning", learning),
        ):
            if figure := draw(comparison, content):
                yield f"{comparison.anchor}-{kind}", figure


def _apart(one: Aggregate | Ranks) -> str:
    loss = one.loss if isinstance(one, Aggregate) else ""
    said = [slug(text) for text in (loss, "tuned" if one.tuned else "", one.execution) if text]
    return "".join(f"-{text}" for text in said)


def _new(width: float, height: float) -> tuple[Any, Any]:
    # Without pyplot, which would keep every figure alive and choose a window system.
    figure = mpl_figure.Figure(figsize=(width, height))
    return figure, figure.subplots()


def _colour(contender: str, content: Content) -> str:
    return COLOURS[content.contenders.index(contender) % len(COLOURS)]


def _marker(contender: str) -> str:
    return "D" if contender == "hybrid" else "o"


def differences(comparison: Comparison, content: Content) -> Any:
    """Draws the paired differences of a comparison; None without a pair."""
    lines = [
        (name, contrast.difference, contrast.values)
        for name, contrast in comparison.contrasts.items()
        if contrast.difference.n
    ]
    return _dots(lines, comparison.title, comparison.metric, content)


def aggregates(its: Sequence[Aggregate], content: Content) -> Any:
    """Draws the differences of a hybrid over data sets; None without any."""
    lines = [(one.contender, one.difference, ()) for one in its if one.difference.n]
    model = words.measured_of(dataclasses.replace(its[0], metric="accuracy"))
    return _dots(lines, f"{model} over data sets", its[0].metric, content)


def _dots(
    lines: Sequence[tuple[str, Any, Sequence[float]]], title: str, metric: str, content: Content
) -> Any:
    if not lines:
        return None
    figure, axes = _new(5.2, 1.1 + 0.3 * len(lines))
    axes.axvspan(-100 * content.margin, 100 * content.margin, color="#0b57a4", alpha=0.1, lw=0)
    axes.axvline(0, color="#5b6570", lw=1)
    for place, (name, estimate, values) in enumerate(lines):
        colour = _colour(name, content)
        seeds = [100 * value for value in values]
        axes.plot(seeds, [place] * len(seeds), "o", ms=3, color=colour, alpha=0.35, mew=0)
        if not math.isnan(estimate.low):
            axes.plot([100 * estimate.low, 100 * estimate.high], [place] * 2, color=colour, lw=2)
        axes.plot(100 * estimate.mean, place, "o", ms=6, color=colour)
    axes.set_yticks(range(len(lines)), [words.label(name) for name, _, _ in lines])
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    kind = metric_of(metric)
    unit = f"{'points' if kind.percent else 'hundredths'} of test {kind.label}"
    axes.set_xlabel(f"{words.minus([metric])}, {unit}")
    figure.suptitle(_wrapped(title), fontsize=9)
    return figure


def parameters(comparison: Comparison, content: Content) -> Any:
    """Draws test scores against parameters; None for fewer than two contenders."""
    known = [s for s in comparison.summaries if s.parameters and s.test_score.n]
    if len(known) < 2:
        return None
    figure, axes = _new(4.6, 3.2)
    scale = _scale(comparison.metric)
    for one in known:
        half = one.test_score.half_width
        axes.errorbar(
            [one.parameters],
            [scale * one.test_score.mean],
            yerr=None if math.isnan(half) else [scale * half],
            fmt=_marker(one.contender),
            color=_colour(one.contender, content),
            label=words.label(one.contender),
        )
    axes.set_xscale("log")
    _round_ticks(axes)
    axes.set_xlabel("trainable parameters")
    axes.set_ylabel(_axis("test", comparison.metric))
    figure.suptitle(_wrapped(comparison.title), fontsize=9)
    axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def learning(comparison: Comparison, content: Content) -> Any:
    """Draws learning curves by epoch and by time, side by side; None without any."""
    curves = [curve for curve in comparison.curves if len(curve.median) > 1]
    if not curves:
        return None
    figure = mpl_figure.Figure(figsize=(7.2, 3.2))
    by_epoch, by_time = figure.subplots(1, 2, sharey=True)
    scale = _scale(comparison.metric)

    def draw(axes: Any, xs: Sequence[float], curve: Curve) -> None:
        colour = _colour(curve.contender, content)
        low, high, median = (scale * np.array(v) for v in (curve.low, curve.high, curve.median))
        axes.fill_between(xs, low, high, color=colour, alpha=0.13, lw=0)
        width, over = (2.2, 4) if curve.contender == "hybrid" else (1.4, 3)
        name = words.label(curve.contender)
        axes.plot(xs, median, color=colour, lw=width, zorder=over, label=name)

    for curve in curves:
        draw(by_epoch, range(1, len(curve.median) + 1), curve)
        draw(by_time, curve.seconds, curve)
    by_epoch.set_xlabel("epoch")
    by_epoch.set_ylabel(_axis("training", comparison.metric))
    by_epoch.xaxis.get_major_locator().set_params(integer=True)
    if all(curve.seconds[0] > 0 for curve in curves):
        by_time.set_xscale("log")
        _round_ticks(by_time)
    by_time.set_xlabel("seconds of training")
    by_time.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.suptitle(_wrapped(comparison.title, 90), fontsize=9)
    return figure


def _round_ticks(axes: Any) -> None:
    axes.xaxis.set_major_locator(mpl_ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")


def along(sweep: Sweep, content: Content) -> Any:
    """Draws test scores along an axis."""
    figure, axes = _new(5.2, 3.2)
    scale = _scale(sweep.metric)
    for name, series in sweep.series.items():
        halves = [0 if math.isnan(i.half_width) else scale * i.half_width for _, i in series]
        axes.errorbar(
            [sweep.place(value) for value, _ in series],
            [scale * interval.mean for _, interval in series],
            yerr=halves,
            fmt=f"{_marker(name)}-",
            ms=4,
            lw=1.5,
            color=_colour(name, content),
            label=words.label(name),
        )
    if sweep.log:
        axes.set_xscale("log")
        _round_ticks(axes)
    if sweep.apart:
        ticks = {v: f"{v:g}" for v in sweep.values} | sweep.apart
        axes.set_xticks(list(ticks), list(ticks.values()))
        axes.xaxis.set_minor_locator(mpl_ticker.NullLocator())
    axes.set_xlabel(sweep.axis)
    axes.set_ylabel(_axis("test", sweep.metric))
    figure.suptitle(_wrapped(sweep.title), fontsize=9)
    axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def frontier(title: str, one: Frontier, content: Content) -> Any:
    """Draws the Pareto fronts of a frontier, a plot for each cost.

    Contenders differ in markers and dashes, not only in colour.
    """
    figure = mpl_figure.Figure(figsize=(1.9 + 3.3 * len(one.fronts), 3.4))
    plots = figure.subplots(1, len(one.fronts), sharey=True, squeeze=False)[0]
    scale = _scale(one.metric)
    named: dict[str, Any] = {}
    for axes, (axis, shown) in zip(plots, one.fronts.items(), strict=True):
        end = 1.08 * max(front.costs[-1] for front in shown)
        for front in shown:
            named[words.label(front.contender)] = _draw_front(axes, front, scale, end, content)
        axes.set_xscale("log")
        _round_ticks(axes)
        if end < 10 * min(front.costs[0] for front in shown):
            axes.xaxis.set_major_locator(mpl_ticker.LogLocator(subs=(1, 2, 3, 4, 5, 7)))
        axes.set_xlabel(frontiers.AXES[axis])
    plots[0].set_ylabel(_axis("best test", one.metric))
    plots[-1].legend(
        named.values(),
        named,
        fontsize=7,
        frameon=False,
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        handlelength=3.2,
    )
    figure.suptitle(_wrapped(title, 90), fontsize=9)
    return figure


def _draw_front(axes: Any, front: Front, scale: float, end: float, content: Content) -> Any:
    """Draws a front with its band, and returns its handle for a legend."""
    place = content.contenders.index(front.contender)
    colour = _colour(front.contender, content)
    hybrid = front.contender == "hybrid"
    dashes = [float(part) / 1.6 for part in fronts.dash(place).split()]
    style: Any = (0, dashes) if dashes else "-"
    if not any(map(math.isnan, (*front.low, *front.high))):
        low, high = (fronts.steps(front.costs, side, end) for side in (front.low, front.high))
        axes.fill_between(
            [cost for cost, _ in low],
            [scale * value for _, value in low],
            [scale * value for _, value in high],
            color=colour,
            alpha=0.2 if hybrid else 0.08,
            lw=0,
        )
    corners = fronts.steps(front.costs, front.best, end)
    axes.plot(
        [cost for cost, _ in corners],
        [scale * value for _, value in corners],
        color=colour,
        ls=style,
        lw=2.2 if hybrid else 1.3,
        zorder=4 if hybrid else 3,
    )
    look: dict[str, Any] = {
        "marker": _MARKERS[place] if place < len(_MARKERS) else "o",
        "color": colour,
    }
    axes.plot(
        [point.cost for point in front.points],
        [scale * point.mean for point in front.points],
        ls="none",
        ms=6 if hybrid else 4.5,
        zorder=5 if hybrid else 4,
        **look,
    )
    return mpl_lines.Line2D([], [], ls=style, lw=1.3, ms=5, **look)


_MARKERS = ("D", "s", "^", "v", "X", "P", "p")


def ranks(its: Ranks) -> Any:
    """Draws the diagram of mean ranks (`scikit_posthocs.critical_difference_diagram`)."""
    figure, axes = _new(7.2, 0.9 + 0.22 * len(its.mean))
    axes.grid(visible=False)
    labels = {name: words.label(name) if name in NOUNS else name for name in its.mean}
    significance = its.p_pairs.rename(index=labels, columns=labels)
    scikit_posthocs.critical_difference_diagram(
        pd.Series({labels[name]: rank for name, rank in its.mean.items()}),
        significance,
        ax=axes,
        alpha=ALPHA,
        label_fmt_left="{label} ({rank:.2f})  ",
        label_fmt_right="  ({rank:.2f}) {label}",
        label_props={"fontsize": 9},
        marker_props={"s": 14},
        elbow_props={"linewidth": 0.9},
        crossbar_props={"linewidth": 2.5},
        color_palette=["black"] * len(labels),
    )
    return figure


def ranks_svg(its: Ranks) -> str:
    """Returns the diagram of mean ranks as SVG in the colour of the text around it."""
    with mpl.rc_context(_STYLE):
        file = io.StringIO()
        figure = ranks(its)
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    drawn = file.getvalue()
    # If inlined, its style sheet would apply to the whole page; its metadata is meant for files.
    drawn = re.sub(r"<(style|metadata).*?</\1>", "", drawn[drawn.index("<svg") :], flags=re.DOTALL)
    drawn = drawn.replace("#000000", "currentColor")
    said = "; ".join(f"{name} {rank:.2f}" for name, rank in its.mean.items())
    return drawn.replace("<svg ", f'<svg role="img" aria-label="Mean ranks: {said}" ', 1)


def _scale(metric: str) -> float:
    return 100 if metric_of(metric).percent else 1


def _axis(part: str, metric: str) -> str:
    kind = metric_of(metric)
    return f"{part} {kind.label}" + (" (%)" if kind.percent else "")


def _wrapped(text: str, width: int = 62) -> str:
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return "\n".join(lines).replace("$", r"\$")
