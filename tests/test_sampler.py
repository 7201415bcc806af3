"""The sampler engine: any `cirq.Sampler` under a layer."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import Any

import cirq
import keras
import numpy as np
import pytest
import sympy
from keras import ops

import qkeras_hybrid as qh
from qkeras_hybrid import PQC, ArgumentError, compile_circuit, engines
from qkeras_hybrid.engines import SamplerEngine
from qkeras_hybrid.engines._remote import shots_of_settings
from qkeras_hybrid.engines.services import Budget, Journal
from qkeras_hybrid.testing import assert_engine_conforms

X, W = sympy.symbols("x w")
Q = cirq.LineQubit.range(3)
CIRCUIT = cirq.Circuit(cirq.ry(X)(Q[0]), cirq.CNOT(Q[0], Q[1]), cirq.ry(W)(Q[1]))


class Counting(cirq.Sampler):
    """A simulator that keeps the circuits of each batch."""

    def __init__(self, seed: int | None = None) -> None:
        self.batches: list[list[cirq.AbstractCircuit]] = []
        self._simulator = cirq.Simulator(seed=seed)

    def run_sweep(self, program: Any, params: Any, repetitions: int = 1) -> Any:
        return self._simulator.run_sweep(program, params, repetitions)

    def run_batch(self, programs: Any, params_list: Any = None, repetitions: Any = 1) -> Any:
        self.batches.append(list(programs))
        return super().run_batch(programs, params_list, repetitions)


def test_the_sampler_engine_conforms() -> None:
    engine = SamplerEngine(cirq.DensityMatrixSimulator())
    assert_engine_conforms(engine, shots=1000, n_programs=1, n_qubits=3)


@pytest.mark.slow
def test_a_function_from_a_seed_to_a_sampler_conforms() -> None:
    def sampler(seed: int | None) -> cirq.Sampler:
        return cirq.Simulator(seed=seed)

    # Under JAX with compiled steps.
    assert_engine_conforms(SamplerEngine(sampler, jit=True), shots=1000, dtypes=["float32"])


def test_all_shifted_circuits_of_a_gradient_are_one_submission() -> None:
    sampler = Counting()
    layer = PQC(CIRCUIT, "Z1", inputs=[X], engine=SamplerEngine(sampler, shots=10))
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile("sgd", "mse")
    model.fit(np.zeros((5, 1)), np.zeros((5, 1)), batch_size=5, verbose=0)
    # 5 samples, and for each two shifts of each of two angles.
    assert [len(batch) for batch in sampler.batches] == [5, 20]


def test_settings_are_measured_together_where_they_agree() -> None:
    engine = SamplerEngine(Counting(), shots=10)
    compiled = compile_circuit(CIRCUIT, ["Z0", "Z0*Z1", "X0*X1"], inputs=[X], weights=[W])
    engine.expectation(compiled, np.zeros((1, 1)), [0.0])
    assert engine.spent.circuits == 2


def test_shots_are_divided_by_the_coefficients_of_what_they_read() -> None:
    compiled = compile_circuit(CIRCUIT, cirq.Z(Q[0]) * 3.0 + cirq.X(Q[0]), inputs=[X])
    assert shots_of_settings(compiled.readout, compiled.program, 100) == (150, 50)
    rare = compile_circuit(CIRCUIT, cirq.Z(Q[0]) * 1.0 + 1e-6 * cirq.X(Q[0]), inputs=[X])
    assert shots_of_settings(rare.readout, rare.program, 100) == (199, 1)
    constant = compile_circuit(CIRCUIT, 2.0 * cirq.I(Q[0]), inputs=[X])
    assert shots_of_settings(constant.readout, constant.program, 100) == (100,)


@pytest.mark.parametrize("limit", [None, 1, 3])
def test_batches_of_any_size_give_the_same_mean(limit: int | None) -> None:
    engine = SamplerEngine(cirq.Simulator(), shots=4000, circuits_per_job=limit)
    compiled = compile_circuit(CIRCUIT, "Z0", inputs=[X], weights=[W])
    x = np.linspace(-2, 2, 7)[:, None]
    found = ops.convert_to_numpy(engine.expectation(compiled, x, [0.3], seed=1))
    # Five standard errors of 4000 shots.
    np.testing.assert_allclose(found, np.cos(x), atol=5 / np.sqrt(4000))
    assert engine.spent.jobs == (1 if limit is None else -(-7 // limit))


def test_an_asynchronous_sampler_has_all_jobs_at_once() -> None:
    class Waiting(Counting):
        """Runs nothing before three jobs have come."""

        def __init__(self) -> None:
            import threading

            super().__init__()
            self.barrier = threading.Barrier(3, timeout=20)

        async def run_sweep_async(self, program: Any, params: Any, repetitions: int = 1) -> Any:
            self.barrier.wait()
            return self.run_sweep(program, params, repetitions)

    engine = SamplerEngine(Waiting(), shots=10, circuits_per_job=1)
    compiled = compile_circuit(CIRCUIT, "Z0", inputs=[X], weights=[W])
    assert engine.expectation(compiled, np.zeros((3, 1)), [0.0]).shape == (3, 1)


def test_a_saved_model_asks_for_a_sampler_when_it_is_loaded(tmp_path: Path) -> None:
    layer = PQC(CIRCUIT, "Z0", inputs=[X], engine=SamplerEngine(cirq.Simulator(), shots=10))
    model = keras.Sequential([keras.Input((1,)), layer])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])
    assert loaded.layers[0].get_config()["engine"]["config"] == {"shots": 10, "jit": False}
    with pytest.raises(Exception, match=r"qkeras_hybrid.set_engine\(model, SamplerEngine\(sampler"):
        loaded.predict(np.zeros((1, 1)), verbose=0)


LINE = cirq.GridQubit.rect(1, 3)


class LineDevice(cirq.Device):
    """Three qubits in a row."""

    @property
    def metadata(self) -> cirq.DeviceMetadata:
        import networkx

        return cirq.DeviceMetadata(LINE, networkx.Graph([LINE[:2], LINE[1:]]))


@pytest.mark.parametrize(
    ("circuit", "arguments", "words"),
    [
        (
            cirq.Circuit(cirq.ry(X).on_each(*cirq.GridQubit.rect(1, 4))),
            {},
            "it has 3 qubits, and the circuit has 4; the largest circuit that fits has 3",
        ),
        (
            cirq.Circuit(cirq.ry(X)(LINE[1]), cirq.CZ(LINE[0], LINE[2]), cirq.CZ(LINE[0], LINE[1])),
            {},
            r"does not couple the qubits q\(0, 0\) and q\(0, 2\); of this circuit, the part on the "
            "first 2 qubits fits",
        ),
        (CIRCUIT, {}, r"has no qubit q\(0\). Use the engine's `qubits=`"),
        (CIRCUIT, {"qubits": LINE[:1]}, "given 1 `qubits`, but the circuit has 2; the largest"),
    ],
    ids=["qubits", "couplings", "names", "too few named"],
)
def test_a_circuit_that_does_not_fit_on_the_device_is_refused(
    circuit: cirq.Circuit, arguments: dict[str, Any], words: str
) -> None:
    engine = SamplerEngine(cirq.Simulator(), device=LineDevice(), **arguments)
    layer = PQC(circuit, f"Z{0}" if circuit is CIRCUIT else "Z", inputs=[X], engine=engine)
    with pytest.raises(ValueError, match=words):
        layer.build((None, 1))


def test_a_circuit_runs_on_the_device_qubits_that_are_named() -> None:
    sampler = Counting()
    engine = SamplerEngine(sampler, shots=400, device=LineDevice(), qubits=LINE)
    compiled = compile_circuit(cirq.Circuit(cirq.X(Q[0]), cirq.I(Q[1])), ["Z0", "Z1"])
    found = engine.expectation(compiled, np.zeros((1, 0)))
    np.testing.assert_array_equal(ops.convert_to_numpy(found), [[-1, 1]])
    assert sampler.batches[0][0].all_qubits() == set(LINE[:2])


@pytest.mark.parametrize(
    "gateset", [cirq.CZTargetGateset(), cirq.SqrtIswapTargetGateset()], ids=["cz", "sqrt_iswap"]
)
def test_a_circuit_is_written_in_the_gates_of_the_device(gateset: Any) -> None:
    sampler = Counting()
    engine = SamplerEngine(sampler, shots=4000, gateset=gateset)
    circuit = cirq.Circuit(
        CIRCUIT, cirq.CCX(*Q), cirq.PauliStringPhasor(cirq.X(Q[0]) * cirq.Y(Q[2]), exponent_neg=X)
    )
    observables = ["Z0", "X1", "Z2"]
    compiled = compile_circuit(circuit, observables, inputs=[X], weights=[W])
    found = ops.convert_to_numpy(engine.expectation(compiled, [[0.4]], [0.9], seed=1))
    exact = engines.StatevectorEngine().expectation(compiled, [[0.4]], [0.9])
    # Five standard errors of 4000 shots.
    np.testing.assert_allclose(found, ops.convert_to_numpy(exact), atol=5 / np.sqrt(4000))
    for written in sampler.batches[0]:
        assert all(op in gateset or cirq.is_measurement(op) for op in written.all_operations())


def test_channels_are_refused_where_the_gates_of_the_device_are_known() -> None:
    circuit = cirq.Circuit(cirq.ry(X)(Q[0]), cirq.depolarize(0.1)(Q[0]))
    job = compile_circuit(circuit, "Z", inputs=[X]).job(shots=10)
    assert SamplerEngine(cirq.Simulator()).refuses(job) is None
    reason = SamplerEngine(cirq.Simulator(), gateset=cirq.CZTargetGateset()).refuses(job)
    assert "does not execute Channel" in str(reason)


class Faulty(Counting):
    """Returns results that are wrong in some way."""

    def __init__(self, wrong: str) -> None:
        super().__init__()
        self.wrong = wrong

    def run_sweep(self, program: Any, params: Any, repetitions: int = 1) -> Any:
        shots = repetitions - 1 if self.wrong == "shots" else repetitions
        [result] = super().run_sweep(program, params, shots)
        bits = result.measurements["all"]
        key = "other" if self.wrong == "key" else "all"
        if self.wrong == "qubits":
            bits = bits[:, :1]
        if self.wrong == "values":
            bits = bits + 1
        return [cirq.ResultDict(params=params, measurements={key: bits})]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("key", r"measurement keys \['other'\] and not 'all'"),
        ("shots", "has 9 shots, and 10 were ordered"),
        ("qubits", r"shape \(10, 1\), but \(10, 2\) was ordered"),
        ("values", "a bit that is 2"),
    ],
)
def test_a_result_that_is_not_what_was_ordered_is_an_error(wrong: str, words: str) -> None:
    engine = SamplerEngine(Faulty(wrong), shots=10)
    compiled = compile_circuit(cirq.Circuit(cirq.X.on_each(*Q[:2])), "Z0")
    with pytest.raises(Exception, match=words):
        engine.expectation(compiled, np.zeros((1, 0)))
    assert engine.spent.shots == 30  # three attempts, which the service was paid for


def test_more_shots_than_ordered_are_thinned_out_without_bias() -> None:
    class Generous(Counting):
        def run_sweep(self, program: Any, params: Any, repetitions: int = 1) -> Any:
            bits = np.repeat([[0], [1]], repetitions, axis=0)  # sorted, as from counts
            return [cirq.ResultDict(params=params, measurements={"all": bits})]

    engine = SamplerEngine(Generous(), shots=1000)
    found = engine.expectation(compile_circuit(cirq.Circuit(cirq.H(Q[0])), "Z"), np.zeros((1, 0)))
    # Five standard errors; the first 1000 would give 1.
    assert abs(float(found[0, 0])) < 5 / np.sqrt(1000)


def test_a_journal_gives_a_second_run_the_results_of_the_first(tmp_path: Path) -> None:
    compiled = compile_circuit(CIRCUIT, "X0", inputs=[X], weights=[W])
    runs = []
    for _ in range(2):
        with Journal(tmp_path / "journal") as journal:
            engine = SamplerEngine(cirq.Simulator(), shots=50, journal=journal)
            x = np.zeros((4, 1))
            values = [engine.expectation(compiled, x, [0.3]) for _ in range(2)]
            runs.append(ops.convert_to_numpy(ops.stack(values)))
            bought = engine.spent.circuits
    assert bought == 0
    np.testing.assert_array_equal(runs[0], runs[1])
    # Equal circuits within a run have noise of their own.
    assert len(collections.Counter(runs[0].ravel().tolist())) > 1


def test_another_sampler_does_not_get_the_results_of_the_first(tmp_path: Path) -> None:
    compiled = compile_circuit(CIRCUIT, "X0", inputs=[X], weights=[W])
    with Journal(tmp_path / "journal") as journal:
        for sampler in (cirq.Simulator(), Counting()):
            engine = SamplerEngine(sampler, shots=10, journal=journal)
            journal.restart()
            engine.expectation(compiled, np.zeros((1, 1)), [0.3])
            assert engine.spent.circuits == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sampler": 3}, "`sampler` must be a cirq.Sampler, or a function"),
        ({"sampler": lambda seed: 3}, "`sampler` must return a cirq.Sampler"),
        ({"shots": 0}, "`shots` must be a whole number of at least 1"),
        ({"circuits_per_job": 0}, "`circuits_per_job` must be a whole number"),
        ({"budget": 1000}, "`budget` must be a Budget or None"),
    ],
)
def test_bad_input_is_told(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        SamplerEngine(**{"sampler": cirq.Simulator(), **arguments})


def test_exact_values_are_refused() -> None:
    engine = SamplerEngine(cirq.Simulator())
    job = compile_circuit(CIRCUIT, "Z0", inputs=[X]).job()
    assert "it needs `shots`" in str(engine.refuses(job))


def test_a_layer_trains_with_a_budget_of_the_engine() -> None:
    budget = Budget(shots=10_000)
    engine = SamplerEngine(cirq.Simulator(), shots=100, budget=budget)
    layer = PQC(CIRCUIT, "Z0", inputs=[X], engine=engine, differentiator=qh.SPSA())
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile("sgd", "mse")
    model.fit(np.zeros((4, 1)), np.zeros((4, 1)), verbose=0)
    assert budget.spent_shots == engine.spent.shots == 4 * 3 * 100


def test_nan_reaches_its_sample_and_no_device() -> None:
    engine, angle = SamplerEngine(cirq.Simulator(seed=0), shots=20), sympy.Symbol("a")
    layer = PQC(cirq.Circuit(cirq.ry(angle)(Q[0])), "Z", inputs=[angle], engine=engine)
    found = keras.ops.convert_to_numpy(layer(np.array([[np.nan], [0.0], [np.inf]])))
    assert np.isnan(found[:, 0]).tolist() == [True, False, True]
    assert engine.spent.circuits == 1
