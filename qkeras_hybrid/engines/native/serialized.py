"""The byte string that the C++ kernels read (`src/plan.cc`)."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

from qkeras_hybrid.engines.native.paulis import (
    Frame,
    Operation,
    Pauli,
    PhaseTerm,
    Rotation,
    Row,
    kind,
)

MAGIC = b"QHN1"
NO_ROW = 0xFFFFFFFF


@dataclass
class Lowered:
    """A Program as the kernels read it; `tobytes` writes it."""

    n_qubits: int
    n_inputs: int
    n_weights: int
    rows: list[Row]
    chains: list[tuple[int, str, int, int]] = field(default_factory=list)
    stages: list[list[Operation]] = field(default_factory=list)
    measured: list[Pauli] = field(default_factory=list)
    entries: list[tuple[int, int, float, int, int]] = field(default_factory=list)
    n_observables: int = 0
    frame: Frame | None = None

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
            put("II", kind(stage[0]), len(stage))
            for op in stage:
                if isinstance(op, Rotation):
                    put("QQiI", op.pauli.x, op.pauli.z, op.pauli.sign, op.row)
                elif isinstance(op, PhaseTerm):
                    put("QdI", op.z, op.coefficient, NO_ROW if op.row is None else op.row)
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
