"""Which states a circuit reaches: expressibility and entangling capability."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._states import batches_of_states
from qkeras_hybrid.diagnostics.base import at_least_two, compiled_of, confidence, drawn, interval
from qkeras_hybrid.diagnostics.figures import COLOURS, new_figure


@dataclass(frozen=True)
class Expressibility:
    """How much a circuit's states differ from uniformly random states (Haar states).

    Attributes:
        divergence: The Kullback-Leibler divergence of the distribution of its fidelities from that
            of Haar states, in nats. It is small for a circuit that reaches all states evenly.
        low: The lower end of its bootstrap interval.
        high: The upper end.
        floor: The mean divergence that a sample of Haar states has, estimated from as many pairs.
        n_qubits: The number of qubits.
        pairs: The number of pairs of states.
        histogram: The share of the fidelities in each bin, of shape `(bins,)`.
    """

    divergence: float
    low: float
    high: float
    floor: float
    n_qubits: int
    pairs: int
    histogram: np.ndarray

    def __str__(self) -> str:
        return (
            "The fidelities of this circuit's states have a divergence of "
            f"{self.divergence:.3g} nats ({self.low:.3g} to {self.high:.3g}) from those of Haar "
            f"states. {self.pairs:,} pairs of Haar states would have {self.floor:.2g}."
        )

    def plot(self) -> Any:
        """Returns a Matplotlib figure: the fidelities next to those of Haar states."""
        bins = len(self.histogram)
        title = f"Expressibility: {self.divergence:.3g} nats"
        figure, axes = new_figure(title, "fidelity of two states", "share of pairs")
        edges = np.linspace(0.0, 1.0, bins + 1)
        axes.stairs(self.histogram, edges, fill=True, color=COLOURS[5], label="circuit")
        haar = np.exp(_haar_logarithms(self.n_qubits, bins))
        axes.stairs(haar, edges, color=COLOURS[1], linewidth=1.5, label="Haar")
        axes.legend(frameon=False)
        return figure


def expressibility(
    circuit: Any,
    *,
    inputs: Any = None,
    pairs: int = 5000,
    bins: int = 75,
    level: float = 0.95,
    seed: int = 0,
) -> Expressibility:
    """Computes the expressibility of a circuit.

    The fidelities `|<psi(a)|psi(b)>|**2` of states at random weights (and inputs) `a` and `b` are
    counted in bins. Those of uniformly random (Haar) states in `N` dimensions lie in `[l, u]` with
    probability `(1-l)**(N-1) - (1-u)**(N-1)`. The divergence is largest for a circuit with only one
    state: `(2**n_qubits - 1) ln(bins)`.

    Args:
        circuit: A built quantum layer, or what `compile_circuit` returned.
        inputs: Fixed inputs of the circuit, `(n_inputs,)`, in radians; None to draw them too.
        pairs: The number of pairs of states.
        bins: The number of bins.
        level: The confidence level of the interval.
        seed: The seed of all random numbers.

    Raises:
        ValueError: If the circuit is noisy, or a number is invalid.

    Reference:
        Sim, Johnson, Aspuru-Guzik: Expressibility and entangling capability of parameterized
        quantum circuits for hybrid quantum-classical algorithms, Advanced Quantum Technologies 2,
        1900070 (2019), arXiv 1905.10876.

    Example:

    >>> idle = compile_circuit(cirq.Circuit(cirq.I(cirq.LineQubit(0))))
    >>> round(qh.diagnostics.expressibility(idle).divergence, 4), round(float(np.log(75)), 4)
    (4.3175, 4.3175)
    """
    compiled = compiled_of(circuit)
    pairs, bins = at_least_two("pairs", pairs), positive_int("bins", bins)
    level = confidence(level)
    rng = np.random.default_rng(seed)
    values = drawn(compiled, inputs, 2 * pairs, rng)
    if not values.shape[1] or np.all(values == values[0]):
        values = values[:1]  # one state, whose fidelity with itself is 1
    fidelities = np.ones(1)
    if len(values) > 1:
        # Pairs stand next to each other.
        interleaved = values.reshape(2, pairs, -1).swapaxes(0, 1).reshape(2 * pairs, -1)
        fidelities = np.concatenate(
            [
                np.abs(np.sum(found[::2].conj() * found[1::2], axis=1)) ** 2
                for found in batches_of_states(compiled, interleaved)
            ]
        )
    # Rounding must not put a fidelity of 1 into another bin.
    places = np.minimum(bins - 1, (fidelities * bins * (1 + 1e-6)).astype(int))
    places = np.broadcast_to(places, (pairs,))
    counts = np.bincount(places, minlength=bins)
    haar = _haar_logarithms(compiled.n_qubits, bins)

    def divergences(drawn_again: np.ndarray) -> np.ndarray:
        whole = np.zeros((bins, pairs))
        whole[places, np.arange(pairs)] = 1.0
        return _divergence(drawn_again @ whole.T / pairs, haar)

    divergence = float(_divergence(counts[None] / pairs, haar)[0])
    low, high = interval(divergences, pairs, level, rng, resamples=200, centre=divergence)
    chances = np.exp(haar)
    ideal = rng.multinomial(pairs, chances / chances.sum(), size=200) / pairs
    return Expressibility(
        divergence,
        max(0.0, low),
        high,
        float(np.mean(_divergence(ideal, haar))),
        compiled.n_qubits,
        pairs,
        counts / pairs,
    )


def _haar_logarithms(n_qubits: int, bins: int) -> np.ndarray:
    """Returns the logarithms of the bins' probabilities, which may be too small for a float64."""
    power = 2.0**n_qubits - 1.0
    edges = np.arange(bins + 1) / bins
    with np.errstate(divide="ignore"):
        outside = power * np.log1p(-edges)  # log probability of a fidelity above each edge
    inside = np.zeros(bins)
    inside[:-1] = np.log(-np.expm1(outside[1:-1] - outside[:-2]))
    found: np.ndarray = outside[:-1] + inside
    return found


def _divergence(shares: np.ndarray, haar: np.ndarray) -> np.ndarray:
    """Returns `sum p (ln p - ln q)` of each row of shares, of shape `(rows, bins)`."""
    logarithms = np.log(np.where(shares > 0, shares, 1.0))
    return np.asarray(np.sum(shares * (logarithms - haar), axis=1))


@dataclass(frozen=True)
class Entangling:
    """How much a circuit entangles its qubits on average.

    Attributes:
        mean: The mean Meyer-Wallach measure, from 0 (no entanglement) to 1.
        low: The lower end of its bootstrap interval.
        high: The upper end.
        haar: The mean measure of uniformly random (Haar) states, `(N - 2)/(N + 1)` with
            `N = 2**n_qubits`.
        values: The measure of each state, of shape `(samples,)`.
    """

    mean: float
    low: float
    high: float
    haar: float
    values: np.ndarray

    def __str__(self) -> str:
        return (
            f"This circuit's states have a mean Meyer-Wallach measure of {self.mean:.3f} "
            f"({self.low:.3f} to {self.high:.3f}); Haar states have {self.haar:.3f}."
        )

    def plot(self) -> Any:
        """Returns a Matplotlib figure: a histogram of the measure."""
        figure, axes = new_figure("Entangling capability", "Meyer-Wallach measure", "states")
        axes.hist(self.values, bins=40, range=(0.0, 1.0), color=COLOURS[5])
        axes.axvline(self.mean, color=COLOURS[0], label="mean")
        axes.axvline(self.haar, color=COLOURS[1], linestyle="--", label="mean of Haar states")
        axes.legend(frameon=False)
        return figure


def meyer_wallach(vectors: Any) -> np.ndarray:
    """Returns the Meyer-Wallach measure of states, `2 (1 - mean_k tr(rho_k**2))`.

    Args:
        vectors: Complex array of shape `(batch, 2**n_qubits)`, normalised.

    Returns:
        Array of shape `(batch,)`: 0 for a product of single-qubit states, 1 if each qubit on its
        own is maximally mixed. The measure of a single qubit is 0.

    Raises:
        ValueError: If the shape is wrong, or a state is not normalised.

    Reference:
        Meyer, Wallach: Global entanglement in multiparticle systems, J. Math. Phys. 43, 4273
        (2002), in Brennen's form, arXiv quant-ph/0305094.

    Example:

    >>> qh.diagnostics.meyer_wallach(np.array([[1, 0, 0, 1]]) / np.sqrt(2)).round(12).tolist()
    [1.0]
    """
    found = np.asarray(vectors, complex)
    size = found.shape[-1] if found.ndim == 2 else 0
    if size < 2 or size & (size - 1) or not len(found):
        raise ArgumentError("vectors", "have shape (batch, 2**n_qubits)", found.shape)
    if not np.allclose(np.sum(np.abs(found) ** 2, axis=1), 1.0, atol=1e-3):
        raise ArgumentError("vectors", "hold normalised states", vectors)
    n = size.bit_length() - 1
    purities = np.zeros(len(found))
    for qubit in range(n):
        halves = np.moveaxis(found.reshape(len(found), 2**qubit, 2, -1), 2, 1)
        halves = halves.reshape(len(found), 2, -1)
        reduced = halves @ halves.conj().transpose(0, 2, 1)
        purities += np.sum(np.abs(reduced) ** 2, axis=(1, 2))
    return np.asarray(2.0 * (1.0 - purities / n))


def entangling_capability(
    circuit: Any,
    *,
    inputs: Any = None,
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Entangling:
    """Computes the mean Meyer-Wallach measure of a circuit's states at random weights.

    Args:
        circuit: A built quantum layer, or what `compile_circuit` returned.
        inputs: Fixed inputs of the circuit, `(n_inputs,)`, in radians; None to draw them too.
        samples: The number of states.
        level: The confidence level of the interval.
        seed: The seed of all random numbers.

    Raises:
        ValueError: If the circuit is noisy, or a number is invalid.

    Reference:
        Sim, Johnson, Aspuru-Guzik 2019, arXiv 1905.10876.

    Example:

    >>> q, a = cirq.LineQubit.range(2), sympy.Symbol("a")
    >>> bell = cirq.Circuit(cirq.H(q[0]), cirq.CX(*q), cirq.rz(a)(q[0]))
    >>> round(qh.diagnostics.entangling_capability(compile_circuit(bell)).mean, 6)
    1.0
    """
    compiled = compiled_of(circuit)
    samples, level = at_least_two("samples", samples), confidence(level)
    rng = np.random.default_rng(seed)
    batches = batches_of_states(compiled, drawn(compiled, inputs, samples, rng))
    values = np.concatenate([meyer_wallach(batch) for batch in batches])
    low, high = interval(lambda counts: counts @ values / samples, samples, level, rng)
    size = math.ldexp(1.0, compiled.n_qubits)
    return Entangling(float(np.mean(values)), low, high, (size - 2) / (size + 1), values)
