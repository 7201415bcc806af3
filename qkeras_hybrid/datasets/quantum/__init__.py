"""Quantum data: states, such as ground states of spin chains, and results of measuring them.

Nothing is downloaded: states are computed exactly. The features of each data set are either the
amplitudes of states, for circuits, or estimates from measurements of their copies, for classical
models: see the argument `view` of `ising_phases`.
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
