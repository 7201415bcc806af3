"""A layer that maps predicted costs to the decision that minimises them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid.decisions import GradientEstimator
from qkeras_hybrid.decisions.base import check_width
from qkeras_hybrid.decisions.estimators import ESTIMATORS
from qkeras_hybrid.decisions.hosting import SUPPORTS_JIT, differentiable_decisions, precision_of
from qkeras_hybrid.decisions.spelling import problem_of
from qkeras_hybrid.layers.features import as_tensor, n_features_of


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class DecisionLayer(keras.layers.Layer):
    """The decision of least cost, for costs that the layers before it predict.

    The layer has no weights. A decision has no useful gradient, so the layer passes on a surrogate
    gradient, which lets the layers before it train. In training, "perturbed" and "implicit_mle"
    return the mean decision under noise on the costs; outside training, they return the decision
    itself.

    Samples with a cost that is not finite get a decision of NaN. The problem is solved on the CPU,
    whatever device the backend uses.

    Args:
        problem: A `qkeras_hybrid.decisions.DecisionProblem`; a `Qubo`, an `Ising` or a `Problem`
            of `qkeras_hybrid.annealing`, to whose linear biases the costs are added; or a
            minimising function that maps costs of shape `(batch, n)` to decisions of that shape. A
            model with such a function can be saved if the function is registered with Keras.
        gradient: "perturbed", "blackbox", "implicit_mle", "negative_identity", or an object with
            arguments, e.g. `decisions.PerturbedOptimizer(n_samples=20, sigma=0.5)`.
        seed: Seed of the noise; None for new noise each time.
        **kwargs: Keras's `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, ..., n)`: costs.

    Output shape:
        `(batch, ..., n)`: decisions.

    Raises:
        ValueError: If `problem` or `gradient` is none of these; in `build`, if the problem has
            another number of costs.

    Reference:
        Mandi et al., Decision-Focused Learning: Foundations, State of the Art, Benchmark and Future
        Opportunities, JAIR 80 (2024), arXiv:2307.13565.

    Example:

    >>> from qkeras_hybrid.decisions import GridShortestPath
    >>> layer = DecisionLayer(GridShortestPath(2, 2))
    >>> layer(np.array([[1.0, 2.0, 5.0, 3.0]])).numpy()
    array([[0., 1., 0., 1.]], dtype=float32)
    >>> model = keras.Sequential(
    ...     [keras.Input((3,)), keras.layers.Dense(4), DecisionLayer(GridShortestPath(2, 2))]
    ... )
    >>> model.output_shape
    (None, 4)
    """

    def __init__(
        self,
        problem: Any,
        *,
        gradient: str | dict[str, Any] | GradientEstimator = "perturbed",
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        # Costs are not rounded to half precision, which would change decisions.
        super().__init__(autocast=False, **kwargs)
        self.problem = problem_of(problem)
        self.gradient = ESTIMATORS.get(gradient)
        self.seed = seed
        self._rng = np.random.default_rng(seed)
        self.supports_masking = True
        self.supports_jit = SUPPORTS_JIT

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Makes sure that the input has as many costs as the problem."""
        self._check_shape(input_shape)
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Decides, for every position of the leading axes.

        Args:
            inputs: Costs of shape `(batch, ..., n)`.
            training: Whether this is a training step, in which some gradients return a mean.
        """
        costs = as_tensor(self.name, inputs, None)
        check_width(self.problem, "problem", costs.shape[-1])
        n, leading = costs.shape[-1], ops.shape(costs)[:-1]
        dtype = "float64" if self.compute_dtype == "float64" else "float32"
        samples = ops.reshape(ops.cast(costs, dtype), (-1, n))
        assert precision_of(samples) == dtype
        found = differentiable_decisions(
            self.problem, self.gradient, samples, self._rng, bool(training)
        )
        return ops.cast(ops.reshape(found, (*leading, n)), self.compute_dtype)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the input's shape."""
        self._check_shape(input_shape)
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor.

        Raises:
            ValueError: If the problem is a function that is not registered with Keras.
        """
        return {
            **super().get_config(),
            "problem": keras.saving.serialize_keras_object(self.problem),
            "gradient": keras.saving.serialize_keras_object(self.gradient),
            "seed": self.seed,
        }

    def _check_shape(self, input_shape: Sequence[int | None]) -> None:
        check_width(self.problem, "problem", n_features_of(self.name, input_shape, 1))
