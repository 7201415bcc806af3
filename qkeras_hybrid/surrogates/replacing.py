"""A model without its circuits: `surrogate`."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import finite_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._model_copies import Copies, DoesNotApplyError, is_graph
from qkeras_hybrid.diagnostics.spectrum import Spectrum
from qkeras_hybrid.engines._remote import RemoteEngine
from qkeras_hybrid.engines.mitigation.base import Mitigation
from qkeras_hybrid.layers.base import QuantumLayer, watched_runs
from qkeras_hybrid.layers.switching import quantum_layers
from qkeras_hybrid.surrogates.base import Question, RefusedError
from qkeras_hybrid.surrogates.choosing import METHODS, Choice, NothingKeepsError, choose
from qkeras_hybrid.surrogates.graphs import joined
from qkeras_hybrid.surrogates.report import LayerReport, SurrogateReport
from qkeras_hybrid.surrogates.series import MANY, spectrum
from qkeras_hybrid.surrogates.targets import Target, Wanted, target

Tensor = Any

_RANDOM = 256
_BATCH = 256


def surrogate(
    model: keras.Model,
    data: Any = None,
    *,
    method: str = "auto",
    tolerance: float = 1e-5,
    seed: int = 0,
) -> keras.Model:
    """Returns a model that computes what a model with quantum layers computes, without circuits.

    The new model consists of Keras's own layers. It can be trained, saved and loaded without this
    package, and exported like any other model. A trained circuit computes a polynomial in the
    cosines and sines of its angles; with few qubits, it is also a fixed unitary between the
    encoding and the readout. So most circuits of up to about twelve qubits are replaced exactly,
    apart from rounding. Results from shots are replaced by their mean, and noise by its exact
    effect.

    Args:
        model: A built Sequential or functional model with quantum layers. It may contain other
            models.
        data: Inputs of the model, on which it is compared with its surrogate: an array, or the
            structure that the model takes. Approximate methods are also fitted to them.
        method: "auto" chooses the smallest surrogate within the tolerance. Otherwise one of these
            methods for all circuits: "product_features", "fourier_series", "unitary" and
            "tensor_train", which are exact or truncated within the tolerance; "random_features" and
            "distilled", which are approximate.
        tolerance: The largest allowed difference of a circuit's values and of the model's outputs,
            divided by the largest output if that is above 1.
        seed: The seed of random inputs, and of all draws and training.

    Returns:
        A new model with the model's weights, and an attribute `surrogate_report`: see
        `qkeras_hybrid.surrogates.SurrogateReport`.

    Raises:
        ValueError: If the model has no quantum layer, is not built, or a layer returns states or
            takes circuits; if the data have the wrong shape or hold NaN; or if no method stays
            within the tolerance. The message then gives the best result.

    Warns:
        UserWarning: If the model has taken no training step.

    Reference:
        Schreiber, Eisert, Meyer: Classical surrogates for quantum learning models, Phys. Rev. Lett.
        131, 100803 (2023), arXiv 2206.11740.

    Example:

    >>> model = keras.Sequential([
    ...     keras.Input((3,)),
    ...     PQCDense(2, n_qubits=3),
    ...     keras.layers.Dense(1),
    ... ])
    >>> model.compile("adam", "mse")
    >>> x = np.linspace(-1, 1, 96).reshape(32, 3)
    >>> _ = model.fit(x, x[:, :1], verbose=0)
    >>> classical = qh.surrogate(model, x)
    >>> [type(layer).__name__ for layer in classical.layers]
    ['Functional', 'Dense']
    >>> classical.surrogate_report.worst_on_data < 1e-5
    True
    """
    _check_model(model)
    allowed = finite_number("tolerance", tolerance)
    if allowed <= 0:
        raise ArgumentError("tolerance", "be above 0", tolerance)
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ArgumentError("seed", "be a whole number from 0 on", seed)
    if method != "auto":
        METHODS.get(method)
    given = None if data is None else checked_inputs(model, data)
    random = _random_inputs(model, given, seed)
    _warn_if_untrained(model)
    targets = {id(layer): target(layer) for layer in quantum_layers(model)}
    exact, runs_in = exact_model(model)
    samples = _samples(exact, given)
    reports: list[LayerReport] = []

    def make(layer: QuantumLayer) -> keras.Model:
        watched = samples.get(runs_in.get(id(layer), id(layer)))
        made, report = _replaced(targets[id(layer)], watched, method, allowed, seed)
        # A frozen circuit stays frozen, and so do other fixed weights of a surrogate.
        if not layer.trainable:
            made.trainable = False
        reports.append(report)
        return made

    copies = Copies(make)
    found = copies(model)
    copies.carry_weights()
    on_data = None if given is None else _differences(exact, found, given)
    on_random = None if random is None else _differences(exact, found, random)
    worst = max((pair[0] for pair in (on_data, on_random) if pair is not None), default=0.0)
    if not worst <= allowed:
        raise ArgumentError(
            "tolerance",
            f"be at least {worst:.2g}, the difference of the outputs that was reached by "
            + ", ".join(dict.fromkeys(m for report in reports for m in report.methods)),
            tolerance,
        )
    timed = given if given is not None else random
    found.surrogate_report = SurrogateReport(
        layers=tuple(reports),
        worst_on_data=None if on_data is None else on_data[0],
        mean_on_data=None if on_data is None else on_data[1],
        worst_on_random=None if on_random is None else on_random[0],
        mean_on_random=None if on_random is None else on_random[1],
        parameters=found.count_params(),
        original_parameters=model.count_params(),
        seconds=float("nan") if timed is None else _seconds(found, timed),
        original_seconds=float("nan")
        if timed is None or is_remote(model)
        else _seconds(model, timed),
        notes=tuple(note for each in targets.values() for note in each.notes),
    )
    return found


# The first checks.


def _check_model(model: Any) -> None:
    if not isinstance(model, keras.Model):
        raise ArgumentError("model", "be a Keras model", model)
    if getattr(model, "surrogate_report", None) is not None:
        raise ArgumentError(
            "model",
            "have circuits",
            "a surrogate",
            "It has no circuits, and circuits can't be recovered from it, since many circuits "
            "compute the same.",
        )
    if not is_graph(model):
        raise ArgumentError(
            "model",
            "be a Sequential or functional model",
            type(model).__name__,
            "If the model is of your own class, give the part that is Sequential or functional, or "
            "write its `call` as a functional model.",
        )
    if not model.built:
        raise ArgumentError(
            "model",
            "be built",
            f"{model.name!r}, whose inputs have no known width",
            "Begin it with keras.Input, or call it on data first.",
        )
    if not quantum_layers(model):
        raise ArgumentError(
            "model",
            "have a quantum layer in it",
            ", ".join(type(layer).__name__ for layer in model.layers),
            "Without one, the model is already classical.",
        )


def _warn_if_untrained(model: keras.Model) -> None:
    optimizer = getattr(model, "optimizer", None)
    steps = 0 if optimizer is None else int(ops.convert_to_numpy(optimizer.iterations))
    if not steps:
        warnings.warn(
            f"Model {model.name!r} has taken no training step with its optimizer: its surrogate "
            "replaces its circuits with their present weights.",
            stacklevel=3,
        )


def checked_inputs(model: keras.Model, data: Any) -> list[np.ndarray]:
    """Returns the data as an array for each input of the model."""
    tensors = keras.tree.flatten(model.inputs)
    arrays = [np.asarray(ops.convert_to_numpy(a)) for a in keras.tree.flatten(data)]
    if isinstance(data, (list, tuple)) and len(tensors) == 1:
        # Rows of numbers, or a list with an array for the one input.
        whole = _as_array(data)
        several = whole.ndim == len(tensors[0].shape) + 1 and len(data) == 1
        arrays = [whole[0] if several else whole]
    if isinstance(data, dict):
        # By the keys of the model's own inputs, as in `fit`, or by their names.
        own = None if isinstance(model, keras.Sequential) else model.input
        names: dict[int, str] = {}
        if isinstance(own, dict) and set(own) == set(data):
            names = {id(tensor): key for key, tensor in own.items()}
        called = [names.get(id(tensor), tensor.name) for tensor in tensors]
        arrays = [_as_array(data[name]) for name in called if name in data]
    if len(arrays) != len(tensors):
        raise ArgumentError(
            "data", f"hold an array for each of the model's {len(tensors)} inputs", len(arrays)
        )
    for array, tensor in zip(arrays, tensors, strict=True):
        wanted = tuple(tensor.shape)
        fits = array.ndim == len(wanted) and all(
            n in (None, m) for n, m in zip(wanted[1:], array.shape[1:], strict=True)
        )
        if not fits or array.dtype.kind not in "biuf":
            raise ArgumentError(
                "data",
                f"hold numbers of shape {wanted}",
                f"shape {array.shape} of {array.dtype}",
            )
        wrong = np.argwhere(~np.isfinite(array.astype(float)))
        if len(wrong):
            raise ArgumentError(
                "data", "hold finite numbers", f"{array[tuple(wrong[0])]} in row {wrong[0][0]}"
            )
    if len({len(array) for array in arrays}) > 1 or not len(arrays[0]):
        raise ArgumentError(
            "data",
            "hold at least one sample, and equally many for each input",
            [len(a) for a in arrays],
        )
    return arrays


def _as_array(data: Any) -> np.ndarray:
    try:
        return np.asarray(data)
    except ValueError as error:  # such as rows of different lengths
        raise ArgumentError("data", "be an array of numbers", data) from error


def _random_inputs(
    model: keras.Model, given: list[np.ndarray] | None, seed: int
) -> list[np.ndarray] | None:
    """Returns random inputs, distributed like the data or standard normal; None unless floats."""
    rng, arrays = np.random.default_rng([seed, 9]), []
    for number, tensor in enumerate(keras.tree.flatten(model.inputs)):
        shape = tuple(tensor.shape)[1:]
        if None in shape or not keras.backend.standardize_dtype(tensor.dtype).startswith("float"):
            return None
        drawn = rng.normal(size=(_RANDOM, *shape))
        if given is not None:
            own = given[number].astype(float)
            drawn = own.mean(axis=0) + own.std(axis=0) * drawn
        arrays.append(drawn.astype("float32"))
    return arrays


# One layer.


def _samples(model: keras.Model, given: list[np.ndarray] | None) -> dict[int, np.ndarray]:
    """Returns the inputs that reach each circuit on some of the data."""
    found: dict[int, list[np.ndarray]] = {}
    if given is None:
        return {}

    def watch(layer: QuantumLayer, inputs: Any) -> None:
        if not isinstance(inputs, tuple):
            found.setdefault(id(layer), []).append(np.asarray(ops.convert_to_numpy(inputs), float))

    with watched_runs(watch):
        called(model, [array[:_BATCH] for array in given])
    return {layer: np.concatenate(arrays) for layer, arrays in found.items()}


def _replaced(
    wanted: Target, samples: np.ndarray | None, method: str, tolerance: float, seed: int
) -> tuple[keras.Model, LayerReport]:
    """Returns the surrogate of a layer, and its report."""
    layer = wanted.layer
    shape = tuple(layer.get_build_config()["input_shape"])
    dtype = "float64" if layer.compute_dtype == "float64" else "float32"
    choices: list[tuple[Question, Choice]] = []
    builds: list[list[Callable[[Tensor], Tensor]]] = []
    for each in wanted.wanted:
        builds.append([])
        for _, part in each.parts:
            width = part.slopes.shape[1]
            # The part has expressions of inputs as its inputs, which have not been recorded.
            own = samples if samples is not None and samples.shape[1] == width else None
            question = Question(part, tolerance, np.zeros((0, width)) if own is None else own, seed)
            try:
                choice = choose(question, method, dtype)
            except NothingKeepsError as error:
                raise _none_for(layer, error, tolerance) from None
            choices.append((question, choice))
            builds[-1].append(choice.fit.build)
    inputs = keras.Input(shape[1:], dtype=dtype)
    try:
        if None in shape[1:]:
            made = _assembled(wanted, builds, keras.Input(shape[-1:], dtype=dtype), ())
            model = keras.Model(inputs, _distributed(made, inputs, len(shape) - 2), name=layer.name)
        else:
            model = _assembled(wanted, builds, inputs, shape[1:-1])
    except Exception as error:  # from a user's encoding or readout
        raise DoesNotApplyError(
            f"Layer {layer.name!r} has no surrogate: its encoding or its readout can't be turned "
            f"into Keras layers. Write it with keras.ops only. The reason: {error}"
        ) from error
    return model, _layer_report(layer, choices, model.count_params())


def _distributed(model: keras.Model, inputs: Tensor, axes: int) -> Tensor:
    """Applies a model for one axis of features at each position of some axes before it."""
    layer: keras.Layer = model
    for _ in range(axes):
        layer = keras.layers.TimeDistributed(layer, dtype=inputs.dtype)
    return layer(inputs)


def _assembled(
    wanted: Target,
    builds: list[list[Callable[[Tensor], Tensor]]],
    inputs: Tensor,
    middle: tuple[int | None, ...],
) -> keras.Model:
    """Returns the surrogate of a layer, for inputs of shape `(batch, *middle, n_features)`."""
    layer = wanted.layer
    flat = ops.reshape(inputs, (-1, inputs.shape[-1])) if middle else inputs
    encoded = wanted.encode(flat)
    outputs = [
        _output(layer, each, [build(encoded) for build in made], middle)
        for each, made in zip(wanted.wanted, builds, strict=True)
    ]
    return keras.Model(inputs, outputs if layer.returns_list else outputs[0], name=layer.name)


def _output(
    layer: QuantumLayer, wanted: Wanted, values: list[Tensor], middle: tuple[int | None, ...]
) -> Tensor:
    tensor = joined(values)
    order = [number for numbers, _ in wanted.parts for number in numbers]
    if order != sorted(order):
        places = np.argsort(order).tolist()
        tensor = ops.take(tensor, np.array(places, "int32"), axis=1)
    tensor = wanted.finish(tensor)
    if middle:
        tensor = ops.reshape(tensor, (-1, *middle, *wanted.shape))
    if keras.backend.standardize_dtype(tensor.dtype) != layer.compute_dtype:
        tensor = ops.cast(tensor, layer.compute_dtype)
    return tensor


def _none_for(layer: QuantumLayer, error: NothingKeepsError, tolerance: float) -> ValueError:
    if error.best is None:
        return ValueError(
            f"Layer {layer.name!r} has no surrogate: {error}. Give it fewer qubits or angles, or "
            'approximate it with method="distilled" and a tolerance of 0.1.'
        )
    name, reached = error.best
    return ArgumentError(
        "tolerance",
        f"be at least {reached:.2g}, which the method {name!r} reaches for layer {layer.name!r}",
        tolerance,
        f"({error})",
    )


def _layer_report(
    layer: QuantumLayer, choices: list[tuple[Question, Choice]], numbers: int
) -> LayerReport:
    largest, choice = max(choices, key=lambda pair: pair[1].fit.numbers)
    said = Counter(c.fit.says for _, c in choices)
    bounds = [c.fit.bound for _, c in choices]
    return LayerReport(
        layer.name,
        tuple(dict.fromkeys(c.fit.method for _, c in choices)),
        tuple(says if count == 1 else f"{count} times {says}" for says, count in said.items()),
        numbers,
        max(c.worst for _, c in choices),
        None if None in bounds else max(b for b in bounds if b is not None),
        choice.others,
        _spectrum(layer, largest),
    )


def _spectrum(layer: QuantumLayer, question: Question) -> Spectrum | None:
    """Returns the spectrum of a part, unless there are too many waves."""
    if question.n_coefficients > MANY:
        return None
    try:
        found = question.coefficients
    except RefusedError:
        return None
    if not found.degrees:
        return None
    frequencies, cosines, sines, constant = spectrum(found.tensor, found.degrees)
    waves = frequencies @ found.directions
    half = (cosines - 1j * sines) / 2
    return Spectrum(
        np.concatenate([-waves[::-1], np.zeros((1, waves.shape[1])), waves]),
        np.concatenate([half[::-1].conj(), constant[None], half]),
        tuple(str(symbol) for symbol in layer.compiled.inputs),
    )


# The whole model.


def exact_model(model: keras.Model) -> tuple[keras.Model, dict[int, int]]:
    """Returns the model, or a copy without its shots, mitigation and devices.

    Returns:
        The model that computes exact values on this machine, and a map from the `id` of each
        quantum layer to that of its copy.
    """
    layers = quantum_layers(model)
    if all(
        layer.all_shots is None and layer.noise is None and not isinstance(layer.engine, Mitigation)
        for layer in layers
    ):
        return model, {}
    copies = Copies(lambda layer: layer.with_engine("auto", shots=None))
    exact = copies(model)
    copies.carry_weights()
    return exact, {id(layer): id(copy) for layer, copy in copies.quantum}


def is_remote(model: keras.Layer) -> bool:
    """Tells whether a model, or a quantum layer in it, buys measurements of a device."""
    for layer in quantum_layers(model):
        engine = layer.engine
        while isinstance(engine, Mitigation):
            engine = engine.engine
        if isinstance(engine, RemoteEngine):
            return True
    return False


def called(model: keras.Model, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Returns the outputs of a model for an array for each of its inputs, as in inference."""
    tensors = [
        ops.convert_to_tensor(array, keras.backend.standardize_dtype(tensor.dtype))
        for array, tensor in zip(arrays, keras.tree.flatten(model.inputs), strict=True)
    ]
    structure = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    found = model(keras.tree.pack_sequence_as(structure, tensors), training=False)
    return [np.asarray(ops.convert_to_numpy(each)) for each in keras.tree.flatten(found)]


def _differences(
    first: keras.Model, second: keras.Model, arrays: list[np.ndarray]
) -> tuple[float, float] | None:
    """Returns the largest and the mean difference of two models' outputs.

    Returns None if the first has no finite output.
    """
    worst, total, count = 0.0, 0.0, 0
    largest, found = 1.0, []
    # Where the model itself has no finite output, as for log(-1), there is nothing to compare.
    for start in range(0, len(arrays[0]), _BATCH):
        batch = [array[start : start + _BATCH] for array in arrays]
        for a, b in zip(called(first, batch), called(second, batch), strict=True):
            known = np.isfinite(a)
            one, other = a[known].astype(float), b[known].astype(float)
            largest = max(largest, float(np.abs(one).max(initial=0.0)))
            found.append(np.nan_to_num(np.abs(one - other), nan=np.inf))
    for difference in found:
        worst = max(worst, float(difference.max(initial=0.0)))
        total, count = total + float(difference.sum()), count + difference.size
    if not count:
        return None
    return worst / largest, total / count / largest


def _seconds(model: keras.Model, arrays: list[np.ndarray]) -> float:
    """Returns the seconds per sample of a batch, the shortest of up to three runs."""
    repeats = -(-_BATCH // len(arrays[0]))
    batch = [np.concatenate([array] * repeats)[:_BATCH] for array in arrays]
    structure = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    given = keras.tree.pack_sequence_as(structure, batch)
    times: list[float] = []
    # The first run compiles. A simulated device takes seconds per run, so it runs only once more.
    while len(times) < 2 or (len(times) < 4 and sum(times[1:]) < 1):
        start = time.perf_counter()
        model.predict_on_batch(given)
        times.append(time.perf_counter() - start)
    return min(times[1:]) / _BATCH
