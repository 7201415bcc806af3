"""The layers in models, as Keras users use them."""

import itertools
import json

import cirq
import h5py
import keras
import numpy as np
import pytest
import sympy
from keras import ops

import qkeras_hybrid as qh
from qkeras_hybrid import PQC, PQCDense, QuantumEmbedding
from qkeras_hybrid._checks import available_memory
from qkeras_hybrid.testing import run_layer_test
from test_one_file import CirqEngine

TENSORFLOW = keras.backend.backend() == "tensorflow"
quick_under_tensorflow = (lambda test: test) if TENSORFLOW else pytest.mark.slow
# Those of ideal circuits; the engines of noise have contracts of their own.
ENGINES = [
    name for name in ("native", "tfq", "statevector") if qh.engines.status()[name] == "available"
]
Q = cirq.LineQubit.range(3)
GRID = cirq.GridQubit.rect(1, 2)


def weighted_circuit(n_weights=12, qubits=Q):
    """A circuit whose weights come in an order that no sorting of names gives."""
    order = [(5 * i + 3) % n_weights for i in range(n_weights)]
    turns = [cirq.ry, cirq.rz, cirq.rx]
    return cirq.Circuit(
        [turns[k % 3](sympy.Symbol(f"t{i}"))(qubits[k % len(qubits)]) for k, i in enumerate(order)],
        [cirq.CX(a, b) for a, b in itertools.pairwise(qubits)],
        cirq.rx(sympy.Symbol("t0") / 2)(qubits[0]).controlled_by(qubits[-1]),
    )


CASES = {
    "pqc": (
        PQC,
        {"circuit": weighted_circuit(), "observables": ["Z", cirq.X(Q[0]) * cirq.Z(Q[2])]},
    ),
    "pqc with inputs": (
        PQC,
        {
            "circuit": cirq.Circuit(
                [cirq.rx(sympy.Symbol(f"x{i}"))(Q[i % 3]) for i in range(5)],
                weighted_circuit(),
            ),
            "observables": "Z",
            "inputs": [f"x{i}" for i in (4, 1, 0, 3, 2)],
        },
    ),
    "pqc without weights": (
        PQC,
        {"circuit": cirq.Circuit(cirq.rx(0.5)(Q[0])), "observables": cirq.Z(Q[0])},
    ),
    "pqc_dense": (PQCDense, {"units": 3}),
    "pqc_dense one unit": (PQCDense, {"units": 1, "n_layers": 1}),
    "pqc_dense more units than qubits": (PQCDense, {"units": 6, "n_qubits": 3}),
    "pqc_dense re-uploading": (PQCDense, {"units": 2, "encoding": "reuploading"}),
    "embedding": (QuantumEmbedding, {"n_qubits": 3}),
    "embedding amplitude": (QuantumEmbedding, {"n_qubits": 3, "encoding": "amplitude"}),
}


# What a layer computes is the engine's, and what Keras does with it is the layer's: each case runs
# on one engine, and each engine runs a case. JAX and PyTorch have one of each class alone, for
# TensorFlow has the others. All pairs run with --slow.
QUICK = (
    {("pqc with inputs", "tfq"), ("pqc_dense re-uploading", "statevector")}
    | {(case, ENGINES[0]) for case in CASES}
    if TENSORFLOW
    else {
        ("pqc with inputs", "statevector"),
        ("pqc_dense re-uploading", ENGINES[0]),
        ("embedding amplitude", ENGINES[0]),
    }
)
PAIRS = [
    pytest.param(case, engine, marks=[] if (case, engine) in QUICK else [pytest.mark.slow])
    for case in CASES
    for engine in ENGINES
]


@pytest.mark.parametrize(("case", "engine"), PAIRS)
def test_layer_keeps_the_contract(case, engine):
    layer_cls, arguments = CASES[case]
    run_layer_test(layer_cls, {**arguments, "engine": engine}, (4, 5))


@pytest.mark.slow  # tests/test_pqc_outputs.py has those of a PQC
def test_probabilities_keep_the_contract():
    arguments = {"n_qubits": 3, "output": "probabilities", "encoding": "amplitude"}
    run_layer_test(QuantumEmbedding, arguments, (4, 5))


# The five that matter before all others.


@pytest.mark.parametrize("engine", ENGINES)
def test_twelve_and_more_weights_keep_their_order_through_save_and_load(tmp_path, engine):
    layer = PQC(weighted_circuit(14), "Z", engine=engine)
    model = keras.Sequential([keras.Input((3,)), layer])
    layer.set_weights([np.linspace(-2, 3, 14).astype("float32")])
    assert [s.name for s in layer.symbols][:4] == ["t3", "t8", "t13", "t4"]
    x = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
    before = model.predict(x, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert loaded.layers[0].symbols == layer.symbols
    np.testing.assert_allclose(loaded.predict(x, verbose=0), before, atol=1e-6)
    values = dict(zip([s.name for s in layer.symbols], layer.get_weights()[0], strict=True))
    circuit = cirq.resolve_parameters(
        layer.circuit, {**values, **{f"x{j}": float(x[0, j]) for j in range(3)}}
    )
    state = cirq.Simulator(dtype=np.complex128).simulate(circuit).final_state_vector
    exact = [
        cirq.PauliString(cirq.Z(q))
        .expectation_from_state_vector(state, {q: i for i, q in enumerate(Q)})
        .real
        for q in Q
    ]
    np.testing.assert_allclose(before[0], exact, atol=1e-5)


# Another process loads the backend anew, and nothing in the file depends on the backend.
@quick_under_tensorflow
def test_saved_models_predict_the_same_in_a_new_process(tmp_path, run_python):
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    np.save(tmp_path / "x.npy", x)
    before = {}
    for engine in ENGINES:
        model = keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(3),
                PQC(weighted_circuit(), ["Z", "XX"], engine=engine),
                PQCDense(2, engine=engine),
            ]
        )
        model.save(tmp_path / f"{engine}.keras")
        before[engine] = model.predict(x, verbose=0)
    # One process for all, because each would load the backend.
    run_python(
        """
        import sys, numpy, keras, qkeras_hybrid
        folder, *engines = sys.argv[1:]
        x = numpy.load(folder + "/x.npy")
        for engine in engines:
            model = keras.models.load_model(f"{folder}/{engine}.keras")
            numpy.save(f"{folder}/{engine}.npy", model.predict(x, verbose=0))
        """,
        *(tmp_path, *ENGINES),
    )
    for engine, y in before.items():
        np.testing.assert_allclose(np.load(tmp_path / f"{engine}.npy"), y, atol=1e-6)


# In models.


def mirrored_example():
    qubit = cirq.GridQubit(0, 0)
    return keras.Sequential(
        [
            keras.layers.Dense(64, activation="relu"),
            PQC(cirq.Circuit(cirq.rx(0.5)(qubit)), cirq.Z(qubit)),
            keras.layers.Dense(10),
        ]
    )


def test_the_example_that_the_package_mirrors_fits_on_digits_and_saves(tmp_path):
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x[:256] / 16).astype("float32")
    model = mirrored_example()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    history = model.fit(x, y[:256], epochs=2, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    model.save(tmp_path / "mirrored.keras")
    loaded = keras.models.load_model(tmp_path / "mirrored.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-5)


def test_a_hybrid_model_learns_what_a_constant_can_not():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (128, 2)).astype("float32")
    y = (x[:, 0] * x[:, 1] > 0).astype("float32")
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.layers.Dense(4), PQCDense(2, n_qubits=2), keras.layers.Dense(1, "sigmoid")]
    )
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=40, batch_size=32, verbose=0)
    assert history.history["accuracy"][-1] > 0.8


def test_functional_model_with_two_inputs_and_shared_weights():
    left, right = keras.Input((3,)), keras.Input((3,))
    shared = PQCDense(2)
    both = keras.layers.Concatenate()([shared(left), shared(right)])
    model = keras.Model([left, right], keras.layers.Dense(1)(both))
    x = np.ones((4, 3), "float32")
    assert len(shared.trainable_weights) == 1
    assert model.predict([x, x], verbose=0).shape == (4, 1)


def test_subclassed_model_trains():
    class Hybrid(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden = keras.layers.Dense(3)
            self.quantum = PQCDense(2)
            self.out = keras.layers.Dense(1)

        def call(self, x):
            return self.out(self.quantum(self.hidden(x)))

    model = Hybrid()
    model.compile("sgd", "mse")
    history = model.fit(np.ones((8, 4)), np.ones((8, 1)), epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_time_distributed_equals_a_further_axis():
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    layer = PQCDense(2)
    alone = ops.convert_to_numpy(layer(x))
    inputs = keras.Input((5, 3))
    model = keras.Model(inputs, keras.layers.TimeDistributed(layer)(inputs))
    assert alone.shape == (2, 5, 2)
    np.testing.assert_allclose(model.predict(x, verbose=0), alone, atol=1e-6)


def test_summary_shows_shapes_and_parameters():
    model = keras.Sequential([keras.Input((4,)), PQCDense(3, n_layers=2)])
    lines = []
    model.summary(print_fn=lambda line, **_: lines.append(line))
    text = "\n".join(lines)
    assert "(None, 3)" in text and "18" in text


def test_double_precision_is_kept():
    if keras.backend.backend() == "jax":
        pytest.skip("JAX computes in float64 only if the process was started so")
    layer = PQCDense(2, dtype="float64", weight_initializer="zeros")
    x = np.array([[0.3, 0.7]])
    y = ops.convert_to_numpy(layer(x))
    assert y.dtype == np.float64
    # Both CNOTs of a layer of two qubits exchange and add: Z0 Z1 and Z0 after two layers.
    state = cirq.Simulator(dtype=np.complex128).simulate(
        cirq.resolve_parameters(
            layer.circuit, {"x0": 0.3, "x1": 0.7, **{f"w{i}": 0.0 for i in range(12)}}
        )
    )
    exact = [
        cirq.PauliString(cirq.Z(q))
        .expectation_from_state_vector(
            state.final_state_vector, {p: i for i, p in enumerate(Q[:2])}
        )
        .real
        for q in Q[:2]
    ]
    np.testing.assert_allclose(y[0], exact, atol=1e-14)


def test_mixed_precision_computes_in_single():
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    single = PQCDense(2, weight_initializer="ones")
    mixed = PQCDense(2, weight_initializer="ones", dtype="mixed_bfloat16")
    found = ops.convert_to_numpy(ops.cast(mixed(x), "float32"))
    # The result alone is rounded to bfloat16, 8 bits.
    np.testing.assert_allclose(found, ops.convert_to_numpy(single(x)), atol=4e-3)


def test_regularizer_constraint_and_initializer_act():
    layer = PQCDense(
        2,
        weight_initializer=keras.initializers.Constant(0.5),
        weight_regularizer=keras.regularizers.L2(0.1),
        weight_constraint=keras.constraints.NonNeg(),
    )
    layer.build((None, 2))
    assert float(layer.losses[0]) == pytest.approx(0.1 * 0.25 * 12, rel=1e-5)
    model = keras.Sequential([keras.Input((2,)), layer])
    model.compile(keras.optimizers.SGD(1000.0), "mse")
    model.fit(np.ones((4, 2)), np.ones((4, 2)), verbose=0)
    assert min(layer.get_weights()[0]) >= 0


def test_default_initializer_is_small_and_round_trips():
    layer = PQCDense(4, n_layers=20)
    layer.build((None, 4))
    spread = np.std(layer.get_weights()[0])
    assert 0.07 < spread < 0.13
    again = keras.initializers.get(keras.initializers.serialize(qh.SmallAngles(0.2, seed=1)))
    assert again.get_config() == {"stddev": 0.2, "seed": 1}


def test_shots_are_estimated_on_more_than_a_few_qubits():
    # 20 units on 5 qubits read every Z and every product of two or more.
    exact, estimated = (PQCDense(20, n_qubits=5, seed=1, shots=shots) for shots in (None, 400))
    x = np.random.default_rng(0).uniform(-1, 1, (6, 5)).astype("float32")
    exact(x), estimated(x)
    estimated.set_weights(exact.get_weights() + estimated.get_weights()[len(exact.weights) :])
    difference = ops.convert_to_numpy(estimated(x)) - ops.convert_to_numpy(exact(x))
    # 400 measurements have a standard deviation of at most 1/20.
    assert 0 < np.abs(difference).max() < 6 / 20


@pytest.mark.parametrize("engine", ENGINES)
def test_shots_train_and_vary_while_the_seed_repeats(engine):
    del engine
    x = np.random.default_rng(0).normal(size=(8, 2)).astype("float32")
    first, second = (PQCDense(2, shots=200, seed=7, weight_initializer="ones") for _ in range(2))
    one, two = ops.convert_to_numpy(first(x)), ops.convert_to_numpy(second(x))
    np.testing.assert_array_equal(one, two)
    assert np.any(ops.convert_to_numpy(first(x)) != one)
    run = keras.Sequential([keras.Input((2,)), PQCDense(2, shots=200, seed=7)])
    run.compile("adam", "mse")
    before = run.get_weights()[0]
    run.fit(x, np.ones((8, 2)), verbose=0)
    assert np.any(run.get_weights()[0] != before)


@pytest.mark.parametrize("name", ["parameter_shift", "finite_difference", "spsa", "adjoint"])
def test_differentiators_train_in_a_model(name):
    layer = PQCDense(2, differentiator=name, engine="statevector", weight_initializer="ones")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), layer])
    model.compile("sgd", "mse")
    before = [w.copy() for w in model.get_weights()]
    model.fit(np.ones((4, 2)), np.zeros((4, 2)), verbose=0)
    assert all(np.any(a != b) for a, b in zip(before, model.get_weights(), strict=True))
    again = PQCDense.from_config(json.loads(json.dumps(layer.get_config())))
    assert again.differentiator == layer.differentiator


@pytest.mark.skipif(not TENSORFLOW, reason="SavedModel is TensorFlow's")
@pytest.mark.parametrize("engine", ENGINES)
def test_export_serves_the_same_values(tmp_path, engine):
    import tensorflow as tf

    model = keras.Sequential([keras.Input((3,)), PQCDense(2, engine=engine)])
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    model.export(str(tmp_path / "served"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    np.testing.assert_allclose(served.serve(x), model.predict(x, verbose=0), atol=1e-6)


def test_state_output_is_a_complex_unit_vector():
    layer = QuantumEmbedding(2, encoding="amplitude", output="state")
    spec = layer(keras.Input((4,)))
    assert spec.dtype == "complex64" and spec.shape == (None, 4)
    state = ops.convert_to_numpy(layer(np.array([[3.0, 0.0, -4.0, 0.0]], "float32")))
    np.testing.assert_allclose(state, [[0.6, 0.0, -0.8, 0.0]], atol=1e-6)


@pytest.mark.skipif("tfq" not in ENGINES, reason="TFQ is not here")
def test_circuit_output_is_what_tfq_takes():
    import tensorflow_quantum as tfq

    layer = QuantumEmbedding(1, encoding="angle", output="circuit")
    circuits = layer(np.array([[0.3], [0.9]], "float32"))
    qubit = cirq.GridQubit(0, 0)
    found = tfq.get_expectation_op()(
        circuits, [], np.zeros((2, 0), "float32"), tfq.convert_to_tensor([[cirq.Z(qubit)]] * 2)
    )
    np.testing.assert_allclose(found, np.cos([[0.3], [0.9]]), atol=1e-5)


# What users read.


def test_auto_says_which_engine_it_took():
    layer = PQCDense(2)
    assert layer.engine is None
    layer.build((None, 2))
    assert layer.engine.name in qh.engines.names()


def test_draw_gives_text_and_svg():
    layer = PQCDense(2, n_layers=1)
    layer.build((None, 2))
    assert "w5" in layer.draw() and "x1" in layer.draw()
    assert layer.draw("svg").lstrip().startswith("<svg")
    with pytest.raises(ValueError, match="'text', 'svg'"):
        layer.draw("png")


def test_resources_count_what_hardware_would_run():
    circuit = cirq.Circuit(
        cirq.rx(sympy.Symbol("x"))(Q[0]),
        cirq.CircuitOperation(
            cirq.FrozenCircuit(cirq.ry(sympy.Symbol("w"))(Q[0]), cirq.CZ(Q[0], Q[1])),
            repetitions=3,
            use_repetition_ids=False,
        ),
        cirq.CCX(*Q),
    )
    layer = PQC(circuit, ["Z0", "Z0*Z1", "X0", "X0*X1 + Z2"], inputs=["x"])
    layer.build((None, 1))
    found = layer.resources()
    assert (found.qubits, found.weights) == (3, 1)
    assert (found.one_qubit_gates, found.two_qubit_gates, found.larger_gates) == (4, 3, 1)
    # Z terms are read in one basis, X terms in another. Each basis: one run and two for each
    # of the four angles.
    assert found.measurement_settings == 2
    assert found.evaluations_per_sample == 2 * (1 + 2 * 4)


# Bad input.


def test_wrong_width_is_refused():
    layer = PQC(cirq.Circuit(cirq.rx(sympy.Symbol("x"))(Q[0])), "Z", inputs=["x"])
    with pytest.raises(ValueError, match="2 features"):
        layer.build((None, 2))
    built = PQCDense(2)
    built(np.ones((2, 3), "float32"))
    with pytest.raises(ValueError, match="3"):
        built(np.ones((2, 4), "float32"))


def test_rank_one_is_refused():
    with pytest.raises(ValueError, match="rank 2"):
        PQCDense(2)(np.ones((3,), "float32"))


def test_an_unknown_number_of_features_is_refused():
    with pytest.raises(ValueError, match="number of features"):
        PQCDense(2)(keras.Input((None,)))


def test_integers_are_taken_as_numbers():
    layer = PQCDense(2, weight_initializer="ones")
    found = ops.convert_to_numpy(layer(np.array([[1, 2]], "int32")))
    same = ops.convert_to_numpy(layer(np.array([[1.0, 2.0]], "float32")))
    np.testing.assert_allclose(found, same, atol=1e-6)


@pytest.mark.skipif(not TENSORFLOW, reason="only TensorFlow has tensors of strings")
def test_strings_are_refused():
    import tensorflow as tf

    layer = PQCDense(1)
    layer.build((None, 1))
    with pytest.raises(ValueError, match=r"numeric.*string"):
        layer(tf.constant([["a"]]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_check_finite_raises_where_nan_would_pass_through(bad):
    x = np.array([[bad, 0.0], [0.1, 0.2]], "float32")
    found = ops.convert_to_numpy(PQCDense(2)(x))
    assert np.isnan(found[0]).all() and np.isfinite(found[1]).all()
    with pytest.raises(ValueError, match="NaN or infinity in the input"):
        PQCDense(2, check_finite=True)(x)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="of jit")
def test_check_finite_passes_where_values_can_not_be_looked_at():
    import jax

    layer = PQCDense(2, check_finite=True)
    layer.build((None, 2))
    assert jax.jit(layer)(np.ones((3, 2), "float32")).shape == (3, 2)


@pytest.mark.skipif(not TENSORFLOW, reason="JAX can't look at values inside jit")
def test_check_finite_raises_inside_fit():
    import tensorflow as tf

    model = keras.Sequential([keras.Input((2,)), PQCDense(2, check_finite=True)])
    model.compile("sgd", "mse")
    x = np.array([[np.nan, 0.0], [0.1, 0.2]], "float32")
    with pytest.raises(tf.errors.InvalidArgumentError, match="NaN or infinity"):
        model.fit(x, np.zeros((2, 2)), verbose=0)


def test_empty_batch_and_batch_of_one():
    layer = PQCDense(2)
    assert layer(np.ones((1, 3), "float32")).shape == (1, 2)
    assert layer(np.ones((0, 3), "float32")).shape == (0, 2)


def test_too_many_qubits_are_refused_in_build_with_the_bytes():
    n = int(np.log2(available_memory())) + 1
    with pytest.raises(ValueError, match=f"{n} qubits need .*bytes"):
        PQCDense(1, n_qubits=n, n_layers=1, ansatz="basic_entangler").build((None, 2))


def test_an_observable_on_a_foreign_qubit_is_refused():
    with pytest.raises(ValueError, match="doesn't have"):
        PQC(cirq.Circuit(cirq.X(Q[0])), cirq.Z(Q[1]))


def test_a_circuit_without_qubits_is_refused():
    with pytest.raises(ValueError, match=r"at least one qubit"):
        PQC(cirq.Circuit(), "Z")
    with pytest.raises(ValueError, match=r"at least 1"):
        PQCDense(2, n_qubits=0)


def test_leftover_symbols_are_named():
    circuit = cirq.Circuit(cirq.rx(sympy.Symbol("a") + sympy.Symbol("b"))(Q[0]))
    with pytest.raises(ValueError, match=r"symbols.*not an input, including b"):
        PQC(circuit, "Z", inputs=["a"], symbols=[])


@pytest.mark.parametrize("argument", ["inputs", "symbols"])
def test_names_that_the_circuit_does_not_have_are_refused(argument):
    circuit = cirq.Circuit(cirq.rx(sympy.Symbol("x0"))(Q[0]))
    with pytest.raises(ValueError, match=rf"{argument}.*'X0'.*Its symbols are x0"):
        PQC(circuit, "Z", **{argument: ["X0"]})


@pytest.mark.parametrize("given", [[3], 3, [None]])
def test_inputs_that_are_no_symbols_are_refused(given):
    with pytest.raises(ValueError, match=r"inputs.*symbols or their names"):
        PQC(cirq.Circuit(cirq.rx(sympy.Symbol("x0"))(Q[0])), "Z", inputs=given)


@pytest.mark.parametrize("given", [3, ["a"], []])
def test_qubits_that_are_none_are_refused(given):
    with pytest.raises(ValueError, match=r"qubits.*Cirq's qubits"):
        PQC(cirq.Circuit(cirq.X(Q[0])), "Z", qubits=given)


def test_several_inputs_are_refused_with_the_way_out():
    features = np.ones((2, 3), "float32")
    with pytest.raises(ValueError, match=r"one input.*Concatenate"):
        PQCDense(2)([features, features])
    with pytest.raises(ValueError, match=r"one input.*Concatenate"):
        PQCDense(2)({"a": features, "b": features})


@pytest.mark.skipif(not TENSORFLOW, reason="sparse tensors of TensorFlow")
def test_a_sparse_input_is_refused_with_the_way_out():
    import tensorflow as tf

    with pytest.raises(ValueError, match=r"dense input.*to_dense"):
        PQCDense(2)(tf.sparse.from_dense(np.eye(3, dtype="float32")))


@pytest.mark.parametrize("output", ["state", "circuit"])
@pytest.mark.parametrize("argument", ["shots", "differentiator"])
def test_an_embedding_refuses_what_its_output_would_ignore(output, argument):
    given = {"shots": 10, "differentiator": "parameter_shift"}[argument]
    with pytest.raises(ValueError, match=rf"`{argument}` must be None for the output '{output}'"):
        QuantumEmbedding(2, output=output, engine="statevector", **{argument: given})


def test_an_embedding_gives_frequencies_of_basis_states_from_shots():
    x = np.linspace(-1, 1, 30, dtype="float32").reshape(15, 2)
    given = {"output": "probabilities", "engine": "statevector"}
    shifted = QuantumEmbedding(2, differentiator="parameter_shift", **given)
    exact, found = (
        ops.convert_to_numpy(layer(x))
        for layer in (shifted, QuantumEmbedding(2, shots=8, seed=1, **given))
    )
    np.testing.assert_allclose(
        exact, ops.convert_to_numpy(QuantumEmbedding(2, **given)(x)), atol=1e-6
    )
    # Eighths are exact in float32.
    np.testing.assert_array_equal(8 * found, np.round(8 * found))
    np.testing.assert_array_equal(found.sum(axis=1), 1)
    assert np.any(found != exact)


def test_adjoint_with_shots_is_refused_at_once():
    with pytest.raises(ValueError, match=r"differentiator.*must not be Adjoint"):
        PQCDense(2, shots=10, differentiator="adjoint")


def test_training_memory_is_cautioned_about_before_it_is_used(monkeypatch):
    monkeypatch.setattr("qkeras_hybrid.engines.base.available_memory", lambda: 2**21)
    with pytest.warns(UserWarning, match=r"training.*statevector.*MiB.*native"):
        PQCDense(2, n_qubits=14, n_layers=12, engine="statevector").build((None, 2))


def test_functions_in_parameters_survive_save_and_load(tmp_path):
    a, b, x = sympy.symbols("a b x")
    angles = [sympy.sin(a) + sympy.Max(b, 0.3), sympy.exp(-x) * b, sympy.atan2(a, 2) / 3]
    angles += [sympy.sqrt(sympy.Abs(a) + 1), sympy.pi * x]
    circuit = cirq.Circuit(cirq.rx(angle)(Q[i % 2]) for i, angle in enumerate(angles))
    circuit += cirq.CZ(Q[0], Q[1]) ** sympy.cos(x)
    model = keras.Sequential([keras.Input((1,)), PQC(circuit, "Z", inputs=[x])])
    data = np.linspace(-1, 1, 5, dtype="float32")[:, None]
    before = model.predict(data, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert loaded.layers[0].circuit == model.layers[0].circuit
    np.testing.assert_allclose(loaded.predict(data, verbose=0), before, atol=1e-6)


def test_symbols_in_phases_survive_save_and_load(tmp_path):
    a, b = sympy.symbols("a b")
    circuit = cirq.Circuit(
        cirq.H.on_each(*Q),
        cirq.GlobalPhaseGate(1j * sympy.exp(sympy.I * a * b)).controlled().on(Q[0]),
        cirq.ThreeQubitDiagonalGate([a, 0.3, b, 0.1, -0.5, a + b, 1.2, 0.7])(Q[2], Q[0], Q[1]),
        cirq.BooleanHamiltonianGate(["u", "v"], ["u ^ v"], b)(Q[1], Q[2]),
    )
    layer = PQC(circuit, ["X", "Y"], inputs=["b"], weight_initializer="ones")
    model = keras.Sequential([keras.Input((1,)), layer])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    x = np.array([[0.3], [-0.8]], "float32")
    np.testing.assert_allclose(model.predict(x), again.predict(x), atol=1e-6)


def test_a_saved_function_that_is_not_known_is_not_run():
    config = PQC(cirq.Circuit(cirq.rx(sympy.sin(sympy.Symbol("a")))(Q[0])), "Z").get_config()
    config["circuit"] = config["circuit"].replace('"sin"', '"preview"')
    with pytest.raises(ValueError, match="'preview', which is not supported"):
        PQC.from_config(config)


class Phased(cirq.Gate):
    """A gate that Cirq can't write as JSON."""

    def _num_qubits_(self):
        return 1

    def _unitary_(self):
        return np.diag([1, 1j])


def test_a_gate_that_can_not_be_saved_is_named():
    model = keras.Sequential([keras.Input((1,)), PQC(cirq.Circuit(Phased()(Q[0])), "Z")])
    with pytest.raises(ValueError, match=r"can't be saved.*Phased.*MatrixGate"):
        model.layers[0].get_config()


@pytest.mark.parametrize("part", ["encoding", "ansatz", "engine", "differentiator"])
def test_unknown_keys_of_a_saved_part_are_named(part):
    config = PQCDense(2, engine="statevector", differentiator="spsa").get_config()
    if part == "engine":
        config["engine"] = keras.saving.serialize_keras_object(qh.engines.StatevectorEngine())
    config[part]["config"]["colour"] = 1
    with pytest.raises(ValueError, match=r"unknown key 'colour'.*Known keys"):
        PQCDense.from_config(config)


def test_regularizers_and_constraints_survive_save_and_load(tmp_path):
    layer = PQCDense(
        2, activity_regularizer="l2", weight_regularizer="l1", weight_constraint="non_neg"
    )
    model = keras.Sequential([keras.Input((3,)), layer])
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras").layers[0]
    assert isinstance(loaded.activity_regularizer, keras.regularizers.L2)
    assert isinstance(loaded.weight_regularizer, keras.regularizers.L1)
    assert isinstance(loaded.weight_constraint, keras.constraints.NonNeg)


def test_saved_weights_keep_their_order_whatever_the_file_makes_of_the_gate():
    names = sympy.symbols("r q p")
    gate = cirq.PhasedXZGate(x_exponent=names[0], z_exponent=names[1], axis_phase_exponent=names[2])
    layer = PQC(cirq.Circuit(gate(Q[0])), "Z")
    assert layer.get_config()["symbols"] == ["r", "q", "p"]


def one_layer(*names, **arguments):
    circuit = cirq.Circuit(cirq.rx(sympy.Symbol(name))(Q[0]) for name in names)
    layer = PQC(circuit, "Z", name="pqc", **arguments)
    return keras.Sequential([keras.Input((1,)), layer])


@pytest.mark.parametrize("others", [("b", "a"), ("a", "c")], ids=["another order", "others"])
def test_weights_of_other_symbols_are_refused_with_both_orders(tmp_path, others):
    path = tmp_path / "saved.weights.h5"
    one_layer("a", "b").save_weights(path)
    with pytest.raises(ValueError) as caught:
        one_layer(*others).load_weights(path)
    assert "layer 'pqc'" in str(caught.value)
    assert json.dumps(["a", "b"]) in str(caught.value)
    assert json.dumps(list(others)) in str(caught.value)


def test_weights_load_into_the_same_symbols(tmp_path):
    path = tmp_path / "saved.weights.h5"
    saved = one_layer("a", "b")
    saved.save_weights(path)
    # The same order, though the circuit names the symbols the other way round.
    for again in (one_layer("a", "b"), one_layer("b", "a", symbols=["a", "b"])):
        again.load_weights(path)
        np.testing.assert_array_equal(again.get_weights()[0], saved.get_weights()[0])


@pytest.mark.parametrize(
    ("layer", "place"),
    [
        (PQCDense(2), "pqc_dense"),
        (QuantumEmbedding(2, encoding="reuploading"), "quantum_embedding"),
    ],
    ids=["pqc_dense", "quantum_embedding"],
)
def test_weights_of_every_layer_come_with_their_symbols(tmp_path, layer, place):
    path = tmp_path / "saved.weights.h5"
    keras.Sequential([keras.Input((2,)), layer]).save_weights(path)
    with h5py.File(path) as file:
        text = bytes(file[f"layers/{place}/vars/symbols"][()]).decode()
    assert json.loads(text) == [symbol.name for symbol in layer.symbols]


def test_weights_without_symbols_load_by_their_number(tmp_path):
    # As version 0.1.0 wrote them.
    path = tmp_path / "saved.weights.h5"
    saved = one_layer("a", "b")
    saved.save_weights(path)
    with h5py.File(path, "a") as file:
        del file["layers/pqc/vars/symbols"]
    again = one_layer("b", "a")
    again.load_weights(path)
    np.testing.assert_array_equal(again.get_weights()[0], saved.get_weights()[0])


def test_drawing_shows_qubits_that_no_gate_touches():
    circuit = cirq.Circuit(cirq.rx(sympy.Symbol("x"))(Q[1]))
    layer = PQC(circuit, "Z", qubits=Q, inputs="x")
    layer.build((None, 1))
    assert [line[:1] for line in layer.draw().splitlines()[::2]] == ["0", "1", "2"]
    assert layer.draw("svg").startswith("<svg")


def test_a_notebook_shows_circuit_weights_and_cost():
    layer = PQC(weighted_circuit(), "Z", name="<q>")
    assert "&lt;q&gt;, not built yet" in layer._repr_html_()
    layer.build((None, 3))
    shown = layer._repr_html_()
    assert "<svg" in shown
    assert "12 weights, in radians" in shown
    value = float(ops.convert_to_numpy(layer.circuit_weights)[0])
    assert f"<td>t3</td><td>{value:.4f}</td>" in shown
    assert f"engine {layer.engine.name}" in shown
    many = PQCDense(2, n_qubits=8, n_layers=20)
    many.build((None, 3))
    assert "too many to draw" in many._repr_html_()


def test_global_phases_cost_no_evaluations():
    plain = PQC(cirq.Circuit(cirq.rz(sympy.Symbol("w"))(Q[0])), "Z")
    phased = PQC(cirq.Circuit((cirq.Z ** sympy.Symbol("w"))(Q[0])), "Z")
    for layer in (plain, phased):
        layer.build((None, 1))
    assert phased.resources().evaluations_per_sample == plain.resources().evaluations_per_sample


@pytest.mark.parametrize(
    ("argument", "known"),
    [
        ("encoding", "angle"),
        ("ansatz", "strongly_entangling"),
        ("engine", "statevector"),
        ("differentiator", "parameter_shift"),
    ],
)
def test_unknown_names_list_the_known(argument, known):
    with pytest.raises(ValueError, match=f"{argument}.*{known}.*nonsense"):
        PQCDense(2, **{argument: "nonsense"})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"units": 0}, "units.*at least 1"),
        ({"units": 2.5}, "units"),
        ({"units": 2, "n_layers": -1}, "n_layers"),
        ({"units": 4, "n_qubits": 2}, "at most 3"),
        ({"units": 2, "n_qubits": 3, "observables": "Z"}, "one for each unit.*3"),
        ({"units": 2, "shots": 0}, "shots"),
    ],
)
def test_bad_arguments_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        PQCDense(**arguments)


def test_shots_that_an_engine_does_not_take_are_refused_in_build():
    with pytest.raises(ValueError, match=r"'cirq' can't compute.*it takes no `shots`"):
        PQCDense(2, shots=10, engine=CirqEngine()).build((None, 2))


def test_features_beyond_an_encodings_qubits_are_refused():
    with pytest.raises(ValueError, match="fit 5 features in 2 qubits"):
        QuantumEmbedding(2, encoding="amplitude").build((None, 5))


def test_a_config_with_an_unknown_key_is_refused():
    config = {**PQCDense(2).get_config(), "temperature": 3}
    with pytest.raises(ValueError, match=r"unknown key 'temperature'.*n_layers"):
        PQCDense.from_config(config)


def test_what_needs_a_built_layer_says_so():
    with pytest.raises(ValueError, match="not built"):
        PQCDense(2).draw()
