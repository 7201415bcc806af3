"""What all builders of hybrid models share: the data set's interface and the Dense head."""

from __future__ import annotations

from typing import Protocol

import keras


class Data(Protocol):
    """What a builder needs of a data set: `qkeras_hybrid.datasets.Dataset` has it."""

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
        """Height, width and channels (if any) of a sample; None if samples are not images."""


def with_head(dataset: Data, *layers: keras.Layer) -> keras.Model:
    """Makes a model of an input for the data set's features, the layers, and a Dense head."""
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
