"""Differentiators: every one gives the right gradient on every engine it runs on."""

import cirq
import keras
import numpy as np
import pytest
import sympy
from keras import ops

from qkeras_hybrid import engines, gradients
from qkeras_hybrid.program import compile_circuit
from qkeras_hybrid.testing import value_and_gradients

Q = cirq.LineQubit.range(2)
A, B = sympy.symbols("a b")


def differentiated(method, engine, compiled):
    """Returns what computes expectation values with a differentiator's gradient."""
    return method.prepare(engine, compiled.job(shots=engine.shots))


ENGINES = [
    engines.get(name)
    for name in ("native", "tfq", "statevector")
    if engines.status()[name] == "available"
]
if engines.status()["tfq"] == "available":
    ENGINES.append(engines.TFQEngine("parameter_shift"))

# The tolerance of central differences is their truncation error, step**2 / 6 a third
# derivative; that of TFQ's adjoint gradient is its own central difference's.
METHODS = [
    (gradients.Adjoint(), 2e-4),
    (gradients.ParameterShift(), 1e-5),
    (gradients.FiniteDifference(), 1e-3),
]


def derivative(engine, method, circuit, observable, value):
    program = compile_circuit(circuit, observable, weights=["a"])

    def total(inputs, weights):
        return differentiated(method, engine, program)(inputs, weights)

    x, w = np.zeros((1, 0), "float32"), np.array([value], "float32")
    values, (_, gradient) = value_and_gradients(total, x, w)
    return float(values[0, 0]), float(gradient[0])


@pytest.mark.parametrize("engine", ENGINES, ids=repr)
@pytest.mark.parametrize(("method", "tolerance"), METHODS, ids=lambda v: type(v).__name__)
def test_controlled_rotation_has_the_gradient_of_its_closed_form(engine, method, tolerance):
    # The control has probability sin^2(t/2) of acting: <Z> = cos^2(t/2) + sin^2(t/2) cos(a).
    t, a = 1.1, 0.8
    circuit = cirq.Circuit(cirq.rx(t)(Q[0]), cirq.rx(A)(Q[1]).controlled_by(Q[0]))
    value, gradient = derivative(engine, method, circuit, cirq.Z(Q[1]), a)
    chance = np.sin(t / 2) ** 2
    assert value == pytest.approx(1 - chance + chance * np.cos(a), abs=1e-5)
    assert gradient == pytest.approx(-chance * np.sin(a), abs=tolerance)


@pytest.mark.parametrize("engine", ENGINES, ids=repr)
@pytest.mark.parametrize(("method", "tolerance"), METHODS, ids=lambda v: type(v).__name__)
def test_controlled_rotation_in_superposition_has_four_frequencies_right(engine, method, tolerance):
    # With the control read in X, half angles come in: <X> = cos(a/2) for a target in |0> under
    # controlled rx, which a two-term rule on the whole gate gets wrong.
    a = 0.8
    circuit = cirq.Circuit(cirq.H(Q[0]), cirq.rx(A)(Q[1]).controlled_by(Q[0]))
    value, gradient = derivative(engine, method, circuit, cirq.X(Q[0]), a)
    assert value == pytest.approx(np.cos(a / 2), abs=1e-5)
    assert gradient == pytest.approx(-np.sin(a / 2) / 2, abs=tolerance)


@pytest.mark.parametrize("engine", ENGINES, ids=repr)
@pytest.mark.parametrize(("method", "tolerance"), METHODS, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize("factor", [1, 7, 40])
def test_scaled_and_repeated_symbols_keep_their_accuracy(engine, method, tolerance, factor):
    # <Z> = cos(k a + a): the error may grow with k, as the gradient does, not with k squared.
    circuit = cirq.Circuit(cirq.rx(factor * A)(Q[0]), cirq.rx(A)(Q[0]))
    value, gradient = derivative(engine, method, circuit, cirq.Z(Q[0]), 0.3)
    k = factor + 1
    assert value == pytest.approx(np.cos(k * 0.3), abs=2e-5)
    assert gradient == pytest.approx(-k * np.sin(k * 0.3), abs=k * tolerance)


def test_spsa_averages_to_the_gradient():
    circuit = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.ry(B)(Q[1]), cirq.CZ(*Q))
    program = compile_circuit(circuit, ["Z0", "Z1"])
    method = gradients.SPSA(samples=400, step=1e-2, seed=3)

    def total(inputs, weights):
        return differentiated(method, engines.StatevectorEngine(), program)(inputs, weights)

    w = np.array([0.4, 1.2], "float32")
    _, (_, found) = value_and_gradients(total, np.zeros((1, 0), "float32"), w)
    # One direction's estimate has a standard deviation below 1, the mean of 400 below 0.05.
    np.testing.assert_allclose(found, -np.sin(w), atol=0.2)


def test_shots_are_unbiased_within_five_standard_deviations():
    shots, a = 4000, 0.9
    program = compile_circuit(cirq.Circuit(cirq.ry(A)(Q[0])), ["Z", "0.5*X0 + 2"])
    engine = engines.StatevectorEngine(shots=shots)
    x, w = np.zeros((50, 0), "float32"), np.array([a], "float32")
    seed = keras.random.SeedGenerator(1)

    def total(inputs, weights):
        method = gradients.ParameterShift()
        return differentiated(method, engine, program)(inputs, weights, seed)

    values, (_, gradient) = value_and_gradients(total, x, w)
    deviation = 5 / np.sqrt(shots * 50)
    np.testing.assert_allclose(
        values.mean(axis=0), [np.cos(a), 2 + 0.5 * np.sin(a)], atol=deviation
    )
    assert values.std(axis=0).min() > 0
    assert gradient[0] / 50 == pytest.approx(-np.sin(a) + 0.5 * np.cos(a), abs=2 * deviation)


def test_the_same_seed_draws_the_same_shots():
    program = compile_circuit(cirq.Circuit(cirq.ry(1.0)(Q[0])), "Z")
    engine = engines.StatevectorEngine(shots=100)
    x, w = ops.zeros((5, 0)), ops.zeros((0,))
    one, two, three = (
        ops.convert_to_numpy(engine.expectation(program, x, w, seed=seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, two)
    assert np.any(one != three)


def plus_states(n, observables, seed, *, shots=64, batch=4000):
    """Estimates from shots in `|+...+>`, where every Z string has the exact value 0."""
    qubits = cirq.LineQubit.range(n)
    program = compile_circuit(cirq.Circuit(cirq.H.on_each(*qubits)), observables)
    engine = engines.StatevectorEngine(shots=shots)
    values = engine.expectation(program, ops.zeros((batch, 0)), ops.zeros((0,)), seed=seed)
    return ops.convert_to_numpy(values)


def correlation(first, second):
    """Pearson's coefficient. Of `N` independent pairs it has the standard deviation 1/sqrt(N)."""
    return np.corrcoef(first, second)[0, 1]


@pytest.mark.parametrize("seed", [7, None], ids=["integer", "generator"])
def test_each_term_has_noise_of_its_own(seed):
    # The mean of 64 measurements of a Z string has the standard deviation 1/8 here, and the sum
    # of four independent ones 1/4. That of 4000 values is estimated to one part in 89.
    values = plus_states(
        4, ["Z0 + Z1 + Z2 + Z3", "Z0*Z1 - Z2 + 2.0"], seed or keras.random.SeedGenerator(7)
    )
    deviation = np.array([2.0, np.sqrt(2)]) / 8
    np.testing.assert_allclose(values.std(axis=0), deviation, rtol=5 / np.sqrt(8000))
    np.testing.assert_allclose(values.mean(axis=0), [0, 2], atol=5 * deviation.max() / 63)


@pytest.mark.parametrize("observables", [["Z0", "Z1"], ["Z0", "Y0"], ["Z0 + Z1", "Z1 - Z0"]])
def test_observables_without_covariance_have_noise_of_their_own(observables):
    one, two = plus_states(2, observables, seed=7).T
    assert abs(correlation(one, two)) < 5 / np.sqrt(4000)


def test_each_sample_has_noise_of_its_own():
    (values,) = plus_states(1, ["Z0"], seed=7).T
    assert abs(correlation(values[::2], values[1::2])) < 5 / np.sqrt(2000)
    assert values.std() == pytest.approx(1 / 8, rel=5 / np.sqrt(8000))


@pytest.mark.parametrize("seed", [7, None], ids=["integer", "generator"])
@pytest.mark.parametrize(
    "method",
    [gradients.ParameterShift(), gradients.FiniteDifference(0.5), gradients.SPSA(1, 0.5)],
    ids=lambda method: type(method).__name__,
)
def test_values_and_shifted_values_share_no_noise(method, seed):
    # For <Z> = cos(a) at a = pi/4 the value and one of the shifted values are equal or close, so
    # that one stream of random numbers for both would show.
    n, shots, a = 4000, 64, np.pi / 4
    program = compile_circuit(cirq.Circuit(cirq.ry(A)(Q[0])), "Z", inputs=["a"])
    engine = engines.StatevectorEngine(shots=shots)
    seed = seed or keras.random.SeedGenerator(7)

    def total(x):
        return differentiated(method, engine, program)(x, ops.zeros((0,)), seed)

    values, (slopes,) = value_and_gradients(total, np.full((n, 1), a, "float32"))
    assert abs(correlation(values[:, 0], slopes[:, 0])) < 5 / np.sqrt(n)
    # A difference of two independent means: their variances (1 - <Z>**2) / shots add up.
    step = getattr(method, "step", np.pi / 2)
    scale = 1 / 2 if step == np.pi / 2 else 1 / (2 * step)
    plus, minus = np.cos(a + step), np.cos(a - step)
    deviation = scale * np.sqrt((2 - plus**2 - minus**2) / shots)
    assert slopes.std() == pytest.approx(deviation, rel=5 / np.sqrt(2 * n))


def test_shots_and_directions_of_one_seed_are_independent():
    # With the step pi/2 at a = 0 both shifted values have the exact value 0, and the estimate is
    # a difference of noises times the direction. Its sign must not tell the direction.
    n, method = 4000, gradients.SPSA(1, np.pi / 2)
    seen = []

    def watched(inputs, weights, seed):
        found = run(inputs, weights, seed)
        seen.append((inputs, found))
        return found

    program = compile_circuit(cirq.Circuit(cirq.ry(A)(Q[0])), "Z", inputs=["a"])
    run = engines.StatevectorEngine().prepare(program.job(shots=64).bare())
    evaluations = gradients.Evaluations(watched, (0,), gradients.Seeds(7))
    method.gradient(evaluations, ops.zeros((n, 1)), ops.ones((n, 1)))
    ((inputs, found),) = seen
    directions = np.sign(ops.convert_to_numpy(inputs)[:n, 0])
    noise = ops.convert_to_numpy(found)[:n, 0]
    assert abs(correlation(directions, noise)) < 5 / np.sqrt(n)


def test_an_integer_seed_repeats_itself_and_a_generator_goes_on():
    program = compile_circuit(cirq.Circuit(cirq.ry(A)(Q[0]), cirq.ry(B)(Q[1])), "Z")
    engine = engines.StatevectorEngine(shots=100)

    def run(seed):
        x, w = np.zeros((5, 0), "float32"), np.array([0.4, 1.2], "float32")
        values, (_, found) = value_and_gradients(
            lambda x, w: differentiated(gradients.ParameterShift(), engine, program)(x, w, seed),
            x,
            w,
        )
        return np.concatenate([values.ravel(), found])

    np.testing.assert_array_equal(run(3), run(3))
    assert np.any(run(3) != run(4))
    generator = keras.random.SeedGenerator(3)
    first, second = (plus_states(1, ["Z0"], generator, batch=20) for _ in range(2))
    assert np.any(first != second)
    again = plus_states(1, ["Z0"], keras.random.SeedGenerator(3), batch=20)
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("name", ["parameter_shift", "finite_difference"])
def test_global_phases_are_not_shifted_and_the_gradient_stays_exact(name):
    # Z**a = exp(i pi a/2) rz(pi a): a global phase, in a row between two others.
    circuit = cirq.Circuit(cirq.ry(A)(Q[0]), (cirq.X**A)(Q[0]), cirq.ry(A)(Q[0]))
    program = compile_circuit(circuit, "Z")
    assert program.program.n_angles == 4
    assert len(program.varying_rows) == 3

    def value(a, method):
        engine = engines.StatevectorEngine()
        return differentiated(gradients.get(method), engine, program)(ops.zeros((1, 0)), a)

    a = np.array([0.7], "float32")
    _, (found,) = value_and_gradients(lambda a: value(a, name), a)
    _, (exact,) = value_and_gradients(lambda a: value(a, "adjoint"), a)
    np.testing.assert_allclose(found, exact, atol=3e-4)


def test_constant_angles_are_not_shifted_and_the_gradient_stays_exact():
    # Constant rotations about Pauli strings, and a constant phase of four qubits, have rows.
    four = cirq.LineQubit.range(4)
    constant = [
        cirq.PauliStringPhasor(cirq.X(four[0]) * cirq.Y(four[2]), exponent_neg=0.3),
        cirq.PauliStringPhasor(cirq.PauliString(map(cirq.Z, four)), exponent_neg=0.4),
        (cirq.Z**0.2)(four[3]).controlled_by(*four[:3]),
    ]
    turns = [cirq.ry(A)(four[1]), cirq.rx(B)(four[0])]
    hadamards = cirq.H.on_each(*four)
    program = compile_circuit(cirq.Circuit(hadamards, constant, turns, constant), "X0*Z1")
    assert program.program.n_angles > 5
    assert len(program.varying_rows) == 2
    sizes = []

    class Counting(engines.StatevectorEngine):
        def prepare(self, job):
            run = super().prepare(job)

            def counted(inputs, weights, seed=None):
                sizes.append(inputs.shape[0])
                return run(inputs, weights, seed)

            return counted

    def gradient(engine, name):
        def value(weights):
            return differentiated(gradients.get(name), engine, program)(ops.zeros((1, 0)), weights)

        return value_and_gradients(value, np.array([0.7, -0.4], "float32"))[1][0]

    exact = gradient(engines.StatevectorEngine(), "adjoint")
    np.testing.assert_allclose(gradient(Counting(), "parameter_shift"), exact, atol=1e-5)
    assert sum(sizes) == 1 + 2 * 2  # the value, and two shifts of each of the two angles
    for engine in ENGINES:
        np.testing.assert_allclose(gradient(engine, "parameter_shift"), exact, atol=1e-5)


def test_a_circuit_of_global_phases_alone_has_the_gradient_zero():
    program = compile_circuit(cirq.Circuit(cirq.GlobalPhaseGate(1j).on(), cirq.X(Q[0])), "Z")
    engine = engines.StatevectorEngine()
    method = gradients.ParameterShift()
    x = np.zeros((2, 0), "float32")
    w = np.zeros((0,), "float32")
    values, _ = value_and_gradients(lambda x: differentiated(method, engine, program)(x, w), x)
    np.testing.assert_allclose(values, [[-1.0], [-1.0]], atol=1e-6)


def test_adjoint_refuses_shots():
    program = compile_circuit(cirq.Circuit(cirq.ry(A)(Q[0])), "Z")
    engine = engines.StatevectorEngine(shots=10)
    with pytest.raises(ValueError, match="no adjoint gradient"):
        differentiated(gradients.Adjoint(), engine, program)(ops.zeros((1, 0)), ops.zeros((1,)))


@pytest.mark.parametrize("name", gradients.names())
def test_differentiators_round_trip(name):
    method = gradients.get(name)
    again = gradients.get(keras.saving.serialize_keras_object(method))
    assert again == method


def test_bad_differentiators_are_refused():
    with pytest.raises(ValueError, match="'adjoint', 'parameter_shift'"):
        gradients.get("backprop")
    with pytest.raises(ValueError, match="name or a Differentiator"):
        gradients.get(3)
    with pytest.raises(ValueError, match="positive, finite"):
        gradients.FiniteDifference(step=0.0)
    with pytest.raises(ValueError, match="at least 1"):
        gradients.SPSA(samples=0)
