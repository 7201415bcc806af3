"""Builds the native engine's C++ libraries; everything else is in setup.cfg.

`_native.so` is the core with the handlers for JAX, `_tensorflow.so` are TensorFlow's operations
over it. Neither needs a framework to be built, nor Python's headers: one build serves all versions.

A machine without a C++ compiler still installs the package: the reason is written beside the place
of the libraries, and `qkeras_hybrid.engines.native.build_status()` says it.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

FOLDER = Path("qkeras_hybrid", "engines", "native")
SOURCES = FOLDER / "src"
STATUS = "_build_status.json"

# The kernels are compiled once for each instruction set; dispatch.cc picks one when they load.
_AVX2 = ["-mavx2", "-mfma", "-mbmi2", "-mpopcnt"]
_AVX512 = [f"-mavx512{part}" for part in ("f", "dq", "bw", "vl", "cd")]
X86_KERNELS = {
    "baseline": [],
    "avx2": _AVX2,
    "avx512": [*_AVX2, *_AVX512, "-mprefer-vector-width=512"],
}
LIBRARIES = {
    "_native.so": [
        *("reader.cc", "plan.cc", "density_plan.cc", "dispatch.cc", "memory.cc", "pool.cc"),
        "annealing.cc",
        *("session.cc", "qaoa_call.cc", "c_api.cc"),
        "bridges/jax.cc",
    ],
    "_tensorflow.so": ["bridges/tensorflow.cc"],
}
COMMON = ["-std=c++17", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"]


class NotBuiltError(Exception):
    """The library can't be built, for the reason in the message."""


def find_compiler() -> list[str]:
    """Returns the C++ compiler: the environment variable CXX, g++ or clang++."""
    if os.environ.get("CXX"):
        command = shlex.split(os.environ["CXX"])
        if shutil.which(command[0]) is None:
            raise NotBuiltError(f"the C++ compiler that CXX names, {command[0]}, was not found")
        return command
    for name in ("g++", "clang++"):
        if shutil.which(name):
            return [name]
    raise NotBuiltError("no C++ compiler found")


def run(command: list[str]) -> None:
    """Runs a compiler; its last words become the reason if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    sys.stderr.write(done.stderr)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if "error" in line]
        last = (errors or done.stderr.splitlines() or ["no message"])[0]
        raise NotBuiltError(f"{command[0]} failed: {last}")


def build(folder: Path, objects: Path, version: str) -> None:
    """Compiles and links the libraries of `LIBRARIES` into a folder."""
    if sys.platform not in ("linux", "darwin"):
        raise NotBuiltError(f"it is built on Linux and macOS, and this is {sys.platform}")
    compiler = find_compiler()
    # For a quick build, or one for sanitizers, QKERAS_HYBRID_BUILD=baseline leaves out the others.
    everything = os.environ.get("QKERAS_HYBRID_BUILD") != "baseline"
    x86 = everything and platform.machine().lower() in ("x86_64", "amd64")
    kernels = X86_KERNELS if x86 else {"baseline": []}
    objects.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)

    commands = []
    parts: dict[str, list[str]] = {name: [] for name in LIBRARIES}

    def compile_to(library: str, source: str, name: str, flags: list[str]) -> None:
        target = str(objects / f"{name}.o")
        commands.append([*compiler, *COMMON, *flags, "-c", str(SOURCES / source), "-o", target])
        parts[library].append(target)

    for name, flags in kernels.items():
        defines = [f"-DQH_KERNELS_NAME=Kernels_{name}"]
        optimized = ["-O3", "-fno-math-errno", *flags, *defines]
        compile_to("_native.so", "kernels.cc", f"kernels_{name}", optimized)
    defines = [f"-DQH_VERSION={version}", *(["-DQH_X86"] if x86 else [])]
    for library, sources in LIBRARIES.items():
        for source in sources:
            compile_to(library, source, Path(source).stem, ["-O2", *defines])
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for done in [pool.submit(run, command) for command in commands]:
            done.result()
    for library, built in parts.items():
        # Linked beside the target and moved, so that a library in use is never half written.
        fresh = folder / f"{library}.new"
        run([*compiler, "-shared", "-pthread", "-o", str(fresh), *built, "-ldl"])
        os.replace(fresh, folder / library)


class BuildNative(build_ext):
    """Builds the libraries, or writes down why not."""

    def get_ext_filename(self, fullname: str) -> str:
        # No Python in its name: it is a plain library, not an extension module.
        return os.path.join(*fullname.split(".")) + ".so"

    def build_extension(self, ext: Extension) -> None:
        folder = Path(self.get_ext_fullpath(ext.name)).parent
        version = self.distribution.get_version()
        status = {"built": True, "reason": "", "version": version, "machine": platform.machine()}
        try:
            build(folder, Path(self.build_temp, "native"), version)
        except (NotBuiltError, OSError) as error:
            print(f"The native engine is not built: {error}", file=sys.stderr)
            for name in LIBRARIES:
                Path(folder, name).unlink(missing_ok=True)
            status |= {"built": False, "reason": str(error)}
        folder.mkdir(parents=True, exist_ok=True)
        Path(folder, STATUS).write_text(json.dumps(status), encoding="utf-8")

    def get_outputs(self) -> list[str]:
        folder = Path(self.get_ext_fullpath(self.extensions[0].name)).parent
        return [str(folder / name) for name in (STATUS, *LIBRARIES) if (folder / name).exists()]

    def copy_extensions_to_source(self) -> None:
        # In an editable install the libraries and their status lie beside the sources.
        for name in (STATUS, *LIBRARIES):
            built = Path(self.build_lib, FOLDER, name)
            # Removed first: to write into a library that a process has loaded would crash it.
            Path(FOLDER, name).unlink(missing_ok=True)
            if built.exists():
                shutil.copy2(built, FOLDER / name)


class Wheel(bdist_wheel):
    """Names the wheel for what it depends on: the platform, and no version of Python."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


setup(
    ext_modules=[
        Extension(
            "qkeras_hybrid.engines.native._native",
            sources=sorted(str(path) for path in SOURCES.rglob("*.cc")),
            depends=sorted(str(path) for path in SOURCES.rglob("*.h")),
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildNative, "bdist_wheel": Wheel},
)
