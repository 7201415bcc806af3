"""Writes finished runs for tools that show trainings: CSV files, TensorBoard and MLflow.

A tracker takes a row, so it works for runs in this process, in workers and on a cluster.
"""

from __future__ import annotations

import csv
import importlib.util
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qkeras_hybrid import _files
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.bench.row import Row

if TYPE_CHECKING:
    import mlflow
else:
    mlflow = lazy_module("mlflow")

Tracker = Callable[[Row], None]
"""Called with each new row."""

EXPERIMENT = "qkeras-hybrid"
"""The name of the experiment in MLflow."""


class TrackingError(RuntimeError):
    """A tracking tool is not installed or can't be reached."""


def csv_tracker(folder: Path) -> Tracker:
    """Returns a tracker that writes each run's curve as `FOLDER/<task>.csv`.

    Columns: `epoch` (from 1), `seconds` since the start, `loss` and `train_score`. A failed run,
    or one without epochs, has no file. Rows of a frontier contain only the losses: `seconds` and
    `train_score` are then empty.
    """

    def track(row: Row) -> None:
        lines = list(_epochs(row))
        if lines:
            folder.mkdir(parents=True, exist_ok=True)
            file = io.StringIO(newline="")
            writer = csv.DictWriter(file, fieldnames=list(lines[0]))
            writer.writeheader()
            writer.writerows(lines)
            _files.write(folder / f"{row.task}.csv", file.getvalue())

    return track


def tensorboard_tracker(folder: Path) -> Tracker:
    """Returns a tracker that writes each run's curve for `tensorboard --logdir FOLDER`.

    A run's name consists of data, model, contender, seed and task. Its scalars are `loss` and
    `train_score` of each epoch (for a frontier only `loss`), and `test_score` at the last epoch.

    Raises:
        TrackingError: If TensorFlow, which writes TensorBoard's files, is not installed.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise TrackingError(
            "TensorBoard's files are written by TensorFlow, which is not installed: "
            'pip install "qkeras-hybrid[tensorflow]".'
        )

    def track(row: Row) -> None:
        lines = list(_epochs(row))
        if not lines:
            return
        import tensorflow as tf

        writer = tf.summary.create_file_writer(str(folder / _name(row).replace(" ", "-")))
        with writer.as_default():
            for line in lines:
                for name in ("loss", "train_score"):
                    if line[name] is not None:
                        tf.summary.scalar(name, line[name], step=line["epoch"])
            if row.test_score is not None:
                tf.summary.scalar("test_score", row.test_score, step=len(lines))
        writer.close()

    return track


def mlflow_tracker(uri: str) -> Tracker:
    """Returns a tracker that logs each run to MLflow.

    Args:
        uri: The address of the tracking server or database, e.g. `"sqlite:///mlflow.db"`.

    Raises:
        TrackingError: If MLflow is not installed or the server can't be reached.
    """
    try:
        client = mlflow.MlflowClient(uri)
        found = client.get_experiment_by_name(EXPERIMENT)
        experiment = found.experiment_id if found else client.create_experiment(EXPERIMENT)
    except ImportError as error:
        raise TrackingError(
            'MLflow is not installed: pip install "qkeras-hybrid[mlflow]".'
        ) from error
    except mlflow.exceptions.MlflowException as error:
        line = str(error).strip().split("\n")[0]
        raise TrackingError(f"MLflow at {uri!r} can't be used: {line}") from error

    def track(row: Row) -> None:
        tags = {"task": row.task, "comparison": row.comparison}
        run = client.create_run(experiment, run_name=_name(row), tags=tags).info.run_id
        for part in ("data", "model", "hyperparameters"):
            for name, value in getattr(row, part).items():
                client.log_param(run, f"{part}.{name}", value)
        for name in ("contender", "seed", "engine", "parameters"):
            client.log_param(run, name, getattr(row, name))
        for line in _epochs(row):
            for name in ("loss", "train_score"):
                if line[name] is not None:
                    client.log_metric(run, name, line[name], step=line["epoch"])
        for name in ("test_score", "fit_seconds"):
            value = getattr(row, name)
            if value is not None:
                client.log_metric(run, name, value)
        if row.error is not None:
            client.set_tag(run, "error", row.error)
        client.set_terminated(run, "FINISHED" if row.error is None else "FAILED")

    return track


def _name(row: Row) -> str:
    return f"{row.data['name']} {row.model['name']} {row.contender} {row.seed}"


def _epochs(row: Row) -> Iterator[dict[str, Any]]:
    """Yields a row's values of each epoch; None for values that rows of a frontier lack."""
    if row.error is not None or row.loss is None:
        return
    nothing = [None] * len(row.loss)
    curve = row.curve or {"seconds": nothing, "train_score": nothing}
    for epoch, values in enumerate(
        zip(curve["seconds"], row.loss, curve["train_score"], strict=True), start=1
    ):
        yield dict(zip(("epoch", "seconds", "loss", "train_score"), (epoch, *values), strict=True))
