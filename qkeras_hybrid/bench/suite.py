"""Suites of comparisons, read from TOML files.

    description = "What the suite asks."
    seeds = 10                       # or a list of seeds

    [training]
    epochs = 20
    batch_size = 32
    learning_rate = 0.01
    patience = 10                    # if given: a fifth of the training samples validate; training
                                     # ends after so many epochs without a lower loss on these, at
                                     # most after `epochs`, and the best weights are kept

    [tuning]                         # left out: nothing is tuned
    trials = 8                       # the same number, and the same seconds,
    seconds = 60                     # for every contender
    folds = 3
    [tuning.search_space]            # of the Keras contenders; references have their own
    learning_rate = {type = "float", low = 0.001, high = 0.1, log = true}
    "model.n_layers" = {type = "int", low = 1, high = 4}

    [[task]]
    data = {name = "two_curves", n_features = 4}
    model = {name = "pqc_dense", n_qubits = 4}
    contenders = ["hybrid", "linear"]     # left out: the hybrid and all controls that apply
    training = {epochs = 40}              # replaces the suite's values; for decisions also a loss
    tuning = false                        # this task is not tuned
    engine = "auto"                       # how its circuits are computed; each of the first four
    shots = ["exact", 100, 1000]          # may be a list: each combination of the values makes a
    noise = ["none", "depolarizing:0.01"] # comparison
    mitigation = ["none", "zne"]
    noisy_training = false                # true: shots, noise, mitigation in training too

    [task.sweep]                     # every combination makes a comparison
    "data.n_features" = [2, 4, 8]
    model = [{name = "pqc_dense"}, {name = "reuploading"}]

    [task.frontier]                  # sizes of the model; their comparisons make one frontier
    "model.n_qubits" = [2, 4, 6]     # one value of each list: 2 qubits with 1 layer, 4 with 2, ...
    "model.n_layers" = [1, 2, 3]     # or: model = [{name = "qcnn", ...}, {name = "qcnn", ...}]

Circuits train without shots and noise; only their scores are computed with the shots, noise and
mitigation of the task. With `noisy_training`, training has these too. The engine applies to both.
Without one of these five keys, the model's layers keep their own setting. The keys may also stand
before the first task, for all tasks. Contenders without circuits run once for all values.

Paths in a suite (of a CSV file, or of a model's Python file) are relative to the folder in which
the command runs.
"""

from __future__ import annotations

import copy
import dataclasses
import importlib.resources
import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qkeras_hybrid import datasets
from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.bench import contenders as known
from qkeras_hybrid.bench import execution, models, tuning
from qkeras_hybrid.bench.sizes import sizes


class SuiteError(ValueError):
    """A suite file can't be read: the message has the file, the line and the fix."""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One comparison of a suite: see `qkeras_hybrid.bench.runner.plan`.

    Attributes:
        data: The table of the data.
        model: The table of the hybrid model.
        training: The table of the training.
        tuning: The table of the search for hyperparameters; None without a search.
        contenders: Their names; None for the hybrid and all controls that apply.
        execution: How circuits are computed; see `qkeras_hybrid.bench.execution.normalized`.
        size: The arguments of the model that its frontier sweeps; None outside a frontier.
        line: The line of the file at which its task begins.
    """

    data: Mapping[str, Any]
    model: Mapping[str, Any]
    training: Mapping[str, Any]
    tuning: Mapping[str, Any] | None = None
    contenders: tuple[str, ...] | None = None
    execution: Mapping[str, Any] | None = None
    size: Mapping[str, Any] | None = None
    line: int = dataclasses.field(default=0, compare=False)


@dataclasses.dataclass(frozen=True)
class Suite:
    """A suite of comparisons.

    Attributes:
        name: The name of its file, without the ending.
        path: Its file.
        description: The question that it asks.
        seeds: The seeds of every comparison.
        comparisons: The comparisons, in order.
    """

    name: str
    path: str
    description: str
    seeds: tuple[int, ...]
    comparisons: tuple[Comparison, ...]


def names() -> tuple[str, ...]:
    """Returns the names of the suites that come with the package."""
    return tuple(sorted(file.stem for file in _shipped().glob("*.toml")))


def _shipped() -> Path:
    return Path(str(importlib.resources.files("qkeras_hybrid.bench") / "suites"))


def read(name: str) -> Suite:
    """Reads a suite.

    Args:
        name: One of `names()`, or the path of a TOML file.

    Raises:
        SuiteError: If there is no such suite or it can't be read; the message has the line.

    Example:
        >>> read("quick").name
        'quick'
    """
    path = Path(name)
    if path.suffix != ".toml":
        if name not in names():
            known = ", ".join(map(repr, names()))
            raise SuiteError(
                str(ArgumentError("SUITE", f"be one of {known}, or a TOML file", name))
            )
        path = _shipped() / f"{name}.toml"
    if not path.stem.strip("."):
        # For a file named "..toml", the results folder would be `results/..`.
        raise SuiteError(
            str(ArgumentError("SUITE", "have a name before .toml", name, "Rename the file."))
        )
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SuiteError(f"The suite {path} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SuiteError(f"The suite {path} is not text in UTF-8.") from error
    return _Reader(path, text).suite()


_TOP = ("description", "seeds", "training", "tuning", *execution.KEYS, "task")
_TASK = ("data", "model", "contenders", "training", "tuning", *execution.KEYS, "sweep", "frontier")
_TRAINING = ("epochs", "batch_size", "learning_rate", "patience", "loss")
_TUNING = ("trials", "seconds", "folds", "search_space")


class _Reader:
    """Reads a suite from a file's text; errors name the line."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.lines = text.splitlines()
        try:
            self.table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SuiteError(f"The suite {path} is not TOML: {error}.") from error
        headers = [i for i, line in enumerate(self.lines, 1) if re.match(r"\s*\[\[task\]\]", line)]
        # The lines at which the part before the tasks and each task begin, and the end.
        self.starts = [*headers, len(self.lines) + 1]

    def suite(self) -> Suite:
        table = self.table
        self._known(table, _TOP, None)
        seeds = self._seeds(table.get("seeds", 10))
        training = self._table(table.get("training", {}), "training", None, _TRAINING)
        search = self._tuning(table.get("tuning"), None)
        executions = self._executions(table, None)
        tasks = table.get("task", [])
        if not isinstance(tasks, list) or not tasks:
            raise self._error("has no [[task]]: there is nothing to compare", None)
        found: list[Comparison] = []
        for number, task in enumerate(tasks):
            for one in self._comparisons(task, training, search, executions, number):
                if one in found:
                    raise self._error("has the same comparison twice", number)
                found.append(one)
        return Suite(
            self.path.stem, str(self.path), str(table.get("description", "")), seeds, tuple(found)
        )

    def _comparisons(
        self,
        task: dict[str, Any],
        training: dict[str, Any],
        search: dict[str, Any] | None,
        executions: dict[str, list[Any]],
        number: int,
    ) -> Iterator[Comparison]:
        self._known(task, _TASK, number)
        own = self._table(task.get("training", {}), "training", number, _TRAINING)
        task = {**task, "training": {**training, **own}}
        if task.get("tuning") is False:
            task["tuning"] = None
        elif "tuning" in task:
            task["tuning"] = self._tuning(task["tuning"], number)
        else:
            task["tuning"] = search
        given = executions | self._executions(task, number)
        executions = {key: given[key] for key in execution.KEYS if key in given}
        contenders = task.get("contenders")
        for name in contenders or ():
            self._one_of("contenders", name, known.CONTENDERS, number)
        steps = list(enumerate(self._sizes(task, number)))
        for part, (place, size) in itertools.product(self._swept(task, number), steps):
            if size is not None:
                part = {**part, "model": {**part.get("model", {}), **size}}
            for key in ("data", "model"):
                if "name" not in self._table(part.get(key), key, number):
                    raise self._error(f"needs `{key}` with a name", number, key)
            self._one_of("data.name", part["data"]["name"], datasets.names(), number)
            if ".py" not in str(part["model"]["name"]):
                self._one_of("model.name", part["model"]["name"], models.MODELS, number)
            named = contenders
            if contenders is not None and place:
                # Contenders that don't depend on the size run once, with the first size.
                named = [name for name in contenders if name not in known.WITHOUT_SIZE]
            for values in itertools.product(*executions.values()):
                yield Comparison(
                    part["data"],
                    part["model"],
                    part["training"],
                    part["tuning"],
                    None if named is None else tuple(named),
                    execution.normalized(dict(zip(executions, values, strict=True))),
                    None if size is None else {k: v for k, v in size.items() if k != "name"},
                    self.starts[number],
                )

    def _sizes(self, task: dict[str, Any], number: int) -> list[dict[str, Any] | None]:
        """Returns the arguments of the model at each size of a task's frontier."""
        if "frontier" not in task:
            return [None]
        tuned = (task["tuning"] or {}).get("search_space", {})
        swept = self._table(task.get("sweep", {}), "sweep", number)
        try:
            return list(sizes(task["frontier"], tuned=tuned, swept=swept))
        except ArgumentError as error:
            raise self._error(f"has an invalid `frontier`: {error}", number, "frontier") from error

    def _swept(self, task: dict[str, Any], number: int) -> Iterator[dict[str, Any]]:
        """Yields the task with each combination of its sweep's values."""
        sweep = self._table(task.get("sweep", {}), "sweep", number)
        for path, values in sweep.items():
            part, _, key = path.partition(".")
            self._one_of("sweep", part, ("data", "model", "training"), number)
            if not isinstance(values, list) or not values:
                raise self._error(f"needs a list of values for {path!r} in `sweep`", number, path)
            if not key and not all(isinstance(value, dict) for value in values):
                raise self._error(
                    f"needs a list of tables for {path!r} in `sweep`", number, "sweep"
                )
            if part == "training" and key:
                self._one_of("sweep", key, _TRAINING, number)
        for values in itertools.product(*sweep.values()):
            made = copy.deepcopy(task)
            # Whole tables come first, so that single keys can replace their values.
            for path, value in sorted(
                zip(sweep, values, strict=True), key=lambda pair: "." in pair[0]
            ):
                part, _, key = path.partition(".")
                if key:
                    made[part] = {**made.get(part, {}), key: value}
                else:
                    made[part] = value
            yield made

    def _executions(self, table: dict[str, Any], number: int | None) -> dict[str, list[Any]]:
        """Returns the values of each key that says how circuits are computed."""
        try:
            return execution.axes({key: table[key] for key in execution.KEYS if key in table})
        except ArgumentError as error:
            said = f"has an invalid `{error.argument}`: {error}"
            raise self._error(said, number, error.argument) from error

    def _seeds(self, given: Any) -> tuple[int, ...]:
        seeds = list(range(given)) if isinstance(given, int) and given > 0 else given
        whole = isinstance(seeds, list) and all(
            isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0 for seed in seeds
        )
        if isinstance(given, bool) or not whole or not seeds or len(set(seeds)) < len(seeds):
            raise self._error(
                "needs a number over 0, or a list of different whole numbers, as `seeds`, but has "
                f"{given!r}",
                None,
                "seeds",
            )
        return tuple(seeds)

    def _tuning(self, given: Any, number: int | None) -> dict[str, Any] | None:
        if given is None:
            return None
        table = self._table(given, "tuning", number, _TUNING)
        for key in ("trials", "seconds", "folds"):
            if key not in table:
                raise self._error(f"needs `{key}` in `tuning`", number, "tuning")
        try:
            tuning.check_budget(table["trials"], table["seconds"], table["folds"])
        except ArgumentError as error:
            raise self._error(
                f"has an invalid `tuning`: {error}", number, "tuning", error.argument
            ) from error
        space = self._table(table.get("search_space", {}), "search_space", number)
        for name, given in space.items():
            try:
                tuning.check_space({name: given})
                if not name.startswith("model."):
                    one_of("search_space", name, _TRAINING)
            except ValueError as error:
                raise self._error(
                    f"has an invalid `tuning`: {error}", number, "tuning", name
                ) from error
        return table

    def _table(
        self, given: Any, name: str, number: int | None, known: Sequence[str] | None = None
    ) -> dict[str, Any]:
        if not isinstance(given, dict):
            raise self._error(f"needs a table `{name}`, but has {given!r}", number, name)
        if known is not None:
            self._known(given, known, number, name)
        return given

    def _known(
        self,
        table: dict[str, Any],
        known: Sequence[str],
        number: int | None,
        name: str = "",
    ) -> None:
        for key in table:
            if key not in known:
                place = f" in `{name}`" if name else ""
                raise self._error(
                    f"has the unknown key {key!r}{place}; known are {', '.join(known)}",
                    number,
                    key,
                )

    def _one_of(self, name: str, value: Any, known: Any, number: int | None) -> None:
        try:
            one_of(name, value, known)
        except ValueError as error:
            raise self._error(f"has an unknown name. {error}", number, value) from error

    def _error(self, said: str, number: int | None, *sought: Any) -> SuiteError:
        line = self._line(number, *sought)
        return SuiteError(f"The suite {self.path}, line {line}, {said.rstrip('.')}.")

    def _line(self, number: int | None, *sought: Any) -> int:
        """Returns the line of a key or a value within a task, or before all tasks.

        TOML's parser does not record lines, so this is the first line that contains the word. If
        there are several words (a table, then its key), the search for each starts at the line of
        the word before it.
        """
        if number is None:
            start, end = 1, self.starts[0]
        else:
            start, end = self.starts[number], self.starts[number + 1]
        for one in sought:
            word = re.compile(rf"(?<!\w){re.escape(str(one))}(?!\w)")
            lines = (
                line
                for line in range(start, end)
                if word.search(self.lines[line - 1].split("#")[0])
            )
            start = next(lines, start)
        return start
