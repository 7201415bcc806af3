"""Surrogates: Keras layers that compute what a trained circuit computes.

`qkeras_hybrid.surrogate` is the function `surrogate` of this subpackage.
"""

from __future__ import annotations

from qkeras_hybrid.surrogates.choosing import METHODS
from qkeras_hybrid.surrogates.replacing import surrogate
from qkeras_hybrid.surrogates.report import LayerReport, SurrogateReport

__all__ = ["METHODS", "LayerReport", "SurrogateReport", "surrogate"]
