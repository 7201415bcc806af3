"""The hybrid models by name, and models from a user's file."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from qkeras_hybrid import PQCDense, QuantumEmbedding, datasets
from qkeras_hybrid.bench.controls import CONTROLS, controls_for, inapplicable
from qkeras_hybrid.bench.inspection import describe, trainable_parameters
from qkeras_hybrid.bench.models import MODELS, build, fingerprint
from qkeras_hybrid.layers.switching import quantum_layers


@dataclasses.dataclass(frozen=True)
class Data:
    """What a builder asks of a data set."""

    n_features: int = 16
    n_outputs: int = 3
    task: str = "classification"
    image_shape: tuple[int, ...] | None = (4, 4, 1)


REGRESSION = Data(n_outputs=1, task="regression")
SMALL: dict[str, dict[str, Any]] = {
    "pqc_dense": {"n_qubits": 2, "n_layers": 1},
    "reuploading": {"n_qubits": 2, "n_layers": 2},
    "iqp": {"n_qubits": 3, "n_layers": 1, "n_encoding_layers": 1},
    "qcnn": {},
    "quanvolution": {},
    "embedding_head": {"n_qubits": 3},
    "quantum_kernel": {"n_landmarks": 5, "n_qubits": 3},
    "transfer": {"n_qubits": 2, "n_layers": 1, "trunk_units": 5},
    "circuit_on_states": {"n_layers": 3},
    "cluster_qcnn": {},
    "two_copy_test": {},
}
# Those that need so many features, and those whose head alone trains.
WIDE = {"cluster_qcnn": 512}
FIXED = ("cluster_qcnn", "two_copy_test")
STATES = {"cluster_qcnn": "cluster_phases", "two_copy_test": "entangled_pairs"}


def small(name: str, dataset: Data = Data(), **arguments: Any) -> keras.Model:
    if name in WIDE:
        dataset = dataclasses.replace(dataset, n_features=WIDE[name], image_shape=None)
    return build({"name": name, **SMALL[name], **arguments}, dataset)


def samples(n: int = 6, n_features: int = 16) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, n_features)).astype("float32")


def samples_for(name: str) -> np.ndarray:
    return samples(n_features=WIDE.get(name, 16))


# What all models have in common.


def test_every_model_is_tried() -> None:
    assert set(SMALL) == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_a_classifier_gives_probabilities_and_trains(name: str) -> None:
    model = small(name)
    assert model.input_shape == (None, WIDE.get(name, 16))
    assert quantum_layers(model)
    x, y = samples_for(name), np.arange(6) % 3
    outputs = ops.convert_to_numpy(model(x))
    assert outputs.shape == (6, 3)
    assert (outputs >= 0).all()
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-5)
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    loss = model.fit(x, y, epochs=8, verbose=0).history["loss"]
    assert loss[-1] < loss[0]


@pytest.mark.parametrize("name", MODELS)
def test_a_regression_has_one_number_of_any_size(name: str) -> None:
    model = small(name, REGRESSION)
    assert model.output_shape == (None, 1)
    assert model.layers[-1].activation is keras.activations.linear


@pytest.mark.parametrize("name", MODELS)
def test_models_are_saved_and_loaded(name: str, tmp_path: Path) -> None:
    model = small(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = samples_for(name)
    np.testing.assert_allclose(loaded(x), model(x), atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_controls_of_every_model_are_made_or_have_a_reason(name: str) -> None:
    model = small(name)
    made, reasons = controls_for(model), inapplicable(model)
    assert {*made, *reasons} == set(CONTROLS)
    assert set(made).isdisjoint(reasons)
    expected = {
        "quanvolution": {"frozen_circuit"},  # it is random and frozen as it is
        "embedding_head": {"frozen_circuit"},  # its encoding has no weights
        **{fixed: {"frozen_circuit"} for fixed in FIXED},
    }
    assert set(reasons) == expected.get(name, set())
    for control in made.values():
        assert control(samples_for(name)).shape == (6, 3)
    matched = trainable_parameters(made["dense_same_parameters"])
    # A Dense network that takes all features is larger than six parameters.
    least = 1 + model.input_shape[1] + 6 if name in FIXED else 0
    assert matched == pytest.approx(max(trainable_parameters(model), least), rel=0.05)


@pytest.mark.parametrize("name", MODELS)
def test_the_names_data_sets_have_are_enough(name: str) -> None:
    data = datasets.load(STATES.get(name, "digits"))
    model = build({"name": name}, data)
    shapes = (None, data.n_features), (None, data.n_classes)
    assert (model.input_shape, model.output_shape) == shapes


@pytest.mark.parametrize("name", MODELS)
def test_a_builder_documents_its_arguments(name: str) -> None:
    builder = MODELS[name]
    text = inspect.getdoc(builder) or ""
    assert "Reference:" in text
    assert "arXiv" in text
    for argument in inspect.signature(builder).parameters:
        assert f"{argument}:" in text


# Each model.


def test_the_dressed_circuit() -> None:
    model = small("pqc_dense")
    assert describe(model) == "Dense(2, tanh) > Rescaling > PQCDense(2) > Dense(3, softmax)"
    # Dense from 16, three angles for each qubit, Dense to 3.
    assert trainable_parameters(model) == 17 * 2 + 6 + 3 * 3


def test_reuploading_has_no_classical_layer_before_its_circuit() -> None:
    model = small("reuploading", n_layers=3)
    embedding, _ = model.layers
    assert isinstance(embedding, QuantumEmbedding)
    rotations = [str(operation.gate) for operation in embedding.circuit.all_operations()]
    assert sum("x0" in gate for gate in rotations) == 3
    assert model.layers[-1].kernel.shape == (6, 3)


def test_reuploading_reads_the_fidelities_with_label_states() -> None:
    # The fidelity with a state of Bloch vector n is (1 + n . <X, Y, Z>) / 2.
    model = build({"name": "reuploading", "n_qubits": 1, "n_layers": 2}, Data(2, 2))
    embedding = model.layers[0]
    bloch = ops.convert_to_numpy(embedding(samples(4, 2)))
    np.testing.assert_allclose(np.linalg.norm(bloch, axis=1), 1, atol=1e-5)


def test_suites_of_0_1_call_the_layers_of_the_iqp_encoding_n_repeats() -> None:
    old = build({"name": "iqp", "n_qubits": 2, "n_layers": 1, "n_repeats": 3}, Data(2, 2))
    (layer,) = quantum_layers(old)
    assert layer.encoding.n_layers == 3
    with pytest.raises(ValueError, match="without its old name `n_repeats`"):
        build({"name": "iqp", "n_encoding_layers": 1, "n_repeats": 3}, Data(2, 2))


def test_iqp_reads_the_parity_too() -> None:
    model = small("iqp")
    layer = quantum_layers(model)[0]
    readout = [term for observable in layer.compiled.observables for term in observable.terms]
    assert [term.qubits for term in readout] == [(0,), (1,), (2,), (0, 1, 2)]
    assert {term.paulis for term in readout} == {"Z", "ZZZ"}
    assert len(quantum_layers(small("iqp", n_qubits=1))[0].compiled.observables) == 1


@pytest.mark.parametrize("name", ["iqp", "embedding_head"])
def test_scaling_is_a_factor_on_the_features(name: str) -> None:
    model, scaled = small(name), small(name, scaling=0.5)
    scaled.set_weights(model.get_weights())
    np.testing.assert_allclose(scaled(2 * samples()), model(samples()), atol=1e-5)


@pytest.mark.parametrize(
    ("n_features", "encoding", "n_qubits"),
    [(2, "amplitude", 2), (5, "amplitude", 4), (17, "amplitude", 8), (30, "angle", 4)],
)
def test_qcnn_takes_as_many_qubits_as_it_needs(
    n_features: int, encoding: str, n_qubits: int
) -> None:
    model = build({"name": "qcnn", "encoding": encoding}, Data(n_features))
    assert quantum_layers(model)[0].program.n_qubits == n_qubits


def test_qcnn_says_what_it_can_not_hold() -> None:
    with pytest.raises(ValueError, match=r"at most 256 features.*but got 784.*pca"):
        build({"name": "qcnn"}, Data(784))
    with pytest.raises(ValueError, match="power of two"):
        build({"name": "qcnn", "n_qubits": 6}, Data(16))


@pytest.mark.parametrize("channels", [1, 2])
def test_quanvolution_runs_its_circuit_over_patches(channels: int) -> None:
    image_shape = (4, 6, channels)
    data = Data(24 * channels, image_shape=image_shape)
    model = small("quanvolution", data)
    (layer,) = quantum_layers(model)
    x = samples(2, 24 * channels)
    images = x.reshape(2, *image_shape)
    expected = [
        ops.convert_to_numpy(layer(images[:, i : i + 2, j : j + 2].reshape(2, -1)))
        for i in (0, 2)
        for j in (0, 2, 4)
    ]
    maps = keras.Model(model.inputs[0], model.layers[-1].input)(x)
    np.testing.assert_allclose(maps, np.concatenate(expected, axis=1), atol=1e-5)


def test_quanvolution_takes_images_without_an_axis_of_channels() -> None:
    assert small("quanvolution", Data(image_shape=(4, 4))).output_shape == (None, 3)


def test_the_quanvolutional_circuit_is_random_unless_it_trains() -> None:
    frozen, trained = small("quanvolution"), small("quanvolution", trainable=True)
    assert trainable_parameters(frozen) == 17 * 3
    assert trainable_parameters(trained) == 17 * 3 + 4
    weights = np.abs(quantum_layers(frozen)[0].get_weights()[0])
    assert weights.max() <= np.pi
    # SmallAngles has a deviation of 0.1: five of them.
    assert np.abs(quantum_layers(trained)[0].get_weights()[0]).max() < 0.5 < weights.max()


def test_quanvolution_needs_images_that_patches_cover() -> None:
    with pytest.raises(ValueError, match=r"hold images.*got '16 features'.*pca"):
        small("quanvolution", Data(image_shape=None))
    with pytest.raises(ValueError, match="divide 4 and 4, the image's sides, but got 3"):
        small("quanvolution", patch=3)


@pytest.mark.parametrize("encoding", ["iqp", "angle", "zz", "phase"])
def test_the_embedding_head_is_linear_in_features_that_vary(encoding: str) -> None:
    model = small("embedding_head", encoding=encoding)
    assert trainable_parameters(model) == (3 * 3 + 1) * 3
    values = ops.convert_to_numpy(model.layers[1](samples()))
    assert values.std(axis=0).max() > 0.1


def test_the_trunk_of_transfer_is_frozen_and_random() -> None:
    model = small("transfer")
    before = model.get_layer("trunk").get_weights()[0]
    assert before.std() > 0
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(samples(), np.arange(6) % 3, verbose=0)
    np.testing.assert_array_equal(model.get_layer("trunk").get_weights()[0], before)
    assert trainable_parameters(model) == 6 * 2 + 6 + 3 * 3


@pytest.fixture
def trunk(tmp_path: Path) -> tuple[keras.Model, str]:
    model = keras.Sequential(
        [
            keras.Input((16,)),
            keras.layers.Reshape((4, 4, 1)),
            keras.layers.Conv2D(2, 3, activation="relu"),
            keras.layers.Dense(7, activation="softmax"),
        ]
    )
    path = tmp_path / "trunk.keras"
    model.save(path)
    return model, str(path)


def test_transfer_takes_all_but_the_last_layer_of_a_file(trunk: tuple[keras.Model, str]) -> None:
    source, path = trunk
    model = small("transfer", trunk=path)
    features = ops.convert_to_numpy(source.layers[1](source.layers[0](samples())))
    found = ops.convert_to_numpy(model.get_layer("trunk")(samples()))
    np.testing.assert_allclose(found, features, atol=1e-6)
    # Two maps of 2 x 2 pixels are eight features.
    assert trainable_parameters(model) == 9 * 2 + 6 + 3 * 3
    matched = controls_for(model)["dense_same_parameters"]
    assert describe(matched).startswith("Functional(")
    assert trainable_parameters(matched) == pytest.approx(33, rel=0.05)


def test_a_trunk_that_does_not_fit_is_refused(
    trunk: tuple[keras.Model, str], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"take 9 features, but got \(None, 16\)"):
        small("transfer", Data(9), trunk=trunk[1])
    with pytest.raises(ValueError, match="a file that can be read"):
        small("transfer", trunk=str(tmp_path / "none.keras"))
    (tmp_path / "text.keras").write_text("not a model")
    with pytest.raises(ValueError, match="be the file of a Sequential or functional Keras model"):
        small("transfer", trunk=str(tmp_path / "text.keras"))


# Names and arguments.


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"name": "pqc_dnse"}, "'pqc_dense',.*but got 'pqc_dnse'.*file.py:function"),
        ({"n_qubits": 3}, r'have a "name"'),
        ({"name": "pqc_dense", "qubits": 3}, "no argument 'qubits'.*n_qubits"),
        ({"name": "quanvolution", "n_qubits": 3}, "no argument 'n_qubits'.*patch"),
        ({"name": "pqc_dense", "dataset": 3}, "no argument 'dataset'.*n_qubits"),
        ({"name": "pqc_dense", "n_qubits": 0}, "`n_qubits`.*at least 1, but got 0"),
        ({"name": "pqc_dense", "encoding": "angel"}, "'angle'.*but got 'angel'"),
        ({"name": "pqc_dense", "ansatz": "strong"}, "'strongly_entangling'.*but got 'strong'"),
        ({"name": "pqc_dense", "engine": "gpu"}, "'statevector'.*but got 'gpu'"),
    ],
)
def test_an_unknown_model_or_argument_lists_the_known_ones(
    model: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build(model, Data())


# A user's file.

GOOD = """
import keras
import qkeras_hybrid as qh

def build_model(n_features, n_outputs, n_qubits=2):
    return keras.Sequential([
        keras.Input((n_features,)),
        keras.layers.Dense(n_qubits),
        qh.PQCDense(n_qubits, n_layers=1),
        keras.layers.Dense(n_outputs, activation="softmax"),
    ])

def classical(n_features, n_outputs):
    return keras.Sequential([keras.Input((n_features,)), keras.layers.Dense(n_outputs)])

def wrong_input(n_features, n_outputs):
    return build_model(n_features + 1, n_outputs)

def wrong_output(n_features, n_outputs):
    return build_model(n_features, n_outputs + 1)

def logits(n_features, n_outputs):
    model = build_model(n_features, n_outputs)
    model.layers[-1].activation = keras.activations.linear
    return model

def unbuilt(n_features, n_outputs):
    return keras.Sequential([qh.PQCDense(n_outputs)])

def nothing(n_features, n_outputs):
    build_model(n_features, n_outputs)

def breaks(n_features, n_outputs):
    raise RuntimeError("out of qubits")

def takes_none():
    return build_model(1, 1)

NUMBER = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my models.py"
    path.write_text(GOOD)
    return path


def test_a_model_from_a_file(file: Path) -> None:
    model = build({"name": f"{file}:build_model", "n_qubits": 3}, Data())
    assert describe(model) == "Dense(3, linear) > PQCDense(3) > Dense(3, softmax)"
    assert isinstance(quantum_layers(model)[0], PQCDense)
    assert set(controls_for(model)) == set(CONTROLS)
    assert build({"name": f"{file}:logits"}, REGRESSION).output_shape == (None, 1)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("classical", "with a quantum layer in it.*but it has Dense"),
        ("wrong_input", r"input shape \(None, 16\), but it has \(None, 17\).*n_features=16"),
        ("wrong_output", r"output shape \(None, 3\), but it has \(None, 4\).*n_outputs=3"),
        ("logits", "class probabilities.*softmax"),
        ("unbuilt", r"a built model. Begin it with keras.Input\(\(16,\)\)"),
        ("nothing", "returned NoneType. Does it end in `return model`"),
        ("breaks", "failed to build a model. RuntimeError: out of qubits"),
        ("takes_none", r"called as takes_none\(n_features, n_outputs"),
        ("NUMBER", "name a function.*Functions there: build_model, classical"),
        ("none", "name a function.*but got 'none'"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(file: Path, function: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build({"name": f"{file}:{function}"}, Data())


def test_unknown_arguments_of_a_users_function_are_refused(file: Path) -> None:
    with pytest.raises(ValueError, match=r"fit build_model\(n_features, n_outputs, n_qubits=2\)"):
        build({"name": f"{file}:build_model", "qubits": 2}, Data())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("import not_there", "failed to import. ModuleNotFoundError: No module named 'not_there'"),
        ("x = 1\ndef f(:", "failed to import, line 2. SyntaxError"),
        ("raise SystemExit(3)", "failed to import. SystemExit: 3"),
    ],
)
def test_a_file_that_fails_to_import_says_why(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(content)
    for _ in range(2):  # the second time too, though the file was tried before
        with pytest.raises(ValueError, match=message):
            build({"name": f"{path}:f"}, Data())


def test_a_file_that_is_not_there_or_not_named_well(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a file that can be read.*No such file"):
        build({"name": f"{tmp_path}/none.py:f"}, Data())
    for name in ("model.py", "model.py:"):
        with pytest.raises(ValueError, match=r"path/to/file\.py:function"):
            build({"name": name}, Data())
        with pytest.raises(ValueError, match=r"path/to/file\.py:function"):
            fingerprint({"name": name})


def test_a_changed_file_is_another_model(file: Path) -> None:
    model = {"name": f"{file}:build_model"}
    first = fingerprint(model)
    assert first == hashlib.sha256(GOOD.encode()).hexdigest()
    build(model, Data())
    file.write_text(GOOD.replace("n_qubits=2", "n_qubits=4"))
    assert fingerprint(model) != first
    assert describe(build(model, Data())).startswith("Dense(4, linear) > PQCDense(4)")


def test_fingerprints_of_other_models(trunk: tuple[keras.Model, str], tmp_path: Path) -> None:
    assert fingerprint({"name": "pqc_dense", "n_qubits": 2}) is None
    found = fingerprint({"name": "transfer", "trunk": trunk[1]})
    assert found == hashlib.sha256(Path(trunk[1]).read_bytes()).hexdigest()
    with pytest.raises(ValueError, match="a file that can be read"):
        fingerprint({"name": f"{tmp_path}/none.py:f"})


def test_classes_of_a_users_file_need_no_registration_for_controls(tmp_path: Path) -> None:
    path = tmp_path / "own_layer.py"
    path.write_text(
        "import keras\nimport qkeras_hybrid as qh\n"
        "class Mine(qh.PQCDense):\n    pass\n"
        "def f(n_features, n_outputs):\n"
        "    return keras.Sequential([keras.Input((n_features,)), keras.layers.Dense(2),\n"
        "        Mine(2), keras.layers.Dense(n_outputs, 'softmax')])\n"
    )
    made = controls_for(build({"name": f"{path}:f"}, Data()))
    assert set(made) == set(CONTROLS)
    assert "WithoutEntanglement(Mine(2))" in describe(made["no_entanglement"])
