"""The layer `ExampleName`: its values, the contract of layers, and what it refuses."""

from __future__ import annotations

import cirq
import keras
import numpy as np
import pytest

from qkeras_hybrid import ArgumentError
from qkeras_hybrid.layers.example_name import ExampleName
from qkeras_hybrid.testing import run_layer_test

X = np.array([[0.3, -1.2, 2.0], [0.0, 0.7, -0.4]], "float32")
ANGLES = keras.initializers.RandomUniform(-2.0, 2.0, seed=1)


def values(layer: keras.layers.Layer, x: np.ndarray = X) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(layer(x)))


def test_it_keeps_the_contract_of_layers() -> None:
    run_layer_test(ExampleName, {"n_layers": 2}, (4, 3))


def test_one_layer_is_a_product_of_cosines() -> None:
    layer = ExampleName(n_layers=1, weight_initializer=ANGLES)
    found = values(layer)
    (weights,) = layer.get_weights()
    # The tolerance is for about ten operations in complex64.
    np.testing.assert_allclose(found, np.cos(X) * np.cos(weights), atol=1e-6)


def test_two_layers_agree_with_cirq_s_simulator() -> None:
    layer = ExampleName(n_layers=2, weight_initializer=ANGLES)
    found = values(layer)
    q = cirq.LineQubit.range(3)
    weights = layer.get_weights()[0].reshape(2, 3)
    for row, value in zip(X, found, strict=True):
        circuit = cirq.Circuit()
        for layer_weights in weights:
            for qubit, x, w in zip(q, row, layer_weights, strict=True):
                circuit.append([cirq.ry(float(x))(qubit), cirq.rx(float(w))(qubit)])
            circuit.append([cirq.CZ(q[0], q[1]), cirq.CZ(q[1], q[2])])
        exact = cirq.Simulator(dtype=np.complex128).simulate_expectation_values(
            circuit, [cirq.Z(qubit) for qubit in q]
        )
        np.testing.assert_allclose(value, np.real(exact), atol=1e-6)


def test_shots_estimate_the_exact_values_and_noise_brings_them_closer_to_zero() -> None:
    exact = ExampleName(n_layers=1, weight_initializer=ANGLES)
    before = values(exact)
    sampled = exact.with_engine("auto", shots=1000)
    # The tolerance is six standard deviations; each is at most 1/sqrt(1000).
    np.testing.assert_allclose(values(sampled), before, atol=6 / np.sqrt(1000))
    noisy = exact.with_engine("auto", noise="depolarizing:0.1")
    assert np.all(np.abs(values(noisy)) < np.abs(before))


def test_empty_batches_batches_of_one_and_further_axes() -> None:
    layer = ExampleName(weight_initializer=ANGLES)
    whole = values(layer)
    assert values(layer, X[:0]).shape == (0, 3)
    np.testing.assert_allclose(values(layer, X[:1]), whole[:1], atol=1e-6)
    np.testing.assert_allclose(values(layer, X[None])[0], whole, atol=1e-6)


@pytest.mark.parametrize("n_layers", [0, -1, 1.5, float("nan"), None, True, "2", 10**9])
def test_an_invalid_number_of_layers_is_refused(n_layers: object) -> None:
    with pytest.raises(ArgumentError, match="`n_layers` must be"):
        ExampleName(n_layers=n_layers)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "words"),
    [((None, 10**6), "`features` must be at most"), ((None,), "rank 2"), ((None, 0), "1 or more")],
)
def test_an_invalid_input_shape_is_refused(shape: tuple[int | None], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ExampleName().build(shape)
