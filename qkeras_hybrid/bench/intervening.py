"""The intervention test on the hybrid of a comparison, with the comparison's training."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from qkeras_hybrid import datasets
from qkeras_hybrid.bench import fitting
from qkeras_hybrid.bench.contenders import Contender
from qkeras_hybrid.bench.goals import goal_of
from qkeras_hybrid.bench.metrics import metric_of
from qkeras_hybrid.bench.statistics import MARGIN
from qkeras_hybrid.bench.task import Task
from qkeras_hybrid.interventions import InterventionTest, intervention_test

RUNS = 5
"""How often each network is retrained."""


def intervene(task: Task, runs: int = RUNS) -> InterventionTest:
    """Trains the hybrid of a task and tests whether it needs its circuits.

    See `intervention_test`. All networks have the training of the task: the same split, batches and
    epochs. Scores are those on the test set. Shots and noise are ignored if the task has them for
    scores only.

    Args:
        task: A task of the contender `"hybrid"`.
        runs: How often each network is retrained.

    Returns:
        The scores and the verdicts. If lower scores are better, they are negated.

    Raises:
        ValueError: If the test can't be run on such a model.
    """
    dataset, split = datasets.prepare(task.data, task.seed)
    model, _ = Contender(task, dataset, {}).fitted(split.x_train, split.y_train)
    goal = goal_of(dataset.y, dataset.problem)
    metric = metric_of(goal.metric)

    def score(y: npt.NDArray[Any], outputs: npt.NDArray[Any]) -> float:
        return metric.sign * float(goal.score(outputs, y))

    score.__name__ = metric.label if metric.sign > 0 else f"minus {metric.label}"

    def train(other: keras.Model) -> None:
        fitting.train(
            other,
            split.x_train,
            split.y_train,
            **task.training,
            seed=task.seed,
            problem=dataset.problem,
        )

    return intervention_test(
        model,
        split.x_train,
        split.y_train,
        test=(split.x_test, np.asarray(split.y_test)),
        score=score,
        margin=MARGIN,
        train=train,
        runs=runs,
        seed=task.seed,
    )
