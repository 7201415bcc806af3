"""A layer that is used like `Dense`: given the number of units, it builds its own circuit."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras

from qkeras_hybrid import ansatz, encodings, observables
from qkeras_hybrid._checks import MOST_PARAMETERS, MOST_QUBITS, MOST_REPEATS, at_most, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.ansatz import Ansatz
from qkeras_hybrid.encodings import Encoding
from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.layers.features import check_encoding, fresh_symbols
from qkeras_hybrid.layers.saved import observables_config, observables_from_config
from qkeras_hybrid.program import Compiled, compile_circuit


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class PQCDense(QuantumLayer):
    """A quantum layer in the place of a `Dense` layer: an encoding, an ansatz, a readout.

    `y_k = <0| E(x)† A(w)† O_k A(w) E(x) |0>`, with `E` the encoding, `A` the ansatz and `O_k`
    the observables. The outputs are in [-1, 1] for the default observables. The layer has no
    classical weights.

    Args:
        units: Number of outputs.
        n_qubits: Number of qubits; by default as many as there are units, or more if the
            encoding needs them for the features.
        n_layers: Number of layers of the ansatz.
        encoding: A name or an `Encoding`.
        ansatz: A name or an `Ansatz`.
        observables: What to read, `units` in all: see `qkeras_hybrid.observables`. By default
            products of Pauli Z: first `Z` of each qubit, then of all pairs, of all triples, and so
            on, until there are as many as units.
        **kwargs: The arguments of all quantum layers: `engine`, `differentiator`, `shots`,
            `noise`, `seed`, `check_finite`, `weight_initializer`, `weight_regularizer`,
            `weight_constraint`, and Keras's `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, ..., n_features)`.

    Output shape:
        `(batch, ..., units)`.

    Raises:
        ValueError: If a count is not positive or over its bound, a name is unknown, or there are
            not `units` observables; in `build`, if the features don't fit in the qubits, or no
            engine can compute the circuit.

    Example:

    >>> layer = PQCDense(3, n_layers=2)
    >>> layer(keras.ops.ones((5, 7))).shape == (5, 3)
    True
    >>> layer.count_params()
    18
    """

    def __init__(
        self,
        units: int,
        *,
        n_qubits: int | None = None,
        n_layers: int = 2,
        encoding: str | dict[str, Any] | Encoding = "angle",
        ansatz: str | dict[str, Any] | Ansatz = "strongly_entangling",
        observables: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = positive_int("units", units, MOST_PARAMETERS)
        self.n_qubits = (
            None if n_qubits is None else positive_int("n_qubits", n_qubits, MOST_QUBITS)
        )
        self.n_layers = positive_int("n_layers", n_layers, MOST_REPEATS)
        self.encoding = encodings.get(encoding)
        self.ansatz = _get_ansatz(ansatz)
        self._observables = observables_from_config(observables)
        if self.n_qubits is not None:
            self._readout(self.n_qubits)

    def compile(self, n_features: int) -> Compiled:
        """Compiles the encoding and the ansatz."""
        n_qubits = self._n_qubits(n_features)
        check_encoding(self.encoding, n_features, n_qubits)
        qubits = cirq.LineQubit.range(n_qubits)
        inputs = fresh_symbols("x", self.encoding.n_inputs(n_features, n_qubits), None)
        extra = fresh_symbols("e", self.encoding.n_weights(n_features, n_qubits), None)
        weights = fresh_symbols("w", self.ansatz.n_weights(n_qubits, self.n_layers), None)
        return compile_circuit(
            self.encoding.circuit(qubits, inputs, extra)
            + self.ansatz.circuit(qubits, weights, self.n_layers),
            self._readout(n_qubits),
            inputs=inputs,
            weights=[*extra, *weights],
            qubits=qubits,
        )

    def encode(self, features: Any) -> Any:
        """Maps features to the circuit's inputs."""
        return self.encoding.angles(features, self._n_qubits(features.shape[-1]))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the input's shape with `units` as its last axis."""
        self._check_shape(input_shape)
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "units": self.units,
            "n_qubits": self.n_qubits,
            "n_layers": self.n_layers,
            "encoding": keras.saving.serialize_keras_object(self.encoding),
            "ansatz": keras.saving.serialize_keras_object(self.ansatz),
            "observables": observables_config(self._observables),
        }

    def _n_qubits(self, n_features: int) -> int:
        if self.n_qubits is not None:
            return self.n_qubits
        return max(at_most("units", self.units, MOST_QUBITS), self.encoding.min_qubits(n_features))

    def _readout(self, n_qubits: int) -> Any:
        """Returns the observables, and makes sure that there are `units` of them."""
        if self._observables is None:
            if self.units >= 2**n_qubits:
                raise ArgumentError(
                    "units",
                    f"be at most {2**n_qubits - 1} on {n_qubits} qubits",
                    self.units,
                    "There are no more products of Pauli Z: give `observables` or more qubits.",
                )
            products = itertools.chain.from_iterable(
                itertools.combinations(range(n_qubits), size) for size in range(1, n_qubits + 1)
            )
            return [
                "*".join(f"Z{qubit}" for qubit in product)
                for product in itertools.islice(products, self.units)
            ]
        count = len(observables.parse(self._observables, cirq.LineQubit.range(n_qubits)))
        if count != self.units:
            raise ArgumentError(
                "observables",
                f"be {self.units}, one for each unit",
                self._observables,
                f"On {n_qubits} qubits there are {count}.",
            )
        return self._observables


def _get_ansatz(identifier: Any) -> Ansatz:
    # In the constructor, the argument of the same name hides the module.
    return ansatz.get(identifier)
