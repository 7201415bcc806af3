"""What a training on a device costs, and what happens when the money is spent."""

from __future__ import annotations

from typing import Any

import cirq
import keras
import numpy as np
import pytest
import sympy

from qkeras_hybrid import PQC, SPSA, ArgumentError, PQCDense, QuantumKernel, model_cost
from qkeras_hybrid._stop_at_budget import budget_sentence
from qkeras_hybrid.callbacks import StopAtBudget
from qkeras_hybrid.engines import SamplerEngine
from qkeras_hybrid.engines.services import Budget, Prices

X, W = sympy.symbols("x w")
Q = cirq.LineQubit.range(2)
CIRCUIT = cirq.Circuit(cirq.ry(X)(Q[0]), cirq.CNOT(*Q), cirq.ry(W)(Q[1]))
PRICES = Prices(per_shot=0.01, per_circuit=0.3, per_job=1.0, seconds_per_shot=1e-3)
OBSERVABLES = ["Z0", cirq.X(Q[0]) * 1.0 + 2.0 * cirq.Z(Q[1])]


def small(engine: Any, *, first: Any = (), differentiator: Any = None) -> keras.Model:
    layer = PQC(CIRCUIT, OBSERVABLES, inputs=[X], engine=engine, differentiator=differentiator)
    model = keras.Sequential([keras.Input((1,)), *first, layer, keras.layers.Dense(1)])
    # Without tracing, which takes longer than these trainings.
    model.compile(keras.optimizers.Adam(0.05), "mse", run_eagerly=True)
    return model


def patches(engine: Any) -> keras.Model:
    """A model whose layer computes three rows of each sample, and is called twice."""
    layer = PQCDense(1, n_qubits=1, n_layers=1, engine=engine)
    inputs = keras.Input((3, 2))
    outputs = keras.layers.Flatten()(keras.layers.add([layer(inputs), layer(-inputs)]))
    model = keras.Model(inputs, keras.layers.Dense(1)(outputs))
    model.compile("sgd", "mse", run_eagerly=True)
    return model


def kernel_machine(engine: Any, **options: Any) -> keras.Model:
    layer = QuantumKernel(
        [[0.1], [0.9]], encoding="angle", engine=engine, train_landmarks=True, **options
    )
    model = keras.Sequential([keras.Input((1,)), layer, keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    return model


MODELS: dict[str, Any] = {
    "parameter shift": small,
    "spsa": lambda engine: small(engine, differentiator=SPSA(samples=3)),
    "after a Dense": lambda engine: small(engine, first=[keras.layers.Dense(1)]),
    "rows, called twice": patches,
    "fidelities with landmarks": lambda engine: kernel_machine(engine),
    "projected, with landmarks": lambda engine: kernel_machine(engine, kernel="projected"),
    "Nyström features": lambda engine: kernel_machine(engine, output="nystroem"),
}


@pytest.mark.parametrize(
    ("name", "limit"), [*((name, None) for name in MODELS), ("rows, called twice", 7)]
)
def test_the_cost_of_a_model_is_what_a_run_counts(name: str, limit: int | None) -> None:
    engine = SamplerEngine(cirq.ZerosSampler(), shots=11, prices=PRICES, circuits_per_job=limit)
    model = MODELS[name](engine)
    x = np.random.default_rng(0).uniform(-1, 1, (5, *model.input_shape[1:]))
    y = np.zeros((5, 1))
    validation = (x[:3], y[:3])
    cost = model_cost(model, (x, y), 2, engine, batch_size=2, validation_data=validation)
    assert engine.spent.circuits == 0  # to ask costs nothing
    model.fit(x, y, batch_size=2, epochs=2, verbose=0, validation_data=validation)
    assert (cost.circuits, cost.shots, cost.jobs) == (
        engine.spent.circuits,
        engine.spent.shots,
        engine.spent.jobs,
    )
    assert cost.money == pytest.approx(engine.spent.money)
    assert cost.seconds == pytest.approx(1e-3 * engine.spent.shots)


def test_a_layer_that_nothing_trains_costs_no_gradient() -> None:
    engine = SamplerEngine(cirq.Simulator(), shots=11)
    model = small(engine)
    model.layers[0].trainable = False
    model.compile("sgd", "mse")
    x = np.zeros((4, 1))
    cost = model_cost(model, x, 1, engine)
    # Two settings of four samples.
    assert cost.circuits == 8
    assert str(cost) == "8 circuits, 88 shots, 2 jobs"  # one for each number of shots


def test_the_cost_of_batches_is_that_of_their_sizes() -> None:
    class Batches(keras.utils.PyDataset):
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> Any:
            return np.zeros((3 + index, 1)), np.zeros((3 + index, 1))

    engine = SamplerEngine(cirq.Simulator(), shots=10, circuits_per_job=6)
    model = small(engine)
    batches = [Batches()[k] for k in range(2)]
    cost = model_cost(model, batches[0][0], 1, engine).circuits
    cost += model_cost(model, batches[1][0], 1, engine).circuits
    assert model_cost(model, Batches(), 1, engine).circuits == cost


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"epochs": 0}, "`epochs` must be a whole number"),
        ({"engine": "native"}, "`engine` must be one that sends jobs to a service"),
        ({"model": keras.Sequential([keras.layers.Dense(1)])}, "`model` must be a built"),
        (
            {"model": keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])},
            "`model` must have a quantum layer",
        ),
        ({"data": 3}, "`data` must be samples"),
    ],
)
def test_bad_input_is_told(arguments: dict[str, Any], words: str) -> None:
    engine = SamplerEngine(cirq.Simulator())
    given = {"model": small(engine), "data": np.zeros((2, 1)), "epochs": 1, "engine": engine}
    with pytest.raises(ArgumentError, match=words):
        model_cost(**{**given, **arguments})


DATA = np.linspace(-1, 1, 4)[:, None].astype("float32")
# Of 2 samples and 2 settings: the forward pass, and two shifts of two angles.
STEP = 2 * 2 * 5 * 10


def state(model: keras.Model) -> list[np.ndarray]:
    return [np.array(v) for v in (*model.get_weights()[:-1], model.optimizer.iterations)]


def fitted(shots: int, callbacks: Any, **kwargs: Any) -> tuple[keras.Model, Any]:
    """Trains with a budget, from the same weights and in the same order each time."""
    keras.utils.set_random_seed(3)
    compiled = kwargs.pop("compiled", {})
    jit = compiled.get("jit_compile", False)
    engine = SamplerEngine(cirq.Simulator(), shots=10, budget=Budget(shots=shots), jit=jit)
    model = small(engine, first=[keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse", **compiled)
    assert not jit or model.jit_compile
    history = model.fit(
        DATA, DATA, batch_size=2, shuffle=False, verbose=0, callbacks=callbacks, **kwargs
    )
    return model, history


COMPILED = [{}, {"jit_compile": True}] if keras.backend.backend() == "jax" else [{}]


@pytest.fixture(name="expected", scope="module")
def trained_to_the_end() -> keras.Model:
    return fitted(4 * STEP, [], epochs=2)[0]


@pytest.mark.parametrize("compiled", COMPILED, ids=str)
@pytest.mark.parametrize("more", [0, STEP - 10], ids=["none", "almost a step"])
def test_a_training_stops_at_its_budget_with_the_weights_of_the_last_step(
    more: int, compiled: Any, expected: keras.Model
) -> None:
    stop = StopAtBudget()
    model, history = fitted(4 * STEP + more, [stop], epochs=5, compiled=compiled)
    assert str(stop.message).startswith(f"The budget of {4 * STEP + more:,} shots is used up: ")
    assert len(history.history["loss"]) == 3
    for found, exact in zip(state(model), state(expected), strict=True):
        # XLA and Keras's own steps order a few sums otherwise.
        np.testing.assert_allclose(found, exact, atol=1e-6)
    # The model can go on, or be used elsewhere.
    assert "evaluate" not in vars(model)
    assert np.isfinite(model.get_weights()[0]).all()


@pytest.mark.parametrize("compiled", COMPILED, ids=str)
def test_a_budget_for_no_step_leaves_the_first_weights(compiled: Any) -> None:
    stop = StopAtBudget()
    model, history = fitted(10, [stop], epochs=5, compiled=compiled)
    assert stop.message is not None
    assert len(history.history.get("loss", [])) <= 1
    assert all(np.isfinite(weights).all() for weights in model.get_weights())
    assert int(model.optimizer.iterations) == 0


@pytest.mark.parametrize("compiled", COMPILED, ids=str)
def test_a_budget_that_ends_in_validation_stops_the_training(compiled: Any) -> None:
    expected, _ = fitted(2 * STEP, [], epochs=1)
    stop = StopAtBudget()
    model, history = fitted(
        2 * STEP + 30, [stop], epochs=5, validation_data=(DATA, DATA), compiled=compiled
    )
    assert stop.message is not None
    assert len(history.history["loss"]) == 1
    np.testing.assert_allclose(model.get_weights()[0], expected.get_weights()[0], atol=1e-6)


def test_the_sentence_is_printed_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    fitted(STEP, [StopAtBudget(verbose=1)], epochs=1, compiled={"run_eagerly": True})
    assert "200 shots is used up: 200 are spent" in capsys.readouterr().out


def test_without_the_callback_a_training_ends_with_a_sentence_and_keeps_its_weights() -> None:
    keras.utils.set_random_seed(3)
    engine = SamplerEngine(cirq.Simulator(), shots=10, budget=Budget(shots=4 * STEP))
    model = small(engine)
    model.compile(keras.optimizers.Adam(0.05), "mse")
    before = [np.array(weights) for weights in model.get_weights()]
    with pytest.raises(Exception, match="shots is used up") as caught:
        model.fit(DATA, DATA, batch_size=2, epochs=5, verbose=0)
    assert budget_sentence(caught.value)
    after = [np.array(weights) for weights in model.get_weights()]
    assert all(np.isfinite(weights).all() for weights in after)
    assert (after[0] != before[0]).any()


def test_after_more_money_a_training_goes_on() -> None:
    keras.utils.set_random_seed(3)
    budget = Budget(shots=STEP)
    engine = SamplerEngine(cirq.Simulator(), shots=10, budget=budget)
    model = small(engine)
    for _ in range(2):
        model.fit(DATA, DATA, batch_size=2, epochs=1, verbose=0, callbacks=[StopAtBudget()])
        budget.shots = 100 * STEP
    assert int(model.optimizer.iterations) == 3


@pytest.mark.parametrize("compiled", COMPILED, ids=str)
def test_another_error_of_the_service_is_raised_with_the_weights_kept(compiled: Any) -> None:
    class Broken(cirq.Sampler):
        calls = 0

        def run_sweep(self, program: Any, params: Any, repetitions: int = 1) -> Any:
            self.calls += 1
            if self.calls > 2 * STEP / 10:
                raise PermissionError("your account is closed")
            return cirq.Simulator().run_sweep(program, params, repetitions)

    keras.utils.set_random_seed(3)
    model = small(SamplerEngine(Broken(), shots=10, jit=bool(compiled)))
    model.compile(keras.optimizers.Adam(0.05), "mse", **compiled)
    with pytest.raises(Exception, match="your account is closed"):
        model.fit(DATA, DATA, batch_size=2, epochs=5, verbose=0, callbacks=[StopAtBudget()])
    assert int(model.optimizer.iterations) == 2
    assert all(np.isfinite(weights).all() for weights in model.get_weights())
