"""The engine `example_name`: the contract of engines, and what it refuses."""

from __future__ import annotations

import json

import cirq
import keras
import numpy as np
import pytest
import sympy

from qkeras_hybrid import PQC, engines
from qkeras_hybrid.engines.example_name import ExampleNameEngine
from qkeras_hybrid.program import compile_circuit
from qkeras_hybrid.testing import assert_engine_conforms

NAME = "example_name"
QUBIT = cirq.LineQubit(0)
A = sympy.Symbol("a")


def test_it_keeps_the_contract_of_engines() -> None:
    assert_engine_conforms(ExampleNameEngine(), n_programs=1, n_qubits=3, n_operations=4)


def test_a_layer_computes_with_it() -> None:
    layer = PQC(cirq.Circuit(cirq.rx(A)(QUBIT)), ["Z", "Y"], inputs=[A], engine=NAME)
    x = np.array([[0.0], [0.4], [np.pi]], "float32")
    found = keras.ops.convert_to_numpy(layer(x))
    assert layer.engine == ExampleNameEngine()
    # The result is rounded to float32.
    np.testing.assert_allclose(found, np.hstack([np.cos(x), -np.sin(x)]), atol=1e-6)


def test_a_layer_without_an_engine_argument_takes_a_faster_one() -> None:
    layer = PQC(cirq.Circuit(cirq.rx(A)(QUBIT)), "Z", inputs=[A])
    layer.build((None, 1))
    assert layer.engine is not None
    assert layer.engine.name != NAME


def test_it_comes_back_from_its_config() -> None:
    config = keras.saving.serialize_keras_object(ExampleNameEngine())
    saved = json.loads(json.dumps(config))
    assert engines.get(saved) == engines.get(NAME) == ExampleNameEngine()


def test_it_refuses_what_it_cannot_do_before_it_takes_memory() -> None:
    engine = ExampleNameEngine()
    wide = compile_circuit(cirq.Circuit(cirq.X.on_each(*cirq.LineQubit.range(60))), "Z")
    assert "60 qubits need" in str(engine.refuses(wide.job()))
    small = compile_circuit(cirq.Circuit(cirq.X(QUBIT)), "Z")
    assert engine.refuses(small.job()) is None
    assert engine.refuses(small.job(shots=10)) == "it takes no `shots`"
    noisy = compile_circuit(cirq.Circuit(cirq.depolarize(0.1)(QUBIT)), "Z")
    assert engine.refuses(noisy.job()) == "it does not execute Channel instructions"
    with pytest.raises(ValueError, match="takes no `shots`"):
        PQC(cirq.Circuit(cirq.rx(A)(QUBIT)), "Z", inputs=[A], engine=NAME, shots=5).build((None, 1))
