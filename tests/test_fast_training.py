"""Training in whole epochs, with traces that runs share: the rows are those of Keras's `fit`."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from qkeras_hybrid import _epochs, bench, datasets
from qkeras_hybrid.bench import contenders, fitting, runner, traces
from qkeras_hybrid.bench.results import Results
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.task import Task
from qkeras_hybrid.layers import QuantumKernel
from test_bench import TASK

# XLA, where it compiles, may add numbers in another order in a loop than in a step.
ROUNDING = 1e-5


@pytest.fixture(autouse=True)
def no_traces() -> Iterator[None]:
    traces.forget()
    yield
    traces.forget()


def small(**changes: Any) -> Task:
    return dataclasses.replace(TASK, **changes)


def results_of(row: Row) -> tuple[Any, ...]:
    assert row.error is None, row.error
    assert row.loss is not None and row.curve is not None
    numbers = (*row.loss, *row.curve["train_score"], row.train_score, row.test_score)
    return (row.network, row.engine, row.parameters, *numbers)


def assert_same(row: Row, other: Row) -> None:
    for value, expected in zip(results_of(row), results_of(other), strict=True):
        if isinstance(expected, float):
            assert value == pytest.approx(expected, rel=ROUNDING)
        else:
            assert value == expected


CASES = {
    "entangled": small(seed=1),
    "dense": small(contender="dense_same_parameters", seed=1),
    "frozen": small(contender="frozen_circuit", seed=1),
    "regression": small(
        data={"name": "diabetes", "n_train": 70}, contender="fourier_features", seed=1
    ),
    "kernel with landmarks of the data": small(
        model={"name": "quantum_kernel", "n_landmarks": 3, "n_qubits": 2}, seed=1
    ),
    "a frozen trunk": small(
        model={"name": "transfer", "trunk_units": 4, "n_qubits": 2, "n_layers": 1}, seed=1
    ),
    "shots in training": small(execution={"shots": 50, "noisy_training": True}, seed=1),
    "noise in the scores": small(execution={"noise": "depolarizing:0.05"}, seed=1),
    "an engine that draws": small(
        execution={"engine": "trajectories", "noise": "depolarizing:0.05"}, seed=1
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_run_on_the_trace_of_another_seed_has_the_row_of_fit(name: str) -> None:
    task = CASES[name]
    expected = bench.run_task(task)
    assert (expected.trained_by, expected.timing_comparable) == ("fit", True)
    first = bench.run_task(dataclasses.replace(task, seed=2), fast=True)
    row = bench.run_task(task, fast=True)
    assert (row.trained_by, row.timing_comparable) == ("fast", False)
    # The second run traced nothing, so that it has no seconds of that.
    assert first.first_epoch_seconds is not None
    assert row.first_epoch_seconds is None
    assert row.cost["compile_seconds"] is None
    assert_same(row, expected)


def test_rows_are_the_same_alone_after_others_and_in_any_order() -> None:
    tasks = [
        small(seed=seed, contender=contender, training={**TASK.training, "batch_size": batch})
        for seed in (0, 1)
        for contender in ("hybrid", "linear", "no_entanglement")
        for batch in (32, 50)
    ]
    in_order = [runner.run_task(task, fast=True) for task in tasks]
    shuffled = random.Random(0).sample(range(len(tasks)), len(tasks))
    for place in shuffled:
        assert_same(runner.run_task(tasks[place], fast=True), in_order[place])
    for place in shuffled[:3]:
        traces.forget()
        assert_same(runner.run_task(tasks[place], fast=True), in_order[place])


def test_noise_in_the_scores_of_one_run_leaves_the_shared_trace_as_it_was() -> None:
    expected = bench.run_task(TASK)
    noisy = small(execution={"noise": "depolarizing:0.3"}, seed=2)
    assert bench.run_task(noisy, fast=True).engine != expected.engine
    row = bench.run_task(TASK, fast=True)
    assert row.first_epoch_seconds is None  # it is the trace of the noisy run
    assert_same(row, expected)


def fitted(task: Task) -> fitting.Training:
    dataset, split = datasets.prepare(task.data, task.seed)
    training = contenders.Contender(task, dataset, {}, fast=True).fitted(
        split.x_train, split.y_train
    )[1]
    assert training is not None
    return training


def test_seeds_step_sizes_batches_and_sample_numbers_share_a_trace() -> None:
    first = fitted(TASK)
    assert not first.reused
    for other in (
        small(seed=3),
        small(training={**TASK.training, "learning_rate": 0.3, "batch_size": 7, "epochs": 1}),
        small(data={"name": "iris", "test_size": 0.5}),
    ):
        assert fitted(other).reused
    for other in (
        small(model={**TASK.model, "n_layers": 2}),
        small(model={**TASK.model, "engine": "statevector"}),
        small(contender="frozen_circuit"),
        small(data={"name": "wine"}),
    ):
        assert not fitted(other).reused


def test_the_step_size_of_a_reused_trace_is_the_run_s_own() -> None:
    still = small(training={**TASK.training, "learning_rate": 1e-12})
    fitted(TASK)
    training = fitted(still)
    assert training.reused
    # Without steps both epochs have the loss of the first weights.
    assert training.loss[0] == pytest.approx(training.loss[1], rel=1e-6)
    assert fitted(TASK).loss[1] != pytest.approx(training.loss[1], rel=1e-3)


USERS = """
import keras, numpy as np
from qkeras_hybrid import PQCDense

class Scaled(keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.factors = np.random.uniform(-2, 2, 4).astype("float32")  # not in the config

    def call(self, x):
        return x * self.factors

def build(n_features, n_outputs):
    return keras.Sequential([
        keras.Input((n_features,)), Scaled(), keras.layers.Dropout(0.5), PQCDense(2),
        keras.layers.Dense(n_outputs, activation="softmax"),
    ])
"""


def test_a_user_s_layer_with_values_of_its_own_shares_no_trace(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(USERS)
    task = small(model={"name": f"{tmp_path / 'mine.py'}:build"}, seed=1)
    assert not fitted(dataclasses.replace(task, seed=2)).reused
    assert not fitted(task).reused
    assert_same(bench.run_task(task, fast=True), bench.run_task(task))


OWN_FUNCTIONS = """
import keras
from qkeras_hybrid import PQCDense


def model(n_features, n_outputs, function):
    return keras.Sequential([
        keras.Input((n_features,)),
        keras.layers.Dense(2, activation=function),
        PQCDense(2, n_layers=1),
        keras.layers.Dense(n_outputs, activation="softmax"),
    ])


def one(n_features, n_outputs):
    def act(x):
        return keras.ops.tanh(x)

    return model(n_features, n_outputs, act)


def other(n_features, n_outputs):
    def act(x):
        return keras.ops.relu(x)

    return model(n_features, n_outputs, act)
"""


def test_users_models_with_functions_of_one_name_share_no_trace(tmp_path: Path) -> None:
    file = tmp_path / "models.py"
    file.write_text(OWN_FUNCTIONS, encoding="utf-8")
    tasks = [small(model={"name": f"{file}:{name}"}, seed=1) for name in ("one", "other")]
    expected = [bench.run_task(task) for task in tasks]
    for task, row in zip(tasks, expected, strict=True):
        assert_same(bench.run_task(task, fast=True), row)
    assert expected[0].loss != expected[1].loss
    assert "act" in (expected[0].network or "")


def test_the_dtype_policy_of_one_run_is_not_that_of_the_next() -> None:
    expected = bench.run_task(TASK)
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_float16")
        assert_same(bench.run_task(TASK, fast=True), expected)
    finally:
        keras.config.set_dtype_policy(policy)


def test_landmarks_know_no_sample_that_validates() -> None:
    task = small(
        model={"name": "quantum_kernel", "n_landmarks": 40, "n_qubits": 2},
        training={**TASK.training, "patience": 2},
    )
    dataset, split = datasets.prepare(task.data, task.seed)
    model, _ = contenders.Contender(task, dataset, {}).fitted(split.x_train, split.y_train)
    kept = fitting.Validation(split.x_train, split.y_train, seed=task.seed, patience=2)
    (layer,) = [each for each in model.layers if isinstance(each, QuantumKernel)]
    landmarks = keras.ops.convert_to_numpy(layer.landmarks)
    for sample in kept.x_valid:
        assert np.abs(landmarks - sample).max(axis=1).min() > 1e-6


def test_random_layers_of_keras_s_draw_on_a_shared_trace_what_they_draw_alone() -> None:
    def model(seed: int) -> keras.Model:
        traces.start_anew(seed, keep=True)
        return keras.Sequential(
            [keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(3, "softmax")]
        )

    iris = datasets.load("iris")
    options: Any = {"epochs": 2, "batch_size": 40, "learning_rate": 0.01, "seed": 0}
    expected = fitting.train(model(5), iris.x, iris.y, **options)
    fitting.train(model(6), iris.x, iris.y, **options, fast=True)
    found = fitting.train(model(5), iris.x, iris.y, **options, fast=True)
    assert found.reused
    assert found.loss == pytest.approx(expected.loss, rel=ROUNDING)
    assert fitting.train(model(6), iris.x, iris.y, **options, fast=True).loss != found.loss


def test_weights_begin_as_in_a_new_process_with_the_backend_s_functions_kept() -> None:
    def first_weights(keep: bool) -> tuple[list[np.ndarray], list[str]]:
        traces.start_anew(7, keep=keep)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(2)])
        drawn = keras.ops.convert_to_numpy(keras.random.normal((2,)))
        return [*model.get_weights(), drawn, np.random.normal(size=2)], [
            layer.name for layer in model.layers
        ]

    expected, names = first_weights(keep=False)
    for keep in (True, False, True):
        found, its = first_weights(keep=keep)
        assert its == names == ["dense", "dense_1"]
        for value, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(value, other)


def test_only_so_many_traces_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "MOST", 2)
    linear = small(contender="linear")
    fitted(TASK)
    fitted(linear)
    assert fitted(TASK).reused
    fitted(small(contender="dense_same_width"))  # takes the place of `linear`, used longest ago
    assert fitted(TASK).reused
    assert not fitted(linear).reused


def test_a_batch_larger_than_the_data_and_a_batch_of_one_train_as_in_fit() -> None:
    x, y = np.linspace(-1, 1, 14, dtype="float32").reshape(7, 2), np.arange(7) % 2
    for batch_size in (1, 3, 7, 100):
        trained = []
        for fast in (False, True):
            traces.start_anew(0, keep=True)
            model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "softmax")])
            options: Any = {"epochs": 2, "batch_size": batch_size, "learning_rate": 0.1, "seed": 0}
            trained.append(fitting.train(model, x, y, **options, fast=fast))
        assert trained[1].loss == pytest.approx(trained[0].loss, rel=ROUNDING)
        assert trained[1].score == trained[0].score


def test_values_that_are_not_finite_stay_so() -> None:
    x, y = np.full((6, 2), math.nan, "float32"), np.arange(6) % 2
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "softmax")])
    options: Any = {"epochs": 2, "batch_size": 3, "learning_rate": 0.1, "seed": 0}
    trained = fitting.train(model, x, y, **options, fast=True)
    assert all(math.isnan(value) for value in trained.loss)
    assert fitting.score(trained.model, x, y) == 0
    # The next model on this trace has no part in it.
    traces.start_anew(0, keep=True)
    good = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "softmax")])
    trained = fitting.train(good, np.ones_like(x), y, **options, fast=True)
    assert np.isfinite(trained.loss).all()


def test_losses_of_decisions_are_trained_by_fit() -> None:
    task = small(
        data={"name": "shortest_path", "n_samples": 40, "test_size": 0.5},
        model={"name": "reuploading", "n_qubits": 2, "n_layers": 1},
        training={**TASK.training, "epochs": 1},
    )
    row = bench.run_task(task, fast=True)
    assert row.error is None
    assert row.trained_by == "fit"


def test_rows_of_fit_say_no_more_than_they_did(tmp_path: Path) -> None:
    row = bench.run_task(small(contender="linear"))
    assert "trained_by" not in row.to_json()
    fast = bench.run_task(small(contender="linear"), fast=True)
    assert fast.to_json()["trained_by"] == "fast"
    assert Row.from_json(fast.to_json()) == fast
    with Results(tmp_path / "results.jsonl") as results:
        results.append(fast)
        # For its seconds it runs again.
        assert runner.missing([small(contender="linear")], results) == []
        assert len(runner.missing([small(contender="linear")], results, timing=True)) == 1


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only there it is needed")
def test_preparing_a_model_changes_none_of_its_variables() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dropout(0.5), keras.layers.BatchNormalization()]
    )
    model.compile("adam", "mse", metrics=[keras.metrics.R2Score(name="score")])
    before = [np.array(value) for value in model.variables]
    _epochs.prepared(model, np.ones((3, 2), "float32"), np.ones((3, 2), "float64"))
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    assert model.optimizer.built
