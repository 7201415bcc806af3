"""States of a circuit at many weights, and their exact derivatives with respect to its angles.

`exp(-i a/2 P)` at `a + pi` is `-i P` times its value at `a`, so for a Pauli rotation
`d psi/d a = psi(a + pi) / 2`. For a phase on a projector, `d psi/d a = i (psi(a) - psi(a + pi)) /
2`. So states at shifted angles are enough, and any engine that returns states can compute them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid import _expressions, engines
from qkeras_hybrid._double import matmul
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid._lazy import sympy
from qkeras_hybrid.engines import Run
from qkeras_hybrid.program import (
    Angle,
    AngleMap,
    Channel,
    Compiled,
    Job,
    Measurement,
    PauliRotation,
    Phase,
    Program,
    Reset,
)
from qkeras_hybrid.readouts import State

_LARGEST = 2**28
"""The most bytes of states computed at once."""


def best_precision() -> str:
    """Returns "float64" if the Keras backend has it (JAX with `jax_enable_x64`), else "float32"."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JAX warns that it rounds this tensor to float32
        tensor = ops.convert_to_tensor(np.zeros(1), dtype="float64")
    return str(keras.backend.standardize_dtype(tensor.dtype))


def check_pure(program: Program) -> None:
    """Checks that a program ends in a state vector.

    Raises:
        ValueError: If it has channels, measurements or resets.
    """
    if program.kinds & {Channel, Measurement, Reset}:
        raise ArgumentError(
            "circuit",
            "have a state vector at its end",
            "one with channels, measurements or resets",
            "Leave the noise out: this function computes properties of the ideal circuit.",
        )


def with_all_as_inputs(compiled: Compiled) -> AngleMap:
    """Returns an angle map whose inputs are the circuit's inputs followed by its weights.

    So each row of a batch can have its own weights.
    """
    angles = compiled.angles
    first = len(angles.inputs)

    def moved(angle: Angle) -> Angle:
        shifted = tuple((first + j, factor) for j, factor in angle.weights)
        return replace(angle, inputs=angle.inputs + shifted, weights=())

    rows = tuple(row if row.expression is not None else moved(row) for row in angles.rows)
    return AngleMap(angles.inputs + angles.weights, (), rows)


def batches_of_states(compiled: Compiled, values: np.ndarray) -> Iterator[np.ndarray]:
    """Computes the final states of a circuit in batches, so that memory stays bounded.

    Args:
        compiled: The circuit.
        values: Array of shape `(batch, n_inputs + n_weights)`: the inputs, then the weights.

    Yields:
        Complex arrays of shape `(n, 2**n_qubits)`. If `values` has an even number of rows, each
        array has an even number of rows too.

    Raises:
        ValueError: If the circuit has no state vector at its end, or no engine computes it.
    """
    check_pure(compiled.program)
    precision = best_precision()
    job = compiled.reading(State()).job(precision, gradient=False)
    job = replace(job, angles=with_all_as_inputs(compiled))
    run = engines.prepare(job, engines.choose(job))
    nothing = ops.zeros((0,), dtype=precision)
    size = 2 * max(1, _LARGEST // (32 * 2**compiled.n_qubits))
    for i in range(0, len(values), size):
        batch = ops.convert_to_tensor(values[i : i + size], dtype=precision)
        yield ops.convert_to_numpy(run(batch, nothing))


@dataclass(frozen=True)
class Metric:
    """Computes the Fubini-Study metric of a circuit's state with `keras.ops`, also in graphs.

    `g_jk = Re(<d_j psi|d_k psi> - <d_j psi|psi><psi|d_k psi>)`, a quarter of the quantum Fisher
    information (Stokes, Izaac, Killoran, Carleo 2020, arXiv 1909.02108).

    Attributes:
        angles: The map from inputs and weights to the angles.
        run: Computes states from angles.
        rows: The angles that depend on the weights.
        paulis: For each row, 1.0 if the angle is that of a Pauli rotation, 0.0 if of a phase.
        depths: For each row, the depth of its gate among the gates of `rows`.
        columns: The weights with respect to which the state is differentiated.
        n_qubits: The number of qubits.
    """

    angles: AngleMap
    run: Run
    rows: tuple[int, ...]
    paulis: tuple[float, ...]
    depths: tuple[int, ...]
    columns: tuple[int, ...]
    n_qubits: int

    @classmethod
    def of(cls, job: Job, columns: Sequence[int] | None = None) -> Metric:
        """Prepares the metric of a job's circuit, without its noise and shots.

        Args:
            job: The job.
            columns: Indices of weights; all by default.

        Raises:
            ValueError: If the circuit has no state vector, or no engine computes it.
        """
        check_pure(job.program)
        bare = replace(job, readout=State(), shots=None, noise=None, readout_errors=()).bare()
        rows = tuple(r for r in job.varying_rows if _trains(job.angles, job.angles.rows[r]))
        found = _places(job.program, rows)
        return cls(
            job.angles,
            engines.prepare(bare, engines.choose(bare)),
            rows,
            tuple(1.0 if isinstance(found[r][0], PauliRotation) else 0.0 for r in rows),
            tuple(found[r][1] for r in rows),
            tuple(range(len(job.angles.weights)) if columns is None else columns),
            job.program.n_qubits,
        )

    @property
    def evaluations(self) -> int:
        """The number of states computed for each sample."""
        return len(self.rows) + 1

    def mean(self, inputs: Any, weights: Any, kind: str = "full", samples: int = 32) -> Any:
        """Computes the mean metric over samples, one by one if their states need much memory.

        Args:
            inputs: Tensor of shape `(batch, n_inputs)`.
            weights: Tensor of shape `(n_weights,)`.
            kind: "full", "block" or "diagonal".
            samples: The largest number of samples.

        Returns:
            Tensor of shape `(n_columns, n_columns)`.
        """
        if samples * self.evaluations * 16 * 2**self.n_qubits <= _LARGEST:
            return ops.mean(self(inputs, weights, kind), axis=0)
        each = ops.map(lambda one: self(one[None], weights, kind)[0], inputs)
        return ops.mean(each, axis=0)

    def __call__(self, inputs: Any, weights: Any, kind: str = "full") -> Any:
        """Computes the metric of each sample.

        Args:
            inputs: Tensor of shape `(batch, n_inputs)`.
            weights: Tensor of shape `(n_weights,)`, of the same dtype.
            kind: "full"; "block" for zeros between angles of different depth; "diagonal" for zeros
                off the diagonal.

        Returns:
            Tensor of shape `(batch, n_columns, n_columns)`.
        """
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        size, n = len(self.columns), len(self.rows)
        if not n:
            return ops.zeros((ops.shape(inputs)[0], size, size), dtype=dtype)
        derivatives, state = self._derivatives(inputs, weights, dtype)
        (re, im), (re0, im0) = derivatives, state
        gram = _times(re, re) + _times(im, im)
        along = ops.sum(re0 * im - im0 * re, axis=-1)  # <psi|d psi> has no real part
        metric = gram - along[:, :, None] * along[:, None, :]
        if kind == "block":
            depths = np.array(self.depths)
            same = (depths[:, None] == depths[None, :]).astype(dtype)
            metric = metric * ops.convert_to_tensor(same, dtype=dtype)[None]
        slopes = self._slopes(inputs, weights, dtype)
        metric = matmul(ops.transpose(slopes, (0, 2, 1)), matmul(metric, slopes))
        if kind == "diagonal":
            metric = metric * ops.eye(size, dtype=dtype)[None]
        return metric

    def _derivatives(self, inputs: Any, weights: Any, dtype: str) -> Any:
        """Returns derivatives `(batch, n_rows, size)` and states, in real and imaginary parts."""
        n_angles, n = len(self.angles.rows), len(self.rows)
        shifts = np.zeros((n + 1, 1, n_angles))
        shifts[np.arange(1, n + 1), 0, list(self.rows)] = np.pi
        angles = self.angles(inputs, weights)[None] + ops.convert_to_tensor(shifts, dtype=dtype)
        found = self.run(ops.reshape(angles, (-1, n_angles)), ops.zeros((0,), dtype=dtype))
        parts = []
        for part in (ops.real(found), ops.imag(found)):
            whole = ops.reshape(part, (n + 1, -1, part.shape[-1]))
            parts.append(ops.transpose(whole, (1, 0, 2)))
        (re0, re), (im0, im) = ((part[:, :1], part[:, 1:]) for part in parts)
        pauli = ops.convert_to_tensor(np.array(self.paulis)[None, :, None], dtype=dtype)
        return (
            (
                0.5 * (pauli * re + (1.0 - pauli) * (im - im0)),
                0.5 * (pauli * im + (1.0 - pauli) * (re0 - re)),
            ),
            (re0, im0),
        )

    def _slopes(self, inputs: Any, weights: Any, dtype: str) -> Any:
        """Returns the derivatives of the angles, `(batch or 1, n_rows, n_columns)`."""
        constant = np.zeros((1, len(self.rows), len(self.columns)))
        column = {weight: k for k, weight in enumerate(self.columns)}
        expressions, places = [], []
        for r, row in enumerate(self.rows):
            angle = self.angles.rows[row]
            for weight, factor in angle.weights:
                if weight in column:
                    constant[0, r, column[weight]] = factor
            if angle.expression is None:
                continue
            for weight, k in column.items():
                slope = sympy.diff(angle.expression, self.angles.weights[weight])
                if slope != 0:
                    expressions.append(slope)
                    places.append((r, k))
        slopes = ops.convert_to_tensor(constant, dtype=dtype)
        if not expressions:
            return slopes
        values = {s: inputs[:, i : i + 1] for i, s in enumerate(self.angles.inputs)}
        values |= {s: weights[j : j + 1] for j, s in enumerate(self.angles.weights)}
        for (r, k), value in zip(places, _expressions.evaluate(expressions, values), strict=True):
            one = np.zeros(constant.shape)
            one[0, r, k] = 1.0
            value = ops.reshape(ops.convert_to_tensor(value, dtype=dtype), (-1, 1, 1))
            slopes = slopes + value * ops.convert_to_tensor(one, dtype)
        return slopes


def _times(left: Any, right: Any) -> Any:
    return matmul(left, ops.transpose(right, (0, 2, 1)))


def _trains(angles: AngleMap, angle: Angle) -> bool:
    if angle.expression is None:
        return bool(angle.weights)
    return not angle.expression.free_symbols.isdisjoint(angles.weights)


def _places(program: Program, rows: Sequence[int]) -> dict[int, tuple[PauliRotation | Phase, int]]:
    """Returns for each angle its instruction, and its depth among the given angles."""
    counted, reached = set(rows), [0] * program.n_qubits
    found: dict[int, tuple[PauliRotation | Phase, int]] = {}
    for instruction in program.instructions:
        depth = max((reached[q] for q in instruction.qubits), default=0)
        if isinstance(instruction, (PauliRotation, Phase)) and instruction.angle in counted:
            depth += 1
            found[instruction.angle] = (instruction, depth)
        for q in instruction.qubits:
            reached[q] = depth
    return found
