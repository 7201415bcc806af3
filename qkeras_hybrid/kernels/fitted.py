"""The base of estimators with a quantum kernel: they choose its bandwidth in `fit`.

This module and those that build on it load scikit-learn.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from qkeras_hybrid._checks import finite_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.kernels.agreement import centred_alignment
from qkeras_hybrid.kernels.bandwidth import best_scale
from qkeras_hybrid.kernels.base import Kernel
from qkeras_hybrid.kernels.fidelity import FidelityKernel

FLOATS = (np.float64, np.float32)


class KernelEstimator(BaseEstimator):
    """An estimator with the arguments `kernel` and `scale`.

    Attributes:
        kernel_: The kernel, with the scale that was chosen.
        X_fit_: The samples that it was fitted on, of shape `(n_samples, n_features)`.
    """

    kernel: Kernel | None
    scale: Any
    kernel_: Kernel
    X_fit_: np.ndarray

    def _choose(self, x: np.ndarray, y: Any, task: str) -> Kernel:
        """Returns the kernel with its scale.

        Args:
            x: The samples of the fit.
            y: Their labels or targets; None if there are none.
            task: "classification", "regression" or "auto".
        """
        kernel = FidelityKernel() if self.kernel is None else self.kernel
        if not isinstance(kernel, Kernel):
            raise ArgumentError(
                "kernel", "be a quantum kernel, such as FidelityKernel, or None", kernel
            )
        if self.scale is None:
            return kernel
        if not isinstance(self.scale, str):
            return kernel.with_changes(scale=finite_number("scale", self.scale))
        if self.scale != "auto":
            raise ArgumentError(
                "scale", 'be "auto", a number, or None for the kernel\'s', self.scale
            )
        if y is not None and task != "classification" and (y == y[0]).all():
            y = None  # nothing to align with
        found = best_scale(
            kernel,
            x,
            y,
            score=None if y is None else lambda k, t: centred_alignment(k, t, task=task),
        )
        return kernel.with_changes(scale=found.best)

    def _samples(self, X: Any) -> np.ndarray:
        """Returns samples for prediction, checked against those of the fit."""
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, dtype=FLOATS, reset=False))
