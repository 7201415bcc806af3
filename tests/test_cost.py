"""What contenders cost: circuit evaluations counted by hand, times and memory as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cirq
import keras
import numpy as np
import pytest
import sympy
from sklearn.svm import SVC

from qkeras_hybrid import PQC, PQCDense, datasets
from qkeras_hybrid.bench import cost, statistics
from qkeras_hybrid.bench.cost import evaluations_per_sample

_, IRIS = datasets.prepare({"name": "iris"}, seed=0)


def layer() -> PQC:
    """Two angles, one basis: a forward evaluation and two for each angle, 5 in all."""
    x, w = sympy.symbols("x w")
    q = cirq.LineQubit(0)
    return PQC(cirq.Circuit(cirq.rx(x)(q), cirq.ry(w)(q)), "Z", inputs=[x])


def features(*shape: int) -> np.ndarray:
    return np.ones(shape, "float32")


def test_evaluations_are_those_of_the_parameter_shift_rule() -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1), layer()])
    assert evaluations_per_sample(model, features(2, 3)) == 5


def test_evaluations_count_how_often_a_layer_runs_on_a_sample() -> None:
    patches = keras.Sequential([keras.Input((6, 1)), layer()])
    assert evaluations_per_sample(patches, features(2, 6, 1)) == 6 * 5
    steps = keras.Sequential([keras.Input((6, 1)), keras.layers.TimeDistributed(layer())])
    assert evaluations_per_sample(steps, features(2, 6, 1)) == 6 * 5
    inputs, shared = keras.Input((1,)), layer()
    twice = keras.Model(inputs, keras.layers.Add()([shared(inputs), shared(-inputs)]))
    assert evaluations_per_sample(twice, features(2, 1)) == 2 * 5
    inner = keras.Sequential([keras.Input((1,)), layer()])
    nested = keras.Sequential([keras.Input((1,)), inner, layer()])
    assert evaluations_per_sample(nested, features(2, 1)) == 2 * 5


def test_counting_leaves_the_layer_as_it_was() -> None:
    model = keras.Sequential([keras.Input((1,)), layer()])
    before = model.predict(features(3, 1), verbose=0)
    evaluations_per_sample(model, features(3, 1))
    assert "_computed" not in vars(model.layers[0])
    np.testing.assert_array_equal(model.predict(features(3, 1), verbose=0), before)


def measured(model: Any, **known: Any) -> dict[str, Any]:
    return cost.measure(model, IRIS, {"epochs": 3, "batch_size": 50}, **known)


def test_a_hybrid_has_every_cost() -> None:
    model = keras.Sequential(
        [keras.Input((4,)), PQCDense(2, n_layers=1), keras.layers.Dense(3, activation="softmax")]
    )
    found = measured(
        model, first_epoch_seconds=2.0, epoch_seconds=0.3, peak_memory=12345, shots=100
    )
    assert set(found) == set(statistics.COSTS)
    per_sample = model.layers[0].resources().evaluations_per_sample
    assert found["step_seconds"] == pytest.approx(0.1)  # 112 samples are 3 steps of 50
    assert found["compile_seconds"] == pytest.approx(1.7)
    assert found["peak_memory_bytes"] == 12345
    assert found["circuit_evaluations_per_step"] == 50 * per_sample
    assert found["circuit_evaluations_total"] == 3 * 112 * per_sample
    assert found["shots_total"] == 100 * 3 * 112 * per_sample
    assert found["inference_seconds_1"] > 0
    assert found["inference_seconds_256"] > 0


def test_one_epoch_tells_neither_a_step_nor_compilation() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    found = measured(model, first_epoch_seconds=2.0)
    assert found["step_seconds"] is found["compile_seconds"] is None
    assert found["circuit_evaluations_total"] == found["shots_total"] == 0


def test_an_estimator_of_scikit_learn_has_inference_alone() -> None:
    found = measured(SVC().fit(IRIS.x_train, IRIS.y_train))
    assert found.pop("inference_seconds_1") > 0
    assert found.pop("inference_seconds_256") > 0
    assert set(found.values()) == {None}


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux counts it")
def test_the_peak_of_memory_is_that_of_its_block() -> None:
    with cost.PeakMemory() as small:
        pass
    with cost.PeakMemory() as large:
        np.ones(2**25).sum()  # 256 MiB, gone at the end
    assert small.bytes is not None
    assert large.bytes is not None
    assert 200 * 2**20 < large.bytes - small.bytes < 400 * 2**20
    with cost.PeakMemory() as after:
        pass
    assert after.bytes is not None
    assert after.bytes < large.bytes - 100 * 2**20
