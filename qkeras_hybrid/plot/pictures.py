"""Figures with an alt text, in colours that are readable on light and on dark pages."""

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
"""The colour of lines and text: its contrast to a white and to a dark page is about the same."""

PALETTE = COLOURS[:-1]
"""Okabe and Ito's colours without black, which can't be seen on a dark page."""

SYMBOLS = MARKERS[:-1]
"""A marker for each colour, so that no information depends on colour alone."""

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
    """A Matplotlib figure with a description in words.

    A notebook shows it as an image with this alt text. Make one yourself to draw several pictures
    side by side: `axes = Picture(figsize=(8, 3), layout="constrained").subplots(1, 2)`.

    Attributes:
        alt_text: The description.
    """

    @property
    def alt_text(self) -> str:
        """What the figure shows, in words; empty if this package has drawn nothing into it."""
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
        # Only IPython calls this method, so IPython is installed. Without this method, it would
        # add the image a second time, without an alt text.
        display = sys.modules["IPython"].display.display
        display({"text/html": self.html(), "text/plain": self.alt_text}, raw=True)


def alt_text(picture: Any) -> str:
    """Returns what a picture shows, in words.

    Args:
        picture: What a function of `qkeras_hybrid.plot` returned, or a figure of yours into whose
            axes it drew.

    Raises:
        ValueError: If `picture` is no figure, or this package has drawn nothing into it.

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
        raise ArgumentError("picture", "be a Matplotlib figure or axes", picture)
    if not (text := _words(axes)):
        raise ArgumentError("picture", "hold something that qkeras_hybrid.plot drew", picture)
    return text


def _words(axes: Iterable[Any]) -> str:
    drawn = [each for each in axes if getattr(each, "alt_text", "")]
    texts = [each.alt_text for each in drawn]
    if len(drawn) > 1:
        # Their titles tell them apart, without the TeX marks of formulas.
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
        ValueError: If `ax` is not a Matplotlib axes object.
    """
    if ax is not None:
        if not isinstance(ax, Axes):
            raise ArgumentError("ax", "be Matplotlib axes or None", ax)
        yield ax
        return
    with mpl.rc_context(_STYLE):
        # No pyplot: it would keep every figure alive and pick a window system.
        yield Picture(figsize=(width, height), layout="constrained").subplots()


def finished(axes: Any, text: str, ax: Any) -> Any:
    """Adds the description, and returns the user's axes or the new picture.

    Args:
        axes: The axes that were drawn into.
        text: The description of what was drawn.
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
