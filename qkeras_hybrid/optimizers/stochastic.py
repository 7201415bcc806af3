"""Optimizers with random directions: few circuits per step, for any number of weights."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid import gradients
from qkeras_hybrid._checks import finite_number, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._states import check_pure
from qkeras_hybrid.gradients import Seeds
from qkeras_hybrid.optimizers.base import (
    AtWeights,
    CircuitOptimizer,
    Part,
    drawn_seeds,
    first_samples,
)
from qkeras_hybrid.readouts import State


# Another name than the class's: "qkeras_hybrid>SPSA" has been the differentiator since version 0.1.
@keras.saving.register_keras_serializable(package="qkeras_hybrid", name="SPSAOptimizer")
class SPSA(CircuitOptimizer):
    """Simultaneous perturbation with Spall's decreasing steps.

    `w <- w - learning_rate ((A + 1)/(A + k + 1))**decay g`, where `k` is the number of earlier
    steps, and `g` is the gradient that the layers' differentiator `qkeras_hybrid.SPSA` estimates
    from two circuits along a random direction. The differentiator perturbs the angles of each
    sample separately; Spall perturbs the weights, for all samples together. The mean is the same,
    and the noise is smaller. All other weights train by Adam.

    Args:
        learning_rate: The learning rate of the first step.
        decay: How fast the steps decrease; 0 for constant steps.
        stability: `A`, in steps: about a tenth of the planned number of steps.
        classical_learning_rate: The learning rate of all other weights.
        **kwargs: Arguments of `keras.optimizers.Adam`, for those.

    Raises:
        ValueError: If a number is below 0, or, when the optimizer is built, if a layer has another
            differentiator.

    Reference:
        Spall: Implementation of the simultaneous perturbation algorithm for stochastic
        optimization, IEEE Trans. Aerospace and Electronic Systems 34, 817 (1998).

    Example:

    >>> layer = PQCDense(1, n_qubits=2, differentiator="spsa")
    >>> model = keras.Sequential([keras.Input((2,)), layer])
    >>> model.compile(optimizer=qh.optimizers.SPSA(0.1), loss="mse")
    >>> history = model.fit(np.zeros((4, 2)), np.zeros((4, 1)), verbose=0)
    >>> model.optimizer.circuits  # one for each sample, and two for its gradient
    12
    """

    def __init__(
        self,
        learning_rate: Any = 0.1,
        *,
        decay: float = 0.602,
        stability: float = 10.0,
        classical_learning_rate: float = 0.001,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, classical_learning_rate=classical_learning_rate, **kwargs)
        self.decay = _not_negative("decay", decay)
        self.stability = _not_negative("stability", stability)

    def prepare(self, part: Part) -> None:
        """Makes sure that a layer estimates its gradient along random directions.

        Raises:
            ValueError: If it does not.
        """
        if not isinstance(part.layer.differentiator, gradients.SPSA):
            raise ArgumentError(
                "differentiator",
                f"be SPSA in layer {part.layer.name!r} for the optimizer SPSA",
                part.layer.differentiator,
                'Build the layer with differentiator="spsa".',
            )

    def direction(self, part: Part, gradient: Any, inputs: Any) -> tuple[Any, Any]:
        """Returns the gradient times a factor that decreases from step to step."""
        step = ops.cast(self.iterations, part.precision)
        first = self.stability + 1.0
        return gradient * ops.power(first / (first + step), self.decay), 0

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, in a form that JSON holds."""
        return {**super().get_config(), "decay": self.decay, "stability": self.stability}


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class QNSPSA(CircuitOptimizer):
    """Natural gradient with a metric that is estimated along random directions.

    Each step estimates the metric from four fidelities `F(d) = |<psi(w)|psi(w + d)>|**2` of the
    state with states at perturbed weights. For random directions `a` and `b`, the estimate is
    `-(F(a + b) - F(a) - F(b - a) + F(-a)) / (4 step**2)` times the symmetric part of
    `a b^T / step**2`. The metric is the average over all steps. This takes five circuits for each
    sample, while the exact metric of `QNG` takes one for each angle. The gradient comes from the
    layer's differentiator; with `qkeras_hybrid.SPSA` it is estimated too, as in the reference. All
    other weights train by Adam.

    The fidelities are exact and those of the ideal circuit, even if the layer has noise or shots.

    Args:
        learning_rate: The learning rate of the circuits' weights, a float or a schedule.
        step: How far weights are perturbed, in radians.
        damping: How much of the identity is mixed into the metric.
        resamples: How many estimates of the metric a step makes.
        samples: The metric is averaged over the first `samples` samples of a batch; None for all.
        seed: The seed of the random directions; None to draw one.
        classical_learning_rate: The learning rate of all other weights.
        **kwargs: Arguments of `keras.optimizers.Adam`, for all other weights.

    Raises:
        ValueError: If a number is invalid, or, when the optimizer is built, if the circuit of a
            layer has no state vector.

    Reference:
        Gacon, Zoufal, Carleo, Woerner: Simultaneous perturbation stochastic approximation of the
        quantum Fisher information, Quantum 5, 567 (2021), arXiv 2103.09232.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), PQCDense(1, n_qubits=2)])
    >>> model.compile(optimizer=qh.optimizers.QNSPSA(0.05, seed=1), loss="mse")
    >>> history = model.fit(np.zeros((4, 2)), np.zeros((4, 1)), verbose=0)
    >>> model.optimizer.circuits  # one for each sample with its gradient, and five for the metric
    24
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        *,
        step: float = 0.02,
        damping: float = 0.001,
        resamples: int = 1,
        samples: int | None = 32,
        seed: int | None = None,
        classical_learning_rate: float = 0.001,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, classical_learning_rate=classical_learning_rate, **kwargs)
        self.step = finite_number("step", step)
        if self.step <= 0:
            raise ArgumentError("step", "be above 0", step)
        self.damping = _not_negative("damping", damping)
        self.resamples = positive_int("resamples", resamples)
        self.samples = None if samples is None else positive_int("samples", samples)
        # Drawn now, since it is saved with the model.
        self.seed = random.randrange(2**30) if seed is None else int(seed)

    def prepare(self, part: Part) -> None:
        """Prepares the states of a layer, and the average of its metric.

        Raises:
            ValueError: If its circuit has no state vector.
        """
        check_pure(part.layer.program)
        job = replace(part.job, readout=State(), shots=None, noise=None, readout_errors=())
        size = len(part.columns)
        average = self.add_variable(
            (size, size),
            keras.initializers.Identity(),
            dtype=part.precision,
            name=f"{part.layer.name}_metric",
        )
        self._kept[id(part.layer)] = (AtWeights.of(job), average)

    def direction(self, part: Part, gradient: Any, inputs: Any) -> tuple[Any, Any]:
        """Returns the natural gradient by the averaged metric, and the number of states it took."""
        states, average = self._kept[id(part.layer)]
        used = first_samples(inputs, self.samples)
        # Each layer has its own directions.
        number = next(k for k, each in enumerate(self._parts.list) if each is part)
        seeds = drawn_seeds(self.seed + number, self.iterations)
        estimates = [self._estimate(part, states, used, seeds) for _ in range(self.resamples)]
        step = ops.cast(self.iterations, part.precision) + 1.0
        known = ops.convert_to_tensor(average)
        mean = (step * known + sum(estimates) / self.resamples) / (step + 1.0)
        self.assign(average, mean)
        values, vectors = ops.linalg.eigh(mean)
        inverse = (1.0 + self.damping) / (ops.absolute(values) + self.damping)
        along = ops.sum(vectors * gradient[:, None], axis=0)
        found = ops.sum(vectors * (inverse * along)[None, :], axis=1)
        return found, 5 * self.resamples * ops.shape(used)[0]

    def _estimate(self, part: Part, states: AtWeights, inputs: Any, seeds: Seeds) -> Any:
        """Returns an estimate of the metric, of shape `(n_columns, n_columns)`."""
        weights, dtype = part.weights, part.precision
        trained = np.zeros(weights.shape[0])
        trained[list(part.columns)] = 1.0
        coins = keras.random.uniform((2, len(trained)), seed=seeds.next(), dtype=dtype)
        signs = ops.where(coins < 0.5, -ops.ones_like(coins), ops.ones_like(coins))
        signs = signs * ops.convert_to_tensor(trained, dtype=dtype)[None]
        a, b = self.step * signs[0], self.step * signs[1]
        found = states(
            inputs, [weights, weights + a + b, weights + a, weights + b - a, weights - a]
        )
        re, im = (
            ops.reshape(half, (5, -1, found.shape[-1]))
            for half in (ops.real(found), ops.imag(found))
        )
        fidelity = (
            ops.sum(re[:1] * re[1:] + im[:1] * im[1:], axis=-1) ** 2
            + ops.sum(re[:1] * im[1:] - im[:1] * re[1:], axis=-1) ** 2
        )
        both, one, other, back = ops.unstack(ops.mean(fidelity, axis=1), 4)
        curvature = -(both - one - other + back) / (4.0 * self.step**2)
        left, right = (ops.take(sign, list(part.columns)) for sign in (signs[0], signs[1]))
        outer = left[:, None] * right[None, :]
        return curvature * 0.5 * (outer + ops.transpose(outer))

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, in a form that JSON holds."""
        return {
            **super().get_config(),
            "step": self.step,
            "damping": self.damping,
            "resamples": self.resamples,
            "samples": self.samples,
            "seed": self.seed,
        }


def _not_negative(argument: str, value: Any) -> float:
    number = finite_number(argument, value)
    if number < 0:
        raise ArgumentError(argument, "be at least 0", value)
    return number
