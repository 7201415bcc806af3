"""The sampler engine on IonQ's client, against a server with faults on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cirq
import keras
import numpy as np
import pytest
import sympy
from keras import ops

pytest.importorskip("cirq_ionq")

import cirq_ionq

import ionq_server
from ionq_server import IonQ
from qkeras_hybrid import PQC, compile_circuit, engines
from qkeras_hybrid.engines import SamplerEngine
from qkeras_hybrid.engines.services import Retries, ServiceError, credential

X, W = sympy.symbols("x w")
Q = cirq.LineQubit.range(3)
CIRCUIT = cirq.Circuit(cirq.ry(X)(Q[0]), cirq.CNOT(Q[0], Q[1]), cirq.ry(W)(Q[1]))
QUICK = Retries(attempts=4, first=1e-3, poll_seconds=1e-3, call_seconds=0.4)


@pytest.fixture(name="server")
def served() -> Iterator[tuple[IonQ, str]]:
    with ionq_server.serving() as (ionq, address):
        yield ionq, address


def sampler(address: str, target: str = "qpu", key: str = ionq_server.KEY) -> Any:
    service = cirq_ionq.Service(remote_host=address, api_key=key)
    return service.sampler(target)


def engine_of(address: str, **kwargs: Any) -> SamplerEngine:
    return SamplerEngine(sampler(address), **{"shots": 20, "retries": QUICK, **kwargs})


@pytest.mark.parametrize("target", ["qpu", "simulator"])
def test_every_instruction_means_the_same_to_ionq(target: str, server: tuple[IonQ, str]) -> None:
    circuit = cirq.Circuit(
        CIRCUIT,
        cirq.MatrixGate(cirq.testing.random_unitary(4, random_state=1)).on(Q[2], Q[0]),
        cirq.ZPowGate(exponent=X).on(Q[1]).controlled_by(Q[0], Q[2]),
        cirq.PauliStringPhasor(cirq.X(Q[0]) * cirq.Y(Q[1]) * cirq.Z(Q[2]), exponent_neg=X),
        cirq.global_phase_operation(1j),
    )
    observables = ["Z0", "X1", "Y2", "Z0*Z1*Z2"]
    compiled = compile_circuit(circuit, observables, inputs=[X], weights=[W])
    engine = SamplerEngine(sampler(server[1], target), shots=4000, retries=QUICK)
    x, w = [[0.4], [1.3]], [0.9]
    found = ops.convert_to_numpy(engine.expectation(compiled, x, w, seed=1))
    exact = ops.convert_to_numpy(engines.StatevectorEngine().expectation(compiled, x, w))
    # Five standard errors of 4000 shots, of which a setting gets a part.
    np.testing.assert_allclose(found, exact, atol=5 / np.sqrt(2000))


def test_the_first_qubit_is_the_most_significant_bit(server: tuple[IonQ, str]) -> None:
    # Qubits of any names are numbered in the order of the program.
    qubits = cirq.GridQubit.rect(1, 3)
    compiled = compile_circuit(cirq.Circuit(cirq.X(qubits[0]), cirq.I.on_each(*qubits[1:])))
    [bits] = ops.convert_to_numpy(engine_of(server[1]).sample(compiled, np.zeros((1, 0)), shots=20))
    np.testing.assert_array_equal(bits, np.tile([1, 0, 0], (20, 1)))


def trained(server: tuple[IonQ, str], **kwargs: Any) -> tuple[keras.Model, SamplerEngine]:
    engine = engine_of(server[1], **kwargs)
    layer = PQC(CIRCUIT, "Z1", inputs=[X], engine=engine, weight_initializer="ones")
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 1)), np.zeros((2, 1)), verbose=0)
    return model, engine


def test_a_gradient_is_one_submission_of_jobs(server: tuple[IonQ, str]) -> None:
    model, engine = trained(server, circuits_per_job=4)
    assert engine.spent.circuits == 2 + 8
    assert [len(job["results"]) for job in server[0].jobs.values()] == [2, 4, 4]
    # A step of the sum of squares' mean: the gradient is not zero.
    assert model.get_weights()[0] != 1.0


FAULTS = [
    ("post", "429"),
    ("post", "500"),
    ("post", "503"),
    ("post", "drop before"),
    ("post", "drop"),
    ("post", "hang"),
    ("status", "429"),
    ("status", "500"),
    ("status", "drop"),
    ("status", "hang"),
    ("results", "500"),
    ("results", "drop"),
    ("list", "500"),
]


@pytest.mark.parametrize(("where", "fault"), FAULTS, ids=lambda value: value)
def test_training_goes_on_after_a_passing_fault_and_pays_once(
    where: str, fault: str, server: tuple[IonQ, str]
) -> None:
    ionq = server[0]
    ionq.faults[where] = [fault]
    if where == "list":
        ionq.faults["post"] = ["drop"]  # then a job is looked for by its name
    _, engine = trained(server)
    assert len(ionq.jobs) == engine.spent.jobs == 2
    assert ionq.faults[where] == []


@pytest.mark.parametrize(
    ("where", "fault", "paid"),
    [
        ("status", "failed", False),
        ("status", "canceled", False),
        ("status", "wrong keys", True),
        ("results", "too few shots", True),
        ("results", "too few circuits", True),
        ("results", "empty", True),
    ],
)
def test_a_job_without_a_usable_result_is_bought_again(
    where: str, fault: str, paid: bool, server: tuple[IonQ, str]
) -> None:
    ionq = server[0]
    ionq.polls = 0
    ionq.faults[where] = [fault]
    _, engine = trained(server)
    assert len(ionq.jobs) == 3
    assert engine.spent.shots == 20 * (10 + 2 * paid)


@pytest.mark.parametrize(
    ("where", "fault", "words"),
    [
        ("status", "failed", r"failed 3 times.*'failed' \(the ions escaped\)"),
        ("status", "canceled", "failed 3 times.*'canceled'"),
        ("status", "wrong keys", r"measurement keys \['other'\] and not 'all'"),
        ("results", "too few shots", "shots, and 20 were ordered"),
        ("results", "too few circuits", "1 results for 2 circuits"),
        ("results", "empty", "can't be read"),
        ("post", "429", "could not take a job in 4 attempts"),
        ("post", "drop before", "could not take a job in 4 attempts"),
        ("status", "500", "could not give a result in 4 attempts"),
        ("post", "400", "refused to take a job"),
    ],
)
def test_training_stops_with_a_sentence_where_a_fault_stays(
    where: str, fault: str, words: str, server: tuple[IonQ, str]
) -> None:
    server[0].polls = 0
    server[0].faults[where] = [fault] * 12
    with pytest.raises(Exception, match=words):
        trained(server)


def test_a_queue_is_waited_for(server: tuple[IonQ, str]) -> None:
    server[0].polls = 5
    trained(server)
    assert server[0].requests["post"] == 2
    assert server[0].requests["status"] >= 2 * 6


def test_wrong_credentials_name_their_variable(server: tuple[IonQ, str]) -> None:
    engine = SamplerEngine(sampler(server[1], key="not-for-other-eyes"), shots=10, retries=QUICK)
    compiled = compile_circuit(CIRCUIT, "Z0", inputs=[X], weights=[W])
    with pytest.raises(Exception, match="variable IONQ_API_KEY or CIRQ_IONQ_API_KEY right") as said:
        engine.expectation(compiled, np.zeros((1, 1)), [0.0])
    assert "not-for-other-eyes" not in str(said.value)


def test_missing_credentials_name_their_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IONQ_API_KEY", "CIRQ_IONQ_API_KEY", "AQT_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(OSError, match="IONQ_API_KEY"):
        cirq_ionq.Service()
    with pytest.raises(ServiceError, match="set the environment variable AQT_TOKEN"):
        credential("AQT")
    monkeypatch.setenv("AQT_TOKEN", "a token for tests")
    assert credential("AQT") == "a token for tests"


def test_a_device_with_fewer_qubits_is_refused(server: tuple[IonQ, str]) -> None:
    engine = engine_of(server[1], device=cirq_ionq.IonQAPIDevice(1))
    layer = PQC(CIRCUIT, "Z0", inputs=[X], engine=engine)
    with pytest.raises(ValueError, match="it has 1 qubits, and the circuit has 2"):
        layer.build((None, 1))
