"""The result of an intervention test: scores, two verdicts, and a sentence that compares them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from qkeras_hybrid._lazy import lazy_module

if TYPE_CHECKING:
    import scipy.stats as scipy_stats
else:
    scipy_stats = lazy_module("scipy.stats")

When = Literal["as trained", "retrained"]

CONFIDENCE = 0.95

ROUNDING = 1e-9
"""Differences of scores up to this count as rounding, relative to the larger of the score and 1."""

Finding = Literal["leans", "idle", "needed", "not needed", "undecided", "too short"]
"""The possible verdicts."""


@dataclass(frozen=True)
class Outcome:
    """The scores with one replacement of the circuits' outputs.

    Attributes:
        when: "as trained" for the given model without further training, or "retrained".
        circuit: The replacement: "mean", "shuffled", "surrogate", "constant", "noise" or "linear";
            or "kept" for the circuits themselves.
        layer: The quantum layer whose output was replaced; None for all.
        scores: The score of each shuffle or run; empty if the replacement is impossible.
        differences: Each score minus the score with the circuits kept, in the same run.
        note: Why the replacement is impossible; else empty.
    """

    when: When
    circuit: str
    layer: str | None
    scores: tuple[float, ...]
    differences: tuple[float, ...] = ()
    note: str = ""

    @property
    def score(self) -> float:
        """The mean score; NaN if there is none."""
        return statistics.fmean(self.scores) if self.scores else math.nan

    @property
    def difference(self) -> float:
        """The mean difference from the score with the circuits kept; NaN if there is none."""
        return statistics.fmean(self.differences) if self.differences else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval (Student t) of the difference over the runs; NaN for fewer than two."""
        n = len(self.differences)
        if n < 2:
            return (math.nan, math.nan)
        error = statistics.stdev(self.differences) / math.sqrt(n)
        half = float(scipy_stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * error
        return (self.difference - half, self.difference + half)

    def falls(self, margin: float) -> bool | None:
        """Returns whether the score falls by more than a margin; None if that is undecided.

        As trained, and with a single run, the mean difference decides: it falls if the difference
        is below `-margin`. With several retrained runs, it falls if the mean difference is below
        `-margin` and the whole interval is below 0; it does not fall if the whole interval is at
        or above `-margin`; else it is undecided. A difference that exceeds the margin only by
        rounding, such as 0.9 - 0.92 with a margin of 0.02, does not count as a fall.
        """
        if math.isnan(self.difference):
            return None
        low, high = self.interval
        rounding = _rounding(self.score)
        limit = -margin - rounding
        if self.when == "as trained" or len(self.differences) < 2:
            return self.difference < limit
        if low >= limit:
            return False
        return True if self.difference < limit and high < -rounding else None


@dataclass(frozen=True)
class InterventionTest:
    """The result of `intervention_test`.

    Attributes:
        metric: The name of the score.
        margin: The smallest difference of scores that counts.
        n_samples: The number of samples in each score.
        outcomes: All scores, first as trained, then retrained; each begins with the circuits kept.
    """

    metric: str
    margin: float
    n_samples: int
    outcomes: tuple[Outcome, ...]

    def outcome(self, when: When, circuit: str, layer: str | None = None) -> Outcome:
        """Returns one of the outcomes, by its attributes.

        Raises:
            KeyError: If there is no such outcome.
        """
        for each in self.outcomes:
            if (each.when, each.circuit, each.layer) == (when, circuit, layer):
                return each
        raise KeyError((when, circuit, layer))

    @property
    def as_trained(self) -> Finding:
        """The verdict on the trained network.

        "leans" if it uses the circuits' outputs, "idle" if it does not, "undecided" if a score that
        decides is NaN.
        """
        falls = [
            self.outcome("as trained", name).falls(self.margin) for name in ("mean", "shuffled")
        ]
        if True in falls:
            return "leans"
        return "undecided" if None in falls else "idle"

    @property
    def retrained(self) -> Finding:
        """The verdict on retrained networks.

        "needed" if networks that are trained without circuits are worse, "not needed" if they are
        not, "undecided" if the runs differ too much or a score is NaN, "too short" if retraining
        with circuits does not come close to the given model's score.
        """
        given, kept = self.outcome("as trained", "kept"), self.outcome("retrained", "kept")
        least = given.score - max(self.margin, abs(given.score) / 10) - _rounding(given.score)
        if not kept.score >= least:
            return "too short"
        without = [self.outcome("retrained", name).falls(self.margin) for name in _NOTHING]
        if all(without):
            return "needed"
        return "not needed" if False in without else "undecided"

    @property
    def linear_does(self) -> bool:
        """Whether retrained networks with a linear map in the circuits' place do as well."""
        return self.outcome("retrained", "linear").falls(self.margin) is False

    @property
    def sentences(self) -> tuple[str, str, str]:
        """The verdict on the trained network, that on retrained networks, and their comparison."""
        return (self._as_trained_sentence(), self._retrained_sentence(), self._explanation())

    def _as_trained_sentence(self) -> str:
        mean, shuffled = (self.outcome("as trained", name) for name in ("mean", "shuffled"))
        kept = self.outcome("as trained", "kept")
        scores = (
            f"{self.metric} {kept.score:.3f} with the circuits' outputs, {mean.score:.3f} with "
            f"their mean, {shuffled.score:.3f} with those of other samples"
        )
        if self.as_trained == "leans":
            return f"As trained, the network uses its circuits: {scores}."
        if self.as_trained == "undecided":
            return (
                "As trained, it can't be told whether the network uses its circuits, because a "
                f"score is not a number: {scores}."
            )
        return f"As trained, the network does as well without its circuits: {scores}."

    def _retrained_sentence(self) -> str:
        kept = self.outcome("retrained", "kept")
        constant, noise = (self.outcome("retrained", name) for name in _NOTHING)
        runs = len(kept.scores)
        scores = (
            f"{self.metric} {kept.score:.3f} with circuits, {constant.score:.3f} with a constant, "
            f"{noise.score:.3f} with noise, over {runs} {'run' if runs == 1 else 'runs'}"
        )
        found = self.retrained
        if found == "too short":
            given = self.outcome("as trained", "kept").score
            return (
                f"Retrained, the network with its circuits reaches {kept.score:.3f}, but the given "
                f"one has {given:.3f}: this training was too short or differs from the original "
                "one, so it tells nothing."
            )
        if found == "undecided":
            numbers = not any(math.isnan(each.difference) for each in (constant, noise))
            why = "the runs differ too much to tell" if numbers else "a score is not a number"
            return f"Retrained, {why}: {scores}."
        alone = " This is a single run; others may differ." if runs == 1 else ""
        if found == "not needed":
            return f"Retrained, the network does as well without circuits: {scores}.{alone}"
        nothing = "with a constant or noise in place of its circuits"
        sentence = f"Retrained, the network is worse {nothing}: {scores}.{alone}"
        return f"{sentence} {self._classical()}"

    def _classical(self) -> str:
        """Returns a sentence that says which classical layers do as well as the circuits."""
        stand_ins = {"linear": "a linear map", "surrogate": "the trained circuits' surrogate"}
        falls = {
            words: self.outcome("retrained", name).falls(self.margin)
            for name, words in stand_ins.items()
        }
        good = [words for words, each in falls.items() if each is False]
        bad = [words for words, each in falls.items() if each]
        scored = {
            words: self.outcome("retrained", name).scores for name, words in stand_ins.items()
        }
        unclear = [words for words, each in falls.items() if each is None and scored[words]]
        said = []
        if good:
            said.append(f"{_listed(good)} in their place {_do(good)} as well")
        if bad:
            where = "" if good else " in their place"
            said.append(f"{_listed(bad)}{where} {_do(bad)} not" + ("" if good else " do as well"))
        if unclear:
            where = "" if said else " as well in their place"
            said.append(f"the runs can't tell whether {_listed(unclear)} {_do(unclear)}{where}")
        sentence = "; ".join(said)
        return f"{sentence[:1].upper()}{sentence[1:]}." if said else ""

    def _explanation(self) -> str:
        match (self.as_trained, self.retrained):
            case ("leans", "needed"):
                if self.linear_does:
                    return (
                        "Both agree that the network needs something in the circuits' place. It "
                        "need not be a circuit: a linear map does as well."
                    )
                return (
                    "Both agree: the circuits' outputs carry what the other layers cannot learn "
                    "without them."
                )
            case ("idle", "not needed"):
                return "Both agree: the network works without its circuits."
            case ("leans", "not needed"):
                return (
                    "They disagree: the other layers were trained together with the circuits and "
                    "use their outputs, so they fail when these are taken away; trained without "
                    "circuits, they learn the same by themselves. The circuits are used, but not "
                    "needed."
                )
            case ("idle", "needed"):
                return (
                    "They disagree: the trained network does not use the circuits' outputs, but "
                    "training without circuits gives a lower score. The circuits help the "
                    "training, not the prediction."
                )
        if self.as_trained == "undecided":
            return "The verdicts can't be compared: a score as trained is not a number."
        return "The verdicts can't be compared: " + (
            "train longer." if self.retrained == "too short" else "use more runs."
        )

    def table(self) -> str:
        """Returns all scores as text, one line each."""
        lines = [("", "in place of the circuits", self.metric, "difference", "95 % interval")]
        for each in self.outcomes:
            name = each.circuit + (f" ({each.layer})" if each.layer is not None else "")
            if not each.scores:
                lines.append((each.when, name, "-", "-", each.note))
                continue
            low, high = each.interval
            kept = each.circuit == "kept"
            whole = each.when == "retrained" and not kept and not math.isnan(low)
            lines.append(
                (
                    each.when,
                    name,
                    f"{each.score:.3f}",
                    "" if kept else f"{round(each.difference, 3) + 0.0:+.3f}",
                    f"{low:+.3f} to {high:+.3f}" if whole else "",
                )
            )
        widths = [max(len(line[i]) for line in lines) for i in range(4)]
        return "\n".join(
            "  ".join(
                [*(cell.ljust(n) for cell, n in zip(line[:4], widths, strict=True)), line[4]]
            ).rstrip()
            for line in lines
        )

    def __str__(self) -> str:
        return "\n".join([self.table(), "", *(each for each in self.sentences if each)])

    def rows(self) -> list[dict[str, Any]]:
        """Returns the outcomes as dictionaries, for example for a data frame."""
        return [
            {
                "when": each.when,
                "circuit": each.circuit,
                "layer": each.layer,
                "score": each.score,
                "difference": each.difference,
                "low": each.interval[0],
                "high": each.interval[1],
                "note": each.note,
            }
            for each in self.outcomes
        ]


def _rounding(score: float) -> float:
    return ROUNDING * max(1.0, abs(score))


_NOTHING = ("constant", "noise")
"""Replacements of circuits that tell the network nothing about the sample."""


def _listed(words: Sequence[str]) -> str:
    return " and ".join(words)


def _do(words: Sequence[str]) -> str:
    return "does" if len(words) == 1 else "do"
