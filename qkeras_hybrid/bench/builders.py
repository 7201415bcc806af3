"""Builders of hybrid models on features: dressed circuits, re-uploading, embeddings, kernels."""

from __future__ import annotations

import math
from pathlib import Path

import keras

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.bench.heads import Data, bloch, with_head
from qkeras_hybrid.bench.model_files import content
from qkeras_hybrid.encodings import IQPEncoding, ReuploadingEncoding
from qkeras_hybrid.layers import PQCDense, QuantumEmbedding, QuantumKernel


def pqc_dense(
    dataset: Data,
    *,
    n_qubits: int = 6,
    n_layers: int = 3,
    encoding: str = "angle",
    ansatz: str = "strongly_entangling",
    engine: str = "auto",
) -> keras.Model:
    """Builds a circuit dressed in two Dense layers, after Mari et al. 2020.

    `Dense(n_qubits, "tanh")`, times pi/2, then `PQCDense(n_qubits)`, then the Dense head: each
    qubit gets an angle between -pi/2 and pi/2 radians.

    Args:
        dataset: What the model is for.
        n_qubits: The number of qubits, which is also the width of the layers around them.
        n_layers: The number of layers of the ansatz.
        encoding: The name of an encoding.
        ansatz: The name of an ansatz.
        engine: The name of an engine, or `"auto"`.

    Returns:
        An untrained model from `(batch, n_features)` to `(batch, n_outputs)`.

    Reference:
        A. Mari, T. R. Bromley, J. Izaac, M. Schuld and N. Killoran, Transfer learning in hybrid
        classical-quantum neural networks, Quantum 4, 340, 2020, arXiv 1912.08278.
    """
    return with_head(
        dataset,
        *_dressed(n_qubits, n_layers, encoding, ansatz, engine),
    )


def reuploading(
    dataset: Data, *, n_qubits: int = 4, n_layers: int = 3, engine: str = "auto"
) -> keras.Model:
    """Builds a data re-uploading classifier, after Pérez-Salinas et al. 2020.

    The circuit takes the features `n_layers` times, each time scaled and shifted by trained
    weights (`ReuploadingEncoding`), with no classical layer before it. What is read are X, Y
    and Z of every qubit: the paper's fidelities with label states are linear in them, so that
    its weighted-fidelity readout is a special case of the Dense head here.

    Args:
        dataset: What the model is for.
        n_qubits: The number of qubits; features beyond them go round again.
        n_layers: How often the features are uploaded.
        engine: The name of an engine, or `"auto"`.

    Returns:
        An untrained model from `(batch, n_features)` to `(batch, n_outputs)`.

    Reference:
        A. Pérez-Salinas, A. Cervera-Lierta, E. Gil-Fuster and J. I. Latorre, Data re-uploading
        for a universal quantum classifier, Quantum 4, 226, 2020, arXiv 1907.02085.
    """
    n_qubits = positive_int("n_qubits", n_qubits)
    return with_head(
        dataset,
        QuantumEmbedding(
            n_qubits,
            encoding=ReuploadingEncoding(n_layers),
            observables=bloch(n_qubits),
            engine=engine,
        ),
    )


def iqp(
    dataset: Data,
    *,
    n_qubits: int = 6,
    n_layers: int = 3,
    n_encoding_layers: int = 2,
    scaling: float = 1.0,
    ansatz: str = "strongly_entangling",
    engine: str = "auto",
) -> keras.Model:
    """Builds an IQP variational classifier, after Havlíček et al. 2019.

    The features, times `scaling`, and their products of two are phases of an IQP encoding
    without a classical layer before it; a trained ansatz follows. Read are Z of every qubit and
    the parity of all, the paper's observable, which a Dense head takes for its bias and more
    than two classes.

    Args:
        dataset: What the model is for.
        n_qubits: The number of qubits; features beyond them go round again.
        n_layers: The number of layers of the ansatz.
        n_encoding_layers: Those of the encoding; the paper has two.
        scaling: The angle, in radians, of a feature that is one.
        ansatz: The name of an ansatz.
        engine: The name of an engine, or `"auto"`.

    Returns:
        An untrained model from `(batch, n_features)` to `(batch, n_outputs)`.

    Reference:
        V. Havlíček et al., Supervised learning with quantum-enhanced feature spaces, Nature 567,
        209-212, 2019, arXiv 1804.11326.
    """
    n_qubits = positive_int("n_qubits", n_qubits)
    observables = [f"Z{qubit}" for qubit in range(n_qubits)]
    if n_qubits > 1:
        observables.append("*".join(observables))
    return with_head(
        dataset,
        keras.layers.Rescaling(scaling),
        PQCDense(
            len(observables),
            n_qubits=n_qubits,
            n_layers=n_layers,
            encoding=IQPEncoding(n_encoding_layers),
            ansatz=ansatz,
            observables=observables,
            engine=engine,
        ),
    )


def embedding_head(
    dataset: Data,
    *,
    n_qubits: int = 6,
    encoding: str = "iqp",
    scaling: float = 1.0,
    engine: str = "auto",
) -> keras.Model:
    """Builds a linear model on a fixed quantum feature map, after Schuld and Killoran 2019.

    The features, times `scaling`, are encoded into qubits, of which X, Y and Z are read, and a
    Dense head is all that trains (unless the encoding has weights). Not Z alone: after a single
    diagonal block such as IQP's, every Z is zero.

    Args:
        dataset: What the model is for.
        n_qubits: The number of qubits; most encodings take further features in further rounds.
        encoding: The name of an encoding.
        scaling: A factor on the features: with most encodings, the angle of a feature that is
            one, in radians.
        engine: The name of an engine, or `"auto"`.

    Returns:
        An untrained model from `(batch, n_features)` to `(batch, n_outputs)`.

    Reference:
        M. Schuld and N. Killoran, Quantum machine learning in feature Hilbert spaces, Physical
        Review Letters 122, 040504, 2019, arXiv 1803.07128.
    """
    n_qubits = positive_int("n_qubits", n_qubits)
    return with_head(
        dataset,
        keras.layers.Rescaling(scaling),
        QuantumEmbedding(n_qubits, encoding=encoding, observables=bloch(n_qubits), engine=engine),
    )


def quantum_kernel(
    dataset: Data,
    *,
    n_landmarks: int = 32,
    n_qubits: int | None = None,
    encoding: str = "zz",
    kernel: str = "fidelity",
    scale: float = 0.05,
    train_landmarks: bool = True,
    engine: str = "auto",
) -> keras.Model:
    """Builds a kernel machine: a Dense head on a quantum kernel with landmarks.

    Its control with Fourier features is the same machine for an RBF kernel.

    Args:
        dataset: What the model is for.
        n_landmarks: The number of landmarks. They begin as samples of the training part.
        n_qubits: The number of qubits; by default one for each feature up to 8, or more where the
            encoding needs them.
        encoding: The name of an encoding.
        kernel: "fidelity" or "projected".
        scale: The first value of the factor on the features, the bandwidth, which trains.
        train_landmarks: Whether the landmarks train.
        engine: The name of an engine, or `"auto"`.

    Returns:
        An untrained model from `(batch, n_features)` to `(batch, n_outputs)`.

    Reference:
        V. Havlíček et al., Supervised learning with quantum-enhanced feature spaces, Nature 567,
        209-212, 2019, arXiv 1804.11326.
    """
    return with_head(
        dataset,
        QuantumKernel(
            n_landmarks,
            n_qubits=n_qubits,
            encoding=encoding,
            kernel=kernel,
            scale=scale,
            train_landmarks=train_landmarks,
            train_scale=True,
            engine=engine,
        ),
    )


def transfer(
    dataset: Data,
    *,
    trunk: str | None = None,
    trunk_units: int = 64,
    n_qubits: int = 6,
    n_layers: int = 3,
    encoding: str = "angle",
    ansatz: str = "strongly_entangling",
    engine: str = "auto",
) -> keras.Model:
    """Builds a dressed circuit on a frozen trunk, the transfer learning of Mari et al. 2020.

    The trunk never trains here. Without a file it is `Dense(trunk_units, "relu")` with random
    weights: then nothing is transferred, the model learns from random features, and says what
    the dressed circuit makes of features that were not made for it. To transfer, give the file
    of a Keras model that was trained elsewhere, on samples that are not in this data set's
    test part: the model can't check that.

    Args:
        dataset: What the model is for.
        trunk: The path of a `.keras` file; all layers of its model but the last are the trunk.
        trunk_units: The width of the random trunk, where there is no file.
        n_qubits: The number of qubits, which is also the width of the layers around them.
        n_layers: The number of layers of the ansatz.
        encoding: The name of an encoding.
        ansatz: The name of an ansatz.
        engine: The name of an engine, or `"auto"`.

    Returns:
        An untrained model from `(batch, n_features)` to `(batch, n_outputs)`.

    Raises:
        ValueError: If the file is no Keras model from `(batch, n_features)`.

    Reference:
        A. Mari, T. R. Bromley, J. Izaac, M. Schuld and N. Killoran, Transfer learning in hybrid
        classical-quantum neural networks, Quantum 4, 340, 2020, arXiv 1912.08278.
    """
    layers: list[keras.Layer] = [
        keras.layers.Dense(trunk_units, activation="relu", name="trunk", trainable=False)
    ]
    if trunk is not None:
        layers = [_load_trunk(trunk, dataset), keras.layers.Flatten()]
    return with_head(dataset, *layers, *_dressed(n_qubits, n_layers, encoding, ansatz, engine))


def _dressed(
    n_qubits: int, n_layers: int, encoding: str, ansatz: str, engine: str
) -> list[keras.Layer]:
    return [
        keras.layers.Dense(positive_int("n_qubits", n_qubits), activation="tanh"),
        keras.layers.Rescaling(math.pi / 2),
        PQCDense(
            n_qubits,
            n_qubits=n_qubits,
            n_layers=n_layers,
            encoding=encoding,
            ansatz=ansatz,
            engine=engine,
        ),
    ]


def _load_trunk(path: str, dataset: Data) -> keras.Model:
    content(Path(path), "trunk")
    try:
        model = keras.models.load_model(path, compile=False)
        trunk = keras.Model(model.inputs[0], model.layers[-1].input, name="trunk")
    except Exception as error:
        raise ArgumentError(
            "trunk",
            "be the file of a Sequential or functional Keras model",
            path,
            f"{type(error).__name__}: {error}",
        ) from error
    if trunk.input_shape != (None, dataset.n_features):
        raise ArgumentError(
            "trunk",
            f"take {dataset.n_features} features",
            trunk.input_shape,
            "It must be trained on the same features, e.g. after the same `pca`.",
        )
    trunk.trainable = False
    return trunk
