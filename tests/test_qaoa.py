"""QAOA: closed forms, Cirq, gradients of angles and fields, mixers, starts, bad input."""

from __future__ import annotations

import math
from typing import Any

import cirq
import keras
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from qkeras_hybrid import QAOALayer
from qkeras_hybrid.annealing import (
    Batch,
    Constraint,
    Ising,
    Problem,
    QAOASampling,
    Qubo,
    maxcut,
    solve,
)
from qkeras_hybrid.annealing.qaoa import (
    optimised_angles,
    qaoa_samples,
    runs,
    start_angles,
    stored_graphs,
)
from qkeras_hybrid.annealing.qaoa.circuit import (
    Circuit,
    cardinality_state,
    complete_pairs,
    diagonal,
    ring_pairs,
)
from qkeras_hybrid.annealing.qaoa.native import Native
from qkeras_hybrid.engines import _host
from qkeras_hybrid.engines.native import library
from qkeras_hybrid.testing import run_layer_test, value_and_gradients

NO_NATIVE = library.unavailable() is not None
ENGINES = ("portable",) if NO_NATIVE else ("native", "portable")
# The share of the edges that the fixed angles cut where neighbourhoods are trees, by layers (Wurtz
# and Lykov, arXiv 2107.00677).
GUARANTEED_CUTS = (0.6924, 0.7559, 0.7924)
needs_native = pytest.mark.skipif(NO_NATIVE, reason="the native engine is not built")
NO_PAIRS = np.zeros((0, 2), "int64")


def cut_model(graph: Any) -> Ising:
    """Returns minus the cut, up to a constant: half the sum of the products of neighbours."""
    return Ising({v: 0.0 for v in graph}, {edge: 0.5 for edge in graph.edges})


def cut_share(layer: QAOALayer, graph: Any) -> float:
    energy = ops.convert_to_numpy(layer(np.zeros((1, 0)))).item()
    return 0.5 - energy / graph.number_of_edges()


def random_model(n: int, seed: int) -> Ising:
    rng = np.random.default_rng(seed)
    couplings = np.triu(rng.normal(size=(n, n)), 1)
    return Ising(rng.normal(size=n), couplings + couplings.T, offset=0.25)


def by_cirq(
    model: Ising, fields: np.ndarray, gammas: np.ndarray, betas: np.ndarray
) -> tuple[np.ndarray, float]:
    """Returns means of spins and energy, from gates that Cirq simulates."""
    qubits = cirq.LineQubit.range(model.n_variables)
    shifted = Ising(model.biases + fields, model.matrix(), model.offset)
    circuit = cirq.Circuit(cirq.H.on_each(*qubits))
    for gamma, beta in zip(gammas, betas, strict=True):
        for i, bias in enumerate(shifted.biases):
            circuit.append(cirq.rz(2 * gamma * bias).on(qubits[i]))
        for (i, j), bias in zip(shifted.edges, shifted.couplings, strict=True):
            circuit.append(cirq.ZZPowGate(exponent=2 * gamma * bias / np.pi)(qubits[i], qubits[j]))
        circuit.append(cirq.rx(2 * beta).on_each(*qubits))
    simulator = cirq.Simulator(dtype=np.complex128)
    observables = [*(cirq.Z(q) * 1.0 for q in qubits), shifted.to_pauli_sum(qubits)]
    found = simulator.simulate_expectation_values(circuit, observables, qubit_order=qubits)
    return np.real(found[:-1]), float(np.real(found[-1]))


# Closed forms.


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "graph",
    [nx.petersen_graph(), nx.heawood_graph(), nx.dodecahedral_graph()],
    ids=["Petersen", "Heawood", "dodecahedron"],
)
def test_one_layer_at_fixed_angles_cuts_its_share_of_graphs_without_triangles(
    graph: Any, engine: str
) -> None:
    if engine == "portable" and len(graph) > 16:
        pytest.skip("the native engine has the large graphs")
    layer = QAOALayer(cut_model(graph), 1, angles="fixed", output="energy", engine=engine)
    # Wang, Hadfield, Jiang, Rieffel, arXiv 1706.02998. float32 sums of 2**20 probabilities.
    assert cut_share(layer, graph) == pytest.approx(1 / 2 + 1 / (3 * math.sqrt(3)), abs=1e-6)


@needs_native
@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_a_long_ring_is_cut_by_2p_plus_1_of_2p_plus_2(n_layers: int) -> None:
    # Farhi, Goldstone, Gutmann, arXiv 1411.4028; proven by Mbeng et al., arXiv 1906.08948.
    ring = nx.cycle_graph(2 * n_layers + 4)
    energy = optimised_angles(cut_model(ring), n_layers)[2]
    share = 0.5 - energy / len(ring)
    assert share == pytest.approx((2 * n_layers + 1) / (2 * n_layers + 2), abs=1e-7)


@needs_native
@pytest.mark.parametrize("n_layers", [1, 2])
def test_the_fixed_angles_cut_what_their_authors_guarantee(n_layers: int) -> None:
    # Within two steps of an edge, the Möbius-Kantor graph (of girth 6) is a tree.
    graph = nx.moebius_kantor_graph()
    layer = QAOALayer(cut_model(graph), n_layers, angles="fixed", output="energy")
    assert cut_share(layer, graph) == pytest.approx(GUARANTEED_CUTS[n_layers - 1], abs=1e-4)


def test_angles_of_zero_leave_the_uniform_state() -> None:
    layer = QAOALayer(random_model(3, 0), 2, angles=([0, 0], [0, 0]), output="probabilities")
    found = ops.convert_to_numpy(layer(np.ones((1, 3))))
    np.testing.assert_allclose(found, 1 / 8, atol=1e-7)


def test_one_spin_turns_as_on_the_bloch_sphere() -> None:
    # |+> turned about Z by 2 gamma h, then about X by 2 beta: <Z> = sin(2 beta) sin(2 gamma h).
    gamma, beta, h = 0.3, 0.4, 0.7
    layer = QAOALayer(Ising({0: 0.5}), angles=([gamma], [beta]))
    found = ops.convert_to_numpy(layer(np.array([[h - 0.5]])))
    assert found.item() == pytest.approx(math.sin(2 * beta) * math.sin(2 * gamma * h), abs=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_xy_mixer_of_two_qubits_turns_one_hot_states(engine: str) -> None:
    # From x = (1, 0), exp(-i beta (XX + YY) / 2) moves to (0, 1) with probability sin(beta)^2.
    state = [0, 1, 0, 0]  # |01>: the first bit is 1
    layer = QAOALayer(
        Qubo(np.zeros((2, 2))),
        mixer="xy_ring",
        state=state,
        angles=([0.2], [0.3]),
        output="probabilities",
        engine=engine,
    )
    found = ops.convert_to_numpy(layer(np.zeros((1, 0))))[0]
    np.testing.assert_allclose(found, [0, math.cos(0.3) ** 2, math.sin(0.3) ** 2, 0], atol=1e-6)


# Against Cirq.


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 2**31))
def test_random_models_agree_with_cirq(n: int, n_layers: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = random_model(n, seed)
    gammas, betas = rng.uniform(-2, 2, (2, n_layers))
    fields = rng.normal(size=(2, n))
    for engine in ENGINES:
        options: dict[str, Any] = {"angles": (gammas, betas), "engine": engine, "dtype": "float64"}
        means = ops.convert_to_numpy(QAOALayer(model, n_layers, **options)(fields))
        energy = QAOALayer(model, n_layers, output="energy", **options)(fields)
        for row, spins, value in zip(fields, means, ops.convert_to_numpy(energy), strict=True):
            expected_means, expected_energy = by_cirq(model, row, gammas, betas)
            np.testing.assert_allclose(spins, expected_means, atol=1e-9)
            assert value.item() == pytest.approx(expected_energy, abs=1e-9)


@pytest.mark.parametrize("mixer", ["xy_ring", "xy_complete"])
@pytest.mark.parametrize("engine", ENGINES)
def test_xy_mixers_agree_with_cirq(mixer: str, engine: str) -> None:
    n, gamma, beta = 5, 0.4, 0.9
    model = random_model(n, 3)
    layer = QAOALayer(
        model,
        mixer=mixer,
        ones=2,
        angles=([gamma], [beta]),
        output="probabilities",
        engine=engine,
        dtype="float64",
    )
    found = ops.convert_to_numpy(layer(np.zeros((1, 0))))[0]
    qubits = cirq.LineQubit.range(n)
    pairs = (ring_pairs if mixer == "xy_ring" else complete_pairs)(range(n))
    circuit = cirq.Circuit(
        cirq.DiagonalGate((-gamma * diagonal(model)).tolist()).on(*qubits),
        (cirq.ISwapPowGate(exponent=-2 * beta / np.pi)(qubits[a], qubits[b]) for a, b in pairs),
    )
    start = cardinality_state(n, [range(n)], [2])
    final = cirq.Simulator(dtype=np.complex128).simulate(circuit, initial_state=start)
    np.testing.assert_allclose(found, np.abs(final.final_state_vector) ** 2, atol=1e-9)


# Engines and gradients.


CIRCUITS = {
    "x": lambda n: (NO_PAIRS, None),
    "ring": lambda n: (np.array(ring_pairs(range(n))), cardinality_state(n, [range(n)], [1])),
}


@needs_native
@pytest.mark.parametrize("kind", CIRCUITS)
@pytest.mark.parametrize("n", [2, 3, 5, 9, 12])
def test_both_engines_compute_the_same(n: int, kind: str) -> None:
    pairs, state = CIRCUITS[kind](n)
    circuit = Circuit(n, 2, diagonal(random_model(n, n)), pairs, state)
    rows = np.random.default_rng(n).normal(size=(3, n + 4)).astype("float32")
    weights = np.random.default_rng(1).normal(size=(3, n + 1)).astype("float32")

    def loss(engine: str) -> Any:
        run = runs.prepare(engine, circuit, n, "float32")
        return value_and_gradients(
            lambda row: ops.sum(run(row) * ops.convert_to_tensor(weights), axis=1), rows
        )

    (value, (slope,)), (expected, (expected_slope,)) = loss("native"), loss("portable")
    # float32 phases of up to 30 radians in the portable one.
    np.testing.assert_allclose(value, expected, atol=3e-4)
    np.testing.assert_allclose(slope, expected_slope, atol=3e-3)


@needs_native
@pytest.mark.parametrize("kind", CIRCUITS)
@pytest.mark.parametrize("n", [1, 3, 11, 14])
def test_native_gradients_are_those_of_finite_differences(n: int, kind: str) -> None:
    if n == 1 and kind == "ring":
        pytest.skip("a ring has two qubits")
    rng = np.random.default_rng(n)
    pairs, state = CIRCUITS[kind](n)
    circuit = Circuit(n, 3, diagonal(random_model(n, n)), pairs, state)
    native = Native(circuit, n, "float64")
    rows = rng.normal(size=(2, n + 6))
    for values, gradient, size in (
        (native.values, native.values_gradient, n + 1),
        (native.probabilities, native.probabilities_gradient, 2**n),
    ):
        upstream = rng.normal(size=(2, size))
        slope = gradient(rows, upstream)
        for k in {0, n - 1, n, n + 2, n + 3, n + 5}:
            step = np.zeros(n + 6)
            step[k] = 1e-5
            difference = (values(rows + step) - values(rows - step)) * upstream
            # The error of central differences: the step squared, or rounding over the step.
            np.testing.assert_allclose(slope[:, k], difference.sum(1) / 2e-5, atol=1e-6)


def even_costs(n: int) -> np.ndarray:
    """Returns costs that don't change when all spins are flipped."""
    return diagonal(Ising(np.zeros(n), random_model(n, n).matrix()))


@needs_native
@pytest.mark.parametrize("n", [10, 11, 14, 17])
def test_half_of_an_even_state_gives_what_the_whole_gives(n: int) -> None:
    circuit = Circuit(n, 2, even_costs(n), NO_PAIRS)
    rng = np.random.default_rng(n)
    rows = rng.normal(size=(2, 4))
    half, whole = Native(circuit, 0, "float64"), Native(circuit, n, "float64")
    assert half.even
    assert not whole.even  # because it takes fields, of zeros here
    with_fields = np.concatenate([np.zeros((2, n)), rows], axis=1)
    np.testing.assert_allclose(half.values(rows), whole.values(with_fields), atol=1e-11)
    np.testing.assert_allclose(
        half.probabilities(rows), whole.probabilities(with_fields), atol=1e-13
    )
    kept = half.values_and_states(rows)[:, n + 1 :]
    for size, name in ((n + 1, "values_gradient"), (2**n, "probabilities_gradient")):
        upstream = rng.normal(size=(2, size))
        found = getattr(half, name)(rows, upstream)
        expected = getattr(whole, name)(with_fields, upstream)[:, n:]
        np.testing.assert_allclose(found, expected, atol=1e-10)
        if name == "values_gradient":
            assert np.array_equal(half.gradient_of_kept(rows, upstream, kept), found)


def test_a_state_is_even_only_if_costs_start_and_mixer_are() -> None:
    costs = even_costs(10)
    odd = costs.copy()
    odd[0] += 1e-9
    uniform = np.full(2**10, 2.0**-5, "complex128")
    pairs = np.array(ring_pairs(range(10)))
    assert Native(Circuit(10, 1, costs, NO_PAIRS), 0, "float32").even
    for circuit in (
        Circuit(10, 1, odd, NO_PAIRS),
        Circuit(10, 1, costs, pairs, uniform),
        Circuit(10, 1, costs, NO_PAIRS, uniform),
        Circuit(9, 1, even_costs(9), NO_PAIRS),
    ):
        assert not Native(circuit, 0, "float32").even


@needs_native
@pytest.mark.parametrize("even", [False, True])
def test_float32_and_float64_agree_in_each_instruction_set(even: bool, monkeypatch: Any) -> None:
    costs = even_costs(13) if even else diagonal(random_model(13, 0))
    circuit, fields = Circuit(13, 3, costs, NO_PAIRS), 0 if even else 13
    rng = np.random.default_rng(0)
    rows, upstream = rng.normal(size=(2, fields + 6)), rng.normal(size=(2, 14))
    expected: Any = None
    for name in library.instruction_sets():
        monkeypatch.setenv("QKERAS_HYBRID_ISA", name)
        for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-4)):
            native = Native(circuit, fields, dtype)
            found = native.values(rows), native.values_gradient(rows, upstream)
            expected = expected or found
            for part, other in zip(found, expected, strict=True):
                assert np.abs(part - other).max() <= tolerance * np.abs(other).max()


@needs_native
@pytest.mark.parametrize("even", [False, True])
def test_results_do_not_depend_on_the_number_of_threads(even: bool) -> None:
    costs = even_costs(15) if even else diagonal(random_model(15, 1))
    native = Native(Circuit(15, 2, costs, NO_PAIRS), 0, "float32")
    rows, upstream = np.full((1, 4), 0.3), np.ones((1, 16))
    found = []
    for threads in (1, 2, 3):
        library.set_threads(threads)
        found.append((native.values(rows), native.values_gradient(rows, upstream)))
    library.set_threads(0)
    for values, gradient in found[1:]:
        assert np.array_equal(values, found[0][0])
        assert np.array_equal(gradient, found[0][1])


def test_a_network_trains_through_the_layer() -> None:
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
    y = np.sign(x)
    layer = QAOALayer(Ising(np.zeros(3), np.zeros((3, 3))), 1)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3), layer])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    losses = model.fit(x, y, epochs=30, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize("output", ["means", "energy", "probabilities"])
def test_the_contract_of_layers(output: str) -> None:
    problem = Qubo(np.triu(np.random.default_rng(0).normal(size=(3, 3))))
    run_layer_test(QAOALayer, {"problem": problem, "n_layers": 2, "output": output}, (3, 3))


def test_the_contract_holds_with_a_mixer_of_groups() -> None:
    model = Ising(np.zeros(4), np.ones((4, 4)) - np.eye(4))
    groups = {"mixer": "xy_complete", "groups": [[0, 1], [2, 3]], "ones": [1, 1]}
    run_layer_test(QAOALayer, {"problem": model, **groups}, (2, 4))


def test_the_contract_holds_with_a_warm_start_on_the_portable_engine() -> None:
    run_layer_test(QAOALayer, {"problem": random_model(2, 0), "relaxed": [0.1, 0.9]}, (2, 2))


# What goes in and out.


def test_a_qubos_fields_are_added_to_its_biases() -> None:
    matrix = np.triu(np.random.default_rng(2).normal(size=(3, 3)))
    fields = np.array([0.3, -0.2, 0.5])
    angles = ([0.4, 0.1], [-0.3, 0.7])
    options: dict[str, Any] = {"angles": angles, "output": "energy", "dtype": "float64"}
    shifted = QAOALayer(Qubo(matrix + np.diag(fields)), 2, **options)(np.zeros((1, 0)))
    found = QAOALayer(Qubo(matrix), 2, **options)(fields[None])
    assert float(found[0, 0]) == pytest.approx(float(shifted[0, 0]), abs=1e-12)


def test_the_energy_is_that_of_the_probabilities() -> None:
    problem = Qubo({("a", "a"): 1.5, ("a", "b"): -2.0}, offset=3.0)
    shares = ops.convert_to_numpy(QAOALayer(problem, output="probabilities")(np.zeros((1, 0))))[0]
    energy = ops.convert_to_numpy(QAOALayer(problem, output="energy")(np.zeros((1, 0)))).item()
    # |00>, |01>, |10>, |11> are the bits (1, 1), (1, 0), (0, 1), (0, 0).
    states = [(1, 1), (1, 0), (0, 1), (0, 0)]
    assert energy == pytest.approx(float(shares @ problem.energy(np.array(states))), abs=1e-6)


def test_samples_have_the_means() -> None:
    model = Ising({0: 1.0, 1: -0.5}, {(0, 1): 0.7})
    angles = ([0.5], [-0.4])
    means = ops.convert_to_numpy(QAOALayer(model, angles=angles)(np.zeros((1, 0))))
    layer = QAOALayer(model, angles=angles, output="samples", shots=20_000, seed=1)
    spins = ops.convert_to_numpy(layer(np.zeros((1, 0))))
    assert spins.shape == (1, 20_000, 2)
    assert set(np.unique(spins)) == {-1, 1}
    # Four standard deviations of a mean of 20,000 spins.
    np.testing.assert_allclose(spins.mean(axis=1), means, atol=4 / math.sqrt(20_000))


@pytest.mark.parametrize("mixer", ["xy_ring", "xy_complete"])
def test_xy_mixers_keep_the_ones_of_each_group(mixer: str) -> None:
    problem = Qubo({(v, v): float(i) for i, v in enumerate("abcde")})
    groups = [["a", "c", "e"], ["b", "d"]]
    layer = QAOALayer(
        problem, 2, mixer=mixer, groups=groups, ones=[2, 1], output="samples", shots=50
    )
    bits = (ops.convert_to_numpy(layer(np.zeros((1, 0))))[0] + 1) / 2
    assert (bits[:, [0, 2, 4]].sum(axis=1) == 2).all()
    assert (bits[:, [1, 3]].sum(axis=1) == 1).all()


def test_a_warm_start_with_beta_0_is_the_relaxed_solution() -> None:
    relaxed = np.array([0.3, 0.5, 0.65])
    layer = QAOALayer(random_model(3, 1), relaxed=relaxed, angles=([0.7], [0.0]))
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(np.zeros((1, 0))))[0], 2 * relaxed - 1, atol=1e-6
    )


def test_the_mixer_of_a_warm_start_keeps_its_state() -> None:
    relaxed = np.array([0.3, 0.6])
    layer = QAOALayer(random_model(2, 1), relaxed=relaxed, angles=([0.0], [0.8]))
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer(np.zeros((1, 0))))[0], 2 * relaxed - 1, atol=1e-6
    )


def test_a_warm_start_of_one_half_is_the_usual_start() -> None:
    model, fields = random_model(3, 5), np.random.default_rng(0).normal(size=(2, 3))
    plain = QAOALayer(model, 2, engine="portable")(fields)
    warm = QAOALayer(model, 2, relaxed=[0.0, 1.0, 0.2], epsilon=0.5)(fields)
    np.testing.assert_allclose(ops.convert_to_numpy(plain), ops.convert_to_numpy(warm), atol=1e-6)


# Starts.


@pytest.mark.parametrize("name", ["ramp", "sk", "fixed", "stored"])
def test_every_start_is_better_than_a_guess_and_grows_with_layers(name: str) -> None:
    graph = nx.petersen_graph()
    shares = [
        cut_share(QAOALayer(cut_model(graph), p, angles=name, output="energy"), graph)
        for p in (1, 2, 4)
    ]
    assert 0.66 < shares[0] < shares[1]
    assert shares[2] > shares[0] + 0.03


@needs_native
def test_the_angles_of_the_sherrington_kirkpatrick_model_are_near_its_optimum() -> None:
    model = random_model(12, 0)
    model = Ising(np.zeros(12), model.matrix())
    start = QAOALayer(model, 4, angles="sk", output="energy", dtype="float64")
    found = float(ops.convert_to_numpy(start(np.zeros((1, 0)))).item())
    best = optimised_angles(model, 4)[2]
    assert best <= found < 0.85 * best < 0


@pytest.mark.parametrize("name", ["ramp", "sk", "fixed"])
def test_angles_do_not_depend_on_the_unit_of_energy(name: str) -> None:
    model = random_model(4, 2)
    larger = Ising(10 * model.biases, 10 * model.matrix())
    gammas, betas = start_angles(name, 3, model)
    smaller, same = start_angles(name, 3, larger)
    np.testing.assert_allclose(smaller, gammas / 10)
    np.testing.assert_allclose(same, betas)


def test_stored_angles_cut_what_is_stored_with_them() -> None:
    entries = {entry["name"]: entry for entry in stored_graphs()}
    assert len([name for name in entries if name.startswith("3-regular")]) == 26
    for name in ("complete 4", "3-regular 8.2", "cycle 7"):
        entry = entries[name]
        # The same graph with its vertices in another order.
        order = np.random.default_rng(0).permutation(entry["n"])
        graph = nx.Graph([(int(order[a]), int(order[b])) for a, b in entry["edges"]])
        layer = QAOALayer(cut_model(graph), 2, angles="stored", output="energy", engine="portable")
        # Angles are stored to six digits, and the optimum is flat.
        assert cut_share(layer, graph) == pytest.approx(entry["angles"]["2"]["cut"], abs=2e-6)


# Solving.


@pytest.mark.parametrize("engine", ENGINES)
def test_samples_find_the_lowest_energy(engine: str) -> None:
    model = random_model(4, 7)
    lowest = diagonal(model).min() + model.offset
    spins = qaoa_samples(model, 1, reads=50, seed=0, angles="ramp", engine=engine)
    assert spins.shape == (50, 4)
    assert spins.dtype == np.int8
    assert model.energy(spins.astype("float64")).min() == pytest.approx(lowest)


def test_samples_follow_their_seed() -> None:
    qubo = Qubo({("a", "b"): 1.0, ("b", "c"): -2.0})
    first, second = (qaoa_samples(qubo, 1, reads=30, seed=4) for _ in range(2))
    assert np.array_equal(first, second)


@needs_native
def test_solve_finds_a_cut_by_qaoa() -> None:
    found = solve(maxcut(nx.petersen_graph()), "qaoa", seed=0)
    assert found.energy == -12  # the Petersen graph's largest cut
    assert (found.solver, found.feasible, found.reads) == ("qaoa", True, 100)


def test_an_annealer_by_qaoa_returns_its_config_and_repeats_its_seed() -> None:
    annealer = QAOASampling(1, "ramp")
    again = QAOASampling.from_config(annealer.get_config())
    assert again == annealer
    batch = Batch.of([Ising([0.5, 0.1], np.ones((2, 2)) - np.eye(2)) for _ in range(2)])
    first, second = (each.sample(batch, 20, seed=3) for each in (annealer, again))
    assert first.shape == (2, 20, 2)
    assert np.array_equal(first, second)


ONE_HOT = Problem(
    "choice",
    Qubo({("a", "a"): 2.0, ("b", "b"): -1.0, ("c", "c"): 0.5}),
    [Constraint("one", {"a": 1, "b": 1, "c": 1}, "==", 1)],
)


def test_a_problems_constraint_becomes_the_group_of_an_xy_mixer() -> None:
    layer = QAOALayer(ONE_HOT, 2, mixer="xy_ring", output="samples", shots=40)
    bits = (ops.convert_to_numpy(layer(np.zeros((1, 0))))[0] + 1) / 2
    assert (bits.sum(axis=1) == 1).all()
    energy = QAOALayer(ONE_HOT, mixer="xy_ring", angles=([0], [0]), output="energy")
    assert float(energy(np.zeros((1, 0)))[0, 0]) == pytest.approx(0.5, abs=1e-6)  # the mean of 3


def test_a_problems_constraint_becomes_a_penalty_with_the_mixer_x() -> None:
    layer = QAOALayer(ONE_HOT, angles=([0], [0]), output="energy")
    bits = np.array([[(k >> j) & 1 for j in range(3)] for k in range(8)])
    mean = float(ONE_HOT.to_qubo().energies(bits).mean())
    assert float(layer(np.zeros((1, 0)))[0, 0]) == pytest.approx(mean, rel=1e-6)
    run_layer_test(QAOALayer, {"problem": ONE_HOT}, (2, 3))


def test_an_xy_mixer_refuses_constraints_that_it_does_not_keep() -> None:
    heavy = Problem("bag", ONE_HOT.objective, [Constraint("room", {"a": 2, "b": 1}, "<=", 2)])
    with pytest.raises(ValueError, match=r"`mixer` must be \"x\".*'room'"):
        QAOALayer(heavy, mixer="xy_ring")
    free = Problem("pair", ONE_HOT.objective, [Constraint("one", {"a": 1, "b": 1}, "==", 1)])
    with pytest.raises(ValueError, match="a variable, here 'c', is in no constraint"):
        QAOALayer(free, mixer="xy_ring")


# Bad input.


def test_nan_fields_spoil_their_own_sample_alone() -> None:
    fields = np.array([[0.1, 0.2], [np.nan, 0.0], [np.inf, 0.0]])
    for engine in ENGINES:
        found = ops.convert_to_numpy(QAOALayer(random_model(2, 0), engine=engine)(fields))
        assert np.isnan(found[1:]).all()
        assert np.isfinite(found[0]).all()


def test_an_empty_batch_gives_an_empty_result() -> None:
    for width in (0, 2):
        assert QAOALayer(random_model(2, 0))(np.zeros((0, width))).shape == (0, 2)


def test_too_many_qubits_are_refused_before_memory_is_taken() -> None:
    large = Ising(np.ones(45))
    with pytest.raises(
        ValueError, match=r"`problem` must have few enough variables.*45 qubits need"
    ):
        QAOALayer(large)
    with pytest.raises(ValueError, match="45 qubits need"):
        qaoa_samples(large)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_layers": 0}, "`n_layers` must be a whole number of at least 1"),
        ({"n_layers": -2}, "`n_layers` must be a whole number of at least 1"),
        ({"n_layers": 1.5}, "`n_layers` must be a whole number of at least 1"),
        ({"mixer": "grover"}, "`mixer` must be one of 'x', 'xy_ring', 'xy_complete'"),
        ({"output": "spins"}, "`output` must be one of 'means'"),
        ({"engine": "gpu"}, "`engine` must be one of 'auto', 'native', 'portable'"),
        ({"angles": "best"}, "`angles` must be one of 'ramp', 'fixed', 'sk', 'stored'"),
        ({"angles": "fixed", "n_layers": 12}, "`n_layers` must be at most 11"),
        ({"angles": "stored"}, "`angles` must not be the stored ones for a model that"),
        ({"angles": ([0.1, 0.2], [0.3])}, "`angles` must have 1 finite gammas"),
        ({"angles": 3}, "`angles` must be a name or two arrays"),
        ({"output": "samples"}, "`shots` must be given"),
        ({"shots": 10}, "`shots` must be given"),
        ({"groups": [[0, 1]]}, "`groups` must be None with the mixer"),
        ({"mixer": "xy_ring", "groups": [[0, 7]]}, "`groups` must name the problem's variables"),
        ({"mixer": "xy_ring", "groups": [[0, 1], [1]]}, "`groups` must name each variable once"),
        ({"mixer": "xy_ring", "groups": []}, "`groups` must each have at least one variable"),
        ({"mixer": "xy_ring", "ones": 4}, "`ones` must be from 0 to 3"),
        ({"mixer": "xy_ring", "ones": [1, 1]}, "`ones` must be one number, or 1"),
        ({"ones": 2}, "`ones` must be left out"),
        ({"relaxed": [0.5, 2.0, 0.1]}, "`relaxed` must each be from 0 to 1"),
        ({"relaxed": [0.5]}, r"`relaxed` must have the shape \(3,\)"),
        ({"relaxed": [0.5, 0.5, 0.5], "mixer": "xy_ring"}, "`relaxed` must be None"),
        ({"relaxed": [0.5, 0.5, 0.5], "engine": "native"}, "no mixer for warm starts"),
        ({"epsilon": 0.7}, "`epsilon` must be from 0 to 0.5"),
        ({"state": np.ones(8)}, "`state` must have the norm 1"),
        ({"state": [1.0, 0.0]}, r"`state` must have the shape \(8,\)"),
    ],
)
def test_arguments_that_are_wrong_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        QAOALayer(random_model(3, 0), **options)


def test_a_problem_must_be_a_model_of_variables() -> None:
    with pytest.raises(ValueError, match=r"`problem` must be an annealing\.Ising"):
        QAOALayer({0: 1.0})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`problem` must have at least one variable"):
        QAOALayer(Ising({}))


def test_inputs_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a field for each of its problem's 3 variables"):
        QAOALayer(random_model(3, 0)).build((None, 2))
    layer = QAOALayer(random_model(3, 0))
    layer(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="shape"):
        layer(np.zeros((1, 0)))


def test_graphs_without_stored_angles_are_told() -> None:
    with pytest.raises(ValueError, match=r"stored ones for this graph of 5 variables.*Heawood"):
        start_angles("stored", 1, cut_model(nx.path_graph(5)))


@needs_native
def test_the_core_refuses_what_is_no_circuit() -> None:
    costs = np.zeros(4)
    for circuit in (
        Circuit(2, 0, costs, NO_PAIRS),
        Circuit(2, 1, costs, np.array([[0, 2]])),
        Circuit(2, 1, costs, np.array([[1, 1]])),
    ):
        native = Native(circuit, 0, "float32")
        with pytest.raises(ValueError, match=r"layer|different qubits"):
            native.values(np.zeros((1, 2 * circuit.n_layers)))
    native = Native(Circuit(2, 1, costs, NO_PAIRS), 0, "float32")
    native._problem.even = 1
    with pytest.raises(ValueError, match="few qubits go with an even state"):
        native.values(np.zeros((1, 2)))


def test_the_host_call_is_the_one_of_the_engines() -> None:
    assert runs.array_call is _host.array_call


@needs_native
@pytest.mark.parametrize("output", ["means", "energy"])
def test_states_kept_for_the_gradient_do_not_change_it(
    output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    model = Ising(rng.normal(size=11), {(i, (i + 1) % 11): float(rng.normal()) for i in range(11)})
    x = rng.normal(size=(3, 11)).astype("float32")
    x[1, 0] = np.nan

    def gradients() -> tuple[np.ndarray, list[np.ndarray]]:
        layer = QAOALayer(model, 2, output=output, engine="native")
        layer.build(x.shape)
        weights = [ops.convert_to_numpy(w) for w in layer.trainable_variables]
        return value_and_gradients(
            lambda fields, *w: ops.sum(layer.stateless_call(list(w), [], fields)[0][::2]),
            x,
            *weights,
        )

    kept = gradients()
    monkeypatch.setattr(Native, "keeps", lambda *arguments: False)
    again = gradients()
    for one, other in zip(kept[1], again[1], strict=True):
        # The same arithmetic, but for sums in another order by the threads.
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert np.isnan(kept[1][0][1]).all() or not kept[1][0][1].any()
    assert np.isfinite(kept[1][0][0]).all()
