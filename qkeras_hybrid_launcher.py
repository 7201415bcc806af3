"""Starts the command line quickly and without TensorFlow's start-up messages.

This module is beside the package because importing any part of the package imports Keras and
TensorFlow, which takes seconds and needs the log level to be set before. A placeholder stands for
the package until a command uses it: `--help`, `--version` and `list` never do.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Iterator
from typing import Any

PACKAGE = "qkeras_hybrid"


class _Postponed(types.ModuleType):
    """A placeholder for the package: its modules can be imported without running the package.

    The first access to a name imports the package.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # names that the import system looks up, such as `__wrapped__`
            raise AttributeError(name)
        self.__class__ = types.ModuleType  # type: ignore[assignment]
        spec = self.__spec__
        assert spec is not None and spec.loader is not None
        try:
            spec.loader.exec_module(self)
        except BaseException:
            sys.modules.pop(PACKAGE, None)
            raise
        return getattr(self, name)


def postpone() -> None:
    """Puts the package into `sys.modules` without running it, unless it is there already."""
    if PACKAGE in sys.modules:
        return
    spec = importlib.util.find_spec(PACKAGE)
    assert spec is not None and spec.submodule_search_locations is not None
    package = _Postponed(PACKAGE)
    package.__spec__, package.__file__ = spec, spec.origin
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules[PACKAGE] = package


@contextlib.contextmanager
def stderr_muted() -> Iterator[None]:
    """Hides what C++ libraries write to the error stream while they load.

    TensorFlow's log level does not apply to messages before its log is set up. Python's own errors
    are not lost: they are raised.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def start_worker() -> None:
    """Starts a worker process for training, which prints nothing while it loads the package."""
    with stderr_muted():
        workers = importlib.import_module(f"{PACKAGE}.bench.workers")
    workers.start_worker()


def serve_timings(connection: Any, names: Any) -> None:
    """Serves `qkeras-hybrid perf` in a process that has a Keras backend of its own.

    It never writes to the error stream, because Keras loads TensorFlow under every backend at the
    first `fit`. Errors are sent back as answers.

    Args:
        connection: The process's end of a pipe; see `perf.workers`.
        names: The engines that it will time.
    """
    with stderr_muted():
        try:
            start_worker()
            workers = importlib.import_module(f"{PACKAGE}.perf.workers")
        except Exception as error:
            # For example a backend that is installed but does not load.
            connection.send((False, f"{type(error).__name__}: {error}"))
            return
        workers.serve(connection, names)


def main() -> int:
    """Runs `qkeras-hybrid` and returns its exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        postpone()
        # Not `from qkeras_hybrid import cli`, which would ask the package for a name.
        cli = importlib.import_module(f"{PACKAGE}.cli")
    except KeyboardInterrupt:
        return 130
    code: int = cli.main()
    return code
