"""Runs in several processes: rows are there once, whatever becomes of a worker."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qkeras_hybrid.bench import runner, workers
from qkeras_hybrid.bench.results import Results, read_rows
from qkeras_hybrid.bench.task import Task

TASK = Task(
    data={"name": "iris"},
    model={"name": "pqc_dense", "n_qubits": 2, "n_layers": 1},
    training={"epochs": 1, "batch_size": 32, "learning_rate": 0.01},
    backend="tensorflow",
    contender="linear",
    seed=0,
)

# A model whose process is killed while it is built, as often as there are files to take away.
DEADLY = """
import os, pathlib, signal
import keras
from qkeras_hybrid import PQCDense


def build(n_features, n_outputs):
    lives = sorted(pathlib.Path({folder!r}).glob("kill-*"))
    if lives:
        lives[0].unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return keras.Sequential([
        keras.Input((n_features,)),
        PQCDense(1),
        keras.layers.Dense(n_outputs, activation="softmax"),
    ])
"""


def deadly(folder: Path, kills: int) -> Task:
    """Returns a task whose first processes are killed."""
    (folder / "deadly.py").write_text(DEADLY.format(folder=str(folder)))
    for number in range(kills):
        (folder / f"kill-{number}").touch()
    return dataclasses.replace(TASK, model={"name": f"{folder / 'deadly.py'}:build"})


@pytest.mark.parametrize(
    ("n_tasks", "cores", "expected"),
    [(90, 2, 2), (90, 1, 1), (90, 64, 4), (19, 8, 1), (20, 8, 2), (0, 8, 1)],
)
def test_a_suite_takes_the_cores_that_it_has_work_for(
    monkeypatch: pytest.MonkeyPatch, n_tasks: int, cores: int, expected: int
) -> None:
    monkeypatch.setattr(workers, "_cores", lambda: cores)
    assert workers.default_workers(n_tasks) == expected


def test_workers_write_each_row_once_say_nothing_and_outlive_a_lost_one(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")  # as the command line sets it
    tasks = [TASK, deadly(tmp_path, kills=1), dataclasses.replace(TASK, seed=1)]
    lost: list[tuple[str, int]] = []
    with Results(tmp_path / "results.jsonl") as results:
        found = list(
            workers.run_processes(tasks, results, 2, lambda task, n: lost.append((task.id, n)))
        )
        assert list(workers.run_processes(tasks, results, 2)) == []
    said = capfd.readouterr().err
    assert "cuda" not in said and "TensorFlow" not in said, said
    rows = read_rows(tmp_path / "results.jsonl")
    assert [row.task for row in found] == [row.task for row in rows]
    assert sorted(row.task for row in rows) == sorted(task.id for task in tasks)
    assert all(row.error is None for row in rows)
    assert not any(row.timing_comparable for row in rows)
    assert (tasks[1].id, 1) in lost
    # In another process as in this one.
    by_task = {row.task: row for row in rows}
    alone = runner.run_task(TASK)
    assert by_task[TASK.id].loss == pytest.approx(alone.loss, rel=1e-4)
    assert by_task[TASK.id].test_score == alone.test_score


@pytest.mark.slow
def test_a_task_that_always_loses_its_worker_has_a_row_that_says_so(tmp_path: Path) -> None:
    task = deadly(tmp_path, kills=99)
    with Results(tmp_path / "results.jsonl") as results:
        (row,) = workers.run_processes([task], results, 2)
    assert row.error.startswith("WorkerLost: the process was lost 3 times")
    assert row.task == task.id


@pytest.mark.parametrize("count", [0, -1, 1.5])
def test_a_number_of_workers_that_is_none_is_refused(count: Any, tmp_path: Path) -> None:
    with (
        Results(tmp_path / "results.jsonl") as results,
        pytest.raises(ValueError, match=r"n_workers.*at least 1"),
    ):
        list(workers.run_processes([TASK], results, count))


def runs(pid: str) -> bool:
    """Whether a process is there, and more than the entry that its parent has yet to read."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def long_run(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Starts a run that would take for ever on two workers; gives its process and their ids."""
    code = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from qkeras_hybrid import cli
if __name__ == "__main__":
    sys.exit(cli.main(sys.argv[1:]))
"""
    (tmp_path / "program.py").write_text(code)
    suite = tmp_path / "long.toml"
    suite.write_text(
        """
seeds = 2
[training]
epochs = 100000
batch_size = 32
learning_rate = 0.01
[[task]]
data = {name = "iris"}
model = {name = "pqc_dense", n_qubits = 2, n_layers = 1}
contenders = ["linear"]
"""
    )
    process = subprocess.Popen(
        [
            *(sys.executable, str(tmp_path / "program.py"), "run", str(suite)),
            *("--output", str(tmp_path / "out"), "--workers", "2"),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([".", *sys.path])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    children: list[str] = []
    try:
        while process.poll() is None and len(children) < 3:
            time.sleep(0.1)  # the workers, and what tracks their resources
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        time.sleep(3)
        yield process, children
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def gone(pids: list[str], seconds: float = 120) -> bool:
    """Waits until processes are gone; whether they are. The limit is for a loaded machine."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(map(runs, pids)):
        time.sleep(0.1)
    return not any(map(runs, pids))


@pytest.mark.parametrize(
    ("number", "group"),
    [
        pytest.param(signal.SIGINT, True, id="Ctrl-C", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, False, id="kill"),
        pytest.param(signal.SIGTERM, True, id="kill of the group", marks=pytest.mark.slow),
    ],
)
def test_a_stopped_run_ends_its_workers_and_leaves_whole_rows(
    number: signal.Signals, group: bool, tmp_path: Path
) -> None:
    with long_run(tmp_path) as (process, children):
        (os.killpg if group else os.kill)(process.pid, number)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 130, err
        assert "Traceback" not in err, err
        assert "stopped with 0 of 2 runs" in err
        assert out == ""
        assert read_rows(tmp_path / "out" / "results.jsonl") == []
        assert gone(children)


@pytest.mark.parametrize(
    "busy",
    [
        pytest.param(False, id="while they start", marks=pytest.mark.slow),
        pytest.param(True, id="while they train", marks=pytest.mark.slow),
    ],
)
def test_workers_end_with_a_parent_that_is_killed(busy: bool, tmp_path: Path) -> None:
    with long_run(tmp_path) as (process, children):
        if busy:
            time.sleep(20)
        process.kill()
        process.wait()
        assert gone(children)


def test_a_cluster_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with (
        Results(tmp_path / "results.jsonl") as results,
        pytest.raises(workers.RayError, match="can't be reached"),
    ):
        list(workers.run_ray([TASK], results, "127.0.0.1:1"))


@pytest.mark.slow
def test_a_ray_cluster_of_two_nodes_outlives_a_killed_worker(tmp_path: Path, root: Path) -> None:
    pytest.importorskip("ray")
    # In a process of its own: Ray keeps threads and a session for as long as a process lives.
    code = """
import json, pathlib, sys
from ray.cluster_utils import Cluster
from qkeras_hybrid.bench import workers
from qkeras_hybrid.bench.results import Results
sys.path.insert(0, "tests")
from test_workers import TASK, deadly
import dataclasses

folder = pathlib.Path(sys.argv[1])
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
cluster.add_node(num_cpus=1)
tasks = [deadly(folder, kills=1), *(dataclasses.replace(TASK, seed=seed) for seed in range(5))]
lost = []
with Results(folder / "results.jsonl") as results:
    for row in workers.run_ray(tasks, results, cluster.address, lambda t, n: lost.append(t.id)):
        pass
    assert list(workers.run_ray(tasks, results, cluster.address)) == []
cluster.shutdown()
print(json.dumps({"lost": lost, "tasks": [task.id for task in tasks]}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    rows = read_rows(tmp_path / "results.jsonl")
    assert sorted(row.task for row in rows) == sorted(said["tasks"])
    assert all(row.error is None for row in rows)
    assert said["lost"] == [said["tasks"][0]]
