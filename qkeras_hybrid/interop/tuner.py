"""A search space for KerasTuner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.layers import PQCDense


def tuned_pqc_dense(
    hp: Any,
    units: int,
    *,
    max_qubits: int = 8,
    max_layers: int = 4,
    encodings: Sequence[str] = ("angle", "reuploading"),
    ansatz: Sequence[str] = ("strongly_entangling", "basic_entangler", "hardware_efficient"),
    prefix: str = "quantum",
    **kwargs: Any,
) -> PQCDense:
    """Returns a `PQCDense` whose qubits, layers, encoding and ansatz KerasTuner chooses.

    Args:
        hp: KerasTuner's `HyperParameters`, which it passes to a function that builds a model.
        units: The layer's units.
        max_qubits: The largest number of qubits to try. The smallest is 2, or more if `units` needs
            more.
        max_layers: The largest number of ansatz layers to try. The smallest is 1.
        encodings: Names of the encodings to try. They must accept the features on any number of
            qubits.
        ansatz: Names of the ansatz templates to try.
        prefix: The start of the hyperparameters' names. Each such layer of a model needs its own.
        **kwargs: Further arguments of `PQCDense`, which are not searched.

    Raises:
        ValueError: If a number is not positive, or `max_qubits` is too small for the units.

    Example:

    >>> import keras_tuner
    >>> def build(hp):
    ...     model = keras.Sequential([
    ...         keras.Input((64,)),
    ...         keras.layers.Dense(hp.Int("features", 2, 8), activation="tanh"),
    ...         tuned_pqc_dense(hp, units=8),
    ...         keras.layers.Dense(10, activation="softmax"),
    ...     ])
    ...     model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    ...     return model
    >>> tuner = keras_tuner.RandomSearch(build, objective="val_accuracy", max_trials=10)
    >>> sorted(tuner.oracle.get_space().values)
    ['features', 'quantum_ansatz', 'quantum_encoding', 'quantum_n_layers', 'quantum_n_qubits']
    """
    units = positive_int("units", units)
    # `n` qubits have 2**n - 1 products of Pauli Z to measure.
    fewest = 2 if "observables" in kwargs else max(2, units.bit_length())
    if positive_int("max_qubits", max_qubits) < fewest:
        raise ArgumentError("max_qubits", f"be at least {fewest} for {units} units", max_qubits)
    return PQCDense(
        units,
        n_qubits=hp.Int(f"{prefix}_n_qubits", fewest, max_qubits),
        n_layers=hp.Int(f"{prefix}_n_layers", 1, positive_int("max_layers", max_layers)),
        encoding=hp.Choice(f"{prefix}_encoding", list(encodings)),
        ansatz=hp.Choice(f"{prefix}_ansatz", list(ansatz)),
        **kwargs,
    )
