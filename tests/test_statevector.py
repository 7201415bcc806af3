"""What the portable engine makes of a circuit: few operations, and the same numbers."""

import logging

import cirq
import keras
import numpy as np
import pytest
import sympy
from keras import ops

from qkeras_hybrid import engines
from qkeras_hybrid.engines.statevector import checkpoints, products
from qkeras_hybrid.engines.statevector.gates import gates
from qkeras_hybrid.engines.statevector.levels import Levels
from qkeras_hybrid.program import compile_circuit
from qkeras_hybrid.readouts import State
from qkeras_hybrid.testing import (
    random_circuit,
    reference_expectation,
    value_and_gradients,
)

TENSORFLOW = keras.backend.backend() == "tensorflow"
ENGINE = engines.StatevectorEngine()
A, B, C = sympy.symbols("a b c")


def layers(n, n_layers, entangle):
    """Inputs in `rx`, then layers of `ry rz` and entangling gates, each with its own weight."""
    qubits = cirq.LineQubit.range(n)
    inputs, weights = sympy.symbols(f"x0:{n}"), sympy.symbols(f"w0:{2 * n * n_layers}")
    left = iter(weights)
    circuit = cirq.Circuit(cirq.rx(x)(q) for x, q in zip(inputs, qubits, strict=True))
    for _ in range(n_layers):
        for q in qubits:
            circuit += [cirq.ry(next(left))(q), cirq.rz(next(left))(q)]
        circuit += [entangle(q, qubits[(i + 1) % n]) for i, q in enumerate(qubits)]
    return compile_circuit(circuit, "Z", inputs=inputs, weights=weights)


def levels_of(circuit, **symbols):
    compiled = compile_circuit(circuit, "Z", **symbols)
    program = compiled.program
    return Levels(gates(program.instructions, compiled.angles.affine.rows), program.n_qubits).levels


def state_of(circuit, x=0.3, dtype="float64"):
    names = [name for name in ("a",) if name in cirq.parameter_names(circuit)]
    compiled = compile_circuit(circuit, inputs=names).reading(State())
    inputs = ops.convert_to_tensor(np.full((1, len(names)), x), dtype=dtype)
    return ops.convert_to_numpy(ENGINE.state(compiled, inputs, ops.zeros((0,), dtype=dtype)))[0]


def exact_state(circuit, x=0.3):
    resolved = cirq.resolve_parameters(circuit, {"a": x})
    return cirq.Simulator(dtype=np.complex128).simulate(resolved).final_state_vector


def test_a_layer_is_two_levels_whatever_its_order():
    q = cirq.LineQubit.range(5)
    turns = [cirq.ry(0.1 * k + B)(qubit) for k, qubit in enumerate(q)]
    rings = [cirq.CZ(qubit, q[(k + 1) % 5]) for k, qubit in enumerate(q)]
    again = [cirq.ry(0.3 + C)(qubit) for qubit in q]
    found = levels_of(cirq.Circuit(turns, rings, again), weights=["b", "c"])
    assert [len(level.chains) for level in found] == [5, 0, 5]
    assert [len(level.phases) for level in found] == [0, 5, 0]


def test_rotations_about_z_join_the_phases_beside_them():
    q = cirq.LineQubit.range(2)
    circuit = cirq.Circuit(cirq.H.on_each(*q), cirq.CZ(*q))
    circuit += [g(B)(qubit) for qubit in q for g in (cirq.rz, cirq.ry, cirq.rz)] + [cirq.CZ(*q)]
    found = levels_of(circuit, weights=["b"])
    assert [len(level.phases) for level in found] == [0, 3, 0, 3]
    assert all(f.is_real for chain in found[2].chains.values() for f in chain)


def test_fixed_gates_on_few_qubits_are_one_matrix():
    q = cirq.LineQubit.range(4)
    chain = [cirq.CX(q[0], q[1]), cirq.CX(q[1], q[2]), cirq.CX(q[2], q[3]), cirq.CX(q[3], q[0])]
    (level,) = (level for level in levels_of(cirq.Circuit(chain)) if level.blocks)
    assert [block.matrix.shape for block in level.blocks] == [(16, 16)]


def test_phases_before_a_measurement_are_not_computed():
    q = cirq.LineQubit.range(2)
    last = [cirq.rz(B)(q[0]), cirq.CZ(*q) ** B]
    compiled = compile_circuit(cirq.Circuit(cirq.ry(A)(q[0]), last), "Z", inputs=["a"])
    values, (grad_x, grad_w) = value_and_gradients(
        ENGINE.prepare(compiled.job()), np.array([[0.4]], "float32"), np.array([0.7], "float32")
    )
    np.testing.assert_allclose(values, [[np.cos(0.4), 1.0]], atol=1e-6)
    np.testing.assert_allclose(grad_x, [[-np.sin(0.4)]], atol=1e-6)
    # Not nearly zero: nothing depends on it. But a number, which optimizers want.
    np.testing.assert_array_equal(grad_w, [0.0])


@pytest.mark.parametrize("angle", ["a", 0.4], ids=["input", "constant"])
@pytest.mark.parametrize("paulis", ["XX", "YZ", "XYZ", "YY"])
def test_rotations_about_strings_are_phases_in_another_basis(paulis, angle):
    q = cirq.LineQubit.range(4)
    string = cirq.PauliString({q[k]: getattr(cirq, p) for k, p in enumerate(paulis)})
    exponent = sympy.Symbol(angle) if isinstance(angle, str) else angle
    circuit = cirq.Circuit(
        [cirq.ry(0.3 + k)(qubit) for k, qubit in enumerate(q)],
        cirq.PauliStringPhasor(string, exponent_neg=exponent),
        cirq.CX(q[3], q[0]),
    )
    np.testing.assert_allclose(state_of(circuit), exact_state(circuit), atol=1e-12)


def test_inputs_may_come_again_after_the_first_layer():
    q = cirq.LineQubit.range(3)
    uploads = [g(A)(qubit) for g, qubit in zip((cirq.rx, cirq.ry, cirq.rz), q, strict=True)]
    mix = [cirq.CX(q[0], q[1]), cirq.CZ(q[1], q[2]), cirq.H(q[0]), cirq.T(q[2])]
    circuit = cirq.Circuit(uploads, mix, uploads, mix, uploads, cirq.CX(q[2], q[0]))
    np.testing.assert_allclose(state_of(circuit), exact_state(circuit), atol=1e-12)


def test_fixed_phases_of_many_qubits_are_exact_signs():
    # Above 12 qubits fixed phases are summed where they are used, in units of pi.
    q = cirq.LineQubit.range(13)
    ring = [cirq.CZ(qubit, q[(k + 1) % 13]) for k, qubit in enumerate(q)]
    circuit = cirq.Circuit(cirq.H.on_each(*q), ring, cirq.S.on_each(*q[:5]))
    found = state_of(circuit, dtype="float32")
    # complex64 carries 6e-8 of amplitudes of 1/90.
    np.testing.assert_allclose(found, exact_state(circuit), atol=3e-9)


@pytest.mark.parametrize("n", [4, 8, 13])
def test_the_standard_circuit_matches_cirq_in_double_precision(n):
    compiled = layers(n, 2, cirq.CX if n == 8 else cirq.CZ)
    rng = np.random.default_rng(n)
    x, w = rng.uniform(0, 3, (2, n)), rng.uniform(0, 3, len(compiled.weights))
    tensors = [ops.convert_to_tensor(v, dtype="float64") for v in (x, w)]
    found = ops.convert_to_numpy(ENGINE.expectation(compiled, *tensors))
    names = [str(s) for s in (*compiled.inputs, *compiled.weights)]
    observables = [cirq.PauliSum.from_pauli_strings([cirq.Z(q) * 1.0]) for q in compiled.qubits]
    for row, values in zip(x, found, strict=True):
        given = dict(zip(names, [*row.tolist(), *w.tolist()], strict=True))
        exact = reference_expectation(compiled.circuit, observables, given, compiled.qubits)
        np.testing.assert_allclose(values, exact, atol=1e-10)


def test_products_may_be_sums_where_a_device_would_round_them(monkeypatch):
    circuit = random_circuit(np.random.default_rng(3), 5, 20)
    compiled = compile_circuit(circuit, "Z", inputs=["a", "b"], weights=["c", "d"])
    x, w = np.array([[0.3, 1.2], [0.7, -0.4]], "float32"), np.array([0.2, -0.9], "float32")
    plain, slopes = value_and_gradients(ENGINE.prepare(compiled.job()), x, w)
    monkeypatch.setattr(products, "rounds_products", lambda: True)
    summed, same = value_and_gradients(ENGINE.prepare(compiled.job()), x, w)
    # Both in complex64, a gate 6e-8.
    np.testing.assert_allclose(summed, plain, atol=3e-6)
    for one, other in zip(same, slopes, strict=True):
        np.testing.assert_allclose(one, other, atol=3e-5)


@pytest.mark.skipif(not TENSORFLOW, reason="counts TensorFlow's operations")
def test_the_graph_grows_with_layers_and_not_with_qubits():
    import tensorflow as tf

    def operations(n):
        run = ENGINE.prepare(layers(n, 3, cirq.CZ).job())
        signature = [tf.TensorSpec((None, n)), tf.TensorSpec((6 * n,))]
        graph = tf.function(run, signature, autograph=False).get_concrete_function().graph
        return len(graph.get_operations())

    # Three products for twelve qubits instead of one for four, in each layer but the first; and
    # two more levels of the product state. Gate by gate there were three times as many gates.
    assert operations(12) < 2 * operations(4)


def test_a_bad_sample_spoils_itself_alone():
    compiled = layers(4, 2, cirq.CX)
    x = np.random.default_rng(0).uniform(0, 3, (3, 4)).astype("float32")
    w = np.linspace(0, 2, len(compiled.weights)).astype("float32")
    clean, _ = value_and_gradients(ENGINE.prepare(compiled.job()), x, w)
    x[1, 2] = np.nan
    found, (slopes, _) = value_and_gradients(ENGINE.prepare(compiled.job()), x, w)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[[0, 2]], clean[[0, 2]], atol=1e-6)
    assert np.isfinite(slopes[[0, 2]]).all()


@pytest.mark.parametrize("readout", [None, State()])
def test_no_derivative_warns_of_a_dropped_imaginary_part(readout, caplog):
    compiled = layers(4, 2, cirq.CZ)
    compiled = compiled if readout is None else compiled.reading(readout)
    run = ENGINE.prepare(compiled.job())

    def real(x, w):
        values = run(x, w)
        return ops.real(values) + ops.imag(values) if readout else values

    # TensorFlow logs it past the root logger, unless that logger passes it on.
    with caplog.at_level("WARNING"):
        logger = logging.getLogger("tensorflow")
        before, logger.propagate = logger.propagate, True
        try:
            value_and_gradients(real, np.ones((2, 4), "float32"), np.ones(16, "float32"))
        finally:
            logger.propagate = before
    assert "imaginary" not in caplog.text


@pytest.mark.parametrize("entangle", [cirq.CZ, cirq.CX])
@pytest.mark.parametrize("readout", [None, State()])
def test_checkpointed_gradients_are_those_of_kept_states(entangle, readout):
    compiled = layers(5, 6, entangle)
    compiled = compiled if readout is None else compiled.reading(readout)
    x = np.random.default_rng(0).uniform(0, 3, (3, 5))
    w = np.linspace(0, 2, len(compiled.weights))
    dtype = "float64" if TENSORFLOW else "float32"
    results = []
    for checkpoint in (False, True):
        engine = engines.StatevectorEngine(checkpoint=checkpoint)
        run = engine.prepare(compiled.job(dtype))

        def real(x, w, run=run):
            values = run(x, w)
            return ops.real(values) - ops.imag(values) if readout else values

        value, slopes = value_and_gradients(real, x.astype(dtype), w.astype(dtype))
        results.append((value, *slopes))
    for kept, anew in zip(*results, strict=True):
        # The same operations; compilers may round them otherwise.
        np.testing.assert_allclose(anew, kept, atol=1e-12 if TENSORFLOW else 1e-5)


def test_checkpoints_hold_few_states():
    # 100 steps: a state for each of 10 segments, and the 10 of the one that is run again.
    assert [checkpoints.states_kept(n) for n in (0, 1, 2, 100)] == [0, 1, 2, 20]


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch says what it keeps")
def test_checkpoints_save_memory_for_many_qubits():
    import torch

    compiled = layers(checkpoints.FIRST_QUBITS, 8, cirq.CZ)
    x, w = torch.zeros((2, 14)), torch.zeros(len(compiled.weights), requires_grad=True)
    taken = []
    for checkpoint in (None, False):
        run = engines.StatevectorEngine(checkpoint=checkpoint).prepare(compiled.job())
        kept = {}  # by address, as several operations may keep one tensor

        def keep(tensor, kept=kept):
            kept[tensor.data_ptr()] = tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            run(x, w).sum()
        taken.append(sum(kept.values()))
    assert taken[0] < 0.5 * taken[1]


def test_checkpoint_must_be_a_truth_value():
    with pytest.raises(ValueError, match=r"Argument `checkpoint` must be True, False or None.*3"):
        engines.StatevectorEngine(checkpoint=3)
