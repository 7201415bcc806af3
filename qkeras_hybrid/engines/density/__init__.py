"""Density matrices: circuits with noise, exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import one_of, positive_int
from qkeras_hybrid.engines._shots import estimated
from qkeras_hybrid.engines.base import Engine, Run, frequencies, memory_refusal, sample_bits
from qkeras_hybrid.engines.density import portable
from qkeras_hybrid.engines.density.tiles import serialized, tiles
from qkeras_hybrid.engines.density.transfer import (
    Operation,
    absorbed,
    operations,
    refusal,
    string_index,
)
from qkeras_hybrid.engines.native import bridges, library
from qkeras_hybrid.engines.statevector.products import product, real_constant
from qkeras_hybrid.program import INSTRUCTIONS, Job
from qkeras_hybrid.readouts import Expectation, Probabilities, Samples

MOST_NATIVE_QUBITS = 14


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class DensityEngine(Engine):
    """Computes density matrices: channels, measurements and resets, exactly.

    It holds the values of all `4**n` Pauli strings, which are real. On the CPU C++ kernels compute
    them and their gradient, elsewhere `keras.ops` does. The gradient keeps a few states and
    recomputes the others, since noise, unlike a gate, can't be undone.

    float64 inputs are computed in float64, all others in float32. Gradients with respect to inputs
    and weights are exact.

    Args:
        kernels: `"native"` for the C++ kernels, `"ops"` for `keras.ops`, or `"auto"`, which takes
            the C++ kernels where they are available.

    Raises:
        ValueError: If `kernels` is none of these.

    Example:

    >>> q = cirq.LineQubit(0)
    >>> noisy = cirq.Circuit(cirq.rx(sympy.Symbol("x"))(q), cirq.depolarize(0.03)(q))
    >>> run = DensityEngine().prepare(compile_circuit(noisy, "Z", inputs="x").job())
    >>> z = run(ops.array([[0.0], [np.pi]]), ops.zeros((0,)))
    >>> [round(float(value), 4) for value in z[:, 0]]
    [0.96, -0.96]
    """

    name = "density"
    instructions = INSTRUCTIONS
    readouts = frozenset({Expectation, Probabilities, Samples})
    differentiates = frozenset({Expectation, Probabilities})
    samples = True

    def __init__(self, kernels: str = "auto") -> None:
        self.kernels = one_of("kernels", kernels, ("auto", "native", "ops"))

    def get_config(self) -> dict[str, Any]:
        return {"kernels": self.kernels}

    def refuses(self, job: Job) -> str | None:
        reason = super().refuses(job)
        if reason is not None:
            return reason
        if self.kernels == "native" and (missing := self._no_kernels(job)):
            return missing
        memory = memory_refusal(2 * job.program.n_qubits, self.bytes_per_number(job))
        if memory is not None:
            memory = memory.replace(
                f"{2 * job.program.n_qubits} qubits need",
                f"the density matrix of {job.program.n_qubits} qubits needs",
            )
            return f'{memory} (engine="trajectories" needs only that of state vectors)'
        return refusal(job.program)

    def bytes_per_number(self, job: Job) -> int:
        """Returns the bytes needed for each of the `4**n` numbers while a job runs."""
        size = 8 if job.dtype == "float64" else 4
        if self._no_kernels(job) is not None:
            # The numbers before a step, after it, and in another order of the qubits.
            return (10 if job.gradient else 5) * size
        # The lanes of a vector are samples; going backward some states are kept.
        return (8 if job.gradient else 1) * library.vector_bytes()

    def traces(self, job: Job) -> bool:
        if self._no_kernels(job) is None:
            return job.backend != "tensorflow"
        return job.shots is None or job.backend != "tensorflow"

    def _no_kernels(self, job: Job) -> str | None:
        """Returns why the C++ kernels are not used for a job, or None if they are."""
        if self.kernels == "ops":
            return "it was told to use keras.ops"
        if job.backend != "tensorflow" and job.device != "cpu":
            return f"its kernels run on the CPU, but {job.backend} computes on the {job.device}"
        if job.program.n_qubits > MOST_NATIVE_QUBITS:
            return f"its kernels take at most {MOST_NATIVE_QUBITS} qubits"
        return library.unavailable() or bridges.bridge(job.backend).unavailable()

    def prepare(self, job: Job) -> Run:
        if job.shots is not None and isinstance(job.readout, Expectation):
            return estimated(self, job)
        n = job.program.n_qubits
        strings, read = _reader(job)
        evolved = self._evolved(job, [string_index(*string, n) for string in strings])

        def run(inputs: Any, weights: Any, seed: Any = None) -> Any:
            inputs, weights = ops.convert_to_tensor(inputs), ops.convert_to_tensor(weights)
            return read(evolved(job.angles(inputs, weights)), seed)

        return run

    def _evolved(self, job: Job, measured: Sequence[int]) -> Callable[[Any], Any]:
        """Returns a function that maps angles to the values of Pauli strings."""
        n = job.program.n_qubits
        found, measured, factors = absorbed(operations(job.program, job.angles), measured, n)
        evolve = self._evolution(job, found, measured)
        if np.all(factors == 1.0):
            return evolve

        def scaled(angles: Any) -> Any:
            values = evolve(angles)
            return values * real_constant(factors, keras.backend.standardize_dtype(values.dtype))

        return scaled

    def _evolution(
        self, job: Job, found: Sequence[Operation], measured: Sequence[int]
    ) -> Callable[[Any], Any]:
        n = job.program.n_qubits
        if self._no_kernels(job) is not None:
            return portable.runner(found, n, measured, job.gradient)
        program = serialized(tiles(found, n), n, job.program.n_angles, measured)
        native = bridges.bridge(job.backend)
        library.set_threads(native.threads())
        calls = native.Operations(program, "auto", False)

        def values(angles: Any) -> Any:
            nothing = ops.zeros((0,), dtype=keras.backend.standardize_dtype(angles.dtype))
            return calls.expectation(angles, nothing)

        return values


def _reader(job: Job) -> tuple[list[tuple[str, tuple[int, ...]]], Callable[[Any, Any], Any]]:
    """Returns the Pauli strings to compute, and a function from their values to the readout."""
    n, shots = job.program.n_qubits, job.shots
    if isinstance(job.readout, Expectation):
        return _expectation(job.readout)
    # The diagonal of a density matrix needs the strings of I and Z.
    strings = []
    for mask in range(2**n):
        qubits = tuple(q for q in range(n) if mask >> (n - 1 - q) & 1)
        strings.append(("Z" * len(qubits), qubits))

    def probabilities(values: Any) -> Any:
        """`p_b = sum_z (-1)**(b z) <Z**z> / 2**n`, a Walsh-Hadamard transform."""
        for qubit in range(n):
            pairs = ops.reshape(values, (-1, 2**qubit, 2, 2 ** (n - 1 - qubit)))
            even, odd = pairs[:, :, 0], pairs[:, :, 1]
            values = ops.stack([even + odd, even - odd], axis=2)
        return ops.reshape(values, (-1, 2**n)) / 2**n

    def bits(values: Any, seed: Any) -> Any:
        return sample_bits(probabilities(values), n, positive_int("shots", shots), seed)

    if isinstance(job.readout, Samples):
        return strings, bits
    if shots is None:
        return strings, lambda values, seed: probabilities(values)
    return strings, lambda values, seed: frequencies(bits(values, seed), n, job.dtype)


def _expectation(
    readout: Expectation,
) -> tuple[list[tuple[str, tuple[int, ...]]], Callable[[Any, Any], Any]]:
    strings: dict[tuple[str, tuple[int, ...]], int] = {}
    entries = []
    offsets = np.zeros(len(readout.observables))
    for row, observable in enumerate(readout.observables):
        for term in observable.terms:
            if not term.qubits:
                offsets[row] += term.coefficient
                continue
            column = strings.setdefault((term.paulis, term.qubits), len(strings))
            entries.append((row, column, term.coefficient))
    coefficients = np.zeros((len(readout.observables), len(strings)))
    for row, column, coefficient in entries:
        coefficients[row, column] += coefficient
    # Often the values themselves are the readout.
    plain = np.array_equal(coefficients, np.eye(len(readout.observables)))

    def read(values: Any, seed: Any) -> Any:
        dtype = keras.backend.standardize_dtype(values.dtype)
        if not plain:
            summed = product(real_constant(coefficients, dtype), ops.transpose(values))
            values = ops.transpose(summed)
        return values + real_constant(offsets, dtype) if offsets.any() else values

    return list(strings), read
