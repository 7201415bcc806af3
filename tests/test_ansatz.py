"""Ansatz templates: counts, structure, and unitaries built by hand."""

import functools
import itertools
import json

import cirq
import keras
import numpy as np
import pytest
import sympy

from qkeras_hybrid import ansatz
from qkeras_hybrid._entanglement import PATTERNS, entanglement_pairs
from qkeras_hybrid.ansatz import (
    QCNN,
    BasicEntangler,
    HardwareEfficient,
    MatrixProduct,
    RandomLayers,
    Sim,
    StronglyEntangling,
    TreeTensor,
    TwoLocal,
)

kron = functools.partial(functools.reduce, np.kron)
CX = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]])
XC = np.array([[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0]])


def ry(t):
    c, s = np.cos(t / 2), np.sin(t / 2)
    return np.array([[c, -s], [s, c]])


def rz(t):
    return np.diag([np.exp(-0.5j * t), np.exp(0.5j * t)])


def rx(t):
    c, s = np.cos(t / 2), np.sin(t / 2)
    return np.array([[c, -1j * s], [-1j * s, c]])


def built(template, n_qubits, n_layers=1):
    count = template.n_weights(n_qubits, n_layers)
    symbols = sympy.symbols(f"w0:{count}")
    return template.circuit(cirq.LineQubit.range(n_qubits), symbols, n_layers), symbols


def unitary(template, values, n_qubits, n_layers=1):
    qubits = cirq.LineQubit.range(n_qubits)
    circuit = template.circuit(qubits, [float(v) for v in values], n_layers)
    return circuit.unitary(qubit_order=qubits, qubits_that_should_be_present=qubits)


def in_order(circuit):
    names = []
    for operation in circuit.all_operations():
        names += sorted(cirq.parameter_names(operation))
    return list(dict.fromkeys(names))


@pytest.mark.parametrize("name", ansatz.names())
@pytest.mark.parametrize("n_qubits", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("n_layers", [1, 2])
def test_each_weight_is_used_and_each_qubit_there(name, n_qubits, n_layers):
    template = ansatz.get(name)
    try:
        template.check_qubits(n_qubits)
    except ValueError:
        assert name in ("tree_tensor", "mps", "qcnn")
        return
    circuit, symbols = built(template, n_qubits, n_layers)
    assert cirq.parameter_names(circuit) == {s.name for s in symbols}
    assert circuit.all_qubits() == set(cirq.LineQubit.range(n_qubits))


@pytest.mark.parametrize(
    "name", ["basic_entangler", "strongly_entangling", "mps", *(f"sim{i}" for i in range(1, 20))]
)
def test_layers_multiply(name):
    template, n = ansatz.get(name), 3
    count = template.n_weights(n, 1)
    assert template.n_weights(n, 2) == 2 * count
    if name == "strongly_entangling":
        template = StronglyEntangling(ranges=[1, 1])
        one = StronglyEntangling(ranges=[1])
    else:
        one = template
    w = np.random.default_rng(0).uniform(-3, 3, 2 * count)
    np.testing.assert_allclose(
        unitary(template, w, n, 2),
        unitary(one, w[count:], n) @ unitary(one, w[:count], n),
        atol=1e-7,
    )


def test_basic_entangler_by_hand():
    w = [0.3, -0.8]
    np.testing.assert_allclose(
        unitary(BasicEntangler(), w, 2), CX @ kron([rx(0.3), rx(-0.8)]), atol=1e-7
    )
    ring = built(BasicEntangler("Y"), 3)[0]
    pairs = [op.qubits for op in ring.all_operations() if len(op.qubits) == 2]
    q = cirq.LineQubit.range(3)
    assert pairs == [(q[0], q[1]), (q[1], q[2]), (q[2], q[0])]


def test_strongly_entangling_by_hand():
    w = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    turns = kron([rz(0.3) @ ry(0.2) @ rz(0.1), rz(0.6) @ ry(0.5) @ rz(0.4)])
    np.testing.assert_allclose(unitary(StronglyEntangling(), w, 2), XC @ CX @ turns, atol=1e-7)


def test_strongly_entangling_reaches_farther_in_each_layer():
    circuit, _ = built(StronglyEntangling(), 4, 4)
    distances = [
        (op.qubits[1].x - op.qubits[0].x) % 4
        for op in circuit.all_operations()
        if len(op.qubits) == 2
    ]
    assert sorted(distances) == [1] * 8 + [2] * 4 + [3] * 4


def test_two_local_by_hand():
    template = TwoLocal(["ry", "rz"], "crx", "linear")
    w = np.linspace(-1, 1, 9)
    controlled = np.eye(4, dtype=complex)
    controlled[2:, 2:] = rx(w[4])
    first = kron([rz(w[2]) @ ry(w[0]), rz(w[3]) @ ry(w[1])])
    last = kron([rz(w[7]) @ ry(w[5]), rz(w[8]) @ ry(w[6])])
    np.testing.assert_allclose(unitary(template, w, 2), last @ controlled @ first, atol=1e-7)


def test_hardware_efficient_is_two_local_with_other_defaults():
    w = np.linspace(-1, 1, 18)
    other = TwoLocal(["ry", "rz"], "cx", "reverse_linear")
    np.testing.assert_allclose(
        unitary(HardwareEfficient(), w, 3, 2), unitary(other, w, 3, 2), atol=1e-7
    )


def test_real_rotations_and_cnots_stay_real():
    for template in (TwoLocal(["ry"]), TreeTensor(), MatrixProduct()):
        w = np.linspace(-2, 2, template.n_weights(4, 2))
        assert abs(unitary(template, w, 4, 2).imag).max() < 1e-7


def test_entanglement_patterns_on_four_qubits():
    assert entanglement_pairs("linear", 4) == [(0, 1), (1, 2), (2, 3)]
    assert entanglement_pairs("reverse_linear", 4) == [(2, 3), (1, 2), (0, 1)]
    assert entanglement_pairs("ring", 4) == [(3, 0), (0, 1), (1, 2), (2, 3)]
    assert entanglement_pairs("circular", 2) == [(0, 1)]
    assert entanglement_pairs("pairwise", 4) == [(0, 1), (2, 3), (1, 2)]
    assert entanglement_pairs("full", 3) == [(0, 1), (0, 2), (1, 2)]
    assert entanglement_pairs("sca", 3, 1) == [(2, 1), (0, 2), (1, 0)]
    for pattern in PATTERNS:
        assert entanglement_pairs(pattern, 1) == []


def test_tree_ends_on_the_last_qubit_and_is_a_tree():
    circuit, _ = built(TreeTensor(), 8)
    pairs = [
        tuple(q.x for q in op.qubits) for op in circuit.all_operations() if len(op.qubits) == 2
    ]
    assert sorted(pairs) == sorted([(0, 1), (2, 3), (4, 5), (6, 7), (1, 3), (5, 7), (3, 7)])


def test_qcnn_reads_every_qubit_on_the_first():
    template, n = QCNN(), 8
    w = np.random.default_rng(0).uniform(-3, 3, template.n_weights(n, 1))
    u = unitary(template, w, n)
    z = np.kron(np.diag([1, -1]), np.eye(2 ** (n - 1)))
    seen = u.conj().T @ z @ u
    for qubit in range(n):
        x = kron([np.array([[0, 1], [1, 0]]) if i == qubit else np.eye(2) for i in range(n)])
        # Something of the qubit reaches the readout: they don't commute.
        assert abs(seen @ x - x @ seen).max() > 1e-3


def test_random_layers_follow_their_seed():
    one, two, three = (built(RandomLayers(6, seed=s), 4, 2)[0] for s in (5, 5, 6))
    assert one == two and one != three
    none = built(RandomLayers(6, ratio_coupling=0.0), 3)[0]
    assert all(len(op.qubits) == 1 for op in none.all_operations())


# Table of the paper, for four qubits and one layer; controlled rotations have a weight each.
SIM_WEIGHTS = [8, 8, 11, 11, 28, 28, 19, 19, 4, 8, 12, 12, 16, 16, 8, 11, 11, 12, 12]


@pytest.mark.parametrize(("number", "count"), enumerate(SIM_WEIGHTS, start=1))
def test_sim_circuits_have_the_papers_number_of_weights_in_order(number, count):
    circuit, symbols = built(Sim(number), 4)
    assert len(symbols) == count
    assert set(in_order(circuit)) == {s.name for s in symbols}


@pytest.mark.parametrize(
    ("number", "pairs"),
    [
        (2, [(3, 2), (2, 1), (1, 0)]),
        (5, [(i, j) for i in (3, 2, 1, 0) for j in (3, 2, 1, 0) if i != j]),
        (7, [(1, 0), (3, 2), (2, 1)]),
        (10, [(3, 2), (2, 1), (1, 0), (3, 0)]),
        (13, [(3, 0), (2, 3), (1, 2), (0, 1), (3, 2), (0, 3), (1, 0), (2, 1)]),
        (15, [(3, 0), (2, 3), (1, 2), (0, 1), (3, 2), (0, 3), (1, 0), (2, 1)]),
        (19, [(3, 0), (2, 3), (1, 2), (0, 1)]),
    ],
)
def test_sim_circuits_couple_as_the_papers_figure(number, pairs):
    template = Sim(number)
    weights = [0.1] * template.n_weights(4, 1)
    operations = template.operations(cirq.LineQubit.range(4), weights, 1)
    found = [tuple(q.x for q in op.qubits) for op in operations if len(op.qubits) == 2]
    assert found == pairs


@pytest.mark.parametrize("name", ansatz.names())
def test_config_round_trips(name):
    template = ansatz.get(name)
    again = ansatz.get(json.loads(json.dumps(keras.saving.serialize_keras_object(template))))
    assert again == template and hash(again) == hash(template)


def test_configs_with_arguments_round_trip():
    several = [
        BasicEntangler("Z"),
        StronglyEntangling("cz", [1, 2]),
        TwoLocal(["rx"], "rzz", [[0, 2]], True),
        RandomLayers(3, 0.5, 7),
        Sim(13),
    ]
    for template in several:
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(template)))
        assert ansatz.get(config) == template
    for one, two in itertools.combinations(several, 2):
        assert one != two


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ansatz.get("sim20"), "'basic_entangler'.*'sim19'"),
        (lambda: ansatz.get(3), "name or an Ansatz"),
        (lambda: Sim(0), "1 to 19"),
        (lambda: built(QCNN(), 6), "power of two"),
        (lambda: built(TreeTensor(), 1), "power of two"),
        (lambda: built(MatrixProduct(), 1), "at least 2"),
        (lambda: built(BasicEntangler(), 2, 0), "at least 1"),
        (lambda: BasicEntangler("W"), "'X', 'Y', 'Z'"),
        (lambda: BasicEntangler().circuit(cirq.LineQubit.range(2), [0.1], 1), "be 2 for 2 qubits"),
        (lambda: StronglyEntangling("swap"), "'cnot', 'cz'"),
        (lambda: built(StronglyEntangling(ranges=[3]), 3), "1 to 2"),
        (lambda: TwoLocal(["u3"]), "'rx', 'ry', 'rz'"),
        (lambda: TwoLocal(coupling="ccx"), "'cx', 'cy'"),
        (lambda: TwoLocal(entanglement="star"), "'full', 'linear'"),
        (lambda: built(TwoLocal(entanglement=[[0, 5]]), 3), "qubits 0 to 2 only"),
        (lambda: RandomLayers(ratio_coupling=1.0), "below 1"),
        (lambda: RandomLayers(0), "at least 1"),
    ],
)
def test_bad_arguments_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()
