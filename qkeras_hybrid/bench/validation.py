"""Ends training when the loss on validation samples stops falling."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import numpy.typing as npt

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module

if TYPE_CHECKING:
    import sklearn.model_selection as sklearn_model_selection
else:
    sklearn_model_selection = lazy_module("sklearn.model_selection")

SHARE = 0.2
"""The fraction of the training samples that is kept for validation."""

_AT_A_TIME = 1024


class Validation:
    """Keeps samples for validation, and the weights of the epoch with the lowest loss on them.

    The seed determines which samples are drawn. Both parts have the classes in the same
    proportions, if each class has two samples and the validation part is large enough for all
    classes. Each part has at least one sample.

    Args:
        x: Features of shape `(n, n_features)`.
        y: Classes (whole numbers) or targets of shape `(n,)`, or costs of shape `(n, n_costs)`.
        seed: The seed of the draw.
        patience: The number of epochs without a lower loss after which training ends.

    Attributes:
        x_train: The features to train on.
        y_train: Their classes, targets or costs.
        x_valid: The features kept for validation.
        y_valid: Their classes, targets or costs.
        losses: The validation loss after each epoch.

    Raises:
        ValueError: If the patience is not a whole number over 0, or there are fewer than two
            samples.

    Example:
        >>> kept = Validation(np.zeros((10, 2)), np.arange(10.0), seed=0, patience=3)
        >>> kept.x_train.shape, kept.x_valid.shape
        ((8, 2), (2, 2))
    """

    def __init__(
        self, x: npt.NDArray[Any], y: npt.NDArray[Any], *, seed: int, patience: int
    ) -> None:
        self.patience = positive_int("patience", patience)
        if len(x) < 2:
            raise ArgumentError(
                "x", "have at least 2 samples, of which some are kept for validation", len(x)
            )
        n_valid = min(max(1, round(SHARE * len(x))), len(x) - 1)
        train, valid = sklearn_model_selection.train_test_split(
            np.arange(len(x)), test_size=n_valid, random_state=seed, stratify=_classes(y, n_valid)
        )
        self.x_train, self.y_train = x[train], y[train]
        self.x_valid, self.y_valid = x[valid], y[valid]
        self.losses: list[float] = []
        self._lowest, self._since = math.inf, 0
        self._best: list[npt.NDArray[Any]] | None = None

    def ends_training(self, model: keras.Model, targets: npt.NDArray[Any]) -> bool:
        """Records the validation loss after an epoch, and returns whether training should end.

        A loss of NaN is never the lowest.

        Args:
            model: The compiled model after the epoch.
            targets: `y_valid` in the form that the model's loss takes.
        """
        model.reset_metrics()
        loss = math.nan
        for start in range(0, len(self.x_valid), _AT_A_TIME):
            part = slice(start, start + _AT_A_TIME)
            # The mean over all batches so far, each sample with the same weight.
            loss = float(
                model.test_on_batch(self.x_valid[part], targets[part], return_dict=True)["loss"]
            )
        self.losses.append(loss)
        if loss < self._lowest:
            self._lowest, self._best, self._since = loss, model.get_weights(), 0
        else:
            self._since += 1
        return self._since >= self.patience

    def restore(self, model: keras.Model) -> None:
        """Gives a model the weights of the epoch with the lowest validation loss."""
        if self._best is not None:
            model.set_weights(self._best)


def _classes(y: npt.NDArray[Any], n_valid: int) -> npt.NDArray[Any] | None:
    """Returns the classes for a stratified draw; None if it can't be stratified."""
    if not np.issubdtype(y.dtype, np.integer):
        return None
    counts = np.unique(y, return_counts=True)[1]
    fits = counts.min() >= 2 and len(counts) <= min(n_valid, len(y) - n_valid)
    return y if fits else None
