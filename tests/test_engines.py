"""One contract over all engines: closed forms, cirq.Simulator, traps, bad input."""

import re

import cirq
import keras
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from qkeras_hybrid import engines, readouts
from qkeras_hybrid._checks import available_memory
from qkeras_hybrid.engines.base import memory_refusal
from qkeras_hybrid.program import compile_circuit
from qkeras_hybrid.testing import (
    assert_engine_conforms,
    assert_matches_reference,
    random_gates,
    reference_expectation,
    reference_gradients,
    systems,
    value_and_gradients,
)

TENSORFLOW = keras.backend.backend() == "tensorflow"
Q = cirq.LineQubit.range(4)
Q7 = cirq.LineQubit.range(7)
A, B = sympy.symbols("a b")
# JAX compiles anew for each circuit, which takes seconds.
EXAMPLES = 8 if TENSORFLOW else 3

# (engine, precision, tolerance of values, tolerance of gradients). complex64 carries 6e-8 a
# gate; gradients in the random circuits reach 30. TFQ's adjoint differentiates each gate by
# central differences of step 5e-3 half turns in float32: measured up to 1e-4 of the gradient.
AVAILABLE = [name for name, status in engines.status().items() if status == "available"]
TOLERANCES = {
    ("float32", False): (1e-5, 1e-4),
    ("float64", False): (1e-12, 1e-8),
    ("float32", True): (2e-5, 5e-3),
}
CASES = [
    pytest.param(engines.get(name), dtype, *TOLERANCES[dtype, name == "tfq"], id=f"{name}-{dtype}")
    for name in AVAILABLE
    for dtype in engines.get(name).dtypes
]
ENGINES = [pytest.param(engines.get(name), id=name) for name in AVAILABLE]


def that_declare(attribute, readout, cases):
    """The cases whose engine declares a readout: an engine need not have every ability."""
    return [case for case in cases if readout in getattr(case.values[0], attribute)]


def tensor(values, dtype="float32"):
    return ops.convert_to_tensor(np.asarray(values, dtype), dtype=dtype)


def expectation(engine, circuit, observables="Z", x=((),), w=(), **kwargs):
    program = compile_circuit(circuit, observables, **kwargs)
    values = engine.expectation(program, tensor(x), tensor(w))
    return ops.convert_to_numpy(values)


@pytest.mark.parametrize(
    ("engine", "dtype", "atol", "gradient_atol"),
    that_declare("differentiates", readouts.Expectation, CASES),
)
@pytest.mark.parametrize("system", systems(), ids=lambda system: system.name)
def test_values_and_gradients_match_closed_form(system, engine, dtype, atol, gradient_atol):
    x = np.random.default_rng(1).uniform(-1.5, 1.5, (5, 2)).astype(dtype)
    w = np.array([0.4, -0.9], dtype)
    program = compile_circuit(
        system.circuit, system.observables, inputs=["a", "b"], weights=["c", "d"]
    )
    values, (grad_x, grad_w) = value_and_gradients(
        lambda inputs, weights: engine.expectation(program, inputs, weights), x, w
    )
    exact = np.array([system.values(*row, *w) for row in x.astype("float64")])
    np.testing.assert_allclose(values, exact, atol=atol)
    h = 1e-5

    def slope(direction):
        dx, dw = direction[:2], direction[2:]
        plus = [np.sum(system.values(*(row + h * dx), *(w + h * dw))) for row in x.astype(float)]
        minus = [np.sum(system.values(*(row - h * dx), *(w - h * dw))) for row in x.astype(float)]
        return (np.array(plus) - np.array(minus)) / (2 * h)

    unit = np.eye(4)
    np.testing.assert_allclose(
        grad_x, np.stack([slope(unit[0]), slope(unit[1])], 1), atol=max(gradient_atol, 1e-8)
    )
    np.testing.assert_allclose(
        grad_w, [slope(unit[2]).sum(), slope(unit[3]).sum()], atol=max(5 * gradient_atol, 1e-8)
    )


@pytest.mark.parametrize(
    ("engine", "dtype", "atol", "gradient_atol"),
    # Under JAX and PyTorch the smaller circuits below are enough in single precision.
    [
        case
        if TENSORFLOW or "float64" in case.values
        else pytest.param(*case.values, id=case.id, marks=pytest.mark.slow)
        for case in CASES
    ],
)
def test_random_circuits_match_cirq(engine, dtype, atol, gradient_atol):
    # JAX compiles each anew, which takes seconds.
    n_programs = 1 if keras.backend.backend() == "jax" else 4
    assert_engine_conforms(
        engine,
        n_programs=n_programs,
        dtypes=[dtype],
        value_tolerance=atol,
        gradient_tolerance=gradient_atol,
    )


@st.composite
def circuits(draw):
    """Circuits on 3 qubits of any gates that compile; they shrink gate by gate."""
    circuit = cirq.Circuit(cirq.I.on_each(*Q[:3]))
    number = st.integers(-12, 12).map(lambda k: k / 8)
    for _ in range(draw(st.integers(1, 6))):
        names = draw(st.permutations("abcd"))
        gates = random_gates(sympy.symbols(names), [draw(number), draw(number)])
        gate = draw(st.sampled_from(gates))
        on = draw(st.permutations(range(3)))[: cirq.num_qubits(gate)]
        circuit.append(gate.on(*[Q[i] for i in on]))
    return circuit


@pytest.mark.parametrize(("engine", "dtype", "atol", "gradient_atol"), CASES)
@settings(max_examples=EXAMPLES)
@given(circuit=circuits(), seed=st.integers(0, 2**16))
def test_any_circuit_matches_cirq(engine, dtype, atol, gradient_atol, circuit, seed):
    rng = np.random.default_rng(seed)
    assert_matches_reference(engine, circuit, rng, dtype, atol, gradient_atol, batch=1)


@st.composite
def gapped_programs(draw):
    """Pauli strings and controlled phases on any of up to 8 qubits, with inputs and constants."""
    n = draw(st.integers(2, 8))
    qubits = cirq.LineQubit.range(n)
    some = st.lists(st.sampled_from(qubits), min_size=1, max_size=min(n, 5), unique=True)
    angle = st.sampled_from([A, B, 0.25, A + 0.5])

    def string():
        on = draw(some)
        return cirq.PauliString({q: draw(st.sampled_from([cirq.X, cirq.Y, cirq.Z])) for q in on})

    circuit = cirq.Circuit(cirq.ry(0.4 + 0.3 * q.x)(q) for q in qubits)
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            circuit.append(cirq.PauliStringPhasor(string(), exponent_neg=draw(angle)))
        else:
            *controls, target = draw(some)
            operation = cirq.ZPowGate(exponent=draw(angle))(target)
            circuit.append(operation.controlled_by(*controls) if controls else operation)
    return circuit, [cirq.PauliSum.from_pauli_strings([string()]) for _ in range(2)], qubits


@pytest.mark.parametrize(("engine", "dtype", "atol", "gradient_atol"), CASES)
@settings(max_examples=EXAMPLES)
@given(drawn=gapped_programs())
def test_strings_and_phases_on_any_qubits_match_cirq(engine, dtype, atol, gradient_atol, drawn):
    circuit, observables, qubits = drawn
    program = compile_circuit(circuit, observables, inputs=["a", "b"], qubits=qubits)
    x = np.array([[0.3, -0.8], [1.1, 0.2], [-0.4, 0.9]], dtype)
    values, _ = value_and_gradients(
        lambda x, w: engine.expectation(program, x, w), x, np.zeros(0, dtype)
    )
    exact = [
        reference_expectation(circuit, observables, {"a": a, "b": b}, qubits)
        for a, b in x.astype("float64").tolist()
    ]
    np.testing.assert_allclose(values, exact, atol=atol)


# What TensorFlow can't broadcast along with a batch: factors with gaps between the qubits.
GAPPED = {
    "a string of Z": ([], cirq.Z(Q7[0]) * cirq.Z(Q7[2]) * cirq.Z(Q7[4])),
    "a string of all letters": ([], cirq.Z(Q7[1]) * cirq.X(Q7[3]) * cirq.Y(Q7[5])),
    "a controlled phase": ([(cirq.CZ**A)(Q7[5], Q7[1])], cirq.X(Q7[1])),
    "a phase of three": ([(cirq.CCZ**A)(Q7[5], Q7[1], Q7[3])], cirq.X(Q7[1])),
    "CCZ": ([cirq.CCZ(Q7[4], Q7[0], Q7[2])], cirq.X(Q7[2])),
    "a diagonal": (
        [cirq.ThreeQubitDiagonalGate([0.1 * k for k in range(8)])(Q7[1], Q7[3], Q7[5])],
        cirq.X(Q7[3]),
    ),
    "a rotation": (
        [cirq.PauliStringPhasor(cirq.X(Q7[1]) * cirq.Z(Q7[3]) * cirq.Y(Q7[5]), exponent_neg=A)],
        cirq.Z(Q7[1]),
    ),
    "a matrix": (
        [cirq.MatrixGate(cirq.testing.random_unitary(8, random_state=3))(Q7[5], Q7[1], Q7[3])],
        cirq.Z(Q7[1]),
    ),
}


def assert_gaps_are_right(operations, observables, compiled=lambda run: run):
    # First on a state that is one for the whole batch, then on one for each sample.
    start = [cirq.ry(0.4 + 0.3 * q.x)(q) for q in Q7]
    circuit = cirq.Circuit(start, operations, [cirq.rx(A)(q) for q in Q7], operations)
    program = compile_circuit(circuit, observables, inputs=["a"])
    x = np.array([[0.3], [-1.1], [0.7]], "float32")
    run = compiled(lambda x, w: engines.StatevectorEngine().expectation(program, x, w))
    values, (slopes, _) = value_and_gradients(run, x, np.zeros(0, "float32"))
    sums = [cirq.PauliSum.from_pauli_strings([cirq.PauliString(o)]) for o in observables]
    for value, slope, a in zip(values, slopes[:, 0], x[:, 0].tolist(), strict=True):
        arguments = (circuit, sums, {"a": a}, Q7)
        # Some tens of gates in complex64, of 6e-8 each, and up to 30 terms in a slope.
        np.testing.assert_allclose(value, reference_expectation(*arguments), atol=3e-6)
        np.testing.assert_allclose(slope, reference_gradients(*arguments)["a"].sum(), atol=1e-4)


@pytest.mark.skipif(not TENSORFLOW, reason="what the other backends compile is below")
@pytest.mark.parametrize("name", GAPPED)
def test_statevector_takes_gaps_between_qubits(name):
    operations, observable = GAPPED[name]
    assert_gaps_are_right(operations, [observable])


@pytest.mark.parametrize("how", ["graph", "XLA"] if TENSORFLOW else ["as it comes"])
def test_statevector_takes_gaps_between_qubits_compiled(how):
    names = ["a phase of three", "CCZ", "a string of all letters"]
    operations = [operation for name in names for operation in GAPPED[name][0]]
    observables = [GAPPED[name][1] for name in names]

    def compiled(run):
        if not TENSORFLOW:
            return run
        import tensorflow as tf

        signature = [tf.TensorSpec((None, 1)), tf.TensorSpec((0,))]
        return tf.function(run, signature, jit_compile=how == "XLA", autograph=False)

    assert_gaps_are_right(operations, observables, compiled)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_circuit_reads_plus_one(engine):
    assert expectation(engine, cirq.Circuit(), cirq.Z(Q[0])) == pytest.approx(np.array([[1.0]]))


@pytest.mark.parametrize("engine", ENGINES)
def test_an_untouched_readout_qubit_reads_plus_one(engine):
    circuit = cirq.Circuit(cirq.X(Q[0]))
    found = expectation(engine, circuit, ["Z", "ZZ"], qubits=Q[:3])
    np.testing.assert_allclose(found, [[-1, 1, 1, -1, 1]], atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_identity_and_empty_sums_are_their_numbers(engine):
    observables = [cirq.PauliSum() + 2.5, cirq.PauliSum(), "Z0 - 1"]
    found = expectation(engine, cirq.Circuit(cirq.X(Q[0])), observables)
    np.testing.assert_allclose(found, [[2.5, 0.0, -2.0]], atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_more_than_ten_weights_keep_their_order(engine):
    # Each weight turns a qubit of its own, so a value shows which weight it took.
    symbols = sympy.symbols("t0:11")
    order = [3, 10, 2, 0, 1, 9, 5, 4, 6, 8, 7]
    qubits = cirq.LineQubit.range(11)
    circuit = cirq.Circuit(cirq.ry(symbols[i])(qubits[k]) for k, i in enumerate(order))
    w = np.linspace(0.1, 2.9, 11)
    found = expectation(engine, circuit, "Z", w=w)
    np.testing.assert_allclose(found[0], np.cos(w), atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_constants_keep_full_single_precision(engine):
    # A constant rounded to six digits would be off by up to 2e-5 after 40 repetitions.
    step = 0.1234567891
    circuit = cirq.Circuit(
        [(cirq.X**step)(Q[0]), cirq.ZZ(Q[0], Q[1]) ** 0.0, (cirq.X**step)(Q[0])] * 20
    )
    found = expectation(engine, circuit, ["Z0"])
    assert found[0, 0] == pytest.approx(np.cos(40 * np.pi * step), abs=5e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_qubits_of_any_kind_are_taken(engine):
    named = cirq.NamedQubit("one")
    found = expectation(engine, cirq.Circuit(cirq.X(named), cirq.X(Q[3])), "Z")
    np.testing.assert_allclose(found, [[-1, -1]], atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "operation",
    [
        cirq.MatrixGate(cirq.testing.random_unitary(4, random_state=5))(Q[2], Q[0]),
        cirq.PhasedXZGate(x_exponent=0.3, z_exponent=0.7, axis_phase_exponent=0.1)(Q[1]),
        cirq.CCX(Q[0], Q[2], Q[1]),
        cirq.CCZ(Q[0], Q[2], Q[1]) ** 0.3,
        cirq.CSWAP(Q[2], Q[0], Q[1]),
        cirq.IdentityGate(3)(*Q[:3]),
    ],
    ids=str,
)
def test_what_tfq_refuses_to_serialize_is_taken(engine, operation):
    before = [cirq.ry(0.3 + q.x)(q) for q in Q[:3]] + [cirq.CX(Q[0], Q[2])]
    circuit = cirq.Circuit(before, operation, cirq.H.on_each(*Q[:3]))
    state = cirq.Simulator(dtype=np.complex128).simulate(circuit).final_state_vector
    exact = [
        cirq.PauliString(cirq.Z(q))
        .expectation_from_state_vector(state, {q: i for i, q in enumerate(Q[:3])})
        .real
        for q in Q[:3]
    ]
    np.testing.assert_allclose(expectation(engine, circuit)[0], exact, atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_serves_many_programs(engine):
    for angle in (0.1, 0.2, 0.3):
        circuit = cirq.Circuit(cirq.rx(A + angle)(Q[0]))
        found = expectation(engine, circuit, x=[[0.5]], inputs=["a"])
        assert found[0, 0] == pytest.approx(np.cos(0.5 + angle), abs=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_batch_equals_its_samples(engine):
    circuit = cirq.Circuit(cirq.rx(A)(Q[0]), cirq.CX(Q[0], Q[1]), cirq.ry(B * A)(Q[1]))
    x = np.random.default_rng(0).uniform(-3, 3, (7, 2))
    together = expectation(engine, circuit, x=x, inputs=["a", "b"])
    alone = [expectation(engine, circuit, x=row[None], inputs=["a", "b"])[0] for row in x]
    np.testing.assert_allclose(together, alone, atol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_batch_gives_an_empty_result_and_gradient(engine):
    circuit = cirq.Circuit(cirq.rx(A)(Q[0]), cirq.ry(B)(Q[0]))
    program = compile_circuit(circuit, "Z", inputs=["a"])
    values, (grad_x, grad_w) = value_and_gradients(
        lambda x, w: engine.expectation(program, x, w),
        np.zeros((0, 1), "float32"),
        np.ones(1, "float32"),
    )
    assert values.shape == (0, 1) and grad_x.shape == (0, 1)
    np.testing.assert_array_equal(grad_w, [0.0])


@pytest.mark.parametrize("engine", ENGINES)
def test_no_observables_give_no_columns(engine):
    assert expectation(engine, cirq.Circuit(cirq.X(Q[0])), (), x=np.zeros((3, 0))).shape == (3, 0)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_stays_in_its_sample(engine, bad):
    circuit = cirq.Circuit(cirq.rx(A)(Q[0]), cirq.ry(B)(Q[1]))
    found = expectation(engine, circuit, x=[[bad, 0.5], [0.3, 0.5]], inputs=["a", "b"])
    assert np.isnan(found[0, 0])
    np.testing.assert_allclose(found[1], [np.cos(0.3), np.cos(0.5)], atol=1e-5)


@pytest.mark.parametrize("engine", that_declare("readouts", readouts.Samples, ENGINES))
def test_state_probabilities_and_samples_are_big_endian(engine):
    circuit = cirq.Circuit(cirq.X(Q[0]), cirq.ry(A)(Q[2]), cirq.I(Q[1]))
    program = compile_circuit(circuit, inputs=["a"])
    x, w = tensor([[0.0], [np.pi / 2]]), tensor([])
    half = np.sqrt(0.5)
    state = np.array([[0, 0, 0, 0, 1, 0, 0, 0], [0, 0, 0, 0, half, half, 0, 0]])
    if readouts.State in engine.readouts:
        found = ops.convert_to_numpy(engine.state(program, x, w))
        np.testing.assert_allclose(found, state, atol=1e-6)
    chances = ops.convert_to_numpy(engine.probabilities(program, x, w))
    np.testing.assert_allclose(chances, np.abs(state) ** 2, atol=1e-6)
    bits = ops.convert_to_numpy(engine.sample(program, x, w, 400, seed=3))
    assert bits.shape == (2, 400, 3) and set(np.unique(bits)) <= {0, 1}
    np.testing.assert_array_equal(bits[0], np.tile([1, 0, 0], (400, 1)))
    assert 0.35 < bits[1, :, 2].mean() < 0.65
    again = ops.convert_to_numpy(engine.sample(program, x, w, 400, seed=3))
    np.testing.assert_array_equal(bits, again)


@pytest.mark.parametrize("engine", that_declare("readouts", readouts.Samples, ENGINES))
def test_samples_of_equal_states_are_independent(engine):
    program = compile_circuit(cirq.Circuit(cirq.H.on_each(*Q[:2])))
    seeds = [3, 3, 4, keras.random.SeedGenerator(3)]
    drawn = [
        engine.sample(program, tensor(np.zeros((2, 0))), tensor([]), 2000, seed=s) for s in seeds
    ]
    one, same, other, more = (ops.convert_to_numpy(bits) for bits in drawn)
    np.testing.assert_array_equal(one, same)
    assert np.any(one != other)
    further = engine.sample(program, tensor(np.zeros((2, 0))), tensor([]), 2000, seed=seeds[-1])
    assert np.any(more != ops.convert_to_numpy(further))
    # Two samples, two qubits, two seeds: of independent coins half agree, 0.5 +- 0.5/sqrt(2000).
    coins = [*one[0].T, *one[1].T, *other[0].T]
    for i, first in enumerate(coins):
        for second in coins[:i]:
            assert np.mean(first == second) == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(2000))


@pytest.mark.parametrize("engine", ENGINES)
def test_wrong_shapes_are_refused(engine):
    program = compile_circuit(cirq.Circuit(cirq.rx(A)(Q[0])), "Z", inputs=["a"])
    with pytest.raises(ValueError, match=r"inputs.*\(batch, 1\)"):
        engine.expectation(program, tensor([[1.0, 2.0]]), tensor([]))
    with pytest.raises(ValueError, match=r"weights.*\(0,\)"):
        engine.expectation(program, tensor([[1.0]]), tensor([1.0]))
    with pytest.raises(ValueError, match="shots"):
        engine.sample(program, tensor([[1.0]]), tensor([]), 0)


@pytest.mark.parametrize("engine", ENGINES)
def test_more_qubits_than_memory_are_refused_with_the_bytes(engine):
    n = int(np.log2(available_memory())) + 1
    circuit = cirq.Circuit(cirq.X.on_each(*cirq.LineQubit.range(n)))
    reason = engine.refuses(compile_circuit(circuit, "Z").job())
    assert f"{n} qubits need" in reason and "bytes" in reason
    with pytest.raises(ValueError, match=f"{n} qubits need"):
        engines.choose(compile_circuit(circuit, "Z").job())


@pytest.mark.parametrize("engine", ENGINES)
def test_half_precision_is_computed_in_single_precision(engine):
    program = compile_circuit(cirq.Circuit(cirq.rx(A)(Q[0])), "Z", inputs=["a"])
    found = engine.expectation(program, tensor([[1.0]], "float16"), tensor([], "float16"))
    assert keras.backend.standardize_dtype(found.dtype) == "float16"
    # float16 has eleven bits: half a unit in the last place is 2.4e-4 here.
    assert float(found[0, 0]) == pytest.approx(np.cos(1.0), abs=2.5e-4)


def test_a_run_refuses_another_precision_than_its_job_s():
    program = compile_circuit(cirq.Circuit(cirq.rx(A)(Q[0])), "Z", inputs=["a"])
    run = engines.StatevectorEngine().prepare(program.job())
    with pytest.raises(ValueError, match="float32 or float64"):
        run(tensor([[1.0]], "float16"), tensor([], "float16"))


@pytest.mark.parametrize("name", engines.names())
def test_engines_round_trip(name):
    engine = engines.get(name)
    assert engines.get(keras.saving.serialize_keras_object(engine)) == engine
    assert engines.get(engine) is engine


def test_shots_round_trip_and_take_the_engine_that_samples():
    program = compile_circuit(cirq.Circuit(cirq.rx(A)(Q[0])), "Z", inputs=["a"])
    assert engines.choose(program.job(shots=50)).name in ("native", "statevector")
    engine = engines.StatevectorEngine(shots=50)
    assert engines.get(keras.saving.serialize_keras_object(engine)) == engine


def test_unknown_engines_are_refused_with_the_known_names():
    with pytest.raises(ValueError, match=r"'auto', .*'statevector'"):
        engines.get("qsim")
    with pytest.raises(ValueError, match="name or an Engine"):
        engines.get(3)
    with pytest.raises(ValueError, match="'adjoint', 'parameter_shift'"):
        engines.TFQEngine("spsa")


def test_auto_takes_one_that_has_the_precision():
    program = compile_circuit(cirq.Circuit(cirq.rx(A)(Q[0])), "Z", inputs=["a"])
    assert "float64" in engines.choose(program.job("float64")).dtypes
    with pytest.raises(ValueError, match=r"not float64|Keras backend"):
        engines.choose(program.job("float64"), engines.TFQEngine())


def test_whole_numbers_are_computed_as_floating_ones():
    compiled = compile_circuit(cirq.Circuit(cirq.rx(A)(Q[0])), "Z", inputs=["a"])
    engine = engines.get("statevector")
    for values in ([[1], [2]], np.array([[1], [2]], "int64")):
        found = engine.expectation(compiled, values)
        assert keras.backend.standardize_dtype(found.dtype) == "float32"
        np.testing.assert_allclose(found, np.cos([[1], [2]]), atol=1e-6)
        np.testing.assert_allclose(
            engine.probabilities(compiled, values)[:, 0], np.cos([0.5, 1]) ** 2, atol=1e-6
        )


@pytest.mark.parametrize("name", engines.names())
def test_frequencies_are_those_of_samples_of_the_same_seed(name):
    engine = engines.get(name)
    circuit = cirq.Circuit(cirq.rx(A)(Q[0]), cirq.ry(A)(Q[1]), cirq.CNOT(*Q[:2]))
    compiled = compile_circuit(circuit, inputs=["a"])
    inputs = ops.array([[0.4], [1.9], [2.5]], dtype="float32")
    jobs = [
        compiled.reading(readout).job(shots=25, gradient=False)
        for readout in (readouts.Samples(), readouts.Probabilities())
    ]
    if engine.refuses(jobs[1]):
        pytest.skip(f"{name}: {engine.refuses(jobs[1])}")
    bits, shares = (
        ops.convert_to_numpy(engine.prepare(job)(inputs, ops.zeros((0,)), 3)) for job in jobs
    )
    counts = [np.bincount(row, minlength=4) for row in bits @ [2, 1]]
    # Twenty-fifths, rounded to float32.
    np.testing.assert_allclose(shares, np.array(counts) / 25, atol=1e-6)
    for none in (engine.prepare(job)(inputs[:0], ops.zeros((0,)), 3) for job in jobs):
        assert none.shape[0] == 0


@pytest.mark.parametrize("shots", [None, 5])
def test_a_host_call_draws_a_seed_at_each_call_of_a_graph_and_none_without_shots(shots):
    compiled = compile_circuit(cirq.Circuit(cirq.rx(A)(Q[0])), "Z", inputs=["a"])
    seeds = []

    def function(angles, seed):
        seeds.append(seed)
        return np.zeros((len(angles), 1))

    run = engines.host_call(compiled.job(shots=shots), function)
    inputs, weights = ops.zeros((2, 1)), ops.zeros((0,))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        traced = tf.function(lambda: run(inputs, weights))
        for _ in range(6):
            traced()
    else:
        for _ in range(6):
            run(inputs, weights)
    for seed in (11, 11, keras.random.SeedGenerator(4)):
        ops.convert_to_numpy(run(inputs, weights, seed))
    if shots is None:
        assert seeds == [None] * 9
    else:
        # Six of 2**31 - 1 numbers are alike by chance once in 10**8 runs.
        assert len(set(seeds[:6])) == 6
        assert seeds[6] == seeds[7] != seeds[8]


def test_status_says_what_is_available():
    status = engines.status()
    assert set(status) == set(engines.names())
    assert status["statevector"] == "available"
    if not TENSORFLOW:
        assert "runs under tensorflow" in status["tfq"]


@pytest.mark.skipif(engines.status()["tfq"] != "available", reason="TFQ is not here")
@pytest.mark.parametrize(
    "gradient", ["parameter_shift", "central_difference", "forward_difference"]
)
def test_tfq_takes_its_other_differentiators(gradient):
    program = compile_circuit(cirq.Circuit(cirq.rx(2 * A)(Q[0])), "Z", inputs=["a"])
    _, (found, _) = value_and_gradients(
        lambda x, w: engines.TFQEngine(gradient).expectation(program, x, w),
        np.array([[0.4]], "float32"),
        np.zeros(0, "float32"),
    )
    # TFQ's forward differences are of first order in their step of 1e-3 half turns.
    assert found[0, 0] == pytest.approx(-2 * np.sin(0.8), abs=2e-2)


def forward_derivative(engine, what, graph=False):
    """The derivative of `<Z>` or the state by the input and the weight together, by TensorFlow."""
    import tensorflow as tf

    circuit = cirq.Circuit(cirq.rx(A)(Q[0]), cirq.rx(B)(Q[0]))
    program = compile_circuit(circuit, "Z", inputs=["a"])

    def run():
        x, w = tf.constant([[0.3]]), tf.constant([0.4])
        with tf.autodiff.ForwardAccumulator([x, w], [tf.ones_like(x), tf.ones_like(w)]) as moving:
            values = getattr(engine, what)(program, x, w)
        return moving.jvp(values)

    return (tf.function(run) if graph else run)()


@pytest.mark.skipif(not TENSORFLOW, reason="TensorFlow's forward mode")
@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
def test_statevector_has_forward_mode_derivatives(graph):
    found = forward_derivative(engines.StatevectorEngine(), "expectation", graph)
    np.testing.assert_allclose(found, [[-2 * np.sin(0.7)]], atol=1e-6)


@pytest.mark.skipif(not TENSORFLOW, reason="TensorFlow's forward mode")
@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize(
    ("name", "what", "said"),
    [
        ("native", "expectation", r"Forward-mode derivatives.*not available with engine='native'"),
        ("native", "state", r"Forward-mode derivatives.*not available with engine='native'"),
        ("tfq", "expectation", r"tfq engine has neither.* nor forward-mode derivatives"),
        ("tfq", "state", r"tfq engine does not differentiate states"),
    ],
)
def test_forward_mode_is_refused_with_the_engine_that_has_it(name, what, said, graph):
    if name not in AVAILABLE:
        pytest.skip(f"{name} is not available")
    with pytest.raises(NotImplementedError, match=said + r".*[Uu]se engine='statevector'"):
        forward_derivative(engines.get(name), what, graph)


@pytest.mark.skipif(not TENSORFLOW, reason="TensorFlow's tapes")
@pytest.mark.parametrize("graph", [False, True], ids=["eager", "graph"])
@pytest.mark.parametrize("name", ["native", "tfq"])
def test_second_derivatives_are_refused_with_the_engine_that_has_them(name, graph):
    if name not in AVAILABLE:
        pytest.skip(f"{name} is not available")
    import tensorflow as tf

    engine, x, w = engines.get(name), tf.zeros((1, 0)), tf.constant([0.4])
    program = compile_circuit(cirq.Circuit(cirq.rx(A)(Q[0])), "Z")

    def run():
        with tf.GradientTape() as outer:
            outer.watch(w)
            with tf.GradientTape() as inner:
                inner.watch(w)
                values = engine.expectation(program, x, w)
            gradient = inner.gradient(values, w)
        return outer.gradient(gradient, w)

    said = r"(has no|has neither) second derivatives.*[Uu]se engine='statevector'"
    with pytest.raises(NotImplementedError, match=said):
        (tf.function(run) if graph else run)()


@pytest.mark.skipif(not TENSORFLOW, reason="TensorFlow's tapes")
@pytest.mark.parametrize("engine", that_declare("differentiates", readouts.Expectation, ENGINES))
def test_jacobians_walk_back_several_times(engine):
    import tensorflow as tf

    program = compile_circuit(cirq.Circuit(cirq.rx(A)(Q[0]), cirq.rx(B)(Q[1])), "Z")
    w = tf.constant([0.4, -0.9])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(w)
        values = engine.expectation(program, tf.zeros((1, 0)), w)
    for vectorized in (False, True):
        found = tape.jacobian(values, w, experimental_use_pfor=vectorized)
        # TFQ's differences leave up to 1e-4.
        np.testing.assert_allclose(found[0], np.diag(-np.sin([0.4, -0.9])), atol=2e-4)


def test_expressions_keep_double_precision():
    a, b = sympy.symbols("a b")
    angle = sympy.Max(a, b) + sympy.Min(a, b / 3) + sympy.Abs(a) ** sympy.Rational(1, 3)
    program = compile_circuit(cirq.Circuit(cirq.ry(angle)(Q[0])), "Z", inputs=["a", "b"])
    x = np.array([[0.1, 0.7], [0.9, 0.3]])
    inputs = ops.convert_to_tensor(x, dtype="float64")
    weights = ops.zeros((0,), dtype="float64")
    found = engines.get("statevector").expectation(program, inputs, weights)
    exact = np.cos(x.max(1) + np.minimum(x[:, 0], x[:, 1] / 3) + np.cbrt(x[:, 0]))
    np.testing.assert_allclose(ops.convert_to_numpy(found)[:, 0], exact, atol=1e-13)


def test_absurd_numbers_of_qubits_are_refused_in_words():
    reason = memory_refusal(2000, 32)
    assert reason is not None
    assert re.search(r"2000 qubits need over 2\*\*2005 bytes of memory", reason)
