"""Computes how large a SymPy expression becomes, before SymPy evaluates it.

SymPy computes powers of whole numbers exactly: `10**10**9` fills all memory. So the size is
computed first, from a SymPy expression or from the JSON of one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from qkeras_hybrid import _expressions
from qkeras_hybrid._errors import shown
from qkeras_hybrid._lazy import sympy

FUNCTION_TYPE = "qkeras_hybrid.function"
"""The JSON type of a SymPy function; Cirq's JSON has no type for it."""

MOST_BITS = 20_000
"""The most bits that all whole numbers and fractions of one expression may have in SymPy."""

MOST_NODES = 10_000
"""The most parts of one expression, after the parameters of sub-circuits are replaced."""

MOST_COMPARISONS = 20_000
"""The most comparisons, about 1 ms each, of the arguments of all `Max` and `Min` of a circuit."""

MOST_DEPTH = 200
"""How deep lists and tables may be nested; each level of an expression takes two."""

# Any integer that a float can hold, and the denominator of any float, is shorter.
_LONGEST_INTEGER = 1_100

# The fields of SymPy's types; all must be present, and no others.
_FIELDS = {
    "sympy.Symbol": {"name"},
    "sympy.Integer": {"i"},
    "sympy.Float": {"approx"},
    "sympy.Rational": {"p", "q"},
    "sympy.pi": set[str](),
    "sympy.E": set[str](),
    "sympy.EulerGamma": set[str](),
    "sympy.Add": {"args"},
    "sympy.Mul": {"args"},
    "sympy.Pow": {"args"},
    FUNCTION_TYPE: {"name", "args"},
}

_ARITY = {"Pow": 2, "atan2": 2}
_ANY_ARITY = ("Add", "Mul", "Max", "Min")


@dataclass(frozen=True)
class Size:
    """How large an expression becomes when SymPy evaluates it exactly.

    Attributes:
        bits: Bits of its whole numbers and fractions, which SymPy keeps exact.
        factor: A bound on its constants. A constant as an exponent multiplies the bits of its base
            by at most this factor.
        logarithms: Bits of the numbers inside logarithms, which `exp` turns back into powers.
        nodes: The number of its parts.
        extremes: The number of arguments of `Max` and `Min` that are compared with each other.
        comparisons: The cost of comparing them, weighted by the size of the arguments.
        constant: Whether it has no symbol.
    """

    bits: float
    factor: float = 1.0
    logarithms: float = 0.0
    nodes: int = 1
    extremes: int = 0
    comparisons: float = 0.0
    constant: bool = True


_SYMBOL = Size(0, constant=False)


def kind_of(value: Any) -> Any:
    """Returns the Cirq type of decoded JSON; None if it has none."""
    if not isinstance(value, dict) or value.get("cirq_type") is None:
        return None
    kind = value["cirq_type"]
    if not isinstance(kind, str):
        raise ValueError(f"A circuit's text has the type {shown(kind, 80)}, which is not a name.")
    return kind


def is_expression(value: Any) -> bool:
    """Returns whether a value is a SymPy expression, or the JSON of one."""
    kind = kind_of(value)
    return kind in _FIELDS or (kind is None and isinstance(value, sympy.Basic))


def check_integer(value: int) -> None:
    """Checks that a whole number is not too large for a float.

    Raises:
        ValueError: If it is too large.
    """
    if value.bit_length() > _LONGEST_INTEGER:
        raise ValueError(
            "A circuit must have numbers that a float can hold, but this one has an integer of "
            f"{value.bit_length()} bits."
        )


def check_size(size: Size, value: Any) -> None:
    """Checks that an expression of this size is not too large for SymPy.

    Raises:
        ValueError: If it is too large.
    """
    if not (
        size.bits <= MOST_BITS
        and size.nodes <= MOST_NODES
        and size.comparisons <= MOST_COMPARISONS
        and (size.factor < math.inf or not size.constant)
    ):
        # A SymPy expression is not shown: writing it out could take forever.
        said = shown(value, 80) if isinstance(value, dict) else "one of its expressions"
        raise ValueError(
            "SymPy must be able to compute each parameter of a circuit, but this takes too long or "
            f"too much memory for {said}. A parameter must have constants that fit in a float, and "
            f"at most {MOST_NODES:,} parts, {MOST_BITS:,} bits in all its whole numbers, fractions "
            f"and powers of them, and {MOST_COMPARISONS:,} comparisons in Max and Min. Scale the "
            "parameters, or split the expression over several gates."
        )


def size(value: Any, sizes: Mapping[str, Size], depth: int) -> Size:
    """Returns how large an expression becomes with its symbols replaced.

    Args:
        value: A number, a SymPy expression, or the JSON of one.
        sizes: The sizes of the expressions that replace its symbols, by name.
        depth: How many lists and tables enclose it.

    Raises:
        ValueError: If it is too large or too deep, or has anything but numbers and expressions.
    """
    if depth > MOST_DEPTH:
        raise ValueError(too_deep())
    kind, arguments = _expression(value)
    if kind == "number":
        return _number(*arguments)
    if kind == "Symbol":
        return sizes.get(arguments[0], _SYMBOL)
    parts = [size(argument, sizes, depth + 2) for argument in arguments]
    nodes = 1 + sum(part.nodes for part in parts)
    bits = sum(part.bits for part in parts)
    logarithms = sum(part.logarithms for part in parts)
    factors = [part.factor for part in parts]
    constant = all(part.constant for part in parts)
    if kind == "Add":
        factor = sum(factors)
    elif kind == "Mul":
        factor = math.prod(factors)
    elif kind == "Pow":
        bits += _times(factors[1], parts[0].bits + logarithms)
        factor = _power(factors[0], factors[1])
    elif kind == "log":
        logarithms += bits
        factor = max(1.0, bits)
    elif not constant:
        if kind == "exp":
            bits += _times(factors[0], logarithms)
        factor = 1.0
    elif kind in ("exp", "sinh", "cosh"):
        bits += _times(factors[0], logarithms)
        factor = _power(math.e, factors[0])
    else:
        factor = max([1.0, *factors])
    comparisons = sum(part.comparisons for part in parts)
    extremes = 0
    if kind in ("Max", "Min"):
        # SymPy compares each pair, also the arguments of a `Max` inside a `Max`.
        extremes = sum(max(1, part.extremes) for part in parts)
        comparisons += extremes * nodes
    found = Size(
        bits, max(1.0, factor), logarithms, nodes, extremes, comparisons, constant=constant
    )
    check_size(found, value)
    return found


def _times(a: float, b: float) -> float:
    return a * b if b else 0.0


def _power(base: float, exponent: float) -> float:
    try:
        return float(base**exponent)
    except OverflowError:
        return math.inf


def _number(*parts: float) -> Size:
    """Returns the size of an integer, a float or a fraction."""
    for part in parts:
        if isinstance(part, int):
            check_integer(part)
    bits = sum(part.bit_length() if isinstance(part, int) else 1 for part in parts)
    try:
        value = abs(float(parts[0])) if len(parts) == 1 else abs(parts[0] / parts[1])
    except OverflowError:
        value = math.inf
    except ZeroDivisionError as error:
        raise ValueError("A circuit must have no fraction with the denominator 0.") from error
    # NaN and infinity raise an error later, which says where in the circuit they are.
    finite = isinstance(parts[0], int) or math.isfinite(value)
    return Size(max(1, bits), max(1.0, value) if finite else 1.0)


def _expression(value: Any) -> tuple[str, tuple[Any, ...]]:
    """Returns an expression's kind and arguments, from decoded JSON or from an object."""
    if isinstance(value, dict):
        return _decoded(value)
    if isinstance(value, (bool, np.bool_)):
        return "number", (int(value),)
    if isinstance(value, (int, np.integer, sympy.Integer)):
        return "number", (int(value),)
    if isinstance(value, sympy.Rational):
        return "number", (int(value.p), int(value.q))
    if isinstance(value, (float, np.floating, sympy.Float)):
        return "number", (float(value),)
    if isinstance(value, (complex, np.complexfloating)):
        return "number", (abs(complex(value)),)
    if isinstance(value, sympy.Symbol):
        return "Symbol", (value.name,)
    if isinstance(value, sympy.Basic):
        if not value.args:
            return "number", (4,)  # a constant such as pi; infinities raise an error later
        return type(value).__name__, value.args
    raise ValueError(
        f"The parts of an expression must be numbers or expressions, but one is {shown(value, 80)}."
    )


def _decoded(value: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
    kind = kind_of(value)
    fields = {name: part for name, part in value.items() if name != "cirq_type"}
    if kind == "complex":
        parts = (fields.get("real"), fields.get("imag"))
        if all(type(part) in (int, float) for part in parts):
            return "number", (abs(complex(*parts)),)  # type: ignore[arg-type]
    if kind not in _FIELDS or set(fields) != _FIELDS[kind]:
        raise ValueError(
            "An expression in a circuit's JSON must have a type and fields that this package "
            f"writes, but this one is {shown(value, 80)}."
        )
    name = kind.removeprefix("sympy.")
    if name == "Symbol" and isinstance(fields["name"], str):
        return name, (fields["name"],)
    if name in ("pi", "E", "EulerGamma"):
        return "number", (4,)
    numbers: dict[str, tuple[type, ...]] = {
        "Integer": (int,),
        "Rational": (int,),
        "Float": (int, float),
    }
    if name in numbers:
        if all(type(part) in numbers[name] for part in fields.values()):
            return "number", tuple(
                fields[key] for key in ("i", "approx", "p", "q") if key in fields
            )
        raise ValueError(
            f"A number of SymPy must consist of integers or floats, but is {shown(value, 80)}."
        )
    if kind == FUNCTION_TYPE:
        name = fields["name"]
        if not isinstance(name, str) or name not in _expressions.FUNCTION_NAMES:
            raise ValueError(
                f"A saved circuit has the function {shown(name, 80)}, which is not supported."
            )
    arguments = fields.get("args")
    if isinstance(arguments, list) and all(type(a) in (int, float, dict) for a in arguments):
        arity = len(arguments) if name in _ANY_ARITY and arguments else _ARITY.get(name, 1)
        if len(arguments) == arity:
            return name, tuple(arguments)
    raise ValueError(
        f"{name} must have {_counted(name)}, each a number or an expression, but has "
        f"{shown(arguments, 80)}."
    )


def _counted(name: str) -> str:
    """Returns in words how many arguments a function takes."""
    if name in _ANY_ARITY:
        return "at least one argument"
    return "two arguments" if _ARITY.get(name, 1) == 2 else "one argument"


def too_deep() -> str:
    """Returns the error message about `MOST_DEPTH`."""
    return (
        f"A circuit and its parameters must be nested at most {MOST_DEPTH} levels deep, but this "
        "circuit is nested deeper. Use fewer sub-circuits and expressions inside each other."
    )
