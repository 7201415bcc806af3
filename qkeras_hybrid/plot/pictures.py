"""Figures with an alt text, in colours that read on light and on dark pages."""

from __future__ import annotations

import base64
import contextlib
import html
import io
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.diagnostics.figures import COLOURS, MARKERS

GREY = "#7d8590"
"""Lines and text: as far from white as from a dark page."""

PALETTE = COLOURS[:-1]
"""Okabe and Ito's colours but black, which a dark page swallows."""

SYMBOLS = MARKERS[:-1]
"""A marker for each colour, so that nothing is told by colour alone."""

_DOTS_PER_INCH = 100
_SHARPNESS = 1.5  # pixels of the picture for each pixel of the page

_STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
    "axes.grid": True,
    "grid.color": GREY,
    "grid.alpha": 0.25,
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), GREY
    ),
}


class Picture(Figure):
    """A figure of Matplotlib's that says in words what it shows.

    A notebook shows it as an image with this alt text. Make one yourself to draw several pictures
    beside each other: `axes = Picture(figsize=(8, 3), layout="constrained").subplots(1, 2)`.

    Attributes:
        alt_text: The words.
    """

    @property
    def alt_text(self) -> str:
        """What the figure shows, in words; empty if nothing of this package's is in it."""
        return _words(self.axes)

    def html(self) -> str:
        """Returns the figure as an HTML image with its alt text; the page needs no other file."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=_DOTS_PER_INCH * _SHARPNESS)
        data = base64.b64encode(buffer.getvalue()).decode()
        width = round(self.get_figwidth() * _DOTS_PER_INCH)
        return (
            f'<img alt="{html.escape(self.alt_text)}" width="{width}" '
            f'style="max-width: 100%" src="data:image/png;base64,{data}">'
        )

    def _repr_html_(self) -> str:
        return self.html()

    def _ipython_display_(self) -> None:
        # IPython alone calls this, so it is there. Left to itself, it adds the image a second time,
        # without its words.
        display = sys.modules["IPython"].display.display
        display({"text/html": self.html(), "text/plain": self.alt_text}, raw=True)


def alt_text(picture: Any) -> str:
    """Returns what a picture shows, in words.

    Args:
        picture: What a function of `qkeras_hybrid.plot` returned, or a figure of yours into whose
            axes it drew.

    Raises:
        ValueError: If it is none, or nothing of this package's is drawn in it.

    Example:

    >>> layer = PQCDense(1, n_qubits=2, n_layers=1)
    >>> layer.build((None, 2))
    >>> qh.plot.alt_text(qh.plot.circuit(layer))[:42]
    'A circuit of 2 qubits: 2 gates that encode'
    """
    if isinstance(picture, Axes):
        axes: list[Any] = [picture]
    elif isinstance(picture, Figure):
        axes = picture.axes
    else:
        raise ArgumentError("picture", "be a figure or axes of Matplotlib's", picture)
    if not (text := _words(axes)):
        raise ArgumentError("picture", "hold something that qkeras_hybrid.plot drew", picture)
    return text


def _words(axes: Iterable[Any]) -> str:
    drawn = [each for each in axes if getattr(each, "alt_text", "")]
    texts = [each.alt_text for each in drawn]
    if len(drawn) > 1:
        # Their titles tell them apart. Formulas are read without their marks.
        titles = [" ".join(re.sub(r"[$\\{}]", "", each.get_title()).split()) for each in drawn]
        texts = [f"{a}: {b}" if a else b for a, b in zip(titles, texts, strict=True)]
    return " ".join(texts)


@contextlib.contextmanager
def canvas(ax: Any, width: float = 5.2, height: float = 3.4) -> Iterator[Any]:
    """Gives the axes to draw into: the user's, or those of a new picture in this style.

    Args:
        ax: The user's axes, or None.
        width: The width of a new picture, in inches.
        height: Its height, in inches.

    Raises:
        ValueError: If `ax` is not axes of Matplotlib's.
    """
    if ax is not None:
        if not isinstance(ax, Axes):
            raise ArgumentError("ax", "be axes of Matplotlib's, or None", ax)
        yield ax
        return
    with mpl.rc_context(_STYLE):
        # No pyplot: it would keep every figure alive and pick a window system.
        yield Picture(figsize=(width, height), layout="constrained").subplots()


def finished(axes: Any, text: str, ax: Any) -> Any:
    """Returns what a function that drew returns: the user's axes, or the new picture.

    Args:
        axes: What it drew into.
        text: What it drew, in words.
        ax: The user's axes, or None.
    """
    axes.alt_text = text
    return axes.figure if ax is None else axes


def colour(number: int) -> str:
    """Returns the colour of a series."""
    return PALETTE[number % len(PALETTE)]


def symbol(number: int) -> str:
    """Returns the marker of a series."""
    return SYMBOLS[number % len(SYMBOLS)]


def counted(number: int, word: str) -> str:
    """Returns a number with its noun, e.g. "1 qubit", "2 qubits"."""
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"
