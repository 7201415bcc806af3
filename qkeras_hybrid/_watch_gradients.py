"""A callback that watches the gradient of each layer, and warns of a barren plateau."""

from __future__ import annotations

import math
import warnings
from typing import Any

import keras
import numpy as np

from qkeras_hybrid._checks import finite_number, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._gradients_of import loss_and_gradients
from qkeras_hybrid.diagnostics.figures import new_figure, style
from qkeras_hybrid.layers.base import QuantumLayer

_FALLEN = 0.01
"""The fraction of its first value by which the loss must fall to count as progress."""


class WatchGradients(keras.callbacks.Callback):
    """Watches the gradient norm of each layer's weights, and warns of a barren plateau.

    `History` has each norm as "gradient_norm/NAME", with the layer's name. A quantum layer counts
    as on a barren plateau if its gradient is small and the loss has not fallen. So a small gradient
    after successful training gives no warning. But training that resumes from a trained model looks
    like a plateau.

    Args:
        x: Some inputs, for example a batch of the training data.
        y: Their targets.
        threshold: A gradient is small if the root mean square of the circuit's derivatives is below
            this.
        patience: The number of small gradients in a row that gives a warning.
        stop: Whether to also end the training.
        every: The number of epochs between checks. Each costs a training step on `x`.

    Attributes:
        message: The warning; None if there was none.
        norms: The norms of the last training, by the layer's name.

    Raises:
        ValueError: If a number is invalid.

    Reference:
        McClean, Boixo, Smelyanskiy, Babbush, Neven: Barren plateaus in quantum neural network
        training landscapes, Nature Communications 9, 4812 (2018), arXiv 1803.11173.

    Example:

    >>> x, y = np.random.default_rng(0).normal(size=(8, 2)), np.zeros((8, 1))
    >>> layer = PQCDense(1, n_qubits=2, name="circuit")
    >>> model = keras.Sequential([keras.Input((2,)), layer])
    >>> model.compile("sgd", "mse")
    >>> watch = qh.callbacks.WatchGradients(x, y, stop=True)
    >>> history = model.fit(x, y, epochs=2, verbose=0, callbacks=[watch])
    >>> len(history.history["gradient_norm/circuit"])
    2
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        *,
        threshold: float = 1e-4,
        patience: int = 3,
        stop: bool = False,
        every: int = 1,
    ) -> None:
        super().__init__()
        self.x, self.y = x, y
        self.threshold = finite_number("threshold", threshold)
        if self.threshold <= 0:
            raise ArgumentError("threshold", "be above 0", threshold)
        self.patience = positive_int("patience", patience)
        self.stop = bool(stop)
        self.every = positive_int("every", every)
        self.message: str | None = None
        self.norms: dict[str, list[float]] = {}
        self._first: float | None = None
        self._small: dict[str, int] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Forgets the norms of an earlier training."""
        self.message, self._first, self._small, self.norms = None, None, {}, {}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Records the loss before the first step."""
        if self._first is None:
            self._first = self.measured()[0]

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Measures the gradients."""
        if (epoch + 1) % self.every:
            return
        loss, norms = self.measured()
        for layer, norm in norms:
            self.norms.setdefault(layer.name, []).append(norm)
        if logs is not None:
            logs.update({f"gradient_norm/{layer.name}": norm for layer, norm in norms})
        if not math.isfinite(loss):
            self._say(f"The loss is {loss}: there is no gradient to follow.")
            return
        stuck = self._first is not None and self._first - loss <= _FALLEN * abs(self._first)
        for layer, norm in norms:
            if isinstance(layer, QuantumLayer):
                self._judge(layer, norm / math.sqrt(_size(layer)), stuck)

    def plot(self) -> Any:
        """Returns a Matplotlib figure: the norms of the last training by epoch."""
        figure, axes = new_figure("Gradient of each layer", "epoch", "norm of the gradient")
        for number, (name, norms) in enumerate(self.norms.items()):
            epochs = self.every * np.arange(1, len(norms) + 1)
            axes.plot(epochs, norms, label=name, markersize=3, **style(number))
        axes.set_yscale("log")
        if self.norms:
            axes.legend(frameon=False)
        return figure

    def measured(self) -> tuple[float, list[tuple[Any, float]]]:
        """Returns the loss, and for each layer the gradient norm of its own weights."""
        model: Any = self.model
        layers = [
            layer
            for layer in model._flatten_layers(include_self=True, recursive=True)
            if _own(layer)
        ]
        variables = [variable for layer in layers for variable in _own(layer)]
        loss, gradients = loss_and_gradients(model, self.x, self.y, variables)
        squares = iter(float(np.sum(np.square(gradient))) for gradient in gradients)
        return loss, [
            (layer, math.sqrt(sum(next(squares) for _ in _own(layer)))) for layer in layers
        ]

    def _judge(self, layer: Any, size: float, stuck: bool) -> None:
        small = stuck and size < self.threshold
        self._small[layer.name] = self._small.get(layer.name, 0) + 1 if small else 0
        if self._small[layer.name] < self.patience:
            return
        self._say(
            f"Layer {layer.name!r} is on a barren plateau: the derivatives with respect to its "
            f"weights have the root mean square {size:.1e}, and the loss has not fallen. Use fewer "
            "layers or qubits, observables of single qubits, or weights that start near zero "
            "(SmallAngles). qkeras_hybrid.diagnostics.gradient_sweep shows what helps."
        )

    def _say(self, message: str) -> None:
        """Warns once per training, and ends it if `stop` is set."""
        if self.message is None:
            self.message = message
            warnings.warn(message, stacklevel=2)
        if self.stop:
            model: Any = self.model
            model.stop_training = True


def _own(layer: Any) -> list[Any]:
    """Returns a layer's own trainable variables."""
    return [v for v in layer._trainable_variables if v.trainable] if layer.trainable else []


def _size(layer: Any) -> int:
    return sum(int(np.prod(variable.shape)) for variable in _own(layer))
