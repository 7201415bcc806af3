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
        table: The table `frontier` of a suite's task. Its keys are `"model."` and the name of an
            argument, its values are lists of equal lengths: the first size has the first value of
            each list, and so on. Instead, `"model"` may have a list of whole tables.
        tuned: The names that a search for hyperparameters chooses, spelled in the same way.
        swept: The names that the sweep of the same task sets.

    Raises:
        ValueError: If the table is invalid, has fewer than two sizes, the same size twice, models
            of several names, or a name that is also tuned or swept.

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
            "frontier", "have lists of equal lengths, one value for each size", lengths
        )
    found = []
    for values in zip(*table.values(), strict=True):
        given = dict(zip(table, values, strict=True))
        # The whole table comes first, so that single keys can replace its values.
        size = dict(given.pop("model", {}))
        size |= {path.removeprefix("model."): value for path, value in given.items()}
        if size in found:
            raise ArgumentError("frontier", "have each size only once", size)
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


_EXAMPLE = 'For example "model.n_layers" = [1, 2, 4].'
