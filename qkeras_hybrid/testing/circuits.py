"""Random circuits with all kinds of gates, and their results in `cirq.Simulator`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qkeras_hybrid._lazy import cirq, sympy


def random_gates(symbols: Sequence[sympy.Symbol], numbers: Sequence[float]) -> list[cirq.Gate]:
    """Returns gates of every kind that compiles, with two symbols and two numbers as angles.

    Args:
        symbols: At least two symbols.
        numbers: At least two numbers.
    """
    a, b = symbols[:2]
    u, v = float(numbers[0]), float(numbers[1])
    z3 = cirq.DensePauliString("XYZ")
    return [
        cirq.rx(a),
        cirq.ry(u * a + v),
        cirq.rz(a + 2 * b),
        cirq.Y ** (u * a),
        cirq.ZPowGate(exponent=a, global_shift=0.3),
        cirq.H,
        cirq.H**a,
        cirq.T,
        cirq.S**u,
        cirq.CX,
        cirq.CX**a,
        cirq.CZ**u,
        cirq.CZ ** (a * b),
        cirq.SWAP**a,
        cirq.ISWAP**a,
        cirq.ISWAP,
        cirq.XX**a,
        cirq.YY ** (u * a),
        cirq.ZZ**b,
        cirq.FSimGate(a, b),
        cirq.PhasedXPowGate(phase_exponent=a, exponent=b),
        cirq.PhasedXZGate(x_exponent=a, z_exponent=b, axis_phase_exponent=u),
        cirq.PhasedISwapPowGate(phase_exponent=u, exponent=a),
        cirq.MatrixGate(cirq.testing.random_unitary(4, random_state=7)),
        cirq.MatrixGate(cirq.testing.random_unitary(8, random_state=8)),
        cirq.CCX,
        cirq.CCX**a,
        cirq.CCZ**u,
        cirq.CSWAP,
        cirq.ControlledGate(cirq.ry(sympy.sin(a) + b**2)),
        cirq.ControlledGate(cirq.rx(2 * a)),
        cirq.ControlledGate(cirq.SWAP**a, control_values=[0]),
        cirq.PauliStringPhasorGate(z3, exponent_neg=a, exponent_pos=u),
        cirq.ControlledGate(cirq.MatrixGate(cirq.testing.random_unitary(2, random_state=9))),
    ]


def random_circuit(rng: np.random.Generator, n_qubits: int, n_operations: int) -> cirq.Circuit:
    """Returns a random circuit of all kinds of gates, with symbols a, b (inputs) and c, d.

    Args:
        rng: The random number generator.
        n_qubits: The number of qubits, at least 3.
        n_operations: The number of operations.
    """
    qubits = cirq.LineQubit.range(n_qubits)
    names = sympy.symbols("a b c d")
    circuit = cirq.Circuit(cirq.I.on_each(*qubits))
    for _ in range(n_operations):
        order = rng.permutation(4)
        gates = random_gates([names[i] for i in order], rng.uniform(-1.5, 1.5, 2).tolist())
        gate = gates[rng.integers(len(gates))]
        on = rng.permutation(n_qubits)[: cirq.num_qubits(gate)]
        circuit.append(gate.on(*[qubits[i] for i in on]))
    return circuit


def reference_expectation(
    circuit: cirq.Circuit,
    observables: Sequence[cirq.PauliSum],
    values: dict[str, float],
    qubits: Sequence[cirq.Qid],
) -> np.ndarray:
    """Computes expectation values of one sample with `cirq.Simulator` in complex128."""
    resolved = cirq.resolve_parameters(circuit, values)
    state = (
        cirq.Simulator(dtype=np.complex128, split_untangled_states=False)
        .simulate(resolved, qubit_order=qubits)
        .final_state_vector
    )
    index = {qubit: i for i, qubit in enumerate(qubits)}
    return np.array(
        [o.expectation_from_state_vector(state, index).real for o in observables], float
    )


def reference_gradients(
    circuit: cirq.Circuit,
    observables: Sequence[cirq.PauliSum],
    values: dict[str, float],
    qubits: Sequence[cirq.Qid],
) -> dict[str, np.ndarray]:
    """Differentiates `reference_expectation` with respect to each value.

    This is the seven-point rule, `(45 d(h) - 9 d(2h) + d(3h)) / 60h` with `d(h) = f(h) - f(-h)`,
    which is independent of the package's methods. Its error, `h**6 f^(7) / 140`, is below 1e-9 if
    all gates of a circuit together rotate by less than 40 radians per unit of a symbol.
    """
    h = 1e-3
    found = {}
    for name in values:

        def at(step: float, name: str = name) -> np.ndarray:
            moved = {**values, name: values[name] + step}
            return reference_expectation(circuit, observables, moved, qubits)

        one, two, three = (at(k * h) - at(-k * h) for k in (1, 2, 3))
        found[name] = (45 * one - 9 * two + three) / (60 * h)
    return found
