"""Builds the native engine's C++ library; everything else is in setup.cfg.

A machine without a C++ compiler or without TensorFlow still installs the package: the reason is
written beside the place of the library, and `qkeras_hybrid.engines.native.build_status()` says it.
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
COMMON = ["-std=c++17", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"]

# Asks TensorFlow in a process of its own: importing it here would take its time and its log lines
# into every build.
ASK_TENSORFLOW = """
import json, tensorflow as tf
print(json.dumps([tf.__version__, tf.sysconfig.get_compile_flags(), tf.sysconfig.get_link_flags()]))
"""


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


def ask_tensorflow() -> tuple[str, list[str], list[str]]:
    """Returns TensorFlow's version, compile flags and link flags."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    found = subprocess.run(
        [sys.executable, "-c", ASK_TENSORFLOW],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if found.returncode != 0:
        raise NotBuiltError("TensorFlow is not installed for the build")
    version, compile_flags, link_flags = json.loads(found.stdout.splitlines()[-1])
    # Warnings in TensorFlow's headers are not ours, and the standard is set in COMMON.
    flags = [
        part
        for flag in compile_flags
        if "-std=" not in flag
        for part in (["-isystem", flag[2:]] if flag.startswith("-I") else [flag])
    ]
    return version, flags, link_flags


def run(command: list[str]) -> None:
    """Runs a compiler; its last words become the reason if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    sys.stderr.write(done.stderr)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if "error" in line]
        last = (errors or done.stderr.splitlines() or ["no message"])[0]
        raise NotBuiltError(f"{command[0]} failed: {last}")


def build(target: Path, objects: Path) -> str:
    """Compiles and links the library; returns TensorFlow's version."""
    if sys.platform not in ("linux", "darwin"):
        raise NotBuiltError(f"it is built on Linux and macOS, and this is {sys.platform}")
    compiler = find_compiler()
    version, tf_flags, link_flags = ask_tensorflow()
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    kernels = X86_KERNELS if x86 else {"baseline": []}
    objects.mkdir(parents=True, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)

    jobs = []
    for name, flags in kernels.items():
        defines = [f"-DQH_KERNELS_NAME=Kernels_{name}"]
        jobs.append(
            ("kernels.cc", f"kernels_{name}.o", ["-O3", "-fno-math-errno", *flags, *defines])
        )
    jobs.append(("ops.cc", "ops.o", ["-O2", *tf_flags]))
    for name in ("plan", "dispatch", "memory"):
        jobs.append((f"{name}.cc", f"{name}.o", ["-O2", *(["-DQH_X86"] if x86 else [])]))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        commands = [
            [*compiler, *COMMON, *flags, "-c", str(SOURCES / source), "-o", str(objects / name)]
            for source, name, flags in jobs
        ]
        for done in [pool.submit(run, command) for command in commands]:
            done.result()
    # Linked beside the target and moved, so that a library in use is never half written.
    fresh = target.with_suffix(".new")
    outputs = [str(objects / name) for _, name, _ in jobs]
    run([*compiler, "-shared", "-o", str(fresh), *outputs, *link_flags])
    os.replace(fresh, target)
    return version


class BuildNative(build_ext):
    """Builds the library, or writes down why not."""

    def get_ext_filename(self, fullname: str) -> str:
        # No Python in its name: it is a TensorFlow library, not an extension module.
        return os.path.join(*fullname.split(".")) + ".so"

    def build_extension(self, ext: Extension) -> None:
        target = Path(self.get_ext_fullpath(ext.name))
        try:
            version = build(target, Path(self.build_temp, "native"))
            status = {"built": True, "reason": "", "tensorflow": version}
        except (NotBuiltError, OSError) as error:
            print(f"The native engine is not built: {error}", file=sys.stderr)
            target.unlink(missing_ok=True)
            status = {"built": False, "reason": str(error), "tensorflow": ""}
        target.parent.mkdir(parents=True, exist_ok=True)
        Path(target.parent, STATUS).write_text(json.dumps(status), encoding="utf-8")

    def copy_extensions_to_source(self) -> None:
        # In an editable install the library and its status lie beside the sources.
        for name in (STATUS, "_native.so"):
            built = Path(self.build_lib, FOLDER, name)
            # Removed first: to write into a library that a process has loaded would crash it.
            Path(FOLDER, name).unlink(missing_ok=True)
            if built.exists():
                shutil.copy2(built, FOLDER / name)


setup(
    ext_modules=[
        Extension(
            "qkeras_hybrid.engines.native._native",
            sources=sorted(str(path) for path in SOURCES.glob("*.cc")),
            depends=sorted(str(path) for path in SOURCES.glob("*.h")),
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildNative},
)
