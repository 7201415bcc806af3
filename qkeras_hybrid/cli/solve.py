"""`qkeras-hybrid solve`: compares all solvers on an optimisation problem with the exact answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import rich.box
import rich.console
import rich.table
import typer

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.cli.base import app, fail, native_stderr_muted, say, stopped

if TYPE_CHECKING:
    from qkeras_hybrid.annealing.comparing import Comparison

PICTURE = "solvers.png"
NUMBERS = "solvers.json"

# Solvers that need no account.
_LOCAL = (
    *("exact", "simulated_annealing", "tabu"),
    *("steepest_descent", "tree_decomposition", "qaoa"),
)
# Beyond this number of variables, a state vector takes too long to try by default.
_MOST_QAOA = 16


@app.command()
def solve(
    file: Annotated[
        Path,
        typer.Argument(
            help="A problem: .lp, .mps, .npz (Q, or h and J), a graph in DIMACS format, a list of "
            "edges, or a file of the OR-library, QAPLIB or QOBLIB; also compressed (.gz or .xz).",
            metavar="FILE",
        ),
    ],
    kind: Annotated[
        str | None,
        typer.Option(
            help="The format of a text file, if it can't be recognized: maxcut, independent_set, "
            "dimacs, or_library_qubo, or_library_knapsack, qaplib, market_split or qs."
        ),
    ] = None,
    solver: Annotated[
        list[str] | None,
        typer.Option(
            help="A solver; repeatable. By default all that need no account, QAOA only up to "
            f"{_MOST_QAOA} variables."
        ),
    ] = None,
    reads: Annotated[
        int, typer.Option(min=1, help="Number of samples that each sampling solver draws.")
    ] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random numbers.")] = 0,
    time_limit: Annotated[
        float, typer.Option(help="Time limit of the exact solver, in seconds.")
    ] = 60.0,
    penalty: Annotated[
        float | None,
        typer.Option(
            help="Weight of the constraints' penalties; by default derived from the problem."
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option(help=f"Folder of {PICTURE} and {NUMBERS}.", file_okay=False)
    ] = Path("qkeras-hybrid-solve"),
) -> None:
    """Solve an optimisation problem by annealing, by QAOA and exactly, side by side.

    For solvers that sample, constraints become penalties. The table shows the energy that each
    solver found (without penalties), its gap to the lowest energy if that is proved, whether all
    constraints are satisfied, and the time.

    Examples:
    - `qkeras-hybrid solve karate.gph`

    - `qkeras-hybrid solve factory.lp --solver exact --solver simulated_annealing --reads 1000`

    Exit codes: 0 done, 1 no solver found a feasible answer or a file can't be written, 2 wrong
    usage, 130 Ctrl-C or SIGTERM.
    """
    try:
        with native_stderr_muted():
            from qkeras_hybrid import annealing
            from qkeras_hybrid.annealing import comparing

        problem = annealing.files.load(file, kind)
        chosen = solver or [
            name for name in _LOCAL if name != "qaoa" or problem.n_variables <= _MOST_QAOA
        ]
        for name in chosen:
            one_of("solver", name, annealing.SOLVERS)
        found = comparing.compare(
            problem,
            chosen,
            seed=seed,
            reads=reads,
            penalty=penalty,
            time_limit=time_limit,
            watch=lambda name: say(f"{name} ..."),
        )
    except OSError as error:
        raise fail(f"{error.filename or file} can't be read: {error.strerror}.", 2) from error
    except ValueError as error:
        raise fail(_in_options(error), 2) from error
    except KeyboardInterrupt as error:
        raise stopped("before all solvers were done.") from error
    try:
        comparing.draw(found, output / PICTURE)
        text = json.dumps(numbers(found, file), indent=1)
        (output / NUMBERS).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise fail(f"{error.filename or output} can't be written: {error.strerror}.", 1) from error
    _show(found, file, output)
    if not any(r.solution is not None and r.solution.feasible for r in found.results):
        raise fail("no solver found an answer that satisfies all constraints.", 1)


def numbers(comparison: Comparison, file: Path) -> dict[str, Any]:
    """Returns a comparison as plain JSON values."""
    problem = comparison.problem
    rows = []
    for result in comparison.results:
        row: dict[str, Any] = {"solver": result.solver, "reason": result.reason}
        if result.solution is not None:
            solution = result.solution
            row |= {
                "energy": solution.energy,
                "gap": comparison.gap(result),
                "feasible": solution.feasible,
                "violated": list(solution.violated),
                "optimal": solution.optimal,
                "seconds": solution.seconds,
                "reads": solution.reads,
                "values": {str(v): value for v, value in solution.values.items()},
            }
        rows.append(row)
    return {
        "file": file.name,
        "problem": problem.name,
        "n_variables": problem.n_variables,
        "n_constraints": len(problem.constraints),
        "least_energy": comparison.best,
        "results": rows,
    }


def _in_options(error: ValueError) -> str:
    """Returns an error's text, with the option's name in place of the argument's."""
    options = {"file": "FILE", **{name: f"--{name}" for name in ("kind", "solver", "penalty")}}
    options["time_limit"] = "--time-limit"
    if not isinstance(error, ArgumentError) or error.argument not in options:
        return str(error)
    name = options[error.argument]
    return str(ArgumentError(name, error.requirement, error.got, error.fix))


def _show(comparison: Comparison, file: Path, output: Path) -> None:
    problem = comparison.problem
    constraints = len(problem.constraints)
    console = rich.console.Console(highlight=False)
    table = rich.table.Table(
        title=f"{file.name}: {problem.name}, {problem.n_variables} variables, "
        f"{constraints} constraint{'' if constraints == 1 else 's'}",
        box=rich.box.SIMPLE_HEAD,
    )
    table.add_column("solver")
    for heading in ("energy", "gap", "seconds"):
        table.add_column(heading, justify="right")
    table.add_column("feasible")
    failed = []
    for result in comparison.results:
        solution = result.solution
        if solution is None:
            table.add_row(result.solver, "-", "-", "-", "failed")
            failed.append(f"{result.solver}: {result.reason}")
            continue
        gap = comparison.gap(result)
        broken = f"no, breaks {len(solution.violated)}" if solution.violated else "yes"
        table.add_row(
            f"{result.solver}{' (proved)' if solution.optimal else ''}",
            f"{solution.energy:.10g}",
            "" if gap is None else f"{gap:.2%}",
            f"{solution.seconds:.3g}",
            broken,
        )
    console.print(table)
    for sentence in failed:
        console.print(sentence, markup=False)
    if comparison.best is None:
        console.print("No solver proved its energy to be the lowest, so there are no gaps.")
    console.print(f"Picture: {output / PICTURE}", markup=False, soft_wrap=True)
    console.print(f"Numbers: {output / NUMBERS}", markup=False, soft_wrap=True)
