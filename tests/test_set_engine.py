"""A layer, or a model, on another engine: same weights, nothing half changed, saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cirq
import keras
import numpy as np
import pytest
import sympy

import qkeras_hybrid as qh
from qkeras_hybrid import (
    PQC,
    ArgumentError,
    PQCDense,
    QuantumEmbedding,
    engines,
    noise,
    set_engine,
)
from test_one_file import CirqEngine, DensityEngine, SamplerEngine

Q = cirq.LineQubit.range(2)
A, W = sympy.symbols("a w")
CIRCUIT = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.ry(W)(Q[0]))
X = np.array([[0.3], [1.2]], "float32")
TURN = X + 0.5  # with weights of 0.5


def layer(**given: Any) -> PQC:
    arguments = {"inputs": [A], "weight_initializer": keras.initializers.Constant(0.5), **given}
    return PQC(CIRCUIT, "Z", **arguments)


def model_of(*layers: Any) -> keras.Model:
    return keras.Sequential([keras.Input((1,)), *layers])


def values(model: Any) -> np.ndarray:
    return np.asarray(model.predict(X, verbose=0))


# `noise=` of every layer.


@pytest.mark.parametrize(
    "make",
    [
        lambda **given: layer(**given),
        lambda **given: PQCDense(1, n_layers=1, **given),
        lambda **given: QuantumEmbedding(1, encoding="angle", **given),
    ],
    ids=["PQC", "PQCDense", "QuantumEmbedding"],
)
def test_every_layer_takes_noise_and_is_saved_with_it(make: Any, tmp_path: Path) -> None:
    exact = make(engine=DensityEngine())
    noisy = make(engine=DensityEngine(), noise="readout_error:0.25")
    assert noisy.noise == noise.readout_error(0.25)
    assert exact.noise is None
    model = model_of(noisy)
    exact.build((None, 1))
    exact.set_weights(noisy.get_weights())
    # Half of what is measured is left of <Z>.
    np.testing.assert_allclose(values(model), 0.5 * values(model_of(exact)), atol=1e-6)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert again.layers[0].noise == noisy.noise
    np.testing.assert_array_equal(values(again), values(model))


def test_noise_of_a_layer_is_cirqs_depolarizing_channel_after_each_gate() -> None:
    model = model_of(layer(engine=DensityEngine(), noise=noise.depolarizing(0.15)))
    np.testing.assert_allclose(values(model), (1 - 0.2) ** 2 * np.cos(TURN), atol=1e-6)


def test_a_layer_with_noise_trains() -> None:
    model = model_of(layer(engine=DensityEngine(), noise="depolarizing:0.15"))
    model.compile(keras.optimizers.SGD(1.0), "mse")
    model.fit(X, np.zeros((2, 1), "float32"), batch_size=2, verbose=0)
    # d/dw mean (f cos t)**2 = -f**2 mean sin(2 t)
    exact = 0.5 + 0.8**4 * np.mean(np.sin(2 * TURN))
    np.testing.assert_allclose(model.layers[0].get_weights()[0], [exact], atol=1e-5)


def test_auto_says_why_no_engine_computes_channels_if_none_does() -> None:
    one = layer(noise="depolarizing:0.1")
    try:
        one.build((None, 1))
    except ValueError as error:
        assert "does not execute Channel" in str(error)
    else:
        assert one.engine is not None
        assert qh.program.Channel in one.engine.instructions


def test_a_config_without_noise_still_makes_a_layer() -> None:
    config = layer().get_config()
    del config["noise"]
    assert PQC.from_config(config).noise is None


@pytest.mark.parametrize("given", ["depolarizing:2", 0.1, cirq.ConstantQubitNoiseModel(cirq.X)])
def test_what_is_no_noise_model_is_refused_at_once(given: Any) -> None:
    with pytest.raises(ArgumentError, match="must be a"):
        layer(noise=given)


# `with_engine`.


def test_with_engine_makes_a_new_layer_with_the_same_weights() -> None:
    exact = layer(engine="statevector", name="q")
    exact(X)
    exact.set_weights([np.array([0.9])])
    noisy = exact.with_engine(DensityEngine(), noise="bit_flip:0.1")
    assert (noisy.name, noisy.engine, noisy.shots) == ("q", DensityEngine(), None)
    assert exact.engine == qh.engines.StatevectorEngine()
    assert exact.noise is None
    np.testing.assert_array_equal(noisy.get_weights()[0], exact.get_weights()[0])
    # Each of two gates is followed by a flip, which leaves 0.8 of z and all of x.
    expected = 0.8 * (0.8 * np.cos(X) * np.cos(0.9) - np.sin(X) * np.sin(0.9))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(noisy(X)), expected, atol=1e-6)
    assert noisy.with_engine("statevector", noise=None).noise is None


def test_with_engine_of_a_layer_that_is_not_built_builds_nothing() -> None:
    other = layer().with_engine("statevector", shots=10)
    assert not other.built
    assert other.shots == 10


# `set_engine`.


def nested() -> keras.Model:
    inner = model_of(layer(engine="statevector", seed=1, name="inner"))
    inputs = keras.Input((1,))
    first = layer(engine="statevector", seed=1, name="first")(inputs)
    return keras.Model(inputs, inner(first))


def test_a_model_gets_another_engine_in_place_with_models_in_it() -> None:
    model = nested()
    before = values(model)
    weights = model.get_weights()
    assert set_engine(model, CirqEngine()) is model
    np.testing.assert_allclose(values(model), before, atol=1e-6)
    assert model.get_layer("first").engine == CirqEngine()
    np.testing.assert_array_equal(weights, model.get_weights())
    set_engine(model, DensityEngine(), noise="readout_error:0.5")
    # The last layer reads a fair coin.
    np.testing.assert_allclose(values(model), 0, atol=1e-6)
    set_engine(model, "statevector", noise=None)
    np.testing.assert_allclose(values(model), before, atol=1e-6)


def test_a_compiled_model_goes_on_training_with_its_optimizer_on_the_new_engine() -> None:
    model = model_of(layer(engine="statevector"))
    model.compile(keras.optimizers.SGD(1.0, momentum=0.5), "mse")
    y = np.zeros((2, 1), "float32")

    def step() -> float:
        model.fit(X, y, batch_size=2, verbose=0)
        return float(model.layers[0].get_weights()[0][0])

    def slope(w: float) -> float:  # of the mean of (f cos(x + w))**2, without f
        return -float(np.mean(np.sin(2 * (X + w))))

    first = step()
    velocity = -slope(0.5)
    assert first == pytest.approx(0.5 + velocity, abs=1e-5)
    set_engine(model, DensityEngine(), noise="readout_error:0.25")
    velocity = 0.5 * velocity - 0.25 * slope(first)
    assert step() == pytest.approx(first + velocity, abs=1e-5)
    assert int(model.optimizer.iterations) == 2


def test_shots_come_and_go_and_draw_from_the_layers_seed(tmp_path: Path) -> None:
    model = model_of(layer(engine="statevector", seed=3))
    exact = values(model)
    set_engine(model, "statevector", shots=50)
    first, second = values(model), values(model)
    assert (first != second).any()
    np.testing.assert_allclose(first, exact, atol=6 / np.sqrt(50))
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert again.layers[0].shots == 50
    assert again.layers[0].engine.name == "statevector"
    set_engine(model, "statevector", shots=None)
    np.testing.assert_allclose(values(model), exact, atol=1e-6)


def test_the_engine_can_stay_while_shots_change() -> None:
    model = model_of(layer(engine="statevector"))
    set_engine(model, "keep", shots=10)
    assert (model.layers[0].engine.name, model.layers[0].shots) == ("statevector", 10)
    assert model.layers[0].with_engine("keep", shots=None).engine.name == "statevector"


def test_the_engine_is_saved_with_the_model(tmp_path: Path) -> None:
    model = set_engine(nested(), DensityEngine(), noise="readout_error:0.1")
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert again.get_layer("first").engine == DensityEngine()
    np.testing.assert_array_equal(values(again), values(model))


def test_nothing_changes_if_one_layer_can_not() -> None:
    inputs = keras.Input((1,))
    first = layer(engine="statevector", name="first")(inputs)
    state = PQC(CIRCUIT, output="state", inputs=[A], engine="statevector", name="second")(first)
    model = keras.Model(inputs, state)
    before = values(model)
    with pytest.raises(ValueError, match="'cirq_density' can't compute"):
        set_engine(model, DensityEngine())
    assert model.get_layer("first").engine == qh.engines.StatevectorEngine()
    np.testing.assert_array_equal(values(model), before)
    with pytest.raises(ValueError, match="needs `shots`"):
        set_engine(model_of(layer()), SamplerEngine())


def test_an_adjoint_gradient_does_not_go_with_shots() -> None:
    model = model_of(layer(differentiator="adjoint", engine="statevector"))
    with pytest.raises(ArgumentError, match="not be Adjoint with `shots`"):
        set_engine(model, "statevector", shots=10)


def test_the_number_of_samples_of_an_output_can_not_change() -> None:
    model = model_of(PQC(CIRCUIT, output="samples", inputs=[A], shots=5))
    with pytest.raises(ArgumentError, match="`shots` must stay unchanged"):
        set_engine(model, "statevector", shots=6)
    assert set_engine(model, "statevector").layers[0].shots == 5


@pytest.mark.parametrize("what", [keras.Sequential([keras.Input((1,))]), keras.layers.Dense(1), 3])
def test_what_has_no_quantum_layer_is_refused(what: Any) -> None:
    with pytest.raises(ArgumentError, match="`model` must"):
        set_engine(what, "statevector")


def test_a_layer_by_itself_and_one_in_a_wrapper_get_another_engine() -> None:
    one = layer(engine="statevector")
    one(X)
    assert set_engine(one, CirqEngine()).engine == CirqEngine()
    inner = layer(engine="statevector")
    model = keras.Sequential([keras.Input((3, 1)), keras.layers.TimeDistributed(inner)])
    set_engine(model, CirqEngine())
    assert inner.engine == CirqEngine()


def test_a_model_that_is_not_built_gets_the_engine_for_later() -> None:
    model = keras.Sequential([layer(), layer()])
    set_engine(model, "statevector", shots=20)
    assert [one.shots for one in model.layers] == [20, 20]
    model(X)
    assert model.layers[0].engine.name == "statevector"


def test_a_layer_takes_an_engine_that_is_saved_without_its_device() -> None:
    # A sampler may hold a connection: it is no part of the engine's config.
    layer = PQCDense(1, n_qubits=2, n_layers=1)
    layer.build((None, 2))
    on_device = layer.with_engine(engines.SamplerEngine(cirq.Simulator(seed=1), shots=50))
    assert on_device(np.ones((2, 2))).shape == (2, 1)
