"""Builders of quantum convolutional and quanvolutional networks."""

from __future__ import annotations

import math
from typing import Any

import keras

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.bench.heads import Data, bloch, with_head
from qkeras_hybrid.layers import PQCDense


def qcnn(
    dataset: Data,
    *,
    n_qubits: int | None = None,
    n_layers: int = 1,
    encoding: str = "amplitude",
    engine: str = "auto",
) -> keras.Model:
    """Builds a quantum convolutional network, after Cong, Choi and Lukin 2019.

    The features enter as amplitudes or angles. Convolutions and pooling alternate until one qubit
    is left. Its X, Y and Z are the inputs of the Dense head.

    Args:
        dataset: The data set that the model is built for.
        n_qubits: The number of qubits, a power of two. By default the smallest number whose
            amplitudes can hold the features, at most 8; for other encodings 4.
        n_layers: The number of convolutions before each pooling.
        encoding: The name of an encoding.
        engine: The name of an engine, or `"auto"`.

    Returns:
        An untrained model from `(batch, n_features)` to `(batch, n_outputs)`.

    Raises:
        ValueError: If there are more than 256 features for 8 qubits, or `n_qubits` is not a power
            of two.

    Reference:
        I. Cong, S. Choi and M. D. Lukin, Quantum convolutional neural networks, Nature Physics
        15, 1273-1278, 2019, arXiv 1810.03787.
    """
    if n_qubits is None:
        n_qubits = 4
        if encoding == "amplitude":
            if dataset.n_features > 256:
                raise ArgumentError(
                    "dataset",
                    "have at most 256 features for `qcnn`",
                    dataset.n_features,
                    'Reduce them with `pca`, set encoding="angle", or set `n_qubits` to a power '
                    "of two that is large enough.",
                )
            n_qubits = next(n for n in (2, 4, 8) if 2**n >= dataset.n_features)
    return with_head(
        dataset,
        PQCDense(
            3,
            n_qubits=n_qubits,
            n_layers=n_layers,
            encoding=encoding,
            ansatz="qcnn",
            observables=bloch(1),
            engine=engine,
        ),
    )


def quanvolution(
    dataset: Data,
    *,
    patch: int = 2,
    n_layers: int = 1,
    trainable: bool = False,
    encoding: str = "angle",
    ansatz: str = "random_layers",
    engine: str = "auto",
) -> keras.Model:
    """Builds a quanvolutional network, after Henderson et al. 2019.

    The image is divided into adjacent patches of `patch` by `patch` pixels. The same small circuit
    maps each patch to the Z of its `patch**2` qubits, like the filters of a convolution. The
    values of all patches are the inputs of the Dense head.

    Args:
        dataset: The data set that the model is built for, of images.
        patch: Height and width of a patch. It must divide those of the image.
        n_layers: The number of layers of the ansatz.
        trainable: Whether the circuit trains. If not, as in the paper, its weights are random,
            uniform in [-pi, pi].
        encoding: The name of an encoding.
        ansatz: The name of an ansatz.
        engine: The name of an engine, or `"auto"`.

    Returns:
        An untrained model from `(batch, n_features)` to `(batch, n_outputs)`.

    Raises:
        ValueError: If the data are not images, or the patches don't cover them.

    Reference:
        M. Henderson, S. Shakya, S. Pradhan and T. Cook, Quanvolutional neural networks: powering
        image recognition with quantum circuits, 2019, arXiv 1904.04767.
    """
    patch = positive_int("patch", patch)
    shape = dataset.image_shape
    if shape is None:
        raise ArgumentError(
            "dataset",
            "hold images for `quanvolution`",
            f"{dataset.n_features} features",
            "Take a data set of images, without `pca`.",
        )
    height, width, channels = (*shape, 1)[:3]
    if height % patch or width % patch:
        raise ArgumentError("patch", f"divide {height} and {width}, the image's sides", patch)
    weights: dict[str, Any] = (
        {}
        if trainable
        else {
            "trainable": False,
            "weight_initializer": keras.initializers.RandomUniform(-math.pi, math.pi),
        }
    )
    return with_head(
        dataset,
        # The axes: rows and columns of patches, and the pixels of a patch row by row.
        keras.layers.Reshape((height // patch, patch, width // patch, patch * channels)),
        keras.layers.Permute((1, 3, 2, 4)),
        keras.layers.Reshape((height // patch, width // patch, patch * patch * channels)),
        PQCDense(
            patch * patch,
            n_qubits=patch * patch,
            n_layers=n_layers,
            encoding=encoding,
            ansatz=ansatz,
            engine=engine,
            **weights,
        ),
        keras.layers.Flatten(),
    )
