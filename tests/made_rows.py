"""Rows of results as a run would leave them, drawn from a seed instead of trained."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from qkeras_hybrid.bench.row import Row

# Each contender's test score against the hybrid's, its spread from seed to seed beside the
# hybrid's, its parameters and its fit time.
CONTENDERS: dict[str, tuple[float, float, int | None, float]] = {
    "hybrid": (0.0, 0.0, 154, 8.0),
    "dense_same_parameters": (0.031, 0.012, 150, 1.0),
    "dense_same_width": (0.012, 0.03, 118, 1.1),
    "linear": (-0.12, 0.02, 94, 0.8),
    "frozen_circuit": (0.001, 0.006, 100, 6.0),
    "no_entanglement": (0.0, 0.007, 154, 5.0),
    "fourier_features": (-0.01, 0.025, 150, 1.2),
    "mlp": (0.02, 0.015, 1_210, 0.4),
    "rbf_svc": (0.045, 0.012, None, 0.02),
    "gradient_boosting": (0.01, 0.03, None, 0.3),
}
QUANTUM = ("hybrid", "frozen_circuit", "no_entanglement")
REFERENCES = ("mlp", "rbf_svc", "gradient_boosting")


def comparison(
    *,
    data: Mapping[str, Any] | None = None,
    model: Mapping[str, Any] | None = None,
    seeds: int = 10,
    contenders: Sequence[str] = tuple(CONTENDERS),
    base: float = 0.85,
    metric: str = "accuracy",
    fails: Sequence[tuple[str, int]] = (),
    epochs: int = 12,
    suite: str | None = "made",
    tuned: bool = True,
    execution: Mapping[str, Any] | None = None,
    drop: float = 0.0,
    loss: str | None = None,
) -> list[Row]:
    """Returns the rows of one comparison.

    Args:
        data: The data table.
        model: The model table.
        seeds: The number of seeds.
        contenders: Names of `CONTENDERS`.
        base: About what the hybrid scores.
        metric: What the scores are.
        fails: Contender and seed of the runs that fail.
        epochs: The epochs of those that have any.
        suite: The name of the suite.
        tuned: Whether the contenders were tuned.
        execution: How circuits are computed.
        drop: By how much that lowers the score of contenders with circuits.
        loss: Which of several losses trained them.
    """
    data = {"name": "iris", "test_size": 0.25, **(data or {})}
    model = {"name": "pqc_dense", "n_qubits": 4, "n_layers": 2, **(model or {})}
    training = {"epochs": epochs, "batch_size": 32, "learning_rate": 0.01}
    training |= {} if loss is None else {"loss": loss}
    shared = {"data": data, "model": model, "training": training, "backend": "tensorflow"}
    defined = shared if tuned else shared | {"tuning": None}
    rng = np.random.default_rng(int(_digest(shared), 16) % 2**32)
    rows = []
    for seed in range(seeds):
        split = base + rng.normal(0, 0.02)  # some splits are harder, for all contenders alike
        for name in contenders:
            offset, spread, parameters, seconds = CONTENDERS.get(name, (0.0, 0.0, 10, 1.0))
            score = float(np.clip(split + offset + rng.normal(0, spread + 1e-9), 0, 0.995))
            score -= drop if name in QUANTUM else 0.0
            circuits = {"execution": execution} if execution and name in QUANTUM else {}
            row: dict[str, Any] = {
                "task": _digest([defined | circuits, name, seed]),
                "comparison": _digest(defined | circuits),
                **shared,
                **circuits,
                "base": _digest(defined) if circuits else None,
                "contender": name,
                "seed": seed,
                "suite": suite,
                "error": None,
                "started": f"2026-11-20T10:{seed:02}:00Z",
                "versions": {"python": "3.11.4", "keras": "3.15.1", "tensorflow": "2.18.1"},
                "machine": {"system": "Linux", "processor": "CPU", "cores": 2},
            }
            if (name, seed) in fails:
                row["error"] = "ValueError: the simulator ran out of <memory> & patience"
            else:
                row |= _results(rng, name, score, metric, parameters, seconds, epochs)
            if not tuned:
                row["tuning"] = None
            rows.append(Row.from_json(row))
    return rows


def _results(
    rng: np.random.Generator,
    name: str,
    score: float,
    metric: str,
    parameters: int | None,
    seconds: float,
    epochs: int,
) -> dict[str, Any]:
    keras, quantum = name not in REFERENCES, name in QUANTUM
    fit = seconds * rng.uniform(0.9, 1.1)
    train = min(score + 0.01, 1.0)
    steps = np.arange(1, epochs + 1)
    curve = {
        "seconds": (fit * (0.2 + 0.8 * steps / epochs)).tolist(),
        "train_score": (train * (1 - 0.5 * np.exp(-steps / 3)) + rng.normal(0, 0.003)).tolist(),
    }
    return {
        "network": f"Dense(4, tanh) > {name} > Dense(3, softmax)",
        "engine": "native" if quantum else None,
        "parameters": parameters,
        "parameter_mismatch": None if parameters is None else parameters / 154 - 1,
        "n_train": 112,
        "n_test": 38,
        "metric": metric,
        "train_score": train,
        "test_score": score,
        "loss": (1.0 * np.exp(-steps / 40)).tolist() if keras else None,
        "first_epoch_seconds": 0.2 * fit if keras else None,
        "later_epoch_seconds": [fit / epochs] * (epochs - 1) if keras else None,
        "epoch_seconds": fit / epochs if keras else None,
        "fit_seconds": fit,
        "hyperparameters": {"learning_rate": 0.01} if keras else {"C": 1.0},
        "tuning": {"trials": 8, "folds": 3, "seconds": 40.0, "stopped_by": "trials"},
        "curve": curve if keras else None,
        "cost": {
            "step_seconds": fit / epochs / 4 if keras else None,
            "inference_seconds_1": 2e-4,
            "inference_seconds_256": 9e-4,
            "compile_seconds": 0.2 * fit if keras else None,
            "peak_memory_bytes": 310_000_000,
            "circuit_evaluations_per_step": 32 * 49 if quantum else None,
            "circuit_evaluations_total": 32 * 49 * 48 if quantum else None,
            "shots_total": 32 * 49 * 48 * 1000 if quantum else None,
        },
        "timing_comparable": True,
    }


# Of each contender: its parameters by size, and its scores there.
Planted = Mapping[str, Sequence[tuple[int, float]]]


def frontier(
    planted: Planted,
    *,
    seeds: int = 10,
    spread: float = 0.0,
    metric: str = "accuracy",
    n_train: Sequence[int] = (112,),
    gain: float = 0.0,
    **more: Any,
) -> list[Row]:
    """Returns the rows of a frontier with these parameters and mean scores by size.

    Args:
        planted: By contender.
        seeds: The number of seeds.
        spread: The standard deviation of scores from seed to seed.
        metric: What the scores are.
        n_train: The numbers of training samples.
        gain: What each further number of samples adds to scores.
        **more: Further arguments of `comparison`.
    """
    rng = np.random.default_rng(0)
    found = []
    for (place, samples), size in itertools.product(
        enumerate(n_train), range(max(map(len, planted.values())))
    ):
        names = [name for name, points in planted.items() if size < len(points)]
        made = comparison(
            seeds=seeds,
            contenders=names,
            metric=metric,
            model={"n_layers": size + 1},
            data={"n_train": samples} if len(n_train) > 1 else {},
            **more,
        )
        for row in made:
            parameters, mean = planted[row.contender][size]
            score = mean + gain * place + (rng.normal(0, spread) if spread else 0.0)
            found.append(
                dataclasses.replace(
                    row,
                    parameters=parameters,
                    test_score=None if row.error else score,
                    size={"n_layers": size + 1},
                    n_train=samples,
                    curve=None,
                )
            )
    return found


def suite(data_sets: int = 12, seeds: int = 10) -> list[Row]:
    """Returns the rows of a whole suite: two models, data sets, a sweep, failures, a regression."""
    rows = []
    names = ["two_curves", "bars_and_stripes", "linearly_separable", "digits", "wine", "iris"]
    names += ["breast_cancer", "mnist_3v5", "mnist_3v6", "hyperplane_parity"]
    for number, name in enumerate(names[:data_sets]):
        base = 0.7 + 0.02 * number
        rows += comparison(data={"name": name}, base=base, seeds=seeds)
    for difficulty in (2, 4, 6, 8):
        rows += comparison(
            data={"name": "hidden_manifold", "difficulty": difficulty},
            base=0.95 - 0.03 * difficulty,
            seeds=seeds,
            fails=[("hybrid", 1), ("frozen_circuit", 1), ("frozen_circuit", 2)],
        )
    rows += comparison(model={"name": "reuploading"}, base=0.8, seeds=seeds)
    rows += comparison(
        data={"name": "diabetes"},
        model={"name": "regression"},
        metric="r2",
        base=0.42,
        seeds=seeds,
    )
    return rows


def row(task: str, **fields: Any) -> Row:
    """Returns a row with a task's id and little else."""
    made = Row(
        task,
        comparison="c",
        data={"name": "iris"},
        model={"name": "pqc_dense"},
        training={"epochs": 1, "batch_size": 32},
        backend="tensorflow",
        contender="hybrid",
        seed=0,
    )
    return dataclasses.replace(made, **fields)


def line(row: Row) -> bytes:
    """Returns a row as it stands in a results file, without the end of its line."""
    return json.dumps(row.to_json()).encode()


def changed(
    rows: Sequence[Row], where: Callable[[Row], bool] = lambda row: True, **fields: Any
) -> list[Row]:
    """Returns rows with other fields where something holds; a function of a row gives a value."""
    return [
        dataclasses.replace(
            row, **{name: v(row) if callable(v) else v for name, v in fields.items()}
        )
        if where(row)
        else row
        for row in rows
    ]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
