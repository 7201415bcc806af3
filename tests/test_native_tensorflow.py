"""The native engine's operations under TensorFlow: where they run, and what they refuse."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native.evaluation import LANES, draw, evaluate, lowered, resealed
from native.programs import layered_program, random_program
from qkeras_hybrid.engines.native import NativeEngine, build_status, library
from qkeras_hybrid.program import Program

if keras.backend.backend() != "tensorflow":
    pytest.skip("these are TensorFlow's operations", allow_module_level=True)
if library.unavailable() is not None:
    pytest.skip(build_status(), allow_module_level=True)

import tensorflow as tf

from qkeras_hybrid.engines.native.bridges.tensorflow import load


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("batch", [1, 9, 32])
def test_gradients_from_states_that_were_kept_are_those_from_states_made_anew(
    batch: int, lanes: str, dtype: str
) -> None:
    program = random_program(7, 6, 25)
    operations, data = load(), lowered(program)
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
    _, _, kept = load().qkeras_hybrid_expectation(
        tf.constant(x), tf.constant(w), program=lowered(program), keep=True
    )
    assert kept.shape == (0, 0)


def test_shapes_that_disagree_are_invalid_arguments() -> None:
    program = layered_program(3, 1)
    data = lowered(program)
    run = load().qkeras_hybrid_expectation
    x, w = tf.zeros((2, 3)), tf.zeros((6,))
    for inputs, weights in ((x[:, :2], w), (x, w[:5]), (x[0], w), (x, w[None])):
        with pytest.raises(tf.errors.InvalidArgumentError, match="must have shape"):
            run(inputs, weights, program=data)
    gradient = load().qkeras_hybrid_expectation_grad
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

    with pytest.raises(tf.errors.InvalidArgumentError, match="must have shape"):
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


def expect_refusal(data: bytes) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError, match="serialized program is not valid"):
        load().qkeras_hybrid_expectation(tf.zeros((1, 3)), tf.zeros((4,)), program=data)


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


@settings(max_examples=200)
@given(st.integers(0, 10**6), st.integers(0, 255), st.integers(0, 5))
def test_wrong_programs_with_a_right_checksum_never_crash(
    place: int, value: int, seed: int
) -> None:
    changed = resealed(lowered(random_program(seed, 4, 12)), place, value)
    try:
        found, *_ = load().qkeras_hybrid_expectation(
            tf.zeros((1, 3)), tf.zeros((4,)), program=changed
        )
    except (tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError):
        return
    assert found.shape[0] == 1


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


def test_a_gradient_of_the_weights_alone() -> None:
    program = layered_program(4, 2)
    x, w, upstream = draw(program, 5)
    engine, weights = NativeEngine(), tf.Variable(w)
    with tf.GradientTape() as tape:
        values = engine.expectation(program, tf.constant(x), weights)
    alone = tape.gradient(values, weights, tf.constant(upstream))
    _, _, wanted = evaluate(program, x, w, upstream, "float64")
    np.testing.assert_allclose(alone, wanted, atol=1e-14)


def test_a_second_copy_of_the_operations_is_refused(
    tmp_path: Path, run_python: Callable[..., str]
) -> None:
    for name in ("_native.so", "_tensorflow.so"):
        shutil.copy(library.FOLDER / name, tmp_path)
    code = """
        import sys
        from pathlib import Path
        import tensorflow as tf
        tf.load_op_library(sys.argv[1] + "/_tensorflow.so")
        from qkeras_hybrid.engines import native
        print(native.load_operations())
        print(native.bridges.bridge("tensorflow").unavailable())
    """
    there, reason = run_python(code, tmp_path, backend="tensorflow").splitlines()[-2:]
    assert there == "False"
    assert "Another copy of qkeras_hybrid" in reason
    assert "restart Python" in reason
