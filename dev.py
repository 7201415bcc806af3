#!/usr/bin/env python3
"""Sets everything up, then runs the main job or the tests.

    python3 dev.py compare [options of qkeras-hybrid compare]
    python3 dev.py test [--slow] [options of pytest]

Works with the virtual environment that is active, else with `.venv` beside this file, which it
makes. Installs the package there, editable, unless what it was installed from is unchanged.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
SUPPORTED = ((3, 11), (3, 12))

# What each job needs beside the package: names of its extras in setup.cfg.
JOBS: dict[str, frozenset[str]] = {
    "compare": frozenset(),
    "test": frozenset({"docs", "test", "torch"}),
}

# An installation depends on these; Python modules are used where they lie.
INSTALLED_FROM = (
    *("setup.cfg", "pyproject.toml", "setup.py", "dev.py"),
    *("qkeras_hybrid/**/*.cc", "qkeras_hybrid/**/*.h"),
)

# Each process of the tests loads TensorFlow, which takes about 1 GB of memory.
MOST_TEST_PROCESSES = 4


def main(arguments: list[str]) -> int:
    """Runs the job that the first argument names with the rest, and returns its exit status."""
    if not arguments or arguments[0] not in JOBS:
        return _refuse(__doc__ or "")
    if sys.version_info[:2] not in SUPPORTED:
        return _refuse(
            f"qkeras_hybrid needs Python 3.11 or 3.12, but this is Python "
            f"{platform.python_version()} ({sys.executable}); run dev.py with one of those."
        )
    job, *rest = arguments
    try:
        python = find_environment()
        set_up(python, JOBS[job])
    except subprocess.CalledProcessError as error:
        return _refuse(f"Setting up failed; the reason is above. The command was: {error.cmd}")
    return test(python, rest) if job == "test" else compare(python, rest)


def find_environment() -> Path:
    """Returns the Python of the active virtual environment, else of `.venv`, made if missing."""
    if sys.prefix != sys.base_prefix:
        return Path(sys.executable)
    within = Path("Scripts/python.exe" if os.name == "nt" else "bin/python")
    active = os.environ.get("VIRTUAL_ENV")
    if active and (Path(active) / within).exists():
        return Path(active) / within
    if not (VENV / within).exists():
        _say(f"Making the virtual environment {VENV} ...")
        # --clear: one that a Ctrl-C left half made is made anew.
        _run(sys.executable, "-m", "venv", "--clear", VENV)
    return VENV / within


def set_up(python: Path, extras: frozenset[str]) -> None:
    """Installs the package and what the extras name, unless an earlier call has done just that."""
    scripts = python.parent
    stamp = scripts.parent / "qkeras_hybrid_setup.json"
    digest = fingerprint(python)
    try:
        before = json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = {"extras": [], "fingerprint": None}
    installed = any(scripts.glob("qkeras-hybrid*"))
    if installed and before["fingerprint"] == digest and extras.issubset(before["extras"]):
        return
    extras = extras.union(before["extras"])
    _say("Installing qkeras_hybrid and what it needs (once; takes a few minutes) ...")
    stamp.unlink(missing_ok=True)
    if (
        _status(python, "-c", "import pip", stderr=subprocess.DEVNULL) != 0
    ):  # as in environments that uv made
        _run(python, "-m", "ensurepip")
    pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "-qq")
    # The build's needs go into the environment itself, where TensorFlow is wanted anyway: an
    # isolated build would install it a second time.
    _run(*pip, *build_requirements())
    if "torch" in extras:
        _install_torch_for_cpu(pip)
    names = ",".join(sorted(extras))
    _run(*pip, "--no-build-isolation", "--editable", f".[{names}]" if names else ".")
    stamp.write_text(
        json.dumps({"extras": sorted(extras), "fingerprint": digest}), encoding="utf-8"
    )


def fingerprint(python: Path, root: Path = ROOT) -> str:
    """Returns a digest of all that an installation depends on."""
    # The compiler too: the native engine is left out where there is none, and not for good.
    compilers = [os.environ.get("CXX"), shutil.which("g++"), shutil.which("clang++")]
    digest = hashlib.sha256(f"{root}\n{python}\n{compilers}\n".encode())
    for path in sorted({path for pattern in INSTALLED_FROM for path in root.glob(pattern)}):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def build_requirements() -> list[str]:
    """Returns the requirements of the build, as pyproject.toml lists them."""
    import tomllib  # not at the top: an older Python shall come as far as the line that says so

    with open(ROOT / "pyproject.toml", "rb") as file:
        requirements: list[str] = tomllib.load(file)["build-system"]["requires"]
    return requirements


def _install_torch_for_cpu(pip: Iterable[str | Path]) -> None:
    """Installs the build of PyTorch without CUDA, where there is one to be had."""
    import configparser

    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return  # PyPI's build has no CUDA here, and the extra installs that.
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    torch = setup["options.extras_require"]["torch"].strip() + "+cpu"
    # Wherever pip is set to look. If it is not there, the extra brings the build with CUDA:
    # larger, as good for the tests.
    if _status(*pip, torch, stderr=subprocess.DEVNULL) != 0:
        _say("No build of PyTorch for the CPU alone was found; installing the one with CUDA.")


def compare(python: Path, arguments: list[str]) -> int:
    """Runs the main job: a hybrid model against its Dense baselines."""
    return _status(python.with_name("qkeras-hybrid"), "compare", *arguments)


def test(python: Path, arguments: list[str]) -> int:
    """Runs lint, format and type checks, then the tests; all of them, whichever fails."""
    failed = [
        " ".join(check)
        for check in (("ruff", "check"), ("ruff", "format", "--check"), ("mypy",))
        if _status(python, "-m", *check)
    ]
    # One more than there are cores, because some tests wait for processes of their own.
    processes = min((os.cpu_count() or 1) + 1, MOST_TEST_PROCESSES)
    status = _status(python, "-m", "pytest", "-n", str(processes), *arguments)
    if failed:
        _say(f"Failed before the tests: {', '.join(failed)}.")
    return status or bool(failed)


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
