"""`Value`, the base class of objects that their constructor's arguments describe completely.

Encodings, ansätze, engines, readouts and differentiators are values. They hold no weights, compare
by their arguments, and survive Keras's serialization unchanged.
"""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from qkeras_hybrid._checks import known_arguments
from qkeras_hybrid._errors import ArgumentError


class Value:
    """An object that equals another one of the same class and config.

    A subclass is a frozen dataclass, whose fields are its constructor's arguments, or overrides
    `get_config`. If it is registered with `keras.saving.register_keras_serializable`, it can be an
    argument of a layer that is saved.

    Attributes:
        renamed: Maps old names of arguments to new ones. Saved configs may use an old name; code
            that passes one gets a `DeprecationWarning`.
    """

    renamed: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__dict__.get("renamed"):
            init = cls.__init__

            @functools.wraps(init)
            def with_old_names(self: Any, *args: Any, **given: Any) -> None:
                for old, new in cls.renamed.items():
                    if old in given:
                        warnings.warn(
                            f"Argument `{old}` of {cls.__name__} is now called `{new}`.",
                            DeprecationWarning,
                            stacklevel=2,
                        )
                init(self, *args, **new_names(cls.renamed, given))

            cls.__init__ = with_old_names  # type: ignore[method-assign]

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, by name."""
        if not dataclasses.is_dataclass(self):
            return {}
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Creates a value from the result of `get_config`.

        Raises:
            ValueError: If the config has a key that the constructor does not take.
        """
        return cls(**known_arguments(cls, new_names(cls.renamed, config)))

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.get_config() == self.get_config()

    def __hash__(self) -> int:
        return hash((type(self), repr(sorted(self.get_config().items()))))

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def new_names(renamed: Mapping[str, str], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns arguments under their current names.

    Args:
        renamed: A mapping from old names to new ones.
        arguments: The arguments by name, old or new.

    Raises:
        ValueError: If an argument is given under both names.
    """
    for old, new in renamed.items():
        if old in arguments and new in arguments:
            raise ArgumentError(new, f"be given once, without its old name `{old}`", arguments[old])
    return {renamed.get(name, name): value for name, value in arguments.items()}
