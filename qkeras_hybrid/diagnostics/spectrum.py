"""The Fourier spectrum of a trained layer in its circuit's inputs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from qkeras_hybrid import engines
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._periods import common_unit
from qkeras_hybrid._states import best_precision
from qkeras_hybrid.diagnostics.base import compiled_of, vector, weights_of
from qkeras_hybrid.diagnostics.figures import new_figure, style
from qkeras_hybrid.program import Compiled

MOST_POINTS = 2**17
"""The largest number of points at which a circuit is computed for its spectrum."""


@dataclass(frozen=True)
class Spectrum:
    """The exact Fourier coefficients of a circuit's results: `f(x) = sum_w c_w exp(i w.x)`.

    Attributes:
        frequencies: Array of shape `(n_frequencies, n_inputs)`. It holds `-w` with each `w`.
        coefficients: Complex array of shape `(n_frequencies, n_values)`.
        inputs: The names of the inputs.
    """

    frequencies: np.ndarray
    coefficients: np.ndarray
    inputs: tuple[str, ...]

    def __call__(self, x: Any) -> np.ndarray:
        """Returns the results at some inputs.

        Args:
            x: Array of shape `(batch, n_inputs)`, in radians.

        Returns:
            Array of shape `(batch, n_values)`.
        """
        waves = np.exp(1j * np.asarray(x, float) @ self.frequencies.T)
        return np.asarray((waves @ self.coefficients).real)

    def strongest(self, count: int = 10) -> list[tuple[tuple[float, ...], float]]:
        """Returns frequencies with their amplitudes, the largest amplitude first.

        `w` and `-w` make one real wave. One of them is listed, with the amplitude of this wave: the
        Euclidean norm over all results.
        """
        found = [
            (tuple(float(v) for v in frequency), float(size))
            for frequency, size in zip(self.frequencies, self._amplitudes(), strict=True)
            if next((v for v in frequency if v), 1.0) > 0
        ]
        return sorted(found, key=lambda pair: -pair[1])[:count]

    def _amplitudes(self) -> np.ndarray:
        sizes = np.sqrt(np.sum(np.abs(self.coefficients) ** 2, axis=1))
        return np.asarray(np.where(self.frequencies.any(axis=1), 2.0, 1.0) * sizes)

    def __str__(self) -> str:
        names = ", ".join(self.inputs)
        lines = [f"The strongest waves in ({names}):"]
        lines += [f"  frequency {w}: amplitude {a:.4g}" for w, a in self.strongest(5)]
        return "\n".join(lines)

    def plot(self) -> Any:
        """Returns a Matplotlib figure: the amplitude of each frequency."""
        figure, axes = new_figure("", "", "")
        self.draw(axes)
        return figure

    def draw(self, axes: Any) -> None:
        """Draws the amplitude of each frequency into Matplotlib axes."""
        names = " and ".join(self.inputs) if len(self.inputs) < 3 else f"{len(self.inputs)} inputs"
        across = f"frequency in {names}" + ("" if len(self.inputs) == 1 else ", Euclidean norm")
        axes.set(title="Fourier spectrum", xlabel=across, ylabel="amplitude")
        named = self.strongest(len(self.frequencies))
        axes.vlines([math.hypot(*w) for w, _ in named], 0.0, [a for _, a in named], color="0.6")
        axes.plot(
            [math.hypot(*w) for w, _ in named], [a for _, a in named], linestyle="", **style(0)
        )
        axes.set_ylim(bottom=0.0)


def fourier_spectrum(
    circuit: Any,
    *,
    weights: Any = None,
    along: Sequence[int] | None = None,
    inputs: Any = None,
) -> Spectrum:
    """Computes the Fourier spectrum of a circuit in its inputs, exactly.

    A circuit whose angles are affine in its inputs computes a sum of finitely many waves (Schuld,
    Sweke, Meyer). The frequencies of the waves are sums and differences of the factors that
    multiply the inputs. So the circuit's values on a grid over one period, fine enough for the
    largest frequency, give all coefficients.

    The inputs are those of the circuit, after the layer's encoding: the features themselves with
    the encoding "angle", and the result of `layer.encode` with any other.

    Args:
        circuit: A built quantum layer, or what `compile_circuit` returned. It may read several
            observables, or the probabilities.
        weights: The circuit's weights, `(n_weights,)`, in radians; by default those of the layer.
        along: The indices of the inputs in which the spectrum is computed; all by default. The
            number of grid points grows exponentially with the number of these inputs.
        inputs: The fixed values of the other inputs, an array of shape `(n_inputs,)` in radians in
            which the entries of `along` are ignored; zeros by default.

    Raises:
        ValueError: If a weight is missing, an angle is not affine in the inputs, the factors of an
            input have no common period, or the grid has too many points.

    Reference:
        Schuld, Sweke, Meyer: Effect of data encoding on the expressive power of variational
        quantum-machine-learning models, Phys. Rev. A 103, 032430 (2021), arXiv 2008.08605.

    Example: `cos(x)` is half of `exp(ix)` and half of `exp(-ix)`.

    >>> q, x = cirq.LineQubit(0), sympy.Symbol("x")
    >>> compiled = compile_circuit(cirq.Circuit(cirq.ry(x)(q)), "Z", inputs=[x])
    >>> spectrum = qh.diagnostics.fourier_spectrum(compiled, weights=[])
    >>> spectrum.frequencies[:, 0].tolist(), np.abs(spectrum.coefficients[:, 0]).round(6).tolist()
    ([-1.0, 0.0, 1.0], [0.5, 0.0, 0.5])
    """
    compiled = compiled_of(circuit)
    angles = compiled.angles
    values = weights_of(circuit, compiled, weights)
    fixed = vector(
        "inputs", np.zeros(len(angles.inputs)) if inputs is None else inputs, len(angles.inputs)
    )
    chosen = _chosen(along, len(angles.inputs))
    units, sizes = zip(*(_grid(compiled, i) for i in chosen), strict=True)
    points = math.prod(sizes)
    if points > MOST_POINTS:
        raise ArgumentError(
            "along",
            f"name inputs that make a grid of at most {MOST_POINTS:,} points",
            f"{len(chosen)} inputs with {points:,} points",
            "Name fewer inputs, e.g. along=[0].",
        )
    grids = [
        np.arange(n) * (2 * math.pi / (unit * n)) for unit, n in zip(units, sizes, strict=True)
    ]
    x = np.tile(fixed, (points, 1))
    x[:, chosen] = np.array(list(itertools.product(*grids)))
    found = _computed(compiled, x, values).reshape(*sizes, -1)
    axes = tuple(range(len(sizes)))
    waves = np.fft.fftshift(np.fft.fftn(found, axes=axes), axes=axes) / points
    steps = [unit * (np.arange(n) - n // 2) for unit, n in zip(units, sizes, strict=True)]
    return Spectrum(
        np.array(list(itertools.product(*steps))),
        waves.reshape(points, -1),
        tuple(str(compiled.inputs[i]) for i in chosen),
    )


def _chosen(along: Sequence[int] | None, n_inputs: int) -> list[int]:
    if not n_inputs:
        raise ArgumentError("circuit", "have inputs", "one without any")
    if along is None:
        return list(range(n_inputs))
    if np.ndim(along) != 1:
        raise ArgumentError("along", "be a list of indices, e.g. [0]", along)
    found = list(along)
    known = range(n_inputs)
    if not found or len(set(found)) < len(found) or any(i not in known for i in found):
        raise ArgumentError("along", f"name different inputs from 0 to {n_inputs - 1}", along)
    return found


def _grid(compiled: Compiled, number: int) -> tuple[float, int]:
    """Returns the unit of an input's frequencies, and how many points distinguish them all."""
    factors = []
    for row in compiled.program.observed_rows:
        angle = compiled.angles.rows[row]
        symbol = compiled.inputs[number]
        if angle.expression is not None and symbol in angle.expression.free_symbols:
            raise ArgumentError(
                "circuit", f"have angles that are affine in {symbol}", angle.expression
            )
        factors += [abs(factor) for i, factor in angle.inputs if i == number and factor]
    if not factors:
        return 1.0, 1
    found = common_unit(factors)
    if found is None:
        raise ArgumentError(
            "circuit", f"have factors of {compiled.inputs[number]} with a common period", factors
        )
    unit, largest = found
    return unit, 2 * largest + 1


def _computed(compiled: Compiled, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the circuit's results, of shape `(batch, n_values)`."""
    precision = best_precision()
    job = compiled.job(precision, gradient=False)
    run = engines.prepare(job, engines.choose(job))
    values = ops.convert_to_tensor(weights, dtype=precision)
    found = [
        ops.convert_to_numpy(run(ops.convert_to_tensor(x[i : i + 4096], dtype=precision), values))
        for i in range(0, len(x), 4096)
    ]
    whole = np.concatenate(found)
    if np.iscomplexobj(whole):
        raise ArgumentError("circuit", "read real values, such as observables", compiled.readout)
    return np.asarray(whole.reshape(len(x), -1))
