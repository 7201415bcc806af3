"""Models that take states, and comparisons in which the others take a lab's report of them."""

from __future__ import annotations

import dataclasses
import types
from pathlib import Path

import cirq
import keras
import numpy as np
import pytest
import sympy

from qkeras_hybrid import PQC, PQCDense, ansatz
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.bench import controls, lab_features, models, report, runner, suite
from qkeras_hybrid.bench.contenders import Contender
from qkeras_hybrid.bench.derived import DoesNotApplyError
from qkeras_hybrid.bench.inspection import trainable_parameters
from qkeras_hybrid.bench.on_states import exact_qcnn
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.statistics import pairs_needed
from qkeras_hybrid.bench.task import Task
from qkeras_hybrid.datasets import load, prepare, quantum
from qkeras_hybrid.datasets.quantum.chains import pauli_matrix

DATA = {"name": "ising_phases", "n_samples": 60, "n_qubits": 6, "lab": "shadows", "shots": 100}
MODEL = {"name": "circuit_on_states", "n_layers": 1}
TRAINING = {"epochs": 2, "batch_size": 16, "learning_rate": 0.05}
CONTENDERS = ["hybrid", "dense_same_parameters", "frozen_circuit", "linear_model", "rbf_svc"]

# The circuits.


@pytest.fixture(name="cluster", scope="module")
def cluster_state() -> np.ndarray:
    """The cluster state of 11 sites with both flips even."""
    return quantum.ground_states("cluster", [1, 0, 0], 11)[0][0]


def value(state: np.ndarray, n_qubits: int = 11) -> float:
    circuit, observable = exact_qcnn(n_qubits)
    qubits = cirq.LineQubit.range(n_qubits)
    final = circuit.final_state_vector(
        initial_state=state.astype("complex128"), qubit_order=qubits, dtype=np.complex128
    )
    order = {qubit: i for i, qubit in enumerate(qubits)}
    return float(observable.expectation_from_state_vector(final, order).real)


@pytest.mark.parametrize("site", [None, *range(1, 10)])
def test_the_exact_network_corrects_any_single_x_error_of_a_cluster_state(
    site: int | None, cluster: np.ndarray
) -> None:
    state = cluster if site is None else pauli_matrix({site: "X"}, 11) @ cluster
    assert value(state) == pytest.approx(1, abs=1e-9)


def test_a_z_error_where_it_is_read_is_no_x_error(cluster: np.ndarray) -> None:
    assert value(pauli_matrix({5: "Z"}, 11) @ cluster) == pytest.approx(-1, abs=1e-9)


def test_two_errors_on_either_side_of_a_kept_site_are_taken_for_one_on_it(
    cluster: np.ndarray,
) -> None:
    # Z on 1 and 3 turns K_1 and K_3, and so would X on 2: what is corrected is not there.
    both = pauli_matrix({1: "Z", 3: "Z"}, 11) @ cluster
    assert value(both) == pytest.approx(1, abs=1e-9)
    assert value(pauli_matrix({3: "Z"}, 11) @ cluster) == pytest.approx(-1, abs=1e-9)


def test_a_product_state_gives_nothing() -> None:
    # All spins along the field. Each product of stabilisers in the value has a Z at its ends.
    state = np.full(2**11, 2 ** (-11 / 2))
    assert value(state) == pytest.approx(0, abs=1e-9)


def test_with_nine_sites_it_is_a_string_order_parameter() -> None:
    (state,), _ = quantum.ground_states("cluster", [1, 0.4, 0.2], 9)
    string = pauli_matrix({1: "Z", 2: "X", 4: "X", 6: "X", 7: "Z"}, 9)
    assert value(state, 9) == pytest.approx(state @ string @ state, abs=1e-9)


def test_the_layer_computes_what_cirq_does_from_amplitudes() -> None:
    states, _ = quantum.ground_states("cluster", [[1, 0.3, 0.1], [1, 1.5, 0.5]], 9)
    circuit, observable = exact_qcnn(9)
    values = PQC(circuit, observable, encoding="amplitude")(states.astype("float32"))
    expected = [[value(state, 9)] for state in states]
    # float32 over some 1000 gates
    assert keras.ops.convert_to_numpy(values) == pytest.approx(np.array(expected), abs=2e-5)


def test_a_circuit_on_states_reads_z_in_one_setting_and_starts_with_the_state() -> None:
    data = load("ising_phases", n_samples=8, n_qubits=6)
    model = models.build({"name": "circuit_on_states", "n_layers": 2}, data)
    assert model.output_shape == (None, 2)
    assert trainable_parameters(model) == 3 * 6 * 2 + 6 * 2 + 2
    layer = model.layers[0]
    assert layer.resources().measurement_settings == 1
    drawn = np.random.default_rng(1).uniform(-3, 3, len(layer.symbols))
    values = dict(zip([str(symbol) for symbol in layer.symbols], drawn.tolist(), strict=True))
    layer.assign_symbol_values(values)
    qubits = cirq.LineQubit.range(6)
    symbols = [sympy.Symbol(f"w{i}") for i in range(36)]
    circuit = ansatz.get("strongly_entangling").circuit(qubits, symbols, 2)
    finals = data.x.astype("float64") @ cirq.unitary(cirq.resolve_parameters(circuit, values)).T
    signs = 1 - 2 * ((np.arange(64)[:, np.newaxis] >> np.arange(5, -1, -1)) & 1)
    # float32 over some 200 gates
    got = keras.ops.convert_to_numpy(layer(data.x))
    assert got == pytest.approx(np.abs(finals) ** 2 @ signs, abs=2e-5)
    kept = models.build({"name": "circuit_on_states", "n_read": 2}, data)
    assert kept.layers[0].output.shape == (None, 2)


def test_a_trained_convolutional_network_ends_on_one_qubit() -> None:
    data = types.SimpleNamespace(
        n_features=16, n_outputs=2, task="classification", image_shape=None
    )
    model = models.build({"name": "circuit_on_states", "ansatz": "qcnn", "n_layers": 1}, data)
    assert model.layers[0].output.shape == (None, 1)
    # All observables are measured in one setting: a shot is a copy.
    assert model.layers[0].resources().measurement_settings == 1
    # Turns of 4 qubits, stages of 4 and 2 with 3 weights a gate; and the head's 4.
    assert trainable_parameters(model) == 3 * 4 + 3 * (4 + 2) + 3 * (2 + 1) + 4


def test_a_convolutional_network_without_turns_is_blind_to_states_that_a_flip_leaves_alone() -> (
    None
):
    # The reason for the turns: the gates take the flip of all spins to Y of the last qubit, under
    # which X and Z change sign.
    states = load("ising_phases", n_samples=8, n_qubits=8).x
    weights = {"weight_initializer": keras.initializers.RandomUniform(-3, 3, seed=0)}
    blind = PQCDense(
        2,
        n_qubits=8,
        encoding="amplitude",
        ansatz="qcnn",
        observables=["X0", "Z0"],
        **weights,
    )
    # float32 over some 700 gates
    assert keras.ops.convert_to_numpy(blind(states)) == pytest.approx(0, abs=1e-5)
    data = load("ising_phases", n_samples=8, n_qubits=8)
    model = models.build({"name": "circuit_on_states", "ansatz": "qcnn", "n_layers": 1}, data)
    layer = model.layers[0]
    drawn = np.random.default_rng(0).uniform(-3, 3, len(layer.symbols))
    layer.assign_symbol_values(dict(zip(layer.symbols, drawn.tolist(), strict=True)))
    assert np.ptp(keras.ops.convert_to_numpy(layer(states))) > 1e-3


@pytest.mark.parametrize("name", ["circuit_on_states", "cluster_qcnn"])
def test_what_is_no_state_is_refused(name: str) -> None:
    with pytest.raises(ArgumentError, match=r"`dataset` must have 2\*\*n_qubits features"):
        models.build({"name": name}, load("wine"))


def test_a_short_chain_has_no_exact_network() -> None:
    with pytest.raises(ArgumentError, match="`n_qubits` must be at least 9"):
        models.build({"name": "cluster_qcnn"}, load("cluster_phases", n_samples=4, n_qubits=6))
    with pytest.raises(ArgumentError, match="`n_read` must be at most 6"):
        models.build({**MODEL, "n_read": 7}, load("ising_phases", n_samples=4, n_qubits=6))


# Comparisons with two views.


@pytest.fixture(name="rows", scope="module")
def run_all() -> dict[str, Row]:
    """A row of each contender."""
    tasks, _ = runner.plan(
        *(DATA, MODEL, TRAINING, [0], CONTENDERS),
        execution={"shots": 100},
        suite="quantum_data",
    )
    return {task.contender: runner.run_task(task) for task in tasks}


def test_all_contenders_get_the_same_samples_each_in_its_view(rows: dict[str, Row]) -> None:
    dataset, _ = prepare(DATA, 0)
    for name in CONTENDERS:
        circuits = name in ("hybrid", "frozen_circuit")
        assert lab_features.takes_report(name, dataset) is not circuits
        assert not lab_features.takes_report(name, dataclasses.replace(dataset, lab=None))
    assert list(rows) == CONTENDERS
    assert {row.error for row in rows.values()} == {None}
    assert {(row.n_train, row.n_test) for row in rows.values()} == {(45, 15)}
    # 6 sites, 12 strings each.
    assert rows["linear_model"].parameters == (6 * 12 + 1) * 2
    assert rows["hybrid"].parameters == 3 * 6 + 6 * 2 + 2
    # A Dense network on 72 strings can't be smaller than one unit.
    assert rows["dense_same_parameters"].parameters == 73 + 4
    assert rows["dense_same_parameters"].parameter_mismatch == pytest.approx(77 / 32 - 1)
    shots = {name: (row.execution or {}).get("shots") for name, row in rows.items()}
    assert shots == {
        "hybrid": 100,
        "frozen_circuit": 100,
        "dense_same_parameters": None,
        "linear_model": None,
        "rbf_svc": None,
    }


def test_controls_that_keep_the_hybrids_layers_say_why_they_cannot_follow() -> None:
    dataset, _ = prepare(DATA, 0)
    hybrid = models.build(MODEL, dataset)
    reasons = lab_features.inapplicable(hybrid, dataset)
    assert set(reasons) == {"dense_same_width", "linear", "fourier_features"}
    assert "which need states" in reasons["linear"]
    with pytest.raises(DoesNotApplyError, match="need states"):
        lab_features.derived("surrogate", hybrid, dataset)
    with pytest.raises(ValueError, match="'linear' does not apply"):
        runner.plan(DATA, MODEL, TRAINING, [0], ["hybrid", "linear"])


@pytest.mark.parametrize("data", ["noisy_outputs", "ising_phases"])
def test_without_a_report_nothing_but_circuits_gets_states(data: str) -> None:
    table = {"name": data, "n_samples": 20}
    tasks, reasons = runner.plan(table, MODEL, TRAINING, [0])
    assert [task.contender for task in tasks] == ["hybrid", "frozen_circuit", "no_entanglement"]
    # All others are left out, each for that reason.
    assert {*reasons, "frozen_circuit", "no_entanglement"} == set(controls.CONTROLS)
    assert all('lab = "shadows"' in reason for reason in reasons.values())
    for name in ("dense_same_parameters", "rbf_svc"):
        with pytest.raises(ValueError, match=rf"'{name}' does not apply .* no lab can measure"):
            runner.plan(table, MODEL, TRAINING, [0], ["hybrid", name])
        # Nor where nobody planned it.
        task = Task(table, MODEL, TRAINING, keras.backend.backend(), name, 0)
        assert "no lab can measure" in str(runner.run_task(task).error)
    # A report of its own is for all.
    seen = {**table, "view": "expectations", "shots": None}
    tasks, _ = runner.plan(
        seen, {"name": "pqc_dense", "n_qubits": 2}, TRAINING, [0], ["hybrid", "linear", "rbf_svc"]
    )
    assert len(tasks) == 3


def test_a_hybrid_whose_classical_layer_would_read_amplitudes_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"`model` must begin with a circuit .* got 'Dense'"):
        runner.plan(DATA, {"name": "pqc_dense", "n_qubits": 2}, TRAINING, [0], ["hybrid"])


def test_ids_of_data_without_reports_stay_what_they_were() -> None:
    # That of tests/test_bench.py: nothing was added to the definition of a task.
    task = Task(
        data={"name": "iris", "test_size": 0.25},
        model={"name": "pqc_dense", "n_qubits": 4, "n_layers": 2},
        training={"epochs": 10, "batch_size": 16, "learning_rate": 0.01},
        backend="tensorflow",
        contender="hybrid",
        seed=0,
    )
    assert set(task.definition()) == {
        *("data", "model", "training", "backend", "contender", "seed", "tuning", "fingerprints")
    }


def test_tuning_searches_each_in_its_view() -> None:
    tuned = {"trials": 1, "seconds": 60, "folds": 2}
    space = {"learning_rate": {"type": "float", "low": 0.01, "high": 0.1, "log": True}}
    tasks, _ = runner.plan(
        *(DATA, MODEL, {**TRAINING, "epochs": 1}, [0], ["hybrid", "rbf_svc"]),
        tuning={**tuned, "search_space": space},
    )
    for task in tasks:
        row = runner.run_task(task)
        assert row.error is None
        assert row.tuning is not None
        assert row.tuning["failed"] == 0


def test_a_hybrid_tells_the_phases_of_ising_rings_apart() -> None:
    data = {"name": "ising_phases", "n_samples": 120, "n_qubits": 6}
    training = {"epochs": 15, "batch_size": 16, "learning_rate": 0.1}
    dataset, parts = prepare(data, 0)
    task = Task(data, MODEL, training, keras.backend.backend(), "hybrid", 0)
    contender = Contender(task, dataset, {})
    model, _ = contender.fitted(parts.x_train, parts.y_train)
    assert contender.score(model, parts.x_test, parts.y_test) > 0.8


# The suite.


def test_the_suite_gives_hybrids_states_and_the_same_number_of_copies_to_the_others() -> None:
    found = suite.read("quantum_data")
    for one in found.comparisons:
        data = {**one.data, "n_samples": 8}
        data.pop("n_train", None)
        dataset = load(**data)
        assert dataset.states
        assert dataset.lab is not None
        assert one.execution is not None
        # Two copies at once are two.
        copies = 2 if one.data["name"] == "entangled_pairs" else 1
        assert one.execution["shots"] * copies == one.data["shots"]
        assert one.contenders is not None
        assert len(found.seeds) >= pairs_needed(len(one.contenders) - 1)


def test_a_small_version_of_the_suite_ends_in_a_report(
    rows: dict[str, Row], tmp_path: Path
) -> None:
    report.render(list(rows.values()), tmp_path)
    page = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "ising_phases" in page
    assert "took a lab's report of the same samples (shadows, from 100 copies of each)" in page


# Two copies, and environments.


def test_the_two_copy_test_computes_the_purity_of_a_half() -> None:
    data = load("entangled_pairs", n_samples=12)
    model = models.build({"name": "two_copy_test"}, data)
    layer = model.layers[0]
    halves = load("entangled_pairs", n_samples=12, copies=1).x.reshape(12, 4, 4)
    purity = ((halves @ halves.transpose(0, 2, 1)) ** 2).sum(axis=(1, 2))
    # float32 over some 500 gates
    assert keras.ops.convert_to_numpy(layer(data.x))[:, 0] == pytest.approx(purity, abs=2e-5)
    assert layer.resources().measurement_settings == 1
    with pytest.raises(ArgumentError, match="two copies"):
        models.build({"name": "two_copy_test"}, load("ising_phases", n_samples=4, n_qubits=6))


def test_an_idle_environment_leaves_expectation_values_of_the_mixed_state() -> None:
    data = load("noisy_outputs", n_samples=6)
    layer = models.build({**MODEL, "n_idle": 4}, data).layers[0]
    drawn = np.random.default_rng(0).uniform(-3, 3, len(layer.symbols))
    values = dict(zip([str(symbol) for symbol in layer.symbols], drawn.tolist(), strict=True))
    layer.assign_symbol_values(values)
    assert len(layer.symbols) == 12
    template = ansatz.get("strongly_entangling")
    qubits = cirq.LineQubit.range(4)
    circuit = template.circuit(qubits, [sympy.Symbol(f"w{i}") for i in range(12)], 1)
    unitary = cirq.unitary(cirq.resolve_parameters(circuit, values))
    mixed = np.einsum("sij,skj->sik", *[data.x.reshape(6, 16, 16)] * 2)
    turned = unitary @ mixed @ unitary.conj().T
    signs = 1 - 2 * ((np.arange(16)[:, np.newaxis] >> np.array([3, 2, 1, 0])) & 1)
    expected = np.einsum("sii,ij->sj", turned, signs).real
    assert keras.ops.convert_to_numpy(layer(data.x)) == pytest.approx(expected, abs=2e-5)
    with pytest.raises(ArgumentError, match="`n_idle` must be at most 7"):
        models.build({**MODEL, "n_idle": 8}, data)
