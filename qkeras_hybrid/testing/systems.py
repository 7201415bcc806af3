"""Circuits whose expectation values are known in closed form."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qkeras_hybrid._lazy import cirq, sympy


@dataclass(frozen=True)
class System:
    """A circuit of inputs a, b and weights c, d, its observables, and their closed forms."""

    name: str
    circuit: cirq.Circuit
    observables: object
    values: Callable[[float, float, float, float], list[float]]


@functools.cache
def systems() -> list[System]:
    """Returns the systems."""
    a, b, c, d = sympy.symbols("a b c d")
    q = cirq.LineQubit.range(4)
    return [
        System(
            "rabi: a rotation turns Z into cos, Y into -sin",
            cirq.Circuit(cirq.rx(a)(q[0]), cirq.rx(2 * c)(q[0])),
            ["Z", "Y"],
            lambda a, b, c, d: [np.cos(a + 2 * c), -np.sin(a + 2 * c)],
        ),
        System(
            "ramsey: a phase between two Hadamards",
            cirq.Circuit(cirq.H(q[0]), cirq.Z(q[0]) ** (a / np.pi), cirq.rz(c)(q[0]), cirq.H(q[0])),
            ["Z"],
            lambda a, b, c, d: [np.cos(a + c)],
        ),
        System(
            "a product state has the product of its values",
            cirq.Circuit(cirq.ry(a * c)(q[0]), cirq.ry(b + d)(q[1])),
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
                cirq.ry(a + np.pi / 2)(q[0]),
                [cirq.CX(q[i], q[i + 1]) for i in range(3)],
                cirq.rz(c)(q[3]),
            ),
            ["Z0", "Z0*Z3", "XXXX", "YYYY"],
            lambda a, b, c, d: [-np.sin(a), 1.0, np.cos(a) * np.cos(c), np.cos(a) * np.cos(c)],
        ),
        System(
            "phase kickback of a controlled phase",
            cirq.Circuit(cirq.H(q[0]), cirq.ry(b)(q[1]), cirq.CZ(q[0], q[1]) ** (c / np.pi)),
            ["X0", "Y0"],
            lambda a, b, c, d: [
                np.cos(b / 2) ** 2 + np.sin(b / 2) ** 2 * np.cos(c),
                np.sin(b / 2) ** 2 * np.sin(c),
            ],
        ),
        System(
            "an excitation that hops between two qubits",
            cirq.Circuit(cirq.X(q[0]), cirq.ISWAP(q[0], q[1]) ** (2 * (a + c) / np.pi)),
            ["Z0", "Z1"],
            lambda a, b, c, d: [-np.cos(2 * (a + c)), np.cos(2 * (a + c))],
        ),
        System(
            "ising: a rotation about a three-qubit Pauli string",
            cirq.Circuit(
                cirq.H.on_each(*q[:3]),
                cirq.PauliStringPhasor(
                    cirq.Z(q[0]) * cirq.Z(q[1]) * cirq.Z(q[2]), exponent_neg=(b * d) / np.pi
                ),
            ),
            ["X0", "Y0*Z1*Z2"],
            lambda a, b, c, d: [np.cos(b * d), np.sin(b * d)],
        ),
    ]
