"""Names and numbers in words, the same in the terminal, the page and the tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qkeras_hybrid._checks import bytes_text
from qkeras_hybrid.bench.metrics import metric_of
from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.statistics import Aggregate, Interval, execution, is_tuned, loss_of

MISSING = "-"

COST_HEADS = {
    "step_seconds": "training step",
    "fit_seconds": "fit",
    "compile_seconds": "compile",
    "inference_seconds_1": "inference, batch 1",
    "inference_seconds_256": "inference, batch 256",
    "peak_memory_bytes": "peak memory",
    "circuit_evaluations_per_step": "circuit evaluations per step",
    "circuit_evaluations_total": "circuit evaluations in total",
    "shots_total": "shots in total",
}
"""The column heads of a table of costs."""

_LABELS = {"mlp": "MLP", "rbf_svc": "RBF-SVC", "qsvc": "QSVC"}


def label(contender: str) -> str:
    """Returns a contender's name for readers: `"dense_same_width"`, "Dense same width"."""
    return _LABELS.get(contender, contender.replace("_", " ").capitalize())


def measured(
    model: str, metric: str, *, tuned: bool = False, execution: str = "", loss: str = ""
) -> str:
    """Returns a model's name with what distinguishes its scores: "pqc_dense, R², tuned".

    Accuracy, fixed settings and circuits without shots and noise are not mentioned.
    """
    said = [model, *([] if metric == "accuracy" else [metric_of(metric).label])]
    apart = [loss, "tuned" if tuned else "", execution]
    return ", ".join([*said, *filter(None, apart)])


def measured_of(one: Aggregate) -> str:
    """Returns the same for an aggregate over data sets."""
    return measured(one.model, one.metric, tuned=one.tuned, execution=one.execution, loss=one.loss)


def minus(metrics: Iterable[str]) -> str:
    """Returns the direction of differences in words; above 0 the hybrid is better.

    Args:
        metrics: The metrics of all scores in question.
    """
    kinds = [metric_of(name) for name in dict.fromkeys(metrics)]
    lower = [kind.label for kind in kinds if kind.lower_is_better]
    if not lower:
        return "hybrid minus contender"
    if len(lower) == len(kinds):
        return "contender minus hybrid"
    return f"hybrid minus contender, of {' and '.join(lower)} contender minus hybrid"


def execution_sentence(table: Mapping[str, Any] | None) -> str:
    """Returns a sentence on the noise and shots of scores; empty if there are none.

    Args:
        table: See `qkeras_hybrid.bench.execution.normalized`; None for nothing.
    """
    if not table:
        return ""
    on = f" on the engine {table['engine']}" if "engine" in table else ""
    how = []
    if "shots" in table:
        how.append(f"with {table['shots']:,} shot{'' if table['shots'] == 1 else 's'}")
    if "noise" in table:
        how.append(f"under the noise {table['noise']}")
    if "mitigation" in table:
        how.append(f"mitigated by {table['mitigation']}")
    if not how:
        return f"The circuits were trained and scored{on}."
    if table.get("noisy_training"):
        return f"The circuits were trained and scored{on} {', '.join(how)}."
    return f"The circuits were scored{on} {', '.join(how)}; they were trained{on} without these."


def views_sentence(data: Mapping[str, Any]) -> str:
    """Returns a sentence on data of which contenders got two views; empty for other data.

    Args:
        data: The table of the data, as in a row.
    """
    if not data.get("lab"):
        return ""
    copies = f", from {data['shots']} copies of each" if data.get("shots") else ""
    return (
        "Contenders that compute circuits took states; all others took a lab's report of the same "
        f"samples ({data['lab']}{copies})."
    )


def score(interval: Interval, metric: str = "accuracy") -> str:
    """Returns a score with its interval: "81.0 ± 2.5 %", or "0.810 ± 0.025" of R²."""
    if math.isnan(interval.mean):
        return MISSING
    if metric_of(metric).percent:
        if math.isnan(interval.half_width):
            return f"{100 * interval.mean:.1f} %"
        return f"{100 * interval.mean:.1f} ± {100 * interval.half_width:.1f} %"
    if math.isnan(interval.half_width):
        return f"{interval.mean:.3f}"
    return f"{interval.mean:.3f} ± {interval.half_width:.3f}"


def level(value: float, metric: str = "accuracy") -> str:
    """Returns a score without an interval: "92.1 %", or "0.921" of R²."""
    return f"{100 * value:.1f} %" if metric_of(metric).percent else f"{value:.3f}"


def hundredths(value: float) -> str:
    """Returns a difference of scores in hundredths, with a true minus sign: "+1.2"."""
    if math.isnan(value):
        return MISSING
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "\N{MINUS SIGN}")


def effect(size: float) -> str:
    """Returns an effect size with its sign: "+0.24"."""
    return MISSING if math.isnan(size) else f"{size:+.2f}".replace("-", "\N{MINUS SIGN}")


def p_value(p: float) -> str:
    """Returns a p value: "0.012", "< 0.001"."""
    if math.isnan(p):
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def seconds(value: float) -> str:
    """Returns a time in two digits: "0.4 s", "62 s"."""
    if math.isnan(value):
        return MISSING
    return f"{value:.2g} s" if value < 10 else f"{value:,.0f} s"


def duration(value: float) -> str:
    """Returns a time in the unit that suits it: "0.21 ms", "3.5 s", "4.2 min"."""
    if math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "not reached"
    for size, unit in ((3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms")):
        if value >= size:
            return f"{_digits(value / size)} {unit}"
    return f"{_digits(value / 1e-6)} µs"


def cost(name: str, value: float) -> str:
    """Returns a cost in its unit.

    Args:
        name: A key of a row's `cost`, or of another time.
        value: In seconds, bytes or a count.
    """
    if math.isnan(value):
        return MISSING
    if "seconds" in name:
        return duration(value)
    return bytes_text(value) if name.endswith("bytes") else count(value)


def count(value: float) -> str:
    """Returns a count: "1,234", "2.1e+09"."""
    return f"{value:,.0f}" if value < 1e7 else f"{value:.2g}"


def counted(number: int, noun: str) -> str:
    """Returns a number and its noun: "1 seed", "2 seeds"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _digits(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def names(
    comparisons: Mapping[str, Sequence[Row]], *, losses: bool = True
) -> dict[str, tuple[str, str]]:
    """Returns the names of each comparison's model and data.

    Args:
        comparisons: Rows by comparison id.
        losses: Whether to add the loss.

    Returns:
        Names such as `("pqc_dense", "iris")`, or with the arguments in which models or data of the
        same name differ, `("pqc_dense (n_qubits 4)", "iris")`. Other differences (training, Keras
        backend) come after the data, as does "tuned" if only some are. The way circuits were
        computed and the loss are always added, if the rows name them.
    """
    ones = {name: rows[0] for name, rows in comparisons.items()}
    models = _named((name, one.model) for name, one in ones.items())
    made = _named((name, one.data) for name, one in ones.items())
    tuned = [name for name, rows in comparisons.items() if is_tuned(rows)]
    if len(tuned) < len(ones):
        for name in tuned:
            made[name] += ", tuned"
    for name, one in ones.items():
        if one.execution:
            made[name] += f", {execution(one.execution)}"
        if losses and loss_of(one.training):
            made[name] += f", {loss_of(one.training)}"
    for part in ("training", "backend"):
        for name in _repeated(models, made):
            said = getattr(ones[name], part)
            made[name] += f", {said if isinstance(said, str) else arguments(said)}"
    for name in _repeated(models, made):
        made[name] += f" [{name[:6]}]"
    return {name: (models[name], made[name]) for name in ones}


def _repeated(models: Mapping[str, str], data: Mapping[str, str]) -> list[str]:
    seen = [(models[name], data[name]) for name in models]
    return [name for name in models if seen.count((models[name], data[name])) > 1]


def _named(parts: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, str]:
    """Returns a name for each part: with the arguments in which parts of its name differ."""
    parts = list(parts)
    seen: dict[tuple[str, str], set[str]] = {}
    for _, part in parts:
        for argument in {key for _, other in parts for key in other if _same(part, other)}:
            seen.setdefault((part["name"], argument), set()).add(repr(part.get(argument)))
    made = {}
    for name, part in parts:
        differing = {
            argument: value
            for argument, value in part.items()
            if argument != "name" and len(seen[part["name"], argument]) > 1
        }
        made[name] = f"{part['name']} ({arguments(differing)})" if differing else part["name"]
    return made


def _same(part: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(part["name"] == other["name"])


def arguments(table: Mapping[str, Any]) -> str:
    """Returns a table of arguments in a line: "epochs 8, batch_size 32"."""
    return ", ".join(f"{key} {value}" for key, value in table.items() if key != "name")
