"""Energies as Keras models, trained with `fit`: no features, and the energy as loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import finite_number, positive_int
from qkeras_hybrid._device import has_float64
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.chemistry.electrons import Electrons
from qkeras_hybrid.layers import PQC

PATIENCE = 30
"""After so many steps without a lower energy a training ends."""


@keras.saving.register_keras_serializable(package="qkeras_hybrid")  # type: ignore[untyped-decorator]
def energy_loss(target: Any, predicted: Any) -> Any:
    """Returns the energies themselves, as a loss: what a model predicts is what it lowers."""
    return ops.sum(predicted, axis=-1)


def precision(dtype: str | None) -> str:
    """Returns the precision of energies: by default float64, where the Keras backend has it.

    Raises:
        ValueError: If it is another than "float64" and "float32".
    """
    if dtype is None:
        return "float64" if has_float64() else "float32"
    if dtype not in ("float32", "float64"):
        raise ArgumentError("dtype", "be 'float64' or 'float32'", dtype)
    return dtype


def no_features(dtype: str) -> np.ndarray:
    """Returns one sample without features, of shape `(1, 0)`."""
    return np.zeros((1, 0), dtype)


def energy_layer(
    electrons: Electrons, circuit: Any, symbols: Sequence[Any], dtype: str, **options: Any
) -> PQC:
    """Returns the layer that computes the energy of a circuit's state.

    Args:
        electrons: The electrons.
        circuit: The circuit, from `|0...0>`.
        symbols: The symbols of its angles, in order.
        dtype: "float64" or "float32".
        **options: Arguments of `PQC`: with `inputs=symbols` the angles are the layer's input, with
            `inputs=[]` they are its weights.
    """
    own: dict[str, Any] = {"symbols": symbols} if options["inputs"] == [] else {}
    return PQC(
        circuit,
        [electrons.hamiltonian],
        qubits=electrons.qubits,
        dtype=dtype,
        name="energy",
        **own,
        **options,
    )


def energy_model(layer: PQC, dtype: str, start: Any = None) -> keras.Model:
    """Returns a model without features whose output is the energy of a circuit's state.

    Args:
        layer: What `energy_layer` returned with `inputs=[]`.
        dtype: "float64" or "float32".
        start: Values of the weights; None for what the layer's initializer gives.

    Returns:
        A model from `(batch, 0)` to `(batch, 1)`, in hartree.
    """
    model = keras.Sequential([keras.Input((0,), dtype=dtype), layer])
    if start is not None and layer.circuit_weights is not None:
        layer.circuit_weights.assign(np.asarray(start, dtype))
    return model


class Energies(keras.callbacks.Callback):
    """Keeps the energy of each step, and ends the training once it has stopped falling.

    Args:
        features: What the model is called on, to compute its energy in its own precision; None to
            take Keras's loss, which is what shots give.
        tolerance: By how much an energy must be below the lowest before, in hartree.
        patience: The number of steps without one after which the training ends.
    """

    def __init__(self, features: Any, tolerance: float, patience: int = PATIENCE) -> None:
        super().__init__()
        self.features = features
        self.tolerance = tolerance
        self.patience = patience
        self.energies: list[float] = []
        self._reached = float("inf")
        self._since = 0
        self._weights: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Notes the energy of the start."""
        if self.features is not None:
            self._note(energy_of(self.model, self.features))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Notes the energy after a step; of shots, that which the step began with."""
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        if self.features is None:
            self._note(float((logs or {})["loss"]))
            self.model.reset_metrics()  # else the next would be a mean with this one
            return
        self._note(energy_of(self.model, self.features))
        if self._since >= self.patience:
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        """Puts back the weights with the lowest exact energy."""
        if self._weights is not None:
            self.model.set_weights(self._weights)

    def _note(self, energy: float) -> None:
        self.energies.append(energy)
        if not np.isfinite(energy):
            self.model.stop_training = True
        if energy < self._reached - self.tolerance:
            self._reached, self._since = energy, 0
        else:
            self._since += 1
        if self.features is not None and energy <= min(self.energies):
            self._weights = self.model.get_weights()


def energy_of(model: keras.Model, features: Any) -> float:
    """Returns the energy that a model computes now, in hartree."""
    return float(ops.convert_to_numpy(model(features))[0, 0])


def train(
    model: keras.Model,
    optimizer: Any,
    *,
    steps: int,
    tolerance: float,
    exact: bool,
    dtype: str,
    callbacks: Sequence[Any] = (),
) -> np.ndarray:
    """Trains a model of an energy with `fit`, in one epoch.

    Args:
        model: A model without features.
        optimizer: A Keras optimizer, or its name.
        steps: The most steps.
        tolerance: In hartree: a training ends after 30 steps that lower the energy by less.
        exact: Whether energies are exact, not estimated from shots, for which nothing ends it.
        dtype: The model's precision.
        callbacks: Further callbacks of `fit`.

    Returns:
        Energies in hartree: before each step, and where they are exact also after the last.

    Raises:
        ValueError: If `steps` or `tolerance` is not what it must be.
    """
    positive_int("steps", steps)
    if finite_number("tolerance", tolerance) < 0:
        raise ArgumentError("tolerance", "be at least 0", tolerance)
    x = no_features(dtype)
    if not model.trainable_variables:
        return np.array([energy_of(model, x)])
    watcher = Energies(x if exact else None, tolerance)
    model.compile(optimizer=optimizer, loss=energy_loss)
    many = np.repeat(x, steps, axis=0)
    every = [watcher, *callbacks]
    model.fit(many, np.zeros((steps, 1)), batch_size=1, shuffle=False, verbose=0, callbacks=every)
    return np.array(watcher.energies)
