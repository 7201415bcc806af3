"""An ansatz of rotations and a chain of CZ."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import keras

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.ansatz.base import Ansatz, Weight, rotation


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class ExampleName(Ansatz):
    """A rotation of each qubit, then a chain of CZ: one from each qubit to the next.

    ```
    0: ───Ry(w0)───@───────
                   │
    1: ───Ry(w1)───@───@───
                       │
    2: ───Ry(w2)───────@───
    ```

    The order of weights is layer by layer, and within a layer qubit by qubit. They are in radians.

    Args:
        axis: The axis of the rotations: "X", "Y" or "Z".

    Raises:
        ValueError: If the axis is not one of the three.

    Example:

    >>> template = ExampleName()
    >>> template.n_weights(n_qubits=3, n_layers=2)
    6
    >>> print(template.circuit(cirq.LineQubit.range(2), sympy.symbols("w0:2"), 1))
    0: ───Ry(w0)───@───
                   │
    1: ───Ry(w1)───@───
    """

    name = "example_name"

    def __init__(self, axis: str = "Y") -> None:
        self.axis = one_of("axis", axis, ("X", "Y", "Z"))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}

    def n_weights(self, n_qubits: int, n_layers: int) -> int:
        return n_layers * n_qubits

    def operations(
        self, qubits: Sequence[cirq.Qid], weights: Sequence[Weight], n_layers: int
    ) -> list[cirq.Operation]:
        operations, angles = list[cirq.Operation](), iter(weights)
        for _ in range(n_layers):
            operations += [rotation(self.axis, next(angles), qubit) for qubit in qubits]
            operations += [cirq.CZ(*pair) for pair in itertools.pairwise(qubits)]
        return operations
