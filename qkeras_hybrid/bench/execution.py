"""How the circuits of a comparison are computed: engine, shots, noise and mitigation.

An execution table has some of the keys in `KEYS`. A missing key means that the model's layers
compute as they do by themselves. "auto", "exact" and "none" mean the same as a missing key, and are
left out of a table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from qkeras_hybrid import engines, noise
from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.engines.mitigation import (
    CliffordDataRegression,
    DynamicalDecoupling,
    Mitigation,
    PauliTwirling,
    ProbabilisticErrorCancellation,
    ReadoutMitigation,
    ZeroNoiseExtrapolation,
)

AXES = ("engine", "shots", "noise", "mitigation")
"""The keys that a suite may sweep."""

KEYS = (*AXES, "noisy_training")
"""The keys of a table."""

IDEAL: Mapping[str, Any] = {
    "engine": "auto",
    "shots": "exact",
    "noise": "none",
    "mitigation": "none",
    "noisy_training": False,
}
"""What a missing key means."""

MITIGATIONS: Mapping[str, type[Mitigation]] = {
    "zne": ZeroNoiseExtrapolation,
    "readout": ReadoutMitigation,
    "pec": ProbabilisticErrorCancellation,
    "cdr": CliffordDataRegression,
    "twirling": PauliTwirling,
    "decoupling": DynamicalDecoupling,
}
"""Mitigation methods by short name, each with its defaults."""

WITH_CIRCUITS = frozenset({"hybrid", "frozen_circuit", "no_entanglement", "single_upload"})
"""The contenders that compute circuits. A table concerns only these."""


def normalized(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns a table in its shortest form, so that tables of the same meaning are equal.

    Args:
        given: A table with keys of `KEYS`: the name of an engine, or "auto"; a number of shots, or
            "exact"; a noise model as `qkeras_hybrid.noise.parse` reads it, or "none"; names of
            `MITIGATIONS` joined by `+`, beginning with the one next to the circuit, or "none"; and
            whether training has shots, noise and mitigation too.

    Returns:
        The table; None if it is empty.

    Raises:
        ValueError: If a key or a value is unknown.

    Example:

        >>> normalized({"engine": "auto", "shots": 100, "noise": "bit_flip: 0.1 + phase_flip:0.2"})
        {'shots': 100, 'noise': 'bit_flip:0.1+phase_flip:0.2'}
        >>> normalized({"shots": "exact", "noise": "none", "noisy_training": True})
    """
    for key in given:
        if key not in KEYS:
            raise ArgumentError("execution", f"only have the keys {', '.join(KEYS)}", key)
    said = {**IDEAL, **given}
    return trimmed(
        {
            "engine": _engine(said["engine"]),
            "shots": _shots(said["shots"]),
            "noise": _noise(said["noise"]),
            "mitigation": _mitigation(said["mitigation"]),
            "noisy_training": _flag(said["noisy_training"]),
        }
    )


def axes(given: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Returns the values of each key of a table in which a list stands for several tables.

    Raises:
        ValueError: If a list is empty, or a value is unknown; the error names the key.

    Example:

        >>> axes({"shots": [10, 100], "noise": "bit_flip:0.1"})
        {'shots': [10, 100], 'noise': ['bit_flip:0.1']}
    """
    found: dict[str, list[Any]] = {}
    for key, value in given.items():
        found[key] = value if isinstance(value, list) and key in AXES else [value]
        if not found[key]:
            raise ArgumentError(key, "be a value or a list of values", value)
        for one in found[key]:
            normalized({key: one})
    return found


def trimmed(table: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns a table of valid values in its shortest form; None if it is empty."""
    kept = {key: value for key, value in table.items() if value != IDEAL[key]}
    if not {"shots", "noise", "mitigation"} & set(kept):
        kept.pop("noisy_training", None)  # It has no meaning without these.
    return kept or None


def in_training(table: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the part of a table that applies to training."""
    if table.get("noisy_training"):
        return dict(table)
    return {key: value for key, value in table.items() if key == "engine"}


def methods(mitigation: str) -> list[type[Mitigation]]:
    """Returns the classes that a table's mitigation names, the innermost first."""
    return [MITIGATIONS[name] for name in mitigation.split("+")]


def is_table(given: Any) -> bool:
    """Tells whether a value that was read from a file is a table, by the types of its values."""
    if not isinstance(given, dict):
        return False
    kinds = {"shots": int, "noisy_training": bool}
    return all(type(value) is kinds.get(key, str) for key, value in given.items() if key in KEYS)


def levels(text: str) -> list[tuple[str, float]]:
    """Returns each number in a noise model's text, with the text in which `p` replaces it.

    Args:
        text: A noise model as a table spells it: without spaces.

    Example:

        >>> levels("bit_flip:0.1@2q+readout_error:1e-2")
        [('bit_flip:p@2q+readout_error:1e-2', 0.1), ('bit_flip:0.1@2q+readout_error:p', 0.01)]
    """
    found = []
    for rule in re.finditer(r":([^@:]+?)(?=@|$|\+[a-z])", text):
        for number in re.finditer(r"[^,]+", rule[1]):
            start, end = (rule.start(1) + place for place in number.span())
            found.append((f"{text[:start]}p{text[end:]}", float(number[0])))
    return found


def _engine(given: Any) -> str:
    if not isinstance(given, str):
        raise ArgumentError("engine", "be the name of an engine", given)
    engines.get(given)
    return given


def _shots(given: Any) -> int | str:
    if given == "exact":
        return "exact"
    if isinstance(given, str):
        raise ArgumentError("shots", 'be a whole number, or "exact"', given)
    return positive_int("shots", given)


def _noise(given: Any) -> str:
    if not isinstance(given, str):
        raise ArgumentError("noise", "be text", given, "For example depolarizing:0.01.")
    try:
        model = noise.get(given)
    except ArgumentError as error:
        if error.argument == "noise":
            raise
        # The error is about one of the noise model's numbers.
        needed = f"have its `{error.argument}` {error.requirement}"
        raise ArgumentError("noise", needed, given, error.fix) from error
    return "none" if model is None else re.sub(r"\s+", "", given)


def _mitigation(given: Any) -> str:
    if given == "none":
        return "none"
    names = [name.strip() for name in given.split("+")] if isinstance(given, str) else []
    if not names or not set(names) <= set(MITIGATIONS):
        known = ", ".join(map(repr, ("none", *MITIGATIONS)))
        raise ArgumentError("mitigation", f"be one of {known}, or several joined by +", given)
    return "+".join(names)


def _flag(given: Any) -> bool:
    if not isinstance(given, bool):
        raise ArgumentError("noisy_training", "be true or false", given)
    return given
