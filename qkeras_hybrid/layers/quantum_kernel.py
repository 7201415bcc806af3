"""A layer that computes a quantum kernel between its input and landmarks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid import encodings
from qkeras_hybrid._checks import (
    MOST_PARAMETERS,
    MOST_QUBITS,
    finite_number,
    one_of,
    positive_int,
)
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._overlaps import fidelities, gaussians, inversion_test, single_paulis
from qkeras_hybrid.encodings import Encoding
from qkeras_hybrid.gradients import Adjoint
from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.layers.features import default_qubits
from qkeras_hybrid.layers.quantum_embedding import QuantumEmbedding
from qkeras_hybrid.layers.setup import Prepared, Setup
from qkeras_hybrid.program import Compiled
from qkeras_hybrid.readouts import State

KERNELS = ("fidelity", "projected")
OUTPUTS = ("kernel", "nystroem")


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class QuantumKernel(QuantumLayer):
    """A quantum kernel between the input and landmarks: `K(x, l_1), ..., K(x, l_m)`.

    With a `Dense` layer on top, it is a kernel machine with these landmarks. The kernel "fidelity"
    is `|<x|l>|^2` of the states that the encoding prepares. "projected" is
    `exp(-gamma sum_q |rho_q(x) - rho_q(l)|_F^2)` of the reduced states of single qubits. With
    `shots` or `noise`, fidelities are measured by the inversion test: the circuit of the sample
    runs, then the inverse of the landmark's circuit.

    Args:
        landmarks: The landmarks, of shape `(m, n_features)`, or their number. With a number, they
            are drawn from a normal distribution until `adapt` takes them from data. They are saved
            with the layer's weights.
        n_qubits: The number of qubits; by default one for each feature up to 8, or more where the
            encoding needs them.
        encoding: A name or an `Encoding`. Its weights, if it has any, train.
        kernel: "fidelity" or "projected".
        output: "kernel", or "nystroem" for the features `C^-1 K(L, x)` with `K(L, L) = C C^T`,
            whose scalar products equal the kernel on the landmarks, and approximate it elsewhere.
        scale: The factor of all features and landmarks, which sets the kernel's bandwidth.
        gamma: The factor `gamma` in the exponent of "projected": a larger one makes the kernel
            narrower. By default 1 divided by the number of qubits.
        train_landmarks: Whether the landmarks train.
        train_scale: Whether the scale trains, starting from `scale`: the weight is its logarithm,
            so a step changes the scale by a factor.
        **kwargs: The arguments of all quantum layers: `engine`, `differentiator`, `shots`,
            `noise`, `seed`, `check_finite`, `weight_initializer`, `weight_regularizer`,
            `weight_constraint`, and Keras's `name`, `dtype`, `trainable`.

    Input shape:
        `(batch, ..., n_features)`.

    Output shape:
        `(batch, ..., m)`.

    Raises:
        ValueError: If two landmarks are equal or one holds NaN, or an argument is invalid; in
            `build`, if the landmarks have another number of features than the input.

    Reference:
        Havlíček et al., Nature 567, 209 (2019), arXiv 1804.11326; Huang et al., Nature
        Communications 12, 2631 (2021), arXiv 2011.01938; Williams, Seeger, NIPS 2000.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(100, 4)).astype("float32")
    >>> layer = QuantumKernel(16, scale=0.3)
    >>> layer.adapt(x)
    >>> model = keras.Sequential([keras.Input((4,)), layer, keras.layers.Dense(2)])
    >>> model.output_shape
    (None, 2)
    >>> values = ops.convert_to_numpy(layer(ops.convert_to_tensor(layer.landmarks)))
    >>> bool(np.allclose(np.diag(values), 1, atol=1e-5))
    True
    """

    def __init__(
        self,
        landmarks: Any,
        *,
        n_qubits: int | None = None,
        encoding: str | dict[str, Any] | Encoding = "zz",
        kernel: str = "fidelity",
        output: str = "kernel",
        scale: float = 1.0,
        gamma: float | None = None,
        train_landmarks: bool = False,
        train_scale: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._given = _checked_landmarks(landmarks)
        self.n_landmarks = self._given if isinstance(self._given, int) else len(self._given)
        self.n_qubits = (
            None if n_qubits is None else positive_int("n_qubits", n_qubits, MOST_QUBITS)
        )
        self.encoding = encodings.get(encoding)
        self.kernel = one_of("kernel", kernel, KERNELS)
        self.output_kind = one_of("output", output, OUTPUTS)
        self.scale = finite_number("scale", scale)
        if gamma is not None and finite_number("gamma", gamma) <= 0:
            raise ArgumentError("gamma", "be positive", gamma)
        self.gamma = None if gamma is None else float(gamma)
        self.train_landmarks = bool(train_landmarks)
        self.train_scale = bool(train_scale)
        self.landmarks: Any = None
        if self.train_scale and self.scale <= 0:
            raise ArgumentError("scale", "be above 0 if it trains", scale)
        self.log_scale: Any = None

    # The interface of Keras and of the base class.

    @property
    def units(self) -> int:
        """The number of outputs, equal to the number of landmarks."""
        return self.n_landmarks

    @property
    def draws_landmarks(self) -> bool:
        """Whether only the landmarks' number was given; they are then drawn or taken from data."""
        return isinstance(self._given, int)

    @property
    def values_shape(self) -> tuple[int, ...]:
        """The shape of the layer's output for one sample."""
        return (self.n_landmarks,)

    @property
    def classical_activation(self) -> str | None:
        """The activation with a kernel's range, 0 to 1, or that of Nyström features, -1 to 1."""
        return "sigmoid" if self.output_kind == "kernel" else "tanh"

    def compile(self, n_features: int) -> Compiled:
        """Compiles the encoding; the readout is the state, or the states of single qubits."""
        compiled = self._embedding(n_features).compile(n_features)
        if self.kernel == "fidelity":
            return compiled.reading(State())
        return compiled.reading(single_paulis(compiled.n_qubits))

    def encode(self, features: Any) -> Any:
        """Maps features to the circuit's inputs."""
        n_qubits = self._n_qubits(features.shape[-1])
        scale: Any = self.scale
        if self.log_scale is not None:
            scale = ops.exp(ops.cast(self.log_scale, features.dtype))
        return self.encoding.angles(features * scale, n_qubits)

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Compiles the circuit, prepares its engine, and makes the landmarks."""
        n_features = self._check_shape(input_shape)
        given = None if isinstance(self._given, int) else self._given
        if given is not None and given.shape[1] != n_features:
            raise ArgumentError(
                "landmarks", f"have {n_features} features, like the input", given.shape
            )
        super().build(input_shape)
        initializer = (
            keras.initializers.RandomNormal(stddev=1.0, seed=self.seed)
            if given is None
            else keras.initializers.Constant(given)
        )
        self.landmarks = self.add_weight(
            name="landmarks",
            shape=(self.n_landmarks, n_features),
            initializer=initializer,
            trainable=self.train_landmarks,
        )
        if self.train_scale:
            start = keras.initializers.Constant(math.log(self.scale))
            self.log_scale = self.add_weight(name="log_scale", shape=(), initializer=start)

    def call(self, inputs: Any) -> Any:
        """Computes the kernel with each landmark, for every position of the leading axes.

        Args:
            inputs: Tensor of shape `(batch, ..., n_features)`, numeric.
        """
        features = self._as_features(inputs)
        leading, width = ops.shape(features)[:-1], features.shape[-1]
        samples = ops.reshape(features, (-1, width))
        landmarks = ops.cast(ops.convert_to_tensor(self.landmarks), self._precision)
        values, among = self._kernels(samples, landmarks)
        if among is not None:
            values = _nystroem(values, among, self.n_landmarks)
        return ops.cast(ops.reshape(values, (*leading, self.n_landmarks)), self.compute_dtype)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the input's shape with the number of landmarks as its last axis."""
        self._check_shape(input_shape)
        return (*input_shape[:-1], self.n_landmarks)

    def get_config(self) -> dict[str, Any]:
        """Returns every argument of the constructor."""
        return {
            **super().get_config(),
            "landmarks": self._given if isinstance(self._given, int) else self._given.tolist(),
            "n_qubits": self.n_qubits,
            "encoding": keras.saving.serialize_keras_object(self.encoding),
            "kernel": self.kernel,
            "output": self.output_kind,
            "scale": self.scale,
            "gamma": self.gamma,
            "train_landmarks": self.train_landmarks,
            "train_scale": self.train_scale,
        }

    def adapt(self, data: Any, seed: int | None = None) -> None:
        """Takes the landmarks from data: distinct samples, drawn at random.

        Builds the layer if it is not built.

        Args:
            data: Samples of shape `(n, n_features)`.
            seed: Seed of the draw; by default the layer's, or a random one if it has none.

        Raises:
            ValueError: If the samples are not finite numbers, have another width, or fewer of them
                are distinct than there are landmarks.
        """
        samples = _checked_samples("data", data)
        different = np.unique(samples, axis=0)
        if len(different) < self.n_landmarks:
            raise ArgumentError("data", f"hold {self.n_landmarks} distinct samples", len(different))
        if not self.built:
            self.build((None, samples.shape[1]))
        if samples.shape[1] != self.landmarks.shape[1]:
            raise ArgumentError(
                "data", f"have {self.landmarks.shape[1]} features", samples.shape[1]
            )
        rng = np.random.default_rng(self.seed if seed is None else seed)
        chosen = rng.choice(len(different), self.n_landmarks, replace=False)
        self.landmarks.assign(different[chosen])

    # Implementation.

    def _embedding(self, n_features: int) -> QuantumEmbedding:
        return QuantumEmbedding(
            self._n_qubits(n_features), encoding=self.encoding, name="feature_map"
        )

    def _n_qubits(self, n_features: int) -> int:
        return self.n_qubits or default_qubits(self.encoding, n_features)

    def _tested(self, setup: Setup) -> bool:
        """Tells whether fidelities are measured pair by pair, because there is no state to read."""
        measured = setup.all_shots is not None or setup.noise is not None
        return self.kernel == "fidelity" and measured

    def asked(self, setup: Setup, compiled: Compiled) -> list[Compiled]:
        """Returns the circuit of a sample, or the inversion test if fidelities are measured."""
        return [inversion_test(compiled) if self._tested(setup) else compiled]

    def _prepared(self, setup: Setup, compiled: Compiled) -> Prepared:
        own = self.differentiator
        exact_fidelity = self.kernel == "fidelity" and not self._tested(setup)
        if exact_fidelity and not isinstance(own, Adjoint | None):
            raise ArgumentError(
                "differentiator",
                "be None for fidelities of states, which are not linear in the density matrix",
                own,
                "Leave it out, or give `shots`, with which fidelities are measured.",
            )
        return super()._prepared(setup, compiled)

    def _kernels(self, samples: Any, landmarks: Any) -> tuple[Any, Any]:
        """Returns the kernel of samples and landmarks, and if needed that among the landmarks."""
        count, needed = ops.shape(samples)[0], self.output_kind == "nystroem"
        if self._tested(self._setup):
            encoded, others = self.encode(samples), self.encode(landmarks)
            values = self._pairs(encoded, others, count)
            return values, self._pairs(others, others, self.n_landmarks) if needed else None
        # One run computes the states of both.
        read = self._computed(self.encode(ops.concatenate([samples, landmarks], axis=0)))
        first, second = read[:count], read[count:]
        values = self._compared(first, second)
        return values, self._compared(second, second) if needed else None

    def _compared(self, first: Any, second: Any) -> Any:
        if self.kernel == "fidelity":
            return fidelities(first, second)
        gamma = 1 / self.compiled.n_qubits if self.gamma is None else self.gamma
        return gaussians(first, second, gamma / 2)

    def _pairs(self, first: Any, second: Any, count: Any) -> Any:
        """Runs the inversion test of each of `count` samples with each landmark."""
        rows = ops.repeat(first, self.n_landmarks, axis=0)
        columns = ops.tile(second, (count, 1))
        probabilities = self._computed(ops.concatenate([rows, columns], axis=1))
        return ops.reshape(probabilities[:, 0], (count, self.n_landmarks))


def _nystroem(values: Any, among: Any, count: int) -> Any:
    """Returns `C^-1 K(L, x)` with `K(L, L) + e = C C^T`, transposed."""
    dtype = keras.backend.standardize_dtype(among.dtype)
    # Inside a graph the shapes may be lost.
    values, among = ops.reshape(values, (-1, count)), ops.reshape(among, (count, count))
    # Rounding can make the matrix of landmarks that are close together indefinite.
    floor = count * float(np.finfo(dtype).eps) * 10
    # A measured matrix is not even symmetric, and its negative eigenvalues are larger.
    among = (among + ops.transpose(among)) / 2
    least = ops.stop_gradient(ops.min(ops.linalg.eigh(ops.stop_gradient(among))[0]))
    shift = floor + 2 * ops.relu(-least)
    root = ops.cholesky(among + shift * ops.eye(count, dtype=dtype))
    return ops.transpose(ops.solve_triangular(root, ops.transpose(values), lower=True))


def _checked_landmarks(given: Any) -> Any:
    if not isinstance(given, (list, tuple)) and not getattr(given, "shape", ()):
        return positive_int("landmarks", given, MOST_PARAMETERS)
    landmarks = _checked_samples("landmarks", given)
    _, number = np.unique(landmarks, axis=0, return_inverse=True)
    number = np.ravel(number)
    first: dict[int, int] = {}
    for row, value in enumerate(number.tolist()):
        if value in first:
            raise ArgumentError(
                "landmarks",
                "differ from each other",
                f"the same in rows {first[value]} and {row}",
                "Leave one out.",
            )
        first[value] = row
    return landmarks


def _checked_samples(argument: str, given: Any) -> np.ndarray:
    array = np.asarray(ops.convert_to_numpy(given))
    if array.ndim != 2 or not array.size or array.dtype.kind not in "biuf":
        raise ArgumentError(
            argument,
            "have shape (n_samples, n_features) and hold real numbers",
            f"shape {array.shape} of {array.dtype}",
        )
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        row, column = map(int, wrong[0])
        raise ArgumentError(
            argument,
            "hold finite numbers",
            f"{array[row, column]} in row {row}, column {column}",
        )
    return array.astype("float32") if array.dtype != np.float64 else array
