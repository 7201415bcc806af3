"""Circuits, qubits and observables as text, for saved layers.

Cirq's JSON, and in it also the SymPy functions that Cirq does not write but that circuits here may
have as parameters: `sin`, `Max` and the like, by name. No code is stored, and none run on reading.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from qkeras_hybrid import _expressions
from qkeras_hybrid._lazy import lazy_module

if TYPE_CHECKING:
    import cirq
    import sympy
else:
    cirq = lazy_module("cirq")
    sympy = lazy_module("sympy")

_TYPE = "qkeras_hybrid.function"


def write(value: Any) -> str:
    """Returns a circuit, or whatever else Cirq writes as JSON, as text.

    Raises:
        TypeError: If it holds something that neither Cirq nor `_expressions` knows.
        ValueError: Likewise, for objects that look like Cirq's.
    """
    return cirq.to_json(value, cls=_encoder())


def read(text: str) -> Any:
    """Returns what `write` wrote.

    Raises:
        ValueError: If it is no such text.
    """
    resolvers = cirq.protocols.json_serialization.DEFAULT_RESOLVERS
    return cirq.read_json(json_text=text, resolvers=[_resolve, *resolvers])


@functools.cache
def _encoder() -> type:
    class Encoder(cirq.protocols.json_serialization.CirqEncoder):
        """Cirq's, which knows SymPy's arithmetic, and SymPy's functions besides."""

        def default(self, o: Any) -> Any:
            if o is sympy.I:
                return super().default(1j)  # type: ignore[no-untyped-call]
            name = type(o).__name__
            if isinstance(o, sympy.Basic) and name in _expressions.FUNCTION_NAMES:
                return {"cirq_type": _TYPE, "name": name, "args": list(o.args)}
            return super().default(o)  # type: ignore[no-untyped-call]

    return Encoder


def _resolve(cirq_type: str) -> Any:
    return _function if cirq_type == _TYPE else None


def _function(name: str, args: list[Any]) -> Any:
    if name not in _expressions.FUNCTION_NAMES:
        raise ValueError(f"A saved circuit holds the function {name!r}, which is not known here.")
    return getattr(sympy, name)(*args)
