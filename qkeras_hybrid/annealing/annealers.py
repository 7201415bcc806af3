"""Annealers, which sample states of low energy."""

from __future__ import annotations

import abc
import dataclasses
from typing import Any, ClassVar, Self

import keras
import numpy as np

from qkeras_hybrid._checks import available_memory, bytes_text, finite_number, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._value import Value
from qkeras_hybrid.annealing.batch import Batch
from qkeras_hybrid.annealing.exact import MOST_ENUMERATED, all_energies, states_of
from qkeras_hybrid.engines.native import library


class Annealer(Value, abc.ABC):
    """Samples states of a batch of Ising models.

    Attributes:
        name: Its name in `solve` and in layers.
        proves: Whether the best state that it returns is proved to have the lowest energy.
    """

    name: ClassVar[str] = ""
    proves: ClassVar[bool] = False

    @abc.abstractmethod
    def sample(self, batch: Batch, reads: int, seed: int | None = None) -> np.ndarray:
        """Returns states of low energy.

        Args:
            batch: The models.
            reads: The number of states for each model.
            seed: The seed of random numbers; None for a new one each time.

        Returns:
            Spins -1 and +1 of shape `(len(batch), reads, n_spins)`, int8.
        """

    def at(self, beta: float) -> Annealer:
        """Returns an annealer that approximates the probabilities `exp(-beta E)`, if it can.

        Annealers without a temperature return themselves.
        """
        return self


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class SimulatedAnnealing(Annealer):
    """Metropolis sweeps at a falling temperature: all models and reads in parallel, in C++.

    The inverse temperature rises geometrically from `hot` to `cold`. If the native library is not
    built, dwave-samplers' `SimulatedAnnealingSampler` does the same, one model at a time.

    Args:
        sweeps: How often each spin is visited.
        hot: The first inverse temperature. By default, half of the flips against the largest field
            are accepted at it.
        cold: The last inverse temperature. By default, one in a hundred flips against the smallest
            coefficient is accepted at it.
        hold: The fraction of the sweeps, at the end, that run at `cold`.

    Raises:
        ValueError: If a number is not positive or not finite, or `hold` is not between 0 and 1.

    Reference:
        Kirkpatrick, Gelatt, Vecchi, Science 220, 671 (1983); Isakov et al., Computer Physics
        Communications 192, 265 (2015), arXiv 1401.1084.

    Example:

    >>> from qkeras_hybrid.annealing import Ising, SimulatedAnnealing, solve
    >>> ring = Ising({}, {(i, (i + 1) % 6): -1.0 for i in range(6)})
    >>> solve(ring, SimulatedAnnealing(sweeps=50), seed=0).energy
    -6.0
    """

    name = "simulated_annealing"

    sweeps: int = 1000
    hot: float | None = None
    cold: float | None = None
    hold: float = 0.0

    def __post_init__(self) -> None:
        positive_int("sweeps", self.sweeps)
        for argument in ("hot", "cold"):
            value = getattr(self, argument)
            if value is not None and finite_number(argument, value) <= 0:
                raise ArgumentError(argument, "be positive", value)
        if not 0 <= finite_number("hold", self.hold) <= 1:
            raise ArgumentError("hold", "be between 0 and 1", self.hold)

    def at(self, beta: float) -> Self:
        """Returns an annealer that cools down to this inverse temperature and stays there."""
        if finite_number("beta", beta) <= 0:
            raise ArgumentError("beta", "be positive", beta)
        return dataclasses.replace(self, cold=beta, hold=0.5)

    def inverse_temperatures(self, batch: Batch) -> np.ndarray:
        """Returns the inverse temperature of each sweep, float64."""
        largest, smallest = batch.fields_span()
        if not largest:
            return np.full(self.sweeps, self.cold or 1.0)
        hot = self.hot or np.log(2) / (2 * largest)
        cold = self.cold or max(np.log(100) / (2 * smallest), hot)
        # If the end is given, the start is not colder than it.
        hot = min(hot, cold) if self.hot is None else hot
        held = min(self.sweeps - 1, round(self.hold * self.sweeps))
        rising = np.geomspace(hot, cold, self.sweeps - held) if self.sweeps > held + 1 else [cold]
        return np.concatenate([rising, np.full(held, cold)])

    def sample(self, batch: Batch, reads: int, seed: int | None = None) -> np.ndarray:
        positive_int("reads", reads)
        needed = len(batch) * reads * batch.n_spins
        if needed > available_memory():
            raise ArgumentError(
                "reads",
                f"fit into memory: the states need {bytes_text(needed)}, but only "
                f"{bytes_text(available_memory())} are available",
                reads,
            )
        betas = self.inverse_temperatures(batch)
        number = random_seed(seed)
        if library.unavailable() is None:
            # In units of the largest field, since float32 has a smaller range than the numbers may
            # have.
            unit = batch.fields_span()[0] or 1.0
            biases, couplings = batch.biases / unit, batch.couplings / unit
            return library.anneal(batch.edges, biases, couplings, betas * unit, reads, number)
        return _by_dwave_samplers(batch, betas, reads, number)


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
@dataclasses.dataclass(frozen=True, repr=False, eq=False)
class ExactSampling(Annealer):
    """Draws states with their exact probabilities `exp(-beta E) / Z`, by enumeration.

    Args:
        beta: The inverse temperature.

    Raises:
        ValueError: If `beta` is not positive, or, in `sample`, if there are more than 24 spins.

    Example:

    >>> from qkeras_hybrid.annealing import ExactSampling, Ising, solve
    >>> pair = Ising({"a": 0.5}, {("a", "b"): -1.0})
    >>> solve(pair, ExactSampling(beta=10.0), seed=0).energy
    -1.5
    """

    name = "exact"
    proves = False

    beta: float = 1.0

    def __post_init__(self) -> None:
        if finite_number("beta", self.beta) <= 0:
            raise ArgumentError("beta", "be positive", self.beta)

    def at(self, beta: float) -> Self:
        """Returns an annealer for this inverse temperature."""
        return dataclasses.replace(self, beta=beta)

    def sample(self, batch: Batch, reads: int, seed: int | None = None) -> np.ndarray:
        if batch.n_spins > MOST_ENUMERATED:
            raise ArgumentError(
                "annealer",
                f"not be 'exact' for more than {MOST_ENUMERATED} spins",
                batch.n_spins,
            )
        rng = np.random.default_rng(random_seed(seed))
        found = np.empty((len(batch), reads, batch.n_spins), "int8")
        for k in range(len(batch)):
            energies = all_energies(batch.model(k).to_qubo())
            weights = np.exp(-self.beta * (energies - energies.min()))
            cumulative = np.cumsum(weights)
            drawn = np.searchsorted(cumulative, rng.random(reads) * cumulative[-1], side="right")
            drawn = np.minimum(drawn, len(energies) - 1)
            found[k] = 2 * states_of(drawn, batch.n_spins) - 1
        return found


def _by_dwave_samplers(batch: Batch, betas: np.ndarray, reads: int, seed: int) -> np.ndarray:
    """Anneals one model after the other, if there is no native library."""
    from dwave.samplers import SimulatedAnnealingSampler

    found = np.empty((len(batch), reads, batch.n_spins), "int8")
    for k in range(len(batch)):
        samples = SimulatedAnnealingSampler().sample(  # type: ignore[no-untyped-call]
            batch.model(k).to_dimod(),
            num_reads=reads,
            beta_schedule_type="custom",
            beta_schedule=betas.tolist(),
            num_sweeps_per_beta=1,
            seed=(seed + k) % (2**31 - 1),
        )
        found[k] = samples.record.sample[:, np.argsort(list(samples.variables))]
    return found


def random_seed(seed: Any) -> int:
    """Returns a seed of 31 bits; for None a random one."""
    if seed is None:
        return int(np.random.default_rng().integers(2**31 - 1))
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise ArgumentError("seed", "be a whole number or None", seed)
    return int(seed) % (2**31 - 1)
