"""Turns a Program into the byte string that the C++ kernels run.

Everything that depends on the circuit alone happens here, once for each Program:

1. **Index frame.** Gates that only permute basis states (`X`, `CNOT`, `SWAP`, ...) move no
   amplitude. They change which bits of the storage index a qubit's value is the parity of: qubit
   `q` has the value `parity(reads[q] & index) ^ offsets[q]`, and `X` on it flips `flips[q]`.
2. **Pauli form.** What is left are rotations `exp(-i angle/2 P)` about Pauli strings
   `P = sign X(x) Z(z)` with bit masks `x`, `z` over the storage index (times `i` where the two
   overlap an odd number of times), phases `exp(i c angle Z(z))`, and a few dense unitaries.
3. **Light cone.** A gate that commutes with everything after it and with all observables is
   dropped; its gradient is exactly zero.
4. **Product start.** Gates that act on one bit before anything entangles it become columns of the
   initial product state.
5. **Stages.** The others go into as few stages as their commutation allows: runs of rotations,
   and runs of phases, each of which costs one multiplication an amplitude.
6. **Heisenberg end.** A last rotation that only a few observables notice is not applied:
   `R* P R = cos(angle) P + sin(angle) i Q P` (Q the rotation's Pauli string), so it becomes
   coefficients of the measured Pauli strings.

Bit `n - 1 - q` of the storage index is qubit `q` at the start (qubit 0 is the most significant).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import assert_never

import numpy as np

from qkeras_hybrid.program import (
    AngleMap,
    Channel,
    Measurement,
    PauliRotation,
    Phase,
    Program,
    Reset,
    Unitary,
)
from qkeras_hybrid.readouts import Expectation, Readout

MAGIC = b"QHN1"
MAX_QUBITS = 32
# A phase on k qubits is a sum over 2**k parities.
MAX_PHASE_QUBITS = 12
_NO_ROW = 0xFFFFFFFF
_CONSTANT, _COSINE, _SINE = 0, 1, 2
_EPSILON = 1e-12


def _parity(mask: int) -> int:
    return mask.bit_count() & 1


@dataclass(frozen=True)
class Pauli:
    """The Hermitian Pauli string `sign * i**parity(x & z) * X(x) Z(z)` over storage bits."""

    x: int
    z: int
    sign: int = 1

    def commutes(self, other: Pauli) -> bool:
        return _parity(self.x & other.z) == _parity(self.z & other.x)


def _product(first: Pauli, second: Pauli, factor: int) -> Pauli:
    """Returns `i**factor * first * second`, which must be Hermitian."""
    power = factor + _parity(first.x & first.z) + _parity(second.x & second.z)
    power += 2 * _parity(first.z & second.x) + (1 - first.sign) + (1 - second.sign)
    x, z = first.x ^ second.x, first.z ^ second.z
    return Pauli(x, z, 1 - (power - _parity(x & z)) % 4)


@dataclass(frozen=True)
class _Rotation:
    pauli: Pauli
    row: int

    def commutes(self, pauli: Pauli) -> bool:
        return self.pauli.commutes(pauli)


@dataclass(frozen=True)
class _PhaseTerm:
    """`exp(i coefficient angle Z(z))`, with the angle 1 where there is no row."""

    z: int
    coefficient: float
    row: int | None

    @property
    def pauli(self) -> Pauli:
        return Pauli(0, self.z)

    def commutes(self, pauli: Pauli) -> bool:
        return not _parity(self.z & pauli.x)


@dataclass(frozen=True, eq=False)
class _Dense:
    """A matrix on qubits whose `X` flips `flips` and whose value `reads` (and `offsets`) gives."""

    flips: tuple[int, ...]
    reads: tuple[int, ...]
    offsets: tuple[int, ...]
    matrix: np.ndarray

    def commutes(self, pauli: Pauli) -> bool:
        return not any(_parity(pauli.z & m) for m in self.flips) and not any(
            _parity(pauli.x & r) for r in self.reads
        )


_Operation = _Rotation | _PhaseTerm | _Dense


def _commute(first: _Operation, second: _Operation) -> bool:
    if not isinstance(second, _Dense):
        return first.commutes(second.pauli)
    if not isinstance(first, _Dense):
        return second.commutes(first.pauli)
    return all(first.commutes(Pauli(m, 0)) for m in second.flips) and all(
        first.commutes(Pauli(0, r)) for r in second.reads
    )


# A row of the angle table: the offset, and (index, coefficient) of inputs and of weights.
_Row = tuple[float, tuple[tuple[int, float], ...], tuple[tuple[int, float], ...]]


class _Frame:
    """Where the qubits' values sit in the storage index; see the module's docstring."""

    def __init__(self, n_qubits: int) -> None:
        self.flips = [1 << (n_qubits - 1 - q) for q in range(n_qubits)]
        self.reads = list(self.flips)
        self.offsets = [0] * n_qubits

    def pauli(self, paulis: str, qubits: Iterable[int]) -> Pauli:
        result = Pauli(0, 0)
        for letter, q in zip(paulis, qubits, strict=True):
            x = Pauli(self.flips[q], 0)
            z = Pauli(0, self.reads[q], 1 - 2 * self.offsets[q])
            one = {"X": x, "Z": z}.get(letter)
            if one is None:
                one = _product(x, z, 1)  # Y = i X Z
            result = _product(result, one, 0)
        return result

    def permute(self, qubits: tuple[int, ...], linear: np.ndarray, constant: np.ndarray) -> None:
        """The qubits' values `b` become `linear b + constant` modulo 2."""
        inverse = np.rint(np.linalg.inv(linear) * np.linalg.det(linear)).astype(int) % 2
        reads = [self.reads[q] for q in qubits]
        flips = [self.flips[q] for q in qubits]
        offsets = [self.offsets[q] for q in qubits]
        for i, q in enumerate(qubits):
            self.reads[q] = self.flips[q] = 0
            self.offsets[q] = int(constant[i])
            for j in range(len(qubits)):
                if linear[i, j]:
                    self.reads[q] ^= reads[j]
                    self.offsets[q] ^= offsets[j]
                if inverse[j, i]:
                    self.flips[q] ^= flips[j]


@dataclass
class Lowered:
    """A Program as the kernels read it; `tobytes` writes it."""

    n_qubits: int
    n_inputs: int
    n_weights: int
    rows: list[_Row]
    chains: list[tuple[int, str, int, int]] = field(default_factory=list)
    stages: list[list[_Operation]] = field(default_factory=list)
    measured: list[Pauli] = field(default_factory=list)
    entries: list[tuple[int, int, float, int, int]] = field(default_factory=list)
    n_observables: int = 0
    frame: _Frame | None = None

    def tobytes(self) -> bytes:
        out = bytearray()

        def put(form: str, *values: float) -> None:
            out.extend(struct.pack("<" + form, *values))

        put("III", self.n_qubits, self.n_inputs, self.n_weights)
        put("I", len(self.rows))
        for offset, inputs, weights in self.rows:
            put("dII", offset, len(inputs), len(weights))
            for index, coefficient in (*inputs, *weights):
                put("Id", index, coefficient)
        put("I", len(self.chains))
        for bit, letter, sign, row in self.chains:
            put("IIiI", bit, "XYZ".index(letter), sign, row)
        put("I", len(self.stages))
        for stage in self.stages:
            put("II", _kind(stage[0]), len(stage))
            for op in stage:
                if isinstance(op, _Rotation):
                    put("QQiI", op.pauli.x, op.pauli.z, op.pauli.sign, op.row)
                elif isinstance(op, _PhaseTerm):
                    put("QdI", op.z, op.coefficient, _NO_ROW if op.row is None else op.row)
                else:
                    put("I", len(op.flips))
                    for flip, read, bit in zip(op.flips, op.reads, op.offsets, strict=True):
                        put("QQI", flip, read, bit)
                    for value in op.matrix.ravel():
                        put("dd", value.real, value.imag)
        put("I", len(self.measured))
        for pauli in self.measured:
            put("QQi", pauli.x, pauli.z, pauli.sign)
        put("II", self.n_observables, len(self.entries))
        for observable, measured, coefficient, function, row in self.entries:
            put("IIdII", observable, measured, coefficient, function, row)
        assert self.frame is not None
        for read, offset in zip(self.frame.reads, self.frame.offsets, strict=True):
            put("QI", read, offset)
        return MAGIC + struct.pack("<II", len(out), zlib.crc32(out)) + bytes(out)


def _kind(op: _Operation) -> int:
    return 0 if isinstance(op, _Rotation) else 1 if isinstance(op, _PhaseTerm) else 2


class _Lowering:
    """Turns instructions into operations over storage bits, in circuit order."""

    def __init__(self, program: Program, angles: AngleMap) -> None:
        self.frame = _Frame(len(program.qubits))
        self.operations: list[_Operation] = []
        self.rows = [(a.offset, tuple(a.inputs), tuple(a.weights)) for a in angles.rows]
        for instruction in program.instructions:
            match instruction:
                case PauliRotation(paulis=paulis, qubits=qubits, angle=row):
                    self.rotation(self.frame.pauli(paulis, qubits), row)
                case Phase(qubits=qubits, angle=row):
                    self.phase(qubits, 1.0, row)
                case Unitary(qubits=qubits):
                    self.unitary(qubits, instruction.array)
                case Channel() | Measurement() | Reset():
                    raise NotImplementedError(f"{type(instruction).__name__} is not declared")
                case _:
                    assert_never(instruction)

    def rotation(self, pauli: Pauli, row: int) -> None:
        if pauli.x:
            self.operations.append(_Rotation(pauli, row))
        else:
            self.operations.append(_PhaseTerm(pauli.z, -0.5 * pauli.sign, row))

    def constant_rotation(self, letter: str, qubit: int, angle: float) -> None:
        if abs(angle) < _EPSILON:
            return
        pauli = self.frame.pauli(letter, (qubit,))
        if pauli.x:
            self.rows.append((angle, (), ()))
            self.operations.append(_Rotation(pauli, len(self.rows) - 1))
        else:
            self.operations.append(_PhaseTerm(pauli.z, -0.5 * pauli.sign * angle, None))

    def phase(self, qubits: tuple[int, ...], scale: float, row: int | None) -> None:
        """`prod_q (1 - Z_q) / 2` written out as a sum over the subsets of `qubits`."""
        terms = [Pauli(0, 0)]
        for q in qubits:
            minus_z = Pauli(0, self.frame.reads[q], 2 * self.frame.offsets[q] - 1)
            terms += [_product(term, minus_z, 0) for term in terms]
        for term in terms:
            coefficient = scale * term.sign / 2 ** len(qubits)
            self.operations.append(_PhaseTerm(term.z, coefficient, row))

    def diagonal(self, qubits: tuple[int, ...], diagonal: np.ndarray) -> None:
        """Phases of a constant diagonal, as the Walsh-Hadamard transform of their arguments."""
        angles = np.angle(diagonal)
        size = len(diagonal)
        for subset in range(size):
            signs = np.array([1 - 2 * _parity(subset & i) for i in range(size)])
            coefficient = float(angles @ signs) / size
            if abs(coefficient) < _EPSILON:
                continue
            z = Pauli(0, 0)
            for position, q in enumerate(qubits):
                if subset >> (len(qubits) - 1 - position) & 1:
                    z = _product(z, self.frame.pauli("Z", (q,)), 0)
            self.operations.append(_PhaseTerm(z.z, coefficient * z.sign, None))

    def unitary(self, qubits: tuple[int, ...], matrix: np.ndarray) -> None:
        if self.monomial(qubits, matrix):
            return
        if len(qubits) == 1:
            self.one_qubit(qubits[0], matrix)
            return
        hadamard = np.array([[1, 1], [1, -1]]) / np.sqrt(2)
        for position, qubit in enumerate(qubits):
            # Controlled X gates and their like: H on the target makes them diagonal.
            left, right = 2**position, 2 ** (len(qubits) - 1 - position)
            turn = np.kron(np.kron(np.eye(left), hadamard), np.eye(right))
            turned = turn @ matrix @ turn
            if _affine(turned, len(qubits)) is not None:
                self.one_qubit(qubit, hadamard)
                self.monomial(qubits, turned)
                self.one_qubit(qubit, hadamard)
                return
        self.operations.append(
            _Dense(
                tuple(self.frame.flips[q] for q in qubits),
                tuple(self.frame.reads[q] for q in qubits),
                tuple(self.frame.offsets[q] for q in qubits),
                matrix,
            )
        )

    def monomial(self, qubits: tuple[int, ...], matrix: np.ndarray) -> bool:
        """Takes a matrix that permutes basis states affinely, up to phases."""
        found = _affine(matrix, len(qubits))
        if found is None:
            return False
        linear, constant, phases = found
        self.diagonal(qubits, phases)
        self.frame.permute(qubits, linear, constant)
        return True

    def one_qubit(self, qubit: int, matrix: np.ndarray) -> None:
        """`U = exp(i a) RZ(b) RY(c) RZ(d)` (Nielsen and Chuang, theorem 4.1)."""
        a = float(np.angle(np.linalg.det(matrix))) / 2
        # In SU(2): entries exp(-i (b + d)/2) cos(c/2) and exp(i (b - d)/2) sin(c/2).
        special = matrix * np.exp(-1j * a)
        c = 2 * float(np.arctan2(abs(special[1, 0]), abs(special[0, 0])))
        half_sum, half_difference = -float(np.angle(special[0, 0])), float(np.angle(special[1, 0]))
        b, d = half_sum + half_difference, half_sum - half_difference
        self.operations.append(_PhaseTerm(0, a, None))
        self.constant_rotation("Z", qubit, d)
        self.constant_rotation("Y", qubit, c)
        self.constant_rotation("Z", qubit, b)


def _affine(matrix: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Returns (linear, constant, phases) if `U|b> = phases[b] |linear b + constant>`."""
    large = np.abs(matrix) > 0.5
    if np.any(large.sum(0) != 1) or np.max(np.abs(matrix[~large]), initial=0.0) > _EPSILON:
        return None
    target = np.argmax(large, axis=0)

    def bits(value: int) -> np.ndarray:
        return np.array([value >> (k - 1 - i) & 1 for i in range(k)])

    constant = bits(int(target[0]))
    linear = np.stack([bits(int(target[1 << (k - 1 - i)])) ^ constant for i in range(k)], axis=1)
    for source in range(2**k):
        if np.any((linear @ bits(source) + constant) % 2 != bits(int(target[source]))):
            return None
    return linear, constant, matrix[target, np.arange(2**k)]


def _light_cone(operations: list[_Operation], measured: list[Pauli]) -> list[_Operation]:
    """Drops what commutes with all later operations that are kept and with all `measured`."""
    kept: list[_Operation] = []
    for op in reversed(operations):
        noticed = any(not op.commutes(pauli) for pauli in measured)
        # The nearest operations are the likeliest to notice, and `kept` ends with them.
        if noticed or any(not _commute(op, later) for later in reversed(kept)):
            kept.append(op)
    return kept[::-1]


def _split_chains(
    operations: list[_Operation], n_qubits: int
) -> tuple[list[tuple[int, str, _Rotation | _PhaseTerm]], list[_Operation]]:
    """Takes the gates on one bit that nothing before has entangled.

    Returns:
        These gates as (bit, axis, gate), and the others.
    """
    seen: list[set[str]] = [set() for _ in range(n_qubits)]
    chains: list[tuple[int, str, _Rotation | _PhaseTerm]] = []
    rest: list[_Operation] = []
    for op in operations:
        if isinstance(op, _Dense):
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


def _schedule(operations: list[_Operation]) -> list[list[_Operation]]:
    """Puts each operation into the earliest stage of its kind that it can be moved back to."""
    stages: list[list[_Operation]] = []
    for op in operations:
        target = None
        for index in range(len(stages) - 1, -1, -1):
            stage = stages[index]
            if _kind(stage[0]) == _kind(op) and not isinstance(op, _Dense):
                target = stage
            if not all(_commute(op, other) for other in reversed(stage)):
                break
        if target is None:
            stages.append([op])
        else:
            target.append(op)
    return [_merge_phases(stage) if _kind(stage[0]) == 1 else stage for stage in stages]


def _merge_phases(stage: list[_Operation]) -> list[_Operation]:
    merged: dict[tuple[int, int | None], float] = {}
    for op in stage:
        assert isinstance(op, _PhaseTerm)
        key = (op.z, op.row)
        merged[key] = merged.get(key, 0.0) + op.coefficient
    return [_PhaseTerm(z, coefficient, row) for (z, row), coefficient in merged.items()]


def _absorb(
    stages: list[list[_Operation]], terms: list[tuple[int, Pauli, float]]
) -> list[tuple[int, Pauli, float, int, int]]:
    """Moves last rotations into the observables; `stages` loses what it takes.

    Args:
        stages: The stages.
        terms: The observables' terms: (observable, Pauli string, coefficient).

    Returns:
        The terms with a factor each: (observable, Pauli string, coefficient, function, row).
    """
    result = [(o, p, c, _CONSTANT, 0) for o, p, c in terms]
    if not stages or _kind(stages[-1][0]) != 0:
        return result
    kept: list[_Operation] = []
    for op in reversed(stages[-1]):
        assert isinstance(op, _Rotation)
        noticing = [i for i, term in enumerate(result) if not op.commutes(term[1])]
        strings = {(result[i][1].x, result[i][1].z) for i in noticing}
        # One more Pauli string to measure costs less than the rotation; many would cost more.
        if (
            len(strings) > 1
            or any(result[i][3] != _CONSTANT for i in noticing)
            or not all(_commute(op, later) for later in kept)
        ):
            kept.append(op)
            continue
        for i in noticing:
            observable, pauli, coefficient, _, _ = result[i]
            result[i] = (observable, pauli, coefficient, _COSINE, op.row)
            turned = _product(op.pauli, pauli, 1)
            result.append((observable, turned, coefficient, _SINE, op.row))
    if kept:
        stages[-1][:] = kept[::-1]
    else:
        stages.pop()
    return result


def lower(program: Program, angles: AngleMap, readout: Readout) -> bytes:
    """Returns the bytes that the kernels run.

    Args:
        program: A program of unitary instructions.
        angles: A map whose rows are all affine.
        readout: What is read. Of expectation values, only what their observables notice is kept;
            for others every gate, and the order of the basis states.
    """
    lowering = _Lowering(program, angles)
    operations = lowering.operations
    lowered = Lowered(program.n_qubits, len(angles.inputs), len(angles.weights), lowering.rows)
    lowered.frame = lowering.frame
    terms = []
    whole_state = not isinstance(readout, Expectation)
    if isinstance(readout, Expectation):
        lowered.n_observables = len(readout.observables)
        for index, observable in enumerate(readout.observables):
            for term in observable.terms:
                pauli = lowering.frame.pauli(term.paulis, term.qubits)
                positive = Pauli(pauli.x, pauli.z)
                terms.append((index, positive, term.coefficient * pauli.sign))
        operations = _light_cone(operations, list({t[1] for t in terms}))
    chains, rest = _split_chains(operations, len(program.qubits))
    for bit, axis, op in chains:
        if isinstance(op, _Rotation):
            lowered.chains.append((bit, axis, op.pauli.sign, op.row))
        else:
            lowered.chains.append((bit, axis, *_as_rotation(lowered.rows, op)))
    lowered.stages = _schedule(rest)
    weighted = [] if whole_state else _absorb(lowered.stages, terms)
    places: dict[tuple[int, int], int] = {}
    for number, pauli, coefficient, function, row in weighted:
        place = places.setdefault((pauli.x, pauli.z), len(places))
        lowered.entries.append((number, place, coefficient * pauli.sign, function, row))
    lowered.measured = [Pauli(x, z) for x, z in places]
    return lowered.tobytes()


def _as_rotation(rows: list[_Row], op: _PhaseTerm) -> tuple[int, int]:
    """Returns the sign and the row with which `exp(i c angle Z)` is a rotation by `-2 c angle`.

    Appends a row where neither the phase's own angle nor its negative is the rotation's.
    """
    factor = -2 * op.coefficient
    if op.row is None:
        rows.append((factor, (), ()))
        return 1, len(rows) - 1
    if abs(abs(factor) - 1) < _EPSILON:
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


def refusal(program: Program) -> str | None:
    """Returns why the kernels can't run `program`, or None if they can."""
    if len(program.qubits) > MAX_QUBITS:
        return f"it has {len(program.qubits)} qubits and the native engine takes {MAX_QUBITS}"
    for instruction in program.instructions:
        if isinstance(instruction, Phase) and len(instruction.qubits) > MAX_PHASE_QUBITS:
            return (
                f"a phase acts on {len(instruction.qubits)} qubits and the native engine takes "
                f"{MAX_PHASE_QUBITS}"
            )
        if isinstance(instruction, Unitary) and len(instruction.qubits) > 3:
            return "a fixed unitary acts on more than 3 qubits"
    return None
