"""Turns a Program into the byte string that the C++ kernels run.

Everything that depends on the circuit alone happens here, once for each Program:

1. **Index frame.** Gates that only permute basis states (`X`, `CNOT`, `SWAP`, ...) move no
   amplitude. They change which bits of the storage index a qubit's value is the parity of: qubit
   `q` has the value `parity(reads[q] & index) ^ offsets[q]`, and `X` on it flips `flips[q]`.
2. **Pauli form.** The rest are rotations `exp(-i angle/2 P)` about Pauli strings
   `P = sign X(x) Z(z)` with bit masks `x`, `z` over the storage index (times `i` where the two
   overlap an odd number of times), phases `exp(i c angle Z(z))`, and a few dense unitaries.
3. **Light cone.** A gate that commutes with everything after it and with all observables is
   dropped; its gradient is exactly zero.
4. **Product start.** Gates that act on one bit before anything entangles it become columns of the
   initial product state.
5. **Stages.** The others go into as few stages as their commutation allows: runs of rotations,
   and runs of phases, each of which costs one multiplication per amplitude.
6. **Heisenberg end.** A last rotation that affects only a few observables is not applied:
   `R* P R = cos(angle) P + sin(angle) i Q P` (Q the rotation's Pauli string), so it becomes
   coefficients of the measured Pauli strings.

Steps 1 and 2 are here, the others in `stages.py`; `serialized.py` writes the bytes.

Bit `n - 1 - q` of the storage index is qubit `q` at the start (qubit 0 is the most significant).
"""

from __future__ import annotations

from typing import assert_never

import numpy as np

from qkeras_hybrid.engines.native.paulis import (
    EPSILON,
    Dense,
    Frame,
    Operation,
    Pauli,
    PhaseTerm,
    Rotation,
    parity,
    product,
)
from qkeras_hybrid.engines.native.serialized import Lowered
from qkeras_hybrid.engines.native.stages import (
    absorb,
    as_rotation,
    light_cone,
    schedule,
    split_chains,
)
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

MAX_QUBITS = 32
# A phase on k qubits is a sum over 2**k parities.
MAX_PHASE_QUBITS = 12


class _Lowering:
    """Turns instructions into operations over storage bits, in circuit order."""

    def __init__(self, program: Program, angles: AngleMap) -> None:
        self.frame = Frame(len(program.qubits))
        self.operations: list[Operation] = []
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
            self.operations.append(Rotation(pauli, row))
        else:
            self.operations.append(PhaseTerm(pauli.z, -0.5 * pauli.sign, row))

    def constant_rotation(self, letter: str, qubit: int, angle: float) -> None:
        if abs(angle) < EPSILON:
            return
        pauli = self.frame.pauli(letter, (qubit,))
        if pauli.x:
            self.rows.append((angle, (), ()))
            self.operations.append(Rotation(pauli, len(self.rows) - 1))
        else:
            self.operations.append(PhaseTerm(pauli.z, -0.5 * pauli.sign * angle, None))

    def phase(self, qubits: tuple[int, ...], scale: float, row: int | None) -> None:
        """`prod_q (1 - Z_q) / 2` written out as a sum over the subsets of `qubits`."""
        terms = [Pauli(0, 0)]
        for q in qubits:
            minus_z = Pauli(0, self.frame.reads[q], 2 * self.frame.offsets[q] - 1)
            terms += [product(term, minus_z, 0) for term in terms]
        for term in terms:
            coefficient = scale * term.sign / 2 ** len(qubits)
            self.operations.append(PhaseTerm(term.z, coefficient, row))

    def diagonal(self, qubits: tuple[int, ...], diagonal: np.ndarray) -> None:
        """Phases of a constant diagonal, as the Walsh-Hadamard transform of their arguments."""
        angles = np.angle(diagonal)
        size = len(diagonal)
        for subset in range(size):
            signs = np.array([1 - 2 * parity(subset & i) for i in range(size)])
            coefficient = float(angles @ signs) / size
            if abs(coefficient) < EPSILON:
                continue
            z = Pauli(0, 0)
            for position, q in enumerate(qubits):
                if subset >> (len(qubits) - 1 - position) & 1:
                    z = product(z, self.frame.pauli("Z", (q,)), 0)
            self.operations.append(PhaseTerm(z.z, coefficient * z.sign, None))

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
            Dense(
                tuple(self.frame.flips[q] for q in qubits),
                tuple(self.frame.reads[q] for q in qubits),
                tuple(self.frame.offsets[q] for q in qubits),
                matrix,
            )
        )

    def monomial(self, qubits: tuple[int, ...], matrix: np.ndarray) -> bool:
        """Handles a matrix that permutes basis states affinely, up to phases."""
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
        self.operations.append(PhaseTerm(0, a, None))
        self.constant_rotation("Z", qubit, d)
        self.constant_rotation("Y", qubit, c)
        self.constant_rotation("Z", qubit, b)


def _affine(matrix: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Returns (linear, constant, phases) if `U|b> = phases[b] |linear b + constant>`."""
    large = np.abs(matrix) > 0.5
    if np.any(large.sum(0) != 1) or np.max(np.abs(matrix[~large]), initial=0.0) > EPSILON:
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


def lower(program: Program, angles: AngleMap, readout: Readout) -> bytes:
    """Returns the bytes that the kernels run.

    Args:
        program: A program of unitary instructions.
        angles: A map whose rows are all affine.
        readout: The readout. For expectation values, only gates that affect their observables are
            kept; for other readouts, every gate and the order of the basis states.
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
        operations = light_cone(operations, list({t[1] for t in terms}))
    chains, rest = split_chains(operations, len(program.qubits))
    for bit, axis, op in chains:
        if isinstance(op, Rotation):
            lowered.chains.append((bit, axis, op.pauli.sign, op.row))
        else:
            lowered.chains.append((bit, axis, *as_rotation(lowered.rows, op)))
    lowered.stages = schedule(rest)
    weighted = [] if whole_state else absorb(lowered.stages, terms)
    places: dict[tuple[int, int], int] = {}
    for number, pauli, coefficient, function, row in weighted:
        place = places.setdefault((pauli.x, pauli.z), len(places))
        lowered.entries.append((number, place, coefficient * pauli.sign, function, row))
    lowered.measured = [Pauli(x, z) for x, z in places]
    return lowered.tobytes()


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
