"""Shows the docstrings' examples as code in the API reference."""

from __future__ import annotations

import re
from typing import Any

import griffe

# As Keras writes them: "Example:", a blank line, and the session at the same indentation.
EXAMPLE = re.compile(r"^Examples?:\n\n?((?:(?:[ \t]*\S.*)?\n)*?(?=\n[A-Z][A-Za-z ]*:\n|\Z))", re.M)


class Examples(griffe.Extension):
    """Puts each example into a fence, where Markdown leaves it as it is."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrites the docstring of an object that was just read."""
        if obj.docstring is not None:
            obj.docstring.value = EXAMPLE.sub(_fenced, f"{obj.docstring.value}\n").rstrip()


def _fenced(found: re.Match[str]) -> str:
    return f"**Example**\n\n```pycon\n{found[1].rstrip()}\n```\n"
