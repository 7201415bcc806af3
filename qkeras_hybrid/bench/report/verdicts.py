"""States the result of a comparison in a sentence, the same in the terminal and in a report."""

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
"""The names of contenders in a verdict."""

MOST_TOLD = 3
"""Up to this number of contenders, the sentence compares each; for more, it counts them."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The result of a comparison.

    Attributes:
        sentence: The result in a sentence.
        contrasts: The contrasts that it rests on.
        margin: The margin of equivalence.
        details: A line for each contender, if the sentence only counts them; else empty.
    """

    sentence: str
    contrasts: tuple[Contrast, ...]
    margin: float
    details: tuple[str, ...] = ()


def judge(rows: Sequence[Row], margin: float = MARGIN) -> Verdict:
    """States in a sentence how the hybrid of a comparison did against the other contenders.

    Args:
        rows: The rows of one comparison.
        margin: Up to which difference of scores two contenders count as equivalent.

    Returns:
        The verdict. Against up to `MOST_TOLD` contenders its sentence reads like "No difference
        from the frozen circuit within 2 points; the matched Dense is 3.1 points better [2.0, 4.2]
        and 8 times cheaper to fit." The intervals are those of the stated lead. Against more, it
        reads like "Of 9 contenders, 1 is better than the hybrid (the MLP) and 8 are undecided.",
        and `details` has a line for each.
    """
    summaries = {summary.contender: summary for summary in summarize(rows)}
    hybrid = summaries.get("hybrid")
    if hybrid is None:
        return Verdict("There are no rows of the hybrid to compare with.", (), margin)
    found = contrasts(rows, margin)
    details: tuple[str, ...] = ()
    if hybrid.failed == hybrid.runs:
        many = "its run" if hybrid.runs == 1 else f"all {hybrid.runs} runs"
        said = f"No verdict: {many} of the hybrid failed."
    elif not found:
        said = "The hybrid was run alone: there is nothing to compare it with."
    else:
        unit = metric_of(hybrid.metric).hundredths
        if len(found) > MOST_TOLD:
            said = _counts(found, f"{100 * margin:g} {unit}")
            details = tuple(_detail(contrast, margin, unit) for contrast in _in_order(found))
        else:
            said = "; ".join(_parts(found, margin, unit)) + "."
            said = said[0].upper() + said[1:]
        alone = summaries.values()
        failed = sum(summary.failed for summary in alone)
        if failed:
            runs = sum(summary.runs for summary in alone)
            said += f" {failed} of {runs} runs failed and {_is(failed)} left out of all means."
    return Verdict(said, tuple(found), margin, details)


# The outcomes of the hybrid in the order in which a verdict lists them, and how it counts the
# contenders with each: for one, and for several.
_COUNTS: dict[Outcome, tuple[str, str]] = {
    "worse": ("is better than the hybrid", "are better than the hybrid"),
    "better": ("is worse than the hybrid", "are worse than the hybrid"),
    "equivalent": ("is equivalent to the hybrid", "are equivalent to the hybrid"),
    "undecided": ("is undecided", "are undecided"),
    "too few seeds": ("has too few seeds to tell", "have too few seeds to tell"),
    "no pairs": ("has no pair of runs", "have no pair of runs"),
}


def _in_order(found: Sequence[Contrast]) -> list[Contrast]:
    """Returns contrasts by outcome, those in which the other leads most first."""
    outcomes = list(_COUNTS)
    return sorted(found, key=lambda one: (outcomes.index(one.outcome), one.difference.mean))


def _counts(found: Sequence[Contrast], margin: str) -> str:
    """Returns the sentence that counts contenders by outcome, and names a few that differ."""
    said = []
    for outcome, (one, several) in _COUNTS.items():
        group = [contrast for contrast in _in_order(found) if contrast.outcome == outcome]
        if not group:
            continue
        count = several if len(group) > 1 else one
        if outcome == "equivalent":
            count += f" within {margin}"
        if outcome == "too few seeds":
            count += f" (at least {group[0].needed} are needed)"
        if outcome in ("worse", "better") and len(group) <= MOST_TOLD:
            count += f" ({listed([noun(contrast.contender) for contrast in group])})"
        if len(group) == len(found):
            return f"All {len(found)} contenders {count}."
        said.append(f"{len(group)} {count}")
    return f"Of {len(found)} contenders, {listed(said)}."


def _detail(contrast: Contrast, margin: float, unit: str) -> str:
    """Returns the line of one contender."""
    match contrast.outcome:
        case "equivalent":
            said = f"no difference within {100 * margin:g} {unit}{_cheaper(contrast, ', {}')}"
        case "undecided":
            said = f"{_lead(contrast, unit)}, undecided"
        case "too few seeds":
            seeds = f"{contrast.difference.n} paired seed{'s' if contrast.difference.n > 1 else ''}"
            said = f"{_lead(contrast, unit, ends=False)}, {seeds}"
        case "no pairs":
            said = "no pair of runs to compare"
        case _:
            said = f"{_lead(contrast, unit)}{_cheaper(contrast, ' and {}')}"
            said += _is_small(contrast, margin)
    return f"{noun(contrast.contender)}: {said}"


def _is_small(contrast: Contrast, margin: float) -> str:
    return " (within the margin)" if contrast.difference.within(margin) else ""


def _parts(found: Sequence[Contrast], margin: float, unit: str) -> list[str]:
    groups: dict[Outcome, list[Contrast]] = {}
    for contrast in found:
        groups.setdefault(contrast.outcome, []).append(contrast)
    parts = []
    if same := groups.get("equivalent"):
        names = [noun(c.contender) + _cheaper(c, " ({})") for c in same]
        parts.append(f"no difference from {listed(names)} within {100 * margin:g} {unit}")
    # Those that do better come first, the largest difference before the others.
    for contrast in sorted(
        (*groups.get("worse", ()), *groups.get("better", ())), key=lambda c: c.difference.mean
    ):
        cost = _cheaper(contrast, " and {}")
        parts.append(f"{_apart(contrast, unit)}{cost}{_is_small(contrast, margin)}")
    if open_ones := groups.get("undecided"):
        names = [f"{noun(c.contender)} ({_lead(c, unit)})" for c in open_ones]
        parts.append(f"undecided between the hybrid and {listed(names)}")
    if few := groups.get("too few seeds"):
        n = sorted({c.difference.n for c in few})
        seeds = f"{n[0]} paired seed{'s' if n[-1] > 1 else ''}"
        if len(n) > 1:
            seeds = f"{n[0]} to {n[-1]} paired seeds"
        means = [f"{noun(c.contender)} ({_lead(c, unit, ends=False)})" for c in few]
        parts.append(
            f"too few seeds to tell ({seeds}, at least {few[0].needed} are needed) for "
            f"{listed(means)}"
        )
    if none := groups.get("no pairs"):
        parts.append(f"no pair of runs to compare with {listed([noun(c.contender) for c in none])}")
    return parts


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def noun(contender: str) -> str:
    """Returns a contender's name in a verdict."""
    return NOUNS.get(contender, contender.replace("_", " "))


def listed(names: Sequence[str]) -> str:
    """Returns names as a sentence lists them: "a", "a and b", "a, b and c"."""
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])


def _apart(contrast: Contrast, unit: str) -> str:
    return f"{noun(contrast.contender)} is {_lead(contrast, unit)}"


def _lead(contrast: Contrast, unit: str, *, ends: bool = True) -> str:
    """Returns by how much the other is better or worse, with the interval of this lead."""
    difference = contrast.difference
    worse = difference.mean > 0
    low, high = (difference.low, difference.high) if worse else (-difference.high, -difference.low)
    size = f"{100 * abs(difference.mean):.1f} {unit} {'worse' if worse else 'better'}"
    if ends and not math.isnan(low):
        size += f" [{100 * low:.1f}, {100 * high:.1f}]".replace("-0.0", "0.0")
    return size


def _cheaper(contrast: Contrast, pattern: str) -> str:
    """Returns the other's cost in words; empty if it is about the same or unknown."""
    ratio = contrast.cost_ratio
    if ratio >= 1.5:
        return pattern.format(f"{times(ratio)} times cheaper to fit")
    if ratio <= 1 / 1.5:
        return pattern.format(f"{times(1 / ratio)} times more expensive to fit")
    return ""


def times(ratio: float) -> str:
    """Returns a factor in two digits: "1.7", "8", "1,200"."""
    digits = float(f"{ratio:.2g}")
    return f"{digits:,.0f}" if digits >= 10 or digits == int(digits) else f"{digits:g}"
