"""A layer that puts features into a quantum state and reads the state out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from qkeras_hybrid import encodings, observables
from qkeras_hybrid._checks import MOST_QUBITS, positive_int
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.encodings import Encoding
from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.layers.features import check_encoding, fresh_symbols
from qkeras_hybrid.layers.saved import observables_config, observables_from_config
from qkeras_hybrid.program import Compiled, Program, compile_circuit
from qkeras_hybrid.readouts import Expectation


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class QuantumEmbedding(QuantumLayer):
    """A quantum feature map: the state `|x> = E(x) |0...0>`, and a readout of it.

    Args:
        n_qubits: Number of qubits.
        encoding: A name or an `Encoding`.
        output: What to return, a name or a `Readout`: "expectation" values of the observables;
            "probabilities" of the basis states, or with `shots` their frequencies; the "state"
            vector, complex; "samples", the bits of `shots` measurements; or "circuit", each
            sample's circuit in a string tensor for TensorFlow Quantum's layers and ops. The first
            qubit is the most significant bit of a basis state. Or a list of these, for a list of
            tensors.
        observables: What to read for "expectation": see `qkeras_hybrid.observables`.
        **kwargs: The arguments of all quantum layers: `engine`, `differentiator`, `shots`,
            `noise`, `seed`, `check_finite`, `weight_initializer`, `weight_regularizer`,
            `weight_constraint` (for encodings that train), and Keras's `name`, `dtype`,
            `trainable`.

    Input shape:
        `(batch, ..., n_features)`.

    Output shape:
        `(batch, ..., n_observables)` for expectation values, `(batch, ..., 2**n_qubits)` for
        probabilities and states, `(batch, ..., shots, n_qubits)` for samples, `(batch, ...)` for
        circuits; a list of these if `output` is a list.

    Raises:
        ValueError: If `n_qubits` is not positive, a name is unknown, or `shots` or a differentiator
            does not suit `output`; in `build`, if the features don't fit in the qubits, or no
            engine can compute the circuit.

    Example:

    >>> embedding = QuantumEmbedding(2, encoding="amplitude", output="probabilities")
    >>> p = embedding(keras.ops.array([[3.0, 0.0, 0.0, 4.0]]))
    >>> [round(float(v), 4) for v in p[0]]
    [0.36, 0.0, 0.0, 0.64]
    """

    def __init__(
        self,
        n_qubits: int,
        *,
        encoding: str | dict[str, Any] | Encoding = "iqp",
        output: Any = "expectation",
        observables: Any = "Z",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.n_qubits = positive_int("n_qubits", n_qubits, MOST_QUBITS)
        self.encoding = encodings.get(encoding)
        self._observables = observables_from_config(observables)
        self._qubits = tuple(cirq.LineQubit.range(self.n_qubits))
        self._reads(output, Expectation(_parse(self._observables, self._qubits)))

    def compile(self, n_features: int) -> Compiled:
        """Compiles the encoding."""
        check_encoding(self.encoding, n_features, self.n_qubits)
        inputs = fresh_symbols("x", self.encoding.n_inputs(n_features, self.n_qubits), None)
        weights = fresh_symbols("e", self.encoding.n_weights(n_features, self.n_qubits), None)
        return compile_circuit(
            self.encoding.circuit(self._qubits, inputs, weights),
            inputs=inputs,
            weights=weights,
            qubits=self._qubits,
        ).reading(self.readouts[0])

    def encode(self, features: Any) -> Any:
        """Maps features to the circuit's inputs."""
        return self.encoding.angles(features, self.n_qubits)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Any:
        """Returns the input's shape with the readout's shape in place of its last axis."""
        self._check_shape(input_shape)
        return self._output_shape(tuple(input_shape[:-1]), Program(self._qubits, (), 0))

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "n_qubits": self.n_qubits,
            "encoding": keras.saving.serialize_keras_object(self.encoding),
            "output": self._output_config(),
            "observables": observables_config(self._observables),
        }


def _parse(given: Any, qubits: Sequence[cirq.Qid]) -> Any:
    # In the constructor, the argument of the same name hides the module.
    return observables.parse(given, qubits)
