"""What a run is, and the file that keeps a row for each.

A task is everything that defines one training: data, model, contender, training and seed. Its
id is a digest of just that, so the same command finds the rows that it has already written and
a changed definition makes new tasks. A results file holds a row of JSON a line. Rows are only
ever appended, whole or not at all, by one process at a time.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import filelock

from qkeras_hybrid import _files
from qkeras_hybrid._errors import shown

Row = dict[str, Any]
"""What is kept of a run: see `qkeras_hybrid.bench.runner.run_task`."""

OnDamage = Callable[[str], None]
"""Called with a sentence on what is damaged in a file."""

PROTOCOL = 2
"""Counted up when the same definition comes to mean another training, so that ids change."""

TUNING_PROTOCOL = 3
"""The same of tasks that are tuned: counted up too when the search changes alone."""


@dataclasses.dataclass(frozen=True)
class Task:
    """One training of one contender on one split: all that defines it, and nothing else.

    The parts are mappings of plain JSON values, so that a suite file's tables are parts as they
    stand and a new axis is a new key, not a new field.

    Attributes:
        data: What `qkeras_hybrid.datasets.prepare` takes: the `"name"` of a data set, its
            arguments, and how it is split (`"test_size"`, `"n_train"`, `"pca"`).
        model: The `"name"` of a hybrid model and the arguments of its builder.
        training: `"epochs"`, `"batch_size"` and `"learning_rate"`.
        backend: The Keras backend that trains it.
        contender: `"hybrid"`, or the name of a control that is derived from the hybrid, or of a
            reference.
        seed: The seed of the split, the first weights and the order of the batches.
        tuning: None for fixed hyperparameters, or `"trials"`, `"seconds"`, `"folds"` and the
            `"search_space"` of the Keras contenders.
        fingerprints: Digests of the files that data and model come from, by part: a file that
            has changed makes another task.
        suite: The name of the suite that asked for it; not part of its definition.

    Example:
        >>> task = Task(
        ...     data={"name": "iris", "test_size": 0.25},
        ...     model={"name": "pqc_dense", "n_qubits": 4, "n_layers": 2},
        ...     training={"epochs": 10, "batch_size": 16, "learning_rate": 0.01},
        ...     backend="tensorflow",
        ...     contender="hybrid",
        ...     seed=0,
        ... )
        >>> task.id == dataclasses.replace(task, seed=1).id
        False
        >>> task.comparison == dataclasses.replace(task, seed=1, contender="dense").comparison
        True
    """

    data: Mapping[str, Any]
    model: Mapping[str, Any]
    training: Mapping[str, Any]
    backend: str
    contender: str
    seed: int
    tuning: Mapping[str, Any] | None = None
    fingerprints: Mapping[str, str] = dataclasses.field(default_factory=dict)
    suite: str | None = None

    def definition(self) -> dict[str, Any]:
        """Returns everything that defines the task, as it stands in its row."""
        return {
            "data": dict(self.data),
            "model": dict(self.model),
            "training": dict(self.training),
            "backend": self.backend,
            "contender": self.contender,
            "seed": self.seed,
            "tuning": None if self.tuning is None else dict(self.tuning),
            "fingerprints": dict(self.fingerprints),
        }

    @functools.cached_property
    def id(self) -> str:
        """The digest of the definition: 16 hexadecimal digits."""
        return _digest(self.definition())

    @functools.cached_property
    def comparison(self) -> str:
        """The digest of what the contenders and seeds of one comparison share."""
        shared = self.definition()
        del shared["contender"], shared["seed"]
        return _digest(shared)

    def __hash__(self) -> int:
        return hash(self.id)


def _digest(definition: dict[str, Any]) -> str:
    protocol = PROTOCOL if definition["tuning"] is None else TUNING_PROTOCOL
    text = json.dumps([protocol, definition], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def plan(
    data: Mapping[str, Any],
    model: Mapping[str, Any],
    training: Mapping[str, Any],
    backend: str,
    contenders: Iterable[str],
    seeds: Iterable[int],
    **more: Any,
) -> list[Task]:
    """Returns the tasks of a comparison: all contenders of the first seed, then of the next.

    In this order a comparison that is stopped early still has whole pairs. `more` are the
    further attributes of a task: `tuning`, `fingerprints`, `suite`.
    """
    return [
        Task(data, model, training, backend, contender, seed, **more)
        for seed, contender in itertools.product(seeds, tuple(contenders))
    ]


class ResultsInUseError(RuntimeError):
    """Another process is writing to the results file."""


class ResultsError(RuntimeError):
    """A results file can't be read or written."""


def read_rows(path: Path, on_damage: OnDamage = lambda sentence: None) -> list[Row]:
    """Reads the rows of a results file; a file that does not exist has none.

    What a crash or a power cut damaged is no row and is left out: the start of a row at the end of
    the file, or zeros in place of what had not reached the disk. Where a task has several rows (it
    failed and ran again), all are returned in their order.

    Args:
        path: The file, which is only read.
        on_damage: Called with a sentence on what is damaged, if anything is.

    Raises:
        ResultsError: If the file holds something else than rows; the message has the line.
    """
    read = _read(path)
    if read.damaged:
        on_damage(f"{path} is damaged {read.places()}: what stood there is left out.")
    return read.rows


def latest(rows: Iterable[Row]) -> dict[str, Row]:
    """Returns the last row of each task by task id."""
    return {row["task"]: row for row in rows}


@dataclasses.dataclass
class _Read:
    """What a results file holds.

    Attributes:
        rows: Its rows.
        size: How many bytes from its start hold all that is whole.
        ended: Whether these end with the end of a line.
        damaged: The numbers of lines that are damaged.
        tail: What is damaged at the end.
    """

    rows: list[Row] = dataclasses.field(default_factory=list)
    size: int = 0
    ended: bool = True
    damaged: list[int] = dataclasses.field(default_factory=list)
    tail: bytes = b""

    def places(self) -> str:
        """Returns where it is damaged, in words."""
        if self.tail:
            rows = f"{len(self.rows)} whole row{'' if len(self.rows) == 1 else 's'}"
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
        # Zeros before a row are what a power cut left of a row before it.
        row = _row(line.lstrip(b"\0"))
        if row is not None:
            read.rows.append(row)
            read.size, read.ended = place, line.endswith(b"\n")
        if row is None or line.startswith(b"\0"):
            if row is None and not _is_damage(line, last=number == len(lines), known=read.rows):
                start = shown(line.decode("utf-8", "replace"), 60)
                raise ResultsError(
                    f"{path} is no results file: its line {number} is {start}. Choose another "
                    "output folder."
                )
            read.damaged.append(number)
    read.tail = content[read.size :]
    return read


def _row(line: bytes) -> Row | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and "task" in row else None


def _is_damage(line: bytes, *, last: bool, known: Sequence[Row]) -> bool:
    """Whether a line that is no row was once one, or part of one.

    Anything else means that the file is not ours to append to, let alone to cut.
    """
    if b"\0" in line and known:
        return True
    rest = line.strip(b"\0")
    return (last or rest != line) and _ROW_START.startswith(rest[: len(_ROW_START)])


# The key that every row starts with, as `Results.append` writes it.
_ROW_START = b'{"task": "'


class Results:
    """A results file that this process alone may append to, from `with` to its end.

    Args:
        path: The file; it and its folder are made when the first row comes. Beside it lies
            `<path>.lock`, an empty file by which two processes see each other.

    Attributes:
        damage: A sentence on what was damaged in the file when it was opened and what became of
            it; empty if nothing was.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "results.jsonl"
        >>> with Results(path) as results:
        ...     results.append({"task": "a1", "test_accuracy": 0.9})
        >>> read_rows(path)
        [{'task': 'a1', 'test_accuracy': 0.9}]
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage = ""
        self._rows: list[Row] = []
        self._lock = filelock.FileLock(f"{path}.lock")

    def __enter__(self) -> Results:
        """Locks the file and reads its rows.

        What is damaged at its end moves to a file beside it, so that the next row starts on a
        line of its own; `damage` then has a sentence on it.

        Raises:
            ResultsInUseError: If another process holds the file.
            ResultsError: If the file can't be made or holds something else than rows.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Rows, or an emptied lock file, would land where a link points to.
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
                raise ResultsError(f"{self.path} can't be mended: {error.strerror}") from error
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
        self._rows = read.rows
        if read.tail:
            aside = self._aside(".damaged")
            with aside.open("xb") as file:
                file.write(read.tail)
                file.flush()
                os.fsync(file.fileno())
            with self.path.open("r+b") as file:
                file.truncate(read.size)
            became = f"that is kept as {aside}, and the runs that are missing are repeated."
        else:
            became = "that is left out, and the runs that are missing are repeated."
        if read.damaged:
            self.damage = f"{self.path} is damaged {read.places()}: {became}"
        if not read.ended:
            with self.path.open("ab") as file:
                file.write(b"\n")

    def _aside(self, suffix: str) -> Path:
        """Returns a name beside the file that is free, with the time in it."""
        stamp = time.strftime("%Y%m%d-%H%M%S")
        for attempt in itertools.count():
            number = f"-{attempt}" if attempt else ""
            aside = self.path.with_name(f"{self.path.stem}-{stamp}{number}{suffix}")
            if not aside.exists():
                break
        return aside

    @property
    def rows(self) -> list[Row]:
        """The rows that the file holds."""
        return list(self._rows)

    def finished(self) -> dict[str, Row]:
        """Returns the last row of each task that did not fail, by task id."""
        return {task: row for task, row in latest(self._rows).items() if row.get("error") is None}

    def set_aside(self) -> Path | None:
        """Renames a file with rows, so that the next row starts a new one.

        Returns:
            The new name, which has the time in it; None if there was no file.
        """
        if not self.path.exists():
            return None
        aside = self._aside(self.path.suffix)
        self.path.rename(aside)
        self._rows = []
        return aside

    def append(self, row: Row) -> None:
        """Appends a row to the file, whole or not at all, and waits until it is on disk.

        Args:
            row: Plain JSON values, with the task's id as `"task"`.

        Raises:
            ResultsError: If the file can't be written (a full disk, say); it is then as before.
        """
        line = json.dumps({"task": row["task"], **row}).encode() + b"\n"
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
