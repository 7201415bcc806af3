"""The compiled core: how it is built and found, what it refuses, and how it is threaded."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from native.evaluation import assert_agrees, lowered, resealed
from native.programs import layered_program, random_program
from qkeras_hybrid.engines.native import NativeEngine, build_status, instruction_sets, library

if library.unavailable() is not None:
    pytest.skip(build_status(), allow_module_level=True)


def test_build_status_names_the_instruction_sets() -> None:
    assert build_status() == f"native: built ({', '.join(instruction_sets())})"
    assert instruction_sets()[-1] == "baseline"


@pytest.mark.parametrize("name", instruction_sets())
def test_every_instruction_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QKERAS_HYBRID_ISA", name)
    assert library.instruction_set() == name
    # Programs of their own for each: TensorFlow keeps an operation that was made before.
    first = 1000 * (1 + instruction_sets().index(name))
    for seed, n_qubits in ((0, 3), (1, 6), (2, 8)):
        assert_agrees(random_program(first + seed, n_qubits, 20), 9)


def test_an_unknown_instruction_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QKERAS_HYBRID_ISA", "mmx")
    with pytest.raises(ValueError, match=r"QKERAS_HYBRID_ISA.*baseline.*mmx"):
        NativeEngine().prepare(layered_program(2, 7).job())


def test_a_machine_without_a_compiler_installs_and_says_so(tmp_path: Path, root: Path) -> None:
    for name in ("setup.py", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, tmp_path)
    shutil.copytree(
        root / "qkeras_hybrid",
        tmp_path / "qkeras_hybrid",
        ignore=shutil.ignore_patterns("*.so", "_build_status.json", "__pycache__"),
    )
    (tmp_path / "bin").mkdir()
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=tmp_path,
        env={**os.environ, "PATH": str(tmp_path / "bin"), "CXX": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    code = """
        from qkeras_hybrid.engines.native import build_status, NativeEngine
        print(build_status())
    """
    printed = subprocess.run(
        [sys.executable, "-c", "\n".join(line.strip() for line in code.splitlines())],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.splitlines()[-1] == "native: not built (no C++ compiler found)"


# --- What does not load -------------------------------------------------------------------------


def test_a_library_of_another_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "installed_version", lambda: "9.9")
    with pytest.raises(RuntimeError, match=r"built for qkeras_hybrid 0\..*, but 9\.9 is installed"):
        library.core.__wrapped__()


def test_a_package_without_metadata_loads_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise library.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(library.importlib.metadata, "version", missing)
    assert library.core.__wrapped__() is not None


def test_a_library_for_another_processor_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library.platform, "machine", lambda: "riscv64")
    with pytest.raises(RuntimeError, match=r"built for .* processors, but this one is riscv64"):
        library.core.__wrapped__()


def test_a_damaged_library_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    damaged = tmp_path / "_native.so"
    damaged.write_bytes(b"no library" + library.LIBRARY.read_bytes())
    monkeypatch.setattr(library, "LIBRARY", damaged)
    with pytest.raises(RuntimeError, match="does not load"):
        library.core.__wrapped__()


def test_the_core_needs_no_symbol_of_a_framework() -> None:
    done = subprocess.run(
        ["nm", "-D", "--undefined-only", str(library.LIBRARY)],
        capture_output=True,
        text=True,
        check=True,
    )
    # Each comes with the version of the C or C++ library that it is from, or is weak.
    foreign = [
        line
        for line in done.stdout.splitlines()
        if not re.search(r"@(GLIBC|GLIBCXX|CXXABI|GCC)_", line) and " w " not in line
    ]
    assert foreign == []


# --- Programs from elsewhere --------------------------------------------------------------------


@settings(max_examples=200)
@given(st.data())
def test_damaged_programs_are_refused(data: st.DataObject) -> None:
    whole = lowered(random_program(1, 4, 12))
    if data.draw(st.booleans()):
        changed = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        place = data.draw(st.integers(0, len(whole) - 1))
        damaged = bytearray(whole)
        damaged[place] ^= data.draw(st.integers(1, 255))
        changed = bytes(damaged)
    with pytest.raises(ValueError, match="serialized program is not valid"):
        library.Session(changed)


@settings(max_examples=300)
@given(st.integers(0, 10**6), st.integers(0, 255), st.integers(0, 5))
def test_wrong_programs_with_a_right_checksum_never_crash(
    place: int, value: int, seed: int
) -> None:
    changed = resealed(lowered(random_program(seed, 4, 12)), place, value)
    try:
        session = library.Session(changed)
    except ValueError:
        return
    if session.n_qubits > 16:
        return
    x, w = np.zeros((2, session.n_inputs)), np.zeros(session.n_weights)
    values = np.empty((2, session.n_observables))
    measured = np.empty((2, session.n_measured))
    arrays = [array.ctypes.data for array in (x, w, values, measured)]
    session.run("QhExpectation", "float64", 2, *arrays, None, 0, 0)


# --- Threads and processes ----------------------------------------------------------------------


def test_threads_are_those_of_the_backend_or_as_many_as_processors() -> None:
    library.set_threads(3)
    assert library.threads() == 3
    library.set_threads(0)
    assert library.threads() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_forked_process_computes_the_same(backend: str, run_python: Callable[..., str]) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    # A batch that is shared among threads, which a fork leaves behind.
    code = """
        import multiprocessing
        import sys
        sys.path.insert(0, "tests")
        import numpy as np
        from keras import ops
        from native.evaluation import draw, tensors
        from native.programs import layered_program
        from qkeras_hybrid.engines.native import NativeEngine, library
        program = layered_program(10, 2)
        run = NativeEngine().prepare(program.job())
        x, w, _ = draw(program, 256)
        library.set_threads(4)

        def compute():
            return ops.convert_to_numpy(run(*tensors(x, w, dtype="float32")))

        def child(queue):
            queue.put(compute())

        wanted = compute()
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        process = context.Process(target=child, args=(queue,), daemon=True)
        process.start()
        try:
            print(np.abs(queue.get(timeout=120) - wanted).max())
        finally:
            process.kill()
    """
    # The same kernels in the same order: to the last bit.
    assert run_python(code, backend=backend).splitlines()[-1] == "0.0"


# --- What is declared by hand -------------------------------------------------------------------


def compiles(source: str, include: Path, root: Path) -> str:
    """What the compiler says of a file of static assertions; nothing if all hold."""
    if shutil.which("g++") is None:
        pytest.skip("there is no C++ compiler")
    done = subprocess.run(
        [
            *(
                "g++",
                "-std=c++17",
                "-fsyntax-only",
                f"-I{root / 'qkeras_hybrid/engines/native/src'}",
            ),
            *("-isystem", str(include), str(root / "tests/native" / source)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr if done.returncode else ""


def test_the_interface_of_xla_is_that_of_its_header(root: Path) -> None:
    jax_ffi = pytest.importorskip("jax.ffi")
    assert compiles("abi_xla.cc", Path(jax_ffi.include_dir()), root) == ""


def test_the_interface_of_tensorflow_is_that_of_its_headers(root: Path) -> None:
    found = importlib.util.find_spec("tensorflow")
    if found is None or found.origin is None:
        pytest.skip("TensorFlow is not installed")
    assert compiles("abi_tensorflow.cc", Path(found.origin).parent / "include", root) == ""
