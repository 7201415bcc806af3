"""Training in several processes: the scripts of `benchmarks/distributed/`."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / "benchmarks" / "distributed"


@pytest.fixture(name="script", scope="module")
def load_script() -> ModuleType:
    """The module `data_parallel.py`."""
    spec = importlib.util.spec_from_file_location("data_parallel", SCRIPTS / "data_parallel.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("n_processes", [1, 2, 4])
def test_the_batches_of_all_processes_together_are_those_of_one(
    script: ModuleType, n_processes: int
) -> None:
    n_samples = 3 * script.BATCH
    each = script.BATCH // n_processes
    shares = [script.share(n_samples, process, n_processes) for process in range(n_processes)]
    for batch in range(3):
        taken = np.concatenate([share[batch * each : (batch + 1) * each] for share in shares])
        assert taken.tolist() == list(range(batch * script.BATCH, (batch + 1) * script.BATCH))


def test_processes_know_their_place_and_end_once_one_has_failed(
    script: ModuleType, tmp_path: Path
) -> None:
    code = """
import os, pathlib, sys, time
process = os.environ["KERAS_DISTRIBUTION_PROCESS_ID"]
pathlib.Path(sys.argv[1], process).write_text(os.environ["KERAS_DISTRIBUTION_NUM_PROCESSES"])
while sys.argv[2] == "fails" and process == "0":
    time.sleep(1)
sys.exit(3 if sys.argv[2] == "fails" else 0)
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    assert script.run_together([*command, "succeeds"], 2) == 0
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"0": "2", "1": "2"}
    assert script.run_together([*command, "fails"], 2) == 3


class Interrupted(Exception):
    """What ends a training in these tests."""


def train(*callbacks: keras.callbacks.Callback) -> keras.callbacks.History:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    x = np.random.default_rng(0).normal(size=(8, 3))
    history = model.fit(
        x, x.sum(1), 4, epochs=5, shuffle=False, verbose=0, callbacks=list(callbacks)
    )
    history.weights = model.get_weights()
    return history


def test_a_training_cut_off_amid_a_backup_goes_on_from_the_one_before(
    script: ModuleType, tmp_path: Path
) -> None:
    class CutOff(script.SharedBackup):  # type: ignore[name-defined]
        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            if epoch < 3:
                super().on_epoch_end(epoch, logs)
                return
            (self.folder / "unfinished").mkdir()
            (self.folder / "unfinished" / "latest.weights.h5").write_bytes(b"\x89HDF")
            raise Interrupted

    folder = tmp_path / "backup"
    with pytest.raises(Interrupted):
        train(CutOff(folder, writes=True))
    kept = sorted(path.name for path in folder.iterdir())
    assert kept == ["epoch-000003", "unfinished"]
    # A process that does not write reads the same, and leaves it to the one that does.
    reader = train(script.SharedBackup(folder, writes=False))
    assert sorted(path.name for path in folder.iterdir()) == kept
    resumed = train(script.SharedBackup(folder, writes=True))
    assert not folder.exists()

    whole = train()
    for history in (reader, resumed):
        assert history.epoch == [3, 4]
        # The same operations on the same numbers.
        assert history.history["loss"] == whole.history["loss"][3:]
        for weight, same in zip(history.weights, whole.weights, strict=True):
            np.testing.assert_array_equal(weight, same)


def run(script: str, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / script), *arguments],
        env={
            **os.environ,
            "KERAS_BACKEND": "jax",
            "PYTHONPATH": str(SCRIPTS.parent.parent),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["statevector", "auto"])
def test_two_devices_train_as_one_and_so_does_a_killed_process_that_comes_back(
    engine: str,
) -> None:
    pytest.importorskip("jax")
    said = run("compare.py", "--engine", engine)
    assert "two, one lost, resumed" in said


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["statevector", "auto"])
def test_each_device_computes_its_own_samples_and_only_sums_are_exchanged(
    engine: str, tmp_path: Path
) -> None:
    pytest.importorskip("jax")
    run(
        *("data_parallel.py", "--epochs", "1", "--engine", engine),
        XLA_FLAGS="--xla_force_host_platform_device_count=2 --xla_dump_hlo_as_text "
        f"--xla_dump_to={tmp_path}",
    )
    (step,) = tmp_path.glob("*.jit_train_step.*after_optimizations.txt")
    compiled = step.read_text(encoding="utf-8")
    assert "all-reduce" in compiled
    # What can't be split is computed for all samples on each device, after gathering them.
    assert "all-gather" not in compiled
