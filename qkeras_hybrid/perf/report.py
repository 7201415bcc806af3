"""Shows measured times as tables, and writes them as JSON."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qkeras_hybrid import _files
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import lazy_module
from qkeras_hybrid.perf.base import Timing, by_backend, named, split

if TYPE_CHECKING:
    import rich.box as rich_box
    import rich.table as rich_table

    from qkeras_hybrid.perf.peak import Peak
    from qkeras_hybrid.perf.steps import StepResult
else:
    rich_box = lazy_module("rich.box")
    rich_table = lazy_module("rich.table")

FORMAT = 1
MISSING = "-"
FREE = 0.75
"""If all cores together reach less than this fraction of their single rates, they are not free."""


@dataclasses.dataclass
class Measured:
    """Everything that the command has measured so far.

    Attributes:
        settings: The command's options, as plain JSON values.
        versions: Versions of packages.
        machine: The kind of machine.
        peak: The processor's peak, or the reason why there is none.
        steps: The results of the configurations so far.
        epochs: Timings of epochs by model, with the Dense twin first on each backend; empty if not
            measured.
        twin: The name of the Dense twin in `epochs`, on this process's backend.
    """

    settings: dict[str, Any]
    versions: dict[str, str]
    machine: dict[str, Any]
    peak: Peak | str
    steps: list[StepResult] = dataclasses.field(default_factory=list)
    epochs: dict[str, Timing] = dataclasses.field(default_factory=dict)
    twin: str = "dense"


def duration(seconds: float | None) -> str:
    """Returns a time with three digits, in milliseconds or seconds.

    Example:

    >>> duration(0.000243), duration(0.0432), duration(12.345)
    ('0.243 ms', '43.2 ms', '12.3 s')
    """
    if seconds is None:
        return MISSING
    value, unit = (seconds * 1e3, "ms") if seconds < 1 else (seconds, "s")
    return f"{_three_digits(value)} {unit}"


def _three_digits(value: float) -> str:
    decimals = 0 if value >= 99.95 else 1 if value >= 9.995 else 2 if value >= 0.9995 else 3
    return f"{value:.{decimals}f}"


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """Returns a quotient; None if a part of it is missing."""
    if numerator is None or not denominator:
        return None
    return numerator / denominator


def _times(value: float | None) -> str:
    return MISSING if value is None else _three_digits(value)


def _table(title: str, caption: str | None = None) -> rich_table.Table:
    return rich_table.Table(
        title=title,
        caption=caption,
        box=rich_box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
        caption_justify="left",
        title_justify="left",
    )


def step_table(measured: Measured) -> rich_table.Table:
    """Makes the table of training steps: a line for each engine and peer of each configuration.

    The columns "/ native" are the times divided by those of the native engine in the same
    configuration on this process's backend, for medians and for shortest times.
    """
    made = _table(
        "Training step: qubits,layers,batch",
        "/ native: how many times as long as the native engine. roofline: GFLOP/s of the median "
        "step, and the share of the peak",
    )
    made.add_column("step", no_wrap=True)
    made.add_column("by", overflow="fold")
    for column in ("median", "best", "median\n/ native", "best\n/ native", "roofline"):
        made.add_column(column, justify="right", no_wrap=True)
    for result in measured.steps:
        native = result.timings.get("native", Timing())
        label = str(result.config)
        for name, timing in {**result.timings, **result.peers}.items():
            made.add_row(
                label,
                name,
                duration(timing.median_s),
                duration(timing.best_s),
                _times(ratio(timing.median_s, native.median_s)),
                _times(ratio(timing.best_s, native.best_s)),
                _roofline(result, name, measured.peak),
            )
            label = ""
        made.add_section()
    return made


def _roofline(result: StepResult, name: str, peak: Peak | str) -> str:
    gflops = result.gflops_of(name) if split(name)[0] == "native" else None
    if gflops is None:
        return ""
    share = "" if isinstance(peak, str) else f", {100 * gflops / peak.gflops:.1f} %"
    return f"{_three_digits(gflops)}{share}"


def first_call_tables(measured: Measured) -> list[rich_table.Table]:
    """Makes a table of first calls for each backend, and one for the peers.

    Each has a line for each configuration, and a column for each engine or peer.
    """
    engines = dict.fromkeys(name for result in measured.steps for name in result.timings)
    peers = list(dict.fromkeys(name for result in measured.steps for name in result.peers))
    made = [*by_backend(list(engines)).values(), *([peers] if peers else [])]
    return [_first_calls(measured, names) for names in made]


def _first_calls(measured: Measured, names: list[str]) -> rich_table.Table:
    made = _table("First call")
    made.add_column("step", no_wrap=True)
    for name in names:
        made.add_column(name, justify="right", overflow="fold")
    for result in measured.steps:
        timings = {**result.timings, **result.peers}
        made.add_row(
            str(result.config), *(duration(timings.get(name, Timing()).first_s) for name in names)
        )
    return made


def jitted_table(measured: Measured, best: dict[str, str]) -> rich_table.Table:
    """Makes the table of the fastest compiled peer of each configuration.

    Args:
        measured: The measured times.
        best: The peer's name by configuration.
    """
    made = _table(
        "Fastest compiled peer / native",
        "first call: the peer's compilation, and what the native engine takes instead",
    )
    made.add_column("step", no_wrap=True)
    made.add_column("peer", overflow="fold")
    for column in ("median", "best", "first call", "native's"):
        made.add_column(column, justify="right", no_wrap=True)
    for result in measured.steps:
        name, native = best.get(str(result.config)), result.timings.get("native")
        if name is None or native is None:
            continue
        timing = result.peers[name]
        made.add_row(
            str(result.config),
            name,
            _times(ratio(timing.median_s, native.median_s)),
            _times(ratio(timing.best_s, native.best_s)),
            duration(timing.first_s),
            duration(native.first_s),
        )
    return made


def jax_table(measured: Measured, peers: tuple[str, ...]) -> rich_table.Table | None:
    """Makes the table of compiled peers against the engines under JAX, which compile too.

    Args:
        measured: The measured times.
        peers: The names of the peers that compile.

    Returns:
        A table with a line for each configuration and peer; None if either side was not timed.
    """
    made = _table(
        "Compiled peers / engines under JAX",
        "peer / ...: how many times as long as that engine, by medians. first call: with the "
        "compilation",
    )
    engines = ("native", "statevector")
    made.add_column("step", no_wrap=True)
    made.add_column("peer", overflow="fold")
    for engine in engines:
        made.add_column(f"peer /\n{engine}", justify="right", no_wrap=True)
    for name in ("peer", *engines):
        made.add_column(f"first call\n{name}", justify="right", no_wrap=True)
    for result in measured.steps:
        ours = [result.timings.get(named(engine, "jax"), Timing()) for engine in engines]
        label = str(result.config)
        for name in peers:
            timing = result.peers.get(name, Timing())
            if not timing.times_s or not any(its.times_s for its in ours):
                continue
            made.add_row(
                label,
                name,
                *(_times(ratio(timing.median_s, its.median_s)) for its in ours),
                *(duration(its.first_s) for its in (timing, *ours)),
            )
            label = ""
    return made if made.row_count else None


def epoch_table(measured: Measured) -> rich_table.Table:
    """Makes the table of epochs: a line for each engine and Dense twin of each backend.

    The columns "/ twin" are the times divided by those of the twin on the same backend.
    """
    made = _table(
        "Epoch of fit on digits: Dense(8), PQCDense(8) or its twin Dense(8), Dense(10); batches "
        "of 32",
        "/ twin: how many times as long as the Dense twin on the same backend",
    )
    made.add_column("middle layer")
    for column in ("first epoch", "median", "best", "median\n/ twin", "best\n/ twin"):
        made.add_column(column, justify="right", no_wrap=True)
    for backend, names in by_backend(list(measured.epochs)).items():
        its_twin = named(measured.twin, backend)
        twin = measured.epochs.get(its_twin, Timing())
        for name in names:
            timing = measured.epochs[name]
            label = f"PQCDense(8), {name}"
            if name == its_twin:
                label = "Dense(8), " + ("the twin" if split(name)[0] == name else f"twin@{backend}")
            made.add_row(
                label,
                *(duration(s) for s in (timing.first_s, timing.median_s, timing.best_s)),
                _times(ratio(timing.median_s, twin.median_s)),
                _times(ratio(timing.best_s, twin.best_s)),
            )
        made.add_section()
    return made


def notes(measured: Measured) -> list[str]:
    """Returns the notes below the tables: the peak, and why contenders were not timed."""
    if isinstance(measured.peak, str):
        said = [f"No GFLOP/s and no share of the peak: {measured.peak}"]
    else:
        peak = measured.peak
        said = [
            f"Peak: {peak.gflops:.0f} GFLOP/s, measured by multiply-adds in float32 on "
            f"{peak.threads} {'core' if peak.threads == 1 else 'cores'} ({peak.instruction_set})."
        ]
        if peak.gflops < FREE * peak.threads * peak.single_gflops:
            said.append(
                f"One core alone reaches {peak.single_gflops:.0f} GFLOP/s: the cores share units, "
                "or something else is running here, and all times may be off."
            )
    said.append("First calls and first epochs include tracing, and compilation if there is any.")
    for result in measured.steps:
        for name, timing in {**result.timings, **result.peers}.items():
            if timing.reason is not None:
                said.append(f"{result.config} {name}: {timing.reason}.")
    for name, timing in measured.epochs.items():
        if timing.reason is not None:
            said.append(f"epoch {name}: {timing.reason}.")
    return said


def as_json(measured: Measured, peer_lines: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Returns everything as plain JSON values.

    Args:
        measured: The measured times.
        peer_lines: The lines that the peers' script printed, by `"configuration peer"`.
    """
    peak = measured.peak
    return {
        "format": FORMAT,
        "settings": measured.settings,
        "versions": measured.versions,
        "machine": measured.machine,
        "peak": (
            {"gflops": None, "reason": peak}
            if isinstance(peak, str)
            else {**dataclasses.asdict(peak), "reason": None}
        ),
        "steps": [
            {
                "n_qubits": result.config.n_qubits,
                "n_layers": result.config.n_layers,
                "batch": result.config.batch,
                "loss": result.loss,
                "engines": {name: timing.as_dict() for name, timing in result.timings.items()},
                "peers": {
                    name: {
                        **timing.as_dict(),
                        "versions": peer_lines.get(f"{result.config} {name}", {}).get("versions"),
                    }
                    for name, timing in result.peers.items()
                },
                "flop_expectation": None if result.flops is None else result.flops[0],
                "flop_gradient": None if result.flops is None else result.flops[1],
                "gflops": result.gflops,
                "share_of_peak": (
                    None if isinstance(peak, str) else ratio(result.gflops, peak.gflops)
                ),
            }
            for result in measured.steps
        ],
        "epochs": {name: timing.as_dict() for name, timing in measured.epochs.items()},
    }


def check_writable(path: Path) -> None:
    """Makes sure that `write` will be able to write a file.

    Raises:
        ValueError: If the path is a folder or a device, or its folder is missing or not writable.
    """
    if path.exists() and not path.is_file():
        raise ArgumentError("--output", "be a file", str(path))
    try:
        if path.exists():
            path.open("ab").close()
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ArgumentError(
            "--output",
            "be a file that can be written",
            str(path),
            f"({error.strerror or error})",
        ) from error


def write(path: Path, content: dict[str, Any]) -> None:
    """Writes a JSON file, completely or not at all."""
    _files.write(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
