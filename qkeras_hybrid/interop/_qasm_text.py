"""Splits OpenQASM text into statements, and parses them with the reference parser."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from typing import Any

# Reserved words of OpenQASM 3 that are allowed as names in OpenQASM 2. The parser is for OpenQASM
# 3, so such names get a prefix, which no name in OpenQASM 2 can have.
_WORDS_OF_3 = (
    "angle array bit bool box break cal case complex const continue ctrl default def "
    "defcal defcalgrammar delay duration durationof else end euler extern false float for gphase "
    "im in input int inv let mutable negctrl nop output pow pragma qubit readonly return sizeof "
    "stretch switch true uint void while"
)
_HIDDEN = "_of_2_"

# A declaration of a gate without a definition. It is skipped; using the gate is an error.
_OPAQUE = re.compile(r"opaque\s+\w+\s*(\(\s*(\w+\s*(,\s*\w+\s*)*)?\))?\s*\w+\s*(,\s*\w+\s*)*;")


class QasmError(Exception):
    """An error in a text and its line. `from_qasm` makes a sentence of it."""


def version_of(text: str) -> tuple[str, int]:
    """Returns a text without comments and version line, and its version, 2 or 3.

    Line numbers don't change.

    Raises:
        QasmError: If the version is not 2 or 3, or a comment does not end.
    """
    text = re.sub(r"//[^\n]*|/\*.*?(\*/|\Z)", _without_comment, text, flags=re.DOTALL)
    header = re.match(r"\s*OPENQASM\s+(\d{1,9})(?:\.\d{1,9})?\s*;", text)
    if header is None:
        # OpenQASM 3 can omit its version. A text that includes the library of OpenQASM 2 is 2.
        return text, 2 if re.search(r'include\s+"qelib1\.inc"', text) else 3
    version = int(header[1])
    if version not in (2, 3):
        raise QasmError(f"line 1: version {version} is unknown")
    return "\n" * header[0].count("\n") + text[header.end() :], version


def statements(text: str, version: int) -> Iterator[tuple[int, list[Any]]]:
    """Yields the statements of a text and the number of lines above them.

    Equal pieces of text are parsed only once, because circuits repeat gates and the parser takes
    half a millisecond for each.

    Raises:
        QasmError: If the text does not parse.
    """
    if version == 2:
        text = _as_version_3(text)
    parsed: dict[str, list[Any]] = {}
    for lines_above, piece in _pieces(text, version):
        if piece == ";" or (version == 2 and _OPAQUE.fullmatch(piece)):
            continue
        if piece not in parsed:
            parsed[piece] = _parse(piece, lines_above)
        yield lines_above, parsed[piece]


def plain_name(name: str) -> str:
    """Returns a name as it was in the text, without the prefix for reserved words."""
    return name.removeprefix(_HIDDEN)


def _without_comment(match: re.Match[str]) -> str:
    if match[0].startswith("/*") and not match[1]:
        raise QasmError("a comment that starts with '/*' does not end")
    return " " + "\n" * match[0].count("\n")


def _as_version_3(text: str) -> str:
    """Rewrites OpenQASM 2 so that a parser for OpenQASM 3 reads it."""
    text = text.replace("^", "**")  # `^` is a power in OpenQASM 2, an exclusive or in 3
    return re.sub(rf"\b({'|'.join(_WORDS_OF_3.split())})\b", rf"{_HIDDEN}\1", text)


def _pieces(text: str, version: int) -> Iterator[tuple[int, str]]:
    """Yields pieces of one or more whole statements, and the number of lines above each.

    A piece ends at a semicolon outside of all brackets. In OpenQASM 2 it also ends at a closing
    brace, because only bodies of gates are in braces.
    """
    depth, start, lines = 0, 0, 0
    for match in re.finditer(r"[;(){}\[\]]", text):
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(match[0], 0)
        if depth == 0 and (match[0] == ";" or (match[0] == "}" and version == 2)):
            piece = text[start : match.end()]
            bare = piece.lstrip()
            yield lines + piece[: len(piece) - len(bare)].count("\n"), bare
            lines += piece.count("\n")
            start = match.end()
    if text[start:].strip():
        yield lines, text[start:]


def _parse(piece: str, lines_above: int) -> list[Any]:
    try:
        import openqasm3
        from openqasm3.parser import QASM3ParsingError
    except ImportError as error:
        raise ImportError(
            "The OpenQASM parser is not installed: pip install 'openqasm3[parser]'."
        ) from error
    try:
        # The parser also prints its errors to stderr.
        with contextlib.redirect_stderr(io.StringIO()):
            return list(openqasm3.parse(piece).statements)
    except QASM3ParsingError as error:
        near = _near(error)
        line = lines_above + (near[0] if near else 1)
        what = near[1] if near else piece
    except (AttributeError, ValueError):
        # The parser fails on text of only white space, and on numbers with thousands of digits.
        line, what = lines_above + 1, piece
    if what == "<EOF>":
        raise QasmError(f"line {line}: the text ends inside a statement")
    shown = what if len(what) <= 60 else what[:57] + "..."
    raise QasmError(f"line {line}: {shown!r} is not OpenQASM")


def _near(error: Exception) -> tuple[int, str] | None:
    """Returns the line in the piece and the word at which the parser stopped."""
    if match := re.match(r"L(\d+):C\d+: (?:token recognition error at: )?(.*)", str(error)):
        return int(match[1]), match[2].strip("' ")
    cause = error.__cause__
    inner = cause.args[0] if cause is not None and cause.args else None
    token = getattr(inner, "startToken", None) or getattr(inner, "offendingToken", None)
    return None if token is None else (int(token.line), str(token.text))
