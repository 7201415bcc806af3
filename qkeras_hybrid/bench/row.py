"""What is kept of a run: a row of a results file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qkeras_hybrid._errors import shown
from qkeras_hybrid.bench import execution as executions

Table = Mapping[str, Any]
"""A table of plain JSON values."""


@dataclasses.dataclass(frozen=True)
class Row:
    """What a run came to. All values are plain JSON.

    Attributes:
        task: The id of the task, and with it of the row.
        comparison: The id that the contenders and seeds of one comparison share.
        data: As in the task, like `model`, `training`, `backend`, `contender`, `seed`,
            `fingerprints`, `suite`, `execution`, `base` and `size`.
        tuning: What the search for hyperparameters took; None without one. Where the run failed,
            what the task asked for.
        error: Type and message of the error that ended the run; None if nothing did.
        started: When, in UTC.
        versions: Of Python and of the packages that matter.
        machine: What kind of machine it ran on.
        timing_comparable: Whether times compare: `fit` trained it, and nothing else ran beside it.
        network: A line that says what was fitted. This and what follows is of a run that ended
            without an error; others have the defaults.
        engine: The name of the engine; None without a quantum layer. Where another engine trained
            it, "native in training, density in evaluation".
        parameters: The number of trainable parameters; None where they have no count.
        parameter_mismatch: By which share they exceed the hybrid's (negative: fall short); None
            also where tuning chooses the hybrid's size, which is then another row's.
        n_train: The number of samples for training.
        n_test: The number of samples for the test.
        metric: A key of `qkeras_hybrid.bench.metrics.METRICS`, such as `"accuracy"`.
        train_score: Of the training part; None if it is not a finite number.
        test_score: Of the test part, which is looked at once; likewise.
        loss: Of each epoch; None for scikit-learn.
        trained_by: How it was trained, and so what the seconds of its epochs are of: "fit" for
            Keras's, or "fast", see `qkeras_hybrid.bench.fitting.train`.
        first_epoch_seconds: With compilation; None where the trace is an earlier run's.
        later_epoch_seconds: Of each later epoch; None if it was not Keras's `fit`.
        epoch_seconds: The median over the later epochs; None if there is only one epoch.
        fit_seconds: In all.
        hyperparameters: Those in force.
        curve: The `"seconds"` and the `"train_score"` at the end of each epoch; where training
            stopped by validation, also the `"valid_loss"`, of which the lowest epoch was kept. None
            in rows of a frontier.
        cost: See `qkeras_hybrid.bench.cost.measure`; and `"run_seconds"`, of all that the run did:
            tuning, training, scoring and measuring.
    """

    task: str
    comparison: str
    data: Table
    model: Table
    training: Table
    backend: str
    contender: str
    seed: int
    tuning: Table | None = None
    fingerprints: Table = dataclasses.field(default_factory=dict)
    suite: str | None = None
    execution: Table | None = None
    base: str | None = None
    size: Table | None = None
    error: str | None = None
    started: str = ""
    versions: Table = dataclasses.field(default_factory=dict)
    machine: Table = dataclasses.field(default_factory=dict)
    timing_comparable: bool = True
    network: str = ""
    engine: str | None = None
    parameters: int | None = None
    parameter_mismatch: float | None = None
    n_train: int | None = None
    n_test: int | None = None
    metric: str = ""
    train_score: float | None = None
    test_score: float | None = None
    loss: Sequence[float | None] | None = None
    trained_by: str = "fit"
    first_epoch_seconds: float | None = None
    later_epoch_seconds: Sequence[float] | None = None
    epoch_seconds: float | None = None
    fit_seconds: float | None = None
    hyperparameters: Table = dataclasses.field(default_factory=dict)
    curve: Table | None = None
    cost: Table = dataclasses.field(default_factory=dict)

    @classmethod
    def from_json(cls, table: Table) -> Row:
        """Makes a row from a line's decoded JSON, and sees that it is one.

        Keys that are not known, of another version, are left out; what is missing or null has its
        default.

        Raises:
            ValueError: If it lacks what every row has, or a value is of another kind; in words
                that follow "row 3".
        """
        missing = [key for key in _ALWAYS if key not in table]
        if not missing and table["error"] is None and "test_score" not in table:
            missing = ["test_score"]
        if missing:
            raise ValueError(f"lacks {', '.join(map(repr, missing))}")
        known = {
            field.name: table[field.name]
            for field in dataclasses.fields(cls)
            if table.get(field.name) is not None
        }
        for name, value in known.items():
            kinds = _KINDS[name]
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                what = "no table" if kinds is _TABLE else shown(value, 40)
                raise ValueError(f"is wrong: its {name} is {what}")
        for name in _NEEDED:
            if name not in known:
                raise ValueError(f"is wrong: its {name} is None")
        for name in ("data", "model"):
            if not isinstance(known[name].get("name"), str):
                raise ValueError(f"is wrong: its {name} is no table with a name")
        if not executions.is_table(known.get("execution", {})):
            raise ValueError(f"is wrong: its execution is {shown(known['execution'], 40)}")
        curve = known.get("curve", {})
        lengths = [len(curve.get(name) or ()) for name in ("seconds", "train_score")]
        if lengths[0] != lengths[1]:
            raise ValueError(f"is wrong: its curve has {lengths} values")
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """Returns the row as its line holds it: of a failed run without results.

        How circuits are computed, and the size in a frontier, are left out where nothing is said
        of them, as in older rows; and how it was trained where `fit` did it.
        """
        unsaid = [] if self.execution else ["execution", "base"]
        unsaid += [] if self.size else ["size"]
        unsaid += ["trained_by"] if self.trained_by == "fit" else []
        names = [field.name for field in dataclasses.fields(self) if field.name not in unsaid]
        if self.error is not None:
            names = names[: names.index("network")]
        return {name: getattr(self, name) for name in names}


_TEXT, _TABLE, _LIST = (str,), (dict,), (list,)
_INTEGER, _NUMBER, _BOOL = (int,), (int, float), (bool,)
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("task", "comparison", "backend", "contender", "suite", "error"), _TEXT),
    **dict.fromkeys(("base", "started", "network", "engine", "metric", "trained_by"), _TEXT),
    **dict.fromkeys(("data", "model", "training", "tuning", "fingerprints", "versions"), _TABLE),
    **dict.fromkeys(("execution", "size", "machine", "hyperparameters", "curve", "cost"), _TABLE),
    **dict.fromkeys(("seed", "parameters", "n_train", "n_test"), _INTEGER),
    **dict.fromkeys(("parameter_mismatch", "train_score", "test_score"), _NUMBER),
    **dict.fromkeys(("first_epoch_seconds", "epoch_seconds", "fit_seconds"), _NUMBER),
    **dict.fromkeys(("loss", "later_epoch_seconds"), _LIST),
    "timing_comparable": _BOOL,
}

_NEEDED = ("task", "comparison", "data", "model", "training", "backend", "contender", "seed")
_ALWAYS = (*_NEEDED[1:], "error")


def latest(rows: Iterable[Row]) -> dict[str, Row]:
    """Returns the last row of each task by task id."""
    return {row.task: row for row in rows}
