"""The core and its bridges, built with sanitizers."""

from __future__ import annotations

import importlib.util
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import cirq
import numpy as np
import pytest
from keras import ops

from native.evaluation import draw, evaluate, lowered, resealed
from native.programs import layered_program, random_program
from qkeras_hybrid.engines.density import portable, transfer
from qkeras_hybrid.engines.density.tiles import serialized, tiles
from qkeras_hybrid.engines.native import build_status, library
from qkeras_hybrid.program import Compiled
from qkeras_hybrid.testing import value_and_gradients

if library.unavailable() is not None:
    pytest.skip(build_status(), allow_module_level=True)

SOURCES = Path(library.__file__).parent / "src"


def driver_case(program: Compiled, batch: int, threads: int, lanes: int, data: bytes) -> bytes:
    return packed(data, batch, threads, lanes, draw(program, batch))


def packed(
    data: bytes, batch: int, threads: int, lanes: int, arrays: Sequence[np.ndarray]
) -> bytes:
    out = struct.pack("<I", len(data)) + data + struct.pack("<III", batch, threads, lanes)
    for numbers in arrays:
        out += struct.pack("<I", numbers.size) + numbers.astype("<f8").tobytes()
    return out


def density_case(
    seed: int, batch: int
) -> tuple[bytes, list[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """A program on density matrices, its arrays, and values and gradients by `keras.ops`."""
    n_qubits = 1 + seed % 6
    compiled = random_program(seed, n_qubits, 20)
    operations = transfer.operations(compiled.program, compiled.angles)
    for qubit in range(n_qubits):
        damped = transfer.transfer_matrix(cirq.kraus(cirq.amplitude_damp(0.2)))
        operations.insert(len(operations) // 2, transfer.Local(qubit, (damped,)))
    rng = np.random.default_rng(seed)
    measured = rng.integers(0, 4**n_qubits, 3).tolist()
    n_angles = compiled.program.n_angles
    data = serialized(tiles(operations, n_qubits), n_qubits, n_angles, measured)
    angles, upstream = rng.normal(size=(batch, n_angles)), rng.normal(size=(batch, 3))
    run = portable.runner(operations, n_qubits, measured, True)
    factors = ops.convert_to_tensor(upstream, "float64")
    values = ops.convert_to_numpy(run(ops.convert_to_tensor(angles, "float64")))
    _, (slopes,) = value_and_gradients(lambda a: run(a) * factors, angles)
    return data, [angles, np.zeros(0), upstream], (values, slopes)


@pytest.mark.slow
@pytest.mark.parametrize("sanitizers", ["address,undefined", "thread"])
def test_kernels_under_sanitizers(sanitizers: str, tmp_path: Path, root: Path) -> None:
    binary = tmp_path / "driver"
    sources = sorted(SOURCES.glob("*.cc"))
    subprocess.run(
        [
            *("g++", "-std=c++17", "-O1", "-g", "-Wall", "-Wextra", "-fno-sanitize-recover=all"),
            f"-fsanitize={sanitizers}",
            *("-DQH_KERNELS_NAME=Kernels_baseline", "-DQH_VERSION=0"),
            f"-I{SOURCES}",
            *map(str, sources),
            str(root / "tests" / "native" / "driver.cc"),
            "-o",
            str(binary),
            "-pthread",
        ],
        check=True,
    )
    cases, wanted = [], []
    for seed in range(30):
        program = random_program(seed, 1 + seed % 7, 20)
        data = lowered(program)
        x, w, upstream = draw(program, 9)
        for threads, lanes in ((1, 0), (1, 1), (3, 0), (3, 1)):
            cases.append(driver_case(program, 9, threads, lanes, data))
            wanted.append(evaluate(program, x, w, upstream, "float64"))
        rng = np.random.default_rng(seed)
        for place, value in zip(rng.integers(0, 10**6, 40), rng.integers(0, 256, 40), strict=True):
            changed = resealed(data, int(place), int(value))
            cases.append(driver_case(program, 9, 2, int(value) % 2, changed))
            wanted.append(None)
    for seed in range(20):
        data, numbers, expected = density_case(seed, 9)
        for batch, threads in ((9, 1), (9, 3), (1, 4)):
            cases.append(packed(data, batch, threads, 0, [part[:batch] for part in numbers]))
            wanted.append(tuple(part[:batch] for part in expected))
        rng = np.random.default_rng(seed)
        for place, value in zip(rng.integers(0, 10**6, 40), rng.integers(0, 256, 40), strict=True):
            changed = resealed(data, int(place), int(value))
            cases.append(packed(changed, 9, 2, 0, numbers))
            wanted.append(None)
    # All threads on one state.
    large = layered_program(14, 1)
    cases.append(driver_case(large, 1, 4, 1, lowered(large)))
    wanted.append(evaluate(large, *draw(large, 1), "float64"))
    done = subprocess.run([str(binary)], input=b"".join(cases), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[:4000]
    lines = done.stdout.decode().split("\n")
    assert len(lines) == len(cases) + 1
    for line, expected in zip(lines, wanted, strict=False):
        if expected is None:
            continue
        numbers = np.array(line.split(), dtype=float)
        flat = np.concatenate([part.ravel() for part in expected])
        np.testing.assert_allclose(numbers[: flat.size], flat, atol=1e-10)
        np.testing.assert_allclose(numbers[flat.size :], flat, atol=1e-3)


@pytest.fixture(name="sanitized", scope="module")
def build_sanitized(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A folder with the package, its libraries built with the address sanitizer, and its tests."""
    folder = tmp_path_factory.mktemp("sanitized")
    for name in ("qkeras_hybrid", "tests", "setup.py", "setup.cfg", "pyproject.toml", "README.md"):
        copy = shutil.copytree if (root / name).is_dir() else shutil.copy
        copy(root / name, folder / name)
    subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=folder,
        env={
            **os.environ,
            "CXX": "g++ -O1 -g -fsanitize=address",
            "QKERAS_HYBRID_BUILD": "baseline",
        },
        check=True,
    )
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_bridges_under_sanitizers(backend: str, sanitized: Path) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    # The C++ library too, or the sanitizer would not find how to throw.
    preloaded = [
        subprocess.run(
            ["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libstdc++.so.6")
    ]
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": str(sanitized),
        "LD_PRELOAD": " ".join(preloaded),
        # Python and the frameworks free little of what they allocate.
        "ASAN_OPTIONS": "detect_leaks=0",
        "JAX_ENABLE_X64": "1",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"),
            *("tests/test_native.py", f"tests/test_native_{backend}.py", "tests/test_density.py"),
            # Those that start further processes, or wait for memory that the sanitizer has taken.
            *("-k", "not second_copy and not exported_model and not too_many_qubits"),
        ],
        cwd=sanitized,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
