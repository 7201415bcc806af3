"""The ansatz `example_name`: its unitary, its counts, and what it refuses."""

from __future__ import annotations

import functools
import json

import cirq
import keras
import numpy as np
import pytest
import sympy

from qkeras_hybrid import ArgumentError, PQCDense, ansatz
from qkeras_hybrid.ansatz.example_name import ExampleName
from qkeras_hybrid.testing import run_layer_test

NAME = "example_name"
PAULIS = {
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}


def by_hand(axis: str, weights: np.ndarray) -> np.ndarray:
    """Returns the unitary of layers on three qubits; `weights` has a row for each layer."""
    product = np.eye(8, dtype=complex)
    for layer in weights:
        turns = [np.cos(w / 2) * np.eye(2) - 1j * np.sin(w / 2) * PAULIS[axis] for w in layer]
        # The sign is -1 for each pair of neighbours that are both 1.
        signs = [(-1) ** ((k >> 2 & k >> 1 & 1) + (k >> 1 & k & 1)) for k in range(8)]
        product = np.diag(signs) @ functools.reduce(np.kron, turns) @ product
    return product


@pytest.mark.parametrize("axis", ["X", "Y", "Z"])
@pytest.mark.parametrize("n_layers", [1, 2])
def test_the_unitary_is_the_one_that_the_docstring_draws(axis: str, n_layers: int) -> None:
    qubits = cirq.LineQubit.range(3)
    weights = np.random.default_rng(0).uniform(-3, 3, (n_layers, 3))
    circuit = ExampleName(axis).circuit(qubits, weights.ravel().tolist(), n_layers)
    found = circuit.unitary(qubit_order=qubits)
    np.testing.assert_allclose(found, by_hand(axis, weights), atol=1e-7)


@pytest.mark.parametrize("n_qubits", [1, 2, 5])
def test_each_weight_is_used_once_in_order(n_qubits: int) -> None:
    template = ExampleName()
    symbols = sympy.symbols(f"w0:{template.n_weights(n_qubits, 3)}")
    circuit = template.circuit(cirq.LineQubit.range(n_qubits), symbols, 3)
    turned = [op.gate for op in circuit.all_operations() if len(op.qubits) == 1]
    assert len(turned) == 3 * n_qubits
    assert cirq.parameter_names(circuit) == {symbol.name for symbol in symbols}


def test_it_comes_back_from_its_config() -> None:
    template = ExampleName("Z")
    saved = json.loads(json.dumps(keras.saving.serialize_keras_object(template)))
    assert ansatz.get(saved) == template != ansatz.get(NAME) == ExampleName()


@pytest.mark.parametrize("axis", ["W", "y", "", None, 1, float("nan")])
def test_an_axis_that_does_not_exist_is_refused(axis: object) -> None:
    with pytest.raises(ArgumentError, match="`axis` must be one of 'X', 'Y', 'Z', but got"):
        ExampleName(axis)  # type: ignore[arg-type]


def test_counts_that_do_not_fit_are_refused() -> None:
    qubits = cirq.LineQubit.range(2)
    with pytest.raises(ArgumentError, match="`n_layers` must be a whole number of at least 1"):
        ExampleName().circuit(qubits, [], 0)
    with pytest.raises(ArgumentError, match="`weights` must be 2 for 2 qubits and 1 layers"):
        ExampleName().circuit(qubits, [0.1], 1)


def test_a_layer_with_it_keeps_the_contract() -> None:
    run_layer_test(PQCDense, {"units": 2, "n_qubits": 3, "ansatz": NAME}, (4, 3))
