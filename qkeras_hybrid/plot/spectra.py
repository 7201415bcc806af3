"""The Fourier spectrum of a layer, from `diagnostics.fourier_spectrum`."""

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
        along: As in `fourier_spectrum`: the inputs in which the spectrum is computed.
        inputs: As in `fourier_spectrum`: the values of the other inputs.
        ax: Matplotlib axes to draw into.

    Returns:
        A Matplotlib figure with an alt text, or `ax`.

    Raises:
        ValueError: Under the conditions of `fourier_spectrum`.

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
