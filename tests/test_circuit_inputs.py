"""Circuits without inputs, and layers that are asked before they are built."""

import cirq
import keras
import numpy as np
import pytest
import sympy
from keras import ops

import qkeras_hybrid as qh
from qkeras_hybrid import PQC, PQCDense, QuantumEmbedding, engines
from qkeras_hybrid.testing import value_and_gradients

TENSORFLOW = keras.backend.backend() == "tensorflow"
# Those of ideal circuits; the engines of noise have contracts of their own.
ENGINES = [
    name for name in ("native", "tfq", "statevector") if engines.status()[name] == "available"
]
Q = cirq.LineQubit.range(2)
A, B = sympy.symbols("a b")
CIRCUIT = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.CX(*Q))


def alone(**arguments):
    arguments = {"weight_initializer": keras.initializers.Constant(0.6), **arguments}
    return PQC(CIRCUIT, "Z", inputs=[], **arguments)


# Without inputs: <Z> of both qubits is cos(a), whatever the sample.


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_a_circuit_without_inputs_takes_samples_without_features(engine, batch):
    found = ops.convert_to_numpy(alone(engine=engine)(np.zeros((batch, 0), "float32")))
    assert found.shape == (batch, 2)
    np.testing.assert_allclose(found, np.full((batch, 2), np.cos(0.6)), atol=1e-6)


@pytest.mark.parametrize("output", ["probabilities", "state", "samples"])
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_every_readout_takes_samples_without_features(output, batch):
    shots = 5 if output == "samples" else None
    found = alone(output=output, shots=shots)(np.zeros((batch, 0), "float32"))
    assert tuple(found.shape) == ((batch, 5, 2) if shots else (batch, 4))


def test_leading_axes_without_features_are_positions():
    found = ops.convert_to_numpy(alone()(np.zeros((2, 3, 0), "float32")))
    np.testing.assert_allclose(found, np.full((2, 3, 2), np.cos(0.6)), atol=1e-6)


@pytest.mark.parametrize("differentiator", [None, "parameter_shift", "spsa"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_circuit_without_inputs_trains_saves_and_loads(tmp_path, engine, differentiator):
    layer = alone(engine=engine, differentiator=differentiator)
    model = keras.Sequential([keras.Input((0,)), layer])
    assert model.output_shape == (None, 2)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    x = np.zeros((5, 0), "float32")
    # Batches of two, two and one: of a single sample too.
    model.fit(x, np.ones((5, 2)), batch_size=2, epochs=3, verbose=0)
    # Towards <Z> = 1.
    assert abs(layer.symbol_values()["a"]) < 0.6
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    for batch in (x, x[:1]):
        np.testing.assert_allclose(
            loaded.predict(batch, verbose=0), model.predict(batch, verbose=0), atol=1e-6
        )


@pytest.mark.parametrize(
    "layer", [PQC(CIRCUIT, "Z", inputs=["a"]), PQC(CIRCUIT, "Z"), PQCDense(2), QuantumEmbedding(2)]
)
def test_a_circuit_with_inputs_does_not_do_without_features(layer):
    with pytest.raises(ValueError, match="must be 1 or more"):
        layer.build((None, 0))


def test_a_circuit_without_inputs_takes_no_features():
    with pytest.raises(ValueError, match="`inputs` must name a symbol for each of the 3 features"):
        alone().build((None, 3))


# Before build.


def test_a_pqc_knows_its_symbols_before_it_is_built():
    circuit = cirq.Circuit(cirq.rx(B)(Q[0]), cirq.ry(A)(Q[0]))
    assert PQC(circuit, "Z").symbols == (B, A)
    assert PQC(circuit, "Z", inputs=["b"]).symbols == (A,)
    assert PQC(circuit, "Z", symbols=["a", "b"]).symbols == (A, B)


def test_symbols_of_an_encoding_that_trains_need_the_features():
    layer = PQC(CIRCUIT, "Z", encoding="reuploading")
    with pytest.raises(ValueError, match="not built yet"):
        layer.symbols  # noqa: B018
    layer.build((None, 2))
    assert len(layer.symbols) > 1


@pytest.mark.parametrize("arguments", [{"inputs": []}, {"inputs": ["a"]}], ids=str)
def test_resources_of_a_pqc_with_named_inputs_need_no_build(arguments):
    layer = PQC(CIRCUIT, ["Z0", "X1"], **arguments)
    before = layer.resources()
    layer.build((None, len(arguments["inputs"])))
    assert before == layer.resources()
    assert (before.qubits, before.one_qubit_gates, before.two_qubit_gates) == (2, 1, 1)


@pytest.mark.parametrize(
    "layer",
    [PQC(CIRCUIT, "Z"), PQCDense(3), QuantumEmbedding(3)],
    ids=["pqc", "dense", "embedding"],
)
def test_resources_of_other_layers_take_the_number_of_features(layer):
    with pytest.raises(ValueError, match=r"layer.resources\(n_features=4\)"):
        layer.resources()
    before = layer.resources(n_features=2)
    assert not layer.built
    layer.build((None, 2))
    assert layer.resources() == before


# Circuits as inputs, one for each sample, with shots.

tfq_only = pytest.mark.skipif("tfq" not in ENGINES, reason="TFQ is not here")


def turned(*angles):
    import tensorflow_quantum as tfq

    return tfq.convert_to_tensor([cirq.Circuit(cirq.ry(angle)(Q[0])) for angle in angles])


@tfq_only
@pytest.mark.parametrize("gradient", ["adjoint", "parameter_shift"])
def test_shots_of_circuits_as_inputs_estimate_the_exact_values(gradient):
    layer = alone(engine=engines.TFQEngine(gradient), shots=1000)
    angles = np.array([0.2, 1.1, 2.0])
    found = ops.convert_to_numpy(layer(turned(*angles)))
    exact = np.cos(angles + 0.6)[:, None]
    # Five standard errors of 1000 measurements of +1 and -1.
    assert np.all(np.abs(found - exact) < 5 * np.sqrt((1 - exact**2) / 1000))
    assert np.any(found != ops.convert_to_numpy(layer(turned(*angles)))), "it is not sampled"


@tfq_only
@pytest.mark.slow
def test_shots_of_circuits_as_inputs_have_a_gradient_by_parameter_shift():
    layer = alone(engine="tfq", shots=1000)
    circuits = turned(0.2, 1.1)
    layer(circuits)

    def expectation(w):
        return layer._run((circuits, ops.zeros((2, 0))), w)

    _, (slope,) = value_and_gradients(expectation, np.array([0.6], "float32"))
    exact = -2 * np.sum(np.sin([0.8, 1.7]))
    # Half a difference of two estimates for each of two samples and two observables, each with a
    # standard error of at most 1/sqrt(1000): sqrt(2)/2 times 2 of these. Five times that.
    assert slope[0] == pytest.approx(exact, abs=5 * np.sqrt(2) / np.sqrt(1000))
    assert slope[0] != pytest.approx(exact, abs=1e-5), "it is not sampled"


@tfq_only
def test_a_model_with_shots_of_circuits_trains(tmp_path):
    layer = alone(shots=200)
    model = keras.Sequential([keras.Input((), dtype="string"), layer])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    circuits = turned(0.1, 0.2, 0.3)
    model.fit(circuits, np.ones((3, 2)), batch_size=2, epochs=3, verbose=0)
    assert layer.engine.name == "tfq" and abs(layer.symbol_values()["a"]) < 0.6
    model.save(tmp_path / "m.keras")
    assert keras.models.load_model(tmp_path / "m.keras").layers[0].shots == 200
    assert tuple(layer(circuits[:0]).shape) == (0, 2)


@tfq_only
def test_a_seed_that_has_no_effect_is_said():
    with pytest.warns(UserWarning, match="`seed` has no effect"):
        alone(engine="tfq", shots=10, seed=1)(turned(0.2))


@tfq_only
def test_shots_of_circuits_as_inputs_give_frequencies():
    layer = alone(output="probabilities", shots=40, seed=3)
    shares = 40 * ops.convert_to_numpy(layer(turned(0.4, 1.3, 2.0)))
    np.testing.assert_allclose(shares, np.round(shares), atol=1e-4)  # fortieths, in float32
    np.testing.assert_allclose(shares.sum(axis=1), 40, atol=1e-4)


@tfq_only
@pytest.mark.parametrize("output", ["probabilities", "state", ["expectation", "samples"]])
def test_other_readouts_take_circuits_as_inputs(output):
    several = isinstance(output, list)
    found = alone(output=output, shots=7 if several else None)(turned(0.4, np.pi - 0.6))
    if several:
        assert [tuple(tensor.shape) for tensor in found] == [(2, 2), (2, 7, 2)]
        assert np.all(ops.convert_to_numpy(found[1])[1] == 1)
        return
    half = np.array([0.5, np.pi / 2])
    amplitudes = np.stack([np.cos(half), 0 * half, 0 * half, np.sin(half)], axis=1)
    exact = amplitudes if output == "state" else amplitudes**2
    np.testing.assert_allclose(ops.convert_to_numpy(found), exact, atol=1e-6)


@tfq_only
def test_a_readout_without_a_gradient_says_so_in_fit():
    model = keras.Sequential([keras.Input((), dtype="string"), alone(output="probabilities")])
    model.compile("sgd", "mse")
    with pytest.raises(NotImplementedError, match="probabilities of circuits as inputs"):
        model.fit(turned(0.1, 0.2), np.ones((2, 4)), verbose=0)


@tfq_only
def test_tfqs_names_stay_where_they_were():
    from qkeras_hybrid.engines.tfq import TFQEngine, check_qubits

    assert TFQEngine is qh.engines.TFQEngine
    assert check_qubits(Q) == tuple(Q)
