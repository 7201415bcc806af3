"""Modules that load at their first use, so that importing the package is fast.

Cirq and SymPy take about two seconds to import, and a script that only builds a Keras model
should not wait for them before its first circuit. Write, at the top of a module::

    from qkeras_hybrid._lazy import cirq, sympy

and for a package that only one module needs::

    if TYPE_CHECKING:
        import jinja2
    else:
        jinja2 = lazy_module("jinja2")
"""

from __future__ import annotations

import importlib
import types
from typing import TYPE_CHECKING, Any


class _LazyModule(types.ModuleType):
    """Represents a module, and imports it at the first access to an attribute."""

    def __getattr__(self, attribute: str) -> Any:
        if attribute == "__wrapped__":  # `inspect` looks for these in every object
            raise AttributeError(attribute)
        value = getattr(importlib.import_module(self.__name__), attribute)
        # Stored here, so the next access is a plain attribute look-up.
        self.__dict__[attribute] = value
        return value


def lazy_module(name: str) -> types.ModuleType:
    """Returns a stand-in for the module `name` that imports it at its first use."""
    return _LazyModule(name)


if TYPE_CHECKING:
    import cirq
    import sympy
    import tensorflow as tf
else:
    cirq = lazy_module("cirq")
    sympy = lazy_module("sympy")
    tf = lazy_module("tensorflow")

__all__ = ["cirq", "lazy_module", "sympy", "tf"]
