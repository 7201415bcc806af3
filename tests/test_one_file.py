"""A new ability is one new file: each class here is all that there is to it."""

from __future__ import annotations

import inspect
import tracemalloc
from pathlib import Path
from typing import Any, ClassVar

import cirq
import keras
import numpy as np
import pytest
import sympy
from keras import ops

from qkeras_hybrid import PQC, ArgumentError, engines
from qkeras_hybrid.engines import Engine, Run, host_call
from qkeras_hybrid.engines.base import memory_refusal
from qkeras_hybrid.gradients import Differentiator, Evaluations
from qkeras_hybrid.program import UNITARY, Channel, Job, Measurement, Reset, compile_circuit
from qkeras_hybrid.readouts import Expectation, Probabilities, Readout, Samples, State
from qkeras_hybrid.testing import assert_engine_conforms, value_and_gradients


@keras.saving.register_keras_serializable(package="my_package")
class CirqEngine(Engine):
    """Computes state vectors with `cirq.Simulator`."""

    name = "cirq"
    readouts = frozenset({Expectation, Probabilities, State})

    def prepare(self, job: Job) -> Run:
        program = job.program
        simulator = cirq.Simulator(dtype=np.complex128, split_untangled_states=False)

        def states(angles: np.ndarray, seed: int | None) -> np.ndarray:
            found = [
                simulator.simulate(circuit, qubit_order=program.qubits).final_state_vector
                for circuit in program.circuits(angles)
            ]
            return job.readout.of_state(program, np.reshape(found, (-1, 2**program.n_qubits)))

        return host_call(job, states)


@keras.saving.register_keras_serializable(package="my_package")
class DensityEngine(Engine):
    """Computes density matrices with `cirq.DensityMatrixSimulator`."""

    name = "cirq_density"
    # No `Measurement`: Cirq draws one result of it, which gives no exact value.
    instructions = UNITARY | {Channel, Reset}
    readouts = frozenset({Expectation, Probabilities})

    def refuses(self, job: Job) -> str | None:
        n = job.program.n_qubits
        # Each of the 4**n numbers takes 16 bytes, and Cirq holds up to eleven such matrices.
        return super().refuses(job) or memory_refusal(n, 12 * 16 * 2**n)

    def prepare(self, job: Job) -> Run:
        program = job.program
        simulator = cirq.DensityMatrixSimulator(dtype=np.complex128)

        def values(circuit: cirq.Circuit) -> np.ndarray:
            density = simulator.simulate(circuit, qubit_order=program.qubits).final_density_matrix
            return job.readout.of_density(program, density[None])

        def all_values(angles: np.ndarray, seed: int | None) -> np.ndarray:
            return np.array([values(circuit) for circuit in program.circuits(angles)])

        return host_call(job, all_values)


@keras.saving.register_keras_serializable(package="my_package")
class SamplerEngine(Engine):
    """Estimates values from the shots of a `cirq.Sampler`."""

    name = "cirq_sampler"
    instructions = UNITARY | {Channel, Measurement, Reset}
    readouts = frozenset({Expectation, Probabilities, Samples})
    samples = True
    exact = False

    def sampler(self, seed: int | None) -> cirq.Sampler:
        return cirq.DensityMatrixSimulator(seed=seed)

    def prepare(self, job: Job) -> Run:
        program = job.program
        settings = job.readout.settings(program)

        def estimates(angles: np.ndarray, seed: int | None) -> np.ndarray:
            sampler = self.sampler(seed)
            circuits = program.circuits(angles)
            bits = []
            for setting in settings:
                end = cirq.Circuit(
                    setting.rotations(program.qubits), cirq.measure(*program.qubits, key="all")
                )
                results = [sampler.run(each + end, repetitions=job.shots) for each in circuits]
                found = [result.measurements["all"] for result in results]
                bits.append(np.reshape(found, (-1, job.shots, program.n_qubits)))
            return job.readout.of_samples(program, bits)

        return host_call(job, estimates)


class Purity(Readout):
    """`sum_k p_k**2` of the measured bits' distribution: 1 if it is certain, else less."""

    name: ClassVar[str] = "purity"

    @property
    def source(self) -> Readout:
        return Probabilities()

    def shape(self, program: Any, shots: int | None = None) -> tuple[int, ...]:
        return (1,)

    def finish(self, values: Any) -> Any:
        return ops.sum(values * values, axis=-1, keepdims=True)


class FivePoint(Differentiator):
    """Central differences of fourth order: `(8 d(h) - d(2h)) / 12h` with `d(h) = f(h) - f(-h)`."""

    step = 0.1

    def gradient(self, evaluations: Evaluations, angles: Any, upstream: Any) -> Any:
        dtype = keras.backend.standardize_dtype(angles.dtype)
        axes = np.eye(angles.shape[1])[:, None, :]
        one, two = (
            evaluations.differences(angles, ops.convert_to_tensor(k * self.step * axes, dtype))
            for k in (1, 2)
        )
        slopes = (8 * one - two) / (12 * self.step)
        return ops.transpose(ops.sum(slopes * upstream[None], axis=-1))


A, W = sympy.symbols("a w")


@pytest.mark.parametrize(
    ("engine", "shots"),
    [
        # The guide on engines checks it each time.
        pytest.param(CirqEngine(), None, marks=pytest.mark.slow),
        (DensityEngine(), None),
        pytest.param(SamplerEngine(), 2000, marks=pytest.mark.slow),
    ],
)
def test_an_engine_in_one_class_keeps_the_contract(engine: Engine, shots: int | None) -> None:
    assert_engine_conforms(engine, shots=shots, n_programs=1, n_qubits=3, n_operations=6)


@keras.saving.register_keras_serializable(package="my_package")
class Seedless(SamplerEngine):
    """Draws with one seed, or without any, whichever it is given."""

    def __init__(self, own: int | None = None) -> None:
        self.own = own

    def get_config(self) -> dict[str, Any]:
        return {"own": self.own}

    def sampler(self, seed: int | None) -> cirq.Sampler:
        return super().sampler(self.own)


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (None, "twice with one seed"),
        pytest.param(7, "not depend on", marks=pytest.mark.slow),
    ],
)
def test_an_engine_that_ignores_its_seed_does_not_conform(own: int | None, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        assert_engine_conforms(Seedless(own), shots=200, n_programs=0, dtypes=["float32"])


def test_an_engine_that_is_not_registered_is_told_the_decorator() -> None:
    class Unregistered(CirqEngine):
        pass

    with pytest.raises(AssertionError, match=r"@keras.*register_keras.* the class Unregistered"):
        assert_engine_conforms(Unregistered())


def test_the_contract_asks_for_three_qubits_at_once() -> None:
    with pytest.raises(ArgumentError, match="`n_qubits` must be at least 3, but got 2"):
        assert_engine_conforms(CirqEngine(), n_qubits=2)


@pytest.mark.parametrize(
    "new",
    [CirqEngine, DensityEngine, SamplerEngine, Purity, FivePoint],
    ids=lambda new: new.__name__,
)
def test_a_new_ability_is_at_most_60_lines(new: type) -> None:
    assert len(inspect.getsource(new).splitlines()) <= 60


@pytest.mark.parametrize("engine", [CirqEngine, DensityEngine, SamplerEngine])
def test_the_guide_shows_the_engines_that_are_tested_here(engine: type, root: Path) -> None:
    guide = (root / "docs/guides/write-an-engine.md").read_text(encoding="utf-8")
    assert inspect.getsource(engine) in guide


def test_the_bound_of_density_matrices_covers_what_they_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    q = cirq.LineQubit.range(8)
    circuit = cirq.Circuit(
        cirq.PauliStringPhasor(cirq.X(q[0]) * cirq.Y(q[3]) * cirq.Z(q[7]), exponent_neg=W),
        cirq.depolarize(0.1, 2)(*q[:2]),
    )
    job = compile_circuit(circuit, qubits=q).reading(Probabilities()).job()
    run = DensityEngine().prepare(job)
    point = ops.zeros((2, 0)), ops.ones((1,))
    run(*point)
    tracemalloc.start()
    run(*point)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    monkeypatch.setattr("qkeras_hybrid.engines.base.available_memory", lambda: peak)
    assert "8 qubits need" in str(DensityEngine().refuses(job))
    # Nor does it refuse what would fit well.
    monkeypatch.setattr("qkeras_hybrid.engines.base.available_memory", lambda: 2 * peak)
    assert DensityEngine().refuses(job) is None


X, Y, Z = np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])
ZERO = np.array([1.0, 0.0])
IRREVERSIBLE = {
    # The gate after `rx(x)` on |0>, and how it moves the Bloch vector (0, -sin x, cos x): factors
    # of its parts and what is added.
    "depolarize": (cirq.depolarize(0.3), 0.6, 0.6, 0.0),
    "asymmetric_depolarize": (cirq.asymmetric_depolarize(0.1, 0.2, 0.05), 0.7, 0.4, 0.0),
    "amplitude_damp": (cirq.amplitude_damp(0.36), 0.8, 0.64, 0.36),
    "generalized_amplitude_damp": (cirq.generalized_amplitude_damp(0.75, 0.36), 0.8, 0.64, 0.18),
    "phase_damp": (cirq.phase_damp(0.36), 0.8, 1.0, 0.0),
    "bit_flip": (cirq.bit_flip(0.1), 0.8, 0.8, 0.0),
    "phase_flip": (cirq.phase_flip(0.1), 0.8, 1.0, 0.0),
    "kraus": (cirq.KrausChannel([0.8 * np.eye(2), 0.6 * Y]), 1.0, 0.28, 0.0),
    "mixed_unitary": (cirq.MixedUnitaryChannel([(0.7, np.eye(2)), (0.3, X)]), 0.4, 0.4, 0.0),
    "random_gate": (cirq.RandomGateChannel(sub_gate=cirq.Z, probability=0.3), 0.4, 1.0, 0.0),
    "reset": (cirq.ResetChannel(), 0.0, 0.0, 1.0),
    "state_preparation": (cirq.StatePreparationChannel(ZERO), 0.0, 0.0, 1.0),
}


def saved_and_loaded(layer: keras.layers.Layer, folder: Path) -> tuple[Any, Any]:
    """Returns a model of one layer, and the same from its file."""
    model = keras.Sequential([keras.Input((1,)), layer])
    model.save(folder / "model.keras")
    return model, keras.models.load_model(folder / "model.keras")


@pytest.mark.parametrize("name", IRREVERSIBLE)
def test_a_layer_with_a_channel_is_saved(name: str, tmp_path: Path) -> None:
    gate, of_y, of_z, added = IRREVERSIBLE[name]
    x, q = sympy.Symbol("x"), cirq.LineQubit(0)
    layer = PQC(
        cirq.Circuit(cirq.rx(x)(q), gate(q)), ["Y", "Z"], inputs=[x], engine=DensityEngine()
    )
    inputs = np.array([[0.4], [1.3]], "float32")
    exact = np.concatenate([-of_y * np.sin(inputs), of_z * np.cos(inputs) + added], axis=1)
    for model in saved_and_loaded(layer, tmp_path):
        # A few products in complex128, handed over in float32.
        np.testing.assert_allclose(model.predict(inputs, verbose=0), exact, atol=1e-6)


INNER = cirq.FrozenCircuit(cirq.measure(cirq.LineQubit(0), key="m"))


@pytest.mark.parametrize(
    "measurements",
    [
        [cirq.measure(cirq.LineQubit(0), key="all")],
        [cirq.measure(cirq.LineQubit(0), key="m"), cirq.measure(cirq.LineQubit(0), key="m")],
        [cirq.CircuitOperation(INNER, repetitions=2, use_repetition_ids=True)],
        [cirq.measure(cirq.LineQubit(0), key=cirq.MeasurementKey("m", ("p",)))],
    ],
    ids=["the engine's key", "one key twice", "repetition ids", "nested"],
)
def test_a_sampler_takes_measurements_with_any_keys(measurements: list[cirq.Operation]) -> None:
    q = cirq.LineQubit(0)
    circuit = cirq.Circuit(cirq.H(q), measurements, cirq.H(q))
    layer = PQC(circuit, "Z", inputs=[], engine=SamplerEngine(), shots=400, seed=1)
    # Without the measurement the two H would give 1. 4 standard errors of 400 shots.
    np.testing.assert_allclose(layer(np.zeros((1, 0))), [[0.0]], atol=4 / np.sqrt(400))


def test_a_layer_with_a_measurement_is_saved(tmp_path: Path) -> None:
    q, x = cirq.LineQubit.range(2), sympy.Symbol("x")
    circuit = cirq.Circuit(
        cirq.H(q[0]),
        cirq.measure(*q, key="middle", invert_mask=(True,)),
        cirq.H(q[0]),
        cirq.X(q[1]),
        cirq.rx(x)(q[1]),
    )
    layer = PQC(circuit, "Z", inputs=[x], engine=SamplerEngine(), shots=400, seed=1)
    for model in saved_and_loaded(layer, tmp_path):
        # The measurement leaves no coherence for the second H. 4 standard errors of 400 shots.
        np.testing.assert_allclose(
            model.predict(np.zeros((1, 1)), verbose=0), [[0.0, -1.0]], atol=4 / np.sqrt(400)
        )


@pytest.mark.parametrize(
    ("observables", "value"),
    [
        (np.kron(X, np.eye(2)) + 0.5 * np.kron(Y, Z), lambda x: -0.5 * np.sin(x)),
        ([np.kron(Z, Z), "Z1"], lambda x: np.concatenate([np.cos(x), np.ones_like(x)], axis=1)),
        (
            cirq.ProjectorString({cirq.LineQubit(0): 1}, coefficient=2.0),
            lambda x: 2 * np.sin(x / 2) ** 2,
        ),
        (
            cirq.ProjectorSum.from_projector_strings(
                [
                    cirq.ProjectorString({cirq.LineQubit(0): 0, cirq.LineQubit(1): 0}),
                    cirq.ProjectorString({cirq.LineQubit(0): 1}, coefficient=-1.0),
                ]
            ),
            np.cos,
        ),
    ],
    ids=["matrix", "matrix and spelling", "projector", "sum of projectors"],
)
def test_a_layer_with_any_observable_is_saved(observables: Any, value: Any, tmp_path: Path) -> None:
    x, q = sympy.Symbol("x"), cirq.LineQubit.range(2)
    layer = PQC(
        cirq.Circuit(cirq.rx(x)(q[0]), cirq.I(q[1])), observables, inputs=[x], engine="statevector"
    )
    inputs = np.array([[0.4], [1.3]], "float32")
    for model in saved_and_loaded(layer, tmp_path):
        # Ten operations in complex64.
        np.testing.assert_allclose(model.predict(inputs, verbose=0), value(inputs), atol=1e-6)


QUBITS = cirq.LineQubit.range(2)
CIRCUIT = cirq.Circuit(cirq.ry(A)(QUBITS[0]), cirq.ry(W)(QUBITS[1]))


@pytest.mark.parametrize("name", engines.names())
def test_a_readout_in_one_class_is_computed_and_differentiated_by_every_engine(name: str) -> None:
    job = compile_circuit(CIRCUIT, inputs=[A]).reading(Purity()).job()
    engine = engines.get(name)
    if engine is None or engine.refuses(job.__class__(**{**vars(job), "readout": Probabilities()})):
        pytest.skip("not here, or without a gradient of probabilities")
    run = engines.prepare(job, engine)
    x, w = np.array([[0.4], [1.1]], "float32"), np.array([0.7], "float32")
    values, (grad_x, grad_w) = value_and_gradients(run, x, w)

    def purity(t: Any) -> Any:  # of one qubit: cos(t/2)**4 + sin(t/2)**4
        return 1 - np.sin(t) ** 2 / 2

    def slope(t: Any) -> Any:
        return -np.sin(t) * np.cos(t)

    # Some ten operations in complex64.
    np.testing.assert_allclose(values, purity(x) * purity(w), atol=1e-6)
    np.testing.assert_allclose(grad_x, slope(x) * purity(w), atol=1e-5)
    np.testing.assert_allclose(grad_w, [np.sum(purity(x) * slope(w))], atol=1e-5)


@pytest.mark.parametrize("engine", ["statevector", CirqEngine()], ids=["statevector", "cirq"])
def test_a_differentiator_in_one_class_differentiates_every_engine(engine: Any) -> None:
    layer = PQC(CIRCUIT, "Z", inputs=[A], engine=engine, differentiator=FivePoint())
    layer.build((None, 1))
    assert layer._run is not None
    x, w = np.array([[0.4], [1.1]], "float32"), np.array([0.7], "float32")
    _, (grad_x, grad_w) = value_and_gradients(layer._run, x, w)
    # The rule's error is h**4/30 of the fifth derivative: 3e-6, and float32 rounds values to 6e-8,
    # which the step divides by 0.1.
    np.testing.assert_allclose(grad_x, -np.sin(x), atol=2e-5)
    np.testing.assert_allclose(grad_w, [-2 * np.sin(0.7)], atol=4e-5)
