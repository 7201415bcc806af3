"""Problems in files."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.annealing import formats
from qkeras_hybrid.annealing.models import Ising, Qubo
from qkeras_hybrid.annealing.problem import Problem
from qkeras_hybrid.annealing.problems import from_cqm

if TYPE_CHECKING:
    import dimod
else:
    dimod = lazy_module("dimod")

KINDS: dict[str, Callable[[str], Problem]] = {
    "maxcut": formats.edge_list,
    "independent_set": lambda text: formats.edge_list(text, "independent_set"),
    "dimacs": formats.dimacs,
    "or_library_qubo": formats.or_library_qubo,
    "or_library_knapsack": formats.or_library_knapsack,
    "qaplib": formats.qaplib,
    "market_split": formats.market_split,
    "qs": formats.qs,
}
"""The text formats without a file ending of their own, by name."""

_BY_ENDING: dict[str, Callable[[str], Problem]] = {
    **dict.fromkeys((".clq", ".mis", ".col", ".gph", ".dimacs"), formats.dimacs),
    ".qs": formats.qs,
    ".sparse": formats.or_library_qubo,
}
ENDINGS = (".lp", ".mps", ".npz", *_BY_ENDING)


def load(path: str | os.PathLike[str], kind: str | None = None) -> Problem:
    r"""Reads a problem from a file, which may be compressed as `.gz` or `.xz`.

    | ending | content |
    |---|---|
    | `.lp` | a program in CPLEX's format, quadratic objectives included |
    | `.mps` | a mixed-integer program of bits and bounded integers |
    | `.npz` | NumPy's arrays `Q`, or `h` and `J`, and perhaps `offset` |
    | `.gph`, `.clq`, `.mis`, `.col` | a DIMACS graph, for an independent set |
    | `.qs` | a QUBO from QOBLIB |
    | `.sparse` | a QUBO from the OR-library or Biq Mac |
    | any other | recognized by its numbers: see below |

    Numbers may be a QUBO or a knapsack from the OR-library, a quadratic assignment from QAPLIB, a
    market split from QOBLIB, or edges `a b weight` for a maximum cut, as in the G-set.

    Args:
        path: The file.
        kind: The format of a text file, one of `KINDS`; by default recognized by its ending or its
            numbers.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it can't be read in its format, or has variables other than bits and
            integers.

    Example:

    >>> import pathlib, tempfile
    >>> from qkeras_hybrid.annealing import files, solve
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "triangle.txt"
    >>> _ = path.write_text("1 2\n2 3\n1 3\n")
    >>> solve(files.load(path), "exact").energy
    -2.0
    """
    path = Path(path)
    if kind is not None and kind not in KINDS:
        raise ArgumentError("kind", f"be one of {', '.join(map(repr, KINDS))}", kind)
    endings = [ending.lower() for ending in path.suffixes]
    packed = endings.pop() if endings and endings[-1] in (".gz", ".xz") else ""
    ending = endings[-1] if endings else ""
    raw = path.read_bytes()
    try:
        data = gzip.decompress(raw) if packed == ".gz" else raw
        data = lzma.decompress(raw) if packed == ".xz" else data
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise ArgumentError("file", f"be a valid {packed} file", str(error)) from None
    if ending == ".npz" and kind is None:
        return _npz(data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ArgumentError("file", f"be text, or end in {', '.join(ENDINGS)}", path.name) from None
    if kind is not None:
        return _read(KINDS[kind], text)
    if ending == ".lp":
        return _lp(text)
    if ending == ".mps":
        return _mps(text)
    return _read(_BY_ENDING.get(ending, formats.guessed), text)


def _read(read: Callable[[str], Problem], text: str) -> Problem:
    try:
        return read(text)
    except ArgumentError:
        raise
    except (ValueError, IndexError) as error:
        raise ArgumentError("file", "be readable in its format", str(error)) from error


def _lp(text: str) -> Problem:
    try:
        model = dimod.lp.loads(text)
    except Exception as error:  # dimod's parser raises many kinds
        raise ArgumentError("file", "be in the LP format", str(error)) from error
    if not model.num_variables():
        raise ArgumentError("file", "be in the LP format, with variables", text[:50])
    return from_cqm(model)


def _npz(data: bytes) -> Problem:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except ValueError as error:
        raise ArgumentError("file", "be an .npz of numbers", str(error)) from error
    offset = float(arrays.get("offset", 0.0))
    if "Q" in arrays:
        return Problem("QUBO", Qubo(arrays["Q"], offset))
    if "h" in arrays or "J" in arrays:
        n = len(arrays["h"] if "h" in arrays else arrays["J"])
        h, j = arrays.get("h", np.zeros(n)), arrays.get("J", np.zeros((n, n)))
        return Problem("Ising model", Ising(h, j, offset).to_qubo())
    raise ArgumentError("file", "have the array `Q`, or `h` and `J`", sorted(arrays))


def _mps(text: str) -> Problem:
    """Reads a program by HiGHS, which writes it in the LP format."""
    with tempfile.TemporaryDirectory() as folder:
        given, written = Path(folder, "problem.mps"), Path(folder, "problem.lp")
        given.write_text(text, encoding="utf-8")
        script = Path(__file__).with_name("mps_to_lp.py")
        command = [sys.executable, str(script), str(given), str(written)]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode or not written.exists():
            raise ArgumentError("file", "be in the MPS format", text[:50])
        return _lp(written.read_text(encoding="utf-8"))
