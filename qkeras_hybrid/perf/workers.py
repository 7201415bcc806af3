"""Times steps and epochs under other Keras backends, each in a process of its own.

A process can't change its Keras backend. A worker runs the same `Steps` and `Epochs` that the
command uses for its own backend. The command calls it, one call at a time, so that all engines take
turns.
"""

from __future__ import annotations

import contextlib
import importlib.util
import multiprocessing
import multiprocessing.connection
import os
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

import qkeras_hybrid_launcher
from qkeras_hybrid import engines
from qkeras_hybrid.bench.workers import interrupts_kept_off, variables_set
from qkeras_hybrid.perf import epochs, steps
from qkeras_hybrid.perf.base import (
    BACKENDS,
    Config,
    NotTimedError,
    by_backend,
    named,
    reason_of,
    split,
)

STEPS, EPOCHS = "steps", "epochs"


def installed() -> tuple[str, ...]:
    """Returns the backends that are installed, this process's first."""
    own = keras.backend.backend()
    found = [name for name in BACKENDS if importlib.util.find_spec(name) is not None]
    return tuple(sorted(found, key=lambda name: name != own))


def contenders(chosen: Sequence[str], backends: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of engines on each backend that they support; see `base.named`.

    An engine that supports none of them is named once, for the first, so that its reason is shown.

    Args:
        chosen: The engines.
        backends: The backends.
    """
    places: dict[str, Sequence[str]] = {}
    for name in chosen:
        engine = engines.get(name)
        assert engine is not None
        can = [b for b in backends if engine.backends is None or b in engine.backends]
        places[name] = can or backends[:1]
    return tuple(named(name, b) for b in backends for name in chosen if b in places[name])


class Worker:
    """A process with another Keras backend that times contenders for this process.

    Args:
        backend: The backend.
        names: The engines that it will time. It warms them up at once.

    Attributes:
        backend: The backend.
        process: The process.
    """

    def __init__(self, backend: str, names: Sequence[str]) -> None:
        self.backend = backend
        self._ready, self._lost = False, ""
        # Spawned, because the threads of TensorFlow and JAX do not survive a fork.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self.process = context.Process(
            target=qkeras_hybrid_launcher.serve_timings,
            args=(theirs, tuple(names)),
            name=f"perf, {backend}",
            daemon=True,
        )
        with variables_set(_settings(backend)), interrupts_kept_off():
            self.process.start()
        # The worker now has the only other end, so this process notices when it is closed.
        theirs.close()

    def wait(self) -> None:
        """Waits until the worker is ready or has failed; if it has, each call raises the reason."""
        if self._ready:
            return
        self._ready = True
        try:
            self._answer()
        except NotTimedError as error:
            self._lost = str(error)

    def call(self, what: str, method: str, *arguments: Any) -> Any:
        """Calls a method in the worker and returns what it returns.

        Args:
            what: `STEPS` or `EPOCHS`.
            method: The method's name.
            arguments: The method's arguments.

        Raises:
            NotTimedError: If the method raises an error, or the process is lost.
        """
        self.wait()
        if self._lost:
            raise NotTimedError(self._lost)
        try:
            self._connection.send((what, method, arguments))
        except OSError:
            raise self._is_lost() from None
        return self._answer()

    def close(self) -> None:
        """Ends the process at once; all its results are already here."""
        self.process.kill()
        self.process.join()
        self._connection.close()

    def _answer(self) -> Any:
        try:
            done, found = self._connection.recv()
        except (EOFError, OSError):
            raise self._is_lost() from None
        if not done:
            raise NotTimedError(found)
        return found

    def _is_lost(self) -> NotTimedError:
        self.process.join()
        code = self.process.exitcode
        how = f"by signal {-code}" if code is not None and code < 0 else f"with status {code}"
        self._lost = f"the process with Keras on {self.backend} ended {how}"
        return NotTimedError(self._lost)


class Remote:
    """`Contenders` of a worker.

    Args:
        worker: The worker.
        what: `STEPS` or `EPOCHS`.
    """

    def __init__(self, worker: Worker, what: str) -> None:
        self._worker, self._what = worker, what

    def first(self, name: str, config: Config | None) -> tuple[float, list[np.ndarray]]:
        """Makes a contender in the worker and calls it once; see `base.Contenders`."""
        found: tuple[float, list[np.ndarray]]
        found = self._worker.call(self._what, "first", name, config)
        return found

    def turn(self, name: str, seconds: float) -> list[float]:
        """Calls a contender in the worker for some time; see `base.Contenders`."""
        times: list[float] = self._worker.call(self._what, "turn", name, seconds)
        return times


@contextlib.contextmanager
def started(names: Sequence[str]) -> Iterator[dict[str, Worker]]:
    """Starts a worker for each backend except this process's, and ends them afterwards.

    Args:
        names: The engines to warm up, as in `native@jax`.

    Yields:
        The workers by backend. They are still loading: call `wait` for each.
    """
    own = keras.backend.backend()
    with contextlib.ExitStack() as stack:
        found = {}
        for backend, its in by_backend(names).items():
            if backend != own:
                found[backend] = Worker(backend, [split(name)[0] for name in its])
                stack.callback(found[backend].close)
        yield found


def _settings(backend: str) -> dict[str, str]:
    """Returns the environment of a worker."""
    settings = {
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3"),
    }
    if backend == "jax":
        # The engines are compared on the CPU, where the native one is.
        settings["JAX_PLATFORMS"] = os.environ.get("JAX_PLATFORMS", "cpu")
    return settings


def serve(connection: multiprocessing.connection.Connection, names: Sequence[str]) -> None:
    """Answers the calls of a `Worker` until it closes its end of the pipe.

    Args:
        connection: This process's end.
        names: The engines to warm up first.
    """
    steps.warm_up(names)
    served: dict[str, Any] = {STEPS: steps.Steps(), EPOCHS: epochs.Epochs()}
    connection.send((True, None))
    while True:
        try:
            what, method, arguments = connection.recv()
        except EOFError:
            return
        try:
            answer = (True, getattr(served[what], method)(*arguments))
        except Exception as error:
            answer = (False, reason_of(error))
        connection.send(answer)
