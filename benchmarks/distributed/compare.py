"""Shows that training on two devices, interrupted or not, gives the same result as on one device.

    KERAS_BACKEND=jax python benchmarks/distributed/compare.py

The script runs `data_parallel.py` in one process; in two processes; in two processes, of which one
is killed, and which are then started again; and in one process with two devices. The exit status is
1 if a loss or a weight differs by more than 1e-5.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

TOLERANCE = 1e-5
"""In float32, the sum over two halves of a batch has another rounding than that over all of it."""

LOST_IN = 3

TWO_DEVICES = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}


def main() -> int:
    """Runs the trainings, prints how much each differs from the first, returns the exit status."""
    parser = argparse.ArgumentParser(description="Compare trainings on one device and on two.")
    parser.add_argument("--engine", default="auto", help="of the quantum layer (default: auto)")
    engine = ["--engine", parser.parse_args().engine]
    with tempfile.TemporaryDirectory() as folder:
        backup = ["--processes", "2", "--backup", str(Path(folder) / "backup")]
        runs = {
            "one process": trained(*engine),
            "two processes": trained(*engine, "--processes", "2"),
            "two devices of a process": trained(*engine, **TWO_DEVICES),
        }
        if started(*engine, *backup, "--lose-in", str(LOST_IN)) == 0:
            raise SystemExit("The training went on without the process that was killed.")
        runs["two, one lost, resumed"] = trained(*engine, *backup)
    first = runs["one process"]
    worst = 0.0
    for name, run in runs.items():
        loss, weights = distance(run, first)
        worst = max(worst, loss, weights)
        print(
            f"{name:26} {run['devices']} x {run['engine']}, epochs {run['epochs']}: "
            f"losses differ by {loss:.1e}, weights by {weights:.1e}"
        )
    resumed = runs["two, one lost, resumed"]["epochs"] == first["epochs"][LOST_IN:]
    shared = [run["devices"] for run in runs.values()] == [1, 2, 2, 2]
    return 0 if resumed and shared and worst <= TOLERANCE else 1


def started(*arguments: str, **environment: str) -> int:
    """Runs `data_parallel.py` and returns its exit status."""
    script = str(Path(__file__).with_name("data_parallel.py"))
    return subprocess.run(
        [sys.executable, script, *arguments], env={**os.environ, **environment}, check=False
    ).returncode


def trained(*arguments: str, **environment: str) -> dict[str, Any]:
    """Runs `data_parallel.py` and returns its results."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        status = started(*arguments, "--result", str(result), **environment)
        if status != 0:
            raise SystemExit(f"A training ended with exit status {status}.")
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return found


def distance(run: dict[str, Any], other: dict[str, Any]) -> tuple[float, float]:
    """Returns the largest differences of the losses of all epochs, and of the final weights."""
    losses = dict(zip(other["epochs"], other["loss"], strict=True))
    loss = max(
        abs(value - losses[epoch]) for epoch, value in zip(run["epochs"], run["loss"], strict=True)
    )
    weights = max(
        float(np.abs(np.subtract(mine, theirs)).max())
        for mine, theirs in zip(run["weights"], other["weights"], strict=True)
    )
    return loss, weights


if __name__ == "__main__":
    sys.exit(main())
