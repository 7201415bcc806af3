"""Models in files of other runtimes: they compute the same, and errors say what is wrong."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cirq
import keras
import numpy as np
import pytest
from keras import ops

from qkeras_hybrid import ArgumentError, PQCDense, cli, exporting
from qkeras_hybrid.engines import SamplerEngine
from qkeras_hybrid.exporting import base, elsewhere, export, export_model
from qkeras_hybrid.exporting.inputs import Signature

ENDINGS = {name: exporting.FORMATS.get(name).ending for name in exporting.names()}

# float32 sums in another order.
ROUNDING = 1e-5


def installed(name: str) -> bool:
    kind = exporting.FORMATS.get(name)
    modules = (*kind.needs, *kind.backends[:1])
    return all(importlib.util.find_spec(module) is not None for module in modules)


def in_process(name: str) -> Any:
    """Marks a format that this process's backend writes, where it is installed."""
    kind = exporting.FORMATS.get(name)
    here = installed(name) and keras.backend.backend() in kind.backends
    reason = f"{name} is not installed, or not written under {keras.backend.backend()}"
    return pytest.param(name, marks=pytest.mark.skipif(not here, reason=reason))


HERE = [in_process(name) for name in exporting.names()]
WITH_INT8 = [in_process(name) for name in exporting.names() if exporting.FORMATS.get(name).int8]
onnx_here = pytest.mark.skipif(
    not installed("onnx") or keras.backend.backend() != "tensorflow",
    reason="ONNX's packages are not installed, or Keras runs on another backend than TensorFlow",
)


@pytest.fixture(autouse=True)
def timed_briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_BUDGET_S", 0.0)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """What a surrogate is made of: products of sines and cosines between Dense layers."""
    keras.utils.set_random_seed(3)
    pixels = keras.Input((6,), name="pixels")
    angles = keras.layers.Dense(4, activation="tanh", name="angles")(pixels)
    products = ops.einsum("bi,bj->bij", ops.cos(angles), ops.sin(angles))
    values = keras.layers.Dense(3, name="values")(ops.reshape(products, (-1, 16)))
    classes = keras.layers.Dense(5, activation="softmax", name="classes")(values)
    return keras.Model(pixels, [classes, values])


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(40, 6)).astype("float32")


def run(name: str, path: Path, model: keras.Model, arrays: list[np.ndarray]) -> list[np.ndarray]:
    return exporting.FORMATS.get(name).load(path, Signature.of(model))(arrays)


@pytest.mark.parametrize("name", HERE)
def test_a_file_computes_what_the_model_computes(
    name: str, model: keras.Model, x: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / f"model{ENDINGS[name]}"
    labels = np.arange(40) % 5
    report = export_model(model, name, path, x, labels=labels)
    assert [one.output for one in report.differences] == ["classes", "values"]
    assert 0 <= report.worst < ROUNDING
    assert report.accuracy is not None
    assert report.accuracy[0] == report.accuracy[1]
    assert (report.n_samples, report.random, report.surrogate) == (40, False, None)
    assert [one.batch for one in report.timings] == [1, 256]
    assert min(min(one.predict, one.on_batch, one.file) for one in report.timings) > 0
    parts = [p for p in (path, *tmp_path.rglob("*")) if p.is_file()]
    assert report.n_bytes == sum(part.stat().st_size for part in set(parts))
    for n in (1, 7, 40):  # any number of samples, in any order
        for got, wanted in zip(
            run(name, path, model, [x[:n]]), model.predict(x[:n], verbose=0), strict=True
        ):
            np.testing.assert_allclose(got, wanted, atol=ROUNDING)


@pytest.mark.filterwarnings("ignore:.*has taken no training step")
@pytest.mark.parametrize("name", [in_process(n) for n in ("saved_model", "onnx", "litert")])
def test_a_hybrid_model_is_exported_without_its_circuit(
    name: str, x: np.ndarray, tmp_path: Path
) -> None:
    hybrid = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(3, activation="tanh"),
            PQCDense(3, n_layers=2, name="circuit"),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )
    report = export_model(hybrid, name, tmp_path / f"model{ENDINGS[name]}", x)
    assert [layer.name for layer in report.surrogate.layers] == ["circuit"]
    assert report.worst < ROUNDING


@pytest.mark.parametrize("name", HERE)
def test_inputs_and_outputs_keep_their_order(name: str, tmp_path: Path) -> None:
    second = keras.Input((2,), name="second")
    first = keras.Input((3,), name="first")
    total = keras.layers.Dense(1, name="total")(ops.concatenate([second, ops.sin(first)], axis=1))
    model = keras.Model([second, first], [total, second * 2.0, first])
    generator = np.random.default_rng(1)
    arrays = [generator.normal(size=(5, k)).astype("float32") for k in (2, 3)]
    report = export_model(model, name, tmp_path / f"model{ENDINGS[name]}", arrays)
    assert report.worst < ROUNDING
    named = {"first": arrays[1], "second": arrays[0]}
    again = export_model(model, name, tmp_path / f"model{ENDINGS[name]}", named, overwrite=True)
    assert again.worst == pytest.approx(report.worst, abs=1e-7)


@onnx_here
def test_names_in_an_onnx_file_are_the_models(
    model: keras.Model, x: np.ndarray, tmp_path: Path
) -> None:
    import onnxruntime

    export_model(model, "onnx", tmp_path / "model.onnx", x)
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    assert [(one.name, one.shape) for one in session.get_inputs()] == [("pixels", ["batch", 6])]
    assert [(one.name, one.shape) for one in session.get_outputs()] == [
        ("classes", ["batch", 5]),
        ("values", ["batch", 3]),
    ]


@pytest.mark.parametrize("name", WITH_INT8)
def test_int8_says_what_it_costs(
    name: str, model: keras.Model, x: np.ndarray, tmp_path: Path
) -> None:
    report = export_model(
        model, name, tmp_path / f"model{ENDINGS[name]}", x, labels=x.argmax(1) % 5, quantize="int8"
    )
    assert report.quantize == "int8"
    assert report.accuracy is not None
    # The values are up to about 2, in 256 steps at best; they pass through three layers.
    assert 1e-4 < report.differences[1].worst < 0.15
    assert "int8" in str(report)


@pytest.mark.parametrize("name", WITH_INT8)
def test_int8_without_data_says_that_it_is_calibrated_with_random_numbers(
    name: str, model: keras.Model, tmp_path: Path
) -> None:
    report = export_model(model, name, tmp_path / f"model{ENDINGS[name]}", quantize="int8")
    assert report.random
    assert "random" in " ".join(report.notes)


@pytest.mark.parametrize("name", [in_process("saved_model")])
def test_a_saved_model_holds_operations_of_tensorflow_alone(name: str, tmp_path: Path) -> None:
    import tensorflow as tf

    from qkeras_hybrid.exporting.saved_model import custom_operations

    class CallsPython(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            return tf.ensure_shape(tf.numpy_function(np.cos, [inputs], tf.float32), (None, 3))

    inputs = keras.Input((3,))
    plain = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    export_model(plain, name, tmp_path / "plain")
    assert custom_operations(tmp_path / "plain") == []

    tied = keras.Model(inputs, CallsPython(name="python")(keras.layers.Dense(3)(inputs)))
    with pytest.raises(ArgumentError, match=r"got 'python \(CallsPython\)'.*PyFunc"):
        export_model(tied, name, tmp_path / "tied")


class ErrorOfNormals(keras.layers.Layer):
    """Has an operation that ONNX has not."""

    def call(self, inputs: Any) -> Any:
        return ops.erfinv(ops.tanh(inputs))


@pytest.mark.parametrize("name", [in_process("onnx"), in_process("litert")])
def test_layers_that_a_format_can_not_express_are_named(name: str, tmp_path: Path) -> None:
    inputs = keras.Input((3,))
    inner = ops.erfinv(keras.layers.Dense(3, activation="tanh")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(inner))
    with pytest.raises(ArgumentError, match="can express") as caught:
        export_model(model, name, tmp_path / f"model{ENDINGS[name]}")
    assert re.fullmatch(r"erfinv\w* \(Erfinv\)", caught.value.got)
    assert list(tmp_path.iterdir()) == []


def test_outputs_of_other_shapes_are_not_compared() -> None:
    with pytest.raises(ValueError, match=r"'y' in the shape \(3,\), the model in \(3, 1\)"):
        exporting.report.differences(["y"], [np.zeros((3, 1))], [np.zeros(3)])


def test_what_is_not_a_number_in_both_is_no_difference() -> None:
    wanted, found = np.array([[np.nan, np.inf, 1.0]]), np.array([[np.nan, np.inf, 1.5]])
    (row,) = exporting.report.differences(["y"], [wanted], [found])
    assert row.worst == 0.5
    (row,) = exporting.report.differences(["y"], [wanted], [np.full((1, 3), np.nan)])
    assert np.isnan(row.worst)


@pytest.mark.parametrize("wrong", [0.5, np.nan])
@onnx_here
def test_a_wrong_file_is_not_kept(
    wrong: float, model: keras.Model, x: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx = exporting.FORMATS.get("onnx")
    load = type(onnx).load

    def loaded(self: Any, path: Path, signature: Signature) -> Any:
        run = load(self, path, signature)
        return lambda arrays: [found + wrong for found in run(arrays)]

    monkeypatch.setattr(type(onnx), "load", loaded)
    with pytest.raises(ValueError, match=r"'classes' differs .* was not kept"):
        export_model(model, "onnx", tmp_path / "model.onnx", x)
    assert list(tmp_path.iterdir()) == []


@onnx_here
def test_layers_of_a_sequential_model_are_named_too(tmp_path: Path) -> None:
    fine = keras.layers.Dense(3, name="fine")
    model = keras.Sequential([keras.Input((3,)), fine, ErrorOfNormals(name="inverse")])
    with pytest.raises(ArgumentError, match=r"got 'inverse \(ErrorOfNormals\)'"):
        export_model(model, "onnx", tmp_path / "model.onnx")


def test_an_unknown_format_lists_the_known(model: keras.Model, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="'saved_model', 'onnx', 'litert', 'openvino', 'torch'"):
        export_model(model, "tflite", tmp_path / "model")


class Subclassed(keras.Model):
    def call(self, inputs: Any) -> Any:
        return inputs


def called() -> keras.Model:
    model = Subclassed()
    model(np.zeros((1, 2)))
    return model


@pytest.mark.parametrize(
    ("made", "complaint"),
    [
        (lambda: "digits.keras", "must be a Keras model"),
        (lambda: keras.Sequential([keras.layers.Dense(2)]), "must be built"),
        (called, "must be a Sequential or functional model"),
        (
            lambda: keras.Sequential([keras.Input((None, 2)), keras.layers.Conv1D(2, 1)]),
            "inputs of known shape",
        ),
    ],
    ids=["text", "not built", "subclassed", "unknown width"],
)
def test_models_without_known_inputs_are_refused(
    made: Callable[[], Any], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(ArgumentError, match=complaint):
        export_model(made(), "onnx", tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (np.zeros((4, 5)), r"have the shape \(n, 6\) for the input 'pixels'"),
        (np.zeros(6), r"have the shape \(n, 6\)"),
        (np.zeros((0, 6)), "at least one sample"),
        (np.full((2, 6), np.nan), "12 values that are NaN"),
        (np.full((1, 6), "a"), "real numbers"),
        ([[1.0], [1.0, 2.0]], "array of numbers"),
        ({"other": np.zeros((2, 6))}, "have the keys pixels"),
    ],
    ids=["width", "rank", "empty", "NaN", "text", "ragged", "names"],
)
def test_data_that_do_not_fit_are_refused(
    data: Any, complaint: str, model: keras.Model, tmp_path: Path
) -> None:
    with pytest.raises(ArgumentError, match=complaint) as caught:
        export_model(model, "onnx", tmp_path / "model.onnx", data)
    assert caught.value.argument == "data"


def test_several_inputs_need_as_many_arrays_of_one_length() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    a, b = keras.Input((2,), name="a"), keras.Input((1,), name="b")
    signature = Signature.of(keras.Model([a, b], model(a) + b))
    for data in (np.zeros((3, 2)), [np.zeros((3, 2))]):
        with pytest.raises(ArgumentError, match="a list of 2 arrays"):
            signature.samples(data)
    with pytest.raises(ArgumentError, match="equally many samples"):
        signature.samples([np.zeros((3, 2)), np.zeros((2, 1))])


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        (np.zeros(3), "a class for each of 40 samples"),
        (np.full(40, 0.5), "whole numbers from 0 on"),
        (np.full(40, -1), "whole numbers from 0 on"),
        (np.full(40, np.nan), "whole numbers or one-hot rows"),
        (np.full(40, "a"), "whole numbers or one-hot rows"),
    ],
    ids=["few", "fractions", "negative", "NaN", "text"],
)
def test_labels_that_do_not_fit_are_refused(
    labels: np.ndarray, complaint: str, model: keras.Model, x: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(ArgumentError, match=complaint):
        export_model(model, "onnx", tmp_path / "model.onnx", x, labels=labels)
    with pytest.raises(ArgumentError, match="Random samples have no labels"):
        export_model(model, "onnx", tmp_path / "model.onnx", labels=labels)


@pytest.mark.parametrize("name", ["saved_model", "openvino", "torch"])
def test_formats_without_int8_say_which_have_it(
    name: str, model: keras.Model, tmp_path: Path
) -> None:
    with pytest.raises(ArgumentError, match="onnx and litert can"):
        export_model(model, name, tmp_path / f"model{ENDINGS[name]}", quantize="int8")
    with pytest.raises(ArgumentError, match="'int8'"):
        export_model(model, "onnx", tmp_path / "model.onnx", quantize="int4")


@pytest.mark.parametrize(
    ("name", "missing", "said"),
    [
        ("onnx", "onnxruntime", r"needs the package onnxruntime, which is not .*hybrid\[export\]"),
        ("litert", "ai_edge_litert", r"package ai-edge-litert, which is .*hybrid\[export\]"),
        ("openvino", "openvino", r"package openvino, which is .*qkeras-hybrid\[openvino\]"),
        ("torch", "torch", r"package torch, which is .*qkeras-hybrid\[torch\]"),
        ("saved_model", "tensorflow", r"package tensorflow, which is .*hybrid\[tensorflow\]"),
    ],
)
def test_a_runtime_that_is_not_installed_is_named_with_its_extra(
    name: str,
    missing: str,
    said: str,
    model: keras.Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(base, "_is_missing", lambda module: module == missing)
    with pytest.raises(ImportError, match=said):
        export_model(model, name, tmp_path / f"model{ENDINGS[name]}")


def test_another_backend_than_this_writes_where_keras_can_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(base, "_is_missing", lambda module: False)
    for backend, name, writer in (
        ("jax", "onnx", "tensorflow"),
        ("torch", "onnx", "torch"),
        ("torch", "litert", "tensorflow"),
        ("tensorflow", "torch", "torch"),
    ):
        monkeypatch.setattr(base.keras.backend, "backend", lambda backend=backend: backend)
        assert exporting.FORMATS.get(name).writer() == writer
    monkeypatch.setattr(base, "_is_missing", lambda module: module == "tensorflow")
    monkeypatch.setattr(base.keras.backend, "backend", lambda: "jax")
    with pytest.raises(ImportError, match=r"not under jax;.*qkeras-hybrid\[tensorflow\]"):
        exporting.FORMATS.get("onnx").writer()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_every_format_is_written_under_the_other_backends(
    backend: str, tmp_path: Path, run_python: Callable[..., str]
) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    names = [name for name in exporting.names() if installed(name)]
    printed = run_python(
        """
        import sys, keras, numpy as np
        from keras import ops
        from qkeras_hybrid import exporting
        inputs = keras.Input((3,))
        hidden = ops.sin(keras.layers.Dense(4, activation="tanh")(inputs))
        model = keras.Model(inputs, keras.layers.Dense(2, name="last")(hidden))
        x = np.random.default_rng(0).normal(size=(9, 3))
        folder, *names = sys.argv[1:]
        for name in names:
            path = f"{folder}/model{exporting.FORMATS.get(name).ending}"
            report = exporting.export_model(model, name, path, x)
            print(name, report.worst)
        """,
        tmp_path,
        *names,
        backend=backend,
    )
    found = dict(line.split() for line in printed.splitlines() if line.split()[0] in names)
    assert list(found) == names
    assert all(float(worst) < ROUNDING for worst in found.values())


@pytest.mark.slow
@pytest.mark.skipif(not installed("onnx"), reason="ONNX's packages are not installed")
def test_a_layer_that_another_process_does_not_know_is_named(tmp_path: Path) -> None:
    class Own(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            return inputs

    model = keras.Sequential([keras.Input((2,)), Own()])
    with pytest.raises(ArgumentError, match=r"must load in a process .*Own.*KERAS_BACKEND"):
        kind = exporting.FORMATS.get("onnx")
        elsewhere.write(kind, model, tmp_path / "model.onnx", None, "tensorflow")


@onnx_here
def test_what_is_there_stays_unless_it_is_to_be_replaced(
    model: keras.Model, x: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match=r"model\.onnx"):
        export_model(model, "onnx", path, x)
    assert path.read_text() == "mine"
    export_model(model, "onnx", path, x, overwrite=True)
    assert path.read_bytes() != b"mine"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError, match="nowhere"):
        export_model(model, "onnx", tmp_path / "nowhere" / "model.onnx", x)


@pytest.mark.parametrize("name", [in_process("saved_model")])
def test_only_the_folder_of_a_saved_model_is_replaced(
    name: str, model: keras.Model, x: np.ndarray, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.tex").write_text("mine")
    with pytest.raises(IsADirectoryError):
        export_model(model, name, mine, x, overwrite=True)
    assert [p.name for p in mine.iterdir()] == ["thesis.tex"]
    for overwrite in (False, True):
        export_model(model, name, tmp_path / "model", x, overwrite=overwrite)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine", "model"]


def test_openvino_needs_a_name_from_which_it_finds_the_second_file(
    model: keras.Model, tmp_path: Path
) -> None:
    with pytest.raises(ArgumentError, match=r"end with \.xml"):
        export_model(model, "openvino", tmp_path / "model.ir")


@onnx_here
def test_measured_layers_are_exported_as_their_mean_which_the_report_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = PQCDense(2, n_qubits=2, n_layers=1, shots=100, name="measured")
    model = keras.Sequential([keras.Input((3,)), measured])
    plain = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    monkeypatch.setattr(export, "_surrogate", lambda *arguments: plain)
    report = export_model(model, "onnx", tmp_path / "model.onnx")
    assert "the mean of measured, without the statistical noise of finite shots" in report.notes[0]


@onnx_here
def test_an_export_buys_no_measurements(tmp_path: Path) -> None:
    class Forbidden(cirq.Simulator):
        def run_batch(self, *arguments: Any, **more: Any) -> Any:
            raise AssertionError("measurements were bought")

        def run_sweep(self, *arguments: Any, **more: Any) -> Any:
            raise AssertionError("measurements were bought")

    engine = SamplerEngine(Forbidden(), 10)
    bought = PQCDense(1, n_qubits=1, n_layers=1, engine=engine, name="bought")
    model = keras.Sequential([keras.Input((1,)), bought])
    with pytest.warns(UserWarning, match="no training step"):
        report = export_model(model, "onnx", tmp_path / "model.onnx")
    assert report.worst <= ROUNDING
    assert "the exact mean of bought" in report.notes[0] and len(report.notes) == 1


@pytest.fixture
def saved(model: keras.Model, x: np.ndarray, tmp_path: Path) -> Path:
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", np.arange(40) % 5)
    np.savez(tmp_path / "x.npz", pixels=x)
    return tmp_path / "model.keras"


@onnx_here
def test_the_command_writes_checks_and_prints(
    saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = saved.parent
    options = ["--data", str(folder / "x.npy"), "--labels", str(folder / "y.npy")]
    assert cli.main(["export", str(saved), *options]) == 0
    said = capsys.readouterr()
    assert (folder / "model.onnx").is_file()
    printed = " ".join(said.out.split())
    assert "onnx and the model, on 40 samples" in printed
    assert all(word in printed for word in ("worst difference", "classes", "values", "Accuracy"))
    assert "model.onnx (float32" in printed
    assert said.err == f"qkeras-hybrid: exporting {saved} to ONNX ...\n"

    assert cli.main(["export", str(saved), *options]) == 2
    assert "model.onnx exists already; --overwrite replaces it." in capsys.readouterr().err
    more = ["--int8", "--overwrite", "--data", str(folder / "x.npz")]
    assert cli.main(["export", str(saved), *more]) == 0
    assert "(int8" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "gguf"], "Argument `--format` must be one of 'saved_model', 'onnx'"),
        (["--data", "y.npy"], "Argument `--data` must have the shape (n, 6)"),
        (["--data", "model.keras"], "Argument `--data` must"),
        (["--data", "text.npy"], "Argument `--data` must be a .npy or .npz file of numbers"),
        (["--labels", "y.npy"], "Argument `--data` must be given with labels"),
        (["--format", "torch", "--int8"], "Argument `--int8` must be None"),
    ],
    ids=["format", "shape", "archive", "text", "labels", "int8"],
)
def test_the_command_says_which_option_is_wrong(
    options: list[str], said: str, saved: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (saved.parent / "text.npy").write_text("1, 2, 3")
    given = [str(saved.parent / word) if "." in word else word for word in options]
    assert cli.main(["export", str(saved), *given]) == 2
    assert said in capsys.readouterr().err


def test_the_command_says_which_file_it_can_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["export", str(tmp_path / "none.keras")]) == 1
    assert "none.keras: there is no such file." in capsys.readouterr().err
    (tmp_path / "text.keras").write_text("no model")
    assert cli.main(["export", str(tmp_path / "text.keras")]) == 2
    assert "`MODEL.keras` must be a model that Keras saved" in capsys.readouterr().err
