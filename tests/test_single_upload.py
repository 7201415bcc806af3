"""Circuits that take each input once: a control of data re-uploading."""

from __future__ import annotations

from typing import Any

import cirq
import keras
import numpy as np
import pytest
import sympy

from qkeras_hybrid import PQCDense, QuantumEmbedding, QuantumKernel, encodings, testing
from qkeras_hybrid.bench import controls
from qkeras_hybrid.bench.derived import DoesNotApplyError, SingleUpload, single_upload
from qkeras_hybrid.bench.inspection import describe
from qkeras_hybrid.bench.models import build
from qkeras_hybrid.program import compile_circuit


def waves(layer: Any, n_features: int, feature: int) -> np.ndarray:
    """Returns how strong each frequency of a feature is, 0 first, over one period of it."""
    layer.build((None, n_features))
    # The scales are the random weights `s` of the encoding: at 0 all frequencies are whole.
    rng = np.random.default_rng(0)
    layer.assign_symbol_values(
        {name: rng.uniform(-2, 2) for name in layer.symbol_values()}
        | {name: 0.0 for name in scales(layer)}
    )
    x = np.tile(np.linspace(-0.7, 0.9, n_features), (32, 1))
    x[:, feature] = np.arange(32) * 2 * np.pi / 32
    values = keras.ops.convert_to_numpy(layer(x.astype(layer.dtype)))
    return np.abs(np.fft.rfft(values, axis=0)).max(axis=1) / 32


def scales(layer: Any) -> set[str]:
    """Returns the weights that are multiplied with an input somewhere."""
    inputs = set(layer.compiled.inputs)
    return {
        symbol.name
        for operation in layer.circuit.all_operations()
        if inputs & cirq.parameter_symbols(operation)
        for angle in [operation.gate.exponent if hasattr(operation.gate, "exponent") else 0]
        for term in sympy.Add.make_args(sympy.expand(angle))
        if term.free_symbols & inputs
        for symbol in term.free_symbols - inputs
    }


@pytest.mark.parametrize("n_qubits", [1, 2])
def test_only_the_first_frequency_is_left(n_qubits: int) -> None:
    layer = QuantumEmbedding(
        n_qubits, encoding=encodings.ReuploadingEncoding(4), dtype="float64", observables=["X0"]
    )
    once = SingleUpload(layer)
    # The check can fail: the circuit itself has waves up to the fourth.
    assert waves(layer, 1, 0)[2:5].max() > 1e-3
    found = waves(once, 1, 0)
    assert found[1] > 1e-3
    np.testing.assert_allclose(found[2:], 0.0, atol=1e-12)


def test_every_feature_enters_once_and_depth_stays() -> None:
    layer = QuantumEmbedding(2, encoding=encodings.ReuploadingEncoding(3))
    layer.build((None, 4))
    once = SingleUpload(layer)
    once.build((None, 4))
    for symbol in once.compiled.inputs:
        gates = [
            operation
            for operation in once.circuit.all_operations()
            if symbol in cirq.parameter_symbols(operation)
        ]
        assert len(gates) == 1
    count = [len(list(each.circuit.all_operations())) for each in (layer, once)]
    assert count[0] == count[1]
    # Two scales a feature are gone, those of the second and the third upload.
    assert len(layer.symbols) - len(once.symbols) == 8


def test_gates_keep_what_does_not_depend_on_the_input() -> None:
    q = cirq.LineQubit.range(2)
    x, a, b, c = sympy.symbols("x a b c")
    circuit = cirq.Circuit(
        cirq.rx(x)(q[0]), cirq.CZ(*q), cirq.ry(a * x + b)(q[1]), (cirq.CX ** (x + c))(*q)
    )
    once = single_upload(compile_circuit(circuit, "Z0", inputs=[x], weights=[a, b, c]))
    wanted = cirq.Circuit(cirq.rx(x)(q[0]), cirq.CZ(*q), cirq.ry(b)(q[1]), (cirq.CX**c)(*q))
    assert once.weights == (b, c)
    values = {"x": 0.4, "b": -1.2, "c": 0.3}
    np.testing.assert_allclose(
        cirq.unitary(cirq.resolve_parameters(once.circuit, values)),
        cirq.unitary(cirq.resolve_parameters(wanted, values)),
        atol=1e-7,  # Cirq's unitary of a circuit is made of complex64 parts
    )


def test_the_control_starts_from_the_weights_of_the_hybrid() -> None:
    dataset: Any = type(
        "Data", (), {"n_features": 2, "n_outputs": 1, "task": "regression", "image_shape": None}
    )
    hybrid = build({"name": "reuploading", "n_qubits": 2, "n_layers": 3}, dataset)
    control = controls.ALL["single_upload"](hybrid)
    ours, theirs = (model.layers[0].symbol_values() for model in (hybrid, control))
    assert set(theirs) < set(ours)
    assert all(theirs[name] == ours[name] for name in theirs)
    assert "SingleUpload(QuantumEmbedding" in describe(control)
    # At zero every input is the same in all uploads.
    zero = np.zeros((1, 2), "float32")
    np.testing.assert_allclose(control(zero), hybrid(zero), atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (lambda: PQCDense(2), "uses its inputs once"),
        (lambda: QuantumKernel(2, encoding="reuploading"), "kernel"),
    ],
)
def test_it_does_not_apply_without_uploads(layer: Any, reason: str) -> None:
    hybrid = keras.Sequential([keras.Input((2,)), layer(), keras.layers.Dense(1)])
    with pytest.raises(DoesNotApplyError, match=reason):
        controls.ALL["single_upload"](hybrid)


def test_the_layer_keeps_the_contract() -> None:
    layer = keras.saving.serialize_keras_object(QuantumEmbedding(2, encoding="reuploading"))
    testing.run_layer_test(SingleUpload, {"layer": layer}, (3, 2))
