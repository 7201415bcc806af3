"""The reference engine: state vectors on `keras.ops` alone, for any Keras backend.

The state of a batch is a pair of real tensors, real and imaginary parts, of shape
`(batch, 2**n_qubits)`. Gates are slices, sums and elementwise products with constants, never
matrix products, so that accelerators keep full float32 precision; the backend differentiates
and compiles them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from qkeras_hybrid._checks import must, positive_int
from qkeras_hybrid._double import cos, sin
from qkeras_hybrid.engines.base import Engine, check_shapes, memory_refusal, sample_bits
from qkeras_hybrid.program import Instruction, PauliRotation, Phase, Program, Unitary

if TYPE_CHECKING:
    from qkeras_hybrid.observables import PauliTerm

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
    >>> program = compile_circuit(cirq.Circuit(cirq.rx(sympy.Symbol("x"))(q)), "Z", inputs="x")
    >>> engine = StatevectorEngine()
    >>> z = engine.expectation(program, ops.array([[0.0], [np.pi]]), ops.zeros((0,)))
    >>> np.round(ops.convert_to_numpy(z), 5).tolist()
    [[1.0], [-1.0]]
    """

    name = "statevector"

    def __init__(self, shots: int | None = None) -> None:
        self.shots = None if shots is None else positive_int("shots", shots)
        self.exact = shots is None
        # TensorFlow's binomial sampler has no XLA kernel.
        self.supports_jit = self.exact or keras.backend.backend() != "tensorflow"

    def get_config(self) -> dict[str, Any]:
        return {"shots": self.shots}

    def supports(self, program: Program) -> str | None:
        # A state, the gate's result, and their like. What training needs besides: `caution`.
        return memory_refusal(program.n_qubits, 4 * 8)

    def caution(self, program: Program) -> str | None:
        # The backend's reverse mode keeps what each instruction read: a complex64 state or two.
        refusal = memory_refusal(program.n_qubits, 8 * len(program.instructions))
        if refusal is None:
            return None
        return (
            f"training on the statevector engine keeps a state vector for each of the "
            f"{len(program.instructions)} instructions: {refusal}. Predicting needs a few states "
            'only. Train with engine="native", which keeps three, or with fewer qubits.'
        )

    def expectation(self, program: Program, inputs: Any, weights: Any, *, seed: Any = None) -> Any:
        state = self._run(program, inputs, weights)
        values: dict[tuple[str, tuple[int, ...]], Any] = {}
        measured = []
        for term in (term for observable in program.observables for term in observable.terms):
            if term.qubits:
                key = (term.paulis, term.qubits)
                if key not in values:
                    values[key] = _pauli_value(state, term, program.n_qubits)
                measured.append(values[key])
        if self.shots is not None and measured:
            estimates = _estimate(ops.stack(measured, axis=1), self.shots, seed)
            measured = ops.unstack(estimates, len(measured), axis=1)
        remaining = iter(measured)
        columns = []
        for observable in program.observables:
            column = ops.zeros_like(state[0][:, 0])
            for term in observable.terms:
                factor = next(remaining) if term.qubits else 1.0
                column = column + term.coefficient * factor
            columns.append(column)
        return ops.stack(columns, axis=1) if columns else state[0][:, :0]

    def state(self, program: Program, inputs: Any, weights: Any) -> Any:
        re, im = self._run(program, inputs, weights)
        # ops.view_as_complex would round float64 to complex64.
        double = keras.backend.standardize_dtype(re.dtype) == "float64"
        dtype = "complex128" if double else "complex64"
        return ops.cast(re, dtype) + ops.cast(im, dtype) * 1j

    def probabilities(self, program: Program, inputs: Any, weights: Any) -> Any:
        re, im = self._run(program, inputs, weights)
        return re * re + im * im

    def sample(
        self, program: Program, inputs: Any, weights: Any, shots: int, *, seed: Any = None
    ) -> Any:
        shots = positive_int("shots", shots)
        probabilities = self.probabilities(program, inputs, weights)
        return sample_bits(probabilities, program.n_qubits, shots, seed)

    def _run(self, program: Program, inputs: Any, weights: Any) -> Pair:
        """Returns the final state of each sample."""
        inputs, weights = ops.convert_to_tensor(inputs), ops.convert_to_tensor(weights)
        check_shapes(program, inputs, weights)
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        if dtype not in ("float32", "float64"):
            raise ValueError(must("inputs", "be of dtype float32 or float64", dtype))
        trig = _Trigonometry(program, *program.extend(inputs, weights))
        n = program.n_qubits
        # The batch dimension is one until the first gate that depends on an input: what comes
        # before is computed once for the batch. `keep` makes it whole at the end in any case,
        # and makes the result empty where the batch is, NaN in no case.
        start = np.zeros((1, 2**n))
        start[0, 0] = 1.0
        state: Pair = (
            ops.convert_to_tensor(start, dtype),
            ops.zeros((1, 2**n), dtype=dtype),
        )
        for instruction in program.instructions:
            state = _apply(instruction, state, trig, n)
        batch = ops.shape(inputs)[0]
        whole = (batch, 2**n)
        return (
            state[0] if trig.used_inputs else ops.broadcast_to(state[0], whole),
            state[1] if trig.used_inputs else ops.broadcast_to(state[1], whole),
        )


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

    def __init__(self, program: Program, inputs: Any, weights: Any) -> None:
        of_inputs, of_weights = program.affine.table
        self._depends = [bool(angle.inputs) for angle in program.affine.angles]
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
    if isinstance(instruction, PauliRotation):
        # exp(-i a/2 P) = cos(a/2) - i sin(a/2) P
        cosine, sine = trig(instruction.angle, 0.5)
        re, im = state
        p_re, p_im = _pauli(state, instruction.paulis, instruction.qubits, n)
        return cosine * re + sine * p_im, cosine * im - sine * p_re
    if isinstance(instruction, Phase):
        cosine, sine = trig(instruction.angle, 1.0)
        return _phase(state, cosine, sine, instruction.qubits, n)
    return _unitary(state, instruction, n)


def _split_shape(qubits: Sequence[int], n: int) -> tuple[list[int], dict[int, int]]:
    """Returns the shape of `2**n` amplitudes with an axis of 2 for each of `qubits`.

    Axes between them gather the other qubits. The second result says which axis is a qubit's,
    counting from 0.
    """
    shape, axes, before = [], {}, 0
    for qubit in sorted(qubits):
        shape += [2 ** (qubit - before), 2]
        axes[qubit] = len(shape) - 1
        before = qubit + 1
    return [*shape, 2 ** (n - before)], axes


def _per_state(values: np.ndarray, qubits: Sequence[int], n: int) -> tuple[list[int], np.ndarray]:
    """Lays out values of the basis states of `qubits` so that they broadcast over a state.

    Returns:
        The shape to give a state, without its batch axis, and the values in a shape that
        broadcasts over it.
    """
    if len(qubits) > 3:
        # Backends limit the number of axes: many qubits have a value for each basis state.
        index = np.arange(2**n)
        bits = sum(
            (index >> (n - 1 - qubit) & 1) << (len(qubits) - 1 - k)
            for k, qubit in enumerate(qubits)
        )
        return [2**n], values[bits][None]
    shape, axes = _split_shape(qubits, n)
    order = np.argsort(qubits)
    broadcast = [1] * (len(shape) + 1)
    for qubit in qubits:
        broadcast[axes[qubit] + 1] = 2
    return shape, values.reshape([2] * len(qubits)).transpose(order).reshape(broadcast)


def _multiplied(state: Pair, re: Any, im: Any, shape: list[int], n: int) -> Pair:
    """Multiplies a state by factors that broadcast over it in a shape."""
    a, b = (ops.reshape(part, (-1, *shape)) for part in state)
    return (
        ops.reshape(a * re - b * im, (-1, 2**n)),
        ops.reshape(a * im + b * re, (-1, 2**n)),
    )


def _phase(state: Pair, cosine: Any, sine: Any, qubits: tuple[int, ...], n: int) -> Pair:
    mask = np.zeros(2 ** len(qubits))
    mask[-1] = 1.0
    shape, mask = _per_state(mask, qubits, n)
    on = ops.convert_to_tensor(mask, keras.backend.standardize_dtype(cosine.dtype))
    ones = [-1] + [1] * (mask.ndim - 1)
    cosine, sine = ops.reshape(cosine, ones), ops.reshape(sine, ones)
    return _multiplied(state, 1.0 + on * (cosine - 1.0), on * sine, shape, n)


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
        split, sign = _per_state(sign, qubits, n)
        factor = ops.convert_to_tensor(sign, keras.backend.standardize_dtype(re.dtype))
        re, im = (
            ops.reshape(ops.reshape(part, (-1, *split)) * factor, (-1, 2**n)) for part in (re, im)
        )
    return [(re, im), (-im, re), (-re, -im), (im, -re)][paulis.count("Y") % 4]


def _unitary(state: Pair, instruction: Unitary, n: int) -> Pair:
    matrix, qubits = instruction.array, instruction.qubits
    dtype = keras.backend.standardize_dtype(state[0].dtype)
    if not np.any(matrix[~np.eye(len(matrix), dtype=bool)]):
        shape, diagonal = _per_state(np.diag(matrix), qubits, n)
        re, im = (ops.convert_to_tensor(part, dtype) for part in (diagonal.real, diagonal.imag))
        return _multiplied(state, re, im, shape, n)
    shape, axes = _split_shape(qubits, n)
    tensors = [ops.reshape(part, (-1, *shape)) for part in state]

    def picked(tensor: Any, bits: int) -> Any:
        index: list[Any] = [slice(None)] * (len(shape) + 1)
        for k, qubit in enumerate(qubits):
            index[axes[qubit] + 1] = bits >> (len(qubits) - 1 - k) & 1
        return tensor[tuple(index)]

    columns = [tuple(picked(tensor, bits) for tensor in tensors) for bits in range(len(matrix))]
    rows = [_combination(row, columns) for row in matrix]
    # The rows are put together along the axis of one qubit after the other, the last first,
    # so that each axis of 2 comes back where it was.
    for qubit in sorted(qubits, reverse=True):
        k = qubits.index(qubit)
        step = 2 ** (len(qubits) - 1 - k)
        # The axes of the earlier qubits are still missing.
        axis = axes[qubit] + 1 - sum(other < qubit for other in qubits)
        merged: list[Any] = list(rows)
        for i in range(len(rows)):
            if rows[i] is not None and not i & step:
                merged[i] = tuple(
                    ops.stack([low, high], axis=axis)
                    for low, high in zip(rows[i], rows[i | step], strict=True)
                )
                merged[i | step] = None
        rows = merged
    re, im = rows[0]
    return ops.reshape(re, (-1, 2**n)), ops.reshape(im, (-1, 2**n))


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
