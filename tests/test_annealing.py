"""Quadratic models, problems with constraints, the exact solver, and `solve`."""

from __future__ import annotations

import json
from typing import Any

import cirq
import dimod
import keras
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qkeras_hybrid.annealing import (
    Constraint,
    Ising,
    Polynomial,
    Problem,
    Qubo,
    clustering,
    exact,
    feature_selection,
    from_cqm,
    independent_set,
    knapsack,
    low_autocorrelation,
    maxcut,
    number_partition,
    portfolio,
    quadratic_assignment,
    set_packing,
    solve,
)

RNG = np.random.default_rng(0)
COVARIANCE = np.cov(RNG.normal(size=(5, 30)))
MEAN = RNG.normal(size=5)

PROBLEMS = [
    maxcut(nx.petersen_graph()),
    independent_set(nx.petersen_graph()),
    independent_set(nx.path_graph(4), {0: 1.0, 1: 5.0, 2: 1.0, 3: 1.0}),
    number_partition([3, 1, 4, 1, 5, 9.5]),
    knapsack([6, 5, 4, 7], [4, 3, 2, 5], 7),
    knapsack([6, 5, 4], [[4, 3, 2], [1, 2, 3]], [6, 4]),
    knapsack([1.5, 2.5, 1.0], [0.5, 1.25, 0.75], 2.0),
    set_packing([{1, 2}, {2, 3}, {3, 4}, {1, 4}, {5}, {1, 2}]),
    quadratic_assignment(RNG.integers(0, 5, (3, 3)), RNG.integers(0, 5, (3, 3))),
    feature_selection(RNG.normal(size=(200, 5)), RNG.integers(0, 2, 200), 2),
    portfolio(MEAN, COVARIANCE, 2.0, n_assets=2),
    portfolio(MEAN, COVARIANCE, 0.1, prices=[1, 2, 3, 1.5, 2], budget=4),
    portfolio(MEAN, COVARIANCE, 0.1, n_assets=2, prices=[1, 2, 3, 1.5, 2], budget=3.5),
    clustering(RNG.normal(size=(4, 2)), 2),
    low_autocorrelation(6),
]


def all_bits(n: int) -> np.ndarray:
    return exact.states_of(np.arange(2**n), n)


coefficients = st.floats(-3, 3).map(lambda x: round(x, 3))


@given(st.integers(1, 5), st.data())
@settings(max_examples=30)
def test_models_agree_with_dimod_and_with_each_other(n: int, data: st.DataObject) -> None:
    numbers = data.draw(st.lists(coefficients, min_size=n * n + 1, max_size=n * n + 1))
    matrix = np.triu(np.array(numbers[:-1]).reshape(n, n))
    qubo, bits = Qubo(matrix, numbers[-1]), all_bits(n)
    reference = dimod.BinaryQuadraticModel(matrix, "BINARY")
    reference.offset += numbers[-1]
    expected = reference.energies(bits)
    spins = 2 * bits.astype(int) - 1
    # Rounding of sums of up to 25 numbers below 10.
    close = {"rtol": 0, "atol": 1e-12}
    np.testing.assert_allclose(qubo.energy(bits), expected, **close)
    np.testing.assert_allclose(qubo.to_ising().energy(spins), expected, **close)
    np.testing.assert_allclose(qubo.to_ising().to_qubo().energy(bits), expected, **close)
    np.testing.assert_allclose(qubo.to_dimod().energies(bits), expected, **close)
    spin_model = reference.change_vartype("SPIN", inplace=False)
    np.testing.assert_allclose(Ising(reference).energy(spins), expected, **close)
    np.testing.assert_allclose(Qubo(spin_model).energy(bits), expected, **close)
    np.testing.assert_allclose(exact.all_energies(qubo), expected, **close)


@given(st.integers(1, 4), st.data())
@settings(max_examples=20)
def test_a_pauli_sum_has_the_energies_on_its_diagonal(n: int, data: st.DataObject) -> None:
    h = data.draw(st.lists(coefficients, min_size=n, max_size=n))
    couplings = np.triu(RNG.normal(size=(n, n)), 1)
    model = Ising(h, couplings + couplings.T, 0.25)
    qubits = cirq.LineQubit.range(n)
    diagonal = np.diag(model.to_pauli_sum().matrix(qubits)).real
    # A qubit that is 0 has the spin +1.
    np.testing.assert_allclose(diagonal, model.energy(1 - 2 * all_bits(n).astype(int)), atol=1e-12)
    again = Ising.from_pauli_sum(model.to_pauli_sum())
    assert again.energy([1] * again.n_variables) == pytest.approx(model.energy([1] * n))


def test_a_graph_gives_its_weights_and_lone_nodes() -> None:
    graph = nx.Graph([(0, 1)])
    graph.add_edge(1, 2, weight=-0.5)
    graph.add_node(7)
    model = Ising({2: 0.25}, graph)
    assert model.J == {(2, 1): -0.5, (0, 1): 1.0} or model.J == {(0, 1): 1.0, (1, 2): -0.5}
    assert set(model.variables) == {0, 1, 2, 7}
    assert Ising({}, model.matrix()).quadratic.values() != {}
    back = model.to_networkx()
    assert back.nodes[2]["bias"] == 0.25
    assert back.edges[1, 2]["bias"] == -0.5


@pytest.mark.parametrize(
    "value",
    [
        Ising({"a": 1.0, ("b", 2): -0.5}, {("a", ("b", 2)): 0.25}, 1.5),
        Qubo({(0, 0): 1.0, (0, 1): -2.0}, 0.5),
        Polynomial({("a", "b", "c"): 2.0, (): -1.0}),
        PROBLEMS[5],
        PROBLEMS[-1],
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_come_back_from_json(value: Any) -> None:
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(value)))
    again = keras.saving.deserialize_keras_object(config)
    assert again == value
    assert hash(again) == hash(value)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_the_penalised_model_has_the_same_minimum(problem: Problem) -> None:
    best = solve(problem, "exact")
    assert best.feasible
    assert best.optimal
    penalised = solve(problem.to_qubo(), "exact")
    # Penalties are up to a thousand times as large as the objective.
    assert penalised.energy == pytest.approx(best.energy, abs=1e-9)
    own = np.array([penalised.values[v] for v in problem.variables])
    assert problem.satisfied(own).all()


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.name)
def test_branch_and_bound_agrees_with_enumeration(problem: Problem) -> None:
    bits = exact._by_branch_and_bound(problem, 60.0)
    assert problem.satisfied(bits).all()
    # HiGHS takes bits within 1e-6 of whole numbers.
    expected = solve(problem, "exact").energy
    assert float(problem.energies(bits.astype(float))) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("solver", ["simulated_annealing", "steepest_descent"])
@pytest.mark.parametrize("problem", PROBLEMS[:-1], ids=lambda p: p.name)
def test_solvers_find_the_minimum_of_small_problems(problem: Problem, solver: str) -> None:
    found = solve(problem, solver, seed=1, reads=300)
    assert found.feasible
    assert found.energy == pytest.approx(solve(problem, "exact").energy, abs=1e-9)
    assert found.energy == pytest.approx(
        float(problem.energies(np.array([float(found.values[v]) for v in problem.variables])))
    )


def test_known_optima() -> None:
    karate = independent_set(nx.karate_club_graph())
    for solver in ("exact", "simulated_annealing", "tree_decomposition"):
        assert solve(karate, solver, seed=0).energy == -20
    # The Barker sequences.
    for n, energy in ((7, 3), (11, 5), (13, 6)):
        assert solve(low_autocorrelation(n), "exact").energy == energy
        assert solve(low_autocorrelation(n), seed=0, reads=300).energy == energy
    # Petersen's graph: independent sets of 4, cuts of 12.
    assert solve(PROBLEMS[0], "exact").energy == -12
    assert solve(PROBLEMS[1], "exact").energy == -4


def test_autocorrelations_are_those_of_the_signs() -> None:
    signs = 2 * all_bits(5).astype(int) - 1
    expected = [sum(int(s[:-k] @ s[k:]) ** 2 for k in range(1, 5)) for s in signs]
    np.testing.assert_allclose(low_autocorrelation(5).energies(all_bits(5)), expected, atol=1e-9)


def test_a_polynomial_reduced_to_pairs_has_its_minima() -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        subsets = [tuple(rng.choice(5, 4, replace=False).tolist()) for _ in range(4)]
        terms = {tuple(sorted(s)): float(rng.normal()) for s in subsets}
        polynomial = Polynomial(terms | {(0,): 0.3, (1, 2): -0.2, (): 1.0}, range(5))
        least = polynomial.energies(all_bits(5)).min()
        assert solve(polynomial.to_qubo(), "exact").energy == pytest.approx(least, abs=1e-9)


def test_spins_stay_spins() -> None:
    ring = Ising({"a": 0.1}, {("a", "b"): 1.0, ("b", "c"): 1.0, ("a", "c"): 1.0})
    for solver in ("exact", "simulated_annealing"):
        found = solve(ring, solver, seed=0)
        assert found.values["a"] == -1
        assert set(found.values.values()) == {-1, 1}
        assert found.energy == pytest.approx(-1.1)
    assert set(solve(ring.to_dimod(), "exact").values.values()) == {-1, 1}


def test_a_constrained_model_of_dimods_is_solved_with_its_integers() -> None:
    x, y = dimod.Binary("x"), dimod.Spin("y")
    n = dimod.Integer("n", lower_bound=2, upper_bound=7)
    model = dimod.ConstrainedQuadraticModel()
    model.set_objective(-2 * n + 3 * x * n - y + n * n * 0.1)
    model.add_constraint(n + x <= 6, label="room")
    model.add_constraint(x + n >= 4, label="least")
    found = solve(from_cqm(model), "exact")
    expected = dimod.ExactCQMSolver().sample_cqm(model).filter(lambda s: s.is_feasible).first
    assert found.energy == pytest.approx(expected.energy)
    assert found.feasible


def test_without_a_native_library_dwave_samplers_anneal(monkeypatch: pytest.MonkeyPatch) -> None:
    from qkeras_hybrid.engines.native import library

    monkeypatch.setattr(library, "unavailable", lambda: "not built")
    found = solve(PROBLEMS[0], seed=1, reads=30)
    assert found.energy == -12


def test_the_exact_solver_says_how_far_it_goes() -> None:
    n = 260
    dense = Qubo(np.triu(np.ones((n, n))))
    with pytest.raises(ValueError, match="up to 24 variables by enumeration, up to 20,000"):
        solve(dense, "exact")
    rng = np.random.default_rng(0)
    hard = Qubo(np.triu(rng.normal(size=(60, 60))))
    with pytest.raises(ValueError, match=r"within 0.05 seconds"):
        solve(hard, "exact", time_limit=0.05)


def test_constraints_that_contradict_each_other_are_named() -> None:
    nothing = Qubo({(i, i): 0.0 for i in range(3)})
    one = Constraint("exactly one", dict.fromkeys(range(3), 1), "==", 1)
    two = Constraint("at least two", dict.fromkeys(range(3), 1), ">=", 2)
    with pytest.raises(ValueError, match=r"Without .exactly one. they could be"):
        solve(Problem("impossible", nothing, (one, two)), "exact")
    many = Constraint("four", dict.fromkeys(range(3), 1), "==", 4)
    with pytest.raises(ValueError, match=r"'four' is not .* between 0 and 3"):
        Problem("impossible", nothing, (many,))
    half = Constraint("half", {0: 2, 1: 2}, "==", 3)
    with pytest.raises(ValueError, match="'half' is not"):
        Problem("impossible", nothing, (half,)).to_qubo()


def test_an_answer_that_breaks_a_constraint_says_which() -> None:
    never = Constraint("never", {0: 2, 1: 3}, "==", 1)
    found = solve(Problem("p", Qubo({(0, 0): -1, (1, 1): -1}), (never,)), seed=0)
    assert not found.feasible
    assert found.violated == ("never",)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Ising([0, 0], [[0, 1], [2, 0]]), r"`J` must be symmetric"),
        (lambda: Ising([0, 0], [[1, 1], [1, 0]]), r"zeros on its diagonal"),
        (lambda: Ising([0, np.nan], None), r"`h` must be finite"),
        (lambda: Ising([0, 0], [[0, np.inf], [np.inf, 0]]), r"`J` must be finite"),
        (lambda: Ising({}, {("a", "a"): 1}), r"two different spins"),
        (lambda: Ising({}, {("a", "b"): 1, ("b", "a"): 1}), r"each pair once"),
        (lambda: Ising({}, {"ab": 1}), r"pairs of variables as keys"),
        (lambda: Ising("x", {}), r"`h` must be a mapping or an array"),
        (lambda: Ising({}, {}, np.nan), r"`offset` must be finite"),
        (lambda: Qubo([[1, 2], [3, 4]]), r"symmetric or triangular"),
        (lambda: Qubo([[1, 2, 3]]), r"shape \(n, n\)"),
        (lambda: Qubo({(0, 0): 1}, variables=[1]), r"have the variable 0"),
        (lambda: Qubo({(0, 0): 1}).energy([2]), r"be 0 or 1"),
        (lambda: Qubo({(0, 0): 1}).energy({}), r"have the variable 0"),
        (lambda: Ising.from_pauli_sum(cirq.X(cirq.LineQubit(0)) * 1.0), "of 1, Z and Z Z"),
        (lambda: Polynomial({(0, 0): 1.0}), r"each variable once in a product"),
        (lambda: Constraint("c", {0: np.nan}, "<=", 1), r"that of 0 in 'c'"),
        (lambda: Constraint("c", {0: 1}, "<", 1), r"`sense` must be one of"),
        (lambda: Problem("p", Qubo({(0, 0): 1}), [Constraint("c", {5: 1}, "<=", 1)]), r"another"),
        (lambda: maxcut(nx.DiGraph([(0, 1)])), r"undirected"),
        (lambda: maxcut(nx.Graph()), r"have a node"),
        (lambda: independent_set(nx.path_graph(2), {0: 1}), r"have the node 1"),
        (lambda: knapsack([1, 2], [1, -1], 1), r"not negative"),
        (lambda: knapsack([1, 2], [1, 1, 1], 1), r"have 2 columns"),
        (lambda: number_partition([]), r"at least one number"),
        (lambda: portfolio([0.1], [[1.0]]), r"at least two assets"),
        (lambda: portfolio([0.1, 0.2], [[1, 0.5], [0.4, 1]]), r"be symmetric"),
        (lambda: portfolio([0.1, 0.2], [[1, 2], [2, 1]]), r"no negative eigenvalue"),
        (lambda: portfolio([0.1, 0.2], np.eye(2), n_assets=3), r"`n_assets` must be at most 2"),
        (lambda: portfolio([0.1, 0.2], np.eye(2), -1.0), r"not be negative"),
        (lambda: portfolio([0.1, 0.2], np.eye(2), prices=[2, 3], budget=1), r"cheapest cost 2"),
        (lambda: clustering([[0.0], [1.0]], 3), r"`n_clusters` must be at most 2"),
        (lambda: quadratic_assignment(np.eye(2), np.eye(3)), r"as `flow`"),
        (lambda: feature_selection(np.ones((3, 2)), [1, 2], 1), r"`y` must be of shape"),
        (lambda: low_autocorrelation(1), r"at least 2"),
        (lambda: solve(3), r"`problem` must be a Problem"),
        (lambda: solve(PROBLEMS[0], "magic"), r"one of 'simulated_annealing', 'exact'"),
        (lambda: solve(PROBLEMS[0], 3), r"or a dimod.Sampler"),
        (lambda: solve(PROBLEMS[0], reads=0), r"`reads` must be a whole number"),
        (lambda: solve(PROBLEMS[4], penalty=-1.0), r"`penalty` must not be negative"),
        (lambda: solve(PROBLEMS[0], "exact", time_limit=0), r"`time_limit` must be positive"),
        (lambda: solve(PROBLEMS[0], seed="x"), r"`seed` must be a whole number"),
    ],
)  # fmt: skip
def test_bad_input_is_told(make: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        make()


@pytest.mark.parametrize("scale", [1e-9, 1e-6, 1e6])
def test_the_exact_answer_does_not_depend_on_the_scale_of_the_objective(scale: float) -> None:
    # Beyond enumeration: HiGHS has absolute tolerances.
    rng = np.random.default_rng(0)
    mean, covariance = rng.normal(size=26), np.cov(rng.normal(size=(26, 40)))
    whole = solve(portfolio(mean, covariance, n_assets=6), "exact")
    scaled = solve(portfolio(mean * scale, covariance * scale, n_assets=6), "exact")
    assert scaled.values == whole.values


def test_constraints_hold_exactly_for_large_and_small_coefficients() -> None:
    objective = Qubo({(0, 0): -1, (1, 1): -5})
    large = Constraint("w", {0: 5e9, 1: 5e9 + 3}, "<=", 5e9)
    assert solve(Problem("p", objective, (large,)), "exact").values == {0: 1, 1: 0}
    small = Constraint("w", {0: 1e-10, 1: 1e-10}, "==", 1e-10)
    assert solve(Problem("p", objective, (small,)), "exact").values == {0: 0, 1: 1}
    # 0.1 + 0.2 fits into 0.3.
    decimal = Constraint("w", {0: 0.1, 1: 0.2}, "<=", 0.3)
    assert solve(Problem("p", objective, (decimal,)), "exact").values == {0: 1, 1: 1}
    nothing = Constraint("z", {0: 0.0}, "==", 0)
    assert solve(Problem("p", objective, (nothing,)), seed=0).energy == -6


def test_a_constrained_model_gets_values_of_its_own_variables() -> None:
    i, s = dimod.Integer("i", lower_bound=0.5, upper_bound=3.5), dimod.Spin("s")
    model = dimod.ConstrainedQuadraticModel()
    model.set_objective(s - i)
    for solver in ("exact", "simulated_annealing"):
        assert solve(model, solver, seed=0).values == {"i": 3, "s": -1}
    model.add_constraint(i + s <= 2, label="soft", weight=0.1)
    with pytest.raises(ValueError, match="'soft' is soft"):
        solve(model, "exact")


@pytest.mark.parametrize("solver", ["simulated_annealing", "tabu"])
def test_penalties_do_not_keep_solvers_from_good_knapsacks(solver: str) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        items = knapsack(rng.integers(10, 60, 20).tolist(), rng.integers(5, 30, 20).tolist(), 150)
        found = solve(items, solver, seed=0, reads=50)
        # The penalised model alone is off by up to a tenth.
        assert found.energy <= 0.98 * solve(items, "exact").energy


def test_variables_without_couplings_are_solved_by_every_solver() -> None:
    graph = nx.path_graph(3)
    graph.add_node(9)
    for solver in ("exact", "simulated_annealing", "tree_decomposition", "steepest_descent"):
        assert solve(maxcut(graph), solver, seed=0).energy == -2
        assert solve(Qubo({("a", "a"): -1.0}), solver, seed=0).values == {"a": 1}


def test_numbers_of_any_size_anneal() -> None:
    for scale in (1e-50, 1e30):
        model = Qubo({(0, 0): -scale, (1, 1): -2 * scale, (0, 1): 4 * scale})
        assert solve(model, seed=0).values == {0: 0, 1: 1}


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Qubo({(0, 0): -1e308, (1, 1): -1e308, (0, 1): 1e308}), "finite energies"),
        (lambda: Qubo({(0, 0): 10**400}), "be finite"),
        (lambda: solve(Qubo({})), "have a variable"),
        (lambda: set_packing([]), "at least one set"),
        (lambda: knapsack([1], ["b"], 1), "`weights` must be numbers"),
        (lambda: solve(PROBLEMS[0], reads=10**13), "fit into memory"),
        (lambda: maxcut(nx.Graph([(0, 1, {"weight": None})])), "finite weights"),
        (lambda: clustering("abc", 2), "`distances` must be numbers"),
        (lambda: feature_selection(np.zeros((0, 3)), np.zeros(0), 1), "finite array"),
        (
            lambda: Problem("p", Qubo({(0, 0): 1}), [Constraint("c", {0: 1}, "<=", 1)] * 2),
            "different names",
        ),
    ],
)
def test_extreme_input_is_told(make: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        make()
