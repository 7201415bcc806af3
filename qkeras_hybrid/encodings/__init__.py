"""Encodings: how classical features enter a circuit.

| name | what a feature is | features on n qubits |
|---|---|---|
| `angle` | a rotation angle | any, in rounds |
| `dense_angle` | a polar or an azimuthal angle of a qubit | any, in rounds of 2n |
| `amplitude` | an amplitude | up to 2**n |
| `basis` | a bit, or one integer | n bits, or 1 |
| `phase` | a phase after a Hadamard | any, in rounds |
| `iqp` | a phase; products of two are phases of pairs | any, in rounds |
| `zz` | as in Qiskit's ZZ feature map | any, in rounds |
| `hamiltonian` | the strength of a term of a Hamiltonian | n - 1 on a chain |
| `reuploading` | a rotation angle, scaled and shifted by weights | any, in rounds |
"""

from __future__ import annotations

from qkeras_hybrid._registry import Registry
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

ENCODINGS: Registry[Encoding] = Registry(
    "encoding",
    Encoding,
    {
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
    },
)
get = ENCODINGS.get
names = ENCODINGS.names

__all__ = [
    "ENCODINGS",
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
