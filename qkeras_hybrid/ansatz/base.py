"""The contract of an ansatz: a template for a circuit with weights."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from qkeras_hybrid._checks import MOST_TEMPLATE_OPERATIONS, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid._value import Value

# A weight of a circuit: a sympy symbol or expression, or a number.
Weight = Any


class Ansatz(Value, abc.ABC):
    """A template for a circuit of any number of qubits and layers.

    The constructor's arguments describe an ansatz completely: two of the same class with equal
    arguments are equal.

    Attributes:
        name: The name under which `ansatz=` finds it.
        min_qubits: The smallest number of qubits that it needs.
    """

    name: ClassVar[str]
    min_qubits: ClassVar[int] = 1

    @abc.abstractmethod
    def n_weights(self, n_qubits: int, n_layers: int) -> int:
        """Returns the number of weights, without building the circuit."""

    @abc.abstractmethod
    def operations(
        self, qubits: Sequence[cirq.Qid], weights: Sequence[Weight], n_layers: int
    ) -> list[cirq.Operation]:
        """Returns the operations, in order."""

    def circuit(
        self, qubits: Sequence[cirq.Qid], weights: Sequence[Weight], n_layers: int
    ) -> cirq.Circuit:
        """Builds the circuit.

        Args:
            qubits: The qubits; the circuit has an operation on each.
            weights: `n_weights(len(qubits), n_layers)` symbols, expressions or numbers, in
                radians, in the order that the class describes.
            n_layers: Number of layers.

        Raises:
            ValueError: If a count does not fit the template.
        """
        n_layers = positive_int("n_layers", n_layers)
        self.check_qubits(len(qubits))
        if n_layers * len(qubits) ** 2 > MOST_TEMPLATE_OPERATIONS:
            most = MOST_TEMPLATE_OPERATIONS // len(qubits) ** 2
            raise ArgumentError("n_layers", f"be at most {most} on {len(qubits)} qubits", n_layers)
        need = self.n_weights(len(qubits), n_layers)
        if len(weights) != need:
            raise ArgumentError(
                "weights",
                f"be {need} for {len(qubits)} qubits and {n_layers} layers",
                len(weights),
            )
        circuit = cirq.Circuit(self.operations(qubits, weights, n_layers))
        missing = [qubit for qubit in qubits if qubit not in circuit.all_qubits()]
        return circuit + cirq.Circuit(cirq.I.on_each(*missing)) if missing else circuit

    def check_qubits(self, n_qubits: int) -> None:
        """Makes sure that the template can be built on this many qubits.

        Raises:
            ValueError: If it can't.
        """
        if n_qubits < self.min_qubits:
            raise ArgumentError(
                "qubits", f"be at least {self.min_qubits} for {self.name!r}", n_qubits
            )


def rotation(axis: str, angle: Weight, qubit: cirq.Qid) -> cirq.Operation:
    """Returns `exp(-i angle/2 P)` on a qubit, for an axis "x", "y" or "z"."""
    turns: dict[str, Callable[[Weight], cirq.Gate]] = {"x": cirq.rx, "y": cirq.ry, "z": cirq.rz}
    return turns[axis.lower()](angle).on(qubit)


def check_power_of_two(name: str, n_qubits: int) -> None:
    """Makes sure that a number of qubits is 2, 4, 8, and so on.

    Raises:
        ValueError: If it is not.
    """
    if n_qubits < 2 or n_qubits & (n_qubits - 1):
        raise ArgumentError("qubits", f"be a power of two, 2 or more, for {name!r}", n_qubits)
