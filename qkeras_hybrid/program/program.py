"""Programs: a circuit in the few instructions that engines execute, with angles alone.

Every instruction with an angle obeys the same two-term parameter-shift rule, because its generator
has two eigenvalues that differ by one (`P/2` of a Pauli string, or a projector):
`df/da = (f(a + pi/2) - f(a - pi/2)) / 2` (Schuld et al. 2019, arXiv 1811.11184). Controlled
rotations, which as a single gate need four terms, are written here as two such instructions.

An `AngleMap` computes the angles from inputs, weights and expressions.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeGuard, assert_never

import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq

Matrix = tuple[tuple[complex, ...], ...]

# No user would choose this name. Cirq forbids colons in a measurement's key.
_KEY = "_qkeras_hybrid_"


@dataclass(frozen=True)
class PauliRotation:
    """`exp(-i angle/2 P)` for a Pauli string `P`; on one qubit `rx`, `ry`, `rz`.

    Attributes:
        paulis: One of "X", "Y", "Z" for each qubit, e.g. `"XZ"`.
        qubits: Indices of the qubits, all different; qubit 0 is the most significant bit.
        angle: Index of the angle.
    """

    paulis: str
    qubits: tuple[int, ...]
    angle: int


@dataclass(frozen=True)
class Phase:
    """`exp(i angle)` on the basis states in which all `qubits` are 1, and 1 on the others.

    One qubit: the phase gate; two: the controlled phase `CZ**(angle/pi)`; none: a global phase.

    Attributes:
        qubits: Indices of the qubits, all different, in any number.
        angle: Index of the angle.
    """

    qubits: tuple[int, ...]
    angle: int


@dataclass(frozen=True)
class Unitary:
    """A fixed unitary on 1 to 3 qubits; the first of `qubits` is the most significant bit.

    Attributes:
        qubits: Indices of the qubits, all different.
        matrix: The unitary's `2**len(qubits)` rows of as many entries.
    """

    qubits: tuple[int, ...]
    matrix: Matrix

    @functools.cached_property
    def array(self) -> np.ndarray:
        """The matrix as a complex128 array."""
        return np.array(self.matrix)


@dataclass(frozen=True)
class Channel:
    """A fixed quantum channel, `rho -> sum_k K_k rho K_k†`.

    Attributes:
        qubits: Indices of the qubits, all different; the first is the most significant bit.
        kraus: The operators `K_k`, each a matrix of `2**len(qubits)` rows.
    """

    qubits: tuple[int, ...]
    kraus: tuple[Matrix, ...]

    @functools.cached_property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """The operators as complex128 arrays."""
        return tuple(np.array(matrix) for matrix in self.kraus)


@dataclass(frozen=True)
class Measurement:
    """A measurement of qubits in the computational basis within a circuit.

    Attributes:
        qubits: Indices of the qubits, all different.
        key: The name of its result in the circuit that was compiled.
        invert: For each qubit, whether its result is flipped.
    """

    qubits: tuple[int, ...]
    key: str
    invert: tuple[bool, ...] = ()


@dataclass(frozen=True)
class Reset:
    """Puts a qubit into `|0>`, whatever its state.

    Attributes:
        qubits: The index of the single qubit.
    """

    qubits: tuple[int]


Instruction = PauliRotation | Phase | Unitary | Channel | Measurement | Reset

UNITARY: frozenset[type] = frozenset({PauliRotation, Phase, Unitary})
"""The instructions of an ideal circuit."""

INSTRUCTIONS: frozenset[type] = UNITARY | {Channel, Measurement, Reset}
"""All instructions."""


def has_observable_angle(instruction: Instruction) -> TypeGuard[PauliRotation | Phase]:
    """Tells whether an instruction has an angle and is not a global phase."""
    return isinstance(instruction, (PauliRotation, Phase)) and bool(instruction.qubits)


@dataclass(frozen=True)
class Program:
    """A circuit that an engine runs; its only parameters are angles.

    Attributes:
        qubits: The qubits in order; the first is the most significant bit of a basis state.
        instructions: The instructions that act on the state `|0...0>`, in order.
        n_angles: The number of angles; each belongs to one instruction.
    """

    qubits: tuple[cirq.Qid, ...]
    instructions: tuple[Instruction, ...]
    n_angles: int

    @property
    def n_qubits(self) -> int:
        """The number of qubits."""
        return len(self.qubits)

    @functools.cached_property
    def kinds(self) -> frozenset[type]:
        """The types of the instructions."""
        return frozenset(map(type, self.instructions))

    @functools.cached_property
    def observed_rows(self) -> tuple[int, ...]:
        """The angles on which an expectation value can depend.

        These are all except those of global phases, which no hardware runs and no observable sees.
        """
        return tuple(sorted(i.angle for i in self.instructions if has_observable_angle(i)))

    def circuits(self, angles: Any) -> list[cirq.Circuit]:
        """Writes the program as circuits, one for each row of angles.

        They have every qubit of the program and no symbols. An engine that samples adds its own
        measurements at the end, under any key: the program's own measurements, whose results
        nothing reads, get the keys `_qkeras_hybrid_0`, `_qkeras_hybrid_1`, ... in order. Their keys
        in the compiled circuit are not kept, since they may occur twice or within a sub-circuit.

        Args:
            angles: Array of shape `(batch, n_angles)`, in radians.

        Returns:
            `batch` circuits on `qubits`.

        Raises:
            ValueError: If the angles have another shape.
        """
        values = np.asarray(angles, float)
        if values.ndim != 2 or values.shape[1] != self.n_angles:
            raise ArgumentError(
                "angles", f"have shape (batch, {self.n_angles})", tuple(values.shape)
            )
        numbers = itertools.count()
        instructions = [
            replace(instruction, key=f"{_KEY}{next(numbers)}")
            if isinstance(instruction, Measurement)
            else instruction
            for instruction in self.instructions
        ]
        # Operations without an angle are the same in each circuit, and are made once.
        fixed = [
            None
            if isinstance(instruction, (PauliRotation, Phase))
            else _operation(instruction, self.qubits, 0.0)
            for instruction in instructions
        ]
        used = {qubit for instruction in instructions for qubit in instruction.qubits}
        idle = cirq.I.on_each(q for i, q in enumerate(self.qubits) if i not in used)
        return [
            cirq.Circuit(
                idle,
                (
                    _operation(instruction, self.qubits, row) if operation is None else operation
                    for instruction, operation in zip(instructions, fixed, strict=True)
                ),
            )
            for row in values
        ]


def _operation(instruction: Instruction, qubits: Sequence[cirq.Qid], angles: Any) -> cirq.Operation:
    on = [qubits[i] for i in instruction.qubits]
    match instruction:
        case PauliRotation(paulis=paulis, angle=row):
            # exp(-i a/2 P): the eigenvalue +1 of P turns by -a/2, the eigenvalue -1 by a/2.
            half = float(angles[row]) / (2 * math.pi)
            string: Any = cirq.PauliString(dict(zip(on, paulis, strict=True)))
            return cirq.PauliStringPhasor(string, exponent_neg=half, exponent_pos=-half)
        case Phase(angle=row):
            turn = float(angles[row])
            if not on:
                # `Z**2` with a shift, since not every simulator takes an operation without qubits:
                # exp(i pi 2 shift) Z**2.
                return cirq.ZPowGate(exponent=2, global_shift=turn / (2 * math.pi)).on(qubits[0])
            power = cirq.ZPowGate(exponent=turn / math.pi).on(on[-1])
            return power.controlled_by(*on[:-1]) if on[:-1] else power
        case Unitary():
            return cirq.MatrixGate(instruction.array).on(*on)
        case Channel():
            return cirq.KrausChannel(instruction.arrays, validate=False).on(*on)
        case Measurement(key=key, invert=invert):
            return cirq.measure(*on, key=key, invert_mask=invert)
        case Reset():
            return cirq.reset(on[0])
        case _:
            assert_never(instruction)
