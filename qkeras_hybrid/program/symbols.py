"""The symbols of operations, in the order in which they appear."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from qkeras_hybrid import _expressions
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import cirq, sympy


def symbol_names(argument: str, symbols: Iterable[Any]) -> tuple[str, ...]:
    """Returns the names of symbols that are given as symbols or as names.

    Raises:
        ValueError: If one is neither, or appears twice. The message names the argument.
    """
    return tuple(symbol.name for symbol in as_symbols(argument, symbols))


def as_symbols(argument: str, symbols: Iterable[Any]) -> tuple[sympy.Symbol, ...]:
    """Returns symbols that are given as symbols or as names.

    Raises:
        ValueError: Under the same conditions as `symbol_names`.
    """
    if isinstance(symbols, (str, sympy.Symbol)):
        symbols = [symbols]
    if not isinstance(symbols, Iterable):
        raise ArgumentError(argument, "hold SymPy symbols or their names", symbols)
    found: dict[str, sympy.Symbol] = {}
    for symbol in symbols:
        if not isinstance(symbol, (str, sympy.Symbol)):
            raise ArgumentError(argument, "hold SymPy symbols or their names", symbol)
        name = str(symbol)
        if name in found:
            raise ArgumentError(argument, "name each symbol once", name)
        found[name] = sympy.Symbol(name)
    return tuple(found.values())


def in_order(argument: str, values: Any, symbols: Iterable[sympy.Symbol]) -> Any:
    """Returns values in the order of symbols, if they are given by symbol or name.

    Args:
        argument: The argument's name, for errors.
        values: A mapping from symbols or their names to values, which becomes a list; anything else
            stays unchanged.
        symbols: The symbols.

    Raises:
        ValueError: If a symbol is missing or appears twice, or a key is not one of the symbols.
    """
    if not isinstance(values, Mapping):
        return values
    by_name = dict(zip(symbol_names(argument, values), values.values(), strict=True))
    wanted = [symbol.name for symbol in symbols]
    for name in [*by_name, *wanted]:
        if name not in by_name or name not in wanted:
            raise ArgumentError(
                argument,
                f"have a value for each of the symbols {', '.join(wanted) or '(none)'}, and no "
                "other",
                list(by_name),
                f"{name} is {'not one of them' if name in by_name else 'missing'}.",
            )
    return [by_name[name] for name in wanted]


def symbols_of(operations: Iterable[cirq.Operation]) -> tuple[sympy.Symbol, ...]:
    """Returns the symbols of operations in the order in which they first appear."""
    found: dict[sympy.Symbol, None] = {}
    for operation in operations:
        for symbol in _in_order(operation):
            found.setdefault(symbol)
    return tuple(found)


def _in_order(value: Any) -> list[sympy.Symbol]:
    """Returns the symbols in a value, gate or operation, in the order of its own parameters."""
    if isinstance(value, sympy.Basic):
        return [sympy.Symbol(symbol.name) for symbol in _expressions.free_symbols(value)]
    if isinstance(value, (list, tuple)):
        return [symbol for part in value for symbol in _in_order(part)]
    if not cirq.is_parameterized(value):
        return []
    # Cirq's JSON form holds an object's parameters, mostly in the order of its constructor.
    fields = value._json_dict_() if hasattr(value, "_json_dict_") else {}
    kind: Any = type(value)
    order = _order_of_arguments(kind)
    parts = sorted(fields, key=lambda name: order.get(name, len(order)))
    found = [symbol for name in parts for symbol in _in_order(fields[name])]
    names = set(cirq.parameter_names(value)) - {symbol.name for symbol in found}
    return found + sorted((sympy.Symbol(name) for name in names), key=_expressions.natural_key)


@functools.cache
def _order_of_arguments(cls: type) -> dict[str, int]:
    return {name: i for i, name in enumerate(inspect.signature(cls).parameters)}
