"""`qkeras-hybrid list`: the names that options take.

They are stored in `names.json` beside this module, so that a list appears at once, without loading
TensorFlow. `python -m qkeras_hybrid.cli.listing` writes the file, and a test checks that it is
current.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from qkeras_hybrid._checks import one_of
from qkeras_hybrid.cli.base import app, fail

NAMES = Path(__file__).with_name("names.json")
KINDS = ("engines", "encodings", "ansatz", "datasets", "models", "noise", "mitigation", "formats")


def current() -> dict[str, dict[str, str]]:
    """Returns a line about each name of each kind, taken from the objects' docstrings."""
    from qkeras_hybrid import ansatz, datasets, encodings, engines, exporting, noise
    from qkeras_hybrid.bench import execution, models
    from qkeras_hybrid.noise.rules import KINDS as NOISE

    def lines(registry: Any) -> dict[str, str]:
        return {name: _first_line(registry.get(name)) for name in registry.names()}

    circuits = {
        name: f"Circuit {found.number} of the 19 that Sim, Johnson and Aspuru-Guzik compare."
        for name in ansatz.names()
        if isinstance(found := ansatz.get(name), ansatz.Sim)
    }
    return {
        "engines": lines(engines.ENGINES),
        "encodings": lines(encodings.ENCODINGS),
        "ansatz": lines(ansatz.ANSATZE) | circuits,
        "datasets": datasets.descriptions(),
        "models": {name: _first_line(build) for name, build in models.MODELS.items()},
        "noise": {
            name: f"{_first_line(getattr(noise, name))} {name}:{_spelled(kind)}"
            for name, kind in NOISE.items()
        },
        "mitigation": {name: _first_line(method) for name, method in execution.MITIGATIONS.items()},
        "formats": lines(exporting.FORMATS),
    }


def _spelled(kind: Any) -> str:
    return ",".join(name for name, _, default in kind.parameters if default is None)


def _first_line(documented: object) -> str:
    return (documented.__doc__ or "").split("\n")[0]


@app.command("list")
def list_names(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")],
) -> None:
    """List the names that the options of `compare` and `export` take, one per line.

    `qkeras-hybrid doctor` shows which engines run here.

    Examples:
    - `qkeras-hybrid list datasets`

    - `qkeras-hybrid list engines`
    """
    try:
        one_of("kind", kind, KINDS)
    except ValueError as error:
        raise fail(str(error), 2) from error
    for name, line in json.loads(NAMES.read_text(encoding="utf-8"))[kind].items():
        typer.echo(f"{name}: {line}" if line else name)


if __name__ == "__main__":
    NAMES.write_text(json.dumps(current(), indent=1) + "\n", encoding="utf-8")
