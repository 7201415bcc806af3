"""OpenQASM's text, cut into statements that the reference parser has parsed."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from typing import Any

# Words that OpenQASM 3 keeps for itself and OpenQASM 2 lets one name things by. The parser is one
# for OpenQASM 3; a prefix that OpenQASM 2 does not allow hides such a name from it.
_WORDS_OF_3 = (
    "angle array bit bool box break cal case complex const continue ctrl default def "
    "defcal defcalgrammar delay duration durationof else end euler extern false float for gphase "
    "im in input int inv let mutable negctrl nop output pow pragma qubit readonly return sizeof "
    "stretch switch true uint void while"
)
_HIDDEN = "_of_2_"

# A gate without a definition. It can't be used here, but a text may declare it.
_OPAQUE = re.compile(r"opaque\s+\w+\s*(\(\s*(\w+\s*(,\s*\w+\s*)*)?\))?\s*\w+\s*(,\s*\w+\s*)*;")


class QasmError(Exception):
    """What is wrong in a text, and where: made into one sentence by `from_qasm`."""


def version_of(text: str) -> tuple[str, int]:
    """Returns a text without comments and its version line, and the version, 2 or 3.

    Lines keep their numbers.

    Raises:
        QasmError: If the version is another.
    """
    text = re.sub(r"//[^\n]*|/\*.*?(\*/|\Z)", _without_comment, text, flags=re.DOTALL)
    header = re.match(r"\s*OPENQASM\s+(\d{1,9})(?:\.\d{1,9})?\s*;", text)
    if header is None:
        # OpenQASM 3 may leave its version out; what includes the library of 2 is OpenQASM 2.
        return text, 2 if re.search(r'include\s+"qelib1\.inc"', text) else 3
    version = int(header[1])
    if version not in (2, 3):
        raise QasmError(f"line 1: version {version} is unknown")
    return "\n" * header[0].count("\n") + text[header.end() :], version


def statements(text: str, version: int) -> Iterator[tuple[int, list[Any]]]:
    """Yields the statements of a text and the number of lines above them.

    Each distinct piece of text is parsed once: circuits repeat themselves, and the parser takes
    half a millisecond for a gate.

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
    """Returns a name as it is in the text."""
    return name.removeprefix(_HIDDEN)


def _without_comment(match: re.Match[str]) -> str:
    if match[0].startswith("/*") and not match[1]:
        raise QasmError("a comment that begins with '/*' does not end")
    return " " + "\n" * match[0].count("\n")


def _as_version_3(text: str) -> str:
    """Returns OpenQASM 2 in the words of OpenQASM 3."""
    text = text.replace("^", "**")  # a power; in OpenQASM 3 an exclusive or
    return re.sub(rf"\b({'|'.join(_WORDS_OF_3.split())})\b", rf"{_HIDDEN}\1", text)


def _pieces(text: str, version: int) -> Iterator[tuple[int, str]]:
    """Yields pieces of whole statements, and the number of lines above each.

    A piece ends at a semicolon that no bracket encloses. In OpenQASM 2 braces enclose the bodies
    of gates only, so that it ends there too.
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
            "The parser of OpenQASM is not installed: pip install 'openqasm3[parser]'."
        ) from error
    try:
        # The parser prints what it finds to stderr besides.
        with contextlib.redirect_stderr(io.StringIO()):
            return list(openqasm3.parse(piece).statements)
    except QASM3ParsingError as error:
        near = _near(error)
        line = lines_above + (near[0] if near else 1)
        what = near[1] if near else piece
    except (AttributeError, ValueError):
        # Of the parser's own: nothing but white space; numbers of thousands of digits.
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
