"""Circuits, qubits and observables as text, for saved layers.

The text is Cirq's JSON, extended by SymPy functions such as `sin` and `Max`, which Cirq can't write
but which parameters of circuits may have here. They are stored by name. No code is stored, and
reading runs none: `_circuit_check` checks a text before Cirq reads it.
"""

from __future__ import annotations

import functools
import json
from typing import Any

from qkeras_hybrid import _circuit_check, _expressions
from qkeras_hybrid._errors import shown
from qkeras_hybrid._expression_size import FUNCTION_TYPE, too_deep
from qkeras_hybrid._lazy import cirq, sympy


def write(value: Any) -> str:
    """Returns a circuit, or another object that Cirq writes as JSON, as text.

    Raises:
        TypeError: If it has an object that neither Cirq nor `_expressions` can write.
        ValueError: If such an object looks like one of Cirq's, or `read` would reject the text.
    """
    text: str = cirq.to_json(value, cls=_encoder())
    _circuit_check.check_text(json.loads(text))
    return text


def read(text: str) -> Any:
    """Returns the object from a text of `write`.

    Raises:
        ValueError: If the text is not of this form, or is unsafe: see `_circuit_check`.
    """
    resolvers = cirq.protocols.json_serialization.DEFAULT_RESOLVERS
    try:
        tree = json.loads(text)
        _circuit_check.check_text(tree)
        # Written again from the checked tree: if a table has a key twice, Cirq's reader would use
        # both values, but the check only sees the last.
        return cirq.read_json(json_text=json.dumps(tree), resolvers=[_resolve, *resolvers])
    except RecursionError as error:
        raise ValueError(too_deep()) from error
    except ValueError:
        raise
    except Exception as error:
        # Cirq's constructors don't check their values: a wrong one can raise any error.
        raise ValueError(
            f"The text is not a circuit: {shown(str(error) or type(error).__name__)}"
        ) from error


@functools.cache
def _encoder() -> type:
    class Encoder(cirq.protocols.json_serialization.CirqEncoder):
        """Cirq's encoder, which writes SymPy's arithmetic, extended by SymPy's functions."""

        def default(self, o: Any) -> Any:
            if o is sympy.I:
                return super().default(1j)  # type: ignore[no-untyped-call]
            name = type(o).__name__
            if isinstance(o, sympy.Basic) and name in _expressions.FUNCTION_NAMES:
                return {"cirq_type": FUNCTION_TYPE, "name": name, "args": list(o.args)}
            return super().default(o)  # type: ignore[no-untyped-call]

    return Encoder


def _resolve(cirq_type: str) -> Any:
    return _function if cirq_type == FUNCTION_TYPE else None


def _function(name: str, args: list[Any]) -> Any:
    # SymPy evaluates text as code. `_circuit_check` lets no text get here; this is a second check.
    if name not in _expressions.FUNCTION_NAMES or not all(
        isinstance(argument, (int, float, sympy.Basic)) for argument in args
    ):
        raise ValueError(
            f"A saved circuit has the function {shown(name, 80)} of {shown(args, 80)}, which is "
            "not supported."
        )
    return getattr(sympy, name)(*args)
