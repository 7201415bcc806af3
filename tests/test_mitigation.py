"""Mitigation: ideal values come back, in closed form where there is one; and what it costs."""

from __future__ import annotations

import math
from typing import Any

import cirq
import keras
import numpy as np
import pytest
import sympy
from keras import ops

from qkeras_hybrid import PQC, SPSA, ParameterShift, engines, noise, set_engine
from qkeras_hybrid.engines import (
    CliffordDataRegression,
    DynamicalDecoupling,
    PauliTwirling,
    ProbabilisticErrorCancellation,
    ReadoutMitigation,
    StatevectorEngine,
    ZeroNoiseExtrapolation,
)
from qkeras_hybrid.engines.mitigation import confusion, quasi
from qkeras_hybrid.engines.mitigation.folding import folded
from qkeras_hybrid.noise.channels import instruction
from qkeras_hybrid.program import Channel, Compiled, Reset, compile_circuit
from qkeras_hybrid.readouts import Probabilities
from qkeras_hybrid.testing import value_and_gradients
from test_one_file import DensityEngine, SamplerEngine

Q = cirq.LineQubit.range(3)
A, W, V = sympy.symbols("a w v")
DENSITY = engines.get("density") or DensityEngine()
# The faster one where it is built: tracing many programs takes the other a while.
NATIVE = engines.NativeEngine()
FAST = NATIVE if engines.status()["native"] == "available" else StatevectorEngine()


def values(
    compiled: Compiled, engine: Any, model: Any = None, x: Any = None, w: Any = (), **given: Any
) -> np.ndarray:
    job = compiled.job("float64", noise=noise.get(model), gradient=False, shots=given.get("shots"))
    run = engines.prepare(job, engine)
    x = np.zeros((1, 0)) if x is None else np.asarray(x, float)
    point = ops.convert_to_tensor(x), ops.convert_to_tensor(np.asarray(w, float))
    return np.asarray(ops.convert_to_numpy(run(*point, given.get("seed", 1))))


CIRCUIT = cirq.Circuit(
    cirq.ry(A)(Q[0]),
    cirq.H(Q[1]),
    cirq.CX(Q[0], Q[1]),
    cirq.rz(W)(Q[1]),
    cirq.rx(V * A)(Q[1]),
    cirq.CZ(Q[1], Q[0]),
    cirq.ry(0.4)(Q[0]),
)
COMPILED = compile_circuit(CIRCUIT, ["Z0", "0.5*X0*Z1 - Y1 + 2"], inputs=[A])
POINT = {"x": np.array([[0.4], [1.3]]), "w": np.array([0.7, -0.3])}
IDEAL = values(COMPILED, StatevectorEngine(), **POINT)
ALL = {
    "zne": lambda engine: ZeroNoiseExtrapolation(engine, (1, 3)),
    "readout": lambda engine: ReadoutMitigation(engine, errors=[(0.02, 0.1)] * 2),
    "pec": lambda engine: ProbabilisticErrorCancellation(engine, "bit_flip:0.01", 4),
    "cdr": lambda engine: CliffordDataRegression(engine, 5),
    "twirling": lambda engine: PauliTwirling(engine, 2),
    "decoupling": lambda engine: DynamicalDecoupling(engine, "XY4"),
}

# Zero-noise extrapolation.


def two_design(w1: np.ndarray, w2: np.ndarray) -> tuple[Compiled, np.ndarray]:
    """PennyLane's SimplifiedTwoDesign of 2 wires and 2 layers."""
    symbols = sympy.symbols("s0:6")
    circuit = cirq.Circuit(cirq.ry(s)(q) for s, q in zip(symbols, Q[:2], strict=False))
    for layer in range(2):
        circuit.append(cirq.CZ(*Q[:2]))
        circuit.append(cirq.ry(s)(q) for s, q in zip(symbols[2 + 2 * layer :], Q[:2], strict=False))
    return compile_circuit(circuit, "Z0", weights=symbols), np.concatenate([w1, w2.ravel()])


def test_extrapolation_gives_what_pennylane_publishes() -> None:
    # The docstring of `mitigate_with_zne`: amplitude damping of 0.05 after every gate on each of
    # its wires, three factors, a polynomial of order 2.
    np.random.seed(0)
    compiled, w = two_design(np.random.random(2), np.random.random((2, 1, 2)))
    model = noise.amplitude_damping(0.05)
    assert values(compiled, DENSITY, None, w=w)[0, 0] == pytest.approx(0.23688169, abs=1e-8)
    assert values(compiled, DENSITY, model, w=w)[0, 0] == pytest.approx(0.33652776, abs=1e-8)
    for engine in (
        ZeroNoiseExtrapolation(DENSITY, extrapolation="polynomial", order=2),
        ZeroNoiseExtrapolation(DENSITY, extrapolation="richardson"),
    ):
        found = values(compiled, engine, model, w=w)
        assert found[0, 0] == pytest.approx(0.19113067083636542, abs=1e-9)
    # Later versions of the docstring draw the weights in another way, and the gradient with them;
    # what they say of the value without noise is still that of the weights above.
    rng = np.random.default_rng(12345)
    compiled, w = two_design(rng.random(2), rng.random((2, 1, 2)))
    run = engines.prepare(compiled.job("float64", noise=model), engine)
    found, (_, slopes) = value_and_gradients(run, np.zeros((1, 0)), w)
    assert found[0, 0] == pytest.approx(0.2312, abs=1e-4)
    published = [-0.92625176, 0.28914607, -1.01036246, 0.299296508, -0.693099601, -7.92154137e-04]
    np.testing.assert_allclose(slopes, published, atol=1e-8)


@pytest.mark.parametrize("folding", ["global", "local"])
@pytest.mark.parametrize("scale", [1, 1.6, 2, 3, 4.2, 5])
def test_a_folded_circuit_does_the_same_without_noise(folding: str, scale: float) -> None:
    job = COMPILED.job("float64", gradient=False)
    long, reached = folded(job, scale, folding)
    d = len(job.program.instructions)
    assert len(long.program.instructions) == round(d * reached)
    assert abs(reached - scale) <= 1 / d
    used = [i.angle for i in long.program.instructions if hasattr(i, "angle")]
    assert sorted(used) == list(range(long.program.n_angles))  # an angle for each
    run = engines.prepare(long, StatevectorEngine())
    found = run(ops.convert_to_tensor(POINT["x"]), ops.convert_to_tensor(POINT["w"]))
    np.testing.assert_allclose(ops.convert_to_numpy(found), IDEAL, atol=1e-12)
    # The bare job, whose inputs are the angles.
    bare, _ = folded(job.bare(), scale, folding)
    angles = job.angles(ops.convert_to_tensor(POINT["x"]), ops.convert_to_tensor(POINT["w"]))
    found = engines.prepare(bare, StatevectorEngine())(angles, ops.zeros((0,), "float64"))
    np.testing.assert_allclose(ops.convert_to_numpy(found), IDEAL, atol=1e-12)


def test_a_channel_comes_after_its_gate_and_after_the_gates_inverse() -> None:
    circuit = cirq.Circuit(cirq.X(Q[0]), cirq.ry(W)(Q[0]))
    job = noise.applied(compile_circuit(circuit, "Z").job(noise=noise.bit_flip(0.1).on(gates="x")))
    kinds = [type(i).__name__ for i in folded(job, 3)[0].program.instructions]
    turn, gate = ["PauliRotation"], ["Unitary", "Channel"]
    assert kinds == gate + turn + turn + gate + gate + turn
    kinds = [type(i).__name__ for i in folded(job, 3, "local")[0].program.instructions]
    assert kinds == gate * 3 + turn * 3


def test_depolarizing_noise_decays_exponentially_and_is_extrapolated_to_the_ideal_value() -> None:
    # After k gates <Z> has shrunk by (1 - 4p/3)**k.
    circuit = cirq.Circuit(cirq.ry(W)(Q[0]), cirq.ry(0.3)(Q[0]))
    compiled = compile_circuit(circuit, "Z")
    factors = (1, 3, 5)
    exact = math.cos(1.0)
    shrink = (1 - 0.4 / 3) ** (2 * np.array(factors))
    engine = ZeroNoiseExtrapolation(DENSITY, factors, extrapolation="exponential")
    found = values(compiled, engine, "depolarizing:0.1", w=[0.7])
    np.testing.assert_allclose(found, [[exact]], atol=1e-12)
    line = np.polyfit(factors, shrink * exact, 1)[1]
    engine = ZeroNoiseExtrapolation(DENSITY, factors)
    np.testing.assert_allclose(values(compiled, engine, "depolarizing:0.1", w=[0.7]), [[line]])


@pytest.mark.parametrize("extrapolation", ["linear", "richardson", "exponential"])
def test_extrapolated_values_train_by_the_gradient_of_the_folded_circuits(
    extrapolation: str,
) -> None:
    circuit = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.CX(*Q[:2]), cirq.ry(W)(Q[0]), cirq.rx(V)(Q[1]))
    compiled = compile_circuit(circuit, "Z0", inputs=[A])
    engine = ZeroNoiseExtrapolation(DENSITY, (1, 2, 3), extrapolation=extrapolation)
    job = compiled.job("float64", noise=noise.amplitude_damping(0.05))
    x, w = POINT["x"], POINT["w"]
    differentiators = (None, ParameterShift()) if extrapolation == "linear" else (None,)
    for differentiator in differentiators:
        run = engines.prepare(job, engine, differentiator)
        _, (grad_x, grad_w) = value_and_gradients(run, x, w)
        h = 1e-5

        def total(x: Any, w: Any, run: Any = run) -> float:
            found = run(ops.convert_to_tensor(x), ops.convert_to_tensor(w))
            return float(np.sum(ops.convert_to_numpy(found)))

        # Central differences in double precision.
        exact = [(total(x, w + h * e) - total(x, w - h * e)) / (2 * h) for e in np.eye(2)]
        np.testing.assert_allclose(grad_w, exact, atol=1e-8)
        first = np.array([[1.0], [0.0]])
        exact = (total(x + h * first, w) - total(x - h * first, w)) / (2 * h)
        np.testing.assert_allclose(grad_x[0, 0], exact, atol=1e-8)


def test_another_differentiator_is_that_of_the_folded_circuits() -> None:
    engine = ZeroNoiseExtrapolation(StatevectorEngine(), (1, 3))
    compiled = compile_circuit(cirq.Circuit(cirq.ry(W)(Q[0])), "Z")
    run = engines.prepare(compiled.job("float64"), engine, SPSA(samples=3, step=0.01, seed=1))
    _, (_, slope) = value_and_gradients(run, np.zeros((1, 0)), np.array([0.4]))
    # Of three rotations by w, -w and w, in directions of signs: far from certain, and unbiased.
    assert np.isfinite(slope).all()


# Readout errors.


@pytest.mark.parametrize("method", ["tensored", "full"])
@pytest.mark.parametrize("model", ["readout_error:0.1,0.25", "readout_error:0.1@q1"])
def test_readout_errors_are_inverted_exactly(method: str, model: str) -> None:
    engine = ReadoutMitigation(StatevectorEngine(), method)
    np.testing.assert_allclose(values(COMPILED, engine, model, **POINT), IDEAL, atol=1e-12)
    given = ReadoutMitigation(StatevectorEngine(), method, errors=[(0.1, 0.25)] * 2)
    if "@" not in model:
        np.testing.assert_allclose(values(COMPILED, given, model, **POINT), IDEAL, atol=1e-12)


@pytest.mark.parametrize("method", ["tensored", "full", "m3"])
@pytest.mark.parametrize("calibrated", [False, True])
def test_measured_bits_are_corrected_within_their_error(method: str, calibrated: bool) -> None:
    shots = 20_000
    engine = ReadoutMitigation(
        StatevectorEngine(), method, calibration_shots=shots if calibrated else None
    )
    model = noise.readout_error(0.1, 0.2)
    plain = values(COMPILED, StatevectorEngine(), model, shots=shots, **POINT)
    found = values(COMPILED, engine, model, shots=shots, **POINT)
    # The weights are at most 1.5, their noise grows by 1 / 0.7**2, six standard deviations.
    limit = 6 * 1.5 / 0.49 / math.sqrt(shots)
    np.testing.assert_allclose(found, IDEAL, atol=limit)
    assert np.abs(plain - IDEAL).max() > 2 * limit


@pytest.mark.parametrize("method", ["tensored", "full", "m3"])
def test_mitigated_shots_train(method: str) -> None:
    engine = ReadoutMitigation(StatevectorEngine(), method)
    compiled = compile_circuit(cirq.Circuit(cirq.ry(W)(Q[0])), "Z")
    job = compiled.job("float64", noise=noise.readout_error(0.1, 0.2), shots=20_000)
    run = engines.prepare(job, engine)
    found, (_, slope) = value_and_gradients(
        lambda x, w: run(x, w, 5), np.zeros((1, 0)), np.array([0.7])
    )
    limit = 6 / 0.7 / math.sqrt(20_000)
    np.testing.assert_allclose(found, [[math.cos(0.7)]], atol=limit)
    np.testing.assert_allclose(slope, [-math.sin(0.7)], atol=limit)


def test_the_variance_of_a_corrected_value_grows_as_reported() -> None:
    compiled = compile_circuit(cirq.Circuit(cirq.ry(0.8)(Q[0])), "Z")
    engine = ReadoutMitigation(StatevectorEngine())
    model, shots, n = noise.readout_error(0.15), 50, 10_000
    job = compiled.job(shots=shots, noise=model, gradient=False)
    nothing = ops.zeros((n, 0)), ops.zeros((0,))
    plain, found = (
        np.asarray(ops.convert_to_numpy(engines.prepare(job, each)(*nothing, 3)), "float64")
        for each in (StatevectorEngine(), engine)
    )
    report = engine.report(compiled, np.zeros((1, 0)), noise=model)
    np.testing.assert_allclose(report.variance_factor, [[1 / 0.7**2]])
    np.testing.assert_allclose(report.bias_removed, [[0.3 * math.cos(0.8)]], atol=1e-6)
    assert found.var() / plain.var() == pytest.approx(1 / 0.7**2, rel=0.05)
    assert abs(found.mean() - math.cos(0.8)) < 3 * found.std() / math.sqrt(n)


def test_the_matrix_free_solution_is_the_one_of_the_written_matrix() -> None:
    rng = np.random.default_rng(2)
    n = 12
    errors = rng.uniform(0.01, 0.06, (n, 2))
    strings = np.unique(rng.integers(0, 2, (400, n)), axis=0)
    shares = rng.random(len(strings))
    shares /= shares.sum()
    direct = confusion.quasi_probabilities(strings, shares, errors)
    iterated = confusion.quasi_probabilities(strings, shares, errors, most_direct=10)
    np.testing.assert_allclose(iterated, direct, atol=1e-7)
    assert direct.sum() == pytest.approx(1.0)


def test_many_qubits_are_corrected_without_a_matrix_of_all_states() -> None:
    # GHZ on 14 qubits: the full matrix would have 2**28 entries.
    n = 14
    qubits = cirq.LineQubit.range(n)
    ghz = cirq.Circuit(cirq.H(qubits[0]), [cirq.CX(*qubits[i : i + 2]) for i in range(n - 1)])
    compiled = compile_circuit(ghz, ["*".join(f"Z{i}" for i in range(n)), "Z0*Z13"])
    model = noise.readout_error(0.02, 0.05)
    found = values(compiled, ReadoutMitigation(StatevectorEngine(), "m3"), model, shots=2000)
    # Without mitigation about 0.93**14 = 0.36.
    assert values(compiled, StatevectorEngine(), model, shots=2000)[0, 0] < 0.5
    np.testing.assert_allclose(found, [[1.0, 1.0]], atol=0.1)


# Probabilistic error cancellation.

CHANNELS = {
    # (3 e - 1) / 2 with e = 1 / (1 - 4p/3), of the weights (1 + 3 e) / 4 and three (1 - e) / 4
    "depolarizing": (noise.depolarizing(0.2), (3 / (1 - 0.8 / 3) - 1) / 2),
    "bit_flip": (noise.bit_flip(0.2), 1 / 0.6),
    "amplitude_damping": (noise.amplitude_damping(0.2), 1.2 / 0.8),
    "phase_damping": (noise.phase_damping(0.36), 1 / 0.8),
    "thermal_relaxation": (noise.thermal_relaxation(50, 60, 5), None),
    "warm": (noise.thermal_relaxation(50, 60, 5, 0.7), None),
    "two qubits": (noise.depolarizing(0.1, 2), None),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_the_inverse_of_a_channel_undoes_it_at_the_known_cost(name: str) -> None:
    model, gamma = CHANNELS[name]
    width = model.rules[0].width
    channel = instruction(model.rules[0].kraus(), tuple(range(width)))
    assert channel is not None
    terms = quasi.inverse(channel)
    assert terms is not None
    assert sum(term.weight for term in terms) == pytest.approx(1.0)

    def matrix(term: quasi.Term) -> np.ndarray:
        whole = np.eye(4**width)
        for each in term.instructions:
            if isinstance(each, Reset):
                kraus = [np.array([[1, 0], [0, 0]]), np.array([[0, 1], [0, 0]])]
            else:
                own = [np.eye(2)] * width
                own[each.qubits[0]] = each.array
                kraus = [own[0] if width == 1 else np.kron(*own)]
            as_channel = instruction(kraus, channel.qubits) or Channel(
                channel.qubits, (tuple(map(tuple, np.eye(2**width))),)
            )
            whole = quasi.transfer_matrix(as_channel) @ whole
        return whole

    inverse = sum(term.weight * matrix(term) for term in terms)
    np.testing.assert_allclose(
        inverse @ quasi.transfer_matrix(channel), np.eye(4**width), atol=1e-10
    )
    if gamma is not None:
        assert quasi.gamma(terms) == pytest.approx(gamma)


SHORT = compile_circuit(cirq.Circuit(cirq.ry(W)(Q[0]), cirq.CX(*Q[:2])), ["Z0", "Z0*Z1", "X0*X1"])


@pytest.mark.parametrize(
    "model", ["depolarizing:0.1", "amplitude_damping:0.2", "depolarizing:0.1,2 + bit_flip:0.1@1q"]
)
def test_the_exact_sum_cancels_all_noise(model: str) -> None:
    engine = ProbabilisticErrorCancellation(DENSITY, n_circuits=None)
    exact = values(SHORT, DENSITY, w=[0.7])
    np.testing.assert_allclose(values(SHORT, engine, model, w=[0.7]), exact, atol=1e-10)
    job = SHORT.job("float64", noise=noise.get(model))
    _, (_, slope) = value_and_gradients(
        engines.prepare(job, engine), np.zeros((1, 0)), np.array([0.7])
    )
    # Z0: cos w, Z0 Z1: 1, X0 X1: sin w.
    np.testing.assert_allclose(slope, [-math.sin(0.7) + math.cos(0.7)], atol=1e-10)


def test_drawn_circuits_have_the_ideal_value_as_their_mean() -> None:
    n = 1000
    engine = ProbabilisticErrorCancellation(DENSITY, n_circuits=n, seed=4)
    job = SHORT.job("float64", noise=noise.depolarizing(0.05))
    gamma = engine.gamma(job)
    e = 1 / (1 - 0.2 / 3)
    assert gamma == pytest.approx(((3 * e - 1) / 2) ** 3)
    found = values(SHORT, engine, "depolarizing:0.05", w=[0.7])
    # Each circuit's value is at most gamma; five standard errors.
    exact = values(SHORT, DENSITY, w=[0.7])
    np.testing.assert_allclose(found, exact, atol=5 * gamma / math.sqrt(n))
    again = values(SHORT, engine, "depolarizing:0.05", w=[0.7])
    np.testing.assert_array_equal(found, again)
    report = engine.report(SHORT, np.zeros((1, 0)), [0.7], noise=noise.depolarizing(0.05))
    assert report.variance_factor[0, 0] == pytest.approx(gamma**2)
    assert "variance times" in str(report)


def test_noise_that_an_engine_adds_by_itself_is_cancelled_by_its_model() -> None:
    # The circuit is sent without channels, and with the inverses that the model says.
    engine = ProbabilisticErrorCancellation(DENSITY, noise="bit_flip:0.1", n_circuits=None)
    circuit = cirq.Circuit(cirq.ry(W)(Q[0]))
    found = values(compile_circuit(circuit, "Z"), engine, w=[0.7])
    # What is sent does not flip, and is corrected as if it did.
    np.testing.assert_allclose(found, [[math.cos(0.7) / 0.8]], atol=1e-12)


def test_a_channel_whose_inverse_is_not_known_is_refused() -> None:
    job = SHORT.job(noise=noise.kraus([cirq.unitary(cirq.rx(0.1))]))
    reason = engines.refusal(job, ProbabilisticErrorCancellation(DENSITY))
    assert reason == "the inverse of one of its channels is not known"
    many = ProbabilisticErrorCancellation(DENSITY, n_circuits=None)
    circuit = cirq.Circuit(cirq.X(Q[0]) for _ in range(7))
    job = compile_circuit(circuit, "Z").job(noise=noise.depolarizing(0.1))
    assert "16384 programs, more than 4096; give `n_circuits`" in str(engines.refusal(job, many))


# Clifford data regression, twirling, decoupling.


def test_regression_undoes_what_shrinks_all_values_alike() -> None:
    # Depolarizing at the end shrinks each Pauli of one qubit by the same factor.
    circuit = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.rx(W)(Q[0]), cirq.depolarize(0.3)(Q[0]))
    compiled = compile_circuit(circuit, ["Z", "X"], inputs=[A])
    engine = CliffordDataRegression(DENSITY, training=12, kept=0.5)
    x, w = [[0.4], [1.3]], [0.6]
    ideal = compile_circuit(circuit[:-1], ["Z", "X"], inputs=[A])
    exact = values(ideal, DENSITY, x=x, w=w)
    np.testing.assert_allclose(values(compiled, engine, x=x, w=w), exact, atol=1e-6)
    report = engine.report(compiled, np.array(x), w)
    np.testing.assert_allclose(report.variance_factor, 1 / 0.6**2, rtol=1e-4)
    run = engines.prepare(compiled.job("float64"), engine)
    _, (_, slope) = value_and_gradients(run, np.array(x), np.array(w))
    exact_run = engines.prepare(ideal.job("float64"), DENSITY)
    _, (_, exact_slope) = value_and_gradients(exact_run, np.array(x), np.array(w))
    np.testing.assert_allclose(slope, exact_slope, atol=1e-6)


def test_regression_comes_nearer_to_ideal_values_under_general_noise() -> None:
    engine = CliffordDataRegression(DENSITY, training=30)
    model = "depolarizing:0.03 + amplitude_damping:0.02"
    plain = np.abs(values(COMPILED, DENSITY, model, **POINT) - IDEAL)
    found = np.abs(values(COMPILED, engine, model, **POINT) - IDEAL)
    assert found.mean() < 0.5 * plain.mean()


def test_twirling_makes_a_coherent_error_random() -> None:
    # Four CZ in a row, each followed by exp(-i t/2 ZZ): coherently <X> of |++> is cos(4 t); twirled
    # it shrinks by cos(t) each time.
    t = 0.4
    circuit = cirq.Circuit(cirq.H(Q[0]), cirq.H(Q[1]), [cirq.CZ(*Q[:2]) for _ in range(4)])
    compiled = compile_circuit(circuit, "X0")
    model = noise.crosstalk_zz(t).on(after="gate")
    coherent = values(compiled, DENSITY, model)
    np.testing.assert_allclose(coherent, [[math.cos(4 * t)]], atol=1e-12)
    engine = PauliTwirling(DENSITY, n_circuits=100, seed=1)
    found = values(compiled, engine, model)
    # Each circuit's value is at most 1; five standard errors.
    np.testing.assert_allclose(found, [[math.cos(t) ** 4]], atol=5 / math.sqrt(100))
    # Without noise nothing changes.
    np.testing.assert_allclose(values(compiled, engine), [[1.0]], atol=1e-12)


@pytest.mark.parametrize("sequence", ["XX", "YY", "XY4"])
def test_pulses_undo_the_drift_of_a_waiting_qubit(sequence: str) -> None:
    theta = 0.2
    drift = noise.kraus([np.diag([np.exp(-0.5j * theta), np.exp(0.5j * theta)])])
    circuit = cirq.Circuit(
        cirq.Moment(cirq.H.on_each(*Q[:2])), [cirq.Moment(cirq.X(Q[1])) for _ in range(8)]
    )
    compiled = compile_circuit(circuit, "X0")
    model = drift.on(after="layer", qubits=[0])
    np.testing.assert_allclose(values(compiled, DENSITY, model), [[math.cos(9 * theta)]])
    circuit = circuit[:-1]  # eight layers of drift
    compiled = compile_circuit(circuit, "X0")
    engine = DynamicalDecoupling(DENSITY, sequence)
    np.testing.assert_allclose(values(compiled, engine, model), [[1.0]], atol=1e-12)
    # Noise without memory stays as it is.
    plain = values(compiled, DENSITY, "depolarizing:0.02@layer")
    found = values(compiled, engine, "depolarizing:0.02@layer")
    np.testing.assert_allclose(found, plain, atol=1e-12)


# All of them.


# The other two correct the errors that they are told of.
@pytest.mark.parametrize("name", ["zne", "cdr", "twirling", "decoupling"])
def test_without_noise_nothing_is_changed(name: str) -> None:
    np.testing.assert_allclose(
        values(COMPILED, ALL[name](StatevectorEngine()), **POINT), IDEAL, atol=1e-10
    )


@pytest.mark.parametrize("name", ALL)
def test_a_model_trains_on_it_and_is_saved_with_it(name: str, tmp_path: Any) -> None:
    engine = ALL[name](FAST)
    model = keras.Sequential(
        [keras.Input((1,)), PQC(CIRCUIT, ["Z0", "Z1"], inputs=[A], seed=1, engine="statevector")]
    )
    model.compile("sgd", "mse")
    set_engine(model, engine)
    before = model.get_weights()[0].copy()
    model.fit(POINT["x"], np.zeros((2, 2)), verbose=0)
    assert (model.get_weights()[0] != before).all()
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert again.layers[0].engine == engine
    x = POINT["x"]
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("name", ALL)
def test_it_takes_shots_and_repeats_itself_by_seed(name: str) -> None:
    engine = ALL[name](FAST)
    one, two, other = (values(COMPILED, engine, shots=40, seed=seed, **POINT) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()
    generator = keras.random.SeedGenerator(1)
    one, other = (values(COMPILED, engine, shots=40, seed=generator, **POINT) for _ in range(2))
    assert (one != other).any()


@pytest.mark.parametrize("name", ALL)
def test_it_reports_bias_and_variance(name: str) -> None:
    model = noise.depolarizing(0.01) + noise.readout_error(0.02, 0.1)
    report = ALL[name](DENSITY).report(COMPILED, POINT["x"], POINT["w"], noise=model)
    assert report.unmitigated.shape == report.mitigated.shape == (2, 2)
    assert report.variance_factor.shape == (2, 2)
    assert (report.variance_factor > 0).all()
    assert report.programs >= 1


def test_methods_nest() -> None:
    engine = ZeroNoiseExtrapolation(
        ReadoutMitigation(DENSITY), (1, 3, 5), extrapolation="richardson"
    )
    model = noise.depolarizing(0.01) + noise.readout_error(0.1, 0.2)
    found = values(COMPILED, engine, model, **POINT)
    plain = values(COMPILED, DENSITY, model, **POINT)
    assert np.abs(found - IDEAL).max() < 0.05 * np.abs(plain - IDEAL).max()


def test_it_works_on_an_engine_that_samples() -> None:
    engine = ZeroNoiseExtrapolation(SamplerEngine(), (1, 3))
    compiled = compile_circuit(cirq.Circuit(cirq.ry(W)(Q[0])), "Z")
    found = values(compiled, engine, "bit_flip:0.05", w=[0.3], shots=4000)
    line = 1.5 * 0.9 - 0.5 * 0.9**3
    # c = (3/2, -1/2): the variance is 2.5 times that of one value.
    np.testing.assert_allclose(found, [[line * math.cos(0.3)]], atol=6 * math.sqrt(2.5 / 4000))


@pytest.mark.parametrize("name", ALL)
def test_what_it_does_not_mitigate_is_refused(name: str) -> None:
    engine = ALL[name](StatevectorEngine())
    job = compile_circuit(CIRCUIT, inputs=[A]).reading(Probabilities()).job()
    assert engines.refusal(job, engine) == "it mitigates expectation values, not probabilities"
    measured = cirq.Circuit(cirq.X(Q[0]), cirq.reset(Q[0]), cirq.X(Q[1]))
    assert engines.refusal(compile_circuit(measured, "Z").job(), engine) is not None


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ZeroNoiseExtrapolation("native"), "`engine` must be an engine"),
        (lambda: ZeroNoiseExtrapolation(DENSITY, (0.5, 1)), "`scale_factors` must be at least 1"),
        (lambda: ZeroNoiseExtrapolation(DENSITY, (1, 1)), "all different"),
        (lambda: ZeroNoiseExtrapolation(DENSITY, (1,)), "at least 2 for this"),
        (lambda: ZeroNoiseExtrapolation(DENSITY, (1, math.nan)), "be a finite number"),
        (lambda: ZeroNoiseExtrapolation(DENSITY, folding="some"), "`folding` must be one of"),
        (lambda: ZeroNoiseExtrapolation(DENSITY, order=2), "`order` must be given for"),
        (
            lambda: ZeroNoiseExtrapolation(DENSITY, (1, 2), extrapolation="polynomial", order=2),
            "at least 3",
        ),
        (lambda: ReadoutMitigation(DENSITY, "inverse"), "`method` must be one of"),
        (lambda: ReadoutMitigation(DENSITY, errors=[(0.5, 0.5)]), "leave information"),
        (lambda: ReadoutMitigation(DENSITY, errors=[(2, 0.5)]), "be a probability"),
        (lambda: ReadoutMitigation(DENSITY, calibration_shots=0), "`calibration_shots` must"),
        (lambda: ProbabilisticErrorCancellation(DENSITY, "x:1"), "name errors among"),
        (lambda: ProbabilisticErrorCancellation(DENSITY, n_circuits=0), "`n_circuits` must"),
        (lambda: CliffordDataRegression(DENSITY, 1), "`training` must be at least 2"),
        (lambda: CliffordDataRegression(DENSITY, kept=2), "`kept` must be a probability"),
        (lambda: CliffordDataRegression(DENSITY, simulator=3), "`simulator` must be an engine"),
        (lambda: PauliTwirling(DENSITY, 0), "`n_circuits` must"),
        (lambda: DynamicalDecoupling(DENSITY, "ZZ"), "`sequence` must be one of"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_what_the_engine_lacks_for_a_method_is_said_before() -> None:
    job = compile_circuit(cirq.Circuit(cirq.X(Q[0])), "Z").job()
    calibrated = ReadoutMitigation(DensityEngine(), calibration_shots=10)
    assert engines.refusal(job, calibrated) == "it computes expectation, probabilities, not samples"
    damped = ProbabilisticErrorCancellation(StatevectorEngine(), "amplitude_damping:0.1")
    assert engines.refusal(job, damped) == "it does not execute Reset instructions"


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        (ReadoutMitigation(StatevectorEngine()), "no readout errors are known"),
        (ReadoutMitigation(StatevectorEngine(), errors=[(0.1, 0.1)]), "errors of 1 qubits"),
        (ReadoutMitigation(StatevectorEngine(), "m3", errors=[(0.1, 0.1)] * 2), "needs `shots`"),
    ],
)
def test_what_a_method_lacks_is_said(engine: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        engines.choose(COMPILED.job(), engine)
