"""What a network does without its circuits' outputs: as it was trained, and trained without them.

`qkeras_hybrid.intervention_test` is `intervention_test` of this room.
"""

from __future__ import annotations

from qkeras_hybrid.interventions.intervening import intervention_test
from qkeras_hybrid.interventions.verdicts import InterventionTest, Outcome

__all__ = ["InterventionTest", "Outcome", "intervention_test"]
