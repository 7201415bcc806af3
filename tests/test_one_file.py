"""A new ability is one new file: each class here is all that there is to it."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

import cirq
import keras
import numpy as np
import pytest
import sympy
from keras import ops

from qkeras_hybrid import PQC, engines
from qkeras_hybrid.engines import Engine, Run, host_call
from qkeras_hybrid.gradients import Differentiator, Evaluations
from qkeras_hybrid.program import INSTRUCTIONS, Job, Measurement, compile_circuit
from qkeras_hybrid.readouts import Expectation, Probabilities, Readout, Samples, State
from qkeras_hybrid.testing import assert_engine_conforms, value_and_gradients


@keras.saving.register_keras_serializable(package="tests")
class CirqEngine(Engine):
    """State vectors by `cirq.Simulator`; the parameter-shift rule brings the gradient."""

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


@keras.saving.register_keras_serializable(package="tests")
class DensityEngine(Engine):
    """Density matrices by `cirq.DensityMatrixSimulator`, which takes channels and resets."""

    name = "cirq_density"
    # Of a measurement in the middle it draws one result: that is no exact value.
    instructions = INSTRUCTIONS - {Measurement}
    readouts = frozenset({Expectation, Probabilities})

    def prepare(self, job: Job) -> Run:
        program, size = job.program, 2**job.program.n_qubits
        simulator = cirq.DensityMatrixSimulator(dtype=np.complex128)

        def densities(angles: np.ndarray, seed: int | None) -> np.ndarray:
            found = [
                simulator.simulate(circuit, qubit_order=program.qubits).final_density_matrix
                for circuit in program.circuits(angles)
            ]
            return job.readout.of_density(program, np.reshape(found, (-1, size, size)))

        return host_call(job, densities)


@keras.saving.register_keras_serializable(package="tests")
class SamplerEngine(Engine):
    """Estimates from the shots of any `cirq.Sampler`: a simulator, or a device."""

    name = "cirq_sampler"
    instructions = INSTRUCTIONS
    readouts = frozenset({Expectation, Probabilities, Samples})
    samples = True
    exact = False

    def sampler(self, seed: int | None) -> cirq.Sampler:
        return cirq.DensityMatrixSimulator(seed=seed)

    def prepare(self, job: Job) -> Run:
        program, settings = job.program, job.readout.settings(job.program)

        def estimates(angles: np.ndarray, seed: int | None) -> np.ndarray:
            sampler = self.sampler(seed)
            circuits = program.circuits(angles)
            bits = []
            for setting in settings:
                end = [*setting.rotations(program.qubits), cirq.measure(*program.qubits, key="all")]
                runs = [
                    sampler.run(circuit + cirq.Circuit(end), repetitions=job.shots)
                    for circuit in circuits
                ]
                found = [run.measurements["all"] for run in runs]
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


@pytest.mark.parametrize(
    ("engine", "shots"), [(CirqEngine(), None), (DensityEngine(), None), (SamplerEngine(), 2000)]
)
def test_an_engine_in_one_class_keeps_the_contract(engine: Engine, shots: int | None) -> None:
    assert_engine_conforms(engine, shots=shots, n_programs=2, n_qubits=3, n_operations=6)


@pytest.mark.parametrize(
    "new",
    [CirqEngine, DensityEngine, SamplerEngine, Purity, FivePoint],
    ids=lambda new: new.__name__,
)
def test_a_new_ability_is_at_most_60_lines(new: type) -> None:
    assert len(inspect.getsource(new).splitlines()) <= 60


A, W = sympy.symbols("a w")
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
