"""How well a kernel matrix agrees with the labels: polarity, alignment, centred alignment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.kernels.repair import check_square

if TYPE_CHECKING:
    import sklearn.utils.multiclass as sklearn_multiclass
else:
    sklearn_multiclass = lazy_module("sklearn.utils.multiclass")


def polarity(kernel: Any, y: Any, *, rescale: bool = True) -> float:
    """Returns `sum_ij K_ij T_ij`, with `T` the ideal kernel of the labels.

    For two classes, `T_ij = y_i y_j` with labels -1 and +1; for `C` classes, 1 within a class and
    `-1/(C - 1)` between two; for a regression, the product of the centred targets.

    Args:
        kernel: Kernel matrix of shape `(n, n)`.
        y: Labels or targets of shape `(n,)`. Two values, whole numbers and strings are classes.
        rescale: Whether each label is divided by the size of its class, as PennyLane does, so that
            a small class counts as much as a large one.

    Raises:
        ValueError: If the shapes don't fit, or there is only one class.

    Reference:
        Hubregtsen et al.: Training quantum embedding kernels on near-term quantum computers,
        Physical Review A 106, 042431 (2022), arXiv 2105.02276.

    Example:

    >>> qh.kernels.polarity([[1.0, 0.2], [0.2, 1.0]], [-1, 1])
    1.6
    """
    values, labels = _checked(kernel, y, rescale)
    return float(np.sum(values * (labels @ labels.T)))


def alignment(kernel: Any, y: Any, *, rescale: bool = True) -> float:
    """Returns the kernel-target alignment: the polarity divided by both matrices' norms.

    `A = sum_ij K_ij T_ij / (|K|_F |T|_F)`, between -1 and 1.

    Args:
        kernel: Kernel matrix of shape `(n, n)`.
        y: As in `polarity`.
        rescale: As in `polarity`.

    Raises:
        ValueError: As `polarity`.

    Reference:
        Cristianini et al.: On kernel-target alignment, NIPS 2001; Hubregtsen et al. 2022.

    Example:

    >>> qh.kernels.alignment(np.outer([-1, 1], [-1, 1]), [-1, 1])
    1.0
    """
    values, labels = _checked(kernel, y, rescale)
    return _cosine(values, labels @ labels.T)


def centred_alignment(kernel: Any, y: Any, *, task: str = "auto") -> float:
    """Returns the alignment of the centred matrices, which a constant kernel can't raise.

    Both matrices are centred, `H K H` with `H = 1 - 1/n`. If one class is large, even a constant
    kernel has a high alignment, but its centred alignment is 0.

    Args:
        kernel: Kernel matrix of shape `(n, n)`.
        y: As in `polarity`; for a regression of any number of targets, `(n, n_targets)` too.
        task: "classification", "regression", or "auto": by the labels.

    Raises:
        ValueError: As `polarity`.

    Reference:
        Cortes, Mohri, Rostamizadeh: Algorithms for learning kernels based on centered alignment,
        Journal of Machine Learning Research 13, 795 (2012), equation (3).

    Example:

    >>> qh.kernels.centred_alignment(np.ones((3, 3)), [-1, 1, 1])
    0.0
    """
    values = check_square("kernel", kernel)
    labels = label_vectors(y, len(values), task=task)
    labels = labels - labels.mean(axis=0)
    return _cosine(centred(values), labels @ labels.T)


def centred(matrix: np.ndarray) -> np.ndarray:
    """Returns `H K H`: rows and columns with mean 0."""
    rows = matrix - matrix.mean(axis=0)
    result: np.ndarray = rows - rows.mean(axis=1, keepdims=True)
    # Centring a constant matrix leaves rounding errors.
    constant = np.linalg.norm(result) <= 1e-12 * np.linalg.norm(matrix)
    return np.zeros_like(result) if constant else result


def label_vectors(
    y: Any, n_samples: int, *, rescale: bool = False, task: str = "auto"
) -> np.ndarray:
    """Returns a vector for each label, whose scalar products are the ideal kernel.

    Args:
        y: Labels or targets of shape `(n,)`; of a regression `(n, n_targets)` too.
        n_samples: The required `n`.
        rescale: Whether each vector is divided by the size of its class.
        task: "classification", "regression", or "auto": by the labels.

    Returns:
        Array of shape `(n, width)`: for two classes -1 and +1, in the order of their values; for
        more the corners of a simplex; for a regression the centred targets.

    Raises:
        ValueError: If there are not `n_samples` labels, there is only one class, or a label is NaN
            or infinite.
    """
    one_of("task", task, ("auto", "classification", "regression"))
    labels = np.asarray(y)
    if len(labels.shape) != 1 + (task == "regression" and labels.ndim == 2) or (
        len(labels) != n_samples
    ):
        shape = f"have shape ({n_samples},), a label for each row of the kernel matrix"
        raise ArgumentError("y", shape, labels.shape)
    if labels.dtype.kind == "O" and len({type(label) for label in labels.flat}) > 1:
        kinds = sorted({type(label).__name__ for label in labels.flat})
        raise ArgumentError("y", "hold labels of one type", ", ".join(kinds))
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ArgumentError("y", "hold finite numbers or names of classes", "NaN or infinity")
    if not len(labels) or (labels == labels[0]).all():
        raise ArgumentError(
            "y",
            "have at least two classes, or targets that differ",
            f"{len(labels)} times {labels[0]}" if len(labels) else "none",
        )
    if task == "auto":
        # scikit-learn takes -0.5 and 0.5 for targets of a regression.
        two = len(np.unique(labels)) == 2
        kind = "binary" if two else sklearn_multiclass.type_of_target(labels)
        task = "regression" if kind == "continuous" else "classification"
    if task == "regression":
        targets = labels.astype(float).reshape(len(labels), -1)
        result: np.ndarray = targets - targets.mean(axis=0)
        return result
    classes, number, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    if len(classes) == 2:
        vectors = np.array([[-1.0], [1.0]])
    else:
        # Corners of a simplex: scalar products 1 with themselves and -1/(C - 1) with others.
        count = len(classes)
        vectors = (np.eye(count) - 1 / count) * np.sqrt(count / (count - 1))
    if rescale:
        vectors = vectors / sizes[:, None]
    return np.asarray(vectors[number])


def _checked(kernel: Any, y: Any, rescale: bool) -> tuple[np.ndarray, np.ndarray]:
    values = check_square("kernel", kernel)
    return values, label_vectors(y, len(values), rescale=rescale)


def _cosine(first: np.ndarray, second: np.ndarray) -> float:
    norms = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(np.sum(first * second)) / norms if norms > 0 else 0.0


def similarity(first: Any, second: Any) -> float:
    """Returns the similarity of two kernel matrices: the cosine of the centred matrices.

    1 means that one matrix is a multiple of the other plus a constant: their models predict alike.

    Args:
        first: Kernel matrix of shape `(n, n)`.
        second: Kernel matrix of the same samples.

    Raises:
        ValueError: If the shapes don't fit.

    Reference:
        Cortes, Mohri, Rostamizadeh, Journal of Machine Learning Research 13, 795 (2012).

    Example:

    >>> round(qh.kernels.similarity(np.eye(3), 2 * np.eye(3) + 1), 6)
    1.0
    """
    one, other = check_square("first", first), check_square("second", second)
    if one.shape != other.shape:
        raise ArgumentError("second", f"have the shape of the first, {one.shape}", other.shape)
    return _cosine(centred(one), centred(other))
