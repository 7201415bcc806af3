"""Layers of controls: most are made from a quantum layer and take its place.

Saved controls name this module as the place of their layers' classes.
"""

from __future__ import annotations

from qkeras_hybrid._model_copies import DoesNotApplyError, fresh
from qkeras_hybrid.bench.altered import AlteredCircuit
from qkeras_hybrid.bench.fourier_features import FourierFeatures
from qkeras_hybrid.bench.frequencies import frequencies
from qkeras_hybrid.bench.hashed_dense import HashedDense
from qkeras_hybrid.bench.random_features import RandomFourierFeatures
from qkeras_hybrid.bench.single_upload import SingleUpload, reuploads, single_upload
from qkeras_hybrid.bench.wave_trains import WaveTrain
from qkeras_hybrid.bench.without_entanglement import (
    EncodingWithoutEntanglement,
    WithoutEntanglement,
    entangling,
    without_entanglement,
)

__all__ = [
    "AlteredCircuit",
    "DoesNotApplyError",
    "EncodingWithoutEntanglement",
    "FourierFeatures",
    "HashedDense",
    "RandomFourierFeatures",
    "SingleUpload",
    "WaveTrain",
    "WithoutEntanglement",
    "entangling",
    "frequencies",
    "fresh",
    "reuploads",
    "single_upload",
    "without_entanglement",
]
