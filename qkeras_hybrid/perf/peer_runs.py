"""Runs `peers.py` with the interpreters of the user's own environments."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.perf import base
from qkeras_hybrid.perf.base import Config, Timing

# The peers in `peers.py`, which runs as a script of its own.
NAMES = ("tensorcircuit", "pennylane-jax", "pennylane-lightning")
JITTED = ("tensorcircuit", "pennylane-jax")
"""The peers that compile the step."""

SCRIPT = Path(base.__file__).with_name("peers.py")

LOSS_TOLERANCE = 1e-4
"""The relative tolerance between a peer's loss and the engines'; all use float32 (see `steps`)."""


@dataclasses.dataclass(frozen=True)
class Peer:
    """A peer, and the Python of an environment with its library.

    Attributes:
        name: One of `NAMES`.
        python: The interpreter.
    """

    name: str
    python: str

    @classmethod
    def parse(cls, text: str) -> Peer:
        """Reads `NAME=PYTHON`.

        Raises:
            ValueError: If the text has another form, the name is unknown, or there is no such
                interpreter.
        """
        name, equals, python = text.partition("=")
        if not equals or not python:
            raise ArgumentError(
                "--peers", "be NAME=PYTHON, as in pennylane-jax=venv/bin/python", text
            )
        one_of("--peers", name, NAMES)
        found = shutil.which(Path(python).expanduser())
        if found is None:
            raise ArgumentError("--peers", f"name a Python that can be run for {name}", python)
        return cls(name, found)


def measure(
    peer: Peer, config: Config, loss: float | None, *, budget_s: float, cap_s: float
) -> tuple[Timing, dict[str, Any]]:
    """Times a peer on a configuration, in a process of its own.

    Args:
        peer: The peer.
        config: The configuration.
        loss: The loss that the engines computed, to compare with the peer's; None for no check.
        budget_s: Seconds for the repetitions.
        cap_s: Seconds after which the process is stopped.

    Returns:
        The timing, and the line that the script printed (empty if it printed none).
    """
    # -I keeps this package's folder and PYTHONPATH out of the import path.
    command = [peer.python, "-I", str(SCRIPT), peer.name]
    command += ["--config", str(config), "--seconds", str(budget_s)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=cap_s, check=False)
    except subprocess.TimeoutExpired:
        return Timing(reason=f"it took more than {cap_s:g} s"), {}
    except OSError as error:
        return Timing(reason=f"{peer.python} does not run ({error.strerror})"), {}
    line = _line(done.stdout)
    if not line:
        return Timing(reason=_failure(peer, done)), {}
    if "error" in line:
        return Timing(reason=str(line["error"])), line
    timing = Timing(float(line["first_s"]), [float(seconds) for seconds in line["times_s"]])
    difference = math.nan if loss is None else abs(line["loss"] - loss)
    if loss is not None and not difference <= LOSS_TOLERANCE * abs(loss):
        timing.times_s.clear()
        timing.reason = f"it computes another loss: {line['loss']:.7g}, the engines {loss:.7g}"
    return timing, line


def best_jitted(timings: dict[str, Timing]) -> str | None:
    """Returns the compiled peer with the shortest median, or None if none was timed."""
    medians = {
        name: timing.median_s
        for name, timing in timings.items()
        if name in JITTED and timing.median_s is not None
    }
    return min(medians, key=lambda name: medians[name], default=None)


def _line(printed: str) -> dict[str, Any]:
    """Returns the last line that is a JSON object; libraries may print other lines."""
    for text in reversed(printed.splitlines()):
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and "peer" in line:
            return line
    return {}


def _failure(peer: Peer, done: subprocess.CompletedProcess[str]) -> str:
    said: Sequence[str] = [line for line in done.stderr.splitlines() if line.strip()]
    last = said[-1].strip()[:200] if said else "it printed nothing"
    return f"{peer.python} ended with status {done.returncode}: {last}"
