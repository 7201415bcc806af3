"""`qkeras-hybrid kernel`: tells whether a quantum kernel can help on a table of data."""

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
    from qkeras_hybrid.datasets import Dataset
    from qkeras_hybrid.kernels import Kernel, Study

PICTURE = "kernels.png"
NUMBERS = "kernels.json"


@app.command()
def kernel(
    data: Annotated[
        str,
        typer.Argument(
            help="A data set of `qkeras-hybrid list datasets`, or a .csv or .npz file of your own."
        ),
    ],
    target: Annotated[
        str | None, typer.Option(help="The column of a .csv file to predict.")
    ] = None,
    task: Annotated[
        str, typer.Option(help='The task of a file: "classification" or "regression".')
    ] = "classification",
    encoding: Annotated[
        str, typer.Option(help="Encoding: one of `qkeras-hybrid list encodings`.")
    ] = "zz",
    qubits: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of qubits. If not given, one for each feature, but at most 8."
        ),
    ] = None,
    pca: Annotated[
        int | None,
        typer.Option(min=1, help="Number of principal components to use in place of the features."),
    ] = None,
    samples: Annotated[
        int,
        typer.Option(min=4, help="Largest number of samples; if there are more, some are drawn."),
    ] = 300,
    folds: Annotated[int, typer.Option(min=2, help="Number of folds for cross-validation.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random numbers.")] = 0,
    output: Annotated[
        Path, typer.Option(help=f"Folder of {PICTURE} and {NUMBERS}.", file_okay=False)
    ] = Path("qkeras-hybrid-kernels"),
) -> None:
    """Tell whether a quantum kernel can help on data, before any device is used.

    Compares a fidelity kernel and a projected kernel with an RBF and a Laplacian kernel. The
    bandwidths of all four are chosen in the same way. The command shows their alignment with the
    labels, cross-validated scores, model complexity, concentration, and the geometric difference,
    which tells whether a quantum kernel could be better at all. It ends with a verdict.

    Examples:
    - `qkeras-hybrid kernel digits --pca 8`

    - `qkeras-hybrid kernel table.csv --target price --task regression --qubits 6`

    Exit codes: 0 done, 1 a file can't be written, 2 wrong usage, 130 Ctrl-C or SIGTERM.
    """
    try:
        with native_stderr_muted():
            from qkeras_hybrid import encodings, kernels
            from qkeras_hybrid.kernels import charts

        one_of("encoding", encoding, encodings.names())
        table = _load(data, target, task, pca, seed)
        chosen: list[Kernel] = [
            kernels.FidelityKernel(encoding, qubits),
            kernels.ProjectedKernel(encoding, qubits),
        ]
        found = kernels.study(
            table.x,
            table.y,
            chosen,
            task=table.task,
            n_samples=samples,
            folds=folds,
            seed=seed,
            watch=say,
        )
    except ValueError as error:
        raise fail(_in_options(error), 2) from error
    except KeyboardInterrupt as error:
        raise stopped("before the study was done.") from error
    try:
        charts.write(found, output / PICTURE)
        text = json.dumps(numbers(found, data, encoding), indent=1)
        (output / NUMBERS).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise fail(f"{error.filename or output} can't be written: {error.strerror}.", 1) from error
    _show(found, data, output)


def numbers(study: Study, data: str, encoding: str) -> dict[str, Any]:
    """Returns the results of a study as plain JSON values."""
    from qkeras_hybrid import kernels

    return {
        "data": data,
        "task": study.task,
        "n_samples": study.n_samples,
        "n_features": study.n_features,
        "encoding": encoding,
        "n_qubits": study.n_qubits,
        "kernels": [
            {
                "name": result.name,
                "quantum": result.quantum,
                "bandwidth": result.bandwidth,
                "alignment": result.alignment,
                "scores": list(result.scores),
                "complexity": result.complexity,
                "missed": result.missed,
                "participation": result.participation,
                "entries_mean": result.entries.mean,
                "entries_deviation": result.entries.deviation,
                "likeness": result.likeness,
            }
            for result in study.results
        ],
        "geometric_differences": [
            {"classical": classical, "quantum": quantum, "g": g}
            for (classical, quantum), g in study.differences.items()
        ],
        "concentration": [
            {"n_qubits": c.n_qubits, "scaled": scaled, "mean": c.mean, "deviation": c.deviation}
            for scaled, several in ((False, study.unscaled), (True, study.scaled))
            for c in several
        ],
        "verdict": kernels.verdict(study),
        "reasons": kernels.reasons(study),
    }


def _load(data: str, target: str | None, task: str, pca: int | None, seed: int) -> Dataset:
    from qkeras_hybrid import datasets

    suffix, table = Path(data).suffix.lower(), {"name": data}
    if suffix == ".csv":
        if target is None:
            raise ArgumentError("target", "name the column to predict", None)
        table = {"name": "csv", "path": data, "target": target, "task": task}
    elif suffix == ".npz":
        table = {"name": "numpy", "path": data, "task": task}
    else:
        # A kernel learns one class or one number for each sample, not a vector of costs.
        others = ("csv", "numpy", *datasets.problems.LOADERS)
        own = [name for name in datasets.names() if name not in others]
        if data not in own:
            known = ", ".join(own)
            raise ArgumentError("data", f"be a .csv or .npz file, or one of {known}", data)
    if pca is None:
        return datasets.load(**table)
    return datasets.prepare({**table, "pca": pca}, seed)[0]


def _in_options(error: ValueError) -> str:
    """Returns an error's text, with the option's name in place of the argument's."""
    named = ("target", "task", "encoding", "pca", "folds")
    options = {"data": "DATA", **{name: f"--{name}" for name in named}}
    if not isinstance(error, ArgumentError) or error.argument not in options:
        return str(error)
    name = options[error.argument]
    return str(ArgumentError(name, error.requirement, error.got, error.fix))


def _show(study: Study, data: str, output: Path) -> None:
    from qkeras_hybrid import kernels

    console = rich.console.Console(highlight=False)
    score = "R²" if study.task == "regression" else "accuracy"
    table = rich.table.Table(
        title=f"{data}: {study.n_samples} samples, {study.n_features} features, "
        f"{study.n_qubits} qubits",
        box=rich.box.SIMPLE_HEAD,
    )
    table.add_column("kernel")
    for heading in ("bandwidth", score, "alignment", "s", "entries", "g"):
        table.add_column(heading, justify="right")
    for result in study.results:
        against = [g for (_, quantum), g in study.differences.items() if quantum == result.name]
        table.add_row(
            result.name,
            f"{result.bandwidth:.3g}",
            f"{result.score:.3f}",
            f"{result.alignment:.3f}",
            f"{result.complexity:.3g}",
            f"{result.entries.mean:.2f} ± {result.entries.deviation:.2g}",
            f"{min(against):.2g}" if against else "",
        )
    console.print(table)
    console.print(
        "alignment: centred alignment with the labels; s: model complexity; entries: mean ± "
        "deviation of the entries off the diagonal; g: the smaller of the geometric differences "
        "to the two classical kernels.",
        markup=False,
    )
    console.print()
    for sentence in kernels.reasons(study):
        console.print(sentence, markup=False)
    console.print()
    console.print(kernels.verdict(study), markup=False)
    console.print()
    console.print(f"Pictures: {output / PICTURE}", markup=False, soft_wrap=True)
    console.print(f"Numbers: {output / NUMBERS}", markup=False, soft_wrap=True)
