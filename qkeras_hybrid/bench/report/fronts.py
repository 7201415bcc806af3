"""Draws the page's Pareto fronts; contenders differ in shape and dashes, not only in colour."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from qkeras_hybrid.bench.metrics import metric_of
from qkeras_hybrid.bench.report import drawing, frontiers, words
from qkeras_hybrid.bench.statistics import Frontier


def frontier(title: str, one: Frontier, axis: str, contenders: Sequence[str]) -> str:
    """Draws the Pareto fronts of a frontier against one cost, as step functions.

    Contenders differ in shape and dashes, not only in colour.
    """
    shown = one.fronts.get(axis, ())
    if not shown:
        return ""
    top, bottom, left = 14, 230, 52
    places = [cost for each in shown for cost in (*each.costs, *(p.cost for p in each.points))]
    x = drawing.spanning(places, left, drawing.WIDTH - 12, log=True, pad=0.04)
    values = [v for each in shown for v in (*each.best, *each.low, *each.high)]
    values += [point.mean for each in shown for point in each.points]
    y = drawing.spanning([value for value in values if not math.isnan(value)], bottom, top)
    said = words.duration if axis == "fit_seconds" else words.count
    parts = [
        *drawing.x_ticks(x, bottom, top, said),
        *drawing.y_ticks(y, left, drawing.WIDTH - 12, one.metric),
        drawing.text((left + drawing.WIDTH) / 2, bottom + 34, frontiers.AXES[axis], "axis"),
    ]
    for each in sorted(shown, key=lambda one: one.contender == "hybrid"):
        place = contenders.index(each.contender)
        marks = []
        if not any(map(math.isnan, (*each.low, *each.high))):
            band = steps(each.costs, each.high, x.high)
            band += reversed(steps(each.costs, each.low, x.high))
            marks.append(f'<path class="area" d="{drawing.path(band, x, y)}Z"/>')
        trace = drawing.trace(
            steps(each.costs, each.best, x.high), x, y, words.label(each.contender)
        )
        dashes = f' stroke-dasharray="{dash(place)}"' if dash(place) else ""
        marks.append(trace.replace("<path ", f"<path{dashes} ", 1))
        for point in each.points:
            tip = (
                f"{words.label(each.contender)}: {words.level(point.mean, one.metric)} at "
                f"{frontiers.cost(axis, point.cost)}"
            )
            marks.append(shape(x(point.cost), y(point.mean), place, tip))
        parts.append(drawing.series(each.contender, contenders, marks))
    scales = {
        "x": [x.low, x.high, x.start, x.end, x.log],
        "y": [y.low, y.high, y.start, y.end],
        "xname": frontiers.AXES[axis],
        "percent": metric_of(one.metric).percent,
    }
    described = "; ".join(frontiers.described(each, axis, one.metric) for each in shown)
    metric = metric_of(one.metric).label
    name = f"Best test {metric} against {frontiers.AXES[axis]}, {title}: {described}"
    return drawing.svg(name, bottom + 42, parts, scales)


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
        f'<svg class="key {drawing.colour(contender, contenders)}" viewBox="-8 -8 16 16" '
        f'aria-hidden="true">{drawn(contenders.index(contender))}</svg>'
    )


def drawn(place: int) -> str:
    """Returns the shape of a contender by its place; from the eighth on, a disc."""
    return f'<path d="{_SHAPES[place]}"/>' if place < len(_SHAPES) else '<circle r="4"/>'


def shape(x: float, y: float, place: int, tip: str) -> str:
    """Draws a mark of a contender's shape with a tooltip."""
    said = f"<title>{html.escape(tip)}</title>"
    where = f'transform="translate({drawing.number(x)} {drawing.number(y)})"'
    return f'<g class="mark" tabindex="0" role="img" {where}>{said}{drawn(place)}</g>'
