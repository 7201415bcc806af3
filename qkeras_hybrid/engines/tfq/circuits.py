"""Programs written as circuits of the gates that TFQ's serializer takes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, assert_never

import numpy as np

from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.program import (
    AngleMap,
    Channel,
    Instruction,
    Job,
    Measurement,
    PauliRotation,
    Phase,
    Reset,
    Source,
    Unitary,
    compile_circuit,
    sources,
)


class Writer:
    """Writes a program as operations that TFQ's serializer takes.

    Attributes:
        circuit: The circuit.
        rows: Symbols of rows of the angle table, in half turns, and the rows.
        parameters: Symbols of the gates' own parameters, and these.
        constants: Symbols of constants, and their values.
        phase: A constant global phase that the circuit leaves out, in radians.
        phase_rows: The rows of the angle table that are global phases.
    """

    def __init__(self, job: Job, qubits: Sequence[cirq.Qid], gradient: str) -> None:
        self.angles = job.angles
        self.own = job.program.qubits
        self.qubits = qubits
        self.place = dict(zip(self.own, qubits, strict=True))
        self.rows: dict[str, int] = {}
        self.parameters: dict[str, sympy.Expr] = {}
        self.constants: dict[str, float] = {}
        self.phase = 0.0
        self.phase_rows: list[int] = []
        # An identity on each qubit: TFQ's circuits have only the qubits that gates act on.
        self.circuit = cirq.Circuit(cirq.I(qubit) for qubit in self.qubits)
        done = 0
        for source in sources(job):
            if self._may_be_as_it_is(source, gradient) and self._as_it_is(source.operation):
                self.phase -= source.global_phase
            else:
                self._instructions(source.instructions)
            done += len(source.instructions)
        self._instructions(job.program.instructions[done:])

    def _may_be_as_it_is(self, source: Source, gradient: str) -> bool:
        if not cirq.is_parameterized(source.operation):
            return True
        if not source.unchanged:
            return False
        # TFQ's shift rule has two terms, which is right only for the instructions. A single
        # instruction is the gate itself.
        acting = [i for i in source.instructions if i.qubits]
        single = len(acting) == 1 and not isinstance(acting[0], Unitary)
        return gradient != "parameter_shift" and not single

    def map_of(self, rows: Sequence[int]) -> AngleMap:
        """Returns the map to some of the program's angles."""
        return AngleMap(
            self.angles.inputs, self.angles.weights, tuple(self.angles.rows[row] for row in rows)
        )

    def table(self) -> AngleMap:
        """Returns the map to the values of rows and parameters, times pi."""
        found = self.map_of(list(self.rows.values()))
        if not self.parameters:
            return found
        turns = [
            cirq.XPowGate(exponent=value, global_shift=-0.5)(self.own[0])
            for value in self.parameters.values()
        ]
        more = compile_circuit(cirq.Circuit(turns), inputs=found.inputs, weights=found.weights)
        return AngleMap(found.inputs, found.weights, found.rows + more.angles.rows)

    def _parameter(self, value: Any) -> Any:
        """Returns a gate's parameter as TFQ takes it without changing its value."""
        if cirq.is_parameterized(value):
            return _named(self.parameters, "p", value)
        # TFQ rounds numbers to six digits after the point, but not the values of symbols.
        number = float(value)
        return number if number == round(number, 6) else _named(self.constants, "c", number)

    def _as_it_is(self, operation: cirq.Operation) -> bool:
        """Adds an operation if it is one of TFQ's gates, controlled or not; returns if it is."""
        found = _without_controls(operation)
        kind = None if found is None else _kind(found[2].gate)
        if found is None or kind is None:
            return False
        controls, values, bare = found
        gate: Any = bare.gate
        if kind == "PhasedISwapPowGate" and cirq.is_parameterized(gate.phase_exponent):
            # Its angle turns twice as fast as others, which would change TFQ's differences.
            return False
        arguments = {name: self._parameter(getattr(gate, name)) for name in _PARAMETERS[kind]}
        if kind not in ("FSimGate", "PhasedISwapPowGate"):
            arguments["global_shift"] = gate.global_shift
        made = getattr(cirq, kind)(**arguments).on(*(self.place[qubit] for qubit in bare.qubits))
        if controls:
            # Not `controlled_by`: that would make a CCZ, which TFQ does not take.
            on = [self.place[qubit] for qubit in controls]
            made = cirq.ControlledOperation(on, made, control_values=values)
        self.circuit.append(made)
        return True

    def _instructions(self, instructions: Sequence[Instruction]) -> None:
        for instruction in instructions:
            on = [self.qubits[i] for i in instruction.qubits]
            match instruction:
                case PauliRotation(paulis=paulis, angle=row):
                    self._rotation(paulis, on, _named(self.rows, "a", row))
                case Phase(angle=row) if not on:
                    self.phase_rows.append(row)
                case Phase(angle=row):
                    self._controlled_z(on, _named(self.rows, "a", row))
                case Unitary():
                    self._fixed(instruction.array, on)
                case Channel() | Measurement() | Reset():
                    raise NotImplementedError(f"{type(instruction).__name__} is not declared")
                case _:
                    assert_never(instruction)

    def _rotation(self, paulis: str, on: list[cirq.Qid], exponent: Any) -> None:
        gates = {
            "X": cirq.XPowGate,
            "Y": cirq.YPowGate,
            "Z": cirq.ZPowGate,
            "XX": cirq.XXPowGate,
            "YY": cirq.YYPowGate,
            "ZZ": cirq.ZZPowGate,
        }
        if paulis in gates:
            self.circuit.append(gates[paulis](exponent=exponent, global_shift=-0.5)(*on))
            return
        # In the basis where each Pauli is Z, the parity is gathered on the last qubit.
        change: list[cirq.Operation] = []
        for pauli, qubit in zip(paulis, on, strict=True):
            if pauli == "Y":
                change.append((cirq.X**0.5)(qubit))
            elif pauli == "X":
                change.append((cirq.Y**-0.5)(qubit))
        change += [cirq.CNOT(qubit, on[-1]) for qubit in on[:-1]]
        self.circuit.append(change)
        self._rotation("Z", on[-1:], exponent)
        self.circuit.append(cirq.inverse(change))

    def _controlled_z(self, on: list[cirq.Qid], exponent: Any) -> None:
        if len(on) == 1:
            self.circuit.append(cirq.ZPowGate(exponent=exponent)(*on))
            return
        operation = cirq.CZPowGate(exponent=exponent)(*on[-2:])
        if len(on) > 2:
            # Not `controlled_by`: that would make a CCZ, which TFQ does not take.
            operation = cirq.ControlledOperation(on[:-2], operation)
        self.circuit.append(operation)

    def _fixed(self, matrix: np.ndarray, on: list[cirq.Qid]) -> None:
        for gate, known in _known_gates(len(on)):
            overlap = np.trace(known.conj().T @ matrix) / len(matrix)
            if abs(overlap) > 1 - 1e-13:
                self.circuit.append(gate(*on))
                self.phase += float(np.angle(overlap))
                return
        if len(on) == 1:
            self._one_qubit(matrix, on[0])
            return
        if len(on) == 2:
            found = cirq.two_qubit_matrix_to_cz_operations(
                on[0], on[1], matrix, allow_partial_czs=False, clean_operations=False
            )
        else:
            with warnings.catch_warnings():
                # Cirq's own use of a default of Cirq's that will change.
                warnings.filterwarnings("ignore", message=".*use_repetition_ids")
                found = cirq.three_qubit_matrix_to_operations(on[0], on[1], on[2], matrix)
        parts = list(cirq.flatten_to_ops(found))
        product = cirq.Circuit(parts).unitary(qubit_order=on, qubits_that_should_be_present=on)
        self.phase += float(np.angle(np.trace(product.conj().T @ matrix)))
        back: dict[cirq.Qid, cirq.Qid] = {qubit: qubit for qubit in on}
        for part in parts:
            self._fixed(cirq.unitary(part), [back[qubit] for qubit in part.qubits])

    def _one_qubit(self, matrix: np.ndarray, qubit: cirq.Qid) -> None:
        """Adds `rz ry rz` with Euler angles kept as constant symbols, at full precision."""
        # U = e^{ip} Rz(a) Ry(b) Rz(c): the moduli give b, the phases of the entries a + c, a - c.
        half = math.atan2(abs(matrix[1, 0]), abs(matrix[0, 0]))
        det = np.angle(np.linalg.det(matrix)) / 2
        special = matrix * np.exp(-1j * det)
        plus = np.angle(special[1, 1]) if abs(special[1, 1]) > 1e-12 else 0.0
        minus = np.angle(special[1, 0]) if abs(special[1, 0]) > 1e-12 else 0.0
        self.phase += float(det)
        for gate, angle in (
            (cirq.ZPowGate, plus - minus),
            (cirq.YPowGate, 2 * half),
            (cirq.ZPowGate, plus + minus),
        ):
            exponent = angle / math.pi
            if exponent:
                self.circuit.append(
                    gate(exponent=self._parameter(exponent), global_shift=-0.5)(qubit)
                )


def _named(symbols: dict[str, Any], letter: str, value: Any) -> sympy.Symbol:
    """Adds a symbol for a value."""
    name = f"{letter}{len(symbols)}"
    symbols[name] = value
    return sympy.Symbol(name)


# TFQ's gates and their parameters. Those that turn two qubits by two parameters have no phase.
_PARAMETERS = {
    **dict.fromkeys(
        ("XPowGate", "YPowGate", "ZPowGate", "HPowGate", "XXPowGate", "YYPowGate", "ZZPowGate"),
        ("exponent",),
    ),
    **dict.fromkeys(("CXPowGate", "CZPowGate", "SwapPowGate", "ISwapPowGate"), ("exponent",)),
    "PhasedXPowGate": ("phase_exponent", "exponent"),
    "PhasedISwapPowGate": ("phase_exponent", "exponent"),
    "FSimGate": ("theta", "phi"),
}


def _kind(gate: Any) -> str | None:
    """Returns which of TFQ's gates a gate is, or None."""
    # A derived class may have another unitary than Cirq's class.
    if not type(gate).__module__.startswith("cirq.ops."):
        return None
    return next((name for name in _PARAMETERS if isinstance(gate, getattr(cirq, name))), None)


def _without_controls(
    operation: cirq.Operation,
) -> tuple[list[cirq.Qid], list[int], cirq.Operation] | None:
    """Returns an operation's controls, their values, and the controlled operation.

    None if a control may have several values.
    """
    controls: list[cirq.Qid] = []
    required: list[int] = []
    while True:
        operation = operation.untagged
        gate: Any = operation.gate
        values: Any = ((1,),)
        if isinstance(operation, cirq.ControlledOperation):
            own, inner = operation.controls, operation.sub_operation
            values = operation.control_values.expand()
        elif isinstance(gate, cirq.ControlledGate):
            own = operation.qubits[: gate.num_controls()]
            inner = gate.sub_gate.on(*operation.qubits[gate.num_controls() :])
            values = gate.control_values.expand()
        elif isinstance(gate, (cirq.CCXPowGate, cirq.CCZPowGate)) and not gate.global_shift:
            own = operation.qubits[:1]
            family = cirq.CXPowGate if isinstance(gate, cirq.CCXPowGate) else cirq.CZPowGate
            inner = family(exponent=gate.exponent).on(*operation.qubits[1:])
        elif isinstance(gate, cirq.CSwapGate):
            own, inner = operation.qubits[:1], cirq.SWAP(*operation.qubits[1:])
        else:
            return controls, required, operation
        assignments = list(values)
        if len(assignments) != 1:
            return None
        controls += own
        required += assignments[0]
        operation = inner


def _known_gates(n_qubits: int) -> list[tuple[cirq.Gate, np.ndarray]]:
    """Returns gates without parameters that TFQ supports, and their matrices."""
    gates: list[cirq.Gate] = []
    if n_qubits == 1:
        gates += [cirq.X, cirq.Y, cirq.Z, cirq.H, cirq.S, cirq.T, cirq.S**-1, cirq.T**-1]
        gates += [cirq.X**0.5, cirq.X**-0.5, cirq.Y**0.5, cirq.Y**-0.5]
    elif n_qubits == 2:
        gates += [cirq.CZ, cirq.CNOT, cirq.SWAP, cirq.ISWAP, cirq.ISWAP**-1, cirq.ISWAP**0.5]
    return [(gate, cirq.unitary(gate)) for gate in gates]
