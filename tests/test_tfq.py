"""The tfq engine: TFQ's own gates stay as they are, and keep the precision of TFQ's op."""

import dataclasses
import itertools
import random

import cirq
import keras
import numpy as np
import pytest
import sympy

from qkeras_hybrid import engines, gradients
from qkeras_hybrid.engines.tfq import _write
from qkeras_hybrid.program import compile_circuit
from qkeras_hybrid.testing import reference_expectation, value_and_gradients

if keras.backend.backend() != "tensorflow":
    pytest.skip("TFQ runs under TensorFlow", allow_module_level=True)

import tensorflow as tf

tfq = pytest.importorskip("tensorflow_quantum")

Q = cirq.LineQubit.range(4)
A, B = sympy.symbols("a b")
SIMPLE = {
    "X": cirq.X**A,
    "Y": cirq.Y ** (2 * A + 0.1),
    "Z": cirq.Z ** sympy.sin(A),
    "H": cirq.H**A,
    "PhasedX": cirq.PhasedXPowGate(phase_exponent=B, exponent=A),
    "PhasedX of one": cirq.PhasedXPowGate(phase_exponent=A * B, exponent=0.3, global_shift=0.2),
    "rx": cirq.rx(A),
    "Z with a phase": cirq.ZPowGate(exponent=A, global_shift=0.3),
    "CX": cirq.CX**A,
    "CZ": cirq.CZ**A,
    "SWAP": cirq.SWAP**A,
    "ISWAP": cirq.ISWAP**A,
    "XX": cirq.XX**A,
    "YY": cirq.YY**A,
    "ZZ": cirq.ZZ**A,
    "FSim": cirq.FSimGate(A, B),
    "FSim of one": cirq.FSimGate(A * B, 0.7),
    "PhasedISwap": cirq.PhasedISwapPowGate(phase_exponent=0.3, exponent=A),
    "PhasedISwap of two": cirq.PhasedISwapPowGate(phase_exponent=B, exponent=A),
    "givens": cirq.givens(A),
}
GATES = {
    **SIMPLE,
    "CCX": cirq.CCX**A,
    "CCZ": cirq.CCZ**A,
    "CSWAP": cirq.CSWAP,
    **{f"controlled {name}": cirq.ControlledGate(gate) for name, gate in SIMPLE.items()},
    **{f"{name} on 0": cirq.ControlledGate(gate, None, [0]) for name, gate in SIMPLE.items()},
    "twice controlled FSim": cirq.ControlledGate(SIMPLE["FSim"], 2, [0, 1]),
    "thrice controlled X": cirq.ControlledGate(cirq.X**A, 3),
    "several control values": cirq.ControlledGate(cirq.X**A, 1, [(0, 1)]),
}


def surrounded(operation, seed=0):
    """An operation between random rotations and entangling gates on all of `Q`."""
    rng = np.random.default_rng(seed)
    turns = [
        cirq.PhasedXPowGate(phase_exponent=phase, exponent=exponent)(q)
        for q, phase, exponent in zip(Q, *rng.uniform(size=(2, 4)).tolist(), strict=True)
    ]
    ring = [cirq.CX(a, b) for a, b in itertools.pairwise([*Q, Q[0]])]
    return cirq.Circuit(turns, ring, operation, turns, ring)


def operations_of(engine, program):
    """The operations of the circuit that TFQ gets, without the identities at its start."""
    written = _write(program.job(), cirq.GridQubit.rect(1, program.n_qubits), engine.gradient)
    (circuit,) = tfq.from_tensor(tf.constant(written.circuit))
    return [o for o in circuit.all_operations() if not isinstance(o.gate, cirq.IdentityGate)]


@pytest.mark.parametrize("symbolic", [False, True], ids=["constants", "symbols"])
def test_tfqs_random_circuits_keep_the_precision_of_its_op(symbolic):
    from tensorflow_quantum.python import util

    random.seed(1)
    np.random.seed(1)
    qubits, names, batch = cirq.GridQubit.rect(1, 5), ["alpha", "beta"], 10
    if symbolic:
        circuits = [util.random_symbol_circuit(qubits, names) for _ in range(batch)]
    else:
        circuits, names = util.random_circuit_resolver_batch(qubits, batch)[0], []
    # As TFQ has read them: numbers rounded to six digits, so that all compute the same circuit.
    circuits = [
        cirq.Circuit(cirq.I.on_each(*qubits)) + circuit
        for circuit in tfq.from_tensor(tfq.convert_to_tensor(circuits))
    ]
    sums = util.random_pauli_sums(qubits, 4, 3)
    x = np.random.default_rng(1).uniform(size=(batch, len(names))).astype("float32")
    theirs = tfq.get_expectation_op()(
        tfq.convert_to_tensor(circuits),
        tf.constant(names, tf.string),
        tf.constant(x),
        tfq.convert_to_tensor([sums] * batch),
    )
    engine, ours, exact = engines.TFQEngine(), [], []
    for circuit, row in zip(circuits, x, strict=True):
        program = compile_circuit(circuit, sums, inputs=names, qubits=qubits)
        ours.append(engine.expectation(program, tf.constant(row[None]), tf.zeros((0,)))[0])
        values = dict(zip(names, row.astype(float).tolist(), strict=True))
        exact.append(reference_expectation(circuit, sums, values, qubits))
    own, other = (np.abs(np.array(found) - np.array(exact)) for found in (ours, theirs))
    # The same gates, put together in another order: rounding differs by chance, that of the
    # largest error most. Gates rewritten through matrices had twenty times the error.
    assert own.mean() < 2 * other.mean()
    assert own.max() < 4 * other.max()


@pytest.mark.parametrize("name", GATES)
def test_tfqs_gates_have_their_values_gradients_and_states(name):
    gate = GATES[name]
    seed = list(GATES).index(name)
    order = np.random.default_rng(seed).permutation(4)[: cirq.num_qubits(gate)]
    circuit = surrounded(gate(*[Q[i] for i in order]), seed)
    program = compile_circuit(circuit, ["Z", "X0*Y2"], inputs=["a", "b"], qubits=Q)
    x = np.array([[0.4, -0.7], [-0.9, 0.3]], "float32")

    def run(engine, x):
        w = np.zeros(0, x.dtype)
        return value_and_gradients(lambda x, w: engine.expectation(program, x, w), x, w)

    found, (slopes, _) = run(engines.TFQEngine(), x)
    exact, (exact_slopes, _) = run(engines.StatevectorEngine(), x.astype("float64"))
    # Some thirty gates of 6e-8 each.
    np.testing.assert_allclose(found, exact, atol=2e-6)
    # TFQ's differences, of step 5e-3 half turns in float32.
    np.testing.assert_allclose(slopes, exact_slopes, atol=1e-3)
    state, exact_state = (
        engine.state(program, tf.constant(x), tf.zeros((0,)))
        for engine in (engines.TFQEngine(), engines.StatevectorEngine())
    )
    np.testing.assert_allclose(state, exact_state, atol=2e-6)


@pytest.mark.parametrize(
    "operation",
    [
        cirq.X(Q[1]) ** 0.3,
        cirq.FSimGate(0.4, 1.2)(Q[2], Q[0]),
        cirq.PhasedISwapPowGate(phase_exponent=0.1, exponent=0.7)(Q[2], Q[0]),
        cirq.ControlledOperation([Q[0], Q[3]], cirq.H(Q[2]) ** 0.3, [0, 1]),
        cirq.FSimGate(A, 2 * A)(Q[2], Q[0]),
        cirq.ControlledOperation([Q[0], Q[3]], (cirq.SWAP**A)(Q[2], Q[1]), [0, 1]),
    ],
    ids=str,
)
def test_a_gate_that_tfq_has_stays_one_gate(operation):
    program = compile_circuit(cirq.Circuit(operation), "Z", inputs=["a"], qubits=Q)
    (written,) = operations_of(engines.TFQEngine(), program)
    assert len(written.qubits) == len(operation.qubits)


def test_single_angles_may_be_shifted_beside_gates_that_stay():
    # The program of the shift rule has other angles than the circuit; its constants stay.
    operation = cirq.ControlledOperation([Q[0]], (cirq.SWAP**A)(Q[2], Q[1]))
    circuit = surrounded([operation, cirq.FSimGate(0.4, 1.2)(Q[2], Q[0])])
    program = compile_circuit(circuit, ["Z", "X0*Y2"], inputs=["a"], qubits=Q)
    x = np.array([[0.4], [-0.9]], "float32")

    def run(engine, method):
        return value_and_gradients(
            lambda x: method.prepare(engine, program.job())(x, tf.zeros((0,))), x
        )

    found, (slopes,) = run(engines.TFQEngine(), gradients.ParameterShift())
    exact, (exact_slopes,) = run(engines.StatevectorEngine(), gradients.Adjoint())
    np.testing.assert_allclose(found, exact, atol=2e-6)
    np.testing.assert_allclose(slopes, exact_slopes, atol=5e-6)


def test_instructions_that_are_not_the_circuits_are_what_is_computed():
    program = compile_circuit(cirq.Circuit(cirq.H(Q[0]), cirq.FSimGate(0.4, 1)(Q[0], Q[1])), "Z")
    other = compile_circuit(cirq.Circuit(cirq.X(Q[0]), cirq.I(Q[1])), "Z")
    changed = dataclasses.replace(program, program=other.program)
    found = engines.TFQEngine().expectation(changed, tf.zeros((1, 0)), tf.zeros((0,)))
    np.testing.assert_allclose(found, [[-1, 1]], atol=1e-6)


def test_a_gate_derived_from_cirqs_is_what_it_says_it_is():
    class Turned(cirq.XPowGate):
        def _unitary_(self):
            return cirq.unitary(cirq.ry(0.7))

        def _decompose_(self, qubits):
            return [cirq.ry(0.7)(*qubits)]

    program = compile_circuit(cirq.Circuit(Turned()(Q[0])), ["Z", "X"])
    found = engines.TFQEngine().expectation(program, tf.zeros((1, 0)), tf.zeros((0,)))
    np.testing.assert_allclose(found, [[np.cos(0.7), np.sin(0.7)]], atol=1e-6)
