"""`ArgumentError`, the error of an invalid argument, with its parts as attributes."""

from __future__ import annotations

from typing import Any


def shown(value: Any, limit: int = 200) -> str:
    """Returns `repr(value)`, cut to `limit` characters so that an error stays readable."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


class ArgumentError(ValueError):
    """An argument is not what it must be.

    Code that knows where the argument comes from, such as a line of a file or a command-line
    option, reads these attributes to write its own message.

    Attributes:
        argument: The argument's name.
        requirement: The requirement, as in "Argument `x` must ...".
        got: The value that was given.
        fix: Sentences that say what to do; empty if that is obvious.
    """

    def __init__(self, argument: str, requirement: str, got: Any, fix: str = "") -> None:
        self.argument = argument
        self.requirement = requirement
        self.got = got
        self.fix = fix
        super().__init__(argument, requirement, got, fix)

    def __str__(self) -> str:
        sentence = f"Argument `{self.argument}` must {self.requirement}, but got {shown(self.got)}."
        return f"{sentence} {self.fix}" if self.fix else sentence
