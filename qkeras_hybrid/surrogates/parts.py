"""A circuit with fixed weights, as a function of its inputs."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from keras import ops

from qkeras_hybrid import engines
from qkeras_hybrid.engines import Run
from qkeras_hybrid.program import Job, has_observable_angle

_AT_ONCE = 2**24
"""The most amplitudes computed at once."""


@dataclass(frozen=True, eq=False)
class Part:
    """Some values of a circuit's readout, with fixed weights.

    The angles are `offsets + slopes @ inputs`, in radians.

    Attributes:
        job: An exact job: noise is in its program, and there are no shots.
        offsets: Array of shape `(n_angles,)`.
        slopes: Array of shape `(n_angles, n_inputs)`.
        matrix: None, or the matrix from the job's readout to the values, of shape
            `(width, n_read)`.
        states: None, or states of shape `(width, 2**n_qubits)`: the values are the fidelities of
            the circuit's state with them.
    """

    job: Job
    offsets: np.ndarray
    slopes: np.ndarray
    matrix: np.ndarray | None = None
    states: np.ndarray | None = None

    @property
    def n_qubits(self) -> int:
        """The number of qubits."""
        return self.job.program.n_qubits

    @property
    def width(self) -> int:
        """The number of values."""
        chosen = self.matrix if self.states is None else self.states
        if chosen is not None:
            return len(chosen)
        return int(np.prod(self.job.readout.shape(self.job.program)))

    @functools.cached_property
    def rows(self) -> tuple[int, ...]:
        """The angles through which the inputs change the values."""
        turned = (i.angle for i in self.job.program.instructions if has_observable_angle(i))
        return tuple(sorted(row for row in turned if self.slopes[row].any()))

    @functools.cached_property
    def _run(self) -> Run:
        bare = self.job.bare()
        return engines.prepare(bare, engines.choose(bare))

    def values(self, angles: np.ndarray) -> np.ndarray:
        """Computes the values.

        Args:
            angles: Array of shape `(batch, n_angles)`, in radians.

        Returns:
            Array of shape `(batch, width)`.
        """
        nothing = ops.zeros((0,), dtype=self.job.dtype)
        size = max(1, min(4096, _AT_ONCE // 2**self.n_qubits))
        read = [
            self._chosen(
                ops.convert_to_numpy(
                    self._run(ops.convert_to_tensor(angles[i : i + size], self.job.dtype), nothing)
                )
            )
            for i in range(0, len(angles), size)
        ]
        return np.concatenate(read) if read else np.zeros((0, self.width))

    def at(self, inputs: np.ndarray) -> np.ndarray:
        """Computes the values at inputs of shape `(batch, n_inputs)`."""
        return self.values(self.offsets + inputs @ self.slopes.T)

    def _chosen(self, read: np.ndarray) -> np.ndarray:
        if self.states is not None:
            return np.asarray(np.abs(read @ self.states.conj().T) ** 2, float)
        if self.matrix is not None:
            return np.asarray(read @ self.matrix.T, float)
        return np.asarray(read, float).reshape(len(read), -1)
