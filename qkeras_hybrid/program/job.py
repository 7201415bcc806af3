"""What a compiled circuit is, and what an engine is asked to do with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import keras

from qkeras_hybrid._device import current_device
from qkeras_hybrid.program.angles import AngleMap
from qkeras_hybrid.program.program import Program
from qkeras_hybrid.readouts import Expectation, Readout

if TYPE_CHECKING:
    import cirq
    import sympy

    from qkeras_hybrid.observables import Observable


@dataclass(frozen=True)
class Job:
    """All that a refusal, a memory bound or a choice of engine may depend on.

    Attributes:
        program: What runs, in angles.
        angles: Inputs and weights to angles.
        readout: What is read.
        dtype: The precision, "float32" or "float64".
        shots: None for exact values, or from how many measurements each value is estimated.
        noise: None, or a noise model; `qkeras_hybrid.noise.applied` writes it into the program,
            before any engine sees the job.
        backend: The Keras backend.
        device: The kind of device that it computes on: "cpu", "gpu", "tpu", ..., or "several
            devices" where Keras spreads a batch over them.
        gradient: Whether a gradient is wanted of the engine itself.
        circuits: Whether each sample brings a circuit of its own, which runs first.
        origin: What all this comes from. An engine may write the gates of its circuit as they are
            where the program still has them (`sources`); it is the program that it runs.
    """

    program: Program
    angles: AngleMap
    readout: Readout
    dtype: str = "float32"
    shots: int | None = None
    noise: Any = None
    backend: str = "tensorflow"
    device: str = "cpu"
    gradient: bool = True
    circuits: bool = False
    origin: Compiled | None = None
    readout_errors: tuple[tuple[float, float], ...] = ()

    @property
    def varying_rows(self) -> tuple[int, ...]:
        """The angles by which inputs and weights change what hardware could see."""
        return _varying_rows(self.program, self.angles)

    def bare(self) -> Job:
        """Returns the same job with the angles themselves as its inputs, and no weights.

        What shifts single angles (the parameter-shift rule, finite differences) runs it; it
        takes no gradient of the engine.
        """
        return replace(self, angles=self.angles.bare(), gradient=False)


@dataclass(frozen=True)
class Compiled:
    """What `compile_circuit` makes of a circuit.

    Attributes:
        program: What runs, in angles.
        angles: The way from inputs and weights to those angles.
        readout: What is read: by default the expectation values of the observables.
        circuit: The circuit that all this came from.
    """

    program: Program
    angles: AngleMap
    readout: Readout
    circuit: cirq.FrozenCircuit

    @property
    def qubits(self) -> tuple[cirq.Qid, ...]:
        """The qubits in order; the first is the most significant bit of a basis state."""
        return self.program.qubits

    @property
    def n_qubits(self) -> int:
        """The number of qubits."""
        return self.program.n_qubits

    @property
    def inputs(self) -> tuple[sympy.Symbol, ...]:
        """The symbols that take a sample's values, in order."""
        return self.angles.inputs

    @property
    def weights(self) -> tuple[sympy.Symbol, ...]:
        """The symbols that take the weights, in order."""
        return self.angles.weights

    @property
    def observables(self) -> tuple[Observable, ...]:
        """The observables, if expectation values are read; else none."""
        return self.readout.observables if isinstance(self.readout, Expectation) else ()

    @property
    def varying_rows(self) -> tuple[int, ...]:
        """The angles by which inputs and weights change what hardware could see."""
        return _varying_rows(self.program, self.angles)

    def reading(self, readout: Readout) -> Compiled:
        """Returns the same circuit with another readout."""
        return replace(self, readout=readout)

    def job(
        self,
        dtype: str = "float32",
        *,
        shots: int | None = None,
        noise: Any = None,
        gradient: bool = True,
        circuits: bool = False,
    ) -> Job:
        """Returns what to ask of an engine; the arguments are those of `Job`.

        Example:

        >>> q, x = cirq.LineQubit(0), sympy.Symbol("x")
        >>> compiled = compile_circuit(cirq.Circuit(cirq.rx(x)(q)), "Z", inputs=[x])
        >>> run = qh.engines.get("statevector").prepare(compiled.job())
        >>> float(run(ops.array([[0.0]]), ops.zeros((0,)))[0, 0])
        1.0
        """
        return Job(
            self.program,
            self.angles,
            self.readout,
            dtype=dtype,
            shots=shots,
            noise=noise,
            backend=keras.backend.backend(),
            device=current_device(),
            gradient=gradient and self.readout.differentiable,
            circuits=circuits,
            origin=self,
        )


def _varying_rows(program: Program, angles: AngleMap) -> tuple[int, ...]:
    return tuple(row for row in program.observed_rows if angles.rows[row].varies)
