"""Values from shots: means, variances and covariances in closed form; seeds; the division."""

from __future__ import annotations

import math
from typing import Any

import cirq
import keras
import numpy as np
import pytest
import sympy
from keras import ops

from qkeras_hybrid import PQC, engines
from qkeras_hybrid.engines import Engine, _shots
from qkeras_hybrid.program import compile_circuit
from qkeras_hybrid.readouts import Probabilities, Samples

Q = cirq.LineQubit.range(3)
A = sympy.Symbol("a")
REPETITIONS = 10_000
SIMULATORS = ("native", "statevector", "tfq")
T, U = 0.7, 1.9  # angles of two turned qubits
CIRCUIT = cirq.Circuit(cirq.ry(T)(Q[0]), cirq.ry(U)(Q[1]))
ENTANGLED = CIRCUIT + cirq.CX(Q[0], Q[1])


def engine_of(name: str) -> Engine:
    engine = engines.get(name)
    assert engine is not None
    if engines.status()[name] != "available":
        pytest.skip("not here")
    return engine


def estimates(
    name: str, observables: Any, shots: int, *, circuit: Any = CIRCUIT, seed: Any = 5, n: int = 0
) -> np.ndarray:
    """Returns estimates of shape `(repetitions, n_observables)`, each independent."""
    job = compile_circuit(circuit, observables).job(shots=shots, gradient=False)
    run = engines.prepare(job, engine_of(name))
    found = run(ops.zeros((n or REPETITIONS, 0)), ops.zeros((0,)), seed)
    return np.asarray(ops.convert_to_numpy(found), "float64")


def assert_mean_and_variance(values: np.ndarray, mean: float, variance: float) -> None:
    """The mean within 3 standard errors, the variance within 5 % (3.5 of its own)."""
    assert abs(values.mean() - mean) < 3 * math.sqrt(variance / len(values))
    assert values.var() == pytest.approx(variance, rel=0.05)


@pytest.mark.parametrize("name", SIMULATORS)
def test_estimates_have_the_exact_mean_and_the_variance_of_their_shots(name: str) -> None:
    shots = 20
    z, x = math.cos(T), math.sin(U)
    found = estimates(name, ["Z0", "2*X1 + 1"], shots)
    # Both are read in one basis, and Z0 and X1 of a product state don't covary. One setting gets
    # all shots.
    assert_mean_and_variance(found[:, 0], z, (1 - z**2) / shots)
    assert_mean_and_variance(found[:, 1], 2 * x + 1, 4 * (1 - x**2) / shots)


@pytest.mark.parametrize("name", SIMULATORS)
def test_observables_that_are_measured_together_have_their_covariance(name: str) -> None:
    # After the CX: <Z0> = cos t, <Z1> = cos t cos u, <Z0 Z1> = cos u.
    shots = 10
    z0, z1, zz = math.cos(T), math.cos(T) * math.cos(U), math.cos(U)
    found = estimates(name, ["Z0", "Z1", "Z0*Z1", "Z0 + Z1"], shots, circuit=ENTANGLED)
    exact = np.array([z0, z1, zz])
    products = np.array([[1, zz, z1], [zz, 1, z0], [z1, z0, 1]])  # <P Q>
    covariance = (products - np.outer(exact, exact)) / shots
    # A sample covariance has a standard deviation below sqrt(2 / repetitions) of the variances.
    limit = 5 * math.sqrt(2 / REPETITIONS) / shots
    np.testing.assert_allclose(np.cov(found[:, :3].T, bias=True), covariance, atol=limit)
    sum_variance = covariance[0, 0] + covariance[1, 1] + 2 * covariance[0, 1]
    assert_mean_and_variance(found[:, 3], z0 + z1, sum_variance)


@pytest.mark.parametrize("name", SIMULATORS)
def test_an_observable_that_is_read_twice_has_one_value(name: str) -> None:
    found = estimates(name, ["Z0", "Z0", "-2*Z0"], 7, n=50)
    np.testing.assert_array_equal(found[:, 0], found[:, 1])
    np.testing.assert_allclose(found[:, 2], -2 * found[:, 0], rtol=1e-6)


@pytest.mark.parametrize("name", SIMULATORS)
def test_shots_are_divided_by_the_weights_of_what_is_measured(name: str) -> None:
    # Two settings, Z0 and X0, with the weights 3 and 1: of 2 * 20 shots they get 30 and 10.
    z, x = math.cos(T), math.sin(T)
    found = estimates(name, "3*Z0 + X0", 20)[:, 0]
    assert_mean_and_variance(found, 3 * z + x, 9 * (1 - z**2) / 30 + (1 - x**2) / 10)


@pytest.mark.parametrize(
    ("shots", "weights", "parts"),
    [
        (100, [1.0], [100]),
        (100, [1.0, 1.0], [100, 100]),
        (10, [3.0, 1.0], [15, 5]),
        (1, [1.0, 0.0, 1.0], [1, 1, 1]),
        (1, [1000.0, 1.0], [1, 1]),
        (5, [0.0, 0.0], [5, 5]),
        (3, [1.0, 1.0, 1.0, 1e-9], [3, 4, 4, 1]),
    ],
)
def test_each_setting_gets_its_share_and_at_least_one_shot(
    shots: int, weights: list[float], parts: list[int]
) -> None:
    assert _shots.divided(shots, weights) == parts


@pytest.mark.parametrize("most", [64, 1])
def test_strings_have_the_same_values_however_many_are_read(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    observables = ["Z0*Z1", "Z1", "Z0*Z1*Z2", "Z1*Z2", "Z0"]
    qubits = cirq.Circuit(cirq.ry(0.3 + q.x)(q) for q in Q)
    alone = [estimates("statevector", [each], 9, circuit=qubits, n=40) for each in observables]
    monkeypatch.setattr(_shots, "_MOST_ONE_BY_ONE", most)
    found = estimates("statevector", observables, 9, circuit=qubits, n=40)
    # One seed draws the same bits in each setting of Z.
    np.testing.assert_allclose(found, np.concatenate(alone, axis=1), atol=1e-6)


@pytest.mark.parametrize("name", SIMULATORS)
def test_frequencies_have_the_covariance_of_a_multinomial_distribution(name: str) -> None:
    shots = 12
    job = compile_circuit(ENTANGLED).reading(Probabilities()).job(shots=shots, gradient=False)
    run = engines.prepare(job, engine_of(name))
    found = ops.convert_to_numpy(run(ops.zeros((REPETITIONS, 0)), ops.zeros((0,)), 1))
    c, s = (np.array([math.cos(t / 2) ** 2, math.sin(t / 2) ** 2]) for t in (T, U))
    p = np.array([c[0] * s[0], c[0] * s[1], c[1] * s[1], c[1] * s[0]])
    covariance = (np.diag(p) - np.outer(p, p)) / shots
    limit = 5 * math.sqrt(2 / REPETITIONS) * np.diag(covariance).max()
    np.testing.assert_allclose(np.cov(found.T, bias=True), covariance, atol=limit)
    assert_mean_and_variance(found[:, 2].astype("float64"), p[2], covariance[2, 2])


OBSERVABLES = ["Z0 + X0 + Y0", "Z1"]


@pytest.mark.parametrize("name", SIMULATORS)
@pytest.mark.parametrize("shots", [6, 40])
def test_one_seed_draws_the_same_and_a_generator_goes_on(
    name: str, shots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With 40 shots a setting is drawn in parts.
    monkeypatch.setattr(_shots, "MOST_SHOTS_AT_ONCE", 16)
    first, again, other = (
        estimates(name, OBSERVABLES, shots, seed=seed, n=60) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    generator = keras.random.SeedGenerator(3)
    first, second = (estimates(name, OBSERVABLES, shots, seed=generator, n=60) for _ in range(2))
    assert (first != second).any()
    repeated = estimates(name, OBSERVABLES, shots, seed=keras.random.SeedGenerator(3), n=60)
    np.testing.assert_array_equal(first, repeated)
    unseeded = [estimates(name, OBSERVABLES, shots, seed=None, n=60) for _ in range(2)]
    assert (unseeded[0] != unseeded[1]).any()


@pytest.mark.parametrize("name", SIMULATORS)
@pytest.mark.parametrize("seed", [4, "generator"])
def test_settings_and_parts_share_no_noise(
    name: str, seed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_shots, "MOST_SHOTS_AT_ONCE", 16)
    n, shots = 4000, 32
    # |0> turned such that <X> = <Z>: the same draws would give the same bits.
    circuit = cirq.Circuit(cirq.ry(math.pi / 4)(Q[0]))
    seed = keras.random.SeedGenerator(4) if seed == "generator" else seed
    found = estimates(name, ["Z0", "X0"], shots, circuit=circuit, seed=seed, n=n)
    assert abs(np.corrcoef(found.T)[0, 1]) < 5 / math.sqrt(n)
    # Two parts with the same noise would double the variance.
    assert found[:, 0].var() == pytest.approx(0.5 / shots, rel=5 * math.sqrt(2 / n))


@pytest.mark.parametrize("name", SIMULATORS)
def test_constants_and_nothing_are_read_without_measurements(name: str) -> None:
    np.testing.assert_array_equal(estimates(name, ["I0", "2.5"], 3, n=2), [[1.0, 2.5]] * 2)
    compiled = compile_circuit(CIRCUIT)
    run = engines.prepare(compiled.job(shots=3, gradient=False), engine_of(name))
    assert tuple(run(ops.zeros((4, 0)), ops.zeros((0,))).shape) == (4, 0)


@pytest.mark.parametrize("name", SIMULATORS)
def test_nan_in_an_input_is_nan_in_its_estimate_alone(name: str) -> None:
    compiled = compile_circuit(cirq.Circuit(cirq.ry(A)(Q[0])), "Z", inputs=[A])
    run = engines.prepare(compiled.job(shots=10, gradient=False), engine_of(name))
    found = ops.convert_to_numpy(run(ops.array([[0.0], [np.nan]]), ops.zeros((0,)), 1))
    assert found[0, 0] == 1.0
    assert np.isnan(found[1, 0])


@pytest.mark.parametrize("name", SIMULATORS)
def test_a_layer_with_shots_trains_and_repeats_itself(name: str) -> None:
    engine_of(name)
    x = np.array([[0.3], [0.9]], "float32")

    def trained() -> np.ndarray:
        layer = PQC(
            cirq.Circuit(cirq.ry(A)(Q[0]), cirq.ry(sympy.Symbol("w"))(Q[0])),
            ["Z", "X"],
            inputs=[A],
            shots=50,
            seed=3,
            engine=name,
            weight_initializer="ones",
        )
        model = keras.Sequential([keras.Input((1,)), layer])
        model.compile("sgd", "mse")
        model.fit(x, np.zeros((2, 2)), epochs=2, shuffle=False, verbose=0)
        return np.asarray(ops.convert_to_numpy(layer.circuit_weights))

    first = trained()
    assert first[0] != 1.0
    np.testing.assert_array_equal(first, trained())


def test_auto_takes_the_native_engine_for_shots() -> None:
    engine_of("native")
    job = compile_circuit(CIRCUIT, "Z").job(shots=10)
    if engines.refusal(job, engines.NativeEngine()) is None:
        assert engines.choose(job).name == "native"


@pytest.mark.parametrize("shots", [0, -3, 1.5, True, math.nan])
def test_shots_that_are_no_positive_whole_number_are_refused(shots: Any) -> None:
    with pytest.raises(ValueError, match="`shots` must be a whole number of at least 1"):
        PQC(CIRCUIT, "Z", shots=shots)
    with pytest.raises(ValueError, match="`shots` must be a whole number of at least 1"):
        engines.StatevectorEngine(shots=shots)
    job = compile_circuit(CIRCUIT, "Z").job(shots=shots)
    with pytest.raises(ValueError, match="`shots` must be a whole number of at least 1"):
        engines.prepare(job, engines.StatevectorEngine())


def test_samples_of_a_job_are_as_many_as_its_shots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_shots, "MOST_SHOTS_AT_ONCE", 16)
    job = compile_circuit(CIRCUIT).reading(Samples()).job(shots=40)
    run = _shots.estimated(engines.StatevectorEngine(), job)
    assert tuple(run(ops.zeros((3, 0)), ops.zeros((0,)), 1).shape) == (3, 40, 2)
