"""Molecules."""
from qkeras_hybrid.chemistry.molecules import molecule
from qkeras_hybrid.chemistry.electrons import electrons, hamiltonian
from qkeras_hybrid.chemistry.ansatze import UCCSD
