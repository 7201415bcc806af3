"""The circuits of TensorFlow Quantum's tutorials, at sizes that a test can wait for.

No Keras here: the same file is read beside Keras 2, for TFQ's layers, and beside Keras 3.
"""

from __future__ import annotations

from collections.abc import Callable

import cirq
import numpy as np
import sympy

Tutorial = tuple[list[cirq.Circuit], cirq.Circuit, list[cirq.PauliString], np.ndarray]


def many_worlds() -> Tutorial:
    """Random states of a qubit, which three angles of a controller are to undo."""
    rng = np.random.default_rng(0)
    qubit = cirq.GridQubit(0, 0)
    angles = rng.uniform(0, 2 * np.pi, (4, 3))
    data = [
        cirq.Circuit(cirq.rx(a)(qubit), cirq.ry(b)(qubit), cirq.rz(c)(qubit)) for a, b, c in angles
    ]
    a, b, c = sympy.symbols("theta_1 theta_2 theta_3")
    circuit = cirq.Circuit(cirq.rz(a)(qubit), cirq.ry(b)(qubit), cirq.rx(c)(qubit))
    return data, circuit, [cirq.Z(qubit)], _values(4, 3)


def mnist() -> Tutorial:
    """Images of black and white pixels, and layers of XX and ZZ between pixels and a readout."""
    rng = np.random.default_rng(1)
    pixels = cirq.GridQubit.rect(2, 3)
    readout = cirq.GridQubit(-1, -1)
    data = [
        cirq.Circuit(cirq.X(qubit) for qubit, black in zip(pixels, image, strict=True) if black)
        for image in rng.integers(0, 2, (4, 6)) | np.eye(1, 6, dtype=int)
    ]
    circuit = cirq.Circuit(cirq.X(readout), cirq.H(readout))
    for gate, name in ((cirq.XX, "xx1"), (cirq.ZZ, "zz1")):
        for i, qubit in enumerate(pixels):
            circuit.append(gate(qubit, readout) ** sympy.Symbol(f"{name}-{i}"))
    circuit.append(cirq.H(readout))
    return data, circuit, [cirq.Z(readout)], _values(4, 12)


def quantum_data() -> Tutorial:
    """Cluster states, some of them excited, and a convolution with pooling."""
    qubits = cirq.GridQubit.rect(1, 4)
    cluster = cirq.Circuit(cirq.H.on_each(*qubits))
    for this, other in zip(qubits, [*qubits[1:], qubits[0]], strict=True):
        cluster.append(cirq.CZ(this, other))
    rng = np.random.default_rng(2)
    data = [
        cirq.Circuit(cirq.rx(angle)(qubits[i])) + cluster
        for i, angle in enumerate(rng.uniform(-np.pi, np.pi, 4))
    ]
    # Twelve and more symbols, so that names sort otherwise than numbers do.
    s = sympy.symbols("qconv0:15")
    circuit = cirq.Circuit()
    for first, second in ((qubits[0], qubits[1]), (qubits[2], qubits[3])):
        circuit += cirq.Circuit(
            [cirq.X(first) ** s[0], cirq.Y(first) ** s[1], cirq.Z(first) ** s[2]],
            [cirq.X(second) ** s[3], cirq.Y(second) ** s[4], cirq.Z(second) ** s[5]],
            [cirq.ZZ(first, second) ** s[6], cirq.YY(first, second) ** s[7]],
            [cirq.XX(first, second) ** s[8]],
            [cirq.X(first) ** s[9], cirq.Y(first) ** s[10], cirq.Z(first) ** s[11]],
            [cirq.X(second) ** s[12], cirq.Y(second) ** s[13], cirq.Z(second) ** s[14]],
        )
    circuit += cirq.Circuit(cirq.CNOT(qubits[0], qubits[1]), cirq.CNOT(qubits[2], qubits[3]))
    return data, circuit, [cirq.Z(qubits[1]), cirq.Z(qubits[3]) * cirq.X(qubits[1])], _values(4, 15)


def _values(batch: int, count: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(-1, 1, (batch, count)).astype("float32")


TUTORIALS: dict[str, Callable[[], Tutorial]] = {
    "many_worlds": many_worlds,
    "mnist": mnist,
    "quantum_data": quantum_data,
}
