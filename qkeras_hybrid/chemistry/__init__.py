"""Molecules: Hamiltonians, circuits for electrons, lowest energies, energy curves."""

from qkeras_hybrid.chemistry.ansatze import (
    UCCSD,
    Excitations,
    HartreeFock,
    KUpCCGSD,
    MolecularAnsatz,
    WithTemplate,
)
from qkeras_hybrid.chemistry.comparing import curve_study
from qkeras_hybrid.chemistry.curves import (
    EnergyCurve,
    angles_model,
    energy_curve,
    fit_angles,
    predicted_energies,
)
from qkeras_hybrid.chemistry.electrons import Electrons, electrons, hamiltonian
from qkeras_hybrid.chemistry.excited import ExcitedStates, excited_states
from qkeras_hybrid.chemistry.molecules import KNOWN, Molecule, molecule
from qkeras_hybrid.chemistry.solving import CHEMICAL_ACCURACY, GroundState, ground_state

__all__ = [
    "CHEMICAL_ACCURACY",
    "KNOWN",
    "UCCSD",
    "Electrons",
    "EnergyCurve",
    "Excitations",
    "ExcitedStates",
    "GroundState",
    "HartreeFock",
    "KUpCCGSD",
    "MolecularAnsatz",
    "Molecule",
    "WithTemplate",
    "angles_model",
    "curve_study",
    "electrons",
    "energy_curve",
    "excited_states",
    "fit_angles",
    "ground_state",
    "hamiltonian",
    "molecule",
    "predicted_energies",
]
