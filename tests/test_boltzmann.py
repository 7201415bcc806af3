"""Boltzmann machines: likelihoods by enumeration, training, sampling, a discrete autoencoder."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import keras
import networkx as nx
import numpy as np
import pytest
from keras import ops

from qkeras_hybrid import BoltzmannMachine, DiscreteLatent
from qkeras_hybrid.annealing import SimulatedAnnealing
from qkeras_hybrid.testing import value_and_gradients

RNG = np.random.default_rng(0)

GRAPHS = {
    "bipartite": {"n_hidden": 2},
    "wide": {"n_hidden": 4},
    "full": {"n_hidden": 2, "graph": "full"},
    "no hidden": {"n_hidden": 0},
    "pairs": {"n_hidden": 2, "graph": [(0, 1), (0, 3), (2, 4), (3, 4)]},
}


def machine(**arguments: Any) -> BoltzmannMachine:
    layer = BoltzmannMachine(seed=0, dtype="float64", **arguments)
    layer.build((None, 3))
    layer.couplings.assign(RNG.normal(size=layer.couplings.shape) * 0.6)
    layer.biases.assign(RNG.normal(size=layer.biases.shape) * 0.4)
    return layer


def all_spins(n: int) -> np.ndarray:
    return np.array(list(itertools.product((-1.0, 1.0), repeat=n)))


def joint(layer: BoltzmannMachine) -> tuple[np.ndarray, np.ndarray]:
    """All states and their probabilities, from the energy alone."""
    assert layer.structure is not None
    states = all_spins(layer.structure.n_spins)
    i, j = layer.structure.edges.T
    energies = states @ ops.convert_to_numpy(layer.biases)
    energies = energies + (states[:, i] * states[:, j]) @ ops.convert_to_numpy(layer.couplings)
    weights = np.exp(-layer.beta * energies)
    return states, weights / weights.sum()


def bars_and_stripes(n: int) -> np.ndarray:
    rows = {
        tuple(pattern.ravel())
        for bits in itertools.product((0, 1), repeat=n)
        for pattern in (np.tile(bits, (n, 1)), np.tile(bits, (n, 1)).T)
    }
    return np.array(sorted(rows), "float32")


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("beta", [1.0, 0.7])
def test_likelihoods_and_hidden_means_are_those_of_enumeration(name: str, beta: float) -> None:
    layer = machine(beta=beta, **GRAPHS[name])
    states, probabilities = joint(layer)
    bits = np.array(list(itertools.product((0, 1), repeat=3)))
    expected = np.array(
        [probabilities[(states[:, :3] == 2 * row - 1).all(1)].sum() for row in bits]
    )
    np.testing.assert_allclose(np.exp(layer.log_likelihood(bits)), expected, atol=1e-9)
    if not layer.n_hidden:
        return
    found = ops.convert_to_numpy(layer(bits.astype("float64")))
    for row, means in zip(bits, found, strict=True):
        given = (states[:, :3] == 2 * row - 1).all(1)
        conditional = probabilities[given] / probabilities[given].sum()
        np.testing.assert_allclose(means, conditional @ (states[given, 3:] + 1) / 2, atol=1e-9)


@pytest.mark.parametrize("method", ["annealing", "contrastive_divergence", "persistent"])
def test_sampled_gradients_approach_the_exact_one(method: str) -> None:
    bits = np.repeat([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]], 5000, axis=0)
    exact = machine(n_hidden=2, method="exact")
    # Many steps, after which chains have forgotten the data.
    sampled = machine(
        n_hidden=2,
        method=method,
        steps=15,
        reads=10_000,
        annealer=SimulatedAnnealing(sweeps=60),
    )
    for one, other in zip(sampled.trainable_variables, exact.trainable_variables, strict=True):
        one.assign(other)

    def gradient(layer: BoltzmannMachine) -> Any:
        fixed = [v.value for v in layer.non_trainable_variables]
        first = ops.convert_to_numpy(layer.biases), ops.convert_to_numpy(layer.couplings)

        def value(biases: Any, couplings: Any) -> Any:
            found = layer.stateless_call(
                [biases, couplings], fixed, bits, training=True, return_losses=True
            )
            return ops.sum(found[2][0])

        return value_and_gradients(value, *first)[1]

    # Means of 10,000 spins deviate by 0.01.
    for one, other in zip(gradient(sampled), gradient(exact), strict=True):
        np.testing.assert_allclose(one, other, atol=0.05)


@pytest.mark.parametrize(("n", "hidden", "count"), [(2, 6, 6), (3, 16, 14)])
def test_bars_and_stripes_are_learned(n: int, hidden: int, count: int) -> None:
    x = bars_and_stripes(n)
    assert len(x) == count
    layer = BoltzmannMachine(hidden, seed=1)
    model = keras.Sequential([keras.Input((n * n,)), layer])
    model.compile(keras.optimizers.Adam(0.05))
    # Few epochs of many steps: an epoch has a price of its own.
    model.fit(np.tile(x, (100, 1)), epochs=4, batch_size=count, shuffle=False, verbose=0)
    assert -layer.log_likelihood(x).mean() == pytest.approx(np.log(count), abs=0.05)
    drawn = layer.sample(300, seed=0)
    known = {tuple(row) for row in x.astype(int).tolist()}
    assert np.mean([tuple(row) in known for row in drawn.tolist()]) > 0.85


@pytest.mark.slow
def test_annealing_learns_them_too() -> None:
    x = bars_and_stripes(2)
    annealer = SimulatedAnnealing(sweeps=100)
    layer = BoltzmannMachine(6, method="annealing", annealer=annealer, reads=500, seed=1)
    model = keras.Sequential([keras.Input((4,)), layer])
    model.compile(keras.optimizers.Adam(0.05))
    model.fit(np.tile(x, (125, 1)), epochs=2, batch_size=6, shuffle=False, verbose=0)
    assert -layer.log_likelihood(x).mean() == pytest.approx(np.log(6), abs=0.1)


@pytest.mark.parametrize("method", ["exact", "annealing"])
def test_samples_have_the_machines_probabilities(method: str) -> None:
    layer = machine(n_hidden=2, method=method, annealer=SimulatedAnnealing(sweeps=60))
    drawn = layer.sample(20_000, seed=3)
    bits = np.array(list(itertools.product((0, 1), repeat=3)))
    expected = np.exp(layer.log_likelihood(bits))
    found = np.bincount(drawn @ [4, 2, 1], minlength=8) / len(drawn)
    # Five deviations of a frequency among 20,000 draws.
    np.testing.assert_allclose(found, expected, atol=5 * np.sqrt(0.25 / 20_000))


def test_a_machine_on_a_graph_is_saved_and_loaded(tmp_path: Path) -> None:
    layer = BoltzmannMachine(2, graph=nx.cycle_graph(6), method="annealing", reads=10, seed=1)
    model = keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    x = RNG.integers(0, 2, (8, 4)).astype("float32")
    model.fit(x, x[:, :1], epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
    assert loaded.layers[0].get_config() == layer.get_config()


@pytest.mark.parametrize("method", ["annealing", "contrastive_divergence", "persistent", "exact"])
def test_the_loss_outside_training_is_the_likelihood_of_small_machines(method: str) -> None:
    layer = machine(n_hidden=2, method=method, annealer=Unused(), loss_weight=0.5)
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile("adam")
    x = np.array([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    states, probabilities = joint(layer)
    expected = [-np.log(probabilities[(states[:, :3] == 2 * row - 1).all(1)].sum()) for row in x]
    # Keras keeps means of losses in float32.
    assert model.evaluate(x, verbose=0) == pytest.approx(0.5 * np.mean(expected), rel=1e-5)
    assert layer.exact == (method == "exact")
    none = BoltzmannMachine(2, loss_weight=0.0)
    none(x, training=True)
    assert not none.losses


class Unused(SimulatedAnnealing):
    """Samples nothing: those of a device cost money."""

    def sample(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("sampled")


@pytest.mark.parametrize("name", GRAPHS)
def test_pseudo_likelihoods_are_those_of_enumeration(name: str) -> None:
    layer = machine(beta=0.7, **GRAPHS[name])
    states, probabilities = joint(layer)
    bits = np.array(list(itertools.product((0, 1), repeat=3)))
    p = {tuple(row): probabilities[(states[:, :3] == 2 * row - 1).all(1)].sum() for row in bits}

    def of_one(row: np.ndarray) -> float:
        flips = (tuple(np.where(np.arange(3) == i, 1 - row, row)) for i in range(3))
        own = p[tuple(row)]
        return sum(np.log(own / (own + p[flip])) for flip in flips)

    expected = [of_one(row) for row in bits]
    found = layer.machine().pseudo_log_likelihood(ops.convert_to_tensor(2.0 * bits - 1, "float64"))
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, atol=1e-9)


@pytest.mark.parametrize("arguments", [{"n_hidden": 15}, {"graph": "full"}])
def test_the_loss_outside_training_of_large_machines_is_the_pseudo_likelihood(
    arguments: dict[str, Any],
) -> None:
    layer = BoltzmannMachine(
        **arguments, method="annealing", annealer=Unused(), seed=1, kernel_initializer="normal"
    )
    model = keras.Sequential([keras.Input((16,)), layer])
    model.compile("adam")
    x = RNG.integers(0, 2, (5, 16)).astype("float32")
    x[0, :2] = 0.3, 0.6
    values = layer.machine().pseudo_log_likelihood(ops.convert_to_tensor(2 * x - 1))
    expected = -ops.convert_to_numpy(values).mean()
    assert model.evaluate(x, verbose=0) == pytest.approx(expected, rel=1e-5)
    layer.couplings.assign(0 * layer.couplings)
    # Without couplings, each bit costs as much as a fair coin.
    assert model.evaluate(x, verbose=0) == pytest.approx(16 * np.log(2), rel=1e-5)
    x[0, 0] = np.nan
    assert np.isnan(model.evaluate(x, verbose=0))


def test_an_autoencoder_with_bits_learns_and_generates(tmp_path: Path) -> None:
    x = np.eye(4, dtype="float32")
    keras.utils.set_random_seed(0)
    latent = DiscreteLatent(BoltzmannMachine(seed=0), kl_weight=0.5, seed=0)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3),
            latent,
            keras.layers.Dense(4, "softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.05), "categorical_crossentropy")
    data = np.tile(x, (400, 1))
    history = model.fit(data, data, epochs=5, verbose=0).history["loss"]
    # Codes of four equally frequent patterns cost ln 4 nats, of which half is in the loss.
    assert history[-1] < history[0]
    assert history[-1] == pytest.approx(np.log(4) / 2, abs=0.25)
    assert (model.predict(x, verbose=0).argmax(1) == np.arange(4)).all()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
    new = model.layers[-1](latent.prior.sample(20, seed=0).astype("float32"))
    assert new.shape == (20, 4)


def test_the_divergence_is_that_of_enumeration() -> None:
    prior = machine(n_hidden=0)
    latent = DiscreteLatent(prior, seed=0, dtype="float64")
    logits = np.array([[0.3, -0.8, 1.2]])
    p = 1 / (1 + np.exp(-logits[0]))
    bits = np.array(list(itertools.product((0, 1), repeat=3)))
    q = np.prod(np.where(bits == 1, p, 1 - p), axis=1)
    expected = float((q * (np.log(q) - prior.log_likelihood(bits))).sum())
    latent.build((None, 3))
    # The mean over drawn bits of 40,000 copies; a deviation of 0.01.
    many = np.repeat(logits, 40_000, axis=0)
    latent(many, training=True)
    assert float(latent.losses[0]) == pytest.approx(expected, abs=0.05)


def test_the_divergence_outside_training_is_exact_where_the_prior_sums_over_few_states() -> None:
    losses = []
    for method in ("exact", "annealing"):
        prior = BoltzmannMachine(seed=0, method=method, annealer=Unused())
        latent = DiscreteLatent(prior, seed=0)
        latent(np.array([[0.3, -0.8, 1.2]], "float32"), training=False)
        losses += [float(loss) for loss in latent.losses]
    # The sum is the same one.
    assert losses == pytest.approx([losses[0]] * 2, rel=1e-6)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: BoltzmannMachine(-1), "`n_hidden` must be a whole number"),
        (lambda: BoltzmannMachine(0, graph="bipartite"), "at least 1 for a bipartite graph"),
        (lambda: BoltzmannMachine(0, output="hidden"), "be 'free_energy' without hidden"),
        (lambda: BoltzmannMachine(2, method="magic"), "`method` must be one of 'auto'"),
        (lambda: BoltzmannMachine(2, beta=-1.0), "`beta` must be positive"),
        (lambda: BoltzmannMachine(2, loss_weight=-1.0), "`loss_weight` must not be negative"),
        (lambda: BoltzmannMachine(2, graph=nx.path_graph(9)).build((None, 3)), "have 5 nodes"),
        (
            lambda: BoltzmannMachine(2, graph="full", method="persistent").build((None, 3)),
            "if the graph is not bipartite",
        ),
        (lambda: BoltzmannMachine(30, method="exact").build((None, 30)), "all states of 30 spins"),
        (lambda: BoltzmannMachine(30, graph="full").build((None, 3)), "all states of 30 spins"),
        (lambda: BoltzmannMachine(2)(np.zeros((2, 2, 3), "float32")), "TimeDistributed"),
        (lambda: machine(n_hidden=2).log_likelihood([[0.5, 0, 1]]), "be bits 0 and 1"),
        (lambda: machine(n_hidden=2).log_likelihood([[0, 1]]), r"be of shape \(n, 3\)"),
        (lambda: DiscreteLatent(3), "`prior` must be a BoltzmannMachine"),
        (lambda: DiscreteLatent(BoltzmannMachine(), temperature=0.0), "`temperature` must be"),
    ],
)
def test_bad_input_is_told(make: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        make()


def test_nan_passes_through_and_a_batch_may_be_empty() -> None:
    layer = machine(n_hidden=2)
    found = ops.convert_to_numpy(layer(np.array([[np.nan, 0, 0], [0, 1, 0]])))
    assert np.isnan(found[0]).any()
    assert np.isfinite(found[1]).all()
    assert layer(np.zeros((0, 3))).shape == (0, 2)
