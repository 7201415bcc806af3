"""Tasks: everything that defines one training.

That is the data, model, contender, training, seed, and how circuits are computed. A task's id is a
digest of these. So the same command finds the rows that it has already written, and a changed
definition makes new tasks.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any

from qkeras_hybrid.bench.execution import WITH_CIRCUITS

PROTOCOL = 2
"""Increased when the same definition begins to mean another training, so that ids change."""

TUNING_PROTOCOL = 3
"""The same for tuned tasks: also increased when only the search changes."""


@dataclasses.dataclass(frozen=True)
class Task:
    """One training of one contender on one split.

    The parts are mappings of plain JSON values. So the tables of a suite file can be used as parts
    without change, and a new axis is a new key, not a new field.

    Attributes:
        data: What `qkeras_hybrid.datasets.prepare` takes: the `"name"` of a data set, its
            arguments, and how it is split (`"test_size"`, `"n_train"`, `"pca"`).
        model: The `"name"` of a hybrid model and the arguments of its builder.
        training: `"epochs"`, `"batch_size"` and `"learning_rate"`; `"patience"` if validation
            ends the training; for decisions also `"loss"`, a name of
            `qkeras_hybrid.bench.goals.LOSSES`.
        backend: The Keras backend that trains the contender.
        contender: `"hybrid"`, the name of a control that is derived from the hybrid, or the name
            of a reference.
        seed: The seed of the split, the initial weights and the order of the batches.
        tuning: None for fixed hyperparameters, or `"trials"`, `"seconds"`, `"folds"` and the
            `"search_space"` of the Keras contenders.
        fingerprints: Digests of the files that data and model come from, by part: a changed file
            makes another task.
        suite: The name of the suite that contains the task; not part of its definition.
        execution: How circuits are computed, as `qkeras_hybrid.bench.execution.normalized` returns
            it; None for the model's own settings, and for a contender without circuits.
        size: The arguments of the model that a frontier sweeps, with the values of this task; None
            outside a frontier. Not part of the definition, which has them in `model`.

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
    execution: Mapping[str, Any] | None = None
    size: Mapping[str, Any] | None = None

    def definition(self) -> dict[str, Any]:
        """Returns everything that defines the task, as its row contains it."""
        # No key if nothing is set, so that ids stay as they were before the key existed.
        execution = {} if self.execution is None else {"execution": dict(self.execution)}
        return {
            "data": dict(self.data),
            "model": dict(self.model),
            "training": dict(self.training),
            "backend": self.backend,
            "contender": self.contender,
            "seed": self.seed,
            "tuning": None if self.tuning is None else dict(self.tuning),
            "fingerprints": dict(self.fingerprints),
            **execution,
        }

    @functools.cached_property
    def id(self) -> str:
        """The digest of the definition: 16 hexadecimal digits."""
        return _digest(self.definition())

    @functools.cached_property
    def comparison(self) -> str:
        """The digest of everything that the contenders and seeds of one comparison share."""
        shared = self.definition()
        del shared["contender"], shared["seed"]
        return _digest(shared)

    @functools.cached_property
    def base(self) -> str | None:
        """The comparison that has the rows of contenders without circuits.

        These contenders don't depend on how circuits are computed, so they run once for all ways.
        None if it is the task's own comparison.
        """
        return (
            None if self.execution is None else dataclasses.replace(self, execution=None).comparison
        )

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
    execution: Mapping[str, Any] | None = None,
    **more: Any,
) -> list[Task]:
    """Returns the tasks of a comparison: all contenders of the first seed, then of the next.

    In this order, a comparison that is stopped early still has complete pairs. Only contenders with
    circuits get `execution`. `more` are the other attributes of a task: `tuning`, `fingerprints`,
    `suite`, `size`.
    """
    return [
        Task(
            data,
            model,
            training,
            backend,
            contender,
            seed,
            execution=execution if contender in WITH_CIRCUITS else None,
            **more,
        )
        for seed, contender in itertools.product(seeds, tuple(contenders))
    ]
