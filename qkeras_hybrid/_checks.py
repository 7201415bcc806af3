"""Argument checks, with error messages worded the same everywhere."""

from __future__ import annotations

import inspect
import math
import numbers
import os
from collections.abc import Iterable, Mapping
from typing import Any

from qkeras_hybrid._errors import ArgumentError

# Limits for saved layers, far above what can be simulated. Without them, a config of one line could
# keep a machine busy for days.
MOST_QUBITS = 1_000
"""The most qubits of a layer that builds its own circuit."""

MOST_REPEATS = 1_000
"""The most layers, repetitions and steps of a template."""

MOST_PARAMETERS = 100_000
"""The most inputs, weights or outputs of a layer that builds its own circuit."""

MOST_TEMPLATE_OPERATIONS = 2_000_000
"""The most operations of a template: one gate on each pair of qubits, times the repetitions."""


def positive_int(argument: str, value: Any, most: int | None = None) -> int:
    """Returns `value` as an `int` of at least 1.

    Raises:
        ValueError: If `value` is not a whole number of at least 1, or is above `most`.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or int(value) < 1:
        raise ArgumentError(argument, "be a whole number of at least 1", value)
    return int(value) if most is None else at_most(argument, int(value), most)


def at_most(argument: str, value: int, most: int) -> int:
    """Returns `value`, unchanged.

    Raises:
        ValueError: If it is above `most`.
    """
    if value > most:
        raise ArgumentError(argument, f"be at most {most:,}", value)
    return value


def finite_number(argument: str, value: Any) -> float:
    """Returns `value` as a `float`.

    Raises:
        ValueError: If `value` is not a real, finite number.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ArgumentError(argument, "be a finite number", value)
    return float(value)


def seed_or_none(argument: str, value: Any) -> int | None:
    """Returns a seed as an `int`, or None for None.

    Raises:
        ValueError: If `value` is neither None nor a whole number from 0 to 2**32 - 1, the range
            that NumPy and all Keras backends accept.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not hasattr(value, "__index__") or not 0 <= int(value) < 2**32:
        raise ArgumentError(
            argument,
            "be a whole number from 0 to 2**32 - 1",
            value,
            "Any number in this range will do; the same seed gives the same random numbers.",
        )
    return int(value)


def seed_number(argument: str, value: Any) -> int:
    """Returns a seed as an `int`.

    Raises:
        ValueError: If `value` is not a whole number from 0 to 2**32 - 1.
    """
    found = seed_or_none(argument, value)
    if found is None:
        raise ArgumentError(argument, "be a whole number from 0 to 2**32 - 1", None)
    return found


def one_of(argument: str, value: Any, known: Iterable[str]) -> str:
    """Returns `value` if it is one of the `known` names.

    Raises:
        ValueError: If it is not; the message lists the known names.
    """
    names = tuple(known)
    if value not in names:
        raise ArgumentError(argument, f"be one of {', '.join(map(repr, names))}", value)
    return str(value)


def known_arguments(
    cls: type, config: Mapping[str, Any], more: Iterable[str] = ()
) -> dict[str, Any]:
    """Returns a saved config as arguments of a class's constructor.

    Args:
        cls: The class.
        config: The result of its `get_config`, perhaps from another version of the package.
        more: Names of arguments that the constructor takes as `**kwargs`.

    Raises:
        ValueError: If the config has a key that the constructor does not take.
    """
    known = set(inspect.signature(cls).parameters) - {"kwargs"} | set(more)
    unknown = sorted(set(config) - known)
    if unknown:
        keys = ", ".join(sorted(known)) or "none"
        raise ValueError(
            f"The config of a {cls.__name__} has the unknown key {unknown[0]!r}: it was saved by "
            f"another version of its package, or belongs to another class. Known keys: {keys}."
        )
    return dict(config)


def bytes_text(size: float) -> str:
    """Returns a size in bytes as text in a readable unit, such as `"3.0 GiB"`."""
    if size >= 2**80:
        # There is no larger unit, and the number can be too large for a float.
        return f"over 2**{int(size).bit_length() - 1} bytes"
    units = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB")
    k = max(0, (int(size).bit_length() - 1) // 10)
    return f"{size / 1024**k:.{min(k, 1)}f} {units[k]}"


def check_fits(argument: str, what: str, need: float, fix: str) -> None:
    """Checks that something fits in memory, before it is created.

    Args:
        argument: The argument that determines its size, for the error message.
        what: What is to be created, in words.
        need: The smallest number of bytes that it needs.
        fix: A sentence that says what to do if it does not fit.

    Raises:
        ValueError: If it does not fit.
    """
    have = available_memory()
    if need > have:
        raise ArgumentError(
            argument,
            f"fit into memory, of which {bytes_text(have)} are available",
            f"{what}, which takes {bytes_text(need)}",
            fix,
        )


def available_memory() -> int:
    """Returns how many bytes of memory this machine has available, or 2**63 if unknown."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 2**63
