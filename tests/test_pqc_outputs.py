"""What a circuit's layer returns: probabilities, states, samples, several at once."""

import json

import cirq
import keras
import numpy as np
import pytest
import sympy
from keras import ops

import qkeras_hybrid as qh
from qkeras_hybrid import PQC, QuantumEmbedding
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.bench.controls import fourier_features, frozen_circuit, linear, same_width
from qkeras_hybrid.bench.derived import DoesNotApplyError
from qkeras_hybrid.readouts import Expectation, Probabilities, State
from qkeras_hybrid.testing import run_layer_test, value_and_gradients

TENSORFLOW = keras.backend.backend() == "tensorflow"
# Those of ideal circuits; the engines of noise have contracts of their own.
ENGINES = [
    name for name in ("native", "tfq", "statevector") if qh.engines.status()[name] == "available"
]
Q = cirq.LineQubit.range(2)
A, B = sympy.symbols("a b")
# |psi> = ry(a)|0> (x) ry(b)|0>: amplitudes cos(a/2), sin(a/2) times cos(b/2), sin(b/2).
TURNED = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.ry(B)(Q[1]))
X = np.array([[0.4], [1.3], [-0.9]], "float32")


def layer_of(output, **arguments):
    arguments = {"inputs": [A], "weight_initializer": keras.initializers.Constant(0.7), **arguments}
    return PQC(TURNED, "Z", output=output, **arguments)


def amplitudes(a, b=0.7):
    a = np.asarray(a, float).ravel()
    first = np.stack([np.cos(a / 2), np.sin(a / 2)], axis=1)
    second = np.array([np.cos(b / 2), np.sin(b / 2)])
    return (first[:, :, None] * second).reshape(-1, 4)


def as_numpy(tensor):
    return ops.convert_to_numpy(tensor)


def slopes_of_first_amplitude(layer):
    """Gradients of the sum over the batch of a layer's first real value, by input and weight."""
    if not layer.built:
        layer.build(X.shape)

    def first(x, w):
        return ops.real(layer._run(x, w))[:, :1]

    return value_and_gradients(first, X, np.array([0.7], "float32"))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("output", ["probabilities", Probabilities()], ids=["name", "readout"])
def test_probabilities_are_read_and_differentiated(engine, output):
    layer = layer_of(output, engine=engine)
    # Some ten operations in float32.
    np.testing.assert_allclose(as_numpy(layer(X)), amplitudes(X) ** 2, atol=1e-6)
    _, (by_input, by_weight) = slopes_of_first_amplitude(layer_of(output, engine=engine))
    # p = cos(a/2)**2 cos(b/2)**2, and d/da cos(a/2)**2 = -sin(a)/2.
    exact = -np.sin(X) / 2 * np.cos(0.35) ** 2
    np.testing.assert_allclose(by_input, exact, atol=2e-6)
    total = np.sum(np.cos(X / 2) ** 2) * -np.sin(0.7) / 2
    np.testing.assert_allclose(by_weight, [total], atol=5e-6)


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "tfq"])
def test_the_state_is_read_and_differentiated(engine):
    layer = layer_of("state", engine=engine)
    state = as_numpy(layer(X))
    assert state.dtype == np.complex64
    np.testing.assert_allclose(state, amplitudes(X), atol=1e-6)
    _, (by_input, by_weight) = slopes_of_first_amplitude(layer_of("state", engine=engine))
    np.testing.assert_allclose(by_input, -np.sin(X / 2) / 2 * np.cos(0.35), atol=2e-6)
    total = np.sum(np.cos(X / 2)) * -np.sin(0.35) / 2
    np.testing.assert_allclose(by_weight, [total], atol=5e-6)


@pytest.mark.skipif("tfq" not in ENGINES, reason="TFQ is not here")
def test_a_state_without_a_gradient_is_read_and_says_so_when_it_is_differentiated():
    layer = layer_of("state", engine="tfq")
    np.testing.assert_allclose(as_numpy(layer(X)), amplitudes(X), atol=1e-6)
    with pytest.raises(NotImplementedError, match="tfq engine does not differentiate"):
        slopes_of_first_amplitude(layer)


def test_auto_takes_an_engine_that_differentiates_what_is_read():
    layer = layer_of("state")
    layer(X)
    assert layer.engine.name != "tfq"


@pytest.mark.parametrize("engine", ENGINES)
def test_samples_are_bits_with_the_circuits_chances(engine):
    layer = layer_of("samples", engine=engine, shots=2000, seed=3)
    bits = as_numpy(layer(X))
    assert bits.shape == (3, 2000, 2) and bits.dtype == np.int32
    assert set(np.unique(bits)) == {0, 1}
    frequencies = np.stack([np.mean(bits @ [2, 1] == k, axis=1) for k in range(4)], axis=1)
    # Five standard deviations of 2000 coins.
    np.testing.assert_allclose(frequencies, amplitudes(X) ** 2, atol=5 * 0.5 / np.sqrt(2000))


def test_several_readouts_come_in_a_list():
    layer = layer_of(("expectation", "probabilities", State()))
    z, p, state = layer(X)
    np.testing.assert_allclose(as_numpy(z), [[np.cos(a), np.cos(0.7)] for a in X[:, 0]], atol=1e-6)
    np.testing.assert_allclose(as_numpy(p), amplitudes(X) ** 2, atol=1e-6)
    np.testing.assert_allclose(as_numpy(state), amplitudes(X), atol=1e-6)
    assert layer.readout is Expectation and layer.returns_list


def test_a_list_of_one_readout_returns_a_list_of_one_tensor():
    (p,) = layer_of(["probabilities"])(X)
    np.testing.assert_allclose(as_numpy(p), amplitudes(X) ** 2, atol=1e-6)


@pytest.mark.parametrize(
    ("output", "shots", "shapes", "dtypes"),
    [
        ("expectation", None, [(None, 2)], ["float32"]),
        ("probabilities", None, [(None, 4)], ["float32"]),
        ("state", None, [(None, 4)], ["complex64"]),
        ("samples", 5, [(None, 5, 2)], ["int32"]),
        (["samples", "expectation"], 5, [(None, 5, 2), (None, 2)], ["int32", "float32"]),
    ],
)
def test_declared_shapes_and_dtypes_are_the_real_ones(output, shots, shapes, dtypes):
    layer = layer_of(output, shots=shots)
    specs = layer(keras.Input((1,)))
    tensors, declared = layer(X), layer.compute_output_shape((None, 1))
    if not isinstance(output, list):
        specs, tensors, declared = [specs], [tensors], [declared]
    assert [tuple(shape) for shape in declared] == shapes
    assert [tuple(spec.shape) for spec in specs] == shapes
    assert [spec.dtype for spec in specs] == dtypes
    found = [as_numpy(tensor) for tensor in tensors]
    assert [(None, *tensor.shape[1:]) for tensor in found] == shapes
    assert [str(tensor.dtype) for tensor in found] == dtypes


def test_real_values_have_the_policys_dtype():
    z, state = layer_of(["probabilities", "state"], dtype="mixed_float16")(keras.Input((1,)))
    assert (z.dtype, state.dtype) == ("float16", "complex64")


def test_leading_axes_and_masks_go_through_every_readout():
    layer = layer_of(["probabilities", "samples"], shots=3)
    x = np.stack([X, X, X, X], axis=1)
    p, bits = layer(x)
    assert tuple(p.shape) == (3, 4, 4) and tuple(bits.shape) == (3, 4, 3, 2)
    tensors = layer_of(["expectation", "probabilities"])(
        keras.layers.Masking()(keras.Input((None, 1)))
    )
    assert all(tensor._keras_mask is not None for tensor in tensors)


@pytest.mark.parametrize(
    # Expectation values are what the other contracts of layers read.
    "output",
    [pytest.param("expectation", marks=pytest.mark.slow), "probabilities"],
)
def test_a_real_readout_keeps_the_contract_of_layers(output):
    arguments = {"circuit": TURNED, "observables": "Z", "inputs": ["a"], "output": output}
    run_layer_test(PQC, arguments, (4, 1))


@pytest.mark.parametrize(
    "output", ["probabilities", "state", ["expectation", "probabilities"], [State()]]
)
def test_a_model_with_an_output_saves_and_loads(tmp_path, output):
    inputs = keras.Input((1,))
    model = keras.Model(inputs, layer_of(output)(inputs))
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    before, after = model.predict(X, verbose=0), loaded.predict(X, verbose=0)
    for old, new in zip(keras.tree.flatten(before), keras.tree.flatten(after), strict=True):
        np.testing.assert_allclose(new, old, atol=1e-6)


@pytest.mark.parametrize("output", ["samples", Probabilities(), ["state", Probabilities()]])
def test_an_output_comes_back_from_the_config(output):
    shots = 3 if output == "samples" else None
    config = json.loads(json.dumps(layer_of(output, shots=shots).get_config()))
    again = PQC.from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    assert again.readouts == layer_of(output, shots=shots).readouts


def test_a_config_without_an_output_reads_expectation_values():
    config = layer_of("expectation").get_config()
    del config["output"], config["weight_groups"]
    np.testing.assert_allclose(
        as_numpy(PQC.from_config(config)(X)), as_numpy(layer_of("expectation")(X))
    )


@pytest.mark.parametrize("output", ["probabilities", ["expectation", "probabilities"]])
def test_a_readout_trains_in_fit(output):
    inputs = keras.Input((1,))
    tensors = layer_of(output)(inputs)
    tensors = tensors if isinstance(tensors, list) else [tensors]
    model = keras.Model(inputs, [keras.layers.Dense(1)(tensor) for tensor in tensors])
    model.compile("sgd", ["mse"] * len(tensors))
    model.fit(X, [np.ones((3, 1))] * len(tensors), verbose=0)
    (weights,) = model.layers[1].get_weights()
    assert np.isfinite(weights).all() and weights != pytest.approx(0.7, abs=1e-6)


def test_observables_are_needed_for_expectation_values_alone():
    assert tuple(PQC(TURNED, output="probabilities", inputs=[A, B])(np.ones((2, 2))).shape) == (
        2,
        4,
    )
    with pytest.raises(ArgumentError, match=r'`observables` must be given.*"expectation".*"Z"'):
        PQC(TURNED)
    with pytest.raises(ArgumentError, match="observables"):
        PQC(TURNED, output=["state", "expectation"])


def test_an_expectation_with_observables_of_its_own_needs_no_others():
    own = qh.compile_circuit(TURNED, "X").readout
    layer = PQC(TURNED, output=own, inputs=[A, B])
    found = as_numpy(layer(np.array([[0.4, 0.7]])))
    np.testing.assert_allclose(found, np.sin([[0.4, 0.7]]), atol=1e-6)
    again = PQC.from_config(json.loads(json.dumps(layer.get_config())))
    assert again.readouts == (own,)


@pytest.mark.parametrize(
    ("output", "words"),
    [("amplitudes", "be one of 'expectation'"), ([], "at least one"), (3, "a name or a Readout")],
)
def test_an_output_that_is_none_is_refused(output, words):
    with pytest.raises(ArgumentError, match=words):
        layer_of(output)


# Shots and differentiators: nothing is ignored.


@pytest.mark.parametrize("given", [{"shots": 10}, {"engine": qh.engines.StatevectorEngine(10)}])
def test_shots_make_frequencies_of_probabilities(given):
    if given.get("engine") is None:
        given = {**given, "engine": "statevector"}
    layers = [
        layer_of("probabilities", **given),
        QuantumEmbedding(2, output="probabilities", **given),
    ]
    for layer, width in zip(layers, (1, 2), strict=True):
        found = as_numpy(layer(np.full((40, width), 0.8, "float32")))
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
        # Tenths, in float32.
        np.testing.assert_allclose(10 * found, np.round(10 * found), atol=1e-5)
        assert len(np.unique(found, axis=0)) > 1, "samples of the same chances all alike"


def test_probabilities_from_shots_train_by_parameter_shift():
    layer = layer_of("probabilities", shots=20_000, seed=1)
    layer.build(X.shape)
    run = layer._run
    _, (_, slope) = value_and_gradients(
        lambda x, w: run(x, w, 5)[:, :1], X, np.array([0.7], "float32")
    )
    exact = np.sum(np.cos(X / 2) ** 2) * -np.sin(0.7) / 2
    # Half a difference of frequencies, each with a standard deviation of at most half of
    # 1/sqrt(shots), in each of three samples; six of these.
    assert slope[0] == pytest.approx(exact, abs=6 * 3 * 0.5 / np.sqrt(20_000))


@pytest.mark.parametrize("output", ["state", "circuit", ["probabilities", "state"]])
def test_shots_of_what_no_measurement_estimates_are_refused(output):
    with pytest.raises(ArgumentError, match=r"`shots` must be None for the output '[sc]"):
        layer_of(output, shots=10)
    with pytest.raises(ArgumentError, match=r"`shots` must be None.*also in the engine"):
        layer_of(output, engine=qh.engines.StatevectorEngine(10))


def test_samples_without_shots_are_refused():
    with pytest.raises(ArgumentError, match=r"`shots` must be given for the output 'samples'"):
        layer_of("samples")


def test_a_shift_rule_serves_linear_readouts_alone():
    layer = layer_of(["probabilities", "samples"], differentiator="parameter_shift", shots=4)
    layer(X)
    np.testing.assert_allclose(
        slopes_of_first_amplitude(layer_of("probabilities", differentiator="parameter_shift"))[1][
            0
        ],
        -np.sin(X) / 2 * np.cos(0.35) ** 2,
        atol=2e-6,
    )
    for output, why in [("state", "not linear"), ("circuit", "no gradient")]:
        with pytest.raises(ArgumentError, match=rf"`differentiator` must be None.*{why}"):
            layer_of(output, differentiator="parameter_shift")


def test_resources_count_the_bases_of_all_readouts():
    layer = PQC(TURNED, ["X0", "Z1"], output=["expectation", "probabilities"], inputs=[A])
    # X0 and Z1 share a basis; all qubits in Z are another.
    assert layer.resources().measurement_settings == 2


def test_no_classical_control_takes_the_place_of_several_readouts():
    inputs = keras.Input((1,))
    p, z = layer_of(["probabilities", "expectation"])(inputs)
    hybrid = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Concatenate()([p, z])))
    for control in (same_width, linear, fourier_features):
        with pytest.raises(DoesNotApplyError, match="returns a list of tensors"):
            control(hybrid)
    # A control with a circuit returns the same list.
    frozen = frozen_circuit(hybrid)
    assert frozen.predict(X, verbose=0).shape == (3, 1)
