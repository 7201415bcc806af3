"""Losses for networks that predict costs, measured by the resulting decisions.

Both losses are the difference of the costs of two decisions under changed predictions. One of the
decisions is the best one under these predictions. It is found on the host, and by Danskin's theorem
the loss is differentiated as if it were fixed.
"""

from __future__ import annotations

import abc
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import one_of, positive_int
from qkeras_hybrid.decisions.base import check_width, decide
from qkeras_hybrid.decisions.estimators import (
    MOST_SAMPLES,
    decide_all,
    normal_noise,
    positive_number,
)
from qkeras_hybrid.decisions.hosting import constant_call, precision_of
from qkeras_hybrid.decisions.spelling import problem_of
from qkeras_hybrid.decisions.targets import KINDS, check_target_width, split_targets


@keras.saving.register_keras_serializable(package="qkeras_hybrid")  # type: ignore[untyped-decorator]
def decision_cost(y_true: Any, y_pred: Any) -> Any:
    """Returns the cost of decisions: a loss for models that end in a `DecisionLayer`.

    Args:
        y_true: True costs, of shape `(batch, ..., n)`, or `decisions.targets` of them.
        y_pred: Decisions, of shape `(batch, ..., n)`.

    Returns:
        Tensor of shape `(batch, ...)`.

    Example:

    >>> from qkeras_hybrid.decisions import decision_cost
    >>> float(decision_cost(np.array([[3.0, 1.0]]), np.array([[0.0, 1.0]]))[0])
    1.0
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(ops.convert_to_tensor(y_true), y_pred.dtype)
    check_target_width(y_true.shape[-1], y_pred.shape[-1])
    return ops.sum(y_true[..., : y_pred.shape[-1]] * y_pred, axis=-1)


class _DecisionLoss(keras.losses.Loss, abc.ABC):
    """`changed(y_pred) . difference + constant`; the host computes `difference` and `constant`."""

    def __init__(self, problem: Any, target: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.problem = problem_of(problem)
        self._target = target

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the loss of each sample.

        Args:
            y_true: True costs, of shape `(batch, ..., n)`, or `decisions.targets` of them.
            y_pred: Predicted costs, of shape `(batch, ..., n)`.

        Returns:
            Tensor of shape `(batch, ...)`.
        """
        n, leading = y_pred.shape[-1], ops.shape(y_pred)[:-1]
        check_width(self.problem, "y_pred", n)
        check_target_width(y_true.shape[-1], n)
        dtype = precision_of(y_pred)
        predicted = ops.reshape(ops.cast(y_pred, dtype), (-1, n))
        given = ops.reshape(ops.cast(y_true, dtype), (-1, y_true.shape[-1]))

        def found(predicted: np.ndarray, given: np.ndarray) -> np.ndarray:
            costs, decisions = split_targets(self.problem, given, n, self._target)
            difference, constant = self._terms(predicted, costs, decisions)
            return np.concatenate([difference, constant[:, None]], axis=1)

        terms = constant_call(found, (predicted, given), n + 1, dtype)
        losses = ops.sum(self._changed(predicted, given) * terms[:, :n], axis=-1) + terms[:, n]
        return ops.reshape(losses, leading)

    @abc.abstractmethod
    def _changed(self, predicted: Any, given: Any) -> Any:
        """Returns the costs that multiply the difference of decisions."""

    @abc.abstractmethod
    def _terms(
        self, predicted: np.ndarray, costs: np.ndarray, decisions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the difference of decisions, and a constant; all arrays are float64."""

    def _fixed(self, decisions: np.ndarray) -> np.ndarray:
        fixed = np.full(len(decisions), np.nan)
        known = np.isfinite(decisions).all(axis=1)
        if known.any():
            fixed[known] = self.problem.fixed_cost(decisions[known])
        return fixed

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor."""
        problem = keras.saving.serialize_keras_object(self.problem)
        return {**super().get_config(), "problem": problem}


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class SPOPlus(_DecisionLoss):
    """SPO+: a convex upper bound on the regret of the decision, for known costs.

    With the prediction `p`, true costs `c` and `w* = w*(c)`:
    `(2 p - c) . w* - min_w (2 p - c) . w`, with the subgradient `2 (w* - w*(2 p - c))`.

    `y_true` are true costs, or `decisions.targets(problem, costs)`, which includes the best
    decisions, so that they are computed only once.

    Under TensorFlow on a GPU, compile the model with `jit_compile=False`.

    Args:
        problem: A `DecisionProblem`, or anything that `DecisionLayer` accepts as one.
        **kwargs: `name`, `reduction` and `dtype` of Keras's losses.

    Raises:
        ValueError: If `problem` is none of these; when called: if the shapes don't fit.

    Reference:
        Elmachtoub, Grigas, Smart "Predict, then Optimize", Management Science 68, 9 (2022),
        arXiv:1710.08005.

    Example:

    >>> from qkeras_hybrid.decisions import Choices, SPOPlus
    >>> loss = SPOPlus(Choices(np.eye(3)))
    >>> float(loss(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 1.0, 1.0]])))
    2.0
    """

    def __init__(self, problem: Any, *, name: str = "spo_plus", **kwargs: Any) -> None:
        super().__init__(problem, "costs", name=name, **kwargs)

    def _changed(self, predicted: Any, given: Any) -> Any:
        return 2 * predicted - given[:, : predicted.shape[-1]]

    def _terms(
        self, predicted: np.ndarray, costs: np.ndarray, decisions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        others = decide(self.problem, 2 * predicted - costs)
        return decisions - others, self._fixed(decisions) - self._fixed(others)


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class PerturbedFenchelYoung(_DecisionLoss):
    """The perturbed Fenchel-Young loss, for known costs or decisions.

    With the prediction `p` and the best decision `w*`: `p . w* - E[min_w (p + sigma xi) . w]`, with
    `xi` standard normal. It is convex in `p`, and its gradient is `w* - E[w*(p + sigma xi)]`. Both
    expectations are means over the same samples, drawn again at each step.

    Under TensorFlow on a GPU, compile the model with `jit_compile=False`.

    Args:
        problem: A `DecisionProblem`, or anything that `DecisionLayer` accepts as one.
        n_samples: The number of samples.
        sigma: The standard deviation of the noise, in units of the costs.
        seed: The seed of the noise; None for a random one.
        target: The meaning of `y_true`: "costs", from which the best decisions are computed, or
            "decisions", to learn from given decisions. The result of `decisions.targets` holds both
            and is accepted in either case.
        **kwargs: `name`, `reduction` and `dtype` of Keras's losses.

    Raises:
        ValueError: If an argument is invalid; when called: if the shapes don't fit.

    Reference:
        Berthet et al., Learning with Differentiable Perturbed Optimizers, NeurIPS 2020,
        arXiv:2002.08676.

    Example:

    >>> from qkeras_hybrid.decisions import Choices, PerturbedFenchelYoung
    >>> loss = PerturbedFenchelYoung(Choices(np.eye(2)), n_samples=100, sigma=0.1, seed=0)
    >>> right, wrong = np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])
    >>> float(loss(right, right)) < float(loss(right, wrong))
    True
    """

    def __init__(
        self,
        problem: Any,
        *,
        n_samples: int = 10,
        sigma: float = 1.0,
        seed: int | None = None,
        target: str = "costs",
        name: str = "perturbed_fenchel_young",
        **kwargs: Any,
    ) -> None:
        super().__init__(problem, one_of("target", target, KINDS), name=name, **kwargs)
        self.n_samples = positive_int("n_samples", n_samples, MOST_SAMPLES)
        self.sigma = positive_number("sigma", sigma)
        self.seed = seed
        self._rng = np.random.default_rng(seed)

    def _changed(self, predicted: Any, given: Any) -> Any:
        return predicted

    def _terms(
        self, predicted: np.ndarray, costs: np.ndarray, decisions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        noise = self.sigma * normal_noise(predicted, self.n_samples, self._rng)
        others = decide_all(self.problem, predicted[:, None] + noise)
        fixed = self._fixed(others.reshape(-1, others.shape[-1])).reshape(others.shape[:2])
        constant = ((noise * others).sum(axis=2) + fixed).mean(axis=1)
        return decisions - others.mean(axis=1), self._fixed(decisions) - constant

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor."""
        own = {"n_samples": self.n_samples, "sigma": self.sigma, "seed": self.seed}
        return {**super().get_config(), **own, "target": self._target}
