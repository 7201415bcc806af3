"""A layer that computes a circuit of the user's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import keras

from qkeras_hybrid import encodings
from qkeras_hybrid._checks import must
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.encodings import Encoding
from qkeras_hybrid.layers.base import (
    QuantumLayer,
    check_encoding,
    fresh_symbols,
    observables_config,
    observables_from_config,
)
from qkeras_hybrid.program import Program, compile_circuit

if TYPE_CHECKING:
    import cirq
    import sympy
else:
    cirq = lazy_module("cirq")
    sympy = lazy_module("sympy")


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class PQC(QuantumLayer):
    """A parameterized quantum circuit as a layer: features in, expectation values out.

    `y_k = <0| U(x, w)† O_k U(x, w) |0>`, with `U` the circuit, `x` the features, `w` the layer's
    weights and `O_k` the observables. The circuit's symbols are parameters: those named in
    `inputs` take the features in that order; all others are weights, in the order in which the
    circuit first names them. Where `inputs` names none, an encoding of the features is put in
    front of the circuit.

    Args:
        circuit: A `cirq.Circuit` of any operations that have a unitary.
        observables: What to read: see `qkeras_hybrid.observables`.
        inputs: Symbols, or their names, that take the features.
        symbols: All weight symbols in the order their weights shall have; by default in the
            order of their first appearance in the circuit.
        qubits: The qubits in order, also such that the circuit does not touch; by default the
            circuit's own, sorted.
        encoding: How features enter where `inputs` names no symbol: a name or an `Encoding`.
        **kwargs: The arguments of all quantum layers: `engine`, `differentiator`, `shots`,
            `seed`, `check_finite`, `weight_initializer`, `weight_regularizer`,
            `weight_constraint`, and Keras's `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, ..., n_features)`, with `n_features` equal to the number of `inputs` if these
        are given.

    Output shape:
        `(batch, ..., n_observables)`.

    Raises:
        ValueError: If the circuit can't be compiled or its observables can't be read; when it is
            built: if the features don't fit, or no engine can compute the circuit.

    Example:

    >>> qubit = cirq.GridQubit(0, 0)
    >>> circuit = cirq.Circuit(cirq.ry(sympy.Symbol("w"))(qubit))
    >>> model = keras.Sequential([
    ...     keras.Input((16,)),
    ...     keras.layers.Dense(4, activation="relu"),
    ...     PQC(circuit, cirq.Z(qubit)),
    ...     keras.layers.Dense(10),
    ... ])
    >>> model.output_shape
    (None, 10)
    """

    def __init__(
        self,
        circuit: cirq.AbstractCircuit | str,
        observables: Any,
        *,
        inputs: Iterable[sympy.Symbol | str] | None = None,
        symbols: Iterable[sympy.Symbol | str] | None = None,
        qubits: Iterable[cirq.Qid] | str | None = None,
        encoding: str | dict[str, Any] | Encoding = "angle",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.encoding = encodings.get(encoding)
        self._observables = observables_from_config(observables)
        self._inputs = None if inputs is None else _names(inputs)
        self._symbols = None if symbols is None else _names(symbols)
        self._qubits: tuple[cirq.Qid, ...] | None = None if qubits is None else tuple(_read(qubits))
        # Compiled here once, so that a mistake shows where it was made.
        self._own = compile_circuit(
            _read(circuit),
            self._observables,
            inputs=self._inputs or (),
            weights=self._symbols,
            qubits=self._qubits,
        )

    def compile_program(self, n_features: int) -> Program:
        """Compiles the circuit, with the encoding in front of it where it names no inputs."""
        own = self._own
        if self._inputs is not None:
            if len(self._inputs) != n_features:
                raise ValueError(
                    must(
                        "inputs", f"name a symbol for each of the {n_features} features", own.inputs
                    )
                    + f" Give the layer {len(self._inputs)} features, e.g. from a Dense layer."
                )
            return own
        check_encoding(self.encoding, n_features, own.n_qubits)
        circuit = own.circuit.unfreeze()
        n_inputs = self.encoding.n_inputs(n_features, own.n_qubits)
        n_weights = self.encoding.n_weights(n_features, own.n_qubits)
        inputs = fresh_symbols("x", n_inputs, circuit)
        weights = fresh_symbols("e", n_weights, circuit)
        return compile_circuit(
            self.encoding.circuit(own.qubits, inputs, weights) + circuit,
            self._observables,
            inputs=inputs,
            weights=[*weights, *own.weights],
            qubits=own.qubits,
        )

    def angles(self, features: Any) -> Any:
        """Maps features to the circuit's inputs."""
        if self._inputs is not None:
            return features
        return self.encoding.angles(features, self._own.n_qubits)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the input's shape with the number of observables as its last axis."""
        self._check_shape(input_shape)
        return (*input_shape[:-1], len(self._own.observables))

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor; circuits as Cirq's JSON."""
        return {
            **super().get_config(),
            "circuit": cirq.to_json(self._own.circuit.unfreeze()),
            "observables": observables_config(self._observables),
            "inputs": None if self._inputs is None else list(self._inputs),
            "symbols": None if self._symbols is None else list(self._symbols),
            "qubits": None if self._qubits is None else cirq.to_json(list(self._qubits)),
            "encoding": keras.saving.serialize_keras_object(self.encoding),
        }


def _names(symbols: Iterable[sympy.Symbol | str]) -> tuple[str, ...]:
    if isinstance(symbols, (str, sympy.Symbol)):
        symbols = [symbols]
    return tuple(str(symbol) for symbol in symbols)


def _read(given: Any) -> Any:
    """Reads back what `get_config` wrote as Cirq's JSON; others stay as they are."""
    if not isinstance(given, str):
        return given
    try:
        return cirq.read_json(json_text=given)
    except ValueError as error:
        raise ValueError(must("circuit", "be a cirq.Circuit, or its JSON", given)) from error
