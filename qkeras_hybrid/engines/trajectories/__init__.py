"""Noise by sampling: the mean of many runs of a circuit, each with its own random errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.engines._shots import estimated
from qkeras_hybrid.engines.base import Engine, Run, frequencies, memory_refusal, sample_bits
from qkeras_hybrid.engines.native import NativeEngine
from qkeras_hybrid.engines.statevector import StatevectorEngine
from qkeras_hybrid.engines.statevector.products import product, real_constant
from qkeras_hybrid.engines.trajectories import jumps
from qkeras_hybrid.engines.trajectories.errors import Errors
from qkeras_hybrid.engines.trajectories.frames import Framed, framed
from qkeras_hybrid.gradients import Seeds
from qkeras_hybrid.observables import Observable, PauliTerm
from qkeras_hybrid.program import INSTRUCTIONS, Compiled, Job
from qkeras_hybrid.readouts import Expectation, Probabilities, Readout, Samples


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class TrajectoriesEngine(Engine):
    """Computes noise from random runs on state vectors: for more qubits than `density` can hold.

    Each run draws which errors occur, and is then an ideal circuit. Values and gradients are means
    over the runs; the gradients are unbiased. `standard_errors` returns their accuracy.

    Where all noise is Pauli noise (bit and phase flips, depolarizing, dephasing, measurements), the
    runs are those of the ideal circuit with other signs, on the `native` engine where it can run.
    The run without errors is computed once, weighted with its probability; the others are drawn
    from the runs with errors. At 0.1 % noise, this one run replaces most runs. The operators of
    other channels (damping, resets) are drawn with the probabilities that the state gives them, on
    `keras.ops`, and no run is shared.

    Args:
        trajectories: The number of runs of each sample.
        share: Whether the run without errors is computed once. It reduces cost and variance, and
            does not change the expected value.

    Raises:
        ValueError: If `trajectories` is not a whole number of at least 1, or `share` not a bool.

    Example:

    >>> q = cirq.LineQubit(0)
    >>> noisy = cirq.Circuit(cirq.rx(sympy.Symbol("x"))(q), cirq.bit_flip(0.25)(q))
    >>> run = TrajectoriesEngine(2000).prepare(compile_circuit(noisy, "Z", inputs="x").job())
    >>> z = run(ops.array([[0.0]]), ops.zeros((0,)), 7)
    >>> abs(float(z[0, 0]) - 0.5) < 0.1
    True
    """

    name = "trajectories"
    instructions = INSTRUCTIONS
    readouts = frozenset({Expectation, Probabilities, Samples})
    differentiates = frozenset({Expectation, Probabilities})
    samples = True

    def __init__(self, trajectories: int = 100, share: bool = True) -> None:
        self.trajectories = positive_int("trajectories", trajectories)
        if not isinstance(share, bool):
            raise ArgumentError("share", "be True or False", share)
        self.share = share

    def get_config(self) -> dict[str, Any]:
        return {"trajectories": self.trajectories, "share": self.share}

    @property
    def repetitions(self) -> int | None:
        return self.trajectories

    def refuses(self, job: Job) -> str | None:
        reason = super().refuses(job)
        if reason is not None:
            return reason
        # At least one run at a time: real and imaginary parts, and copies of them.
        n, number = job.program.n_qubits, 8 if job.dtype == "float64" else 4
        if (memory := memory_refusal(n, 10 * number)) is not None:
            return memory
        frame = framed(job.program, job.angles)
        return None if frame is None else _inner_refusal(job, frame)

    def prepare(self, job: Job) -> Run:
        if job.shots is not None and isinstance(job.readout, Expectation):
            return estimated(self, job)
        if job.shots is not None:
            return self._measured(job)
        estimate = self._estimate(job)
        return lambda inputs, weights, seed=None: estimate(inputs, weights, seed)[0]

    def _measured(self, job: Job) -> Run:
        """Returns a run that draws measurements."""
        frame = framed(job.program, job.angles)
        draw = _JumpShots(job) if frame is None else _FramedShots(job, frame, self.share)

        def run(inputs: Any, weights: Any, seed: Any = None) -> Any:
            if isinstance(seed, keras.random.SeedGenerator):
                seed = seed.next()
            bits = draw(
                job.angles(ops.convert_to_tensor(inputs), ops.convert_to_tensor(weights)),
                Seeds(seed),
            )
            if isinstance(job.readout, Samples):
                return bits
            return frequencies(bits, job.program.n_qubits, job.dtype)

        return run

    def standard_errors(
        self, compiled: Compiled, inputs: Any, weights: Any = (), *, seed: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Estimates a compiled circuit's readout, and the standard error of the estimate.

        Args:
            compiled: What `compile_circuit` returned, with a linear readout.
            inputs: Values of shape `(batch, n_inputs)`.
            weights: Values of shape `(n_weights,)`.
            seed: An integer or a `keras.random.SeedGenerator`.

        Returns:
            Two arrays of the readout's shape: the means over the runs, and their standard errors
            (the runs' standard deviation divided by the square root of their number).

        Raises:
            ValueError: If the engine refuses, or a shape is wrong.
        """
        tensor = ops.convert_to_tensor(inputs)
        given = keras.backend.standardize_dtype(tensor.dtype)
        job = compiled.job("float64" if given == "float64" else "float32", gradient=False)
        reason = self.refuses(job)
        if reason is not None:
            raise ValueError(f"The engine {self.name!r} can't compute this circuit: {reason}.")
        values, errors = self._estimate(job)(
            ops.cast(tensor, job.dtype), ops.cast(ops.convert_to_tensor(weights), job.dtype), seed
        )
        return ops.convert_to_numpy(values), ops.convert_to_numpy(errors)

    def _estimate(self, job: Job) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
        """Returns a function of inputs, weights and a seed for the readout and standard errors."""
        frame = framed(job.program, job.angles)
        runs: Any
        if frame is not None:
            runs = _FramedRuns(job, frame, self.trajectories, self.share)
        else:
            runs = _JumpRuns(job, self.trajectories)
        combine = _combined(job.readout)

        def estimate(inputs: Any, weights: Any, seed: Any) -> tuple[Any, Any]:
            angles = job.angles(ops.convert_to_tensor(inputs), ops.convert_to_tensor(weights))
            sure, share, values = runs(angles, seed)
            return _means(combine, sure, share, values)

        return estimate


def _means(combine: Callable[[Any], Any], sure: Any, share: float, values: Any) -> tuple[Any, Any]:
    """Returns means over runs, and their standard errors.

    Args:
        combine: Makes the readout from the results of each run.
        sure: The result of the run without errors, of shape `(batch, n)`, or None.
        share: The probability of that run.
        values: The results of the other runs, of shape `(batch, runs, n)`, or None if there are
            none.
    """
    if values is None:
        found = combine(sure)
        return found, ops.zeros_like(found)
    batch, runs, n = ops.shape(values)[0], values.shape[1], values.shape[2]
    each = combine(ops.reshape(values, (-1, n)))
    each = ops.reshape(each, (batch, runs, each.shape[-1]))
    mean = ops.mean(each, axis=1)
    spread = ops.sum(ops.square(each - mean[:, None]), axis=1)
    error = ops.sqrt(spread / max(1, runs - 1) / runs)
    if sure is None:
        return mean, error
    return share * combine(sure) + (1.0 - share) * mean, (1.0 - share) * error


def _strings(readout: Readout) -> tuple[PauliTerm, ...]:
    """Returns the Pauli strings of an expectation, each once."""
    assert isinstance(readout, Expectation)
    terms = {
        (term.paulis, term.qubits): PauliTerm(1.0, term.paulis, term.qubits)
        for observable in readout.observables
        for term in observable.terms
        if term.qubits
    }
    return tuple(terms.values())


def _combined(readout: Readout) -> Callable[[Any], Any]:
    """Returns a function from the values of Pauli strings to the readout; probabilities stay."""
    if not isinstance(readout, Expectation):
        return lambda values: values
    places = {(term.paulis, term.qubits): k for k, term in enumerate(_strings(readout))}
    matrix = np.zeros((len(readout.observables), len(places)))
    offsets = np.zeros(len(readout.observables))
    for row, observable in enumerate(readout.observables):
        for term in observable.terms:
            if term.qubits:
                matrix[row, places[term.paulis, term.qubits]] += term.coefficient
            else:
                offsets[row] += term.coefficient

    def combine(values: Any) -> Any:
        dtype = keras.backend.standardize_dtype(values.dtype)
        found = ops.transpose(product(real_constant(matrix, dtype), ops.transpose(values)))
        return found + real_constant(offsets, dtype)

    return combine


def _inner_job(job: Job, frame: Framed, readout: Readout) -> Job:
    return replace(
        job, program=frame.program, angles=frame.angles, readout=readout, shots=None, origin=None
    )


def _inner_refusal(job: Job, frame: Framed) -> str | None:
    """Returns why no engine computes the ideal runs, or None if one does."""
    inner = _inner_job(job, frame, Probabilities())
    reasons = [engine.refuses(inner) for engine in (NativeEngine(), StatevectorEngine())]
    return None if None in reasons else reasons[-1]


def _inner(inner: Job) -> Run:
    native = NativeEngine()
    engine: Engine = native if native.refuses(inner) is None else StatevectorEngine()
    return engine.prepare(inner)


class _FramedRuns:
    """Runs of the ideal circuit with signs."""

    def __init__(self, job: Job, frame: Framed, trajectories: int, share: bool) -> None:
        self._frame, self._dtype = frame, job.dtype
        self._errors = Errors(frame.mixtures)
        nothing = self._errors.nothing
        # As many runs have errors as would have had on average.
        with_errors = int(np.ceil((1.0 - nothing) * trajectories - 1e-9))
        self._shares = not frame.mixtures or (share and with_errors + 1 < trajectories)
        self._runs = with_errors if self._shares else trajectories
        self._bits: np.ndarray | None = None
        if isinstance(job.readout, Expectation):
            strings = _strings(job.readout)
            readout: Readout = Expectation(tuple(Observable((term,)) for term in strings))
            self._signs = (
                np.stack([frame.sign_flips(term.paulis, term.qubits) for term in strings], axis=1)
                if strings
                else np.zeros((len(frame.x_flips), 0))
            )
        else:
            readout = job.readout
            self._bits = frame.x_flips
        self._run = _inner(_inner_job(job, frame, readout))

    def __call__(self, angles: Any, seed: Any) -> tuple[Any, float, Any]:
        """Returns the run without errors, its probability, and the other runs."""
        batch = ops.shape(angles)[0]
        made = _made_angles(self._frame, angles, self._dtype)
        nothing = ops.zeros((0,), dtype=self._dtype)
        sure = self._run(made, nothing) if self._shares else None
        if self._runs == 0:
            return sure, 1.0, None
        draws = _draws((batch * self._runs, self._errors.n_draws), seed)
        struck = ops.cast(self._errors.struck(draws, self._shares), self._dtype)
        values = self._run(
            _struck_angles(self._frame, _repeated(made, self._runs), struck), nothing
        )
        if self._bits is None:
            values = values * (1.0 - 2.0 * _parity(struck, self._signs))
        else:
            values = _moved(values, _parity(struck, self._bits))
        return (
            sure,
            self._errors.nothing,
            ops.reshape(values, (batch, self._runs, values.shape[-1])),
        )


class _JumpRuns:
    """Runs in which a channel's operator is drawn with the probability that the state gives it."""

    def __init__(self, job: Job, trajectories: int) -> None:
        self._runs, self._draws = trajectories, jumps.n_draws(job.program)
        self._run = jumps.runner(job.program)
        self._read = _state_reader(job)

    def __call__(self, angles: Any, seed: Any) -> tuple[None, float, Any]:
        """Returns all runs."""
        batch = ops.shape(angles)[0]
        draws = _draws((batch * self._runs, self._draws), seed)
        draws = ops.cast(draws, keras.backend.standardize_dtype(angles.dtype))
        values = self._read(self._run(_repeated(angles, self._runs), draws))
        return None, 0.0, ops.reshape(values, (batch, self._runs, values.shape[-1]))


def _state_reader(job: Job) -> Callable[[jumps.States], Any]:
    """Returns a function that reads states: probabilities, or values of Pauli strings."""
    if not isinstance(job.readout, Expectation):
        return lambda states: ops.square(states[0]) + ops.square(states[1])
    strings, n = _strings(job.readout), job.program.n_qubits
    place = np.arange(2**n)

    def read(states: jumps.States) -> Any:
        re, im = states
        dtype = keras.backend.standardize_dtype(re.dtype)
        values = []
        for term in strings:
            source, factor = place.copy(), np.ones(2**n, complex)
            for letter, qubit in zip(term.paulis, term.qubits, strict=True):
                bit = place >> (n - 1 - qubit) & 1
                if letter != "Z":
                    source ^= 1 << (n - 1 - qubit)
                if letter == "Y":
                    factor *= np.where(bit == 1, 1j, -1j)
                elif letter == "Z":
                    factor *= 1 - 2 * bit
            # Re sum_m conj(psi[m]) factor[m] psi[source[m]]
            from_re = ops.take(re, source.astype("int32"), axis=1)
            from_im = ops.take(im, source.astype("int32"), axis=1)
            a, b = real_constant(factor.real, dtype), real_constant(factor.imag, dtype)
            real = re * from_re + im * from_im
            imaginary = re * from_im - im * from_re
            values.append(ops.sum(a * real - b * imaginary, axis=1))
        if not values:
            return re[:, :0]
        return ops.stack(values, axis=1)

    return read


class _JumpShots:
    """Draws measurements: a run of its own for each shot."""

    def __init__(self, job: Job) -> None:
        self._job, self._shots = job, positive_int("shots", job.shots)
        self._draws = jumps.n_draws(job.program)
        self._run = jumps.runner(job.program)

    def __call__(self, angles: Any, seeds: Seeds) -> Any:
        """Returns bits of shape `(batch, shots, n_qubits)`."""
        n, batch = self._job.program.n_qubits, ops.shape(angles)[0]
        draws = ops.cast(_draws((batch * self._shots, self._draws), seeds.next()), self._job.dtype)
        re, im = self._run(_repeated(angles, self._shots), draws)
        bits = sample_bits(ops.square(re) + ops.square(im), n, 1, seeds.next())
        return ops.reshape(bits, (batch, self._shots, n))


class _FramedShots:
    """Draws measurements: shots without errors from one state, each other from its own state."""

    def __init__(self, job: Job, frame: Framed, share: bool) -> None:
        self._job, self._frame, self._shots = job, frame, positive_int("shots", job.shots)
        self._errors = Errors(frame.mixtures)
        expected = self._shots * (1.0 - self._errors.nothing)
        # It makes as many runs with errors as the shots could need: eight standard deviations more
        # than the mean, which is exceeded once in 10**14 times.
        enough = int(np.ceil(expected + 8.0 * np.sqrt(expected) + 8.0)) if frame.mixtures else 0
        self._shares = share and enough < self._shots
        self._runs = enough if self._shares else self._shots
        inner = replace(_inner_job(job, frame, Samples()), gradient=False)
        self._one = _inner(replace(inner, shots=1))
        self._all = _inner(replace(inner, shots=self._shots)) if self._shares else None

    def __call__(self, angles: Any, seeds: Seeds) -> Any:
        """Returns bits of shape `(batch, shots, n_qubits)`."""
        made = _made_angles(self._frame, angles, self._job.dtype)
        nothing = ops.zeros((0,), dtype=self._job.dtype)
        if self._all is None:
            return self._struck(made, seeds)
        sure = self._all(made, nothing, seeds.next())
        if not self._runs:
            return sure
        flags = _draws(ops.shape(sure)[:2], seeds.next()) >= self._errors.nothing
        # The first shot with errors takes the first run with errors, and so on.
        number = ops.cumsum(ops.cast(flags, "int32"), axis=1) - 1
        number = ops.clip(number, 0, self._runs - 1)
        struck = ops.take_along_axis(self._struck(made, seeds), number[..., None], axis=1)
        return ops.where(flags[..., None], struck, sure)

    def _struck(self, made: Any, seeds: Seeds) -> Any:
        """Returns the bits of the runs with errors, or of all runs if none is shared."""
        n, batch = self._job.program.n_qubits, ops.shape(made)[0]
        draws = _draws((batch * self._runs, self._errors.n_draws), seeds.next())
        struck = ops.cast(self._errors.struck(draws, self._shares), self._job.dtype)
        angles = _struck_angles(self._frame, _repeated(made, self._runs), struck)
        nothing = ops.zeros((0,), dtype=self._job.dtype)
        bits = ops.reshape(self._one(angles, nothing, seeds.next()), (-1, n))
        flips = ops.cast(_parity(struck, self._frame.x_flips), "int32")
        return ops.reshape(ops.bitwise_xor(bits, flips), (batch, self._runs, n))


def _draws(shape: tuple[Any, ...], seed: Any) -> Any:
    return keras.random.uniform(shape, seed=seed, dtype="float32")


def _repeated(values: Any, runs: int) -> Any:
    """Returns each row `runs` times, one after the other."""
    batch, width = ops.shape(values)[0], values.shape[-1]
    # Not -1: there may be no angle.
    shape = (batch * runs, width)
    return ops.reshape(ops.broadcast_to(values[:, None], (batch, runs, width)), shape)


def _made_angles(frame: Framed, angles: Any, dtype: str) -> Any:
    """Returns the ideal program's angles without errors, of shape `(batch, n_angles)`."""
    scales, offsets = real_constant(frame.scales, dtype), real_constant(frame.offsets, dtype)
    if not frame.scales.any():
        # The noisy program may have no angle at all.
        return ops.broadcast_to(offsets[None], (ops.shape(angles)[0], len(frame.offsets)))
    return ops.take(angles, frame.sources, axis=1) * scales + offsets


def _struck_angles(frame: Framed, made: Any, struck: Any) -> Any:
    flips, turns = _parity(struck, frame.flips), _parity(struck, frame.turns)
    return made * (1.0 - 2.0 * flips) + np.pi * turns


def _parity(struck: Any, matrix: np.ndarray) -> Any:
    """Returns the parity of the errors that count, of shape `(runs, columns)`."""
    dtype = keras.backend.standardize_dtype(struck.dtype)
    # Sums of ones are exact in any precision.
    return ops.mod(ops.matmul(struck, real_constant(np.asarray(matrix, float), dtype)), 2.0)


def _moved(probabilities: Any, flips: Any) -> Any:
    """Returns probabilities of basis states whose bits are flipped, run by run."""
    n = flips.shape[-1]
    places = ops.convert_to_tensor(2 ** np.arange(n)[::-1], "int32")
    masks = ops.sum(ops.cast(flips, "int32") * places, axis=1, keepdims=True)
    index = ops.bitwise_xor(ops.arange(2**n, dtype="int32")[None], masks)
    return ops.take_along_axis(probabilities, index, axis=1)
