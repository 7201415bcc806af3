"""Pictures of a study of kernels: matrices, bandwidths, spectra, concentration."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qkeras_hybrid import _files
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.kernels.spectra import spectrum, task_alignment
from qkeras_hybrid.kernels.studies import Study

if TYPE_CHECKING:
    import matplotlib as mpl
    import matplotlib.figure as mpl_figure
else:
    mpl = lazy_module("matplotlib")
    mpl_figure = lazy_module("matplotlib.figure")

_COLOURS = ("#0b57a4", "#d1495b", "#7a7f87", "#c47900", "#6a3d9a", "#12827c")
_STYLE: Any = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.axisbelow": True,
    "figure.constrained_layout.use": True,
}


def write(study: Study, path: Path) -> None:
    """Draws a study into a PNG file.

    The upper row shows the kernel matrices, with the samples in the order of their labels. The
    lower row shows the centred alignment for each bandwidth, the spectra, the share of the labels
    in the first eigenvectors, and the spread of the entries for several numbers of qubits.

    Args:
        study: The result of `study`.
        path: The file; its folder is created if it does not exist.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = max(4, len(study.results))
    with mpl.rc_context(_STYLE):
        figure = mpl_figure.Figure(figsize=(2.9 * columns, 5.8))
        axes = figure.subplots(2, columns)
        for axis in axes.ravel():
            axis.set_visible(False)
        _matrices(study, axes[0])
        _bandwidths(study, axes[1, 0])
        _spectra(study, axes[1, 1], axes[1, 2])
        _concentration(study, axes[1, 3])
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    _files.write(path, buffer.getvalue())


def draw_matrix(axis: Any, matrix: np.ndarray, y: np.ndarray | None = None) -> Any:
    """Draws a Gram matrix, and returns the Matplotlib image.

    Args:
        axis: Matplotlib axes.
        matrix: The matrix, of shape `(n, n)`.
        y: Labels of shape `(n,)`, in whose order the samples are drawn.
    """
    if y is not None:
        order = np.argsort(y, kind="stable")
        matrix = matrix[np.ix_(order, order)]
    image = axis.imshow(matrix, vmin=min(0.0, float(matrix.min())), cmap="viridis")
    axis.grid(visible=False)
    axis.set_xlabel("samples" if y is None else "samples, by label")
    return image


def _matrices(study: Study, axes: Any) -> None:
    for axis, result in zip(axes, study.results, strict=False):
        axis.set_visible(True)
        draw_matrix(axis, result.matrix, study.y)
        axis.set_title(f"{result.name}, bandwidth {result.bandwidth:.3g}")


def _bandwidths(study: Study, axis: Any) -> None:
    axis.set_visible(True)
    for colour, result in zip(_COLOURS, study.results, strict=False):
        # Each kernel's bandwidth in units of its best, so that they share an axis.
        units = np.array(result.tried) / result.bandwidth
        axis.plot(units, result.alignments, color=colour, label=result.name)
    axis.set_xscale("log")
    axis.set_xlabel("bandwidth / best")
    axis.set_ylabel("centred alignment")
    axis.legend()


def _spectra(study: Study, left: Any, right: Any) -> None:
    for axis in (left, right):
        axis.set_visible(True)
        axis.set_xlabel("eigenvector")
        axis.set_xscale("log")
    for colour, result in zip(_COLOURS, study.results, strict=False):
        number = np.arange(1, study.n_samples + 1)
        left.plot(number, np.maximum(spectrum(result.matrix), 1e-9), color=colour)
        share = task_alignment(result.matrix, study.y, task=study.task)
        right.plot(number, share, color=colour)
    left.set_yscale("log")
    left.set_ylabel("share of the trace")
    right.set_ylabel("share of the labels so far")


def _concentration(study: Study, axis: Any) -> None:
    if not study.unscaled:
        return
    axis.set_visible(True)
    for name, found, style in (
        ("scale 1", study.unscaled, "--"),
        (f"scale {study.results[0].bandwidth:.3g}", study.scaled, "-"),
    ):
        axis.plot(
            [c.n_qubits for c in found],
            [max(c.deviation, 1e-9) for c in found],
            color=_COLOURS[0],
            linestyle=style,
            marker="o",
            label=name,
        )
    axis.set_yscale("log")
    axis.set_xticks([c.n_qubits for c in study.unscaled])
    axis.set_xlabel("qubits")
    axis.set_ylabel("standard deviation of entries")
    axis.legend()
