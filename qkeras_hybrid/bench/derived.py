"""Layers of controls: most are made of a quantum layer, to stand in its place.

Files of saved controls name this module, so that Keras finds the layers' classes here.
"""

from __future__ import annotations

from qkeras_hybrid._model_copies import DoesNotApplyError, fresh
from qkeras_hybrid.bench.fourier_features import FourierFeatures
from qkeras_hybrid.bench.frequencies import frequencies
from qkeras_hybrid.bench.hashed_dense import HashedDense
from qkeras_hybrid.bench.random_features import RandomFourierFeatures
from qkeras_hybrid.bench.wave_trains import WaveTrain
from qkeras_hybrid.bench.without_entanglement import (
    EncodingWithoutEntanglement,
    WithoutEntanglement,
    entangling,
    without_entanglement,
)

__all__ = [
    "DoesNotApplyError",
    "EncodingWithoutEntanglement",
    "FourierFeatures",
    "HashedDense",
    "RandomFourierFeatures",
    "WaveTrain",
    "WithoutEntanglement",
    "entangling",
    "frequencies",
    "fresh",
    "without_entanglement",
]
