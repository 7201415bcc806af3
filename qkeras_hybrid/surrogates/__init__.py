"""Models without their circuits: what a trained circuit computes, made of Keras's own layers.

`qkeras_hybrid.surrogate` is `surrogate` of this room.
"""

from __future__ import annotations

from qkeras_hybrid.surrogates.choosing import METHODS
from qkeras_hybrid.surrogates.replacing import surrogate
from qkeras_hybrid.surrogates.report import LayerReport, SurrogateReport

__all__ = ["METHODS", "LayerReport", "SurrogateReport", "surrogate"]
