"""What all builders of hybrid models share: what they ask of a data set, and the Dense head."""

from __future__ import annotations

from typing import Protocol

import keras


class Data(Protocol):
    """What a builder asks of a data set: `qkeras_hybrid.datasets.Dataset` has it."""

    @property
    def n_features(self) -> int:
        """The width of the inputs."""

    @property
    def n_outputs(self) -> int:
        """The width of the outputs: the number of classes or costs, or 1."""

    @property
    def task(self) -> str:
        """What is learned: "classification", "regression" or "decisions"."""

    @property
    def image_shape(self) -> tuple[int, ...] | None:
        """Height, width and channels (if any) of a sample, None where it is no image."""


def with_head(dataset: Data, *layers: keras.Layer) -> keras.Model:
    """Puts an input of the data set's features before layers, and the Dense head behind them."""
    activation = "softmax" if dataset.task == "classification" else "linear"
    return keras.Sequential(
        [
            keras.Input((dataset.n_features,)),
            *layers,
            keras.layers.Dense(dataset.n_outputs, activation=activation),
        ]
    )


def bloch(n_qubits: int) -> list[str]:
    """Returns X, Y and Z of each qubit."""
    return [f"{pauli}{qubit}" for qubit in range(n_qubits) for pauli in "XYZ"]
