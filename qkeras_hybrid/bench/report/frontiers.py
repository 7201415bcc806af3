"""The results of frontiers: a sentence, a table, and what could not be compared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from qkeras_hybrid.bench.metrics import metric_of
from qkeras_hybrid.bench.report import words
from qkeras_hybrid.bench.report.verdicts import listed, noun
from qkeras_hybrid.bench.statistics import LEVEL, LEVELS, MIN_PAIRS, Front, Frontier, Need, Reach

AXES: Mapping[str, str] = {
    "parameters": "trainable parameters",
    "n_train": "training samples",
    "fit_seconds": "seconds of training",
    "circuit_evaluations_total": "circuit evaluations of the training",
}
"""The labels of the axes of fronts."""

_COUNTED = {
    "parameters": "parameters",
    "n_train": "samples",
    "fit_seconds": "of training",
    "circuit_evaluations_total": "circuit evaluations",
}


def titles(frontiers: Sequence[Frontier]) -> list[str]:
    """Returns the names of each frontier's model and data, and how they differ."""
    named = words.names({str(place): [one.like] for place, one in enumerate(frontiers)})
    return [" on ".join(named[str(place)]) for place in range(len(frontiers))]


def sentence(one: Frontier) -> str:
    """States in a sentence whether the hybrid needs fewer parameters.

    It is compared with the classical contender that needs the fewest for `LEVEL` of the best score.
    """
    contest = one.thriftiest
    if contest is None:
        return _nothing(one)
    hybrid, other = (_at(one.reaches[name]) for name in ("hybrid", contest.contender))
    name, goal = noun(contest.contender), _goal(one)
    against = f"{_cost(hybrid)} against {_cost(other)}, to reach {goal}."
    match contest.need:
        case "fewer" if math.isinf(other.cost):
            return (
                f"The hybrid needs fewer parameters than any classical network of its sizes: "
                f"{_cost(hybrid)} to reach {goal}. No classical network reaches it."
            )
        case "fewer":
            return (
                "The hybrid needs fewer parameters than any classical network of its sizes: "
                f"{_cost(hybrid)} against {_cost(other)} of {name}, to reach {goal}."
            )
        case "more" if math.isinf(hybrid.cost):
            return (
                f"No size of the hybrid that was run reaches {goal}; {name} does with "
                f"{_cost(other)}."
            )
        case "more":
            return f"The hybrid needs more parameters than {name}: {against}"
        case "as many":
            untried = _untried(contest.at_smallest)
            return f"The hybrid needs as many parameters as {name}: {against}{untried}"
        case "too few seeds":
            need = f"{contest.seeds}, at least {MIN_PAIRS} are needed"
            return f"Too few seeds to tell ({need}): {against}"
        case "not reached":
            return f"Neither the hybrid nor a classical network reaches {goal}."
        case _:
            return (
                f"It can't be told whether the hybrid needs fewer or more parameters than {name}: "
                f"{_cost(hybrid)} {_ends(hybrid)} against {_cost(other)} {_ends(other)}, to reach "
                f"{goal}.{_untried(contest.at_smallest)}"
            )


def _untried(at_smallest: Sequence[str]) -> str:
    """Says of which contenders smaller sizes should be run."""
    if not at_smallest:
        return ""
    whose = listed(["the hybrid" if name == "hybrid" else noun(name) for name in at_smallest])
    sizes, reach = ("size", "reaches") if len(at_smallest) == 1 else ("sizes", "reach")
    return f" The smallest {sizes} of {whose} already {reach} it: run smaller ones to decide."


def _nothing(one: Frontier) -> str:
    """Says why there is nothing to compare."""
    far = one.apart.get("parameters", ())
    known = set(one.reaches) or {one.best_contender}
    if "hybrid" not in known:
        return "There are no rows of the hybrid to compare with."
    if not one.reaches and not one.best > 0:
        return (
            f"No contender has a {metric_of(one.metric).label} over 0, so there is no share of "
            "the best score to reach."
        )
    if far:
        return (
            "The sizes overlap too little to compare: the hybrid has "
            f"{_range(*one.hybrid_parameters)} parameters, {_ranges(far, 'parameters')}."
        )
    return "The hybrid was run without a classical network to compare with."


def overall(named: Sequence[tuple[str, Frontier]]) -> str:
    """Sums up several frontiers in a sentence; empty for fewer than two.

    Args:
        named: The frontiers with their titles.
    """
    if len(named) < 2:
        return ""
    needs: dict[Need | None, list[str]] = {}
    for title, one in named:
        need = None if one.thriftiest is None else one.thriftiest.need
        needs.setdefault(need, []).append(title)
    fewer, as_many, more = (needs.get(need, []) for need in _TOLD)
    where = f" ({listed(fewer)})" if fewer else ""
    return (
        f"Of {len(named)} frontiers, the hybrid needs fewer parameters than any classical network "
        f"on {len(fewer)}{where}, as many as the classical network that needs the fewest on "
        f"{len(as_many)}, and more on {len(more)}; on "
        f"{len(named) - len(fewer) - len(as_many) - len(more)} it can't be told."
    )


_TOLD: tuple[Need, ...] = ("fewer", "as many", "more")


def notes(one: Frontier) -> list[str]:
    """Returns a sentence each on what could not be compared and on failed runs."""
    said = []
    for axis, far in one.apart.items():
        # Times usually differ by orders of magnitude, and only circuits have circuit evaluations.
        if far and axis in ("parameters", "n_train", "fit_seconds"):
            said.append(
                f"Not compared by {AXES[axis]}, because their range overlaps too little with the "
                f"hybrid's: {_ranges(far, axis)}."
            )
    if one.failed:
        is_are = "is" if one.failed == 1 else "are"
        said.append(
            f"{words.counted(one.failed, 'run')} failed and {is_are} left out of all means."
        )
    if not one.timed:
        said.append(
            "Seconds of training are not compared: that needs, for each size, a run that was "
            "trained by fit and had the machine to itself (option --timing)."
        )
    return said


def table(one: Frontier) -> tuple[list[str], list[list[str]]]:
    """Returns the heads and lines of a frontier's table."""
    metric = metric_of(one.metric).label
    heads = ["Contender", f"Best {metric}", "Sizes"]
    heads += [f"Parameters for {100 * level:g} %" for level in LEVELS]
    heads += ["Hybrid needs"]
    lines = []
    for front in one.fronts.get("parameters", ()):
        reaches = one.reaches.get(front.contender, ())
        contest = one.contests.get(front.contender)
        lines.append(
            [
                words.label(front.contender),
                _best(front, one.metric),
                _range(front.costs[0], front.costs[-1]),
                *(f"{_cost(reach)} {_ends(reach)}".strip() for reach in reaches),
                *[words.MISSING] * (len(LEVELS) - len(reaches)),
                "" if contest is None else _SAID.get(contest.need, contest.need),
            ]
        )
    return heads, lines


_SAID: Mapping[Need, str] = {"not reached": "neither reaches it"}


def described(front: Front, axis: str, metric: str) -> str:
    """Returns a front in words, for readers who can't see it: "Hybrid 60.0 % at 20 parameters"."""
    first, last = (
        f"{words.level(front.best[place], metric)} at {cost(axis, front.costs[place])}"
        for place in (0, -1)
    )
    label = words.label(front.contender)
    return f"{label} {first}" + (f" to {last}" if len(front.costs) > 1 else "")


def cost(axis: str, value: float) -> str:
    """Returns a cost with its unit: "134 parameters", "3.5 s of training"."""
    said = words.duration(value) if axis == "fit_seconds" else words.count(value)
    return f"{said} {_COUNTED[axis]}"


def _at(reaches: Sequence[Reach]) -> Reach:
    return next(reach for reach in reaches if reach.level == LEVEL)


def _goal(one: Frontier) -> str:
    kind = metric_of(one.metric)
    target = words.level(_at(next(iter(one.reaches.values()))).target, one.metric)
    if kind.lower_is_better:
        return f"{target}, which is the best {kind.label} divided by {LEVEL:g}"
    return f"{target}, which is {100 * LEVEL:g} % of the best {kind.label}"


def _cost(reach: Reach) -> str:
    return "never" if math.isinf(reach.cost) else words.count(reach.cost)


def _ends(reach: Reach) -> str:
    """Returns the interval: "[20, 40]", "[20, never]"; empty if there is none."""
    if math.isnan(reach.low):
        return ""
    ends = ("never" if math.isinf(end) else words.count(end) for end in (reach.low, reach.high))
    return f"[{', '.join(ends)}]"


def _best(front: Front, metric: str) -> str:
    best = words.level(front.best[-1], metric)
    if math.isnan(front.low[-1]):
        return best
    low, high = (words.level(end[-1], metric).removesuffix(" %") for end in (front.low, front.high))
    return f"{best} [{low}, {high}]"


def _range(low: float, high: float) -> str:
    return words.count(low) if low == high else f"{words.count(low)} to {words.count(high)}"


def _ranges(far: Sequence[tuple[str, float, float]], axis: str) -> str:
    def said(low: float, high: float) -> str:
        if axis == "fit_seconds":
            ends = dict.fromkeys((words.duration(low), words.duration(high)))
            return " to ".join(ends)
        return _range(low, high)

    return listed([f"{noun(name)} {said(low, high)}" for name, low, high in far])
