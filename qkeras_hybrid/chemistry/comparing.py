"""Energy curves over bond lengths: a circuit with predicted angles compared with curve fits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import seed_number
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.chemistry.curves import (
    EnergyCurve,
    angles_model,
    checked_lengths,
    drawn,
    energy_curve,
    fit,
    fit_angles,
    hidden_layers,
    predicted_energies,
)

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy_module("pandas")


def dense_model(
    curve: EnergyCurve, *, hidden: Sequence[int] = (16, 16), seed: int | None = None
) -> keras.Model:
    """Returns an untrained network from bond lengths to standardised energies.

    Args:
        curve: The curve whose bond lengths scale the network's input.
        hidden: The numbers of units of the Dense layers.
        seed: The seed of the weights.

    Returns:
        A model from `(batch, 1)`, in ångström, to `(batch, 1)`.
    """
    length = keras.Input((1,), name="bond_length")
    last = keras.layers.Dense(1, kernel_initializer=drawn(seed, len(hidden)))
    return keras.Model(length, last(hidden_layers(length, curve, hidden, seed)))


def curve_study(
    name: str,
    train: Sequence[float],
    *,
    between: Sequence[float],
    beyond: Sequence[float],
    ansatz: Any = "uccsd",
    hidden: Sequence[int] = (16, 16),
    seeds: Sequence[int] = (0, 1, 2),
    steps: int = 500,
    engine: Any = "auto",
    **arguments: Any,
) -> pd.DataFrame:
    """Predicts energies at new bond lengths, with a circuit and with curves fitted to energies.

    - "circuit": a network that predicts the circuit's angles. It never sees an exact energy. At
      each new bond length it is given the Hamiltonian, which comes from a Hartree-Fock calculation.
    - "spline", "Gaussian process", "Dense": fits of the exact energies at the training points as
      functions of the bond length. Splines are cubic and extrapolate; the Gaussian process has a
      squared exponential kernel whose width maximises the likelihood; the Dense network has the
      same hidden layers as the circuit's network.
    - "spline of the correlation": a cubic spline of the exact energy minus the Hartree-Fock energy.
      At new bond lengths it is given the Hartree-Fock energy, so it knows about as much as the
      circuit.
    - "Hartree-Fock": the Hartree-Fock energy, without training.

    Args:
        name: The molecule's name.
        train: At least four bond lengths to train on, in ångström.
        between: At least one bond length to test inside the range of `train`.
        beyond: At least one bond length to test outside the range of `train`.
        ansatz: As for `angles_model`.
        hidden: The numbers of units of the hidden layers of both networks.
        seeds: The seeds of the networks' weights.
        steps: The number of training steps of both networks.
        engine: The engine that computes the circuit.
        **arguments: Arguments of `electrons`, such as `active_space`.

    Returns:
        A table with a row for each contender and seed. The columns are `contender`, `seed`,
        `parameters`, the mean absolute errors `train`, `between` and `beyond`, and the largest
        absolute errors `worst_between` and `worst_beyond`, in hartree.

    Raises:
        ValueError: If an argument is invalid, or there are too many determinants for exact
            energies.
    """
    train = checked_lengths("train", train, 4).tolist()
    between = checked_lengths("between", between).tolist()
    beyond = checked_lengths("beyond", beyond).tolist()
    if isinstance(seeds, str) or not isinstance(seeds, Iterable):
        raise ArgumentError("seeds", "be one or more whole numbers", seeds, "Example: (0, 1, 2).")
    seeds = [seed_number("seeds", seed) for seed in seeds]
    if not seeds:
        raise ArgumentError("seeds", "be one or more whole numbers", seeds, "Example: (0, 1, 2).")
    low, high = min(train), max(train)
    for argument, lengths, inside in (("between", between, True), ("beyond", beyond, False)):
        for length in lengths:
            if (low < length < high) is not inside:
                where = "inside" if inside else "outside"
                raise ArgumentError(argument, f"lie {where} the range of `train`", length)
    order = [*sorted(train), *between, *beyond]
    whole = energy_curve(name, order, **arguments)
    ends = np.cumsum([len(train), len(between), len(beyond)])
    parts = dict(
        zip(("train", "between", "beyond"), np.split(np.arange(ends[-1]), ends), strict=False)
    )
    known, exact = whole.of(parts["train"]), whole.fci_energies
    rows: list[dict[str, Any]] = []

    def note(contender: str, seed: int | None, parameters: int, energies: np.ndarray) -> None:
        errors = np.abs(energies - exact)
        row = {"contender": contender, "seed": seed, "parameters": parameters}
        means = {part: errors[places].mean() for part, places in parts.items()}
        worst = {f"worst_{part}": errors[parts[part]].max() for part in ("between", "beyond")}
        rows.append({**row, **means, **worst})

    for contender, predict in _fits(whole, known, exact).items():
        note(
            contender,
            None,
            0 if contender == "Hartree-Fock" else len(known.bond_lengths),
            predict(),
        )
    for seed in seeds:
        model = angles_model(known, ansatz=ansatz, hidden=hidden, seed=seed, engine=engine)
        fit_angles(model, known, steps=steps)
        note("circuit", seed, model.count_params(), predicted_energies(model, whole))
        note("Dense", seed, *_dense(whole, known, exact, hidden, seed, steps))
    return pd.DataFrame(rows)


def _fits(
    whole: EnergyCurve, known: EnergyCurve, exact: np.ndarray
) -> dict[str, Callable[[], np.ndarray]]:
    from scipy.interpolate import CubicSpline
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel

    lengths, at = known.bond_lengths, whole.bond_lengths
    energies, n = exact[: len(lengths)], len(lengths)

    def process() -> np.ndarray:
        kernel = ConstantKernel(1.0, (1e-3, 1e5)) * RBF(1.0, (0.05, 20.0))
        fitted = GaussianProcessRegressor(
            kernel, alpha=1e-8, normalize_y=True, n_restarts_optimizer=3, random_state=0
        ).fit(lengths[:, None], energies)
        return np.asarray(fitted.predict(at[:, None]))

    hf = whole.hf_energies
    return {
        "spline": lambda: np.asarray(CubicSpline(lengths, energies)(at)),
        "spline of the correlation": lambda: (
            hf + np.asarray(CubicSpline(lengths, energies - hf[:n])(at))
        ),
        "Gaussian process": process,
        "Hartree-Fock": lambda: hf,
    }


def _dense(
    whole: EnergyCurve,
    known: EnergyCurve,
    exact: np.ndarray,
    hidden: Sequence[int],
    seed: int,
    steps: int,
) -> tuple[int, np.ndarray]:
    model = dense_model(known, hidden=hidden, seed=seed)
    n = len(known.bond_lengths)
    middle, spread = exact[:n].mean(), exact[:n].std() or 1.0
    lengths = whole.bond_lengths[:, None].astype("float32")
    targets = ((exact[:n] - middle) / spread)[:, None]
    fit(model, lengths[:n], targets, "mse", steps, 0.01)
    found = ops.convert_to_numpy(model(lengths))[:, 0].astype("float64")
    return model.count_params(), found * spread + middle
