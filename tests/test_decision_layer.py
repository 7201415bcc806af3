"""The layer `DecisionLayer`: a layer of Keras's, gradients, training, saving, bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from qkeras_hybrid import ArgumentError, DecisionLayer
from qkeras_hybrid.annealing import Ising, Qubo
from qkeras_hybrid.decisions import (
    BlackBox,
    Choices,
    GridShortestPath,
    Knapsack,
    Minimiser,
    PerturbedFenchelYoung,
    PerturbedOptimizer,
    QuadraticProgram,
    Regret,
    SPOPlus,
    decision_cost,
    regret,
    shortest_path_data,
    targets,
)
from qkeras_hybrid.testing import run_layer_test, value_and_gradients

GRID = GridShortestPath(3, 3)
X, COSTS = shortest_path_data(200, 4, (3, 3), degree=2, noise_width=0.1, seed=0)
X = X.astype("float32")


@keras.saving.register_keras_serializable(package="tests")
def cheapest(costs: np.ndarray) -> np.ndarray:
    return np.eye(costs.shape[1])[costs.argmin(axis=1)]


@pytest.mark.parametrize(
    "arguments",
    [
        {"problem": GridShortestPath(2, 2), "gradient": "negative_identity"},
        {"problem": GridShortestPath(2, 2), "gradient": "perturbed"},
        {"problem": Knapsack([1.0, 2.0, 2.0, 3.0], 4.0), "gradient": "implicit_mle"},
        {"problem": Ising([0.1, 0.2, 0.3, 0.4]), "gradient": BlackBox(20.0)},
        {"problem": cheapest, "gradient": "negative_identity"},
    ],
    ids=["negative identity", "perturbed", "implicit MLE", "blackbox", "function"],
)
def test_the_layer_is_one_of_kerass(arguments: dict[str, Any]) -> None:
    run_layer_test(DecisionLayer, {"seed": 1, **arguments}, (4, 4))


def test_it_decides_and_in_training_returns_the_mean_under_noise() -> None:
    layer = DecisionLayer(Choices(np.eye(2)), gradient=PerturbedOptimizer(500, sigma=0.1), seed=0)
    costs = np.array([[0.0, 0.0], [0.0, 5.0]], "float32")
    assert ops.convert_to_numpy(layer(costs)).tolist() == [[1, 0], [1, 0]]
    mean = ops.convert_to_numpy(layer(costs, training=True))
    # Four standard errors of 500 draws.
    np.testing.assert_allclose(mean, [[0.5, 0.5], [1.0, 0.0]], atol=0.09)


@pytest.mark.parametrize("training", [False, True])
def test_the_gradient_of_a_choice_of_two_has_a_closed_form(training: bool) -> None:
    # Both cost the same: the probability of the first falls by 1 / (2 sqrt(pi) sigma) per unit.
    layer = DecisionLayer(Choices(np.eye(2)), gradient=PerturbedOptimizer(9000, sigma=0.5), seed=0)
    _, (gradient,) = value_and_gradients(
        lambda costs: ops.sum(layer(costs, training=training)[:, 0]), np.zeros((1, 2), "float32")
    )
    slope = 1 / (2 * np.pi**0.5 * 0.5)
    # The standard error of 9,000 products of a choice and noise over 0.5 is about 0.01.
    np.testing.assert_allclose(gradient, [[-slope, slope]], atol=0.04)


def test_negative_identity_turns_the_gradient_round() -> None:
    layer = DecisionLayer(GRID, gradient="negative_identity")
    weights = np.arange(12, dtype="float32")
    _, (gradient,) = value_and_gradients(
        lambda c: ops.sum(layer(c) * ops.convert_to_tensor(weights)), COSTS[:2]
    )
    np.testing.assert_array_equal(gradient, [-weights, -weights])


def test_costs_in_float64_are_decided_in_float64() -> None:
    layer = DecisionLayer(Choices(np.eye(2)), dtype="float64")
    decision = ops.convert_to_numpy(layer(ops.convert_to_tensor([[1.0 + 1e-12, 1.0]], "float64")))
    if keras.backend.backend() != "jax":  # which has no float64 unless its user asks for it
        assert decision.dtype == "float64"
        assert decision.tolist() == [[0, 1]]
    half = DecisionLayer(Choices(np.eye(2)), dtype="mixed_float16")
    decision = half(ops.convert_to_tensor([[1.0 + 1e-6, 1.0]], "float32"))
    # In float16 the two would cost the same.
    assert ops.convert_to_numpy(decision).tolist() == [[0, 1]]


def predictor() -> keras.Sequential:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(12)])


def fitted(model: keras.Model, loss: Any, y: np.ndarray, **arguments: Any) -> keras.Model:
    model.compile(keras.optimizers.Adam(0.05), loss, jit_compile=False, **arguments)
    model.fit(X, y, epochs=4, batch_size=20, verbose=0)
    return model


@pytest.mark.parametrize("loss", [SPOPlus(GRID), PerturbedFenchelYoung(GRID, seed=0)])
def test_a_loss_trains_and_is_saved(loss: Any, tmp_path: Path) -> None:
    model = predictor()
    before = regret(GRID, COSTS, model.predict(X, verbose=0))
    fitted(model, loss, targets(GRID, COSTS), metrics=[Regret(GRID)])
    after = regret(GRID, COSTS, model.predict(X, verbose=0))
    assert after < before / 3
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    evaluated = loaded.evaluate(X, COSTS, verbose=0, return_dict=True)
    assert evaluated["regret"] == pytest.approx(after, rel=1e-3, abs=1e-6)
    assert type(loaded.loss) is type(loss)
    assert loaded.loss.get_config() == loss.get_config()


@pytest.mark.parametrize("gradient", ["perturbed", "implicit_mle"])
def test_a_model_trains_through_its_decisions_and_is_saved(gradient: str, tmp_path: Path) -> None:
    costs = predictor()
    model = keras.Sequential([costs, DecisionLayer(GRID, gradient=gradient, seed=0)])
    before = regret(GRID, COSTS, costs.predict(X, verbose=0))
    fitted(model, decision_cost, COSTS, metrics=[Regret(GRID, predicted="decisions")])
    after = regret(GRID, COSTS, costs.predict(X, verbose=0))
    assert after < 0.8 * before
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))
    evaluated = loaded.evaluate(X, COSTS, verbose=0, return_dict=True)
    assert evaluated["regret"] == pytest.approx(after, rel=1e-3, abs=1e-6)


def test_the_noise_is_drawn_anew_at_each_step_of_a_compiled_graph() -> None:
    seen: list[np.ndarray] = []

    def watched(costs: np.ndarray) -> np.ndarray:
        seen.append(costs)
        return cheapest(costs)

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    loss = PerturbedFenchelYoung(watched, n_samples=2, target="decisions", seed=0)
    model.compile(keras.optimizers.SGD(0.0), loss, jit_compile=keras.backend.backend() == "jax")
    y = np.eye(3)[[0, 1]].astype("float32")
    model.fit(X[:2, :2], y, epochs=3, batch_size=2, shuffle=False, verbose=0)
    assert len({costs.tobytes() for costs in seen}) == len(seen) >= 3


def test_a_function_that_is_not_registered_trains_but_is_not_saved(tmp_path: Path) -> None:
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(3), DecisionLayer(lambda costs: costs < 0)]
    )
    model.compile("sgd", "mse")
    model.fit(X[:, :3], COSTS[:, :3], verbose=0)
    with pytest.raises(ArgumentError, match="registered") as caught:
        model.save(tmp_path / "model.keras")
    assert caught.value.argument == "function"
    model.save_weights(tmp_path / "model.weights.h5")


def test_models_and_functions_stand_for_problems() -> None:
    assert DecisionLayer(Qubo(np.eye(2))).problem == QuadraticProgram(Qubo(np.eye(2)))
    assert DecisionLayer(cheapest).problem == Minimiser(cheapest)
    assert DecisionLayer(GRID).gradient == PerturbedOptimizer()


@pytest.mark.parametrize(
    ("arguments", "argument", "requirement"),
    [
        ({"problem": 3}, "problem", "DecisionProblem"),
        ({"problem": Choices}, "problem", "DecisionProblem"),
        ({"problem": GRID, "gradient": "exact"}, "gradient", "one of"),
        ({"problem": GRID, "gradient": SPOPlus}, "gradient", "GradientEstimator"),
    ],
)
def test_wrong_arguments_are_named(
    arguments: dict[str, Any], argument: str, requirement: str
) -> None:
    with pytest.raises(ArgumentError, match=requirement) as caught:
        DecisionLayer(**arguments)
    assert caught.value.argument == argument


def test_another_number_of_costs_is_refused() -> None:
    with pytest.raises(ArgumentError, match="have 12 costs as its last axis") as caught:
        keras.Sequential([keras.Input((4,)), DecisionLayer(GRID)])
    assert caught.value.argument == "problem"
    layer = DecisionLayer(GRID)
    with pytest.raises(ValueError, match="rank 2 or more"):
        layer(np.zeros(12, "float32"))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of TensorFlow's compiler")
def test_a_loss_that_xla_should_compile_says_what_to_do() -> None:
    model = predictor()
    model.compile("sgd", SPOPlus(GRID), jit_compile=True)
    with pytest.raises(ArgumentError, match="be False") as caught:
        model.fit(X, COSTS, verbose=0)
    assert caught.value.argument == "jit_compile"


def test_the_stored_benchmark_has_the_regret_of_pyepos_notebook(root: Path) -> None:
    path = root / "benchmarks" / "decisions" / "shortest_path.json"
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    for method, notebook in (("SPO+", 0.0759), ("PFYL", 0.0729)):
        found = [row["regret"] for row in rows if row["method"] == method]
        assert len(found) == 5
        np.testing.assert_allclose(found, notebook, atol=0.005)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "notebook"), [("SPO+", 0.0759), ("PFYL", 0.0729)])
def test_a_linear_model_comes_to_the_regret_of_pyepos_notebook(
    method: str, notebook: float, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(root / "benchmarks" / "decisions"))
    import shortest_path

    assert shortest_path.trained(method, 42)["regret"] == pytest.approx(notebook, abs=0.005)
