"""The native engine on every Keras backend: values and gradients against a dense reference."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cirq
import keras
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from native import reference
from native.evaluation import LANES, assert_agrees, draw, evaluate, tensors
from native.programs import as_unitary, layered_program, random_program
from qkeras_hybrid._checks import available_memory
from qkeras_hybrid.engines.native import NativeEngine, build_status, library, lowering
from qkeras_hybrid.layers import PQCDense
from qkeras_hybrid.observables import Observable, PauliTerm
from qkeras_hybrid.program import Angle, AngleMap, Phase, Program, compile_circuit
from qkeras_hybrid.readouts import Expectation, Probabilities, State
from qkeras_hybrid.testing.numbers import value_and_gradients

if library.unavailable() is not None:
    pytest.skip(build_status(), allow_module_level=True)


# JAX compiles each anew, which takes a second.
@settings(max_examples=24 if keras.backend.backend() == "tensorflow" else 8)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_qubits=st.integers(1, 7),
    n_instructions=st.integers(0, 25),
    batch=st.integers(1, 20),
)
def test_random_programs(seed: int, n_qubits: int, n_instructions: int, batch: int) -> None:
    program = random_program(seed, n_qubits, n_instructions)
    assert_agrees(program, batch, seed)
    x, w, _ = draw(program, batch, seed)
    state = [reference.state_of(program, reference.angles_of(program, xi, w)).ravel() for xi in x]
    for lanes in LANES:
        engine = NativeEngine(lanes)
        found = engine.state(program, *tensors(x, w))
        np.testing.assert_allclose(found, state, atol=1e-12)
        found = engine.probabilities(program, *tensors(x, w))
        np.testing.assert_allclose(found, np.abs(state) ** 2, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_more_qubits_than_a_chunk(seed: int) -> None:
    # From 11 qubits on, phase tables are made chunk by chunk in both arrangements of the lanes.
    assert_agrees(random_program(seed, 11, 30, max_width=2), 2, seed)


@pytest.mark.parametrize("entangler", ["CZ", "CNOT"])
@pytest.mark.parametrize("letter", "XYZ")
def test_layered_programs(entangler: str, letter: str) -> None:
    assert_agrees(layered_program(5, 2, entangler=entangler, letter=letter), 17)


@pytest.mark.parametrize("angle", [np.pi, -np.pi, 3 * np.pi, np.pi - 1e-9, 2 * np.pi, 0.0, 1e6])
def test_angles_whose_tangent_is_large(angle: float) -> None:
    # Rotations are applied through tan(angle/2): many at once must not overflow in float32.
    program = layered_program(8, 2)
    rng = np.random.default_rng(0)
    x = np.full((3, 8), angle)
    x[1] = rng.normal(size=8)
    w = np.where(rng.random(32) < 0.8, angle, rng.normal(size=32)).astype("float32").astype(float)
    x = x.astype("float32").astype(float)
    upstream = rng.normal(size=(3, 8))
    wanted = (
        reference.expectation(program, x, w),
        *reference.gradients(program, x, w, upstream),
    )
    for dtype, tolerance in (("float64", 1e-8 if angle == 1e6 else 1e-11), ("float32", 2e-5)):
        for lanes in LANES:
            for a, b in zip(evaluate(program, x, w, upstream, dtype, lanes), wanted, strict=True):
                np.testing.assert_allclose(a, b, atol=tolerance)


def test_deep_circuits_do_not_overflow() -> None:
    # 600 rotations by about 2.8 radians leave a factor of 1e-500 to be carried along.
    program = layered_program(6, 50)
    x, w, upstream = draw(program, 3)
    w = 2.8 + 0.1 * w
    values = reference.expectation(program, x, w)
    moved = [w.copy(), w.copy()]
    moved[0][150] += np.pi / 2
    moved[1][150] -= np.pi / 2
    ends = [np.sum(upstream * reference.expectation(program, x, m)) for m in moved]
    exact = evaluate(program, x, w, upstream, "float64")
    np.testing.assert_allclose(exact[0], values, atol=1e-12)
    np.testing.assert_allclose(exact[2][150], (ends[0] - ends[1]) / 2, atol=1e-12)
    for lanes in LANES:
        for a, b in zip(evaluate(program, x, w, upstream, "float32", lanes), exact, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)


def test_float32_gradients_at_12_qubits() -> None:
    program = layered_program(12, 3)
    x, w, _ = draw(program, 4)
    x, w = x.astype("float32"), w.astype("float32")
    upstream = np.ones((4, 12))
    exact = evaluate(program, x, w, upstream, "float64")
    for a, b in zip(evaluate(program, x, w, upstream, "float32"), exact, strict=True):
        assert np.abs(a - b).max() / np.abs(b).max() < 1e-5


def test_float32_values_keep_their_digits_at_18_qubits() -> None:
    # Each is a sum of 2^17 terms: added one by one in float32 they are off by 1.6e-6.
    program = layered_program(18, 1, entangler="CNOT", letter="X")
    x, w, upstream = np.full((1, 18), 0.1), np.full(36, 0.2), np.ones((1, 18))
    found, exact = (
        evaluate(program, x.astype(dtype), w.astype(dtype), upstream, dtype, "samples")[0]
        for dtype in ("float32", "float64")
    )
    np.testing.assert_allclose(found, exact, atol=8e-7)


def test_one_large_state_on_all_threads_agrees_with_lanes_of_samples() -> None:
    program = layered_program(16, 2, entangler="CNOT", letter="X")
    x, w, upstream = draw(program, 1)
    exact = evaluate(program, x, w, upstream, "float64", "samples")
    for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-4)):
        found = evaluate(program, x, w, upstream, dtype, "amplitudes")
        for a, b in zip(found, exact, strict=True):
            np.testing.assert_allclose(a, b, atol=tolerance)


def test_phases_on_many_qubits() -> None:
    empty = random_program(0, 6, 0)
    turns = tuple(as_unitary((q,), cirq.H) for q in range(6))
    phases = (Phase(tuple(range(6)), 0), Phase((0, 2, 3, 4), 1))
    rows = (Angle(inputs=((0, 1.0),)), Angle(weights=((1, 2.0),)))
    program = replace(
        empty,
        program=Program(empty.qubits, (*turns, *phases, *turns), 2),
        angles=AngleMap(empty.inputs, empty.weights, rows),
        readout=Expectation(tuple(Observable((PauliTerm(1.0, "Z", (q,)),)) for q in range(6))),
    )
    assert_agrees(program, 3)
    too_many = replace(
        program,
        program=Program(tuple(cirq.LineQubit.range(14)), (Phase(tuple(range(13)), 0),), 2),
    )
    assert "13 qubits" in str(NativeEngine().refuses(too_many.job()))


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_results_are_the_same_on_every_run(batch: int) -> None:
    program = layered_program(10, 2)
    x, w, upstream = draw(program, batch)
    first = evaluate(program, x, w, upstream, "float32")
    for _ in range(10):
        for a, b in zip(evaluate(program, x, w, upstream, "float32"), first, strict=True):
            np.testing.assert_array_equal(a, b)


def test_samples_follow_the_probabilities_and_the_seed() -> None:
    program = random_program(3, 3, 15)
    x, w, _ = draw(program, 2)
    engine, arguments = NativeEngine(), tensors(x, w)

    def sample(shots: int, seed: int | None) -> np.ndarray:
        return ops.convert_to_numpy(engine.sample(program, *arguments, shots, seed=seed))

    bits = sample(20000, 7)
    assert bits.shape == (2, 20000, 3)
    assert bits.dtype == np.int32
    np.testing.assert_array_equal(bits, sample(20000, 7))
    assert np.any(bits != sample(20000, 8))
    assert np.any(bits[0] != bits[1])
    assert np.any(sample(50, None) != sample(50, None))
    probabilities = ops.convert_to_numpy(engine.probabilities(program, *arguments))
    for row, expected in zip(bits, probabilities, strict=True):
        counts = np.bincount(row @ [4, 2, 1], minlength=8) / 20000
        # Five standard deviations of a fraction of 20000 are below 0.018.
        np.testing.assert_allclose(counts, expected, atol=0.018)


def test_empty_batches_and_no_observables() -> None:
    program = layered_program(3, 1)
    x, w, upstream = draw(program, 0)
    values, d_inputs, d_weights = evaluate(program, x, w, upstream, "float32")
    assert values.shape == (0, 3)
    assert d_inputs.shape == (0, 3)
    np.testing.assert_array_equal(d_weights, np.zeros(6))
    assert NativeEngine().state(program, *tensors(x, w)).shape == (0, 8)
    assert NativeEngine().sample(program, *tensors(x, w), 4).shape == (0, 4, 3)
    for observables in ((), (Observable(()), Observable((PauliTerm(2.5, "", ()),)))):
        some = program.reading(Expectation(observables))
        x, w, upstream = draw(some, 4)
        values, d_inputs, d_weights = evaluate(some, x, w, upstream, "float64")
        np.testing.assert_allclose(values, np.tile([0.0, 2.5][: len(observables)], (4, 1)))
        assert not d_inputs.any()
        assert not d_weights.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("lanes", LANES)
def test_parameters_that_are_not_finite_give_nan(bad: float, lanes: str) -> None:
    program = layered_program(5, 2)
    x, w, upstream = draw(program, 3)
    clean = evaluate(program, x, w, upstream, "float32", lanes)
    x[1, 2] = bad
    values, d_inputs, d_weights = evaluate(program, x, w, upstream, "float32", lanes)
    assert np.isnan(values[1]).all()
    assert np.isnan(d_inputs[1]).all()
    assert np.isnan(d_weights).all()
    # The others in the batch are not touched.
    np.testing.assert_array_equal(values[[0, 2]], clean[0][[0, 2]])
    np.testing.assert_array_equal(d_inputs[[0, 2]], clean[1][[0, 2]])
    assert np.isnan(NativeEngine(lanes).state(program, *tensors(x, w))[1]).all()
    x, w, upstream = draw(program, 3)
    w[0] = bad
    for found in evaluate(program, x, w, upstream, "float32", lanes):
        assert np.isnan(found).all()


def test_too_many_qubits_are_refused_before_memory_is_asked_for() -> None:
    program = layered_program(32, 1)
    if available_memory() > 60 * 2**30:
        pytest.skip("this machine has memory for 32 qubits")
    assert "32 qubits" in str(NativeEngine().refuses(program.job()))
    # TensorFlow's, JAX's and PyTorch's error differ in type.
    with pytest.raises(Exception, match="32 qubits needs"):
        ops.convert_to_numpy(
            NativeEngine().prepare(program.job("float64"))(*tensors(np.zeros((1, 32)), [0.0] * 64))
        )
    assert "takes 32" in str(lowering.refusal(layered_program(33, 1).program))


def test_a_circuit_without_weights_has_a_gradient_in_its_inputs() -> None:
    qubit = cirq.LineQubit(0)
    program = compile_circuit(cirq.Circuit(cirq.rx(sympy.Symbol("x"))(qubit)), "Z", inputs="x")
    x, w = np.array([[0.3], [1.2]]), np.zeros((0,))
    run = NativeEngine().prepare(program.job("float64"))
    _, (in_inputs, in_weights) = value_and_gradients(run, x, w)
    np.testing.assert_allclose(in_inputs, -np.sin(x), atol=1e-12)
    assert in_weights.shape == (0,)


@pytest.mark.parametrize("lanes", LANES)
def test_state_and_probabilities_differentiate(lanes: str) -> None:
    program = random_program(5, 4, 20)
    x, w, _ = draw(program, 3)
    rng = np.random.default_rng(1)
    target = rng.normal(size=(3, 16)) + 1j * rng.normal(size=(3, 16))
    real, imaginary, weight = tensors(target.real, target.imag, rng.normal(size=(3, 16)))
    state, probabilities = (
        NativeEngine(lanes).prepare(program.reading(readout).job("float64"))
        for readout in (State(), Probabilities())
    )

    def loss(inputs: Any, weights: Any) -> Any:
        found = state(inputs, weights)
        overlap = real * ops.real(found) + imaginary * ops.imag(found)
        return ops.sum(overlap) + ops.sum(weight * probabilities(inputs, weights))

    _, gradients = value_and_gradients(loss, x, w)
    for which, values in enumerate((x, w)):
        for place in np.ndindex(values.shape):
            ends = []
            for step in (1e-5, -1e-5):
                moved = [x.copy(), w.copy()]
                moved[which][place] += step
                ends.append(float(loss(*tensors(*moved))))
            # Central differences with step 1e-5 are good to about 1e-9.
            slope = (ends[0] - ends[1]) / 2e-5
            np.testing.assert_allclose(gradients[which][place], slope, atol=1e-7)


def test_auto_takes_native_and_a_model_trains_with_it() -> None:
    layer = PQCDense(3, n_layers=1)
    model = keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
    history = model.fit(x, x[:, :1], batch_size=3, epochs=4, verbose=0).history["loss"]
    assert layer.engine.name == "native"
    assert history[-1] < history[0]
    # TensorFlow's XLA has no kernel for the operation, JAX's compiles around it.
    assert layer.supports_jit == (keras.backend.backend() != "tensorflow")


def test_samples_are_the_same_on_every_backend() -> None:
    program = layered_program(3, 1)
    x, w, _ = draw(program, 2)
    bits = NativeEngine().sample(program, *tensors(x, w), 8, seed=5)
    # As measured by version 0.1 under TensorFlow: block i * shots + k of the Philox stream.
    found = ops.convert_to_numpy(bits) @ [4, 2, 1]
    np.testing.assert_array_equal(found, [[4, 0, 6, 4, 4, 1, 7, 4], [0, 0, 0, 0, 0, 4, 1, 0]])
