"""Journals: they keep bought results on disk, so that a restarted run buys none again."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sqlite3
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qkeras_hybrid.engines.services.errors import ServiceError

Key = tuple[str, int]
"""The digest of a request's content, and the number of previous equal requests in the run."""

_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS results (
    content TEXT NOT NULL, occurrence INTEGER NOT NULL,
    dtype TEXT NOT NULL, shape TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (content, occurrence)
);
CREATE TABLE IF NOT EXISTS jobs (name TEXT PRIMARY KEY, keys TEXT NOT NULL, ticket TEXT);
CREATE TABLE IF NOT EXISTS purchases (circuits INTEGER, shots INTEGER, money REAL);
"""


@dataclasses.dataclass(frozen=True)
class PendingJob:
    """A job that was about to be submitted, or was submitted, and has no result on disk.

    Attributes:
        name: Its name.
        keys: The requests in it.
        ticket: The service's name for it; None if the submission was not confirmed.
    """

    name: str
    keys: tuple[Key, ...]
    ticket: str | None


class Journal:
    """A file that holds every finished job, before its result is used.

    After a run was stopped, even by SIGKILL, start it again with the same journal, model, seeds and
    data. It makes the same requests in the same order, reads the results that were already bought
    from disk, and continues from there.

    Equal requests within one run are separate purchases with independent noise: each is identified
    by its content *and* by the number of equal requests before it in the run. A restart counts from
    the beginning, and so reads the results in the same order; no result is read twice in a run.

    The file is an SQLite database, flushed to disk at each job. One process at a time can have it
    open.

    Args:
        path: The file; it is created if it does not exist.

    Attributes:
        path: The file.
        id: A random name stored in the file, so that jobs of two journals are never confused.

    Raises:
        ServiceError: If it is open already, here or in another process, or is not a journal.

    Example:

    >>> import tempfile, pathlib
    >>> from qkeras_hybrid.engines.services import Journal
    >>> folder = tempfile.TemporaryDirectory()
    >>> with Journal(pathlib.Path(folder.name) / "run.journal") as journal:
    ...     key = journal.next_key("a circuit and 100 shots")
    ...     journal.result(key) is None
    True
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._counts: Counter[str] = Counter()
        self._lock = threading.RLock()
        try:
            # Keras's backends call back from their own threads.
            self._database = sqlite3.connect(
                self.path, timeout=0, isolation_level=None, check_same_thread=False
            )
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute("BEGIN EXCLUSIVE")
            self._check_version()
            for statement in _TABLES.split(";"):
                self._database.execute(statement)
            self._database.execute(
                "INSERT OR IGNORE INTO facts VALUES ('id', ?)", (uuid.uuid4().hex,)
            )
            self._database.execute(f"PRAGMA user_version = {_VERSION}")
            self._database.execute("COMMIT")
            [(self.id,)] = self._database.execute("SELECT value FROM facts WHERE name = 'id'")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise ServiceError(
                    f"The journal {self.path} is open already. Two runs would use the same results "
                    "twice: give each a journal of its own, share one Journal between the engines "
                    "of a run, or close the other."
                ) from error
            raise ServiceError(f"The journal {self.path} can't be opened: {error}.") from error
        except sqlite3.DatabaseError as error:
            raise ServiceError(f"{self.path} is not a journal: {error}.") from error

    def _check_version(self) -> None:
        [(version,)] = self._database.execute("PRAGMA user_version")
        [(tables,)] = self._database.execute("SELECT count(*) FROM sqlite_master")
        if version not in (0, _VERSION) or (version == 0 and tables):
            self._database.close()
            raise ServiceError(
                f"{self.path} is not a journal of this version: its format is {version}, but this "
                f"version's is {_VERSION}."
            )

    def next_key(self, content: str) -> Key:
        """Returns the key of the run's next request with this content."""
        with self._lock:
            occurrence = self._counts[content]
            self._counts[content] += 1
            return content, occurrence

    def give_back(self, keys: Sequence[Key]) -> None:
        """Takes back the keys of requests that were not made: the last keys of their contents."""
        with self._lock:
            for content, _ in keys:
                self._counts[content] -= 1

    def restart(self) -> None:
        """Counts from the beginning, as a new process does: the run then repeats from the file."""
        with self._lock:
            self._counts.clear()

    def result(self, key: Key) -> np.ndarray | None:
        """Returns the bought result of a key, or None."""
        with self._lock:
            row = self._database.execute(
                "SELECT dtype, shape, data FROM results WHERE content = ? AND occurrence = ?", key
            ).fetchone()
        if row is None:
            return None
        dtype, shape, data = row
        array: np.ndarray = np.frombuffer(data, dtype).reshape(json.loads(shape))
        return array

    def intend(self, name: str, keys: Sequence[Key]) -> None:
        """Records that a job is about to be submitted."""
        self._write(
            "INSERT OR REPLACE INTO jobs VALUES (?, ?, NULL)", (name, json.dumps(list(keys)))
        )

    def submitted(self, name: str, ticket: str) -> None:
        """Records the service's name for a job."""
        self._write("UPDATE jobs SET ticket = ? WHERE name = ?", (ticket, name))

    def dropped(self, name: str) -> None:
        """Records that a job will have no result."""
        self._write("DELETE FROM jobs WHERE name = ?", (name,))

    def finished(
        self,
        name: str,
        keys: Sequence[Key],
        results: Sequence[np.ndarray],
        shots: int,
        money: float,
    ) -> None:
        """Writes all results of a job or none, and their cost."""
        rows = [
            (
                *key,
                result.dtype.str,
                json.dumps(result.shape),
                np.ascontiguousarray(result).tobytes(),
            )
            for key, result in zip(keys, results, strict=True)
        ]
        with self._writing():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany("INSERT INTO results VALUES (?, ?, ?, ?, ?)", rows)
                self._database.execute("DELETE FROM jobs WHERE name = ?", (name,))
                self._database.execute(
                    "INSERT INTO purchases VALUES (?, ?, ?)", (len(rows), shots, money)
                )
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def charged(self, shots: int, money: float) -> None:
        """Records that a job without a usable result was paid for."""
        self._write("INSERT INTO purchases VALUES (0, ?, ?)", (shots, money))

    def pending(self) -> list[PendingJob]:
        """Returns the jobs that an earlier run left open."""
        with self._lock:
            rows = self._database.execute("SELECT name, keys, ticket FROM jobs").fetchall()
        return [
            PendingJob(name, tuple((content, n) for content, n in json.loads(keys)), ticket)
            for name, keys, ticket in rows
        ]

    def spent(self) -> tuple[int, int, int, float]:
        """Returns the jobs, circuits, shots and money of all runs with this journal."""
        with self._lock:
            [row] = self._database.execute(
                "SELECT count(*), total(circuits), total(shots), total(money) FROM purchases"
            )
        return int(row[0]), int(row[1]), int(row[2]), float(row[3])

    def close(self) -> None:
        """Closes the file. Another journal can then open it."""
        self._database.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Journal({str(self.path)!r})"

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        with self._writing():
            self._database.execute(statement, values)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except sqlite3.Error as error:
            raise ServiceError(
                f"The journal {self.path} can't be written: {error}. The last purchase may be "
                "missing from it."
            ) from error


class MemoryJournal(Journal):
    """A journal of this process alone, which counts purchases and keeps no results."""

    def __init__(self) -> None:
        super().__init__(":memory:")

    def finished(
        self,
        name: str,
        keys: Sequence[Key],
        results: Sequence[np.ndarray],
        shots: int,
        money: float,
    ) -> None:
        """Counts a job."""
        self.dropped(name)
        self._write("INSERT INTO purchases VALUES (?, ?, ?)", (len(keys), shots, money))
