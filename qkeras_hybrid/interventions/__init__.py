"""Tests whether a trained network uses its circuits, and whether a network needs them.

The only public function is `intervention_test`, also available as
`qkeras_hybrid.intervention_test`.
"""

from __future__ import annotations

from qkeras_hybrid.interventions.intervening import intervention_test
from qkeras_hybrid.interventions.verdicts import InterventionTest, Outcome

__all__ = ["InterventionTest", "Outcome", "intervention_test"]
