"""Gradient estimators of decisions with respect to the costs.

A decision is a corner of the feasible set: as costs change, it stays the same or jumps, so its
derivative is zero or does not exist. Each estimator replaces this derivative by a useful one.

| estimator | in training the decision is | solves per step |
|---|---|---|
| `PerturbedOptimizer` | the mean under noise, whose derivative exists | `n_samples` |
| `BlackBox` | the decision | 2 |
| `ImplicitMLE` | the mean under noise | `2 n_samples` |
| `NegativeIdentity` | the decision | 1 |

Outside training each returns the decision itself.
"""

from __future__ import annotations

import abc
import math
from typing import Any

import keras
import numpy as np

from qkeras_hybrid._checks import finite_number, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._registry import Registry
from qkeras_hybrid._value import Value
from qkeras_hybrid.decisions.base import DecisionProblem, decide

MOST_SAMPLES = 10_000


class GradientEstimator(Value, abc.ABC):
    """A substitute for the derivative of a decision, on NumPy arrays."""

    kept = 0
    """The number of arrays of shape `(batch, n)` that a training step keeps for its gradient."""

    def forward(
        self, problem: DecisionProblem, costs: np.ndarray, rng: np.random.Generator, training: bool
    ) -> np.ndarray:
        """Returns the decisions, and the data of this step that the gradient needs.

        Args:
            problem: The problem.
            costs: Array of shape `(batch, n)`.
            rng: Draws the noise.
            training: Whether to return the value that is differentiated, such as a mean decision,
                or the decision itself.

        Returns:
            Array of shape `(batch, 1 + kept, n)`, or `(batch, 1, n)` outside training. The first
            along the second axis is the decision.
        """
        return decide(problem, costs)[:, None]

    @abc.abstractmethod
    def backward(
        self,
        problem: DecisionProblem,
        costs: np.ndarray,
        step: np.ndarray,
        upstream: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Returns the gradient with respect to the costs, of shape `(batch, n)`.

        Args:
            problem: The problem.
            costs: Array of shape `(batch, n)`.
            step: What `forward` returned.
            upstream: The gradient with respect to the decisions, of shape `(batch, n)`.
            rng: Draws the noise, if `step` has none because it was not in training.
        """


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class PerturbedOptimizer(GradientEstimator):
    """The mean decision under normal noise on the costs, and its derivative.

    `E[w*(c + sigma xi)]`, with `w*` the best decision for given costs, is smooth in `c`; its
    derivative is `E[w*(c + sigma xi) xi^T] / sigma`. Both are estimated by means over samples. The
    derivative subtracts the mean decision, which changes its variance. The factor `n_samples /
    (n_samples - 1)` keeps its expectation the same.

    Args:
        n_samples: The number of samples.
        sigma: The standard deviation of the noise, in units of the costs.

    Raises:
        ValueError: If `n_samples` is no whole number of at least 1, or `sigma` is not positive.

    Reference:
        Berthet et al., Learning with Differentiable Perturbed Optimizers, NeurIPS 2020,
        arXiv:2002.08676.

    Example:

    >>> from qkeras_hybrid.decisions import Choices, PerturbedOptimizer
    >>> smooth, rng = PerturbedOptimizer(n_samples=1000), np.random.default_rng(0)
    >>> step = smooth.forward(Choices(np.eye(2)), np.zeros((1, 2)), rng, training=True)
    >>> step[0, 0].round(1)
    array([0.5, 0.5])
    """

    def __init__(self, n_samples: int = 10, sigma: float = 1.0) -> None:
        self.n_samples = positive_int("n_samples", n_samples, MOST_SAMPLES)
        self.sigma = positive_number("sigma", sigma)
        self.kept = 2 * self.n_samples

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, by name."""
        return {"n_samples": self.n_samples, "sigma": self.sigma}

    def forward(
        self, problem: DecisionProblem, costs: np.ndarray, rng: np.random.Generator, training: bool
    ) -> np.ndarray:
        """Returns the mean decision, the noise and the decisions under it."""
        if not training:
            return super().forward(problem, costs, rng, training)
        noise = normal_noise(costs, self.n_samples, rng)
        decisions = decide_all(problem, costs[:, None] + self.sigma * noise)
        mean = decisions.mean(axis=1, keepdims=True)
        return np.concatenate([mean, noise, decisions], axis=1)

    def backward(
        self,
        problem: DecisionProblem,
        costs: np.ndarray,
        step: np.ndarray,
        upstream: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Returns the gradient; see `GradientEstimator`."""
        if step.shape[1] == 1:
            step = self.forward(problem, costs, rng, training=True)
        noise, decisions = step[:, 1 : 1 + self.n_samples], step[:, 1 + self.n_samples :]
        reward = np.einsum("bkn,bn->bk", decisions, upstream)
        if self.n_samples > 1:
            centred = reward - reward.mean(axis=1, keepdims=True)
            reward = centred * self.n_samples / (self.n_samples - 1)
        gradient: np.ndarray = np.einsum("bkn,bk->bn", noise, reward)
        return gradient / (self.n_samples * self.sigma)


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class BlackBox(GradientEstimator):
    """Interpolation between two decisions: `(w*(c + lambda g) - w*(c)) / lambda`.

    `w*(c)` is the best decision for the costs `c`, and `g` the gradient with respect to it. A
    larger `interpolation` makes the two decisions differ more often, but the gradient coarser.

    Args:
        interpolation: The step `lambda`, in units of the costs divided by those of the gradient.

    Raises:
        ValueError: If it is not positive.

    Reference:
        Vlastelica et al., Differentiation of Blackbox Combinatorial Solvers, ICLR 2020,
        arXiv:1912.02175.

    Example:

    >>> from qkeras_hybrid.decisions import BlackBox
    >>> BlackBox(interpolation=20)
    BlackBox(interpolation=20.0)
    """

    def __init__(self, interpolation: float = 10.0) -> None:
        self.interpolation = positive_number("interpolation", interpolation)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, by name."""
        return {"interpolation": self.interpolation}

    def backward(
        self,
        problem: DecisionProblem,
        costs: np.ndarray,
        step: np.ndarray,
        upstream: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Returns the gradient; see `GradientEstimator`."""
        moved = decide(problem, costs + self.interpolation * upstream)
        difference: np.ndarray = moved - step[:, 0]
        return difference / self.interpolation


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class ImplicitMLE(GradientEstimator):
    """Implicit maximum likelihood: the interpolation of `BlackBox`, averaged over noise.

    The gradient is `E[w*(c + lambda g - sigma e) - w*(c - sigma e)] / lambda`, with the same noise
    `e` in both terms: a sum of Gamma variables,
    `e = (sum_{i=1}^{terms} Gamma(1 / kappa, kappa / i) - ln terms) / kappa`. The sum of `kappa`
    such numbers is close to a Gumbel variable. (The paper maximises scores and adds the noise to
    them; costs are scores times -1. PyEPO adds the noise to the costs.)

    Args:
        n_samples: The number of samples.
        sigma: The temperature: the factor of the noise.
        interpolation: The step `lambda`.
        kappa: About how many entries of a decision are 1.
        terms: The number of terms of the noise.
        two_sided: Whether to take the difference of a step forwards and one backwards.

    Raises:
        ValueError: If an argument is not positive.

    Reference:
        Niepert, Minervini, Franceschi, Implicit MLE, NeurIPS 2021, arXiv:2106.01798.

    Example:

    >>> from qkeras_hybrid.decisions import ImplicitMLE
    >>> ImplicitMLE(kappa=8).kappa
    8.0
    """

    def __init__(
        self,
        n_samples: int = 10,
        sigma: float = 1.0,
        interpolation: float = 10.0,
        kappa: float = 5.0,
        terms: int = 10,
        two_sided: bool = False,
    ) -> None:
        self.n_samples = positive_int("n_samples", n_samples, MOST_SAMPLES)
        self.sigma = positive_number("sigma", sigma)
        self.interpolation = positive_number("interpolation", interpolation)
        self.kappa = positive_number("kappa", kappa)
        self.terms = positive_int("terms", terms, MOST_SAMPLES)
        self.two_sided = bool(two_sided)
        self.kept = self.n_samples

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, by name."""
        names = ("n_samples", "sigma", "interpolation", "kappa", "terms", "two_sided")
        return {name: getattr(self, name) for name in names}

    def forward(
        self, problem: DecisionProblem, costs: np.ndarray, rng: np.random.Generator, training: bool
    ) -> np.ndarray:
        """Returns the mean decision and the noise."""
        if not training:
            return super().forward(problem, costs, rng, training)
        noise = self._noise(costs, rng)
        decisions = decide_all(problem, costs[:, None] - self.sigma * noise)
        return np.concatenate([decisions.mean(axis=1, keepdims=True), noise], axis=1)

    def backward(
        self,
        problem: DecisionProblem,
        costs: np.ndarray,
        step: np.ndarray,
        upstream: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Returns the gradient; see `GradientEstimator`."""
        if step.shape[1] == 1:
            step = self.forward(problem, costs, rng, training=True)
        shaken = costs[:, None] - self.sigma * step[:, 1:]
        move = self.interpolation * upstream[:, None]
        ahead = decide_all(problem, shaken + move).mean(axis=1)
        if self.two_sided:
            behind = decide_all(problem, shaken - move).mean(axis=1)
            return np.asarray((ahead - behind) / (2 * self.interpolation))
        return np.asarray((ahead - step[:, 0]) / self.interpolation)

    def _noise(self, costs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        shape = (len(costs), self.n_samples, costs.shape[1])
        total = np.zeros(shape)
        for i in range(1, self.terms + 1):
            total += rng.gamma(1 / self.kappa, self.kappa / i, shape)
        return (total - math.log(self.terms)) / self.kappa


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class NegativeIdentity(GradientEstimator):
    """The gradient passes straight through, times -1: higher costs make a choice less likely.

    Reference:
        Sahoo et al., Backpropagation through Combinatorial Algorithms: Identity with Projection
        Works, ICLR 2023, arXiv:2205.15213.

    Example:

    >>> from qkeras_hybrid.decisions import NegativeIdentity
    >>> NegativeIdentity()
    NegativeIdentity()
    """

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, an empty dictionary."""
        return {}

    def backward(
        self,
        problem: DecisionProblem,
        costs: np.ndarray,
        step: np.ndarray,
        upstream: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Returns the gradient; see `GradientEstimator`."""
        return -upstream


ESTIMATORS: Registry[GradientEstimator] = Registry(
    "gradient",
    GradientEstimator,
    {
        "perturbed": PerturbedOptimizer,
        "blackbox": BlackBox,
        "implicit_mle": ImplicitMLE,
        "negative_identity": NegativeIdentity,
    },
)


def positive_number(argument: str, value: Any) -> float:
    """Returns `value` as a `float` above 0.

    Raises:
        ValueError: If it is not a positive number.
    """
    if finite_number(argument, value) <= 0:
        raise ArgumentError(argument, "be above 0", value)
    return float(value)


def normal_noise(costs: np.ndarray, n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Returns standard normal noise of shape `(batch, n_samples, n)`."""
    return rng.standard_normal((len(costs), n_samples, costs.shape[1]))


def decide_all(problem: DecisionProblem, costs: np.ndarray) -> np.ndarray:
    """Returns decisions for costs of shape `(batch, n_samples, n)`, all in one call."""
    return decide(problem, costs.reshape(-1, costs.shape[-1])).reshape(costs.shape)
