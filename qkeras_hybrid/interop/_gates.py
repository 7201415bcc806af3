"""The gates that have names in OpenQASM and Qiskit, as Cirq operations.

Global phases are exact too: once a gate is controlled, its phase is no longer global.
"""

from __future__ import annotations

import cmath
import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from qkeras_hybrid._lazy import cirq, sympy


class NamedGate(NamedTuple):
    """A gate: the numbers of its angles and qubits, and its operations.

    Attributes:
        n_angles: The number of angles.
        n_qubits: The number of qubits.
        operations: A function of angles (in radians; numbers or SymPy expressions) and qubits that
            returns operations.
    """

    n_angles: int
    n_qubits: int
    operations: Callable[[Sequence[Any], Sequence[cirq.Qid]], list[cirq.Operation]]


def half_turns(angle: Any) -> Any:
    """Converts an angle in radians to half turns, the unit of Cirq's exponents."""
    return angle / (sympy.pi if isinstance(angle, sympy.Basic) else math.pi)


def phase_gate(angle: Any) -> cirq.Gate:
    """Returns `diag(1, exp(i angle))`."""
    return cirq.ZPowGate(exponent=half_turns(angle))


def u(theta: Any, phi: Any, lam: Any, qubit: cirq.Qid) -> list[cirq.Operation]:
    """Returns the general rotation of one qubit.

    Its matrix is `[[cos(theta/2), -exp(i lam) sin(theta/2)], [exp(i phi) sin(theta/2),
    exp(i (phi + lam)) cos(theta/2)]]`, as in Qiskit and in `qelib1.inc`.
    """
    if any(isinstance(angle, sympy.Basic) for angle in (theta, phi, lam)):
        return [phase_gate(lam)(qubit), cirq.ry(theta)(qubit), phase_gate(phi)(qubit)]
    cos, sin = math.cos(theta / 2), math.sin(theta / 2)
    matrix = [
        [cos, -cmath.exp(1j * lam) * sin],
        [cmath.exp(1j * phi) * sin, cmath.exp(1j * (phi + lam)) * cos],
    ]
    return [cirq.MatrixGate(np.array(matrix), name="u", unitary_check=False)(qubit)]


def controlled(
    operations: Sequence[cirq.Operation],
    phase: Any,
    controls: Sequence[cirq.Qid],
    values: Sequence[int],
) -> list[cirq.Operation]:
    """Returns controlled operations, which act if the control qubits have the given values.

    Args:
        operations: The operations to control.
        phase: Their global phase, in radians, which is controlled too.
        controls: The control qubits, at least one.
        values: For each control qubit 0 or 1.
    """
    flips = [cirq.X(q) for q, value in zip(controls, values, strict=True) if value == 0]
    acting = [operation.controlled_by(*controls) for operation in operations]
    if phase != 0:
        last = phase_gate(phase)(controls[-1])
        acting.append(last.controlled_by(*controls[:-1]) if len(controls) > 1 else last)
    return [*flips, *acting, *flips]


def with_all_qubits(
    operations: Iterable[cirq.Operation], qubits: Iterable[cirq.Qid]
) -> cirq.Circuit:
    """Returns a circuit with all of the qubits; those without a gate get an identity.

    A layer numbers the qubits of its circuit, so a missing qubit would shift those after it.
    """
    circuit = cirq.Circuit(operations)
    idle = set(qubits) - circuit.all_qubits()
    circuit.append(cirq.I.on_each(*sorted(idle)))
    return circuit


@functools.cache
def named_gates() -> dict[str, NamedGate]:
    """Returns the gates of the current `qelib1.inc` and of `stdgates.inc`, by name.

    Qiskit's gates `r`, `ryy` and `u` are added. `cu1`, `cu3` and `u3` are defined as in the current
    `qelib1.inc` and in Qiskit, not as in the OpenQASM 2 paper of 2017.
    """
    fixed: dict[str, cirq.Gate] = {
        "id": cirq.I,
        "x": cirq.X,
        "y": cirq.Y,
        "z": cirq.Z,
        "h": cirq.H,
        "s": cirq.S,
        "sdg": cirq.S**-1,
        "t": cirq.T,
        "tdg": cirq.T**-1,
        "sx": cirq.X**0.5,
        "sxdg": cirq.X**-0.5,
        "CX": cirq.CNOT,
        "cx": cirq.CNOT,
        "cy": cirq.ControlledGate(cirq.Y),
        "cz": cirq.CZ,
        "ch": cirq.ControlledGate(cirq.H),
        "csx": cirq.ControlledGate(cirq.X**0.5),
        "swap": cirq.SWAP,
        "ccx": cirq.CCX,
        "cswap": cirq.CSWAP,
        "c3x": cirq.ControlledGate(cirq.X, num_controls=3),
        "c3sqrtx": cirq.ControlledGate(cirq.X**0.5, num_controls=3),
        "c4x": cirq.ControlledGate(cirq.X, num_controls=4),
    }
    turning: dict[str, tuple[int, Callable[[Any], cirq.Gate]]] = {
        "u0": (1, lambda a: cirq.I),
        "rx": (1, cirq.rx),
        "ry": (1, cirq.ry),
        "rz": (1, cirq.rz),
        "p": (1, phase_gate),
        "u1": (1, phase_gate),
        "phase": (1, phase_gate),
        "rxx": (2, lambda a: cirq.XXPowGate(exponent=half_turns(a), global_shift=-0.5)),
        "ryy": (2, lambda a: cirq.YYPowGate(exponent=half_turns(a), global_shift=-0.5)),
        "rzz": (2, lambda a: cirq.ZZPowGate(exponent=half_turns(a), global_shift=-0.5)),
        "crx": (2, lambda a: cirq.ControlledGate(cirq.rx(a))),
        "cry": (2, lambda a: cirq.ControlledGate(cirq.ry(a))),
        "crz": (2, lambda a: cirq.ControlledGate(cirq.rz(a))),
        "cp": (2, lambda a: cirq.CZPowGate(exponent=half_turns(a))),
        "cu1": (2, lambda a: cirq.CZPowGate(exponent=half_turns(a))),
        "cphase": (2, lambda a: cirq.CZPowGate(exponent=half_turns(a))),
    }
    several: dict[str, NamedGate] = {
        "u": NamedGate(3, 1, lambda a, q: u(a[0], a[1], a[2], q[0])),
        "u3": NamedGate(3, 1, lambda a, q: u(a[0], a[1], a[2], q[0])),
        "U": NamedGate(3, 1, lambda a, q: u(a[0], a[1], a[2], q[0])),
        "u2": NamedGate(2, 1, lambda a, q: u(math.pi / 2, a[0], a[1], q[0])),
        "r": NamedGate(2, 1, lambda a, q: u(a[0], a[1] - math.pi / 2, math.pi / 2 - a[1], q[0])),
        "cu": NamedGate(4, 2, lambda a, q: _cu(a[0], a[1], a[2], a[3], q)),
        "cu3": NamedGate(3, 2, lambda a, q: _cu(a[0], a[1], a[2], 0, q)),
        "rccx": NamedGate(0, 3, lambda a, q: _rccx(q)),
        "rc3x": NamedGate(0, 4, lambda a, q: _rc3x(q)),
    }
    return {
        **{name: _fixed(gate) for name, gate in fixed.items()},
        **{name: _turning(n_qubits, gate) for name, (n_qubits, gate) in turning.items()},
        **several,
    }


def _fixed(gate: cirq.Gate) -> NamedGate:
    return NamedGate(0, cirq.num_qubits(gate), lambda angles, qubits: [gate(*qubits)])


def _turning(n_qubits: int, gate: Callable[[Any], cirq.Gate]) -> NamedGate:
    return NamedGate(1, n_qubits, lambda angles, qubits: [gate(angles[0])(*qubits)])


def _cu(
    theta: Any, phi: Any, lam: Any, phase: Any, qubits: Sequence[cirq.Qid]
) -> list[cirq.Operation]:
    return controlled(u(theta, phi, lam, qubits[1]), phase, qubits[:1], [1])


def _rccx(qubits: Sequence[cirq.Qid]) -> list[cirq.Operation]:
    """Returns a Toffoli gate up to relative phases, as `qelib1.inc` and Qiskit define it."""
    a, b, c = qubits
    t, back = cirq.T(c), (cirq.T**-1)(c)
    cx_a, cx_b = cirq.CNOT(a, c), cirq.CNOT(b, c)
    return [cirq.H(c), t, cx_b, back, cx_a, t, cx_b, back, cirq.H(c)]


def _rc3x(qubits: Sequence[cirq.Qid]) -> list[cirq.Operation]:
    """Returns a NOT with three controls up to relative phases, as `qelib1.inc` defines it."""
    a, b, c, d = qubits
    h, t, back = cirq.H(d), cirq.T(d), (cirq.T**-1)(d)
    cx_a, cx_b, cx_c = cirq.CNOT(a, d), cirq.CNOT(b, d), cirq.CNOT(c, d)
    outer = [h, t, cx_c, back, h]
    return [*outer, cx_a, t, cx_b, back, cx_a, t, cx_b, back, *outer]
