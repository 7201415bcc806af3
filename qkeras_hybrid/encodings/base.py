"""The contract of an encoding: how classical features enter a circuit."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from qkeras_hybrid._lazy import cirq
from qkeras_hybrid._value import Value

if TYPE_CHECKING:
    import sympy


class Encoding(Value, abc.ABC):
    """Maps features to the parameters of a circuit, and defines the circuit.

    The constructor's arguments describe an encoding completely: two of the same class with equal
    arguments are equal. The circuit has one plain symbol for each parameter; products and
    normalisations of features are made in `angles`, a pure function of tensors, so that every
    engine sees plain parameters.

    Attributes:
        name: The name under which `encoding=` finds it.
    """

    name: ClassVar[str]

    def min_qubits(self, n_features: int) -> int:
        """Returns the smallest number of qubits that can hold this many features."""
        return 1

    @abc.abstractmethod
    def n_inputs(self, n_features: int, n_qubits: int) -> int:
        """Returns how many parameters the circuit has for this many features.

        Raises:
            ValueError: If the encoding can't take this many features on these qubits.
        """

    def n_weights(self, n_features: int, n_qubits: int) -> int:
        """Returns how many trainable weights the circuit has."""
        return 0

    @abc.abstractmethod
    def circuit(
        self,
        qubits: Sequence[cirq.Qid],
        inputs: Sequence[sympy.Symbol],
        weights: Sequence[sympy.Symbol] = (),
    ) -> cirq.Circuit:
        """Returns the circuit.

        Args:
            qubits: The qubits; the circuit has an operation on each.
            inputs: `n_inputs` symbols.
            weights: `n_weights` symbols.
        """

    @abc.abstractmethod
    def angles(self, features: Any, n_qubits: int) -> Any:
        """Maps features to the values of the circuit's inputs, differentiably.

        Args:
            features: Tensor of shape `(..., n_features)`.
            n_qubits: The number of qubits.

        Returns:
            Tensor of shape `(..., n_inputs)`.

        Raises:
            ValueError: Under the same conditions as `n_inputs`.
        """


def whole(operations: Any, qubits: Sequence[cirq.Qid]) -> cirq.Circuit:
    """Returns a circuit of operations, with an identity on each qubit that they leave out."""
    circuit = cirq.Circuit(operations)
    touched = circuit.all_qubits()
    missing = [qubit for qubit in qubits if qubit not in touched]
    return cirq.Circuit(cirq.I.on_each(*missing), operations) if missing else circuit


def rounds(values: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """Splits values into successive rounds of one size; the last may be shorter."""
    return [values[start : start + size] for start in range(0, len(values), size)]
