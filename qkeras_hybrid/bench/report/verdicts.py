"""Says in a sentence what a comparison comes to: the same in the terminal and in a report."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from qkeras_hybrid.bench.metrics import metric_of
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.statistics import MARGIN, Contrast, Outcome, contrasts, summarize

NOUNS = {
    "dense_same_parameters": "the matched Dense",
    "dense_same_width": "the Dense of the same width",
    "dense_same_activations": "the Dense of as many activations",
    "low_rank_dense": "the low-rank Dense",
    "hashed_dense": "the hashed Dense",
    "linear": "a linear layer in its place",
    "linear_model": "the linear model",
    "frozen_circuit": "the frozen circuit",
    "no_entanglement": "the circuit without entanglement",
    "single_upload": "the circuit that takes the features once",
    "fourier_features": "the Fourier feature layer",
    "surrogate": "the trained surrogate",
    "mlp": "the MLP",
    "rbf_svc": "the RBF-SVC",
    "qsvc": "the QSVC",
    "gradient_boosting": "gradient boosting",
}
"""What a verdict calls a contender."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a comparison comes to.

    Attributes:
        sentence: In plain words.
        contrasts: What it rests on.
        margin: The margin of equivalence.
    """

    sentence: str
    contrasts: tuple[Contrast, ...]
    margin: float


def judge(rows: Sequence[Row], margin: float = MARGIN) -> Verdict:
    """Says in a sentence what a comparison shows of its hybrid.

    Args:
        rows: The rows of one comparison.
        margin: Up to which difference of scores two contenders count as equivalent.

    Returns:
        The verdict, whose sentence is such as "No difference within 2 points to the frozen
        circuit; the matched Dense is 3.1 points better [2.0, 4.2] and 8 times cheaper to fit."
        Its intervals are of what it says, by how much the other is better or worse.
    """
    summaries = {summary.contender: summary for summary in summarize(rows)}
    hybrid = summaries.get("hybrid")
    if hybrid is None:
        return Verdict("There are no rows of the hybrid to compare with.", (), margin)
    found = contrasts(rows, margin)
    if hybrid.failed == hybrid.runs:
        many = "its run" if hybrid.runs == 1 else f"all {hybrid.runs} runs"
        said = f"No verdict: {many} of the hybrid failed."
    elif not found:
        said = "The hybrid was run alone: there is nothing to compare it with."
    else:
        parts = _parts(found, margin, metric_of(hybrid.metric).hundredths)
        said = "; ".join(parts) + "."
        said = said[0].upper() + said[1:]
        alone = summaries.values()
        failed = sum(summary.failed for summary in alone)
        if failed:
            runs = sum(summary.runs for summary in alone)
            said += f" {failed} of {runs} runs failed and {_is(failed)} in no mean."
    return Verdict(said, tuple(found), margin)


def _parts(found: Sequence[Contrast], margin: float, unit: str) -> list[str]:
    groups: dict[Outcome, list[Contrast]] = {}
    for contrast in found:
        groups.setdefault(contrast.outcome, []).append(contrast)
    parts = []
    if same := groups.get("equivalent"):
        names = [noun(c.contender) + _cheaper(c, " ({})") for c in same]
        parts.append(f"no difference within {100 * margin:g} {unit} to {listed(names)}")
    # Those that do better come first, the largest difference before the others.
    for contrast in sorted(
        (*groups.get("worse", ()), *groups.get("better", ())), key=lambda c: c.difference.mean
    ):
        is_small = " (a difference within the margin)" if contrast.difference.within(margin) else ""
        parts.append(f"{_apart(contrast, unit)}{_cheaper(contrast, ' and {}')}{is_small}")
    if open_ones := groups.get("undecided"):
        names = [f"{noun(c.contender)} ({_lead(c, unit)})" for c in open_ones]
        parts.append(f"undecided between it and {listed(names)}")
    if few := groups.get("too few seeds"):
        n = sorted({c.difference.n for c in few})
        seeds = f"{n[0]} paired seed{'s' if n[-1] > 1 else ''}"
        if len(n) > 1:
            seeds = f"{n[0]} to {n[-1]} paired seeds"
        means = [f"{noun(c.contender)} ({_lead(c, unit, ends=False)})" for c in few]
        parts.append(
            f"too few seeds to tell ({seeds}, and {few[0].needed} is the least) for {listed(means)}"
        )
    if none := groups.get("no pairs"):
        parts.append(f"no pair of runs to compare with {listed([noun(c.contender) for c in none])}")
    return parts


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def noun(contender: str) -> str:
    """Returns what a verdict calls a contender."""
    return NOUNS.get(contender, contender.replace("_", " "))


def listed(names: Sequence[str]) -> str:
    """Returns names as a sentence lists them: "a", "a and b", "a, b and c"."""
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])


def _apart(contrast: Contrast, unit: str) -> str:
    return f"{noun(contrast.contender)} is {_lead(contrast, unit)}"


def _lead(contrast: Contrast, unit: str, *, ends: bool = True) -> str:
    """Returns by how much the other is better or worse, and the interval of just that."""
    difference = contrast.difference
    worse = difference.mean > 0
    low, high = (difference.low, difference.high) if worse else (-difference.high, -difference.low)
    size = f"{100 * abs(difference.mean):.1f} {unit} {'worse' if worse else 'better'}"
    if ends and not math.isnan(low):
        size += f" [{100 * low:.1f}, {100 * high:.1f}]".replace("-0.0", "0.0")
    return size


def _cheaper(contrast: Contrast, pattern: str) -> str:
    """Returns what is said of the other's cost; nothing where it is about the same or unknown."""
    ratio = contrast.cost_ratio
    if ratio >= 1.5:
        return pattern.format(f"{times(ratio)} times cheaper to fit")
    if ratio <= 1 / 1.5:
        return pattern.format(f"{times(1 / ratio)} times dearer to fit")
    return ""


def times(ratio: float) -> str:
    """Returns a factor in two digits: "1.7", "8", "1,200"."""
    digits = float(f"{ratio:.2g}")
    return f"{digits:,.0f}" if digits >= 10 or digits == int(digits) else f"{digits:g}"
