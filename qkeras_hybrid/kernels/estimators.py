"""scikit-learn's support vector machines and kernel ridge regression with a quantum kernel."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.kernel_ridge import KernelRidge
from sklearn.svm import SVC, SVR
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, validate_data

from qkeras_hybrid.kernels.base import Kernel
from qkeras_hybrid.kernels.fitted import FLOATS, KernelEstimator


class _Precomputed(KernelEstimator):
    """An estimator of scikit-learn's that takes kernel matrices.

    Attributes:
        estimator_: scikit-learn's estimator, fitted on the kernel matrix.
    """

    estimator_: Any

    def _fit(self, x: np.ndarray, y: Any, sample_weight: Any, task: str, estimator: Any) -> Self:
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, x)
            kept = sample_weight > 0
            if kept.any() and not kept.all():
                # libsvm leaves such samples out, and counts support vectors without them then:
                # scikit-learn would read other columns of a precomputed matrix.
                x, y, sample_weight = x[kept], y[kept], sample_weight[kept]
        self.kernel_ = self._choose(x, y, task)
        self.X_fit_ = x
        self.estimator_ = estimator.fit(self.kernel_.matrix(x), y, sample_weight=sample_weight)
        return self

    def _rows(self, X: Any) -> np.ndarray:
        """Returns the kernel matrix of samples with those that the estimator uses."""
        x = self._samples(X)
        used = getattr(self.estimator_, "support_", None)
        if used is None:
            return self.kernel_.matrix(x, self.X_fit_)
        # The columns of samples that are no support vectors are read by nobody.
        rows = np.zeros((len(x), len(self.X_fit_)))
        if len(used):
            rows[:, used] = self.kernel_.matrix(x, self.X_fit_[used])
        return rows


class QSVC(ClassifierMixin, _Precomputed):
    """A support vector classifier with a quantum kernel: scikit-learn's `SVC`.

    For probabilities wrap it in `sklearn.calibration.CalibratedClassifierCV`.

    Args:
        kernel: A kernel; by default `FidelityKernel()`.
        scale: The kernel's bandwidth: "auto" searches it by the centred alignment with the labels,
            a number sets it, None keeps the kernel's own.
        C: As in `sklearn.svm.SVC`, as are all that follow.
        shrinking: Whether to use the shrinking heuristic.
        tol: The tolerance for stopping.
        cache_size: Of the solver, in MB.
        class_weight: "balanced", or a weight for each class.
        max_iter: The most iterations, -1 for no limit.
        decision_function_shape: "ovr" or "ovo".
        break_ties: Whether ties are broken by the decision function.

    Raises:
        ValueError: In `fit`, if an argument or the samples are not what they must be.

    Example:

    >>> from sklearn.model_selection import GridSearchCV
    >>> x = np.random.default_rng(0).normal(size=(40, 2))
    >>> y = x[:, 0] * x[:, 1] > 0
    >>> model = qh.kernels.QSVC(qh.kernels.FidelityKernel("zz"), C=10.0).fit(x, y)
    >>> bool(model.score(x, y) > 0.8)
    True
    >>> search = GridSearchCV(qh.kernels.QSVC(), {"scale": [0.1, 0.3], "C": [1, 10]}, cv=2)
    >>> search.fit(x, y).best_params_["scale"] in (0.1, 0.3)
    True
    """

    def __init__(
        self,
        kernel: Kernel | None = None,
        *,
        scale: Any = "auto",
        C: float = 1.0,
        shrinking: bool = True,
        tol: float = 1e-3,
        cache_size: float = 200,
        class_weight: Any = None,
        max_iter: int = -1,
        decision_function_shape: str = "ovr",
        break_ties: bool = False,
    ) -> None:
        self.kernel = kernel
        self.scale = scale
        self.C = C
        self.shrinking = shrinking
        self.tol = tol
        self.cache_size = cache_size
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.decision_function_shape = decision_function_shape
        self.break_ties = break_ties

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Chooses the kernel's scale, computes its matrix and fits the classifier.

        Args:
            X: Samples of shape `(n_samples, n_features)`.
            y: Classes of shape `(n_samples,)`.
            sample_weight: Weights of shape `(n_samples,)`, or None.
        """
        X, y = validate_data(self, X, y, dtype=FLOATS, ensure_min_samples=2)
        check_classification_targets(y)
        arguments = _arguments(self)
        self._fit(X, y, sample_weight, "classification", SVC(kernel="precomputed", **arguments))
        self.classes_ = self.estimator_.classes_
        self.support_ = self.estimator_.support_
        self.n_iter_ = self.estimator_.n_iter_
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Returns the classes of samples, an array of shape `(n_samples,)`."""
        rows = self._rows(X)
        return np.asarray(self.estimator_.predict(rows))

    def decision_function(self, X: Any) -> np.ndarray:
        """Returns the distances from the boundary, as `SVC.decision_function`."""
        rows = self._rows(X)
        return np.asarray(self.estimator_.decision_function(rows))


class QSVR(RegressorMixin, _Precomputed):
    """A support vector regression with a quantum kernel: scikit-learn's `SVR`.

    Args:
        kernel: As in `QSVC`.
        scale: As in `QSVC`.
        tol: As in `sklearn.svm.SVR`, as are all that follow.
        C: The penalty.
        epsilon: The width of the tube without penalty.
        shrinking: Whether to use the shrinking heuristic.
        cache_size: Of the solver, in MB.
        max_iter: The most iterations, -1 for no limit.

    Raises:
        ValueError: In `fit`, if an argument or the samples are not what they must be.

    Example:

    >>> x = np.linspace(-2, 2, 30)[:, None]
    >>> model = qh.kernels.QSVR(qh.kernels.FidelityKernel("angle"), C=10.0).fit(x, np.sin(x[:, 0]))
    >>> bool(model.score(x, np.sin(x[:, 0])) > 0.8)
    True
    """

    def __init__(
        self,
        kernel: Kernel | None = None,
        *,
        scale: Any = "auto",
        tol: float = 1e-3,
        C: float = 1.0,
        epsilon: float = 0.1,
        shrinking: bool = True,
        cache_size: float = 200,
        max_iter: int = -1,
    ) -> None:
        self.kernel = kernel
        self.scale = scale
        self.tol = tol
        self.C = C
        self.epsilon = epsilon
        self.shrinking = shrinking
        self.cache_size = cache_size
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Chooses the kernel's scale, computes its matrix and fits the regression.

        Args:
            X: Samples of shape `(n_samples, n_features)`.
            y: Targets of shape `(n_samples,)`.
            sample_weight: Weights of shape `(n_samples,)`, or None.
        """
        X, y = validate_data(self, X, y, dtype=FLOATS, y_numeric=True, ensure_min_samples=2)
        arguments = _arguments(self)
        self._fit(X, y, sample_weight, "regression", SVR(kernel="precomputed", **arguments))
        self.support_ = self.estimator_.support_
        self.n_iter_ = self.estimator_.n_iter_
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Returns predictions of shape `(n_samples,)`."""
        rows = self._rows(X)
        return np.asarray(self.estimator_.predict(rows))


class QKernelRidge(RegressorMixin, _Precomputed):
    """Kernel ridge regression with a quantum kernel: scikit-learn's `KernelRidge`.

    Args:
        kernel: As in `QSVC`.
        scale: As in `QSVC`.
        alpha: The regularization, as of `sklearn.kernel_ridge.KernelRidge`.

    Raises:
        ValueError: In `fit`, if an argument or the samples are not what they must be.

    Example:

    >>> x = np.linspace(-2, 2, 30)[:, None]
    >>> kernel = qh.kernels.FidelityKernel("angle")
    >>> model = qh.kernels.QKernelRidge(kernel, alpha=0.01).fit(x, np.sin(x[:, 0]))
    >>> bool(model.score(x, np.sin(x[:, 0])) > 0.9)
    True
    """

    def __init__(
        self, kernel: Kernel | None = None, *, scale: Any = "auto", alpha: Any = 1.0
    ) -> None:
        self.kernel = kernel
        self.scale = scale
        self.alpha = alpha

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Chooses the kernel's scale, computes its matrix and fits the regression.

        Args:
            X: Samples of shape `(n_samples, n_features)`.
            y: Targets of shape `(n_samples,)` or `(n_samples, n_targets)`.
            sample_weight: Weights of shape `(n_samples,)`, or None.
        """
        X, y = validate_data(
            self, X, y, dtype=FLOATS, y_numeric=True, multi_output=True, ensure_min_samples=2
        )
        return self._fit(
            X, y, sample_weight, "regression", KernelRidge(kernel="precomputed", alpha=self.alpha)
        )

    def predict(self, X: Any) -> np.ndarray:
        """Returns predictions of the shape of the targets."""
        rows = self._rows(X)
        return np.asarray(self.estimator_.predict(rows))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _arguments(estimator: Any) -> dict[str, Any]:
    """Returns the arguments that are scikit-learn's."""
    given = estimator.get_params(deep=False)
    return {name: value for name, value in given.items() if name not in ("kernel", "scale")}
