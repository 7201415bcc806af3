"""Ansatz templates: circuits in weights, for any number of qubits and layers.

| name | a layer | weights per layer on n qubits |
|---|---|---|
| `basic_entangler` | a rotation of each qubit, a ring of CNOT | n |
| `strongly_entangling` | any rotation of each qubit, CNOTs at a growing range | 3n |
| `two_local` | chosen rotations of each qubit, a chosen coupling and pattern | depends on these |
| `hardware_efficient` | `ry`, `rz` on each qubit, CNOTs on neighbours | 2n, and 2n at the end |
| `tree_tensor` | a binary tree of two-qubit blocks | 2(n - 1) |
| `mps` | a chain of two-qubit blocks | 2(n - 1) |
| `qcnn` | convolutions and pooling down to one qubit | 63 on 8 qubits |
| `random_layers` | rotations and CNOTs on random qubits | n, or chosen |
| `sim1` to `sim19` | the circuits of Sim, Johnson and Aspuru-Guzik | by circuit |
"""

from __future__ import annotations

import functools

from qkeras_hybrid._registry import Registry
from qkeras_hybrid.ansatz.base import Ansatz
from qkeras_hybrid.ansatz.layered import BasicEntangler, RandomLayers, StronglyEntangling
from qkeras_hybrid.ansatz.sim import Sim
from qkeras_hybrid.ansatz.tensor_network import QCNN, MatrixProduct, TreeTensor
from qkeras_hybrid.ansatz.two_local import HardwareEfficient, TwoLocal

_TEMPLATES: tuple[type[Ansatz], ...] = (
    BasicEntangler,
    StronglyEntangling,
    TwoLocal,
    HardwareEfficient,
    TreeTensor,
    MatrixProduct,
    QCNN,
    RandomLayers,
)
ANSATZE: Registry[Ansatz] = Registry(
    "ansatz",
    Ansatz,
    {
        **{template.name: template for template in _TEMPLATES},
        **{f"{Sim.name}{k}": functools.partial(Sim, k) for k in range(1, 20)},
    },
)
get = ANSATZE.get
names = ANSATZE.names

__all__ = [
    "ANSATZE",
    "QCNN",
    "Ansatz",
    "BasicEntangler",
    "HardwareEfficient",
    "MatrixProduct",
    "RandomLayers",
    "Sim",
    "StronglyEntangling",
    "TreeTensor",
    "TwoLocal",
    "get",
    "names",
]
