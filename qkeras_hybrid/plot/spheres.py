"""Bloch spheres of a layer's states."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from matplotlib.patches import Circle

from qkeras_hybrid._checks import at_most
from qkeras_hybrid.plot.labels import MOST_CLASSES, groups_of
from qkeras_hybrid.plot.pictures import GREY, canvas, colour, counted, finished, symbol
from qkeras_hybrid.plot.states import bloch_vectors, states_of, values_of

MOST_SPHERES = 16
"""The most qubits whose spheres are drawn."""

A_ROW = 4
"""The number of spheres in a row."""

SPACING = (2.8, 3.2)
"""The horizontal and the vertical distance between the centres of spheres of radius 1."""

_AZIMUTH, _ELEVATION = math.radians(25), math.radians(18)
TOWARDS = np.array(
    [
        math.cos(_ELEVATION) * math.cos(_AZIMUTH),
        math.cos(_ELEVATION) * math.sin(_AZIMUTH),
        math.sin(_ELEVATION),
    ]
)
"""The unit vector from the centre of a sphere to the viewer."""

PROJECTION = np.array(
    [
        [-math.sin(_AZIMUTH), math.cos(_AZIMUTH), 0.0],
        [
            -math.sin(_ELEVATION) * math.cos(_AZIMUTH),
            -math.sin(_ELEVATION) * math.sin(_AZIMUTH),
            math.cos(_ELEVATION),
        ],
    ]
)
"""Maps a Bloch vector to its place on the page: to the right, and up."""

_FEW = 12  # with at most so many samples, each gets a line from the centre


def bloch(layer: Any, x: Any = None, y: Any = None, *, weights: Any = None, ax: Any = None) -> Any:
    """Draws the states of a layer's qubits, with one Bloch sphere for each qubit.

    Each sample is a point in each sphere: the reduced state of the qubit at the end of the ideal
    circuit, without the layer's noise. A point on the surface is a pure state. The nearer a point
    is to the centre, the more the qubit is entangled with others. Points on the far side are pale.

    Args:
        layer: A built quantum layer, or what `compile_circuit` returned.
        x: Samples: the features of a layer, `(batch, n_features)`, or the inputs of a compiled
            circuit, `(batch, n_inputs)`. Not needed for a circuit without inputs.
        y: Labels of shape `(batch,)`, shown by colours and markers. More than six different
            floating-point numbers are shown by colours from dark (small) to bright (large).
        weights: The circuit's weights, `(n_weights,)`, in radians; by default those of the layer.
        ax: Matplotlib axes to draw into.

    Returns:
        A Matplotlib figure with an alt text, or `ax`.

    Raises:
        ValueError: If an argument is invalid, or the circuit has no state vector or more than 16
            qubits.

    Example:

    >>> layer = QuantumEmbedding(2, encoding="angle")
    >>> layer.build((None, 2))
    >>> qh.plot.bloch(layer, [[0.0, 1.0], [1.0, 2.0]]).savefig("bloch.png")
    """
    compiled, inputs, values = values_of(layer, x, weights)
    n_qubits = at_most("layer", compiled.n_qubits, MOST_SPHERES)
    shades = _shades(y, len(inputs))
    groups = groups_of(None if shades is not None else y, len(inputs))
    vectors = bloch_vectors(states_of(compiled, inputs, values))
    lengths = np.linalg.norm(vectors, axis=2).mean(axis=0)
    rows = -(-n_qubits // A_ROW)
    across = min(n_qubits, A_ROW) * SPACING[0]
    down = rows * SPACING[1]
    with canvas(ax, max(0.75 * across, 2.4), 0.75 * down + 0.3 * (len(groups) > 1)) as axes:
        for qubit in range(n_qubits):
            centre = np.array([qubit % A_ROW * SPACING[0], -(qubit // A_ROW) * SPACING[1]])
            _sphere(axes, centre, f"q{qubit}, length {lengths[qubit]:.2f}")
            for number, chosen in enumerate(groups.values()):
                colours = [colour(number)] * len(chosen) if shades is None else shades
                lines = len(inputs) <= _FEW
                _points(axes, centre, vectors[chosen, qubit], colours, symbol(number), lines)
        axes.set(
            xlim=(-SPACING[0] / 2, across - SPACING[0] / 2),
            ylim=(1.75 - down, 1.75),
            aspect="equal",
        )
        axes.set_axis_off()
        if len(groups) > 1:
            handles = [
                Line2D([], [], linestyle="", marker=symbol(k), color=colour(k), label=name)
                for k, name in enumerate(groups)
            ]
            axes.legend(
                handles=handles,
                loc="upper center",
                bbox_to_anchor=(0.5, 0.0),
                ncols=len(groups),
                frameon=False,
            )
    listed = ", ".join(f"qubit {k} {length:.2f}" for k, length in enumerate(lengths))
    text = (
        f"{counted(n_qubits, 'Bloch sphere')} with {counted(len(inputs), 'sample')}. "
        f"Mean length of the vectors: {listed}."
    )
    return finished(axes, text, ax)


def _sphere(axes: Any, centre: np.ndarray, title: str) -> None:
    axes.add_patch(Circle(tuple(centre), 1.0, facecolor=GREY, alpha=0.08, zorder=0))
    axes.add_patch(Circle(tuple(centre), 1.0, fill=False, edgecolor=GREY, zorder=1))
    turn = np.linspace(0.0, 2 * math.pi, 121)
    cosine, sine, flat = np.cos(turn), np.sin(turn), np.zeros_like(turn)
    for ring in ((cosine, sine, flat), (cosine, flat, sine), (flat, cosine, sine)):
        points = np.stack(ring, axis=1)
        for side, line in ((points @ TOWARDS >= 0, "-"), (points @ TOWARDS <= 0, ":")):
            drawn = np.where(side[:, None], points @ PROJECTION.T + centre, np.nan)
            axes.plot(*drawn.T, line, color=GREY, linewidth=0.7, alpha=0.7, zorder=1)
    named = (("x", (1.28, 0, 0)), ("y", (0, 1.3, 0)), ("|0⟩", (0, 0, 1.2)), ("|1⟩", (0, 0, -1.2)))
    for name, place in named:
        at = PROJECTION @ np.array(place) + centre
        axes.text(*at, name, ha="center", va="center", color=GREY, fontsize=8)
    axes.text(centre[0], centre[1] + 1.45, title, ha="center", va="center", color=GREY, fontsize=9)


def _shades(y: Any, size: int) -> list[str] | None:
    """Returns a colour for each sample if `y` holds numbers instead of labels, otherwise None."""
    try:
        found = np.asarray(y)
    except ValueError:
        return None  # lists of different lengths, which are no labels either
    if found.shape != (size,) or found.dtype.kind != "f":
        return None
    if len(np.unique(found)) <= MOST_CLASSES or not np.all(np.isfinite(found)):
        return None
    parts = (found - found.min()) / (found.max() - found.min())
    return [to_hex(each) for each in colormaps["viridis"](0.92 * parts)]  # yellow is too pale


def _points(
    axes: Any,
    centre: np.ndarray,
    vectors: np.ndarray,
    colours: list[str],
    marker: str,
    lines: bool,
) -> None:
    places = vectors @ PROJECTION.T + centre
    behind = vectors @ TOWARDS < -1e-9
    if lines:
        for place, hidden, of in zip(places, behind, colours, strict=True):
            ends = np.stack([centre, place], axis=1)
            axes.plot(*ends, color=of, linewidth=1.4, alpha=1 - 0.6 * hidden, zorder=2)
    axes.scatter(
        *places.T,
        s=26,
        marker=marker,
        color=colours,
        alpha=np.where(behind, 0.4, 1.0),
        linewidths=0,
        zorder=3,
    )
