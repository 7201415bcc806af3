"""What a configurable value is: an object that its constructor's arguments say all about.

Encodings, ansätze, engines, readouts and differentiators are values. They hold no weights, compare
by what they were made with, and come back from Keras's serialization as they were.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Self

from qkeras_hybrid._checks import known_arguments


class Value:
    """An object that is equal to another of its class with the same config.

    A subclass is a frozen dataclass, whose fields are its constructor's arguments, or overrides
    `get_config`. Registered with `keras.saving.register_keras_serializable`, it can be an argument
    of a layer that is saved.
    """

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, by name."""
        if not dataclasses.is_dataclass(self):
            return {}
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Makes a value from what `get_config` returned.

        Raises:
            ValueError: If the config has a key that the constructor does not take.
        """
        return cls(**known_arguments(cls, config))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.get_config() == self.get_config()

    def __hash__(self) -> int:
        return hash((type(self), repr(sorted(self.get_config().items()))))

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"
