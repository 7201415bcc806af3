"""Trains a kernel: the weights of its circuit and its bandwidth, by gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import finite_number, one_of, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.kernels.agreement import label_vectors
from qkeras_hybrid.kernels.bandwidth import draw
from qkeras_hybrid.kernels.base import Kernel
from qkeras_hybrid.kernels.feature_maps import layer_of
from qkeras_hybrid.layers import QuantumLayer, SmallAngles
from qkeras_hybrid.program import Compiled

if TYPE_CHECKING:
    import sklearn.svm as sklearn_svm
    import sklearn.utils.multiclass as sklearn_multiclass
else:
    sklearn_svm = lazy_module("sklearn.svm")
    sklearn_multiclass = lazy_module("sklearn.utils.multiclass")

LOSSES = ("centred_alignment", "alignment", "svm")
_TINY = 1e-12


@dataclass(frozen=True)
class TrainedKernel:
    """The result of training a kernel.

    Attributes:
        kernel: The kernel with its trained weights and scale.
        losses: The loss of each step, on the samples of that step.
    """

    kernel: Kernel
    losses: tuple[float, ...]


def train_kernel(
    kernel: Kernel,
    x: Any,
    y: Any,
    *,
    loss: str = "centred_alignment",
    steps: int = 100,
    batch_size: int = 64,
    optimizer: Any = None,
    train_scale: bool = True,
    C: float = 1.0,
    task: str = "auto",
    seed: int = 0,
) -> TrainedKernel:
    """Trains the weights of a kernel's circuit, and its scale, by gradients.

    Each step draws a batch of samples, computes its kernel matrix (one state for each sample, and a
    matrix product), and differentiates the loss of this matrix.

    Args:
        kernel: A kernel without `shots` and `noise`. Training starts from its weights, if it has
            them.
        x: Samples of shape `(n, n_features)`.
        y: Labels or targets of shape `(n,)`.
        loss: "centred_alignment" or "alignment", whose negative is minimised. Or "svm" for two
            classes: the optimum of a support vector classifier's dual problem,
            `max_a sum a_i - 1/2 sum a_i a_j y_i y_j K_ij`. The smaller it is, the wider is the
            margin.
        steps: The number of steps.
        batch_size: The number of samples of each step, drawn at random.
        optimizer: A Keras optimizer or its name; by default Adam with a learning rate of 0.05.
        train_scale: Whether to train the scale too.
        C: The penalty of the support vector classifier.
        task: "classification", "regression", or "auto" to decide by the labels.
        seed: The seed of the initial weights and of the draws.

    Returns:
        The trained kernel, and the losses.

    Raises:
        ValueError: If the kernel has `shots` or `noise`, has nothing to train, or an argument is
            invalid.

    Reference:
        Hubregtsen et al., Physical Review A 106, 042431 (2022), arXiv 2105.02276, for the
        alignment; Glick et al., Nature Physics 20, 479 (2024), arXiv 2105.03406, for the SVM's.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(40, 2))
    >>> kernel = qh.kernels.FidelityKernel("reuploading", n_qubits=2)
    >>> trained = qh.kernels.train_kernel(kernel, x, x[:, 0] > 0, steps=5)
    >>> len(trained.kernel.weights), len(trained.losses)
    (12, 5)
    """
    one_of("loss", loss, LOSSES)
    samples = kernel.check("x", x).astype("float32")
    labels = label_vectors(y, len(samples), rescale=loss == "alignment", task=task)
    classes = None if _is_regression(y, task) else np.asarray(y)
    if loss == "svm" and (classes is None or labels.shape[1] != 1):
        raise ArgumentError(
            "loss", 'be "centred_alignment" or "alignment" unless there are two classes', loss
        )
    if finite_number("C", C) <= 0:
        raise ArgumentError("C", "be positive", C)
    gram = _Gram(kernel, train_scale, seed)
    inputs = keras.Input((samples.shape[1],))
    model = keras.Model(inputs, gram(inputs))
    if not gram.trainable_weights:
        raise ArgumentError("kernel", "have weights if `train_scale` is False", kernel)
    gram.start(kernel.weights)
    chosen = keras.optimizers.Adam(0.05) if optimizer is None else keras.optimizers.get(optimizer)
    model.compile(optimizer=chosen, loss=_LOSSES[loss])
    size = min(positive_int("batch_size", batch_size), len(samples))
    if size < 2:
        raise ArgumentError(
            "batch_size", "be at least 2, and `x` hold at least 2 samples", batch_size
        )
    losses = []
    for step in range(positive_int("steps", steps)):
        rows = draw(len(samples), classes, size, seed + step)
        targets, offset = labels[rows].astype("float32"), 0.0
        if loss == "svm":
            matrix = np.asarray(model.predict_on_batch(samples[rows]), float)
            signed = _dual(matrix, labels[rows, 0], C)
            # At the optimum, the derivative is the one with constant multipliers.
            targets, offset = signed[:, None].astype("float32"), float(np.sum(np.abs(signed)))
        model.reset_metrics()
        value = model.train_on_batch(samples[rows], targets)
        losses.append(float(np.ravel(value)[0]) + offset)
    weights = list(gram.symbol_values().values())
    scale = kernel.scale * gram.factor()
    trained = kernel.with_changes(weights=weights or None, scale=scale)
    return TrainedKernel(trained, tuple(losses))


class _Gram(QuantumLayer):
    """The kernel matrix of a batch with itself, with a trainable scale."""

    def __init__(self, kernel: Kernel, train_scale: bool, seed: int) -> None:
        if kernel.shots is not None or kernel.noise is not None:
            raise ArgumentError(
                "kernel",
                "be exact for training, without `shots` and `noise`",
                kernel,
                "Train kernel.with_changes(shots=None, noise=None), and add them afterwards.",
            )
        super().__init__(
            engine=kernel.engine,
            weight_initializer=SmallAngles(seed=seed),
            name="gram",
            dtype="float32",
        )
        self._kernel, self._train_scale = kernel, train_scale
        # The method alone, not its layer: Keras would add the layer's weights to this one's.
        self._encode: Callable[[Any], Any] = lambda features: features
        self._log_scale: Any = None
        self._matrix: Callable[[Any], Any] = lambda values: values

    def compile(self, n_features: int) -> Compiled:
        kernel = self._kernel
        source = layer_of(kernel.encoding, None, kernel.n_qubits, n_features)
        self._encode = source.encode
        compiled = source.compile(n_features)
        readout, self._matrix = kernel.on_tensors(compiled.n_qubits)
        return compiled.reading(readout)

    def encode(self, features: Any) -> Any:
        return self._encode(features * ops.exp(self._log_scale) * self._kernel.scale)

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        self._log_scale = self.add_weight(
            name="log_scale", shape=(), initializer="zeros", trainable=self._train_scale
        )

    def call(self, inputs: Any) -> Any:
        encoded = self.encode(self._as_features(inputs))
        return self._matrix(self._computed(encoded))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (input_shape[0], input_shape[0])

    def start(self, weights: Sequence[float] | None) -> None:
        """Sets the circuit's weights, if there are any."""
        if weights is None:
            return
        if len(weights) != len(self.symbols):
            raise ArgumentError("weights", f"have shape ({len(self.symbols)},)", (len(weights),))
        self.assign_symbol_values(dict(zip(self.symbols, weights, strict=True)))

    def factor(self) -> float:
        """Returns the factor by which training has multiplied the scale."""
        return float(np.exp(ops.convert_to_numpy(self._log_scale)))


def _dual(matrix: np.ndarray, signs: np.ndarray, penalty: float) -> np.ndarray:
    """Returns the multipliers of a support vector classifier, each times its sample's sign."""
    classifier = sklearn_svm.SVC(kernel="precomputed", C=penalty).fit(matrix, signs)
    signed = np.zeros(len(matrix))
    signed[classifier.support_] = classifier.dual_coef_[0]
    return signed


def _negative_alignment(labels: Any, matrix: Any) -> Any:
    target = ops.matmul(labels, ops.transpose(labels))
    norms = ops.sqrt(ops.sum(ops.square(matrix)) * ops.sum(ops.square(target)) + _TINY)
    return -ops.sum(matrix * target) / norms


def _negative_centred_alignment(labels: Any, matrix: Any) -> Any:
    labels = labels - ops.mean(labels, axis=0, keepdims=True)
    matrix = matrix - ops.mean(matrix, axis=0, keepdims=True)
    return _negative_alignment(labels, matrix - ops.mean(matrix, axis=1, keepdims=True))


def _margin(signed: Any, matrix: Any) -> Any:
    return -ops.sum(matrix * ops.matmul(signed, ops.transpose(signed))) / 2


_LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "alignment": _negative_alignment,
    "centred_alignment": _negative_centred_alignment,
    "svm": _margin,
}


def _is_regression(y: Any, task: str) -> bool:
    if task == "auto":
        return bool(sklearn_multiclass.type_of_target(np.asarray(y)) == "continuous")
    return task == "regression"
