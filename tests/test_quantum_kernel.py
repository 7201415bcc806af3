"""The layer `QuantumKernel`: values, gradients, landmarks that train and are saved, bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from qkeras_hybrid import PQCDense, QuantumKernel, set_engine
from qkeras_hybrid.kernels import FidelityKernel, ProjectedKernel
from qkeras_hybrid.testing import run_layer_test, value_and_gradients

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 2)).astype("float32")
LANDMARKS = RNG.normal(size=(3, 2)).astype("float32")

# Two ways to compute the same in float32.
CLOSE = 2e-5


def values_of(layer: keras.layers.Layer, x: Any = X) -> np.ndarray:
    found: np.ndarray = ops.convert_to_numpy(layer(x))
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        {"landmarks": 3},
        {"landmarks": LANDMARKS.tolist(), "train_landmarks": True},
        {"landmarks": 3, "kernel": "projected", "encoding": "reuploading"},
        {"landmarks": 3, "output": "nystroem", "train_landmarks": True, "scale": 0.5},
        {"landmarks": 3, "scale": 0.4, "train_scale": True},
    ],
)
def test_the_layer_is_one_of_kerass(arguments: dict[str, Any]) -> None:
    # The Nyström features divide by small eigenvalues.
    tolerance = 1e-3 if "output" in arguments else CLOSE
    run_layer_test(QuantumKernel, {"seed": 1, **arguments}, (4, 2), tolerance=tolerance)


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_values_are_those_of_the_kernels(scale: float) -> None:
    layer = QuantumKernel(LANDMARKS, scale=scale)
    expected = FidelityKernel(scale=scale).matrix(X, LANDMARKS)
    np.testing.assert_allclose(values_of(layer), expected, atol=CLOSE)
    layer = QuantumKernel(LANDMARKS, kernel="projected", scale=scale)
    expected = ProjectedKernel(scale=scale).matrix(X, LANDMARKS)
    np.testing.assert_allclose(values_of(layer), expected, atol=CLOSE)


def test_a_scale_that_trains_has_the_gradient_of_the_formula() -> None:
    # cos((x - l) scale / 2)**2 has the derivative -(x - l) sin((x - l) scale) / 2.
    x, landmark = np.array([[0.7]]), 0.2
    layer = QuantumKernel([[landmark]], encoding="angle", scale=0.6, train_scale=True)
    assert values_of(layer, x) == pytest.approx(np.cos(0.5 * 0.6 / 2) ** 2, abs=1e-6)

    def value(scale: Any) -> Any:
        with keras.StatelessScope(state_mapping=[(layer.log_scale, ops.log(scale))]):
            return ops.sum(layer(ops.convert_to_tensor(x, "float32")))

    _, (gradient,) = value_and_gradients(value, np.array(0.6, "float32"))
    assert gradient == pytest.approx(-0.5 * np.sin(0.5 * 0.6) / 2, abs=1e-6)


def test_nystroem_features_of_the_landmarks_have_the_kernel_as_scalar_products() -> None:
    layer = QuantumKernel(LANDMARKS, output="nystroem")
    features = values_of(layer, LANDMARKS)
    expected = FidelityKernel().matrix(LANDMARKS)
    np.testing.assert_allclose(features @ features.T, expected, atol=1e-4)


def test_the_gradient_is_that_of_a_product_of_cosines() -> None:
    landmarks = LANDMARKS[:1]
    layer = QuantumKernel(landmarks, encoding="angle")
    layer.build((None, 2))
    _, (gradient,) = value_and_gradients(layer, X)
    halves = (X - landmarks) / 2
    cosines = np.cos(halves) ** 2
    expected = -np.sin(2 * halves) / 2 * cosines[:, ::-1]
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_landmarks_train_towards_what_the_labels_ask() -> None:
    # One landmark at the wrong place; the samples of class 1 lie around another.
    x = np.concatenate([RNG.normal(0.8, 0.1, (40, 2)), RNG.normal(-0.8, 0.1, (40, 2))])
    y = np.repeat([1.0, 0.0], 40)
    layer = QuantumKernel([[0.1, 0.0]], encoding="angle", train_landmarks=True)
    model = keras.Sequential([keras.Input((2,)), layer])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    history = model.fit(x, y, epochs=30, batch_size=20, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0] / 2
    assert ops.convert_to_numpy(layer.landmarks).min() > 0.4


def test_landmarks_do_not_train_unless_asked() -> None:
    layer = QuantumKernel(3)
    model = keras.Sequential([keras.Input((2,)), layer, keras.layers.Dense(1)])
    assert [v.name for v in layer.trainable_weights] == []
    assert [v.name for v in layer.non_trainable_weights] == ["landmarks"]
    assert model.count_params() == 3 * 2 + 3 + 1


def test_adapt_takes_landmarks_that_differ_from_data() -> None:
    data = np.concatenate([X, X])
    layer = QuantumKernel(6, seed=0)
    layer.adapt(data)
    found = ops.convert_to_numpy(layer.landmarks)
    np.testing.assert_array_equal(np.unique(found, axis=0), np.unique(X, axis=0))


def test_a_saved_model_has_its_landmarks(tmp_path: Path) -> None:
    layer = QuantumKernel(4)
    layer.adapt(X)
    model = keras.Sequential([keras.Input((2,)), layer, keras.layers.Dense(1)])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.layers[0].landmarks, layer.landmarks)
    np.testing.assert_allclose(again.predict(X, verbose=0), model.predict(X, verbose=0), atol=1e-6)


def test_it_joins_other_quantum_layers() -> None:
    inputs = keras.Input((2,))
    joined = keras.layers.Concatenate()([QuantumKernel(3)(inputs), PQCDense(2)(inputs)])
    model = keras.Model(inputs, keras.layers.Dense(1)(joined))
    model.compile("adam", "mse")
    model.fit(X, np.ones(6), epochs=1, verbose=0)


@pytest.mark.parametrize("kernel", ["fidelity", "projected"])
def test_shots_estimate_the_kernel(kernel: str) -> None:
    exact = values_of(QuantumKernel(LANDMARKS, kernel=kernel))
    layer = QuantumKernel(LANDMARKS, kernel=kernel, shots=4000, seed=0)
    # Five standard deviations of a frequency; a projected kernel's are of the same size.
    np.testing.assert_allclose(values_of(layer), exact, atol=0.1)


def test_set_engine_changes_between_states_and_inversion_tests() -> None:
    layer = QuantumKernel(LANDMARKS)
    model = keras.Sequential([keras.Input((2,)), layer])
    exact = values_of(layer)
    set_engine(model, "auto", shots=2000)
    estimated = values_of(layer)
    np.testing.assert_allclose(estimated, exact, atol=0.1)
    assert not np.array_equal(estimated, exact)
    set_engine(model, "auto", shots=None)
    np.testing.assert_array_equal(values_of(layer), exact)


def test_noise_lowers_a_fidelity() -> None:
    layer = QuantumKernel([[0.3]], encoding="angle", noise="depolarizing:0.1")
    found = values_of(layer, np.array([[0.3]], "float32"))
    # Each of the two gates, the rotation and its inverse, depolarizes by 4/3 of 0.1.
    np.testing.assert_allclose(found, 0.5 + 0.5 * (1 - 4 * 0.1 / 3) ** 2, atol=1e-5)


def test_an_inversion_test_trains_by_the_shift_rule() -> None:
    layer = QuantumKernel([[0.3]], encoding="angle", noise="depolarizing:0.1")
    layer.build((None, 1))
    _, (gradient,) = value_and_gradients(layer, np.array([[1.1]], "float32"))
    lowered = (1 - 4 * 0.1 / 3) ** 2
    np.testing.assert_allclose(gradient, -np.sin(0.8) / 2 * lowered, atol=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: QuantumKernel([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]]), "same in rows 0 and 2"),
        (lambda: QuantumKernel([[1.0, np.nan]]), "nan in row 0, column 1"),
        (lambda: QuantumKernel([1.0, 2.0]), r"have shape \(n_samples, n_features\)"),
        (lambda: QuantumKernel(0), "`landmarks` must be"),
        (lambda: QuantumKernel(LANDMARKS).build((None, 3)), "have 3 features"),
        (lambda: QuantumKernel(3, kernel="rbf"), "`kernel` must be one of"),
        (lambda: QuantumKernel(3, output="rows"), "`output` must be one of"),
        (lambda: QuantumKernel(3, gamma=0), "`gamma` must be positive"),
        (lambda: QuantumKernel(7).adapt(X), "hold 7 distinct samples"),
        (lambda: QuantumKernel(LANDMARKS).adapt(X[:, :1].repeat(3, 1)), "must"),
        (
            lambda: QuantumKernel(3, differentiator="parameter_shift").build((None, 2)),
            "`differentiator` must be None for fidelities of states",
        ),
    ],
)
def test_bad_input_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_nystroem_features_from_shots_are_finite() -> None:
    x = np.random.default_rng(0).normal(size=(20, 2)).astype("float32")
    layer = QuantumKernel(8, shots=20, seed=1, output="nystroem", scale=0.1)
    layer.adapt(x, seed=0)
    assert np.isfinite(values_of(layer, x)).all()
