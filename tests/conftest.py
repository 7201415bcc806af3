"""What all tests share: quiet TensorFlow, hypothesis's profiles, slow tests, new processes."""

from __future__ import annotations

import os

# Before TensorFlow is imported, which reads it then.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# More processes run than there are cores, and OpenMP's threads spin while they wait for each other:
# with two of them, half a second of scikit-learn took twenty.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parent.parent

# No deadlines: the first example compiles, and machines are shared. In CI the examples are the
# same on every run, so that a failure there is one of the change at hand.
hypothesis.settings.register_profile("dev", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests that take minutes, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    # A slow test that the command line names runs.
    named = {argument for argument in config.args if "::" in argument}
    for item in items:
        if "slow" in item.keywords and item.nodeid not in named:
            item.add_marker(pytest.mark.skip(reason="slow: runs with --slow only"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def run_python() -> Callable[..., str]:
    """Runs code in a new Python process and returns what it prints.

    `run_python(code, *arguments, backend=None)`: the code, indented as it may be; what it finds
    in `sys.argv[1:]`; the Keras backend, else the one of this process's environment.
    """

    def run(code: str, *arguments: object, backend: str | None = None) -> str:
        environment = dict(os.environ)
        if backend is not None:
            environment["KERAS_BACKEND"] = backend
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"exit status {done.returncode}\n{done.stderr}"
        return done.stdout

    return run
