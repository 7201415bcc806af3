"""Energies over bond lengths: a network that predicts a circuit's angles, beside what fits curves.

The circuit's weights are its inputs, which a small network predicts from the bond length. It trains
on the mean energy of some geometries, and sees no energy of theirs (Cervera-Lierta, Kottmann,
Aspuru-Guzik: Meta-variational quantum eigensolver, PRX Quantum 2, 020329 (2021), arXiv 2009.13545).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.chemistry.ansatze import ansatz_of
from qkeras_hybrid.chemistry.electrons import Electrons, electrons
from qkeras_hybrid.chemistry.training import Energies, energy_loss, precision
from qkeras_hybrid.layers import PQC

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy_module("pandas")

MOST_POINTS = 1_000
"""The most bond lengths of a curve."""


@dataclass(frozen=True, eq=False)
class EnergyCurve:
    """A molecule at several bond lengths, on the same qubits.

    Attributes:
        bond_lengths: In ångström, of shape `(n,)`.
        electrons: The electrons at each.
        masks: The Pauli strings of any of the Hamiltonians: see `Electrons.encoded`.
        coefficients: Their coefficients at each bond length in hartree, `(n, n_strings)`.
    """

    bond_lengths: np.ndarray
    electrons: tuple[Electrons, ...]
    masks: tuple[tuple[int, int], ...]
    coefficients: np.ndarray

    @property
    def hf_energies(self) -> np.ndarray:
        """The Hartree-Fock energies in hartree, of shape `(n,)`."""
        return np.array([each.hf_energy for each in self.electrons])

    @property
    def fci_energies(self) -> np.ndarray:
        """The exact energies in these orbitals in hartree, of shape `(n,)`."""
        return np.array([each.exact_energies(1)[0] for each in self.electrons])

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        """What a model of `angles_model` takes."""
        lengths = self.bond_lengths[:, None].astype("float32")
        return {"bond_length": lengths, "coefficients": self.coefficients}

    def of(self, chosen: Any) -> EnergyCurve:
        """Returns the curve at some of its points, by their indices or a mask."""
        places = np.arange(len(self.bond_lengths))[chosen]
        return EnergyCurve(
            self.bond_lengths[places],
            tuple(self.electrons[i] for i in places),
            self.masks,
            self.coefficients[places],
        )


def energy_curve(name: str, bond_lengths: Any, **arguments: Any) -> EnergyCurve:
    """Returns a molecule's Hamiltonians at several bond lengths.

    Args:
        name: The molecule's name.
        bond_lengths: In ångström, at least one, all different.
        **arguments: Those of `electrons`, except `bond_length` and `units`.

    Raises:
        ValueError: If an argument is not what it must be, or the symmetries by which qubits are
            tapered off are not the same everywhere.

    Example:

    >>> from qkeras_hybrid.chemistry import energy_curve
    >>> curve = energy_curve("H2", [0.6, 0.7, 0.8])
    >>> curve.coefficients.shape, curve.fci_energies.round(4).tolist()
    ((3, 15), [-1.1163, -1.1362, -1.1341])
    """
    lengths = np.asarray(bond_lengths, float)
    if lengths.ndim != 1 or not 0 < len(lengths) <= MOST_POINTS or not np.isfinite(lengths).all():
        raise ArgumentError(
            "bond_lengths", f"be 1 to {MOST_POINTS} finite numbers, in ångström", bond_lengths
        )
    if len(set(lengths.tolist())) < len(lengths):
        raise ArgumentError("bond_lengths", "be different from each other", bond_lengths)
    found = tuple(electrons(name, bond_length=float(d), **arguments) for d in lengths)
    for each in found:
        if each.encoding != found[0].encoding:
            raise ArgumentError(
                "taper",
                "be False where symmetries differ between bond lengths",
                True,
                f"They do between {lengths[0]} and {each.molecule.distances.max():g} Å.",
            )
    masks = tuple(sorted({key for each in found for key in each.encoded}))
    values = np.array([[each.encoded.get(key, 0.0).real for key in masks] for each in found])
    return EnergyCurve(lengths, found, masks, values)


def angles_model(
    curve: EnergyCurve,
    *,
    ansatz: Any = "uccsd",
    hidden: Sequence[int] = (16, 16),
    seed: int | None = None,
    dtype: str | None = None,
    **options: Any,
) -> keras.Model:
    """Returns an untrained network that predicts a circuit's angles, then the circuit's energy.

    Args:
        curve: Whose strings the circuit reads, and whose bond lengths scale the network's input.
        ansatz: A name or an ansatz with weights, as of `ground_state`; not "adapt".
        hidden: The numbers of units of the Dense layers before the angles.
        seed: Of the network's weights, and of shots.
        dtype: The circuit's precision, as of `ground_state`.
        **options: Arguments of the circuit's layer: `engine`, `shots`, `noise`, `differentiator`.

    Returns:
        A model from `{"bond_length": (batch, 1), "coefficients": (batch, n_strings)}` to energies
        `(batch, 1)` in hartree. The layer "angles" has the circuit's angles, in radians.
    """
    dtype, found, atoms = precision(dtype), ansatz_of(ansatz), curve.electrons[0]
    n_weights = found.n_weights(atoms)
    if not n_weights:
        raise ArgumentError("ansatz", "have weights", ansatz)
    length = keras.Input((1,), name="bond_length")
    coefficients = keras.Input((len(curve.masks),), dtype=dtype, name="coefficients")
    angles = _hidden(length, curve, hidden, seed)
    angles = keras.layers.Dense(
        n_weights, kernel_initializer=_drawn(seed, len(hidden)), dtype=dtype, name="angles"
    )(angles)
    strings = PQC(
        found.circuit(atoms),
        [atoms.pauli_string(x, z) for x, z in curve.masks],
        inputs=found.symbols(atoms),
        qubits=atoms.qubits,
        seed=seed,
        dtype=dtype,
        name="strings",
        **options,
    )(angles)
    # Keras's Dot layer would compute in float32 under PyTorch.
    energy = ops.sum(strings * coefficients, axis=-1, keepdims=True)
    return keras.Model({"bond_length": length, "coefficients": coefficients}, energy)


def dense_model(
    curve: EnergyCurve, *, hidden: Sequence[int] = (16, 16), seed: int | None = None
) -> keras.Model:
    """Returns an untrained network from bond lengths to energies in units of their spread.

    Args:
        curve: Whose bond lengths scale the network's input.
        hidden: The numbers of units of the Dense layers.
        seed: Of the weights.
    """
    length = keras.Input((1,), name="bond_length")
    last = keras.layers.Dense(1, kernel_initializer=_drawn(seed, len(hidden)))
    return keras.Model(length, last(_hidden(length, curve, hidden, seed)))


def _drawn(seed: int | None, number: int) -> Any:
    own = None if seed is None else seed * 100 + number
    return keras.initializers.GlorotUniform(seed=own)


def _hidden(length: Any, curve: EnergyCurve, hidden: Sequence[int], seed: int | None) -> Any:
    spread = float(np.std(curve.bond_lengths)) or 1.0
    middle = float(np.mean(curve.bond_lengths))
    values = keras.layers.Rescaling(1 / spread, -middle / spread)(length)
    for number, units in enumerate(hidden):
        values = keras.layers.Dense(
            positive_int("hidden", units),
            activation="tanh",
            kernel_initializer=_drawn(seed, number),
        )(values)
    return values


def fit_angles(
    model: keras.Model, curve: EnergyCurve, *, steps: int = 500, learning_rate: float = 0.01
) -> np.ndarray:
    """Trains a model of `angles_model` on the mean energy of a curve, with Keras's `fit`.

    Args:
        model: The model.
        curve: The geometries; their energies are not used.
        steps: The number of steps, each on all geometries.
        learning_rate: Of Adam, at the start: it falls to nothing along half a cosine wave.

    Returns:
        The mean energy with which each step began, of shape `(steps,)`, in hartree.
    """
    watcher = Energies(None, 0.0)
    n = len(curve.bond_lengths)
    _fit(model, curve.inputs, np.zeros((n, 1)), energy_loss, steps, learning_rate, [watcher])
    return np.array(watcher.energies)


def _fit(
    model: keras.Model,
    inputs: Any,
    targets: np.ndarray,
    loss: Any,
    steps: int,
    learning_rate: float,
    callbacks: Sequence[Any] = (),
) -> None:
    """Trains on all samples in each step. An epoch for each would take Keras much longer."""
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, positive_int("steps", steps))
    model.compile(optimizer=keras.optimizers.Adam(schedule), loss=loss)

    def tiled(array: np.ndarray) -> np.ndarray:
        return np.tile(array, (steps, 1))

    many = (
        {key: tiled(x) for key, x in inputs.items()} if isinstance(inputs, dict) else tiled(inputs)
    )
    every, n = list(callbacks), len(targets)
    model.fit(many, tiled(targets), batch_size=n, shuffle=False, verbose=0, callbacks=every)


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
    """Predicts energies at new bond lengths: a circuit beside fits of curves to the same points.

    - "circuit": a network that predicts the circuit's angles. At each new bond length it has the
      Hamiltonian, for which Hartree-Fock was solved there; it never sees an exact energy.
    - "spline", "Gaussian process", "Dense": from bond lengths to the exact energies at the training
      points. Splines are cubic and go on beyond the points; the process has a squared exponential
      kernel with a width of the largest likelihood; the network has the circuit's hidden layers.
    - "spline of the correlation": a cubic spline of what Hartree-Fock leaves out. At new bond
      lengths it has the Hartree-Fock energy, about as much as the circuit knows.
    - "Hartree-Fock": nothing is learned.

    Args:
        name: The molecule's name.
        train: Bond lengths to train on, in ångström, at least four.
        between: Bond lengths to test among these.
        beyond: Bond lengths to test outside.
        ansatz: As of `angles_model`, as is `hidden`.
        hidden: The numbers of units of both networks.
        seeds: Of the networks' weights.
        steps: The number of training steps of both networks.
        engine: What computes the circuit.
        **arguments: Those of `electrons`, such as `active_space`.

    Returns:
        A table with a row for each contender and seed: `contender`, `seed`, `parameters`, and the
        mean and the largest absolute error in hartree: `train`, `between`, `beyond`, and
        `worst_between`, `worst_beyond`.

    Raises:
        ValueError: If an argument is not what it must be, or there are too many determinants.
    """
    if len(train) < 4:
        raise ArgumentError("train", "be at least four bond lengths", train)
    low, high = min(train), max(train)
    for argument, lengths, inside in (("between", between, True), ("beyond", beyond, False)):
        for length in lengths:
            if (low < length < high) is not inside:
                where = "among" if inside else "outside of"
                raise ArgumentError(argument, f"lie {where} those of `train`", length)
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
        found = ops.convert_to_numpy(model(whole.inputs))[:, 0]
        note("circuit", seed, model.count_params(), found)
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
    _fit(model, lengths[:n], targets, "mse", steps, 0.01)
    found = ops.convert_to_numpy(model(lengths))[:, 0].astype("float64")
    return model.count_params(), found * spread + middle
