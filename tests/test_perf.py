"""`qkeras-hybrid perf`: what it measures, what it refuses, what it leaves behind."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import multiprocessing
import os
import re
import signal
import stat
import sys
import textwrap
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import cirq
import keras
import numpy as np
import pytest
import rich.console
import rich.table
import sympy

from qkeras_hybrid import cli, engines
from qkeras_hybrid.engines import Run
from qkeras_hybrid.engines.native import library, lowering
from qkeras_hybrid.perf import (
    agreement,
    base,
    epochs,
    peak,
    peer_runs,
    peers,
    report,
    steps,
    workers,
)
from qkeras_hybrid.perf.base import Config, Timing
from qkeras_hybrid.program import Compiled, Job, compile_circuit
from sources import imports_of

OWN = keras.backend.backend()
OTHERS = workers.installed()[1:]

TINY = Config(3, 2, 2)
FAST = ("--quick", "--no-epochs", "--config", str(TINY))

needs_another_backend = pytest.mark.skipif(not OTHERS, reason="there is one Keras backend")
needs_native = pytest.mark.skipif(
    library.unavailable() is not None, reason="the native engine is not built"
)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times nothing for long: figures don't matter here.

    What may end a run early is far above what a first call takes on any machine.
    """
    effort = sys.modules["qkeras_hybrid.cli.perf"]._Effort(
        step_s=0.02, cap_s=900.0, epochs=1, epoch_s=0.0
    )
    monkeypatch.setattr("qkeras_hybrid.cli.perf._QUICK", effort)
    monkeypatch.setattr("qkeras_hybrid.cli.perf._FULL", effort)
    monkeypatch.setattr("qkeras_hybrid.perf.peak.BURST_S", 0.001)


@pytest.fixture
def python(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a program that stands for the Python of another environment."""

    def make(code: str) -> Path:
        path = tmp_path / "other-python"
        path.write_text(f"#!{sys.executable} -I\n{textwrap.dedent(code)}", encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return make


def standard_loss(config: Config) -> float:
    """The workload's loss, gate by gate on a complex128 state of its own."""
    n = config.n_qubits
    x, w = (array.astype(float) for array in steps.draw(config))
    paulis = {
        "x": np.array([[0, 1], [1, 0]]),
        "y": np.array([[0, -1j], [1j, 0]]),
        "z": np.diag([1, -1]),
    }

    def rotate(state: np.ndarray, pauli: str, qubit: int, angle: float) -> np.ndarray:
        gate = math.cos(angle / 2) * np.eye(2) - 1j * math.sin(angle / 2) * paulis[pauli]
        return np.moveaxis(np.tensordot(gate, state, (1, qubit)), 0, qubit)

    total = 0.0
    for sample in x:
        state = np.zeros((2,) * n, complex)
        state[(0,) * n] = 1
        for q in range(n):
            state = rotate(state, "x", q, sample[q])
        for layer in w.reshape(-1, n, 2):
            for q in range(n):
                state = rotate(rotate(state, "y", q, layer[q, 0]), "z", q, layer[q, 1])
            for q in range(n):
                both = [slice(None)] * n
                both[q] = both[(q + 1) % n] = 1
                state[tuple(both)] *= -1
        probabilities = abs(state) ** 2
        for q in range(n):
            low, high = np.moveaxis(probabilities, q, 0)
            total += float(low.sum() - high.sum()) ** 2
    return total


# The workload


@pytest.mark.parametrize("config", [TINY, Config(2, 1, 3), Config(4, 3, 2)], ids=str)
def test_the_step_computes_the_standard_loss_and_its_gradients(config: Config) -> None:
    engine = engines.get("statevector")
    assert engine is not None
    loss, by_inputs, by_weights = steps.step(engine, config)()
    assert loss == pytest.approx(standard_loss(config), rel=1e-5)
    assert by_inputs.shape == (config.batch, config.n_qubits)
    assert by_weights.shape == (2 * config.n_qubits * config.n_layers,)
    assert np.abs(by_weights).max() > 0.1


def test_the_peers_draw_what_the_engines_draw() -> None:
    for ours, theirs in zip(steps.draw(TINY), peers.draw(3, 2, 2), strict=True):
        assert ours.dtype == theirs.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs)


def test_the_peers_script_stands_alone() -> None:
    source = Path(peers.__file__).read_text(encoding="utf-8")
    imported = {name.split(".")[0] for name, _ in imports_of(source)}
    assert imported - set(sys.stdlib_module_names) == {"numpy"}
    assert tuple(peers.PEERS) == peer_runs.NAMES
    assert {name for name, (_, jitted, _) in peers.PEERS.items() if jitted} == set(peer_runs.JITTED)


# The roofline


def lowered(compiled: Compiled) -> bytes:
    return lowering.lower(compiled.program, compiled.angles.affine, compiled.readout)


@needs_native
def test_the_count_of_operations_is_that_by_hand() -> None:
    q = cirq.LineQubit.range(2)
    a, b, c = sympy.symbols("a b c")

    # Two amplitudes. The rotation is part of the product start.
    #   expectation: start 6 * 2; probabilities 3 * 2; z: a difference, and a sum over chunks
    #   gradient: lambda 2 * 2 and its one term; the start's gradient 16 * 2
    one = compile_circuit(cirq.Circuit(cirq.rx(a)(q[0])), "Z", inputs=[a])
    assert library.flops(lowered(one)) == (12 + 6 + 2, 4 + 1 + 32)

    # Four amplitudes. The CZ is a stage of phases; two observables notice the last rotation, so
    # that it is not moved into them.
    #   state: start 6 * 4; phases 6 * 4; rotation 4 * 4
    #   expectation: X 2 * 4; probabilities 3 * 4; z: two differences, a sum, and one over chunks
    #   gradient: X 4 * 4; lambda 2 * 4 and its one term; rotation 12 * 4; phases for lambda alone
    #   6 * 4; the start's gradient 16 * 4
    circuit = cirq.Circuit(cirq.rx(a)(q[0]), cirq.rx(b)(q[1]), cirq.CZ(*q), cirq.ry(c)(q[0]))
    two = compile_circuit(circuit, [cirq.Z(q[0]), cirq.X(q[0])], inputs=[a, b])
    state = 24 + 24 + 16
    assert library.flops(lowered(two)) == (
        state + 8 + 12 + 4,
        16 + 9 + 48 + 24 + 64,
    )


@needs_native
def test_the_count_grows_with_the_batch_and_refuses_other_bytes() -> None:
    four, one = (steps.flops(Config(3, 2, batch)) for batch in (4, 1))
    assert four == (4 * one[0], 4 * one[1])
    with pytest.raises(ValueError, match="The serialized program is not valid"):
        library.flops(b"QHN1 and then nothing of use")


@needs_native
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", library.instruction_sets() if library.LIBRARY.exists() else [])
def test_multiply_adds_are_done(name: str, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QKERAS_HYBRID_ISA", name)
    assert library.instruction_set() == name
    width = {"avx512": 64, "avx2": 32, "baseline": 16}[name]
    lanes = width // (4 if dtype == "float32" else 8)
    # Twelve chains of vectors; each number goes half the way to 1, from 5.5 on average.
    done, mean = library.multiply_adds(3, dtype)
    assert (done, mean) == (2 * 12 * lanes * 3, 1 + 4.5 / 8)
    assert library.multiply_adds(100, dtype)[1] == pytest.approx(1, abs=1e-6)


@needs_native
def test_an_instruction_set_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QKERAS_HYBRID_ISA", "mmx")
    with pytest.raises(RuntimeError, match=r"must name an instruction set .*, but is mmx"):
        peak.measure()


@needs_native
def test_the_peak_is_that_of_all_threads() -> None:
    found = peak.measure(threads=2, bursts=2)
    assert found.threads == 2
    assert found.gflops > 0 < found.single_gflops
    assert found.instruction_set in library.instruction_sets()


def test_a_busy_machine_is_said() -> None:
    def said(gflops: float) -> str:
        found = peak.Peak(gflops, 100.0, 2, "avx2")
        return "\n".join(report.notes(report.Measured({}, {}, {}, found)))

    assert "something else is running here" in said(110.0)
    assert "something else" not in said(190.0)


# Taking turns


def test_contenders_take_turns() -> None:
    order: list[str] = []

    def contender(name: str, seconds: float) -> Callable[[float], list[float]]:
        def run() -> float:
            order.append(name)
            return seconds

        return functools.partial(base.turn, run)

    timings = {"fast": Timing(), "slow": Timing()}
    runs = {"fast": contender("fast", 0.4), "slow": contender("slow", 5.0)}
    base.take_turns(runs, timings, budget_s=0.0, cap_s=1e9, rounds=3)
    assert order == ["fast", "slow"] * 3
    order.clear()
    base.take_turns(runs, timings, budget_s=0.0, cap_s=12.0, rounds=4)
    # The slow one has had its time after three turns.
    assert order == ["fast", "slow"] * 3 + ["fast"]
    assert timings["slow"].times_s == [5.0] * 6
    assert (timings["fast"].median_s, timings["fast"].best_s) == (0.4, 0.4)


def test_a_fast_contender_is_called_several_times_a_turn() -> None:
    timings = {"fast": Timing(), "slow": Timing()}
    calls = iter(range(10**6))

    def fast() -> float:
        next(calls)
        return 0.03

    def slow() -> float:
        if next(calls) > 30:
            raise KeyboardInterrupt
        return 9.0

    runs = {"fast": fast, "slow": slow}
    with pytest.raises(KeyboardInterrupt):
        base.take_turns(
            {name: functools.partial(base.turn, run) for name, run in runs.items()},
            timings,
            budget_s=2.0,
            cap_s=1e9,
            rounds=10**6,
        )
    # A turn is a tenth of a second: four calls of the one, one call of the other.
    assert len(timings["fast"].times_s) // len(timings["slow"].times_s) == 4


def test_a_contender_that_fails_has_no_times() -> None:
    timings = {"breaks": Timing(), "works": Timing()}
    calls = iter(range(100))

    def breaks() -> float:
        if next(calls) == 1:
            raise RuntimeError("the circuit\ncaught fire")
        return 1.0

    runs = {
        "breaks": functools.partial(base.turn, breaks),
        "works": functools.partial(base.turn, lambda: 1.0),
    }
    base.take_turns(runs, timings, budget_s=0.0, cap_s=9.0, rounds=3)
    assert timings["breaks"].as_dict() == {
        **dict.fromkeys(("first_s", "median_s", "best_s")),
        "times_s": [],
        "reason": "RuntimeError: the circuit caught fire",
    }
    assert timings["works"].times_s == [1.0] * 3


# The command


@needs_native
def test_perf_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "perf.json"
    assert cli.main(["perf", *FAST, "--output", str(path), *engine("native", "statevector")]) == 0
    printed = capsys.readouterr().out
    assert re.search(
        r"^3,2,2 +native +\S+ m?s +\S+ m?s +1\.00 +1\.00 +\S+, \S+ %", printed, re.MULTILINE
    )
    assert re.search(r"^ +statevector +\S+ m?s +\S+ m?s +\S+ +\S+ *$", printed, re.MULTILINE)
    assert re.search(r"^Peak: \d+ GFLOP/s, measured by multiply-adds", printed, re.MULTILINE)
    assert f"Times: {path}" in printed

    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["format"] == report.FORMAT
    assert written["versions"]["keras"] == keras.__version__
    assert written["machine"]["cores"] == peak.cores()
    assert written["machine"]["instruction_set"] == library.instruction_set()
    assert written["peak"]["gflops"] > 0
    (result,) = written["steps"]
    assert (result["n_qubits"], result["n_layers"], result["batch"]) == (3, 2, 2)
    assert result["loss"] == pytest.approx(standard_loss(TINY), rel=1e-5)
    assert (result["flop_expectation"], result["flop_gradient"]) == steps.flops(TINY)
    for timing in result["engines"].values():
        assert timing["reason"] is None
        # Of many times the file has some.
        assert 0 < timing["best_s"] <= min(timing["times_s"])
        assert timing["best_s"] <= timing["median_s"] <= max(timing["times_s"])
        # The first call traces.
        assert timing["first_s"] > timing["median_s"]
    native = result["engines"]["native"]
    total = result["flop_expectation"] + result["flop_gradient"]
    assert result["gflops"] == pytest.approx(total / native["median_s"] / 1e9)
    assert result["share_of_peak"] == pytest.approx(result["gflops"] / written["peak"]["gflops"])
    assert written["epochs"] == {}
    assert [file.name for file in tmp_path.iterdir()] == ["perf.json"]


def engine(*names: str) -> list[str]:
    return [argument for name in names for argument in ("--engine", name)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--engine", "qpu"], r"one of 'native', 'tfq', .*, but got 'qpu'"),
        (["--backend", "theano"], r"one of 'tensorflow', 'jax', 'torch', but got 'theano'"),
        (["--config", "8,3"], r"`--config` must be QUBITS,LAYERS,BATCH.* but got '8,3'"),
        (["--config", "1,3,64"], "at least 2 qubits, 1 layer, 1 sample, but got '1,3,64'"),
        (["--config", "8,3,-1"], "but got '8,3,-1'"),
        (["--config", "8,x,1"], "but got '8,x,1'"),
        (["--config", "8,3,0"], "but got '8,3,0'"),
        (["--peers", "qiskit=python3"], "one of 'tensorcircuit', 'pennylane-jax', .*'qiskit'"),
        (["--peers", "pennylane-jax"], "`--peers` must be NAME=PYTHON"),
        (["--peers", "pennylane-jax="], "`--peers` must be NAME=PYTHON"),
        (["--peers", "pennylane-jax=no/such/python"], "but got 'no/such/python'"),
        (["--peers", f"tensorcircuit={sys.executable}"] * 2, "name each peer once"),
        (["--output", "no/such/folder/perf.json"], "No such file or directory"),
        (["--output", "."], "`--output` must be a file, but got"),
        (["--output", "/dev/null"], "`--output` must be a file, but got"),
        (["--speed"], "No such option"),
    ],
)
def test_wrong_usage_is_one_line_before_anything_runs(
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(steps, "warm_up", lambda names: pytest.fail("it has started"))
    assert cli.main(["perf", "--no-epochs", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert re.search(said, printed.err)
    assert list(tmp_path.iterdir()) == []


def test_a_backend_that_is_not_installed_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "installed", lambda: (OWN,))
    missing = next(name for name in base.BACKENDS if name != OWN)
    assert cli.main(["perf", *FAST, "--backend", missing]) == 2
    said = f"`--backend` must name a backend that is installed, but got {missing!r}"
    assert said in capsys.readouterr().err


def test_an_engine_that_cannot_has_its_reason(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "perf.json"
    arguments = ["--config", "13,1,1", "--config", "99,1,1", "--output", str(path)]
    assert cli.main(["perf", "--quick", "--no-epochs", *arguments, *engine("statevector")]) == 1
    printed = capsys.readouterr()
    assert "13,1,1 statevector: not timed above 12 qubits" in printed.out
    assert "No engine could be timed" in printed.err
    reasons = [s["engines"]["statevector"]["reason"] for s in json.loads(path.read_text())["steps"]]
    assert all("not timed above 12 qubits" in reason for reason in reasons)
    assert len(reasons) == 2


@needs_native
def test_what_stops_an_engine_is_said_in_its_own_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QKERAS_HYBRID_ISA", "mmx")
    assert cli.main(["perf", *FAST, *engine("native")]) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert re.search(r"3,2,2 native: \w+Error: Environment variable QKERAS_HYBRID_ISA must", said)
    assert said.endswith("but is mmx.")


def test_without_the_native_engine_the_roofline_is_empty(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "unavailable", lambda: "not built (no C++ compiler found)")
    assert cli.main(["perf", *FAST, *engine("native", "statevector")]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^3,2,2 +native +- +- +- +- *$", printed, re.MULTILINE)
    assert re.search(r"^ +statevector +\S+ m?s +\S+ m?s +- +- *$", printed, re.MULTILINE)
    assert "No GFLOP/s and no share of the peak: The native engine is not built (no C++" in printed
    assert "3,2,2 native: not built (no C++ compiler found)." in printed


class _Wrong(engines.StatevectorEngine):
    """Computes values that are a little off, or NaN."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def prepare(self, job: Job) -> Run:
        run = super().prepare(job)
        return lambda *arguments: self.factor * run(*arguments)


@pytest.mark.parametrize("factor", [1.001, math.nan])
def test_engines_that_disagree_stop_everything(
    factor: float,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    get = engines.get
    monkeypatch.setattr(engines, "get", lambda name: _Wrong(factor) if name == "tfq" else get(name))
    path = tmp_path / "perf.json"
    wanted = engine("statevector", "tfq")
    assert cli.main(["perf", *FAST, "--output", str(path), *wanted]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "At 3,2,2 the engines statevector and tfq disagree: the loss differs by" in printed.err
    assert not path.exists()


def test_ctrl_c_shows_what_is_done_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "perf.json"
    measure = steps.measure

    def stops_at_the_second(config: Config, *arguments: Any, **options: Any) -> Any:
        if config != TINY:
            raise KeyboardInterrupt
        return measure(config, *arguments, **options)

    monkeypatch.setattr(steps, "measure", stops_at_the_second)
    arguments = ["--config", "4,1,1", "--output", str(path), *engine("statevector")]
    assert cli.main(["perf", *FAST, *arguments]) == 130
    printed = capsys.readouterr()
    assert re.search(r"^3,2,2 +statevector +\S+ m?s", printed.out, re.MULTILINE)
    assert "4,1,1" not in printed.out
    assert printed.err == (
        f"qkeras-hybrid: stopped with 1 of 2 configurations measured; {path} is not written.\n"
    )
    assert list(tmp_path.iterdir()) == []


# Other backends


@pytest.fixture(scope="module")
def pool() -> Iterator[dict[str, workers.Worker]]:
    """Processes with the other backends, which tests share: each takes seconds to load."""
    if not OTHERS:
        pytest.skip("there is one Keras backend")
    with workers.started([f"native@{other}" for other in OTHERS]) as found:
        yield found


@pytest.fixture
def worker(pool: dict[str, workers.Worker]) -> workers.Worker:
    """One of them."""
    return pool[OTHERS[-1]]


def backends(*names: str) -> list[str]:
    return [argument for name in names for argument in ("--backend", name)]


@pytest.mark.slow
def test_all_backends_take_turns_in_one_run(
    pool: dict[str, workers.Worker],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workers, "started", lambda names: contextlib.nullcontext(pool))
    monkeypatch.setenv("COLUMNS", "120")
    path = tmp_path / "perf.json"
    arguments = [*backends(OWN, *OTHERS), *engine("statevector", "native"), "--output", str(path)]
    assert cli.main(["perf", *FAST, *arguments]) == 0
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["settings"]["backends"] == [OWN, *OTHERS]
    assert written["settings"]["own_backend"] == OWN
    (result,) = written["steps"]
    expected = ["statevector", "native"]
    expected += [f"{name}@{other}" for other in OTHERS for name in ("statevector", "native")]
    assert list(result["engines"]) == expected
    # The losses and gradients of all have been held against those of the first.
    assert result["loss"] == pytest.approx(standard_loss(TINY), rel=1e-5)
    printed = capsys.readouterr().out
    for name, timing in result["engines"].items():
        if name.startswith("statevector"):
            assert timing["reason"] is None
            assert len(timing["times_s"]) >= 5
        assert re.search(rf"^(3,2,2)? +{name} +(\S+ m?s|-) +(\S+ m?s|-) ", printed, re.MULTILINE)
    for other in OTHERS:
        assert re.search(
            rf"^First call *\nstep +statevector@{other} +native@", printed, re.MULTILINE
        )


def test_a_worker_computes_the_standard_loss_and_its_gradients(worker: workers.Worker) -> None:
    there, here = workers.Remote(worker, workers.STEPS), steps.Steps()
    _, found = there.first("statevector", TINY)
    assert found[0] == pytest.approx(standard_loss(TINY), rel=1e-5)
    _, expected = here.first("statevector", TINY)
    for a, b in zip(found[1:], expected[1:], strict=True):
        # Sums of a hundred float32 gates of order 1.
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert len(there.turn("statevector", 0.0)) == 1
    assert len(there.turn("statevector", 1e9)) == base.MAX_STEPS_A_TURN


def test_what_goes_wrong_in_a_worker_is_said_in_its_words(worker: workers.Worker) -> None:
    elsewhere = {worker.backend: workers.Remote(worker, workers.STEPS)}
    many = Config(13, 1, 1)
    names = [f"{name}@{worker.backend}" for name in ("statevector", "nonsense", "tfq")]
    found = steps.measure(many, names, elsewhere, budget_s=0.0, cap_s=900.0)
    reasons = [timing.reason for timing in found.timings.values()]
    assert reasons[0] == "not timed above 12 qubits, where a step takes minutes"
    assert "ArgumentError: Argument `engine` must be one of" in str(reasons[1])
    if worker.backend != "tensorflow":
        assert reasons[2] == (
            f"it runs under tensorflow, but the Keras backend is {worker.backend}"
        )


def test_backends_that_disagree_stop_everything(
    worker: workers.Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "get", lambda name: _Wrong(1.001))
    elsewhere = {worker.backend: workers.Remote(worker, workers.STEPS)}
    there = f"statevector@{worker.backend}"
    with pytest.raises(
        agreement.DisagreementError, match=f"statevector and {there} disagree: the loss"
    ):
        steps.measure(TINY, ["statevector", there], elsewhere, budget_s=0.0, cap_s=900.0)


def test_ctrl_c_is_left_to_the_process_that_writes(worker: workers.Worker) -> None:
    assert worker.process.pid is not None
    os.kill(worker.process.pid, signal.SIGINT)
    assert workers.Remote(worker, workers.STEPS).first("statevector", TINY)[0] > 0


@needs_another_backend
def test_ctrl_c_ends_the_workers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, seen = multiprocessing.active_children(), list[BaseProcess]()

    def interrupted(worker: workers.Worker) -> None:
        seen.extend(set(multiprocessing.active_children()) - set(before))
        raise KeyboardInterrupt

    monkeypatch.setattr(workers.Worker, "wait", interrupted)
    arguments = [*backends(OWN, *OTHERS), *engine("statevector")]
    assert cli.main(["perf", *FAST, *arguments]) == 130
    assert capsys.readouterr().err == "qkeras-hybrid: stopped before the first configuration.\n"
    assert len(seen) == len(OTHERS)
    assert not set(seen) & set(multiprocessing.active_children())


@needs_another_backend
def test_a_worker_that_dies_leaves_the_others(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = workers.Worker.wait

    def killed(worker: workers.Worker) -> None:
        worker.process.kill()
        wait(worker)

    monkeypatch.setattr(workers.Worker, "wait", killed)
    other = OTHERS[-1]
    arguments = ["--config", "2,1,1", *backends(OWN, other), *engine("statevector")]
    assert cli.main(["perf", *FAST, *arguments]) == 0
    printed = capsys.readouterr().out
    for config in ("3,2,2", "2,1,1"):
        assert re.search(rf"^{config} +statevector +\S+ m?s", printed, re.MULTILINE)
        reason = f"the process with Keras on {other} ended by signal 9"
        assert f"{config} statevector@{other}: {reason}." in " ".join(printed.split())


def test_a_backend_that_does_not_load_has_its_reason() -> None:
    with workers.started(["native@nonsense"]) as found:
        found["nonsense"].wait()
        with pytest.raises(base.NotTimedError, match=r"^\w+Error: .*nonsense"):
            workers.Remote(found["nonsense"], workers.STEPS).first("native", TINY)


def test_engines_are_named_on_each_backend_that_they_run_under() -> None:
    other, both = ("torch", "tensorflow")[OWN == "torch"], ("statevector", "tfq")
    assert workers.contenders(("statevector",), (OWN, other)) == (
        "statevector",
        f"statevector@{other}",
    )
    if OWN == "tensorflow":
        assert workers.contenders(both, (OWN, "jax")) == ("statevector", "tfq", "statevector@jax")
        # So that somebody says why.
        assert workers.contenders(("tfq",), ("jax",)) == ("tfq@jax",)


def shown(table: rich.table.Table, width: int = 80) -> list[str]:
    """Returns the lines of a table as it is printed, with a space between words."""
    console = rich.console.Console(width=width, highlight=False)
    with console.capture() as capture:
        console.print(table)
    return [" ".join(line.split()) for line in capture.get().splitlines()]


def test_epochs_are_held_against_the_twin_on_the_same_backend() -> None:
    seconds = {"dense": 0.1, "native": 0.2, "dense@nonsense": 0.4, "native@nonsense": 0.2}
    found = {name: Timing(1.0, [s]) for name, s in seconds.items()}
    lines = shown(report.epoch_table(report.Measured({}, {}, {}, "none", epochs=found)))
    assert "PQCDense(8), native 1.00 s 200 ms 200 ms 2.00 2.00" in lines
    assert "PQCDense(8), native@nonsense 1.00 s 200 ms 200 ms 0.500 0.500" in lines
    assert "Dense(8), twin@nonsense 1.00 s 400 ms 400 ms 1.00 1.00" in lines


def test_jitted_peers_are_held_against_the_engines_under_jax() -> None:
    ours = {"native": Timing(0.1, [0.01]), "statevector": Timing(3.0, [0.02])}
    ours = {base.named(name, "jax"): timing for name, timing in ours.items()}
    theirs = {"tensorcircuit": Timing(8.0, [0.04]), "pennylane-jax": Timing(11.0, [0.1])}
    result = steps.StepResult(TINY, 1.0, ours, None, theirs)
    measured = report.Measured({}, {}, {}, "none", [result])
    table = report.jax_table(measured, peer_runs.JITTED)
    assert table is not None
    lines = shown(table)
    assert "3,2,2 tensorcircuit 4.00 2.00 8.00 s 100 ms 3.00 s" in lines
    assert "pennylane-jax 10.0 5.00 11.0 s 100 ms 3.00 s" in lines
    assert report.jax_table(measured, ()) is None


# Peers

ANSWER = {
    "peer": "pennylane-jax",
    "first_s": 3.0,
    "times_s": [0.5, 0.25, 1.0],
    "versions": {"pennylane": "0"},
}


@needs_native
def test_the_best_jitted_peer_is_held_against_the_native_engine(
    python: Callable[[str], Path], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    answer = {**ANSWER, "loss": standard_loss(TINY)}
    other = python(f"print('a library says hello'); print('''{json.dumps(answer)}''')")
    path = tmp_path / "perf.json"
    arguments = ["--peers", f"pennylane-jax={other}", "--output", str(path), *engine("native")]
    assert cli.main(["perf", *FAST, *arguments]) == 0
    (result,) = json.loads(path.read_text(encoding="utf-8"))["steps"]
    peer = result["peers"]["pennylane-jax"]
    assert (peer["first_s"], peer["median_s"], peer["best_s"]) == (3.0, 0.5, 0.25)
    assert peer["versions"] == {"pennylane": "0"}
    printed = capsys.readouterr().out
    table = printed[printed.index("Fastest compiled peer / native") :]
    row = re.search(r"^3,2,2 +pennylane-jax +(\S+) +(\S+) +3\.00 s", table, re.MULTILINE)
    assert row is not None
    assert float(row[1]) == pytest.approx(0.5 / result["engines"]["native"]["median_s"], rel=0.06)


@pytest.mark.parametrize(
    ("code", "said", "status"),
    [
        (f"print('''{json.dumps({**ANSWER, 'loss': 1.0})}''')", "it computes another loss", 1),
        (f"print('''{json.dumps({**ANSWER, 'loss': math.nan})}''')", "it computes another", 1),
        (
            "import nowhere",
            "ended with status 1: ModuleNotFoundError: No module named 'nowhere'",
            0,
        ),
        ("", "ended with status 0: it printed nothing", 0),
        ("import time; time.sleep(60)", "it took more than 0.5 s", 0),
    ],
    ids=["wrong", "nan", "breaks", "silent", "hangs"],
)
def test_a_peer_that_fails_leaves_the_rest(
    code: str,
    said: str,
    status: int,
    python: Callable[[str], Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "sleep" in code:
        measure = peer_runs.measure
        monkeypatch.setattr(
            peer_runs, "measure", lambda *a, **o: measure(*a, **{**o, "cap_s": 0.5})
        )
    arguments = ["--peers", f"tensorcircuit={python(code)}", *engine("statevector")]
    assert cli.main(["perf", *FAST, *arguments]) == status
    printed = capsys.readouterr()
    assert re.search(r"^3,2,2 +statevector +\S+ m?s", printed.out, re.MULTILINE)
    assert re.search(r"^ +tensorcircuit +- +- ", printed.out, re.MULTILINE)
    notes = " ".join(printed.out[printed.out.index("\n3,2,2 tensorcircuit: ") :].split())
    assert said in notes
    if status:
        assert "the peer tensorcircuit is wrong" in printed.err


def test_a_peer_without_its_library_says_so() -> None:
    line = peers.measure("tensorcircuit", (2, 1, 1), 0.0)
    if "error" not in line:
        pytest.skip("TensorCircuit is installed")
    assert line["error"] == "ModuleNotFoundError: No module named 'tensorcircuit'"
    peer = peer_runs.Peer("tensorcircuit", sys.executable)
    timing, printed = peer_runs.measure(peer, TINY, 1.0, budget_s=0.0, cap_s=900.0)
    assert timing.reason == printed["error"] == line["error"]
    assert timing.times_s == []


def test_the_peers_script_times_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def make(n: int, layers: int, batch: int) -> peers.Step:
        return lambda: (calls.append(n), (2.5, np.ones(layers)))[1]

    monkeypatch.setitem(peers.PEERS, "tensorcircuit", (make, True, ("numpy", "no-such-thing")))
    line = peers.measure("tensorcircuit", (5, 2, 1), 0.0)
    # One call with compilation, one that settles, three that count.
    assert calls == [5] * 5
    assert (line["loss"], line["grad_w_sum"], line["versions"]) == (
        2.5,
        2.0,
        {"numpy": np.__version__},
    )
    assert len(line["times_s"]) == 3
    assert line["min_s"] <= line["median_s"] <= line["max_s"]


# Epochs


@needs_native
def test_epochs_of_fit_are_timed_beside_a_dense_twin() -> None:
    started: list[str] = []
    found = epochs.measure(
        ("native", "nonsense"), rounds=1, budget_s=0.0, cap_s=900.0, on_model=started.append
    )
    assert list(found) == started == ["dense", "native", "nonsense"]
    for name in ("dense", "native"):
        assert found[name].reason is None
        assert len(found[name].times_s) == 1
        first = found[name].first_s
        assert first is not None
        assert first > 0
        assert found[name].times_s[0] > 0
    assert "nonsense" in str(found["nonsense"].reason)
    assert found["nonsense"].times_s == []

    measured = report.Measured({}, {}, {}, "not measured", epochs=found)
    assert report.epoch_table(measured).row_count == 3
    assert any(note.startswith("epoch nonsense: ArgumentError") for note in report.notes(measured))


def test_the_models_differ_in_the_middle_layer_alone() -> None:
    hybrid, twin = epochs.hybrid("statevector"), epochs._twin()
    assert [layer.units for layer in hybrid.layers] == [8, 8, 10]
    assert [layer.units for layer in twin.layers] == [8, 8, 10]
    assert hybrid.layers[1].program.n_qubits == 8
    assert isinstance(twin.layers[1], keras.layers.Dense)


def test_a_file_has_a_few_of_many_times() -> None:
    timing = Timing(1.0, [float(n) for n in range(3000)])
    written = timing.as_dict()
    assert written["times_s"] == [float(n) for n in range(0, 3000, 10)]
    assert written["median_s"] == 1499.5
