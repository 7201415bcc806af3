"""What all quantum layers share: a compiled circuit, an engine, and one vector of weights."""

from __future__ import annotations

import abc
import contextlib
import html
import inspect
import json
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid import _circuit_json, engines, gradients, observables
from qkeras_hybrid._checks import (
    MOST_PARAMETERS,
    MOST_QUBITS,
    MOST_TEMPLATE_OPERATIONS,
    known_arguments,
)
from qkeras_hybrid._errors import ArgumentError, shown
from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.encodings import Encoding
from qkeras_hybrid.engines import Engine, Run
from qkeras_hybrid.engines.base import check_finite as check_tensor_finite
from qkeras_hybrid.gradients import Differentiator
from qkeras_hybrid.layers.drawing import drawing, page
from qkeras_hybrid.layers.initializers import SmallAngles
from qkeras_hybrid.layers.resources import Resources, resources
from qkeras_hybrid.program import Compiled, Job, Program
from qkeras_hybrid.readouts import Expectation, Readout

_SYMBOLS = "symbols"  # the entry of saved weights that holds their symbols' names

# What encodings call the number of times that their circuit is repeated.
_REPEATS = ("n_layers", "trotter_steps")

_WATCHERS: list[Callable[[Any, Any], None]] = []


@contextlib.contextmanager
def watched_runs(watcher: Callable[[Any, Any], None]) -> Iterator[None]:
    """Calls a function each time a quantum layer runs its circuit.

    Args:
        watcher: Called with the layer and the circuit's inputs, of shape `(batch, n_inputs)`.
    """
    _WATCHERS.append(watcher)
    try:
        yield
    finally:
        _WATCHERS.remove(watcher)


class QuantumLayer(keras.layers.Layer):
    """A Keras layer that computes a quantum circuit.

    A subclass says what circuit: it implements `compile` and `compute_output_shape`.

    Args:
        engine: "auto", the name of an engine, or an engine.
        differentiator: None for the engine's own gradient, a name or a `Differentiator`.
        shots: None for exact values, or the number of simulated measurements a Pauli term.
        seed: Integer seed of the shots.
        check_finite: Whether to raise on NaN and infinities in the inputs or the result, where
            otherwise they pass through. For debugging: it costs a pass over both.
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
        seed: int | None = None,
        check_finite: bool = False,
        weight_initializer: Any = None,
        weight_regularizer: Any = None,
        weight_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        # Inputs are not rounded to a half precision that angles would not survive: they are
        # computed in float32 or float64, and the result has the policy's dtype.
        super().__init__(autocast=False, **kwargs)
        self.shots = shots
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
        self._engine_given = engine
        self._engine = engines.get(engine)
        # One position of the leading axes is one sample: a mask of them stays true.
        self.supports_masking = True
        # What comes before the engine is known; "auto" takes an op under TensorFlow that XLA
        # does not know.
        self.supports_jit = keras.backend.backend() != "tensorflow" or (
            self._engine is not None and self._engine.traceable and self._shots is None
        )
        self._compiled: Compiled | None = None
        self._run: Run | None = None
        self.circuit_weights: Any = None
        draws = self._shots is not None or isinstance(self.differentiator, gradients.SPSA)
        self._seed_generator = keras.random.SeedGenerator(seed) if draws else None

    # What a subclass says.

    @abc.abstractmethod
    def compile(self, n_features: int) -> Compiled:
        """Compiles the layer's circuit for inputs with `n_features` features.

        It depends on the constructor's arguments alone: the layer need not be built.
        """

    def encode(self, features: Any) -> Any:
        """Maps features `(batch, n_features)` to the circuit's inputs `(batch, n_inputs)`."""
        return features

    @property
    def readout(self) -> type[Readout]:
        """The type of what the layer returns."""
        return Expectation

    # What Keras asks.

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Compiles the circuit, chooses the engine, prepares it and makes the weights."""
        compiled = self._compiled = self.compile(self._check_shape(input_shape))
        job = self.job(compiled)
        engine = self._engine = engines.choose(job, self._engine)
        self._run = engines.prepare(job, engine, self.differentiator)
        self.supports_jit = engine.traces(job)
        caution = engine.caution(job)
        if caution is not None:
            warnings.warn(f"Layer {self.name!r}: {caution}", stacklevel=2)
        if compiled.weights:
            self.circuit_weights = self.add_weight(
                name="circuit_weights",
                shape=(len(compiled.weights),),
                initializer=self.weight_initializer,
                regularizer=self.weight_regularizer,
                constraint=self.weight_constraint,
            )
        self.built = True

    def job(self, compiled: Compiled) -> Job:
        """Returns what this layer asks of an engine for a compiled circuit."""
        return compiled.job(self._precision, shots=self._shots)

    def call(self, inputs: Any) -> Any:
        """Computes the circuit for every position of the leading axes.

        Args:
            inputs: Tensor of shape `(batch, ..., n_features)`, numeric.

        Returns:
            Tensor of the shape that `compute_output_shape` says.
        """
        features = self._as_features(inputs)
        rank = len(features.shape)
        leading = ops.shape(features)[:-1]
        if rank > 2:
            features = ops.reshape(features, (-1, features.shape[-1]))
        return self._read(self.encode(features), leading if rank > 2 else None)

    def _read(self, inputs: Any, leading: Any = None) -> Any:
        """Runs the circuit on its inputs, and gives the result the layer's shape and dtype."""
        assert self._run is not None
        for watcher in _WATCHERS:
            watcher(self, inputs)
        values = self._run(inputs, self._weights(), self._seed_generator)
        readout = self.compiled.readout
        if self.check_finite and readout.dtype("float32") != "string":
            check_tensor_finite(values, f"the result of layer {self.name!r}")
        if leading is not None:
            values = ops.reshape(values, (*leading, *values.shape[1:]))
        return readout.cast(values, self.compute_dtype)

    def _weights(self) -> Any:
        """Returns the circuit's weights in the precision of the computation."""
        if self.circuit_weights is None:
            return ops.zeros((0,), dtype=self._precision)
        return ops.cast(ops.convert_to_tensor(self.circuit_weights), self._precision)

    def save_own_variables(self, store: Any) -> None:
        """Saves the weights, and the names of their symbols beside them."""
        super().save_own_variables(store)
        if self.circuit_weights is not None:
            store[_SYMBOLS] = np.frombuffer(self._symbols_text().encode(), "uint8")

    def load_own_variables(self, store: Any) -> None:
        """Loads the weights.

        Raises:
            ValueError: If they belong to other symbols than this layer's, or come in another
                order. A file of version 0.1.0 names no symbols: its weights load by their number.
        """
        stored = {key: store[key] for key in store.keys()}  # noqa: SIM118 (no mapping of Keras's)
        text = stored.pop(_SYMBOLS, None)
        if text is not None and self.circuit_weights is not None:
            saved, own = bytes(text).decode(errors="replace"), self._symbols_text()
            if saved != own:
                raise ValueError(
                    f"The saved weights of layer {self.name!r} must belong to its symbols in their "
                    f"order, {shown(own)}, but got those of {shown(saved)}. Load them into a layer "
                    "with the circuit that they were trained in; if only the order differs, a PQC "
                    "takes it in `symbols`."
                )
        super().load_own_variables(stored)

    def _symbols_text(self) -> str:
        return json.dumps([symbol.name for symbol in self.symbols])

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor, in a form that JSON holds."""
        given = self._engine_given
        return {
            **super().get_config(),
            "engine": _serialized(given) if isinstance(given, Engine) else given,
            "differentiator": _serialized(self.differentiator),
            "shots": self.shots,
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
            ValueError: If the config is not one of the layer's; with the layer's name.
        """
        more = {"name", "dtype", "trainable", "activity_regularizer"}
        for ancestor in cls.__mro__[1 : cls.__mro__.index(QuantumLayer) + 1]:
            more |= set(inspect.signature(ancestor).parameters) - {"kwargs"}
        try:
            return cls(**known_arguments(cls, config, more))
        except SavedLayerError:
            raise
        except Exception as error:
            raise unreadable(cls, config.get("name"), error) from error

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Builds the layer for the shape it had when it was saved.

        Raises:
            ValueError: If it can't be built for that; with the layer's name.
        """
        try:
            if not isinstance(config, dict):
                raise ArgumentError("build_config", "be a table", config)
            super().build_from_config(config)
        except SavedLayerError:
            raise
        except Exception as error:
            raise unreadable(type(self), self.name, error) from error

    # What users read.

    @property
    def engine(self) -> Engine | None:
        """The engine: what was given, and after `build` what "auto" chose; None before that."""
        return self._engine

    @property
    def compiled(self) -> Compiled:
        """The compiled circuit: program, map to its angles, and readout.

        Raises:
            ValueError: If the layer is not built yet.
        """
        if self._compiled is None:
            raise ValueError(
                f"Layer {self.name!r} is not built yet: call it on data, or build it with the "
                "shape of its input, e.g. layer.build((None, 4))."
            )
        return self._compiled

    @property
    def program(self) -> Program:
        """The program of the compiled circuit."""
        return self.compiled.program

    @property
    def circuit(self) -> cirq.Circuit:
        """The circuit that runs, encoding included."""
        return self.compiled.circuit.unfreeze()

    @property
    def symbols(self) -> tuple[sympy.Symbol, ...]:
        """The symbols of the circuit's weights, in the order of the weights."""
        return self.compiled.weights

    def draw(self, format: str = "text") -> str:
        """Returns a drawing of the circuit; a qubit that no gate touches has an identity there.

        Args:
            format: "text", or "svg" for an SVG document.

        Raises:
            ValueError: If the format is neither, or the layer is not built.
        """
        return drawing(self.compiled, format)

    def _repr_html_(self) -> str:
        """Shows the layer in a notebook: its circuit, its weights and what it would cost."""
        title = f"<b>{html.escape(type(self).__name__)}</b> {html.escape(self.name)}"
        if self._compiled is None or self._engine is None:
            return f"<p>{title}, not built yet</p>"
        weights = [] if self.circuit_weights is None else ops.convert_to_numpy(self.circuit_weights)
        return page(title, self._compiled, self.resources(), self._engine.name, weights)

    def resources(self) -> Resources:
        """Returns what the circuit would ask of quantum hardware."""
        return resources(self.compiled, self.differentiator)

    # How it is done.

    @property
    def _precision(self) -> str:
        return "float64" if self.compute_dtype == "float64" else "float32"

    @property
    def _shots(self) -> int | None:
        """The number of shots: the layer's, or else the engine's own."""
        if self.shots is None and self._engine is not None:
            return self._engine.shots
        return self.shots

    def _check_shape(self, input_shape: Sequence[int | None]) -> int:
        if isinstance(input_shape, Mapping) or any(
            isinstance(axis, (tuple, list)) for axis in input_shape
        ):
            raise ValueError(
                f"Layer {self.name!r} must have one input, but got several, of shapes "
                f"{input_shape}. Join them first, e.g. with keras.layers.Concatenate()."
            )
        shape = tuple(input_shape)
        if len(shape) < 2:
            raise ValueError(
                f"Layer {self.name!r} must have an input of rank 2 or more, (batch, ..., "
                f"features), but got shape {shape}. Add an axis, e.g. inputs[None]."
            )
        if shape[-1] is None or shape[-1] < 1:
            raise ValueError(
                f"Layer {self.name!r} must know the number of features, the last axis of its "
                f"input, and it must be 1 or more, but got shape {shape}."
            )
        return int(shape[-1])

    def _as_features(self, inputs: Any) -> Any:
        if type(inputs).__name__ == "SparseTensor":
            raise ValueError(
                f"Layer {self.name!r} must have a dense input, but got a {type(inputs).__name__}. "
                "Make it dense first, e.g. with tf.sparse.to_dense."
            )
        inputs = ops.convert_to_tensor(inputs)
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        if not dtype.startswith(("float", "bfloat", "int", "uint", "bool")):
            raise ValueError(
                f"Layer {self.name!r} must have a numeric, real input, but got dtype {dtype}."
            )
        expected = getattr(self, "_build_shapes_dict", None) or {}
        width = next(iter(expected.values()))[-1] if expected else inputs.shape[-1]
        if len(inputs.shape) < 2 or inputs.shape[-1] != width:
            raise ValueError(
                f"Layer {self.name!r} must have an input of shape (batch, ..., {width}), but got "
                f"shape {tuple(inputs.shape)}."
            )
        if self.check_finite and "float" in dtype:
            check_tensor_finite(inputs, f"the input of layer {self.name!r}")
        return ops.cast(inputs, self._precision)


def fresh_symbols(prefix: str, count: int, circuit: cirq.Circuit | None) -> list[sympy.Symbol]:
    """Returns symbols `prefix0, prefix1, ...` that a circuit does not use yet.

    Raises:
        ValueError: If there would be more than `MOST_PARAMETERS`.
    """
    if count > MOST_PARAMETERS:
        raise ValueError(
            f"A layer must have at most {MOST_PARAMETERS:,} inputs and as many weights, but this "
            "one's circuit has more. Give it fewer features, qubits or layers."
        )
    taken = set() if circuit is None else cirq.parameter_names(circuit)
    while any(f"{prefix}{i}" in taken for i in range(count)):
        prefix += "_"
    return [sympy.Symbol(f"{prefix}{i}") for i in range(count)]


def check_encoding(encoding: Encoding, n_features: int, n_qubits: int) -> None:
    """Makes sure that the features fit in the qubits.

    Raises:
        ValueError: If the encoding needs more qubits, or would have too many gates.
    """
    need = encoding.min_qubits(n_features)
    if need > n_qubits:
        raise ArgumentError(
            "encoding",
            f"fit {n_features} features in {n_qubits} qubits",
            encoding.name,
            f"It needs {need} qubits, or fewer features.",
        )
    counts = [n for name, n in encoding.get_config().items() if name in _REPEATS]
    if n_qubits > MOST_QUBITS or (
        math.prod(counts) * (n_qubits**2 + n_features) > MOST_TEMPLATE_OPERATIONS
    ):
        raise ArgumentError(
            "encoding",
            f"have at most {MOST_TEMPLATE_OPERATIONS:,} gates",
            encoding,
            f"It may have more for {n_features} features on {n_qubits} qubits: repeat less.",
        )


def observables_config(given: Any) -> Any:
    """Returns observables in a form that JSON holds: spellings as they are, Cirq's as its JSON."""
    if given is None or isinstance(given, str):
        return given
    return [observables.to_config(o, _circuit_json.write) for o in observables.as_list(given)]


def observables_from_config(given: Any) -> Any:
    """Reads observables back that `observables_config` wrote; others stay as they are."""
    if not isinstance(given, list):
        return given
    return [observables.of_config(o, _circuit_json.read) for o in given]


class SavedLayerError(ValueError):
    """A saved config does not describe a layer; the message has the layer's name."""


def unreadable(cls: type, name: Any, error: Exception) -> SavedLayerError:
    """Returns the error of a layer that a saved config does not describe, with its name."""
    # A foreign file may hold any value in any place, and so cause any error: the layer's name and
    # what was wrong say more than Keras's "could not be deserialized".
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return SavedLayerError(
        f"Layer {shown(name, 80)} ({cls.__name__}) can't be made from what was saved: {kind}{error}"
    )


def _serialized(value: Any) -> Any:
    return None if value is None else keras.saving.serialize_keras_object(value)
