"""Kinds of scores: what they are called, how they are written, and whether higher is better."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Metric:
    """A kind of score.

    Attributes:
        label: The name of the score.
        hundredths: The name of its hundredths.
        percent: Whether it is written in per cent.
        lower_is_better: Whether a lower score is better.
    """

    label: str
    hundredths: str
    percent: bool = False
    lower_is_better: bool = False

    @property
    def sign(self) -> int:
        """1, or -1 if lower is better: of scores multiplied by it, the higher is the better."""
        return -1 if self.lower_is_better else 1


METRICS = {
    "accuracy": Metric("accuracy", "points", percent=True),
    "r2": Metric("R²", "hundredths of R²"),
    "regret": Metric("regret", "points of regret", percent=True, lower_is_better=True),
}
"""The kinds of scores, by the names that rows use."""


def metric_of(name: str) -> Metric:
    """Returns a kind of score by its name; for an unknown name, one of which higher is better."""
    return METRICS.get(name, Metric(name, "hundredths"))
