"""Writes a job's noise model into its program."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.noise import channels
from qkeras_hybrid.noise.gate_names import SYMMETRIC, names_of_instruction, names_of_operation
from qkeras_hybrid.noise.model import NoiseModel
from qkeras_hybrid.noise.rules import Rule
from qkeras_hybrid.noise.turned import turned
from qkeras_hybrid.program import (
    UNITARY,
    Angle,
    Instruction,
    Job,
    Program,
    sources,
)
from qkeras_hybrid.program.unrolling import unrolled


@dataclass
class Step:
    """A gate or other operation of the circuit, with its instructions and its noise.

    Attributes:
        names: The names of the gate.
        qubits: Indices of its qubits, in the gate's order.
        layer: The index of its moment.
        instructions: The instructions that it was compiled to.
        is_gate: Whether it is a unitary gate, after which noise acts.
        operation: The gate itself, if the circuit is known.
        noise: The noise that acts after it.
        power: The power of the gate that acts; 1 without over-rotation.
    """

    names: tuple[str, ...]
    qubits: tuple[int, ...]
    layer: int
    instructions: list[Instruction]
    is_gate: bool
    operation: cirq.Operation | None = None
    noise: list[Instruction] = field(default_factory=list)
    power: float = 1.0

    def __post_init__(self) -> None:
        self.compiled = tuple(self.instructions)


def applied(job: Job) -> Job:
    """Returns the job with its noise model written into its program, and no longer in `noise`.

    Channels come after the gates of the job's circuit, or after the instructions if the job has no
    circuit; a coherent error is a channel with one Kraus operator. The model's readout errors
    become `readout_errors`. Angles stay unchanged, except those of gates that rotate too far.

    Args:
        job: A job.

    Raises:
        ValueError: If the model names a qubit that the circuit does not have.

    Example:

    >>> compiled = compile_circuit(cirq.Circuit(cirq.X(cirq.LineQubit(0))), "Z")
    >>> job = noise.applied(compiled.job(noise=noise.depolarizing(0.1)))
    >>> [type(instruction).__name__ for instruction in job.program.instructions]
    ['Unitary', 'Channel']
    """
    if job.noise is None:
        return job
    model = job.noise
    if not isinstance(model, NoiseModel):
        raise ArgumentError("noise", "be a NoiseModel", model)
    if job.circuits:
        raise ArgumentError(
            "noise",
            "be None with circuits as inputs, because they would run without noise",
            model,
            "Put channels into the circuits.",
        )
    return _Application(job, model).job()


class _Application:
    """One noise model on one job."""

    def __init__(self, job: Job, model: NoiseModel) -> None:
        self._job, self._model = job, model
        self._n_qubits = job.program.n_qubits
        self._index = {qubit: i for i, qubit in enumerate(job.program.qubits)}
        self._steps, self._tail = _steps(job)
        self._rows = list(job.angles.rows)
        # P(1|0) and P(0|1) of each qubit.
        self._readout: list[tuple[float, float]] = list(job.readout_errors) or (
            [(0.0, 0.0)] * self._n_qubits
        )

    def job(self) -> Job:
        if any(rule.after == "layer" or _reaches_out(rule) for rule in self._model.rules):
            self._steps.sort(key=lambda step: step.layer)
        for rule in self._model.rules:
            qubits = self._groups(rule)
            match rule.after:
                case "readout":
                    self._misread(rule, qubits)
                case "layer":
                    self._after_layers(rule, qubits)
                case _ if rule.channel == "over_rotation":
                    self._over_rotate(rule, qubits)
                case _:
                    self._after_gates(rule, qubits)
        instructions = [
            each for step in self._steps for each in (*step.instructions, *step.noise)
        ] + self._tail
        program = self._job.program
        errors = tuple(self._readout)
        return replace(
            self._job,
            program=Program(program.qubits, tuple(instructions), program.n_angles),
            angles=replace(self._job.angles, rows=tuple(self._rows)),
            noise=None,
            readout_errors=errors if any(map(any, errors)) else (),
        )

    def _groups(self, rule: Rule) -> list[tuple[int, ...]] | None:
        """Returns the qubits that a rule names, as groups of indices; None if it names none."""
        if rule.qubits is None:
            return None
        groups = [q if isinstance(q, tuple) else (q,) for q in rule.qubits]
        return [tuple(self._number(qubit) for qubit in group) for group in groups]

    def _number(self, qubit: Any) -> int:
        number = self._index.get(qubit) if isinstance(qubit, cirq.Qid) else qubit
        if number is None or number >= self._n_qubits:
            raise ArgumentError(
                "noise",
                f"name qubits of the circuit, {', '.join(map(str, self._job.program.qubits))}",
                qubit,
                "An index counts them from 0.",
            )
        return int(number)

    def _misread(self, rule: Rule, qubits: list[tuple[int, ...]] | None) -> None:
        p10, p01 = rule.parameters
        for q in range(self._n_qubits) if qubits is None else [q for (q,) in qubits]:
            a, b = self._readout[q]
            # Two errors, one after the other.
            self._readout[q] = (a * (1 - p01) + (1 - a) * p10, b * (1 - p10) + (1 - b) * p01)

    def _after_gates(self, rule: Rule, qubits: list[tuple[int, ...]] | None) -> None:
        made: dict[tuple[int, ...], Instruction | None] = {}
        kraus, fixed = rule.kraus(), None
        if rule.gate_on is not None:
            fixed = tuple(self._number(qubit) for qubit in rule.gate_on)
        for step in self._matching(rule):
            if fixed is None:
                places = _places(rule.width, step.qubits, qubits)
            elif not _same_gate(rule, step, fixed):
                continue
            else:
                places = _places(rule.width, fixed, None) if qubits is None else qubits
            for on in places:
                if on not in made:
                    made[on] = channels.instruction(kraus, on)
                instruction = made[on]
                if instruction is not None:
                    # On other qubits than the gate's, noise comes after all gates of the layer.
                    own = set(on) <= set(step.qubits)
                    (step if own else self._last_of(step.layer)).noise.append(instruction)

    def _last_of(self, layer: int) -> Step:
        return next(step for step in reversed(self._steps) if step.layer == layer)

    def _after_layers(self, rule: Rule, qubits: list[tuple[int, ...]] | None) -> None:
        kraus, width = rule.kraus(), rule.width
        windows = [tuple(range(i, i + width)) for i in range(self._n_qubits - width + 1)]
        groups = [on for window in windows for on in _places(width, window, qubits)]
        if qubits is not None:
            groups += [group for group in qubits if len(group) == width and group not in groups]
        everywhere = [channels.instruction(kraus, on) for on in groups]
        noise = [instruction for instruction in everywhere if instruction is not None]
        gates = {step.layer for step in self._steps if step.is_gate}
        last = {step.layer: step for step in self._steps if step.layer in gates}
        for step in last.values():
            step.noise += noise

    def _over_rotate(self, rule: Rule, qubits: list[tuple[int, ...]] | None) -> None:
        (fraction,) = rule.parameters
        allowed = None if qubits is None else {q for group in qubits for q in group}
        for step in self._matching(rule):
            if allowed is not None and not set(step.qubits) <= allowed:
                continue
            step.power *= 1 + fraction
            found = turned(step.operation, step.compiled, self._job.origin, step.power)
            step.instructions = list(found.instructions)
            for row, factor in found.factors.items():
                self._rows[row] = _scaled(self._job.angles.rows[row], factor)

    def _matching(self, rule: Rule) -> Iterator[Step]:
        for step in self._steps:
            named = rule.gates is not None and not set(rule.gates).isdisjoint(step.names)
            # The identity counts as a gate only for rules that name it.
            if not step.is_gate or not (named or (rule.gates is None and "i" not in step.names)):
                continue
            if rule.on is None or rule.on == len(step.qubits):
                yield step


def _reaches_out(rule: Rule) -> bool:
    """Tells whether a rule's noise may act on other qubits than the gate's."""
    return rule.gate_on is not None and rule.qubits is not None


def _same_gate(rule: Rule, step: Step, qubits: tuple[int, ...]) -> bool:
    """Tells whether a gate acts on these qubits, in this order if it matters to a named gate."""
    ordered = rule.gates is not None and SYMMETRIC.isdisjoint(step.names)
    return step.qubits == qubits if ordered else set(step.qubits) == set(qubits)


def _places(
    width: int, on: tuple[int, ...], qubits: list[tuple[int, ...]] | None
) -> list[tuple[int, ...]]:
    """Returns the groups of a gate's qubits on which an error acts.

    Args:
        width: The number of qubits of the error.
        on: The gate's qubits.
        qubits: The groups that the rule names.
    """
    candidates: list[tuple[int, ...]] = [on] if len(on) == width else []
    if width == 1:
        candidates = [(q,) for q in on]
    if qubits is None:
        return candidates
    single = {group[0] for group in qubits if len(group) == 1}
    ordered = {frozenset(group): group for group in qubits if len(group) > 1}
    found = []
    for group in candidates:
        if frozenset(group) in ordered:
            found.append(ordered[frozenset(group)])
        elif set(group) <= single:
            found.append(group)
    return found


def _scaled(angle: Angle, factor: float) -> Angle:
    if angle.expression is not None:
        return Angle(expression=sympy.Float(factor) * angle.expression)
    return Angle(
        angle.offset * factor,
        tuple((i, c * factor) for i, c in angle.inputs),
        tuple((j, c * factor) for j, c in angle.weights),
    )


def _steps(job: Job) -> tuple[list[Step], list[Instruction]]:
    """Returns the gates of a job, and the instructions that belong to no gate."""
    instructions = job.program.instructions
    found = sources(job)
    if found and job.origin is not None:
        index = {qubit: i for i, qubit in enumerate(job.program.qubits)}
        steps = [
            Step(
                names_of_operation(source.operation),
                tuple(index[q] for q in source.operation.qubits),
                layer,
                list(source.instructions),
                all(type(each) in UNITARY for each in source.instructions),
                source.operation,
            )
            for source, layer in zip(found, _moments(job.origin.circuit), strict=True)
        ]
        return steps, list(instructions[sum(len(step.instructions) for step in steps) :])
    layers = _packed([each.qubits for each in instructions], {}, 0)
    return [
        Step(names_of_instruction(each), each.qubits, layer, [each], type(each) in UNITARY)
        for each, layer in zip(instructions, layers, strict=True)
    ], []


def _moments(circuit: cirq.AbstractCircuit) -> Iterator[int]:
    """Yields the moment's index for each operation, with sub-circuits unrolled into moments."""
    first = 0
    for moment in circuit:
        frontier: dict[Any, int] = {}
        parts = [part for operation in moment for part in unrolled(operation)]
        yield from _packed([part.qubits for part in parts], frontier, first)
        first = max(frontier.values(), default=first)


def _packed(groups: Sequence[Sequence[Any]], frontier: dict[Any, int], first: int) -> list[int]:
    """Returns each operation's earliest layer after the previous operations on its qubits.

    Args:
        groups: The qubits of each operation.
        frontier: The first free layer of each qubit; updated in place.
        first: The first layer.
    """
    layers = []
    for group in groups:
        layer = max((frontier.get(qubit, first) for qubit in group), default=first)
        frontier.update(dict.fromkeys(group, layer + 1))
        layers.append(layer)
    return layers
