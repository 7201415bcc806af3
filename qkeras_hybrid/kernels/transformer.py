"""Quantum kernels as features for any model: `QuantumKernelTransformer`."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import validate_data

from qkeras_hybrid._checks import one_of, positive_int
from qkeras_hybrid.kernels.base import Kernel
from qkeras_hybrid.kernels.fitted import FLOATS, KernelEstimator

OUTPUTS = ("nystroem", "matrix")


class QuantumKernelTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, KernelEstimator):
    """Maps samples to features whose scalar products are, or approximate, a quantum kernel.

    With `output="nystroem"`, the features are `K(x, L) K(L, L)^(-1/2)`, where the landmarks `L` are
    drawn from the samples. With all samples as landmarks, the scalar products of the features are
    the kernel. With fewer landmarks, they approximate it, and the cost grows in proportion to the
    number of samples instead of its square. With `output="matrix"`, the features are the rows
    `K(x, X)` of the kernel matrix with all samples `X`, for an estimator with
    `kernel="precomputed"`.

    Args:
        kernel: As in `QSVC`.
        scale: As in `QSVC`; "auto" uses the labels if `fit` gets them.
        n_components: The number of landmarks; if there are fewer distinct samples, all of them.
        output: "nystroem" or "matrix".
        random_state: The seed of the landmarks.

    Attributes:
        landmarks_: The samples that serve as landmarks, of shape `(n_components, n_features)`.

    Raises:
        ValueError: In `fit`, if an argument or the samples are invalid.

    Reference:
        Williams, Seeger: Using the Nyström method to speed up kernel machines, NIPS 2000.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(20, 2))
    >>> transformer = qh.kernels.QuantumKernelTransformer(scale=0.5)
    >>> features = transformer.fit_transform(x)
    >>> kernel = qh.kernels.FidelityKernel(scale=0.5).matrix(x)
    >>> bool(np.allclose(features @ features.T, kernel, atol=1e-6))
    True
    """

    def __init__(
        self,
        kernel: Kernel | None = None,
        *,
        scale: Any = "auto",
        n_components: int = 100,
        output: str = "nystroem",
        random_state: Any = None,
    ) -> None:
        self.kernel = kernel
        self.scale = scale
        self.n_components = n_components
        self.output = output
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Chooses the kernel's scale and the landmarks.

        Args:
            X: Samples of shape `(n_samples, n_features)`.
            y: Labels or targets of shape `(n_samples,)`, or None.
        """
        X = validate_data(self, X, dtype=FLOATS, ensure_min_samples=2)
        one_of("output", self.output, OUTPUTS)
        labels = None if y is None else np.asarray(y)
        if labels is not None and (
            labels.ndim != 1 or not len(labels) or (labels == labels[0]).all()
        ):
            labels = None
        self.kernel_ = self._choose(X, labels, "auto")
        if self.output == "matrix":
            self.landmarks_ = self.X_fit_ = X
        else:
            different = np.unique(X, axis=0)
            size = min(positive_int("n_components", self.n_components), len(different))
            order = check_random_state(self.random_state).permutation(len(different))
            self.landmarks_ = self.X_fit_ = different[order[:size]]
            self._root = inverse_root(self.kernel_.matrix(self.landmarks_))
        self._n_features_out = len(self.landmarks_)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Returns the features of samples, of shape `(n_samples, n_landmarks)`."""
        x = self._samples(X)
        rows = self.kernel_.matrix(x, self.landmarks_)
        return rows if self.output == "matrix" else np.asarray(rows @ self._root)


def inverse_root(matrix: np.ndarray) -> np.ndarray:
    """Returns `K^(-1/2)` of a kernel matrix, without the eigenvectors whose eigenvalue is 0."""
    values, vectors = np.linalg.eigh(np.asarray(matrix, float))
    floor = max(values[-1], 0.0) * len(values) * np.finfo(matrix.dtype).eps
    kept = values > floor
    root = (vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T
    return np.asarray(root.astype(matrix.dtype))
