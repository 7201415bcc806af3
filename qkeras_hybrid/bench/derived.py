"""Layers that are made of a quantum layer, to stand in its place in a control."""

from __future__ import annotations

import collections
import dataclasses
import heapq
import inspect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from qkeras_hybrid import _expressions
from qkeras_hybrid._checks import known_arguments
from qkeras_hybrid._double import cos, sin
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.encodings.base import whole
from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.layers.saved import errors_named
from qkeras_hybrid.program import (
    Angle,
    AngleMap,
    AngleTable,
    Compiled,
    PauliRotation,
    Phase,
    Program,
    compile_circuit,
)
from qkeras_hybrid.readouts import Expectation

MOST_SUMS = 100_000
"""How many sums of frequencies are tried at most in the search for different ones."""

Frequency = tuple[float, ...]
"""What the inputs of a circuit are multiplied by in a wave: one number for each input."""


class DoesNotApplyError(ValueError):
    """A control can't be made of a model, or would be the model itself; the message says why."""


def fresh(layer: keras.Layer, **changes: Any) -> keras.Layer:
    """Returns a new, unbuilt layer of the same class and arguments, but for the changes.

    Raises:
        DoesNotApplyError: If the layer can't say its arguments, e.g. Cirq can't write a
            circuit with a function such as `sin` in it.
    """
    try:
        return type(layer).from_config({**layer.get_config(), **changes})
    except (NotImplementedError, TypeError, ValueError) as error:
        raise DoesNotApplyError(f"Layer {layer.name!r} can't be copied: {error}") from error


@dataclasses.dataclass(frozen=True)
class _Untracked:
    """Holds a layer out of sight of Keras, which would take it for a part of its holder."""

    layer: QuantumLayer


def _given(layer: Any) -> QuantumLayer:
    """Returns a new, unbuilt layer like the one given, or read from its serialized form."""
    if isinstance(layer, dict):
        layer = keras.saving.deserialize_keras_object(layer)
    if not isinstance(layer, QuantumLayer):
        raise ArgumentError("layer", "be a quantum layer", layer)
    made: QuantumLayer = fresh(layer)
    return made


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class WithoutEntanglement(QuantumLayer):
    """A quantum layer with the entangling gates of its circuit removed.

    All gates on two or more qubits go, and the weights that only they had. Gates on one qubit
    stay, trained or not, so that the qubits are in a product state at the end. What enters the
    circuit stays too: the encoding's angles, products of features included, are computed as
    before, and where such an angle turns a product of Paulis, it turns each of its qubits
    instead: `exp(-i a Z_1 Z_2 / 2)` with `a = x_1 x_2` becomes `exp(-i a Z_1 / 2)
    exp(-i a Z_2 / 2)`. Without that, an IQP encoding would lose its products, and a difference
    would say nothing of entanglement alone. Gates of several qubits that have a decomposition
    of their own and are not Cirq's are taken apart first.

    Args:
        layer: The quantum layer, or its serialized form.
        **kwargs: The arguments of all quantum layers, by default those of `layer`.

    Input shape:
        `(batch, ..., n_features)`, as of the layer.

    Output shape:
        As of the layer.

    Reference:
        J. Bowles, S. Ahmed and M. Schuld, Better than classical? The subtle art of benchmarking
        quantum machine learning models, 2024, arXiv 2403.07059, section on entanglement.

    Example:

    >>> layer = WithoutEntanglement(PQCDense(2, n_layers=1))
    >>> layer.build((None, 2))
    >>> print(layer.draw())
    0: ───Rx(x0)───Rz(w0)───Ry(w1)───Rz(w2)───
    <BLANKLINE>
    1: ───Rx(x1)───Rz(w3)───Ry(w4)───Rz(w5)───
    """

    def __init__(self, layer: QuantumLayer | dict[str, Any], **kwargs: Any) -> None:
        like = _given(layer)
        config = like.get_config()
        shared = {*inspect.signature(QuantumLayer).parameters, "name", "dtype", "trainable"}
        super().__init__(**{**{key: config[key] for key in shared & set(config)}, **kwargs})
        self._like = _Untracked(like)
        self._output = like._output
        self.weight_groups = like.weight_groups

    def compile(self, n_features: int) -> Compiled:
        """Compiles the layer's circuit and removes its entangling gates."""
        return without_entanglement(self._like.layer.compile(n_features))

    def encode(self, features: Any) -> Any:
        """Maps features to the circuit's inputs, as the layer does."""
        return self._like.layer.encode(features)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the shape that the layer would return."""
        shape: tuple[int | None, ...] = self._like.layer.compute_output_shape(input_shape)
        return shape

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Returns shape and dtype of the output, which are those of the layer."""
        return self._like.layer.compute_output_spec(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self._like.layer),
        }


def without_entanglement(compiled: Compiled) -> Compiled:
    """Returns a circuit without the gates on two or more qubits: see `WithoutEntanglement`."""
    inputs = {symbol.name for symbol in compiled.inputs}
    operations = [
        single
        for operation in _operations(compiled)
        for single in _on_single_qubits(operation, inputs)
    ]
    names = set().union(*map(cirq.parameter_names, operations))
    apart = compile_circuit(
        whole(operations, compiled.qubits),
        inputs=compiled.inputs,
        weights=[symbol for symbol in compiled.weights if symbol.name in names],
        qubits=compiled.qubits,
    )
    return apart.reading(compiled.readout)


def _operations(compiled: Compiled) -> list[cirq.Operation]:
    circuit = cirq.unroll_circuit_op(compiled.circuit.unfreeze(), deep=True, tags_to_check=None)
    return [operation.untagged for operation in circuit.all_operations()]


def entangling(compiled: Compiled) -> bool:
    """Returns whether a circuit has a gate on two or more qubits."""
    return any(
        len(operation.qubits) > 1 and not isinstance(operation.gate, cirq.IdentityGate)
        for operation in _operations(compiled)
    )


def _on_single_qubits(operation: cirq.Operation, inputs: set[str]) -> list[cirq.Operation]:
    """Returns what stays of an operation when entanglement goes."""
    if len(operation.qubits) < 2:
        return [operation]
    gate: Any = operation.gate
    if not isinstance(operation, cirq.ControlledOperation) and _taken_apart(gate):
        parts = cirq.decompose_once(operation, default=None)
        return [
            single
            for part in cirq.flatten_to_ops(parts or ())
            for single in _on_single_qubits(part.untagged, inputs)
        ]
    if inputs.isdisjoint(cirq.parameter_names(operation)):
        return []
    powers: dict[Any, Any] = {
        cirq.XXPowGate: cirq.XPowGate,
        cirq.YYPowGate: cirq.YPowGate,
        cirq.ZZPowGate: cirq.ZPowGate,
    }
    for pair, one in powers.items():
        if isinstance(gate, pair):
            turn = one(exponent=gate.exponent, global_shift=gate.global_shift)
            return [turn.on(qubit) for qubit in operation.qubits]
    if isinstance(operation, cirq.PauliStringPhasor):
        string = operation.pauli_string
        return [
            cirq.PauliStringPhasor(
                cirq.PauliString({qubit: pauli}, coefficient=string.coefficient),
                exponent_neg=operation.exponent_neg,
                exponent_pos=operation.exponent_pos,
            )
            for qubit, pauli in string.items()
        ]
    return []


def _taken_apart(gate: Any) -> bool:
    if isinstance(gate, cirq.ParallelGate):
        return True
    return gate is not None and type(gate).__module__.partition(".")[0] != "cirq"


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class FourierFeatures(keras.layers.Layer):
    """A truncated Fourier series with the frequencies of a quantum layer's circuit.

    `y_k = b_k + sum_f (C_kf cos(f . z) + S_kf sin(f . z))`, with `z` the inputs of the circuit
    (the encoding's angles, products of features included) and `b`, `C`, `S` trained. An
    expectation value is such a series: a gate that turns by `c . z` adds `-c`, 0 or `c` to its
    frequencies, so that they are the sums of one of these for each gate, as far as the gate is
    connected with what is read. Of `f` and `-f` one is enough.

    Frequencies come in the order of how many gates they are the sum of, fewest first; those of
    one gate by how many features enter it, fewest first; then in the order in which the gates
    stand in the circuit, plus before minus. As many are taken as bring the layer closest to
    the quantum layer's number of trained weights, but never fewer than it takes for each
    feature to enter: a control that does not see a feature would lose for that reason alone.
    Where a trained weight scales an input, its frequency is that at weight zero, or at one
    where zero would switch the input off.

    Args:
        layer: The quantum layer, or its serialized form.
        **kwargs: Keras's `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, ..., n_features)`, as of the layer.

    Output shape:
        As of the layer.

    Raises:
        DoesNotApplyError: When it is built: if an angle is not affine in the circuit's inputs,
            or nothing that is read depends on them.

    Reference:
        M. Schuld, R. Sweke and J. J. Meyer, Effect of data encoding on the expressive power of
        variational quantum-machine-learning models, Physical Review A 103, 032430, 2021,
        arXiv 2008.08605.

    Example:

    >>> layer = FourierFeatures(PQCDense(2, n_layers=3))
    >>> layer.build((None, 2))
    >>> layer.frequencies.tolist()
    [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, -1.0]]
    >>> layer.count_params()
    18
    """

    def __init__(self, layer: QuantumLayer | dict[str, Any], **kwargs: Any) -> None:
        # Inputs are not rounded to a half precision that angles would not survive.
        super().__init__(autocast=False, **kwargs)
        like = _given(layer)
        if like.readout.activation is None or like.returns_list:
            raise ArgumentError("layer", "return expectation values or probabilities", layer)
        self._like = _Untracked(like)
        self.supports_jit = True
        self.supports_masking = True

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Finds the frequencies and makes the weights."""
        layer, n_features = self._like.layer, int(input_shape[-1] or 0)
        compiled = layer.compile(n_features)
        self.units = int(layer.compute_output_shape(input_shape)[-1])
        n_weights = len(compiled.weights) if layer.trainable else 0
        chosen = _chosen(
            _ordered(compiled),
            wanted=round((n_weights / self.units - 1) / 2),
            enters=_enters(layer, n_features, self._precision),
        )
        self.frequencies: npt.NDArray[np.float64] = np.array(chosen)
        self._table = AngleTable([tuple((i, f) for i, f in enumerate(row) if f) for row in chosen])
        self.kernel = self.add_weight(
            name="kernel", shape=(2 * len(chosen), self.units), initializer="glorot_uniform"
        )
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        self.built = True

    def features(self, inputs: Any) -> Any:
        """Returns the cosines, then the sines, of all frequencies.

        Args:
            inputs: Tensor of shape `(batch, ..., n_features)`.

        Returns:
            Tensor of shape `(batch, ..., 2 * n_frequencies)`.
        """
        inputs = ops.cast(inputs, self._precision)
        leading = ops.shape(inputs)[:-1]
        angles = self._like.layer.encode(ops.reshape(inputs, (-1, inputs.shape[-1])))
        phases = self._table(angles)
        waves = ops.concatenate([cos(phases), sin(phases)], axis=-1)
        return ops.reshape(waves, (*leading, waves.shape[-1]))

    def call(self, inputs: Any) -> Any:
        """Computes the series for every position of the leading axes."""
        waves = ops.cast(self.features(inputs), self.compute_dtype)
        return ops.matmul(waves, ops.cast(self.kernel, self.compute_dtype)) + ops.cast(
            self.bias, self.compute_dtype
        )

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the shape that the quantum layer would return."""
        shape: tuple[int | None, ...] = self._like.layer.compute_output_shape(input_shape)
        return shape

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "layer": keras.saving.serialize_keras_object(self._like.layer),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FourierFeatures:
        """Makes a layer from what `get_config` returned.

        Raises:
            ValueError: If the config is not one of the layer's; with the layer's name.
        """
        with errors_named(cls, config.get("name")):
            return cls(**known_arguments(cls, config, ("name", "dtype", "trainable")))

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Builds the layer for the shape it had when it was saved.

        Raises:
            ValueError: If it can't be built for that; with the layer's name.
        """
        with errors_named(type(self), self.name):
            super().build_from_config(config)

    @property
    def _precision(self) -> str:
        return "float64" if self.compute_dtype == "float64" else "float32"


def frequencies(compiled: Compiled) -> Iterator[Frequency]:
    """Yields the frequencies that a circuit's results can have, each once, up to its sign.

    Those of the fewest gates come first, then those of the gates that come first in the
    circuit; zero, the constant, is left out. It ends after `MOST_SUMS` sums of gates if not
    before.

    Args:
        compiled: The circuit, and what is read of it.

    Raises:
        DoesNotApplyError: If an angle is not affine in the inputs.

    Example:

    >>> q, x = cirq.LineQubit(0), sympy.Symbol("x")
    >>> twice = cirq.Circuit(cirq.rx(x)(q), cirq.ry(x)(q))
    >>> list(frequencies(qh.compile_circuit(twice, "Z", inputs=[x])))
    [(1.0,), (2.0,)]
    """
    for _, frequency in _ordered(compiled):
        yield frequency


def _ordered(compiled: Compiled) -> Iterator[tuple[int, Frequency]]:
    """Yields frequencies with the number of gates that they are the sum of."""
    program, angles = compiled.program, compiled.angles
    vectors = [
        _vector(angles.rows[i.angle], angles) if isinstance(i, (PauliRotation, Phase)) else None
        for i in program.instructions
    ]
    # All basis states are read, where it is not observables.
    read = (
        [{q for t in o.terms for q in t.qubits} for o in compiled.observables]
        if isinstance(compiled.readout, Expectation)
        else [set(range(program.n_qubits))]
    )
    # Observables that see the same gates have the same frequencies.
    seen = {tuple(_gates(program, vectors, qubits).items()): None for qubits in read}
    sums = heapq.merge(*map(_sums, seen), key=lambda found: found[0])
    known: set[Frequency] = set()
    for order, total in itertools.islice(sums, MOST_SUMS):
        frequency = _positive(total)
        if frequency is not None and frequency not in known:
            known.add(frequency)
            yield order, frequency


def _vector(angle: Angle, angles: AngleMap) -> Frequency | None:
    """Returns by what each input is multiplied in an angle, None if there is no input in it."""
    found = dict(angle.inputs)
    if angle.expression is not None:
        found = _at_fixed_weights(angle.expression, angles)
    return _positive(tuple(found.get(i, 0.0) for i in range(len(angles.inputs))))


def _at_fixed_weights(expression: sympy.Expr, angles: AngleMap) -> dict[int, float]:
    """Returns by what each input is multiplied in an expression, with its weights fixed."""
    index = {symbol: i for i, symbol in enumerate(angles.inputs)}
    inputs = expression.free_symbols & set(index)
    if not inputs:
        return {}
    for value in (0, 1):
        scaled = expression.subs(dict.fromkeys(angles.weights, value))
        if scaled.free_symbols == inputs and not scaled.has(sympy.zoo, sympy.oo, sympy.nan):
            affine = _expressions.affine(scaled)
            if affine is not None:
                return {index[symbol]: factor for symbol, factor in affine[1].items()}
    raise DoesNotApplyError(
        f"The angle {expression} is not affine in the circuit's inputs: it has no frequency."
    )


def _positive(frequency: Frequency) -> Frequency | None:
    """Returns the one of `f` and `-f` whose first number is positive, None for zero."""
    # Rounded, so that 0.1 + 0.2 and 0.3 are one frequency, and without the sign of -0.0.
    rounded = tuple(round(value, 9) + 0.0 for value in frequency)
    first = next((value for value in rounded if value), None)
    if first is None:
        return None
    return rounded if first > 0 else tuple(0.0 - value for value in rounded)


def _gates(
    program: Program, vectors: Sequence[Frequency | None], read: Iterable[int]
) -> dict[Frequency, int]:
    """Counts the gates that have each vector, of those that can change what is read."""
    connected, found = set(read), list[Frequency]()
    for instruction, vector in zip(reversed(program.instructions), reversed(vectors), strict=True):
        if not connected.isdisjoint(instruction.qubits):
            connected.update(instruction.qubits)
            if vector is not None:
                found.append(vector)
    return collections.Counter(reversed(found))


def _sums(gates: Iterable[tuple[Frequency, int]]) -> Iterator[tuple[int, Frequency]]:
    """Yields the sums of gates' vectors, times 1 or -1, with how many are summed, fewest first.

    Each sum is extended by the vectors from its last one on, so that none comes twice in
    another order; the first sign of all is plus, because of `f` and `-f` one is enough.
    """
    vectors = list(gates)
    # A sum, and its last vector: which one, its sign, and how often it is in the sum.
    last: list[tuple[Frequency, int, int, int]] = []
    for j, (vector, _) in enumerate(vectors):
        yield 1, vector
        last.append((vector, j, 1, 1))
    for order in itertools.count(2):
        following = []
        for total, i, sign, times in last:
            for j, s in itertools.product(range(i, len(vectors)), (1, -1)):
                n = times + 1 if j == i else 1
                if n > vectors[j][1] or (j == i and s != sign):
                    continue
                longer = tuple(a + s * b for a, b in zip(total, vectors[j][0], strict=True))
                yield order, longer
                following.append((longer, j, s, n))
        if not following:
            return
        last = following


def _enters(layer: QuantumLayer, n_features: int, precision: str) -> npt.NDArray[np.bool_]:
    """Returns which features change which inputs of the circuit, found by changing each."""
    base = np.random.default_rng(0).uniform(0.2, 0.9, n_features)
    rows = np.vstack([base, base + np.eye(n_features)]).astype(precision)
    angles = ops.convert_to_numpy(layer.encode(ops.convert_to_tensor(rows)))
    changed: npt.NDArray[np.bool_] = angles[1:] != angles[0]
    return changed


def _chosen(
    found: Iterable[tuple[int, Frequency]], wanted: int, enters: npt.NDArray[np.bool_]
) -> list[Frequency]:
    """Takes frequencies in order: as many as wanted, and until each feature is in one of them."""

    def features(frequency: Frequency) -> npt.NDArray[np.bool_]:
        inside: npt.NDArray[np.bool_] = enters[:, np.array(frequency) != 0].any(axis=1)
        return inside

    groups = itertools.groupby(found, key=lambda pair: pair[0])
    chosen: list[Frequency] = []
    for order, group in groups:
        if order > 1:
            chosen += [f for _, f in itertools.islice(group, max(0, wanted - len(chosen)))]
        else:
            chosen = sorted((f for _, f in group), key=lambda f: features(f).sum())
        if len(chosen) >= wanted:
            break
    if not chosen:
        raise DoesNotApplyError("Nothing that is read from the circuit depends on its inputs.")
    # All that ever enters does so in a single gate, so that all features are in already.
    covered, needed = np.zeros(len(enters), bool), 1
    for count, frequency in enumerate(chosen, start=1):
        new = features(frequency) & ~covered
        if new.any():
            covered |= new
            needed = count
    return chosen[: max(wanted, needed)]
