"""`qkeras-hybrid list`: the names that options take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from qkeras_hybrid._checks import one_of
from qkeras_hybrid.cli.base import app, fail, native_stderr_muted, stopped


def _engines() -> dict[str, str]:
    from qkeras_hybrid import engines

    return engines.status()


def _encodings() -> dict[str, str]:
    from qkeras_hybrid import encodings

    return {name: _first_line(encodings.get(name)) for name in encodings.names()}


def _ansatz() -> dict[str, str]:
    from qkeras_hybrid import ansatz

    return {name: _first_line(ansatz.get(name)) for name in ansatz.names()}


def _datasets() -> dict[str, str]:
    from qkeras_hybrid import datasets

    return datasets.descriptions()


def _models() -> dict[str, str]:
    from qkeras_hybrid.bench import models

    return {name: _first_line(build) for name, build in models.MODELS.items()}


def _first_line(documented: object) -> str:
    return (documented.__doc__ or "").split("\n")[0]


_LISTS: dict[str, Callable[[], dict[str, str]]] = {
    "engines": _engines,
    "encodings": _encodings,
    "ansatz": _ansatz,
    "datasets": _datasets,
    "models": _models,
}


@app.command("list")
def list_names(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(_LISTS)}.")],
) -> None:
    """List the names that the options of `compare` take, one a line.

    Examples:
    - `qkeras-hybrid list datasets`

    - `qkeras-hybrid list engines` (with what keeps an engine from running here)
    """
    try:
        names_of = _LISTS[one_of("kind", kind, _LISTS)]
        with native_stderr_muted():
            names = names_of()
    except ValueError as error:
        raise fail(str(error), 2) from error
    except KeyboardInterrupt as error:
        raise stopped("before the list was made.") from error
    for name, said in names.items():
        typer.echo(f"{name}: {said}" if said else name)
