"""The encoding `example_name`: its state, its gradient, and what it refuses."""

from __future__ import annotations

import functools
import json

import keras
import numpy as np
import pytest

from qkeras_hybrid import ArgumentError, PQCDense, QuantumEmbedding, encodings
from qkeras_hybrid.encodings.example_name import ExampleNameEncoding
from qkeras_hybrid.testing import run_layer_test, value_and_gradients

NAME = "example_name"
X = np.array([[0.3, -2.0, 0.0], [50.0, 1.0, -0.7]], "float32")


def state(features: np.ndarray, scale: float, n_qubits: int) -> np.ndarray:
    """Returns the state that the docstring states: a product of `|0> + s x |1>`, normalised."""
    ratios = np.append(scale * features, np.zeros(n_qubits - len(features)))
    return functools.reduce(np.kron, [np.array([1.0, r]) / np.hypot(1.0, r) for r in ratios])


@pytest.mark.parametrize("scale", [1.0, -0.5])
@pytest.mark.parametrize("n_features", [1, 2, 3])
def test_the_state_is_the_one_that_the_docstring_states(scale: float, n_features: int) -> None:
    x = X[:, :n_features]
    layer = QuantumEmbedding(3, encoding=ExampleNameEncoding(scale), output="state")
    expected = [state(row.astype(float), scale, 3) for row in x]
    # The tolerance is for three rotations in complex64.
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(x)), expected, atol=1e-6)


def test_the_gradient_is_that_of_the_closed_form() -> None:
    layer = QuantumEmbedding(3, encoding=NAME, observables="Z")
    layer.build((None, 3))
    values, (found, _) = value_and_gradients(lambda x, _: layer(x), X, np.zeros(0, "float32"))
    # The exact value is cos(2 arctan x); the tolerance is for float32.
    np.testing.assert_allclose(values, (1 - X**2) / (1 + X**2), atol=1e-6)
    np.testing.assert_allclose(found, -4 * X / (1 + X**2) ** 2, atol=1e-5)


def test_nan_passes_through_and_infinity_is_the_limit() -> None:
    layer = QuantumEmbedding(2, encoding=NAME)
    found = keras.ops.convert_to_numpy(layer(np.array([[np.nan, np.inf]], "float32")))
    assert np.isnan(found[0, 0])
    assert QuantumEmbedding(1, encoding=NAME)(np.array([[np.inf]], "float32"))[0, 0] == -1


def test_it_comes_back_from_its_config() -> None:
    encoding = ExampleNameEncoding(0.25)
    saved = json.loads(json.dumps(keras.saving.serialize_keras_object(encoding)))
    assert encodings.get(saved) == encoding != encodings.get(NAME) == ExampleNameEncoding()


@pytest.mark.parametrize("scale", [float("nan"), float("inf"), "1", None])
def test_a_scale_that_is_not_a_number_is_refused(scale: object) -> None:
    with pytest.raises(ArgumentError, match="`scale` must be a finite number, but got"):
        ExampleNameEncoding(scale)  # type: ignore[arg-type]


def test_more_features_than_qubits_are_refused() -> None:
    encoding = ExampleNameEncoding()
    assert [encoding.min_qubits(k) for k in (1, 4)] == [1, 4]
    with pytest.raises(ArgumentError, match="be at most 2 on 2 qubits, but got 3"):
        encoding.angles(X, 2)
    with pytest.raises(ValueError, match="3 features in 2 qubits"):
        QuantumEmbedding(2, encoding=encoding).build((None, 3))


def test_a_layer_with_it_keeps_the_contract() -> None:
    run_layer_test(PQCDense, {"units": 2, "n_qubits": 3, "encoding": NAME}, (4, 3))
