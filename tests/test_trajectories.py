"""The trajectories engine: noise as the mean of random runs."""

from __future__ import annotations

from typing import Any

import cirq
import keras
import numpy as np
import pytest
import scipy.stats
import sympy
from keras import ops

from qkeras_hybrid import PQC, ArgumentError, engines
from qkeras_hybrid.engines import DensityEngine, TrajectoriesEngine
from qkeras_hybrid.engines.trajectories.errors import Errors
from qkeras_hybrid.engines.trajectories.frames import framed
from qkeras_hybrid.engines.trajectories.mixtures import mixtures
from qkeras_hybrid.program import Channel, Compiled, Measurement, compile_circuit
from qkeras_hybrid.readouts import Probabilities, Samples
from qkeras_hybrid.testing import assert_engine_conforms, random_circuit, value_and_gradients

A, B, W = sympy.symbols("a b w")
Q = cirq.LineQubit.range(12)
# Means of independent runs are further off than this once in ten million times.
DEVIATIONS = 5.3


def pauli_noise(rng: np.random.Generator, n_qubits: int, n_operations: int) -> cirq.Circuit:
    """A random circuit of all kinds of gates with Pauli channels and measurements in it."""
    circuit = cirq.Circuit()
    for number, operation in enumerate(
        random_circuit(rng, n_qubits, n_operations).all_operations()
    ):
        circuit.append(operation)
        qubit = Q[rng.integers(n_qubits)]
        choice = rng.integers(6)
        if choice == 0:
            circuit.append(cirq.depolarize(0.2).on(qubit))
        elif choice == 1:
            circuit.append(cirq.bit_flip(0.1).on(qubit))
        elif choice == 2:
            circuit.append(cirq.phase_damp(0.2).on(qubit))
        elif choice == 3 and number % 4 == 0:
            circuit.append(cirq.measure(qubit, key=f"m{number}"))
        elif choice == 4:
            pair = rng.choice(n_qubits, 2, replace=False)
            circuit.append(cirq.depolarize(0.2, n_qubits=2).on(*(Q[i] for i in pair)))
    return circuit


def compiled_for(circuit: cirq.Circuit, n_qubits: int, observables: Any = "Z") -> Compiled:
    names = cirq.parameter_names(circuit)
    return compile_circuit(
        circuit,
        observables,
        inputs=[n for n in "ab" if n in names],
        weights=[n for n in "cdw" if n in names],
        qubits=Q[:n_qubits],
    )


def drawn(compiled: Compiled, seed: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(batch, len(compiled.inputs))),
        rng.normal(size=len(compiled.weights)),
    )


def exactly(compiled: Compiled, x: Any, w: Any) -> np.ndarray:
    run = engines.prepare(compiled.job("float64"), DensityEngine())
    tensors = (ops.convert_to_tensor(np.asarray(v), "float64") for v in (x, w))
    return np.asarray(ops.convert_to_numpy(run(*tensors)))


def test_the_engine_keeps_the_contract() -> None:
    assert_engine_conforms(TrajectoriesEngine(1000), n_programs=1, n_qubits=4)


def test_shots_keep_the_contract() -> None:
    assert_engine_conforms(
        TrajectoriesEngine(), shots=1000, n_programs=1, n_qubits=3, dtypes=["float32"]
    )


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_means_agree_with_the_density_matrix(seed: int, share: bool) -> None:
    rng = np.random.default_rng(seed)
    compiled = compiled_for(pauli_noise(rng, 4, 16), 4, ["Z", "X0*Y1 + 0.5*Z2", "X3"])
    assert framed(compiled.program, compiled.angles) is not None
    x, w = drawn(compiled, seed, 3)
    values, errors = TrajectoriesEngine(3000, share).standard_errors(compiled, x, w, seed=seed)
    exact = exactly(compiled, x, w)
    # Rounding of float64 where nothing is random.
    assert np.all(np.abs(values - exact) < DEVIATIONS * errors + 1e-9)
    assert errors.max() > 0


@pytest.mark.parametrize("share", [True, False])
def test_the_standard_error_is_the_spread_of_the_means(share: bool) -> None:
    circuit = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.depolarize(0.2)(Q[0]), cirq.ry(B)(Q[0]))
    compiled = compiled_for(circuit, 1)
    engine = TrajectoriesEngine(50, share)
    # A batch of 2,000 is as many independent estimates of one value.
    x = np.tile([[0.4, 0.7]], (2000, 1))
    values, errors = engine.standard_errors(compiled, x, seed=1)
    # The spread of 2,000 estimates is known to 1.6 % (one standard deviation).
    assert np.std(values) == pytest.approx(np.sqrt(np.mean(errors**2)), rel=0.08)
    assert abs(values.mean() - exactly(compiled, x[:1], [])[0, 0]) < DEVIATIONS * errors.mean() / 44


def test_sharing_the_run_without_errors_makes_the_variance_smaller() -> None:
    circuit = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.depolarize(0.02)(Q[0]))
    compiled = compiled_for(circuit, 1)
    x = np.full((200, 1), 0.4)
    with_it, without = (
        np.sqrt(np.mean(TrajectoriesEngine(100, s).standard_errors(compiled, x, seed=3)[1] ** 2))
        for s in (True, False)
    )
    # In a run with an error the value v is -v twice in three times: its standard deviation is
    # sqrt(8/9) v there, and of all runs 2 v sqrt(0.02 * 2/3). So the ratio of the errors is 0.58.
    assert with_it / without == pytest.approx(
        0.02 * (8 / 9 / 2) ** 0.5 / (0.04 / 3) ** 0.5 * 5, rel=0.2
    )


@pytest.mark.parametrize("noise", [cirq.depolarize(0.15), cirq.amplitude_damp(0.3)])
def test_gradients_are_unbiased(noise: cirq.Gate) -> None:
    circuit = cirq.Circuit(
        cirq.ry(A)(Q[0]), noise(Q[0]), cirq.CX(Q[0], Q[1]), cirq.ry(W)(Q[1]), noise(Q[1])
    )
    compiled = compiled_for(circuit, 2, ["Z1", "X1"])
    x = np.tile([[0.8]], (400, 1))
    run = engines.prepare(compiled.job("float64"), TrajectoriesEngine(40))
    _, (grad_x, _) = value_and_gradients(
        lambda i, v: run(i, v, 5)[:, :1] + 0.3 * run(i, v, 6)[:, 1:], x, np.array([0.5])
    )
    exact = engines.prepare(compiled.job("float64"), DensityEngine())
    _, (slope, _) = value_and_gradients(
        lambda i, v: exact(i, v)[:, :1] + 0.3 * exact(i, v)[:, 1:], x[:1], np.array([0.5])
    )
    error = grad_x.std() / np.sqrt(len(x))
    assert abs(grad_x.mean() - slope[0, 0]) < DEVIATIONS * error
    assert error > 0


@pytest.mark.parametrize("kind", [Probabilities, Samples])
def test_shots_have_the_same_distribution_with_and_without_sharing(kind: type) -> None:
    rng = np.random.default_rng(3)
    layers = [
        [
            cirq.ry(float(rng.normal())).on(q),
            cirq.depolarize(0.01).on(q),
            cirq.bit_flip(0.01).on(q),
        ]
        for _ in range(2)
        for q in Q[:3]
    ]
    circuit = cirq.Circuit(layers, cirq.CX(Q[0], Q[1]), cirq.X(Q[2]) ** 0.3, cirq.CZ(Q[1], Q[2]))
    compiled = compiled_for(circuit, 3).reading(kind())
    exact = exactly(compiled.reading(Probabilities()), np.zeros((1, 0)), [])[0]
    shots = 4000
    for share in (True, False):
        engine = TrajectoriesEngine(share=share)
        run = engines.prepare(compiled.job(shots=shots, gradient=False), engine)
        found = ops.convert_to_numpy(run(ops.zeros((3, 0)), ops.zeros((0,)), 9))
        if kind is Samples:
            index = found @ [4, 2, 1]
            counts = np.bincount(index.ravel(), minlength=8)
        else:
            counts = np.round(found * shots).sum(axis=0)
        # By chance below this once in a hundred thousand times.
        assert scipy.stats.chisquare(counts, exact * 3 * shots).pvalue > 1e-5


def test_errors_with_at_least_one_are_those_of_all_runs_that_have_one() -> None:
    errors = Errors(
        [
            mixture
            for gate in (cirq.depolarize(0.2), cirq.bit_flip(0.3), cirq.phase_flip(0.1))
            for mixture in mixtures(Channel((0,), tuple(map(_rows, cirq.kraus(gate))))) or ()
        ]
    )
    assert errors.nothing == pytest.approx(0.8 * 0.7 * 0.9)
    draws = np.random.default_rng(0).uniform(size=(40_000, errors.n_draws))
    some, all_runs = errors.struck(draws, True), errors.struck(draws, False)
    assert some.sum(axis=1).min() >= 1
    chances = np.array([0.2 / 3] * 3 + [0.3, 0.1])
    # Six standard deviations of a mean of 40,000 bits.
    np.testing.assert_allclose(all_runs.mean(axis=0), chances, atol=6 * 0.5 / 200)
    np.testing.assert_allclose(
        some.mean(axis=0), chances / (1 - errors.nothing), atol=6 * 0.5 / 200
    )


def _rows(matrix: np.ndarray) -> Any:
    return tuple(tuple(complex(v) for v in row) for row in matrix)


def test_mixtures_are_those_of_the_channel() -> None:
    (found,) = mixtures(Channel((3,), tuple(map(_rows, cirq.kraus(cirq.depolarize(0.3)))))) or ()
    assert found.strings == ("X", "Y", "Z")
    np.testing.assert_allclose(found.probabilities, 0.1, atol=1e-12)
    assert mixtures(Channel((0,), tuple(map(_rows, cirq.kraus(cirq.amplitude_damp(0.3)))))) is None
    (measured,) = mixtures(Measurement((2,), "m")) or ()
    assert (measured.qubits, measured.strings, measured.probabilities) == ((2,), ("Z",), (0.5,))


def test_a_circuit_without_noise_is_exact() -> None:
    compiled = compiled_for(cirq.Circuit(cirq.ry(A)(Q[0])), 1)
    values, errors = TrajectoriesEngine(2).standard_errors(compiled, [[0.3]], seed=0)
    assert values[0, 0] == pytest.approx(np.cos(0.3), abs=1e-6)
    assert errors[0, 0] == 0.0


def test_a_layer_draws_other_errors_at_each_call_and_the_same_from_one_seed() -> None:
    circuit = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.bit_flip(0.4)(Q[0]))

    def layer() -> PQC:
        return PQC(circuit, "Z", inputs=[A], engine=TrajectoriesEngine(10, share=False), seed=4)

    x, one, other = ops.ones((64, 1)), layer(), layer()
    first, second = (ops.convert_to_numpy(one(x)) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(first, ops.convert_to_numpy(other(x)))


def test_it_trains_in_fit_and_is_saved(tmp_path: Any) -> None:
    circuit = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.ry(W)(Q[0]), cirq.depolarize(0.05)(Q[0]))
    layer = PQC(
        circuit,
        "Z",
        inputs=[A],
        engine=TrajectoriesEngine(20),
        seed=1,
        weight_initializer=keras.initializers.Constant(0.6),
    )
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(keras.optimizers.SGD(0.5), "mse")
    x = np.linspace(-1, 1, 16)[:, None]
    history = model.fit(x, np.zeros((16, 1)), epochs=6, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].engine == TrajectoriesEngine(20)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("gate", [cirq.depolarize(0.1), cirq.amplitude_damp(0.1)])
def test_what_is_not_finite_spreads_to_its_sample_alone(gate: cirq.Gate, value: float) -> None:
    compiled = compiled_for(cirq.Circuit(cirq.ry(A)(Q[0]), gate(Q[0])), 1)
    run = engines.prepare(compiled.job(), TrajectoriesEngine(8))
    x = ops.convert_to_tensor(np.array([[0.0], [value], [0.0]], "float32"))
    found = ops.convert_to_numpy(run(x, ops.zeros((0,)), 1))
    assert np.isnan(found[:, 0]).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "Argument `trajectories` must be a whole number of at least 1"),
        ((5, "yes"), "Argument `share` must be True or False"),
    ],
)
def test_wrong_arguments_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        TrajectoriesEngine(*arguments)


def test_more_qubits_than_memory_holds_are_refused() -> None:
    circuit = cirq.Circuit(cirq.depolarize(0.1).on_each(*cirq.LineQubit.range(40)))
    with pytest.raises(ValueError, match="40 qubits"):
        PQC(circuit, "Z", inputs=[], engine="trajectories").build((None, 0))


@pytest.mark.parametrize("shots", [None, 400])
@pytest.mark.parametrize("gate", [cirq.depolarize(0.1), cirq.amplitude_damp(0.1)])
def test_a_circuit_without_angles_has_noise(gate: cirq.Gate, shots: int | None) -> None:
    compiled = compiled_for(cirq.Circuit(cirq.X(Q[0]), gate(Q[0])), 1)
    run = engines.prepare(compiled.job(shots=shots), TrajectoriesEngine(400, share=False))
    found = float(ops.convert_to_numpy(run(ops.zeros((1, 0)), ops.zeros((0,)), 3))[0, 0])
    exact = float(exactly(compiled, np.zeros((1, 0)), [])[0, 0])
    # Six standard deviations of 400 values of +1 and -1.
    assert abs(found - exact) < 6 * np.sqrt((1 - exact**2) / 400)
