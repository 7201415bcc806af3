"""Portfolios by predicted returns: training on regret compared with predict-then-optimise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import one_of, positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid._seeds import kept_seeds
from qkeras_hybrid.decisions import Choices, PerturbedFenchelYoung, SPOPlus, regret
from qkeras_hybrid.finance.checks import finite_array
from qkeras_hybrid.finance.portfolio import MONTHS, choices
from qkeras_hybrid.finance.series import returns, walk_forward
from qkeras_hybrid.layers import PQCDense

if TYPE_CHECKING:
    import pandas as pd
    import sklearn.linear_model as sklearn_linear_model
else:
    pd = lazy_module("pandas")
    sklearn_linear_model = lazy_module("sklearn.linear_model")

Builder = Callable[[int, int], keras.Model]

LOSSES = ("mse", "spo_plus", "fenchel_young")
"""The squared error, which ignores the decision, and two losses that take it into account."""


@dataclass(frozen=True)
class ReturnsData:
    """For each month: what is known at its end, and the returns of the next month.

    Attributes:
        features: Of shape `(n, 2 n_assets)`: the last return of each asset, then the mean of the
            last 12 returns of each asset.
        target: The returns of the next month, of shape `(n, n_assets)`.
        assets: The names of the assets.
    """

    features: np.ndarray
    target: np.ndarray
    assets: tuple[str, ...]


def returns_data(table: pd.DataFrame | None = None) -> ReturnsData:
    """Returns samples for predicting the next month's returns.

    Args:
        table: Monthly returns, a column for each asset; by default those of `returns`.

    Raises:
        ValueError: If there are fewer than two assets or 24 months, or a return is not finite.

    Example:

    >>> data = returns_data()
    >>> data.features.shape, data.target.shape
    ((226, 18), (226, 9))
    """
    table = returns() if table is None else table
    values = finite_array("table", table.to_numpy(), 2)
    if values.shape[1] < 2:
        raise ArgumentError("table", "have at least two assets to choose from", values.shape[1])
    if len(values) < 2 * MONTHS:
        raise ArgumentError("table", f"have at least {2 * MONTHS} months", len(values))
    ends = np.arange(MONTHS, len(values))
    momentum = np.stack([values[end - MONTHS : end].mean(axis=0) for end in ends])
    features = np.concatenate([values[ends - 1], momentum], axis=1)
    return ReturnsData(features, values[ends], tuple(map(str, table.columns)))


def linear_model(n_features: int, n_assets: int) -> keras.Model:
    """Returns a model that is linear in the features."""
    inputs = keras.Input((n_features,))
    return keras.Model(inputs, keras.layers.Dense(n_assets)(inputs))


def hybrid_model(n_features: int, n_assets: int) -> keras.Model:
    """Returns a model of a Dense layer, a circuit of four qubits and a Dense output layer."""
    inputs = keras.Input((n_features,))
    hidden = keras.layers.Dense(4, activation="tanh")(inputs)
    return keras.Model(inputs, keras.layers.Dense(n_assets)(PQCDense(4)(hidden)))


def dense_model(n_features: int, n_assets: int) -> keras.Model:
    """Returns the hybrid model with a Dense layer of 20 weights in place of the circuit's 24."""
    inputs = keras.Input((n_features,))
    hidden = keras.layers.Dense(4, activation="tanh")(inputs)
    hidden = keras.layers.Dense(4, activation="tanh")(hidden)
    return keras.Model(inputs, keras.layers.Dense(n_assets)(hidden))


NETWORKS: Mapping[str, Builder] = {
    "linear": linear_model,
    "Dense": dense_model,
    "hybrid": hybrid_model,
}
"""The networks of the study, by name: untrained models from features to returns."""


def regret_study(
    data: ReturnsData | None = None,
    *,
    n_assets: int = 3,
    n_folds: int = 3,
    seeds: Sequence[int] = (0, 1, 2),
    epochs: int = 40,
    losses: Sequence[str] = LOSSES,
    networks: Mapping[str, Builder] = NETWORKS,
) -> pd.DataFrame:
    """Chooses assets each month by predicted returns, and measures the regret of the choices.

    Each network is trained with each loss: the squared error of the returns, as in
    predict-then-optimise; SPO+ (Elmachtoub and Grigas 2022); and the perturbed Fenchel-Young loss
    (Berthet et al. 2020). Each fold trains only on the months before its test months, and scales
    features and returns by them. The networks are compared with:

    - "history": predicts the mean of the training months, so its choice is constant in a fold.
    - "ridge": a ridge regression for each asset (scikit-learn, penalty by leave-one-out).
    - "all assets": all assets with equal weights.

    Args:
        data: Samples as from `returns_data`; by default those of the nine assets.
        n_assets: How many assets to choose, with equal weights.
        n_folds: The last 40 % of the months are split into this many test parts; the models are
            trained once for each.
        seeds: The seeds of the networks.
        epochs: The number of training epochs.
        losses: Some of "mse", "spo_plus", "fenchel_young".
        networks: Functions by name that build a model from the numbers of features and of assets.

    Returns:
        A table with a row for each model, loss and seed, over all folds. The columns are `model`,
        `loss`, `seed`, `regret` (normalised: the missed return divided by the size of the best
        possible return), `missed` (the missed return of a month, in percentage points), `mean` and
        `volatility` (annual), `rmse` (of the predicted monthly returns, in percentage points) and
        `n_weights`. A network that was trained on regret predicts the order of the returns, not
        their size: its `rmse` is NaN.

    Raises:
        ValueError: If `n_assets` is not from 1 to the number of assets, or a loss is unknown.

    Example:

    >>> table = regret_study(networks={})
    >>> list(table.model)
    ['all assets', 'history', 'ridge']
    """
    data = returns_data() if data is None else data
    for loss in losses:
        one_of("losses", loss, LOSSES)
    problem = Choices(choices(data.target.shape[1], n_assets) / n_assets)
    folds = walk_forward(len(data.target), positive_int("n_folds", n_folds))
    months = np.concatenate([test for _, test in folds])
    truth = data.target[months]
    rows: list[dict[str, Any]] = []

    def add(
        model: str, loss: str | None, seed: int | None, predicted: np.ndarray, n_weights: int
    ) -> None:
        chosen = problem.minimise(-predicted)
        known = loss in (None, "mse")
        error = 100 * float(np.sqrt(np.mean((predicted - truth) ** 2))) if known else np.nan
        normalised = regret(problem, -truth, -predicted)
        rows.append(
            {"model": model, "loss": loss, "seed": seed}
            | {"regret": normalised, **_earned(problem, truth, chosen)}
            | {"rmse": error, "n_weights": n_weights}
        )

    rows.append(
        {"model": "all assets", "loss": None, "seed": None, "regret": np.nan}
        | _earned(problem, truth, np.full(truth.shape, 1 / truth.shape[1]))
        | {"rmse": np.nan, "n_weights": 0}
    )
    best = (problem.minimise(-truth) * truth).sum()
    total = np.abs((problem.minimise(-truth) * truth).sum(axis=1)).sum()
    rows[0]["regret"] = float((best - truth.mean(axis=1).sum()) / total)
    width, n_features = data.target.shape[1], data.features.shape[1]
    for name, predict, n_weights in (
        ("history", _history, width),
        ("ridge", _ridge, width * (n_features + 1)),
    ):
        parts = [predict(data, train, test) for train, test in folds]
        add(name, None, None, np.concatenate(parts), n_weights)
    for name, build in networks.items():
        for loss in losses:
            for seed in seeds:
                parts = []
                for train, test in folds:
                    found, n_weights = _network(
                        build, data, problem, train, test, loss, seed, epochs
                    )
                    parts.append(found)
                add(name, loss, seed, np.concatenate(parts), n_weights)
    return pd.DataFrame(rows)


def _earned(problem: Choices, truth: np.ndarray, chosen: np.ndarray) -> dict[str, float]:
    """Returns the missed return, the mean return and the volatility of decisions."""
    best = (problem.minimise(-truth) * truth).sum(axis=1)
    earned = (chosen * truth).sum(axis=1)
    return {
        "missed": 100 * float(np.mean(best - earned)),
        "mean": MONTHS * float(earned.mean()),
        "volatility": float(np.sqrt(MONTHS) * earned.std(ddof=1)),
    }


def _history(data: ReturnsData, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    return np.tile(data.target[train].mean(axis=0), (len(test), 1))


def _standardised(data: ReturnsData, train: np.ndarray) -> np.ndarray:
    """Returns features of mean 0 and deviation 1 in the training part, clipped to [-3, 3]."""
    centre, spread = data.features[train].mean(axis=0), data.features[train].std(axis=0)
    cut: np.ndarray = np.clip((data.features - centre) / spread, -3, 3)
    return cut


def _ridge(data: ReturnsData, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    features = _standardised(data, train)
    model = sklearn_linear_model.RidgeCV(alphas=10.0 ** np.arange(0, 6), alpha_per_target=True)
    model.fit(features[train], data.target[train])
    return np.asarray(model.predict(features[test]))


def _loss(name: str, problem: Choices, seed: int) -> Any:
    if name == "spo_plus":
        return SPOPlus(problem)
    if name == "fenchel_young":
        return PerturbedFenchelYoung(problem, sigma=0.5, seed=seed)
    return name


@kept_seeds()
def _network(
    build: Builder,
    data: ReturnsData,
    problem: Choices,
    train: np.ndarray,
    test: np.ndarray,
    loss: str,
    seed: int,
    epochs: int,
) -> tuple[np.ndarray, int]:
    keras.utils.set_random_seed(seed)
    x = _standardised(data, train).astype("float32")
    # One scale for all assets: a separate scale for each would change which asset is the best.
    scale = float(data.target[train].std())
    costs = (-data.target / scale).astype("float32")
    model = build(x.shape[1], costs.shape[1])
    model.compile(keras.optimizers.Adam(0.01), _loss(loss, problem, seed))
    model.fit(x[train], costs[train], batch_size=32, epochs=epochs, verbose=0)
    found = -scale * ops.convert_to_numpy(model(x[test], training=False)).astype(float)
    return found, model.count_params()
