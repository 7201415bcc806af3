"""`qkeras-hybrid perf`: how fast the engines are, side by side."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import rich.console
import rich.progress
import typer

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.cli.base import app, fail, native_stderr_muted, stopped

if TYPE_CHECKING:
    from qkeras_hybrid.perf.base import Config
    from qkeras_hybrid.perf.peer_runs import Peer
    from qkeras_hybrid.perf.report import Measured
    from qkeras_hybrid.perf.workers import Worker


@dataclasses.dataclass(frozen=True)
class _Effort:
    """How long everything may take.

    Attributes:
        step_s: Seconds for the repetitions of a configuration, for all engines of a backend
            together.
        cap_s: Seconds after which an engine gets no more turns, or a peer is stopped.
        epochs: The smallest number of epochs of each model, after its first.
        epoch_s: Seconds for the epochs, for all models of a backend together.
    """

    step_s: float
    cap_s: float
    epochs: int
    epoch_s: float


_FULL = _Effort(step_s=6.0, cap_s=120.0, epochs=5, epoch_s=20.0)
_QUICK = _Effort(step_s=0.4, cap_s=10.0, epochs=2, epoch_s=1.0)

# The engines for circuits without noise, as in the standard workload.
_ENGINES = ("native", "tfq", "statevector")
# Without statevector, whose circuits take seconds to trace.
_QUICK_ENGINES = ("native", "tfq")


@dataclasses.dataclass(frozen=True)
class _Wanted:
    """The checked options.

    Attributes:
        configs: The configurations.
        backends: The Keras backends, this process's first if it is one of them.
        engines: The engines on all backends; `native@jax` is native on a backend other than this
            process's.
        peers: The peers.
        epochs: Whether epochs are timed.
        effort: How long everything may take.
    """

    configs: tuple[Config, ...]
    backends: tuple[str, ...]
    engines: tuple[str, ...]
    peers: tuple[Peer, ...]
    epochs: bool
    effort: _Effort


@app.command()
def perf(
    quick: Annotated[
        bool, typer.Option("--quick", help="Two small configurations, a few seconds in total.")
    ] = False,
    config: Annotated[
        list[str] | None,
        typer.Option(
            metavar="QUBITS,LAYERS,BATCH",
            help="A size of the training step, instead of the standard ones; repeatable.",
        ),
    ] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option(
            help="One of `qkeras-hybrid list engines`; repeatable. By default native, tfq and "
            "statevector, or with --quick native and tfq."
        ),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A Keras backend to time the engines under: tensorflow, jax or torch; repeatable. "
            "By default all that are installed, or with --quick that of KERAS_BACKEND.",
        ),
    ] = None,
    peers: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PYTHON",
            help="Also time another library (tensorcircuit, pennylane-jax or pennylane-lightning) "
            "with the Python of an environment in which it is installed; repeatable.",
        ),
    ] = None,
    epochs: Annotated[bool, typer.Option(help="Also time epochs of Keras `fit`.")] = True,
    output: Annotated[
        Path | None,
        typer.Option(help="JSON file for all times, versions and the machine's description."),
    ] = None,
) -> None:
    """Time the engines side by side: a training step, and an epoch of Keras `fit`.

    The training step is that of a standard circuit: a rotation by each input, layers of `RY`, `RZ`
    and a ring of `CZ`, and the expectation value of `Z` on each qubit. The loss is the sum of their
    squares, and the step computes its gradients with respect to inputs and weights. The engines
    take turns in one run, and their losses and gradients are compared: if results disagree, no
    times are shown.

    The backend of KERAS_BACKEND runs in this process. Each other backend runs in a process of its
    own and takes part in the same turns: `native@jax` is the native engine under JAX. The step is
    compiled by `jax.jit` under JAX, traced by `tf.function` under TensorFlow, and eager under
    PyTorch.

    GFLOP/s are the floating-point operations that the native engine's compiled circuit needs,
    divided by the median time. The peak is measured with multiply-adds on all cores.

    Examples:
    - `qkeras-hybrid perf --quick`

    - `qkeras-hybrid perf --engine native --engine tfq --config 10,3,64 --output perf.json`

    - `qkeras-hybrid perf --backend jax --backend torch --engine native`

    - `qkeras-hybrid perf --peers pennylane-jax=other-venv/bin/python`

    Exit codes: 0 done, 1 results disagree or nothing could be timed, 2 wrong usage, 130 Ctrl-C.
    """
    peer_lines: dict[str, dict[str, Any]] = {}
    with contextlib.ExitStack() as stack:
        try:
            wanted = _wanted(quick, config, engine, backend, peers, epochs, output)
            workers = stack.enter_context(_workers(wanted.engines))
            measured = _start(wanted, workers, quick)
        except ValueError as error:
            raise fail(str(error), 2) from error
        except KeyboardInterrupt as error:
            raise stopped("before the first configuration.") from error
        try:
            _measure(wanted, measured, workers, peer_lines)
        except KeyboardInterrupt as error:
            _show(measured)
            done = f"{len(measured.steps)} of {len(wanted.configs)} configurations measured"
            raise stopped(
                f"with {done}." if output is None else f"with {done}; {output} is not written."
            ) from error
    _show(measured)
    _finish(measured, peer_lines, output)


def _wanted(
    quick: bool,
    config: Sequence[str] | None,
    engine: Sequence[str] | None,
    backend: Sequence[str] | None,
    peers: Sequence[str] | None,
    epochs: bool,
    output: Path | None,
) -> _Wanted:
    """Checks the options; raises ValueError on the first wrong one."""
    # These imports take seconds.
    with native_stderr_muted():
        import keras

        from qkeras_hybrid import engines
        from qkeras_hybrid.perf import base, peer_runs, report, workers

    configs = tuple(dict.fromkeys(map(base.Config.parse, config or ())))
    for name in engine or ():
        one_of("--engine", name, engines.names())
    installed = workers.installed()
    for name in backend or ():
        one_of("--backend", name, base.BACKENDS)
        if name not in installed:
            raise ArgumentError("--backend", "name a backend that is installed", name)
    asked = tuple(map(peer_runs.Peer.parse, peers or ()))
    if len({peer.name for peer in asked}) < len(asked):
        raise ValueError("Argument `--peers` must name each peer once.")
    if output is not None:
        report.check_writable(output)
    backends = [keras.backend.backend()] if quick and not backend else backend or installed
    # In the order of `installed`, this process's first.
    backends = [name for name in installed if name in backends]
    chosen = dict.fromkeys(engine or (_QUICK_ENGINES if quick else _ENGINES))
    return _Wanted(
        configs or (base.QUICK if quick else base.STANDARD),
        tuple(backends),
        workers.contenders(tuple(chosen), backends),
        asked,
        epochs,
        _QUICK if quick else _FULL,
    )


def _workers(engines: Sequence[str]) -> contextlib.AbstractContextManager[dict[str, Worker]]:
    """Starts a process for each backend other than this process's."""
    from qkeras_hybrid.perf import workers

    return workers.started(engines)


def _start(wanted: _Wanted, workers: Mapping[str, Worker], quick: bool) -> Measured:
    """Loads the engines, here and in the other processes, and measures the peak."""
    import keras

    from qkeras_hybrid.bench import environment
    from qkeras_hybrid.engines.native import library
    from qkeras_hybrid.perf import base, epochs, peak, report, steps

    own = keras.backend.backend()
    with native_stderr_muted():
        steps.warm_up(base.by_backend(wanted.engines).get(own, []))
    for worker in workers.values():
        worker.wait()
    machine = environment.machine()
    engines = tuple(dict.fromkeys(base.split(name)[0] for name in wanted.engines))
    if "native" not in engines:
        found: peak.Peak | str = "the native engine was not selected."
    else:
        try:
            found = peak.measure()
        except RuntimeError as error:
            found = str(error)
    machine["instruction_set"] = None
    if library.unavailable() is None and library.instruction_set() in library.instruction_sets():
        machine["instruction_set"] = library.instruction_set()
    settings = {
        "quick": quick,
        "configs": [str(config) for config in wanted.configs],
        "engines": list(engines),
        "backends": list(wanted.backends),
        "own_backend": own,
        "peers": [peer.name for peer in wanted.peers],
        "epochs": wanted.epochs,
        **dataclasses.asdict(wanted.effort),
    }
    return report.Measured(settings, environment.versions(), machine, found, twin=epochs.TWIN)


def _measure(
    wanted: _Wanted,
    measured: Measured,
    workers: Mapping[str, Worker],
    lines: dict[str, dict[str, Any]],
) -> None:
    """Measures everything; after Ctrl-C, `measured` holds the finished part."""
    from qkeras_hybrid.perf import agreement, epochs, peer_runs, steps
    from qkeras_hybrid.perf.workers import EPOCHS, STEPS, Remote

    effort, n_backends = wanted.effort, len(wanted.backends)
    total = len(wanted.configs) * (1 + len(wanted.peers)) + wanted.epochs
    try:
        with _progress(total) as advance:
            for config in wanted.configs:
                advance(f"step {config}", 0)
                result = steps.measure(
                    config,
                    wanted.engines,
                    {name: Remote(worker, STEPS) for name, worker in workers.items()},
                    budget_s=effort.step_s * n_backends,
                    cap_s=effort.cap_s,
                )
                for peer in wanted.peers:
                    advance(f"step {config}, {peer.name}", 1)
                    result.peers[peer.name], line = peer_runs.measure(
                        peer,
                        config,
                        result.loss,
                        budget_s=effort.step_s / 3,
                        cap_s=effort.cap_s,
                    )
                    lines[f"{config} {peer.name}"] = line
                measured.steps.append(result)
                advance("", 1)
            if wanted.epochs:
                measured.epochs = epochs.measure(
                    wanted.engines,
                    {name: Remote(worker, EPOCHS) for name, worker in workers.items()},
                    rounds=effort.epochs,
                    budget_s=effort.epoch_s * n_backends,
                    cap_s=effort.cap_s,
                    on_model=lambda name: advance(f"epoch, {name}", 0),
                )
    except agreement.DisagreementError as error:
        raise fail(str(error), 1) from error


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Any]:
    """Shows a progress bar on a terminal; yields `advance(description, n_done)`."""
    console = rich.console.Console(stderr=True)
    progress = rich.progress.Progress(
        rich.progress.TextColumn("{task.description:<36}"),
        rich.progress.BarColumn(bar_width=20),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        # Drawing would take time from the measurement.
        refresh_per_second=1,
    )
    with progress:
        task = progress.add_task("", total=total)
        yield lambda said, done: progress.update(task, description=said, advance=done)


def _show(measured: Measured) -> None:
    from qkeras_hybrid.perf import peer_runs, report

    console = rich.console.Console(highlight=False)
    best = {}
    for result in measured.steps:
        name = peer_runs.best_jitted(result.peers)
        if name is not None:
            best[str(result.config)] = name
    tables = []
    if measured.steps:
        tables += [report.step_table(measured), *report.first_call_tables(measured)]
    if best:
        tables.append(report.jitted_table(measured, best))
        under_jax = report.jax_table(measured, peer_runs.JITTED)
        tables += [] if under_jax is None else [under_jax]
    if measured.epochs:
        tables.append(report.epoch_table(measured))
    for table in tables:
        console.print(table)
        console.print()
    if tables:
        for note in report.notes(measured):
            console.print(note, markup=False)


def _finish(measured: Measured, lines: dict[str, dict[str, Any]], output: Path | None) -> None:
    """Writes the file; fails if no engine was timed or if a peer's loss is wrong."""
    from qkeras_hybrid.perf import report

    if output is not None:
        try:
            report.write(output, report.as_json(measured, lines))
        except OSError as error:
            raise fail(f"{output} can't be written: {error.strerror or error}.", 1) from error
        rich.console.Console(highlight=False).print(
            f"\nTimes: {output}", markup=False, soft_wrap=True
        )
    timings = [t for result in measured.steps for t in result.timings.values()]
    if not any(timing.times_s for timing in timings):
        raise fail("No engine could be timed; the reasons are above.", 1)
    for result in measured.steps:
        for name, timing in result.peers.items():
            if (timing.reason or "").startswith("it computes another loss"):
                raise fail(f"At {result.config} the peer {name} is wrong: {timing.reason}.", 1)
