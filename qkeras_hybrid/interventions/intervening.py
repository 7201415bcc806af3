"""`intervention_test`: how a network's score changes when its circuits' outputs are replaced."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import at_most, finite_number, positive_int, seed_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._model_copies import DoesNotApplyError, is_graph
from qkeras_hybrid._seeds import kept_seeds
from qkeras_hybrid.interventions.retraining import (
    Train,
    first_weights,
    instead,
    trainer,
    untrained,
)
from qkeras_hybrid.interventions.scores import Score, score_of
from qkeras_hybrid.interventions.stand_ins import (
    Changes,
    ConstantOutput,
    NoiseOutput,
    changed,
    linear_map,
    width,
)
from qkeras_hybrid.interventions.verdicts import InterventionTest, Outcome, When
from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.layers.switching import quantum_layers
from qkeras_hybrid.surrogates import surrogate
from qkeras_hybrid.surrogates.replacing import called, checked_inputs

Array = np.ndarray[Any, Any]
Make = Callable[[QuantumLayer], keras.Layer]

_BATCH = 256


@kept_seeds()
def intervention_test(
    model: keras.Model,
    x: Any,
    y: Any,
    *,
    test: tuple[Any, Any] | None = None,
    score: Score | None = None,
    margin: float = 0.02,
    train: Train | None = None,
    epochs: int = 20,
    batch_size: int = 32,
    learning_rate: float | None = None,
    runs: int = 5,
    initial_weights: Sequence[Any] | None = None,
    shuffles: int = 10,
    seed: int = 0,
) -> InterventionTest:
    """Tests whether a trained network uses its circuits, and whether a network needs them.

    These are two questions. *Does the trained network use its circuits?* Their outputs are
    replaced, without training, by their mean over the training data, by the outputs for other
    samples, and by those of the circuits' classical surrogate. *Does a network need its circuits?*
    Networks are trained in which something else replaces the circuits from the start: a constant,
    noise, a linear map, or the fixed surrogate of the trained circuits. They are trained from the
    same initial weights and on the same batches as the network with circuits. If there are several
    quantum layers, all are replaced together; the first question is also answered for each alone.

    Args:
        model: A trained Sequential or functional model with quantum layers; models may be nested.
            It is not changed.
        x: The training inputs: an array, or arrays in the structure that `fit` takes.
        y: The training targets, of shape `(n,)` or `(n, n_outputs)`. Whole numbers are classes.
        test: Inputs and targets to compute scores on; None takes the training data.
        score: A function of targets and outputs that returns a number, the higher the better. None
            takes the accuracy for classes, else R².
        margin: The smallest difference of scores that counts.
        train: A function that compiles and trains a given model. None compiles it like `model`, and
            calls `fit`.
        epochs: The number of epochs of that `fit`.
        batch_size: The batch size of that `fit`.
        learning_rate: The initial learning rate of that `fit`. None takes the schedule with which
            the model was compiled. Without a schedule, None takes the rate of the first epoch of
            the model's last `fit` if a Keras callback recorded it, else the optimizer's current
            rate. So pass it if something else changed the rate, or if the model was loaded from a
            file after its rate had been lowered.
        runs: How often each network is retrained, each time from other initial weights.
        initial_weights: The initial weights of all runs, as `model.get_weights()` returned them
            before the training; None draws new ones for each run.
        shuffles: How often the outputs are shuffled.
        seed: The seed of initial weights, batches, noise and shuffles. The global random states of
            Keras, NumPy and Python are restored afterwards.

    Returns:
        All scores, a verdict on each of the two questions, and a sentence that compares them. The
        verdict `as_trained` is "leans" if the trained network uses its circuits, "idle" if it does
        not, or "undecided". The verdict `retrained` is "needed" if networks that are trained
        without circuits are worse, "not needed" if they are not, "undecided", or "too short" if
        retraining with circuits does not come close to the given model's score.

    Raises:
        ValueError: If the model has no quantum layer, is not built, or is neither Sequential nor
            functional; a quantum layer returns states or several tensors, or takes circuits; data
            have wrong shapes or hold NaN; or `score` or `train` is needed but not given.

    Reference:
        HNEP, the Hybrid Network Evaluation Protocol (https://pypi.org/project/hnep), intervenes in
        trained networks in this way. It does not retrain networks.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-1, 1, (64, 1)).astype("float32")
    >>> model = keras.Sequential([keras.Input((1,)), PQCDense(2), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.Adam(0.1), "mse")
    >>> _ = model.fit(x, x**2, epochs=100, verbose=0)
    >>> found = qh.intervention_test(model, x, x**2, epochs=100, runs=1)
    >>> found.as_trained, found.retrained
    ('leans', 'needed')
    """
    _check_model(model)
    layers = quantum_layers(model)
    for layer in layers:
        width(layer)
    arrays, targets = _checked(model, x, y, "y")
    scored = (arrays, targets) if test is None else _checked(model, *_pair(test), "test")
    name, scoring = score_of(score, targets, tuple(model.outputs[0].shape[1:]))
    smallest = finite_number("margin", margin)
    if smallest < 0:
        raise ArgumentError("margin", "be at least 0", margin)
    if len(scored[1]) < 2:
        raise ArgumentError(
            "test", "hold at least two samples, whose outputs are exchanged", len(scored[1])
        )
    for argument, value in {"runs": runs, "shuffles": shuffles}.items():
        positive_int(argument, value)
    if train is None:
        positive_int("epochs", epochs)
        positive_int("batch_size", batch_size)
        if learning_rate is not None and finite_number("learning_rate", learning_rate) <= 0:
            raise ArgumentError("learning_rate", "be above 0", learning_rate)
    elif learning_rate is not None:
        raise ArgumentError(
            "learning_rate", "be None if `train` is given, which compiles models", learning_rate
        )
    # Run number i has the seed `seed + i`.
    seed = at_most("seed", seed_number("seed", seed), 2**32 - runs)
    weights = None if initial_weights is None else first_weights(model, initial_weights)
    # Outputs are exchanged within a batch. If samples were sorted by class, a batch could have only
    # one class, so samples are shuffled first.
    order = np.random.default_rng([seed, 1]).permutation(len(scored[1]))
    scored = ([array[order] for array in scored[0]], scored[1][order])

    def scores_of(one: keras.Model) -> float:
        return float(scoring(scored[1], _outputs(one, scored[0])))

    outputs = _recorded(model, arrays)
    means = {key: values.mean(axis=0) for key, values in outputs.items()}
    deviations = {key: values.std(axis=0) for key, values in outputs.items()}
    classical, why = _classical(model, arrays)
    found = _as_trained(model, layers, means, classical, why, scores_of, shuffles, seed)

    # The quantum layers of copies have the same names.
    places = {layer.name: id(layer) for layer in layers}
    makes: dict[str, Make | None] = {
        "constant": lambda layer: ConstantOutput(
            means[places[layer.name]], name=layer.name, dtype=layer.compute_dtype
        ),
        "noise": lambda layer: NoiseOutput(
            means[places[layer.name]],
            deviations[places[layer.name]],
            seed=seed,
            name=layer.name,
            dtype=layer.compute_dtype,
        ),
        "linear": linear_map,
        "surrogate": None if classical is None else functools.partial(_part, classical),
    }
    structure = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    inputs = keras.tree.pack_sequence_as(structure, arrays)
    results: dict[str, list[float]] = {name: [] for name in ("kept", *makes)}
    for run in range(runs):
        own = seed + run
        fit = train or trainer(
            model,
            inputs,
            targets,
            epochs=epochs,
            batch_size=batch_size,
            seed=own,
            learning_rate=learning_rate,
        )
        hybrid = untrained(model, weights, own)
        # All copies are made before the first of them is trained.
        copies = {"kept": hybrid}
        for circuit, make in makes.items():
            if make is not None:
                keras.utils.set_random_seed(own)
                copies[circuit] = instead(hybrid, make)
        for circuit, copy in copies.items():
            keras.utils.set_random_seed(own)
            with warnings.catch_warnings():
                if circuit in ("constant", "noise"):
                    # Layers before it have no gradients, as Keras would warn in each run.
                    warnings.filterwarnings("ignore", message="Gradients do not exist")
                fit(copy)
            results[circuit].append(scores_of(copy))
    kept = results["kept"]
    for circuit, each in results.items():
        found.append(_outcome("retrained", circuit, None, each, kept, "" if each else why))
    return InterventionTest(name, smallest, len(scored[1]), tuple(found))


# Checks of the arguments.


def _check_model(model: Any) -> None:
    if not isinstance(model, keras.Model) or not is_graph(model) or not model.built:
        raise ArgumentError(
            "model",
            "be a Sequential or functional model that is built",
            model,
            "Start it with keras.Input.",
        )
    layers = quantum_layers(model)
    if not layers:
        raise ArgumentError("model", "contain a quantum layer", model.name)
    if len({layer.name for layer in layers}) < len(layers):
        raise ArgumentError(
            "model",
            "have quantum layers with different names",
            ", ".join(repr(layer.name) for layer in layers),
        )
    if len(model.outputs) != 1:
        raise ArgumentError("model", "have one output", f"{len(model.outputs)} outputs")


def _pair(test: Any) -> tuple[Any, Any]:
    if not isinstance(test, (tuple, list)) or len(test) != 2:
        raise ArgumentError("test", "be a pair of inputs and targets", test)
    return test[0], test[1]


def _checked(model: keras.Model, x: Any, y: Any, argument: str) -> tuple[list[Array], Array]:
    arrays = checked_inputs(model, x)
    targets = np.asarray(ops.convert_to_numpy(y) if ops.is_tensor(y) else y)
    if targets.dtype.kind not in "iubf" or not targets.ndim or len(targets) != len(arrays[0]):
        raise ArgumentError(
            argument,
            f"hold one or more numbers for each of the {len(arrays[0])} samples",
            f"shape {targets.shape} of {targets.dtype}",
        )
    if not np.isfinite(targets.astype(float)).all():
        raise ArgumentError(argument, "hold finite targets", "NaN or infinity")
    return arrays, targets


# Interventions in the trained network.


def _as_trained(
    model: keras.Model,
    layers: list[QuantumLayer],
    means: dict[int, Array],
    classical: keras.Model | None,
    why: str,
    scores_of: Callable[[keras.Model], float],
    shuffles: int,
    seed: int,
) -> list[Outcome]:
    kept = scores_of(model)
    found = [Outcome("as trained", "kept", None, (kept,))]
    rng = np.random.default_rng(seed)

    def mean(layer: QuantumLayer, output: Any) -> Any:
        return ops.broadcast_to(ops.cast(means[id(layer)], output.dtype), ops.shape(output))

    def shuffled(layer: QuantumLayer, output: Any) -> Any:
        return ops.take(output, _others(int(output.shape[0]), rng), axis=0)

    for one in [None, *layers] if len(layers) > 1 else [None]:
        for circuit, change, times in (("mean", mean, 1), ("shuffled", shuffled, shuffles)):
            copy = changed(model, _only(one, change))
            scores = [scores_of(copy) for _ in range(times)]
            name = None if one is None else one.name
            found.append(_outcome("as trained", circuit, name, scores, [kept] * times))
    scores = [] if classical is None else [scores_of(classical)]
    found.append(_outcome("as trained", "surrogate", None, scores, [kept], why))
    return found


def _outcome(
    when: When,
    circuit: str,
    layer: str | None,
    scores: Sequence[float],
    kept: Sequence[float],
    note: str = "",
) -> Outcome:
    differences = tuple(a - b for a, b in zip(scores, kept, strict=False))
    return Outcome(when, circuit, layer, tuple(scores), differences, note)


def _only(one: QuantumLayer | None, change: Callable[[QuantumLayer, Any], Any]) -> Changes:
    """Returns changes of the outputs of one quantum layer, or for None of all."""

    def changes(layer: QuantumLayer) -> Callable[[Any], Any]:
        if one is None or layer is one:
            return functools.partial(change, layer)
        return lambda output: output

    return changes


def _others(n: int, rng: np.random.Generator) -> Array:
    """Returns for each of `n` samples the index of another one, by a random cycle through all."""
    order = rng.permutation(n)
    found = np.empty(n, "int32")
    found[order] = np.roll(order, 1)
    return found


def _recorded(model: keras.Model, arrays: list[Array]) -> dict[int, Array]:
    """Returns the outputs of each quantum layer, of shape `(-1, n_values)`, by the layer's id."""
    found: dict[int, list[Array]] = {id(layer): [] for layer in quantum_layers(model)}

    def recording(layer: QuantumLayer) -> Callable[[Any], Any]:
        def record(output: Any) -> Any:
            values = np.asarray(ops.convert_to_numpy(output), float)
            found[id(layer)].append(values.reshape(-1, values.shape[-1]))
            return output

        return record

    _outputs(changed(model, recording), arrays)
    return {key: np.concatenate(values) for key, values in found.items()}


def _outputs(model: keras.Model, arrays: list[Array]) -> Array:
    """Returns a model's outputs, computed in batches of at least two samples."""
    n = len(arrays[0])
    parts = np.array_split(np.arange(n), -(-n // _BATCH))
    return np.concatenate([called(model, [array[part] for array in arrays])[0] for part in parts])


# Surrogates.


def _classical(model: keras.Model, arrays: list[Array]) -> tuple[keras.Model | None, str]:
    """Returns the model's surrogate and "", or None and the reason why there is none."""
    structure = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    try:
        return surrogate(model, keras.tree.pack_sequence_as(structure, arrays)), ""
    except (DoesNotApplyError, ValueError) as error:
        return None, str(error)


def _part(classical: keras.Model, layer: QuantumLayer) -> keras.Layer:
    """Returns the part of a surrogate that replaces a quantum layer, set to not trainable."""
    layers = classical._flatten_layers(include_self=False, recursive=True)
    part: keras.Model = next(
        each for each in layers if isinstance(each, keras.Model) and each.name == layer.name
    )
    part.trainable = False
    return part
