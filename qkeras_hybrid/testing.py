"""Contracts that anyone's layer or engine can be held to: call these from a test.

`run_layer_test` puts a layer through what Keras users do with layers; `assert_engine_conforms`
compares an engine with `cirq.Simulator` in double precision, values and gradients.
"""

from __future__ import annotations

import json
import pathlib
import tempfile
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.engines import Engine
from qkeras_hybrid.program import compile_circuit

if TYPE_CHECKING:
    import cirq
    import sympy
else:
    cirq = lazy_module("cirq")
    sympy = lazy_module("sympy")


def value_and_gradients(
    function: Callable[..., Any], *arrays: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Differentiates a function of tensors on whichever Keras backend is set.

    Args:
        function: Maps tensors to a tensor.
        *arrays: The arguments, as arrays.

    Returns:
        The value, and the gradient of the sum of its entries with respect to each argument.
    """
    backend = keras.backend.backend()
    tensors = [ops.convert_to_tensor(array, dtype=str(array.dtype)) for array in arrays]
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = function(*tensors)
        found = tape.gradient(value, tensors, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    elif backend == "jax":
        import jax

        def total(*args: Any) -> Any:
            result = function(*args)
            return ops.sum(result), result

        every = tuple(range(len(tensors)))
        (_, value), found = jax.jit(jax.value_and_grad(total, every, has_aux=True))(*tensors)
    else:
        import torch

        leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
        value = function(*leaves)
        # A result that no argument enters has no graph to walk back through.
        found = (
            torch.autograd.grad(value.sum(), leaves, allow_unused=True)
            if value.requires_grad
            else [None] * len(leaves)
        )
        found = [
            torch.zeros_like(leaf) if grad is None else grad
            for leaf, grad in zip(leaves, found, strict=True)
        ]
    return ops.convert_to_numpy(value), [ops.convert_to_numpy(grad) for grad in found]


def random_gates(symbols: Sequence[sympy.Symbol], numbers: Sequence[float]) -> list[cirq.Gate]:
    """Returns gates of every kind that compiles, made of two symbols and two numbers.

    Args:
        symbols: At least two symbols.
        numbers: At least two numbers.
    """
    a, b = symbols[:2]
    u, v = float(numbers[0]), float(numbers[1])
    z3 = cirq.DensePauliString("XYZ")
    return [
        cirq.rx(a),
        cirq.ry(u * a + v),
        cirq.rz(a + 2 * b),
        cirq.Y ** (u * a),
        cirq.ZPowGate(exponent=a, global_shift=0.3),
        cirq.H,
        cirq.H**a,
        cirq.T,
        cirq.S**u,
        cirq.CX,
        cirq.CX**a,
        cirq.CZ**u,
        cirq.CZ ** (a * b),
        cirq.SWAP**a,
        cirq.ISWAP**a,
        cirq.ISWAP,
        cirq.XX**a,
        cirq.YY ** (u * a),
        cirq.ZZ**b,
        cirq.FSimGate(a, b),
        cirq.PhasedXPowGate(phase_exponent=a, exponent=b),
        cirq.PhasedXZGate(x_exponent=a, z_exponent=b, axis_phase_exponent=u),
        cirq.PhasedISwapPowGate(phase_exponent=u, exponent=a),
        cirq.MatrixGate(cirq.testing.random_unitary(4, random_state=7)),
        cirq.MatrixGate(cirq.testing.random_unitary(8, random_state=8)),
        cirq.CCX,
        cirq.CCX**a,
        cirq.CCZ**u,
        cirq.CSWAP,
        cirq.ControlledGate(cirq.ry(sympy.sin(a) + b**2)),
        cirq.ControlledGate(cirq.rx(2 * a)),
        cirq.ControlledGate(cirq.SWAP**a, control_values=[0]),
        cirq.PauliStringPhasorGate(z3, exponent_neg=a, exponent_pos=u),
        cirq.ControlledGate(cirq.MatrixGate(cirq.testing.random_unitary(2, random_state=9))),
    ]


def random_circuit(rng: np.random.Generator, n_qubits: int, n_operations: int) -> cirq.Circuit:
    """Returns a random circuit of all kinds of gates, in the symbols a, b (inputs) and c, d.

    Args:
        rng: Where the randomness comes from.
        n_qubits: At least 3.
        n_operations: How many operations.
    """
    qubits = cirq.LineQubit.range(n_qubits)
    names = sympy.symbols("a b c d")
    circuit = cirq.Circuit(cirq.I.on_each(*qubits))
    for _ in range(n_operations):
        order = rng.permutation(4)
        gates = random_gates([names[i] for i in order], rng.uniform(-1.5, 1.5, 2).tolist())
        gate = gates[rng.integers(len(gates))]
        on = rng.permutation(n_qubits)[: cirq.num_qubits(gate)]
        circuit.append(gate.on(*[qubits[i] for i in on]))
    return circuit


def reference_expectation(
    circuit: cirq.Circuit,
    observables: Sequence[cirq.PauliSum],
    values: dict[str, float],
    qubits: Sequence[cirq.Qid],
) -> np.ndarray:
    """Computes expectation values of one sample with `cirq.Simulator` in complex128."""
    resolved = cirq.resolve_parameters(circuit, values)
    state = (
        cirq.Simulator(dtype=np.complex128, split_untangled_states=False)
        .simulate(resolved, qubit_order=qubits)
        .final_state_vector
    )
    index = {qubit: i for i, qubit in enumerate(qubits)}
    return np.array(
        [o.expectation_from_state_vector(state, index).real for o in observables], float
    )


def reference_gradients(
    circuit: cirq.Circuit,
    observables: Sequence[cirq.PauliSum],
    values: dict[str, float],
    qubits: Sequence[cirq.Qid],
) -> dict[str, np.ndarray]:
    """Differentiates `reference_expectation` with respect to each value.

    By the seven-point rule, `(45 d(h) - 9 d(2h) + d(3h)) / 60h` with `d(h) = f(h) - f(-h)`: its
    error, `h**6 f^(7) / 140`, is below 1e-9 where all gates of a circuit together turn less
    than 40 radians a unit of a symbol, and it knows nothing of how the package differentiates.
    """
    h = 1e-3
    found = {}
    for name in values:

        def at(step: float, name: str = name) -> np.ndarray:
            moved = {**values, name: values[name] + step}
            return reference_expectation(circuit, observables, moved, qubits)

        one, two, three = (at(k * h) - at(-k * h) for k in (1, 2, 3))
        found[name] = (45 * one - 9 * two + three) / (60 * h)
    return found


def assert_engine_conforms(
    engine: Engine,
    *,
    n_programs: int = 10,
    n_qubits: int = 7,
    n_operations: int = 10,
    dtype: str = "float32",
    value_tolerance: float = 1e-5,
    gradient_tolerance: float = 1e-4,
    seed: int = 0,
) -> None:
    """Holds an engine to `cirq.Simulator` on random circuits: values, gradients, states.

    Args:
        engine: An exact engine.
        n_programs: How many random circuits.
        n_qubits: Qubits of each, at least 3.
        n_operations: Operations of each.
        dtype: Precision of inputs and weights.
        value_tolerance: Largest absolute error of an expectation value or an amplitude. The
            default is for complex64: some hundred operations of relative error 6e-8.
        gradient_tolerance: Largest absolute error of a gradient; gradients of the random
            circuits sum over 4 to 10 observables and several gates a symbol, and their entries
            reach 30.
        seed: Of the circuits and the values.

    Raises:
        AssertionError: If a value is off; the message shows the circuit.
    """
    rng = np.random.default_rng(seed)
    for _ in range(n_programs):
        circuit = random_circuit(rng, n_qubits, n_operations)
        assert_matches_reference(engine, circuit, rng, dtype, value_tolerance, gradient_tolerance)


def assert_matches_reference(
    engine: Engine,
    circuit: cirq.Circuit,
    rng: np.random.Generator,
    dtype: str,
    value_tolerance: float,
    gradient_tolerance: float,
    batch: int = 3,
) -> None:
    """Compares an engine on one circuit in the symbols a, b (inputs) and c, d (weights)."""
    qubits = sorted(circuit.all_qubits())
    observables = [
        cirq.PauliSum.from_pauli_strings([cirq.PauliString(cirq.Z(qubits[0]))]),
        0.5 * cirq.X(qubits[0]) * cirq.Y(qubits[1]) - 1.5 * cirq.Z(qubits[-1]) + 0.25,
        cirq.X(qubits[-1]) * cirq.X(qubits[0]) * cirq.Z(qubits[1]) + cirq.Y(qubits[0]),
        # Gaps between the qubits, as many as there are.
        _string("Z", qubits[::2]) - 0.5 * _string("XYZ", qubits[::2]) * _string("Z", qubits[1::4]),
    ]
    program = compile_circuit(circuit, observables, inputs=list("ab"), weights=list("cd"))
    reason = engine.supports(program)
    assert reason is None, reason
    x = rng.uniform(-2, 2, (batch, 2)).astype(dtype)
    w = rng.uniform(-2, 2, 2).astype(dtype)
    found, (grad_x, grad_w) = value_and_gradients(
        lambda inputs, weights: engine.expectation(program, inputs, weights), x, w
    )
    states = ops.convert_to_numpy(
        engine.state(program, ops.convert_to_tensor(x), ops.convert_to_tensor(w))
    )
    expected_w = np.zeros(2)
    for i in range(batch):
        values = {"a": x[i, 0], "b": x[i, 1], "c": w[0], "d": w[1]}
        values = {name: float(value) for name, value in values.items()}
        _close(
            found[i],
            reference_expectation(circuit, observables, values, qubits),
            value_tolerance,
            "expectation values",
            circuit,
        )
        gradients = reference_gradients(circuit, observables, values, qubits)
        sums = [gradients[name].sum() for name in "abcd"]
        _close(grad_x[i], sums[:2], gradient_tolerance, "gradients of inputs", circuit)
        expected_w += sums[2:]
        state = cirq.Simulator(dtype=np.complex128, split_untangled_states=False).simulate(
            cirq.resolve_parameters(circuit, values), qubit_order=qubits
        )
        _close(states[i], state.final_state_vector, value_tolerance, "the state", circuit)
    _close(grad_w, expected_w, batch * gradient_tolerance, "gradients of weights", circuit)


def _string(letters: str, qubits: Sequence[cirq.Qid]) -> cirq.PauliString:
    """Returns the Pauli string of `letters`, again and again, on qubits."""
    paulis = {"X": cirq.X, "Y": cirq.Y, "Z": cirq.Z}
    return cirq.PauliString(
        {qubit: paulis[letters[i % len(letters)]] for i, qubit in enumerate(qubits)}
    )


def _close(found: Any, expected: Any, tolerance: float, what: str, shown: Any) -> None:
    found = found if isinstance(found, np.ndarray) else ops.convert_to_numpy(found)
    error = np.max(np.abs(found - np.asarray(expected)), initial=0.0)
    assert error <= tolerance, (
        f"{what} are off by {error:.3g}, more than {tolerance:.3g}: got {found}, expected "
        f"{expected}, in\n{shown}"
    )


def run_layer_test(
    layer_cls: type[keras.layers.Layer],
    init_kwargs: dict[str, Any],
    input_shape: tuple[int, ...],
    *,
    tolerance: float = 2e-6,
    seed: int = 0,
) -> None:
    """Puts a layer through what Keras users do with layers.

    The declared output shape is the real one; eager calls, functional models and clones agree;
    a batch equals its samples one by one; an empty batch gives an empty output; leading axes are
    positions, also inside TimeDistributed, and a mask of them is passed on; the config
    round-trips through JSON; a model saves and loads, whole and weights
    alone, with equal predictions; training moves the weights and nothing else; NaN passes
    through; precision follows the dtype policy.

    Args:
        layer_cls: The layer's class.
        init_kwargs: Arguments of its constructor.
        input_shape: Shape of a batch, `(batch, ..., n_features)`.
        tolerance: Largest absolute difference between two ways to compute the same thing.
        seed: Of the data.

    Raises:
        AssertionError: If the layer breaks one of these.
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1.0, 1.0, input_shape).astype("float32")
    layer = layer_cls(**init_kwargs)
    y = ops.convert_to_numpy(layer(x))

    def same(other: Any, what: str) -> None:
        _close(ops.convert_to_numpy(other), y, tolerance, what, layer)

    shape = tuple(layer.compute_output_shape((None, *input_shape[1:])))
    assert shape == (None, *y.shape[1:]), f"declared {shape}, returned {y.shape}"
    same(layer(x), "two calls")
    singles = [ops.convert_to_numpy(layer(x[i : i + 1])) for i in range(len(x))]
    same(np.concatenate(singles), "samples one by one")
    assert tuple(layer(x[:0]).shape) == (0, *y.shape[1:]), "an empty batch"
    stacked = np.stack([x, x], axis=1)
    _close(layer(stacked)[:, 1], y, tolerance, "a further leading axis", layer)

    config = json.loads(json.dumps(layer.get_config()))
    again = layer_cls.from_config(config)
    assert json.dumps(again.get_config(), sort_keys=True) == json.dumps(config, sort_keys=True)

    distributed = keras.layers.TimeDistributed(layer_cls.from_config(config))
    distributed.build(stacked.shape)
    distributed.set_weights(layer.get_weights())
    _close(distributed(stacked)[:, 1], y, tolerance, "TimeDistributed", layer)
    steps = keras.Input((None, input_shape[-1]))
    masked = layer_cls.from_config(config)(keras.layers.Masking()(steps))
    assert getattr(masked, "_keras_mask", None) is not None, "a mask of the steps is lost"

    model = _model(layer, input_shape)
    same(model.predict(x, verbose=0), "a functional model")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    same(clone.predict(x, verbose=0), "a clone")
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.keras"
        model.save(path)
        same(keras.models.load_model(path).predict(x, verbose=0), "a saved model")
        path = pathlib.Path(folder) / "model.weights.h5"
        model.save_weights(path)
        other = _model(layer_cls.from_config(config), input_shape)
        other.load_weights(path)
        same(other.predict(x, verbose=0), "saved weights")

    frozen = layer_cls(**init_kwargs, trainable=False)
    frozen.build(x.shape)
    assert not frozen.trainable_weights, "trainable=False leaves something to train"

    _check_training(layer_cls(**init_kwargs), x, y)
    bad = x.copy()
    bad[0] = np.nan
    after = ops.convert_to_numpy(layer(bad))
    _close(after[1:], y[1:], tolerance, "samples beside one of NaN", layer)
    assert np.isnan(after[0]).any() or not np.isnan(bad[0]).any(), "NaN did not pass through"

    half = layer_cls(**init_kwargs, dtype="mixed_float16")
    dtype = keras.backend.standardize_dtype(half(x).dtype)
    assert dtype == "float16", f"under mixed_float16 the output is {dtype}"


def _model(layer: keras.layers.Layer, input_shape: tuple[int, ...]) -> keras.Model:
    inputs = keras.Input(input_shape[1:])
    return keras.Model(inputs, layer(inputs))


def _check_training(layer: keras.layers.Layer, x: np.ndarray, y: np.ndarray) -> None:
    """Fits a Dense layer, the layer and a Dense layer, and looks at what has moved."""
    inputs = keras.Input(x.shape[1:])
    hidden = keras.layers.Dense(x.shape[-1])(inputs)
    outputs = keras.layers.Dense(1)(layer(hidden))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse")
    before = model.get_weights()
    target = np.ones((*y.shape[:-1], 1), "float32")
    history = model.fit(x, target, epochs=2, batch_size=len(x), verbose=0)
    assert np.isfinite(history.history["loss"]).all(), "the loss is not finite"
    for variable, new in zip(model.weights, model.get_weights(), strict=True):
        if variable.trainable:
            assert np.isfinite(new).all(), f"{variable.path} is not finite after training"
    moved = [np.any(a != b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert moved[0], "no gradient reaches the layer before"
    if layer.trainable_weights:
        names = [variable.path for variable in model.weights]
        own = [names.index(variable.path) for variable in layer.trainable_weights]
        assert all(moved[i] for i in own), "training does not move the layer's weights"
