"""Controls: what each takes from a hybrid model, and the mathematics of what it puts there."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import cirq
import hypothesis
import hypothesis.strategies as st
import keras
import numpy as np
import pytest
import sympy
from keras import ops

from qkeras_hybrid import (
    PQC,
    PQCDense,
    QuantumEmbedding,
    QuantumKernel,
    bench,
    compile_circuit,
    engines,
    testing,
)
from qkeras_hybrid.bench import controls, dense_widths, inspection
from qkeras_hybrid.bench.controls import CONTROLS, controls_for, inapplicable
from qkeras_hybrid.bench.derived import (
    DoesNotApplyError,
    EncodingWithoutEntanglement,
    FourierFeatures,
    RandomFourierFeatures,
    WaveTrain,
    WithoutEntanglement,
    frequencies,
    without_entanglement,
)
from qkeras_hybrid.bench.inspection import trainable_parameters
from qkeras_hybrid.encodings import IQPEncoding, ReuploadingEncoding
from qkeras_hybrid.program import AngleTable
from qkeras_hybrid.readouts import Probabilities, Readout

Layer = keras.layers.Layer


def sequential(*layers: Layer, features: int = 4) -> keras.Model:
    return keras.Sequential([keras.Input((features,)), *layers])


def hybrid(n_qubits: int = 2, n_layers: int = 1, features: int = 4, **options: Any) -> keras.Model:
    return sequential(
        keras.layers.Dense(n_qubits, activation="tanh"),
        PQCDense(n_qubits, n_layers=n_layers, **options),
        keras.layers.Dense(3, activation="softmax"),
        features=features,
    )


def bell_like() -> cirq.Circuit:
    return cirq.Circuit(cirq.rx(sympy.Symbol("w"))(cirq.q(0)), cirq.CNOT(cirq.q(0), cirq.q(1)))


def functional() -> keras.Model:
    """Two inputs, two quantum layers beside each other, and one after both."""
    first, second = keras.Input((3,), name="first"), keras.Input((2, 2), name="second")
    a = PQC(bell_like(), ["Z", "X0"], name="a")(keras.layers.Dense(2)(first))
    b = PQCDense(2, n_layers=1, name="b")(keras.layers.Flatten()(second))
    both = keras.layers.Concatenate()([a, b])
    last = PQCDense(2, n_layers=1, name="last")(keras.layers.Dense(2)(both))
    return keras.Model({"first": first, "second": second}, keras.layers.Dense(1)(last))


def nested() -> keras.Model:
    """A quantum layer in a model in a model, and one for each step of a sequence."""
    inner = keras.Sequential([keras.Input((2,)), PQCDense(2, n_layers=1), keras.layers.Dense(2)])
    return keras.Sequential(
        [
            keras.Input((3, 2)),
            keras.layers.TimeDistributed(inner),
            keras.layers.TimeDistributed(PQCDense(3, n_layers=1)),
            keras.layers.Flatten(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )


HYBRIDS = {"sequential": hybrid, "functional": functional, "nested": nested}


def samples(model: keras.Model, n: int = 5) -> Any:
    rng = np.random.default_rng(0)

    def draw(tensor: Any) -> np.ndarray:
        return rng.normal(size=(n, *tensor.shape[1:])).astype("float32")

    if isinstance(model, keras.Sequential):
        return draw(model.inputs[0])
    return keras.tree.map_structure(draw, model.input)


# What all controls have in common.


@pytest.mark.parametrize("name", HYBRIDS)
def test_every_control_has_the_hybrids_inputs_and_outputs_and_trains(name: str) -> None:
    model = HYBRIDS[name]()
    x = samples(model)
    expected = model(x)
    made = controls_for(model)
    assert list(made) == list(CONTROLS)
    assert inapplicable(model) == {}
    before = [weight.copy() for weight in model.get_weights()]
    for control in made.values():
        assert control(x).shape == expected.shape
        control.compile("sgd", "mse")
        history = control.fit(x, np.zeros(expected.shape, "float32"), epochs=1, verbose=0)
        assert math.isfinite(history.history["loss"][0])
    # Controls share nothing with the hybrid: it is as it was.
    for weight, was in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, was)


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("name", HYBRIDS)
def test_a_control_is_saved_and_loaded(control: str, name: str, tmp_path: Path) -> None:
    model = CONTROLS[control](HYBRIDS[name]())
    x = samples(model)
    model.save(tmp_path / "control.keras")
    loaded = keras.models.load_model(tmp_path / "control.keras")
    # The same computation, perhaps in another order of float32 additions.
    np.testing.assert_allclose(loaded(x), model(x), atol=1e-5)
    assert trainable_parameters(loaded) == trainable_parameters(model)


@pytest.mark.parametrize("control", ["dense_same_width", "linear", "frozen_circuit"])
def test_only_quantum_layers_are_replaced(control: str) -> None:
    model = hybrid()
    other = CONTROLS[control](model)
    for layer, its in zip(model.layers, other.layers, strict=True):
        assert its is not layer
        assert its.name == layer.name
        if not isinstance(layer, PQCDense):
            assert type(its) is type(layer)
            assert its.get_config() == layer.get_config()
            for weight, copied in zip(layer.get_weights(), its.get_weights(), strict=True):
                np.testing.assert_array_equal(weight, copied)


@pytest.mark.parametrize("name", HYBRIDS)
@pytest.mark.parametrize(
    "control", ["dense_same_parameters", "dense_same_width", "linear", "fourier_features"]
)
def test_classical_controls_have_no_quantum_layer(control: str, name: str) -> None:
    made = CONTROLS[control](HYBRIDS[name]())
    assert inspection.quantum_layers(made) == []
    assert inspection.engine_name(made) is None


@pytest.mark.parametrize("name", HYBRIDS)
def test_all_quantum_layers_are_found(name: str) -> None:
    count = {"sequential": 1, "functional": 3, "nested": 2}[name]
    assert len(inspection.quantum_layers(HYBRIDS[name]())) == count
    assert len(inspection.quantum_layers(controls.no_entanglement(HYBRIDS[name]()))) == count


@pytest.mark.parametrize("control", CONTROLS)
def test_a_model_without_a_quantum_layer_has_no_controls(control: str) -> None:
    with pytest.raises(ValueError, match=r"must have a quantum layer.*Dense\(2, linear\)"):
        CONTROLS[control](sequential(keras.layers.Dense(2)))


class Subclassed(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.quantum = PQCDense(2)

    def call(self, x: Any) -> Any:
        return self.quantum(x)


class Holder(Layer):
    def __init__(self) -> None:
        super().__init__()
        self.quantum = PQCDense(2)

    def call(self, x: Any) -> Any:
        return self.quantum(x)


@pytest.mark.parametrize("control", CONTROLS)
def test_a_model_that_can_not_be_taken_apart_is_refused(control: str) -> None:
    with pytest.raises(ValueError, match=r"Sequential or functional model.*keras\.Input"):
        CONTROLS[control](Subclassed())
    with pytest.raises(ValueError, match=r"Sequential or functional model that is built"):
        CONTROLS[control](keras.Sequential([PQCDense(2)]))


def test_a_quantum_layer_out_of_reach_is_a_reason() -> None:
    model = sequential(Holder(), keras.layers.Dense(2))
    reasons = inapplicable(model)
    assert set(reasons) == set(CONTROLS) - {"dense_same_parameters"}
    assert all("(Holder) can't be replaced" in reason for reason in reasons.values())
    assert set(controls_for(model)) == {"dense_same_parameters"}


def test_a_circuit_that_can_not_be_copied_is_a_reason() -> None:
    class OfOnesOwn(cirq.Gate):
        def _num_qubits_(self) -> int:
            return 1

        def _unitary_(self) -> np.ndarray:
            return np.diag([1, 1j])

    x, w = sympy.symbols("x w")
    q = cirq.LineQubit.range(2)
    # Cirq's JSON has no gates of a user's.
    circuit = cirq.Circuit(cirq.rx(x + w)(q[0]), cirq.CNOT(*q), OfOnesOwn()(q[1]))
    model = sequential(PQC(circuit, "Z", inputs=[x]), keras.layers.Dense(1), features=1)
    reasons = inapplicable(model)
    assert set(reasons) == {"frozen_circuit", "no_entanglement", "fourier_features"}
    assert all("can't be copied" in reason for reason in reasons.values())
    assert controls_for(model)["linear"](np.ones((2, 1), "float32")).shape == (2, 1)


def test_states_have_no_classical_substitute() -> None:
    embedding = QuantumEmbedding(2, output="state", engine="statevector")
    inputs = keras.Input((2,))
    model = keras.Model(inputs, ops.absolute(embedding(inputs)))
    reasons = inapplicable(model)
    assert set(reasons) == {"dense_same_parameters", "dense_same_width", "linear"} | {
        "frozen_circuit",
        "fourier_features",
    }
    assert "Nothing trains" in reasons["dense_same_parameters"]
    assert "returns states" in reasons["linear"]
    assert "frozen already" in reasons["frozen_circuit"]
    assert controls_for(model)["no_entanglement"](np.ones((3, 2), "float32")).shape == (3, 4)


def test_controls_are_exported() -> None:
    assert bench.controls_for is controls_for


# (a) The same number of parameters.


def brute_force(target: int, n_features: int, n_outputs: int) -> set[tuple[int, ...]]:
    """All hidden widths, one layer or two, that come within 5 % of the target."""

    def fits(*widths: int) -> bool:
        model = [n_features, *widths, n_outputs]
        count = sum((a + 1) * b for a, b in itertools.pairwise(model))
        return abs(count - target) <= 0.05 * target

    upto = range(1, target + 1)
    one: set[tuple[int, ...]] = {(a,) for a in upto if fits(a)}
    return one or {(a, b) for a in upto for b in upto if fits(a, b)}


@hypothesis.settings(max_examples=60)
@hypothesis.given(st.integers(1, 220), st.integers(1, 20), st.integers(2, 6))
def test_dense_widths_against_all_there_are(target: int, n_features: int, n_outputs: int) -> None:
    found = dense_widths.dense_widths(target, n_features, n_outputs)
    within = brute_force(target, n_features, n_outputs)
    if within:
        assert found in within
        assert min(found) == max(min(widths) for widths in within) or len(found) == 1
    else:
        smallest = dense_widths.dense_parameters((1, 1), n_features, n_outputs)
        miss = abs(dense_widths.dense_parameters(found, n_features, n_outputs) - target)
        assert miss > 0.05 * target
        assert miss <= abs(smallest - target)


def test_dense_parameters_are_what_keras_counts() -> None:
    model = sequential(*(keras.layers.Dense(width) for width in (4, 5, 3)), features=7)
    assert dense_widths.dense_parameters((4, 5), 7, 3) == model.count_params()


@pytest.mark.parametrize("features", [4, 13, 64, 784])
@pytest.mark.parametrize("size", [(2, 1), (4, 2), (6, 3)])
def test_the_matched_network_is_within_5_percent(features: int, size: tuple[int, int]) -> None:
    model = hybrid(*size, features=features)
    matched = controls.same_parameters(model)
    assert trainable_parameters(matched) == pytest.approx(trainable_parameters(model), rel=0.05)
    assert matched.input_shape == model.input_shape
    *hidden, last = matched.layers[1:]
    assert {layer.activation for layer in hidden} == {keras.activations.tanh}
    assert last.activation is keras.activations.softmax


@pytest.mark.parametrize("name", HYBRIDS)
def test_inputs_of_any_rank_and_number_are_flattened(name: str) -> None:
    model = HYBRIDS[name]()
    matched = controls.same_parameters(model)
    assert trainable_parameters(matched) == pytest.approx(trainable_parameters(model), rel=0.05)


def test_outputs_of_more_axes_keep_their_shape_and_softmax_its_axis() -> None:
    model = keras.Sequential(
        [keras.Input((3, 4)), PQCDense(2), keras.layers.Dense(5, activation="softmax")]
    )
    matched = controls.same_parameters(model)
    assert matched.output_shape == (None, 3, 5)
    outputs = ops.convert_to_numpy(matched(samples(matched)))
    np.testing.assert_allclose(outputs.sum(axis=-1), 1.0, atol=1e-6)


def test_a_frozen_trunk_stays_and_is_not_counted() -> None:
    model = sequential(
        keras.layers.Dense(30, activation="relu", trainable=False),
        keras.layers.Dense(2),
        PQCDense(2),
        keras.layers.Softmax(),
    )
    matched = controls.same_parameters(model)
    trunk = matched.layers[1]
    np.testing.assert_array_equal(trunk.get_weights()[0], model.layers[0].get_weights()[0])
    assert not trunk.trainable
    assert trainable_parameters(matched) == pytest.approx(trainable_parameters(model), rel=0.05)
    assert matched.layers[-1].activation is keras.activations.softmax


def test_several_outputs_have_no_matched_network() -> None:
    inputs = keras.Input((2,))
    model = keras.Model(inputs, [PQCDense(2)(inputs), keras.layers.Dense(1)(inputs)])
    with pytest.raises(DoesNotApplyError, match="2 outputs"):
        controls.same_parameters(model)


def test_an_axis_of_unknown_length_has_no_matched_network() -> None:
    model = keras.Sequential([keras.Input((None, 2)), PQCDense(2)])
    with pytest.raises(DoesNotApplyError, match="unknown length"):
        controls.same_parameters(model)


# (b) The same width, (c) linear.


@pytest.mark.parametrize("output", ["expectation", "probabilities"])
def test_the_dense_layer_returns_what_the_quantum_layer_could(output: str) -> None:
    model = sequential(QuantumEmbedding(2, output=output), keras.layers.Dense(1))
    (dense, _) = controls.same_width(model).layers
    expected = {"expectation": (2, "tanh"), "probabilities": (4, "softmax")}[output]
    assert (dense.units, keras.activations.serialize(dense.activation)) == expected


def test_features_pass_where_the_widths_agree() -> None:
    model = sequential(PQCDense(4, n_layers=1), keras.layers.Dense(1))
    straight = controls.linear(model)
    x = samples(model)
    kernel, bias = model.layers[-1].get_weights()
    np.testing.assert_allclose(straight(x), x @ kernel + bias, atol=1e-5)


def test_another_width_takes_a_linear_map() -> None:
    straight = controls.linear(sequential(PQCDense(3), keras.layers.Dense(1)))
    assert inspection.describe(straight) == "Dense(3, linear) > Dense(1, linear)"


# (d) Frozen.


@pytest.mark.parametrize("name", HYBRIDS)
def test_frozen_circuits_have_no_trainable_weight(name: str) -> None:
    model = HYBRIDS[name]()
    frozen = controls.frozen_circuit(model)
    layers = inspection.quantum_layers(frozen)
    assert sum(len(layer.trainable_variables) for layer in layers) == 0
    in_circuits = sum(len(layer.symbols) for layer in inspection.quantum_layers(model))
    assert trainable_parameters(model) - trainable_parameters(frozen) == in_circuits
    for layer, its in zip(inspection.quantum_layers(model), layers, strict=True):
        assert its.compiled == layer.compiled


def test_frozen_weights_are_uniform_on_the_circle_and_follow_the_seed() -> None:
    model = hybrid(n_qubits=6, n_layers=60)

    def drawn(seed: int) -> np.ndarray:
        keras.utils.set_random_seed(seed)
        (layer,) = inspection.quantum_layers(controls.frozen_circuit(model))
        return np.asarray(layer.get_weights()[0])

    weights = drawn(0)
    np.testing.assert_array_equal(weights, drawn(0))
    assert (weights != drawn(1)).all()
    assert np.abs(weights).max() <= math.pi
    # Five standard errors of the mean and of the mean square of 1080 uniform numbers.
    assert weights.mean() == pytest.approx(0, abs=5 * math.pi / math.sqrt(3 * 1080))
    assert (weights**2).mean() == pytest.approx(
        math.pi**2 / 3, abs=5 * math.pi**2 * math.sqrt(4 / 45 / 1080)
    )


# (e) Without entanglement.


def purities(layer: Any, n_features: int) -> np.ndarray:
    """The purity of each qubit's state, for random features and weights: 1 in product states."""
    compiled = layer.compiled
    rng = np.random.default_rng(0)
    features = rng.normal(size=(4, n_features)).astype("float32")
    weights = rng.uniform(-3, 3, len(compiled.weights)).astype("float32")
    angles = layer.encode(ops.convert_to_tensor(features))
    states = engines.get("statevector").state(compiled, angles, weights)
    found = []
    for state in ops.convert_to_numpy(states):
        tensor = state.reshape((2,) * compiled.n_qubits)
        for qubit in range(compiled.n_qubits):
            rows = np.moveaxis(tensor, qubit, 0).reshape(2, -1)
            reduced = rows @ rows.conj().T
            found.append(np.trace(reduced @ reduced).real)
    return np.array(found)


ENTANGLING = {
    "strongly": lambda: PQCDense(3, n_layers=2),
    "iqp": lambda: PQCDense(3, encoding="iqp", ansatz="two_local"),
    "zz": lambda: QuantumEmbedding(3, encoding="zz"),
    "amplitude": lambda: QuantumEmbedding(3, encoding="amplitude", output="probabilities"),
    "hamiltonian": lambda: QuantumEmbedding(4, encoding="hamiltonian"),
    "reuploading": lambda: QuantumEmbedding(3, encoding="reuploading"),
    "qcnn": lambda: PQCDense(1, n_qubits=4, ansatz="qcnn"),
    "mps": lambda: PQCDense(3, ansatz="mps"),
    "sim14": lambda: PQCDense(3, ansatz="sim14"),
}


@pytest.mark.parametrize("name", ENTANGLING)
def test_without_entanglement_the_state_is_a_product(name: str) -> None:
    original: Any = ENTANGLING[name]()
    original.build((None, 3))
    apart = WithoutEntanglement(original)
    apart.build((None, 3))
    # The check can fail: the circuit itself entangles.
    assert purities(original, 3).min() < 0.99
    # float32 over some tens of gates.
    np.testing.assert_allclose(purities(apart, 3), 1.0, atol=1e-4)
    assert all(len(operation.qubits) == 1 for operation in apart.circuit.all_operations())
    assert apart.compiled.qubits == original.compiled.qubits
    assert apart.compiled.inputs == original.compiled.inputs
    assert apart.compiled.readout == original.compiled.readout
    assert set(apart.symbols) <= set(original.symbols)


def test_gates_on_one_qubit_stay_in_order_and_lost_weights_vanish() -> None:
    q = cirq.LineQubit.range(3)
    x, a, b, c, d = sympy.symbols("x a b c d")
    circuit = cirq.Circuit(
        cirq.rx(x)(q[0]),
        (cirq.CZ**b)(q[0], q[1]),
        cirq.ry(d)(q[1]),
        cirq.ControlledGate(cirq.rx(c))(q[0], q[1]),
        cirq.H(q[1]),
        cirq.ISWAP(q[0], q[2]),
        (cirq.Z**a)(q[0]),
        (cirq.CX**x)(q[0], q[1]),
    )
    program = compile_circuit(circuit, ["Z0", "Z2"], inputs=[x], weights=[a, b, c, d])
    apart = without_entanglement(program)
    assert apart.circuit == cirq.Circuit(
        cirq.I(q[2]), cirq.rx(x)(q[0]), cirq.ry(d)(q[1]), cirq.H(q[1]), (cirq.Z**a)(q[0])
    )
    assert apart.weights == (a, d)


def test_products_of_features_stay_as_turns_of_each_qubit() -> None:
    layer = QuantumEmbedding(2, encoding="iqp", observables=["X0", "Y1"])
    layer.build((None, 2))
    apart = WithoutEntanglement(layer)
    x = np.array([[0.3, -1.1], [2.0, 0.4]], "float32")
    # A Hadamard, then a phase of x_j and one of x_0 x_1.
    phases = x + x[:, :1] * x[:, 1:]
    expected = np.stack([np.cos(phases[:, 0]), np.sin(phases[:, 1])], axis=1)
    np.testing.assert_allclose(apart(x), expected, atol=1e-6)


def test_a_pauli_product_of_any_sign_turns_each_qubit() -> None:
    q, x = cirq.LineQubit.range(2), sympy.Symbol("x")
    string = -1 * cirq.X(q[0]) * cirq.Y(q[1])
    circuit = cirq.Circuit(
        cirq.PauliStringPhasor(string, exponent_neg=x / sympy.pi, exponent_pos=-x / sympy.pi)
    )
    apart = without_entanglement(compile_circuit(circuit, ["Z0", "Y0"], inputs=[x]))
    expected = cirq.Circuit(cirq.rx(-2 * x)(q[0]), cirq.ry(-2 * x)(q[1]))
    values = {"x": 0.7}
    cirq.testing.assert_allclose_up_to_global_phase(
        cirq.unitary(cirq.resolve_parameters(apart.circuit.unfreeze(), values)),
        cirq.unitary(cirq.resolve_parameters(expected, values)),
        atol=1e-6,
    )


class Block(cirq.Gate):
    """A gate of someone's own: a rotation, then a CNOT."""

    def _num_qubits_(self) -> int:
        return 2

    def _decompose_(self, qubits: Any) -> Any:
        yield cirq.ry(0.4)(qubits[1])
        yield cirq.CNOT(*qubits)


def test_gates_of_ones_own_and_subcircuits_are_taken_apart() -> None:
    q, w = cirq.LineQubit.range(2), sympy.Symbol("w")
    part = cirq.FrozenCircuit(cirq.rx(w)(q[0]), cirq.CNOT(*q))
    twice = cirq.CircuitOperation(part, use_repetition_ids=False).repeat(2)
    circuit = cirq.Circuit(Block()(*q), twice, cirq.ParallelGate(cirq.H, 2)(*q))
    apart = without_entanglement(compile_circuit(circuit, "Z"))
    assert apart.circuit == cirq.Circuit(
        cirq.ry(0.4)(q[1]), cirq.rx(w)(q[0]), cirq.rx(w)(q[0]), cirq.H.on_each(*q)
    )


def test_weights_of_the_kept_gates_start_from_the_hybrids() -> None:
    model = sequential(PQCDense(3, ansatz="sim14", n_layers=1), keras.layers.Dense(1))
    (layer,) = inspection.quantum_layers(model)
    (apart,) = inspection.quantum_layers(controls.no_entanglement(model))
    theirs = dict(zip(layer.symbols, layer.get_weights()[0], strict=True))
    assert 0 < len(apart.symbols) < len(layer.symbols)
    np.testing.assert_array_equal(
        apart.get_weights()[0], [theirs[symbol] for symbol in apart.symbols]
    )


def test_a_circuit_without_entangling_gates_has_no_such_control() -> None:
    model = sequential(QuantumEmbedding(2, encoding="angle"), keras.layers.Dense(1))
    with pytest.raises(DoesNotApplyError, match="on two or more qubits"):
        controls.no_entanglement(model)


def test_the_layer_without_entanglement_keeps_the_contract() -> None:
    layer = keras.saving.serialize_keras_object(PQCDense(2, n_layers=1))
    testing.run_layer_test(WithoutEntanglement, {"layer": layer}, (3, 2))


def test_arguments_of_the_layer_are_taken_over() -> None:
    layer = PQCDense(2, engine="statevector", dtype="float64", name="circuit", trainable=False)
    apart = WithoutEntanglement(layer)
    assert (apart.name, apart.dtype, apart.trainable) == ("circuit", "float64", False)
    apart.build((None, 2))
    assert apart.engine is not None
    assert apart.engine.name == "statevector"
    with pytest.raises(ValueError, match="must be a quantum layer"):
        WithoutEntanglement(keras.layers.Dense(2))  # type: ignore[arg-type]


# (f) Fourier features.


def least_squares(layer: Any, fourier: Any, x: np.ndarray) -> float:
    """The largest error of the best fit of a layer's outputs in the other's waves."""
    y = ops.convert_to_numpy(layer(x))
    waves = ops.convert_to_numpy(fourier.features(x))
    columns = np.hstack([waves, np.ones((len(x), 1))])
    fit, *_ = np.linalg.lstsq(columns, y, rcond=None)
    return float(np.abs(columns @ fit - y).max())


@pytest.mark.parametrize("repeats", [1, 2, 3])
def test_a_circuit_of_one_qubit_is_a_fourier_series_of_its_uploads(repeats: int) -> None:
    q, x = cirq.LineQubit(0), sympy.Symbol("x")
    weights = sympy.symbols("w0:4")
    circuit = cirq.Circuit(
        [[cirq.rx(x)(q), cirq.ry(weights[i])(q)] for i in range(repeats)],
    )
    layer = PQC(
        circuit,
        ["Z", "Y"],
        inputs=[x],
        dtype="float64",
        weight_initializer=keras.initializers.RandomUniform(0.5, 2.0, seed=1),
    )
    values = np.linspace(-5, 5, 60)[:, None]
    layer(values)
    found = list(frequencies(layer.compiled))
    assert found == [(float(k),) for k in range(1, repeats + 1)]
    fourier = FourierFeatures(layer, dtype="float64")
    fourier.build((None, 1))
    fourier._table = AngleTable([((0, f),) for (f,) in found])
    # Exact but for rounding in double precision.
    assert least_squares(layer, fourier, values) < 1e-9
    # And not by accident: without the highest frequency it does not fit.
    fourier._table = AngleTable([((0, f),) for (f,) in [*found[:-1], (0.0,)]])
    assert least_squares(layer, fourier, values) > 1e-2


def test_the_layer_itself_reproduces_rx() -> None:
    q, x = cirq.LineQubit(0), sympy.Symbol("x")
    layer = PQC(cirq.Circuit(cirq.rx(x)(q)), "Z", inputs=[x], dtype="float64")
    values = np.linspace(-3, 3, 30)[:, None]
    np.testing.assert_allclose(layer(values), np.cos(values), atol=1e-12)
    fourier = FourierFeatures(layer, dtype="float64")
    fourier.build((None, 1))
    assert fourier.frequencies.tolist() == [[1.0]]
    assert least_squares(layer, fourier, values) < 1e-12
    fourier.set_weights([np.array([[1.0], [0.0]]), np.zeros(1)])
    np.testing.assert_allclose(fourier(values), np.cos(values), atol=1e-12)


def test_two_entangled_qubits_fit_in_all_their_frequencies() -> None:
    layer = PQCDense(
        2,
        n_layers=2,
        dtype="float64",
        weight_initializer=keras.initializers.RandomUniform(0.5, 2.0, seed=1),
    )
    x = np.random.default_rng(0).uniform(-3, 3, (60, 2))
    layer(x)
    found = list(frequencies(layer.compiled))
    assert found == [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, -1.0)]
    fourier = FourierFeatures(layer, dtype="float64")
    fourier.build((None, 2))
    fourier._table = AngleTable([tuple(enumerate(f)) for f in found])
    assert least_squares(layer, fourier, x) < 1e-9


def brute_frequencies(vectors: list[tuple[float, ...]]) -> set[tuple[float, ...]]:
    """All sums of -1, 0 or 1 times each vector, one of each pair, without zero."""
    found = set()
    for signs in itertools.product((-1, 0, 1), repeat=len(vectors)):
        total = np.array(signs, float) @ np.array(vectors)
        first = next((value for value in total if value), 0.0)
        if first:
            found.add(tuple((total * np.sign(first) + 0.0).tolist()))
    return found


@hypothesis.settings(max_examples=30)
@hypothesis.given(
    st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2)), min_size=1, max_size=5)
)
def test_frequencies_against_all_sums(coefficients: list[tuple[int, int]]) -> None:
    q, (x, y) = cirq.LineQubit(0), sympy.symbols("x y")
    circuit = cirq.Circuit(
        cirq.I(q), [[cirq.rx(a * x + b * y)(q), cirq.H(q)] for a, b in coefficients]
    )
    program = compile_circuit(circuit, "Z", inputs=[x, y])
    found = list(frequencies(program))
    assert len(set(found)) == len(found)
    assert set(found) == brute_frequencies([(float(a), float(b)) for a, b in coefficients])


def test_only_what_is_connected_with_the_readout_counts() -> None:
    q, (x, y) = cirq.LineQubit.range(2), sympy.symbols("x y")
    apart = cirq.Circuit(cirq.rx(x)(q[0]), cirq.rx(y)(q[1]))
    joined = cirq.Circuit(apart.all_operations(), cirq.CNOT(q[1], q[0]))

    def of(circuit: cirq.Circuit, observables: Any, readout: Readout | None = None) -> list[Any]:
        compiled = compile_circuit(circuit, observables, inputs=[x, y])
        return list(frequencies(compiled.reading(readout) if readout else compiled))

    assert of(apart, "Z0") == [(1.0, 0.0)]
    assert of(apart, ["Z0", "Z1"]) == [(1.0, 0.0), (0.0, 1.0)]
    every = [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, -1.0)]
    assert of(apart, "Z0*Z1") == every
    assert of(joined, "Z0") == every
    assert of(apart, "Z0", Probabilities()) == every


@pytest.mark.parametrize(
    ("angle", "found"),
    [
        ("(1 + w)*x + v", 1.0),
        ("3*x + w", 3.0),
        ("w*x", 1.0),
        ("2*w*x + v*w", 2.0),
        ("x/w", 1.0),
    ],
)
def test_frequencies_at_fixed_weights(angle: str, found: float) -> None:
    x, v, w = sympy.symbols("x v w")
    circuit = cirq.Circuit(cirq.rx(sympy.sympify(angle, {"x": x, "v": v, "w": w}))(cirq.q(0)))
    assert list(frequencies(compile_circuit(circuit, "Z", inputs=[x]))) == [(found,)]


def test_an_angle_that_is_no_wave_is_a_reason() -> None:
    q, x, w = cirq.q(0), *sympy.symbols("x w")
    circuit = cirq.Circuit(cirq.rx(x**2 + w)(q))
    inputs = keras.Input((1,))
    model = keras.Model(inputs, PQC(circuit, "Z", inputs=[x])(inputs))
    with pytest.raises(DoesNotApplyError, match=r"x\*\*2.*not affine"):
        controls.fourier_features(model)
    unread = cirq.Circuit(cirq.rz(x)(cirq.q(1)), cirq.ry(w)(q))
    model = keras.Model(inputs, PQC(unread, "Z0", inputs=[x])(inputs))
    with pytest.raises(DoesNotApplyError, match="No result of the circuit"):
        controls.fourier_features(model)


@pytest.mark.parametrize("n_layers", [2, 3, 5])
def test_fourier_features_are_about_as_many_as_the_circuits_weights(n_layers: int) -> None:
    layer = PQCDense(2, n_layers=n_layers, encoding=ReuploadingEncoding(4))
    layer.build((None, 2))
    fourier = FourierFeatures(layer)
    fourier.build((None, 2))
    # A frequency more or less is two weights for each of two outputs.
    assert fourier.count_params() == pytest.approx(len(layer.symbols), abs=2)


def test_truncation_leaves_no_feature_out() -> None:
    layer = PQCDense(4, n_layers=1, encoding="iqp")
    fourier = FourierFeatures(layer)
    fourier.build((None, 9))
    # Nine features and their products on four qubits: the features alone say enough.
    assert len(fourier.frequencies) == 9
    entering = np.abs(fourier.frequencies).sum(axis=0) > 0
    rows = np.vstack([np.zeros(9), np.eye(9)]).astype("float32")
    angles = ops.convert_to_numpy(fourier._like.layer.encode(ops.convert_to_tensor(rows)))
    assert (angles[1:] != angles[0])[:, entering].any(axis=1).all()


def test_fourier_features_serialize_and_train() -> None:
    quantum = PQCDense(2, n_layers=1, encoding="iqp")
    given = {"layer": keras.saving.serialize_keras_object(quantum)}
    testing.run_layer_test(FourierFeatures, given, (3, 2))
    layer = FourierFeatures(quantum, name="waves")
    copy = FourierFeatures.from_config(layer.get_config())
    x = np.random.default_rng(0).normal(size=(5, 3, 4)).astype("float32")
    assert layer(x).shape == copy(x).shape == (5, 3, 2) == layer.compute_output_shape(x.shape)
    copy.set_weights(layer.get_weights())
    np.testing.assert_allclose(copy(x), layer(x), atol=1e-6)
    np.testing.assert_array_equal(copy.frequencies, layer.frequencies)
    with pytest.raises(ValueError, match="expectation values or probabilities"):
        FourierFeatures(QuantumEmbedding(2, output="state"))


# Surrogates that train from a random start.


@pytest.mark.parametrize("n_layers", [1, 3, 5])
def test_a_wave_train_has_at_most_as_many_parameters_as_the_circuit(n_layers: int) -> None:
    layer = PQCDense(4, n_layers=n_layers)
    train = WaveTrain(layer)
    train.build((None, 4))
    allowed = len(layer.compile(4).weights)
    assert train.rank == 1 or train.count_params() <= allowed
    # The next rank would have more.
    r = train.rank + 1
    assert r * (3 + 3 * 4) + r * r * 6 > allowed


def test_a_wave_train_is_a_product_of_matrices_of_waves() -> None:
    circuit = cirq.Circuit(
        cirq.ry(2 * sympy.Symbol("x")).on(cirq.LineQubit(0)),
        cirq.rx(sympy.Symbol("y")).on(cirq.LineQubit(1)),
        cirq.CX(*cirq.LineQubit.range(2)),
        cirq.rx(sympy.Symbol("y")).on(cirq.LineQubit(1)),
    )
    train = WaveTrain(PQC(circuit, ["Z0*X1", "Y1"], inputs=["x", "y"]), dtype="float64")
    x = np.random.default_rng(0).uniform(-2, 2, (7, 2))
    values = ops.convert_to_numpy(train(ops.convert_to_tensor(x)))
    first, second = (ops.convert_to_numpy(core) for core in train.cores)
    # An angle 2 x once, an angle y twice.
    one = np.ones(7)
    of_x = np.stack([one, np.cos(2 * x[:, 0]), np.sin(2 * x[:, 0])])
    y = x[:, 1]
    of_y = np.stack([one, np.cos(y), np.sin(y), np.cos(2 * y), np.sin(2 * y)])
    wanted = np.einsum("nb,nir,mb,mrc->bc", of_x, first, of_y, second)
    np.testing.assert_allclose(values, wanted, atol=1e-6)


def test_a_wave_train_serializes_and_trains() -> None:
    quantum = PQCDense(2, n_layers=2, encoding=ReuploadingEncoding(2))
    given = {"layer": keras.saving.serialize_keras_object(quantum)}
    testing.run_layer_test(WaveTrain, given, (3, 2))
    x = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
    model = controls.surrogate(sequential(quantum, features=2))
    assert isinstance(model.layers[-1], WaveTrain)
    model.compile(keras.optimizers.Adam(0.05), "mse")
    labels = np.cos(x + 1)
    before = model.evaluate(x, labels, verbose=0)
    model.fit(x, labels, epochs=30, verbose=0)
    assert model.evaluate(x, labels, verbose=0) < 0.5 * before


def test_a_surrogate_that_trains_needs_an_expansion_in_waves() -> None:
    with pytest.raises(DoesNotApplyError, match="A quantum kernel has no observables"):
        controls.surrogate(kernel_machine())
    constant = PQC(cirq.Circuit(cirq.X(cirq.LineQubit(0))), "Z", inputs=[])
    with pytest.raises(DoesNotApplyError, match="depends on its inputs"):
        controls.surrogate(keras.Sequential([keras.Input((0,)), constant]))


# Quantum kernels.


def kernel_machine(**options: Any) -> keras.Model:
    return sequential(QuantumKernel(5, n_qubits=3, **options), keras.layers.Dense(2))


@pytest.mark.parametrize("options", [{}, {"kernel": "projected"}, {"output": "nystroem"}])
def test_every_control_of_a_kernel_machine_computes(options: dict[str, Any]) -> None:
    model = kernel_machine(train_landmarks=True, **options)
    assert inapplicable(model) == {}
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    for control in controls_for(model).values():
        assert control(x).shape == (3, 2)


def test_fixed_landmarks_are_frozen_already() -> None:
    assert set(inapplicable(kernel_machine())) == {"frozen_circuit"}


def test_a_kernel_machine_stands_beside_as_many_fourier_features() -> None:
    model = kernel_machine(train_landmarks=True, scale=0.3)
    features = controls.fourier_features(model).layers[0]
    assert isinstance(features, RandomFourierFeatures)
    assert (features.units, features.scale) == (5, 0.3)
    assert features.train_frequencies
    assert not controls.fourier_features(kernel_machine()).layers[0].train_frequencies


def test_random_fourier_features_approximate_an_rbf_kernel() -> None:
    keras.utils.set_random_seed(0)
    layer = RandomFourierFeatures(20_000, scale=0.7)
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    found = ops.convert_to_numpy(layer(x))
    distances = ((x[:, None] - x) ** 2).sum(axis=-1)
    # A mean of 20,000 products between -1 and 1 is off by 0.005 at most ones.
    np.testing.assert_allclose(
        2 * found @ found.T / layer.units, np.exp(-0.49 * distances / 2), atol=0.04
    )


def test_random_fourier_features_serialize_and_train() -> None:
    testing.run_layer_test(RandomFourierFeatures, {"units": 6, "scale": 0.5}, (3, 2))
    with pytest.raises(ValueError, match="`scale` must be above 0"):
        RandomFourierFeatures(3, scale=0.0)


def test_a_kernel_without_entanglement_is_one_of_product_states() -> None:
    x = np.random.default_rng(0).normal(size=(4, 2)).astype("float32")
    model = sequential(QuantumKernel(x[:3], encoding="iqp", dtype="float64"), features=2)
    apart = controls.no_entanglement(model)
    assert isinstance(apart.layers[0].encoding, EncodingWithoutEntanglement)
    np.testing.assert_array_equal(apart.layers[0].landmarks, model.layers[0].landmarks)

    def fidelity(a: Any, b: Any) -> Any:
        # H, then a turn about Z by the feature and by the product of both.
        turns = [a[q] + a[0] * a[1] - b[q] - b[0] * b[1] for q in range(2)]
        return np.prod([np.cos(turn / 2) ** 2 for turn in turns])

    expected = [[fidelity(a, b) for b in x[:3]] for a in x.astype("float64")]
    np.testing.assert_allclose(apart(x), expected, atol=1e-6)


def test_an_encoding_without_entanglement_serializes() -> None:
    encoding = EncodingWithoutEntanglement(IQPEncoding(2))
    config = keras.saving.serialize_keras_object(encoding)
    assert keras.saving.deserialize_keras_object(config) == encoding
    assert encoding != EncodingWithoutEntanglement(IQPEncoding(1))


# Words.


def test_a_network_is_described_in_a_line() -> None:
    model = hybrid(engine="statevector")
    said = {name: inspection.describe(made) for name, made in controls_for(model).items()}
    assert inspection.describe(model) == "Dense(2, tanh) > PQCDense(2) > Dense(3, softmax)"
    assert said["frozen_circuit"] == "Dense(2, tanh) > PQCDense(2, frozen) > Dense(3, softmax)"
    assert "> WithoutEntanglement(PQCDense(2)) >" in said["no_entanglement"]
    assert "> FourierFeatures(2, 2 frequencies) >" in said["fourier_features"]
    assert inspection.describe(nested()).startswith(
        "TimeDistributed(Sequential(PQCDense(2) > Dense(2, linear))) > TimeDistributed(PQCDense(3))"
    )
    assert inspection.engine_name(model) == "statevector"
    assert inspection.engine_name(controls.no_entanglement(model)) == "statevector"


def test_controls_carry_a_trained_bandwidth() -> None:
    model = kernel_machine(train_scale=True)
    model.layers[0].log_scale.assign(0.7)
    assert float(controls.no_entanglement(model).layers[0].log_scale) == pytest.approx(0.7)
    assert controls.fourier_features(kernel_machine(scale=-0.5)).layers[0].scale == 0.5
