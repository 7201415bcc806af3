"""An epoch of Keras `fit` on the digits data: a quantum layer on each engine, and a Dense twin."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence

import keras

from qkeras_hybrid import datasets
from qkeras_hybrid.bench import controls
from qkeras_hybrid.bench.fitting import EpochClock
from qkeras_hybrid.layers import PQCDense
from qkeras_hybrid.perf.base import Timing, reason_of, take_turns

TWIN = "dense"
BATCH_SIZE = 32
N_QUBITS, N_LAYERS = 8, 3


def hybrid(engine: str, n_features: int = 64, n_classes: int = 10) -> keras.Model:
    """Builds `Dense(8)`, an 8-qubit 3-layer `PQCDense(8)`, and `Dense(10)`.

    Args:
        engine: The engine's name.
        n_features: The width of the inputs.
        n_classes: The width of the outputs.
    """
    return keras.Sequential(
        [
            keras.Input((n_features,)),
            keras.layers.Dense(N_QUBITS),
            PQCDense(N_QUBITS, n_qubits=N_QUBITS, n_layers=N_LAYERS, engine=engine),
            keras.layers.Dense(n_classes, activation="softmax"),
        ]
    )


def _twin() -> keras.Model:
    """Builds the hybrid with a Dense layer of the same width in the quantum layer's place."""
    # Which engine the layer that is replaced has makes no difference; this one is always there.
    return controls.same_width(hybrid("statevector"))


def measure(
    names: Sequence[str],
    *,
    rounds: int,
    budget_s: float,
    cap_s: float,
    on_model: Callable[[str], None] = lambda name: None,
) -> dict[str, Timing]:
    """Times epochs of the hybrid on each engine and of the Dense twin, in turns.

    The twin has a `Dense` layer of the same width in the quantum layer's place. All models are
    trained with Adam on the same batches of 32.

    Args:
        names: The engines.
        rounds: Epochs of each model at least, after its first.
        budget_s: Seconds for all models together; see `take_turns`.
        cap_s: Seconds after which a model gets no more turns.
        on_model: Called with the name of each model before its first epoch.

    Returns:
        The timings by engine; the twin's is the first, under `"dense"`. A model that can't be
        built or trained has the reason there.
    """
    data = datasets.load("digits")
    split = datasets.split(data, 0)
    timings = {name: Timing() for name in (TWIN, *names)}
    runs: dict[str, Callable[[], float]] = {}

    def epoch(model: keras.Model) -> float:
        clock = EpochClock()
        model.fit(
            *(split.x_train, split.y_train),
            batch_size=BATCH_SIZE,
            verbose=0,
            callbacks=[clock],
        )
        return clock.seconds

    for name, timing in timings.items():
        on_model(name)
        try:
            keras.utils.set_random_seed(0)
            model = _twin() if name == TWIN else hybrid(name)
            model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
            start = time.perf_counter()
            epoch(model)
            timing.first_s = time.perf_counter() - start
        except Exception as error:
            timing.reason = reason_of(error)
            continue
        if timing.first_s > cap_s:
            timing.reason = f"its first epoch took more than {cap_s:g} s"
            continue
        runs[name] = functools.partial(epoch, model)
    take_turns(runs, timings, budget_s=budget_s, cap_s=cap_s, rounds=rounds)
    return timings
