"""Folded programs: gates are undone and repeated, for more noise and the same ideal result.

Giurgica-Tiron, Hindy, LaRose, Mari, Zeng: Digital zero noise extrapolation for quantum error
mitigation, IEEE QCE (2020), arXiv 2005.10921.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from qkeras_hybrid.program import (
    UNITARY,
    Angle,
    Channel,
    Instruction,
    Job,
    PauliRotation,
    Phase,
    Unitary,
)


@dataclass
class Unit:
    """A gate and the noise right after it.

    Attributes:
        gate: A unitary instruction.
        noise: The channels that follow it.
    """

    gate: PauliRotation | Phase | Unitary
    noise: list[Channel]


def negative(angle: Angle) -> Angle:
    """Returns an angle with the opposite sign."""
    if angle.expression is not None:
        return Angle(expression=-angle.expression)
    return Angle(
        -angle.offset,
        tuple((i, -c) for i, c in angle.inputs),
        tuple((j, -c) for j, c in angle.weights),
    )


def folded(job: Job, scale: float, folding: str = "global") -> tuple[Job, float]:
    """Returns a job whose circuit is longer by a factor, and the actual factor.

    `k = d (scale - 1) / 2`, rounded, gates of `d` are folded. "global" folds the whole circuit as
    often as possible, `U (U† U)**n`, and then its last gates. "local" folds each gate,
    `G (G† G)**n`, and the first ones once more. A channel stays after its gate, and also follows
    the gate's inverse.

    Args:
        job: A job of unitary instructions and channels.
        scale: The factor, at least 1.
        folding: "global" or "local".
    """
    head, units, tail = units_of(job.program.instructions)
    d = len(units)
    k = round(d * (scale - 1) / 2)
    if not k:
        return job, 1.0
    book = _Book(job)
    instructions = list(head)
    whole, rest = divmod(k, d)
    if folding == "local":
        for position, unit in enumerate(units):
            instructions += book.forward(unit, first=True)
            for _ in range(whole + (position < rest)):
                instructions += book.backward(unit) + book.forward(unit)
    else:
        for unit in units:
            instructions += book.forward(unit, first=True)
        last = units[d - rest :]
        for part in [units] * whole + ([last] if rest else []):
            for unit in reversed(part):
                instructions += book.backward(unit)
            for unit in part:
                instructions += book.forward(unit)
    instructions += tail
    program = replace(job.program, instructions=tuple(instructions), n_angles=len(book.rows))
    angles = replace(job.angles, rows=tuple(book.rows))
    return replace(job, program=program, angles=angles, origin=None), 1 + 2 * k / d


def units_of(
    instructions: tuple[Instruction, ...],
) -> tuple[list[Instruction], list[Unit], list[Instruction]]:
    """Returns the channels before the first gate, the gates with their noise, and the rest.

    The rest are global phases, which no noise follows.
    """
    head: list[Instruction] = []
    units: list[Unit] = []
    tail: list[Instruction] = []
    for each in instructions:
        if isinstance(each, Channel):
            if units:
                units[-1].noise.append(each)
            else:
                head.append(each)
        elif isinstance(each, (PauliRotation, Phase, Unitary)) and each.qubits:
            units.append(Unit(each, []))
        else:
            assert type(each) in UNITARY, each
            tail.append(each)
    return head, units, tail


class _Book:
    """The angles of a folded program, one for each instruction."""

    def __init__(self, job: Job) -> None:
        self.rows = list(job.angles.rows)

    def forward(self, unit: Unit, first: bool = False) -> list[Instruction]:
        """Returns a gate with its noise."""
        gate = unit.gate
        if not first and isinstance(gate, (PauliRotation, Phase)):
            gate = self._with_row(gate, self.rows[gate.angle])
        return [gate, *unit.noise]

    def backward(self, unit: Unit) -> list[Instruction]:
        """Returns a gate's inverse with the gate's noise."""
        gate = unit.gate
        if isinstance(gate, Unitary):
            adjoint = np.conj(gate.array.T)
            gate = replace(gate, matrix=tuple(tuple(complex(c) for c in row) for row in adjoint))
        else:
            gate = self._with_row(gate, negative(self.rows[gate.angle]))
        return [gate, *unit.noise]

    def _with_row(self, gate: PauliRotation | Phase, angle: Angle) -> PauliRotation | Phase:
        self.rows.append(angle)
        return replace(gate, angle=len(self.rows) - 1)
