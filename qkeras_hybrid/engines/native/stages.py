"""Drops, moves and gathers operations, so that few passes over the state remain."""

from __future__ import annotations

from qkeras_hybrid.engines.native.paulis import (
    EPSILON,
    Dense,
    Operation,
    Pauli,
    PhaseTerm,
    Rotation,
    Row,
    commute,
    kind,
    product,
)

CONSTANT, COSINE, SINE = 0, 1, 2
"""The factor of an observable's summand: 1, or a function of an angle."""


def light_cone(operations: list[Operation], measured: list[Pauli]) -> list[Operation]:
    """Drops operations that commute with all later kept operations and with all `measured`."""
    kept: list[Operation] = []
    for op in reversed(operations):
        noticed = any(not op.commutes(pauli) for pauli in measured)
        # The nearest operations are the least likely to commute, and `kept` ends with them.
        if noticed or any(not commute(op, later) for later in reversed(kept)):
            kept.append(op)
    return kept[::-1]


def split_chains(
    operations: list[Operation], n_qubits: int
) -> tuple[list[tuple[int, str, Rotation | PhaseTerm]], list[Operation]]:
    """Splits off the single-bit gates before which nothing has entangled their bit.

    Returns:
        These gates as (bit, axis, gate), and the others.
    """
    seen: list[set[str]] = [set() for _ in range(n_qubits)]
    chains: list[tuple[int, str, Rotation | PhaseTerm]] = []
    rest: list[Operation] = []
    for op in operations:
        if isinstance(op, Dense):
            rest.append(op)
            for bit in range(n_qubits):
                if any(m >> bit & 1 for m in (*op.flips, *op.reads)):
                    seen[bit] |= set("XYZ")
            continue
        x, z = op.pauli.x, op.pauli.z
        letters = {
            bit: "Y" if x & z & 1 << bit else "X" if x & 1 << bit else "Z"
            for bit in range(n_qubits)
            if (x | z) & 1 << bit
        }
        # It may be done first if it commutes with what the others before it do to its bit.
        if len(letters) == 1 and all(seen[bit] <= {axis} for bit, axis in letters.items()):
            chains += [(bit, axis, op) for bit, axis in letters.items()]
            continue
        rest.append(op)
        for bit, axis in letters.items():
            seen[bit].add(axis)
    return chains, rest


def as_rotation(rows: list[Row], op: PhaseTerm) -> tuple[int, int]:
    """Returns the sign and the row with which `exp(i c angle Z)` is a rotation by `-2 c angle`.

    Appends a row where neither the phase's own angle nor its negative is the rotation's.
    """
    factor = -2 * op.coefficient
    if op.row is None:
        rows.append((factor, (), ()))
        return 1, len(rows) - 1
    if abs(abs(factor) - 1) < EPSILON:
        return (1 if factor > 0 else -1), op.row
    offset, inputs, weights = rows[op.row]
    rows.append(
        (
            offset * factor,
            tuple((i, c * factor) for i, c in inputs),
            tuple((j, c * factor) for j, c in weights),
        )
    )
    return 1, len(rows) - 1


def schedule(operations: list[Operation]) -> list[list[Operation]]:
    """Puts each operation into the earliest stage of its kind that it can be moved back to."""
    stages: list[list[Operation]] = []
    for op in operations:
        target = None
        for index in range(len(stages) - 1, -1, -1):
            stage = stages[index]
            if kind(stage[0]) == kind(op) and not isinstance(op, Dense):
                target = stage
            if not all(commute(op, other) for other in reversed(stage)):
                break
        if target is None:
            stages.append([op])
        else:
            target.append(op)
    return [_merge_phases(stage) if kind(stage[0]) == 1 else stage for stage in stages]


def _merge_phases(stage: list[Operation]) -> list[Operation]:
    merged: dict[tuple[int, int | None], float] = {}
    for op in stage:
        assert isinstance(op, PhaseTerm)
        key = (op.z, op.row)
        merged[key] = merged.get(key, 0.0) + op.coefficient
    return [PhaseTerm(z, coefficient, row) for (z, row), coefficient in merged.items()]


def absorb(
    stages: list[list[Operation]], terms: list[tuple[int, Pauli, float]]
) -> list[tuple[int, Pauli, float, int, int]]:
    """Moves last rotations into the observables, and removes them from `stages`.

    Args:
        stages: The stages.
        terms: The observables' terms: (observable, Pauli string, coefficient).

    Returns:
        The terms with a factor each: (observable, Pauli string, coefficient, function, row).
    """
    result = [(o, p, c, CONSTANT, 0) for o, p, c in terms]
    if not stages or kind(stages[-1][0]) != 0:
        return result
    kept: list[Operation] = []
    for op in reversed(stages[-1]):
        assert isinstance(op, Rotation)
        noticing = [i for i, term in enumerate(result) if not op.commutes(term[1])]
        strings = {(result[i][1].x, result[i][1].z) for i in noticing}
        # One more Pauli string to measure costs less than the rotation; many would cost more.
        if (
            len(strings) > 1
            or any(result[i][3] != CONSTANT for i in noticing)
            or not all(commute(op, later) for later in kept)
        ):
            kept.append(op)
            continue
        for i in noticing:
            observable, pauli, coefficient, _, _ = result[i]
            result[i] = (observable, pauli, coefficient, COSINE, op.row)
            turned = product(op.pauli, pauli, 1)
            result.append((observable, turned, coefficient, SINE, op.row))
    if kept:
        stages[-1][:] = kept[::-1]
    else:
        stages.pop()
    return result
