"""A small dense simulator in NumPy, complex128, independent of every engine.

Gradients come from the shift rule: every instruction's expectation value is, as a function of its
own angle, `a + b cos(angle) + c sin(angle)`, so `f'(t) = (f(t + pi/2) - f(t - pi/2)) / 2` holds for
rotations `exp(-i t/2 P)` and for phases `exp(i t)` on a projector alike.
"""

from __future__ import annotations

import numpy as np

from qkeras_hybrid.program import Compiled, PauliRotation, Phase

_PAULIS = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}


def on_qubits(state: np.ndarray, matrix: np.ndarray, qubits: tuple[int, ...]) -> np.ndarray:
    """Applies a matrix to `qubits` of a state with one axis a qubit."""
    k = len(qubits)
    tensor = np.asarray(matrix, dtype=complex).reshape((2,) * (2 * k))
    state = np.tensordot(tensor, state, axes=(range(k, 2 * k), qubits))
    return np.moveaxis(state, range(k), qubits)


def pauli_matrix(paulis: str) -> np.ndarray:
    matrix = np.eye(1)
    for letter in paulis:
        matrix = np.kron(matrix, _PAULIS[letter])
    return matrix


def state_of(compiled: Compiled, instruction_angles: list[float]) -> np.ndarray:
    """The final state, given the angle of each instruction (0 where it has none)."""
    n = len(compiled.qubits)
    state = np.zeros((2,) * n, dtype=complex)
    state[(0,) * n] = 1
    for instruction, angle in zip(compiled.program.instructions, instruction_angles, strict=True):
        if isinstance(instruction, PauliRotation):
            turned = on_qubits(state, pauli_matrix(instruction.paulis), instruction.qubits)
            state = np.cos(angle / 2) * state - 1j * np.sin(angle / 2) * turned
        elif isinstance(instruction, Phase):
            state = state.copy()
            ones = tuple(1 if q in instruction.qubits else slice(None) for q in range(n))
            state[ones] *= np.exp(1j * angle)
        else:
            state = on_qubits(state, np.array(instruction.matrix), instruction.qubits)
    return state


def expectations_of(compiled: Compiled, state: np.ndarray) -> np.ndarray:
    values = []
    for observable in compiled.observables:
        value = 0.0
        for term in observable.terms:
            turned = on_qubits(state, pauli_matrix(term.paulis), term.qubits)
            value += term.coefficient * np.vdot(state, turned).real
        values.append(value)
    return np.array(values)


def angles_of(compiled: Compiled, inputs: np.ndarray, weights: np.ndarray) -> list[float]:
    """The angle of each instruction."""
    rows = [
        row.offset
        + sum(c * inputs[i] for i, c in row.inputs)
        + sum(c * weights[j] for j, c in row.weights)
        for row in compiled.angles.rows
    ]
    return [
        float(rows[i.angle]) if hasattr(i, "angle") else 0.0 for i in compiled.program.instructions
    ]


def expectation(compiled: Compiled, inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Expectation values, shape (batch, n_observables)."""
    rows = [
        expectations_of(compiled, state_of(compiled, angles_of(compiled, x, weights)))
        for x in inputs
    ]
    return np.array(rows).reshape(len(inputs), len(compiled.observables))


def gradients(
    compiled: Compiled, inputs: np.ndarray, weights: np.ndarray, upstream: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients of `sum(upstream * expectation)` by inputs and weights."""
    d_inputs, d_weights = np.zeros(inputs.shape), np.zeros(weights.shape)
    for b, x in enumerate(inputs):
        angles = angles_of(compiled, x, weights)
        for position, instruction in enumerate(compiled.program.instructions):
            if not hasattr(instruction, "angle"):
                continue
            row = compiled.angles.rows[instruction.angle]
            if not row.inputs and not row.weights:
                continue
            shifted = []
            for shift in (np.pi / 2, -np.pi / 2):
                moved = list(angles)
                moved[position] += shift
                shifted.append(expectations_of(compiled, state_of(compiled, moved)))
            slope = float(upstream[b] @ (shifted[0] - shifted[1])) / 2
            for i, c in row.inputs:
                d_inputs[b, i] += c * slope
            for j, c in row.weights:
                d_weights[j] += c * slope
    return d_inputs, d_weights
