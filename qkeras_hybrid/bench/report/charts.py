"""Draws the plots of the page as SVG, whose colours follow the page's light or dark style.

They are drawn here and not in the browser, so that the page shows them without scripts and prints
them sharply; the page's script adds details when a pointer is over a mark. An inlined plotting
library would be many times larger than the rest of the page.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TypeVar

from qkeras_hybrid.bench.metrics import metric_of
from qkeras_hybrid.bench.report import drawing, words
from qkeras_hybrid.bench.report.content import Comparison
from qkeras_hybrid.bench.statistics import Aggregate, Curve, Summary, Sweep

_Named = TypeVar("_Named", Summary, Curve)


def differences(comparison: Comparison, margin: float, contenders: Sequence[str]) -> str:
    """Draws the paired differences of a comparison: a dot and an interval for each contender."""
    rows = [
        Dot(
            words.label(name),
            name,
            contrast.difference.mean,
            contrast.difference.low,
            contrast.difference.high,
            f"{contrast.difference.n} pairs, {contrast.outcome}",
            contrast.values,
        )
        for name, contrast in comparison.contrasts.items()
        if contrast.difference.n
    ]
    title = f"Paired differences of test {_metric(comparison.metric)}, {comparison.title}"
    return dots(rows, title, margin, comparison.metric, contenders)


def aggregates(its: Sequence[Aggregate], margin: float, contenders: Sequence[str]) -> str:
    """Draws the differences of one hybrid over data sets."""
    rows = [
        Dot(
            words.label(one.contender),
            one.contender,
            one.difference.mean,
            one.difference.low,
            one.difference.high,
            f"{one.data_sets} data sets, {one.difference.n} pairs",
            (),
        )
        for one in its
        if one.difference.n
    ]
    model = words.measured_of(dataclasses.replace(its[0], metric="accuracy"))
    title = f"Differences of test {_metric(its[0].metric)} over data sets, {model}"
    return dots(rows, title, margin, its[0].metric, contenders)


@dataclasses.dataclass(frozen=True)
class Dot:
    """One line of a plot of differences: hybrid minus contender."""

    text: str
    contender: str
    mean: float
    low: float
    high: float
    said: str
    values: Sequence[float]


def dots(
    rows: Sequence[Dot], title: str, margin: float, metric: str, contenders: Sequence[str]
) -> str:
    """Draws lines of differences with their intervals, zero and the band of equivalence."""
    if not rows:
        return ""
    left, step, top = 150, 28, 26
    bottom = top + step * len(rows)
    reach = [v for r in rows for v in (r.mean, r.low, r.high, *r.values) if not math.isnan(v)]
    x = drawing.spanning([*reach, -1.3 * margin, 1.3 * margin], left, drawing.WIDTH - 12)
    unit = metric_of(metric).hundredths
    parts = [
        drawing.rect(x(-margin), top - 6, x(margin) - x(-margin), bottom - top + 6, "band"),
        *drawing.x_ticks(x, bottom, top - 6, lambda v: words.hundredths(v).replace(".0", "")),
        drawing.line(x(0), top - 6, x(0), bottom, "zero"),
        drawing.text(x(0) - 8, 13, "← contender better", "note", "end"),
        drawing.text(x(0) + 8, 13, "hybrid better →", "note", "start"),
        drawing.text(
            (left + drawing.WIDTH - 12) / 2, bottom + 34, f"{unit}, {words.minus([metric])}", "axis"
        ),
    ]
    for number, row in enumerate(rows):
        y = top + step * (number + 0.5)
        tip = f"{row.text}: {words.hundredths(row.mean)} {unit}"
        marks = [drawing.text(left - 8, y + 4, row.text, "name", "end")]
        marks += [
            f'<circle class="seed" cx="{drawing.number(x(v))}" cy="{drawing.number(y)}" r="2.5"/>'
            for v in row.values
        ]
        if not math.isnan(row.low):
            tip += f" [{words.hundredths(row.low)}, {words.hundredths(row.high)}]"
            marks.append(drawing.line(x(row.low), y, x(row.high), y, "interval"))
        marks.append(drawing.mark(x(row.mean), y, row.contender, f"{tip}, {row.said}"))
        parts.append(drawing.series(row.contender, contenders, marks))
    return drawing.svg(title, bottom + 42, parts)


def scatter(comparison: Comparison, contenders: Sequence[str]) -> str:
    """Draws test scores against parameters, of the contenders that have any."""
    known = [s for s in comparison.summaries if s.parameters and s.test_score.n]
    if len(known) < 2:
        return ""
    top, bottom, left = 14, 230, 52
    ends = []
    for one in known:
        half = 0.0 if math.isnan(one.test_score.half_width) else one.test_score.half_width
        ends += [one.test_score.mean - half, one.test_score.mean + half]
    x = drawing.spanning(
        [float(one.parameters or 1) for one in known], left, drawing.WIDTH - 12, log=True
    )
    y = drawing.spanning(ends, bottom, top)
    parts = [
        *drawing.x_ticks(x, bottom, top, words.count),
        *drawing.y_ticks(y, left, drawing.WIDTH - 12, comparison.metric),
        drawing.text((left + drawing.WIDTH) / 2, bottom + 34, "trainable parameters", "axis"),
    ]
    for one in _hybrid_last(known):
        at, score = x(float(one.parameters or 1)), one.test_score
        tip = (
            f"{words.label(one.contender)}: {words.score(score, comparison.metric)}, "
            f"{words.counted(one.parameters or 0, 'parameter')}"
        )
        marks = []
        if not math.isnan(score.half_width):
            marks.append(drawing.line(at, y(score.low), at, y(score.high), "interval"))
        marks.append(drawing.mark(at, y(score.mean), one.contender, tip))
        parts.append(drawing.series(one.contender, contenders, marks))
    title = f"Test {_metric(comparison.metric)} against parameters, {comparison.title}"
    return drawing.svg(title, bottom + 42, parts)


def learning(comparison: Comparison, contenders: Sequence[str], *, by_time: bool) -> str:
    """Draws learning curves over epochs, or over seconds of training."""
    curves = [curve for curve in comparison.curves if len(curve.median) > 1]
    if not curves:
        return ""

    def at(curve: Curve) -> Sequence[float]:
        return curve.seconds if by_time else [float(n) for n in range(1, len(curve.median) + 1)]

    top, bottom, left = 14, 230, 52
    places = [value for curve in curves for value in at(curve)]
    x = drawing.spanning(
        places, left, drawing.WIDTH - 12, log=by_time and min(places) > 0, pad=0.02
    )
    y = drawing.spanning([v for c in curves for v in (*c.low, *c.high, *c.median)], bottom, top)
    parts = [
        *drawing.x_ticks(
            x, bottom, top, words.duration if by_time else words.count, whole=not by_time
        ),
        *drawing.y_ticks(y, left, drawing.WIDTH - 12, comparison.metric),
        drawing.text(
            (left + drawing.WIDTH) / 2, bottom + 34, "training time" if by_time else "epoch", "axis"
        ),
    ]
    for curve in _hybrid_last(curves):
        xs = at(curve)
        band = [*zip(xs, curve.high, strict=True)]
        band += reversed([*zip(xs, curve.low, strict=True)])
        marks = [
            f'<path class="area" d="{drawing.path(band, x, y)}Z"/>',
            drawing.trace(
                list(zip(xs, curve.median, strict=True)), x, y, words.label(curve.contender)
            ),
        ]
        parts.append(drawing.series(curve.contender, contenders, marks))
    title = f"Training {_metric(comparison.metric)} over {'time' if by_time else 'epochs'}"
    scales = {
        "x": [x.low, x.high, x.start, x.end, x.log],
        "y": [y.low, y.high, y.start, y.end],
        "xname": "after" if by_time else "epoch",
        "percent": metric_of(comparison.metric).percent,
    }
    return drawing.svg(f"{title}, {comparison.title}", bottom + 42, parts, scales)


def sweep(one: Sweep, contenders: Sequence[str]) -> str:
    """Draws test scores along an axis, with the ideal value, which has no place on it, beside."""
    points = [(one.place(v), i) for series in one.series.values() for v, i in series]
    top, bottom, left = 14, 230, 52
    x = drawing.spanning(
        [place for place, _ in points], left, drawing.WIDTH - 12, log=one.log, pad=0.03
    )
    y = drawing.spanning([v for _, i in points for v in _ends(i.mean, i.half_width)], bottom, top)
    low, high = one.values[0], one.values[-1]
    parts = [
        *drawing.x_ticks(
            x, bottom, top, lambda v: f"{v:g}", within=(low, high) if one.apart else None
        ),
        *drawing.y_ticks(y, left, drawing.WIDTH - 12, one.metric),
        drawing.text((left + drawing.WIDTH) / 2, bottom + 34, one.axis, "axis"),
    ]
    for place, said in one.apart.items():
        parts.append(drawing.line(x(place), top, x(place), bottom, "grid"))
        parts.append(drawing.text(x(place), bottom + 16, said, "tick"))
    for name, series in one.series.items():
        places = [(one.place(value), interval) for value, interval in series]
        marks = [drawing.trace([(v, i.mean) for v, i in places], x, y, words.label(name))]
        for place, interval in places:
            ends = _ends(interval.mean, interval.half_width)
            marks.append(drawing.line(x(place), y(ends[0]), x(place), y(ends[1]), "interval thin"))
            marks.append(
                f'<circle class="point" cx="{drawing.number(x(place))}" '
                f'cy="{drawing.number(y(interval.mean))}" r="3"/>'
            )
        parts.append(drawing.series(name, contenders, marks))
    scales = {
        "x": [x.low, x.high, x.start, x.end, x.log],
        "y": [y.low, y.high, y.start, y.end],
        "xname": one.axis,
        "xsaid": [[round(x(place), 1), said] for place, said in one.apart.items()],
        "percent": metric_of(one.metric).percent,
    }
    title = f"Test {_metric(one.metric)} along {one.axis}, {one.title}"
    return drawing.svg(title, bottom + 42, parts, scales)


def _hybrid_last(those: Sequence[_Named]) -> list[_Named]:
    """Returns contenders in the order of drawing: the hybrid last, on top of all others."""
    return sorted(those, key=lambda one: one.contender == "hybrid")


def _ends(mean: float, half_width: float) -> tuple[float, float]:
    return (mean, mean) if math.isnan(half_width) else (mean - half_width, mean + half_width)


def _metric(metric: str) -> str:
    return metric_of(metric).label
