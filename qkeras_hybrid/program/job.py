"""Compiled circuits, and the jobs that they become for an engine."""

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
    """What an engine is to compute: all that its choice, its refusal and its memory depend on.

    Attributes:
        program: What runs; its only parameters are angles.
        angles: The map from inputs and weights to the angles.
        readout: What is read.
        dtype: The precision, "float32" or "float64".
        shots: None for exact values, or the number of measurements that estimate each value.
        noise: None, or a noise model; `qkeras_hybrid.noise.applied` writes it into the program,
            before any engine sees the job.
        backend: The Keras backend.
        device: The kind of device that the backend computes on: "cpu", "gpu", "tpu", ..., or
            "several devices" where Keras spreads a batch over them.
        gradient: Whether the engine itself must provide a gradient.
        circuits: Whether each sample comes with a circuit of its own, which runs first.
        origin: The compiled circuit that this job was made from. An engine may run gates of that
            circuit unchanged where the program still has them (`sources`), but it must run the
            program.
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
        """The angles through which inputs and weights change what hardware could measure."""
        return _varying_rows(self.program, self.angles)

    def bare(self) -> Job:
        """Returns the same job with the angles themselves as its inputs, and no weights.

        Methods that shift single angles (the parameter-shift rule, finite differences) run this
        job; it needs no gradient from the engine.
        """
        return replace(self, angles=self.angles.bare(), gradient=False)


@dataclass(frozen=True)
class Compiled:
    """The result of `compile_circuit`.

    Attributes:
        program: What runs; its only parameters are angles.
        angles: The map from inputs and weights to those angles.
        readout: The readout: by default the expectation values of the observables.
        circuit: The circuit that was compiled.
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
        """The observables if expectation values are read, otherwise an empty tuple."""
        return self.readout.observables if isinstance(self.readout, Expectation) else ()

    @property
    def varying_rows(self) -> tuple[int, ...]:
        """The angles through which inputs and weights change what hardware could measure."""
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
        """Returns the job for an engine; the arguments are those of `Job`.

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
