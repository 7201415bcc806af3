"""TensorFlow Quantum's simulator, called through its ops.

Operations that TFQ has are written unchanged, all others by their instructions. Each parameter is a
symbol of its own. Inputs, weights, coefficients and expressions stay outside the circuit, which
avoids TFQ's traps: it gets no scaled symbol, no order of names that matters, no numeric constant
that it would round to 1e-6, and no qubit without a gate.

TFQ's adjoint gradient takes central differences of single gates, in float32: its relative error is
1e-5 to 1e-4; the other engines have no such error.

qsim computes in float32, with gate matrices rounded to it, and a fixed unitary of two or three
qubits that is not one of TFQ's gates becomes about twenty of them: each such unitary reduces the
norm of the state by about 3e-7 (1e-5 after forty). The other engines apply it as one matrix.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from qkeras_hybrid._checks import one_of, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, lazy_module, tf
from qkeras_hybrid.engines._shots import estimated
from qkeras_hybrid.engines.base import Engine, Run, frequencies, memory_refusal, sample_bits
from qkeras_hybrid.engines.tfq.circuits import Writer
from qkeras_hybrid.program import AngleMap, Job
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
            differentiator of this package, on any engine, see `qkeras_hybrid.gradients`.) With
            shots, which have no adjoint gradient, "adjoint" means "parameter_shift".

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
        if job.gradient and isinstance(job.readout, Probabilities):
            return "it does not differentiate states and probabilities"
        if importlib.util.find_spec("tensorflow_quantum") is None:
            return (
                'tensorflow-quantum is not installed; pip install "qkeras-hybrid[tfq]" brings it, '
                "on Linux x86-64 with Python 3.11 or 3.12"
            )
        try:
            tfq.get_expectation_op  # noqa: B018  (the first use imports it)
        except ImportError as error:
            return f"tensorflow-quantum can't be imported ({error})"
        return memory_refusal(job.program.n_qubits, 2 * 8)

    def differentiates_itself(self, job: Job) -> bool:
        # With shots also for circuits as inputs, without bias: by TFQ's parameter shift.
        return type(job.readout) in self.differentiates and (job.shots is None or job.circuits)

    def _method(self, job: Job) -> str:
        """Returns the differentiator of a job; the adjoint one does not support shots."""
        adjoint_of_shots = self.gradient == "adjoint" and job.shots is not None
        return "parameter_shift" if adjoint_of_shots else self.gradient

    def prepare(self, job: Job) -> Run:
        # TFQ's own estimates take no seed, and measure each term separately.
        if job.shots is not None and isinstance(job.readout, Expectation) and not job.circuits:
            return estimated(self, job)
        program, n = job.program, job.program.n_qubits
        # Circuits that run first identify qubits by name, so the program keeps its own qubits.
        qubits = check_qubits(program.qubits) if job.circuits else cirq.GridQubit.rect(1, n)
        # Eager even while a graph is traced, because it is done only once.
        with tf.init_scope():
            written = _write(job, qubits, self._method(job))
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
                # Imported from its module, since the package does not export it.
                from tensorflow_quantum.core.ops import tfq_utility_ops

                own = tfq_utility_ops.append_circuit(circuits, own)
            return read(own, turns, lambda: written.phases(values, weights), seed)

        return run


def _reader(job: Job, written: _Written) -> Callable[..., Any]:
    """Returns a function that reads a job's readout.

    Its arguments are circuits, the values of their symbols, a function that computes the global
    phases that they leave out, and a seed.
    """
    readout, n = job.readout, job.program.n_qubits

    def expectation(circuits: Any, turns: Any, phases: Any, seed: Any) -> Any:
        if not len(written.observables):
            return turns[:, :0]
        return _expectation(written, circuits, turns, job.shots)

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

    def exact(circuits: Any, turns: Any, phases: Any, seed: Any) -> Any:
        states = state(circuits, turns, phases, seed)
        return tf.math.real(states) ** 2 + tf.math.imag(states) ** 2

    def samples(circuits: Any, turns: Any, phases: Any, seed: Any) -> Any:
        # Sampled here from TFQ's states: its own sampling op takes no seed.
        shots = positive_int("shots", job.shots)
        return sample_bits(exact(circuits, turns, phases, seed), n, shots, seed)

    def probabilities(circuits: Any, turns: Any, phases: Any, seed: Any) -> Any:
        if job.shots is None:
            return exact(circuits, turns, phases, seed)
        return frequencies(samples(circuits, turns, phases, seed), n, job.dtype)

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
    """A program written for TFQ.

    Attributes:
        circuit: The serialized circuit.
        symbols: The names of its symbols: first those with a row in `table`, then the constants.
        table: The map to those symbols' values, times pi.
        constants: The values of the symbols that stay constant.
        observables: The serialized observables.
        phase: A constant global phase that the circuit leaves out, in radians.
        phases: The map to other global phases, which depend on inputs and weights.
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


def _expectation(written: _Written, circuits: Any, values: Any, shots: int | None) -> Any:
    """Computes expectation values with TFQ's gradient, which can't be differentiated again.

    With shots, each Pauli term is estimated from that many measurements.
    """

    def simulate(values: Any) -> Any:
        batch, count = tf.shape(circuits)[0], len(written.observables)
        observables = tf.tile(tf.constant(written.observables)[None], tf.stack([batch, 1]))
        measured = () if shots is None else (tf.fill(tf.stack([batch, count]), shots),)
        return written.expectation(
            circuits, tf.constant(written.symbols, tf.string), values, observables, *measured
        )

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def differentiable(values: Any) -> tuple[Any, Any]:
        # Persistent, since a Jacobian walks back once for each value.
        with tf.GradientTape(persistent=True) as tape:
            # Forward mode would differentiate TFQ's op itself, which is not in TensorFlow's
            # registry.
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
    """Makes sure that TFQ supports qubits, and returns them.

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
    writer = Writer(job, qubits, gradient)
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
    operation = (
        {"analytic_op": tfq.get_expectation_op()}
        if job.shots is None
        else {"sampled_op": tfq.get_sampled_expectation_op()}
    )
    return _Written(
        circuit=tfq.convert_to_tensor([writer.circuit]).numpy(),
        symbols=[*writer.rows, *writer.parameters, *writer.constants],
        table=writer.table(),
        constants=list(writer.constants.values()),
        observables=tfq.convert_to_tensor([sums]).numpy()[0] if sums else np.array([], object),
        phase=writer.phase,
        phases=writer.map_of(writer.phase_rows),
        expectation=differentiator.generate_differentiable_op(**operation),
    )
