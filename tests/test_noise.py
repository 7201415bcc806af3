"""Noise models: what they put into a program, in closed form and against Cirq."""

from __future__ import annotations

import json
import math
from typing import Any

import cirq
import keras
import numpy as np
import pytest
import scipy.linalg
import sympy
from keras import ops

from qkeras_hybrid import ArgumentError, engines, noise
from qkeras_hybrid.noise.rules import KINDS
from qkeras_hybrid.program import Channel, compile_circuit
from qkeras_hybrid.readouts import Probabilities, Samples, State
from qkeras_hybrid.testing import value_and_gradients
from test_one_file import DensityEngine, SamplerEngine

Q = cirq.LineQubit.range(3)
A, W = sympy.symbols("a w")


def value(circuit: cirq.Circuit, observables: Any, model: Any, **given: Any) -> np.ndarray:
    """Returns exact expectation values of a circuit without symbols, with noise."""
    compiled = compile_circuit(circuit, observables, **given)
    run = engines.prepare(compiled.job("float64", noise=model, gradient=False), DensityEngine())
    empty = ops.zeros((1, 0), "float64"), ops.zeros((0,), "float64")
    return np.asarray(ops.convert_to_numpy(run(*empty)))[0]


def instructions(circuit: cirq.Circuit, model: noise.NoiseModel, **given: Any) -> list[Any]:
    compiled = compile_circuit(circuit, "Z", **given)
    return list(noise.applied(compiled.job(noise=model)).program.instructions)


def channels_on(circuit: cirq.Circuit, model: noise.NoiseModel, **given: Any) -> list[Any]:
    return [i.qubits for i in instructions(circuit, model, **given) if isinstance(i, Channel)]


P = 0.3
T1, T2, TIME = 50.0, 30.0, 7.0
# The model, and how it moves the Bloch vector: factors of x, y, z and what is added to z.
ONE_QUBIT = {
    "depolarizing": (noise.depolarizing(P), *(3 * [1 - 4 * P / 3]), 0.0),
    "amplitude_damping": (
        noise.amplitude_damping(P),
        *(2 * [math.sqrt(1 - P)]),
        1 - P,
        P,
    ),
    "phase_damping": (noise.phase_damping(P), *(2 * [math.sqrt(1 - P)]), 1.0, 0.0),
    "bit_flip": (noise.bit_flip(P), 1.0, *(2 * [1 - 2 * P]), 0.0),
    "phase_flip": (noise.phase_flip(P), *(2 * [1 - 2 * P]), 1.0, 0.0),
    "thermal_relaxation": (
        noise.thermal_relaxation(T1, T2, TIME),
        *(2 * [math.exp(-TIME / T2)]),
        math.exp(-TIME / T1),
        1 - math.exp(-TIME / T1),
    ),
    "thermal_relaxation, warm": (
        noise.thermal_relaxation(T1, 2 * T1, TIME, 0.25),
        *(2 * [math.exp(-TIME / (2 * T1))]),
        math.exp(-TIME / T1),
        (1 - math.exp(-TIME / T1)) * 0.5,
    ),
    "kraus": (noise.kraus([0.8 * np.eye(2), 0.6 * np.diag([1, -1])]), 0.28, 0.28, 1.0, 0.0),
    "readout_error": (noise.readout_error(0.1, 0.2), 0.7, 0.7, 0.7, None),
}


@pytest.mark.parametrize("name", ONE_QUBIT)
def test_a_channel_moves_the_bloch_vector_as_its_formula_says(name: str) -> None:
    model, of_x, of_y, of_z, added = ONE_QUBIT[name]
    theta, phi = 0.7, 0.4
    # One gate, so one channel after it.
    matrix = cirq.unitary(cirq.rz(phi)) @ cirq.unitary(cirq.ry(theta))
    found = value(cirq.Circuit(cirq.MatrixGate(matrix).on(Q[0])), ["X0", "Y0", "Z0"], model)
    exact = np.array(
        [
            of_x * math.sin(theta) * math.cos(phi),
            of_y * math.sin(theta) * math.sin(phi),
            of_z * math.cos(theta),
        ]
    )
    # P(0|1) - P(1|0), in whatever basis is measured.
    exact += 0.1 if added is None else np.array([0.0, 0.0, added])
    # A few products in complex128.
    np.testing.assert_allclose(found, exact, atol=1e-12)


def test_x_and_depolarizing_noise_follow_cirqs_convention() -> None:
    found = value(cirq.Circuit(cirq.X(Q[0])), "Z", noise.depolarizing(0.2))
    np.testing.assert_allclose(found, [-(1 - 4 * 0.2 / 3)], atol=1e-12)


@pytest.mark.parametrize("n_qubits", [1, 2])
def test_depolarizing_on_several_qubits_is_cirqs(n_qubits: int) -> None:
    own = noise.depolarizing(0.2, n_qubits).rules[0].kraus()
    cirqs = cirq.kraus(cirq.depolarize(0.2, n_qubits))
    np.testing.assert_allclose(
        cirq.kraus_to_superoperator(own), cirq.kraus_to_superoperator(cirqs), atol=1e-12
    )


BELL = cirq.Circuit(cirq.H(Q[0]), cirq.CX(Q[0], Q[1]), cirq.rz(W)(Q[1]))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (noise.bit_flip(0.1), [(0,), (0,), (1,), (1,)]),
        (noise.bit_flip(0.1).on(gates="cx"), [(0,), (1,)]),
        (noise.bit_flip(0.1).on(gates=[cirq.H, cirq.CNOT]), [(0,), (0,), (1,)]),
        (noise.bit_flip(0.1).on(gates=cirq.Rz), [(1,)]),
        (noise.bit_flip(0.1).on(gates="z"), [(1,)]),
        (noise.bit_flip(0.1).on(qubits=[0]), [(0,), (0,)]),
        (noise.bit_flip(0.1).on(qubits=Q[1]), [(1,), (1,)]),
        (noise.bit_flip(0.1).on(n_qubits=2), [(0,), (1,)]),
        (noise.depolarizing(0.1, n_qubits=2), [(0, 1)]),
        (noise.depolarizing(0.1, n_qubits=2).on(qubits=[(1, 0)]), [(1, 0)]),
        (noise.bit_flip(0.1).on(after="layer"), [(q,) for _ in range(3) for q in range(2)]),
        (noise.bit_flip(0.1).on(after="layer", qubits=[1]), [(1,)] * 3),
        (noise.depolarizing(0.0), []),
        (noise.readout_error(0.1), []),
    ],
)
def test_channels_come_after_the_gates_that_are_named(model: Any, expected: Any) -> None:
    assert channels_on(BELL, model) == expected


def test_layers_are_the_circuits_moments() -> None:
    # Both gates would fit in one layer; the circuit says that they are two.
    apart = cirq.Circuit(cirq.Moment(cirq.X(Q[0])), cirq.Moment(cirq.X(Q[1])))
    model = noise.bit_flip(0.1).on(after="layer")
    assert channels_on(apart, model) == [(0,), (1,)] * 2
    assert channels_on(cirq.Circuit(cirq.X.on_each(*Q[:2])), model) == [(0,), (1,)]
    # A sub-circuit has its own layers.
    inner = cirq.CircuitOperation(
        cirq.FrozenCircuit(cirq.X(Q[0]), cirq.Y(Q[0])), use_repetition_ids=False
    )
    assert len(channels_on(cirq.Circuit(inner, cirq.X(Q[1])), model)) == 4


def test_channels_and_measurements_and_identities_get_no_noise() -> None:
    circuit = cirq.Circuit(
        cirq.I(Q[0]), cirq.bit_flip(0.2)(Q[0]), cirq.reset(Q[0]), cirq.measure(Q[0], key="m")
    )
    assert len(channels_on(circuit, noise.depolarizing(0.1))) == 1
    assert len(channels_on(circuit, noise.depolarizing(0.1).on(gates="i"))) == 2


def test_models_join_and_act_in_order() -> None:
    model = noise.amplitude_damping(0.5) + noise.bit_flip(1.0)
    # X takes |0> to |1>, which decays half; then the flip.
    np.testing.assert_allclose(value(cirq.Circuit(cirq.X(Q[0])), "Z", model), [0.0], atol=1e-12)
    other = noise.bit_flip(1.0) + noise.amplitude_damping(0.5)
    np.testing.assert_allclose(value(cirq.Circuit(cirq.X(Q[0])), "Z", other), [1.0], atol=1e-12)


def test_crosstalk_turns_neighbours() -> None:
    found = instructions(cirq.Circuit(cirq.H.on_each(*Q)), noise.crosstalk_zz(0.3))
    pairs = [i for i in found if isinstance(i, Channel)]
    assert [pair.qubits for pair in pairs] == [(0, 1), (1, 2)]
    exact = cirq.unitary(cirq.ZZ ** (0.3 / np.pi)) * np.exp(-0.15j)
    np.testing.assert_allclose(pairs[0].arrays, [exact], atol=1e-12)
    other = noise.crosstalk_zz(0.3).on(qubits=[(0, 2)])
    found = instructions(cirq.Circuit(cirq.H.on_each(*Q)), other)
    assert [i.qubits for i in found if len(i.qubits) == 2] == [(0, 2)]


@pytest.mark.parametrize(
    ("gate", "turn"), [(cirq.ry(0.8), 0.8), (cirq.X, np.pi), (cirq.ry(W), 0.6)]
)
def test_over_rotation_turns_each_gate_further(gate: cirq.Gate, turn: float) -> None:
    circuit = cirq.Circuit(gate(Q[0]))
    compiled = compile_circuit(circuit, "Z")
    job = compiled.job("float64", noise=noise.over_rotation(0.1))
    run = engines.prepare(job, engines.StatevectorEngine())
    weights = ops.convert_to_tensor([0.6] * len(compiled.weights), "float64")
    found = ops.convert_to_numpy(run(ops.zeros((1, 0), "float64"), weights))
    np.testing.assert_allclose(found, [[math.cos(1.1 * turn)]], atol=1e-6)


def test_over_rotation_of_gates_on_two_qubits_is_a_power() -> None:
    for gate in (cirq.CX, cirq.SWAP, cirq.CZ):
        *_, turned = instructions(cirq.Circuit(gate(*Q[:2])), noise.over_rotation(0.25))
        cirq.testing.assert_allclose_up_to_global_phase(
            turned.array, cirq.unitary(gate**1.25), atol=1e-12
        )


@pytest.mark.parametrize(
    "gate",
    [
        cirq.ControlledGate(cirq.X**0.3, control_values=[0]),
        cirq.PhasedXPowGate(phase_exponent=A, exponent=0.6),
        cirq.PhasedXPowGate(phase_exponent=0.2, exponent=A),
        cirq.FSimGate(A, 0.3),
        cirq.ControlledGate(cirq.ry(A)),
        cirq.CZ ** (A * W),
        cirq.MatrixGate(cirq.testing.random_unitary(4, random_state=3)),
    ],
    ids=str,
)
def test_over_rotation_is_the_power_that_cirq_knows(gate: cirq.Gate) -> None:
    on = Q[: cirq.num_qubits(gate)]
    further = cirq.pow(gate, 1.13, None)
    if further is None:
        further = cirq.MatrixGate(scipy.linalg.fractional_matrix_power(cirq.unitary(gate), 1.13))
    observables = ["X0", "Z0", "Y1", "X0*Z1"]

    def values(last: cirq.Gate, model: noise.NoiseModel | None) -> np.ndarray:
        circuit = cirq.Circuit(start, last(*on))
        compiled = compile_circuit(circuit, observables, inputs=[A, W])
        run = engines.prepare(compiled.job("float64", noise=model), engines.StatevectorEngine())
        x = ops.convert_to_tensor([[0.37, 0.8]], "float64")
        return np.asarray(ops.convert_to_numpy(run(x, ops.zeros((0,), "float64"))))

    # The gates in front turn 13 % less, so that they are as they should be.
    start = [cirq.ry(0.7 / 1.13)(Q[0]), cirq.ry(0.4 / 1.13)(Q[1])]
    found = values(gate, noise.over_rotation(0.13))
    start = [cirq.ry(0.7)(Q[0]), cirq.ry(0.4)(Q[1])]
    np.testing.assert_allclose(found, values(further, None), atol=1e-9)


def test_a_gate_without_a_power_is_refused_by_its_name() -> None:
    gate = cirq.PhasedXZGate(x_exponent=A, z_exponent=0.2, axis_phase_exponent=0.1)
    compiled = compile_circuit(cirq.Circuit(gate(Q[0])), "Z", inputs=[A])
    with pytest.raises(ArgumentError, match="over-rotate only gates that have a power"):
        noise.applied(compiled.job(noise=noise.over_rotation(0.1)))


def test_an_encoding_in_front_gets_noise_too_and_gradients_are_exact() -> None:
    circuit = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.ry(W)(Q[0]))
    compiled = compile_circuit(circuit, "Z", inputs=[A])
    job = compiled.job("float64", noise=noise.depolarizing(0.1) + noise.over_rotation(0.2))
    run = engines.prepare(job, DensityEngine())
    a, w = 0.4, 0.3
    values, (grad_a, grad_w) = value_and_gradients(run, np.array([[a]]), np.array([w]))
    factor, turn = (1 - 0.4 / 3) ** 2, 1.2 * (a + w)
    np.testing.assert_allclose(values, [[factor * math.cos(turn)]], atol=1e-6)
    np.testing.assert_allclose(grad_a, [[-1.2 * factor * math.sin(turn)]], atol=1e-6)
    np.testing.assert_allclose(grad_w, [-1.2 * factor * math.sin(turn)], atol=1e-6)


def test_a_job_without_its_circuit_gets_noise_after_its_instructions() -> None:
    job = compile_circuit(BELL, "Z").job(noise=noise.bit_flip(0.1))
    alone = job.__class__(**{**vars(job), "origin": None})
    assert [
        i.qubits for i in noise.applied(alone).program.instructions if isinstance(i, Channel)
    ] == [(0,), (0,), (1,), (1,)]


def test_random_circuits_with_noise_agree_with_cirqs_simulator() -> None:
    rng = np.random.default_rng(3)
    model = noise.depolarizing(0.05) + noise.amplitude_damping(0.1)
    for _ in range(3):
        circuit = cirq.testing.random_circuit(Q, 6, 0.7, random_state=int(rng.integers(1000)))
        noisy = cirq.Circuit()
        for operation in circuit.all_operations():
            noisy.append(operation)
            noisy.append(cirq.depolarize(0.05).on_each(*operation.qubits))
            noisy.append(cirq.amplitude_damp(0.1).on_each(*operation.qubits))
        simulator = cirq.DensityMatrixSimulator(dtype=np.complex128)
        density = simulator.simulate(noisy, qubit_order=Q).final_density_matrix
        compiled = compile_circuit(circuit, "Z", qubits=Q)
        found = value(circuit, "Z", model, qubits=Q)
        exact = compiled.readout.of_density(compiled.program, density[None])[0]
        np.testing.assert_allclose(found, exact, atol=1e-12)


# Readout errors.


def test_readout_errors_are_confusion_matrices_of_probabilities() -> None:
    circuit = cirq.Circuit(cirq.ry(0.7)(Q[0]), cirq.ry(1.9)(Q[1]))
    model = noise.readout_error(0.1, 0.25) + noise.readout_error(0.05, 0.0).on(qubits=[1])
    compiled = compile_circuit(circuit).reading(Probabilities())
    run = engines.prepare(
        compiled.job("float64", noise=model, gradient=False), engines.StatevectorEngine()
    )
    found = ops.convert_to_numpy(run(ops.zeros((1, 0), "float64"), ops.zeros((0,), "float64")))[0]
    first = np.array([[0.9, 0.25], [0.1, 0.75]])
    second = np.array([[0.95, 0.0], [0.05, 1.0]]) @ first
    p, q = (np.array([math.cos(t / 2) ** 2, math.sin(t / 2) ** 2]) for t in (0.7, 1.9))
    np.testing.assert_allclose(found, np.kron(first @ p, second @ q), atol=1e-12)


@pytest.mark.parametrize("engine", [engines.NativeEngine(), engines.StatevectorEngine()])
def test_readout_errors_of_products_are_products(engine: Any) -> None:
    circuit = cirq.Circuit(cirq.X(Q[0]), cirq.I(Q[1]))
    job = compile_circuit(circuit, "0.5*Z0*Z1 + 2").job(noise=noise.readout_error(0.1, 0.3))
    if engines.refusal(job, engine) is not None:
        pytest.skip("not here")
    run = engines.prepare(job, engine)
    found = ops.convert_to_numpy(run(ops.zeros((1, 0)), ops.zeros((0,))))
    # <Z0> = -(1 - 0.6), <Z1> = 1 - 0.2.
    np.testing.assert_allclose(found, [[0.5 * -0.4 * 0.8 + 2]], atol=1e-6)


@pytest.mark.parametrize("engine", [engines.StatevectorEngine(), SamplerEngine()])
def test_readout_errors_flip_measured_bits(engine: Any) -> None:
    shots = 20_000
    circuit = cirq.Circuit(cirq.X(Q[0]), cirq.I(Q[1]))
    compiled = compile_circuit(circuit, ["Z0", "Z0*Z1", "X1"])
    model = noise.readout_error(0.1, 0.3)
    limit = 5 / math.sqrt(shots)  # five standard deviations at most
    for readout, exact in (
        (compiled.readout, [-0.4, -0.4 * 0.8, 0.2]),
        (Probabilities(), np.kron([0.3, 0.7], [0.9, 0.1])),
        (Samples(), None),
    ):
        job = compiled.reading(readout).job(shots=shots, noise=model, gradient=False)
        found = ops.convert_to_numpy(
            engines.prepare(job, engine)(ops.zeros((1, 0)), ops.zeros((0,)), 3)
        )[0]
        if exact is None:
            found, exact = found.mean(axis=0), [0.7, 0.1]
        np.testing.assert_allclose(found, exact, atol=limit)


def test_a_state_vector_has_no_readout_errors() -> None:
    compiled = compile_circuit(cirq.Circuit(cirq.X(Q[0])))
    job = compiled.reading(State()).job(noise=noise.readout_error(0.1))
    with pytest.raises(ValueError, match="readout errors don't act on the state"):
        engines.choose(job, engines.StatevectorEngine())


def test_an_engine_that_is_asked_directly_refuses_noise_that_is_not_applied() -> None:
    job = compile_circuit(BELL, "Z").job(noise=noise.bit_flip(0.1))
    assert "engines.prepare" in str(engines.StatevectorEngine().refuses(job))
    assert engines.choose(job, DensityEngine()) == DensityEngine()
    with pytest.raises(ValueError, match="does not execute Channel"):
        engines.choose(job, engines.StatevectorEngine())


# As values and as text.

MODELS = {
    **{name: case[0] for name, case in ONE_QUBIT.items()},
    "places": noise.depolarizing(0.1, 2).on(gates=["cx"], qubits=[(0, 1), (Q[1], Q[2])])
    + noise.crosstalk_zz(0.1)
    + noise.over_rotation(-0.1),
    "complex kraus": noise.kraus([0.6 * np.eye(2), 0.8 * np.array([[0, -1j], [1j, 0]])]),
    "none": noise.NoiseModel(),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_from_json_as_it_was(name: str) -> None:
    model = MODELS[name]
    text = json.dumps(keras.saving.serialize_keras_object(model))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert again == model
    assert hash(again) == hash(model)
    assert again.rules == model.rules


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("depolarizing:0.01", noise.depolarizing(0.01)),
        ("depolarizing:0.01,2@cx", noise.depolarizing(0.01, 2).on(gates="cx")),
        (
            "thermal_relaxation:50,70,0.02 + readout_error:0.02",
            noise.thermal_relaxation(50, 70, 0.02) + noise.readout_error(0.02),
        ),
        ("bit_flip:1e-3@1q,q0", noise.bit_flip(1e-3).on(n_qubits=1, qubits=[0])),
        ("phase_flip:0.1@layer", noise.phase_flip(0.1).on(after="layer")),
        ("crosstalk_zz:0.1", noise.crosstalk_zz(0.1)),
        ("none", noise.NoiseModel()),
    ],
)
def test_models_have_a_spelling(text: str, model: noise.NoiseModel) -> None:
    assert noise.parse(text) == model


def test_every_kind_of_error_has_a_function() -> None:
    for name in KINDS:
        assert callable(getattr(noise, name))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: noise.depolarizing(1.1), "`p` must be a probability"),
        (lambda: noise.bit_flip(-0.1), "`p` must be a probability"),
        (lambda: noise.amplitude_damping(math.nan), "`gamma` must be a finite number"),
        (lambda: noise.phase_flip("much"), "`p` must be a finite number"),
        (lambda: noise.readout_error(0.1, 2), "`p01` must be a probability"),
        (lambda: noise.thermal_relaxation(1.0, 2.1, 0.1), "`t2` must be at most 2 T1 = 2"),
        (lambda: noise.thermal_relaxation(0.0, 1.0, 0.1), "`t1` must be above 0"),
        (lambda: noise.thermal_relaxation(1.0, 1.0, -0.1), "`gate_time` must be at least 0"),
        (lambda: noise.thermal_relaxation(1.0, math.inf, 0.1), "`t2` must be a finite number"),
        (lambda: noise.over_rotation(math.nan), "`fraction` must be a finite number"),
        (lambda: noise.kraus([0.5 * np.eye(2)]), "preserve the trace"),
        (lambda: noise.kraus([np.eye(2) * math.nan]), "be finite"),
        (lambda: noise.kraus([np.eye(3)]), "2, 4 or 8 rows"),
        (lambda: noise.kraus([]), "2, 4 or 8 rows"),
        (lambda: noise.depolarizing(0.1, 0), "`n_qubits` must be a whole number"),
        (lambda: noise.depolarizing(0.1, 9), "`n_qubits` must be at most 3"),
        (lambda: noise.bit_flip(0.1).on(gates=3), "`gates` must be gates"),
        (lambda: noise.bit_flip(0.1).on(qubits=[-1]), "`qubits` must be indices"),
        (lambda: noise.bit_flip(0.1).on(qubits=[(0, 1)]), "`qubits` must be qubits"),
        (lambda: noise.readout_error(0.1).on(gates="x"), "`gates` must be None"),
        (lambda: noise.readout_error(0.1).on(after="layer"), "`after` must be one of 'readout'"),
        (lambda: noise.parse("depolarising:0.1"), "name errors among depolarizing"),
        (lambda: noise.parse("bit_flip:many"), "numbers after the colon"),
        (lambda: noise.parse("bit_flip"), "`parameters` must be p for bit_flip"),
        (lambda: noise.parse("bit_flip:0.1@0"), "places after @"),
        (lambda: noise.get(0.1), "`noise` must be a NoiseModel"),
        (lambda: noise.NoiseModel([{"channel": "bit_flip", "chance": 1}]), "unknown key 'chance'"),
        (lambda: noise.NoiseModel([{"channel": "bits"}]), "missing|be one of"),
    ],
)
def test_what_is_no_noise_is_refused(make: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        make()


@pytest.mark.parametrize("qubit", [3, cirq.LineQubit(7), cirq.NamedQubit("a")])
def test_noise_on_a_foreign_qubit_is_refused_with_the_circuits_qubits(qubit: Any) -> None:
    model = noise.bit_flip(0.1).on(qubits=[qubit])
    job = compile_circuit(BELL, "Z").job(noise=model)
    with pytest.raises(ArgumentError, match=r"name qubits of the circuit, q\(0\), q\(1\)"):
        engines.choose(job)


def test_a_channel_in_a_circuit_that_does_not_preserve_the_trace_is_refused() -> None:
    with pytest.raises(ValueError, match="preserve the trace"):
        compile_circuit(cirq.Circuit(cirq.KrausChannel([0.5 * np.eye(2)]).on(Q[0])), "Z")


def test_circuits_as_inputs_get_no_noise_and_it_is_said() -> None:
    job = compile_circuit(BELL, "Z").job(noise=noise.bit_flip(0.1), circuits=True)
    with pytest.raises(ArgumentError, match="be None with circuits as inputs"):
        noise.applied(job)
