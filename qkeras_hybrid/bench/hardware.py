"""What the runs of a suite would need on quantum hardware: circuits, shots and money."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import keras

from qkeras_hybrid import datasets
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.bench import controls, models
from qkeras_hybrid.bench.execution import WITH_CIRCUITS
from qkeras_hybrid.bench.task import Task
from qkeras_hybrid.bench.validation import Validation
from qkeras_hybrid.costs import ModelCost, model_cost
from qkeras_hybrid.engines import SamplerEngine
from qkeras_hybrid.engines.services import Prices


def hardware_cost(
    tasks: Sequence[Task], shots: int = 1000, prices: Prices | None = None
) -> ModelCost | None:
    """Returns what training circuits by parameter shift would need on hardware; runs nothing.

    This is the sum of `qkeras_hybrid.costs.model_cost` over all runs with circuits, all their
    epochs, and all trials of their searches for hyperparameters. If validation ends the training,
    it is an upper bound. Scores are not counted.

    Args:
        tasks: The runs.
        shots: The mean number of shots for each measurement setting of a circuit.
        prices: The prices of the service; None if it costs nothing.

    Returns:
        The sum over all runs; None if no run has circuits.

    Raises:
        ValueError: If a sampler can't compute a model's circuits, for example because they return
            states.
    """
    prices = prices or Prices()
    engine = SamplerEngine(cirq.Simulator(), shots=shots, prices=prices)
    known: dict[str, ModelCost] = {}
    circuits = shots_total = jobs = n_tasks = 0
    for task in tasks:
        if task.contender not in WITH_CIRCUITS:
            continue
        n_tasks += 1
        key = _key(task)
        if key not in known:
            known[key] = _of(task, engine)
        times = 1
        if task.tuning is not None:
            # Each trial has a fit for each fold, which leaves out the samples of that fold.
            times += task.tuning["trials"] * (task.tuning["folds"] - 1)
        circuits += times * known[key].circuits
        shots_total += times * known[key].shots
        jobs += times * known[key].jobs
    if not n_tasks:
        return None
    total = (circuits, shots_total, jobs)
    return ModelCost(*total, prices.money(*total), prices.currency, prices.seconds(*total))


def _key(task: Task) -> str:
    """Returns what tasks of equal cost share: everything except the seed."""
    shared: list[Any] = [task.data, task.model, task.training, task.contender]
    return json.dumps(shared, sort_keys=True)


def _of(task: Task, engine: SamplerEngine) -> ModelCost:
    """Returns the cost of the fit of one run."""
    dataset, split = datasets.prepare(task.data, task.seed)
    keras.utils.clear_session(free_memory=False)
    model = models.build(task.model, dataset)
    if task.contender != "hybrid":
        model = controls.ALL[task.contender](model)
    x, validating, training = split.x_train, None, task.training
    if "patience" in training:
        kept = Validation(x, split.y_train, seed=task.seed, patience=training["patience"])
        x, validating = kept.x_train, kept.x_valid
    return model_cost(
        model,
        x,
        training["epochs"],
        engine,
        batch_size=training["batch_size"],
        validation_data=validating,
    )
