"""The compile step: order of symbols, what compiles, what is refused."""

import re

import cirq
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from qkeras_hybrid import engines
from qkeras_hybrid.engines import StatevectorEngine
from qkeras_hybrid.program import (
    Angle,
    Measurement,
    PauliRotation,
    Phase,
    Reset,
    compile_circuit,
)
from qkeras_hybrid.testing import random_circuit

Q = cirq.LineQubit.range(4)
A, B = sympy.symbols("a b")


def state_of(circuit, qubits=None, **values):
    """Computes a circuit's state in float64 by the compiled program."""
    program = compile_circuit(circuit, inputs=list(values), weights=[], qubits=qubits)
    x = ops.convert_to_tensor(np.array([list(values.values())], "float64").reshape(1, -1))
    state = StatevectorEngine().state(program, x, ops.zeros((0,), dtype="float64"))
    return ops.convert_to_numpy(state)[0]


def cirq_state(circuit, qubits=None, **values):
    resolved = cirq.resolve_parameters(circuit, values)
    order = sorted(circuit.all_qubits()) if qubits is None else qubits
    simulator = cirq.Simulator(dtype=np.complex128)
    return simulator.simulate(resolved, qubit_order=order).final_state_vector


def test_weights_keep_the_order_of_their_first_appearance():
    symbols = [sympy.Symbol(f"t{i}") for i in (10, 2, 11, 0, 1, 3, 4, 5, 6, 7, 8, 9, 12)]
    circuit = cirq.Circuit(cirq.ry(symbol)(Q[0]) for symbol in symbols)
    assert compile_circuit(circuit, "Z").weights == tuple(symbols)


def test_symbols_of_one_parameter_are_ordered_by_number():
    t2, t10 = sympy.symbols("t2 t10")
    circuit = cirq.Circuit(cirq.ry(t10 + t2)(Q[0]))
    assert compile_circuit(circuit, "Z").weights == (t2, t10)


def test_symbols_of_one_gate_are_ordered_as_its_parameters():
    circuit = cirq.Circuit(cirq.FSimGate(theta=B, phi=A)(Q[0], Q[1]))
    assert compile_circuit(circuit, "Z").weights == (B, A)


def test_inputs_keep_the_order_given_and_the_rest_are_weights():
    circuit = cirq.Circuit(cirq.rx(A)(Q[0]), cirq.rz(sympy.Symbol("w"))(Q[0]), cirq.ry(B)(Q[0]))
    program = compile_circuit(circuit, "Z", inputs=["b", A])
    assert [s.name for s in program.inputs] == ["b", "a"]
    assert [s.name for s in program.weights] == ["w"]


def test_weights_take_the_order_given():
    circuit = cirq.Circuit(cirq.rx(A)(Q[0]), cirq.rz(B)(Q[0]))
    assert compile_circuit(circuit, "Z", weights=[B, A]).weights == (B, A)


def test_symbols_with_assumptions_are_the_same_parameter():
    real = sympy.Symbol("a", real=True)
    circuit = cirq.Circuit(cirq.rx(real)(Q[0]), cirq.ry(real**2)(Q[0]))
    np.testing.assert_allclose(state_of(circuit, a=0.3), cirq_state(circuit, a=0.3), atol=1e-12)


def test_affine_angles_are_read_into_coefficients():
    circuit = cirq.Circuit(cirq.rx(2 * A - B / 2 + 1)(Q[0]))
    program = compile_circuit(circuit, "Z", inputs=[A])
    (angle,) = program.angles.rows
    assert angle == Angle(1.0, ((0, 2.0),), ((0, -0.5),))


def test_controlled_rotations_become_two_terms_each():
    circuit = cirq.Circuit(cirq.rx(A)(Q[0]).controlled_by(Q[1]))
    kinds = {type(i) for i in compile_circuit(circuit, "Z").program.instructions}
    assert PauliRotation not in kinds and Phase in kinds


def test_sub_circuits_are_unrolled_with_qubits_parameters_and_repetitions():
    inner = cirq.FrozenCircuit(cirq.rx(A)(Q[0]), cirq.CX(Q[0], Q[1]))
    nested = cirq.CircuitOperation(
        cirq.FrozenCircuit(
            cirq.CircuitOperation(inner, use_repetition_ids=False, param_resolver={"a": 2 * B})
        ),
        use_repetition_ids=False,
        repetitions=3,
        qubit_map={Q[0]: Q[2]},
    )
    circuit = cirq.Circuit(cirq.H.on_each(*Q[:3]), cirq.S(Q[1]), nested)
    program = compile_circuit(circuit, "Z")
    assert program.weights == (B,)
    np.testing.assert_allclose(
        state_of(circuit, b=0.4),
        cirq_state(cirq.unroll_circuit_op(circuit, deep=True, tags_to_check=None), b=0.4),
        atol=1e-12,
    )


def composites():
    """Circuits of sub-circuits, the names of their parameters, and the same written out."""
    q0, q1, q2, _ = Q
    w, v = sympy.symbols("w v")
    turn = cirq.FrozenCircuit(cirq.rx(A)(q1))
    once = {"use_repetition_ids": False}
    resolved = cirq.CircuitOperation(turn, **once).with_params({"a": 2 * w})
    cases = {
        "controlled": (cirq.ControlledOperation([q0], resolved), cirq.rx(2 * w)(q1), [q0]),
        "controlled twice": (resolved.controlled_by(q0).controlled_by(q2), cirq.rx(2 * w)(q1), Q),
        "tagged": (
            cirq.ControlledOperation([q0], resolved.with_tags("x")).with_tags("y"),
            cirq.rx(2 * w)(q1),
            [q0],
        ),
        "mapped": (
            cirq.ControlledOperation([q0], resolved.with_qubit_mapping({q1: q2})),
            cirq.rx(2 * w)(q2),
            [q0],
        ),
        "repeated": (
            cirq.ControlledOperation([q0], resolved.repeat(3)),
            cirq.rx(6 * w)(q1),
            [q0],
        ),
        "inverse": (
            cirq.ControlledOperation([q0], resolved**-1),
            cirq.rx(-2 * w)(q1),
            [q0],
        ),
        "number": (
            cirq.ControlledOperation(
                [q0],
                cirq.CircuitOperation(
                    cirq.FrozenCircuit(cirq.rx(A)(q1), cirq.ry(B)(q1)), **once
                ).with_params({"a": 0.3, "b": v}),
            ),
            [cirq.rx(0.3)(q1), cirq.ry(v)(q1)],
            [q0],
        ),
        "nested": (
            cirq.ControlledOperation(
                [q0],
                cirq.CircuitOperation(
                    cirq.FrozenCircuit(
                        cirq.ControlledOperation(
                            [q2], cirq.CircuitOperation(turn, **once).with_params({"a": B})
                        ),
                        cirq.ry(A)(q2),
                    ),
                    **once,
                ).with_params({"a": w, "b": v}),
            ),
            [cirq.rx(v)(q1).controlled_by(q2), cirq.ry(w)(q2)],
            [q0],
        ),
        "hamiltonian": (
            cirq.ControlledOperation(
                [q0],
                cirq.CircuitOperation(
                    cirq.FrozenCircuit(cirq.BooleanHamiltonianGate(["x"], ["x"], A)(q1)),
                    param_resolver={"a": 2 * w},
                    **once,
                ),
            ),
            # exp(-i theta/2 (1 - Z)/2), less its constant
            cirq.rz(-w)(q1),
            [q0],
        ),
    }
    for name, (operation, plain, controls) in cases.items():
        controls = [q for q in controls if q in (q0, q2)]
        plain = [part.controlled_by(*controls) for part in cirq.flatten_to_ops(plain)]
        yield pytest.param(operation, plain, id=name)


@pytest.mark.parametrize(("operation", "plain"), composites())
def test_parameters_of_a_controlled_sub_circuit_are_the_resolved_ones(operation, plain):
    start = [cirq.ry(0.3 + q.x)(q) for q in Q[:3]]
    program = compile_circuit(cirq.Circuit(start, operation), "Z")
    expected = compile_circuit(cirq.Circuit(start, plain), "Z")
    assert {s.name for s in program.weights} == {s.name for s in expected.weights}
    assert all(
        any(s in _symbols(program, row) for row in program.angles.rows) for s in program.weights
    )
    values = dict(zip(sorted(s.name for s in program.weights), (0.4, -0.7), strict=False))
    np.testing.assert_allclose(
        state_of(program.circuit, qubits=Q[:3], **values),
        cirq_state(cirq.Circuit(start, plain), qubits=Q[:3], **values),
        atol=1e-6,  # Cirq's simulator rounds some gates to complex64
    )


def _symbols(program, row):
    return [program.weights[j] for j, _ in row.weights]


def test_weights_take_the_order_of_a_controlled_sub_circuit():
    inner = cirq.FrozenCircuit(cirq.rx(A)(Q[1]), cirq.ry(B)(Q[1]))
    operation = cirq.CircuitOperation(inner, use_repetition_ids=False)
    operation = operation.with_params({"a": sympy.Symbol("z"), "b": sympy.Symbol("c")})
    circuit = cirq.Circuit(operation.controlled_by(Q[0]), cirq.rx(A)(Q[0]))
    assert [s.name for s in compile_circuit(circuit, "Z").weights] == ["z", "c", "a"]


@pytest.mark.parametrize(
    ("coefficient", "angle"),
    [
        (sympy.exp(sympy.I * A), A),
        (sympy.exp(-2 * sympy.I * A / 3 + 0.25 * sympy.I), 0.25 - 2 * A / 3),
        (sympy.exp(sympy.I * (A + 1) ** 2), (A + 1) ** 2),
        (sympy.exp(sympy.I * sympy.sin(A) * sympy.sqrt(A)), sympy.sin(A) * sympy.sqrt(A)),
        (1j * sympy.exp(sympy.I * A), A + sympy.pi / 2),
        (-sympy.exp(sympy.I * A), A + sympy.pi),
        ((1 + sympy.I) / sympy.sqrt(2) * sympy.exp(sympy.I * A), A + sympy.pi / 4),
        (sympy.exp(sympy.I * A) * 1j**A, A * (1 + sympy.pi / 2)),
        (sympy.Integer(-1) ** A, sympy.pi * A),
        (sympy.cos(A) + sympy.I * sympy.sin(A), A),
        (0.6 * sympy.cos(A) + 0.6j * sympy.sin(A) + 0.4 * sympy.exp(sympy.I * A), A),
        ((sympy.cos(A) - sympy.I * sympy.sin(A)) ** 3, -3 * A),
        (sympy.conjugate(sympy.exp(sympy.I * A)), -A),
    ],
    ids=str,
)
def test_a_symbol_in_a_global_phase_compiles(coefficient, angle):
    gate = cirq.GlobalPhaseGate(coefficient)
    start = cirq.H(Q[0])
    phase = np.exp(1j * complex(sympy.sympify(angle).subs({"a": 0.7})).real)
    plain = state_of(cirq.Circuit(start, gate.on()), a=0.7)
    np.testing.assert_allclose(plain, np.array([phase, phase]) / np.sqrt(2), atol=1e-6)
    controlled = state_of(cirq.Circuit(start, gate.controlled().on(Q[0])), a=0.7)
    np.testing.assert_allclose(controlled, np.array([1, phase]) / np.sqrt(2), atol=1e-6)


def test_a_phase_that_is_affine_is_affine_in_the_program():
    gate = cirq.GlobalPhaseGate(1j * sympy.exp(2 * sympy.I * A)).controlled()
    (angle,) = compile_circuit(cirq.Circuit(gate(Q[0])), inputs=[A]).angles.rows
    assert angle.expression is None
    assert angle.offset == pytest.approx(np.pi / 2) and angle.inputs == ((0, 2.0),)


@pytest.mark.parametrize(
    "coefficient",
    [
        A,
        2 * sympy.exp(sympy.I * A),
        sympy.exp(A),
        sympy.exp((1 + sympy.I) * A),
        sympy.cos(A) + sympy.I * sympy.sin(2 * A),
        sympy.exp(sympy.I * A) + 1,
        sympy.Integer(2) ** (sympy.I * A) * A,
        sympy.sqrt(sympy.exp(sympy.I * A)),
    ],
    ids=str,
)
def test_a_global_phase_without_modulus_one_is_refused(coefficient):
    circuit = cirq.Circuit(cirq.GlobalPhaseGate(coefficient).on(), cirq.X(Q[0]))
    with pytest.raises(ValueError, match="modulus 1 for all values of its symbols"):
        compile_circuit(circuit)


def test_a_symbol_that_its_gate_does_not_name_is_refused():
    class Secretive(cirq.Gate):
        def _num_qubits_(self):
            return 4

        def _has_unitary_(self):
            return True

        def _decompose_(self, qubits):
            yield cirq.rx(A).on_each(*qubits)

    with pytest.raises(ValueError, match="symbol a, which its gate does not name"):
        compile_circuit(cirq.Circuit(Secretive()(*Q)))


def test_a_phasor_with_identities_follows_its_definition():
    # -1 eigenstates of X I Z turn by pi * 0.4, +1 eigenstates by pi * 0.1; Cirq 1.5 decomposes
    # it as if the I were a Z.
    string = cirq.DensePauliString("XIZ")
    gate = cirq.PauliStringPhasorGate(string, exponent_neg=0.4, exponent_pos=0.1)
    start = np.kron(np.kron([0.6, 0.8], [0.8, 0.6]), [1.0, 0.0])
    turns = [cirq.ry(2 * np.arctan2(0.8, 0.6))(Q[0]), cirq.ry(2 * np.arctan2(0.6, 0.8))(Q[1])]
    p = cirq.unitary(string)
    minus, plus = ((np.eye(8) - p) / 2 @ start, (np.eye(8) + p) / 2 @ start)
    expected = np.exp(0.4j * np.pi) * minus + np.exp(0.1j * np.pi) * plus
    np.testing.assert_allclose(
        state_of(cirq.Circuit(turns, gate(*Q[:3])), qubits=Q[:3]), expected, atol=1e-6
    )


@pytest.mark.parametrize(
    "operation",
    [
        cirq.MatrixGate(cirq.testing.random_unitary(16, random_state=1))(Q[2], Q[0], Q[3], Q[1]),
        cirq.MatrixGate(cirq.testing.random_unitary(4, random_state=2))
        .controlled(2, control_values=[0, 1])
        .on(*Q),
        cirq.X(Q[0]).controlled_by(*Q[1:], control_values=[0, 1, (0, 1)]),
        cirq.rx(A).controlled(3).on(*Q),
        cirq.PauliStringPhasor(
            -cirq.X(Q[2]) * cirq.Y(Q[0]) * cirq.Z(Q[1]), exponent_neg=A, exponent_pos=0.3
        ),
        cirq.PauliStringPhasor(cirq.Y(Q[2]) * cirq.Y(Q[0]), exponent_neg=A).controlled_by(Q[3]),
        cirq.QuantumFourierTransformGate(4)(*Q),
        cirq.DiagonalGate([0.1 * k for k in range(16)])(*Q),
        cirq.global_phase_operation(1j).controlled_by(Q[1]),
        cirq.PhasedFSimGate(A, 0.2, 0.3, 0.4, A**2)(Q[3], Q[1]),
        cirq.ms(A)(Q[0], Q[2]),
        cirq.givens(A)(Q[2], Q[1]),
        cirq.riswap(A)(Q[0], Q[3]),
        cirq.CCXPowGate(exponent=A, global_shift=0.2)(*Q[:3]),
        cirq.ParallelGate(cirq.Y**A, 3)(*Q[1:]),
        cirq.rx(sympy.sin(A) * sympy.exp(-(A**2)) + sympy.sqrt(A) / (1 + A))(Q[1]),
        cirq.rx(sympy.Max(A, 0.1) + sympy.atan2(A, 2) + sympy.Abs(A) ** A)(Q[1]),
    ],
    ids=str,
)
def test_operation_has_the_state_that_cirq_gives(operation):
    # Cirq's simulators can't take everything as parameters: they get numbers.
    before = [cirq.ry(0.3 + q.x)(q) for q in Q] + [cirq.CX(Q[0], Q[2]), cirq.rz(1.1)(Q[1])]
    circuit = cirq.Circuit(before, operation)
    values = {"a": 0.7} if cirq.is_parameterized(operation) else {}
    np.testing.assert_allclose(
        state_of(circuit, **values), cirq_state(circuit, **values), atol=1e-8
    )


def test_a_power_gate_of_the_users_own_compiles():
    class Half(cirq.EigenGate):
        """A reflection about a tilted axis, and its powers."""

        def _num_qubits_(self):
            return 1

        def _eigen_components(self):
            up = np.array([[0.5, 0.5], [0.5, 0.5]])
            return [(0.25, up), (1.5, np.eye(2) - up)]

    circuit = cirq.Circuit(cirq.T(Q[0]), Half(exponent=A)(Q[0]), cirq.rx(0.3)(Q[0]))
    np.testing.assert_allclose(state_of(circuit, a=0.7), cirq_state(circuit, a=0.7), atol=1e-12)


def test_a_global_phase_is_kept():
    circuit = cirq.Circuit(cirq.Z(Q[0]) ** A, cirq.X(Q[0]), cirq.global_phase_operation(1j))
    np.testing.assert_allclose(state_of(circuit, a=0.7), [0, 1j], atol=1e-12)
    circuit = cirq.Circuit(cirq.XPowGate(exponent=A, global_shift=0.3)(Q[0]))
    np.testing.assert_allclose(state_of(circuit, a=0.7), cirq_state(circuit, a=0.7), atol=1e-12)


def test_untouched_qubits_are_there_when_named():
    program = compile_circuit(cirq.Circuit(cirq.X(Q[1])), "Z", qubits=Q[:3])
    assert program.n_qubits == 3 and len(program.observables) == 3


def test_an_empty_circuit_takes_the_qubits_of_its_observables():
    assert compile_circuit(cirq.Circuit(), cirq.Z(Q[2])).qubits == (Q[2],)


def test_programs_are_equal_and_hash_alike_when_compiled_twice():
    circuit = cirq.Circuit(cirq.rx(A)(Q[0]), cirq.H(Q[1]))
    one, two = (compile_circuit(circuit, "Z") for _ in range(2))
    assert one == two and hash(one) == hash(two)


PROJECTORS = [np.diag([1.0, 0.0]), np.diag([0.0, 1.0])]


class ResetAndTurn(cirq.Gate):
    """Has Kraus operators by its parts alone."""

    def _num_qubits_(self):
        return 1

    def _decompose_(self, qubits):
        return [cirq.reset(*qubits), cirq.X(*qubits)]


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (cirq.measure(Q[0], confusion_map={(0,): np.eye(2)}), "`confusion_map` changes"),
        (cirq.KrausChannel(PROJECTORS, key="k")(Q[0]), "Leave out the `key`"),
        (
            cirq.MixedUnitaryChannel([(0.5, np.eye(2)), (0.5, np.diag([1, -1]))], key="k")(Q[0]),
            "Leave out the `key`",
        ),
        (cirq.RandomGateChannel(sub_gate=ResetAndTurn(), probability=0.3)(Q[0]), "neither a unit"),
        (cirq.X(Q[0]).with_classical_controls("m"), "measured bits"),
        (
            cirq.X(cirq.LineQid(0, 3)) if False else cirq.IdentityGate(1, (3,))(cirq.LineQid(0, 3)),
            "3 levels",
        ),
        (cirq.rx(sympy.gamma(A))(Q[0]), "gamma"),
        (cirq.rx(sympy.I * A)(Q[0]), "real"),
    ],
    ids=[
        "confusion",
        "keyed channel",
        "keyed mixture",
        "random",
        "classical",
        "qutrit",
        "function",
        "complex",
    ],
)
def test_what_has_no_unitary_is_refused_by_name(operation, words):
    with pytest.raises(ValueError, match=words):
        compile_circuit(cirq.Circuit(operation))


def test_what_is_not_unitary_is_kept_as_an_instruction():
    circuit = cirq.Circuit(
        cirq.amplitude_damp(0.3)(Q[1]), cirq.measure(Q[1], Q[0], key="m"), cirq.reset(Q[0])
    )
    channel, measurement, reset = compile_circuit(circuit).program.instructions
    assert channel.qubits == (1,)
    np.testing.assert_allclose(channel.arrays, cirq.kraus(cirq.amplitude_damp(0.3)))
    assert measurement == Measurement((1, 0), "m", (False, False))
    assert reset == Reset((0,))


@pytest.mark.parametrize(
    ("operation", "parts"),
    [
        (cirq.ParallelGate(cirq.ResetChannel(), 2)(*Q[:2]), cirq.reset_each(*Q[:2])),
        (
            cirq.ParallelGate(cirq.depolarize(0.1), 2)(*Q[:2]),
            cirq.depolarize(0.1).on_each(*Q[:2]),
        ),
        (
            cirq.ParallelGate(cirq.MeasurementGate(1, "m"), 2)(*Q[:2]),
            [cirq.measure(q, key="m") for q in Q[:2]],
        ),
        (ResetAndTurn()(Q[0]), [cirq.reset(Q[0]), cirq.X(Q[0])]),
    ],
    ids=["resets", "channels", "measurements", "of a user"],
)
def test_what_is_not_unitary_by_its_parts_is_its_parts(operation, parts):
    whole, apart = (compile_circuit(cirq.Circuit(c), "Z").program for c in (operation, parts))
    assert whole == apart


def test_a_measurement_of_a_pauli_string_leaves_it_and_its_commutants_alone():
    circuit = cirq.Circuit(
        cirq.ry(0.4)(Q[0]),
        cirq.ry(1.1)(Q[1]),
        cirq.PauliMeasurementGate([cirq.X, cirq.Z], key="m")(*Q[:2]),
    )
    compiled = compile_circuit(circuit)
    (written,) = compiled.program.circuits(np.zeros((1, compiled.program.n_angles)))
    density = (
        sum(
            cirq.DensityMatrixSimulator(dtype=np.complex128, seed=seed)
            .simulate(written)
            .final_density_matrix
            for seed in range(400)
        )
        / 400
    )

    def value(paulis):
        return np.trace(density @ np.kron(*map(cirq.unitary, paulis))).real

    # Any result leaves the mean of what commutes with XZ as it was, once many are averaged:
    # 4 standard errors of 400. What anticommutes, a result makes zero.
    limit = 4 / np.sqrt(400)
    assert abs(value((cirq.X, cirq.Z)) - np.sin(0.4) * np.cos(1.1)) < limit
    assert abs(value((cirq.X, cirq.I)) - np.sin(0.4)) < limit
    assert abs(value((cirq.I, cirq.Z)) - np.cos(1.1)) < limit
    assert abs(value((cirq.Z, cirq.I))) < 1e-12
    assert abs(value((cirq.I, cirq.X))) < 1e-12


def test_written_measurements_have_keys_of_their_own_in_order():
    inner = cirq.FrozenCircuit(cirq.measure(Q[0], key="m"))
    circuit = cirq.Circuit(
        cirq.measure(Q[0], key="m"),
        cirq.measure(Q[0], key="m"),
        cirq.CircuitOperation(inner, repetitions=2, use_repetition_ids=True),
        cirq.measure(Q[0], key=cirq.MeasurementKey("m", ("p",))),
    )
    written = compile_circuit(circuit, "Z").program.circuits(np.zeros((2, 0)))
    keys = [f"_qkeras_hybrid_{k}" for k in range(5)]
    assert [[cirq.measurement_key_name(op) for op in one.all_operations()] for one in written] == [
        keys,
        keys,
    ]


@pytest.mark.parametrize("name", ["native", "tfq", "statevector"])
@pytest.mark.parametrize(
    "operation",
    [cirq.measure(Q[0]), cirq.depolarize(0.1)(Q[0]), cirq.reset(Q[0])],
    ids=["measurement", "channel", "reset"],
)
def test_engines_of_ideal_circuits_refuse_what_is_not_unitary(name, operation):
    job = compile_circuit(cirq.Circuit(cirq.H(Q[0]), operation), "Z").job()
    reason = engines.get(name).refuses(job)
    assert re.search("does not execute (Measurement|Channel|Reset)|Keras backend", reason)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_circuits_written_from_a_program_have_its_state(seed):
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, 3, 6)
    compiled = compile_circuit(circuit, inputs=list("abcd"), weights=())
    values = rng.uniform(-2, 2, (2, 4))
    angles = compiled.angles(
        ops.convert_to_tensor(values, dtype="float64"), ops.zeros((0,), "float64")
    )
    written = compiled.program.circuits(ops.convert_to_numpy(angles))
    for one, row in zip(written, values, strict=True):
        assert not cirq.is_parameterized(one)
        np.testing.assert_allclose(
            cirq_state(one, compiled.qubits),
            cirq_state(circuit, compiled.qubits, **dict(zip("abcd", row, strict=True))),
            atol=1e-7,  # Cirq's simulator rounds some gates to complex64
        )


def test_written_circuits_have_idle_qubits_channels_and_no_symbols():
    circuit = cirq.Circuit(cirq.rx(A)(Q[1]), cirq.depolarize(0.2)(Q[1]), cirq.reset(Q[1]))
    compiled = compile_circuit(circuit, "Z", qubits=Q[:3])
    (written,) = compiled.program.circuits([[0.3]])
    assert written.all_qubits() == frozenset(Q[:3])
    kinds = [type(op.gate) for op in written.all_operations()]
    assert cirq.KrausChannel in kinds and cirq.ResetChannel in kinds
    with pytest.raises(ValueError, match=r"angles.*\(batch, 1\)"):
        compiled.program.circuits([0.3])


def test_leftover_symbols_are_named():
    circuit = cirq.Circuit(cirq.rx(A)(Q[0]), cirq.ry(B)(Q[0]))
    with pytest.raises(ValueError, match="neither inputs nor weights: b"):
        compile_circuit(circuit, "Z", inputs=["a"], weights=[])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"circuit": "no circuit"}, "cirq.Circuit"),
        ({"circuit": cirq.Circuit()}, "at least one qubit"),
        ({"qubits": [Q[0], Q[0]]}, "each qubit once"),
        ({"qubits": [Q[1]]}, "every qubit of the circuit"),
        ({"inputs": ["a", "a"]}, "each symbol once"),
        ({"inputs": ["a"], "weights": ["a"]}, "is also an input"),
        ({"inputs": [3]}, "symbols or their names"),
        ({"observables": cirq.Z(Q[3])}, "doesn't have"),
    ],
)
def test_bad_arguments_are_refused(arguments, words):
    given = {"circuit": cirq.Circuit(cirq.rx(A)(Q[0])), **arguments}
    with pytest.raises(ValueError, match=words):
        compile_circuit(given.pop("circuit"), given.pop("observables", ()), **given)
