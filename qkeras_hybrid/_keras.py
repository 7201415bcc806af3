"""Imports Keras in half the usual time, or raises an error that says which backend to install.

Keras imports its backend, by default TensorFlow, when it is imported. If the backend is not
installed, Keras fails with an obscure error. Importing this module imports Keras.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

BACKENDS = ("tensorflow", "jax", "torch")

# The parts of Keras that import scikit-learn and Matplotlib, which take as long as all the rest.
POSTPONED = frozenset(
    ("keras.visualization", "keras.wrappers", "keras.src.visualization", "keras.src.wrappers")
)


class _Postponing:
    """An import finder that makes some of Keras's modules load at their first use."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in POSTPONED else None
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


@contextlib.contextmanager
def _postponed() -> Iterator[None]:
    sys.meta_path.insert(0, _Postponing)
    try:
        yield
    finally:
        sys.meta_path.remove(_Postponing)


def _missing(backend: str) -> str:
    """Returns the error message for a backend that is not installed."""
    chosen = "by KERAS_BACKEND" if os.environ.get("KERAS_BACKEND") else "KERAS_BACKEND is not set"
    installed = [name for name in BACKENDS if importlib.util.find_spec(name) is not None]
    others = installed or [name for name in BACKENDS if name != backend]
    other = "one that is installed" if installed else "another that you install"
    return (
        f"Keras can't start: its backend is {backend} ({chosen}), which is not installed. "
        f'Install it (pip install "qkeras-hybrid[{backend}]"), or choose {other} by the '
        f"environment variable KERAS_BACKEND: {' or '.join(others)}."
    )


try:
    with _postponed():
        import keras  # noqa: F401
except ModuleNotFoundError as error:
    name = (error.name or "").split(".")[0]
    if name not in BACKENDS:
        raise
    raise ImportError(_missing(name)) from error
except ValueError as error:  # KERAS_BACKEND does not name a backend
    raise ImportError(
        f"Keras can't start: {error} (KERAS_BACKEND is {os.environ.get('KERAS_BACKEND')}). "
        f"Its backends are {', '.join(BACKENDS[:-1])} and {BACKENDS[-1]}."
    ) from error
