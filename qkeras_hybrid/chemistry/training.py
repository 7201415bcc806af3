"""Energies as Keras models without features, trained with `fit`; the loss is the energy.

A molecule's energy is a large constant, the coefficient of the identity, plus a smaller sum that a
circuit measures. In float32, adding the constant would lose the last digits of the sum. So circuits
compute only the sum, a last layer adds the constant, and reported energies are summed in float64 on
the host.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid import engines
from qkeras_hybrid._checks import check_fits, finite_number, positive_int
from qkeras_hybrid._device import double_precision, has_float64
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.chemistry.electrons import Electrons
from qkeras_hybrid.layers import PQC
from qkeras_hybrid.layers.switching import quantum_layers

PATIENCE = 30
"""A training ends after this many steps without a lower energy."""


@keras.saving.register_keras_serializable(package="qkeras_hybrid")  # type: ignore[untyped-decorator]
def energy_loss(target: Any, predicted: Any) -> Any:
    """A Keras loss that returns the predicted energies themselves, so `fit` minimises them."""
    return ops.sum(predicted, axis=-1)


def precision(dtype: str | None) -> str:
    """Returns the precision of energies: by default float64 if the Keras backend has it.

    Raises:
        ValueError: If it is not None, "float64" or "float32".
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
    """Returns the layer that computes the energy of a circuit's state without the constant.

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
        [electrons.without_constant],
        qubits=electrons.qubits,
        dtype=dtype,
        name="energy",
        **own,
        **options,
    )


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class PlusConstant(keras.layers.Layer):
    """Adds a number to its input.

    Args:
        value: The number.
        **kwargs: Keras's `name`, `dtype`, `trainable`.
    """

    def __init__(self, value: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value = float(value)

    def call(self, inputs: Any) -> Any:
        """Returns the sum, of the input's shape."""
        return inputs + ops.convert_to_tensor(np.asarray(self.value), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {**super().get_config(), "value": self.value}


def constant_of(electrons: Electrons, dtype: str) -> PlusConstant:
    """Returns the layer that adds the constant to the output of `energy_layer`."""
    return PlusConstant(electrons.constant, dtype=dtype, name="constant")


def energy_model(electrons: Electrons, layer: PQC, dtype: str, start: Any = None) -> keras.Model:
    """Returns a model without features whose output is the energy of a circuit's state.

    Args:
        electrons: The electrons.
        layer: A layer from `energy_layer` with `inputs=[]`.
        dtype: "float64" or "float32".
        start: Initial weights in radians; None to use the layer's initializer.

    Returns:
        A model from `(batch, 0)` to `(batch, 1)`, in hartree.
    """
    model = keras.Sequential([keras.Input((0,), dtype=dtype), layer, constant_of(electrons, dtype)])
    if start is not None and layer.circuit_weights is not None:
        layer.circuit_weights.assign(np.asarray(start, dtype))
    return model


class Energies(keras.callbacks.Callback):
    """Records the energy of each step, and ends the training once the energy stops falling.

    Args:
        read: A function that returns the model's current exact energy; None takes Keras's loss, for
            energies that are estimated. Then `patience` does not apply.
        tolerance: How far, in hartree, an energy must be below the last one that counted as lower,
            to count as lower.
        patience: The training ends after this many steps without a lower energy.
    """

    def __init__(
        self, read: Callable[[], float] | None, tolerance: float, patience: int = PATIENCE
    ) -> None:
        super().__init__()
        self.read = read
        self.tolerance = tolerance
        self.patience = patience
        self.energies: list[float] = []
        self._reached = float("inf")
        self._since = 0
        self._weights: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Records the energy at the start."""
        if self.read is not None:
            self._note(self.read())

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Records the energy after a step; if energies are estimated, the one before the step."""
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        if self.read is None:
            self._note(float((logs or {})["loss"]))
            self.model.reset_metrics()  # else the next loss would be averaged with this one
            return
        self._note(self.read())
        if self._since >= self.patience:
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        """Restores the weights with the lowest energy, if energies are exact."""
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
        if self.read is not None and energy <= min(self.energies):
            self._weights = self.model.get_weights()


def reader(model: keras.Model, features: Any) -> Callable[[], float]:
    """Returns a function that computes a model's current energy, in hartree.

    Args:
        model: A model whose last layer is that of `constant_of`.
        features: One sample.
    """
    last = model.get_layer("constant")
    measured = keras.Model(model.inputs[0], last.input)
    return lambda: float(ops.convert_to_numpy(measured(features))[0, 0]) + last.value


def is_exact(layer: Any) -> bool:
    """Returns whether a built layer's values are exact, not means of shots or random runs."""
    return layer.all_shots is None and layer.engine.repetitions is None


def values_in_double(layer: PQC, inputs: np.ndarray) -> np.ndarray:
    """Returns a layer's outputs, computed in float64 if they are exact and the engine can.

    Args:
        layer: A built layer whose features are its circuit's inputs.
        inputs: Of shape `(batch, n_inputs)`, in radians.

    Returns:
        Array of shape `(batch, n_observables)`, float64.
    """
    if layer.compute_dtype != "float64" and is_exact(layer):
        weights = np.array(list(layer.symbol_values().values()), "float64")
        with double_precision():
            job = layer.compiled.job("float64", noise=layer.noise, gradient=False)
            assert layer.engine is not None
            if engines.refusal(job, layer.engine) is None:
                run = engines.prepare(job, layer.engine)
                given = (ops.convert_to_tensor(each, "float64") for each in (inputs, weights))
                return np.asarray(ops.convert_to_numpy(run(*given)), "float64")
    found = layer(ops.convert_to_tensor(inputs, layer.compute_dtype))
    return np.asarray(ops.convert_to_numpy(found), "float64")


def train(
    model: keras.Model,
    optimizer: Any,
    *,
    steps: int,
    tolerance: float,
    dtype: str,
    callbacks: Sequence[Any] = (),
) -> np.ndarray:
    """Trains a model of an energy with `fit`, in one epoch.

    Args:
        model: A model without features, whose last layer is that of `constant_of`.
        optimizer: A Keras optimizer, or its name.
        steps: The largest number of steps.
        tolerance: In hartree: the training ends when the energy has not fallen by more than this
            for 30 steps. If energies are estimated, from shots or random runs, it takes all steps.
        dtype: The model's precision.
        callbacks: Further callbacks of `fit`.

    Returns:
        Energies in hartree: before each step, and if they are exact also after the last step.

    Raises:
        ValueError: If `steps` or `tolerance` is invalid.
    """
    check_fits("steps", f"{positive_int('steps', steps):,} steps", 16.0 * steps, "Use fewer.")
    if finite_number("tolerance", tolerance) < 0:
        raise ArgumentError("tolerance", "be at least 0", tolerance)
    x = no_features(dtype)
    read = reader(model, x)
    if not model.trainable_variables:
        return np.array([read()])
    exact = all(map(is_exact, quantum_layers(model)))
    watcher = Energies(read if exact else None, tolerance)
    model.compile(optimizer=optimizer, loss=energy_loss)
    many = np.repeat(x, steps, axis=0)
    every = [watcher, *callbacks]
    model.fit(many, np.zeros((steps, 1)), batch_size=1, shuffle=False, verbose=0, callbacks=every)
    return np.array(watcher.energies)
