"""Keras, or an error that says which backend to install and how to choose another.

Keras imports its backend with itself: TensorFlow, if nothing chooses another. Where that is not
installed, it fails with an error from deep inside. Importing this module imports Keras.
"""

from __future__ import annotations

import importlib.util
import os

BACKENDS = ("tensorflow", "jax", "torch")


def _missing(backend: str) -> str:
    """Returns what to say of a backend that is not installed."""
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
    import keras  # noqa: F401
except ModuleNotFoundError as error:
    name = (error.name or "").split(".")[0]
    if name not in BACKENDS:
        raise
    raise ImportError(_missing(name)) from error
except ValueError as error:  # of a name that is no backend's
    raise ImportError(
        f"Keras can't start: {error} (KERAS_BACKEND is {os.environ.get('KERAS_BACKEND')}). "
        f"Its backends are {', '.join(BACKENDS[:-1])} and {BACKENDS[-1]}."
    ) from error
