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

    `Dense(n_qubits, "tanh")`, times pi/2, then `PQCDense(n_qubits)`, then the Dense head. Each
    qubit gets an angle between -pi/2 and pi/2 radians.

    Args:
        dataset: The data set that the model is built for.
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
    weights (`ReuploadingEncoding`), with no classical layer before it. It returns X, Y and Z of
    every qubit. The paper's fidelities with label states are linear in these, so its
    weighted-fidelity readout is a special case of the Dense head here.

    Args:
        dataset: The data set that the model is built for.
        n_qubits: The number of qubits; further features are encoded in further rounds.
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

    The features, times `scaling`, and their pairwise products are phases of an IQP encoding
    without a classical layer before it; a trained ansatz follows. The circuit returns Z of every
    qubit and the parity of all qubits, which is the paper's observable. The Dense head adds a bias
    and allows more than two classes.

    Args:
        dataset: The data set that the model is built for.
        n_qubits: The number of qubits; further features are encoded in further rounds.
        n_layers: The number of layers of the ansatz.
        n_encoding_layers: The number of layers of the encoding; the paper has two.
        scaling: The angle in radians for a feature of value one.
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

    The features, times `scaling`, are encoded, and X, Y and Z of each qubit are the inputs of a
    Dense head. Only the head trains, unless the encoding has weights. Z alone would not be enough:
    after a single diagonal block such as IQP's, every Z is zero.

    Args:
        dataset: The data set that the model is built for.
        n_qubits: The number of qubits; most encodings encode further features in further rounds.
        encoding: The name of an encoding.
        scaling: A factor on the features: with most encodings, the angle in radians for a feature
            of value one.
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
        dataset: The data set that the model is built for.
        n_landmarks: The number of landmarks. They start as training samples.
        n_qubits: The number of qubits; by default one for each feature but at most 8, or more if
            the encoding needs more.
        encoding: The name of an encoding.
        kernel: "fidelity" or "projected".
        scale: The initial value of the bandwidth, a trained factor on the features.
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

    The trunk does not train. Without a file it is `Dense(trunk_units, "relu")` with random weights:
    then nothing is transferred, and the model learns from random features. For transfer learning,
    give the file of a Keras model that was trained before. Its training samples must not be in the
    test set of this data set, which the model can't check.

    Args:
        dataset: The data set that the model is built for.
        trunk: The path of a `.keras` file. The trunk is its model without the last layer.
        trunk_units: The width of the random trunk if there is no file.
        n_qubits: The number of qubits, which is also the width of the layers around them.
        n_layers: The number of layers of the ansatz.
        encoding: The name of an encoding.
        ansatz: The name of an ansatz.
        engine: The name of an engine, or `"auto"`.

    Returns:
        An untrained model from `(batch, n_features)` to `(batch, n_outputs)`.

    Raises:
        ValueError: If the file is not a Keras model with inputs of shape `(batch, n_features)`.

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
