"""scikit-learn's Gaussian processes with a quantum kernel."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel
from sklearn.gaussian_process.kernels import Kernel as CovarianceFunction
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from qkeras_hybrid.kernels.base import Kernel
from qkeras_hybrid.kernels.fitted import FLOATS, KernelEstimator


class QuantumCovariance(CovarianceFunction):
    """A quantum kernel as a covariance function of scikit-learn's, without hyperparameters.

    It can be added to and multiplied with others: `ConstantKernel() * QuantumCovariance(kernel)`.

    Args:
        quantum_kernel: The kernel.
    """

    def __init__(self, quantum_kernel: Kernel) -> None:
        self.quantum_kernel = quantum_kernel
        self._last: tuple[Any, np.ndarray] | None = None

    def __call__(self, X: Any, Y: Any = None, eval_gradient: bool = False) -> Any:
        """Returns the kernel matrix, and on request its (empty) gradient by hyperparameters."""
        if Y is not None:
            return self.quantum_kernel.matrix(X, Y)
        # While other hyperparameters are searched, the samples stay the same.
        if self._last is None or not np.array_equal(self._last[0], X):
            self._last = (np.array(X), self.quantum_kernel.matrix(X))
        matrix = self._last[1].copy()
        return (matrix, np.zeros((*matrix.shape, 0))) if eval_gradient else matrix

    def diag(self, X: Any) -> np.ndarray:
        """Returns the diagonal of the kernel matrix."""
        return self.quantum_kernel.diagonal(X)

    def is_stationary(self) -> bool:
        """Returns False: a quantum kernel depends on more than the difference of samples."""
        return False

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": None}


class _GaussianProcess(KernelEstimator):
    estimator_: Any

    def _covariance(self, x: np.ndarray, y: Any, task: str) -> Any:
        self.kernel_ = self._choose(x, y, task)
        self.X_fit_ = x
        return ConstantKernel(1.0) * QuantumCovariance(self.kernel_)


class QGaussianProcessRegressor(RegressorMixin, _GaussianProcess):
    """Gaussian process regression with a quantum kernel: scikit-learn's.

    The covariance is the kernel times a constant, which is fitted.

    Args:
        kernel: As in `QSVC`.
        scale: As in `QSVC`.
        alpha: The variance of the targets' noise, as in
            `sklearn.gaussian_process.GaussianProcessRegressor`, like all the following arguments.
        optimizer: The optimizer of the constant; None for none.
        n_restarts_optimizer: The number of restarts.
        normalize_y: Whether targets are standardised.
        random_state: The seed of the restarts.

    Raises:
        ValueError: In `fit`, if an argument or the samples are invalid.

    Example:

    >>> x = np.linspace(-2, 2, 20)[:, None]
    >>> kernel = qh.kernels.FidelityKernel("angle")
    >>> model = qh.kernels.QGaussianProcessRegressor(kernel, alpha=1e-3).fit(x, np.sin(x[:, 0]))
    >>> mean, deviation = model.predict(x, return_std=True)
    >>> mean.shape, deviation.shape
    ((20,), (20,))
    """

    def __init__(
        self,
        kernel: Kernel | None = None,
        *,
        scale: Any = "auto",
        alpha: Any = 1e-6,
        optimizer: Any = "fmin_l_bfgs_b",
        n_restarts_optimizer: int = 0,
        normalize_y: bool = False,
        random_state: Any = None,
    ) -> None:
        self.kernel = kernel
        self.scale = scale
        self.alpha = alpha
        self.optimizer = optimizer
        self.n_restarts_optimizer = n_restarts_optimizer
        self.normalize_y = normalize_y
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Chooses the kernel's scale and fits the process.

        Args:
            X: Samples of shape `(n_samples, n_features)`.
            y: Targets of shape `(n_samples,)`.
        """
        X, y = validate_data(self, X, y, dtype=FLOATS, y_numeric=True, ensure_min_samples=2)
        self.estimator_ = GaussianProcessRegressor(
            self._covariance(X, y, "regression"),
            alpha=self.alpha,
            optimizer=self.optimizer,
            n_restarts_optimizer=self.n_restarts_optimizer,
            normalize_y=self.normalize_y,
            random_state=self.random_state,
        ).fit(X, y)
        return self

    def predict(self, X: Any, return_std: bool = False, return_cov: bool = False) -> Any:
        """Returns means of shape `(n_samples,)`, and on request deviations or covariances.

        Args:
            X: Samples of shape `(n_samples, n_features)`.
            return_std: Whether to return standard deviations, of shape `(n_samples,)`.
            return_cov: Whether to return covariances, of shape `(n_samples, n_samples)`.
        """
        x = self._samples(X)
        return self.estimator_.predict(x, return_std=return_std, return_cov=return_cov)


class QGaussianProcessClassifier(ClassifierMixin, _GaussianProcess):
    """Gaussian process classification with a quantum kernel: scikit-learn's.

    The covariance is the kernel times a constant, which is fitted.

    Args:
        kernel: As in `QSVC`.
        scale: As in `QSVC`.
        optimizer: As in `sklearn.gaussian_process.GaussianProcessClassifier`, like all the
            following arguments.
        n_restarts_optimizer: The number of restarts.
        max_iter_predict: The most steps of Newton's method.
        multi_class: "one_vs_rest" or "one_vs_one".
        random_state: The seed of the restarts.

    Raises:
        ValueError: In `fit`, if an argument or the samples are invalid.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(30, 2))
    >>> model = qh.kernels.QGaussianProcessClassifier().fit(x, x[:, 0] > 0)
    >>> model.predict_proba(x).shape
    (30, 2)
    """

    def __init__(
        self,
        kernel: Kernel | None = None,
        *,
        scale: Any = "auto",
        optimizer: Any = "fmin_l_bfgs_b",
        n_restarts_optimizer: int = 0,
        max_iter_predict: int = 100,
        multi_class: str = "one_vs_rest",
        random_state: Any = None,
    ) -> None:
        self.kernel = kernel
        self.scale = scale
        self.optimizer = optimizer
        self.n_restarts_optimizer = n_restarts_optimizer
        self.max_iter_predict = max_iter_predict
        self.multi_class = multi_class
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Chooses the kernel's scale and fits the process.

        Args:
            X: Samples of shape `(n_samples, n_features)`.
            y: Classes of shape `(n_samples,)`.
        """
        X, y = validate_data(self, X, y, dtype=FLOATS, ensure_min_samples=2)
        check_classification_targets(y)
        self.estimator_ = GaussianProcessClassifier(
            self._covariance(X, y, "classification"),
            optimizer=self.optimizer,
            n_restarts_optimizer=self.n_restarts_optimizer,
            max_iter_predict=self.max_iter_predict,
            multi_class=self.multi_class,
            random_state=self.random_state,
        ).fit(X, y)
        self.classes_ = self.estimator_.classes_
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Returns the classes of samples, an array of shape `(n_samples,)`."""
        x = self._samples(X)
        return np.asarray(self.estimator_.predict(x))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Returns probabilities of shape `(n_samples, n_classes)`."""
        x = self._samples(X)
        return np.asarray(self.estimator_.predict_proba(x))
