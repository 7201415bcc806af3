"""Expectation values and frequencies from measured bits, for every engine that draws samples.

The program is measured once for each of the readout's settings, and all Pauli strings that a
setting reads are parities of the same bits. So observables that are measured together have the same
covariances as on a device: for `P` and `Q` measured together `n` times,
`cov = (<P Q> - <P> <Q>) / n`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._lazy import cirq
from qkeras_hybrid.engines.base import Engine, Run, frequencies
from qkeras_hybrid.gradients import Seeds
from qkeras_hybrid.program import Job, Program, Unitary
from qkeras_hybrid.readouts import Expectation, Probabilities, Samples, Setting

if TYPE_CHECKING:
    from qkeras_hybrid.observables import PauliTerm

MOST_SHOTS_AT_ONCE = 2**14
"""More measurements of one setting than this are drawn in parts, so that memory stays bounded."""

_MOST_ONE_BY_ONE = 64
_TERMS_AT_ONCE = 16

ReadoutErrors = Sequence[tuple[float, float]]


def estimated(engine: Engine, job: Job) -> Run:
    """Returns a function that estimates a job's readout from the samples of an engine.

    `job.shots` is the mean number of measurements for each setting: `divided` gives each setting
    its share.

    Args:
        engine: An engine that computes `Samples` of the program and, for each setting, of the
            program with rotations of single qubits at its end.
        job: A job with shots that reads expectation values, probabilities or samples. Its readout
            errors flip the bits that were measured.
    """
    shots = positive_int("shots", job.shots)
    n_qubits, errors = job.program.n_qubits, job.readout_errors
    match job.readout:
        case Samples():
            return Sampler(engine, job, Setting(), shots)
        case Probabilities():
            sampler = Sampler(engine, job, Setting(), shots)
            return lambda inputs, weights, seed=None: frequencies(
                sampler(inputs, weights, seed), n_qubits, job.dtype
            )
        case Expectation():
            return _Estimate(engine, job, job.readout, shots)
        case _:
            raise NotImplementedError(f"{job.readout} with {errors}")


def divided(shots: int, weights: Sequence[float]) -> list[int]:
    """Divides measurements among settings in proportion to weights, at least one for each.

    Args:
        shots: The mean for each setting: the sum is `shots * len(weights)`.
        weights: For each setting the sum of the absolute coefficients of its Pauli strings.

    Example:

    >>> divided(100, [1.0, 3.0])
    [50, 150]
    """
    total, whole = shots * len(weights), sum(weights)
    if not whole:
        return [shots] * len(weights)
    exact = [total * weight / whole for weight in weights]
    parts = [int(each) for each in exact]
    # What rounding leaves goes to the settings that lost most.
    order = sorted(range(len(parts)), key=lambda k: parts[k] - exact[k])
    for k in order[: total - sum(parts)]:
        parts[k] += 1
    # Every setting gets a measurement: the largest ones give one away.
    for k in range(len(parts)):
        if not parts[k]:
            parts[parts.index(max(parts))] -= 1
            parts[k] = 1
    return parts


def with_rotations(program: Program, setting: Setting) -> Program:
    """Returns the program with a setting's rotations at its end, as constant unitaries."""
    index = {qubit: i for i, qubit in enumerate(program.qubits)}
    ends = tuple(
        Unitary(
            tuple(index[qubit] for qubit in operation.qubits),
            tuple(tuple(complex(c) for c in row) for row in cirq.unitary(operation)),
        )
        for operation in setting.rotations(program.qubits)
    )
    return replace(program, instructions=program.instructions + ends)


class Sampler:
    """Draws the bits of one setting."""

    def __init__(self, engine: Engine, job: Job, setting: Setting, shots: int) -> None:
        self._errors = job.readout_errors
        parts = [MOST_SHOTS_AT_ONCE] * (shots // MOST_SHOTS_AT_ONCE)
        if shots % MOST_SHOTS_AT_ONCE:
            parts.append(shots % MOST_SHOTS_AT_ONCE)
        if isinstance(job.readout, Samples):
            parts = [shots]
        program = with_rotations(job.program, setting)
        inner = replace(
            job,
            program=program,
            readout=Samples(),
            gradient=False,
            origin=job.origin if program is job.program else None,
            readout_errors=(),
        )
        runs = {part: engine.prepare(replace(inner, shots=part)) for part in set(parts)}
        self._runs = [runs[part] for part in parts]

    def __call__(self, inputs: Any, weights: Any, seed: Any) -> Any:
        """Returns int32 bits of shape `(batch, shots, n_qubits)`."""
        parts = self.parts(inputs, weights, seed)
        return parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=1)

    def parts(self, inputs: Any, weights: Any, seed: Any) -> list[Any]:
        """Returns the bits in parts, each of at most `MOST_SHOTS_AT_ONCE` shots."""
        if len(self._runs) == 1 and not self._errors:
            return [self._runs[0](inputs, weights, seed)]
        seeds = part_seeds(seed, 2 * len(self._runs))
        return [
            flipped(run(inputs, weights, seeds[2 * k]), self._errors, seeds[2 * k + 1])
            for k, run in enumerate(self._runs)
        ]


@dataclass
class Part:
    """The Pauli strings that one setting reads.

    Attributes:
        setting: The setting.
        shots: How often it is measured.
        masks: 1 where a string reads a qubit, of shape `(n_qubits, n_terms)`.
        signs: The sign of each string's parity.
        coefficients: Of shape `(n_terms, n_observables)`.
    """

    setting: Setting
    shots: int
    masks: np.ndarray
    signs: np.ndarray
    coefficients: np.ndarray


def parts_of(readout: Expectation, program: Program, shots: int) -> tuple[np.ndarray, list[Part]]:
    """Returns the constants of observables, and the part of the rest that each setting reads.

    Args:
        readout: The observables.
        program: The program.
        shots: The mean number of measurements for each setting.
    """
    n_observables = len(readout.observables)
    offset = np.zeros(n_observables)
    settings = readout.settings(program)
    # For each setting, the coefficients of its terms in each observable.
    tables: list[dict[PauliTerm, np.ndarray]] = [{} for _ in settings]
    for column, observable in enumerate(readout.observables):
        for term in observable.terms:
            if not term.qubits:
                offset[column] += term.coefficient
                continue
            first = next(k for k, setting in enumerate(settings) if setting.reads(term))
            bare = replace(term, coefficient=1.0)
            row = tables[first].setdefault(bare, np.zeros(n_observables))
            row[column] += term.coefficient
    read = [(setting, table) for setting, table in zip(settings, tables, strict=True) if table]
    weights = [float(sum(np.abs(row).sum() for row in table.values())) for _, table in read]
    parts = []
    for (setting, table), share in zip(read, divided(shots, weights), strict=True):
        masks = np.zeros((program.n_qubits, len(table)))
        signs = np.ones(len(table))
        for k, term in enumerate(table):
            signs[k], qubits = setting.parity(term)
            masks[list(qubits), k] = 1.0
        parts.append(Part(setting, share, masks, signs, np.array(list(table.values()))))
    return offset, parts


class _Estimate:
    """Expectation values as means of parities."""

    def __init__(self, engine: Engine, job: Job, readout: Expectation, shots: int) -> None:
        self._job = job
        self._offset, self._parts = parts_of(readout, job.program, shots)
        self._samplers = [Sampler(engine, job, part.setting, part.shots) for part in self._parts]

    def __call__(self, inputs: Any, weights: Any, seed: Any = None) -> Any:
        """Returns expectation values of shape `(batch, n_observables)`."""
        inputs, weights = ops.convert_to_tensor(inputs), ops.convert_to_tensor(weights)
        dtype = self._job.dtype
        # Measured values keep NaN. The estimate has no gradient of its own.
        angles = ops.stop_gradient(self._job.angles(inputs, weights))
        lost = 0.0 * ops.sum(angles, axis=1, keepdims=True)
        found = ops.cast(lost, dtype) + ops.convert_to_tensor(self._offset, dtype)
        seeds = [seed] if len(self._parts) == 1 else part_seeds(seed, len(self._parts))
        for part, sampler, own in zip(self._parts, self._samplers, seeds, strict=True):
            drawn = sampler.parts(inputs, weights, own)
            for some in _together(part.masks):
                sums = sum(_sums(bits, part.masks[:, some], dtype) for bits in drawn)
                factors = part.coefficients[some] * part.signs[some, None] / part.shots
                found = found + _combined(sums, factors, dtype)
        return found


def _together(masks: np.ndarray) -> list[np.ndarray]:
    """Returns the strings' indices, in groups whose parities are computed in the same way."""
    weights = masks.sum(axis=0)
    single, others = np.flatnonzero(weights == 1), np.flatnonzero(weights != 1)
    size = 1 if len(others) <= _MOST_ONE_BY_ONE else _TERMS_AT_ONCE
    groups = [others[start : start + size] for start in range(0, len(others), size)]
    return ([single] if len(single) else []) + groups


def _sums(bits: Any, masks: np.ndarray, dtype: str) -> Any:
    """Returns the sums of (-1)**parity over the shots, of shape `(batch, n_terms)`."""
    shots = ops.cast(ops.shape(bits)[1], dtype)
    if (masks.sum(axis=0) == 1).all():
        # No parity has to be computed: the sums of the bits are enough.
        ones = ops.take(ops.sum(bits, axis=1), np.argmax(masks, axis=0).astype("int32"), axis=1)
        return shots - 2.0 * ops.cast(ones, dtype)
    if masks.shape[1] == 1:
        columns = [bits[:, :, int(qubit)] for qubit in np.flatnonzero(masks[:, 0])]
        odd = functools.reduce(ops.bitwise_xor, columns)
        return shots - 2.0 * ops.cast(ops.sum(odd, axis=1, keepdims=True), dtype)
    # Whole numbers below 256, which every accelerator multiplies exactly.
    ones = ops.matmul(ops.cast(bits, dtype), ops.convert_to_tensor(masks, dtype))
    return ops.sum(1.0 - 2.0 * ops.mod(ones, 2.0), axis=1)


def _combined(sums: Any, factors: np.ndarray, dtype: str) -> Any:
    """Returns `sums @ factors`, by sums: accelerators round the factors of a matrix product."""
    return ops.sum(sums[:, :, None] * ops.convert_to_tensor(factors[None], dtype), axis=1)


def flipped(bits: Any, errors: ReadoutErrors, seed: Any) -> Any:
    """Returns measured bits with readout errors.

    Args:
        bits: int32 bits of shape `(batch, shots, n_qubits)`.
        errors: For each qubit P(1|0) and P(0|1); empty for none.
        seed: An integer, a `keras.random.SeedGenerator` or None.
    """
    if not errors:
        return bits
    chances = np.array(errors, "float32")
    coins = keras.random.uniform(ops.shape(bits), seed=seed, dtype="float32")
    chance = ops.where(bits == 1, chances[:, 1], chances[:, 0])
    return ops.where(coins < chance, 1 - bits, bits)


def part_seeds(seed: Any, count: int) -> list[Any]:
    """Returns a different seed for each part of a computation, all derived from one seed."""
    if seed is None:
        return [None] * count
    if isinstance(seed, keras.random.SeedGenerator):
        drawn = seed.next()
        # A prime step, so that these never coincide with the seeds of `gradients`, which step by
        # other numbers.
        return [Seeds(drawn + 1_000_003 * (k % 2048)).next() for k in range(count)]
    words = np.random.SeedSequence((int(seed) % 2**32, 0x5E77)).generate_state(count)
    return [int(word) for word in words]
