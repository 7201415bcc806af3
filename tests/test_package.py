"""The project's files agree with each other, and dev.py does what they promise."""

from __future__ import annotations

import configparser
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import qkeras_hybrid
from qkeras_hybrid import _keras
from sources import imports_of, package_modules

DISTRIBUTION = "qkeras-hybrid"

# Keras's backends, of which a user has one, and what only some need: all are extras.
OPTIONAL = {"tensorflow", "jax", "torch", "tensorflow_quantum", "mlflow", "qiskit", "ray"}
# Runtimes of exported models.
OPTIONAL |= {"ai_edge_litert", "onnx", "onnxruntime", "openvino"}
# Finds places for problems on annealers, where their client is.
OPTIONAL |= {"minorminer"}
# Molecules.
OPTIONAL |= {"openfermion", "pyscf"}
# Services' clients. IBM's comes with an account of theirs, and no extra names it.
OPTIONAL |= {"cirq_aqt", "cirq_google", "cirq_ionq", "cirq_pasqal", "qiskit_ibm_runtime"}


@pytest.fixture(scope="module")
def setup(root: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(root / "setup.cfg", encoding="utf-8")
    return parser


@pytest.fixture(scope="module")
def pyproject(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture
def dev(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("dev", root / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def listed(text: str) -> list[Requirement]:
    return [Requirement(line) for line in text.splitlines() if line and not line.startswith("#")]


def requirements(setup: configparser.ConfigParser) -> list[Requirement]:
    return listed(setup["options"]["install_requires"])


def extra(setup: configparser.ConfigParser, name: str) -> Requirement:
    """Returns the one requirement of an extra."""
    (requirement,) = listed(setup["options.extras_require"][name])
    return requirement


def test_the_version_is_stated_once(
    setup: configparser.ConfigParser, pyproject: dict[str, Any]
) -> None:
    assert "project" not in pyproject
    version = setup["metadata"]["version"]
    assert importlib.metadata.version(DISTRIBUTION) == version
    assert qkeras_hybrid.__version__ == version


def test_the_supported_pythons_agree(
    setup: configparser.ConfigParser, pyproject: dict[str, Any], dev: ModuleType
) -> None:
    supported = SpecifierSet(setup["options"]["python_requires"])
    pythons = [f"3.{minor}" for minor in range(5, 30) if f"3.{minor}" in supported]
    assert pythons == [".".join(map(str, version)) for version in dev.SUPPORTED]
    classifiers = setup["metadata"]["classifiers"]
    assert re.findall(r"Python :: (3\.\d+)", classifiers) == pythons
    assert pyproject["tool"]["mypy"]["python_version"] == pythons[0]
    assert pyproject["tool"]["ruff"]["target-version"] == "py" + pythons[0].replace(".", "")


def test_the_license_is_apache(root: Path) -> None:
    text = (root / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert importlib.metadata.metadata(DISTRIBUTION)["License-Expression"] == "Apache-2.0"


def test_imports_and_dependencies_agree(root: Path, setup: configparser.ConfigParser) -> None:
    distributions = importlib.metadata.packages_distributions()
    imported = {
        name.split(".")[0]
        for source in package_modules(root).values()
        for name, _ in imports_of(source)
    }
    own = {"qkeras_hybrid", "qkeras_hybrid_launcher"}
    foreign = imported - set(sys.stdlib_module_names) - OPTIONAL - own
    declared = {canonicalize_name(requirement.name) for requirement in requirements(setup)}
    unlisted = {
        name
        for name in foreign
        if not declared & {canonicalize_name(found) for found in distributions.get(name, ())}
    }
    assert unlisted == set(), "imported, but not in install_requires"
    needed = {canonicalize_name(found) for name in foreign for found in distributions.get(name, ())}
    assert declared - needed == set(), "in install_requires, but not imported"


def test_tensorflow_quantum_is_asked_for_where_it_exists(setup: configparser.ConfigParser) -> None:
    tfq = extra(setup, "tfq")
    assert tfq.marker is not None
    for system, machine, python, exists in (
        ("Linux", "x86_64", "3.11", True),
        ("Linux", "x86_64", "3.12", True),
        ("Linux", "x86_64", "3.13", False),
        ("Linux", "aarch64", "3.12", False),
        ("Darwin", "arm64", "3.12", False),
        ("Windows", "AMD64", "3.12", False),
    ):
        environment = {
            "platform_system": system,
            "platform_machine": machine,
            "python_version": python,
        }
        assert tfq.marker.evaluate(environment) is exists


def test_each_backend_of_keras_is_an_extra_and_none_is_required(
    setup: configparser.ConfigParser,
) -> None:
    for backend in _keras.BACKENDS:
        assert extra(setup, backend).name == backend
        assert backend not in {requirement.name for requirement in requirements(setup)}


def test_the_supported_versions_are_those_that_were_tested(
    setup: configparser.ConfigParser,
) -> None:
    cirq = {requirement.name: requirement for requirement in requirements(setup)}["cirq-core"]
    tensorflow = extra(setup, "tensorflow")
    for requirement, inside, outside in (
        (cirq, ("1.5.0", "1.6.1", "1.7.0"), ("1.4.1", "1.8.0")),
        (tensorflow, ("2.18.1", "2.19.1", "2.20.0", "2.21.0"), ("2.17.1", "2.22.0")),
    ):
        assert all(version in requirement.specifier for version in inside)
        assert not any(version in requirement.specifier for version in outside)


def test_the_command_is_installed() -> None:
    command = Path(sys.executable).with_name("qkeras-hybrid")
    done = subprocess.run([command, "--version"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"qkeras-hybrid {qkeras_hybrid.__version__}\n"


@pytest.mark.parametrize(("everything", "newest"), [(0, 0), (3, 0), (0, 1), (2, 5)])
def test_ci_runs_the_test_command_of_the_readme_then_the_newest_versions(
    root: Path, tmp_path: Path, everything: int, newest: int
) -> None:
    (tmp_path / ".ci").mkdir()
    script = shutil.copy(root / ".ci" / "run", tmp_path / ".ci" / "run")
    (tmp_path / "dev.py").write_text(
        "import sys\nprint(*sys.argv[1:])\n"
        f"sys.exit({newest} if '--newest' in sys.argv else {everything})\n"
    )
    done = subprocess.run(["bash", script], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["test", "test --newest"]
    assert bool(done.returncode) is bool(everything or newest)
    readme = (root / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^python3 dev\.py \w+", readme, re.MULTILINE) == [
        "python3 dev.py compare",
        "python3 dev.py test",
    ]


def test_links_between_the_documents_lead_somewhere(root: Path) -> None:
    documents = [path for path in root.glob("*.md")] + [*root.glob("[bn]*/README.md")]
    assert len(documents) >= 5
    for document in documents:
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def copy_of_the_sources(root: Path, folder: Path) -> Path:
    made = shutil.ignore_patterns(
        *(".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__"),
        *("build", "dist", "*.egg-info", "*.so"),
    )
    return Path(shutil.copytree(root, folder / "sources", ignore=made))


def build(sources: Path, kind: str) -> Path:
    code = f"from setuptools import build_meta; build_meta.build_{kind}('dist')"
    done = subprocess.run([sys.executable, "-c", code], cwd=sources, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = (sources / "dist").glob("*.tar.gz" if kind == "sdist" else "*.whl")
    return built


def test_the_source_distribution_holds_all_sources(root: Path, tmp_path: Path) -> None:
    sources = copy_of_the_sources(root, tmp_path)
    with tarfile.open(build(sources, "sdist")) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    needed = {
        path.relative_to(root).as_posix()
        for pattern in ("*.py", "*.cc", "*.h", "py.typed")
        for path in (root / "qkeras_hybrid").rglob(pattern)
    }
    assert needed <= held
    assert {"setup.cfg", "pyproject.toml", "README.md", "LICENSE"} <= held


@pytest.mark.slow
def test_the_wheel_holds_the_modules_and_no_tests(root: Path, tmp_path: Path) -> None:
    sources = copy_of_the_sources(root, tmp_path)
    with zipfile.ZipFile(build(sources, "wheel")) as archive:
        held = set(archive.namelist())
    modules = {path.relative_to(root).as_posix() for path in (root / "qkeras_hybrid").rglob("*.py")}
    assert modules | {"qkeras_hybrid/py.typed"} <= held
    assert {name.split("/")[0] for name in held if ".dist-info/" not in name} == {"qkeras_hybrid"}


def test_dev_refuses_other_pythons_in_one_line(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 14, 0, "final", 0))
    assert dev.main(["test"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "needs Python 3.11, 3.12 or 3.13" in said[0]


def test_dev_tells_its_jobs(dev: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["tset"]):
        assert dev.main(arguments) == 2
        assert "python3 dev.py test [--slow]" in capsys.readouterr().err


def test_dev_makes_an_environment_only_where_none_is_active(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands: list[tuple[object, ...]] = []
    monkeypatch.setattr(dev, "_run", lambda *command: commands.append(command))
    monkeypatch.setattr(dev, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(sys, "base_prefix", "elsewhere")
    assert dev.find_environment() == Path(sys.executable)

    monkeypatch.setattr(sys, "base_prefix", sys.prefix)
    active = tmp_path / "active" / "bin" / "python"
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))
    active.parent.mkdir(parents=True)
    active.touch()
    assert dev.find_environment() == active
    assert commands == []

    active.unlink()  # as a deleted environment that the shell still names
    assert dev.find_environment() == tmp_path / ".venv" / "bin" / "python"
    assert commands == [(sys.executable, "-m", "venv", "--clear", tmp_path / ".venv")]


def test_dev_installs_again_only_after_a_change(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    installed: list[str] = []

    def run(*command: object) -> None:
        python.with_name("qkeras-hybrid").touch()
        if "--editable" in command:
            installed.append(str(command[-1]))

    monkeypatch.setattr(dev, "_install", run)
    monkeypatch.setattr(dev, "_status", lambda *command, stderr=None: 0)
    monkeypatch.setattr(dev, "fingerprint", lambda python, patterns: "one")
    dev.set_up(python, frozenset({"test", "torch"}))
    dev.set_up(python, frozenset({"test", "torch"}))
    dev.set_up(python, frozenset())
    assert installed == [".[test,torch]"]

    monkeypatch.setattr(dev, "fingerprint", lambda python, patterns: "two")
    dev.set_up(python, frozenset())
    assert installed == [".[test,torch]"] * 2  # what was there before stays up to date

    python.with_name("qkeras-hybrid").unlink()
    dev.set_up(python, frozenset())
    assert installed == [".[test,torch]"] * 3


def test_dev_says_in_one_line_that_there_is_no_tensorflow_quantum(
    dev: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(dev, "_install", lambda *command: None)
    for job, found, lines in (("test", 0, 0), ("compare", 1, 1), ("compare", 0, 0)):
        python = tmp_path / f"{job}{found}" / "bin" / "python"
        python.parent.mkdir(parents=True)
        monkeypatch.setattr(
            dev,
            "_status",
            lambda *command, stderr=None, found=found: found * (command[-1] == dev.HAS_TFQ),
        )
        dev.set_up(python, dev.JOBS[job])
        said = capsys.readouterr().err.splitlines()
        assert sum("tfq engine is left out" in line for line in said) == lines


def test_dev_installs_a_wheel_of_the_newest_apart_from_the_sources(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed = []
    monkeypatch.setattr(dev, "_install", lambda *command: installed.append(command))
    monkeypatch.setattr(dev, "_status", lambda *command, stderr=None: 0)
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    (tmp_path / "build" / "lib").mkdir(parents=True)
    monkeypatch.setattr(dev, "build_requirements", list)
    dev.set_up(tmp_path / "bin" / "python", dev.NEWEST_EXTRAS, wheel=True)
    command = installed[-1]
    assert command[-1] == ".[contracts,export,jax,tensorflow]"
    assert "--upgrade" in command
    assert "--editable" not in command
    assert not (tmp_path / "build").exists()  # a module that is gone stays there, and in a wheel


def test_a_wheel_is_made_again_when_a_module_changes(dev: ModuleType, tmp_path: Path) -> None:
    every = (*dev.INSTALLED_FROM, *dev.PACKAGED)
    module = tmp_path / "qkeras_hybrid" / "module.py"
    module.parent.mkdir()
    module.write_text("ONE = 1")
    first = dev.fingerprint(tmp_path / "python", tmp_path, every)
    module.write_text("ONE = 2")
    assert dev.fingerprint(tmp_path / "python", tmp_path, every) != first


def test_all_that_a_wheel_holds_counts_as_a_change(
    dev: ModuleType, root: Path, setup: configparser.ConfigParser
) -> None:
    counted = {path for pattern in dev.PACKAGED for path in root.glob(pattern)}
    for package, patterns in setup["options.package_data"].items():
        folder = root / package.replace(".", "/")
        for pattern in patterns.split(", "):
            for path in folder.glob(pattern):
                assert path.name == "py.typed" or path in counted


def test_dev_finds_the_newest_python_that_runs(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    newest = ".".join(map(str, dev.SUPPORTED[-1]))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(dev.shutil, "which", lambda name: f"/shims/{name}")
    inside = tmp_path / "versions" / f"{newest}.2" / "bin" / "python"
    inside.parent.mkdir(parents=True)
    inside.touch()
    for running, expected in (
        ({Path(f"/shims/python{newest}"), inside}, Path(f"/shims/python{newest}")),
        ({inside}, inside),  # what is on PATH does not run
        (set(), Path(sys.executable)),
    ):
        monkeypatch.setattr(
            dev,
            "version_of",
            lambda python, running=running: newest if python in running else None,
        )
        assert dev.newest_python() == expected


def test_the_version_of_a_python_that_does_not_run_is_none(dev: ModuleType, tmp_path: Path) -> None:
    assert dev.version_of(Path(sys.executable)) == "{}.{}".format(*sys.version_info)
    assert dev.version_of(tmp_path / "python") is None
    shim = tmp_path / "shim"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    assert dev.version_of(shim) is None


@pytest.mark.parametrize(
    ("arguments", "selected"),
    [([], None), (["-x"], None), (["tests/test_gates.py", "-x"], ())],
)
def test_dev_tests_the_contracts_on_the_installed_package(
    dev: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    selected: tuple[str, ...] | None,
) -> None:
    ran: list[tuple[object, ...]] = []
    made: list[tuple[object, ...]] = []
    monkeypatch.setenv("PYTHONPATH", "sources")
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    monkeypatch.setattr(dev, "find_newest_environment", lambda: Path("newest"))
    monkeypatch.setattr(
        dev, "set_up", lambda python, extras, *, wheel: made.append((python, extras, wheel))
    )

    def status(*command: object, stderr: object = None) -> int:
        assert os.environ["PYTHONSAFEPATH"] == "1"
        assert "PYTHONPATH" not in os.environ
        ran.append(command)
        return 1

    monkeypatch.setattr(dev, "_status", status)
    assert dev.main(["test", "--newest", *arguments]) == 1
    assert made == [(Path("newest"), dev.NEWEST_EXTRAS, True)]
    expected = dev.CONTRACTS if selected is None else selected
    (command,) = ran
    assert command[:3] == (Path("newest"), "-m", "pytest")
    assert command[5:] == (*arguments, *expected)


def test_the_contracts_name_files_that_are_there(dev: ModuleType, root: Path) -> None:
    for name in dev.CONTRACTS:
        assert (root / name.split("::")[0]).exists()


def test_dev_says_what_is_being_installed_and_why_it_failed(
    dev: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    pip = "print('Collecting numpy'); print('Installing collected packages: numpy, cirq')"
    dev._install(sys.executable, "-c", pip)
    assert capsys.readouterr().err == "  installing 2 ...\n"
    with pytest.raises(subprocess.CalledProcessError):
        dev._install(sys.executable, "-c", "import sys; print('the reason'); sys.exit(3)")
    assert "the reason" in capsys.readouterr().err


def test_dev_tries_again_after_an_installation_that_failed(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.with_name("qkeras-hybrid").touch()
    installed = []

    def run(*command: object) -> None:
        installed.append(command)
        raise subprocess.CalledProcessError(1, "pip")

    monkeypatch.setattr(dev, "_install", run)
    monkeypatch.setattr(dev, "_status", lambda *command, stderr=None: 0)
    for tries in (1, 2):
        with pytest.raises(subprocess.CalledProcessError):
            dev.set_up(python, frozenset())
        assert len(installed) == tries


def test_the_fingerprint_is_of_what_an_installation_depends_on(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = tmp_path / "qkeras_hybrid" / "engines" / "native" / "src" / "op.cc"
    source.parent.mkdir(parents=True)
    source.write_text("int one;")
    (tmp_path / "setup.cfg").write_text("[metadata]")
    python = tmp_path / "python"
    first = dev.fingerprint(python, tmp_path)

    (tmp_path / "qkeras_hybrid" / "module.py").write_text("ONE = 1")
    assert dev.fingerprint(python, tmp_path) == first
    source.write_text("int two;")
    second = dev.fingerprint(python, tmp_path)
    assert second != first
    (tmp_path / "setup.cfg").write_text("[options]")
    third = dev.fingerprint(python, tmp_path)
    assert third not in (first, second)
    monkeypatch.setattr(dev.shutil, "which", lambda name: None)  # the compiler is gone
    assert dev.fingerprint(python, tmp_path) not in (first, second, third)


@pytest.mark.parametrize("fails", ["ruff", "mypy", "pytest", None])
def test_dev_runs_every_check_and_fails_if_one_does(
    dev: ModuleType, monkeypatch: pytest.MonkeyPatch, fails: str | None
) -> None:
    ran: list[str] = []

    def status(*command: object, stderr: object = None) -> int:
        words = [str(word) for word in command]
        ran.append(" ".join(words[2:4]) if words[2] == "ruff" else words[2])
        if words[2] == "pytest":
            assert words[-2:] == ["--slow", "-x"]
        return int(words[2] == fails)

    monkeypatch.setattr(dev, "_status", status)
    assert bool(dev.test(Path("python"), ["--slow", "-x"])) is (fails is not None)
    assert ran == ["ruff check", "ruff format", "mypy", "pytest"]


def test_the_package_is_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "qkeras_hybrid", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().endswith(qkeras_hybrid.__version__)
