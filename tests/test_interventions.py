"""`intervention_test`: circuits whose part in a network is known, as trained and retrained."""

from __future__ import annotations

import dataclasses
import json
import math
import random
import re
import warnings
from collections.abc import Iterator
from typing import Any

import cirq
import keras
import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

import qkeras_hybrid as qh
from qkeras_hybrid._seeds import kept_seeds
from qkeras_hybrid.interventions import InterventionTest, Outcome, intervening, scores
from qkeras_hybrid.interventions.retraining import trainer, untrained
from qkeras_hybrid.interventions.stand_ins import ConstantOutput, NoiseOutput

X = sympy.Symbol("x")
ANGLES = np.random.default_rng(3).uniform(-3, 3, (120, 1)).astype("float32")
EVEN = (np.cos(ANGLES[:, 0]) > 0).astype(int)  # no linear map of the angle tells this
SIDE = (ANGLES[:, 0] > 0).astype(int)
QUICK: dict[str, Any] = {"epochs": 15, "batch_size": 30, "runs": 2}


@pytest.fixture(autouse=True)
def untrained_is_fine() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*no training step.*")
        yield


def cosine(name: str = "circuit", **options: Any) -> qh.PQC:
    """Returns a layer that computes the cosine of its input."""
    circuit = cirq.Circuit(cirq.ry(X)(cirq.LineQubit(0)))
    return qh.PQC(circuit, "Z", inputs=[X], name=name, **options)


def constant(name: str = "circuit") -> qh.PQC:
    """Returns a layer whose output does not depend on its input: cos 0.5."""
    q = cirq.LineQubit.range(2)
    circuit = cirq.Circuit(cirq.ry(X)(q[0]), cirq.ry(0.5)(q[1]))
    return qh.PQC(circuit, "Z1", inputs=[X], name=name)


def head(units: int = 2) -> keras.layers.Dense:
    return keras.layers.Dense(units, activation="softmax", name="head")


def compiled(model: keras.Model) -> keras.Model:
    model.compile(keras.optimizers.Adam(0.2), "sparse_categorical_crossentropy")
    return model


def carries_all() -> keras.Model:
    keras.utils.set_random_seed(0)
    model = compiled(keras.Sequential([keras.Input((1,)), cosine(), head()]))
    model.fit(ANGLES, EVEN, epochs=15, batch_size=30, verbose=0)
    return model


@pytest.fixture(scope="module")
def all_by_the_circuit() -> tuple[keras.Model, InterventionTest]:
    model = carries_all()
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        return model, qh.intervention_test(model, ANGLES, EVEN, **{**QUICK, "runs": 3})


def test_a_circuit_that_carries_everything_is_used_and_needed(
    all_by_the_circuit: tuple[keras.Model, InterventionTest],
) -> None:
    _, found = all_by_the_circuit
    assert (found.metric, found.n_samples) == ("accuracy", 120)
    assert (found.as_trained, found.retrained) == ("leans", "needed")
    used, needed, agreement = found.sentences
    assert used.startswith("As trained, the network uses its circuits: accuracy ")
    assert "The trained circuits' surrogate in their place does as well" in needed
    assert "a linear map does not" in needed
    assert agreement == (
        "Both agree: the circuits' outputs carry what the other layers cannot learn without them."
    )
    # Without the circuit the best is to name the larger class, with a linear map to cut the line of
    # angles at one place.
    larger = max(EVEN.mean(), 1 - EVEN.mean())
    cuts = [((ANGLES[:, 0] > place) == EVEN).mean() for place in ANGLES[:, 0]]
    assert max(found.outcome("retrained", "constant").scores) <= larger + 1e-6
    assert max(found.outcome("retrained", "linear").scores) <= max(*cuts, 1 - min(cuts)) + 1e-6
    assert found.outcome("as trained", "surrogate").difference == 0


def test_replaced_by_the_mean_the_network_computes_what_its_head_makes_of_the_mean(
    all_by_the_circuit: tuple[keras.Model, InterventionTest],
) -> None:
    model, found = all_by_the_circuit
    kernel, bias = model.get_layer("head").get_weights()
    chosen = int((np.cos(ANGLES).mean() * kernel[0] + bias).argmax())
    assert found.outcome("as trained", "mean").score == pytest.approx((chosen == EVEN).mean())


def test_shuffled_outputs_score_what_their_chances_are(
    all_by_the_circuit: tuple[keras.Model, InterventionTest],
) -> None:
    _, found = all_by_the_circuit
    # The class of another sample, drawn without this one, is right by chance.
    n, ones = len(EVEN), int(EVEN.sum())
    chance = (ones * (ones - 1) + (n - ones) * (n - ones - 1)) / (n * (n - 1))
    outcome = found.outcome("as trained", "shuffled")
    kept = found.outcome("as trained", "kept").score
    assert len(outcome.scores) == 10
    # The network is not always right itself; ten shuffles of 120 have a deviation of 0.02.
    assert outcome.score == pytest.approx(chance, abs=0.06 + 1 - kept)


def test_the_order_of_the_samples_does_not_matter() -> None:
    # 600 samples in the order of their classes: a batch holds one class alone.
    x = np.sort(np.random.default_rng(0).uniform(0, np.pi, (600, 1)), axis=0).astype("float32")
    y = (x[:, 0] < np.pi / 2).astype(int)
    model = compiled(keras.Sequential([keras.Input((1,)), cosine(), head()]))
    model.get_layer("head").set_weights([np.array([[-9.0, 9.0]]), np.zeros(2)])
    found = qh.intervention_test(model, x, y, epochs=1, runs=1, shuffles=4)
    (row,) = (r for r in found.outcomes if (r.when, r.circuit) == ("as trained", "shuffled"))
    # Each score is a mean of 600 answers, right by chance: the standard error of four is 0.01.
    assert np.mean(row.scores) == pytest.approx(0.5, abs=0.05)


def test_a_circuit_at_each_step_of_a_sequence_is_replaced() -> None:
    steps = keras.layers.TimeDistributed(qh.PQCDense(2, name="circuit"))
    model = compiled(keras.Sequential([keras.Input((3, 2)), steps, keras.layers.Flatten(), head()]))
    x, y = np.random.default_rng(0).normal(size=(20, 3, 2)), np.arange(20) % 2
    found = qh.intervention_test(model, x, y, epochs=1, runs=1)
    assert {row.circuit for row in found.outcomes} >= {"mean", "shuffled"}


def test_a_circuit_with_a_constant_output_is_idle() -> None:
    inputs = keras.Input((1,))
    joined = keras.layers.Concatenate()([inputs, constant()(inputs)])
    model = compiled(keras.Model(inputs, head()(joined)))
    model.fit(ANGLES, SIDE, epochs=15, batch_size=30, verbose=0)
    before = model.get_weights()
    found = qh.intervention_test(model, ANGLES, SIDE, **QUICK)
    assert (found.as_trained, found.retrained) == ("idle", "not needed")
    for name in ("mean", "shuffled", "surrogate"):
        assert found.outcome("as trained", name).difference == 0
    # The constant is the circuit's own: training goes the same way.
    assert found.outcome("retrained", "constant").scores == pytest.approx(
        found.outcome("retrained", "kept").scores, abs=1 / 120
    )
    assert found.sentences[2] == "Both agree: the network works without its circuits."
    for value, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, other)


def test_a_redundant_circuit_is_used_and_not_needed() -> None:
    angle, known = keras.Input((1,), name="angle"), keras.Input((1,), name="known")
    joined = keras.layers.Concatenate()([known, cosine()(angle)])
    model = compiled(keras.Model({"angle": angle, "known": known}, head()(joined)))
    x = {"angle": ANGLES, "known": np.cos(ANGLES)}
    initial = model.get_weights()
    # The network was trained to look at the circuit alone, though its other input says the same.
    model.get_layer("head").set_weights(
        [np.array([[0, 0], [-9, 9]], "float32"), np.zeros(2, "float32")]
    )
    found = qh.intervention_test(model, x, EVEN, initial_weights=initial, **QUICK)
    assert found.outcome("as trained", "kept").score == 1
    assert (found.as_trained, found.retrained) == ("leans", "not needed")
    assert found.sentences[2].startswith("They disagree: the other layers were trained together")
    assert found.sentences[2].endswith("The circuits are used, but not needed.")


def test_of_several_circuits_each_is_replaced_alone_too() -> None:
    inputs = keras.Input((1,))
    joined = keras.layers.Concatenate()([cosine("useful")(inputs), constant("idle")(inputs)])
    model = compiled(keras.Model(inputs, head()(joined)))
    model.fit(ANGLES, EVEN, epochs=15, batch_size=30, verbose=0)
    found = qh.intervention_test(model, ANGLES, EVEN, epochs=15, batch_size=30, runs=1)
    assert found.outcome("as trained", "mean", "useful").falls(found.margin)
    assert found.outcome("as trained", "mean", "idle").difference == 0
    assert (
        found.outcome("as trained", "mean").score
        == found.outcome("as trained", "mean", "useful").score
    )
    assert "mean (useful)" in found.table()


def test_circuits_in_nested_models_and_on_steps_are_replaced() -> None:
    inner = keras.Sequential([keras.Input((1,)), cosine()], name="inner")
    steps = keras.Sequential(
        [keras.Input((2, 1)), keras.layers.TimeDistributed(inner), keras.layers.Flatten(), head()]
    )
    compiled(steps)
    x = np.stack([ANGLES, ANGLES[::-1]], axis=1)
    steps.fit(x, EVEN, epochs=15, batch_size=30, verbose=0)
    found = qh.intervention_test(steps, x, EVEN, epochs=15, batch_size=30, runs=1)
    assert (found.as_trained, found.retrained) == ("leans", "needed")


def test_a_regression_is_scored_by_r2_and_the_test_part_if_there_is_one() -> None:
    model = keras.Sequential([keras.Input((1,)), cosine(), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.2), "mse")
    target = 2 * np.cos(ANGLES[:, 0]) - 1
    model.fit(ANGLES, target, epochs=30, batch_size=30, verbose=0)
    part = (ANGLES[:40], target[:40])
    found = qh.intervention_test(
        model, ANGLES[40:], target[40:], test=part, epochs=30, batch_size=30, runs=2
    )
    assert (found.metric, found.n_samples) == ("R²", 40)
    outputs = model.predict(part[0], verbose=0)[:, 0]
    exact = 1 - ((part[1] - outputs) ** 2).sum() / ((part[1] - part[1].mean()) ** 2).sum()
    assert found.outcome("as trained", "kept").score == pytest.approx(exact, abs=1e-5)
    # A constant prediction explains nothing; the mean is that of the training part.
    assert found.outcome("as trained", "mean").score == pytest.approx(0, abs=0.2)
    assert found.retrained == "needed"


def test_a_function_trains_and_another_scores() -> None:
    model = keras.Sequential([keras.Input((1,)), cosine(), head()])  # never compiled
    seen: list[list[str]] = []

    def train(other: keras.Model) -> None:
        assert not other.compiled
        seen.append([type(layer).__name__ for layer in other.layers])

    def negative_loss(y: np.ndarray, outputs: np.ndarray) -> float:
        return float(np.log(outputs[np.arange(len(y)), y]).mean())

    found = qh.intervention_test(
        model, ANGLES, EVEN, train=train, score=negative_loss, runs=1, shuffles=1
    )
    assert found.metric == "negative_loss"
    assert found.outcome("as trained", "kept").score < 0
    assert seen == [
        ["PQC", "Dense"],
        ["ConstantOutput", "Dense"],
        ["NoiseOutput", "Dense"],
        ["Dense", "Dense"],
        ["Functional", "Dense"],
    ]


def test_all_retrained_networks_begin_with_the_same_weights_and_fixed_layers_keep_theirs() -> None:
    keras.utils.set_random_seed(99)
    frozen = keras.layers.Dense(1, name="frozen", trainable=False)
    model = keras.Sequential([keras.Input((1,)), frozen, cosine(), head()])
    began: list[list[np.ndarray]] = []
    qh.intervention_test(
        model,
        ANGLES,
        EVEN,
        train=lambda other: began.append(
            [*other.get_layer("head").get_weights(), *other.get_layer("frozen").get_weights()]
        ),
        runs=2,
        shuffles=1,
    )
    assert len(began) == 10
    for run in (began[:5], began[5:]):
        for weights in run:
            for value, other in zip(weights, run[0], strict=True):
                np.testing.assert_array_equal(value, other)
            np.testing.assert_array_equal(weights[2], frozen.get_weights()[0])
    assert np.abs(began[0][0] - began[5][0]).max() > 0
    assert np.abs(began[0][0] - model.get_layer("head").get_weights()[0]).max() > 0


def test_without_a_surrogate_the_rest_is_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise ValueError("Layer 'circuit' has no surrogate: too many waves")

    monkeypatch.setattr(intervening, "surrogate", refused)
    model = compiled(keras.Sequential([keras.Input((1,)), cosine(), head()]))
    found = qh.intervention_test(model, ANGLES, EVEN, epochs=1, runs=1, shuffles=1)
    for when in ("as trained", "retrained"):
        outcome = found.outcome(when, "surrogate")
        assert outcome.scores == () and math.isnan(outcome.score)
        assert outcome.note == "Layer 'circuit' has no surrogate: too many waves"
    assert "too many waves" in found.table()


# Verdicts.


def made(
    mean: float, constant: list[float], linear: float = -0.4, kept: float = 0.9
) -> InterventionTest:
    n = len(constant)

    def outcome(when: Any, circuit: str, base: float, differences: list[float]) -> Outcome:
        return Outcome(
            when, circuit, None, tuple(base + d for d in differences), tuple(differences)
        )

    return InterventionTest(
        "accuracy",
        0.02,
        100,
        (
            Outcome("as trained", "kept", None, (0.9,)),
            outcome("as trained", "mean", 0.9, [mean]),
            outcome("as trained", "shuffled", 0.9, [mean]),
            Outcome("as trained", "surrogate", None, (), (), "none"),
            outcome("retrained", "kept", kept, [0.0] * n),
            outcome("retrained", "constant", kept, constant),
            outcome("retrained", "noise", kept, constant),
            outcome("retrained", "linear", kept, [linear] * n),
            Outcome("retrained", "surrogate", None, (), (), "none"),
        ),
    )


@pytest.mark.parametrize(
    ("found", "expected", "explanation"),
    [
        (made(-0.3, [-0.3, -0.31]), ("leans", "needed"), "cannot learn without them"),
        (made(-0.3, [-0.3, -0.31], linear=0.0), ("leans", "needed"), "need not be a circuit"),
        (made(-0.3, [0.0, 0.001]), ("leans", "not needed"), "They disagree.*not needed"),
        (made(0.0, [-0.3, -0.31]), ("idle", "needed"), "They disagree.*help the training"),
        (made(0.0, [0.0, 0.0]), ("idle", "not needed"), "Both agree: the network works without"),
        (made(-0.3, [-0.6, 0.1]), ("leans", "undecided"), "use more runs"),
        (made(-0.3, [-0.3, -0.3], kept=0.5), ("leans", "too short"), "train longer"),
        (made(-0.3, [-0.3]), ("leans", "needed"), "cannot learn"),
        (made(-0.3, [-0.40, 0.37, -0.02]), ("leans", "undecided"), "use more runs"),
        (made(-0.3, [-0.1, 0.1]), ("leans", "undecided"), "use more runs"),
        (made(-0.3, [0.0]), ("leans", "not needed"), "They disagree.*not needed"),
        (made(math.nan, [math.nan]), ("undecided", "undecided"), "as trained is not a number"),
        (made(math.nan, [-0.3, -0.31]), ("undecided", "needed"), "as trained is not a number"),
    ],
)
def test_a_verdict_follows_from_the_scores(
    found: InterventionTest, expected: tuple[str, str], explanation: str
) -> None:
    assert (found.as_trained, found.retrained) == expected
    text = str(found)
    assert all(sentence in text for sentence in found.sentences)
    assert re.search(explanation, found.sentences[2])


def test_a_score_as_trained_that_is_not_a_number_tells_nothing() -> None:
    found = made(math.nan, [-0.3, -0.31])
    assert found.sentences[0].startswith("As trained, it can't be told")
    assert "as well" not in found.sentences[0]
    # A fall in one of the two scores tells enough.
    outcomes = [
        dataclasses.replace(each, scores=(0.5,), differences=(-0.4,))
        if (each.when, each.circuit) == ("as trained", "shuffled")
        else each
        for each in found.outcomes
    ]
    assert dataclasses.replace(found, outcomes=tuple(outcomes)).as_trained == "leans"
    assert "a score is not a number" in made(-0.3, [math.nan, 0.0]).sentences[1]


def test_a_verdict_of_one_run_says_that_it_is_one() -> None:
    said = "This is a single run; others may differ."
    for constant in (-0.3, 0.0):
        assert said in made(-0.3, [constant]).sentences[1]
        assert said not in made(-0.3, [constant, constant]).sentences[1]


def test_of_classical_layers_in_the_circuits_place_all_is_said() -> None:
    assert "A linear map in their place does as well." in str(made(-0.3, [-0.3, -0.31], linear=0.0))
    assert "A linear map in their place does not do as well." in str(made(-0.3, [-0.3, -0.31]))
    found = made(-0.3, [-0.3, -0.31])
    outcomes = [
        dataclasses.replace(each, scores=(0.4, 0.9), differences=(-0.5, 0.0))
        if (each.when, each.circuit) == ("retrained", "linear")
        else each
        for each in found.outcomes
    ]
    found = dataclasses.replace(found, outcomes=tuple(outcomes))
    said = "The runs can't tell whether a linear map does as well in their place."
    assert said in str(found)
    assert not found.linear_does
    assert made(-0.3, [-0.3, -0.31], linear=0.0).linear_does


def test_a_difference_within_the_margin_does_not_count() -> None:
    found = made(-0.03, [-0.03, -0.031])
    assert (found.as_trained, found.retrained) == ("leans", "needed")
    wider = dataclasses.replace(found, margin=0.05)
    assert (wider.as_trained, wider.retrained) == ("idle", "not needed")


def test_rounding_makes_no_difference_larger_than_the_margin() -> None:
    assert 0.9 - 0.92 < -0.02  # what is compared in doubles
    outcome = Outcome("as trained", "mean", None, (0.9,), (0.9 - 0.92,))
    assert outcome.falls(0.02) is False
    assert outcome.falls(0.0199) is True
    again = Outcome("retrained", "noise", None, (0.9, 0.9), (0.9 - 0.92, 0.9 - 0.92))
    assert again.falls(0.02) is False
    assert again.falls(0.0199) is True
    # Of sums in another order, with a margin of 0.
    none = Outcome("retrained", "noise", None, (0.6, 0.6), (0.3 - (0.1 + 0.2),) * 2)
    assert none.difference < 0
    assert none.falls(0.0) is False
    # R² of a bad network is as large as it likes.
    large = -1e6 - 0.1
    assert (
        Outcome("as trained", "mean", None, (large,), (large + 1e6 + 0.1 - 1e-4,)).falls(0) is False
    )


@pytest.fixture
def quick_model() -> keras.Model:
    return compiled(keras.Sequential([keras.Input((1,)), cosine(), head()]))


def test_the_global_seeds_stay_as_they_were(quick_model: keras.Model) -> None:
    def drawn() -> list[Any]:
        found = [random.random(), np.random.random(), keras.random.uniform((2,))]
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            found += [tf.random.uniform((2,)), tf.random.uniform((2,))]
        if keras.backend.backend() == "torch":
            import torch

            found.append(torch.rand(2))
        return [np.asarray(ops.convert_to_numpy(each)).tolist() for each in found]

    keras.utils.set_random_seed(5)
    first, wanted = drawn(), drawn()
    keras.utils.set_random_seed(5)
    assert drawn() == first
    qh.intervention_test(quick_model, ANGLES, EVEN, runs=1, epochs=1, shuffles=1)
    assert drawn() == wanted
    with pytest.raises(KeyError), kept_seeds():
        keras.utils.set_random_seed(7)
        raise KeyError
    third = drawn()
    with kept_seeds():
        drawn()  # without a seed of its own
    fourth = drawn()
    keras.utils.set_random_seed(5)
    assert [drawn(), drawn(), drawn(), drawn()] == [first, wanted, third, fourth]


def test_retraining_begins_with_the_rate_that_the_model_began_with(
    quick_model: keras.Model,
) -> None:
    def rate_of(model: keras.Model, **given: Any) -> float:
        fit = trainer(model, ANGLES, EVEN, epochs=1, batch_size=120, seed=0, **given)
        copy = untrained(model, None, 0)
        fit(copy)
        return float(ops.convert_to_numpy(copy.optimizer.learning_rate))

    model = quick_model
    assert rate_of(model) == pytest.approx(0.2)
    falling = keras.callbacks.ReduceLROnPlateau("loss", factor=0.1, patience=0, min_delta=100.0)
    model.fit(ANGLES, EVEN, epochs=3, verbose=0, callbacks=[falling])
    assert float(ops.convert_to_numpy(model.optimizer.learning_rate)) < 0.1
    assert rate_of(model) == pytest.approx(0.2)
    assert rate_of(model, learning_rate=0.03) == pytest.approx(0.03)
    # Nobody noted what was set by hand.
    model.fit(ANGLES, EVEN, epochs=1, verbose=0)
    model.optimizer.learning_rate = 0.01
    assert rate_of(model) == pytest.approx(0.01)
    schedule = keras.optimizers.schedules.ExponentialDecay(0.2, 1, 0.1)
    model.compile(keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy")
    model.fit(ANGLES, EVEN, epochs=2, verbose=0)
    assert rate_of(model) == pytest.approx(0.02)  # after its first step
    with pytest.raises(qh.ArgumentError, match="None for an optimizer that has a schedule"):
        rate_of(model, learning_rate=0.1)


def test_the_interval_is_students() -> None:
    outcome = Outcome("retrained", "noise", None, (1.0, 2.0, 4.0), (1.0, 2.0, 4.0))
    # t(0.975, 2) = 4.302653, and the standard error of 1, 2, 4 is the root of 7/9.
    half = 4.302653 * math.sqrt(7 / 9)
    assert outcome.interval == pytest.approx((7 / 3 - half, 7 / 3 + half), rel=1e-6)
    assert all(map(math.isnan, Outcome("retrained", "noise", None, (1.0,), (1.0,)).interval))


def test_rows_are_plain_values() -> None:
    rows = made(-0.3, [-0.3, -0.31]).rows()
    assert len(rows) == 9
    assert rows[1]["circuit"] == "mean"
    assert rows[1]["difference"] == pytest.approx(-0.3)
    json.dumps(rows)
    with pytest.raises(KeyError):
        made(0.0, [0.0]).outcome("as trained", "mean", "another")


# Parts.


@given(st.integers(2, 40), st.integers(0, 99))
def test_each_sample_gets_the_output_of_another(n: int, seed: int) -> None:
    others = intervening._others(n, np.random.default_rng(seed))
    assert sorted(others) == list(range(n))
    assert (others != np.arange(n)).all()


def test_a_constant_is_saved_and_has_the_shape_of_the_circuit_s_output() -> None:
    layer = ConstantOutput([0.25, -1.0])
    assert layer.compute_output_shape((None, 3, 7)) == (None, 3, 2)
    for shape in ((0, 7), (1, 7), (4, 3, 7)):
        output = ops.convert_to_numpy(layer(ops.zeros(shape)))
        np.testing.assert_array_equal(output, np.broadcast_to([0.25, -1.0], (*shape[:-1], 2)))
    again = ConstantOutput.from_config(json.loads(json.dumps(layer.get_config())))
    assert again.values == [0.25, -1.0]


def test_noise_has_the_moments_that_it_is_given_and_no_word_of_the_sample() -> None:
    layer = NoiseOutput([0.5, -1.0], [0.1, 0.0], seed=3)
    assert layer.compute_output_shape((None, 3, 7)) == (None, 3, 2)
    drawn = ops.convert_to_numpy(layer(ops.zeros((4000, 7))))
    # The standard errors of mean and deviation of 4000 draws are 0.0016 and 0.0011.
    np.testing.assert_allclose(drawn.mean(axis=0), [0.5, -1.0], atol=0.008)
    np.testing.assert_allclose(drawn.std(axis=0), [0.1, 0.0], atol=0.006)
    assert np.abs(ops.convert_to_numpy(layer(ops.zeros((4000, 7)))) - drawn).max() > 0
    again = NoiseOutput.from_config(json.loads(json.dumps(layer.get_config())))
    np.testing.assert_array_equal(ops.convert_to_numpy(again(ops.zeros((4000, 7)))), drawn)


def test_the_first_weights_are_those_given_or_new_for_each_seed() -> None:
    model = keras.Sequential([keras.Input((1,)), cosine(), head()])
    weights = [np.full(each.shape, 0.5, "float32") for each in model.get_weights()]
    for value, other in zip(untrained(model, weights, 0).get_weights(), weights, strict=True):
        np.testing.assert_array_equal(value, other)
    first, again, second = (untrained(model, None, seed).get_weights()[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - second).max() > 0


def test_scores_of_outputs_that_are_not_finite() -> None:
    y = np.array([0, 1, 1])
    outputs = np.array([[0.9, 0.1], [np.nan, 0.5], [0.2, 0.8]])
    assert scores.accuracy(y, outputs) == 2 / 3
    assert math.isnan(scores.r2(y.astype(float), np.array([[0.0], [np.inf], [1.0]])))
    constant = np.ones(3)
    assert scores.r2(constant, np.ones((3, 1))) == 1
    assert scores.r2(constant, np.zeros((3, 1))) == 0


GOOD = np.zeros((4, 1), "float32")
CLASSES = np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": GOOD[:0], "y": CLASSES[:0]}, "`data` must hold at least one sample"),
        ({"x": GOOD[:, 0]}, "`data` must hold numbers of shape"),
        ({"x": np.full((4, 1), np.nan)}, "`data` must hold finite numbers"),
        ({"x": np.full((4, 1), "a")}, "`data` must hold numbers"),
        ({"y": CLASSES[:3]}, "`y` must hold one or more numbers for each of the 4 samples"),
        ({"y": np.array([0, 1, np.inf, 0])}, "`y` must hold finite targets"),
        ({"y": np.array(list("abca"))}, "`y` must hold one or more numbers"),
        ({"y": np.zeros((4, 3))}, "`y` must have a number for each of the model's 2 outputs"),
        ({"y": np.zeros((4, 2), int)}, "`score` must be given if targets are classes"),
        ({"score": "accuracy"}, "`score` must be a function"),
        ({"test": GOOD}, "`test` must be a pair"),
        ({"test": (GOOD[:1], CLASSES[:1])}, "`test` must hold at least two samples"),
        ({"margin": -0.1}, "`margin` must be at least 0"),
        ({"margin": math.nan}, "`margin` must be"),
        ({"runs": 0}, "`runs` must be"),
        ({"shuffles": 0}, "`shuffles` must be"),
        ({"epochs": 0}, "`epochs` must be"),
        ({"batch_size": 1.5}, "`batch_size` must be"),
        ({"initial_weights": [np.zeros(3)]}, "`initial_weights` must have the shapes"),
        ({"learning_rate": 0}, "`learning_rate` must be above 0"),
        ({"learning_rate": math.nan}, "`learning_rate` must be"),
        ({"learning_rate": 0.1, "train": print}, "`learning_rate` must be None if `train`"),
        ({"seed": -1}, "`seed` must be a whole number from 0 .* but got -1"),
        ({"seed": None}, "`seed` must be"),
        ({"seed": 2**32 - 1}, "`seed` must be at most"),
        ({}, "`model` must be compiled.*pass `train`"),
    ],
)
def test_wrong_arguments_are_said(changes: dict[str, Any], message: str) -> None:
    model = keras.Sequential([keras.Input((1,)), cosine(), head()])
    given = {"x": GOOD, "y": CLASSES, **changes}
    with pytest.raises(qh.ArgumentError, match=message):
        qh.intervention_test(model, given.pop("x"), given.pop("y"), **given)


def test_models_that_can_not_be_taken_apart_are_said() -> None:
    x = keras.Input((1,))
    several = qh.PQC(cirq.Circuit(cirq.ry(X)(cirq.q(0))), "Z", inputs=[X], output=["state"])
    same = [cosine("one"), cosine("one")]
    for model, message in (
        ("no model", "`model` must be a Sequential or functional model that is built"),
        (keras.Sequential([head()]), "that is built"),
        (keras.Sequential([x, head()]), "contain a quantum layer"),
        (keras.Model(x, several(x)), "one vector of real numbers"),
        (keras.Model(x, [cosine()(x), x]), "have one output"),
    ):
        with pytest.raises(qh.ArgumentError, match=message):
            qh.intervention_test(model, GOOD, CLASSES, runs=1)
    inner = keras.Sequential([x, same[1]])
    with pytest.raises(qh.ArgumentError, match="different names"):
        qh.intervention_test(keras.Model(x, head()(same[0](x) + inner(x))), GOOD, CLASSES)
