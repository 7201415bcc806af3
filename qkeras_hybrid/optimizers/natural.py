"""Quantum natural gradient."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from qkeras_hybrid._checks import finite_number, one_of, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._states import Metric
from qkeras_hybrid.optimizers.base import CircuitOptimizer, Part, first_samples

KINDS = ("full", "block", "diagonal")


def solved(metric: Any, gradient: Any, damping: float, cutoff: float) -> Any:
    """Returns `(g + damping)^+ v`, the least-squares solution of the smallest norm.

    Args:
        metric: Symmetric tensor of shape `(n, n)`, positive semidefinite.
        gradient: Tensor of shape `(n,)`.
        damping: The number added to each eigenvalue.
        cutoff: Eigenvectors whose eigenvalues are below `cutoff` times the largest are left out.
    """
    values, vectors = ops.linalg.eigh(metric)
    kept = values > cutoff * ops.max(values)
    inverse = ops.where(kept, 1.0 / ops.where(kept, values + damping, 1.0), 0.0)
    # Sums instead of matrix products, since accelerators round the factors of products.
    along = ops.sum(vectors * gradient[:, None], axis=0)
    return ops.sum(vectors * (inverse * along)[None, :], axis=1)


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class QNG(CircuitOptimizer):
    """Quantum natural gradient: the steepest descent in the space of the states.

    `w <- w - learning_rate g(w)^+ grad L(w)`, where `g` is the Fubini-Study metric of the circuit's
    state, averaged over samples. The metric is computed exactly, from the state of the ideal
    circuit and its derivatives, even if the layer has noise or shots. The gradient comes from the
    layer's differentiator. If a step calls a layer several times, the metric is that of the last
    call.

    Each layer's circuit weights train with the layer's own metric. All other weights train by Adam.

    Args:
        learning_rate: The learning rate of the circuits' weights, a float or a schedule.
        metric: "full"; "block", with zeros between angles at different depths of the circuit; or
            "diagonal".
        damping: The number added to the metric's diagonal.
        cutoff: Eigenvectors of the metric whose eigenvalues are below `cutoff` times the largest
            hardly change the state, and are left out.
        samples: The metric is averaged over the first `samples` samples of a batch; None for all.
            Each sample costs one state for each angle.
        classical_learning_rate: The learning rate of all other weights.
        **kwargs: Arguments of `keras.optimizers.Adam`, for all other weights.

    Raises:
        ValueError: If an argument is invalid, or, when the optimizer is built, if the circuit of a
            layer has no state vector.

    Reference:
        Stokes, Izaac, Killoran, Carleo: Quantum natural gradient, Quantum 4, 269 (2020), arXiv
        1909.02108.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), PQCDense(1), keras.layers.Dense(1)])
    >>> model.compile(optimizer=qh.optimizers.QNG(0.05), loss="mse")
    >>> history = model.fit(np.zeros((4, 2)), np.ones((4, 1)), epochs=3, verbose=0)
    >>> history.history["loss"][0] > history.history["loss"][-1]
    True
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        *,
        metric: str = "full",
        damping: float = 0.0,
        cutoff: float = 1e-4,
        samples: int | None = 32,
        classical_learning_rate: float = 0.001,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, classical_learning_rate=classical_learning_rate, **kwargs)
        self.metric = one_of("metric", metric, KINDS)
        self.damping = finite_number("damping", damping)
        self.cutoff = finite_number("cutoff", cutoff)
        if self.damping < 0:
            raise ArgumentError("damping", "be at least 0", damping)
        if not 0 <= self.cutoff < 1:
            raise ArgumentError("cutoff", "be at least 0 and below 1", cutoff)
        self.samples = None if samples is None else positive_int("samples", samples)

    def prepare(self, part: Part) -> None:
        """Prepares the metric of a layer.

        Raises:
            ValueError: If its circuit has no state vector.
        """
        self._kept[id(part.layer)] = Metric.of(part.job, part.columns)

    def direction(self, part: Part, gradient: Any, inputs: Any) -> tuple[Any, Any]:
        """Returns the natural gradient, and the number of states that the metric took."""
        metric = self._kept[id(part.layer)]
        used = first_samples(inputs, self.samples)
        # A batch of unknown size may be large.
        most = used.shape[0] or self.samples or 2**10
        mean = metric.mean(used, part.weights, self.metric, most)
        found = solved(mean, gradient, self.damping, self.cutoff)
        return found, ops.shape(used)[0] * metric.evaluations

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, in a form that JSON holds."""
        return {
            **super().get_config(),
            "metric": self.metric,
            "damping": self.damping,
            "cutoff": self.cutoff,
            "samples": self.samples,
        }
