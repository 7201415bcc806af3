"""Opening a file runs no code, and ends: circuits' texts, saved models, circuits from elsewhere."""

from __future__ import annotations

import copy
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cirq
import keras
import numpy as np
import pytest
import sympy

import made_rows
from qkeras_hybrid import PQC, PQCDense, QuantumEmbedding, _circuit_json, _files
from qkeras_hybrid.bench import report, results, runner, suite, tracking
from qkeras_hybrid.interop import from_qasm, to_qasm
from qkeras_hybrid.program import compile_circuit

Q = cirq.LineQubit.range(4)
W, X = sympy.symbols("w x")


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


def payload(canary: Path) -> str:
    """Returns a Python expression that makes the file `canary`; what evaluates text, runs it."""
    return f"__import__('pathlib').Path({str(canary)!r}).touch()"


def test_the_canary_sings_when_sympy_evaluates_it(canary: Path) -> None:
    # Without this, a payload with a slip in it would make every other test pass.
    sympy.sympify(payload(canary))
    assert canary.exists()


def sub_circuit(circuit: cirq.Circuit, **more: Any) -> cirq.CircuitOperation:
    return cirq.CircuitOperation(circuit.freeze(), use_repetition_ids=False, **more)


def circuits() -> list[cirq.Circuit]:
    """Returns circuits that hold, together, every kind of value that a saved circuit may."""
    small = cirq.Circuit(cirq.ry(sympy.sin(W))(Q[0]), cirq.CNOT(Q[0], Q[1]))
    newer: list[cirq.Circuit] = []
    if hasattr(cirq.Moment, "with_tags"):  # from Cirq 1.6 on
        newer.append(cirq.Circuit(cirq.Moment(cirq.X(Q[0])).with_tags("tag"), tags=["tag"]))
    if hasattr(cirq, "CCYPowGate"):  # from Cirq 1.7 on
        newer.append(cirq.Circuit(cirq.CY(*Q[:2]) ** W, cirq.CCY(*Q[:3]) ** X, cirq.CY(*Q[1:3])))
    return [
        cirq.Circuit(
            cirq.rx(2 * W + sympy.pi / 3)(Q[0]),
            cirq.X(Q[1]) ** sympy.Max(W**2, X, sympy.Rational(1, 3)),
            cirq.ZZ(Q[0], Q[1]) ** (sympy.exp(-W) * sympy.atan2(W, X)),
            cirq.PhasedXZGate(x_exponent=W, z_exponent=0.5, axis_phase_exponent=X)(Q[2]),
            cirq.FSimGate(0.3, W)(Q[0], Q[2]),
        ),
        cirq.Circuit(sub_circuit(small, repetitions=2).with_params({"w": 2 * X}), cirq.H(Q[1])),
        cirq.Circuit(
            sub_circuit(
                cirq.Circuit(sub_circuit(small).with_params({"w": 0.5})),
                qubit_map={Q[0]: cirq.NamedQubit("a"), Q[1]: cirq.GridQubit(0, 3)},
            ),
            sub_circuit(small, repetitions=-1),
        ),
        cirq.Circuit(
            cirq.BooleanHamiltonianGate(["a", "b"], ["a ^ b", "~(a & b) | b"], 0.3)(Q[0], Q[1]),
            cirq.PauliStringPhasor(
                cirq.X(Q[0]) * cirq.Z(Q[2]), exponent_neg=W, exponent_pos=0.1
            ).with_tags("tag", cirq.VirtualTag()),
            cirq.ControlledGate(cirq.rx(W), control_values=[(0, 1)])(Q[1], Q[3]),
            cirq.ControlledOperation([Q[0]], cirq.Y(Q[1]) ** X),
        ),
        cirq.Circuit(
            cirq.MatrixGate(cirq.testing.random_unitary(2, random_state=1), name="u")(Q[0]),
            cirq.DiagonalGate([0.1, 0.2, 0.3, 0.4])(Q[0], Q[1]),
            cirq.ThreeQubitDiagonalGate([0.1 * k for k in range(8)])(*Q[:3]),
            cirq.SingleQubitCliffordGate.X_sqrt(Q[1]),
            cirq.QuantumFourierTransformGate(3)(*Q[:3]),
            cirq.QubitPermutationGate([1, 2, 0])(*Q[:3]),
            cirq.ParallelGate(cirq.X**0.5, 2)(Q[0], Q[3]),
            cirq.DensePauliString("XZ")(Q[0], Q[1]),
            cirq.WaitGate(cirq.Duration(nanos=3))(Q[0]),
            cirq.GlobalPhaseGate(1j)(),
        ),
        cirq.Circuit(
            cirq.ry(W)(Q[0]),
            cirq.depolarize(0.1)(Q[0]),
            cirq.depolarize(0.1, 2)(Q[0], Q[1]),
            cirq.asymmetric_depolarize(error_probabilities={"XZ": 0.1, "YI": 0.2})(Q[0], Q[1]),
            cirq.amplitude_damp(0.1)(Q[0]),
            cirq.generalized_amplitude_damp(0.3, 0.1)(Q[1]),
            cirq.phase_damp(0.1)(Q[0]),
            cirq.bit_flip(0.1)(Q[1]).with_tags("tag"),
            cirq.phase_flip(0.1)(Q[0]),
            cirq.KrausChannel([0.6 * np.eye(2), 0.8 * np.diag([1, -1])])(Q[1]),
            cirq.MixedUnitaryChannel([(0.5, np.eye(2)), (0.5, np.diag([1, 1j]))])(Q[0]),
            cirq.RandomGateChannel(sub_gate=cirq.X, probability=0.3)(Q[1]),
            cirq.ControlledGate(cirq.bit_flip(0.1))(Q[2], Q[0]),
            cirq.StatePreparationChannel(np.array([0.6, 0.8j]), name="psi")(Q[2]),
            cirq.ResetChannel()(Q[0]),
        ),
        cirq.Circuit(
            cirq.X(Q[1]),
            cirq.measure(Q[0], Q[1], key="m", invert_mask=(True,)),
            sub_circuit(cirq.Circuit(cirq.measure(*Q, key="n"), cirq.bit_flip(0.1)(Q[0]))),
            cirq.PauliMeasurementGate([cirq.X, cirq.Z], key="p")(*Q[:2]),
            cirq.ParallelGate(cirq.ResetChannel(), 2)(*Q[2:]),
        ),
        *newer,
    ]


@pytest.mark.parametrize("index", range(len(circuits())))
def test_a_saved_circuit_comes_back_the_same(index: int) -> None:
    circuit = circuits()[index]
    again = _circuit_json.read(_circuit_json.write(circuit))
    assert again == circuit
    assert compile_circuit(again, "Z0").program == compile_circuit(circuit, "Z0").program


def test_a_measurement_with_a_confusion_map_comes_back_the_same() -> None:
    gate = cirq.MeasurementGate(2, "m", confusion_map={(1,): np.array([[0.9, 0.1], [0.2, 0.8]])})
    circuit = cirq.Circuit(gate(Q[0], Q[1]))
    assert _circuit_json.read(_circuit_json.write(circuit)) == circuit


def opened(text: str) -> None:
    """Reads a text as a saved layer's circuit, and does all that may evaluate what came of it."""
    PQC(text, "Z0", engine="statevector")


# Ways to run code by a circuit's text, each of which did before texts were looked through: SymPy's
# functions, a sub-circuit's parameters, Cirq's formulas, SymPy's `Not`; and their like.


def hostile_nodes(text: str) -> dict[str, Any]:
    node: dict[str, Any] = {
        f"function {name}": {"cirq_type": "qkeras_hybrid.function", "name": name, "args": [text]}
        for name in ("sin", "exp", "log", "Abs", "sign", "Max")
    }
    node["function atan2"] = {
        "cirq_type": "qkeras_hybrid.function",
        "name": "atan2",
        "args": [text, 1],
    }
    node["function of a list"] = {
        "cirq_type": "qkeras_hybrid.function",
        "name": "sin",
        "args": [[text]],
    }
    for name in ("Add", "Mul", "Pow", "And", "Or", "Xor", "LessThan", "Equality", "Indexed"):
        node[f"sympy.{name}"] = {"cirq_type": f"sympy.{name}", "args": [text, 2]}
    node["sympy.Not"] = {"cirq_type": "sympy.Not", "args": [text]}
    node["sympy.IndexedBase"] = {"cirq_type": "sympy.IndexedBase", "args": [text]}
    node["sympy.Integer"] = {"cirq_type": "sympy.Integer", "i": text}
    node["sympy.Rational"] = {"cirq_type": "sympy.Rational", "p": text, "q": 2}
    node["sympy.Float"] = {"cirq_type": "sympy.Float", "approx": text}
    node["text"] = text
    return node


@pytest.mark.parametrize("way", hostile_nodes(""))
def test_text_in_a_parameter_is_not_run(way: str, canary: Path) -> None:
    text = json.dumps(replaced(circuits()[0], "sympy.Max", hostile_nodes(payload(canary))[way]))
    with pytest.raises(ValueError, match="`circuit` must be"):
        opened(text)
    assert not canary.exists()


def replaced(circuit: cirq.Circuit, kind: str, new: Any) -> Any:
    """Returns a circuit's decoded JSON with another node for each of a type."""

    def visit(node: Any) -> Any:
        if isinstance(node, dict):
            name = node.get("cirq_type"), f"sympy.{node.get('name')}"
            return new if kind in name else {key: visit(part) for key, part in node.items()}
        return [visit(part) for part in node] if isinstance(node, list) else node

    tree = json.loads(_circuit_json.write(circuit))
    changed = visit(tree)
    assert changed != tree
    return changed


@pytest.mark.parametrize("nested", [False, True])
def test_text_for_a_parameter_of_a_sub_circuit_is_not_run(canary: Path, nested: bool) -> None:
    text = payload(canary)
    hostile = {"cirq_type": "ParamResolver", "param_dict": [["w", [text] if nested else text]]}
    with pytest.raises(ValueError, match="numbers or SymPy expressions as its parameters"):
        opened(json.dumps(replaced(circuits()[1], "ParamResolver", hostile)))
    assert not canary.exists()


def test_text_in_a_given_circuit_is_not_run(canary: Path) -> None:
    inner = cirq.Circuit(cirq.ry(sympy.sin(W))(Q[0]))
    hostile = sub_circuit(inner, param_resolver=cirq.ParamResolver({"w": payload(canary)}))
    # Not under a control: Cirq's own constructor of that evaluates the text.
    for operation in (hostile, hostile.with_tags("tag"), sub_circuit(cirq.Circuit(hostile))):
        for use in (lambda c: PQC(c, "Z0"), lambda c: compile_circuit(c, "Z0")):
            with pytest.raises(ValueError, match=r"use sympy\.Symbol"):
                use(cirq.Circuit(operation))
    assert not canary.exists()


@pytest.mark.parametrize("form", ["{}", "a & {}", "(a)({})", "a if {} else a", "(lambda: {})()"])
def test_text_in_a_formula_is_not_run(form: str, canary: Path) -> None:
    gate = cirq.BooleanHamiltonianGate(["a"], [form.format(payload(canary))], 0.3)
    given = cirq.Circuit(gate(Q[0]))
    for circuit in (given, cirq.to_json(given)):
        with pytest.raises(ValueError, match="must have formulas of names"):
            PQC(circuit, "Z0")
    assert not canary.exists()


def test_a_formula_holds_no_calls_and_no_foreign_names() -> None:
    for formula, said in (("a(a)", "must have formulas"), ("exit", "names of its parameters")):
        gate = cirq.BooleanHamiltonianGate(["a"], [formula], 0.3)
        with pytest.raises(ValueError, match=said):
            opened(cirq.to_json(cirq.Circuit(gate(Q[0]))))


def test_a_value_behind_a_key_that_stands_twice_is_not_made(canary: Path) -> None:
    # JSON's reader makes both values, and keeps the last: a look at what it kept misses the first.
    good = json.dumps(hostile_nodes("")["function sin"] | {"args": [1]})
    bad = json.dumps(hostile_nodes(payload(canary))["function sin"])
    text = _circuit_json.write(cirq.Circuit(cirq.X(Q[0]) ** sympy.sin(W)))
    text = text.replace('"exponent":', f'"exponent": {bad}, "exponent": {good}, "exponent":', 1)
    opened(text)
    assert not canary.exists()


def test_text_in_saved_observables_is_not_run(canary: Path) -> None:
    pauli = json.loads(cirq.to_json(2.0 * cirq.Z(Q[0])))
    for way, node in hostile_nodes(payload(canary)).items():
        hostile = [{"cirq": json.dumps({**pauli, "coefficient": node})}]
        for make in (
            lambda o: PQC(circuits()[0], o),
            lambda o: PQCDense(1, n_qubits=1, observables=o),
            lambda o: QuantumEmbedding(1, observables=o),
        ):
            with pytest.raises(ValueError, match="`observables` must"):
                make(hostile)
        assert not canary.exists(), way


@pytest.mark.parametrize("gap", ["circuit", "qubits", "observables", "inputs", "symbols", "name"])
def test_text_in_a_saved_model_is_not_run(gap: str, canary: Path, tmp_path: Path) -> None:
    hostile: Any = hostile_nodes(payload(canary))["function sin"]
    if gap in ("circuit", "qubits"):
        hostile = json.dumps(hostile)
    if gap == "observables":
        hostile = [{"cirq": json.dumps(hostile)}]
    if gap in ("inputs", "symbols", "name"):
        hostile = payload(canary) if gap == "name" else [payload(canary)]
    path = saved_with(tmp_path, {gap: hostile})
    try:
        keras.models.load_model(path).predict(np.ones((1, 1)), verbose=0)
    except ValueError as error:
        assert "PQC" in str(error)
    assert not canary.exists()


def saved_with(folder: Path, changes: dict[str, Any], **outside: Any) -> Path:
    """Returns a saved model whose PQC has these values in its config, and these beside it."""
    circuit = cirq.Circuit(cirq.ry(sympy.sin(W))(Q[0]))
    model = keras.Sequential([keras.Input((1,)), PQC(circuit, "Z", name="pqc")])
    model.save(folder / "good.keras")
    with zipfile.ZipFile(folder / "good.keras") as good:
        files = {name: good.read(name) for name in good.namelist()}
    config = json.loads(files["config.json"])
    (layer,) = (one for one in config["config"]["layers"] if one["class_name"] == "PQC")
    layer["config"].update(changes)
    layer.update(outside)
    files["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(folder / "changed.keras", "w") as changed:
        for name, content in files.items():
            changed.writestr(name, content)
    return folder / "changed.keras"


# Endless work.


def expression(node: Any) -> str:
    return json.dumps(replaced(cirq.Circuit(cirq.X(Q[0]) ** sympy.sin(W)), "sympy.sin", node))


def power(base: Any, exponent: Any) -> dict[str, Any]:
    return {"cirq_type": "sympy.Pow", "args": [base, exponent]}


def times(*factors: Any) -> dict[str, Any]:
    return {"cirq_type": "sympy.Mul", "args": list(factors)}


def function(name: str, *args: Any) -> dict[str, Any]:
    return {"cirq_type": "qkeras_hybrid.function", "name": name, "args": list(args)}


TEN = {"cirq_type": "sympy.Integer", "i": 10}
S = {"cirq_type": "sympy.Symbol", "name": "s"}
HUGE: dict[str, Any] = {
    "10**10**9": power(TEN, power(TEN, 9)),
    "10**-10**9": power(TEN, times(-1, power(TEN, 9))),
    "exp(10**9 log(10))": function("exp", times(10**9, function("log", TEN))),
    "exp(10**9 log(1 + tiny))": function(
        "exp", times(10**9, function("log", {"cirq_type": "sympy.Rational", "p": 9, "q": 8}))
    ),
    "E**(10**9 log(10))": power({"cirq_type": "sympy.E"}, times(10**9, function("log", TEN))),
    "(2 s)**10**9": power(times(2, S), 10**9),
    "((10**300)**300)**300": power(power(power(TEN, 300), 300), 300),
    "7**(10**9/3)": power(7, {"cirq_type": "sympy.Rational", "p": 10**9, "q": 3}),
    "exp(exp(exp(100)))": function("exp", function("exp", function("exp", 100))),
    "an integer of 4000 digits": {"cirq_type": "sympy.Integer", "i": 10**4000},
    "500 fractions": {
        "cirq_type": "sympy.Add",
        "args": [{"cirq_type": "sympy.Rational", "p": 1, "q": 10**300 + k} for k in range(500)],
    },
    "Max of 300": function(
        "Max", *[{"cirq_type": "sympy.Add", "args": [k, S | {"name": f"s{k}"}]} for k in range(300)]
    ),
    "a fraction by 0": {"cirq_type": "sympy.Rational", "p": 1, "q": 0},
}


@pytest.mark.parametrize("name", HUGE)
def test_a_number_that_would_fill_the_memory_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"must have (constants|numbers|no fraction)"):
        opened(expression(HUGE[name]))


def test_a_sum_to_a_large_power_is_not_multiplied_out() -> None:
    # (a + b + c)**40 (d + e + f)**40 (g + h + i)**40 has 6e8 terms.
    symbols = sympy.symbols("a:i")
    product = sympy.prod([sum(symbols[i : i + 3]) ** 40 for i in (0, 3, 6)])
    compiled = compile_circuit(cirq.Circuit(cirq.rx(product)(Q[0])), "Z")
    assert [symbol.name for symbol in compiled.weights] == list("abcdefghi")
    ones = np.ones((1, 0)), np.full(9, 1 / 3)
    assert float(compiled.angles(*map(keras.ops.convert_to_tensor, ones))[0, 0]) == (
        pytest.approx(1.0, rel=1e-12)
    )


def test_an_affine_parameter_is_found_behind_products() -> None:
    a, b = sympy.symbols("a b")
    circuit = cirq.Circuit(cirq.rx((a + 1) ** 2 - a**2 + 3 * (b - 1))(Q[0]))
    (angle,) = compile_circuit(circuit, "Z").angles.rows
    assert angle.expression is None and angle.offset == -2.0
    assert dict(angle.weights) == {0: 2.0, 1: 3.0}


def repeated(levels: int, repetitions: int) -> cirq.Circuit:
    circuit = cirq.Circuit(cirq.rx(W)(Q[0]))
    for _ in range(levels):
        circuit = cirq.Circuit(sub_circuit(circuit, repetitions=repetitions))
    return circuit


def doubled(levels: int) -> cirq.Circuit:
    circuit = cirq.Circuit(cirq.rx(W)(Q[0]))
    for _ in range(levels):
        circuit = cirq.Circuit(sub_circuit(circuit), sub_circuit(circuit))
    return circuit


@pytest.mark.parametrize(
    "circuit",
    [
        repeated(3, 10**8),
        repeated(2, -(10**8)),
        doubled(16),
        cirq.Circuit(repeated(1, 10**8).all_operations()).freeze().unfreeze(),
        cirq.Circuit(cirq.ControlledOperation([Q[1]], sub_circuit(repeated(2, 10**5)))),
        cirq.Circuit(
            cirq.ControlledOperation(
                cirq.LineQubit.range(1, 31), cirq.rx(W)(Q[0]), control_values=[(0, 1)] * 30
            )
        ),
    ],
    ids=["repeated", "inverted", "doubled", "copied", "controlled", "alternatives"],
)
def test_sub_circuits_are_counted_before_they_are_unrolled(circuit: cirq.Circuit) -> None:
    for given in (circuit, cirq.to_json(circuit)):
        with pytest.raises(ValueError, match="at most 50,000 operations when they are unrolled"):
            PQC(given, "Z0")


def test_sub_circuits_within_the_bound_compile() -> None:
    assert len(compile_circuit(repeated(2, 30), "Z").program.instructions) == 900
    assert len(compile_circuit(doubled(5), "Z").program.instructions) == 32


def test_parameters_that_grow_from_level_to_level_are_refused() -> None:
    circuit = cirq.Circuit(cirq.rx(sympy.sin(W))(Q[0]))
    for level in range(20):
        new = W * sympy.Symbol(f"y{level}") + sympy.sin(W)
        circuit = cirq.Circuit(sub_circuit(circuit, param_resolver={"w": new}))
    with pytest.raises(ValueError, match="at most 10,000 parts"):
        compile_circuit(circuit, "Z")


def test_a_power_that_a_sub_circuit_makes_huge_is_refused() -> None:
    inner = cirq.Circuit(cirq.rx(sympy.Max(sympy.Integer(10) ** W, X))(Q[0]))
    circuit = cirq.Circuit(sub_circuit(inner, param_resolver={"w": 10**9}))
    with pytest.raises(ValueError, match="powers"):
        compile_circuit(circuit, "Z")


@pytest.mark.parametrize("text", ["[" * 100_000 + "]" * 100_000, '{"a":' * 1000 + "1" + "}" * 1000])
def test_json_that_is_nested_deep_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="nested at most 200 levels deep"):
        opened(text)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("IdentityGate", {"num_qubits": 10**9}),
        ("WaitGate", {"num_qubits": 10**9, "duration": {"cirq_type": "Duration", "picos": 0}}),
        ("QuantumFourierTransformGate", {"num_qubits": 10**9, "without_reverse": False}),
        ("CliffordGate", {"n": 10**9, "rs": None, "xs": None, "zs": None}),
        ("DepolarizingChannel", {"p": 0.1, "n_qubits": 10**9}),
        ("DepolarizingChannel", {"p": 0.1, "n_qubits": None}),
        ("AsymmetricDepolarizingChannel", {"error_probabilities": {"X" * 900: 0.1}}),
        ("AsymmetricDepolarizingChannel", {"error_probabilities": ["X"]}),
        ("MeasurementGate", {"num_qubits": 10**9, "key": "m", "invert_mask": []}),
    ],
)
def test_a_gate_of_too_many_qubits_is_refused(kind: str, fields: dict[str, Any]) -> None:
    gate = {"cirq_type": kind, **fields}
    with pytest.raises(ValueError, match=r"must (have|act on)"):
        opened(json.dumps(replaced(cirq.Circuit(cirq.H(Q[0])), "HPowGate", gate)))


MANY = cirq.LineQubit.range(40)
FLIP = cirq.bit_flip(0.1)


@pytest.mark.parametrize(
    "operation",
    [
        cirq.RandomGateChannel(sub_gate=cirq.IdentityGate(40), probability=0.1)(*MANY),
        cirq.ControlledGate(FLIP, num_controls=39)(*MANY),
        cirq.ControlledOperation(MANY[:39], FLIP(MANY[39])),
        cirq.ControlledOperation(MANY[:39], sub_circuit(cirq.Circuit(FLIP(MANY[39])))),
        cirq.ParallelGate(cirq.ResetChannel(), 40)(*MANY),
        cirq.ParallelGate(cirq.MeasurementGate(1, "m"), 40)(*MANY),
    ],
    ids=["random", "controlled gate", "controlled", "sub-circuit", "resets", "measurements"],
)
def test_a_channel_of_too_many_qubits_is_refused(operation: cirq.Operation) -> None:
    circuit = cirq.Circuit(operation)
    for given in (circuit, cirq.to_json(circuit)):
        with pytest.raises(ValueError, match="act on at most 5 qubits, controls included"):
            PQC(given, "Z0")


def test_kraus_operators_that_would_fill_the_memory_are_refused() -> None:
    # 4**5 operators of 4**5 entries each time.
    inner = cirq.Circuit(cirq.depolarize(0.1, 5)(*MANY[:5]))
    circuit = cirq.Circuit(sub_circuit(inner, repetitions=10_000))
    for given in (circuit, cirq.to_json(circuit)):
        with pytest.raises(ValueError, match="at most 10,000,000 entries in total"):
            PQC(given, "Z0")


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("AmplitudeDampingChannel", "gamma"),
        ("BitFlipChannel", "p"),
        ("DepolarizingChannel", "p"),
        ("GeneralizedAmplitudeDampingChannel", "p"),
        ("PhaseFlipChannel", "p"),
        ("RandomGateChannel", "probability"),
        ("KrausChannel", "_kraus_ops"),
        ("MixedUnitaryChannel", "_mixture"),
        ("StatePreparationChannel", "target_state"),
        ("AsymmetricDepolarizingChannel", "error_probabilities"),
        ("MeasurementGate", "invert_mask"),
        ("MeasurementGate", "confusion_map"),
    ],
)
def test_text_in_a_channel_is_not_run(kind: str, field: str, canary: Path) -> None:
    text = payload(canary)
    for value in (text, [text], {"X": text}, {text: 0.1}, function("sin", text)):
        gate = {"cirq_type": kind, field: value}
        with pytest.raises(ValueError, match="`circuit` must be"):
            opened(json.dumps(replaced(cirq.Circuit(cirq.H(Q[0])), "HPowGate", gate)))
    assert not canary.exists()


def test_a_matrix_in_saved_observables_holds_numbers(canary: Path) -> None:
    text = payload(canary)
    for rows in (text, [[text]], [[[text, text]]], [[1.0, 0.0]], [[[1.0]]], {"a": 1}, [[[1], []]]):
        with pytest.raises(ValueError, match="`observables` must be readable"):
            PQCDense(1, n_qubits=1, observables=[{"matrix": rows}])
    assert not canary.exists()


@pytest.mark.parametrize(
    "make",
    [
        lambda: PQCDense(10**9).build((None, 2)),
        lambda: PQCDense(3, n_qubits=10**9),
        lambda: PQCDense(3, n_layers=10**9),
        lambda: PQCDense(3, n_qubits=900, n_layers=900).build((None, 2)),
        lambda: PQCDense(3).build((None, 10**9)),
        lambda: QuantumEmbedding(10**9),
        lambda: QuantumEmbedding(40, encoding="amplitude").build((None, 2)),
        lambda: keras.saving.deserialize_keras_object(
            {
                "class_name": "HamiltonianEncoding",
                "registered_name": "qkeras_hybrid>HamiltonianEncoding",
                "module": "qkeras_hybrid",
                "config": {"trotter_steps": 10**9},
            }
        ),
    ],
)
def test_a_layer_of_absurd_size_is_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match="at most"):
        make()


def test_huge_indices_in_observables_are_refused() -> None:
    with pytest.raises(ValueError, match="terms"):
        keras.saving.deserialize_keras_object(
            {
                "class_name": "HamiltonianEncoding",
                "registered_name": "qkeras_hybrid>HamiltonianEncoding",
                "module": "qkeras_hybrid",
                "config": {"terms": ["Z0*Z99999999999"]},
            }
        )


# Errors.


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"circuit": "{}"}, "`circuit` must be"),
        ({"circuit": 5}, "`circuit` must be"),
        ({"circuit": '{"cirq_type": "Circuit"}'}, "`circuit` must be"),
        ({"circuit": '{"cirq_type": "REF", "key": 3}'}, "`circuit` must be"),
        ({"circuit": "[" * 100_000}, "`circuit` must be"),
        ({"observables": [{"cirq": "{"}]}, "`observables` must be"),
        ({"qubits": "[1]"}, "`qubits` must hold"),
        ({"encoding": {"class_name": "x"}}, "`encoding` must be"),
        ({"encoding": {"class_name": "Dense", "module": "keras.layers", "config": {}}}, "Dense"),
        ({"engine": {"class_name": []}}, "engine"),
        ({"shots": "many"}, "`shots` must be"),
        ({"inputs": 7}, "`inputs` must hold"),
        ({"symbols": ["w", "w"]}, "`symbols` must name"),
        ({"weight_initializer": {"class_name": 3}}, ""),
        ({"unknown": 1}, "unknown key 'unknown'"),
    ],
)
def test_a_broken_config_is_one_sentence_with_the_layer(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError) as raised:
        keras.models.load_model(saved_with(tmp_path, changes))
    assert "Layer 'pqc' (PQC) can't be made from what was saved: " in str(raised.value)
    assert said in str(raised.value)
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize(
    "build_config", ["x", {"input_shape": "x"}, {"input_shape": [None, 10**12]}]
)
def test_a_broken_shape_is_one_sentence_with_the_layer(build_config: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Layer 'pqc' \(PQC\) can't be made from what was saved"):
        keras.models.load_model(saved_with(tmp_path, {}, build_config=build_config))


# Fuzzing.


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yields the path of every value in decoded JSON."""
    yield path
    if isinstance(node, (dict, list)):
        for key in node if isinstance(node, dict) else range(len(node)):
            yield from places(node[key], (*path, key))


def planted(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Returns a copy of decoded JSON with another value in one place."""
    if not path:
        return value
    changed = copy.deepcopy(tree)
    node = changed
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return changed


def family(node: Any) -> str:
    """Returns what a value must share with another to stand in its place and be read."""
    kind = str(node.get("cirq_type")) if isinstance(node, dict) else type(node).__name__
    families = ("sympy", "function", "Gate", "Qubit", "Operation", "Circuit", "float", "int")
    return next((name for name in families if name in kind), kind).replace("function", "sympy")


def mutated(tree: Any, everywhere: list[Any], text: str, rng: random.Random) -> Any:
    """Returns decoded JSON with one to three changes: values swapped, planted, removed."""
    odd = [text, [text], {"cirq_type": text}, [], {}, None, True, -1, 10**30, 1e308, "", "a"]
    for _ in range(rng.randint(1, 3)):
        path = rng.choice([place for place in places(tree) if place])
        old = at(tree, path)
        like = [node for node in everywhere if family(node) == family(old)]
        kind = rng.random()
        if kind < 0.05 and isinstance(path[-1], str):
            tree = planted(tree, path, None)
            del at(tree, path[:-1])[path[-1]]
        elif kind < 0.2 or not like:
            tree = planted(tree, path, rng.choice(odd))
        elif kind < 0.4:
            tree = planted(tree, path, copy.deepcopy(rng.choice(everywhere)))
        else:
            tree = planted(tree, path, copy.deepcopy(rng.choice(like)))
    return tree


def fuzzed(canary: Path, n_mutations: int, step: int) -> tuple[int, int]:
    """Opens changed texts; returns how many were opened and how many of those were accepted.

    Args:
        canary: The file that nothing may make.
        n_mutations: How many texts with several random changes.
        step: Every how many places have the payload planted.
    """
    text = payload(canary)
    trees = [json.loads(_circuit_json.write(circuit)) for circuit in circuits()]
    everywhere = [node for tree in trees for node in (at(tree, path) for path in places(tree))]
    everywhere += hostile_nodes(text).values()
    rng = random.Random(20)
    hostile = [
        planted(tree, path, value)
        for tree in trees
        for path in places(tree)
        for value in (
            text,
            [text],
            function("sin", text),
            {"cirq_type": "sympy.Not", "args": [text]},
        )
    ][::step]
    changed = [mutated(rng.choice(trees), everywhere, text, rng) for _ in range(n_mutations)]
    accepted = 0
    for tree in [*hostile, *changed]:
        try:
            circuit = _circuit_json.read(json.dumps(tree))
            accepted += 1
            compile_circuit(circuit, "Z0")
        except ValueError:
            pass
        except (TypeError, AttributeError, IndexError, KeyError, ArithmeticError):
            # Cirq's own, from values that no gate takes: a layer says them with its name.
            pass
        assert not canary.exists(), json.dumps(tree)
    return len(hostile) + len(changed), accepted


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def test_changed_circuits_run_nothing(canary: Path) -> None:
    opened_texts, accepted = fuzzed(canary, n_mutations=500, step=9)
    # Texts that all fail at once would test nothing.
    assert opened_texts > 600 and accepted > 60


@pytest.mark.slow
def test_many_changed_circuits_run_nothing(canary: Path) -> None:
    opened_texts, accepted = fuzzed(canary, n_mutations=20_000, step=1)
    assert opened_texts > 20_000 and accepted > 1_500


# Files that are written.


def link(path: Path, target: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    return path


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    path = tmp_path / "precious"
    path.write_text("precious")
    return path


@pytest.mark.parametrize("name", ["report.html", "report.md", "tables.tex"])
def test_a_report_replaces_a_link_and_keeps_what_it_points_to(
    name: str, precious: Path, tmp_path: Path
) -> None:
    path = link(tmp_path / "report" / name, precious)
    report.render(made_rows.comparison(contenders=["hybrid", "linear"], seeds=2), path.parent)
    assert precious.read_text() == "precious"
    assert not path.is_symlink() and len(path.read_text()) > 100


def test_a_report_does_not_draw_its_figures_elsewhere(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = link(tmp_path / "report" / "figures", elsewhere).parent
    with pytest.raises(OSError, match="it is a link"):
        report.render(made_rows.comparison(contenders=["hybrid", "linear"], seeds=2), folder)
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize("name", ["results.jsonl", "results.jsonl.lock"])
def test_rows_do_not_go_where_a_link_points(name: str, precious: Path, tmp_path: Path) -> None:
    precious.write_text("")
    link(tmp_path / "results" / name, precious)
    file = results.Results(tmp_path / "results" / "results.jsonl")
    with pytest.raises(results.ResultsError, match="it is a link"), file:
        file.append(made_rows.row("a1"))
    assert precious.read_text() == ""


def test_a_curve_replaces_a_link(precious: Path, tmp_path: Path) -> None:
    (row,) = made_rows.comparison(contenders=["hybrid"], seeds=1)
    link(tmp_path / "curves" / f"{row.task}.csv", precious)
    tracking.csv_tracker(tmp_path / "curves")(row)
    assert precious.read_text() == "precious"


def test_a_file_that_can_not_be_written_stays_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(OSError) as raised:
        _files.write(tmp_path / "missing" / "file", "text")
    assert str(raised.value.filename) == str(tmp_path / "missing" / "file")
    with pytest.raises(UnicodeEncodeError):
        _files.write(tmp_path / "file", "\ud800")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["...toml", "..toml", "....toml"])
def test_a_suite_without_a_name_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text('[[task]]\ndata = {name = "iris"}\nmodel = {name = "pqc_dense"}\n')
    with pytest.raises(suite.SuiteError, match=r"must have a name before \.toml"):
        suite.read(str(path))


@pytest.mark.parametrize(
    ("key", "value"),
    [("data", "iris"), ("model", "pqc_dense"), ("n_features", 4), ("learning_rate", 0.1)],
)
def test_text_in_a_suite_is_not_run(key: str, value: Any, canary: Path, tmp_path: Path) -> None:
    text = payload(canary)
    given: dict[str, Any] = {"data": "iris", "model": "pqc_dense", "n_features": 4} | {key: text}
    path = tmp_path / "suite.toml"
    path.write_text(
        f"seeds = 1\n[training]\nlearning_rate = {json.dumps(given.get('learning_rate', 0.1))}\n"
        f"[[task]]\ndata = {{name = {json.dumps(given['data'])}, "
        f"n_features = {json.dumps(given['n_features'])}}}\n"
        f"model = {{name = {json.dumps(given['model'])}}}\n"
    )
    with pytest.raises(ValueError):
        (one,) = suite.read(str(path)).comparisons
        runner.plan(one.data, one.model, one.training, [0], one.contenders)
    assert not canary.exists()


@pytest.mark.parametrize(
    "text",
    [
        'OPENQASM 2.0; include "qelib1.inc"; qreg q[1]; rx({}) q[0];',
        'OPENQASM 2.0; include "{}"; qreg q[1]; h q[0];',
        'OPENQASM 2.0; include "qelib1.inc"; qreg q[{}]; h q[0];',
        'OPENQASM 2.0; include "qelib1.inc"; qreg q[1]; gate g(a) x {{ rx({}) x; }} g(1) q[0];',
        'OPENQASM 3.0; include "stdgates.inc"; qubit[1] q; rx({}) q[0];',
        "OPENQASM 3.0; input float[64] a; qubit[1] q; rx({}*a) q[0];",
        "{}",
    ],
)
def test_text_in_openqasm_is_not_run(text: str, canary: Path) -> None:
    with pytest.raises(ValueError):
        from_qasm(text.format(payload(canary)))
    assert not canary.exists()


def test_text_in_the_names_of_symbols_is_not_run(canary: Path) -> None:
    name = payload(canary)
    circuit = cirq.Circuit(cirq.rx(sympy.sin(sympy.Symbol(name)))(Q[0]))
    layer = PQC(circuit, "Z", inputs=[name], engine="statevector")
    assert layer(np.ones((2, 1))).shape == (2, 1)
    again = PQC.from_config(layer.get_config())
    assert again.get_config()["inputs"] == [name]
    assert "rx" in to_qasm(circuit, {name: 0.5})
    nested = cirq.Circuit(sub_circuit(circuit, param_resolver={name: sympy.Symbol(name + "1")}))
    assert compile_circuit(nested, "Z").weights == (sympy.Symbol(name + "1"),)
    assert not canary.exists()
