"""The layer `IsingLayer`: values and gradients against enumeration, saving, bad input."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import keras
import networkx as nx
import numpy as np
import pytest
from dwave.samplers import SteepestDescentSampler
from keras import ops

from qkeras_hybrid import IsingLayer, annealing
from qkeras_hybrid.engines.services import ServiceError
from qkeras_hybrid.testing import run_layer_test, value_and_gradients

RNG = np.random.default_rng(0)
STATES = np.array(list(itertools.product((-1.0, 1.0), repeat=3)))
PAIRS = [(0, 1), (0, 2), (1, 2)]
X = RNG.normal(size=(2, 3)) * 0.7
J = RNG.normal(size=3) * 0.4


def enumerated(x: np.ndarray, couplings: np.ndarray, beta: float, pairs: bool) -> np.ndarray:
    """Means, and correlations if asked, summed over all eight states by hand."""
    rows = []
    for fields in x:
        products = np.stack([STATES[:, i] * STATES[:, j] for i, j in PAIRS], 1)
        weights = np.exp(-beta * (STATES @ fields + products @ couplings))
        weights /= weights.sum()
        means = weights @ STATES
        rows.append(np.concatenate([means, weights @ products]) if pairs else means)
    return np.array(rows)


def gradients_of(layer: IsingLayer, x: np.ndarray, couplings: np.ndarray, upstream: Any) -> Any:
    layer.build(x.shape)
    fixed = [v.value for v in layer.non_trainable_variables]
    factors = ops.convert_to_tensor(upstream, "float64")

    def value(fields: Any, weights: Any) -> Any:
        return ops.sum(layer.stateless_call([weights], fixed, fields)[0] * factors)

    return value_and_gradients(value, x, couplings)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"output": "means_and_correlations", "graph": "circular", "use_bias": True},
        {"graph": [[0, 1]], "beta": 2.0},
    ],
)
def test_the_layer_is_one_of_kerass(arguments: dict[str, Any]) -> None:
    run_layer_test(IsingLayer, {"annealer": "exact", "seed": 1, **arguments}, (5, 4))


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("beta", [0.5, 1.3])
def test_exact_values_and_gradients_are_those_of_enumeration(pairs: bool, beta: float) -> None:
    output = "means_and_correlations" if pairs else "means"
    layer = IsingLayer(annealer="exact", output=output, beta=beta, dtype="float64")
    upstream = RNG.normal(size=(2, 6 if pairs else 3))
    value, (of_x, of_j) = gradients_of(layer, X, J, upstream)
    assert float(value) == pytest.approx((enumerated(X, J, beta, pairs) * upstream).sum(), abs=1e-9)

    def loss(x: np.ndarray, couplings: np.ndarray) -> float:
        return float((enumerated(x, couplings, beta, pairs) * upstream).sum())

    # Central differences with step 1e-5 have an error of about 1e-10.
    step = 1e-5
    for place in np.ndindex(X.shape):
        e = np.zeros(X.shape)
        e[place] = step
        expected = (loss(X + e, J) - loss(X - e, J)) / (2 * step)
        assert of_x[place] == pytest.approx(expected, abs=1e-7)
    for k in range(3):
        e = np.eye(3)[k] * step
        expected = (loss(X, J + e) - loss(X, J - e)) / (2 * step)
        assert of_j[k] == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("pairs", [False, True])
def test_gradients_by_covariances_approach_those_of_enumeration(pairs: bool) -> None:
    output = "means_and_correlations" if pairs else "means"
    common: dict[str, Any] = {"output": output, "dtype": "float64", "beta": 0.8}
    upstream = RNG.normal(size=(2, 6 if pairs else 3))
    exact = gradients_of(IsingLayer(annealer="exact", **common), X, J, upstream)
    # 40,000 states: a deviation of about 0.005 for each mean, a few of which are added here.
    annealer = annealing.SimulatedAnnealing(sweeps=50)
    layer = IsingLayer(annealer=annealer, reads=40_000, seed=3, **common)
    sampled = gradients_of(layer, X, J, upstream)
    assert float(sampled[0]) == pytest.approx(float(exact[0]), abs=0.06)
    for one, other in zip(sampled[1], exact[1], strict=True):
        np.testing.assert_allclose(one, other, atol=0.06)


@pytest.mark.parametrize("pairs", [False, True])
def test_implicit_gradients_are_right_to_first_order_in_the_couplings(pairs: bool) -> None:
    output = "means_and_correlations" if pairs else "means"
    common: dict[str, Any] = {"output": output, "dtype": "float64"}
    upstream = RNG.normal(size=(2, 6 if pairs else 3))
    weak = J * 0.05
    exact = gradients_of(IsingLayer(annealer="exact", **common), X, weak, upstream)
    layer = IsingLayer(
        annealer=annealing.ExactSampling(), gradient="implicit", reads=40_000, seed=3, **common
    )
    layer.annealer = _Drawn(1.0)
    sampled = gradients_of(layer, X, weak, upstream)
    for one, other in zip(sampled[1], exact[1], strict=True):
        np.testing.assert_allclose(one, other, atol=0.06)


class _Drawn(annealing.SimulatedAnnealing):
    """States drawn with their exact probabilities, which the layer takes for sampled ones."""

    def __init__(self, beta: float) -> None:
        super().__init__()
        object.__setattr__(self, "exact", annealing.ExactSampling(beta))

    def at(self, beta: float) -> Any:
        return self

    def sample(self, batch: Any, reads: int, seed: int | None = None) -> np.ndarray:
        return self.exact.sample(batch, reads, seed)


def test_a_straight_through_gradient_is_minus_beta_times_the_upstream_one() -> None:
    layer = IsingLayer(gradient="straight_through", beta=2.0, reads=5, seed=0, dtype="float64")
    upstream = RNG.normal(size=(2, 3))
    _, (of_x, _) = gradients_of(layer, X, J, upstream)
    np.testing.assert_allclose(of_x, -2.0 * upstream, atol=1e-12)


def test_free_spins_follow_their_fields() -> None:
    layer = IsingLayer(annealer="exact", kernel_initializer="zeros", beta=1.5)
    found = ops.convert_to_numpy(layer(X.astype("float32")))
    np.testing.assert_allclose(found, -np.tanh(1.5 * X), atol=1e-6)


@pytest.mark.parametrize("annealer", ["simulated_annealing", SteepestDescentSampler()])
def test_a_model_trains_and_is_saved_without_its_sampler(annealer: Any, tmp_path: Path) -> None:
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4),
            IsingLayer(annealer=annealer, reads=20, seed=0),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.05), "mse")
    x = RNG.normal(size=(32, 3)).astype("float32")
    losses = model.fit(x, x[:, :1], epochs=3, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.layers[1].couplings, model.layers[1].couplings)
    if isinstance(annealer, str):
        assert loaded.layers[1].annealer == model.layers[1].annealer
        assert np.isfinite(loaded.predict(x, verbose=0)).all()
        return
    layer = loaded.layers[1]
    with pytest.raises(Exception, match="has no sampler") as caught:
        layer(np.zeros((1, 4), "float32"))
    assert ServiceError.__name__ in repr(caught) or "ServiceError" in str(caught.value)
    layer.annealer = annealing.DimodAnnealer(annealer)
    assert layer(np.zeros((1, 4), "float32")).shape == (1, 4)


def test_training_fits_a_function_of_spins() -> None:
    # XOR of two bits, as the mean of the third spin, needs couplings or a hidden layer before.
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
    y = np.array([[0], [1], [1], [0]], "float32")
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(6),
            IsingLayer(annealer="exact"),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.05), "mse")
    model.fit(np.tile(x, (100, 1)), np.tile(y, (100, 1)), epochs=2, batch_size=4, verbose=0)
    assert model.evaluate(x, y, verbose=0) < 0.02


def test_a_named_solver_is_saved_with_its_name(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), IsingLayer(annealer="steepest_descent", reads=3)])
    model.save(tmp_path / "model.keras")
    x = np.array([[5.0, -5.0, 5.0]], "float32")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), [[-1, 1, -1]])
    np.testing.assert_array_equal(
        keras.models.clone_model(model).predict(x, verbose=0), [[-1, 1, -1]]
    )


def test_a_sampled_layer_predicts_evaluates_and_validates() -> None:
    model = keras.Sequential([keras.Input((3,)), IsingLayer(reads=5), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x = np.zeros((4, 3), "float32")
    history = model.fit(x, x[:, :1], validation_data=(x, x[:, :1]), epochs=1, verbose=0)
    assert np.isfinite(history.history["val_loss"]).all()
    assert model.predict(x, verbose=0).shape == (4, 1)
    assert np.isfinite(model.evaluate(x, x[:, :1], verbose=0))


@pytest.mark.parametrize("annealer", ["exact", "simulated_annealing"])
def test_odd_batches(annealer: str) -> None:
    layer = IsingLayer(annealer=annealer, reads=5, seed=0)
    assert layer(np.zeros((0, 3), "float32")).shape == (0, 3)
    assert layer(np.zeros((1, 3), "float32")).shape == (1, 3)
    assert layer(np.zeros((2, 4, 3), "float32")).shape == (2, 4, 3)
    mixed = np.array([[np.nan, 0, 0], [0, 0, 0], [np.inf, 0, 0]], "float32")
    found = ops.convert_to_numpy(layer(mixed))
    assert np.isnan(found[0]).all()
    assert np.isfinite(found[1]).all()


def test_the_graph_of_a_machine_is_taken_by_its_nodes() -> None:
    graph = nx.relabel_nodes(nx.path_graph(4), {0: 30, 1: 10, 2: 20, 3: 40})
    layer = IsingLayer(graph=graph, output="means_and_correlations", annealer="exact")
    assert layer.n_spins == 4
    layer.build((None, 4))
    assert layer.edges is not None
    assert sorted(map(tuple, layer.edges.tolist())) == [(0, 1), (1, 2), (2, 3)]
    assert layer.compute_output_shape((None, 4)) == (None, 7)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: IsingLayer(0), "`n_spins` must be a whole number"),
        (lambda: IsingLayer(beta=0.0), "`beta` must be positive"),
        (lambda: IsingLayer(beta=np.nan), "`beta` must be a finite number"),
        (lambda: IsingLayer(reads=-1), "`reads` must be a whole number"),
        (lambda: IsingLayer(reads=1), "`reads` must be at least 2"),
        (lambda: IsingLayer(gradient="magic"), "`gradient` must be one of 'covariance'"),
        (lambda: IsingLayer(output="spins"), "`output` must be one of 'means'"),
        (lambda: IsingLayer(graph="star"), "`graph` must be one of"),
        (lambda: IsingLayer(graph=[(1, 1)]), "couple different spins"),
        (lambda: IsingLayer(graph=[(0, -1)]), "at least 0"),
        (lambda: IsingLayer(annealer="magic"), "`solver` must be one of"),
        (lambda: IsingLayer(3, graph=nx.path_graph(4)), "be 4, the number of the graph's spins"),
        (lambda: IsingLayer(3).build((None, 4)), "be 4, the number of the input's features"),
        (lambda: IsingLayer(graph=[(0, 5)]).build((None, 3)), "only spins from 0 to 2"),
        (lambda: IsingLayer(annealer="exact").build((None, 40)), "'exact' for more than 16 spins"),
        (lambda: IsingLayer()(np.zeros((2, 3), "complex64")), "numeric, real input"),
        (lambda: IsingLayer().build((None, None)), "number of features"),
    ],
)
def test_bad_input_is_told(make: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        make()


def test_another_width_than_it_was_built_for_is_told() -> None:
    layer = IsingLayer(annealer="exact")
    layer.build((None, 3))
    with pytest.raises(ValueError, match="3"):
        layer(np.zeros((2, 4), "float32"))
