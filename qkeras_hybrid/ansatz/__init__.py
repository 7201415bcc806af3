"""Ansatz templates: circuits in weights, for any number of qubits and layers.

| name | a layer | weights a layer on n qubits |
|---|---|---|
| `basic_entangler` | a rotation each, a ring of CNOT | n |
| `strongly_entangling` | any rotation each, CNOTs at a growing range | 3n |
| `two_local` | chosen rotations each, a chosen coupling by pattern | chosen |
| `hardware_efficient` | `ry`, `rz` each, CNOTs on neighbours | 2n, and 2n at the end |
| `tree_tensor` | a binary tree of two-qubit blocks | 2(n - 1) |
| `mps` | a chain of two-qubit blocks | 2(n - 1) |
| `qcnn` | convolutions and pooling down to one qubit | 63 on 8 qubits |
| `random_layers` | rotations and CNOTs on random qubits | n, or chosen |
| `sim1` to `sim19` | the circuits of Sim, Johnson and Aspuru-Guzik | by circuit |
"""

from __future__ import annotations

from typing import Any

import keras

from qkeras_hybrid._checks import must, one_of
from qkeras_hybrid.ansatz.base import Ansatz
from qkeras_hybrid.ansatz.layered import BasicEntangler, RandomLayers, StronglyEntangling
from qkeras_hybrid.ansatz.sim import Sim
from qkeras_hybrid.ansatz.tensor_network import QCNN, MatrixProduct, TreeTensor
from qkeras_hybrid.ansatz.two_local import HardwareEfficient, TwoLocal

_KNOWN: dict[str, type[Ansatz]] = {
    ansatz.name: ansatz
    for ansatz in (
        BasicEntangler,
        StronglyEntangling,
        TwoLocal,
        HardwareEfficient,
        TreeTensor,
        MatrixProduct,
        QCNN,
        RandomLayers,
    )
}
_SIM = tuple(f"{Sim.name}{number}" for number in range(1, 20))

__all__ = [
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


def names() -> tuple[str, ...]:
    """Returns the names of the templates."""
    return (*_KNOWN, *_SIM)


def get(identifier: str | dict[str, Any] | Ansatz) -> Ansatz:
    """Returns an ansatz from its name, its Keras-serialized form, or itself.

    Raises:
        ValueError: If the name is unknown, or the identifier is none of these.
    """
    if isinstance(identifier, str):
        one_of("ansatz", identifier, names())
        if identifier in _SIM:
            return Sim(int(identifier.removeprefix(Sim.name)))
        return _KNOWN[identifier]()
    found = identifier
    if isinstance(identifier, dict):
        found = keras.saving.deserialize_keras_object(identifier)
    if not isinstance(found, Ansatz):
        raise ValueError(must("ansatz", "be a name or an Ansatz", identifier))
    return found
