"""Writes a program's circuits for a sampler: on its qubits, in its gates, with measurements."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.program import Job

KEY = "all"
"""The key of the measurement of all qubits."""


class Writer:
    """Writes measured circuits of a job.

    Args:
        job: The job.
        qubits: The sampler's qubits, in the order of the program's; None for the same.
        gateset: The gates that the sampler takes; None for any.
    """

    def __init__(
        self,
        job: Job,
        qubits: Sequence[cirq.Qid] | None,
        gateset: cirq.CompilationTargetGateset | None,
    ) -> None:
        self._program = job.program
        self._qubits = list(qubits if qubits is not None else job.program.qubits)
        self._place = dict(zip(job.program.qubits, self._qubits, strict=False))
        self._gateset = gateset
        measured = self._qubits[: job.program.n_qubits]
        self._ends = [
            cirq.Circuit(setting.rotations(measured), cirq.measure(*measured, key=KEY))
            for setting in job.readout.settings(job.program)
        ]

    def circuits(self, payloads: Sequence[tuple[np.ndarray, int]]) -> list[cirq.Circuit]:
        """Returns a circuit for each pair of a row of angles and a setting's index."""
        angles = np.reshape([row for row, _ in payloads], (len(payloads), -1))
        circuits = self._program.circuits(angles)
        return [
            self._compiled(circuit.transform_qubits(self._place) + self._ends[setting])
            for circuit, (_, setting) in zip(circuits, payloads, strict=True)
        ]

    def _compiled(self, circuit: cirq.Circuit) -> cirq.Circuit:
        gateset = self._gateset
        if gateset is None:
            return circuit
        # A gateset says that it has a matrix which equals one of its gates, and its service can't
        # write that.
        small = cirq.Circuit(
            cirq.decompose(
                [op for op in circuit.all_operations() if not _is_phase(op)],
                keep=lambda op: (
                    cirq.is_measurement(op)
                    or (op in gateset and not isinstance(op.gate, cirq.MatrixGate))
                ),
                on_stuck_raise=None,
            )
        )
        with warnings.catch_warnings():
            # Cirq 1.5 warns of its own use of a default that will change.
            warnings.simplefilter("ignore", FutureWarning)
            compiled = cirq.optimize_for_target_gateset(small, gateset=gateset)
        return cirq.Circuit(op for op in compiled.all_operations() if op.qubits)


def _is_phase(op: cirq.Operation) -> bool:
    """Tells whether an operation is the global phase that `Program.circuits` writes."""
    gate: Any = op.gate
    return isinstance(gate, cirq.ZPowGate) and gate.exponent == 2 and bool(gate.global_shift)
