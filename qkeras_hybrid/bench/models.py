"""Hybrid models to compare, by name, and models from a user's own Python file.

A builder is a function of a data set and keyword arguments that returns an untrained model from
`(batch, n_features)` to `(batch, n_outputs)`: class probabilities, or one number where the task
is regression. Angles are in radians; features come standardised from `datasets.split`.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import keras
import numpy as np

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.bench.controls import quantum_layers
from qkeras_hybrid.encodings import IQPEncoding, ReuploadingEncoding
from qkeras_hybrid.layers import PQCDense, QuantumEmbedding

_PI = math.pi


class Data(Protocol):
    """What a builder asks of a data set: `qkeras_hybrid.datasets.Dataset` has it."""

    @property
    def n_features(self) -> int:
        """The width of the inputs."""

    @property
    def n_outputs(self) -> int:
        """The width of the outputs: the number of classes, or 1."""

    @property
    def task(self) -> str:
        """What is learned: "classification" or "regression"."""

    @property
    def image_shape(self) -> tuple[int, ...] | None:
        """Height, width and channels (if any) of a sample, None where it is no image."""


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
    return _model(
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
    return _model(
        dataset,
        QuantumEmbedding(
            n_qubits,
            encoding=ReuploadingEncoding(n_layers),
            observables=_bloch(n_qubits),
            engine=engine,
        ),
    )


def iqp(
    dataset: Data,
    *,
    n_qubits: int = 6,
    n_layers: int = 3,
    n_repeats: int = 2,
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
        n_repeats: How often each block of the encoding is applied; the paper applies it twice.
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
    return _model(
        dataset,
        keras.layers.Rescaling(scaling),
        PQCDense(
            len(observables),
            n_qubits=n_qubits,
            n_layers=n_layers,
            encoding=IQPEncoding(n_repeats),
            ansatz=ansatz,
            observables=observables,
            engine=engine,
        ),
    )


def qcnn(
    dataset: Data,
    *,
    n_qubits: int | None = None,
    n_layers: int = 1,
    encoding: str = "amplitude",
    engine: str = "auto",
) -> keras.Model:
    """Builds a quantum convolutional network, after Cong, Choi and Lukin 2019.

    The features enter as amplitudes or angles; convolutions and pooling by turns bring them
    down to one qubit, whose X, Y and Z the Dense head takes.

    Args:
        dataset: What the model is for.
        n_qubits: The number of qubits, a power of two. By default the smallest that the
            features fit in as amplitudes, at most 8; and 4 for other encodings.
        n_layers: The number of convolutions before each pooling.
        encoding: The name of an encoding.
        engine: The name of an engine, or `"auto"`.

    Returns:
        An untrained model from `(batch, n_features)` to `(batch, n_outputs)`.

    Raises:
        ValueError: If there are more than 256 features for 8 qubits, or `n_qubits` is no power
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
                    'Reduce them with `pca`, set encoding="angle", or `n_qubits` to a power '
                    "of two that they fit in.",
                )
            n_qubits = next(n for n in (2, 4, 8) if 2**n >= dataset.n_features)
    return _model(
        dataset,
        PQCDense(
            3,
            n_qubits=n_qubits,
            n_layers=n_layers,
            encoding=encoding,
            ansatz="qcnn",
            observables=_bloch(1),
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

    The image is cut into patches of `patch` by `patch` pixels, side by side. One small circuit
    maps each patch to the Z of its `patch**2` qubits, as a convolution's filters do; the Dense
    head takes the values of all patches.

    Args:
        dataset: What the model is for: images.
        patch: Height and width of a patch, which divides those of the image.
        n_layers: The number of layers of the ansatz.
        trainable: Whether the circuit trains. If not, as in the paper, it is a random one:
            weights uniform in [-pi, pi].
        encoding: The name of an encoding.
        ansatz: The name of an ansatz.
        engine: The name of an engine, or `"auto"`.

    Returns:
        An untrained model from `(batch, n_features)` to `(batch, n_outputs)`.

    Raises:
        ValueError: If the data are no images, or the patches don't cover them.

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
            "weight_initializer": keras.initializers.RandomUniform(-_PI, _PI),
        }
    )
    return _model(
        dataset,
        # Rows and columns of patches, and in the last axis a patch's pixels row by row.
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
    return _model(
        dataset,
        keras.layers.Rescaling(scaling),
        QuantumEmbedding(n_qubits, encoding=encoding, observables=_bloch(n_qubits), engine=engine),
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
    return _model(dataset, *layers, *_dressed(n_qubits, n_layers, encoding, ansatz, engine))


MODELS: dict[str, Callable[..., keras.Model]] = {
    "pqc_dense": pqc_dense,
    "reuploading": reuploading,
    "iqp": iqp,
    "qcnn": qcnn,
    "quanvolution": quanvolution,
    "embedding_head": embedding_head,
    "transfer": transfer,
}
"""The hybrid models by name: `builder(dataset, **arguments)`."""


def build(model: Mapping[str, Any], dataset: Data) -> keras.Model:
    """Builds a hybrid model from its name and arguments.

    A name such as `"path/to/file.py:function"` is a function in a user's file. It is called as
    `function(n_features, n_outputs, **arguments)` and returns an untrained Keras model, with a
    quantum layer in it, from `(batch, n_features)` to class probabilities
    `(batch, n_outputs)`, or to `(batch, 1)` for regression. The file runs by itself: it can't
    import its neighbours, because `fingerprint` would not see them change.

    Args:
        model: The `"name"` and the arguments of the builder.
        dataset: What the model is for.

    Returns:
        An untrained model from `(batch, n_features)` to `(batch, n_outputs)`.

    Raises:
        ValueError: If the name or an argument is unknown, the builder refuses a value, or a
            file can't be run or its function returns something else.

    Example:

    >>> import types
    >>> iris = types.SimpleNamespace(
    ...     n_features=4, n_outputs=3, task="classification", image_shape=None
    ... )
    >>> build({"name": "reuploading", "n_qubits": 2, "n_layers": 1}, iris).output_shape
    (None, 3)
    """
    arguments = dict(model)
    if "name" not in arguments:
        raise ArgumentError("model", 'have a "name"', arguments)
    name = arguments.pop("name")
    if _is_file(name):
        return _build_from_file(name, arguments, dataset)
    if name not in MODELS:
        raise ArgumentError(
            "model",
            f"be one of {', '.join(map(repr, MODELS))}",
            name,
            'Your own model is "path/to/file.py:function".',
        )
    _check_arguments(MODELS[name], arguments)
    return MODELS[name](dataset, **arguments)


def defaults(model: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments that a model's builder takes by itself where none are given.

    Args:
        model: As for `build`, with a name that `build` takes.

    Example:
        >>> defaults({"name": "reuploading", "n_qubits": 2})
        {'n_qubits': 4, 'n_layers': 3, 'engine': 'auto'}
    """
    name = model["name"]
    builder = MODELS.get(name)
    if _is_file(name):
        path, function = _split(name)
        builder = getattr(_module(path.resolve(), _content(path)), function)
    assert builder is not None
    parameters = inspect.signature(builder).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def fingerprint(model: Mapping[str, Any]) -> str | None:
    """Returns the SHA-256 of the file that a model comes from, as hexadecimal digits.

    Args:
        model: As for `build`.

    Returns:
        The digest of the user's Python file, or of the file of a `transfer` trunk; None for a
        model that is all defined by its name and arguments.

    Raises:
        ValueError: If the file can't be read.
    """
    name = str(model.get("name"))
    if _is_file(name):
        return hashlib.sha256(_content(_split(name)[0])).hexdigest()
    if model.get("trunk") is not None:
        return hashlib.sha256(_content(Path(model["trunk"]), "trunk")).hexdigest()
    return None


def _model(dataset: Data, *layers: keras.Layer) -> keras.Model:
    """Puts an input of the data set's features before layers, and the Dense head behind them."""
    activation = "linear" if dataset.task == "regression" else "softmax"
    return keras.Sequential(
        [
            keras.Input((dataset.n_features,)),
            *layers,
            keras.layers.Dense(dataset.n_outputs, activation=activation),
        ]
    )


def _dressed(
    n_qubits: int, n_layers: int, encoding: str, ansatz: str, engine: str
) -> list[keras.Layer]:
    return [
        keras.layers.Dense(positive_int("n_qubits", n_qubits), activation="tanh"),
        keras.layers.Rescaling(_PI / 2),
        PQCDense(
            n_qubits,
            n_qubits=n_qubits,
            n_layers=n_layers,
            encoding=encoding,
            ansatz=ansatz,
            engine=engine,
        ),
    ]


def _bloch(n_qubits: int) -> list[str]:
    """Returns X, Y and Z of each qubit."""
    return [f"{pauli}{qubit}" for qubit in range(n_qubits) for pauli in "XYZ"]


def _load_trunk(path: str, dataset: Data) -> keras.Model:
    _content(Path(path), "trunk")
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


def _check_arguments(builder: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    known = [
        p.name for p in inspect.signature(builder).parameters.values() if p.kind == p.KEYWORD_ONLY
    ]
    for name in arguments:
        if name not in known:
            raise ValueError(
                f"The model {builder.__name__!r} has no argument {name!r}: it takes "
                f"{', '.join(known)}."
            )


def _is_file(name: Any) -> bool:
    return isinstance(name, str) and (".py:" in name or name.endswith(".py"))


def _split(name: str) -> tuple[Path, str]:
    path, _, function = name.rpartition(":")
    if not path.endswith(".py") or not function:
        raise ArgumentError("model", 'be "path/to/file.py:function"', name)
    return Path(path), function


def _content(path: Path, argument: str = "model") -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ArgumentError(
            argument,
            "name a file that can be read",
            str(path),
            f"{reason}.",
        ) from error


def _build_from_file(name: str, arguments: Mapping[str, Any], dataset: Data) -> keras.Model:
    path, function = _split(name)
    module = _module(path.resolve(), _content(path))
    builder = getattr(module, function, None)
    if not callable(builder):
        known = [
            key
            for key, value in vars(module).items()
            if inspect.isfunction(value) and value.__module__ == module.__name__
        ]
        raise ArgumentError(
            "model",
            f"name a function of {path}",
            function,
            f"Functions there: {', '.join(known) or 'none'}.",
        )
    try:
        inspect.signature(builder).bind(dataset.n_features, dataset.n_outputs, **arguments)
    except TypeError as error:
        raise ArgumentError(
            "model",
            f"fit {function}{inspect.signature(builder)} of {path}",
            dict(arguments),
            f"It is called as {function}(n_features, n_outputs, **arguments): {error}.",
        ) from error
    try:
        model = builder(dataset.n_features, dataset.n_outputs, **arguments)
    except Exception as error:
        raise ValueError(
            f"{name} failed to build a model. {type(error).__name__}: {error}"
        ) from error
    _check_model(name, model, dataset)
    return model


@functools.cache
def _module(path: Path, content: bytes) -> ModuleType:
    """Runs a file once as it is now; changed, it runs again."""
    digest = hashlib.sha256(str(path).encode() + b"\0" + content).hexdigest()[:16]
    name = f"_qkeras_hybrid_model_{digest}"
    module = ModuleType(name)
    module.__file__ = str(path)
    # Where pickle and Keras look for the classes of the file.
    sys.modules[name] = module
    try:
        exec(compile(content, str(path), "exec"), vars(module))
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise ValueError(
            f"The model file {path} failed to import{line}. {type(error).__name__}: {error}"
        ) from error
    return module


def _check_model(name: str, model: Any, dataset: Data) -> None:
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"{name} must return a keras.Model, but returned {type(model).__name__}."
            + (" Does it end in `return model`?" if model is None else "")
        )
    if not model.built:
        raise ValueError(
            f"{name} must return a model that is built. Begin it with "
            f"keras.Input(({dataset.n_features},))."
        )
    if not quantum_layers(model):
        raise ValueError(
            f"{name} must return a model with a quantum layer in it, such as PQC, PQCDense or "
            f"QuantumEmbedding, but it has {', '.join(type(x).__name__ for x in model.layers)}."
        )
    for side, shape, width in (
        ("input", model.input_shape, dataset.n_features),
        ("output", model.output_shape, dataset.n_outputs),
    ):
        if shape != (None, width):
            raise ValueError(
                f"{name} must return a model with {side} shape {(None, width)}, but it has "
                f"{shape}. It is called with n_features={dataset.n_features} and "
                f"n_outputs={dataset.n_outputs}; an image comes flat: begin with a Reshape."
            )
    if dataset.task == "classification":
        probe = np.random.default_rng(0).normal(size=(4, dataset.n_features))
        values = keras.ops.convert_to_numpy(model(probe.astype("float32"), training=False))
        # Half precision has three digits.
        if values.min() < 0 or not np.allclose(values.sum(axis=-1), 1.0, atol=1e-2):
            raise ValueError(
                f"{name} must return class probabilities, which sum to 1, but for a sample it "
                f"returned {values[0].tolist()}. End the model in a softmax."
            )
