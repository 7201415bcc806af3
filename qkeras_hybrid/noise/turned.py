"""Gates that rotate too far: `U**power` in place of `U`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.program import (
    Angle,
    Compiled,
    Instruction,
    PauliRotation,
    Phase,
    Unitary,
)
from qkeras_hybrid.program.gates import Compiler

MOST_QUBITS = 3
"""A power of a fixed gate on more qubits is not computed here, only by Cirq."""


@dataclass(frozen=True)
class Turned:
    """A gate that rotates too far.

    Attributes:
        instructions: Its instructions, with their original angles.
        factors: The factor of each of these angles, by the angle's index.
    """

    instructions: tuple[Instruction, ...]
    factors: dict[int, float]


def turned(
    operation: cirq.Operation | None,
    instructions: Sequence[Instruction],
    origin: Compiled | None,
    power: float,
) -> Turned:
    """Returns a gate's power.

    Args:
        operation: The gate; None if only its instructions are known: then each of them is changed.
        instructions: The instructions that it was compiled to.
        origin: The compiled circuit; given if the operation is.
        power: The power.

    Raises:
        ValueError: If Cirq knows no power of the gate, and the gate is not fixed.
    """
    if operation is None or origin is None:
        return _one_by_one(instructions, power)
    raised = cirq.pow(operation, power, None)
    if raised is None and not cirq.is_parameterized(operation):
        matrix = cirq.unitary(operation, None)
        if matrix is not None and len(operation.qubits) <= MOST_QUBITS:
            raised = cirq.MatrixGate(power_of(matrix, power)).on(*operation.qubits)
    if raised is not None:
        before, after = (_compiled(each, origin) for each in (operation, raised))
        found = _matched(instructions, before, after)
        if found is not None:
            return found
    raise ArgumentError(
        "noise",
        "over-rotate only gates that have a power",
        operation,
        "Use `.on(gates=...)` to name the gates that rotate too far, or write this gate as a "
        "product of others.",
    )


def _one_by_one(instructions: Sequence[Instruction], power: float) -> Turned:
    found: list[Instruction] = []
    factors = {}
    for each in instructions:
        if isinstance(each, Unitary):
            each = Unitary(each.qubits, _rows(power_of(each.array, power)))
        elif isinstance(each, (PauliRotation, Phase)):
            factors[each.angle] = power
        found.append(each)
    return Turned(tuple(found), factors)


def _compiled(operation: Any, origin: Compiled) -> tuple[list[Instruction], list[Angle]]:
    compiler = Compiler(origin.qubits, origin.inputs, origin.weights)
    compiler.add(operation)
    return compiler.instructions, compiler.angles


def _matched(
    instructions: Sequence[Instruction],
    before: tuple[list[Instruction], list[Angle]],
    after: tuple[list[Instruction], list[Angle]],
) -> Turned | None:
    """Returns the changed instructions, with the angles that they have in the program."""
    if [type(i) for i in before[0]] != [type(i) for i in after[0]]:
        # A gate that permutes basis states may be of another kind than its power.
        fixed = not any(isinstance(i, (PauliRotation, Phase)) for i in (*before[0], *after[0]))
        return Turned(tuple(after[0]), {}) if fixed else None
    if [type(i) for i in before[0]] != [type(i) for i in instructions]:
        return None
    found: list[Instruction] = []
    factors = {}
    for own, old, new in zip(instructions, before[0], after[0], strict=True):
        if own.qubits != new.qubits:
            return None
        if isinstance(own, (PauliRotation, Phase)):
            assert isinstance(old, (PauliRotation, Phase))
            assert isinstance(new, (PauliRotation, Phase))
            factor = _ratio(before[1][old.angle], after[1][new.angle])
            if factor is None:
                return None
            factors[own.angle] = factor
            found.append(own)
        else:
            found.append(new)
    return Turned(tuple(found), factors)


def _ratio(before: Angle, after: Angle) -> float | None:
    """Returns the factor between two angles, or None if there is none."""
    found: set[float] = set()
    for seed in range(2):
        a, b = (_at_random(angle, seed) for angle in (before, after))
        if abs(a) < 1e-12:
            found.add(1.0 if abs(b) < 1e-12 else math.nan)
        else:
            found.add(b / a)
    first = found.pop()
    same = all(math.isclose(first, other, rel_tol=1e-9) for other in found)
    return first if same and math.isfinite(first) else None


def _at_random(angle: Angle, seed: int) -> float:
    """Returns an angle for random values of its inputs and weights."""
    rng = np.random.default_rng(seed)
    if angle.expression is not None:
        symbols = sorted(angle.expression.free_symbols, key=str)
        values = dict(zip(symbols, rng.uniform(0.5, 1.5, len(symbols)).tolist(), strict=True))
        return float(angle.expression.subs(values))
    total = angle.offset
    for terms, start in ((angle.inputs, 1), (angle.weights, 2)):
        for number, coefficient in terms:
            value = np.random.default_rng((seed, start, number)).uniform(0.5, 1.5)
            total += coefficient * float(value)
    return total


def power_of(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """Returns a power of a unitary; the eigenvalues' angles are taken in (-pi, pi]."""
    _, basis = np.linalg.eig(matrix)
    # The eigenvectors of a normal matrix can be chosen orthogonal, also for equal eigenvalues.
    basis, _ = np.linalg.qr(basis)
    angles = np.angle(np.diag(basis.conj().T @ matrix @ basis))
    angles = np.where(np.isclose(angles, -np.pi), np.pi, angles)
    power: np.ndarray = (basis * np.exp(1j * exponent * angles)) @ basis.conj().T
    return power


def _rows(matrix: np.ndarray) -> tuple[tuple[complex, ...], ...]:
    return tuple(tuple(complex(value) for value in row) for row in matrix)
