"""Training curves, with an interval over several runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.diagnostics.base import confidence
from qkeras_hybrid.plot.pictures import PALETTE, canvas, colour, counted, finished

if TYPE_CHECKING:
    import scipy.stats as scipy_stats
else:
    scipy_stats = lazy_module("scipy.stats")


def training(
    histories: Any,
    *,
    metric: str = "loss",
    level: float = 0.95,
    log: bool = False,
    ax: Any = None,
) -> Any:
    """Draws training curves, and for several runs their mean with an interval.

    The band is Student's t interval of the mean over the runs, in each epoch. Thin lines are the
    runs. If the runs have different lengths, the mean ends with the shortest. Validation metrics
    are dashed lines.

    Args:
        histories: One run: what `fit` returned, its `history`, or a list of a metric's values. For
            several runs, a list of these. For several models, a dictionary from their names to
            their runs.
        metric: The name of the metric. The metric with `val_` before this name is drawn too if
            the runs have it.
        level: The level of the interval.
        log: Whether the vertical axis is logarithmic.
        ax: Matplotlib axes to draw into.

    Returns:
        A Matplotlib figure with an alt text, or `ax`.

    Raises:
        ValueError: If there is no run, a run lacks this metric, or a value is not finite.

    Example:

    >>> runs = {"hybrid": [[1.0, 0.5, 0.3], [1.1, 0.6, 0.2]], "dense": [[1.0, 0.9, 0.8]]}
    >>> picture = qh.plot.training(runs)
    >>> print(picture.alt_text)
    The loss in 3 epochs. At the end: hybrid 0.25 (95 % interval -0.3853 to 0.8853, 2 runs);
    dense 0.8 (1 run).
    """
    level = confidence(level)
    if not isinstance(metric, str):
        raise ArgumentError("metric", "be the name of a metric, such as 'loss'", metric)
    named = histories if _is_named(histories, metric) else {"": histories}
    if not named or len(named) > len(PALETTE):
        raise ArgumentError("histories", f"hold 1 to {len(PALETTE)} models", f"{len(named)}")
    ends = []
    with canvas(ax) as axes:
        longest = 0
        for number, (name, of) in enumerate(named.items()):
            runs = [_curve(run, metric) for run in _runs(of)]
            held_out = [_curve(run, f"val_{metric}", needed=False) for run in _runs(of)]
            least = min(run.min() for run in (*runs, *held_out) if len(run))
            if log and least <= 0:
                raise ArgumentError("log", "be False for values of 0 or below", f"{least:g}")
            longest = max(longest, *map(len, runs))
            validated = all(len(run) for run in held_out)
            label = name or ("training" if validated else None)
            mean, low, high = _draw(axes, runs, level, number, label, "-")
            if validated:
                label = f"{name}, validation" if name else "validation"
                _draw(axes, held_out, level, number, label, "--")
            between = f"{100 * level:g} % interval {low[-1]:.4g} to {high[-1]:.4g}, "
            counting = f"{between if len(runs) > 1 else ''}{counted(len(runs), 'run')}"
            ends.append(f"{name} {mean[-1]:.4g} ({counting})".strip())
        axes.set(xlabel="epoch", ylabel=metric.replace("_", " "), xlim=(1, max(longest, 2)))
        axes.xaxis.get_major_locator().set_params(integer=True)
        if log:
            axes.set_yscale("log")
        if axes.get_legend_handles_labels()[1]:
            axes.legend(frameon=False)
    text = f"The {metric.replace('_', ' ')} in {counted(longest, 'epoch')}. At the end: "
    return finished(axes, f"{text}{'; '.join(ends)}.", ax)


def _is_named(histories: Any, metric: str) -> bool:
    """Tells a dictionary of models from the `history` of one run, which has a loss."""
    if not isinstance(histories, Mapping):
        return False
    first = next(iter(histories.values()), None)
    numbers = isinstance(first, Sequence | np.ndarray) and len(first) and np.isscalar(first[0])
    return not (numbers and {"loss", metric} & set(histories))


def _runs(histories: Any) -> list[Any]:
    if isinstance(histories, Mapping) or hasattr(histories, "history"):
        return [histories]
    if not isinstance(histories, Sequence | np.ndarray) or isinstance(histories, str):
        raise ArgumentError("histories", "hold what `fit` returned, or lists of it", histories)
    if not len(histories):
        raise ArgumentError("histories", "hold at least one run", histories)
    return [histories] if np.isscalar(histories[0]) else list(histories)


def _curve(run: Any, metric: str, *, needed: bool = True) -> np.ndarray:
    """Returns the values of a metric in the epochs of a run."""
    values = getattr(run, "history", run)
    if isinstance(values, Mapping):
        if metric not in values:
            if not needed:
                return np.zeros(0)
            known = ", ".join(map(repr, values)) or "none"
            raise ArgumentError("metric", f"be one of {known}", metric)
        values = values[metric]
    elif not needed:
        return np.zeros(0)
    try:
        found = np.asarray(values, float)
    except (TypeError, ValueError) as error:
        raise ArgumentError("histories", "hold a number for each epoch", values) from error
    if found.ndim != 1 or not len(found) or not np.all(np.isfinite(found)):
        raise ArgumentError("histories", "hold a finite number for each epoch", values)
    return found


def _draw(
    axes: Any, runs: list[np.ndarray], level: float, number: int, label: str | None, line: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws the runs of one model, and returns mean, low and high of each epoch."""
    shortest = min(map(len, runs))
    values = np.stack([run[:shortest] for run in runs])
    mean = values.mean(axis=0)
    epochs = np.arange(1, shortest + 1)
    spread = np.zeros(shortest)
    if len(runs) > 1:
        error = values.std(axis=0, ddof=1) / np.sqrt(len(runs))
        spread = error * scipy_stats.t.ppf((1 + level) / 2, len(runs) - 1)
        axes.fill_between(
            epochs, mean - spread, mean + spread, color=colour(number), alpha=0.2, linewidth=0
        )
        for run in runs:
            steps = np.arange(1, len(run) + 1)
            axes.plot(steps, run, line, color=colour(number), linewidth=0.6, alpha=0.5)
    axes.plot(epochs, mean, line, color=colour(number), linewidth=1.8, label=label)
    return mean, mean - spread, mean + spread
