"""Energies over bond lengths, by a network that predicts a circuit's angles.

A small network predicts the angles of a circuit from the bond length. The loss is the mean of the
circuit's energies at some geometries; the exact energies are not used (Cervera-Lierta, Kottmann,
Aspuru-Guzik: Meta-variational quantum eigensolver, PRX Quantum 2, 020329 (2021), arXiv 2009.13545).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import check_fits, finite_number, positive_int, seed_or_none
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.chemistry.ansatze import ansatz_of
from qkeras_hybrid.chemistry.electrons import Electrons, electrons
from qkeras_hybrid.chemistry.training import Energies, energy_loss, precision, values_in_double
from qkeras_hybrid.layers import PQC

MOST_POINTS = 1_000
"""The most bond lengths of a curve."""


@dataclass(frozen=True, eq=False)
class EnergyCurve:
    """A molecule at several bond lengths, on the same qubits.

    Attributes:
        bond_lengths: In ångström, of shape `(n,)`.
        electrons: The electrons at each bond length.
        masks: All Pauli strings that occur in a Hamiltonian: see `Electrons.encoded`.
        coefficients: The coefficients of these strings at each bond length, in hartree, of shape
            `(n, n_strings)`.
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
        """The inputs of a model of `angles_model`."""
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
        **arguments: Arguments of `electrons`, except `bond_length` and `units`.

    Raises:
        ValueError: If an argument is invalid, or tapering finds different symmetries at different
            bond lengths.

    Example:

    >>> from qkeras_hybrid.chemistry import energy_curve
    >>> curve = energy_curve("H2", [0.6, 0.7, 0.8])
    >>> curve.coefficients.shape, curve.fci_energies.round(4).tolist()
    ((3, 15), [-1.1163, -1.1362, -1.1341])
    """
    lengths = checked_lengths("bond_lengths", bond_lengths)
    if len(set(lengths.tolist())) < len(lengths):
        raise ArgumentError("bond_lengths", "be different from each other", bond_lengths)
    found = tuple(electrons(name, bond_length=float(d), **arguments) for d in lengths)
    for each in found:
        if each.encoding != found[0].encoding:
            raise ArgumentError(
                "taper",
                "be False where symmetries differ between bond lengths",
                True,
                f"They differ between {lengths[0]} and {each.molecule.distances.max():g} Å.",
            )
    masks = tuple(sorted({key for each in found for key in each.encoded}))
    values = np.array([[each.encoded.get(key, 0.0).real for key in masks] for each in found])
    return EnergyCurve(lengths, found, masks, values)


def checked_lengths(argument: str, given: Any, least: int = 1) -> np.ndarray:
    """Returns bond lengths as an array, of shape `(n,)`, in ångström.

    Args:
        argument: The argument's name, for the error message.
        given: The bond lengths.
        least: The smallest number of bond lengths.

    Raises:
        ValueError: If they are too few, too many, or not positive, finite numbers.
    """
    requirement = f"be {least} to {MOST_POINTS} bond lengths above 0, in ångström"
    try:
        lengths = np.asarray(given, float)
    except (TypeError, ValueError) as error:
        raise ArgumentError(argument, requirement, given, "Example: [0.6, 0.7, 0.8].") from error
    right = lengths.ndim == 1 and least <= len(lengths) <= MOST_POINTS
    if not right or not np.isfinite(lengths).all() or not (lengths > 0).all():
        raise ArgumentError(argument, requirement, given, "Example: [0.6, 0.7, 0.8].")
    return lengths


def angles_model(
    curve: EnergyCurve,
    *,
    ansatz: Any = "uccsd",
    hidden: Sequence[int] = (16, 16),
    seed: int | None = None,
    dtype: str | None = None,
    **options: Any,
) -> keras.Model:
    """Returns an untrained network that predicts a circuit's angles, followed by the circuit.

    Args:
        curve: The curve whose Pauli strings the circuit measures, and whose bond lengths scale the
            network's input.
        ansatz: A name or an ansatz with weights, as for `ground_state`; not "adapt".
        hidden: The numbers of units of the Dense layers before the angles.
        seed: The seed of the network's weights and of shots.
        dtype: The circuit's precision, as for `ground_state`.
        **options: Arguments of the circuit's layer: `engine`, `shots`, `noise`, `differentiator`.

    Returns:
        A model from `{"bond_length": (batch, 1), "coefficients": (batch, n_strings)}` to energies
        `(batch, 1)` in hartree. The layer "angles" outputs the circuit's angles, in radians. A
        float32 model rounds energies to 7 digits; `predicted_energies` does not.

    Raises:
        ValueError: If an argument is invalid, or the ansatz has no weights.
    """
    dtype, found, atoms = precision(dtype), ansatz_of(ansatz), curve.electrons[0]
    seed = seed_or_none("seed", seed)
    n_weights = found.n_weights(atoms)
    if not n_weights:
        raise ArgumentError("ansatz", "have weights", ansatz)
    length = keras.Input((1,), name="bond_length")
    coefficients = keras.Input((len(curve.masks),), dtype=dtype, name="coefficients")
    angles = hidden_layers(length, curve, hidden, seed)
    angles = keras.layers.Dense(
        n_weights, kernel_initializer=drawn(seed, len(hidden)), dtype=dtype, name="angles"
    )(angles)
    strings = PQC(
        found.circuit(atoms),
        [atoms.pauli_string(x, z) for x, z in curve.masks if x | z],
        inputs=found.symbols(atoms),
        qubits=atoms.qubits,
        seed=seed,
        dtype=dtype,
        name="strings",
        **options,
    )(angles)
    # The identity is the first string; it is not measured, but added here. The sum is not a Keras
    # Dot layer, which would compute in float32 under PyTorch.
    first = len(curve.masks) - strings.shape[-1]
    energy = ops.sum(strings * coefficients[:, first:], axis=-1, keepdims=True)
    if first:
        energy = energy + coefficients[:, :1]
    return keras.Model({"bond_length": length, "coefficients": coefficients}, energy)


def predicted_energies(model: keras.Model, curve: EnergyCurve) -> np.ndarray:
    """Returns the energies that a model of `angles_model` predicts, summed in float64.

    Args:
        model: The model.
        curve: The geometries, with the same Pauli strings as the model's curve.

    Returns:
        Array of shape `(n,)`, float64, in hartree.

    Raises:
        ValueError: If the model is not from `angles_model`, or measures other Pauli strings.

    Example:

    >>> from qkeras_hybrid import chemistry
    >>> curve = chemistry.energy_curve("H2", [0.7, 0.8])
    >>> model = chemistry.angles_model(curve, hidden=(), seed=0)
    >>> chemistry.predicted_energies(model, curve).shape
    (2,)
    """
    layers = {layer.name: layer for layer in getattr(model, "layers", ())}
    if not {"angles", "strings", "bond_length"} <= set(layers):
        raise ArgumentError("model", "be a model from `angles_model`", model)
    masks = [(x, z) for x, z in curve.masks if x | z]
    if len(layers["strings"].compiled.readout.observables) != len(masks):
        raise ArgumentError(
            "curve",
            "have the same Pauli strings as the model's curve",
            f"{len(masks)} strings",
            "Make one curve of all bond lengths, and select parts of it with `of`.",
        )
    predict = keras.Model(layers["bond_length"].output, layers["angles"].output)
    angles = ops.convert_to_numpy(predict(curve.inputs["bond_length"]))
    values = values_in_double(layers["strings"], angles)
    first = len(curve.masks) - len(masks)
    constants = curve.coefficients[:, :first].sum(axis=1)
    return np.asarray(constants + (values * curve.coefficients[:, first:]).sum(axis=1))


def drawn(seed: int | None, number: int) -> Any:
    """Returns the initializer of Dense layer `number`, seeded by the network's seed."""
    own = None if seed is None else (seed * 100 + number) % 2**32
    return keras.initializers.GlorotUniform(seed=own)


def hidden_layers(length: Any, curve: EnergyCurve, hidden: Sequence[int], seed: int | None) -> Any:
    """Returns the output of Dense layers for bond lengths that are standardised by a curve's."""
    spread = float(np.std(curve.bond_lengths)) or 1.0
    middle = float(np.mean(curve.bond_lengths))
    values = keras.layers.Rescaling(1 / spread, -middle / spread)(length)
    for number, units in enumerate(hidden):
        values = keras.layers.Dense(
            positive_int("hidden", units),
            activation="tanh",
            kernel_initializer=drawn(seed, number),
        )(values)
    return values


def fit_angles(
    model: keras.Model, curve: EnergyCurve, *, steps: int = 500, learning_rate: float = 0.01
) -> np.ndarray:
    """Trains a model of `angles_model` on the mean energy of a curve, with Keras's `fit`.

    Args:
        model: The model.
        curve: The geometries; their exact energies are not used.
        steps: The number of steps, each on all geometries.
        learning_rate: The initial learning rate of Adam; it decays to 0 along half a cosine wave.

    Returns:
        The mean energy before each step, of shape `(steps,)`, in hartree.

    Raises:
        ValueError: If `steps` or `learning_rate` is not above 0, or so many steps need more memory
            than there is.
    """
    watcher = Energies(None, 0.0)
    n = len(curve.bond_lengths)
    fit(model, curve.inputs, np.zeros((n, 1)), energy_loss, steps, learning_rate, [watcher])
    return np.array(watcher.energies)


def fit(
    model: keras.Model,
    inputs: Any,
    targets: np.ndarray,
    loss: Any,
    steps: int,
    learning_rate: float,
    callbacks: Sequence[Any] = (),
) -> None:
    """Trains on all samples in each step.

    All steps are batches of a single epoch: an epoch for each step would be much slower in Keras.
    """
    arrays = [*(inputs.values() if isinstance(inputs, dict) else [inputs]), targets]
    check_fits(
        "steps",
        f"{positive_int('steps', steps):,} times the inputs of {len(targets):,} bond lengths",
        # Twice, because Keras copies the arrays to tensors.
        2.0 * steps * sum(array.nbytes for array in arrays),
        "Use fewer steps or bond lengths, or train several times.",
    )
    if finite_number("learning_rate", learning_rate) <= 0:
        raise ArgumentError("learning_rate", "be above 0", learning_rate)
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    model.compile(optimizer=keras.optimizers.Adam(schedule), loss=loss)

    def tiled(array: np.ndarray) -> np.ndarray:
        return np.tile(array, (steps, 1))

    many = (
        {key: tiled(x) for key, x in inputs.items()} if isinstance(inputs, dict) else tiled(inputs)
    )
    every, n = list(callbacks), len(targets)
    model.fit(many, tiled(targets), batch_size=n, shuffle=False, verbose=0, callbacks=every)
