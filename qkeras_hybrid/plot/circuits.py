"""The picture of a layer's circuit."""

from __future__ import annotations

import collections
import math
from typing import Any

from matplotlib.patches import Patch

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.diagnostics.base import compiled_of
from qkeras_hybrid.layers import QuantumLayer
from qkeras_hybrid.layers.drawing import MOST_DRAWN
from qkeras_hybrid.plot.cells import Cell, cells_of
from qkeras_hybrid.plot.pictures import GREY, PALETTE, canvas, counted, finished

KINDS = {
    "encoding": (PALETTE[1], "encodes the features"),
    "trained": (PALETTE[0], "is trained"),
    "entangling": (PALETTE[3], "entangles"),
    "fixed": (GREY, "is fixed"),
    "readout": (PALETTE[2], "is read"),
}
"""The colour of each kind of gate, and its text in the legend."""

WIDEST = 22.0
"""The width of a line of gates, in distances between wires; wider circuits continue below."""

_INCHES = 0.5  # the distance of two wires
_LETTER = 0.17  # the width of a letter, in distances between wires
_NAMED = 1.1  # the room for a wire's name, in distances between wires


def circuit(layer: Any, *, ax: Any = None) -> Any:
    """Draws the circuit of a layer: its encoding, its trained gates, its readout.

    Args:
        layer: A built quantum layer, or what `compile_circuit` returned.
        ax: Matplotlib axes to draw into.

    Returns:
        A Matplotlib figure with an alt text, or `ax`.

    Raises:
        ValueError: If `layer` is neither, or has more than 400 gates.

    Example:

    >>> layer = PQCDense(2, n_layers=1)
    >>> layer.build((None, 2))
    >>> qh.plot.circuit(layer).savefig("circuit.svg")
    """
    compiled = compiled_of(layer, "layer")
    readouts = layer.readouts if isinstance(layer, QuantumLayer) else (compiled.readout,)
    cells = cells_of(compiled, readouts)
    kinds = collections.Counter(cell.kind for cell in cells if cell.kind != "readout")
    if kinds.total() > MOST_DRAWN:
        raise ArgumentError(
            "layer",
            f"have at most {MOST_DRAWN} gates to be drawn",
            f"one with {kinds.total():,}",
            "layer.draw() draws it as text.",
        )
    lines = _lines(cells)
    height = compiled.n_qubits + 0.3
    width = _NAMED + max(sum(widths.values()) for widths in lines)
    with canvas(ax, _INCHES * (width + 0.4), _INCHES * (len(lines) * height + 0.9)) as axes:
        for number, widths in enumerate(lines):
            top = -number * height
            _wires(axes, compiled.qubits, top, sum(widths.values()))
            places, reached = {}, _NAMED
            for column, wide in widths.items():
                places[column] = reached + wide / 2
                reached += wide
            for cell in cells:
                if cell.column in places:
                    _cell(axes, cell, places[cell.column], top)
        axes.set(xlim=(-0.2, width + 0.2), ylim=(0.7 - len(lines) * height, 0.6), aspect="equal")
        axes.set_axis_off()
        shown = [kind for kind in KINDS if kind == "readout" or kinds[kind]]
        axes.legend(
            handles=[Patch(color=KINDS[kind][0], label=KINDS[kind][1]) for kind in shown],
            loc="upper left",
            bbox_to_anchor=(0.0, 0.0),
            ncols=min(len(shown), max(1, int(width / 3.4))),
            frameon=False,
            labelcolor=GREY,
            handlelength=1.0,
        )
    return finished(axes, _words(compiled.n_qubits, kinds, readouts), ax)


def _words(n_qubits: int, kinds: collections.Counter[str], readouts: Any) -> str:
    named = {
        "encoding": "that encodes the features|that encode the features",
        "trained": "that is trained|that are trained",
        "entangling": "that entangles|that entangle",
        "fixed": "that is fixed|that are fixed",
    }
    parts = []
    for kind, text in named.items():
        if kinds[kind]:
            parts.append(f"{counted(kinds[kind], 'gate')} {text.split('|')[kinds[kind] > 1]}")
    returned = {"expectation": "expectation values", "state": "the state"}
    names = " and ".join(returned.get(readout.name, readout.name) for readout in readouts)
    return (
        f"A circuit of {counted(n_qubits, 'qubit')}: {', '.join(parts) or 'no gates'}; "
        f"it returns {names}."
    )


def _lines(cells: list[Cell]) -> list[dict[int, float]]:
    """Returns the columns of each line of the drawing, with their widths."""
    widths: dict[int, float] = collections.defaultdict(lambda: 0.9)
    for cell in cells:
        letters = max(map(len, cell.labels))
        widths[cell.column] = max(widths[cell.column], 0.55 + _LETTER * letters)
    # Lines of about the same length, so that no single column is left over.
    total = sum(widths.values())
    wanted = total / max(1, math.ceil(total / WIDEST))
    lines: list[dict[int, float]] = [{}]
    for column in sorted(widths):
        if lines[-1] and sum(lines[-1].values()) + widths[column] / 2 > wanted:
            lines.append({})
        lines[-1][column] = widths[column]
    return lines


def _wires(axes: Any, qubits: Any, top: float, length: float) -> None:
    for row, qubit in enumerate(qubits):
        name = f"q{qubit.x}" if isinstance(qubit, cirq.LineQubit) else str(qubit)
        axes.text(_NAMED - 0.35, top - row, name, ha="right", va="center", color=GREY, fontsize=9)
        ends = (_NAMED - 0.2, _NAMED + length)
        axes.plot(ends, (top - row,) * 2, color=GREY, linewidth=1.0, zorder=1)


def _cell(axes: Any, cell: Cell, x: float, top: float) -> None:
    colour = KINDS[cell.kind][0]
    if len(cell.rows) > 1:
        ends = (top - min(cell.rows), top - max(cell.rows))
        axes.plot((x, x), ends, color=colour, linewidth=1.4, zorder=2)
    for row, label in zip(cell.rows, cell.labels, strict=True):
        y = top - row
        match label:
            case "@":
                axes.plot(x, y, "o", color=colour, markersize=6, zorder=3)
            case "o":
                axes.plot(x, y, "o", markeredgecolor=colour, color="white", markersize=6, zorder=3)
            case "+":
                axes.plot(x, y, "o", color=colour, markersize=12, zorder=3)
                axes.plot(x, y, "+", color="white", markersize=8, zorder=4)
            case "swap":
                axes.plot(x, y, "x", color=colour, markersize=8, markeredgewidth=2, zorder=3)
            case _:
                axes.text(
                    x,
                    y,
                    label,
                    ha="center",
                    va="center",
                    color="white",
                    fontsize=8.5,
                    bbox={"boxstyle": "round,pad=0.3", "facecolor": colour, "edgecolor": "none"},
                    zorder=3,
                )
