"""Draws the plots of the page as SVG, whose colours follow the page's light or dark style.

They are drawn here and not in the browser, so that the page shows them without scripts and prints
them sharp; the page's script adds what a pointer asks of a mark. A plotting library inlined for
that would weigh more than all the rest of the page together many times over.
"""

from __future__ import annotations

import dataclasses
import html
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.bench.metrics import metric_of
from qkeras_hybrid.bench.report import frontiers, words
from qkeras_hybrid.bench.report.content import Comparison
from qkeras_hybrid.bench.statistics import Aggregate, Curve, Front, Frontier, Summary, Sweep

if TYPE_CHECKING:
    import matplotlib.ticker as ticker
else:
    ticker = lazy_module("matplotlib.ticker")

_Named = TypeVar("_Named", Summary, Curve, Front)

WIDTH = 440
"""The width of a plot in its own units: read well at half a desktop and at a whole phone."""


@dataclasses.dataclass(frozen=True)
class Axis:
    """Maps values to places along one side of a plot.

    Attributes:
        low: The value at `start`.
        high: The value at `end`.
        start: Where it begins.
        end: Where it ends.
        log: Whether it is logarithmic.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Returns the place of a value."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self, about: int = 6, *, whole: bool = False) -> list[float]:
        """Returns round values along the axis, whole ones if asked."""
        if self.log:
            locator = ticker.LogLocator(numticks=about + 1)
            if self.high / self.low < 100:
                locator = ticker.LogLocator(subs=(1, 2, 5), numticks=2 * about)
            found = locator.tick_values(self.low, self.high)
        else:
            found = ticker.MaxNLocator(about, steps=[1, 2, 2.5, 5, 10], integer=whole).tick_values(
                self.low, self.high
            )
        slack = 1e-9 * (self.high - self.low)
        return [float(t) for t in found if self.low - slack <= t <= self.high + slack]


def spanning(
    values: Sequence[float], start: float, end: float, *, log: bool = False, pad: float = 0.06
) -> Axis:
    """Returns an axis that holds the values with some room at both ends."""
    low, high = min(values), max(values)
    if log:
        room = max((high / low) ** pad, 1.15)
        return Axis(low / room, high * room, start, end, True)
    room = pad * (high - low) or 0.02 * max(abs(high), 0.1)
    return Axis(low - room, high + room, start, end)


def colour(contender: str, contenders: Sequence[str]) -> str:
    """Returns the class that gives a contender its colour: the same on the whole page."""
    return f"c{contenders.index(contender) % 10}"


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
    x = spanning([*reach, -1.3 * margin, 1.3 * margin], left, WIDTH - 12)
    unit = metric_of(metric).hundredths
    parts = [
        _rect(x(-margin), top - 6, x(margin) - x(-margin), bottom - top + 6, "band"),
        *_x_ticks(x, bottom, top - 6, lambda v: words.hundredths(v).replace(".0", "")),
        _line(x(0), top - 6, x(0), bottom, "zero"),
        _text(x(0) - 8, 13, "← contender better", "note", "end"),
        _text(x(0) + 8, 13, "hybrid better →", "note", "start"),
        _text((left + WIDTH - 12) / 2, bottom + 34, f"{unit}, {words.minus([metric])}", "axis"),
    ]
    for number, row in enumerate(rows):
        y = top + step * (number + 0.5)
        tip = f"{row.text}: {words.hundredths(row.mean)} {unit}"
        marks = [_text(left - 8, y + 4, row.text, "name", "end")]
        marks += [
            f'<circle class="seed" cx="{_n(x(v))}" cy="{_n(y)}" r="2.5"/>' for v in row.values
        ]
        if not math.isnan(row.low):
            tip += f" [{words.hundredths(row.low)}, {words.hundredths(row.high)}]"
            marks.append(_line(x(row.low), y, x(row.high), y, "interval"))
        marks.append(_mark(x(row.mean), y, row.contender, f"{tip}, {row.said}"))
        parts.append(_series(row.contender, contenders, marks))
    return _svg(title, bottom + 42, parts)


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
    x = spanning([float(one.parameters or 1) for one in known], left, WIDTH - 12, log=True)
    y = spanning(ends, bottom, top)
    parts = [
        *_x_ticks(x, bottom, top, words.count),
        *_y_ticks(y, left, WIDTH - 12, comparison.metric),
        _text((left + WIDTH) / 2, bottom + 34, "trainable parameters", "axis"),
    ]
    for one in _hybrid_last(known):
        at, score = x(float(one.parameters or 1)), one.test_score
        tip = (
            f"{words.label(one.contender)}: {words.score(score, comparison.metric)}, "
            f"{words.counted(one.parameters or 0, 'parameter')}"
        )
        marks = []
        if not math.isnan(score.half_width):
            marks.append(_line(at, y(score.low), at, y(score.high), "interval"))
        marks.append(_mark(at, y(score.mean), one.contender, tip))
        parts.append(_series(one.contender, contenders, marks))
    title = f"Test {_metric(comparison.metric)} against parameters, {comparison.title}"
    return _svg(title, bottom + 42, parts)


def learning(comparison: Comparison, contenders: Sequence[str], *, by_time: bool) -> str:
    """Draws learning curves over epochs, or over seconds of training."""
    curves = [curve for curve in comparison.curves if len(curve.median) > 1]
    if not curves:
        return ""

    def at(curve: Curve) -> Sequence[float]:
        return curve.seconds if by_time else [float(n) for n in range(1, len(curve.median) + 1)]

    top, bottom, left = 14, 230, 52
    places = [value for curve in curves for value in at(curve)]
    x = spanning(places, left, WIDTH - 12, log=by_time and min(places) > 0, pad=0.02)
    y = spanning([v for c in curves for v in (*c.low, *c.high, *c.median)], bottom, top)
    parts = [
        *_x_ticks(x, bottom, top, words.duration if by_time else words.count, whole=not by_time),
        *_y_ticks(y, left, WIDTH - 12, comparison.metric),
        _text((left + WIDTH) / 2, bottom + 34, "training time" if by_time else "epoch", "axis"),
    ]
    for curve in _hybrid_last(curves):
        xs = at(curve)
        band = [*zip(xs, curve.high, strict=True)]
        band += reversed([*zip(xs, curve.low, strict=True)])
        marks = [
            f'<path class="area" d="{_path(band, x, y)}Z"/>',
            _trace(list(zip(xs, curve.median, strict=True)), x, y, words.label(curve.contender)),
        ]
        parts.append(_series(curve.contender, contenders, marks))
    title = f"Training {_metric(comparison.metric)} over {'time' if by_time else 'epochs'}"
    scales = {
        "x": [x.low, x.high, x.start, x.end, x.log],
        "y": [y.low, y.high, y.start, y.end],
        "xname": "after" if by_time else "epoch",
        "percent": metric_of(comparison.metric).percent,
    }
    return _svg(f"{title}, {comparison.title}", bottom + 42, parts, scales)


def sweep(one: Sweep, contenders: Sequence[str]) -> str:
    """Draws test scores along an axis; what is ideal, with no place on it, stands beside it."""
    points = [(one.place(v), i) for series in one.series.values() for v, i in series]
    top, bottom, left = 14, 230, 52
    x = spanning([place for place, _ in points], left, WIDTH - 12, log=one.log, pad=0.03)
    y = spanning([v for _, i in points for v in _ends(i.mean, i.half_width)], bottom, top)
    low, high = one.values[0], one.values[-1]
    parts = [
        *_x_ticks(x, bottom, top, lambda v: f"{v:g}", within=(low, high) if one.apart else None),
        *_y_ticks(y, left, WIDTH - 12, one.metric),
        _text((left + WIDTH) / 2, bottom + 34, one.axis, "axis"),
    ]
    for place, said in one.apart.items():
        parts.append(_line(x(place), top, x(place), bottom, "grid"))
        parts.append(_text(x(place), bottom + 16, said, "tick"))
    for name, series in one.series.items():
        places = [(one.place(value), interval) for value, interval in series]
        marks = [_trace([(v, i.mean) for v, i in places], x, y, words.label(name))]
        for place, interval in places:
            ends = _ends(interval.mean, interval.half_width)
            marks.append(_line(x(place), y(ends[0]), x(place), y(ends[1]), "interval thin"))
            marks.append(
                f'<circle class="point" cx="{_n(x(place))}" cy="{_n(y(interval.mean))}" r="3"/>'
            )
        parts.append(_series(name, contenders, marks))
    scales = {
        "x": [x.low, x.high, x.start, x.end, x.log],
        "y": [y.low, y.high, y.start, y.end],
        "xname": one.axis,
        "xsaid": [[round(x(place), 1), said] for place, said in one.apart.items()],
        "percent": metric_of(one.metric).percent,
    }
    title = f"Test {_metric(one.metric)} along {one.axis}, {one.title}"
    return _svg(title, bottom + 42, parts, scales)


def frontier(title: str, one: Frontier, axis: str, contenders: Sequence[str]) -> str:
    """Draws the Pareto fronts of a frontier against one cost, each a step up to its best.

    Contenders differ in shape and dashes too, not in colour alone.
    """
    shown = one.fronts.get(axis, ())
    if not shown:
        return ""
    top, bottom, left = 14, 230, 52
    places = [cost for each in shown for cost in (*each.costs, *(p.cost for p in each.points))]
    x = spanning(places, left, WIDTH - 12, log=True, pad=0.04)
    values = [v for each in shown for v in (*each.best, *each.low, *each.high)]
    values += [point.mean for each in shown for point in each.points]
    y = spanning([value for value in values if not math.isnan(value)], bottom, top)
    said = words.duration if axis == "fit_seconds" else words.count
    parts = [
        *_x_ticks(x, bottom, top, said),
        *_y_ticks(y, left, WIDTH - 12, one.metric),
        _text((left + WIDTH) / 2, bottom + 34, frontiers.AXES[axis], "axis"),
    ]
    for each in _hybrid_last(shown):
        place = contenders.index(each.contender)
        marks = []
        if not any(map(math.isnan, (*each.low, *each.high))):
            band = steps(each.costs, each.high, x.high)
            band += reversed(steps(each.costs, each.low, x.high))
            marks.append(f'<path class="area" d="{_path(band, x, y)}Z"/>')
        trace = _trace(steps(each.costs, each.best, x.high), x, y, words.label(each.contender))
        dashes = f' stroke-dasharray="{dash(place)}"' if dash(place) else ""
        marks.append(trace.replace("<path ", f"<path{dashes} ", 1))
        for point in each.points:
            tip = (
                f"{words.label(each.contender)}: {words.level(point.mean, one.metric)} at "
                f"{frontiers.cost(axis, point.cost)}"
            )
            marks.append(_shape(x(point.cost), y(point.mean), place, tip))
        parts.append(_series(each.contender, contenders, marks))
    scales = {
        "x": [x.low, x.high, x.start, x.end, x.log],
        "y": [y.low, y.high, y.start, y.end],
        "xname": frontiers.AXES[axis],
        "percent": metric_of(one.metric).percent,
    }
    described = "; ".join(frontiers.described(each, axis, one.metric) for each in shown)
    name = f"Best test {_metric(one.metric)} against {frontiers.AXES[axis]}, {title}: {described}"
    return _svg(name, bottom + 42, parts, scales)


def steps(costs: Sequence[float], values: Sequence[float], end: float) -> list[tuple[float, float]]:
    """Returns the corners of a front, which holds a value until the next and to the end."""
    corners: list[tuple[float, float]] = []
    for place, (cost, value) in enumerate(zip(costs, values, strict=True)):
        corners.append((cost, value))
        corners.append((costs[place + 1] if place + 1 < len(costs) else end, value))
    return corners


def dash(place: int) -> str:
    """Returns the dashes of a contender's lines by its place; empty for the hybrid's whole line."""
    return ("6 3", "2 3", "8 3 2 3", "12 3")[place % 4] if place else ""


_SHAPES = (
    "M0-6 6 0 0 6-6 0Z",  # diamond
    "M-4-4H4V4H-4Z",  # square
    "M0-5.5 5 3.5H-5Z",  # triangle
    "M0 5.5 5-3.5H-5Z",  # triangle upside down
    "M-4.5-2-2-4.5 0-2.5 2-4.5 4.5-2 2.5 0 4.5 2 2 4.5 0 2.5-2 4.5-4.5 2-2.5 0Z",  # cross
    "M-1.7-5H1.7V-1.7H5V1.7H1.7V5H-1.7V1.7H-5V-1.7H-1.7Z",  # plus
    "M0-5.5 5.2-1.7 3.2 4.5H-3.2L-5.2-1.7Z",  # pentagon
)


def key(contender: str, contenders: Sequence[str]) -> str:
    """Returns a small picture of the mark that a contender has in a frontier."""
    return (
        f'<svg class="key {colour(contender, contenders)}" viewBox="-8 -8 16 16" '
        f'aria-hidden="true">{_drawn(contenders.index(contender))}</svg>'
    )


def _drawn(place: int) -> str:
    """Returns the shape of a contender by its place: of the eighth on, a disc."""
    return f'<path d="{_SHAPES[place]}"/>' if place < len(_SHAPES) else '<circle r="4"/>'


def _shape(x: float, y: float, place: int, tip: str) -> str:
    """Draws a mark of a contender's shape that tells what it is."""
    said = f"<title>{html.escape(tip)}</title>"
    where = f'transform="translate({_n(x)} {_n(y)})"'
    return f'<g class="mark" tabindex="0" role="img" {where}>{said}{_drawn(place)}</g>'


def _hybrid_last(those: Sequence[_Named]) -> list[_Named]:
    """Returns what is drawn in the order of drawing: the hybrid over all others."""
    return sorted(those, key=lambda one: one.contender == "hybrid")


def _ends(mean: float, half_width: float) -> tuple[float, float]:
    return (mean, mean) if math.isnan(half_width) else (mean - half_width, mean + half_width)


def _metric(metric: str) -> str:
    return metric_of(metric).label


def _svg(
    title: str, height: float, parts: Sequence[str], scales: Mapping[str, object] | None = None
) -> str:
    data = f' data-scales="{html.escape(json.dumps(scales))}"' if scales else ""
    return (
        f'<svg viewBox="0 0 {WIDTH} {_n(height)}" role="img" '
        f'aria-label="{html.escape(title)}"{data}>{"".join(parts)}</svg>'
    )


def _series(contender: str, contenders: Sequence[str], marks: Sequence[str]) -> str:
    kind = colour(contender, contenders)
    return (
        f'<g class="series {kind}" data-contender="{html.escape(contender)}">{"".join(marks)}</g>'
    )


def _mark(x: float, y: float, contender: str, tip: str) -> str:
    """Draws a mark that tells what it is: a diamond for the hybrid, a disc for the others."""
    place = f'transform="translate({_n(x)} {_n(y)})"'
    shape = '<path d="M0-7 7 0 0 7-7 0Z"/>' if contender == "hybrid" else '<circle r="5"/>'
    said = f"<title>{html.escape(tip)}</title>"
    return f'<g class="mark" tabindex="0" role="img" {place}>{said}{shape}</g>'


def _trace(points: Sequence[tuple[float, float]], x: Axis, y: Axis, name: str) -> str:
    return f'<path class="trace" data-name="{html.escape(name)}" d="{_path(points, x, y)}"/>'


def _path(points: Sequence[tuple[float, float]], x: Axis, y: Axis) -> str:
    places = (f"{_n(x(a))} {_n(y(b))}" for a, b in points)
    return "M" + "L".join(places)


def _x_ticks(
    axis: Axis,
    bottom: float,
    top: float,
    said: Callable[[float], str],
    *,
    whole: bool = False,
    within: tuple[float, float] | None = None,
) -> list[str]:
    low, high = within or (-math.inf, math.inf)
    parts = []
    for value in axis.ticks(8, whole=whole):
        if not low * (1 - 1e-9) <= value <= high * (1 + 1e-9):
            continue
        parts.append(_line(axis(value), top, axis(value), bottom, "grid"))
        parts.append(_text(axis(value), bottom + 16, said(value), "tick"))
    return parts


def _y_ticks(axis: Axis, left: float, right: float, metric: str) -> list[str]:
    parts = []
    for value in axis.ticks():
        said = f"{100 * value:.4g} %" if metric_of(metric).percent else f"{value:.3g}"
        parts.append(_line(left, axis(value), right, axis(value), "grid"))
        parts.append(_text(left - 6, axis(value) + 4, said, "tick", "end"))
    return parts


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<path class="{kind}" d="M{_n(x1)} {_n(y1)}L{_n(x2)} {_n(y2)}"/>'


def _rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    return (
        f'<rect class="{kind}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"/>'
    )


def _text(x: float, y: float, text: str, kind: str, anchor: str = "middle") -> str:
    return (
        f'<text class="{kind}" x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">'
        f"{html.escape(text)}</text>"
    )


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
