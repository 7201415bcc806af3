"""The base class of all quantum layers: a compiled circuit, an engine, and weights."""

from __future__ import annotations

import abc
import contextlib
import inspect
import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid import gradients
from qkeras_hybrid._checks import known_arguments
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.engines import Engine, Run
from qkeras_hybrid.engines.base import check_finite as check_tensor_finite
from qkeras_hybrid.gradients import Differentiator
from qkeras_hybrid.layers.features import as_tensor, n_features_of
from qkeras_hybrid.layers.initializers import SmallAngles
from qkeras_hybrid.layers.outputs import Output
from qkeras_hybrid.layers.saved import errors_named, serialized
from qkeras_hybrid.layers.setup import Setup
from qkeras_hybrid.layers.switchable import Switchable
from qkeras_hybrid.layers.weights import MAIN, CircuitWeights, WeightGroup
from qkeras_hybrid.noise import NoiseModel
from qkeras_hybrid.program import Compiled, Job, Program
from qkeras_hybrid.readouts import Circuits, Expectation, Readout

_SYMBOLS = "symbols"  # the entry of a saved layer that holds the names of the weights' symbols

_WATCHERS: list[Callable[[Any, Any], None]] = []
_LASTING: weakref.WeakSet[Any] = weakref.WeakSet()
_BUILT: weakref.WeakSet[QuantumLayer] = weakref.WeakSet()


def watch_runs(watcher: Callable[[Any, Any], None]) -> None:
    """Calls an object whenever a quantum layer runs its circuit, as long as the object lives.

    Args:
        watcher: As in `watched_runs`.
    """
    _LASTING.add(watcher)


def layers_of(variables: Sequence[Any]) -> list[QuantumLayer]:
    """Returns the built quantum layers that have some of these variables as circuit weights.

    Args:
        variables: Keras variables. The layers come in the order of the variables.
    """
    place = {id(variable): number for number, variable in enumerate(variables)}
    found = {}
    for layer in _BUILT:
        weights = layer._circuit_weights
        owned = [] if weights is None else [id(v) for v in weights.variables.values()]
        if not place.keys().isdisjoint(owned):
            found[min(place[v] for v in owned if v in place)] = layer
    return [found[number] for number in sorted(found)]


@contextlib.contextmanager
def watched_runs(watcher: Callable[[Any, Any], None]) -> Iterator[None]:
    """Calls a function whenever a quantum layer runs its circuit.

    Args:
        watcher: Called with the layer and the circuit's inputs, of shape `(batch, n_inputs)`.
    """
    _WATCHERS.append(watcher)
    try:
        yield
    finally:
        _WATCHERS.remove(watcher)


class QuantumLayer(Switchable, keras.layers.Layer):
    """A Keras layer that computes a quantum circuit.

    A subclass defines the circuit: it implements `compile` and `compute_output_shape`.

    Args:
        engine: "auto", the name of an engine, or an engine.
        differentiator: None for the engine's own gradient, a name or a `Differentiator`.
        shots: None for exact values, or the mean number of measurements in each basis in which the
            observables are measured.
        noise: None, a noise model of `qkeras_hybrid.noise`, or its spelling, such as
            "depolarizing:0.01".
        seed: Integer seed of the shots.
        check_finite: Whether to raise an error on NaN and infinities in the inputs or the result,
            which otherwise pass through. For debugging: it costs a pass over both.
        weight_initializer: Initializer of the circuit's weights, in radians.
        weight_regularizer: Regularizer of the circuit's weights.
        weight_constraint: Constraint of the circuit's weights.
        **kwargs: Keras's `name`, `dtype`, `trainable`, `activity_regularizer`.
    """

    def __init__(
        self,
        *,
        engine: str | dict[str, Any] | Engine = "auto",
        differentiator: str | dict[str, Any] | Differentiator | None = None,
        shots: int | None = None,
        noise: str | dict[str, Any] | NoiseModel | None = None,
        seed: int | None = None,
        check_finite: bool = False,
        weight_initializer: Any = None,
        weight_regularizer: Any = None,
        weight_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        # Inputs are not rounded to half precision, which is too coarse for angles: the layer
        # computes in float32 or float64, and the result has the policy's dtype.
        super().__init__(autocast=False, **kwargs)
        self.seed = seed
        self.check_finite = bool(check_finite)
        self.differentiator = gradients.get(differentiator)
        self.weight_initializer = (
            SmallAngles()
            if weight_initializer is None
            else keras.initializers.get(weight_initializer)
        )
        self.weight_regularizer = keras.regularizers.get(weight_regularizer)
        self.weight_constraint = keras.constraints.get(weight_constraint)
        setup = self._setup = Setup.of(engine, shots, noise)
        self._engine = setup.engine
        setup.check(self.differentiator, None)
        # One position of the leading axes is one sample, so their mask stays valid.
        self.supports_masking = True
        self.supports_jit = setup.supports_jit
        self._compiled: Compiled | None = None
        self._run: Run | None = None
        self.circuit_weights: Any = None
        self.weight_groups: dict[str, WeightGroup] = {}
        self._circuit_weights: CircuitWeights | None = None
        self._seed_generator = (
            keras.random.SeedGenerator(seed) if self._draws(setup, setup.engine) else None
        )

    # A subclass implements these.

    @abc.abstractmethod
    def compile(self, n_features: int) -> Compiled:
        """Compiles the layer's circuit for inputs with `n_features` features.

        The result depends only on the constructor's arguments: the layer need not be built.
        """

    def encode(self, features: Any) -> Any:
        """Maps features `(batch, n_features)` to the circuit's inputs `(batch, n_inputs)`."""
        return features

    # The smallest number of features that the circuit takes.
    _fewest_features = 1

    # Keras's interface.

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Compiles the circuit, chooses the engine, prepares it and makes the weights."""
        compiled = self._compiled = self.compile(self._check_shape(input_shape))
        prepared = self._prepared(self._setup, compiled)
        prepared.warn(self.name)
        self._take(self._setup, prepared)
        self._add_weights(compiled)
        self.built = True

    def _add_weights(self, compiled: Compiled) -> None:
        main = {
            "initializer": self.weight_initializer,
            "regularizer": self.weight_regularizer,
            "constraint": self.weight_constraint,
        }
        weights = self._circuit_weights = CircuitWeights(compiled.weights, self.weight_groups)
        for name, symbols in weights.names.items():
            group = self.weight_groups.get(name)
            arguments = main if group is None else group.arguments(self.weight_initializer)
            weights.variables[name] = self.add_weight(name=name, shape=(len(symbols),), **arguments)
        self.circuit_weights = weights.variables.get(MAIN)
        _BUILT.add(self)

    def job(self, compiled: Compiled) -> Job:
        """Returns the job that this layer gives an engine for a compiled circuit."""
        return compiled.job(self._precision, shots=self._shots, noise=self.noise)

    def call(self, inputs: Any) -> Any:
        """Computes the circuit for every position of the leading axes.

        Args:
            inputs: Tensor of shape `(batch, ..., n_features)`, numeric.

        Returns:
            Tensor of the shape that `compute_output_shape` returns.
        """
        features = self._as_features(inputs)
        rank, width = len(features.shape), features.shape[-1]
        leading = ops.shape(features)[:-1]
        if rank > 2:
            # Without features, the number of samples can't be computed from the number of values.
            samples = -1 if width else math.prod(leading)
            features = ops.reshape(features, (samples, width))
        return self._read(self.encode(features), leading if rank > 2 else None)

    def _read(self, inputs: Any, leading: Any = None) -> Any:
        """Runs the circuit on its inputs, and gives the result the layer's shape and dtype."""
        found = self._computed(inputs)
        tensors = [
            self._finished(readout, values, leading)
            for readout, values in zip(
                self.readouts, found if self.returns_list else [found], strict=True
            )
        ]
        return tensors if self.returns_list else tensors[0]

    def _computed(self, inputs: Any) -> Any:
        """Runs the circuit on its inputs, of shape `(batch, n_inputs)`."""
        assert self._run is not None and self._circuit_weights is not None
        for watcher in (*_WATCHERS, *_LASTING):
            watcher(self, inputs)
        weights = self._circuit_weights.vector(self._precision)
        return self._run(inputs, weights, self._seed_generator)

    def _finished(self, readout: Readout, values: Any, leading: Any) -> Any:
        if self.check_finite and readout.dtype("float32") != "string":
            check_tensor_finite(values, f"the result of layer {self.name!r}")
        if leading is not None:
            values = ops.reshape(values, (*leading, *readout.shape(self.program, self._shots)))
        return readout.cast(values, self.compute_dtype)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Returns shape and dtype of the output: complex for states, strings for circuits."""
        spec = super().compute_output_spec(*args, **kwargs)
        if self._output is None:
            return spec
        shapes = [each.shape for each in spec] if self.returns_list else spec.shape
        return self._output.spec(shapes, self._precision, self.compute_dtype)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Returns the mask of the leading axes, for each tensor that the layer returns."""
        mask = super().compute_mask(inputs, previous_mask)
        if not self.returns_list or mask is None or isinstance(mask, (list, tuple)):
            return mask
        return [mask] * len(self.readouts)

    def save_own_variables(self, store: Any) -> None:
        """Saves the weights together with the names of their symbols."""
        super().save_own_variables(store)
        weights = self._circuit_weights
        if weights is not None and weights.names:
            store[_SYMBOLS] = np.frombuffer(weights.text(self._saved_by_keras()).encode(), "uint8")

    def load_own_variables(self, store: Any) -> None:
        """Loads the weights.

        Raises:
            ValueError: If they belong to other symbols than this layer's, or are in another order.
                A file of version 0.1.0 names no symbols: its weights load by number.
        """
        stored = {key: store[key] for key in store.keys()}  # noqa: SIM118 (not a mapping)
        text, weights = stored.pop(_SYMBOLS, None), self._circuit_weights
        if text is not None and weights is not None and weights.names:
            stored = weights.renumbered(
                self.name, bytes(text).decode(errors="replace"), stored, self._saved_by_keras()
            )
        super().load_own_variables(stored)

    def _saved_by_keras(self) -> list[Any]:
        # In the order of the numbers that Keras's `save_own_variables` gives them.
        return [*self._trainable_variables, *self._non_trainable_variables]

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor, in a form that JSON holds."""
        return {
            **super().get_config(),
            **self._setup.config(),
            "differentiator": serialized(self.differentiator),
            "seed": self.seed,
            "check_finite": self.check_finite,
            "weight_initializer": keras.initializers.serialize(self.weight_initializer),
            "weight_regularizer": keras.regularizers.serialize(self.weight_regularizer),
            "weight_constraint": keras.constraints.serialize(self.weight_constraint),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> QuantumLayer:
        """Makes a layer from what `get_config` returned.

        Raises:
            ValueError: If the config is not one of this layer's. The message has the layer's name.
        """
        more = {"name", "dtype", "trainable", "activity_regularizer"}
        for ancestor in cls.__mro__[1 : cls.__mro__.index(QuantumLayer) + 1]:
            more |= set(inspect.signature(ancestor).parameters) - {"kwargs"}
        with errors_named(cls, config.get("name")):
            return cls(**known_arguments(cls, config, more))

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Builds the layer for the shape it had when it was saved.

        Raises:
            ValueError: If it can't be built for that shape. The message has the layer's name.
        """
        with errors_named(type(self), self.name):
            if not isinstance(config, dict):
                raise ArgumentError("build_config", "be a table", config)
            super().build_from_config(config)

    # Implementation.

    def _reads(self, output: Any, expectation: Expectation | None) -> None:
        """Reads the argument `output` of a layer that has one: see `Output.of`."""
        self._output = Output.of(output, expectation)
        self._output.check(self._shots, self.differentiator)
        # Keras can't put a mask on strings.
        self.supports_masking = not any(isinstance(r, Circuits) for r in self._output.readouts)

    def _output_config(self) -> Any:
        return None if self._output is None else self._output.config()

    def _output_shape(self, leading: tuple[int | None, ...], program: Program) -> Any:
        assert self._output is not None
        return self._output.shape(leading, program, self._shots)

    @property
    def _precision(self) -> str:
        return "float64" if self.compute_dtype == "float64" else "float32"

    def _check_shape(self, input_shape: Sequence[int | None]) -> int:
        return n_features_of(self.name, input_shape, self._fewest_features)

    def _as_features(self, inputs: Any) -> Any:
        built_for = getattr(self, "_build_shapes_dict", None) or {}
        width = next(iter(built_for.values()))[-1] if built_for else None
        inputs = as_tensor(self.name, inputs, width)
        if self.check_finite and "float" in keras.backend.standardize_dtype(inputs.dtype):
            check_tensor_finite(inputs, f"the input of layer {self.name!r}")
        return ops.cast(inputs, self._precision)
