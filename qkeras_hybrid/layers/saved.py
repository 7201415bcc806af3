"""Saved configs of layers, and the errors of reading one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from qkeras_hybrid import _circuit_json, observables
from qkeras_hybrid._errors import shown


class SavedLayerError(ValueError):
    """A saved config does not describe a layer; the message has the layer's name."""


@contextlib.contextmanager
def errors_named(cls: type, name: Any) -> Iterator[None]:
    """Turns any error into one that names the layer being read.

    A file may hold any value anywhere, and so cause any error. The layer's name and the cause say
    more than Keras's "could not be deserialized".

    Args:
        cls: The layer's class.
        name: The layer's name.

    Raises:
        SavedLayerError: In place of every other error.
    """
    try:
        yield
    except SavedLayerError:
        raise
    except Exception as error:
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise SavedLayerError(
            f"Layer {shown(name, 80)} ({cls.__name__}) can't be made from what was saved: "
            f"{kind}{error}"
        ) from error


def serialized(value: Any) -> Any:
    """Returns Keras's serialized form of an object, and None for None."""
    return None if value is None else keras.saving.serialize_keras_object(value)


def observables_config(given: Any) -> Any:
    """Returns observables in a form that JSON holds: spellings unchanged, Cirq's as Cirq JSON."""
    if given is None or isinstance(given, str):
        return given
    return [observables.to_config(o, _circuit_json.write) for o in observables.as_list(given)]


def observables_from_config(given: Any) -> Any:
    """Reads observables that `observables_config` wrote; other values stay unchanged."""
    if not isinstance(given, list):
        return given
    return [observables.of_config(o, _circuit_json.read) for o in given]
