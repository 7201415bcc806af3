"""Hybrid models, and the Dense networks that each is held against.

A control is a function from a hybrid model to a new, untrained model with the same inputs and
outputs, so that what `compare` does for our models works for any model with our layers in it.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras

from qkeras_hybrid._checks import must, one_of, positive_int
from qkeras_hybrid.layers import PQCDense
from qkeras_hybrid.layers.base import QuantumLayer

TOLERANCE = 0.05
"""How far a control's parameter count may lie from the hybrid's, as a share of the latter."""


def pqc_dense(
    n_features: int,
    n_classes: int,
    *,
    n_qubits: int = 6,
    n_layers: int = 3,
    encoding: str = "angle",
    ansatz: str = "strongly_entangling",
    engine: str = "auto",
) -> keras.Model:
    """Builds a circuit dressed in two Dense layers, after Mari et al. 2020.

    `Dense(n_qubits, "tanh")`, times pi/2, then `PQCDense(n_qubits)`, then
    `Dense(n_classes, "softmax")`: each qubit gets an angle between -pi/2 and pi/2 radians.

    Args:
        n_features: The width of the inputs.
        n_classes: The number of classes.
        n_qubits: The number of qubits, which is also the width of the layers around them.
        n_layers: The number of layers of the ansatz.
        encoding: The name of an encoding.
        ansatz: The name of an ansatz.
        engine: The name of an engine, or `"auto"`.

    Returns:
        An untrained model from `(batch, n_features)` to `(batch, n_classes)`.

    Reference:
        A. Mari, T. R. Bromley, J. Izaac, M. Schuld and N. Killoran, Transfer learning in hybrid
        classical-quantum neural networks, Quantum 4, 340, 2020, arXiv 1912.08278.
    """
    return keras.Sequential(
        [
            keras.Input((n_features,)),
            keras.layers.Dense(n_qubits, activation="tanh"),
            keras.layers.Rescaling(math.pi / 2),
            PQCDense(
                n_qubits,
                n_qubits=n_qubits,
                n_layers=n_layers,
                encoding=encoding,
                ansatz=ansatz,
                engine=engine,
            ),
            keras.layers.Dense(n_classes, activation="softmax"),
        ]
    )


MODELS: dict[str, Callable[..., keras.Model]] = {"pqc_dense": pqc_dense}
"""The hybrid models by name: `builder(n_features, n_classes, **arguments)`."""


def build(model: Mapping[str, Any], n_features: int, n_classes: int) -> keras.Model:
    """Builds a hybrid model from its name and arguments.

    Args:
        model: The `"name"` of an entry of `MODELS` and the arguments of its builder.
        n_features: The width of the inputs.
        n_classes: The number of classes.

    Raises:
        ValueError: If the name or an argument is unknown, or the builder refuses a value.
    """
    arguments = dict(model)
    builder = MODELS[one_of("model", arguments.pop("name"), MODELS)]
    known = [
        p.name for p in inspect.signature(builder).parameters.values() if p.kind == p.KEYWORD_ONLY
    ]
    for name in arguments:
        one_of("model", name, known)
    return builder(n_features, n_classes, **arguments)


def quantum_layers(model: keras.Model) -> list[QuantumLayer]:
    """Returns the layers of a model that compute a circuit."""
    return [layer for layer in model.layers if isinstance(layer, QuantumLayer)]


def same_width(hybrid: keras.Model) -> keras.Model:
    """Returns the hybrid with a Dense layer of the same width in place of each quantum layer.

    The Dense layer has tanh for its activation: its outputs lie between -1 and 1, as
    expectation values do. The other layers start from the hybrid's weights.

    Raises:
        ValueError: If the model has no quantum layer.
    """
    _require_quantum(hybrid)

    def twin(layer: keras.Layer) -> keras.Layer:
        if isinstance(layer, QuantumLayer):
            return keras.layers.Dense(layer.output.shape[-1], activation="tanh", name=layer.name)
        return type(layer).from_config(layer.get_config())

    model = keras.models.clone_model(hybrid, clone_function=twin)
    for layer in hybrid.layers:
        if layer.weights and not isinstance(layer, QuantumLayer):
            model.get_layer(layer.name).set_weights(layer.get_weights())
    return model


def same_parameters(hybrid: keras.Model) -> keras.Model:
    """Returns a Dense network with the hybrid's number of trainable parameters.

    It has one hidden layer if some width brings it within 5 %, else two, with tanh; its output
    layer has the hybrid's last activation. Where nothing comes within 5 %, it is the network
    that comes closest; compare `keras.Model.count_params` to see by how much it misses.

    Args:
        hybrid: A model from `(batch, n_features)` to `(batch, n_outputs)` with a quantum layer.

    Raises:
        ValueError: If the model has no quantum layer, or its inputs are of another rank.
    """
    _require_quantum(hybrid)
    if isinstance(hybrid.input_shape, list) or len(hybrid.input_shape) != 2:
        raise ValueError(
            must("hybrid", "have one input of shape (batch, n_features)", hybrid.input_shape)
        )
    n_features, n_outputs = hybrid.input_shape[-1], hybrid.output_shape[-1]
    widths = dense_widths(trainable_parameters(hybrid), n_features, n_outputs)
    return keras.Sequential(
        [
            keras.Input((n_features,)),
            *(keras.layers.Dense(width, activation="tanh") for width in widths),
            keras.layers.Dense(
                n_outputs, activation=getattr(hybrid.layers[-1], "activation", "linear")
            ),
        ]
    )


CONTROLS: dict[str, Callable[[keras.Model], keras.Model]] = {
    "dense_same_parameters": same_parameters,
    "dense_same_width": same_width,
}
"""The controls by name; each makes a new model from a hybrid one."""


def controls_for(hybrid: keras.Model) -> dict[str, keras.Model]:
    """Builds every control for a hybrid model.

    Args:
        hybrid: A built Sequential or functional model with a quantum layer in it.

    Returns:
        New, untrained models by the control's name.

    Raises:
        ValueError: If the model has no quantum layer.

    Example:
        >>> hybrid = pqc_dense(n_features=4, n_classes=3, n_qubits=2, n_layers=2)
        >>> {name: model.count_params() for name, model in controls_for(hybrid).items()}
        {'dense_same_parameters': 31, 'dense_same_width': 25}
    """
    return {name: make(hybrid) for name, make in CONTROLS.items()}


def trainable_parameters(model: keras.Model) -> int:
    """Counts the trainable parameters of a built model."""
    return sum(int(keras.ops.size(weight)) for weight in model.trainable_variables)


def dense_parameters(widths: tuple[int, ...], n_features: int, n_outputs: int) -> int:
    """Counts the weights and biases of a Dense network with these hidden widths."""
    sizes = (n_features, *widths, n_outputs)
    return sum((before + 1) * after for before, after in itertools.pairwise(sizes))


def dense_widths(target: int, n_features: int, n_outputs: int) -> tuple[int, ...]:
    """Finds the hidden widths of a Dense network with a given number of parameters.

    One hidden layer, if the best width comes within 5 % of the target; else two. Of the pairs
    within 5 %, those without a bottleneck are taken first (the widest narrowest layer), because
    a baseline that squeezes its inputs through two units would lose for that reason alone; of
    these, the closest in count; and of two as close, the larger network. Where no network comes
    within 5 %, it is the closest one with one or two hidden layers.

    Args:
        target: The number of parameters to come close to.
        n_features: The width of the inputs.
        n_outputs: The width of the outputs.

    Returns:
        One or two hidden widths.

    Example:
        >>> dense_widths(682, n_features=64, n_outputs=10)
        (9,)
        >>> dense_widths(346, n_features=64, n_outputs=10)
        (4, 5)
    """
    positive_int("target", target)

    def miss(widths: tuple[int, ...]) -> int:
        return abs(dense_parameters(widths, n_features, n_outputs) - target)

    # A width more adds the same number of parameters each time, so that the count is a straight
    # line in the last hidden width, and the best widths lie beside where it meets the target.
    def candidates(before: tuple[int, ...]) -> list[tuple[int, ...]]:
        at_zero = dense_parameters((*before, 0), n_features, n_outputs)
        slope = dense_parameters((*before, 1), n_features, n_outputs) - at_zero
        below = max(1, (target - at_zero) // slope)
        return [(*before, below), (*before, below + 1)]

    one = min(candidates(()), key=lambda widths: (miss(widths), -widths[0]))
    if miss(one) <= TOLERANCE * target:
        return one
    widest = max(1, target // (n_features + 1))
    pairs = [pair for first in range(1, widest + 1) for pair in candidates((first,))]
    within = [pair for pair in pairs if miss(pair) <= TOLERANCE * target]
    if within:
        return min(
            within,
            key=lambda pair: (
                -min(pair),
                miss(pair),
                -dense_parameters(pair, n_features, n_outputs),
            ),
        )
    return min([one, *pairs], key=miss)


def describe(model: keras.Model) -> str:
    """Returns a model's layers in a line, e.g. `"Dense(4, tanh) > Dense(10, softmax)"`."""
    return " > ".join(_describe_layer(layer) for layer in model.layers)


def _describe_layer(layer: keras.Layer) -> str:
    parts = [str(layer.units)] if hasattr(layer, "units") else []
    if isinstance(layer, keras.layers.Dense):
        parts.append(keras.activations.serialize(layer.activation))
    kind = type(layer).__name__
    return f"{kind}({', '.join(parts)})" if parts else kind


def engine_name(model: keras.Model) -> str | None:
    """Returns the name of the engine of a model's quantum layers, None if it has no such layer."""
    found = {layer.engine.name for layer in quantum_layers(model) if layer.engine is not None}
    return ", ".join(sorted(found)) or None


def _require_quantum(model: keras.Model) -> None:
    if not quantum_layers(model):
        raise ValueError(must("hybrid", "have a quantum layer in it", describe(model)))
