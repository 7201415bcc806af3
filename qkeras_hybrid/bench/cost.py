"""What a fitted contender costs: seconds, memory, and what hardware would have to run."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from qkeras_hybrid.datasets import Split
from qkeras_hybrid.layers.base import QuantumLayer, watched_runs

SHOTS = 1000
"""The number of shots per circuit evaluation in `shots_total`."""

REPEATS = 7
"""How often inference is timed; the median is kept."""


def measure(
    model: Any,
    split: Split,
    training: Mapping[str, Any],
    *,
    first_epoch_seconds: float | None = None,
    epoch_seconds: float | None = None,
    peak_memory: int | None = None,
    shots: int = SHOTS,
) -> dict[str, float | int | None]:
    """Measures a fitted contender without changing it.

    Args:
        model: A trained Keras model, or a fitted scikit-learn estimator.
        split: The split that it was trained on.
        training: `"epochs"` and `"batch_size"`, for the number of steps; `"n_train"` if training
            used fewer samples than the split has, and `"n_valid"`, the number of samples that
            validated each epoch.
        first_epoch_seconds: The time of the first epoch.
        epoch_seconds: The time of a later epoch; None if there was none.
        peak_memory: The `PeakMemory.bytes` of the training.
        shots: The number of shots for a circuit evaluation on hardware.

    Returns:
        Costs by name; None for each that does not apply or is unknown:

        - `step_seconds`: a training step in `fit`, with its data pipeline: the time of a later
          epoch divided by its number of steps.
        - `inference_seconds_1`, `inference_seconds_256`: predicting 1 and 256 samples at once.
        - `compile_seconds`: the time of the first epoch minus that of a later one, which is spent
          on tracing and compilation.
        - `peak_memory_bytes`: the largest memory of this process during training, including its
          libraries and memory that earlier runs still use.
        - `circuit_evaluations_per_step`: the circuits that hardware would run for one training
          step of a full batch; 0 without a circuit.
        - `circuit_evaluations_total`: the same for all samples of all epochs, including predictions
          for validation, and `shots_total`, the shots that these take.
    """
    if isinstance(model, keras.Model):
        infer: Callable[[Any], Any] = model.predict_on_batch
        n_train, batch = training.get("n_train", len(split.x_train)), training["batch_size"]
        per_sample: int | None = evaluations_per_sample(model, split.x_train)
        n_steps = math.ceil(n_train / batch)
        per_step: int | None = (per_sample or 0) * min(batch, n_train)
        # Counted by samples, not by batches, since the last batch may be smaller.
        forward = evaluations_per_sample(model, split.x_train, gradient=False)
        an_epoch = (per_sample or 0) * n_train + forward * training.get("n_valid", 0)
        total: int | None = an_epoch * training["epochs"]
    else:
        infer, n_steps, per_step, total = model.predict, 0, None, None
    later = epoch_seconds if n_steps else None
    return {
        "step_seconds": None if later is None else later / n_steps,
        "inference_seconds_1": _median(infer, _rows(split.x_train, 1)),
        "inference_seconds_256": _median(infer, _rows(split.x_train, 256)),
        "compile_seconds": (
            None
            if later is None or first_epoch_seconds is None
            else max(0.0, first_epoch_seconds - later)
        ),
        "peak_memory_bytes": peak_memory,
        "circuit_evaluations_per_step": per_step,
        "circuit_evaluations_total": total,
        "shots_total": None if total is None else total * shots,
    }


def evaluations_per_sample(
    model: keras.Model, x: npt.NDArray[Any], *, gradient: bool = True
) -> int:
    """Returns the circuits that hardware would run for one sample of a training step.

    They are counted while the model computes one sample. So a layer that runs several times for a
    sample (on the patches of an image, on the steps of a sequence, or because the model calls it
    twice) counts several times.

    Args:
        model: A built model.
        x: Samples, of shape `(n, n_features)`; only the first is computed.
        gradient: Whether the circuits for gradients count too; if not, only those of a prediction.
    """
    total = 0

    def add(layer: QuantumLayer, inputs: Any) -> None:
        nonlocal total
        asked = layer.resources()
        each = asked.evaluations_per_sample if gradient else asked.measurement_settings
        total += int(inputs.shape[0]) * each

    with watched_runs(add):
        model(x[:1])
    return total


def _rows(x: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    return np.resize(x, (count, *x.shape[1:]))


def _median(function: Callable[[Any], Any], argument: Any) -> float:
    function(argument)  # tracing and compilation, which are not timed
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function(argument)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


class PeakMemory:
    """Measures the largest memory of this process during a `with` block.

    Attributes:
        bytes: The peak, measured by the kernel; None before the end of the block, and on systems
            other than Linux.
    """

    bytes: int | None = None

    def __enter__(self) -> PeakMemory:
        """Resets the kernel's peak."""
        try:
            # 5 resets the peak: see the Linux manual, proc_pid_clear_refs(5).
            with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
                file.write("5")
            self._counts = True
        except OSError:
            self._counts = False
        return self

    def __exit__(self, *error: object) -> None:
        """Reads the peak."""
        if not self._counts:
            return
        with open("/proc/self/status", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("VmHWM:"):
                    self.bytes = int(line.split()[1]) * 1024
