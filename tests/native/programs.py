"""Random programs, made of everything that a Program may hold."""

from __future__ import annotations

import cirq
import numpy as np
import sympy

from qkeras_hybrid.observables import Observable, PauliTerm
from qkeras_hybrid.program import Angle, AngleMap, Compiled, PauliRotation, Phase, Program, Unitary
from qkeras_hybrid.readouts import Expectation

_GATES = {
    1: (cirq.X, cirq.Y, cirq.H, cirq.S, cirq.T, cirq.X**0.5),
    2: (cirq.CNOT, cirq.CZ, cirq.SWAP, cirq.ISWAP, cirq.ControlledGate(cirq.H)),
    3: (cirq.CCX, cirq.CCZ, cirq.CSWAP),
}


def as_unitary(qubits: tuple[int, ...], gate: cirq.Gate) -> Unitary:
    return Unitary(qubits, tuple(tuple(map(complex, row)) for row in cirq.unitary(gate)))


def random_program(
    seed: int,
    n_qubits: int,
    n_instructions: int,
    *,
    n_inputs: int = 3,
    n_weights: int = 4,
    n_observables: int = 3,
    max_width: int = 3,
) -> Compiled:
    """A program of rotations, phases, named gates and random unitaries, and Pauli sums."""
    rng = np.random.default_rng(seed)
    angles: list[Angle] = []

    def some(most: int) -> tuple[int, ...]:
        return tuple(map(int, rng.permutation(n_qubits)[: rng.integers(1, most + 1)]))

    def pairs(count: int, most: int) -> tuple[tuple[int, float], ...]:
        chosen = rng.permutation(count)[: rng.integers(0, most + 1)]
        return tuple((int(i), float(rng.normal())) for i in chosen)

    def row() -> int:
        offset = float(rng.choice([0.0, np.pi, rng.normal()]))
        angles.append(Angle(offset, pairs(n_inputs, 1), pairs(n_weights, 2)))
        return len(angles) - 1

    def letters(count: int) -> str:
        return "".join(rng.choice(list("XYZ"), count))

    instructions = []
    width = min(n_qubits, max_width)
    for kind in rng.choice(["turn", "pauli", "phase", "gate", "unitary"], n_instructions):
        qubits = some(width)
        if kind == "turn":
            instructions.append(PauliRotation(letters(1), qubits[:1], row()))
        elif kind == "pauli":
            instructions.append(PauliRotation(letters(len(qubits)), qubits, row()))
        elif kind == "phase":
            instructions.append(Phase(qubits[: rng.integers(0, len(qubits) + 1)], row()))
        elif kind == "gate":
            gates = _GATES[len(qubits)]
            instructions.append(as_unitary(qubits, gates[rng.integers(len(gates))]))
        else:
            matrix = cirq.testing.random_unitary(
                2 ** len(qubits), random_state=int(rng.integers(2**30))
            )
            instructions.append(as_unitary(qubits, cirq.MatrixGate(matrix)))

    observables = []
    for _ in range(n_observables):
        terms = []
        for _ in range(rng.integers(0, 4)):
            qubits = tuple(sorted(some(width)[: rng.integers(0, width + 1)]))
            terms.append(PauliTerm(float(rng.normal()), letters(len(qubits)), qubits))
        observables.append(Observable(tuple(terms)))
    return Compiled(
        Program(tuple(cirq.LineQubit.range(n_qubits)), tuple(instructions), len(angles)),
        AngleMap(sympy.symbols(f"x0:{n_inputs}"), sympy.symbols(f"w0:{n_weights}"), tuple(angles)),
        Expectation(tuple(observables)),
        cirq.FrozenCircuit(),
    )


def layered_program(
    n_qubits: int, n_layers: int, *, entangler: str = "CZ", letter: str = "Z"
) -> Compiled:
    """`rx(x_i)`; layers of `ry`, `rz` on each qubit and a ring of entanglers; `letter` of each."""
    angles, instructions = [], []
    for q in range(n_qubits):
        angles.append(Angle(inputs=((q, 1.0),)))
        instructions.append(PauliRotation("X", (q,), len(angles) - 1))
    k = 0
    for _ in range(n_layers):
        for q in range(n_qubits):
            for axis in "YZ":
                angles.append(Angle(weights=((k, 1.0),)))
                instructions.append(PauliRotation(axis, (q,), len(angles) - 1))
                k += 1
        for q in range(n_qubits):
            pair = (q, (q + 1) % n_qubits)
            instructions.append(as_unitary(pair, {"CZ": cirq.CZ, "CNOT": cirq.CNOT}[entangler]))
    return Compiled(
        Program(tuple(cirq.LineQubit.range(n_qubits)), tuple(instructions), len(angles)),
        AngleMap(sympy.symbols(f"x0:{n_qubits}"), sympy.symbols(f"w0:{k}"), tuple(angles)),
        Expectation(tuple(Observable((PauliTerm(1.0, letter, (q,)),)) for q in range(n_qubits))),
        cirq.FrozenCircuit(),
    )
