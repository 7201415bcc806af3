"""The density engine: noise, exactly."""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Callable
from typing import Any

import cirq
import keras
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from qkeras_hybrid import PQC, ArgumentError, engines
from qkeras_hybrid.engines import DensityEngine
from qkeras_hybrid.engines.density import transfer
from qkeras_hybrid.engines.density.tiles import MAGIC, serialized, tiles
from qkeras_hybrid.engines.native import library
from qkeras_hybrid.program import AngleMap, Channel, Compiled, Job, Program, compile_circuit
from qkeras_hybrid.readouts import Probabilities
from qkeras_hybrid.testing import assert_engine_conforms, random_circuit, value_and_gradients

A, W = sympy.symbols("a w")
Q = cirq.LineQubit.range(12)

KERNELS = [
    pytest.param(
        "native",
        marks=pytest.mark.skipif(library.unavailable() is not None, reason="the core is not built"),
    ),
    "ops",
]
# float32 carries 6e-8 an operation, and there are some hundred; float64 is held to rounding.
TOLERANCE = {"float32": 2e-5, "float64": 1e-11}

CHANNELS: list[Callable[[float], cirq.Gate]] = [
    lambda p: cirq.depolarize(0.75 * p),
    lambda p: cirq.amplitude_damp(p),
    lambda p: cirq.generalized_amplitude_damp(0.3, p),
    lambda p: cirq.phase_damp(p),
    lambda p: cirq.bit_flip(p),
    lambda p: cirq.phase_flip(p),
    lambda p: cirq.asymmetric_depolarize(0.5 * p, 0.2 * p, 0.1 * p),
    lambda p: cirq.depolarize(0.75 * p, n_qubits=2),
    lambda p: cirq.ResetChannel(),
]


def noisy_circuit(rng: np.random.Generator, n_qubits: int, n_operations: int) -> cirq.Circuit:
    """A random circuit in the symbols a to d with channels between its operations."""
    circuit = cirq.Circuit()
    for operation in random_circuit(rng, n_qubits, n_operations).all_operations():
        circuit.append(operation)
        if rng.uniform() < 0.5:
            gate = CHANNELS[rng.integers(len(CHANNELS))](float(rng.uniform(0, 0.6)))
            on = rng.choice(n_qubits, cirq.num_qubits(gate), replace=False)
            circuit.append(gate.on(*(Q[i] for i in on)))
    return circuit


def compiled_noisy(circuit: cirq.Circuit, n_qubits: int) -> Compiled:
    observables = ["Z", "0.5*X0*Y1 - 1.5*Z1 + 0.25", "X0*Z1 + 2*Y0"]
    return compile_circuit(
        circuit, observables, inputs=["a", "b"], weights=["c", "d"], qubits=Q[:n_qubits]
    )


def reference(compiled: Compiled, x: Any, w: Any) -> np.ndarray:
    """Expectation values by `cirq.DensityMatrixSimulator`, in double precision."""
    simulator = cirq.DensityMatrixSimulator(dtype=np.complex128)
    found = []
    for row in x:
        values = dict(zip(["a", "b", "c", "d"], [*row, *w], strict=True))
        circuit = cirq.resolve_parameters(compiled.circuit.unfreeze(), values)
        density = simulator.simulate(circuit, qubit_order=compiled.qubits).final_density_matrix
        found.append(compiled.readout.of_density(compiled.program, density[None])[0])
    return np.array(found)


def evaluated(
    engine: engines.Engine, compiled: Compiled, x: Any, w: Any, dtype: str = "float64"
) -> np.ndarray:
    run = engines.prepare(compiled.job(dtype), engine)
    tensors = (ops.convert_to_tensor(np.asarray(v, dtype), dtype) for v in (x, w))
    return np.asarray(ops.convert_to_numpy(run(*tensors)))


@pytest.mark.parametrize("kernels", KERNELS)
def test_the_engine_keeps_the_contract(kernels: str) -> None:
    assert_engine_conforms(DensityEngine(kernels), n_programs=1, n_qubits=5)


@pytest.mark.parametrize("kernels", KERNELS)
def test_shots_keep_the_contract(kernels: str) -> None:
    assert_engine_conforms(
        DensityEngine(kernels), shots=2000, n_programs=1, n_qubits=3, dtypes=["float32"]
    )


@pytest.mark.parametrize("kernels", KERNELS)
@settings(max_examples=12)
@given(seed=st.integers(0, 10**6), n_qubits=st.integers(3, 4))
def test_random_noise_agrees_with_cirq(kernels: str, seed: int, n_qubits: int) -> None:
    rng = np.random.default_rng(seed)
    compiled = compiled_noisy(noisy_circuit(rng, n_qubits, 12), n_qubits)
    x, w = rng.normal(size=(3, 2)), rng.normal(size=2)
    exact = reference(compiled, x, w)
    for dtype, limit in TOLERANCE.items():
        found = evaluated(DensityEngine(kernels), compiled, x, w, dtype)
        np.testing.assert_allclose(found, exact, atol=limit)


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("seed", range(3))
def test_gradients_agree_with_differences(kernels: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    compiled = compiled_noisy(noisy_circuit(rng, 4, 14), 4)
    x, w = rng.normal(size=(3, 2)), rng.normal(size=2)
    factors = rng.normal(size=(3, len(compiled.observables)))
    run = engines.prepare(compiled.job("float64"), DensityEngine(kernels))
    weighted = ops.convert_to_tensor(factors, "float64")
    _, (grad_x, grad_w) = value_and_gradients(lambda i, v: run(i, v) * weighted, x, w)

    def total(dx: Any, dw: Any) -> float:
        return float(np.sum(reference(compiled, x + dx, w + dw) * factors))

    # Central differences in double precision: truncation is of the order h**2.
    h = 1e-5
    for i in range(2):
        step = np.zeros((3, 2))
        step[1, i] = h
        assert grad_x[1, i] == pytest.approx((total(step, 0) - total(-step, 0)) / (2 * h), abs=1e-6)
        shift = h * np.eye(2)[i]
        assert grad_w[i] == pytest.approx((total(0, shift) - total(0, -shift)) / (2 * h), abs=1e-6)


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("batch", [1, 2, 9])
def test_kernels_agree_on_more_qubits_than_a_tile_has(kernels: str, batch: int) -> None:
    # `keras.ops` in double precision is the reference here: on few qubits it agrees with Cirq.
    rng = np.random.default_rng(batch)
    compiled = compiled_noisy(noisy_circuit(rng, 6, 30), 6)
    x, w = rng.normal(size=(batch, 2)), rng.normal(size=2)
    factors = ops.convert_to_tensor(rng.normal(size=(batch, len(compiled.observables))), "float64")

    def gradients(engine: engines.Engine) -> tuple[Any, Any]:
        run = engines.prepare(compiled.job("float64"), engine)
        return value_and_gradients(lambda i, v: run(i, v) * factors, x, w)

    values, slopes = gradients(DensityEngine(kernels))
    exact, exact_slopes = gradients(DensityEngine("ops"))
    np.testing.assert_allclose(values, exact, atol=1e-11)
    for found, wanted in zip(slopes, exact_slopes, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-10)


@pytest.mark.skipif(library.unavailable() is not None, reason="the core is not built")
def test_gradients_with_few_kept_states_are_the_same() -> None:
    # 10 qubits in 20 tiles: all states would take more than the core keeps.
    layers = [
        [cirq.ry(W * (k + 1)).on_each(*Q[:10]), cirq.CZ.on_each(*itertools.pairwise(Q[:10]))]
        for k in range(3)
    ]
    circuit = cirq.Circuit(cirq.rx(A)(Q[0]), layers, cirq.depolarize(0.1).on_each(*Q[:10]))
    run = engines.prepare(
        compile_circuit(circuit, "Z9", inputs=[A]).job("float64"), DensityEngine("native")
    )
    h = 1e-4
    value, (_, slope) = value_and_gradients(run, np.array([[0.3]]), np.array([0.2]))
    del value

    def at(weight: float) -> float:
        tensors = (ops.convert_to_tensor(np.array(v), "float64") for v in ([[0.3]], [weight]))
        return float(ops.convert_to_numpy(run(*tensors))[0, 0])

    above, below = at(0.2 + h), at(0.2 - h)
    # Central differences: h**2 times a third derivative of up to (1 + 2 + 3)**3.
    assert slope[0] == pytest.approx((above - below) / (2 * h), abs=1e-5)


@pytest.mark.parametrize("kernels", KERNELS)
def test_depolarizing_an_excited_qubit_leaves_its_closed_form(kernels: str) -> None:
    p = 0.12
    compiled = compile_circuit(cirq.Circuit(cirq.X(Q[0]), cirq.depolarize(p)(Q[0])), "Z")
    found = evaluated(DensityEngine(kernels), compiled, np.zeros((1, 0)), [])
    assert found[0, 0] == pytest.approx(-(1 - 4 * p / 3), abs=1e-12)


@pytest.mark.parametrize("kernels", KERNELS)
def test_probabilities_train(kernels: str) -> None:
    circuit = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.CX(Q[0], Q[1]), cirq.amplitude_damp(0.3)(Q[1]))
    compiled = compile_circuit(circuit, inputs=[A]).reading(Probabilities())
    run = engines.prepare(compiled.job("float64"), DensityEngine(kernels))
    x = np.array([[0.7], [2.0]])
    values, (slope, _) = value_and_gradients(lambda i, v: run(i, v)[:, 2:3], x, np.zeros(0))
    # |10> is reached from |11>, of probability sin(a/2)**2, by decay.
    np.testing.assert_allclose(values, 0.3 * np.sin(x / 2) ** 2, atol=1e-12)
    np.testing.assert_allclose(slope, 0.15 * np.sin(x), atol=1e-12)


def test_auto_takes_it_for_a_circuit_with_channels() -> None:
    circuit = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.depolarize(0.1)(Q[0]))
    layer = PQC(circuit, "Z", inputs=[A])
    assert float(ops.convert_to_numpy(layer(ops.zeros((1, 1))))[0, 0]) == pytest.approx(
        1 - 0.4 / 3, abs=1e-6
    )
    assert layer.engine.name == "density"


def test_noise_of_a_layer_trains_in_fit() -> None:
    layer = PQC(
        cirq.Circuit(cirq.ry(A)(Q[0]), cirq.ry(W)(Q[0])), "Z", inputs=[A], noise="bit_flip:0.1"
    )
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(keras.optimizers.SGD(0.5), "mse")
    x = np.linspace(-1, 1, 16)[:, None]
    history = model.fit(x, np.zeros((16, 1)), epochs=5, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert layer.engine.name == "density"


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_spreads_to_its_sample_alone(kernels: str, value: float) -> None:
    circuit = cirq.Circuit(cirq.ry(A)(Q[0]), cirq.depolarize(0.1)(Q[0]))
    compiled = compile_circuit(circuit, "Z", inputs=[A])
    found = evaluated(DensityEngine(kernels), compiled, [[0.0], [value], [0.0]], [])
    assert np.isnan(found[:, 0]).tolist() == [False, True, False]


def test_more_qubits_than_memory_holds_are_refused_with_the_bytes() -> None:
    circuit = cirq.Circuit(cirq.depolarize(0.1).on_each(*cirq.LineQubit.range(24)))
    with pytest.raises(ValueError, match=r"density matrix of 24 qubits needs .*trajectories"):
        PQC(circuit, "Z", inputs=[], engine="density").build((None, 0))


def test_a_channel_that_is_not_trace_preserving_is_refused() -> None:
    lossy = cirq.KrausChannel([np.diag([1.0, 0.5])], validate=False)
    with pytest.raises(ValueError, match="must preserve the trace"):
        PQC(cirq.Circuit(lossy(Q[0])), "Z", inputs=[], engine="density")
    program = Program(tuple(Q[:1]), (Channel((0,), (((1.0, 0.0), (0.0, 0.5)),)),), 0)
    job = Job(program, AngleMap((), (), ()), Probabilities())
    assert "not trace-preserving" in (DensityEngine().refuses(job) or "")


def test_other_kernels_are_refused() -> None:
    with pytest.raises(ArgumentError, match="Argument `kernels` must be one of"):
        DensityEngine("fast")


def test_tiles_do_each_operation_once_and_in_order() -> None:
    rng = np.random.default_rng(5)
    compiled = compiled_noisy(noisy_circuit(rng, 8, 60), 8)
    operations = transfer.operations(compiled.program, compiled.angles)
    found = tiles(operations, 8)
    for qubit in range(8):
        before = [op.qubits for op in operations if qubit in op.qubits and len(op.qubits) > 1]
        after = [
            op.qubits
            for tile in found
            for op in tile.operations
            if qubit in op.qubits and len(op.qubits) > 1
        ]
        assert after == before
    assert len(found) < len(operations) / 2


@pytest.mark.skipif(library.unavailable() is not None, reason="the core is not built")
def test_damaged_programs_are_refused_or_run() -> None:
    rng = np.random.default_rng(0)
    compiled = compiled_noisy(noisy_circuit(rng, 4, 20), 4)
    operations = transfer.operations(compiled.program, compiled.angles)
    program = serialized(tiles(operations, 4), 4, compiled.program.n_angles, [3, 12])
    angles, values = np.zeros((3, compiled.program.n_angles)), np.zeros((3, 2))
    refused = 0
    for _ in range(3000):
        content = bytearray(program[12:])
        for _ in range(rng.integers(1, 4)):
            content[rng.integers(len(content))] = rng.integers(256)
        damaged = MAGIC + struct.pack("<II", len(content), zlib.crc32(content)) + content
        try:
            session = library.Session(bytes(damaged))
        except ValueError as error:
            refused += 1
            assert "The serialized program is not valid" in str(error)
            continue
        if session.n_qubits > 6 or session.n_inputs != angles.shape[1] or session.n_observables > 2:
            continue
        session.run(
            *("QhExpectation", "float64", 3, angles.ctypes.data, None, values.ctypes.data, None),
            *(None, 0, 0),
        )
    assert refused > 1000


@pytest.mark.skipif(library.unavailable() is not None, reason="the core is not built")
def test_a_program_on_density_matrices_has_no_states() -> None:
    session = library.Session(serialized([], 1, 0, [3]))
    state = np.zeros(4)
    with pytest.raises(ValueError, match="has no states"):
        session.run("QhState", "float64", 1, None, None, state.ctypes.data)
