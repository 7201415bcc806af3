"""Registries, which look up the value of an argument such as `encoding="angle"` by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import keras

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError

T = TypeVar("T")


class Registry(Generic[T]):
    """Values of one kind, by name.

    Args:
        argument: The name of the argument that takes such a value, for error messages.
        kind: The class of the values.
        known: For each name, a class or a function without arguments that creates the value.
    """

    def __init__(
        self, argument: str, kind: type[Any], known: Mapping[str, Callable[[], T]]
    ) -> None:
        self.argument = argument
        self.kind = kind
        self.known = dict(known)

    def names(self) -> tuple[str, ...]:
        """Returns the names that `get` accepts."""
        return tuple(self.known)

    def get(self, identifier: Any) -> T:
        """Returns a value, given by its name, in its Keras-serialized form, or as itself.

        Raises:
            ValueError: If the name is unknown, or the identifier is none of these.
        """
        if isinstance(identifier, str):
            return self.known[one_of(self.argument, identifier, self.known)]()
        found = identifier
        if isinstance(identifier, dict):
            found = keras.saving.deserialize_keras_object(identifier)
        if not isinstance(found, self.kind):
            article = "an" if self.kind.__name__[0] in "AEIOU" else "a"
            raise ArgumentError(
                self.argument, f"be a name or {article} {self.kind.__name__}", identifier
            )
        value: T = found
        return value
