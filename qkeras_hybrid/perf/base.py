"""Configurations of the standard workload, timings, and contenders that take turns."""

from __future__ import annotations

import dataclasses
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np

from qkeras_hybrid._errors import ArgumentError

MAX_STEPS_A_TURN = 50
"""The largest number of calls in a turn, since a call may take only microseconds."""

BACKENDS = ("tensorflow", "jax", "torch")
"""The Keras backends under which engines are timed."""


class NotTimedError(Exception):
    """A contender can't be timed; the text is the reason, which is shown below the table."""


class Contenders(Protocol):
    """The contenders under one Keras backend, in this process or in another."""

    def first(self, name: str, config: Config | None) -> tuple[float, list[np.ndarray]]:
        """Makes a contender and calls it once.

        Args:
            name: The contender's name under this backend.
            config: The size of the workload; None if the workload has a fixed size.

        Returns:
            The seconds of the first call, and its results.

        Raises:
            NotTimedError: If it can't be timed; with the reason.
        """

    def turn(self, name: str, seconds: float) -> list[float]:
        """Calls a contender for some time, after its first call; see `take_turns`."""


@dataclasses.dataclass(frozen=True)
class Config:
    """A size of the standard workload.

    Attributes:
        n_qubits: The number of qubits, at least 2 (each has a neighbour in the ring).
        n_layers: The number of layers.
        batch: The number of samples.
    """

    n_qubits: int
    n_layers: int
    batch: int

    @classmethod
    def parse(cls, text: str) -> Config:
        """Reads a configuration as the command line writes it.

        Raises:
            ValueError: If the text is not a configuration.

        Example:

        >>> Config.parse("8,3,64")
        Config(n_qubits=8, n_layers=3, batch=64)
        """
        parts = [part.strip() for part in text.split(",")]
        if len(parts) == 3 and all(re.fullmatch("[0-9]{1,9}", part) for part in parts):
            config = cls(*map(int, parts))
            if config.n_qubits >= 2 and config.n_layers >= 1 and config.batch >= 1:
                return config
        raise ArgumentError(
            "--config",
            "be QUBITS,LAYERS,BATCH, whole numbers with at least 2 qubits, 1 layer, 1 sample",
            text,
        )

    def __str__(self) -> str:
        return f"{self.n_qubits},{self.n_layers},{self.batch}"


STANDARD = tuple(
    Config(n_qubits, 3, batch)
    for n_qubits, batch in (
        *((4, 64), (8, 64), (10, 64), (12, 64)),
        *((16, 16), (18, 4), (20, 1), (22, 1)),
    )
)
QUICK = (Config(4, 3, 64), Config(8, 3, 64))


MOST_WRITTEN = 300
"""The largest number of times that a file has for a contender; fast ones have far more."""


def evenly(values: list[float], most: int) -> list[float]:
    """Returns up to `most` values of a list, evenly spaced in it."""
    if len(values) <= most:
        return values
    return [values[i * len(values) // most] for i in range(most)]


@dataclasses.dataclass
class Timing:
    """The times of a contender.

    Attributes:
        first_s: Seconds of the first call, including everything that happens only once.
        times_s: Seconds of each later call.
        reason: Why there are no times, or None if there are some.
    """

    first_s: float | None = None
    times_s: list[float] = dataclasses.field(default_factory=list)
    reason: str | None = None

    @property
    def median_s(self) -> float | None:
        """The median of the times."""
        return statistics.median(self.times_s) if self.times_s else None

    @property
    def best_s(self) -> float | None:
        """The shortest of the times."""
        return min(self.times_s, default=None)

    def as_dict(self) -> dict[str, Any]:
        """Returns everything as plain JSON values."""
        return {
            "first_s": self.first_s,
            "median_s": self.median_s,
            "best_s": self.best_s,
            "times_s": evenly(self.times_s, MOST_WRITTEN),
            "reason": self.reason,
        }


def reason_of(error: BaseException) -> str:
    """Returns the type and the message of an exception, in one line that fits below a table.

    TensorFlow puts the call stack before the message, and the node after it; both are left out.

    Example:

    >>> reason_of(ValueError("It is  too large."))
    'ValueError: It is too large'
    """
    said = str(error)
    if isinstance(error, NotTimedError):
        return said
    if said.startswith("Graph execution error"):
        lines = [line for line in said.splitlines()[1:] if not line.startswith((" ", "\t"))]
        said = "\n".join(line for line in lines if not line.startswith("Detected at node"))
    said = " ".join(said.split())[:300].rstrip(".")
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def named(engine: str, backend: str) -> str:
    """Returns a contender's name: the engine's name, with any backend but this process's.

    Example:

    >>> named("native", keras.backend.backend())
    'native'
    """
    return engine if backend == keras.backend.backend() else f"{engine}@{backend}"


def split(name: str) -> tuple[str, str]:
    """Returns the engine and the backend of a name that `named` returned.

    Example:

    >>> split("native@jax")
    ('native', 'jax')
    """
    engine, _, backend = name.partition("@")
    return engine, backend or keras.backend.backend()


def by_backend(names: Sequence[str]) -> dict[str, list[str]]:
    """Groups names by their backends, in the given order."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(split(name)[1], []).append(name)
    return found


def turn(run: Callable[[], float], seconds: float) -> list[float]:
    """Calls a contender for some time, at least once.

    Args:
        run: The function to call; returns the seconds that it took.
        seconds: The time after which no further call starts.

    Returns:
        The seconds of each call.
    """
    times: list[float] = []
    while not times or (sum(times) < seconds and len(times) < MAX_STEPS_A_TURN):
        times.append(run())
    return times


def take_turns(
    runs: Mapping[str, Callable[[float], list[float]]],
    timings: Mapping[str, Timing],
    *,
    budget_s: float,
    cap_s: float,
    rounds: int = 5,
) -> None:
    """Times contenders in turns, so that other load on the machine affects all of them.

    In a turn, a fast contender is called several times, a slow one once. The calls of a turn are
    made within the contender's process, without messages between processes.

    Args:
        runs: Functions by contender, which take the seconds of a turn and return the seconds of
            each call; see `turn`.
        timings: The timings by contender, which get the times. If a contender raises an exception,
            its timing gets no times, but the reason.
        budget_s: Seconds for all contenders together; more if `rounds` rounds take longer.
        cap_s: Seconds after which a contender gets no more turns.
        rounds: The smallest number of rounds.
    """
    start = time.perf_counter()
    spent = dict.fromkeys(runs, 0.0)
    active = dict(runs)
    turn_s = budget_s / (10 * max(1, len(runs)))
    done = 0
    while active and (done < rounds or time.perf_counter() - start < budget_s):
        for name, run in list(active.items()):
            try:
                times = run(turn_s)
            except Exception as error:
                timings[name].times_s.clear()
                timings[name].reason = reason_of(error)
                del active[name]
                continue
            timings[name].times_s.extend(times)
            spent[name] += sum(times)
            if spent[name] >= cap_s:
                del active[name]
        done += 1
