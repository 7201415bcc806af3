"""The layers and the statevector engine under each Keras backend, in a process of its own."""

import importlib.util
import os
import subprocess
import sys

import pytest

# A layer of each class through the whole contract; the engine on closed forms and random
# circuits, in both precisions. The other tests run under TensorFlow alone.
SELECTED = [
    "tests/test_layers.py",
    "tests/test_pqc_outputs.py",
    "tests/test_engines.py",
    "tests/test_native.py",
    "tests/test_native_jax.py",
    "tests/test_native_torch.py",
]
# The differentiators, all encodings, and what depends little on the backend: with --slow.
MORE = [
    "tests/test_gradients.py",
    "tests/test_encodings.py",
    "tests/test_weight_groups.py",
    "tests/test_circuit_inputs.py",
]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_contracts_hold_under_backend(backend, root, request):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_ENABLE_X64": "1"}
    if not request.config.getoption("--slow"):
        # Nearly all of the time would go into making small circuits fast that run a few times.
        environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    slow = ["--slow", *MORE] if request.config.getoption("--slow") else []
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *slow, *SELECTED],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout[-4000:] + found.stderr[-2000:]
