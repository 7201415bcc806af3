"""Layers of controls: most are made of a quantum layer, to stand in its place.

Files of saved controls name this module, so that Keras finds the layers' classes here.
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
