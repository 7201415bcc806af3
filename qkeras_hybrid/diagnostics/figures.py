"""The style of the diagnostics' plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qkeras_hybrid._lazy import lazy_module

if TYPE_CHECKING:
    import matplotlib as mpl
    import matplotlib.figure as mpl_figure
else:
    mpl = lazy_module("matplotlib")
    mpl_figure = lazy_module("matplotlib.figure")

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Okabe and Ito's colours, distinguishable with all kinds of colour vision."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
"""A marker for each colour, so that no information depends on colour alone."""

_STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.axisbelow": True,
    "figure.constrained_layout.use": True,
}


def new_figure(title: str, across: str, up: str) -> tuple[Any, Any]:
    """Returns a Matplotlib figure with one plot in it, and that plot.

    Args:
        title: The title above the plot.
        across: The label of the horizontal axis.
        up: The label of the vertical axis.
    """
    with mpl.rc_context(_STYLE):
        # Without pyplot, which would keep every figure alive and choose a window system.
        figure = mpl_figure.Figure(figsize=(5.2, 3.4))
        axes = figure.subplots()
    axes.set_title(title)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    return figure, axes


def style(number: int) -> dict[str, str]:
    """Returns the colour and the marker of a series, as keyword arguments for Matplotlib."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
    }
