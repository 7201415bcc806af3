"""`surrogate`: a model without its circuits computes the same, and is an ordinary Keras model."""

from __future__ import annotations

import warnings
from dataclasses import replace

import cirq
import keras
import numpy as np
import pytest
import sympy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from keras import ops

import qkeras_hybrid as qh
from qkeras_hybrid import ansatz, encodings
from qkeras_hybrid.surrogates import distilled
from qkeras_hybrid.surrogates.cones import split
from qkeras_hybrid.surrogates.targets import target
from qkeras_hybrid.testing import random_circuit

# Values of float32 differ by its unit, 6e-8, times the root of the thousands of terms in a sum.
CLOSE = 3e-6
ANGLES = keras.initializers.RandomUniform(-3, 3, seed=1)
EXACT = ("product_features", "fourier_series", "unitary", "tensor_train")


@pytest.fixture(autouse=True)
def untrained_is_fine():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*no training step.*")
        yield


def sequential(*layers, shape=(4,)):
    return keras.Sequential([keras.Input(shape), *layers])


def four_qubits(**arguments):
    return qh.PQCDense(4, weight_initializer=ANGLES, name="circuit", **arguments)


def samples(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def difference(first, second, x):
    a, b = first.predict(x, verbose=0), second.predict(x, verbose=0)
    return max(np.abs(p - q).max() for p, q in zip(map(np.asarray, a), b, strict=True))


# What it computes.


def test_one_rotation_is_a_cosine():
    q, x = cirq.LineQubit(0), sympy.Symbol("x")
    model = sequential(qh.PQC(cirq.Circuit(cirq.ry(x)(q)), "Z", inputs=[x]), shape=(1,))
    classical = qh.surrogate(model, method="product_features")
    # <Z> = cos(x): of the features 1, cos x and sin x the second alone.
    kernel, bias = classical.layers[-1].layers[-1].get_weights()[:1], None
    assert bias is None
    assert np.allclose(kernel[0][:, 0], [0, 1, 0], atol=1e-7)
    at = np.linspace(-7, 7, 15, dtype="float32")[:, None]
    assert np.allclose(classical.predict(at, verbose=0), np.cos(at), atol=CLOSE)


@pytest.mark.parametrize("method", EXACT)
def test_exact_methods_equal_the_circuit(method):
    model = sequential(four_qubits(), keras.layers.Dense(2))
    classical = qh.surrogate(model, samples(40, 4), method=method)
    report = classical.surrogate_report
    assert report.method == method
    assert report.worst_on_data <= CLOSE and report.worst_on_random <= CLOSE
    assert difference(model, classical, samples(40, 4, seed=5)) <= CLOSE
    assert not any(isinstance(layer, qh.PQCDense) for layer in classical._flatten_layers())


@given(st.integers(0, 10**6), st.sampled_from(("product_features", "fourier_series", "unitary")))
@example(8, "fourier_series")  # no value depends on its input
@settings(max_examples=5)
def test_random_circuits_have_exact_surrogates(seed, method):
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, 3, 8)
    held = sorted(cirq.parameter_names(circuit))
    layer = qh.PQC(
        circuit,
        ["Z0", "X0*Y1", "Z1*Z2"],
        inputs=held[:1],
        qubits=cirq.LineQubit.range(3),
        weight_initializer=keras.initializers.RandomUniform(-2, 2, seed=seed),
    )
    model = sequential(layer, shape=(len(held[:1]),))
    classical = qh.surrogate(model, method="auto" if not held else method)
    x = rng.uniform(-2, 2, (20, len(held[:1]))).astype("float32")
    assert difference(model, classical, x) <= 1e-5


def readouts(n_qubits, name):
    if name == "probabilities":
        return {"output": "probabilities"}
    return {"observables": {"Z": "Z", "strings": ["X0*Y1", "Z2"]}[name]}


def pqc(encoding, of_weights, readout):
    chosen = ansatz.get(of_weights)
    qubits = cirq.LineQubit.range(4)
    weights = sympy.symbols(f"w0:{chosen.n_weights(4, 2)}")
    return qh.PQC(
        chosen.circuit(qubits, weights, 2),
        encoding=encoding,
        weight_initializer=ANGLES,
        **readouts(4, readout),
    )


def assert_has_an_exact_surrogate(encoding, of_weights, readout):
    # A chain of couplings between features needs one qubit more than features.
    n_features = 3 if encoding == "hamiltonian" else 4
    model = sequential(pqc(encoding, of_weights, readout), shape=(n_features,))
    report = qh.surrogate(model, samples(20, n_features)).surrogate_report
    assert set(report.layers[0].methods) <= set(EXACT)
    assert max(report.worst_on_data, report.worst_on_random) <= 1e-5


@pytest.mark.parametrize("encoding", encodings.names())
def test_every_encoding_has_an_exact_surrogate(encoding):
    number = encodings.names().index(encoding)
    names = ansatz.names()
    kinds = ("Z", "strings", "probabilities")
    assert_has_an_exact_surrogate(encoding, names[5 * number % len(names)], kinds[number % 3])


@pytest.mark.slow
@pytest.mark.parametrize("readout", ["Z", "strings", "probabilities"])
@pytest.mark.parametrize("encoding", encodings.names())
def test_every_ansatz_with_every_encoding_has_an_exact_surrogate(encoding, readout):
    for of_weights in ansatz.names():
        assert_has_an_exact_surrogate(encoding, of_weights, readout)


def test_reuploading_more_features_than_qubits_is_exact():
    encoding = encodings.ReuploadingEncoding(3)
    layer = qh.PQCDense(5, encoding=encoding, weight_initializer=ANGLES)
    model = sequential(layer, shape=(10,))
    report = qh.surrogate(model).surrogate_report
    assert report.layers[0].bound == 0.0
    assert report.worst_on_random <= CLOSE


def test_a_product_of_features_and_a_function_in_an_angle_are_kept():
    q = cirq.LineQubit.range(2)
    a, b, x, y = sympy.symbols("a b x y")
    circuit = cirq.Circuit(
        cirq.rx(2 * x + a)(q[0]),
        cirq.CX(*q),
        cirq.rz(x * y + b)(q[1]),
        cirq.ry(sympy.sin(y) * b)(q[1]),
        cirq.CZ(*q) ** y,
        cirq.H(q[1]),
    )
    layer = qh.PQC(circuit, ["Z0*X1", "Y1"], inputs=[x, y], weight_initializer=ANGLES)
    model = sequential(layer, shape=(2,))
    assert difference(model, qh.surrogate(model), samples(30, 2)) <= CLOSE


def test_an_observable_gets_the_part_of_the_circuit_that_reaches_it():
    q = cirq.LineQubit.range(8)
    x = sympy.symbols("x0:8")
    circuit = cirq.Circuit(
        (cirq.ry(s)(k) for s, k in zip(x, q, strict=True)), cirq.CZ(*q[:2]), cirq.CX(*q[2:4])
    )
    layer = qh.PQC(circuit, [f"X{k}" for k in range(8)], inputs=x)
    model = sequential(layer, shape=(8,))
    parts = split(target(layer).wanted[0].parts[0][1])
    assert [part.n_qubits for _, part in target(layer).wanted[0].parts] == [2, 2, 1, 1, 1, 1]
    assert len(parts) == 1
    classical = qh.surrogate(model)
    assert classical.surrogate_report.size < 200
    assert difference(model, classical, samples(30, 8)) <= CLOSE


@pytest.mark.parametrize("method", ["auto", "fourier_series", "unitary", "distilled"])
def test_constants_need_no_circuit(method):
    q, a, x = cirq.LineQubit.range(2), sympy.Symbol("a"), sympy.Symbol("x")
    circuit = cirq.Circuit(cirq.ry(a)(q[0]), cirq.ry(x)(q[1]))
    layer = qh.PQC(circuit, "Z0", inputs=[x], weight_initializer=ANGLES)
    model = sequential(layer, shape=(1,))
    classical = qh.surrogate(model, method=method)
    assert classical.surrogate_report.layers[0].says == ("constants",)
    assert difference(model, classical, samples(5, 1)) <= CLOSE


def test_waves_that_are_left_out_keep_the_bound():
    model = sequential(four_qubits())
    exact = qh.surrogate(model, method="product_features")
    cut = qh.surrogate(model, method="fourier_series", tolerance=0.05)
    layer = cut.surrogate_report.layers[0]
    assert 0 < layer.bound <= 0.05 / 4
    assert "left out" in layer.says[0]
    assert difference(exact, cut, samples(200, 4)) <= layer.bound + CLOSE


@pytest.mark.parametrize("method", ["random_features", "distilled"])
def test_approximations_say_how_far_they_are(method, monkeypatch):
    # A third of the training, which takes seconds, is enough for this.
    monkeypatch.setattr(distilled, "_EPOCHS", 20)
    model = sequential(four_qubits())
    if method == "random_features":
        with pytest.raises(ValueError, match=rf"`tolerance` must be at least .*{method}"):
            qh.surrogate(model, method=method, tolerance=1e-9)
    classical = qh.surrogate(model, method=method, tolerance=0.9)
    layer = classical.surrogate_report.layers[0]
    assert layer.bound is None and layer.says[0].startswith("about")
    # Better than nothing: the values spread by about .3.
    assert classical.surrogate_report.mean_on_random < 0.1


@pytest.mark.slow
def test_a_tensor_train_of_twelve_qubits_is_small():
    model = sequential(qh.PQCDense(12, n_layers=3, weight_initializer=ANGLES), shape=(12,))
    classical = qh.surrogate(model, tolerance=1e-4)
    assert classical.surrogate_report.method == "tensor_train"
    assert classical.surrogate_report.worst_on_random <= 1e-4
    assert 4 * classical.count_params() <= 5e6


# Kernels, noise, shots.


@pytest.mark.parametrize("output", ["kernel", "nystroem"])
@pytest.mark.parametrize("kernel", ["fidelity", "projected"])
def test_kernel_layers_have_surrogates(kernel, output):
    layer = qh.QuantumKernel(samples(5, 3), kernel=kernel, output=output, scale=0.7)
    model = sequential(layer, keras.layers.Dense(2), shape=(3,))
    # The inverse of a kernel matrix multiplies rounding.
    allowed = CLOSE if output == "kernel" else 1e-4
    assert difference(model, qh.surrogate(model, tolerance=allowed), samples(20, 3)) <= allowed


def test_a_trained_scale_of_a_kernel_is_kept():
    layer = qh.QuantumKernel(samples(4, 3), encoding="angle", scale=0.5, train_scale=True)
    model = sequential(layer, shape=(3,))
    layer.log_scale.assign(np.log(0.8))
    assert difference(model, qh.surrogate(model), samples(20, 3)) <= CLOSE


def test_shots_are_replaced_by_their_mean():
    shots = sequential(four_qubits(shots=20, seed=1))
    exact = sequential(four_qubits())
    classical = qh.surrogate(shots)
    assert "20 shots" in classical.surrogate_report.notes[0]
    assert difference(exact, classical, samples(20, 4)) <= CLOSE


@pytest.mark.parametrize("noise", ["depolarizing:0.02", "readout_error:0.05+amplitude_damping:0.1"])
def test_noise_is_replaced_by_its_exact_effect(noise):
    noisy = sequential(qh.PQCDense(3, noise=noise, weight_initializer=ANGLES), shape=(3,))
    classical = qh.surrogate(noisy)
    assert "noise" in classical.surrogate_report.notes[0]
    assert difference(noisy, classical, samples(20, 3)) <= CLOSE


def test_the_fidelities_of_a_noisy_kernel_are_those_of_its_inversion_test():
    layer = qh.QuantumKernel(samples(3, 2), encoding="angle", noise="depolarizing:0.02")
    model = sequential(layer, shape=(2,))
    assert difference(model, qh.surrogate(model), samples(10, 2)) <= CLOSE


# Models of all forms.


def test_layers_of_all_forms_are_replaced():
    several = qh.QuantumEmbedding(3, output=["expectation", "probabilities"])
    models = {
        "positions": sequential(four_qubits(), keras.layers.Flatten(), shape=(5, 4)),
        "distributed": sequential(keras.layers.TimeDistributed(four_qubits()), shape=(5, 4)),
        "list": keras.Model(i := keras.Input((3,)), several(i)),
    }
    for name, model in models.items():
        x = samples(6, *model.inputs[0].shape[1:])
        classical = qh.surrogate(model, x)
        assert classical.output_shape == model.output_shape, name
        assert difference(model, classical, x) <= CLOSE, name


def test_positions_of_unknown_number_are_replaced():
    model = sequential(four_qubits(), keras.layers.GlobalAveragePooling1D(), shape=(None, 4))
    x = samples(6, 3, 4)
    assert difference(model, qh.surrogate(model, x), x) <= CLOSE


def test_nested_models_with_several_inputs_and_outputs_are_replaced():
    inner_input = keras.Input((4,))
    dense = keras.layers.Dense(4, activation="tanh")
    inner = keras.Model(inner_input, four_qubits()(dense(inner_input)))
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    joined = keras.layers.Concatenate()([inner(a), inner(b), ops.tanh(a)])
    outputs = [qh.PQCDense(2, n_qubits=4)(keras.layers.Dense(4)(joined)), ops.sum(joined, axis=1)]
    model = keras.Model({"a": a, "b": b}, outputs)
    x = {"a": samples(9, 4), "b": samples(9, 4, seed=2)}
    classical = qh.surrogate(model, x)
    assert len(classical.surrogate_report.layers) == 2
    assert difference(model, classical, x) <= CLOSE


def test_a_half_precision_policy_is_kept():
    model = sequential(four_qubits(dtype="mixed_float16"))
    classical = qh.surrogate(model, tolerance=1e-3)
    assert classical.predict(samples(3, 4), verbose=0).dtype == np.float16


def test_float64_is_kept():
    model = sequential(four_qubits(dtype="float64"))
    assert qh.surrogate(model).surrogate_report.worst_on_random <= 1e-7


@pytest.mark.parametrize("batch", [0, 1])
def test_a_batch_may_be_empty_or_of_one(batch):
    classical = qh.surrogate(sequential(four_qubits(), shape=(2, 4)))
    assert tuple(classical(np.zeros((batch, 2, 4), "float32")).shape) == (batch, 2, 4)


def test_a_surrogate_trains_on():
    model = sequential(four_qubits(), keras.layers.Dense(1))
    classical = qh.surrogate(model)
    classical.compile(keras.optimizers.Adam(0.02), "mse")
    x = samples(64, 4)
    before = classical.evaluate(x, x[:, :1] ** 2, verbose=0)
    classical.fit(x, x[:, :1] ** 2, epochs=20, verbose=0)
    assert classical.evaluate(x, x[:, :1] ** 2, verbose=0) < 0.7 * before


def test_a_saved_surrogate_loads_without_this_package(tmp_path, run_python):
    layers = [four_qubits(), qh.QuantumKernel(samples(3, 4), kernel="projected"), four_qubits()]
    model = sequential(layers[0], layers[1], keras.layers.Dense(4), qh.PQCDense(2, n_qubits=4))
    classical = qh.surrogate(model)
    classical.save(tmp_path / "model.keras")
    x = samples(5, 4)
    np.save(tmp_path / "x.npy", x)
    code = """
        import sys
        import keras
        import numpy as np
        model = keras.models.load_model(sys.argv[1] + "/model.keras")
        np.save(sys.argv[1] + "/y.npy", model.predict(np.load(sys.argv[1] + "/x.npy"), verbose=0))
        assert not any(name.startswith("qkeras_hybrid.") for name in sys.modules)
    """
    run_python(code, tmp_path)
    # Another process may multiply in another order.
    assert np.allclose(np.load(tmp_path / "y.npy"), classical.predict(x, verbose=0), atol=CLOSE)


@pytest.mark.parametrize("backend", ["jax", pytest.param("torch", marks=pytest.mark.slow)])
def test_surrogates_are_made_under_other_backends(backend, run_python, monkeypatch):
    # JAX would take longer to make these small circuits fast than to run them.
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    code = """
        import warnings
        import keras
        import numpy as np
        import qkeras_hybrid as qh
        warnings.filterwarnings("ignore", message=".*no training step.*")
        start = keras.initializers.RandomUniform(-3, 3, seed=1)
        x = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
        layers = [qh.PQCDense(3, weight_initializer=start), qh.QuantumKernel(x[:4])]
        for layer in layers:
            model = keras.Sequential([keras.Input((3,)), layer, keras.layers.Dense(2)])
            classical = qh.surrogate(model, x)
            assert classical.surrogate_report.worst <= 1e-5
        classical.compile("adam", "mse")
        classical.fit(x, x[:, :2], epochs=1, verbose=0)
        print("made")
    """
    assert "made" in run_python(code, backend=backend)


# The report.


def test_the_report_says_what_the_circuit_equals_and_why_not_otherwise():
    report = qh.surrogate(sequential(four_qubits(n_layers=3)), samples(9, 4)).surrogate_report
    text = str(report)
    assert "the circuit equals a linear layer on 81 Fourier features of 4 angles" in text
    assert {"unitary", "fourier_series", "tensor_train", "distilled"} <= set(
        report.layers[0].others
    )
    assert "on the data" in text and "on random inputs" in text and "Parameters" in text
    assert report.seconds > 0 and report.original_seconds > 0
    assert report.size == report.layers[0].numbers


def test_the_spectrum_is_that_of_the_diagnostics():
    layer = four_qubits()
    report = qh.surrogate(sequential(layer)).surrogate_report
    found, known = report.layers[0].spectrum, qh.diagnostics.fourier_spectrum(layer)
    x = samples(10, 4)
    assert np.allclose(found(x), known(x), atol=1e-6)
    assert report.plot().axes[0].get_title() == "Fourier spectrum"


# Bad input.


def test_what_has_no_surrogate_says_why():
    with pytest.raises(ValueError, match="have a quantum layer in it, but got 'Dense'"):
        qh.surrogate(sequential(keras.layers.Dense(2)))
    with pytest.raises(ValueError, match="be a Keras model"):
        qh.surrogate("model.keras")
    with pytest.raises(ValueError, match=r"be built.*Begin it with keras.Input"):
        qh.surrogate(keras.Sequential([four_qubits()]))
    with pytest.raises(ValueError, match="state vectors, which are complex"):
        qh.surrogate(sequential(qh.QuantumEmbedding(4, output="state")))
    with pytest.raises(ValueError, match="samples"):
        qh.surrogate(sequential(qh.QuantumEmbedding(4, output="samples", shots=5)))
    classical = qh.surrogate(sequential(four_qubits()))
    with pytest.raises(ValueError, match=r"have circuits.*many circuits compute the same"):
        qh.surrogate(classical)
    broken = sequential(four_qubits())
    broken.layers[0].circuit_weights.assign(np.full(24, np.nan))
    with pytest.raises(ValueError, match="The weight w0 of layer 'circuit' is nan"):
        qh.surrogate(broken)


def test_a_model_of_an_own_class_is_refused():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.circuit = four_qubits()

        def call(self, inputs):
            return self.circuit(inputs)

    model = Own()
    model(samples(2, 4))
    with pytest.raises(ValueError, match="be a Sequential or functional model, but got 'Own'"):
        qh.surrogate(model)


def test_an_untrained_model_is_warned_of():
    with pytest.warns(UserWarning, match="no training step"):
        qh.surrogate(sequential(four_qubits()))
    model = sequential(four_qubits())
    model.compile("adam", "mse")
    model.fit(samples(8, 4), samples(8, 4), verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        qh.surrogate(model)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.ones((3, 5)), r"numbers of shape \(None, 4\), but got 'shape \(3, 5\)"),
        (np.full((3, 4), np.nan), "finite numbers, but got 'nan in row 0'"),
        (np.full((3, 4), np.inf), "finite numbers, but got 'inf in row 0'"),
        (np.ones((0, 4)), "at least one"),
        (np.array([["a"] * 4]), "numbers of shape"),
        ([np.ones(4), np.ones(4)], None),
    ],
    ids=["width", "nan", "infinity", "empty", "text", "rows"],
)
def test_data_that_do_not_fit_are_refused(data, message):
    model = sequential(four_qubits())
    if message is None:
        assert qh.surrogate(model, data).surrogate_report.worst_on_data <= CLOSE
        return
    with pytest.raises(ValueError, match=message):
        qh.surrogate(model, data)


@pytest.mark.parametrize("tolerance", [0.0, -1.0, float("nan"), "small"])
def test_the_tolerance_is_a_positive_number(tolerance):
    with pytest.raises((ValueError, TypeError), match="tolerance"):
        qh.surrogate(sequential(four_qubits()), tolerance=tolerance)


def test_an_unknown_method_lists_the_known():
    with pytest.raises(ValueError, match=r"unitary.*but got 'unitar'"):
        qh.surrogate(sequential(four_qubits()), method="unitar")


def test_a_tolerance_that_nothing_reaches_names_the_best():
    with pytest.raises(
        ValueError, match=r"be at least \d.*which the method '\w+' reaches for layer"
    ):
        qh.surrogate(sequential(four_qubits()), tolerance=1e-13)


def test_too_many_waves_are_refused_with_their_number():
    # 3^24 products: known before anything is computed.
    model = sequential(qh.PQCDense(2, n_qubits=24, n_layers=1), shape=(24,))
    with pytest.raises(ValueError, match=r"products of functions of \d+ angles, .*iB"):
        qh.surrogate(model, method="product_features")


def test_methods_that_refuse_are_named():
    with pytest.raises(ValueError, match="unitary: its 12 qubits are more than 10"):
        qh.surrogate(sequential(qh.PQCDense(12), shape=(12,)), method="unitary")


def test_trains_are_found_from_samples_where_a_table_is_too_large(monkeypatch):
    model = sequential(qh.PQCDense(6, n_layers=1, weight_initializer=ANGLES), shape=(6,))
    table = qh.surrogate(model, method="tensor_train")
    monkeypatch.setattr("qkeras_hybrid.surrogates.coefficients._MOST_VALUES", 100)
    sampled = qh.surrogate(model, method="tensor_train")
    assert sampled.surrogate_report.worst_on_random <= 1e-5
    # Ranks are cut to the same tolerance, however they were found.
    assert sampled.surrogate_report.size <= 1.5 * table.surrogate_report.size
    monkeypatch.setattr("qkeras_hybrid.surrogates.sampled._MOST_WORK", 1000)
    with pytest.raises(ValueError, match="a train of 6 angles would take more than"):
        qh.surrogate(model, method="tensor_train")


# Models of hostile users.


def one_angle(expression=None, **arguments):
    q, x = cirq.LineQubit(0), sympy.Symbol("x")
    angle = x if expression is None else expression(x)
    return qh.PQC(cirq.Circuit(cirq.ry(angle)(q)), "Z", inputs=[x], **arguments)


def test_what_the_model_itself_can_not_compute_is_not_called_equal():
    model = sequential(one_angle(sympy.log), shape=(1,))
    none = qh.surrogate(model, -np.ones((4, 1))).surrogate_report
    assert none.worst_on_data is None and none.worst_on_random is None
    # The logarithm of one of two is a number.
    half = qh.surrogate(model, np.array([[2.0], [-2.0]])).surrogate_report
    assert 0 <= half.worst_on_data <= CLOSE


def test_a_surrogate_that_is_not_finite_where_its_model_is_is_refused(monkeypatch):
    from qkeras_hybrid.surrogates import replacing

    broken = staticmethod(lambda values: values / ops.zeros_like(values) * 0)
    real = replacing.target

    def target_with_nan(layer):
        found = real(layer)
        wanted = tuple(replace(each, finish=broken.__func__) for each in found.wanted)
        return replace(found, wanted=wanted)

    monkeypatch.setattr(replacing, "target", target_with_nan)
    with pytest.raises(ValueError, match="`tolerance` must be at least inf"):
        qh.surrogate(sequential(four_qubits()), samples(4, 4))


def test_lambda_layers_are_copied():
    factor = 2.0
    scaled = keras.layers.Lambda(lambda t, by: factor * t + by, arguments={"by": 0.5})
    model = sequential(scaled, four_qubits())
    assert difference(model, qh.surrogate(model), samples(9, 4)) <= CLOSE


def test_a_frozen_circuit_stays_frozen(tmp_path):
    frozen = four_qubits(trainable=False)
    model = sequential(frozen, keras.layers.Dense(1))
    classical = qh.surrogate(model, method="unitary")
    assert len(classical.trainable_weights) == len(model.trainable_weights) == 2
    classical.save(tmp_path / "model.keras")
    assert len(keras.saving.load_model(tmp_path / "model.keras").trainable_weights) == 2


@pytest.mark.parametrize("method", EXACT)
def test_the_size_is_that_of_the_layers(method):
    classical = qh.surrogate(sequential(four_qubits()), method=method)
    report = classical.surrogate_report
    assert report.size == report.parameters == classical.count_params()


def test_the_bound_counts_frequencies_that_are_left_out():
    q, x = cirq.LineQubit.range(2), sympy.symbols("x0:2")
    # The second input's wave has an amplitude of .00025: less than half a thousandth of .9.
    circuit = cirq.Circuit(
        cirq.ry(x[0])(q[0]), cirq.ry(x[1])(q[1]), cirq.ControlledGate(cirq.ry(5e-4))(q[1], q[0])
    )
    model = sequential(qh.PQC(circuit, "Z0", inputs=x), shape=(2,))
    for method in ("product_features", "fourier_series"):
        classical = qh.surrogate(model, method=method, tolerance=0.9)
        found = classical.surrogate_report.layers[0]
        assert 1e-4 < found.worst <= found.bound + CLOSE, method


def test_a_list_with_the_one_array_is_data():
    x = samples(6, 4)
    assert qh.surrogate(sequential(four_qubits()), [x]).surrogate_report.worst_on_data <= CLOSE
    with pytest.raises(ValueError, match="`data` must be an array of numbers"):
        qh.surrogate(sequential(four_qubits()), [[1.0, 2.0], [3.0]])


def test_a_readout_that_leaves_keras_is_refused_by_name():
    class Outside(qh.readouts.Readout):
        name = "outside"

        @property
        def source(self):
            return qh.readouts.Probabilities()

        def shape(self, program, shots=None):
            return (1,)

        def finish(self, values):
            return np.asarray(values)[:, :1]

    model = sequential(one_angle(output=Outside(), name="own"), shape=(1,))
    with pytest.raises(ValueError, match=r"Layer 'own' has no surrogate: .*keras\.ops only"):
        qh.surrogate(model)


def test_no_measurements_are_bought():
    class Counting(cirq.Simulator):
        runs = 0

        def run_batch(self, *args, **kwargs):
            Counting.runs += 1
            return super().run_batch(*args, **kwargs)

        def run_sweep(self, *args, **kwargs):
            Counting.runs += 1
            return super().run_sweep(*args, **kwargs)

    engine = qh.engines.SamplerEngine(Counting(), 10)
    model = sequential(one_angle(engine=engine), shape=(1,))
    report = qh.surrogate(model, samples(5, 1)).surrogate_report
    assert Counting.runs == 0 and np.isnan(report.original_seconds)
    assert "the model takes" not in str(report)


def test_mitigation_without_noise_is_left_out():
    engine = qh.engines.ZeroNoiseExtrapolation(qh.engines.get("density"), (1, 3))
    model = sequential(one_angle(engine=engine), shape=(1,))
    assert qh.surrogate(model).surrogate_report.worst_on_random <= CLOSE


def test_data_may_have_the_keys_of_the_inputs_or_their_names():
    a, b = keras.Input((4,), name="a"), keras.Input((3,), name="b")
    model = keras.Model({"second": b, "first": a}, [four_qubits()(a), keras.layers.Dense(2)(b)])
    first, second = samples(5, 4), samples(5, 3)
    for data in ({"first": first, "second": second}, {"a": first, "b": second}):
        assert qh.surrogate(model, data).surrogate_report.worst_on_data <= CLOSE


@pytest.mark.parametrize("seed", [-1, "a", None, 0.5])
def test_the_seed_is_a_whole_number(seed):
    with pytest.raises(ValueError, match="`seed` must be a whole number"):
        qh.surrogate(sequential(four_qubits()), seed=seed)
