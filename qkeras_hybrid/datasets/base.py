"""`Dataset`, and `split`, which divides and scales it with statistics of the training part."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.decisions import DecisionProblem

if TYPE_CHECKING:
    import sklearn.decomposition as sklearn_decomposition
    import sklearn.model_selection as sklearn_model_selection
    import sklearn.preprocessing as sklearn_preprocessing
    import sklearn.utils as sklearn_utils
else:
    sklearn_decomposition = lazy_module("sklearn.decomposition")
    sklearn_model_selection = lazy_module("sklearn.model_selection")
    sklearn_preprocessing = lazy_module("sklearn.preprocessing")
    sklearn_utils = lazy_module("sklearn.utils")


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Samples of a classification, a regression or decisions, unscaled, as in the source.

    Attributes:
        name: Its name in `load`.
        x: float32 features of shape `(n_samples, n_features)`, read-only.
        y: Read-only. For classification int64 classes `0 ... n_classes - 1`, of shape
            `(n_samples,)`; for regression float32 targets of the same shape; for decisions float32
            costs of shape `(n_samples, n_costs)`.
        n_classes: The number of classes; 0 for regression and decisions.
        source: The source of the samples, to cite.
        image_shape: `(height, width, channels)` if the features are the pixels of an image in this
            order, else None.
        problem: For decisions, the problem to which the costs `y` belong; else None.
        states: Whether the features are amplitudes of quantum states. `split` doesn't scale these.
        lab: Features from measurements of the same samples, of shape `(n_samples, n_reported)`,
            for models that can't take states; None if there are only the features `x`.
    """

    name: str
    x: npt.NDArray[np.float32]
    y: npt.NDArray[Any]
    n_classes: int
    source: str
    image_shape: tuple[int, int, int] | None = None
    problem: DecisionProblem | None = None
    states: bool = False
    lab: npt.NDArray[np.float32] | None = None

    @property
    def lab_width(self) -> int | None:
        """The number of features in `lab` for a sample; None if `lab` is None."""
        return None if self.lab is None else self.lab.shape[1]

    @property
    def n_features(self) -> int:
        """The number of features of a sample."""
        return int(self.x.shape[1])

    @property
    def n_outputs(self) -> int:
        """The number of outputs of a model for it: one for each class or cost; 1 for regression."""
        return int(self.y.shape[1]) if self.y.ndim == 2 else self.n_classes or 1

    @property
    def task(self) -> str:
        """`"classification"`, `"regression"` or `"decisions"`."""
        if self.problem is not None:
            return "decisions"
        return "classification" if self.n_classes else "regression"


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """The training and the test part of a data set, scaled with statistics of the training part.

    Attributes:
        x_train: float32 features of shape `(n_train, n_features)`. Each has mean 0 and
            variance 1; a feature that is constant in the training part is 0 there. Amplitudes of
            states are not scaled.
        y_train: For classification int64 classes of shape `(n_train,)`; for regression float32
            targets of the same shape with mean 0 and variance 1; for decisions unscaled float32
            costs of shape `(n_train, n_costs)`.
        x_test: float32 features of shape `(n_test, n_features)`, scaled like `x_train`.
        y_test: The classes, targets or costs of the test part, scaled like `y_train`.
        train_index: The indices in the data set of the training samples, in the order of `x_train`.
        test_index: The indices in the data set of the test samples, in the order of `x_test`.
        scaled: Whether the features are scaled: False for amplitudes of states.
    """

    x_train: npt.NDArray[np.float32]
    y_train: npt.NDArray[Any]
    x_test: npt.NDArray[np.float32]
    y_test: npt.NDArray[Any]
    train_index: npt.NDArray[np.int64]
    test_index: npt.NDArray[np.int64]
    scaled: bool = True


def check_seed(seed: int) -> None:
    """Raises a ValueError if `seed` is not a whole number of at least 0."""
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or seed < 0:
        raise ArgumentError("seed", "be a whole number of at least 0", seed)


def make_dataset(
    name: str,
    x: Any,
    y: Any,
    source: str,
    *,
    n_classes: int | None = None,
    image_shape: tuple[int, int, int] | None = None,
    problem: DecisionProblem | None = None,
    states: bool = False,
    lab: Any = None,
) -> Dataset:
    """Returns a data set of read-only copies, with the types that `Dataset` documents.

    Args:
        name: Its name in `load`.
        x: Features of shape `(n_samples, n_features)`.
        y: Classes or targets of shape `(n_samples,)`, or costs of shape `(n_samples, n_costs)`.
        source: The source of the samples, to cite.
        n_classes: The number of classes; 0 for regression; None takes `max(y) + 1`.
        image_shape: The shape of an image, if the features are its pixels.
        problem: For decisions, the problem to which the costs `y` belong.
        states: Whether the features are amplitudes of states.
        lab: For a data set of states, features from measurements of the same samples.
    """
    if problem is not None:
        n_classes = 0
    x = np.array(x, dtype="float32")
    y = np.array(y, dtype="float32" if n_classes == 0 else "int64")
    # `load` returns the same object to every caller, so nobody may write to it.
    x.setflags(write=False)
    y.setflags(write=False)
    if lab is not None:
        lab = np.array(lab, dtype="float32")
        lab.setflags(write=False)
    classes = int(y.max()) + 1 if n_classes is None else n_classes
    return Dataset(name, x, y, classes, source, image_shape, problem, states, lab)


def split(
    dataset: Dataset,
    seed: int,
    test_size: float = 0.25,
    *,
    n_train: int | None = None,
    pca: int | None = None,
) -> Split:
    """Splits a data set into a training and a test part and scales both.

    The parts are drawn at random from the seed. In both parts each class has the same share as in
    the whole data set, to the nearest sample. Features are then standardised,
    `(x - mean) / standard deviation`, with mean and deviation of the training part only: the
    test part has no influence on what a model trains on. For regression the targets are
    standardised in the same way. Costs of decisions are not scaled, because decisions compare the
    costs with each other. Amplitudes are not scaled, because that would change the states.

    Args:
        dataset: The data set to split.
        seed: Whole number of at least 0; the same seed gives the same parts.
        test_size: The share of the samples in the test part, between 0 and 1.
        n_train: The number of training samples to keep, for learning curves. The classes keep
            their shares. The test part does not depend on it. None keeps all.
        pca: The number of principal components of the standardised training part that replace the
            features. They are standardised again. None keeps the features.

    Returns:
        The two parts.

    Raises:
        ValueError: If the seed is not a whole number of at least 0; a part would have fewer
            samples than there are classes (for regression and decisions: than 2); a class has no
            sample in the training part; `n_train` or `pca` is larger than the training part
            allows; or `pca` is given for states.

    Example:
        >>> from qkeras_hybrid.datasets import load
        >>> parts = split(load("iris"), seed=0, test_size=0.2)
        >>> parts.x_train.shape, parts.x_test.shape
        ((120, 4), (30, 4))
        >>> parts = split(load("digits"), seed=0, n_train=100, pca=8)
        >>> parts.x_train.shape, parts.x_test.shape
        ((100, 8), (450, 8))
    """
    return split_and_features(dataset, seed, test_size, n_train=n_train, pca=pca)[0]


def split_and_features(
    dataset: Dataset,
    seed: int,
    test_size: float = 0.25,
    *,
    n_train: int | None = None,
    pca: int | None = None,
) -> tuple[Split, npt.NDArray[np.float32]]:
    """Returns the result of `split`, and the scaled features of all samples of the data set."""
    train, test = _indices(dataset, seed, test_size, n_train)
    if dataset.states and pca is not None:
        raise ArgumentError(
            "pca", "be left out for states", pca, "Principal components are not amplitudes."
        )
    if pca is not None and positive_int("pca", pca) > min(len(train), dataset.n_features):
        raise ArgumentError(
            "pca",
            f"be at most {min(len(train), dataset.n_features)} components for "
            f"{dataset.n_features} features of {len(train)} training samples",
            pca,
        )
    x = dataset.x if dataset.states else _standardised(dataset.x, train)
    if pca is not None:
        # The full solver has no random start, so a split depends only on its seed.
        components = sklearn_decomposition.PCA(pca, svd_solver="full").fit(x[train])
        x = _standardised(components.transform(x), train)
    features = x.astype("float32")
    y = dataset.y
    if dataset.task == "regression":
        y = _standardised(y[:, np.newaxis], train)[:, 0].astype("float32")
    parts = Split(
        features[train], y[train], features[test], y[test], train, test, not dataset.states
    )
    return parts, features


def _standardised(
    values: npt.NDArray[Any], train: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    # In float64, because float32 sums over many samples would lose digits of the mean.
    values = values.astype("float64")
    scaled = sklearn_preprocessing.StandardScaler().fit(values[train]).transform(values)
    return np.asarray(scaled)


def _indices(
    dataset: Dataset, seed: int, test_size: float, n_train: int | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Returns the indices of the training samples and of the test samples."""
    check_seed(seed)
    # A score needs at least one sample of each class, or two targets.
    least = dataset.n_classes or 2
    each = f"at least one sample of each of the {least} classes"
    if dataset.task != "classification":
        each = "at least 2 samples"
    n_samples = len(dataset.y)
    n_test = math.ceil(n_samples * test_size) if 0 < test_size < 1 else 0
    if min(n_test, n_samples - n_test) < least:
        raise ArgumentError(
            "test_size",
            f"be a share between 0 and 1 that leaves {each} in both parts of the "
            f"{n_samples} samples",
            test_size,
        )
    stratify = dataset.y if dataset.task == "classification" else None
    train, test = sklearn_model_selection.train_test_split(
        np.arange(n_samples), test_size=n_test, stratify=stratify, random_state=seed
    )
    if n_train is not None:
        if not least <= positive_int("n_train", n_train) <= len(train):
            raise ArgumentError(
                "n_train",
                f"be between {least} and the {len(train)} samples of the training part",
                n_train,
            )
        train = sklearn_utils.resample(
            train,
            replace=False,
            n_samples=n_train,
            stratify=None if stratify is None else stratify[train],
            random_state=seed,
        )
    if stratify is not None:
        missing = sorted(set(range(dataset.n_classes)) - set(stratify[train].tolist()))
        if missing:
            raise ValueError(
                f"The training part of {len(train)} samples has none of class {missing[0]}, to "
                f"which {(stratify == missing[0]).sum()} of the {n_samples} samples belong. Use a "
                "smaller `test_size` or a larger `n_train`."
            )
    return train, test
