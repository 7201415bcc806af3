"""The result of a run: a row of a results file."""

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
    """The result of a run. All values are plain JSON.

    Attributes:
        task: The id of the task, which is also the id of the row.
        comparison: The id that the contenders and seeds of one comparison share.
        data: As in the task, like `model`, `training`, `backend`, `contender`, `seed`,
            `fingerprints`, `suite`, `execution`, `base` and `size`.
        tuning: A summary of the search for hyperparameters; None without a search. If the run
            failed, the task's `tuning`.
        error: Type and message of the error that ended the run; None if it succeeded.
        started: When the run started, in UTC.
        versions: The versions of Python and of the packages that matter.
        machine: The kind of machine.
        timing_comparable: Whether times can be compared: the model was trained by `fit`, and
            nothing else ran at the same time.
        network: A line that describes what was fitted. This and all that follow have their defaults
            if the run failed.
        engine: The name of the engine; None without a quantum layer. If training used another
            engine, "native in training, density in evaluation".
        parameters: The number of trainable parameters; None if they can't be counted.
        parameter_mismatch: The fraction by which `parameters` exceeds that of the hybrid; negative
            if it is lower. None also if tuning chooses the hybrid's size: then it is compared
            with the hybrid's own row.
        n_train: The number of samples for training.
        n_test: The number of samples in the test set.
        metric: A key of `qkeras_hybrid.bench.metrics.METRICS`, such as `"accuracy"`.
        train_score: The score on the training set; None if it is not a finite number.
        test_score: The score on the test set, which is used only once; None likewise.
        loss: The training loss of each epoch; None for scikit-learn.
        trained_by: How the model was trained, which decides what its times mean: "fit" for
            Keras's `fit`, or "fast", see `qkeras_hybrid.bench.fitting.train`.
        first_epoch_seconds: The time of the first epoch, with compilation; None if the model was
            compiled in an earlier run.
        later_epoch_seconds: The time of each later epoch; None if it was not Keras's `fit`.
        epoch_seconds: The median over the later epochs; None if there is only one epoch.
        fit_seconds: The time of all epochs.
        hyperparameters: The hyperparameters that were used.
        curve: The `"seconds"` and the `"train_score"` at the end of each epoch; if validation
            ended the training, also the `"valid_loss"`: the weights of the epoch with the lowest
            were kept. None in rows of a frontier.
        cost: See `qkeras_hybrid.bench.cost.measure`; and `"run_seconds"`, the time of the whole
            run: tuning, training, scoring and measuring.
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
        """Makes a row from a line's decoded JSON, and checks it.

        Unknown keys (of another version) are left out. A value that is missing or null has its
        default.

        Raises:
            ValueError: If a required key is missing, or a value has another type. The message
                continues a sentence that begins with "row 3".
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
        """Returns the row as its line contains it; for a failed run, without results.

        `execution`, `base` and `size` are left out if they are None, as in older rows, and
        `trained_by` is left out if it is "fit".
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
