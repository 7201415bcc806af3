"""The native engine's functions under PyTorch: where they run, and what they refuse."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
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
from qkeras_hybrid.readouts import Probabilities, Samples, State

if keras.backend.backend() != "torch":
    pytest.skip("these are PyTorch's functions", allow_module_level=True)
if library.unavailable() is not None:
    pytest.skip(build_status(), allow_module_level=True)

import torch

from qkeras_hybrid.engines.native import bridges


def prepared(program: Compiled, dtype: str = "float64", **job: Any) -> Any:
    return NativeEngine().prepare(program.job(dtype, **job))


@pytest.fixture(name="case")
def make_case() -> tuple[Any, Any, Any, np.ndarray, np.ndarray]:
    """A run, inputs and weights, its values, and the gradient of their sum by the weights."""
    program = layered_program(4, 1)
    x, w, _ = draw(program, 6)
    values, _, slopes = evaluate(program, x, w, np.ones((6, 4)), "float64")
    return prepared(program), *tensors(x, w), values, slopes


def compiled(function: Any) -> Any:
    # "aot_eager" traces forward and backward as every other backend does, and needs no compiler.
    return torch.compile(function, fullgraph=True, backend="aot_eager")


def test_torch_compile_takes_it_into_one_graph_with_its_gradient(case: Any) -> None:
    run, x, w, values, slopes = case
    w = w.clone().requires_grad_()
    found = compiled(run)(x, w)
    np.testing.assert_allclose(found.detach(), values, atol=1e-12)
    found.sum().backward()
    np.testing.assert_allclose(w.grad, slopes, atol=1e-12)


def test_torch_compile_with_batches_of_any_size(case: Any) -> None:
    run, x, w, values, _ = case
    function = torch.compile(run, fullgraph=True, backend="aot_eager", dynamic=True)
    for size in (6, 3, 1):
        np.testing.assert_allclose(function(x[:size], w), values[:size], atol=1e-12)


def test_states_and_samples_under_torch_compile() -> None:
    program = random_program(3, 3, 15)
    x, w = tensors(*draw(program, 2)[:2])
    w.requires_grad_()
    run = prepared(program.reading(State()))
    slopes = []
    for function in (run, compiled(run)):
        (slope,) = torch.autograd.grad(function(x, w).imag.sum(), w)
        slopes.append(slope)
    np.testing.assert_allclose(*slopes, atol=1e-12)
    run = prepared(program.reading(Samples()), shots=7, gradient=False)
    np.testing.assert_array_equal(compiled(lambda x, w: run(x, w, 3))(x, w), run(x, w, 3))


def test_a_gradient_of_the_weights_alone_or_of_the_inputs_alone(case: Any) -> None:
    run, x, w, _, slopes = case
    leaf = w.clone().requires_grad_()
    run(x, leaf).sum().backward()
    np.testing.assert_allclose(leaf.grad, slopes, atol=1e-12)
    leaf = x.clone().requires_grad_()
    run(leaf, w).sum().backward()
    program = layered_program(4, 1)
    found = evaluate(program, x.numpy(), w.numpy(), np.ones((6, 4)), "float64")
    np.testing.assert_allclose(leaf.grad, found[1], atol=1e-12)


def test_numbers_that_do_not_lie_in_a_row_are_read_right(case: Any) -> None:
    run, x, w, values, _ = case
    turned = x.T.contiguous().T
    assert not turned.is_contiguous()
    np.testing.assert_allclose(run(turned, torch.flip(torch.flip(w, (0,)), (0,))), values)
    program = random_program(5, 3, 12).reading(Probabilities())
    x, w = tensors(*draw(random_program(5, 3, 12), 2)[:2])
    w.requires_grad_()
    # A gradient that is conjugated in name only, and one that is expanded from a single number.
    state = prepared(program.reading(State()))(x, w)
    (a,) = torch.autograd.grad(state.conj().imag.sum(), w, retain_graph=True)
    (b,) = torch.autograd.grad(-state.imag.sum(), w)
    np.testing.assert_allclose(a, b, atol=1e-12)


def test_second_derivatives_are_refused(case: Any) -> None:
    run, x, w, _, _ = case
    w = w.clone().requires_grad_()
    (slope,) = torch.autograd.grad(run(x, w).sum(), w, create_graph=True)
    with pytest.raises(NotImplementedError, match=r"no second derivatives.*statevector"):
        slope.sum().backward()


def test_without_gradients_no_states_are_kept(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run, x, w, values, _ = case
    asked = []
    shape = library.Session.kept_shape
    monkeypatch.setattr(
        library.Session, "kept_shape", lambda self, *a: asked.append(a) or shape(self, *a)
    )
    with torch.no_grad():
        np.testing.assert_allclose(run(x, w), values)
    assert not asked
    run(x, w)
    assert asked == [("float64", 6)]


def test_shapes_that_do_not_fit_are_errors(case: Any) -> None:
    _, x, w, _, _ = case
    data = lowered(layered_program(4, 1))
    operations = bridges.bridge("torch").Operations(data, "auto", True)
    for inputs, weights in (
        *((x[:, :3], w), (x, w[:-1]), (x.float(), w), (x, w.to("meta"))),
        *((x.to(kind), w.to(kind)) for kind in (torch.bfloat16, torch.int32)),
    ):
        with pytest.raises(ValueError, match=r"Argument `.*` must be a tensor of shape"):
            operations.expectation(inputs, weights)


def test_another_device_than_the_cpu_takes_statevector(monkeypatch: pytest.MonkeyPatch) -> None:
    # There is no GPU here: what stands for its tensors has no numbers.
    zeros = ops.zeros
    monkeypatch.setattr(ops, "zeros", lambda *a, **k: zeros(*a, **k).to("meta"))
    monkeypatch.setenv("KERAS_TORCH_DEVICE", "cuda:0")
    reason = NativeEngine().refuses(layered_program(3, 1).job())
    assert reason == "it runs on the CPU, but torch computes on the cuda"


def test_a_model_is_copied_and_trained_apart_from_its_original() -> None:
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    model = keras.Sequential([keras.Input((3,)), PQCDense(2, n_layers=1)])
    twin = copy.deepcopy(model)
    np.testing.assert_allclose(model.predict(x, verbose=0), twin.predict(x, verbose=0), atol=1e-6)


def test_numbers_that_are_negated_in_name_only_are_read_right() -> None:
    program = layered_program(1, 1)
    _, w, _ = draw(program, 1)
    run, (w,) = prepared(program), tensors(w)
    x = torch.complex(torch.zeros(1, 1), torch.full((1, 1), 0.3)).conj().imag.double()
    negated = torch.complex(torch.zeros_like(x), -x).conj().imag
    assert negated.is_neg()
    np.testing.assert_array_equal(run(negated, w), run(negated.clone().resolve_neg(), w))


def test_a_layer_inside_of_a_users_model_takes_native() -> None:
    class Model(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.circuit = PQCDense(2, n_layers=1)

        def call(self, inputs: Any) -> Any:
            return self.circuit(inputs)

    model = Model()
    model.compile("sgd", "mse")
    # Keras builds it while it asks for shapes, on a device that has nothing else.
    model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    assert model.circuit.engine.name == "native"


def test_an_exported_graph_computes_the_same_in_another_process(
    case: Any, tmp_path: Path, run_python: Callable[..., str]
) -> None:
    run, x, w, values, _ = case

    class Wrapped(torch.nn.Module):
        def forward(self, x: Any, w: Any) -> Any:
            return run(x, w)

    torch.export.save(torch.export.export(Wrapped(), (x, w)), tmp_path / "graph.pt2")
    code = """
        import json, sys
        sys.path.insert(0, "tests")
        import numpy as np
        import torch
        from native.evaluation import draw, tensors
        from native.programs import layered_program
        from qkeras_hybrid.engines.native import NativeEngine
        # Another program comes first here.
        other = layered_program(4, 1, letter="X")
        arguments = tensors(*draw(other, 6)[:2])
        NativeEngine().prepare(other.job("float64"))(*arguments)
        graph = torch.export.load(sys.argv[1]).module()
        print(json.dumps(graph(*arguments).tolist()))
    """
    printed = run_python(code, tmp_path / "graph.pt2", backend="torch")
    np.testing.assert_allclose(json.loads(printed.splitlines()[-1]), values, atol=1e-12)
