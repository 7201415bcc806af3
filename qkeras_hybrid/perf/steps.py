"""A training step of the standard workload on each engine.

The circuit of the workload has `rx(x_i)` on qubit i, then layers of `ry, rz` on every qubit and
`CZ` on the ring of neighbours. Its results are `<Z_i>` of every qubit. A step computes the loss,
which is the sum over batch and qubits of `<Z_i>**2`, and its gradients with respect to inputs and
weights, in float32. It uses the backend's means for a training step: `tf.function`, `jax.jit`, or
PyTorch's autograd. Inputs, then weights, are drawn uniformly from 0 to 3 with seed 0. The order of
weights is layer by layer, qubit by qubit, `ry` before `rz`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from qkeras_hybrid import engines
from qkeras_hybrid._lazy import cirq, sympy
from qkeras_hybrid.engines.native import library, lowering
from qkeras_hybrid.perf.agreement import compare
from qkeras_hybrid.perf.base import (
    Config,
    Contenders,
    NotTimedError,
    Timing,
    reason_of,
    split,
    take_turns,
    turn,
)
from qkeras_hybrid.program import Compiled, compile_circuit

MOST_QUBITS = {"statevector": 12}
"""The largest number of qubits for engines that need minutes and gigabytes beyond it."""


@dataclasses.dataclass
class StepResult:
    """The result of one configuration.

    Attributes:
        config: The configuration.
        loss: The loss that the first engine computed; None if no engine did.
        timings: Each engine's timing, by name (see `named`).
        flops: The floating-point operations of the native engine for the expectation values, and
            for their gradient. None without that engine.
        peers: Each peer's timing, by name.
    """

    config: Config
    loss: float | None
    timings: dict[str, Timing]
    flops: tuple[float, float] | None
    peers: dict[str, Timing] = dataclasses.field(default_factory=dict)

    @property
    def gflops(self) -> float | None:
        """Operations per second of the native engine's median step, in units of 1e9."""
        return self.gflops_of("native")

    def gflops_of(self, name: str) -> float | None:
        """Returns the same for the native engine under another backend, by its name there."""
        timing = self.timings.get(name)
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

    The native engine's `flops.h` defines what counts: the work on state vectors that the lowered
    (fused) program needs. A multiply-add counts as two operations.

    Returns:
        The number for the expectation values, and the number for their gradient.
    """
    made = workload(config.n_qubits, config.n_layers)
    one = library.flops(lowering.lower(made.program, made.angles.affine, made.readout))
    return one[0] * config.batch, one[1] * config.batch


def step(
    engine: engines.Engine, config: Config, compiled: Compiled | None = None
) -> Callable[[], list[np.ndarray]]:
    """Makes a training step.

    Args:
        engine: The engine.
        config: The configuration.
        compiled: The compiled workload; None to compile it.

    Returns:
        A function that runs the step and returns the loss, its gradient with respect to the
        inputs, and its gradient with respect to the weights. Its first call traces, and compiles
        under JAX.
    """
    compiled = compiled or workload(config.n_qubits, config.n_layers)
    run = engines.prepare(compiled.job(), engine)
    arrays = draw(config)
    made = {"tensorflow": _tensorflow_step, "jax": _jax_step, "torch": _torch_step}
    return made[keras.backend.backend()](run, arrays)


def _tensorflow_step(
    run: engines.Run, arrays: tuple[np.ndarray, ...]
) -> Callable[[], list[np.ndarray]]:
    import tensorflow as tf

    inputs, weights = (tf.constant(array) for array in arrays)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def traced(inputs: Any, weights: Any) -> tuple[Any, ...]:
        with tf.GradientTape() as tape:
            tape.watch([inputs, weights])
            loss = tf.reduce_sum(run(inputs, weights) ** 2)
        return loss, *tape.gradient(loss, [inputs, weights])

    return lambda: [tensor.numpy() for tensor in traced(inputs, weights)]


def _jax_step(run: engines.Run, arrays: tuple[np.ndarray, ...]) -> Callable[[], list[np.ndarray]]:
    import jax

    inputs, weights = (jax.numpy.asarray(array) for array in arrays)
    jitted = jax.jit(jax.value_and_grad(lambda x, w: (run(x, w) ** 2).sum(), argnums=(0, 1)))

    def called() -> list[np.ndarray]:
        found = jitted(inputs, weights)
        loss, gradients = jax.block_until_ready(found)  # type: ignore[no-untyped-call]
        return [np.asarray(array) for array in (loss, *gradients)]

    return called


def _torch_step(run: engines.Run, arrays: tuple[np.ndarray, ...]) -> Callable[[], list[np.ndarray]]:
    import torch

    inputs, weights = (keras.ops.convert_to_tensor(array).requires_grad_() for array in arrays)

    def called() -> list[np.ndarray]:
        loss = (run(inputs, weights) ** 2).sum()
        gradients = torch.autograd.grad(loss, [inputs, weights])
        return [tensor.detach().cpu().numpy() for tensor in (loss, *gradients)]

    return called


def warm_up(names: Sequence[str]) -> None:
    """Makes each engine load its libraries, so that first calls don't include that."""
    tiny = Config(2, 1, 1)
    for name in names:
        engine = engines.get(name)
        assert engine is not None
        # `measure` will raise and report the same error.
        with contextlib.suppress(Exception):
            if engine.refuses(workload(2, 1).job()) is None:
                step(engine, tiny)()


class Steps:
    """Training steps under the Keras backend of this process: `Contenders` by engine.

    It holds the steps of one configuration at a time.
    """

    def __init__(self) -> None:
        self._config: Config | None = None
        self._runs: dict[str, Callable[[], float]] = {}

    def first(self, name: str, config: Config | None) -> tuple[float, list[np.ndarray]]:
        """Makes a step and calls it once.

        Raises:
            NotTimedError: If the engine refuses.
        """
        assert config is not None
        if config != self._config:
            self._config, self._runs = config, {}
        engine, compiled = engines.get(name), workload(config.n_qubits, config.n_layers)
        assert engine is not None
        reason = _too_many(name, config) or engine.refuses(compiled.job())
        if reason is not None:
            raise NotTimedError(reason)
        run = step(engine, config, compiled)
        seconds, found = _timed(run)
        self._runs[name] = functools.partial(_seconds, run)
        return seconds, found

    def turn(self, name: str, seconds: float) -> list[float]:
        """Calls a step for some time; see `base.turn`."""
        return turn(self._runs[name], seconds)


def measure(
    config: Config,
    names: Sequence[str],
    elsewhere: Mapping[str, Contenders] | None = None,
    *,
    budget_s: float,
    cap_s: float,
) -> StepResult:
    """Times a step on each engine, in turns, and makes sure that they compute the same.

    Args:
        config: The configuration.
        names: The engines; those on other backends as in `native@jax`.
        elsewhere: The contenders under the other backends, by backend.
        budget_s: Seconds for the repetitions of all engines together; see `take_turns`.
        cap_s: Seconds after which an engine gets no more turns.

    Returns:
        The timings. If an engine can't run or fails, its timing has the reason.

    Raises:
        agreement.DisagreementError: If losses or gradients differ by more than rounding.
    """
    places = {keras.backend.backend(): Steps(), **(elsewhere or {})}
    timings = {name: Timing() for name in names}
    runs: dict[str, Callable[[float], list[float]]] = {}
    reference: tuple[str, list[np.ndarray]] | None = None
    for name, timing in timings.items():
        engine, backend = split(name)
        try:
            timing.first_s, found = places[backend].first(engine, config)
        except Exception as error:
            timing.reason = reason_of(error)
            continue
        if reference is None:
            reference = (name, found)
        else:
            compare(str(config), reference, (name, found))
        if timing.first_s > cap_s:
            timing.reason = f"its first call took more than {cap_s:g} s"
            continue
        runs[name] = functools.partial(places[backend].turn, engine)
    # The second call may still create threads or memory pools.
    take_turns(
        {name: run for name, run in runs.items() if _settles(run, timings[name])},
        timings,
        budget_s=budget_s,
        cap_s=cap_s,
    )
    ran = any(split(name)[0] == "native" and its.reason is None for name, its in timings.items())
    return StepResult(
        config,
        None if reference is None else float(reference[1][0]),
        timings,
        flops(config) if ran else None,
    )


def _settles(run: Callable[[float], list[float]], timing: Timing) -> bool:
    try:
        run(0.0)
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
