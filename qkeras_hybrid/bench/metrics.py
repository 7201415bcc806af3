"""What a score is: how it is called and written, and whether more of it is better."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Metric:
    """A kind of score.

    Attributes:
        label: What it is called.
        hundredths: What its hundredths are called.
        percent: Whether it is written in per cent.
        lower_is_better: Whether less of it is better.
    """

    label: str
    hundredths: str
    percent: bool = False
    lower_is_better: bool = False

    @property
    def sign(self) -> int:
        """1, or -1 where less is better: a score times that is the higher the better."""
        return -1 if self.lower_is_better else 1


METRICS = {
    "accuracy": Metric("accuracy", "points", percent=True),
    "r2": Metric("R²", "hundredths of R²"),
    "regret": Metric("regret", "points of regret", percent=True, lower_is_better=True),
}
"""The kinds of scores, by the name that rows have."""


def metric_of(name: str) -> Metric:
    """Returns a kind of score by its name; of one that is not known, more is better."""
    return METRICS.get(name, Metric(name, "hundredths"))
