"""The error of an argument that is wrong, as an object whose parts can be read."""

from __future__ import annotations

from typing import Any


def shown(value: Any, limit: int = 200) -> str:
    """Returns `repr(value)`, cut to `limit` characters so that an error stays readable."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


class ArgumentError(ValueError):
    """An argument is not what it must be.

    Whoever knows more of where the argument comes from, such as the line of a file or an option of
    the command line, reads these attributes, not the text.

    Attributes:
        argument: The argument's name.
        requirement: What it must be, as in "Argument `x` must ...".
        got: What came.
        fix: Sentences that say what to do; empty if that is clear.
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
