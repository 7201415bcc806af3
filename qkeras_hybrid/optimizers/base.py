"""The base of circuit optimizers: their layers, the layers' inputs, and their cost."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid import engines
from qkeras_hybrid._checks import finite_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.engines import Engine, Run
from qkeras_hybrid.gradients import Adjoint, ParameterShift, Seeds
from qkeras_hybrid.layers.base import QuantumLayer, layers_of, watch_runs
from qkeras_hybrid.program import AngleMap, Job


class Seen:
    """Keeps the inputs of each layer's last run.

    A training step runs a layer before it applies the gradients. So these are the inputs of the
    same step, in the same graph.
    """

    def __init__(self) -> None:
        self._inputs: weakref.WeakKeyDictionary[QuantumLayer, Any] = weakref.WeakKeyDictionary()
        self._only: frozenset[int] | None = None
        watch_runs(self)

    def restrict(self, layers: Iterable[QuantumLayer]) -> None:
        """Forgets all except these layers."""
        self._only = frozenset(map(id, layers))
        for layer in list(self._inputs):
            if id(layer) not in self._only:
                del self._inputs[layer]

    def take(self, layer: QuantumLayer) -> Any:
        """Returns a layer's inputs, of shape `(batch, n_inputs)`, and forgets them.

        Raises:
            RuntimeError: If the layer has not run.
        """
        if layer not in self._inputs:
            raise RuntimeError(
                f"The optimizer needs the inputs of layer {layer.name!r}, but the layer did not "
                "run in this step. Call the model before the optimizer."
            )
        return self._inputs.pop(layer)

    def __call__(self, layer: QuantumLayer, inputs: Any) -> None:
        """Keeps a layer's inputs."""
        if self._only is not None and id(layer) not in self._only:
            return
        if isinstance(inputs, tuple):
            return  # the inputs are circuits with values
        # Under JAX, a value that depends on trained variables belongs to the transformation that
        # takes the gradient, and must not be used outside of it. Stopping the gradient detaches it.
        self._inputs[layer] = ops.stop_gradient(inputs)


@dataclass(frozen=True)
class Part:
    """A quantum layer among the variables of an optimizer.

    Attributes:
        layer: The layer.
        numbers: The indices of the optimizer's variables that are weights of its circuit.
        columns: The indices of the circuit's weights that these variables hold, in their order.
    """

    layer: QuantumLayer
    numbers: tuple[int, ...]
    columns: tuple[int, ...]

    @property
    def precision(self) -> str:
        """The dtype of the layer's computation."""
        return "float64" if self.layer.compute_dtype == "float64" else "float32"

    @property
    def job(self) -> Job:
        """The layer's job for its engine, with its noise and shots."""
        return self.layer.job(self.layer.compiled)

    @property
    def weights(self) -> Any:
        """The current weights of the circuit, of shape `(n_weights,)`."""
        assert self.layer._circuit_weights is not None
        return self.layer._circuit_weights.vector(self.precision)

    @property
    def gradient_circuits(self) -> int:
        """How many circuits run for the values and the gradient of one sample."""
        differentiator, engine = self.layer.differentiator, self.layer.engine
        if (
            differentiator is None
            and engine is not None
            and not engine.differentiates_itself(self.job)
        ):
            differentiator = ParameterShift()
        if differentiator is None or isinstance(differentiator, Adjoint):
            return 1
        return 1 + differentiator.evaluations(len(self.layer.compiled.varying_rows))


@dataclass(frozen=True)
class AtWeights:
    """Computes a circuit's readout at several weights, in one run.

    Attributes:
        angles: The map from inputs and weights to the angles.
        run: Computes the readout from the angles.
    """

    angles: AngleMap
    run: Run

    @classmethod
    def of(cls, job: Job, engine: Engine | None = None) -> AtWeights:
        """Prepares a job.

        Args:
            job: The job.
            engine: The engine; by default the fastest that can run the job.

        Raises:
            ValueError: If this engine, or without one any engine, can't run the job.
        """
        bare = job.bare()
        return cls(job.angles, engines.prepare(bare, engines.choose(bare, engine)))

    def __call__(self, inputs: Any, weights: Sequence[Any], seed: Any = None) -> Any:
        """Returns the readout, `(len(weights) * batch, ...)`, ordered by weights, then by samples.

        Args:
            inputs: Tensor of shape `(batch, n_inputs)`.
            weights: Tensors of shape `(n_weights,)`.
            seed: The seed of the shots, if the job has shots.
        """
        angles = ops.concatenate([self.angles(inputs, each) for each in weights])
        nothing = ops.zeros((0,), dtype=keras.backend.standardize_dtype(angles.dtype))
        return self.run(angles, nothing, seed)


def first_samples(inputs: Any, samples: int | None) -> Any:
    """Returns the inputs of the first samples, `(batch, n_inputs)`, for a metric."""
    # Without inputs, all samples have the same state.
    return inputs[: samples if inputs.shape[1] else 1]


def drawn_seeds(seed: int, iterations: Any) -> Seeds:
    """Returns the seeds of a step: different in each step, the same if the step is repeated.

    The only state is the number of steps, which is saved with the optimizer.

    Args:
        seed: The seed of the optimizer.
        iterations: The number of the step, a tensor.
    """
    dtype = "uint32" if keras.backend.backend() == "jax" else "int64"
    # Torch adds the two numbers, so neighbouring seeds must not give neighbouring numbers.
    number = ops.convert_to_tensor(seed * 1_000_003 % 2**30, dtype=dtype)
    return Seeds(ops.stack([ops.cast(iterations, dtype), number]))


class Untracked:
    """A table that TensorFlow does not save as a part of the optimizer."""

    def __init__(self) -> None:
        self._entries: dict[int, Any] = {}

    def __setitem__(self, key: int, value: Any) -> None:
        self._entries[key] = value

    def __getitem__(self, key: int) -> Any:
        return self._entries[key]


class _Parts:
    """Holds the parts so that TensorFlow does not save their layers with the optimizer."""

    def __init__(self, parts: list[Part]) -> None:
        self.list = parts
        self.quantum = frozenset(number for part in parts for number in part.numbers)


def _parts(variables: Any) -> list[Part]:
    number = {id(variable): k for k, variable in enumerate(variables)}
    found = []
    for layer in layers_of(variables):
        held = layer._circuit_weights
        assert held is not None
        place = {name: k for k, name in enumerate(held.symbols)}
        trained = [(number[id(v)], n) for n, v in held.variables.items() if id(v) in number]
        columns = tuple(place[symbol] for _, name in trained for symbol in held.names[name])
        found.append(Part(layer, tuple(k for k, _ in trained), columns))
    return found


class CircuitOptimizer(keras.optimizers.Adam):
    """The base of optimizers that train circuit weights by their own method, and others by Adam.

    Args:
        learning_rate: The learning rate of the circuits' weights.
        classical_learning_rate: The learning rate of all other weights.
        **kwargs: Arguments of `keras.optimizers.Adam`.

    Attributes:
        refused: Further arguments of Adam that a subclass does not support.

    Raises:
        ValueError: If an argument for gradient clipping or weight decay is given: Keras would apply
            it to the weights of circuits too.
    """

    refused: tuple[str, ...] = ()

    def __init__(
        self, learning_rate: Any, *, classical_learning_rate: float = 0.001, **kwargs: Any
    ) -> None:
        for name in ("clipnorm", "clipvalue", "global_clipnorm", "weight_decay", *self.refused):
            if kwargs.get(name) is not None:
                raise ArgumentError(
                    name,
                    f"be None for {type(self).__name__}",
                    kwargs[name],
                    "It would change the updates of circuit weights.",
                )
        super().__init__(learning_rate=learning_rate, **kwargs)
        # Now, since Keras may build an optimizer only after the layers' first run.
        self._seen = Seen()
        self.classical_learning_rate = finite_number(
            "classical_learning_rate", classical_learning_rate
        )
        if self.classical_learning_rate < 0:
            raise ArgumentError("classical_learning_rate", "be at least 0", classical_learning_rate)

    # A subclass implements this method.

    def direction(self, part: Part, gradient: Any, inputs: Any) -> tuple[Any, Any]:
        """Returns the direction, and the number of circuits that it took.

        The optimizer subtracts the direction times the learning rate from the weights.

        Args:
            part: A quantum layer.
            gradient: The gradient by `part.columns`, of shape `(n_columns,)`.
            inputs: The inputs of the layer's circuit in this step, `(batch, n_inputs)`.
        """
        raise NotImplementedError

    # Keras calls these methods.

    def build(self, variables: Any) -> None:
        """Finds the quantum layers that the variables belong to.

        Raises:
            ValueError: If a layer takes circuits as inputs, or does not suit the optimizer.
        """
        if self.built:
            return
        super().build(variables)
        self._kept = Untracked()
        self._parts = _Parts(_parts(variables))
        for part in self._parts.list:
            if part.job.circuits:
                raise ArgumentError(
                    "optimizer",
                    "be a Keras optimizer for a model with circuits as inputs",
                    type(self).__name__,
                    f"Layer {part.layer.name!r} takes circuits as inputs, so there is no single "
                    "circuit whose weights this optimizer could train.",
                )
            self.prepare(part)
        self._seen.restrict(part.layer for part in self._parts.list)
        self._circuits = self.add_variable((), "zeros", dtype="int", name="circuits")

    def prepare(self, part: Part) -> None:
        """Prepares what `direction` needs for a quantum layer."""

    @property
    def circuits(self) -> int:
        """How many circuits the trained quantum layers have run: for values, gradients and steps.

        An adjoint gradient runs no circuits of its own. If a step calls a layer several times, only
        the last call counts.
        """
        return int(ops.convert_to_numpy(self._circuits)) if self.built else 0

    def apply(self, grads: Any, trainable_variables: Any = None) -> None:
        """Updates the variables by their gradients, right after the step's forward pass."""
        grads = list(grads)
        if trainable_variables is not None:
            trainable_variables = list(trainable_variables)
            if not self.built:
                self.build(trainable_variables)
        if self.built:
            given = (
                self._trainable_variables if trainable_variables is None else trainable_variables
            )
            place = {self._get_variable_index(v): k for k, v in enumerate(given)}
            for part in self._parts.list:
                self._redirect(part, grads, [place[number] for number in part.numbers])
        super().apply(grads, trainable_variables)

    def _redirect(self, part: Part, grads: list[Any], places: list[int]) -> None:
        """Replaces the gradients of a layer's weights by their direction."""
        found = [grads[k] for k in places]
        if any(gradient is None for gradient in found):
            return
        inputs = self._seen.take(part.layer)
        joined = ops.concatenate([ops.cast(gradient, part.precision) for gradient in found])
        direction, circuits = self.direction(part, joined, inputs)
        own = ops.shape(inputs)[0] * part.gradient_circuits
        self._circuits.assign_add(ops.cast(circuits + own, self._circuits.dtype))
        start = 0
        for k, gradient in zip(places, found, strict=True):
            size = int(np.prod(gradient.shape))
            grads[k] = ops.cast(direction[start : start + size], gradient.dtype)
            start += size

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates a variable: a circuit's weights along the direction, others as Adam does."""
        if self._get_variable_index(variable) in self._parts.quantum:
            step = ops.cast(learning_rate, variable.dtype) * ops.cast(gradient, variable.dtype)
            self.assign_sub(variable, step)
        else:
            super().update_step(gradient, variable, self.classical_learning_rate)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, in a form that JSON holds."""
        return {**super().get_config(), "classical_learning_rate": self.classical_learning_rate}
