"""The waves of a layer, as `diagnostics.fourier_spectrum` finds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.diagnostics import fourier_spectrum
from qkeras_hybrid.diagnostics.base import compiled_of
from qkeras_hybrid.plot.pictures import canvas, counted, finished


def spectrum(
    layer: Any,
    *,
    weights: Any = None,
    along: Sequence[int] | None = None,
    inputs: Any = None,
    ax: Any = None,
) -> Any:
    """Draws the Fourier spectrum of a layer: the amplitude of each wave in its inputs.

    Args:
        layer: A built quantum layer, or what `compile_circuit` returned.
        weights: As in `qkeras_hybrid.diagnostics.fourier_spectrum`.
        along: As there: which inputs.
        inputs: As there: the values of the others.
        ax: Axes of Matplotlib's to draw into.

    Returns:
        A figure of Matplotlib's with an alt text, or `ax`.

    Raises:
        ValueError: As `fourier_spectrum`.

    Example:

    >>> layer = PQCDense(1, n_qubits=2, n_layers=1)
    >>> layer.build((None, 2))
    >>> qh.plot.spectrum(layer, along=[0]).savefig("spectrum.png")
    """
    compiled = compiled_of(layer, "layer")
    if weights is None and not compiled.weights:
        weights = ()
    try:
        found = fourier_spectrum(layer, weights=weights, along=along, inputs=inputs)
    except ArgumentError as error:
        if error.argument != "circuit":
            raise
        # The same argument, by its name there.
        raise ArgumentError("layer", error.requirement, error.got, error.fix) from error
    with canvas(ax) as axes:
        found.draw(axes)
    waves = "; ".join(
        f"({', '.join(f'{part:g}' for part in frequency)}) {amplitude:.3g}"
        for frequency, amplitude in found.strongest(3)
    )
    text = (
        f"The Fourier spectrum of a layer in {counted(len(found.inputs), 'input')}. The strongest "
        f"waves, frequency and amplitude: {waves or 'none'}."
    )
    return finished(axes, text, ax)
