"""Trains the two models of the page "Draw a digit" and exports them: `python docs/digits/make.py`.

Beside this file it writes `hybrid.onnx`, `dense.onnx` and `models.json`: the circuit's gates and
what the models score on the test part.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cirq
import keras
import sympy
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from qkeras_hybrid import PQCDense, export_model

HERE = Path(__file__).resolve().parent
SEED = 0
N_QUBITS = 8
EPOCHS = 60


def main() -> None:
    """Trains, exports and writes."""
    data = load_digits()
    # As the page makes them: from 0 for white to 1 for black.
    x, y = (data.data / 16.0).astype("float32"), data.target
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=0.25, random_state=SEED, stratify=y
    )
    # One of each digit, from the test part.
    first = [x_test[y_test == digit][0] for digit in range(10)]
    examples = [(16 * image).astype(int).tolist() for image in first]
    about: dict[str, Any] = {
        "test_samples": len(x_test),
        "qubits": N_QUBITS,
        "examples": examples,
    }
    for name in ("hybrid", "dense"):
        # Before any layer is made: its initializer draws a seed then.
        keras.utils.set_random_seed(SEED)
        if name == "hybrid":
            middle = PQCDense(N_QUBITS, n_qubits=N_QUBITS, n_layers=3, name="values")
        else:  # as many parameters: 72
            middle = keras.layers.Dense(N_QUBITS, activation="tanh", name="values")
        model = build(middle)
        model.fit(x_train, y_train, epochs=EPOCHS, batch_size=32, verbose=2)
        shown = keras.Model(
            model.input, [model.output, middle.output, model.get_layer("angles").output]
        )
        shown.optimizer = model.optimizer  # it says that the model was trained
        report = export_model(
            shown, "onnx", HERE / f"{name}.onnx", x_test, labels=y_test, overwrite=True
        )
        print(report)
        assert report.accuracy is not None
        about[name] = {"accuracy": report.accuracy[1], "parameters": model.count_params()}
        if isinstance(middle, PQCDense):
            about["gates"] = gates(middle)
    text = json.dumps(about, separators=(",", ":"))
    (HERE / "models.json").write_text(text + "\n", encoding="utf-8")


def build(middle: keras.Layer) -> keras.Model:
    """Returns a compiled model of 64 pixels with a layer in its middle."""
    pixels = keras.Input((64,), name="pixels")
    angles = keras.layers.Dense(N_QUBITS, activation="tanh", name="angles")(pixels)
    classes = keras.layers.Dense(10, activation="softmax", name="classes")(middle(angles))
    model = keras.Model(pixels, classes)
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.02, 43 * EPOCHS)),
        "sparse_categorical_crossentropy",
    )
    return model


def gates(layer: PQCDense) -> list[list[Any]]:
    """Returns a circuit's gates in order: a name, the qubits, the number of the input or None."""
    place = {qubit: i for i, qubit in enumerate(layer.compiled.qubits)}
    found = []
    for operation in layer.circuit.all_operations():
        names = [str(symbol) for symbol in sympy.sympify(operation.gate.exponent).free_symbols]
        inputs = [int(name[1:]) for name in names if name.startswith("x")]
        label = "cx" if isinstance(operation.gate, cirq.CXPowGate) else str(operation.gate)[:2]
        qubits = [place[qubit] for qubit in operation.qubits]
        found.append([label, qubits, inputs[0] if inputs else None])
    return found


if __name__ == "__main__":
    main()
