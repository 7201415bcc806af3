"""Light cones: an observable depends on the part of a circuit that reaches its qubits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from qkeras_hybrid.observables import Observable, PauliTerm
from qkeras_hybrid.program import (
    AngleMap,
    Instruction,
    Phase,
    Program,
    has_observable_angle,
)
from qkeras_hybrid.readouts import Expectation
from qkeras_hybrid.surrogates.parts import Part


def split(part: Part) -> list[tuple[tuple[int, ...], Part]]:
    """Splits a circuit among its observables, each with only the part that affects it.

    Observables stay together if separate parts would have more features in total than a common one.

    Returns:
        Parts, each with the numbers of the values that it computes.
    """
    readout = part.job.readout
    if not isinstance(readout, Expectation) or part.matrix is not None or part.states is not None:
        return [(tuple(range(part.width)), part)]
    instructions = part.job.program.instructions
    groups: dict[frozenset[int], list[int]] = {}
    for number, observable in enumerate(readout.observables):
        qubits = {q for term in observable.terms for q in term.qubits}
        rows = _rows(part, _cone(instructions, qubits)[0])
        groups.setdefault(frozenset(rows), []).append(number)
    while len(groups) > 1:
        more, first, second = min(
            (
                (_features(a | b) - _features(a) - _features(b), a, b)
                for a, b in itertools.combinations(groups, 2)
            ),
            key=lambda found: found[0],
        )
        if more > 0:
            break
        numbers = groups.pop(first) + groups.pop(second)
        groups.setdefault(first | second, []).extend(numbers)
    return [
        (tuple(numbers), cut(part, numbers)) for numbers in sorted(map(sorted, groups.values()))
    ]


def cut(part: Part, numbers: Iterable[int]) -> Part:
    """Returns the part of a circuit that some of its observables depend on.

    Args:
        part: A part that reads expectation values.
        numbers: The indices of these observables.
    """
    readout, program = part.job.readout, part.job.program
    assert isinstance(readout, Expectation)
    observables = [readout.observables[number] for number in numbers]
    seen = {q for observable in observables for term in observable.terms for q in term.qubits}
    kept, reached = _cone(program.instructions, seen)
    qubits = sorted(reached) or [0]
    place = {q: k for k, q in enumerate(qubits)}
    angles = sorted({i.angle for i in kept if has_observable_angle(i)})
    angle = {row: k for k, row in enumerate(angles)}
    moved: list[Instruction] = []
    for instruction in kept:
        on = tuple(place[q] for q in instruction.qubits)
        if has_observable_angle(instruction):
            moved.append(replace(instruction, qubits=on, angle=angle[instruction.angle]))
        else:
            moved.append(replace(instruction, qubits=on))  # type: ignore[arg-type]
    terms = [
        Observable(
            tuple(
                PauliTerm(t.coefficient, t.paulis, tuple(place[q] for q in t.qubits))
                for t in observable.terms
            )
        )
        for observable in observables
    ]
    job = replace(
        part.job,
        program=Program(tuple(program.qubits[q] for q in qubits), tuple(moved), len(angles)),
        angles=AngleMap((), (), tuple(part.job.angles.rows[row] for row in angles)),
        readout=replace(readout, observables=tuple(terms)),
        readout_errors=tuple(part.job.readout_errors[q] for q in qubits)
        if part.job.readout_errors
        else (),
        origin=None,
    )
    return Part(job, part.offsets[angles], part.slopes[angles])


def _cone(
    instructions: Sequence[Instruction], qubits: Iterable[int]
) -> tuple[list[Instruction], set[int]]:
    """Returns the instructions that affect the readout of some qubits, and all their qubits.

    All other instructions preserve the trace, and so they don't change the readout.
    """
    reached, kept = set(qubits), list[Instruction]()
    for instruction in reversed(instructions):
        if isinstance(instruction, Phase) and not instruction.qubits:
            continue
        if not reached.isdisjoint(instruction.qubits):
            kept.append(instruction)
            reached.update(instruction.qubits)
    return kept[::-1], reached


def _rows(part: Part, instructions: Iterable[Instruction]) -> set[int]:
    return {i.angle for i in instructions if has_observable_angle(i) and part.slopes[i.angle].any()}


def _features(rows: frozenset[int]) -> float:
    return math.pow(3.0, min(len(rows), 600))
