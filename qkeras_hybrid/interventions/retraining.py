"""Models trained again: from other first weights, on the same batches, as the first was trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from qkeras_hybrid._epochs import epochs_of
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._model_copies import Copies, fresh
from qkeras_hybrid.layers.base import QuantumLayer

Array = np.ndarray[Any, Any]
Train = Callable[[keras.Model], Any]
"""Trains a model, which is not compiled yet."""


def trainer(
    model: keras.Model,
    x: Any,
    y: Array,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    learning_rate: float | None = None,
) -> Train:
    """Returns what trains other models as one was compiled.

    Args:
        model: The compiled model.
        x: Its inputs, arrays in the structure that `fit` takes.
        y: The targets.
        epochs: How often each sample is seen.
        batch_size: Samples of a step.
        seed: The seed of the order of the samples.
        learning_rate: That the optimizer begins with; None for `first_rate` of the model.

    Raises:
        ValueError: If the model is not compiled, or can't say how, or a learning rate is given for
            an optimizer that has a schedule.
    """
    config = model.get_compile_config() if getattr(model, "compiled", False) else None
    if config is None:
        raise ArgumentError(
            "model",
            "be compiled, so that others can be trained as it was",
            model.name,
            "Compile it, or give `train`, a function that compiles and trains a model.",
        )

    rate = first_rate(model) if learning_rate is None else learning_rate
    if learning_rate is not None and _has_schedule(model):
        raise ArgumentError(
            "learning_rate",
            "be None for an optimizer that has a schedule",
            learning_rate,
            "Compile the model with another one, or give `train`.",
        )

    def train(other: keras.Model) -> None:
        try:
            other.compile_from_config(config)
        except (TypeError, ValueError) as error:
            raise ArgumentError(
                "model",
                "be compiled with what Keras can make again from its config",
                f"{type(error).__name__}: {error}",
                "Give `train`, a function that compiles and trains a model.",
            ) from error
        if rate is not None:
            _inner(other).learning_rate = rate
        epoch = epochs_of(other, x, y)(x, y, batch_size)
        # The same order for all models, whatever their layers draw.
        order = np.random.default_rng(seed)
        for _ in range(epochs):
            epoch(order.permutation(len(y)))

    return train


def first_rate(model: keras.Model) -> float | None:
    """Returns the learning rate in the first epoch of a model's last `fit`, if that noted it.

    Keras's callbacks that change the rate do. None where nothing is known, or a schedule decides,
    which begins anew in a new optimizer.
    """
    history = getattr(getattr(model, "history", None), "history", {})
    rates = history.get("learning_rate")
    return float(rates[0]) if rates and not _has_schedule(model) else None


def _inner(model: keras.Model) -> Any:
    """Returns the optimizer of a model, without what scales its loss."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def _has_schedule(model: keras.Model) -> bool:
    config = _inner(model).get_config()
    return isinstance(config.get("learning_rate"), dict)


def first_weights(model: keras.Model, given: Sequence[Any]) -> list[Array]:
    """Returns given first weights of a model as arrays.

    Raises:
        ValueError: If they have other shapes than the model's.
    """
    weights = [np.asarray(each) for each in given]
    shapes = [tuple(each.shape) for each in model.get_weights()]
    if [each.shape for each in weights] != shapes:
        raise ArgumentError(
            "initial_weights",
            f"have the shapes of the model's weights, {shapes}",
            [each.shape for each in weights],
            "Take model.get_weights() before the training.",
        )
    return weights


def untrained(model: keras.Model, weights: list[Array] | None, seed: int) -> keras.Model:
    """Returns a copy of a model with first weights.

    Args:
        model: The trained model.
        weights: The weights that it began with, or None to draw new ones. Layers that don't train
            keep theirs.
        seed: The seed of what is drawn.
    """
    keras.utils.set_random_seed(seed)
    copies = Copies(fresh)
    copy: keras.Model = copies(model)
    if weights is not None:
        copy.set_weights(weights)
        return copy
    for layer, new in (*copies.pairs, *copies.quantum):
        if layer.weights and not layer.trainable_variables:
            new.set_weights(layer.get_weights())
    return copy


def instead(model: keras.Model, make: Callable[[QuantumLayer], keras.Layer]) -> keras.Model:
    """Returns a copy of an untrained model with other layers in place of its quantum layers."""
    copies = Copies(make)
    copy: keras.Model = copies(model)
    copies.carry_weights()
    return copy
