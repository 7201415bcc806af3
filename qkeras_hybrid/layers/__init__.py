"""Keras layers that compute quantum circuits, sample spins, or make decisions."""

from qkeras_hybrid.layers.base import QuantumLayer
from qkeras_hybrid.layers.boltzmann import BoltzmannMachine
from qkeras_hybrid.layers.decision import DecisionLayer
from qkeras_hybrid.layers.discrete_latent import DiscreteLatent
from qkeras_hybrid.layers.initializers import SmallAngles
from qkeras_hybrid.layers.ising import IsingLayer
from qkeras_hybrid.layers.pqc import PQC
from qkeras_hybrid.layers.pqc_dense import PQCDense
from qkeras_hybrid.layers.qaoa import QAOALayer
from qkeras_hybrid.layers.quantum_embedding import QuantumEmbedding
from qkeras_hybrid.layers.quantum_kernel import QuantumKernel
from qkeras_hybrid.layers.resources import Resources
from qkeras_hybrid.layers.switching import set_engine
from qkeras_hybrid.layers.weights import WeightGroup

__all__ = [
    "PQC",
    "BoltzmannMachine",
    "DecisionLayer",
    "DiscreteLatent",
    "IsingLayer",
    "PQCDense",
    "QAOALayer",
    "QuantumEmbedding",
    "QuantumKernel",
    "QuantumLayer",
    "Resources",
    "SmallAngles",
    "WeightGroup",
    "set_engine",
]
