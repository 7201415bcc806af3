"""Noise models as text: `depolarizing:0.01@2q + readout_error:0.02`."""

from __future__ import annotations

import re
from typing import Any

import keras

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.noise.model import NoiseModel
from qkeras_hybrid.noise.rules import KINDS, Rule

_HELP = (
    "Write a name and its numbers, e.g. depolarizing:0.01 or thermal_relaxation:50,70,0.02; after "
    "@ the places where it acts, e.g. @2q, @cx, @q0 or @layer; and join several by +."
)


def parse(text: str) -> NoiseModel:
    """Reads a noise model from text.

    `name:number,number@place,place`, several joined by `+`. Places are gates (`cx`), the number of
    a gate's qubits (`2q`), a qubit's index (`q0`) and `layer`.

    Args:
        text: The text.

    Raises:
        ValueError: If it can't be read, or a number is invalid.

    Example:

    >>> parse("depolarizing:0.01") == noise.depolarizing(0.01)
    True
    >>> parse("bit_flip:0.1@cx,q0").rules[0].gates
    ('cx',)
    """
    if not isinstance(text, str):
        raise ArgumentError("noise", "be text", text, _HELP)
    if text.strip() in ("", "none"):
        return NoiseModel()
    return NoiseModel([_rule(part, text) for part in re.split(r"\+(?!\d)", text)])


def _rule(part: str, text: str) -> Rule:
    match = re.fullmatch(r"\s*(\w+)\s*(?::\s*([^@]*?))?\s*(?:@\s*(.*?))?\s*", part)
    if match is None or match[1] not in KINDS:
        known = ", ".join(KINDS)
        raise ArgumentError("noise", f"name errors among {known}", text, _HELP)
    kind = KINDS[match[1]]
    try:
        numbers = tuple(float(number) for number in match[2].split(",")) if match[2] else ()
    except ValueError:
        raise ArgumentError("noise", "have numbers after the colon", text, _HELP) from None
    if match[1] == "readout_error" and len(numbers) == 1:
        numbers *= 2
    gates, qubits, on, after = [], [], None, kind.after
    for place in match[3].split(",") if match[3] else ():
        place = place.strip().lower()
        if re.fullmatch(r"\d+q", place):
            on = int(place[:-1])
        elif re.fullmatch(r"q\d+", place):
            qubits.append(int(place[1:]))
        elif place in ("layer", "gate"):
            after = place
        elif re.fullmatch(r"[a-z]\w*", place):
            gates.append(place)
        else:
            raise ArgumentError("noise", "have places after @", text, _HELP)
    return Rule(match[1], numbers, tuple(gates) or None, tuple(qubits) or None, on, after)


def get(identifier: Any) -> NoiseModel | None:
    """Returns a noise model from its spelling, its Keras-serialized form, or itself.

    Returns None for None and for a model without rules.

    Raises:
        ValueError: If it is none of these.
    """
    found = identifier
    if isinstance(identifier, str):
        found = parse(identifier)
    elif isinstance(identifier, dict):
        found = keras.saving.deserialize_keras_object(identifier)
    if found is None:
        return None
    if not isinstance(found, NoiseModel):
        fix = "For example noise.depolarizing(0.01)."
        if isinstance(found, cirq.NoiseModel):
            fix = "Convert Cirq's noise models by qkeras_hybrid.noise.from_cirq."
        raise ArgumentError("noise", "be a NoiseModel or its spelling", identifier, fix)
    return found if found.rules else None
