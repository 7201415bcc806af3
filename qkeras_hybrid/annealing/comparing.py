"""Compares several solvers on one problem with the exact answer."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qkeras_hybrid import _files
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.annealing.problem import Problem
from qkeras_hybrid.annealing.solving import Solution, solve

if TYPE_CHECKING:
    import matplotlib as mpl
    import matplotlib.figure as mpl_figure
else:
    mpl = lazy_module("matplotlib")
    mpl_figure = lazy_module("matplotlib.figure")

_STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.axisbelow": True,
    "figure.constrained_layout.use": True,
}


@dataclasses.dataclass(frozen=True)
class Result:
    """The result of one solver on a problem.

    Attributes:
        solver: Its name.
        solution: The solution that it found; None if it failed.
        reason: Why it failed; empty if it did not.
    """

    solver: str
    solution: Solution | None
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Solvers on one problem.

    Attributes:
        problem: The problem.
        results: A result for each solver.
    """

    problem: Problem
    results: tuple[Result, ...]

    @property
    def best(self) -> float | None:
        """The energy that a solver has proved to be the lowest; None if none has."""
        proved = [r.solution for r in self.results if r.solution and r.solution.optimal]
        return min((s.energy for s in proved if s.feasible), default=None)

    def gap(self, result: Result) -> float | None:
        """Returns the relative gap between a feasible energy and the lowest one."""
        solution = result.solution
        if self.best is None or solution is None or not solution.feasible:
            return None
        difference = solution.energy - self.best
        # Rounding of energies is not a gap.
        return 0.0 if abs(difference) < 1e-9 else difference / max(abs(self.best), 1e-12)


def compare(
    problem: Problem,
    solvers: Sequence[str],
    *,
    seed: int | None = None,
    reads: int = 100,
    penalty: float | None = None,
    time_limit: float = 60.0,
    watch: Callable[[str], None] | None = None,
) -> Comparison:
    """Solves a problem with each of several solvers.

    Args:
        problem: The problem.
        solvers: The names of the solvers, as in `solve`.
        seed: The seed of random numbers.
        reads: The number of states for sampling solvers.
        penalty: The weight of constraints; by default the problem's own.
        time_limit: The time limit of the exact solver, in seconds.
        watch: Called with the name of each solver before it starts.

    Returns:
        A result for each solver. If a solver fails, the others still run.
    """
    results = []
    for name in solvers:
        if watch is not None:
            watch(name)
        try:
            found = solve(problem, name, seed, reads=reads, penalty=penalty, time_limit=time_limit)
        except (ValueError, MemoryError, RuntimeError) as error:
            results.append(Result(name, None, str(error)))
        else:
            results.append(Result(name, found))
    return Comparison(problem, tuple(results))


def draw(comparison: Comparison, path: Path) -> None:
    """Draws energy against time into a PNG file: solvers are points, the exact answer is a line.

    Args:
        comparison: The result of `compare`.
        path: The file; its folder is created if it does not exist.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(_STYLE):
        figure = mpl_figure.Figure(figsize=(6.4, 3.6))
        axis = figure.subplots()
        found = [(r.solver, r.solution) for r in comparison.results if r.solution is not None]
        for number, (name, solution) in enumerate(found):
            colour = f"C{number % 10}"
            axis.scatter(
                max(solution.seconds, 1e-4),
                solution.energy,
                s=60,
                zorder=3,
                color=colour if solution.feasible else "none",
                edgecolors=colour,
                linewidths=1.5,
                label=name if solution.feasible else f"{name} (not feasible)",
            )
        if comparison.best is not None:
            axis.axhline(comparison.best, color="#444444", linestyle="--", linewidth=1)
            axis.text(
                0.99, comparison.best, "least energy", transform=axis.get_yaxis_transform(),
                ha="right", va="bottom", color="#444444",
            )  # fmt: skip
        axis.set(xscale="log", xlabel="seconds", ylabel="energy", title=comparison.problem.name)
        axis.margins(y=0.15)
        if found:
            figure.legend(loc="outside right upper", frameon=False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    _files.write(path, buffer.getvalue())
