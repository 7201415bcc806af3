"""The effective dimension of a model: how many of its parameters count for data of a given size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid import kernels
from qkeras_hybrid._checks import finite_number, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._gradients_of import differentiated
from qkeras_hybrid.diagnostics.figures import new_figure, style

_SIZES = (1_000, 10_000, 100_000, 1_000_000)
_SUM = 1e-3


@dataclass(frozen=True)
class EffectiveDimension:
    """The effective dimension of a model, for several numbers of samples.

    Attributes:
        n_samples: The numbers of samples.
        dimensions: The effective dimension for each.
        n_parameters: The number of trained parameters.
    """

    n_samples: tuple[int, ...]
    dimensions: tuple[float, ...]
    n_parameters: int

    def __str__(self) -> str:
        parts = ", ".join(
            f"{d:.1f} with {n:,} samples"
            for n, d in zip(self.n_samples, self.dimensions, strict=True)
        )
        return f"Of its {self.n_parameters} parameters, the model effectively uses {parts}."

    def plot(self) -> Any:
        """Returns a Matplotlib figure: the share of the parameters against the samples."""
        title = f"Effective dimension of {self.n_parameters} parameters"
        figure, axes = new_figure(title, "samples", "effective dimension / parameters")
        axes.plot(self.n_samples, np.array(self.dimensions) / self.n_parameters, **style(0))
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        return figure


def effective_dimension(
    model: keras.Model,
    x: Any,
    n_samples: Iterable[int] = _SIZES,
    *,
    draws: int = 20,
    low: float = -1.0,
    high: float = 1.0,
    gamma: float = 1.0,
    seed: int = 0,
) -> EffectiveDimension:
    """Computes the effective dimension of a classifier, as Abbas et al. define it.

    Args:
        model: As in `fisher_matrices`, like all others except `n_samples` and `gamma`.
        x: Samples of the data, `(batch, n_features)`.
        n_samples: The numbers of samples to compute it for.
        draws: How many times the parameters are drawn.
        low: The least value of a parameter.
        high: The largest value of a parameter.
        gamma: A constant in (0, 1].
        seed: The seed of the draws.

    Raises:
        ValueError: Under the conditions of `fisher_matrices` and
            `qkeras_hybrid.kernels.effective_dimension`.

    Reference:
        Abbas et al.: The power of quantum neural networks, Nature Computational Science 1, 403
        (2021), arXiv 2011.00027, equation (2).

    Example:

    >>> layer = PQC(cirq.Circuit(cirq.ry(sympy.Symbol("w"))(cirq.q(0))), inputs=[],
    ...             output="probabilities")
    >>> model = keras.Sequential([keras.Input((0,)), layer])
    >>> found = qh.diagnostics.effective_dimension(model, np.zeros((1, 0)), [10**9], draws=3)
    >>> found.n_parameters, [bool(0.9 < d < 1.1) for d in found.dimensions]
    (1, [True])
    """
    sizes = tuple(positive_int("n_samples", n) for n in n_samples)
    if not sizes:
        raise ArgumentError("n_samples", "hold at least one number", sizes)
    matrices = fisher_matrices(model, x, draws=draws, low=low, high=high, seed=seed)
    found = tuple(kernels.effective_dimension(matrices, n, gamma) for n in sizes)
    return EffectiveDimension(sizes, found, matrices.shape[1])


def fisher_matrices(
    model: keras.Model,
    x: Any,
    *,
    draws: int = 20,
    low: float = -1.0,
    high: float = 1.0,
    seed: int = 0,
) -> np.ndarray:
    """Computes the Fisher information matrices of a classifier at random parameters.

    `F = E_x sum_c p(c|x) d log p(c|x) d log p(c|x)^T`, where `d` is the gradient by the trained
    parameters. The parameters are drawn uniformly; the model keeps its weights.

    Args:
        model: A built Keras model from `(batch, n_features)` to class probabilities, `(batch,
            n_classes)`, such as those of softmax.
        x: Samples of the data, of shape `(batch, n_features)`. Each sample takes one gradient for
            each class and draw.
        draws: How many times the parameters are drawn.
        low: The least value of a parameter.
        high: The largest value of a parameter.
        seed: The seed of the draws.

    Returns:
        Array of shape `(draws, n_parameters, n_parameters)`; the parameters in the order of
        `model.trainable_variables`.

    Raises:
        ValueError: If the model has no trained parameters or returns no probabilities, or an
            argument is invalid.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), PQCDense(2), keras.layers.Softmax()])
    >>> qh.diagnostics.fisher_matrices(model, np.ones((3, 2)), draws=4).shape
    (4, 12, 12)
    """
    if not isinstance(model, keras.Model) or not model.built:
        raise ArgumentError("model", "be a built Keras model", model)
    if not model.trainable_variables:
        raise ArgumentError("model", "have trained parameters", model)
    if finite_number("low", low) >= finite_number("high", high):
        raise ArgumentError("low", "be below `high`", low)
    samples = np.asarray(x, "float32")
    if samples.ndim < 2 or not len(samples) or not np.isfinite(samples).all():
        raise ArgumentError("x", "hold finite numbers, of shape (batch, n_features)", x)
    _check_probabilities(model, samples)
    rng, variables = np.random.default_rng(seed), model.trainable_variables
    by_class = differentiated(_of_one_class(model))
    found = []
    for _ in range(positive_int("draws", draws)):
        values = [rng.uniform(low, high, v.shape).astype(v.dtype) for v in variables]
        found.append(_fisher(by_class, samples, int(model.output_shape[-1]), values))
    return np.stack(found)


def _of_one_class(model: keras.Model) -> Any:
    """Returns the probability of a class as a function of sample, class and parameters."""

    def probability(sample: Any, chosen: Any, *values: Any) -> Any:
        state = list(zip(model.trainable_variables, values, strict=True))
        with keras.StatelessScope(state_mapping=state):
            return ops.sum(ops.cast(model(sample, training=False), "float32") * chosen)

    return probability


def _fisher(by_class: Any, samples: np.ndarray, classes: int, values: list[np.ndarray]) -> Any:
    one_hot = np.eye(classes, dtype="float32")
    total: Any = 0.0
    for sample in samples:
        for chosen in one_hot:
            probability, (_, _, *gradients) = by_class(sample[None], chosen[None], *values)
            slope = np.concatenate([np.ravel(gradient) for gradient in gradients]).astype(float)
            # A class of probability 0 has gradient 0: the probability is at its minimum.
            if probability > 0:
                total = total + np.outer(slope, slope) / float(probability)
    return np.zeros((_size(values),) * 2) + total / len(samples)


def _size(values: list[np.ndarray]) -> int:
    return sum(value.size for value in values)


def _check_probabilities(model: keras.Model, samples: np.ndarray) -> None:
    outputs = model(ops.convert_to_tensor(samples), training=False)
    found = ops.convert_to_numpy(outputs) if not isinstance(outputs, (list, dict)) else np.zeros(0)
    if found.ndim != 2 or found.min() < 0 or np.abs(found.sum(axis=1) - 1).max() > _SUM:
        raise ArgumentError(
            "model",
            "return the probabilities of classes, of shape (batch, n_classes)",
            model.output_shape,
            "End it with keras.layers.Softmax().",
        )
