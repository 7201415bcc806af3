"""`qkeras-hybrid doctor`: shows what is installed and what works, and runs a self-test."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import rich.box
import rich.console
import rich.table
import typer

from qkeras_hybrid._checks import one_of
from qkeras_hybrid.cli.base import app, fail, native_stderr_muted, stopped

if TYPE_CHECKING:
    from qkeras_hybrid.engines import Engine

TOLERANCE = 1e-5
"""The tolerance for a float32 value or derivative; for TFQ's gradients it is 1e-3."""


@dataclasses.dataclass(frozen=True)
class SelfTest:
    """The result of an engine on a circuit whose exact value is known.

    Attributes:
        engine: The engine's name.
        error: The largest error of the value and the gradient; None if the engine did not run.
        milliseconds: The time of a training step after the first.
        reason: Why the engine did not run, or failed; empty otherwise.
    """

    engine: str
    error: float | None
    milliseconds: float | None
    reason: str

    @property
    def ran(self) -> bool:
        """Whether the engine ran at all."""
        return self.error is not None

    @property
    def passed(self) -> bool:
        """Whether the engine computes the right result, or can't run here."""
        limit = 1e-3 if self.engine == "tfq" else TOLERANCE
        return self.error is None or self.error < limit


@app.command()
def doctor(
    require: Annotated[
        list[str] | None,
        typer.Option(metavar="ENGINE", help="Fail if this engine can't run; repeatable."),
    ] = None,
) -> None:
    """Show what is installed, which engines work here, and whether their results are right.

    Also show which clients of quantum services are installed, and which environment variables for
    credentials are set, but never their values. No service is contacted.

    The self-test takes some seconds: each engine computes a circuit whose value and derivative are
    known, and is timed. Paste the output into bug reports.

    Examples:
    - `qkeras-hybrid doctor --require native`

    Exit codes: 0 all is well, 1 an available engine gives wrong results or a required engine is not
    available, 2 wrong usage.
    """
    try:
        with native_stderr_muted():
            import keras

            from qkeras_hybrid import engines
            from qkeras_hybrid.bench import environment
            from qkeras_hybrid.engines.native import library, threads
        try:
            required = [one_of("--require", name, engines.names()) for name in require or ()]
        except ValueError as error:
            raise fail(str(error), 2) from error

        console = rich.console.Console(highlight=False, markup=False)
        facts = _table("what", "here")
        for name, value in {**environment.machine(), **environment.versions()}.items():
            facts.add_row(name, str(value))
        facts.add_row("Keras backend", keras.backend.backend())
        loaded = library.unavailable() is None
        facts.add_row("threads of native", str(threads()) if loaded else "-")
        sets = library.instruction_sets() if loaded else []
        facts.add_row("instruction sets of native", ", ".join(sets) or "-")
        console.print(facts)
        checked = _table("engine", "status", "error", "a step")
        with native_stderr_muted():
            status = engines.status()
            tests = [_tested(name, reason) for name, reason in status.items()]
        for test in tests:
            checked.add_row(
                test.engine,
                test.reason or ("works" if test.passed else "WRONG VALUES"),
                "-" if test.error is None else f"{test.error:.1g}",
                "-" if test.milliseconds is None else f"{test.milliseconds:.2g} ms",
            )
        console.print()
        console.print(checked)
        console.print()
        console.print(_services())
    except KeyboardInterrupt as error:
        raise stopped("before the end of the self-test.") from error
    if not all(test.passed and (test.ran or test.engine not in required) for test in tests):
        raise typer.Exit(1)


def _table(*heads: str) -> rich.table.Table:
    made = rich.table.Table(box=rich.box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for head in heads:
        made.add_column(head, overflow="fold")
    return made


def _services() -> rich.table.Table:
    """Lists the services, without the values of their variables."""
    from qkeras_hybrid.engines.services import ACCOUNTS

    shown = _table("service", "client", "credentials")
    for account in ACCOUNTS.values():
        shown.add_row(
            account.service,
            account.module
            if account.importable
            else f'not installed: pip install "{account.install}"',
            f"{account.variable} is set" if account.variable else _not_set(account.variables),
        )
    return shown


def _not_set(variables: Sequence[str]) -> str:
    """Returns "A is not set", or "neither A nor B is set"; the preferred variable comes first."""
    *others, last = reversed(variables)
    return f"neither {' nor '.join([*others, last])} is set" if others else f"{last} is not set"


def _tested(name: str, status: str) -> SelfTest:
    """Runs an engine on `rx(x) ry(w)`, for which `<Z> = cos(x) cos(w)`."""
    from qkeras_hybrid import engines

    if status != "available":
        return SelfTest(name, None, None, status)
    engine: Any = engines.get(name)
    x, w = [0.3, 1.1, 2.5], 0.7
    try:
        value, gradient, milliseconds = _step(engine, x, w)
    except Exception as error:
        return SelfTest(name, math.inf, None, f"{type(error).__name__}: {error}")
    errors = [abs(v - math.cos(a) * math.cos(w)) for v, a in zip(value, x, strict=True)]
    errors.append(abs(gradient + math.sin(w) * sum(map(math.cos, x))))
    return SelfTest(name, max(errors), milliseconds, "")


def _step(engine: Engine, x: list[float], w: float) -> tuple[list[float], float, float]:
    """Returns the values, the derivative of their sum by the weight, and a step's milliseconds."""
    import cirq
    import numpy as np
    import sympy

    from qkeras_hybrid import compile_circuit, engines
    from qkeras_hybrid.testing import value_and_gradients

    qubit = cirq.LineQubit(0)
    symbols = sympy.symbols("x w")
    circuit = cirq.Circuit(cirq.rx(symbols[0])(qubit), cirq.ry(symbols[1])(qubit))
    run = engines.prepare(compile_circuit(circuit, "Z", inputs=["x"]).job(), engine)
    inputs = np.array([[value] for value in x], "float32")
    weights = np.array([w], "float32")

    def step() -> tuple[Any, Any]:
        return value_and_gradients(run, inputs, weights)

    values, (_, gradient) = step()
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return values[:, 0].tolist(), float(gradient[0]), 1e3 * min(seconds)
