"""Contenders along an axis of data, model, shots or noise."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from qkeras_hybrid.bench.execution import IDEAL, levels, trimmed
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.statistics.rows import Interval, comparisons, summarize, tuning_of

LOG_FROM = 30
"""An axis is logarithmic if the ratio of its ends is at least this, or for other reasons."""


@dataclasses.dataclass(frozen=True)
class Sweep:
    """The test scores of contenders along one axis, with everything else the same.

    Attributes:
        title: What stays the same.
        axis: The key that changes, such as `"n_train"`, or the number that changes in the noise.
        metric: The kind of score.
        series: For each contender, the values on the axis and the interval of the score at each.
            Exact expectation values are at infinitely many shots.
        ideal: The name of the value without shots or noise; empty on other axes.
    """

    title: str
    axis: str
    metric: str
    series: Mapping[str, Sequence[tuple[float, Interval]]]
    ideal: str = ""

    @property
    def values(self) -> list[float]:
        """The values that have a place on the number line."""
        given = {value for series in self.series.values() for value, _ in series}
        return sorted(value for value in given if not self._is_apart(value))

    @property
    def log(self) -> bool:
        """Whether the axis is drawn logarithmically."""
        return self._spread() > (2 if self.ideal else LOG_FROM)

    @property
    def apart(self) -> dict[float, str]:
        """The values beside the number line: the place of each, and its name."""
        given = {value for series in self.series.values() for value, _ in series}
        return {self.place(value): self.ideal for value in given if self._is_apart(value)}

    def place(self, value: float) -> float:
        """Returns where a value is drawn: at its own place, or beside the number line."""
        if not self._is_apart(value):
            return value
        gap = 1.7 * math.pow(self._spread(), 0.15)
        return self.values[-1] * gap if value > 0 else self.values[0] / gap

    def _is_apart(self, value: float) -> bool:
        return math.isinf(value) or (value == 0 and bool(self.ideal) and self.log)

    def _spread(self) -> float:
        """Returns the ratio of the largest to the smallest value; 0 if a ratio has no meaning."""
        given = {value for series in self.series.values() for value, _ in series}
        known = {
            value for value in given if math.isfinite(value) and not (self.ideal and not value)
        }
        return max(known) / min(known) if min(known) > 0 else 0.0


@dataclasses.dataclass(frozen=True)
class _Group:
    """The properties that comparisons along one axis share."""

    title: str
    axis: str
    rest: str
    ideal: str = ""


def sweeps(rows: Iterable[Row]) -> list[Sweep]:
    """Finds comparisons that differ in only one number of their data, model, shots or noise.

    Args:
        rows: Rows of any comparisons.

    Returns:
        A sweep for each axis with at least three values, in the order of first rows. Axes of shots
        or noise need at least two values besides the one without shots or noise. If several
        numbers of a noise model change, there is a sweep for each of them, of the comparisons in
        which the others are the same.
    """
    groups: dict[_Group, dict[float, list[Row]]] = {}
    ideal: dict[tuple[str, str], list[Row]] = {}
    shared: dict[_Group, str] = {}
    for its in comparisons(rows).values():
        one = its[0]
        title = f"{one.model['name']} on {one.data['name']}"
        for axis, value, rest in _places(its):
            groups.setdefault(_Group(title, axis, repr(rest)), {})[value] = its
        table = dict(one.execution or {})
        for key in ("shots", "noise"):
            others = {name: value for name, value in table.items() if name != key}
            # `noisy_training` has no meaning without shots and noise, so the ideal value lacks it.
            without = repr([*_rest(its), sorted((trimmed(others) or {}).items())])
            if key not in table:
                ideal[key, without] = its
            for axis, value, pattern in _levels(key, table):
                kind = repr([without, pattern, table.get("noisy_training", False)])
                group = _Group(title, axis, kind, "exact" if key == "shots" else "none")
                shared[group] = without
                groups.setdefault(group, {})[value] = its
    groups = {group: by_value for group, by_value in groups.items() if _is_swept(group, by_value)}
    for group, by_value in groups.items():
        key = "shots" if group.ideal == "exact" else "noise"
        if group.ideal and (its := ideal.get((key, shared[group]), [])):
            by_value[math.inf if key == "shots" else 0.0] = its
    found = []
    for group, by_value in groups.items():
        alike = [one for one in groups if (one.title, one.axis) == (group.title, group.axis)]
        title = group.title + _apart_from([groups[one] for one in alike], by_value, group)
        series: dict[str, list[tuple[float, Interval]]] = {}
        metric = "accuracy"
        for value, its in sorted(by_value.items()):
            for summary in summarize(its):
                if summary.test_score.n:
                    metric = summary.metric
                    series.setdefault(summary.contender, []).append((value, summary.test_score))
        if any(math.isfinite(value) for its in series.values() for value, _ in its):
            found.append(Sweep(title, group.axis, metric, series, group.ideal))
    return found


def _rest(its: list[Row]) -> list[Any]:
    one = its[0]
    return [one.data, one.model, one.training, one.backend, tuning_of(its)]


def _places(its: list[Row]) -> Iterator[tuple[str, float, list[Any]]]:
    """Yields each number of a comparison's data and model, with everything that stays the same."""
    one = its[0]
    for part in ("data", "model"):
        for axis, value in getattr(one, part).items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            kept = {name: v for name, v in getattr(one, part).items() if name != axis}
            rest = [kept if part == "data" else one.data, kept if part == "model" else one.model]
            yield axis, value, [*rest, *_rest(its)[2:], one.execution]


def _levels(key: str, table: Mapping[str, Any]) -> list[tuple[str, float, str]]:
    """Returns axis, value and unchanged part, for the shots or for each number of the noise."""
    if key not in table:
        return []
    if key == "shots":
        return [(key, table[key], "")]
    return [(f"p of the noise {text}", value, text) for text, value in levels(table[key])]


def _is_swept(group: _Group, by_value: Mapping[float, list[Row]]) -> bool:
    return len(by_value) > (1 if group.ideal else 2)


def _apart_from(
    alike: Sequence[Mapping[float, list[Row]]], one: Mapping[float, list[Row]], group: _Group
) -> str:
    """Returns how a sweep differs from others along the same axis, such as " (n_qubits 4)"."""

    def settings(by_value: Mapping[float, list[Row]]) -> dict[tuple[str, str], Any]:
        its = next(iter(by_value.values()))
        row = its[0]
        tables = [*row.data.items(), *row.model.items(), *row.training.items()]
        kept = {("", name): v for name, v in tables if name not in ("name", group.axis)}
        swept = {"exact": "shots", "none": "noise"}.get(group.ideal)
        circuits = {**IDEAL, **(row.execution or {})}
        kept |= {("circuits", name): v for name, v in circuits.items() if name != swept}
        return {**kept, ("", "tuning"): tuning_of(its)}

    others = [settings(by_value) for by_value in alike]
    said = [
        f"{name[1]} {value}"
        for name, value in settings(one).items()
        if any(other.get(name) != value for other in others)
    ]
    return f" ({', '.join(said)})" if said else ""
