"""The file with a row of JSON for each run.

Rows are only appended, completely or not at all, by one process at a time. Rows are checked when
they are read: see `qkeras_hybrid.bench.row.Row.from_json`.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import filelock

from qkeras_hybrid import _files
from qkeras_hybrid._errors import shown
from qkeras_hybrid.bench.row import Row, latest

OnDamage = Callable[[str], None]
"""Called with a sentence about the damage in a file."""


class ResultsInUseError(RuntimeError):
    """Another process is writing to the results file."""


class ResultsError(RuntimeError):
    """A results file can't be read or written."""


def read_rows(path: Path, on_damage: OnDamage = lambda sentence: None) -> list[Row]:
    """Reads the rows of a results file; a file that does not exist has none.

    Rows that a crash or a power cut damaged are left out: an incomplete row at the end of the file,
    or zeros in place of bytes that did not reach the disk. If a task has several rows (it failed
    and ran again), all are returned in their order.

    Args:
        path: The file, which is only read.
        on_damage: Called with a sentence about the damage, if there is any.

    Raises:
        ResultsError: If the file contains something other than rows, or a row that this version
            can't read; the message has the line or the row.
    """
    read = _read(path)
    if read.problem:
        raise ResultsError(read.problem)
    if read.damaged:
        on_damage(f"{path} is damaged {read.places()}: that part is left out.")
    return read.rows


@dataclasses.dataclass
class _Read:
    """The content of a results file.

    Attributes:
        rows: Its rows.
        size: The number of bytes from the start of the file to the end of its last complete row.
        ended: Whether these bytes end with a line break.
        damaged: The numbers of damaged lines.
        known: The number of lines with a row.
        tail: The damaged bytes at the end.
        problem: A sentence about the first row that can't be used; empty if all can be used.
    """

    rows: list[Row] = dataclasses.field(default_factory=list)
    size: int = 0
    ended: bool = True
    damaged: list[int] = dataclasses.field(default_factory=list)
    known: int = 0
    tail: bytes = b""
    problem: str = ""

    def add(self, path: Path, table: dict[str, Any]) -> None:
        """Adds a row, or sets `problem` if it can't be used."""
        self.known += 1
        try:
            self.rows.append(Row.from_json(table))
        except ValueError as error:
            self.problem = self.problem or (
                f"{path} has a row that this version can't read: row {self.known} {error}. Run it "
                "again with --fresh."
            )

    def places(self) -> str:
        """Returns where the file is damaged, in words."""
        if self.tail:
            rows = f"{self.known} whole row{'' if self.known == 1 else 's'}"
            return f"after its {rows} ({len(self.tail)} bytes)"
        return f"in line {', '.join(map(str, self.damaged))}"


def _read(path: Path) -> _Read:
    read = _Read()
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return read
    except OSError as error:
        raise ResultsError(f"{path} can't be read: {error.strerror}") from error
    place = 0
    lines = content.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        place += len(line)
        # Zeros before a row are the rest of an earlier row that a power cut destroyed.
        table = _table(line.lstrip(b"\0"))
        if table is not None:
            read.add(path, table)
            read.size, read.ended = place, line.endswith(b"\n")
        if table is None or line.startswith(b"\0"):
            known = bool(read.known)
            if table is None and not _is_damage(line, last=number == len(lines), known=known):
                start = shown(line.decode("utf-8", "replace"), 60)
                raise ResultsError(
                    f"{path} is no results file: its line {number} is {start}. Choose another "
                    "output folder."
                )
            read.damaged.append(number)
    read.tail = content[read.size :]
    return read


def _table(line: bytes) -> dict[str, Any] | None:
    try:
        table = json.loads(line)
    except ValueError:
        return None
    return table if isinstance(table, dict) and "task" in table else None


def _is_damage(line: bytes, *, last: bool, known: bool) -> bool:
    """Whether a line that is not a row is a damaged row, or a part of one.

    If not, this is not a results file, and nothing may be appended to it or cut off.
    """
    if b"\0" in line and known:
        return True
    rest = line.strip(b"\0")
    return (last or rest != line) and _ROW_START.startswith(rest[: len(_ROW_START)])


# The key that every row starts with, as `Results.append` writes it.
_ROW_START = b'{"task": "'


class Results:
    """A results file to which only this process can append, as long as the `with` block lasts.

    Args:
        path: The file. It and its folder are created with the first row. `<path>.lock` beside it is
            an empty file that keeps other processes out.

    Attributes:
        damage: A sentence about the damage that the file had when it was opened, and what was done
            about it; empty if there was none.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "results.jsonl"
        >>> tables = {"data": {"name": "iris"}, "model": {"name": "pqc_dense"}, "training": {}}
        >>> row = Row("a1", "c1", **tables, backend="jax", contender="hybrid", seed=0)
        >>> with Results(path) as results:
        ...     results.append(row)
        >>> read_rows(path) == [row]
        True
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage = ""
        self._rows: list[Row] = []
        self._problem = ""
        self._lock = filelock.FileLock(f"{path}.lock")

    def __enter__(self) -> Results:
        """Locks the file and reads its rows.

        A damaged part at its end is moved to a file beside it, so that the next row starts on a
        new line; `damage` then has a sentence about it.

        Raises:
            ResultsInUseError: If another process uses the file.
            ResultsError: If the file can't be created or contains something other than rows.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # With a symbolic link, its target would get the rows or be emptied by the lock.
            for path in (self.path, Path(self._lock.lock_file)):
                _files.not_a_link(path)
            self._lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise ResultsInUseError(
                f"{self.path} is in use by another run. Wait for it, or choose another output "
                "folder."
            ) from error
        except OSError as error:
            raise ResultsError(f"{self.path} can't be written: {error.strerror}") from error
        try:
            self._load()
        except BaseException as error:
            self._lock.release()
            if isinstance(error, OSError):
                raise ResultsError(f"{self.path} can't be repaired: {error.strerror}") from error
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()

    def _load(self) -> None:
        read = _read(self.path)
        self._rows, self._problem = read.rows, read.problem
        if read.tail:
            aside = self._aside(".damaged")
            with aside.open("xb") as file:
                file.write(read.tail)
                file.flush()
                os.fsync(file.fileno())
            with self.path.open("r+b") as file:
                file.truncate(read.size)
            became = f"that part is kept as {aside}, and the missing runs are repeated."
        else:
            became = "that part is left out, and the missing runs are repeated."
        if read.damaged:
            self.damage = f"{self.path} is damaged {read.places()}: {became}"
        if not read.ended:
            with self.path.open("ab") as file:
                file.write(b"\n")

    def _aside(self, suffix: str) -> Path:
        """Returns an unused name beside the file, with the time in it."""
        stamp = time.strftime("%Y%m%d-%H%M%S")
        for attempt in itertools.count():
            number = f"-{attempt}" if attempt else ""
            aside = self.path.with_name(f"{self.path.stem}-{stamp}{number}{suffix}")
            if not aside.exists():
                break
        return aside

    @property
    def rows(self) -> list[Row]:
        """The rows in the file.

        Raises:
            ResultsError: If one of them can't be used. The file can still be set aside.
        """
        if self._problem:
            raise ResultsError(self._problem)
        return list(self._rows)

    def finished(self) -> dict[str, Row]:
        """Returns the last row of each task that did not fail, by task id."""
        return {task: row for task, row in latest(self.rows).items() if row.error is None}

    def set_aside(self) -> Path | None:
        """Renames a file with rows, so that the next row starts a new one.

        Returns:
            The new name, which has the time in it; None if there was no file.
        """
        if not self.path.exists():
            return None
        aside = self._aside(self.path.suffix)
        self.path.rename(aside)
        self._rows, self._problem = [], ""
        return aside

    def append(self, row: Row) -> None:
        """Appends a row to the file, completely or not at all, and waits until it is on disk.

        Raises:
            ResultsError: If the file can't be written, for example because the disk is full. The
                file is then unchanged.
        """
        line = json.dumps(row.to_json()).encode() + b"\n"
        try:
            with self.path.open("ab", buffering=0) as file:
                before = file.tell()
                try:
                    written = file.write(line)
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(before)
                    raise
                if written != len(line):
                    file.truncate(before)
                    raise OSError(0, "no space left for a whole row")
        except OSError as error:
            raise ResultsError(f"{self.path} can't be written: {error.strerror}") from error
        self._rows.append(row)
