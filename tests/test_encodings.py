"""Encodings prepare the states that they claim, built here by hand from matrices."""

import functools
import json
import math
import os
import sys
from pathlib import Path

import cirq
import keras
import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import sympy
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import ops

from qkeras_hybrid import PQCDense, QuantumEmbedding, encodings, engines
from qkeras_hybrid.encodings import (
    AmplitudeEncoding,
    AngleEncoding,
    BasisEncoding,
    DenseAngleEncoding,
    Encoding,
    HamiltonianEncoding,
    IQPEncoding,
    PhaseEncoding,
    ReuploadingEncoding,
    ZZEncoding,
)
from qkeras_hybrid.program import compile_circuit
from qkeras_hybrid.testing import value_and_gradients

# JAX has no float64 unless JAX_ENABLE_X64 is set. Angles are exact to 6e-8 of their size,
# which is up to 80 for the ZZ feature map's `2 (pi - x_i)(pi - x_j)`; the states are computed in
# double precision from there.
JAX = keras.backend.backend() == "jax"
DTYPE = "float32" if JAX and not os.environ.get("JAX_ENABLE_X64") else "float64"
STATE_ATOL = 2e-5 if DTYPE == "float32" else 1e-12


@keras.saving.register_keras_serializable(package="qkeras_hybrid_tests")
def own_pair(first, second):
    """A pair function of a user's own."""
    return first * (0.5 + second * second)


# Matrices, big-endian.

PAULI = {
    "X": np.array([[0, 1], [1, 0]], complex),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1.0 + 0j, -1.0]),
}
HADAMARD = np.array([[1, 1], [1, -1]]) / math.sqrt(2)


def on(n, **matrices):
    """The product of one-qubit matrices on `n` qubits; `q2=M` puts `M` on qubit 2."""
    each = [matrices.get(f"q{i}", np.eye(2)) for i in range(n)]
    return functools.reduce(np.kron, each, np.eye(1))


def string(n, paulis, *qubits):
    return on(n, **{f"q{i}": PAULI[p] for p, i in zip(paulis, qubits, strict=True)})


def turn(n, angle, paulis, *qubits):
    """`exp(-i angle P / 2)` of a Pauli string, which is its own inverse."""
    return math.cos(angle / 2) * np.eye(2**n) - 1j * math.sin(angle / 2) * string(
        n, paulis, *qubits
    )


def phase(n, angle, qubit):
    return on(n, **{f"q{qubit}": np.diag([1, np.exp(1j * angle)])})


def hadamards(n):
    return on(n, **{f"q{i}": HADAMARD for i in range(n)})


def cnot(n, control, target):
    return on(n, **{f"q{control}": np.diag([1, 0])}) + on(
        n, **{f"q{control}": np.diag([0, 1]), f"q{target}": PAULI["X"]}
    )


def cz(n, a, b):
    return np.eye(2**n) - 2 * on(n, **{f"q{a}": np.diag([0, 1]), f"q{b}": np.diag([0, 1])})


def zero(n):
    return np.eye(2**n)[0].astype(complex)


def applied(state, *steps):
    for step in steps:
        state = step @ state
    return state


# What each encoding claims: a function of the features and the number of qubits.


def angle_state(axis):
    def state(x, n):
        steps = []
        for j, value in enumerate(x):
            pauli = "XYZ"[("XYZ".index(axis) + (j // n) % 2) % 3]
            steps.append(turn(n, value, pauli, j % n))
        return applied(zero(n), *steps)

    return state


def dense_angle_state(x, n):
    """One round only, as the formula: `cos(x/2)|0> + exp(i y) sin(x/2)|1>` on each qubit."""
    x = np.append(x, [0.0] * (2 * n - len(x)))
    qubits = [
        [np.cos(polar / 2), np.exp(1j * azimuth) * np.sin(polar / 2)]
        for polar, azimuth in x.reshape(n, 2)
    ]
    return functools.reduce(np.kron, qubits)


def dense_angle_state_two_rounds(x, n):
    state = dense_angle_state(x[: 2 * n], n)
    for k, value in enumerate(x[2 * n :]):
        step = phase(n, value, k // 2) if k % 2 else turn(n, value, "Y", k // 2)
        state = step @ state
    return state


def amplitude_state(x, n, pad_with=0.0):
    padded = np.append(x, [pad_with] * (2**n - len(x)))
    return padded / np.linalg.norm(padded)


def bits_state(x, n):
    index = int("".join(str(int(b)) for b in x).ljust(n, "0"), 2)
    return np.eye(2**n)[index]


def integer_state(x, n):
    return np.eye(2**n)[int(x[0]) % 2**n]


def phase_state(x, n):
    """One round only: `(|0> + exp(i x)|1>) / sqrt(2)` on each qubit."""
    x = np.append(x, [0.0] * (n - len(x)))
    return functools.reduce(np.kron, [np.array([1, np.exp(1j * v)]) / math.sqrt(2) for v in x])


def phase_state_rounds(x, n):
    state = zero(n)
    for start in range(0, len(x), n):
        state = hadamards(n) @ state
        for qubit, value in enumerate(x[start : start + n]):
            state = phase(n, value, qubit) @ state
    return state


def iqp_state(pairs, repeats=1):
    """PennyLane's IQPEmbedding, block by block; `pairs` are those with both features there."""

    def state(x, n):
        found = zero(n)
        for start in range(0, len(x), n):
            block = x[start : start + n]
            for _ in range(repeats):
                found = hadamards(n) @ found
                for i, value in enumerate(block):
                    found = turn(n, value, "Z", i) @ found
                for i, j in pairs:
                    if max(i, j) < len(block):
                        found = turn(n, block[i] * block[j], "ZZ", i, j) @ found
        return found

    return state


def zz_state(pairs, reps=2, pair=lambda a, b: (math.pi - a) * (math.pi - b)):
    """Qiskit's zz_feature_map: Hadamards, phases, and CNOT, phase, CNOT for each pair."""

    def state(x, n):
        found = zero(n)
        for start in range(0, len(x), n):
            block = x[start : start + n]
            for _ in range(reps):
                found = hadamards(n) @ found
                for i, value in enumerate(block):
                    found = phase(n, 2 * value, i) @ found
                for i, j in pairs:
                    if max(i, j) < len(block):
                        steps = cnot(n, i, j), phase(n, 2 * pair(block[i], block[j]), j)
                        found = applied(found, *steps, cnot(n, i, j))
        return found

    return state


def heisenberg_state(start, time=1.0, trotter_steps=2):
    def state(x, n):
        found = start(n)
        for _ in range(trotter_steps):
            for j, value in enumerate(x):
                bond = sum(string(n, p + p, j, j + 1) for p in "XYZ")
                found = scipy.linalg.expm(-1j * time / trotter_steps * value * bond) @ found
        return found

    return state


def plus(n):
    return np.full(2**n, 2 ** (-n / 2), complex)


def own_terms_state(x, n):
    """`X0*X1`, `0.5*Z0 - Y1` (parts that commute) and `X0 + Z0` (parts that don't), T=3, t=0.7."""
    found = zero(n)
    for _ in range(3):
        a = 0.7 / 3 * x
        found = scipy.linalg.expm(-1j * a[0] * string(n, "XX", 0, 1)) @ found
        both = 0.5 * string(n, "Z", 0) - string(n, "Y", 1)
        found = scipy.linalg.expm(-1j * a[1] * both) @ found
        found = scipy.linalg.expm(-1j * a[2] * string(n, "X", 0)) @ found
        found = scipy.linalg.expm(-1j * a[2] * string(n, "Z", 0)) @ found
    return found


RING4 = [(3, 0), (0, 1), (1, 2), (2, 3)]
LINE4 = [(0, 1), (1, 2), (2, 3)]
FULL4 = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
FULL3 = [(0, 1), (0, 2), (1, 2)]
FULL2 = [(0, 1)]
OWN_TERMS = ("X0*X1", "0.5*Z0 - Y1", "X0 + Z0")

# encoding, number of features, number of qubits, state
STATES = [
    *[
        (AngleEncoding(axis), n_features, n, angle_state(axis))
        for axis in "XYZ"
        for n_features, n in [(1, 1), (3, 3), (2, 3), (5, 2), (6, 3), (7, 1)]
    ],
    (DenseAngleEncoding(), 2, 1, dense_angle_state),
    (DenseAngleEncoding(), 5, 3, dense_angle_state),
    (DenseAngleEncoding(), 6, 3, dense_angle_state),
    (DenseAngleEncoding(), 2, 3, dense_angle_state),
    (DenseAngleEncoding(), 7, 2, dense_angle_state_two_rounds),
    *[(AmplitudeEncoding(), 2**n, n, amplitude_state) for n in (1, 2, 3, 4, 5)],
    *[(AmplitudeEncoding(), k, n, amplitude_state) for k, n in [(1, 1), (3, 2), (5, 4), (1, 3)]],
    (AmplitudeEncoding(-0.3), 5, 3, functools.partial(amplitude_state, pad_with=-0.3)),
    (PhaseEncoding(), 1, 1, phase_state),
    (PhaseEncoding(), 3, 3, phase_state),
    (PhaseEncoding(), 2, 3, phase_state),
    (PhaseEncoding(), 7, 3, phase_state_rounds),
    (IQPEncoding(), 1, 1, iqp_state([])),
    (IQPEncoding(), 2, 2, iqp_state(FULL2)),
    (IQPEncoding(), 4, 4, iqp_state(FULL4)),
    (IQPEncoding(n_layers=3), 3, 3, iqp_state(FULL3, repeats=3)),
    (IQPEncoding(n_layers=2), 8, 3, iqp_state(FULL3, repeats=2)),
    (IQPEncoding(), 2, 3, iqp_state(FULL3)),
    (IQPEncoding(entanglement="circular"), 4, 4, iqp_state(RING4)),
    (IQPEncoding(entanglement="circular"), 7, 4, iqp_state(RING4)),
    (IQPEncoding(entanglement=[(0, 2), (3, 1)]), 4, 4, iqp_state([(0, 2), (3, 1)])),
    (IQPEncoding(entanglement=[]), 2, 2, iqp_state([])),
    (ZZEncoding(), 1, 1, zz_state([])),
    (ZZEncoding(), 2, 2, zz_state(FULL2)),
    (ZZEncoding(), 4, 4, zz_state(FULL4)),
    (ZZEncoding(n_layers=1), 3, 3, zz_state(FULL3, reps=1)),
    (ZZEncoding(n_layers=3), 5, 2, zz_state(FULL2, reps=3)),
    (ZZEncoding(entanglement="linear"), 4, 4, zz_state(LINE4)),
    (ZZEncoding(entanglement="linear"), 3, 4, zz_state(LINE4)),
    (ZZEncoding(entanglement="circular"), 4, 4, zz_state(RING4)),
    (ZZEncoding(entanglement="circular"), 2, 2, zz_state(FULL2)),
    (ZZEncoding(entanglement="pairwise"), 4, 4, zz_state([(0, 1), (2, 3), (1, 2)])),
    # The couplings commute, so that the order in which "sca" takes the ring is of no matter.
    (ZZEncoding(n_layers=3, entanglement="sca"), 4, 4, zz_state(RING4, reps=3)),
    (ZZEncoding(entanglement=[(2, 0)]), 3, 3, zz_state([(2, 0)])),
    (ZZEncoding(pair=own_pair), 3, 3, zz_state(FULL3, pair=lambda a, b: a * (0.5 + b * b))),
    (HamiltonianEncoding(start="zero"), 2, 3, heisenberg_state(zero)),
    (HamiltonianEncoding(start="plus"), 3, 4, heisenberg_state(plus)),
    (HamiltonianEncoding(start="zero"), 1, 3, heisenberg_state(zero)),
    (HamiltonianEncoding(1.7, 5, start="zero"), 3, 4, heisenberg_state(zero, 1.7, 5)),
    (HamiltonianEncoding(0.7, 3, terms=OWN_TERMS, start="zero"), 3, 2, own_terms_state),
    (HamiltonianEncoding(0.7, 3, terms=OWN_TERMS, start="zero"), 3, 3, own_terms_state),
]


def name_of(value):
    return repr(value) if isinstance(value, Encoding) else None


def tensor(values, dtype=DTYPE):
    return ops.convert_to_tensor(np.asarray(values, dtype), dtype=dtype)


def angles(encoding, features, n_qubits, dtype=DTYPE):
    return ops.convert_to_numpy(encoding.angles(tensor(features, dtype), n_qubits))


def built(encoding, n_features, n_qubits):
    """The circuit, on qubits whose order is not the sorted one, and its symbols."""
    qubits = cirq.LineQubit.range(n_qubits)[::-1]
    inputs = sympy.symbols(f"x0:{encoding.n_inputs(n_features, n_qubits)}")
    weights = sympy.symbols(f"w0:{encoding.n_weights(n_features, n_qubits)}")
    return encoding.circuit(qubits, inputs, weights), qubits, [*inputs, *weights]


def simulated(encoding, features, n_qubits, weights=(), dtype=DTYPE):
    """The state of the circuit at the angles of one sample."""
    circuit, qubits, symbols = built(encoding, len(features), n_qubits)
    values = [*angles(encoding, features, n_qubits, dtype).astype(float), *weights]
    resolved = cirq.resolve_parameters(circuit, dict(zip(symbols, values, strict=True)))
    simulator = cirq.Simulator(dtype=np.complex128)
    return simulator.simulate(resolved, qubit_order=qubits).final_state_vector


def some_features(n_features, seed=0):
    return np.random.default_rng(seed).uniform(-math.pi, math.pi, n_features)


@pytest.mark.parametrize(("encoding", "n_features", "n_qubits", "state"), STATES, ids=name_of)
def test_state_is_the_one_claimed(encoding, n_features, n_qubits, state):
    for seed in range(2):
        # The values that the encoding gets: on JAX those rounded to float32.
        x = some_features(n_features, seed).astype(DTYPE)
        found = simulated(encoding, x, n_qubits)
        # Phases and signs too, not only up to a global phase.
        np.testing.assert_allclose(found, state(x.astype(float), n_qubits), atol=STATE_ATOL)


EVERY = [
    *[case[:3] for case in STATES],
    (BasisEncoding(), 3, 3),
    (BasisEncoding(), 2, 4),
    (BasisEncoding("integer"), 1, 3),
    (HamiltonianEncoding(seed=5), 3, 4),
    (ReuploadingEncoding(), 3, 3),
    (ReuploadingEncoding(3), 5, 2),
]


@pytest.mark.parametrize(("encoding", "n_features", "n_qubits"), EVERY, ids=name_of)
def test_circuit_is_on_every_qubit_and_in_every_symbol(encoding, n_features, n_qubits):
    circuit, qubits, symbols = built(encoding, n_features, n_qubits)
    assert circuit.all_qubits() == set(qubits)
    assert cirq.parameter_symbols(circuit) == set(symbols)
    assert encoding.min_qubits(n_features) <= n_qubits
    if encoding.n_weights(n_features, n_qubits) == 0:
        # One plain parameter a gate: every engine takes that.
        assert all(len(cirq.parameter_symbols(op)) <= 1 for op in circuit.all_operations())


@pytest.mark.parametrize(("encoding", "n_features", "n_qubits"), EVERY, ids=name_of)
@pytest.mark.parametrize("dtype", sorted({"float32", DTYPE}))
def test_angles_take_any_rank_and_keep_the_dtype(encoding, n_features, n_qubits, dtype):
    n_inputs = encoding.n_inputs(n_features, n_qubits)
    x = np.round(np.random.default_rng(3).uniform(-3, 3, (2, 3, n_features)), 2)
    if isinstance(encoding, BasisEncoding):
        x = np.abs(np.round(x))
    whole = encoding.angles(tensor(x, dtype), n_qubits)
    assert keras.backend.standardize_dtype(whole.dtype) == dtype
    whole = ops.convert_to_numpy(whole)
    assert whole.shape == (2, 3, n_inputs)
    rows = angles(encoding, x.reshape(6, n_features), n_qubits, dtype)
    # Vectorised code may round the last bit in another way than that for the odd ends.
    np.testing.assert_allclose(rows.reshape(whole.shape), whole, rtol=1e-6, atol=1e-6)
    one = angles(encoding, x[1, 2], n_qubits, dtype)
    np.testing.assert_allclose(one, whole[1, 2], rtol=1e-6, atol=1e-6)
    for empty in ((0,), (0, 3), (2, 0)):
        found = angles(encoding, np.zeros((*empty, n_features)), n_qubits, dtype)
        assert found.shape == (*empty, n_inputs)


@pytest.mark.parametrize(("encoding", "n_features", "n_qubits"), EVERY, ids=name_of)
def test_angles_of_a_symbolic_batch_have_a_shape(encoding, n_features, n_qubits):
    n_inputs = encoding.n_inputs(n_features, n_qubits)
    for shape in ((n_features,), (None, n_features)):
        found = encoding.angles(keras.Input(shape), n_qubits)
        assert tuple(found.shape) == (None, *shape[:-1], n_inputs)


@pytest.mark.parametrize(("encoding", "n_features", "n_qubits"), EVERY, ids=name_of)
def test_nan_and_zero_features(encoding, n_features, n_qubits):
    x = np.ones((2, n_features))
    x[1, -1] = np.nan
    found = angles(encoding, x, n_qubits)
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).any()
    value, (slope,) = value_and_gradients(
        lambda t: encoding.angles(t, n_qubits), np.zeros((1, n_features), DTYPE)
    )
    assert np.isfinite(value).all()
    assert np.isfinite(slope).all()


@pytest.mark.skipif(DTYPE != "float64", reason="differences of float32 are too coarse")
@pytest.mark.parametrize(("encoding", "n_features", "n_qubits"), EVERY, ids=name_of)
def test_gradient_of_angles_is_their_slope(encoding, n_features, n_qubits):
    if encoding == BasisEncoding("integer"):
        pytest.skip("a whole number has no slope")
    x = some_features(n_features, seed=4)[None]
    # A weight for each angle, so that no two can be taken for one another.
    weights = np.arange(1.0, 1 + encoding.n_inputs(n_features, n_qubits))

    def total(t):
        return ops.sum(encoding.angles(t, n_qubits) * tensor(weights), axis=-1)

    _, (found,) = value_and_gradients(total, x)
    step = 1e-6
    slopes = [
        ops.convert_to_numpy(total(tensor(x + d)) - total(tensor(x - d)))[0] / (2 * step)
        for d in step * np.eye(n_features)
    ]
    # Central differences: rounding 1e-16 / 1e-6 of sums up to 1e3, curvature 1e-12 of slopes.
    np.testing.assert_allclose(found[0], slopes, rtol=1e-6, atol=1e-6)


# Angle, dense angle, phase.


@given(
    x=hnp.arrays(np.float64, st.integers(1, 9), elements=st.floats(-7, 7)),
    n_qubits=st.integers(1, 4),
    axis=st.sampled_from("XYZ"),
)
def test_angle_rounds_hold_for_any_width(x, n_qubits, axis):
    x = x.astype(DTYPE)
    found = simulated(AngleEncoding(axis), x, n_qubits)
    expected = angle_state(axis)(x.astype(float), n_qubits)
    np.testing.assert_allclose(found, expected, atol=STATE_ATOL)


def test_features_of_two_rounds_are_not_merged_into_a_sum():
    for axis in "XY":
        one = simulated(AngleEncoding(axis), [0.5, 1.0], 1)
        other = simulated(AngleEncoding(axis), [1.0, 0.5], 1)
        assert abs(np.vdot(one, other)) < 0.999


def test_a_first_round_about_z_is_a_phase_only():
    found = simulated(AngleEncoding("Z"), [0.3, -2.0], 2)
    np.testing.assert_allclose(np.abs(found), [1, 0, 0, 0], atol=1e-7)


# Amplitude.

AMPLITUDES = st.integers(1, 5).flatmap(
    lambda n: st.tuples(
        st.just(n),
        hnp.arrays(
            np.float32,
            st.integers(1, 2**n),
            elements=st.floats(-1000, 1000, width=32, allow_subnormal=False),
        ),
    )
)


@given(AMPLITUDES)
@example((3, np.array([0, 0, 0, 0, 0, 0, 0, -1], "float32")))
@example((2, np.array([-1, 0, 0, 0], "float32")))
@example((2, np.array([-1, -1, -1, -1], "float32")))
@example((2, np.array([0, -0.0, 0, -3], "float32")))
@example((1, np.array([0, -1], "float32")))
@example((2, np.array([3e38, -3e38, 3e38, 1], "float32")))
@example((2, np.array([2e-38, -2e-38, 0, 4e-38], "float32")))
@example((3, np.array([1e-30, 1e30, 1, -1e-3, 0, 0, 0, 1e29], "float32")))
def test_amplitudes_are_right_to_1e_6_in_float32(case):
    n, x = case
    exact = x.astype(float)
    if np.any(exact):
        exact = exact / np.abs(exact).max()
        expected = amplitude_state(exact, n)
    else:
        expected = zero(n)
    found = simulated(AmplitudeEncoding(), x, n, dtype="float32")
    # The sign counts: the state itself is compared, not the one up to a phase.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_many_amplitudes_are_right_to_1e_6_in_float32():
    for n, seed in [(6, 0), (8, 1)]:
        x = np.random.default_rng(seed).normal(size=2**n).astype("float32")
        x[::3] = 0
        found = simulated(AmplitudeEncoding(), x, n, dtype="float32")
        np.testing.assert_allclose(found, amplitude_state(x.astype(float), n), atol=1e-6)


def test_amplitude_circuit_is_plain_rotations_and_cnots():
    for n in (1, 2, 3, 5):
        circuit, _, _ = built(AmplitudeEncoding(), 2**n, n)
        gates = [op.gate for op in circuit.all_operations()]
        assert sum(isinstance(gate, cirq.Ry) for gate in gates) == 2**n - 1
        assert sum(gate == cirq.CNOT for gate in gates) == (2**n - 2 if n > 1 else 0)
        assert len(gates) == 2**n - 1 + (2**n - 2 if n > 1 else 0)


@pytest.mark.parametrize(
    "x",
    [
        [0.3, -1.2, 0.7, 2.0, -0.1, 0.6, 1.0, -0.4],
        [0.3, -1.2, 0.7, 2.0, 0.0],  # a branch without amplitude
        [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, -2.0, 0.0, 0.0, 0.0, 0.0],
        [1e-3, 2e-3, 0.0, 0.0, 1e-3, 0.0, 0.0, 1e-3],
    ],
)
def test_gradient_of_amplitudes_through_the_state(x):
    """`<Z_0> = sum_k s_k x_k^2 / |x|^2`, with the slope `2 x_k (s_k - <Z_0>) / |x|^2`."""
    x, n = np.array([x], "float32"), 3
    encoding = AmplitudeEncoding()
    circuit, qubits, symbols = built(encoding, x.shape[1], n)
    observable = cirq.Z(qubits[0])
    compiled = compile_circuit(circuit, observable, inputs=symbols, qubits=qubits)
    value, (slope,) = value_and_gradients(
        lambda t: engines.get("statevector").expectation(compiled, encoding.angles(t, n)), x
    )
    exact = x[0].astype(float)
    signs = np.array([1, 1, 1, 1, -1, -1, -1, -1])[: x.shape[1]]
    square = np.sum(exact**2)
    z = np.sum(signs * exact**2) / square
    np.testing.assert_allclose(value, [[z]], atol=2e-6)
    expected = 2 * exact * (signs - z) / square
    # float32, in units of the largest slope that a vector of this length can have.
    np.testing.assert_allclose(slope[0], expected, atol=5e-6 / math.sqrt(square))


def test_zero_vector_is_the_zero_state():
    np.testing.assert_array_equal(simulated(AmplitudeEncoding(), np.zeros(4), 2), zero(2))


def test_one_bad_sample_leaves_the_others_alone():
    x = np.array([[1.0, 2.0, 3.0], [np.nan, 1.0, 0.0], [0.0, 0.0, 0.0], [np.inf, 0.0, 1.0]])
    found = angles(AmplitudeEncoding(), x, 2)
    assert np.isnan(found[[1, 3]]).any(axis=1).all()
    # The elementary functions of several numbers at once may round the last bit otherwise.
    alone = angles(AmplitudeEncoding(), x[:1], 2)[0]
    np.testing.assert_array_max_ulp(found[0], alone, maxulp=2)
    np.testing.assert_array_equal(found[2], 0.0)


# Basis.


@given(st.lists(st.integers(0, 1), min_size=1, max_size=6), st.integers(0, 2))
def test_bits_are_the_basis_state(bits, spare):
    n = len(bits) + spare
    # Exact but for the rounding of `exp(i pi)`: no phase is left over.
    found = simulated(BasisEncoding(), bits, n, dtype="float32")
    np.testing.assert_allclose(found, bits_state(bits, n), atol=1e-12)


@given(st.integers(1, 5), st.integers(-100, 2**20))
@example(5, 31)
@example(1, -1)
def test_an_integer_is_the_basis_state_of_its_number(n, number):
    found = simulated(BasisEncoding("integer"), [number], n, dtype="float32")
    np.testing.assert_allclose(found, integer_state([number], n), atol=1e-12)


def test_an_integer_a_rounding_off_is_the_same_integer():
    for near in (5.9999995, 6.0000005):
        np.testing.assert_array_equal(angles(BasisEncoding("integer"), [near], 3), [1, 1, 0])


@pytest.mark.skipif(DTYPE != "float64", reason="float32 holds whole numbers up to 2**24 only")
def test_integers_beyond_float32_are_exact_in_float64():
    number = 2**40 + 5
    bits = angles(BasisEncoding("integer"), [number], 42)
    assert "".join(str(int(bit)) for bit in bits) == f"{number:042b}"


# Hamiltonian evolution.


def test_random_start_is_a_seeded_product_state_that_evolves_as_claimed():
    encoding = HamiltonianEncoding(time=1.3, trotter_steps=4, seed=11)
    x = some_features(3).astype(DTYPE)
    start = simulated(encoding, np.zeros(3), 4)
    for qubit in range(4):
        # Pure on each qubit alone: a product.
        matrix = np.moveaxis(start.reshape([2] * 4), qubit, 0).reshape(2, 8)
        assert np.linalg.svd(matrix, compute_uv=False)[0] == pytest.approx(1.0, abs=1e-12)
    evolved = heisenberg_state(lambda n: start, 1.3, 4)(x.astype(float), 4)
    np.testing.assert_allclose(simulated(encoding, x, 4), evolved, atol=STATE_ATOL)
    again = HamiltonianEncoding.from_config(encoding.get_config())
    np.testing.assert_array_equal(simulated(again, x, 4), simulated(encoding, x, 4))
    other = HamiltonianEncoding(time=1.3, trotter_steps=4, seed=12)
    assert abs(np.vdot(simulated(other, np.zeros(3), 4), start)) < 0.999


def test_random_start_is_haar_random():
    """For Haar-random qubits, the Bloch vector's coordinates are uniform on [-1, 1]."""
    circuit, _, _ = built(HamiltonianEncoding(seed=1), 1, 400)
    states = [
        op.gate._matrix[:, 0]
        for op in circuit.all_operations()
        if isinstance(op.gate, cirq.MatrixGate)
    ]
    assert len(states) == 400
    for pauli in "XYZ":
        values = [np.vdot(state, PAULI[pauli] @ state).real for state in states]
        assert scipy.stats.kstest(values, scipy.stats.uniform(-1, 2).cdf).pvalue > 0.01


def test_terms_of_cirq_are_the_spelled_ones():
    a, b, c = cirq.LineQubit.range(3)
    terms = [
        cirq.X(a) * cirq.X(b),
        0.5 * cirq.Z(a) - 1e-7 * cirq.Y(c) * cirq.Z(b) + 2,
        cirq.Z(a),
        cirq.PauliSum(),
    ]
    encoding = HamiltonianEncoding(terms=terms, start="plus")
    spelled = HamiltonianEncoding(
        terms=["X0*X1", "0.5*Z0 - 1e-7*Z1*Y2 + 2", "Z0", "0"], start="plus"
    )
    x = some_features(4)
    np.testing.assert_allclose(simulated(encoding, x, 3), simulated(spelled, x, 3), atol=1e-12)
    assert HamiltonianEncoding.from_config(json.loads(json.dumps(encoding.get_config()))) == (
        encoding
    )


def test_terms_say_how_many_qubits_they_need():
    assert HamiltonianEncoding(terms=["X0", "Z3*X1"]).min_qubits(2) == 4
    assert HamiltonianEncoding(terms=["X Y Z"]).min_qubits(1) == 3
    assert HamiltonianEncoding().min_qubits(5) == 6
    layer = PQCDense(2, encoding=HamiltonianEncoding(terms=["X0*X3"]))
    assert layer(np.ones((1, 1), "float32")).shape == (1, 2)
    assert layer.program.n_qubits == 4


# Re-uploading.


def reuploading_state(x, n, weights, n_layers):
    following, found = iter(weights), zero(n)
    for layer in range(n_layers):
        for start in range(0, len(x), n):
            for qubit, value in enumerate(x[start : start + n]):
                scale, shift = next(following), next(following)
                found = turn(n, (1 + scale) * value + shift, "Y", qubit) @ found
            for qubit in range(n):
                found = turn(n, next(following), "Z", qubit) @ found
        if layer < n_layers - 1:
            ring = {1: [], 2: [(0, 1)], 3: [(0, 1), (1, 2), (2, 0)]}[n]
            found = applied(found, *[cz(n, *pair) for pair in ring])
    assert next(following, None) is None
    return found


@pytest.mark.parametrize(
    ("n_features", "n_qubits", "n_layers"),
    [(1, 1, 1), (3, 1, 2), (2, 2, 3), (3, 3, 2), (2, 3, 2), (5, 2, 2), (7, 3, 1)],
)
def test_reuploading_scales_and_shifts_in_the_order_documented(n_features, n_qubits, n_layers):
    encoding = ReuploadingEncoding(n_layers)
    x = some_features(n_features).astype(DTYPE)
    count = encoding.n_weights(n_features, n_qubits)
    weights = np.random.default_rng(1).normal(size=count)
    found = simulated(encoding, x, n_qubits, weights)
    expected = reuploading_state(x.astype(float), n_qubits, weights, n_layers)
    np.testing.assert_allclose(found, expected, atol=STATE_ATOL)


def test_reuploading_without_weights_set_uploads_the_features_as_they_are():
    x = some_features(2).astype(DTYPE)
    found = simulated(ReuploadingEncoding(1), x, 2, np.zeros(6))
    expected = applied(zero(2), turn(2, x[0], "Y", 0), turn(2, x[1], "Y", 1))
    np.testing.assert_allclose(found, expected, atol=STATE_ATOL)


# Pairs of features.


def test_pair_function_of_ones_own_is_saved_with_the_model(tmp_path):
    model = keras.Sequential(
        [
            keras.Input((3,)),
            QuantumEmbedding(3, encoding=ZZEncoding(pair=own_pair), engine="statevector"),
        ]
    )
    x = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
    before = model.predict(x, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    assert loaded.layers[0].encoding.pair is own_pair
    np.testing.assert_allclose(loaded.predict(x, verbose=0), before, atol=1e-6)
    plain = QuantumEmbedding(3, encoding="zz", engine="statevector")
    assert np.abs(ops.convert_to_numpy(plain(x)) - before).max() > 1e-3


# The registry and configs.

CONFIGURED = [
    AngleEncoding("Z"),
    DenseAngleEncoding(),
    AmplitudeEncoding(pad_with=0.25),
    BasisEncoding(kind="integer"),
    PhaseEncoding(),
    IQPEncoding(n_layers=3, entanglement=[(0, 2), [1, 2]]),
    ZZEncoding(n_layers=1, entanglement="sca", pair=own_pair),
    HamiltonianEncoding(0.5, 7, ["X0", "Z1 + Y0"], "plus", 3),
    ReuploadingEncoding(n_layers=4),
]


OLD_NAMES = [(IQPEncoding, "n_repeats"), (ZZEncoding, "reps")]


@pytest.mark.parametrize(("kind", "old"), OLD_NAMES)
def test_an_old_name_of_n_layers_works_and_warns(kind, old):
    with pytest.warns(DeprecationWarning, match=f"`{old}` of {kind.__name__} is now called"):
        assert kind(**{old: 3}) == kind(n_layers=3)
    with pytest.raises(ValueError, match=f"must be given once, without its old name `{old}`"):
        kind(n_layers=3, **{old: 3})


@pytest.mark.parametrize(("kind", "old"), OLD_NAMES)
def test_a_config_with_the_old_name_of_n_layers_is_read_in_silence(kind, old, recwarn):
    new = kind(n_layers=3, entanglement="linear")
    saved = {old if key == "n_layers" else key: v for key, v in new.get_config().items()}
    assert kind.from_config(saved) == new
    layer = {**keras.saving.serialize_keras_object(new), "config": saved}
    assert encodings.get(layer) == new
    assert not [w for w in recwarn if issubclass(w.category, DeprecationWarning)]


def test_names_are_those_of_the_classes():
    tested = tuple(encoding.name for encoding in CONFIGURED)
    assert encodings.names()[: len(tested)] == tested
    for name in encodings.names()[len(tested) :]:
        assert Path(__file__).with_name(f"test_{name}_encoding.py").exists()
    for encoding in CONFIGURED:
        assert type(encodings.get(encoding.name)) is type(encoding)
        assert encodings.get(encoding) is encoding


@pytest.mark.parametrize("encoding", CONFIGURED, ids=name_of)
def test_config_comes_back_from_json(encoding):
    default = encodings.get(encoding.name)
    for each in (encoding, default):
        config = json.loads(json.dumps(each.get_config()))
        again = type(each).from_config(config)
        assert again == each
        assert hash(again) == hash(each)
        assert again.get_config() == each.get_config()
        serialized = json.loads(json.dumps(keras.saving.serialize_keras_object(each)))
        assert serialized["registered_name"] == f"qkeras_hybrid>{type(each).__name__}"
        assert encodings.get(serialized) == each
        assert type(each).__name__ in repr(each)
    if encoding.get_config():
        # Every argument was given another value than its default above, and each one counts.
        changed = [k for k, v in encoding.get_config().items() if default.get_config()[k] != v]
        assert changed == list(encoding.get_config())
        for key, value in encoding.get_config().items():
            config = {**default.get_config(), key: value}
            assert type(encoding).from_config(config) != default


def test_numpy_numbers_are_numbers():
    assert AmplitudeEncoding(np.float32(0.5)) == AmplitudeEncoding(0.5)
    encoding = HamiltonianEncoding(np.float32(0.5), np.int64(3), seed=np.int64(2))
    assert encoding == HamiltonianEncoding(0.5, 3, seed=2)
    json.dumps(encoding.get_config())


def test_encodings_of_two_classes_differ():
    assert len(set(CONFIGURED)) == len(CONFIGURED)
    assert DenseAngleEncoding() != PhaseEncoding()

    class Mine(AngleEncoding):
        pass

    assert Mine() != AngleEncoding()
    assert AngleEncoding() != Mine()


def test_fewest_qubits():
    assert [AmplitudeEncoding().min_qubits(k) for k in (1, 2, 3, 4, 5, 8, 9, 1025)] == [
        *(1, 1, 2, 2, 3, 3, 4, 11)
    ]
    assert BasisEncoding().min_qubits(5) == 5
    assert BasisEncoding("integer").min_qubits(1) == 1
    for name in ("angle", "dense_angle", "phase", "iqp", "zz", "reuploading"):
        assert encodings.get(name).min_qubits(50) == 1


# Bad input.

FOREIGN = cirq.X(cirq.GridQubit(0, 0))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: encodings.get("angel"), "`encoding` must be one of 'angle', .*'reuploading'.*got"),
        (lambda: encodings.get(None), "name or an Encoding, but got None"),
        (lambda: encodings.get(AngleEncoding), "name or an Encoding"),
        (
            lambda: encodings.get(keras.saving.serialize_keras_object(keras.layers.Dense(3))),
            "name or an Encoding",
        ),
        (lambda: AngleEncoding("W"), "`axis` must be one of 'X', 'Y', 'Z', but got 'W'"),
        (lambda: AmplitudeEncoding(math.nan), "`pad_with` must be a finite number, but got nan"),
        (lambda: AmplitudeEncoding("0"), "`pad_with` must be a finite number"),
        (lambda: BasisEncoding("gray"), "`kind` must be one of 'bits', 'integer', but got 'gray'"),
        (lambda: IQPEncoding(n_layers=0), "`n_layers` must be .*at least 1, but got 0"),
        (lambda: IQPEncoding(entanglement="star"), "`entanglement` must be one of 'full'.*'star'"),
        (lambda: IQPEncoding(entanglement=[(1, 1)]), "two different qubit indices"),
        (lambda: ZZEncoding(n_layers=1.5), "`n_layers` must be .*whole number.*1.5"),
        (lambda: ZZEncoding(pair=3), "`pair` must be a function of two tensors, but got 3"),
        (lambda: HamiltonianEncoding(time=math.inf), "`time` must be a finite number"),
        (lambda: HamiltonianEncoding(trotter_steps=0), "`trotter_steps` must be"),
        (lambda: HamiltonianEncoding(start="minus"), "`start` must be one of 'random', 'plus'"),
        (lambda: HamiltonianEncoding(seed=None), "`seed` must be .*but got None.*saved"),
        (lambda: HamiltonianEncoding(seed=-1), "`seed` must be .*at least 0, but got -1"),
        (lambda: HamiltonianEncoding(terms="X0"), "`terms` must be a list.*'X0'"),
        (lambda: HamiltonianEncoding(terms=[]), "`terms` must be a list"),
        (lambda: HamiltonianEncoding(terms=5), "`terms` must be a list"),
        (lambda: HamiltonianEncoding(terms=["X0*"]), "readable.*X0"),
        (lambda: HamiltonianEncoding(terms=[3]), "`terms` must hold"),
        (lambda: HamiltonianEncoding(terms=[FOREIGN]), "`terms` must hold .*line qubits"),
        (lambda: HamiltonianEncoding(terms=[1j * cirq.X(cirq.LineQubit(0))]), "Hermitian"),
        (lambda: ReuploadingEncoding(0), "`n_layers` must be .*but got 0"),
    ],
)
def test_bad_arguments_are_refused(make, words):
    with pytest.raises(ValueError, match=f"(?s){words}"):
        make()


@pytest.mark.parametrize(
    ("encoding", "n_features", "n_qubits", "words"),
    [
        (AmplitudeEncoding(), 9, 3, "at most 8 on 3 qubits, but got 9.*need 4 qubits"),
        (BasisEncoding(), 4, 3, "at most 3, one bit for each qubit, but got 4.*need 4 qubits"),
        (BasisEncoding("integer"), 2, 3, 'be 1, a whole number, but got 2.*kind="bits"'),
        (HamiltonianEncoding(), 3, 3, "at most 2 on 3 qubits, but got 3.*use 4 qubits"),
        (HamiltonianEncoding(terms=["X0"]), 2, 3, "be 1, one for each term, but got 2.*Dense"),
    ],
)
def test_widths_that_do_not_fit_are_refused(encoding, n_features, n_qubits, words):
    with pytest.raises(ValueError, match=f"`features` must {words}|`features` must be {words}"):
        encoding.n_inputs(n_features, n_qubits)
    with pytest.raises(ValueError, match=words):
        angles(encoding, np.ones((1, n_features)), n_qubits)
    # In a layer at once, when it is built.
    with pytest.raises(ValueError, match=str(n_features)):
        QuantumEmbedding(n_qubits, encoding=encoding).build((None, n_features))


def test_pairs_and_terms_beyond_the_qubits_are_refused():
    symbols = sympy.symbols("x0:3")
    with pytest.raises(ValueError, match="`entanglement` must name qubits 0 to 1 only"):
        IQPEncoding(entanglement=[(0, 3)]).circuit(cirq.LineQubit.range(2), symbols)
    with pytest.raises(ValueError, match="name qubits 0 to 1 only"):
        HamiltonianEncoding(terms=["X5"]).circuit(cirq.LineQubit.range(2), symbols[:1])
    with pytest.raises(ValueError, match=r"one observable for each feature.*Write indices"):
        HamiltonianEncoding(terms=["ZZ"]).circuit(cirq.LineQubit.range(3), symbols[:1])


def calls_of(function):
    """Counts the calls, to functions in Python and in C, that one call makes."""
    count = 0

    def add(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(add)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("encoding", ["angle", "iqp"])
def test_work_to_build_a_layer_grows_in_proportion_to_the_features(encoding):
    def build(n_features):
        PQCDense(2, n_qubits=4, encoding=encoding, engine="statevector").build((None, n_features))

    build(10)  # imports, and fills caches
    few, many = (calls_of(lambda n=n: build(n)) for n in (200, 600))
    # Three times the features are three times the work, but for the constant part and the last,
    # broken round; work in proportion to the square would tend to nine times.
    assert many < 3.3 * few


def test_work_to_compile_grows_in_proportion_to_the_symbols():
    def compile_rotations(n):
        symbols = [sympy.Symbol(f"s{i}") for i in range(n)]
        circuit = cirq.Circuit(cirq.rx(symbol)(cirq.q(0)) for symbol in symbols)
        compile_circuit(circuit, "Z", inputs=symbols[: n // 2])

    compile_rotations(10)
    few, many = (calls_of(lambda n=n: compile_rotations(n)) for n in (200, 600))
    assert many < 3.3 * few
