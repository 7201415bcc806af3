"""The native engine: values and gradients against a dense reference, and all that may go wrong."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cirq
import keras
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from native import reference
from native.programs import as_unitary, layered_program, random_program
from qkeras_hybrid._checks import available_memory
from qkeras_hybrid.engines.native import (
    NativeEngine,
    build_status,
    instruction_sets,
    library,
    lowering,
)
from qkeras_hybrid.observables import Observable, PauliTerm
from qkeras_hybrid.program import Angle, AngleMap, Compiled, Phase, Program, compile_circuit
from qkeras_hybrid.readouts import Expectation

if keras.backend.backend() != "tensorflow":
    pytest.skip("the native engine runs under TensorFlow", allow_module_level=True)
if library.unavailable() is not None:
    pytest.skip(build_status(), allow_module_level=True)

import tensorflow as tf

SOURCES = Path(library.__file__).parent / "src"
LANES = ("samples", "amplitudes")
# float64: rounding over a few hundred operations. float32: the same at 6e-8 an operation, with
# random coefficients of a few units.
TOLERANCE = {"float64": 1e-11, "float32": 2e-4}


def evaluate(
    program: Compiled, x: Any, w: Any, upstream: Any, dtype: str, lanes: str = "auto"
) -> tuple[np.ndarray, ...]:
    """Expectations, and gradients of `sum(upstream * expectation)` by inputs and weights."""
    engine = NativeEngine(lanes)
    inputs, weights = tf.constant(x, dtype), tf.constant(w, dtype)
    with tf.GradientTape() as tape:
        tape.watch([inputs, weights])
        values = engine.expectation(program, inputs, weights)
    gradients = tape.gradient(values, [inputs, weights], tf.constant(upstream, dtype))
    return values.numpy(), gradients[0].numpy(), gradients[1].numpy()


def lowered(compiled: Compiled) -> bytes:
    return lowering.lower(compiled.program, compiled.angles.affine, compiled.readout)


def draw(program: Compiled, batch: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Inputs, weights and an upstream gradient."""
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(batch, len(program.inputs))),
        rng.normal(size=len(program.weights)),
        rng.normal(size=(batch, len(program.observables))),
    )


def assert_agrees(program: Compiled, batch: int, seed: int = 0) -> None:
    """Holds all kernels against the dense reference."""
    x, w, upstream = draw(program, batch, seed)
    wanted = (
        reference.expectation(program, x, w),
        *reference.gradients(program, x, w, upstream),
    )
    for dtype, tolerance in TOLERANCE.items():
        for lanes in LANES:
            found = evaluate(program, x, w, upstream, dtype, lanes)
            for name, a, b in zip(("values", "inputs", "weights"), found, wanted, strict=True):
                assert a.dtype == dtype
                np.testing.assert_allclose(
                    a, b, atol=tolerance, rtol=tolerance, err_msg=f"{name} {dtype} {lanes}"
                )


@settings(max_examples=40)
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
        found = engine.state(program, tf.constant(x), tf.constant(w))
        np.testing.assert_allclose(found, state, atol=1e-12)
        found = engine.probabilities(program, tf.constant(x), tf.constant(w))
        np.testing.assert_allclose(found, np.abs(state) ** 2, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_more_qubits_than_a_chunk(seed: int) -> None:
    # From 11 qubits on, phase tables are made chunk by chunk in both arrangements of the lanes.
    assert_agrees(random_program(seed, 11, 30, max_width=2), 2, seed)


@pytest.mark.parametrize("entangler", ["CZ", "CNOT"])
@pytest.mark.parametrize("letter", "XYZ")
def test_layered_programs(entangler: str, letter: str) -> None:
    assert_agrees(layered_program(5, 3, entangler=entangler, letter=letter), 17)


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


@pytest.mark.parametrize("lanes", LANES)
def test_state_and_probabilities_differentiate(lanes: str) -> None:
    program = random_program(5, 4, 20)
    x, w, _ = draw(program, 3)
    rng = np.random.default_rng(1)
    target = rng.normal(size=(3, 16)) + 1j * rng.normal(size=(3, 16))
    weight = rng.normal(size=(3, 16))
    engine = NativeEngine(lanes)

    def loss(inputs: Any, weights: Any) -> Any:
        state = engine.state(program, inputs, weights)
        overlap = tf.reduce_sum(tf.math.real(tf.math.conj(target) * state))
        return overlap + tf.reduce_sum(weight * engine.probabilities(program, inputs, weights))

    inputs, weights = tf.constant(x), tf.constant(w)
    with tf.GradientTape() as tape:
        tape.watch([inputs, weights])
        value = loss(inputs, weights)
    found = tape.gradient(value, [inputs, weights])
    for which, values in enumerate((x, w)):
        for place in np.ndindex(values.shape):
            step = np.zeros(values.shape)
            step[place] = 1e-5
            moved = [[inputs, weights], [inputs, weights]]
            moved[0][which], moved[1][which] = (
                tf.constant(values + step),
                tf.constant(values - step),
            )
            slope = (loss(*moved[0]) - loss(*moved[1])) / 2e-5
            # Central differences with step 1e-5 are good to about 1e-9.
            np.testing.assert_allclose(found[which].numpy()[place], slope, atol=1e-7)


def test_a_gradient_of_the_weights_alone() -> None:
    program = layered_program(4, 2)
    x, w, upstream = draw(program, 5)
    engine, weights = NativeEngine(), tf.Variable(w)
    with tf.GradientTape() as tape:
        values = engine.expectation(program, tf.constant(x), weights)
    alone = tape.gradient(values, weights, tf.constant(upstream))
    _, _, wanted = evaluate(program, x, w, upstream, "float64")
    np.testing.assert_allclose(alone, wanted, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("batch", [1, 9, 32])
def test_gradients_from_states_that_were_kept_are_those_from_states_made_anew(
    batch: int, lanes: str, dtype: str
) -> None:
    program = random_program(7, 6, 25)
    operations, data = library.load(), lowered(program)
    x, w, upstream = (tf.constant(a, dtype) for a in draw(program, batch))
    _, measured, none = operations.qkeras_hybrid_expectation(x, w, program=data, lanes=lanes)
    assert none.shape == (0, 0)
    _, _, kept = operations.qkeras_hybrid_expectation(x, w, program=data, lanes=lanes, keep=True)
    assert tf.size(kept) >= batch * 2 * 2**6
    found = [
        operations.qkeras_hybrid_expectation_grad(
            x, w, measured, upstream, state, program=data, lanes=lanes
        )
        for state in ([], [none], [kept])
    ]
    # A state that was kept is the same to the last bit.
    for a, b, c in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


def test_large_states_are_not_kept() -> None:
    program = layered_program(12, 1)
    x, w, _ = draw(program, 1100)
    # 1,100 states of 2**12 amplitudes in float64 are 72 MB.
    _, _, kept = library.load().qkeras_hybrid_expectation(
        tf.constant(x), tf.constant(w), program=lowered(program), keep=True
    )
    assert kept.shape == (0, 0)


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_results_are_the_same_on_every_run(batch: int) -> None:
    program = layered_program(10, 2)
    x, w, upstream = draw(program, batch)
    first = evaluate(program, x, w, upstream, "float32")
    for _ in range(10):
        for a, b in zip(evaluate(program, x, w, upstream, "float32"), first, strict=True):
            np.testing.assert_array_equal(a, b)


# --- Sampling -----------------------------------------------------------------------------------


def test_samples_follow_the_probabilities_and_the_seed() -> None:
    program = random_program(3, 3, 15)
    x, w, _ = draw(program, 2)
    engine, inputs, weights = NativeEngine(), tf.constant(x), tf.constant(w)
    bits = engine.sample(program, inputs, weights, 20000, seed=7).numpy()
    assert bits.shape == (2, 20000, 3)
    assert bits.dtype == np.int32
    np.testing.assert_array_equal(bits, engine.sample(program, inputs, weights, 20000, seed=7))
    assert np.any(bits != engine.sample(program, inputs, weights, 20000, seed=8).numpy())
    assert np.any(bits[0] != bits[1])
    unseeded = [engine.sample(program, inputs, weights, 50).numpy() for _ in range(2)]
    assert np.any(unseeded[0] != unseeded[1])
    probabilities = engine.probabilities(program, inputs, weights).numpy()
    for row, expected in zip(bits, probabilities, strict=True):
        counts = np.bincount(row @ [4, 2, 1], minlength=8) / 20000
        # Five standard deviations of a fraction of 20000 are below 0.018.
        np.testing.assert_allclose(counts, expected, atol=0.018)


# --- Bad and empty input ------------------------------------------------------------------------


def test_shapes_that_disagree_are_invalid_arguments() -> None:
    program = layered_program(3, 1)
    data = lowered(program)
    run = library.load().qkeras_hybrid_expectation
    x, w = tf.zeros((2, 3)), tf.zeros((6,))
    for inputs, weights in ((x[:, :2], w), (x, w[:5]), (x[0], w), (x, w[None])):
        with pytest.raises(tf.errors.InvalidArgumentError, match="must have shape"):
            run(inputs, weights, program=data)
    gradient = library.load().qkeras_hybrid_expectation_grad
    values, measured, kept = run(x, w, program=data, keep=True)
    for m, u in ((measured[:1], values), (measured, values[:, :2]), (measured[0], values)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="must have shape"):
            gradient(x, w, m, u, [kept], program=data)
    for k in (kept[:, 1:], kept[0], tf.concat([kept, kept], 0)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="of this batch kept, but has"):
            gradient(x, w, measured, values, [k], program=data)
    with pytest.raises(ValueError, match="inputs"):
        NativeEngine().expectation(program, x[:, :2], w)

    @tf.function
    def traced() -> Any:
        return run(tf.zeros((2, 4)), w, program=data)

    with pytest.raises(ValueError, match="must be 3 but is 4"):
        traced()


def test_shapes_are_known_in_graphs() -> None:
    program = layered_program(3, 1)

    @tf.function(input_signature=[tf.TensorSpec((None, 3)), tf.TensorSpec((6,))])
    def traced(x: Any, w: Any) -> Any:
        values = NativeEngine().expectation(program, x, w)
        assert values.shape.as_list() == [None, 3]
        assert NativeEngine().state(program, x, w).shape.as_list() == [None, 8]
        assert NativeEngine().sample(program, x, w, 5).shape.as_list() == [None, 5, 3]
        return values

    assert traced(tf.zeros((4, 3)), tf.zeros((6,))).shape == (4, 3)


def test_empty_batches_and_no_observables() -> None:
    program = layered_program(3, 1)
    x, w, upstream = draw(program, 0)
    values, d_inputs, d_weights = evaluate(program, x, w, upstream, "float32")
    assert values.shape == (0, 3)
    assert d_inputs.shape == (0, 3)
    np.testing.assert_array_equal(d_weights, np.zeros(6))
    assert NativeEngine().state(program, tf.zeros((0, 3)), tf.zeros((6,))).shape == (0, 8)
    assert NativeEngine().sample(program, tf.zeros((0, 3)), tf.zeros((6,)), 4).shape == (0, 4, 3)
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
    assert np.isnan(NativeEngine(lanes).state(program, tf.constant(x), tf.constant(w))[1]).all()
    x, w, upstream = draw(program, 3)
    w[0] = bad
    for found in evaluate(program, x, w, upstream, "float32", lanes):
        assert np.isnan(found).all()


def expect_refusal(data: bytes) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="serialized program is not valid"):
        library.load().qkeras_hybrid_expectation(tf.zeros((1, 3)), tf.zeros((4,)), program=data)


@settings(max_examples=100)
@given(st.data())
def test_damaged_programs_are_refused(data: st.DataObject) -> None:
    whole = lowered(random_program(1, 4, 12))
    if data.draw(st.booleans()):
        expect_refusal(whole[: data.draw(st.integers(0, len(whole) - 1))])
    else:
        place = data.draw(st.integers(0, len(whole) - 1))
        damaged = bytearray(whole)
        damaged[place] ^= data.draw(st.integers(1, 255))
        expect_refusal(bytes(damaged))


def resealed(data: bytes, place: int, value: int) -> bytes:
    """The program with a byte changed and a checksum that agrees."""
    body = bytearray(data[12:])
    body[place % len(body)] = value
    return data[:4] + struct.pack("<II", len(body), zlib.crc32(body)) + bytes(body)


@settings(max_examples=200)
@given(st.integers(0, 10**6), st.integers(0, 255), st.integers(0, 5))
def test_wrong_programs_with_a_right_checksum_never_crash(
    place: int, value: int, seed: int
) -> None:
    changed = resealed(lowered(random_program(seed, 4, 12)), place, value)
    try:
        found, *_ = library.load().qkeras_hybrid_expectation(
            tf.zeros((1, 3)), tf.zeros((4,)), program=changed
        )
    except (tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError):
        return
    assert found.shape[0] == 1


def test_too_many_qubits_are_refused_before_memory_is_asked_for() -> None:
    program = layered_program(32, 1)
    if available_memory() > 60 * 2**30:
        pytest.skip("this machine has memory for 32 qubits")
    assert "32 qubits" in str(NativeEngine().refuses(program.job()))
    with pytest.raises(tf.errors.ResourceExhaustedError, match="32 qubits needs"):
        NativeEngine().prepare(program.job("float64"))(
            tf.zeros((1, 32), "float64"), tf.zeros((64,), "float64")
        )
    assert "takes 32" in str(lowering.refusal(layered_program(33, 1).program))


def test_a_circuit_without_weights_has_a_gradient_in_its_inputs() -> None:
    qubit = cirq.LineQubit(0)
    program = compile_circuit(cirq.Circuit(cirq.rx(sympy.Symbol("x"))(qubit)), "Z", inputs="x")
    x, w = tf.constant([[0.3], [1.2]]), tf.zeros((0,))
    with tf.GradientTape() as tape:
        tape.watch((x, w))
        values = NativeEngine().expectation(program, x, w)
    in_inputs, in_weights = tape.gradient(values, (x, w))
    np.testing.assert_allclose(in_inputs, -np.sin(x), atol=1e-6)
    assert in_weights.shape == (0,)


def test_second_derivatives_are_refused() -> None:
    program = layered_program(3, 1)
    x, w = tf.ones((2, 3)), tf.ones((6,))
    with tf.GradientTape() as outer:
        outer.watch(w)
        with tf.GradientTape() as inner:
            inner.watch(w)
            values = NativeEngine().expectation(program, x, w)
        gradient = inner.gradient(values, w)
    with pytest.raises(NotImplementedError, match=r"no second derivatives.*statevector"):
        outer.gradient(gradient, w)


# --- Where it runs ------------------------------------------------------------------------------


@pytest.fixture(name="case")
def make_case() -> tuple[Program, Any, Any, np.ndarray]:
    program = layered_program(4, 1)
    x, w, _ = draw(program, 6)
    inputs, weights = tf.constant(x, "float32"), tf.constant(w, "float32")
    return program, inputs, weights, NativeEngine().expectation(program, inputs, weights).numpy()


def test_inside_a_data_pipeline(case: Any) -> None:
    program, x, w, wanted = case
    data = (
        tf.data.Dataset.from_tensor_slices(x)
        .batch(2)
        .map(lambda rows: NativeEngine().expectation(program, rows, w), num_parallel_calls=2)
    )
    # Batches of two take other kernels than the batch of six does: they round differently, by
    # 6e-8 a gate.
    found = np.concatenate([rows.numpy() for rows in data])
    np.testing.assert_allclose(found, wanted, atol=2e-6)


def test_inside_a_vectorized_map(case: Any) -> None:
    program, x, w, wanted = case
    found = tf.vectorized_map(lambda row: NativeEngine().expectation(program, row[None], w)[0], x)
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_under_a_mirrored_strategy(case: Any) -> None:
    program, x, w, wanted = case
    strategy = tf.distribute.MirroredStrategy(["/cpu:0"])
    with strategy.scope():
        weights = tf.Variable(w)

    @tf.function
    def step() -> Any:
        return strategy.run(lambda: NativeEngine().expectation(program, x, weights))

    np.testing.assert_array_equal(strategy.experimental_local_results(step())[0], wanted)


def test_from_several_threads_at_once(case: Any) -> None:
    program, x, w, wanted = case
    wrong = []

    def work() -> None:
        for _ in range(50):
            if np.any(NativeEngine().expectation(program, x, w).numpy() != wanted):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_exported_model_loads_after_the_import(
    case: Any, tmp_path: Path, run_python: Callable[..., str]
) -> None:
    program, x, w, wanted = case

    class Served(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 4))])
        def __call__(self, rows: Any) -> Any:
            return NativeEngine().expectation(program, rows, w)

    tf.saved_model.save(Served(), str(tmp_path / "model"))
    np.save(tmp_path / "x.npy", x.numpy())
    code = """
        import sys
        import numpy as np
        import qkeras_hybrid
        import tensorflow as tf
        model = tf.saved_model.load(sys.argv[1] + "/model")
        print(model(tf.constant(np.load(sys.argv[1] + "/x.npy"))).numpy().tolist())
    """
    printed = run_python(code, tmp_path, backend="tensorflow")
    np.testing.assert_allclose(json.loads(printed.splitlines()[-1]), wanted, atol=1e-6)


def test_bfloat16_inputs_come_back_as_bfloat16(case: Any) -> None:
    program, x, w, wanted = case
    found = NativeEngine().expectation(program, tf.cast(x, "bfloat16"), tf.cast(w, "bfloat16"))
    assert found.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(found, "float32"), wanted, atol=0.05)


# --- The build ----------------------------------------------------------------------------------


def test_build_status_names_the_instruction_sets() -> None:
    assert build_status() == f"native: built ({', '.join(instruction_sets())})"
    assert instruction_sets()[-1] == "baseline"


@pytest.mark.parametrize("name", instruction_sets())
def test_every_instruction_set(name: str, tmp_path: Path, root: Path) -> None:
    programs = [random_program(seed, n, 20) for seed, n in ((0, 3), (1, 6), (2, 8))]
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_native import *\n"
        "for seed, n in ((0, 3), (1, 6), (2, 8)):\n"
        "    assert_agrees(random_program(seed, n, 20), 9)\n"
        "print('agreed')\n"
    )
    assert len(programs) == 3
    done = subprocess.run(
        [sys.executable, "-c", code, str(root / "tests")],
        env={**os.environ, "QKERAS_HYBRID_ISA": name, "KERAS_BACKEND": "tensorflow"},
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["agreed"], done.stderr


def test_an_unknown_instruction_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QKERAS_HYBRID_ISA", "mmx")
    # A program of its own, as operations that were made before are kept.
    program = layered_program(2, 7)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"QKERAS_HYBRID_ISA.*baseline.*mmx"):
        NativeEngine().expectation(program, tf.zeros((1, 2)), tf.zeros((28,)))


def test_a_machine_without_a_compiler_installs_and_says_so(tmp_path: Path, root: Path) -> None:
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, tmp_path)
    shutil.copytree(
        root / "qkeras_hybrid",
        tmp_path / "qkeras_hybrid",
        ignore=shutil.ignore_patterns("*.so", "_build_status.json", "__pycache__"),
    )
    (tmp_path / "bin").mkdir()
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=tmp_path,
        env={**os.environ, "PATH": str(tmp_path / "bin"), "CXX": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    code = """
        from qkeras_hybrid.engines.native import build_status, NativeEngine
        print(build_status())
    """
    printed = subprocess.run(
        [sys.executable, "-c", "\n".join(line.strip() for line in code.splitlines())],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.splitlines()[-1] == "native: not built (no C++ compiler found)"


def driver_case(program: Compiled, batch: int, threads: int, lanes: int, data: bytes) -> bytes:
    out = struct.pack("<I", len(data)) + data + struct.pack("<III", batch, threads, lanes)
    for numbers in draw(program, batch):
        out += struct.pack("<I", numbers.size) + numbers.astype("<f8").tobytes()
    return out


@pytest.mark.slow
@pytest.mark.parametrize("sanitizers", ["address,undefined", "thread"])
def test_kernels_under_sanitizers(sanitizers: str, tmp_path: Path, root: Path) -> None:
    binary = tmp_path / "driver"
    sources = [SOURCES / name for name in ("kernels.cc", "plan.cc")]
    subprocess.run(
        [
            *("g++", "-std=c++17", "-O1", "-g", "-Wall", "-Wextra", "-fno-sanitize-recover=all"),
            f"-fsanitize={sanitizers}",
            "-DQH_KERNELS_NAME=Kernels_baseline",
            f"-I{SOURCES}",
            *map(str, sources),
            str(root / "tests" / "native" / "driver.cc"),
            "-o",
            str(binary),
            "-pthread",
        ],
        check=True,
    )
    cases, wanted = [], []
    for seed in range(30):
        program = random_program(seed, 1 + seed % 7, 20)
        data = lowered(program)
        x, w, upstream = draw(program, 9)
        for threads, lanes in ((1, 0), (1, 1), (3, 0), (3, 1)):
            cases.append(driver_case(program, 9, threads, lanes, data))
            wanted.append(evaluate(program, x, w, upstream, "float64"))
        rng = np.random.default_rng(seed)
        for place, value in zip(rng.integers(0, 10**6, 40), rng.integers(0, 256, 40), strict=True):
            changed = resealed(data, int(place), int(value))
            cases.append(driver_case(program, 9, 2, int(value) % 2, changed))
            wanted.append(None)
    # All threads on one state.
    large = layered_program(14, 1)
    cases.append(driver_case(large, 1, 4, 1, lowered(large)))
    wanted.append(evaluate(large, *draw(large, 1), "float64"))
    done = subprocess.run([str(binary)], input=b"".join(cases), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[:4000]
    lines = done.stdout.decode().split("\n")
    assert len(lines) == len(cases) + 1
    for line, expected in zip(lines, wanted, strict=False):
        if expected is None:
            continue
        numbers = np.array(line.split(), dtype=float)
        flat = np.concatenate([part.ravel() for part in expected])
        np.testing.assert_allclose(numbers[: flat.size], flat, atol=1e-10)
        np.testing.assert_allclose(numbers[flat.size :], flat, atol=1e-3)
