"""Compiles a circuit once into a form that every engine understands.

`compile_circuit` makes a `Program` (what runs, with angles alone), an `AngleMap` (inputs and
weights to those angles) and a readout; a `Job` tells an engine what to compute.
"""

from qkeras_hybrid.program.angles import Angle, AngleMap, AngleTable
from qkeras_hybrid.program.compile import compile_circuit
from qkeras_hybrid.program.job import Compiled, Job
from qkeras_hybrid.program.program import (
    INSTRUCTIONS,
    UNITARY,
    Channel,
    Instruction,
    Measurement,
    PauliRotation,
    Phase,
    Program,
    Reset,
    Unitary,
    has_observable_angle,
)
from qkeras_hybrid.program.sources import Source, sources
from qkeras_hybrid.program.symbols import in_order, symbol_names
from qkeras_hybrid.program.unrolling import with_visible_symbols

__all__ = [
    "INSTRUCTIONS",
    "UNITARY",
    "Angle",
    "AngleMap",
    "AngleTable",
    "Channel",
    "Compiled",
    "Instruction",
    "Job",
    "Measurement",
    "PauliRotation",
    "Phase",
    "Program",
    "Reset",
    "Source",
    "Unitary",
    "compile_circuit",
    "has_observable_angle",
    "in_order",
    "sources",
    "symbol_names",
    "with_visible_symbols",
]
