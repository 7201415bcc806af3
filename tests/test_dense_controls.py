"""Controls that are whole networks: what they count, and the mathematics of shared weights."""

from __future__ import annotations

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

from qkeras_hybrid import PQC, PQCDense, QuantumEmbedding, QuantumKernel
from qkeras_hybrid.bench import controls, dense_controls
from qkeras_hybrid.bench.activations import hidden_activations
from qkeras_hybrid.bench.dense_controls import rank_and_width
from qkeras_hybrid.bench.dense_widths import dense_widths
from qkeras_hybrid.bench.derived import DoesNotApplyError, HashedDense
from qkeras_hybrid.bench.hashed_dense import _mixed, hashed
from qkeras_hybrid.bench.inspection import describe, trainable_parameters
from qkeras_hybrid.encodings import ReuploadingEncoding

NAMES = ("dense_same_activations", "low_rank_dense", "hashed_dense")
Dense = keras.layers.Dense


def hybrid(n_features: int = 10, n_qubits: int = 3, n_layers: int = 2) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((n_features,)),
            Dense(n_qubits, activation="tanh"),
            PQCDense(n_qubits, n_layers=n_layers),
            Dense(3, activation="softmax"),
        ]
    )


def images() -> keras.Model:
    """A circuit on each of four patches, and outputs of two axes."""
    return keras.Sequential(
        [
            keras.Input((4, 2)),
            keras.layers.TimeDistributed(Dense(2, activation="relu")),
            keras.layers.TimeDistributed(PQCDense(2, n_layers=1)),
            keras.layers.Flatten(),
            Dense(6, activation="linear"),
            keras.layers.Reshape((2, 3)),
            keras.layers.Softmax(),
        ]
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("make", [hybrid, images])
def test_a_network_has_the_hybrids_inputs_and_outputs_trains_and_is_saved(
    name: str, make: Any, tmp_path: Path
) -> None:
    model = make()
    made = controls.ALL[name](model)
    x = np.random.default_rng(0).normal(size=(5, *model.input_shape[1:])).astype("float32")
    assert made(x).shape == model(x).shape
    assert made(x[:1]).shape == (1, *model.output_shape[1:])
    # The last activation is the hybrid's.
    np.testing.assert_allclose(ops.convert_to_numpy(made(x)).sum(axis=-1), 1, atol=1e-5)
    made.compile("sgd", "mse")
    history = made.fit(x, np.zeros(made(x).shape, "float32"), epochs=1, verbose=0)
    assert math.isfinite(history.history["loss"][0])
    made.save(tmp_path / "control.keras")
    loaded = keras.models.load_model(tmp_path / "control.keras")
    # The same computation, perhaps in another order of float32 additions.
    values = (ops.convert_to_numpy(each(x)) for each in (loaded, made))
    np.testing.assert_allclose(*values, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_that_can_not_be_is_said(name: str) -> None:
    with pytest.raises(ValueError, match="quantum layer"):
        controls.ALL[name](keras.Sequential([keras.Input((2,)), Dense(1)]))
    inputs = keras.Input((2,))
    circuit = PQCDense(2)(inputs)
    two = keras.Model(inputs, [Dense(1)(circuit), Dense(1)(circuit)])
    with pytest.raises(DoesNotApplyError, match="2 outputs"):
        controls.ALL[name](two)
    steps = keras.Sequential([keras.Input((None, 2)), keras.layers.TimeDistributed(PQCDense(2))])
    with pytest.raises(DoesNotApplyError, match="unknown length"):
        controls.ALL[name](steps)


def test_they_run_only_where_they_are_named() -> None:
    assert set(NAMES).isdisjoint(controls.CONTROLS)
    assert set(NAMES) <= set(controls.ALL)


# Activations.


def test_activations_are_units_and_angles_that_inputs_turn() -> None:
    # Three units and three angles; the twelve trained rotations are the same for every sample.
    assert hidden_activations(hybrid()) == 6
    # A unit of relu for each of two on four patches, and as many angles.
    assert hidden_activations(images()) == 16
    # Ten features in each of two layers: expressions of a feature and two weights each.
    reuploading = keras.Sequential(
        [
            keras.Input((4,)),
            QuantumEmbedding(4, encoding=ReuploadingEncoding(3), observables=["Z0"]),
            Dense(2, activation="softmax"),
        ]
    )
    compiled = reuploading.layers[0].compiled
    inputs = set(compiled.angles.inputs)
    turned = [a for a in compiled.angles.rows if a.expression is not None or a.inputs]
    expected = sum(
        bool(a.inputs) or bool(inputs & a.expression.free_symbols)  # type: ignore[union-attr]
        for a in turned
    )
    assert hidden_activations(reuploading) == expected
    assert expected % 12 == 0  # each of four features in each of three layers


def test_a_layer_that_is_called_twice_counts_twice() -> None:
    inputs = keras.Input((2,))
    circuit, dense = PQCDense(2, n_layers=1), Dense(2, activation="tanh")
    model = keras.Model(inputs, Dense(1)(circuit(dense(circuit(dense(inputs))))))
    assert hidden_activations(model) == 2 * (2 + 2)
    # Whatever was watched is as it was.
    assert dense.activation is keras.activations.tanh


def test_a_kernel_computes_its_landmarks_too() -> None:
    model = keras.Sequential(
        [keras.Input((2,)), QuantumKernel(3, n_qubits=2, encoding="angle"), Dense(1)]
    )
    # Angles of both states of an overlap, for a sample and each of three landmarks.
    assert hidden_activations(model) >= 2 * 4


def test_as_many_activations_as_the_hybrid_has() -> None:
    made = controls.ALL["dense_same_activations"](hybrid())
    assert describe(made) == "Dense(6, tanh) > Dense(3, softmax)"
    assert trainable_parameters(made) == 10 * 6 + 6 + 6 * 3 + 3
    w = sympy.Symbol("w")
    constant = PQC(cirq.Circuit(cirq.rx(w)(cirq.q(0))), ["Z0"], inputs=[])
    model = keras.Sequential([keras.Input((0,)), constant, Dense(1)])
    with pytest.raises(DoesNotApplyError, match="no activations to match"):
        controls.ALL["dense_same_activations"](model)


# Low rank.


@hypothesis.given(target=st.integers(20, 5000), n=st.integers(2, 64), out=st.integers(1, 10))
@hypothesis.settings(max_examples=100, deadline=None)
def test_the_rank_is_the_largest_that_doubles_the_width(target: int, n: int, out: int) -> None:
    def parameters(rank: int, width: int) -> int:
        return n * rank + rank * width + width + (width + 1) * out

    try:
        rank, width = rank_and_width(target, n, out)
    except DoesNotApplyError:
        # Even at rank one.
        dense = max(1, (target - out) / (n + 1 + out))
        assert (target - out - n) / (2 + out) <= dense
        return
    # A unit of width more or less is no closer.
    miss = abs(parameters(rank, width) - target)
    assert miss <= abs(parameters(rank, width + 1) - target)
    assert miss <= abs(parameters(rank, width - 1) - target)
    dense = max(1, (target - out) / (n + 1 + out))
    doubled = [r for r in range(1, n) if (target - out - r * n) / (r + 1 + out) >= 2 * dense]
    assert rank == max(doubled, default=1)


def test_a_low_rank_network_has_the_hybrids_parameters_and_a_kernel_of_low_rank() -> None:
    model = hybrid(n_layers=4)
    made = controls.ALL["low_rank_dense"](model)
    target = trainable_parameters(model)
    assert target == 33 + 36 + 12
    rank, width = rank_and_width(target, 10, 3)
    assert describe(made) == f"Dense({rank}, linear) > Dense({width}, tanh) > Dense(3, softmax)"
    assert abs(trainable_parameters(made) - target) <= (rank + 1 + 3) / 2
    left, right = (ops.convert_to_numpy(layer.kernel) for layer in made.layers[1:3])
    kernel = left @ right
    assert np.linalg.matrix_rank(kernel) == rank < min(kernel.shape)
    assert width > dense_widths(target, 10, 3)[0]


def test_of_one_feature_there_is_no_low_rank() -> None:
    with pytest.raises(DoesNotApplyError, match="no kernel of low rank"):
        controls.ALL["low_rank_dense"](hybrid(n_features=1))


# Hashing.


@hypothesis.given(places=st.integers(1, 300), data=st.data(), seed=st.integers(0, 2**31 - 1))
@hypothesis.settings(max_examples=60, deadline=None)
def test_every_weight_has_the_same_number_of_places(places: int, data: Any, seed: int) -> None:
    n_weights = data.draw(st.integers(1, places))
    buckets, signs = hashed(places, n_weights, seed)
    counts = np.bincount(buckets, minlength=n_weights)
    assert len(counts) == n_weights
    assert counts.max() - counts.min() <= 1
    assert set(signs) <= {-1.0, 1.0}


def test_hashes_look_random_and_are_for_ever() -> None:
    buckets, signs = hashed(60_000, 6, seed=5)
    # The mean of 60,000 signs has the standard deviation 0.0041; five of them.
    assert abs(signs.mean()) < 0.021
    # So do neighbours share a weight one time in six: standard deviation 0.0015.
    assert np.mean(buckets[1:] == buckets[:-1]) == pytest.approx(1 / 6, abs=0.008)
    other, _ = hashed(60_000, 6, seed=6)
    assert np.mean(buckets == other) == pytest.approx(1 / 6, abs=0.008)
    # Saved layers hold no hash: it must stay what it is.
    # The first numbers of SplitMix64 from the state 0 are known.
    assert [int(v) for v in _mixed(2, 0)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]
    buckets, signs = hashed(8, 3)
    assert buckets.tolist() == [0, 1, 0, 1, 1, 0, 2, 2]
    assert signs.tolist() == [-1, 1, 1, -1, 1, 1, -1, -1]


def test_a_layer_computes_with_its_virtual_kernel_and_gradients_add_up() -> None:
    keras.utils.set_random_seed(0)
    layer = HashedDense(5, 7, activation="tanh", seed=3)
    x = np.random.default_rng(0).normal(size=(4, 2, 3)).astype("float32")
    y = ops.convert_to_numpy(layer(x))
    buckets, signs = hashed(4 * 5, 7, 3)
    shared = np.asarray(layer.get_weights()[0], float)
    kernel = (signs * shared[buckets]).reshape(4, 5)
    expected = np.tanh(x @ kernel[:3] + kernel[3])
    # float32 against float64.
    np.testing.assert_allclose(y, expected, atol=1e-5)
    assert layer.count_params() == 7
    assert layer.compute_output_shape((None, 2, 3)) == (None, 2, 5)
    # One step of gradient descent: a weight's gradient is the sum over its places.
    model = keras.Sequential([keras.Input((3,)), HashedDense(5, 7, seed=3)])
    model.layers[0].set_weights([shared.astype("float32")])
    target = np.zeros((4, 5), "float32")
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(x[:, 0], target, batch_size=4, epochs=1, verbose=0)
    inputs = np.hstack([x[:, 0], np.ones((4, 1))])
    of_kernel = inputs.T @ (2 * (inputs @ kernel) / 20)
    gradient = np.bincount(buckets, (signs * of_kernel.ravel()), minlength=7)
    np.testing.assert_allclose(model.get_weights()[0], shared - 0.1 * gradient, atol=1e-5)


@pytest.mark.parametrize("n_qubits", [2, 4, 6])
def test_a_hashed_network_has_exactly_the_hybrids_parameters(n_qubits: int) -> None:
    model = hybrid(n_qubits=n_qubits)
    made = controls.ALL["hashed_dense"](model)
    target = trainable_parameters(model)
    assert trainable_parameters(made) == target
    hidden, last = made.layers[-2:]
    assert hidden.units == dense_controls.EXPANSION * ((target - 3) // 14)
    # Both layers share as much.
    share = [hidden.n_weights / (11 * hidden.units), last.n_weights / (3 * (hidden.units + 1))]
    assert share[0] == pytest.approx(share[1], rel=0.1)
    assert describe(made).startswith(f"HashedDense({hidden.units}, {hidden.n_weights} weights, ta")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"units": 0, "n_weights": 1}, "units"),
        ({"units": 2, "n_weights": 0}, "n_weights"),
        ({"units": 2.5, "n_weights": 1}, "units"),
        ({"units": 2, "n_weights": 1, "seed": -1}, "seed"),
        ({"units": 2, "n_weights": 1, "seed": 0.5}, "seed"),
        ({"units": 2, "n_weights": 1, "seed": True}, "seed"),
        ({"units": 2, "n_weights": 1, "seed": 2**31}, "seed"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"`{said}`"):
        HashedDense(**arguments)


def test_more_weights_than_places_and_unknown_features_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 8, the places"):
        HashedDense(2, 9).build((None, 3))
    HashedDense(2, 8).build((None, 3))
    with pytest.raises(ValueError, match="number of features"):
        HashedDense(2, 8).build((None, None))
