"""Molecules."""
from qkeras_hybrid.chemistry.ansatze import UCCSD, Excitations, HartreeFock, KUpCCGSD, WithTemplate
from qkeras_hybrid.chemistry.electrons import Electrons, electrons, hamiltonian
from qkeras_hybrid.chemistry.molecules import Molecule, molecule
from qkeras_hybrid.chemistry.solving import GroundState, ground_state
