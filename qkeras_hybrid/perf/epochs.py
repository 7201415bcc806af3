"""An epoch of Keras `fit` on the digits data: a quantum layer on each engine, and a Dense twin."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from qkeras_hybrid import datasets
from qkeras_hybrid.bench import controls
from qkeras_hybrid.bench.fitting import EpochClock
from qkeras_hybrid.layers import PQCDense
from qkeras_hybrid.perf.base import (
    Config,
    Contenders,
    Timing,
    by_backend,
    named,
    reason_of,
    split,
    take_turns,
    turn,
)

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
    """Builds the hybrid with a Dense layer of the same width in place of the quantum layer."""
    # The engine of the replaced layer does not matter; this one is always available.
    return controls.same_width(hybrid("statevector"))


class Epochs:
    """Epochs under the Keras backend of this process: `Contenders` by engine, and the twin."""

    def __init__(self) -> None:
        self._split = datasets.split(datasets.load("digits"), 0)
        self._runs: dict[str, Callable[[], float]] = {}

    def first(self, name: str, config: Config | None) -> tuple[float, list[np.ndarray]]:
        """Builds a model, compiles it, and trains it for an epoch; `config` is not used."""
        keras.utils.set_random_seed(0)
        model = _twin() if name == TWIN else hybrid(name)
        model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy")
        start = time.perf_counter()
        self._epoch(model)
        seconds = time.perf_counter() - start
        self._runs[name] = functools.partial(self._epoch, model)
        return seconds, []

    def turn(self, name: str, seconds: float) -> list[float]:
        """Continues the training of a model for some time; see `base.turn`."""
        return turn(self._runs[name], seconds)

    def _epoch(self, model: keras.Model) -> float:
        clock = EpochClock()
        model.fit(
            *(self._split.x_train, self._split.y_train),
            batch_size=BATCH_SIZE,
            verbose=0,
            callbacks=[clock],
        )
        return clock.seconds


def measure(
    names: Sequence[str],
    elsewhere: Mapping[str, Contenders] | None = None,
    *,
    rounds: int,
    budget_s: float,
    cap_s: float,
    on_model: Callable[[str], None] = lambda name: None,
) -> dict[str, Timing]:
    """Times epochs of the hybrid on each engine and of the Dense twin, in turns.

    The twin has a `Dense` layer of the same width in place of the quantum layer. All models are
    trained with Adam on the same batches of 32.

    Args:
        names: The engines; those on other backends as in `native@jax`.
        elsewhere: The contenders under the other backends, by backend.
        rounds: The smallest number of epochs of each model, after its first.
        budget_s: Seconds for all models together; see `take_turns`.
        cap_s: Seconds after which a model gets no more turns.
        on_model: Called with the name of each model before its first epoch.

    Returns:
        The timings by name. On each backend the twin comes first, as `"dense"` or `"dense@jax"`,
        then the engines. If a model can't be built or trained, its timing has the reason.
    """
    places = {keras.backend.backend(): Epochs(), **(elsewhere or {})}
    timings = {
        name: Timing()
        for backend, its in by_backend(names).items()
        for name in (named(TWIN, backend), *its)
    }
    runs: dict[str, Callable[[float], list[float]]] = {}
    for name, timing in timings.items():
        on_model(name)
        model, backend = split(name)
        try:
            timing.first_s, _ = places[backend].first(model, None)
        except Exception as error:
            timing.reason = reason_of(error)
            continue
        if timing.first_s > cap_s:
            timing.reason = f"its first epoch took more than {cap_s:g} s"
            continue
        runs[name] = functools.partial(places[backend].turn, model)
    take_turns(runs, timings, budget_s=budget_s, cap_s=cap_s, rounds=rounds)
    return timings
