"""The contract of an engine: it computes what it declares, on every backend and in training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid import engines
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.engines import Engine
from qkeras_hybrid.layers import PQC
from qkeras_hybrid.program import Channel, Compiled, Measurement, Reset, compile_circuit
from qkeras_hybrid.readouts import Probabilities, Readout, Samples, State
from qkeras_hybrid.testing.circuits import (
    random_circuit,
    reference_expectation,
    reference_gradients,
)
from qkeras_hybrid.testing.numbers import assert_close, value_and_gradients
from qkeras_hybrid.testing.systems import System, systems

# complex64 has an error of 6e-8 per gate. The random circuits have about a hundred gates, and
# gradients of up to 30. In double precision, the reference's error limits that of gradients.
_TOLERANCES = {"float32": (1e-5, 1e-4), "float64": (1e-10, 1e-7)}
# A value from shots differs by more than this many standard deviations in 2 of 10**9 cases.
_DEVIATIONS = 6.0


def assert_engine_conforms(
    engine: Engine,
    *,
    shots: int | None = None,
    n_programs: int = 4,
    n_qubits: int = 7,
    n_operations: int = 10,
    dtypes: Sequence[str] | None = None,
    value_tolerance: float | None = None,
    gradient_tolerance: float | None = None,
    seed: int = 0,
) -> None:
    """Checks the contract of engines, which `qkeras_hybrid.engines.base.Engine` describes.

    The checks are:

    - results of random circuits against `cirq.Simulator`, and of others against closed forms:
      expectation values with their gradients with respect to inputs and weights (the engine's own,
      or those of the parameter-shift rule), and states, probabilities and samples if the engine
      declares them;
    - batches of no, one and many samples;
    - for an engine that samples: the same values for the same seed, other values for another seed;
    - channels, measurements and resets: computed if declared, refused if not;
    - a training step in `fit`, compiled by the backend;
    - configuration and serialization.

    Args:
        engine: The engine. An engine for a device, which takes no seed, can be checked with a
            simulator in place of the device.
        shots: The number of shots, for an engine that samples. Values must then be within six
            standard deviations. If not given, the engine's values must be exact.
        n_programs: The number of random circuits.
        n_qubits: The number of qubits of each, at least 3.
        n_operations: The number of operations of each.
        dtypes: Precisions to check; by default those that the engine declares and the backend has.
        value_tolerance: Largest absolute error of an exact value or an amplitude.
        gradient_tolerance: Largest absolute error of a gradient of exact values.
        seed: The seed of circuits, values and shots.

    Raises:
        AssertionError: If the engine breaks the contract; the message shows the circuit.
        ValueError: If `n_qubits` is below 3, because some gates of the circuits need 3 qubits.
    """
    if n_qubits < 3:
        raise ArgumentError("n_qubits", "be at least 3", n_qubits)
    rng = np.random.default_rng(seed)
    if shots is None and not engine.exact:
        shots = 20_000
    _check_declarations(engine, shots)
    for dtype in dtypes or filter(_computed, engine.dtypes):
        value, gradient = _TOLERANCES[dtype]
        limits = (value_tolerance or value, gradient_tolerance or gradient)
        for system in systems():
            _check_system(engine, system, rng, dtype, shots, limits)
        if shots is None:
            for _ in range(n_programs):
                circuit = random_circuit(rng, n_qubits, n_operations)
                assert_matches_reference(engine, circuit, rng, dtype, *limits)
        _check_batches(engine, dtype, shots, limits[0])
        _check_readouts(engine, dtype, shots, limits[0])
    _check_seeds(engine, shots)
    _check_irreversible(engine, shots)
    _check_fit(engine, shots)


def _computed(dtype: str) -> bool:
    """Tells whether the backend has this precision; JAX has float64 only if it is enabled."""
    return bool(keras.backend.standardize_dtype(ops.zeros((), dtype=dtype).dtype) == dtype)


def _spread(compiled: Compiled, shots: int | None, exact: float) -> float:
    """Returns the tolerance of a value: `exact`, or six standard deviations if it has shots."""
    if shots is None:
        return exact
    weights = [sum(abs(t.coefficient) for t in o.terms) for o in compiled.observables]
    return _DEVIATIONS * max(weights, default=1.0) / math.sqrt(shots)


def _check_declarations(engine: Engine, shots: int | None) -> None:
    kind = type(engine)
    registered = keras.saving.get_registered_name(kind)
    assert keras.saving.get_registered_object(registered) is not None, (
        f"Keras can't load a layer with this engine: write "
        f'`@keras.saving.register_keras_serializable(package="my_package")` above the class '
        f"{kind.__name__}"
    )
    again = engines.get(keras.saving.serialize_keras_object(engine))
    assert again == engine, f"{engine} comes back from serialization as {again}"
    assert hash(again) == hash(engine), "equal engines have different hashes"
    assert engine.differentiates <= engine.readouts, "it differentiates what it doesn't compute"
    job = _compiled(cirq.Circuit(cirq.X(cirq.LineQubit(0)))).job(engine.dtypes[0], shots=shots)
    reason = engine.refuses(job)
    assert reason is None, f"it refuses a circuit of one gate: {reason}"
    if not engine.samples:
        assert engine.refuses(_compiled().job(engine.dtypes[0], shots=10)), "it ignores `shots`"
    if not engine.exact:
        assert engine.refuses(_compiled().job(engine.dtypes[0])), "it accepts a job without `shots`"


def _compiled(circuit: cirq.Circuit | None = None, observables: Any = "Z") -> Compiled:
    circuit = circuit or cirq.Circuit(cirq.X(cirq.LineQubit(0)))
    names = cirq.parameter_names(circuit)
    return compile_circuit(
        circuit,
        observables,
        inputs=[name for name in "ab" if name in names],
        weights=[name for name in "cd" if name in names],
    )


def _run(
    engine: Engine, compiled: Compiled, x: Any, w: Any, dtype: str, shots: int | None, seed: int
) -> np.ndarray:
    run = engines.prepare(compiled.job(dtype, shots=shots), engine)
    tensors = (ops.convert_to_tensor(np.asarray(v, dtype), dtype=dtype) for v in (x, w))
    return np.asarray(ops.convert_to_numpy(run(*tensors, seed)))


def _check_system(
    engine: Engine,
    system: System,
    rng: np.random.Generator,
    dtype: str,
    shots: int | None,
    limits: tuple[float, float],
) -> None:
    """Compares values and gradients with a closed form."""
    x, w = rng.uniform(-1.5, 1.5, (3, 2)).astype(dtype), rng.uniform(-1, 1, 2).astype(dtype)
    compiled = compile_circuit(
        system.circuit, system.observables, inputs=["a", "b"], weights=["c", "d"]
    )
    run = engines.prepare(compiled.job(dtype, shots=shots), engine)
    values, (grad_x, grad_w) = value_and_gradients(
        lambda inputs, weights: run(inputs, weights, 11), x, w
    )
    exact = np.array([system.values(*row, *w) for row in x.astype("float64")])
    assert_close(values, exact, _spread(compiled, shots, limits[0]), "values", system.name)
    h = 1e-5
    point = np.concatenate([x.astype(float), np.tile(w.astype(float), (len(x), 1))], axis=1)

    def total(shift: np.ndarray) -> np.ndarray:
        return np.array([np.sum(system.values(*row)) for row in point + shift])

    slopes = np.stack([(total(h * e) - total(-h * e)) / (2 * h) for e in np.eye(4)], axis=1)
    # Differences of the closed form have an error of 1e-9. A gradient from shots is a sum of
    # expectation values, one for each angle and observable.
    limit = max(limits[1], 1e-8)
    if shots is not None:
        limit = 4 * len(exact[0]) * _spread(compiled, shots, limit)
    assert_close(grad_x, slopes[:, :2], limit, "gradients of inputs", system.name)
    assert_close(grad_w, slopes[:, 2:].sum(0), len(x) * limit, "gradients of weights", system.name)


def _check_batches(engine: Engine, dtype: str, shots: int | None, limit: float) -> None:
    """Compares batches of no, one and many samples."""
    q0, q1 = cirq.LineQubit.range(2)
    a, b, c = sympy.symbols("a b c")
    circuit = cirq.Circuit(cirq.rx(a)(q0), cirq.CX(q0, q1), cirq.ry(b * a + c)(q1))
    compiled = _compiled(circuit)
    x, w = np.random.default_rng(0).uniform(-3, 3, (7, 2)), np.array([0.3])
    together = _run(engine, compiled, x, w, dtype, shots, 1)
    alone = [_run(engine, compiled, row[None], w, dtype, shots, 2)[0] for row in x]
    spread = _spread(compiled, shots, limit) * (1.0 if shots is None else math.sqrt(2))
    assert_close(together, alone, spread, "a batch and its samples one by one", circuit)
    assert _run(engine, compiled, x[:0], w, dtype, shots, 1).shape == (0, 2), "an empty batch"


def _check_readouts(engine: Engine, dtype: str, shots: int | None, limit: float) -> None:
    """Checks each declared readout on `|1> (|0> + |1>) / sqrt(2)`, with an idle qubit between."""
    q = cirq.LineQubit.range(3)
    circuit = cirq.Circuit(cirq.X(q[0]), cirq.ry(sympy.Symbol("a"))(q[2]))
    compiled = compile_circuit(circuit, inputs=["a"], qubits=q)
    x, half = [[0.0], [np.pi / 2]], math.sqrt(0.5)
    states = np.zeros((2, 8))
    states[0, 4], states[1, 4], states[1, 5] = 1.0, half, half
    kinds: dict[type[Readout], np.ndarray] = {State: states, Probabilities: states**2}
    for kind, exact in kinds.items():
        readout = kind()
        if kind not in engine.readouts or (shots is not None and not readout.estimable):
            continue
        job = compiled.reading(readout).job(dtype, shots=shots, gradient=False)
        if engine.refuses(job) is not None:
            continue
        found = _run_job(engine, job, x)
        spread = limit if shots is None else _DEVIATIONS * 0.5 / math.sqrt(shots)
        assert_close(found, exact, spread, readout.name, circuit)
        assert str(found.dtype) == readout.dtype(dtype), f"{readout.name} is {found.dtype}"
    if Samples in engine.readouts and engine.samples:
        job = compiled.reading(Samples()).job(dtype, shots=400)
        bits = _run_job(engine, job, x)
        assert bits.shape == (2, 400, 3), f"samples of shape {bits.shape}"
        assert_close(bits[0], np.tile([1, 0, 0], (400, 1)), 0, "certain bits", circuit)
        # The tolerance is six standard deviations of 400 fair coins.
        assert abs(bits[1, :, 2].mean() - 0.5) < _DEVIATIONS * 0.5 / 20, "a fair qubit is not fair"


def _check_seeds(engine: Engine, shots: int | None) -> None:
    """Computes each declared readout of fair qubits twice with one seed, and with another."""
    circuit = cirq.Circuit(cirq.H.on_each(*cirq.LineQubit.range(3)))
    compiled = _compiled(circuit, ["Z0", "Z1", "Z2"])
    for readout in (compiled.readout, Probabilities(), Samples()):
        job = compiled.reading(readout).job(engine.dtypes[0], shots=shots or 400, gradient=False)
        if engine.refuses(job) is not None:
            continue
        # 8 samples of 3 fair qubits are equal by chance with a probability below 10**-7.
        one, again, other = (_run_job(engine, job, np.zeros((8, 0)), seed) for seed in (1, 1, 2))
        what = f"{readout.name} from {job.shots} shots"
        assert_close(one, again, 0, f"{what}, drawn twice with one seed", circuit)
        assert (one != other).any(), f"{what} do not depend on the seed"


def _run_job(engine: Engine, job: Any, x: Any, seed: int = 5) -> np.ndarray:
    run = engine.prepare(job)
    inputs = ops.convert_to_tensor(np.asarray(x, job.dtype), dtype=job.dtype)
    return np.asarray(ops.convert_to_numpy(run(inputs, ops.zeros((0,), dtype=job.dtype), seed)))


def _check_irreversible(engine: Engine, shots: int | None) -> None:
    """Compares channels, measurements and resets with closed forms, or checks their refusal."""
    q = cirq.LineQubit(0)
    turned = cirq.ry(sympy.Symbol("a"))(q)
    a, p = 0.8, 0.3
    cases: list[tuple[type, cirq.Circuit, str, float]] = [
        (
            Channel,
            cirq.Circuit(turned, cirq.depolarize(p)(q)),
            "Z",
            (1 - 4 * p / 3) * math.cos(a),
        ),
        (
            Channel,
            cirq.Circuit(turned, cirq.amplitude_damp(p)(q)),
            "Z",
            1 - (1 - p) * (1 - math.cos(a)),
        ),
        (
            Channel,
            cirq.Circuit(turned, cirq.phase_damp(p)(q)),
            "X",
            math.sqrt(1 - p) * math.sin(a),
        ),
        (Measurement, cirq.Circuit(turned, cirq.measure(q, key="m"), cirq.H(q)), "Z", 0.0),
        (Reset, cirq.Circuit(turned, cirq.reset(q)), "Z", 1.0),
    ]
    for kind, circuit, observable, exact in cases:
        compiled = _compiled(circuit, observable)
        job = compiled.job(engine.dtypes[0], shots=shots)
        if kind not in engine.instructions:
            assert engine.refuses(job), f"{kind.__name__} is not declared, and not refused"
            continue
        found = _run(engine, compiled, [[a]], [], engine.dtypes[0], shots, 3)
        spread = _spread(compiled, shots or engine.repetitions, 1e-5)
        assert_close(found, [[exact]], spread, kind.__name__, circuit)


def _check_fit(engine: Engine, shots: int | None) -> None:
    """Compares one step of gradient descent in `fit` with the closed form."""
    q = cirq.LineQubit(0)
    a, c = sympy.symbols("a c")
    layer = PQC(
        cirq.Circuit(cirq.ry(a)(q), cirq.ry(c)(q)),
        "Z",
        inputs=[a],
        engine=engine,
        shots=shots,
        seed=1,
        weight_initializer=keras.initializers.Constant(0.4),
        dtype=engine.dtypes[0],
    )
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    x = np.array([[0.3], [0.9], [-0.5], [1.4]], "float32")
    model.fit(x, np.zeros((4, 1), "float32"), batch_size=4, epochs=1, verbose=0)
    # d/dw mean cos(x + w)**2 = -mean sin(2 (x + w))
    exact = 0.4 + np.mean(np.sin(2 * (x + 0.4)))
    limit = 1e-3 if shots is None else 4 * _DEVIATIONS / math.sqrt(shots)
    found = ops.convert_to_numpy(layer.circuit_weights)
    assert_close(found, [exact], limit, "the weight after a step of fit", layer.circuit)


def assert_matches_reference(
    engine: Engine,
    circuit: cirq.Circuit,
    rng: np.random.Generator,
    dtype: str,
    value_tolerance: float,
    gradient_tolerance: float,
    batch: int = 3,
) -> None:
    """Checks an engine on one circuit with the symbols a, b (inputs) and c, d (weights)."""
    qubits = sorted(circuit.all_qubits())
    observables = [
        cirq.PauliSum.from_pauli_strings([cirq.PauliString(cirq.Z(qubits[0]))]),
        0.5 * cirq.X(qubits[0]) * cirq.Y(qubits[1]) - 1.5 * cirq.Z(qubits[-1]) + 0.25,
        cirq.X(qubits[-1]) * cirq.X(qubits[0]) * cirq.Z(qubits[1]) + cirq.Y(qubits[0]),
        # A string with gaps between its qubits.
        _string("Z", qubits[::2]) - 0.5 * _string("XYZ", qubits[::2]) * _string("Z", qubits[1::4]),
    ]
    compiled = compile_circuit(circuit, observables, inputs=list("ab"), weights=list("cd"))
    reason = engine.refuses(compiled.job(dtype))
    assert reason is None, reason
    x = rng.uniform(-2, 2, (batch, 2)).astype(dtype)
    w = rng.uniform(-2, 2, 2).astype(dtype)
    run = engines.prepare(compiled.job(dtype), engine)
    found, (grad_x, grad_w) = value_and_gradients(run, x, w)
    states = None
    if State in engine.readouts:
        read = engine.prepare(compiled.reading(State()).job(dtype, gradient=False))
        tensors = (ops.convert_to_tensor(v, dtype=dtype) for v in (x, w))
        states = ops.convert_to_numpy(read(*tensors))
    expected_w = np.zeros(2)
    for i in range(batch):
        values = {"a": x[i, 0], "b": x[i, 1], "c": w[0], "d": w[1]}
        values = {name: float(value) for name, value in values.items()}
        assert_close(
            found[i],
            reference_expectation(circuit, observables, values, qubits),
            value_tolerance,
            "expectation values",
            circuit,
        )
        gradients = reference_gradients(circuit, observables, values, qubits)
        sums = [gradients[name].sum() for name in "abcd"]
        assert_close(grad_x[i], sums[:2], gradient_tolerance, "gradients of inputs", circuit)
        expected_w += sums[2:]
        if states is not None:
            state = cirq.Simulator(dtype=np.complex128, split_untangled_states=False).simulate(
                cirq.resolve_parameters(circuit, values), qubit_order=qubits
            )
            assert_close(states[i], state.final_state_vector, value_tolerance, "the state", circuit)
    assert_close(grad_w, expected_w, batch * gradient_tolerance, "gradients of weights", circuit)


def _string(letters: str, qubits: Sequence[cirq.Qid]) -> cirq.PauliString:
    """Returns a Pauli string that repeats `letters` on qubits."""
    paulis = {"X": cirq.X, "Y": cirq.Y, "Z": cirq.Z}
    return cirq.PauliString(
        {qubit: paulis[letters[i % len(letters)]] for i, qubit in enumerate(qubits)}
    )
