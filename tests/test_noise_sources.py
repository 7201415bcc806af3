"""Noise models from Cirq, from a device's calibration and from Qiskit."""

from __future__ import annotations

import json
import math
from typing import Any

import cirq
import keras
import numpy as np
import pytest
import sympy
from keras import ops

from qkeras_hybrid import PQC, ArgumentError, engines, noise
from qkeras_hybrid.engines.mitigation.quasi import transfer_matrix
from qkeras_hybrid.program import Channel, compile_circuit
from test_one_file import DensityEngine

Q = cirq.LineQubit.range(3)
GRID = cirq.GridQubit.rect(3, 1, 4, 2)
W = sympy.Symbol("w")


def density(circuit: cirq.Circuit, model: Any = None, qubits: Any = Q) -> np.ndarray:
    """Returns expectation values of all Paulis on single qubits, and of ZZ of neighbours."""
    observables = ["X", "Y", "Z", *(["ZZ"] if len(qubits) > 1 else [])]
    compiled = compile_circuit(circuit, observables, qubits=qubits)
    run = engines.prepare(compiled.job("float64", noise=model, gradient=False), DensityEngine())
    empty = ops.zeros((1, 0), "float64"), ops.zeros((0,), "float64")
    return np.asarray(ops.convert_to_numpy(run(*empty)))[0]


def saved(model: noise.NoiseModel) -> noise.NoiseModel:
    text = json.dumps(keras.saving.serialize_keras_object(model))
    again = keras.saving.deserialize_keras_object(json.loads(text))
    assert isinstance(again, noise.NoiseModel)
    return again


# Cirq.

CIRCUIT = cirq.Circuit(
    cirq.H.on_each(*Q),
    cirq.CX(Q[0], Q[1]),
    cirq.ry(0.4)(Q[2]),
    cirq.CZ(Q[2], Q[1]),
    cirq.rx(1.1)(Q[0]),
    cirq.CX(Q[1], Q[0]),
)
PHYSICAL = {"require_physical_tag": False}
CIRQS = {
    "constant": cirq.ConstantQubitNoiseModel(cirq.depolarize(0.05)),
    "constant unitary": cirq.ConstantQubitNoiseModel(cirq.rx(0.1)),
    "none": cirq.NO_NOISE,
    "insertion": cirq.devices.InsertionNoiseModel(
        {
            cirq.OpIdentifier(cirq.CXPowGate, Q[0], Q[1]): cirq.depolarize(0.1, 2)(Q[0], Q[1]),
            cirq.OpIdentifier(cirq.CZPowGate, Q[2], Q[1]): cirq.amplitude_damp(0.2)(Q[0]),
            cirq.OpIdentifier(cirq.Rx, Q[0]): cirq.bit_flip(0.1)(Q[0]),
            cirq.OpIdentifier(cirq.HPowGate, Q[1]): cirq.phase_damp(0.3)(Q[1]),
        },
        **PHYSICAL,
    ),
}


@pytest.mark.parametrize("name", CIRQS)
def test_a_model_of_cirqs_is_the_circuit_with_its_noise(name: str) -> None:
    model = noise.from_cirq(CIRQS[name])
    found = density(CIRCUIT, saved(model))
    noisy = CIRCUIT.with_noise(CIRQS[name])
    # A few products in complex128.
    np.testing.assert_allclose(found, density(noisy), atol=1e-12)


def test_a_circuit_with_any_models_noise_in_it_is_a_circuit() -> None:
    class EveryOther(cirq.NoiseModel):
        def noisy_moments(self, moments: Any, system_qubits: Any) -> list[Any]:
            return [
                [moment, cirq.Moment(cirq.bit_flip(0.1).on_each(*system_qubits))][: 1 + i % 2]
                for i, moment in enumerate(moments)
            ]

    circuit = cirq.Circuit(cirq.ry(W)(Q[0]), cirq.Z(Q[0]))
    layer = PQC(circuit.with_noise(EveryOther()), "Z", inputs=[W], engine=DensityEngine())
    found = ops.convert_to_numpy(layer(np.array([[0.6]], "float32")))
    np.testing.assert_allclose(found, [[0.8 * math.cos(0.6)]], atol=1e-6)


def test_what_a_model_says_of_other_qubits_is_left_out() -> None:
    assert len(noise.from_cirq(CIRQS["insertion"], Q[:2]).rules) == 3
    with pytest.raises(ArgumentError, match="name qubits of the circuit"):
        density(cirq.Circuit(cirq.CX(*Q[:2])), noise.from_cirq(CIRQS["insertion"]), Q[:2])


@pytest.mark.parametrize(
    "model",
    [
        cirq.ConstantQubitNoiseModel(cirq.depolarize(0.1), prepend=True),
        cirq.devices.InsertionNoiseModel(
            {cirq.OpIdentifier(cirq.XPowGate): cirq.bit_flip(0.1)(Q[0])}
        ),
        cirq.devices.InsertionNoiseModel(
            {
                cirq.OpIdentifier(cirq.XPowGate, Q[0]): cirq.bit_flip(0.1)(Q[0]),
                cirq.OpIdentifier(cirq.XPowGate): cirq.bit_flip(0.2)(Q[0]),
            }
        ),
        cirq.ConstantQubitNoiseModel(cirq.rx(W)),
        cirq.devices.ThermalNoiseModel(set(Q), {}, {}, {}, None),
        "depolarizing",
    ],
)
def test_another_model_of_cirqs_is_refused_with_the_way_that_works(model: Any) -> None:
    with pytest.raises(ArgumentError, match=r"PQC\(circuit\.with_noise\(model\)"):
        noise.from_cirq(model)


# A device's calibration.


@pytest.fixture(name="cirq_google")
def _cirq_google() -> Any:
    return pytest.importorskip("cirq_google")


@pytest.mark.parametrize("name", ["rainbow", "weber"])
@pytest.mark.parametrize("gate", ["sqrt_iswap", "sycamore"])
def test_a_devices_noise_is_that_of_its_calibration(name: str, gate: str, cirq_google: Any) -> None:
    calibration = cirq_google.engine.load_median_device_calibration(name)
    qubits = [cirq.GridQubit(5, 2), cirq.GridQubit(5, 3), cirq.GridQubit(4, 3)]
    model = noise.from_device(name, qubits, gate)
    single = calibration["single_qubit_rb_pauli_error_per_gate"]
    pairs = calibration[f"two_qubit_parallel_{gate}_gate_xeb_pauli_error_per_cycle"]
    zeros, ones = (calibration[f"parallel_p{k}{k}_error"] for k in (0, 1))
    for k, qubit in enumerate(qubits):
        p = single[(qubit,)][0]
        a, b = zeros[(qubit,)][0], ones[(qubit,)][0]
        found = density(cirq.Circuit(cirq.X(Q[k])), model)
        z = -(1 - 4 * p / 3)
        assert found[6 + k] == pytest.approx((1 - a - b) * z + b - a, abs=1e-12)
    pair = tuple(qubits[:2]) if tuple(qubits[:2]) in pairs else (qubits[1], qubits[0])
    channels = [
        i
        for i in noise.applied(
            compile_circuit(cirq.Circuit(cirq.CZ(*Q[:2])), "Z", qubits=Q).job(noise=model)
        ).program.instructions
        if isinstance(i, Channel)
    ]
    assert [channel.qubits for channel in channels] == [(0, 1)]
    # All Paulis but the identity shrink by 1 - 16 p / 15.
    shrink = 1 - 16 * pairs[pair][0] / 15
    np.testing.assert_allclose(np.diag(transfer_matrix(channels[0]))[1:], shrink, atol=1e-12)
    assert saved(model) == model


def test_a_pair_without_a_coupling_has_the_error_of_the_mean_pair(cirq_google: Any) -> None:
    calibration = cirq_google.engine.load_median_device_calibration("rainbow")
    pairs = calibration["two_qubit_parallel_sqrt_iswap_gate_xeb_pauli_error_per_cycle"]
    far = [cirq.GridQubit(3, 2), cirq.GridQubit(6, 3)]
    model = noise.from_device("rainbow", far)
    (rule,) = (rule for rule in model.rules if rule.on == 2)
    assert rule.parameters[0] == pytest.approx(np.mean([value[0] for value in pairs.values()]))


def test_a_layer_trains_with_a_devices_noise(cirq_google: Any) -> None:
    circuit = cirq.Circuit(cirq.ry(W)(Q[0]), cirq.CZ(*Q[:2]), cirq.ry(sympy.Symbol("v"))(Q[1]))
    model = noise.from_device("weber", [cirq.GridQubit(5, 2), cirq.GridQubit(5, 3)])
    layer = PQC(circuit, "Z", inputs=[W], engine=DensityEngine(), noise=model, seed=1)
    network = keras.Sequential([keras.Input((1,)), layer])
    network.compile("sgd", "mse")
    before = network.get_weights()[0].copy()
    network.fit(np.ones((2, 1)), np.zeros((2, 2)), verbose=0)
    assert (network.get_weights()[0] != before).any()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: noise.from_device("sycamore", GRID), "`name` must be one of 'rainbow', 'weber'"),
        (lambda: noise.from_device("rainbow", [cirq.GridQubit(99, 0)]), "be among the device's: q"),
        (lambda: noise.from_device("rainbow", Q), "be among the device's"),
        (lambda: noise.from_device("weber", GRID, "cz"), "`gate` must be one of"),
        (lambda: noise.from_calibration({}, Q), "have the metric 'single_qubit_rb_pauli"),
    ],
)
def test_what_no_device_has_is_refused(make: Any, words: str, cirq_google: Any) -> None:
    with pytest.raises(ArgumentError, match=words):
        make()


# Qiskit.


@pytest.fixture(name="fake_provider")
def _fake_provider() -> Any:
    return pytest.importorskip("qiskit.providers.fake_provider")


def infidelity(channels: list[Channel], n: int) -> float:
    """Returns the average infidelity of channels one after the other, on qubits 0 ... n-1."""
    whole = np.eye(4**n)
    for channel in channels:
        matrix = transfer_matrix(channel)
        if len(channel.qubits) < n:
            own = [np.eye(4)] * n
            own[channel.qubits[0]] = matrix
            matrix = np.kron(*own)
        whole = matrix @ whole
    d = 2**n
    return float(1 - (np.trace(whole) / d + 1) / (d + 1))


def properties(**values: float) -> Any:
    return type("Properties", (), values)()


class Target:
    """A backend of two qubits, in the form of Qiskit's."""

    operation_names = ("x", "cx", "measure", "delay")
    num_qubits = 2
    qubit_properties = (properties(t1=50e-6, t2=60e-6), properties(t1=80e-6, t2=100e-6))

    def __init__(self, single: float, pair: float) -> None:
        x = properties(error=single, duration=1e-7)
        self._table = {
            "x": {(0,): x, (1,): x},
            "cx": {(0, 1): properties(error=pair, duration=3e-7)},
            "measure": {(0,): properties(error=0.02, duration=1e-6)},
            "delay": None,
        }

    def __getitem__(self, name: str) -> Any:
        return self._table[name]


def test_gates_have_the_infidelity_that_a_backend_says() -> None:
    model = noise.from_qiskit(Target(0.003, 0.02))
    for circuit, n, error in (
        (cirq.Circuit(cirq.H(Q[0])), 1, 0.003),
        (cirq.Circuit(cirq.CX(*Q[:2])), 2, 0.02),
    ):
        job = noise.applied(compile_circuit(circuit, "Z", qubits=Q[:2]).job(noise=model))
        channels = [i for i in job.program.instructions if isinstance(i, Channel)]
        assert infidelity(channels, n) == pytest.approx(error, rel=1e-9)
    assert job.readout_errors == ((0.02, 0.02), (0.0, 0.0))


def test_relaxation_of_a_backend_is_that_of_its_times() -> None:
    # A gate's error that is less than what relaxation does to it is relaxation alone.
    model = noise.from_qiskit(Target(1e-9, 1e-9))
    model = noise.NoiseModel(rule for rule in model.rules if rule.channel != "readout_error")
    found = density(cirq.Circuit(cirq.X(Q[0])), model, Q[:1] + Q[1:2])
    # <Z> of |1> after 1/500 of T1.
    assert found[4] == pytest.approx(1 - 2 * math.exp(-1 / 500), abs=1e-12)


def test_a_fake_backend_gives_noise_for_any_of_its_qubits(fake_provider: Any) -> None:
    backend = fake_provider.GenericBackendV2(4, seed=4)
    model = noise.from_qiskit(backend, qubits=[2, 0, 3])
    assert noise.from_qiskit(backend.target, qubits=[2, 0, 3]) == model
    assert saved(model) == model
    exact, noisy = density(CIRCUIT), density(CIRCUIT, model)
    assert 0 < np.abs(exact - noisy).max() < 0.1
    job = noise.applied(compile_circuit(CIRCUIT, "Z").job(noise=model))
    for k, qubit in enumerate((2, 0, 3)):
        error = backend.target["measure"][(qubit,)].error
        assert job.readout_errors[k] == pytest.approx((error, error))


def qerror(operations: list[str], on: Any, parts: Any, chances: list[float]) -> dict[str, Any]:
    found = {"type": "qerror", "operations": operations, "instructions": parts}
    return {**found, "probabilities": chances, **({"gate_qubits": on} if on else {})}


def step(name: str, qubits: list[int], *params: Any) -> dict[str, Any]:
    return {"name": name, "qubits": qubits, **({"params": list(params)} if params else {})}


AER = {
    "errors": [
        qerror(["x"], [[0]], [[step("x", [0])], [step("id", [0])]], [0.1, 0.9]),
        # Of Qiskit's "XZ" the last letter is the first qubit's.
        qerror(
            ["cx"],
            [[0, 1]],
            [[step("pauli", [0, 1], "XZ")], [step("pauli", [0, 1], "II")]],
            [0.2, 0.8],
        ),
        qerror(["h"], None, [[step("reset", [0])], [step("id", [0])]], [0.3, 0.7]),
        {
            "type": "roerror",
            "operations": ["measure"],
            "probabilities": [[0.9, 0.1], [0.25, 0.75]],
            "gate_qubits": [[1]],
        },
    ]
}


def test_aers_model_becomes_the_same_channels() -> None:
    model = noise.from_qiskit(AER)
    assert saved(model) == model
    # X on qubit 0 flips back with 0.1.
    assert density(cirq.Circuit(cirq.X(Q[0])), model, Q[:2])[4] == pytest.approx(-0.8)
    # The gate from 0 to 1 flips qubit 1 with 0.2; that from 1 to 0 has no error.
    found = density(cirq.Circuit(cirq.CX(*Q[:2])), model, Q[:2])
    assert found[5] == pytest.approx(0.65 * 0.6 + 0.15)
    assert density(cirq.Circuit(cirq.CX(Q[1], Q[0])), model, Q[:2])[4] == pytest.approx(1.0)
    # H on any qubit: a reset with 0.3 takes |+> to |0>.
    found = density(cirq.Circuit(cirq.H(Q[0])), model, Q[:2])
    np.testing.assert_allclose(found[[0, 4]], [0.7, 0.3], atol=1e-12)


def test_kraus_operators_of_aers_have_the_first_qubit_last() -> None:
    # Amplitude damping of the second qubit, as a matrix of both: K (x) 1 for Qiskit.
    damp = [np.kron(k, np.eye(2)) for k in cirq.kraus(cirq.amplitude_damp(0.4))]
    as_pairs = [np.stack([k.real, k.imag], axis=-1).tolist() for k in damp]
    for given in (damp, as_pairs):
        table = {
            "errors": [qerror(["cz"], [[0, 1], [1, 0]], [[step("kraus", [0, 1], *given)]], [1.0])]
        }
        circuit = cirq.Circuit(cirq.X.on_each(*Q[:2]), cirq.CZ(*Q[:2]))
        found = density(circuit, noise.from_qiskit(table), Q[:2])
        np.testing.assert_allclose(found[4:6], [-1.0, -0.2], atol=1e-12)


def test_qubits_of_an_aer_model_are_renumbered() -> None:
    model = noise.from_qiskit(AER, qubits=[1, 0])
    found = density(cirq.Circuit(cirq.X(Q[1])), model, Q[:2])
    assert found[5] == pytest.approx(-0.8)
    assert len(noise.from_qiskit(AER, qubits=[5]).rules) == 1  # what is said of all qubits


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (3, "`source` must be from Qiskit"),
        ({"errors": [{"type": "other"}]}, "errors of types qerror and roerror"),
        (
            {"errors": [qerror(["x"], [[0]], [[step("t", [0])]], [1.0])]},
            "Paulis, Kraus operators, unitaries and resets",
        ),
        ({"errors": [qerror(["x"], [[0]], [[step("x", [0])]], [0.5])]}, "preserve the trace"),
        (
            {"errors": [{"type": "roerror", "probabilities": np.eye(4).tolist()}]},
            "readout errors of single qubits",
        ),
    ],
)
def test_what_is_not_from_qiskit_is_refused(source: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        noise.from_qiskit(source)


def test_a_qubit_that_a_backend_does_not_have_is_refused(fake_provider: Any) -> None:
    with pytest.raises(ArgumentError, match="`qubits` must be below 3, but got 3"):
        noise.from_qiskit(fake_provider.GenericBackendV2(3, seed=4), qubits=[3])
