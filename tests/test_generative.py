"""Generators of bits: expectation values without a state, distances, likelihoods, samples."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path
from typing import Any

import cirq
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

import qkeras_hybrid as qh
from qkeras_hybrid.generative import (
    AutoregressiveBits,
    BornMachine,
    IQPGenerator,
    compare_generators,
    default_bandwidths,
    mmd,
)
from qkeras_hybrid.generative.kernels import share_of

WIDE = keras.initializers.RandomUniform(-1, 1, seed=5)


def built(layer: Any, n_bits: int) -> Any:
    layer.build((None, n_bits))
    return layer


def strings(n_bits: int) -> np.ndarray:
    """Returns all bit strings in order, bit 0 first."""
    return np.array(list(itertools.product((0, 1), repeat=n_bits)))


def kernel_matrix(n_bits: int, width: float) -> np.ndarray:
    all_bits = strings(n_bits)
    differ = (all_bits[:, None] != all_bits[None]).sum(-1)
    return np.exp(-differ / (2 * width**2))


def exact_distance(p: np.ndarray, q: np.ndarray, widths: Any) -> float:
    n_bits = int(math.log2(len(p)))
    forms = [(p - q) @ kernel_matrix(n_bits, width) @ (p - q) for width in widths]
    return float(np.mean(forms))


# The kernel.


def test_the_kernel_is_a_mean_over_strings_of_pauli_z() -> None:
    n_bits, width = 3, 0.8
    p, all_bits = share_of(width), strings(3)
    chances = p ** all_bits.sum(1) * (1 - p) ** (n_bits - all_bits.sum(1))
    signs = (-1.0) ** (all_bits @ all_bits.T)
    np.testing.assert_allclose(
        signs.T @ (chances[:, None] * signs), kernel_matrix(n_bits, width), atol=1e-12
    )


def test_default_bandwidths_are_those_of_their_weights() -> None:
    for n_bits in (1, 2, 5, 30, 1000):
        weights = [n_bits * share_of(width) for width in default_bandwidths(n_bits)]
        expected = sorted({min(weight, n_bits / 3) for weight in (1, 2, 4)})
        np.testing.assert_allclose(sorted(weights), expected, rtol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(2, 6), st.integers(1, 5), st.integers(0, 99))
def test_the_distance_is_that_of_its_definition(n: int, m: int, n_bits: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 2, (n, n_bits)), rng.integers(0, 2, (m, n_bits))
    width = 0.7

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return math.exp(-int((a != b).sum()) / (2 * width**2))

    expected = (
        sum(k(a, b) for a, b in itertools.permutations(x, 2)) / (n * (n - 1))
        + sum(k(a, b) for a, b in itertools.permutations(y, 2)) / (m * (m - 1))
        - 2 * sum(k(a, b) for a in x for b in y) / (n * m)
    )
    assert mmd(x, y, [width]) == pytest.approx(expected, abs=1e-12)
    assert mmd(y, x, [width]) == pytest.approx(expected, abs=1e-12)
    two = (mmd(x, y, [width]) + mmd(x, y, [2.0])) / 2
    assert mmd(x, y, [width, 2.0]) == pytest.approx(two, abs=1e-12)


# IQP circuits.


@pytest.mark.parametrize(
    ("n_bits", "generators"), [(1, "pairs"), (4, 3), (5, [(0,), (4, 1), (0, 2, 3)]), (14, "pairs")]
)
def test_expectation_values_are_those_of_the_state_vector(n_bits: int, generators: Any) -> None:
    layer = built(IQPGenerator(generators, kernel_initializer=WIDE), n_bits)
    rng = np.random.default_rng(n_bits)
    operators = rng.integers(0, 2, (6, n_bits))
    operators[:, 0] |= operators.sum(1) == 0  # no string without a Pauli
    qubits = cirq.LineQubit.range(n_bits)
    observables = [
        cirq.PauliString({q: cirq.Z for q, a in zip(qubits, row, strict=True) if a})
        for row in operators
    ]
    circuit = layer.circuit() + cirq.Circuit(cirq.I.on_each(*qubits))
    states = qh.PQC(circuit, observables, inputs=[])
    exact = ops.convert_to_numpy(states(ops.zeros((1, 0))))[0]
    # float32 in the engine
    np.testing.assert_allclose(layer.exact_expectation(operators), exact, atol=2e-5)
    estimates, errors = layer.expectation(operators, n_samples=4000, seed=1)
    # Six estimates within 4.5 standard errors, but for a chance of 4e-5; and of one bit no error.
    assert (np.abs(estimates - exact) <= 4.5 * errors + 1e-5).all()
    assert errors.max() < 0.02


def test_probabilities_are_those_of_the_circuit() -> None:
    layer = built(IQPGenerator(3, kernel_initializer=WIDE), 4)
    state = cirq.Simulator(dtype=np.complex128).simulate(layer.circuit()).final_state_vector
    np.testing.assert_allclose(layer.probabilities(), np.abs(state) ** 2, atol=1e-6)


def test_the_loss_is_the_distance_from_the_data_in_the_mean() -> None:
    n_bits = 3
    layer = built(IQPGenerator(kernel_initializer=WIDE, n_operators=64, n_samples=16), n_bits)
    rng = np.random.default_rng(0)
    q = rng.dirichlet(np.ones(8))
    widths = default_bandwidths(n_bits)
    expected = exact_distance(layer.probabilities(), q, widths)
    # New rows for each estimate, so that the distance is from what they are drawn of.
    found = []
    for seed in range(150):
        rows = strings(n_bits)[rng.choice(8, 20, p=q)]
        found += [layer.distance(rows, repeats=2, seed=seed)[0]]
    error = np.std(found) / math.sqrt(len(found))
    assert abs(np.mean(found) - expected) < 4.5 * error
    assert error < expected / 10


def test_each_bandwidth_counts_as_much_whatever_the_number_of_strings() -> None:
    x = np.random.default_rng(0).integers(0, 2, (40, 3))
    widths = (0.3, 5.0)
    layer = IQPGenerator(bandwidths=widths, n_operators=3, n_samples=64, seed=0)
    layer.build((None, 3))
    found, error = layer.distance(x, repeats=1000, seed=1)
    even = IQPGenerator(bandwidths=widths, n_operators=64, n_samples=64, seed=0)
    even.build((None, 3))
    even.set_weights(layer.get_weights())
    wanted, other = even.distance(x, repeats=100, seed=2)
    assert found == pytest.approx(wanted, abs=5 * math.hypot(error, other))
    with pytest.raises(qh.ArgumentError, match="be at least 2, one for each bandwidth"):
        IQPGenerator(bandwidths=widths, n_operators=1).build((None, 3))


def test_the_gradient_of_the_loss_is_that_of_the_distance_in_the_mean() -> None:
    layer = built(IQPGenerator([(0,), (1,), (0, 1)], n_operators=512, n_samples=512, seed=3), 2)
    layer.angles.assign([0.3, -0.4, 0.6])
    data = np.array([[0, 0], [1, 1], [1, 0], [0, 0]])
    q = np.array([0.5, 0, 0.25, 0.25])
    widths = default_bandwidths(2)

    def distance(angles: np.ndarray) -> float:
        layer.angles.assign(angles)
        return exact_distance(layer.probabilities(), q, widths)

    start, step = np.array([0.3, -0.4, 0.6]), 1e-3
    exact = [
        (distance(start + step * unit) - distance(start - step * unit)) / (2 * step)
        for unit in np.eye(3)
    ]
    layer.angles.assign(start)
    steps = []
    # Gradient descent by one small step shows the gradient, on every Keras backend.
    model = keras.Sequential([keras.Input((2,)), layer])
    model.compile(keras.optimizers.SGD(1e-2))
    for _ in range(40):
        layer.angles.assign(start)
        model.train_on_batch(data.astype("float32"))
        steps.append((start - ops.convert_to_numpy(layer.angles)) / 1e-2)
    error = np.std(steps, axis=0) / math.sqrt(len(steps))
    assert (np.abs(np.mean(steps, axis=0) - exact) < 5 * error + 1e-4).all()
    assert np.abs(exact).max() > 0.05


def test_adapted_circuits_have_the_means_of_the_data() -> None:
    x = np.array([[0, 1, 1, 0], [0, 1, 0, 1], [0, 0, 0, 1], [0, 1, 0, 1]])
    layer = IQPGenerator(kernel_initializer="zeros")
    layer.adapt(x)
    means = layer.probabilities() @ strings(4)
    np.testing.assert_allclose(means, x.mean(axis=0), atol=1e-6)


def test_two_hundred_qubits_take_a_step() -> None:
    layer = IQPGenerator(n_operators=32, n_samples=32, seed=0)
    model = keras.Sequential([keras.Input((200,)), layer])
    assert model.count_params() == 200 * 201 // 2
    model.compile(keras.optimizers.Adam(0.01))
    x = np.random.default_rng(0).integers(0, 2, (16, 200))
    layer.adapt(x)
    before = ops.convert_to_numpy(layer.angles).copy()
    assert math.isfinite(float(model.train_on_batch(x.astype("float32"))))
    moved = np.abs(ops.convert_to_numpy(layer.angles) - before)
    # A gate moves if one of the 32 strings hits it: they act on 1, 2 or 4 qubits in the mean.
    assert 0.2 < (moved > 0).mean() < 0.8 and moved.max() < 0.011
    mean, error = layer.distance(x, seed=1)
    assert math.isfinite(mean) and error > 0
    for use in (layer.probabilities, lambda: layer.sample(1), lambda: layer.log_likelihood(x)):
        with pytest.raises(qh.ArgumentError, match="at most 20 for a sum over all bit strings"):
            use()


# Born machines.


def test_the_loss_of_a_born_machine_is_the_distance_of_all_strings() -> None:
    layer = built(BornMachine(2, weight_initializer=WIDE), 3)
    x = np.array([[0, 0, 1], [1, 1, 0], [1, 1, 0], [0, 1, 1]])
    q = np.bincount([1, 6, 6, 3], minlength=8) / 4
    expected = exact_distance(layer.probabilities(), q, default_bandwidths(3))
    found = float(layer.loss_of(ops.convert_to_tensor(x, "float32")))
    assert found == pytest.approx(expected, abs=1e-6)
    state = cirq.Simulator().simulate(layer.circuit()).final_state_vector
    np.testing.assert_allclose(layer.probabilities(), np.abs(state) ** 2, atol=1e-5)


# Autoregressive bits.


def test_autoregressive_likelihoods_are_products_of_logistic_ones() -> None:
    layer = built(AutoregressiveBits(kernel_initializer=WIDE), 3)
    layer.biases.assign([0.5, -1.0, 0.2])
    w01, w02, w12 = ops.convert_to_numpy(layer.couplings)

    def logistic(value: float) -> float:
        return 1 / (1 + math.exp(-value))

    expected = []
    for a, b, c in strings(3):
        ones = (logistic(0.5), logistic(-1 + w01 * a), logistic(0.2 + w02 * a + w12 * b))
        pairs = zip((a, b, c), ones, strict=True)
        expected.append(math.prod(one if bit else 1 - one for bit, one in pairs))
    found = np.exp(layer.log_likelihood(strings(3)))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found.sum() == pytest.approx(1, abs=1e-5)


def test_a_logit_of_a_thousand_overflows_nothing() -> None:
    layer = built(AutoregressiveBits(), 2)
    layer.biases.assign([1000.0, -1000.0])
    with np.errstate(all="raise"):
        assert (layer.sample(50, seed=0) == [1, 0]).all()
    assert layer.log_likelihood([[1, 0]]) == pytest.approx(0)


# All of them.

GENERATORS = {
    "iqp": lambda: IQPGenerator(kernel_initializer=WIDE, seed=2),
    "born": lambda: BornMachine(1, weight_initializer=WIDE),
    "autoregressive": lambda: AutoregressiveBits(kernel_initializer=WIDE),
}


@pytest.mark.parametrize("name", GENERATORS)
def test_samples_have_the_probabilities_of_the_likelihood(name: str) -> None:
    layer = built(GENERATORS[name](), 3)
    drawn = layer.sample(20_000, seed=0)
    assert drawn.shape == (20_000, 3) and drawn.dtype == np.int8
    frequencies = np.bincount(drawn @ [4, 2, 1], minlength=8) / len(drawn)
    p = np.exp(layer.log_likelihood(strings(3)))
    error = np.sqrt(p * (1 - p) / len(drawn))
    assert (np.abs(frequencies - p) < 5 * error + 1e-4).all()
    np.testing.assert_array_equal(layer.sample(9, seed=4), layer.sample(9, seed=4))


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_is_saved_and_loaded(name: str, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), GENERATORS[name]()])
    path = tmp_path / "generator.keras"
    model.save(path)
    layer = keras.models.load_model(path).layers[0]
    np.testing.assert_allclose(
        layer.log_likelihood(strings(3)), model.layers[0].log_likelihood(strings(3)), rtol=1e-5
    )
    config = model.layers[0].get_config()
    again = type(layer).from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config


@pytest.mark.parametrize("name", GENERATORS)
def test_bits_pass_as_they_are_and_the_loss_is_added(name: str) -> None:
    layer = built(GENERATORS[name](), 3)
    for rows in (np.ones((1, 3), "float32"), np.zeros((5, 3), "float32")):
        np.testing.assert_array_equal(ops.convert_to_numpy(layer(rows, training=True)), rows)
        assert math.isfinite(float(layer.losses[0])) and float(layer.losses[0]) != 0
        layer(rows)
        (found,) = (float(value) for value in layer.losses)
        assert math.isfinite(found) and found != 0
        layer(rows)
        assert [float(value) for value in layer.losses] == [found]  # nothing is drawn anew
    assert tuple(layer(np.zeros((0, 3), "float32")).shape) == (0, 3)
    with pytest.raises(ValueError, match=r"\(batch, n_bits\)"):
        layer(np.zeros((2, 2, 3), "float32"))


def test_generators_learn_what_independent_bits_do_not_and_have_as_many_parameters() -> None:
    rng = np.random.default_rng(1)
    source = rng.integers(0, 2, (600, 2))
    # The last two bits repeat the first two, seldom wrong.
    copies = source ^ (rng.random((600, 2)) < 0.05)
    x = np.concatenate([source, copies], axis=1)
    found = compare_generators(x[:400], x[400:], epochs=60, learning_rate=0.05, n_samples=1000)
    by_name = {each.name: each for each in found.generators}
    assert list(by_name) == ["IQP circuit", "Born machine", "Boltzmann machine", "autoregressive"]
    assert [each.parameters for each in found.generators] == [10, 12, 10, 10]
    for name, share in {
        "IQP circuit": 1 / 2,
        "Boltzmann machine": 1 / 4,
        "autoregressive": 1 / 4,
    }.items():
        assert by_name[name].distance < share * found.independent
    # The entropy of two fair bits and two that are wrong in 5 %.
    entropy = 2 * math.log(2) - 2 * (0.05 * math.log(0.05) + 0.95 * math.log(0.95))
    for name in ("Boltzmann machine", "autoregressive"):
        assert by_name[name].log_likelihood == pytest.approx(-entropy, abs=0.15)
    assert "independent bits" in str(found)


def test_beyond_twenty_bits_a_circuit_is_compared_without_samples() -> None:
    x = np.random.default_rng(0).integers(0, 2, (40, 22))
    found = compare_generators(
        x[:20], x[20:], {"circuit": IQPGenerator("pairs", n_operators=16, n_samples=16)}, epochs=1
    )
    (row,) = found.generators
    assert math.isfinite(row.distance) and math.isnan(row.log_likelihood)
    assert row.parameters == 253


@pytest.mark.parametrize("name", GENERATORS)
def test_validation_has_the_loss_of_other_bits(name: str) -> None:
    layer = GENERATORS[name]()
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile(keras.optimizers.SGD(0.0))  # the weights stay
    rng = np.random.default_rng(0)
    x, other = rng.integers(0, 2, (64, 3)), np.repeat([[0, 1, 0]], 32, axis=0)
    history = model.fit(x, validation_data=(other, None), epochs=2, verbose=0).history
    first, second = history["val_loss"]
    assert first == second != 0
    if name == "iqp":
        # An estimate of the distance, whose standard error `distance` tells of 20 such.
        mean, error = layer.distance(other, 20, seed=1)
        assert first == pytest.approx(mean, abs=5 * error * math.sqrt(20))
    elif name == "born":
        data = np.eye(8)[2]
        wanted = exact_distance(layer.probabilities(), data, default_bandwidths(3))
        assert first == pytest.approx(wanted, rel=1e-4)
    else:
        assert first == pytest.approx(-np.mean(layer.log_likelihood(other)), rel=1e-4)


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("value", [0.5, -1.0, 2.0, math.nan])
def test_what_is_no_bit_is_refused(name: str, value: float) -> None:
    layer = GENERATORS[name]()
    model = keras.Sequential([keras.Input((3,)), layer])
    x = np.zeros((4, 3), "float32")
    x[2, 1] = value
    with pytest.raises(ValueError, match=f"must have bits 0 and 1, but got {value}"):
        layer(x, training=True)
    if value == 0.5:
        model.compile(keras.optimizers.SGD(0.1))
        before = model.get_weights()
        if keras.backend.backend() == "torch":  # nothing is compiled
            with pytest.raises(ValueError, match="must have bits 0 and 1, but got"):
                model.fit(x, verbose=0)
            return
        assert math.isnan(model.fit(x, verbose=0).history["loss"][0])
        for one, other in zip(before, model.get_weights(), strict=True):
            if one.dtype.kind == "f":
                np.testing.assert_array_equal(one, other)


def test_probabilities_of_all_sets_are_those_of_the_sum_of_phases() -> None:
    n_bits = 5
    layer = built(IQPGenerator(n_bits, kernel_initializer=WIDE), n_bits)
    assert len(layer.sets) == 31
    angles = ops.convert_to_numpy(layer.angles).astype("float64")
    signs = 1 - 2 * strings(n_bits)
    phases = sum(
        angle * signs[:, list(one)].prod(axis=1)
        for angle, one in zip(angles, layer.sets, strict=True)
    )
    hadamard = (-1.0) ** (strings(n_bits) @ strings(n_bits).T)
    wanted = np.abs(hadamard @ np.exp(1j * phases) / 2**n_bits) ** 2
    np.testing.assert_allclose(layer.probabilities(), wanted, atol=1e-13)


def test_what_does_not_fit_into_memory_is_refused_before_it_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layer = built(IQPGenerator(), 20)
    monkeypatch.setattr("qkeras_hybrid._checks.available_memory", lambda: 2**20)
    # 1,830 gates with 512 rows: three numbers of 4 bytes for each take 11 MB.
    with pytest.raises(
        qh.ArgumentError, match=r"`generators` must fit into memory.*1,830 gates.*takes 11\.2 MiB"
    ):
        built(IQPGenerator(), 60)
    with pytest.raises(qh.ArgumentError, match="`n_samples` must fit into memory"):
        layer.expectation(np.eye(20, dtype=int), 10**9)
    with pytest.raises(qh.ArgumentError, match=r"`n_bits` must fit into memory.*GiB"):
        built(AutoregressiveBits(), 100_000)
    built(IQPGenerator(n_operators=3, n_samples=2), 20)


BITS = np.array([[0, 1], [1, 0], [1, 1]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mmd(BITS[:1], BITS), "`x` must have two rows"),
        (lambda: mmd(BITS, BITS[:, :1]), r"`y` must be of shape \(n, 2\)"),
        (lambda: mmd(BITS[0], BITS), "`x` must be of shape"),
        (lambda: mmd(BITS * 2, BITS), "`x` must be bits 0 and 1, but got 2"),
        (lambda: mmd(BITS * math.nan, BITS), "`x` must be bits 0 and 1"),
        (lambda: mmd([["a", "b"]] * 2, BITS), "`x` must be bits"),
        (lambda: mmd(BITS, BITS, []), "`bandwidths` must hold positive"),
        (lambda: mmd(BITS, BITS, [0.0]), "`bandwidths` must hold positive"),
        (lambda: mmd(BITS, BITS, [math.inf]), "`bandwidths` must hold positive"),
        (lambda: IQPGenerator("all"), "`generators` must be a known name"),
        (lambda: IQPGenerator(0), "`generators` must be"),
        (lambda: IQPGenerator([(0, 0)]), "`generators` must hold sets of different qubits"),
        (lambda: IQPGenerator([(0, 1), (1, 0)]), "none of them twice"),
        (lambda: IQPGenerator([]), "`generators` must hold sets"),
        (lambda: IQPGenerator(3.5), "`generators` must be sets"),
        (lambda: built(IQPGenerator([(0, 7)]), 3), "name qubits 0 to 2 only, but got 7"),
        (lambda: built(IQPGenerator(5), 200), "at most 2,000,000 gates"),
        (lambda: IQPGenerator(n_samples=1), "`n_samples` must be at least 2"),
        (lambda: IQPGenerator(n_operators=0), "`n_operators` must be"),
        (lambda: IQPGenerator(bandwidths=[-1.0]), "`bandwidths` must hold positive"),
        (lambda: IQPGenerator().probabilities(), "`layer` must be built"),
        (lambda: IQPGenerator().circuit(), "`layer` must be built"),
        (lambda: IQPGenerator().expectation(BITS), "`layer` must be built"),
        (lambda: built(IQPGenerator(), 2).expectation(BITS, 1), "`n_samples` must be at least 2"),
        (lambda: built(IQPGenerator(), 2).distance(BITS, 1), "`repeats` must be at least 2"),
        (lambda: built(IQPGenerator(), 3).adapt(BITS), r"`x` must be of shape \(n, 3\)"),
        (lambda: built(BornMachine(), 13), "`n_bits` must be at most 12"),
        (lambda: BornMachine(0), "`n_layers` must be"),
        (lambda: BornMachine(ansatz="none"), "`ansatz` must be"),
        (lambda: BornMachine().circuit(), "`layer` must be built"),
        (lambda: AutoregressiveBits().sample(3), "`layer` must be built"),
        (lambda: built(AutoregressiveBits(), 2).sample(0), "`n` must be"),
        (lambda: compare_generators(BITS, BITS[:1]), "`x_test` must have two rows"),
        (lambda: compare_generators(BITS[:0], BITS), "`x_train` must be of shape"),
        (lambda: compare_generators(BITS, BITS, epochs=0), "`epochs` must be"),
        (lambda: compare_generators(BITS, BITS, n_samples=1), "`n_samples` must be at least 2"),
        (lambda: compare_generators(BITS, BITS, learning_rate=0), "`learning_rate` must be above"),
        (lambda: compare_generators(BITS, BITS, {}), "`generators` must hold layers"),
        (lambda: compare_generators(BITS, BITS, {"a": 3}), "`generators` must hold layers"),
        (lambda: compare_generators(BITS, BITS, seed=-1), "`seed` must be .* but got -1"),
        (lambda: compare_generators(BITS, BITS, seed=None), "`seed` must be .* but got None"),
        (lambda: IQPGenerator(seed=-1), "`seed` must be a whole number from 0 .* but got -1"),
        (lambda: IQPGenerator(seed=2**32), "`seed` must be"),
        (lambda: IQPGenerator(seed=True), "`seed` must be"),
        (lambda: built(IQPGenerator(), 2).distance(BITS, seed=-1), "`seed` must be"),
        (lambda: built(IQPGenerator(), 2).expectation(BITS, seed=-1), "`seed` must be"),
        (lambda: built(IQPGenerator(), 2).sample(3, seed=1.5), "`seed` must be"),
        (lambda: built(AutoregressiveBits(), 2).sample(3, seed=-1), "`seed` must be"),
    ],
)
def test_wrong_arguments_are_said(make: Any, message: str) -> None:
    with pytest.raises(qh.ArgumentError, match=message):
        make()
