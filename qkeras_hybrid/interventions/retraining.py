"""Retraining copies of a model: from other initial weights, in the way the model was compiled."""

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
"""A function that compiles and trains a model."""


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
    """Returns a function that trains other models with the optimizer and loss of one model.

    Args:
        model: The compiled model.
        x: Its inputs, arrays in the structure that `fit` takes.
        y: The targets.
        epochs: The number of epochs.
        batch_size: The batch size.
        seed: The seed of the order of the samples.
        learning_rate: The optimizer's initial learning rate; None for `first_rate` of the model.

    Raises:
        ValueError: If the model is not compiled, its compile configuration can't be restored, or a
            learning rate is given for an optimizer with a schedule.
    """
    config = model.get_compile_config() if getattr(model, "compiled", False) else None
    if config is None:
        raise ArgumentError(
            "model",
            "be compiled, so that copies can be trained in the same way",
            model.name,
            "Compile it, or pass `train`, a function that compiles and trains a model.",
        )

    rate = first_rate(model) if learning_rate is None else learning_rate
    if learning_rate is not None and _has_schedule(model):
        raise ArgumentError(
            "learning_rate",
            "be None for an optimizer that has a schedule",
            learning_rate,
            "Compile the model with another schedule, or pass `train`.",
        )

    def train(other: keras.Model) -> None:
        try:
            other.compile_from_config(config)
        except (TypeError, ValueError) as error:
            raise ArgumentError(
                "model",
                "be compiled with objects that Keras can restore from their configs",
                f"{type(error).__name__}: {error}",
                "Pass `train`, a function that compiles and trains a model.",
            ) from error
        if rate is not None:
            _inner(other).learning_rate = rate
        epoch = epochs_of(other, x, y)(x, y, batch_size)
        # The same order for all models, independent of random numbers that their layers draw.
        order = np.random.default_rng(seed)
        for _ in range(epochs):
            epoch(order.permutation(len(y)))

    return train


def first_rate(model: keras.Model) -> float | None:
    """Returns the learning rate in the first epoch of a model's last `fit`, if it was recorded.

    Keras callbacks that change the rate record it. Returns None if nothing is recorded, or if the
    optimizer has a schedule, which a new optimizer restarts by itself.
    """
    history = getattr(getattr(model, "history", None), "history", {})
    rates = history.get("learning_rate")
    return float(rates[0]) if rates and not _has_schedule(model) else None


def _inner(model: keras.Model) -> Any:
    """Returns the optimizer of a model, without a wrapper that scales the loss."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def _has_schedule(model: keras.Model) -> bool:
    config = _inner(model).get_config()
    return isinstance(config.get("learning_rate"), dict)


def first_weights(model: keras.Model, given: Sequence[Any]) -> list[Array]:
    """Returns given initial weights of a model as arrays.

    Raises:
        ValueError: If their shapes differ from those of the model's weights.
    """
    weights = [np.asarray(each) for each in given]
    shapes = [tuple(each.shape) for each in model.get_weights()]
    if [each.shape for each in weights] != shapes:
        raise ArgumentError(
            "initial_weights",
            f"have the shapes of the model's weights, {shapes}",
            [each.shape for each in weights],
            "Call model.get_weights() before the training.",
        )
    return weights


def untrained(model: keras.Model, weights: list[Array] | None, seed: int) -> keras.Model:
    """Returns a copy of a model with initial weights.

    Args:
        model: The trained model.
        weights: The initial weights; None draws new ones. Layers without trainable weights then
            keep theirs.
        seed: The seed of the draw.
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
