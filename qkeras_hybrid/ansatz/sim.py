"""The 19 circuits of Sim, Johnson and Aspuru-Guzik."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.ansatz.base import Ansatz, Weight
from qkeras_hybrid.ansatz.base import rotation as turn

# A circuit is a sequence of steps; each is a gate and the places where it acts. Gates: "rx", "ry",
# "rz", "h" on qubits; "cx", "cz", "crx", "crz" on pairs (control, target).
_RXRZ = (("rx", "all"), ("rz", "all"))
_CIRCUITS: dict[int, tuple[tuple[str, str], ...]] = {
    1: _RXRZ,
    2: (*_RXRZ, ("cx", "up")),
    3: (*_RXRZ, ("crz", "up")),
    4: (*_RXRZ, ("crx", "up")),
    5: (*_RXRZ, ("crz", "each other"), *_RXRZ),
    6: (*_RXRZ, ("crx", "each other"), *_RXRZ),
    7: (*_RXRZ, ("crz", "even"), *_RXRZ, ("crz", "odd")),
    8: (*_RXRZ, ("crx", "even"), *_RXRZ, ("crx", "odd")),
    9: (("h", "all"), ("cz", "up"), ("rx", "all")),
    10: (("ry", "all"), ("cz", "up"), ("cz", "ends"), ("ry", "all")),
    11: (
        ("ry", "all"),
        ("rz", "all"),
        ("cx", "even"),
        ("ry", "inner"),
        ("rz", "inner"),
        ("cx", "odd"),
    ),
    12: (
        ("ry", "all"),
        ("rz", "all"),
        ("cz", "even"),
        ("ry", "inner"),
        ("rz", "inner"),
        ("cz", "odd"),
    ),
    13: (("ry", "all"), ("crz", "ring"), ("ry", "all"), ("crz", "ring back")),
    14: (("ry", "all"), ("crx", "ring"), ("ry", "all"), ("crx", "ring back")),
    15: (("ry", "all"), ("cx", "ring"), ("ry", "all"), ("cx", "ring back")),
    16: (*_RXRZ, ("crz", "even"), ("crz", "odd")),
    17: (*_RXRZ, ("crx", "even"), ("crx", "odd")),
    18: (*_RXRZ, ("crz", "ring")),
    19: (*_RXRZ, ("crx", "ring")),
}


def _pairs(where: str, n: int) -> list[tuple[int, int]]:
    """Returns pairs (control, target) of qubits."""
    if where == "up":
        return [(i, i - 1) for i in range(n - 1, 0, -1)]
    if where == "even":
        return [(i + 1, i) for i in range(0, n - 1, 2)]
    if where == "odd":
        return [(i + 1, i) for i in range(1, n - 1, 2)]
    if where == "each other":
        return [(i, j) for i in range(n - 1, -1, -1) for j in range(n - 1, -1, -1) if i != j]
    if where == "ends":
        # On two qubits the chain already has the pair.
        return [(n - 1, 0)] if n > 2 else []
    if where == "ring":
        return [(n - 1, 0)] + [(i, i + 1) for i in range(n - 2, -1, -1)]
    # The ring in the other direction, starting at the last qubit.
    return [((n - 1 + k) % n, (n - 2 + k) % n) for k in range(n)]


def _qubits(where: str, n: int) -> list[int]:
    """Returns the qubits of a one-qubit step; "inner" are those that odd pairs couple."""
    return list(range(n)) if where == "all" else sorted({i for p in _pairs("odd", n) for i in p})


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class Sim(Ansatz):
    """One of the 19 circuits that Sim, Johnson and Aspuru-Guzik compare, by its `number`.

    | circuit | a layer, on `n` qubits | weights on 4 |
    |---|---|---|
    | 1 | rx, rz | 8 |
    | 2, 3, 4 | rx, rz; a chain of CNOT, CRZ, CRX | 8, 11, 11 |
    | 5, 6 | rx, rz; CRZ, CRX of each qubit on each other; rx, rz | 28, 28 |
    | 7, 8 | rx, rz; CRZ, CRX on even pairs; rx, rz; on odd pairs | 19, 19 |
    | 9 | h; a chain of CZ; rx | 4 |
    | 10 | ry; a ring of CZ; ry | 8 |
    | 11, 12 | ry, rz; CNOT, CZ on even pairs; ry, rz inside; on odd pairs | 12, 12 |
    | 13, 14, 15 | ry; a ring of CRZ, CRX, CNOT; ry; the ring reversed | 16, 16, 8 |
    | 16, 17 | rx, rz; CRZ, CRX on even pairs, then odd | 11, 11 |
    | 18, 19 | rx, rz; a ring of CRZ, CRX | 12, 12 |

    The paper draws them on four qubits; for other numbers the patterns are continued. The weights
    come in the order of the gates, drawn left to right; in a column of rotations, from the first
    qubit to the last. A further layer repeats everything.

    Args:
        number: 1 to 19. The names "sim1" to "sim19" stand for them.

    Raises:
        ValueError: If the number is not from 1 to 19.

    Reference:
        Sim, Johnson, Aspuru-Guzik: Expressibility and entangling capability of parameterized
        quantum circuits for hybrid quantum-classical algorithms, Adv. Quantum Technol. 2,
        1900070 (2019), arXiv 1905.10876, figure 2.

    Example:

    >>> print(Sim(16).circuit(cirq.LineQubit.range(3), sympy.symbols("w0:8"), 1))
    0: ───Rx(w0)───Rz(w3)───Rz(w6)────────────
                            │
    1: ───Rx(w1)───Rz(w4)───@────────Rz(w7)───
                                     │
    2: ───Rx(w2)───Rz(w5)────────────@────────
    """

    name = "sim"

    def __init__(self, number: int = 1) -> None:
        if isinstance(number, bool) or number not in _CIRCUITS:
            raise ArgumentError("number", "be from 1 to 19", number)
        self.number = int(number)

    def get_config(self) -> dict[str, Any]:
        return {"number": self.number}

    def n_weights(self, n_qubits: int, n_layers: int) -> int:
        return n_layers * sum(
            len(_places(gate, where, n_qubits))
            for gate, where in _CIRCUITS[self.number]
            if "r" in gate
        )

    def operations(
        self, qubits: Sequence[cirq.Qid], weights: Sequence[Weight], n_layers: int
    ) -> list[cirq.Operation]:
        following = iter(weights)
        found: list[cirq.Operation] = []
        for _ in range(n_layers):
            for gate, where in _CIRCUITS[self.number]:
                for place in _places(gate, where, len(qubits)):
                    on = [qubits[i] for i in place]
                    if gate == "h":
                        operation = cirq.H(*on)
                    elif "r" in gate:
                        operation = turn(gate[-1], next(following), on[-1])
                        if len(on) == 2:
                            operation = operation.controlled_by(on[0])
                    else:
                        operation = (cirq.CNOT if gate == "cx" else cirq.CZ)(*on)
                    found.append(operation)
        return found


def _places(gate: str, where: str, n: int) -> list[tuple[int, ...]]:
    """Returns the indices of the qubits of each gate of a step."""
    if gate.startswith("c"):
        # A ring needs two qubits.
        return [pair for pair in _pairs(where, n) if pair[0] != pair[1]] if n > 1 else []
    return [(i,) for i in _qubits(where, n)]
