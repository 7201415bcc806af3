"""Controls that are new networks and share only inputs and outputs with the hybrid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from qkeras_hybrid._model_copies import Copies
from qkeras_hybrid.bench.activations import hidden_activations
from qkeras_hybrid.bench.dense_widths import dense_widths
from qkeras_hybrid.bench.derived import DoesNotApplyError, HashedDense, fresh
from qkeras_hybrid.bench.inspection import trainable_parameters
from qkeras_hybrid.bench.replacing import frozen_trunk, last_activation, require_quantum, size

EXPANSION = 4
"""How many times as wide as a matched Dense network the hashed one is."""

Dense = keras.layers.Dense


def same_parameters(hybrid: keras.Model) -> keras.Model:
    """Returns a Dense network with the hybrid's number of trainable parameters.

    It has one hidden layer of tanh if some width brings it within 5 %, else two; its output layer
    has the hybrid's last activation. If no network comes within 5 %, it is the one that comes
    closest; `trainable_parameters` shows the difference. Inputs with several axes are flattened;
    several inputs are flattened and joined. Frozen layers at the beginning of a Sequential model
    stay in front, with their weights, because only trained parameters count.

    Args:
        hybrid: A built Sequential or functional model with a quantum layer in it.

    Raises:
        DoesNotApplyError: If the model has several outputs, an axis of unknown length, or
            nothing that trains.
        ValueError: If the model has no quantum layer.
    """
    target = _parameters(hybrid)

    def layers(n_inputs: int, n_outputs: int, activation: Any) -> list[keras.Layer]:
        widths = dense_widths(target, n_inputs, n_outputs)
        hidden = [Dense(units, activation="tanh") for units in widths]
        return [*hidden, Dense(n_outputs, activation=activation)]

    return _network(hybrid, layers)


def same_activations(hybrid: keras.Model) -> keras.Model:
    """Returns a Dense network that computes as many nonlinear functions as the hybrid does.

    It has one hidden layer of tanh, with a unit for each of the hybrid's hidden activations and for
    each angle in its circuits that depends on an input (see `hidden_activations`). Its number of
    parameters is not matched.

    Args:
        hybrid: As for `same_parameters`.

    Raises:
        DoesNotApplyError: If the model has several outputs or an axis of unknown length, or
            computes no nonlinear function of its inputs.
        ValueError: If the model has no quantum layer.
    """
    require_quantum(hybrid)
    _one_output(hybrid)
    units = hidden_activations(hybrid)
    if not units:
        raise DoesNotApplyError("No angle depends on an input: there are no activations to match.")

    def layers(n_inputs: int, n_outputs: int, activation: Any) -> list[keras.Layer]:
        return [Dense(units, activation="tanh"), Dense(n_outputs, activation=activation)]

    return _network(hybrid, layers)


def low_rank(hybrid: keras.Model) -> keras.Model:
    """Returns a Dense network with the hybrid's number of parameters and a kernel of low rank.

    Its hidden layer of tanh has a kernel `U V` of two factors, which needs fewer parameters, so it
    can be wider than that of the matched Dense network. The rank is the largest at which the layer
    is at least twice as wide, or 1. The width is the one that comes closest to the hybrid's number
    of trainable parameters.

    Args:
        hybrid: As for `same_parameters`.

    Raises:
        DoesNotApplyError: As `same_parameters`, or if no rank makes the layer wider.
        ValueError: If the model has no quantum layer.

    Reference:
        T. N. Sainath, B. Kingsbury, V. Sindhwani, E. Arisoy and B. Ramabhadran, Low-rank matrix
        factorization for deep neural network training with high-dimensional output targets,
        ICASSP 2013.
    """
    target = _parameters(hybrid)

    def layers(n_inputs: int, n_outputs: int, activation: Any) -> list[keras.Layer]:
        rank, units = rank_and_width(target, n_inputs, n_outputs)
        return [
            Dense(rank, use_bias=False),
            Dense(units, activation="tanh"),
            Dense(n_outputs, activation=activation),
        ]

    return _network(hybrid, layers)


def rank_and_width(target: int, n_inputs: int, n_outputs: int) -> tuple[int, int]:
    """Returns the rank and the width of the hidden layer of `low_rank`.

    Args:
        target: The number of parameters to come close to.
        n_inputs: The width of the inputs.
        n_outputs: The width of the outputs.

    Raises:
        DoesNotApplyError: If no rank makes the layer wider than a Dense one.

    Example: 2 x 10 and 2 x 22 parameters for the kernel, 22 for the bias, and 23 x 2 for the output
    layer:

    >>> rank_and_width(134, 10, 2), 2 * 10 + 2 * 22 + 22 + 23 * 2
    ((2, 22), 132)
    """

    def width(rank: int) -> float:
        return (target - n_outputs - rank * n_inputs) / (rank + 1 + n_outputs)

    dense = max(1.0, (target - n_outputs) / (n_inputs + 1 + n_outputs))
    rank = max((r for r in range(1, n_inputs) if width(r) >= 2 * dense), default=1)
    if width(rank) <= dense:
        raise DoesNotApplyError(
            f"With {n_inputs} inputs and {target} parameters, no kernel of low rank makes a hidden "
            "layer wider than a Dense one."
        )
    return rank, round(width(rank))


def hashed(hybrid: keras.Model) -> keras.Model:
    """Returns a wide Dense network with the hybrid's number of weights, shared by hashing.

    Its hidden layer of tanh is `EXPANSION` times as wide as that of a Dense network with as many
    parameters, and every weight is used at several places (`HashedDense`). The weights are divided
    between the two layers in proportion to the sizes of their kernels, so that the number of
    trainable parameters is exactly the hybrid's. All seeds have the same places for each weight.

    Args:
        hybrid: As for `same_parameters`.

    Raises:
        DoesNotApplyError: As `same_parameters`, or if there is only one parameter.
        ValueError: If the model has no quantum layer.
    """
    target = _parameters(hybrid)
    if target < 2:
        raise DoesNotApplyError(
            "The network has two hashed Dense layers, which need a parameter each, but the hybrid "
            "has only one."
        )

    def layers(n_inputs: int, n_outputs: int, activation: Any) -> list[keras.Layer]:
        units = EXPANSION * max(1, (target - n_outputs) // (n_inputs + 1 + n_outputs))
        places = [(n_inputs + 1) * units, (units + 1) * n_outputs]
        last = min(max(1, round(target * places[1] / sum(places))), target - 1)
        return [
            HashedDense(units, min(target - last, places[0]), activation="tanh"),
            HashedDense(n_outputs, min(last, places[1]), activation=activation, seed=1),
        ]

    return _network(hybrid, layers)


def linear_model(hybrid: keras.Model) -> keras.Model:
    """Returns a model of one Dense layer, from all inputs to the hybrid's outputs.

    It has the hybrid's last activation, so it is a linear or logistic regression on the same data.
    Unlike `linear`, it keeps none of the layers around the circuit. Inputs with several axes are
    flattened; several inputs are flattened and joined.

    Args:
        hybrid: A built Sequential or functional model with a quantum layer in it.

    Raises:
        DoesNotApplyError: If the model has several outputs, outputs of more than one axis, or an
            axis of unknown length.
        ValueError: If the model has no quantum layer.
    """
    require_quantum(hybrid)
    if len(hybrid.outputs) != 1 or len(hybrid.outputs[0].shape) != 2:
        raise DoesNotApplyError(
            "A linear model returns one vector for each sample, but this model does not."
        )
    inputs, tensors = _inputs(hybrid)
    units = size(hybrid.outputs[0].shape[1:])
    x = _joined(tensors)
    return keras.Model(inputs, Dense(units, activation=last_activation(hybrid))(x))


def _parameters(hybrid: keras.Model) -> int:
    """Returns the number of parameters to match."""
    require_quantum(hybrid)
    _one_output(hybrid)
    target = trainable_parameters(hybrid)
    if not target:
        raise DoesNotApplyError("Nothing trains in the model: there is no count to match.")
    return target


def _one_output(hybrid: keras.Model) -> None:
    if len(hybrid.outputs) != 1:
        raise DoesNotApplyError(
            f"The model has {len(hybrid.outputs)} outputs, but a Dense network has one."
        )


def _network(
    hybrid: keras.Model, layers: Callable[[int, int, Any], Sequence[keras.Layer]]
) -> keras.Model:
    """Returns a network between the hybrid's inputs and outputs, behind its frozen trunk.

    Args:
        hybrid: The model.
        layers: Makes the layers, given the numbers of inputs and outputs and the last activation.
    """
    copies = Copies(fresh)
    trunk = [copies(layer) for layer in frozen_trunk(hybrid)]
    inputs, tensors = _inputs(hybrid)
    for layer in trunk:
        tensors = [layer(tensors[0])]
    shape = hybrid.outputs[0].shape[1:]
    n_inputs, n_outputs = sum(size(tensor.shape[1:]) for tensor in tensors), size(shape)
    x, activation = _joined(tensors), last_activation(hybrid)
    one_axis = len(shape) == 1
    for layer in layers(n_inputs, n_outputs, activation if one_axis else None):
        x = layer(x)
    if not one_axis:
        x = keras.layers.Activation(activation)(keras.layers.Reshape(shape)(x))
    copies.carry_weights()
    return keras.Model(inputs, x)


def _inputs(hybrid: keras.Model) -> tuple[Any, list[Any]]:
    """Returns new inputs of the hybrid's shapes and names, and a list of their tensors."""
    inputs = keras.tree.map_structure(
        lambda tensor: keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name),
        hybrid.inputs[0] if isinstance(hybrid, keras.Sequential) else hybrid.input,
    )
    tensors = keras.tree.flatten(inputs)
    for tensor in tensors:
        size(tensor.shape[1:])
    return inputs, tensors


def _joined(tensors: Sequence[Any]) -> Any:
    """Flattens and joins tensors to one of shape `(batch, n)`."""
    flat = [each if len(each.shape) == 2 else keras.layers.Flatten()(each) for each in tensors]
    return flat[0] if len(flat) == 1 else keras.layers.Concatenate()(flat)
