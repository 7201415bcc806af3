"""A layer that puts features into a quantum state and reads the state out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from qkeras_hybrid import encodings, observables
from qkeras_hybrid._checks import MOST_QUBITS, one_of, positive_int
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.encodings import Encoding
from qkeras_hybrid.layers.base import (
    QuantumLayer,
    check_encoding,
    fresh_symbols,
    observables_config,
    observables_from_config,
)
from qkeras_hybrid.program import Compiled, compile_circuit
from qkeras_hybrid.readouts import Circuits, Expectation, Probabilities, Readout, Samples, State

_OUTPUTS: dict[str, type[Readout]] = {
    readout.name: readout for readout in (Expectation, Probabilities, State, Samples, Circuits)
}


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class QuantumEmbedding(QuantumLayer):
    """A quantum feature map: `|x> = E(x) |0...0>` and what is read of it.

    Args:
        n_qubits: Number of qubits.
        encoding: A name or an `Encoding`.
        output: What to return: "expectation" values of the observables; "probabilities" of the
            basis states; the "state" vector, complex; or "circuit", each sample's circuit as a
            string tensor as TensorFlow Quantum's layers and ops take it. The first qubit is the
            most significant bit of a basis state.
        observables: What to read for "expectation": see `qkeras_hybrid.observables`.
        **kwargs: The arguments of all quantum layers: `engine`, `differentiator`, `shots`,
            `seed`, `check_finite`, `weight_initializer`, `weight_regularizer`,
            `weight_constraint` (for encodings that train), and Keras's `name`, `dtype`,
            `trainable`.

    Input shape:
        `(batch, ..., n_features)`.

    Output shape:
        `(batch, ..., n_observables)` for expectation values, `(batch, ..., 2**n_qubits)` for
        probabilities and states, `(batch, ...)` for circuits.

    Raises:
        ValueError: If the count is not positive or a name unknown; when it is built: if the
            features don't fit in the qubits, or no engine can compute the circuit.

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
        output: str = "expectation",
        observables: Any = "Z",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.n_qubits = positive_int("n_qubits", n_qubits, MOST_QUBITS)
        self.output_name = one_of("output", output, _OUTPUTS)
        self.encoding = encodings.get(encoding)
        self._observables = observables_from_config(observables)
        qubits = cirq.LineQubit.range(self.n_qubits)
        self._n_observables = len(_parse(self._observables, qubits))
        self.supports_masking = output != "circuit"

    @property
    def readout(self) -> type[Readout]:
        """The type of what the layer returns."""
        return _OUTPUTS[self.output_name]

    def compile(self, n_features: int) -> Compiled:
        """Compiles the encoding."""
        check_encoding(self.encoding, n_features, self.n_qubits)
        qubits = cirq.LineQubit.range(self.n_qubits)
        inputs = fresh_symbols("x", self.encoding.n_inputs(n_features, self.n_qubits), None)
        weights = fresh_symbols("e", self.encoding.n_weights(n_features, self.n_qubits), None)
        compiled = compile_circuit(
            self.encoding.circuit(qubits, inputs, weights),
            self._observables,
            inputs=inputs,
            weights=weights,
            qubits=qubits,
        )
        return compiled if self.readout is Expectation else compiled.reading(self.readout())

    def encode(self, features: Any) -> Any:
        """Maps features to the circuit's inputs."""
        return self.encoding.angles(features, self.n_qubits)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the input's shape with what is read in place of its last axis."""
        self._check_shape(input_shape)
        leading = tuple(input_shape[:-1])
        if self.readout is Expectation:
            return (*leading, self._n_observables)
        if self.readout is Samples:
            return (*leading, self._shots, self.n_qubits)
        return leading if self.readout is Circuits else (*leading, 2**self.n_qubits)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Returns shape and dtype of the output: complex for states, strings for circuits."""
        spec = super().compute_output_spec(*args, **kwargs)
        if self.readout in (Expectation, Probabilities):
            return spec
        return keras.KerasTensor(spec.shape, dtype=self.readout().dtype(self._precision))

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "n_qubits": self.n_qubits,
            "encoding": keras.saving.serialize_keras_object(self.encoding),
            "output": self.output_name,
            "observables": observables_config(self._observables),
        }


def _parse(given: Any, qubits: Sequence[cirq.Qid]) -> Any:
    # In the constructor the module's name is hidden by the argument's.
    return observables.parse(given, qubits)
