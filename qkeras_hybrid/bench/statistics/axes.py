"""Contenders along an axis of data or model."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.statistics.rows import Interval, comparisons, summarize, tuning_of


@dataclasses.dataclass(frozen=True)
class Sweep:
    """The test scores of contenders along one axis of data or model, all else the same.

    Attributes:
        title: What stays the same.
        axis: The key that changes, such as `"n_train"`.
        metric: What the scores are.
        series: For each contender its values of the axis and the interval of the score there.
    """

    title: str
    axis: str
    metric: str
    series: Mapping[str, Sequence[tuple[float, Interval]]]


def sweeps(rows: Iterable[Row]) -> list[Sweep]:
    """Finds the comparisons that differ in one number of their data or model alone.

    Args:
        rows: Rows of any comparisons.

    Returns:
        A sweep for each axis with at least three values, in the order of first rows.
    """
    groups: dict[tuple[str, str, str], dict[float, list[Row]]] = {}
    for its in comparisons(rows).values():
        one = its[0]
        for part in ("data", "model"):
            for axis, value in getattr(one, part).items():
                if isinstance(value, bool) or not isinstance(value, int | float):
                    continue
                kept = {name: v for name, v in getattr(one, part).items() if name != axis}
                rest = [
                    kept if part == "data" else one.data,
                    kept if part == "model" else one.model,
                    *(one.training, one.backend, tuning_of(its)),
                ]
                title = f"{one.model['name']} on {one.data['name']}"
                groups.setdefault((title, axis, repr(rest)), {})[value] = its
    groups = {group: by_value for group, by_value in groups.items() if len(by_value) > 2}
    found = []
    for (title, axis, _), by_value in groups.items():
        alike = [one for one in groups if one[:2] == (title, axis)]
        title += _apart_from([groups[one] for one in alike], by_value, axis)
        series: dict[str, list[tuple[float, Interval]]] = {}
        metric = "accuracy"
        for value, its in sorted(by_value.items()):
            for summary in summarize(its):
                if summary.test_score.n:
                    metric = summary.metric
                    series.setdefault(summary.contender, []).append((value, summary.test_score))
        found.append(Sweep(title, axis, metric, series))
    return found


def _apart_from(
    alike: Sequence[Mapping[float, list[Row]]], one: Mapping[float, list[Row]], axis: str
) -> str:
    """Returns what tells a sweep from others along the same axis: " (n_qubits 4)"."""

    def settings(by_value: Mapping[float, list[Row]]) -> dict[str, Any]:
        row = next(iter(by_value.values()))[0]
        tables = [*row.data.items(), *row.model.items(), *row.training.items()]
        kept = {name: v for name, v in tables if name not in ("name", axis)}
        return kept | {"tuning": tuning_of(next(iter(by_value.values())))}

    others = [settings(by_value) for by_value in alike]
    said = [
        f"{name} {value}"
        for name, value in settings(one).items()
        if any(other.get(name) != value for other in others)
    ]
    return f" ({', '.join(said)})" if said else ""
