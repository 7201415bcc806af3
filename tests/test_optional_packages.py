"""What is optional may be missing: the package works without it, or says what to install."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from qkeras_hybrid.bench.results import read_rows

# Python runs a module of this name when it starts, in the processes of workers too.
HIDING = """
from importlib.machinery import PathFinder

found = PathFinder.find_spec

def find_spec(name, path=None, target=None):
    return None if name.split(".")[0] in {hidden!r} else found(name, path, target)

PathFinder.find_spec = staticmethod(find_spec)
"""

COMMAND = "import qkeras_hybrid_launcher, sys; sys.exit(qkeras_hybrid_launcher.main())"

NO_TENSORFLOW = {"tensorflow", "tensorflow_quantum", "torch"}

Without = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def without(root: Path, tmp_path: Path) -> Without:
    """Runs code in a Python that does not find some packages.

    `without(names, code, *arguments, backend=None)`: `backend` is what KERAS_BACKEND says.
    """

    def run(
        names: set[str], code: str, *arguments: str, backend: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        hiding = tmp_path / "hiding"
        hiding.mkdir(exist_ok=True)
        (hiding / "sitecustomize.py").write_text(HIDING.format(hidden=names))
        environment = {**os.environ, "COLUMNS": "200", "KERAS_HOME": str(tmp_path)}
        # Nearly all of the time would go into making small circuits fast that run a few times.
        environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
        path = [str(hiding), *environment.get("PYTHONPATH", "").split(os.pathsep)]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, path))
        environment.pop("KERAS_BACKEND", None)
        if backend is not None:
            environment["KERAS_BACKEND"] = backend
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode != 0
    return done.stderr.strip().splitlines()[-1]


jax_is_here = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="jax is not installed"
)


@jax_is_here
@pytest.mark.parametrize(
    ("backend", "hidden", "message"),
    [
        (
            None,
            {"tensorflow", "torch"},
            "its backend is tensorflow (KERAS_BACKEND is not set), which is not installed. Install "
            'it (pip install "qkeras-hybrid[tensorflow]"), or choose one that is installed by the '
            "environment variable KERAS_BACKEND: jax.",
        ),
        (
            "torch",
            {"tensorflow", "torch"},
            "its backend is torch (by KERAS_BACKEND), which is not installed. Install it "
            '(pip install "qkeras-hybrid[torch]"), or choose one that is installed by the '
            "environment variable KERAS_BACKEND: jax.",
        ),
        (
            "jax",
            {"tensorflow", "torch", "jax"},
            '(pip install "qkeras-hybrid[jax]"), or choose another that you install by the '
            "environment variable KERAS_BACKEND: tensorflow or torch.",
        ),
        ("foo", set(), "(KERAS_BACKEND is foo). Its backends are tensorflow, jax and torch."),
    ],
)
def test_a_missing_backend_says_what_to_install_and_how_to_choose(
    without: Without, backend: str | None, hidden: set[str], message: str
) -> None:
    done = without(hidden, "import qkeras_hybrid", backend=backend)
    assert last_line(done).startswith("ImportError: Keras can't start: ")
    assert message in last_line(done)
    said = without(hidden, COMMAND, "doctor", backend=backend)
    assert said.returncode == 2
    assert said.stderr.count("\n") == 1
    assert message in said.stderr


@jax_is_here
def test_layers_train_and_are_saved_without_tensorflow(without: Without, tmp_path: Path) -> None:
    code = f"""
import keras, numpy as np
import qkeras_hybrid as qh
model = keras.Sequential([keras.Input((3,)), qh.PQCDense(2, n_layers=1), keras.layers.Dense(2)])
model.compile("adam", "mse")
x = np.linspace(-1, 1, 24, dtype="float32").reshape(8, 3)
model.fit(x, x[:, :2], epochs=2, verbose=0)
model.save({str(tmp_path / "model.keras")!r})
loaded = keras.saving.load_model({str(tmp_path / "model.keras")!r})
np.testing.assert_allclose(model.predict(x, verbose=0), loaded.predict(x, verbose=0), atol=1e-6)
print(loaded.layers[0].engine.name)
"""
    done = without(NO_TENSORFLOW, code, backend="jax")
    assert done.returncode == 0, done.stderr


@jax_is_here
def test_the_command_line_works_without_tensorflow(without: Without, tmp_path: Path) -> None:
    # Two commands in one process, because each would load the backend.
    code = """
import qkeras_hybrid_launcher, sys
given = sys.argv[1:]
sys.argv[1:] = ["doctor"]
assert qkeras_hybrid_launcher.main() == 0
sys.argv[1:] = given
sys.exit(qkeras_hybrid_launcher.main())
"""
    small = ["--dataset", "iris", "--qubits", "2", "--layers", "1", "--epochs", "1", "--seeds", "1"]
    out = str(tmp_path / "compared")
    done = without(NO_TENSORFLOW, code, "compare", *small, "--output", out, backend="jax")
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("statevector"))
    assert "works" in line
    assert done.stderr.strip() == ""  # nor a warning of JAX's of integers that it would cut short


SUITE = """
description = "Small."
seeds = 1
[training]
epochs = 1
batch_size = 32
learning_rate = 0.02
[[task]]
data = {name = "iris"}
model = {name = "pqc_dense", n_qubits = 2, n_layers = 1}
contenders = ["hybrid", "linear"]
"""


@jax_is_here
def test_trackers_say_that_they_need_tensorflow(without: Without, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SUITE)
    run = [COMMAND, "run", str(tmp_path / "small.toml"), "--output", str(tmp_path), "--tensorboard"]
    done = without(NO_TENSORFLOW, *run, backend="jax")
    assert done.returncode == 1
    assert 'not installed: pip install "qkeras-hybrid[tensorflow]"' in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@jax_is_here
def test_workers_train_without_tensorflow(without: Without, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SUITE)
    run = [COMMAND, "run", str(tmp_path / "small.toml"), "--output", str(tmp_path)]
    done = without(NO_TENSORFLOW, *run, "--workers", "2", backend="jax")
    assert done.returncode == 0, done.stderr
    assert {row.backend for row in read_rows(tmp_path / "results.jsonl")} == {"jax"}


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
)
def test_the_tfq_engine_names_its_extra(without: Without) -> None:
    code = "from qkeras_hybrid import PQCDense; PQCDense(2, engine='tfq').build((None, 2))"
    done = without({"tensorflow_quantum"}, code, backend="tensorflow")
    assert "tensorflow-quantum is not installed" in last_line(done)
    assert 'pip install "qkeras-hybrid[tfq]"' in last_line(done)
