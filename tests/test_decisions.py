"""Decisions: what minimises, losses and gradients by hand and as PyEPO has them, bad input."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import networkx as nx
import numpy as np
import pytest
from keras import ops
from sklearn.model_selection import train_test_split

from qkeras_hybrid import ArgumentError
from qkeras_hybrid.annealing import (
    Constraint,
    Ising,
    Polynomial,
    Problem,
    Qubo,
    SimulatedAnnealing,
    independent_set,
)
from qkeras_hybrid.decisions import (
    BlackBox,
    Choices,
    DecisionProblem,
    GridShortestPath,
    ImplicitMLE,
    Knapsack,
    Minimiser,
    NegativeIdentity,
    PerturbedFenchelYoung,
    PerturbedOptimizer,
    QuadraticProgram,
    Regret,
    ShortestPath,
    SPOPlus,
    decide,
    decision_cost,
    knapsack_data,
    regret,
    shortest_path_data,
    targets,
)
from qkeras_hybrid.testing import value_and_gradients

PYEPO = json.loads((Path(__file__).parent / "data" / "pyepo.json").read_text(encoding="utf-8"))
COSTS, PREDICTED, UPSTREAM = (
    np.array(PYEPO[key], "float32") for key in ("costs", "predicted", "upstream")
)
GRID = GridShortestPath(3, 3)
ONE_OF_THREE = Choices(np.eye(3))

# PyEPO computes in float32, as the losses do.
FLOAT32 = 2e-6


class Noise:
    """A generator whose noise is known."""

    def __init__(self, noise: Any) -> None:
        self.noise = np.array(noise)

    def standard_normal(self, shape: Any) -> np.ndarray:
        assert self.noise.shape == tuple(shape)
        return self.noise


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


# What minimises.


def test_a_grid_has_the_edges_of_pyepo_in_its_order() -> None:
    assert [list(edge) for edge in GRID.edges] == PYEPO["edges"]
    assert GridShortestPath(5, 5).n_costs == 40


def test_the_paths_through_a_grid_are_those_of_pyepo() -> None:
    np.testing.assert_array_equal(decide(GRID, COSTS), PYEPO["decisions"])


def test_a_path_is_the_shortest_of_all_where_costs_are_negative_too() -> None:
    graph = nx.DiGraph(list(GRID.edges))
    number = {edge: k for k, edge in enumerate(GRID.edges)}
    paths = nx.all_simple_edge_paths(graph, 0, 8)
    columns = [[number[edge] for edge in path] for path in paths]
    costs = rng().normal(size=(50, 12))
    lengths = np.stack([costs[:, path].sum(axis=1) for path in columns], axis=1)
    decisions = GRID.minimise(costs)
    np.testing.assert_allclose((costs * decisions).sum(axis=1), lengths.min(axis=1), atol=1e-12)


def test_paths_in_a_graph_with_cycles_are_those_of_networkx() -> None:
    graph = nx.gnp_random_graph(12, 0.3, seed=1, directed=True)
    problem = ShortestPath(graph, 0, 7)
    costs = rng().uniform(0.1, 2.0, (20, graph.number_of_edges()))
    for sample, decision in zip(costs, decide(problem, costs), strict=True):
        nx.set_edge_attributes(graph, dict(zip(graph.edges, sample, strict=True)), "cost")
        length = nx.shortest_path_length(graph, 0, 7, weight="cost")
        assert sample @ decision == pytest.approx(length)


def test_a_cycle_that_pays_is_walked_once_beside_the_path() -> None:
    edges = [("a", "b"), ("b", "a"), ("b", "c"), ("d", "e"), ("e", "d")]
    problem = ShortestPath(edges, "a", "c")
    # What lies on no way from `a` to `c` is left alone, whatever it would bring.
    costs = [[1.0, 1.0, 1.0, -9.0, -9.0], [1.0, -2.0, 1.0, 0.0, 0.0]]
    assert decide(problem, costs).tolist() == [[1, 0, 1, 0, 0], [1, 0, 1, 0, 0]]
    twice = ShortestPath([("a", "b"), ("b", "c"), ("c", "b"), ("b", "d")], "a", "d")
    assert decide(twice, [[1.0, 1.0, -2.0, 1.0]]).tolist() == [[1, 1, 1, 1]]


def best_of_all(values: np.ndarray, weights: np.ndarray, capacity: Any) -> float:
    sets = np.array(list(itertools.product([0, 1], repeat=len(values))))
    fits = (sets @ np.atleast_2d(weights).T <= np.atleast_1d(capacity) + 1e-9).all(axis=1)
    return float((sets[fits] @ values).max())


@pytest.mark.parametrize(
    ("way", "limits"),
    [
        *(("all assignments", 1), ("all assignments", 2), ("by capacity", 1)),
        *(("mixed-integer solver", 1), ("mixed-integer solver", 2)),
    ],
)
def test_knapsacks_are_exact_in_each_way(
    way: str, limits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qkeras_hybrid.decisions import knapsack

    monkeypatch.setattr(knapsack, "_ENUMERATED", 16 if way == "all assignments" else 0)
    monkeypatch.setattr(knapsack, "_MOST_CELLS", 10_000 if way == "by capacity" else 0)
    weights = rng().integers(300, 800, (limits, 10)) / 100
    capacity = np.full(limits, 20.0)
    problem = Knapsack(weights, capacity)
    values = rng().uniform(-1, 10, (5, 10))
    decisions = decide(problem, -values)
    assert (decisions @ weights.T <= capacity + 1e-9).all()
    expected = [best_of_all(sample, weights, capacity) for sample in values]
    np.testing.assert_allclose((values * decisions).sum(axis=1), expected)


def test_items_that_fill_a_knapsack_to_the_brim_fit_despite_rounding() -> None:
    assert decide(Knapsack([0.1, 0.2], 0.3), [[-1.0, -1.0]]).tolist() == [[1, 1]]
    assert decide(Knapsack([0.1, 0.2] * 9, 2.7), [[-1.0] * 18]).tolist() == [[1] * 18]


def test_a_quadratic_program_has_the_least_energy_of_all() -> None:
    matrix = np.triu(rng().normal(size=(5, 5)))
    costs = rng().normal(size=(4, 5))
    qubo = Qubo(matrix, offset=3.0)
    for model, values in ((qubo, [0, 1]), (qubo.to_ising(), [-1, 1])):
        problem = QuadraticProgram(model)
        states = np.array(list(itertools.product(values, repeat=5)))
        totals = costs @ states.T + model.energies(states)
        decisions = decide(problem, costs)
        found = (costs * decisions).sum(axis=1) + problem.fixed_cost(decisions)
        np.testing.assert_allclose(found, totals.min(axis=1), atol=1e-12)


def test_eighteen_variables_are_enumerated_in_parts() -> None:
    model = Ising({}, {(i, i + 1): -1.0 for i in range(17)})
    costs = np.full((1, 18), 0.1)
    assert decide(QuadraticProgram(model), costs).tolist() == [[-1.0] * 18]


def weighted(graph: nx.Graph) -> Problem:
    """The independent sets of a graph, whose nodes cost nothing yet."""
    problem = independent_set(graph)
    return Problem("free", Qubo({}, variables=problem.variables), problem.constraints)


def test_constraints_hold_and_the_best_is_taken_of_what_they_allow() -> None:
    graph = nx.gnp_random_graph(9, 0.4, seed=2)
    problem = QuadraticProgram(weighted(graph))
    costs = rng().uniform(-1.0, 0.2, (5, 9))
    sets = np.array(list(itertools.product([0, 1], repeat=9)))
    first, second = np.array(graph.edges).T
    allowed = sets[(sets[:, first] * sets[:, second]).sum(axis=1) == 0]
    expected = (costs @ allowed.T).min(axis=1)
    np.testing.assert_allclose((costs * decide(problem, costs)).sum(axis=1), expected)


def test_branch_and_bound_and_an_annealer_decide_the_same_on_thirty_nodes() -> None:
    graph = nx.gnp_random_graph(30, 0.2, seed=3)
    costs = rng().uniform(-1.0, -0.5, (3, 30))
    exact = QuadraticProgram(weighted(graph))
    annealed = QuadraticProgram(weighted(graph), SimulatedAnnealing(sweeps=300), reads=200, seed=0)
    np.testing.assert_array_equal(decide(annealed, costs), decide(exact, costs))


def test_annealed_spins_are_the_best_ones() -> None:
    model = Ising({}, {(i, (i + 1) % 8): 1.0 for i in range(8)})
    costs = rng().normal(size=(6, 8))
    annealed = QuadraticProgram(model, "simulated_annealing", reads=20, seed=0)
    expected = decide(QuadraticProgram(model), costs)
    np.testing.assert_array_equal(decide(annealed, costs), expected)


def test_a_state_of_an_annealer_that_keeps_the_constraints_comes_before_a_lower_one() -> None:
    class Fixed(SimulatedAnnealing):
        def sample(self, batch: Any, reads: int, seed: Any = None) -> np.ndarray:
            return np.array([[[1, 1], [-1, 1], [-1, -1]]] * len(batch), "int8")

    conflict = Problem("c", Qubo({}, variables=[0, 1]), [Constraint("one", {0: 1, 1: 1}, "<=", 1)])
    problem = QuadraticProgram(conflict, Fixed())
    assert decide(problem, [[-5.0, -1.0], [1.0, 1.0]]).tolist() == [[0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("returned", "requirement"),
    [
        (np.zeros((2, 3)), "shape"),
        (np.zeros(2), "shape"),
        ([[np.nan] * 2] * 2, "finite"),
        ("a", "num"),
    ],
)
def test_a_problem_that_returns_no_decisions_is_named(returned: Any, requirement: str) -> None:
    class Wrong(DecisionProblem):
        def minimise(self, costs: np.ndarray) -> np.ndarray:
            return returned  # type: ignore[no-any-return]

    with pytest.raises(ArgumentError, match=requirement) as caught:
        decide(Wrong(), np.zeros((2, 2)))
    assert caught.value.argument == "problem"
    assert "Wrong" in str(caught.value)


def test_a_new_problem_is_one_class() -> None:
    class Cheapest(DecisionProblem):
        def minimise(self, costs: np.ndarray) -> np.ndarray:
            return np.eye(costs.shape[1])[costs.argmin(axis=1)]

    assert decide(Cheapest(), [[3.0, 1.0]]).tolist() == [[0, 1]]


@pytest.mark.parametrize(
    "problem",
    [
        GRID,
        ShortestPath([(0, 1), (1, 2)], 0, 2),
        Knapsack([[1.0, 2.0]], [2.0]),
        ONE_OF_THREE,
        QuadraticProgram(Qubo(np.eye(2))),
        QuadraticProgram(Ising([1.0, 2.0]), SimulatedAnnealing(sweeps=9), reads=3, seed=1),
        QuadraticProgram(independent_set(nx.path_graph(3))),
    ],
    ids=lambda problem: type(problem).__name__,
)
def test_problems_come_back_from_their_configs(problem: DecisionProblem) -> None:
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(problem)))
    again = keras.saving.deserialize_keras_object(config)
    assert again == problem
    assert again.n_costs == problem.n_costs
    assert hash(again) == hash(problem)


# Losses and gradients, by hand.


def gradient_of(loss: Any, y_true: Any, y_pred: Any) -> tuple[np.ndarray, np.ndarray]:
    value, (gradient,) = value_and_gradients(
        lambda p: ops.sum(loss.call(ops.convert_to_tensor(y_true, "float32"), p)),
        np.array(y_pred, "float32"),
    )
    return value, gradient


def test_spo_plus_on_three_items_is_as_by_hand() -> None:
    # c = (1, 2, 3) is best at item 0. With p = (3, 1, 2), 2 p - c = (5, 0, 1) is best at item 1:
    # the loss is 5 - 0, and its gradient 2 (e_0 - e_1).
    value, gradient = gradient_of(SPOPlus(ONE_OF_THREE), [[1.0, 2.0, 3.0]], [[3.0, 1.0, 2.0]])
    assert value == 5.0
    assert gradient.tolist() == [[2.0, -2.0, 0.0]]


def test_spo_plus_bounds_the_regret_and_is_zero_for_true_costs() -> None:
    loss = SPOPlus(GRID, reduction=None)
    losses = ops.convert_to_numpy(loss(COSTS, PREDICTED))
    chosen, best = decide(GRID, PREDICTED), decide(GRID, COSTS)
    assert (losses >= (COSTS * (chosen - best)).sum(axis=1) - 1e-5).all()
    np.testing.assert_allclose(ops.convert_to_numpy(loss(COSTS, COSTS)), 0, atol=1e-6)


def test_spo_plus_counts_the_energy_that_no_cost_changes() -> None:
    # Bits with x_0 x_1 at 4. Both costs are -3: one bit is set. For 2 p - c = (-7, -7) both are,
    # at -14 + 4 = -10, where one bit has -7.
    problem = QuadraticProgram(Qubo({(0, 0): 0.0, (1, 1): 0.0, (0, 1): 4.0}))
    best = decide(problem, [[-3.0, -3.0]])
    assert best.sum() == 1
    value, gradient = gradient_of(SPOPlus(problem), [[-3.0, -3.0]], [[-5.0, -5.0]])
    assert value == 3.0
    np.testing.assert_array_equal(gradient, 2 * (best - 1))


def test_the_fenchel_young_gradient_is_the_decision_less_the_mean_under_noise() -> None:
    loss = PerturbedFenchelYoung(ONE_OF_THREE, n_samples=4, sigma=2.0)
    noise = rng().normal(size=(1, 4, 3))
    loss._rng = Noise(noise)  # type: ignore[assignment]
    predicted = np.array([[0.5, 0.0, 1.0]])
    value, gradient = gradient_of(loss, [[1.0, 2.0, 3.0]], predicted)
    shaken = predicted[:, None] + 2.0 * noise
    mean = np.eye(3)[shaken.argmin(axis=2)].mean(axis=1)
    np.testing.assert_allclose(gradient, [[1, 0, 0]] - mean, atol=FLOAT32)
    assert value == pytest.approx(0.5 - shaken.min(axis=2).mean(), abs=FLOAT32)


def test_fenchel_young_of_two_items_has_a_closed_form() -> None:
    # min(a, b) under independent noise of standard deviation s: the difference has sqrt(2) s, so
    # item 0 is chosen with probability Phi((b - a) / (sqrt(2) s)).
    from scipy.stats import norm

    loss = PerturbedFenchelYoung(Choices(np.eye(2)), n_samples=5000, sigma=0.7, seed=0)
    _, gradient = gradient_of(loss, [[0.0, 1.0]], [[0.3, 0.1]])
    chosen = norm.cdf(-0.2 / (2**0.5 * 0.7))
    # Four standard errors of 5,000 draws.
    np.testing.assert_allclose(gradient, [[1 - chosen, chosen - 1]], atol=4 * 0.5 / 5000**0.5)


def test_the_perturbed_gradient_of_two_items_has_a_closed_form() -> None:
    from scipy.stats import norm

    estimator, costs = PerturbedOptimizer(n_samples=20_000 // 2, sigma=0.7), np.array([[0.3, 0.1]])
    problem = Choices(np.eye(2))
    step = estimator.forward(problem, costs, rng(), training=True)
    spread = 2**0.5 * 0.7
    chosen, slope = norm.cdf(-0.2 / spread), norm.pdf(-0.2 / spread) / spread
    np.testing.assert_allclose(step[:, 0], [[chosen, 1 - chosen]], atol=0.02)
    gradient = estimator.backward(problem, costs, step, np.array([[1.0, 0.0]]), rng())
    # The standard error of 10,000 products of a choice and noise over 0.7 is below 0.01.
    np.testing.assert_allclose(gradient, [[-slope, slope]], atol=0.03)


def test_blackbox_steps_along_the_gradient_and_compares() -> None:
    # Costs (0, 1): item 0. After a step of 2 along (1, 0), (2, 1): item 1.
    problem, costs, upstream = Choices(np.eye(2)), np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]])
    for interpolation, expected in ((2.0, [[-0.5, 0.5]]), (0.5, [[0.0, 0.0]])):
        estimator = BlackBox(interpolation)
        step = estimator.forward(problem, costs, rng(), training=True)
        gradient = estimator.backward(problem, costs, step, upstream, rng())
        np.testing.assert_array_equal(gradient, expected)


def test_implicit_mle_without_noise_is_blackbox() -> None:
    problem, quiet = GRID, 1e-9
    costs, upstream = np.asarray(PREDICTED, "float64"), np.asarray(UPSTREAM, "float64")
    gradients = []
    for estimator in (ImplicitMLE(n_samples=2, sigma=quiet, interpolation=2.0), BlackBox(2.0)):
        step = estimator.forward(problem, costs, rng(), training=True)
        gradients.append(estimator.backward(problem, costs, step, upstream, rng()))
    np.testing.assert_allclose(*gradients, atol=1e-12)


def test_a_two_sided_step_is_the_mean_of_one_forwards_and_one_backwards() -> None:
    costs, upstream = np.asarray(PREDICTED, "float64"), np.asarray(UPSTREAM, "float64")
    one, two = ImplicitMLE(n_samples=3), ImplicitMLE(n_samples=3, two_sided=True)
    step = one.forward(GRID, costs, rng(), training=True)
    ahead = one.backward(GRID, costs, step, upstream, rng())
    behind = one.backward(GRID, costs, step, -upstream, rng())
    both = two.backward(GRID, costs, step, upstream, rng())
    np.testing.assert_allclose(both, (ahead - behind) / 2, atol=1e-12)


def test_the_noise_of_implicit_mle_adds_up_to_that_of_gumbel() -> None:
    # Summed over kappa entries, it has the mean of a Gumbel variable, less what the cut sum leaves.
    estimator = ImplicitMLE(n_samples=4000, kappa=5, terms=10)
    noise = estimator._noise(np.zeros((1, 5)), rng()).sum(axis=2)
    harmonic = sum(1 / i for i in range(1, 11))
    expected = harmonic - np.log(10)
    variance = sum(1 / i**2 for i in range(1, 11))
    assert noise.mean() == pytest.approx(expected, abs=4 * (variance / 4000) ** 0.5)
    assert noise.var() == pytest.approx(variance, rel=0.15)


# As PyEPO has them.


@pytest.mark.parametrize("with_decisions", [False, True])
def test_spo_plus_is_that_of_pyepo(with_decisions: bool) -> None:
    given = targets(GRID, COSTS) if with_decisions else COSTS
    value, gradient = gradient_of(SPOPlus(GRID), given, PREDICTED)
    assert value == pytest.approx(sum(PYEPO["spo_plus"]["values"]), rel=1e-5)
    np.testing.assert_allclose(gradient, PYEPO["spo_plus"]["gradient"], atol=FLOAT32)


def test_fenchel_young_is_that_of_pyepo() -> None:
    loss = PerturbedFenchelYoung(GRID, n_samples=5, sigma=0.5)
    loss._rng = Noise(PYEPO["noise"])  # type: ignore[assignment]
    value, gradient = gradient_of(loss, COSTS, PREDICTED)
    assert value == pytest.approx(sum(PYEPO["fenchel_young"]["values"]), rel=1e-5)
    np.testing.assert_allclose(gradient, PYEPO["fenchel_young"]["gradient"], atol=FLOAT32)


@pytest.mark.parametrize(
    ("name", "estimator"),
    [
        ("perturbed", PerturbedOptimizer(n_samples=5, sigma=0.5)),
        ("blackbox", BlackBox(2.0)),
        ("negative_identity", NegativeIdentity()),
    ],
)
def test_estimators_are_those_of_pyepo(name: str, estimator: Any) -> None:
    noise: Any = Noise(PYEPO["noise"])
    costs, upstream = np.asarray(PREDICTED, "float64"), np.asarray(UPSTREAM, "float64")
    step = estimator.forward(GRID, costs, noise, training=True)
    np.testing.assert_allclose(step[:, 0], PYEPO[name]["values"], atol=FLOAT32)
    gradient = estimator.backward(GRID, costs, step, upstream, noise)
    # Sums of five products in float32.
    np.testing.assert_allclose(gradient, PYEPO[name]["gradient"], atol=1e-5)


def test_regret_is_that_of_pyepo() -> None:
    assert regret(GRID, COSTS, PREDICTED) == pytest.approx(PYEPO["regret"], rel=1e-6)
    for predicted, y_pred in (("costs", PREDICTED), ("decisions", decide(GRID, PREDICTED))):
        metric = Regret(GRID, predicted=predicted)
        metric.update_state(COSTS[:2], y_pred[:2].astype("float32"))
        metric.update_state(targets(GRID, COSTS[2:]), y_pred[2:].astype("float32"))
        assert float(metric.result()) == pytest.approx(PYEPO["regret"], rel=1e-5)


def test_the_data_are_those_of_pyepo_and_so_is_the_split() -> None:
    x, costs = shortest_path_data(6, 4, (3, 3), degree=3, noise_width=0.25, seed=7)
    np.testing.assert_allclose(x, PYEPO["x"], rtol=1e-12)
    np.testing.assert_array_equal(costs, COSTS)
    stored = PYEPO["seed_42"]
    x, costs = shortest_path_data(2000, 5, (5, 5), degree=4, noise_width=0.5, seed=42)
    np.testing.assert_allclose(x[[0, 999, 1999]], stored["x"], rtol=1e-12)
    np.testing.assert_allclose(costs[[0, 999, 1999]], stored["costs"], rtol=1e-6)
    assert x.sum() == pytest.approx(stored["x_sum"], rel=1e-9)
    assert costs.astype("float64").sum() == pytest.approx(stored["costs_sum"], rel=1e-7)
    train, test = train_test_split(np.arange(2000), test_size=1000, random_state=42)
    assert (train[:10].tolist(), test[:10].tolist()) == (stored["train"], stored["test"])


def test_the_data_of_knapsacks_follow_the_formula_of_pyepo_draw_by_draw() -> None:
    weights, x, values = knapsack_data(4, 3, 5, 2, degree=2, noise_width=0.5, seed=7)
    rng = np.random.RandomState(7)
    np.testing.assert_array_equal(weights, rng.choice(range(300, 800), size=(2, 5)) / 100)
    mixing = rng.binomial(1, 0.5, (5, 3))
    drawn = rng.normal(0, 1, (4, 3))
    np.testing.assert_array_equal(x, drawn)
    # PyEPO first made them sample by sample, noise included.
    for sample, its in zip(drawn, values, strict=True):
        expected = (mixing @ sample / np.sqrt(3) + 3) ** 2 + 1
        expected = expected * 5 / 3.5**2 * rng.uniform(0.5, 1.5, 5)
        np.testing.assert_array_equal(its, np.ceil(expected))
    assert values.dtype == "float32"


# What users give.


def test_a_metric_weighs_samples() -> None:
    metric = Regret(GRID)
    metric.update_state(COSTS, PREDICTED, sample_weight=np.array([1.0, 1.0, 0, 0, 0, 0]))
    expected = regret(GRID, COSTS[:2], PREDICTED[:2])
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)


def test_losses_take_leading_axes_and_decisions_of_somebody_else() -> None:
    loss = SPOPlus(GRID, reduction=None)
    flat = ops.convert_to_numpy(loss(COSTS, PREDICTED))
    shaped = ops.convert_to_numpy(loss(COSTS.reshape(2, 3, 12), PREDICTED.reshape(2, 3, 12)))
    np.testing.assert_allclose(shaped.ravel(), flat, rtol=1e-6)
    decisions = decide(GRID, COSTS).astype("float32")
    values = [
        float(PerturbedFenchelYoung(GRID, seed=1, target=kind)(given, PREDICTED))
        for kind, given in (("costs", COSTS), ("decisions", decisions))
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-6)


def test_samples_of_nan_get_decisions_of_nan_and_leave_others_alone() -> None:
    bad = PREDICTED.copy()
    bad[0, 3], bad[1, 0] = np.nan, np.inf
    decisions = decide(GRID, bad)
    assert np.isnan(decisions[:2]).all()
    np.testing.assert_array_equal(decisions[2:], decide(GRID, PREDICTED[2:]))
    for loss in (SPOPlus(GRID, reduction=None), PerturbedFenchelYoung(GRID, reduction=None)):
        losses = ops.convert_to_numpy(loss(COSTS, bad))
        assert np.isnan(losses[:2]).all()
        assert np.isfinite(losses[2:]).all()
    assert np.isnan(regret(GRID, COSTS, bad))


def test_an_empty_batch_has_no_decisions() -> None:
    assert decide(GRID, np.zeros((0, 12))).shape == (0, 12)
    assert SPOPlus(GRID, reduction=None)(COSTS[:0], PREDICTED[:0]).shape == (0,)


CUBIC = Polynomial({("a", "b", "c"): 1.0})
ROOM = (Constraint("least", {0: 1, 1: 1}, ">=", 2), Constraint("most", {0: 1, 1: 1}, "<=", 1))
CONTRADICTION = Problem("none", Qubo(np.eye(2)), ROOM)

WRONG: list[tuple[Callable[[], Any], str, str]] = [
    (lambda: GridShortestPath(1, 1), "columns", "at least 2"),
    (lambda: GridShortestPath(0, 3), "rows", "at least 1"),
    (lambda: ShortestPath([(0, 1), (2, 1)], 0, 2), "edges", "path from 0 to 2"),
    (lambda: ShortestPath([(0, 1)], 0, 3), "target", "node of an edge"),
    (lambda: ShortestPath([(0, 1)], 0, 0), "target", "differ from `source`"),
    (lambda: ShortestPath([(0, 0)], 0, 1), "edges", "different nodes"),
    (lambda: ShortestPath([], 0, 1), "edges", "1 to"),
    (lambda: ShortestPath(nx.path_graph(3), 0, 2), "edges", "directed"),
    (lambda: Knapsack([1.0, 2.0], -1.0), "capacity", "at least 0"),
    (lambda: Knapsack([1.0, -2.0], 1.0), "weights", "at least 0"),
    (lambda: Knapsack([1.0, np.nan], 1.0), "weights", "finite"),
    (lambda: Knapsack([[1.0, 2.0]], 1.0), "capacity", "a limit for each row"),
    (lambda: Knapsack([], 1.0), "weights", "not empty"),
    (lambda: Knapsack(["a"], 1.0), "weights", "numbers"),
    (lambda: Choices([1.0]), "decisions", "shape"),
    (lambda: Choices([[np.inf]]), "decisions", "finite"),
    (lambda: QuadraticProgram(np.eye(2)), "model", "Qubo"),
    (lambda: QuadraticProgram(Qubo({})), "model", "at least one variable"),
    (lambda: QuadraticProgram(Problem("cubic", CUBIC)), "model", "Problem with a Qubo"),
    (lambda: QuadraticProgram(CONTRADICTION), "problem", "satisfied together"),
    (lambda: QuadraticProgram(Qubo(np.eye(2)), "guess"), "solver", "one of"),
    (lambda: QuadraticProgram(Qubo(np.eye(2)), reads=0), "reads", "at least 1"),
    (lambda: Minimiser(3), "function", "a function"),
    (lambda: decide(GRID, np.zeros((2, 3))), "costs", "have 12 costs"),
    (lambda: decide(GRID, np.zeros(12)), "costs", "shape"),
    (lambda: decide(GRID, [["a"] * 12]), "costs", "numbers"),
    (lambda: decide(Minimiser(lambda c: c[0]), [[1.0, 2.0]]), "function", "shape"),
    (lambda: decide(Minimiser(lambda c: c / 0 * 0), [[0.0]]), "function", "finite"),
    (lambda: decide(Minimiser(lambda c: None), [[0.0]]), "function", "finite|shape"),
    (lambda: decide(Minimiser(lambda c: "no"), [[0.0]]), "function", "numbers"),
    (lambda: PerturbedOptimizer(n_samples=0), "n_samples", "at least 1"),
    (lambda: PerturbedOptimizer(sigma=0), "sigma", "above 0"),
    (lambda: BlackBox(-1), "interpolation", "above 0"),
    (lambda: ImplicitMLE(kappa=float("nan")), "kappa", "finite"),
    (lambda: SPOPlus("grid"), "problem", "DecisionProblem"),
    (lambda: SPOPlus(GRID)(COSTS[:, :3], PREDICTED), "y_true", "12 true costs"),
    (lambda: SPOPlus(GRID)(COSTS[:, :3], PREDICTED[:, :3]), "y_pred", "have 12 costs"),
    (lambda: decision_cost(COSTS[:, :3], PREDICTED), "y_true", "12 true costs"),
    (lambda: PerturbedFenchelYoung(GRID, target="paths"), "target", "one of"),
    (lambda: Regret(GRID, predicted="paths"), "predicted", "one of"),
    (lambda: regret(GRID, COSTS, PREDICTED[:2]), "predicted", "have the shape"),
    (lambda: regret(GRID, COSTS[:0], PREDICTED[:0]), "predicted", "not empty"),
    (lambda: shortest_path_data(2, noise_width=-1), "noise_width", "at least 0"),
    (lambda: shortest_path_data(2, grid=(2,)), "grid", "rows"),  # type: ignore[arg-type]
    (lambda: knapsack_data(2, noise_width=-1), "noise_width", "at least 0"),
    (lambda: knapsack_data(2, n_items=0), "n_items", "at least 1"),
    (lambda: knapsack_data(2, n_limits=0), "n_limits", "at least 1"),
]


@pytest.mark.parametrize(("wrong", "argument", "requirement"), WRONG)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_wrong_arguments_are_named(
    wrong: Callable[[], Any], argument: str, requirement: str
) -> None:
    with pytest.raises(ArgumentError, match=requirement) as caught:
        wrong()
    assert caught.value.argument == argument
