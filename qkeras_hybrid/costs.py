"""The resources and the cost of training on a device, computed before it starts."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.engines import RemoteEngine
from qkeras_hybrid.gradients import Adjoint, ParameterShift
from qkeras_hybrid.layers.base import QuantumLayer, watched_runs
from qkeras_hybrid.layers.setup import Setup
from qkeras_hybrid.program import Job


@dataclass(frozen=True)
class ModelCost:
    """The resources that training needs on a device, and their cost.

    Attributes:
        circuits: The number of circuits.
        shots: The number of measurements of all circuits together.
        jobs: The number of jobs in which the circuits are sent.
        money: The cost, by the engine's prices.
        currency: The currency of `money`.
        seconds: The duration of all jobs, one after the other, by the engine's prices.
    """

    circuits: int
    shots: int
    jobs: int
    money: float
    currency: str
    seconds: float

    def __str__(self) -> str:
        parts = [f"{self.circuits:,} circuits, {self.shots:,} shots, {self.jobs:,} jobs"]
        if self.money:
            parts.append(f"{self.money:,.2f} {self.currency}")
        if self.seconds:
            parts.append(f"{self.seconds:,.0f} s")
        return ", ".join(parts)


def model_cost(
    model: keras.Model,
    data: Any,
    epochs: int,
    engine: RemoteEngine,
    *,
    batch_size: int = 32,
    validation_data: Any = None,
) -> ModelCost:
    """Returns the resources that `model.fit` would need on a device, without sending anything.

    It counts the circuits of the forward pass and of the gradient, for each quantum layer, each
    measurement setting and each sample. Gradients use the layer's differentiator, or parameter
    shift if it has none. Failed jobs that must be paid for are not included.

    Args:
        model: A built model with quantum layers, on any engine.
        data: The data for `fit`: samples, a pair of samples and targets, or an iterable of batches.
        epochs: The number of epochs.
        engine: The engine to train on, with its `prices`.
        batch_size: The batch size for `fit`, unless the data come in batches. The number of jobs
            depends on it.
        validation_data: The validation data for `fit`: each epoch evaluates them once, without a
            gradient.

    Returns:
        The numbers of circuits, shots and jobs, the cost and the duration.

    Raises:
        ValueError: If the model is not built or has no quantum layer, or if the engine does not
            send jobs to a service or can't compute the model.

    Example:

    >>> prices = engines.services.Prices(per_circuit=0.3, per_shot=0.01)
    >>> engine = engines.SamplerEngine(cirq.Simulator(), shots=100, prices=prices)
    >>> model = keras.Sequential([keras.Input((2,)), PQCDense(1, n_qubits=2, n_layers=1)])
    >>> print(model_cost(model, np.zeros((10, 2)), epochs=1, engine=engine))
    170 circuits, 17,000 shots, 2 jobs, 221.00 USD
    """
    positive_int("epochs", epochs)
    positive_int("batch_size", batch_size)
    if not isinstance(engine, RemoteEngine):
        raise ArgumentError(
            "engine",
            "be one that sends jobs to a service, such as SamplerEngine",
            engine,
            "For a mitigation method, pass the engine that it runs on, and multiply the cost by "
            "the number of `programs` in the method's `report`.",
        )
    if not isinstance(model, keras.Model) or not model.built:
        raise ArgumentError("model", "be a built Keras model", model)
    sizes, first = _batches(data, batch_size)
    counts = _Counts(engine)
    trained = _differentiated(model)
    if not trained:
        raise ArgumentError("model", "have a quantum layer", model)
    for layer, fixed, per_sample in _calls(model, first, engine):
        for size, times in sizes.items():
            rows = fixed + per_sample * size
            counts.add(layer, rows, times * epochs, layer in trained and trained[layer])
        if validation_data is not None:
            for size, times in _batches(validation_data, batch_size)[0].items():
                counts.add(layer, fixed + per_sample * size, times * epochs, False)
    prices, total = engine.prices, (counts.circuits, counts.shots, counts.jobs)
    return ModelCost(*total, prices.money(*total), prices.currency, prices.seconds(*total))


class _Counts:
    """Adds up the circuits, shots and jobs of layers on an engine."""

    def __init__(self, engine: RemoteEngine) -> None:
        self.circuits = self.shots = self.jobs = 0
        self._engine = engine
        self._known: dict[tuple[QuantumLayer, int], tuple[tuple[int, ...], int | None, int]] = {}

    def add(self, layer: QuantumLayer, rows: int, times: int, gradient: bool) -> None:
        """Adds a layer's circuits.

        Args:
            layer: The layer.
            rows: The number of rows of inputs in a call.
            times: The number of calls.
            gradient: Whether each call is differentiated.
        """
        for number in range(len(layer.asked(_setup(layer, self._engine), layer.compiled))):
            shots, limit, evaluations = self._of(layer, number)
            self._purchase(shots, limit, rows, times)
            if gradient and evaluations:
                self._purchase(shots, limit, rows * evaluations, times)

    def _of(self, layer: QuantumLayer, number: int) -> tuple[tuple[int, ...], int | None, int]:
        key = (layer, number)
        if key not in self._known:
            job = _job(layer, number, self._engine)
            self._known[key] = (
                self._engine.shots_of(job),
                self._engine.circuits_per_job(job),
                _evaluations(layer, job),
            )
        return self._known[key]

    def _purchase(self, shots: tuple[int, ...], limit: int | None, rows: int, times: int) -> None:
        self.circuits += len(shots) * rows * times
        self.shots += sum(shots) * rows * times
        # All circuits of a job have the same number of shots.
        for settings in Counter(shots).values():
            circuits = settings * rows
            self.jobs += times * (math.ceil(circuits / limit) if limit else min(1, circuits))


def _job(layer: QuantumLayer, number: int, engine: RemoteEngine) -> Job:
    setup = _setup(layer, engine)
    asked = layer.asked(setup, layer.compiled)[number]
    precision = "float64" if layer.compute_dtype == "float64" else "float32"
    job = asked.reading(asked.readout.source).job(precision, shots=setup.all_shots)
    reason = engine.refuses(job)
    if reason is not None:
        raise ValueError(f"The engine {engine.name!r} can't compute layer {layer.name!r}: {reason}")
    return job


def _setup(layer: QuantumLayer, engine: RemoteEngine) -> Setup:
    """Returns a layer's setup with another engine."""
    return Setup.of(engine, layer.shots, layer.noise)


def _evaluations(layer: QuantumLayer, job: Job) -> int:
    """Returns how many circuits the gradient needs for one row of inputs."""
    if not (job.gradient and job.readout.linear and job.angles.rows):
        return 0
    differentiator = layer.differentiator
    if differentiator is None or isinstance(differentiator, Adjoint):
        differentiator = ParameterShift()
    return differentiator.evaluations(len(job.varying_rows))


def _differentiated(model: Any) -> dict[QuantumLayer, bool]:
    """Returns, for each quantum layer, whether a training step differentiates it.

    It does if the layer or a layer before it has trainable weights.
    """
    found: dict[QuantumLayer, bool] = {}
    trains = False
    for layer in model._flatten_layers(include_self=False, recursive=True):
        trains = trains or bool(layer.trainable_weights)
        if isinstance(layer, QuantumLayer):
            found[layer] = trains
    return found


def _calls(model: Any, first: Any, engine: RemoteEngine) -> list[tuple[QuantumLayer, int, int]]:
    """Returns each call of a quantum layer, with its rows of inputs per batch and per sample.

    Rows per batch are the landmarks of a kernel layer.
    """
    one, two = (_rows(model, first, count, engine) for count in (1, 2))
    return [(layer, 2 * a - b, b - a) for (layer, a), (_, b) in zip(one, two, strict=True)]


def _rows(
    model: Any, first: Any, count: int, engine: RemoteEngine
) -> list[tuple[QuantumLayer, int]]:
    """Returns each call of a quantum layer and its rows of inputs, for `count` samples."""
    calls: list[tuple[QuantumLayer, int]] = []
    with (
        _without_runs(model, engine),
        watched_runs(lambda layer, inputs: calls.append((layer, int(inputs.shape[0])))),
    ):
        model(keras.tree.map_structure(lambda part: ops.repeat(part, count, axis=0), first))
    return calls


@contextlib.contextmanager
def _without_runs(model: Any, engine: RemoteEngine) -> Iterator[None]:
    """Makes quantum layers return zeros in place of an engine's results."""
    layers = [
        layer
        for layer in model._flatten_layers(include_self=False, recursive=True)
        if isinstance(layer, QuantumLayer)
    ]
    before = [(layer._run, layer._setup) for layer in layers]

    def zeros(layer: QuantumLayer) -> Any:
        asked = layer.asked(layer._setup, layer.compiled)

        def run(inputs: Any, weights: Any, seed: Any = None) -> Any:
            rows = inputs.shape[0]
            values = [
                ops.zeros(
                    (rows, *one.readout.shape(one.program, layer._shots)),
                    one.readout.dtype("float32"),
                )
                for one in asked
            ]
            return values if layer.returns_list else values[0]

        return run

    try:
        for layer in layers:
            layer._setup = _setup(layer, engine)
            layer._run = zeros(layer)
        yield
    finally:
        for layer, (run, setup) in zip(layers, before, strict=True):
            layer._run, layer._setup = run, setup


def _batches(data: Any, batch_size: int) -> tuple[Counter[int], Any]:
    """Returns how many batches of each size there are, and a batch of one sample."""
    if hasattr(data, "shape") or isinstance(data, (tuple, list, dict)):
        x = data[0] if isinstance(data, tuple) else data
        n = len(keras.tree.flatten(x)[0])
        sizes = Counter({batch_size: n // batch_size} if n >= batch_size else {})
        if n % batch_size:
            sizes[n % batch_size] += 1
        return sizes, _one(x)
    if not isinstance(data, Iterable):
        raise ArgumentError("data", "be samples, a pair of samples and targets, or batches", data)
    sizes, first = Counter(), None
    for batch in data:
        x = batch[0] if isinstance(batch, (tuple, list)) else batch
        first = _one(x) if first is None else first
        sizes[len(keras.tree.flatten(x)[0])] += 1
    if first is None:
        raise ArgumentError("data", "have at least one batch", data)
    return sizes, first


def _one(x: Any) -> Any:
    return keras.tree.map_structure(
        lambda part: ops.convert_to_tensor(np.asarray(ops.convert_to_numpy(part))[:1]), x
    )
