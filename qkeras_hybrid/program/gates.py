"""Translates Cirq's operations into instructions: rotations, phases and unitaries."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qkeras_hybrid import _expressions
from qkeras_hybrid._lazy import cirq, lazy_module, sympy
from qkeras_hybrid.program.angles import Angle
from qkeras_hybrid.program.program import (
    Channel,
    Instruction,
    Matrix,
    Measurement,
    PauliRotation,
    Phase,
    Reset,
    Unitary,
)
from qkeras_hybrid.program.unrolling import controlled_parts, is_controlled, unrolled

if TYPE_CHECKING:
    import scipy.linalg
else:
    scipy = lazy_module("scipy")

# Z = V† P V for these V: the changes of basis that make X and Y diagonal.
_TO_Z: dict[str, np.ndarray] = {
    "X": np.array([[1, 1], [1, -1]]) / math.sqrt(2),
    "Y": np.array([[1, -1j], [1, 1j]]) / math.sqrt(2),
}
_CX = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]], complex)
_H = _TO_Z["X"].astype(complex)
_X = np.array([[0, 1], [1, 0]], complex)


class Compiler:
    """Writes operations as instructions.

    `controls` are indices of qubits that must all be 1 for an instruction to act.
    """

    def __init__(
        self,
        qubits: tuple[cirq.Qid, ...],
        inputs: tuple[sympy.Symbol, ...],
        weights: tuple[sympy.Symbol, ...],
    ) -> None:
        self.index = {qubit: i for i, qubit in enumerate(qubits)}
        # By name: Cirq treats symbols that differ only in their assumptions as one parameter.
        self.inputs = {symbol.name: i for i, symbol in enumerate(inputs)}
        self.weights = {symbol.name: j for j, symbol in enumerate(weights)}
        self.instructions: list[Instruction] = []
        self.angles: list[Angle] = []
        # Constant global phases are added up into one instruction at the end.
        self.global_phase = 0.0

    def finished(self) -> tuple[Instruction, ...]:
        if abs(math.remainder(self.global_phase, 2 * math.pi)) > 1e-15:
            self.instructions.append(Phase((), self._row(self.global_phase)))
        return tuple(self.instructions)

    def add(self, operation: cirq.Operation, controls: tuple[int, ...] = ()) -> None:
        qubits = tuple(self.index[qubit] for qubit in operation.qubits)
        gate: Any = operation.gate
        if self._add_irreversible(operation, qubits, controls):
            return
        reason = _refusal(operation, bool(controls))
        if reason is not None:
            raise ValueError(
                f"The operation {operation} ({type(gate or operation).__name__}) can't be "
                f"compiled: {reason}"
            )
        if is_controlled(operation):
            self._add_controlled(operation, controls)
        elif isinstance(gate, cirq.PauliStringPhasorGate):
            self._add_phasor(gate, qubits, controls)
        elif isinstance(gate, cirq.IdentityGate):
            pass
        elif isinstance(gate, cirq.GlobalPhaseGate) and cirq.is_parameterized(gate):
            self._phase((), _expressions.phase_angle(gate.coefficient), controls)
        elif isinstance(gate, cirq.EigenGate) and cirq.is_parameterized(gate):
            self._add_power(gate, qubits, controls, operation)
        elif not cirq.is_parameterized(operation) and len(qubits) <= 3:
            self._add_fixed(operation, qubits, controls)
        else:
            self._add_parts(operation, controls)

    def _add_irreversible(
        self, operation: cirq.Operation, qubits: tuple[int, ...], controls: tuple[int, ...]
    ) -> bool:
        """Adds a measurement, a reset or a channel; returns whether the operation is one."""
        gate: Any = operation.gate
        if controls or isinstance(operation, cirq.ClassicallyControlledOperation):
            return False
        if isinstance(gate, cirq.MeasurementGate) and not gate.confusion_map:
            key = cirq.measurement_key_name(operation)
            self.instructions.append(Measurement(qubits, key, tuple(gate.full_invert_mask())))
        elif isinstance(gate, cirq.ResetChannel):
            self.instructions.append(Reset((qubits[0],)))
        elif isinstance(gate, cirq.PauliMeasurementGate):
            self._add_parts(operation, controls)
        elif (
            not cirq.is_parameterized(operation)
            and not cirq.has_unitary(operation)
            and not cirq.is_measurement(operation)
            and cirq.has_kraus(operation)
        ):
            given = cirq.kraus(operation, None)
            if given is None:
                # Its parts have Kraus operators, such as those of a `ParallelGate`.
                if _decomposed(operation) is None:
                    return False
                self._add_parts(operation, controls)
                return True
            kraus = [np.asarray(matrix, complex) for matrix in given]
            if not all(np.isfinite(matrix).all() for matrix in kraus):
                raise ValueError(f"The operation {operation} must have finite parameters.")
            total = sum(matrix.conj().T @ matrix for matrix in kraus)
            if not np.allclose(total, np.eye(len(kraus[0])), atol=1e-6):
                raise ValueError(
                    f"The operation {operation} must preserve the trace: the sum of K† K over its "
                    "Kraus operators must be the identity."
                )
            self.instructions.append(Channel(qubits, tuple(map(_rows, kraus))))
        else:
            return False
        return True

    def _add_parts(self, operation: cirq.Operation, controls: tuple[int, ...]) -> None:
        gate: Any = operation.gate
        parts = _decomposed(operation)
        if parts is not None:
            for part in parts:
                for operation in unrolled(part):
                    self.add(operation, controls)
        elif isinstance(gate, cirq.EigenGate) and len(operation.qubits) <= 3:
            # exp(i pi exponent (E + shift)) with E the sum of the projectors, each times its half
            # turns.
            turns, basis = np.linalg.eigh(sum(h * p for h, p in gate._eigen_components()))
            angles = [_times_pi(gate.exponent * (h + gate.global_shift)) for h in turns.tolist()]
            qubits = tuple(self.index[qubit] for qubit in operation.qubits)
            self._diagonalised(basis, angles, qubits, controls)
        else:
            raise ValueError(
                f"The operation {operation} can't be compiled: it has parameters "
                f"{sorted(cirq.parameter_names(operation))} and neither a decomposition nor a "
                "known form. Give its gate a `_decompose_` into Cirq's gates."
            )

    def _add_controlled(self, operation: Any, controls: tuple[int, ...]) -> None:
        own, values, inner = controlled_parts(operation)
        indices = tuple(self.index[qubit] for qubit in own)
        # The assignments of control values exclude each other, so the operation acts for any of
        # them if it acts for each in turn. A control on 0 is a control on 1 between two X.
        for assignment in values.expand():
            flipped = [i for i, value in zip(indices, assignment, strict=True) if value == 0]
            for i in flipped:
                self._unitary(_X, (i,))
            self.add(inner.untagged, controls + indices)
            for i in flipped:
                self._unitary(_X, (i,))

    def _add_phasor(
        self, gate: cirq.PauliStringPhasorGate, qubits: tuple[int, ...], controls: tuple[int, ...]
    ) -> None:
        # By the definition, not by Cirq 1.5's decomposition, which treats each identity as a Z.
        letters = ("IXYZ"[k] for k in gate.dense_pauli_string.pauli_mask)
        pairs = sorted(pair for pair in zip(qubits, letters, strict=True) if pair[1] != "I")
        negative, positive = gate.exponent_neg, gate.exponent_pos
        if not pairs:
            # The identity has only the eigenvalue 1.
            self._phase((), _times_pi(positive), controls)
            return
        paulis = "".join(letter for _, letter in pairs)
        on = tuple(i for i, _ in pairs)
        self._rotation(paulis, on, _times_pi(negative - positive), controls)
        self._phase((), _times_pi((negative + positive) / 2), controls)

    def _add_power(
        self,
        gate: Any,
        qubits: tuple[int, ...],
        controls: tuple[int, ...],
        operation: cirq.Operation,
    ) -> None:
        """Adds a power of a gate: `exp(i pi exponent global_shift)` times the bare power."""
        exponent, shift = gate.exponent, gate.global_shift
        family = _family(gate)
        paulis = _pauli_powers().get(family) if family else None
        if paulis:
            # P**e = exp(i pi e/2) exp(-i pi e/2 P)
            self._rotation(paulis, qubits, _times_pi(exponent), controls)
            shift += 0.5
        elif family is cirq.CZPowGate or family is cirq.CCZPowGate:
            self._phase(qubits, _times_pi(exponent), controls)
        elif family is cirq.CXPowGate or family is cirq.CCXPowGate:
            self._unitary(_H, qubits[-1:])
            self._phase(qubits, _times_pi(exponent), controls)
            self._unitary(_H, qubits[-1:])
        elif family is cirq.HPowGate:
            # H = V Z V† with V a rotation by pi/4 about Y.
            basis = cirq.unitary(cirq.ry(math.pi / 4))
            self._unitary(basis.conj().T, qubits)
            self._phase(qubits, _times_pi(exponent), controls)
            self._unitary(basis, qubits)
        elif family is cirq.SwapPowGate:
            # In the basis after a CX, a swap is a CX with control and target exchanged.
            self._unitary(_CX, qubits)
            self._unitary(_H, qubits[:1])
            self._phase(qubits, _times_pi(exponent), controls)
            self._unitary(_H, qubits[:1])
            self._unitary(_CX, qubits)
        elif family is cirq.ISwapPowGate:
            # ISWAP**t = exp(i pi t/4 (XX + YY)), and XX commutes with YY.
            for pauli in "XY":
                self._rotation(pauli * 2, qubits, -_times_pi(exponent) / 2, controls)
        else:
            self._add_parts(operation, controls)
            return
        if shift:
            self._phase((), _times_pi(exponent * shift), controls)

    def _add_fixed(
        self, operation: cirq.Operation, qubits: tuple[int, ...], controls: tuple[int, ...]
    ) -> None:
        matrix = cirq.unitary(operation, None)
        if matrix is None:
            raise ValueError(f"The operation {operation} can't be compiled: it has no unitary.")
        if not np.isfinite(matrix).all():
            raise ValueError(f"The operation {operation} must have finite parameters.")
        if qubits:
            self._unitary(matrix, qubits, controls)
        else:
            self._phase((), float(np.angle(matrix[0, 0])), controls)

    def _rotation(
        self, paulis: str, qubits: tuple[int, ...], angle: Any, controls: tuple[int, ...]
    ) -> None:
        if not controls:
            self.instructions.append(PauliRotation(paulis, qubits, self._row(angle)))
            return
        # In a basis where P is Z on the last qubit, a controlled rz(a) is a controlled phase a
        # of the last qubit and a phase -a/2 of the controls.
        change: list[tuple[np.ndarray, tuple[int, ...]]] = [
            (_TO_Z[pauli], (i,)) for pauli, i in zip(paulis, qubits, strict=True) if pauli != "Z"
        ] + [(_CX, (i, qubits[-1])) for i in qubits[:-1]]
        for matrix, on in change:
            self._unitary(matrix, on)
        self._phase(qubits[-1:], angle, controls)
        self._phase((), -angle / 2, controls)
        for matrix, on in reversed(change):
            self._unitary(matrix.conj().T, on)

    def _phase(self, qubits: tuple[int, ...], angle: Any, controls: tuple[int, ...] = ()) -> None:
        qubits = controls + qubits
        if not _expressions.free_symbols(angle):
            value = float(angle)
            if not qubits:
                self.global_phase += value
            if not qubits or value == 0.0:
                return
            if len(qubits) <= 3:
                diagonal = np.ones(2 ** len(qubits), complex)
                diagonal[-1] = np.exp(1j * value)
                self._unitary(np.diag(diagonal), qubits)
                return
        self.instructions.append(Phase(qubits, self._row(angle)))

    def _unitary(
        self, matrix: np.ndarray, qubits: tuple[int, ...], controls: tuple[int, ...] = ()
    ) -> None:
        if len(controls) + len(qubits) <= 3:
            whole = np.eye(2 ** (len(controls) + len(qubits)), dtype=complex)
            whole[-len(matrix) :, -len(matrix) :] = matrix
            self.instructions.append(Unitary(controls + qubits, _rows(whole)))
            return
        schur, basis = scipy.linalg.schur(matrix, output="complex")
        self._diagonalised(basis, np.angle(np.diag(schur)).tolist(), qubits, controls)

    def _diagonalised(
        self,
        basis: np.ndarray,
        angles: Sequence[Any],
        qubits: tuple[int, ...],
        controls: tuple[int, ...],
    ) -> None:
        """Adds `V D V†`, with `D` diagonal of these angles.

        `V` needs no control, and `D` is a product of phases, one for each subset of the qubits
        (the Möbius transform of its angles).
        """
        self._unitary(basis.conj().T, qubits)
        for bits in range(len(angles)):
            subset = tuple(q for k, q in enumerate(qubits) if bits >> (len(qubits) - 1 - k) & 1)
            total = sum(
                (-1) ** ((bits ^ part).bit_count()) * angles[part]
                for part in range(len(angles))
                if part & bits == part
            )
            self._phase(subset, total, controls)
        self._unitary(basis, qubits)

    def _row(self, angle: Any) -> int:
        """Adds a row to the angle table and returns its number."""
        for symbol in getattr(angle, "free_symbols", ()):
            if symbol.name not in self.inputs and symbol.name not in self.weights:
                raise ValueError(
                    f"The circuit parameter `{angle}` holds the symbol {symbol}, which its gate "
                    "does not name. Give the gate `_is_parameterized_` and `_parameter_names_`."
                )
        found = _expressions.affine(angle)
        if found is None:
            _expressions.check_evaluable(angle)
            plain = {symbol: sympy.Symbol(symbol.name) for symbol in angle.free_symbols}
            row = Angle(expression=angle.xreplace(plain))
        else:
            offset, coefficients = found
            row = Angle(
                offset,
                _terms(coefficients, self.inputs),
                _terms(coefficients, self.weights),
            )
        self.angles.append(row)
        return len(self.angles) - 1


def _rows(matrix: np.ndarray) -> Matrix:
    return tuple(tuple(complex(c) for c in row) for row in matrix)


def _terms(
    coefficients: dict[sympy.Symbol, float], index: dict[str, int]
) -> tuple[tuple[int, float], ...]:
    return tuple((index[s.name], c) for s, c in coefficients.items() if s.name in index)


def _decomposed(operation: cirq.Operation) -> list[cirq.Operation] | None:
    """Returns smaller operations, from an operation's own decomposition or else its matrix."""
    with warnings.catch_warnings():
        # Cirq 1.5's own decompositions rely on a default of Cirq's that will change.
        warnings.simplefilter("ignore", FutureWarning)
        if operation.gate is None:
            parts = cirq.decompose_once(operation, default=None)
            return None if parts is None else list(cirq.flatten_to_ops(parts))
        # On line qubits in order: on others, Cirq 1.5 gives a wrong unitary for the Shannon
        # decomposition and for ThreeQubitDiagonalGate.
        line = cirq.LineQubit.range(len(operation.qubits))
        parts = cirq.decompose_once(operation.gate.on(*line), default=None)
        if parts is None and cirq.has_unitary(operation):
            parts = cirq.quantum_shannon_decomposition(line, cirq.unitary(operation))
        if parts is None:
            return None
        back: dict[cirq.Qid, cirq.Qid] = dict(zip(line, operation.qubits, strict=True))
        return [part.transform_qubits(back) for part in cirq.flatten_to_ops(parts)]


@functools.cache
def _pauli_powers() -> dict[type, str]:
    return {
        cirq.XPowGate: "X",
        cirq.YPowGate: "Y",
        cirq.ZPowGate: "Z",
        cirq.XXPowGate: "XX",
        cirq.YYPowGate: "YY",
        cirq.ZZPowGate: "ZZ",
    }


def _family(gate: Any) -> type | None:
    """Returns which of Cirq's power gates a gate is an instance of, if any."""
    for family in (
        *_pauli_powers(),
        cirq.CZPowGate,
        cirq.CXPowGate,
        cirq.HPowGate,
        cirq.SwapPowGate,
        cirq.ISwapPowGate,
        cirq.CCZPowGate,
        cirq.CCXPowGate,
    ):
        if isinstance(gate, family):
            return family
    return None


def _refusal(operation: cirq.Operation, controlled: bool) -> str | None:
    """Returns why an operation can't be written as unitaries, or None if it can."""
    gate: Any = operation.gate
    if isinstance(operation, cirq.ClassicallyControlledOperation):
        return "it is controlled by measured bits, and a program keeps none. Remove the control."
    if not cirq.is_measurement(operation) and (
        cirq.is_parameterized(operation) or cirq.has_unitary(operation)
    ):
        return None
    if controlled:
        return "it is controlled, and has no unitary. Control unitary operations only."
    if isinstance(gate, cirq.MeasurementGate):
        return (
            "its `confusion_map` changes the measured bits, and a program keeps none. Leave the "
            "map out; `observables` says what to read."
        )
    if isinstance(gate, (cirq.KrausChannel, cirq.MixedUnitaryChannel)):
        return (
            "it records under its `key` which of its operators acted, and a program keeps no "
            "records. Leave out the `key`: without it, the channel is the same."
        )
    if cirq.is_measurement(operation):
        return "it is a measurement of an unknown kind. Use cirq.measure."
    return (
        "it has neither a unitary nor Kraus operators. Give its gate a `_unitary_`, a `_kraus_` or "
        "a `_decompose_`."
    )


def _times_pi(value: Any) -> Any:
    return sympy.pi * value if isinstance(value, sympy.Basic) else math.pi * value
