"""The probabilities of a circuit's outcomes, with the intervals of shots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid import engines
from qkeras_hybrid._checks import one_of, positive_int, seed_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid._states import best_precision
from qkeras_hybrid.diagnostics.base import confidence
from qkeras_hybrid.layers import QuantumLayer
from qkeras_hybrid.plot.pictures import PALETTE, canvas, counted, finished
from qkeras_hybrid.plot.states import values_of
from qkeras_hybrid.readouts import Probabilities

if TYPE_CHECKING:
    import scipy.stats as scipy_stats
else:
    scipy_stats = lazy_module("scipy.stats")

INTERVALS = ("wilson", "exact")
"""Wilson's score interval, and Clopper and Pearson's, which holds at least its level."""


def probabilities(
    layer: Any,
    x: Any = None,
    *,
    shots: int | None = None,
    level: float = 0.95,
    interval: str = "wilson",
    most: int = 32,
    seed: int = 0,
    weights: Any = None,
    ax: Any = None,
) -> Any:
    """Draws the probabilities of the basis states, of one sample.

    With `shots`, bars are the shares of the outcomes in that many measurements, with binomial
    intervals, and lines are the exact probabilities. Both include the layer's noise. The level
    holds for each interval on its own: with many outcomes, some intervals miss the exact value.

    Args:
        layer: A built quantum layer, or what `compile_circuit` returned.
        x: One sample: the features of a layer, `(n_features,)` or `(1, n_features)`, or the inputs
            of a compiled circuit. Not needed for a circuit without inputs.
        shots: None for exact probabilities, or the number of measurements.
        level: The level of the intervals.
        interval: "wilson", or "exact" for Clopper and Pearson's.
        most: The largest number of outcomes to draw: the most probable ones, if there are more.
        seed: The seed of the measurements.
        weights: The circuit's weights, `(n_weights,)`, in radians; by default those of the layer.
        ax: Matplotlib axes to draw into.

    Returns:
        A Matplotlib figure with an alt text, or `ax`.

    Raises:
        ValueError: If an argument is invalid.

    Reference:
        Brown, Cai, DasGupta: Interval estimation for a binomial proportion, Statistical Science
        16, 101 (2001).

    Example:

    >>> layer = QuantumEmbedding(2, encoding="angle")
    >>> layer.build((None, 2))
    >>> qh.plot.probabilities(layer, [0.5, 1.0], shots=200).savefig("probabilities.png")
    """
    shots = None if shots is None else positive_int("shots", shots, 2**24)
    level = confidence(level)
    one_of("interval", interval, INTERVALS)
    most = positive_int("most", most)
    seed = seed_number("seed", seed)
    if x is not None:
        try:
            x = np.asarray(x)
        except ValueError as error:
            raise ArgumentError("x", "be one sample, of shape (n_features,)", x) from error
        x = x[None] if x.ndim == 1 else x
    compiled, inputs, values = values_of(layer, x, weights)
    if len(inputs) != 1:
        raise ArgumentError("x", "be one sample", f"{len(inputs)}", "Give e.g. x[0].")
    noise = layer.noise if isinstance(layer, QuantumLayer) else None

    def read(wanted: int | None) -> np.ndarray:
        precision = best_precision()
        job = compiled.reading(Probabilities()).job(
            precision, shots=wanted, noise=noise, gradient=False
        )
        run = engines.prepare(job, engines.choose(job))
        generator = keras.random.SeedGenerator(seed) if wanted else None
        tensors = (ops.convert_to_tensor(each, dtype=precision) for each in (inputs, values))
        (found,) = np.asarray(ops.convert_to_numpy(run(*tensors, generator)), float)
        return np.asarray(found)

    exact = np.clip(read(None), 0.0, 1.0)
    shares = exact if shots is None else np.round(read(shots) * shots) / shots
    # The most probable outcomes, sorted by their index.
    shown = np.sort(np.argsort(-exact, kind="stable")[:most])
    places = np.arange(len(shown))
    labels = [f"{outcome:0{compiled.n_qubits}b}" for outcome in shown]
    with canvas(ax, min(max(3.2, 1.2 + 0.34 * len(shown)), 9.0)) as axes:
        axes.bar(places, shares[shown], color=PALETTE[5], width=0.75, label=_label(shots))
        if shots is not None:
            low, high = intervals(shares[shown], shots, level, interval)
            axes.errorbar(
                places,
                shares[shown],
                yerr=[np.maximum(shares[shown] - low, 0), np.maximum(high - shares[shown], 0)],
                fmt="none",
                ecolor=PALETTE[0],
                capsize=3,
                label=f"{100 * level:g} % interval",
            )
            axes.hlines(
                exact[shown], places - 0.42, places + 0.42, colors=PALETTE[1], label="exact"
            )
            axes.legend(frameon=False)
        steep = len(shown) * compiled.n_qubits > 36
        axes.set_xticks(places, labels, rotation=90 if steep else 0)
        axes.set(xlabel="outcome", ylabel="probability", ylim=(0.0, None))
        if len(shown) < len(exact):
            axes.set_title(f"The {len(shown)} most probable of {len(exact):,} outcomes")
        axes.grid(visible=False, axis="x")
    best = int(np.argmax(exact))
    text = (
        f"The probabilities of {counted(len(shown), 'outcome')} of "
        f"{counted(compiled.n_qubits, 'qubit')}"
        f"{'' if shots is None else f', from {shots:,} shots'}. The most probable is "
        f"{best:0{compiled.n_qubits}b} with {exact[best]:.3f}."
    )
    return finished(axes, text, ax)


def intervals(
    shares: np.ndarray, shots: int, level: float, method: str
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the lower and the upper ends of the binomial intervals of shares.

    Args:
        shares: Shares of the shots, of shape `(n,)`.
        shots: The number of shots.
        level: The level of each interval.
        method: "wilson" or "exact".
    """
    wanted: Any = method  # SciPy's types name the two spellings
    ends = [
        scipy_stats.binomtest(round(share * shots), shots).proportion_ci(level, method=wanted)
        for share in shares
    ]
    return np.array([float(end.low) for end in ends]), np.array([float(end.high) for end in ends])


def _label(shots: int | None) -> str:
    return "exact" if shots is None else f"share of {shots:,} shots"
