"""Controls that are whole networks, and keep nothing of the hybrid but its inputs and outputs."""

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
"""How many times wider than a matched Dense network the hashed one is."""

Dense = keras.layers.Dense


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
    target = _parameters(hybrid)

    def layers(n_inputs: int, n_outputs: int, activation: Any) -> list[keras.Layer]:
        widths = dense_widths(target, n_inputs, n_outputs)
        hidden = [Dense(units, activation="tanh") for units in widths]
        return [*hidden, Dense(n_outputs, activation=activation)]

    return _network(hybrid, layers)


def same_activations(hybrid: keras.Model) -> keras.Model:
    """Returns a Dense network that computes as many nonlinear functions as the hybrid does.

    It has one hidden layer of tanh, with a unit for each of the hybrid's hidden activations and for
    each angle that an input turns in its circuits (see `hidden_activations`): what the hybrid
    spends on a sample, with all weights free. Its parameters are what they come to.

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
        raise DoesNotApplyError("No input turns an angle: there are no activations to match.")

    def layers(n_inputs: int, n_outputs: int, activation: Any) -> list[keras.Layer]:
        return [Dense(units, activation="tanh"), Dense(n_outputs, activation=activation)]

    return _network(hybrid, layers)


def low_rank(hybrid: keras.Model) -> keras.Model:
    """Returns a Dense network with the hybrid's number of parameters and a kernel of low rank.

    Its hidden layer of tanh has a kernel `U V` of two factors, and is so wider than that of the
    matched Dense network: the rank is the largest at which it is at least twice as wide, or 1. The
    width is that which comes closest to the hybrid's number of trainable parameters.

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

    Example: 2 x 10 and 2 x 22 for the kernel, 22 for the bias, 23 x 2 after it.

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
    """Returns a wide Dense network that shares the hybrid's number of weights by hashing.

    Its hidden layer of tanh is `EXPANSION` times as wide as that of a Dense network with as many
    parameters, and every weight stands at several places (`HashedDense`). The two layers share out
    the weights by the sizes of their kernels, so that the number of trainable parameters is the
    hybrid's exactly. Which places share a weight is the same for every seed.

    Args:
        hybrid: As for `same_parameters`.

    Raises:
        DoesNotApplyError: As `same_parameters`, or if there is but one parameter.
        ValueError: If the model has no quantum layer.
    """
    target = _parameters(hybrid)
    if target < 2:
        raise DoesNotApplyError("Two layers can't share one parameter.")

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

    It has the hybrid's last activation, so that it is the linear or logistic regression of the same
    data: what no layer at all would do. Unlike `linear` it keeps none of the layers around the
    circuit. Inputs of more axes are flattened, several inputs flattened and joined.

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
            "The model has not one vector of outputs, and a linear model has one."
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
            f"The model has {len(hybrid.outputs)} outputs, and a Dense network one."
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
    """Returns new inputs as the hybrid has them, so that all that follows has a shape."""
    inputs = keras.tree.map_structure(
        lambda tensor: keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name),
        hybrid.inputs[0] if isinstance(hybrid, keras.Sequential) else hybrid.input,
    )
    tensors = keras.tree.flatten(inputs)
    for tensor in tensors:
        size(tensor.shape[1:])
    return inputs, tensors


def _joined(tensors: Sequence[Any]) -> Any:
    """Returns one tensor of shape `(batch, n)` of several with any axes."""
    flat = [each if len(each.shape) == 2 else keras.layers.Flatten()(each) for each in tensors]
    return flat[0] if len(flat) == 1 else keras.layers.Concatenate()(flat)
