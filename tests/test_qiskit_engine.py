"""The Qiskit engine: samplers, estimators and backends of Qiskit's under a layer."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import cirq
import keras
import numpy as np
import pytest
import sympy
from keras import ops

pytest.importorskip("qiskit")

from qiskit.primitives import (
    BackendSamplerV2,
    BaseSamplerV2,
    StatevectorEstimator,
    StatevectorSampler,
)
from qiskit.providers.fake_provider import GenericBackendV2

from qkeras_hybrid import PQC, ArgumentError, compile_circuit, engines
from qkeras_hybrid.engines import QiskitEngine
from qkeras_hybrid.engines.services import Journal, Retries
from qkeras_hybrid.readouts import Probabilities, Samples
from qkeras_hybrid.testing import assert_engine_conforms

X, W = sympy.symbols("x w")
Q = cirq.LineQubit.range(3)
CIRCUIT = cirq.Circuit(cirq.ry(X)(Q[0]), cirq.CNOT(Q[0], Q[1]), cirq.ry(W)(Q[1]), cirq.I(Q[2]))
QUICK = Retries(attempts=3, first=1e-3, poll_seconds=1e-3)

# GenericBackendV2 says that it has no noise without Aer.
pytestmark = pytest.mark.filterwarnings("ignore:Aer not found:RuntimeWarning")


def backend(n_qubits: int = 3, **kwargs: Any) -> GenericBackendV2:
    return GenericBackendV2(n_qubits, seed=1, **kwargs)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(StatevectorSampler, id="sampler"),
        pytest.param(StatevectorEstimator, id="estimator"),
        pytest.param(lambda: backend(5), id="backend", marks=pytest.mark.slow),
    ],
)
def test_the_qiskit_engine_conforms(make: Any) -> None:
    # Under JAX with compiled steps.
    assert_engine_conforms(QiskitEngine(make(), jit=True), shots=1000, dtypes=["float32"])


@pytest.mark.parametrize("make", [StatevectorSampler, backend], ids=["simulator", "backend"])
def test_the_first_qubit_is_the_most_significant_bit(make: Any) -> None:
    compiled = compile_circuit(cirq.Circuit(cirq.X(Q[0]), cirq.I.on_each(*Q[1:])))
    engine = QiskitEngine(make(), shots=20)
    [bits] = ops.convert_to_numpy(engine.sample(compiled, np.zeros((1, 0)), shots=20))
    np.testing.assert_array_equal(bits, np.tile([1, 0, 0], (20, 1)))
    job = compiled.reading(Probabilities()).job(shots=20, gradient=False)
    run = engines.prepare(job, engine)
    [probabilities] = ops.convert_to_numpy(run(ops.zeros((1, 0)), ops.zeros((0,))))
    np.testing.assert_array_equal(probabilities, [0, 0, 0, 0, 1, 0, 0, 0])


MATRIX = cirq.testing.random_unitary(8, random_state=1)
EVERY_GATE = cirq.Circuit(
    CIRCUIT,
    cirq.MatrixGate(MATRIX).on(Q[2], Q[0], Q[1]),
    cirq.CZ(Q[0], Q[2]) ** W,
    cirq.ZPowGate(exponent=X).on(Q[1]).controlled_by(Q[0], Q[2]),
    cirq.PauliStringPhasor(cirq.X(Q[0]) * cirq.Y(Q[1]) * cirq.Z(Q[2]), exponent_neg=X),
    cirq.PauliStringPhasor(cirq.X(Q[2]) * cirq.Z(Q[0]), exponent_neg=W),
    cirq.global_phase_operation(1j),
    cirq.XX(Q[0], Q[2]) ** 0.3,
)


@pytest.mark.parametrize(
    ("make", "tolerance"),
    [
        # Five standard errors of 10,000 shots.
        (StatevectorSampler, 0.05),
        (lambda: backend(4, coupling_map=[[0, 1], [1, 2], [2, 3]]), 0.05),
        (StatevectorEstimator, 0.05),
    ],
    ids=["sampler", "line of qubits", "estimator"],
)
def test_every_instruction_means_the_same_to_qiskit(make: Any, tolerance: float) -> None:
    observables = ["Z0", "X1", "Y2", "X0*Y1", "Z0*Z1*Z2"]
    compiled = compile_circuit(EVERY_GATE, observables, inputs=[X], weights=[W])
    x, w = [[0.4], [1.3]], [0.9]
    engine = QiskitEngine(make(), shots=10_000)
    found = ops.convert_to_numpy(engine.expectation(compiled, x, w, seed=1))
    exact = ops.convert_to_numpy(engines.StatevectorEngine().expectation(compiled, x, w))
    np.testing.assert_allclose(found, exact, atol=tolerance)


def test_jobs_on_a_simulated_backend_do_not_disturb_each_other() -> None:
    # Two of its jobs at a time gave values of another circuit in half of all calls.
    compiled = compile_circuit(EVERY_GATE, ["Z0", "X0", "Y0"], inputs=[X], weights=[W])
    engine = QiskitEngine(backend(), shots=1000, circuits_per_job=1)
    exact = ops.convert_to_numpy(engines.StatevectorEngine().expectation(compiled, [[0.4]], [0.9]))
    for seed in range(4):
        found = ops.convert_to_numpy(engine.expectation(compiled, [[0.4]], [0.9], seed=seed))
        # Five standard errors of 1000 shots.
        np.testing.assert_allclose(found, exact, atol=5 / np.sqrt(1000))


def test_more_than_ten_angles_keep_their_order() -> None:
    symbols = sympy.symbols("a:12")
    circuit = cirq.Circuit(cirq.ry(s)(cirq.LineQubit(i)) for i, s in enumerate(symbols))
    observables = [f"Z{i}" for i in range(12)]
    compiled = compile_circuit(circuit, observables, inputs=symbols)
    x = np.linspace(0, np.pi, 12)[None]
    engine = QiskitEngine(StatevectorSampler(), shots=2000)
    found = ops.convert_to_numpy(engine.expectation(compiled, x, seed=1))
    # Five standard errors.
    np.testing.assert_allclose(found, np.cos(x), atol=5 / np.sqrt(2000))


def test_a_circuit_is_transpiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    transpiled = QiskitEngine._transpiled

    def count(self: QiskitEngine, circuit: Any) -> Any:
        counted.append(circuit)
        return transpiled(self, circuit)

    monkeypatch.setattr(QiskitEngine, "_transpiled", count)
    layer = PQC(CIRCUIT, ["Z0", "X1"], inputs=[X], engine=QiskitEngine(backend(), shots=10))
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile("sgd", "mse")
    model.fit(np.zeros((4, 1)), np.zeros((4, 2)), batch_size=2, epochs=2, verbose=0)
    assert len(counted) == 1  # X1 and Z0 agree on each qubit


def test_rows_with_one_seed_have_noise_of_their_own() -> None:
    compiled = compile_circuit(CIRCUIT, "X0", inputs=[X], weights=[W]).reading(Samples())
    for device in (StatevectorSampler(seed=1), backend()):
        run = engines.prepare(compiled.job(shots=30), QiskitEngine(device))
        bits = ops.convert_to_numpy(run(ops.full((2, 1), 1.5), ops.zeros((1,)), 7))
        assert (bits[0] != bits[1]).any()


def test_a_job_holds_as_many_circuits_as_the_backend_takes() -> None:
    class Limited(GenericBackendV2):
        @property
        def max_circuits(self) -> int:
            return 3

    engine = QiskitEngine(Limited(3, seed=1), shots=10)
    compiled = compile_circuit(CIRCUIT, ["Z0", "X0"], inputs=[X], weights=[W])
    engine.expectation(compiled, np.zeros((4, 1)), [0.0])
    assert (engine.spent.circuits, engine.spent.jobs) == (8, 3)


def test_a_backend_with_fewer_qubits_is_refused() -> None:
    layer = PQC(CIRCUIT, "Z0", inputs=[X], engine=QiskitEngine(backend(2)))
    with pytest.raises(
        ValueError, match="2 qubits, and the circuit has 3; the largest circuit that fits has 2"
    ):
        layer.build((None, 1))


class Job:
    """A job of a sampler that misbehaves."""

    def __init__(self, inner: Any, fault: str, polls: int) -> None:
        self.inner, self.fault, self.polls = inner, fault, polls

    def job_id(self) -> str:
        return str(id(self))

    def in_final_state(self) -> bool:
        self.polls -= 1
        return self.polls < 0

    def status(self) -> str:
        return self.fault if self.fault in ("ERROR", "CANCELLED") else "DONE"

    def result(self) -> Any:
        if self.fault in ("ERROR", "CANCELLED"):
            raise RuntimeError("the control electronics are on fire")
        if self.fault == "time-out":
            raise TimeoutError("no answer")
        return self.inner.result()


class Misbehaving(BaseSamplerV2):
    """A sampler with a list of faults, one for each job; then it behaves."""

    def __init__(self, *faults: str) -> None:
        self.faults = list(faults)
        self.jobs = 0

    def run(self, pubs: Any, *, shots: int | None = None) -> Any:
        self.jobs += 1
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "refused":
            raise ConnectionResetError("connection reset by peer")
        if fault == "forbidden":
            raise PermissionError("401: not your device")
        circuits = [(circuit, values, n) for circuit, values, n in pubs]
        if fault == "too few shots":
            circuits = [(circuit, values, n - 1) for circuit, values, n in circuits]
        if fault == "wrong register":
            from qiskit import ClassicalRegister, QuantumCircuit

            renamed = []
            for circuit, values, n in circuits:
                made = QuantumCircuit(circuit.num_qubits)
                register = ClassicalRegister(circuit.num_qubits, "meas")
                made.add_register(register)
                made.compose(circuit, made.qubits, list(register), inplace=True)
                renamed.append((made, values, n))
            circuits = renamed
        return Job(StatevectorSampler().run(circuits), fault, polls=2)


def trained(device: Any, **kwargs: Any) -> tuple[keras.Model, QiskitEngine]:
    engine = QiskitEngine(device, shots=20, retries=QUICK, **kwargs)
    layer = PQC(CIRCUIT, "Z0", inputs=[X], engine=engine)
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 1)), np.zeros((2, 1)), verbose=0)
    return model, engine


@pytest.mark.parametrize(
    "fault", ["refused", "ERROR", "CANCELLED", "time-out", "too few shots", "wrong register"]
)
def test_training_goes_on_after_a_fault(fault: str) -> None:
    device = Misbehaving(fault)
    model, _ = trained(device)
    assert device.jobs == 3  # two, and the one that did not work
    assert np.isfinite(model.get_weights()[0]).all()


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (["forbidden"], "refused to take a job: PermissionError: 401: not your device"),
        (["ERROR"] * 3, r"failed 3 times at the service.*control electronics"),
        (["too few shots"] * 3, "19 shots of 3 qubits, and 20 of 3 were ordered"),
        (["wrong register"] * 3, r"registers \['meas'\] and not 'all'"),
        (["refused"] * 3, "could not take a job in 3 attempts"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_training_stops_with_a_sentence_where_a_fault_stays(faults: list[str], words: str) -> None:
    with pytest.raises(Exception, match=words):
        trained(Misbehaving(*faults))


def test_a_saved_model_asks_for_a_backend_when_it_is_loaded(tmp_path: Path) -> None:
    model, _ = trained(StatevectorSampler())
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    with pytest.raises(Exception, match=r"set_engine\(model, QiskitEngine\(backend\)\)"):
        loaded.predict(np.zeros((1, 1)), verbose=0)


def test_a_journal_gives_a_second_run_the_results_of_the_first(tmp_path: Path) -> None:
    for number in range(2):
        keras.utils.set_random_seed(1)
        with Journal(tmp_path / "journal") as journal:
            model, engine = trained(StatevectorSampler(), journal=journal)
        if number == 0:
            weights = model.get_weights()[0]
    assert engine.spent.circuits == 0
    np.testing.assert_array_equal(model.get_weights()[0], weights)


def test_a_job_of_a_service_is_taken_up_by_its_id() -> None:
    class Service:
        jobs: dict[str, Any] = {}  # noqa: RUF012

        def job(self, job_id: str) -> Any:
            return self.jobs[job_id]

    class Device(GenericBackendV2):
        service = Service()

    class Remote(BackendSamplerV2):
        def run(self, pubs: Any, *, shots: int | None = None) -> Any:
            job = super().run(pubs, shots=shots)
            Service.jobs[job.job_id()] = job
            return job

    _, engine = trained(Remote(backend=Device(3, seed=1)))
    assert len(Service.jobs) == engine.spent.jobs == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"backend": "ibm_somewhere"}, "`backend` must be Qiskit's BackendV2, SamplerV2 or"),
        ({"shots": 0}, "`shots` must be a whole number of at least 1"),
        ({"mode": "session"}, "`mode` must be one of 'sampler', 'estimator'"),
        ({"mode": "estimator"}, "`mode` must be 'sampler' or None with this backend"),
        ({"optimization_level": 4}, "`optimization_level` must be 0, 1, 2 or 3"),
    ],
)
def test_bad_input_is_told(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        QiskitEngine(**{"backend": StatevectorSampler(), **arguments})


def test_a_missing_qiskit_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "qiskit", None)
    with pytest.raises(ImportError, match=r"pip install 'qkeras-hybrid\[qiskit\]'"):
        QiskitEngine(StatevectorSampler())
    QiskitEngine()  # the engine of a model that is loaded where Qiskit is not


def test_an_estimator_has_no_bits() -> None:
    engine = QiskitEngine(backend(), mode="estimator")
    compiled = compile_circuit(CIRCUIT, "Z0", inputs=[X])
    reason = engine.refuses(compiled.reading(Probabilities()).job(shots=10))
    assert "it computes expectation, not probabilities" in str(reason)


def test_an_estimator_of_a_backend_gives_the_same_values() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        engine = QiskitEngine(backend(), mode="estimator", shots=4000)
        compiled = compile_circuit(CIRCUIT, ["Z0", "X1"], inputs=[X], weights=[W])
        found = ops.convert_to_numpy(engine.expectation(compiled, [[0.4]], [0.9], seed=1))
    exact = engines.StatevectorEngine().expectation(compiled, [[0.4]], [0.9])
    # Five standard errors of 4000 shots.
    np.testing.assert_allclose(found, ops.convert_to_numpy(exact), atol=5 / np.sqrt(4000))
