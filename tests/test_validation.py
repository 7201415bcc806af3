"""Training that ends when validation stops improving: what is kept, when it ends, what counts."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import hypothesis
import hypothesis.strategies as st
import keras
import numpy as np
import pytest

from qkeras_hybrid.bench import cost, fitting, runner
from qkeras_hybrid.bench.task import Task
from qkeras_hybrid.bench.validation import Validation


class Scripted:
    """A model whose validation losses are given, and whose weights are the number of its epoch."""

    def __init__(self, losses: list[float]) -> None:
        self.losses = losses
        self.epoch = -1

    def reset_metrics(self) -> None:
        self.epoch += 1

    def test_on_batch(self, x: Any, y: Any, return_dict: bool) -> dict[str, float]:
        return {"loss": self.losses[self.epoch]}

    def get_weights(self) -> int:
        return self.epoch

    def set_weights(self, epoch: int) -> None:
        self.restored = epoch


@pytest.mark.parametrize(
    ("losses", "ends", "best"),
    [
        ([3.0, 2.0, 2.5, 2.5, 1.0], 4, 1),  # two epochs without a lower loss
        ([3.0, 2.0, 2.0, 2.0], 4, 1),  # as low is not lower
        ([3.0, 4.0, 2.0, 5.0, 1.0, 9.0], None, 4),  # never two in a row
        ([math.nan, 2.0, math.nan, math.nan], 4, 1),  # no number is never the lowest
        ([math.nan, math.nan, 1.0], 2, None),
        ([math.inf, math.inf, 1.0], 2, None),
    ],
)
def test_training_ends_after_patience_and_the_lowest_loss_counts(
    losses: list[float], ends: int | None, best: int | None
) -> None:
    watch = Validation(np.zeros((5, 1)), np.zeros(5), seed=0, patience=2)
    model: Any = Scripted(losses)
    ended = [watch.ends_training(model, watch.y_valid) for _ in range(ends or len(losses))]
    assert ended == [False] * (len(ended) - 1) + [ends is not None]
    watch.restore(model)
    assert getattr(model, "restored", None) == best


@hypothesis.given(
    n=st.integers(2, 60), classes=st.integers(1, 5), seed=st.integers(0, 3), real=st.booleans()
)
@hypothesis.settings(max_examples=60, deadline=None)
def test_each_sample_is_in_one_part_and_a_fifth_validates(
    n: int, classes: int, seed: int, real: bool
) -> None:
    x = np.arange(n, dtype=float)[:, np.newaxis]
    y = x[:, 0] if real else np.arange(n) % classes
    kept = Validation(x, y, seed=seed, patience=1)
    assert sorted([*kept.x_train[:, 0], *kept.x_valid[:, 0]]) == list(range(n))
    assert len(kept.x_valid) == max(1, round(0.2 * n))
    assert len(kept.x_train) >= 1
    again = Validation(x, y, seed=seed, patience=1)
    np.testing.assert_array_equal(kept.x_valid, again.x_valid)


def test_classes_keep_their_shares_where_they_can() -> None:
    y = np.repeat([0, 1], [80, 20])
    kept = Validation(np.zeros((100, 1)), y, seed=3, patience=1)
    assert np.bincount(kept.y_valid).tolist() == [16, 4]


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_samples_are_refused(n: int) -> None:
    with pytest.raises(ValueError, match="at least 2 samples"):
        Validation(np.zeros((n, 1)), np.zeros(n), seed=0, patience=1)


@pytest.mark.parametrize("patience", [0, -1, 1.5, True, math.nan])
def test_a_patience_that_is_none_is_refused(patience: Any) -> None:
    with pytest.raises(ValueError, match="patience"):
        Validation(np.zeros((5, 1)), np.zeros(5), seed=0, patience=patience)


def _network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])


def test_the_weights_are_those_of_the_lowest_validation_loss() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3)).astype("float32")
    y = x.sum(axis=1) + rng.normal(0, 1, 40)
    settings: dict[str, Any] = {"batch_size": 8, "learning_rate": 0.3, "seed": 1}
    model = _network()
    training = fitting.train(model, x, y, epochs=60, patience=3, **settings)
    best = int(np.argmin(training.valid_loss))
    assert len(training.loss) == len(training.valid_loss) == best + 4 < 60
    kept = Validation(x, y, seed=1, patience=3)
    assert (training.n_train, training.n_valid) == (len(kept.x_train), len(kept.x_valid)) == (32, 8)
    error = np.mean((np.asarray(model.predict(kept.x_valid, verbose=0))[:, 0] - kept.y_valid) ** 2)
    # float32 sums in another order.
    assert error == pytest.approx(training.valid_loss[best], rel=1e-5)
    # As many epochs on the part that trains come to the same weights.
    other = _network()
    fitting.train(other, kept.x_train, kept.y_train, epochs=best + 1, **settings)
    for weight, expected in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-5)


TASK = Task(
    data={"name": "iris", "n_train": 60},
    model={"name": "pqc_dense", "n_qubits": 2, "n_layers": 1},
    training={"epochs": 4, "batch_size": 16, "learning_rate": 0.05, "patience": 2},
    backend=keras.backend.backend(),
    contender="hybrid",
    seed=0,
)


def test_a_row_has_the_epochs_and_evaluations_as_they_were() -> None:
    row = runner.run_task(TASK)
    assert row.error is None
    assert row.curve is not None
    assert row.loss is not None
    epochs = len(row.loss)
    assert len(row.curve["valid_loss"]) == epochs
    # Two qubits, read in Z: one setting; two encoded angles and six trained ones, each at two
    # shifted values. Of 60 samples, 12 validate, with a prediction an epoch.
    assert row.cost["circuit_evaluations_total"] == epochs * (48 * (1 + 2 * 8) + 12)


def test_without_patience_a_task_is_defined_as_before() -> None:
    plain = dataclasses.replace(
        TASK, training={k: v for k, v in TASK.training.items() if k != "patience"}
    )
    assert "patience" not in str(plain.definition())
    assert plain.id != TASK.id
    assert dataclasses.replace(TASK, size={"n_layers": 1}).id == TASK.id
    row = runner.run_task(plain)
    assert row.curve is not None
    assert "valid_loss" not in row.curve
    assert row.cost["circuit_evaluations_total"] == 4 * 60 * (1 + 2 * 8)


def test_predictions_are_counted_without_the_gradient() -> None:
    keras.utils.set_random_seed(0)
    from qkeras_hybrid import PQCDense

    model = keras.Sequential([keras.Input((2,)), PQCDense(2, n_layers=1), keras.layers.Dense(1)])
    x = np.zeros((3, 2), "float32")
    # The features come as they are, but a gradient by the encoded angles counts too.
    assert cost.evaluations_per_sample(model, x) == 1 + 2 * 8
    assert cost.evaluations_per_sample(model, x, gradient=False) == 1


@pytest.mark.parametrize("contender", ["hybrid", "hashed_dense"])
def test_trained_fast_the_same_epochs_count(contender: str) -> None:
    task = dataclasses.replace(
        TASK, contender=contender, training={**TASK.training, "epochs": 12, "learning_rate": 0.3}
    )
    for seed in (0, 1):  # the second with the trace of the first
        one = dataclasses.replace(task, seed=seed)
        by_fit, fast = runner.run_task(one), runner.run_task(one, fast=True)
        assert (by_fit.error, fast.error) == (None, None)
        assert by_fit.curve is not None
        assert fast.curve is not None
        # float32 sums in another order, over a dozen epochs.
        assert fast.curve["valid_loss"] == pytest.approx(by_fit.curve["valid_loss"], rel=1e-3)
        assert fast.test_score == by_fit.test_score
