"""TensorFlow Quantum's simulator, by its ops called directly.

Operations of the program's circuit that TFQ has are written as they are, all others by their
instructions. Each parameter is a symbol of its own. Inputs, weights, coefficients and
expressions stay outside of the circuit, so that TFQ's traps have nothing to catch: it sees no
scaled symbol, no order of names that matters, no numeric constant that its rounding to 1e-6 would
change, no qubit without a gate.

TFQ's adjoint gradient takes central differences of single gates, in float32: its relative error
is of the order 1e-5 to 1e-4, which the other engines don't have.

qsim computes in float32, with gate matrices rounded to it, and a fixed unitary of two or three
qubits that is none of TFQ's gates becomes some twenty of them: each such unitary takes about 3e-7
off the norm of the state (1e-5 after forty). The other engines apply it as one matrix.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never

import keras
import numpy as np

from qkeras_hybrid._checks import one_of, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, lazy_module, sympy, tf
from qkeras_hybrid.engines.base import Engine, Run, memory_refusal, sample_bits
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
from qkeras_hybrid.readouts import Circuits, Expectation, Probabilities, Samples, State

if TYPE_CHECKING:
    import tensorflow_quantum as tfq
else:
    tfq = lazy_module("tensorflow_quantum")

_GRADIENTS = {
    "adjoint": "Adjoint",
    "parameter_shift": "ParameterShift",
    "central_difference": "CentralDifference",
    "forward_difference": "ForwardDifference",
}


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class TFQEngine(Engine):
    """Simulates with TensorFlow Quantum's ops (qsim): TensorFlow on Linux x86-64, float32.

    Args:
        gradient: Which of TFQ's differentiators computes the gradient: "adjoint",
            "parameter_shift", "central_difference" or "forward_difference". (For a
            differentiator of this package, on any engine, see `qkeras_hybrid.gradients`.)

    Raises:
        ValueError: If `gradient` is unknown.

    Example:

    >>> q = cirq.LineQubit(0)
    >>> compiled = compile_circuit(cirq.Circuit(cirq.rx(sympy.Symbol("x"))(q)), "Z", inputs="x")
    >>> z = TFQEngine().prepare(compiled.job())(ops.array([[0.0], [np.pi]]), ops.zeros((0,)))
    >>> np.round(ops.convert_to_numpy(z), 5).tolist()
    [[1.0], [-1.0]]
    """

    name = "tfq"
    readouts = frozenset({Expectation, Probabilities, State, Samples, Circuits})
    differentiates = frozenset({Expectation})
    samples = True
    takes_circuits = True
    dtypes = ("float32",)
    backends = frozenset({"tensorflow"})

    def __init__(self, gradient: str = "adjoint") -> None:
        self.gradient = one_of("gradient", gradient, _GRADIENTS)

    def get_config(self) -> dict[str, Any]:
        return {"gradient": self.gradient}

    def refuses(self, job: Job) -> str | None:
        reason = super().refuses(job)
        if reason is not None:
            return reason
        if job.shots is not None and not isinstance(job.readout, Samples):
            return "it takes `shots` for samples only"
        if job.gradient and isinstance(job.readout, Probabilities):
            return "it does not differentiate states and probabilities"
        try:
            tfq.get_expectation_op  # noqa: B018  (the first use imports it)
        except ImportError as error:
            return f"tensorflow-quantum can't be imported ({error})"
        return memory_refusal(job.program.n_qubits, 2 * 8)

    def prepare(self, job: Job) -> Run:
        program, n = job.program, job.program.n_qubits
        # The qubits of circuits that run first are told from one another by name: the program
        # keeps its own.
        qubits = check_qubits(program.qubits) if job.circuits else cirq.GridQubit.rect(1, n)
        # Eager even while a graph is traced: it is done once.
        with tf.init_scope():
            written = _write(job, qubits, self.gradient)
        read = _reader(job, written)

        def run(inputs: Any, weights: Any, seed: Any = None) -> Any:
            circuits, values = inputs if job.circuits else (None, inputs)
            values = tf.convert_to_tensor(values)
            weights = tf.convert_to_tensor(weights)
            turns = written.table(values, weights) / math.pi
            constants = tf.constant(written.constants, turns.dtype)[None]
            batch = tf.shape(turns)[0]
            turns = tf.concat([turns, tf.repeat(constants, batch, axis=0)], axis=1)
            own = tf.repeat(tf.constant(written.circuit), batch)
            if circuits is not None:
                # By its module, since the package's own names leave it out.
                from tensorflow_quantum.core.ops import tfq_utility_ops

                own = tfq_utility_ops.append_circuit(circuits, own)
            return read(own, turns, lambda: written.phases(values, weights), seed)

        return run


def _reader(job: Job, written: _Written) -> Callable[..., Any]:
    """Returns what reads a job's readout.

    Of circuits, the values of their symbols, a function that computes the global phases that they
    leave out, and a seed.
    """
    readout, n = job.readout, job.program.n_qubits

    def expectation(circuits: Any, turns: Any, phases: Any, seed: Any) -> Any:
        if not len(written.observables):
            return turns[:, :0]
        return _expectation(written, circuits, turns)

    def state(circuits: Any, turns: Any, phases: Any, seed: Any) -> Any:
        def simulate(turns: Any) -> Any:
            names = tf.constant(written.symbols, tf.string)
            found = tfq.get_state_op()(circuits, names, turns)
            states = found.to_tensor() if isinstance(found, tf.RaggedTensor) else found
            return tf.reshape(states, (tf.shape(circuits)[0], 2**n))

        states = _without_gradient(
            simulate,
            "The tfq engine does not differentiate states. Use engine='statevector' or 'native'.",
        )(turns)
        phase = written.phase + tf.reduce_sum(phases(), axis=1)
        return states * tf.exp(tf.complex(tf.zeros_like(phase), phase))[:, None]

    def probabilities(circuits: Any, turns: Any, phases: Any, seed: Any) -> Any:
        states = state(circuits, turns, phases, seed)
        return tf.math.real(states) ** 2 + tf.math.imag(states) ** 2

    def samples(circuits: Any, turns: Any, phases: Any, seed: Any) -> Any:
        # Sampled here from TFQ's states: its own sampling op takes no seed.
        shots = positive_int("shots", job.shots)
        return sample_bits(probabilities(circuits, turns, phases, seed), n, shots, seed)

    def resolved(circuits: Any, turns: Any, phases: Any, seed: Any) -> Any:
        return tfq.resolve_parameters(circuits, tf.constant(written.symbols, tf.string), turns)

    known: dict[type, Callable[..., Any]] = {
        Expectation: expectation,
        State: state,
        Probabilities: probabilities,
        Samples: samples,
        Circuits: resolved,
    }
    return known[type(readout)]


@dataclass(frozen=True, eq=False)
class _Written:
    """A program as TFQ takes it.

    Attributes:
        circuit: The serialized circuit.
        symbols: The names of its symbols: first those with a row in `table`, then the constants.
        table: The map to those symbols' values, times pi.
        constants: The values of the symbols that stay constant.
        observables: The serialized observables.
        phase: A constant global phase that the circuit leaves out, in radians.
        phases: The map to others that depend on inputs and weights.
        expectation: TFQ's op, with a gradient.
    """

    circuit: np.ndarray
    symbols: list[str]
    table: AngleMap
    constants: list[float]
    observables: np.ndarray
    phase: float
    phases: AngleMap
    expectation: Any


def _expectation(written: _Written, circuits: Any, values: Any) -> Any:
    """Computes expectation values with TFQ's gradient, which can't be differentiated again."""

    def simulate(values: Any) -> Any:
        batch = tf.shape(circuits)[0]
        return written.expectation(
            circuits,
            tf.constant(written.symbols, tf.string),
            values,
            tf.tile(tf.constant(written.observables)[None], tf.stack([batch, 1])),
        )

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def differentiable(values: Any) -> tuple[Any, Any]:
        # Persistent, since a Jacobian walks back once for each value.
        with tf.GradientTape(persistent=True) as tape:
            # Forward mode would ask TFQ's op itself, which is not in TensorFlow's registry.
            inner = tf.stop_gradient(values)
            tape.watch(inner)
            found = simulate(inner)

        def backward(upstream: Any) -> Any:
            gradient = _without_gradient(
                lambda upstream, _: tape.gradient(found, inner, upstream),
                "The tfq engine has neither second derivatives nor forward-mode derivatives "
                "(`tf.autodiff.ForwardAccumulator`). Use engine='statevector' for both, or reverse "
                "mode (`tf.GradientTape`), once, with this engine.",
            )
            return gradient(upstream, values)

        return found, backward

    return differentiable(values)


def _without_gradient(function: Callable[..., Any], message: str) -> Callable[..., Any]:
    """Returns a function of tensors whose derivatives, in any mode, raise NotImplementedError."""

    def computed(*tensors: Any) -> tuple[Any, Any]:
        def refuse(*_: Any) -> None:
            raise NotImplementedError(message)

        return function(*map(tf.stop_gradient, tensors)), refuse

    wrapped: Callable[..., Any] = tf.custom_gradient(computed)
    return wrapped


def check_qubits(qubits: Sequence[cirq.Qid]) -> tuple[cirq.Qid, ...]:
    """Makes sure that TFQ's circuits can hold qubits, and returns them.

    Raises:
        ValueError: If one is neither a `cirq.GridQubit` nor a `cirq.LineQubit`.
    """
    for qubit in qubits:
        if not isinstance(qubit, (cirq.GridQubit, cirq.LineQubit)):
            raise ArgumentError(
                "circuit",
                "act on cirq.GridQubit or cirq.LineQubit, which TensorFlow Quantum's circuits "
                "are made of",
                qubit,
            )
    return tuple(qubits)


def _write(job: Job, qubits: Sequence[cirq.Qid], gradient: str) -> _Written:
    writer = _Writer(job, qubits, gradient)
    sums = []
    for observable in job.readout.observables if isinstance(job.readout, Expectation) else ():
        total = cirq.PauliSum()
        for term in observable.terms:
            total += term.coefficient * cirq.PauliString(
                {writer.qubits[i]: p for i, p in zip(term.qubits, term.paulis, strict=True)}
            )
        # TFQ reads a sum without terms as no observable.
        sums.append(total if len(total) else 0.0 * cirq.Z(writer.qubits[0]) + total)
    # A differentiator belongs to one op: it can't be used for a second.
    differentiator = getattr(tfq.differentiators, _GRADIENTS[gradient])()
    return _Written(
        circuit=tfq.convert_to_tensor([writer.circuit]).numpy(),
        symbols=[*writer.rows, *writer.parameters, *writer.constants],
        table=writer.table(),
        constants=list(writer.constants.values()),
        observables=tfq.convert_to_tensor([sums]).numpy()[0] if sums else np.array([], object),
        phase=writer.phase,
        phases=writer.map_of(writer.phase_rows),
        expectation=differentiator.generate_differentiable_op(analytic_op=tfq.get_expectation_op()),
    )


class _Writer:
    """Writes a program as operations that TFQ's serializer takes.

    Attributes:
        circuit: The circuit.
        rows: Symbols of rows of the angle table, in half turns, and the rows.
        parameters: Symbols of the gates' own parameters, and these.
        constants: Symbols of constants, and their values.
        phase: As in `_Written`.
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
        # An identity on each qubit: TFQ's circuits have just the qubits that are acted on.
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
        # TFQ's shift rule has two terms, which is right for the instructions only. And where there
        # is one instruction, it is the gate.
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
        """Adds an operation if it is one of TFQ's gates, controlled or not; tells whether it is."""
        found = _without_controls(operation)
        kind = None if found is None else _kind(found[2].gate)
        if found is None or kind is None:
            return False
        controls, values, bare = found
        gate: Any = bare.gate
        if kind == "PhasedISwapPowGate" and cirq.is_parameterized(gate.phase_exponent):
            # It turns twice as fast as other parameters, and TFQ's differences would show it.
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
    # A class from elsewhere may have another unitary than the one of Cirq's it is derived from.
    if not type(gate).__module__.startswith("cirq.ops."):
        return None
    return next((name for name in _PARAMETERS if isinstance(gate, getattr(cirq, name))), None)


def _without_controls(
    operation: cirq.Operation,
) -> tuple[list[cirq.Qid], list[int], cirq.Operation] | None:
    """Returns an operation's controls, the values they must have, and what they control.

    None where they may have several values.
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
    """Returns gates without parameters that TFQ takes as they are, and their matrices."""
    gates: list[cirq.Gate] = []
    if n_qubits == 1:
        gates += [cirq.X, cirq.Y, cirq.Z, cirq.H, cirq.S, cirq.T, cirq.S**-1, cirq.T**-1]
        gates += [cirq.X**0.5, cirq.X**-0.5, cirq.Y**0.5, cirq.Y**-0.5]
    elif n_qubits == 2:
        gates += [cirq.CZ, cirq.CNOT, cirq.SWAP, cirq.ISWAP, cirq.ISWAP**-1, cirq.ISWAP**0.5]
    return [(gate, cirq.unitary(gate)) for gate in gates]
