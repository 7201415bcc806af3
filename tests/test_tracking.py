"""What trackers write of a row, read back by the tools themselves."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

import made_rows
from qkeras_hybrid.bench import tracking

ROWS = made_rows.comparison(seeds=1, contenders=("hybrid", "rbf_svc"), epochs=4)
HYBRID, SVC = ROWS
# As of a frontier, whose rows keep no curves.
(SIZE,) = made_rows.changed([HYBRID], task="e" * 16, size={"n_layers": 2}, curve=None)
(FAILED,) = made_rows.changed([HYBRID], task="f" * 16, error="ValueError: no")


def test_a_csv_file_holds_the_curve(tmp_path: Path) -> None:
    track = tracking.csv_tracker(tmp_path / "curves")
    for row in (HYBRID, SVC, FAILED):
        track(row)
    (file,) = (tmp_path / "curves").iterdir()
    assert file.stem == HYBRID.task
    with file.open(encoding="utf-8") as lines:
        found = list(csv.DictReader(lines))
    assert [int(line["epoch"]) for line in found] == [1, 2, 3, 4]
    for column, values in (
        ("seconds", HYBRID.curve["seconds"]),
        ("loss", HYBRID.loss),
        ("train_score", HYBRID.curve["train_score"]),
    ):
        assert [float(line[column]) for line in found] == values


def test_without_a_curve_the_losses_are_written(tmp_path: Path) -> None:
    tracking.csv_tracker(tmp_path)(SIZE)
    with (tmp_path / f"{SIZE.task}.csv").open(encoding="utf-8") as lines:
        found = list(csv.DictReader(lines))
    assert [float(line["loss"]) for line in found] == SIZE.loss
    assert {(line["seconds"], line["train_score"]) for line in found} == {("", "")}


def test_tensorboard_reads_the_losses_of_a_row_without_a_curve(tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    tracking.tensorboard_tracker(tmp_path)(SIZE)
    (folder,) = tmp_path.iterdir()
    events = accumulators.EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    assert set(events.Tags()["tensors"]) == {"loss", "test_score"}
    assert [event.step for event in events.Tensors("loss")] == [1, 2, 3, 4]


def test_tensorboard_reads_the_curve(tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    track = tracking.tensorboard_tracker(tmp_path)
    for row in (HYBRID, SVC, FAILED):
        track(row)
    (folder,) = tmp_path.iterdir()
    assert folder.name == "iris-pqc_dense-hybrid-0"
    events = accumulators.EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    assert set(events.Tags()["tensors"]) == {"loss", "train_score", "test_score"}
    assert [event.step for event in events.Tensors("loss")] == [1, 2, 3, 4]


def test_mlflow_holds_a_run_for_each_row(tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    for _ in range(2):  # the experiment is made once
        track = tracking.mlflow_tracker(uri)
    for row in (HYBRID, SVC, FAILED, SIZE):
        track(row)
    client = mlflow.MlflowClient(uri)
    experiment = client.get_experiment_by_name(tracking.EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 4
    (size,) = (run for run in runs if run.data.tags["task"] == SIZE.task)
    assert [m.value for m in client.get_metric_history(size.info.run_id, "loss")] == SIZE.loss
    assert "train_score" not in size.data.metrics
    runs = [run for run in runs if run is not size]
    by_status = {run.info.status: run for run in runs if run.data.params["contender"] == "hybrid"}
    run = by_status["FINISHED"]
    assert run.data.tags["task"] == HYBRID.task
    assert run.data.params["data.name"] == "iris"
    assert run.data.params["hyperparameters.learning_rate"] == "0.01"
    assert run.data.metrics["test_score"] == HYBRID.test_score
    assert [m.value for m in client.get_metric_history(run.info.run_id, "loss")] == HYBRID.loss
    assert by_status["FAILED"].data.tags["error"] == "ValueError: no"


def test_a_server_of_mlflow_that_can_not_be_used_is_said() -> None:
    pytest.importorskip("mlflow")
    with pytest.raises(tracking.TrackingError, match="can't be used"):
        tracking.mlflow_tracker("nonsense://here")
