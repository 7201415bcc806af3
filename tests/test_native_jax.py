"""The native engine's handlers under JAX: where they run, and what they refuse."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from native.evaluation import draw, evaluate, lowered, tensors
from native.programs import layered_program, random_program
from qkeras_hybrid.engines.native import NativeEngine, build_status, library
from qkeras_hybrid.layers import PQCDense
from qkeras_hybrid.program import Compiled
from qkeras_hybrid.readouts import Probabilities, Samples

if keras.backend.backend() != "jax":
    pytest.skip("these are JAX's handlers", allow_module_level=True)
if library.unavailable() is not None:
    pytest.skip(build_status(), allow_module_level=True)

import jax
import jax.numpy as jnp

from qkeras_hybrid.engines.native.bridges import jax as bridge

if not jax.config.jax_enable_x64:
    pytest.skip("these compare in float64: set JAX_ENABLE_X64=1", allow_module_level=True)


def prepared(program: Compiled, dtype: str = "float64", **job: Any) -> Any:
    return NativeEngine().prepare(program.job(dtype, **job))


@pytest.fixture(name="case")
def make_case() -> tuple[Any, Any, Any, np.ndarray, np.ndarray]:
    """A run, inputs and weights, its values, and the gradient of their sum by the weights."""
    program = layered_program(4, 1)
    x, w, _ = draw(program, 6)
    values, _, slopes = evaluate(program, x, w, np.ones((6, 4)), "float64")
    return prepared(program), *tensors(x, w), values, slopes


def test_jit_and_grad_of_jit_and_jit_of_grad_agree(case: Any) -> None:
    run, x, w, values, slopes = case
    np.testing.assert_allclose(jax.jit(run)(x, w), values, atol=1e-12)
    for gradient in (
        jax.grad(lambda w: jax.jit(run)(x, w).sum()),
        jax.jit(jax.grad(lambda w: run(x, w).sum())),
    ):
        np.testing.assert_allclose(gradient(w), slopes, atol=1e-12)


def test_vmap_over_inputs_weights_or_both(case: Any) -> None:
    run, x, w, _, slopes = case
    stacked, shifts = jnp.stack([x, x + 0.1]), jnp.stack([w, w - 0.2, w + 0.3])
    found = jax.vmap(run, (0, None))(stacked, w)
    np.testing.assert_allclose(found, [run(one, w) for one in stacked], atol=1e-12)
    found = jax.vmap(run, (None, 0))(x, shifts)
    np.testing.assert_allclose(found, [run(x, one) for one in shifts], atol=1e-12)
    # Each sample on its own, and gradients of each: as in Fisher information.
    each = jax.vmap(jax.grad(lambda w, row: run(row[None], w).sum()), (None, 0))(w, x)
    np.testing.assert_allclose(each.sum(0), slopes, atol=1e-12)
    nested = jax.vmap(jax.vmap(run, (None, 0)), (0, None))(stacked, shifts)
    np.testing.assert_allclose(nested[1, 2], run(stacked[1], shifts[2]), atol=1e-12)


def test_scan_trains_as_a_loop_does(case: Any) -> None:
    run, x, w, _, _ = case

    def step(weights: Any, _: Any) -> tuple[Any, Any]:
        loss, slope = jax.value_and_grad(lambda weights: (run(x, weights) ** 2).sum())(weights)
        return weights - 0.1 * slope, loss

    _, losses = jax.jit(lambda w: jax.lax.scan(step, w, None, length=4))(w)
    for loss in losses:
        w, wanted = step(w, None)
        np.testing.assert_allclose(loss, wanted, rtol=1e-12)


def test_checkpointed_gradients_are_the_same(case: Any) -> None:
    run, x, w, _, slopes = case
    found = jax.grad(lambda w: jax.checkpoint(run)(x, w).sum())(w)
    np.testing.assert_allclose(found, slopes, atol=1e-12)


def test_the_gradient_of_inputs_is_left_out_where_nobody_wants_it(case: Any) -> None:
    run, x, w, _, _ = case
    text = str(jax.make_jaxpr(jax.grad(lambda w: run(x, w).sum()))(w))
    # The handler is asked for an empty d_inputs: no elements of (6, 4).
    assert "f64[0,0]" in text
    text = str(jax.make_jaxpr(jax.grad(lambda x: run(x, w).sum()))(x))
    assert "f64[0,0]" not in text


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 9, 32])
def test_states_that_are_kept_change_nothing(batch: int, dtype: str) -> None:
    program = random_program(7, 6, 25)
    x, w, upstream = tensors(*draw(program, batch), dtype=dtype)
    found = []
    for gradient in (True, False):  # which is whether they are kept
        run = prepared(program, dtype, gradient=gradient)
        total = jax.grad(lambda x, w, run=run: (run(x, w) * upstream).sum(), (0, 1))
        found.append(total(x, w))
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_forward_mode_and_second_derivatives_are_refused(case: Any) -> None:
    run, x, w, _, _ = case
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(lambda w: run(x, w), (w,), (w,))
    with pytest.raises(NotImplementedError, match=r"no second derivatives.*statevector"):
        jax.hessian(lambda w: run(x, w).sum())(w)


def test_probabilities_under_jit_and_vmap() -> None:
    program = random_program(3, 3, 15).reading(Probabilities())
    x, w, _ = draw(random_program(3, 3, 15), 2)
    run, (x, w) = prepared(program), tensors(x, w)
    np.testing.assert_allclose(jax.jit(run)(x, w).sum(1), 1, atol=1e-12)
    found = jax.vmap(lambda row: run(row[None], w)[0])(x)
    np.testing.assert_allclose(found, run(x, w), atol=1e-12)
    slope = jax.jit(jax.grad(lambda w: run(x, w).sum()))(w)
    np.testing.assert_allclose(slope, 0, atol=1e-12)  # they sum to one


def test_samples_under_jit_follow_the_seed() -> None:
    program = layered_program(3, 1).reading(Samples())
    x, w, _ = draw(layered_program(3, 1), 2)
    run, (x, w) = prepared(program, shots=8, gradient=False), tensors(x, w)
    eager = run(x, w, 5)
    np.testing.assert_array_equal(jax.jit(run)(x, w, 5), eager)
    seeds = jnp.arange(3)
    np.testing.assert_array_equal(jax.vmap(run, (None, None, 0))(x, w, seeds + 5)[0], eager)


def test_float64_without_x64_is_refused_before_anything_is_computed() -> None:
    program = layered_program(3, 1)
    jax.config.update("jax_enable_x64", False)
    try:
        reason = NativeEngine().refuses(program.job("float64"))
        assert reason is not None
        assert "jax_enable_x64" in reason
        with pytest.raises(ValueError, match="jax_enable_x64"):
            PQCDense(3, dtype="float64").build((None, 3))
    finally:
        jax.config.update("jax_enable_x64", True)


@pytest.mark.parametrize("device", ["gpu", "tpu"])
def test_another_device_than_the_cpu_takes_statevector(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: device)
    layer = PQCDense(3)
    layer.build((None, 3))
    assert layer.engine.name == "statevector"
    reason = NativeEngine().refuses(layered_program(3, 1).job())
    assert reason == f"it runs on the CPU, but jax computes on the {device}"
    with pytest.raises(ValueError, match=f"jax computes on the {device}"):
        PQCDense(3, engine="native").build((None, 3))


def test_several_devices_take_statevector(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = [f"cpu:{i}" for i in range(2)]
    monkeypatch.setattr(
        keras.distribution,
        "distribution",
        lambda: keras.distribution.DataParallel(
            device_mesh=keras.distribution.DeviceMesh((2,), ["batch"], devices)
        ),
    )
    layer = PQCDense(3)
    layer.build((None, 3))
    assert layer.engine.name == "statevector"


def test_shapes_and_programs_that_do_not_fit_are_errors_not_crashes(case: Any) -> None:
    _, x, w, _, _ = case
    operations = bridge.Operations(lowered(layered_program(4, 1)), "auto", True)
    for inputs, weights in ((x[:, :3], w), (x, w[:-1]), (x.astype("float32"), w)):
        with pytest.raises(Exception, match="must have shapes"):
            ops.convert_to_numpy(operations.expectation(inputs, weights))
    with pytest.raises(Exception, match="float32 or float64"):
        ops.convert_to_numpy(operations.expectation(x.astype("int32"), w.astype("int32")))
    operations._attributes |= {"program": "00ff", "digest": "another"}
    with pytest.raises(Exception, match="serialized program is not valid"):
        ops.convert_to_numpy(operations.expectation(x, w))


def test_more_programs_than_are_held_open_are_opened_again() -> None:
    x, w = jnp.zeros((1, 2)), jnp.zeros((4,))
    runs = [prepared(layered_program(2, 1, letter=letter)) for letter in "XYZ" for _ in range(1)]
    wanted = [run(x, w) for run in runs]
    for seed in range(260):  # 256 are held open
        program = random_program(seed, 2, 3)
        inputs, weights, _ = draw(program, 1)
        prepared(program)(*tensors(inputs, weights))
    for run, value in zip(runs, wanted, strict=True):
        np.testing.assert_array_equal(run(x, w), value)


def test_an_exported_function_runs_with_batches_of_any_size(case: Any) -> None:
    run, x, w, values, _ = case
    from jax import export

    (size,) = export.symbolic_shape("n")
    spec = jax.ShapeDtypeStruct((size, 4), x.dtype)
    names = [bridge._target(name) for name in bridge.HANDLERS]
    checks = [export.DisabledSafetyCheck.custom_call(name) for name in names]
    exported = export.export(jax.jit(run), disabled_checks=checks)(spec, w)
    again = export.deserialize(exported.serialize())
    np.testing.assert_allclose(again.call(x, w), values, atol=1e-12)
    np.testing.assert_allclose(again.call(x[:2], w), values[:2], atol=1e-12)


def test_many_cotangents_share_the_states_that_were_kept(case: Any) -> None:
    run, x, w, _, _ = case
    _, back = jax.vjp(lambda w: run(x, w), w)
    cotangents = jnp.eye(24).reshape(24, 6, 4)
    (found,) = jax.vmap(back)(cotangents)
    np.testing.assert_allclose(found, [back(one)[0] for one in cotangents], atol=1e-12)
    # Of the arguments only the cotangents have 24 of something.
    call = str(jax.make_jaxpr(jax.vmap(back))(cotangents)).split("expectation_gradient")[0]
    assert "f64[24,6,4]" in call
    assert "f64[1,6,4]" in call


def test_states_kept_for_other_vectors_are_computed_anew(
    case: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, x, w, _, slopes = case
    # As a program has it that was exported on a machine with vectors of another length.
    monkeypatch.setattr(library.Session, "kept_shape", lambda *_: (3, 5))
    found = jax.grad(lambda w: run(x, w).sum())(w)
    np.testing.assert_allclose(found, slopes, atol=1e-12)


def test_seeds_of_more_than_32_bits_count_in_full() -> None:
    program = layered_program(3, 1).reading(Samples())
    x, w, _ = draw(layered_program(3, 1), 2)
    run, (x, w) = prepared(program, shots=20, gradient=False), tensors(x, w)
    assert np.any(run(x, w, 5) != run(x, w, 5 + 2**40))
