"""Circuits whose expectation values are known in closed form."""

from collections.abc import Callable
from dataclasses import dataclass

import cirq
import numpy as np
import sympy

A, B, C, D = sympy.symbols("a b c d")
Q = cirq.LineQubit.range(4)


@dataclass(frozen=True)
class System:
    """A circuit in inputs a, b and weights c, d; its observables; their values in closed form."""

    name: str
    circuit: cirq.Circuit
    observables: object
    values: Callable[[float, float, float, float], list[float]]


SYSTEMS = [
    System(
        "rabi: a rotation turns Z into cos, Y into -sin",
        cirq.Circuit(cirq.rx(A)(Q[0]), cirq.rx(2 * C)(Q[0])),
        ["Z", "Y"],
        lambda a, b, c, d: [np.cos(a + 2 * c), -np.sin(a + 2 * c)],
    ),
    System(
        "ramsey: a phase between two Hadamards",
        cirq.Circuit(cirq.H(Q[0]), cirq.Z(Q[0]) ** (A / np.pi), cirq.rz(C)(Q[0]), cirq.H(Q[0])),
        ["Z"],
        lambda a, b, c, d: [np.cos(a + c)],
    ),
    System(
        "a product state has the product of its values",
        cirq.Circuit(cirq.ry(A * C)(Q[0]), cirq.ry(B + D)(Q[1])),
        ["Z0", "Z1", "X0*Z1", "2*Z0*Z1 - 3*X1 + 0.5"],
        lambda a, b, c, d: [
            np.cos(a * c),
            np.cos(b + d),
            np.sin(a * c) * np.cos(b + d),
            2 * np.cos(a * c) * np.cos(b + d) - 3 * np.sin(b + d) + 0.5,
        ],
    ),
    System(
        "ghz: single qubits are undecided, pairs agree",
        cirq.Circuit(
            cirq.ry(A + np.pi / 2)(Q[0]),
            [cirq.CX(Q[i], Q[i + 1]) for i in range(3)],
            cirq.rz(C)(Q[3]),
        ),
        ["Z0", "Z0*Z3", "XXXX", "YYYY"],
        lambda a, b, c, d: [-np.sin(a), 1.0, np.cos(a) * np.cos(c), np.cos(a) * np.cos(c)],
    ),
    System(
        "phase kickback of a controlled phase",
        cirq.Circuit(cirq.H(Q[0]), cirq.ry(B)(Q[1]), cirq.CZ(Q[0], Q[1]) ** (C / np.pi)),
        ["X0", "Y0"],
        lambda a, b, c, d: [
            np.cos(b / 2) ** 2 + np.sin(b / 2) ** 2 * np.cos(c),
            np.sin(b / 2) ** 2 * np.sin(c),
        ],
    ),
    System(
        "an excitation that hops between two qubits",
        cirq.Circuit(cirq.X(Q[0]), cirq.ISWAP(Q[0], Q[1]) ** (2 * (A + C) / np.pi)),
        ["Z0", "Z1"],
        lambda a, b, c, d: [-np.cos(2 * (a + c)), np.cos(2 * (a + c))],
    ),
    System(
        "ising: a rotation about a three-qubit Pauli string",
        cirq.Circuit(
            cirq.H.on_each(*Q[:3]),
            cirq.PauliStringPhasor(
                cirq.Z(Q[0]) * cirq.Z(Q[1]) * cirq.Z(Q[2]), exponent_neg=(B * D) / np.pi
            ),
        ),
        ["X0", "Y0*Z1*Z2"],
        lambda a, b, c, d: [np.cos(b * d), np.sin(b * d)],
    ),
]
