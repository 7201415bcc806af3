"""How large a circuit's gradient is, and whether a device could measure it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from keras import ops

from qkeras_hybrid import ansatz as ansatze
from qkeras_hybrid import engines
from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._gradients_of import value_and_gradients
from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid._states import best_precision, check_pure, with_all_as_inputs
from qkeras_hybrid.ansatz import Ansatz
from qkeras_hybrid.diagnostics.base import at_least_two, compiled_of, confidence, drawn, interval
from qkeras_hybrid.diagnostics.figures import new_figure, style
from qkeras_hybrid.program import Compiled, compile_circuit

_BATCH = 256
"""How many gradients are computed at once."""


@dataclass(frozen=True)
class GradientVariance:
    """How much a circuit's gradient varies over random weights.

    Attributes:
        n_qubits: The number of qubits.
        n_layers: The number of layers; None if the circuit was not made from an ansatz.
        variance: The variance of a derivative, averaged over the weights.
        low: The lower end of its bootstrap interval.
        high: The upper end.
        noise: The largest possible variance of the parameter-shift estimate of a derivative with
            one shot per evaluation, averaged over the weights. It is half of the square of the
            observable's largest value, times the sum of the squared factors by which the weight
            enters angles.
        shots: The number of shots per evaluation that `floor` is for.
    """

    n_qubits: int
    n_layers: int | None
    variance: float
    low: float
    high: float
    noise: float
    shots: int

    @property
    def floor(self) -> float:
        """The variance that shot noise adds to a derivative, with `shots` shots per evaluation."""
        return self.noise / self.shots

    @property
    def visible(self) -> bool:
        """Whether a typical derivative is larger than its shot noise from `shots` shots."""
        return self.variance > self.floor

    @property
    def shots_needed(self) -> float:
        """The number of shots per evaluation at which a typical derivative equals its noise."""
        return math.ceil(self.noise / self.variance) if self.variance > 0 else math.inf

    def __str__(self) -> str:
        seen = "see" if self.visible else "not see"
        return (
            f"A derivative of this circuit has the variance {self.variance:.2g} "
            f"({self.low:.2g} to {self.high:.2g}). A device with {self.shots:,} shots per "
            f"evaluation would {seen} it, since about {self.shots_needed:,} are needed."
        )


@dataclass(frozen=True)
class GradientSweep:
    """Gradient variance for several numbers of qubits and layers.

    Attributes:
        rows: One entry for each pair of a number of layers and a number of qubits.
    """

    rows: tuple[GradientVariance, ...]

    def rate(self, n_layers: int | None = None) -> float:
        """Returns the factor by which each further qubit divides the variance, by least squares.

        Args:
            n_layers: The number of layers of the circuits to compare; by default the largest.

        Raises:
            ValueError: If these circuits don't have at least two different numbers of qubits.
        """
        depth = max(row.n_layers or 0 for row in self.rows) if n_layers is None else n_layers
        chosen = [row for row in self.rows if row.n_layers == depth and row.variance > 0]
        if len({row.n_qubits for row in chosen}) < 2:
            raise ArgumentError(
                "n_layers", "have been computed for at least two numbers of qubits", n_layers
            )
        slope = np.polyfit(
            [row.n_qubits for row in chosen], [math.log(row.variance) for row in chosen], 1
        )[0]
        return math.exp(-float(slope))

    def __str__(self) -> str:
        lines = ["qubits  layers   variance  interval              shots needed"]
        lines += [
            f"{row.n_qubits:6}  {row.n_layers:6}  {row.variance:9.3g}  "
            f"{f'{row.low:.3g} to {row.high:.3g}':20}  {row.shots_needed:,}"
            for row in self.rows
        ]
        try:
            rate = self.rate()
        except ValueError:
            return "\n".join(lines)
        return "\n".join([*lines, f"Each further qubit divides the variance by {rate:.2g}."])

    def plot(self) -> Any:
        """Returns a Matplotlib figure: variance against qubits, and a device's shot noise."""
        figure, axes = new_figure("Gradient variance", "qubits", "variance of a derivative")
        depths = sorted({row.n_layers or 0 for row in self.rows})
        for number, depth in enumerate(depths):
            chosen = [row for row in self.rows if (row.n_layers or 0) == depth]
            middle = np.array([row.variance for row in chosen])
            ends = np.array([[row.variance - row.low, row.high - row.variance] for row in chosen])
            axes.errorbar(
                [row.n_qubits for row in chosen],
                middle,
                yerr=np.maximum(0.0, ends.T),
                capsize=2,
                label=f"{depth} layer{'s' if depth != 1 else ''}",
                **style(number),
            )
        floor = max(row.floor for row in self.rows)
        label = f"noise of {self.rows[0].shots:,} shots"
        axes.axhline(floor, color="black", linestyle="--", linewidth=1, label=label)
        axes.set_yscale("log")
        axes.set_xticks(sorted({row.n_qubits for row in self.rows}))
        axes.legend(frameon=False)
        return figure


def gradient_variance(
    circuit: Any,
    *,
    inputs: Any = None,
    samples: int = 200,
    shots: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> GradientVariance:
    """Computes how much the gradient of a circuit's first observable varies over random weights.

    The weights are drawn uniformly from 0 to 2 pi. If every weight enters the circuit with integer
    factors, the mean of a derivative is zero, and the variance tells how large a derivative is.

    Args:
        circuit: A built quantum layer, or what `compile_circuit` returned.
        inputs: Fixed inputs of the circuit, `(n_inputs,)`, in radians; None to draw them too.
        samples: The number of random draws of all weights.
        shots: The number of shots per evaluation with which a device would estimate a derivative.
        level: The confidence level of the interval.
        seed: The seed of all random numbers.

    Returns:
        The variance with a bootstrap interval, and the shot noise of a device.

    Raises:
        ValueError: If the circuit has no weights or no observable, or is noisy, or a number is
            invalid.

    Reference:
        McClean, Boixo, Smelyanskiy, Babbush, Neven: Barren plateaus in quantum neural network
        training landscapes, Nature Communications 9, 4812 (2018), arXiv 1803.11173.

    Example: `<ZZ>` of two rotations is `cos(a) cos(b)`, whose derivatives have the variance 1/4.

    >>> q, (a, b) = cirq.LineQubit.range(2), sympy.symbols("a b")
    >>> circuit = cirq.Circuit(cirq.ry(a)(q[0]), cirq.ry(b)(q[1]))
    >>> found = qh.diagnostics.gradient_variance(compile_circuit(circuit, "ZZ"), samples=2000)
    >>> found.low < 0.25 < found.high
    True
    """
    compiled = compiled_of(circuit)
    samples, shots = at_least_two("samples", samples), positive_int("shots", shots)
    level = confidence(level)
    rng = np.random.default_rng(seed)
    gradients = _gradients(compiled, drawn(compiled, inputs, samples, rng))
    squares = gradients**2

    def variances(counts: np.ndarray) -> np.ndarray:
        means, seconds = counts @ gradients / samples, counts @ squares / samples
        return np.asarray(np.mean(seconds - means**2, axis=1))

    low, high = interval(variances, samples, level, rng)
    terms = compiled.observables[0].terms
    largest = sum(abs(term.coefficient) for term in terms if term.qubits)
    return GradientVariance(
        compiled.n_qubits,
        None,
        float(variances(np.ones((1, samples)))[0]),
        low,
        high,
        largest**2 / 2 * _turns(compiled),
        shots,
    )


def gradient_sweep(
    ansatz: str | Ansatz | Callable[[int, int], Compiled] = "hardware_efficient",
    *,
    qubits: Iterable[int] = (2, 4, 6, 8),
    layers: Iterable[int] = (1, 4, 16),
    observable: str = "Z0",
    **options: Any,
) -> GradientSweep:
    """Computes the gradient variance for several numbers of qubits and layers.

    Args:
        ansatz: The name of an ansatz, an `Ansatz`, or a function that takes the number of qubits
            and the number of layers and returns a compiled circuit.
        qubits: The numbers of qubits.
        layers: The numbers of layers.
        observable: The observable; not used if `ansatz` is a function.
        **options: Arguments of `gradient_variance`.

    Raises:
        ValueError: If the ansatz is unknown or does not allow these numbers, or under the
            conditions of `gradient_variance`.

    Example:

    >>> sweep = qh.diagnostics.gradient_sweep("sim2", qubits=[2, 3], layers=[1], samples=20)
    >>> [(row.n_qubits, row.n_layers) for row in sweep.rows]
    [(2, 1), (3, 1)]
    """
    depths = [positive_int("layers", n) for n in layers]
    sizes = [positive_int("qubits", n) for n in qubits]
    if not depths or not sizes:
        raise ArgumentError("layers" if not depths else "qubits", "hold at least one number", [])
    if isinstance(ansatz, (str, Ansatz)) or not callable(ansatz):
        make = _maker(ansatze.get(ansatz), observable)
    else:
        make = ansatz
    return GradientSweep(
        tuple(
            replace(gradient_variance(make(n, depth), **options), n_layers=depth)
            for depth in depths
            for n in sizes
        )
    )


def _maker(template: Ansatz, observable: str) -> Callable[[int, int], Compiled]:
    def make(n_qubits: int, n_layers: int) -> Compiled:
        on = cirq.LineQubit.range(n_qubits)
        weights = sympy.symbols(f"w:{template.n_weights(n_qubits, n_layers)}")
        circuit = template.circuit(on, weights, n_layers)
        return compile_circuit(circuit, observable, weights=weights, qubits=on)

    return make


def _turns(compiled: Compiled) -> float:
    """Returns the squared factors of the weights in the angles, summed and averaged over weights.

    The shift rule applies to each gate, and the derivative by a weight is the sum over its gates.
    """
    total = 0.0
    for row in compiled.angles.rows:
        if row.expression is None:
            total += sum(factor**2 for _, factor in row.weights)
        else:
            total += len(row.expression.free_symbols.intersection(compiled.weights))
    return total / len(compiled.weights)


def _gradients(compiled: Compiled, values: np.ndarray) -> np.ndarray:
    """Returns the derivatives of the first observable, of shape `(samples, n_weights)`."""
    check_pure(compiled.program)
    if not compiled.weights:
        raise ArgumentError("circuit", "have weights", "one without any")
    if not compiled.observables:
        raise ArgumentError("circuit", "have an observable", "one that reads none")
    readout: Any = compiled.readout
    compiled = compiled.reading(replace(readout, observables=readout.observables[:1]))
    precision = best_precision()
    job = replace(compiled.job(precision), angles=with_all_as_inputs(compiled))
    run = engines.prepare(job, engines.choose(job))

    def result(tensor: Any) -> Any:
        return run(tensor, ops.zeros((0,), dtype=precision))

    found = [
        value_and_gradients(result, values[i : i + _BATCH].astype(precision))[1][0]
        for i in range(0, len(values), _BATCH)
    ]
    return np.asarray(np.concatenate(found)[:, len(compiled.inputs) :], float)
