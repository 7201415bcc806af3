"""A callback that raises the shots when their noise hides the gradient."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from qkeras_hybrid._checks import finite_number, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._gradients_of import loss_and_gradients
from qkeras_hybrid.layers import set_engine
from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.layers.switching import quantum_layers


class RaiseShots(keras.callbacks.Callback):
    """Raises the shots of a model's quantum layers when shot noise hides the gradient.

    After each epoch it estimates the loss's gradient several times on the same data, so the
    estimates differ only by the shots. With `g` their mean, `v` the sum of their variances and `n`
    their number, the squared norm of the true gradient is about `|g|**2 - v / n`. If that is below
    `threshold * v`, a step is mostly noise, and all layers get `factor` times as many shots.
    `History` holds the number of shots (the largest, if layers differ) as "shots".

    Args:
        x: Some inputs, for example a batch of the training data.
        y: Their targets.
        factor: The factor by which the shots grow, above 1.
        most: The largest number of shots.
        threshold: The smallest ratio of signal to noise at which the shots stay as they are.
        repeats: How often the gradient is estimated, at least 2. Each costs the circuits of one
            training step on `x`.
        every: The number of epochs between checks.

    Raises:
        ValueError: If a number is invalid; in `fit`, if no layer has shots.

    Reference:
        Byrd, Chin, Nocedal, Wu: Sample size selection in optimization methods for machine
        learning, Math. Program. 134, 127 (2012): the norm test.

    Example:

    >>> x, y = np.random.default_rng(0).normal(size=(8, 2)), np.zeros((8, 1))
    >>> model = keras.Sequential([keras.Input((2,)), PQCDense(1, n_qubits=2, shots=2, seed=1)])
    >>> model.compile("sgd", "mse")
    >>> raising = qh.callbacks.RaiseShots(x, y, factor=4, threshold=100.0)
    >>> history = model.fit(x, y, epochs=2, verbose=0, callbacks=[raising])
    >>> history.history["shots"], model.layers[0].shots
    ([2, 8], 32)
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        *,
        factor: float = 2.0,
        most: int = 100_000,
        threshold: float = 1.0,
        repeats: int = 4,
        every: int = 1,
    ) -> None:
        super().__init__()
        self.x, self.y = x, y
        self.factor = finite_number("factor", factor)
        if self.factor <= 1:
            raise ArgumentError("factor", "be above 1", factor)
        self.most = positive_int("most", most)
        self.threshold = finite_number("threshold", threshold)
        if self.threshold <= 0:
            raise ArgumentError("threshold", "be above 0", threshold)
        self.repeats = positive_int("repeats", repeats)
        if self.repeats < 2:
            raise ArgumentError("repeats", "be at least 2", repeats)
        self.every = positive_int("every", every)

    def on_train_begin(self, logs: Any = None) -> None:
        """Checks that there are shots to raise.

        Raises:
            ValueError: If no quantum layer of the model has shots.
        """
        if not self._layers():
            raise ValueError(
                "RaiseShots needs a quantum layer with shots. Give one `shots`, or call "
                "qkeras_hybrid.set_engine(model, engine, shots=...)."
            )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measures the gradient, and raises the shots if it is mostly noise."""
        layers = self._layers()
        if logs is not None:
            logs["shots"] = max(_shots(layer) for layer in layers)
        if (epoch + 1) % self.every or all(_shots(layer) >= self.most for layer in layers):
            return
        signal, noise = self.measured()
        if signal >= self.threshold * noise:
            return
        for layer in layers:
            raised = min(self.most, math.ceil(self.factor * _shots(layer)))
            set_engine(layer, layer.engine_given, shots=max(raised, _shots(layer)))
        # Keras would keep using the functions that it compiled with fewer shots.
        model: Any = self.model
        model.make_train_function(force=True)
        model.test_function = model.predict_function = None

    def measured(self) -> tuple[float, float]:
        """Returns the gradient's squared norm, corrected for noise, and the noise's variance."""
        model: Any = self.model
        variables = [variable for layer in self._layers() for variable in layer.trainable_variables]
        if not variables:  # an encoding without weights: layers before it train
            variables = list(model.trainable_variables)
        estimates = []
        for _ in range(self.repeats):
            # A stateless scope discards changes of the seeds, so they are advanced here.
            for layer in self._layers():
                layer.draw_seed()
            _, gradients = loss_and_gradients(model, self.x, self.y, variables)
            estimates.append(np.concatenate([np.ravel(each) for each in gradients]))
        noise = float(np.sum(np.var(estimates, axis=0, ddof=1)))
        mean = float(np.sum(np.square(np.mean(estimates, axis=0))))
        return max(0.0, mean - noise / self.repeats), noise

    def _layers(self) -> list[QuantumLayer]:
        return [layer for layer in quantum_layers(self.model) if _shots(layer)]


def _shots(layer: QuantumLayer) -> int:
    return layer.all_shots or 0
