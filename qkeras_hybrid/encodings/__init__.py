"""Encodings: how classical features enter a circuit.

| name | what a feature is | features on n qubits |
|---|---|---|
| `angle` | a rotation angle | any, in rounds |
| `dense_angle` | a polar or an azimuthal angle of a qubit | any, in rounds of 2n |
| `amplitude` | an amplitude | up to 2**n |
| `basis` | a bit, or one integer | n bits, or 1 |
| `phase` | a phase after a Hadamard | any, in rounds |
| `iqp` | a phase, and in products those of pairs | any, in rounds |
| `zz` | the same as Qiskit's ZZ feature map | any, in rounds |
| `hamiltonian` | the strength of a term of a Hamiltonian | n - 1 on a chain |
| `reuploading` | a rotation angle, scaled and shifted by weights | any, in rounds |
"""

from __future__ import annotations

from typing import Any

import keras

from qkeras_hybrid._checks import must, one_of
from qkeras_hybrid.encodings.amplitude import AmplitudeEncoding, BasisEncoding
from qkeras_hybrid.encodings.angle import (
    AngleEncoding,
    DenseAngleEncoding,
    PhaseEncoding,
    ReuploadingEncoding,
)
from qkeras_hybrid.encodings.base import Encoding
from qkeras_hybrid.encodings.hamiltonian import HamiltonianEncoding
from qkeras_hybrid.encodings.iqp import IQPEncoding, ZZEncoding

_KNOWN: dict[str, type[Encoding]] = {
    encoding.name: encoding
    for encoding in (
        AngleEncoding,
        DenseAngleEncoding,
        AmplitudeEncoding,
        BasisEncoding,
        PhaseEncoding,
        IQPEncoding,
        ZZEncoding,
        HamiltonianEncoding,
        ReuploadingEncoding,
    )
}

__all__ = [
    "AmplitudeEncoding",
    "AngleEncoding",
    "BasisEncoding",
    "DenseAngleEncoding",
    "Encoding",
    "HamiltonianEncoding",
    "IQPEncoding",
    "PhaseEncoding",
    "ReuploadingEncoding",
    "ZZEncoding",
    "get",
    "names",
]


def names() -> tuple[str, ...]:
    """Returns the names of the encodings."""
    return tuple(_KNOWN)


def get(identifier: str | dict[str, Any] | Encoding) -> Encoding:
    """Returns an encoding from its name, its Keras-serialized form, or itself.

    Raises:
        ValueError: If the name is unknown, or the identifier is none of these.
    """
    if isinstance(identifier, str):
        return _KNOWN[one_of("encoding", identifier, _KNOWN)]()
    found = identifier
    if isinstance(identifier, dict):
        found = keras.saving.deserialize_keras_object(identifier)
    if not isinstance(found, Encoding):
        raise ValueError(must("encoding", "be a name or an Encoding", identifier))
    return found
