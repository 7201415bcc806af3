"""The parts of the page's plots: axes, ticks, marks and lines as SVG."""

from __future__ import annotations

import dataclasses
import html
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.bench.metrics import metric_of

if TYPE_CHECKING:
    import matplotlib.ticker as ticker
else:
    ticker = lazy_module("matplotlib.ticker")

WIDTH = 440
"""The width of a plot in its own units: legible at half a desktop's and a whole phone's width."""


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


def svg(
    title: str, height: float, parts: Sequence[str], scales: Mapping[str, object] | None = None
) -> str:
    """Returns a plot with a title for readers who can't see it, and scales for scripts."""
    data = f' data-scales="{html.escape(json.dumps(scales))}"' if scales else ""
    return (
        f'<svg viewBox="0 0 {WIDTH} {number(height)}" role="img" '
        f'aria-label="{html.escape(title)}"{data}>{"".join(parts)}</svg>'
    )


def series(contender: str, contenders: Sequence[str], marks: Sequence[str]) -> str:
    """Returns the marks of a contender in its colour."""
    kind = colour(contender, contenders)
    return (
        f'<g class="series {kind}" data-contender="{html.escape(contender)}">{"".join(marks)}</g>'
    )


def mark(x: float, y: float, contender: str, tip: str) -> str:
    """Draws a mark with a tooltip: a diamond for the hybrid, a disc for the others."""
    place = f'transform="translate({number(x)} {number(y)})"'
    shape = '<path d="M0-7 7 0 0 7-7 0Z"/>' if contender == "hybrid" else '<circle r="5"/>'
    said = f"<title>{html.escape(tip)}</title>"
    return f'<g class="mark" tabindex="0" role="img" {place}>{said}{shape}</g>'


def trace(points: Sequence[tuple[float, float]], x: Axis, y: Axis, name: str) -> str:
    """Returns a line through points, with the name that a pointer shows."""
    return f'<path class="trace" data-name="{html.escape(name)}" d="{path(points, x, y)}"/>'


def path(points: Sequence[tuple[float, float]], x: Axis, y: Axis) -> str:
    """Returns the data of a path through points."""
    places = (f"{number(x(a))} {number(y(b))}" for a, b in points)
    return "M" + "L".join(places)


def x_ticks(
    axis: Axis,
    bottom: float,
    top: float,
    said: Callable[[float], str],
    *,
    whole: bool = False,
    within: tuple[float, float] | None = None,
) -> list[str]:
    """Returns grid lines and the labels below the axis."""
    low, high = within or (-math.inf, math.inf)
    parts = []
    for value in axis.ticks(8, whole=whole):
        if not low * (1 - 1e-9) <= value <= high * (1 + 1e-9):
            continue
        parts.append(line(axis(value), top, axis(value), bottom, "grid"))
        parts.append(text(axis(value), bottom + 16, said(value), "tick"))
    return parts


def y_ticks(axis: Axis, left: float, right: float, metric: str) -> list[str]:
    """Returns grid lines and the labels beside the axis."""
    parts = []
    for value in axis.ticks():
        said = f"{100 * value:.4g} %" if metric_of(metric).percent else f"{value:.3g}"
        parts.append(line(left, axis(value), right, axis(value), "grid"))
        parts.append(text(left - 6, axis(value) + 4, said, "tick", "end"))
    return parts


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Returns a straight line."""
    return f'<path class="{kind}" d="M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}"/>'


def rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    """Returns a rectangle."""
    return (
        f'<rect class="{kind}" x="{number(x)}" y="{number(y)}" width="{number(width)}" '
        f'height="{number(height)}"/>'
    )


def text(x: float, y: float, text: str, kind: str, anchor: str = "middle") -> str:
    """Returns a text."""
    return (
        f'<text class="{kind}" x="{number(x)}" y="{number(y)}" text-anchor="{anchor}">'
        f"{html.escape(text)}</text>"
    )


def number(value: float) -> str:
    """Returns a coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")
