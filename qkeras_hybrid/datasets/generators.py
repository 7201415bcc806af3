"""Generated classification problems, with arguments that make them harder.

These are the five problems of J. Bowles, S. Ahmed and M. Schuld, Better than classical? The subtle
art of benchmarking quantum machine learning models, arXiv:2403.07059, 2024. The defaults are the
paper's values. Each function draws all its random numbers from one `np.random.Generator` of its
seed, in the order in which its docstring names them. In the docstrings, `U(a, b)` is the uniform
distribution, and `N(0, s)` the normal distribution with standard deviation `s`.

The paper standardises the features of the whole data set. These functions don't: `split`
standardises them with statistics of the training part.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from qkeras_hybrid._checks import finite_number, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.datasets.base import Dataset, check_seed, make_dataset

_PAPER = (
    "J. Bowles, S. Ahmed and M. Schuld, Better than classical? The subtle art of benchmarking "
    "quantum machine learning models, arXiv:2403.07059, 2024, doi:10.48550/arXiv.2403.07059"
)


def linearly_separable(
    n_samples: int = 300, n_features: int = 10, margin: float | None = None, seed: int = 0
) -> Dataset:
    """Generated: two half cubes with a gap between them, which a linear model separates.

    Draws points `x` of the cube, `x_i ~ U(-1, 1)`, `n_samples` at a time. Points with
    `|x_1 + ... + x_d| > margin` are kept, until there are `n_samples` of them. The class is 1
    where the sum is positive, so each class has half of the samples on average.

    Args:
        n_samples: How many samples.
        n_features: The dimension `d`.
        margin: The smallest absolute value of the sum, from 0 to the standard deviation of the sum
            in the cube, `sqrt(d / 3)`; None takes `0.02 * d`.
        seed: Decides the samples; whole number of at least 0.

    Returns:
        The data set.

    Example:
        >>> data = linearly_separable(n_features=4)
        >>> bool(((data.x.sum(axis=1) > 0) == data.y).all())
        True
    """
    positive_int("n_samples", n_samples)
    positive_int("n_features", n_features)
    if margin is None:
        margin = 0.02 * n_features
    # A margin of up to one standard deviation keeps at least 30 % of the points.
    if not 0 <= finite_number("margin", margin) <= math.sqrt(n_features / 3):
        raise ArgumentError(
            "margin",
            f"be between 0 and {math.sqrt(n_features / 3):.3g}, the square root of a third "
            f"of the {n_features} features",
            margin,
        )
    rng = _generator(seed)
    x = np.empty((0, n_features))
    while len(x) < n_samples:
        drawn = rng.uniform(-1, 1, (n_samples, n_features))
        x = np.concatenate([x, drawn[np.abs(drawn.sum(axis=1)) > margin]])
    x = x[:n_samples]
    return make_dataset(
        "linearly_separable",
        x,
        x.sum(axis=1) > 0,
        f"Two linearly separable halves of a cube: {_PAPER}",
        n_classes=2,
    )


def hidden_manifold(
    n_samples: int = 300, n_features: int = 10, manifold_dimension: int = 6, seed: int = 0
) -> Dataset:
    """Generated: points of a hidden space, mapped to features and labelled by a small network.

    With `m = manifold_dimension` and `d = n_features`, draws `F (m, d) ~ N(0, 1)`,
    `c (n_samples, m) ~ N(0, 1)`, `b (d,) ~ U(-1, 1)`, `W (m, m) ~ N(0, 1)` and
    `v (m,) ~ N(0, 1)`. Features are `x = tanh(c F / sqrt(m) - b)`. The class is 1 where
    `v . tanh(W c) / sqrt(m)` exceeds its median over all samples, so each class has half of the
    samples. The problem gets harder with `m`.

    Args:
        n_samples: How many samples.
        n_features: The dimension `d` of the features.
        manifold_dimension: The dimension `m` of the hidden space.
        seed: Decides the samples; whole number of at least 0.

    Returns:
        The data set.

    Example:
        >>> sweep = [hidden_manifold(manifold_dimension=m) for m in range(2, 21)]
        >>> {data.x.shape for data in sweep}
        {(300, 10)}

    Reference:
        - S. Goldt, M. Mezard, F. Krzakala and L. Zdeborova, Modeling the influence of data
          structure on learning in neural networks: the hidden manifold model, Physical Review X
          10, 041044, 2020.
    """
    positive_int("n_samples", n_samples)
    positive_int("n_features", n_features)
    positive_int("manifold_dimension", manifold_dimension)
    rng = _generator(seed)
    folding = rng.normal(size=(manifold_dimension, n_features))
    hidden = rng.normal(size=(n_samples, manifold_dimension))
    biases = rng.uniform(-1, 1, n_features)
    weights = rng.normal(size=(manifold_dimension, manifold_dimension))
    readout = rng.normal(size=manifold_dimension)
    outputs = np.tanh(hidden @ weights.T) @ readout / math.sqrt(manifold_dimension)
    return make_dataset(
        "hidden_manifold",
        np.tanh(hidden @ folding / math.sqrt(manifold_dimension) - biases),
        outputs > np.median(outputs),
        f"Hidden manifold model: {_PAPER}, after S. Goldt, M. Mezard, F. Krzakala and "
        "L. Zdeborova, Physical Review X 10, 041044, 2020, doi:10.1103/PhysRevX.10.041044",
        n_classes=2,
    )


def hyperplanes_parity(
    n_samples: int = 300,
    n_features: int = 10,
    n_hyperplanes: int = 5,
    hyperplane_dimension: int = 3,
    seed: int = 0,
) -> Dataset:
    """Generated: whether a point lies on the positive side of an even number of hyperplanes.

    With `k = n_hyperplanes` in `m = hyperplane_dimension` dimensions and `d = n_features`, draws
    `w (k, m) ~ U(0, 1)`, `b (k,) ~ U(0, 1)`, `E (m, d) ~ U(0, 1)` and points `z (m,) ~ N(0, 1)`,
    `4 * n_samples` at a time. The class is 1 where `w_j . z + b_j > 0` holds for an even number
    of the `k` hyperplanes. Points are drawn until each class can have half of the samples; the
    first points of each class are kept, in the order in which they were drawn. Features are
    `x = z E`. The problem gets harder with `k`.

    Args:
        n_samples: How many samples. If it is odd, class 0 has one more.
        n_features: The dimension `d` of the features.
        n_hyperplanes: The number `k` of hyperplanes.
        hyperplane_dimension: The dimension `m` of the space that the hyperplanes divide.
        seed: Decides the samples; whole number of at least 0.

    Returns:
        The data set.

    Raises:
        ValueError: If an argument is invalid, or the hyperplanes of this seed make one class so
            rare that it can't have half of the samples.

    Example:
        >>> data = hyperplanes_parity(n_hyperplanes=3)
        >>> np.bincount(data.y).tolist()
        [150, 150]
    """
    positive_int("n_samples", n_samples)
    positive_int("n_features", n_features)
    positive_int("n_hyperplanes", n_hyperplanes)
    positive_int("hyperplane_dimension", hyperplane_dimension)
    rng = _generator(seed)
    weights = rng.uniform(size=(n_hyperplanes, hyperplane_dimension))
    biases = rng.uniform(size=n_hyperplanes)
    embedding = rng.uniform(size=(hyperplane_dimension, n_features))
    wanted = (n_samples - n_samples // 2, n_samples // 2)
    points = np.empty((0, hyperplane_dimension))
    for _ in range(_MOST_DRAWS):
        drawn = rng.normal(size=(4 * n_samples, hyperplane_dimension))
        points = np.concatenate([points, drawn])
        even = (points @ weights.T + biases > 0).sum(axis=1) % 2 == 0
        if all((even == c).sum() >= count for c, count in enumerate(wanted)):
            break
    else:
        raise ValueError(
            f"The hyperplanes of seed {seed} put only {min(even.sum(), (~even).sum())} of "
            f"{len(points)} points into one of the classes. Take another `seed`, more "
            "`n_hyperplanes` or a larger `hyperplane_dimension`."
        )
    kept = np.sort(
        np.concatenate([np.flatnonzero(even == c)[:count] for c, count in enumerate(wanted)])
    )
    return make_dataset(
        "hyperplanes_parity",
        points[kept] @ embedding,
        even[kept],
        f"Parity of the sides of hyperplanes: {_PAPER}",
        n_classes=2,
    )


_MOST_DRAWS = 64


def two_curves(
    n_samples: int = 300,
    n_features: int = 10,
    degree: int = 5,
    offset: float | None = None,
    noise: float = 0.01,
    seed: int = 0,
) -> Dataset:
    """Generated: two curves of the same shape side by side.

    With `d = n_features`, draws coefficients `a, b (d, degree + 1) ~ U(0, 1)`, interleaved as an
    array of shape `(d, degree + 1, 2)` and divided by its norm; a position `t ~ U(0, 1)` for
    each sample; and noise `e ~ N(0, noise)` for each feature of each sample. Features are

        x_i(t) = a_i0 + b_i0 + sum_k (a_ik cos(pi k t) + b_ik sin(pi k t)) + e_i

    with the sum over `k = 1 ... degree`. In class 1, `offset` is added to each feature. The first
    half of the samples is class 0. The problem gets harder the more the curves bend and the closer
    they are.

    Args:
        n_samples: How many samples. If it is odd, class 1 has one more.
        n_features: The dimension `d` of the features.
        degree: The highest frequency of the curve.
        offset: The distance between the curves in each feature; None takes `1 / (2 * degree)`.
        noise: The standard deviation of the noise, at least 0.
        seed: Decides the samples; whole number of at least 0.

    Returns:
        The data set.

    Example:
        >>> sweep = [two_curves(degree=degree) for degree in range(2, 21)]
        >>> {data.x.shape for data in sweep}
        {(300, 10)}

    Reference:
        - S. Buchanan, D. Gilboa and J. Wright, Deep networks and the multiple manifold problem,
          International Conference on Learning Representations, 2021.
    """
    positive_int("n_samples", n_samples)
    positive_int("n_features", n_features)
    positive_int("degree", degree)
    offset = 1 / (2 * degree) if offset is None else finite_number("offset", offset)
    _not_negative("noise", noise)
    rng = _generator(seed)
    coefficients = rng.uniform(size=(n_features, degree + 1, 2))
    coefficients /= np.linalg.norm(coefficients)
    position = rng.uniform(size=n_samples)
    # The formula has the constant `b_i0`, so the "sine" of frequency 0 is set to 1.
    angles = math.pi * np.arange(degree + 1) * position[:, np.newaxis]
    sines = np.where(np.arange(degree + 1) == 0, 1.0, np.sin(angles))
    x = np.cos(angles) @ coefficients[..., 0].T + sines @ coefficients[..., 1].T
    x += rng.normal(0, noise, x.shape)
    y = np.arange(n_samples) >= n_samples // 2
    return make_dataset(
        "two_curves",
        x + offset * y[:, np.newaxis],
        y,
        f"Two curves of low-degree Fourier series: {_PAPER}, after S. Buchanan, D. Gilboa and "
        "J. Wright, Deep networks and the multiple manifold problem, ICLR 2021",
        n_classes=2,
    )


def bars_and_stripes(
    n_samples: int = 1200, height: int = 4, width: int = 4, noise: float = 0.5, seed: int = 0
) -> Dataset:
    """Generated: noisy images of bars (columns) or stripes (rows).

    Draws the class of each sample, 1 with probability 1/2, then for each sample which rows are
    on and which columns are on, each with probability 1/2, then noise from `N(0, noise)` for
    each pixel. Class 0 shows the columns, class 1 the rows: pixels that are on are 1, others
    -1, plus noise. As in the paper, an image in which all or no pixels are on can belong to either
    class, so no model is right on every sample.

    Args:
        n_samples: How many samples.
        height: The rows of an image.
        width: The columns of an image.
        noise: The standard deviation of the noise, at least 0.
        seed: Decides the samples; whole number of at least 0.

    Returns:
        The data set, with `image_shape` `(height, width, 1)`.

    Example:
        >>> image = bars_and_stripes(noise=0, seed=3).x[0].reshape(4, 4)
        >>> image.std(axis=0).max() * image.std(axis=1).max()  # constant along one axis
        np.float32(0.0)
    """
    positive_int("n_samples", n_samples)
    positive_int("height", height)
    positive_int("width", width)
    _not_negative("noise", noise)
    rng = _generator(seed)
    stripes = rng.uniform(size=n_samples) < 0.5
    rows = rng.uniform(size=(n_samples, height, 1)) < 0.5
    columns = rng.uniform(size=(n_samples, 1, width)) < 0.5
    on = np.where(stripes[:, np.newaxis, np.newaxis], rows, columns)
    images = np.where(on, 1.0, -1.0) + rng.normal(0, noise, on.shape)
    return make_dataset(
        "bars_and_stripes",
        images.reshape(n_samples, -1),
        stripes,
        f"Bars and stripes: {_PAPER}",
        n_classes=2,
        image_shape=(height, width, 1),
    )


def _generator(seed: int) -> np.random.Generator:
    check_seed(seed)
    return np.random.default_rng(seed)


def _not_negative(argument: str, value: float) -> None:
    if finite_number(argument, value) < 0:
        raise ArgumentError(argument, "be at least 0", value)


LOADERS: dict[str, Callable[..., Dataset]] = {
    "linearly_separable": linearly_separable,
    "hidden_manifold": hidden_manifold,
    "hyperplanes_parity": hyperplanes_parity,
    "two_curves": two_curves,
    "bars_and_stripes": bars_and_stripes,
}
