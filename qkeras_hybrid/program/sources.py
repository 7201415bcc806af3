"""Which operation of a circuit became which instructions."""

from __future__ import annotations

from dataclasses import dataclass

from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.program.gates import Compiler
from qkeras_hybrid.program.job import Job
from qkeras_hybrid.program.program import Instruction
from qkeras_hybrid.program.unrolling import flat


@dataclass(frozen=True)
class Source:
    """An operation of a job's circuit, and the instructions it was compiled to.

    Attributes:
        operation: The operation, without tags, of the circuit with unrolled sub-circuits.
        instructions: Its instructions.
        unchanged: Whether its parameters, if it has any, are still the circuit's own.
        global_phase: Its part of the constant global phase that ends the program, in radians.
    """

    operation: cirq.Operation
    instructions: tuple[Instruction, ...]
    unchanged: bool
    global_phase: float


def sources(job: Job) -> list[Source]:
    """Returns which operation of a job's circuit became which of its instructions.

    It compiles the circuit again to find out. The result is empty if the job has no origin, or if
    the program differs from the job's because the job was made in another way.
    """
    program, origin = job.program, job.origin
    if origin is None or not origin.circuit.all_qubits() <= set(program.qubits):
        return []
    own = job.angles == origin.angles
    compiler = Compiler(program.qubits, origin.angles.inputs, origin.angles.weights)
    found = []
    for operation in flat(origin.circuit):
        start, phase = len(compiler.instructions), compiler.global_phase
        compiler.add(operation)
        instructions = tuple(compiler.instructions[start:])
        unchanged = own or not cirq.is_parameterized(operation)
        found.append(Source(operation, instructions, unchanged, compiler.global_phase - phase))
    return found if compiler.finished() == program.instructions else []
