"""Compares exported digits models with the original model: differences and times.

    python benchmarks/surrogates/export.py
    python benchmarks/surrogates/export.py --output benchmarks/surrogates/export.json

The model consists of Dense(8), an 8-qubit `PQCDense` of three layers, and Dense(10). It is trained
on scikit-learn's digits and exported to ONNX and LiteRT. For each batch size, the script measures
the time per sample of

- the file in ONNX Runtime and in LiteRT's interpreter;
- the surrogate in Keras, with `predict_on_batch`;
- the model with `predict` and with `predict_on_batch`, with the engines `native` and `tfq`;
- the quantum layer alone with each engine, in a compiled function: a part of the model's time.

All take turns in one run, with several calls in a row in each turn, and the times are medians over
the turns. The differences are those of the class probabilities on the test set, for each engine.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

SEED, QUBITS, LAYERS = 0, 8, 3
FORMATS = {"onnx": "digits.onnx", "litert": "digits.tflite"}
RUNTIMES = ("onnx", "onnxruntime", "tf2onnx", "ai-edge-litert")
ENGINES = ("native", "tfq")


def trained(epochs: int) -> tuple[Any, np.ndarray, np.ndarray]:
    """Returns a trained model, and the inputs and labels of the test set."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    from qkeras_hybrid import PQCDense

    x, y = load_digits(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(
        (x / 16).astype("float32"), y, test_size=0.25, random_state=SEED, stratify=y
    )
    keras.utils.set_random_seed(SEED)
    layers = [
        keras.Input((64,)),
        keras.layers.Dense(QUBITS, activation="tanh"),
        PQCDense(QUBITS, n_qubits=QUBITS, n_layers=LAYERS, name="circuit"),
        keras.layers.Dense(10, activation="softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
    model.fit(x_train, y_train, epochs=epochs, verbose=0)
    return model, x_test, y_test


def with_engine(model: Any, engine: str) -> Any:
    """Returns a copy of a model whose circuits run on an engine."""
    from qkeras_hybrid import set_engine

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return set_engine(copy, engine)


def compiled_layer(model: Any, x: np.ndarray) -> Callable[[], Any]:
    """Returns a function that runs only a model's quantum layer, compiled by TensorFlow."""
    import tensorflow as tf

    angles = tf.constant(keras.ops.convert_to_numpy(model.layers[0](x)))
    layer = tf.function(model.get_layer("circuit").call)
    return lambda: layer(angles).numpy()


def contenders(
    models: dict[str, Any], classical: Any, files: dict[str, Any], x: np.ndarray
) -> dict[str, Callable[[], Any]]:
    """Returns by name the functions that compute one batch."""
    found: dict[str, Callable[[], Any]] = {
        name: (lambda run=run: run([x])) for name, run in files.items()
    }
    found["surrogate, predict_on_batch"] = lambda: classical.predict_on_batch(x)
    for name, model in models.items():
        found[f"{name}, predict"] = lambda model=model: model.predict(
            x, batch_size=len(x), verbose=0
        )
        found[f"{name}, predict_on_batch"] = lambda model=model: model.predict_on_batch(x)
        found[f"{name}, layer"] = compiled_layer(model, x)
    return found


def medians(calls: dict[str, Callable[[], Any]], rounds: int, in_a_row: int) -> dict[str, float]:
    """Returns the median time of each contender's call, in seconds, over several turns.

    Each turn has several calls in a row, because a server calls one model repeatedly. A single call
    after another contender's would find the other's data in the processor's caches, which doubles
    the time of the fastest contenders.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 2):  # the first two compile
        for name, call in calls.items():
            call()  # not timed, because threads of the contender before it may still be active
            start = time.perf_counter()
            for _ in range(in_a_row):
                call()
            if number >= 2:
                times[name].append((time.perf_counter() - start) / in_a_row)
    return {name: statistics.median(found) for name, found in times.items()}


def main() -> None:
    """Trains, exports, compares and times, and prints or writes the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 256])
    parser.add_argument("--rounds", type=int, default=20, help="timed turns of each contender")
    parser.add_argument("--in-a-row", type=int, default=20, help="calls in each turn")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--output", type=Path, help="a JSON file for all results")
    given = parser.parse_args()
    from qkeras_hybrid import export_model, exporting, surrogate
    from qkeras_hybrid.bench.environment import machine, versions
    from qkeras_hybrid.engines.native import library
    from qkeras_hybrid.exporting.inputs import Signature

    model, x, y = trained(given.epochs)
    models = {name: with_engine(model, name) for name in ENGINES}
    exact = {name: each.predict(x, verbose=0) for name, each in models.items()}
    classical = surrogate(model, x)
    report = classical.surrogate_report
    signature = Signature.of(model)
    files, rows = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for kind, name in FORMATS.items():
            for quantize in (None, "int8"):
                path = Path(folder) / f"{quantize or 'float32'}_{name}"
                made = export_model(model, kind, path, x, labels=y, quantize=quantize)
                run = exporting.FORMATS.get(kind).load(path, signature)
                (found,) = run([x])
                row = {"format": kind, "numbers": quantize or "float32", "bytes": made.n_bytes}
                row |= {
                    f"worst_to_{engine}": float(np.abs(found - values).max())
                    for engine, values in exact.items()
                }
                assert made.accuracy is not None
                row |= {"accuracy": made.accuracy[1], "accuracy_of_model": made.accuracy[0]}
                rows.append(row)
                print(row, flush=True)
                files[kind if quantize is None else f"{kind}, int8"] = run
        timings = []
        for batch in given.batches:
            inputs = np.resize(x, (batch, x.shape[1]))
            calls = contenders(models, classical, files, inputs)
            seconds = medians(calls, given.rounds, given.in_a_row)
            timings.append({"batch": batch, "seconds": seconds})
            print(f"batches of {batch}:")
            for name, value in seconds.items():
                print(
                    f"  {name:28s} {1e6 * value / batch:10.2f} µs per sample, "
                    f"{value / seconds['onnx']:8.2f} times ONNX, "
                    f"{value / seconds['litert']:8.2f} times LiteRT",
                    flush=True,
                )
    if given.output is not None:
        packages = {name: importlib.metadata.version(name) for name in RUNTIMES}
        document = {
            "qubits": QUBITS,
            "layers": LAYERS,
            "epochs": given.epochs,
            "seed": SEED,
            "rounds": given.rounds,
            "calls_in_a_row": given.in_a_row,
            "test_samples": len(x),
            "backend": keras.backend.backend(),
            "machine": {**machine(), "instruction_set": library.instruction_set()},
            "versions": versions() | packages,
            "method": report.method,
            "numbers": report.size,
            "says": report.layers[0].says,
            "files": rows,
            "timings": timings,
        }
        given.output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
