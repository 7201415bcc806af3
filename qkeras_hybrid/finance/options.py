"""European options: prices by amplitude estimation, by a closed form and by Monte Carlo."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from qkeras_hybrid._checks import at_most, finite_number, one_of, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, lazy_module
from qkeras_hybrid._value import Value
from qkeras_hybrid.finance.amplitude import (
    MOST_QUBITS,
    AmplitudeEstimate,
    AmplitudeProblem,
    iterative,
    maximum_likelihood,
)
from qkeras_hybrid.finance.checks import fraction, positive_number
from qkeras_hybrid.finance.loading import distribution_circuit, function_circuit

if TYPE_CHECKING:
    import pandas as pd
    from scipy import stats
else:
    pd = lazy_module("pandas")
    stats = lazy_module("scipy.stats")


# Below the first the points of the grid would coincide; above the second the deviation overflows.
_LEAST_DEVIATION, _MOST_DEVIATION = 1e-6, 5.0


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
@dataclass(frozen=True, eq=False)
class LogNormal(Value):
    """A price at maturity, log-normal as in Black and Scholes (1973), on `2**n_qubits` points.

    `log S_T` is normal with the mean `log(spot) + (rate - volatility^2 / 2) maturity` and the
    variance `volatility^2 maturity`. A point's probability is proportional to the density there,
    as in qiskit-finance's `LogNormalDistribution`.

    Args:
        spot: The price now.
        volatility: The annual volatility, as a fraction.
        rate: The risk-free annual interest rate, compounded continuously, as a fraction.
        maturity: The time to maturity, in years.
        n_qubits: The base-2 logarithm of the number of points, at most 10.
        deviations: How far the points reach to both sides of the mean price, in standard
            deviations of the price. Points below 0 are cut off: the grid then starts at 0.

    Raises:
        ValueError: If the spot, the volatility, the maturity or the deviations are not above 0;
            `volatility * sqrt(maturity)` is not from 1e-6 to 5; all points have a density of 0; or
            there are too many qubits.

    Example:

    >>> prices = LogNormal(2.0, volatility=0.4, rate=0.05, maturity=40 / 365)
    >>> prices.grid.round(3)
    array([1.209, 1.438, 1.667, 1.896, 2.126, 2.355, 2.584, 2.813])
    """

    spot: float
    volatility: float
    rate: float = 0.0
    maturity: float = 1.0
    n_qubits: int = 3
    deviations: float = 3.0

    def __post_init__(self) -> None:
        for name in ("spot", "volatility", "maturity", "deviations"):
            positive_number(name, getattr(self, name))
        finite_number("rate", self.rate)
        at_most("n_qubits", positive_int("n_qubits", self.n_qubits), MOST_QUBITS - 1)
        if not _LEAST_DEVIATION <= self.log_deviation <= _MOST_DEVIATION:
            raise ArgumentError(
                "volatility",
                f"be such that volatility * sqrt(maturity) is from {_LEAST_DEVIATION:g} to "
                f"{_MOST_DEVIATION:g}",
                self.volatility,
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            if not np.isfinite(self.probabilities).all():
                raise ArgumentError(
                    "deviations",
                    "give at least one point with a density above 0",
                    self.deviations,
                    "Use fewer deviations or more qubits.",
                )

    @property
    def log_mean(self) -> float:
        """The mean of the price's logarithm."""
        return math.log(self.spot) + (self.rate - self.volatility**2 / 2) * self.maturity

    @property
    def log_deviation(self) -> float:
        """The standard deviation of the price's logarithm."""
        return self.volatility * math.sqrt(self.maturity)

    @property
    def grid(self) -> np.ndarray:
        """The points, of shape `(2**n_qubits,)`: equally spaced prices."""
        mean = self.spot * math.exp(self.rate * self.maturity)
        reach = self.deviations * mean * math.sqrt(math.expm1(self.log_deviation**2))
        return np.linspace(max(0.0, mean - reach), mean + reach, 2**self.n_qubits)

    @property
    def probabilities(self) -> np.ndarray:
        """The probability of each point, of shape `(2**n_qubits,)`."""
        density = stats.lognorm.pdf(self.grid, self.log_deviation, scale=math.exp(self.log_mean))
        return np.asarray(density / density.sum())

    def sample(self, n_samples: int, rng: np.random.Generator) -> np.ndarray:
        """Draws prices from the continuous distribution, of shape `(n_samples,)`."""
        return np.exp(rng.normal(self.log_mean, self.log_deviation, n_samples))


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
@dataclass(frozen=True, eq=False)
class EuropeanOption(Value):
    """The right to buy ("call") or to sell ("put") at the strike price, only at maturity.

    The price of an option is its value today: the expected payoff times `exp(-rate * maturity)`.

    Args:
        prices: The distribution of the underlying's price at maturity.
        strike: The strike price.
        kind: "call" or "put".

    Raises:
        ValueError: If the strike is not above 0, the kind is unknown, or the payoff is 0 at all
            points of the grid.

    Example:

    >>> call = EuropeanOption(LogNormal(2.0, 0.4, 0.05, 40 / 365), strike=1.896)
    >>> round(call.expected_payoff, 10), round(call.in_the_money, 10)
    (0.1622760935, 0.8097973991)
    """

    prices: LogNormal
    strike: float
    kind: str = "call"

    def __post_init__(self) -> None:
        if not isinstance(self.prices, LogNormal):
            raise ArgumentError("prices", "be a LogNormal", self.prices)
        positive_number("strike", self.strike)
        one_of("kind", self.kind, ("call", "put"))
        if not self.payoff.any():
            ends = self.prices.grid[[0, -1]].round(4).tolist()
            raise ArgumentError(
                "strike",
                f"lie within the grid of prices, {ends[0]} to {ends[1]}",
                self.strike,
                f"The payoff of this {self.kind} is 0 at all points of the grid.",
            )

    def pays(self, prices: np.ndarray) -> np.ndarray:
        """Returns the payoff at each of `prices`, of the same shape."""
        gain = prices - self.strike if self.kind == "call" else self.strike - prices
        return np.maximum(gain, 0.0)

    @property
    def payoff(self) -> np.ndarray:
        """The payoff at each point of the grid, of shape `(2**n_qubits,)`."""
        return self.pays(self.prices.grid)

    @property
    def discount(self) -> float:
        """The value today of a payment of 1 at maturity."""
        return math.exp(-self.prices.rate * self.prices.maturity)

    @property
    def expected_payoff(self) -> float:
        """The exact expected payoff on the grid, not discounted, which `problem` encodes."""
        return float(self.prices.probabilities @ self.payoff)

    @property
    def in_the_money(self) -> float:
        """The probability, on the grid, that the option is exercised.

        For a call it approximates `N(d2)` of Black and Scholes. qiskit-finance's tutorial calls it
        delta, but the Delta of Black and Scholes, the derivative of the price with respect to the
        spot, is `N(d1)`.
        """
        grid, strike = self.prices.grid, self.strike
        pays = grid >= strike if self.kind == "call" else grid <= strike
        return float(self.prices.probabilities @ pays)

    @property
    def grid_price(self) -> float:
        """The exact price on the grid."""
        return self.discount * self.expected_payoff

    @property
    def black_scholes(self) -> float:
        """The exact price for the continuous distribution (Black and Scholes 1973)."""
        spread = self.prices.log_deviation
        forward = self.prices.spot / self.discount
        d1 = math.log(forward / self.strike) / spread + spread / 2
        sign = 1 if self.kind == "call" else -1
        received = forward * stats.norm.cdf(sign * d1)
        paid = self.strike * stats.norm.cdf(sign * (d1 - spread))
        return float(sign * self.discount * (received - paid))

    def problem(self) -> AmplitudeProblem:
        """Returns a circuit whose last qubit is 1 with the probability `expected / largest payoff`.

        Both the distribution and the payoff are loaded exactly, with `2**(n_qubits + 1) - 1`
        rotations. `price_of` converts the probability to a price.
        """
        return self._problem(self.payoff / self.payoff.max())

    def in_the_money_problem(self) -> AmplitudeProblem:
        """Returns a circuit whose last qubit is 1 with the probability `in_the_money`."""
        grid, strike = self.prices.grid, self.strike
        pays = grid >= strike if self.kind == "call" else grid <= strike
        return self._problem(pays.astype(float))

    def _problem(self, values: np.ndarray) -> AmplitudeProblem:
        *qubits, target = cirq.LineQubit.range(self.prices.n_qubits + 1)
        load = distribution_circuit(self.prices.probabilities, qubits)
        return AmplitudeProblem(load + function_circuit(values, qubits, target), target)

    def price_of(self, amplitude: float) -> float:
        """Returns the price for a probability that the last qubit of `problem` is 1."""
        return float(self.discount * self.payoff.max() * amplitude)

    def monte_carlo(
        self, n_samples: int, *, on_grid: bool = True, alpha: float = 0.05, seed: int | None = None
    ) -> tuple[float, tuple[float, float]]:
        """Returns the option's price by Monte Carlo, and its interval by the central limit theorem.

        Args:
            n_samples: How many prices of the underlying to draw, at least 2.
            on_grid: True draws from the grid, False from the continuous distribution.
            alpha: One minus the confidence.
            seed: The seed of the samples.

        Returns:
            The price, and the lower and the upper end of its interval.

        Raises:
            ValueError: If there are fewer than 2 samples, or `alpha` is not between 0 and 1.
        """
        if positive_int("n_samples", n_samples) < 2:
            raise ArgumentError("n_samples", "be at least 2", n_samples)
        rng = np.random.default_rng(seed)
        if on_grid:
            drawn = rng.choice(self.prices.grid, n_samples, p=self.prices.probabilities)
        else:
            drawn = self.prices.sample(n_samples, rng)
        values = self.discount * self.pays(drawn)
        half = stats.norm.ppf(1 - fraction("alpha", alpha) / 2) * values.std(ddof=1)
        half /= math.sqrt(n_samples)
        mean = float(values.mean())
        return mean, (mean - float(half), mean + float(half))


def option_study(
    option: EuropeanOption,
    *,
    epsilons: Sequence[float] = (0.05, 0.01, 0.002),
    largest_powers: Sequence[int] = (2, 5, 8),
    shots: int = 100,
    alpha: float = 0.05,
    seeds: Sequence[int] = (0,),
    **running: Any,
) -> pd.DataFrame:
    """Prices an option by amplitude estimation, and by Monte Carlo with as many samples.

    Args:
        option: The option.
        epsilons: The precisions of the iterative method, as in `iterative`.
        largest_powers: For each number `m`, the maximum-likelihood method runs with the iterates
            0, 1, 2, 4, ..., 2**m.
        shots: The number of measurements for each number of iterates.
        alpha: One minus the confidence.
        seeds: Each method runs once with each seed.
        **running: `engine` and `noise`: see `AmplitudeProblem.hits`.

    Returns:
        A table with a row for each method, precision and seed. Its first two rows are the exact
        prices. The columns are `method`, `seed`, `samples` (how often the distribution was prepared
        or drawn from), `price`, `low` and `high` (the interval), `error` and `covered`. `error` is
        the difference from the exact price on the grid, or for "Monte Carlo, continuous" to the
        Black-Scholes price. `covered` says whether the interval contains this exact price.

    Example:

    >>> call = EuropeanOption(LogNormal(2.0, 0.4, 0.05, 40 / 365), strike=1.896)
    >>> table = option_study(call, epsilons=[0.01], largest_powers=[])
    >>> list(table.method)
    ['Black-Scholes', 'exact on the grid', 'iterative', 'Monte Carlo', 'Monte Carlo, continuous']
    """
    problem = option.problem()
    rows: list[dict[str, Any]] = []

    def add(
        method: str, seed: int | None, samples: int, price: float, interval: Any, true: float
    ) -> None:
        low, high = interval
        rows.append(
            {"method": method, "seed": seed, "samples": samples, "price": price}
            | {"low": low, "high": high, "error": price - true, "covered": low <= true <= high}
        )

    exact, closed = option.grid_price, option.black_scholes
    add("Black-Scholes", None, 0, closed, (closed, closed), closed)
    add("exact on the grid", None, 0, exact, (exact, exact), exact)

    def compare(method: str, seed: int, found: AmplitudeEstimate) -> None:
        ends = tuple(option.price_of(end) for end in found.interval)
        calls = found.oracle_calls
        add(method, seed, calls, option.price_of(found.value), ends, exact)
        for name, on_grid in (("Monte Carlo", True), ("Monte Carlo, continuous", False)):
            price, ends = option.monte_carlo(calls, on_grid=on_grid, alpha=alpha, seed=seed)
            add(name, seed, calls, price, ends, exact if on_grid else closed)

    for seed in seeds:
        for epsilon in epsilons:
            compare(
                "iterative",
                seed,
                iterative(problem, epsilon, alpha=alpha, shots=shots, seed=seed, **running),
            )
        for largest in largest_powers:
            powers = (0, *(2**j for j in range(largest + 1)))
            found = maximum_likelihood(
                problem, powers, alpha=alpha, shots=shots, seed=seed, **running
            )
            compare("maximum likelihood", seed, found)
    return pd.DataFrame(rows)
