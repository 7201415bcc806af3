"""Circuits from and to OpenQASM, Qiskit and TensorFlow Quantum, and Keras's companions."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cirq
import keras
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from qkeras_hybrid import PQC, PQCDense, QuantumEmbedding, engines, gradients
from qkeras_hybrid.interop import (
    from_qasm,
    from_qiskit,
    to_qasm,
    to_qiskit,
    tuned_pqc_dense,
)

Q = cirq.LineQubit.range(3)
A, B = sympy.symbols("a b")


def equal(first: np.ndarray, second: np.ndarray, atol: float = 1e-7) -> bool:
    """Whether two unitaries are the same up to a global phase."""
    return bool(cirq.equal_up_to_global_phase(first, second, atol=atol))


# OpenQASM.


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(["2.0", "3.0"]))
def test_a_circuit_comes_back_from_qasm(seed: int, version: str) -> None:
    circuit = cirq.testing.random_circuit(3, 8, 0.9, random_state=seed)
    text = to_qasm(circuit, version=version)
    assert text.splitlines()[2].startswith(f"OPENQASM {version}")
    back = from_qasm(text)
    names = [cirq.NamedQubit(f"q_{i}") for i in range(len(circuit.all_qubits()))]
    assert sorted(back.all_qubits()) == names
    # What Cirq writes has ten digits.
    assert equal(back.unitary(), circuit.unitary(), atol=1e-6)


def test_qasm_of_a_layer_holds_its_weights_and_a_sample() -> None:
    layer = PQC(cirq.Circuit(cirq.rx(A)(Q[0]), cirq.ry(2 * B)(Q[0])), "Z", inputs=[A])
    layer.build((None, 1))
    layer.set_weights([np.array([0.2])])
    back = from_qasm(to_qasm(layer.circuit, {A: 0.7, "b": 0.2}))
    state = cirq.Simulator(dtype=np.complex128).simulate(back).final_state_vector
    expected = layer(np.array([[0.7]]))[0, 0]
    assert abs(state[0]) ** 2 - abs(state[1]) ** 2 == pytest.approx(float(expected), abs=1e-5)


def test_qasm_without_a_value_for_a_symbol_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`values`.*including 'b'.*'a': 1"):
        to_qasm(cirq.Circuit(cirq.rx(A + B)(Q[0])), {"a": 1.0})
    with pytest.raises(ValueError, match=r"`version`.*2\.0.*3\.0.*but got '4'"):
        to_qasm(cirq.Circuit(cirq.X(Q[0])), version="4")


def test_measurements_at_the_end_of_qasm_are_left_out() -> None:
    head = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; h q[0]; '
    circuit = from_qasm(head + "measure q[0] -> c[0];")
    q = cirq.NamedQubit.range(2, prefix="q_")
    assert circuit == cirq.Circuit(cirq.H(q[0]), cirq.I(q[1]))
    with pytest.raises(ValueError, match="only measure at its end"):
        from_qasm(head + "measure q[0] -> c[0]; x q[0];")


def test_qasm_that_is_no_string_is_refused() -> None:
    with pytest.raises(ValueError, match="`text` must be OpenQASM as a string, but got 3"):
        from_qasm(3)  # type: ignore[arg-type]


# Qiskit.


def from_little_endian(matrix: np.ndarray, n_qubits: int) -> np.ndarray:
    order = [int(f"{i:0{n_qubits}b}"[::-1], 2) for i in range(2**n_qubits)]
    return matrix[np.ix_(order, order)]


def qiskit_unitary(circuit: Any) -> np.ndarray:
    from qiskit.quantum_info import Operator

    return from_little_endian(Operator(circuit).data, circuit.num_qubits)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31))
def test_a_cirq_circuit_is_the_same_in_qiskit(seed: int) -> None:
    gates = {**cirq.testing.DEFAULT_GATE_DOMAIN, cirq.FSimGate(0.3, 0.7): 2, cirq.CCX: 3}
    circuit = cirq.testing.random_circuit(Q, 8, 0.9, gate_domain=gates, random_state=seed)
    circuit.append(cirq.PauliStringPhasor(cirq.X(Q[0]) * cirq.Y(Q[1]) * cirq.Z(Q[2])) ** 0.3)
    # With its global phase, not up to one.
    np.testing.assert_allclose(qiskit_unitary(to_qiskit(circuit)), circuit.unitary(), atol=1e-7)


def test_symbols_become_parameters_and_come_back() -> None:
    circuit = cirq.Circuit(
        cirq.rx(2 * A + 0.1)(Q[0]),
        cirq.CZ(Q[0], Q[1]) ** B,
        cirq.ry(sympy.sin(A) * B)(Q[1]),
        cirq.rz(sympy.exp(A) / B)(Q[1]),
        (cirq.XX ** (A**2))(Q[0], Q[1]),
        cirq.ControlledGate(cirq.ry(A))(Q[1], Q[2]),
    )
    there = to_qiskit(circuit)
    assert [parameter.name for parameter in there.parameters] == ["a", "b"]
    values = {"a": 0.4, "b": -1.3}
    expected = cirq.resolve_parameters(circuit, values).unitary()
    bound = there.assign_parameters([values["a"], values["b"]])
    np.testing.assert_allclose(qiskit_unitary(bound), expected, atol=1e-7)
    back = from_qiskit(there)
    assert cirq.parameter_names(back) == {"a", "b"}
    assert equal(cirq.resolve_parameters(back, values).unitary(), expected)


def test_a_function_that_qiskit_does_not_have_is_named() -> None:
    with pytest.raises(ValueError, match="do not support Max"):
        to_qiskit(cirq.Circuit(cirq.rx(sympy.Max(A, B))(Q[0])))


@pytest.mark.parametrize("seed", range(8))
def test_a_qiskit_circuit_is_the_same_in_cirq(seed: int) -> None:
    from qiskit.circuit.random import random_circuit

    circuit = random_circuit(3, 6, max_operands=3, seed=seed)
    qubits = cirq.LineQubit.range(3)
    found = from_qiskit(circuit).unitary(qubits_that_should_be_present=qubits)
    assert equal(found, qiskit_unitary(circuit))


@pytest.mark.parametrize(
    "gate",
    ["rx", "ry", "rz", "p", "rxx", "ryy", "rzz", "rzx", "crx", "cry", "crz", "cp", "mcp", "r"],
)
def test_a_parameterized_gate_of_qiskit_is_the_same_in_cirq(gate: str) -> None:
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter

    circuit = QuantumCircuit(3)
    a = Parameter("a")
    qubits = {"mcp": ([0, 1], 2), "r": (0.3, 1)}.get(gate)
    if gate == "r":
        circuit.r(a, 0.3, 1)
    elif qubits:
        circuit.mcp(a, *qubits)
    elif gate in ("rx", "ry", "rz", "p"):
        getattr(circuit, gate)(2 * a + 0.1, 1)
    else:
        getattr(circuit, gate)(2 * a + 0.1, 2, 0)
    back = from_qiskit(circuit)
    assert cirq.parameter_names(back) == {"a"}
    for value in (0.4, -2.5):
        found = cirq.resolve_parameters(back, {"a": value})
        expected = qiskit_unitary(circuit.assign_parameters([value]))
        assert equal(found.unitary(qubits_that_should_be_present=Q), expected)


def test_a_qiskit_ansatz_becomes_a_layer_with_its_order_of_weights() -> None:
    from qiskit.circuit.library import efficient_su2
    from qiskit.quantum_info import SparsePauliOp, Statevector

    ansatz = efficient_su2(3, reps=2)
    names = [parameter.name for parameter in ansatz.parameters]
    weights = np.random.default_rng(0).normal(size=len(names))
    layer = PQC(from_qiskit(ansatz), ["Z0", "Z0*X2"], symbols=names, inputs=None)
    layer(np.zeros((1, 3)))  # an encoding of zeros changes nothing
    layer.set_weights([weights])
    state = Statevector(ansatz.assign_parameters(weights))
    # Qiskit's strings begin with the last qubit.
    expected = [state.expectation_value(SparsePauliOp(o)).real for o in ("IIZ", "XIZ")]
    np.testing.assert_allclose(np.array(layer(np.zeros((1, 3))))[0], expected, atol=1e-5)


def test_what_is_no_circuit_of_gates_is_refused() -> None:
    from qiskit import QuantumCircuit

    with pytest.raises(ValueError, match=r"`circuit` must be a qiskit.QuantumCircuit, but got 3"):
        from_qiskit(3)
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    assert list(from_qiskit(circuit).all_operations()) == [cirq.I(Q[0])]
    circuit.x(0)
    with pytest.raises(ValueError, match="'x' follows a measurement of qubit 0"):
        from_qiskit(circuit)
    circuit = QuantumCircuit(1)
    circuit.reset(0)
    with pytest.raises(ValueError, match="it contains 'reset'"):
        from_qiskit(circuit)


def test_without_qiskit_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "qiskit", None)
    with pytest.raises(ImportError, match=r"qkeras-hybrid\[qiskit\]"):
        to_qiskit(cirq.Circuit(cirq.X(Q[0])))


# TensorFlow Quantum's circuits as inputs.

tfq_only = pytest.mark.skipif(
    engines.status()["tfq"] != "available", reason="TensorFlow Quantum is not here"
)

# TFQ's layers need Keras 2, which a process can have in place of Keras 3. The circuits are those
# of its tutorials "Hello, many worlds", "MNIST classification" and "Quantum data".
THEIRS = """
import os
os.environ["TF_USE_LEGACY_KERAS"] = "1"
import sys
import cirq, numpy as np, tensorflow as tf, tensorflow_quantum as tfq
sys.path.insert(0, {tests!r})
from tfq_tutorials import TUTORIALS

found = {{}}
for name, make in TUTORIALS.items():
    data, circuit, operators, values = make()
    circuits = tfq.convert_to_tensor(data)
    layer = tfq.layers.PQC(circuit, operators)
    layer(circuits)
    weights = values[0]
    layer.set_weights([weights])
    with tf.GradientTape() as tape:
        outputs = layer(circuits)
    found[name + "_pqc"] = outputs.numpy()
    found[name + "_gradient"] = tape.gradient(outputs, layer.trainable_variables)[0].numpy()
    found[name + "_names"] = np.array([str(symbol) for symbol in layer.symbols])
    controlled = tfq.layers.ControlledPQC(circuit, operators)
    found[name + "_controlled"] = controlled([circuits, tf.constant(values)]).numpy()
np.savez({out!r}, **found)
"""


@pytest.fixture(name="theirs", scope="module")
def compute_theirs(
    tmp_path_factory: pytest.TempPathFactory, run_python: Callable[..., str]
) -> dict[str, np.ndarray]:
    out = tmp_path_factory.mktemp("theirs") / "found.npz"
    run_python(THEIRS.format(tests=str(Path(__file__).parent), out=str(out)))
    with np.load(out) as file:
        return dict(file)


@tfq_only
@pytest.mark.parametrize("name", ["many_worlds", "mnist", "quantum_data"])
def test_a_layer_takes_the_place_of_tfqs_pqc(name: str, theirs: dict[str, np.ndarray]) -> None:
    import tensorflow as tf
    import tensorflow_quantum as tfq

    from tfq_tutorials import TUTORIALS

    data, circuit, operators, values = TUTORIALS[name]()
    names = [str(symbol) for symbol in theirs[f"{name}_names"]]
    layer = PQC(circuit, operators, symbols=names)
    circuits = tfq.convert_to_tensor(data)
    layer(circuits)
    assert layer.engine.name == "tfq"
    layer.set_weights([values[0]])
    with tf.GradientTape() as tape:
        outputs = layer(circuits)
    np.testing.assert_allclose(outputs, theirs[f"{name}_pqc"], atol=2e-6)
    (gradient,) = tape.gradient(outputs, layer.trainable_variables)
    # TFQ's adjoint differentiates gates numerically in float32, at points half a turn apart for
    # the two, since the gates are not written the same.
    np.testing.assert_allclose(gradient, theirs[f"{name}_gradient"], atol=2e-3)


@tfq_only
@pytest.mark.parametrize("name", ["many_worlds", "mnist", "quantum_data"])
def test_a_layer_takes_the_place_of_tfqs_controlled_pqc(
    name: str, theirs: dict[str, np.ndarray]
) -> None:
    import tensorflow_quantum as tfq

    from tfq_tutorials import TUTORIALS

    data, circuit, operators, values = TUTORIALS[name]()
    layer = PQC(circuit, operators, inputs=sorted(cirq.parameter_names(circuit)))
    outputs = layer([tfq.convert_to_tensor(data), values])
    np.testing.assert_allclose(outputs, theirs[f"{name}_controlled"], atol=2e-6)
    assert not layer.weights


@tfq_only
def test_a_model_that_takes_circuits_trains_saves_and_loads(tmp_path: Path) -> None:
    import tensorflow_quantum as tfq

    data = [cirq.Circuit(cirq.ry(angle)(Q[0])) for angle in (0.1, 0.4, 2.8, 3.1)]
    circuits, labels = tfq.convert_to_tensor(data), np.array([1.0, 1.0, -1.0, -1.0])
    controls = np.ones((4, 2))
    first, second = keras.Input((), dtype="string"), keras.Input((2,))
    circuit = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.CNOT(Q[0], Q[1]), cirq.ry(B)(Q[1]))
    layer = PQC(circuit, "Z1", inputs=[A], qubits=Q[:2])
    model = keras.Model([first, second], layer([first, keras.layers.Dense(1)(second)]))
    assert model.output_shape == (None, 1)
    model.compile(keras.optimizers.Adam(0.1), "mse")
    history = model.fit([circuits, controls], labels, epochs=5, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(
        loaded.predict([circuits, controls], verbose=0),
        model.predict([circuits, controls], verbose=0),
    )


@tfq_only
def test_an_embedding_of_circuits_before_a_layer_is_an_encoding_in_it() -> None:
    qubits = cirq.GridQubit.rect(1, 3)
    circuit = cirq.Circuit(cirq.CNOT(qubits[0], qubits[1]), cirq.ry(B)(qubits[1]))
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    after = PQC(circuit, ["Z0", "X1*Z0"], qubits=qubits)
    found = after(QuantumEmbedding(3, encoding="angle", output="circuit")(x))
    inside = PQC(circuit, ["Z0", "X1*Z0"], qubits=qubits, engine="statevector")
    inside.build(x.shape)
    inside.set_weights(after.get_weights())
    np.testing.assert_allclose(found, inside(x), atol=1e-5)


@tfq_only
def test_a_batch_without_circuits_gives_an_empty_output() -> None:
    import tensorflow_quantum as tfq

    circuits = tfq.convert_to_tensor([cirq.Circuit(cirq.X(Q[0]))])
    layer = PQC(cirq.Circuit(cirq.ry(A)(Q[0])), ["Z", "X"])
    assert layer(circuits).shape == (1, 2)
    assert layer(circuits[:0]).shape == (0, 2)


@tfq_only
def test_circuits_that_a_layer_can_not_take_are_refused() -> None:
    import tensorflow_quantum as tfq

    circuits = tfq.convert_to_tensor([cirq.Circuit(cirq.X(Q[0]))] * 2)
    circuit = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.rx(B)(Q[0]))
    with pytest.raises(ValueError, match=r"own gradient, but got ParameterShift"):
        PQC(circuit, "Z", differentiator=gradients.ParameterShift())(circuits)
    with pytest.raises(ValueError, match=r"a value for each of .*a.*but got no values"):
        PQC(circuit, "Z", inputs=[A])(circuits)
    with pytest.raises(ValueError, match="but got 3 values"):
        PQC(circuit, "Z", inputs=[A])([circuits, np.ones((2, 3))])
    with pytest.raises(ValueError, match=r"has no `inputs` for the 3 values"):
        PQC(circuit, "Z")([circuits, np.ones((2, 3))])
    with pytest.raises(ValueError, match=r"values of shape \(batch, 1\)"):
        PQC(circuit, "Z", inputs=[A])([circuits, np.ones((2,))])
    named = cirq.Circuit(cirq.ry(A)(cirq.NamedQubit("n")))
    with pytest.raises(ValueError, match=r"cirq.GridQubit or cirq.LineQubit.*but got .*'n'"):
        PQC(named, "Z")(circuits)
    layer = PQC(circuit, "Z")
    layer(circuits)
    with pytest.raises(ValueError, match=r"built for inputs of circuits, but got numbers"):
        layer(np.ones((2, 3)))


# Keras's companions.


@pytest.mark.slow  # the guide on scikit-learn does the same, and its code runs each time
def test_a_hybrid_model_is_a_classifier_of_scikit_learn() -> None:
    from sklearn.datasets import load_iris
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def build(X: Any, y: Any, n_layers: int = 1) -> keras.Model:
        model = keras.Sequential(
            [
                keras.Input((X.shape[1],)),
                PQCDense(3, n_qubits=4, n_layers=n_layers),
                keras.layers.Dense(y.shape[1], activation="softmax"),
            ]
        )
        model.compile(keras.optimizers.Adam(0.05), "categorical_crossentropy")
        return model

    x, y = load_iris(return_X_y=True)
    keras.utils.set_random_seed(0)
    classifier = keras.wrappers.SKLearnClassifier(build)
    pipeline = make_pipeline(StandardScaler(), classifier)
    name = "sklearnclassifier__model_kwargs"
    search = GridSearchCV(pipeline, {name: [{"n_layers": 2}]}, cv=2)
    # To `fit`: Keras's wrapper loses its `fit_kwargs` when scikit-learn clones it.
    search.fit(x, y, sklearnclassifier__epochs=8, sklearnclassifier__verbose=0)
    layer = search.best_estimator_["sklearnclassifier"].model_.layers[0]
    assert layer.n_layers == 2
    # Better than the most frequent class, with which a model that learned nothing is content.
    assert search.score(x, y) > 0.6


def test_keras_tuner_searches_circuits(tmp_path: Path) -> None:
    import keras_tuner

    def build(hp: Any) -> keras.Model:
        layer = tuned_pqc_dense(hp, 2, max_qubits=3, max_layers=2)
        model = keras.Sequential([keras.Input((2,)), layer, keras.layers.Dense(1)])
        model.compile("adam", "mse")
        return model

    tuner = keras_tuner.RandomSearch(
        build, objective="val_loss", max_trials=2, seed=0, directory=tmp_path, overwrite=True
    )
    x = np.random.default_rng(0).normal(size=(16, 2)).astype("float32")
    tuner.search(x, x[:, :1], validation_data=(x, x[:, :1]), epochs=1, verbose=0)
    found = tuner.get_best_hyperparameters()[0].values
    assert set(found) == {f"quantum_{n}" for n in ("n_qubits", "n_layers", "encoding", "ansatz")}
    assert 2 <= found["quantum_n_qubits"] <= 3
    layer = tuner.get_best_models()[0].layers[0]
    assert layer.program.n_qubits == found["quantum_n_qubits"]


def test_a_search_space_has_qubits_enough_for_its_units() -> None:
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    assert tuned_pqc_dense(hp, 8).n_qubits == 4
    with pytest.raises(ValueError, match=r"`max_qubits` must be at least 4 for 8 units.*got 3"):
        tuned_pqc_dense(hp, 8, max_qubits=3)
    with pytest.raises(ValueError, match=r"`max_qubits`.*but got 0"):
        tuned_pqc_dense(hp, 2, max_qubits=0)
