"""A training that is killed at any moment goes on where it was, and pays for nothing twice."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cirq_ionq")
pytest.importorskip("torch")

import ionq_server
from qkeras_hybrid.engines.services import Journal

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


class Trainings:
    """Starts trainings in forks of one process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.seconds = 0.0

    def run(self, address: str, folder: Path, kill_after: float | None = None) -> bool:
        """Trains until the end, or for some seconds; tells whether it came to the end."""
        assert self._process.stdin is not None and self._process.stdout is not None
        arguments = [address, str(folder / "journal"), str(folder / "weights.npy")]
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        child = int(self._process.stdout.readline())
        start, timer = time.perf_counter(), None
        if kill_after is not None:
            timer = threading.Timer(kill_after, _kill, [child])
            timer.start()
        status = int(self._process.stdout.readline())
        self.seconds = time.perf_counter() - start
        if timer is not None:
            timer.cancel()
        assert status in (0, signal.SIGKILL), f"the training ended with status {status}"
        return status == 0


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


@pytest.fixture(name="trainings", scope="module")
def started(root: Path) -> Iterator[Trainings]:
    process = subprocess.Popen(
        [sys.executable, str(root / "tests" / "killed_training.py")],
        cwd=root,
        env={**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": str(root)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield Trainings(process)
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


def bought(ionq: ionq_server.IonQ) -> Counter[str]:
    """Returns how often each circuit was bought."""
    return Counter(json.dumps(one) for job in ionq.jobs.values() for one in job["circuits"])


@pytest.mark.parametrize(
    "moments", [3, pytest.param(20, marks=pytest.mark.slow)], ids=["3 moments", "20 moments"]
)
def test_a_killed_training_buys_nothing_twice_and_ends_with_the_same_weights(
    moments: int, trainings: Trainings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def training(name: str, kills: Any) -> tuple[Any, Counter[str], int, int]:
        folder = tmp_path / name
        folder.mkdir()
        with ionq_server.serving() as (ionq, address):
            ionq.seconds = 0.003
            killed = 0
            while not trainings.run(address, folder, next(kills, None)):
                killed += 1
            names = [job["name"] for job in ionq.jobs.values()]
            assert len(set(names)) == len(names)
            with Journal(folder / "journal") as journal:
                jobs, circuits, _, _ = journal.spent()
                assert journal.pending() == []
            assert (jobs, circuits) == (len(ionq.jobs), sum(bought(ionq).values()))
            return np.load(folder / "weights.npy"), bought(ionq), jobs, killed

    weights, circuits, jobs, _ = training("whole", iter(()))
    seconds = trainings.seconds
    # Two epochs of two steps of two samples, each with two shifts of two angles.
    assert sum(circuits.values()) == 2 * 2 * 2 * 5
    assert max(circuits.values()) > 1
    rng, killed, number = random.Random(1), 0, 0
    while killed < moments:
        left = iter([seconds * rng.uniform(0, 1) for _ in range(moments - killed)])
        found, again, jobs_again, times = training(f"killed{number}", left)
        np.testing.assert_array_equal(found, weights)
        assert (again, jobs_again) == (circuits, jobs)
        killed, number = killed + times, number + 1
    with capsys.disabled():
        print(
            f"\nkilled at {killed} random moments in {number} trainings: {jobs} jobs each, "
            "none bought twice, the same weights"
        )
