"""Describes the result of an intervention test, and whether the hybrid's comparison agrees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from qkeras_hybrid.bench.report import words
from qkeras_hybrid.bench.report.verdicts import judge
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.statistics import Contrast
from qkeras_hybrid.interventions import InterventionTest

Gain = Literal["a gain", "no gain", "nothing yet"]
"""What a comparison shows: whether a hybrid is better than networks without circuits."""


def interventions(found: InterventionTest, rows: Sequence[Row], seed: int) -> str:
    """Returns the scores and all verdicts, and explains where they differ.

    Args:
        found: The test.
        rows: The rows of the comparison.
        seed: The seed of the hybrid that was tested.
    """
    verdict = judge(rows)
    gain = _gain(verdict.contrasts, verdict.margin)
    runs = words.counted(len(found.outcome("retrained", "kept").scores), "time")
    as_trained, retrained, together = found.sentences
    noise = " The test scores without shots and noise." if rows[0].execution else ""
    return "\n".join(
        [
            f"Interventions in the hybrid of seed {seed}, retrained {runs} each:",
            "",
            found.table(),
            "",
            f"In short: the comparison shows {gain}; as trained, {_SAID[found.as_trained]}; "
            f"retrained, {_REPLACED if _replaceable(found) else _SAID[found.retrained]}.{noise}",
            f"Comparison: {verdict.sentence}",
            as_trained,
            retrained,
            f"As trained and retrained: {together}",
            f"Comparison and retrained: {_explained(gain, found)}",
        ]
    )


_SAID = {
    "leans": "the circuits are used",
    "idle": "the circuits are not used",
    "needed": "they are needed",
    "not needed": "they are not needed",
    "undecided": "it is undecided",
    "too short": "it is not known (too short a training)",
}
_REPLACED = "a linear map can take their place"


def _replaceable(found: InterventionTest) -> bool:
    """Returns whether something is needed in the circuits' place, but a linear map is enough."""
    return found.retrained == "needed" and found.linear_does


def _gain(contrasts: Sequence[Contrast], margin: float) -> Gain:
    outcomes = [contrast.outcome for contrast in contrasts]
    # A difference that is certain, but too small to count.
    small = [one.outcome == "better" and one.difference.within(margin) for one in contrasts]
    if "worse" in outcomes or "equivalent" in outcomes or any(small):
        return "no gain"
    return "a gain" if outcomes and set(outcomes) == {"better"} else "nothing yet"


def _explained(gain: Gain, found: InterventionTest) -> str:
    match (gain, "replaceable" if _replaceable(found) else found.retrained):
        case ("a gain", "replaceable"):
            return (
                "They disagree: the hybrid is better than the other networks, but as good with a "
                "linear map in place of its circuits. So the gain comes from its other layers."
            )
        case ("no gain", "replaceable"):
            return "Both agree: networks without circuits do as well."
        case ("a gain", "needed"):
            return "Both agree: the hybrid is better, and loses that without its circuits."
        case ("no gain", "not needed"):
            return "Both agree: nothing is lost without circuits."
        case ("a gain", "not needed"):
            return (
                "They disagree: the hybrid is better than the other networks, but as good with a "
                "constant in place of its circuits. So the gain comes from its other layers."
            )
        case ("no gain", "needed"):
            return (
                "They disagree: this network is worse without its circuits, but another network "
                "without circuits is as good or better. So this network needs its circuits; the "
                "task does not."
            )
    if gain == "nothing yet":
        return (
            "It can't be told whether they agree: the comparison is undecided or has too few seeds."
        )
    return "It can't be told whether they agree: the retrained networks give no answer."
