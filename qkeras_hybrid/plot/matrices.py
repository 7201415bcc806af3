"""The Gram matrix of a kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.kernels import Kernel
from qkeras_hybrid.kernels.charts import draw_matrix
from qkeras_hybrid.plot.labels import labels_of
from qkeras_hybrid.plot.pictures import GREY, canvas, counted, finished

MOST_SAMPLES = 2000
"""The most samples; a picture has no pixels for more."""


def gram(kernel: Any, x: Any, y: Any = None, *, ax: Any = None) -> Any:
    """Draws the Gram matrix of a kernel: how similar each pair of samples is.

    Args:
        kernel: A kernel of `qkeras_hybrid.kernels`, or a function from samples to their matrix.
        x: Samples of shape `(n, n_features)`.
        y: Labels of shape `(n,)`. The samples are drawn in the order of their labels, with lines
            between different labels.
        ax: Matplotlib axes to draw into.

    Returns:
        A Matplotlib figure with an alt text, or `ax`.

    Raises:
        ValueError: If an argument is invalid.

    Example:

    >>> kernel = kernels.FidelityKernel("angle")
    >>> x = np.random.default_rng(0).uniform(0, 1, (6, 2))
    >>> qh.plot.gram(kernel, x).savefig("gram.png")
    """
    compute = kernel.matrix if isinstance(kernel, Kernel) else kernel
    if not callable(compute):
        raise ArgumentError("kernel", "be a kernel, or a function that returns a matrix", kernel)
    shape = _shape(x)
    size = shape[0] if len(shape) == 2 else 0
    if not 0 < size <= MOST_SAMPLES:
        raise ArgumentError(
            "x", f"have shape (n, n_features) with 1 to {MOST_SAMPLES:,} samples", shape or x
        )
    labels = None if y is None else labels_of(y, size)
    returned = compute(x)
    if _shape(returned) != (size, size):
        raise ArgumentError("kernel", "return a finite square matrix", _shape(returned) or returned)
    matrix = np.asarray(returned)
    if matrix.dtype.kind not in "biuf" or not np.all(np.isfinite(matrix)):
        raise ArgumentError("kernel", "return finite real numbers", matrix)
    matrix = matrix.astype(float)
    with canvas(ax, 4.4, 3.6) as axes:
        image = draw_matrix(axes, matrix, labels)
        axes.set_ylabel(axes.get_xlabel())
        if labels is not None:
            for end in np.cumsum(np.unique(labels, return_counts=True)[1])[:-1]:
                axes.axhline(end - 0.5, color="white", linewidth=1.0)
                axes.axvline(end - 0.5, color="white", linewidth=1.0)
        bar = axes.figure.colorbar(image, ax=axes, label="kernel")
        bar.outline.set_edgecolor(GREY)
    return finished(axes, _words(matrix, labels), ax)


def _shape(values: Any) -> tuple[int, ...]:
    """Returns the shape of an array or of lists; empty of lists of different lengths."""
    try:
        return np.shape(values)
    except ValueError:
        return ()


def _words(matrix: np.ndarray, labels: np.ndarray | None) -> str:
    size = len(matrix)
    text = f"The Gram matrix of {counted(size, 'sample')}."
    apart = ~np.eye(size, dtype=bool)
    if labels is None:
        return f"{text} Mean off the diagonal: {matrix[apart].mean():.3g}." if size > 1 else text
    same = labels[:, None] == labels[None, :]
    parts = [
        f"{matrix[chosen].mean():.3g} between samples of {name}"
        for chosen, name in ((apart & same, "one label"), (~same, "different labels"))
        if chosen.any()
    ]
    return f"{text} Mean: {', '.join(parts)}." if parts else text
