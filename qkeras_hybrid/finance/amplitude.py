"""Amplitude estimation without phase estimation: by maximum likelihood, and iteratively.

A circuit `A` prepares a state in which one qubit, the objective, is 1 with the probability
`a = sin(theta)^2`. After `k` Grover iterates `Q = A S_0 A^-1 S_1` the objective is 1 with the
probability `sin((2k + 1) theta)^2` (Brassard, Høyer, Mosca, Tapp 2000, arXiv quant-ph/0005055).
Both methods measure at several `k`. Their error falls as 1/N, where N counts the runs of `A`. The
error of sampling falls as 1/sqrt(N).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid import engines
from qkeras_hybrid._checks import at_most, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, lazy_module
from qkeras_hybrid._states import best_precision
from qkeras_hybrid.finance.checks import fraction
from qkeras_hybrid.observables import parse
from qkeras_hybrid.program import compile_circuit
from qkeras_hybrid.readouts import Expectation

if TYPE_CHECKING:
    from scipy import stats

    from qkeras_hybrid.engines import Engine
else:
    stats = lazy_module("scipy.stats")

MOST_QUBITS = 11
"""The most qubits of a circuit, because the Grover iterate is simulated as a matrix."""

MOST_ITERATES = 10_000
"""The most Grover iterates that `maximum_likelihood` accepts."""


@dataclass(frozen=True)
class AmplitudeEstimate:
    """The result of an amplitude estimation.

    Attributes:
        value: The estimated probability.
        interval: Its confidence interval.
        confidence: The probability with which the interval contains the true value. For
            `iterative` it is a lower bound; for `maximum_likelihood` it holds asymptotically.
        oracle_calls: How often the circuit `A` or its inverse ran: `2k + 1` times in each
            measurement after `k` Grover iterates.
        powers: The numbers of iterates `k`, in the order in which they were measured.
        shots: The number of measurements at each `k`.
        hits: How many of these measurements gave 1, for each `k`.
    """

    value: float
    interval: tuple[float, float]
    confidence: float
    oracle_calls: int
    powers: tuple[int, ...]
    shots: tuple[int, ...]
    hits: tuple[int, ...]


class AmplitudeProblem:
    """A circuit and its objective: the qubit whose probability of being 1 is to be estimated.

    Args:
        circuit: The circuit `A`, without symbols, of at most 11 qubits.
        objective: The qubit; by default the last in sorted order.

    Raises:
        ValueError: If there are too many qubits, the objective is not one of them, or the circuit
            has symbols, channels or measurements.

    Example:

    >>> q = cirq.LineQubit(0)
    >>> problem = AmplitudeProblem(cirq.Circuit(cirq.ry(0.6)(q)))
    >>> bool(np.isclose(problem.probability(2), np.sin(5 * 0.3) ** 2))
    True
    """

    def __init__(self, circuit: cirq.AbstractCircuit, objective: cirq.Qid | None = None) -> None:
        if not isinstance(circuit, cirq.AbstractCircuit) or not circuit.all_qubits():
            raise ArgumentError("circuit", "be a cirq.Circuit with qubits", circuit)
        self.qubits = tuple(sorted(circuit.all_qubits()))
        self.objective = self.qubits[-1] if objective is None else objective
        if self.objective not in self.qubits:
            raise ArgumentError("objective", "be a qubit of the circuit", objective)
        at_most("circuit", len(self.qubits), MOST_QUBITS)
        if cirq.is_parameterized(circuit):
            raise ArgumentError("circuit", "have numbers as parameters", "one with symbols")
        # `has_unitary` ignores measurements at the end of a circuit.
        pure = cirq.has_unitary(circuit) and not cirq.is_measurement(circuit)
        if not pure or any(qubit.dimension != 2 for qubit in self.qubits):
            raise ArgumentError(
                "circuit",
                "be unitary, on qubits",
                "one with channels or measurements",
                "Pass noise to the estimation as `noise`.",
            )
        self.preparation = circuit.unfreeze()

    @cached_property
    def grover(self) -> cirq.Circuit:
        """The Grover iterate: -1 where the objective is 1, then a reflection about `A|0>`."""
        flips = cirq.X.on_each(*self.qubits)
        *rest, last = self.qubits
        return cirq.Circuit(
            cirq.Z(self.objective),
            cirq.inverse(self.preparation).all_operations(),
            flips,
            cirq.Z(last).controlled_by(*rest),
            flips,
            self.preparation.all_operations(),
        )

    def circuit(self, k: int) -> cirq.Circuit:
        """Returns `A` followed by `k` Grover iterates."""
        whole: cirq.Circuit = self.preparation + self.grover * k
        return whole

    def probability(self, k: int = 0) -> float:
        """Returns the probability that the objective is 1 after `k` iterates.

        It is computed by multiplying the state with the matrix of the Grover iterate, not by the
        formula with the sine.
        """
        state = np.linalg.matrix_power(self._matrix, k) @ self._prepared
        places = np.arange(len(state)) >> (len(self.qubits) - 1 - self._place) & 1
        return float(np.sum(np.abs(state[places == 1]) ** 2))

    def hits(
        self,
        k: int,
        shots: int,
        rng: np.random.Generator,
        *,
        engine: str | Engine | None = None,
        noise: Any = None,
    ) -> int:
        """Measures the objective after `k` iterates, and returns how many measurements gave 1.

        Args:
            k: The number of iterates.
            shots: The number of measurements.
            rng: Draws the results.
            engine: An engine of `qkeras_hybrid.engines` or its name, to run the whole circuit.
                None draws from the probability that `probability` computes, or with `noise` takes
                the engine "auto".
            noise: A noise model of `qkeras_hybrid.noise`.
        """
        if engine is None and noise is None:
            return int(rng.binomial(shots, min(self.probability(k), 1.0)))
        compiled = compile_circuit(self.circuit(k), qubits=self.qubits)
        readout = Expectation(parse(cirq.Z(self.objective), self.qubits))
        job = compiled.reading(readout).job(best_precision(), gradient=False)
        job = replace(job, shots=shots, noise=noise)
        chosen = engines.choose(job, engines.get("auto" if engine is None else engine))
        run = engines.prepare(job, chosen)
        seed = keras.random.SeedGenerator(int(rng.integers(2**31)))
        nothing = ops.zeros((1, 0), dtype=job.dtype)
        mean = run(nothing, nothing[0], seed)
        return round(shots * (1 - float(ops.convert_to_numpy(mean)[0, 0])) / 2)

    @property
    def _place(self) -> int:
        return self.qubits.index(self.objective)

    @cached_property
    def _prepared(self) -> np.ndarray:
        return self.preparation.final_state_vector(qubit_order=self.qubits, dtype=np.complex128)

    @cached_property
    def _matrix(self) -> np.ndarray:
        return self.grover.unitary(qubit_order=self.qubits, dtype=np.complex128)


def maximum_likelihood(
    problem: AmplitudeProblem,
    powers: Iterable[int] = (0, 1, 2, 4, 8, 16),
    *,
    shots: int = 100,
    alpha: float = 0.05,
    seed: int | None = None,
    engine: str | Engine | None = None,
    noise: Any = None,
) -> AmplitudeEstimate:
    """Estimates an amplitude by maximum likelihood.

    Measures after each number of iterates, and finds the amplitude under which all the results are
    most likely (Suzuki, Uno, Raymond, Tanaka, Onodera, Yamamoto 2020, arXiv 1904.10246). The
    interval contains all amplitudes that a likelihood-ratio test does not reject.

    Args:
        problem: The circuit and its objective.
        powers: The numbers of iterates.
        shots: The number of measurements for each of `powers`.
        alpha: One minus the confidence.
        seed: The seed of the measurements.
        engine: An engine, its name or None: see `AmplitudeProblem.hits`.
        noise: A noise model. The method does not know of it: its interval may miss the true value.

    Returns:
        The estimate, as a probability, and its interval.

    Raises:
        ValueError: If `alpha` is not between 0 and 1, or `powers` are not whole numbers from 0 to
            10,000.

    Example:

    >>> problem = AmplitudeProblem(cirq.Circuit(cirq.ry(0.6)(cirq.LineQubit(0))))
    >>> found = maximum_likelihood(problem, seed=0)
    >>> bool(abs(found.value - np.sin(0.3) ** 2) < 0.01)
    True
    """
    confidence = 1 - fraction("alpha", alpha)
    shots = positive_int("shots", shots)
    chosen = tuple(powers)
    for k in chosen:
        if isinstance(k, bool) or not hasattr(k, "__index__") or k < 0:
            raise ArgumentError("powers", "be whole numbers of at least 0", powers)
    if not chosen:
        raise ArgumentError("powers", "name at least one number of iterates", powers)
    at_most("powers", max(chosen), MOST_ITERATES)
    rng = np.random.default_rng(seed)
    hits = tuple(problem.hits(k, shots, rng, engine=engine, noise=noise) for k in chosen)

    # The likelihood has many peaks. A grid finer than the narrowest peak finds the highest one.
    points = 500 * (2 * max(chosen) + 1)
    theta = np.linspace(0, math.pi / 2, points + 1)
    likelihood = _log_likelihood(theta, chosen, shots, hits)
    best = int(np.argmax(likelihood))
    low, high = theta[max(best - 1, 0)], theta[min(best + 1, points)]
    fine = np.linspace(low, high, 2001)
    values = _log_likelihood(fine, chosen, shots, hits)
    estimate, top = float(fine[np.argmax(values)]), float(values.max())
    bound = top - stats.chi2.ppf(confidence, 1) / 2
    inside = theta[likelihood >= bound]
    ends = (min([estimate, *inside]), max([estimate, *inside]))
    step = float(theta[1])  # the ends of the interval lie up to one step further out
    return AmplitudeEstimate(
        value=math.sin(estimate) ** 2,
        interval=(
            math.sin(max(ends[0] - step, 0)) ** 2,
            math.sin(min(ends[1] + step, math.pi / 2)) ** 2,
        ),
        confidence=confidence,
        oracle_calls=shots * sum(2 * k + 1 for k in chosen),
        powers=chosen,
        shots=(shots,) * len(chosen),
        hits=hits,
    )


def _log_likelihood(
    theta: np.ndarray, powers: tuple[int, ...], shots: int, hits: tuple[int, ...]
) -> np.ndarray:
    total = np.zeros_like(theta)
    for k, seen in zip(powers, hits, strict=True):
        # Clipped, because rounding to 0 would let a single hit rule out an amplitude.
        p = np.clip(np.sin((2 * k + 1) * theta) ** 2, 1e-15, 1 - 1e-15)
        total += seen * np.log(p) + (shots - seen) * np.log1p(-p)
    return total


def iterative(
    problem: AmplitudeProblem,
    epsilon: float = 0.01,
    *,
    alpha: float = 0.05,
    shots: int = 100,
    seed: int | None = None,
    engine: str | Engine | None = None,
    noise: Any = None,
) -> AmplitudeEstimate:
    """Estimates an amplitude to a given precision, in rounds with more and more Grover iterates.

    The rotation angle after `k` iterates is `(2k + 1) 2 theta`. Each round uses the largest `k`
    for which the current interval of `theta` puts this angle into one known half turn, and narrows
    the interval by a Clopper-Pearson interval of the measured probability (Grinko, Gacon, Zoufal,
    Woerner 2021, arXiv 1912.05559, algorithm 1).

    Args:
        problem: The circuit and its objective.
        epsilon: The largest half width of the interval, as a probability.
        alpha: One minus the confidence.
        shots: The number of measurements in a round.
        seed: The seed of the measurements.
        engine: An engine, its name or None: see `AmplitudeProblem.hits`.
        noise: A noise model. The method does not know of it: its interval may miss the true value.

    Returns:
        The estimate, as a probability, and its interval.

    Raises:
        ValueError: If `epsilon` is not between 0 and 0.5, or `alpha` is not between 0 and 1.

    Example:

    >>> problem = AmplitudeProblem(cirq.Circuit(cirq.ry(0.6)(cirq.LineQubit(0))))
    >>> found = iterative(problem, 0.001, seed=0)
    >>> bool(abs(found.value - np.sin(0.3) ** 2) < 0.001)
    True
    """
    if not 0 < fraction("epsilon", epsilon) < 0.5:
        raise ArgumentError("epsilon", "be between 0 and 0.5, both excluded", epsilon)
    confidence = 1 - fraction("alpha", alpha)
    shots = positive_int("shots", shots)
    rng = np.random.default_rng(seed)
    rounds = math.ceil(math.log2(math.pi / (8 * epsilon))) + 1 if epsilon < math.pi / 8 else 1
    # The unknown is theta / (2 pi), which lies between 0 and 1/4.
    low, high = 0.0, 0.25
    k, upper = 0, True
    powers: list[int] = []
    counts: list[int] = []
    while high - low > epsilon / math.pi:
        k, upper = _next_power(k, upper, low, high)
        powers.append(k)
        counts.append(problem.hits(k, shots, rng, engine=engine, noise=noise))
        # Successive rounds with the same `k` are evaluated together.
        same = len(powers)
        while same > 0 and powers[same - 1] == k:
            same -= 1
        p_low, p_high = _clopper_pearson(
            sum(counts[same:]), shots * (len(powers) - same), alpha / max(rounds, 1)
        )
        near, far = (math.acos(1 - 2 * p) / (2 * math.pi) for p in (p_low, p_high))
        if not upper:
            near, far = 1 - far, 1 - near
        scale = 4 * k + 2
        # The number of whole turns before the angle, from the interval's middle: its ends may lie
        # on the border between two turns.
        turn = int(scale * (low + high) / 2)
        low, high = (turn + near) / scale, (turn + far) / scale
    ends = (math.sin(2 * math.pi * low) ** 2, math.sin(2 * math.pi * high) ** 2)
    return AmplitudeEstimate(
        value=sum(ends) / 2,
        interval=ends,
        confidence=confidence,
        oracle_calls=shots * sum(2 * k + 1 for k in powers),
        powers=tuple(powers),
        shots=(shots,) * len(powers),
        hits=tuple(counts),
    )


def _next_power(k: int, upper: bool, low: float, high: float) -> tuple[int, bool]:
    """Returns the largest usable `k`, and whether the angle is in the upper half of the circle.

    `k` is usable if the angle at both ends of the interval lies in the same half turn.
    """
    most = int(1 / (2 * (high - low)))
    scale = most - (most - 2) % 4
    while scale >= 2 * (4 * k + 2):
        first, last = scale * low % 1, scale * high % 1
        if first <= last <= 0.5:
            return (scale - 2) // 4, True
        if last >= first >= 0.5:
            return (scale - 2) // 4, False
        scale -= 4
    return k, upper


def _clopper_pearson(hits: int, shots: int, alpha: float) -> tuple[float, float]:
    low = float(stats.beta.ppf(alpha / 2, hits, shots - hits + 1)) if hits > 0 else 0.0
    high = float(stats.beta.ppf(1 - alpha / 2, hits + 1, shots - hits)) if hits < shots else 1.0
    return low, high
