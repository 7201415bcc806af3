"""Comparisons of hybrid models with Dense networks: tasks, controls, runs, statistics, report."""

from qkeras_hybrid.bench.controls import controls_for
from qkeras_hybrid.bench.report import notes, table, verdict
from qkeras_hybrid.bench.results import Results, read_rows
from qkeras_hybrid.bench.row import Row, latest
from qkeras_hybrid.bench.runner import run, run_task
from qkeras_hybrid.bench.statistics import paired_difference, summarize, t_interval
from qkeras_hybrid.bench.task import Task, plan

__all__ = [
    "Results",
    "Row",
    "Task",
    "controls_for",
    "latest",
    "notes",
    "paired_difference",
    "plan",
    "read_rows",
    "run",
    "run_task",
    "summarize",
    "t_interval",
    "table",
    "verdict",
]
