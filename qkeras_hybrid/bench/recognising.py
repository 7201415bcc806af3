"""Finds the rows that belong to a suite's frontiers, but were run before or by another suite."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.suite import Suite
from qkeras_hybrid.bench.task import plan


def recognised(rows: Sequence[Row], suite: Suite) -> list[Row]:
    """Returns rows with the size that they have in a frontier of a suite.

    The size is not a part of a task's definition. So a row lacks it if its task was run before the
    frontier existed, or by another suite. This function finds such rows by the ids of the tasks in
    the frontiers. It loads no data and builds no model.

    Args:
        rows: Rows of any suite.
        suite: The suite. A task in two of its frontiers counts for the last one.

    Returns:
        The rows in their order. Rows that are in no frontier are unchanged.
    """
    runs = {
        (row.backend, row.contender, row.seed, json.dumps(row.fingerprints, sort_keys=True))
        for row in rows
    }
    sizes = {
        task.id: one.size
        for one in suite.comparisons
        if one.size is not None
        for backend, contender, seed, fingerprints in runs
        for task in plan(
            one.data,
            one.model,
            one.training,
            backend,
            [contender],
            [seed],
            one.execution,
            tuning=one.tuning,
            fingerprints=json.loads(fingerprints),
        )
    }
    return [dataclasses.replace(row, size=sizes.get(row.task, row.size)) for row in rows]
