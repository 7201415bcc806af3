"""Optimizers of circuits in Keras's `fit`: what they compute, save and count."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cirq
import keras
import numpy as np
import pytest
import sympy
from keras import ops

from qkeras_hybrid import (
    PQC,
    PQCDense,
    WeightGroup,
    _states,
    compile_circuit,
    diagnostics,
    gradients,
)
from qkeras_hybrid._periods import common_unit
from qkeras_hybrid.optimizers import QNG, QNSPSA, SPSA, Rotoselect, Rotosolve
from qkeras_hybrid.optimizers.waves import Waves

A, B, X = sympy.symbols("a b x")
Q = cirq.LineQubit.range(2)
NOTHING = np.zeros((1, 0)), np.zeros((1, 1))


def total(_: Any, predicted: Any) -> Any:
    """The sum of what a model returns, as its loss."""
    return ops.sum(predicted, axis=-1)


def two_turns(optimizer: Any, **options: Any) -> keras.Model:
    """Rotations of one qubit, with the sum of `<X>` of two as loss."""
    circuit = cirq.Circuit(cirq.rx(A)(Q[0]), cirq.ry(B)(Q[0]), cirq.I(Q[1]))
    layer = PQC(circuit, ["X0", "X1"], inputs=[], dtype="float64", **options)
    model = keras.Sequential([keras.Input((0,)), layer])
    layer.assign_symbol_values({"a": 0.011, "b": 0.012})
    model.compile(optimizer, loss=total)
    return model


def hybrid(optimizer: Any) -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Dense(2, activation="tanh"),
        PQCDense(2, n_layers=1),
        keras.layers.Dense(1),
    ]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.compile(optimizer, "mse")
    return model


def data(n: int = 12) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(n, 3))
    return x, np.sin(x[:, :1])


# Quantum natural gradient.


@pytest.mark.parametrize("metric", ["full", "block", "diagonal"])
def test_a_step_is_the_published_one(metric: str) -> None:
    # PennyLane's documentation of its QNGOptimizer.
    model = two_turns(QNG(0.01, metric=metric))
    model.fit(*NOTHING, verbose=0)
    found = list(model.layers[0].symbol_values().values())
    # The published digits; float32 of the weights rounds the last of them.
    np.testing.assert_allclose(found, [0.01100528, -0.02799954], atol=6e-9)


@pytest.mark.parametrize("backend", ["jax", pytest.param("torch", marks=pytest.mark.slow)])
def test_a_step_is_the_same_on_other_backends(backend: str, run_python: Callable[..., str]) -> None:
    code = """
        import numpy as np, keras, cirq, sympy
        from qkeras_hybrid import PQC, PQCDense
        from qkeras_hybrid.optimizers import QNG, QNSPSA, Rotosolve
        a, b = sympy.symbols("a b")
        q = cirq.LineQubit.range(2)
        layer = PQC(cirq.Circuit(cirq.rx(a)(q[0]), cirq.ry(b)(q[0])), "X0", inputs=[])
        model = keras.Sequential([keras.Input((0,)), layer])
        layer.assign_symbol_values({"a": 0.011, "b": 0.012})
        model.compile(QNG(0.01), loss=lambda _, predicted: keras.ops.sum(predicted, axis=-1))
        model.fit(np.zeros((1, 0)), np.zeros((1, 1)), verbose=0)
        print(*layer.symbol_values().values())
        # A layer whose inputs depend on weights that train, in batches of two sizes.
        dense, circuit = keras.layers.Dense(2), PQCDense(1, n_layers=1)
        model = keras.Sequential([keras.Input((3,)), dense, circuit])
        model.compile(QNG(0.05), "mse")
        x = np.random.default_rng(0).normal(size=(6, 3))
        model.fit(x, x[:, :1], batch_size=4, epochs=2, verbose=0, validation_data=(x, x[:, :1]))
        print(model.optimizer.circuits)
        model.compile(QNSPSA(0.05, seed=1), "mse")
        model.fit(x, x[:, :1], epochs=2, verbose=0)
        print(model.optimizer.circuits)
        layer = PQC(layer.circuit, "X0", inputs=[], weight_initializer="ones")
        model = keras.Sequential([keras.Input((0,)), layer])
        model.compile(Rotosolve(), loss=lambda _, predicted: keras.ops.sum(predicted, axis=-1))
        model.fit(np.zeros((1, 0)), np.zeros((1, 1)), epochs=2, verbose=0)
        print(float(model(np.zeros((1, 0)))[0, 0]))
    """
    step, circuits, more, lowest = run_python(code, backend=backend).splitlines()
    np.testing.assert_allclose([float(v) for v in step.split()], [0.01100528, -0.02799954], 1e-6)
    # Each sample once, and for the metric its state and a derivative by each of three angles.
    assert int(circuits) == 2 * 6 * (1 + 1 + 3)
    assert int(more) == 2 * 6 * (1 + 5)
    assert float(lowest) == pytest.approx(-1.0, abs=1e-5)  # float32


def test_the_direction_solves_the_metric_averaged_over_the_batch() -> None:
    circuit = cirq.Circuit(
        cirq.rx(X)(Q[0]), cirq.CX(*Q), cirq.ry(A)(Q[0]), cirq.rx(B)(Q[1]), cirq.CZ(*Q) ** A
    )
    layer = PQC(circuit, "X0", inputs=[X], dtype="float64")
    model = keras.Sequential([keras.Input((1,)), layer])
    x = np.array([[0.3], [1.1], [-0.4]])
    before = {"a": 0.4, "b": 0.9}
    steps = []
    for optimizer in (keras.optimizers.SGD(1.0), QNG(1.0, damping=0.1)):
        layer.assign_symbol_values(before)
        model.compile(optimizer, loss=total)
        model.fit(x, np.zeros((3, 1)), verbose=0)
        after = layer.symbol_values()
        steps.append(np.array([after[name] - before[name] for name in before]))
    plain, natural = steps
    layer.assign_symbol_values(before)
    metric = diagnostics.quantum_fisher(layer, x=x).matrix / 4
    np.testing.assert_allclose((metric + 0.1 * np.eye(2)) @ natural, plain, atol=1e-6)  # float32


IN_TURN = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.ry(B)(Q[0]))
AT_ONCE = cirq.Circuit(cirq.H(Q[0]), cirq.CX(*Q), cirq.rz(A)(Q[0]), cirq.rz(B)(Q[1]))


@pytest.mark.parametrize(
    ("circuit", "observable", "metric", "factor"),
    [
        (IN_TURN, "X0", "full", 2),
        (IN_TURN, "X0", "block", 4),
        (IN_TURN, "X0", "diagonal", 4),
        (AT_ONCE, "XX", "full", 2),
        (AT_ONCE, "XX", "block", 2),
        (AT_ONCE, "XX", "diagonal", 4),
    ],
)
def test_weights_that_do_the_same_share_a_step(
    circuit: cirq.Circuit, observable: str, metric: str, factor: int
) -> None:
    # Both turn about one axis, or turn a Bell state alike: the metric is 1/4 in each entry, and the
    # direction in which their sum stays is left out. Without correlations each goes all the way.
    layer = PQC(circuit, observable, inputs=[])
    model = keras.Sequential([keras.Input((0,)), layer])
    layer.assign_symbol_values({"a": 0.1, "b": 0.2})
    model.compile(QNG(0.1, metric=metric), loss=total)
    model.fit(*NOTHING, verbose=0)
    slope = np.cos(0.3) if observable == "X0" else -np.sin(0.3)
    moved = np.array(list(layer.symbol_values().values())) - [0.1, 0.2]
    np.testing.assert_allclose(moved, -0.1 * factor * slope, rtol=1e-4)  # float32


def test_weights_that_do_not_train_have_no_part_in_the_metric() -> None:
    circuit = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.ry(B)(Q[0]))
    fixed = {"fixed": WeightGroup(["a"], trainable=False)}
    layer = PQC(circuit, "X0", inputs=[], weight_groups=fixed)
    model = keras.Sequential([keras.Input((0,)), layer])
    layer.assign_symbol_values({"a": 0.1, "b": 0.2})
    model.compile(QNG(0.1), loss=total)
    model.fit(*NOTHING, verbose=0)
    found = layer.symbol_values()
    assert found["a"] == pytest.approx(0.1)
    assert found["b"] == pytest.approx(0.2 - 0.1 * np.cos(0.3) / 0.25, rel=1e-4)  # float32


def test_classical_weights_train_as_by_adam() -> None:
    x, y = data()
    found = []
    for optimizer in (QNG(0.0, classical_learning_rate=0.01), keras.optimizers.Adam(0.01)):
        model = hybrid(optimizer)
        model.layers[1].trainable = isinstance(optimizer, QNG)
        model.compile(optimizer, "mse")
        model.fit(x, y, epochs=3, verbose=0, shuffle=False)
        found.append([ops.convert_to_numpy(w) for w in model.layers[0].weights])
    for mine, adam in zip(*found, strict=True):
        np.testing.assert_allclose(mine, adam, rtol=1e-5)


@pytest.mark.parametrize("optimizer", [lambda: QNG(0.05), lambda: QNSPSA(0.05, seed=3)])
def test_a_training_goes_on_from_a_saved_model(optimizer: Any, tmp_path: Path) -> None:
    x, y = data()
    model = hybrid(optimizer())
    model.fit(x, y, epochs=2, verbose=0, shuffle=False, batch_size=8, validation_data=(x, y))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.circuits == model.optimizer.circuits > 0
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    for each in (model, loaded):
        each.fit(x, y, epochs=1, verbose=0, shuffle=False, batch_size=8)
    for mine, theirs in zip(model.weights, loaded.weights, strict=True):
        mine, theirs = ops.convert_to_numpy(mine), ops.convert_to_numpy(theirs)
        np.testing.assert_allclose(mine, theirs, atol=1e-6)  # float32


def test_states_that_are_too_many_are_computed_sample_by_sample(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = []
    for largest in (2**28, 0):
        monkeypatch.setattr(_states, "_LARGEST", largest)
        model = hybrid(QNG(0.05, damping=0.1))
        model.fit(*data(), verbose=0, epochs=2, shuffle=False)
        found.append([ops.convert_to_numpy(w) for w in model.weights])
    for at_once, one_by_one in zip(*found, strict=True):
        np.testing.assert_allclose(at_once, one_by_one, rtol=1e-3, atol=1e-5)  # float32


def test_circuits_are_counted() -> None:
    model = hybrid(QNG(0.05, samples=2))
    assert model.optimizer.circuits == 0
    model.fit(*data(4), verbose=0, epochs=3)
    # Each sample once, and for two of them the state and a derivative by each of six angles.
    assert model.optimizer.circuits == 3 * (4 + 2 * 7)
    shifted = PQCDense(1, n_qubits=1, n_layers=1, differentiator="parameter_shift")
    model = keras.Sequential([keras.Input((1,)), shifted])
    model.compile(QNG(0.05), "mse")
    model.fit(np.ones((3, 1)), np.ones((3, 1)), verbose=0)
    angles = len(shifted.compiled.varying_rows)
    assert model.optimizer.circuits == 3 * (1 + 2 * angles) + 3 * (1 + 3)


def test_shots_are_shifted_circuits() -> None:
    # No engine differentiates an estimate from shots itself.
    layer = PQCDense(1, n_qubits=1, n_layers=1, shots=10, seed=1)
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(QNG(0.05), "mse")
    model.fit(np.ones((3, 1)), np.ones((3, 1)), verbose=0)
    angles = len(layer.compiled.varying_rows)
    assert model.optimizer.circuits == 3 * (1 + 2 * angles) + 3 * (1 + 3)


def test_a_model_without_circuits_trains_by_adam() -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(QNG(0.05), "mse")
    model.fit(*data(), verbose=0)
    assert model.optimizer.circuits == 0


# Random directions.


def slowed_down(optimizer: Any, **options: Any) -> tuple[float, float, Any]:
    """Returns a step of SGD and of another optimizer along `cos`, and the model."""
    moved = []
    for each in (keras.optimizers.SGD(0.1), optimizer):
        layer = PQC(cirq.Circuit(cirq.ry(A)(Q[0])), "Z", inputs=[], dtype="float64", **options)
        model = keras.Sequential([keras.Input((0,)), layer])
        layer.assign_symbol_values({"a": 0.4})
        model.compile(each, loss=total)
        model.fit(*NOTHING, verbose=0)
        moved.append(layer.symbol_values()["a"] - 0.4)
    return moved[0], moved[1], model


def test_the_estimated_metric_of_one_weight_is_exact() -> None:
    # Of one turn the metric is 1/4, whichever way it is perturbed, and its mean with 1 is 5/8.
    plain, found, model = slowed_down(QNSPSA(0.1, damping=0.0, step=0.02))
    assert found == pytest.approx(plain / (5 / 8), rel=1e-3)  # of second order in the step
    assert model.optimizer.circuits == 1 + 5


@pytest.mark.slow
def test_the_estimated_metric_tends_to_the_exact_one() -> None:
    circuit = cirq.Circuit(cirq.rx(A)(Q[0]), cirq.ry(B)(Q[0]), cirq.ry(A)(Q[1]))
    layer = PQC(circuit, "X0", inputs=[], dtype="float64")
    model = keras.Sequential([keras.Input((0,)), layer])
    layer.assign_symbol_values({"a": 0.4, "b": 0.7})
    model.compile(QNSPSA(0.0, seed=0, resamples=20), loss=total)
    model.fit(*NOTHING, epochs=50, verbose=0)
    (average,) = [v for v in model.optimizer.variables if v.path.endswith("_metric")]
    exact = diagnostics.quantum_fisher(layer).matrix / 4
    # Fifty means of 20 estimates, each below one, beside the identity: 0.08 is above two and a half
    # standard errors.
    found = (ops.convert_to_numpy(average) * 51 - np.eye(2)) / 50
    np.testing.assert_allclose(found, exact, atol=0.08)


def test_other_seeds_give_other_directions() -> None:
    found = []
    for seed in (1, 1, 2):
        model = two_turns(QNSPSA(0.1, seed=seed))
        model.fit(*NOTHING, epochs=3, verbose=0)
        found.append(list(model.layers[0].symbol_values().values()))
    assert found[0] == found[1] != found[2]


def test_spsa_goes_by_smaller_and_smaller_steps() -> None:
    model = two_turns(SPSA(0.1, stability=3.0, decay=0.5), differentiator=gradients.SPSA(seed=1))
    steps = []
    for _ in range(2):
        before = np.array(list(model.layers[0].symbol_values().values()))
        model.fit(*NOTHING, verbose=0)
        steps.append(np.array(list(model.layers[0].symbol_values().values())) - before)
        model.layers[0].assign_symbol_values(dict(zip(("a", "b"), before, strict=True)))
    # The same directions in each step, since their seed is given.
    np.testing.assert_allclose(steps[1], steps[0] * np.sqrt(4 / 5), rtol=1e-4)  # float32
    assert model.optimizer.circuits == 2 * (1 + 2)


def test_spsa_asks_for_layers_that_estimate() -> None:
    model = two_turns(SPSA(0.1))
    with pytest.raises(ValueError, match="Build the layer with differentiator"):
        model.optimizer.build(model.trainable_variables)


# One weight after the other.


def published(trained: int = 7) -> keras.Model:
    """The circuit of PennyLane's documentation of its RotosolveOptimizer, at its start.

    Args:
        trained: How many of its weights train, the first ones.
    """
    qubits = cirq.LineQubit.range(3)
    turns, crossed, layer = sympy.symbols("r:3"), sympy.symbols("c:3"), sympy.Symbol("l")
    circuit = cirq.Circuit(
        (cirq.rx(turn)(q) for turn, q in zip(turns, qubits, strict=True)),
        (cirq.rx(layer)(q) for q in qubits),
        (
            cirq.ry(turn)(qubits[(i + 1) % 3]).controlled_by(qubits[i])
            for i, turn in enumerate(crossed)
        ),
    )
    symbols = [*turns, layer, *crossed]
    rest = {"rest": WeightGroup(symbols[trained:], trainable=False)} if trained < 7 else None
    pqc = PQC(circuit, "ZZZ", inputs=[], symbols=symbols, weight_groups=rest, dtype="float64")
    model = keras.Sequential([keras.Input((0,)), pqc])
    start = [0.3, 0.2, 0.67, 1.1, -0.2, 0.1, -2.5]
    pqc.assign_symbol_values(dict(zip(symbols, start, strict=True)))
    return model


def test_a_sweep_of_rotosolve_is_the_published_one() -> None:
    found = []
    for trained in (1, 2, 3, 7):
        model = published(trained)
        model.compile(Rotosolve(), loss=total)
        before, after = model.fit(*NOTHING, epochs=2, verbose=0).history["loss"]
        assert before == pytest.approx(0.04200821039, abs=1e-8)
        found.append(after)
    # What PennyLane's documentation has after each of the first weights, and at the end.
    np.testing.assert_allclose(found, [-0.230905, -0.863336, -0.980072, -1.0], atol=2e-6)


def test_rotosolve_weighs_observables_and_averages_over_samples() -> None:
    circuit = cirq.Circuit(cirq.ry(X)(Q[0]), cirq.ry(A)(Q[0]))
    layer = PQC(circuit, ["Z0", "X0"], inputs=[X], dtype="float64")
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(
        Rotosolve([2.0, -1.0]), loss=lambda _, p: 2.0 * p[:, 0] - p[:, 1], run_eagerly=True
    )
    x = np.array([[0.1], [0.5], [1.3]])
    model.fit(x, np.zeros((3, 1)), verbose=0)

    def loss(a: Any) -> Any:
        return np.mean(2 * np.cos(x + a) - np.sin(x + a), axis=0)

    grid = np.linspace(-np.pi, np.pi, 100001)
    found = layer.symbol_values()["a"]
    assert loss(found)[0] == pytest.approx(loss(grid).min(), abs=1e-6)


def test_another_loss_than_rotosolve_minimises_is_noticed() -> None:
    model = published()
    model.compile(Rotosolve(), loss="mse")
    model.fit(*NOTHING, verbose=0)
    assert np.isnan(list(model.layers[0].symbol_values().values())).all()


def test_rotosolve_goes_on_from_a_saved_model(tmp_path: Path) -> None:
    model = published()
    model.compile(Rotosolve(seed=7), loss="mse")
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.optimizer.get_config() == model.optimizer.get_config()


def test_rotoselect_chooses_the_axis_that_lowers_the_loss() -> None:
    axes = sympy.symbols("x:2 y:2 z:2")
    circuit = cirq.Circuit(
        [cirq.rx(axes[i])(Q[i]), cirq.ry(axes[2 + i])(Q[i]), cirq.rz(axes[4 + i])(Q[i])]
        for i in range(2)
    )
    layer = PQC(circuit, ["X0", "Y1"], inputs=[], weight_initializer="zeros")
    model = keras.Sequential([keras.Input((0,)), layer])
    choices = [["x0", "y0", "z0"], ["x1", "y1", "z1"]]
    model.compile(Rotoselect(choices), loss=total)
    model.fit(*NOTHING, verbose=0)
    found = layer.symbol_values()
    assert {name for name, value in found.items() if abs(value) > 1e-6} == {"y0", "x1"}
    assert found["y0"] == pytest.approx(-np.pi / 2, abs=1e-3)  # float32 near a minimum
    assert found["x1"] == pytest.approx(np.pi / 2, abs=1e-3)
    # For each choice the value, and two for each axis on which it depends: not z.
    assert model.optimizer.circuits >= 1 + 2 * (1 + 2 * 2)
    assert Rotoselect.from_config(model.optimizer.get_config()).choices == choices


@pytest.mark.parametrize("order", [1, 2, 5])
def test_the_lowest_point_of_a_sum_of_waves_is_found(order: int) -> None:
    rng = np.random.default_rng(order)
    waves = Waves(order, "float64")
    a, b = rng.normal(size=(2, order, 1))
    m = np.arange(1, order + 1)[:, None]

    def function(places: Any) -> Any:
        return 0.3 + np.sum(a * np.cos(m * places) + b * np.sin(m * places), axis=0)

    values = ops.convert_to_tensor(function(waves.points), dtype="float64")
    coefficients = waves.coefficients(values)
    place, low = (float(v) for v in waves.lowest(coefficients))
    grid = np.linspace(-np.pi, np.pi, 200001)
    # Float32 under JAX.
    assert low == pytest.approx(function(grid).min(), abs=1e-5)
    assert function(np.array([place]))[0] == pytest.approx(low, abs=1e-5)
    assert float(waves.slope(coefficients)) == pytest.approx(np.sum(m * b), abs=1e-4)


def test_a_constant_is_lowest_where_it_is() -> None:
    waves = Waves(2, "float32")
    values = ops.convert_to_tensor([0.7, 0.7, 0.7000001, 0.7, 0.7], dtype="float32")
    place, low = waves.lowest(waves.coefficients(values))
    assert float(place) == 0.0
    assert float(low) == pytest.approx(0.7)


# Bad input.


def energy_of(circuit: cirq.Circuit, observables: Any = "Z0", **options: Any) -> keras.Model:
    layer = PQC(circuit, observables, inputs=[], **options)
    return keras.Sequential([keras.Input((0,)), layer])


TURN = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.rx(B)(Q[1]))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: QNSPSA(step=0.0), "`step` must be above 0"),
        (lambda: QNSPSA(resamples=0), "`resamples`"),
        (lambda: SPSA(decay=-1.0), "`decay` must be at least 0"),
        (lambda: SPSA(stability="ten"), "`stability`"),
        (lambda: Rotosolve(["a"]), "`coefficients`"),
        (lambda: Rotoselect(["xy"]), "lists of at least two symbols"),
        (lambda: Rotoselect([["a"]]), "lists of at least two symbols"),
        (lambda: Rotoselect([["a", "b"], ["b", "c"]]), "hold each symbol only once"),
    ],
)
def test_wrong_arguments_of_the_others_are_told(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


@pytest.mark.parametrize(
    ("optimizer", "model", "says"),
    [
        (Rotosolve([1.0, 2.0]), lambda: energy_of(TURN), "`coefficients` must hold 1"),
        (Rotosolve(), lambda: energy_of(TURN, None, output="probabilities"), "expectation values"),
        (
            Rotosolve(),
            lambda: energy_of(cirq.Circuit(cirq.ry(sympy.sin(A))(Q[0]))),
            "affine in a",
        ),
        (
            Rotosolve(),
            lambda: energy_of(cirq.Circuit(cirq.ry(A)(Q[0]), cirq.ry(np.sqrt(2) * A)(Q[0]))),
            "common period",
        ),
        (Rotoselect([["a", "c"]]), lambda: energy_of(TURN), "name trainable weights"),
    ],
)
def test_models_that_an_optimizer_can_not_train_are_told(
    optimizer: Any, model: Any, says: str
) -> None:
    built = model()
    with pytest.raises(ValueError, match=says):
        optimizer.build(built.trainable_variables)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"metric": "fisher"}, "`metric` must be one of 'full', 'block', 'diagonal'"),
        ({"damping": -1.0}, "`damping` must be at least 0"),
        ({"cutoff": 1.0}, "`cutoff`"),
        ({"samples": 0}, "`samples` must be a whole number"),
        ({"classical_learning_rate": -0.1}, "`classical_learning_rate`"),
        ({"classical_learning_rate": "fast"}, "`classical_learning_rate`"),
    ],
)
def test_wrong_arguments_are_told(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        QNG(0.1, **arguments)


def test_a_circuit_without_a_state_is_refused() -> None:
    circuit = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.depolarize(0.1)(Q[0]))
    model = keras.Sequential([keras.Input((0,)), PQC(circuit, "Z", inputs=[])])
    model.compile(QNG(0.1), "mse", run_eagerly=True)
    with pytest.raises(ValueError, match="state vector at its end"):
        model.fit(*NOTHING, verbose=0)


def test_gradients_without_a_run_are_refused() -> None:
    layer = PQC(cirq.Circuit(cirq.ry(A)(Q[0])), "Z", inputs=[])
    layer.build((None, 0))
    optimizer = QNG(0.1)
    with pytest.raises(RuntimeError, match="did not run in this step"):
        optimizer.apply([ops.ones((1,))], layer.trainable_variables)
    assert compile_circuit(layer.circuit, "Z").weights == (A,)


# What a review found.


def test_a_model_that_spsa_trained_is_loaded(tmp_path: Path) -> None:
    layer = PQCDense(1, n_qubits=1, n_layers=1, differentiator="spsa")
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(SPSA(0.1), "mse")
    model.fit(np.ones((3, 1)), np.ones((3, 1)), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].differentiator == layer.differentiator
    assert loaded.optimizer.circuits == model.optimizer.circuits
    assert PQCDense.from_config(layer.get_config()).differentiator == layer.differentiator


def test_the_diagonal_of_a_weight_in_two_gates_is_the_metric_itself() -> None:
    circuit = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.ry(A)(Q[0]))
    moved = {}
    for metric in ("full", "diagonal"):
        layer = PQC(circuit, "Z", inputs=[], dtype="float64")
        model = keras.Sequential([keras.Input((0,)), layer])
        layer.assign_symbol_values({"a": 0.3})
        model.compile(QNG(0.1, metric=metric), total)
        model.fit(*NOTHING, verbose=0)
        moved[metric] = layer.symbol_values()["a"]
    assert moved["diagonal"] == pytest.approx(moved["full"], abs=1e-12)
    # g = 1, and the slope of cos(2 a) is -2 sin(2 a).
    assert moved["full"] == pytest.approx(0.3 + 0.2 * math.sin(0.6), abs=1e-7)  # a rate in float32


@pytest.mark.parametrize(
    "make",
    [
        lambda: QNG(0.1, clipnorm=1.0),
        lambda: QNSPSA(0.1, weight_decay=0.1),
        lambda: Rotosolve(global_clipnorm=0.1),
        lambda: Rotosolve(gradient_accumulation_steps=2),
    ],
)
def test_what_would_change_steps_of_circuits_is_refused(make: Any) -> None:
    with pytest.raises(ValueError, match="must be None for"):
        make()


def test_factors_with_a_tiny_common_unit_have_no_period() -> None:
    assert common_unit([1.0, 1.0 + 1 / 997, 1.0 + 1 / 991]) is None
    assert common_unit([1.0] * 300) == (1.0, 300)
