"""Which rows belong to the frontiers of a suite that asked for them later, or not first."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

from qkeras_hybrid.bench.row import Row
from qkeras_hybrid.bench.suite import Suite
from qkeras_hybrid.bench.task import plan


def recognised(rows: Sequence[Row], suite: Suite) -> list[Row]:
    """Returns rows with the size that they are in a frontier of a suite.

    The size is no part of what defines a task, so a row that was written before a frontier asked
    for its task lacks the size. Here rows are known by the ids of the frontiers' tasks; no data are
    loaded, and no model is built.

    Args:
        rows: Rows of any suite.
        suite: The suite. A task of two of its frontiers counts for the last.

    Returns:
        The rows in their order; those of no frontier as they are.
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
