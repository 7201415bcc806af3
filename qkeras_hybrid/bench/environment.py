"""Where a result comes from: the versions of the software, and the kind of machine."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
from typing import Any


@functools.cache
def _installed() -> tuple[tuple[str, str], ...]:
    found = [("python", platform.python_version())]
    for name in (
        "qkeras-hybrid",
        "keras",
        "tensorflow",
        "jax",
        "torch",
        "tensorflow-quantum",
        "cirq-core",
        "numpy",
        "scikit-learn",
        "mlxtend",
        "optuna",
    ):
        try:
            found.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return tuple(found)


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that a result depends on."""
    return dict(_installed())


@functools.cache
def _machine() -> tuple[tuple[str, Any], ...]:
    model = ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            model = next(
                (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
                "",
            )
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        ("system", platform.system()),
        ("architecture", platform.machine()),
        ("processor", model or platform.processor()),
        ("cores", cores),
    )


def machine() -> dict[str, Any]:
    """Returns what kind of machine this is, without anything that identifies it or its owner."""
    return dict(_machine())
