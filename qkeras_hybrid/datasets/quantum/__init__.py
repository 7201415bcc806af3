"""Quantum data: ground states of spin chains, and what a lab learns of them by measurements.

Nothing downloads: states are computed exactly. Each data set can be had as
states, for circuits, and as what a lab reports of copies of them, for everyone else: see
`ising_phases`.
"""

from __future__ import annotations

from collections.abc import Callable

from qkeras_hybrid.datasets.base import Dataset
from qkeras_hybrid.datasets.quantum.chains import ground_states, ising_energy
from qkeras_hybrid.datasets.quantum.couplings import evolved_states, unknown_coupling
from qkeras_hybrid.datasets.quantum.devices import noisy_outputs
from qkeras_hybrid.datasets.quantum.entanglement import entangled_pairs
from qkeras_hybrid.datasets.quantum.measurements import (
    expectation_values,
    local_strings,
    measure,
    shadow_values,
)
from qkeras_hybrid.datasets.quantum.phases import (
    cluster_boundaries,
    cluster_phases,
    ising_phases,
    xxz_phases,
)

__all__ = [
    "cluster_boundaries",
    "cluster_phases",
    "entangled_pairs",
    "evolved_states",
    "expectation_values",
    "ground_states",
    "ising_energy",
    "ising_phases",
    "local_strings",
    "measure",
    "noisy_outputs",
    "shadow_values",
    "unknown_coupling",
    "xxz_phases",
]

LOADERS: dict[str, Callable[..., Dataset]] = {
    "ising_phases": ising_phases,
    "xxz_phases": xxz_phases,
    "cluster_phases": cluster_phases,
    "entangled_pairs": entangled_pairs,
    "unknown_coupling": unknown_coupling,
    "noisy_outputs": noisy_outputs,
}
