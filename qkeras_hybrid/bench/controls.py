"""Controls: what a hybrid model is held against, derived from the model itself.

A control is a function from a hybrid model to a new, untrained model with the same inputs and
outputs, so that what is done for our models works for any model with our layers in it. A
control that can't be made of a model, or would be the model itself, raises
`DoesNotApplyError` with the reason.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.bench.derived import (
    DoesNotApplyError,
    FourierFeatures,
    WithoutEntanglement,
    entangling,
    fresh,
)
from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.readouts import Probabilities

TOLERANCE = 0.05
"""How far a control's parameter count may lie from the hybrid's, as a share of the latter."""


# The controls.


def same_parameters(hybrid: keras.Model) -> keras.Model:
    """Returns a Dense network with the hybrid's number of trainable parameters.

    It has one hidden layer if some width brings it within 5 %, else two, with tanh; its output
    layer has the hybrid's last activation. Where nothing comes within 5 %, it is the network
    that comes closest; compare `trainable_parameters` to see by how much it misses. Inputs of
    more axes are flattened, several inputs flattened and joined. Frozen layers at the beginning
    of a Sequential model stay in front, with their weights: what is matched is what trains.

    Args:
        hybrid: A built Sequential or functional model with a quantum layer in it.

    Raises:
        DoesNotApplyError: If the model has several outputs, an axis of unknown length, or
            nothing that trains.
        ValueError: If the model has no quantum layer.
    """
    _require_quantum(hybrid)
    if len(hybrid.outputs) != 1:
        raise DoesNotApplyError(
            f"The model has {len(hybrid.outputs)} outputs, and a Dense network one."
        )
    target = trainable_parameters(hybrid)
    if not target:
        raise DoesNotApplyError("Nothing trains in the model: there is no count to match.")
    copies = _Copies(fresh)
    trunk = [copies(layer) for layer in _frozen_trunk(hybrid)]
    # On new inputs, so that all that follows has a shape.
    inputs = keras.tree.map_structure(
        lambda tensor: keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name),
        hybrid.inputs[0] if isinstance(hybrid, keras.Sequential) else hybrid.input,
    )
    tensors = keras.tree.flatten(inputs)
    for layer in trunk:
        tensors = [layer(tensors[0])]
    shape = hybrid.outputs[0].shape[1:]
    n_features, n_outputs = sum(_size(tensor.shape[1:]) for tensor in tensors), _size(shape)
    if any(len(tensor.shape) != 2 for tensor in tensors):
        tensors = [keras.layers.Flatten()(tensor) for tensor in tensors]
    x = tensors[0] if len(tensors) == 1 else keras.layers.Concatenate()(tensors)
    for width in dense_widths(target, n_features, n_outputs):
        x = keras.layers.Dense(width, activation="tanh")(x)
    activation = _last_activation(hybrid)
    if len(shape) == 1:
        x = keras.layers.Dense(n_outputs, activation=activation)(x)
    else:
        x = keras.layers.Reshape(shape)(keras.layers.Dense(n_outputs)(x))
        x = keras.layers.Activation(activation)(x)
    copies.carry_weights()
    return keras.Model(inputs, x)


def same_width(hybrid: keras.Model) -> keras.Model:
    """Returns the hybrid with a Dense layer of the same width in place of each quantum layer.

    The Dense layer has tanh for its activation: its outputs lie between -1 and 1, as
    expectation values do; or softmax in place of probabilities. The other layers start from the
    hybrid's weights.

    Raises:
        DoesNotApplyError: If a quantum layer returns states or circuits, or is out of reach.
        ValueError: If the model has no quantum layer.
    """

    def twin(layer: QuantumLayer) -> keras.Layer:
        width, activation = _width(layer), layer.readout.activation
        return keras.layers.Dense(
            width, activation=activation, name=layer.name, dtype=layer.dtype_policy
        )

    return _replaced(hybrid, twin)


def linear(hybrid: keras.Model) -> keras.Model:
    """Returns the hybrid with nothing, or a linear map, in place of each quantum layer.

    Where a quantum layer has as many outputs as features, they pass as they are (`Identity`);
    else a Dense layer without an activation stands in its place. The other layers start from
    the hybrid's weights.

    Raises:
        DoesNotApplyError: If a quantum layer returns states or circuits, or is out of reach.
        ValueError: If the model has no quantum layer.
    """

    def straight(layer: QuantumLayer) -> keras.Layer:
        if _n_features(layer) == _width(layer):
            return keras.layers.Identity(name=layer.name, dtype=layer.dtype_policy.name)
        return keras.layers.Dense(_width(layer), name=layer.name, dtype=layer.dtype_policy)

    return _replaced(hybrid, straight)


def frozen_circuit(hybrid: keras.Model) -> keras.Model:
    """Returns the hybrid with random circuits that don't train.

    The circuits' weights are uniform in [-pi, pi], drawn from Keras's seed
    (`keras.utils.set_random_seed`); groups of weights that don't train stay as they are. The
    other layers start from the hybrid's weights, and train.

    Raises:
        DoesNotApplyError: If the circuits have no weights that train: it would be the hybrid.
        ValueError: If the model has no quantum layer.
    """
    _require_quantum(hybrid)
    trained = [layer for layer in quantum_layers(hybrid) if layer.trainable_variables]
    if not trained:
        raise DoesNotApplyError("The circuits have no weights that train: they are frozen already.")

    def frozen(layer: QuantumLayer) -> keras.Layer:
        return fresh(layer, **({"trainable": False} if layer.trainable_variables else {}))

    def draw(layer: QuantumLayer, new: keras.Layer) -> None:
        values = layer.symbol_values()
        if layer.trainable_variables:
            uniform = keras.initializers.RandomUniform(-math.pi, math.pi)
            drawn = ops.convert_to_numpy(uniform((len(values),), dtype=layer.variable_dtype))
            kept = {s for g in layer.weight_groups.values() if not g.trainable for s in g.symbols}
            new_values = zip(values, drawn.tolist(), strict=True)
            values |= {name: value for name, value in new_values if name not in kept}
        new.assign_symbol_values(values)

    return _replaced(hybrid, frozen, draw)


def no_entanglement(hybrid: keras.Model) -> keras.Model:
    """Returns the hybrid with the entangling gates of its circuits removed.

    See `WithoutEntanglement` for what is removed and what stays. All that stays starts from the
    hybrid's weights.

    Raises:
        DoesNotApplyError: If no circuit has a gate on two or more qubits, or a quantum layer is
            out of reach.
        ValueError: If the model has no quantum layer.
    """
    _require_quantum(hybrid)
    if not any(entangling(layer.compiled) for layer in quantum_layers(hybrid)):
        raise DoesNotApplyError(
            "No circuit has a gate on two or more qubits: without entanglement it is the same."
        )

    def apart(layer: QuantumLayer) -> keras.Layer:
        return WithoutEntanglement(layer) if entangling(layer.compiled) else fresh(layer)

    def carry(layer: QuantumLayer, new: keras.Layer) -> None:
        values = layer.symbol_values()
        new.assign_symbol_values({symbol: values[symbol.name] for symbol in new.symbols})

    return _replaced(hybrid, apart, carry)


def fourier_features(hybrid: keras.Model) -> keras.Model:
    """Returns the hybrid with `FourierFeatures` in place of each quantum layer.

    The other layers start from the hybrid's weights.

    Raises:
        DoesNotApplyError: If an angle is not affine in a circuit's inputs, a result does not
            depend on the inputs, or a quantum layer returns states or circuits, or is out of
            reach.
        ValueError: If the model has no quantum layer.
    """

    def waves(layer: QuantumLayer) -> keras.Layer:
        _width(layer)
        return FourierFeatures(layer, name=layer.name, dtype=layer.dtype_policy)

    return _replaced(hybrid, waves)


CONTROLS: dict[str, Callable[[keras.Model], keras.Model]] = {
    "dense_same_parameters": same_parameters,
    "dense_same_width": same_width,
    "linear": linear,
    "frozen_circuit": frozen_circuit,
    "no_entanglement": no_entanglement,
    "fourier_features": fourier_features,
}
"""The controls by name; each makes a new model from a hybrid one."""


def controls_for(hybrid: keras.Model) -> dict[str, keras.Model]:
    """Builds every control that applies to a hybrid model.

    Args:
        hybrid: A built Sequential or functional model with a quantum layer in it: several of
            them too, and in nested models and wrappers such as `TimeDistributed`.

    Returns:
        New, untrained models by the control's name. `inapplicable` says why others are missing.

    Raises:
        ValueError: If the model has no quantum layer.

    Example:

    >>> hybrid = keras.Sequential([
    ...     keras.Input((4,)), keras.layers.Dense(2), PQCDense(2), keras.layers.Dense(3)
    ... ])
    >>> for name, model in controls_for(hybrid).items():
    ...     print(name, trainable_parameters(model))
    dense_same_parameters 31
    dense_same_width 25
    linear 19
    frozen_circuit 19
    no_entanglement 31
    fourier_features 29
    """
    return _derived(hybrid)[0]


def inapplicable(hybrid: keras.Model) -> dict[str, str]:
    """Returns why controls don't apply to a model, by the name of each that does not.

    Args:
        hybrid: As for `controls_for`.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), QuantumEmbedding(2), keras.layers.Dense(1)])
    >>> inapplicable(model)
    {'frozen_circuit': 'The circuits have no weights that train: they are frozen already.'}
    """
    return _derived(hybrid)[1]


def _derived(hybrid: keras.Model) -> tuple[dict[str, keras.Model], dict[str, str]]:
    made: dict[str, keras.Model] = {}
    reasons: dict[str, str] = {}
    for name, make in CONTROLS.items():
        try:
            made[name] = make(hybrid)
        except DoesNotApplyError as error:
            reasons[name] = str(error)
    return made, reasons


# What users of this module ask of a model.


def quantum_layers(model: keras.Model) -> list[QuantumLayer]:
    """Returns the layers of a model that compute a circuit, however deep they sit in it."""
    # Keras has no public way into layers that hold layers.
    return [
        layer
        for layer in model._flatten_layers(include_self=False)
        if isinstance(layer, QuantumLayer)
    ]


def trainable_parameters(model: keras.Model) -> int:
    """Counts the trainable parameters of a built model."""
    return sum(int(ops.size(weight)) for weight in model.trainable_variables)


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
    """Returns a model's layers in a line, e.g. `"Dense(4, tanh) > Dense(10, softmax)"`.

    Layers that hold others show them in brackets; layers with weights that don't train are
    "frozen".
    """
    return " > ".join(
        _describe_layer(layer)
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    )


def _describe_layer(layer: keras.Layer) -> str:
    if isinstance(layer, keras.Model):
        return f"{type(layer).__name__}({describe(layer)})"
    if isinstance(layer, keras.layers.Wrapper):
        return f"{type(layer).__name__}({_describe_layer(layer.layer)})"
    if isinstance(layer, WithoutEntanglement):
        return f"WithoutEntanglement({_describe_layer(layer._like.layer)})"
    parts = [str(layer.units)] if hasattr(layer, "units") else []
    if isinstance(layer, keras.layers.Dense):
        parts.append(keras.activations.serialize(layer.activation))
    if isinstance(layer, FourierFeatures) and layer.built:
        parts.append(f"{len(layer.frequencies)} frequencies")
    if layer.weights and not layer.trainable:
        parts.append("frozen")
    kind = type(layer).__name__
    return f"{kind}({', '.join(parts)})" if parts else kind


def engine_name(model: keras.Model) -> str | None:
    """Returns the name of the engine of a model's quantum layers, None if it has no such layer."""
    found = {layer.engine.name for layer in quantum_layers(model) if layer.engine is not None}
    return ", ".join(sorted(found)) or None


# How models are taken apart and put together again.


class _Copies:
    """Copies layers, with other layers in the place of quantum layers."""

    def __init__(self, make: Callable[[QuantumLayer], keras.Layer]) -> None:
        self.make = make
        self.pairs: list[tuple[keras.Layer, keras.Layer]] = []
        self.quantum: list[tuple[QuantumLayer, keras.Layer]] = []

    def __call__(self, layer: keras.Layer) -> keras.Layer:
        if isinstance(layer, QuantumLayer):
            made = self.make(layer)
            self.quantum.append((layer, made))
            return made
        if not isinstance(layer, keras.Layer):  # a function of `keras.ops` in the graph
            return fresh(layer)
        if not quantum_layers(layer):
            copy = fresh(layer)
            self.pairs.append((layer, copy))
            return copy
        if _is_graph(layer):
            return keras.models.clone_model(layer, clone_function=self)
        if isinstance(layer, keras.layers.Wrapper) and isinstance(layer.layer, keras.Layer):
            config = layer.get_config()
            del config["layer"]
            return type(layer)(self(layer.layer), **config)
        raise DoesNotApplyError(
            f"The quantum layer in layer {layer.name!r} ({type(layer).__name__}) is out of reach: "
            "it can be replaced in Sequential and functional models, nested too, and in wrappers "
            "such as TimeDistributed. Build the model of these."
        )

    def carry_weights(self) -> None:
        """Gives the copies, once they are built, the weights of what they are copies of."""
        for layer, copy in self.pairs:
            if layer.weights:
                copy.set_weights(layer.get_weights())


def _replaced(
    hybrid: keras.Model,
    make: Callable[[QuantumLayer], keras.Layer],
    then: Callable[[QuantumLayer, keras.Layer], None] = lambda layer, made: None,
) -> keras.Model:
    """Copies a model with other layers in place of its quantum layers.

    Args:
        hybrid: The model.
        make: Makes the new layer.
        then: Called with each quantum layer and what took its place, once that is built.
    """
    _require_quantum(hybrid)
    copies = _Copies(make)
    model = copies(hybrid)
    copies.carry_weights()
    for layer, made in copies.quantum:
        then(layer, made)
    return model


def _is_graph(layer: keras.Layer) -> bool:
    # Functional models are graphs of operations; their class has no public name.
    return isinstance(layer, keras.Sequential) or (
        isinstance(layer, keras.Model) and hasattr(layer, "operations")
    )


def _require_quantum(model: keras.Model) -> None:
    if not _is_graph(model) or not model.built:
        raise ArgumentError(
            "hybrid",
            "be a Sequential or functional model that is built",
            model,
            "Begin it with keras.Input.",
        )
    if not quantum_layers(model):
        raise ArgumentError("hybrid", "have a quantum layer in it", describe(model))


def _frozen_trunk(model: keras.Model) -> list[keras.Layer]:
    """Returns the layers at the beginning of a Sequential model up to the last frozen one."""
    if not isinstance(model, keras.Sequential):
        return []
    before = list(
        itertools.takewhile(
            lambda layer: not layer.trainable_variables and not _holds_quantum(layer),
            model.layers,
        )
    )
    while before and not before[-1].weights:
        before.pop()
    return before


def _holds_quantum(layer: keras.Layer) -> bool:
    return isinstance(layer, QuantumLayer) or bool(quantum_layers(layer))


def _width(layer: QuantumLayer) -> int:
    """Returns the number of real values that a built quantum layer returns for a sample."""
    readout = layer.compiled.readout
    if layer.returns_list:
        raise DoesNotApplyError(
            f"Layer {layer.name!r} returns a list of tensors, which no classical layer does."
        )
    if readout.activation is None:
        raise DoesNotApplyError(
            f"Layer {layer.name!r} returns {readout.name}s, which no classical layer does."
        )
    return math.prod(readout.shape(layer.program))


def _n_features(layer: QuantumLayer) -> int:
    return int(layer.get_build_config()["input_shape"][-1])


def _size(shape: Sequence[int | None]) -> int:
    if None in shape:
        raise DoesNotApplyError(f"The shape {tuple(shape)} of a sample has an unknown length.")
    return math.prod(size for size in shape if size is not None)


def _last_activation(model: keras.Model) -> Any:
    layer = model.layers[-1]
    while isinstance(layer, keras.Model) or (
        isinstance(layer, keras.layers.Wrapper) and hasattr(layer, "layer")
    ):
        layer = layer.layers[-1] if isinstance(layer, keras.Model) else layer.layer
    if isinstance(layer, keras.layers.Softmax) or (
        isinstance(layer, QuantumLayer) and layer.readout is Probabilities
    ):
        return "softmax"
    return getattr(layer, "activation", "linear")
