"""A wheel that is built here works in a new environment where there is no compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from qkeras_hybrid.engines.native import build_status, library

pytestmark = pytest.mark.slow

CONTRACT = """
import shutil
assert shutil.which("g++") is None and shutil.which("cc") is None
import importlib.util
assert importlib.util.find_spec("tensorflow") is None
from qkeras_hybrid.engines import NativeEngine
from qkeras_hybrid.testing import assert_engine_conforms
assert_engine_conforms(NativeEngine())
print("conforms")
"""


@pytest.fixture(name="wheel", scope="module")
def build_wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if library.unavailable() is not None:
        pytest.skip(build_status())
    folder = tmp_path_factory.mktemp("wheel")
    sources = folder / "sources"
    # What was built in place before must not get into the wheel.
    built = shutil.ignore_patterns("*.so", "_build_status.json", "__pycache__", "*.egg-info")
    shutil.copytree(root / "qkeras_hybrid", sources / "qkeras_hybrid", ignore=built)
    for name in (
        *("setup.py", "setup.cfg", "pyproject.toml", "MANIFEST.in"),
        *("README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "qkeras_hybrid_launcher.py"),
    ):
        shutil.copy(root / name, sources)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(sources)],
        check=True,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel_is_for_a_platform_and_every_python(wheel: Path) -> None:
    assert "-py3-none-" in wheel.name
    assert not wheel.name.endswith("-any.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("_native.so", "_tensorflow.so", "_build_status.json"):
        assert f"qkeras_hybrid/engines/native/{name}" in names
    assert not any(name.startswith("tests/") for name in names)


def test_it_works_without_a_compiler_and_without_tensorflow(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    programs = environment / "bin"
    subprocess.run(
        [str(programs / "python"), "-m", "pip", "install", "-q", f"{wheel}[jax]"], check=True
    )
    settings = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "PATH": str(programs),
        "CXX": "",
        "KERAS_BACKEND": "jax",
        "JAX_ENABLE_X64": "1",
    }
    for command in (
        [str(programs / "qkeras-hybrid"), "doctor", "--require", "native"],
        [str(programs / "python"), "-c", CONTRACT],
    ):
        done = subprocess.run(
            command, cwd=tmp_path, env=settings, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == "conforms"
