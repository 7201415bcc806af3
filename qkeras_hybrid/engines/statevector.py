"""The reference engine: state vectors on `keras.ops` alone, for any Keras backend.

The state of a batch is a pair of real tensors, real and imaginary parts, of shape
`(batch, 2**n_qubits)`. Gates are slices, sums and elementwise products with constants, never
matrix products, so that accelerators keep full float32 precision; the backend differentiates
and compiles them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, assert_never

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import positive_int
from qkeras_hybrid._double import cos, sin
from qkeras_hybrid._errors import ArgumentError
from qkeras_hybrid.engines.base import Engine, Run, frequencies, memory_refusal, sample_bits
from qkeras_hybrid.program import (
    AngleMap,
    Channel,
    Instruction,
    Job,
    Measurement,
    PauliRotation,
    Phase,
    Reset,
    Unitary,
)
from qkeras_hybrid.readouts import Expectation, Probabilities, Samples, State

if TYPE_CHECKING:
    from qkeras_hybrid.observables import Observable, PauliTerm

# A complex tensor as its real and imaginary parts.
Pair = tuple[Any, Any]


@keras.saving.register_keras_serializable(package="qkeras_hybrid")
class StatevectorEngine(Engine):
    """Simulates state vectors with `keras.ops`: every backend, GPU, XLA, export.

    float64 inputs are computed in complex128, all others in complex64.

    Args:
        shots: If given, each Pauli term of each observable is estimated from this many
            simulated measurements of its own instead of computed exactly; the gradient is then
            the parameter-shift rule's, from as many shots an evaluation.

    Raises:
        ValueError: If `shots` is not a whole number of at least 1.

    Example:

    >>> q = cirq.LineQubit(0)
    >>> compiled = compile_circuit(cirq.Circuit(cirq.rx(sympy.Symbol("x"))(q)), "Z", inputs="x")
    >>> run = StatevectorEngine().prepare(compiled.job())
    >>> z = run(ops.array([[0.0], [np.pi]]), ops.zeros((0,)))
    >>> np.round(ops.convert_to_numpy(z), 5).tolist()
    [[1.0], [-1.0]]
    """

    name = "statevector"
    readouts = frozenset({Expectation, Probabilities, State, Samples})
    differentiates = frozenset({Expectation, Probabilities, State})
    samples = True
    traceable = True

    def __init__(self, shots: int | None = None) -> None:
        self.shots = None if shots is None else positive_int("shots", shots)

    def get_config(self) -> dict[str, Any]:
        return {"shots": self.shots}

    def refuses(self, job: Job) -> str | None:
        # A state, the gate's result, and their like. What training needs besides: `caution`.
        need = 4 * _bytes_per_amplitude(job)
        return super().refuses(job) or memory_refusal(job.program.n_qubits, need)

    def caution(self, job: Job) -> str | None:
        if not job.gradient:
            return None
        # The backend's reverse mode keeps what each instruction read: a state or two.
        n_instructions = len(job.program.instructions)
        need = _bytes_per_amplitude(job) * n_instructions
        refusal = memory_refusal(job.program.n_qubits, need)
        if refusal is None:
            return None
        return (
            f"training on the statevector engine keeps a state vector for each of the "
            f"{n_instructions} instructions: {refusal}. Predicting needs a few states "
            'only. Train with engine="native", which keeps three, or with fewer qubits.'
        )

    def prepare(self, job: Job) -> Run:
        program, angles = job.program, job.angles
        read = self._reader(job)
        n = program.n_qubits
        start = np.zeros((1, 2**n))
        start[0, 0] = 1.0

        def run(inputs: Any, weights: Any, seed: Any = None) -> Any:
            inputs, weights = ops.convert_to_tensor(inputs), ops.convert_to_tensor(weights)
            angles.check_shapes(inputs, weights)
            dtype = keras.backend.standardize_dtype(inputs.dtype)
            if dtype not in ("float32", "float64"):
                raise ArgumentError("inputs", "be of dtype float32 or float64", dtype)
            trig = _Trigonometry(angles, *angles.extend(inputs, weights))
            # The batch dimension is one until the first gate that depends on an input: what
            # comes before is computed once for the batch.
            state: Pair = (
                ops.convert_to_tensor(start, dtype),
                ops.zeros((1, 2**n), dtype=dtype),
            )
            for instruction in program.instructions:
                state = _apply(instruction, state, trig, n)
            if not trig.used_inputs:
                # Made whole at the end: empty where the batch is, NaN in no case.
                whole = (ops.shape(inputs)[0], 2**n)
                state = (ops.broadcast_to(state[0], whole), ops.broadcast_to(state[1], whole))
            return read(state, seed)

        return run

    def _reader(self, job: Job) -> Callable[[Pair, Any], Any]:
        """Returns what reads a job's readout of the final states, given a seed."""
        n, shots, readout = job.program.n_qubits, job.shots, job.readout

        def probabilities(state: Pair) -> Any:
            re, im = state
            return re * re + im * im

        def bits(state: Pair, seed: Any) -> Any:
            return sample_bits(probabilities(state), n, positive_int("shots", shots), seed)

        match readout:
            case Expectation(observables=observables):
                return lambda state, seed: _expectation(state, observables, n, shots, seed)
            case Probabilities() if shots is None:
                return lambda state, seed: probabilities(state)
            case Probabilities():
                return lambda state, seed: frequencies(bits(state, seed), n, job.dtype)
            case Samples():
                return bits
            case State():
                return lambda state, seed: _as_complex(state)
            case _:
                raise NotImplementedError(readout)


def _bytes_per_amplitude(job: Job) -> int:
    return 16 if job.dtype == "float64" else 8


def _as_complex(state: Pair) -> Any:
    re, im = state
    # ops.view_as_complex would round float64 to complex64.
    double = keras.backend.standardize_dtype(re.dtype) == "float64"
    dtype = "complex128" if double else "complex64"
    return ops.cast(re, dtype) + ops.cast(im, dtype) * 1j


def _expectation(
    state: Pair, observables: Sequence[Observable], n: int, shots: int | None, seed: Any
) -> Any:
    """Returns expectation values, exact or from shots, of shape `(batch, n_observables)`."""
    values: dict[tuple[str, tuple[int, ...]], Any] = {}
    measured = []
    for term in (term for observable in observables for term in observable.terms):
        if term.qubits:
            key = (term.paulis, term.qubits)
            if key not in values:
                values[key] = _pauli_value(state, term, n)
            measured.append(values[key])
    if shots is not None and measured:
        estimates = _estimate(ops.stack(measured, axis=1), shots, seed)
        measured = ops.unstack(estimates, len(measured), axis=1)
    remaining = iter(measured)
    columns = []
    for observable in observables:
        column = ops.zeros_like(state[0][:, 0])
        for term in observable.terms:
            factor = next(remaining) if term.qubits else 1.0
            column = column + term.coefficient * factor
        columns.append(column)
    return ops.stack(columns, axis=1) if columns else state[0][:, :0]


def _estimate(value: Any, shots: int, seed: Any) -> Any:
    """Returns expectation values in [-1, 1] as `shots` measurements of each see them.

    All are drawn at once: an integer seed would give the same noise to each draw with it.
    """
    # Keras builds torch models on tensors without values, which can't be sampled.
    if str(getattr(value, "device", "")) == "meta":
        return value
    # The number of +1 among the shots is binomial with chance (1 + <P>)/2. NaN is kept out
    # of the sampler, which may not end on it, and put back after it.
    valid = value == value
    chance = ops.clip(0.5 + 0.5 * ops.where(valid, value, 0.0), 0.0, 1.0)
    dtype = keras.backend.standardize_dtype(value.dtype)
    counts = ops.full_like(chance, float(shots))
    plus = keras.random.binomial(ops.shape(chance), counts, chance, dtype=dtype, seed=seed)
    return ops.where(valid, 2.0 * plus / shots - 1.0, value)


class _Trigonometry:
    """Cosines and sines of the program's angles; those of weights alone are computed once."""

    def __init__(self, angles: AngleMap, inputs: Any, weights: Any) -> None:
        of_inputs, of_weights = angles.affine.tables
        self._depends = [bool(angle.inputs) for angle in angles.affine.rows]
        fixed = of_weights(weights)[None, :]
        self._fixed = fixed
        self._whole = fixed + of_inputs(inputs) if any(self._depends) else fixed
        self._cache: dict[float, tuple[Pair, Pair]] = {}
        self.used_inputs = False

    def __call__(self, row: int, factor: float) -> Pair:
        """Returns cosine and sine of `factor` times an angle, of shape `(batch or 1, 1)`."""
        if factor not in self._cache:
            self._cache[factor] = (
                (cos(factor * self._fixed), sin(factor * self._fixed)),
                (cos(factor * self._whole), sin(factor * self._whole)),
            )
        self.used_inputs |= self._depends[row]
        cosine, sine = self._cache[factor][self._depends[row]]
        return cosine[:, row : row + 1], sine[:, row : row + 1]


def _apply(instruction: Instruction, state: Pair, trig: _Trigonometry, n: int) -> Pair:
    match instruction:
        case PauliRotation(paulis=paulis, qubits=qubits, angle=row):
            # exp(-i a/2 P) = cos(a/2) - i sin(a/2) P
            cosine, sine = trig(row, 0.5)
            re, im = state
            p_re, p_im = _pauli(state, paulis, qubits, n)
            return cosine * re + sine * p_im, cosine * im - sine * p_re
        case Phase(qubits=qubits, angle=row):
            cosine, sine = trig(row, 1.0)
            return _phase(state, cosine, sine, qubits, n)
        case Unitary():
            return _unitary(state, instruction, n)
        case Channel() | Measurement() | Reset():
            raise NotImplementedError(f"{type(instruction).__name__} is not declared")
        case _:
            assert_never(instruction)


# TensorFlow multiplies tensors of different shapes only where at most four axes remain after
# neighbours of equal kind (broadcast or not) are merged: an axis for each qubit would be too many.
# So states are split and joined at one qubit at a time, and factors span neighbouring qubits.


def _split(state: Pair, qubit: int, n: int) -> tuple[Pair, Pair]:
    """Returns the states of the other `n - 1` qubits that go with the values 0 and 1 of one."""
    shape = (-1, 2**qubit, 2, 2 ** (n - 1 - qubit))
    halves = [ops.unstack(ops.reshape(part, shape), 2, axis=2) for part in state]
    low, high = (
        tuple(ops.reshape(half[bit], (-1, 2 ** (n - 1))) for half in halves) for bit in (0, 1)
    )
    return low, high


def _joined(low: Pair, high: Pair, qubit: int, n: int) -> Pair:
    """Returns the state of `n` qubits that `_split` splits into these two."""
    shape = (-1, 2**qubit, 2 ** (n - 1 - qubit))
    re, im = (
        ops.reshape(
            ops.stack([ops.reshape(part, shape) for part in both], axis=2),
            (-1, 2**n),
        )
        for both in zip(low, high, strict=True)
    )
    return re, im


def _phase(state: Pair, cosine: Any, sine: Any, qubits: tuple[int, ...], n: int) -> Pair:
    """Multiplies by `cosine + i sine`, of shape `(batch or 1, 1)`, where all `qubits` are 1."""
    re, im = state
    if not qubits:
        return cosine * re - sine * im, cosine * im + sine * re
    qubit, *others = qubits
    low, high = _split(state, qubit, n)
    rest = tuple(other - (other > qubit) for other in others)
    high = _phase(high, cosine, sine, rest, n - 1)
    if re.shape[0] == 1:
        # The angle may be the first that depends on the samples.
        whole = ops.shape(high[0])
        low = (ops.broadcast_to(low[0], whole), ops.broadcast_to(low[1], whole))
    return _joined(low, high, qubit, n)


def _scaled(state: Pair, values: np.ndarray, qubits: Sequence[int], n: int) -> Pair:
    """Multiplies each amplitude by the one of `2**len(qubits)` values that its bits name."""
    dtype = keras.backend.standardize_dtype(state[0].dtype)
    first, end = min(qubits), max(qubits) + 1
    middle = (first + end) // 2
    order = np.argsort(qubits)
    left = [qubits[k] for k in order if qubits[k] < middle]
    right = [qubits[k] for k in order if qubits[k] >= middle]
    table = values.reshape([2] * len(qubits)).transpose(order)
    table = table.reshape(2 ** len(left), 2 ** len(right))

    def factor(part: np.ndarray) -> Any:
        found = ops.convert_to_tensor(part, dtype)
        # Gathered in two steps, so that no constant is as long as a state.
        if len(left) < middle - first:
            found = ops.take(found, _values(left, first, middle), axis=0)
        if len(right) < end - middle:
            found = ops.take(found, _values(right, middle, end), axis=1)
        return ops.reshape(found, (-1, 1))

    shape = (-1, 2**first, 2 ** (end - first), 2 ** (n - end))
    a, b = (ops.reshape(part, shape) for part in state)
    re = factor(table.real)
    if np.any(table.imag):
        im = factor(table.imag)
        a, b = a * re - b * im, a * im + b * re
    else:
        a, b = a * re, b * re
    return ops.reshape(a, (-1, 2**n)), ops.reshape(b, (-1, 2**n))


def _values(qubits: Sequence[int], first: int, end: int) -> np.ndarray:
    """Returns what the bits of `qubits` say, in each basis state of the qubits `first` to `end`."""
    index = np.arange(2 ** (end - first))
    found = np.zeros(len(index), "int32")
    for qubit in qubits:
        found = 2 * found + (index >> (end - 1 - qubit) & 1).astype("int32")
    return found


def _pauli(state: Pair, paulis: str, qubits: tuple[int, ...], n: int) -> Pair:
    """Returns `P|state>` of a Pauli string `P`."""
    re, im = state
    for pauli, qubit in zip(paulis, qubits, strict=True):
        if pauli != "Z":
            shape = (-1, 2**qubit, 2, 2 ** (n - 1 - qubit))
            re, im = (
                ops.reshape(ops.flip(ops.reshape(part, shape), 2), (-1, 2**n)) for part in (re, im)
            )
    # Z|b> = (-1)^b |b>, and Y = i X Z: the amplitude that arrives at bit 1 has the factor i,
    # the one that arrives at bit 0 the factor -i. The factors i are gathered.
    sign = np.ones(1)
    for pauli in paulis:
        sign = np.kron(sign, {"X": [1, 1], "Y": [-1, 1], "Z": [1, -1]}[pauli])
    if set(paulis) != {"X"}:
        re, im = _scaled((re, im), sign, qubits, n)
    return [(re, im), (-im, re), (-re, -im), (im, -re)][paulis.count("Y") % 4]


def _unitary(state: Pair, instruction: Unitary, n: int) -> Pair:
    matrix, qubits = instruction.array, instruction.qubits
    if not np.any(matrix[~np.eye(len(matrix), dtype=bool)]):
        return _scaled(state, np.diag(matrix), qubits, n)
    k = len(qubits)
    order = np.argsort(qubits).tolist()
    axes = order + [k + i for i in order]
    matrix = matrix.reshape([2] * 2 * k).transpose(axes).reshape(matrix.shape)
    # The last qubit is split first and joined last: those before it keep their places.
    columns = [state]
    for done, qubit in enumerate(sorted(qubits, reverse=True)):
        halves = [_split(part, qubit, n - done) for part in columns]
        columns = [low for low, _ in halves] + [high for _, high in halves]
    rows = [_combination(row, columns) for row in matrix]
    for done, qubit in enumerate(sorted(qubits), 1):
        half = len(rows) // 2
        rows = [
            _joined(low, high, qubit, n - k + done)
            for low, high in zip(rows[:half], rows[half:], strict=True)
        ]
    return rows[0]


def _combination(coefficients: np.ndarray, pairs: Sequence[Pair]) -> Pair:
    """Returns the sum of complex coefficients times complex tensors; zeros cost nothing."""
    total_re: Any = None
    total_im: Any = None

    def added(total: Any, factor: float, tensor: Any) -> Any:
        if factor == 0.0:
            return total
        part = tensor if factor == 1.0 else factor * tensor
        return part if total is None else total + part

    for coefficient, (re, im) in zip(coefficients.tolist(), pairs, strict=True):
        total_re = added(total_re, coefficient.real, re)
        total_re = added(total_re, -coefficient.imag, im)
        total_im = added(total_im, coefficient.real, im)
        total_im = added(total_im, coefficient.imag, re)
    return total_re, total_im


def _pauli_value(state: Pair, term: PauliTerm, n: int) -> Any:
    """Returns `<state|P|state>`, of shape `(batch,)`."""
    re, im = state
    if set(term.paulis) == {"Z"}:
        # Z strings read the probabilities alone.
        probabilities = re * re + im * im
        signed, _ = _pauli((probabilities, probabilities), term.paulis, term.qubits, n)
        return ops.sum(signed, axis=1)
    p_re, p_im = _pauli(state, term.paulis, term.qubits, n)
    return ops.sum(re * p_re + im * p_im, axis=1)
