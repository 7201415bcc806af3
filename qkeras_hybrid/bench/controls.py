"""Controls: models that a hybrid model is compared with, derived from the model itself.

A control is a function from a hybrid model to a new, untrained model with the same inputs and
outputs. So there are controls for every model with a quantum layer. If a control can't be made from
a model, or would be the model itself, the function raises `DoesNotApplyError` with the reason.
Controls that keep none of the hybrid's layers are in `dense_controls`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import keras
from keras import ops

from qkeras_hybrid.bench.dense_controls import (
    hashed,
    linear_model,
    low_rank,
    same_activations,
    same_parameters,
)
from qkeras_hybrid.bench.derived import (
    DoesNotApplyError,
    EncodingWithoutEntanglement,
    FourierFeatures,
    RandomFourierFeatures,
    SingleUpload,
    WaveTrain,
    WithoutEntanglement,
    entangling,
    fresh,
    reuploads,
)
from qkeras_hybrid.bench.replacing import n_features, replaced, require_quantum, width
from qkeras_hybrid.layers import QuantumKernel
from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.layers.switching import quantum_layers


def same_width(hybrid: keras.Model) -> keras.Model:
    """Returns the hybrid with a Dense layer of the same width in place of each quantum layer.

    In place of expectation values, the Dense layer has the activation tanh, whose values also lie
    between -1 and 1; in place of probabilities softmax, and in place of a kernel sigmoid. The other
    layers start from the hybrid's weights.

    Raises:
        DoesNotApplyError: If a quantum layer returns states or circuits, or can't be replaced.
        ValueError: If the model has no quantum layer.
    """

    def twin(layer: QuantumLayer) -> keras.Layer:
        units, activation = width(layer), layer.classical_activation
        return keras.layers.Dense(
            units, activation=activation, name=layer.name, dtype=layer.dtype_policy
        )

    return replaced(hybrid, twin)


def linear(hybrid: keras.Model) -> keras.Model:
    """Returns the hybrid with nothing, or a linear map, in place of each quantum layer.

    If a quantum layer has as many outputs as features, its features pass unchanged (`Identity`);
    otherwise a Dense layer without an activation replaces it. The other layers start from the
    hybrid's weights.

    Raises:
        DoesNotApplyError: If a quantum layer returns states or circuits, or can't be replaced.
        ValueError: If the model has no quantum layer.
    """

    def straight(layer: QuantumLayer) -> keras.Layer:
        if n_features(layer) == width(layer):
            return keras.layers.Identity(name=layer.name, dtype=layer.dtype_policy.name)
        return keras.layers.Dense(width(layer), name=layer.name, dtype=layer.dtype_policy)

    return replaced(hybrid, straight)


def frozen_circuit(hybrid: keras.Model) -> keras.Model:
    """Returns the hybrid with random circuits that don't train.

    The circuits' weights are uniform in [-pi, pi], drawn from Keras's seed
    (`keras.utils.set_random_seed`); groups of weights that don't train stay as they are. The
    other layers start from the hybrid's weights, and train.

    Raises:
        DoesNotApplyError: If the circuits have no weights that train: the control would be the
            hybrid.
        ValueError: If the model has no quantum layer.
    """
    require_quantum(hybrid)
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

    return replaced(hybrid, frozen, draw)


def no_entanglement(hybrid: keras.Model) -> keras.Model:
    """Returns the hybrid with the entangling gates of its circuits removed.

    `WithoutEntanglement` describes what is removed and what stays. The weights that stay start from
    the hybrid's.

    Raises:
        DoesNotApplyError: If no circuit has a gate on two or more qubits, or a quantum layer can't
            be replaced.
        ValueError: If the model has no quantum layer.
    """
    require_quantum(hybrid)
    if not any(entangling(layer.compiled) for layer in quantum_layers(hybrid)):
        raise DoesNotApplyError(
            "No circuit has a gate on two or more qubits: there is no entanglement to remove."
        )

    def apart(layer: QuantumLayer) -> keras.Layer:
        if not entangling(layer.compiled):
            return fresh(layer)
        if isinstance(layer, QuantumKernel):
            encoding = keras.saving.serialize_keras_object(
                EncodingWithoutEntanglement(layer.encoding)
            )
            return fresh(layer, encoding=encoding)
        return WithoutEntanglement(layer)

    def carry(layer: QuantumLayer, new: keras.Layer) -> None:
        _carry_symbols(layer, new)
        if isinstance(layer, QuantumKernel):
            new.landmarks.assign(layer.landmarks)
            if layer.log_scale is not None:
                new.log_scale.assign(layer.log_scale)

    return replaced(hybrid, apart, carry)


def single_upload(hybrid: keras.Model) -> keras.Model:
    """Returns the hybrid with circuits in which each input is in one gate only.

    `SingleUpload` describes what is removed and what stays. The weights that stay start from the
    hybrid's.

    Raises:
        DoesNotApplyError: If no circuit has an input in two gates, or a quantum layer is a kernel
            or can't be replaced.
        ValueError: If the model has no quantum layer.
    """
    require_quantum(hybrid)
    layers = quantum_layers(hybrid)
    if any(isinstance(layer, QuantumKernel) for layer in layers):
        raise DoesNotApplyError("A quantum kernel has no layers that upload the features again.")
    if not any(reuploads(layer.compiled) for layer in layers):
        raise DoesNotApplyError("Each circuit uses its inputs once: the control would be the same.")

    def once(layer: QuantumLayer) -> keras.Layer:
        return SingleUpload(layer) if reuploads(layer.compiled) else fresh(layer)

    return replaced(hybrid, once, _carry_symbols)


def _carry_symbols(layer: QuantumLayer, new: keras.Layer) -> None:
    values = layer.symbol_values()
    new.assign_symbol_values({symbol: values[symbol.name] for symbol in new.symbols})


def fourier_features(hybrid: keras.Model) -> keras.Model:
    """Returns the hybrid with `FourierFeatures` in place of each quantum layer.

    A quantum kernel is replaced by as many `RandomFourierFeatures` as it has landmarks: this is the
    same machine for an RBF kernel. Their frequencies train if the landmarks do. The other layers
    start from the hybrid's weights.

    Raises:
        DoesNotApplyError: If an angle is not affine in a circuit's inputs, no result depends on
            the inputs, or a quantum layer returns states or circuits, or can't be replaced.
        ValueError: If the model has no quantum layer.
    """

    def waves(layer: QuantumLayer) -> keras.Layer:
        units = width(layer)
        if isinstance(layer, QuantumKernel):
            return RandomFourierFeatures(
                units,
                scale=abs(layer.scale) or 1.0,
                train_frequencies=layer.train_landmarks,
                train_scale=layer.train_scale,
                name=layer.name,
                dtype=layer.dtype_policy,
            )
        return FourierFeatures(layer, name=layer.name, dtype=layer.dtype_policy)

    return replaced(hybrid, waves)


def surrogate(hybrid: keras.Model) -> keras.Model:
    """Returns the hybrid with a `WaveTrain` in place of each quantum layer.

    This is a classical surrogate of the circuit's size: it can use the same waves as the circuit,
    and has at most as many parameters as the circuit has weights, unless the smallest train has
    more. It is trained on the labels from a random start. The other layers start from the hybrid's
    weights.

    Raises:
        DoesNotApplyError: If an angle is not affine in a circuit's inputs, no result depends on
            the inputs, or a quantum layer is a kernel, returns states or circuits, or can't be
            replaced.
        ValueError: If the model has no quantum layer.
    """

    def train(layer: QuantumLayer) -> keras.Layer:
        width(layer)
        if isinstance(layer, QuantumKernel):
            raise DoesNotApplyError("A quantum kernel has no observables to expand in waves.")
        return WaveTrain(layer, name=layer.name, dtype=layer.dtype_policy)

    return replaced(hybrid, train)


CONTROLS: dict[str, Callable[[keras.Model], keras.Model]] = {
    "dense_same_parameters": same_parameters,
    "dense_same_width": same_width,
    "linear": linear,
    "frozen_circuit": frozen_circuit,
    "no_entanglement": no_entanglement,
    "fourier_features": fourier_features,
}
"""The controls by name; each makes a new model from a hybrid model."""

ALL: dict[str, Callable[[keras.Model], keras.Model]] = {
    **CONTROLS,
    "dense_same_activations": same_activations,
    "low_rank_dense": low_rank,
    "hashed_dense": hashed,
    "linear_model": linear_model,
    "single_upload": single_upload,
    "surrogate": surrogate,
}
"""All controls by name, with those that only run if a comparison names them."""


def controls_for(hybrid: keras.Model) -> dict[str, keras.Model]:
    """Builds every control that applies to a hybrid model.

    Args:
        hybrid: A built Sequential or functional model with one or more quantum layers, also in
            nested models and wrappers such as `TimeDistributed`.

    Returns:
        New, untrained models by their names in `CONTROLS`. `inapplicable` tells why others are
        missing.

    Raises:
        ValueError: If the model has no quantum layer.

    Example:

    >>> from qkeras_hybrid.bench.inspection import trainable_parameters
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
    return _derived(hybrid, CONTROLS)[0]


def inapplicable(hybrid: keras.Model, names: Iterable[str] = tuple(CONTROLS)) -> dict[str, str]:
    """Returns the reason for each control that does not apply to a model, by name.

    Args:
        hybrid: As for `controls_for`.
        names: The controls to check, of `ALL`.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), QuantumEmbedding(2), keras.layers.Dense(1)])
    >>> inapplicable(model)
    {'frozen_circuit': 'The circuits have no weights that train: they are frozen already.'}
    """
    return _derived(hybrid, names)[1]


def _derived(
    hybrid: keras.Model, names: Iterable[str]
) -> tuple[dict[str, keras.Model], dict[str, str]]:
    made: dict[str, keras.Model] = {}
    reasons: dict[str, str] = {}
    for name in names:
        try:
            made[name] = ALL[name](hybrid)
        except DoesNotApplyError as error:
            reasons[name] = str(error)
    return made, reasons
