"""Quantum layers and encodings without the entangling gates of their circuits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from qkeras_hybrid import encodings
from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.bench.altered import AlteredCircuit, operations_of
from qkeras_hybrid.encodings import Encoding
from qkeras_hybrid.encodings.base import whole
from qkeras_hybrid.program import Compiled, compile_circuit


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class WithoutEntanglement(AlteredCircuit):
    """A quantum layer with the entangling gates of its circuit removed.

    All gates on two or more qubits are removed, with the weights that only they had. Gates on one
    qubit stay, trained or not, so the final state is a product state. The inputs stay too. The
    encoding's angles, with their products of features, are computed as before. If such an angle
    rotates by a product of Paulis, it rotates each of the qubits instead:
    `exp(-i a Z_1 Z_2 / 2)` with `a = x_1 x_2` becomes `exp(-i a Z_1 / 2) exp(-i a Z_2 / 2)`.
    Otherwise, an IQP encoding would lose its products of features, and a difference in scores
    would not be due to entanglement alone. Gates on several qubits that are not Cirq's and define
    a decomposition are decomposed first.

    Args:
        layer: The quantum layer, or its serialized form.
        **kwargs: The arguments that all quantum layers have, by default those of `layer`.

    Input shape:
        That of `layer`: `(batch, ..., n_features)`.

    Output shape:
        That of `layer`.

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

    def altered(self, compiled: Compiled) -> Compiled:
        """Returns the circuit without its entangling gates."""
        return without_entanglement(compiled)


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class EncodingWithoutEntanglement(Encoding):
    """An encoding with the entangling gates of its circuit removed, as in `WithoutEntanglement`.

    A quantum kernel with this encoding is a kernel of product states.

    Args:
        encoding: The encoding, or its serialized form.

    Example:

    >>> encoding = EncodingWithoutEntanglement(encodings.IQPEncoding())
    >>> print(encoding.circuit(cirq.LineQubit.range(2), sympy.symbols("x0:3")))
    0: ───H───Rz(x0)───Z^(x2/pi)───
    <BLANKLINE>
    1: ───H───Rz(x1)───Z^(x2/pi)───
    """

    name = "without_entanglement"

    def __init__(self, encoding: Encoding | dict[str, Any]) -> None:
        self.encoding = encodings.get(encoding)

    def get_config(self) -> dict[str, Any]:
        return {"encoding": keras.saving.serialize_keras_object(self.encoding)}

    def min_qubits(self, n_features: int) -> int:
        return self.encoding.min_qubits(n_features)

    def n_inputs(self, n_features: int, n_qubits: int) -> int:
        return self.encoding.n_inputs(n_features, n_qubits)

    def n_weights(self, n_features: int, n_qubits: int) -> int:
        return self.encoding.n_weights(n_features, n_qubits)

    def circuit(
        self,
        qubits: Sequence[cirq.Qid],
        inputs: Sequence[sympy.Symbol],
        weights: Sequence[sympy.Symbol] = (),
    ) -> cirq.Circuit:
        names = {symbol.name for symbol in inputs}
        operations = [
            single
            for operation in operations_of(self.encoding.circuit(qubits, inputs, weights))
            for single in _on_single_qubits(operation, names)
        ]
        return whole(operations, qubits)

    def angles(self, features: Any, n_qubits: int) -> Any:
        return self.encoding.angles(features, n_qubits)


def without_entanglement(compiled: Compiled) -> Compiled:
    """Returns a circuit without the gates on two or more qubits: see `WithoutEntanglement`."""
    inputs = {symbol.name for symbol in compiled.inputs}
    operations = [
        single
        for operation in operations_of(compiled.circuit.unfreeze())
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


def entangling(compiled: Compiled) -> bool:
    """Returns whether a circuit has a gate on two or more qubits."""
    return any(
        len(operation.qubits) > 1 and not isinstance(operation.gate, cirq.IdentityGate)
        for operation in operations_of(compiled.circuit.unfreeze())
    )


def _on_single_qubits(operation: cirq.Operation, inputs: set[str]) -> list[cirq.Operation]:
    """Returns the operations on single qubits that replace an operation."""
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
