"""A circuit's weights by name: groups that are variables of their own, values by symbol."""

import json

import cirq
import keras
import numpy as np
import pytest
import sympy
from keras import ops

import qkeras_hybrid as qh
from qkeras_hybrid import PQC, PQCDense, QuantumEmbedding, WeightGroup
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.bench.controls import frozen_circuit, no_entanglement
from qkeras_hybrid.testing import run_layer_test

Q = cirq.LineQubit.range(2)
A, B, C, D = sympy.symbols("a b c d")
X = np.array([[0.3, -0.8], [1.1, 0.2], [-0.4, 0.9]], "float32")
# Names that no sorting brings into the circuit's order.
CIRCUIT = cirq.Circuit(
    [cirq.ry(C)(Q[0]), cirq.ry(A)(Q[1]), cirq.CX(*Q), cirq.ry(D)(Q[0]), cirq.rx(B)(Q[1])]
)


def grouped(groups=None, **arguments):
    if groups is None:
        groups = {
            "turns": WeightGroup([D, "a"], initializer="ones"),
            "fixed": WeightGroup(["b"], keras.initializers.Constant(0.3), trainable=False),
        }
    return PQC(CIRCUIT, ["Z", "X0*X1"], weight_groups=groups, **arguments)


def by_name(layer):
    return {variable.name: ops.convert_to_numpy(variable).tolist() for variable in layer.weights}


def model_of(layer):
    return keras.Sequential([keras.Input((2,)), layer])


def test_each_group_is_a_variable_of_its_name_and_the_rest_stays_together():
    layer = grouped(weight_initializer="zeros")
    layer.build((None, 2))
    assert [str(symbol) for symbol in layer.symbols] == ["c", "a", "d", "b"]
    assert by_name(layer) == {
        "circuit_weights": [0.0],
        "turns": [1.0, 1.0],
        "fixed": [pytest.approx(0.3)],
    }
    assert [v.name for v in layer.trainable_weights] == ["circuit_weights", "turns"]


def test_the_run_gets_the_weights_in_the_circuits_order():
    values = {"c": 0.4, "a": -1.2, "d": 0.9, "b": 2.1}
    plain, layer = PQC(CIRCUIT, ["Z", "X0*X1"]), grouped()
    for each in (plain, layer):
        each.build((None, 2))
        each.assign_symbol_values(values)
    assert by_name(layer)["turns"] == pytest.approx([0.9, -1.2])
    assert ops.convert_to_numpy(plain.circuit_weights).tolist() == pytest.approx(
        list(values.values())
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(X)), ops.convert_to_numpy(plain(X)), atol=1e-6
    )


def test_all_symbols_may_be_in_groups():
    layer = grouped({"all": WeightGroup([*"abcd"], initializer="ones")})
    layer.build((None, 2))
    assert layer.circuit_weights is None and by_name(layer) == {"all": [1.0] * 4}


def test_training_moves_the_groups_that_train_alone():
    layer = grouped()
    model = model_of(layer)
    model.compile("sgd", "mse")
    before = by_name(layer)
    model.fit(X, np.ones((3, 3)), verbose=0)
    moved = {name for name, values in by_name(layer).items() if values != before[name]}
    assert moved == {"circuit_weights", "turns"}


def test_a_frozen_group_stays_frozen_when_the_layer_is_thawed():
    layer = grouped(trainable=False)
    layer.build((None, 2))
    assert not layer.trainable_weights
    layer.trainable = True
    assert [v.name for v in layer.trainable_weights] == ["circuit_weights", "turns"]


def test_regularizers_and_constraints_are_those_of_the_group():
    group = WeightGroup(["a", "b"], "ones", keras.regularizers.L2(0.1), keras.constraints.NonNeg())
    layer = grouped({"one": group}, weight_initializer="ones")
    layer.build((None, 2))
    assert [float(loss) for loss in layer.losses] == [pytest.approx(0.2)]
    model = model_of(layer)
    model.compile(keras.optimizers.SGD(1000.0), "mse")
    model.fit(X, np.ones((3, 3)), verbose=0)
    assert min(by_name(layer)["one"]) >= 0


def test_groups_without_an_initializer_draw_by_the_layers_each_anew():
    layer = grouped({"one": WeightGroup(["a", "b"]), "two": WeightGroup(["c", "d"])})
    layer.build((None, 2))
    found = by_name(layer)
    assert found["one"] != found["two"]
    assert 0 < np.abs(list(found.values())).max() < 1


def test_a_layer_with_groups_keeps_the_contract_of_layers():
    groups = {"turns": WeightGroup(["d", "a"]), "fixed": WeightGroup(["b"], trainable=False)}
    arguments = {"circuit": CIRCUIT, "observables": "Z", "weight_groups": groups}
    run_layer_test(PQC, arguments, (4, 2))


def test_groups_come_back_from_the_config():
    config = json.loads(json.dumps(grouped().get_config()))
    again = PQC.from_config(config)
    assert again.weight_groups == grouped().weight_groups
    assert json.loads(json.dumps(again.get_config())) == config


def test_saved_groups_load_into_groups_that_train_otherwise(tmp_path):
    saved, path = model_of(grouped(name="pqc")), tmp_path / "saved.weights.h5"
    saved.layers[0].assign_symbol_values({"c": 0.1, "a": 0.2, "d": 0.3, "b": 0.4})
    saved.save_weights(path)
    # Keras numbers variables that train before those that don't.
    groups = {
        "fixed": WeightGroup(["b"]),
        "turns": WeightGroup(["d", "a"], trainable=False),
    }
    other = model_of(grouped(groups, name="pqc"))
    other.load_weights(path)
    assert other.layers[0].symbol_values() == saved.layers[0].symbol_values()


@pytest.mark.parametrize(
    "groups",
    [
        {},
        {"turns": WeightGroup(["a", "d"]), "fixed": WeightGroup(["b"])},
        {"others": WeightGroup(["d", "a"]), "fixed": WeightGroup(["b"])},
    ],
    ids=["no groups", "another order", "another name"],
)
def test_saved_groups_are_refused_by_others(tmp_path, groups):
    path = tmp_path / "saved.weights.h5"
    model_of(grouped(name="pqc")).save_weights(path)
    with pytest.raises(ValueError, match=r"layer 'pqc' must belong to its symbols.*turns"):
        model_of(grouped(groups, name="pqc")).load_weights(path)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ({"one": WeightGroup(["x"])}, r"symbols of the circuit's weights.*'x'.*c, a, d, b"),
        (
            {"one": WeightGroup(["a"]), "two": WeightGroup(["a"])},
            "once, not in both 'one' and 'two'",
        ),
        ({"circuit_weights": WeightGroup(["a"])}, "not use the name 'circuit_weights'"),
        ({"a/b": WeightGroup(["a"])}, "names that Keras's variables can have"),
        ({"one": ["a"]}, "hold a WeightGroup"),
        ([WeightGroup(["a"])], "hold a WeightGroup for each name"),
    ],
)
def test_groups_that_do_not_fit_are_refused(groups, words):
    with pytest.raises(ArgumentError, match=rf"`weight_groups` must .*{words}"):
        grouped(groups)


def test_an_input_is_in_no_group():
    with pytest.raises(ArgumentError, match=r"symbols of the circuit's weights.*'a'.*c, d, b"):
        grouped({"one": WeightGroup(["a"])}, inputs=["a"])


@pytest.mark.parametrize(
    ("symbols", "words"), [([], "at least one"), (["a", A], "each symbol once")]
)
def test_a_group_of_no_or_equal_symbols_is_refused(symbols, words):
    with pytest.raises(ArgumentError, match=words):
        WeightGroup(symbols)


def test_controls_keep_groups():
    hybrid = model_of(grouped())
    hybrid.layers[0].assign_symbol_values({"a": 0.5, "b": 0.7, "c": -0.2, "d": 0.1})
    apart = no_entanglement(hybrid).layers[0]
    assert apart.symbol_values() == hybrid.layers[0].symbol_values()
    assert [v.name for v in apart.trainable_weights] == ["circuit_weights", "turns"]
    frozen = frozen_circuit(hybrid).layers[0].symbol_values()
    assert frozen["b"] == hybrid.layers[0].symbol_values()["b"]
    assert frozen["a"] != hybrid.layers[0].symbol_values()["a"]


# Values by symbol.


@pytest.mark.parametrize("make", [lambda: PQCDense(2, n_layers=1), lambda: PQC(CIRCUIT, "Z")])
def test_values_come_and_go_by_symbol(make):
    layer = make()
    layer.build((None, 2))
    first, *_, last = layer.symbols
    before = layer.symbol_values()
    layer.assign_symbol_values({last: 0.25, first.name: np.float32(-1.5)})
    assert layer.symbol_values() == {**before, first.name: -1.5, last.name: 0.25}
    assert list(layer.symbol_values()) == [symbol.name for symbol in layer.symbols]


def test_a_layer_without_weights_has_no_values():
    layer = QuantumEmbedding(2)
    layer.build((None, 2))
    assert layer.symbol_values() == {}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"z": 1.0}, r"symbols of the layer's weights.*'z'.*c, a, d, b"),
        ({"a": "much"}, "a number, in radians, for a, but got 'much'"),
        ({"a": 1.0, A: 2.0}, "each symbol once"),
        ([1.0], "a number for each symbol"),
    ],
)
def test_values_that_are_wrong_are_refused_and_nothing_is_set(values, words):
    layer = PQC(CIRCUIT, "Z", weight_initializer="zeros")
    layer.build((None, 2))
    if isinstance(values, dict):
        values = {"c": 5.0, **values}
    with pytest.raises(ArgumentError, match=rf"`values` must .*{words}"):
        layer.assign_symbol_values(values)
    assert set(layer.symbol_values().values()) == {0.0}


def test_values_need_a_built_layer():
    for method in (PQCDense(2).symbol_values, lambda: PQCDense(2).assign_symbol_values({})):
        with pytest.raises(ValueError, match="not built yet"):
            method()


ENGINES = [name for name, status in qh.engines.status().items() if status == "available"]
COMPILED = qh.compile_circuit(cirq.Circuit(cirq.ry(B)(Q[0]), cirq.ry(A)(Q[1])), "Z")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("values", [{"a": 0.4, "b": 0.9}, {A: 0.4, B: 0.9}], ids=["name", "symbol"])
def test_engines_take_weights_by_symbol(engine, values):
    engine, nothing = qh.engines.get(engine), np.zeros((2, 0), "float32")
    z = ops.convert_to_numpy(engine.expectation(COMPILED, nothing, values))
    np.testing.assert_allclose(z, [[np.cos(0.9), np.cos(0.4)]] * 2, atol=1e-6)
    p = ops.convert_to_numpy(engine.probabilities(COMPILED, nothing, values))
    assert p[0, 0] == pytest.approx((np.cos(0.45) * np.cos(0.2)) ** 2, abs=1e-6)
    if qh.readouts.State in engine.readouts:
        state = ops.convert_to_numpy(engine.state(COMPILED, nothing, values))
        assert state[0, 0] == pytest.approx(np.cos(0.45) * np.cos(0.2), abs=1e-6)
    if qh.readouts.Samples in engine.readouts:
        assert engine.sample(COMPILED, nothing, values, 3).shape == (2, 3, 2)


@pytest.mark.parametrize(
    ("values", "words"),
    [({"a": 1.0}, "b is missing"), ({"a": 1.0, "b": 2.0, "c": 3.0}, "c is not one of them")],
)
def test_engines_refuse_weights_of_other_symbols(values, words):
    with pytest.raises(ArgumentError, match=rf"`weights` must have a value for each.*{words}"):
        qh.engines.StatevectorEngine().expectation(COMPILED, np.zeros((1, 0)), values)
