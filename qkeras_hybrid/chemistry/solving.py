"""Ground states: training an ansatz to the lowest energy, and ADAPT, which grows an ansatz."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import finite_number, positive_int, seed_or_none
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._gradients_of import value_and_gradients
from qkeras_hybrid.chemistry.ansatze import (
    ANSATZE,
    Excitation,
    Excitations,
    MolecularAnsatz,
    ansatz_of,
    pool,
)
from qkeras_hybrid.chemistry.electrons import Electrons, electrons
from qkeras_hybrid.chemistry.training import (
    energy_layer,
    energy_model,
    is_exact,
    no_features,
    precision,
    train,
    values_in_double,
)
from qkeras_hybrid.layers import PQC

CHEMICAL_ACCURACY = 1.6e-3
"""Chemical accuracy in hartree: about one kilocalorie per mole."""


@dataclass(frozen=True, eq=False)
class GroundState:
    """The result of `ground_state`.

    Attributes:
        energy: The energy at `weights`, in hartree. It is summed in float64, and computed in
            float64 if the engine can, also for a float32 model. From shots or random runs it is an
            estimate.
        model: The trained Keras model, from `(batch, 0)` to `(batch, 1)`. Its layer "energy" has
            the circuit, and measures the Hamiltonian without the identity; the layer "constant"
            adds the coefficient of the identity. A float32 model rounds their sum to 7 digits: to
            4e-6 hartree for N2.
        electrons: The molecule's electrons on qubits.
        ansatz: The circuit's ansatz.
        weights: The circuit's weights in radians, of shape `(n_weights,)`.
        history: The energies during the training, in hartree, in the model's precision: at the
            start and after each step. From shots or random runs, the estimate before each step.
        fci_energy: The exact lowest energy in these orbitals, in hartree; None if unknown.
    """

    energy: float
    model: keras.Model
    electrons: Electrons
    ansatz: MolecularAnsatz
    weights: np.ndarray
    history: np.ndarray
    fci_energy: float | None

    @property
    def hf_energy(self) -> float:
        """The energy of the Hartree-Fock state, in hartree."""
        return self.electrons.hf_energy

    @property
    def deviation(self) -> float | None:
        """The energy minus the exact lowest energy, in hartree; None if that is unknown."""
        return None if self.fci_energy is None else self.energy - self.fci_energy

    @property
    def chemically_accurate(self) -> bool | None:
        """Whether the energy is within 1.6e-3 hartree of the exact one; None if that is unknown."""
        return None if self.deviation is None else abs(self.deviation) < CHEMICAL_ACCURACY

    def __repr__(self) -> str:
        off = "" if self.deviation is None else f", {self.deviation:+.2e} from FCI"
        what = self.electrons.molecule.name or "molecule"
        return f"GroundState({what}, {self.ansatz.name}: {self.energy:.8f} hartree{off})"


def ground_state(
    given: Any,
    *,
    ansatz: Any = "uccsd",
    optimizer: Any = None,
    steps: int = 300,
    tolerance: float = 1e-7,
    engine: Any = "auto",
    shots: int | None = None,
    noise: Any = None,
    differentiator: Any = None,
    seed: int | None = None,
    dtype: str | None = None,
    weights: Any = None,
    gradient_tolerance: float = 1e-3,
    max_excitations: int | None = None,
    callbacks: Sequence[Any] = (),
    **arguments: Any,
) -> GroundState:
    """Finds a molecule's lowest energy, by training a circuit's weights with Keras's `fit`.

    This is the variational quantum eigensolver (Peruzzo et al. 2014, arXiv 1304.3061). The energy
    of the circuit's state is an upper bound of the lowest energy, so the training minimises it.

    Args:
        given: A name such as "H2" with a `bond_length`, a geometry with its `units`, a `Molecule`,
            or `Electrons`.
        ansatz: "uccsd"; "k_upccgsd" or `KUpCCGSD(k)`; "hardware_efficient" or any template of
            `qkeras_hybrid.ansatz`, as `WithTemplate(template, n_layers)` for more layers;
            "hartree_fock", which has no weights; or "adapt". "adapt" grows the circuit: it adds
            UCCSD's excitation with the largest gradient, trains all weights, and repeats this.
        optimizer: A Keras optimizer or its name, such as one of `qkeras_hybrid.optimizers`; by
            default Adam with the learning rate 0.02, or 0.05 if the initial weights are random.
        steps: The largest number of optimizer steps; for "adapt", after each new excitation.
        tolerance: In hartree. The training ends when the energy has not fallen by more than this
            for 30 steps. If energies are estimated, from shots or by the engine "trajectories", it
            takes all steps.
        engine: The engine that computes the circuit, as for all quantum layers.
        shots: None for exact energies, or the number of measurements for each group of Pauli
            strings.
        noise: A noise model, or its spelling.
        differentiator: How gradients are computed, as for all quantum layers.
        seed: The seed of shots and of random initial weights.
        dtype: The model's precision, "float64" or "float32". The default is float64 if the Keras
            backend has it; JAX has it with `jax_enable_x64`. In float32, the training can't
            resolve changes of the energy below about 1e-6 hartree. In either precision, the
            result's `energy` is computed in float64 if the engine can; from shots or random runs it
            is an estimate.
        weights: Initial weights, of shape `(n_weights,)`, in radians.
        gradient_tolerance: For "adapt", in hartree per radian: it ends when no excitation has a
            larger gradient.
        max_excitations: For "adapt": the largest number of excitations; by default as many as UCCSD
            has.
        callbacks: Further callbacks of `fit`.
        **arguments: Arguments of `electrons`: `bond_length`, `units`, `basis`, `charge`,
            `multiplicity`, `active_space`, `mapping`, `taper`.

    Returns:
        The energy, the trained model and its weights.

    Raises:
        ValueError: If an argument is invalid.
        ModuleNotFoundError: If OpenFermion or PySCF is needed but not installed.

    Example:

    >>> from qkeras_hybrid.chemistry import ground_state
    >>> result = ground_state("H2", bond_length=0.7414, ansatz="uccsd")
    >>> round(result.energy, 6), round(result.fci_energy, 6)
    (-1.13727, -1.13727)
    """
    adapts = isinstance(ansatz, str) and ansatz == "adapt"
    if isinstance(ansatz, str) and not adapts and ansatz not in ANSATZE.names():
        known = ", ".join(map(repr, (*ANSATZE.names(), "adapt")))
        raise ArgumentError("ansatz", f"be one of {known}", ansatz)
    dtype, seed = precision(dtype), seed_or_none("seed", seed)
    if finite_number("gradient_tolerance", gradient_tolerance) <= 0:
        raise ArgumentError("gradient_tolerance", "be above 0", gradient_tolerance)
    if max_excitations is not None:
        positive_int("max_excitations", max_excitations)
    if isinstance(given, Electrons) and arguments:
        raise ArgumentError(next(iter(arguments)), "be left out for Electrons", given)
    found = None if adapts else ansatz_of(ansatz)
    atoms = electrons(given, **arguments)
    solver = Solver(
        atoms,
        optimizer,
        steps,
        tolerance,
        seed,
        dtype,
        {"engine": engine, "shots": shots, "noise": noise, "differentiator": differentiator},
        tuple(callbacks),
    )
    if found is not None:
        return solver.solved(found, weights)
    if weights is not None:
        raise ArgumentError("weights", "be None for 'adapt', which starts without weights", weights)
    return solver.grown(gradient_tolerance, max_excitations)


@dataclass(frozen=True, eq=False)
class Solver:
    """Trains circuits for the same electrons.

    Attributes:
        electrons: The electrons.
        optimizer: As for `ground_state`, like `steps`, `tolerance` and `seed`.
        steps: The largest number of steps.
        tolerance: In hartree.
        seed: The seed of shots and of random initial weights.
        dtype: The models' precision, "float64" or "float32".
        options: Arguments of the circuit's layer.
        callbacks: Further callbacks of `fit`.
    """

    electrons: Electrons
    optimizer: Any
    steps: int
    tolerance: float
    seed: int | None
    dtype: str
    options: dict[str, Any]
    callbacks: tuple[Any, ...] = ()

    def optimizer_of(self, default: Any) -> Any:
        """Returns a new optimizer like the given one, or the default if none is given."""
        if self.optimizer is None:
            return default
        if isinstance(self.optimizer, keras.optimizers.Optimizer):
            # A copy, because a Keras optimizer can only train the variables of one model.
            return type(self.optimizer).from_config(self.optimizer.get_config())
        return keras.optimizers.get(self.optimizer)

    def default_optimizer(self, ansatz: MolecularAnsatz) -> Any:
        """Returns the default optimizer for an ansatz."""
        if isinstance(ansatz, Excitations):
            # Adam's first steps have the size of the learning rate even for tiny gradients, which
            # would spoil weights that are already trained. The large epsilon makes them small.
            return keras.optimizers.Adam(0.02, epsilon=0.03)
        return keras.optimizers.Adam(0.02 if ansatz.start == 0 else 0.05)

    def model(self, ansatz: MolecularAnsatz, weights: Any = None) -> keras.Model:
        """Returns an untrained model for an ansatz.

        Raises:
            ValueError: If the weights don't fit.
        """
        if weights is not None:
            weights, need = np.asarray(weights, float), (ansatz.n_weights(self.electrons),)
            if weights.shape != need or not np.isfinite(weights).all():
                raise ArgumentError("weights", f"be finite and have shape {need}", weights)
        layer = self.layer(ansatz, inputs=[], weight_initializer=ansatz.initializer(self.seed))
        return energy_model(self.electrons, layer, self.dtype, weights)

    def layer(self, ansatz: MolecularAnsatz, **more: Any) -> PQC:
        """Returns the layer of an ansatz: see `energy_layer`."""
        return energy_layer(
            self.electrons,
            ansatz.circuit(self.electrons),
            ansatz.symbols(self.electrons),
            self.dtype,
            seed=self.seed,
            **self.options,
            **more,
        )

    def energy(self, layer: PQC, inputs: np.ndarray) -> float:
        """Returns the energy of a layer's state for its inputs, `(1, n_inputs)`, in hartree."""
        return float(values_in_double(layer, inputs)[0, 0]) + self.electrons.constant

    def solved(self, ansatz: MolecularAnsatz, weights: Any = None) -> GroundState:
        """Trains an ansatz."""
        model = self.model(ansatz, weights)
        history = train(
            model,
            self.optimizer_of(self.default_optimizer(ansatz)),
            steps=self.steps,
            tolerance=self.tolerance,
            dtype=self.dtype,
            callbacks=self.callbacks,
        )
        layer = model.get_layer("energy")
        values = layer.circuit_weights
        return GroundState(
            self.energy(layer, no_features(self.dtype)),
            model,
            self.electrons,
            ansatz,
            np.zeros(0) if values is None else np.array(ops.convert_to_numpy(values)),
            history,
            self.electrons.fci_energy,
        )

    def grown(self, gradient_tolerance: float, most: int | None) -> GroundState:
        """Grows an ansatz from UCCSD's excitations and trains it (ADAPT).

        Reference:
            Grimsley, Economou, Barnes, Mayhall, Nature Communications 10, 3007 (2019), arXiv
            1812.11173.
        """
        candidates = pool(self.electrons, "adapt")
        if not candidates:
            raise ArgumentError(
                "ansatz",
                "be another one, because there are no excitations here",
                "adapt",
                "No electron can move to another orbital. Use 'hartree_fock'.",
            )
        chosen: tuple[Excitation, ...] = ()
        result = self.solved(Excitations(chosen))
        history = [result.history]
        for _ in range(len(candidates) if most is None else most):
            slopes = self.slopes(chosen, result.weights, candidates)
            steepest = int(np.argmax(np.abs(slopes)))
            if abs(slopes[steepest]) <= gradient_tolerance:
                break
            longer = (*chosen, candidates[steepest])
            found = self.solved(Excitations(longer), [*result.weights, 0.0])
            history.append(found.history[1:])
            exact = is_exact(found.model.get_layer("energy"))
            if exact and found.energy > result.energy - self.tolerance:
                break
            chosen, result = longer, found
        return GroundState(
            result.energy,
            result.model,
            self.electrons,
            result.ansatz,
            result.weights,
            np.concatenate(history),
            result.fci_energy,
        )

    def slopes(
        self, chosen: Sequence[Excitation], weights: Any, candidates: Sequence[Excitation]
    ) -> np.ndarray:
        """Returns the derivative of the energy with respect to each candidate's weight, at 0.

        For `exp(t A)` at the end of the circuit it is `<[H, A]>`. Other candidates with weights of
        zero don't change it, so one gradient of a circuit with all candidates has all derivatives.
        """
        longer = Excitations((*chosen, *candidates))
        layer = self.layer(longer, inputs=longer.symbols(self.electrons))
        angles = np.array([[*weights, *np.zeros(len(candidates))]], self.dtype)
        _, (slopes,) = value_and_gradients(layer, angles)
        return np.asarray(slopes[0, len(chosen) :])
