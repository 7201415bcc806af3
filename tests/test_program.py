"""The compile step: order of symbols, what compiles, what is refused."""

import cirq
import numpy as np
import pytest
import sympy
from keras import ops

from qkeras_hybrid.engines import StatevectorEngine
from qkeras_hybrid.program import Angle, PauliRotation, Phase, compile_circuit

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
    (angle,) = program.angles
    assert angle == Angle(1.0, ((0, 2.0),), ((0, -0.5),))


def test_controlled_rotations_become_two_terms_each():
    circuit = cirq.Circuit(cirq.rx(A)(Q[0]).controlled_by(Q[1]))
    kinds = {type(i) for i in compile_circuit(circuit, "Z").instructions}
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


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (cirq.measure(Q[0]), "measurements"),
        (cirq.depolarize(0.1)(Q[0]), "channels"),
        (cirq.reset(Q[0]), "can't be compiled"),
        (cirq.X(Q[0]).with_classical_controls("m"), "classical control"),
        (
            cirq.X(cirq.LineQid(0, 3)) if False else cirq.IdentityGate(1, (3,))(cirq.LineQid(0, 3)),
            "3 levels",
        ),
        (cirq.rx(sympy.gamma(A))(Q[0]), "gamma"),
        (cirq.rx(sympy.I * A)(Q[0]), "real"),
    ],
    ids=["measurement", "channel", "reset", "classical", "qutrit", "function", "complex"],
)
def test_what_has_no_unitary_is_refused_by_name(operation, words):
    with pytest.raises(ValueError, match=words):
        compile_circuit(cirq.Circuit(operation))


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
        ({"inputs": ["a"], "weights": ["a"]}, "input too"),
        ({"inputs": [3]}, "symbols or their names"),
        ({"observables": cirq.Z(Q[3])}, "doesn't have"),
    ],
)
def test_bad_arguments_are_refused(arguments, words):
    given = {"circuit": cirq.Circuit(cirq.rx(A)(Q[0])), **arguments}
    with pytest.raises(ValueError, match=words):
        compile_circuit(given.pop("circuit"), given.pop("observables", ()), **given)
