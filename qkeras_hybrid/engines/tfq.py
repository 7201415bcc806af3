"""TensorFlow Quantum's simulator, by its ops called directly.

The program is written as a circuit that TFQ's serializer takes, with one symbol for each row of
the angle table. Inputs, weights, coefficients and expressions stay outside of it, so that
TFQ's traps have nothing to catch: it sees no scaled symbol, no order of names that matters, no
numeric constant that its rounding to 1e-6 would change, no qubit without a gate.

TFQ's adjoint gradient takes central differences of single gates, in float32: its relative error
is of the order 1e-5 to 1e-4, which the other engines don't have.

qsim computes in float32, with gate matrices rounded to it, and a fixed unitary of two or three
qubits becomes some twenty of its gates: each such unitary takes about 3e-7 off the norm of the
state (1e-5 after forty). The other engines apply it as one matrix.
"""

from __future__ import annotations

import math
import warnings
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from qkeras_hybrid._checks import must, one_of, positive_int
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.engines.base import Engine, check_shapes, memory_refusal, sample_bits
from qkeras_hybrid.program import PauliRotation, Phase, Program

if TYPE_CHECKING:
    import cirq
    import sympy
    import tensorflow as tf
    import tensorflow_quantum as tfq
else:
    cirq = lazy_module("cirq")
    sympy = lazy_module("sympy")
    tf = lazy_module("tensorflow")
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
    >>> program = compile_circuit(cirq.Circuit(cirq.rx(sympy.Symbol("x"))(q)), "Z", inputs="x")
    >>> z = TFQEngine().expectation(program, ops.array([[0.0], [np.pi]]), ops.zeros((0,)))
    >>> np.round(ops.convert_to_numpy(z), 5).tolist()
    [[1.0], [-1.0]]
    """

    name = "tfq"
    dtypes = ("float32",)
    differentiates_states = False

    def __init__(self, gradient: str = "adjoint") -> None:
        self.gradient = one_of("gradient", gradient, _GRADIENTS)
        self._written: weakref.WeakKeyDictionary[Program, _Written] = weakref.WeakKeyDictionary()
        self._written_after_circuits = self._written.__class__()

    def get_config(self) -> dict[str, Any]:
        return {"gradient": self.gradient}

    def supports(self, program: Program) -> str | None:
        if keras.backend.backend() != "tensorflow":
            return f"it needs the TensorFlow backend, and Keras runs on {keras.backend.backend()}"
        try:
            tfq.get_expectation_op  # noqa: B018  (the first use imports it)
        except ImportError as error:
            return f"tensorflow-quantum can't be imported ({error})"
        return memory_refusal(program.n_qubits, 2 * 8)

    def expectation(self, program: Program, inputs: Any, weights: Any, *, seed: Any = None) -> Any:
        written = self._write(program)
        values = self._values(program, written, inputs, weights)
        batch = tf.shape(values)[0]
        if not program.observables:
            return values[:, :0]
        return written.expectation(
            tf.repeat(tf.constant(written.circuit), batch),
            tf.constant(written.symbols, tf.string),
            values,
            tf.tile(tf.constant(written.observables)[None], tf.stack([batch, 1])),
        )

    def expectation_after(self, circuits: Any, program: Program, inputs: Any, weights: Any) -> Any:
        """Returns expectation values of the program, run after each sample's own circuit.

        Args:
            circuits: String tensor of shape `(batch,)`: circuits without symbols, as
                `tfq.convert_to_tensor` makes them. They may act on more qubits than the program.
            program: The program; its qubits, by their names, are those of the circuits.
            inputs: Tensor of shape `(batch, n_inputs)`.
            weights: Tensor of shape `(n_weights,)`.

        Returns:
            Tensor of shape `(batch, n_observables)`, with gradients of `inputs` and `weights`.

        Raises:
            ValueError: If TFQ can't name one of the program's qubits.
        """
        # By its module, since the package's own names leave it out.
        from tensorflow_quantum.core.ops import tfq_utility_ops

        written = self._write(program, after_circuits=True)
        values = self._values(program, written, inputs, weights)
        batch = tf.shape(circuits)[0]
        return written.expectation(
            tfq_utility_ops.append_circuit(
                circuits, tf.repeat(tf.constant(written.circuit), batch)
            ),
            tf.constant(written.symbols, tf.string),
            values,
            tf.tile(tf.constant(written.observables)[None], tf.stack([batch, 1])),
        )

    def state(self, program: Program, inputs: Any, weights: Any) -> Any:
        written = self._write(program)
        values = self._values(program, written, inputs, weights)
        batch = tf.shape(values)[0]
        circuits = tf.repeat(tf.constant(written.circuit), batch)
        found = tfq.get_state_op()(circuits, tf.constant(written.symbols, tf.string), values)
        states = found.to_tensor() if isinstance(found, tf.RaggedTensor) else found
        states = tf.reshape(states, (batch, 2**program.n_qubits))
        # What the circuit written for TFQ leaves out of the global phase.
        phase = written.phase + tf.zeros((batch,), values.dtype)
        for instruction in program.instructions:
            if isinstance(instruction, Phase) and not instruction.qubits:
                phase += math.pi * values[:, instruction.angle]
        return states * tf.exp(tf.complex(tf.zeros_like(phase), phase))[:, None]

    def probabilities(self, program: Program, inputs: Any, weights: Any) -> Any:
        state = self.state(program, inputs, weights)
        return tf.math.real(state) ** 2 + tf.math.imag(state) ** 2

    def sample(
        self, program: Program, inputs: Any, weights: Any, shots: int, *, seed: Any = None
    ) -> Any:
        # Sampled here from TFQ's states: its own sampling op takes no seed.
        shots = positive_int("shots", shots)
        probabilities = self.probabilities(program, inputs, weights)
        return sample_bits(probabilities, program.n_qubits, shots, seed)

    def circuits(self, program: Program, inputs: Any, weights: Any) -> Any:
        """Returns each sample's circuit, without symbols, as TFQ's string tensor `(batch,)`."""
        written = self._write(program)
        values = self._values(program, written, inputs, weights)
        programs = tf.repeat(tf.constant(written.circuit), tf.shape(values)[0])
        return tfq.resolve_parameters(programs, tf.constant(written.symbols, tf.string), values)

    def _write(self, program: Program, after_circuits: bool = False) -> _Written:
        cache = self._written_after_circuits if after_circuits else self._written
        if program not in cache:
            if after_circuits:
                # Their qubits are told from one another by name: the program keeps its own.
                qubits = check_qubits(program.qubits)
            else:
                qubits = tuple(cirq.GridQubit.rect(1, program.n_qubits))
            # Eager even while a graph is traced: it is done once.
            with tf.init_scope():
                cache[program] = _write(program, qubits, self.gradient)
        return cache[program]

    def _values(self, program: Program, written: _Written, inputs: Any, weights: Any) -> Any:
        """Returns the symbols' values in half turns: shape `(batch, n_symbols)`, float32."""
        inputs, weights = tf.convert_to_tensor(inputs), tf.convert_to_tensor(weights)
        check_shapes(program, inputs, weights)
        angles = program.angle_values(inputs, weights) / math.pi
        constants = tf.constant(written.constants, angles.dtype)[None]
        return tf.concat([angles, tf.repeat(constants, tf.shape(angles)[0], axis=0)], axis=1)


@dataclass(frozen=True, eq=False)
class _Written:
    """A program as TFQ takes it: serialized, with the values of symbols that stay constant."""

    circuit: np.ndarray
    symbols: list[str]
    constants: list[float]
    observables: np.ndarray
    phase: float
    expectation: Any


def check_qubits(qubits: Sequence[cirq.Qid]) -> tuple[cirq.Qid, ...]:
    """Makes sure that TFQ's circuits can hold qubits, and returns them.

    Raises:
        ValueError: If one is neither a `cirq.GridQubit` nor a `cirq.LineQubit`.
    """
    for qubit in qubits:
        if not isinstance(qubit, (cirq.GridQubit, cirq.LineQubit)):
            raise ValueError(
                must(
                    "circuit",
                    "act on cirq.GridQubit or cirq.LineQubit, which TensorFlow Quantum's circuits "
                    "are made of",
                    qubit,
                )
            )
    return tuple(qubits)


def _write(program: Program, qubits: Sequence[cirq.Qid], gradient: str) -> _Written:
    writer = _Writer(program, qubits)
    sums = []
    for observable in program.observables:
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
        symbols=writer.symbols,
        constants=writer.constants,
        observables=tfq.convert_to_tensor([sums]).numpy()[0] if sums else np.array([], object),
        phase=writer.phase,
        expectation=differentiator.generate_differentiable_op(analytic_op=tfq.get_expectation_op()),
    )


class _Writer:
    """Writes instructions as operations that TFQ's serializer takes."""

    def __init__(self, program: Program, qubits: Sequence[cirq.Qid]) -> None:
        self.qubits = qubits
        # In half turns, as Cirq's exponents: no factor is left in the circuit.
        self.symbols = [f"a{row}" for row in range(len(program.angles))]
        self.constants: list[float] = []
        self.phase = 0.0
        # An identity on each qubit: TFQ's circuits have just the qubits that are acted on.
        self.circuit = cirq.Circuit(cirq.I(qubit) for qubit in self.qubits)
        for instruction in program.instructions:
            on = [self.qubits[i] for i in instruction.qubits]
            if isinstance(instruction, PauliRotation):
                symbol = sympy.Symbol(self.symbols[instruction.angle])
                self._rotation(instruction.paulis, on, symbol)
            elif isinstance(instruction, Phase):
                if on:
                    self._controlled_z(on, sympy.Symbol(self.symbols[instruction.angle]))
            else:
                self._fixed(instruction.array, on)

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
                symbol = f"c{len(self.constants)}"
                self.symbols = [*self.symbols, symbol]
                self.constants.append(float(exponent))
                self.circuit.append(gate(exponent=sympy.Symbol(symbol), global_shift=-0.5)(qubit))


def _known_gates(n_qubits: int) -> list[tuple[cirq.Gate, np.ndarray]]:
    """Returns gates without parameters that TFQ takes as they are, and their matrices."""
    gates: list[cirq.Gate] = []
    if n_qubits == 1:
        gates += [cirq.X, cirq.Y, cirq.Z, cirq.H, cirq.S, cirq.T, cirq.S**-1, cirq.T**-1]
        gates += [cirq.X**0.5, cirq.X**-0.5, cirq.Y**0.5, cirq.Y**-0.5]
    elif n_qubits == 2:
        gates += [cirq.CZ, cirq.CNOT, cirq.SWAP, cirq.ISWAP, cirq.ISWAP**-1, cirq.ISWAP**0.5]
    return [(gate, cirq.unitary(gate)) for gate in gates]
