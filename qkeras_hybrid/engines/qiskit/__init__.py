"""The Qiskit engine: any of Qiskit's samplers, estimators or backends."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from qkeras_hybrid._checks import one_of
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.engines._remote import RemoteEngine, does_not_fit
from qkeras_hybrid.engines.qiskit.circuits import measured, operator, parameterized
from qkeras_hybrid.engines.qiskit.shops import BitsShop, ValuesShop
from qkeras_hybrid.engines.services import Budget, Journal, Prices, Retries, Shop
from qkeras_hybrid.program import UNITARY, Job
from qkeras_hybrid.readouts import Expectation, Probabilities, Samples

if TYPE_CHECKING:
    from qkeras_hybrid.readouts import Readout

MODES = ("sampler", "estimator")


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class QiskitEngine(RemoteEngine):
    """Estimates values on one of Qiskit's backends or primitives.

    A circuit is transpiled once, with its angles as parameters, and bound for each evaluation. All
    circuits of a call, and all shifted circuits of a gradient, are one purchase. The extra `qiskit`
    installs what it needs.

    A model is saved without the backend. The error of a loaded model says how to give it one.

    Args:
        backend: A `SamplerV2` (any object whose `run(pubs)` returns bits), an `EstimatorV2`, or a
            `BackendV2`, fake ones included. `qiskit_ibm_runtime` runs IBM's backends,
            `qiskit.primitives` all others. Or a function from a seed (an integer, or None) to one
            of these.
        shots: The mean number of measurements for each measurement setting of a circuit. An
            estimator gets the worst-case precision of this many shots, `1 / sqrt(shots)`.
        mode: "sampler" for bits, from which values are computed here, or "estimator" for values
            that the device's software computes, with its error mitigation. None for the primitive's
            own kind, and "sampler" for a backend. An estimator has only expectation values.
        optimization_level: The optimization level of Qiskit's transpiler, 0 to 3.
        seed_transpiler: A seed for the transpiler, so that each run has the same circuits.
        circuits_per_job: The most circuits in a job; None for the backend's `max_circuits`.
        prices: The service's prices; by default all are 0.
        budget: The most to spend; by default no limit.
        journal: A `Journal`, or the path of its file: every finished job is written to disk before
            its result is used, and a restarted run buys no job again. By default none.
        retries: What to do after errors of the service.
        progress: Whether to show a progress line with jobs, shots and money.
        jit: Whether JAX may compile training steps around the purchases, which saves milliseconds
            per step. An error within a compiled step loses the model's weights, unless `fit` has
            the callback `StopAtBudget`.

    Raises:
        ImportError: If Qiskit is not installed.
        ValueError: If an argument is invalid.

    Example:

    >>> from qiskit.primitives import StatevectorSampler
    >>> engine = engines.QiskitEngine(StatevectorSampler(), shots=500)
    >>> layer = PQC(cirq.Circuit(cirq.X(cirq.LineQubit(0))), "Z", inputs=[], engine=engine)
    >>> float(layer(np.zeros((1, 0)))[0, 0])
    -1.0
    """

    name = "qiskit"
    instructions = UNITARY
    readouts = frozenset({Expectation, Probabilities, Samples})
    _argument = "backend"

    def __init__(
        self,
        backend: Any = None,
        shots: int = 1000,
        *,
        mode: str | None = None,
        optimization_level: int = 1,
        seed_transpiler: int | None = 0,
        circuits_per_job: int | None = None,
        prices: Prices | None = None,
        budget: Budget | None = None,
        journal: Journal | str | os.PathLike[str] | None = None,
        retries: Retries | None = None,
        progress: bool = False,
        jit: bool = False,
    ) -> None:
        if mode is not None:
            one_of("mode", mode, MODES)
        if isinstance(optimization_level, bool) or optimization_level not in (0, 1, 2, 3):
            raise ArgumentError("optimization_level", "be 0, 1, 2 or 3", optimization_level)
        made: Any = None
        if backend is not None:
            _check_installed()
            made = backend if _kind(backend) else backend(None) if callable(backend) else backend
            kind = _kind(made)
            if kind is None:
                raise ArgumentError(
                    "backend",
                    "be Qiskit's BackendV2, SamplerV2 or EstimatorV2, or a function from a seed to "
                    "one of these",
                    backend,
                )
            if mode is not None and kind not in ("backend", mode):
                raise ArgumentError("mode", f"be {kind!r} or None with this backend", mode)
            self._mode = mode or ("sampler" if kind == "backend" else kind)
        else:
            self._mode = mode or "sampler"
        super().__init__(
            backend,
            shots,
            circuits_per_job=circuits_per_job,
            prices=prices,
            budget=budget,
            journal=journal,
            retries=retries,
            progress=progress,
            jit=jit,
        )
        if self._mode == "estimator":
            # It has no bits, however they are read.
            self.readouts = frozenset({Expectation})  # type: ignore[misc]
        self._made = made
        self._backend = _backend_of(made)
        self.mode = mode
        self.optimization_level = optimization_level
        self.seed_transpiler = seed_transpiler

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "mode": self.mode,
            "optimization_level": self.optimization_level,
            "seed_transpiler": self.seed_transpiler,
        }

    def refuses(self, job: Job) -> str | None:
        reason = super().refuses(job)
        if reason is not None or self._device is None:
            return reason
        n_qubits = getattr(self._backend, "num_qubits", None)
        # The transpiler adds swaps for missing couplings.
        return None if n_qubits is None else does_not_fit(job.program, n_qubits, None)

    def shots_of(self, job: Job) -> tuple[int, ...]:
        each = super().shots_of(job)
        # An estimator is asked for all observables at once.
        return (sum(each),) if self._mode == "estimator" else each

    def identity(self) -> str:
        kind = type(self._made)
        name = getattr(self._backend, "name", "")
        own = name() if callable(name) else name
        return f"{kind.__module__}.{kind.__qualname__}/{own}/{self._mode}"

    def shop(self, job: Job) -> Shop:
        circuit, rows = parameterized(job)
        limit = getattr(self._backend, "max_circuits", None)
        common: dict[str, Any] = {
            "primitive_of": self._primitive,
            "rows": rows,
            "service": _service_of(self._backend),
            "requests_per_job": limit if isinstance(limit, int) else None,
            "one_by_one": self._is_simulated(),
        }
        program = job.program
        if self._mode == "sampler":
            settings = job.readout.settings(program)
            circuits = [self._transpiled(measured(circuit, setting)) for setting in settings]
            return BitsShop(circuits, program.n_qubits, **common)
        readout: Any = job.readout
        transpiled = self._transpiled(circuit)
        operators = [operator(one, program.n_qubits) for one in readout.observables]
        if transpiled.layout is not None:
            operators = [one.apply_layout(transpiled.layout) for one in operators]
        return ValuesShop(transpiled, operators, len(readout.settings(program)), **common)

    def _asked(self, job: Job) -> Any:
        if self._mode == "estimator":
            readout: Readout = job.readout
            return ("estimator", readout.get_config())
        return super()._asked(job)

    def _read(self, job: Job, bought: list[list[np.ndarray]], batch: int) -> np.ndarray:
        if self._mode == "estimator" and batch:
            return np.stack(bought[0])
        return super()._read(job, bought, batch)

    def _transpiled(self, circuit: Any) -> Any:
        from qiskit.transpiler import generate_preset_pass_manager

        if self._backend is None:
            # A simulator of ideal circuits takes any gate whose matrix it can compute.
            return circuit
        manager = generate_preset_pass_manager(
            optimization_level=self.optimization_level,
            backend=self._backend,
            seed_transpiler=self.seed_transpiler,
        )
        return manager.run(circuit)

    def _is_simulated(self) -> bool:
        """Tells whether jobs are computed in this process."""
        if self._backend is None:
            return type(self._made).__module__.startswith("qiskit.primitives")
        modules = " ".join(kind.__module__ for kind in type(self._backend).__mro__)
        return any(name in modules for name in ("fake_", "basic_provider", "qiskit_aer"))

    def _primitive(self, seed: int | None) -> Any:
        """Returns the primitive for one job."""
        from qiskit import primitives

        given = self._device if _kind(self._device) else self._device(seed)
        if _kind(given) == "backend":
            return _of_backend(given, self._mode, seed)
        if seed is not None and isinstance(
            given, (primitives.StatevectorSampler, primitives.StatevectorEstimator)
        ):
            given = copy.copy(given)
            # A generator, because a fixed number would give each circuit of a job the same noise.
            given._seed = np.random.default_rng(seed)
        return given


def _check_installed() -> None:
    try:
        import qiskit  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Qiskit is not installed: pip install 'qkeras-hybrid[qiskit]', or pip install qiskit."
        ) from error


def _kind(candidate: Any) -> str | None:
    """Returns "backend", "sampler" or "estimator", or None for something else."""
    from qiskit.primitives import BaseEstimatorV2, BaseSamplerV2
    from qiskit.providers import BackendV2

    known = {"backend": BackendV2, "sampler": BaseSamplerV2, "estimator": BaseEstimatorV2}
    return next((name for name, kind in known.items() if isinstance(candidate, kind)), None)


def _backend_of(made: Any) -> Any:
    """Returns the backend of a primitive; None if it has none."""
    if made is None or _kind(made) == "backend":
        return made
    backend: Any = getattr(made, "backend", None)
    # This is a property of Qiskit's own primitives, but a method of IBM's.
    return backend() if callable(backend) and _kind(backend) is None else backend


def _service_of(backend: Any) -> Any:
    """Returns the object that finds a backend's jobs by their ids; None if there is none."""
    service = getattr(backend, "service", None)
    return service if callable(getattr(service, "job", None)) else None


def _of_backend(backend: Any, mode: str, seed: int | None) -> Any:
    if _service_of(backend) is not None:
        import qiskit_ibm_runtime as runtime

        kind: Callable[..., Any] = runtime.SamplerV2 if mode == "sampler" else runtime.EstimatorV2
        return kind(mode=backend)
    from qiskit.primitives import BackendEstimatorV2, BackendSamplerV2

    options = {} if seed is None else {"seed_simulator": seed}
    kind = BackendSamplerV2 if mode == "sampler" else BackendEstimatorV2
    return kind(backend=backend, options=options)


__all__ = ["QiskitEngine"]
