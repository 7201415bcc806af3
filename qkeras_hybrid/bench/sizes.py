"""The sizes of a frontier: which arguments of a model it sweeps, and their values at each size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from qkeras_hybrid._errors import ArgumentError


def sizes(
    table: Any, *, tuned: Iterable[str] = (), swept: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """Returns the arguments of the model at each size of a frontier.

    Args:
        table: Of a suite: `"model."` and the name of an argument, with the list of its values;
            several lists step together. `"model"` may have a list of whole tables instead.
        tuned: What a search for hyperparameters chooses, named likewise.
        swept: What the sweep of the same task sets.

    Raises:
        ValueError: If it is no such table, has fewer than two sizes or one of them twice, models
            of several names, or something that is tuned or swept as well.

    Example:
        >>> sizes({"model.n_qubits": [2, 4], "model.n_layers": [1, 3]})
        [{'n_qubits': 2, 'n_layers': 1}, {'n_qubits': 4, 'n_layers': 3}]
    """
    if not isinstance(table, Mapping) or not table:
        raise ArgumentError("frontier", "be a table of lists", table, _EXAMPLE)
    for path, values in table.items():
        part, _, key = path.partition(".")
        if part != "model":
            raise ArgumentError("frontier", "take `model` and its arguments only", path, _EXAMPLE)
        if not isinstance(values, list) or len(values) < 2:
            raise ArgumentError(path, "be a list of at least 2 sizes", values)
        if not key and not all(isinstance(value, Mapping) for value in values):
            raise ArgumentError(path, "be a list of tables", values)
    lengths = {path: len(values) for path, values in table.items()}
    if len(set(lengths.values())) > 1:
        raise ArgumentError(
            "frontier", "have lists of one length, whose values step together", lengths
        )
    found = []
    for values in zip(*table.values(), strict=True):
        given = dict(zip(table, values, strict=True))
        # A whole table first, so that its keys can be set too.
        size = dict(given.pop("model", {}))
        size |= {path.removeprefix("model."): value for path, value in given.items()}
        if size in found:
            raise ArgumentError("frontier", "have each size once", size)
        found.append(size)
    names = [size.get("name") for size in found]
    if len(set(names)) > 1:
        raise ArgumentError(
            "frontier", "have models of one name", names, "Give each model a task of its own."
        )
    arguments = {f"model.{key}" for size in found for key in size}
    if "model" in table:
        arguments.add("model")
    for others, doing in ((tuned, "tunes"), (swept, "sweeps")):
        for name in others:
            if name in arguments:
                raise ArgumentError("frontier", f"leave out what the task {doing}", name)
    return found


_EXAMPLE = 'Such as "model.n_layers" = [1, 2, 4].'
