#!/usr/bin/env python3
"""Sets up an environment, then runs the comparison or the tests; or writes files for a new object.

    python3 dev.py compare [options of qkeras-hybrid compare]
    python3 dev.py test [--slow] [options of pytest]
    python3 dev.py test --newest [options of pytest]
    python3 dev.py new encoding|ansatz|engine|layer|dataset NAME

Uses the active virtual environment, or else `.venv` beside this file, which it creates if needed.
Installs the package there in editable mode, unless nothing has changed since the last installation.

`test` runs ruff and mypy, then pytest. With `--newest`, it runs the contract tests of layers and
engines in a separate environment, `.venv-newest`: with the newest supported Python on this machine,
the newest TensorFlow, Cirq, Keras and JAX, without TensorFlow Quantum, and with the package
installed from a wheel, as users get it.

`new` needs no environment. It writes a small working module, its test and its documentation page,
and adds its name to the registry, tables and lists. The result passes all checks. NAME is in lower
case, with underscores.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
VENV_NEWEST = ROOT / ".venv-newest"
SUPPORTED = ((3, 11), (3, 12), (3, 13))

# The extras of the package, as named in setup.cfg, that each job needs.
JOBS: dict[str, frozenset[str]] = {
    "compare": frozenset({"tensorflow", "tfq"}),
    "test": frozenset({"docs", "export", "jax", "openvino", "tensorflow", "test", "tfq", "torch"}),
}
NEWEST_EXTRAS = frozenset({"contracts", "export", "jax", "tensorflow"})

# The tests of `--newest`, unless files are named. The contracts under PyTorch run with `test`.
CONTRACTS = (
    "tests/test_backends.py::test_contracts_hold_under_backend[jax]",
    "tests/test_backends.py::test_contracts_hold_under_backend[jax-engines]",
    *("tests/test_layers.py", "tests/test_pqc_outputs.py", "tests/test_saved_models.py"),
    *("tests/test_engines.py", "tests/test_statevector.py", "tests/test_gates.py"),
    *("tests/test_native.py", "tests/test_native_tensorflow.py", "tests/test_native_library.py"),
    *("tests/test_optional_packages.py", "tests/test_security.py", "tests/test_exporting.py"),
)

# If one of these files changes, an editable installation is repeated. Python modules are used in
# place.
INSTALLED_FROM = (
    *("setup.cfg", "pyproject.toml", "setup.py", "dev.py"),
    *("qkeras_hybrid/**/*.cc", "qkeras_hybrid/**/*.h"),
)
# If one of these changes, a wheel is installed again too.
PACKAGED = (
    *("qkeras_hybrid_launcher.py", "qkeras_hybrid/**/*.py", "qkeras_hybrid/cli/*.json"),
    *("qkeras_hybrid/annealing/qaoa/*.json", "qkeras_hybrid/datasets/*.csv"),
    *(f"qkeras_hybrid/bench/**/*.{ending}" for ending in ("css", "html", "js", "toml")),
)

# The versions that TensorFlow Quantum requires, on platforms for which it is built. They are stated
# here because pip would spend many minutes on trying one version after the other.
TFQ_IS_BUILT = (
    'platform_system == "Linux" and platform_machine == "x86_64" and python_version < "3.13"'
)
TFQ_NEEDS = {
    "tensorflow": ("tensorflow==2.18.*", "cirq-core==1.5.*"),
    "jax": ("jax<0.6",),
    # Later versions need a newer protobuf than TensorFlow 2.18 allows.
    "export": ("onnx<1.23",),
    "test": ("cirq-google==1.5.*", "cirq-ionq==1.5.*"),
}

HAS_TFQ = (
    "import importlib.util, sys; sys.exit(importlib.util.find_spec('tensorflow_quantum') is None)"
)

# Each process of the tests loads TensorFlow, which takes about 1 GB of memory.
MOST_TEST_PROCESSES = 4


def main(arguments: list[str]) -> int:
    """Runs the job that the first argument names on the rest, and returns its exit status."""
    if arguments[:1] in (["--help"], ["-h"]):
        print((__doc__ or "").rstrip())
        return 0
    if not arguments or arguments[0] not in {*JOBS, "new"}:
        return _refuse(__doc__ or "")
    if sys.version_info[:2] not in SUPPORTED:
        return _refuse(
            f"qkeras_hybrid needs Python 3.11, 3.12 or 3.13, but this is Python "
            f"{platform.python_version()} ({sys.executable}); run dev.py with one of those."
        )
    job, *rest = arguments
    if job == "new":
        import dev_new  # not at the top, so that an older Python reaches the error above

        return dev_new.main(rest)
    newest = job == "test" and "--newest" in rest
    try:
        if newest:
            python = find_newest_environment()
            set_up(python, NEWEST_EXTRAS, wheel=True)
        else:
            python = find_environment()
            set_up(python, JOBS[job])
    except subprocess.CalledProcessError as error:
        # If pip failed, it printed the reason above; if it was killed, there is none.
        return _refuse(f"Setting up failed. {error}")
    if newest:
        return test_newest(python, [word for word in rest if word != "--newest"])
    return test(python, rest) if job == "test" else compare(python, rest)


def find_environment() -> Path:
    """Returns the Python of the active virtual environment, or of `.venv`, created if missing."""
    if sys.prefix != sys.base_prefix:
        return Path(sys.executable)
    active = os.environ.get("VIRTUAL_ENV")
    if active and _python_in(Path(active)).exists():
        return _python_in(Path(active))
    if not _python_in(VENV).exists():
        _make(VENV, sys.executable)
    return _python_in(VENV)


def find_newest_environment() -> Path:
    """Returns the Python of `.venv-newest`, created with the newest Python if missing."""
    if not _python_in(VENV_NEWEST).exists():
        _make(VENV_NEWEST, newest_python())
    return _python_in(VENV_NEWEST)


def newest_python() -> Path:
    """Returns a Python of the newest supported version, or else the running one."""
    version = ".".join(map(str, SUPPORTED[-1]))
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    named = shutil.which(f"python{version}")
    found = [Path(named)] if named else []
    for python in (*found, *sorted(pyenv.glob(f"versions/{version}*/bin/python"))):
        if version_of(python) == version:
            return python
    return Path(sys.executable)


def version_of(python: Path) -> str | None:
    """Returns the minor version of a Python, or None if it does not run.

    pyenv puts commands on PATH also for versions that are not selected.
    """
    code = "import ensurepip, sys, venv; print('{}.{}'.format(*sys.version_info))"
    try:
        done = subprocess.run([str(python), "-c", code], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _python_in(environment: Path) -> Path:
    return environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _make(environment: Path, python: str | Path) -> None:
    _say(f"Creating the virtual environment {environment} ...")
    # --clear: recreate an environment that a Ctrl-C left incomplete.
    _run(python, "-m", "venv", "--clear", environment)


def set_up(python: Path, extras: frozenset[str], *, wheel: bool = False) -> None:
    """Installs the package and the extras, unless an earlier call already did.

    Args:
        python: The Python of the environment.
        extras: Names of extras in setup.cfg.
        wheel: Whether to install a wheel with the newest dependencies, instead of an editable
            package.
    """
    scripts = python.parent
    stamp = scripts.parent / "qkeras_hybrid_setup.json"
    digest = fingerprint(python, patterns=(*INSTALLED_FROM, *PACKAGED) if wheel else INSTALLED_FROM)
    try:
        before = json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = {"extras": [], "fingerprint": None}
    installed = any(scripts.glob("qkeras-hybrid*"))
    if installed and before["fingerprint"] == digest and extras.issubset(before["extras"]):
        return
    extras = extras.union(before["extras"])
    _say("Installing qkeras_hybrid and its dependencies (once; takes a few minutes) ...")
    stamp.unlink(missing_ok=True)
    if (
        _status(python, "-c", "import pip", stderr=subprocess.DEVNULL) != 0
    ):  # as in environments that uv made
        _run(python, "-m", "ensurepip")
    # Python compiles a module at its first import. pip would compile all of them, which takes most
    # of a minute, although few are ever imported.
    pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "--no-compile")
    # The build requirements are installed into the environment itself. It needs TensorFlow anyway,
    # and an isolated build would install that a second time.
    _install(*pip, *build_requirements())
    if "torch" in extras:
        _install_torch_for_cpu((*pip, "-qq"))
    names = ",".join(sorted(extras))
    how = ("--upgrade", "--upgrade-strategy", "eager") if wheel else ("--editable",)
    if wheel:
        # Otherwise, setuptools would put deleted modules from this folder into the wheel.
        shutil.rmtree(ROOT / "build", ignore_errors=True)
    needs = TFQ_NEEDS if "tfq" in extras else {}
    versions = [
        f"{version}; {TFQ_IS_BUILT}"
        for extra, some in needs.items()
        if extra in extras
        for version in some
    ]
    _install(*pip, "--no-build-isolation", *how, f".[{names}]" if names else ".", *versions)
    if "tfq" in extras and _status(python, "-c", HAS_TFQ) != 0:
        _say(
            "TensorFlow Quantum has no build for this Python and machine (only for Python 3.11 "
            "and 3.12 on Linux x86-64): the tfq engine is left out."
        )
    stamp.write_text(
        json.dumps({"extras": sorted(extras), "fingerprint": digest}), encoding="utf-8"
    )


def fingerprint(python: Path, root: Path = ROOT, patterns: Iterable[str] = INSTALLED_FROM) -> str:
    """Returns a digest of everything that an installation depends on."""
    # Includes the compiler: the native engine is left out until there is one.
    compilers = [os.environ.get("CXX"), shutil.which("g++"), shutil.which("clang++")]
    digest = hashlib.sha256(f"{root}\n{python}\n{compilers}\n".encode())
    for path in sorted({path for pattern in patterns for path in root.glob(pattern)}):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def build_requirements() -> list[str]:
    """Returns the requirements of the build, as pyproject.toml lists them."""
    # not at the top, so that an older Python gets as far as the error about its version
    import tomllib

    with open(ROOT / "pyproject.toml", "rb") as file:
        requirements: list[str] = tomllib.load(file)["build-system"]["requires"]
    return requirements


def _install_torch_for_cpu(pip: Iterable[str | Path]) -> None:
    """Installs the build of PyTorch without CUDA, where one is available."""
    import configparser

    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return  # On this system PyPI's build has no CUDA, and the extra installs it.
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    torch = setup["options.extras_require"]["torch"].strip() + "+cpu"
    # pip searches the indexes of its configuration. If they have no such build, the extra installs
    # the one with CUDA, which is larger but equally good for the tests.
    if _status(*pip, torch, stderr=subprocess.DEVNULL) != 0:
        _say("Found no CPU-only build of PyTorch; installing the one with CUDA.")


def _install(*command: str | Path) -> None:
    """Runs pip and reports progress every few seconds; shows pip's whole output if it fails."""
    said, printed, packages = time.monotonic(), list[str](), 0
    with subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            printed.append(line)
            packages += line.startswith("Collecting ")
            if line.startswith("Installing collected packages: "):
                _say(f"  installing {line.count(',') + 1} ...")
            elif line.startswith("Building editable") or line.startswith("Building wheels"):
                _say("  compiling the native engine ...")
            elif line.startswith("Collecting ") and time.monotonic() - said > 5:
                said = time.monotonic()
                _say(f"  {packages} packages found, next {line.split()[1]} ...")
    if process.returncode:
        print(*printed, sep="", file=sys.stderr, flush=True)
        raise subprocess.CalledProcessError(process.returncode, [str(part) for part in command])


def compare(python: Path, arguments: list[str]) -> int:
    """Runs the comparison of a hybrid model with its Dense baselines."""
    return _status(python.with_name("qkeras-hybrid"), "compare", *arguments)


def test(python: Path, arguments: list[str]) -> int:
    """Runs lint, format and type checks, then the tests, even if a check fails."""
    failed = [
        " ".join(check)
        for check in (("ruff", "check"), ("ruff", "format", "--check"), ("mypy",))
        if _status(python, "-m", *check)
    ]
    status = _pytest(python, *arguments)
    if failed:
        _say(f"Failed before the tests: {', '.join(failed)}.")
    return status or bool(failed)


def test_newest(python: Path, arguments: list[str]) -> int:
    """Runs the contract tests, or the tests that the arguments name, on the installed package."""
    # Otherwise Python would find the sources in the current folder before the wheel.
    os.environ.pop("PYTHONPATH", None)
    os.environ["PYTHONSAFEPATH"] = "1"
    named = any(word.startswith("tests/") for word in arguments)
    return _pytest(python, *arguments, *(() if named else CONTRACTS))


def _pytest(python: Path, *arguments: str) -> int:
    # One more than the number of cores, because some tests wait for subprocesses.
    processes = min((os.cpu_count() or 1) + 1, MOST_TEST_PROCESSES)
    return _status(python, "-m", "pytest", "-n", str(processes), *arguments)


def _run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True)


def _status(*command: str | Path, stderr: int | None = None) -> int:
    return subprocess.run([str(part) for part in command], cwd=ROOT, stderr=stderr).returncode


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _refuse(line: str) -> int:
    _say(line)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
