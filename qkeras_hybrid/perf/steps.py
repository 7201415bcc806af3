"""A training step of the standard workload, on one engine after the other.

The workload: `rx(x_i)` on qubit i; then layers of `ry, rz` on every qubit and `CZ` on the ring of
neighbours; read `<Z_i>` of every qubit. A step is the loss, the sum over batch and qubits of
`<Z_i>**2`, and its gradients with respect to inputs and weights, in float32 in a `tf.function`.
Inputs, then weights, are drawn uniformly from 0 to 3 with seed 0; weights are read layer by layer,
qubit by qubit, `ry` before `rz`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from qkeras_hybrid import engines
from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.engines.native import library, lowering
from qkeras_hybrid.perf.base import Config, Timing, reason_of, take_turns
from qkeras_hybrid.program import Compiled, compile_circuit

MOST_QUBITS = {"statevector": 12}
"""Engines that take minutes and gigabytes for more qubits than this."""

LOSS_TOLERANCE = 1e-4
"""Relative. A gate in float32 rounds by 6e-8, and a hundred gates and the sum over the batch stay
below 1e-5; a wrong gate changes the loss by percents."""

GRADIENT_TOLERANCE = 1e-3
"""Relative, of the whole gradient as a vector. TFQ's gradient takes differences in float32, which
leaves up to 1e-4; a wrong gate changes it by its own size."""


class DisagreementError(Exception):
    """Two engines have computed different things, so that their times don't compare."""


@dataclasses.dataclass
class StepResult:
    """What came of one configuration.

    Attributes:
        config: The configuration.
        loss: The loss, as the first engine computed it; None if no engine did.
        timings: Each engine's timing, by name.
        flops: Floating-point operations of a step of the native engine: the expectation's, and
            its gradient's. None without that engine.
        peers: Each peer's timing, by name.
    """

    config: Config
    loss: float | None
    timings: dict[str, Timing]
    flops: tuple[float, float] | None
    peers: dict[str, Timing] = dataclasses.field(default_factory=dict)

    @property
    def gflops(self) -> float | None:
        """Operations a second that the native engine's median step reaches, in 1e9."""
        timing = self.timings.get("native")
        if self.flops is None or timing is None or timing.median_s is None:
            return None
        return sum(self.flops) / timing.median_s / 1e9


def circuit(
    n_qubits: int, n_layers: int
) -> tuple[cirq.Circuit, list[sympy.Symbol], list[sympy.Symbol]]:
    """Builds the circuit of the standard workload.

    Returns:
        The circuit, the inputs' symbols, and the weights' symbols.
    """
    qubits = cirq.LineQubit.range(n_qubits)
    inputs = list(sympy.symbols(f"x0:{n_qubits}"))
    weights = list(sympy.symbols(f"w0:{2 * n_qubits * n_layers}"))
    built = cirq.Circuit(cirq.rx(x)(q) for x, q in zip(inputs, qubits, strict=True))
    remaining = iter(weights)
    for _ in range(n_layers):
        for q in qubits:
            built += [cirq.ry(next(remaining))(q), cirq.rz(next(remaining))(q)]
        built += [cirq.CZ(q, qubits[(i + 1) % n_qubits]) for i, q in enumerate(qubits)]
    return built, inputs, weights


@functools.lru_cache(maxsize=1)
def workload(n_qubits: int, n_layers: int) -> Compiled:
    """Compiles the standard workload."""
    built, inputs, weights = circuit(n_qubits, n_layers)
    qubits = cirq.LineQubit.range(n_qubits)
    return compile_circuit(
        built, [cirq.Z(q) for q in qubits], inputs=inputs, weights=weights, qubits=qubits
    )


def draw(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Draws inputs of shape `(batch, n_qubits)` and the weights, in radians, as float32."""
    rng = np.random.default_rng(0)
    inputs = rng.uniform(0, 3, (config.batch, config.n_qubits)).astype("float32")
    weights = rng.uniform(0, 3, 2 * config.n_qubits * config.n_layers).astype("float32")
    return inputs, weights


def flops(config: Config) -> tuple[float, float]:
    """Counts the floating-point operations of a step of the native engine.

    What is counted stands in the native engine's `flops.h`: the work on state vectors that the
    lowered (fused) program asks for, a multiply-add as two.

    Returns:
        Those of the expectation values, and those of their gradient.
    """
    made = workload(config.n_qubits, config.n_layers)
    one = library.flops(lowering.lower(made.program, made.angles.affine, made.readout))
    return one[0] * config.batch, one[1] * config.batch


def step(
    engine: engines.Engine, config: Config, compiled: Compiled | None = None
) -> Callable[[], list[np.ndarray]]:
    """Makes a training step.

    Args:
        engine: What computes it.
        config: The configuration.
        compiled: The compiled workload, if it is there already.

    Returns:
        A function that runs the step and returns the loss, its gradient with respect to the
        inputs, and its gradient with respect to the weights. Its first call traces.
    """
    compiled = compiled or workload(config.n_qubits, config.n_layers)
    run = engines.prepare(compiled.job(), engine)
    import tensorflow as tf  # the backend, as `engines_refused` has made sure

    inputs, weights = (tf.constant(array) for array in draw(config))

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def traced(inputs: Any, weights: Any) -> tuple[Any, ...]:
        with tf.GradientTape() as tape:
            tape.watch([inputs, weights])
            loss = tf.reduce_sum(run(inputs, weights) ** 2)
        return loss, *tape.gradient(loss, [inputs, weights])

    return lambda: [tensor.numpy() for tensor in traced(inputs, weights)]


def engines_refused() -> str | None:
    """Returns why no engine can be timed here, or None."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return None
    return (
        f"the engines are compared under TensorFlow, and the Keras backend is {backend}; set the "
        "environment variable KERAS_BACKEND to tensorflow"
    )


def warm_up(names: Sequence[str]) -> None:
    """Has each engine load what it needs, so that no first call of a configuration does."""
    tiny = Config(2, 1, 1)
    for name in names:
        engine = engines.get(name)
        assert engine is not None
        # What goes wrong here goes wrong in `measure` too, which says so.
        with contextlib.suppress(Exception):
            if engine.refuses(workload(2, 1).job()) is None:
                step(engine, tiny)()


def measure(config: Config, names: Sequence[str], *, budget_s: float, cap_s: float) -> StepResult:
    """Times a step on each engine, in turns, and makes sure that they compute the same.

    Args:
        config: The configuration.
        names: The engines.
        budget_s: Seconds for the repetitions of all engines together; see `take_turns`.
        cap_s: Seconds after which an engine gets no more turns.

    Returns:
        The timings. An engine that can't run, or fails, has the reason there.

    Raises:
        DisagreementError: If losses or gradients differ by more than rounding.
    """
    timings = {name: Timing() for name in names}
    runs: dict[str, Callable[[], float]] = {}
    reference: tuple[str, list[np.ndarray]] | None = None
    for name, timing in timings.items():
        try:
            engine, compiled = engines.get(name), workload(config.n_qubits, config.n_layers)
            assert engine is not None
            timing.reason = _too_many(name, config) or engine.refuses(compiled.job())
            if timing.reason is not None:
                continue
            run = step(engine, config, compiled)
            timing.first_s, found = _timed(run)
        except Exception as error:
            timing.reason = reason_of(error)
            continue
        if reference is None:
            reference = (name, found)
        else:
            _compare(config, reference, (name, found))
        if timing.first_s > cap_s:
            timing.reason = f"its first call took more than {cap_s:g} s"
            continue
        runs[name] = functools.partial(_seconds, run)
    # The second call may still settle things (pools of memory, threads).
    take_turns(
        {name: run for name, run in runs.items() if _settles(run, timings[name])},
        timings,
        budget_s=budget_s,
        cap_s=cap_s,
    )
    native = timings.get("native")
    return StepResult(
        config,
        None if reference is None else float(reference[1][0]),
        timings,
        flops(config) if native is not None and native.reason is None else None,
    )


def _settles(run: Callable[[], float], timing: Timing) -> bool:
    try:
        run()
    except Exception as error:
        timing.reason = reason_of(error)
        return False
    return True


def _too_many(name: str, config: Config) -> str | None:
    most = MOST_QUBITS.get(name)
    if most is None or config.n_qubits <= most:
        return None
    return f"not timed above {most} qubits, where a step takes minutes"


def _timed(run: Callable[[], list[np.ndarray]]) -> tuple[float, list[np.ndarray]]:
    start = time.perf_counter()
    found = run()
    return time.perf_counter() - start, found


def _seconds(run: Callable[[], list[np.ndarray]]) -> float:
    return _timed(run)[0]


def _compare(
    config: Config, first: tuple[str, list[np.ndarray]], second: tuple[str, list[np.ndarray]]
) -> None:
    """Holds the results of two engines against each other."""
    for what, tolerance, a, b in zip(
        ("loss", "gradient with respect to the inputs", "gradient with respect to the weights"),
        (LOSS_TOLERANCE, GRADIENT_TOLERANCE, GRADIENT_TOLERANCE),
        first[1],
        second[1],
        strict=True,
    ):
        error = relative_difference(a, b)
        # Written so that NaN is a disagreement too.
        if not error <= tolerance:
            raise DisagreementError(
                f"At {config} the engines {first[0]} and {second[0]} disagree: the {what} differs "
                f"by {error:.2g} of its size, and rounding explains {tolerance:g}. One of them is "
                "wrong, so that their times don't compare."
            )


def relative_difference(first: Any, second: Any) -> float:
    """Returns `|first - second| / |first|`, with lengths as vectors."""
    a, b = (np.asarray(value, dtype=np.float64) for value in (first, second))
    difference, size = float(np.linalg.norm(a - b)), float(np.linalg.norm(a))
    return difference / size if size > 0 else difference
